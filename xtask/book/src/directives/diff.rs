//! `{{#diff STEP-A STEP-B FILE}}`: the file of step B, with what it adds to that of step A and what it loses.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Result, bail};
use conformance::text;
use similar::{ChangeTag, TextDiff};

use crate::directive::words;
use crate::highlight::{Line, highlight, language_of};
use crate::html::{escape, pre};
use crate::source::read_source;

pub fn render(root: &Path, arguments: &str) -> Result<String> {
    let [before, after, file] = words(arguments, "{{#diff STEP-A STEP-B FILE}}")?;
    let before = format!("steps/{before}/{file}");
    let after = format!("steps/{after}/{file}");
    let old = read_source(root, &before)?.text;
    let new = read_source(root, &after)?.text;
    if old == new {
        bail!("the files are identical; say so in prose");
    }
    let diff = Diff::new(language_of(file), &old, &new);
    let code = pre(language_of(file), &diff.code);
    let (added, removed) = (lines(diff.added), diff.removed_as_words());
    let (counts, against) = (text!("diff.counts", added, removed), text!("diff.against"));
    let (before, after) = (escape(&before), escape(&after));
    Ok(format!(
        r#"<figure class="listing diff"><figcaption><span class="path">{after}</span> <span class="against">{against} <span class="path">{before}</span>: {counts}</span></figcaption>{code}</figure>"#
    ))
}

struct Diff {
    code: String,
    added: usize,
    removed: usize,
}

impl Diff {
    fn new(language: &str, old: &str, new: &str) -> Self {
        let (old_lines, new_lines) = (highlight(language, old), highlight(language, new));
        let mut diff = Self { code: String::new(), added: 0, removed: 0 };
        for change in TextDiff::from_lines(old, new).iter_all_changes() {
            let (element, sign, line) = match change.tag() {
                ChangeTag::Equal => ("span", ' ', change.new_index().map(|i| &new_lines[i])),
                ChangeTag::Delete => ("del", '-', change.old_index().map(|i| &old_lines[i])),
                ChangeTag::Insert => ("ins", '+', change.new_index().map(|i| &new_lines[i])),
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
