//! Bytes and text as a person can read them, cut where they get long.

/// How much of a long value is shown, in bytes or in characters.
const SHOWN_LEN: usize = 200;

/// Text as a person can read it, cut where it gets long.
pub(crate) fn show_text(text: &str) -> String {
    // It stands between double quotes, where a single one is what it is.
    let escaped = |text: &str| text.escape_debug().to_string().replace("\\'", "'");
    match text.char_indices().nth(SHOWN_LEN) {
        None => escaped(text),
        Some((end, _)) => cut(&escaped(&text[..end]), text.len() - end),
    }
}

/// Bytes as a person can read them, cut where they get long.
pub(crate) fn show(bytes: &[u8]) -> String {
    if bytes.len() <= SHOWN_LEN {
        return bytes.escape_ascii().to_string();
    }
    let (first, rest) = bytes.split_at(SHOWN_LEN);
    cut(&first.escape_ascii().to_string(), rest.len())
}

/// The start of something long, and how many bytes are left of it.
pub(crate) fn cut(start: &str, left: usize) -> String {
    text!("show.cut", start, left)
}

/// A line as a person can read it, cut after so many characters.
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
    fn text_is_shown_as_it_was_typed_but_for_what_cannot_be_seen() {
        assert_eq!(show_text("echo 'Grüße'\t\u{1b}"), "echo 'Grüße'\\t\\u{1b}");
        assert_eq!(show_text(&"x".repeat(201)), format!("{}… and 1 bytes more", "x".repeat(200)));
    }
}
