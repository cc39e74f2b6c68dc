//! The program under test: where its server and its client come from, and a server that runs.

use std::ffi::OsStr;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::command_line;
use super::protocol::Protocol;
use crate::program::{DEADLINE, OutputTo};
use crate::proxy::{self, Cut, Proxy};
use crate::reach::Reach;
use crate::show::{show, show_text};
use crate::symptom::Heard;
use crate::{Failure, Peer, Program, Symptom, symptom};

/// How long a server may take to answer each question that looks for the cause of a failure.
const INQUIRY: Duration = Duration::from_secs(1);

/// How long a server that is ending may take from the end of its connections to its own end. If it keeps
/// running, no event shows that.
const ENDING: Duration = Duration::from_millis(100);

/// How long the judge watches, once, a program that starts another process to listen: some then end.
const LAUNCHING: Duration = Duration::from_secs(4);

/// The side that makes the promise of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The server's.
    Server,
    /// The client's.
    Client,
    /// Each side in part, or both together.
    Both,
}

/// How a client gets what it has to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// As its last argument, one message (step 01).
    Argument,
    /// As lines of its standard input.
    Lines,
}

/// Where a server comes from.
pub enum Server {
    /// The judge starts it, and its first line of output is `listening on ADDR`.
    Announcing(Box<dyn Fn() -> Command>),
    /// The judge starts it with an address to listen on, and it need not print anything. The error is a
    /// reason why it cannot be started.
    Told(Box<dyn Fn() -> Result<(Command, SocketAddr), Failure>>),
    /// It is already running.
    Running(SocketAddr),
}

/// The options of a step's server when its clients are programs, and not people: step 10 would slow them
/// down.
#[must_use]
pub fn server_options(number: u8) -> &'static [&'static str] {
    if number == 10 { &["--rate", "0"] } else { &[] }
}

/// The program under test: how to start its server and its client, and their protocol.
pub struct Subject {
    /// Where the server comes from.
    pub server: Server,
    /// Starts the client, which connects to this address.
    pub client: Box<dyn Fn(SocketAddr) -> Command>,
    /// The side to judge.
    pub judged: Side,
    /// Their protocol.
    pub protocol: Protocol,
    /// How the client gets its messages.
    pub input: Input,
    /// A proxy between clients and server that cuts the stream, or none.
    pub cut: Option<Cut>,
    /// How long that proxy waits before it passes on a piece.
    pub delay: Duration,
    /// Where the output of a program that is not ours goes.
    pub(super) output: OutputTo,
    /// How long anything may take.
    pub deadline: Duration,
    /// How long a server with a given address may take until it listens.
    pub patience: Duration,
    /// The failure if the last server runs in the background: then nothing else counts.
    background: Arc<Mutex<Option<Failure>>>,
    /// Whether the judge has watched a program that starts another process to listen.
    watched: Arc<AtomicBool>,
    /// Whether further questions to the server look for the cause of a failure.
    pub inquires: bool,
    /// Whether its server has answered anything, in any check.
    has_answered: Arc<AtomicBool>,
}

impl Subject {
    /// The subject for a step's executable; `number` is the step's.
    #[must_use]
    pub fn of_step(number: u8, executable: &str) -> Self {
        let (server, client) = (executable.to_owned(), executable.to_owned());
        Self::new(
            number,
            move || {
                let mut command = Command::new(&server);
                command.args(["server", "127.0.0.1:0"]).args(server_options(number));
                command
            },
            move |addr| {
                let mut command = Command::new(&client);
                command.args(["client", &addr.to_string()]);
                command
            },
        )
    }

    /// The subject with these commands for server and client; its protocol is that of step `number`.
    pub fn new(
        number: u8,
        server: impl Fn() -> Command + 'static,
        client: impl Fn(SocketAddr) -> Command + 'static,
    ) -> Self {
        Self {
            server: Server::Announcing(Box::new(server)),
            client: Box::new(client),
            judged: Side::Both,
            protocol: Protocol::of_step(number),
            input: if number == 1 { Input::Argument } else { Input::Lines },
            cut: None,
            delay: Duration::ZERO,
            output: OutputTo::Terminal,
            deadline: DEADLINE,
            patience: DEADLINE,
            background: Arc::default(),
            watched: Arc::default(),
            inquires: false,
            has_answered: Arc::default(),
        }
    }

    /// The same subject behind a proxy that cuts the stream.
    #[must_use]
    pub fn behind(mut self, cut: Cut) -> Self {
        self.cut = Some(cut);
        self
    }

    /// Whether a scenario holds the server to its part.
    pub(super) fn judges_server(&self) -> bool {
        self.judged != Side::Client
    }

    /// Whether a scenario holds the client to its part.
    pub(super) fn judges_client(&self) -> bool {
        self.judged != Side::Server
    }

    /// Starts the server, and the proxy in front of it if it needs one.
    pub(super) fn start(&self) -> Result<Running, Failure> {
        self.start_with(&[])
    }

    /// As `start`, with more arguments for the server.
    pub(super) fn start_with(&self, arguments: &[&OsStr]) -> Result<Running, Failure> {
        let (program, server_addr, reach) = match &self.server {
            Server::Announcing(command) => {
                let mut command = command();
                command.args(arguments);
                let mut program = self.start_judged(command, Side::Server)?;
                let addr = program.addr()?;
                (Some(program), addr, Reach::ready(addr, self.deadline))
            }
            Server::Told(command) => {
                let (mut command, addr) = command()?;
                command.args(arguments);
                let program = Program::start_with_children_to(self.output, command)?;
                let process = program.process().clone();
                let reach = Reach::starting(addr, self.deadline, process, self.patience);
                (Some(program), addr, reach)
            }
            Server::Running(addr) => (None, *addr, Reach::ready(*addr, self.deadline)),
        };
        let reach = Arc::new(reach);
        // A client program gives up if the server refuses it: the proxy is more patient.
        let waits = matches!(self.server, Server::Told(_));
        let proxy = match self.cut {
            None if waits => Some(self.proxy(Arc::clone(&reach), Cut::AsRead)?),
            None => None,
            Some(cut) => Some(self.proxy(Arc::clone(&reach), cut)?),
        };
        Ok(Running {
            program: program
                .map(|program| program.with_deadline(self.deadline).serving_at(server_addr)),
            addr: proxy.as_ref().map_or(server_addr, Proxy::addr),
            server_addr,
            direct: self.cut.is_none(),
            spares_port: waits,
            reach,
            protocol: self.protocol,
            deadline: self.deadline,
            patience: self.patience,
            background: Arc::clone(&self.background),
            watched: Arc::clone(&self.watched),
            inquires: self.inquires,
            order: Order::Serve,
            added: arguments.len(),
            has_answered: Arc::clone(&self.has_answered),
            _proxy: proxy,
        })
    }

    /// The failure if the server has put itself into the background.
    pub(super) fn in_background(&self) -> Option<Failure> {
        lock(&self.background).take()
    }

    /// Starts the client, with one more argument if there is one.
    pub(super) fn start_client(
        &self,
        addr: SocketAddr,
        argument: Option<&str>,
    ) -> Result<Program, Failure> {
        let mut command = (self.client)(addr);
        command.args(argument);
        self.start_program(command)
    }

    /// Starts a client with this command.
    pub(super) fn start_program(&self, command: Command) -> Result<Program, Failure> {
        Ok(self.start_judged(command, Side::Client)?.with_deadline(self.deadline))
    }

    /// Starts the program of this side. If only that side is judged, the program is not ours.
    fn start_judged(&self, command: Command, side: Side) -> Result<Program, Failure> {
        if self.judged == side {
            Program::start_with_children_to(self.output, command)
        } else {
            Program::start(command)
        }
    }

    /// The proxy in front of this server, if it needs one.
    pub(super) fn proxy_to(&self, addr: SocketAddr) -> Result<Option<Proxy>, Failure> {
        let reach = || Arc::new(Reach::ready(addr, self.deadline));
        self.cut.map(|cut| self.proxy(reach(), cut)).transpose()
    }

    fn proxy(&self, reach: Arc<Reach>, cut: Cut) -> Result<Proxy, Failure> {
        let options = proxy::Options { delay: self.delay, ..proxy::Options::cut(cut) };
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| {
                Proxy::start_on(listener, Box::new(move || reach.connect()), options)
            })
            .map_err(|error| Failure::new(text!("subject.cannot-start-proxy", error)))
    }
}

/// The task of a server: the end of a server that has to stop is no symptom.
#[derive(PartialEq, Eq)]
pub(super) enum Order {
    Serve,
    Stop,
}

/// A server that runs for one check.
pub(super) struct Running {
    // Before the program, so that the proxy's connections are closed while the program runs: the system
    // remembers the side that closes first, and a restarted server should find its port free.
    _proxy: Option<Proxy>,
    /// None if the judge has not started it.
    pub(super) program: Option<Program>,
    /// Where client programs connect: to the proxy, if there is one.
    pub(super) addr: SocketAddr,
    /// The address on which the server itself listens.
    pub(super) server_addr: SocketAddr,
    /// Whether the check's own connections go past the proxy.
    direct: bool,
    /// Whether the end of those connections must not keep the server's port.
    spares_port: bool,
    reach: Arc<Reach>,
    pub(super) protocol: Protocol,
    pub(super) deadline: Duration,
    /// How long the server may take until it listens.
    patience: Duration,
    inquires: bool,
    pub(super) order: Order,
    /// How many arguments the judge has added to the server's command line.
    added: usize,
    /// The failure if the server runs in the background, as in [`Subject`].
    background: Arc<Mutex<Option<Failure>>>,
    watched: Arc<AtomicBool>,
    has_answered: Arc<AtomicBool>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.reach.give_up();
        if self.order == Order::Stop {
            return; // a launcher may end before the server that it has started
        }
        let Some(program) = &self.program else { return };
        let launches = self.reach.was_reached()
            && program.status().is_none()
            && !program.listens_itself()
            && !self.watched.swap(true, Ordering::SeqCst);
        if launches {
            let _ = program.ends_within(LAUNCHING); // the next statement reads its status
        }
        if let Some(status) = program.status()
            && self.reach.connect().is_ok()
        {
            *lock(&self.background) = Some(self.in_background(status));
        }
    }
}

impl Running {
    pub(super) fn connect(&self) -> Result<Peer, Failure> {
        let connected = if self.direct { self.dial() } else { self.dial_proxy() };
        connected.map_err(|failure| self.explain(failure))
    }

    fn dial_proxy(&self) -> Result<Peer, Failure> {
        Peer::connect_within(self.addr, self.deadline)
    }

    /// Connects to the server itself, which may be starting.
    fn dial(&self) -> Result<Peer, Failure> {
        let ended = self.program.as_ref().and_then(Program::status);
        let stream = self.reach.connect().map_err(|error| self.cannot_connect(&error))?;
        if let Some(status) = ended {
            return Err(self.in_background(status));
        }
        let peer = Peer::on(stream, self.deadline)?;
        Ok(if self.spares_port { peer.sparing_the_port() } else { peer })
    }

    /// The program has ended, which proves nothing about the server: it may still run.
    fn in_background(&self, status: ExitStatus) -> Failure {
        let failure = Failure::in_background(text!("subject.in-background", status));
        self.program.iter().fold(failure, |failure, program| program.explain(failure))
    }

    /// Why no client can connect to the server. If none ever could, nothing is known about the server.
    fn cannot_connect(&self, error: &io::Error) -> Failure {
        let addr = self.server_addr;
        let refused = error.kind() == io::ErrorKind::ConnectionRefused;
        let elsewhere = self.reach.elsewhere();
        let why = match self.program.as_ref().and_then(Program::status) {
            Some(status) if command_line::is_remembered(addr) => {
                // This check cannot run: earlier checks still occupy the server's port.
                let remembered = command_line::remembered();
                let why = text!("subject.ended-and-remembered", status, remembered);
                return Failure::not_asked(text!("subject.cannot-connect", addr, why));
            }
            Some(status) if status.success() && !self.reach.was_reached() => {
                return self.in_background(status);
            }
            Some(status) => text!("subject.ended", status),
            None if refused && !self.reach.was_reached() && self.program.is_none() => {
                text!("subject.is-not-running", error)
            }
            None if refused && !elsewhere.is_empty() => {
                let found = elsewhere.iter().map(|addr| reachable(*addr).to_string());
                let (found, first) =
                    (found.collect::<Vec<_>>().join(", "), reachable(elsewhere[0]));
                text!("subject.listens-elsewhere", error, found, first)
            }
            None if refused && !self.reach.was_reached() => {
                let time = format!("{:?}", self.patience);
                match self.program.as_ref().and_then(Program::prompt) {
                    Some(prompt) => text!("subject.waits-at-a-prompt", error, time, prompt),
                    None => text!("subject.does-not-listen", error, time),
                }
            }
            None => error.to_string(),
        };
        let ended = self.program.as_ref().is_some_and(|program| program.status().is_some());
        let rejects = ended && self.added > 0 && !self.reach.was_reached();
        let symptom = rejects.then_some(Symptom::UnknownOption);
        let text = text!("subject.cannot-connect", addr, why);
        if self.reach.was_reached() {
            Failure::new(text)
        } else {
            let failure = Failure::unable(text).looking_like(symptom);
            if ended { failure } else { failure.timed_out() }
        }
    }

    /// The server's process.
    pub(super) fn program(&self) -> Result<&Program, Failure> {
        self.program.as_ref().ok_or_else(not_started_here)
    }

    /// The server's process, for typing into it, or for waiting for its end.
    pub(super) fn program_mut(&mut self) -> Result<&mut Program, Failure> {
        self.program.as_mut().ok_or_else(not_started_here)
    }

    /// Sends a message with this word in it, and expects its answer, whole.
    pub(super) fn exchange(&self, peer: &mut Peer, word: &str) -> Result<(), Failure> {
        if self.protocol == Protocol::Chat {
            let asked = self.answered_to(peer, |peer| self.protocol.converse(peer, word));
            return asked.map_err(|failure| {
                let word = format!("{word:?}");
                self.explain(failure.after(text!("subject.after-said", word)))
                    .looking_like(self.inquire_room())
            });
        }
        let (message, answer) = self.protocol.exchange(word);
        self.ask(peer, &message, &answer)
    }

    /// Sends this message, and expects this answer, whole.
    pub(super) fn ask(
        &self,
        peer: &mut Peer,
        message: impl AsRef<[u8]>,
        answer: impl AsRef<[u8]>,
    ) -> Result<(), Failure> {
        let (message, answer) = (message.as_ref(), answer.as_ref());
        let bytes = self.protocol.on_the_wire(message);
        let asked = self.answered_to(peer, |peer| {
            peer.send(&bytes).and_then(|()| self.protocol.expect_answer(peer, answer))
        });
        asked.map_err(|failure| {
            let message = str::from_utf8(message).map_or_else(|_| show(message), show_text);
            let done = if self.protocol.has_boundaries() {
                let bytes = show(&bytes);
                text!("subject.after-sent-as", message, bytes)
            } else {
                text!("subject.after-sent", message)
            };
            let failure = symptom::add(self.explain(failure.after(done)), self.protocol);
            let vague = [None, Some(Symptom::Decorated), Some(Symptom::NoAnswer)];
            let is_vague = vague.contains(&failure.symptom());
            if !self.inquires || !is_vague {
                return failure;
            }
            let found = self.inquire(peer, &bytes, answer, &failure);
            failure.looking_rather_like(found)
        })
    }

    /// The result of a question. A server that ends the connection without a byte, and has never answered
    /// anything, gets the symptom of no answer: it does not yet do a part of its work wrong.
    fn answered_to(
        &self,
        peer: &mut Peer,
        ask: impl FnOnce(&mut Peer) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let asked = ask(peer);
        let has_answered = self.has_answered.fetch_or(asked.is_ok(), Ordering::SeqCst);
        asked.map_err(|failure| {
            let silent = !has_answered && !peer.has_received() && !failure.has_timed_out();
            let lives = |program: &Program| matches!(program.ends_within(ENDING), Ok(None));
            let refuses = silent && self.program.as_ref().is_none_or(lives);
            failure.looking_like(refuses.then_some(Symptom::NoAnswer))
        })
    }

    /// Asks further questions to find why a message did not get its answer.
    fn inquire(
        &self,
        peer: &mut Peer,
        message: &[u8],
        answer: &[u8],
        failure: &Failure,
    ) -> Option<Symptom> {
        let time = self.deadline.min(INQUIRY);
        let connect = |last: &Peer| {
            last.end(); // a server may serve one client at a time
            self.reach.connect().ok().and_then(|stream| Peer::on(stream, time).ok())
        };
        let mut other = None;
        if self.protocol.has_boundaries() {
            let mut reversed = message.to_vec();
            reversed[..size_of::<u32>()].reverse();
            let mut asked = connect(peer)?;
            if asked.send(&reversed).is_ok() && asked.hears(answer, time) {
                return Some(Symptom::ByteOrder);
            }
            if self.protocol == Protocol::Frames {
                asked = connect(&asked)?;
                let payload = &message[size_of::<u32>()..];
                if asked.send(payload).is_ok() && asked.hears(answer, time) {
                    return Some(Symptom::UnframedMessage);
                }
            }
            other = connect(&asked);
            other.as_mut()?.send(message).ok()?;
        }
        let peer = other.as_mut().unwrap_or(peer);
        if failure.has_timed_out() {
            // The server waits for something, perhaps for one of these.
            let unchanged = message.strip_suffix(b"\n").unwrap_or(message);
            if peer.send(b"\n").is_ok() && peer.hears_either([answer, unchanged], time) {
                return Some(Symptom::WaitsForNewline);
            }
            if peer.end_sending().is_ok() && peer.hears(answer, time) {
                return Some(Symptom::WaitsForEnd);
            }
        }
        let mut silent = connect(peer)?;
        let greets = !failure.has_timed_out() && silent.hears(b"", time);
        greets.then_some(Symptom::Greeting)
    }

    /// Sends two lines from a new client to find why a room does not send a client its own line as `ADDR text`.
    pub(super) fn inquire_room(&self) -> Option<Symptom> {
        const FIRST: &str = "first words";
        const SECOND: &str = "second words";
        if !self.inquires {
            return None;
        }
        let mut other = self.connect().ok()?;
        let mut asked = self.connect().ok()?;
        let time = self.deadline.min(INQUIRY);
        let greeting = asked.receive_text(time);
        asked.send(format!("{FIRST}\n").as_bytes()).ok()?;
        let after_first = asked.receive_text(time);
        asked.send(format!("{SECOND}\n").as_bytes()).ok()?;
        let after_second = asked.receive_text(time);
        let elsewhere = other.hears_either([FIRST.as_bytes(), SECOND.as_bytes()], time);
        symptom::of_room(&Heard { greeting, after_first, after_second, elsewhere }, FIRST, SECOND)
    }

    /// The failure with the server's output. If the server has ended, its end may be the symptom.
    pub(super) fn explain(&self, failure: Failure) -> Failure {
        let Some(program) = &self.program else {
            return failure;
        };
        let ends = self.order == Order::Serve && !failure.has_timed_out();
        let found = (ends && self.reach.was_reached())
            .then(|| program.ends_within(ENDING).ok().flatten())
            .flatten()
            .and_then(|status| symptom::of_end(status, self.protocol));
        program.explain(failure).looking_like(found)
    }
}

/// The address at which a client on this computer reaches a server that listens on this one.
fn reachable(addr: SocketAddr) -> SocketAddr {
    command_line::addr(&addr.to_string()).unwrap_or(addr)
}

fn lock(failure: &Mutex<Option<Failure>>) -> MutexGuard<'_, Option<Failure>> {
    failure.lock().unwrap_or_else(PoisonError::into_inner)
}

fn not_started_here() -> Failure {
    Failure::new(text!("subject.not-started-here"))
}
