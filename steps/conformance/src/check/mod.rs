//! The checks: named promises, each with a sentence on why it matters and a scenario over real
//! sockets.
//!
//! A check says whether a program *keeps* a promise. It is as useful to know which promises a step
//! *breaks*: what is declared as still wrong must be seen to be wrong, so a step's manifest lists
//! both, and [`assert_promises`] holds the step to both.

use std::ffi::OsStr;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use crate::peer::{show, show_text};
use crate::program::DEADLINE;
use crate::proxy::{self, Cut, Proxy};
use crate::reach::Reach;
use crate::{Failure, Peer, Program};

mod chat;
mod clients;
mod command_line;
mod commands;
mod conversation;
mod exam;
mod exercises;
mod fake;
mod messages;
mod promises;
mod wire;

#[cfg(target_os = "linux")]
pub(crate) use chat::linux;
pub use command_line::{CommandLine, FreePorts, addr, is_taken, wait_until_free};
pub use exam::{Exam, Outcome, Way};
pub use exercises::{EXERCISES, Exercise, assert_exercises, assert_python_exercises};
pub use promises::{Judgement, Promise, Promises, assert_promises, assert_promises_at_cuts};
use wire::Answer;

/// A promise that a program can be held to.
pub struct Check {
    /// Its name, in kebab case.
    pub name: &'static str,
    /// Why it matters, in one sentence.
    pub why: &'static str,
    /// The sentence of the book that explains it: a page and an anchor.
    pub section: &'static str,
    /// What to try first, when it fails.
    pub hint: &'static str,
    /// Whose promise it is.
    pub side: Side,
    /// The protocols in which it means something.
    protocols: &'static [Protocol],
    scenario: fn(&Subject) -> Result<(), Failure>,
}

/// Whose promise a check is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The server's.
    Server,
    /// The client's.
    Client,
    /// Of each side a part, or of both together.
    Both,
}

/// All checks, in the order in which the steps learn to keep them.
pub const CHECKS: &[Check] = &[
    Check {
        name: "reply",
        why: "A server that does not answer cannot be told from one that is not there.",
        section: "server.md#write-all",
        hint: "Accept a connection, read what comes, write it back, and flush it if there is a buffer.",
        side: Side::Server,
        protocols: ANSWERS,
        scenario: conversation::reply,
    },
    Check {
        name: "many-messages",
        why: "Connecting costs a handshake; a conversation should pay for it once.",
        section: "message-loop.md#go-round",
        hint: "Put a loop around read and answer; connect and accept stay outside it.",
        side: Side::Server,
        protocols: ANSWERS,
        scenario: conversation::many_messages,
    },
    Check {
        name: "empty-input",
        why: "TCP cannot send an empty message, so a client that tries waits for an answer for ever.",
        section: "client.md#empty-message",
        hint: "Do not send what has no bytes: ask for the next line instead.",
        side: Side::Client,
        protocols: ALL,
        scenario: conversation::empty_input,
    },
    Check {
        name: "cut-reply",
        why: "One write may arrive as many reads, so what one read returns is seldom a whole answer.",
        section: "message-loop.md#whole-answer",
        hint: "Read in a loop until the whole answer is there, however many reads that takes.",
        side: Side::Client,
        protocols: ALL,
        scenario: clients::cut_reply,
    },
    Check {
        name: "server-gone",
        why: "A server that goes away must not leave its user waiting, nor guessing what has happened.",
        section: "client.md#server-gone",
        hint: "Take end of file and errors for what they are: one line on stderr, and an exit code.",
        side: Side::Client,
        protocols: ALL,
        scenario: clients::server_gone,
    },
    Check {
        name: "next-client",
        why: "A client that came second should be served when the first has left, not turned away.",
        section: "connection-loop.md#two-loops",
        hint: "Put a loop around accept, and go back to it when a client has left.",
        side: Side::Server,
        protocols: ANSWERS,
        scenario: conversation::next_client,
    },
    Check {
        name: "survives-disconnect",
        why: "Every client leaves some day; the server must neither end nor spin because of it.",
        section: "message-loop.md#spin",
        hint: "A read of 0 bytes is the end of the stream: leave the loop.",
        side: Side::Server,
        protocols: ALL,
        scenario: conversation::survives_disconnect,
    },
    Check {
        name: "survives-reset",
        why: "Programs crash and cables break; one broken connection must not take the server down.",
        section: "connection-loop.md#serve-on",
        hint: "Handle the error of one connection where the connection is handled, and accept the next.",
        side: Side::Server,
        protocols: ALL,
        scenario: conversation::survives_reset,
    },
    Check {
        name: "both-streams",
        why: "A command speaks on two streams; whoever drops one hides either the result or the error.",
        section: "remote-execution.md#both-streams",
        hint: "Send what the command wrote to stdout, and then what it wrote to stderr.",
        side: Side::Server,
        protocols: COMMANDS,
        scenario: commands::both_streams,
    },
    Check {
        name: "empty-reply",
        why: "Many commands have nothing to say, and an asker that waits for a first byte waits for ever.",
        section: "remote-execution.md#no-bytes",
        hint: "Send something for every command, also when its output is empty: a length of 0.",
        side: Side::Both,
        protocols: COMMANDS,
        scenario: commands::empty_reply,
    },
    Check {
        name: "whole-reply",
        why: "What is left unread of one answer is taken for the beginning of the next.",
        section: "remote-execution.md#taken-for-the-answer",
        hint: "Read until the whole answer is there: its length must come before it.",
        side: Side::Both,
        protocols: COMMANDS,
        scenario: commands::whole_reply,
    },
    Check {
        name: "boundaries",
        why: "What is sent in two messages may come in one segment, and must still be two messages.",
        section: "remote-execution.md#glued",
        hint: "Put a length in front of each message, and read exactly so many bytes.",
        side: Side::Server,
        protocols: COMMANDS,
        scenario: commands::boundaries,
    },
    Check {
        name: "hostile-length",
        why: "Four bytes from a stranger must not make a server reserve, or wait for, 4 GiB.",
        section: "length-header.md#limit-first",
        hint: "Compare the length with a limit before you reserve or read anything, and close.",
        side: Side::Both,
        protocols: FRAMES,
        scenario: commands::hostile_length,
    },
    Check {
        name: "cut-off-reply",
        why: "Half an answer that looks like a whole one is a wrong answer.",
        section: "length-header.md#inside-a-frame",
        hint: "Where the stream ends before the length is used up, say so and exit with an error.",
        side: Side::Client,
        protocols: FRAMES,
        scenario: clients::cut_off_reply,
    },
    Check {
        name: "integrity",
        why: "A file that looks whole and is not will be trusted by whoever opens it next.",
        section: "json-header.md#hash-first",
        hint: "Write to a temporary file, compare size and hash, and only then give it its name.",
        side: Side::Both,
        protocols: MESSAGES,
        scenario: messages::integrity,
    },
    Check {
        name: "untrusted-name",
        why: "Who may choose the name of a file on your disk may overwrite any file that you can.",
        section: "json-header.md#a-name",
        hint: "Name the file as your user asked for it, and refuse a server that calls it otherwise.",
        side: Side::Client,
        protocols: MESSAGES,
        scenario: messages::untrusted_name,
    },
    Check {
        name: "root-jail",
        why: "A server that was given one folder to serve must not give away the rest of the disk.",
        section: "json-header.md#a-claim",
        hint: "Resolve the whole path, links too, and see that it is a regular file below the root.",
        side: Side::Server,
        protocols: MESSAGES,
        scenario: messages::root_jail,
    },
    Check {
        name: "constant-memory",
        why: "A server that holds what it sends can be brought down by one large file.",
        section: "json-header.md#one-chunk",
        hint: "Read a chunk, send it, and use its memory for the next one.",
        side: Side::Server,
        protocols: MESSAGES,
        scenario: messages::constant_memory,
    },
    Check {
        name: "timeout",
        why: "A command that never ends would hold up its client, and everybody behind it, for ever.",
        section: "json-header.md#process-group",
        hint: "Wait under a deadline, then kill the whole process group: children outlive their shell.",
        side: Side::Server,
        protocols: MESSAGES,
        scenario: messages::timeout,
    },
    Check {
        name: "concurrent-clients",
        why: "A client that says nothing must not keep the others from being served.",
        section: "chat-functions.md#accepts",
        hint: "Start a thread for each client that you accept, and go back to accept at once.",
        side: Side::Server,
        protocols: SERVES_MANY,
        scenario: conversation::concurrent_clients,
    },
    Check {
        name: "broadcast",
        why: "A room is a room only if everybody hears everybody, and knows who spoke.",
        section: "chat-functions.md#held",
        hint: "Write `ADDR text` to every stream in the map, the sender's too, ADDR being the sender's.",
        side: Side::Server,
        protocols: CHAT,
        scenario: chat::broadcast,
    },
    Check {
        name: "same-order",
        why: "If two people see the same lines in another order, an answer stands before its question.",
        section: "chat-class.md#first-line",
        hint: "Let one line go to everybody before the next one goes to anybody.",
        side: Side::Server,
        protocols: CHAT,
        scenario: chat::same_order,
    },
    Check {
        name: "bad-line",
        why: "What one client sends must neither harm the others nor stay without a reason for itself.",
        section: "chat-functions.md#bad-line",
        hint: "Check each line, and answer a bad one with one line, `error: …`, to its sender only.",
        side: Side::Server,
        protocols: CHAT,
        scenario: chat::bad_line,
    },
    Check {
        name: "split-character",
        why: "A read may end inside a character, whose bytes mean nothing before all of them are there.",
        section: "chat-functions.md#whole-line",
        hint: "Collect bytes until the newline, and decode the whole line, not what one read returned.",
        side: Side::Server,
        protocols: CHAT,
        scenario: chat::split_character,
    },
    Check {
        name: "vanished-peer",
        why: "A client whose cable was pulled says nothing, ever: without keepalive it stays online.",
        section: "chat-functions.md#keepalive",
        hint: "Switch on TCP keepalive for every stream that you accept.",
        side: Side::Server,
        protocols: CHAT,
        scenario: chat::vanished_peer,
    },
    Check {
        name: "slow-reader",
        why: "One client that does not read must not stop the room for everybody else.",
        section: "chat-class.md#full-queue",
        hint: "Give each client a bounded queue and a writer, and drop the client whose queue is full.",
        side: Side::Server,
        protocols: CHAT,
        scenario: chat::slow_reader,
    },
    Check {
        name: "clean-stop",
        why: "People who are told that a server stops do not look for a fault in their own network.",
        section: "chat-class.md#goodbye",
        hint: "At `quit`, tell every client, end every stream, wait for every thread, and exit with 0.",
        side: Side::Server,
        protocols: CHAT,
        scenario: chat::clean_stop,
    },
    Check {
        name: "churn",
        why: "What each client that leaves leaves behind is missing one day, and then nobody can come in.",
        section: "chat-functions.md#online",
        hint: "Remove the client from the map, and close its stream, on every way out of its thread.",
        side: Side::Server,
        protocols: CHAT,
        scenario: chat::churn,
    },
];

const ALL: &[Protocol] = &[
    Protocol::Echo,
    Protocol::UpperCase,
    Protocol::Shell,
    Protocol::Frames,
    Protocol::Messages,
    Protocol::Chat,
];
/// Where each message has an answer of its own.
const ANSWERS: &[Protocol] =
    &[Protocol::Echo, Protocol::UpperCase, Protocol::Shell, Protocol::Frames, Protocol::Messages];
/// Where a server is there for more than one client.
const SERVES_MANY: &[Protocol] =
    &[Protocol::UpperCase, Protocol::Shell, Protocol::Frames, Protocol::Messages, Protocol::Chat];
const COMMANDS: &[Protocol] = &[Protocol::Shell, Protocol::Frames, Protocol::Messages];
const FRAMES: &[Protocol] = &[Protocol::Frames, Protocol::Messages];
const MESSAGES: &[Protocol] = &[Protocol::Messages];
const CHAT: &[Protocol] = &[Protocol::Chat];

/// The checks that can be judged on Linux only: it alone tells what the system does with a socket of
/// another process.
const LINUX_ONLY: &[&str] = &["vanished-peer"];

/// The checks that look into the server's process, or have to start it in a way of their own.
const STARTS_THE_SERVER: &[&str] = &[
    "integrity",
    "root-jail",
    "constant-memory",
    "timeout",
    "vanished-peer",
    "clean-stop",
    "churn",
    "delimiter",
    "list",
];

impl Check {
    /// Whether it means something for programs that speak so.
    #[must_use]
    pub fn speaks(&self, protocol: Protocol) -> bool {
        self.protocols.contains(&protocol)
    }

    /// Whether it is about this side, or a part of it is.
    #[must_use]
    pub fn concerns(&self, side: Side) -> bool {
        side == Side::Both || self.side == Side::Both || self.side == side
    }

    /// Whether a server that already runs can be held to it.
    #[must_use]
    pub fn needs_to_start_the_server(&self) -> bool {
        STARTS_THE_SERVER.contains(&self.name)
    }

    /// Whether the check can tell right from wrong on this system.
    #[must_use]
    pub fn can_be_judged(&self) -> bool {
        cfg!(target_os = "linux") || !LINUX_ONLY.contains(&self.name)
    }
}

/// The check with this name: one of the staircase, or one of an exercise.
#[must_use]
pub fn check(name: &str) -> Option<&'static Check> {
    CHECKS.iter().chain(EXERCISES).find(|check| check.name == name)
}

/// What travels between a client and a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// A message comes back as it is (step 01).
    Echo,
    /// A message comes back in ASCII upper case (steps 02 and 03).
    UpperCase,
    /// A message is a command for the system's shell; its output comes back (step 04).
    Shell,
    /// Bytes go one way and get no answer (step 05), so only an exercise has a check.
    OneWay,
    /// As `Shell`, but every message is a frame: its length as a `u32` in network byte order, and
    /// then its bytes (step 06).
    Frames,
    /// As `Frames`, but a frame holds a header in JSON: all of a request, while an answer's is
    /// followed by a body (step 07).
    Messages,
    /// A message is a line; it goes to everybody who is connected, with the sender's address in
    /// front (steps 08 and 09).
    Chat,
}

impl Protocol {
    /// The protocol of a step.
    #[must_use]
    pub fn of_step(number: u8) -> Self {
        match number {
            1 => Self::Echo,
            2 | 3 => Self::UpperCase,
            4 => Self::Shell,
            5 => Self::OneWay,
            6 => Self::Frames,
            7 => Self::Messages,
            _ => Self::Chat,
        }
    }

    /// A message with this word in it, and the answer that it must get.
    pub(crate) fn exchange(self, word: &str) -> (String, String) {
        match self {
            // In a chat, something stands before the answer: see `chat::said`.
            Self::Echo | Self::OneWay | Self::Chat => (word.to_owned(), word.to_owned()),
            Self::UpperCase => (word.to_owned(), word.to_ascii_uppercase()),
            Self::Shell | Self::Frames | Self::Messages => {
                (format!("echo {word}"), format!("{word}{SHELL_NEWLINE}"))
            }
        }
    }

    /// A message to the server as it travels.
    pub(crate) fn on_the_wire(self, message: &str) -> Vec<u8> {
        match self {
            Self::Echo | Self::UpperCase | Self::Shell | Self::OneWay => {
                message.as_bytes().to_vec()
            }
            Self::Frames => wire::frame(message.as_bytes()),
            Self::Messages => wire::run(message),
            Self::Chat => format!("{message}\n").into_bytes(),
        }
    }

    /// Receives an answer, which must be this one, whole.
    pub(crate) fn expect_answer(self, peer: &mut Peer, answer: &str) -> Result<(), Failure> {
        match self {
            Self::Echo | Self::UpperCase | Self::Shell | Self::OneWay | Self::Chat => {
                peer.expect(answer.as_bytes())
            }
            Self::Frames => peer.expect(&wire::frame(answer.as_bytes())),
            Self::Messages => Answer::receive(peer)?.expect_output(answer),
        }
    }
}

/// How the system's shell ends a line.
const SHELL_NEWLINE: &str = if cfg!(windows) { "\r\n" } else { "\n" };

/// How a client is told what to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// As its last argument, one message (step 01).
    Argument,
    /// As lines of its standard input.
    Lines,
}

/// Where a server comes from.
pub enum Server {
    /// It is started, and its first line of output is `listening on ADDR`.
    Announcing(Box<dyn Fn() -> Command>),
    /// It is started, was told where to listen, and need not say anything. The error is a reason
    /// why it cannot be started.
    Told(Box<dyn Fn() -> Result<(Command, SocketAddr), Failure>>),
    /// It runs.
    Running(SocketAddr),
}

/// The program under test: how to start its server and its client, and what it speaks.
pub struct Subject {
    /// Where its server comes from.
    pub server: Server,
    /// Starts the client, which connects to this address.
    pub client: Box<dyn Fn(SocketAddr) -> Command>,
    /// Which of them is judged.
    pub judged: Side,
    /// What they speak.
    pub protocol: Protocol,
    /// How the client gets its messages.
    pub input: Input,
    /// A proxy between clients and server that cuts the stream, or none.
    pub cut: Option<Cut>,
    /// How long that proxy waits before it passes on a piece.
    pub delay: Duration,
    /// How long anything may take.
    pub deadline: Duration,
}

impl Subject {
    /// The subject that a step's executable is; `number` is the step's.
    #[must_use]
    pub fn of_step(number: u8, executable: &str) -> Self {
        let (server, client) = (executable.to_owned(), executable.to_owned());
        Self::new(
            number,
            move || {
                let mut command = Command::new(&server);
                command.args(["server", "127.0.0.1:0"]);
                command
            },
            move |addr| {
                let mut command = Command::new(&client);
                command.args(["client", &addr.to_string()]);
                command
            },
        )
    }

    /// The subject whose server and client are started so; it speaks as step `number` does.
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
            deadline: DEADLINE,
        }
    }

    /// The same subject behind a proxy that cuts the stream.
    #[must_use]
    pub fn behind(mut self, cut: Cut) -> Self {
        self.cut = Some(cut);
        self
    }

    /// The checks that mean something for this subject, and can be judged on this system. Those of
    /// exercises are not among them.
    pub fn checks(&self) -> impl Iterator<Item = &'static Check> + use<> {
        let (protocol, judged) = (self.protocol, self.judged);
        CHECKS.iter().filter(move |check| {
            check.concerns(judged) && check.speaks(protocol) && check.can_be_judged()
        })
    }

    /// Holds the subject to a check; the failure says what came instead and why it matters.
    pub fn hold_to(&self, check: &Check) -> Result<(), Failure> {
        self.judge(check).map_err(|failure| {
            Failure::new(format!("{}: {failure}\n  why it matters: {}", check.name, check.why))
        })
    }

    /// As `hold_to`, and the failure says what came instead, and nothing else.
    pub fn judge(&self, check: &Check) -> Result<(), Failure> {
        (check.scenario)(self)
    }

    /// Whether a scenario is to hold the server to its part.
    fn judges_server(&self) -> bool {
        self.judged != Side::Client
    }

    /// Whether a scenario is to hold the client to its part.
    fn judges_client(&self) -> bool {
        self.judged != Side::Server
    }

    /// Starts the server, and the proxy in front of it if there is to be one.
    fn start(&self) -> Result<Running, Failure> {
        self.start_with(&[])
    }

    /// As `start`, with more arguments for the server.
    fn start_with(&self, arguments: &[&OsStr]) -> Result<Running, Failure> {
        let (program, server_addr, reach) = match &self.server {
            Server::Announcing(command) => {
                let mut command = command();
                command.args(arguments);
                let (program, addr) = Program::start_server(command)?;
                (Some(program), addr, Reach::ready(addr, self.deadline))
            }
            Server::Told(command) => {
                let (mut command, addr) = command()?;
                command.args(arguments);
                let program = Program::start_with_children(command)?;
                let process = program.process().clone();
                let reach = Reach::starting(addr, self.deadline, process, DEADLINE);
                (Some(program), addr, reach)
            }
            Server::Running(addr) => (None, *addr, Reach::ready(*addr, self.deadline)),
        };
        let reach = Arc::new(reach);
        // A client is a program that gives up where it is refused: the proxy is more patient.
        let waits = matches!(self.server, Server::Told(_));
        let proxy = match self.cut {
            None if waits => Some(self.proxy(Arc::clone(&reach), Cut::AsRead)?),
            None => None,
            Some(cut) => Some(self.proxy(Arc::clone(&reach), cut)?),
        };
        Ok(Running {
            program: program.map(|program| program.with_deadline(self.deadline)),
            addr: proxy.as_ref().map_or(server_addr, Proxy::addr),
            server_addr,
            direct: self.cut.is_none(),
            spares_port: waits,
            reach,
            protocol: self.protocol,
            deadline: self.deadline,
            _proxy: proxy,
        })
    }

    /// Starts the client, with one more argument if there is one.
    fn start_client(&self, addr: SocketAddr, argument: Option<&str>) -> Result<Program, Failure> {
        let mut command = (self.client)(addr);
        command.args(argument);
        self.start_program(command)
    }

    /// Starts a client with this command.
    fn start_program(&self, command: Command) -> Result<Program, Failure> {
        let client = if self.judged == Side::Client {
            Program::start_with_children(command)? // it is not ours
        } else {
            Program::start(command)?
        };
        Ok(client.with_deadline(self.deadline))
    }

    /// The proxy in front of this server, if there is to be one.
    fn proxy_to(&self, addr: SocketAddr) -> Result<Option<Proxy>, Failure> {
        let reach = || Arc::new(Reach::ready(addr, self.deadline));
        self.cut.map(|cut| self.proxy(reach(), cut)).transpose()
    }

    fn proxy(&self, reach: Arc<Reach>, cut: Cut) -> Result<Proxy, Failure> {
        let options = proxy::Options { delay: self.delay, ..proxy::Options::cut(cut) };
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .and_then(|listener| {
                Proxy::start_on(listener, Box::new(move || reach.connect()), options)
            })
            .map_err(|error| Failure::new(format!("cannot start the proxy: {error}")))
    }
}

/// A server that runs for one check.
struct Running {
    // Before the program, so that its connections are closed while it lives: who closes first is
    // remembered by the system, and a server that is started again should find its port free.
    _proxy: Option<Proxy>,
    /// None if it was not started here.
    program: Option<Program>,
    /// Where client programs connect: to the proxy, if there is one.
    addr: SocketAddr,
    /// Where it listens itself.
    server_addr: SocketAddr,
    /// Whether the check's own connections go past the proxy.
    direct: bool,
    /// Whether the end of those connections must not keep the server's port.
    spares_port: bool,
    reach: Arc<Reach>,
    protocol: Protocol,
    deadline: Duration,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.reach.give_up();
    }
}

impl Running {
    fn connect(&self) -> Result<Peer, Failure> {
        let connected = if self.direct { self.dial() } else { self.dial_proxy() };
        connected.map_err(|failure| self.explain(failure))
    }

    fn dial_proxy(&self) -> Result<Peer, Failure> {
        Peer::connect_within(self.addr, self.deadline)
    }

    /// Connects to the server itself, which may be starting.
    fn dial(&self) -> Result<Peer, Failure> {
        let stream = self.reach.connect().map_err(|error| self.cannot_connect(&error))?;
        let peer = Peer::on(stream, self.deadline)?;
        Ok(if self.spares_port { peer.sparing_the_port() } else { peer })
    }

    /// Why nobody can connect to the server. If nobody ever could, nothing can be said of it.
    fn cannot_connect(&self, error: &io::Error) -> Failure {
        let addr = self.server_addr;
        let refused = error.kind() == io::ErrorKind::ConnectionRefused;
        let why = match self.program.as_ref().and_then(Program::status) {
            Some(status) if command_line::is_remembered(addr) => {
                format!("the server has ended ({status}); {}", command_line::REMEMBERED)
            }
            Some(status) => format!("the server has ended ({status})"),
            None if refused && !self.reach.was_reached() && self.program.is_none() => {
                format!("{error}; nobody listens there: is the server running?")
            }
            None if refused && !self.reach.was_reached() => format!(
                "{error}; the program has run for {DEADLINE:?} and does not listen there: does it take \
                 the address from its command line?"
            ),
            None => error.to_string(),
        };
        let text = format!("cannot connect to {addr}: {why}");
        if self.reach.was_reached() { Failure::new(text) } else { Failure::unable(text) }
    }

    /// The server's process.
    fn program(&self) -> Result<&Program, Failure> {
        self.program.as_ref().ok_or_else(not_started_here)
    }

    /// The server's process, to type into it, or to wait for its end.
    fn program_mut(&mut self) -> Result<&mut Program, Failure> {
        self.program.as_mut().ok_or_else(not_started_here)
    }

    /// A message with this word in it, and its answer, whole.
    fn exchange(&self, peer: &mut Peer, word: &str) -> Result<(), Failure> {
        if self.protocol == Protocol::Chat {
            return chat::exchange(self, peer, word);
        }
        let (message, answer) = self.protocol.exchange(word);
        self.ask(peer, &message, &answer)
    }

    /// This message, and this answer, whole.
    fn ask(&self, peer: &mut Peer, message: &str, answer: &str) -> Result<(), Failure> {
        let bytes = self.protocol.on_the_wire(message);
        let asked = peer.send(&bytes).and_then(|()| self.protocol.expect_answer(peer, answer));
        asked.map_err(|failure| {
            let message = show_text(message);
            let done = if self.protocol.has_boundaries() {
                format!("after \"{message}\" was sent, as b\"{}\"", show(&bytes))
            } else {
                format!("after \"{message}\" was sent")
            };
            self.explain(failure.after(done))
        })
    }

    fn explain(&self, failure: Failure) -> Failure {
        match &self.program {
            Some(program) => program.explain(failure),
            None => failure,
        }
    }
}

fn not_started_here() -> Failure {
    Failure::new("this needs to start the server itself")
}
