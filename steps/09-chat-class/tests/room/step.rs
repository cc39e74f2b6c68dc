//! What is different in this step from the others that are a room.

/// The program of this step.
pub const STEP: &str = env!("CARGO_BIN_EXE_step-09-chat-class");

/// The server's options: a crowd may send as fast as it can.
pub const SERVER_OPTIONS: &[&str] = &[];

/// The number of this step.
pub const NUMBER: u8 = 9;

/// The threads of a server without clients: the room's owner, the acceptor, the console, the log,
/// and that of `ctrlc`.
pub const OWN_THREADS: usize = 5;

/// The threads that each client adds: one reads, one writes.
pub const THREADS_EACH: usize = 2;

/// The most memory that an idle client may add to the server, in KiB.
pub const MAX_KIB_EACH: usize = 64;

/// The most bytes that may wait for one client.
pub const MAX_QUEUE_LEN: usize = 1024 * 1024;
