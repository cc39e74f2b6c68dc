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
mod turns;
mod verify;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use workspace::{exit_code, root};

/// Checks whether everything in the book and in the steps is still true
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check that the book and the steps are right
    Verify(verify::Options),
    /// Stress every server with random clients, and check that each is as it was before
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
