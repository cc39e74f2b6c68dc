//! The checks: named promises, each with a sentence on why it matters and a scenario over real
//! sockets.
//!
//! A check says whether a program *keeps* a promise. It is as useful to know which promises a step
//! *breaks*: what is declared as still wrong must be seen to be wrong, so a step's manifest lists
//! both, and [`assert_promises`] holds the step to both.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::program::DEADLINE;
use crate::proxy::{Cut, Proxy};
use crate::{Failure, Peer, Program};

/// How long a broken promise may take to be kept after all. Short: each declared break waits for it.
const BROKEN_DEADLINE: Duration = Duration::from_millis(500);

/// A promise that a program can be held to.
pub struct Check {
    /// Its name, in kebab case.
    pub name: &'static str,
    /// Why it matters, in one sentence.
    pub why: &'static str,
    /// The protocols in which it means something.
    protocols: &'static [Protocol],
    scenario: fn(&Subject) -> Result<(), Failure>,
}

/// All checks, in the order in which the steps learn to keep them.
pub const CHECKS: &[Check] = &[
    Check {
        name: "reply",
        why: "A server that does not answer cannot be told from one that is not there.",
        protocols: ALL,
        scenario: reply,
    },
    Check {
        name: "many-messages",
        why: "Connecting costs a handshake; a conversation should pay for it once.",
        protocols: ALL,
        scenario: many_messages,
    },
    Check {
        name: "empty-input",
        why: "TCP cannot send an empty message, so a client that tries waits for an answer for ever.",
        protocols: ALL,
        scenario: empty_input,
    },
    Check {
        name: "next-client",
        why: "A client that came second should be served when the first has left, not turned away.",
        protocols: ALL,
        scenario: next_client,
    },
    Check {
        name: "survives-disconnect",
        why: "Every client leaves some day; the server must neither end nor spin because of it.",
        protocols: ALL,
        scenario: survives_disconnect,
    },
    Check {
        name: "survives-reset",
        why: "Programs crash and cables break; one broken connection must not take the server down.",
        protocols: ALL,
        scenario: survives_reset,
    },
    Check {
        name: "both-streams",
        why: "A command speaks on two streams; whoever drops one hides either the result or the error.",
        protocols: COMMANDS,
        scenario: both_streams,
    },
    Check {
        name: "empty-reply",
        why: "Many commands have nothing to say, and an asker that waits for a first byte waits for ever.",
        protocols: COMMANDS,
        scenario: empty_reply,
    },
    Check {
        name: "whole-reply",
        why: "What is left unread of one answer is taken for the beginning of the next.",
        protocols: COMMANDS,
        scenario: whole_reply,
    },
    Check {
        name: "boundaries",
        why: "What is sent in two messages may come in one segment, and must still be two messages.",
        protocols: COMMANDS,
        scenario: boundaries,
    },
    Check {
        name: "hostile-length",
        why: "Four bytes from a stranger must not make a server reserve, or wait for, 4 GiB.",
        protocols: FRAMES,
        scenario: hostile_length,
    },
];

const ALL: &[Protocol] = &[Protocol::Echo, Protocol::UpperCase, Protocol::Shell, Protocol::Frames];
const COMMANDS: &[Protocol] = &[Protocol::Shell, Protocol::Frames];
const FRAMES: &[Protocol] = &[Protocol::Frames];

/// The check with this name.
#[must_use]
pub fn check(name: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.name == name)
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
    /// As `Shell`, but every message is a frame: its length as a `u32` in network byte order, and
    /// then its bytes (step 06).
    Frames,
}

impl Protocol {
    /// The protocol of a step.
    #[must_use]
    pub fn of_step(number: u8) -> Self {
        match number {
            1 => Self::Echo,
            2 | 3 => Self::UpperCase,
            4 | 5 => Self::Shell,
            _ => Self::Frames,
        }
    }

    /// A message with this word in it, and the answer that it must get.
    fn exchange(self, word: &str) -> (String, String) {
        match self {
            Self::Echo => (word.to_owned(), word.to_owned()),
            Self::UpperCase => (word.to_owned(), word.to_ascii_uppercase()),
            Self::Shell | Self::Frames => {
                (format!("echo {word}"), format!("{word}{SHELL_NEWLINE}"))
            }
        }
    }

    /// A message as it travels.
    fn on_the_wire(self, message: &str) -> Vec<u8> {
        match self {
            Self::Echo | Self::UpperCase | Self::Shell => message.as_bytes().to_vec(),
            Self::Frames => {
                let len = u32::try_from(message.len()).expect("a check sends no 4 GiB");
                [&len.to_be_bytes(), message.as_bytes()].concat()
            }
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

/// The program under test: how to start its server and its client, and what it speaks.
pub struct Subject {
    /// Starts the server on any free port; its first line of output is `listening on ADDR`.
    pub server: Box<dyn Fn() -> Command>,
    /// Starts the client, which connects to this address.
    pub client: Box<dyn Fn(SocketAddr) -> Command>,
    /// What they speak.
    pub protocol: Protocol,
    /// How the client gets its messages.
    pub input: Input,
    /// A proxy between clients and server that cuts the stream, or none.
    pub cut: Option<Cut>,
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
            server: Box::new(server),
            client: Box::new(client),
            protocol: Protocol::of_step(number),
            input: if number == 1 { Input::Argument } else { Input::Lines },
            cut: None,
            deadline: DEADLINE,
        }
    }

    /// The same subject behind a proxy that cuts the stream.
    #[must_use]
    pub fn behind(mut self, cut: Cut) -> Self {
        self.cut = Some(cut);
        self
    }

    /// The checks that mean something for this subject.
    pub fn checks(&self) -> impl Iterator<Item = &'static Check> + use<> {
        let protocol = self.protocol;
        CHECKS.iter().filter(move |check| check.protocols.contains(&protocol))
    }

    /// Holds the subject to a check; the failure says what came instead and why it matters.
    pub fn hold_to(&self, check: &Check) -> Result<(), Failure> {
        (check.scenario)(self).map_err(|failure| {
            Failure::new(format!("{}: {failure}\n  why it matters: {}", check.name, check.why))
        })
    }

    /// Starts the server, and the proxy in front of it if there is to be one.
    fn start(&self) -> Result<Running, Failure> {
        let (server, addr) = Program::start_server((self.server)())?;
        let proxy = match self.cut {
            None => None,
            Some(cut) => Some(
                Proxy::start(addr, cut)
                    .map_err(|error| Failure::new(format!("cannot start the proxy: {error}")))?,
            ),
        };
        let addr = proxy.as_ref().map_or(addr, Proxy::addr);
        Ok(Running {
            server: server.with_deadline(self.deadline),
            addr,
            protocol: self.protocol,
            deadline: self.deadline,
            _proxy: proxy,
        })
    }
}

/// A server that runs for one check.
struct Running {
    server: Program,
    addr: SocketAddr,
    protocol: Protocol,
    deadline: Duration,
    _proxy: Option<Proxy>,
}

impl Running {
    fn connect(&self) -> Result<Peer, Failure> {
        let connected = Peer::connect_within(self.addr, self.deadline);
        connected.map_err(|failure| self.explain(&failure))
    }

    /// A message with this word in it, and its answer, whole.
    fn exchange(&self, peer: &mut Peer, word: &str) -> Result<(), Failure> {
        let (message, answer) = self.protocol.exchange(word);
        self.ask(peer, &message, &answer)
    }

    /// This message, and this answer, whole.
    fn ask(&self, peer: &mut Peer, message: &str, answer: &str) -> Result<(), Failure> {
        let (sent, expected) =
            (self.protocol.on_the_wire(message), self.protocol.on_the_wire(answer));
        let asked = peer.send(&sent).and_then(|()| peer.expect(&expected));
        asked.map_err(|failure| {
            self.explain(&Failure::new(format!("after \"{message}\" was sent: {failure}")))
        })
    }

    fn explain(&self, failure: &Failure) -> Failure {
        self.server.failure(&failure.to_string())
    }
}

fn reply(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    running.exchange(&mut running.connect()?, "h")
}

fn many_messages(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut peer = running.connect()?;
    for word in ["one", "two", "three"] {
        running.exchange(&mut peer, word)?;
    }
    if !COMMANDS.contains(&subject.protocol) {
        for bytes in ["Grüße", "\0\u{1}\u{7f}"] {
            running.exchange(&mut peer, bytes)?;
        }
    }
    Ok(())
}

fn empty_input(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    if subject.input == Input::Lines {
        return answers_after(subject, &running, "", &[]);
    }
    let mut command = (subject.client)(running.addr);
    command.arg("");
    let mut client = Program::start(command)?.with_deadline(subject.deadline);
    ended_well(&mut client)
}

/// Types a line into a client, which must print these lines, and then answer the line after.
fn answers_after(
    subject: &Subject,
    running: &Running,
    line: &str,
    printed: &[&str],
) -> Result<(), Failure> {
    let command = (subject.client)(running.addr);
    let mut client = Program::start(command)?.with_deadline(subject.deadline);
    let (next, answer) = subject.protocol.exchange("after");
    client.type_line(line)?;
    client.type_line(&next)?;
    for expected in printed.iter().copied().chain([answer.trim_end()]) {
        let came = client.expect_line(expected)?;
        if came != expected {
            return Err(client.failure(&format!("expected `{expected}`, got `{came}`")));
        }
    }
    client.end_input();
    ended_well(&mut client)
}

fn ended_well(client: &mut Program) -> Result<(), Failure> {
    let status = client.wait()?;
    if status.success() {
        return Ok(());
    }
    Err(client.failure(&format!("it ended with {status}")))
}

fn next_client(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut first = running.connect()?;
    running.exchange(&mut first, "first")?;
    let mut second = running.connect()?;
    first.close();
    running.exchange(&mut second, "second")
}

fn survives_disconnect(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut polite = running.connect()?;
    running.exchange(&mut polite, "polite")?;
    polite.close();
    running.connect()?.close(); // says nothing at all
    let mut hasty = running.connect()?;
    let (message, _) = running.protocol.exchange("hasty");
    hasty.send(&running.protocol.on_the_wire(&message))?;
    hasty.close();
    running.exchange(&mut running.connect()?, "next")
}

fn survives_reset(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut served = running.connect()?;
    running.exchange(&mut served, "served")?;
    running.connect()?.reset()?; // broken off while it waits to be accepted
    served.reset()?;
    running.exchange(&mut running.connect()?, "next")
}

fn both_streams(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let command = if cfg!(windows) { "echo out&echo err>&2" } else { "echo out; echo err >&2" };
    let answer = format!("out{SHELL_NEWLINE}err{SHELL_NEWLINE}");
    running.ask(&mut running.connect()?, command, &answer)
}

fn empty_reply(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    answers_after(subject, &running, "exit 0", &[])
}

fn whole_reply(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let line = "x".repeat(300);
    let command = if cfg!(windows) {
        format!("for %i in (1 2 3 4 5 6 7 8 9 10) do @echo {line}")
    } else {
        format!("for i in 1 2 3 4 5 6 7 8 9 10; do echo {line}; done")
    };
    answers_after(subject, &running, &command, &[line.as_str(); 10])
}

fn boundaries(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut peer = running.connect()?;
    let (mut messages, mut answers) = (Vec::new(), Vec::new());
    for word in ["one", "two"] {
        let (message, answer) = subject.protocol.exchange(word);
        messages.extend(subject.protocol.on_the_wire(&message));
        answers.extend(subject.protocol.on_the_wire(&answer));
    }
    let asked = peer.send(&messages).and_then(|()| peer.expect(&answers));
    asked.map_err(|failure| {
        running.explain(&Failure::new(format!("after two messages in one segment: {failure}")))
    })
}

fn hostile_length(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut hostile = running.connect()?;
    let refused = hostile.send(&u32::MAX.to_be_bytes()).and_then(|()| hostile.expect_end());
    refused.map_err(|failure| {
        running.explain(&Failure::new(format!("after a length of 4 GiB: {failure}")))
    })?;
    running.exchange(&mut running.connect()?, "next")
}

/// What a step's manifest says of it, in `[package.metadata.step]`.
#[derive(Debug, PartialEq, Eq)]
pub struct Promises {
    /// The step's number, from its folder's name.
    pub number: u8,
    /// The checks that it keeps.
    pub keeps: Vec<String>,
    /// The checks that it is seen to break.
    pub breaks: Vec<String>,
}

impl Promises {
    /// Reads the manifest in a step's folder.
    ///
    /// An error if it has no such table, or if the table names a check that does not exist.
    pub fn read(step_dir: &Path) -> Result<Self, Failure> {
        let manifest = step_dir.join("Cargo.toml");
        let failed = |what: &str| Failure::new(format!("{}: {what}", manifest.display()));
        let text = fs::read_to_string(&manifest).map_err(|error| failed(&error.to_string()))?;
        let table: toml::Table = text.parse().map_err(|error| failed(&format!("{error}")))?;
        let step = (|| table.get("package")?.get("metadata")?.get("step"))();
        let step = step.ok_or_else(|| failed("it has no [package.metadata.step]"))?;
        let list = |key: &str| -> Result<Vec<String>, Failure> {
            let list = step.get(key).and_then(toml::Value::as_array);
            let list = list.ok_or_else(|| failed(&format!("`{key}` must be a list of checks")))?;
            list.iter()
                .map(|name| match name.as_str() {
                    Some(name) if check(name).is_some() => Ok(name.to_owned()),
                    Some(name) => Err(failed(&format!("there is no check `{name}`"))),
                    None => Err(failed(&format!("`{key}` must be a list of checks' names"))),
                })
                .collect()
        };
        let name = step_dir.file_name().unwrap_or_default().to_string_lossy();
        let number = name.split('-').next().and_then(|number| number.parse().ok());
        Ok(Self {
            number: number.ok_or_else(|| failed("its folder's name must begin with a number"))?,
            keeps: list("keeps")?,
            breaks: list("breaks")?,
        })
    }
}

/// Holds a step to its manifest: what it keeps must hold, what it breaks must be seen to break, and
/// no check may be in neither list.
///
/// # Panics
///
/// With everything that is not as the manifest says.
pub fn assert_promises(step_dir: &str, executable: &str) {
    let promises = Promises::read(Path::new(step_dir)).unwrap_or_else(|error| panic!("{error}"));
    let mut wrong = Vec::new();
    let mut unknown: Vec<&String> = promises.keeps.iter().chain(&promises.breaks).collect();
    for check in Subject::of_step(promises.number, executable).checks() {
        unknown.retain(|name| *name != check.name);
        let keeps = promises.keeps.iter().any(|name| name == check.name);
        let breaks = promises.breaks.iter().any(|name| name == check.name);
        let mut subject = Subject::of_step(promises.number, executable);
        if breaks {
            subject.deadline = BROKEN_DEADLINE;
        }
        match (keeps, breaks, subject.hold_to(check)) {
            (true, false, Ok(())) | (false, true, Err(_)) => {}
            (true, false, Err(failure)) => wrong.push(failure.to_string()),
            (false, true, Ok(())) => wrong.push(format!(
                "{}: the manifest says that this step breaks it, but it keeps it",
                check.name
            )),
            (_, _, _) => wrong.push(format!(
                "{}: the manifest must name it once, in `keeps` or in `breaks`",
                check.name
            )),
        }
    }
    wrong.extend(unknown.iter().map(|name| format!("{name}: it means nothing for this step")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
