//! The log: reports what happens in the room, on stderr.
//!
//! ```text
//! 2026-11-23 08:23:04  INFO 127.0.0.1:50001 joined
//! 2026-11-23 08:23:09  WARN 127.0.0.1:50002 dropped: it does not read, 262100 bytes wait
//! ```

use std::fmt;
use std::io;

use jiff::Zoned;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

/// Returns the local time, such as `2026-11-23 08:23:04`.
pub fn local_time() -> String {
    Zoned::now().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// Sends everything that is logged from now on to stderr.
pub fn init() {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_timer(LocalTime)
        .with_target(false) // the module's name is of no use to a user
        .with_ansi(false)
        .log_internal_errors(false) // a closed stderr is no reason to end
        .init();
}

/// Begins each line of the log with `local_time`.
struct LocalTime;

impl FormatTime for LocalTime {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", local_time())
    }
}
