//! What a page costs its reader: everything that a first visit loads, compressed.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use fantoccini::Locator;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::browser::{Browser, View};
use crate::{PAGE, is_whole_book, setup};

/// In bytes. 1 KB is 1,000 bytes.
const MAX_FIRST_VISIT: usize = 75_000;

/// In bytes: script and style of the player.
const MAX_PLAYER: usize = 4_000;

/// The level of most servers that compress. A few use 1, which costs about a tenth more.
const LEVEL: u32 = 6;

/// What search needs, and nothing else does. A hash follows in its name.
const FOR_SEARCH: &str = "search-";

/// In bytes: the text of all pages, and the script that searches it.
const MAX_SEARCH: usize = 120_000;

/// Finds the pages that cost more than they may with the files that they load, and prints a table
/// of what each costs.
pub fn first_visits(
    book: &Path,
    files_of: &BTreeMap<String, BTreeSet<String>>,
) -> Result<Vec<String>> {
    let (mut sizes, mut found) = (BTreeMap::new(), Vec::new());
    for file in files_of.iter().flat_map(|(page, files)| files.iter().chain([page])) {
        if !sizes.contains_key(file) {
            let size = compressed(&book.join(file)).unwrap_or_else(|error| {
                found.push(format!("{error:#}"));
                0
            });
            sizes.insert(file, size);
        }
    }
    let cost = |(page, files): &(&String, &BTreeSet<String>)| {
        sizes[*page] + files.iter().map(|file| sizes[file]).sum::<usize>()
    };
    let mut rows: Vec<_> = files_of.iter().map(|row| (cost(&row), row)).collect();
    rows.sort();
    let mut table = String::from("  bytes   of which the page   files   first visit to\n");
    for (bytes, (page, files)) in &rows {
        writeln!(table, "{bytes:>7}{:>20}{:>8}   {page}", sizes[page], files.len() + 1)?;
    }
    // At once: other tests write beside this one.
    std::io::stdout().write_all(table.as_bytes())?;
    // No reader begins with the whole book.
    let read = rows.iter().filter(|(_, (page, _))| !is_whole_book(page));
    let too_dear = read.filter(|(bytes, _)| *bytes > MAX_FIRST_VISIT);
    found.extend(too_dear.map(|(bytes, (page, files))| {
        format!("{page}: {bytes} bytes, more than {MAX_FIRST_VISIT}, with {files:?}")
    }));
    Ok(found)
}

/// The part of the script, and that of the style sheet, that sessions with a trace need cost little.
pub fn player() -> Result<()> {
    let mut bytes = 0;
    for (file, start, end) in [
        (
            "book.js",
            "// ----------------------------------------------------------------- players",
            "// ----",
        ),
        ("css/general.css", "/* What the kernel held", "/* Figures */"),
    ] {
        let path = setup::repository().join("book/theme").join(file);
        let text = fs::read_to_string(&path)?;
        let at = text.find(start).with_context(|| format!("{file} has no `{start}`"))?;
        let rest = &text[at + start.len()..];
        let len = rest.find(end).with_context(|| format!("{file} has no `{end}` after it"))?;
        bytes += gzip(&rest.as_bytes()[..len])?;
    }
    ensure!(bytes <= MAX_PLAYER, "the player costs {bytes} bytes, more than {MAX_PLAYER}");
    Ok(())
}

/// Finds what the page has loaded of the index and its scripts before search opens.
pub async fn no_search(browser: &Browser) -> Result<Vec<String>> {
    let files = of_search(&files(browser).await?);
    Ok(files.iter().map(|file| format!("{file} is loaded before search opens")).collect())
}

/// The index and its scripts are loaded when search opens.
pub async fn search_comes_later(browser: &Browser) -> Result<()> {
    browser.visit_in(View::WIDE, PAGE).await?;
    browser.type_keys("/socket".chars()).await?;
    let results = Locator::Css("#search-results a");
    browser.expect(results, "a search for socket has results").await?;
    let files = of_search(&files(browser).await?);
    ensure!(files.len() == 1, "{PAGE}: a search loads {files:?}");
    let bytes = compressed(&browser.site.folder.join(&files[0]))?;
    ensure!(bytes <= MAX_SEARCH, "a search loads {bytes} bytes, more than {MAX_SEARCH}");
    Ok(())
}

fn of_search(files: &BTreeSet<String>) -> Vec<String> {
    files.iter().filter(|file| file.starts_with(FOR_SEARCH)).cloned().collect()
}

/// The files of the book that the page has loaded so far.
pub async fn files(browser: &Browser) -> Result<BTreeSet<String>> {
    let files: BTreeSet<String> = browser.run(include_str!("scripts/loaded.js"), json!([])).await?;
    for kind in ["css", "js"] {
        let is_one = |file: &String| Path::new(file).extension() == Some(OsStr::new(kind));
        ensure!(files.iter().any(is_one), "no {kind} is loaded: this measures the wrong thing");
    }
    Ok(files)
}

/// How long a file is when it travels, in bytes.
fn compressed(path: &Path) -> Result<usize> {
    let content = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(gzip(&content)?.min(content.len()))
}

fn gzip(content: &[u8]) -> Result<usize> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(LEVEL));
    encoder.write_all(content)?;
    Ok(encoder.finish()?.len())
}
