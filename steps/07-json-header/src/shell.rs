//! The system's shell: `sh` on Linux and macOS, `cmd` on Windows.

use std::process::Command;

/// Returns the shell, ready to run a command line.
#[cfg(not(windows))]
pub fn shell(command_line: &str) -> Command {
    let mut command = Command::new("sh");
    command.args(["-c", command_line]);
    command
}

/// Returns the shell, ready to run a command line: exactly as it was typed, since `cmd` has quoting
/// rules of its own. With /S, `cmd` removes the outermost quotes, and no others.
#[cfg(windows)]
pub fn shell(command_line: &str) -> Command {
    use std::os::windows::process::CommandExt;

    let mut command = Command::new("cmd");
    command.args(["/S", "/C"]).raw_arg(format!("\"{command_line}\""));
    command
}
