//! The rules of style that a program can check: short sentences, short paragraphs, and no habit of another
//! language's grammar.
//!
//! A sentence ends with a full stop, a question mark or an exclamation mark before a space. Code counts as
//! one word.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use mdbook_markdown::pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};
use workspace::edition::ENGLISH;
use workspace::root::shown;

use crate::edition::TEACHERS_FOLDER;
use crate::summary;

/// The most words of a sentence.
const MAX_SENTENCE_LEN: usize = 35;

/// The most words of a paragraph.
const MAX_PARAGRAPH_LEN: usize = 120;

/// Words that do not belong in the book, and what to write instead.
const HABITS: &[(&str, &str)] = &[
    ("nobody", "name who does not"),
    ("somebody", "name who does"),
    ("everybody", "name them"),
    ("whoever", "name who does"),
    ("for ever", "forever, or until what happens"),
    ("besides", "as well"),
    ("so many", "that many, or the number"),
    ("has it that", "states that"),
    ("mend", "fix"),
    ("mends", "fixes"),
    ("mended", "fixed"),
    ("go round", "loop"),
    ("goes round", "loops"),
    ("go on", "continue"),
    ("goes on", "continues"),
    ("is told", "learns, or reads"),
    ("are told", "learn, or read"),
    ("mostly", "usually"),
    ("another one", "another"),
];

/// The folders whose sources have comments and texts that people read.
const SOURCES: [&str; 3] = ["steps", "xtask", "book/tests"];

/// One line for each place in the pages, the texts of the tools and the comments of the sources that
/// breaks a rule.
pub fn problems(root: &Path) -> Result<Vec<String>> {
    let mut files = vec![root.join("README.md"), root.join("CONTRIBUTING.md")];
    files.retain(|file| file.is_file());
    // A bundle may have no pages for teachers, and a test has no sources.
    let is_there = |folder: &&PathBuf| folder.is_dir();
    let pages = [root.join(ENGLISH).join("src"), root.join(ENGLISH).join(TEACHERS_FOLDER)];
    for folder in pages.iter().filter(is_there) {
        files.extend(summary::pages(folder)?.iter().map(|page| folder.join(page)));
    }
    for folder in SOURCES.map(|folder| root.join(folder)).iter().filter(is_there) {
        list(folder, &mut files)?;
    }
    files.sort();
    let mut problems = Vec::new();
    for file in &files {
        let find: fn(&str) -> Vec<(usize, String)> = match file.extension().and_then(OsStr::to_str)
        {
            Some("md") => problems_in,
            Some("rs") => {
                |text| habits_in_lines(text, |line| line.split_once("//").map_or("", |it| it.1))
            }
            Some("py" | "toml") => |text| habits_in_lines(text, |line| line),
            _ => continue,
        };
        let text = fs::read_to_string(file).with_context(|| shown(root, file))?;
        let found = find(&text).into_iter();
        problems.extend(
            found.map(|(line, problem)| format!("{}:{line}: {problem}", shown(root, file))),
        );
    }
    Ok(problems)
}

/// Adds the files in a folder and in those below it.
fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("target") && !path.ends_with("node_modules") {
            list(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

fn habits_in_lines(text: &str, prose: fn(&str) -> &str) -> Vec<(usize, String)> {
    let lines = (1..).zip(text.lines());
    lines
        .flat_map(|(number, line)| habits_in(prose(line)).map(move |problem| (number, problem)))
        .collect()
}

fn habits_in(text: &str) -> impl Iterator<Item = String> + use<> {
    let words: Vec<String> = words(text).map(str::to_lowercase).collect();
    let spaced = format!(" {} ", words.join(" "));
    let found = HABITS.iter().filter(move |(habit, _)| spaced.contains(&format!(" {habit} ")));
    found.map(|(habit, instead)| format!("`{habit}`: {instead}"))
}

/// The problems of a text in Markdown, each with the line in which its paragraph begins.
fn problems_in(markdown: &str) -> Vec<(usize, String)> {
    let mut problems = Vec::new();
    for (start, paragraph) in paragraphs(markdown) {
        let line = 1 + markdown[..start].matches('\n').count();
        problems.extend(problems_of(&paragraph).map(|problem| (line, problem)));
    }
    problems
}

fn problems_of(paragraph: &str) -> impl Iterator<Item = String> {
    let len = words(paragraph).count();
    let too_long = (len > MAX_PARAGRAPH_LEN)
        .then(|| format!("a paragraph of {len} words (at most {MAX_PARAGRAPH_LEN})"));
    too_long.into_iter().chain(sentences(paragraph).into_iter().flat_map(problems_of_sentence))
}

fn problems_of_sentence(sentence: &str) -> Vec<String> {
    let words: Vec<&str> = words(sentence).collect();
    let mut problems = Vec::new();
    if words.len() > MAX_SENTENCE_LEN {
        let (len, start) = (words.len(), words[..6].join(" "));
        problems.push(format!("a sentence of {len} words (at most {MAX_SENTENCE_LEN}): {start} …"));
    }
    if words.first().is_some_and(|word| word.to_lowercase() == "who")
        && !sentence.trim_end().ends_with('?')
    {
        problems.push("a statement that begins with `Who`: name who does it".to_owned());
    }
    problems.extend(habits_in(sentence));
    problems
}

/// The words of a text without what is before and after them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_part = |c: char| c.is_alphanumeric();
    text.split_whitespace()
        .map(move |word| word.trim_matches(|c| !is_part(c)))
        .filter(|it| !it.is_empty())
}

fn sentences(paragraph: &str) -> Vec<&str> {
    let mut sentences = Vec::new();
    let mut start = 0;
    for (end, space) in paragraph.char_indices().filter(|(_, c)| c.is_whitespace()) {
        let closes = |c: char| matches!(c, '"' | '”' | '’' | ')' | '*');
        if paragraph[start..end].trim_end_matches(closes).ends_with(['.', '?', '!']) {
            sentences.push(&paragraph[start..end]);
            start = end + space.len_utf8();
        }
    }
    sentences.push(&paragraph[start..]);
    sentences
}

/// The paragraphs, items, headings and cells of a text, each with where it begins. A directive counts as
/// its caption.
pub fn paragraphs(markdown: &str) -> Vec<(usize, String)> {
    let mut paragraphs = Vec::new();
    let mut text = String::new();
    let mut start = 0;
    let mut in_code = false;
    for (event, range) in Parser::new_ext(markdown, Options::all()).into_offset_iter() {
        match event {
            Event::Start(Tag::CodeBlock(_)) => in_code = true,
            Event::End(TagEnd::CodeBlock) => in_code = false,
            Event::Start(
                Tag::Emphasis
                | Tag::Strong
                | Tag::Strikethrough
                | Tag::Link { .. }
                | Tag::Image { .. },
            )
            | Event::End(
                TagEnd::Emphasis
                | TagEnd::Strong
                | TagEnd::Strikethrough
                | TagEnd::Link
                | TagEnd::Image,
            )
            | Event::InlineHtml(_) => {}
            Event::Text(_) | Event::Code(_) | Event::SoftBreak | Event::HardBreak if in_code => {}
            Event::Text(words) => {
                if text.is_empty() {
                    start = range.start;
                }
                text += &words;
            }
            Event::Code(_) => text += "code",
            Event::SoftBreak | Event::HardBreak => text.push(' '),
            _ if !text.is_empty() => {
                paragraphs.push((start, without_directive(&std::mem::take(&mut text))));
            }
            _ => {}
        }
    }
    paragraphs
}

/// The caption of a directive, or the text if it is none.
fn without_directive(text: &str) -> String {
    match text.strip_prefix("{{#").map(|rest| rest.split_whitespace().skip(2).collect::<Vec<_>>()) {
        Some(caption) => caption.join(" ").trim_end_matches("}}").to_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems_of(markdown: &str) -> Vec<String> {
        problems_in(markdown)
            .into_iter()
            .map(|(line, problem)| format!("{line}: {problem}"))
            .collect()
    }

    #[test]
    fn long_sentences_and_paragraphs_are_found_wherever_they_are() {
        let sentence = |len: usize| "word ".repeat(len - 1) + "end.";
        let long = "a sentence of 36 words (at most 35): word word word word word word …";
        for (prefix, line) in
            [("", 1), ("# ", 1), ("- ", 1), ("text\n\n1. ", 3), ("> [!NOTE]\n> ", 2)]
        {
            let [right, wrong] = [35, 36].map(|len| format!("{prefix}{}", sentence(len)));
            assert_eq!(problems_of(&right), [""; 0]);
            assert_eq!(problems_of(&wrong), [format!("{line}: {long}")], "{wrong}");
        }
        let cell = format!("| a | b |\n| --- | --- |\n| c | {} |\n", sentence(36));
        assert_eq!(problems_of(&cell), [format!("3: {long}")]);
        let many = format!("{} ", sentence(10));
        assert_eq!(problems_of(&many.repeat(12)), [""; 0]);
        assert_eq!(problems_of(&many.repeat(13)), ["1: a paragraph of 130 words (at most 120)"]);
        assert_eq!(
            problems_of(&format!("{{{{#figure map {}}}}}", sentence(36))),
            [format!("1: {long}")]
        );
    }

    #[test]
    fn code_is_one_word_and_a_block_of_it_is_none() {
        let long = "w ".repeat(50);
        assert_eq!(problems_of(&format!("See `{long}` there.\n\n```rust\n{long}\n```\n")), [""; 0]);
        assert_eq!(
            problems_of("A `nobody` is code, <span id=\"nobody\">not a word</span>."),
            [""; 0]
        );
    }

    #[test]
    fn habits_are_found_in_any_spelling_and_a_question_may_begin_with_who() {
        assert_eq!(
            problems_of("Text.\n\nIt waits for\never; *Nobody* knows."),
            ["3: `nobody`: name who does not", "3: `for ever`: forever, or until what happens",]
        );
        assert_eq!(
            problems_of("It ends. Who leaves is gone."),
            ["1: a statement that begins with `Who`: name who does it"]
        );
        assert_eq!(problems_of("Who closes first? A mender, beside."), [""; 0]);
    }

    #[test]
    fn comments_and_texts_are_read_and_code_is_not() {
        let rust = format!("let x = nobody; {} Nobody reads it.\n{} For ever.\n", "//", "///");
        let found = habits_in_lines(&rust, |line| line.split_once("//").map_or("", |it| it.1));
        assert_eq!(found.iter().map(|it| it.0).collect::<Vec<_>>(), [1, 2]);
    }
}
