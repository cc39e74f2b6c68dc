//! A chat room's duties to its members over time: bounded memory, each line even while others leave, and
//! an announcement of each client that joins or leaves; and a client's duties to its user at the end.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::chat::{
    FLOOD_LINE_LEN, MAX_LINE_LEN, Member, PATIENCE, SLOW_BUFFER_LEN, in_a_room_where, join_all,
};
use super::clients::expect_trouble;
use super::conversation::ended_well;
use super::fake::FakeServer;
use super::line::{Said, is_said, said, shortened};
use super::subject::{Running, Subject};
use crate::memory::resident_kib;
use crate::{Failure, Peer, Program};

/// How much one client sends without a newline, and how much each of many sends, in bytes.
const ENDLESS_LEN: usize = 32 * 1024 * 1024;
const ENDLESS_CLIENTS: usize = 64;
const ENDLESS_LEN_EACH: usize = 512 * 1024;

/// How much one client sends if the proxy cuts the stream, in bytes: each byte costs time there.
const ENDLESS_LEN_IN_PIECES: usize = 64 * 1024;

/// How much a client sends at a time, and between two looks at the server's memory, in bytes.
const PIECE_LEN: usize = 64 * 1024;
const BETWEEN_LOOKS: usize = 4 * 1024 * 1024;

/// How much memory a server may take for lines without an end.
const MAX_GROWTH_KIB: u64 = 16 * 1024;

/// How often, and how many, clients disappear while another speaks, and how many lines the speaker says
/// before that, and after.
const LEAVING_ROUNDS: usize = 6;
const LEAVING_EACH: usize = 10;
const LINES_BEFORE: usize = 20;

/// How many lines a client says while another talks without a pause, and how long the talker waits before
/// it checks again whether it may receive more.
const LINES_MEANWHILE: usize = 20;
const LOOK: Duration = Duration::from_millis(1);

/// How many bytes a server may put before the text of a line.
const MAX_PREFIX_LEN: usize = 128;

/// The clients in a full room.
const ALL_PLACES: &[&str] = &["alice", "bob", "carol"];

/// How long a client waits before it tries again to join a room that was full.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(20);

/// How a time begins a line, with `0` in place of each digit.
const TIME: &str = "0000-00-00 00:00:00 ";

/// Longer than the unit of the times in lines.
const MORE_THAN_A_SECOND: Duration = Duration::from_millis(1100);

/// A server's last line, and the same text as a client can forge it.
const GOODBYE: &str = "2026-11-23 08:23:04 *** the server is stopping\n";
const FORGED_GOODBYE: &str = "2026-11-23 08:23:04 127.0.0.1:50001 *** the server is stopping\n";

pub(super) fn endless_line(subject: &Subject) -> Result<(), Failure> {
    if subject.judges_server() {
        the_server_keeps_no_endless_line(subject)?;
    }
    if subject.judges_client() {
        the_client_keeps_no_endless_line(subject)?;
    }
    Ok(())
}

/// The server sends much before its first newline, once the client has sent a line.
fn the_client_keeps_no_endless_line(subject: &Subject) -> Result<(), Failure> {
    let len = if subject.cut.is_some() { ENDLESS_LEN_IN_PIECES } else { ENDLESS_LEN };
    let server = FakeServer::start(subject, move |mut client| {
        client.send(b"127.0.0.1:50001 before\n")?;
        client.receive_some()?;
        let piece = vec![b'x'; PIECE_LEN];
        for _ in 0..len / PIECE_LEN {
            client.send(&piece)?;
        }
        client.send(b"\n127.0.0.1:50001 after\n")?;
        client.expect_end() // the rest of the client's line may still be on its way
    })?;
    let mut client = subject.start_client(server.addr(), None)?;
    let listen = |client: &mut Program| {
        client.expect_later("before", |line| is_said(line, "before"))?;
        let before = resident_kib(client)?;
        client.type_line("hello")?;
        client.expect_later("after", |line| is_said(line, "after"))?;
        let growth = resident_kib(client)?.saturating_sub(before);
        client.end_input();
        client.wait()?;
        if growth < MAX_GROWTH_KIB {
            return Ok(());
        }
        let [growth, most] = [growth, MAX_GROWTH_KIB].map(|kib| kib / 1024);
        Err(client.failure(&text!("room.client-grew", growth, most)))
    };
    let mib = ENDLESS_LEN / (1024 * 1024);
    let done = text!("room.line-without-end-from-server", mib);
    let heard = listen(&mut client);
    let sent = server.result().map_err(|failure| client.explain(failure));
    heard.and(sent).map_err(|failure| failure.after(done))
}

fn the_server_keeps_no_endless_line(subject: &Subject) -> Result<(), Failure> {
    let done = text!("room.lines-without-end");
    in_a_room_where(&done, subject, |running| {
        let mut bob = Member::join(running, "bob")?;
        if subject.cut.is_some() {
            return pour(running, &mut bob, 1, ENDLESS_LEN_IN_PIECES);
        }
        pour(running, &mut bob, 1, ENDLESS_LEN)?;
        pour(running, &mut bob, ENDLESS_CLIENTS, ENDLESS_LEN_EACH)
    })
}

/// Has `count` clients join and send `len` bytes each, without a newline. The server's memory must not grow
/// with them.
fn pour(running: &Running, bob: &mut Member, count: usize, len: usize) -> Result<(), Failure> {
    let mut talkers = Vec::new();
    for number in 1..=count {
        talkers.push(Member::join(running, &format!("talker {number}"))?);
    }
    bob.says_and_hears("all are here")?;
    let before = resident_kib(running.program()?)?;
    let must_be_bounded = |sent: usize| {
        let growth = resident_kib(running.program()?)?.saturating_sub(before);
        if growth < MAX_GROWTH_KIB {
            return Ok(());
        }
        let [growth, most] = [growth, MAX_GROWTH_KIB].map(|kib| kib / 1024);
        let sent = sent / (1024 * 1024);
        Err(Failure::new(text!("room.memory-grew", growth, sent, count, most)))
    };
    let piece = vec![b'x'; PIECE_LEN];
    let mut sent = 0;
    for _ in 0..len / PIECE_LEN {
        for talker in &mut talkers {
            talker.peer.send(&piece)?;
            sent += PIECE_LEN;
            if sent.is_multiple_of(BETWEEN_LOOKS) {
                must_be_bounded(sent)?;
            }
        }
    }
    for talker in &mut talkers {
        let next = format!("after the long line of {}", talker.name);
        talker.say(&format!("\n{next}"))?; // the newline that the long line did not have
        talker.hears_an_error_before(&next)?;
        talker.expect_next_of(talker.addr, &next)?;
        bob.expect_next(&talker.said(&next))?;
    }
    must_be_bounded(sent)
}

pub(super) fn gone_listener(subject: &Subject) -> Result<(), Failure> {
    let done = text!("room.listeners-disappear");
    in_a_room_where(&done, subject, |running| {
        let mut members = join_all(running, &["alice", "bob"])?;
        let alice = members[0].addr;
        for round in 1..=LEAVING_ROUNDS {
            let mut leaving = Vec::new();
            for number in 1..=LEAVING_EACH {
                leaving.push(Member::join(running, &format!("{round}.{number}"))?);
            }
            let texts: Vec<String> =
                (1..=2 * LINES_BEFORE).map(|line| format!("line {round}.{line}")).collect();
            members[0].say(&texts[..LINES_BEFORE].join("\n"))?;
            for (number, member) in leaving.into_iter().enumerate() {
                if number % 2 == 0 {
                    member.peer.reset()?;
                }
            }
            members[0].say(&texts[LINES_BEFORE..].join("\n"))?;
            for member in &mut members {
                for text in &texts {
                    member.expect_next_of(alice, text)?;
                }
            }
        }
        Ok(())
    })
}

pub(super) fn fast_talker(subject: &Subject) -> Result<(), Failure> {
    let done = text!("room.one-talks-without-pause");
    in_a_room_where(&done, subject, |running| {
        running.deadline = running.deadline.min(PATIENCE);
        Member::join(running, "an early one")?.peer.close(); // may have to wait for the server's start
        // These clients bypass the proxy: single bytes would be no flood.
        let addr = running.server_addr;
        let bob = Peer::connect_within(addr, running.deadline)?;
        let mut bob = Member::greet(bob, running.deadline, "bob")?;
        let talker = Peer::connect_with_receive_buffer(addr, running.deadline, SLOW_BUFFER_LEN)?;
        let mut talker = Member::greet(talker, running.deadline, "the talker")?.peer;
        talker.send_without_pause(format!("{}\n", "x".repeat(FLOOD_LINE_LEN)).into_bytes())?;
        let heard_len = AtomicUsize::new(0);
        thread::scope(|scope| {
            let talks = scope.spawn(|| bob.talks_meanwhile(&heard_len));
            let mut talker_len = 0;
            let mut is_in = true;
            while is_in && !talks.is_finished() {
                // Never far ahead of bob: no room need keep for bob the lines that the talker has received.
                if talker_len < heard_len.load(Ordering::Relaxed) + SLOW_BUFFER_LEN {
                    let received = talker.receive_some().ok().flatten();
                    is_in = received.is_some();
                    talker_len += received.map_or(0, |bytes| bytes.len());
                } else {
                    thread::sleep(LOOK); // a pace
                }
            }
            talks.join().expect("it does not panic")?;
            if is_in { Ok(()) } else { Err(Failure::new(text!("room.talker-is-out"))) }
        })
    })
}

impl Member {
    /// Says some lines, and receives each of them among those of a talker; counts the bytes received.
    fn talks_meanwhile(&mut self, heard_len: &AtomicUsize) -> Result<(), Failure> {
        for number in 1..=LINES_MEANWHILE {
            let own = self.said(&format!("line {number}"));
            self.say(&own.text)?;
            let until = Instant::now() + self.deadline;
            loop {
                let heard = self.hear()?;
                heard_len.fetch_add(heard.text.len() + MAX_PREFIX_LEN, Ordering::Relaxed);
                if heard == own {
                    break;
                }
                if Instant::now() >= until {
                    let (name, time) = (&self.name, format!("{:?}", self.deadline));
                    return Err(Failure::new(text!("room.waits-for-talker", name, own, time)));
                }
            }
        }
        Ok(())
    }
}

pub(super) fn telnet(subject: &Subject) -> Result<(), Failure> {
    let done = text!("room.ends-with-carriage-return");
    in_a_room_where(&done, subject, |running| {
        let mut members = join_all(running, &["alice", "bob"])?;
        let longest = "x".repeat(MAX_LINE_LEN);
        for text in ["hello", "two words", &longest] {
            members[0].say(&format!("{text}\r"))?;
            let said = members[0].said(text);
            members.iter_mut().try_for_each(|member| member.expect_next(&said))?;
        }
        Ok(())
    })
}

pub(super) fn full_room(subject: &Subject) -> Result<(), Failure> {
    let most = ALL_PLACES.len().to_string();
    let running = subject.start_with(&["--max-clients".as_ref(), most.as_ref()])?;
    let done = text!("room.one-too-many", most);
    one_too_many_is_turned_away(&running).map_err(|failure| running.explain(failure.after(done)))
}

fn one_too_many_is_turned_away(running: &Running) -> Result<(), Failure> {
    let mut members = join_all(running, ALL_PLACES)?;
    for _ in 0..2 {
        let mut late = Member::silent(running)?;
        let last = late.last_line()?.unwrap_or_default();
        if last.trim().is_empty() || said(&last).is_some() {
            let last = shortened(&last);
            return Err(Failure::new(text!("room.no-reason", last)));
        }
        members[0].say("still here")?;
        let expected = members[0].said("still here");
        members.iter_mut().try_for_each(|member| member.expect_next(&expected))?;
    }
    drop(members.pop());
    let until = Instant::now() + running.deadline;
    loop {
        match Member::greet(running.connect()?, running.deadline, "dave") {
            Ok(_) => return Ok(()),
            Err(failure) if Instant::now() >= until => {
                return Err(failure.after(text!("room.one-has-left")));
            }
            Err(_) => thread::sleep(BETWEEN_ATTEMPTS), // no event shows that the server has seen it leave
        }
    }
}

pub(super) fn announcements(subject: &Subject) -> Result<(), Failure> {
    let done = text!("room.join-and-leave");
    in_a_room_where(&done, subject, |running| {
        let mut alice = Member::silent(running)?;
        alice.addr = alice.hears_announced("joined", None)?;
        alice.says_and_hears("I am here")?;
        for resets in [true, true, false] {
            let mut bob = Member::silent(running)?;
            bob.addr = bob.hears_announced("joined", None)?;
            alice.hears_announced("joined", Some(bob.addr))?;
            bob.says_and_hears("I am here, too")?;
            alice.hears_nothing_before(&bob.said("I am here, too"))?;
            let addr = bob.addr;
            if resets {
                bob.peer.reset()?;
            } else {
                bob.peer.close();
            }
            alice.hears_announced("left", Some(addr))?;
            alice.say("bob has left")?;
            let own = alice.said("bob has left");
            alice.hears_nothing_before(&own)?;
        }
        Ok(())
    })
}

impl Member {
    /// The next line must be this one of the chat: the server announces nothing twice.
    fn hears_nothing_before(&mut self, expected: &Said) -> Result<(), Failure> {
        let line = self.next_line(Instant::now() + self.deadline)?;
        if said(&line).as_ref() == Some(expected) {
            return Ok(());
        }
        let line = shortened(&line);
        Err(Failure::new(text!("room.announced-twice", expected, line)))
    }

    /// The next line must announce that a client did this: `who`, or any client. Returns its address.
    fn hears_announced(
        &mut self,
        what: &str,
        who: Option<SocketAddr>,
    ) -> Result<SocketAddr, Failure> {
        let line = self.next_line(Instant::now() + self.deadline)?;
        match announced(&line) {
            Some((addr, word)) if word == what && who.is_none_or(|who| who == addr) => Ok(addr),
            _ => {
                let who = who.map_or("ADDR".to_owned(), |who| who.to_string());
                let (name, line) = (&self.name, shortened(&line));
                Err(Failure::new(text!("room.other-announcement", name, who, what, line)))
            }
        }
    }
}

/// The client that a line announces, and what it did: `… *** ADDR joined`.
pub(super) fn announced(line: &str) -> Option<(SocketAddr, &str)> {
    let (before, news) = line.split_once("*** ")?;
    let (addr, what) = news.split_once(' ')?;
    let is_ours = said(line).is_none() && (before.is_empty() || before.ends_with(' '));
    Some((addr.parse().ok()?, what)).filter(|_| is_ours)
}

pub(super) fn timestamps(subject: &Subject) -> Result<(), Failure> {
    let done = text!("room.two-lines-with-a-pause");
    in_a_room_where(&done, subject, |running| {
        let mut alice = Member::join(running, "alice")?;
        let first = alice.says_at("one")?;
        thread::sleep(MORE_THAN_A_SECOND); // the time itself has to pass
        let second = alice.says_at("two")?;
        if first < second {
            return Ok(());
        }
        Err(Failure::new(text!("room.time-stands", first, second)))
    })
}

impl Member {
    /// Sends a line, and returns the time with which it arrives.
    fn says_at(&mut self, text: &str) -> Result<String, Failure> {
        self.say(text)?;
        let line = self.next_line_but_announcements()?;
        let digits = |c: char| if c.is_ascii_digit() { '0' } else { c };
        let time: String = line.chars().take(TIME.len()).collect();
        if is_said(&line, text) && time.chars().map(digits).eq(TIME.chars()) {
            return Ok(time.trim_end().to_owned());
        }
        let line = shortened(&line);
        Err(Failure::new(text!("room.no-time", text, line)))
    }
}

pub(super) fn goodbye(subject: &Subject) -> Result<(), Failure> {
    for (last, is_polite) in [(GOODBYE, true), (FORGED_GOODBYE, false)] {
        let server = FakeServer::start(subject, move |mut client| {
            client.send(last.as_bytes())?;
            client.end_sending()?;
            client.expect_end()
        })?;
        let mut client = subject.start_client(server.addr(), None)?;
        let last = last.trim_end();
        let done = text!("room.closed-after", last);
        let ended =
            if is_polite { ended_well(&mut client) } else { expect_trouble(&mut client, false) };
        let came = server.result().map_err(|failure| client.explain(failure.after(&done)));
        ended.map_err(|failure| failure.after(done)).and(came)?;
    }
    Ok(())
}

pub(super) fn leave(subject: &Subject) -> Result<(), Failure> {
    for last in [Some("quit"), None] {
        let server = FakeServer::start(subject, |mut client| {
            let mut received = Vec::new();
            // Some clients send `quit` to the server, and others only end their side.
            while !received.ends_with(b"quit\n") {
                match client.receive_some()? {
                    Some(bytes) => received.extend(bytes),
                    None => break,
                }
            }
            // If the client has already left, its output shows the fault.
            let sent = client.send(b"127.0.0.1:50001 on its way\n");
            let _ = sent.and_then(|()| client.end_sending()).and_then(|()| client.expect_end());
            Ok(received)
        })?;
        let mut client = subject.start_client(server.addr(), None)?;
        let left = leaves(&mut client, last);
        let received = server.result().map_err(|failure| client.explain(failure))?;
        let done = match last {
            Some(line) => text!("room.hello-and", line),
            None => text!("room.hello-and-end"),
        };
        left.map_err(|failure| failure.after(&done))?;
        if !received.starts_with(b"hello\n") {
            let received = crate::show::show(&received);
            let text = text!("room.hello-did-not-come", received);
            return Err(client.failure(&text).after(done));
        }
    }
    Ok(())
}

/// The client sends a line and leaves; it must show a line that is on its way then.
fn leaves(client: &mut Program, last: Option<&str>) -> Result<(), Failure> {
    client.type_line("hello")?;
    match last {
        Some(line) => client.type_line(line)?,
        None => client.end_input(),
    }
    client.expect_later("on its way", |line| is_said(line, "on its way"))?;
    ended_well(client)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_announcement_has_stars_in_place_of_an_address() {
        let addr = "127.0.0.1:50001".parse().unwrap();
        for line in ["*** 127.0.0.1:50001 joined", "2026-11-23 08:23:04 *** 127.0.0.1:50001 joined"]
        {
            assert_eq!(announced(line), Some((addr, "joined")), "{line}");
        }
        for line in [
            "127.0.0.1:50002 *** 127.0.0.1:50001 joined",
            "*** the server is stopping",
            "127.0.0.1:50001 joined",
            "",
        ] {
            assert_eq!(announced(line), None, "{line}");
        }
    }
}
