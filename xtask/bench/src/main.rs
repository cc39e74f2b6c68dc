//! The room that measures: `cargo xtask bench`.

mod chat;
mod contender;
mod crowd;
mod download;
mod echo;
mod limits;
mod report;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use workspace::{exit_code, root};

/// Measures how fast the steps are, compared with other programs for the same work
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure how fast the steps are
    Bench {
        #[command(subcommand)]
        subject: Subject,
    },
}

/// What is measured.
#[derive(Subcommand)]
enum Subject {
    /// One short message after another: round trips per second, latency
    Echo(echo::Options),
    /// Checked downloads: seconds, memory
    Download(download::Options),
    /// The chat rooms: deliveries per second, latency, memory per client
    Chat(chat::Options),
}

fn main() -> ExitCode {
    let root = root::repository();
    let Command::Bench { subject } = Cli::parse().command;
    let result = match subject {
        Subject::Echo(options) => echo::run(&root, &options),
        Subject::Download(options) => download::run(&root, &options),
        Subject::Chat(options) => chat::run(&root, &options),
    };
    exit_code(result)
}
