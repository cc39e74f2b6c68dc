//! The whole files of a chapter, on a page of their own: the chapter stays light, and shows no code twice.
//!
//! In a chapter's text they are in `<details class="files">`, which is what plain mdBook shows. Here, each such block
//! becomes a link, and `NAME-files.html` gets what was in it. That page is in no list of contents, and in no search.

use std::ops::Range;

use anyhow::{Context as _, Result};
use conformance::text;

const OPEN: &str = r#"<details class="files">"#;

/// Everything in one page, for printing.
const WHOLE_BOOK: &str = "print.html";

/// The page without its blocks, and the page that has them: the names of both, and what is in them.
pub fn split(name: &str, page: String) -> Result<Vec<(String, String)>> {
    let blocks = blocks(&page)?;
    if name == WHOLE_BOOK {
        return Ok(vec![(name.to_owned(), replace(&page, &blocks, |_| String::new()))]);
    }
    if blocks.is_empty() {
        return Ok(vec![(name.to_owned(), page)]);
    }
    let files = name.replace(".html", "-files.html");
    let link = |block: &Block| {
        let Block { id, summary, .. } = block;
        format!(r#"<p class="files"><a href="{files}#{id}">{summary}</a></p>"#)
    };
    let without = replace(&page, &blocks, link);
    let with = files_page(name, &page, &blocks)?;
    Ok(vec![(name.to_owned(), without), (files, with)])
}

/// A block in a page.
struct Block<'a> {
    range: Range<usize>,
    id: String,
    summary: &'a str,
    /// What comes after the summary.
    content: &'a str,
}

/// The blocks in a page, in order.
fn blocks(page: &str) -> Result<Vec<Block<'_>>> {
    let mut blocks = Vec::new();
    for (index, (start, _)) in page.match_indices(OPEN).enumerate() {
        let end = start + len(&page[start..]).context("a block is never closed")?;
        let inner = &page[start + OPEN.len()..end - CLOSE.len()];
        let summary = between(inner, "<summary>", "</summary>")?;
        let content = &inner[summary.end + "</summary>".len()..];
        let (summary, id) = (&inner[summary], format!("files-{}", index + 1));
        blocks.push(Block { range: start..end, id, summary, content });
    }
    Ok(blocks)
}

const CLOSE: &str = "</details>";

/// The length of the block at the start of a text, with those inside it.
fn len(text: &str) -> Option<usize> {
    let mut open = 0;
    let mut tags: Vec<(usize, &str)> = text.match_indices("<details").collect();
    tags.extend(text.match_indices(CLOSE));
    tags.sort_unstable();
    for (at, tag) in tags {
        open = if tag == CLOSE { open - 1 } else { open + 1 };
        if open == 0 {
            return Some(at + tag.len());
        }
    }
    None
}

/// Where the text between two others is.
fn between(text: &str, start: &str, end: &str) -> Result<Range<usize>> {
    let missing = || format!("there is no {start}…{end}");
    let from = text.find(start).with_context(missing)? + start.len();
    let len = text[from..].find(end).with_context(missing)?;
    Ok(from..from + len)
}

fn replace(page: &str, blocks: &[Block], with: impl Fn(&Block) -> String) -> String {
    let (mut replaced, mut end) = (String::with_capacity(page.len()), 0);
    for block in blocks {
        replaced += &page[end..block.range.start];
        replaced += &with(block);
        end = block.range.end;
    }
    replaced + &page[end..]
}

/// The page that holds the blocks: it has the frame of the page in which they were.
fn files_page(name: &str, page: &str, blocks: &[Block]) -> Result<String> {
    let mut text = page.to_owned();
    let title = text[between(page, "<title>", " - ")?].to_owned();
    let heading = text!("files.title", title);
    let back = text!("files.back", title);
    let sections = blocks.iter().map(|block| {
        let Block { id, summary, content, .. } = block;
        format!(r##"<h2 id="{id}"><a class="header" href="#{id}">{summary}</a></h2>{content}"##)
    });
    let main = format!(
        r#"<h1>{heading}</h1><p><a href="{name}">{back}</a></p>{}"#,
        sections.collect::<String>()
    );
    for (start, end, new) in [
        ("<title>", " - ", heading.as_str()),
        ("</title>", "<", "\n<meta name=\"robots\" content=\"noindex\">\n"),
        (r#"data-path=""#, r#"""#, &name.replace(".html", "-files.md")),
        (r#"<main id="mdbook-content" tabindex="-1">"#, "</main>", &main),
        (r#"<nav class="pager""#, "</nav>", " hidden>"),
    ] {
        let range = between(&text, start, end)?;
        text.replace_range(range, new);
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use workspace::fixture;

    use super::*;
    use crate::build;
    use crate::edition::Edition;

    const FILES: &str = "\n<details class=\"files\"><summary>All files</summary>\n\n\
        <details><summary>One</summary>\n\n{{#listing 01-first src/client.rs}}\n\n</details>\n\n\
        </details>\n\nAfter them.\n";

    #[test]
    fn whole_files_are_on_a_page_of_their_own_and_nowhere_else() {
        let tree = fixture::tree();
        fixture::append(tree.path(), "book/en/src/second.md", FILES);
        fixture::copy_real(tree.path(), "book/theme");
        let (html, theme) = ("[output.html]\n", "[output.html]\ntheme = \"../theme\"\n");
        fixture::replace(tree.path(), "book/en/book.toml", html, theme);
        let dest = tree.path().join("out");
        build::build(tree.path(), &dest, Edition::Everyone).unwrap();
        let read = |name: &str| fs::read_to_string(dest.join(name)).unwrap();
        let code =
            r#"<figcaption><span class="path">steps/01-first/src/client.rs</span></figcaption>"#;

        let page = read("second.html");
        let link = r#"<p class="files"><a href="second-files.html#files-1">All files</a></p>"#;
        assert!(page.contains(link) && page.contains("After them."), "{page}");
        assert!(!page.contains(code), "{page}");

        let files = read("second-files.html");
        for part in [
            code,
            r#"<h2 id="files-1">"#,
            "<summary>One</summary>",
            r#"<a href="second.html">"#,
            r#"<meta name="robots" content="noindex">"#,
            r#"<link rel="stylesheet""#,
            "<h1>Second: whole files</h1>",
        ] {
            assert!(files.contains(part), "no {part} in {files}");
        }
        assert!(!files.contains("After them."), "{files}");

        assert!(!read("print.html").contains(code), "it is not printed");
        assert!(!read("toc.html").contains("files"), "it is not in the contents");
    }

    #[test]
    fn a_block_ends_where_those_inside_it_have_ended() {
        let page = format!("{OPEN}<summary>A</summary>x<details>y</details>z</details>rest");
        let blocks = blocks(&page).unwrap();
        assert_eq!(blocks[0].content, "x<details>y</details>z");
        assert_eq!(&page[blocks[0].range.end..], "rest");
    }
}
