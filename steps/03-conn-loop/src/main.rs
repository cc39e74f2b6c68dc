//! Step 03: one client after another.
//!
//! This file is the command line, and nothing else. The lesson is in `server.rs` and `client.rs`.

use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod accept;
mod advice;
mod client;
mod input;
mod server;

/// Where the server listens and the client connects, if no address is given.
const DEFAULT_ADDR: &str = "127.0.0.1:9003";

/// Step 03: one client after another
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Serve one client after another, and send their messages back in upper case
    Server {
        /// Address to listen on; port 0 takes any free port
        #[arg(default_value = DEFAULT_ADDR)]
        addr: String,
    },
    /// Send each line of the input, and print the answers
    Client {
        /// Address of the server
        #[arg(default_value = DEFAULT_ADDR)]
        addr: String,
    },
}

fn main() -> ExitCode {
    let (addr, result) = match Cli::parse().role {
        Role::Server { addr } => {
            let result = TcpListener::bind(&addr).and_then(server::run);
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
