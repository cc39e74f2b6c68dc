//! The pages of a book, in the order of its summary, and their headings.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// The pages that the summary names, in its order.
pub fn pages(src: &Path) -> Result<Vec<String>> {
    pages_in(src, |_| true)
}

/// Those that have a number: neither the pages before the chapters, nor those after them.
pub fn numbered_pages(src: &Path) -> Result<Vec<String>> {
    pages_in(src, |line| line.trim_start().starts_with("- "))
}

fn pages_in(src: &Path, is_wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let summary = fs::read_to_string(src.join("SUMMARY.md")).context("SUMMARY.md")?;
    let link = |line: &str| Some(line.split_once("](")?.1.split_once(')')?.0.to_owned());
    Ok(summary.lines().filter(|line| is_wanted(line)).filter_map(link).collect())
}

/// The title of a page that is there.
pub fn title_of(src: &Path, page: &str) -> Result<String> {
    if !src.join(page).is_file() {
        bail!("no such page: {page}");
    }
    Ok(title(&read(src, page)?, page))
}

/// Returns the text of a page's first heading; `page` if it has none.
#[must_use]
pub fn title(text: &str, page: &str) -> String {
    let heading = text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or(page);
    heading.split(" {#").next().unwrap_or_default().trim().to_owned()
}

/// A heading below a page's title, as it is written: `## Title {#id}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heading<'a> {
    /// 2 for a section, 3 for a part of one.
    pub level: usize,
    pub title: &'a str,
    pub id: Option<&'a str>,
}

impl<'a> Heading<'a> {
    /// The heading in a line.
    #[must_use]
    pub fn in_line(line: &'a str) -> Option<Self> {
        let (marks, text) = line.split_once(' ')?;
        let is_heading = marks.len() > 1 && marks.bytes().all(|mark| mark == b'#');
        let text = Some(text.trim()).filter(|_| is_heading)?;
        let (title, id) = match text.split_once(" {#") {
            Some((title, id)) => (title, Some(id.trim_end_matches('}'))),
            None => (text, None),
        };
        Some(Self { level: marks.len(), title, id })
    }
}

/// Whether a line is the heading of the section with this id.
#[must_use]
pub fn begins_section(line: &str, id: &str) -> bool {
    Heading::in_line(line).is_some_and(|it| it.level == 2 && it.id == Some(id))
}

/// The id that mdBook makes of a heading, or of a term.
#[must_use]
pub fn made_id(text: &str) -> String {
    let lower = text.trim().to_lowercase().replace(' ', "-");
    lower.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}

/// Reads a page.
pub fn read(src: &Path, page: &str) -> Result<String> {
    fs::read_to_string(src.join(page)).with_context(|| format!("cannot read {page}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heading_has_a_level_a_title_and_perhaps_an_id() {
        let heading = |level, title, id| Some(Heading { level, title, id });
        assert_eq!(Heading::in_line("## One `x` {#one}"), heading(2, "One `x`", Some("one")));
        assert_eq!(Heading::in_line("### Two"), heading(3, "Two", None));
        for other in ["# Title {#title}", "##x", "text ## x", "-- x"] {
            assert_eq!(Heading::in_line(other), None, "{other}");
        }
        assert_eq!(title("# 概述 {#overview}\n", "overview.md"), "概述");
        assert!(begins_section("## 练习 {#exercises}", "exercises"));
        assert!(!begins_section("### 练习 {#exercises}", "exercises"));
    }
}
