//! What `read` and `write` return when the peer is gone.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::process::ExitCode;

use clap::Parser;

/// Send bytes to the server of step 01, read until it is gone, and then write
#[derive(Parser)]
struct Cli {
    /// How many bytes to send; the server reads no more than 1024
    len: usize,
    /// Address of the server
    #[arg(default_value = "127.0.0.1:9001")]
    addr: String,
}

fn main() -> ExitCode {
    let Cli { len, addr } = Cli::parse();
    let result = TcpStream::connect(&addr).and_then(|stream| run(stream, len));
    if let Err(error) = result {
        eprintln!("error: {addr}: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

// ANCHOR: run
/// Sends `len` bytes, reads until the connection has ended, and then writes until that fails.
///
/// Prints what each `read` returns, and the first and the last `write`.
fn run(mut stream: TcpStream, len: usize) -> io::Result<()> {
    stream.write_all(&vec![b'x'; len])?;
    let mut buffer = [0; 4096];
    let mut result = Ok(len);
    while matches!(result, Ok(1..)) {
        result = stream.read(&mut buffer);
        writeln!(io::stdout(), "read: {}", show(&result))?;
    }
    result = stream.write(b"hello");
    writeln!(io::stdout(), "write: {}", show(&result))?;
    loop {
        result = stream.write(b"hello");
        if result.is_err() {
            break; // the peer's system has answered by now
        }
    }
    writeln!(io::stdout(), "write again: {}", show(&result))
}

fn show(result: &io::Result<usize>) -> String {
    match result {
        Ok(len) => format!("{len} bytes"),
        Err(error) => error.kind().to_string(),
    }
}
// ANCHOR_END: run
