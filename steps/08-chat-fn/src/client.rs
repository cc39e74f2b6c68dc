//! The client: sends the lines of its input, and prints the lines of all clients.
//!
//! New in this step: the client waits for two things at once, a line from the keyboard and a line
//! from the server. So it has two threads.
//!
//! ```text
//! keyboard --> send_lines --> server         a thread of its own
//! screen  <--  show_lines <-- server         the main thread
//! ```
//!
//! Still wrong, on purpose: a line that arrives is printed into the line that is being typed.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::input::read_line;
use crate::line::{BadLine, LineBuffer, MAX_LINE_LEN, is_control};

/// The most bytes that one read takes.
const READ_LEN: usize = 4096;

/// The most bytes that the server may put before a client's line: an address, and some reserve.
const MAX_PREFIX_LEN: usize = 128;

// ANCHOR: run
/// Talks to the server until the input ends, or `quit` is typed.
///
/// A server that closes the connection before that is an error (`UnexpectedEof`).
pub fn run(stream: TcpStream) -> io::Result<()> {
    let input_has_ended = Arc::new(AtomicBool::new(false));
    let keyboard = {
        let (stream, input_has_ended) = (stream.try_clone()?, Arc::clone(&input_has_ended));
        thread::Builder::new().spawn(move || {
            let result = send_lines(&stream);
            input_has_ended.store(true, Ordering::SeqCst);
            // End of file for the server, which then closes as well. This fails if the connection
            // has ended already.
            let _ = stream.shutdown(Shutdown::Write);
            result
        })?
    };

    show_lines(&stream)?;
    if !input_has_ended.load(Ordering::SeqCst) {
        // The keyboard thread is still waiting for a line. It ends with the process.
        return Err(server_closed());
    }
    keyboard.join().map_err(|_| io::Error::other("a thread of the client ended unexpectedly"))?
}

fn server_closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the server closed the connection")
}
// ANCHOR_END: run

// ANCHOR: show-lines
/// Prints each line from the server, until the server closes the connection, or it breaks.
///
/// Fails only if printing fails.
fn show_lines(mut stream: &TcpStream) -> io::Result<()> {
    let mut lines = LineBuffer::new(MAX_PREFIX_LEN + MAX_LINE_LEN);
    let mut buffer = [0; READ_LEN];
    loop {
        let len = match stream.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Ok(()), // a broken connection: no more lines will arrive
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

/// Returns the line with its control characters escaped, so that they do not affect the terminal.
fn harmless(line: &str) -> String {
    let mut text = String::new();
    for c in line.chars() {
        if is_control(c) {
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
fn send_lines(mut stream: &TcpStream) -> io::Result<()> {
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
        // The server is gone. `show_lines` notices that, too, after it has shown what arrived before.
        stream.write_all(&line).map_err(|_| server_closed())?;
    }
    Ok(())
}
// ANCHOR_END: send-lines
