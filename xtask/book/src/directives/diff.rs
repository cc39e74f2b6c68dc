//! `{{#diff STEP-A STEP-B FILE}}`: the file of step B, with what it adds to that of step A and what it loses.
//!
//! Two files with different names, or parts of them: `{{#diff STEP-A FILE-A[:ANCHOR] STEP-B FILE-B[:ANCHOR]}}`.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Result, bail};
use conformance::text;
use similar::{ChangeTag, TextDiff};

use crate::directive::words;
use crate::highlight::{Line, dedent, highlight, language_of};
use crate::html::{escape, pre};
use crate::source::read_source;

const USAGE: &str =
    "{{#diff STEP-A STEP-B FILE}} or {{#diff STEP-A FILE-A[:ANCHOR] STEP-B FILE-B[:ANCHOR]}}";

pub fn render(root: &Path, arguments: &str) -> Result<String> {
    let [before, old_file, after, new_file] = words(arguments, USAGE).or_else(|_| {
        let [before, after, file] = words(arguments, USAGE)?;
        anyhow::Ok([before, file, after, file])
    })?;
    let old = Part::read(root, before, old_file)?;
    let new = Part::read(root, after, new_file)?;
    if old.text == new.text {
        bail!("the files are identical; say so in prose");
    }
    let diff = Diff::new(&old, &new);
    let code = pre(language_of(&new.path), &diff.code);
    let (added, removed) = (lines(diff.added), diff.removed_as_words());
    let (counts, against) = (text!("diff.counts", added, removed), text!("diff.against"));
    let (before, after) = (escape(&old.path), escape(&new.path));
    Ok(format!(
        r#"<figure class="listing diff"><figcaption><span class="path">{after}</span> <span class="against">{against} <span class="path">{before}</span>: {counts}</span></figcaption>{code}</figure>"#
    ))
}

/// A file, or the part of it between two anchor comments.
struct Part {
    path: String,
    text: String,
    lines: Vec<Line>,
}

impl Part {
    fn read(root: &Path, step: &str, file: &str) -> Result<Self> {
        let (file, anchor) = match file.split_once(':') {
            Some((file, anchor)) => (file, Some(anchor)),
            None => (file, None),
        };
        let path = format!("steps/{step}/{file}");
        let source = read_source(root, &path)?;
        // The whole file is highlighted, not the part: only so is it known what each line is part of.
        let lines = highlight(language_of(&path), &source.text);
        let Some(anchor) = anchor else {
            return Ok(Self { path, text: source.text, lines: lines.to_vec() });
        };
        let range = source.lines_of(&path, anchor)?;
        let text = source.text.split_inclusive('\n').skip(range.start).take(range.len()).collect();
        Ok(Self { path, text, lines: dedent(&lines[range]) })
    }
}

struct Diff {
    code: String,
    added: usize,
    removed: usize,
}

impl Diff {
    fn new(old: &Part, new: &Part) -> Self {
        let mut diff = Self { code: String::new(), added: 0, removed: 0 };
        for change in TextDiff::from_lines(&old.text, &new.text).iter_all_changes() {
            let (element, sign, line) = match change.tag() {
                ChangeTag::Equal => ("span", ' ', change.new_index().map(|i| &new.lines[i])),
                ChangeTag::Delete => ("del", '-', change.old_index().map(|i| &old.lines[i])),
                ChangeTag::Insert => ("ins", '+', change.new_index().map(|i| &new.lines[i])),
            };
            diff.added += usize::from(sign == '+');
            diff.removed += usize::from(sign == '-');
            let line = line.map(Line::to_html).unwrap_or_default();
            // Writing to a String cannot fail.
            let _ = write!(
                diff.code,
                "<{element} class=\"line\"><span class=\"sign\">{sign}</span>{line}\n</{element}>"
            );
        }
        diff
    }

    fn removed_as_words(&self) -> String {
        // "3 lines added, 1 removed": the second noun would only repeat the first.
        if self.added == 0 { lines(self.removed) } else { self.removed.to_string() }
    }
}

fn lines(count: usize) -> String {
    match count {
        1 => text!("diff.one-line"),
        _ => text!("diff.lines", count),
    }
}
