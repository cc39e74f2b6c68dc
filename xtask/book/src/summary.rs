//! The pages of a book, in the order of its summary.

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
    text.lines().find_map(|line| line.strip_prefix("# ")).unwrap_or(page).trim().to_owned()
}

/// Reads a page.
pub fn read(src: &Path, page: &str) -> Result<String> {
    fs::read_to_string(src.join(page)).with_context(|| format!("cannot read {page}"))
}
