//! Step 04: commands, run on another computer.
//!
//! This file is the command line, and nothing else. The lesson is in `server.rs` and `client.rs`.

use std::io::{self, Write};
use std::net::TcpStream;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod client;
mod server;

/// Where the server listens, and the client connects to, when nothing else is said.
const DEFAULT_ADDR: &str = "127.0.0.1:9004";

/// Step 04: commands, run on another computer
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Run the commands of one client after another, and send back what they print
    Server {
        /// Address to listen on; port 0 takes any free port
        #[arg(default_value = DEFAULT_ADDR)]
        addr: String,
        /// Listen where others can connect: whoever can, runs any command here, as you
        #[arg(long)]
        allow_remote: bool,
    },
    /// Send each line of the input as a command, and print the answers
    Client {
        /// Address of the server
        #[arg(default_value = DEFAULT_ADDR)]
        addr: String,
    },
}

fn main() -> ExitCode {
    let (addr, result) = match Cli::parse().role {
        Role::Server { addr, allow_remote } => {
            let result = server::bind(&addr, allow_remote).and_then(server::run);
            (addr, result)
        }
        Role::Client { addr } => {
            let result = TcpStream::connect(&addr).and_then(client::run);
            (addr, result)
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // It fails where nobody can read it. Then the exit code has to tell it all.
            let _ = writeln!(io::stderr(), "error: {addr}: {}", explain(&error));
            ExitCode::FAILURE
        }
    }
}

/// What went wrong, in one line, and what to do about it where that is known.
fn explain(error: &io::Error) -> String {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => "stop the program that has it, or choose another port",
        io::ErrorKind::AddrNotAvailable => "this computer has no such address",
        io::ErrorKind::BrokenPipe => "nobody reads what it writes, or the other side is gone",
        io::ErrorKind::ConnectionRefused => "start the server first",
        io::ErrorKind::ConnectionReset => "the other side broke the connection off",
        io::ErrorKind::InvalidInput => "an address looks like 127.0.0.1:9004",
        io::ErrorKind::PermissionDenied if error.raw_os_error().is_some() => {
            "choose a port above 1023"
        }
        _ => return error.to_string(),
    };
    format!("{}: {advice}", error.kind())
}
