//! Lines of a chat room, received and read.
//!
//! `ADDR text` is a line of the chat, with or without a date and a time before it. Every other line is
//! one of the server's announcements, or an error about a bad line.

use std::net::SocketAddr;
use std::time::Instant;

use crate::show::show_line;
use crate::{Failure, Peer};

/// A line of the chat.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Said {
    pub(super) addr: SocketAddr,
    pub(super) text: String,
}

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.addr, shortened(&self.text))
    }
}

/// A line in readable form, cut if it is long.
pub(super) fn shortened(line: &str) -> String {
    const SHOWN_CHARS: usize = 80;
    show_line(line, SHOWN_CHARS)
}

/// Whether this line reports a bad line.
pub(super) fn is_error(line: &str) -> bool {
    line.to_ascii_lowercase().starts_with("error")
}

/// The sender and the text: `ADDR text`, or `date time ADDR text`; `None` if this is no line of the chat.
pub(super) fn said(line: &str) -> Option<Said> {
    let mut rest = line;
    for _ in 0..3 {
        let (word, text) = rest.split_once(' ')?;
        if let Ok(addr) = word.parse() {
            return Some(Said { addr, text: text.to_owned() });
        }
        if word == "***" {
            return None; // an announcement, with or without a time before it
        }
        rest = text;
    }
    None
}

/// Whether this line of the chat has this text, from any client.
pub(crate) fn is_said(line: &str, text: &str) -> bool {
    said(line).is_some_and(|said| said.text == text)
}

/// Returns the next line of a connection, without its ending; `None` at end of file.
pub(super) fn next_line(
    peer: &mut Peer,
    unread: &mut Vec<u8>,
    until: Instant,
) -> Result<Option<String>, Failure> {
    loop {
        if let Some(end) = unread.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = unread.drain(..=end).collect();
            return Ok(Some(String::from_utf8_lossy(&line[..end]).into_owned()));
        }
        let received = peer.receive_some_of(&text!("line.a-line")).map_err(|failure| {
            if unread.is_empty() {
                return failure;
            }
            let piece = shortened(&String::from_utf8_lossy(unread));
            failure.adding(&text!("line.no-newline", piece))
        });
        match received? {
            Some(bytes) => unread.extend_from_slice(&bytes),
            None if unread.is_empty() => return Ok(None),
            None => {
                let piece = shortened(&String::from_utf8_lossy(unread));
                return Err(Failure::new(text!("line.cut-off", piece)));
            }
        }
        if Instant::now() >= until {
            return Err(Failure::new(text!("line.not-come")).timed_out());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_chat_is_told_from_an_announcement() {
        for (line, text) in [
            ("127.0.0.1:50001 hello  you", Some("hello  you")),
            ("[::1]:50001 ", Some("")),
            ("2026-11-23 08:23:04 127.0.0.1:50001 hello", Some("hello")),
            ("2026-11-23 08:23:04 *** 127.0.0.1:50001 joined", None),
            ("*** 127.0.0.1:50001 joined", None),
            ("error: a line must be UTF-8", None),
            ("127.0.0.1:50001", None),
            ("", None),
        ] {
            assert_eq!(said(line).map(|said| said.text).as_deref(), text, "{line}");
        }
    }
}
