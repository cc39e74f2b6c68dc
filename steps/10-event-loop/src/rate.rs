//! How fast a client may talk: a *token bucket*.
//!
//! ```text
//!    full again at a constant rate: `rate` tokens per second
//!      |
//!      v
//!   | o o o |   the bucket holds at most BURST tokens
//!   +-------+
//!      |
//!      v
//!    each line takes one; from an empty bucket, the next line must wait
//! ```
//!
//! A person who types never empties the bucket. A program that sends without end is limited to the
//! rate at which the bucket fills.

use std::time::{Duration, Instant};

/// How many lines a client may say at once after a pause: a pasted text of this length is not slowed
/// down.
pub const BURST: u32 = 50;

/// The time over which the meter averages, in seconds.
const MEMORY: f64 = 3.0;

// ANCHOR: limit
/// The bucket of one client. It needs no timer: it stores only the time when it will be full.
pub struct RateLimit {
    /// The time between two tokens; zero if there is no limit.
    interval: Duration,
    /// When the bucket will be full, or has become full.
    full_at: Instant,
}

impl RateLimit {
    /// Returns a full bucket that gets `rate` tokens per second; 0 means no limit.
    pub fn new(rate: u32) -> Self {
        let interval = Duration::from_secs(1).checked_div(rate).unwrap_or_default(); // zero for rate 0
        Self { interval, full_at: Instant::now() }
    }

    /// Returns how long the next line must wait: zero if there is a token for it, that is, if at most
    /// `BURST - 1` tokens are missing.
    pub fn wait(&self, now: Instant) -> Duration {
        let until_one_token = self.interval * (BURST - 1);
        self.full_at.saturating_duration_since(now).saturating_sub(until_one_token)
    }

    /// Takes a token.
    pub fn take(&mut self, now: Instant) {
        self.full_at = self.full_at.max(now) + self.interval;
    }
}
// ANCHOR_END: limit

/// Measures how many lines per second a client has said lately. The older a line is, the less it
/// counts.
pub struct Meter {
    lines_per_second: f64,
    counted_at: Instant,
}

impl Meter {
    /// Returns the meter of a client that has said nothing.
    pub fn new() -> Self {
        Self { lines_per_second: 0.0, counted_at: Instant::now() }
    }

    /// Returns the current value, in lines per second.
    pub fn read(&self, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.counted_at);
        self.lines_per_second * (-age.as_secs_f64() / MEMORY).exp()
    }

    /// Counts lines that were said now.
    pub fn count(&mut self, lines: u32, now: Instant) {
        self.lines_per_second = self.read(now) + f64::from(lines) / MEMORY;
        self.counted_at = now;
    }
}
