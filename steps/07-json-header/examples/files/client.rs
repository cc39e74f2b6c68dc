//! The client: sends each line of its input as a request, and prints the answer.
//!
//! New in this part: `get FILE` is a download, anything else a command. The output of a command is shown
//! as it arrives.
//!
//! Still wrong, on purpose: a download that breaks off leaves a file that looks whole. And the server
//! chooses where it is saved.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::TcpStream;
use std::path::Path;

use crate::body::read_body;
use crate::frame::MAX_FRAME_LEN;
use crate::header::{one_line, read_header, write_header};
use crate::input::read_line;
use crate::message::{Answer, Request};

// ANCHOR: run
/// Talks to the server until the input ends. Downloads go to `folder`.
///
/// A server that closes the connection early is an error (`UnexpectedEof`), and so is one that breaks
/// the protocol (`InvalidData`).
pub fn run(mut stream: TcpStream, folder: &Path) -> io::Result<()> {
    while let Some(line) = read_line()? {
        match request(line) {
            Ok(file @ Request::Get { .. }) => download(&mut stream, &file, folder)?,
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

// ANCHOR: download
/// Downloads a file, straight to the name that the server sends.
fn download(stream: &mut TcpStream, request: &Request, folder: &Path) -> io::Result<()> {
    write_header(stream, request)?;
    let Some(answer) = read_header::<Answer>(stream)? else {
        let message = "the server closed the connection";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
    };
    let Some(filename) = answer.filename else {
        let error = answer.error.unwrap_or("the server sent no file name".to_owned());
        return writeln!(io::stderr(), "error: {}", one_line(&error));
    };
    fs::create_dir_all(folder)?;
    let mut file = File::create(folder.join(&filename))?;
    read_body(stream, answer.size, |chunk| file.write_all(chunk))?;
    writeln!(io::stdout(), "saved {}: {} bytes", one_line(&filename), answer.size)
}
// ANCHOR_END: download
