//! A solution: frames whose header has one byte if that is enough. The rest of step 06 is left
//! out: the only command is `echo`, and no shell runs it, so it does not matter who connects.
//!
//! ```text
//! | 07 |  e c h o   h i |                     up to 254 bytes: the length
//! | ff  00 00 01 00 |  256 bytes … |          from 255 bytes on: ff, and a frame of step 06
//! ```

use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};

use crate::frame::{read_frame, write_frame};

#[path = "../src/frame.rs"]
mod frame;

/// The line ending that the system's shell would use.
const NEWLINE: &[u8] = if cfg!(windows) { b"\r\n" } else { b"\n" };

/// The first byte of a header of five bytes. No length of one byte has this value.
const LONG: u8 = 255;

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9006".to_owned());
    let listener = TcpListener::bind(addr)?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;

    loop {
        let (stream, peer_addr) = listener.accept()?; // waits for a client
        match handle_connection(stream) {
            Ok(()) => writeln!(io::stdout(), "{peer_addr} disconnected")?,
            Err(error) => writeln!(io::stdout(), "{peer_addr} lost: {error}")?,
        }
    }
}

/// Answers one frame after another, until the client has left.
fn handle_connection(mut stream: TcpStream) -> io::Result<()> {
    while let Some(command_line) = read_short_frame(&mut stream)? {
        let text = command_line.strip_prefix(b"echo ").unwrap_or(b"only echo is known");
        write_short_frame(&mut stream, &[text, NEWLINE].concat())?;
    }
    Ok(())
}

/// Writes one frame, with the shortest possible header.
fn write_short_frame(writer: &mut impl Write, payload: &[u8]) -> io::Result<()> {
    let mut frame = Vec::new(); // in one piece, as in step 06
    match u8::try_from(payload.len()) {
        Ok(len) if len < LONG => frame.extend([&[len], payload].concat()),
        _ => {
            frame.push(LONG);
            write_frame(&mut frame, payload)?;
        }
    }
    writer.write_all(&frame)
}

/// Reads one frame and returns its payload, or `None` if the stream ends before the frame begins.
fn read_short_frame(reader: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut header = [0];
    match reader.read_exact(&mut header) {
        Ok(()) => {}
        // A single byte cannot be cut off, so this is a clean close.
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let [len] = header;
    if len < LONG {
        let mut payload = vec![0; len.into()]; // at most 254 bytes, so they can be reserved before they arrive
        reader.read_exact(&mut payload)?;
        return Ok(Some(payload));
    }
    let payload = read_frame(reader)?.ok_or(ErrorKind::UnexpectedEof)?;
    if payload.len() < LONG.into() {
        let message = format!("{} bytes need no long header", payload.len());
        return Err(io::Error::new(ErrorKind::InvalidData, message));
    }
    Ok(Some(payload))
}
