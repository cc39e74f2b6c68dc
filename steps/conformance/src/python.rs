//! Finding Python 3, which the steps' twins need and nothing else does.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// What it is called: on Windows it is seldom `python3`.
const NAMES: [&[&str]; 3] = [&["python3"], &["python"], &["py", "-3"]];

/// Says where it is, if it is Python 3.
const WHERE: &str =
    "import sys; print(sys.executable or '') if sys.version_info[0] == 3 else sys.exit(1)";

/// Has Python leave out what is installed beside its standard library.
const NOTHING_ELSE: &str = "-S";

/// A command that starts Python 3, or `None` where there is none.
///
/// It is `python3`, or `python` or `py -3` where these are Python 3 (as on Windows). It has nothing but
/// its standard library: the twins need no more, and what else is installed may load something
/// each time it starts.
#[must_use]
pub fn python() -> Option<Command> {
    let words = words()?;
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    Some(command)
}

/// The words of the command that [`python`] returns, for a test that hands them to another program.
#[must_use]
pub fn words() -> Option<Vec<String>> {
    let (_, words) = found()?;
    Some([&words[..], &[NOTHING_ELSE.to_owned()]].concat())
}

/// The name of Python 3 on this computer, and the words that start it.
fn found() -> Option<&'static (&'static [&'static str], Vec<String>)> {
    // Searched for once: a check may start dozens of programs, and each search costs as much as one.
    static FOUND: OnceLock<Option<(&'static [&'static str], Vec<String>)>> = OnceLock::new();
    let search = || NAMES.into_iter().find_map(|name| Some((name, find(name)?)));
    FOUND.get_or_init(search).as_ref()
}

/// The words that start the Python 3 with this name. Where a script of a version manager has that
/// name and takes as long as Python itself, they are those that it would start.
fn find(words: &[&str]) -> Option<Vec<String>> {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(["-c", WHERE]).stdin(Stdio::null()).stderr(Stdio::null());
    let output = command.output().ok().filter(|output| output.status.success())?;
    let executable = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    // Under the same name, since failures show it.
    let same_name = Path::new(&executable).with_file_name(words[0]);
    let path = same_name.to_str().filter(|_| same_name.is_absolute() && same_name.is_file());
    Some(match path {
        Some(path) if words.len() == 1 => vec![path.to_owned()],
        _ => words.iter().map(|word| (*word).to_owned()).collect(),
    })
}

/// The words that start Python 3 on this computer, where `name` is one of its names and starts nothing.
///
/// On Windows, `python3` may be a program that only offers to install it.
#[must_use]
pub fn instead_of(name: &str) -> Option<&'static [&'static str]> {
    if !is_name(name) || starts(name) {
        return None;
    }
    python_words()
}

/// The words that start Python 3 on this computer, as a person types them.
#[must_use]
pub fn python_words() -> Option<&'static [&'static str]> {
    found().map(|(name, _)| *name)
}

/// Whether Python 3 may have this name.
#[must_use]
pub fn is_name(program: &str) -> bool {
    NAMES.iter().any(|words| words[0] == program)
}

/// Whether there is such a program, and it answers.
fn starts(name: &str) -> bool {
    let mut command = Command::new(name);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_of_python_that_starts_nothing_is_replaced() {
        assert!(!starts("no-such-program") && starts("rustc"));
        assert_eq!(instead_of("no-such-program"), None);
        for words in NAMES {
            assert!(instead_of(words[0]).is_none_or(|other| other[0] != words[0]), "{words:?}");
        }
    }

    #[test]
    fn what_is_no_python_3_is_not_found() {
        assert_eq!(find(&["no-such-program"]), None);
        assert_eq!(find(&["rustc"]), None, "it takes no -c");
    }

    #[test]
    #[ignore = "needs python3"]
    fn python_is_started_under_its_own_name() {
        let mut command = python().expect("it is here");
        let name = Path::new(command.get_program()).file_name().expect("a name");
        assert!(NAMES.iter().any(|words| name == words[0]), "{}", name.display());
        let output = command.args(["-c", "print(1 + 1)"]).output().expect("it starts");
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "2");
    }
}
