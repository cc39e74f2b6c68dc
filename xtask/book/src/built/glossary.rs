//! Every word in the glossary is linked from the chapter where it first occurs.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::edition::Edition;
use crate::summary::{self, made_id};

const GLOSSARY: &str = "glossary.md";

/// It only describes the book; the chapters explain the words.
const FRONT_PAGE: &str = "index.md";

/// One line for each word of the glossary to which no other page leads. A book may have no glossary.
pub fn unlinked_terms(src: &Path) -> Result<Vec<String>> {
    let Ok(glossary) = fs::read_to_string(src.join(GLOSSARY)) else {
        return Ok(Vec::new());
    };
    let mut pages = String::new();
    for entry in fs::read_dir(src).with_context(|| format!("cannot list {}", src.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "md") && !path.ends_with(GLOSSARY) {
            pages += &fs::read_to_string(&path)?;
        }
    }
    let unlinked =
        terms(&glossary).filter(|term| !pages.contains(&format!("({GLOSSARY}#{})", made_id(term))));
    Ok(unlinked.map(|term| format!("{GLOSSARY}: no page leads to `{term}`")).collect())
}

/// One line for each word of the glossary that occurs in the book before a page leads from it to the
/// glossary. A page may name its words in its objectives, and on the line of the link.
///
/// What an edition leaves out may have the link, so each edition is looked at by itself.
pub fn late_links(src: &Path, edition: Edition) -> Result<Vec<String>> {
    let Ok(glossary) = fs::read_to_string(src.join(GLOSSARY)) else {
        return Ok(Vec::new());
    };
    let mut pages = Vec::new();
    let is_chapter =
        |page: &String| page != GLOSSARY && page != FRONT_PAGE && edition.has_page(page);
    for page in summary::pages(src)?.into_iter().filter(is_chapter) {
        let text = fs::read_to_string(src.join(&page)).with_context(|| page.clone())?;
        let text = edition.source(&text).with_context(|| page.clone())?;
        pages.push((page, text));
    }
    let lines = || {
        pages.iter().flat_map(|(page, text)| {
            let numbers = 1..;
            numbers.zip(running_text(text)).map(move |(number, line)| (page, number, line))
        })
    };
    let mut late = Vec::new();
    for term in terms(&glossary) {
        let link = format!("({GLOSSARY}#{})", made_id(term));
        for (page, number, (line, words)) in lines() {
            if line.contains(&link) {
                break;
            }
            if has_word(&words, &term.to_lowercase()) {
                late.push(format!(
                    "{page}:{number}: `{term}` occurs here first, without a link to {GLOSSARY}"
                ));
                break;
            }
        }
    }
    Ok(late)
}

/// The lines of a page, each with its words in small letters: no headings, objectives, directives, or
/// code, and no links, since they lead to an explanation.
fn running_text(page: &str) -> impl Iterator<Item = (&str, String)> {
    let (mut in_code, mut in_objectives) = (false, false);
    page.lines().map(move |line| {
        let is_fence = line.starts_with("```");
        in_code ^= is_fence;
        in_objectives = match line {
            "<div class=\"objectives\">" => true,
            "</div>" => false,
            _ => in_objectives,
        };
        let has_no_words = is_fence || in_code || in_objectives || line.starts_with(['#', '{']);
        let words = if has_no_words { String::new() } else { without_code_and_links(line) };
        (line, words.to_lowercase())
    })
}

/// Returns a line of Markdown without the text between backticks, and without its links.
fn without_code_and_links(line: &str) -> String {
    let text: Vec<&str> = line.split('`').step_by(2).collect();
    let text = text.join("` `");
    let mut words = String::new();
    let mut rest = &*text;
    while let Some((before, link)) = rest.split_once('[') {
        words += before;
        rest = match link.split_once("](").and_then(|(_, target)| target.split_once(')')) {
            Some((_, after)) if !link.starts_with(['!', '^']) => after,
            _ => link,
        };
    }
    words + rest
}

/// Returns whether a text has a word, or several, alone or followed by `s` or `es`.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(start, _)| {
        let (before, after) = (&text[..start], &text[start + word.len()..]);
        let ends = |text: &str| !text.starts_with(char::is_alphanumeric);
        let has_end = ["", "s", "es"].iter().any(|end| after.strip_prefix(end).is_some_and(ends));
        has_end && !before.ends_with(char::is_alphanumeric)
    })
}

/// The words that are explained: the lines before those that begin with a colon.
fn terms(glossary: &str) -> impl Iterator<Item = &str> {
    let lines = glossary.lines().zip(glossary.lines().skip(1));
    lines.filter(|(_, next)| next.starts_with(": ")).map(|(term, _)| term)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn a_word_without_a_link_to_it_is_named() {
        let src = TempDir::new().unwrap();
        let write = |name: &str, text: &str| fs::write(src.path().join(name), text).unwrap();
        assert!(unlinked_terms(src.path()).unwrap().is_empty());
        write(
            "glossary.md",
            "# Glossary\n\nNagle's algorithm\n: One.\n\nport\n: Two, see [port](glossary.md#port).\n",
        );
        write("a.md", "See [this](glossary.md#nagles-algorithm) and [that](glossary.md#ports).");
        assert_eq!(unlinked_terms(src.path()).unwrap(), ["glossary.md: no page leads to `port`"]);
    }

    #[test]
    fn a_word_that_occurs_before_its_link_is_named() {
        let src = TempDir::new().unwrap();
        let write = |name: &str, text: &str| fs::write(src.path().join(name), text).unwrap();
        write(
            "SUMMARY.md",
            "# Summary\n\n[Start](index.md)\n\n- [B](b.md)\n- [A](a.md)\n- [Glossary](glossary.md)\n",
        );
        write("index.md", "# Ports\n\nA book about ports.\n");
        write("glossary.md", "# Glossary\n\nend of file\n: One.\n\nport\n: Two.\n");
        let first = "# Ports\n\n<div class=\"objectives\">\n\n- know ports\n\n</div>\n\n\
                     A `port` is [a port](x.md#port), a report no port-hole.\n";
        write("b.md", &first.replace(" no port-hole", ""));
        write("a.md", "The [port](glossary.md#port) and [end of file](glossary.md#end-of-file).\n");
        let late = |edition| late_links(src.path(), edition).unwrap();
        assert_eq!(late(Edition::Everyone), [""; 0]);
        write("b.md", &format!("{first}\nEnds of file, or two Ports.\n"));
        let found = late(Edition::Everyone);
        let expected = "b.md:9: `port` occurs here first, without a link to glossary.md";
        assert_eq!(found, [expected]);

        // Learners do not get the notes, nor the link in them.
        let notes = "<details class=\"teacher\"><summary>Notes</summary>\n\n[Port](glossary.md#port).\n\n</details>\n";
        write("b.md", &format!("{notes}\nTwo ports.\n"));
        assert_eq!(late(Edition::Everyone), [""; 0]);
        let expected = "b.md:7: `port` occurs here first, without a link to glossary.md";
        assert_eq!(late(Edition::Learner), [expected]);
    }
}
