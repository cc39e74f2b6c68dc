//! Lines: text messages, each with a newline behind it, for a stream of bytes.
//!
//! A read returns whatever has arrived: a piece of a line, or several lines and
//! a piece of the next. A `LineBuffer` is fed with what the reads return, and
//! gives the lines back:
//!
//! ```text
//!   what the reads return        the lines
//! | h i \n y |  | o u \n |       | hi |  | you |
//! ```
//!
//! There are no reads in this file. So it can be tested without a network, and
//! both sides use it.

use std::collections::VecDeque;
use std::fmt;

/// The most bytes that a line of the chat may have, without its ending.
pub const MAX_LINE_LEN: usize = 4096;

// ANCHOR: buffer
/// Puts lines together from the pieces in which a stream brings them.
pub struct LineBuffer {
    max_len: usize,
    /// Lines that are complete and were not yet given back.
    lines: VecDeque<Result<String, BadLine>>,
    /// The line whose end has not come yet. It is bytes, since a piece may end
    /// inside a character. It never has more than `max_len + 2` of them.
    partial: Vec<u8>,
}
// ANCHOR_END: buffer

// ANCHOR: bad-line
/// Why a line cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BadLine {
    /// It has more than `max_len` bytes, most of which were not kept.
    TooLong {
        /// How many it may have.
        max_len: usize,
    },
    /// Its bytes are not UTF-8.
    NotUtf8,
    /// It has a control character other than a tab. Here it is, for a reader
    /// that knows how to show it.
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
    /// An empty buffer for lines of at most `max_len` bytes, without their
    /// endings.
    pub fn new(max_len: usize) -> Self {
        Self { max_len, lines: VecDeque::new(), partial: Vec::new() }
    }

    // ANCHOR: push
    /// Takes in what a read has returned: any bytes, cut anywhere.
    pub fn push(&mut self, bytes: &[u8]) {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (piece, complete) = match piece.strip_suffix(b"\n") {
                Some(piece) => (piece, true),
                None => (piece, false),
            };
            // A line may never end. Two bytes above the limit are kept: a `\r`
            // that may belong to the ending, and one that shows that the line
            // is too long. What comes behind them is forgotten.
            let room = self.max_len + 2 - self.partial.len();
            self.partial.extend_from_slice(&piece[..piece.len().min(room)]);
            if complete {
                self.lines.push_back(check(&self.partial, self.max_len));
                self.partial.clear();
            }
        }
    }
    // ANCHOR_END: push

    /// The next line that is complete, without its ending; `None` if more has
    /// to come first.
    pub fn next_line(&mut self) -> Option<Result<String, BadLine>> {
        self.lines.pop_front()
    }
}

// ANCHOR: check
/// The text of a line, if everybody may see it.
fn check(line: &[u8], max_len: usize) -> Result<String, BadLine> {
    let line = line.strip_suffix(b"\r").unwrap_or(line); // telnet ends its lines with \r\n
    if line.len() > max_len {
        return Err(BadLine::TooLong { max_len });
    }
    let text = str::from_utf8(line).map_err(|_| BadLine::NotUtf8)?.to_owned();
    // Control characters do things to a terminal: ESC can clear the screen, or
    // have other text shown in place of what is there.
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(BadLine::ControlCharacter(text));
    }
    Ok(text)
}
// ANCHOR_END: check
