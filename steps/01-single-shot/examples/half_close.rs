//! A half-close: the client stops sending, and still reads.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::ExitCode;

use clap::Parser;

// ANCHOR: cli
/// Run a server that counts bytes, or its client
#[derive(Parser)]
struct Cli {
    /// The side to run
    #[arg(value_parser = ["server", "client"])]
    role: String,
    /// Address to listen on, or to connect to
    #[arg(default_value = "127.0.0.1:9001")]
    addr: String,
}
// ANCHOR_END: cli

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = if cli.role == "server" {
        TcpListener::bind(&cli.addr).and_then(run_server)
    } else {
        TcpStream::connect(&cli.addr).and_then(run_client)
    };
    if let Err(error) = result {
        eprintln!("error: {}: {error}", cli.addr);
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

// ANCHOR: server
/// Reads everything that one client sends, and answers with the number of bytes.
fn run_server(listener: TcpListener) -> io::Result<()> {
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;
    let (mut stream, _) = listener.accept()?;
    let mut text = Vec::new();
    stream.read_to_end(&mut text)?; // waits for the end of file
    writeln!(io::stdout(), "end of file after {} bytes", text.len())?;
    writeln!(stream, "{} bytes", text.len())
}
// ANCHOR_END: server

// ANCHOR: client
/// Sends all of its input, and then prints the answer.
fn run_client(mut stream: TcpStream) -> io::Result<()> {
    io::copy(&mut io::stdin(), &mut stream)?;
    stream.shutdown(Shutdown::Write)?; // the server reads end of file…
    io::copy(&mut stream, &mut io::stdout())?; // …and its answer still arrives
    Ok(())
}
// ANCHOR_END: client
