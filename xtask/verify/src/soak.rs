//! `cargo xtask soak`: all servers at once, with clients of all sorts, for as long as one likes.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use conformance::check;
use conformance::soak::{self, Report, Server};
use workspace::root::{self, Target};

use crate::programs::TestPrograms;

/// The steps whose servers talk to clients in a protocol with answers.
const NUMBERS: [u8; 9] = [1, 2, 3, 4, 6, 7, 8, 9, 10];

/// What can be chosen on the command line.
#[derive(clap::Args)]
pub struct Options {
    /// Run for this many minutes
    #[arg(long, value_name = "N", default_value = "1")]
    minutes: u64,
    /// Run for this many seconds
    #[arg(long, value_name = "N", conflicts_with = "minutes")]
    seconds: Option<u64>,
    /// Repeat what the clients of an earlier soak did
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
}

/// Soaks all servers; returns whether nothing went wrong.
pub fn run(root: &Path, options: &Options) -> Result<bool> {
    let target = root::target()?;
    let seed = options.seed.unwrap_or_else(seed_of_now);
    let seconds = options.seconds.unwrap_or(options.minutes * 60);
    println!("{seconds} s, --seed {seed}");
    TestPrograms::build(root, &target, false)?;
    let report = soak(root, &target, Duration::from_secs(seconds), seed)?;
    for line in report.lines.iter().chain(&report.failures) {
        println!("{line}");
    }
    let failed = report.failures.len();
    println!("{} of {} servers failed", failed, failed + report.lines.len());
    Ok(failed == 0)
}

/// Soaks the servers, which must have been built.
pub fn soak(root: &Path, target: &Target, duration: Duration, seed: u64) -> Result<Report> {
    let mut servers = Vec::new();
    let folder = tempfile::tempdir().context("cannot make a folder for the servers")?;
    for number in NUMBERS {
        let step = root::find_step(root, &number.to_string())?;
        let program = target.program(&step.package);
        // What one of them might write goes away with its folder.
        let folder = folder.path().to_path_buf();
        let command = move || {
            let mut command = Command::new(&program);
            command.args(["server", "127.0.0.1:0"]).args(check::server_options(number));
            command.current_dir(&folder);
            command
        };
        servers.push(Server { name: step.name, number, command: Box::new(command) });
    }
    Ok(soak::run(servers, duration, seed))
}

/// Another seed each time; it is printed, so that a failure can be repeated.
pub fn seed_of_now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs() ^ u64::from(now.subsec_nanos()) << 32
}
