//! The steps' protocols: what a message and its answer are, and how they travel.

use std::time::Instant;

use super::line::{is_said, next_line, shortened};
use super::wire::{self, Answer};
use crate::{Failure, Peer, symptom};

/// How the system's shell ends a line.
pub(super) const SHELL_NEWLINE: &str = if cfg!(windows) { "\r\n" } else { "\n" };

/// The protocol between a client and a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// A message returns as it is (step 01).
    Echo,
    /// A message returns in ASCII upper case (steps 02 and 03).
    UpperCase,
    /// A message is a command for the system's shell, and the answer is its output (step 04).
    Shell,
    /// Bytes go one way and get no answer (step 05), so only an exercise has a check.
    OneWay,
    /// As `Shell`, but every message is a frame: its length as a `u32` in network byte order, and
    /// then its bytes (step 06).
    Frames,
    /// As `Frames`, but a frame holds a header in JSON: the whole of a request, while a body follows the
    /// header of an answer (step 07).
    Messages,
    /// A message is a line; it goes to every client, after the sender's address (from step 08 on).
    Chat,
}

impl Protocol {
    /// The protocol of a step.
    #[must_use]
    pub fn of_step(number: u8) -> Self {
        match number {
            1 => Self::Echo,
            2 | 3 => Self::UpperCase,
            4 => Self::Shell,
            5 => Self::OneWay,
            6 => Self::Frames,
            7 => Self::Messages,
            _ => Self::Chat,
        }
    }

    /// A message with this word in it, and the answer that it must get.
    pub(crate) fn exchange(self, word: &str) -> (String, String) {
        match self {
            // In a chat, the sender's address is before the answer: see `line::said`.
            Self::Echo | Self::OneWay | Self::Chat => (word.to_owned(), word.to_owned()),
            Self::UpperCase => (word.to_owned(), word.to_ascii_uppercase()),
            Self::Shell | Self::Frames | Self::Messages => {
                (format!("echo {word}"), format!("{word}{SHELL_NEWLINE}"))
            }
        }
    }

    /// The bytes that return for these bytes, if the bytes themselves are the message.
    pub(super) fn sent_back(self, bytes: &[u8]) -> Vec<u8> {
        if self == Self::UpperCase { bytes.to_ascii_uppercase() } else { bytes.to_vec() }
    }

    /// A message to the server as it travels.
    pub(crate) fn on_the_wire(self, message: impl AsRef<[u8]>) -> Vec<u8> {
        let message = message.as_ref();
        match self {
            Self::Echo | Self::UpperCase | Self::Shell | Self::OneWay => message.to_vec(),
            Self::Frames => wire::frame(message),
            Self::Messages => wire::run(str::from_utf8(message).expect("JSON is text")),
            Self::Chat => [message, b"\n"].concat(),
        }
    }

    /// Receives an answer, which must be this one, whole.
    pub(crate) fn expect_answer(
        self,
        peer: &mut Peer,
        answer: impl AsRef<[u8]>,
    ) -> Result<(), Failure> {
        let answer = answer.as_ref();
        match self {
            Self::Echo | Self::UpperCase | Self::Shell | Self::OneWay | Self::Chat => {
                peer.expect(answer)
            }
            Self::Frames => peer.expect(&wire::frame(answer)),
            Self::Messages => Answer::receive(peer)?.expect_output(answer),
        }
    }

    /// Sends a message with this word in it, and receives its answer, whole.
    ///
    /// Step 05 answers nothing, so there the message is only sent. In a chat, any other lines before the
    /// answer are read and ignored.
    pub(crate) fn converse(self, peer: &mut Peer, word: &str) -> Result<(), Failure> {
        let (message, answer) = self.exchange(word);
        peer.send(&self.on_the_wire(&message))?;
        match self {
            Self::OneWay => Ok(()),
            Self::Chat => hear(peer, &answer),
            _ => self.expect_answer(peer, &answer),
        }
    }

    /// Receives a message, which must be this one.
    pub(super) fn expect_message(self, client: &mut Peer, message: &str) -> Result<(), Failure> {
        let came = match self {
            Self::Messages => wire::expect_run(client, message),
            _ => client.expect(&self.on_the_wire(message)),
        };
        came.map_err(|failure| {
            let found = failure.difference().and_then(|it| symptom::of_message(it, self));
            failure.looking_like(found).after(text!("protocol.when-to-send", message))
        })
    }

    /// An answer as it travels.
    pub(super) fn answer_on_the_wire(self, answer: &str) -> Vec<u8> {
        match self {
            Self::Echo | Self::UpperCase | Self::Shell | Self::OneWay => answer.as_bytes().to_vec(),
            Self::Frames => wire::frame(answer.as_bytes()),
            Self::Messages => wire::output(answer),
            Self::Chat => format!("127.0.0.1:50001 {answer}\n").into_bytes(),
        }
    }

    /// Whether a message is a command for the server's shell.
    pub(super) fn runs_commands(self) -> bool {
        matches!(self, Self::Shell | Self::Frames | Self::Messages)
    }

    /// Whether the protocol marks the end of an answer.
    pub(crate) fn has_boundaries(self) -> bool {
        matches!(self, Self::Frames | Self::Messages)
    }
}

/// Receives lines of a chat until one of them contains this word.
fn hear(peer: &mut Peer, word: &str) -> Result<(), Failure> {
    let until = Instant::now() + peer.deadline();
    let (mut unread, mut other) = (Vec::new(), None);
    loop {
        let line = next_line(peer, &mut unread, until)
            .and_then(|line| line.ok_or_else(|| Failure::new(text!("protocol.server-ended"))));
        let line = line.map_err(|failure| match &other {
            Some(line) => failure.adding(&text!("chat.no-line-of-it", line)),
            None => failure,
        })?;
        if is_said(&line, word) {
            return Ok(());
        }
        other = Some(shortened(&line));
    }
}
