//! `cargo xtask bench`: how quick the steps are, beside other programs for the same work; and how
//! quickly this repository is built.

mod build;
mod chat;
mod contender;
mod crowd;
mod download;
mod echo;
mod limits;
pub mod report;
pub mod stats;

use std::io::{self, Write as _};
use std::path::Path;

use anyhow::Result;
use clap::Subcommand;

/// What is measured.
#[derive(Clone, Debug, Subcommand)]
pub enum Subject {
    /// One short message after another: round trips per second, latency
    Echo(echo::Options),
    /// Checked downloads: seconds, memory
    Download(download::Options),
    /// The chat rooms: deliveries per second, latency, memory per client
    Chat(chat::Options),
    /// This repository: a step from nothing, the book, an edited page, `verify`
    Build(build::Options),
}

/// Measures, and prints a table; returns whether every round of every program could be measured.
pub fn run(root: &Path, subject: &Subject) -> Result<bool> {
    match subject {
        Subject::Echo(options) => echo::run(root, options),
        Subject::Download(options) => download::run(root, options),
        Subject::Chat(options) => chat::run(root, options),
        Subject::Build(options) => build::run(root, options),
    }
}

/// Says on stderr what is going on: it takes minutes.
fn progress(what: &str) -> Result<()> {
    Ok(writeln!(io::stderr(), "{what} …")?)
}
