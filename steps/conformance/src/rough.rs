//! Rough treatment: programs that get less than they need, or are ended at the worst moment.
//!
//! The tables below list what is done to every step's server and client. Under each row a program may
//! continue, or end with one line that gives the reason. It must not panic, spin, report the same thing twice, or
//! end with an exit code that means something else.

use std::fs::File;
use std::io::{self, Write as _};
use std::net::TcpListener;
use std::ops::RangeInclusive;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::Command;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process, kill_process_group};
use tempfile::TempDir;

use crate::check::{Input, Protocol, Server, Subject};
use crate::program::{DEADLINE, Program};
use crate::{Failure, Peer, cpu, process_info, side_by_side};

/// How long a program is watched that must not spin.
const WATCHED: Duration = Duration::from_millis(200);

/// Between two looks at what the system reports about a process.
const LOOK: Duration = Duration::from_millis(5);

/// How many clients connect at once where there are few descriptors.
const CROWD: usize = 20;

/// How long a client waits that may wait in vain: the server may have no descriptor for it.
const PATIENCE: Duration = Duration::from_millis(300);

/// A shell script whose descriptor 4 is a pipe without a reader.
macro_rules! unread {
    ($then:literal) => {
        concat!(
            r#"d=$(mktemp -d); mkfifo "$d/f"; exec 3<>"$d/f" 4>"$d/f" 3<&-; rm -r "$d"; "#,
            $then
        )
    };
}
/// The exit code of a program that could not do what it was asked for.
const FAILURE: i32 = 1;

/// An input that has nothing to read.
const UNCLEAR: [&str; 5] = [
    "panicked at",
    "RUST_BACKTRACE",
    "uncategorized error",
    "Traceback (most recent call last)",
    "Exception ignored",
];

/// What is done to a program before it starts.
struct Treatment {
    name: &'static str,
    /// What a shell does before it becomes the program, which is `"$0" "$@"`.
    script: &'static str,
    outcome: Outcome,
}

/// The permitted results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// It does not matter to the program.
    Works,
    /// It ends with one line, and exit code 1.
    Fails,
    /// It ends with exit code 1, and the reason is lost.
    FailsUnheard,
    /// It depends: it works, or it fails, or it works in part.
    Either,
}

/// What each server and each client gets.
const BOTH: &[Treatment] = &[
    Treatment {
        name: "a locale that does not exist",
        script: r#"export LC_ALL=nonsense LANG=C; exec "$0" "$@""#,
        outcome: Outcome::Works,
    },
    Treatment {
        name: "no environment",
        script: r#"exec env -i "$0" "$@""#,
        outcome: Outcome::Works,
    },
    Treatment {
        name: "a time zone that does not exist",
        script: r#"export TZ=No/Where; exec "$0" "$@""#,
        outcome: Outcome::Works,
    },
    Treatment {
        name: "a terminal that does not exist",
        script: r#"export TERM=nonsense COLUMNS=x LINES=-1; exec "$0" "$@""#,
        outcome: Outcome::Works,
    },
    Treatment {
        name: "a stderr that is closed",
        script: r#"exec "$0" "$@" 2>&-"#,
        outcome: Outcome::Works,
    },
    Treatment {
        name: "a folder that is gone",
        script: r#"d=$(mktemp -d); cd "$d"; rmdir "$d"; exec "$0" "$@""#,
        outcome: Outcome::Either,
    },
    Treatment {
        name: "stdout that nobody reads",
        script: unread!(r#"exec "$0" "$@" >&4 4>&-"#),
        outcome: Outcome::Fails,
    },
    Treatment {
        name: "stdout and stderr that nobody reads",
        script: unread!(r#"exec "$0" "$@" >&4 2>&4 4>&-"#),
        outcome: Outcome::FailsUnheard,
    },
    #[cfg(target_os = "linux")]
    Treatment {
        name: "stdout on a disk that is full",
        script: r#"exec "$0" "$@" >/dev/full"#,
        outcome: Outcome::Fails,
    },
    #[cfg(target_os = "linux")]
    Treatment {
        name: "stdout and stderr on a disk that is full",
        script: r#"exec "$0" "$@" >/dev/full 2>&1"#,
        outcome: Outcome::FailsUnheard,
    },
];

/// What the servers get in addition.
const SERVERS: &[Treatment] = &[
    Treatment {
        name: "a stdin that is closed",
        script: r#"exec "$0" "$@" <&-"#,
        outcome: Outcome::Works,
    },
    Treatment {
        name: "a stdin that is empty",
        script: r#"exec "$0" "$@" </dev/null"#,
        outcome: Outcome::Works,
    },
    Treatment {
        name: "a stdin that is a folder",
        script: r#"exec "$0" "$@" </"#,
        outcome: Outcome::Works,
    },
    Treatment {
        name: "a stdin that is no text",
        script: r#"exec "$0" "$@" </bin/sh"#,
        outcome: Outcome::Works,
    },
    #[cfg(target_os = "linux")]
    Treatment {
        name: "a stdin without a newline and without an end",
        script: r#"export MALLOC_ARENA_MAX=1; ulimit -v 524288; exec "$0" "$@" </dev/zero"#,
        outcome: Outcome::Works,
    },
    Treatment {
        name: "a reader of stdout who leaves after the first line",
        script: r#"d=$(mktemp -d); mkfifo "$d/f"; { head -n 1 <"$d/f"; rm -r "$d"; } & exec "$0" "$@" >"$d/f""#,
        outcome: Outcome::Either,
    },
    Treatment {
        name: "files that may not have a byte",
        script: r#"trap "" XFSZ; ulimit -f 0; exec "$0" "$@""#,
        outcome: Outcome::Either,
    },
];

/// What the clients get in addition; nothing is typed into them where their input is replaced.
const CLIENTS: &[Treatment] = &[
    Treatment {
        name: "a stdout that is closed",
        script: r#"exec "$0" "$@" >&-"#,
        outcome: Outcome::Works,
    },
    Treatment {
        name: "a stdin that is closed",
        script: r#"exec "$0" "$@" <&-"#,
        outcome: Outcome::Works,
    },
    Treatment {
        name: "a stdin that is empty",
        script: r#"exec "$0" "$@" </dev/null"#,
        outcome: Outcome::Works,
    },
    Treatment {
        name: "a stdin that is a folder",
        script: r#"exec "$0" "$@" </"#,
        outcome: Outcome::Either,
    },
    #[cfg(target_os = "linux")]
    Treatment {
        name: "a stdin without a newline and without an end",
        script: r#"export MALLOC_ARENA_MAX=1; ulimit -v 524288; exec "$0" "$@" </dev/zero"#,
        outcome: Outcome::Either,
    },
    Treatment {
        name: "no stdin, no stdout and no stderr",
        script: r#"exec "$0" "$@" <&- >&- 2>&-"#,
        outcome: Outcome::Works,
    },
];

/// Between the start of a program and a signal, in microseconds: it does something else each time.
const EARLY: [u64; 6] = [0, 500, 1000, 2000, 4000, 8000];

/// How few descriptors a program may have. With fewer than four, the system cannot load a program.
const FEW_DESCRIPTORS: RangeInclusive<usize> = 4..=12;

/// The signals by which people, and systems, end programs.
const SIGNALS: [Signal; 3] = [Signal::INT, Signal::TERM, Signal::HUP];

/// Holds a step's server to all that is done to servers.
///
/// # Panics
///
/// With all that went wrong, if something did.
pub fn assert_server_survives(number: u8, executable: &str) {
    let subject = || Subject::of_step(number, executable);
    let mut trials: Vec<Trial> = Vec::new();
    let mut add = |script: String, name: &str, outcome| {
        let server = move || treated(server_of(&subject()), &script);
        trials.push((name.to_owned(), Box::new(move || serve(&subject(), server(), outcome))));
    };
    for treatment in BOTH.iter().chain(SERVERS) {
        add(treatment.script.to_owned(), treatment.name, treatment.outcome);
    }
    for count in FEW_DESCRIPTORS {
        add(few_descriptors(count), &format!("{count} descriptors"), Outcome::Either);
    }
    for signal in SIGNALS {
        let later = [Moment::Idle, Moment::Half, Moment::Serving];
        for moment in EARLY.map(Moment::early).into_iter().chain(later) {
            let end = move || end_server(&subject(), signal, moment);
            trials.push((format!("{signal:?}, {moment:?}"), Box::new(end)));
        }
    }
    let stop = move || stop_server(&subject());
    trials.push(("stopped and continued".to_owned(), Box::new(stop)));
    assert_survives(&trials);
}

/// Holds a step's client to all that is done to clients.
///
/// # Panics
///
/// With all that went wrong, if something did.
pub fn assert_client_survives(number: u8, executable: &str) {
    let subject = || Subject::of_step(number, executable);
    let mut trials: Vec<Trial> = Vec::new();
    let mut add = |script: String, name: &str, outcome| {
        trials.push((name.to_owned(), Box::new(move || talk(&subject(), &script, outcome))));
    };
    for treatment in BOTH.iter().chain(CLIENTS) {
        add(treatment.script.to_owned(), treatment.name, treatment.outcome);
    }
    for count in FEW_DESCRIPTORS {
        add(few_descriptors(count), &format!("{count} descriptors"), Outcome::Either);
    }
    let refused = move || refuse(&subject());
    trials.push(("nobody there, and nobody who reads".to_owned(), Box::new(refused)));
    for signal in SIGNALS {
        let later = [Moment::Half, Moment::Serving];
        for moment in EARLY.map(Moment::early).into_iter().chain(later) {
            let end = move || end_client(&subject(), signal, moment);
            trials.push((format!("{signal:?}, {moment:?}"), Box::new(end)));
        }
    }
    if subject().input == Input::Lines && subject().protocol != Protocol::OneWay {
        let what = "a reader of stdout who leaves after the first line";
        trials.push((what.to_owned(), Box::new(move || leave(&subject()))));
        let stop = move || stop_client(&subject());
        trials.push(("stopped and continued".to_owned(), Box::new(stop)));
    }
    assert_survives(&trials);
}

/// Holds a step's Python twin, server and client, to what is done to programs before they start.
///
/// # Panics
///
/// With all that went wrong, if something did.
pub fn assert_twin_survives(subject: impl Fn() -> Subject + Copy + Sync) {
    let mut trials: Vec<Trial> = Vec::new();
    for Treatment { name, script, outcome } in
        BOTH.iter().chain(SERVERS).filter(|it| is_for_python(it))
    {
        let server = move || treated(server_of(&subject()), script);
        trials.push((
            format!("server: {name}"),
            Box::new(move || serve(&subject(), server(), *outcome)),
        ));
    }
    for Treatment { name, script, outcome } in
        BOTH.iter().chain(CLIENTS).filter(|it| is_for_python(it))
    {
        trials.push((
            format!("client: {name}"),
            Box::new(move || talk(&subject(), script, *outcome)),
        ));
    }
    let refused = move || refuse(&subject());
    trials.push(("nobody there, and nobody who reads".to_owned(), Box::new(refused)));
    assert_survives(&trials);
}

/// Whether a program in Python starts at all: Python refuses a folder as its input.
fn is_for_python(treatment: &Treatment) -> bool {
    treatment.name != "a stdin that is a folder"
}

/// What is done to a program once: its name, and the deed.
type Trial<'a> = (String, Box<dyn Fn() -> Result<(), Failure> + Sync + 'a>);

/// Does all of it, several at a time.
fn assert_survives(trials: &[Trial]) {
    let complaints = side_by_side(trials, |(name, trial)| complaint(name, trial()));
    let complaints: Vec<String> = complaints.into_iter().flatten().collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}

/// Checks that the command of a step's server continues when the server alone is ended. At a terminal,
/// Ctrl-C ends both: all that belongs to the job gets it.
///
/// # Panics
///
/// If it is not so.
pub fn assert_command_outlives_server(number: u8, executable: &str) {
    let subject = Subject::of_step(number, executable);
    for (signal, whom, left) in
        [(Signal::TERM, Whom::Server, "still here\n"), (Signal::INT, Whom::Job, "")]
    {
        let came = Watched::start(&subject).and_then(|mut watched| {
            watched.end_server(signal, whom)?;
            watched.ask()?;
            watched.rest()
        });
        let came = came.unwrap_or_else(|failure| panic!("{signal:?} to the {whom:?}: {failure}"));
        assert_eq!(came, left, "after {signal:?} to the {whom:?}");
    }
}

/// Sees that a server takes its command along, with all that it has started, whichever of these
/// signals it gets.
///
/// # Panics
///
/// If it does not.
pub fn assert_command_ends_with_server(subject: &Subject, signals: &[Signal]) {
    for signal in signals {
        let came = Watched::start(subject).and_then(|mut watched| {
            watched.end_server(*signal, Whom::Server)?;
            watched.rest()
        });
        let came = came.unwrap_or_else(|failure| panic!("{signal:?}: {failure}"));
        assert_eq!(came, "", "after {signal:?}");
    }
}

/// Who gets a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Whom {
    Server,
    Job,
}

/// A server that runs a command, which has a child and a grandchild.
struct Watched {
    server: Program,
    /// Whose command it is.
    _peer: Peer,
    /// It has the pipes.
    _folder: TempDir,
    /// A pipe from which the last of them reads.
    question: File,
    /// A pipe into which all three could write: it is at its end when they are gone.
    answer: File,
}

impl Watched {
    fn start(subject: &Subject) -> Result<Self, Failure> {
        let folder = tempfile::tempdir().map_err(about_files)?;
        let [question, answer] = ["question", "answer"].map(|name| folder.path().join(name));
        let made = Command::new("mkfifo").args([&question, &answer]).status();
        assert!(made.is_ok_and(|status| status.success()), "mkfifo");
        let mut server = server_of(subject);
        server.process_group(0); // as a shell does with each job
        let (server, addr) = Program::start_server(server)?;
        let mut peer = Peer::connect(addr)?;
        let grandchild = format!("(read line <'{}'; echo still here)", question.display());
        let command = format!("exec >'{}'; ( {grandchild}; true ); true", answer.display());
        peer.send(&subject.protocol.on_the_wire(&command))?;
        // To open one end of such a pipe is to wait for the other: from here on the command runs.
        let answer = within_deadline(&server, || File::open(answer))?;
        // Opened for reading as well, it does not wait for a writer: there may be none.
        let question = File::options().read(true).write(true).open(question);
        let question = question.map_err(about_files)?;
        Ok(Self { server, _peer: peer, _folder: folder, question, answer })
    }

    fn end_server(&mut self, signal: Signal, whom: Whom) -> Result<(), Failure> {
        match whom {
            Whom::Server => send(&self.server, signal)?,
            Whom::Job => kill_process_group(pid_of(&self.server), signal)
                .map_err(|error| self.server.failure(&format!("{signal:?}: {error}")))?,
        }
        self.server.wait().map(drop)
    }

    /// Writes a line to the command.
    fn ask(&mut self) -> Result<(), Failure> {
        self.question.write_all(b"who is there?\n").map_err(about_files)
    }

    /// What the command still writes, until it is gone.
    fn rest(self) -> Result<String, Failure> {
        within_deadline(&self.server, || io::read_to_string(self.answer))
    }
}

fn about_files(error: io::Error) -> Failure {
    Failure::new(error.to_string())
}

/// Does something that may wait forever, under a deadline.
fn within_deadline<T: Send + 'static>(
    program: &Program,
    job: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, Failure> {
    let (sender, done) = mpsc::channel();
    thread::spawn(move || sender.send(job()));
    match done.recv_timeout(DEADLINE) {
        Ok(done) => done.map_err(|error| program.failure(&error.to_string())),
        Err(_) => Err(program.failure(&format!("its command did nothing for {DEADLINE:?}"))),
    }
}

fn complaint(what: &str, done: Result<(), Failure>) -> Option<String> {
    done.err().map(|failure| format!("{what}: {failure}"))
}

/// The same program, started by a shell that does something first.
fn treated(command: Command, script: &str) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).arg(command.get_program()).args(command.get_args());
    shell
}

fn few_descriptors(count: usize) -> String {
    format!(r#"ulimit -n {count}; exec "$0" "$@""#)
}

/// When a signal arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Moment {
    /// So long after the start.
    After(Duration),
    Idle,
    /// A server has half of a message, a client has no answer.
    Half,
    Serving,
}

impl Moment {
    fn early(micros: u64) -> Self {
        Self::After(Duration::from_micros(micros))
    }
}

/// Starts a server that was treated, and serves clients with it, if it can.
fn serve(subject: &Subject, server: Command, outcome: Outcome) -> Result<(), Failure> {
    let must_work = outcome == Outcome::Works;
    let mut server = Program::start(server)?;
    let Some(line) = server.next_line()? else {
        return judge(&mut server, outcome, None); // it has ended, and what it prints has no reader
    };
    let addr = line.strip_prefix("listening on ").and_then(|addr| addr.parse().ok());
    let Some(addr) = addr else {
        expect_clear(&server, &line)?;
        return judge_line(&mut server, outcome, &line);
    };
    if matches!(outcome, Outcome::Fails | Outcome::FailsUnheard) {
        return Err(server.failure("it goes on, though nobody gets what it writes"));
    }
    let patience = if must_work { DEADLINE } else { PATIENCE };
    let mut peer = Peer::connect_within(addr, patience);
    let answered = peer.as_mut().map_err(|failure| Failure::new(failure.to_string()));
    let answered = answered.and_then(|peer| subject.protocol.converse(peer, "one"));
    if let Err(failure) = answered {
        let failure = failure.to_string();
        expect_clear(&server, &failure)?;
        if must_work {
            return Err(server.failure(&failure));
        }
    }
    // A client that finds no room is not let in. That is a failure of the connection, and not of the server.
    let crowd: Vec<_> = (0..CROWD).map(|_| Peer::connect_within(addr, PATIENCE)).collect();
    cpu::expect_rest(&server, WATCHED, DEADLINE)?;
    drop((peer, crowd));
    send(&server, Signal::TERM)?;
    judge(&mut server, outcome, Some(Signal::TERM))
}

/// The command that starts a step's server.
fn server_of(subject: &Subject) -> Command {
    match &subject.server {
        Server::Announcing(start) => start(),
        Server::Told(_) | Server::Running(_) => unreachable!("a step announces its address"),
    }
}

/// Starts a client that was treated, and types a line into it, if it reads any.
fn talk(subject: &Subject, script: &str, outcome: Outcome) -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server_of(subject))?;
    let mut client = Program::start(treated((subject.client)(addr), script))?;
    // It fails where the client has ended already, or has another input. How it ends is seen below.
    let _ = client.type_line(&subject.protocol.exchange("one").0);
    client.end_input();
    judge(&mut client, outcome, None)
}

/// Starts a client without a server, whose error message has no reader.
fn refuse(subject: &Subject) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let addr = listener.map_err(|error| Failure::new(error.to_string()))?; // closed by now
    let script = unread!(r#"exec "$0" "$@" 2>&4 4>&-"#);
    let mut client = Program::start(treated((subject.client)(addr), script))?;
    judge(&mut client, Outcome::FailsUnheard, None)
}

/// Ends a server by a signal.
fn end_server(subject: &Subject, signal: Signal, moment: Moment) -> Result<(), Failure> {
    if let Moment::After(time) = moment {
        let mut server = Program::start(server_of(subject))?;
        thread::sleep(time); // that moment is what is tried; nothing is waited for
        send(&server, signal)?;
        return judge(&mut server, Outcome::Works, Some(signal));
    }
    let (mut server, addr) = Program::start_server(server_of(subject))?;
    let mut peer = None;
    if moment != Moment::Idle {
        let peer = peer.insert(Peer::connect(addr)?);
        if subject.protocol == Protocol::Echo {
            // After its one answer it would have ended.
            server.expect_later("… connected", |line| line.ends_with(" connected"))?;
        } else {
            subject.protocol.converse(peer, "one")?;
            if moment == Moment::Half {
                peer.send(&subject.protocol.on_the_wire("two")[..1])?;
            }
        }
    }
    send(&server, signal)?;
    judge(&mut server, Outcome::Works, Some(signal))
}

/// Stops a server for a moment, as Ctrl-Z does, and continues it. Meanwhile a message arrives.
fn stop_server(subject: &Subject) -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server_of(subject))?;
    let mut peer = Peer::connect(addr)?;
    if subject.protocol != Protocol::Echo {
        subject.protocol.converse(&mut peer, "one")?;
    }
    stop_for_a_moment(&server)?;
    subject.protocol.converse(&mut peer, "two")?;
    send(&server, Signal::TERM)?;
    judge(&mut server, Outcome::Works, Some(Signal::TERM))
}

/// Ends a client by a signal.
fn end_client(subject: &Subject, signal: Signal, moment: Moment) -> Result<(), Failure> {
    if moment == Moment::Half {
        let listener = TcpListener::bind("127.0.0.1:0").map_err(about_files)?;
        let addr = listener.local_addr().map_err(about_files)?;
        let mut client = Program::start((subject.client)(addr))?;
        let _ = client.type_line(&subject.protocol.exchange("one").0); // one that has an argument
        let _connection = listener.accept().map_err(about_files)?; // is never answered
        send(&client, signal)?;
        return judge(&mut client, Outcome::Works, Some(signal));
    }
    let (_server, addr) = Program::start_server(server_of(subject))?;
    let mut client = Program::start((subject.client)(addr))?;
    match moment {
        Moment::After(time) => thread::sleep(time), // as above: the moment is what is tried
        _ if subject.input == Input::Lines => {
            client.type_line(&subject.protocol.exchange("one").0)?;
            client.expect_line("an answer")?;
        }
        _ => {}
    }
    send(&client, signal)?;
    judge(&mut client, Outcome::Works, Some(signal))
}

/// Stops a client for a moment, as Ctrl-Z does, and continues it. Meanwhile a line is typed.
fn stop_client(subject: &Subject) -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server_of(subject))?;
    let mut client = Program::start((subject.client)(addr))?;
    for word in ["one", "two"] {
        let (message, answer) = subject.protocol.exchange(word);
        client.type_line(&message)?;
        client.expect_later(&answer, |line| line.ends_with(answer.trim_end()))?;
        stop_for_a_moment(&client)?;
    }
    client.end_input();
    judge(&mut client, Outcome::Works, None)
}

/// A program that is continued before it has stopped does not notice anything.
fn stop_for_a_moment(program: &Program) -> Result<(), Failure> {
    send(program, Signal::STOP)?;
    let until = Instant::now() + DEADLINE;
    while process_info::state(program.id()).map_err(about_files)? != 'T' {
        if Instant::now() >= until {
            return Err(program.failure("it does not stop"));
        }
        thread::sleep(LOOK); // no event reports that another process has stopped
    }
    send(program, Signal::CONT)
}

/// Starts a client whose reader leaves after the first line, as `head -n 1` does, and then types one
/// more.
fn leave(subject: &Subject) -> Result<(), Failure> {
    let script = r#"d=$(mktemp -d); mkfifo "$d/f"
        { head -n 1 <"$d/f"; rm -r "$d"; echo "has left"; } & exec "$0" "$@" >"$d/f""#;
    let (_server, addr) = Program::start_server(server_of(subject))?;
    let mut client = Program::start(treated((subject.client)(addr), script))?;
    client.type_line(&subject.protocol.exchange("one").0)?;
    // In a chat, more than one line may have arrived: then the client may have noticed already.
    let mut errors_taken = 0;
    loop {
        let line = client.expect_line("has left")?;
        expect_clear(&client, &line)?;
        errors_taken += usize::from(line.starts_with("error: "));
        if line == "has left" {
            break;
        }
    }
    let _ = client.type_line(&subject.protocol.exchange("two").0); // fails where it has ended
    judge_with(&mut client, Outcome::Fails, None, errors_taken)
}

/// Waits for a program's end, and reports whether it is the right one. `signal` may have ended it.
fn judge(program: &mut Program, outcome: Outcome, signal: Option<Signal>) -> Result<(), Failure> {
    judge_with(program, outcome, signal, 0)
}

/// As `judge`, for a program whose first line was taken already.
fn judge_line(program: &mut Program, outcome: Outcome, line: &str) -> Result<(), Failure> {
    judge_with(program, outcome, None, usize::from(line.starts_with("error: ")))
}

fn judge_with(
    program: &mut Program,
    outcome: Outcome,
    signal: Option<Signal>,
    errors_taken: usize,
) -> Result<(), Failure> {
    let status = program.wait()?;
    let lines = program.lines_left();
    for line in &lines {
        expect_clear(program, line)?;
    }
    let errors = errors_taken + lines.iter().filter(|line| line.starts_with("error: ")).count();
    let by_signal = status.signal().is_some() && status.signal() == signal.map(Signal::as_raw);
    let is_right = match outcome {
        Outcome::Works => errors == 0 && (status.success() || by_signal),
        Outcome::Fails => errors == 1 && status.code() == Some(FAILURE),
        Outcome::FailsUnheard => errors == 0 && status.code() == Some(FAILURE),
        Outcome::Either if status.code() == Some(FAILURE) => errors == 1,
        Outcome::Either => errors <= 1 && (status.success() || by_signal),
    };
    if is_right {
        return Ok(());
    }
    Err(program.failure(&format!("it ended with {status} and {errors} lines of error")))
}

/// A line that a program has written, or an answer that it has sent, must mean something to people.
fn expect_clear(program: &Program, text: &str) -> Result<(), Failure> {
    match UNCLEAR.iter().find(|unclear| text.contains(**unclear)) {
        None => Ok(()),
        Some(unclear) => Err(program.failure(&format!("`{unclear}` in: {text}"))),
    }
}

fn send(program: &Program, signal: Signal) -> Result<(), Failure> {
    kill_process(pid_of(program), signal)
        .map_err(|error| program.failure(&format!("cannot send {signal:?}: {error}")))
}

fn pid_of(program: &Program) -> Pid {
    let pid = i32::try_from(program.id()).ok().and_then(Pid::from_raw);
    pid.expect("a program that was started has a process id")
}
