//! The contenders of a bench: programs that are started, and a bare writer as the limit.

use std::env::consts::EXE_SUFFIX;
use std::io::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use conformance::Program;
use conformance::check::{FreePorts, server_options};
use workspace::cargo;
use workspace::root::{self, Step, Target};

use crate::crowd::Manners;

/// The longest wait until a server accepts connections that does not report that it listens.
const START: Duration = Duration::from_secs(20);

/// The time between two attempts to connect to it. There is no event for "it listens".
const ATTEMPT: Duration = Duration::from_millis(20);

/// A room that can be measured.
pub struct Contender {
    /// Its name in the table.
    pub name: String,
    /// What it is.
    pub kind: Kind,
}

/// What a contender is.
pub enum Kind {
    /// A program.
    Server {
        /// How it treats lines.
        manners: Manners,
        /// Starts it for this number of clients.
        start: Box<dyn Fn(usize) -> Result<Server>>,
    },
    /// No room at all: bytes written to each client, in pieces of that many bytes; `None` is a line.
    BareWrites {
        /// The bytes of one write.
        piece_len: Option<usize>,
    },
}

/// A server that runs until this is dropped.
pub struct Server {
    /// The process.
    pub program: Program,
    /// Where it listens.
    pub addr: SocketAddr,
}

/// The steps that are a chat room.
const ROOMS: [&str; 3] = ["08", "09", "10"];

/// The steps among them whose Python twins are compared as well.
const TWINS: [&str; 2] = ["09", "10"];

/// The contender to which the others are compared.
pub const REFERENCE: &str = "step 10";

/// A room whose lines have no time and no address, and so are less than half as long.
pub const NCAT: &str = "ncat --broker";

/// The same room with clients whose lines begin with the number of bytes that step 10 adds.
const NCAT_AS_LONG: &str = "ncat, as long";

/// What steps 09 and 10 put before a line.
pub const PREFIX: &str = "2026-11-23 08:23:04 127.0.0.1:50001 ";

/// How the names of the bare writers begin.
pub const BARE_WRITES: &str = "bare writes";

/// How our rooms treat lines.
const OURS: Manners = Manners { echoes: true, whole_lines: true, prefix: "" };

/// All contenders that this computer has, and one line for each that is missing.
pub fn find(root: &Path, target: &Target) -> Result<(Vec<Contender>, Vec<String>)> {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    let steps = root::steps(root)?;
    let step = |number: &str| steps.iter().find(|step| step.number() == number);
    for number in ROOMS {
        let name = format!("step {number}");
        match step(number) {
            Some(step) => {
                let start = release_server(root, target, step)?;
                found.push(room(name, OURS, start));
            }
            None => missing.push(format!("{name}: not in this workspace")),
        }
    }
    for number in TWINS {
        let name = format!("python {number}");
        match (step(number), conformance::python()) {
            (None, _) => missing.push(format!("{name}: not in this workspace")),
            (_, None) => missing.push(format!("{name}: no Python 3 was found")),
            (Some(step), Some(_)) => {
                let twin = step.dir(root).join("python/server.py");
                let options = server_options(number.parse()?);
                let start = Box::new(move |_| python_server(&twin, options));
                found.push(room(name, OURS, start));
            }
        }
    }
    if is_installed("ncat", "--version") {
        for (name, prefix) in [(NCAT, ""), (NCAT_AS_LONG, PREFIX)] {
            let manners = Manners { echoes: false, whole_lines: false, prefix };
            found.push(room(name.to_owned(), manners, Box::new(ncat)));
        }
    } else {
        missing.push("ncat --broker: ncat: not found; install the package ncat".to_owned());
    }
    for (piece, piece_len) in [("64 KiB", Some(64 * 1024)), ("a line", None)] {
        let name = format!("{BARE_WRITES}, {piece}");
        found.push(Contender { name, kind: Kind::BareWrites { piece_len } });
    }
    Ok((found, missing))
}

type Start = Box<dyn Fn(usize) -> Result<Server>>;

fn room(name: String, manners: Manners, start: Start) -> Contender {
    Contender { name, kind: Kind::Server { manners, start } }
}

/// Returns whether a program can be started; with the option, it prints its version and ends.
pub fn is_installed(program: &str, option: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(option).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Builds a step in release mode, as a learner would for speed, and returns its program.
pub fn build_step(root: &Path, target: &Target, step: &Step) -> Result<PathBuf> {
    let mut command = cargo::command(root);
    command.args(["build", "--release", "--package", &step.package]);
    command.arg("--target-dir").arg(&target.dir);
    let output = cargo::run(command)?;
    if !output.success {
        bail!("{} does not build\n{}", step.package, output.text);
    }
    Ok(target.dir.join("release").join(format!("{}{EXE_SUFFIX}", step.package)))
}

fn release_server(root: &Path, target: &Target, step: &Step) -> Result<Start> {
    let path = build_step(root, target, step)?;
    let options = server_options(step.number().parse()?);
    Ok(Box::new(move |_| {
        let mut command = Command::new(&path);
        command.args(["server", "127.0.0.1:0"]).args(options);
        start(command)
    }))
}

fn python_server(path: &Path, options: &[&str]) -> Result<Server> {
    let mut command = conformance::python().context("no Python 3 was found")?;
    command.arg(path).arg("127.0.0.1:0").args(options);
    start(command)
}

fn start(command: Command) -> Result<Server> {
    let (program, addr) = Program::start_server(command)?;
    Ok(Server { program, addr })
}

/// `ncat` does not accept port 0, and does not report when it listens.
fn ncat(clients: usize) -> Result<Server> {
    let ports = FreePorts::claim()?;
    let addr = ports.next()?;
    let mut command = Command::new("ncat");
    // One more: the attempts below are clients, too.
    command.args(["--broker", "--listen", "--max-conns", &(clients + 1).to_string()]);
    command.args([addr.ip().to_string(), addr.port().to_string()]);
    let program = Program::start(command)?;
    let begin = Instant::now();
    while let Err(error) = TcpStream::connect(addr) {
        if begin.elapsed() > START {
            return Err(program.failure(&format!("cannot connect to {addr}: {error}")).into());
        }
        thread::sleep(ATTEMPT); // no event reports that it listens
    }
    Ok(Server { program, addr })
}

/// Writes its input to all its clients, one after the other.
pub struct BareWriter {
    /// Where it waits for its clients.
    pub addr: SocketAddr,
    orders: Sender<Arc<Vec<u8>>>,
}

impl BareWriter {
    /// Waits for that many clients, and then for bytes to send.
    pub fn start(clients: usize, piece_len: usize) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let addr = listener.local_addr()?;
        let (orders, received) = mpsc::channel::<Arc<Vec<u8>>>();
        thread::spawn(move || {
            let accepted = (0..clients).map(|_| Ok(listener.accept()?.0));
            let Ok(streams) = accepted.collect::<std::io::Result<Vec<_>>>() else {
                return; // the clients notice that there is no server
            };
            for stream in &streams {
                let _ = stream.set_nodelay(true); // if it fails, the figures show it
            }
            for bytes in received {
                for piece in bytes.chunks(piece_len) {
                    for mut stream in &streams {
                        if stream.write_all(piece).is_err() {
                            return; // the clients have left
                        }
                    }
                }
            }
        });
        Ok(Self { addr, orders })
    }

    /// Sends these bytes to every client.
    pub fn write(&self, bytes: Arc<Vec<u8>>) -> Result<()> {
        self.orders.send(bytes).context("the bare writer has ended")
    }
}
