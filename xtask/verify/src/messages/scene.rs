//! Where messages are provoked: the programs of one step, an empty folder, and whom they talk to.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::OsStr;
use std::fs;
use std::io::{self, Read as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::thread;

use anyhow::{Context as _, Result};
use conformance::{DEADLINE, Failure, Peer, Program, python};
use tempfile::TempDir;
use workspace::cargo;
use workspace::root::{Step, Target};

/// The package of `cargo xtask tap`.
const CHECK: &str = "xtask-check";

/// No program listens there: it is for a service that no system has any more.
pub const NOBODY: &str = "127.0.0.1:1";

/// What a message cannot be provoked without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A Unix shell.
    Shell,
    /// Linux only: elsewhere, another message may appear.
    Linux,
    /// A network of its own, or other rights: `unshare`, `setpriv` and `ip` on Linux.
    Unshare,
    /// Python 3.
    Python,
    /// Python 3 on Unix: on Windows, the text is Windows's.
    UnixPython,
}

impl Need {
    /// Why it is not there, if it is not.
    pub fn obstacle(self) -> Option<&'static str> {
        match self {
            Self::Python => python().is_none().then_some("it needs Python 3"),
            Self::UnixPython => Self::Shell.obstacle().or_else(|| Self::Python.obstacle()),
            Self::Shell => cfg!(windows).then_some("it needs a Unix shell"),
            Self::Linux => (!cfg!(target_os = "linux")).then_some("it is Linux's"),
            Self::Unshare => {
                UNSHARE.is_none().then_some("it needs Linux with unshare, setpriv and ip")
            }
        }
    }
}

/// How to get a network, or a file system, of one's own, if that is possible.
static UNSHARE: LazyLock<Option<&[&str]>> = LazyLock::new(|| {
    let ways: [&[&str]; 2] = [&[], &["--map-root-user"]];
    let try_out = "setpriv --version && ip link set lo up";
    let works = |way: &&[&str]| {
        let mut command = Command::new("unshare");
        command.args(*way).args(["-n", "-m", "sh", "-c", try_out]).stdin(Stdio::null());
        command.output().is_ok_and(|output| output.status.success())
    };
    ways.into_iter().find(works).filter(|_| cfg!(target_os = "linux"))
});

/// What prints a message.
#[derive(Clone, Copy, Debug)]
pub enum Printer<'a> {
    /// The program of a step.
    Step(&'a Step),
    /// The Python twin of a step.
    Twin(&'a Step),
    /// A tool, cargo, or Python itself.
    Other,
}

/// The programs of a step, and an empty folder in which they run.
pub struct Scene<'a> {
    pub root: &'a Path,
    target: &'a Target,
    printer: Printer<'a>,
    folder: TempDir,
    /// What has to exist until the message has appeared.
    kept: RefCell<Vec<Box<dyn Any>>>,
}

impl<'a> Scene<'a> {
    pub fn new(root: &'a Path, target: &'a Target, printer: Printer<'a>) -> Result<Self> {
        let folder = TempDir::new().context("cannot make a folder")?;
        Ok(Self { root, target, printer, folder, kept: RefCell::default() })
    }

    /// The folder in which the programs run.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Keeps something until the message has appeared.
    pub fn keep(&self, thing: impl Any) {
        self.kept.borrow_mut().push(Box::new(thing));
    }

    /// Puts a file, or a folder where the path ends with a slash, into the folder.
    pub fn put(&self, path: &str, text: &str) -> Result<()> {
        let file = self.folder().join(path);
        if path.ends_with('/') {
            fs::create_dir_all(file)?;
        } else {
            fs::create_dir_all(file.parent().context("it is in the folder")?)?;
            fs::write(file, text)?;
        }
        Ok(())
    }

    /// Puts a package into the folder that has these lines in its manifest, and no dependencies.
    pub fn put_package(&self, lines: &str) -> Result<()> {
        let name = "[package]\nname = \"small\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
        self.put("Cargo.toml", &format!("{name}{lines}"))?;
        self.put("src/main.rs", "fn main() {}\n")
    }

    /// The step's number.
    pub fn number(&self) -> Option<u8> {
        match self.printer {
            Printer::Step(step) | Printer::Twin(step) => step.number().parse().ok(),
            Printer::Other => None,
        }
    }

    /// The step's program, or the one that serves `cargo xtask tap`.
    fn path(&self) -> PathBuf {
        self.built(match self.printer {
            Printer::Step(step) | Printer::Twin(step) => &step.package,
            Printer::Other => CHECK,
        })
    }

    fn built(&self, name: &str) -> PathBuf {
        self.target.program(name)
    }

    /// A command in the folder.
    fn in_folder(&self, program: impl AsRef<OsStr>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).current_dir(self.folder());
        command
    }

    /// The step's program, or its twin.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let (Printer::Twin(step), [side, rest @ ..]) = (self.printer, arguments) else {
            return self.in_folder(self.path(), arguments);
        };
        let mut command = self.python();
        command.arg(step.dir(self.root).join(format!("python/{side}.py"))).args(rest);
        command
    }

    /// Python, in the folder.
    pub fn python(&self) -> Command {
        // Without Python, this is not asked for.
        let mut command = python().unwrap_or_else(|| Command::new("python3"));
        command.current_dir(self.folder());
        command
    }

    /// An example, of whatever step.
    pub fn example(&self, name: &str, arguments: &[&str]) -> Command {
        self.in_folder(self.built(&format!("examples/{name}")), arguments)
    }

    /// The step's program, started by a shell script that has it as `"$0"`, and the arguments as `"$@"`.
    pub fn script(&self, script: &str, arguments: &[&str]) -> Command {
        let mut command = self.in_folder("sh", &["-c", script]);
        command.arg(self.path()).args(arguments);
        command
    }

    /// As `script`, with a network (`-n`) or a file system (`-m`) of its own.
    pub fn unshared(&self, what: &str, script: &str, arguments: &[&str]) -> Command {
        let mut command = self.in_folder("unshare", UNSHARE.unwrap_or_default());
        command.args([what, "sh", "-c", script]).arg(self.path()).args(arguments);
        command
    }

    /// The step's program with these arguments and this input.
    pub fn run(&self, arguments: &[&str], input: &[u8]) -> Result<Program> {
        start(self.command(arguments), input)
    }

    /// `cargo xtask tap`, and where it listens.
    pub fn tap(&self, options: &[&str]) -> Result<(Program, SocketAddr)> {
        let mut tap = self.run(&[&["tap", "--listen", "127.0.0.1:0"], options].concat(), b"")?;
        let line = tap.expect_line("listening on ADDR, passing on to ADDR")?;
        let addr = line.strip_prefix("listening on ").and_then(|line| line.split(',').next());
        let addr = addr.context("its first line says where it listens")?.parse()?;
        Ok((tap, addr))
    }

    /// The step's server.
    pub fn server(&self, options: &[&str]) -> Result<(Program, SocketAddr)> {
        let arguments = [&["server", "127.0.0.1:0"], options].concat();
        Ok(Program::start_server(self.command(&arguments))?)
    }

    /// The step's client, which talks to the step's server; the options of both, and the input.
    pub fn client(&self, server: &[&str], options: &[&str], input: &[u8]) -> Result<Program> {
        let (server, addr) = self.server(server)?;
        self.keep(server);
        self.client_of(addr, options, input)
    }

    /// The step's client, which talks to this server.
    pub fn client_of_server(
        &self,
        server: Command,
        options: &[&str],
        input: &[u8],
    ) -> Result<Program> {
        let (server, addr) = Program::start_server(server)?;
        self.keep(server);
        self.client_of(addr, options, input)
    }

    /// The step's client, which talks to whatever server is there.
    fn client_of(&self, addr: SocketAddr, options: &[&str], input: &[u8]) -> Result<Program> {
        let addr = addr.to_string();
        let arguments = [&["client", &*addr], options].concat();
        self.run(&arguments, input)
    }

    /// The step's client, which talks to a server that does this with it.
    pub fn client_of_one_that(
        &self,
        options: &[&str],
        input: &[u8],
        serve: impl FnOnce(TcpStream) -> io::Result<()> + Send + 'static,
    ) -> Result<Program> {
        self.client_of(serve_once(serve)?, options, input)
    }

    /// The step's server, to which a client has connected that does this.
    pub fn server_of_one_who(
        &self,
        act: impl FnOnce(Peer) -> Result<(), Failure>,
    ) -> Result<Program> {
        let (mut server, addr) = self.server(&[])?;
        let peer = Peer::connect(addr)?;
        // A twin may print nothing until the client has left.
        if !matches!(self.printer, Printer::Twin(_)) {
            let peer_addr = peer.local_addr()?.to_string();
            server.expect_later("… connected", |line| line.contains(&peer_addr))?;
        }
        act(peer)?;
        Ok(server)
    }

    /// The server of the example `lines`, to which a client sends this.
    pub fn lines_server_of_one_who_sends(&self, bytes: &[u8]) -> Result<Program> {
        let server = self.example("lines", &["server", "127.0.0.1:0"]);
        let (server, addr) = Program::start_server(server)?;
        Peer::connect(addr)?.send(bytes)?;
        Ok(server)
    }
}

/// Starts a program, and types this. The keyboard is still there afterwards.
pub fn start(command: Command, input: &[u8]) -> Result<Program> {
    let mut program = Program::start(command)?;
    // A program may end before it reads: what it prints then counts.
    let _ = program.type_bytes(input);
    Ok(program)
}

/// Cargo, in this folder.
pub fn cargo_in(folder: &Path, arguments: &[&str]) -> Result<Program> {
    let mut command = cargo::command(folder);
    command.env_remove("CARGO_TARGET_DIR").args(arguments);
    start(command, b"")
}

/// Listens for one client, and does this with it in a thread of its own.
pub fn serve_once(
    serve: impl FnOnce(TcpStream) -> io::Result<()> + Send + 'static,
) -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let addr = listener.local_addr()?;
    thread::spawn(move || {
        let (stream, _) = listener.accept()?;
        stream.set_read_timeout(Some(DEADLINE))?;
        serve(stream)
    });
    Ok(addr)
}

/// Waits for the first bytes of a client, and takes them.
pub fn hear(mut stream: &TcpStream) -> io::Result<()> {
    stream.read(&mut [0; 4096]).map(drop)
}

/// Waits until the client has sent something, and breaks the connection off: it is closed unread.
pub fn break_off(stream: TcpStream) -> io::Result<()> {
    stream.peek(&mut [0]).map(drop)
}

/// Waits until the client has closed, so that nothing is lost on its way to it.
pub fn until_it_leaves(mut stream: &TcpStream) -> io::Result<()> {
    io::copy(&mut stream, &mut io::sink()).map(drop)
}
