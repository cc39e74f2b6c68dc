//! Systems that do not report what the kernel holds for a program.

use super::stable::Stable;
use super::trace::Program;

const REASON: &str = "only Linux reports what the kernel holds";

pub(super) fn obstacle() -> Option<String> {
    Some(REASON.to_owned())
}

/// A program that would be looked at.
#[expect(dead_code, reason = "nothing here looks at it")]
pub(super) struct Subject<'a> {
    pub(super) terminal: &'a str,
    pub(super) pid: Option<u32>,
    pub(super) floods: bool,
}

#[derive(Default)]
pub(super) struct Looks;

impl Looks {
    pub(super) fn look(
        &mut self,
        _: &[Subject],
        _: &str,
        _: &Stable,
    ) -> Result<Vec<Program>, String> {
        Err(REASON.to_owned())
    }

    pub(super) fn keep(&mut self, _: &str) {}
}
