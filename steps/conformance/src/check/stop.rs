//! How a chat room stops: each client receives a last word and the end of its stream, and the port is free.

use std::io;
#[cfg(unix)]
use std::net::SocketAddr;
use std::net::TcpListener;
#[cfg(unix)]
use std::process::ExitStatus;
use std::thread;
use std::time::{Duration, Instant};

use super::chat::{Member, SPEAKERS, in_a_room_where};
use super::conversation::ended_well;
use super::line::said;
#[cfg(unix)]
use super::room::announced;
use super::subject::{Order, Running, Subject};
use crate::Failure;

/// How long stopping may take.
const STOP_TIME: Duration = Duration::from_secs(1);

/// Between two attempts to listen at the server's port. No event reports that it is free.
const LOOK: Duration = Duration::from_millis(5);

/// How much a client sends at a time while the server stops, in bytes.
const PIECE_LEN: usize = 16 * 1024;

pub(super) fn clean_stop(subject: &Subject) -> Result<(), Failure> {
    let done = text!("stop.quit-is-typed");
    in_a_room_where(&done, subject, |running| {
        let silent = Member::silent(running)?;
        let mut members = Vec::new();
        for number in 1..=SPEAKERS {
            members.push(Member::join(running, &format!("number {number}"))?);
        }
        members.push(silent);
        stops_within_its_time(running, |running| {
            types_quit(running)?;
            members.iter_mut().try_for_each(hears_the_last_word)?;
            ended_well(running.program_mut()?)
        })
    })?;
    // With a proxy between them, the client sees the proxy's end of the stream, not the server's.
    if subject.cut.is_some() { Ok(()) } else { stops_while_a_client_sends(subject) }
}

/// When the server stops, bytes of a client are still unread. The server must read them nevertheless:
/// otherwise the connection ends with a reset, and the last word may be lost.
fn stops_while_a_client_sends(subject: &Subject) -> Result<(), Failure> {
    let done = text!("stop.one-is-sending");
    in_a_room_where(&done, subject, |running| {
        let mut member = Member::join(running, "one that sends without a pause")?;
        let piece = vec![b'x'; PIECE_LEN]; // no newline: no other client receives it
        let sending = member.peer.send_without_pause(piece)?;
        types_quit(running)?;
        hears_the_last_word(&mut member)?;
        member.peer.end();
        // The kernel reports a reset once: to the reading thread, or to the sending thread.
        if let Ok(error) = sending.join()
            && error.kind() == io::ErrorKind::ConnectionReset
        {
            let name = &member.name;
            let failure = Failure::new(text!("stop.reset", error));
            return Err(failure.after(text!("chat.while-waiting-for-end", name)));
        }
        ended_well(running.program_mut()?)
    })
}

/// Ctrl-C, and the signal that the system sends to end a program.
#[cfg(unix)]
pub(super) fn stop_signals(subject: &Subject) -> Result<(), Failure> {
    use rustix::process::Signal;

    for (signal, name) in [(Signal::INT, "SIGINT"), (Signal::TERM, "SIGTERM")] {
        let done = text!("stop.signal-is-sent", name);
        in_a_room_where(&done, subject, |running| {
            let mut members = vec![Member::join(running, "alice")?, Member::join(running, "bob")?];
            stops_within_its_time(running, |running| {
                running.order = Order::Stop;
                running.program()?.signal(signal)?;
                hear_of_no_stranger(&mut members)?;
                members.drain(..).for_each(|member| member.peer.close());
                ended_by(running.program_mut()?, signal)
            })
        })?;
    }
    Ok(())
}

#[cfg(not(unix))]
pub(super) fn stop_signals(_: &Subject) -> Result<(), Failure> {
    Err(Failure::not_asked(text!("exam.unix-only")))
}

fn types_quit(running: &mut Running) -> Result<(), Failure> {
    running.order = Order::Stop;
    running.program_mut()?.type_line("quit")
}

/// Calls `stop`, after which the port must be free; all of it must fit within the time for stopping.
fn stops_within_its_time(
    running: &mut Running,
    stop: impl FnOnce(&mut Running) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let start = Instant::now();
    stop(running)?;
    let took = start.elapsed();
    if took > STOP_TIME {
        let (took, most) = (format!("{took:?}"), format!("{STOP_TIME:?}"));
        return Err(Failure::new(text!("stop.took", took, most)));
    }
    let addr = running.server_addr;
    loop {
        match TcpListener::bind(addr) {
            Ok(_) => return Ok(()),
            // A launcher may have ended before the server that it has started.
            Err(_) if start.elapsed() < STOP_TIME => thread::sleep(LOOK),
            Err(error) => {
                return Err(Failure::new(text!("stop.cannot-listen-again", addr, error)));
            }
        }
    }
}

/// The last line before the end of the stream must be one of the server's own.
fn hears_the_last_word(member: &mut Member) -> Result<(), Failure> {
    let last = member.last_line()?;
    is_last_word(member, last.as_deref())
}

fn is_last_word(member: &Member, last: Option<&str>) -> Result<(), Failure> {
    if last.is_some_and(|line| said(line).is_none()) {
        return Ok(());
    }
    let (name, last) = (&member.name, last.unwrap_or_default());
    Err(Failure::new(text!("stop.no-last-word", name, last)))
}

/// As `hears_the_last_word`, for all clients of a room. A server that wakes itself by a connection must
/// not announce that connection as a client.
#[cfg(unix)]
fn hear_of_no_stranger(members: &mut [Member]) -> Result<(), Failure> {
    let addrs: Vec<SocketAddr> = members.iter().map(|member| member.addr).collect();
    for member in members {
        let lines = member.rest()?;
        let is_stranger = |line: &&String| {
            announced(line).is_some_and(|(addr, what)| what == "joined" && !addrs.contains(&addr))
        };
        if let Some(line) = lines.iter().find(is_stranger) {
            let name = &member.name;
            return Err(Failure::new(text!("stop.stranger", name, line)));
        }
        is_last_word(member, lines.last().map(String::as_str))?;
    }
    Ok(())
}

/// The program must end with 0, or as if a signal had ended it. Java does the latter, and so does a program
/// that stops and then lets the signal end it; shells show that as 128 plus the signal's number.
#[cfg(unix)]
fn ended_by(program: &mut crate::Program, signal: rustix::process::Signal) -> Result<(), Failure> {
    use std::os::unix::process::ExitStatusExt as _;

    let number = signal.as_raw();
    let is_of_signal =
        |status: ExitStatus| status.signal() == Some(number) || status.code() == Some(128 + number);
    let status = program.wait()?;
    if status.success() || is_of_signal(status) {
        return Ok(());
    }
    Err(program.failure(&text!("conversation.ended-badly", status)))
}
