//! Every word in the glossary is linked from the chapter where it first occurs.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

const GLOSSARY: &str = "glossary.md";

/// One line for each word of the glossary to which no other page leads. A book may have no glossary.
pub fn unlinked_terms(src: &Path) -> Result<Vec<String>> {
    let Ok(glossary) = fs::read_to_string(src.join(GLOSSARY)) else {
        return Ok(Vec::new());
    };
    let mut pages = String::new();
    for entry in fs::read_dir(src).with_context(|| format!("cannot list {}", src.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "md") && !path.ends_with(GLOSSARY) {
            pages += &fs::read_to_string(&path)?;
        }
    }
    let unlinked =
        terms(&glossary).filter(|term| !pages.contains(&format!("({GLOSSARY}#{})", id(term))));
    Ok(unlinked.map(|term| format!("{GLOSSARY}: no page leads to `{term}`")).collect())
}

/// The words that are explained: the lines before those that begin with a colon.
fn terms(glossary: &str) -> impl Iterator<Item = &str> {
    let lines = glossary.lines().zip(glossary.lines().skip(1));
    lines.filter(|(_, next)| next.starts_with(": ")).map(|(term, _)| term)
}

/// The id that mdBook gives to a word.
fn id(term: &str) -> String {
    let lower = term.to_lowercase().replace(' ', "-");
    lower.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn a_word_without_a_link_to_it_is_named() {
        let src = TempDir::new().unwrap();
        let write = |name: &str, text: &str| fs::write(src.path().join(name), text).unwrap();
        assert!(unlinked_terms(src.path()).unwrap().is_empty());
        write(
            "glossary.md",
            "# Glossary\n\nNagle's algorithm\n: One.\n\nport\n: Two, see [port](glossary.md#port).\n",
        );
        write("a.md", "See [this](glossary.md#nagles-algorithm) and [that](glossary.md#ports).");
        assert_eq!(unlinked_terms(src.path()).unwrap(), ["glossary.md: no page leads to `port`"]);
    }
}
