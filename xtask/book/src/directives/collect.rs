//! `{{#collect key-points}}` and `{{#collect corrections}}`: what is on all of the book's pages, on one.
//!
//! Unlike the other directives it gives Markdown, which is then treated like the rest of the page.

use std::path::Path;

use anyhow::{Result, bail};
use conformance::text;

use crate::summary::{Heading, begins_section, pages, read, title};

/// The first line of a callout that corrects the tutorial, after the quote mark.
pub const CORRECTION: &str = "[!TUTORIAL]";

/// The Markdown for a `{{#collect …}}`, from the pages in `src`, in the order of the summary.
pub fn markdown(src: &Path, what: &str) -> Result<Vec<String>> {
    let collect = match what {
        "key-points" => key_points,
        "corrections" => corrections,
        _ => bail!("expected {{{{#collect key-points}}}} or {{{{#collect corrections}}}}"),
    };
    let mut lines = Vec::new();
    for page in pages(src)? {
        let text = read(src, &page)?;
        let found: Vec<String> = collect(&text, &page);
        if !found.is_empty() {
            let title = title(&text, &page);
            let id = page.trim_end_matches(".md");
            // Not in the heading: that is a link to itself, and a link cannot hold another.
            lines.push(format!("## {title} {{#{id}}}"));
            lines.push(String::new());
            lines.push(text!("collect.place", title, page));
            lines.push(String::new());
            lines.extend(found);
            lines.push(String::new());
        }
    }
    Ok(lines)
}

/// The lines of the section that lists a page's key points.
fn key_points(text: &str, page: &str) -> Vec<String> {
    text.lines()
        .skip_while(|line| !begins_section(line, "key-points"))
        .skip(1)
        .take_while(|line| !["#", "{{#", "<details"].iter().any(|start| line.starts_with(start)))
        .map(|line| from_elsewhere(line, page))
        .skip_while(String::is_empty)
        .collect()
}

/// The callouts that correct the tutorial, each with its section.
fn corrections(text: &str, page: &str) -> Vec<String> {
    let mut section = String::new();
    let mut found: Vec<String> = Vec::new();
    // What precedes the next line of the callout.
    let mut start: Option<String> = None;
    for line in text.lines() {
        if let Some(Heading { title, id: Some(id), .. }) = Heading::in_line(line) {
            section = format!("[{title}]({page}#{id})");
        }
        let quoted = line.strip_prefix('>').map(str::trim);
        match quoted {
            Some(CORRECTION) => start = Some(format!("- {section}: ")),
            Some(quoted) => {
                if let Some(before) = &mut start {
                    let line = format!("{before}{}", from_elsewhere(quoted, page));
                    found.push(line.trim_end().to_owned());
                    "  ".clone_into(before);
                }
            }
            None => start = None,
        }
    }
    found
}

/// A line whose links to its own page lead there from any other page.
fn from_elsewhere(line: &str, page: &str) -> String {
    line.replace("](#", &format!("]({page}#"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const PAGE: &str = "\
# A page

## One *thing* {#one}

> [!TUTORIAL]
> It says [so](#two).
>
> And so.

> [!NOTE]
> Something else.

### Two {#two}

> [!TUTORIAL]
> Twice.

## Key points {#key-points}

- A point with [a link](#one).
- Another
  in two lines.

And so on.

## Check yourself {#check-yourself}

- no point
";

    #[test]
    fn corrections_come_with_their_sections() {
        let expected = [
            "- [One *thing*](a.md#one): It says [so](a.md#two).",
            "",
            "  And so.",
            "- [Two](a.md#two): Twice.",
        ];
        assert_eq!(corrections(PAGE, "a.md"), expected);
    }

    #[test]
    fn key_points_end_where_the_next_section_begins() {
        let expected = [
            "- A point with [a link](a.md#one).",
            "- Another",
            "  in two lines.",
            "",
            "And so on.",
            "",
        ];
        assert_eq!(key_points(PAGE, "a.md"), expected);
    }

    #[test]
    fn notes_for_teachers_are_no_key_points() {
        let page = "# A page\n\n## Key points {#key-points}\n\n- A point.\n\n\
                    <details class=\"teacher\"><summary>Notes for teachers</summary>\n\n- **Say** it.\n\n</details>\n";
        assert_eq!(key_points(page, "a.md"), ["- A point.", ""]);
    }

    #[test]
    fn pages_come_in_the_order_of_the_summary_and_without_anything_to_collect_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("SUMMARY.md", "# Summary\n\n[B](b.md)\n- [A](a.md)\n  - [C](c.md)\n");
        write("a.md", PAGE);
        write("b.md", "# B\n\nNothing.\n");
        write("c.md", &PAGE.replace("A page", "Another"));
        let lines = markdown(folder.path(), "key-points").unwrap();
        let headings: Vec<_> = lines.iter().filter(|line| line.starts_with('#')).collect();
        assert_eq!(headings, ["## A page {#a}", "## Another {#c}"]);
        assert!(markdown(folder.path(), "points").is_err());
    }
}
