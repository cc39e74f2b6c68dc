//! A client's duties to its user: the whole answer, in whatever pieces it arrives, and an error if none does.

use std::time::Duration;

use super::commands;
use super::conversation::ended_well;
use super::fake::FakeServer;
use super::line::{is_said, shortened};
use super::protocol::{Protocol, SHELL_NEWLINE};
use super::subject::{Input, Subject};
use crate::failure::Difference;
use crate::{Failure, Program, Symptom};

/// The word that the client is to send.
const WORD: &str = "hello";

/// The pause after the first byte of an answer. By then, a client that takes one read for a whole answer
/// has read that byte; if it has not, the check judges it too mildly.
const FIRST_PAUSE: Duration = Duration::from_millis(300);

/// The pause after each other byte, so that most of them arrive alone. No event reports that the client
/// has read a byte.
const PAUSE: Duration = Duration::from_millis(2);

pub(super) fn cut_reply(subject: &Subject) -> Result<(), Failure> {
    let (message, answer) = subject.protocol.exchange(WORD);
    let (protocol, bytes) = (subject.protocol, subject.protocol.answer_on_the_wire(&answer));
    let server = FakeServer::start(subject, move |mut client| {
        protocol.expect_message(&mut client, &message)?;
        for (index, byte) in bytes.iter().enumerate() {
            // If the client has left, its output shows the fault.
            let pause = if index == 0 { FIRST_PAUSE } else { PAUSE };
            if client.send(&[*byte]).is_err() || client.ends_within(pause) {
                return Ok(());
            }
        }
        client.expect_end()
    })?;
    let mut client = start_client(subject, &server)?;
    let shown = client.expect_later(answer.trim_end(), |line| shows(protocol, line, &answer));
    client.end_input();
    let ended = shown.and_then(|_| client.wait());
    let done = text!("clients.in-single-bytes");
    server.result().map_err(|failure| client.explain(failure.after(&done)))?;
    ended.map_err(|failure| failure.after(done)).map(drop)
}

pub(super) fn printed_reply(subject: &Subject) -> Result<(), Failure> {
    // A client could not make these answers up for itself.
    let mut exchanges = vec![("hello", "WORLD")];
    if !cfg!(windows) {
        exchanges.push(("Grüße", "GRÖßE")); // a console may have other characters
    }
    if subject.input == Input::Argument {
        return exchanges.into_iter().try_for_each(|exchange| prints(subject, vec![exchange]));
    }
    prints(subject, exchanges)
}

/// The client sends each message and prints its answer; then it ends without an error.
fn prints(subject: &Subject, exchanges: Vec<(&'static str, &'static str)>) -> Result<(), Failure> {
    let (protocol, expected) = (subject.protocol, exchanges.clone());
    let server = FakeServer::start(subject, move |mut client| {
        for (word, answer) in expected {
            protocol.expect_message(&mut client, &protocol.exchange(word).0)?;
            client.send(&protocol.answer_on_the_wire(&answered(protocol, answer)))?;
        }
        client.expect_refusal() // it may end now, and has nothing else to send
    })?;
    let message = protocol.exchange(exchanges[0].0).0;
    let argument = (subject.input == Input::Argument).then_some(message.as_str());
    let mut client = subject.start_client(server.addr(), argument)?;
    let last = exchanges.len() - 1;
    let shown = exchanges.iter().enumerate().try_for_each(|(index, (word, answer))| {
        let message = protocol.exchange(word).0;
        if argument.is_none() && index < last {
            client.type_line(&message)?;
        } else if argument.is_none() {
            client.type_bytes(message.as_bytes())?; // the last line may end without a newline
            client.end_input();
        }
        let answer = answered(protocol, answer);
        client.expect_later(answer.trim_end(), |line| shows(protocol, line, &answer)).map(drop)
    });
    client.end_input();
    let ended = shown.and_then(|()| ended_well(&mut client));
    let (messages, answers): (Vec<_>, Vec<_>) = exchanges.into_iter().unzip();
    let (messages, answers) = (messages.join("\", \""), answers.join("\", \""));
    let done = text!("clients.answers", messages, answers);
    server.result().map_err(|failure| client.explain(failure.after(&done)))?;
    ended.map_err(|failure| failure.after(done))
}

/// A word as an answer: a command's output ends with a newline.
fn answered(protocol: Protocol, word: &str) -> String {
    if protocol.runs_commands() { format!("{word}{SHELL_NEWLINE}") } else { word.to_owned() }
}

/// The length of a line that the server takes and answers in pieces.
const LONG_LINE_LEN: usize = 3073;

pub(super) fn long_line(subject: &Subject) -> Result<(), Failure> {
    let line: String = (b'a'..=b'y').cycle().map(char::from).take(LONG_LINE_LEN).collect();
    let answer = line.to_ascii_uppercase();
    let expected = line.clone().into_bytes();
    let server = FakeServer::start(subject, move |mut client| {
        // As a server with a buffer of 1024 bytes; the client may send any amount at once.
        let mut came = Vec::new();
        while came.len() < expected.len() {
            let Some(bytes) = client.receive_some()? else { break };
            came.extend_from_slice(&bytes);
            for piece in bytes.chunks(1024) {
                client.send(&piece.to_ascii_uppercase())?;
            }
        }
        client.expect_refusal()?;
        if came == expected {
            return Ok(());
        }
        let (came, len) = (came.len(), expected.len());
        Err(Failure::new(text!("clients.other-line", len, came)))
    })?;
    let mut client = subject.start_client(server.addr(), None)?;
    client.type_line(&line)?;
    let shown = client.expect_later(&shortened(&answer), |came| came.ends_with(&answer));
    client.end_input();
    let ended = shown.and_then(|_| ended_well(&mut client)).map_err(|failure| {
        let is_in_pieces = client.lines_left().concat().contains(&answer);
        failure.looking_like(is_in_pieces.then_some(Symptom::LineInPieces))
    });
    let len = line.len();
    let done = text!("clients.long-line", len);
    server.result().map_err(|failure| client.explain(failure.after(&done)))?;
    ended.map_err(|failure| failure.after(done))
}

/// A client whose messages can be empty sends an empty line as well.
pub(super) fn empty_frame(subject: &Subject) -> Result<(), Failure> {
    let protocol = subject.protocol;
    let server = FakeServer::start(subject, move |mut client| {
        protocol.expect_message(&mut client, "")?;
        client.send(&protocol.answer_on_the_wire(""))?;
        client.expect_refusal()
    })?;
    let mut client = subject.start_client(server.addr(), None)?;
    client.type_line("")?;
    client.end_input();
    let ended = ended_well(&mut client);
    let done = text!("clients.empty-line");
    server.result().map_err(|failure| client.explain(failure.after(&done)))?;
    ended.map_err(|failure| failure.after(done))
}

pub(super) fn server_gone(subject: &Subject) -> Result<(), Failure> {
    // In a chat, the client waits for the server and for the keyboard: it must notice without a line from
    // the keyboard. In other steps it waits for the answer.
    let asked = subject.protocol != Protocol::Chat;
    for resets in [false, true] {
        let (message, _) = subject.protocol.exchange(WORD);
        let protocol = subject.protocol;
        let server = FakeServer::start(subject, move |mut client| {
            if protocol != Protocol::Chat {
                protocol.expect_message(&mut client, &message)?;
            }
            if resets {
                return client.reset();
            }
            client.close();
            Ok(())
        })?;
        let mut client = if protocol == Protocol::Chat {
            subject.start_client(server.addr(), None)?
        } else {
            start_client(subject, &server)?
        };
        let done = match (resets, asked) {
            (false, false) => text!("clients.closed-when-connected"),
            (false, true) => text!("clients.closed-when-asked"),
            (true, false) => text!("clients.reset-when-connected"),
            (true, true) => text!("clients.reset-when-asked"),
        };
        let told = expect_trouble(&mut client, true).map_err(|failure| failure.after(&done));
        server.result().map_err(|failure| client.explain(failure.after(&done)))?;
        told?;
    }
    Ok(())
}

pub(super) fn cut_off_reply(subject: &Subject) -> Result<(), Failure> {
    let (_, answer) = subject.protocol.exchange(WORD);
    let bytes = subject.protocol.answer_on_the_wire(&answer);
    let payload = bytes.len() - answer.len();
    for (len, what) in [
        (2, text!("clients.half-a-length")),
        (size_of::<u32>(), text!("clients.a-length-alone")),
        (payload + 3, text!("clients.three-bytes")),
    ] {
        // Step 07 may show part of an output: the error that follows reports it as incomplete.
        let alone = subject.protocol == Protocol::Frames;
        expect_refusal(subject, bytes[..len].to_vec(), true, alone)
            .map_err(|failure| failure.after(text!("clients.answered-and-closed", what)))?;
    }
    Ok(())
}

/// The client's part: it refuses an impossible length at once.
pub(super) fn hostile_length(subject: &Subject) -> Result<(), Failure> {
    for len in commands::hostile_lengths(subject.protocol) {
        expect_refusal(subject, len.to_be_bytes().to_vec(), false, true)
            .map_err(|failure| failure.after(text!("clients.hostile-length", len)))?;
    }
    sends_nothing_too_long(subject)
}

/// The client does not send a message that is too long, but sends the next line.
fn sends_nothing_too_long(subject: &Subject) -> Result<(), Failure> {
    let (message, answer) = subject.protocol.exchange(WORD);
    let (protocol, expected, sent) = (subject.protocol, message.clone(), answer.clone());
    let server = FakeServer::start(subject, move |mut client| {
        protocol.expect_message(&mut client, &expected)?;
        client.send(&protocol.answer_on_the_wire(&sent))?;
        client.expect_refusal()
    })?;
    let mut client = subject.start_client(server.addr(), None)?;
    let len = commands::limit(protocol) as usize + 1;
    let line = "x".repeat(len);
    client.type_all(format!("{line}\n{message}\n").into_bytes());
    let shown = client.expect_later(answer.trim_end(), |line| shows(protocol, line, &answer));
    let ended = shown.and_then(|_| client.wait()); // the unsent line may change its exit code
    let done = text!("clients.too-long-line", len, message);
    server.result().map_err(|failure| {
        let is_piece = is_piece(&failure, commands::limit(protocol));
        let failure = failure.looking_like(is_piece.then_some(Symptom::LineInPieces));
        client.explain(failure.after(&done))
    })?;
    ended.map_err(|failure| failure.after(done)).map(drop)
}

/// Whether a part of the overlong line has arrived in place of a message.
fn is_piece(failure: &Failure, most: u32) -> bool {
    let is_short = |difference: &Difference| {
        let len = difference.received.first_chunk();
        len.is_some_and(|len| u32::from_be_bytes(*len) <= most)
    };
    failure.difference().is_none_or(is_short) && failure.to_string().contains("xxxxxxxx")
}

/// Answers with these bytes, and perhaps with end of file. The client must end with an error.
fn expect_refusal(
    subject: &Subject,
    bytes: Vec<u8>,
    ends: bool,
    alone: bool,
) -> Result<(), Failure> {
    let (message, _) = subject.protocol.exchange(WORD);
    let protocol = subject.protocol;
    let server = FakeServer::start(subject, move |mut client| {
        protocol.expect_message(&mut client, &message)?;
        client.send(&bytes)?;
        if ends {
            client.end_sending()?;
        }
        client.expect_end()
    })?;
    let mut client = start_client(subject, &server)?;
    let told = expect_trouble(&mut client, alone);
    let sent = server.result().map_err(|failure| client.explain(failure));
    told.and(sent)
}

/// The client must end with an exit code other than 0, and print a message: one line if `alone`.
pub(super) fn expect_trouble(client: &mut Program, alone: bool) -> Result<(), Failure> {
    let status = client.wait()?;
    let lines = client.lines_left();
    // The last prompt may still have been in a buffer when the message was printed.
    let is_prompt = |line: &str| line.ends_with(' ') && lines.len() > 1;
    let is_message = |line: &&String| !line.trim().is_empty() && !is_prompt(line);
    let count = lines.iter().filter(is_message).count();
    if status.success() {
        return Err(client.failure(&text!("clients.no-exit-code")));
    }
    if count == 0 || alone && count > 1 {
        return Err(client.failure(&text!("clients.not-one-line", count)));
    }
    Ok(())
}

/// Starts the client, and makes it send the word.
fn start_client<T: Send + 'static>(
    subject: &Subject,
    server: &FakeServer<T>,
) -> Result<Program, Failure> {
    let (message, _) = subject.protocol.exchange(WORD);
    if subject.input == Input::Argument {
        return subject.start_client(server.addr(), Some(&message));
    }
    let mut client = subject.start_client(server.addr(), None)?;
    client.type_line(&message)?;
    Ok(client)
}

/// Whether the client shows this answer in this line, perhaps after something else, such as a prompt.
fn shows(protocol: Protocol, line: &str, answer: &str) -> bool {
    match protocol {
        Protocol::Chat => is_said(line, answer),
        _ => line.ends_with(answer.trim_end()),
    }
}
