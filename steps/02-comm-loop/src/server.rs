//! The server: one connection, any number of messages.
//!
//! New in this step: a loop around reading and answering. The answer is the message in upper case.
//!
//! ```text
//! client                     server
//!   | -- h e l l o ---------> |
//!   | <--------- H E L L O -- |
//!   | -- w o r l d ---------> |     and so on
//!   | <--------- W O R L D -- |
//! ```
//!
//! Still wrong, on purpose: when the client has left, `read` returns 0 at once, every time, and
//! the loop spins. A reset by the client ends the program. A second client is never accepted.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

/// The most bytes that one `read` takes. It may take fewer; any size would do.
const MAX_READ_LEN: usize = 1024;

/// Answers the messages of one client.
pub fn run(listener: TcpListener) -> io::Result<()> {
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;

    let (stream, peer_addr) = listener.accept()?; // waits for a client
    writeln!(io::stdout(), "{peer_addr} connected")?;
    handle_connection(stream, peer_addr)
}

/// Sends back in upper case whatever arrives. Only an error ends this function.
fn handle_connection(mut stream: TcpStream, peer_addr: SocketAddr) -> io::Result<()> {
    let mut buffer = [0; MAX_READ_LEN];
    // ANCHOR: loop
    loop {
        let len = stream.read(&mut buffer)?; // waits for bytes
        let message = &mut buffer[..len];
        let text = message.escape_ascii();
        writeln!(io::stdout(), "read {len} bytes from {peer_addr}: \"{text}\"")?;
        message.make_ascii_uppercase();
        stream.write_all(message)?;
    }
    // ANCHOR_END: loop
}
