//! What a program reports when it fails, and a remedy if there is one.

use std::io::{self, Write};
use std::process::ExitCode;

use crate::DEFAULT_ADDR;

/// Prints an error on stderr, and returns the exit code of a failure.
///
/// `subject` is what the error is about: an address, or a file.
pub fn report(subject: &str, error: &io::Error) -> ExitCode {
    // This fails if stderr is closed. Then the exit code is the only report.
    let _ = writeln!(io::stderr(), "error: {subject}: {}", explain(error));
    ExitCode::FAILURE
}

/// Describes an error in one line, with advice where there is some.
fn explain(error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => "stop the program that has it, or choose another port",
        io::ErrorKind::AddrNotAvailable => "this computer has no such address",
        io::ErrorKind::BrokenPipe => "the other end of the pipe or connection is closed",
        io::ErrorKind::ConnectionRefused => "start the server first",
        io::ErrorKind::ConnectionReset => "the other end closed the connection abruptly",
        io::ErrorKind::InvalidInput => &format!("an address looks like {DEFAULT_ADDR}"),
        // An error without a number is one of ours, not the system's, and has its own advice.
        io::ErrorKind::PermissionDenied if error.raw_os_error().is_some() => {
            "choose a port above 1023"
        }
        _ => return error.to_string(),
    };
    format!("{}; {advice}", error.kind())
}
