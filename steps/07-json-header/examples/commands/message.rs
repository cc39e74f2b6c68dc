//! Messages: what a client can ask for, and what a server answers.
//!
//! ```text
//! {"request":"run","command":"exit 3"}
//! {"size":0,"status":3,"error":null}
//! ```

use serde::{Deserialize, Serialize};

// ANCHOR: request
/// What a client can ask for.
#[derive(Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "lowercase")]
pub enum Request {
    /// Run a command line in the system's shell.
    Run {
        /// The command line.
        command: String,
    },
}
// ANCHOR_END: request

// ANCHOR: answer
/// What the server sends before the body.
#[derive(Default, Serialize, Deserialize)]
pub struct Answer {
    /// The length of the body, in bytes.
    pub size: u64,
    /// The exit status of the command.
    pub status: Option<i32>,
    /// Why the request failed, in one line.
    pub error: Option<String>,
}
// ANCHOR_END: answer
