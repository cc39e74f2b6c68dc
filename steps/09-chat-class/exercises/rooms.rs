//! A solution: a server with as many rooms as people name. It leaves out the rest of the step:
//! announcements, a bound for slow readers, and an orderly end.
//!
//! ```text
//! alice             owner                bob
//!   | -- /join cats -> |                  |     her room is "cats" from here on
//!   |                  | <- /join cats -- |
//!   | -- hello ------> |                  |
//!   | <-- hello ------ | ----- hello ---> |     to those whose room is "cats"
//! ```

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread;

use jiff::Zoned;

use crate::line::{LineBuffer, MAX_LINE_LEN};

#[path = "../src/line.rs"]
mod line;

/// The most bytes that one read takes.
const READ_LEN: usize = 4096;

/// What the other threads report to the owner of the rooms.
enum Event {
    Joined(TcpStream),
    /// A line, as it was said.
    Said(String),
    Left,
}

/// A client that is online.
struct Member {
    /// The name of the room in which it is. At first it is in one without a name.
    room: String,
    queue: mpsc::Sender<Arc<str>>,
}

/// All clients that are online, in any room. Only their owner can reach them.
type Members = HashMap<SocketAddr, Member>;

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9009".to_owned());
    let listener = TcpListener::bind(addr)?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;

    let (events, reported) = mpsc::channel();
    thread::spawn(move || run_rooms(reported));
    loop {
        let (stream, peer_addr) = listener.accept()?; // waits for a client
        let events = events.clone();
        thread::spawn(move || {
            // Sending fails only if the owner's thread has ended.
            let report = |event| events.send((peer_addr, event)).map_err(io::Error::other);
            // However the connection ends, the client leaves.
            let _ = read_lines(stream, report);
            let _ = report(Event::Left);
        });
    }
}

/// Reports that a client has joined, and then what it says, until it leaves.
fn read_lines(mut stream: TcpStream, report: impl Fn(Event) -> io::Result<()>) -> io::Result<()> {
    report(Event::Joined(stream.try_clone()?))?;
    let mut lines = LineBuffer::new(MAX_LINE_LEN);
    let mut buffer = [0; READ_LEN];
    loop {
        let len = stream.read(&mut buffer)?; // waits for bytes
        if len == 0 {
            return Ok(()); // end of file: the client sends no more
        }
        lines.push(&buffer[..len]);
        while let Some(line) = lines.next_line() {
            if let Ok(text) = line {
                report(Event::Said(text.to_owned()))?;
            }
        }
    }
}

/// Owns the members, and processes one event after another.
fn run_rooms(events: mpsc::Receiver<(SocketAddr, Event)>) {
    let mut members = Members::new();
    for (addr, event) in events {
        match event {
            Event::Joined(stream) => {
                let (queue, queued) = mpsc::channel();
                thread::spawn(move || write_queue(stream, queued));
                members.insert(addr, Member { room: String::new(), queue });
            }
            Event::Said(text) => match text.strip_prefix("/join ") {
                Some(room) => move_to(&mut members, addr, room.trim()),
                None => say(&members, addr, &text),
            },
            Event::Left => drop(members.remove(&addr)),
        }
    }
}

/// Moves a client into a room. It need not be removed from its old room, which is stored nowhere else.
fn move_to(members: &mut Members, addr: SocketAddr, room: &str) {
    if let Some(member) = members.get_mut(&addr) {
        member.room = String::from(room);
    }
}

/// Sends a line to every client in the room of the one that says it.
fn say(members: &Members, addr: SocketAddr, text: &str) {
    let Some(speaker) = members.get(&addr) else { return };
    let now = Zoned::now().strftime("%Y-%m-%d %H:%M:%S");
    let line: Arc<str> = format!("{now} {addr} {text}\n").into();
    for member in members.values().filter(|member| member.room == speaker.room) {
        let _ = member.queue.send(Arc::clone(&line)); // fails if the connection has broken
    }
}

/// Sends what is queued, until the owner drops the queue, or the connection breaks.
fn write_queue(mut stream: TcpStream, queued: mpsc::Receiver<Arc<str>>) -> io::Result<()> {
    queued.into_iter().try_for_each(|line| stream.write_all(line.as_bytes()))
}
