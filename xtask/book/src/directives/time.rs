//! `{{#time teaching=50 exercises=25 needs=PAGE.md}}`: how long a page takes, and what comes before it.
//!
//! It gives Markdown, so that mdBook follows its links.

use std::path::Path;

use anyhow::Result;

use crate::heads::{self, Time};

/// The sentence for a page in `src`.
pub fn markdown(src: &Path, arguments: &str) -> Result<String> {
    let time = Time::parse(arguments)?;
    let teaching = time.teaching;
    let minutes = match time.exercises {
        0 => format!("Time: {teaching} minutes."),
        exercises => format!("Time: {teaching} minutes, and {exercises} for the exercises."),
    };
    let link = |page: &String| Ok(format!("[{}]({page})", heads::title_of(src, page)?));
    let needs: Vec<String> = time.needs.iter().map(link).collect::<Result<_>>()?;
    Ok(if needs.is_empty() { minutes } else { format!("{minutes} Needs: {}.", needs.join(", ")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_becomes_a_sentence_with_links() {
        let tree = crate::fixture::tree();
        let src = tree.path().join("book/en/src");
        let sentence = |arguments| markdown(&src, arguments).unwrap();
        assert_eq!(
            sentence("teaching=50 exercises=25 needs=first.md,second.md"),
            "Time: 50 minutes, and 25 for the exercises. Needs: [First](first.md), [Second](second.md)."
        );
        assert_eq!(sentence("teaching=10 exercises=0"), "Time: 10 minutes.");
        let error = markdown(&src, "teaching=10 exercises=0 needs=third.md").unwrap_err();
        assert_eq!(error.to_string(), "no such page: third.md");
    }
}
