//! What the kernel held during a session, as a table: for each action a sentence, and a row for each program that is
//! not as it was before. The player of `book.js` is made of its cells.

use std::collections::HashMap;
use std::fmt::Write as _;

use anyhow::Result;
use conformance::session::trace::{
    Buffer, Call, Ends, MAX_LEN, On, Program, Queued, STRANGER, Socket, Trace, Wait,
};
use conformance::session::{Action, Session};
use conformance::text;
use workspace::measured::grouped;

use super::line_to_html;
use super::story;
use crate::html::{escape, sentence};

/// The most cells of one buffer. The bytes after them are only counted.
const CELLS: usize = 24;

/// The tints of messages: the style sheet has as many.
const TINTS: usize = 3;

/// The table of a trace. `steps` are the session's lines, action by action, and `class_of` gives the colour of a terminal.
pub fn html<'a>(
    trace: &Trace,
    session: &'a Session,
    class_of: impl Fn(&str) -> &'a str,
) -> Result<String> {
    trace.check_fits(session)?;
    if trace.states.iter().flat_map(|it| &it.programs).all(|it| it.waits.is_empty()) {
        return Ok(String::new()); // each program ended at once: there is nothing to show
    }
    let mut messages = Messages::default();
    let mut shown: HashMap<&str, String> = HashMap::new();
    let mut bodies = String::new();
    let earlier = [None].into_iter().chain(trace.states.iter().map(Some));
    for ((before, state), lines) in earlier.zip(&trace.states).zip(super::steps_of(&session.lines))
    {
        let action = match &lines[0].action {
            key @ (Action::EndOfInput | Action::Interrupt) => line_to_html(key, None),
            typed => format!("<code>{}</code>", escape(&typed.to_string())),
        };
        let name = &lines[0].terminal;
        let story = to_html(&story::sentence(before, state, lines));
        // Writing to a String cannot fail.
        let _ = write!(
            bodies,
            r#"<tbody><tr><th scope="rowgroup" colspan="3"><b>{name}</b> {action}<p>{story}</p></th></tr>"#
        );
        for program in &state.programs {
            let row = row(program, &mut messages);
            let terminal = program.terminal.as_str();
            if shown.get(terminal) != Some(&row) {
                let class = class_of(terminal);
                let _ = write!(bodies, r#"<tr class="{class}">{row}</tr>"#);
                shown.insert(terminal, row);
            }
        }
        bodies += "</tbody>";
    }
    let [name, note] = [text!("kernel.name"), text!("kernel.as-before")];
    let [program, call, buffers] =
        [text!("kernel.program"), text!("kernel.call"), text!("kernel.buffers")];
    Ok(format!(
        r#"<details class="kernel"><summary>{name}</summary><div class="table-wrapper"><table class="held"><caption>{note}</caption><thead><tr><th scope="col">{program}</th><th scope="col">{call}</th><th scope="col">{buffers}</th></tr></thead>{bodies}</table></div></details>"#
    ))
}

/// A program: its name, what it waits for, and what its sockets hold.
fn row(program: &Program, messages: &mut Messages) -> String {
    let name = escape(&program.terminal);
    let waits: Vec<String> = match &program.waits[..] {
        [] => vec![text!("kernel.ended")],
        waits => waits.iter().map(wait).collect(),
    };
    let waits: Vec<String> =
        waits.iter().map(|it| format!(r#"<span class="wait">{}</span>"#, to_html(it))).collect();
    let sockets = program.sockets.iter().map(|it| socket(&program.terminal, it, messages));
    let sockets: String = sockets.collect();
    format!(r#"<th scope="row"><b>{name}</b></th><td>{}</td><td>{sockets}</td>"#, waits.join(" "))
}

/// What a thread does, in words.
pub fn wait(wait: &Wait) -> String {
    let wait_of_one = match (wait.call, &wait.on) {
        (Call::Accept, _) => text!("kernel.accept"),
        (Call::Connect, _) => text!("kernel.connect"),
        (Call::Read, Some(On::Keyboard)) => text!("kernel.keyboard"),
        (Call::Read, Some(On::Peer(peer))) => {
            let peer = named(peer);
            text!("kernel.read-peer", peer)
        }
        (Call::Read, Some(On::Datagrams)) => text!("kernel.read-datagram"),
        (Call::Read, Some(On::Pipe)) => text!("kernel.read-pipe"),
        (Call::Read, _) => text!("kernel.read"),
        (Call::Write, Some(On::Peer(peer))) => {
            let peer = named(peer);
            text!("kernel.write-peer", peer)
        }
        (Call::Write, _) => text!("kernel.write"),
        (Call::Poll, _) => text!("kernel.poll"),
        (Call::EpollWait, _) => text!("kernel.epoll"),
        (Call::Thread, _) => text!("kernel.thread"),
        (Call::Child, _) => text!("kernel.child"),
        (Call::Sleep, _) => text!("kernel.sleep"),
        (Call::Runs, _) => text!("kernel.runs"),
    };
    match wait.threads {
        1 => wait_of_one,
        threads => text!("kernel.threads", wait_of_one, threads),
    }
}

/// What a socket holds. A listener holds connections.
fn socket(terminal: &str, socket: &Socket, messages: &mut Messages) -> String {
    match socket {
        Socket::Listener { queue, .. } => {
            let queued = queue.iter().map(|queued| {
                let Queued { peer, receive } = queued;
                let cells = cells(receive, &messages.update([terminal, peer, "came"], receive));
                let peer = to_html(&named(peer));
                format!(r#"<span class="queued">{peer} {cells}</span>"#)
            });
            let queued: Vec<String> = queued.collect();
            let content = if queued.is_empty() { empty() } else { queued.join(" ") };
            part(&text!("kernel.queue"), &content)
        }
        Socket::Connection { peer, state, receive, send } => {
            let came = messages.update([terminal, peer, "came"], receive);
            let sent = messages.update([terminal, peer, "sent"], send);
            let peer = named(peer);
            let state = match state {
                Ends::Open => String::new(),
                Ends::Peer => format!(" <i>{}</i>", to_html(&text!("kernel.ended-by-peer", peer))),
                Ends::Own => format!(" <i>{}</i>", text!("kernel.ended-here")),
                Ends::Both => format!(" <i>{}</i>", text!("kernel.ended-by-both")),
                Ends::Reset => format!(" <mark>RST</mark> <i>{}</i>", text!("kernel.reset")),
            };
            let mut html = part(&text!("kernel.from", peer), &(cells(receive, &came) + &state));
            if !send.is_empty() {
                html += &part(&text!("kernel.to", peer), &cells(send, &sent));
            }
            html
        }
        Socket::Datagrams { receive, .. } => {
            let came = messages.update([terminal, "", "came"], receive);
            part(&text!("kernel.datagrams"), &cells(receive, &came))
        }
    }
}

/// A line about a socket: its name, and what it holds.
fn part(label: &str, content: &str) -> String {
    // A Chinese colon has its own space.
    let space = if label.ends_with('：') { "" } else { " " };
    format!(r#"<span class="socket">{}{space}{content}</span>"#, to_html(label))
}

fn empty() -> String {
    format!("<i>{}</i>", text!("kernel.empty"))
}

/// A buffer: a cell for each byte, and how many there are.
fn cells(buffer: &Buffer, pieces: &[Piece]) -> String {
    if buffer.is_empty() {
        return empty();
    }
    let mut html = String::new();
    let mut at = 0;
    for piece in pieces.iter().filter(|_| buffer.len.is_some()) {
        let end = (at + piece.len).min(CELLS);
        if at < end {
            let text: String = (at..end).map(|at| cell(buffer.bytes.get(at).copied())).collect();
            let tint = piece.number % TINTS;
            // The dots of bytes that are only counted are nothing to read aloud.
            let hidden = if buffer.bytes.is_empty() { r#" aria-hidden="true""# } else { "" };
            let text = escape(&text);
            let _ = write!(html, r#"<samp class="message-{tint}"{hidden}>{text}</samp>"#);
        }
        at += piece.len;
    }
    if buffer.len != Some(0) {
        let more = if at > CELLS { "… " } else { "" };
        let count = count(buffer);
        let _ = write!(html, " <span>{more}{count}</span>");
    }
    let fin = if buffer.fin { " <mark>FIN</mark>" } else { "" };
    format!(r#"<span class="bytes">{html}{fin}</span>"#)
}

/// A byte as one character.
fn cell(byte: Option<u8>) -> char {
    match byte {
        Some(b'\n') => '↵',
        Some(byte) if byte == b' ' || byte.is_ascii_graphic() => char::from(byte),
        _ => '·',
    }
}

/// How many bytes wait in a buffer.
pub fn count(buffer: &Buffer) -> String {
    if let Some(len) = buffer.len {
        return bytes(len);
    }
    let limit = with_commas(MAX_LEN);
    text!("kernel.more", limit)
}

/// A number of bytes.
pub fn bytes(len: usize) -> String {
    if len == 1 {
        return text!("kernel.byte");
    }
    let len = with_commas(len);
    text!("kernel.bytes", len)
}

/// A length, which no session lets grow beyond what an `f64` counts exactly.
#[expect(clippy::cast_precision_loss, reason = "a buffer is shorter")]
fn with_commas(len: usize) -> String {
    grouped(len as f64)
}

/// What encloses the name of a terminal in a text that becomes HTML.
const NAME: [char; 2] = ['\u{2}', '\u{3}'];

/// The name of a terminal, which is bold on the page.
pub fn named(terminal: &str) -> String {
    let [open, close] = NAME;
    match terminal {
        STRANGER => text!("kernel.stranger"),
        _ => format!("{open}{terminal}{close}"),
    }
}

/// A text with the names of terminals, and with code between backticks.
pub fn to_html(text: &str) -> String {
    sentence(text).replace(NAME[0], "<b>").replace(NAME[1], "</b>")
}

/// Bytes that were sent in the same step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Piece {
    number: usize,
    len: usize,
}

/// The messages in each buffer: what was added to it after one action is one. A buffer is that of a terminal, for a
/// peer, in a direction; it stays the same when the connection is accepted.
#[derive(Debug, Default)]
struct Messages(HashMap<[String; 3], Held>);

/// What is in a buffer.
#[derive(Debug, Default)]
struct Held {
    pieces: Vec<Piece>,
    bytes: Vec<u8>,
    count: usize,
}

impl Messages {
    /// Compares a buffer with what it was before, and returns the messages that are in it now.
    fn update(&mut self, place: [&str; 3], now: &Buffer) -> Vec<Piece> {
        let held = self.0.entry(place.map(str::to_owned)).or_default();
        let len = now.len.unwrap_or(MAX_LEN);
        let before: usize = held.pieces.iter().map(|it| it.len).sum();
        // What was taken from the front: as little as possible, since what is left must still be there.
        let is_left = |taken: &usize| {
            let left = held.bytes.get(*taken..).unwrap_or_default();
            let same = left.len().min(now.bytes.len());
            before - taken <= len && left[..same] == now.bytes[..same]
        };
        let taken = (0..=before).find(is_left).unwrap_or(before);
        let mut rest = taken;
        for piece in &mut held.pieces {
            let part = rest.min(piece.len);
            piece.len -= part;
            rest -= part;
        }
        held.pieces.retain(|piece| piece.len > 0);
        let added = len - (before - taken);
        if added > 0 {
            held.pieces.push(Piece { number: held.count, len: added });
            held.count += 1;
        }
        held.bytes.clone_from(&now.bytes);
        held.pieces.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn buffer(len: usize, bytes: &str) -> Buffer {
        Buffer { len: Some(len), bytes: bytes.as_bytes().to_vec(), fin: false }
    }

    #[test]
    fn what_was_sent_after_one_action_is_one_message_until_its_last_byte_is_read() {
        let mut messages = Messages::default();
        let mut lens = |now: &Buffer| -> Vec<(usize, usize)> {
            let pieces = messages.update(["server", "bob", "came"], now);
            pieces.iter().map(|piece| (piece.number, piece.len)).collect()
        };
        assert_eq!(lens(&buffer(3, "one")), [(0, 3)]);
        assert_eq!(lens(&buffer(6, "onetwo")), [(0, 3), (1, 3)]);
        assert_eq!(lens(&buffer(2, "wo")), [(1, 2)]);
        assert_eq!(lens(&buffer(7, "wothree")), [(1, 2), (2, 5)]);
        assert_eq!(lens(&buffer(0, "")), []);
        assert_eq!(lens(&buffer(4, "")), [(3, 4)], "bytes that are only counted");
        assert_eq!(lens(&buffer(6, "")), [(3, 4), (4, 2)]);
    }

    #[test]
    fn a_buffer_has_a_cell_for_each_byte_up_to_a_limit() {
        let piece = |number, len| Piece { number, len };
        assert_eq!(
            cells(&Buffer { fin: true, ..buffer(4, "a\n<\0") }, &[piece(0, 3), piece(4, 1)]),
            r#"<span class="bytes"><samp class="message-0">a↵&lt;</samp><samp class="message-1">·</samp> <span>4 bytes</span> <mark>FIN</mark></span>"#
        );
        assert_eq!(
            cells(&buffer(2539, ""), &[piece(2, 2539)]),
            format!(
                r#"<span class="bytes"><samp class="message-2" aria-hidden="true">{}</samp> <span>… 2,539 bytes</span></span>"#,
                "·".repeat(CELLS)
            )
        );
        let fin = Buffer { fin: true, ..Buffer::EMPTY };
        assert_eq!(cells(&fin, &[]), r#"<span class="bytes"> <mark>FIN</mark></span>"#);
        let more = Buffer { len: None, bytes: b"x".to_vec(), fin: false };
        assert_eq!(
            cells(&more, &[piece(0, MAX_LEN)]),
            r#"<span class="bytes"> <span>more than 4,096 bytes</span></span>"#
        );
    }
}
