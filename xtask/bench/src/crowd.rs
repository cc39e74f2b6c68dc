//! Many clients of a chat room, all in one thread: what the rooms are measured with.
//!
//! This runs in a program that was not optimized, so it does little per byte: it counts bytes and
//! keeps the end of what arrived. One client keeps everything, and its lines are checked afterwards.

// Counts are far below 2^52, where a float would begin to lose any.
#![allow(clippy::cast_precision_loss)]

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail, ensure};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use workspace::stats::scaled;

/// The length of a client's line in bytes, without the line ending.
pub const PAYLOAD_LEN: usize = 32;

/// How the last line of each sender ends.
pub const MARKER: &str = "END";

/// How many of the last bytes that arrived each client keeps: more than a line has.
const TAIL_LEN: usize = 256;

/// The room for one read. Servers that put many lines together send much at once.
const READ_LEN: usize = 256 * 1024;

/// How far the senders may be ahead of the client that has received the least, in bytes that the room
/// sends to it. Rooms drop a client that does not keep up (step 10 at 256 KiB), and all these
/// clients are one thread: without this limit, the figures would show how quick that thread is.
const WINDOW: usize = 128 * 1024;

/// How long to wait before lines that have not arrived count as lost.
const SILENCE: Duration = Duration::from_secs(10);

/// The time between two attempts to reach all clients: one that has not been let in yet gets no lines.
const TRY: Duration = Duration::from_millis(250);

/// The longest wait until all clients are let in.
const SETTLE: Duration = Duration::from_secs(60);

/// What a room does with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manners {
    /// It sends a line to its sender, too.
    pub echoes: bool,
    /// It sends lines whole, and not the pieces that its reads returned.
    pub whole_lines: bool,
    /// What its clients put before each line: if the room adds nothing, the same number of bytes
    /// arrives.
    pub prefix: &'static str,
}

impl Manners {
    /// A line as a client sends it.
    fn line(self, sender: usize, number: usize, ending: &str) -> String {
        format!("{}{}\n", self.prefix, payload(sender, number, ending))
    }
}

/// All clients of a room.
pub struct Crowd {
    poll: Poll,
    events: Events,
    members: Vec<Member>,
    buffer: Vec<u8>,
    manners: Manners,
    /// The bytes of a line of each sender, as it arrives.
    line_lens: Vec<usize>,
    silence: Duration,
}

/// One client.
struct Member {
    stream: TcpStream,
    outgoing: Vec<u8>,
    sent: usize,
    /// How much of `outgoing` may have been sent by now.
    allowed: usize,
    received: usize,
    expected: usize,
    done: bool,
    tail: Vec<u8>,
    /// All that arrived, if it is kept.
    kept: Option<Vec<u8>>,
}

impl Crowd {
    /// Connects all clients; the first `senders` of them send lines.
    pub fn connect(
        addr: SocketAddr,
        clients: usize,
        senders: usize,
        manners: Manners,
    ) -> Result<Self> {
        let poll = Poll::new()?;
        let mut members = Vec::new();
        for number in 0..clients {
            let connect = || {
                let stream = std::net::TcpStream::connect(addr)?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                io::Result::Ok(TcpStream::from_std(stream))
            };
            let mut stream =
                connect().with_context(|| format!("client {number} cannot connect to {addr}"))?;
            let interest = Interest::READABLE | Interest::WRITABLE;
            let interest = if number < senders { interest } else { Interest::READABLE };
            poll.registry().register(&mut stream, Token(number), interest)?;
            members.push(Member::new(stream));
        }
        Ok(Self {
            poll,
            events: Events::with_capacity(1024),
            members,
            buffer: vec![0; READ_LEN],
            manners,
            line_lens: vec![0; senders],
            silence: SILENCE,
        })
    }

    /// Waits until every client gets every line, and measures how long a line is when it arrives.
    ///
    /// A room may need a while to accept all clients, and may announce each of them to all others.
    pub fn settle(&mut self) -> Result<()> {
        let start = Instant::now();
        let mut tries = 0;
        loop {
            tries += 1;
            if self.say(0, tries, "TRY", TRY)?.is_some() {
                break;
            }
            ensure!(start.elapsed() < SETTLE, "not all clients were let in within {SETTLE:?}");
        }
        for sender in 0..self.line_lens.len() {
            let said = self.say(sender, 0, "LEN", self.silence)?;
            said.with_context(|| format!("a line of client {sender} did not reach every client"))?;
            let manners = self.manners;
            let mut others = self.members.iter().enumerate();
            let hears = |index| manners.echoes || index != sender;
            let len = others.find(|(index, _)| hears(*index)).map_or(0, |(_, m)| m.received);
            let odd = others.find(|(index, member)| hears(*index) && member.received != len);
            ensure!(
                odd.is_none(),
                "a line of client {sender} does not have {len} bytes at every client"
            );
            self.line_lens[sender] = len;
        }
        Ok(())
    }

    /// Makes each sender send that many lines as fast as the server takes them.
    ///
    /// Returns how many deliveries that made, and the time from the first send to the last delivery.
    pub fn load(&mut self, lines: usize) -> Result<(usize, Duration)> {
        let senders = self.line_lens.len();
        self.reset();
        let manners = self.manners;
        for sender in 0..senders {
            self.members[sender].outgoing = (0..lines)
                .map(|line| manners.line(sender, line, if line + 1 == lines { MARKER } else { "" }))
                .collect::<String>()
                .into_bytes();
        }
        let total: usize = self.line_lens.iter().map(|len| len * lines).sum();
        let mut deliveries = 0;
        for (index, member) in self.members.iter_mut().enumerate() {
            let own = if self.manners.echoes { None } else { self.line_lens.get(index) };
            member.expected = total - own.map_or(0, |len| len * lines);
            deliveries += lines * (senders - usize::from(own.is_some()));
        }
        // The window as a number of lines of each sender, and as the bytes that it sends for them.
        let window = (WINDOW / self.line_lens.iter().sum::<usize>()).max(1)
            * (self.manners.prefix.len() + PAYLOAD_LEN + 1);
        let last = self.members.len() - 1;
        self.members[last].kept = Some(Vec::with_capacity(self.members[last].expected));

        let done = |member: &Member| member.received >= member.expected;
        let time = self.exchange(self.silence, Some(window), done, || Ok(()))?;
        let time = time.ok_or_else(|| self.missing())?;
        self.check_ends()?;
        let kept = self.members[last].kept.take().unwrap_or_default();
        if self.manners.whole_lines {
            check_lines(&kept, senders, lines, (!self.manners.echoes).then_some(last))?;
        }
        Ok((deliveries, time))
    }

    /// Makes one client send one line, and returns the time until the last client has it.
    pub fn latency(&mut self) -> Result<Duration> {
        self.reset();
        self.members[0].outgoing = self.manners.line(0, 0, MARKER).into_bytes();
        for member in &mut self.members {
            member.expected = self.line_lens[0];
        }
        if !self.manners.echoes {
            self.members[0].expected = 0;
        }
        let done = |member: &Member| member.received >= member.expected;
        let time = self.exchange(self.silence, None, done, || Ok(()))?;
        let time = time.ok_or_else(|| self.missing())?;
        self.check_ends()?;
        Ok(time)
    }

    /// Waits until each client has that many bytes of what `start` has a bare writer send.
    pub fn receive(&mut self, len: usize, start: impl FnOnce() -> Result<()>) -> Result<Duration> {
        self.reset();
        for member in &mut self.members {
            member.expected = len;
        }
        let done = |member: &Member| member.received >= member.expected;
        let time = self.exchange(self.silence, None, done, start)?;
        let time = time.ok_or_else(|| self.missing())?;
        self.check_ends()?;
        Ok(time)
    }

    /// Sends a line, and waits until all clients have it; `None` if before that nothing arrived for a while.
    fn say(
        &mut self,
        sender: usize,
        number: usize,
        ending: &str,
        silence: Duration,
    ) -> Result<Option<Duration>> {
        self.reset();
        let line = format!("{}\n", payload(sender, number, ending)).into_bytes();
        self.members[sender].outgoing = self.manners.line(sender, number, ending).into_bytes();
        if !self.manners.echoes {
            self.members[sender].done = true;
        }
        self.exchange(silence, None, |member| member.tail.ends_with(&line), || Ok(()))
    }

    fn reset(&mut self) {
        for member in &mut self.members {
            member.outgoing.clear();
            (member.sent, member.received, member.expected) = (0, 0, 0);
            member.allowed = usize::MAX;
            member.done = false;
            member.tail.clear();
            member.kept = None;
        }
    }

    /// Sends what there is to send, and receives until all clients are `done`.
    ///
    /// With a window, a sender is at most that many bytes ahead of the client that has received the
    /// least. Returns `None` if nothing arrived for as long as `silence`; a dropped client is an error.
    fn exchange(
        &mut self,
        silence: Duration,
        window: Option<usize>,
        done: impl Fn(&Member) -> bool,
        start: impl FnOnce() -> Result<()>,
    ) -> Result<Option<Duration>> {
        let Self { poll, events, members, buffer, .. } = self;
        let clients = members.len();
        let dropped = |index: usize, member: &Member, error: &io::Error| {
            let Member { received, expected, .. } = member;
            anyhow!(
                "client {index} of {clients} was dropped ({error}); \
                 it had {received} of {expected} bytes"
            )
        };
        for member in members.iter_mut() {
            member.done = member.done || done(member);
        }
        let mut waiting = members.iter().filter(|member| !member.done).count();
        let begin = Instant::now();
        start()?;
        send_all(members, window).map_err(|(index, e)| dropped(index, &members[index], &e))?;
        let mut came = Instant::now();
        while waiting > 0 {
            let left = silence.saturating_sub(came.elapsed());
            match poll.poll(events, Some(left)) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                polled => polled?,
            }
            if events.is_empty() && came.elapsed() >= silence {
                return Ok(None);
            }
            for event in &*events {
                let index = event.token().0;
                let member = &mut members[index];
                if event.is_readable() || event.is_read_closed() {
                    let before = member.received;
                    member
                        .receive(buffer, event.is_read_closed())
                        .map_err(|error| dropped(index, member, &error))?;
                    if member.received > before {
                        came = Instant::now();
                    }
                    if !member.done && done(member) {
                        member.done = true;
                        waiting -= 1;
                    }
                }
                if event.is_writable() {
                    member.send().map_err(|error| dropped(index, member, &error))?;
                }
            }
            if window.is_some() {
                send_all(members, window)
                    .map_err(|(index, e)| dropped(index, &members[index], &e))?;
            }
        }
        Ok(Some(begin.elapsed()))
    }

    /// Returns the error message for lines that did not arrive.
    fn missing(&self) -> anyhow::Error {
        let short = |member: &&Member| member.received < member.expected;
        let count = self.members.iter().filter(short).count();
        let Some(Member { received, expected, .. }) = self.members.iter().find(short) else {
            return anyhow!("what was sent did not arrive");
        };
        anyhow!(
            "{count} of {} clients did not get everything: one has {received} of {expected} bytes, \
             and nothing came for {:?}",
            self.members.len(),
            self.silence
        )
    }

    /// Checks that each client has exactly the expected number of bytes, which end with a sender's last line.
    fn check_ends(&self) -> Result<()> {
        let marker = format!("{MARKER}\n");
        for (index, member) in self.members.iter().enumerate() {
            let Member { received, expected, .. } = member;
            ensure!(received == expected, "client {index} has {received} bytes, not {expected}");
            let ends = *expected == 0 || member.tail.ends_with(marker.as_bytes());
            ensure!(ends, "what client {index} has does not end with a sender's last line");
        }
        Ok(())
    }
}

/// Lets all members send what they may; an error has the index of its member.
fn send_all(members: &mut [Member], window: Option<usize>) -> Result<(), (usize, io::Error)> {
    let heard = |member: &Member| match member.expected {
        0 => 1.0,
        expected => member.received as f64 / expected as f64,
    };
    let least = members.iter().map(heard).fold(1.0, f64::min);
    for (index, member) in members.iter_mut().enumerate() {
        if let Some(window) = window {
            member.allowed = scaled(member.outgoing.len(), least) + window;
        }
        member.send().map_err(|error| (index, error))?;
    }
    Ok(())
}

impl Member {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            outgoing: Vec::new(),
            sent: 0,
            allowed: usize::MAX,
            received: 0,
            expected: 0,
            done: false,
            tail: Vec::new(),
            kept: None,
        }
    }

    /// Sends as much as the system takes now.
    fn send(&mut self) -> io::Result<()> {
        let end = self.allowed.min(self.outgoing.len());
        while self.sent < end {
            match self.stream.write(&self.outgoing[self.sent..end]) {
                Ok(len) => self.sent += len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Receives all that is there; the end of the stream is an error.
    fn receive(&mut self, buffer: &mut [u8], closed: bool) -> io::Result<()> {
        loop {
            match self.stream.read(buffer) {
                Ok(0) => return Err(io::Error::new(ErrorKind::UnexpectedEof, "end of file")),
                Ok(len) => {
                    self.take(&buffer[..len]);
                    // On Unix, a read that is not full has emptied the socket, and later bytes are a
                    // new event, unless the end has been reported already. Windows reports again
                    // only after `WouldBlock`.
                    if cfg!(unix) && !closed && len < buffer.len() {
                        return Ok(());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn take(&mut self, bytes: &[u8]) {
        self.received += bytes.len();
        if let Some(kept) = &mut self.kept {
            kept.extend_from_slice(bytes);
        }
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL_LEN)..]);
        let surplus = self.tail.len().saturating_sub(TAIL_LEN);
        self.tail.drain(..surplus);
    }
}

/// Returns a client's line: its number, the number of the line, padding, and an ending; `PAYLOAD_LEN` bytes.
pub fn payload(sender: usize, line: usize, ending: &str) -> String {
    let start = format!("{sender:02} {line:08} ");
    let padding = "x".repeat(PAYLOAD_LEN - start.len() - ending.len());
    start + &padding + ending
}

/// Checks that every line of every sender, except `not_heard`, is there once, whole, and in its sender's order.
fn check_lines(bytes: &[u8], senders: usize, lines: usize, not_heard: Option<usize>) -> Result<()> {
    let text = str::from_utf8(bytes).context("what arrived is not UTF-8")?;
    let mut next = vec![0; senders];
    for line in text.lines() {
        let sender = line.len().checked_sub(PAYLOAD_LEN).and_then(|at| {
            let said = line.get(at..)?;
            let sender: usize = said.get(..2)?.parse().ok()?;
            let number = next.get_mut(sender)?;
            let ending = if *number + 1 == lines { MARKER } else { "" };
            let right = said == payload(sender, *number, ending);
            *number += 1;
            right.then_some(sender)
        });
        if sender.is_none() {
            bail!("a line arrived that was not sent, or not in this place: `{line}`");
        }
    }
    for (sender, came) in next.iter().enumerate() {
        let expected = if not_heard == Some(sender) { 0 } else { lines };
        ensure!(*came == expected, "{came} lines of client {sender} arrived, not {expected}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_its_length_with_and_without_an_ending() {
        assert_eq!(payload(3, 17, ""), "03 00000017 xxxxxxxxxxxxxxxxxxxx");
        assert_eq!(payload(3, 17, MARKER), "03 00000017 xxxxxxxxxxxxxxxxxEND");
        assert_eq!(payload(99, 99_999_999, MARKER).len(), PAYLOAD_LEN);
    }

    #[test]
    fn lines_that_are_missing_twice_there_torn_or_out_of_order_are_found() {
        let line = |sender, number| {
            let ending = if number == 1 { MARKER } else { "" };
            format!("127.0.0.1:50001 {}\n", payload(sender, number, ending))
        };
        let check = |lines: &[String]| check_lines(lines.concat().as_bytes(), 2, 2, None);
        let good = [line(0, 0), line(1, 0), line(1, 1), line(0, 1)];
        check(&good).unwrap();
        check(&good[..3]).unwrap_err();
        check(&[&good[..], &good[3..]].concat()).unwrap_err();
        check(&[line(0, 1), line(1, 0), line(1, 1), line(0, 0)]).unwrap_err();
        check(&[good[0].clone(), good[1].replacen(" 0", "\n", 1)]).unwrap_err();
        check_lines(good[1..3].concat().as_bytes(), 2, 2, Some(0)).unwrap();
    }

    mod against_small_rooms {
        use super::*;
        use std::io::{BufRead as _, BufReader};
        use std::net::TcpListener;
        use std::sync::{Arc, Mutex};
        use std::thread;

        const MANNERS: Manners = Manners { echoes: true, whole_lines: true, prefix: "" };

        /// A room that passes lines on as `pass` decides, which gets the number of the line, from 0, and
        /// all streams.
        fn room(
            pass: impl Fn(usize, &str, &mut Vec<std::net::TcpStream>) + Send + Sync + 'static,
        ) -> SocketAddr {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let addr = listener.local_addr().unwrap();
            let room = Arc::new((Mutex::new((0, Vec::new())), pass));
            thread::spawn(move || {
                for stream in listener.incoming() {
                    let stream = stream.unwrap();
                    let room = Arc::clone(&room);
                    room.0.lock().unwrap().1.push(stream.try_clone().unwrap());
                    thread::spawn(move || {
                        let peer_addr = stream.peer_addr().unwrap();
                        for line in BufReader::new(stream).lines() {
                            let Ok(line) = line else { return };
                            let mut guard = room.0.lock().unwrap();
                            let (count, streams) = &mut *guard;
                            (room.1)(*count, &format!("{peer_addr} {line}\n"), streams);
                            *count += 1;
                        }
                    });
                }
            });
            addr
        }

        /// Passes a line on to these streams. A client that has left is ignored.
        fn tell(streams: &[std::net::TcpStream], line: &str) {
            for mut stream in streams {
                let _ = stream.write_all(line.as_bytes());
            }
        }

        fn crowd(addr: SocketAddr) -> Crowd {
            let mut crowd = Crowd::connect(addr, 3, 2, MANNERS).unwrap();
            crowd.silence = Duration::from_millis(500);
            crowd
        }

        #[test]
        fn three_clients_measure_a_room_that_is_right() {
            let mut crowd = crowd(room(|_, line, streams| tell(streams, line)));
            crowd.settle().unwrap();
            for lines in [1, 500] {
                let (deliveries, time) = crowd.load(lines).unwrap();
                assert_eq!(deliveries, 2 * lines * 3);
                assert!(time > Duration::ZERO);
            }
            assert!(crowd.latency().unwrap() > Duration::ZERO);
        }

        #[test]
        fn what_clients_put_in_front_of_their_lines_arrives_and_counts() {
            let addr = room(|_, line, streams| tell(streams, line));
            let manners = Manners { prefix: "in front ", ..MANNERS };
            let mut crowd = Crowd::connect(addr, 3, 2, manners).unwrap();
            crowd.settle().unwrap();
            let speaker = crowd.members[0].stream.local_addr().unwrap();
            let line = format!("{speaker} in front {}\n", payload(0, 0, MARKER));
            assert_eq!(crowd.line_lens[0], line.len());
            assert_eq!(crowd.load(50).unwrap().0, 2 * 50 * 3);
            crowd.latency().unwrap();
            assert!(crowd.members[2].tail.ends_with(line.as_bytes()));
        }

        #[test]
        fn a_room_that_does_not_send_a_line_back_has_fewer_deliveries() {
            let addr = room(|_, line, streams| {
                let speaker = line.split(' ').next().unwrap();
                let is_other =
                    |s: &std::net::TcpStream| s.peer_addr().is_ok_and(|a| a.to_string() != speaker);
                for mut stream in streams.iter().filter(|stream| is_other(stream)) {
                    stream.write_all(line.as_bytes()).unwrap();
                }
            });
            let manners = Manners { echoes: false, whole_lines: true, prefix: "" };
            let mut crowd = Crowd::connect(addr, 3, 2, manners).unwrap();
            crowd.settle().unwrap();
            assert_eq!(crowd.load(50).unwrap().0, 2 * 50 * 2);
            crowd.latency().unwrap();
        }

        #[test]
        fn a_dropped_client_is_noticed() {
            let addr = room(|count, line, streams| {
                if count == 40 {
                    let dropped = streams.pop().unwrap();
                    dropped.shutdown(std::net::Shutdown::Both).unwrap();
                }
                tell(streams, line);
            });
            let mut crowd = crowd(addr);
            crowd.settle().unwrap();
            let error = crowd.load(100).unwrap_err().to_string();
            assert!(error.starts_with("client 2 of 3 was dropped (end of file); "), "{error}");
        }

        #[test]
        fn a_line_that_does_not_reach_every_client_is_noticed() {
            let addr = room(|count, line, streams| {
                let heard = if count == 40 { 2 } else { 3 };
                tell(&streams[..heard.min(streams.len())], line);
            });
            let mut crowd = crowd(addr);
            crowd.settle().unwrap();
            let error = crowd.load(100).unwrap_err().to_string();
            assert!(error.starts_with("1 of 3 clients did not get everything: "), "{error}");
        }

        #[test]
        fn a_line_that_arrives_too_often_is_noticed() {
            let addr = room(|count, line, streams| {
                tell(streams, line);
                if count == 40 {
                    tell(streams, line);
                }
            });
            let mut crowd = crowd(addr);
            crowd.settle().unwrap();
            crowd.load(100).unwrap_err();
        }
    }
}
