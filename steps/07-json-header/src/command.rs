//! Commands: run in the system's shell, for a limited time, with output of any size.
//!
//! New in this step: what a command writes goes into files, so it costs no memory. A command that
//! takes too long, or writes too much, is stopped, with all the processes that it has started:
//! `guard.rs` does that.
//!
//! Still wrong, on purpose: what a command leaves in the background can fill the disk.

use std::fs::File;
use std::io::{self, Read, Take};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::guard::{Guard, start};
use crate::problem::explain;
use crate::shell::shell;

/// How long to wait for a killed process to end. We may also lack the permission to kill it.
const KILL_TIMEOUT: Duration = Duration::from_secs(5);

/// The most that a command may write: 1 GiB.
pub const MAX_OUTPUT_MIB: u64 = 1024;

/// How often the server checks how much a command has written.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);

/// What a command has left.
pub struct Output {
    /// What it wrote to stdout, and then what it wrote to stderr. Empty if that was too much.
    pub parts: Vec<Take<File>>,
    /// How it ended.
    pub end: End,
}

/// How a command ended.
pub enum End {
    /// By itself, or by a signal.
    Ended(ExitStatus),
    /// It was stopped: its time was up.
    TimeUp,
    /// It wrote too much, and was stopped if it was still running.
    TooMuch,
}

// ANCHOR: run-command
/// Runs a command line in the system's shell, and stops it when `timeout` has passed, or when it has
/// written more than `max_mib`.
///
/// A command that cannot be run, or cannot be stopped, is an error.
pub fn run_command(command_line: &str, timeout: Duration, max_mib: u64) -> io::Result<Output> {
    let (stdout, stdout_part) = temporary_file()?;
    let (stderr, stderr_part) = temporary_file()?;
    let mut command = shell(command_line);
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    let (child, guard) = start(command)?;
    let lens = || io::Result::Ok([stdout_part.metadata()?.len(), stderr_part.metadata()?.len()]);
    let is_too_much = |lens: [u64; 2]| lens.iter().sum::<u64>() > max_mib * 1024 * 1024;
    let end = wait(child, guard, timeout, || lens().map(is_too_much))?;
    // A process in the background may continue to write. The answer is what is there now.
    let lens = lens()?;
    if is_too_much(lens) {
        return Ok(Output { parts: Vec::new(), end: End::TooMuch });
    }
    let parts = vec![stdout_part.take(lens[0]), stderr_part.take(lens[1])];
    Ok(Output { parts, end })
}

/// Creates a file without a name, opened twice: once for the command to write and once for us to read.
/// With a single handle, we would share one position in the file with the command.
fn temporary_file() -> io::Result<(File, File)> {
    let make = || -> io::Result<_> {
        // The crate finds a free name. We open the file ourselves: the crate's errors would reveal the path.
        let file = tempfile::Builder::new().make(create_private)?;
        let reader = File::open(file.path())?;
        Ok((file.into_file(), reader)) // removes the name; the file is removed when the last program closes it
    };
    make().map_err(|error| {
        let message = format!("no temporary file for its output: {}", explain(&error));
        io::Error::new(error.kind(), message)
    })
}

/// Creates a file that no other user can read, if the system supports that.
fn create_private(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true).write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}
// ANCHOR_END: run-command

// ANCHOR: wait
/// Waits until the command has ended, or kills it when `timeout` has passed, or when it has written
/// too much.
fn wait(
    mut child: Child,
    guard: Guard,
    timeout: Duration,
    is_too_much: impl Fn() -> io::Result<bool>,
) -> io::Result<End> {
    let (sender, ended) = mpsc::channel();
    let started = Instant::now();
    // `std` cannot wait for a process with a time limit, but it can wait for a message with one.
    thread::Builder::new().spawn(move || {
        // This fails if `wait` has given up. Then the status does not matter.
        let _ = sender.send(child.wait());
    })?;
    let end = loop {
        let rest = timeout.saturating_sub(started.elapsed());
        match ended.recv_timeout(rest.min(LOOK_INTERVAL)) {
            Ok(status) => {
                guard.dismiss();
                return status.map(End::Ended);
            }
            Err(RecvTimeoutError::Timeout) if is_too_much()? => break End::TooMuch,
            Err(RecvTimeoutError::Timeout) if started.elapsed() >= timeout => break End::TimeUp,
            Err(RecvTimeoutError::Timeout) => {} // look again
            Err(RecvTimeoutError::Disconnected) => unreachable!("the thread sends before it ends"),
        }
    };
    drop(guard); // kills the command
    match ended.recv_timeout(KILL_TIMEOUT) {
        Ok(status) => status.map(|_| end),
        Err(_) => Err(io::Error::other("it exceeded its time limit and cannot be stopped")),
    }
}
// ANCHOR_END: wait

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_command_that_does_not_stop_writing_is_stopped() {
        for line in ["yes", "yes >&2", "yes & yes >&2"] {
            let output = run_command(line, LONG, 1).unwrap();
            assert!(matches!(output.end, End::TooMuch), "{line}");
            assert!(output.parts.is_empty(), "{line}");
        }
    }

    #[test]
    fn the_limit_is_for_both_streams_together_and_a_byte_more_is_too_much() {
        let half = "head -c 524288 /dev/zero";
        let most = run_command(&format!("{half}; {half} >&2"), LONG, 1).unwrap();
        assert!(matches!(most.end, End::Ended(status) if status.success()));
        assert_eq!(most.parts.iter().map(Take::limit).collect::<Vec<_>>(), [524_288; 2]);
        let more = run_command(&format!("{half}; {half} >&2; echo"), LONG, 1).unwrap();
        assert!(matches!(more.end, End::TooMuch) && more.parts.is_empty());
    }
}
