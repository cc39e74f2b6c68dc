//! A solution: the server of step 03, with a thread for each client.
//!
//! ```text
//! alice             server             bob
//!   | -- connects --> |                 |     a thread for Alice, who sends nothing
//!   |                 | <-- connects -- |     a thread for Bob
//!   |                 | <---- h e y --- |
//!   |                 | -- H E Y -----> |
//! ```

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use crate::accept::client_is_gone;

// A file of the step, used here as well.
#[path = "../src/accept.rs"]
mod accept;

/// The most bytes that one `read` takes. It may take fewer; any size would do.
const MAX_READ_LEN: usize = 1024;

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9003".to_owned());
    let listener = TcpListener::bind(addr)?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;

    loop {
        let (stream, peer_addr) = match listener.accept() {
            Ok(connection) => connection,
            // A client that left before it was accepted is no reason to stop.
            Err(error) if client_is_gone(&error) => continue,
            Err(error) => return Err(error),
        };
        // `move` gives the stream to the thread, which closes it at its end.
        thread::spawn(move || {
            let told = match handle_connection(stream) {
                Ok(()) => writeln!(io::stdout(), "{peer_addr} disconnected"),
                Err(error) => writeln!(io::stdout(), "{peer_addr} lost: {}", error.kind()),
            };
            drop(told); // if our output is no longer read, the others are still served
        });
    }
}

/// Sends back in upper case whatever arrives, until the client has left.
fn handle_connection(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; MAX_READ_LEN];
    loop {
        let len = stream.read(&mut buffer)?; // waits for bytes: only this client waits with us
        if len == 0 {
            return Ok(()); // end of file: the client sends no more
        }
        let message = &mut buffer[..len];
        message.make_ascii_uppercase();
        stream.write_all(message)?;
    }
}
