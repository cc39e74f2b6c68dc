//! A proxy that re-cuts the stream: what was written in one piece arrives in many.
//!
//! TCP promises the bytes and their order, and nothing about where one `read` ends. On one machine
//! a short message nearly always arrives whole, so a program that relies on it seems right. Behind
//! this proxy it does not. An observer sees what crosses it.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How many pieces at the start of each direction are followed by a pause.
const PAUSED_PIECES: usize = 32;

/// The pause after a piece, so that it arrives alone. There is no event for "the other side has
/// read it"; without a pause the system may put pieces together again, which is no error either.
const PAUSE: Duration = Duration::from_millis(1);

/// How often a thread that waits for bytes looks whether the other direction has been reset: `std`
/// cannot wake it without sending something.
const LOOK: Duration = Duration::from_millis(20);

/// How long the proxy waits before it tries again to accept a client, when the system did not let it.
/// There is no event for "a descriptor is free".
const RETRY: Duration = Duration::from_millis(50);

/// The longest random piece, in bytes.
const MAX_RANDOM_LEN: u64 = 4096;

/// Where to cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nowhere: what one read returns is passed on in one write.
    AsRead,
    /// After this many bytes, again and again; at least 1.
    Every(usize),
    /// After 1 to 4096 bytes, small pieces being as likely as large ones; the same seed gives the
    /// same cuts.
    Random {
        /// The seed, to be printed so that a failure can be repeated.
        seed: u64,
    },
}

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// What an observer gets.
#[derive(Debug)]
pub enum Event<'a> {
    /// A client has connected, and so has the proxy to the server.
    Connected {
        /// The client's address.
        peer_addr: SocketAddr,
    },
    /// A client has connected, but the server cannot be reached; the client's connection is closed.
    Unreachable {
        /// Why.
        error: &'a io::Error,
    },
    /// A client waits, because the system does not let the proxy accept it; most likely the proxy has as
    /// many files open as it may. It tries again, and reports the first failure in a row only.
    NotAccepted {
        /// Why.
        error: &'a io::Error,
    },
    /// These bytes are about to be passed on, in one write.
    Piece {
        /// Which way they go.
        direction: Direction,
        /// The bytes, at least one.
        bytes: &'a [u8],
    },
    /// The end of file is about to be passed on; the other direction may continue.
    End {
        /// Which way it goes.
        direction: Direction,
    },
    /// One side has broken the connection off, and the other is about to learn it.
    Reset {
        /// From the side that did it to the one that is notified.
        direction: Direction,
    },
}

/// Is called for each event, with the number of its connection, from 1; from several threads. A
/// piece is passed on when the call has returned.
pub type Observer = Arc<dyn Fn(usize, &Event) + Send + Sync>;

/// Makes a connection to the server; is called for each client.
pub type Connect = Box<dyn Fn() -> io::Result<TcpStream> + Send + Sync>;

/// How a proxy treats what crosses it.
#[derive(Clone)]
pub struct Options {
    /// Where to cut.
    pub cut: Cut,
    /// The wait before each piece is passed on.
    pub delay: Duration,
    /// What observes the traffic.
    pub observer: Observer,
    /// After how many bytes for the client both sides are closed, as if the connection had broken.
    pub end_after: Option<usize>,
}

impl Options {
    /// Cuts, without a delay and without an observer.
    #[must_use]
    pub fn cut(cut: Cut) -> Self {
        Self { cut, delay: Duration::ZERO, observer: Arc::new(|_, _| {}), end_after: None }
    }
}

/// A proxy, usually on a loopback port of its own. Dropping it closes everything that goes through it.
pub struct Proxy {
    addr: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

struct Shared {
    connect: Connect,
    options: Options,
    stopped: AtomicBool,
    links: Mutex<Vec<Weak<Link>>>,
}

/// The two halves of one proxied connection. Both close when the last thread lets go of it.
struct Link {
    /// Which of the proxy's connections this is, from 1.
    number: usize,
    client: TcpStream,
    server: TcpStream,
    reset: AtomicBool,
    options: Options,
}

impl Proxy {
    /// Starts a proxy in front of `upstream`.
    pub fn start(upstream: SocketAddr, cut: Cut) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let connect = move || TcpStream::connect(upstream);
        Self::start_on(listener, Box::new(connect), Options::cut(cut))
    }

    /// Starts a proxy at `listener`; `connect` reaches the server.
    pub fn start_on(listener: TcpListener, connect: Connect, options: Options) -> io::Result<Self> {
        let addr = listener.local_addr()?;
        let shared = Arc::new(Shared {
            connect,
            options,
            stopped: AtomicBool::new(false),
            links: Mutex::default(),
        });
        let accepting = Arc::clone(&shared);
        let acceptor = Some(thread::spawn(move || accepting.accept(&listener)));
        Ok(Self { addr, shared, acceptor })
    }

    /// Where the proxy listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        // `accept` cannot be interrupted; a last connection wakes it. If that fails, it is awake.
        let _ = TcpStream::connect(self.addr);
        if let Some(acceptor) = self.acceptor.take() {
            let _ = acceptor.join(); // a panic in there has been reported already
        }
        let links = self.shared.links.lock().unwrap_or_else(PoisonError::into_inner);
        for link in links.iter().filter_map(Weak::upgrade) {
            for stream in [&link.client, &link.server] {
                let _ = stream.shutdown(Shutdown::Both); // it may be closed already
            }
        }
    }
}

impl Shared {
    fn accept(&self, listener: &TcpListener) {
        let mut number = 0;
        let mut fails = false;
        loop {
            let accepted = listener.accept();
            if self.stopped.load(Ordering::SeqCst) {
                return;
            }
            let (client, peer_addr) = match accepted {
                Ok(connection) => connection,
                Err(error) if client_is_gone(&error) => continue,
                Err(error) => {
                    if !fails {
                        let waits = Event::NotAccepted { error: &error };
                        (self.options.observer)(number + 1, &waits);
                    }
                    fails = true;
                    thread::sleep(RETRY); // no event reports that a descriptor is free
                    continue;
                }
            };
            fails = false;
            number += 1;
            let tell = |event: &Event| (self.options.observer)(number, event);
            match (self.connect)() {
                Ok(server) => {
                    tell(&Event::Connected { peer_addr });
                    let _ = self.join(number, client, server); // a client that is gone already
                }
                // To the client, this is a connection that closes at once.
                Err(error) => tell(&Event::Unreachable { error: &error }),
            }
        }
    }

    /// Lets the bytes of both directions through.
    fn join(&self, number: usize, client: TcpStream, server: TcpStream) -> io::Result<()> {
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        client.set_read_timeout(Some(LOOK))?;
        server.set_read_timeout(Some(LOOK))?;
        let reset = AtomicBool::new(false);
        let options = self.options.clone();
        let link = Arc::new(Link { number, client, server, reset, options });
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        links.push(Arc::downgrade(&link));
        drop(links);
        let link_back = Arc::clone(&link);
        thread::spawn(move || link.pump(Direction::ToServer));
        thread::spawn(move || link_back.pump(Direction::ToClient));
        Ok(())
    }
}

/// Whether an error of `accept` is about one client that has left already, as macOS and Windows
/// report it; the proxy has to outlive that, like the server.
fn client_is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, InvalidInput, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | InvalidInput | NotConnected)
}

impl Direction {
    fn opposite(self) -> Self {
        match self {
            Self::ToServer => Self::ToClient,
            Self::ToClient => Self::ToServer,
        }
    }
}

impl Link {
    /// Carries bytes in one direction, in pieces, until it ends; then passes on how it ended.
    fn pump(&self, direction: Direction) {
        let (mut from, to, random) = match direction {
            Direction::ToServer => (&self.client, &self.server, 0),
            Direction::ToClient => (&self.server, &self.client, 1),
        };
        let mut pieces = Pieces::new(self.options.cut, random);
        let end_after = self.options.end_after.filter(|_| direction == Direction::ToClient);
        let mut left = end_after.unwrap_or(usize::MAX);
        let mut buffer = vec![0; 64 * 1024];
        while !self.reset.load(Ordering::SeqCst) {
            match from.read(&mut buffer) {
                Ok(0) => {
                    self.tell(&Event::End { direction });
                    let _ = to.shutdown(Shutdown::Write); // it may be gone already
                    return;
                }
                Ok(len) => {
                    let len = len.min(left);
                    let mut far_side = Passing { link: self, direction, to };
                    if pieces.write(&buffer[..len], &mut far_side).is_err() {
                        self.reset(direction.opposite());
                    }
                    left -= len;
                    if left == 0 {
                        self.tell(&Event::End { direction });
                        for stream in [&self.client, &self.server] {
                            let _ = stream.shutdown(Shutdown::Both); // it may be gone already
                        }
                        return;
                    }
                }
                Err(error) if nothing_came(&error) => {}
                Err(_) => self.reset(direction),
            }
        }
    }

    fn tell(&self, event: &Event) {
        (self.options.observer)(self.number, event);
    }

    /// A reset on one side becomes a reset on both: with a linger time of zero, closing resets, and
    /// both close when both directions have let go.
    fn reset(&self, direction: Direction) {
        if self.reset.swap(true, Ordering::SeqCst) {
            return; // the other direction has noticed it, too
        }
        self.tell(&Event::Reset { direction });
        for stream in [&self.client, &self.server] {
            let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)); // may be gone
        }
    }
}

/// Whether a read returned only because it was time to look, or because a signal arrived.
///
/// The time to look is `WouldBlock` on Unix and `TimedOut` on Windows.
fn nothing_came(error: &io::Error) -> bool {
    use io::ErrorKind::{Interrupted, TimedOut, WouldBlock};
    matches!(error.kind(), Interrupted | TimedOut | WouldBlock)
}

/// The far side of a direction: each write is a piece, which waits, is shown, and goes whole.
struct Passing<'a> {
    link: &'a Link,
    direction: Direction,
    to: &'a TcpStream,
}

impl Write for Passing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Self { link, direction, .. } = *self;
        if !link.options.delay.is_zero() {
            thread::sleep(link.options.delay); // the delay that was asked for
        }
        link.tell(&Event::Piece { direction, bytes });
        self.to.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Cuts a stream of bytes, across all reads.
struct Pieces {
    cut: Cut,
    random: u64,
    /// Bytes until the next cut.
    left: usize,
    written: usize,
}

impl Pieces {
    fn new(cut: Cut, direction: u64) -> Self {
        let random = match cut {
            Cut::AsRead | Cut::Every(_) => 0,
            Cut::Random { seed } => seed ^ (direction << 63),
        };
        let mut pieces = Self { cut, random, left: 0, written: 0 };
        pieces.left = pieces.next_len();
        pieces
    }

    fn write(&mut self, mut bytes: &[u8], to: &mut impl Write) -> io::Result<()> {
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(self.left.min(bytes.len()));
            to.write_all(piece)?;
            bytes = rest;
            if self.cut == Cut::AsRead {
                continue;
            }
            self.left -= piece.len();
            if self.left == 0 {
                self.left = self.next_len();
                self.written += 1;
                if self.written <= PAUSED_PIECES {
                    thread::sleep(PAUSE); // no event reports that the piece was read
                }
            }
        }
        Ok(())
    }

    fn next_len(&mut self) -> usize {
        match self.cut {
            Cut::AsRead => usize::MAX,
            Cut::Every(len) => len.max(1),
            Cut::Random { .. } => {
                let bits = self.next_random() % (u64::from(MAX_RANDOM_LEN.ilog2()) + 1);
                usize::try_from(1 + self.next_random() % (1 << bits)).unwrap_or(1)
            }
        }
    }

    /// The `splitmix64` generator (Steele, Lea, Flood 2014).
    fn next_random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::Peer;

    /// Collects the lengths of all writes.
    #[derive(Default)]
    struct Lengths(Vec<usize>);

    impl Write for Lengths {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.push(bytes.len());
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn cuts_at_the_same_places_however_the_bytes_come_in() {
        let mut pieces = Pieces::new(Cut::Every(3), 0);
        let mut lengths = Lengths::default();
        pieces.write(b"12345", &mut lengths).unwrap();
        pieces.write(b"6789", &mut lengths).unwrap();
        assert_eq!(lengths.0, [3, 2, 1, 3]);
    }

    #[test]
    fn random_cuts_are_repeatable_and_within_bounds() {
        let lengths = |seed, direction| {
            let mut pieces = Pieces::new(Cut::Random { seed }, direction);
            (0..1000).map(|_| pieces.next_len()).collect::<Vec<_>>()
        };
        assert_eq!(lengths(7, 0), lengths(7, 0));
        assert_ne!(lengths(7, 0), lengths(8, 0));
        assert_ne!(lengths(7, 0), lengths(7, 1));
        assert!(lengths(7, 0).iter().all(|len| (1..=4096).contains(len)));
    }

    /// A server that sends back all that arrives, and at end of file ends its side, too.
    fn echo_server() -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                thread::spawn(move || io::copy(&mut &stream, &mut &stream));
            }
        });
        addr
    }

    #[test]
    fn every_byte_arrives_in_order_at_every_cut_and_the_end_is_passed_on() {
        let upstream = echo_server();
        let bytes: Vec<u8> = (0..10_000_u32).map(|i| (i % 251) as u8).collect();
        let every = [1, 2, 3, 7, 64, 1024, 4096].map(Cut::Every);
        for cut in every.into_iter().chain([Cut::Random { seed: 2026 }]) {
            let proxy = Proxy::start(upstream, cut).unwrap();
            let mut peer = Peer::connect(proxy.addr()).unwrap();
            peer.send(&bytes).unwrap();
            peer.end_sending().unwrap();
            assert!(peer.receive_to_end().unwrap() == bytes, "bytes differ at {cut:?}");
        }
    }

    #[test]
    fn a_reset_is_passed_on_as_a_reset() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap(), Cut::Every(1)).unwrap();
        let mut peer = Peer::connect(proxy.addr()).unwrap();
        peer.send(b"x").unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        stream.read_exact(&mut [0]).unwrap();
        peer.reset().unwrap();
        let error = stream.read(&mut [0]).unwrap_err();
        let kinds = [io::ErrorKind::ConnectionReset, io::ErrorKind::ConnectionAborted];
        assert!(kinds.contains(&error.kind()), "{error}");
    }

    #[test]
    fn one_write_of_four_bytes_arrives_as_four_reads() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy::start(listener.local_addr().unwrap(), Cut::Every(1)).unwrap();
        let mut peer = Peer::connect(proxy.addr()).unwrap();
        let (mut stream, _) = listener.accept().unwrap();
        peer.send(b"abcd").unwrap();
        let mut first = [0; 4];
        assert!(stream.read(&mut first).unwrap() < 4, "the first read must not get everything");
    }
}
