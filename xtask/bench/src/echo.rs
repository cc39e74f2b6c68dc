//! `cargo xtask bench echo`: round trips of one short message after another, side by side.

// Counts are far below 2^52, where a float would begin to lose any.
#![allow(clippy::cast_precision_loss)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use conformance::check::FreePorts;
use workspace::measured::{Group, Row};
use workspace::{root, stats};

use crate::contender::{build_step, is_installed};
use crate::report::{self, progress};

/// The step that the others are compared with.
const REFERENCE: &str = "step 03";

/// The message. All contenders send it back, some in upper case.
const MESSAGE: &[u8] = b"all work and no play, said jack\n";

/// How long a contender is measured in each round.
const ROUND: Duration = Duration::from_secs(1);

/// Round trips that are not counted: the first ones are slower.
const WARM_UP: usize = 100;

/// The longest wait until a server accepts a connection, and until it answers.
const DEADLINE: Duration = Duration::from_secs(20);

/// The time between two attempts to connect. A server's output is discarded, so it cannot report that it listens.
const ATTEMPT: Duration = Duration::from_millis(20);

/// The options of the command line.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    report: report::Reporting,
}

/// A server that sends back what arrives.
struct Contender {
    name: String,
    /// Its command line, for an address; `None` is the bare pair of sockets in this process.
    command: Option<Box<dyn Fn(SocketAddr) -> Command>>,
}

/// A program that is killed when this is dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // This fails if it has ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Measures and prints, and returns whether every round could be measured.
pub fn run(root: &Path, options: &Options) -> Result<bool> {
    progress("building")?;
    let (contenders, missing) = find(root, &root::target()?)?;
    let mut report = report::begin(missing);
    report.groups = measure(&contenders, options.report.rounds)?;
    report.notes = [
        "One client sends 32 bytes, waits until they return, and sends them again, for a second.",
        "The limit is a thread that reads and writes, with nothing else to do. Steps 02 and 03 print a",
        "line about each message, their twins in Python do not.",
    ]
    .map(str::to_owned)
    .to_vec();
    report::finish(&report, root, "echo", options.report.json, options.report.record)
}

fn find(root: &Path, target: &root::Target) -> Result<(Vec<Contender>, Vec<String>)> {
    let (mut found, mut missing) = (Vec::new(), Vec::new());
    let mut add = |name: &str, command: Box<dyn Fn(SocketAddr) -> Command>| {
        found.push(Contender { name: name.to_owned(), command: Some(command) });
    };
    for number in ["02", "03"] {
        let step = root::find_step(root, number)?;
        let program = build_step(root, target, &step)?;
        let command = move |addr: SocketAddr| {
            let mut command = Command::new(&program);
            command.args(["server", &addr.to_string()]);
            command
        };
        add(&format!("step {number}"), Box::new(command));
        if conformance::python().is_none() {
            missing.push(format!("python {number}: no Python 3 was found"));
            continue;
        }
        let script = step.dir(root).join("python/server.py");
        let command = move |addr: SocketAddr| {
            let mut command = conformance::python().expect("it was found before");
            command.arg(&script).arg(addr.to_string());
            command
        };
        add(&format!("python {number}"), Box::new(command));
    }
    if is_installed("socat", "-V") {
        add("socat PIPE", Box::new(socat));
    } else {
        missing.push("socat: not found; install the package socat".to_owned());
    }
    if is_installed("ncat", "--version") {
        add("ncat --exec cat", Box::new(ncat));
    } else {
        missing.push("ncat: not found; install the package ncat".to_owned());
    }
    found.push(Contender { name: "limit: bare sockets".to_owned(), command: None });
    Ok((found, missing))
}

fn socat(addr: SocketAddr) -> Command {
    let mut command = Command::new("socat");
    command.arg(format!("TCP-LISTEN:{},bind={},nodelay", addr.port(), addr.ip())).arg("PIPE");
    command
}

fn ncat(addr: SocketAddr) -> Command {
    let mut command = Command::new("ncat");
    command.args(["--listen", &addr.ip().to_string(), &addr.port().to_string()]);
    command.args(["--exec", "/bin/cat"]);
    command
}

fn measure(contenders: &[Contender], rounds: u16) -> Result<Vec<Group>> {
    let rows = || -> Vec<Row> {
        let row = |contender: &Contender| Row::new(&contender.name, contender.command.is_none());
        contenders.iter().map(row).collect()
    };
    let group = |title: &str, unit: &str, more_is_better| Group {
        title: title.to_owned(),
        unit: unit.to_owned(),
        more_is_better,
        reference: REFERENCE.to_owned(),
        rows: rows(),
    };
    let mut groups = vec![
        group("Round trips", "per second", true),
        group("Latency, median", "microseconds", false),
        group("Latency, 99th percentile", "microseconds", false),
    ];
    for round in 0..usize::from(rounds) {
        progress(&format!("round {} of {rounds}", round + 1))?;
        for turn in 0..contenders.len() {
            let index = (turn + round) % contenders.len(); // no contender is always the first
            match contenders[index].times() {
                Ok(times) => {
                    let rate = times.len() as f64 / times.iter().sum::<f64>();
                    let micros = |share| stats::quantile(&times, share) * 1e6;
                    let figures = [rate, micros(0.5), micros(0.99)];
                    for (group, figure) in groups.iter_mut().zip(figures) {
                        group.rows[index].figures.push(figure);
                    }
                }
                Err(error) => {
                    let failure = format!("round {}: {error:#}", round + 1);
                    groups[0].rows[index].failures.push(failure);
                }
            }
        }
    }
    Ok(groups)
}

impl Contender {
    /// The times of the round trips that fit into a round, in seconds.
    fn times(&self) -> Result<Vec<f64>> {
        let ports = FreePorts::claim()?; // not all of them take port 0
        let addr = ports.next()?;
        let Some(command) = &self.command else {
            let listener = TcpListener::bind(addr)?;
            thread::spawn(move || send_back(&listener));
            return round_trips(TcpStream::connect(addr)?, ROUND);
        };
        let child = command(addr)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", self.name))?;
        let _running = Running(child);
        round_trips(connect(addr)?, ROUND)
    }
}

/// Sends back what the first client sends, until it has left.
fn send_back(listener: &TcpListener) -> std::io::Result<()> {
    let (mut stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    let mut buffer = [0; 1024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            len => stream.write_all(&buffer[..len])?,
        }
    }
}

/// Connects as soon as the server listens. Some serve only one client, so this one is kept.
fn connect(addr: SocketAddr) -> Result<TcpStream> {
    let begin = Instant::now();
    loop {
        match TcpStream::connect(addr) {
            Ok(stream) => return Ok(stream),
            Err(error) if begin.elapsed() > DEADLINE => {
                return Err(error).context("it does not listen");
            }
            Err(_) => thread::sleep(ATTEMPT), // no event reports that it listens
        }
    }
}

fn round_trips(mut stream: TcpStream, time: Duration) -> Result<Vec<f64>> {
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let mut answer = vec![0; MESSAGE.len()];
    let mut trip = || -> Result<f64> {
        let begin = Instant::now();
        stream.write_all(MESSAGE)?;
        stream.read_exact(&mut answer)?;
        let seconds = begin.elapsed().as_secs_f64();
        let is_right = answer.eq_ignore_ascii_case(MESSAGE);
        ensure!(is_right, "`{}` returned", answer.escape_ascii());
        Ok(seconds)
    };
    for _ in 0..WARM_UP {
        trip()?;
    }
    let (begin, mut times) = (Instant::now(), Vec::new());
    while begin.elapsed() < time {
        times.push(trip()?);
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn bare_sockets_give_round_trips() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let server = thread::spawn(move || send_back(&listener));
        let times = round_trips(connect(addr).unwrap(), Duration::from_millis(50)).unwrap();
        assert!(!times.is_empty() && times.iter().all(|time| *time > 0.0));
        server.join().unwrap().unwrap();
    }

    #[test]
    fn an_answer_that_is_another_message_is_an_error() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let addr = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut message = vec![0; MESSAGE.len()];
            stream.read_exact(&mut message).unwrap();
            message[0] = b'*';
            stream.write_all(&message).unwrap();
        });
        let error = round_trips(connect(addr).unwrap(), ROUND).unwrap_err().to_string();
        assert!(error.starts_with("`*ll work"), "{error}");
        server.join().unwrap();
    }
}
