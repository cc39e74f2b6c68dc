//! A solution: a room that sends the last ten lines to each client that joins. It leaves out the rest of
//! the step: announcements, a bound for slow readers, and an orderly end.
//!
//! ```text
//! alice --> reading thread -- Said ----\             +--> queue --> writing thread --> alice
//! bob ----> reading thread -- Joined --+--> owner ---+
//!                                                    +--> queue --> writing thread --> bob
//! ```

use std::collections::{HashMap, VecDeque};
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

/// How many lines a client that joins gets.
const REMEMBERED_LINES: usize = 10;

/// What the other threads report to the owner of the room.
enum Event {
    Joined(SocketAddr, TcpStream),
    Said(String),
    Left(SocketAddr),
}

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9009".to_owned());
    let listener = TcpListener::bind(addr)?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;

    let (events, reported) = mpsc::channel();
    thread::spawn(move || Room::default().run(reported));
    loop {
        let (stream, peer_addr) = listener.accept()?; // waits for a client
        let events = events.clone();
        thread::spawn(move || {
            // However the connection ends, the client leaves. Sending fails only if the owner's
            // thread has ended.
            let _ = read_lines(stream, peer_addr, &events);
            let _ = events.send(Event::Left(peer_addr));
        });
    }
}

/// Reports that a client has joined, and then what it says, until it leaves.
fn read_lines(
    mut stream: TcpStream,
    peer_addr: SocketAddr,
    events: &mpsc::Sender<Event>,
) -> io::Result<()> {
    let report = |event| events.send(event).map_err(io::Error::other);
    report(Event::Joined(peer_addr, stream.try_clone()?))?;
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
                let now = Zoned::now().strftime("%Y-%m-%d %H:%M:%S");
                report(Event::Said(format!("{now} {peer_addr} {text}\n")))?;
            }
        }
    }
}

/// The room. It needs no lock: only its owner can reach it.
#[derive(Default)]
struct Room {
    queues: HashMap<SocketAddr, mpsc::Sender<Arc<str>>>,
    /// The lines that were said last, as they were sent.
    last_lines: VecDeque<Arc<str>>,
}

impl Room {
    /// Processes one event after another. So no line can be said while a client joins, and each newcomer
    /// gets each line exactly once.
    fn run(mut self, events: mpsc::Receiver<Event>) {
        for event in events {
            match event {
                Event::Joined(addr, stream) => self.join(addr, stream),
                Event::Said(line) => self.say(line.into()),
                Event::Left(addr) => drop(self.queues.remove(&addr)),
            }
        }
    }

    /// Adds a client. The lines that were said last are the first in its queue.
    fn join(&mut self, addr: SocketAddr, stream: TcpStream) {
        let (queue, queued) = mpsc::channel();
        thread::spawn(move || write_queue(stream, queued));
        for line in &self.last_lines {
            let _ = queue.send(Arc::clone(line)); // fails if the connection has broken already
        }
        self.queues.insert(addr, queue);
    }

    /// Sends a line to every client, and remembers it.
    fn say(&mut self, line: Arc<str>) {
        for queue in self.queues.values() {
            let _ = queue.send(Arc::clone(&line)); // fails if the connection has broken
        }
        if self.last_lines.len() == REMEMBERED_LINES {
            self.last_lines.pop_front();
        }
        self.last_lines.push_back(line);
    }
}

/// Sends what is queued, until the room drops the queue, or the connection breaks.
fn write_queue(mut stream: TcpStream, queued: mpsc::Receiver<Arc<str>>) -> io::Result<()> {
    queued.into_iter().try_for_each(|line| stream.write_all(line.as_bytes()))
}
