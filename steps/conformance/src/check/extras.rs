//! What the exercises require of servers, except for the chat.

use std::fs;
use std::io;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::commands;
use super::messages;
use super::protocol::SHELL_NEWLINE;
use super::subject::{Running, Subject};
use super::wire::{self, Answer};
use crate::show::show;
use crate::{Failure, Peer};

/// The length that the unfinished frame of `half-frame` announces, in bytes.
const HALF_FRAME_LEN: u32 = 1000;

/// The time between two bytes of that frame. The whole frame would take five minutes.
const DRIP: Duration = Duration::from_millis(300);

/// The first byte of a long header, which four bytes with the length follow.
const LONG: u8 = 255;

/// The server's answer to a command that ran too long.
const STOPPED: &str = "stopped\n";

/// How many lines on each stream exceed the room in a pipe, 64 KiB on most systems.
const MORE_THAN_A_PIPE: usize = 200;

/// The length of a message that one read does not take, in bytes.
const LONG_MESSAGE_LEN: usize = 3000;

/// How long a client thinks between two frames: longer than a frame may take.
const THINKING: Duration = Duration::from_millis(2500);

/// The shell waits for a child here: killing the shell alone does not help. Neither does `SIGTERM`, since
/// both ignore it.
pub(super) fn time_limit(subject: &Subject) -> Result<(), Failure> {
    let folder = TempDir::new().map_err(|error| messages::cannot_make_folder(&error))?;
    let pid_file = folder.path().join("pid");
    let running = subject.start()?;
    let mut peer = running.connect()?;
    // The answer to a command that ends in time is the same as before, even if it exceeds the room in a pipe.
    let in_time =
        if cfg!(windows) { "ping -n 2 127.0.0.1 >nul&echo done" } else { "sleep 1; echo done" };
    running.ask(&mut peer, in_time, format!("done{SHELL_NEWLINE}"))?;
    let (command, answer) = commands::both(MORE_THAN_A_PIPE);
    running.ask(&mut peer, command, answer)?;
    let command = if cfg!(windows) {
        "echo early&ping -n 60 127.0.0.1&echo late".to_owned()
    } else {
        let pid_file = pid_file.display();
        format!("trap '' TERM; echo early; sleep 60 & echo $! > '{pid_file}'; wait; echo late")
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
            thread::sleep(messages::LOOK); // not our child: no event reports that it has ended
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
    let long = "x".repeat(LONG_MESSAGE_LEN);
    peer.send(format!("\n{long}\n and this is not the end of one, either").as_bytes())?;
    expect_printed(&mut running, "not the end of a line")?;
    expect_printed(&mut running, &long)?;
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
            None => {} // another report of the server
        }
    }
}

/// Returns the text between quotes at the end of a line.
fn quoted(line: &str) -> Option<&str> {
    line.strip_suffix('"')?.rsplit_once('"').map(|(_, text)| text)
}

pub(super) fn half_frame(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut thinker = running.connect()?;
    running.exchange(&mut thinker, "before")?;
    thread::sleep(THINKING); // the check waits for nothing to happen, and there is no event for that
    let thought = in_pieces_but_in_time(&running, &mut thinker);
    let time = format!("{THINKING:?}");
    thought.map_err(|failure| failure.after(text!("extras.has-thought", time)))?;
    drop(thinker);

    let mut silent = running.connect()?;
    let ended =
        silent.send(&HALF_FRAME_LEN.to_be_bytes()[..2]).and_then(|()| silent.expect_refusal());
    ended.map_err(|failure| running.explain(failure.after(text!("extras.half-a-header"))))?;
    drop(silent);

    let mut slow = Peer::connect_within(running.addr, DRIP)?;
    slow.send(&HALF_FRAME_LEN.to_be_bytes())?;
    let until = Instant::now() + running.deadline;
    // Each read by the server gets a byte. If that were enough, this would never end.
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

/// A frame in three pieces, with short pauses between them that the server must allow.
fn in_pieces_but_in_time(running: &Running, peer: &mut Peer) -> Result<(), Failure> {
    let (message, answer) = running.protocol.exchange("slowly");
    let bytes = running.protocol.on_the_wire(message);
    let (first, last) = bytes.split_at(bytes.len() - 1);
    for piece in [&first[..2], &first[2..]] {
        peer.send(piece)?;
        thread::sleep(DRIP); // the server has to allow this pause
    }
    let answered = peer.send(last).and_then(|()| running.protocol.expect_answer(peer, answer));
    answered.map_err(|failure| running.explain(failure))
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
    // The longest answer with a short header, and the shortest with a long one; the same for commands.
    let (answer, command) = (longest - SHELL_NEWLINE.len(), longest - "echo ".len());
    for len in [2, answer, answer + 1, command, command + 1, 1000] {
        echo(&mut peer, &"x".repeat(len))?;
    }
    drop(peer);
    let long_frame = |payload: &[u8]| [&[LONG][..], &wire::frame(payload)].concat();
    let longest = format!("echo {}", "x".repeat(command));
    for (done, bytes) in [
        (text!("extras.after-long-seven"), long_frame(b"echo hi")),
        (text!("extras.after-long-254"), long_frame(longest.as_bytes())),
        (text!("extras.after-one-too-many"), b"\xff\x01\0\0\x01".to_vec()),
        (text!("extras.after-hostile"), vec![LONG; 5]),
    ] {
        let mut liar = running.connect()?;
        let ended = liar.send(&bytes).and_then(|()| liar.expect_refusal());
        ended.map_err(|failure| running.explain(failure.after(&done)))?;
        echo(&mut running.connect()?, "next").map_err(|failure| failure.after(done))?;
    }
    for bytes in [&b"\x07echo h"[..], b"\xff\0\0", b"\xff\0\0\x01\0echo"] {
        let mut hasty = running.connect()?;
        let ended = hasty.send(bytes).and_then(|()| hasty.end_sending());
        ended
            .and_then(|()| hasty.expect_refusal())
            .and_then(|()| echo(&mut running.connect()?, "next"))
            .map_err(|failure| {
                let bytes = show(bytes);
                running.explain(failure.after(text!("extras.after-cut-off", bytes)))
            })?;
    }
    Ok(())
}

/// Bytes with a length prefix, of one byte if that is enough.
fn short_frame(payload: &[u8]) -> Vec<u8> {
    match u8::try_from(payload.len()) {
        Ok(len) if len < LONG => [&[len], payload].concat(),
        _ => [&[LONG][..], &wire::frame(payload)].concat(),
    }
}

pub(super) fn millis(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut peer = running.connect()?;
    // Commands that take long, take less than a second, end at once, or fail: no constant fits all
    // of them, and neither do whole seconds. Some clocks are coarse, so a little less is enough.
    let commands: &[(&str, u128, u64)] = if cfg!(windows) {
        &[("echo hello", 0, 0), ("ping -n 2 127.0.0.1", 900, 0), ("exit 3", 0, 3)]
    } else {
        &[
            ("echo hello", 0, 0),
            ("sleep 1.3", 1280, 0),
            ("sleep 0.4", 380, 0),
            ("sleep 0.2; exit 3", 180, 3),
            ("exit 3", 0, 3),
        ]
    };
    for (command, least, status) in commands {
        let start = Instant::now();
        let answer = peer.send(&wire::run(command)).and_then(|()| Answer::receive(&mut peer));
        let most = start.elapsed().as_millis();
        let explain = |failure: Failure| {
            running.explain(failure.after(text!("extras.after-command", command)))
        };
        let answer = answer.map_err(explain)?;
        let millis = answer.header["millis"].as_u64().map(u128::from);
        let is_told = millis.is_some_and(|millis| (*least..=most).contains(&millis));
        if !is_told || answer.error().is_some() || answer.header["status"] != *status {
            let text = text!("extras.other-millis", status, least, most, answer);
            return Err(explain(Failure::new(text)));
        }
    }
    Ok(())
}

pub(super) fn list(subject: &Subject) -> Result<(), Failure> {
    let root = TempDir::new().map_err(|error| messages::cannot_make_folder(&error))?;
    {
        let running = subject.start_with(&["--root".as_ref(), root.path().as_ref()])?;
        let mut peer = running.connect()?;
        expect_list(&running, &mut peer, &[])?;
    }
    let files = make_files(root.path(), subject.cut.is_some())
        .map_err(|error| Failure::new(text!("extras.cannot-make-files", error)))?;
    let running = subject.start_with(&["--root".as_ref(), root.path().as_ref()])?;
    let mut peer = running.connect()?;
    expect_list(&running, &mut peer, &files)?;
    let answer = ask(&running, &mut peer, "dance")?;
    if answer.error().is_none() {
        return Err(running.explain(Failure::new(text!("extras.no-error", answer))));
    }
    // The next list must show what has changed since then.
    let removed = fs::remove_file(root.path().join(&files[0].0));
    removed.map_err(|error| Failure::new(text!("extras.cannot-make-files", error)))?;
    expect_list(&running, &mut peer, &files[1..])
}

/// Sends a request without further fields, and receives its answer.
fn ask(running: &Running, peer: &mut Peer, request: &str) -> Result<Answer, Failure> {
    let header = json!({ "request": request }).to_string();
    let asked = peer.send(&wire::frame(header.as_bytes())).and_then(|()| Answer::receive(peer));
    asked.map_err(|failure| {
        running.explain(Failure::new(text!("extras.after-header", header, failure)))
    })
}

/// Asks for the list, which must contain exactly these files.
fn expect_list(running: &Running, peer: &mut Peer, files: &[(String, u64)]) -> Result<(), Failure> {
    let answer = ask(running, peer, "list")?;
    let failed = |text: String| Err(running.explain(Failure::new(text)));
    if answer.error().is_some() {
        return failed(text!("extras.no-list", answer));
    }
    let mut listed = match entries(&answer.body) {
        Ok(listed) => listed,
        Err(line) => return failed(text!("extras.no-entry-in-line", line)),
    };
    listed.sort();
    let mut expected = files.to_vec();
    expected.sort();
    if listed == expected {
        return Ok(());
    }
    let missing = expected.iter().find(|file| !listed.contains(file)).map(shown_entry);
    let surplus = listed.iter().find(|file| !expected.contains(file)).map(shown_entry);
    let none = || text!("extras.no-entry");
    let count = files.len();
    let (missing, surplus) = (missing.unwrap_or_else(none), surplus.unwrap_or_else(none));
    let listed = listed.len();
    failed(text!("extras.other-list", count, listed, missing, surplus))
}

/// An entry of the list, for a failure message.
fn shown_entry((filename, size): &(String, u64)) -> String {
    json!({ "filename": filename, "size": size }).to_string()
}

/// How many files with a long name there are. Their entries do not fit into a header.
const LONG_NAMES: usize = 400;
const LONG_NAME_LEN: usize = 200;

/// Makes files to be listed and returns them; also makes entries that are no files: a folder with a file
/// in it, links, and a FIFO.
fn make_files(root: &Path, are_few: bool) -> io::Result<Vec<(String, u64)>> {
    let mut names = vec!["empty.txt", "three bytes.txt", "Grüße 你好.txt", ".hidden"];
    if cfg!(unix) {
        names.push("\"quoted\"\nin two lines.txt");
    }
    let long = (0..if are_few { 0 } else { LONG_NAMES })
        .map(|number| format!("{number:03} {}", "x".repeat(LONG_NAME_LEN)));
    let names: Vec<String> = names.into_iter().map(str::to_owned).chain(long).collect();
    let mut files = Vec::new();
    for (number, name) in names.into_iter().enumerate() {
        let size = if number == 1 { 3 } else { number };
        fs::write(root.join(&name), "x".repeat(size))?;
        files.push((name, size as u64));
    }
    let folder = root.join("folder");
    fs::create_dir(&folder)?;
    fs::write(folder.join("inside.txt"), "not in the root itself")?;
    make_no_files(root)?;
    Ok(files)
}

/// Makes links of all kinds and a FIFO, and takes the read permission from a file, which stays in the list.
#[cfg(unix)]
fn make_no_files(root: &Path) -> io::Result<()> {
    use std::os::unix::fs::{PermissionsExt, symlink};

    symlink("/nowhere", root.join("broken link"))?;
    symlink("folder", root.join("link to a folder"))?;
    symlink("three bytes.txt", root.join("link to a file"))?;
    fs::set_permissions(root.join(".hidden"), fs::Permissions::from_mode(0o000))?;
    messages::make_fifo(&root.join("fifo"))
}

/// Windows lets only administrators make links, and has no FIFOs in folders.
#[cfg(not(unix))]
fn make_no_files(_root: &Path) -> io::Result<()> {
    Ok(())
}

/// The entries of a list. The error is the first entry that is something else.
fn entries(body: &[u8]) -> Result<Vec<(String, u64)>, String> {
    let entry = |line: &str| {
        let entry: Value = serde_json::from_str(line).ok()?;
        Some((entry["filename"].as_str()?.to_owned(), entry["size"].as_u64()?))
    };
    let text = String::from_utf8_lossy(body);
    text.lines().map(|line| entry(line).ok_or_else(|| show(line.as_bytes()))).collect()
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
        assert_eq!(entries(body), Ok(vec![("a".to_owned(), 1), ("b".to_owned(), 0)]));
        assert_eq!(entries(b""), Ok(Vec::new()));
        entries(b"{\"filename\":\"a\"}\n").unwrap_err();
        assert_eq!(entries(b"a 1\n"), Err("b\"a 1\"".to_owned()));
    }
}
