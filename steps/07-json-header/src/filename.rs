//! Names of files that come from the other side: only plain names are accepted, on every system.

/// The most bytes of a name that all common file systems accept.
const MAX_NAME_LEN: usize = 255;

// ANCHOR: is-plain
/// Returns whether this is a plain name of a file: no path, no device, nothing special.
///
/// A name that would be special on one system is refused on all, so that what works for one user
/// works for the next one.
pub fn is_plain(name: &str) -> bool {
    // Separators, the drive and stream mark (`C:x`, `x:y`), and what else Windows forbids.
    let forbidden = |c: char| c.is_control() || r#"/\:*?"<>|"#.contains(c);
    !name.is_empty()
        && name.len() <= MAX_NAME_LEN
        && !name.contains(forbidden)
        // Windows drops dots and blanks at the end. This refuses `.` and `..`, too.
        && !name.ends_with(['.', ' '])
        && !is_device(name)
}

/// Returns whether Windows treats this as a device, such as the console: `CON`, and also `con.txt`.
fn is_device(name: &str) -> bool {
    let stem = name.split('.').next().unwrap_or(name).trim_end().to_ascii_uppercase();
    if ["CON", "PRN", "AUX", "NUL"].contains(&stem.as_str()) {
        return true;
    }
    let number = stem.strip_prefix("COM").or_else(|| stem.strip_prefix("LPT"));
    let mut number = number.unwrap_or_default().chars();
    // Windows treats these three superscripts as digits, too.
    let is_digit = |c: char| c.is_ascii_digit() || "¹²³".contains(c);
    number.next().is_some_and(is_digit) && number.next().is_none()
}
// ANCHOR_END: is-plain

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_are_taken() {
        let longest = "x".repeat(255);
        for name in [
            "notes.txt",
            "a",
            ".profile",
            "..a",
            "a b",
            "Grüße.txt",
            "日本語",
            "x.tar.gz",
            "-rf",
            "%2e%2e",
            "~",
            "$HOME",
            "CONSOLE",
            "COM",
            "COM10",
            "LPTX",
            "nullo.txt",
            "xCON",
            &longest,
        ] {
            assert!(is_plain(name), "{name:?}");
        }
    }

    #[test]
    fn names_that_are_special_somewhere_are_refused() {
        let too_long = "x".repeat(256);
        let too_long_in_bytes = "ü".repeat(128);
        for name in [
            "",
            ".",
            "..",
            "...",
            "a.",
            "a ",
            " ",
            "../x",
            "/x",
            "x/",
            "sub/x",
            r"..\x",
            r"C:\x",
            "C:x",
            "x:stream",
            "a\0b",
            "a\nb",
            "a\rb",
            "\x1b[2J",
            "a\x7f",
            "a\u{85}b",
            "a*",
            "a?",
            "a\"b",
            "<a",
            "a>",
            "a|b",
            "CON",
            "con",
            "Con.txt",
            "nul",
            "NUL.tar.gz",
            "prn",
            "aux.c",
            "CON .txt",
            "COM0",
            "com1",
            "COM9.log",
            "LPT1",
            "lpt9.x",
            "COM¹",
            "lpt³.txt",
            &too_long,
            &too_long_in_bytes,
        ] {
            assert!(!is_plain(name), "{name:?}");
        }
    }
}
