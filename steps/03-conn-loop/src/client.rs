//! The client: sends each line of its input, and prints each answer.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use crate::input::read_line;

/// The most bytes in a message: the server reads no more than this at a time.
const MAX_MESSAGE_LEN: usize = 1024;

/// Talks to the server until the input ends.
///
/// A server that closes the connection early is an error (`UnexpectedEof`).
pub fn run(mut stream: TcpStream) -> io::Result<()> {
    while let Some(line) = read_line()? {
        // ANCHOR: empty
        if line.is_empty() {
            continue; // TCP cannot send an empty message: both sides would wait forever.
        }
        // ANCHOR_END: empty
        // ANCHOR: exchange
        for message in line.chunks(MAX_MESSAGE_LEN) {
            stream.write_all(message)?;
            // The answer is as long as the message, but it may arrive in several pieces.
            let mut answer = vec![0; message.len()];
            stream.read_exact(&mut answer).map_err(server_left)?;
            io::stdout().write_all(&answer)?;
        }
        // ANCHOR_END: exchange
        writeln!(io::stdout())?;
    }
    Ok(())
}

/// Gives an early end of file a clear message, since that of `read_exact` is "failed to fill whole buffer".
fn server_left(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => {
            io::Error::new(error.kind(), "the server closed the connection")
        }
        _ => error,
    }
}
