//! Where a page is among the steps: a block below its title, and the steps' numbers in the contents.
//! `{{#steps}}`: all of them, in a list.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use conformance::text;
use workspace::edition;
use workspace::promises::promises;

use crate::captions::Captions;
use crate::directive::Directive;
use crate::html::{escape, sentence};
use crate::source;
use crate::summary;

/// How many steps the tutorial has.
const TUTORIAL: u8 = 9;

/// Where the contents begin in a built page, and in `toc.html`.
const CONTENTS: &str = r#"<nav id="contents""#;

/// The steps, in their order.
#[derive(Debug)]
pub struct Places(Vec<Place>);

/// A step, and the pages about it.
#[derive(Debug)]
struct Place {
    number: u8,
    /// Its folder, such as `01-single-shot`.
    name: String,
    /// Its chapter, and the pages after it that show files of this step.
    pages: Vec<Page>,
}

#[derive(Debug)]
struct Page {
    /// Its file, such as `server.md`.
    file: String,
    title: String,
}

impl Page {
    fn address(&self) -> String {
        self.file.replace(".md", ".html")
    }
}

impl Places {
    /// Reads them from the steps' manifests and the book's numbered pages.
    pub fn read(root: &Path, src: &Path) -> Result<Self> {
        let steps = promises(root)?;
        let mut places: Vec<Place> = Vec::new();
        for file in summary::numbered_pages(src)? {
            let text = summary::read(src, &file)?;
            let page = Page { title: summary::title(&text, &file), file };
            if let Some((step, promises)) = steps.iter().find(|(_, it)| it.chapter == page.file) {
                let (number, name) = (promises.number, step.name.clone());
                places.push(Place { number, name, pages: vec![page] });
            } else if let Some(place) = places.last_mut().filter(|it| shows(&text, &it.name)) {
                place.pages.push(page);
            }
        }
        let has_place = |number| places.iter().any(|place| place.number == number);
        if let Some((step, it)) = steps.iter().find(|(_, it)| !has_place(it.number)) {
            let (name, chapter) = (&step.name, &it.chapter);
            bail!("steps/{name}: {chapter}, its chapter, is no numbered page of SUMMARY.md");
        }
        Ok(Self(places))
    }

    /// The block below a page's title, in one line of HTML; none for a page that is about no step.
    #[must_use]
    pub fn html(&self, file: &str) -> Option<String> {
        let index_in = |place: &Place| place.pages.iter().position(|page| page.file == file);
        let (at, index) =
            self.0.iter().enumerate().find_map(|(at, place)| Some((at, index_in(place)?)))?;
        let Place { number, name, pages } = &self.0[at];
        let (label, count) = (text!("place.name"), TUTORIAL);
        let of = if *number <= TUTORIAL {
            text!("place.of", number, count)
        } else {
            text!("place.beyond", number)
        };
        let before = at.checked_sub(1).map(|at| self.0[at].link("prev", ["← ", ""]));
        let after = self.0.get(at + 1).map(|place| place.link("next", ["", " →"]));
        let neighbours: String = before.into_iter().chain(after).collect();
        let pages = if pages.len() == 1 { String::new() } else { list(pages, index) };
        let name = escape(name);
        Some(format!(
            r#"<nav class="step-place" aria-label="{label}" style="--step:{number};--of:{count}"><p><strong>{of}</strong> <code>{name}</code></p><p class="neighbours">{neighbours}</p>{pages}</nav>"#
        ))
    }

    /// A list of all steps, each with what its program begins with.
    fn all(&self, root: &Path) -> Result<String> {
        let item = |place: &Place| {
            let Place { number, name, pages } = place;
            let captions = Captions::of(root, &caption_of(name))?;
            let (page, what) = (&pages[0], what(root, name)?);
            let what = sentence(&capitalised(&captions.text(&what)));
            let (address, title) = (page.address(), escape(&page.title));
            Ok(format!(
                r#"<li value="{number}"><a href="{address}">{title}</a> <span>{what}</span></li>"#
            ))
        };
        let items: Vec<String> = self.0.iter().map(item).collect::<Result<_>>()?;
        Ok(format!(r#"<ol class="steps">{}</ol>"#, items.concat()))
    }

    /// A built page, with the number of its step after each name in the contents.
    #[must_use]
    pub fn number(&self, html: &str) -> String {
        let start = html.find(CONTENTS).unwrap_or(html.len());
        let end = html[start..].find("</nav>").map_or(html.len(), |at| start + at);
        let mut contents = html[start..end].to_owned();
        for Place { number, pages, .. } in &self.0 {
            for page in pages {
                let link = contents.find(&format!("\"{}\">", page.address()));
                if let Some(at) = link.and_then(|at| Some(at + contents[at..].find("</a>")?)) {
                    let step = text!("place.step");
                    let number = format!(
                        r#" <span class="step-number"><span class="visually-hidden">{step} </span>{number}</span>"#
                    );
                    contents.insert_str(at, &number);
                }
            }
        }
        format!("{}{contents}{}", &html[..start], &html[end..])
    }
}

impl Place {
    /// A link from the step before or after, between two parts of an arrow.
    fn link(&self, rel: &str, [before, after]: [&str; 2]) -> String {
        let (number, title) = (self.number, escape(&self.pages[0].title));
        let (text, address) = (text!("place.neighbour", number, title), self.pages[0].address());
        let arrow = |arrow: &str| match arrow {
            "" => String::new(),
            _ => format!(r#"<span aria-hidden="true">{arrow}</span>"#),
        };
        let (before, after) = (arrow(before), arrow(after));
        format!(r#"<a rel="{rel}" href="{address}">{before}{text}{after}</a>"#)
    }
}

/// The list of all steps that replaces `{{#steps}}`.
pub fn render(root: &Path, arguments: &str) -> Result<String> {
    if !arguments.is_empty() {
        bail!("expected {{{{#steps}}}}");
    }
    Places::read(root, &edition::src(root))?.all(root)
}

/// How a step's program describes itself, in its first line: `//! Step 01: one message, one answer.`
fn what(root: &Path, step: &str) -> Result<String> {
    let file = format!("steps/{step}/src/main.rs");
    let text = source::read(root, &file)?;
    let line = text.lines().next().and_then(|line| line.strip_prefix("//! Step "));
    let what = line.and_then(|line| Some(line.split_once(": ")?.1));
    let what = what.with_context(|| format!("{file} must begin with `//! Step NN: …`"))?;
    Ok(what.to_owned())
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|letter| letter.to_uppercase().to_string());
    first.unwrap_or_default() + letters.as_str()
}

/// Where the text of a step is in the table of another language.
fn caption_of(step: &str) -> String {
    format!("step {step}")
}

/// The places of the steps' texts, and these texts.
pub fn captions(root: &Path) -> Result<Vec<(String, Vec<String>)>> {
    let steps = promises(root)?;
    steps
        .iter()
        .map(|(step, _)| Ok((caption_of(&step.name), vec![what(root, &step.name)?])))
        .collect()
}

/// The pages of a step that has several; `index` is the one with this list.
fn list(pages: &[Page], index: usize) -> String {
    let (number, count) = (index + 1, pages.len());
    let item = |(at, page): (usize, &Page)| {
        let (address, title) = (page.address(), escape(&page.title));
        let current = if at == index { r#" aria-current="page""# } else { "" };
        format!(r#"<li><a href="{address}"{current}>{title}</a></li>"#)
    };
    let items: String = pages.iter().enumerate().map(item).collect();
    format!("<p>{}</p><ol>{items}</ol>", text!("place.page", number, count))
}

/// Whether a page shows a file or a session of a step.
fn shows(text: &str, step: &str) -> bool {
    let mut directives = text.lines().filter_map(Directive::alone_in);
    directives.any(|it| it.arguments.split([' ', '/']).next() == Some(step))
}

#[cfg(test)]
mod tests {
    use workspace::fixture;

    use super::*;

    fn places(root: &Path) -> Result<Places> {
        Places::read(root, &root.join("book/en/src"))
    }

    #[test]
    fn a_page_shows_its_step_and_those_beside_it() {
        let tree = fixture::tree();
        let html = places(tree.path()).unwrap().html("second.md").unwrap();
        assert!(html.contains("<strong>Step 2 of 9</strong> <code>02-second</code>"), "{html}");
        let before = r#"<a rel="prev" href="first.html"><span aria-hidden="true">← </span>Step 1: First</a></p></nav>"#;
        assert!(html.contains(before), "{html}");
        assert!(!html.contains("next"), "{html}");
    }

    #[test]
    fn later_pages_that_show_a_steps_files_belong_to_it() {
        let tree = fixture::tree();
        let (root, summary) = (tree.path(), "book/en/src/SUMMARY.md");
        fixture::append(root, summary, "  - [Aside](aside.md)\n  - [More](more.md)\n");
        fixture::append(root, summary, "\n[Later](later.md)\n");
        fixture::write(root, "book/en/src/aside.md", "# Aside\n");
        let listing = "\n{{#listing 02-second src/server.rs}}\n";
        fixture::write(root, "book/en/src/more.md", &format!("# More\n{listing}"));
        fixture::write(root, "book/en/src/later.md", &format!("# Later\n{listing}"));
        let places = places(root).unwrap();
        assert_eq!([places.html("aside.md"), places.html("later.md")], [None, None]);
        let html = places.html("more.md").unwrap();
        let list = r#"<p>Page 2 of 2 on this step:</p><ol><li><a href="second.html">Second</a></li><li><a href="more.html" aria-current="page">More</a></li></ol>"#;
        assert!(html.contains("Step 2 of 9") && html.contains(list), "{html}");
    }

    #[test]
    fn all_steps_are_listed_with_what_their_programs_say() {
        let tree = fixture::tree();
        for (step, line) in
            [("01-first", "//! Step 01: one `read`."), ("02-second", "fn main() {}")]
        {
            fixture::write(tree.path(), &format!("steps/{step}/src/main.rs"), line);
        }
        let error = render(tree.path(), "").unwrap_err().to_string();
        assert_eq!(error, "steps/02-second/src/main.rs must begin with `//! Step NN: …`");
        fixture::write(tree.path(), "steps/02-second/src/main.rs", "//! Step 02: more.\n");
        let first = r#"<li value="1"><a href="first.html">First</a> <span>One <code>read</code>.</span></li>"#;
        let list = render(tree.path(), "").unwrap();
        assert!(list.contains(first) && list.contains("<span>More.</span>"), "{list}");
    }

    #[test]
    fn a_chapter_that_is_no_numbered_page_is_named() {
        let tree = fixture::tree();
        let summary = "# Summary\n\n- [First](first.md)\n\n[Second](second.md)\n";
        fixture::write(tree.path(), "book/en/src/SUMMARY.md", summary);
        let error = places(tree.path()).unwrap_err().to_string();
        let expected = "steps/02-second: second.md, its chapter, is no numbered page of SUMMARY.md";
        assert_eq!(error, expected);
    }

    #[test]
    fn the_contents_of_a_built_page_have_the_numbers() {
        let tree = fixture::tree();
        let places = places(tree.path()).unwrap();
        let page = r#"<a href="first.html">x</a><nav id="contents"><a href="first.html"><strong>1.</strong> First</a></nav><a href="first.html">x</a>"#;
        let expected = page.replace(
            "First</a>",
            r#"First <span class="step-number"><span class="visually-hidden">step </span>1</span></a>"#,
        );
        assert_eq!(places.number(page), expected);
    }

    #[test]
    fn each_step_of_the_book_has_its_place() {
        let root = workspace::root::repository();
        let places = places(&root).unwrap();
        let numbers: Vec<u8> = places.0.iter().map(|place| place.number).collect();
        let steps: Vec<u8> = promises(&root).unwrap().iter().map(|(_, it)| it.number).collect();
        assert_eq!(numbers, steps);
        let downloads = places.html("safe-downloads.md").unwrap();
        assert!(downloads.contains("Step 7 of 9") && downloads.contains("Page 3 of 4"));
        let last = places.html("event-loop.md").unwrap();
        assert!(last.contains("Step 10, beyond the tutorial"), "{last}");
    }
}
