//! The first part of step 07: a header in JSON. Commands only, and each body is held in memory.
//!
//! This file is the command line, and nothing else.

use std::net::TcpStream;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod body;
mod client;
mod message;
mod server;

#[path = "../../src/accept.rs"]
mod accept;
#[path = "../../src/advice.rs"]
mod advice;
#[path = "../../src/frame.rs"]
mod frame;
#[path = "../../src/header.rs"]
mod header;
#[path = "../../src/input.rs"]
mod input;
#[path = "../../src/loopback.rs"]
mod loopback;
#[path = "../../src/problem.rs"]
mod problem;
#[path = "../../src/shell.rs"]
mod shell;

/// Where the server listens and the client connects, if no address is given.
const DEFAULT_ADDR: &str = "127.0.0.1:9007";

/// Step 07, first part: a header in JSON
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Run the commands of one client after another, and report how they ended
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
