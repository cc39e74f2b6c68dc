//! What a tap printed, as a drawing: an arrow for each event, and the bytes in cells, with their meaning.

use std::collections::HashMap;

use anyhow::{Result, bail};
use conformance::check::Protocol;
use conformance::session::{Action, Line};
use conformance::{printable, text};

use super::framing::{Meaning, Segment, Stream};
use crate::html::escape;

/// As many bytes of text are shown as numbers, too. The numbers of more are in the hexdump.
const NUMBERS: usize = 16;

/// The cells that stay together in a line.
const CELLS: usize = 4;

/// The two directions, as the tap prints them.
const DIRECTIONS: [&str; 2] = ["client → server", "server → client"];

/// What the tap printed about one event.
#[derive(Debug)]
pub struct Event<'a> {
    /// How many lines that took.
    pub lines: usize,
    connection: &'a str,
    is_to_client: bool,
    what: What<'a>,
}

#[derive(Debug, PartialEq, Eq)]
enum What<'a> {
    /// Bytes, and how many there are in the tap's words.
    Piece {
        bytes: Vec<u8>,
        has_numbers: bool,
        count: &'a str,
    },
    End,
    Reset,
}

/// Reads the event with which these lines begin; none if they are about something else.
pub fn event(lines: &[Line]) -> Result<Option<Event<'_>>> {
    let Action::Output(first) = &lines[0].action else { return Ok(None) };
    let Some((connection, rest)) = first.split_once("  ").filter(|(it, _)| it.starts_with('#'))
    else {
        return Ok(None);
    };
    let direction = DIRECTIONS.iter().position(|direction| rest.starts_with(direction));
    let Some(direction) = direction else { return Ok(None) };
    let count = rest[DIRECTIONS[direction].len()..].trim();
    let event =
        |lines, what| Ok(Some(Event { lines, connection, is_to_client: direction == 1, what }));
    match count {
        "end of file" => return event(1, What::End),
        "reset" => return event(1, What::Reset),
        _ => {}
    }
    let below = lines[1..].iter().map_while(|line| match &line.action {
        Action::Output(text) => text.strip_prefix("  "),
        _ => None,
    });
    let (mut bytes, mut has_numbers, mut used) = (Vec::new(), false, 1);
    for line in below {
        if let Some(text) = line.strip_prefix('"') {
            bytes.extend(unescaped(text.strip_suffix('"').unwrap_or(text)));
        } else {
            bytes.extend(numbers(line));
            has_numbers = true;
        }
        used += 1;
    }
    let announced = count.split(' ').next().unwrap_or_default();
    if announced != bytes.len().to_string() {
        let (number, found) = (lines[0].number, bytes.len());
        bail!("line {number}: the tap announces {count}, but {found} follow");
    }
    event(used, What::Piece { bytes, has_numbers, count })
}

/// The bytes in a line of a hexdump: `00000000  68 69      |hi|`.
fn numbers(line: &str) -> Vec<u8> {
    let (_, dump) = line.split_once("  ").unwrap_or_default();
    let numbers = dump.split('|').next().unwrap_or_default().split_whitespace();
    numbers.filter_map(|number| u8::from_str_radix(number, 16).ok()).collect()
}

/// The bytes of a line that `tap --text` shows.
fn unescaped(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        rest = &rest[c.len_utf8()..];
        if c != '\\' {
            bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let kind = rest.chars().next().unwrap_or('\\');
        rest = &rest[kind.len_utf8().min(rest.len())..];
        let digits = match kind {
            'u' => rest.strip_prefix('{').and_then(|rest| rest.split_once('}')),
            'x' => rest.split_at_checked(2),
            _ => None,
        };
        let number = digits.and_then(|(digits, _)| u32::from_str_radix(digits, 16).ok());
        if let (Some((_, after)), Some(number)) = (digits, number) {
            rest = after;
            match (kind, char::from_u32(number)) {
                ('u', Some(c)) => bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
                _ => bytes.extend(u8::try_from(number)),
            }
            continue;
        }
        bytes.push(match kind {
            'n' => b'\n',
            'r' => b'\r',
            't' => b'\t',
            '0' => 0,
            _ => b'\\',
        });
    }
    bytes
}

/// The connections of a session.
#[derive(Debug)]
pub struct Wire<'a> {
    protocol: Protocol,
    /// The client, and the server.
    ends: [End<'a>; 2],
    streams: HashMap<(String, bool), Stream>,
}

/// The name of one end of a connection, and its colour.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    pub name: &'a str,
    pub class: &'a str,
}

impl<'a> Wire<'a> {
    pub fn new(protocol: Protocol, ends: [End<'a>; 2]) -> Self {
        Self { protocol, ends, streams: HashMap::new() }
    }

    /// Draws an event.
    pub fn html(&mut self, event: &Event<'_>, id: &str) -> String {
        let [client, server] = self.ends;
        let (from, to) = if event.is_to_client { (server, client) } else { (client, server) };
        let [from, to] =
            [from, to].map(|end| format!(r#"<b class="{}">{}</b>"#, end.class, escape(end.name)));
        let class = if event.is_to_client { "event back" } else { "event" };
        let number = match event.connection {
            "#1" => String::new(),
            other => format!("{other} "),
        };
        let (what, cells) = match &event.what {
            What::End => (format!("<mark>FIN</mark> {}", text!("wire.end")), String::new()),
            What::Reset => (format!("<mark>RST</mark> {}", text!("wire.reset")), String::new()),
            What::Piece { bytes, has_numbers, count } => {
                let key = (event.connection.to_owned(), event.is_to_client);
                let protocol = self.protocol;
                let stream = self.streams.entry(key).or_insert_with(|| Stream::new(protocol));
                let segments = stream.divide(bytes);
                let segments = segments.iter().map(|it| segment_to_html(it, *has_numbers));
                let segments: Vec<String> = segments.collect();
                let cells = format!(r#" <span class="bytes">{}</span>"#, segments.join(" "));
                ((*count).to_owned(), cells)
            }
        };
        format!(
            r#"<span class="{class}" id="{id}"><span class="arrow">{from}<i> → </i>{to} <span>{number}{what}</span></span>{cells}</span>"#
        )
    }
}

fn segment_to_html(segment: &Segment, has_numbers: bool) -> String {
    let Segment { meaning, bytes } = segment;
    let (class, label) = match meaning {
        Meaning::Length(Some(value)) => ("length", text!("wire.length", value)),
        Meaning::Length(None) => ("length", text!("wire.length-begins")),
        Meaning::Header => ("header", text!("wire.header")),
        Meaning::Payload => ("payload", text!("wire.payload")),
        Meaning::Body => ("payload", text!("wire.body")),
        Meaning::Text => ("payload", text!("wire.text")),
        Meaning::Line if bytes.ends_with(b"\n") => ("payload", text!("wire.line-and-newline")),
        Meaning::Line => ("payload", text!("wire.line")),
    };
    let is_number = matches!(meaning, Meaning::Length(_));
    let cells = if is_number || has_numbers && bytes.len() <= NUMBERS {
        let text = if is_number { String::new() } else { format!(" <q>{}</q>", readable(bytes)) };
        let groups = groups(bytes).into_iter().map(|group| numbers_to_html(group, is_number));
        let groups: String = groups.collect();
        format!(r#"{text}<span class="cells" aria-hidden="true">{groups}</span>"#)
    } else {
        let (text, newline) = match bytes.strip_suffix(b"\n") {
            Some(text) if *meaning == Meaning::Line => (text, r#"<samp class="newline">\n</samp>"#),
            _ => (&bytes[..], ""),
        };
        format!(" <samp>{}</samp>{newline}", readable(text))
    };
    format!(r#"<span class="{class}"><b>{label}</b>{cells}</span>"#)
}

/// The bytes as text that can be read aloud and copied, as HTML.
fn readable(bytes: &[u8]) -> String {
    let chunks = bytes
        .utf8_chunks()
        .map(|chunk| printable(chunk.valid()) + &chunk.invalid().escape_ascii().to_string());
    escape(&chunks.collect::<String>())
}

/// Groups of cells, each not in the middle of a character.
fn groups(bytes: &[u8]) -> Vec<&[u8]> {
    let mut groups = Vec::new();
    let mut start = 0;
    for (at, byte) in bytes.iter().enumerate() {
        let begins_character = byte & 0xc0 != 0x80;
        if at - start >= CELLS && begins_character {
            groups.push(&bytes[start..at]);
            start = at;
        }
    }
    groups.push(&bytes[start..]);
    groups
}

/// A group of cells: the numbers, and below them the text, unless they are a number themselves.
fn numbers_to_html(bytes: &[u8], is_number: bool) -> String {
    let numbers: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let numbers = numbers.join(" ");
    if is_number {
        return format!("<span>{numbers}</span>");
    }
    let characters = bytes.utf8_chunks().flat_map(|chunk| {
        let valid = chunk.valid().chars().map(|c| (printable(&c.to_string()), c.len_utf8()));
        let invalid = chunk.invalid().iter().map(|_| (".".to_owned(), 1));
        valid.chain(invalid).collect::<Vec<_>>()
    });
    let characters: String = characters
        .map(|(text, len)| match (text.chars().count(), len) {
            (1, 1) => escape(&text),
            _ => format!(r#"<s style="width:{}ch">{}</s>"#, 3 * len, escape(&text)),
        })
        .collect();
    format!("<span>{numbers}<i>{characters}</i></span>")
}
