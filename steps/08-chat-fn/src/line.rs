//! Lines: text messages, each followed by a newline, on a byte stream.
//!
//! A read returns whatever has arrived: a piece of a line, or several lines and
//! a piece of the next. A `LineBuffer` takes what the reads return, and returns
//! the lines:
//!
//! ```text
//!   what the reads return        the lines
//! | h i \n y |  | o u \n |       | hi |  | you |
//! ```
//!
//! This file does not read from a socket. So it can be tested without a network,
//! and both sides use it.

use std::fmt;

/// The most bytes that a line of the chat may have, without its ending.
pub const MAX_LINE_LEN: usize = 4096;

// ANCHOR: buffer
/// Assembles lines from the pieces in which they arrive.
pub struct LineBuffer {
    max_len: usize,
    /// What has arrived. It is bytes, since a piece may end inside a character.
    bytes: Vec<u8>,
    /// Where in `bytes` the next line begins. The bytes before that have been
    /// returned.
    start: usize,
    /// Up to where `bytes` has been searched for a newline, so that no byte is
    /// searched twice.
    searched: usize,
}
// ANCHOR_END: buffer

// ANCHOR: bad-line
/// Why a line is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadLine {
    /// It has more than `max_len` bytes, most of which were not kept.
    TooLong {
        /// The limit, in bytes.
        max_len: usize,
    },
    /// Its bytes are not UTF-8.
    NotUtf8,
    /// It has a character that `is_control`. The line is included, for a caller
    /// that can show it safely.
    ControlCharacter(String),
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { max_len } => write!(f, "a line has at most {max_len} bytes"),
            Self::NotUtf8 => write!(f, "a line must be UTF-8"),
            Self::ControlCharacter(_) => write!(f, "a line must not have control characters"),
        }
    }
}
// ANCHOR_END: bad-line

impl LineBuffer {
    /// Returns an empty buffer for lines of at most `max_len` bytes, without
    /// their endings.
    pub fn new(max_len: usize) -> Self {
        Self { max_len, bytes: Vec::new(), start: 0, searched: 0 }
    }

    // ANCHOR: lines
    /// Adds what a read has returned: any bytes, which may end anywhere.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Returns the next complete line without its ending, or `None` if more bytes
    /// must arrive first.
    pub fn next_line(&mut self) -> Option<Result<&str, BadLine>> {
        let new = &self.bytes[self.searched..];
        let Some(len) = new.iter().position(|byte| *byte == b'\n') else {
            // What is left is the beginning of a line, and that line may never
            // end. Two bytes above the limit are kept: a `\r` that may belong to
            // the ending, and one that shows that the line is too long. What
            // follows them is discarded.
            self.bytes.drain(..self.start);
            self.bytes.truncate(self.max_len + 2);
            (self.start, self.searched) = (0, self.bytes.len());
            return None;
        };
        let end = self.searched + len;
        let line = &self.bytes[self.start..end];
        (self.start, self.searched) = (end + 1, end + 1); // after the newline
        Some(check(line, self.max_len))
    }
    // ANCHOR_END: lines
}

// ANCHOR: check
/// Returns the text of a line, or why it is not fit to be shown.
fn check(line: &[u8], max_len: usize) -> Result<&str, BadLine> {
    let line = line.strip_suffix(b"\r").unwrap_or(line); // telnet ends its lines with \r\n
    if line.len() > max_len {
        return Err(BadLine::TooLong { max_len });
    }
    let text = str::from_utf8(line).map_err(|_| BadLine::NotUtf8)?;
    if may_have_control(line) && text.chars().any(is_control) {
        return Err(BadLine::ControlCharacter(text.to_owned()));
    }
    Ok(text)
}

/// Returns whether a character acts on the text around it, instead of being
/// shown: ESC can clear the screen, or overwrite it. A tab is allowed.
pub fn is_control(c: char) -> bool {
    match c {
        '\t' => false,
        // U+2028 and U+2029 end a line, as a newline does. The others change the
        // order in which the characters around them are shown.
        '\u{61C}' | '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => {
            true
        }
        c => c.is_control(),
    }
}

/// Returns whether a line may have a control character. Most lines have none,
/// and need not be decoded into characters.
fn may_have_control(line: &[u8]) -> bool {
    // Those of ASCII, and the bytes with which the others begin in UTF-8.
    let counts =
        |byte: u8| (byte.is_ascii_control() && byte != b'\t') || matches!(byte, 0xC2 | 0xD8 | 0xE2);
    // It does not stop at the first, so the processor can test many bytes at once.
    line.iter().fold(false, |found, byte| found | counts(*byte))
}
// ANCHOR_END: check
