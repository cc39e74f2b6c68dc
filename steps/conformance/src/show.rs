//! Bytes and text as a person can read them, cut where they get long.

/// How much of a long value is shown, in bytes or in characters.
const SHOWN_LEN: usize = 200;

/// Text as a person can read it, cut where it gets long.
pub(crate) fn show_text(text: &str) -> String {
    // It stands between double quotes, where a single one is what it is.
    let escaped = |text: &str| text.escape_debug().to_string().replace("\\'", "'");
    match text.char_indices().nth(SHOWN_LEN) {
        None => escaped(text),
        Some((end, _)) => format!("{}… and {} bytes more", escaped(&text[..end]), text.len() - end),
    }
}

/// Bytes as a person can read them, cut where they get long.
pub(crate) fn show(bytes: &[u8]) -> String {
    if bytes.len() <= SHOWN_LEN {
        return bytes.escape_ascii().to_string();
    }
    let (first, rest) = bytes.split_at(SHOWN_LEN);
    format!("{}… and {} bytes more", first.escape_ascii(), rest.len())
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
