//! The server: shows what each `read` returns, and answers nothing.
//!
//! New in this step: the client does not wait for answers, so its messages can pile up.
//!
//! ```text
//! client                     server
//!   | -- o n e -------------> |
//!   | -- t w o -------------> |     how many reads? that depends
//!   | -- t h r e e ---------> |
//!   | -- end ---------------> |
//! ```
//!
//! Still wrong: the server cannot distinguish one message from three.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::accept::client_is_gone;

/// Serves one client after another, until it is stopped; one read takes at most `read_len` bytes.
pub fn run(listener: TcpListener, read_len: usize) -> io::Result<()> {
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;

    loop {
        let (stream, peer_addr) = match listener.accept() {
            Ok(connection) => connection,
            // A client that left before it was accepted is no reason to stop.
            Err(error) if client_is_gone(&error) => continue,
            Err(error) => return Err(error),
        };
        writeln!(io::stdout(), "{peer_addr} connected")?;
        match handle_connection(stream, peer_addr, read_len) {
            Ok(()) => writeln!(io::stdout(), "{peer_addr} disconnected")?,
            // Whatever happens to one connection, the next client is served.
            Err(error) => writeln!(io::stdout(), "{peer_addr} lost: {}", error.kind())?,
        }
    }
}

/// Shows each read until the client has left.
fn handle_connection(
    mut stream: TcpStream,
    peer_addr: SocketAddr,
    read_len: usize,
) -> io::Result<()> {
    let mut buffer = vec![0; read_len];
    loop {
        let len = stream.read(&mut buffer)?; // waits for bytes
        if len == 0 {
            return Ok(()); // end of file: the client sends no more
        }
        let text = buffer[..len].escape_ascii();
        writeln!(io::stdout(), "read {len} bytes from {peer_addr}: \"{text}\"")?;
    }
}
