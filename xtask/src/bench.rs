//! `cargo xtask bench`: how quick the steps are, beside other programs for the same work.

mod chat;
mod contender;
mod crowd;
mod limits;
mod stats;

use std::path::Path;

use anyhow::Result;
use clap::Subcommand;

/// What is measured.
#[derive(Clone, Debug, Subcommand)]
pub enum Subject {
    /// The chat rooms: deliveries per second, latency, memory per client
    Chat(chat::Options),
}

/// Measures, and prints a table; returns whether every round of every program could be measured.
pub fn run(root: &Path, subject: &Subject) -> Result<bool> {
    match subject {
        Subject::Chat(options) => chat::run(root, options),
    }
}
