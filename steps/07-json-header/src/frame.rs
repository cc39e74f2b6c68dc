//! Frames: messages with a length prefix, for a byte stream.
//!
//! A frame is a header, which is the length of the payload, and then the
//! payload. The message `hi` makes this frame:
//!
//! ```text
//!       header           payload
//! | 00  00  00  02 |  'h'   'i'  |
//! ```
//!
//! The length is a `u32` in network byte order: the most significant byte
//! comes first. The payload may be any bytes, or none.

use std::io::{self, Read, Write};

/// The most bytes that a payload may have: 64 KiB, which is plenty for a header.
///
/// The length is the first thing that an unknown peer sends. Without a limit of
/// our own, four bytes could announce almost 4 GiB.
pub const MAX_FRAME_LEN: u32 = 64 * 1024;

/// The bytes of a header.
const HEADER_LEN: usize = size_of::<u32>();

// ANCHOR: write-frame
/// Writes one frame.
///
/// A payload of more than `MAX_FRAME_LEN` bytes is an error (`InvalidInput`),
/// and nothing is written.
pub fn write_frame(writer: &mut impl Write, payload: &[u8]) -> io::Result<()> {
    let len = match u32::try_from(payload.len()) {
        Ok(len) if len <= MAX_FRAME_LEN => len,
        _ => {
            let message =
                format!("a frame has at most {MAX_FRAME_LEN} bytes, not {}", payload.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
    };
    // One write. After two, Nagle's algorithm could hold the payload back until
    // the header is acknowledged. Copying the payload costs far less than that.
    let frame = [&len.to_be_bytes(), payload].concat();
    writer.write_all(&frame)
}
// ANCHOR_END: write-frame

// ANCHOR: read-frame
/// Reads one frame and returns its payload, or `None` if the stream ends before
/// the frame begins.
///
/// A stream that ends inside the frame is an error (`UnexpectedEof`), and so is
/// a length above `MAX_FRAME_LEN` (`InvalidData`). After an error it is not
/// known where the next frame begins, so the connection can no longer be used.
pub fn read_frame(reader: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    // ANCHOR: header
    let mut header = [0; HEADER_LEN];
    match fill(reader, &mut header)? {
        0 => return Ok(None), // between two frames: a clean close
        HEADER_LEN => {}
        came => return Err(cut_off("header", came, HEADER_LEN)),
    }
    // ANCHOR_END: header

    // ANCHOR: check
    let len = u32::from_be_bytes(header);
    if len > MAX_FRAME_LEN {
        let message = format!("frame too long: {len} bytes (limit {MAX_FRAME_LEN})");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    // ANCHOR_END: check

    // ANCHOR: payload
    // The buffer grows with what arrives. A header that announces more costs its
    // sender four bytes; it must not cost us 64 KiB.
    let mut payload = Vec::new();
    let came = reader.take(len.into()).read_to_end(&mut payload)?;
    if came < len as usize {
        return Err(cut_off("payload", came, len as usize));
    }
    Ok(Some(payload))
    // ANCHOR_END: payload
}
// ANCHOR_END: read-frame

// ANCHOR: fill
/// Fills the buffer, in as many reads as it takes, and returns how many bytes
/// arrived: fewer than the buffer holds only if the stream has ended.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut came = 0;
    while came < buffer.len() {
        match reader.read(&mut buffer[came..]) {
            Ok(0) => break, // end of file
            Ok(len) => came += len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {} // read again
            Err(error) => return Err(error),
        }
    }
    Ok(came)
}
// ANCHOR_END: fill

/// Returns the error for a stream that ends inside a frame.
fn cut_off(part: &str, came: usize, len: usize) -> io::Error {
    let message =
        format!("the stream ended inside a frame: {came} of {len} bytes of its {part} arrived");
    io::Error::new(io::ErrorKind::UnexpectedEof, message)
}
