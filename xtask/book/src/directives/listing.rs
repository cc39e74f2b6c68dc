//! `{{#listing STEP FILE[:ANCHOR]}}`: a step's file, or the part of it between two anchor comments.

use std::path::Path;

use anyhow::Result;

use crate::directive::words;
use crate::highlight::{dedent, highlight, language_of, to_html};
use crate::html::{escape, pre};
use crate::source::read_source;

pub fn render(root: &Path, arguments: &str) -> Result<String> {
    let [step, file] = words(arguments, "{{#listing STEP FILE[:ANCHOR]}}")?;
    let (file, anchor) = match file.split_once(':') {
        Some((file, anchor)) => (file, Some(anchor)),
        None => (file, None),
    };
    let path = format!("steps/{step}/{file}");
    let source = read_source(root, &path)?;
    let language = language_of(&path);
    // The whole file is highlighted, not the excerpt: only so is it known what each line is part of.
    let lines = highlight(language, &source.text);
    let code = match anchor {
        Some(anchor) => to_html(&dedent(&lines[source.lines_of(&path, anchor)?])),
        None => to_html(&lines),
    };
    let code = pre(language, &code);
    let path = escape(&path);
    Ok(format!(
        r#"<figure class="listing"><figcaption><span class="path">{path}</span></figcaption>{code}</figure>"#
    ))
}
