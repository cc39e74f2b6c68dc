//! A chat room's duties to its clients: each line reaches all of them, and none of them can disturb the rest.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use super::conversation::{MANY, ended_well};
use super::line::{Said, is_error, is_said, next_line, said, shortened};
#[cfg(target_os = "linux")]
use super::linux;
use super::subject::{Running, Subject};
use crate::memory::resident_kib;
use crate::{Failure, Peer, Program};

/// The most bytes that a line may have, without its ending.
pub(super) const MAX_LINE_LEN: usize = 4096;

/// Characters that act on a terminal or on the surrounding text: one or two of each kind.
const CONTROL_CHARACTERS: &[(char, &str)] = &[
    ('\u{1b}', "escape"),
    ('\0', "NUL"),
    ('\u{8}', "backspace"),
    ('\r', "carriage return, inside the line"),
    ('\u{7f}', "delete"),
    ('\u{85}', "next line"),
    ('\u{9b}', "control sequence introducer"),
    ('\u{2028}', "line separator"),
    ('\u{2029}', "paragraph separator"),
    ('\u{200f}', "right-to-left mark"),
    ('\u{202e}', "right-to-left override"),
    ('\u{2067}', "right-to-left isolate"),
];

/// How many clients speak at once.
pub(super) const SPEAKERS: usize = 5;

/// How many lines each of them says, and how many if the proxy cuts the stream, where each byte costs time.
const LINES_EACH: usize = 300;
const LINES_EACH_IN_PIECES: usize = 20;

/// How many of the last lines a client that joins must receive, in an exercise.
const REMEMBERED_LINES: usize = 10;

/// How many clients join while another talks, and how many lines the talker says just before each of
/// them, and just after.
const LATECOMERS: usize = 20;
const LINES_AROUND: usize = 20;

/// How many lines each client may say in a second, in another exercise, and how many the hasty client says.
const LINES_A_SECOND: usize = 10;
const HASTY_LINES: usize = 35;

/// How often a client gives a name away while others ask for it, and how long that may take; the number
/// of groups that do so at once, the clients of a group that ask, and the requests that each of them sends.
const NAME_TIMES: usize = 60;
const NAME_TIME: Duration = Duration::from_secs(6);
const NAME_GROUPS: usize = 8;
const NAME_ASKERS: usize = 6;
const NAME_REQUESTS: usize = 100;

/// How many clients try to say more than any room could pass on, and how much each of them sends, in
/// bytes: more than the socket buffers take. The lines are as long as those of a book.
const PASTERS: usize = 4;
const PASTE_LEN: usize = 16 * 1024 * 1024;
const PASTED_LINE_LEN: usize = 60;

/// How long each of them tries at a time, and a number of bytes: if all of them together send no more than
/// that in one turn, the server has stopped reading.
const PASTE_TURN: Duration = Duration::from_millis(200);
const STALLED_LEN: usize = 128 * 1024;

/// How much memory a server may take for bytes that it has read too early.
const MAX_GROWTH_KIB: u64 = 12 * 1024;

/// How many clients move between rooms without a pause, and how often each of them moves; and how often
/// if the proxy cuts the stream.
const WANDERERS: usize = 6;
const MOVES: usize = 150;
const MOVES_IN_PIECES: usize = 10;

/// With a slow reader present, each speaker says some lines per round, and receives those of all: 100 KB.
/// All rounds together are 6 MB: more than the socket buffers of one connection take on this computer.
/// So a room must be able to keep 25 lines for each client that reads.
const FLOOD_ROUNDS: usize = 60;
const FLOOD_LINES: usize = 5;
pub(super) const FLOOD_LINE_LEN: usize = 4000; // bytes

/// The receive buffer of the slow reader, in bytes: small, but with room for the bytes that Linux sends at
/// once on the loopback. With a buffer of 16 KiB, Linux saw a connection on which nothing gets through.
pub(super) const SLOW_BUFFER_LEN: usize = 64 * 1024;

/// How often the slow reader reads a little, and how much, in bytes. If nothing gets through for 16
/// seconds, the kernel ends a connection for a server that has set `TCP_USER_TIMEOUT` as the steps do.
/// The server would deserve no credit for that, and on a busy computer the flood may take longer.
const SIP_PERIOD: Duration = Duration::from_secs(5);
const SIP_LEN: usize = 2 * SLOW_BUFFER_LEN;

/// How long a line may take while a client does not read. Some systems drop such a client after a
/// while, and the room works again: too late for the waiting clients.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How many clients join and leave, in groups: the queue of connections not yet accepted is short.
const CHURNING_GROUPS: usize = 20;
const CHURNING_EACH: usize = 10;

/// How long a client pauses before it repeats a question, so that it does not flood the others.
const BETWEEN_QUESTIONS: Duration = Duration::from_millis(5);

pub(super) fn concurrent_clients(subject: &Subject) -> Result<(), Failure> {
    let done = text!("chat.one-is-silent");
    in_a_room_where(&done, subject, |running| {
        let mut first = running.connect()?; // sends nothing
        Member::join(running, "second")?;
        let mut members = Vec::new();
        for number in 1..=MANY {
            members.push(Member::join(running, &format!("number {number}"))?);
        }
        for member in &mut members {
            member.says_and_hears("still here")?;
        }
        running.exchange(&mut first, "first")
    })
}

pub(super) fn broadcast(subject: &Subject) -> Result<(), Failure> {
    let done = text!("chat.each-says-a-line");
    in_a_room_where(&done, subject, |running| {
        let mut members = join_all(running, &["alice", "bob", "carol"])?;
        let texts = [
            "hello from alice",
            "  Grüße,\tvon bob",
            "127.0.0.1:1 is not carol",
            "*** 127.0.0.1:1 left",
        ];
        for (index, text) in texts.into_iter().enumerate() {
            let index = index % members.len();
            members[index].say(text)?;
            let said = members[index].said(text);
            members.iter_mut().try_for_each(|member| member.expect_next(&said))?;
        }
        // If a line arrived twice, the second copy is before this one.
        members[0].say("the end")?;
        let end = members[0].said("the end");
        members.iter_mut().try_for_each(|member| member.expect_next(&end))?;
        // Text without a newline when its sender ends is no line.
        let mut carol = members.remove(2);
        carol.peer.send(b"half a li")?;
        carol.peer.end_sending()?;
        carol.last_line()?;
        members[0].say("carol has left")?;
        let after = members[0].said("carol has left");
        members.iter_mut().try_for_each(|member| member.expect_next(&after))?;
        // The server does not pass `quit` on to the other clients.
        let mut bob = members.remove(1);
        bob.say("quit")?;
        bob.last_line().map_err(|failure| failure.after(text!("chat.bob-quits")))?;
        says_to(&mut members[0], &mut [], "bob has left")
    })
}

pub(super) fn same_order(subject: &Subject) -> Result<(), Failure> {
    let done = text!("chat.five-at-once");
    in_a_room_where(&done, subject, |running| {
        let names: Vec<String> = (1..=SPEAKERS).map(|number| format!("speaker {number}")).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let members = join_all(running, &names)?;
        let addrs: Vec<SocketAddr> = members.iter().map(|member| member.addr).collect();
        let lines = if subject.cut.is_some() { LINES_EACH_IN_PIECES } else { LINES_EACH };
        let start = Barrier::new(SPEAKERS);
        let heard = thread::scope(|scope| {
            let talks: Vec<_> = members
                .into_iter()
                .map(|member| scope.spawn(|| member.talks_and_listens(lines, &start)))
                .collect();
            let joined = talks.into_iter().map(|talk| talk.join().expect("it does not panic"));
            joined.collect::<Result<Vec<_>, Failure>>()
        })?;
        for (name, other) in names.iter().zip(&heard) {
            let different = heard[0].iter().zip(other).find(|(here, there)| here != there);
            if let Some((here, there)) = different {
                let first = names[0];
                return Err(Failure::new(text!("chat.other-order", first, here, name, there)));
            }
        }
        // All have received the same: each line of each speaker once, in the order of its speaker.
        let first = names[0];
        for (name, addr) in names.iter().zip(addrs) {
            let own = heard[0].iter().filter(|said| said.addr == addr);
            let expected = (1..=lines).map(|number| format!("line {number}"));
            if let Some((expected, said)) =
                expected.zip(own).find(|(expected, said)| said.text != *expected)
            {
                return Err(Failure::new(text!("chat.other-line-of", first, name, expected, said)));
            }
        }
        Ok(())
    })
}

pub(super) fn bad_line(subject: &Subject) -> Result<(), Failure> {
    if subject.judges_server() {
        the_server_refuses_bad_lines(subject)?;
    }
    if subject.judges_client() {
        the_client_continues_after_a_line_that_is_too_long(subject)?;
    }
    Ok(())
}

/// The client sends a line of the greatest length. It need not send a longer one, but it sends the next line.
fn the_client_continues_after_a_line_that_is_too_long(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut client = subject.start_client(running.addr, None)?;
    let longest = "x".repeat(MAX_LINE_LEN);
    let converse = |client: &mut Program| {
        // One after the other: a client that reports the second could write into the first while showing it.
        for (lines, last) in [(longest.clone(), &*longest), (format!("x{longest}\nafter"), "after")]
        {
            client.type_line(&lines)?;
            client.expect_later(&shortened(last), |line| is_said(line, last))?;
        }
        client.end_input();
        client.wait().map(drop) // the unsent line may change its exit code
    };
    converse(&mut client).map_err(|failure| {
        let len = MAX_LINE_LEN;
        failure.after(text!("chat.given-long-lines", len))
    })
}

fn the_server_refuses_bad_lines(subject: &Subject) -> Result<(), Failure> {
    let done = text!("chat.one-sends-bad-lines");
    in_a_room_where(&done, subject, |running| {
        let mut members = join_all(running, &["sender", "other"])?;
        let [sender, other] = &mut members[..] else { unreachable!("two have joined") };
        let longest = "x".repeat(MAX_LINE_LEN);
        let passed_on = sender.says_and_hears(&longest);
        passed_on
            .and_then(|()| other.expect_next(&sender.said(&longest)))
            .map_err(|failure| failure.after(text!("chat.after-longest")))?;
        let too_long = "x".repeat(MAX_LINE_LEN + 1);
        let mut bad = vec![
            (
                "after a line of 4097 bytes".to_owned(),
                text!("chat.after-too-long"),
                too_long.into_bytes(),
            ),
            (
                "after a line of 4098 bytes".to_owned(),
                text!("chat.after-return-at-limit"),
                format!("{longest}\rx").into_bytes(),
            ),
            (
                "after a line that is not UTF-8".to_owned(),
                text!("chat.after-no-utf-8"),
                b"caf\xe9".to_vec(),
            ),
        ];
        for (character, name) in CONTROL_CHARACTERS {
            let code = format!("U+{:04X}", u32::from(*character));
            let line = format!("{character}tfel bob ***"); // after U+202E, shown as `*** bob left`
            bad.push((
                format!("after {code}"),
                text!("chat.after-control", code, name),
                line.into_bytes(),
            ));
        }
        for (next, done, bytes) in bad {
            let (next, bytes) = (&next, &bytes);
            let refused = refuse_and_go_on(sender, other, bytes, next);
            refused.map_err(|failure| failure.after(done))?;
        }
        Ok(())
    })
}

/// A bad line gets an error, which only its sender receives, and the room receives the line after it.
fn refuse_and_go_on(
    sender: &mut Member,
    other: &mut Member,
    bad: &[u8],
    next: &str,
) -> Result<(), Failure> {
    sender.peer.send(&[bad, b"\n", next.as_bytes(), b"\n"].concat())?;
    let said = sender.said(next);
    let error = sender.next_line_but_announcements()?;
    if !is_error(&error) {
        let error = shortened(&error);
        return Err(Failure::new(text!("chat.no-error-back", error)));
    }
    for member in [&mut *sender, &mut *other] {
        let line = member.next_line_but_announcements()?;
        if self::said(&line).as_ref() != Some(&said) {
            let (name, line) = (&member.name, shortened(&line));
            return Err(Failure::new(text!("chat.other-next-line", said, name, line)));
        }
    }
    Ok(())
}

pub(super) fn split_character(subject: &Subject) -> Result<(), Failure> {
    let done = text!("chat.two-pieces");
    in_a_room_where(&done, subject, |running| {
        #[cfg(target_os = "linux")]
        let deadline = running.deadline;
        let mut members = join_all(running, &["alice", "bob"])?;
        let [alice, bob] = &mut members[..] else { unreachable!("two have joined") };
        for (first, rest) in [(&b"caf\xc3"[..], &b"\xa9\n"[..]), (b"\xf0\x9f", b"\x98\x80\n")] {
            alice.peer.send(first)?;
            // When this has gone all the way, the first piece has long reached the server.
            bob.says_and_hears("in between")?;
            alice.expect_next(&bob.said("in between"))?;
            // If each client has a thread, alice's may still not have read the piece.
            #[cfg(target_os = "linux")]
            linux::wait_until_all_is_read(
                (running.server_addr.port(), alice.addr.port()),
                deadline,
            );
            alice.peer.send(rest)?;
            let whole = [first, rest].concat();
            let said = alice.said(String::from_utf8_lossy(&whole).trim_end());
            bob.expect_next(&said)?;
            alice.expect_next(&said)?;
        }
        Ok(())
    })
}

/// The kernel reports which timer of a socket runs. While no data awaits retransmission, only keepalive
/// runs one.
#[cfg(target_os = "linux")]
pub(super) fn vanished_peer(subject: &Subject) -> Result<(), Failure> {
    let done = text!("chat.one-has-joined");
    in_a_room_where(&done, subject, |running| {
        let member = Member::join(running, "alice")?;
        let ports = (running.server_addr.port(), member.addr.port());
        let until = Instant::now() + running.deadline;
        while !linux::keepalive_is_on(running.program()?, ports)? {
            if Instant::now() >= until {
                return Err(Failure::new(text!("chat.keepalive-is-off")));
            }
            thread::sleep(linux::LOOK); // no event reports that a timer of another process runs
        }
        Ok(())
    })
}

#[cfg(not(target_os = "linux"))]
pub(super) fn vanished_peer(_: &Subject) -> Result<(), Failure> {
    Err(Failure::not_asked(text!("chat.not-on-this-system")))
}

pub(super) fn slow_reader(subject: &Subject) -> Result<(), Failure> {
    let done = text!("chat.one-hardly-reads");
    in_a_room_where(&done, subject, |running| {
        running.deadline = running.deadline.min(PATIENCE);
        Member::join(running, "an early one")?; // the first client may have to wait for the server's start
        // These clients bypass the proxy: a megabyte in single bytes would take too long.
        let addr = running.server_addr;
        let slow = Peer::connect_with_receive_buffer(addr, running.deadline, SLOW_BUFFER_LEN)?;
        let mut slow = Member::greet(slow, running.deadline, "the slow one")?;
        let mut speakers = Vec::new();
        for number in 1..=SPEAKERS {
            let peer = Peer::connect_within(addr, running.deadline)?;
            speakers.push(Member::greet(peer, running.deadline, &format!("speaker {number}"))?);
        }
        let text = "x".repeat(FLOOD_LINE_LEN);
        let mut sipped = Instant::now();
        for round in 1..=FLOOD_ROUNDS {
            let texts: Vec<String> =
                (1..=FLOOD_LINES).map(|line| format!("{round}.{line} {text}")).collect();
            let everybody: BTreeSet<Said> =
                speakers.iter().flat_map(|it| texts.iter().map(|text| it.said(text))).collect();
            for speaker in &mut speakers {
                speaker.say(&texts.join("\n"))?;
            }
            for speaker in &mut speakers {
                // All speakers read, so none has more than one round of lines to read.
                let mut missing = everybody.clone();
                while !missing.is_empty() {
                    let said = speaker.hear().map_err(|failure| {
                        let rounds = FLOOD_ROUNDS;
                        failure.after(text!("chat.in-round", round, rounds))
                    })?;
                    missing.remove(&said);
                }
            }
            if sipped.elapsed() > SIP_PERIOD {
                slow.sips();
                sipped = Instant::now();
            }
        }
        Member::join(running, "a late one")?;
        slow.must_have_been_dropped()
    })
}

pub(super) fn churn(subject: &Subject) -> Result<(), Failure> {
    let done = text!("chat.clients-come-and-go");
    in_a_room_where(&done, subject, |running| {
        let mut bystander = Member::join(running, "bystander")?;
        let visitor = Member::join(running, "visitor")?;
        #[cfg(target_os = "linux")]
        let before = linux::Resources::of(running.program()?)?;
        visitor.peer.close();
        for _ in 0..CHURNING_GROUPS {
            for number in 0..CHURNING_EACH {
                let mut peer = running.connect()?;
                if number % 2 == 0 {
                    peer.send(b"half a li")?;
                }
                if number % 3 == 0 {
                    peer.reset()?;
                } else {
                    peer.close();
                }
            }
            // The server accepts clients in order: when it passes this one's line on, it has accepted all.
            Member::join(running, "one of many")?;
        }
        Member::join(running, "newcomer")?;
        bystander.says_and_hears("still here")?;
        #[cfg(target_os = "linux")]
        before.must_be_enough_for(running.program()?, running.deadline)?;
        #[cfg(not(target_os = "linux"))]
        return Err(Failure::not_asked(text!("chat.leaks-are-not-seen")));
        #[cfg(target_os = "linux")]
        Ok(())
    })
}

pub(super) fn latecomers(subject: &Subject) -> Result<(), Failure> {
    in_a_room(subject, |running| {
        let mut alice = Member::join(running, "alice")?;
        let texts: Vec<String> = (1..=REMEMBERED_LINES + 2).map(|n| format!("line {n}")).collect();
        for text in &texts {
            alice.says_and_hears(text)?;
        }
        let mut bob = Member::silent(running)?;
        for text in &texts[texts.len() - REMEMBERED_LINES..] {
            bob.expect_next(&alice.said(text))?;
        }
        // Nothing older, and nothing twice: the next line is new to both.
        alice.says_and_hears("welcome")?;
        let welcome = alice.said("welcome");
        bob.expect_next(&welcome)?;
        alice.says_and_hears("the end")?;
        bob.expect_next(&alice.said("the end"))?;
        latecomers_miss_nothing(running, &mut alice)
    })
}

/// While one client talks, others join. Each first receives one of the latest lines; from there on, no
/// line is missing, and none arrives twice.
fn latecomers_miss_nothing(running: &Running, alice: &mut Member) -> Result<(), Failure> {
    let text = |number: usize| format!("number {number}");
    let (mut said, mut late) = (0, Vec::new());
    for _ in 0..LATECOMERS {
        // Some lines are on their way when the client connects, and some follow at once.
        let lines: Vec<String> = (said + 1..=said + 2 * LINES_AROUND).map(text).collect();
        alice.say(&lines[..LINES_AROUND].join("\n"))?;
        late.push(Member::silent(running)?);
        alice.say(&lines[LINES_AROUND..].join("\n"))?;
        said += lines.len() + 1;
        alice.says_and_hears(&text(said))?;
    }
    for member in &mut late {
        let mut older = 0; // the first to join may also receive lines from before
        let mut next = loop {
            let heard = member.hear()?;
            match heard.text.strip_prefix("number ").and_then(|it| it.parse().ok()) {
                Some(number) if older == 0 || number == 1 => break number,
                None if older < REMEMBERED_LINES => older += 1,
                _ => {
                    let (name, expected) = (&member.name, alice.said(&text(1)));
                    return Err(Failure::new(text!("chat.heard-other", name, expected, heard)));
                }
            }
        };
        while next < said {
            next += 1;
            member.expect_next(&alice.said(&text(next)))?;
        }
    }
    Ok(())
}

pub(super) fn names(subject: &Subject) -> Result<(), Failure> {
    in_a_room(subject, |running| {
        let mut members = join_all(running, &["alice", "bob"])?;
        let bob_addr = members[1].addr.to_string();
        members[0].say("/name alice")?;
        members[0].say("hello")?;
        members.iter_mut().try_for_each(|member| member.hears("alice", "hello"))?;
        for taken_or_wrong in ["/name alice", "/name 127.0.0.1:1", "/name two words"] {
            let after = format!("after {taken_or_wrong}");
            members[1].say(taken_or_wrong)?;
            members[1].say(&after)?;
            members[1].hears_an_error_before(&after)?;
            members.iter_mut().try_for_each(|member| member.hears(&bob_addr, &after))?;
        }
        for member in members {
            member.peer.close();
        }

        let names: [&str; SPEAKERS] = ["one", "two", "three", "four", "five"];
        let mut members = join_all(running, &names)?;
        let start = Barrier::new(SPEAKERS);
        thread::scope(|scope| {
            let asks = |member: &mut Member| {
                start.wait();
                member.peer.send(b"/name zoe\nthat is me\n")
            };
            let asking: Vec<_> =
                members.iter_mut().map(|it| scope.spawn(move || asks(it))).collect();
            asking.into_iter().try_for_each(|asked| asked.join().expect("it does not panic"))
        })?;
        let listener = &mut members[0];
        let heard: Result<Vec<_>, _> =
            (0..SPEAKERS).map(|_| listener.hears_who_says("that is me")).collect();
        let count = heard?.iter().filter(|name| *name == "zoe").count();
        if count != 1 {
            let clients = SPEAKERS;
            return Err(Failure::new(text!("chat.same-name", clients, count)));
        }
        members[0].takes_the_name_of_one_who_has_left("alice")?;
        drop(members);
        a_name_has_one_owner_under_load(running, subject.cut.is_some())
    })
}

/// In each group, a client gives a name away while the others ask for it without a pause. A race between
/// looking and taking is seldom lost, so the check runs it often, with many clients at once.
fn a_name_has_one_owner_under_load(running: &Running, in_pieces: bool) -> Result<(), Failure> {
    let mut groups = Vec::new();
    for group in 1..=NAME_GROUPS {
        let names = (0..=NAME_ASKERS).map(|number| format!("g{group}n{number}"));
        groups.push(names.map(|name| Member::join(running, &name)).collect::<Result<Vec<_>, _>>()?);
    }
    let times = if in_pieces { 1 } else { NAME_TIMES };
    let until = Instant::now() + NAME_TIME;
    for time in (1..=times).take_while(|_| Instant::now() < until) {
        let owners = groups.iter_mut().map(|members| &mut members[0]).enumerate();
        takes_as_each(owners.map(|(group, owner)| (owner, zoe(group))), time)?;
        for (group, members) in groups.iter_mut().enumerate() {
            let asking = format!("/name {}\n", zoe(group)).repeat(NAME_REQUESTS);
            for member in &mut members[1..] {
                member.say(&format!("{asking}is it me, {group}.{time}?"))?;
            }
        }
        for members in &mut groups {
            let own = members[0].name.clone();
            members[0].say(&format!("/name {own}"))?;
        }
        for (group, members) in groups.iter_mut().enumerate() {
            let text = format!("is it me, {group}.{time}?");
            let mut count = 0;
            for _ in 0..NAME_ASKERS {
                count += usize::from(members[0].hears_who_says_later(&text)? == zoe(group));
            }
            if count > 1 {
                let clients = NAME_ASKERS;
                return Err(Failure::new(text!("chat.two-owners", clients, count)));
            }
        }
        let askers = groups.iter_mut().flat_map(|members| &mut members[1..]);
        let own = |asker: &Member| asker.name.clone();
        takes_as_each(askers.map(|asker| (own(asker), asker)).map(|(own, it)| (it, own)), time)?;
    }
    Ok(())
}

/// The name that the clients of a group ask for.
fn zoe(group: usize) -> String {
    format!("zoe{group}")
}

/// Each of these clients takes a free name, and says something under it.
fn takes_as_each<'a>(
    clients: impl Iterator<Item = (&'a mut Member, String)>,
    time: usize,
) -> Result<(), Failure> {
    let mut asked = Vec::new();
    for (member, speaker) in clients {
        let text = format!("{} is {speaker}, {time}", member.name);
        member.say(&format!("/name {speaker}\n{text}"))?;
        asked.push((member, speaker, text));
    }
    for (member, speaker, text) in asked {
        let heard = member.hears_who_says_later(&text)?;
        if heard != speaker {
            let name = &member.name;
            return Err(Failure::new(text!("chat.heard-other-name", name, speaker, text, heard)));
        }
    }
    Ok(())
}

pub(super) fn rooms(subject: &Subject) -> Result<(), Failure> {
    in_a_room(subject, |running| {
        let mut members = join_all(running, &["alice", "bob", "carol"])?;
        let [alice, bob, carol] = &mut members[..] else { unreachable!("three have joined") };
        // A client that has received its own line is in the room that it asked for.
        alice.say("/join cats")?;
        says_to(alice, &mut [], "alice, alone in cats")?;
        says_to(bob, &mut [carol], "bob, still in no room")?;
        bob.say("/join cats")?;
        says_to(bob, &mut [alice], "bob, now in cats")?;
        says_to(alice, &mut [bob], "alice, in cats")?;
        says_to(carol, &mut [], "carol, alone in no room")?;
        alice.say("/join dogs")?;
        says_to(alice, &mut [], "alice, alone in dogs")?;
        carol.say("/join cats")?;
        says_to(carol, &mut [bob], "carol, now in cats")?;
        says_to(bob, &mut [carol], "bob, in cats")?;
        says_to(alice, &mut [], "alice, still in dogs")?;
        // Joining its own room changes nothing for a client, and one that returns receives lines again.
        bob.say("/join cats")?;
        says_to(carol, &mut [bob], "carol, still in cats")?;
        says_to(bob, &mut [carol], "bob, joined twice")?;
        alice.say("/join cats")?;
        says_to(alice, &mut [bob, carol], "alice, back in cats")?;
        drop(members);
        rooms_stay_apart_under_load(running, subject.cut.is_some())
    })
}

/// Some clients move between two rooms without a pause, say a line in each, and join again the room in
/// which they are; some only pass through. The clients that stay in a room receive each of its lines once,
/// and none of the other room's.
fn rooms_stay_apart_under_load(running: &Running, in_pieces: bool) -> Result<(), Failure> {
    let moves = if in_pieces { MOVES_IN_PIECES } else { MOVES };
    let rooms = ["cats", "dogs"];
    let mut residents = Vec::new();
    for room in rooms {
        let mut member = Member::join(running, &format!("one who stays in {room}"))?;
        member.say(&format!("/join {room}"))?;
        member.says_and_hears("I stay here")?;
        residents.push(member);
    }
    let mut wanderers = Vec::new();
    for number in 1..=WANDERERS {
        wanderers.push(Member::join(running, &format!("wanderer {number}"))?);
    }
    let text = |number: usize| format!("{}, move {number}", rooms[number % rooms.len()]);
    let script: Vec<String> = (0..moves)
        .map(|number| {
            let room = rooms[number % rooms.len()];
            format!("/join hall\n/join {room}\n/join {room}\n{}", text(number))
        })
        .collect();
    let script = script.join("\n");
    let addrs: Vec<SocketAddr> = wanderers.iter().map(|member| member.addr).collect();
    let start = Barrier::new(WANDERERS);
    thread::scope(|scope| {
        let moving: Vec<_> = wanderers
            .iter_mut()
            .map(|member| scope.spawn(|| member.wanders(&script, moves, &start)))
            .collect();
        let listening: Vec<_> = residents
            .iter_mut()
            .enumerate()
            .map(|(room, member)| {
                let texts: Vec<_> = (room..moves).step_by(rooms.len()).map(text).collect();
                let addrs = &addrs;
                scope.spawn(move || member.hears_all_of(addrs, &texts))
            })
            .collect();
        let ended = |it: thread::ScopedJoinHandle<'_, _>| it.join().expect("it does not panic");
        let results: Vec<_> = listening.into_iter().chain(moving).map(ended).collect();
        results.into_iter().collect::<Result<(), Failure>>()
    })
    .map_err(|failure| {
        let clients = WANDERERS;
        failure.after(text!("chat.they-wander", clients))
    })
}

pub(super) fn rate_limit(subject: &Subject) -> Result<(), Failure> {
    in_a_room(subject, |running| {
        let mut members = join_all(running, &["alice", "bob"])?;
        let [alice, bob] = &mut members[..] else { unreachable!("two have joined") };
        let texts: Vec<String> = (1..=HASTY_LINES).map(|n| format!("line {n}")).collect();
        let start = Instant::now();
        alice.say(&texts.join("\n"))?;
        bob.say("me too")?;
        let own = bob.said("me too");
        let mut hears = || {
            let heard = bob.hear();
            let lines = HASTY_LINES;
            heard.map_err(|failure| failure.after(text!("chat.after-hasty", lines)))
        };
        let mut bob_was_heard = false;
        for text in &texts {
            let mut said = hears()?;
            if said == own {
                bob_was_heard = true;
                said = hears()?;
            }
            let expected = alice.said(text);
            if said != expected {
                return Err(Failure::new(text!("chat.bob-heard-other", expected, said)));
            }
        }
        // The first lines may arrive at the end of one second, and the last at the beginning of another.
        let least = Duration::from_secs(((HASTY_LINES - 1) / LINES_A_SECOND - 1) as u64);
        let took = start.elapsed();
        if took < least {
            let (lines, most, took) = (HASTY_LINES, LINES_A_SECOND, format!("{took:?}"));
            return Err(Failure::new(text!("chat.heard-too-soon", lines, most, took)));
        }
        if !bob_was_heard {
            let lines = HASTY_LINES;
            return Err(Failure::new(text!("chat.bob-had-to-wait", lines)));
        }
        drop(members);
        if subject.cut.is_some() {
            return Ok(()); // the proxy would read the bytes that the server leaves unread
        }
        what_is_too_much_stays_with_its_senders(running)
    })
}

/// Some clients send without a pause. After a while, the socket buffers are full, and the server must read
/// no more than it passes on: anything more would fill its memory.
fn what_is_too_much_stays_with_its_senders(running: &Running) -> Result<(), Failure> {
    let line = format!("{}\n", "x".repeat(PASTED_LINE_LEN));
    let paste = line.repeat(PASTE_LEN / line.len()).into_bytes();
    let mut pasters = Vec::new();
    for _ in 0..PASTERS {
        pasters.push((running.connect()?, 0));
    }
    let before = resident_kib(running.program()?)?;
    let start = Instant::now();
    loop {
        let mut sent = 0;
        for (paster, position) in &mut pasters {
            let len = paster.sends_within(PASTE_TURN, &paste[*position..])?;
            *position += len;
            sent += len;
        }
        let all: usize = pasters.iter().map(|(_, position)| position).sum();
        if sent <= STALLED_LEN {
            break;
        }
        let is_done = pasters.iter().any(|(_, position)| *position == paste.len());
        if is_done || start.elapsed() > running.deadline {
            let (clients, kib) = (PASTERS, all / 1024);
            return Err(Failure::new(text!("chat.all-is-read", clients, kib)));
        }
    }
    let growth = resident_kib(running.program()?)?.saturating_sub(before);
    if growth < MAX_GROWTH_KIB {
        return Ok(());
    }
    let (clients, most) = (PASTERS, MAX_GROWTH_KIB);
    Err(Failure::new(text!("chat.paste-is-kept", clients, growth, most)))
}

/// A client sends a line in a room, and all clients of that room receive it next.
fn says_to(speaker: &mut Member, listeners: &mut [&mut Member], text: &str) -> Result<(), Failure> {
    speaker.say(text)?;
    let said = speaker.said(text);
    speaker.expect_next(&said)?;
    listeners.iter_mut().try_for_each(|listener| listener.expect_next(&said))
}

/// An empty line is no message: the client continues, and no other client receives it.
pub(super) fn empty_input(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut client = subject.start_client(running.addr, None)?;
    let converse = |client: &mut Program| {
        for line in ["", "  ", "after"] {
            client.type_line(line)?;
        }
        loop {
            let line = client.expect_line("ADDR after")?;
            match said(&line) {
                None => {} // an announcement
                Some(said) if said.text == "after" => break,
                Some(_) => {
                    let line = shortened(&line);
                    return Err(client.failure(&text!("chat.printed-other", line)));
                }
            }
        }
        client.end_input();
        ended_well(client)
    };
    converse(&mut client).map_err(|failure| failure.after(text!("chat.three-lines")))
}

/// Starts the server, and adds the server's output to a failure.
fn in_a_room(
    subject: &Subject,
    scenario: impl FnOnce(&mut Running) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut running = subject.start()?;
    scenario(&mut running).map_err(|failure| running.explain(failure))
}

/// As `in_a_room`; a failure also states `done`.
pub(super) fn in_a_room_where(
    done: &str,
    subject: &Subject,
    scenario: impl FnOnce(&mut Running) -> Result<(), Failure>,
) -> Result<(), Failure> {
    in_a_room(subject, |running| scenario(running).map_err(|failure| failure.after(done)))
}

/// A client in the room: a connection that is read line by line.
pub(super) struct Member {
    pub(super) name: String,
    pub(super) peer: Peer,
    unread: Vec<u8>,
    /// The address by which the server knows it: with a proxy between them, one of the proxy's.
    pub(super) addr: SocketAddr,
    pub(super) deadline: Duration,
}

/// Connects a client for each name, and waits until each has received a line from all others.
pub(super) fn join_all(running: &Running, names: &[&str]) -> Result<Vec<Member>, Failure> {
    let mut members: Vec<Member> = Vec::new();
    for name in names {
        let newcomer = Member::join(running, name)?;
        let greeting = newcomer.said(&newcomer.greeting());
        for member in &mut members {
            member.expect_next(&greeting)?;
        }
        members.push(newcomer);
    }
    Ok(members)
}

impl Member {
    /// Connects, and learns its address from its own first line.
    pub(super) fn join(running: &Running, name: &str) -> Result<Self, Failure> {
        Self::greet(running.connect()?, running.deadline, name)
            .map_err(|failure| failure.looking_like(running.inquire_room()))
    }

    pub(super) fn greet(peer: Peer, deadline: Duration, name: &str) -> Result<Self, Failure> {
        let mut member = Self::new(peer, deadline, name)?;
        let greeting = member.greeting();
        member.say(&greeting)?;
        let until = Instant::now() + deadline;
        loop {
            let said = member.hear()?;
            if said.text == greeting {
                member.addr = said.addr;
                return Ok(member);
            }
            if Instant::now() >= until {
                return Err(Failure::new(text!("chat.not-its-own-line", name)));
            }
        }
    }

    /// Connects, and sends nothing.
    pub(super) fn silent(running: &Running) -> Result<Self, Failure> {
        Self::new(running.connect()?, running.deadline, "one who says nothing")
    }

    fn new(peer: Peer, deadline: Duration, name: &str) -> Result<Self, Failure> {
        let addr = peer.local_addr()?;
        Ok(Self { name: name.to_owned(), peer, unread: Vec::new(), addr, deadline })
    }

    fn greeting(&self) -> String {
        format!("I am {}", self.name)
    }

    /// The line that the others receive when this client says `text`.
    pub(super) fn said(&self, text: &str) -> Said {
        Said { addr: self.addr, text: text.to_owned() }
    }

    pub(super) fn say(&mut self, text: &str) -> Result<(), Failure> {
        self.peer.send(format!("{text}\n").as_bytes())
    }

    /// Says something, and waits until it receives that line, after any others.
    pub(super) fn says_and_hears(&mut self, text: &str) -> Result<(), Failure> {
        self.say(text)?;
        let own = self.said(text);
        let until = Instant::now() + self.deadline;
        while self.hear()? != own {
            if Instant::now() >= until {
                let name = &self.name;
                return Err(Failure::new(text!("chat.not-heard", name, own)));
            }
        }
        Ok(())
    }

    /// Says its lines while the others say theirs, and returns all lines that it received, in order.
    fn talks_and_listens(mut self, lines: usize, start: &Barrier) -> Result<Vec<Said>, Failure> {
        start.wait();
        for number in 1..=lines {
            self.say(&format!("line {number}"))?;
        }
        (0..SPEAKERS * lines).map(|_| self.hear()).collect()
    }

    /// Sends all of a script at once, and receives its own lines.
    fn wanders(&mut self, script: &str, moves: usize, start: &Barrier) -> Result<(), Failure> {
        start.wait();
        self.say(script)?;
        let mut own = 0;
        while own < moves {
            own += usize::from(self.hear()?.addr == self.addr);
        }
        Ok(())
    }

    /// Receives these lines of each speaker, in their order, and no other line.
    fn hears_all_of(&mut self, speakers: &[SocketAddr], texts: &[String]) -> Result<(), Failure> {
        let mut heard = vec![0; speakers.len()];
        while let Some(silent) = heard.iter().position(|count| *count < texts.len()) {
            let line = self.hear()?;
            let speaker = speakers.iter().position(|addr| *addr == line.addr);
            let speaker = speaker.filter(|it| heard[*it] < texts.len()).unwrap_or(silent);
            let expected = Said { addr: speakers[speaker], text: texts[heard[speaker]].clone() };
            if line != expected {
                let (name, heard) = (&self.name, line);
                return Err(Failure::new(text!("chat.heard-other", name, expected, heard)));
            }
            heard[speaker] += 1;
        }
        says_to(self, &mut [], "the end")
    }

    /// Returns the sender of `text`, an address or a name, from the first line that ends with it.
    fn hears_who_says_later(&mut self, text: &str) -> Result<String, Failure> {
        let until = Instant::now() + self.deadline;
        loop {
            let line = self.next_line(until)?;
            let before = line.strip_suffix(text).and_then(|before| before.strip_suffix(' '));
            if let Some(before) = before {
                return Ok(before.rsplit(' ').next().unwrap_or_default().to_owned());
            }
        }
    }

    /// Returns the next line of the chat; leaves out the server's own lines.
    pub(super) fn hear(&mut self) -> Result<Said, Failure> {
        let until = Instant::now() + self.deadline;
        let mut other = None;
        loop {
            let line = self.next_line(until).map_err(|failure| match &other {
                Some(line) => failure.adding(&text!("chat.no-line-of-it", line)),
                None => failure,
            })?;
            if let Some(said) = said(&line) {
                return Ok(said);
            }
            other = Some(shortened(&line));
        }
    }

    /// The next line of the chat must be this one.
    pub(super) fn expect_next(&mut self, expected: &Said) -> Result<(), Failure> {
        let heard =
            self.hear().map_err(|failure| failure.after(text!("chat.after-said", expected)))?;
        if heard == *expected {
            return Ok(());
        }
        let name = &self.name;
        Err(Failure::new(text!("chat.heard-other", name, expected, heard)))
    }

    /// The next line from `addr` must have this text; lines of other clients are left out.
    pub(super) fn expect_next_of(&mut self, addr: SocketAddr, text: &str) -> Result<(), Failure> {
        let expected = Said { addr, text: text.to_owned() };
        loop {
            let heard = self.hear();
            let heard =
                heard.map_err(|failure| failure.after(text!("chat.after-said", expected)))?;
            if heard == expected {
                return Ok(());
            }
            if heard.addr == addr {
                let name = &self.name;
                return Err(Failure::new(text!("chat.heard-other", name, expected, heard)));
            }
        }
    }

    /// Returns the sender of `text`, an address or a name, from the next line of the chat.
    fn hears_who_says(&mut self, text: &str) -> Result<String, Failure> {
        let until = Instant::now() + self.deadline;
        loop {
            let line = self.next_line(until)?;
            let named = line.strip_suffix(text).and_then(|before| before.strip_suffix(' '));
            match (named, said(&line)) {
                (Some(_), Some(said)) if said.text == text => return Ok(said.addr.to_string()),
                // The address is still there, or it is a line of another client.
                (_, Some(said)) => {
                    let name = &self.name;
                    return Err(Failure::new(text!("chat.heard-other-text", name, text, said)));
                }
                // Date and time may precede the name.
                (Some(before), None) => {
                    return Ok(before.rsplit(' ').next().unwrap_or_default().to_owned());
                }
                (None, None) => {} // one of the server's own lines
            }
        }
    }

    /// The next line of the chat must be this text, from the client with this name.
    fn hears(&mut self, speaker: &str, text: &str) -> Result<(), Failure> {
        let heard = self.hears_who_says(text)?;
        if heard == speaker {
            return Ok(());
        }
        let name = &self.name;
        Err(Failure::new(text!("chat.heard-other-name", name, speaker, text, heard)))
    }

    /// After a bad line, the error must arrive before this text, which the client sent next.
    pub(super) fn hears_an_error_before(&mut self, text: &str) -> Result<(), Failure> {
        let until = Instant::now() + self.deadline;
        loop {
            let line = self.next_line(until)?;
            if is_error(&line) {
                return Ok(());
            }
            if line.ends_with(text) {
                let name = &self.name;
                return Err(Failure::new(text!("chat.heard-no-error", name, line)));
            }
        }
    }

    /// Asks for a name until it is free: no event reports that the server has seen its owner leave.
    ///
    /// The others in the room read none of the answers. If there were too many, a room that waits for
    /// these clients would wait forever.
    fn takes_the_name_of_one_who_has_left(&mut self, name: &str) -> Result<(), Failure> {
        let until = Instant::now() + self.deadline;
        loop {
            self.say(&format!("/name {name}"))?;
            self.say("and now?")?;
            if self.hears_who_says("and now?")? == name {
                return Ok(());
            }
            if Instant::now() >= until {
                let time = format!("{:?}", self.deadline);
                return Err(Failure::new(text!("chat.name-is-kept", name, time)));
            }
            thread::sleep(BETWEEN_QUESTIONS); // a pace; no event reports that a name is free
        }
    }

    /// Returns the next line that is either of the chat or an error.
    pub(super) fn next_line_but_announcements(&mut self) -> Result<String, Failure> {
        let until = Instant::now() + self.deadline;
        loop {
            let line = self.next_line(until)?;
            if said(&line).is_some() || is_error(&line) {
                return Ok(line);
            }
        }
    }

    pub(super) fn next_line(&mut self, until: Instant) -> Result<String, Failure> {
        let line = next_line(&mut self.peer, &mut self.unread, until);
        let line = line.map_err(|failure| {
            let name = &self.name;
            failure.after(text!("chat.while-waiting", name))
        })?;
        line.ok_or_else(|| {
            let name = &self.name;
            Failure::new(text!("chat.ended-without-line", name))
        })
    }

    /// Reads a little of what has arrived, without waiting.
    fn sips(&mut self) {
        let came = self.peer.receive_at_most(SIP_LEN);
        self.unread.extend(came);
    }

    /// Reads again, after the flood. A room that has kept all of the flood for one client has no limit; and
    /// a client that has missed lines must no longer be in the room.
    fn must_have_been_dropped(mut self) -> Result<(), Failure> {
        let own = self.said("I am back");
        let all = FLOOD_ROUNDS * FLOOD_LINES * SPEAKERS;
        let mut heard = 0;
        // A dropped client can say nothing, and its stream ends, in an orderly way or not.
        let _ = self.say(&own.text);
        let is_dropped = loop {
            match self.hear() {
                Ok(said) if said == own => break false,
                Ok(said) => heard += usize::from(said.text.len() > FLOOD_LINE_LEN),
                Err(_) if self.peer.ends_within(self.deadline) => break true,
                // A line that arrives late was not missed.
                Err(_) => {
                    let name = &self.name;
                    return Err(Failure::new(text!("chat.reads-again-in-vain", name)));
                }
            }
        };
        let name = &self.name;
        if heard < all && is_dropped {
            return Ok(());
        }
        if heard < all {
            return Err(Failure::new(text!("chat.missed-and-stays", name, heard, all)));
        }
        let (lines, kib) = (all, all * FLOOD_LINE_LEN / 1024);
        Err(Failure::new(text!("chat.all-was-kept", name, lines, kib)))
    }

    /// Returns the last line before the end of the stream, which must be orderly.
    pub(super) fn last_line(&mut self) -> Result<Option<String>, Failure> {
        Ok(self.rest()?.pop())
    }

    /// Returns all lines up to the end of the stream, which must be orderly.
    pub(super) fn rest(&mut self) -> Result<Vec<String>, Failure> {
        let until = Instant::now() + self.deadline;
        let mut lines = Vec::new();
        loop {
            let line = next_line(&mut self.peer, &mut self.unread, until);
            let line = line.map_err(|failure| {
                let name = &self.name;
                failure.after(text!("chat.while-waiting-for-end", name))
            })?;
            match line {
                Some(line) => lines.push(line),
                None => return Ok(lines),
            }
        }
    }
}
