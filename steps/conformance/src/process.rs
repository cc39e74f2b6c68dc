//! The processes of programs, and of those that they start themselves.
//!
//! A program that is not ours may start others. On Unix it gets a process group, which is ended
//! whole; on Windows the tree of its processes is. On Linux it also gets a mark, so that a process
//! that has left the group is found; and after [`become_judge`], one without a mark is found, too.
//! When this process is killed, a shell that waits for its end does the same, on Unix.

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
        let mut ours = ours(); // an interrupt is earlier, or finds it in the list
        let mut keeper = mark.as_ref().and_then(|mark| Keeper::start(mark).ok());
        ours.children.extend(keeper.as_ref().map(Keeper::id));
        let mut child = command.spawn()?;
        let id = child.id();
        ours.children.push(id);
        if let Some(keeper) = &mut keeper {
            keeper.watch(id);
        }
        ours.leaders.extend(mark.map(|mark| Leader { id, mark, keeper }));
        let stdin = child.stdin.take();
        Ok((Self { child: Arc::new(Mutex::new(child)), id }, stdin))
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
        let mut ours = ours();
        if let Some(at) = ours.leaders.iter().position(|leader| leader.id == self.id) {
            let leader = ours.leaders.swap_remove(at);
            leader.end_all(&ours);
            let keeper = leader.keeper.as_ref().map(Keeper::id);
            ours.children.retain(|id| Some(*id) != keeper);
        }
        let mut child = self.lock();
        let _ = child.kill();
        let _ = child.wait();
        ours.children.retain(|id| *id != self.id);
    }

    /// The processes that belong to it and run: itself, and what it and those have started.
    #[cfg(target_os = "linux")]
    pub(crate) fn family(&self) -> Vec<u32> {
        let ours = ours();
        let leader = ours.leaders.iter().find(|leader| leader.id == self.id);
        mark::family_of(self.id, leader.map(|leader| &leader.mark), &ours)
    }

    fn lock(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The standard input of a child, if it is in our hands.
type Input = Option<std::process::ChildStdin>;

/// The processes that we have started and not ended.
struct Ours {
    /// Those that are to be ended with all that they have started.
    leaders: Vec<Leader>,
    /// All of them, by their ids.
    children: Vec<u32>,
}

/// A process that is to be ended with all that it has started.
struct Leader {
    id: u32,
    mark: Mark,
    /// None if it could not be started. It goes when the leader is dropped.
    keeper: Option<Keeper>,
}

impl Leader {
    /// Ends the process and what it has started; `ours` are the others, which are left alone.
    fn end_all(&self, ours: &Ours) {
        kill_group(self.id);
        mark::kill_all(self, ours);
    }
}

/// Ends a program and what it has started when this process is killed, and so can do nothing itself: a
/// shell that waits for the end of its input, to which this process alone can write.
#[cfg(unix)]
struct Keeper(Child);

#[cfg(unix)]
impl Keeper {
    /// `$0` is the mark; on systems without marks, it is in no file. The process group is the first line
    /// of the input, unless the program could not be started. Further lines are no end: on Linux, a program
    /// of the same user can write some.
    const SCRIPT: &str = "trap '' HUP INT TERM; read -r group || exit; cat > /dev/null; \
                          kill -s KILL -- \"-$group\"; \
                          for file in $(grep -ls \"$0\" /proc/[0-9]*/environ); do \
                          id=${file#/proc/}; kill -s KILL \"${id%/environ}\"; done";

    fn start(mark: &Mark) -> io::Result<Self> {
        use std::os::unix::process::CommandExt as _;
        use std::process::Stdio;

        let mut shell = Command::new("sh");
        shell.args(["-c", Self::SCRIPT, mark.name()]).process_group(0); // Ctrl-C is not for it
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        shell.spawn().map(Self)
    }

    fn id(&self) -> u32 {
        self.0.id()
    }

    /// Has it watch over the group of this process.
    fn watch(&mut self, leader: u32) {
        use std::io::Write as _;

        let stdin = self.0.stdin.as_mut();
        let _ = stdin.map(|stdin| writeln!(stdin, "{leader}")); // it fails if another process has ended it
    }
}

#[cfg(unix)]
impl Drop for Keeper {
    fn drop(&mut self) {
        let _ = self.0.kill(); // first, or it would do its work
        let _ = self.0.wait();
    }
}

/// Windows ends a process's children with it only if they are in a job, which `std` cannot make.
#[cfg(not(unix))]
enum Keeper {}

#[cfg(not(unix))]
impl Keeper {
    fn start(_: &Mark) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn id(&self) -> u32 {
        match *self {}
    }

    fn watch(&mut self, _: u32) {
        match *self {}
    }
}

/// A process that was not started here, and those that it has started.
#[cfg(target_os = "linux")]
pub(crate) fn family_of(id: u32) -> Vec<u32> {
    mark::family_of(id, None, &ours())
}

fn ours() -> MutexGuard<'static, Ours> {
    static OURS: Mutex<Ours> = Mutex::new(Ours { leaders: Vec::new(), children: Vec::new() });
    OURS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes this process one that starts programs of strangers. To be called before it starts any, and
/// only by a process that starts all of its programs through this module.
///
/// On Linux, a process whose parent has ended becomes a child of this one from now on, so that nothing
/// that a program has started is lost from sight. And no program of the same user can read this
/// process's memory or use its descriptors, unless that user is root. Elsewhere it does nothing.
pub fn become_judge() {
    #[cfg(target_os = "linux")]
    mark::become_judge();
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
    use std::collections::HashMap;
    use std::process::Command;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::thread;
    use std::time::{Duration, Instant, SystemTime};

    use rustix::process::{
        DumpableBehavior, Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper,
        set_dumpable_behavior, waitpid,
    };

    use super::{Leader, Ours};
    use crate::process_info::{self, Stat};

    /// How long those that are killed may still start others meanwhile.
    const PATIENCE: Duration = Duration::from_secs(5);

    /// Between two looks for them. There is no event for "none is left".
    const LOOK: Duration = Duration::from_millis(1);

    /// Whether a process that loses its parent becomes a child of ours.
    static ADOPTS: AtomicBool = AtomicBool::new(false);

    /// A variable of the environment that no other program has. What a program starts inherits it,
    /// also in a process group or a session of its own, and when its parent has ended. Only a program
    /// that begins with an empty environment loses it.
    pub(super) struct Mark {
        variable: String,
        /// When this process started, as in [`Stat`]: what has started before has no mark of ours.
        since: u64,
    }

    impl Mark {
        /// Marks a program before it is started.
        pub(super) fn put_on(command: &mut Command) -> Self {
            static COUNT: AtomicUsize = AtomicUsize::new(0);
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
            let name = format!("CHECKED_{}_{count}_{now}", std::process::id());
            command.env(&name, "1");
            let since = Stat::of(std::process::id()).map_or(0, |stat| stat.start);
            Self { variable: format!("{name}=1"), since }
        }

        /// The variable's name.
        pub(super) fn name(&self) -> &str {
            self.variable.trim_end_matches("=1")
        }

        /// Whether this process has the mark. One that has ended has no environment any more.
        fn is_on(&self, id: u32, stat: &Stat) -> bool {
            stat.start >= self.since && process_info::has_variable(id, &self.variable)
        }
    }

    /// See [`super::become_judge`]. Both calls are as old as Linux 3.4; without them, less is found.
    pub(super) fn become_judge() {
        let _ = set_dumpable_behavior(DumpableBehavior::NotDumpable);
        ADOPTS.store(set_child_subreaper(Some(getpid())).is_ok(), Ordering::SeqCst);
    }

    /// Kills all that `leader` has started, and those that they start meanwhile.
    pub(super) fn kill_all(leader: &Leader, ours: &Ours) {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = family_of(leader.id, Some(&leader.mark), ours);
            if left.is_empty() || Instant::now() >= until {
                return;
            }
            for pid in left.into_iter().filter_map(pid) {
                let _ = kill_process(pid, Signal::KILL); // it may be gone
            }
            thread::sleep(LOOK); // no event reports that none is left
        }
    }

    /// A process, if it runs, and the processes that it has started: its descendants, and if it is one of
    /// ours, those with its mark, and strays.
    ///
    /// A stray is a child of ours that we have not started: it has lost its parent. If it does not
    /// have the mark of a program that still runs, it is one of this leader's, or of one before it.
    pub(super) fn family_of(leader: u32, mark: Option<&Mark>, ours: &Ours) -> Vec<u32> {
        let stats = process_info::all().filter_map(|id| Some((id, Stat::of(id).ok()?)));
        let stats: HashMap<u32, Stat> = stats.collect();
        let (me, adopts) = (std::process::id(), ADOPTS.load(Ordering::SeqCst));
        let is_stray = |id: u32, stat: &Stat| {
            adopts
                && mark.is_some()
                && stat.parent == me
                && !ours.children.contains(&id)
                && !ours.leaders.iter().any(|other| other.mark.is_on(id, stat))
        };
        let mut family = Vec::new();
        for (id, stat) in &stats {
            if stat.state == 'Z' {
                if is_stray(*id, stat) {
                    let nohang = WaitOptions::NOHANG;
                    let _ = pid(*id).map(|pid| waitpid(Some(pid), nohang)); // it has no other parent
                }
                continue;
            }
            // The parents, up to the leader, to a stray, or to a process that is neither.
            let line = std::iter::successors(Some((*id, stat)), |(_, stat)| {
                Some((stat.parent, stats.get(&stat.parent)?))
            });
            let mut line = line.take(stats.len()); // they were not all looked at in one moment
            if mark.is_some_and(|mark| mark.is_on(*id, stat))
                || line.any(|(id, stat)| id == leader || is_stray(id, stat))
            {
                family.push(*id);
            }
        }
        family
    }

    fn pid(id: u32) -> Option<Pid> {
        Pid::from_raw(i32::try_from(id).ok()?)
    }
}

/// Other systems do not report the environment of another process: the group, or the tree, must do.
#[cfg(not(target_os = "linux"))]
mod mark {
    use super::{Leader, Ours};

    pub(super) struct Mark(#[cfg(unix)] &'static str);

    impl Mark {
        pub(super) fn put_on(_command: &mut std::process::Command) -> Self {
            Self(
                #[cfg(unix)]
                "no mark",
            )
        }

        #[cfg(unix)]
        pub(super) fn name(&self) -> &'static str {
            self.0
        }
    }

    pub(super) fn kill_all(Leader { mark: _mark, .. }: &Leader, _ours: &Ours) {}
}

/// Sees to it that a signal to end ends the programs that we start.
///
/// A process that was started in the background may ignore SIGINT, and one under
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
                // Held until our end: no thread may start a process now.
                let mut ours = ours();
                while let Some(leader) = ours.leaders.pop() {
                    leader.end_all(&ours);
                }
                let _ = emulate_default_handler(signal); // it does not return
            }
        });
    });
}

/// Whether this process ignores a signal. Only Linux reports that: elsewhere, the answer is no,
/// and a hang-up ends us under `nohup`, too.
#[cfg(unix)]
pub(crate) fn is_ignored(signal: i32) -> bool {
    Status::of(std::process::id()).is_ok_and(|status| status.ignores(signal))
}

/// On Windows, a program is in our console, and Ctrl-C reaches it.
#[cfg(not(unix))]
fn end_programs_with_us() {}
