//! The client of step 01, with a limit on each of its waits.

use std::io::{self, ErrorKind, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;

/// The longest that one call may wait.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Send one message, and print the answer, or give up
#[derive(Parser)]
struct Cli {
    /// Address of the server
    #[arg(default_value = "127.0.0.1:9001")]
    addr: String,
    /// The message
    #[arg(default_value = "hello")]
    message: String,
}

fn main() -> ExitCode {
    let Cli { addr, message } = Cli::parse();
    let result = connect(&addr).and_then(|stream| exchange(stream, &message));
    if let Err(error) = result {
        eprintln!("error: {addr}: {}", explain(&error));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

// ANCHOR: kinds
fn explain(error: &io::Error) -> String {
    match error.kind() {
        // After a read that has waited too long: the first on Unix, the second on Windows.
        ErrorKind::WouldBlock | ErrorKind::TimedOut => {
            format!("no answer within {} seconds", TIMEOUT.as_secs())
        }
        _ => error.to_string(),
    }
}
// ANCHOR_END: kinds

// ANCHOR: connect
/// Tries each address of a name, and returns the first connection.
fn connect(name: &str) -> io::Result<TcpStream> {
    let mut result = Err(ErrorKind::AddrNotAvailable.into()); // if the name has no address
    for addr in name.to_socket_addrs()? {
        result = TcpStream::connect_timeout(&addr, TIMEOUT);
        if result.is_ok() {
            break;
        }
    }
    result
}
// ANCHOR_END: connect

/// Sends the message and prints the answer.
fn exchange(mut stream: TcpStream, message: &str) -> io::Result<()> {
    // ANCHOR: options
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    stream.set_nodelay(true)?;
    // ANCHOR_END: options
    stream.write_all(message.as_bytes())?;
    // Waits no longer than `TIMEOUT` for each piece.
    if io::copy(&mut stream, &mut io::stdout())? == 0 {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    writeln!(io::stdout())
}
