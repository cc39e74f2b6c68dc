//! What a byte stream does to messages: the same every time, and without sleeping.
//!
//! New in this step: no message is answered. Both ends of a connection are in one program, so it can
//! show the writes next to the reads.
//!
//! ```text
//! writer                              reader
//!   | -- a b c d e -----------------> |
//!   | -- f g h i j -----------------> |   all fifteen bytes are there, and then:
//!   | -- k l m n o -----------------> |   one read
//! ```
//!
//! The messages are pieces of a repeated alphabet, so you can see that no byte is lost and
//! none has changed its place.
//!
//! Still wrong: everything. Nothing shows the reader where a message ends.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use crate::table;

/// How long bytes may take on their way within this computer.
pub const DEADLINE: Duration = Duration::from_secs(10);
/// The longest stream that is shown whole, in bytes. Of a longer one, each row shows at most this much.
const MAX_SHOWN_LEN: usize = 60;

/// What is written, and how much room each read has.
#[derive(Clone, Copy)]
pub struct Plan {
    /// How many messages there are.
    pub messages: usize,
    /// The length of each message, in bytes.
    pub message_len: usize,
    /// The most bytes that one read takes.
    pub read_len: usize,
}

/// Makes all writes, then all reads, and prints the bytes of each.
pub fn run(plan: Plan) -> io::Result<()> {
    let (mut writer, mut reader) = connected_pair()?;
    writer.set_nodelay(true)?; // each message leaves at once, and yet they may merge

    // ANCHOR: writes
    let messages = plan.to_messages();
    for message in &messages {
        writer.write_all(message)?; // a message this short is one write
    }
    // ANCHOR_END: writes

    wait_for(&reader, plan.total_len())?;

    // ANCHOR: reads
    let mut pieces = Vec::new();
    let mut buffer = vec![0; plan.read_len];
    let mut left = plan.total_len();
    while left > 0 {
        let len = reader.read(&mut buffer)?;
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        pieces.push(buffer[..len].to_vec());
        left -= len;
    }
    // ANCHOR_END: reads

    print(&messages, &pieces)
}

// ANCHOR: wait
/// Waits until `len` bytes have arrived in the receive buffer.
fn wait_for(reader: &TcpStream, len: usize) -> io::Result<()> {
    let mut copy = vec![0; len];
    let end = Instant::now() + DEADLINE;
    reader.set_read_timeout(Some(DEADLINE))?;
    // `peek` is a `read` that leaves the bytes where they are. It waits for the first of them.
    while reader.peek(&mut copy).map_err(say_late)? < len {
        if Instant::now() > end {
            return Err(say_late(io::ErrorKind::TimedOut.into()));
        }
        thread::yield_now(); // some bytes are still on their way within this computer: let other threads run
    }
    Ok(())
}
// ANCHOR_END: wait

/// Returns the two ends of a new connection within this program.
pub fn connected_pair() -> io::Result<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let writer = TcpStream::connect(listener.local_addr()?)?;
    let (reader, _) = listener.accept()?;
    Ok((writer, reader))
}

/// Explains in plain words what a timeout means here.
pub fn say_late(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => {
            let message = format!("what was sent has not arrived after {DEADLINE:?}");
            io::Error::new(io::ErrorKind::TimedOut, message)
        }
        _ => error,
    }
}

impl Plan {
    /// Returns the messages: `abcde`, `fghij`, and so on.
    pub fn to_messages(self) -> Vec<Vec<u8>> {
        let alphabet: Vec<u8> = (b'a'..=b'z').cycle().take(self.total_len()).collect();
        alphabet.chunks(self.message_len).map(<[u8]>::to_vec).collect()
    }

    /// Returns the length of all messages together, in bytes.
    pub fn total_len(self) -> usize {
        self.messages * self.message_len
    }
}

/// Prints the writes above the reads, with the bytes of each at their position in the stream.
fn print(messages: &[Vec<u8>], pieces: &[Vec<u8>]) -> io::Result<()> {
    let rows = [rows("write", messages), rows("read", pieces)].concat();
    table::print(["call", "length", "bytes"], &rows)
}

/// Returns a row for each write, or for each read. If the stream is too long to be shown, a row has
/// only the first bytes, at the left.
fn rows(kind: &str, parts: &[Vec<u8>]) -> Vec<[String; 3]> {
    let total_len: usize = parts.iter().map(Vec::len).sum();
    let mut indent = 0;
    let mut rows = Vec::new();
    for (index, bytes) in parts.iter().enumerate() {
        let shown = &bytes[..bytes.len().min(MAX_SHOWN_LEN)];
        let more = if shown.len() < bytes.len() { "..." } else { "" };
        let text = format!("{}{}{more}", " ".repeat(indent), shown.escape_ascii());
        rows.push([format!("{kind} {}", index + 1), bytes.len().to_string(), text]);
        if total_len <= MAX_SHOWN_LEN {
            indent += bytes.len();
        }
    }
    rows
}
