//! A hand-held TCP client, every call of which has a deadline.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::Failure;
use crate::failure::Difference;
use crate::program::DEADLINE;
use crate::show::show;

/// How much one read takes, in bytes.
const READ_LEN: usize = 4096;

/// How much is received at once, in bytes. No check waits for so much: a program that sends more than
/// that floods us, and must not fill our memory.
const MAX_RECEIVED: usize = 64 * 1024 * 1024;

/// After bytes that differ: how long a silence means that no more of them are on their way. No event
/// reports that.
const QUIET: Duration = Duration::from_millis(100);

/// How many of them are shown, at the most.
const MAX_REST: usize = 64 * 1024;

/// One connection to the program under test.
pub struct Peer {
    stream: TcpStream,
    deadline: Duration,
    /// Whether the end of this connection must not keep the server's port.
    spares_port: bool,
    /// Whether the other side has ended the connection first.
    ended_there: bool,
    /// Whether the other side has sent anything.
    has_received: bool,
    /// What was expected and arrived, the earliest first.
    before: Vec<Vec<u8>>,
}

impl Peer {
    /// Connects to `addr`; everything on this connection has [`DEADLINE`] to happen.
    pub fn connect(addr: SocketAddr) -> Result<Self, Failure> {
        Self::connect_within(addr, DEADLINE)
    }

    /// Connects to `addr`; everything on this connection has `deadline` to happen.
    pub fn connect_within(addr: SocketAddr, deadline: Duration) -> Result<Self, Failure> {
        let stream = TcpStream::connect_timeout(&addr, deadline)
            .map_err(|error| Failure::new(text!("peer.cannot-connect", addr, error)))?;
        Self::on(stream, deadline)
    }

    /// As `connect_within`, with a receive buffer of about this many bytes: the system takes no more
    /// from the other side while nothing is received here.
    pub fn connect_with_receive_buffer(
        addr: SocketAddr,
        deadline: Duration,
        len: usize,
    ) -> Result<Self, Failure> {
        use socket2::{Domain, Socket, Type};

        // The size of the window is agreed upon while connecting, so the buffer is set first.
        let connect = || -> io::Result<Socket> {
            let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
            socket.set_recv_buffer_size(len)?;
            socket.connect_timeout(&addr.into(), deadline)?;
            Ok(socket)
        };
        let socket =
            connect().map_err(|error| Failure::new(text!("peer.cannot-connect", addr, error)))?;
        Self::on(socket.into(), deadline)
    }

    /// The client's side of a connection that was made.
    pub(crate) fn on(stream: TcpStream, deadline: Duration) -> Result<Self, Failure> {
        Self::accepted(stream, deadline)
            .map_err(|error| Failure::new(text!("peer.cannot-set-up", error)))
    }

    /// The same connection, whose end does not keep the server's port.
    ///
    /// The system remembers the end of a connection for a while at the port of the side that has
    /// ended it first (`TIME_WAIT`). If that is the server, it may not be able to listen there when it
    /// is started again. A reset ends that.
    pub(crate) fn sparing_the_port(mut self) -> Self {
        self.spares_port = true;
        self
    }

    /// The server's side of a connection that was accepted.
    pub(crate) fn accepted(stream: TcpStream, deadline: Duration) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        stream.set_write_timeout(Some(deadline))?;
        Ok(Self {
            stream,
            deadline,
            spares_port: false,
            ended_there: false,
            has_received: false,
            before: Vec::new(),
        })
    }

    /// Sends all of `bytes`.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.stream.write_all(bytes).map_err(|error| {
            let bytes = show(bytes);
            Failure::new(text!("peer.cannot-send", bytes, error))
        })
    }

    /// Sends as many of `bytes` as can be sent in this time, and returns how many those are.
    pub(crate) fn sends_within(&mut self, time: Duration, bytes: &[u8]) -> Result<usize, Failure> {
        let until = Instant::now() + time;
        let mut left = bytes;
        while !left.is_empty() {
            let time = until.saturating_duration_since(Instant::now());
            if time.is_zero() {
                break;
            }
            let written =
                self.stream.set_write_timeout(Some(time)).and_then(|()| self.stream.write(left));
            match written {
                Ok(len) => left = &left[len..],
                Err(error) if is_no_end(&error) => {}
                Err(error) => {
                    return Err(Failure::new(text!("peer.cannot-send-more", error)));
                }
            }
        }
        Ok(bytes.len() - left.len())
    }

    /// Has another thread send these bytes again and again, until the connection has ended, or none of them
    /// could be sent within its deadline. The thread returns that error.
    pub(crate) fn send_without_pause(
        &self,
        bytes: Vec<u8>,
    ) -> Result<JoinHandle<io::Error>, Failure> {
        let stream = self.stream.try_clone();
        let mut stream =
            stream.map_err(|error| Failure::new(text!("peer.cannot-set-up", error)))?;
        Ok(thread::spawn(move || {
            loop {
                if let Err(error) = stream.write_all(&bytes) {
                    return error;
                }
            }
        }))
    }

    /// Receives exactly as many bytes as `expected` has, and compares. If they differ, the failure shows
    /// what else has arrived.
    pub fn expect(&mut self, expected: &[u8]) -> Result<(), Failure> {
        let (mut received, mut end) = self.receive(expected.len());
        if received == expected {
            self.before.push(received);
            return Ok(());
        }
        if end.is_none() {
            let (rest, ended) = self.receive_rest(QUIET);
            received.extend(rest);
            end = ended;
        }
        let difference = Difference {
            expected: expected.to_vec(),
            received,
            end: end.as_ref().map(End::to_string),
            before: self.before.clone(),
        };
        Err(End::mark(end.as_ref(), Failure::different(difference)))
    }

    /// Sees that nothing follows what was received last.
    pub(crate) fn expect_no_more(&mut self) -> Result<(), Failure> {
        // It is enough to see what arrived with it: what arrives late affects the next answer.
        let (rest, _) = self.receive_rest(QUIET);
        if rest.is_empty() {
            return Ok(());
        }
        let expected = self.before.last().cloned().unwrap_or_default();
        let received = [&expected[..], &rest].concat();
        Err(Failure::different(Difference { expected, received, end: None, before: Vec::new() }))
    }

    /// Receives exactly `len` bytes; `what` they are is reported in the failure.
    pub fn receive_exactly(&mut self, len: usize, what: &str) -> Result<Vec<u8>, Failure> {
        let (received, end) = self.receive(len);
        let Some(end) = end else {
            return Ok(received);
        };
        let (came, bytes) = (received.len(), show(&received));
        Err(end.failure(match came {
            0 => text!("peer.nothing-of", what, came, len, end),
            _ => text!("peer.too-little-of", what, came, len, bytes, end),
        }))
    }

    /// Receives until end of file, and returns what arrived.
    pub fn receive_to_end(&mut self) -> Result<Vec<u8>, Failure> {
        let (received, end) = self.receive(usize::MAX);
        match end {
            Some(End::OfFile) | None => Ok(received),
            Some(end) => {
                let received = show(&received);
                Err(end.failure(text!("peer.no-end-of-file", received, end)))
            }
        }
    }

    /// Waits until the other side ends the connection, in an orderly way or not, whatever it sends
    /// before that.
    pub fn expect_end(&mut self) -> Result<(), Failure> {
        match self.receive(usize::MAX) {
            (_, Some(End::OfFile | End::Broken(_)) | None) => Ok(()),
            (received, Some(end)) => {
                let received = show(&received);
                Err(end.failure(text!("peer.no-end", received, end)))
            }
        }
    }

    /// Waits until the other side ends its sending in an orderly way; it must send nothing before that.
    pub(crate) fn expect_end_of_file(&mut self) -> Result<(), Failure> {
        let received = self.receive_to_end()?;
        if received.is_empty() {
            return Ok(());
        }
        let (end, before) = (Some(End::OfFile.to_string()), self.before.clone());
        Err(Failure::different(Difference { expected: Vec::new(), received, end, before }))
    }

    /// As `expect_end`, but the other side must send nothing before that.
    pub(crate) fn expect_refusal(&mut self) -> Result<(), Failure> {
        let (mut received, end) = self.receive(1);
        let Some(end) = end else {
            received.extend(self.receive_rest(QUIET).0);
            let received = show(&received);
            return Err(Failure::new(text!("peer.no-refusal", received)));
        };
        match end {
            End::OfFile | End::Broken(_) => Ok(()),
            end => {
                let received = show(&received);
                Err(end.failure(text!("peer.no-end", received, end)))
            }
        }
    }

    /// Waits so long, or until the other side has ended the connection; what it sends is dropped.
    pub(crate) fn ends_within(&mut self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut buffer = [0; READ_LEN];
        loop {
            match self.read_until(until, &mut buffer) {
                Ok(_) => {}
                Err(End::Silence(_) | End::Never) => return false,
                Err(End::OfFile | End::Broken(_)) => return true,
            }
        }
    }

    /// Receives what has arrived, or what arrives next; `None` at end of file.
    pub fn receive_some(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        self.receive_some_of(&text!("peer.bytes-or-end"))
    }

    /// As `receive_some`; `what` is expected is reported in the failure.
    pub(crate) fn receive_some_of(&mut self, what: &str) -> Result<Option<Vec<u8>>, Failure> {
        let mut buffer = [0; READ_LEN];
        match self.read_until(Instant::now() + self.deadline, &mut buffer) {
            Ok(count) => Ok(Some(buffer[..count].to_vec())),
            Err(End::OfFile) => Ok(None),
            Err(end) => Err(end.failure(text!("peer.nothing", what, end))),
        }
    }

    /// Receives what has arrived, at most `len` bytes, without waiting. The next receive reports an end, or
    /// an error.
    pub(crate) fn receive_at_most(&mut self, len: usize) -> Vec<u8> {
        let mut came = Vec::new();
        // If one of these fails, the next receive fails as well, and reports it.
        let _ = self.stream.set_nonblocking(true);
        let _ = (&self.stream).take(len as u64).read_to_end(&mut came);
        let _ = self.stream.set_nonblocking(false);
        came
    }

    /// Says that no more bytes will be sent, and can still receive.
    pub fn end_sending(&mut self) -> Result<(), Failure> {
        self.stream
            .shutdown(Shutdown::Write)
            .map_err(|error| Failure::new(text!("peer.cannot-end-sending", error)))
    }

    /// Ends the connection in both directions.
    pub(crate) fn end(&self) {
        let _ = self.stream.shutdown(Shutdown::Both); // if it fails, it has ended already
    }

    /// Closes the connection in an orderly way: the other side reads end of file.
    pub fn close(self) {}

    /// Breaks the connection off: the other side gets "connection reset".
    pub fn reset(self) -> Result<(), Failure> {
        // With a linger time of zero, closing sends a reset instead of an orderly end.
        socket2::SockRef::from(&self.stream)
            .set_linger(Some(Duration::ZERO))
            .map_err(|error| Failure::new(text!("peer.cannot-reset", error)))
    }

    /// Whether the other side has sent anything that was received here.
    pub(crate) fn has_received(&self) -> bool {
        self.has_received
    }

    /// How long anything on this connection may take.
    pub(crate) fn deadline(&self) -> Duration {
        self.deadline
    }

    /// The local address, by which the program under test knows this peer.
    pub fn local_addr(&self) -> Result<SocketAddr, Failure> {
        self.stream.local_addr().map_err(|error| Failure::new(error.to_string()))
    }

    /// Receives what arrives until nothing has arrived for that long, and returns what ended it, if that was
    /// not the silence.
    fn receive_rest(&mut self, quiet: Duration) -> (Vec<u8>, Option<End>) {
        let mut rest = Vec::new();
        let mut buffer = [0; READ_LEN];
        while rest.len() < MAX_REST {
            match self.read_until(Instant::now() + quiet, &mut buffer) {
                Ok(count) => rest.extend_from_slice(&buffer[..count]),
                Err(End::Silence(_)) => return (rest, None),
                Err(end) => return (rest, Some(end)),
            }
        }
        (rest, None)
    }

    /// Receives text until nothing has arrived for that long, or the other side has ended the connection.
    pub(crate) fn receive_text(&mut self, quiet: Duration) -> String {
        String::from_utf8_lossy(&self.receive_rest(quiet).0).into_owned()
    }

    /// Whether these bytes arrive within this time, perhaps among others; with no bytes, whether any do.
    pub(crate) fn hears(&mut self, wanted: &[u8], time: Duration) -> bool {
        self.hears_either([wanted, wanted], time)
    }

    /// As `hears`, for two answers, either of which will do.
    pub(crate) fn hears_either(&mut self, wanted: [&[u8]; 2], time: Duration) -> bool {
        let until = Instant::now() + time;
        let (mut heard, mut buffer) = (Vec::new(), [0; READ_LEN]);
        while heard.len() < MAX_REST {
            match self.read_until(until, &mut buffer) {
                Ok(count) => heard.extend_from_slice(&buffer[..count]),
                Err(_) => break,
            }
            let is_there = |wanted: &[u8]| {
                heard.windows(wanted.len().max(1)).any(|window| window.starts_with(wanted))
            };
            if wanted.into_iter().any(is_there) {
                return true;
            }
        }
        false
    }

    /// Receives up to `len` bytes, and reports what ended it if that was not their number.
    fn receive(&mut self, len: usize) -> (Vec<u8>, Option<End>) {
        let until = Instant::now() + self.deadline;
        let mut received = Vec::new();
        let mut buffer = [0; READ_LEN];
        while received.len() < len {
            if received.len() >= MAX_RECEIVED {
                return (received, Some(End::Never));
            }
            let want = buffer.len().min(len - received.len());
            match self.read_until(until, &mut buffer[..want]) {
                Ok(count) => received.extend_from_slice(&buffer[..count]),
                Err(end) => return (received, Some(end)),
            }
        }
        (received, None)
    }

    /// Reads what is there, at least one byte.
    fn read_until(&mut self, until: Instant, buffer: &mut [u8]) -> Result<usize, End> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(End::Silence(self.deadline));
            }
            let read =
                self.stream.set_read_timeout(Some(left)).and_then(|()| self.stream.read(buffer));
            match read {
                Ok(0) => {
                    self.ended_there = true;
                    return Err(End::OfFile);
                }
                Ok(count) => {
                    self.has_received = true;
                    return Ok(count);
                }
                Err(error) if is_no_end(&error) => {}
                Err(error) => return Err(End::Broken(error)),
            }
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if self.spares_port && self.ended_there {
            // If it fails, the port is kept for a while: a program that needs it reports that.
            let _ = socket2::SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
        }
    }
}

/// Whether nothing is wrong with the connection: the time was up, or a signal arrived. A timeout is
/// `WouldBlock` on Unix and `TimedOut` on Windows.
fn is_no_end(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), WouldBlock | TimedOut | Interrupted)
}

/// What ends a stream of bytes before the expected number has arrived.
enum End {
    OfFile,
    Never,
    Silence(Duration),
    Broken(io::Error),
}

impl End {
    /// A failure with this text, for what has ended so.
    fn failure(&self, text: String) -> Failure {
        Self::mark(Some(self), Failure::new(text))
    }

    /// This failure, which knows whether a deadline had passed.
    fn mark(end: Option<&Self>, failure: Failure) -> Failure {
        if matches!(end, Some(Self::Silence(_))) { failure.timed_out() } else { failure }
    }
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OfFile => f.write_str(&text!("peer.end.of-file")),
            Self::Never => f.write_str(&text!("peer.end.never")),
            Self::Silence(deadline) => {
                let deadline = format!("{deadline:?}");
                f.write_str(&text!("peer.end.silence", deadline))
            }
            Self::Broken(error) => f.write_str(&text!("peer.end.broken", error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener};
    use std::thread;

    use super::*;

    #[test]
    fn what_has_come_is_received_up_to_a_limit_and_without_waiting() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let mut peer = Peer::connect(listener.local_addr().unwrap()).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        assert_eq!(peer.receive_at_most(3), b""); // it would wait forever here, if it waited
        stream.write_all(b"abcdef").unwrap();
        assert_eq!(peer.receive_exactly(1, "the first").unwrap(), b"a"); // so all of it has arrived
        assert_eq!(peer.receive_at_most(3), b"bcd");
        assert_eq!(peer.receive_at_most(3), b"ef");
        assert_eq!(peer.receive_at_most(3), b"");
        stream.write_all(b"more").unwrap();
        peer.expect(b"more").unwrap(); // it waits again
        drop(stream);
        peer.expect_end().unwrap();
    }

    #[test]
    fn a_flood_ends_when_there_is_too_much_of_it() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let flood = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            while stream.write_all(&[b'x'; READ_LEN]).is_ok() {}
        });
        let mut peer = Peer::connect(addr).unwrap();
        let (received, end) = peer.receive(usize::MAX);
        assert!(received.len() < 2 * MAX_RECEIVED && matches!(end, Some(End::Never)));
        let failure = peer.expect_end().unwrap_err().to_string();
        assert!(failure.ends_with("bytes more, then more, without an end"), "{failure}");
        drop(peer);
        flood.join().unwrap();
    }
}
