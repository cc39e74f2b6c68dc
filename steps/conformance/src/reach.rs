//! Connecting to a server that may not be ready yet.
//!
//! A server that says when it listens is waited for. Of another one, nothing tells but that it
//! answers: so the first connection is tried again while it is refused. It is the first connection
//! of whoever needs one; a connection only to try would be one too many for a server that accepts
//! exactly one.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::process::Process;

/// Between two attempts. There is no event for "another process listens now".
const LOOK: Duration = Duration::from_millis(10);

/// How to reach a server.
pub(crate) struct Reach {
    addr: SocketAddr,
    /// How long one attempt may take.
    timeout: Duration,
    /// Until when a refusal may only mean "not yet".
    until: Instant,
    /// The server's process, if it was started here.
    process: Option<Process>,
    /// Whether a refusal means what it says: a client was let in, or nobody waits any more.
    settled: AtomicBool,
    /// Whether a client was let in.
    reached: AtomicBool,
}

impl Reach {
    /// A server that listens already.
    pub(crate) fn ready(addr: SocketAddr, timeout: Duration) -> Self {
        let (settled, reached) = (AtomicBool::new(true), AtomicBool::new(false));
        Self { addr, timeout, until: Instant::now(), process: None, settled, reached }
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
        Self { addr, timeout, until, process: Some(process), settled, reached }
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

    /// Lets a refusal end all waiting.
    pub(crate) fn give_up(&self) {
        self.settled.store(true, Ordering::SeqCst);
    }

    fn attempt(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect_timeout(&self.addr, self.timeout)?;
        // If nobody listens on a port, the system may choose it as the caller's own: then the caller
        // is connected to itself.
        if stream.local_addr()? == self.addr {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(stream)
    }

    fn may_be_starting(&self, error: &io::Error) -> bool {
        let lives = |process: &Process| matches!(process.status(), Ok(None));
        error.kind() == io::ErrorKind::ConnectionRefused
            && !self.settled.load(Ordering::SeqCst)
            && Instant::now() < self.until
            && self.process.as_ref().is_some_and(lives)
    }
}
