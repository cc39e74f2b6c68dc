//! How a room ends.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Result;

/// The exit code of a command: 0 for true, 1 for false, which means that the command has printed what is
/// wrong, and 1 for an error, which is printed here.
#[must_use]
pub fn exit_code(result: Result<bool>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {error:#}"); // stderr may be closed
            ExitCode::FAILURE
        }
    }
}
