//! Messages: what a client can ask for, and what a server answers.
//!
//! ```text
//! {"request":"get","filename":"poem.txt"}
//! {"filename":"poem.txt","hash":"6b2f…","size":148,"status":null,"error":null}
//! ```

use serde::{Deserialize, Serialize};

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
/// What the server sends before the body.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// The name of the file, without folders.
    pub filename: Option<String>,
    /// The SHA-256 of the body, in 64 lower-case hex digits. The output of a command has none.
    pub hash: Option<String>,
    /// The length of the body, in bytes.
    pub size: u64,
    /// The exit status of the command.
    pub status: Option<i32>,
    /// Why the request failed, in one line.
    pub error: Option<String>,
}
// ANCHOR_END: answer

#[cfg(test)]
mod tests {
    use super::*;
    use crate::header::{parse_header, read_header, write_header};

    fn request(text: &str) -> Result<Request, String> {
        parse_header(text.as_bytes()).map_err(|error| {
            let text = error.to_string();
            text.strip_prefix("invalid header: ").unwrap().to_owned()
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
}
