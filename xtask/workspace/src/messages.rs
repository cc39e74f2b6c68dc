//! The messages of the page *Troubleshooting*: what the programs, Python and the system print when something does
//! not work.
//!
//! They are data, in `texts/messages.toml`: the page takes its texts from there. `cargo xtask verify` has a
//! real program print each message, and a test compares the system's errors with those of the system it
//! runs on.

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
    /// Its text, with `{NAME}` in place of what differs each time.
    pub text: String,
    /// The numbers of the steps that print it.
    #[serde(default)]
    pub steps: Vec<u8>,
    /// The numbers of the steps whose Python twin prints it.
    #[serde(default)]
    pub twins: Vec<u8>,
}

/// An error of the operating system.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SystemError {
    /// Its name in C, such as `ECONNREFUSED`.
    pub name: String,
    /// How Linux reports it.
    pub linux: Report,
    /// How macOS reports it.
    pub macos: Report,
    /// How Windows reports it, if it has that error.
    pub windows: Option<Report>,
    /// The exception that Python raises.
    pub python: String,
    /// The `io::ErrorKind`, if it has one.
    pub kind: Option<String>,
}

/// How a system reports an error.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Its number.
    pub number: i32,
    /// Its text, in English.
    pub text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    message: Vec<Message>,
    system: Vec<SystemError>,
}

/// All messages, in the order of the page.
#[must_use]
pub fn all() -> &'static [Message] {
    &TABLE.message
}

/// The errors of the system that the page explains.
#[must_use]
pub fn system_errors() -> &'static [SystemError] {
    &TABLE.system
}

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let text = include_str!("../texts/messages.toml");
    // The file is part of this program.
    toml::from_str(text).unwrap_or_else(|error| panic!("{FILE}: {error}"))
});

/// A piece of a message's text.
#[derive(Debug, PartialEq, Eq)]
pub enum Part<'a> {
    /// It is always the same.
    Fixed(&'a str),
    /// `{NAME}`: it differs each time.
    Blank(&'a str),
}

/// The pieces of a text, in their order. A blank has no spaces in it: other braces are text.
#[must_use]
pub fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    let mut searched = 0;
    while let Some(open) = rest[searched..].find('{').map(|at| searched + at) {
        let inside = &rest[open + 1..];
        let end = inside.find(['}', '{', ' ']).unwrap_or(inside.len());
        if !inside[end..].starts_with('}') {
            searched = open + 1;
            continue;
        }
        if open > 0 {
            parts.push(Part::Fixed(&rest[..open]));
        }
        parts.push(Part::Blank(&inside[..end]));
        rest = &inside[end + 1..];
        searched = 0;
    }
    if !rest.is_empty() {
        parts.push(Part::Fixed(rest));
    }
    parts
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::io;

    use super::*;

    #[test]
    fn each_message_has_a_name_of_its_own_and_steps_in_order() {
        let names: BTreeSet<&str> = all().iter().map(|message| message.name.as_str()).collect();
        assert_eq!(names.len(), all().len(), "two messages have the same name");
        assert!(all().iter().all(|it| it.steps.is_sorted() && it.twins.is_sorted()));
    }

    /// How the system that runs this test reports an error.
    fn here(error: &SystemError) -> Option<&Report> {
        match std::env::consts::OS {
            "linux" => Some(&error.linux),
            "macos" => Some(&error.macos),
            "windows" => error.windows.as_ref(),
            _ => None,
        }
    }

    #[test]
    fn the_errors_of_this_system_have_the_numbers_texts_and_kinds_of_the_table() {
        for error in system_errors() {
            let Some(report) = here(error) else { continue };
            let real = io::Error::from_raw_os_error(report.number);
            if let Some(kind) = &error.kind {
                assert_eq!(format!("{:?}", real.kind()), *kind, "{}", error.name);
            }
            // The texts of Windows are in the language of its user.
            if cfg!(unix) {
                let text = format!("{} (os error {})", report.text, report.number);
                assert_eq!(real.to_string(), text, "{}", error.name);
            }
        }
    }

    #[test]
    #[ignore = "needs python3"]
    fn python_raises_for_each_error_the_exception_of_the_table() {
        let script = "import errno, sys\n\
                      for name in sys.argv[1:]:\n  \
                      print(name, getattr(errno, name), type(OSError(getattr(errno, name), '')).__name__)";
        let names = system_errors().iter().map(|error| &error.name);
        let mut python = conformance::python().expect("Python 3 is installed");
        let output = python.args(["-c", script]).args(names).output().expect("it starts");
        let lines = String::from_utf8_lossy(&output.stdout).into_owned();
        let mut lines = lines.lines();
        for error in system_errors() {
            let line = lines.next().expect("a line for each");
            // On Windows, errno has the numbers of the C library as well.
            if let Some(report) = here(error).filter(|_| cfg!(unix)) {
                let expected = format!("{} {} {}", error.name, report.number, error.python);
                assert_eq!(line, expected);
            }
        }
    }

    #[test]
    fn a_text_is_cut_at_its_blanks() {
        use Part::{Blank, Fixed};
        assert_eq!(parts("a {B}{C} d"), [Fixed("a "), Blank("B"), Blank("C"), Fixed(" d")]);
        assert_eq!(parts("Os { a: {B} }"), [Fixed("Os { a: "), Blank("B"), Fixed(" }")]);
        assert_eq!(parts(""), []);
    }
}
