//! What can be chosen on the command line of `cargo xtask check`.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use conformance::text;

/// What can be chosen on the command line.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask check 03 -- python3 my_server.py ADDR
  cargo xtask check 03 -- ncat -l -k 127.0.0.1 PORT --sh-exec \"python3 upper.py\"
  cargo xtask check 03 --addr 127.0.0.1:9003
  cargo xtask check 03 --client -- python3 my_client.py ADDR
  cargo xtask check 03 --list
  cargo xtask check 07 --contract
  cargo xtask check --class class.toml

The program is started again for each check. ADDR in its command line is replaced by a free address, a \
different one each time, and PORT by the port alone: use one of them if you can. Otherwise the server must \
listen at the address in its arguments or in --addr (HOST:PORT), or at the step's usual address, \
127.0.0.1:900N. It need not print anything.

Exit code: 0 if no check failed, 1 if one did, 2 if the program could not be checked.")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub struct Options {
    /// Step whose promises are checked, by its number or its name
    #[arg(value_name = "STEP", required_unless_present = "class")]
    pub step: Option<String>,
    /// Program and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
    /// Check a client: it gets the address in place of ADDR, or as its last argument
    #[arg(long)]
    pub client: bool,
    /// Address of the server, which runs already if no command is given
    #[arg(long, value_name = "HOST:PORT")]
    pub addr: Option<String>,
    /// Permit --addr to be on another computer
    #[arg(long)]
    pub allow_remote: bool,
    /// Run this check only; can be given more than once
    #[arg(long, value_name = "CHECK")]
    pub only: Vec<String>,
    /// Stop at the first check that fails
    #[arg(long)]
    pub fail_fast: bool,
    /// List the checks, and why each matters
    #[arg(long)]
    pub list: bool,
    /// Print how the program is started, what it reads and prints, and its protocol
    #[arg(long, conflicts_with_all = ["list", "command", "addr"])]
    pub contract: bool,
    /// Print a line of JSON for each check, and one for the whole
    #[arg(long)]
    pub json: bool,
    /// Cut the stream after every N bytes, or at random
    #[arg(long, value_name = "N|random")]
    pub cut: Option<String>,
    /// Repeat the random cuts of another run
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// Wait this many seconds for an answer
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    deadline: f64,
    /// Check all programs that FILE lists, side by side
    #[arg(long, value_name = "FILE", conflicts_with_all = ["step", "command", "addr", "client", "list", "contract"])]
    pub class: Option<PathBuf>,
    /// Check this many programs of a class at once [default: the number of cores]
    #[arg(long, value_name = "N", requires = "class")]
    pub jobs: Option<usize>,
    /// Give each program of a class this many seconds in all
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, requires = "class")]
    limit: f64,
    /// Print the table of a class as CSV
    #[arg(long, requires = "class", conflicts_with = "json")]
    pub csv: bool,
    /// Begin the CSV with a byte-order mark, without which some spreadsheets misread letters such as ü
    #[arg(long, requires = "csv")]
    pub bom: bool,
    /// Write a file for each program of a class into FOLDER: the result of each check, and why
    #[arg(long, value_name = "FOLDER", requires = "class")]
    pub feedback: Option<PathBuf>,
    /// Take the step's own program as it is: the class has built it
    #[arg(long, hide = true)]
    pub member: bool,
}

impl Options {
    /// How long an answer may take.
    pub fn deadline(&self) -> Result<Duration> {
        seconds("--deadline", self.deadline)
    }

    /// How long a program of a class may take in all.
    pub fn limit(&self) -> Result<Duration> {
        seconds("--limit", self.limit)
    }
}

/// The longest time that an option may state. A much longer one is past the end of the system's clock.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// Returns the time that an option states.
fn seconds(option: &str, seconds: f64) -> Result<Duration> {
    let time = Duration::try_from_secs_f64(seconds)
        .ok()
        .filter(|time| !time.is_zero() && *time <= LONGEST);
    time.with_context(|| text!("check.no-seconds", option))
}
