//! Bodies: as many bytes as the header states, all of them held in memory.

use std::io::{self, Read};

/// The most bytes that a body may have: 16 MiB.
pub const MAX_BODY_LEN: usize = 16 * 1024 * 1024;

// ANCHOR: read-body
/// Reads a body of `size` bytes.
///
/// A size above `MAX_BODY_LEN` is an error (`InvalidData`), and so is a stream that ends too early
/// (`UnexpectedEof`).
pub fn read_body(reader: &mut impl Read, size: u64) -> io::Result<Vec<u8>> {
    if size > MAX_BODY_LEN as u64 {
        let message = format!("body too long: {size} bytes (limit {MAX_BODY_LEN})");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let mut body = Vec::new();
    let came = reader.take(size).read_to_end(&mut body)?;
    if (came as u64) < size {
        let message = format!("the connection ended after {came} of {size} bytes");
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
    }
    Ok(body)
}
// ANCHOR_END: read-body
