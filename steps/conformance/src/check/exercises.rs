//! The exercises: checks of promises that no step makes, and what each step's manifest says of the
//! solutions.
//!
//! A solution is a program in the step's folder `exercises`. It must keep the checks that its
//! exercise names, and the step as it stands must break each of them: else there would be nothing
//! to do.

use std::collections::BTreeSet;
use std::env::consts::EXE_EXTENSION;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::promises::{in_manifest, step_table};
use super::wire::{self, Answer};
use super::{
    Check, Promise, Promises, Protocol, Running, SHELL_NEWLINE, Server, Side, Subject, chat, check,
    messages,
};
use crate::{Failure, Peer, python};

/// How long the step itself has to keep the check of an exercise after all. Longer than what an
/// exercise allows (`time-limit`, `half-frame`): the step must fail, and not the deadline be short.
const BROKEN_DEADLINE: Duration = Duration::from_secs(5);

/// The frame that is begun in `half-frame`: it announces so many bytes.
const HALF_FRAME_LEN: u32 = 1000;

/// The time between two bytes of that frame. All of it would take five minutes.
const DRIP: Duration = Duration::from_millis(300);

/// The first byte of a short header, where four more follow with the length.
const LONG: u8 = 255;

/// What a server says of a command that ran too long.
const STOPPED: &str = "stopped\n";

/// The checks that only exercises name: no step keeps them, so they are no part of the staircase.
pub const EXERCISES: &[Check] = &[
    Check {
        name: "time-limit",
        why: "A command that never ends would hold up its client, and everybody behind it, for ever.",
        section: "remote-execution.md#exercises",
        hint: "Wait under a deadline, then kill the whole process group: children outlive their shell.",
        side: Side::Server,
        protocols: &[Protocol::Shell, Protocol::Frames],
        scenario: time_limit,
    },
    Check {
        name: "delimiter",
        why: "Only what is sent can tell where a message ends; what one read returns cannot.",
        section: "message-boundaries.md#exercises",
        hint: "Keep what you have read until its newline is there, for each connection by itself.",
        side: Side::Server,
        protocols: &[Protocol::OneWay],
        scenario: delimiter,
    },
    Check {
        name: "half-frame",
        why: "Who begins a frame and does not end it would keep everybody else waiting.",
        section: "length-header.md#exercises",
        hint: "From the first byte of a frame on, let all of its reads together have a deadline.",
        side: Side::Server,
        protocols: &[Protocol::Frames],
        scenario: half_frame,
    },
    Check {
        name: "short-header",
        why: "Where most messages are short, a header of four bytes may be longer than what it announces.",
        section: "length-header.md#exercises",
        hint: "Read one byte; only if it is 255, read four more, and refuse a length that had no need of them.",
        side: Side::Server,
        protocols: &[Protocol::Frames],
        scenario: short_header,
    },
    Check {
        name: "millis",
        why: "A header that says more must still say all that those who are there already look for.",
        section: "json-header.md#exercises",
        hint: "Take the time before the command and after it; add the field, and change no other.",
        side: Side::Server,
        protocols: &[Protocol::Messages],
        scenario: millis,
    },
    Check {
        name: "list",
        why: "A client can only get a file whose name it knows.",
        section: "json-header.md#exercises",
        hint: "Send a line of JSON for each file, with `filename` and `size`, as the answer's body.",
        side: Side::Server,
        protocols: &[Protocol::Messages],
        scenario: list,
    },
    Check {
        name: "names",
        why: "Nobody remembers ports, and a name says who spoke only if no two people have it.",
        section: "chat-functions.md#exercises",
        hint: "Look whether the name is taken, and take it, under one and the same lock.",
        side: Side::Server,
        protocols: &[Protocol::Chat],
        scenario: chat::names,
    },
    Check {
        name: "latecomers",
        why: "Who comes late should see what the others are talking about.",
        section: "chat-class.md#exercises",
        hint: "Keep the last ten lines as they were sent, and send them to whoever joins, first of all.",
        side: Side::Server,
        protocols: &[Protocol::Chat],
        scenario: chat::latecomers,
    },
    Check {
        name: "rooms",
        why: "Who talks about cats should not have to read what others say about dogs.",
        section: "chat-class.md#exercises",
        hint: "Let each client know its room, and send a line only to those with the same one.",
        side: Side::Server,
        protocols: &[Protocol::Chat],
        scenario: chat::rooms,
    },
    Check {
        name: "rate-limit",
        why: "One who pastes a book would fill the screens of everybody, and the queues of those who are slow.",
        section: "chat-class.md#exercises",
        hint: "After ten lines, do not read from this client until the second is over; read from the others.",
        side: Side::Server,
        protocols: &[Protocol::Chat],
        scenario: chat::rate_limit,
    },
];

/// The shell waits for a child here: to kill the shell alone does not help.
fn time_limit(subject: &Subject) -> Result<(), Failure> {
    let cannot = |error: &std::io::Error| Failure::new(format!("cannot make a folder: {error}"));
    let folder = TempDir::new().map_err(|error| cannot(&error))?;
    let pid_file = folder.path().join("pid");
    let running = subject.start()?;
    let mut peer = running.connect()?;
    let command = if cfg!(windows) {
        "ping -n 60 127.0.0.1 & echo late".to_owned()
    } else {
        format!("sleep 60 & echo $! > '{}'; wait; echo late", pid_file.display())
    };
    running.ask(&mut peer, &command, STOPPED)?;
    if cfg!(unix) {
        let child = fs::read_to_string(&pid_file).ok().and_then(|pid| pid.trim().parse().ok());
        let child = child.ok_or_else(|| {
            running.explain(Failure::new(format!("\"{command}\" was stopped before it began")))
        })?;
        let until = Instant::now() + running.deadline;
        while messages::runs(child) {
            if Instant::now() > until {
                return Err(running.explain(Failure::new(format!(
                    "after \"{command}\" was stopped, its child {child} still runs after {:?}",
                    running.deadline
                ))));
            }
            thread::sleep(messages::LOOK); // not our child: no event tells that it has ended
        }
    }
    running.exchange(&mut peer, "next")
}

fn delimiter(subject: &Subject) -> Result<(), Failure> {
    let mut running = subject.start()?;
    let mut peer = running.connect()?;
    peer.send(b"one\ntwo\nth")?;
    expect_printed(&mut running, "one")?;
    expect_printed(&mut running, "two")?;
    peer.send(b"ree\n\nnot the end of a line")?;
    expect_printed(&mut running, "three")?;
    expect_printed(&mut running, "")?;
    peer.close();
    let mut next = running.connect()?;
    next.send(b"next\n")?;
    expect_printed(&mut running, "next")
}

/// Waits until the server prints a message in quotes, which must be this one.
fn expect_printed(running: &mut Running, message: &str) -> Result<(), Failure> {
    let server = running.program_mut()?;
    loop {
        let line = server.expect_line(&format!("… \"{message}\""))?;
        match quoted(&line) {
            Some(text) if text == message => return Ok(()),
            Some(_) => {
                let what = format!("expected the message \"{message}\", and it wrote `{line}`");
                return Err(server.failure(&what));
            }
            None => {} // something else that it has to say
        }
    }
}

/// What stands between quotes at the end of a line.
fn quoted(line: &str) -> Option<&str> {
    line.strip_suffix('"')?.rsplit_once('"').map(|(_, text)| text)
}

fn half_frame(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut slow = Peer::connect_within(running.addr, DRIP)?;
    slow.send(&HALF_FRAME_LEN.to_be_bytes())?;
    let until = Instant::now() + running.deadline;
    // Every read of the server's gets a byte. If that were enough, this would go on for ever.
    while slow.send(b"x").is_ok() && slow.expect_end().is_err() {
        if Instant::now() >= until {
            return Err(running.explain(Failure::new(format!(
                "after the length {HALF_FRAME_LEN}, a byte of the frame came every {DRIP:?}: \
                 expected the end of the connection, but it is still open after {:?}",
                running.deadline
            ))));
        }
    }
    running.exchange(&mut running.connect()?, "next")
}

fn short_header(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let echo = |peer: &mut Peer, text: &str| -> Result<(), Failure> {
        let command = short_frame(format!("echo {text}").as_bytes());
        let answer = short_frame(format!("{text}{SHELL_NEWLINE}").as_bytes());
        let echoed = peer.send(&command).and_then(|()| peer.expect(&answer));
        let done = || format!("after \"echo\" and {} bytes were sent", text.len());
        echoed.map_err(|failure| running.explain(failure.after(done())))
    };
    let mut peer = running.connect()?;
    let longest = usize::from(LONG) - 1;
    // The longest answer with a short header, and the shortest with a long one; so for commands.
    let (answer, command) = (longest - SHELL_NEWLINE.len(), longest - "echo ".len());
    for len in [2, answer, answer + 1, command, command + 1, 1000] {
        echo(&mut peer, &"x".repeat(len))?;
    }
    drop(peer);
    for (what, bytes) in [
        ("the length 7, which needs one byte, in five", &b"\xff\0\0\0\x07echo hi"[..]),
        ("a length of 4 GiB", &[LONG; 5]),
    ] {
        let mut liar = running.connect()?;
        let ended = liar.send(bytes).and_then(|()| liar.expect_end());
        ended.map_err(|failure| running.explain(failure.after(format!("after {what}"))))?;
    }
    echo(&mut running.connect()?, "next")
}

/// Bytes with their length in front, in one byte if that is enough.
fn short_frame(payload: &[u8]) -> Vec<u8> {
    match u8::try_from(payload.len()) {
        Ok(len) if len < LONG => [&[len], payload].concat(),
        _ => [&[LONG][..], &wire::frame(payload)].concat(),
    }
}

fn millis(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start()?;
    let mut peer = running.connect()?;
    // A second is a little shorter where clocks are coarse.
    let (pause, least) = (if cfg!(windows) { "ping -n 2 127.0.0.1" } else { "sleep 1" }, 900);
    for (command, least) in [("echo hello", 0), (pause, least), ("echo hello", 0)] {
        let start = Instant::now();
        let answer = peer.send(&wire::run(command)).and_then(|()| Answer::receive(&mut peer));
        let most = start.elapsed().as_millis();
        let explain = |failure: Failure| {
            running.explain(failure.after(format!("after \"{command}\" was sent")))
        };
        let answer = answer.map_err(explain)?;
        let millis = answer.header["millis"].as_u64().map(u128::from);
        let is_told = millis.is_some_and(|millis| (least..=most).contains(&millis));
        if !is_told || answer.error().is_some() || answer.header["status"] != 0 {
            return Err(explain(Failure::new(format!(
                "expected no `error`, the `status` 0, and a number of `millis` from {least} to \
                 {most}, {answer}"
            ))));
        }
    }
    Ok(())
}

fn list(subject: &Subject) -> Result<(), Failure> {
    let root = folder_with_files().map_err(|error| {
        Failure::new(format!("cannot make a folder with files to be listed: {error}"))
    })?;
    let running = subject.start_with(&["--root".as_ref(), root.path().as_ref()])?;
    let mut peer = running.connect()?;
    let mut ask = |request: &str| {
        let header = json!({ "request": request }).to_string();
        peer.send(&wire::frame(header.as_bytes()))
            .and_then(|()| Answer::receive(&mut peer))
            .map_err(|failure| running.explain(Failure::new(format!("after {header}: {failure}"))))
    };
    let mut expected = vec![("empty.txt".to_owned(), 0), ("three bytes.txt".to_owned(), 3)];
    for _ in 0..2 {
        let answer = ask("list")?;
        let mut entries = entries(&answer.body).unwrap_or_default();
        entries.sort();
        expected.sort();
        if answer.error().is_some() || entries != expected {
            return Err(running.explain(Failure::new(format!(
                "a folder with the files \"empty.txt\" and \"three bytes.txt\" was to be listed: \
                 expected no error, and for each of them a line of JSON with its `filename` and \
                 its `size`, {answer}"
            ))));
        }
        let answer = ask("dance")?;
        if answer.error().is_none() {
            return Err(running.explain(Failure::new(format!(
                "after a request that there is not: expected an `error`, {answer}"
            ))));
        }
    }
    Ok(())
}

/// Two files, and a folder, which is none.
fn folder_with_files() -> std::io::Result<TempDir> {
    let root = TempDir::new()?;
    fs::write(root.path().join("empty.txt"), "")?;
    fs::write(root.path().join("three bytes.txt"), "abc")?;
    fs::create_dir(root.path().join("folder"))?;
    Ok(root)
}

/// The lines of a list; `None` if one of them is something else.
fn entries(body: &[u8]) -> Option<Vec<(String, u64)>> {
    let entry = |line: &str| {
        let entry: Value = serde_json::from_str(line).ok()?;
        Some((entry["filename"].as_str()?.to_owned(), entry["size"].as_u64()?))
    };
    str::from_utf8(body).ok()?.lines().map(entry).collect()
}

/// An exercise that asks for a program.
pub struct Exercise {
    /// Its name in the manifest.
    pub name: String,
    /// The solution, a path in the step's folder.
    pub program: PathBuf,
    /// Whether the program is a client. If not, it is a server.
    pub is_client: bool,
    /// The checks that judge it.
    pub checks: Vec<&'static Check>,
}

impl Exercise {
    /// Reads the table `exercises` of the manifest in a step's folder.
    ///
    /// An error if a solution or a check does not exist, or if there is a solution of no exercise.
    pub fn read(step_dir: &Path) -> Result<Vec<Self>, Failure> {
        let step = step_table(step_dir)?;
        let failed = |what: &str| in_manifest(step_dir, what);
        let table = step.get("exercises").and_then(toml::Value::as_table);
        let table = table.ok_or_else(|| failed("`exercises` must be a table"))?;
        let exercises = table.iter().map(|(name, exercise)| {
            let failed = |what: &str| failed(&format!("the exercise `{name}`: {what}"));
            let text = |key| exercise.get(key).and_then(toml::Value::as_str);
            let program = PathBuf::from(text("program").unwrap_or_default());
            if !step_dir.join(&program).is_file() {
                return Err(failed("`program` must be a file in the step's folder"));
            }
            let is_client = match text("side") {
                None | Some("server") => false,
                Some("client") => true,
                Some(_) => return Err(failed("`side` must be `server` or `client`")),
            };
            let checks = exercise.get("checks").and_then(toml::Value::as_array);
            let checks = checks.filter(|checks| !checks.is_empty());
            let checks = checks.ok_or_else(|| failed("`checks` must be a list of checks"))?;
            let known = |name: &toml::Value| {
                let known = name.as_str().and_then(check);
                let shown = name.as_str().map_or(format!("{name:?}"), |name| format!("`{name}`"));
                known.ok_or_else(|| failed(&format!("there is no check {shown}")))
            };
            let checks = checks.iter().map(known).collect::<Result<_, _>>()?;
            Ok(Self { name: name.clone(), program, is_client, checks })
        });
        let exercises = exercises.collect::<Result<Vec<_>, _>>()?;
        let named: BTreeSet<_> = exercises.iter().map(|it| step_dir.join(&it.program)).collect();
        let files = fs::read_dir(step_dir.join("exercises"));
        let files = files.map_err(|error| failed(&format!("its exercises: {error}")))?;
        for file in files {
            let path = file.map_err(|error| failed(&error.to_string()))?.path();
            if path.is_file() && !named.contains(&path) {
                return Err(failed(&format!("no exercise has the program {}", path.display())));
            }
        }
        Ok(exercises)
    }

    /// The solution beside the other side of the step: a solution in Rust is built as an example.
    fn subject(&self, number: u8, step_dir: &Path, executable: &str) -> Subject {
        let start: Box<dyn Fn() -> Command> = if is_python(&self.program) {
            let script = step_dir.join(&self.program);
            Box::new(move || {
                let mut command = python().expect("Python 3 is installed");
                command.arg(&script);
                command
            })
        } else {
            let name = self.program.file_stem().expect("it is a file");
            let examples = Path::new(executable).with_file_name("examples");
            let program = examples.join(name).with_extension(EXE_EXTENSION);
            Box::new(move || Command::new(&program))
        };
        let mut subject = Subject::of_step(number, executable);
        if self.is_client {
            subject.client = Box::new(move |addr: SocketAddr| {
                let mut command = start();
                command.arg(addr.to_string());
                command
            });
        } else {
            subject.server = Server::Announcing(Box::new(move || {
                let mut command = start();
                command.arg("127.0.0.1:0");
                command
            }));
        }
        subject
    }
}

/// Holds the solutions in Rust of a step's exercises to the checks that these name, and sees that
/// the step breaks each of them.
///
/// # Panics
///
/// With the first that is otherwise, or if there is no such solution.
pub fn assert_exercises(step_dir: &str, executable: &str) {
    assert_solutions(Path::new(step_dir), executable, |program| !is_python(program));
}

/// As `assert_exercises`, for the solutions in Python.
///
/// # Panics
///
/// As `assert_exercises`, and where there is no Python 3.
pub fn assert_python_exercises(step_dir: &str, executable: &str) {
    assert_solutions(Path::new(step_dir), executable, is_python);
}

fn is_python(program: &Path) -> bool {
    program.extension().is_some_and(|extension| extension == "py")
}

fn assert_solutions(step_dir: &Path, executable: &str, is_wanted: impl Fn(&Path) -> bool) {
    let promises = Promises::read(step_dir).unwrap_or_else(|error| panic!("{error}"));
    let exercises = Exercise::read(step_dir).unwrap_or_else(|error| panic!("{error}"));
    let wanted = exercises.iter().filter(|exercise| is_wanted(&exercise.program));
    let mut count = 0;
    for exercise in wanted {
        let name = &exercise.name;
        let subject = exercise.subject(promises.number, step_dir, executable);
        for check in exercise.checks.iter().copied().filter(|check| check.can_be_judged()) {
            count += 1;
            let is_about_it = check.speaks(subject.protocol);
            assert!(is_about_it, "{name}: {} means nothing for this step", check.name);
            if let Err(failure) = subject.hold_to(check) {
                panic!("the solution of the exercise `{name}` fails: {failure}");
            }
            assert!(
                is_broken(check, &promises, executable),
                "{name}: the step keeps {} already, so it is no exercise",
                check.name
            );
        }
    }
    assert!(count > 0, "{}: there is no such exercise", step_dir.display());
}

/// Whether the step breaks this check: that is declared, and so seen elsewhere, or it is seen now.
fn is_broken(check: &Check, promises: &Promises, executable: &str) -> bool {
    if EXERCISES.iter().any(|exercise| exercise.name == check.name) {
        let mut step = Subject::of_step(promises.number, executable);
        step.deadline = BROKEN_DEADLINE;
        return step.hold_to(check).is_err();
    }
    promises.promise(check.name) == Some(Promise::Broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::CHECKS;

    #[test]
    fn no_two_checks_have_the_same_name() {
        let names: BTreeSet<_> = CHECKS.iter().chain(EXERCISES).map(|check| check.name).collect();
        assert_eq!(names.len(), CHECKS.len() + EXERCISES.len());
    }

    /// A step's folder with these exercises, and a solution `right.py`.
    fn read(exercises: &str) -> Result<Vec<Exercise>, Failure> {
        let folder = TempDir::new().expect("a temporary folder");
        let manifest = format!("[package.metadata.step.exercises]\n{exercises}");
        fs::write(folder.path().join("Cargo.toml"), manifest).expect("a manifest");
        fs::create_dir(folder.path().join("exercises")).expect("a folder");
        fs::write(folder.path().join("exercises/right.py"), "").expect("a solution");
        Exercise::read(folder.path())
    }

    #[test]
    fn the_manifest_must_name_every_solution_and_only_checks_that_there_are() {
        let right = r#"a = { program = "exercises/right.py", side = "client", checks = ["list"] }"#;
        let exercises = read(right).expect("it is right");
        assert_eq!((exercises[0].name.as_str(), exercises[0].is_client), ("a", true));
        assert_eq!(exercises[0].checks[0].name, "list");
        for (wrong, words) in [
            ("", "no exercise has the program "),
            (&right.replace("right.py", "left.py"), "`a`: `program` must be a file"),
            (&right.replace("client", "left"), "`a`: `side` must be `server` or `client`"),
            (&right.replace("\"list\"", ""), "`a`: `checks` must be a list of checks"),
            (&right.replace("list", "lost"), "`a`: there is no check `lost`"),
            (&right.replace("\"list\"", "1"), "`a`: there is no check Integer(1)"),
        ] {
            let error = read(wrong).err().expect("it is wrong").to_string();
            assert!(error.contains(words), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_message_stands_between_the_last_two_quotes() {
        assert_eq!(quoted("127.0.0.1:50001: \"hello you\""), Some("hello you"));
        assert_eq!(quoted("\"\""), Some(""));
        assert_eq!(quoted("read 3 bytes"), None);
        assert_eq!(quoted("\""), None);
    }

    #[test]
    fn a_list_is_read_only_if_every_line_is_an_entry() {
        let body = b"{\"filename\":\"a\",\"size\":1}\n{\"size\":0,\"filename\":\"b\"}\n";
        assert_eq!(entries(body), Some(vec![("a".to_owned(), 1), ("b".to_owned(), 0)]));
        assert_eq!(entries(b""), Some(Vec::new()));
        assert_eq!(entries(b"{\"filename\":\"a\"}\n"), None);
        assert_eq!(entries(b"a 1\n"), None);
    }
}
