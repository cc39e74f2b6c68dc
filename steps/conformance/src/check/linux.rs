//! What Linux reports of another process: its sockets, its threads, its descriptors.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use crate::process_info::{Connection, Stat, Status};
use crate::{Failure, Program, process_info};

/// The wait between two looks at what the system reports of a process. There is no event for a change in it.
pub(super) const LOOK: Duration = Duration::from_millis(5);

/// The timer of a socket in `/proc/net/tcp`, column `tr`, that is neither for a retransmission
/// (01, 04) nor for a connection that has ended (03): see `man 5 proc`.
const KEEPALIVE_TIMER: u8 = 2;

/// Waits until a server on this computer has read what has arrived for it on a connection between
/// these ports, or until the deadline: the check itself judges whether the server reads at all.
pub(super) fn wait_until_all_is_read((local, remote): (u16, u16), deadline: Duration) {
    let until = Instant::now() + deadline;
    while is_unread(local, remote) && Instant::now() < until {
        std::thread::sleep(LOOK); // no event reports that another process has read something
    }
}

/// How long a server may have work to do. One that spins never finishes.
const WORK: Duration = Duration::from_secs(1);

/// Waits until no thread of a server, in any of its processes, has work to do, or until the time is up. A
/// server that a reset connection has woken, for example, has work to do until it has handled the reset.
pub(crate) fn wait_until_it_sleeps(server: &Program) {
    let until = Instant::now() + WORK;
    let has_work = || server.family().is_ok_and(|family| family.into_iter().any(has_work));
    while has_work() && Instant::now() < until {
        std::thread::sleep(LOOK); // no event reports that another process waits
    }
}

/// Whether one of its threads runs, or waits for a processor.
fn has_work(pid: u32) -> bool {
    Stat::of_threads(pid).iter().any(|thread| thread.state == 'R')
}

/// Whether bytes wait in a socket. For a server on another computer, this is unknown.
fn is_unread(local: u16, remote: u16) -> bool {
    let connections = Connection::all(std::process::id()).unwrap_or_default();
    connections
        .iter()
        .any(|it| (it.local.port(), it.remote.port(), it.unread > 0) == (local, remote, true))
}

/// Whether the keepalive timer runs on the server's end of a connection between these ports.
pub(crate) fn keepalive_is_on(
    server: &Program,
    (local, remote): (u16, u16),
) -> Result<bool, Failure> {
    let connections = Connection::all(server.id()).map_err(|error| failed(&error))?;
    let connection =
        connections.iter().find(|it| (it.local.port(), it.remote.port()) == (local, remote));
    let connection =
        connection.ok_or_else(|| Failure::new(text!("linux.no-connection", remote)))?;
    Ok(connection.timer == KEEPALIVE_TIMER)
}

/// How many more threads and descriptors than before are no leak. The runtimes of some languages start
/// threads and open files under load, and keep them; a leak grows with each client.
const SLACK: usize = 30;

/// The threads and descriptors that all processes of a program use.
pub(super) struct Resources {
    threads: usize,
    descriptors: usize,
}

impl Resources {
    pub(super) fn of(program: &Program) -> Result<Self, Failure> {
        let mut sum = Self { threads: 0, descriptors: 0 };
        for id in program.family()? {
            // A process that has just ended has none.
            sum.threads += Status::of(id).ok().and_then(|status| status.threads()).unwrap_or(0);
            sum.descriptors += match process_info::descriptors(id) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    return Err(Failure::not_asked(error.to_string()));
                }
                Err(_) => 0,
            };
        }
        if sum.threads == 0 {
            return Err(Failure::new(text!("linux.no-threads")));
        }
        Ok(sum)
    }

    /// Waits until a program needs hardly more than this.
    pub(super) fn must_be_enough_for(
        &self,
        program: &Program,
        deadline: Duration,
    ) -> Result<(), Failure> {
        let until = Instant::now() + deadline;
        loop {
            let now = Self::of(program)?;
            if now.threads <= self.threads + SLACK && now.descriptors <= self.descriptors + SLACK {
                return Ok(());
            }
            if Instant::now() >= until {
                let (threads, descriptors) = (now.threads, now.descriptors);
                let (threads_before, descriptors_before) = (self.threads, self.descriptors);
                return Err(Failure::new(text!(
                    "linux.left-behind",
                    threads,
                    descriptors,
                    threads_before,
                    descriptors_before,
                )));
            }
            std::thread::sleep(LOOK); // no event reports that another process has released something
        }
    }
}

fn failed(error: &std::io::Error) -> Failure {
    Failure::new(error.to_string())
}
