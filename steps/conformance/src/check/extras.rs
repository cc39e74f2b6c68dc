//! What the exercises ask of servers, the chat apart.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::messages;
use super::protocol::SHELL_NEWLINE;
use super::subject::{Running, Subject};
use super::wire::{self, Answer};
use crate::{Failure, Peer};

/// The frame that is begun in `half-frame`: it announces this many bytes.
const HALF_FRAME_LEN: u32 = 1000;

/// The time between two bytes of that frame. All of it would take five minutes.
const DRIP: Duration = Duration::from_millis(300);

/// The first byte of a short header, where four more follow with the length.
const LONG: u8 = 255;

/// What a server says of a command that ran too long.
const STOPPED: &str = "stopped\n";

/// The shell waits for a child here: to kill the shell alone does not help.
pub(super) fn time_limit(subject: &Subject) -> Result<(), Failure> {
    let folder = TempDir::new().map_err(|error| messages::cannot_make_folder(&error))?;
    let pid_file = folder.path().join("pid");
    let running = subject.start()?;
    let mut peer = running.connect()?;
    let command = if cfg!(windows) {
        "ping -n 60 127.0.0.1 & echo late".to_owned()
    } else {
        format!("sleep 60 & echo $! > '{}'; wait; echo late", pid_file.display())
    };
    running.ask(&mut peer, &command, STOPPED)?;
    if cfg!(unix) {
        let child = fs::read_to_string(&pid_file).ok().and_then(|pid| pid.trim().parse().ok());
        let child = child.ok_or_else(|| {
            running.explain(Failure::new(text!("extras.stopped-too-early", command)))
        })?;
        let until = Instant::now() + running.deadline;
        while messages::runs(child) {
            if Instant::now() > until {
                let time = format!("{:?}", running.deadline);
                let text = text!("extras.child-still-runs", command, child, time);
                return Err(running.explain(Failure::new(text)));
            }
            thread::sleep(messages::LOOK); // not our child: no event tells that it has ended
        }
    }
    running.exchange(&mut peer, "next")
}

pub(super) fn delimiter(subject: &Subject) -> Result<(), Failure> {
    let mut running = subject.start()?;
    let mut peer = running.connect()?;
    peer.send(b"one\ntwo\nth")?;
    expect_printed(&mut running, "one")?;
    expect_printed(&mut running, "two")?;
    peer.send(b"ree\n\nnot the end of a line")?;
    expect_printed(&mut running, "three")?;
    expect_printed(&mut running, "")?;
    peer.close();
    let mut next = running.connect()?;
    next.send(b"next\n")?;
    expect_printed(&mut running, "next")
}

/// Waits until the server prints a message in quotes, which must be this one.
fn expect_printed(running: &mut Running, message: &str) -> Result<(), Failure> {
    let server = running.program_mut()?;
    loop {
        let line = server.expect_line(&format!("… \"{message}\""))?;
        match quoted(&line) {
            Some(text) if text == message => return Ok(()),
            Some(_) => {
                return Err(server.failure(&text!("extras.other-message", message, line)));
            }
            None => {} // something else that it has to say
        }
    }
}

/// What stands between quotes at the end of a line.
fn quoted(line: &str) -> Option<&str> {
    line.strip_suffix('"')?.rsplit_once('"').map(|(_, text)| text)
}

pub(super) fn half_frame(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut slow = Peer::connect_within(running.addr, DRIP)?;
    slow.send(&HALF_FRAME_LEN.to_be_bytes())?;
    let until = Instant::now() + running.deadline;
    // Every read of the server's gets a byte. If that were enough, this would never end.
    while slow.send(b"x").is_ok() && slow.expect_end().is_err() {
        if Instant::now() >= until {
            let (len, pause) = (HALF_FRAME_LEN, format!("{DRIP:?}"));
            let time = format!("{:?}", running.deadline);
            let text = text!("extras.still-open", len, pause, time);
            return Err(running.explain(Failure::new(text)));
        }
    }
    running.exchange(&mut running.connect()?, "next")
}

pub(super) fn short_header(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let echo = |peer: &mut Peer, text: &str| -> Result<(), Failure> {
        let command = short_frame(format!("echo {text}").as_bytes());
        let answer = short_frame(format!("{text}{SHELL_NEWLINE}").as_bytes());
        let echoed = peer.send(&command).and_then(|()| peer.expect(&answer));
        echoed.map_err(|failure| {
            let len = text.len();
            running.explain(failure.after(text!("extras.after-echo", len)))
        })
    };
    let mut peer = running.connect()?;
    let longest = usize::from(LONG) - 1;
    // The longest answer with a short header, and the shortest with a long one; so for commands.
    let (answer, command) = (longest - SHELL_NEWLINE.len(), longest - "echo ".len());
    for len in [2, answer, answer + 1, command, command + 1, 1000] {
        echo(&mut peer, &"x".repeat(len))?;
    }
    drop(peer);
    for (done, bytes) in [
        (text!("extras.after-long-seven"), &b"\xff\0\0\0\x07echo hi"[..]),
        (text!("extras.after-hostile"), &[LONG; 5]),
    ] {
        let mut liar = running.connect()?;
        let ended = liar.send(bytes).and_then(|()| liar.expect_end());
        ended.map_err(|failure| running.explain(failure.after(done)))?;
    }
    echo(&mut running.connect()?, "next")
}

/// Bytes with their length in front, in one byte if that is enough.
fn short_frame(payload: &[u8]) -> Vec<u8> {
    match u8::try_from(payload.len()) {
        Ok(len) if len < LONG => [&[len], payload].concat(),
        _ => [&[LONG][..], &wire::frame(payload)].concat(),
    }
}

pub(super) fn millis(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut peer = running.connect()?;
    // A second is a little shorter where clocks are coarse.
    let (pause, least) = (if cfg!(windows) { "ping -n 2 127.0.0.1" } else { "sleep 1" }, 900);
    for (command, least) in [("echo hello", 0), (pause, least), ("echo hello", 0)] {
        let start = Instant::now();
        let answer = peer.send(&wire::run(command)).and_then(|()| Answer::receive(&mut peer));
        let most = start.elapsed().as_millis();
        let explain = |failure: Failure| {
            running.explain(failure.after(text!("extras.after-command", command)))
        };
        let answer = answer.map_err(explain)?;
        let millis = answer.header["millis"].as_u64().map(u128::from);
        let is_told = millis.is_some_and(|millis| (least..=most).contains(&millis));
        if !is_told || answer.error().is_some() || answer.header["status"] != 0 {
            return Err(explain(Failure::new(text!("extras.other-millis", least, most, answer))));
        }
    }
    Ok(())
}

pub(super) fn list(subject: &Subject) -> Result<(), Failure> {
    let root = folder_with_files()
        .map_err(|error| Failure::new(text!("extras.cannot-make-files", error)))?;
    let running = subject.start_with(&["--root".as_ref(), root.path().as_ref()])?;
    let mut peer = running.connect()?;
    let mut ask = |request: &str| {
        let header = json!({ "request": request }).to_string();
        peer.send(&wire::frame(header.as_bytes()))
            .and_then(|()| Answer::receive(&mut peer))
            .map_err(|failure| {
                running.explain(Failure::new(text!("extras.after-header", header, failure)))
            })
    };
    let mut expected = vec![("empty.txt".to_owned(), 0), ("three bytes.txt".to_owned(), 3)];
    for _ in 0..2 {
        let answer = ask("list")?;
        let mut entries = entries(&answer.body).unwrap_or_default();
        entries.sort();
        expected.sort();
        if answer.error().is_some() || entries != expected {
            return Err(running.explain(Failure::new(text!("extras.other-list", answer))));
        }
        let answer = ask("dance")?;
        if answer.error().is_none() {
            return Err(running.explain(Failure::new(text!("extras.no-error", answer))));
        }
    }
    Ok(())
}

/// Two files, and a folder, which is none.
fn folder_with_files() -> std::io::Result<TempDir> {
    let root = TempDir::new()?;
    fs::write(root.path().join("empty.txt"), "")?;
    fs::write(root.path().join("three bytes.txt"), "abc")?;
    fs::create_dir(root.path().join("folder"))?;
    Ok(root)
}

/// The lines of a list; `None` if one of them is something else.
fn entries(body: &[u8]) -> Option<Vec<(String, u64)>> {
    let entry = |line: &str| {
        let entry: Value = serde_json::from_str(line).ok()?;
        Some((entry["filename"].as_str()?.to_owned(), entry["size"].as_u64()?))
    };
    str::from_utf8(body).ok()?.lines().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_stands_between_the_last_two_quotes() {
        assert_eq!(quoted("127.0.0.1:50001: \"hello you\""), Some("hello you"));
        assert_eq!(quoted("\"\""), Some(""));
        assert_eq!(quoted("read 3 bytes"), None);
        assert_eq!(quoted("\""), None);
    }

    #[test]
    fn a_list_is_read_only_if_every_line_is_an_entry() {
        let body = b"{\"filename\":\"a\",\"size\":1}\n{\"size\":0,\"filename\":\"b\"}\n";
        assert_eq!(entries(body), Some(vec![("a".to_owned(), 1), ("b".to_owned(), 0)]));
        assert_eq!(entries(b""), Some(Vec::new()));
        assert_eq!(entries(b"{\"filename\":\"a\"}\n"), None);
        assert_eq!(entries(b"a 1\n"), None);
    }
}
