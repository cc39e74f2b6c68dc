//! A character that is cut: what comes out if each read is taken for text.
//!
//! ```text
//! writer                      reader
//!   | -- 400 characters ------> |   of 3 bytes each: 1,200 bytes
//!   |                           |   read with room for 1,024 = 341 × 3 + 1
//!   |                           |   read of the other 176
//! ```

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::ExitCode;

/// What is sent: "you", in Chinese.
const CHARACTER: &str = "你";

/// How many of them.
const CHARACTERS: usize = 400;

/// The most bytes that one read takes.
const MAX_READ_LEN: usize = 1024;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut writer = TcpStream::connect(listener.local_addr()?)?;
    let (mut reader, _) = listener.accept()?;

    let text = CHARACTER.repeat(CHARACTERS);
    writer.write_all(text.as_bytes())?;

    let mut all = Vec::new();
    while all.len() < text.len() {
        let mut piece = vec![0; MAX_READ_LEN.min(text.len() - all.len())];
        reader.read_exact(&mut piece)?; // a full buffer, so that each run shows the same
        report(&piece)?;
        all.extend(piece);
    }
    report(&all)
}

// ANCHOR: report
/// Takes bytes for text, and prints what they are.
fn report(bytes: &[u8]) -> io::Result<()> {
    match std::str::from_utf8(bytes) {
        Ok(text) => {
            writeln!(io::stdout(), "{} bytes: {} characters", bytes.len(), text.chars().count())
        }
        Err(error) => writeln!(io::stdout(), "{} bytes: {error}", bytes.len()),
    }
}
// ANCHOR_END: report
