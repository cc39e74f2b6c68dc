//! Flow control: what happens to a writer when the reader does not read.
//!
//! ```text
//! writer                     reader
//!   | -- bytes -------------> |     until the buffers of both systems are full
//!   | <---------- window 0 -- |     no more, please
//!   |                         |     Enter: now it reads
//!   | <- window is open again |
//!   | -- the other bytes ---> |
//! ```

use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;

use clap::Parser;

/// How many bytes the writer writes: far more than the systems' buffers hold.
const LEN: usize = 50_000_000;

/// The most bytes that one `write` is given.
const CHUNK_LEN: usize = 64 * 1024;

/// Read only after Enter is pressed, or write
#[derive(Parser)]
struct Cli {
    /// The side to run
    #[arg(value_parser = ["reader", "writer"])]
    role: String,
    /// Address to listen on, or to connect to
    #[arg(default_value = "127.0.0.1:9002")]
    addr: String,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = if cli.role == "reader" {
        TcpListener::bind(&cli.addr).and_then(run_reader)
    } else {
        TcpStream::connect(&cli.addr).and_then(run_writer)
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}: {error}", cli.addr);
            ExitCode::FAILURE
        }
    }
}

// ANCHOR: reader
/// Accepts one writer, reads nothing until Enter is pressed, and then reads everything.
fn run_reader(listener: TcpListener) -> io::Result<()> {
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;
    let (mut stream, peer_addr) = listener.accept()?;
    writeln!(io::stdout(), "{peer_addr} connected; press Enter to read")?;
    io::stdin().read_line(&mut String::new())?;
    let len = io::copy(&mut stream, &mut io::sink())?; // until end of file
    writeln!(io::stdout(), "read {len} bytes")
}
// ANCHOR_END: reader

// ANCHOR: writer
/// Writes `LEN` bytes, and reports when there is no room for more.
fn run_writer(mut stream: TcpStream) -> io::Result<()> {
    let bytes = vec![b'x'; LEN];
    let mut rest = &bytes[..];
    stream.set_nonblocking(true)?; // where `write` would wait, it returns an error
    while !rest.is_empty() {
        match stream.write(&rest[..rest.len().min(CHUNK_LEN)]) {
            Ok(len) => rest = &rest[len..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                writeln!(io::stdout(), "no room for more: the next write waits")?;
                stream.set_nonblocking(false)?;
            }
            Err(error) => return Err(error),
        }
    }
    writeln!(io::stdout(), "wrote {LEN} bytes")
}
// ANCHOR_END: writer
