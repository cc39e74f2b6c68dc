//! Step 07: a header in JSON, and files of any size.
//!
//! This file is the command line, and nothing else. The lesson is in `header.rs` and `message.rs`, then
//! in `body.rs`, and then in `download.rs`. `examples/commands` and `examples/files` are its first two
//! parts.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};

mod accept;
mod advice;
mod body;
mod client;
mod command;
mod download;
mod filename;
mod files;
mod frame;
mod guard;
mod hash;
mod header;
mod input;
mod loopback;
mod message;
mod problem;
mod server;
mod shell;

/// Where the server listens and the client connects, if no address is given.
const DEFAULT_ADDR: &str = "127.0.0.1:9007";

/// Step 07: a header in JSON, and files of any size
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    role: Role,
}

#[derive(Subcommand)]
enum Role {
    /// Run the commands of one client after another, and send the files that they ask for
    Server {
        /// Address to listen on; port 0 takes any free port
        #[arg(default_value = DEFAULT_ADDR)]
        addr: String,
        /// Listen where others can connect; they can then run any command here, as you, and read the files below --root
        #[arg(long)]
        allow_remote: bool,
        /// Folder whose files can be downloaded
        #[arg(long, value_name = "DIR", default_value = ".")]
        root: PathBuf,
        /// Stop a command after this many seconds; fractions are allowed
        #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
        timeout: Duration,
    },
    /// Send each line of the input: `get FILE` downloads a file, anything else is a command
    Client {
        /// Address of the server
        #[arg(default_value = DEFAULT_ADDR)]
        addr: String,
        /// Folder for downloads; it is created if it does not exist
        #[arg(long, value_name = "DIR", default_value = ".")]
        dir: PathBuf,
        /// Overwrite existing files without asking
        #[arg(long)]
        force: bool,
        /// Refuse files that are larger
        #[arg(long, value_name = "MIB", default_value_t = 4096)]
        max_size: u32,
        /// Give up when nothing has arrived for this many seconds; fractions are allowed
        #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
        idle_timeout: Duration,
    },
}

fn main() -> ExitCode {
    let (subject, result) = match Cli::parse().role {
        Role::Server { addr, allow_remote, root, timeout } => match files::Root::new(&root) {
            Ok(root) => {
                let result = loopback::bind(&addr, allow_remote)
                    .and_then(|listener| server::run(listener, &root, timeout));
                (addr, result.map(|()| ExitCode::SUCCESS))
            }
            Err(error) => (root.display().to_string(), Err(error)),
        },
        Role::Client { addr, dir, force, max_size, idle_timeout } => {
            let downloads = download::Downloads { folder: dir, force, max_mib: max_size };
            let result = TcpStream::connect(&addr)
                .and_then(|stream| client::run(stream, &downloads, idle_timeout));
            (addr, result)
        }
    };
    result.unwrap_or_else(|error| advice::report(&subject, &error))
}

/// Parses a time in seconds, which must be greater than zero.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds
        .filter(|seconds| !seconds.is_zero())
        .ok_or_else(|| "expected a number of seconds above 0".to_owned())
}
