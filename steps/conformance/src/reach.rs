//! Connecting to a server that may not be ready yet.
//!
//! A server that reports when it listens is waited for. The only sign of another server is that it
//! answers: so the first connection is tried again while it is refused. It is the first connection
//! that is needed anyway; a connection only to try would be one too many for a server that accepts
//! exactly one.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::listens;
use crate::process::Process;

/// Between two attempts. There is no event for "another process listens now".
const LOOK: Duration = Duration::from_millis(10);

/// Between two questions to the system where a server listens. There is no event for that either.
const LOOK_ELSEWHERE: Duration = Duration::from_millis(200);

/// How long a server may listen elsewhere before that counts as all that it will do. Some have a second
/// port, for a debugger, say.
const ELSEWHERE: Duration = Duration::from_millis(1300);

/// How to reach a server.
pub(crate) struct Reach {
    addr: SocketAddr,
    /// How long one attempt may take.
    timeout: Duration,
    /// Until when a refusal may only mean "not yet".
    until: Instant,
    /// The server's process, if it was started here.
    process: Option<Process>,
    /// Whether a refusal is final: a client was let in, or no caller waits any more.
    settled: AtomicBool,
    /// Whether a client was let in.
    reached: AtomicBool,
    elsewhere: Mutex<Elsewhere>,
}

/// Where a server listens that does not listen where it should.
#[derive(Default)]
struct Elsewhere {
    addrs: Vec<SocketAddr>,
    since: Option<Instant>,
    looked: Option<Instant>,
}

impl Reach {
    /// A server that listens already.
    pub(crate) fn ready(addr: SocketAddr, timeout: Duration) -> Self {
        let (settled, reached) = (AtomicBool::new(true), AtomicBool::new(false));
        Self {
            addr,
            timeout,
            until: Instant::now(),
            process: None,
            settled,
            reached,
            elsewhere: Mutex::default(),
        }
    }

    /// A server that was just started, and may take so long until it listens.
    pub(crate) fn starting(
        addr: SocketAddr,
        timeout: Duration,
        process: Process,
        patience: Duration,
    ) -> Self {
        let until = Instant::now() + patience;
        let (settled, reached) = (AtomicBool::new(false), AtomicBool::new(false));
        Self {
            addr,
            timeout,
            until,
            process: Some(process),
            settled,
            reached,
            elsewhere: Mutex::default(),
        }
    }

    /// Connects; before the first success, again and again while the server lives and refuses.
    pub(crate) fn connect(&self) -> io::Result<TcpStream> {
        loop {
            match self.attempt() {
                Ok(stream) => {
                    self.settled.store(true, Ordering::SeqCst);
                    self.reached.store(true, Ordering::SeqCst);
                    return Ok(stream);
                }
                // No event reports that another process listens.
                Err(error) if self.may_be_starting(&error) => thread::sleep(LOOK),
                Err(error) => return Err(error),
            }
        }
    }

    /// Whether anybody could connect so far.
    pub(crate) fn was_reached(&self) -> bool {
        self.reached.load(Ordering::SeqCst)
    }

    /// Where the server listens, if it does not listen where it should, and the system reports it.
    pub(crate) fn elsewhere(&self) -> Vec<SocketAddr> {
        self.lock_elsewhere().addrs.clone()
    }

    /// Lets a refusal end all waiting.
    pub(crate) fn give_up(&self) {
        self.settled.store(true, Ordering::SeqCst);
    }

    fn attempt(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.addr, self.timeout)?;
        // If no program listens on a port, the system may choose it as the caller's own: then the caller
        // is connected to itself.
        if stream.local_addr()? == self.addr {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(stream)
    }

    fn may_be_starting(&self, error: &io::Error) -> bool {
        let may_listen = |process: &Process| {
            matches!(process.status(), Ok(None)) && !self.listens_elsewhere(process)
        };
        error.kind() == io::ErrorKind::ConnectionRefused
            && !self.settled.load(Ordering::SeqCst)
            && Instant::now() < self.until
            && self.process.as_ref().is_some_and(may_listen)
    }

    /// Whether the server has listened elsewhere for some time, and not where it should.
    fn listens_elsewhere(&self, process: &Process) -> bool {
        let mut elsewhere = self.lock_elsewhere();
        if elsewhere.looked.is_none_or(|looked| looked.elapsed() >= LOOK_ELSEWHERE) {
            elsewhere.addrs = listens::addrs(process);
            elsewhere.looked = Some(Instant::now());
            // A process that has begun to listen where it should is reached by the next attempt.
            let is_elsewhere = !elsewhere.addrs.is_empty() && !elsewhere.addrs.contains(&self.addr);
            elsewhere.since = is_elsewhere.then(|| elsewhere.since.unwrap_or_else(Instant::now));
        }
        elsewhere.since.is_some_and(|since| since.elapsed() >= ELSEWHERE)
    }

    fn lock_elsewhere(&self) -> MutexGuard<'_, Elsewhere> {
        self.elsewhere.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
