//! `{{#figure NAME Caption.}}`: a drawing from the theme, inside the page so that it follows the page's colours.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::captions::Captions;
use crate::html::sentence;
use crate::source::read;

/// The elements that hold text for readers.
const TEXTS: [&str; 3] = ["title", "desc", "text"];

pub fn render(root: &Path, arguments: &str) -> Result<String> {
    let (name, caption) = arguments
        .split_once(char::is_whitespace)
        .context("expected {{#figure NAME Caption text.}}")?;
    let svg = svg(root, name)?;
    let path = path(name);
    for element in ["title", "desc"] {
        if !svg.contains(&format!("<{element}")) {
            bail!("{path} has no <{element}>: say in words what the drawing shows");
        }
    }
    let captions = Captions::of(root, &place(name))?;
    let svg = with_texts(&svg, |text| captions.text(text).into_owned());
    let caption = sentence(caption.trim());
    Ok(format!(r#"<figure class="figure">{svg}<figcaption>{caption}</figcaption></figure>"#))
}

/// Where the texts of a figure are in the table of another language.
fn place(name: &str) -> String {
    format!("figure {name}")
}

/// The place of a figure's texts, and these texts.
pub fn captions(root: &Path, arguments: &str) -> Result<(String, Vec<String>)> {
    let name = arguments.split_whitespace().next().unwrap_or_default();
    let mut texts = Vec::new();
    with_texts(&svg(root, name)?, |text| {
        texts.push(text.to_owned());
        String::new()
    });
    Ok((place(name), texts))
}

fn path(name: &str) -> String {
    format!("book/theme/figures/{name}.svg")
}

/// The drawing, on one line.
fn svg(root: &Path, name: &str) -> Result<String> {
    let path = path(name);
    let text = read(root, &path)?;
    let svg = text.find("<svg").map(|start| &text[start..]);
    let svg = svg.with_context(|| format!("{path} holds no <svg>"))?;
    // White space is all the same in an SVG, and a newline inside a tag could not be written as a reference.
    let lines: Vec<&str> = svg.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    Ok(lines.join(" "))
}

/// The drawing with each of its texts replaced, except those in the font of code.
fn with_texts(svg: &str, mut replace: impl FnMut(&str) -> String) -> String {
    let (mut replaced, mut rest) = (String::with_capacity(svg.len()), svg);
    while let Some((before, tag)) = rest.split_once('<') {
        replaced.extend([before, "<"]);
        rest = tag;
        let name = tag.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let Some((attributes, inner)) = tag.split_once('>').filter(|_| TEXTS.contains(&name))
        else {
            continue;
        };
        let Some((inner, after)) = inner.split_once(&format!("</{name}>")) else { continue };
        let inner = if is_code(attributes) { inner.to_owned() } else { replace(inner.trim()) };
        replaced.extend([attributes, ">", &inner, "</", name, ">"]);
        rest = after;
    }
    replaced + rest
}

/// Whether a text is in the font of code, by its tag.
fn is_code(tag: &str) -> bool {
    let class = tag.split_once("class=\"").and_then(|(_, rest)| rest.split('"').next());
    class.is_some_and(|class| class.split(' ').any(|it| it == "k"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_replaced_and_code_and_all_else_stay() {
        let svg = r#"<svg><title id="a">One</title><g><text class="b k" x="1">read</text><text x="2"> Two <tspan class="k">x</tspan></text></g><path d="M0 0"/></svg>"#;
        let expected = r#"<svg><title id="a">[One]</title><g><text class="b k" x="1">read</text><text x="2">[Two <tspan class="k">x</tspan>]</text></g><path d="M0 0"/></svg>"#;
        assert_eq!(with_texts(svg, |text| format!("[{text}]")), expected);
        assert_eq!(
            with_texts(expected, |text| text[1..text.len() - 1].to_owned()),
            svg.replace("> Two", ">Two")
        );
    }
}
