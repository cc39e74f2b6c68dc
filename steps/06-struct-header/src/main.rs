//! Step 06: a length prefix for each message.
//!
//! This file is the command line, and nothing else. The lesson is in `frame.rs`.

use std::net::TcpStream;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod accept;
mod advice;
mod client;
mod frame;
mod input;
mod loopback;
mod problem;
mod server;
mod shell;

/// Where the server listens and the client connects, if no address is given.
const DEFAULT_ADDR: &str = "127.0.0.1:9006";

/// Step 06: a length prefix for each message
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
        /// Listen where others can connect; they can then run any command here, as you
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
            let result = loopback::bind(&addr, allow_remote).and_then(server::run);
            (addr, result)
        }
        Role::Client { addr } => {
            let result = TcpStream::connect(&addr).and_then(client::run);
            (addr, result)
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => advice::report(&addr, &error),
    }
}
