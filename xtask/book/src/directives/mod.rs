//! What stands between `{{#` and `}}`, and what the book shows in its place.

mod chart;
pub mod collect;
mod diff;
mod figure;
mod listing;
pub mod schedule;
mod session;
mod staircase;
pub mod time;

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::anchors::Source;

/// The directives that this preprocessor knows, for messages.
const KNOWN: &str =
    "listing, diff, session, message, figure, chart, staircase, collect, time, schedule";

/// The directives that mdBook itself knows.
const MDBOOK: &[&str] = &["include", "rustdoc_include", "playground", "playpen", "title"];

/// A directive: `{{#name arguments}}`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Directive<'a> {
    /// As it is written, for messages.
    pub text: &'a str,
    /// The word after `{{#`.
    pub name: &'a str,
    /// Everything after it.
    pub arguments: &'a str,
}

impl<'a> Directive<'a> {
    /// The directive at the start of a text.
    #[must_use]
    pub fn at_start_of(text: &'a str) -> Option<Self> {
        let end = text.strip_prefix("{{#")?.find("}}")? + "{{#".len();
        let inner = &text["{{#".len()..end];
        let (name, arguments) = inner.split_once(char::is_whitespace).unwrap_or((inner, ""));
        Some(Self { text: &text[..end + "}}".len()], name, arguments: arguments.trim() })
    }

    /// The directive that is all there is in a line.
    #[must_use]
    pub fn alone_in(line: &'a str) -> Option<Self> {
        let line = line.trim();
        Self::at_start_of(line).filter(|directive| directive.text.len() == line.len())
    }

    /// Whether mdBook itself replaces it.
    #[must_use]
    pub fn is_mdbooks(&self) -> bool {
        MDBOOK.contains(&self.name)
    }

    /// The HTML that stands for it.
    pub fn render(&self, root: &Path) -> Result<String> {
        match self.name {
            "listing" => listing::render(root, self.arguments),
            "diff" => diff::render(root, self.arguments),
            "session" => session::render(root, self.arguments),
            "figure" => figure::render(root, self.arguments),
            "chart" => chart::render(root, self.arguments),
            "staircase" => staircase::render(root, self.arguments),
            _ => self.misplaced(),
        }
    }

    /// Says why a directive in the middle of a line is not replaced.
    pub fn misplaced<T>(&self) -> Result<T> {
        match self.name {
            "listing" | "diff" | "session" | "message" | "figure" | "chart" | "staircase"
            | "collect" | "time" | "schedule" => {
                bail!("a directive stands on a line of its own")
            }
            name => bail!(
                "there is no directive `{name}`; there are: {KNOWN}, and mdBook's include and title"
            ),
        }
    }
}

/// Exactly `N` words, or what the directive should look like.
fn words<'a, const N: usize>(arguments: &'a str, usage: &str) -> Result<[&'a str; N]> {
    let words: Vec<&str> = arguments.split_whitespace().collect();
    words.try_into().ok().with_context(|| format!("expected {usage}"))
}

/// Reads a file of the repository; `path` is relative to its root.
fn read(root: &Path, path: &str) -> Result<String> {
    let file = root.join(path);
    if !file.is_file() {
        bail!("no such file: {path}");
    }
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {path}"))?;
    Ok(text.replace("\r\n", "\n"))
}

/// Reads a source file and takes its anchors out.
fn read_source(root: &Path, path: &str) -> Result<Source> {
    Ok(Source::new(&read(root, path)?))
}

/// Code that can be reached and scrolled by keyboard.
fn pre(language: &str, code: &str) -> String {
    let class = match language {
        "" => String::new(),
        _ => format!(r#" class="language-{}""#, crate::html::escape(language)),
    };
    format!(r#"<pre tabindex="0"><code{class}>{code}</code></pre>"#)
}

/// A block of code that was typed into a page.
#[must_use]
pub fn fence(language: &str, text: &str) -> String {
    let lines = crate::highlight::highlight(language, text);
    let code = pre(language, &crate::highlight::to_html(&lines));
    format!(r#"<figure class="listing">{code}</figure>"#)
}

#[cfg(test)]
mod tests;
