//! Cargo as a child process.

use std::io::{Read as _, Seek as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result};

/// What a process has written, and how it ended.
#[derive(Debug)]
pub struct Output {
    /// Whether it ended with exit code 0.
    pub success: bool,
    /// What it wrote to stdout and stderr, in the order in which it arrived.
    pub text: String,
}

/// The cargo that runs this program, in the repository's root.
#[must_use]
pub fn command(root: &Path) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(root).env("CARGO_TERM_COLOR", "never");
    command
}

/// Runs a command to its end.
pub fn run(mut command: Command) -> Result<Output> {
    // One file for both streams keeps their lines in order.
    let mut file = tempfile::tempfile().context("cannot create a temporary file")?;
    let status = command
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file.try_clone()?)
        .status()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    file.rewind()?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(Output { success: status.success(), text: String::from_utf8_lossy(&bytes).into_owned() })
}
