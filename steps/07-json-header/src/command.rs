//! Commands: run in the system's shell, for a limited time, with output of any size.
//!
//! New in this step: what a command writes goes into files, so it costs no memory. A command that
//! takes too long is stopped, with all the processes that it has started.
//!
//! Still wrong, on purpose: nothing limits these files but the time and the disk.

use std::fs::File;
use std::io::{self, Read, Take};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tempfile::NamedTempFile;

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
/// An error if it cannot be run, or cannot be stopped.
pub fn run_command(command_line: &str, timeout: Duration) -> io::Result<Output> {
    let (stdout, stdout_part) = temporary_file()?;
    let (stderr, stderr_part) = temporary_file()?;
    let child = shell(command_line).stdin(Stdio::null()).stdout(stdout).stderr(stderr).spawn()?;
    let status = wait(child, timeout)?;
    let mut parts = Vec::new();
    for file in [stdout_part, stderr_part] {
        // A process in the background may go on writing. The answer is what is there now.
        let len = file.metadata()?.len();
        parts.push(file.take(len));
    }
    Ok(Output { parts, status })
}

/// A new file without a name, opened twice: once for the command to write and once for us to read.
/// With a single one, we would share one position in the file with the command.
fn temporary_file() -> io::Result<(File, File)> {
    let make = || -> io::Result<_> {
        let file = NamedTempFile::new()?;
        let reader = file.reopen()?;
        let (writer, path) = file.into_parts();
        path.close()?; // the name goes; the file goes when the last program has closed it
        Ok((writer, reader))
    };
    make().map_err(|error| {
        let message = format!("no temporary file for its output: {}", without_path(&error));
        io::Error::new(error.kind(), message)
    })
}

/// What went wrong, in `std`'s words or in the system's, as the server's `explain` has it. Behind
/// these, `tempfile` tells the path, which is nobody's business.
pub fn without_path(error: &io::Error) -> String {
    let (kind, text) = (error.kind().to_string(), error.to_string());
    match text.split_once(" at path ") {
        Some((problem, _)) if kind == "uncategorized error" => problem.to_owned(),
        _ => kind,
    }
}
// ANCHOR_END: run-command

// ANCHOR: wait
/// Waits until the command has ended, or kills it when `timeout` has passed (`None`).
fn wait(mut child: Child, timeout: Duration) -> io::Result<Option<ExitStatus>> {
    let pid = child.id();
    let (sender, ended) = mpsc::channel();
    // `std` cannot wait for a process for a limited time, but it can wait so for a message.
    thread::Builder::new().spawn(move || {
        // If nobody receives this any more, nobody wants to know.
        let _ = sender.send(child.wait());
    })?;
    match ended.recv_timeout(timeout) {
        Ok(status) => return status.map(Some),
        Err(RecvTimeoutError::Timeout) => {}
        Err(RecvTimeoutError::Disconnected) => unreachable!("the thread sends before it ends"),
    }
    // It succeeds or it comes too late: what counts is that the command ends.
    kill(pid).status()?;
    match ended.recv_timeout(KILL_TIMEOUT) {
        Ok(status) => status.map(|_| None),
        Err(_) => Err(io::Error::other("its time is up, and it cannot be stopped")),
    }
}
// ANCHOR_END: wait

// ANCHOR: shell
/// The system's shell, with a command line for it, in a process group of its own: the shell and all
/// that it starts can be killed together. Ctrl-C at our terminal does not reach such a group.
#[cfg(unix)]
fn shell(command_line: &str) -> Command {
    use std::os::unix::process::CommandExt;

    let mut command = Command::new("sh");
    command.args(["-c", command_line]).process_group(0);
    command
}

/// Kills a process group. A process that has left its group stays.
///
/// `std` can kill one process only, so the shell does it.
#[cfg(unix)]
fn kill(group: u32) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", &format!("kill -s KILL -- -{group}")]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// The system's shell, with a command line for it: as it stands, since `cmd` has quoting rules of
/// its own. With /S it takes off the outermost quotes, and no others.
#[cfg(windows)]
fn shell(command_line: &str) -> Command {
    use std::os::windows::process::CommandExt;

    let mut command = Command::new("cmd");
    command.args(["/S", "/C"]).raw_arg(format!("\"{command_line}\""));
    command
}

/// Kills (/F) a process and the tree (/T) of all that it has started.
#[cfg(windows)]
fn kill(pid: u32) -> Command {
    let mut command = Command::new("taskkill");
    command.args(["/T", "/F", "/PID", &pid.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}
// ANCHOR_END: shell
