//! A directive, as it is written in a page: `{{#name arguments}}`.

use anyhow::{Context as _, Result, bail};

/// The directives that this preprocessor knows, for messages.
const KNOWN: &[&str] = &[
    "listing",
    "diff",
    "session",
    "message",
    "figure",
    "chart",
    "steps",
    "staircase",
    "collect",
    "contract",
    "time",
    "minutes",
    "schedule",
];

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

    /// Explains why a directive in the middle of a line is not replaced.
    pub fn misplaced<T>(&self) -> Result<T> {
        if KNOWN.contains(&self.name) {
            bail!("a directive must be alone on its line");
        }
        let (name, known) = (self.name, KNOWN.join(", "));
        bail!("there is no directive `{name}`; there are: {known}, and mdBook's include and title")
    }
}

/// Exactly `N` words, or what the directive should look like.
pub fn words<'a, const N: usize>(arguments: &'a str, usage: &str) -> Result<[&'a str; N]> {
    let words: Vec<&str> = arguments.split_whitespace().collect();
    words.try_into().ok().with_context(|| format!("expected {usage}"))
}
