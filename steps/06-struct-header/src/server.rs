//! The server: runs commands for one client after another.
//!
//! New in this step: commands and answers are frames, so each has a beginning and an end. An answer
//! may have no bytes, or millions, and two commands that arrive together stay two.
//!
//! ```text
//! client                                server
//!   | -- 00 00 00 07  e c h o   h i -----> |     a frame: the length, and the command
//!   | <---------- 00 00 00 03  h i \n ---- |     a frame: the length, and what the command wrote
//! ```
//!
//! Still wrong, on purpose: an answer must fit in memory, and in a frame. It has only the output,
//! so the client never learns whether the command succeeded. A command that does not
//! end holds up every client, and continues when the server is killed.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;

use crate::accept::client_is_gone;
use crate::frame::{MAX_FRAME_LEN, read_frame, write_frame};
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
/// Runs one command after another, until the client has left.
fn handle_connection(mut stream: TcpStream, peer_addr: SocketAddr) -> io::Result<()> {
    while let Some(command_line) = read_frame(&mut stream)? {
        let command_line = str::from_utf8(&command_line)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?; // not UTF-8
        writeln!(io::stdout(), "{peer_addr} runs {command_line:?}")?;
        write_frame(&mut stream, &answer(command_line))?;
    }
    Ok(())
}
// ANCHOR_END: handle-connection

// ANCHOR: answer
/// Runs a command, waits for it, and returns what it wrote, or why that cannot be sent.
fn answer(command_line: &str) -> Vec<u8> {
    let problem = match run_command(command_line) {
        Ok(output) if output.len() <= MAX_FRAME_LEN as usize => return output,
        Ok(_) => {
            let max_mib = MAX_FRAME_LEN / (1024 * 1024);
            format!("the answer is longer than {max_mib} MiB, the limit of a frame\n")
        }
        Err(error) => format!("the command cannot be run: {}\n", explain(&error)),
    };
    problem.into_bytes()
}
// ANCHOR_END: answer

// ANCHOR: run-command
/// Runs a command line in the system's shell.
///
/// Returns what it wrote to stdout, and then what it wrote to stderr, but not much more than fits into
/// a frame; an error if there is no shell.
fn run_command(command_line: &str) -> io::Result<Vec<u8>> {
    let mut command = shell(command_line);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    // In a thread: a command that has filled one pipe waits until it is read.
    let stderr = thread::Builder::new().spawn(|| read_limited(stderr.expect("it is piped")))?;
    let mut output = read_limited(stdout.expect("it is piped"))?;
    output.extend(stderr.join().expect("the thread does not panic")?);
    child.wait()?;
    Ok(output)
}

/// Reads at most one byte more than an answer may have, and closes the pipe. The command's next write
/// then fails, and on Unix a signal ends the command.
fn read_limited(pipe: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    pipe.take(u64::from(MAX_FRAME_LEN) + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
// ANCHOR_END: run-command
