//! Symptoms: what a failure looks like, so that the hint fits the mistake.
//!
//! One mistake makes many checks fail, and each has a hint of its own that fits another mistake. Where the
//! bytes that arrived betray the cause, or a further question to the server does (see `Running::ask`), the
//! failure has a symptom, and the symptom has the hint.

use std::borrow::Cow;
use std::process::ExitStatus;

use crate::Failure;
use crate::check::{Protocol, is_said};
use crate::failure::Difference;
use crate::texts::TEXTS;

/// How many bytes a length takes.
const LENGTH_LEN: usize = size_of::<u32>();

/// The signal that ends a program which writes to a connection that was closed, unless it ignores it.
#[cfg(unix)]
const SIGPIPE: i32 = 13;

/// What two clients of a room have received.
pub(crate) struct Heard {
    /// What one of them has received before it sent anything.
    pub(crate) greeting: String,
    /// What it has received after its first line.
    pub(crate) after_first: String,
    /// What it has received after its second line.
    pub(crate) after_second: String,
    /// Whether the other one has received one of the lines.
    pub(crate) elsewhere: bool,
}

/// The options with which the judge starts programs.
const OPTIONS: &[&str] = &["--root", "--timeout", "--dir", "--force"];

/// How parsers of options begin, in lower case, when they do not know one.
const REJECTIONS: &[&str] = &[
    "usage:",
    "unrecognized",
    "unrecognised",
    "unknown option",
    "unknown flag",
    "unknown argument",
    "unexpected argument",
    "invalid option",
    "illegal option",
    "no such option",
    "flag provided but not defined",
];

/// What a failure looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symptom {
    /// The bytes of a length are in reversed order.
    ByteOrder,
    /// A length is written in digits.
    LengthAsText,
    /// There is no length before the bytes.
    NoLength,
    /// A server takes the length of a message for a part of it.
    UnframedMessage,
    /// A length takes 1, 2 or 8 bytes.
    LengthWidth,
    /// A length is not the number of bytes that follow it.
    WrongLength,
    /// Bytes are sent as the language displays them: `b'…'`, `[B@…`, `<Buffer …>`.
    DisplayedBytes,
    /// Characters are encoded in UTF-16.
    Utf16,
    /// It is an answer of a web server.
    Http,
    /// Letters outside ASCII were changed as well.
    UnicodeCase,
    /// Bytes outside ASCII were decoded and encoded again.
    Encoding,
    /// The message returns unchanged.
    Unchanged,
    /// The message returns with other letters: in upper case, where it should return unchanged.
    ChangedLetters,
    /// `\n` became `\r\n`, or the other way round.
    LineEnding,
    /// A newline or a zero byte more.
    TrailingByte,
    /// The newline at the end is missing.
    MissingNewline,
    /// The bytes end before a byte 0.
    StopsAtZero,
    /// The bytes end too early.
    CutShort,
    /// The whole buffer is sent, with what an earlier message left there.
    WholeBuffer,
    /// The answer to an earlier message.
    EarlierAnswer,
    /// Bytes that arrive before anything was sent.
    Greeting,
    /// The answer, with something around it.
    Decorated,
    /// It answers only when it has received a newline.
    WaitsForNewline,
    /// It answers only when the client has ended its side.
    WaitsForEnd,
    /// It fails only where the stream is cut.
    PartialRead,
    /// A length was unpacked from fewer bytes than it takes.
    ShortUnpack,
    /// Text where bytes are needed, or the other way round.
    TextForBytes,
    /// The connection is ended without any answer.
    NoAnswer,
    /// The connection is ended after the first answer.
    OneAnswer,
    /// The server has ended without an error after one of its clients had left.
    OneClient,
    /// `SIGPIPE` has ended the program, which wrote to a connection that was closed.
    BrokenPipe,
    /// A client sends the newline of what was typed as well.
    TypedNewline,
    /// A client takes a long line of its input for several.
    LineInPieces,
    /// A room sends a line to the other clients, and not to its sender.
    NotToSender,
    /// Lines of a room do not begin with the sender's address.
    NoAddress,
    /// A room takes the first line of a client as its name.
    AsksForName,
    /// An option that the step's program has is not known.
    UnknownOption,
    /// The files are looked for elsewhere than below `--root`.
    OtherFolder,
}

impl Symptom {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::ByteOrder,
        Self::LengthAsText,
        Self::NoLength,
        Self::UnframedMessage,
        Self::LengthWidth,
        Self::WrongLength,
        Self::DisplayedBytes,
        Self::Utf16,
        Self::Http,
        Self::UnicodeCase,
        Self::Encoding,
        Self::Unchanged,
        Self::ChangedLetters,
        Self::LineEnding,
        Self::TrailingByte,
        Self::MissingNewline,
        Self::StopsAtZero,
        Self::CutShort,
        Self::WholeBuffer,
        Self::EarlierAnswer,
        Self::Greeting,
        Self::Decorated,
        Self::WaitsForNewline,
        Self::WaitsForEnd,
        Self::PartialRead,
        Self::ShortUnpack,
        Self::TextForBytes,
        Self::NoAnswer,
        Self::OneAnswer,
        Self::OneClient,
        Self::BrokenPipe,
        Self::TypedNewline,
        Self::LineInPieces,
        Self::NotToSender,
        Self::NoAddress,
        Self::AsksForName,
        Self::UnknownOption,
        Self::OtherFolder,
    ];

    /// Its name, in kebab case.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ByteOrder => "byte-order",
            Self::LengthAsText => "length-as-text",
            Self::NoLength => "no-length",
            Self::UnframedMessage => "unframed-message",
            Self::LengthWidth => "length-width",
            Self::WrongLength => "wrong-length",
            Self::DisplayedBytes => "displayed-bytes",
            Self::Utf16 => "utf-16",
            Self::Http => "http",
            Self::UnicodeCase => "unicode-case",
            Self::Encoding => "encoding",
            Self::Unchanged => "unchanged",
            Self::ChangedLetters => "changed-letters",
            Self::LineEnding => "line-ending",
            Self::TrailingByte => "trailing-byte",
            Self::MissingNewline => "missing-newline",
            Self::StopsAtZero => "stops-at-zero",
            Self::CutShort => "cut-short",
            Self::WholeBuffer => "whole-buffer",
            Self::EarlierAnswer => "earlier-answer",
            Self::Greeting => "greeting",
            Self::Decorated => "decorated",
            Self::WaitsForNewline => "waits-for-newline",
            Self::WaitsForEnd => "waits-for-end",
            Self::PartialRead => "partial-read",
            Self::ShortUnpack => "short-unpack",
            Self::TextForBytes => "text-for-bytes",
            Self::NoAnswer => "no-answer",
            Self::OneAnswer => "one-answer",
            Self::OneClient => "one-client",
            Self::BrokenPipe => "broken-pipe",
            Self::TypedNewline => "typed-newline",
            Self::LineInPieces => "line-in-pieces",
            Self::NotToSender => "not-to-sender",
            Self::NoAddress => "no-address",
            Self::AsksForName => "asks-for-name",
            Self::UnknownOption => "unknown-option",
            Self::OtherFolder => "other-folder",
        }
    }

    /// The key of one of its texts.
    pub(crate) fn key(self, text: &str) -> String {
        format!("symptom.{}.{text}", self.name())
    }

    /// What the program does, most likely.
    #[must_use]
    pub fn cause(self) -> &'static str {
        TEXTS.get(&self.key("cause"))
    }

    /// What to try first.
    #[must_use]
    pub fn hint(self) -> &'static str {
        TEXTS.get(&self.key("hint"))
    }

    /// Whether it spoils every exchange, so that it explains each later failure that has no symptom of
    /// its own.
    #[must_use]
    pub fn spoils_all(self) -> bool {
        !matches!(
            self,
            Self::UnicodeCase
                | Self::Encoding
                | Self::LineEnding
                | Self::StopsAtZero
                | Self::CutShort
                | Self::PartialRead
                | Self::ShortUnpack
                | Self::OneAnswer
                | Self::OneClient
                | Self::BrokenPipe
                | Self::LineInPieces
                | Self::UnknownOption
                | Self::OtherFolder
        )
    }
}

/// This failure, with the symptom that it betrays, if there is one and it has none yet.
pub(crate) fn add(failure: Failure, protocol: Protocol) -> Failure {
    let in_bytes = failure.difference().and_then(|difference| of_bytes(difference, protocol));
    let found = in_bytes.or_else(|| {
        let (command, output) = failure.program()?;
        of_output(command, output)
    });
    let is_second = |it: &Difference| it.received.is_empty() && it.before.len() == 1;
    let ended = !failure.has_timed_out() && failure.difference().is_some_and(is_second);
    failure.looking_like(found.or(ended.then_some(Symptom::OneAnswer)))
}

/// What these bytes look like, received in the place of others.
fn of_bytes(difference: &Difference, protocol: Protocol) -> Option<Symptom> {
    let Difference { expected, received, .. } = difference;
    if received.starts_with(b"HTTP/1.") {
        return Some(Symptom::Http);
    }
    if protocol == Protocol::Frames && expected.len() > LENGTH_LEN {
        return of_frame(difference, protocol);
    }
    of_payload(expected, received, &difference.before, protocol)
}

/// What a frame looks like, received in the place of another.
fn of_frame(difference: &Difference, protocol: Protocol) -> Option<Symptom> {
    let Difference { expected, received, before, .. } = difference;
    let payload = &expected[LENGTH_LEN..];
    if let Some((header, rest)) = received.split_first_chunk::<LENGTH_LEN>() {
        let swapped = u32::from_le_bytes(*header) as usize;
        let fits = swapped == rest.len() || swapped == payload.len() && !rest.starts_with(b"\0");
        if fits && header[..] != expected[..LENGTH_LEN] {
            return Some(Symptom::ByteOrder);
        }
        let len = u32::from_be_bytes(*header) as usize;
        if len == rest.len() && len > 0 && rest != payload {
            let payload_of = |frame: &Vec<u8>| frame.get(LENGTH_LEN..).unwrap_or_default().to_vec();
            let before: Vec<_> = before.iter().map(payload_of).collect();
            return of_payload(payload, rest, &before, protocol);
        }
    }
    if let Some(text) = displayed(received) {
        return Some(text);
    }
    let Some(at) = position(received, payload) else {
        return of_payload(expected, received, before, protocol);
    };
    let (prefix, len) = (&received[..at], payload.len());
    let digits = String::from_utf8_lossy(prefix);
    match prefix.len() {
        0 => Some(Symptom::NoLength),
        1 | 2 | 8 if number(prefix, false) == len || number(prefix, true) == len => {
            Some(Symptom::LengthWidth)
        }
        _ if digits.trim_end_matches([' ', '\n', '\r', ':', '\0']).parse() == Ok(len) => {
            Some(Symptom::LengthAsText)
        }
        LENGTH_LEN => Some(Symptom::WrongLength),
        _ => of_payload(expected, received, before, protocol),
    }
}

/// What bytes without a length look like, received in the place of others.
fn of_payload(
    expected: &[u8],
    received: &[u8],
    before: &[Vec<u8>],
    protocol: Protocol,
) -> Option<Symptom> {
    if received.is_empty() || expected.is_empty() {
        return None;
    }
    let text = String::from_utf8_lossy(expected);
    let equal = expected.iter().zip(received).take_while(|(a, b)| a == b).count();
    if let Some(symptom) = displayed(received) {
        return Some(symptom);
    }
    if protocol == Protocol::UpperCase {
        if text.to_uppercase().as_bytes() == received {
            return Some(Symptom::UnicodeCase);
        }
        if received.to_ascii_uppercase() == expected {
            return Some(Symptom::Unchanged);
        }
    }
    if protocol == Protocol::Echo && expected != received && expected.eq_ignore_ascii_case(received)
    {
        return Some(Symptom::ChangedLetters);
    }
    if is_utf_16(expected, received) {
        return Some(Symptom::Utf16);
    }
    if without_returns(expected) == without_returns(received) {
        return Some(Symptom::LineEnding);
    }
    if let Some(symptom) = of_rest(expected, received, before) {
        return Some(symptom);
    }
    if equal == received.len() {
        return Some(match &expected[equal..] {
            b"\n" | b"\r\n" => Symptom::MissingNewline,
            [0, ..] => Symptom::StopsAtZero,
            _ => Symptom::CutShort,
        });
    }
    if expected.get(equal).is_some_and(|byte| !byte.is_ascii()) {
        return Some(Symptom::Encoding);
    }
    position(received, expected).map(|_| Symptom::Decorated)
}

/// What surplus bytes look like, before or after those that were expected.
fn of_rest(expected: &[u8], received: &[u8], before: &[Vec<u8>]) -> Option<Symptom> {
    // The case of the letters may be wrong as well: the surplus bytes are the mistake to correct first.
    let begins = received.get(..expected.len()).is_some_and(|it| it.eq_ignore_ascii_case(expected));
    let at = if begins { Some(0) } else { position(received, expected) };
    let rest = match at {
        Some(0) => &received[expected.len()..],
        Some(at) => &received[..at],
        None => received,
    };
    let last = before.last();
    let is_left_of = |longer: &Vec<u8>| {
        let len = last.map_or(longer.len(), Vec::len);
        longer.len() > len && rest.starts_with(&longer[len..])
    };
    match rest {
        b"\n" | b"\r\n" | b"\0" if at.is_some() => Some(Symptom::TrailingByte),
        _ if rest.iter().all(|byte| *byte == 0) => Some(Symptom::WholeBuffer),
        _ if before.iter().any(is_left_of) => Some(Symptom::WholeBuffer),
        _ if last.is_some_and(|last| received.starts_with(last)) => Some(Symptom::EarlierAnswer),
        _ => None,
    }
}

/// What it looks like that a client has sent these bytes in place of a message, which has no newline.
pub(crate) fn of_message(difference: &Difference, protocol: Protocol) -> Option<Symptom> {
    let header_len = if protocol.has_boundaries() { LENGTH_LEN } else { 0 };
    let text = difference.received.get(header_len..)?;
    (protocol != Protocol::Chat && text.contains(&b'\n')).then_some(Symptom::TypedNewline)
}

/// What the end of a server looks like that some client had reached.
pub(crate) fn of_end(status: ExitStatus, protocol: Protocol) -> Option<Symptom> {
    #[cfg(unix)]
    if std::os::unix::process::ExitStatusExt::signal(&status) == Some(SIGPIPE) {
        return Some(Symptom::BrokenPipe);
    }
    (status.success() && protocol != Protocol::Echo).then_some(Symptom::OneClient)
}

/// What a room looks like that sends these bytes to a client: before it has sent anything, after its
/// first line, and after its second one; and whether another client has received the lines.
pub(crate) fn of_room(heard: &Heard, first: &str, second: &str) -> Option<Symptom> {
    let Heard { greeting, after_first, after_second, elsewhere } = heard;
    let asks = !greeting.is_empty() && !greeting.ends_with('\n');
    let own = after_second.lines().find(|line| line.contains(second));
    let Some(own) = own else {
        let is_named = after_first.contains(first);
        return match (asks || is_named, elsewhere) {
            (true, _) => Some(Symptom::AsksForName),
            (false, true) => Some(Symptom::NotToSender),
            (false, false) => None,
        };
    };
    if asks || own.contains(first) || !after_first.contains(first) {
        return Some(Symptom::AsksForName);
    }
    (!is_said(own, second)).then_some(Symptom::NoAddress)
}

/// What a program's own words betray, such as those of an exception, or of a parser of options.
fn of_output(command: &str, output: &str) -> Option<Symptom> {
    let has = |words: &[&str]| words.iter().any(|word| output.contains(word));
    let has_option = command.split(' ').any(|word| OPTIONS.contains(&word));
    if has_option && REJECTIONS.iter().any(|words| output.to_lowercase().contains(words)) {
        return Some(Symptom::UnknownOption);
    }
    if has(&["UnicodeDecodeError", "UnicodeEncodeError", "MalformedInputException"]) {
        return Some(Symptom::Encoding);
    }
    if has(&["struct.error: unpack requires", "ERR_BUFFER_OUT_OF_BOUNDS"]) {
        return Some(Symptom::ShortUnpack);
    }
    let mixed = [
        "TypeError: a bytes-like object is required",
        "TypeError: can't concat",
        "TypeError: can only concatenate",
        "TypeError: argument should be a bytes-like object",
        "TypeError: memoryview: a bytes-like object is required",
        "TypeError: string argument without an encoding",
    ];
    has(&mixed).then_some(Symptom::TextForBytes)
}

/// What a length is that is too large: perhaps four bytes of something else, or in reversed order.
pub(crate) fn of_length(bytes: [u8; LENGTH_LEN], most: u32) -> Option<Symptom> {
    match bytes {
        [b'H', b'T', b'T', b'P'] => Some(Symptom::Http),
        [b'b', b'\'' | b'"', ..] => Some(Symptom::DisplayedBytes),
        [b'{', ..] => Some(Symptom::NoLength),
        [0, _, b'{', _] => Some(Symptom::LengthWidth),
        [b'0'..=b'9', rest @ ..] if rest.iter().all(u8::is_ascii) => Some(Symptom::LengthAsText),
        _ => (u32::from_le_bytes(bytes) <= most).then_some(Symptom::ByteOrder),
    }
}

/// Bytes as a language displays them.
fn displayed(received: &[u8]) -> Option<Symptom> {
    const STARTS: &[&[u8]] = &[b"b'", b"b\"", b"bytearray(b", b"[B@", b"<Buffer "];
    // Go and Java print an array of numbers.
    let is_list = received.len() > 2
        && received.starts_with(b"[")
        && received.ends_with(b"]")
        && received[1..received.len() - 1]
            .iter()
            .all(|it| matches!(it, b'0'..=b'9' | b' ' | b',' | b'-'));
    let is_shown = |start: &&[u8]| {
        let body = received.get(LENGTH_LEN..).unwrap_or_default();
        received.starts_with(start) || body.starts_with(start)
    };
    (is_list || STARTS.iter().any(is_shown)).then_some(Symptom::DisplayedBytes)
}

/// Whether each byte has a zero byte beside it.
fn is_utf_16(expected: &[u8], received: &[u8]) -> bool {
    let marks = [&[0xff, 0xfe][..], &[0xfe, 0xff]];
    let text = marks.iter().find_map(|mark| received.strip_prefix(*mark)).unwrap_or(received);
    let without: Vec<u8> = text.iter().copied().filter(|byte| *byte != 0).collect();
    !expected.contains(&0) && text.len() == 2 * expected.len() && without == expected
}

fn without_returns(bytes: &[u8]) -> Cow<'_, [u8]> {
    if bytes.contains(&b'\r') {
        return bytes.iter().copied().filter(|byte| *byte != b'\r').collect();
    }
    Cow::Borrowed(bytes)
}

fn number(bytes: &[u8], reversed: bool) -> usize {
    let append = |number: usize, byte: &u8| number.wrapping_shl(8) | usize::from(*byte);
    if reversed { bytes.iter().rev().fold(0, append) } else { bytes.iter().fold(0, append) }
}

/// Where these bytes are in others.
fn position(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn of(
        protocol: Protocol,
        expected: &[u8],
        received: &[u8],
        before: &[&[u8]],
    ) -> Option<Symptom> {
        let before = before.iter().map(|bytes| bytes.to_vec()).collect();
        let (expected, received) = (expected.to_vec(), received.to_vec());
        of_bytes(&Difference { expected, received, end: None, before }, protocol)
    }

    #[test]
    fn a_frame_betrays_what_its_length_is() {
        let hello = b"\0\0\0\x05hello";
        for (received, symptom) in [
            (&b"\x05\0\0\0hello"[..], Symptom::ByteOrder),
            (b"\x05\0\0\0", Symptom::ByteOrder),
            (b"\x06\0\0\0hello\n", Symptom::ByteOrder),
            (b"5hello", Symptom::LengthAsText),
            (b"0005hello", Symptom::LengthAsText),
            (b"5\nhello", Symptom::LengthAsText),
            (b"hello", Symptom::NoLength),
            (b"\0\x05hello", Symptom::LengthWidth),
            (b"\x05\0\0\0\0\0\0\0hello", Symptom::LengthWidth),
            (b"\0\0\0\x09hello", Symptom::WrongLength),
            (b"\0\0\0\x04hello", Symptom::WrongLength),
            (b"b'\\x00\\x00\\x00\\x05hello'", Symptom::DisplayedBytes),
            (b"\0\0\0\x08b'hello'", Symptom::DisplayedBytes),
            (b"\0\0\0\x0ah\0e\0l\0l\0o\0", Symptom::Utf16),
            (b"\0\0\0\x05hel", Symptom::CutShort),
            (b"HTTP/1.1 400 Bad Request\r\n", Symptom::Http),
        ] {
            assert_eq!(of(Protocol::Frames, hello, received, &[]), Some(symptom), "{received:?}");
        }
        for received in [&b""[..], b"\0\0\0\x05hullo"] {
            assert_eq!(of(Protocol::Frames, hello, received, &[]), None, "{received:?}");
        }
        let line = b"\0\0\0\x03hi\n";
        for (received, symptom) in [
            (&b"\0\0\0\x02hi"[..], Symptom::MissingNewline),
            (b"\0\0\0\x04hi\r\n", Symptom::LineEnding),
            (b"\0\0\0\x07one\nhi\n", Symptom::EarlierAnswer),
        ] {
            let before: &[&[u8]] = &[b"\0\0\0\x04one\n"];
            assert_eq!(of(Protocol::Frames, line, received, before), Some(symptom), "{received:?}");
        }
    }

    #[test]
    fn bytes_without_a_length_betray_what_was_done_to_them() {
        let upper = Protocol::UpperCase;
        for (expected, received, symptom) in [
            ("GRüßE".as_bytes(), "GRÜSSE".as_bytes(), Symptom::UnicodeCase),
            ("GRüßE".as_bytes(), b"GR??E", Symptom::Encoding),
            ("GRüßE".as_bytes(), "GRÃ¼ÃŸE".as_bytes(), Symptom::Encoding),
            (b"ONE", b"one", Symptom::Unchanged),
            (b"ONE", b"b'ONE'", Symptom::DisplayedBytes),
            (b"ONE", b"[79 78 69]", Symptom::DisplayedBytes),
            (b"ONE", b"<Buffer 4f 4e 45>", Symptom::DisplayedBytes),
            (b"ONE", b"[B@1b6d3586", Symptom::DisplayedBytes),
            (b"ONE", b"\0O\0N\0E", Symptom::Utf16),
            (b"\0\x01", b"", Symptom::CutShort),
            (b"A\0B", b"A", Symptom::StopsAtZero),
            (b"ONE", b"O", Symptom::CutShort),
            (b"ONE", b"you said: ONE", Symptom::Decorated),
        ] {
            let found = of(upper, expected, received, &[]);
            let symptom = (!received.is_empty()).then_some(symptom);
            assert_eq!(found, symptom, "{received:?}");
        }
    }

    #[test]
    fn an_echo_with_other_letters_or_padded_is_recognised() {
        for (protocol, expected, received, symptom) in [
            (Protocol::Echo, &b"a"[..], &b"A"[..], Symptom::ChangedLetters),
            (Protocol::Echo, b"abcde", b"ABCDE", Symptom::ChangedLetters),
            (Protocol::Echo, b"abcde", b"ABCDE\0\0\0", Symptom::WholeBuffer),
            (Protocol::Echo, b"abcde", b"abcde\0\0\0", Symptom::WholeBuffer),
            (Protocol::UpperCase, b"QUIZ", b"quiz\0\0\0", Symptom::WholeBuffer),
            (Protocol::UpperCase, b"QUIZ", b"quiz\n", Symptom::TrailingByte),
        ] {
            assert_eq!(of(protocol, expected, received, &[]), Some(symptom), "{received:?}");
        }
    }

    #[test]
    fn a_client_that_sends_its_newline_is_recognised() {
        for (protocol, expected, received, symptom) in [
            (Protocol::UpperCase, &b"world"[..], &b"\nworl"[..], Some(Symptom::TypedNewline)),
            (Protocol::Frames, b"\0\0\0\x02hi", b"\0\0\0\x03hi\n", Some(Symptom::TypedNewline)),
            (Protocol::Frames, b"\0\0\0\x02hi", b"\0\0\0\nhi", None),
            (Protocol::UpperCase, b"world", b"word", None),
            (Protocol::Chat, b"world\n", b"word\n", None),
        ] {
            let (expected, received) = (expected.to_vec(), received.to_vec());
            let difference = Difference { expected, received, end: None, before: Vec::new() };
            assert_eq!(of_message(&difference, protocol), symptom, "{difference:?}");
        }
    }

    #[test]
    fn a_room_is_known_by_what_its_clients_receive() {
        let own = "127.0.0.1:50001";
        for (greeting, after_first, after_second, elsewhere, symptom) in [
            ("", format!("{own} one\n"), format!("{own} two\n"), true, None),
            ("welcome\n", format!("{own} one\n"), format!("{own} two\n"), true, None),
            ("", "one\n".to_owned(), "two\n".to_owned(), true, Some(Symptom::NoAddress)),
            (
                "",
                "(50001) one\n".to_owned(),
                "(50001) two\n".to_owned(),
                true,
                Some(Symptom::NoAddress),
            ),
            ("", String::new(), String::new(), true, Some(Symptom::NotToSender)),
            ("", String::new(), String::new(), false, None),
            (
                "NICK",
                "one joined!".to_owned(),
                "two\n".to_owned(),
                false,
                Some(Symptom::AsksForName),
            ),
            (
                "",
                "Hello one\n".to_owned(),
                "one: two\n".to_owned(),
                true,
                Some(Symptom::AsksForName),
            ),
            ("", "Hello one\n".to_owned(), String::new(), true, Some(Symptom::AsksForName)),
            ("", String::new(), format!("{own} two\n"), true, Some(Symptom::AsksForName)),
            ("Name: ", String::new(), String::new(), false, Some(Symptom::AsksForName)),
        ] {
            let greeting = greeting.to_owned();
            let heard = Heard { greeting, after_first, after_second, elsewhere };
            let shown = format!("{:?}", (&heard.greeting, &heard.after_first, &heard.after_second));
            assert_eq!(of_room(&heard, "one", "two"), symptom, "{shown}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_end_of_a_server_betrays_its_cause() {
        use std::os::unix::process::ExitStatusExt;

        let end = |raw, protocol| of_end(ExitStatus::from_raw(raw), protocol);
        assert_eq!(end(13, Protocol::Chat), Some(Symptom::BrokenPipe));
        assert_eq!(end(0, Protocol::UpperCase), Some(Symptom::OneClient));
        assert_eq!(end(0, Protocol::Echo), None);
        assert_eq!(end(9, Protocol::UpperCase), None);
        assert_eq!(end(1 << 8, Protocol::UpperCase), None);
    }

    #[test]
    fn what_an_earlier_message_has_left_is_recognised() {
        let before: &[&[u8]] = &[b"HELLO", b"HI"];
        for (received, symptom) in [
            (&b"LLOTWO"[..], Some(Symptom::WholeBuffer)),
            (b"\0\0\0TWO\0\0\0", Some(Symptom::WholeBuffer)),
            (b"\nTWO\n", Some(Symptom::TrailingByte)),
            (b"\r\nTWO\r\n", Some(Symptom::TrailingByte)),
            (b"HI", Some(Symptom::EarlierAnswer)),
            (b"TWX", None),
        ] {
            assert_eq!(of(Protocol::UpperCase, b"TWO", received, before), symptom, "{received:?}");
        }
    }

    #[test]
    fn a_length_that_cannot_be_betrays_what_it_is() {
        for (bytes, symptom) in [
            (*b"\x20\0\0\0", Some(Symptom::ByteOrder)),
            (*b"HTTP", Some(Symptom::Http)),
            (*b"b'\\x", Some(Symptom::DisplayedBytes)),
            (*b"{\"si", Some(Symptom::NoLength)),
            (*b"\0\x20{\"", Some(Symptom::LengthWidth)),
            (*b"32{\"", Some(Symptom::LengthAsText)),
            (*b"\xff\xff\xff\xff", None),
        ] {
            assert_eq!(of_length(bytes, 1 << 16), symptom, "{bytes:?}");
        }
    }

    #[test]
    fn what_a_program_writes_betrays_a_mistake() {
        let server = "python3 server.py 127.0.0.1:9007";
        let with_root = format!("{server} --root /tmp/served");
        for (command, output, symptom) in [
            (with_root.as_str(), "Usage: server.py ADDR", Some(Symptom::UnknownOption)),
            (&with_root, "flag provided but not defined: -root", Some(Symptom::UnknownOption)),
            (server, "Usage: server.py ADDR", None),
            (server, "UnicodeDecodeError: 'utf-8' codec can't", Some(Symptom::Encoding)),
            (server, "struct.error: unpack requires a buffer", Some(Symptom::ShortUnpack)),
            (server, "TypeError: a bytes-like object is required", Some(Symptom::TextForBytes)),
            (&with_root, "listening on 127.0.0.1:9007", None),
        ] {
            assert_eq!(of_output(command, output), symptom, "{output}");
        }
    }

    #[test]
    fn each_symptom_has_a_name_of_its_own() {
        let names: BTreeSet<_> = Symptom::ALL.iter().map(|symptom| symptom.name()).collect();
        assert_eq!(names.len(), Symptom::ALL.len());
    }
}
