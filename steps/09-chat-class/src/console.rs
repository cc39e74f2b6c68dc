//! The console: the keyboard of the server. `quit` stops the server, any other line lists who is online.
//!
//! ```text
//! 127.0.0.1:50001  since 2026-11-23 08:23:04  0 bytes wait
//! ```

use std::io::{self, BufRead, Read, Write};
use std::net::SocketAddr;
use std::thread;

use crate::server::Handle;

/// The most bytes of a line at the console.
const MAX_LINE_LEN: usize = 4096;

// ANCHOR: start
/// Prints where the server listens, and starts a thread that waits for the keyboard.
///
/// This thread is not joined: only the keyboard can wake it, so it may wait forever. It owns nothing
/// that must be cleaned up, so it can end with the process.
pub fn start(local_addr: SocketAddr, handle: Handle) -> io::Result<()> {
    writeln!(io::stdout(), "listening on {local_addr}")?;
    thread::Builder::new().spawn(move || {
        while let Some(line) = read_console() {
            if line == "quit" {
                return handle.stop();
            }
            let _ = show_who_is_online(&handle); // the room continues even if stdout is closed
        }
        // The console has ended, as it does for a program in the background. The room continues.
    })?;
    Ok(())
}
// ANCHOR_END: start

/// Returns the next line that is typed at the console, without blanks around it, or `None` if no more
/// will arrive, for whatever reason.
fn read_console() -> Option<String> {
    let mut line = Vec::new();
    // An input without a newline is no console, and must not fill the memory.
    let len = io::stdin().lock().take(MAX_LINE_LEN as u64).read_until(b'\n', &mut line).ok()?;
    let is_whole = len > 0 && (len < MAX_LINE_LEN || line.ends_with(b"\n"));
    is_whole.then(|| String::from_utf8_lossy(&line).trim().to_owned())
}

/// Prints one line for each client, in the order in which they joined.
fn show_who_is_online(handle: &Handle) -> io::Result<()> {
    let online = handle.online();
    if online.is_empty() {
        return writeln!(io::stdout(), "no client is online");
    }
    for member in online {
        let (peer_addr, since, queue_len) = (member.peer_addr, member.since, member.queue_len);
        writeln!(io::stdout(), "{peer_addr}  since {since}  {queue_len} bytes wait")?;
    }
    Ok(())
}
