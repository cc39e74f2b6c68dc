//! What Linux reports of another process: its sockets, its threads, its descriptors.

use std::fs;
use std::time::{Duration, Instant};

use crate::{Failure, Program};

/// Between two looks at what the system reports of a process. There is no event for a change in it.
pub(super) const LOOK: Duration = Duration::from_millis(5);

/// The timer of a socket in `/proc/net/tcp`, column `tr`, that is neither for sending something
/// again (01, 04) nor for a connection that has ended (03): see `man 5 proc`.
const KEEPALIVE_TIMER: &str = "02";

/// Waits until a server on this computer has read what has come for it on a connection between
/// these ports, or until the deadline: whether it reads at all is for the check to see.
pub(super) fn wait_until_all_is_read((local, remote): (u16, u16), deadline: Duration) {
    let until = Instant::now() + deadline;
    while is_unread(local, remote) && Instant::now() < until {
        std::thread::sleep(LOOK); // no event tells that another process has read something
    }
}

/// How long a server may have something to do. One that spins has it for ever.
const WORK: Duration = Duration::from_secs(1);

/// Waits until no thread of a server has anything to do, if that comes. One that has been woken, by
/// a connection that was reset, say, has something to do until it has done it.
pub(crate) fn wait_until_it_sleeps(server: &Program) {
    let until = Instant::now() + WORK;
    while has_work(server.id()) && Instant::now() < until {
        std::thread::sleep(LOOK); // no event tells that another process waits
    }
}

/// Whether one of its threads runs, or waits for a processor: state R in `man 5 proc`.
fn has_work(pid: u32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let mut stats = threads.filter_map(|it| fs::read_to_string(it.path().join("stat")).ok());
    stats.any(|stat| stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('R')))
}

/// Whether bytes wait in a socket. Of a server on another computer nothing is known.
fn is_unread(local: u16, remote: u16) -> bool {
    ["tcp", "tcp6"].into_iter().any(|family| {
        let table = fs::read_to_string(format!("/proc/self/net/{family}")).unwrap_or_default();
        table.lines().skip(1).any(|row| {
            let columns: Vec<&str> = row.split_whitespace().collect();
            // The queues are `tx_queue:rx_queue`, each with eight digits.
            matches!(columns[..], [_, here, there, _, queues, ..]
                if (port(here), port(there)) == (Some(local), Some(remote))
                    && !queues.ends_with(":00000000"))
        })
    })
}

/// Whether the keepalive timer runs on the server's end of a connection between these ports.
pub(crate) fn keepalive_is_on(
    server: &Program,
    (local, remote): (u16, u16),
) -> Result<bool, Failure> {
    for family in ["tcp", "tcp6"] {
        let table = read(server, &format!("net/{family}"))?;
        for row in table.lines().skip(1) {
            let columns: Vec<&str> = row.split_whitespace().collect();
            if let [_, here, there, _, _, timer, ..] = columns[..]
                && (port(here), port(there)) == (Some(local), Some(remote))
            {
                return Ok(timer.split(':').next() == Some(KEEPALIVE_TIMER));
            }
        }
    }
    Err(Failure::new(format!(
        "the server has no connection to port {remote}, which it said a client has"
    )))
}

/// The port of `0100007F:2328`.
fn port(addr: &str) -> Option<u16> {
    u16::from_str_radix(addr.rsplit_once(':')?.1, 16).ok()
}

/// What a process uses up.
pub(super) struct Resources {
    threads: usize,
    descriptors: usize,
}

impl Resources {
    pub(super) fn of(program: &Program) -> Result<Self, Failure> {
        let status = read(program, "status")?;
        let threads = status.lines().find_map(|line| line.strip_prefix("Threads:"));
        let threads = threads.and_then(|threads| threads.trim().parse().ok());
        let path = format!("/proc/{}/fd", program.id());
        let descriptors = fs::read_dir(&path).map_err(|error| failed(&path, &error))?;
        Ok(Self {
            threads: threads.ok_or_else(|| Failure::new("the server has no threads"))?,
            descriptors: descriptors.count(),
        })
    }

    /// Waits until a process needs no more than this.
    pub(super) fn must_be_enough_for(
        &self,
        program: &Program,
        deadline: Duration,
    ) -> Result<(), Failure> {
        let until = Instant::now() + deadline;
        loop {
            let now = Self::of(program)?;
            if now.threads <= self.threads && now.descriptors <= self.descriptors {
                return Ok(());
            }
            if Instant::now() >= until {
                return Err(Failure::new(format!(
                    "clients that left have left something behind: {} threads and {} \
                     descriptors, where {} and {} were enough for two clients",
                    now.threads, now.descriptors, self.threads, self.descriptors
                )));
            }
            std::thread::sleep(LOOK); // no event tells that another process has let go
        }
    }
}

fn read(program: &Program, file: &str) -> Result<String, Failure> {
    let path = format!("/proc/{}/{file}", program.id());
    fs::read_to_string(&path).map_err(|error| failed(&path, &error))
}

fn failed(path: &str, error: &std::io::Error) -> Failure {
    Failure::new(format!("{path}: {error}"))
}
