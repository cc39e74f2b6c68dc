//! The folded blocks of a page, as they are written in it: answers, hints, solutions, and notes for teachers.

use std::ops::Range;

use anyhow::{Result, bail};
use conformance::text;
use mdbook_markdown::pulldown_cmark::Event;
use mdbook_markdown::{MarkdownOptions, new_cmark_parser};

/// The class of the notes for teachers.
const NOTES: &str = r#"class="teacher""#;

/// What is in a folded block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Answer,
    Hint,
    Solution,
    Notes,
    /// Listings, a twin in Python: more to read, and nothing that a question asks for.
    More,
}

/// A `<details>`, from its first letter to its last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    pub kind: Kind,
    pub range: Range<usize>,
}

/// The folded blocks of a page, in order of their beginnings; a block precedes those inside it.
///
/// An error if a block is not closed, or closed twice.
pub fn blocks(text: &str) -> Result<Vec<Block>> {
    let mut open: Vec<usize> = Vec::new();
    let mut blocks = Vec::new();
    for (at, tag) in tags(text) {
        match (tag, open.pop()) {
            (OPEN, outer) => open.extend(outer.into_iter().chain([at])),
            (_, Some(start)) => {
                let range = start..at + tag.len();
                blocks.push(Block { kind: kind(&text[range.clone()]), range });
            }
            (_, None) => bail!("line {}: {CLOSE} closes nothing", line_of(text, at)),
        }
    }
    if let Some(at) = open.pop() {
        bail!("line {}: {OPEN}> is never closed", line_of(text, at));
    }
    blocks.sort_by_key(|block| block.range.start);
    Ok(blocks)
}

const OPEN: &str = "<details";
const CLOSE: &str = "</details>";

/// Where blocks begin and end: in code, the same letters are only shown.
fn tags(text: &str) -> Vec<(usize, &'static str)> {
    let mut tags = Vec::new();
    for (event, range) in new_cmark_parser(text, &MarkdownOptions::default()).into_offset_iter() {
        if let Event::Html(_) | Event::InlineHtml(_) = event {
            for tag in [OPEN, CLOSE] {
                let found = text[range.clone()].match_indices(tag);
                tags.extend(found.map(|(at, _)| (range.start + at, tag)));
            }
        }
    }
    tags.sort_unstable();
    tags
}

fn line_of(text: &str, at: usize) -> usize {
    text[..at].matches('\n').count() + 1
}

/// What is in a block, by its first tags.
fn kind(block: &str) -> Kind {
    let Some((tag, rest)) = block.split_once('>') else { return Kind::More };
    if tag.contains(NOTES) {
        return Kind::Notes;
    }
    let summary = rest.trim_start().strip_prefix("<summary>").unwrap_or_default();
    let kinds = [
        (text!("fold.answer"), Kind::Answer),
        (text!("fold.hint"), Kind::Hint),
        (text!("fold.solution"), Kind::Solution),
    ];
    let found = kinds.into_iter().find(|(name, _)| summary.starts_with(name));
    found.map_or(Kind::More, |(_, kind)| kind)
}

/// The page without the blocks of some kinds. All other lines keep their numbers.
pub fn without(text: &str, is_unwanted: impl Fn(Kind) -> bool) -> Result<String> {
    let (mut kept, mut end) = (String::with_capacity(text.len()), 0);
    for Block { kind, range } in blocks(text)? {
        if range.start >= end && is_unwanted(kind) {
            kept.push_str(&text[end..range.start]);
            kept.extend(text[range.clone()].matches('\n'));
            end = range.end;
        }
    }
    Ok(kept + &text[end..])
}

/// The page with more attributes in the first tag of each block.
pub fn with_attributes(text: &str, attributes: impl Fn(Kind) -> &'static str) -> Result<String> {
    let (mut marked, mut end) = (String::with_capacity(text.len()), 0);
    for Block { kind, range } in blocks(text)? {
        let start = range.start + OPEN.len();
        marked.push_str(&text[end..start]);
        marked.push_str(attributes(kind));
        end = start;
    }
    Ok(marked + &text[end..])
}

/// The page with the words of a link in the place of each link to an unwanted page.
pub fn without_links(text: &str, is_unwanted: impl Fn(&str) -> bool) -> String {
    use mdbook_markdown::pulldown_cmark::Tag;
    let (mut kept, mut end) = (String::with_capacity(text.len()), 0);
    for (event, range) in new_cmark_parser(text, &MarkdownOptions::default()).into_offset_iter() {
        let Event::Start(Tag::Link { dest_url, .. }) = event else { continue };
        let link = &text[range.clone()];
        if let (true, Some(words)) = (is_unwanted(&dest_url), link.rfind("](")) {
            kept.push_str(&text[end..range.start]);
            kept.push_str(&link[1..words]);
            end = range.end;
        }
    }
    kept + &text[end..]
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# A page

A question?

<details><summary>Answer</summary>

An answer, with `</details>` in code.

</details>

<details><summary>Solution</summary>

```html
</details>
```

<details>
<summary>Solution in Python</summary>

{{#listing a b}}

</details>

The end of it.

</details>

<details class=\"teacher\"><summary>Notes for teachers</summary>

- **Say** it.

</details>

<details><summary>All files</summary>

Files.

</details>
";

    fn kinds(text: &str) -> Vec<Kind> {
        blocks(text).unwrap().iter().map(|block| block.kind).collect()
    }

    fn without_solutions(text: &str) -> String {
        without(text, |kind| kind == Kind::Solution).unwrap()
    }

    #[test]
    fn blocks_are_found_with_what_is_inside_and_code_is_none() {
        let expected = [Kind::Answer, Kind::Solution, Kind::Solution, Kind::Notes, Kind::More];
        assert_eq!(kinds(PAGE), expected);
    }

    #[test]
    fn a_block_goes_with_all_that_is_inside_and_no_line_moves() {
        let text = without_solutions(PAGE);
        for gone in ["Solution", "{{#listing", "```", "The end of it."] {
            assert!(!text.contains(gone), "{gone} in {text}");
        }
        assert!(text.contains("An answer, with `</details>` in code."), "{text}");
        let line = |text: &str| text.lines().position(|line| line.contains("All files"));
        assert_eq!(line(&text), line(PAGE));
        assert_eq!(kinds(&text), [Kind::Answer, Kind::Notes, Kind::More]);
    }

    #[test]
    fn an_inner_block_goes_alone() {
        let text = without(PAGE, |kind| kind == Kind::Notes).unwrap();
        assert!(!text.contains("**Say**") && text.contains("Solution in Python"), "{text}");
        let inner = "<details><summary>All</summary>\n\n<details><summary>Solution</summary>\n\nx\n\n\
                     </details>\n\nrest\n\n</details>\n";
        let text = without_solutions(inner);
        assert!(!text.contains('x') && text.contains("rest"), "{text}");
        assert_eq!(kinds(&text), [Kind::More]);
    }

    #[test]
    fn a_block_in_a_list_or_a_quotation_goes_and_its_neighbours_stay() {
        let list = "1. One.\n\n   <details><summary>Solution</summary>\n\n   Secret.\n\n   </details>\n\n2. Two.\n";
        let quote = "> One.\n>\n> <details><summary>Solution</summary>\n>\n> Secret.\n>\n> </details>\n>\n> Two.\n";
        let line = "One. <details><summary>Solution</summary>Secret.</details> Two.\n";
        for text in [list, quote, line] {
            let kept = without_solutions(text);
            assert!(!kept.contains("Secret") && !kept.contains("details"), "{kept}");
            assert!(kept.contains("One.") && kept.contains("Two."), "{kept}");
        }
    }

    #[test]
    fn a_block_that_does_not_end_is_an_error() {
        let error = |text| blocks(text).unwrap_err().to_string();
        let open = "a\n\n<details><summary>Answer</summary>\n\ntext\n";
        assert_eq!(error(open), "line 3: <details> is never closed");
        assert_eq!(error("a\n\n</details>\n"), "line 3: </details> closes nothing");
    }

    #[test]
    fn attributes_are_added_by_kind() {
        let text = with_attributes(PAGE, |kind| match kind {
            Kind::Notes => " open",
            _ => "",
        });
        assert_eq!(text.unwrap(), PAGE.replace("<details class", "<details open class"));
    }

    #[test]
    fn a_link_becomes_its_words() {
        let text = "Run [`a [b]`](gone.md#x), [here](here.md), or `[x](gone.md)`.\n";
        let expected = "Run `a [b]`, [here](here.md), or `[x](gone.md)`.\n";
        assert_eq!(without_links(text, |target| target.starts_with("gone.md")), expected);
    }
}
