//! `cargo xtask`: builds the book, serves it, and proves it.

mod anchors;
mod bench;
mod book_check;
mod build_book;
mod bundle;
mod cable;
mod cargo;
mod carried_over;
mod check;
mod directives;
mod doctor;
#[cfg(test)]
mod fixture;
mod heads;
mod highlight;
mod html;
mod licences;
mod messages;
mod preprocess;
mod root;
mod serve;
mod sessions;
mod soak;
mod staircase;
mod tap;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Builds the book, serves it, and proves it
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the book and serve it on this computer; build it anew when something changes
    Serve(serve::Options),
    /// Build the book
    Build {
        /// Folder to build it in; it is emptied first [default: book/en in the target folder]
        #[arg(long, value_name = "DIR")]
        dest: Option<PathBuf>,
    },
    /// Prove that the book and the steps are right
    Verify(verify::Options),
    /// Judge a program of your own, in any language, by what a step promises
    Check(check::Options),
    /// Measure how quick the steps are
    Bench {
        #[command(subcommand)]
        subject: bench::Subject,
    },
    /// Give all servers clients of all sorts for a while, and see that they are as before
    Soak(soak::Options),
    /// Stand between a client and a server, and show what crosses
    Tap(tap::Options),
    /// Look whether this computer has what the book needs; best done before class
    Doctor,
    /// Put the sources, all crates and the built book into one archive, for work without a network
    Bundle {
        /// Archive to write [default: tcp-step-by-step.tar.gz in the target folder]
        #[arg(long, value_name = "FILE")]
        out: Option<PathBuf>,
    },
    /// The mdBook preprocessor: mdBook calls it, so that `mdbook build book/en` works
    Preprocess {
        #[command(subcommand)]
        question: Option<Question>,
    },
}

#[derive(Subcommand)]
enum Question {
    /// Exit with 0 if the preprocessor is of use to the renderer
    Supports {
        /// Such as `html`
        renderer: String,
    },
}

fn main() -> ExitCode {
    let command = Cli::parse().command;
    if let Command::Check(options) = &command {
        return check::run(&root::repository(), options);
    }
    match run(command) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a command; false means that it has said what is wrong by itself.
fn run(command: Command) -> Result<bool> {
    let root = root::repository();
    match command {
        Command::Serve(options) => serve::run(&root, &options)?,
        Command::Build { dest } => build_book::run(&root, dest)?,
        Command::Verify(options) => return verify::run(&root, &options),
        Command::Bench { subject } => return bench::run(&root, &subject),
        Command::Soak(options) => return soak::run(&root, &options),
        Command::Tap(options) => tap::run(&options)?,
        Command::Doctor => return doctor::run(&root),
        Command::Bundle { out } => bundle::run(&root, out)?,
        Command::Check(_) => unreachable!("`main` runs it: it has an exit code more"),
        Command::Preprocess { question } => match question {
            None => preprocess::run_for_mdbook()?,
            Some(Question::Supports { renderer }) => return Ok(preprocess::supports(&renderer)),
        },
    }
    Ok(true)
}
