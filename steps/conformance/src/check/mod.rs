//! The checks: named promises, each with a sentence on why it matters and a scenario over real
//! sockets.
//!
//! A check shows whether a program *keeps* a promise. It is as useful to know which promises a step
//! *breaks*: a declared fault must be observable, so a step's manifest lists
//! both, and [`assert_promises`] holds the step to both.

mod chat;
mod clients;
mod command_line;
mod commands;
mod conversation;
mod exam;
mod exercises;
mod extras;
mod fake;
mod headers;
mod line;
#[cfg(target_os = "linux")]
pub(crate) mod linux;
mod list;
mod messages;
mod promises;
mod protocol;
mod room;
mod stop;
mod subject;
mod wire;

pub use command_line::{CommandLine, FreePorts, addr, is_taken, wait_until_free};
pub use exam::{Exam, Outcome, Way};
pub use exercises::{Exercise, Language, assert_exercises, assert_python_exercises, has_solutions};
pub(crate) use line::is_said;
pub use list::{CHECKS, Check, EXERCISES, check};
pub use promises::{Judgement, Promise, Promises, assert_promises, assert_promises_at_cuts};
pub use protocol::Protocol;
pub use subject::{Input, Server, Side, Subject, server_options};
