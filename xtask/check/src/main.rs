//! The room that a learner uses: `cargo xtask check`, `start`, `tap`, and `doctor`.

// They panic if the output is closed (`| head`): `writeln!` returns an error.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod check;
mod doctor;
mod guest;
mod start;
mod tap;

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use conformance::texts::choose_language;
use workspace::texts::TEXTS;
use workspace::{exit_code, root};

/// Checks a learner's program, shows what crosses a connection, and checks this computer
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    /// Explain in this language [default: en]
    #[arg(long, value_name = "LANG", global = true, value_parser = PossibleValuesParser::new(TEXTS.names()))]
    lang: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check a program of your own, in any language, against what a step promises
    Check(Box<check::Options>),
    /// Write a skeleton of a server to begin with; it fails its first check
    Start(start::Options),
    /// Show what crosses between a client and a server
    Tap(tap::Options),
    /// Act as a client that no step has: one that talks a lot, does not read, or sends any bytes
    Guest(guest::Options),
    /// Check that this computer has what the book needs; run it before class
    Doctor,
}

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| {
        let arguments: Vec<String> =
            std::env::args_os().skip(1).map(|it| it.to_string_lossy().into_owned()).collect();
        match check::missing_dashes(&arguments) {
            Some(slip) if error.kind() == ErrorKind::UnknownArgument => {
                let _ = writeln!(io::stderr(), "error: {slip}"); // stderr may be closed
                std::process::exit(error.exit_code());
            }
            _ => error.exit(),
        }
    });
    if let Some(language) = &cli.lang {
        choose_language(language);
    }
    let result = match cli.command {
        // It has an exit code more than the others.
        Command::Check(options) => return check::run(&root::repository(), &options),
        Command::Start(options) => start::run(&root::repository(), &options).map(|()| true),
        Command::Tap(options) => tap::run(&options).map(|()| true),
        Command::Guest(options) => guest::run(&options).map(|()| true),
        Command::Doctor => doctor::run(&root::repository()),
    };
    exit_code(result)
}
