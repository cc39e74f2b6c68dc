//! What a page costs its reader: everything that a first visit loads, compressed.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use fantoccini::Locator;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;

use crate::browser::{Browser, View};
use crate::{PAGE, WHOLE_BOOK};

/// In bytes. 1 KB is 1,000 bytes.
const MAX_FIRST_VISIT: usize = 100_000;

/// The level of most servers that compress. A few use 1, which costs about a tenth more.
const LEVEL: u32 = 6;

/// What search needs, and nothing else does. The names go on with a hash.
const FOR_SEARCH: [&str; 4] = ["searchindex", "searcher", "elasticlunr", "mark"];

/// What a page loads.
#[derive(Default)]
struct Visit {
    page: usize,
    files: BTreeSet<String>,
    /// Compressed, the page too.
    bytes: usize,
}

/// No page costs more than it may, with all its pictures. The table says what each costs.
pub async fn first_visits(browser: &Browser) -> Result<()> {
    let mut rows = Vec::new();
    browser.set_view(View::WIDE).await?;
    for page in &browser.site.pages {
        browser.visit(page).await?;
        browser.unfold().await?;
        rows.push((page, visit(browser, page).await?));
    }
    rows.sort_by_key(|(_, visit)| visit.bytes);
    let mut table = String::from("  bytes   of which the page   files   first visit to\n");
    for (page, Visit { page: own, files, bytes }) in &rows {
        writeln!(table, "{bytes:>7}{own:>20}{:>8}   {page}", files.len() + 1)?;
    }
    // At once: other tests write beside this one.
    std::io::stdout().write_all(table.as_bytes())?;
    let too_dear: Vec<_> = rows
        .iter()
        // Nobody begins to read with the whole book.
        .filter(|(page, visit)| *page != WHOLE_BOOK && visit.bytes > MAX_FIRST_VISIT)
        .map(|(page, visit)| format!("{page}: {} bytes, with {:?}", visit.bytes, visit.files))
        .collect();
    ensure!(too_dear.is_empty(), "above {MAX_FIRST_VISIT} bytes: {}", too_dear.join("; "));
    Ok(())
}

/// The index and its scripts are loaded when search opens, and not before.
pub async fn search_comes_later(browser: &Browser) -> Result<()> {
    let of_search = |files: &BTreeSet<String>| -> Vec<String> {
        let is_one = |file: &&String| FOR_SEARCH.iter().any(|name| file.starts_with(name));
        files.iter().filter(is_one).cloned().collect()
    };
    browser.set_view(View::WIDE).await?;
    for page in &browser.site.pages {
        browser.visit(page).await?;
        let files = of_search(&visit(browser, page).await?.files);
        ensure!(files.is_empty(), "{page} loads {files:?} before anyone searches");
    }
    browser.visit(PAGE).await?;
    browser.type_keys("/socket".chars()).await?;
    let results = Locator::Css("#mdbook-searchresults a");
    browser.expect(results, "a search for socket has results").await?;
    let files = of_search(&visit(browser, PAGE).await?.files);
    ensure!(files.len() == FOR_SEARCH.len(), "{PAGE}: a search loads only {files:?}");
    Ok(())
}

/// What the page that is open has loaded so far.
async fn visit(browser: &Browser, page: &str) -> Result<Visit> {
    let files: Vec<String> = browser.run(include_str!("scripts/loaded.js"), json!([])).await?;
    let files: BTreeSet<String> = files.into_iter().collect();
    for kind in ["css", "js"] {
        let is_one = |file: &String| Path::new(file).extension() == Some(OsStr::new(kind));
        if !files.iter().any(is_one) {
            bail!("{page} loads no {kind}: this does not measure what it should");
        }
    }
    let own = compressed(browser, page)?;
    let mut bytes = own;
    for file in &files {
        bytes += compressed(browser, file)?;
    }
    Ok(Visit { page: own, files, bytes })
}

/// How long a file of the book is when it travels, in bytes.
fn compressed(browser: &Browser, file: &str) -> Result<usize> {
    let path = browser.site.folder.join(file);
    let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(LEVEL));
    encoder.write_all(&content)?;
    Ok(encoder.finish()?.len().min(content.len()))
}
