//! The server: one connection, one read, one answer.
//!
//! New in this step: everything. The server accepts one connection, reads once, sends the same bytes
//! back, and ends.
//!
//! ```text
//! client                     server
//!   | -- h e l l o ---------> |     up to 1024 bytes, whatever they are
//!   | <--------- h e l l o -- |     the same bytes
//!   | <---------------- end - |     the server closes
//! ```
//!
//! Still wrong: a second message is never read, and a second client is never accepted.

use std::io::{self, Read, Write};
use std::net::TcpListener;

/// The most bytes that one `read` takes. It may take fewer; any size would do.
const MAX_READ_LEN: usize = 1024;

/// Answers one message of one client.
pub fn run(listener: TcpListener) -> io::Result<()> {
    // `println!` would panic if stdout were closed; here, that is an error like any other.
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;

    // ANCHOR: accept
    let (mut stream, peer_addr) = listener.accept()?; // waits for a client
    writeln!(io::stdout(), "{peer_addr} connected")?;
    // ANCHOR_END: accept

    // ANCHOR: answer
    let mut buffer = [0; MAX_READ_LEN];
    let len = stream.read(&mut buffer)?; // waits for bytes
    let message = &buffer[..len];
    let text = message.escape_ascii();
    writeln!(io::stdout(), "read {len} bytes from {peer_addr}: \"{text}\"")?;
    stream.write_all(message)?;
    // ANCHOR_END: answer

    // ANCHOR: close
    writeln!(io::stdout(), "{peer_addr} answered, closing")
} // `stream` and `listener` are dropped here, and that closes them.
// ANCHOR_END: close
