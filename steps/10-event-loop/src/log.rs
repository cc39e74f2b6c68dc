//! The log: reports what happens in the room, on stderr.
//!
//! ```text
//! 2026-11-23 08:23:04  INFO 127.0.0.1:50001 joined
//! 2026-11-23 08:23:09  WARN 127.0.0.1:50002 turned away: the room is full
//! ```
//!
//! A program that writes to stderr may have to wait: after Ctrl-S at a terminal, or for a pipe that is
//! not read. Here a separate thread writes and waits, so the room never does.

use std::convert::Infallible;
use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread;
use std::time::Duration;

use jiff::Zoned;
use tracing_subscriber::fmt::format;
use tracing_subscriber::fmt::time::FormatTime;

/// How many entries may wait to be written. Further entries are counted, and lost.
const MAX_ENTRIES: usize = 1024;

/// How long the program waits at its end for entries that are not written yet.
const MAX_END_TIME: Duration = Duration::from_millis(500);

/// Returns the local time, such as `2026-11-23 08:23:04`.
pub fn local_time() -> String {
    Zoned::now().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// The log, to be kept until the program ends.
pub struct Log {
    entries: Entries,
    /// Closed when everything has been written.
    written: Receiver<Infallible>,
}

impl Log {
    /// Sends everything that is logged from now on to stderr.
    pub fn start() -> io::Result<Self> {
        let (sender, receiver) = mpsc::sync_channel(MAX_ENTRIES);
        let entries = Entries { sender, lost: Arc::default() };
        let (writing, written) = mpsc::channel();
        let lost = Arc::clone(&entries.lost);
        thread::Builder::new().spawn(move || {
            write_entries(&receiver, &lost);
            drop(writing);
        })?;
        let writer = entries.clone();
        tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_timer(LocalTime)
            .with_target(false) // the module's name is of no use to the user
            .with_ansi(false)
            .log_internal_errors(false)
            .init();
        Ok(Self { entries, written })
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        // An empty entry is the last one. If there is no room for it, the log is not being read.
        let _ = self.entries.sender.try_send(Vec::new());
        let _ = self.written.recv_timeout(MAX_END_TIME);
    }
}

/// Where entries are written to, without waiting.
#[derive(Clone)]
struct Entries {
    sender: SyncSender<Vec<u8>>,
    lost: Arc<AtomicUsize>,
}

impl Write for Entries {
    /// Takes an entry: `tracing` writes each of them at once.
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        if self.sender.try_send(entry.to_vec()).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(entry.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Writes the entries to stderr, up to an empty one.
fn write_entries(entries: &Receiver<Vec<u8>>, lost: &AtomicUsize) {
    for entry in entries.iter().take_while(|entry| !entry.is_empty()) {
        write_entry(&entry);
        match lost.swap(0, Ordering::Relaxed) {
            0 => {}
            count => {
                let time = local_time();
                let text = format!("{time}  WARN the log was not read: {count} entries are lost\n");
                write_entry(text.as_bytes());
            }
        }
    }
}

fn write_entry(entry: &[u8]) {
    let _ = io::stderr().write_all(entry); // fails if stderr is closed: the room continues
}

/// Begins each entry of the log with `local_time`.
struct LocalTime;

impl FormatTime for LocalTime {
    fn format_time(&self, writer: &mut format::Writer<'_>) -> fmt::Result {
        write!(writer, "{}", local_time())
    }
}
