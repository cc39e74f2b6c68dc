//! What is different in this step from the others that are a room.

/// The program of this step.
pub const STEP: &str = env!("CARGO_BIN_EXE_step-10-event-loop");

/// The server's options: a crowd may send as fast as it can.
pub const SERVER_OPTIONS: &[&str] = &["--rate", "0"];

/// The number of this step.
pub const NUMBER: u8 = 10;

/// The threads of a server without clients: the event loop, the console, the log,
/// and that of `ctrlc`.
pub const OWN_THREADS: usize = 4;

/// The threads that each client adds.
pub const THREADS_EACH: usize = 0;

/// The most memory that an idle client may add to the server, in KiB.
pub const MAX_KIB_EACH: usize = 16;

/// The most bytes that may wait for one client.
pub const MAX_QUEUE_LEN: usize = 256 * 1024;
