//! Bodies: as many bytes as the header states, never held in memory as a whole.

use std::fs::File;
use std::io::{self, BufReader, Read, Take, Write};

use crate::problem::explain;

/// How many bytes of a body are in memory at a time: 64 KiB.
pub const CHUNK_LEN: usize = 64 * 1024;

// ANCHOR: read-body
/// Reads a body of `size` bytes, and passes on each chunk as it arrives.
///
/// A stream that ends before that is an error (`UnexpectedEof`), and so is one on which nothing
/// arrives for as long as its read timeout, if it has one.
pub fn read_body(
    reader: &mut impl Read,
    size: u64,
    mut hand_on: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<()> {
    let mut body = reader.take(size); // not a byte more: what follows is the next header
    let mut chunk = vec![0; CHUNK_LEN];
    while body.limit() > 0 {
        let came = size - body.limit();
        match body.read(&mut chunk) {
            Ok(0) => return Err(cut_off(came, size, None)),
            Ok(len) => hand_on(&chunk[..len])?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {} // read again
            Err(error) => return Err(cut_off(came, size, Some(&error))),
        }
    }
    Ok(())
}
// ANCHOR_END: read-body

// ANCHOR: write-body
/// Writes a body whose parts are in files, each up to its limit.
///
/// `io::copy` is the loop that reads and writes. It uses the buffer of a `BufReader`; its own has
/// 8 KiB, which would mean eight times as many system calls.
pub fn write_body(writer: &mut impl Write, parts: Vec<Take<File>>) -> io::Result<()> {
    for part in parts {
        let promised = part.limit();
        let sent = io::copy(&mut BufReader::with_capacity(CHUNK_LEN, part), writer)?;
        if sent < promised {
            let message =
                format!("the file became shorter: {sent} of {promised} bytes were still there");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        }
    }
    Ok(())
}
// ANCHOR_END: write-body

/// Returns whether this is the error of a read timeout. Unix and Windows have different ones.
pub fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// Returns the error for a stream that ends inside a body, or on which nothing arrives any more.
fn cut_off(came: u64, size: u64, why: Option<&io::Error>) -> io::Error {
    if why.is_some_and(is_timeout) {
        return io::Error::other(format!(
            "the server stopped sending after {came} of {size} bytes"
        ));
    }
    let why = why.map_or(String::new(), |error| format!(": {}", explain(error)));
    let message = format!("the connection ended after {came} of {size} bytes{why}");
    io::Error::new(io::ErrorKind::UnexpectedEof, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_read_to_its_last_byte_and_no_further() {
        let mut stream = &b"bodynext"[..];
        let mut came = Vec::new();
        read_body(&mut stream, 4, |chunk| came.write_all(chunk)).unwrap();
        assert_eq!((&came[..], stream), (&b"body"[..], &b"next"[..]));
        read_body(&mut stream, 0, |_| panic!("an empty body has no chunk")).unwrap();
        let error = read_body(&mut stream, 5, |_| Ok(())).unwrap_err().to_string();
        assert_eq!(error, "the connection ended after 4 of 5 bytes");
    }
}
