//! A solution: the client of step 01, which sends no empty message and waits for no answer to it.
//!
//! ```text
//! client                     server
//!   | -- end ---------------> |     an empty message: there is nothing to send
//!   | <---------------- end - |
//! ```

use std::io::{self, Read, Write};
use std::net::TcpStream;

/// The most bytes that one `read` takes.
const MAX_READ_LEN: usize = 1024;

fn main() -> io::Result<()> {
    let mut args = std::env::args().skip(1);
    let addr = args.next().unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let message = args.next().unwrap_or_else(|| "hello".to_owned());

    let mut stream = TcpStream::connect(addr)?;
    if message.is_empty() {
        return Ok(()); // no bytes would be sent, so none would return
    }
    stream.write_all(message.as_bytes())?;

    let mut buffer = [0; MAX_READ_LEN];
    let len = stream.read(&mut buffer)?; // waits for bytes
    if len == 0 {
        let message = "the server closed the connection without an answer";
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
    }
    io::stdout().write_all(&buffer[..len])?;
    writeln!(io::stdout())
}
