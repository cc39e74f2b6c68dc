//! Texts in fewer bytes: one character for each word.
//!
//! A server's compression looks back over 32 KB; a word that occurs on every page is within reach more often if it is
//! one character. The script unpacks the texts.

use std::collections::BTreeMap;

/// The characters of the commonest words take one byte, those of the next ones two.
const SHORT: [usize; 2] = [93, 1920];

/// The words of some texts, each once, in the order of the characters that stand for them.
pub struct Words {
    order: Vec<String>,
    characters: BTreeMap<String, char>,
}

impl Words {
    /// Finds all words of the texts.
    pub fn of<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut counts = BTreeMap::<&str, usize>::new();
        for word in texts.flat_map(split) {
            *counts.entry(word).or_default() += 1;
        }
        let mut order: Vec<_> = counts.into_iter().collect();
        order.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut order: Vec<String> = order.into_iter().map(|(word, _)| word.to_owned()).collect();
        // Words that are alike compress well beside each other.
        let mut rest = &mut order[..];
        for length in SHORT {
            let (class, others) = rest.split_at_mut(length.min(rest.len()));
            class.sort();
            rest = others;
        }
        rest.sort();
        let characters = order.iter().cloned().zip(characters()).collect();
        Self { order, characters }
    }

    /// The words in their order: how many letters each shares with the one before, as a digit of base 36, and the rest.
    pub fn table(&self) -> Vec<String> {
        let previous = std::iter::once("").chain(self.order.iter().map(String::as_str));
        let entry = |(before, word): (&str, &String)| {
            let both = before.bytes().zip(word.bytes()).take(35);
            let shared = both.take_while(|(a, b)| a == b && a.is_ascii()).count();
            let digit = u32::try_from(shared).ok().and_then(|it| char::from_digit(it, 36));
            format!("{}{}", digit.expect("at most 35"), &word[shared..])
        };
        previous.zip(&self.order).map(entry).collect()
    }

    /// A text that these words are of.
    pub fn pack(&self, text: &str) -> String {
        split(text).map(|word| self.characters[word]).collect()
    }
}

/// The text that was packed, with the words of a table.
#[cfg(test)]
pub fn unpack(table: &[String], packed: &str) -> String {
    let mut words: Vec<String> = Vec::new();
    for entry in table {
        let shared = entry.chars().next().unwrap().to_digit(36).unwrap() as usize;
        let before = words.last().map_or("", String::as_str);
        words.push(format!("{}{}", &before[..shared], &entry[1..]));
    }
    packed.chars().map(|c| &*words[characters().position(|it| it == c).unwrap()]).collect()
}

/// The characters that stand for words: none that a string in JSON has to escape. The script counts in the same way.
fn characters() -> impl Iterator<Item = char> {
    (' '..).filter(|c| !matches!(c, '"' | '\\') && !c.is_control())
}

/// Splits a text into words of ASCII letters, each with the space before it, and other single characters.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let start = usize::from(first == ' ');
        let letters = rest[start..].bytes().take_while(u8::is_ascii_alphabetic).count();
        let length = if letters > 0 { start + letters } else { first.len_utf8() };
        let (word, after) = rest.split_at(length);
        rest = after;
        Some(word)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_text_has_a_character_for_each_word() {
        let text = "One send, 2 sends (粘包): one\nsend.";
        let parts: Vec<&str> = split(text).collect();
        let expected = [
            "One", " send", ",", " ", "2", " sends", " ", "(", "粘", "包", ")", ":", " one", "\n",
            "send", ".",
        ];
        assert_eq!(parts, expected);
        let words = Words::of([text, " send"].into_iter());
        let packed = words.pack(text);
        assert_eq!(packed.chars().count(), expected.len());
        assert_eq!(unpack(&words.table(), &packed), text);
        assert_eq!(words.table().len(), expected.len() - 1, "each once");
    }

    #[test]
    fn common_words_get_the_short_characters() {
        let rare: Vec<String> =
            (0..200).map(|number| format!(" word{}", "x".repeat(number))).collect();
        let texts = rare.iter().map(String::as_str).chain([" zebra zebra"]);
        let words = Words::of(texts);
        assert_eq!(words.pack(" zebra").len(), 1);
        assert!(words.pack(rare.last().unwrap()).len() > 1);
    }
}
