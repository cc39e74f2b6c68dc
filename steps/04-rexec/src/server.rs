//! The server: runs commands for one client after another.
//!
//! New in this step: a message is a command line. The server gives it to the system's shell and
//! sends back what the command wrote. Anyone who can connect can run any command, so the server
//! listens on this computer only, unless `--allow-remote` is given, and refuses what a browser sends.
//!
//! ```text
//! client                     server
//!   | -- e c h o   h i -----> |     at most 1024 bytes
//!   | <-------------- h i \n -|     as many bytes as the command wrote: none, or millions
//! ```
//!
//! Still wrong, on purpose: nothing marks where a command or an answer ends. Two commands that arrive
//! together are run as one; an answer without bytes cannot be seen. A command that does not end
//! holds up every client, and continues when the server is killed. The client never learns whether a
//! command succeeded. All output is held in memory: a command such as `yes` uses it up.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;

use crate::accept::client_is_gone;
use crate::shell::shell;

/// The most bytes of a command line.
const MAX_COMMAND_LEN: usize = 1024;

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
            Err(error) => writeln!(io::stdout(), "{peer_addr} lost: {error}")?,
        }
    }
}

// ANCHOR: handle-connection
/// Runs each command that arrives, until the client has left.
fn handle_connection(mut stream: TcpStream, peer_addr: SocketAddr) -> io::Result<()> {
    let mut buffer = [0; MAX_COMMAND_LEN + 1]; // one more byte, to notice a command that is too long
    loop {
        let len = stream.read(&mut buffer)?; // waits for bytes
        if len == 0 {
            return Ok(()); // end of file: the client sends no more
        }
        let command_line = check(&buffer[..len])?;
        writeln!(io::stdout(), "{peer_addr} runs {command_line:?}")?;
        let answer = run_command(command_line)?; // waits for the command
        stream.write_all(&answer)?;
    }
}
// ANCHOR_END: handle-connection

// ANCHOR: check
/// Returns the command line, or an error (`InvalidData`) if our client would not have sent it.
///
/// A web page can make a browser connect here, but only to send HTTP. This check refuses nothing
/// else: any other program can send a command.
fn check(bytes: &[u8]) -> io::Result<&str> {
    let refused = |reason: &str| Err(io::Error::new(io::ErrorKind::InvalidData, reason));
    let text =
        str::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?; // not UTF-8
    if is_http(text) {
        return refused(
            "an HTTP request is not a command; a web page may have made a browser send it",
        );
    }
    if text.contains(|c: char| c.is_ascii_control()) {
        return refused("a command must not have control characters");
    }
    if text.len() > MAX_COMMAND_LEN {
        return refused(&format!("a command has at most {MAX_COMMAND_LEN} bytes"));
    }
    Ok(text)
}

/// Returns whether a text begins like an HTTP request: `GET /`, `OPTIONS *`, `POST http`.
fn is_http(text: &str) -> bool {
    text.split_once(' ').is_some_and(|(method, target)| {
        !method.is_empty()
            && method.bytes().all(|byte| byte.is_ascii_uppercase())
            && ["/", "*", "http"].iter().any(|start| target.starts_with(start))
    })
}
// ANCHOR_END: check

// ANCHOR: run-command
/// Runs a command line in the system's shell.
///
/// Returns what it wrote to stdout, and then what it wrote to stderr; an error if there is no shell.
fn run_command(command_line: &str) -> io::Result<Vec<u8>> {
    let output = shell(command_line).stdin(Stdio::null()).output()?;
    Ok([output.stdout, output.stderr].concat())
}
// ANCHOR_END: run-command
