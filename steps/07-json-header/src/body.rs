//! Bodies: as many bytes as the header has said, of any number, never held whole.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufReader, Read, Take, Write};

use sha2::{Digest, Sha256};

/// How many bytes of a body are in memory at a time: 64 KiB.
pub const CHUNK_LEN: usize = 64 * 1024;

// ANCHOR: read-body
/// Reads a body of `size` bytes, and hands on each chunk as it comes.
///
/// A stream that ends before that is an error (`UnexpectedEof`).
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
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {} // once more
            Err(error) => return Err(cut_off(came, size, Some(&error))),
        }
    }
    Ok(())
}
// ANCHOR_END: read-body

// ANCHOR: write-body
/// Writes a body whose parts stand in files, each up to its limit.
///
/// `io::copy` is the loop that reads and writes. It takes over the buffer of a `BufReader`; its own
/// is a small one (8 KiB), which would mean eight times as many calls of the system.
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

// ANCHOR: hash
/// How many bytes there are to the end, and their SHA-256.
pub fn size_and_hash(reader: &mut impl Read) -> io::Result<(u64, String)> {
    let (mut size, mut hasher) = (0, Sha256::new());
    let mut chunk = vec![0; CHUNK_LEN];
    loop {
        match reader.read(&mut chunk) {
            Ok(0) => return Ok((size, hex(hasher))),
            Ok(len) => {
                size += len as u64;
                hasher.update(&chunk[..len]);
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {} // once more
            Err(error) => return Err(error),
        }
    }
}

/// The hash of all that the hasher has seen, in lower-case hex digits.
pub fn hex(hasher: Sha256) -> String {
    let mut digits = String::new();
    for byte in hasher.finalize() {
        let _ = write!(digits, "{byte:02x}"); // writing to a String cannot fail
    }
    digits
}
// ANCHOR_END: hash

/// The error for a stream that ends inside a body.
fn cut_off(came: u64, size: u64, why: Option<&io::Error>) -> io::Error {
    let why = why.map_or(String::new(), |error| format!(": {}", error.kind()));
    let message = format!("the connection ended after {came} of {size} bytes{why}");
    io::Error::new(io::ErrorKind::UnexpectedEof, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_standard() {
        // The examples of NIST for SHA-256: one block, and a million times the letter a.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(size_and_hash(&mut &b"abc"[..]).unwrap(), (3, abc.to_owned()));
        let million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
        let came = size_and_hash(&mut io::repeat(b'a').take(1_000_000)).unwrap();
        assert_eq!(came, (1_000_000, million.to_owned()));
    }

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
