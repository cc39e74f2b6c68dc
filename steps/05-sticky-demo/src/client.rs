//! The client: sends each line of its input in a write of its own, and waits for nothing.
//!
//! Typed slowly, each line has long arrived before the next one is written: the server usually
//! reads them one by one. Pasted, or from a file, they follow each other at once: they may merge.

use std::io::{self, Write};
use std::net::TcpStream;

use crate::input::read_line;

/// Sends the lines of the input until it ends.
///
/// A server that goes away is noticed only when something more is sent.
pub fn run(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?; // each line leaves at once, and yet they may merge
    while let Some(line) = read_line()? {
        if line.is_empty() {
            continue; // TCP cannot send an empty message
        }
        // ANCHOR: send
        stream.write_all(&line)?;
        writeln!(io::stdout(), "sent {} bytes", line.len())?;
        // ANCHOR_END: send
    }
    Ok(())
}
