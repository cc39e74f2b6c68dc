//! The client: one message, one answer.
//!
//! Still wrong: it reads once. An answer that arrives in two pieces is cut after the first.

use std::io::{self, Read, Write};
use std::net::TcpStream;

/// The most bytes that one `read` takes.
const MAX_READ_LEN: usize = 1024;

/// Sends `message` and prints the answer.
///
/// A server that closes the connection without an answer is an error (`UnexpectedEof`).
pub fn run(mut stream: TcpStream, message: &str) -> io::Result<()> {
    stream.write_all(message.as_bytes())?;

    let mut buffer = [0; MAX_READ_LEN];
    let len = stream.read(&mut buffer)?; // waits for bytes
    if len == 0 {
        let message = "the server closed the connection without an answer";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
    }

    let mut out = io::stdout();
    out.write_all(&buffer[..len])?;
    writeln!(out)
}
