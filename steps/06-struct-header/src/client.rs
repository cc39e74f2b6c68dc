//! The client: sends each line of its input as a command, and prints the answer.
//!
//! New in this step: both are frames. The client reads until an answer is complete, and no further.
//!
//! Still wrong, on purpose: it shows nothing before the whole answer has arrived, and it cannot
//! distinguish output from an error.

use std::io::{self, Write};
use std::net::TcpStream;

use crate::frame::{MAX_FRAME_LEN, read_frame, write_frame};
use crate::input::read_line;

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
