//! `cargo xtask`: starts the room that serves a command.
//!
//! Each room is a package of its own, so that a command compiles only what it needs. Arguments, signals
//! and exit codes pass through unchanged.

// They panic if the output is closed (`| head`): `writeln!` returns an error.
#![deny(clippy::print_stdout, clippy::print_stderr)]

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::{Command, ExitCode};

/// The packages below this folder, and the commands that they serve, each with what it does.
const ROOMS: &[(&str, &[(&str, &str)])] = &[
    (
        "xtask-book",
        &[
            ("serve", "Build the book and serve it on this computer"),
            ("build", "Build the book"),
            ("translation", "List what a translation lacks since the English pages changed"),
            ("schedule", "Plan a course: what is taught in which session"),
            ("bundle", "Pack sources, crates and book into an archive, for work without a network"),
            ("preprocess", "Replace the directives in a book's pages; mdBook calls it"),
        ],
    ),
    (
        "xtask-check",
        &[
            ("check", "Check a program of your own, in any language, against what a step promises"),
            ("start", "Write a skeleton of a server to begin with"),
            ("tap", "Show what crosses between a client and a server"),
            ("guest", "Act as a client that talks a lot, does not read, or sends any bytes"),
            ("doctor", "Check that this computer has what the book needs"),
        ],
    ),
    (
        "xtask-verify",
        &[
            ("verify", "Check that the book and the steps are right"),
            ("soak", "Stress every server with random clients"),
        ],
    ),
    ("xtask-bench", &[("bench", "Measure how fast the steps are")]),
];

/// The exit code for a command line that is not understood.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let name = arguments.next().unwrap_or_default();
    let rest: Vec<OsString> = arguments.collect();
    match (&*name.to_string_lossy(), rest.first()) {
        ("", _) => {
            print(io::stderr(), &overview());
            ExitCode::from(USAGE)
        }
        ("help", Some(command)) => serve(&command.to_string_lossy(), &["--help".into()]),
        ("help" | "--help" | "-h", _) => {
            print(io::stdout(), &overview());
            ExitCode::SUCCESS
        }
        (name, _) => serve(name, &rest),
    }
}

/// Starts the room that serves this command.
fn serve(name: &str, arguments: &[OsString]) -> ExitCode {
    let serves = |commands: &[(&str, &str)]| commands.iter().any(|(command, _)| *command == name);
    let Some((package, _)) = ROOMS.iter().find(|(_, commands)| serves(commands)) else {
        let hint = nearest(name).map_or(String::new(), |near| format!("did you mean `{near}`? "));
        let error =
            format!("error: no such command: `{name}`; {hint}`cargo xtask help` lists all\n");
        print(io::stderr(), &error);
        return ExitCode::from(USAGE);
    };
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["run", "--package", package, "--", name]).args(arguments);
    run(cargo)
}

/// Becomes the other program, so that signals reach it.
#[cfg(unix)]
fn run(mut cargo: Command) -> ExitCode {
    use std::os::unix::process::CommandExt as _;
    cannot_start(&cargo.exec())
}

/// Waits for the other program and exits with its code.
#[cfg(not(unix))]
fn run(mut cargo: Command) -> ExitCode {
    // Ctrl-C reaches every program of the terminal: the other one answers it, and this one waits.
    if let Err(error) = ctrlc::set_handler(|| {}) {
        let warning = format!("warning: Ctrl-C cannot be left to the command: {error}\n");
        print(io::stderr(), &warning);
    }
    match cargo.status() {
        // A code is a `u32` there; what does not fit into a byte is a failure all the same.
        Ok(status) => {
            let code = status.code().map_or(1, |code| u8::try_from(code).unwrap_or(1));
            ExitCode::from(code)
        }
        Err(error) => cannot_start(&error),
    }
}

fn cannot_start(error: &io::Error) -> ExitCode {
    let hint = "call `cargo xtask` through cargo";
    print(io::stderr(), &format!("error: cargo cannot be started: {error}; {hint}\n"));
    ExitCode::FAILURE
}

/// Prints a text, if the output is not closed (`| head`).
fn print(mut output: impl Write, text: &str) {
    let _ = output.write_all(text.as_bytes());
}

/// The commands, each with what it does.
fn overview() -> String {
    let line = |(name, what): &(&str, &str)| format!("  {name:<11}  {what}\n");
    let lines = ROOMS.iter().flat_map(|(_, commands)| commands.iter().map(line));
    let lines: String = lines.collect();
    format!(
        "Usage: cargo xtask <COMMAND>\n\nCommands:\n{lines}  help         Print this list, or the \
         help of a command\n\n`cargo xtask <COMMAND> --help` lists a command's options.\n"
    )
}

/// The command whose name is closest, if one is close enough to be a slip of the keyboard.
fn nearest(name: &str) -> Option<&'static str> {
    let names = ROOMS.iter().flat_map(|(_, commands)| commands.iter().map(|(name, _)| *name));
    let (distance, near) = names.map(|near| (distance(name, near), near)).min()?;
    (distance <= near.len() / 2).then_some(near)
}

/// How many letters must be put in, taken out or replaced to get from one word to the other
/// (Levenshtein's distance).
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (above, a) in from.chars().enumerate() {
        let mut diagonal = above;
        row[0] = above + 1;
        for (index, b) in to.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[index + 1];
            row[index + 1] = replaced.min(row[index].min(diagonal) + 1);
        }
    }
    row[to.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_keyboard_leads_to_the_nearest_command() {
        for (slip, meant) in
            [("serv", "serve"), ("chekc", "check"), ("dcotor", "doctor"), ("verfiy", "verify")]
        {
            assert_eq!(nearest(slip), Some(meant));
        }
        assert_eq!(nearest("frobnicate"), None);
    }

    #[test]
    fn distances_count_letters() {
        for (from, to, count) in
            [("", "", 0), ("", "abc", 3), ("abc", "abc", 0), ("kitten", "sitting", 3)]
        {
            assert_eq!((distance(from, to), distance(to, from)), (count, count));
        }
    }

    #[test]
    fn every_command_is_in_the_overview_once() {
        let text = overview();
        for (name, _) in ROOMS.iter().flat_map(|(_, commands)| *commands) {
            let start = format!("\n  {name} ");
            assert_eq!(text.matches(&start).count(), 1, "{name}");
        }
    }
}
