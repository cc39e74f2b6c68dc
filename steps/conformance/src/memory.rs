//! How much memory a program has: how one sees that it holds what it should pass on.

use crate::Failure;
use crate::program::Program;
use crate::usage::Usage;

/// The memory of `program` that is resident, in KiB, the sum of all its processes: on Linux the most
/// that each ever had, elsewhere what it has now.
///
/// # Errors
///
/// If the program has ended, or if the system does not report it: then the check is not asked.
pub fn resident_kib(program: &Program) -> Result<u64, Failure> {
    match Usage::of(program)?.resident_kib {
        0 => Err(program.failure(&text!("memory.ended"))),
        resident_kib => Ok(resident_kib),
    }
}
