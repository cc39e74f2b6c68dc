//! The room that makes the book: `cargo xtask build`, `serve`, `preprocess`, and `bundle`.

// They panic if the output is closed (`| head`): `writeln!` returns an error.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod build;
mod built;
mod bundle;
mod captions;
mod cards;
mod directive;
mod directives;
mod edition;
mod exercises;
mod files;
mod fold;
mod heads;
mod highlight;
mod html;
mod outline;
mod pace;
mod place;
mod plan;
mod preprocess;
mod schedule;
mod search;
mod serve;
mod sheet;
mod site;
mod source;
mod summary;
mod translation;

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use workspace::texts::TEXTS;
use workspace::{exit_code, root};

use crate::edition::Edition;

/// Builds the book, and serves it
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the book and serve it on this computer; rebuild it when a file changes
    Serve(serve::Options),
    /// Build the book
    Build {
        /// Folder to build it in; it is emptied first [default: book/en in the target folder, or book/en-EDITION]
        #[arg(long, value_name = "DIR")]
        dest: Option<PathBuf>,
        /// For whom [default: all; solutions and notes for teachers are folded]
        #[arg(long, value_enum)]
        edition: Option<Edition>,
    },
    /// List the sections of a translation that are older than the English ones, with what has changed
    Translation(translation::Options),
    /// Plan a course: what is taught in which session, and what is homework
    Schedule(schedule::Options),
    /// Put the sources, all crates and the built book into one archive, for work without a network
    Bundle {
        /// Archive to write [default: tcp-step-by-step.tar.gz in the target folder, or tcp-step-by-step-EDITION.tar.gz]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
        /// For whom [default: all; solutions and notes for teachers are folded]
        #[arg(long, value_enum)]
        edition: Option<Edition>,
    },
    /// The mdBook preprocessor: mdBook calls it, so that `mdbook build book/en` works
    Preprocess {
        #[command(subcommand)]
        question: Option<Question>,
    },
    /// Build the book into a folder, and check every link in it; `cargo xtask verify` calls it
    #[command(hide = true)]
    Inspect {
        /// Folder to build it in
        dest: PathBuf,
        /// Count it as wrong that a translation is older than the English pages
        #[arg(long)]
        strict: bool,
    },
}

#[derive(Subcommand)]
enum Question {
    /// Exit with 0 if the preprocessor supports the renderer
    Supports {
        /// Such as `html`
        renderer: String,
    },
}

fn main() -> ExitCode {
    exit_code(run(Cli::parse().command))
}

/// Runs a command; false is the answer "no".
fn run(command: Command) -> Result<bool> {
    let root = root::repository();
    match command {
        Command::Serve(options) => serve::run(&root, &options)?,
        Command::Build { dest, edition } => {
            build::run(&root, dest, edition.unwrap_or_default())?;
        }
        Command::Translation(options) => translation::run(&root, &options)?,
        Command::Schedule(options) => return schedule::run(&root, &options),
        Command::Bundle { out, edition } => {
            bundle::run(&root, out, edition.unwrap_or_default())?;
        }
        Command::Preprocess { question: None } => preprocess::run_for_mdbook()?,
        Command::Preprocess { question: Some(Question::Supports { renderer }) } => {
            return Ok(preprocess::supports(&renderer));
        }
        Command::Inspect { dest, strict } => {
            writeln!(io::stdout(), "{}", built::check(&root, &dest, strict)?)?;
        }
    }
    Ok(true)
}
