//! The client: sends each line of its input as a command, and prints what comes back.
//!
//! New in this step: both are frames. The client reads until an answer is complete, and no further.
//!
//! Still wrong, on purpose: it shows nothing before the whole answer is there, and it cannot tell
//! output from an error.

use std::io::{self, BufRead, IsTerminal, Write};
use std::net::TcpStream;

use crate::frame::{MAX_FRAME_LEN, read_frame, write_frame};

/// Talks to the server until the input ends.
///
/// A server that closes the connection early is an error (`UnexpectedEof`).
pub fn run(mut stream: TcpStream) -> io::Result<()> {
    while let Some(command_line) = read_line()? {
        if command_line.len() > MAX_FRAME_LEN as usize {
            let limit = format!("a command has at most {MAX_FRAME_LEN} bytes");
            writeln!(io::stderr(), "error: {limit}; this one was not sent")?;
            continue;
        }
        // ANCHOR: exchange
        write_frame(&mut stream, &command_line)?;
        let Some(answer) = read_frame(&mut stream)? else {
            let message = "the server closed the connection";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        };
        io::stdout().write_all(&answer)?;
        io::stdout().flush()?;
        // ANCHOR_END: exchange
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
