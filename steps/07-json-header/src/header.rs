//! Headers: JSON in a frame, which states what a message is about and how long its body is.
//!
//! ```text
//!     frame             body
//! | length | header | size bytes |
//! ```
//!
//! A request has no body. An answer has one of `size` bytes, which may be none.
//!
//! Each side ignores fields that it does not know, so either can learn new ones first.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::frame::{read_frame, write_frame};

/// How many characters of a text from the other side are shown.
const MAX_TOLD_CHARS: usize = 300;

// ANCHOR: write-header
/// Writes a header in a frame. A header that is too long for one is an error (`InvalidInput`).
pub fn write_header(writer: &mut impl Write, header: &impl Serialize) -> io::Result<()> {
    write_frame(writer, &serde_json::to_vec(header)?)
}
// ANCHOR_END: write-header

// ANCHOR: read-header
/// Reads a header, or `None` if the stream ends before it begins.
///
/// To continue after a header that is not understood, call `read_frame` and `parse_header` one after the
/// other: an error of the first ends the connection, an error of the second does not.
pub fn read_header<T: DeserializeOwned>(reader: &mut impl Read) -> io::Result<Option<T>> {
    let frame = read_frame(reader)?;
    frame.map(|bytes| parse_header(&bytes)).transpose()
}

/// Turns the bytes of a header into a value.
///
/// A header that is not UTF-8, not JSON, nested too deeply, or lacks a field is an error
/// (`InvalidData`).
pub fn parse_header<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    let parsed = match str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    parsed.map_err(|problem| {
        let message = format!("invalid header: {problem}");
        io::Error::new(io::ErrorKind::InvalidData, one_line(&message))
    })
}
// ANCHOR_END: read-header

// ANCHOR: one-line
/// Makes a text from the other side safe to show: one line, of limited length, without the control
/// characters that move a terminal's cursor or change its title.
pub fn one_line(text: &str) -> String {
    let mut line = String::new();
    for (count, c) in text.chars().enumerate() {
        match c {
            _ if count == MAX_TOLD_CHARS => {
                line.push('…');
                break;
            }
            '"' | '\'' | '\\' => line.push(c), // harmless, but `escape_debug` changes them
            _ => line.extend(c.escape_debug()),
        }
    }
    line
}
// ANCHOR_END: one-line

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_the_other_side_stays_one_short_line() {
        assert_eq!(one_line("it's \"ü\" \\ ok"), "it's \"ü\" \\ ok");
        assert_eq!(one_line("\x1b[2J\r\n\0\u{202e}"), r"\u{1b}[2J\r\n\0\u{202e}");
        assert_eq!(one_line(&"x".repeat(300)), "x".repeat(300));
        assert_eq!(one_line(&"x".repeat(301)), format!("{}…", "x".repeat(300)));
        let long = format!(r#""{}\n""#, "x".repeat(60_000));
        let error = parse_header::<u64>(long.as_bytes()).unwrap_err().to_string();
        assert!(error.chars().count() <= 301 && error.ends_with('…'), "{error}");
    }
}
