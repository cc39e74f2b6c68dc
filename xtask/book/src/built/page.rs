//! What a built page holds: its ids, its references, and what is wrong with it by itself.

use std::collections::BTreeSet;

use html5ever::tokenizer::Tag;

use crate::html::{self, Reader, attribute};

/// A page of HTML.
#[derive(Debug, Default)]
pub struct Page {
    /// All its ids.
    pub ids: BTreeSet<String>,
    /// All its references, in their order.
    pub links: Vec<Link>,
    /// The value of `<base href>`, if it is there.
    pub base: Option<String>,
    /// Whether it only leads to another page.
    pub is_redirect: bool,
    /// What is wrong, whatever the other pages hold.
    pub problems: Vec<String>,
    /// How many elements are open in which text is shown as it is.
    literal: usize,
    /// Whether the drawing that is open has a title.
    titled: Option<bool>,
    in_style: bool,
}

/// A reference from a page.
#[derive(Debug, PartialEq, Eq)]
pub struct Link {
    /// The attribute's value.
    pub target: String,
    /// Its text in the page, for messages.
    pub shown: String,
    /// Whether the browser fetches it by itself.
    pub is_request: bool,
}

impl Page {
    /// Reads a page.
    #[must_use]
    pub fn parse(html: &str) -> Self {
        html::read(html, Self::default())
    }
}

impl Reader for Page {
    fn start(&mut self, tag: &Tag) {
        let name: &str = &tag.name;
        if let Some(id) = attribute(tag, "id")
            && !self.ids.insert(id.to_owned())
        {
            self.problems.push(format!("the id `{id}` is there twice"));
        }
        self.links.extend(links_of(tag));
        match name {
            "meta" => self.is_redirect |= attribute(tag, "http-equiv") == Some("refresh"),
            "base" => self.base = attribute(tag, "href").map(str::to_owned),
            "img" if attribute(tag, "alt").is_none_or(|alt| alt.trim().is_empty()) => {
                let src = attribute(tag, "src").unwrap_or("");
                self.problems.push(format!("the image `{src}` has no text alternative"));
            }
            "svg" if attribute(tag, "role") == Some("img") => self.titled = Some(false),
            "title" => self.titled = self.titled.map(|_| true),
            "code" | "script" | "style" if !tag.self_closing => self.literal += 1,
            _ => {}
        }
        self.in_style = name == "style";
    }

    fn end(&mut self, tag: &Tag) {
        match &*tag.name {
            "svg" if self.titled.take() == Some(false) => {
                self.problems.push("a drawing (<svg role=\"img\">) has no <title>".to_owned());
            }
            "code" | "script" | "style" => self.literal = self.literal.saturating_sub(1),
            _ => {}
        }
        self.in_style = false;
    }

    fn text(&mut self, text: &str) {
        if self.in_style {
            self.links.extend(links_in_css(text));
        }
        if let Some(start) = text.find("{{#").filter(|_| self.literal == 0) {
            let directive = text[start..].lines().next().unwrap_or_default();
            self.problems.push(format!("`{directive}` was not replaced"));
        }
    }
}

/// The references in a style sheet.
#[must_use]
pub fn links_in_css(css: &str) -> Vec<Link> {
    let after = |start: &'static str| css.split(start).skip(1);
    let urls = after("url(").filter_map(|rest| rest.split(')').next());
    let imports = after("@import ").filter_map(|rest| rest.split(';').next());
    urls.chain(imports.filter(|import| !import.contains("url(")))
        .map(|url| url.trim().trim_matches(['"', '\'']).to_owned())
        .map(|target| Link { shown: format!("url({target})"), target, is_request: true })
        .collect()
}

/// The references in an element's attributes.
fn links_of(tag: &Tag) -> Vec<Link> {
    let name: &str = &tag.name;
    let mut links = Vec::new();
    for attribute in &tag.attrs {
        let (key, value): (&str, &str) = (&attribute.name.local, &attribute.value);
        let is_request = match (name, key) {
            ("base", _) => continue,
            ("a" | "area", "href" | "xlink:href") => false,
            ("link", "href") => is_fetched(tag),
            (_, "src" | "href" | "xlink:href" | "poster" | "data-script") | ("object", "data") => {
                true
            }
            (_, "style") => {
                links.extend(links_in_css(value));
                continue;
            }
            _ => continue,
        };
        links.push(Link {
            target: value.to_owned(),
            shown: format!("<{name} {key}=\"{value}\">"),
            is_request,
        });
    }
    links
}

/// Whether a `<link>` is more than a remark.
fn is_fetched(link: &Tag) -> bool {
    let rel = attribute(link, "rel").unwrap_or("");
    !matches!(rel, "canonical" | "alternate" | "license" | "author")
}
