//! Step 08: a chat room, in functions.
//!
//! This file is the command line, and nothing else. The lesson is in `server.rs`.

use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod accept;
mod advice;
mod client;
mod input;
mod line;
mod server;

/// Where the server listens, and the client connects to, unless another address is given.
const DEFAULT_ADDR: &str = "127.0.0.1:9008";

/// How many clients can be online, unless another number is given.
const DEFAULT_MAX_CLIENTS: usize = 4096;

/// Step 08: a chat room, in functions
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Pass on each line to every client; type `quit` to stop, anything else to see who is online
    Server {
        /// Address to listen on; port 0 takes any free port
        #[arg(default_value = DEFAULT_ADDR)]
        addr: String,
        /// Turn clients away while this many are online
        #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_CLIENTS)]
        max_clients: usize,
    },
    /// Send each line of the input, and print the lines of all clients; `quit` leaves
    Client {
        /// Address of the server
        #[arg(default_value = DEFAULT_ADDR)]
        addr: String,
    },
}

fn main() -> ExitCode {
    let (addr, result) = match Cli::parse().role {
        Role::Server { addr, max_clients } => {
            let result =
                TcpListener::bind(&addr).and_then(|listener| server::run(listener, max_clients));
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
