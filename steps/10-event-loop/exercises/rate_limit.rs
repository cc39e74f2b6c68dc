//! A solution: a room in which each client can say at most ten lines in any second. It leaves out the
//! rest of the step: announcements, a bound for slow readers, and an orderly end.
//!
//! ```text
//!      +------------------------------ one turn -------------------------------+
//!      |                                                                       |
//!  --> wait for a socket, or until a --> read from each client that --> send to each client
//!      client may say its next line      may say a line
//! ```

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use jiff::Zoned;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::accept::client_is_gone;
use crate::line::{LineBuffer, MAX_LINE_LEN};

// Files of the step, used here as well.
#[path = "../src/accept.rs"]
mod accept;
#[path = "../src/line.rs"]
mod line;

/// The most bytes that one read takes.
const READ_LEN: usize = 4096;
/// The most events that one turn takes from the system.
const EVENTS_PER_TURN: usize = 1024;
/// The token of the listening socket. The clients have the tokens after it.
const LISTENER: Token = Token(0);

const LINES_A_SECOND: usize = 10;
const SECOND: Duration = Duration::from_secs(1);

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9010".to_owned());
    let listener = std::net::TcpListener::bind(addr)?;
    listener.set_nonblocking(true)?;
    let mut listener = TcpListener::from_std(listener);
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;

    let mut poll = Poll::new()?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    let mut events = Events::with_capacity(EVENTS_PER_TURN);
    let mut members = BTreeMap::new();
    let mut next_member = LISTENER.0 + 1;
    loop {
        // The time limit is what wakes the loop when a client may say its next line.
        let timeout = members.values().filter_map(Member::pause).min();
        match poll.poll(&mut events, timeout) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            result => result?,
        }
        for event in events.iter().filter(|event| event.token() != LISTENER) {
            if let Some(member) = members.get_mut(&event.token()) {
                member.is_ready |= event.is_readable() || event.is_read_closed();
            }
        }
        while let Some((mut stream, peer_addr)) = accept(&listener)? {
            let interest = Interest::READABLE | Interest::WRITABLE;
            poll.registry().register(&mut stream, Token(next_member), interest)?;
            members.insert(Token(next_member), Member::new(stream, peer_addr));
            next_member += 1;
        }
        let mut batch = String::new();
        members.retain(|_, member| member.take_lines(&mut batch).is_ok());
        members.retain(|_, member| member.send(&batch).is_ok());
    }
}

/// Accepts a client, if one waits.
fn accept(listener: &TcpListener) -> io::Result<Option<(TcpStream, SocketAddr)>> {
    loop {
        match listener.accept() {
            Ok(connection) => return Ok(Some(connection)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            // A client that left before it was accepted is no reason to stop.
            Err(error) if client_is_gone(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

/// A client that is online.
struct Member {
    stream: TcpStream,
    peer_addr: SocketAddr,
    lines: LineBuffer,
    /// The times of its last ten lines.
    times: VecDeque<Instant>,
    /// Whether there may be more to read.
    is_ready: bool,
    /// What the stream has not taken yet.
    queue: VecDeque<u8>,
}

impl Member {
    fn new(stream: TcpStream, peer_addr: SocketAddr) -> Self {
        let (times, queue) = (VecDeque::new(), VecDeque::new());
        let lines = LineBuffer::new(MAX_LINE_LEN);
        Self { stream, peer_addr, lines, times, is_ready: true, queue }
    }

    /// Returns how long it must wait before its next line: until the tenth line before it is a second old.
    fn wait(&self) -> Duration {
        match self.times.front() {
            Some(tenth) if self.times.len() == LINES_A_SECOND => {
                (*tenth + SECOND).saturating_duration_since(Instant::now())
            }
            _ => Duration::ZERO,
        }
    }

    /// Returns how long it must wait, if it may have something to say.
    fn pause(&self) -> Option<Duration> {
        self.is_ready.then(|| self.wait())
    }

    /// Adds the lines that it may say now to the batch. An error means that it has left.
    ///
    /// While it must wait, nothing is read from it. First our buffer is full, then the system's, then its
    /// own: in the end its own `write` waits.
    fn take_lines(&mut self, batch: &mut String) -> io::Result<()> {
        while self.is_ready && self.wait().is_zero() {
            let Some(line) = self.lines.next_line() else {
                return self.read(); // once in each turn: the others have theirs
            };
            if let Ok(text) = line {
                let now = Zoned::now().strftime("%Y-%m-%d %H:%M:%S");
                let _ = writeln!(batch, "{now} {} {text}", self.peer_addr); // cannot fail
            }
            if self.times.len() == LINES_A_SECOND {
                self.times.pop_front();
            }
            self.times.push_back(Instant::now());
        }
        Ok(())
    }

    /// Reads once.
    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; READ_LEN];
        match self.stream.read(&mut buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()), // it has left
            Ok(len) => self.lines.push(&buffer[..len]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_ready = false,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Sends what waits, and then the batch. What the stream does not take waits until it is writable.
    fn send(&mut self, batch: &str) -> io::Result<()> {
        self.queue.extend(batch.as_bytes());
        while !self.queue.is_empty() {
            match self.stream.write(self.queue.make_contiguous()) {
                Ok(len) => drop(self.queue.drain(..len)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
