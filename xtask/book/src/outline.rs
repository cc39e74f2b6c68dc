//! The headings of a page, as a list of links: beside the text where there is room, else below the title.

use std::fmt::Write as _;

use conformance::text;

use crate::html::sentence;
use crate::summary::Heading;

/// A page with fewer sections needs no list of them.
const FEWEST_SECTIONS: usize = 3;

/// The headings of a page, below its title.
#[derive(Debug, Default)]
pub struct Outline {
    sections: Vec<Section>,
}

#[derive(Debug)]
struct Section {
    link: String,
    subsections: Vec<String>,
}

impl Outline {
    /// Adds the heading in this text, if it is one with an id: `## Title {#id}`, or `### …`.
    pub fn add(&mut self, text: &str) {
        let Some(Heading { level, title, id: Some(id) }) = Heading::in_line(text) else { return };
        let link = format!(r##"<a href="#{id}">{}</a>"##, sentence(title));
        match (level, self.sections.last_mut()) {
            (2, _) => self.sections.push(Section { link, subsections: Vec::new() }),
            (3, Some(section)) => section.subsections.push(link),
            _ => {}
        }
    }

    /// The list, in one line of HTML; none for a page with few sections.
    pub fn html(&self) -> Option<String> {
        if self.sections.len() < FEWEST_SECTIONS {
            return None;
        }
        let name = text!("outline.name");
        let mut html = format!(
            r#"<nav class="outline" aria-label="{name}"><details open><summary>{name}</summary><ol>"#
        );
        for Section { link, subsections } in &self.sections {
            let _ = write!(html, "<li>{link}"); // cannot fail
            if !subsections.is_empty() {
                let items = subsections.iter().map(|link| format!("<li>{link}</li>"));
                let _ = write!(html, "<ol>{}</ol>", items.collect::<String>()); // cannot fail
            }
            html.push_str("</li>");
        }
        Some(html + "</ol></details></nav>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_has_a_link_for_each_heading() {
        let mut outline = Outline::default();
        for line in ["## One {#one}", "### Half & half {#half}", "text", "## `b` {#two}"] {
            outline.add(line);
        }
        assert_eq!(outline.html(), None);
        outline.add("## Three {#three}");
        let html = outline.html().unwrap();
        let list = "<ol><li><a href=\"#one\">One</a><ol><li><a href=\"#half\">Half &amp; half</a></li>\
                    </ol></li><li><a href=\"#two\"><code>b</code></a></li>\
                    <li><a href=\"#three\">Three</a></li></ol>";
        assert!(html.contains(list), "{html}");
    }
}
