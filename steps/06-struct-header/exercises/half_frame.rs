//! A solution: frames that must be complete two seconds after their first byte. The rest of step 06 is
//! left out: the only command is `echo`, and no shell runs it, so it does not matter who connects.
//!
//! ```text
//! client                          server
//!   | -- 00 00 03 e8  x x x ------> |     997 bytes are missing
//!   | <---------------------- end - |     two seconds after the first 00
//! ```

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::frame::{read_frame, write_frame};

#[path = "../src/frame.rs"]
mod frame;

/// The line ending that the system's shell would use.
const NEWLINE: &[u8] = if cfg!(windows) { b"\r\n" } else { b"\n" };

/// How long a frame may take from its first byte to its last.
const MAX_FRAME_TIME: Duration = Duration::from_secs(2);

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9006".to_owned());
    let listener = TcpListener::bind(addr)?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;

    loop {
        let (stream, peer_addr) = listener.accept()?; // waits for a client
        match handle_connection(stream) {
            Ok(()) => writeln!(io::stdout(), "{peer_addr} disconnected")?,
            Err(error) => writeln!(io::stdout(), "{peer_addr} lost: {error}")?,
        }
    }
}

/// Answers one frame after another, until the client has left.
fn handle_connection(mut stream: TcpStream) -> io::Result<()> {
    loop {
        // A person may think between two commands, as long as they like. `peek` waits for the
        // first byte of a frame, and leaves it where it is.
        stream.set_read_timeout(None)?;
        stream.peek(&mut [0])?;
        let mut reader = Hurried { stream: &stream, until: Instant::now() + MAX_FRAME_TIME };
        let Some(command_line) = read_frame(&mut reader)? else {
            return Ok(());
        };
        let text = command_line.strip_prefix(b"echo ").unwrap_or(b"only echo is known");
        write_frame(&mut stream, &[text, NEWLINE].concat())?;
    }
}

// ANCHOR: hurried
/// A stream all of whose reads together have one deadline.
///
/// A timeout alone starts again with each read: a client that sends a byte now and then could continue
/// forever.
struct Hurried<'a> {
    stream: &'a TcpStream,
    until: Instant,
}

impl Read for Hurried<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let message = format!("a frame was not whole after {MAX_FRAME_TIME:?}");
            return Err(io::Error::new(io::ErrorKind::TimedOut, message));
        }
        self.stream.set_read_timeout(Some(left))?;
        self.stream.read(buffer)
    }
}
// ANCHOR_END: hurried
