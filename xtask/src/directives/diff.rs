//! `{{#diff STEP-A STEP-B FILE}}`: the file of step B, with what it adds to that of step A and what it loses.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Result, bail};
use similar::{ChangeTag, TextDiff};

use super::{pre, read_source, words};
use crate::highlight::{highlight, language_of};
use crate::html::escape;

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
    let counts = format!("{} added, {} removed", lines(diff.added), diff.removed_as_words());
    let (before, after) = (escape(&before), escape(&after));
    Ok(format!(
        r#"<figure class="listing diff"><figcaption><span class="path">{after}</span> <span class="against">against <span class="path">{before}</span>: {counts}</span></figcaption>{code}</figure>"#
    ))
}

/// How many lines that are the same are shown before and after a change.
const CONTEXT_LINES: usize = 6;

/// Fewer lines than this are not worth leaving out.
const MIN_LEFT_OUT: usize = 6;

struct Diff {
    code: String,
    added: usize,
    removed: usize,
}

impl Diff {
    fn new(language: &str, old: &str, new: &str) -> Self {
        let (old_lines, new_lines) = (highlight(language, old), highlight(language, new));
        let mut diff = Self { code: String::new(), added: 0, removed: 0 };
        let text_diff = TextDiff::from_lines(old, new);
        let changes: Vec<_> = text_diff.iter_all_changes().collect();
        for run in
            changes.chunk_by(|a, b| (a.tag() == ChangeTag::Equal) == (b.tag() == ChangeTag::Equal))
        {
            let left_out =
                if run[0].tag() == ChangeTag::Equal { left_out(run.len()) } else { 0..0 };
            for (index, change) in run.iter().enumerate() {
                if index == left_out.start && !left_out.is_empty() {
                    diff.push_left_out(left_out.len());
                }
                if !left_out.contains(&index) {
                    let line = match change.tag() {
                        ChangeTag::Delete => change.old_index().map(|i| &old_lines[i]),
                        ChangeTag::Equal | ChangeTag::Insert => {
                            change.new_index().map(|i| &new_lines[i])
                        }
                    };
                    diff.push(
                        change.tag(),
                        &line.map(crate::highlight::Line::to_html).unwrap_or_default(),
                    );
                }
            }
        }
        diff
    }

    fn push(&mut self, tag: ChangeTag, line: &str) {
        let (element, sign) = match tag {
            ChangeTag::Equal => ("span", ' '),
            ChangeTag::Delete => ("del", '-'),
            ChangeTag::Insert => ("ins", '+'),
        };
        self.added += usize::from(sign == '+');
        self.removed += usize::from(sign == '-');
        // Writing to a String cannot fail.
        let _ = write!(
            self.code,
            "<{element} class=\"line\"><span class=\"sign\">{sign}</span>{line}\n</{element}>"
        );
    }

    fn push_left_out(&mut self, count: usize) {
        let _ =
            write!(self.code, "<span class=\"line left-out\">… {count} lines as before …\n</span>");
    }

    fn removed_as_words(&self) -> String {
        // "3 lines added, 1 removed": the second noun would only repeat the first.
        if self.added == 0 { lines(self.removed) } else { self.removed.to_string() }
    }
}

/// Which lines of a run of equal ones are left out.
fn left_out(len: usize) -> std::ops::Range<usize> {
    match len.checked_sub(2 * CONTEXT_LINES) {
        Some(rest) if rest >= MIN_LEFT_OUT => CONTEXT_LINES..len - CONTEXT_LINES,
        _ => 0..0,
    }
}

fn lines(count: usize) -> String {
    match count {
        1 => "1 line".to_owned(),
        _ => format!("{count} lines"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(old: &str, new: &str) -> Vec<String> {
        let code = Diff::new("text", old, new).code;
        let text = code.replace("</ins>", "").replace("</del>", "").replace("</span>", "");
        let line = |line: &str| line.rsplit_once('>').map(|(_, text)| text.to_owned());
        text.lines().filter_map(line).collect()
    }

    #[test]
    fn long_stretches_without_a_change_are_left_out() {
        let numbers = |range: std::ops::Range<u32>| {
            let lines: Vec<String> = range.map(|number| format!("{number}\n")).collect();
            lines.concat()
        };
        let (old, new) = (numbers(0..40), format!("{}new\n{}", numbers(0..20), numbers(20..40)));
        let lines = shown(&old, &new);
        assert_eq!(lines.len(), 2 * (2 * CONTEXT_LINES + 1) + 1);
        assert_eq!(lines[CONTEXT_LINES], "… 8 lines as before …");
        assert_eq!(lines[CONTEXT_LINES + 1], " 14");
        assert_eq!(lines[2 * CONTEXT_LINES + 1], "+new");

        let short = shown(&numbers(0..17), &format!("{}new\n", numbers(0..17)));
        assert_eq!(short.len(), 18, "{short:?}");
    }
}
