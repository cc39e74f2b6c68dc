//! The processes of programs, and of those that they start themselves.
//!
//! A program that is not ours may start others. On Unix it gets a process group, which is ended
//! whole; on Windows the tree of its processes is. On Linux it also gets a mark, so that whoever has
//! left the group is found.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mark::Mark;

#[cfg(unix)]
use crate::process_info::Status;

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
        let mark = with_children.then(|| Mark::put_on(command));
        let mut leaders = leaders(); // an interrupt comes before, or finds it in the list
        let mut child = command.spawn()?;
        let id = child.id();
        leaders.extend(mark.map(|mark| Leader { id, mark }));
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
            leaders.iter().filter(|leader| leader.id == self.id).for_each(Leader::end_all);
            leaders.retain(|leader| leader.id != self.id);
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

/// A process that is to be ended with all that it has started.
struct Leader {
    id: u32,
    mark: Mark,
}

impl Leader {
    fn end_all(&self) {
        kill_group(self.id);
        self.mark.kill_all();
    }
}

/// The processes that are to be ended with all that they have started.
fn leaders() -> MutexGuard<'static, Vec<Leader>> {
    static LEADERS: Mutex<Vec<Leader>> = Mutex::new(Vec::new());
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

/// Finds what a program has started, and what that has started, wherever it has gone.
#[cfg(target_os = "linux")]
mod mark {
    use std::process::Command;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::{Duration, Instant, SystemTime};

    use rustix::process::{Pid, Signal, kill_process};

    use crate::process_info;

    /// How long those with a mark may go on to start others while they are being killed.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// Between two looks for them. There is no event for "none is left".
    const LOOK: Duration = Duration::from_millis(1);

    /// A variable of the environment that no other program has. What a program starts inherits it,
    /// also in a process group or a session of its own, and when its parent has ended. Only a program
    /// that begins with an empty environment loses it.
    pub(super) struct Mark(String);

    impl Mark {
        /// Marks a program before it is started.
        pub(super) fn put_on(command: &mut Command) -> Self {
            static COUNT: AtomicUsize = AtomicUsize::new(0);
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
            let name = format!("CHECKED_{}_{count}_{now}", std::process::id());
            command.env(&name, "1");
            Self(name)
        }

        /// Kills all that have the mark, and those that they start meanwhile.
        pub(super) fn kill_all(&self) {
            let until = Instant::now() + PATIENCE;
            loop {
                let marked = self.processes();
                if marked.is_empty() || Instant::now() >= until {
                    return;
                }
                for pid in marked {
                    let _ = kill_process(pid, Signal::KILL); // it may be gone
                }
                thread::sleep(LOOK); // no event reports that none is left
            }
        }

        /// The processes with the mark. One that has ended has no environment any more.
        fn processes(&self) -> Vec<Pid> {
            let variable = format!("{}=1", self.0);
            let marked =
                process_info::all().filter(|id| process_info::has_variable(*id, &variable));
            marked.filter_map(|id| Pid::from_raw(i32::try_from(id).ok()?)).collect()
        }
    }
}

/// Elsewhere, nothing tells the environment of another process: the group, or the tree, must do.
#[cfg(not(target_os = "linux"))]
mod mark {
    pub(super) struct Mark;

    impl Mark {
        pub(super) fn put_on(_command: &mut std::process::Command) -> Self {
            Self
        }

        #[expect(clippy::unused_self, reason = "on Linux, it is needed")]
        pub(super) fn kill_all(&self) {}
    }
}

/// Sees to it that a signal to end ends the programs that we start.
///
/// A process that was started in the background may have been told to ignore SIGINT, and one under
/// `nohup` SIGHUP, and the programs that it starts inherit that. They do not inherit a handler. This
/// one does what would be done without it, and before that it ends those who have groups of their
/// own: Ctrl-C at our terminal does not reach them.
#[cfg(unix)]
fn end_programs_with_us() {
    use std::sync::Once;

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;
    use signal_hook::low_level::emulate_default_handler;

    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let all = [SIGHUP, SIGINT, SIGTERM];
        let ignored: Vec<i32> = all.into_iter().filter(|signal| is_ignored(*signal)).collect();
        let mut signals = Signals::new(all).expect("all can be handled");
        std::thread::spawn(move || {
            for signal in signals.forever().filter(|signal| !ignored.contains(signal)) {
                // Held until our end: nobody may start another one now.
                let leaders = leaders();
                leaders.iter().for_each(Leader::end_all);
                let _ = emulate_default_handler(signal); // it does not return
            }
        });
    });
}

/// Whether this process was told to ignore a signal. Only Linux says so: elsewhere, the answer is no,
/// and a hang-up ends us under `nohup`, too.
#[cfg(unix)]
pub(crate) fn is_ignored(signal: i32) -> bool {
    Status::of(std::process::id()).is_ok_and(|status| status.ignores(signal))
}

/// On Windows, a program is in our console, and Ctrl-C reaches it.
#[cfg(not(unix))]
fn end_programs_with_us() {}
