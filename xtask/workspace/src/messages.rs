//! The messages of the page *Troubleshooting*: what a reader can be told when something does not work.
//!
//! They are data, in `texts/messages.toml`: the page takes its texts from there, and `cargo xtask verify`
//! has each of them come from a real program.

use std::sync::LazyLock;

use serde::Deserialize;

/// The file with the messages, relative to the repository's root.
pub const FILE: &str = "xtask/workspace/texts/messages.toml";

/// A message.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// How the page calls it.
    pub name: String,
    /// Its text, with `{NAME}` where something else comes each time.
    pub text: String,
    /// The numbers of the steps that print it; none if it is cargo that does, or a tool.
    #[serde(default)]
    pub steps: Vec<u8>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    message: Vec<Message>,
}

/// All messages, in the order of the page.
///
/// # Panics
///
/// If the file, which is part of this program, is not a table of messages.
#[must_use]
pub fn all() -> &'static [Message] {
    static TABLE: LazyLock<Table> = LazyLock::new(|| {
        let text = include_str!("../texts/messages.toml");
        toml::from_str(text).unwrap_or_else(|error| panic!("{FILE}: {error}"))
    });
    &TABLE.message
}

/// A piece of a message's text.
#[derive(Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// It is always the same.
    Fixed(&'a str),
    /// `{NAME}`: it is another one each time.
    Blank(&'a str),
}

/// The pieces of a text, in their order.
#[must_use]
pub fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        if !before.is_empty() {
            parts.push(Part::Fixed(before));
        }
        parts.push(Part::Blank(name));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Fixed(rest));
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_message_has_a_name_of_its_own_and_steps_in_order() {
        let names: BTreeSet<&str> = all().iter().map(|message| message.name.as_str()).collect();
        assert_eq!(names.len(), all().len(), "two messages have the same name");
        assert!(all().iter().all(|message| message.steps.is_sorted()));
    }

    #[test]
    fn a_text_is_cut_at_its_blanks() {
        use Part::{Blank, Fixed};
        assert_eq!(parts("a {B}{C} d"), [Fixed("a "), Blank("B"), Blank("C"), Fixed(" d")]);
        assert_eq!(parts(""), []);
    }
}
