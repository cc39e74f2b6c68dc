//! The client: sends each line of its input as a request, and prints or saves the answer.
//!
//! New in this step: `get FILE` is a download, anything else a command. The output of a command is shown
//! as it arrives, followed by how the command ended.
//!
//! Still wrong, on purpose: while a long answer arrives, nothing else can be asked for.

use std::io::{self, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

use crate::body::{is_timeout, read_body};
use crate::download::Downloads;
use crate::frame::MAX_FRAME_LEN;
use crate::header::{one_line, read_header, write_header};
use crate::input::read_line;
use crate::message::{Answer, Request};

// ANCHOR: run
/// Talks to the server until the input ends. Returns the exit code of a failure if a download failed.
///
/// A server that closes the connection early is an error (`UnexpectedEof`), and so is one that breaks
/// the protocol (`InvalidData`), or from which nothing arrives for `idle_timeout`.
pub fn run(
    stream: TcpStream,
    downloads: &Downloads,
    idle_timeout: Duration,
) -> io::Result<ExitCode> {
    // This limits each `read`: a server that sends a little at a time is slow, but not idle.
    stream.set_read_timeout(Some(idle_timeout))?;
    converse(stream, downloads).map_err(|error| {
        if !is_timeout(&error) {
            return error;
        }
        io::Error::other(format!("no answer within {} seconds", idle_timeout.as_secs_f64()))
    })
}

fn converse(mut stream: TcpStream, downloads: &Downloads) -> io::Result<ExitCode> {
    let mut exit_code = ExitCode::SUCCESS;
    while let Some(line) = read_line()? {
        match request(line) {
            Ok(Request::Get { filename }) => match downloads.get(&mut stream, &filename)? {
                Ok(text) => writeln!(io::stdout(), "{text}")?,
                Err(problem) => {
                    writeln!(io::stderr(), "error: {problem}")?;
                    exit_code = ExitCode::FAILURE;
                }
            },
            Ok(command) => run_command(&mut stream, &command)?,
            Err(problem) => writeln!(io::stderr(), "error: {problem}")?,
        }
    }
    Ok(exit_code)
}
// ANCHOR_END: run

// ANCHOR: request
/// Turns a line into a request, or returns why it cannot be sent.
fn request(line: Vec<u8>) -> Result<Request, String> {
    let line =
        String::from_utf8(line).map_err(|_| "a request must be UTF-8; this one was not sent")?;
    let request = match line.strip_prefix("get") {
        Some(rest) if rest.trim_start_matches(' ').is_empty() => {
            return Err("get needs a file name: get FILE".to_owned());
        }
        Some(rest) if rest.starts_with(' ') => {
            Request::Get { filename: rest.trim_start_matches(' ').to_owned() }
        }
        _ => Request::Run { command: line },
    };
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
    let mut stdout = io::stdout().lock();
    read_body(stream, answer.size, |chunk| stdout.write_all(chunk))?;
    stdout.flush()?;
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
