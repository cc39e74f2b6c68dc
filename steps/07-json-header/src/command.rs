//! Commands: run in the system's shell, for a limited time, with output of any size.
//!
//! New in this step: what a command writes goes into files, so it costs no memory. A command that
//! takes too long is stopped, with all the processes that it has started: `guard.rs` does that.
//!
//! Still wrong, on purpose: nothing limits these files but the time and the disk.

use std::fs::File;
use std::io::{self, Read, Take};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use crate::guard::{Guard, start};
use crate::problem::explain;
use crate::shell::shell;

/// How long a killed process may take to be gone. It may also be one that we may not kill.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// What a command has left.
pub struct Output {
    /// What it wrote to stdout, and then what it wrote to stderr.
    pub parts: Vec<Take<File>>,
    /// How it ended, or `None` if it was stopped because its time was up.
    pub status: Option<ExitStatus>,
}

// ANCHOR: run-command
/// Runs a command line in the system's shell, and stops it when `timeout` has passed.
///
/// A command that cannot be run, or cannot be stopped, is an error.
pub fn run_command(command_line: &str, timeout: Duration) -> io::Result<Output> {
    let (stdout, stdout_part) = temporary_file()?;
    let (stderr, stderr_part) = temporary_file()?;
    let mut command = shell(command_line);
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    let (child, guard) = start(command)?;
    let status = wait(child, guard, timeout)?;
    let mut parts = Vec::new();
    for file in [stdout_part, stderr_part] {
        // A process in the background may continue to write. The answer is what is there now.
        let len = file.metadata()?.len();
        parts.push(file.take(len));
    }
    Ok(Output { parts, status })
}

/// Creates a file without a name, opened twice: once for the command to write and once for us to read.
/// With a single handle, we would share one position in the file with the command.
fn temporary_file() -> io::Result<(File, File)> {
    let make = || -> io::Result<_> {
        // The crate finds a name that is free. We open the file: its own errors would tell the path.
        let file = tempfile::Builder::new().make(create_private)?;
        let reader = File::open(file.path())?;
        Ok((file.into_file(), reader)) // the name goes; the file goes when the last program closes it
    };
    make().map_err(|error| {
        let message = format!("no temporary file for its output: {}", explain(&error));
        io::Error::new(error.kind(), message)
    })
}

/// Makes a file that no other user can read, if the system knows such files.
fn create_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
// ANCHOR_END: run-command

// ANCHOR: wait
/// Waits until the command has ended, or kills it when `timeout` has passed (`None`).
fn wait(mut child: Child, guard: Guard, timeout: Duration) -> io::Result<Option<ExitStatus>> {
    let (sender, ended) = mpsc::channel();
    // `std` cannot wait for a process with a time limit. For a message it can.
    thread::Builder::new().spawn(move || {
        // It fails if `wait` has given up, and then the status does not matter.
        let _ = sender.send(child.wait());
    })?;
    match ended.recv_timeout(timeout) {
        Ok(status) => {
            guard.dismiss();
            return status.map(Some);
        }
        Err(RecvTimeoutError::Timeout) => {}
        Err(RecvTimeoutError::Disconnected) => unreachable!("the thread sends before it ends"),
    }
    drop(guard); // kills the command
    match ended.recv_timeout(KILL_TIMEOUT) {
        Ok(status) => status.map(|_| None),
        Err(_) => Err(io::Error::other("its time is up, and it cannot be stopped")),
    }
}
// ANCHOR_END: wait
