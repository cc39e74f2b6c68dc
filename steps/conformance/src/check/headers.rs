//! What a JSON header owes its readers: each field under its name, and an answer to a wrong
//! header.

use serde_json::{Value, json};

use super::fake::{self, FakeServer};
use super::messages::folder_with_notes;
use super::protocol::SHELL_NEWLINE;
use super::subject::{Running, Subject};
use super::wire::{self, Answer, json_text};
use crate::show::{show, show_text};
use crate::{Failure, Peer, Program};

/// The fields of an answer, which has all of them.
const FIELDS: [&str; 5] = ["filename", "hash", "size", "status", "error"];

/// How deeply a header can be nested within its 64 KiB.
const DEPTH: usize = 60_000;

/// An exit status that no program takes for a port, size or time.
const STATUS: i32 = 77;

/// A text that a server may put into an `error`: it clears a terminal, and begins a new line.
const RUDE_ERROR: &str = "no\u{1b}[2J such\nfile";

pub(super) fn status(subject: &Subject) -> Result<(), Failure> {
    if subject.judges_server() {
        the_server_reports_how_a_command_ended(subject)?;
    }
    if subject.judges_client() {
        the_client_shows_how_a_command_ended(subject)?;
    }
    Ok(())
}

fn the_server_reports_how_a_command_ended(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut peer = running.connect()?;
    for (command, status) in [("exit 7", 7), ("exit 0", 0), ("exit 255", 255)] {
        let answer = ask_to_run(&running, &mut peer, command)?;
        if answer.header["status"] != status || answer.error().is_some() {
            let failure = Failure::new(text!("headers.other-status", status, answer));
            return Err(running.explain(failure.after(after_sending(command))));
        }
    }
    if cfg!(unix) {
        // A killed command has no exit status; servers report it differently, but it is no success.
        let command = "kill -s KILL $$";
        let answer = ask_to_run(&running, &mut peer, command)?;
        let status = &answer.header["status"];
        if *status == 0 || status.is_null() && answer.error().is_none() {
            let failure = Failure::new(text!("headers.killed-without-a-word", answer));
            return Err(running.explain(failure.after(after_sending(command))));
        }
    }
    running.exchange(&mut peer, "next")
}

fn ask_to_run(running: &Running, peer: &mut Peer, command: &str) -> Result<Answer, Failure> {
    let answer = peer.send(&wire::run(command)).and_then(|()| Answer::receive(peer));
    answer.map_err(|failure| running.explain(failure.after(after_sending(command))))
}

fn after_sending(message: &str) -> String {
    let message = show_text(message);
    text!("subject.after-sent", message)
}

fn the_client_shows_how_a_command_ended(subject: &Subject) -> Result<(), Failure> {
    let failed = json!({ "status": STATUS, "size": 6 });
    let stopped = json!({ "status": null, "size": 6, "error": "the time is up" });
    for (header, shown) in [(failed, STATUS.to_string()), (stopped, "the time is up".to_owned())] {
        let done = {
            let header = json_text(&header);
            text!("headers.answered-with", header)
        };
        let mut client = Asking::start(subject, answer_with(&header, b"hello\n"))?;
        let output = client.program.expect_later("hello", |line| line.ends_with("hello"));
        let told = output
            .and_then(|_| client.program.expect_later(&shown, |line| has_words(line, &shown)));
        told.map_err(|failure| failure.after(done))?;
        client.ends()?;
    }
    Ok(())
}

/// Whether a line contains these words, or this number and not as a part of another.
fn has_words(line: &str, words: &str) -> bool {
    line.match_indices(words).any(|(start, _)| {
        let before = line[..start].chars().next_back();
        let after = line[start + words.len()..].chars().next();
        ![before, after].into_iter().flatten().any(char::is_alphanumeric)
    })
}

pub(super) fn null_fields(subject: &Subject) -> Result<(), Failure> {
    let (root, filename) = folder_with_notes()?;
    let running = subject.start_with(&["--root".as_ref(), root.path().as_ref()])?;
    let mut peer = running.connect()?;
    for (request, null) in [
        (json!({ "request": "run", "command": "exit 0" }), &["filename", "hash", "error"][..]),
        (json!({ "request": "get", "filename": filename }), &["status", "error"]),
        (json!({ "request": "get", "filename": "not there" }), &["filename", "hash", "status"]),
    ] {
        let (answer, done) = ask_with(&running, &mut peer, request.to_string().as_bytes())?;
        let missing = FIELDS.iter().find(|field| answer.header.get(field).is_none());
        let not_null = || null.iter().find(|field| !answer.header[**field].is_null());
        let failure = if let Some(field) = missing {
            Failure::new(text!("headers.no-such-field", field, answer))
        } else if let Some(field) = not_null() {
            Failure::new(text!("headers.not-null", field, answer))
        } else {
            continue;
        };
        let served = request["filename"] == filename;
        let symptom = served.then(|| wire::refusal(&answer.header)).flatten();
        return Err(running.explain(failure.looking_like(symptom).after(done)));
    }
    Ok(())
}

pub(super) fn malformed_header(subject: &Subject) -> Result<(), Failure> {
    let deep = "[".repeat(DEPTH);
    let (open, close) = ("[".repeat(DEPTH / 2), "]".repeat(DEPTH / 2));
    let deep_inside = format!(r#"{{"request":"run","command":{open}{close}}}"#);
    answers_each_with_an_error(
        subject,
        &[
            (b"hello", None),
            (b"", None),
            (br#"{"request":"run","command":"echo hi""#, None),
            (br#"{"request":"run","command":"echo hi"} {}"#, None),
            (b"{\"request\":\"run\",\"command\":\"\xff\"}", None),
            (b"[]", None),
            (b"7", None),
            (b"\"run\"", None),
            (deep.as_bytes(), None),
            (deep_inside.as_bytes(), None),
        ],
    )
}

pub(super) fn missing_field(subject: &Subject) -> Result<(), Failure> {
    answers_each_with_an_error(
        subject,
        &[
            (b"{}", Some("request")),
            (br#"{"command":"echo hi"}"#, Some("request")),
            (br#"{"request":"run"}"#, Some("command")),
            (br#"{"request":"run","filename":"echo hi"}"#, Some("command")),
            (br#"{"request":"get"}"#, Some("filename")),
            (br#"{"request":7,"command":"echo hi"}"#, None),
            (br#"{"request":null,"command":"echo hi"}"#, None),
            (br#"{"request":["run"],"command":"echo hi"}"#, None),
            (br#"{"request":"run","command":7}"#, None),
            (br#"{"request":"run","command":null}"#, None),
            (br#"{"request":"get","filename":["notes.txt"]}"#, None),
            (br#"{"request":"dance","command":"echo hi"}"#, None),
        ],
    )
}

/// Sends wrong headers in valid frames. The server answers each with an error that contains this word,
/// the conversation continues, and the server keeps running.
fn answers_each_with_an_error(
    subject: &Subject,
    headers: &[(&[u8], Option<&str>)],
) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut peer = running.connect()?;
    for (header, word) in headers {
        let (answer, done) = ask_with(&running, &mut peer, header)?;
        let failed = |what: String| running.explain(Failure::new(what).after(&done));
        let Some(error) = answer.error() else {
            return Err(failed(text!("messages.no-error", answer)));
        };
        if !answer.body.is_empty() {
            return Err(failed(text!("headers.no-body-with-it", answer)));
        }
        if let Some(field) = word.filter(|word| !error.contains(word)) {
            return Err(failed(text!("headers.does-not-name", field, answer)));
        }
        running.exchange(&mut peer, "next").map_err(|failure| failure.after(done))?;
    }
    drop(peer);
    running.exchange(&mut running.connect()?, "the next client")
}

/// Sends this header in a frame and receives the answer. Returns it with the request, for a failure message.
fn ask_with(
    running: &Running,
    peer: &mut Peer,
    header: &[u8],
) -> Result<(Answer, String), Failure> {
    let answer = peer.send(&wire::frame(header)).and_then(|()| Answer::receive(peer));
    let header = show(header);
    let done = text!("headers.after-header", header);
    match answer {
        Ok(answer) => Ok((answer, done)),
        Err(failure) => Err(running.explain(failure.after(done))),
    }
}

pub(super) fn unknown_fields(subject: &Subject) -> Result<(), Failure> {
    if subject.judges_server() {
        let running = subject.start()?;
        let mut peer = running.connect()?;
        for header in [
            r#"{"request":"run","command":"echo hello","priority":[1,{"a":null}]}"#,
            r#"{"command":"echo hello","dry_run":false,"request":"run"}"#,
            "\n{ \"request\" : \"run\",\r\n\t\"command\" : \"ec\\u0068o hello\" }\n",
        ] {
            let (answer, done) = ask_with(&running, &mut peer, header.as_bytes())?;
            let output = format!("hello{SHELL_NEWLINE}");
            let is_run = answer.expect_output(&output);
            is_run.map_err(|failure| running.explain(failure.after(done)))?;
        }
    }
    if subject.judges_client() {
        for header in [
            json!({ "size": 6, "status": 0, "millis": 3, "from": { "host": [null] } }),
            json!({ "filename": null, "hash": null, "size": 6, "status": 0, "error": null, "a": 1 }),
        ] {
            let done = {
                let header = json_text(&header);
                text!("headers.answered-with", header)
            };
            let mut client = Asking::start(subject, answer_with(&header, b"hello\n"))?;
            let shown = client.program.expect_later("hello", |line| line.ends_with("hello"));
            shown.map_err(|failure| failure.after(done))?;
            client.ends()?;
        }
    }
    Ok(())
}

pub(super) fn untrusted_text(subject: &Subject) -> Result<(), Failure> {
    let header = json!({ "size": 0, "status": null, "error": RUDE_ERROR });
    let mut client = Asking::start(subject, answer_with(&header, b""))?;
    let obeyed = |line: &str| line.contains("\u{1b}[2J");
    let shown = client.program.expect_later("such", |line| line.contains("such"));
    let line = shown.map_err(|failure| failure.after(text!("headers.rude-error")))?;
    if obeyed(&line)
        || !line.contains("file")
        || client.program.lines_left().iter().any(|line| obeyed(line))
    {
        let failure = client.program.failure(&text!("headers.terminal-obeys"));
        return Err(failure.after(text!("headers.rude-error")));
    }
    client.ends()
}

/// An answer with a header that has these fields, and a body.
fn answer_with(header: &Value, body: &[u8]) -> Vec<u8> {
    [wire::frame(header.to_string().as_bytes()), body.to_vec()].concat()
}

/// A client with a line of input, and a server that has this answer for it.
struct Asking {
    program: Program,
    server: FakeServer<Value>,
}

impl Asking {
    fn start(subject: &Subject, answer: Vec<u8>) -> Result<Self, Failure> {
        let server = FakeServer::start(subject, fake::answers(answer))?;
        let mut program = subject.start_client(server.addr(), None)?;
        program.type_line("getent hosts")?; // a command, though it begins with `get`
        Ok(Self { program, server })
    }

    /// Ends the client's input, and ignores its exit code.
    fn ends(mut self) -> Result<(), Failure> {
        self.program.end_input();
        self.program.wait()?;
        self.server.result().map(drop).map_err(|failure| self.program.explain(failure))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_only_where_it_is_one() {
        assert!(has_words("exit status 77", "77"));
        assert!(has_words("[77]: done", "77"));
        assert!(!has_words("connected to 127.0.0.1:37745", "77"));
        assert!(!has_words("177 or 770", "77"));
        assert!(has_words("error: the time is up", "the time is up"));
    }
}
