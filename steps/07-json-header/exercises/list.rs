//! A solution: a server for the request `list`, and for no other.
//!
//! ```text
//! client                                                       server
//!   | -- 00 00 00 12  {"request":"list"} -------------------------> |     a frame: the header
//!   | <- 00 00 00 36  {"filename":null,"size":35,"status":null,… - |     a frame: the header
//!   | <- {"filename":"poem.txt","size":148} \n -------------------- |     the body: lines of JSON
//! ```

use std::fs;
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use clap::Parser;
use serde::{Deserialize, Serialize};

use crate::frame::read_frame;
use crate::header::{one_line, parse_header, write_header};
use crate::message::Answer;

// These are whole files of the step; only a part of each is needed here.
#[allow(dead_code)]
#[path = "../src/frame.rs"]
mod frame;
#[allow(dead_code)]
#[path = "../src/header.rs"]
mod header;
#[allow(dead_code)]
#[path = "../examples/files/message.rs"]
mod message;

/// Serve a list of the files in a folder
#[derive(Parser)]
struct Cli {
    /// Address to listen on
    #[arg(default_value = "127.0.0.1:9007")]
    addr: String,
    /// Folder whose files are listed
    #[arg(long, value_name = "DIR", default_value = ".")]
    root: PathBuf,
}

/// What a client can ask for. In the step, this is one more variant beside `Run` and `Get`.
#[derive(Deserialize)]
#[serde(tag = "request", rename_all = "lowercase")]
enum Request {
    List,
}

/// A line of the list.
#[derive(Serialize)]
struct Entry {
    filename: String,
    /// In bytes.
    size: u64,
}

fn main() -> io::Result<()> {
    let cli = Cli::parse();
    let listener = TcpListener::bind(cli.addr)?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;

    loop {
        let (stream, peer_addr) = listener.accept()?; // waits for a client
        if let Err(error) = handle_connection(stream, &cli.root) {
            writeln!(io::stdout(), "{peer_addr} lost: {error}")?;
        }
    }
}

/// Answers one request after another, until the client has left.
fn handle_connection(mut stream: TcpStream, root: &Path) -> io::Result<()> {
    stream.set_nodelay(true)?; // a header and its body are two writes
    while let Some(frame) = read_frame(&mut stream)? {
        let body = parse_header(&frame).and_then(|Request::List| list(root));
        let error = body.as_ref().err().map(|error| one_line(&error.to_string()));
        let body = body.unwrap_or_default();
        let answer = Answer { size: body.len() as u64, error, ..Answer::default() };
        write_header(&mut stream, &answer)?;
        stream.write_all(&body)?;
    }
    Ok(())
}

/// Returns a line of JSON for each file in the folder; folders, links and devices are left out.
///
/// There may be a million files, so the list is a body: a header has at most 64 KiB.
fn list(root: &Path) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    for file in fs::read_dir(root)? {
        let file = file?;
        if file.file_type()?.is_file() {
            let filename = file.file_name().to_string_lossy().into_owned();
            let entry = Entry { filename, size: file.metadata()?.len() };
            serde_json::to_writer(&mut body, &entry)?;
            body.push(b'\n');
        }
    }
    Ok(body)
}
