//! What the tests of this step share: the programs, and guests of the room.

#![allow(dead_code, reason = "not every file of tests needs all of it")]

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use conformance::{DEADLINE, Failure, Peer, Program};
use socket2::{Domain, Socket, Type};

pub mod step;

use step::{SERVER_OPTIONS, STEP};

/// How long stopping may take here, where other tests use the processors as well. (The check `clean-stop`
/// allows a second.) A server that waited for its clients would not stop at all.
pub const STOP_TIME: Duration = Duration::from_secs(3);

/// The last line that a client gets from a server that stops, without its time.
pub const GOODBYE: &str = "*** the server is stopping";

/// The receive buffer of a client that is slow on purpose, in bytes.
const SLOW_BUFFER_LEN: usize = 4096;

/// The length of a time such as `2026-11-23 08:23:04`.
const TIME_LEN: usize = 19;

pub fn server() -> Command {
    let mut command = Command::new(STEP);
    command.args(["server", "127.0.0.1:0"]).args(SERVER_OPTIONS);
    command
}

pub fn client(addr: &str) -> Command {
    let mut command = Command::new(STEP);
    command.args(["client", addr]);
    command
}

/// Returns the line without the time at its beginning, or the whole line if there is none.
pub fn without_time(line: &str) -> &str {
    let is_time = |text: &str| {
        let digit_or = |(c, form): (char, char)| match form {
            '0' => c.is_ascii_digit(),
            form => c == form,
        };
        text.chars().zip("0000-00-00 00:00:00".chars()).all(digit_or)
    };
    match line.split_at_checked(TIME_LEN) {
        Some((time, rest)) if is_time(time) => rest.strip_prefix(' ').unwrap_or(line),
        _ => line,
    }
}

/// Waits until the log has this text, after a time and a level.
pub fn expect_log(server: &mut Program, expected: &str) -> Result<(), Failure> {
    let matches = |line: &str| {
        let rest = without_time(line).trim_start();
        rest != line && rest.split_once(' ').is_some_and(|(_, text)| text == expected)
    };
    server.expect_later(expected, matches).map(drop)
}

/// Asks the server's console who is online. It must list `count` clients; returns for each its address and
/// how many bytes wait for it.
pub fn list(server: &mut Program, count: usize) -> Result<Vec<String>, Failure> {
    server.type_line("who?")?;
    let mut lines = Vec::new();
    while lines.len() < count {
        let line = server.expect_later("ADDR  since …", |line| line.contains("  since "))?;
        let (addr, rest) = line.split_once("  since ").expect("since when");
        let rest = without_time(rest).trim_start();
        let waits = rest.rsplit("  ").next().expect("there is a last column");
        lines.push(format!("{addr}  {waits}"));
    }
    Ok(lines)
}

/// How many bytes wait for one of two clients, as the console shows it.
pub fn queue_len(server: &mut Program, addr: SocketAddr) -> Result<usize, Failure> {
    let lines = list(server, 2)?;
    let start = format!("{addr}  ");
    let len = lines.iter().find_map(|line| line.strip_prefix(&start)?.strip_suffix(" bytes wait"));
    Ok(len
        .and_then(|len| len.parse().ok())
        .unwrap_or_else(|| panic!("no number of bytes: {lines:?}")))
}

/// A guest of the room, which reads line by line.
pub struct Guest {
    pub peer: Peer,
    pub addr: SocketAddr,
    received: Vec<u8>,
}

impl Guest {
    /// Connects, and receives its own announcement, which must be the first line.
    pub fn join(addr: SocketAddr) -> Result<Self, Failure> {
        Self::greet(Peer::connect(addr)?)
    }

    /// A guest whose system accepts next to nothing while the guest does not read.
    pub fn join_slow(addr: SocketAddr) -> Result<Self, Failure> {
        Self::greet(Peer::connect_with_receive_buffer(addr, DEADLINE, SLOW_BUFFER_LEN)?)
    }

    fn greet(peer: Peer) -> Result<Self, Failure> {
        let mut guest = Self { addr: peer.local_addr()?, peer, received: Vec::new() };
        guest.expect(&format!("*** {} joined", guest.addr))?;
        Ok(guest)
    }

    /// The next line without its time; `None` at end of file.
    pub fn next_line(&mut self) -> Result<Option<String>, Failure> {
        loop {
            if let Some(end) = self.received.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=end).collect();
                let line = String::from_utf8(line).expect("the server sends UTF-8");
                let line = line.trim_end_matches('\n');
                let rest = without_time(line);
                assert!(rest != line || line.starts_with("error: "), "no time: `{line}`");
                return Ok(Some(rest.to_owned()));
            }
            match self.peer.receive_some()? {
                Some(bytes) => self.received.extend(bytes),
                None => return Ok(None),
            }
        }
    }

    /// Expects this line, and no other before it.
    pub fn expect(&mut self, expected: &str) -> Result<(), Failure> {
        match self.next_line()? {
            Some(line) if line == expected => Ok(()),
            line => Err(Failure::new(format!("expected `{expected}`, got {line:?}"))),
        }
    }

    /// Waits for this line, and returns the lines before it.
    pub fn expect_later(&mut self, expected: &str) -> Result<Vec<String>, Failure> {
        let mut before = Vec::new();
        while let Some(line) = self.next_line()? {
            if line == expected {
                return Ok(before);
            }
            before.push(line);
        }
        Err(Failure::new(format!("`{expected}` did not arrive, but {before:?}")))
    }

    /// All lines until end of file.
    pub fn rest(&mut self) -> Result<Vec<String>, Failure> {
        let mut lines = Vec::new();
        while let Some(line) = self.next_line()? {
            lines.push(line);
        }
        Ok(lines)
    }

    pub fn say(&mut self, text: &str) -> Result<(), Failure> {
        self.peer.send(format!("{text}\n").as_bytes())
    }

    /// What every guest receives when this one says `text`.
    pub fn said(&self, text: &str) -> String {
        format!("{} {text}", self.addr)
    }

    /// Sends a line, and waits until it returns.
    pub fn says_and_hears(&mut self, text: &str) -> Result<(), Failure> {
        self.say(text)?;
        let said = self.said(text);
        self.expect_later(&said).map(drop)
    }
}

/// Lets `count` guests join.
pub fn join_all(addr: SocketAddr, count: usize) -> Result<Vec<Guest>, Failure> {
    (0..count).map(|_| Guest::join(addr)).collect()
}

/// Joins a room that was full: where each client has threads, a client that has left keeps its place
/// until they have ended.
pub fn join_when_there_is_a_place(addr: SocketAddr) -> Result<Guest, Failure> {
    let until = Instant::now() + DEADLINE;
    loop {
        match Guest::join(addr) {
            Err(_) if Instant::now() < until => {} // it was turned away, and tries again
            result => return result,
        }
    }
}

/// How many clients each thread of a flood has at a time.
const FLOOD_LEN: usize = 50;

/// Connects again and again, and waits neither for the server nor for an answer.
fn flood(addr: SocketAddr, is_over: &AtomicBool) {
    let mut clients = VecDeque::new();
    while !is_over.load(Ordering::Relaxed) {
        let client = Socket::new(Domain::for_address(addr), Type::STREAM, None).expect("a socket");
        client.set_nonblocking(true).expect("it need not wait");
        let _ = client.connect(&addr.into()); // it is under way, or the server has stopped
        clients.push_back(client);
        if clients.len() > FLOOD_LEN {
            clients.pop_front();
        }
    }
}

/// Stops a server to which clients connect all the time, faster than it accepts them.
pub fn stop_in_a_flood(mut server: Program, addr: SocketAddr) -> Result<(), Failure> {
    let is_over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| flood(addr, &is_over));
        }
        let joined =
            |server: &mut Program| server.expect_later("joined", |line| line.ends_with(" joined"));
        let code = (0..300)
            .try_for_each(|_| joined(&mut server).map(drop))
            .and_then(|()| server.type_line("quit"))
            .and_then(|()| server.wait());
        is_over.store(true, Ordering::Relaxed);
        assert_eq!(code?.code(), Some(0));
        Ok(())
    })
}

/// Checks that each guest got the announcements of those that joined after it, the goodbye, and end of
/// file.
pub fn all_get_the_goodbye(guests: Vec<Guest>) -> Result<(), Failure> {
    let addrs: Vec<SocketAddr> = guests.iter().map(|guest| guest.addr).collect();
    for (index, mut guest) in guests.into_iter().enumerate() {
        let mut expected: Vec<String> =
            addrs[index + 1..].iter().map(|addr| format!("*** {addr} joined")).collect();
        expected.push(GOODBYE.to_owned());
        assert_eq!(guest.rest()?, expected);
    }
    Ok(())
}
