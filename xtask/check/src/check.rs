//! `cargo xtask check`: judges a learner's own program, in whatever language, and says why.
//!
//! ```text
//! cargo xtask check 03 -- python3 my_server.py {addr}
//! cargo xtask check 03 --addr 127.0.0.1:9003
//! cargo xtask check 03 --client -- python3 my_client.py {addr}
//! ```

mod class;
mod report;

use std::env::consts::EXE_SUFFIX;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use conformance::check::{
    self, Check, CommandLine, Exam, FreePorts, Outcome, Promises, Protocol, Server, Side, Subject,
    Way,
};
use conformance::proxy::Cut;

use crate::root::{self, Step};
use crate::{cargo, tap};
use class::Class;
use report::Report;

/// The exit code when nothing could be judged.
const COULD_NOT_RUN: u8 = 2;

/// What can be chosen on the command line.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask check 03 -- python3 my_server.py {addr}
  cargo xtask check 03 -- ncat -l -k 127.0.0.1 {port} --sh-exec 'python3 upper.py'
  cargo xtask check 03 --addr 127.0.0.1:9003
  cargo xtask check 03 --client -- python3 my_client.py {addr}
  cargo xtask check 03 --list
  cargo xtask check --class class.toml

The program is started anew for each check. {addr} in its command line is replaced by a free address, another \
one each time, and {port} by its port alone: use it if you can. Otherwise the server must listen where its \
arguments or --addr say (HOST:PORT), or at the step's usual address, 127.0.0.1:900N. It need not print anything.

Exit code: 0 if no check failed, 1 if one did, 2 if the program could not be checked.")]
#[expect(clippy::struct_excessive_bools, reason = "each is an option of the command line")]
pub struct Options {
    /// The step whose promises count, by its number or its name
    #[arg(value_name = "STEP", required_unless_present = "class")]
    step: Option<String>,
    /// The program and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
    /// Judge a client: it gets the address where {addr} stands, or as its last argument
    #[arg(long, conflicts_with = "addr")]
    client: bool,
    /// Where the server listens; without a command, where it runs already
    #[arg(long, value_name = "HOST:PORT")]
    addr: Option<String>,
    /// Let --addr be on another computer
    #[arg(long)]
    allow_remote: bool,
    /// Ask this, and nothing else; can be given more than once
    #[arg(long, value_name = "CHECK")]
    only: Vec<String>,
    /// List the checks, and why each matters
    #[arg(long)]
    list: bool,
    /// Print an object in JSON for each check, on a line of its own, and one for the whole
    #[arg(long)]
    json: bool,
    /// Cut the stream after every N bytes, or at random
    #[arg(long, value_name = "N|random")]
    cut: Option<String>,
    /// Repeat the random cuts of another run
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// How many seconds an answer may take
    #[arg(long, value_name = "SECONDS", default_value_t = 5.0)]
    deadline: f64,
    /// Judge all programs that FILE names, side by side
    #[arg(long, value_name = "FILE", conflicts_with_all = ["step", "command", "addr", "client", "list"])]
    class: Option<PathBuf>,
    /// How many programs of a class are judged at once [default: the number of cores]
    #[arg(long, value_name = "N", requires = "class")]
    jobs: Option<usize>,
    /// How many seconds a program of a class may take in all
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, requires = "class")]
    limit: f64,
    /// Print the table of a class as CSV
    #[arg(long, requires = "class", conflicts_with = "json")]
    csv: bool,
    /// Take the step's own program as it is: the class has built it
    #[arg(long, hide = true)]
    member: bool,
}

/// Judges a program, and says how it went by the exit code.
pub fn run(root: &Path, options: &Options) -> ExitCode {
    match examine(root, options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Whoever has read enough (`| head`) needs to be told nothing more.
            if !is_unread(&error) {
                eprintln!("error: {error:#}");
            }
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

/// Whether the error is that nobody reads our output any more.
fn is_unread(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Whether no check has failed; an error if the program could not be checked.
fn examine(root: &Path, options: &Options) -> Result<bool> {
    if let Some(file) = &options.class {
        return examine_class(root, file, options);
    }
    let step = root::find_step(root, options.step.as_deref().unwrap_or_default())?;
    let promises = Promises::read(&step.dir(root))?;
    let side = if options.client { Side::Client } else { Side::Server };
    let only = options.only.iter().map(|name| find_check(name)).collect::<Result<Vec<_>>>()?;
    if options.list {
        let side = if options.client || !options.command.is_empty() { side } else { Side::Both };
        return list(&promises, side, options.json).map(|()| true);
    }

    let what = Program::of(options, &promises)?;
    let executable = own_program(&step)?;
    let mut subject = Subject::of_step(promises.number, &executable.to_string_lossy());
    subject.judged = side;
    let needed = subject.protocol == Protocol::Shell || side == Side::Client;
    if needed && !options.member {
        build(root, &step)?;
    }
    subject.deadline = seconds("--deadline", options.deadline)?;
    let name = what.to_string();
    match what {
        Program::Client(line) => subject.client = Box::new(move |addr| line.client(addr)),
        Program::Running(addr) => subject.server = Server::Running(addr),
        Program::Server(line, None) => {
            let ports = FreePorts::claim()?;
            subject.server = Server::Told(Box::new(move || {
                let addr = ports.next()?;
                Ok((line.command(addr), addr))
            }));
        }
        Program::Server(line, Some(addr)) => {
            subject.server = Server::Told(Box::new(move || {
                check::wait_until_free(addr)?;
                Ok((line.command(addr), addr))
            }));
        }
    }
    let ways = match cut(options)? {
        Some(cut) => vec![Way { cut: Some(cut), delay: Duration::ZERO }],
        None => Way::usual(subject.protocol, side).to_vec(),
    };
    put_all(Exam { subject, promises, ways, only, is_able: false }, &name, options.json)
}

/// Whether no check has failed for any program.
fn examine_class(root: &Path, file: &Path, options: &Options) -> Result<bool> {
    let class = Class::read(file)?;
    // What the judges would all refuse is said once.
    options.only.iter().try_for_each(|name| find_check(name).map(drop))?;
    seconds("--deadline", options.deadline)?;
    cut(options)?;
    let step = root::find_step(root, &class.step.to_string())?;
    if class.client || Protocol::of_step(class.step) == Protocol::Shell {
        build(root, &step)?;
    }
    class.judge(file, options)
}

/// What is to be judged.
enum Program {
    /// A server, which listens here, or anywhere.
    Server(CommandLine, Option<SocketAddr>),
    Client(CommandLine),
    Running(SocketAddr),
}

impl Program {
    fn of(options: &Options, promises: &Promises) -> Result<Self> {
        let told = options.addr.as_deref();
        let told = told.map(|addr| one_address(addr, options.allow_remote)).transpose()?;
        let Some(line) = CommandLine::new(options.command.clone()) else {
            return told.map(Self::Running).context(
                "say what to check: its command behind `--`, or --addr HOST:PORT if it runs already",
            );
        };
        if options.client {
            return Ok(Self::Client(line));
        }
        if line.takes_any_addr() && told.is_none() {
            return Ok(Self::Server(line, None));
        }
        let usual = SocketAddr::from(([127, 0, 0, 1], 9000 + u16::from(promises.number)));
        let addr = told.or_else(|| line.addr()).unwrap_or(usual);
        if !addr.ip().is_loopback() {
            bail!("{addr}: a program that is started here must listen on this computer");
        }
        if check::is_taken(addr).with_context(|| addr.to_string())? {
            bail!(
                "{addr}: something listens there already; stop it, or write {{addr}} in the command \
                 for a free address, or check what runs there with --addr {addr} and no command"
            );
        }
        Ok(Self::Server(line, Some(addr)))
    }
}

impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Server(line, Some(addr)) => write!(f, "the server `{line}` at {addr}"),
            Self::Server(line, None) => write!(f, "the server `{line}`"),
            Self::Client(line) => write!(f, "the client `{line}`"),
            Self::Running(addr) => write!(f, "the server that runs at {addr}"),
        }
    }
}

/// Puts every check, and tells of each as soon as it is judged.
fn put_all(mut exam: Exam, program: &str, json: bool) -> Result<bool> {
    let checks = exam.checks();
    if checks.is_empty() {
        bail!("there is nothing to ask: see --list for the checks that mean something here");
    }
    let mut report = Report::new(&exam.promises, program, &checks, json)?;
    for check in checks {
        report.begin(check)?;
        let outcome = exam.put(check);
        if let Outcome::Unable(failure) = outcome {
            report.break_off()?;
            bail!("{}", report::in_full(&failure));
        }
        report.tell(check, &outcome)?;
    }
    report.end()
}

/// The checks of a step, and why each matters.
fn list(promises: &Promises, side: Side, json: bool) -> Result<()> {
    let mut stdout = io::stdout();
    let protocol = Subject::of_step(promises.number, "").protocol;
    let all = check::CHECKS.iter().chain(check::EXERCISES);
    for check in all.filter(|it| it.concerns(side) && it.speaks(protocol)) {
        if json {
            writeln!(stdout, "{}", report::listed(check, promises))?;
        } else {
            let whose = report::whose(check);
            let kept = promises.promise(check.name) == Some(check::Promise::Kept);
            let note = if kept { "" } else { ", not kept by this step" };
            writeln!(stdout, "{} ({whose}{note})\n    {}", check.name, check.why)?;
        }
    }
    Ok(())
}

fn find_check(name: &str) -> Result<&'static Check> {
    check::check(name).with_context(|| format!("there is no check `{name}`: see --list"))
}

/// Where the step's own program is, which is the other side of what is judged.
fn own_program(step: &Step) -> Result<PathBuf> {
    Ok(root::target()?.profile.join(format!("{}{EXE_SUFFIX}", step.package)))
}

fn build(root: &Path, step: &Step) -> Result<()> {
    let target = root::target()?;
    let mut command: Command = cargo::command(root);
    command.args(["build", "--quiet", "--package", &step.package, "--target-dir"]);
    command.arg(&target.dir);
    if target.profile.ends_with("release") {
        command.arg("--release");
    }
    let output = cargo::run(command)?;
    if !output.success {
        bail!("{} does not build\n{}", step.package, output.text);
    }
    Ok(())
}

fn one_address(addr: &str, allow_remote: bool) -> Result<SocketAddr> {
    let addrs = tap::addresses("--addr", addr, allow_remote)?;
    addrs.first().copied().with_context(|| format!("--addr {addr}: there is no such address"))
}

/// The time that an option says.
fn seconds(option: &str, seconds: f64) -> Result<Duration> {
    let time = Duration::try_from_secs_f64(seconds).ok().filter(|time| !time.is_zero());
    time.with_context(|| format!("{option} takes a number of seconds, such as 5"))
}

fn cut(options: &Options) -> Result<Option<Cut>> {
    if options.cut.is_none() && options.seed.is_none() {
        return Ok(None);
    }
    tap::cut(options.cut.as_deref(), options.seed).map(Some)
}
