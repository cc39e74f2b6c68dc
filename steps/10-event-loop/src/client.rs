//! The client: sends each line of its input, and prints what every client says.
//!
//! New in this step: at a terminal, a line that arrives is printed above the line that you are typing,
//! and not into it. `editor.rs` does that. It is not part of the lesson, and you can read this file
//! without it: `talk` is the conversation in plain lines.
//!
//! ```text
//! keyboard --> say_lines  --> server
//! screen  <--  show_lines <-- server         a thread
//! ```

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::mpsc;
use std::thread;

use crate::input::read_line;
use crate::line::{BadLine, LineBuffer, MAX_LINE_LEN, is_control};

/// How much one read takes, in bytes.
const READ_LEN: usize = 4096;

/// How many bytes the server may put before what a client said: a time, an address, and some reserve.
const MAX_PREFIX_LEN: usize = 128;

/// The last announcement of a server that stops in an orderly way.
const GOODBYE: &str = "the server is stopping";

/// The length of a time such as `2026-11-23 08:23:04`, in bytes.
const TIME_LEN: usize = 19;

/// How a conversation has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The input has ended, or `quit` was typed.
    Input,
    /// The server has said goodbye, and closed the connection.
    Goodbye,
    /// The server has closed the connection without a goodbye, or the connection broke.
    Server,
}

// ANCHOR: client
/// One end of a conversation with the room.
pub struct ChatClient {
    stream: TcpStream,
}

impl ChatClient {
    /// Connects to the server.
    pub fn connect(addr: impl ToSocketAddrs) -> io::Result<Self> {
        let stream = TcpStream::connect(addr)?;
        stream.set_nodelay(true)?; // a line is a whole message: there is nothing to wait for
        Ok(Self { stream })
    }

    /// Runs `talk`, until the input ends, `quit` is typed, or the server stops.
    ///
    /// A connection that ends before that is an error (`UnexpectedEof`).
    pub fn run(self, talk: impl FnOnce(TcpStream) -> io::Result<End>) -> io::Result<()> {
        match talk(self.stream)? {
            End::Input | End::Goodbye => Ok(()),
            End::Server => {
                let message = "the server closed the connection";
                Err(io::Error::new(io::ErrorKind::UnexpectedEof, message))
            }
        }
    }
}
// ANCHOR_END: client

// ANCHOR: talk
/// Talks to the server in plain lines, and returns which side has ended first.
pub fn talk(stream: TcpStream) -> io::Result<End> {
    let (ended, ends) = mpsc::channel();
    let from_server = stream.try_clone()?;
    // `talk` returns after the first end, and drops the receiver. So it is no error if a later end
    // cannot be sent.
    let server_ended = ended.clone();
    thread::Builder::new().spawn(move || {
        let shown = show_lines(&from_server, |line| match line {
            Ok(line) => writeln!(io::stdout(), "{line}"),
            Err(bad) => writeln!(io::stderr(), "error: {}", cannot_be_shown(&bad)),
        });
        let _ = server_ended.send(shown);
    })?;
    // This thread is not joined: it may be waiting for the keyboard. It ends with the process.
    thread::Builder::new().spawn(move || {
        // The end of the input is reported here first, and then to the server. In the other order, the
        // server could close its side, and that end would be reported first.
        if let Some(end) = say_lines(&stream).transpose() {
            let _ = ended.send(end);
        }
        say_no_more(&stream);
    })?;

    let first = next_end(&ends)?;
    if first == End::Input {
        next_end(&ends)?; // shows what is still on its way
    }
    Ok(first)
}

/// Waits until one of the sides has ended.
fn next_end(ends: &mpsc::Receiver<io::Result<End>>) -> io::Result<End> {
    ends.recv().map_err(|_| io::Error::other("a thread of the client ended unexpectedly"))?
}
// ANCHOR_END: talk

// ANCHOR: show-lines
/// Shows the lines that arrive, until the server closes the connection, or it breaks. Returns how it
/// ended: end of file after a goodbye is an orderly end.
///
/// An error comes from `show`.
pub fn show_lines(
    mut stream: &TcpStream,
    mut show: impl FnMut(Result<String, BadLine>) -> io::Result<()>,
) -> io::Result<End> {
    let mut end = End::Server;
    let mut lines = LineBuffer::new(MAX_PREFIX_LEN + MAX_LINE_LEN);
    let mut buffer = [0; READ_LEN];
    loop {
        let len = match stream.read(&mut buffer) {
            Ok(0) => return Ok(end),
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return Ok(End::Server), // the connection broke
        };
        lines.push(&buffer[..len]);
        while let Some(line) = lines.next_line() {
            end = match &line {
                Ok(line) if is_goodbye(line) => End::Goodbye,
                _ => End::Server,
            };
            show(match line {
                Err(BadLine::ControlCharacter(line)) => Ok(harmless(&line)),
                line => line.map(str::to_owned),
            })?;
        }
    }
}

/// Returns whether a line is the goodbye. No client can forge it: a line from a client has an address
/// where an announcement has the stars.
fn is_goodbye(line: &str) -> bool {
    line.get(TIME_LEN..).and_then(|text| text.strip_prefix(" *** ")) == Some(GOODBYE)
}

/// Returns the message for a line from the server that cannot be shown.
pub fn cannot_be_shown(bad: &BadLine) -> String {
    format!("a line from the server cannot be shown: {bad}")
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

// ANCHOR: say-lines
/// Sends the lines of the input until it ends, or one of them is `quit`.
///
/// Returns `None` if the server cannot be written to: `show_lines` notices that too, and first shows
/// what has arrived. An error comes from the input, or from the prompt.
fn say_lines(stream: &TcpStream) -> io::Result<Option<End>> {
    while let Some(line) = read_line()? {
        if line.trim_ascii() == b"quit" {
            break;
        }
        if line.len() > MAX_LINE_LEN {
            writeln!(io::stderr(), "error: {}", too_long())?;
            continue;
        }
        if say(stream, &line).is_err() {
            return Ok(None);
        }
    }
    Ok(Some(End::Input))
}

/// Returns the message for a line that is longer than the chat allows.
pub fn too_long() -> String {
    format!("a line has at most {MAX_LINE_LEN} bytes; this one was not sent")
}

/// Sends a line, in one write.
pub fn say(mut stream: &TcpStream, line: &[u8]) -> io::Result<()> {
    stream.write_all(&[line, b"\n"].concat())
}

/// Shuts the stream down for writing: the server reads end of file. What it has sent still arrives.
pub fn say_no_more(stream: &TcpStream) {
    let _ = stream.shutdown(Shutdown::Write); // fails if the connection has ended already
}
// ANCHOR_END: say-lines
