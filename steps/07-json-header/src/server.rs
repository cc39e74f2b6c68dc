//! The server: runs commands and sends files, for one client after another.
//!
//! New in this step: a message has a header with named values, and a body of any size. So the
//! client learns how a command ended and what went wrong, and can ask for files.
//!
//! ```text
//! client                                                       server
//!   | -- 00 00 00 25  {"request":"run","command":"echo hi"} -----> |     a frame: the header
//!   | <- 00 00 00 3e  {"filename":null,"hash":null,"size":3,… ---- |     a frame: the header
//!   | <- h i \n -------------------------------------------------- |     the body: 3 bytes
//! ```
//!
//! Still wrong, on purpose: one client at a time. A slow download holds up every other client.

use std::fs::File;
use std::io::{self, Read, Seek, Take, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use crate::accept::client_is_gone;
use crate::body::write_body;
use crate::command::{End, MAX_OUTPUT_MIB, run_command};
use crate::files::Root;
use crate::frame::read_frame;
use crate::hash::size_and_hash;
use crate::header::{one_line, parse_header, write_header};
use crate::message::{Answer, Request};
use crate::problem::explain;

/// Serves one client after another, until it is stopped: files below `root`, and commands, which may
/// run for `timeout`.
pub fn run(listener: TcpListener, root: &Root, timeout: Duration) -> io::Result<()> {
    let local_addr = listener.local_addr()?;
    writeln!(io::stdout(), "listening on {local_addr}")?;
    let warning = if local_addr.ip().is_loopback() {
        "WARNING: every user of this computer can run commands here as you"
    } else {
        "WARNING: anyone who can connect can run commands here as you"
    };
    writeln!(io::stdout(), "{warning}")?;

    loop {
        let (stream, peer_addr) = match listener.accept() {
            Ok(connection) => connection,
            // A client that left before it was accepted is no reason to stop.
            Err(error) if client_is_gone(&error) => continue,
            Err(error) => return Err(error),
        };
        writeln!(io::stdout(), "{peer_addr} connected")?;
        match handle_connection(stream, peer_addr, root, timeout) {
            Ok(()) => writeln!(io::stdout(), "{peer_addr} disconnected")?,
            // Whatever happens to one connection, the next client is served.
            Err(error) => writeln!(io::stdout(), "{peer_addr} lost: {}", explain(&error))?,
        }
    }
}

// ANCHOR: handle-connection
/// Answers one request after another, until the client has left.
fn handle_connection(
    mut stream: TcpStream,
    peer_addr: SocketAddr,
    root: &Root,
    timeout: Duration,
) -> io::Result<()> {
    // A header and its body are two writes. With Nagle's algorithm, the second could wait until the
    // first is acknowledged.
    stream.set_nodelay(true)?;
    // A broken frame ends the connection: it is not known where the next one begins.
    while let Some(header) = read_frame(&mut stream)? {
        // A header that is not understood does not: the next frame begins after this one.
        let reply = match parse_header(&header) {
            Ok(Request::Run { command }) => {
                writeln!(io::stdout(), "{peer_addr} runs {command:?}")?;
                reply_to_run(&command, timeout)
            }
            Ok(Request::Get { filename }) => {
                writeln!(io::stdout(), "{peer_addr} gets {filename:?}")?;
                reply_to_get(&filename, root)
            }
            Err(error) => Err(error),
        };
        let reply = reply.unwrap_or_else(|error| Reply::refusal(&explain(&error)));
        write_header(&mut stream, &reply.header)?;
        write_body(&mut stream, reply.body)?;
    }
    Ok(())
}
// ANCHOR_END: handle-connection

// ANCHOR: reply
/// An answer, before it is sent.
struct Reply {
    header: Answer,
    /// The files that it consists of, and how much of each.
    body: Vec<Take<File>>,
}

impl Reply {
    /// Returns an answer without a body, whose error states the reason.
    fn refusal(problem: &str) -> Self {
        let header = Answer { error: Some(one_line(problem)), ..Answer::default() };
        Self { header, body: Vec::new() }
    }
}
// ANCHOR_END: reply

// ANCHOR: reply-to-run
/// Runs a command. Its output is sent even if its time was up.
fn reply_to_run(command_line: &str, timeout: Duration) -> io::Result<Reply> {
    let output = run_command(command_line, timeout, MAX_OUTPUT_MIB).map_err(|error| {
        let message = format!("the command cannot be run: {}", explain(&error));
        io::Error::new(error.kind(), message)
    })?;
    let (status, error) = match output.end {
        End::Ended(status) => (status.code(), by_signal(status)),
        End::TimeUp => {
            let limit = timeout.as_secs_f64();
            (None, Some(format!("the command ran longer than {limit} s and was stopped")))
        }
        End::TooMuch => {
            let problem = format!("the command wrote more than {MAX_OUTPUT_MIB} MiB");
            (None, Some(format!("{problem}; none of it is sent")))
        }
    };
    let header = Answer {
        size: output.parts.iter().map(Take::limit).sum(),
        status,
        error,
        ..Answer::default()
    };
    Ok(Reply { header, body: output.parts })
}

/// Describes the end of a command that a signal has killed.
#[cfg(unix)]
fn by_signal(status: ExitStatus) -> Option<String> {
    use std::os::unix::process::ExitStatusExt;
    status.signal().map(|signal| format!("the command was ended by signal {signal}"))
}

/// There are no signals on Windows: a process that is killed has an exit status like any other.
#[cfg(windows)]
fn by_signal(_: ExitStatus) -> Option<String> {
    None
}
// ANCHOR_END: reply-to-run

// ANCHOR: reply-to-get
/// Opens a file, and reads it once for its hash, since the header contains it and is sent first.
fn reply_to_get(filename: &str, root: &Root) -> io::Result<Reply> {
    let mut file = root.open(filename)?;
    // Taken once: while another program writes to the file, its end moves.
    let end = file.metadata()?.len();
    let (size, hash) = size_and_hash(&mut (&file).take(end))?;
    file.rewind()?;
    let name = Path::new(filename).file_name();
    let header = Answer {
        filename: name.map(|name| name.to_string_lossy().into_owned()),
        hash: Some(hash),
        size,
        ..Answer::default()
    };
    Ok(Reply { header, body: vec![file.take(size)] })
}
// ANCHOR_END: reply-to-get
