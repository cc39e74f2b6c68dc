//! The client: sends each line of its input as a command, and prints the answer.
//!
//! Still wrong, on purpose: it reads once for each command. An answer of more than 1024 bytes is
//! cut, and the rest is taken for the answer to the next command. An answer without bytes never
//! arrives.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use crate::input::read_line;

/// The most bytes of a command line: the server reads no more at a time.
const MAX_COMMAND_LEN: usize = 1024;

/// The most bytes that one `read` takes.
const MAX_READ_LEN: usize = 1024;

/// Talks to the server until the input ends.
///
/// A server that closes the connection early is an error (`UnexpectedEof`).
pub fn run(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; MAX_READ_LEN];
    while let Some(command_line) = read_line()? {
        if command_line.is_empty() {
            continue; // TCP cannot send an empty message: both sides would wait forever.
        }
        if command_line.len() > MAX_COMMAND_LEN {
            let limit = format!("a command has at most {MAX_COMMAND_LEN} bytes");
            writeln!(io::stderr(), "error: {limit}; this one was not sent")?;
            continue;
        }
        // ANCHOR: exchange
        stream.write_all(&command_line)?;
        let len = stream.read(&mut buffer)?; // waits for bytes, and takes what is there
        if len == 0 {
            let message = "the server closed the connection";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
        io::stdout().write_all(&buffer[..len])?;
        io::stdout().flush()?;
        // ANCHOR_END: exchange
    }
    Ok(())
}
