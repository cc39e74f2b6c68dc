//! The prose of a built page, by sections.

use html5ever::tokenizer::Tag;

use crate::html::{self, Reader, attribute};

/// The level of an entry in a list of terms: below each heading.
const ENTRY: u8 = 4;

/// Elements without prose. A figure is code, a session, or a drawing.
const WITHOUT_PROSE: [&str; 8] =
    ["button", "figure", "nav", "pre", "script", "style", "svg", "template"];

/// Elements that end a line.
const BLOCKS: [&str; 16] = [
    "blockquote",
    "br",
    "dd",
    "details",
    "div",
    "dt",
    "h1",
    "h2",
    "h3",
    "h4",
    "li",
    "p",
    "summary",
    "table",
    "tr",
    "ul",
];

/// What follows a heading, or explains a term.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Section {
    /// The fragment that leads to it.
    pub id: String,
    /// 1 for the page's own heading, to 4.
    pub level: u8,
    /// The heading; the lines of a term.
    pub title: String,
    /// Its lines.
    pub text: String,
}

impl Section {
    /// Whether its id is not the one that mdBook makes of a term. The script makes it in the same way.
    #[must_use]
    pub fn has_own_id(&self) -> bool {
        let kept = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ');
        let title = self.title.to_lowercase().replace('\n', "");
        let made: String =
            title.chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect();
        self.id != made
    }
}

/// The sections of a page.
#[must_use]
pub fn sections(html: &str) -> Vec<Section> {
    let mut sections = read(html).sections;
    for section in &mut sections {
        section.title = lines(&section.title);
        section.text = lines(&section.text);
    }
    sections
}

/// Where the links of a page lead, in their order.
#[must_use]
pub fn links(html: &str) -> Vec<String> {
    read(html).links
}

fn read(html: &str) -> Page {
    html::read(html, Page::default())
}

/// Text with one space between words, and without empty lines.
fn lines(text: &str) -> String {
    let lines = text.split('\n').map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// What was read of a page.
#[derive(Debug, Default)]
struct Page {
    sections: Vec<Section>,
    links: Vec<String>,
    in_main: bool,
    /// The element that has no prose, and how many of its name are open.
    skipped: Option<(String, usize)>,
    in_title: bool,
    /// The number of the section that a list of terms interrupts.
    interrupted: Option<usize>,
    /// The number of the section that takes the text.
    current: usize,
}

impl Reader for Page {
    fn start(&mut self, tag: &Tag) {
        let name: &str = &tag.name;
        match name {
            "a" => self.links.extend(attribute(tag, "href").map(str::to_owned)),
            "main" => self.in_main = true,
            _ => {}
        }
        if let Some((skipped, depth)) = &mut self.skipped {
            *depth += usize::from(skipped == name && !tag.self_closing);
            return;
        }
        if WITHOUT_PROSE.contains(&name) && !tag.self_closing {
            self.skipped = Some((name.to_owned(), 1));
            return;
        }
        let level = match name {
            "h1" => Some(1),
            "h2" => Some(2),
            "h3" => Some(3),
            "dt" => Some(ENTRY),
            _ => None,
        };
        if let (Some(level), Some(id), true) = (level, attribute(tag, "id"), self.in_main) {
            if level == ENTRY {
                self.interrupted.get_or_insert(self.current);
            } else {
                self.interrupted = None;
            }
            self.current = self.sections.len();
            self.sections.push(Section { id: id.to_owned(), level, ..Section::default() });
            self.in_title = true;
        }
        if name == "small" {
            self.push(" (");
        }
        self.separate(name);
    }

    fn end(&mut self, tag: &Tag) {
        let name: &str = &tag.name;
        if let Some((skipped, depth)) = &mut self.skipped {
            *depth -= usize::from(skipped == name);
            if *depth == 0 {
                self.skipped = None;
                self.separate("p");
            }
            return;
        }
        match name {
            "main" => self.in_main = false,
            "small" => self.push(")"),
            "h1" | "h2" | "h3" | "dt" => self.in_title = false,
            "dl" => self.current = self.interrupted.take().unwrap_or(self.current),
            _ => {}
        }
        self.separate(name);
    }

    fn text(&mut self, text: &str) {
        self.push(&text.replace('\n', " "));
    }
}

impl Page {
    /// Puts what separates the texts of two elements.
    fn separate(&mut self, name: &str) {
        if BLOCKS.contains(&name) {
            self.push("\n");
        } else if matches!(name, "td" | "th") {
            self.push(" ");
        }
    }

    fn push(&mut self, text: &str) {
        if !self.in_main || self.skipped.is_some() {
            return;
        }
        if let Some(section) = self.sections.get_mut(self.current) {
            let into = if self.in_title { &mut section.title } else { &mut section.text };
            into.push_str(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section(id: &str, level: u8, title: &str, text: &str) -> Section {
        Section { id: id.to_owned(), level, title: title.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn a_page_is_its_headings_with_their_prose_and_without_code() {
        let html = "<nav><a href=\"x.html\">X</a></nav><p>No.</p><main>\
            <h1 id=\"top\"><a href=\"#top\">Top</a></h1>\n<p>One &amp;\n<em>two</em>.</p>\
            <figure><figure><pre>code</pre></figure>code</figure><p>Three.</p>\
            <h2 id=\"sub\">Sub <code>x</code></h2><table><tr><td>a</td><td>b</td></tr></table>\
            <ul><li>c</li><li>d</li></ul></main><p>No.</p>";
        let expected = [
            section("top", 1, "Top", "One & two.\nThree."),
            section("sub", 2, "Sub x", "a b\nc\nd"),
        ];
        assert_eq!(sections(html), expected);
        assert_eq!(links(html), ["x.html", "#top"]);
    }

    #[test]
    fn a_term_has_an_entry_of_its_own_and_its_section_continues_after_the_list() {
        let html = "<main><h2 id=\"a\">A</h2><p>Before.</p><dl><dt id=\"b\"><samp>B</samp> \
            <small>Linux</small><br><samp>C</samp></dt><dd>Why.</dd><dt id=\"d\">D</dt><dd>How.</dd>\
            </dl><p>After.</p><h2 id=\"e\">E</h2></main>";
        let expected = [
            section("a", 2, "A", "Before.\nAfter."),
            section("b", 4, "B (Linux)\nC", "Why."),
            section("d", 4, "D", "How."),
            section("e", 2, "E", ""),
        ];
        assert_eq!(sections(html), expected);
    }
}
