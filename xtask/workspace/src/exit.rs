//! How a room prints its result, and ends.

use std::io::{self, Write};
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

/// Prints a line, or several, as far as they are read (`| head`).
///
/// # Errors
///
/// If the output cannot be written for another reason.
pub fn print(mut output: impl Write, text: &str) -> io::Result<()> {
    match writeln!(output, "{text}") {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(()),
    }
}
