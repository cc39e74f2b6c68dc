//! A solution: the server of step 05, for messages that end with a newline.
//!
//! ```text
//! | o n e \n t w o \n t h |  | r e e \n |     what two reads return
//! |  "one"  |  "two"  |   "three"       |     the messages
//! ```
//!
//! Still wrong: a message cannot contain a newline. A peer that never sends one
//! fills the memory.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9005".to_owned());
    let listener = TcpListener::bind(addr)?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;

    loop {
        let (stream, peer_addr) = listener.accept()?; // waits for a client
        if let Err(error) = handle_connection(stream, peer_addr) {
            writeln!(io::stdout(), "{peer_addr} lost: {}", error.kind())?;
        }
    }
}

/// Shows each message until the client has left.
fn handle_connection(stream: TcpStream, peer_addr: SocketAddr) -> io::Result<()> {
    // The reader keeps what follows a newline for the next call. It belongs to this connection, so
    // a rest at the end is not taken for the beginning of another client's message.
    let mut reader = BufReader::new(stream);
    loop {
        let mut message = Vec::new();
        reader.read_until(b'\n', &mut message)?; // in as many reads as it takes
        if message.pop() != Some(b'\n') {
            return Ok(()); // end of file; a piece without a newline was not a message
        }
        writeln!(io::stdout(), "{peer_addr}: \"{}\"", message.escape_ascii())?;
    }
}
