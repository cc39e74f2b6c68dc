//! The console: the keyboard of the server. `quit` stops the server, `kick ADDR` removes a client, and any
//! other line lists who is online, the loudest first.
//!
//! ```text
//! 2 clients are online
//! 127.0.0.1:50002  since 2026-11-23 08:23:09  10 lines/s  0 bytes wait
//! 127.0.0.1:50001  since 2026-11-23 08:23:04  0 lines/s  0 bytes wait
//! ```

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::net::SocketAddr;
use std::thread;

use crate::server::Handle;

/// The most bytes of a line at the console.
const MAX_LINE_LEN: usize = 4096;

/// The lines of the screen that do not list a client: the first and last line of the list, and the line
/// on which the next command is typed.
const OTHER_LINES: usize = 3;

// ANCHOR: start
/// Prints where the server listens, and starts a thread that waits for the keyboard.
///
/// This thread is not joined: only the keyboard can wake it, so it may wait forever. It owns nothing
/// that must be cleaned up, so it can end with the process.
pub fn start(local_addr: SocketAddr, handle: Handle) -> io::Result<()> {
    writeln!(io::stdout(), "listening on {local_addr}")?;
    thread::Builder::new().spawn(move || {
        while let Some(line) = read_console() {
            // The room continues even if stdout is closed.
            let _ = match line.split_once(char::is_whitespace).unwrap_or((&line, "")) {
                ("quit", "") => return handle.stop(),
                ("kick", addr) => kick(&handle, addr.trim()),
                _ => show_who_is_online(&handle),
            };
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

/// Removes the client with this address, and prints why if that is not possible.
fn kick(handle: &Handle, addr: &str) -> io::Result<()> {
    match addr.parse() {
        Ok(peer_addr) if handle.kick(peer_addr) => Ok(()), // the log reports it
        Ok(peer_addr) => writeln!(io::stdout(), "no client has the address {peer_addr}"),
        Err(_) => writeln!(io::stdout(), "type kick and an address from the list of clients"),
    }
}

/// Prints how many clients are online, and a line for each, the loudest first.
fn show_who_is_online(handle: &Handle) -> io::Result<()> {
    let mut online = handle.online();
    online.sort_by(|a, b| b.lines_per_second.total_cmp(&a.lines_per_second));
    match online.len() {
        0 => return writeln!(io::stdout(), "no client is online"),
        1 => writeln!(io::stdout(), "1 client is online")?,
        count => writeln!(io::stdout(), "{count} clients are online")?,
    }
    let fit = lines_that_fit();
    for member in online.iter().take(fit) {
        let (peer_addr, since) = (member.peer_addr, &member.since);
        let (lines, queue_len) = (member.lines_per_second, member.queue_len);
        writeln!(
            io::stdout(),
            "{peer_addr}  since {since}  {lines:.0} lines/s  {queue_len} bytes wait"
        )?;
    }
    if online.len() > fit {
        writeln!(io::stdout(), "… and {} more", online.len() - fit)?;
    }
    Ok(())
}

/// Returns how many clients one screen can list: any number if stdout is not a terminal.
fn lines_that_fit() -> usize {
    if !io::stdout().is_terminal() {
        return usize::MAX;
    }
    match crossterm::terminal::size() {
        // Some terminals do not report their size, and return 0 rows.
        Ok((_, 0)) | Err(_) => usize::MAX,
        Ok((_, rows)) => usize::from(rows).saturating_sub(OTHER_LINES).max(1),
    }
}
