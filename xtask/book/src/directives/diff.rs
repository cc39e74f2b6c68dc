//! `{{#diff STEP-A STEP-B FILE}}`: the file of step B, with what it adds to that of step A and what it loses.
//!
//! Two files with different names, or parts of them: `{{#diff STEP-A FILE-A[:ANCHOR] STEP-B FILE-B[:ANCHOR]}}`.

use std::ops::Range;
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
    let code = diff.html(language_of(&new.path));
    let (added, removed) = (lines(diff.count("ins")), diff.removed_as_words());
    let (counts, against) = (text!("diff.counts", added, removed), text!("diff.against"));
    let (before, after, colon) = (escape(&old.path), escape(&new.path), text!("join.colon"));
    Ok(format!(
        r#"<figure class="listing diff"><figcaption><span class="path">{after}</span> <span class="against">{against} <span class="path">{before}</span>{colon}{counts}</span></figcaption>{code}</figure>"#
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
            return Ok(Self { path, text: source.text, lines });
        };
        let range = source.lines_of(&path, anchor)?;
        let text = source.text.split_inclusive('\n').skip(range.start).take(range.len()).collect();
        Ok(Self { path, text, lines: dedent(&lines[range]) })
    }
}

/// The number of unchanged lines that are shown before and after a change.
const CONTEXT: usize = 3;

/// The lines of both files, in order, each with its element: `ins`, `del`, or `span` if it is in both.
struct Diff(Vec<(&'static str, Line)>);

impl Diff {
    fn new(old: &Part, new: &Part) -> Self {
        let mut rows = Vec::new();
        for change in TextDiff::from_lines(&old.text, &new.text).iter_all_changes() {
            let (element, part, index) = match change.tag() {
                ChangeTag::Equal => ("span", new, change.new_index()),
                ChangeTag::Delete => ("del", old, change.old_index()),
                ChangeTag::Insert => ("ins", new, change.new_index()),
            };
            rows.extend(index.map(|index| (element, part.lines[index].clone())));
        }
        Self(rows)
    }

    fn count(&self, element: &str) -> usize {
        self.0.iter().filter(|row| row.0 == element).count()
    }

    /// The lines; of those that did not change, all but a few are folded.
    fn html(&self, language: &str) -> String {
        let code = |rows: &[(&str, Line)]| match rows {
            [] => String::new(),
            _ => pre(
                language,
                &rows.iter().map(|(element, line)| line.row(element)).collect::<String>(),
            ),
        };
        let (mut html, mut shown) = (String::new(), 0);
        for folded in self.folded() {
            let (rows, count) = (&self.0[folded.clone()], folded.len());
            let summary = text!("diff.same", count);
            html.extend([
                code(&self.0[shown..folded.start]),
                format!(r#"<details class="same" data-paper="no"><summary>{summary}</summary>"#),
                code(rows),
                "</details>".to_owned(),
            ]);
            shown = folded.end;
        }
        html + &code(&self.0[shown..])
    }

    /// The rows far from any change. A fold takes as much room as a line or two: fewer than four are not folded.
    fn folded(&self) -> Vec<Range<usize>> {
        let (mut folded, mut start) = (Vec::new(), 0);
        for run in self.0.chunk_by(|a, b| (a.0 == "span") == (b.0 == "span")) {
            let end = start + run.len();
            let first = if start == 0 { 0 } else { start + CONTEXT };
            let last = if end == self.0.len() { end } else { end.saturating_sub(CONTEXT) };
            if run[0].0 == "span" && last >= first + 4 {
                folded.push(first..last);
            }
            start = end;
        }
        folded
    }

    fn removed_as_words(&self) -> String {
        let removed = self.count("del");
        // "3 lines added, 1 removed": the second noun would only repeat the first.
        if self.count("ins") == 0 { lines(removed) } else { removed.to_string() }
    }
}

fn lines(count: usize) -> String {
    match count {
        1 => text!("diff.one-line"),
        _ => text!("diff.lines", count),
    }
}
