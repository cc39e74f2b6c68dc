//! `{{#time teaching=50 level=must needs=PAGE.md}}`: how long a page takes, and what must be read before it.
//!
//! It gives Markdown, so that mdBook follows its links.

use std::path::Path;

use anyhow::Result;
use conformance::text;

use crate::exercises::exercises;
use crate::heads::{Level, Time};
use crate::summary::title_of;

/// The sentences for a page in `src` with this text.
pub fn markdown(src: &Path, text: &str, arguments: &str) -> Result<String> {
    let time = Time::parse(arguments)?;
    let teaching = time.teaching;
    let mut sentences = vec![match exercises(text)?.iter().map(|it| it.minutes).sum::<u32>() {
        0 => text!("time.teaching", teaching),
        exercises => text!("time.exercises", teaching, exercises),
    }];
    if time.level == Level::Skip {
        sentences.push(text!("time.skip"));
    }
    let link = |page: &String| Ok(format!("[{}]({page})", title_of(src, page)?));
    let needs: Vec<String> = time.needs.iter().map(link).collect::<Result<_>>()?;
    if !needs.is_empty() {
        let needs = needs.join(&text!("join.comma"));
        sentences.push(text!("time.needs", needs));
    }
    Ok(sentences.join(&text!("join.sentence")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_becomes_a_sentence_with_links() {
        let tree = workspace::fixture::tree();
        let src = tree.path().join("book/en/src");
        let text = "\n## Exercises {#exercises}\n\n**1. A.** B.\n{{#minutes 5}}\n**2. C.** D.\n{{#minutes 20}}\n";
        assert_eq!(
            markdown(&src, text, "teaching=50 level=must needs=first.md,second.md").unwrap(),
            "Time: 50 minutes, and 25 for the exercises. Needs: [First](first.md), [Second](second.md)."
        );
        assert_eq!(
            markdown(&src, "", "teaching=10 level=skip").unwrap(),
            "Time: 10 minutes. If time is short, leave this section out."
        );
        let error = markdown(&src, "", "teaching=10 level=must needs=third.md").unwrap_err();
        assert_eq!(error.to_string(), "no such page: third.md");
    }
}
