//! Headers: JSON in a frame, which says what a message is about and how long its body is.
//!
//! ```text
//!     frame             body
//! | length | header | size bytes |
//! ```
//!
//! A request has no body. An answer has one of `size` bytes, which may be none:
//!
//! ```text
//! {"request":"get","filename":"poem.txt"}
//! {"filename":"poem.txt","hash":"6b2f…","size":151,"status":null,"error":null}
//! ```
//!
//! Each side ignores fields that it does not know, so either can learn new ones first.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::frame::{read_frame, write_frame};

/// How many characters of a text from the other side are repeated.
const MAX_TOLD_CHARS: usize = 300;

// ANCHOR: request
/// What a client can ask for.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "lowercase")]
pub enum Request {
    /// Run a command line in the system's shell.
    Run {
        /// The command line.
        command: String,
    },
    /// Send a file.
    Get {
        /// Its path below the server's root, with `/` between the parts.
        filename: String,
    },
}
// ANCHOR_END: request

// ANCHOR: answer
/// What the server says before the body.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The file's own name, without folders.
    pub filename: Option<String>,
    /// The SHA-256 of the body, in 64 lower-case hex digits. The output of a command has none.
    pub hash: Option<String>,
    /// The bytes of the body.
    pub size: u64,
    /// The exit status of the command.
    pub status: Option<i32>,
    /// What could not be done, in one line.
    pub error: Option<String>,
}
// ANCHOR_END: answer

// ANCHOR: write-header
/// Writes a header in a frame. It is an error (`InvalidInput`) if it is too long for one.
pub fn write_header(writer: &mut impl Write, header: &impl Serialize) -> io::Result<()> {
    write_frame(writer, &serde_json::to_vec(header)?)
}
// ANCHOR_END: write-header

// ANCHOR: read-header
/// Reads a header, or `None` if the stream ends before it begins.
///
/// Whoever wants to go on after a header that is not understood calls `read_frame` and
/// `parse_header` one after the other: an error of the first ends the connection, an error of the
/// second does not.
pub fn read_header<T: DeserializeOwned>(reader: &mut impl Read) -> io::Result<Option<T>> {
    let frame = read_frame(reader)?;
    frame.map(|bytes| parse_header(&bytes)).transpose()
}

/// Understands a header.
///
/// It is an error (`InvalidData`) if it is not UTF-8, not JSON, nested too deeply, or lacks a field.
pub fn parse_header<T: DeserializeOwned>(bytes: &[u8]) -> io::Result<T> {
    let parsed = match str::from_utf8(bytes) {
        Ok(text) => serde_json::from_str(text).map_err(|error| error.to_string()),
        Err(error) => Err(error.to_string()),
    };
    parsed.map_err(|problem| {
        let message = format!("the header is not understood: {problem}");
        io::Error::new(io::ErrorKind::InvalidData, one_line(&message))
    })
}
// ANCHOR_END: read-header

// ANCHOR: one-line
/// A text from the other side as it can be repeated: in one line, not for ever, and without the
/// control characters that move a terminal's cursor or change its title.
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

    fn request(text: &str) -> Result<Request, String> {
        parse_header(text.as_bytes()).map_err(|error| {
            let text = error.to_string();
            text.strip_prefix("the header is not understood: ").unwrap().to_owned()
        })
    }

    #[test]
    fn requests_travel_as_the_book_shows_them() {
        let run = Request::Run { command: "echo hi".to_owned() };
        let get = Request::Get { filename: "a/ü".to_owned() };
        for (header, text) in [
            (run, r#"{"request":"run","command":"echo hi"}"#),
            (get, r#"{"request":"get","filename":"a/ü"}"#),
        ] {
            let mut bytes = Vec::new();
            write_header(&mut bytes, &header).unwrap();
            assert_eq!(bytes[..4], u32::try_from(text.len()).unwrap().to_be_bytes());
            assert_eq!(bytes[4..], *text.as_bytes());
            assert_eq!(read_header(&mut &bytes[..]).unwrap(), Some(header));
        }
    }

    #[test]
    fn an_answer_has_always_all_its_fields() {
        let text = serde_json::to_string(&Answer::default()).unwrap();
        assert_eq!(text, r#"{"filename":null,"hash":null,"size":0,"status":null,"error":null}"#);
    }

    #[test]
    fn of_an_answer_only_the_size_is_needed_and_a_size_needs_64_bits() {
        let answer: Answer = parse_header(br#"{"size":18446744073709551615}"#).unwrap();
        assert_eq!(answer, Answer { size: u64::MAX, ..Answer::default() });
        let error = parse_header::<Answer>(b"{}").unwrap_err().to_string();
        assert!(error.contains("missing field `size`"), "{error}");
        for size in ["-1", "1.5", "18446744073709551616", "\"7\"", "null"] {
            let text = format!("{{\"size\":{size}}}");
            parse_header::<Answer>(text.as_bytes()).expect_err(size);
        }
    }

    #[test]
    fn unknown_fields_are_ignored_and_missing_ones_are_named() {
        let known = request(r#"{"since":[1,{"x":2}],"command":"ls","request":"run"}"#);
        assert_eq!(known, Ok(Request::Run { command: "ls".to_owned() }));
        for (text, missing) in [
            (r#"{"request":"run"}"#, "missing field `command`"),
            (r#"{"request":"get","command":"ls"}"#, "missing field `filename`"),
            (r#"{"command":"ls"}"#, "missing field `request`"),
        ] {
            let error = request(text).unwrap_err();
            assert!(error.starts_with(missing), "{text}: {error}");
        }
    }

    #[test]
    fn an_unknown_request_is_told_which_ones_there_are() {
        let error = request(r#"{"request":"dance"}"#).unwrap_err();
        assert!(error.starts_with("unknown variant `dance`, expected `run` or `get`"), "{error}");
    }

    #[test]
    fn what_is_no_json_says_where() {
        for (text, problem) in [
            ("", "EOF while parsing a value"),
            ("hello", "expected value at line 1 column 1"),
            (r#"{"request":"run""#, "EOF while parsing an object"),
            (r#"{"request":"run","command":"ls"} x"#, "trailing characters"),
            (&"[".repeat(60_000), "invalid type: sequence"),
            (&format!(r#"{{"x":{}"#, "[".repeat(60_000)), "recursion limit exceeded"),
        ] {
            let error = request(text).unwrap_err();
            assert!(error.starts_with(problem), "{problem}: {error}");
        }
        let error = parse_header::<Request>(b"{\"request\":\"\xff\"}").unwrap_err().to_string();
        assert!(error.contains("invalid utf-8 sequence of 1 bytes from index 12"), "{error}");
    }

    #[test]
    fn text_from_the_other_side_stays_one_short_line() {
        assert_eq!(one_line("it's \"ü\" \\ ok"), "it's \"ü\" \\ ok");
        assert_eq!(one_line("\x1b[2J\r\n\0\u{202e}"), r"\u{1b}[2J\r\n\0\u{202e}");
        assert_eq!(one_line(&"x".repeat(300)), "x".repeat(300));
        assert_eq!(one_line(&"x".repeat(301)), format!("{}…", "x".repeat(300)));
        let error = request(&format!(r#"{{"request":"{}\n"}}"#, "x".repeat(60_000))).unwrap_err();
        assert!(error.chars().count() <= 300 && error.ends_with('…'), "{error}");
    }
}
