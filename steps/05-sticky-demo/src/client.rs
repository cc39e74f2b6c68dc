//! The client: sends each line of its input in a write of its own, and waits for nothing.
//!
//! If the lines are typed slowly, each arrives before the next is written, and the server usually
//! reads them one by one. If they are pasted, or read from a file, they follow at once and may merge.

use std::io::{self, Write};
use std::net::TcpStream;

use crate::input::read_line;

/// Sends the lines of the input until it ends.
///
/// If the server goes away, the client notices only when it sends the next line.
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
