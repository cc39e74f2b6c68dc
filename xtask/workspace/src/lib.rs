//! What the rooms of `cargo xtask` share: where things are, cargo, the steps' manifests, texts, and
//! recorded figures.

pub mod cargo;
pub mod command_line;
pub mod edition;
mod exit;
pub mod fixture;
pub mod measured;
pub mod messages;
pub mod promises;
pub mod root;
pub mod stats;
pub mod texts;

pub use exit::{exit_code, print};
