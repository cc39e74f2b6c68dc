//! A solution: the server of step 01, with a loop around reading and answering.
//!
//! ```text
//! client                     server
//!   | -- o n e -------------> |
//!   | <------------- o n e -- |
//!   | -- t w o -------------> |     and so on, until the client closes
//!   | <------------- t w o -- |
//! ```

use std::io::{self, Read, Write};
use std::net::TcpListener;

/// The most bytes that one `read` takes. It may take fewer; any size would do.
const MAX_READ_LEN: usize = 1024;

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let listener = TcpListener::bind(addr)?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;

    let (mut stream, peer_addr) = listener.accept()?; // waits for a client
    writeln!(io::stdout(), "{peer_addr} connected")?;

    let mut buffer = [0; MAX_READ_LEN];
    loop {
        let len = stream.read(&mut buffer)?; // waits for bytes
        if len == 0 {
            return Ok(()); // end of file: the client sends no more
        }
        stream.write_all(&buffer[..len])?;
    }
}
