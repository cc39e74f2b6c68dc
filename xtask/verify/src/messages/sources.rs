//! What the steps can print: every text in them is a message of the table, or a known exception.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Result, anyhow};
use proc_macro2::{TokenStream, TokenTree};
use syn::Lit;
use workspace::messages::{self, FILE, Part, parts};
use workspace::root;

/// What is wrong with the texts in the steps' sources.
pub fn complaints(root: &Path) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    let mut unused: BTreeSet<&str> = EXCEPTIONS.iter().copied().collect();
    for step in root::steps(root)? {
        for folder in ["src", "examples"] {
            for path in rust_files(&step.dir(root).join(folder))? {
                for text in texts(&fs::read_to_string(&path)?)? {
                    let is_listed = EXCEPTIONS.contains(&text.as_str());
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

/// The Rust files in a folder and below it, if it is there.
fn rust_files(folder: &Path) -> Result<Vec<std::path::PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            paths.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            paths.push(path);
        }
    }
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

/// Returns whether a text is a message: a single word is not.
fn is_said(text: &str) -> bool {
    let parts = fixed_parts(text);
    let words = parts.iter().flat_map(|part| part.split(|c: char| !c.is_alphabetic()));
    words.filter(|word| !word.is_empty()).count() > 1
}

/// Returns whether a message has the fixed parts of a text, one after another.
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

/// The texts in a Rust source that may be for people: its string literals, up to its tests, but those of
/// attributes and doc comments, and those of calls in [`NEVER_PRINTED`].
fn texts(source: &str) -> Result<Vec<String>> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let tokens = source.parse().map_err(|error| anyhow!("not Rust: {error}"))?;
    let mut texts = Vec::new();
    collect(tokens, &mut texts);
    Ok(texts)
}

fn collect(tokens: TokenStream, texts: &mut Vec<String>) {
    // Whether the next group is an attribute's, or the arguments of a call that is left out.
    let mut is_left_out = false;
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                if !is_left_out {
                    collect(group.stream(), texts);
                }
                is_left_out = false;
            }
            TokenTree::Punct(mark) => {
                is_left_out = mark.as_char() == '#' || is_left_out && mark.as_char() == '!';
            }
            TokenTree::Ident(name) => is_left_out = NEVER_PRINTED.iter().any(|it| name == it),
            TokenTree::Literal(literal) => {
                is_left_out = false;
                if let Lit::Str(text) = Lit::new(literal) {
                    texts.push(text.value());
                }
            }
        }
    }
}

/// Calls whose texts are never printed unless there is a mistake in the program.
const NEVER_PRINTED: &[&str] = &["expect", "unreachable", "assert", "assert_eq", "debug_assert"];

/// What the programs print when nothing has failed, and texts that are not for people.
const EXCEPTIONS: &[&str] = &[
    "listening on {}",
    "listening on {local_addr}",
    "read {len} bytes from {peer_addr}: \"{text}\"",
    "{peer_addr} answered, closing",
    "end of file after {} bytes",
    "write again: {}",
    // The example `window` of step 02.
    "{peer_addr} connected; press Enter to read",
    "no room for more: the next write waits",
    "read {len} bytes",
    "wrote {LEN} bytes",
    // The example `characters` of step 05.
    "{} bytes: {} characters",
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
    "trap '' HUP INT QUIT TERM TSTP TTIN TTOU; read line; kill -s KILL 0",
    "set /P line= & taskkill /T /F /PID {}",
    "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
    "saved {}: {} bytes",
    "saved {name}: {size} bytes, SHA-256 checked",
    "overwrite {name}? [y/N] ",
    // The chat.
    "no client is online",
    "{peer_addr}  since {since}  {queue_len} bytes wait",
    "1 client is online",
    "{count} clients are online",
    "{peer_addr}  since {since}  {lines:.0} lines/s  {queue_len} bytes wait",
    "… and {} more",
    "the server is stopping",
    "%Y-%m-%d %H:%M:%S",
    "a line of the input is longer than 32 MiB", // it explains itself
    "{time}  WARN the log was not read: {count} entries are lost\n", // it explains itself
    // What cannot happen: if it does, there is a mistake in the program.
    "other bytes came than were sent",
    "a frame has at most {MAX_FRAME_LEN} bytes, not {}", // checked before, and reported in other words
    "a thread of the client ended unexpectedly",
    "the thread that accepts clients ended unexpectedly",
];

#[cfg(test)]
mod tests {
    use super::*;
    use workspace::fixture;

    #[test]
    fn texts_are_string_literals_but_for_comments_attributes_tests_and_what_is_never_printed() {
        let source = r##"
            //! "a comment"
            #[arg(help = "no")]
            fn f<'a>(x: &'a str) -> char { let c = '"'; let d = '\''; /* "no" */ b"no"; '\u{22}' }
            const A: &str = "one \"two\" \
                             three\n"; // "no"
            const B: &str = r#"raw "text" here"#;
            fn g() { h().expect("no"); assert!(i, "no"); println!("yes"); }
            #[cfg(test)]
            mod tests { const C: &str = "no"; }
        "##;
        assert_eq!(texts(source).unwrap(), ["one \"two\" three\n", "raw \"text\" here", "yes"]);
        assert!(texts("fn f( {").is_err());
    }

    #[test]
    fn a_message_that_is_new_in_a_step_is_found() {
        let tree = fixture::copy();
        assert_eq!(complaints(tree.path()).unwrap(), [""; 0]);
        let files = ["03-conn-loop/src/client.rs", "07-json-header/examples/commands/client.rs"];
        let files = files.map(|file| format!("steps/{file}"));
        for file in &files {
            let (old, new) = ("the server closed the connection", "the server left");
            fixture::replace(tree.path(), file, old, new);
        }
        let found = complaints(tree.path()).unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        for (complaint, file) in found.iter().zip(&files) {
            let start = format!("{file}: \"the server left\" is no message");
            assert!(complaint.starts_with(&start), "{complaint}");
        }
    }

    #[test]
    fn an_exception_that_no_step_says_any_more_is_found() {
        let tree = fixture::copy();
        for step in ["08-chat-fn", "09-chat-class", "10-event-loop"] {
            let file = format!("steps/{step}/src/client.rs");
            fixture::replace(
                tree.path(),
                &file,
                "a thread of the client ended unexpectedly",
                "is gone, {line}",
            );
        }
        for step in ["09-chat-class", "10-event-loop"] {
            let file = format!("steps/{step}/src/editor.rs");
            fixture::replace(
                tree.path(),
                &file,
                "a thread of the client ended unexpectedly",
                "is gone, {line}",
            );
        }
        let found = complaints(tree.path()).unwrap();
        let stale =
            "no step says \"a thread of the client ended unexpectedly\"; take it from the list";
        assert!(found.iter().any(|complaint| complaint.ends_with(stale)), "{found:?}");
    }
}
