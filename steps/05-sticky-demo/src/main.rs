//! Step 05: what a byte stream does to messages.
//!
//! This file is the command line, and nothing else. The lesson is in `stream.rs`; then come
//! `race.rs` and `datagram.rs`. `server.rs` and `client.rs` do it between two terminals.

use std::net::{TcpListener, TcpStream};
use std::process::ExitCode;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand};

use crate::stream::Plan;

mod accept;
mod advice;
mod client;
mod datagram;
mod input;
mod race;
mod server;
mod stream;
mod table;

/// Where the server listens and the client connects, if no address is given.
const DEFAULT_ADDR: &str = "127.0.0.1:9005";

/// The most messages in one run.
const MAX_MESSAGES: u64 = 100;
/// The longest message, in bytes. `MAX_MESSAGES` of these fit into every system's receive buffer.
const MAX_MESSAGE_LEN: u64 = 100;
/// The most room for one read, in bytes.
const MAX_READ_LEN: u64 = 65_536;
/// The most rounds of a race.
const MAX_ROUNDS: u64 = 100_000;

/// Step 05: what a byte stream does to messages
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    demo: Demo,
}

#[derive(Subcommand)]
enum Demo {
    /// Several writes, one read
    Merge(Sizes),
    /// One write, several reads
    Split {
        /// Length of the message, in bytes
        #[arg(long, default_value = "16", value_parser = up_to(MAX_MESSAGE_LEN))]
        size: usize,
        /// Room for each read, in bytes
        #[arg(long, default_value = "6", value_parser = up_to(MAX_READ_LEN))]
        read: usize,
    },
    /// Messages against a reader that reads as fast as it can: how often do they merge?
    Race {
        /// How many rounds to run
        #[arg(long, default_value = "1000", value_parser = up_to(MAX_ROUNDS))]
        rounds: usize,
        /// Switch Nagle's algorithm off: each write leaves at once
        #[arg(long)]
        nodelay: bool,
        #[command(flatten)]
        sizes: Sizes,
    },
    /// Datagrams: their boundaries, and their limits
    Udp(Sizes),
    /// Serve one client after another, and show each read
    Server {
        /// Address to listen on; port 0 takes any free port
        #[arg(default_value = DEFAULT_ADDR)]
        addr: String,
        /// Room for each read, in bytes
        #[arg(long, default_value = "1024", value_parser = up_to(MAX_READ_LEN))]
        read: usize,
    },
    /// Send each line of the input in a write of its own, and wait for nothing
    Client {
        /// Address of the server
        #[arg(default_value = DEFAULT_ADDR)]
        addr: String,
    },
}

#[derive(Args)]
struct Sizes {
    /// How many messages to send
    #[arg(long, default_value = "3", value_parser = up_to(MAX_MESSAGES))]
    messages: usize,
    /// Length of each message, in bytes
    #[arg(long, default_value = "5", value_parser = up_to(MAX_MESSAGE_LEN))]
    size: usize,
    /// Room for each read, in bytes
    #[arg(long, default_value = "1024", value_parser = up_to(MAX_READ_LEN))]
    read: usize,
}

/// A number from 1 to `max`.
fn up_to(max: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=max)
}

impl From<Sizes> for Plan {
    fn from(Sizes { messages, size, read }: Sizes) -> Self {
        Self { messages, message_len: size, read_len: read }
    }
}

fn main() -> ExitCode {
    let (subject, result) = match Cli::parse().demo {
        Demo::Merge(sizes) => ("merge".to_owned(), stream::run(sizes.into())),
        Demo::Split { size, read } => {
            let plan = Plan { messages: 1, message_len: size, read_len: read };
            ("split".to_owned(), stream::run(plan))
        }
        Demo::Race { rounds, nodelay, sizes } => {
            ("race".to_owned(), race::run(sizes.into(), rounds, nodelay))
        }
        Demo::Udp(sizes) => ("udp".to_owned(), datagram::run(sizes.into())),
        Demo::Server { addr, read } => {
            let result = TcpListener::bind(&addr).and_then(|listener| server::run(listener, read));
            (addr, result)
        }
        Demo::Client { addr } => {
            let result = TcpStream::connect(&addr).and_then(client::run);
            (addr, result)
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => advice::report(&subject, &error),
    }
}
