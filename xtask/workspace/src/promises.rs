//! What the steps promise, from their manifests.

use std::path::Path;

use anyhow::{Context as _, Result};
use conformance::check::Promises;

use crate::root::{self, Step};

/// What each step promises, in the order of the steps.
///
/// An error if a manifest cannot be read, or names a check that does not exist.
pub fn promises(root: &Path) -> Result<Vec<(Step, Promises)>> {
    let read = |step: Step| {
        let promises = Promises::read(&step.dir(root));
        let promises = promises.with_context(|| format!("steps/{}", step.name))?;
        Ok((step, promises))
    };
    root::steps(root)?.into_iter().map(read).collect()
}
