//! What is not written in the pages, in another language: captions of sessions, texts of figures and charts, and what
//! the steps' programs begin with.
//!
//! `captions.toml` beside the pages has a group for each place, such as `figure backlog`, with a text for each English
//! text. So a text that changes in English has no entry until it is translated again; until then the page shows it in
//! English, and `problems` names it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use workspace::edition::{ENGLISH, folder, has_solutions};

use crate::directive::Directive;
use crate::directives;
use crate::edition::TEACHERS_FOLDER;
use crate::summary;

/// The table, below the folder of an edition.
const FILE: &str = "captions.toml";

/// Stands for a number in an entry.
const NUMBER: &str = "{}";

/// The texts of one place in the language of the texts; none in English.
#[derive(Debug, Default)]
pub struct Captions(BTreeMap<String, String>);

impl Captions {
    /// Reads those of a place, such as `figure backlog`.
    pub fn of(root: &Path, place: &str) -> Result<Self> {
        let file = format!("{}/{FILE}", folder());
        if folder() == ENGLISH || !root.join(&file).is_file() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(root.join(&file)).with_context(|| file.clone())?;
        // The file is long, and read for each directive: only these lines are parsed.
        let heading = format!("[\"{place}\"]");
        let lines = text.lines().skip_while(|line| line.trim_end() != heading).skip(1);
        let group: Vec<&str> = lines.take_while(|line| !line.starts_with("[\"")).collect();
        Ok(Self(toml::from_str(&group.join("\n")).with_context(|| format!("{file}: {place}"))?))
    }

    /// A text in this language, or in English if it has no entry.
    #[must_use]
    pub fn text<'a>(&'a self, english: &'a str) -> Cow<'a, str> {
        if let Some(text) = self.0.get(english) {
            return Cow::Borrowed(text);
        }
        let (pattern, numbers) = without_numbers(english);
        let Some(text) = self.0.get(&pattern) else { return Cow::Borrowed(english) };
        let text = numbers.iter().fold(text.clone(), |text, it| text.replacen(NUMBER, it, 1));
        Cow::Owned(text)
    }
}

/// A text with a mark for each number, and these numbers.
fn without_numbers(text: &str) -> (String, Vec<&str>) {
    let (mut pattern, mut numbers, mut rest) = (String::new(), Vec::new(), text);
    while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, number) = rest.split_at(start);
        let len = number.find(|c: char| !c.is_ascii_digit() && c != ',' && c != '.');
        let number = number[..len.unwrap_or(number.len())].trim_end_matches([',', '.']);
        pattern.extend([before, NUMBER]);
        numbers.push(number);
        rest = &rest[start + number.len()..];
    }
    (pattern + rest, numbers)
}

/// Whether a text has words to translate: letters outside of code.
fn has_words(text: &str) -> bool {
    text.split('`').step_by(2).any(|part| part.contains(|c: char| c.is_ascii_alphabetic()))
}

/// One line for each text that has no entry in the language of the texts, and for each entry that nothing uses.
pub fn problems(root: &Path) -> Result<Vec<String>> {
    let file = format!("{}/{FILE}", folder());
    let text = if root.join(&file).is_file() {
        fs::read_to_string(root.join(&file)).with_context(|| file.clone())?
    } else {
        String::new()
    };
    let table: BTreeMap<String, BTreeMap<String, String>> =
        toml::from_str(&text).with_context(|| file.clone())?;
    let mut problems = Vec::new();
    let mut used: BTreeSet<(&str, &str)> = BTreeSet::new();
    for (place, texts) in places(root)? {
        let found = table.get_key_value(&place);
        for text in texts.iter().filter(|text| has_words(text)) {
            let pattern = without_numbers(text).0;
            let entry = found.and_then(|(place, group)| {
                let (key, _) =
                    group.get_key_value(text).or_else(|| group.get_key_value(&pattern))?;
                Some((place.as_str(), key.as_str()))
            });
            match entry {
                Some(entry) => drop(used.insert(entry)),
                None => problems.push(format!("{file}: [\"{place}\"] lacks \"{text}\"")),
            }
        }
    }
    // The sources of a learner lack the sessions that only solutions show.
    for (place, group) in table.iter().filter(|_| has_solutions(root)) {
        let unused = group.keys().filter(|key| !used.contains(&(place.as_str(), key.as_str())));
        problems.extend(unused.map(|key| format!("{file}: [\"{place}\"] \"{key}\" is not used")));
    }
    Ok(problems)
}

/// The English texts of each place that a page of the English book shows.
fn places(root: &Path) -> Result<BTreeMap<String, Vec<String>>> {
    let mut places = BTreeMap::new();
    for folder in ["src", TEACHERS_FOLDER].map(|it| root.join(ENGLISH).join(it)) {
        if !folder.is_dir() {
            continue;
        }
        for page in summary::pages(&folder)? {
            let text = summary::read(&folder, &page)?;
            for directive in text.lines().filter_map(Directive::alone_in) {
                places.extend(directives::captions(root, &directive)?);
            }
        }
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use conformance::texts::in_language;
    use workspace::fixture;

    use super::*;

    #[test]
    fn a_text_has_an_entry_also_if_its_numbers_differ() {
        let entries = [("a room of {}", "{} 人的房间"), ("{} of {}", "{} / {}"), ("echo", "回显")];
        let captions = Captions(entries.map(|(a, b)| (a.to_owned(), b.to_owned())).into());
        for (english, other) in [
            ("echo", "回显"),
            ("a room of 1,000", "1,000 人的房间"),
            ("2.5 of 10.", "2.5 of 10."),
            ("2.5 of 10", "2.5 / 10"),
            ("no entry", "no entry"),
        ] {
            assert_eq!(captions.text(english), other);
        }
    }

    #[test]
    fn texts_without_an_entry_and_entries_without_a_text_are_found() {
        let tree = fixture::tree();
        let found = || in_language("xx", || problems(tree.path())).unwrap();
        let lacks = |place: &str, text: &str| {
            format!("book/xx/captions.toml: [\"{place}\"] lacks \"{text}\"")
        };
        let expected = [
            lacks("figure wire", "A wire"),
            lacks("figure wire", "It is straight."),
            lacks("session 01-first/hello", "A `hello` & its echo."),
        ];
        assert_eq!(found(), expected);
        let table = "[\"figure wire\"]\n\"A wire\" = \"线\"\n\"It is straight.\" = \"直\"\n\
                     \"It is bent.\" = \"弯\"\n\n[\"session 01-first/hello\"]\n\
                     \"A `hello` & its echo.\" = \"`hello` 与它的回显\"\n";
        fixture::write(tree.path(), "book/xx/captions.toml", table);
        assert_eq!(found(), [""; 0]);
        fixture::write(tree.path(), "book/en/src/teaching.md", "# Teaching\n");
        assert_eq!(
            found(),
            ["book/xx/captions.toml: [\"figure wire\"] \"It is bent.\" is not used"]
        );
        let captions = in_language("xx", || Captions::of(tree.path(), "figure wire")).unwrap();
        assert_eq!((captions.text("A wire"), captions.text("x")), ("线".into(), "x".into()));
        assert_eq!(Captions::of(tree.path(), "figure wire").unwrap().text("A wire"), "A wire");
    }
}
