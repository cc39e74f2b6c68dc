//! The duties of every server and client to each other: answers, and an orderly end.

use std::time::Duration;

use super::clients;
#[cfg(target_os = "linux")]
use super::linux;
use super::protocol::Protocol;
use super::subject::{Input, Running, Server, Subject};
use crate::show::show_text;
use crate::{Failure, Peer, Program, cpu, symptom};

/// How many clients connect at once in a check with many clients.
pub(super) const MANY: usize = 20;

/// How much a server of the first steps takes from one read, in bytes.
const BUFFER_LEN: usize = 1024;

/// How long a check watches an idle server.
const WATCHED: Duration = Duration::from_millis(400);

/// How long a server may have something to do after its clients have left.
const WORK: Duration = Duration::from_secs(1);

pub(super) fn reply(subject: &Subject) -> Result<(), Failure> {
    match subject.protocol {
        Protocol::Echo => every_length_comes_back(subject),
        protocol => {
            let running = subject.start()?;
            let mut peer = running.connect()?;
            running.exchange(&mut peer, "quiz")?;
            if protocol.runs_commands() {
                running.exchange(&mut peer, &letters(BUFFER_LEN - "echo ".len()))
            } else {
                peer.expect_no_more().map_err(|failure| {
                    let message = show_text("quiz");
                    let failure = failure.after(text!("subject.after-sent", message));
                    symptom::add(running.explain(failure), protocol)
                })
            }
        }
    }
}

/// Step 01 serves one client, so there is a server for each of them.
fn every_length_comes_back(subject: &Subject) -> Result<(), Failure> {
    let lengths: &[usize] = match subject.server {
        Server::Running(_) => &[BUFFER_LEN], // it serves only once
        _ => &[1, 5, 200, BUFFER_LEN],
    };
    for len in lengths {
        let running = subject.start()?;
        let mut peer = running.connect()?;
        running.exchange(&mut peer, &letters(*len))?;
        expect_no_more(&running, peer)?;
    }
    Ok(())
}

/// Returns `len` letters in which no piece equals the piece before it.
fn letters(len: usize) -> String {
    (b'a'..=b'y').cycle().map(char::from).take(len).collect()
}

/// Ends the sending. The server must do so, too, and send nothing before that.
fn expect_no_more(running: &Running, mut peer: Peer) -> Result<(), Failure> {
    peer.end_sending().map_err(|failure| running.explain(failure))?;
    expect_end(running, peer)
}

/// The server must end its sending as well, and send nothing before that.
fn expect_end(running: &Running, mut peer: Peer) -> Result<(), Failure> {
    peer.expect_end_of_file().map_err(|failure| {
        let failure = running.explain(failure.after(text!("conversation.has-ended")));
        symptom::add(failure, running.protocol)
    })
}

pub(super) fn many_messages(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut peer = running.connect()?;
    for word in ["one", "two", "three"] {
        running.exchange(&mut peer, word)?;
    }
    if !subject.protocol.runs_commands() {
        for len in [BUFFER_LEN, 1, 3 * BUFFER_LEN + 1] {
            running.exchange(&mut peer, &letters(len))?;
        }
        for number in 1..=100 {
            running.exchange(&mut peer, &format!("message {number}"))?;
        }
    }
    if subject.protocol == Protocol::Echo {
        ends_with_its_client(running, peer)?;
    }
    Ok(())
}

/// A server for a single client must end when that client has left.
fn ends_with_its_client(mut running: Running, peer: Peer) -> Result<(), Failure> {
    expect_no_more(&running, peer)?;
    let Ok(program) = running.program_mut() else {
        return Ok(()); // it runs elsewhere, and the check cannot see its end
    };
    ended_well(program).map_err(|failure| failure.after(text!("conversation.has-left")))
}

pub(super) fn any_bytes(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut peer = running.connect()?;
    let every_byte: Vec<u8> = (0..=u8::MAX).collect();
    let messages = ["Grüße".as_bytes(), b"\xff", &every_byte]; // the most readable first
    let least = if subject.protocol == Protocol::Echo { 2 } else { 0 }; // step 01 answers once
    for bytes in &messages[least..] {
        running.ask(&mut peer, bytes, subject.protocol.sent_back(bytes))?;
    }
    Ok(())
}

pub(super) fn empty_input(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    if subject.input == Input::Lines {
        answers_after(subject, &running, "", &[])?;
        let is_sent = subject.protocol == Protocol::Frames; // a frame can be empty
        return if is_sent { clients::empty_frame(subject) } else { Ok(()) };
    }
    let mut client = subject.start_client(running.addr, Some(""))?;
    ended_well(&mut client).map_err(|failure| failure.after(text!("conversation.said-nothing")))?;
    // A client that sends nothing at all. Step 01 serves one client, so this needs another server.
    let running = subject.start()?;
    let mut client = subject.start_client(running.addr, Some("after"))?;
    let shown = client.expect_later("after", |line| line.ends_with("after"));
    shown.and_then(|_| ended_well(&mut client))
}

/// Types a line into a client, which must print these lines, and then answer the line after.
pub(super) fn answers_after(
    subject: &Subject,
    running: &Running,
    line: &str,
    printed: &[&str],
) -> Result<(), Failure> {
    let mut client = subject.start_client(running.addr, None)?;
    let (next, answer) = subject.protocol.exchange("after");
    let converse = |client: &mut Program| {
        client.type_line(line)?;
        client.type_line(&next)?;
        for expected in printed.iter().copied().chain([answer.trim_end()]) {
            let came = client.expect_line(expected)?;
            if !came.ends_with(expected) {
                // A prompt may precede it.
                let shown = show_text(&came);
                return Err(client.failure(&text!("conversation.other-line", expected, shown)));
            }
        }
        client.end_input();
        ended_well(client)
    };
    converse(&mut client).map_err(|failure| {
        let (line, next) = (show_text(line), show_text(&next));
        failure.after(text!("conversation.two-lines", line, next))
    })
}

pub(super) fn ended_well(client: &mut Program) -> Result<(), Failure> {
    let status = client.wait()?;
    if status.success() {
        return Ok(());
    }
    Err(client.failure(&text!("conversation.ended-badly", status)))
}

pub(super) fn next_client(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut first = running.connect()?;
    running.exchange(&mut first, "first")?;
    let mut second = running.connect()?;
    first.end_sending()?;
    let served = running.exchange(&mut second, "second");
    served.map_err(|failure| failure.after(text!("conversation.second-connected")))?;
    expect_end(&running, first)
}

pub(super) fn concurrent_clients(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut first = running.connect()?; // sends nothing
    let mut serve_others = || {
        let mut others = Vec::new();
        for number in 1..=MANY {
            let mut peer = running.connect()?;
            running.exchange(&mut peer, &format!("number {number}"))?;
            others.push(peer);
        }
        for peer in &mut others {
            running.exchange(peer, "still here")?;
        }
        running.exchange(&mut first, "first")
    };
    let served = serve_others();
    served.map_err(|failure| failure.after(text!("conversation.one-is-silent")))
}

pub(super) fn survives_disconnect(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut polite = running.connect()?;
    running.exchange(&mut polite, "polite")?;
    polite.close();
    let leave_and_come = || {
        running.connect()?.close(); // sends nothing at all
        let mut hasty = running.connect()?;
        let (message, _) = running.protocol.exchange("hasty");
        hasty.send(&running.protocol.on_the_wire(&message))?;
        hasty.close();
        serves_the_next(&running)
    };
    leave_and_come().map_err(|failure| failure.after(text!("conversation.three-have-left")))
}

pub(super) fn survives_reset(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut served = running.connect()?;
    running.exchange(&mut served, "served")?;
    running.connect()?.reset()?; // reset while it waits to be accepted
    served.reset()?;
    // A server with a thread per client could serve the next before it sees the reset and dies.
    #[cfg(target_os = "linux")]
    if let Some(server) = &running.program {
        linux::wait_until_it_sleeps(server);
    }
    serves_the_next(&running).map_err(|failure| failure.after(text!("conversation.two-were-reset")))
}

pub(super) fn idle(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut polite = running.connect()?;
    running.exchange(&mut polite, "polite")?;
    polite.close();
    running.connect()?.close();
    let (message, _) = subject.protocol.exchange("half");
    let bytes = subject.protocol.on_the_wire(message);
    for len in [2, bytes.len() - 1] {
        let mut hasty = running.connect()?;
        hasty.send(&bytes[..len])?; // ends inside a header, or inside the body
        hasty.close();
    }
    let mut broken = running.connect()?;
    broken.send(&bytes[..2])?;
    broken.reset()?;
    let silent = running.connect()?;
    let mut watched = expect_rest(&running, text!("conversation.one-is-silent-others-left"));
    silent.close();
    if watched.is_ok() {
        watched = expect_rest(&running, text!("conversation.all-have-left"));
    }
    watched?;
    serves_the_next(&running)
}

/// A server that has ended does not spin, but the next client finds no server.
fn expect_rest(running: &Running, done: String) -> Result<(), Failure> {
    match &running.program {
        Some(program) if program.status().is_none() => {
            cpu::expect_rest(program, WATCHED, WORK).map_err(|failure| failure.after(done))
        }
        _ => Ok(()),
    }
}

pub(super) fn serves_the_next(running: &Running) -> Result<(), Failure> {
    running.exchange(&mut running.connect()?, "next")
}
