//! `{{#figure NAME Caption.}}`: a drawing from the theme, inside the page so that it follows the page's colours.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::html::sentence;
use crate::source::read;

pub fn render(root: &Path, arguments: &str) -> Result<String> {
    let (name, caption) = arguments
        .split_once(char::is_whitespace)
        .context("expected {{#figure NAME Caption text.}}")?;
    let path = format!("book/theme/figures/{name}.svg");
    let text = read(root, &path)?;
    let svg = text.find("<svg").map(|start| &text[start..]);
    let svg = svg.with_context(|| format!("{path} holds no <svg>"))?;
    for element in ["title", "desc"] {
        if !svg.contains(&format!("<{element}")) {
            bail!("{path} has no <{element}>: say in words what the drawing shows");
        }
    }
    // White space is all the same in an SVG, and a newline inside a tag could not be written as a reference.
    let svg: Vec<&str> = svg.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let svg = svg.join(" ");
    let caption = sentence(caption.trim());
    Ok(format!(r#"<figure class="figure">{svg}<figcaption>{caption}</figcaption></figure>"#))
}
