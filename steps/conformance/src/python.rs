//! Finding Python 3, which the steps' twins need and nothing else does.

use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// A command that starts Python 3, or `None` where there is none.
///
/// It is `python3`, or `python` or `py -3` where these are Python 3 (as on Windows).
#[must_use]
pub fn python() -> Option<Command> {
    // Asked for once: a check may start dozens of programs, and each look costs as much as one.
    static FOUND: OnceLock<Option<&[&str]>> = OnceLock::new();
    let candidates: [&[&str]; 3] = [&["python3"], &["python"], &["py", "-3"]];
    FOUND.get_or_init(|| candidates.into_iter().find(|words| is_python_3(words))).map(command)
}

fn is_python_3(words: &[&str]) -> bool {
    command(words)
        .args(["-c", "import sys; sys.exit(sys.version_info[0] != 3)"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn command(words: &[&str]) -> Command {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    command
}
