//! What remote execution owes its users: whole answers to whole commands.

#[cfg(windows)]
use tempfile::NamedTempFile;

use super::clients;
use super::conversation::{answers_after, serves_the_next};
#[cfg(target_os = "linux")]
use super::linux;
use super::protocol::{Protocol, SHELL_NEWLINE};
use super::subject::{Running, Side, Subject};
use super::wire;
use crate::memory::resident_kib;
use crate::show::show;
use crate::{Failure, Peer};

/// The most bytes that a command may have in step 04.
const MAX_COMMAND_LEN: usize = 1024;

/// The longest frame in step 06, in bytes.
const MAX_FRAME_LEN: u32 = 16 * 1024 * 1024;

/// Output whose bytes are not text.
const NO_TEXT: &[u8] = b"\xff\0\x80\r\n";

/// How much more memory a server may take while it receives false lengths, in KiB.
const MAX_GROWTH_KIB: u64 = 16 * 1024;

/// How long a server may take to read the bytes that have arrived, before the rest is sent.
#[cfg(target_os = "linux")]
const READING: std::time::Duration = std::time::Duration::from_millis(500);

pub(super) fn both_streams(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut peer = running.connect()?;
    let command = if cfg!(windows) { "echo out&echo err>&2" } else { "echo out; echo err >&2" };
    running.ask(&mut peer, command, format!("out{SHELL_NEWLINE}err{SHELL_NEWLINE}"))?;
    // The cut of the stream does not matter here, and cutting megabytes takes time.
    if subject.cut.is_none() {
        let (command, answer) = both(MUCH);
        // The command still runs after its last write: a server that looks at it meanwhile finds nothing wrong.
        let command = if cfg!(windows) { command } else { format!("{command}; sleep 0.1") };
        running.ask(&mut peer, command, answer)?;
    }
    Ok(())
}

pub(super) fn closed_stdin(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let reads = if cfg!(windows) { "sort&echo end" } else { "cat; echo end" };
    running.ask(&mut running.connect()?, reads, format!("end{SHELL_NEWLINE}"))
}

/// How many lines exceed 4 MiB on both streams together.
const MUCH: usize = 4800;

/// A command that writes `lines` lines to each stream, alternately, and its answer.
pub(super) fn both(lines: usize) -> (String, String) {
    let (out, err) = ("o".repeat(440), "e".repeat(440));
    let command = if cfg!(windows) {
        format!("for /L %i in (1,1,{lines}) do @(echo {out}&echo {err}>&2)")
    } else {
        let pair = format!("echo {out}; echo {err} >&2");
        format!("i=0; while [ $i -lt {lines} ]; do {pair}; i=$((i+1)); done")
    };
    let lines = |line: &str| format!("{line}{SHELL_NEWLINE}").repeat(lines);
    (command, [lines(&out), lines(&err)].concat())
}

pub(super) fn any_bytes(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut peer = running.connect()?;
    #[cfg(windows)]
    let (_file, command) = {
        let cannot = |error: std::io::Error| Failure::new(error.to_string());
        let file = NamedTempFile::new().map_err(cannot)?;
        std::fs::write(file.path(), NO_TEXT).map_err(cannot)?;
        let command = format!("type \"{}\"", file.path().display());
        (file, command)
    };
    #[cfg(not(windows))]
    let command = r"printf '\377\000\200\r\n'";
    running.ask(&mut peer, command, NO_TEXT)?;
    running.exchange(&mut peer, "after")
}

pub(super) fn failed_command(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut peer = running.connect()?;
    let fails = if cfg!(windows) { "echo out&exit 3" } else { "echo out; exit 3" };
    running.ask(&mut peer, fails, format!("out{SHELL_NEWLINE}"))?;
    let message = "no-such-program-anywhere";
    let bytes = subject.protocol.on_the_wire(message);
    let complaint = match subject.protocol {
        Protocol::Shell => peer.send(&bytes).and_then(|()| peer.receive_some()),
        Protocol::Frames => peer.send(&bytes).and_then(|()| receive_frame(&mut peer)).map(Some),
        _ => peer
            .send(&bytes)
            .and_then(|()| wire::Answer::receive(&mut peer))
            .map(|it| Some(it.body)),
    };
    let explain =
        |failure: Failure| running.explain(failure.after(text!("subject.after-sent", message)));
    if complaint.map_err(explain)?.is_none_or(|complaint| complaint.is_empty()) {
        return Err(explain(Failure::new(text!("commands.no-complaint"))));
    }
    running.exchange(&mut peer, "after")?;
    drop(peer);
    if subject.protocol == Protocol::Messages {
        return Ok(()); // in JSON, it is not a request
    }
    // A shell may accept it or not, so the answer does not matter.
    let no_text = b"echo \xff";
    let mut odd = running.connect()?;
    let sent = odd.send(&subject.protocol.on_the_wire(no_text)).and_then(|()| odd.end_sending());
    sent.and_then(|()| odd.expect_end())
        .and_then(|()| serves_the_next(&running))
        .map_err(|failure| running.explain(failure.after(text!("commands.no-utf-8"))))
}

pub(super) fn browser_request(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let long = |len: usize| "x".repeat(len);
    let mut strange = vec![
        "GET /;echo stolen; HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".to_owned(),
        format!("POST /;echo stolen;{} HTTP/1.1", long(MAX_COMMAND_LEN)),
        "OPTIONS * HTTP/1.1".to_owned(),
    ];
    if subject.protocol == Protocol::Shell {
        strange.extend([
            "id /;echo stolen; HTTP/1.1\r\n".to_owned(),
            "echo stolen\n".to_owned(),
            format!("echo {}", long(MAX_COMMAND_LEN - "echo ".len() + 1)),
        ]);
    }
    for request in strange {
        let mut browser = running.connect()?;
        let refused = browser.send(request.as_bytes()).and_then(|()| browser.expect_refusal());
        refused.and_then(|()| serves_the_next(&running)).map_err(|failure| {
            let request = show(request.as_bytes());
            running.explain(failure.after(text!("commands.browser-request", request)))
        })?;
    }
    Ok(())
}

fn receive_frame(peer: &mut Peer) -> Result<Vec<u8>, Failure> {
    let len = peer.receive_exactly(size_of::<u32>(), &text!("wire.a-length"))?;
    let len = len.try_into().map(u32::from_be_bytes).expect("it has 4 bytes");
    if len > MAX_FRAME_LEN {
        let most = MAX_FRAME_LEN;
        return Err(Failure::new(text!("commands.long-frame", most, len)));
    }
    peer.receive_exactly(len as usize, &text!("commands.a-payload"))
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
    // Characters of two bytes, if the shell takes them unchanged: a program that counts characters is wrong.
    let line = if cfg!(windows) { "x".repeat(300) } else { "ü".repeat(150) };
    let command = if cfg!(windows) {
        format!("for %i in (1 2 3 4 5 6 7 8 9 10) do @echo {line}")
    } else {
        format!("for i in 1 2 3 4 5 6 7 8 9 10; do echo {line}; done")
    };
    if asks_itself(subject) {
        asks(&running, &command, &format!("{line}{SHELL_NEWLINE}").repeat(10))?;
        if subject.cut.is_some() {
            return Ok(()); // cutting megabytes takes time
        }
        let (command, answer) = both(MUCH);
        return asks(&running, &command, &answer);
    }
    answers_after(subject, &running, &command, &[line.as_str(); 10])
}

/// Whether the check can judge the server without a client. If nothing marks the end of an answer, only
/// the client shows whether the answer is whole.
fn asks_itself(subject: &Subject) -> bool {
    subject.judged == Side::Server && subject.protocol.has_boundaries()
}

/// This command must get this answer, and the next command its own.
fn asks(running: &Running, command: &str, answer: &str) -> Result<(), Failure> {
    let mut peer = running.connect()?;
    running.ask(&mut peer, command, answer)?;
    running.exchange(&mut peer, "after")
}

pub(super) fn boundaries(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut peer = running.connect()?;
    let (messages, answers) = in_a_row(subject.protocol, &["one", "two", "three"]);
    let asked = peer.send(&messages).and_then(|()| answers.expect(&mut peer));
    asked.map_err(|failure| {
        let messages = show(&messages);
        running.explain(failure.after(text!("commands.several-at-once", messages)))
    })?;
    if subject.cut.is_some() {
        return Ok(()); // a proxy cuts in its own way
    }
    let (messages, answers) = in_a_row(subject.protocol, &["one"]);
    for at in 1..messages.len() {
        let (first, rest) = messages.split_at(at);
        let sent = peer.send(first).and_then(|()| {
            #[cfg(target_os = "linux")]
            {
                let ports = (running.server_addr.port(), peer.local_addr()?.port());
                linux::wait_until_all_is_read(ports, READING);
            }
            peer.send(rest)
        });
        sent.and_then(|()| answers.expect(&mut peer)).map_err(|failure| {
            let (first, rest) = (show(first), show(rest));
            running.explain(failure.after(text!("commands.in-two-pieces", first, rest)))
        })?;
    }
    Ok(())
}

/// Answers that must arrive in this order.
struct Answers(Protocol, Vec<String>);

impl Answers {
    fn expect(&self, peer: &mut Peer) -> Result<(), Failure> {
        let Self(protocol, answers) = self;
        answers.iter().try_for_each(|answer| protocol.expect_answer(peer, answer))
    }
}

/// Messages with these words as they travel, and their answers. If a message can be empty, an empty one
/// follows each: a shell then has nothing to do, and nothing to write.
fn in_a_row(protocol: Protocol, words: &[&str]) -> (Vec<u8>, Answers) {
    let (mut messages, mut answers) = (Vec::new(), Vec::new());
    for word in words {
        let (message, answer) = protocol.exchange(word);
        messages.extend(protocol.on_the_wire(message));
        answers.push(answer);
        if protocol.has_boundaries() {
            messages.extend(protocol.on_the_wire(""));
            answers.push(String::new());
        }
    }
    (messages, Answers(protocol, answers))
}

pub(super) fn hostile_length(subject: &Subject) -> Result<(), Failure> {
    if subject.judges_server() {
        the_server_refuses_hostile_lengths(subject)?;
    }
    if subject.judges_client() {
        clients::hostile_length(subject)?;
    }
    Ok(())
}

/// The greatest length of a frame, or of a header.
pub(super) fn limit(protocol: Protocol) -> u32 {
    if protocol == Protocol::Frames { MAX_FRAME_LEN } else { wire::MAX_HEADER_LEN }
}

/// Impossible lengths: one byte too many, and the largest and the smallest numbers of a program that
/// reads lengths as signed numbers.
pub(super) fn hostile_lengths(protocol: Protocol) -> [u32; 4] {
    [limit(protocol) + 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff]
}

fn the_server_refuses_hostile_lengths(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    running.exchange(&mut running.connect()?, "first")?;
    // The check cannot measure the memory of a server that it has not started.
    let memory = || running.program.as_ref().map(resident_kib).transpose();
    let before = memory();
    for len in hostile_lengths(subject.protocol) {
        let header = len.to_be_bytes();
        let mut hostile = running.connect()?;
        let refused = hostile.send(&header).and_then(|()| hostile.expect_refusal());
        let done = || {
            let bytes = show(&header);
            text!("commands.hostile-length", len, bytes)
        };
        refused.map_err(|failure| running.explain(failure.after(done())))?;
        serves_the_next(&running).map_err(|failure| failure.after(done()))?;
    }
    let after = memory();
    // Cutting megabytes takes time.
    if subject.cut.is_none() {
        the_server_takes_the_longest(subject, &running)?;
    }
    let growth = after?.zip(before?).map_or(0, |(after, before)| after.saturating_sub(before));
    if growth > MAX_GROWTH_KIB {
        let most = MAX_GROWTH_KIB;
        return Err(running.explain(Failure::new(text!("commands.too-much-memory", most, growth))));
    }
    Ok(())
}

/// A message as long as the limit is taken: no shell runs so long a command, so the answer is why.
fn the_server_takes_the_longest(subject: &Subject, running: &Running) -> Result<(), Failure> {
    let len = limit(subject.protocol);
    let mut peer = running.connect()?;
    let taken = if subject.protocol == Protocol::Frames {
        let command = "x".repeat(len as usize);
        peer.send(&wire::frame(command.as_bytes()))
            .and_then(|()| receive_frame(&mut peer))
            .map(drop)
    } else {
        let (message, answer) = subject.protocol.exchange("long");
        let mut header = wire::run(&message).split_off(size_of::<u32>());
        header.resize(len as usize, b' ');
        let sent = peer.send(&wire::frame(&header));
        sent.and_then(|()| subject.protocol.expect_answer(&mut peer, answer))
    };
    taken
        .and_then(|()| running.exchange(&mut peer, "after"))
        .map_err(|failure| running.explain(failure.after(text!("commands.longest", len))))
}

pub(super) fn cut_off_message(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let (message, _) = subject.protocol.exchange("never");
    let bytes = subject.protocol.on_the_wire(message);
    for len in [1, 3, 4, 5, bytes.len() - 1] {
        let mut hasty = running.connect()?;
        let sent = hasty.send(&bytes[..len]).and_then(|()| hasty.end_sending());
        sent.and_then(|()| hasty.expect_refusal())
            .and_then(|()| serves_the_next(&running))
            .map_err(|failure| {
                let (sent, all) = (show(&bytes[..len]), bytes.len());
                running.explain(failure.after(text!("commands.cut-off", sent, all)))
            })?;
    }
    Ok(())
}

pub(super) fn answer_limit(subject: &Subject) -> Result<(), Failure> {
    const LINE_LEN: usize = 4096; // bytes, with the line ending
    let newline = if cfg!(windows) { 2 } else { 1 };
    let line = "x".repeat(LINE_LEN - newline);
    let command = |lines: usize| {
        if cfg!(windows) {
            format!("for /L %i in (1,1,{lines}) do @echo {line}")
        } else {
            format!("i=0; while [ $i -lt {lines} ]; do echo {line}; i=$((i+1)); done")
        }
    };
    let running = subject.start()?;
    let mut peer = running.connect()?;
    let mut ask = |lines| {
        peer.send(&wire::frame(command(lines).as_bytes())).and_then(|()| receive_frame(&mut peer))
    };
    let most = MAX_FRAME_LEN;
    let lines = MAX_FRAME_LEN as usize / LINE_LEN;
    let at_limit =
        |failure: Failure| running.explain(failure.after(text!("commands.longest-output", most)));
    // Cutting megabytes takes time.
    if subject.cut.is_none() {
        let len = ask(lines).map_err(at_limit)?.len();
        if len != MAX_FRAME_LEN as usize {
            return Err(at_limit(Failure::new(text!("commands.not-all-output", most, len))));
        }
    }
    let explain =
        |failure: Failure| running.explain(failure.after(text!("commands.long-output", most)));
    let answer = ask(lines + 1).map_err(explain)?;
    if answer.is_empty() || answer.starts_with(b"x") {
        let answer = show(&answer);
        return Err(explain(Failure::new(text!("commands.no-error-message", answer))));
    }
    running.exchange(&mut peer, "after").map_err(explain)
}
