//! The client: sends each line of its input as a request, and prints the answer.
//!
//! New in this part: it learns how a command ended, and shows it.
//!
//! Still wrong, on purpose: it shows nothing before the whole answer has arrived.

use std::io::{self, Write};
use std::net::TcpStream;

use crate::body::read_body;
use crate::frame::MAX_FRAME_LEN;
use crate::header::{one_line, read_header, write_header};
use crate::input::read_line;
use crate::message::{Answer, Request};

// ANCHOR: run
/// Talks to the server until the input ends.
///
/// A server that closes the connection early is an error (`UnexpectedEof`), and so is one that breaks
/// the protocol (`InvalidData`).
pub fn run(mut stream: TcpStream) -> io::Result<()> {
    while let Some(line) = read_line()? {
        match request(line) {
            Ok(command) => run_command(&mut stream, &command)?,
            Err(problem) => writeln!(io::stderr(), "error: {problem}")?,
        }
    }
    Ok(())
}
// ANCHOR_END: run

// ANCHOR: request
/// Turns a line into a request, or returns why it cannot be sent.
fn request(line: Vec<u8>) -> Result<Request, String> {
    let line =
        String::from_utf8(line).map_err(|_| "a request must be UTF-8; this one was not sent")?;
    let request = Request::Run { command: line };
    // The header is longer than the line: it has field names, and JSON escapes some characters.
    let header = serde_json::to_vec(&request).map_err(|error| error.to_string())?;
    if header.len() > MAX_FRAME_LEN as usize {
        return Err(format!("a request has at most {MAX_FRAME_LEN} bytes; this one was not sent"));
    }
    Ok(request)
}
// ANCHOR_END: request

// ANCHOR: run-command
/// Sends a command, and shows what it wrote and how it ended.
fn run_command(stream: &mut TcpStream, request: &Request) -> io::Result<()> {
    write_header(stream, request)?;
    let Some(answer) = read_header::<Answer>(stream)? else {
        let message = "the server closed the connection";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
    };
    let body = read_body(stream, answer.size)?;
    io::stdout().write_all(&body)?;
    io::stdout().flush()?;
    if let Some(error) = answer.error {
        writeln!(io::stderr(), "error: {}", one_line(&error))?;
    }
    match answer.status {
        None | Some(0) => {} // no status, or success
        Some(status) => writeln!(io::stderr(), "exit status {status}")?,
    }
    Ok(())
}
// ANCHOR_END: run-command
