//! `{{#time teaching=50 exercises=25 needs=PAGE.md}}`: how long a page takes, and what comes before it.
//!
//! It gives Markdown, so that mdBook follows its links.

use std::path::Path;

use anyhow::Result;
use conformance::text;

use crate::heads::Time;
use crate::summary::title_of;

/// The sentence for a page in `src`.
pub fn markdown(src: &Path, arguments: &str) -> Result<String> {
    let time = Time::parse(arguments)?;
    let teaching = time.teaching;
    let minutes = match time.exercises {
        0 => text!("time.teaching", teaching),
        exercises => text!("time.exercises", teaching, exercises),
    };
    let link = |page: &String| Ok(format!("[{}]({page})", title_of(src, page)?));
    let needs: Vec<String> = time.needs.iter().map(link).collect::<Result<_>>()?;
    if needs.is_empty() {
        return Ok(minutes);
    }
    let needs = needs.join(", ");
    Ok(format!("{minutes} {}", text!("time.needs", needs)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_becomes_a_sentence_with_links() {
        let tree = workspace::fixture::tree();
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
