//! The client: sends each line of its input in a write of its own, and waits for nothing.
//!
//! Typed slowly, each line has long arrived before the next one is written: the server mostly reads
//! them one by one. Pasted, or from a file, they follow each other at once: they may merge.

use std::io::{self, BufRead, IsTerminal, Write};
use std::net::TcpStream;

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

/// The next line of the input without its line ending, or `None` where the input ends.
///
/// It is bytes: what the user types need not be UTF-8. A prompt is shown only to a person.
fn read_line() -> io::Result<Option<Vec<u8>>> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        write!(io::stdout(), "> ")?;
        io::stdout().flush()?;
    }
    let mut line = Vec::new();
    if stdin.lock().read_until(b'\n', &mut line)? == 0 {
        if stdin.is_terminal() {
            writeln!(io::stdout())?; // the shell's prompt begins on a line of its own
        }
        return Ok(None);
    }
    if line.ends_with(b"\n") {
        line.pop();
    }
    if line.ends_with(b"\r") {
        line.pop(); // Windows ends its lines with \r\n.
    }
    Ok(Some(line))
}
