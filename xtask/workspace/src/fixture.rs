//! A small repository to be altered by tests, and copies of the real one.

#![allow(clippy::missing_panics_doc, reason = "a test that cannot write its files has failed")]

use std::fs;
use std::path::Path;

use tempfile::TempDir;

/// Two steps and a book of two pages, in which every check passes.
#[must_use]
pub fn tree() -> TempDir {
    let tree = TempDir::new().unwrap();
    for (path, text) in FILES {
        write(tree.path(), path, text);
    }
    tree
}

/// A copy of the real repository's book and steps.
#[must_use]
pub fn copy() -> TempDir {
    let tree = TempDir::new().unwrap();
    for folder in ["book", "steps"] {
        copy_real(tree.path(), folder);
    }
    tree
}

/// Puts a file or a folder of the real repository in.
pub fn copy_real(root: &Path, path: &str) {
    let (from, to) = (crate::root::repository().join(path), root.join(path));
    if from.is_dir() {
        copy_folder(&from, &to);
    } else {
        fs::copy(from, to).unwrap();
    }
}

/// Writes a file of the tree, and makes its folders.
pub fn write(root: &Path, path: &str, text: &str) {
    let file = root.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

/// Adds text to a file that is there.
pub fn append(root: &Path, path: &str, text: &str) {
    let old = fs::read_to_string(root.join(path)).unwrap();
    write(root, path, &(old + text));
}

/// Replaces the first `from` in a file, which must be there.
pub fn replace(root: &Path, path: &str, from: &str, to: &str) {
    let old = fs::read_to_string(root.join(path)).unwrap();
    assert!(old.contains(from), "no {from:?} in {path}");
    write(root, path, &old.replacen(from, to, 1));
}

/// Puts in another edition of the book, with the pages of the English one.
pub fn copy_edition(root: &Path, language: &str) {
    let folder = crate::edition::folder_of(language);
    copy_folder(&root.join(crate::edition::ENGLISH), &root.join(&folder));
    let settings = format!("[book]\nlanguage = \"{language}\"\n");
    replace(root, &format!("{folder}/book.toml"), "[book]\n", &settings);
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true if entry.file_name() == "target" => {}
            true => copy_folder(&entry.path(), &to),
            false => drop(fs::copy(entry.path(), to).unwrap()),
        }
    }
}

const FILES: &[(&str, &str)] = &[
    (
        "book/en/book.toml",
        r#"[book]
title = "Fixture"
src = "src"

[build]
create-missing = false

[output.html]
smart-punctuation = false

[preprocessor.steps]
command = "false"
before = ["links"]
"#,
    ),
    ("book/en/src/SUMMARY.md", "# Summary\n\n- [First](first.md)\n- [Second](second.md)\n"),
    (
        "book/en/src/first.md",
        "# First\n\nSee [the loop](second.md#the-loop).\n\n\
         {{#listing 01-first src/server.rs:accept}}\n\n\
         {{#figure wire The `wire`.}}\n",
    ),
    (
        "book/en/src/second.md",
        "# Second\n\n## The loop\n\n\
         {{#diff 01-first 02-second src/server.rs}}\n\n\
         {{#session 01-first/hello}}\n\n\
         [Back](first.md), or [up](#the-loop).\n",
    ),
    (
        "book/theme/figures/wire.svg",
        "<?xml version=\"1.0\"?>\n<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 1 1\">\n\n\
         <title>A wire</title>\n\n<desc>It is straight.</desc>\n<path\n  d=\"M0 0\n1 1\"/>\n</svg>\n",
    ),
    (
        "steps/01-first/Cargo.toml",
        "[package]\nname = \"step-01-first\"\n\n\
         [package.metadata.step]\nchapter = \"first.md\"\nkeeps = []\nbreaks = {}\n",
    ),
    ("steps/01-first/src/client.rs", "fn client() {}\n"),
    (
        "steps/01-first/src/server.rs",
        r#"//! A server.

/* a comment
over lines */
fn run(stream: &Stream) {
    // ANCHOR: accept
    let message = "a < b && \"c\"";

    if message.len() < 1024 {
        println!("{message}");
    }
    // ANCHOR_END: accept
}
"#,
    ),
    (
        "steps/01-first/sessions/hello.session",
        "# A `hello` & its echo.\n\
         [server] $ cargo run -p step-01-first -- server\n\
         [server] listening on 127.0.0.1:9001\n\
         [alice]  $ cargo run -p step-01-first -- client\n\
         [alice]  > <hello>\n\
         [alice]  <hello>\n\
         [alice]  ^D\n\
         [server] bye\n\
         [server] ...\n\
         [server] ^C\n",
    ),
    (
        "steps/02-second/Cargo.toml",
        "[package]\nname = \"step-02-second\"\n\n\
         [package.metadata.step]\nchapter = \"second.md\"\nkeeps = []\nbreaks = {}\n\
         carried-over = [\"src/client.rs\"]\n",
    ),
    ("steps/02-second/src/client.rs", "fn client() {}\n"),
    (
        "steps/02-second/src/server.rs",
        r#"//! A server.

/* a comment
over lines */
fn run(stream: &Stream) {
    // ANCHOR: accept
    let message = "a < b && \"c\"";

    loop {
        println!("{message}");
    }
    // ANCHOR_END: accept
}
"#,
    ),
];
