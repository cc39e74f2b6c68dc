//! Step 01: one message, one answer.
//!
//! This file is the command line, and nothing else. The lesson is in `server.rs` and `client.rs`.
//! `clap` reads the command line into the types below; their comments are what `--help` prints.

use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;

// ANCHOR: modules
use clap::{Parser, Subcommand};

mod advice;
mod client;
mod server;
// ANCHOR_END: modules

/// Where the server listens and the client connects, if no address is given.
const DEFAULT_ADDR: &str = "127.0.0.1:9001";

/// Step 01: one message, one answer
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Wait for one client, send its message back, and exit
    Server {
        /// Address to listen on; port 0 takes any free port
        #[arg(default_value = DEFAULT_ADDR)]
        addr: String,
    },
    /// Send one message, and print the answer
    Client {
        /// Address of the server
        #[arg(default_value = DEFAULT_ADDR)]
        addr: String,
        /// The message
        #[arg(default_value = "hello")]
        message: String,
    },
}

fn main() -> ExitCode {
    let (addr, result) = match Cli::parse().role {
        // ANCHOR: bind
        Role::Server { addr } => {
            let result = TcpListener::bind(&addr).and_then(server::run);
            (addr, result)
        }
        // ANCHOR_END: bind
        // ANCHOR: connect
        Role::Client { addr, message } => {
            let result = TcpStream::connect(&addr).and_then(|stream| client::run(stream, &message));
            (addr, result)
        } // ANCHOR_END: connect
    };
    // ANCHOR: result
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => advice::report(&addr, &error),
    }
    // ANCHOR_END: result
}
