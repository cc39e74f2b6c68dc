//! The processes of programs, and of those that they start themselves.
//!
//! A program that is not ours may start others. On Unix it gets a process group, which is ended
//! whole; on Windows the tree of its processes is.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A process that was started. All copies are the same process.
#[derive(Clone)]
pub(crate) struct Process {
    child: Arc<Mutex<Child>>,
    id: u32,
    with_children: bool,
}

impl Process {
    /// Starts `command`. If it is to be ended with all that it starts, that is arranged for.
    pub(crate) fn start(command: &mut Command, with_children: bool) -> io::Result<(Self, Input)> {
        end_programs_with_us();
        #[cfg(unix)]
        if with_children {
            std::os::unix::process::CommandExt::process_group(command, 0);
        }
        let mut leaders = leaders(); // an interrupt comes before, or finds it in the list
        let mut child = command.spawn()?;
        let id = child.id();
        if with_children {
            leaders.push(id);
        }
        let stdin = child.stdin.take();
        Ok((Self { child: Arc::new(Mutex::new(child)), id, with_children }, stdin))
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// How it has ended; none if it has not.
    pub(crate) fn status(&self) -> io::Result<Option<ExitStatus>> {
        self.lock().try_wait()
    }

    /// Ends it, and what it has started if that was arranged for, and waits for its end.
    pub(crate) fn end(&self) {
        // All of this fails only where the process has ended already, which is what we want.
        if self.with_children {
            let mut leaders = leaders();
            kill_group(self.id);
            leaders.retain(|id| *id != self.id);
        }
        let mut child = self.lock();
        let _ = child.kill();
        let _ = child.wait();
    }

    fn lock(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The standard input of a child, if it is in our hands.
type Input = Option<std::process::ChildStdin>;

/// The processes that are to be ended with all that they have started.
fn leaders() -> MutexGuard<'static, Vec<u32>> {
    static LEADERS: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    LEADERS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(unix)]
fn kill_group(leader: u32) {
    use rustix::process::{Pid, Signal, kill_process_group};

    if let Some(group) = i32::try_from(leader).ok().and_then(Pid::from_raw) {
        let _ = kill_process_group(group, Signal::KILL); // it may be gone
    }
}

#[cfg(not(unix))]
fn kill_group(leader: u32) {
    let mut kill = Command::new("taskkill");
    let _ = kill.args(["/T", "/F", "/PID", &leader.to_string()]).output(); // it may be gone
}

/// Sees to it that an interrupt ends the programs that we start.
///
/// A process that was started in the background may have been told to ignore SIGINT, and the
/// programs that it starts inherit that. They do not inherit a handler. This one does what would be
/// done without it, and before that it ends those who have groups of their own: Ctrl-C at our
/// terminal does not reach them.
#[cfg(unix)]
fn end_programs_with_us() {
    use std::sync::Once;

    use signal_hook::consts::{SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::emulate_default_handler;

    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let mut signals = Signals::new([SIGINT, SIGTERM]).expect("both can be handled");
        std::thread::spawn(move || {
            for signal in signals.forever() {
                // Held until our end: nobody may start another one now.
                let leaders = leaders();
                leaders.iter().copied().for_each(kill_group);
                let _ = emulate_default_handler(signal); // it does not return
            }
        });
    });
}

/// On Windows, a program is in our console, and Ctrl-C reaches it.
#[cfg(not(unix))]
fn end_programs_with_us() {}
