//! The client: says each line of its input, and prints what everybody says.
//!
//! New in this step: two things happen at any time, a line from the server and a line from the
//! keyboard. A thread waits for each.
//!
//! ```text
//! keyboard --> send_lines --> server         a thread
//! screen  <--  show_lines <-- server         a thread
//!                    \-----> run             which of them ended first?
//! ```
//!
//! Still wrong, on purpose: on a terminal, a line that arrives tears the line that one is typing.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc;
use std::thread;

use crate::input::read_line;
use crate::line::{BadLine, LineBuffer, MAX_LINE_LEN};

/// How much one read takes, in bytes.
const READ_LEN: usize = 4096;

/// How much the server may put in front of what somebody said, in bytes: an address, and more.
const MAX_PREFIX_LEN: usize = 128;

// ANCHOR: run
/// Which side of the conversation has ended.
enum End {
    /// Nothing more is to be said.
    Input,
    /// Nothing more will come from the server.
    Server,
}

/// Talks to the server until the input ends, or `quit` is typed.
///
/// A server that closes the connection before that is an error (`UnexpectedEof`).
pub fn run(stream: TcpStream) -> io::Result<()> {
    let (ended, ends) = mpsc::channel();
    let (from_server, to_server) = (stream.try_clone()?, stream.try_clone()?);
    // `run` is over when it has what it waits for, and nobody receives after that. So it is no
    // error if an end cannot be sent.
    let server_ended = ended.clone();
    thread::Builder::new().spawn(move || server_ended.send(show_lines(&from_server)))?;
    thread::Builder::new().spawn(move || {
        if let Some(end) = send_lines(&to_server).transpose() {
            let _ = ended.send(end);
        }
    })?;

    match next_end(&ends)? {
        End::Input => {
            // End of file for the server. What it has sent until it sees that is still shown.
            let _ = stream.shutdown(Shutdown::Write); // fails where the connection has ended already
            next_end(&ends).map(drop)
        }
        // The keyboard's thread may be waiting for a line. It ends with the process.
        End::Server => {
            let message = "the server closed the connection";
            Err(io::Error::new(io::ErrorKind::UnexpectedEof, message))
        }
    }
}

/// Waits until one of the sides has ended.
fn next_end(ends: &mpsc::Receiver<io::Result<End>>) -> io::Result<End> {
    ends.recv().map_err(|_| io::Error::other("a thread of the client is gone"))?
}
// ANCHOR_END: run

// ANCHOR: show-lines
/// Prints the lines that come, until the server closes the connection, or it breaks.
///
/// An error is one of our own output.
fn show_lines(mut stream: &TcpStream) -> io::Result<End> {
    let mut lines = LineBuffer::new(MAX_PREFIX_LEN + MAX_LINE_LEN);
    let mut buffer = [0; READ_LEN];
    loop {
        let len = match stream.read(&mut buffer) {
            Ok(0) => return Ok(End::Server),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Ok(End::Server), // for who waits for lines, that is the same
        };
        lines.push(&buffer[..len]);
        while let Some(line) = lines.next_line() {
            match line {
                Ok(line) => writeln!(io::stdout(), "{line}")?,
                Err(BadLine::ControlCharacter(line)) => {
                    writeln!(io::stdout(), "{}", harmless(&line))?;
                }
                Err(bad) => {
                    let problem = "a line from the server cannot be shown";
                    writeln!(io::stderr(), "error: {problem}: {bad}")?;
                }
            }
        }
    }
}

/// The line with its control characters spelled out, so that they do nothing to the terminal.
fn harmless(line: &str) -> String {
    let mut text = String::new();
    for c in line.chars() {
        if c.is_control() && c != '\t' {
            text.extend(c.escape_default());
        } else {
            text.push(c);
        }
    }
    text
}
// ANCHOR_END: show-lines

// ANCHOR: send-lines
/// Sends the lines of the input until it ends, or one of them is `quit`.
///
/// `None` if the server cannot be written to: `show_lines` sees that too, and first shows what has
/// come. An error is one of the input, or of the prompt.
fn send_lines(mut stream: &TcpStream) -> io::Result<Option<End>> {
    while let Some(mut line) = read_line()? {
        if line.trim_ascii() == b"quit" {
            break;
        }
        if line.len() > MAX_LINE_LEN {
            let limit = format!("a line has at most {MAX_LINE_LEN} bytes");
            writeln!(io::stderr(), "error: {limit}; this one was not sent")?;
            continue;
        }
        line.push(b'\n');
        if stream.write_all(&line).is_err() {
            return Ok(None);
        }
    }
    Ok(Some(End::Input))
}
// ANCHOR_END: send-lines
