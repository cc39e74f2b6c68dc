//! A solution: the server of step 02, which serves the next client when one has left.
//!
//! ```text
//! client                     server
//!   | -- h e l l o ---------> |
//!   | <--------- H E L L O -- |
//!   | -- end, or a reset ---> |     back to `accept`
//! ```

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

/// The most bytes that one `read` takes. It may take fewer; any size would do.
const MAX_READ_LEN: usize = 1024;

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9002".to_owned());
    let listener = TcpListener::bind(addr)?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;

    loop {
        let (stream, peer_addr) = match listener.accept() {
            Ok(connection) => connection,
            // A client that left before it was accepted is no reason to stop.
            Err(error) if client_is_gone(&error) => continue,
            Err(error) => return Err(error),
        };
        match handle_connection(stream) {
            Ok(()) => writeln!(io::stdout(), "{peer_addr} disconnected")?,
            // Only this connection is broken: the server continues.
            Err(error) => writeln!(io::stdout(), "{peer_addr} lost: {}", error.kind())?,
        }
    }
}

/// Returns whether an error of `accept` concerns one client that has left already. Linux never reports
/// this; macOS and Windows have different errors for it.
fn client_is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, InvalidInput, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | InvalidInput | NotConnected)
}

/// Sends back in upper case whatever arrives, until the client has left.
fn handle_connection(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; MAX_READ_LEN];
    loop {
        let len = stream.read(&mut buffer)?; // waits for bytes
        if len == 0 {
            return Ok(()); // end of file: the client sends no more
        }
        let message = &mut buffer[..len];
        message.make_ascii_uppercase();
        stream.write_all(message)?;
    }
}
