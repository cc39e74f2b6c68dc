//! Lines, without a network: what is written is what is read, however the stream is cut.

use std::time::{Duration, Instant};

use proptest::prelude::*;

#[path = "../src/line.rs"]
mod line;

use line::{BadLine, LineBuffer, MAX_LINE_LEN};

/// A limit that short tests can reach, in bytes.
const LIMIT: usize = 8;

type Lines = Vec<Result<String, BadLine>>;

/// What a buffer returns that is given these pieces, one after the other.
fn lines_of<'a>(max_len: usize, pieces: impl IntoIterator<Item = &'a [u8]>) -> Lines {
    let mut buffer = LineBuffer::new(max_len);
    let mut lines = Vec::new();
    for piece in pieces {
        buffer.push(piece);
        while let Some(line) = buffer.next_line() {
            lines.push(line.map(str::to_owned));
        }
    }
    lines
}

fn whole(bytes: &[u8]) -> Lines {
    lines_of(LIMIT, [bytes])
}

#[expect(clippy::unnecessary_wraps, reason = "it is compared with what may be an error")]
fn text(text: &str) -> Result<String, BadLine> {
    Ok(text.to_owned())
}

fn too_long() -> Result<String, BadLine> {
    Err(BadLine::TooLong { max_len: LIMIT })
}

/// Cuts bytes into pieces of these lengths, in turns.
fn cut<'a>(mut bytes: &'a [u8], lengths: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    let mut lengths = lengths.iter().cycle();
    while !bytes.is_empty() {
        let len = lengths.next().copied().unwrap_or(bytes.len());
        let (piece, rest) = bytes.split_at(len.min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces
}

/// Lengths of reads, of which at least one is not 0.
fn lengths() -> impl Strategy<Value = Vec<usize>> {
    (prop::collection::vec(0..12_usize, 0..20), 1..5000_usize).prop_map(|(mut lengths, last)| {
        lengths.push(last);
        lengths
    })
}

/// Text that the chat accepts, of many lengths and of characters of one to four bytes.
fn line() -> impl Strategy<Value = String> {
    let short = prop::collection::vec(prop_oneof!["[a-z \t]", "[äß€字😀]"], 0..20);
    let long = prop::collection::vec(Just("字".to_owned()), 0..=MAX_LINE_LEN / 3);
    prop_oneof![4 => short, 1 => long].prop_map(|parts| parts.concat())
}

/// Keeps no file of earlier failures: a failure prints what is needed to repeat it.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_lines_cut_anywhere_come_out_as_they_went_in(
        lines in prop::collection::vec((line(), any::<bool>()), 0..8),
        partial in line(),
        lengths in lengths(),
    ) {
        let mut bytes = Vec::new();
        for (line, carriage_return) in &lines {
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(if *carriage_return { b"\r\n" } else { b"\n" });
        }
        bytes.extend_from_slice(partial.as_bytes());
        let came = lines_of(MAX_LINE_LEN, cut(&bytes, &lengths));
        let sent: Lines = lines.into_iter().map(|(line, _)| Ok(line)).collect();
        prop_assert_eq!(came, sent);
    }

    #[test]
    fn any_bytes_give_the_same_lines_wherever_they_are_cut(
        bytes in prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
        lengths in lengths(),
    ) {
        prop_assert_eq!(lines_of(LIMIT, cut(&bytes, &lengths)), whole(&bytes));
    }

    #[test]
    fn a_line_is_too_long_exactly_if_it_has_more_bytes_than_the_limit(
        len in 0..3 * LIMIT,
        carriage_return in any::<bool>(),
        lengths in lengths(),
    ) {
        let line = "x".repeat(len);
        let bytes = format!("{line}{}\nnext\n", if carriage_return { "\r" } else { "" });
        let expected = if len > LIMIT { too_long() } else { Ok(line) };
        prop_assert_eq!(lines_of(LIMIT, cut(bytes.as_bytes(), &lengths)), [expected, text("next")]);
    }
}

#[test]
fn a_line_that_is_too_long_is_reported_once_and_the_next_one_is_whole() {
    let megabyte = vec![b'x'; 1024 * 1024];
    let pieces = cut(&megabyte, &[1000]).into_iter().chain([&b"\nnext\n"[..]]);
    assert_eq!(lines_of(LIMIT, pieces), [too_long(), text("next")]);
}

#[test]
fn the_longest_line_passes_with_either_ending_and_one_byte_more_does_not() {
    let longest = "x".repeat(MAX_LINE_LEN);
    let bytes = format!("{longest}\n{longest}\r\n{longest}x\n{longest}x\r\n{longest}\r\r\n");
    let too_long = || Err(BadLine::TooLong { max_len: 4096 });
    let expected = [Ok(longest.clone()), Ok(longest), too_long(), too_long(), too_long()];
    assert_eq!(lines_of(MAX_LINE_LEN, [bytes.as_bytes()]), expected);
}

#[test]
fn an_endless_line_gives_nothing_back() {
    let mut buffer = LineBuffer::new(LIMIT);
    for _ in 0..10_000 {
        buffer.push(&[b'x'; 4096]);
        assert_eq!(buffer.next_line(), None);
    }
    buffer.push(b"\n");
    assert_eq!(buffer.next_line(), Some(Err(BadLine::TooLong { max_len: LIMIT })));
    assert_eq!(buffer.next_line(), None);
}

#[test]
fn bytes_that_arrive_singly_cost_no_more_than_all_at_once() {
    const LEN: usize = 2 * 1024 * 1024; // searching all of it again for each byte takes minutes
    const DEADLINE: Duration = Duration::from_secs(20); // it takes less than a second
    let line = format!("{}\n", "x".repeat(LEN));
    let start = Instant::now();
    let came = lines_of(LEN, line.as_bytes().chunks(1));
    let took = start.elapsed();
    assert_eq!(came.iter().flatten().map(String::len).collect::<Vec<_>>(), [LEN]);
    assert!(took < DEADLINE, "{took:?}");
}

#[test]
fn a_last_piece_without_a_newline_is_not_a_line() {
    assert_eq!(whole(b"one\ntwo"), [text("one")]);
    assert_eq!(whole(b"one\ntwo\r"), [text("one")]);
    assert_eq!(whole(b""), []);
}

#[test]
fn an_empty_line_is_a_line() {
    assert_eq!(whole(b"\n\r\n \n"), [text(""), text(""), text(" ")]);
}

#[test]
fn bytes_that_are_not_utf_8_are_reported_and_the_next_line_is_whole() {
    for bytes in [&b"\xff\xfe\n"[..], b"caf\xc3\n", b"\xed\xa0\x80\n", b"\xc0\x80\n"] {
        assert_eq!(whole(&[bytes, b"next\n"].concat()), [Err(BadLine::NotUtf8), text("next")]);
    }
}

#[test]
fn control_characters_are_reported_and_a_tab_is_none() {
    let bidi = "\u{202e}gnippots si revres eht *** \u{202c}";
    let separator = "a\u{2028}2026-11-23 08:23:04 *** b";
    for bad in ["\u{1b}[2J", "a\0", "a\rb", "\ra", "\u{7f}", "\u{9b}2J", "\u{7}", bidi, separator] {
        let bytes = format!("{bad}\nnext\n");
        let expected = [Err(BadLine::ControlCharacter(bad.to_owned())), text("next")];
        assert_eq!(lines_of(MAX_LINE_LEN, [bytes.as_bytes()]), expected, "{bad:?}");
    }
    assert_eq!(whole(b"a\r\r\n"), [Err(BadLine::ControlCharacter("a\r".to_owned()))]);
    assert_eq!(whole(b"a\tb\n"), [text("a\tb")]);
}

#[test]
fn every_control_character_is_found_and_nothing_else_is_taken_for_one() {
    // The property Bidi_Control of Unicode, and the separators of lines and of paragraphs.
    let others = [0x61C, 0x200E, 0x200F, 0x2028, 0x2029, 0x202A, 0x202B, 0x202C, 0x202D, 0x202E]
        .into_iter()
        .chain(0x2066..=0x2069);
    let others: Vec<char> = others.map(|c| char::from_u32(c).expect("a character")).collect();
    for c in ('\0'..='\u{ffff}').filter(|c| *c != '\n') {
        let line = format!("some text {c} and more of it");
        let expected = if (c.is_control() && c != '\t') || others.contains(&c) {
            Err(BadLine::ControlCharacter(line.clone()))
        } else {
            text(&line)
        };
        assert_eq!(lines_of(MAX_LINE_LEN, [format!("{line}\n").as_bytes()]), [expected], "{c:?}");
    }
}

#[test]
fn what_is_wrong_with_a_line_is_said_in_one_sentence() {
    for (bad, sentence) in [
        (BadLine::TooLong { max_len: MAX_LINE_LEN }, "a line has at most 4096 bytes"),
        (BadLine::NotUtf8, "a line must be UTF-8"),
        (BadLine::ControlCharacter(String::new()), "a line must not have control characters"),
    ] {
        assert_eq!(bad.to_string(), sentence);
    }
}
