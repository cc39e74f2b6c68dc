//! The server: runs commands for one client after another.
//!
//! New in this part: a message has a header with named values, and a body. So the client learns
//! how a command ended and what went wrong.
//!
//! ```text
//! client                                                       server
//!   | -- 00 00 00 25  {"request":"run","command":"echo hi"} -----> |     a frame: the header
//!   | <- 00 00 00 22  {"size":3,"status":0,"error":null} --------- |     a frame: the header
//!   | <- h i \n -------------------------------------------------- |     the body: 3 bytes
//! ```
//!
//! Still wrong, on purpose: an answer must fit in memory. A command that does not end holds up
//! every client, and continues when the server is killed.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{ExitStatus, Stdio};
use std::thread;

use crate::accept::client_is_gone;
use crate::body::MAX_BODY_LEN;
use crate::frame::read_frame;
use crate::header::{one_line, parse_header, write_header};
use crate::message::{Answer, Request};
use crate::problem::explain;
use crate::shell::shell;

/// Serves one client after another, until it is stopped.
pub fn run(listener: TcpListener) -> io::Result<()> {
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
        match handle_connection(stream, peer_addr) {
            Ok(()) => writeln!(io::stdout(), "{peer_addr} disconnected")?,
            // Whatever happens to one connection, the next client is served.
            Err(error) => writeln!(io::stdout(), "{peer_addr} lost: {}", explain(&error))?,
        }
    }
}

// ANCHOR: handle-connection
/// Answers one request after another, until the client has left.
fn handle_connection(mut stream: TcpStream, peer_addr: SocketAddr) -> io::Result<()> {
    // A header and its body are two writes. With Nagle's algorithm, the second could wait until the
    // first is acknowledged.
    stream.set_nodelay(true)?;
    // A broken frame ends the connection: it is not known where the next one begins.
    while let Some(header) = read_frame(&mut stream)? {
        // A header that is not understood does not: the next frame begins after this one.
        let reply = match parse_header(&header) {
            Ok(Request::Run { command }) => {
                writeln!(io::stdout(), "{peer_addr} runs {command:?}")?;
                reply_to_run(&command)
            }
            Err(error) => Err(error),
        };
        let reply = reply.unwrap_or_else(|error| Reply::refusal(&explain(&error)));
        write_header(&mut stream, &reply.header)?;
        stream.write_all(&reply.body)?;
    }
    Ok(())
}
// ANCHOR_END: handle-connection

// ANCHOR: reply
/// An answer, before it is sent.
struct Reply {
    header: Answer,
    body: Vec<u8>,
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
/// Runs a command, and waits for it.
fn reply_to_run(command_line: &str) -> io::Result<Reply> {
    let (body, status) = run_command(command_line).map_err(|error| {
        let message = format!("the command cannot be run: {}", explain(&error));
        io::Error::new(error.kind(), message)
    })?;
    if body.len() > MAX_BODY_LEN {
        let max_mib = MAX_BODY_LEN / (1024 * 1024);
        let message = format!("the answer is longer than {max_mib} MiB, the limit of a frame");
        return Ok(Reply::refusal(&message));
    }
    let header =
        Answer { size: body.len() as u64, status: status.code(), error: by_signal(status) };
    Ok(Reply { header, body })
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

/// Runs a command line in the system's shell.
///
/// Returns what it wrote to stdout, and then what it wrote to stderr, but not much more than fits into
/// a body; and how it ended.
fn run_command(command_line: &str) -> io::Result<(Vec<u8>, ExitStatus)> {
    let mut command = shell(command_line);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    // In a thread: a command that has filled one pipe waits until it is read.
    let stderr = thread::Builder::new().spawn(|| read_limited(stderr.expect("it is piped")))?;
    let mut output = read_limited(stdout.expect("it is piped"))?;
    output.extend(stderr.join().expect("the thread does not panic")?);
    Ok((output, child.wait()?))
}

/// Reads at most one byte more than an answer may have, and closes the pipe. The command's next write
/// then fails, and on Unix a signal ends the command.
fn read_limited(pipe: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.take(MAX_BODY_LEN as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
