//! `cargo xtask check`: judges a learner's own program, in whatever language, and reports why.
//!
//! ```text
//! cargo xtask check 03 -- python3 my_server.py ADDR
//! cargo xtask check 03 --addr 127.0.0.1:9003
//! cargo xtask check 03 --client -- python3 my_client.py ADDR
//! ```

mod class;
mod feedback;
mod options;
mod report;
mod slips;

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
use conformance::contract;
use conformance::proxy::Cut;
use conformance::{printable_lines, text};
use workspace::cargo;
use workspace::root::{self, Step};

use self::class::Class;
pub use self::options::Options;
use self::report::Report;
pub use self::slips::{missing_dashes, python_here};
use crate::tap;

/// The exit code when nothing could be judged.
const COULD_NOT_RUN: u8 = 2;

/// Judges a program, and returns the result as an exit code.
pub fn run(root: &Path, options: &Options) -> ExitCode {
    match examine(root, options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // A reader that has read enough (`| head`) needs no further message.
            if !is_unread(&error) {
                let error = printable_lines(&format!("{error:#}"));
                let _ = writeln!(io::stderr(), "error: {error}"); // stderr may be closed
            }
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

/// Whether the error is that our output has no reader any more.
fn is_unread(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// Whether no check has failed; an error if the program could not be checked.
fn examine(root: &Path, options: &Options) -> Result<bool> {
    conformance::become_judge();
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

    if options.contract {
        return print_contract(promises.number, side).map(|()| true);
    }
    if options.client && options.addr.is_some() {
        bail!(text!("check.client-with-addr"));
    }
    let mut options = options.clone();
    options.command = slips::with_python(options.command);
    let options = &options;
    if let Some(slip) = slips::slip(options) {
        bail!(slip);
    }
    let what = Program::of(options, &promises)?;
    let executable = own_program(&step)?;
    let mut subject = Subject::of_step(promises.number, &executable.to_string_lossy());
    subject.judged = side;
    let needed = subject.protocol == Protocol::Shell || side == Side::Client;
    if needed && !options.member {
        build(root, &step)?;
    }
    subject.deadline = options.deadline()?;
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
    put_all(Exam::new(subject, promises, ways, only), &name, options)
}

/// Whether no check has failed for any program.
fn examine_class(root: &Path, file: &Path, options: &Options) -> Result<bool> {
    let class = Class::read(file)?;
    // What the judges would all refuse is reported once.
    options.only.iter().try_for_each(|name| find_check(name).map(drop))?;
    options.deadline()?;
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
            return told.map(Self::Running).with_context(|| text!("check.no-program"));
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
            bail!(text!("check.elsewhere", addr));
        }
        if check::is_taken(addr).with_context(|| addr.to_string())? {
            bail!(text!("check.taken", addr));
        }
        Ok(Self::Server(line, Some(addr)))
    }
}

impl std::fmt::Display for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Server(line, Some(addr)) => {
                f.write_str(&text!("report.program.server-at", line, addr))
            }
            Self::Server(line, None) => f.write_str(&text!("report.program.server", line)),
            Self::Client(line) => f.write_str(&text!("report.program.client", line)),
            Self::Running(addr) => f.write_str(&text!("report.program.running", addr)),
        }
    }
}

/// Puts every check, and reports each as soon as it is judged.
fn put_all(mut exam: Exam, program: &str, options: &Options) -> Result<bool> {
    let checks = exam.checks();
    if checks.is_empty() {
        bail!(text!("check.nothing-to-ask"));
    }
    let mut report = Report::new(&exam.promises, program, &checks, options.json)?;
    for check in checks {
        report.begin(check)?;
        let outcome = exam.put(check);
        if let Outcome::Unable(failure) = outcome {
            report.break_off()?;
            bail!("{}", report::in_full(&failure));
        }
        report.tell(check, &outcome)?;
        if options.fail_fast && matches!(outcome, Outcome::Failed(_)) {
            break;
        }
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
            let note = if kept { String::new() } else { text!("report.not-kept") };
            writeln!(stdout, "{} ({whose}{note})\n    {}", check.name, check.why())?;
        }
    }
    Ok(())
}

/// What a program must do to be judged by this step's checks.
fn print_contract(step: u8, side: Side) -> Result<()> {
    let number = format!("{step:02}");
    let contract =
        contract::contract(step, side).with_context(|| text!("check.no-contract", number))?;
    let title = if side == Side::Client {
        text!("contract.client", number)
    } else {
        text!("contract.server", number)
    };
    Ok(writeln!(io::stdout(), "{title}\n\n{contract}")?)
}

fn find_check(name: &str) -> Result<&'static Check> {
    check::check(name).with_context(|| text!("check.unknown", name))
}

/// Where the step's own program is, which is the other side of what is judged.
fn own_program(step: &Step) -> Result<PathBuf> {
    Ok(root::target()?.program(&step.package))
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
        let (package, output) = (&step.package, output.text);
        bail!(text!("check.step-does-not-build", package, output));
    }
    Ok(())
}

fn one_address(addr: &str, allow_remote: bool) -> Result<SocketAddr> {
    let addrs = tap::addresses("--addr", addr, allow_remote)?;
    addrs.first().copied().with_context(|| text!("check.no-address", addr))
}

fn cut(options: &Options) -> Result<Option<Cut>> {
    if options.cut.is_none() && options.seed.is_none() {
        return Ok(None);
    }
    tap::cut(options.cut.as_deref(), options.seed).map(Some)
}
