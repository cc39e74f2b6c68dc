//! What every server and client owe each other: answers, and an orderly end.

#[cfg(target_os = "linux")]
use super::linux;
use super::subject::{Input, Running, Subject};
use crate::show::show_text;
use crate::{Failure, Program};

/// How many clients are there at once, where many are asked for.
pub(super) const MANY: usize = 20;

pub(super) fn reply(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    running.exchange(&mut running.connect()?, "h")
}

pub(super) fn many_messages(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut peer = running.connect()?;
    for word in ["one", "two", "three"] {
        running.exchange(&mut peer, word)?;
    }
    if !subject.protocol.runs_commands() {
        for bytes in ["Grüße", "\0\u{1}\u{7f}"] {
            running.exchange(&mut peer, bytes)?;
        }
    }
    Ok(())
}

pub(super) fn empty_input(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    if subject.input == Input::Lines {
        return answers_after(subject, &running, "", &[]);
    }
    let mut client = subject.start_client(running.addr, Some(""))?;
    ended_well(&mut client).map_err(|failure| failure.after(text!("conversation.said-nothing")))
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
                // A prompt may stand in front of it.
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
    first.close();
    let served = running.exchange(&mut second, "second");
    served.map_err(|failure| failure.after(text!("conversation.second-connected")))
}

pub(super) fn concurrent_clients(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut first = running.connect()?; // says nothing
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
        running.connect()?.close(); // says nothing at all
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
    running.connect()?.reset()?; // broken off while it waits to be accepted
    served.reset()?;
    // A server with a thread for each client could serve the next before it sees the reset, and dies.
    #[cfg(target_os = "linux")]
    if let Some(server) = &running.program {
        linux::wait_until_it_sleeps(server);
    }
    serves_the_next(&running).map_err(|failure| failure.after(text!("conversation.two-were-reset")))
}

fn serves_the_next(running: &Running) -> Result<(), Failure> {
    running.exchange(&mut running.connect()?, "next")
}
