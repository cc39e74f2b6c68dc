//! Failures: what was done, what arrived, what was expected, and what the program wrote.

use std::fmt;

use crate::Symptom;
use crate::show::{cut, escaped, printable, printable_lines, show};

/// How many columns of bytes the comparison shows before the first difference, at the most.
const SHOWN_BEFORE: usize = 32;

/// How many columns of bytes it shows in all, at the most.
const SHOWN_WIDTH: usize = 64;

/// Why something that a program should have done did not happen, with all that helps to see why.
///
/// It can be printed on a terminal, whatever a program has written into it: see [`printable`].
#[derive(Debug)]
pub struct Failure {
    /// What had been done before, the earliest first.
    done: Vec<String>,
    text: String,
    difference: Option<Box<Difference>>,
    program: Option<Box<Wrote>>,
    kind: Kind,
    /// Whether a deadline passed while something was waited for.
    timed_out: bool,
    symptom: Option<Symptom>,
}

/// What a failure means for the check in which it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The promise is not kept.
    Failed,
    /// The program did not even reach the point at which it could be judged.
    Unable,
    /// The program has put its server into the background, where nothing can be judged.
    Background,
    /// This system cannot find out whether the promise is kept.
    NotAsked,
}

/// Bytes that should have arrived, and those that did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// What should have arrived.
    pub expected: Vec<u8>,
    /// What arrived.
    pub received: Vec<u8>,
    /// What ended it, if fewer bytes arrived than were waited for.
    pub end: Option<String>,
    /// What arrived before, as it should, on the same connection; the earliest first.
    pub(crate) before: Vec<Vec<u8>>,
}

/// A program, and all that it has written.
#[derive(Debug)]
struct Wrote {
    name: String,
    transcript: String,
}

impl Failure {
    /// A failure with this text.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            done: Vec::new(),
            text: printable_lines(&text.into()),
            difference: None,
            program: None,
            kind: Kind::Failed,
            timed_out: false,
            symptom: None,
        }
    }

    /// A failure with this text, for which nothing could be looked at: the program cannot be started,
    /// or no program listens.
    pub(crate) fn unable(text: impl Into<String>) -> Self {
        Self { kind: Kind::Unable, ..Self::new(text) }
    }

    /// As `unable`, of a program whose server runs in the background, whenever that is seen.
    pub(crate) fn in_background(text: impl Into<String>) -> Self {
        Self { kind: Kind::Background, ..Self::new(text) }
    }

    /// A reason why this system cannot find out whether a promise is kept: the check is not asked.
    pub(crate) fn not_asked(reason: impl Into<String>) -> Self {
        Self { kind: Kind::NotAsked, ..Self::new(reason) }
    }

    /// Whether nothing could be looked at.
    #[must_use]
    pub fn is_unable(&self) -> bool {
        matches!(self.kind, Kind::Unable | Kind::Background)
    }

    /// Whether the server runs in the background.
    pub(crate) fn is_in_background(&self) -> bool {
        self.kind == Kind::Background
    }

    /// Whether this system cannot find out if the promise is kept: then the text is the reason.
    #[must_use]
    pub fn is_not_asked(&self) -> bool {
        self.kind == Kind::NotAsked
    }

    /// The same failure, of something that did not happen within a deadline.
    #[must_use]
    pub(crate) fn timed_out(self) -> Self {
        Self { timed_out: true, ..self }
    }

    /// Whether a deadline passed while something was waited for.
    #[must_use]
    pub fn has_timed_out(&self) -> bool {
        self.timed_out
    }

    /// The same failure, which looks like this; a symptom that it has already stays.
    #[must_use]
    pub(crate) fn looking_like(mut self, symptom: Option<Symptom>) -> Self {
        self.symptom = self.symptom.or(symptom);
        self
    }

    /// The same failure, which rather looks like this, if anything.
    #[must_use]
    pub(crate) fn looking_rather_like(mut self, symptom: Option<Symptom>) -> Self {
        self.symptom = symptom.or(self.symptom);
        self
    }

    /// What it looks like, if that was recognised.
    #[must_use]
    pub fn symptom(&self) -> Option<Symptom> {
        self.symptom
    }

    /// Other bytes arrived than these.
    #[must_use]
    pub(crate) fn different(difference: Difference) -> Self {
        let (expected, received) = (show(&difference.expected), show(&difference.received));
        let then = difference.then();
        let text = text!("failure.different", expected, received, then);
        Self { difference: Some(Box::new(difference)), ..Self::new(text) }
    }

    /// The same failure, with what had been done before it.
    #[must_use]
    pub fn after(mut self, done: impl Into<String>) -> Self {
        self.done.insert(0, printable_lines(&done.into()));
        self
    }

    /// The same failure, with what was expected in its place.
    #[must_use]
    pub(crate) fn expecting(mut self, expected: &str) -> Self {
        let came = &self.text;
        self.text = printable_lines(&text!("failure.expecting", expected, came));
        self
    }

    /// The same failure, with this added.
    #[must_use]
    pub(crate) fn adding(mut self, more: &str) -> Self {
        let text = &self.text;
        self.text = printable_lines(&text!("failure.adding", text, more));
        self
    }

    /// The same failure, with the program that it is about and what that has written. A failure
    /// that knows its program keeps it.
    #[must_use]
    pub(crate) fn of(mut self, name: &str, transcript: String) -> Self {
        let wrote =
            || Box::new(Wrote { name: printable(name), transcript: printable_lines(&transcript) });
        self.program.get_or_insert_with(wrote);
        self
    }

    /// What had been done before; empty if nothing is known of it.
    #[must_use]
    pub fn done(&self) -> String {
        joined(self.done.iter())
    }

    /// What arrived, and what was expected.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The bytes, where bytes differ.
    #[must_use]
    pub fn difference(&self) -> Option<&Difference> {
        self.difference.as_deref()
    }

    /// The program and its lines, each with an ending.
    #[must_use]
    pub fn program(&self) -> Option<(&str, &str)> {
        self.program.as_ref().map(|wrote| (wrote.name.as_str(), wrote.transcript.as_str()))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = joined(self.done.iter().chain([&self.text]));
        let Some(Wrote { name, transcript }) = self.program.as_deref() else {
            return f.write_str(&text);
        };
        f.write_str(&text!("failure.of-program", name, text))?;
        write!(f, "\n  {}\n{transcript}", text!("failure.it-wrote"))
    }
}

impl std::error::Error for Failure {}

/// What was done, and what followed it.
fn joined<'a>(parts: impl Iterator<Item = &'a String>) -> String {
    parts.cloned().reduce(|done, then| text!("failure.after", done, then)).unwrap_or_default()
}

impl Difference {
    /// What follows the bytes that arrived, if something ended them.
    fn then(&self) -> String {
        self.end.as_ref().map_or(String::new(), |end| text!("failure.then", end))
    }
}

impl fmt::Display for Difference {
    /// Two lines of bytes and a third with a caret under the first difference, without an ending.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let equal = self.expected.iter().zip(&self.received).take_while(|(a, b)| a == b).count();
        // Both lines leave out the same bytes at their beginning, so that they stay aligned.
        let mut first = equal;
        while first > 0 && width(&self.expected[first - 1..equal]) <= SHOWN_BEFORE {
            first -= 1;
        }
        let left_out = if first > 0 { "… " } else { "" };
        let column = left_out.chars().count() + 2 + width(&self.expected[first..equal]);
        let expected = format!("{left_out}{}", shown(&self.expected[first..]));
        let received = format!("{left_out}{}{}", shown(&self.received[first..]), self.then());
        let caret = format!("{:column$}^", "");
        f.write_str(&text!("failure.difference", expected, received, caret))
    }
}

/// How many columns these bytes take.
fn width(bytes: &[u8]) -> usize {
    escaped(bytes).len()
}

/// Bytes as a program's text would have them, cut where they get long.
fn shown(bytes: &[u8]) -> String {
    let mut text = String::new();
    for (index, byte) in bytes.iter().enumerate() {
        if text.len() + width(&[*byte]) > SHOWN_WIDTH {
            return cut(&format!("b\"{text}\""), bytes.len() - index);
        }
        text.push_str(&escaped(&[*byte]));
    }
    format!("b\"{text}\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(expected: &[u8], received: &[u8], end: Option<&str>) -> String {
        let (expected, received) = (expected.to_vec(), received.to_vec());
        let (end, before) = (end.map(str::to_owned), Vec::new());
        let failure = Failure::different(Difference { expected, received, end, before });
        failure.difference().unwrap().to_string()
    }

    #[test]
    fn a_caret_stands_under_the_first_difference() {
        assert_eq!(
            difference(b"\0\0\0\x05hello", b"\0\0\0\x05hullo", None),
            r#"expected  b"\x00\x00\x00\x05hello"
received  b"\x00\x00\x00\x05hullo"
                             ^"#
        );
    }

    #[test]
    fn where_too_little_came_the_caret_stands_behind_it() {
        assert_eq!(
            difference(b"HELLO", b"HE", Some("end of file")),
            "expected  b\"HELLO\"\nreceived  b\"HE\", then end of file\n              ^"
        );
        assert_eq!(
            difference(b"H", b"", Some("end of file")),
            "expected  b\"H\"\nreceived  b\"\", then end of file\n            ^"
        );
    }

    #[test]
    fn a_difference_far_behind_is_seen_too() {
        let (mut expected, mut received) = (vec![b'x'; 1000], vec![b'x'; 1000]);
        expected[500] = b'a';
        received[500] = b'b';
        let text = difference(&expected, &received, None);
        let lines: Vec<&str> = text.lines().collect();
        let caret = lines[2].chars().count() - 1;
        assert_eq!(lines[0].chars().nth(caret), Some('a'), "{text}");
        assert_eq!(lines[1].chars().nth(caret), Some('b'), "{text}");
        assert!(lines[0].ends_with("… and 468 bytes more"), "{text}");
    }

    #[test]
    fn a_failure_gives_a_terminal_no_orders() {
        let failure = Failure::new("got `\u{1b}[2J`").expecting("\u{9b}").adding("\r");
        let failure = failure.after("\u{202e}").of("a\nb", "    \u{1b}c\n    11 ok\n".to_owned());
        assert_eq!(
            failure.to_string(),
            "`a\\nb`: \\u{202e}: expected `\\u{9b}`, but got `\\u{1b}[2J`; \\r\n  its output:\n    \
             \\u{1b}c\n    11 ok\n"
        );
    }

    #[test]
    fn a_failure_says_what_was_done_before_it_in_order() {
        let failure = Failure::new("it is wrong").after("second").after("first");
        assert_eq!(failure.to_string(), "first: second: it is wrong");
        let failure = failure.of("cat", "    meow\n".to_owned()).of("dog", String::new());
        assert_eq!(
            failure.to_string(),
            "`cat`: first: second: it is wrong\n  its output:\n    meow\n"
        );
        assert_eq!(failure.program(), Some(("cat", "    meow\n")));
    }
}
