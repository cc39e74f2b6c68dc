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
    scenario: fn(&Subject) -> Result<(), Failure>,
}

/// All checks, in the order in which the steps learn to keep them.
pub const CHECKS: &[Check] = &[
    Check {
        name: "reply",
        why: "A server that does not answer cannot be told from one that is not there.",
        scenario: reply,
    },
    Check {
        name: "many-messages",
        why: "Connecting costs a handshake; a conversation should pay for it once.",
        scenario: many_messages,
    },
    Check {
        name: "empty-input",
        why: "TCP cannot send an empty message, so a client that tries waits for an answer for ever.",
        scenario: empty_input,
    },
    Check {
        name: "next-client",
        why: "A client that came second should be served when the first has left, not turned away.",
        scenario: next_client,
    },
    Check {
        name: "survives-disconnect",
        why: "Every client leaves some day; the server must neither end nor spin because of it.",
        scenario: survives_disconnect,
    },
    Check {
        name: "survives-reset",
        why: "Programs crash and cables break; one broken connection must not take the server down.",
        scenario: survives_reset,
    },
];

/// The check with this name.
#[must_use]
pub fn check(name: &str) -> Option<&'static Check> {
    CHECKS.iter().find(|check| check.name == name)
}

/// What a server answers to a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The message itself (step 01).
    Echo,
    /// The message in ASCII upper case (steps 02 and 03).
    UpperCase,
}

impl Answer {
    fn to(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Echo => message.to_vec(),
            Self::UpperCase => message.to_ascii_uppercase(),
        }
    }
}

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
    /// What the server answers.
    pub answer: Answer,
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
        let (answer, input) = match number {
            1 => (Answer::Echo, Input::Argument),
            _ => (Answer::UpperCase, Input::Lines),
        };
        Self {
            server: Box::new(server),
            client: Box::new(client),
            answer,
            input,
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
            answer: self.answer,
            deadline: self.deadline,
            _proxy: proxy,
        })
    }
}

/// A server that runs for one check.
struct Running {
    server: Program,
    addr: SocketAddr,
    answer: Answer,
    deadline: Duration,
    _proxy: Option<Proxy>,
}

impl Running {
    fn connect(&self) -> Result<Peer, Failure> {
        let connected = Peer::connect_within(self.addr, self.deadline);
        connected.map_err(|failure| self.explain(&failure))
    }

    /// One message and its answer, whole.
    fn exchange(&self, peer: &mut Peer, message: &str) -> Result<(), Failure> {
        let answer = self.answer.to(message.as_bytes());
        let exchanged = peer.send(message.as_bytes()).and_then(|()| peer.expect(&answer));
        exchanged.map_err(|failure| {
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
    for message in ["one", "two", "three", "Grüße", "\0\u{1}\u{7f}"] {
        running.exchange(&mut peer, message)?;
    }
    Ok(())
}

fn empty_input(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut command = (subject.client)(running.addr);
    if subject.input == Input::Argument {
        command.arg("");
    }
    let mut client = Program::start(command)?.with_deadline(subject.deadline);
    if subject.input == Input::Lines {
        client.type_line("")?;
        client.type_line("after")?;
        let answer = client.expect_line("the answer to the line after the empty one")?;
        let expected = String::from_utf8_lossy(&subject.answer.to(b"after")).into_owned();
        if answer != expected {
            return Err(client.failure(&format!("expected `{expected}`, got `{answer}`")));
        }
        client.end_input();
    }
    let status = client.wait()?;
    if !status.success() {
        return Err(client.failure(&format!("it ended with {status}")));
    }
    Ok(())
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
    hasty.send(b"leaves before the answer")?;
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
    for check in CHECKS {
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
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
