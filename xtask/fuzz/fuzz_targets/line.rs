//! The lines of the chat, from step 08 on: they are the same wherever the stream is cut, and none of
//! them acts on a terminal. The first byte determines where to cut.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../../steps/08-chat-fn/src/line.rs"]
mod line;

use line::{BadLine, LineBuffer, MAX_LINE_LEN};

/// A limit that short inputs can reach.
const SHORT_LEN: usize = 16;

fuzz_target!(|bytes: &[u8]| {
    let Some((cut, bytes)) = bytes.split_first() else {
        return;
    };
    for max_len in [SHORT_LEN, MAX_LINE_LEN] {
        let lines = lines(max_len, bytes.chunks(bytes.len().max(1)));
        assert_eq!(lines, self::lines(max_len, bytes.chunks(usize::from(*cut).max(1))));
        for line in lines.into_iter().flatten() {
            assert!(line.len() <= max_len);
            assert!(!line.contains(|c: char| c.is_control() && c != '\t'));
        }
    }
});

/// The lines in these pieces.
fn lines<'a>(
    max_len: usize,
    pieces: impl Iterator<Item = &'a [u8]>,
) -> Vec<Result<String, BadLine>> {
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
