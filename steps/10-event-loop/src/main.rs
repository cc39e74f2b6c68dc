//! Step 10: the same room on one thread: an event loop.
//!
//! This file is the command line, and the three ways to stop the server. The lesson is in
//! `server.rs` and `member.rs`.

use std::io;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use client::ChatClient;
use log::Log;
use server::{ChatServer, Limits};

mod accept;
mod advice;
mod client;
mod console;
mod editor;
mod input;
mod line;
mod log;
mod member;
mod rate;
mod server;

/// Where the server listens and the client connects, if no address is given.
const DEFAULT_ADDR: &str = "127.0.0.1:9010";

/// How many clients can be in the room, unless another number is given.
const DEFAULT_MAX_CLIENTS: usize = 4096;

/// How many lines per second a client may say, unless another number is given: far more than a person
/// types, and few enough to read.
const DEFAULT_RATE: u32 = 10;

/// Step 10: the same room on one thread: an event loop
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Pass each line on to every client; type `quit` to stop, `kick ADDR` to remove a client, anything else
    /// to list who is online
    Server {
        /// Address to listen on; port 0 takes any free port
        #[arg(default_value = DEFAULT_ADDR)]
        addr: String,
        /// Turn clients away while this many are in the room
        #[arg(long, value_name = "N", default_value_t = DEFAULT_MAX_CLIENTS)]
        max_clients: usize,
        /// Read this many lines per second from each client, after a burst of 50; 0 means any number
        #[arg(long, value_name = "LINES", default_value_t = DEFAULT_RATE)]
        rate: u32,
    },
    /// Send each line of the input, and print what every client says; `quit` leaves
    Client {
        /// Address of the server
        #[arg(default_value = DEFAULT_ADDR)]
        addr: String,
    },
}

fn main() -> ExitCode {
    let (addr, result) = match Cli::parse().role {
        Role::Server { addr, max_clients, rate } => {
            let result = serve(&addr, Limits { max_clients, rate });
            (addr, result)
        }
        Role::Client { addr } => {
            let talk = if editor::is_possible() { editor::talk } else { client::talk };
            let result = ChatClient::connect(&addr).and_then(|client| client.run(talk));
            (addr, result)
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => advice::report(&addr, &error),
    }
}

// ANCHOR: serve
/// Runs the room until it is stopped: by `quit` at the console, by Ctrl-C, or by the system, which
/// asks programs to end before it shuts down.
fn serve(addr: &str, limits: Limits) -> io::Result<()> {
    let _log = Log::start()?;
    let server = ChatServer::bind(addr, limits)?;
    let handle = server.handle();
    ctrlc::set_handler(move || handle.stop()).map_err(io::Error::other)?;
    console::start(server.local_addr()?, server.handle())?;
    server.run()
}
// ANCHOR_END: serve
