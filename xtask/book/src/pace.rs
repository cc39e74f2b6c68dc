//! The minutes that a page takes in class, by what is on it, and those of an exercise, by its solution.
//!
//! The page *Teaching this book* states both rules. The authors write the minutes into the pages; verify
//! holds them to the rules within a factor.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context as _, Result};
use conformance::session::Session;
use similar::{ChangeTag, TextDiff};

use crate::directive::Directive;
use crate::fold::{self, Block, Kind};
use crate::source::{read, read_source};
use crate::summary::{Heading, begins_section};

/// The parts of a minute: a number that the rates of the rule divide.
const PARTS: usize = 300;

/// How many of these take a minute.
const WORDS: usize = 100;
const NEW_LINES: usize = 6;
const SESSION_LINES: usize = 10;

/// Minutes for each question under *Check yourself*.
const QUESTION: usize = 2;

/// Minutes for reading a task that asks for a program and for running the judge; and how many lines of the
/// solution take another minute.
const PROGRAM: usize = 10;
const SOLUTION_LINES: usize = 3;

/// A page's part below one of its headings; the first begins with the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The heading's text; empty for the first part.
    pub heading: String,
    /// The heading's id; empty if it has none.
    pub id: String,
    /// What it takes by the rule, in parts of a minute.
    pub weight: usize,
}

/// The parts of a page up to its exercises, without what is folded.
pub fn parts(root: &Path, text: &str) -> Result<Vec<Part>> {
    let mut parts = vec![Part { heading: String::new(), id: String::new(), weight: 0 }];
    let (blocks, mut seen, mut end) = (fold::blocks(text)?, BTreeSet::new(), 0);
    let is_exercises = |line: &&str| begins_section(line.trim_end(), "exercises");
    for line in text.split_inclusive('\n').take_while(|line| !is_exercises(line)) {
        let start = end;
        end += line.len();
        let is_folded = blocks.iter().any(|it| it.range.start < end && start < it.range.end);
        let begins_here = |it: &&Block| (start..end).contains(&it.range.start);
        let questions = blocks.iter().filter(begins_here).filter(|it| it.kind == Kind::Answer);
        let line = line.trim_end();
        if let Some(part) = part(line).filter(|_| !is_folded) {
            parts.push(part);
        }
        let shown = match Directive::alone_in(line) {
            _ if is_folded => 0,
            Some(directive) => weight(root, &directive, &mut seen)?,
            None => line.split_whitespace().count() * PARTS / WORDS,
        };
        if let Some(part) = parts.last_mut() {
            part.weight += shown + questions.count() * QUESTION * PARTS;
        }
    }
    Ok(parts)
}

/// The part that begins with a line, if it is the heading of a section or of a part of one.
fn part(line: &str) -> Option<Part> {
    let Heading { title, id, .. } = Heading::in_line(line).filter(|it| it.level <= 3)?;
    Some(Part { heading: title.to_owned(), id: id.unwrap_or_default().to_owned(), weight: 0 })
}

/// What a directive's lines take; `seen` are the lines of code that the page has shown.
fn weight(root: &Path, directive: &Directive, seen: &mut BTreeSet<String>) -> Result<usize> {
    let words: Vec<&str> = directive.arguments.split_whitespace().collect();
    let is_shown = match (directive.name, &words[..]) {
        ("listing", [step, file] | [step, file, "rust"]) => excerpt(root, step, file)?,
        ("diff", [old, new, file]) => changed(root, [old, file, new, file])?,
        ("diff", [old, old_file, new, new_file]) => changed(root, [old, old_file, new, new_file])?,
        ("session", [name]) => {
            let (step, name) = name.split_once('/').unwrap_or((name, ""));
            let path = format!("steps/{step}/sessions/{name}.session");
            let session = Session::parse(&read(root, &path)?).with_context(|| path)?;
            return Ok(session.lines.len() * PARTS / SESSION_LINES);
        }
        _ => return Ok(0),
    };
    let lines = is_shown.lines().map(|line| line.trim().to_owned());
    let new = lines.filter(|line| !line.is_empty() && seen.insert(line.clone())).count();
    Ok(new * PARTS / NEW_LINES)
}

/// A file, or the part of it between two anchors.
fn excerpt(root: &Path, step: &str, file: &str) -> Result<String> {
    let (file, anchor) = file.split_once(':').unwrap_or((file, ""));
    let path = format!("steps/{step}/{file}");
    let source = read_source(root, &path)?;
    if anchor.is_empty() {
        return Ok(source.text);
    }
    let range = source.lines_of(&path, anchor)?;
    Ok(source.text.split_inclusive('\n').skip(range.start).take(range.len()).collect())
}

/// The lines that a difference adds and removes.
fn changed(root: &Path, [old, old_file, new, new_file]: [&str; 4]) -> Result<String> {
    let (old, new) = (excerpt(root, old, old_file)?, excerpt(root, new, new_file)?);
    let difference = TextDiff::from_lines(&old, &new);
    let changes = difference.iter_all_changes().filter(|it| it.tag() != ChangeTag::Equal);
    Ok(changes.map(|change| change.value().to_owned()).collect())
}

/// The minutes of a page by the rule.
#[must_use]
pub fn minutes(parts: &[Part]) -> usize {
    parts.iter().map(|part| part.weight).sum::<usize>().div_ceil(PARTS)
}

/// The minutes of an exercise that asks for a program, by the lines of its solution.
pub fn program_minutes(root: &Path, step: &str, file: &str) -> Result<usize> {
    Ok(PROGRAM + excerpt(root, step, file)?.lines().count() / SOLUTION_LINES)
}

/// Whether minutes are those of the rule within a factor of 1.5.
#[must_use]
pub fn is_near(minutes: u32, rule: usize) -> bool {
    let minutes = minutes as usize;
    2 * minutes <= 3 * rule && 2 * rule <= 3 * minutes
}

#[cfg(test)]
mod tests {
    use workspace::fixture;

    use super::*;

    fn weights(text: &str) -> Vec<usize> {
        let tree = fixture::tree();
        parts(tree.path(), text).unwrap().iter().map(|part| part.weight).collect()
    }

    #[test]
    fn words_count_below_their_heading_and_not_where_they_are_folded() {
        let hundred = "word ".repeat(100);
        let text = format!(
            "# T\n\n## A {{#a}}\n\n{hundred}\n\n<details><summary>Answer</summary>\n\n{hundred}\n\n</details>\n\n\
             {hundred}\n\n## Exercises {{#exercises}}\n\n{hundred}\n"
        );
        let tree = fixture::tree();
        let parts = parts(tree.path(), &text).unwrap();
        assert_eq!((&*parts[1].heading, &*parts[1].id), ("A", "a"));
        // Two hundred words, a question, and the few words of the headings.
        assert_eq!(minutes(&parts), 2 + 2 + 1);
    }

    #[test]
    fn what_only_looks_like_a_folded_block_hides_nothing() {
        let hundred = "word ".repeat(100);
        let shown = "```html\n<details><summary>Answer</summary>\n```\n\n";
        let text =
            format!("{shown}{hundred}\n\n<details>\n\n## No part\n\n{hundred}\n\n</details>\n");
        let weights = weights(&text);
        assert_eq!(weights.len(), 1, "{weights:?}");
        assert_eq!(weights[0] / PARTS, 1, "{weights:?}");
    }

    #[test]
    fn a_line_of_code_counts_once_on_a_page() {
        let listing = "{{#listing 01-first src/server.rs:accept}}\n";
        let once = weights(listing)[0];
        assert_eq!(once, 4 * PARTS / NEW_LINES);
        assert_eq!(weights(&listing.repeat(2))[0], once);
        assert_eq!(weights(&listing.replace("}}", " rust}}"))[0], once);
        assert!(weights("{{#session 01-first/hello}}\n")[0] > 0);
        assert!(weights("{{#diff 01-first 02-second src/server.rs}}\n")[0] > 0);
        assert_eq!(weights("{{#figure wire The `wire`.}}\n")[0], 0);
    }

    #[test]
    fn minutes_are_near_the_rule_within_a_factor() {
        for (minutes, rule, expected) in
            [(40, 60, true), (90, 60, true), (35, 60, false), (95, 60, false), (0, 1, false)]
        {
            assert_eq!(is_near(minutes, rule), expected, "{minutes} of {rule}");
        }
    }

    #[test]
    fn a_program_takes_the_longer_the_longer_its_solution_is() {
        let tree = fixture::tree();
        fixture::write(tree.path(), "steps/01-first/exercises/x.rs", &"x();\n".repeat(60));
        assert_eq!(program_minutes(tree.path(), "01-first", "exercises/x.rs").unwrap(), 30);
    }
}
