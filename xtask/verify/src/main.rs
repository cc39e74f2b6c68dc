//! The room that proves the book: `cargo xtask verify`, and `soak`.

mod cable;
mod carried_over;
mod licences;
mod messages;
mod outcome;
mod programs;
mod repeat;
mod sessions;
mod soak;
mod staircase;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use workspace::{exit_code, root};

/// Says whether anything in the book, or in a step, is no longer true
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Prove that the book and the steps are right
    Verify(verify::Options),
    /// Give all servers clients of all sorts for a while, and see that they are as before
    Soak(soak::Options),
}

fn main() -> ExitCode {
    let root = root::repository();
    let result = match Cli::parse().command {
        Command::Verify(options) => verify::run(&root, &options),
        Command::Soak(options) => soak::run(&root, &options),
    };
    exit_code(result)
}
