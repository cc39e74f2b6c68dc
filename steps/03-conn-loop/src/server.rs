//! The server: one client after another, each with any number of messages.
//!
//! New in this step: a loop around accepting, and an end for each connection. End of file (`read`
//! returns 0) and a reset end one connection; the next client is then accepted.
//!
//! ```text
//! client                     server
//!   | -- h e l l o ---------> |
//!   | <--------- H E L L O -- |
//!   | -- end ---------------> |     the server closes, too, and accepts the next client
//! ```
//!
//! Still wrong: one client at a time. A second one is connected by the operating system and then
//! waits, unseen, until the first has left.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::accept::client_is_gone;

/// The most bytes that one `read` takes. It may take fewer; any size would do.
const MAX_READ_LEN: usize = 1024;

/// Serves one client after another, until it is stopped.
pub fn run(listener: TcpListener) -> io::Result<()> {
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;

    // ANCHOR: accept-loop
    loop {
        let (stream, peer_addr) = match listener.accept() {
            Ok(connection) => connection,
            // A client that left before it was accepted is no reason to stop.
            Err(error) if client_is_gone(&error) => continue,
            Err(error) => return Err(error),
        };
        writeln!(io::stdout(), "{peer_addr} connected")?;
        match handle_connection(stream, peer_addr) {
            Ok(()) => writeln!(io::stdout(), "{peer_addr} disconnected")?,
            // Whatever happens to one connection, the next client is served.
            Err(error) => writeln!(io::stdout(), "{peer_addr} lost: {}", error.kind())?,
        }
    }
    // ANCHOR_END: accept-loop
}

/// Sends back in upper case whatever arrives, until the client has left.
fn handle_connection(mut stream: TcpStream, peer_addr: SocketAddr) -> io::Result<()> {
    let mut buffer = [0; MAX_READ_LEN];
    // ANCHOR: loop
    loop {
        let len = stream.read(&mut buffer)?; // waits for bytes
        if len == 0 {
            return Ok(()); // end of file: the client sends no more
        }
        let message = &mut buffer[..len];
        let text = message.escape_ascii();
        writeln!(io::stdout(), "read {len} bytes from {peer_addr}: \"{text}\"")?;
        message.make_ascii_uppercase();
        stream.write_all(message)?;
    }
    // ANCHOR_END: loop
}
