//! One client, as the server sees it: its stream, the line that it has begun, and the queue of bytes
//! that its stream has not taken yet.
//!
//! New in this step: nothing here waits. A read or a write that would have to wait returns
//! `WouldBlock` instead, and is tried again when the system reports that the stream is ready.
//!
//! ```text
//!               LineBuffer                  the room                queue
//! stream ---> | h i \n y | ---> line ---> | TIME ADDR hi | ---> | ...... | ---> stream
//!   read                                                           write
//! ```

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use socket2::{SockRef, TcpKeepalive};

use crate::line::{BadLine, LineBuffer, MAX_LINE_LEN};
use crate::log::local_time;
use crate::rate::{Meter, RateLimit};

/// The most bytes of one read. A larger read would make a turn of the loop longer. Two bytes from a
/// client can become a line of sixty: the longest text that one read can produce must fit into a
/// queue.
const READ_LEN: usize = 4096;

/// The most bytes that may wait for one client: 256 KiB.
///
/// That is some 4,000 short lines; 1,000 clients that do not read cost at most 250 MiB. The system
/// also has a buffer for each stream, which is filled first.
pub const MAX_QUEUE_LEN: usize = 256 * 1024;

// ANCHOR: keepalive-constants
/// After a silence of this length, the system sends a keepalive probe.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
/// The time between two probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// After this many probes without an answer, the client is gone.
const KEEPALIVE_PROBES: u32 = 3;
/// How long sent bytes may wait for an acknowledgement. Each acknowledgement restarts this time, and
/// meanwhile no keepalive probes are sent.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(16);
// ANCHOR_END: keepalive-constants

// ANCHOR: member
/// A client that is online.
#[expect(clippy::struct_excessive_bools, reason = "each is true or false at any time")]
pub struct Member {
    /// Public, so that the server can register it.
    pub stream: TcpStream,
    /// The client's address, by which the others know it.
    pub peer_addr: SocketAddr,
    /// When it joined, in local time.
    pub since: String,
    /// Where in the batch the part for this client begins, in bytes: it does not receive what was said
    /// before it joined.
    pub batch_start: usize,
    /// Whether it is in the server's queue of clients that may have more to read, or pauses.
    pub is_ready: bool,
    lines: LineBuffer,
    /// Why a line was refused, until that has been answered.
    bad_line: Option<BadLine>,
    /// When it may say the next line.
    limit: RateLimit,
    /// How fast it talks, for the console.
    meter: Meter,
    /// Whether it has talked faster than it may: its stream is not read until the lines that it has
    /// already sent are taken.
    is_paused: bool,
    /// The bytes that the stream has not taken yet, at most `MAX_QUEUE_LEN`.
    queue: VecDeque<u8>,
    /// Whether it has said `quit` or ended its stream: nothing more is read, and it leaves the room
    /// when its own last lines have been delivered.
    is_leaving: bool,
    /// Whether its stream is shut down for writing.
    is_shut_down: bool,
}
// ANCHOR_END: member

/// Whether another read is worth trying.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There may be more: read again in this client's next turn.
    MayHaveMore,
    /// There is nothing now: the system will report when there is.
    MustWait,
    /// The client talks faster than it may: read again after this time.
    MustPause(Duration),
}

// ANCHOR: gone
/// Why a client is no longer online.
#[derive(Debug)]
pub enum Gone {
    /// It said `quit`, or ended its stream.
    Left,
    /// The connection broke.
    Lost(io::Error),
    /// It does not read, and its queue is full.
    Dropped {
        /// How many bytes wait in the queue.
        queue_len: usize,
    },
    /// The console has removed it.
    Kicked,
}

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => write!(f, "left"),
            Self::Lost(error) => write!(f, "lost: {}", error.kind()),
            Self::Dropped { queue_len } => {
                write!(f, "dropped: it does not read, {queue_len} bytes wait")
            }
            Self::Kicked => write!(f, "kicked"),
        }
    }
}
// ANCHOR_END: gone

impl From<io::Error> for Gone {
    fn from(error: io::Error) -> Self {
        Self::Lost(error)
    }
}

impl Member {
    /// A client that has just connected and may say `rate` lines per second; the batch has `batch_start`
    /// bytes so far.
    pub fn new(
        stream: TcpStream,
        peer_addr: SocketAddr,
        batch_start: usize,
        rate: u32,
    ) -> io::Result<Self> {
        set_up(&stream)?;
        Ok(Self {
            stream,
            peer_addr,
            since: local_time(),
            batch_start,
            is_ready: false,
            lines: LineBuffer::new(MAX_LINE_LEN),
            bad_line: None,
            limit: RateLimit::new(rate),
            meter: Meter::new(),
            is_paused: false,
            queue: VecDeque::new(),
            is_leaving: false,
            is_shut_down: false,
        })
    }

    /// Returns how many bytes wait for this client.
    pub fn queue_len(&self) -> usize {
        self.queue.len()
    }

    /// How many lines per second it has said lately.
    pub fn lines_per_second(&self) -> f64 {
        self.meter.read(Instant::now())
    }

    // ANCHOR: read
    /// Reads once, and adds the lines that are complete to the batch.
    pub fn read(&mut self, batch: &mut Vec<u8>) -> Result<Progress, Gone> {
        if let Some(bad) = self.bad_line.take() {
            self.send(format!("error: {bad}\n").as_bytes())?;
        } else if self.is_leaving {
            return Err(Gone::Left); // its last lines were delivered in the turn before
        } else if !self.is_paused {
            let mut buffer = [0; READ_LEN];
            let Some(len) = unless_it_would_block(self.stream.read(&mut buffer))? else {
                return Ok(Progress::MustWait);
            };
            self.is_leaving = len == 0; // end of file; a piece without a newline was not a line
            self.lines.push(&buffer[..len]);
        }
        let now = Instant::now();
        let count = self.take_lines(batch, now);
        self.meter.count(count, now);
        let pause = self.limit.wait(now);
        self.is_paused = !pause.is_zero();
        Ok(if self.is_paused { Progress::MustPause(pause) } else { Progress::MayHaveMore })
    }

    /// Adds the lines that are complete to the batch, as many as the client may say now, and returns their
    /// number. It stops at a line that is refused. That line is answered in the next turn, after the lines
    /// before it have been delivered.
    fn take_lines(&mut self, batch: &mut Vec<u8>, now: Instant) -> u32 {
        // Formatted once for all lines: formatting costs more than copying.
        let prefix = format!("{} {} ", local_time(), self.peer_addr);
        let mut count = 0;
        while self.limit.wait(now).is_zero()
            && let Some(line) = self.lines.next_line()
        {
            self.limit.take(now);
            count += 1;
            match line {
                Err(bad) => {
                    self.bad_line = Some(bad);
                    break;
                }
                Ok(line) if line.trim().is_empty() => {}
                Ok(line) if line.trim() == "quit" => {
                    self.is_leaving = true;
                    break;
                }
                Ok(line) => {
                    for part in [&prefix, line, "\n"] {
                        batch.extend_from_slice(part.as_bytes());
                    }
                }
            }
        }
        count
    }
    // ANCHOR_END: read

    // ANCHOR: send
    /// Sends at once what the stream takes, and queues the rest.
    ///
    /// Returns an error if the queue has no room for the rest. It concerns this client only.
    pub fn send(&mut self, mut bytes: &[u8]) -> Result<(), Gone> {
        while self.queue.is_empty() && !bytes.is_empty() {
            match unless_it_would_block(self.stream.write(bytes))? {
                Some(len) => bytes = &bytes[len..],
                None => break,
            }
        }
        if self.queue.len() + bytes.len() > MAX_QUEUE_LEN {
            return Err(Gone::Dropped { queue_len: self.queue.len() });
        }
        self.queue.extend(bytes);
        Ok(())
    }

    /// Sends as much of the queue as the stream takes.
    pub fn send_queue(&mut self) -> Result<(), Gone> {
        while !self.queue.is_empty() {
            let (first_part, _) = self.queue.as_slices();
            let Some(len) = unless_it_would_block(self.stream.write(first_part))? else {
                return Ok(());
            };
            self.queue.drain(..len);
        }
        self.queue.shrink_to_fit(); // frees the memory that a long queue has needed
        Ok(())
    }
    // ANCHOR_END: send

    // ANCHOR: end
    /// Ends the connection in an orderly way, as far as that is possible without waiting: sends the
    /// rest, shuts the stream down for writing, and reads until the client has closed its side.
    ///
    /// What it reads is discarded, but it must be read. A stream that is closed with unread input is
    /// reset, and a reset discards what has not reached the client yet, such as the goodbye.
    pub fn end(&mut self) -> Result<Progress, Gone> {
        self.send_queue()?;
        if self.queue.is_empty() && !self.is_shut_down {
            self.stream.shutdown(Shutdown::Write)?;
            self.is_shut_down = true;
        }
        let mut discarded = [0; READ_LEN];
        match unless_it_would_block(self.stream.read(&mut discarded))? {
            None => Ok(Progress::MustWait),
            Some(0) => Err(Gone::Left),
            Some(_) => Ok(Progress::MayHaveMore),
        }
    }
    // ANCHOR_END: end
}

/// Makes reads and writes fail when the client has vanished without a FIN, as after a pulled cable.
fn set_up(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?; // a line is a whole message: there is nothing to wait for
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    let socket = SockRef::from(stream);
    // An old system may not support all of these options. Then a client that vanishes stays online
    // for longer; all clients are served as usual.
    let _ = socket.set_tcp_keepalive(&keepalive);
    // Other systems give up on unacknowledged data after their own time limit, which is minutes.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(())
}

// ANCHOR: would-block
/// Returns the result of a read or a write, or `None` if it would have to wait.
///
/// After `None`, an event follows when the stream is ready again. Without a `None`, do not wait for an
/// event, but try again. A call that does not wait is not interrupted, either.
fn unless_it_would_block(result: io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(len) => Ok(Some(len)),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
        Err(error) => Err(error),
    }
}
// ANCHOR_END: would-block
