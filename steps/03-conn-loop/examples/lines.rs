//! Step 03 with lines: the socket is used like a file.
//!
//! A line is a message here: it ends at its newline and cannot contain one. That is a first,
//! informal, framing.
//!
//! ```text
//! client                     server
//!   | -- h e l l o \n ------> |
//!   | <------ H E L L O \n -- |
//! ```

use std::io::{self, BufRead, BufReader, BufWriter, IsTerminal, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;

use clap::Parser;

use crate::accept::client_is_gone;

// A file of the step, used here as well.
#[path = "../src/accept.rs"]
mod accept;

/// The longest line, in bytes with its newline; without a limit a peer could fill the memory.
const MAX_LINE_LEN: u64 = 4096;

/// Run a server or a client whose messages are lines
#[derive(Parser)]
struct Cli {
    /// The side to run
    #[arg(value_parser = ["server", "client"])]
    role: String,
    /// Address to listen on, or to connect to
    #[arg(default_value = "127.0.0.1:9003")]
    addr: String,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let result = if cli.role == "server" {
        TcpListener::bind(&cli.addr).and_then(run_server)
    } else {
        TcpStream::connect(&cli.addr).and_then(run_client)
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {}: {error}", cli.addr);
            ExitCode::FAILURE
        }
    }
}

/// Serves one client after another, forever.
fn run_server(listener: TcpListener) -> io::Result<()> {
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;
    loop {
        let (stream, peer_addr) = match listener.accept() {
            Ok(connection) => connection,
            Err(error) if client_is_gone(&error) => continue,
            Err(error) => return Err(error),
        };
        match handle_connection(&stream) {
            Ok(()) => writeln!(io::stdout(), "{peer_addr} disconnected")?,
            Err(error) => writeln!(io::stdout(), "{peer_addr} lost: {error}")?,
        }
    }
}

// ANCHOR: handle-connection
/// Sends back each line in upper case, until the client has left.
fn handle_connection(stream: &TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut writer = BufWriter::new(stream);
    while let Some(mut line) = read_line(&mut reader)? {
        line.make_ascii_uppercase();
        writer.write_all(line.as_bytes())?;
        writer.flush()?; // without this the answer stays in our own buffer
    }
    Ok(())
}
// ANCHOR_END: handle-connection

// ANCHOR: read-line
/// Returns the next line with its newline, or `None` at end of file.
///
/// A line that is too long, or not UTF-8, is an error (`InvalidData`).
fn read_line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    let len = reader.take(MAX_LINE_LEN).read_line(&mut line)?;
    if len as u64 == MAX_LINE_LEN && !line.ends_with('\n') {
        let message = format!("a line of more than {MAX_LINE_LEN} bytes");
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    Ok((len > 0).then_some(line))
}
// ANCHOR_END: read-line

/// Sends each line of the input, and prints each answer.
fn run_client(stream: TcpStream) -> io::Result<()> {
    let mut reader = BufReader::new(&stream);
    let mut writer = BufWriter::new(&stream);
    show_prompt()?;
    for line in io::stdin().lines() {
        writeln!(writer, "{}", line?)?;
        writer.flush()?;
        // ANCHOR: answer
        let Some(answer) = read_line(&mut reader)? else {
            let message = "the server closed the connection";
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
        };
        // ANCHOR_END: answer
        write!(io::stdout(), "{answer}")?;
        show_prompt()?;
    }
    if io::stdin().is_terminal() {
        writeln!(io::stdout())?; // the shell's prompt begins on a line of its own
    }
    Ok(())
}

/// Prints the prompt, if the input is a terminal.
fn show_prompt() -> io::Result<()> {
    if io::stdin().is_terminal() {
        write!(io::stdout(), "> ")?;
    }
    io::stdout().flush()
}
