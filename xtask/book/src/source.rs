//! The files that a page shows, and excerpts from them: the lines between `ANCHOR: name` and
//! `ANCHOR_END: name` comments, as in mdBook.

use std::fs;
use std::ops::Range;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// Reads a file of the repository; `path` is relative to its root.
pub fn read(root: &Path, path: &str) -> Result<String> {
    let file = root.join(path);
    if !file.is_file() {
        bail!("no such file: {path}");
    }
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {path}"))?;
    Ok(text.replace("\r\n", "\n"))
}

/// Reads a source file and takes its anchors out.
pub fn read_source(root: &Path, path: &str) -> Result<Source> {
    Ok(Source::new(&read(root, path)?))
}

/// A source file without its anchor comments.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The lines that remain, each ending in a newline.
    pub text: String,
    lines: usize,
    anchors: Vec<Anchor>,
}

#[derive(Debug, PartialEq, Eq)]
struct Anchor {
    name: String,
    start: usize,
    /// The line after its last; none if it is never closed.
    end: Option<usize>,
}

impl Source {
    /// Takes the anchor comments out of a file and remembers where they stood.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let mut source =
            Self { text: String::with_capacity(text.len()), lines: 0, anchors: Vec::new() };
        for line in text.lines() {
            if let Some((code, name)) = marker(line, "ANCHOR:") {
                source.push_code(code);
                source.open(name);
            } else if let Some((code, name)) = marker(line, "ANCHOR_END:") {
                source.push_code(code);
                source.close(name);
            } else {
                source.push(line);
            }
        }
        source
    }

    fn push(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
        self.lines += 1;
    }

    /// Keeps the code before an anchor comment: `rustfmt` moves the comment at the end of a block onto its last line.
    fn push_code(&mut self, code: &str) {
        if !code.is_empty() {
            self.push(code);
        }
    }

    fn open(&mut self, name: &str) {
        self.anchors.push(Anchor { name: name.to_owned(), start: self.lines, end: None });
    }

    fn close(&mut self, name: &str) {
        let open = |anchor: &&mut Anchor| anchor.name == name && anchor.end.is_none();
        if let Some(anchor) = self.anchors.iter_mut().rev().find(open) {
            anchor.end = Some(self.lines);
        }
    }

    /// The lines of an anchor, counted from 0. `path` names the file in messages.
    pub fn lines_of(&self, path: &str, name: &str) -> Result<Range<usize>> {
        let Some(anchor) = self.anchors.iter().find(|anchor| anchor.name == name) else {
            bail!("no anchor `{name}` in {path}; {}", self.list());
        };
        match anchor.end {
            None => {
                bail!("the anchor `{name}` in {path} is never closed: add `ANCHOR_END: {name}`")
            }
            Some(end) if end == anchor.start => bail!("the anchor `{name}` in {path} is empty"),
            Some(end) => Ok(anchor.start..end),
        }
    }

    /// Whether there is an anchor of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.anchors().any(|anchor| anchor == name)
    }

    /// The names of the anchors.
    pub fn anchors(&self) -> impl Iterator<Item = &str> {
        self.anchors.iter().map(|anchor| anchor.name.as_str())
    }

    fn list(&self) -> String {
        if self.anchors.is_empty() {
            return "the file has no anchors".to_owned();
        }
        let names: Vec<&str> = self.anchors().collect();
        format!("it has: {}", names.join(", "))
    }
}

/// The code before a comment that begins with `keyword`, and the name after it.
fn marker<'a>(line: &'a str, keyword: &str) -> Option<(&'a str, &'a str)> {
    let (before, after) = line.split_once(keyword)?;
    let before = before.trim_end();
    let code = ["//", "#", "/*", "<!--"].iter().find_map(|mark| before.strip_suffix(mark))?;
    let after = after.trim_start();
    let end =
        after.find(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').unwrap_or(after.len());
    (end > 0).then_some((code.trim_end(), &after[..end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
a
// ANCHOR: outer
b
    // ANCHOR: inner
    c
    // ANCHOR_END: inner
// ANCHOR_END: outer
# ANCHOR: empty
# ANCHOR_END: empty
// ANCHOR: open
d
";

    #[test]
    fn anchors_are_dropped_and_found_again() {
        let source = Source::new(TEXT);
        assert_eq!(source.text, "a\nb\n    c\nd\n");
        assert_eq!(source.lines_of("f", "outer").unwrap(), 1..3);
        assert_eq!(source.lines_of("f", "inner").unwrap(), 2..3);
    }

    #[test]
    fn code_before_an_anchor_comment_stays() {
        let source = Source::new("a { // ANCHOR: x\n  b\n} // ANCHOR_END: x\n\"ANCHOR: y\"\n");
        assert_eq!(source.text, "a {\n  b\n}\n\"ANCHOR: y\"\n");
        assert_eq!(source.lines_of("f", "x").unwrap(), 1..3);
    }

    #[test]
    fn what_is_wrong_with_an_anchor_is_said() {
        let source = Source::new(TEXT);
        let error = |name| source.lines_of("src/a.rs", name).unwrap_err().to_string();
        assert_eq!(
            error("innr"),
            "no anchor `innr` in src/a.rs; it has: outer, inner, empty, open"
        );
        assert_eq!(error("empty"), "the anchor `empty` in src/a.rs is empty");
        assert_eq!(
            error("open"),
            "the anchor `open` in src/a.rs is never closed: add `ANCHOR_END: open`"
        );
        let error = Source::new("a\n").lines_of("src/a.rs", "x").unwrap_err();
        assert_eq!(error.to_string(), "no anchor `x` in src/a.rs; the file has no anchors");
    }
}
