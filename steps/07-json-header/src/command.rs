//! Commands: run in the system's shell, for a limited time, with output of any size.
//!
//! New in this step: what a command writes goes into files, so it costs no memory. A command that
//! takes too long is stopped, with all the processes that it has started, and none outlives the server.
//!
//! Still wrong, on purpose: nothing limits these files but the time and the disk.

use std::fs::File;
use std::io::{self, Read, Take};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use tempfile::NamedTempFile;

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
/// An error if it cannot be run, or cannot be stopped.
pub fn run_command(command_line: &str, timeout: Duration) -> io::Result<Output> {
    let (stdout, stdout_part) = temporary_file()?;
    let (stderr, stderr_part) = temporary_file()?;
    let mut command = shell(command_line);
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    let (child, guard) = start(command)?;
    let status = wait(child, guard, timeout)?;
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
fn wait(mut child: Child, guard: Guard, timeout: Duration) -> io::Result<Option<ExitStatus>> {
    let (sender, ended) = mpsc::channel();
    // `std` cannot wait for a process for a limited time, but it can wait so for a message.
    thread::Builder::new().spawn(move || {
        // If nobody receives this any more, nobody wants to know.
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

// ANCHOR: guard
/// A process that waits for the end of its input, and then kills a command with all that it has
/// started.
///
/// The other end of its input is ours. It ends when this is dropped, and also when we are no more:
/// however our process ends, the system closes all that it had open. So no command outlives us.
struct Guard(Child);

impl Guard {
    fn start(mut command: Command) -> io::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(Self)
    }

    /// Ends the guard, and not what it guards: the command has ended by itself.
    fn dismiss(mut self) {
        let _ = self.0.kill(); // fails only where it has ended, which is what we want
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Closes our end of its input first. What counts is that the command ends, not this status.
        let _ = self.0.wait();
    }
}
// ANCHOR_END: guard

// ANCHOR: start
/// Starts a command and its guard, in a process group of their own: with it the guard can kill the
/// shell and all that it starts. A process that has left the group stays.
///
/// Ctrl-C at our terminal does not reach such a group. The guard comes first: the command is never
/// without it. `std` can kill one process only, so a shell is the guard.
#[cfg(unix)]
fn start(mut command: Command) -> io::Result<(Child, Guard)> {
    use std::os::unix::process::CommandExt;

    let mut guard = Command::new("sh");
    // What the command may send to its group must not end the guard.
    guard.args(["-c", "trap '' HUP INT TERM; read line; kill -s KILL 0"]).process_group(0);
    let guard = Guard::start(guard)?;
    let group = i32::try_from(guard.0.id()).expect("the system has process ids of this type");
    Ok((command.process_group(group).spawn()?, guard))
}

/// Starts a command and its guard, which kills (/F) the process and the tree (/T) of all that it has
/// started. Ctrl-C at our terminal reaches all of them.
#[cfg(windows)]
fn start(mut command: Command) -> io::Result<(Child, Guard)> {
    let mut child = command.spawn()?;
    let guard = shell(&format!("set /P line= & taskkill /T /F /PID {}", child.id()));
    match Guard::start(guard) {
        Ok(guard) => Ok((child, guard)),
        Err(error) => child.kill().and(Err(error)),
    }
}
// ANCHOR_END: start
