//! What each step promises, as checks that any program can be held to.
//!
//! This crate knows protocols and processes, never a step's own code: everything here talks to a
//! program over its terminal and its sockets, whatever language it is written in.

// First: its macro is for all the others.
#[macro_use]
pub mod texts;

#[cfg(target_os = "linux")]
pub mod cable;
pub mod check;
pub mod contract;
pub mod cpu;
mod failure;
mod listens;
pub mod memory;
pub mod network;
mod nobody;
mod output;
pub mod peer;
mod process;
pub mod process_info;
pub mod program;
pub mod proxy;
pub mod python;
mod reach;
#[cfg(unix)]
pub mod rough;
pub mod session;
mod show;
mod side_by_side;
pub mod soak;
mod symptom;
mod usage;

use texts::TEXTS;

pub use failure::{Difference, Failure};
pub use nobody::NobodyListens;
pub use peer::Peer;
pub use process::become_judge;
pub use program::{DEADLINE, Program};
pub use python::python;
pub use show::{is_printable, printable, printable_lines};
pub use side_by_side::{side_by_side, side_by_side_at_most};
pub use symptom::Symptom;
