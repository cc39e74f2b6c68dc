//! Bytes and text as a person can read them, cut where they get long, and without power over the
//! terminal that shows them.

/// How much of a long value is shown, in bytes or in characters.
const SHOWN_LEN: usize = 200;

/// Returns text that is not ours as one line that can be printed on a terminal.
///
/// It escapes what gives a terminal orders (control characters), what ends a line, and what changes
/// the order of other characters or cannot be seen. It leaves everything else, its own escapes included.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if is_printable(c) {
            line.push(c);
        } else {
            line.extend(c.escape_debug());
        }
    }
    line
}

/// As [`printable`], for text with lines of ours: its newlines stay.
#[must_use]
pub fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// Whether a terminal only shows this character, in its place, and does nothing else.
#[must_use]
pub fn is_printable(c: char) -> bool {
    !(c.is_control()
        || matches!(
            c,
            '\u{61c}' // marks, embeddings, overrides and isolates of bidirectional text, among others
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}' // also the separators of lines and paragraphs
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        ))
}

/// Text as a person can read it, cut where it gets long.
pub(crate) fn show_text(text: &str) -> String {
    // It is between double quotes, where a single one needs no escape.
    let escaped = |text: &str| text.escape_debug().to_string().replace("\\'", "'");
    match text.char_indices().nth(SHOWN_LEN) {
        None => escaped(text),
        Some((end, _)) => cut(&escaped(&text[..end]), text.len() - end),
    }
}

/// Bytes as a person can read them, cut where they get long: `b"…"`, as in Rust and in Python.
pub(crate) fn show(bytes: &[u8]) -> String {
    let literal = |bytes: &[u8]| format!("b\"{}\"", escaped(bytes));
    if bytes.len() <= SHOWN_LEN {
        return literal(bytes);
    }
    let (first, rest) = bytes.split_at(SHOWN_LEN);
    cut(&literal(first), rest.len())
}

/// Bytes as they are written between double quotes, where a single one is what it is.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string().replace("\\'", "'")
}

/// The start of something long, and how many bytes are left of it.
pub(crate) fn cut(start: &str, left: usize) -> String {
    text!("show.cut", start, left)
}

/// A line as a person can read it, cut after that many characters.
pub(crate) fn show_line(line: &str, chars: usize) -> String {
    match line.char_indices().nth(chars) {
        Some((end, _)) => {
            let (start, len) = (line[..end].escape_debug(), line.len());
            text!("show.long-line", start, len)
        }
        None => line.escape_debug().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_a_terminal_but_what_it_shows() {
        for (attack, shown) in [
            ("\u{1b}]0;title\u{7}", r"\u{1b}]0;title\u{7}"), // OSC: the window's title
            ("\u{1b}]52;c;YQ==\u{1b}\\", r"\u{1b}]52;c;YQ==\u{1b}\"), // the clipboard
            ("\u{1b}[2J\u{1b}[H11 ok", r"\u{1b}[2J\u{1b}[H11 ok"), // CSI: an empty screen
            ("\u{9b}2J\u{9d}0;t\u{9c}", r"\u{9b}2J\u{9d}0;t\u{9c}"), // C1: the same in one character
            ("no\r11 ok\u{8}\u{7f}\t\0", r"no\r11 ok\u{8}\u{7f}\t\0"),
            (
                "one\n11 ok\u{b}\u{c}\u{85}\u{2028}\u{2029}",
                r"one\n11 ok\u{b}\u{c}\u{85}\u{2028}\u{2029}",
            ),
            ("\u{202e}ko 11\u{202c}", r"\u{202e}ko 11\u{202c}"),
            ("\u{2066}a\u{2069}\u{61c}\u{200f}", r"\u{2066}a\u{2069}\u{61c}\u{200f}"),
            ("a\u{200b}b\u{feff}\u{e0041}", r"a\u{200b}b\u{feff}\u{e0041}"),
        ] {
            assert_eq!(printable(attack), shown);
            assert_eq!(printable(shown), shown, "what was escaped stays");
        }
        for harmless in ["", "Grüße, 世界\u{3000}!", "e\u{301} \"quoted\" 'too' \\ {}", "🙂"]
        {
            assert_eq!(printable(harmless), harmless);
        }
        assert_eq!(printable_lines("a\r\n\u{1b}b\n"), "a\\r\n\\u{1b}b\n");
    }

    #[test]
    fn text_is_shown_as_it_was_typed_but_for_what_cannot_be_seen() {
        assert_eq!(show_text("echo 'Grüße'\t\u{1b}"), "echo 'Grüße'\\t\\u{1b}");
        assert_eq!(show_text(&"x".repeat(201)), format!("{}… and 1 bytes more", "x".repeat(200)));
    }
}
