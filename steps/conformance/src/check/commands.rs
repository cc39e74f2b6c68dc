//! What remote execution owes its users: whole answers to whole commands.

use super::clients;
use super::conversation::answers_after;
use super::protocol::SHELL_NEWLINE;
use super::subject::{Running, Side, Subject};
use crate::Failure;
use crate::show::show;

pub(super) fn both_streams(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let command = if cfg!(windows) { "echo out&echo err>&2" } else { "echo out; echo err >&2" };
    let answer = format!("out{SHELL_NEWLINE}err{SHELL_NEWLINE}");
    running.ask(&mut running.connect()?, command, &answer)
}

pub(super) fn empty_reply(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    if asks_itself(subject) {
        return asks(&running, "exit 0", "");
    }
    answers_after(subject, &running, "exit 0", &[])
}

pub(super) fn whole_reply(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    // Characters of two bytes, where the shell takes them as they are: who counts characters is wrong.
    let line = if cfg!(windows) { "x".repeat(300) } else { "ü".repeat(150) };
    let command = if cfg!(windows) {
        format!("for %i in (1 2 3 4 5 6 7 8 9 10) do @echo {line}")
    } else {
        format!("for i in 1 2 3 4 5 6 7 8 9 10; do echo {line}; done")
    };
    if asks_itself(subject) {
        return asks(&running, &command, &format!("{line}{SHELL_NEWLINE}").repeat(10));
    }
    answers_after(subject, &running, &command, &[line.as_str(); 10])
}

/// Whether the server can be judged without a client. Where nothing tells the end of an answer, it
/// is the client that shows whether all of it is there.
fn asks_itself(subject: &Subject) -> bool {
    subject.judged == Side::Server && subject.protocol.has_boundaries()
}

/// This command must get this answer, and the next one its own.
fn asks(running: &Running, command: &str, answer: &str) -> Result<(), Failure> {
    let mut peer = running.connect()?;
    running.ask(&mut peer, command, answer)?;
    running.exchange(&mut peer, "after")
}

pub(super) fn boundaries(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut peer = running.connect()?;
    let (mut messages, mut answers) = (Vec::new(), Vec::new());
    for word in ["one", "two"] {
        let (message, answer) = subject.protocol.exchange(word);
        messages.extend(subject.protocol.on_the_wire(&message));
        answers.push(answer);
    }
    let sent = peer.send(&messages);
    let asked = sent.and_then(|()| {
        answers.iter().try_for_each(|answer| subject.protocol.expect_answer(&mut peer, answer))
    });
    asked.map_err(|failure| {
        let messages = show(&messages);
        running.explain(failure.after(text!("commands.two-at-once", messages)))
    })
}

pub(super) fn hostile_length(subject: &Subject) -> Result<(), Failure> {
    if subject.judges_server() {
        the_server_refuses_a_hostile_length(subject)?;
    }
    if subject.judges_client() {
        clients::hostile_length(subject)?;
    }
    Ok(())
}

fn the_server_refuses_a_hostile_length(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut hostile = running.connect()?;
    let refused = hostile.send(&u32::MAX.to_be_bytes()).and_then(|()| hostile.expect_end());
    refused.map_err(|failure| running.explain(failure.after(text!("commands.hostile-length"))))?;
    let next = running.connect().and_then(|mut next| running.exchange(&mut next, "next"));
    next.map_err(|failure| failure.after(text!("commands.one-was-hostile")))
}
