//! A pulled cable: clients of the chat rooms that vanish without a word.

use std::path::Path;

use anyhow::Result;
use conformance::soak::Report;
use workspace::root::Target;

/// Pulls the cable, and sees how the chat rooms take it. They must have been built.
#[cfg(target_os = "linux")]
pub fn pull(root: &Path, target: &Target) -> Result<Report> {
    use conformance::cable::{self, Room};

    use workspace::root;

    let mut rooms = Vec::new();
    for number in ["8", "9", "10"] {
        let step = root::find_step(root, number)?;
        rooms.push(Room { program: target.profile.join(&step.package), name: step.name });
    }
    Ok(cable::run(&rooms))
}

#[cfg(not(target_os = "linux"))]
pub fn pull(_: &Path, _: &Target) -> Result<Report> {
    anyhow::bail!("it needs Linux")
}
