//! What the steps' sources can say: every text in them is a message of the table, or a known exception.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::Result;

use workspace::messages::{self, FILE, Part, parts};
use workspace::root;

/// What is wrong with the texts in the steps' sources.
pub fn complaints(root: &Path) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    let mut unused: BTreeSet<&str> = NO_TROUBLE.iter().chain(NEVER).copied().collect();
    for step in root::steps(root)? {
        for folder in ["src", "examples"] {
            for path in rust_files(&step.dir(root).join(folder))? {
                for text in texts(&fs::read_to_string(&path)?) {
                    let is_listed = NO_TROUBLE.iter().chain(NEVER).any(|listed| *listed == text);
                    unused.remove(&*text);
                    if is_said(&text) && !is_listed && !is_in_table(&text) {
                        let path = root::shown(root, &path);
                        complaints.push(format!(
                            "{path}: {text:?} is no message in {FILE}, and no exception in \
                             xtask/verify/src/messages/sources.rs"
                        ));
                    }
                }
            }
        }
    }
    complaints.extend(unused.iter().map(|text| {
        format!(
            "xtask/verify/src/messages/sources.rs: no step says {text:?}; take it from the list"
        )
    }));
    Ok(complaints)
}

/// The Rust files in a folder, if it is there.
fn rust_files(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        paths.push(entry?.path());
    }
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "rs"));
    paths.sort();
    Ok(paths)
}

/// The pieces of a text that are always the same: no blanks, and no numbers.
fn fixed_parts(text: &str) -> Vec<&str> {
    let fixed = parts(text.trim()).into_iter().filter_map(|part| match part {
        Part::Fixed(text) => Some(text),
        Part::Blank(_) => None,
    });
    let pieces = fixed.flat_map(|text| text.split(|c: char| c.is_ascii_digit()));
    pieces.filter(|piece| !piece.is_empty()).collect()
}

/// Whether a text says something: a single word does not.
fn is_said(text: &str) -> bool {
    let parts = fixed_parts(text);
    let words = parts.iter().flat_map(|part| part.split(|c: char| !c.is_alphabetic()));
    words.filter(|word| !word.is_empty()).count() > 1
}

/// Whether the fixed parts of a text stand in a message, one behind the other.
fn is_in_table(text: &str) -> bool {
    let stands_in = |message: &str| {
        let mut rest = message;
        fixed_parts(text).iter().all(|part| match rest.split_once(part) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        })
    };
    messages::all().iter().any(|message| stands_in(&message.text))
}

/// The texts between quotes in Rust's source, up to its tests; no bytes, no characters, no comments.
fn texts(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let mut texts = Vec::new();
    let mut rest = source;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let len = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |end| end + 2)
        } else if c == '\'' {
            character_len(rest)
        } else if c == 'r'
            && !is_in_word(before)
            && rest[1..].trim_start_matches('#').starts_with('"')
        {
            let hashes = rest[1..].len() - rest[1..].trim_start_matches('#').len();
            let start = 1 + hashes + 1;
            let end = format!("\"{}", "#".repeat(hashes));
            let len = rest[start..].find(&end).unwrap_or(rest.len() - start);
            texts.push(rest[start..start + len].to_owned());
            (start + len + end.len()).min(rest.len())
        } else if c == '"' {
            let (text, len) = quoted(rest);
            if before != 'b' {
                texts.push(text);
            }
            len
        } else {
            c.len_utf8()
        };
        before = rest[..len].chars().last().unwrap_or(' ');
        rest = &rest[len..];
    }
    texts
}

fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// How long the character is that begins here; one if it is a lifetime.
fn character_len(rest: &str) -> usize {
    let inside = &rest[1..];
    let skipped =
        if inside.starts_with('\\') { 2 } else { inside.chars().next().map_or(0, char::len_utf8) };
    match inside[skipped..].find('\'') {
        Some(end) if inside.starts_with('\\') || end == 0 => 1 + skipped + end + 1,
        _ => 1,
    }
}

/// The text in the quotes that begin here, and how much of the source it takes.
fn quoted(rest: &str) -> (String, usize) {
    let mut text = String::new();
    let mut chars = rest.char_indices().skip(1).peekable();
    while let Some((index, c)) = chars.next() {
        match c {
            '"' => return (text, index + 1),
            '\\' => match chars.next() {
                Some((_, 'n')) => text.push('\n'),
                Some((_, '\n')) => while chars.next_if(|(_, c)| c.is_whitespace()).is_some() {},
                Some((_, c)) => text.push(c),
                None => {}
            },
            c => text.push(c),
        }
    }
    (text, rest.len())
}

/// What the programs say when all is well, and texts that are not for people.
const NO_TROUBLE: &[&str] = &[
    "listening on {}",
    "listening on {local_addr}",
    "read {len} bytes from {peer_addr}: \"{text}\"",
    "{peer_addr} answered, closing",
    // The tables of step 05.
    "cut: {} lost",
    "too long",
    "off (TCP_NODELAY)",
    "{rounds} rounds; in each: {messages} x {message_len} bytes written",
    "Nagle's algorithm: {nagle}\n",
    "\neach message in a read of its own: {lucky} of {rounds} rounds",
    "every byte there, in its place: {rounds} of {rounds} rounds",
    "time: {seconds:.3} s",
    "TCP_NODELAY changes when bytes leave, and promises no boundaries.",
    "    number  big-endian   little-endian  wrong order  as signed",
    // Step 07.
    "uncategorized error",
    " at path ",
    "trap '' HUP INT TERM; read line; kill -s KILL 0",
    "set /P line= & taskkill /T /F /PID {}",
    "the system has process ids of this type",
    "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
    "saved {name}: {size} bytes, SHA-256 checked",
    "overwrite {name}? [y/N] ",
    // The chat.
    "nobody is online",
    "{peer_addr}  since {since}  {queue_len} bytes wait",
    "the server is stopping",
    "%Y-%m-%d %H:%M:%S",
];

/// What they say of what cannot happen; if it does, there is a mistake in them.
const NEVER: &[&str] = &[
    "other bytes came than were sent",
    "the reader does not panic",
    // Clients and servers look at the length before that, and say something else.
    "a frame has at most {MAX_FRAME_LEN} bytes, not {}",
    "the thread sends before it ends",
    "the template is right",
    "a thread of the client is gone",
    "the thread that accepts clients is gone",
    "there is always one",
    "it has as many as were counted",
];

#[cfg(test)]
mod tests {
    use super::*;
    use workspace::fixture;

    #[test]
    fn texts_are_found_between_all_sorts_of_quotes() {
        let source = r##"
            //! "a comment"
            fn f<'a>(x: &'a str) -> char { let c = '"'; let d = '\''; /* "no" */ b"no"; '\u{22}' }
            const A: &str = "one \"two\" \
                             three\n"; // "no"
            const B: &str = r#"raw "text" here"#;
            #[cfg(test)]
            mod tests { const C: &str = "no"; }
        "##;
        assert_eq!(texts(source), ["one \"two\" three\n", "raw \"text\" here"]);
    }

    #[test]
    fn a_message_that_is_new_in_a_step_is_found() {
        let tree = fixture::copy();
        assert_eq!(complaints(tree.path()).unwrap(), [""; 0]);
        let file = "steps/03-conn-loop/src/client.rs";
        fixture::replace(tree.path(), file, "the server closed the connection", "the server left");
        let found = complaints(tree.path()).unwrap();
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with(&format!("{file}: \"the server left\" is no message")));
    }

    #[test]
    fn an_exception_that_no_step_says_any_more_is_found() {
        let tree = fixture::copy();
        for step in ["08-chat-fn", "09-chat-class"] {
            let file = format!("steps/{step}/src/client.rs");
            fixture::replace(
                tree.path(),
                &file,
                "a thread of the client is gone",
                "is gone, {line}",
            );
        }
        let file = "steps/09-chat-class/src/editor.rs";
        fixture::replace(tree.path(), file, "a thread of the client is gone", "is gone, {line}");
        let found = complaints(tree.path()).unwrap();
        let stale = "no step says \"a thread of the client is gone\"; take it from the list";
        assert!(found.iter().any(|complaint| complaint.ends_with(stale)), "{found:?}");
    }
}
