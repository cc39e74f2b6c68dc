//! Guards: with them, a command can be stopped with all that it has started. It also ends with the
//! server, unless it deliberately leaves its process group.
//!
//! This file is an aside: it has nothing to do with messages.

use std::io;
use std::process::{Child, Command, Stdio};

#[cfg(windows)]
use crate::shell::shell;

// ANCHOR: guard
/// A process that waits for the end of its input, and then kills a command with all that it has
/// started.
///
/// We hold the other end of its input. The input ends when the guard is dropped, and also when our
/// process ends, in whatever way: the system closes everything that it had open. So a command ends
/// with us, unless it kills its guard or leaves its process group.
pub struct Guard(Child);

impl Guard {
    fn start(mut command: Command) -> io::Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().map(Self)
    }

    /// Ends the guard alone, after the command has ended by itself.
    pub fn dismiss(mut self) {
        let _ = self.0.kill(); // fails only if it has ended, which is what we want
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.0.stdin.take()); // our end of its input
        wake(&self.0);
        // The status does not matter, only that the command ends.
        let _ = self.0.wait();
    }
}
// ANCHOR_END: guard

// ANCHOR: wake
/// Continues a guard that a signal has stopped: a signal to the command's group reaches the guard, too.
#[cfg(unix)]
fn wake(guard: &Child) {
    use rustix::process::{Pid, Signal, kill_process};

    // This fails if the guard has ended. It has no effect on a guard that was not stopped.
    let _ = kill_process(Pid::from_child(guard), Signal::CONT);
}

#[cfg(windows)]
fn wake(_: &Child) {}
// ANCHOR_END: wake

// ANCHOR: start
/// Starts a command and its guard in a process group of their own, so that the guard can kill the
/// shell and all that it starts. A process that has left the group is not killed.
///
/// Ctrl-C at our terminal does not reach such a group. The guard is started first, so that the command
/// is never without it. It is a shell, since `std` can kill one process only.
#[cfg(unix)]
pub fn start(mut command: Command) -> io::Result<(Child, Guard)> {
    use std::os::unix::process::CommandExt;

    let mut guard = Command::new("sh");
    // What the command or its terminal may send to the group must not end or stop the guard.
    let script = "trap '' HUP INT QUIT TERM TSTP TTIN TTOU; read line; kill -s KILL 0";
    guard.args(["-c", script]).process_group(0);
    let guard = Guard::start(guard)?;
    let group = i32::try_from(guard.0.id()).expect("the system has process ids of this type");
    Ok((command.process_group(group).spawn()?, guard))
}

/// Starts a command and its guard, which kills (/F) the process and the tree (/T) of all that it has
/// started. Ctrl-C at our terminal reaches all of them.
#[cfg(windows)]
pub fn start(mut command: Command) -> io::Result<(Child, Guard)> {
    let mut child = command.spawn()?;
    let guard = shell(&format!("set /P line= & taskkill /T /F /PID {}", child.id()));
    match Guard::start(guard) {
        Ok(guard) => Ok((child, guard)),
        Err(error) => child.kill().and(Err(error)),
    }
}
// ANCHOR_END: start
