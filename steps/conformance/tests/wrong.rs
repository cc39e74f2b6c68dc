//! Tests the checks, those of exercises too, on small wrong programs of the kind that a learner writes:
//! each must fail its check with the recorded report, and fail no other check than those that it names.
//!
//! They are in `wrong/CHECK.toml`. Most are the twin of a step with a line or two replaced:
//!
//! ```text
//! [[program]]
//! title = "the mistake, in a learner's words"
//! step = 6                the twin that it is made of, and what it speaks
//! side = "client"         which side is wrong; the other one is the unchanged twin
//! replace = [["frame.py", "what is there once", "what replaces it"]]
//! program = "…"           in place of `replace`: the whole of that side's file
//! cut = 1                 with a proxy that cuts the stream after that many bytes
//! hangs = true            it never does what the check waits for, so the deadline is short
//! os = "linux"            or "unix": the only systems on which the mistake can be seen
//! also = ["boundaries"]   the other checks that it fails
//! perhaps = ["churn"]     those that it fails or not, by chance
//! symptom = "greeting"    what the failure looks like, beyond what the check itself reports
//! says = "…"              the report: what was done, what was expected and what arrived, and whose
//!                         output would follow; `[..]` is any text, and alone in a line any lines
//! ```
//!
//! `BLESS_WRONG_PROGRAMS=1` writes `says` and `also` anew if they differ, and
//! `WRONG_PROGRAMS_OF="status rooms"` tries only those of these checks.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use conformance::check::{self, CHECKS, Check, EXERCISES, Promise, Promises, Subject};
#[cfg(unix)]
use conformance::check::{Exam, Outcome, Way};
use conformance::proxy::Cut;
use conformance::{Failure, Symptom, python, side_by_side_at_most};
use serde::Deserialize;
use tempfile::TempDir;

/// The folder of the wrong programs.
const WRONG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/wrong");

/// The folder of the steps, with the twins.
const STEPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// The wait for what is known not to happen: each such program costs this much.
const SHORT_DEADLINE: Duration = Duration::from_secs(3);

/// The same for an exercise: some of them allow two seconds.
const SHORT_EXERCISE_DEADLINE: Duration = Duration::from_secs(5);

/// The same for a client, whose time begins when it is started, and not when it has connected. On a
/// busy machine, Python takes seconds for that.
const SHORT_CLIENT_DEADLINE: Duration = Duration::from_secs(12);

/// Where the runs of one character in a failure are cut.
const LONGEST_RUN: usize = 20;

/// A file of wrong programs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrongPrograms {
    program: Vec<WrongProgram>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrongProgram {
    title: String,
    step: u8,
    side: Side,
    /// Each a file, a text in it, and its replacement.
    #[serde(default)]
    replace: Vec<[String; 3]>,
    program: Option<String>,
    cut: Option<usize>,
    #[serde(default)]
    hangs: bool,
    os: Option<String>,
    also: Vec<String>,
    #[serde(default)]
    perhaps: Vec<String>,
    symptom: Option<String>,
    says: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Side {
    Server,
    Client,
}

impl Side {
    fn file(self) -> &'static str {
        match self {
            Self::Server => "server.py",
            Self::Client => "client.py",
        }
    }
}

impl From<Side> for check::Side {
    fn from(side: Side) -> Self {
        match side {
            Side::Server => Self::Server,
            Side::Client => Self::Client,
        }
    }
}

/// All checks: those of the staircase, and those of exercises.
fn all_checks() -> impl Iterator<Item = &'static Check> {
    CHECKS.iter().chain(EXERCISES)
}

fn is_of_exercise(check: &Check) -> bool {
    EXERCISES.iter().any(|exercise| exercise.name == check.name)
}

/// The file of a check's wrong programs.
fn file_of(check: &Check) -> PathBuf {
    Path::new(WRONG).join(check.name).with_extension("toml")
}

/// A twin as the book shows it: without the comments that name its excerpts.
fn without_anchors(text: &str) -> String {
    text.split_inclusive('\n').filter(|line| !line.trim_start().starts_with("# ANCHOR")).collect()
}

/// The wrong programs of a check.
fn programs_of(check: &Check) -> Vec<WrongProgram> {
    let file = file_of(check);
    let text = fs::read_to_string(&file);
    let text = text.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let programs: Result<WrongPrograms, _> = toml::from_str(&text);
    programs.unwrap_or_else(|error| panic!("{}: {error}", file.display())).program
}

/// All wrong programs that can be judged on this system, each with its check.
fn all_programs() -> Vec<(&'static Check, WrongProgram)> {
    let judged = all_checks().filter(|check| check.can_be_judged() && is_asked_for(check));
    let programs =
        judged.flat_map(|check| programs_of(check).into_iter().map(move |it| (check, it)));
    programs.filter(|(_, program)| program.shows_here()).collect()
}

/// Whether `WRONG_PROGRAMS_OF="status rooms"` names the check, or is not set.
fn is_asked_for(check: &Check) -> bool {
    std::env::var("WRONG_PROGRAMS_OF")
        .map_or(true, |names| names.split_whitespace().any(|name| name == check.name))
}

/// A step's folder.
fn step_dir(number: u8) -> PathBuf {
    let start = format!("{number:02}-");
    let mut steps = fs::read_dir(STEPS).expect("the steps").map(|entry| entry.expect("a step"));
    let step = steps.find(|step| step.file_name().to_string_lossy().starts_with(&start));
    step.unwrap_or_else(|| panic!("there is no step {number}")).path()
}

impl WrongProgram {
    /// Whether the mistake can be seen on this system.
    fn shows_here(&self) -> bool {
        match self.os.as_deref() {
            None => true,
            Some("unix") => cfg!(unix),
            Some("linux") => cfg!(target_os = "linux"),
            Some(other) => {
                panic!("{}: `os` must be \"unix\" or \"linux\", not {other:?}", self.title)
            }
        }
    }

    /// Makes the program, in a folder of its own; an error if a text to be replaced does not occur exactly once.
    fn make(&self) -> Result<TempDir, String> {
        let folder = TempDir::new().expect("a temporary folder");
        let twin = step_dir(self.step).join("python");
        for entry in fs::read_dir(twin).expect("the twin") {
            let path = entry.expect("the twin").path();
            if path.extension().is_some_and(|extension| extension == "py") {
                let name = path.file_name().expect("it has a name");
                fs::copy(&path, folder.path().join(name)).expect("the temporary folder");
            }
        }
        if let Some(program) = &self.program {
            fs::write(folder.path().join(self.side.file()), program).expect("the temporary folder");
        }
        for [file, from, to] in &self.replace {
            let path = folder.path().join(file);
            let text = fs::read_to_string(&path).map_err(|error| format!("{file}: {error}"))?;
            let text = without_anchors(&text);
            let count = text.matches(from.as_str()).count();
            if count != 1 {
                return Err(format!("{file}: this occurs {count} times, not once:\n{from}"));
            }
            fs::write(path, text.replace(from, to)).expect("the temporary folder");
        }
        Ok(folder)
    }

    /// The program in this folder, with the right twin as its other side.
    fn subject(&self, folder: &Path, deadline: Duration) -> Subject {
        let twin = step_dir(self.step).join("python");
        let file = |side: Side| {
            let folder = if side == self.side { folder } else { &twin };
            folder.join(side.file())
        };
        let (server, client) = (file(Side::Server), file(Side::Client));
        let mut subject = subject(self.step, server, client);
        subject.judged = self.side.into(); // as `cargo xtask check` judges it
        subject.cut = self.cut.map(Cut::Every);
        subject.deadline = deadline;
        subject.inquires = self.symptom.is_some();
        subject
    }

    /// Runs a check on the program. One that it must fail has a short deadline.
    fn hold_to(&self, check: &Check, fails: bool) -> Result<(), String> {
        let folder = self.make()?;
        let deadline = match self.side {
            _ if !fails => conformance::DEADLINE,
            Side::Server if is_of_exercise(check) => SHORT_EXERCISE_DEADLINE,
            Side::Server => SHORT_DEADLINE,
            Side::Client => SHORT_CLIENT_DEADLINE,
        };
        let held = self.subject(folder.path(), deadline).judge(check);
        let twin = step_dir(self.step).join("python");
        held.map_err(|failure| {
            let symptom = failure.symptom().map(Symptom::name);
            let mut shown = essentials(&failure, &[folder.path(), &twin]);
            if let Some(expected) = self.symptom.as_deref().filter(|name| symptom != Some(name)) {
                let _ = writeln!(shown, "symptom {symptom:?}, not {expected}"); // cannot fail
            }
            shown
        })
    }

    /// The other checks that run on it: those that the right twin keeps, and that look at the side that
    /// is wrong. None if it is for an exercise, which asks for something else than the twin.
    fn other_checks(&self, own: &Check) -> Vec<&'static Check> {
        if is_of_exercise(own) {
            return Vec::new();
        }
        let promises = Promises::read(&step_dir(self.step)).expect("the step's manifest");
        let looks_at_it = |check: &&Check| check.concerns(self.side.into());
        let checks = CHECKS.iter().filter(|check| check.can_be_judged() && check.name != own.name);
        let kept = checks.filter(|check| promises.keeps.iter().any(|name| name == check.name));
        kept.filter(looks_at_it).collect()
    }
}

/// A server and a client in Python.
fn subject(step: u8, server: PathBuf, client: PathBuf) -> Subject {
    let start = |script: PathBuf| {
        move |addr: &str| -> Command {
            let mut command = python().expect("Python 3 is installed");
            command.arg("-B").arg(&script).arg(addr); // -B: no folder for compiled files
            command
        }
    };
    let (server, client) = (start(server), start(client));
    let server = move || server("127.0.0.1:0");
    Subject::new(step, server, move |addr: SocketAddr| client(&addr.to_string()))
}

/// Returns the report of a failure, with the same words for what changes from run to run, and without
/// the program's output, except whose it is.
fn essentials(failure: &Failure, folders: &[&Path]) -> String {
    let words = conformance::python::words().expect("Python 3 is installed");
    let (program, options) = words.split_first().expect("a program");
    let name = Path::new(program).file_name().expect("a program has a name");
    let command = format!("{} {} -B ", name.to_string_lossy(), options.join(" "));
    let separator = std::path::MAIN_SEPARATOR;
    let temporary = format!("{}{separator}.tmp", std::env::temp_dir().display());
    let in_the_same_words = |text: &str| {
        let mut text = text.replace(&command, "python3 ");
        for folder in folders {
            text = text.replace(&format!("{}{separator}", folder.display()), "");
        }
        let text = with_words(&text, &temporary, "TMP", |c| c.is_ascii_alphanumeric());
        let text = with_words(&text, "127.0.0.1:", "127.0.0.1:PORT", |c| c.is_ascii_digit());
        with_words(&text, "(os error ", "(os error N", |c| c.is_ascii_digit())
    };
    let mut shown = String::new(); // writing to it cannot fail
    if !failure.done().is_empty() {
        let _ = writeln!(shown, "{}:", with_short_runs(&in_the_same_words(&failure.done())));
    }
    match failure.difference() {
        // It is short already, and its caret must keep its place.
        Some(difference) => {
            let _ = writeln!(shown, "{}", in_the_same_words(&difference.to_string()));
        }
        None => {
            let _ = writeln!(shown, "{}", with_short_runs(&in_the_same_words(failure.text())));
        }
    }
    if let Some((name, _)) = failure.program() {
        let _ = writeln!(shown, "what `{}` wrote", in_the_same_words(name));
    }
    shown
}

/// Returns a line in which `start`, and the characters after it that are `inside`, have become `word`.
/// A port of 0 was requested, and stays.
fn with_words(line: &str, start: &str, word: &str, inside: fn(char) -> bool) -> String {
    let mut parts = line.split(start);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(inside);
        let changes = part.len() > rest.len() && &part[..part.len() - rest.len()] != "0";
        text.push_str(if changes { word } else { start });
        text.push_str(if changes { rest } else { part });
    }
    text
}

/// A line in which long runs of one character are cut.
fn with_short_runs(line: &str) -> String {
    let mut text = String::new();
    let mut characters = line.chars().peekable();
    while let Some(character) = characters.next() {
        let mut count = 1;
        while characters.next_if_eq(&character).is_some() {
            count += 1;
        }
        if count > LONGEST_RUN {
            let _ = write!(text, "{character}{{{count} times}}"); // cannot fail, as above
        } else {
            text.extend(std::iter::repeat_n(character, count));
        }
    }
    text
}

/// Whether the lines are those that were recorded.
fn is_as_recorded(came: &str, recorded: &str) -> bool {
    let (came, recorded): (Vec<_>, Vec<_>) = (came.lines().collect(), recorded.lines().collect());
    are_as_recorded(&came, &recorded)
}

fn are_as_recorded(came: &[&str], recorded: &[&str]) -> bool {
    match recorded {
        [] => came.is_empty(),
        ["[..]", rest @ ..] => {
            (0..=came.len()).any(|skipped| are_as_recorded(&came[skipped..], rest))
        }
        [first, rest @ ..] => came
            .split_first()
            .is_some_and(|(line, others)| matches(line, first) && are_as_recorded(others, rest)),
    }
}

/// Whether a line is the recorded one, in which `[..]` means any text.
fn matches(line: &str, recorded: &str) -> bool {
    let Some((start, rest)) = recorded.split_once("[..]") else {
        return line == recorded;
    };
    let Some(line) = line.strip_prefix(start) else {
        return false;
    };
    let ends = line.char_indices().map(|(index, _)| index).chain([line.len()]);
    ends.into_iter().any(|index| matches(&line[index..], rest))
}

/// Returns the difference between what was recorded and what arrived, line by line.
fn difference(recorded: &str, came: &str) -> String {
    let mut lines = Vec::new();
    let mut came = came.lines();
    for recorded in recorded.lines() {
        match came.next() {
            Some(line) if matches(line, recorded) => lines.push(format!("     {line}\n")),
            Some(line) => lines.push(format!("    -{recorded}\n    +{line}\n")),
            None => lines.push(format!("    -{recorded}\n")),
        }
    }
    lines.extend(came.map(|line| format!("    +{line}\n")));
    lines.concat()
}

/// Does the jobs side by side. Most of them wait most of the time, so there are more at once than
/// elsewhere.
fn side_by_side<Job: Sync, Done: Send>(
    jobs: &[Job],
    work: impl Fn(&Job) -> Done + Sync,
) -> Vec<Done> {
    const WORKERS_PER_PROCESSOR: usize = 6;
    let processors = thread::available_parallelism().map_or(1, usize::from);
    side_by_side_at_most(processors * WORKERS_PER_PROCESSOR, jobs, work)
}

/// Whether what is not as recorded is to be recorded anew.
fn is_blessed() -> bool {
    std::env::var_os("BLESS_WRONG_PROGRAMS").is_some()
}

/// Writes a field of a wrong program anew: what is between these two, after its title.
fn bless(check: &Check, title: &str, start: &str, end: &str, value: &str) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().expect("no test panics here");
    let file = file_of(check);
    let text = fs::read_to_string(&file).expect("the wrong programs");
    let title = text.find(&format!("title = {title:?}\n")).expect("a title in plain quotes");
    let from = title + text[title..].find(start).expect("the field") + start.len();
    let to = from + text[from..].find(end).expect("the end of the field");
    fs::write(&file, [&text[..from], value, &text[to..]].concat()).expect("the wrong programs");
}

#[test]
fn every_check_has_at_least_two_wrong_programs() {
    for check in all_checks() {
        let count = programs_of(check).len();
        assert!(count >= 2, "{} has {count}", check.name);
    }
    for entry in fs::read_dir(WRONG).expect("the wrong programs") {
        let path = entry.expect("the wrong programs").path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        assert!(check::check(&name).is_some(), "{}: there is no such check", path.display());
    }
}

#[test]
fn every_wrong_program_has_a_title_of_its_own_and_can_be_made() {
    let mut titles = HashSet::new();
    for check in all_checks() {
        for program in programs_of(check) {
            let WrongProgram { title, .. } = &program;
            assert!(titles.insert(title.clone()), "{title}: there are two of them");
            assert!(check.concerns(program.side.into()), "{title}: that side is not judged");
            program.make().unwrap_or_else(|problem| panic!("{}, {title}: {problem}", check.name));
            let kinds =
                usize::from(program.program.is_some()) + usize::from(!program.replace.is_empty());
            assert!(kinds <= 1, "{title}: it is made of `replace` or of `program`, not of both");
            for name in program.also.iter().chain(&program.perhaps) {
                let known = program.other_checks(check).iter().any(|check| check.name == name);
                // What cannot be judged on this system is no check of the program's here.
                assert!(known || !cfg!(target_os = "linux"), "{title}: `{name}` is not for it");
            }
        }
    }
}

#[test]
fn a_message_is_compared_line_by_line_and_a_difference_is_shown_as_one() {
    let recorded = "reply: expected [..], received \"[..]\"\n  the end\n";
    assert!(is_as_recorded("reply: expected \"h\", received \"\"\n  the end\n", recorded));
    for other in
        ["reply: expected \"h\", received \"\n  the end\n", "reply: expected a\n", "", "x\ny\nz\n"]
    {
        assert!(!is_as_recorded(other, recorded), "{other}");
    }
    for lines in ["one\nend\n", "one\ntwo\nend\n", "one\ntwo\nthree\nend\n"] {
        assert!(is_as_recorded(lines, "one\n[..]\nend\n"), "{lines}");
    }
    assert!(!is_as_recorded("one\ntwo\n", "one\n[..]\nend\n"));
    assert_eq!(
        difference("one\n[..]o\nthree\n", "one\ntwo\nfour\nfive\n"),
        "     one\n     two\n    -three\n    +four\n    +five\n"
    );
    let line = "`python3 server.py 127.0.0.1:0`: 127.0.0.1:45678 said /t/.tmpA1b2C3/x";
    let line = with_words(line, "127.0.0.1:", "127.0.0.1:PORT", |c| c.is_ascii_digit());
    let line = with_words(&line, "/t/.tmp", "TMP", |c| c.is_ascii_alphanumeric());
    assert_eq!(line, "`python3 server.py 127.0.0.1:0`: 127.0.0.1:PORT said TMP/x");
    assert_eq!(with_short_runs(&format!("a{}b", "x".repeat(21))), "ax{21 times}b");
}

#[test]
#[ignore = "needs python3"]
fn each_wrong_program_in_python_fails_its_check_and_reports_why() {
    let programs = all_programs();
    let results = side_by_side(&programs, |(check, program)| program.hold_to(check, program.hangs));
    let mut problems = String::new();
    for ((check, program), result) in programs.iter().zip(results) {
        let title = &program.title;
        let problem = match result {
            Ok(()) => "it passes".to_owned(),
            Err(came) if is_as_recorded(&came, &program.says) => continue,
            Err(came) if is_blessed() => {
                bless(check, title, "says = '''\n", "'''", &came);
                continue;
            }
            Err(came) => format!("its report differs:\n{}", difference(&program.says, &came)),
        };
        let _ = writeln!(problems, "{}: \"{title}\": {problem}", check.name); // cannot fail, as above
    }
    assert!(problems.is_empty(), "\n{problems}");
}

/// Some 850 pairs of a program and a check cost a minute and a half of processor time, most of it for
/// Python to start. So this is no part of `cargo xtask verify`, but for those who add a wrong program, or
/// changes a check: `cargo test -p conformance --test wrong -- --ignored no_wrong_program`
#[test]
#[ignore = "needs some minutes, and python3"]
fn no_wrong_program_fails_another_check_than_it_says() {
    let programs = all_programs();
    let jobs: Vec<_> = programs
        .iter()
        .enumerate()
        .flat_map(|(index, (own, program))| {
            let certain = |check: &&Check| !program.perhaps.iter().any(|name| name == check.name);
            let others = program.other_checks(own).into_iter().filter(certain);
            others.map(move |check| (index, check)).collect::<Vec<_>>()
        })
        .collect();
    let results = side_by_side(&jobs, |(index, check)| {
        let (_, program) = &programs[*index];
        let fails = program.also.iter().any(|name| name == check.name);
        program.hold_to(check, fails).err()
    });
    let mut problems = String::new();
    for (index, (own, program)) in programs.iter().enumerate() {
        let of_it = || jobs.iter().zip(&results).filter(|((of, _), _)| *of == index);
        let failed: Vec<&str> =
            of_it().filter(|(_, failure)| failure.is_some()).map(|((_, it), _)| it.name).collect();
        if failed == program.also {
            continue;
        }
        let title = &program.title;
        if is_blessed() {
            bless(own, title, "also = ", "\n", &format!("{failed:?}"));
            continue;
        }
        let _ = writeln!(
            problems,
            "{}: \"{title}\": it fails also {failed:?}, not {:?}:",
            own.name, program.also
        ); // cannot fail, as above
        problems.extend(of_it().filter_map(|(_, failure)| failure.clone()));
    }
    assert!(problems.is_empty(), "\n{problems}");
}

#[test]
#[ignore = "needs python3"]
fn the_python_twin_of_step_07_keeps_every_promise() -> Result<(), Failure> {
    let twin = step_dir(7).join("python");
    let subject = subject(7, twin.join("server.py"), twin.join("client.py"));
    let promises = Promises::read(&step_dir(7))?;
    let kept = |check: &&Check| promises.promise(check.name) == Some(Promise::Kept);
    subject.checks().filter(kept).try_for_each(|check| subject.hold_to(check))
}

/// At a terminal, each line of it appears at once; in a pipe, all of them at its end.
#[cfg(unix)]
#[test]
#[ignore = "needs python3"]
fn a_right_python_client_that_does_not_flush_its_output_passes() {
    assert_right_client(BUFFERED_CLIENT);
}

/// Some libraries write at a terminal what is typed, whatever the input is.
#[cfg(unix)]
#[test]
#[ignore = "needs python3"]
fn a_right_python_client_that_shows_at_a_terminal_what_was_typed_passes() {
    let echo = "\n            sys.stdout.write(line if sys.stdout.isatty() else '')\n            answer = ";
    assert_right_client(&BUFFERED_CLIENT.replace("\n            answer = ", echo));
}

/// Puts all checks of step 03 to a client, as `cargo xtask check` does.
#[cfg(unix)]
fn assert_right_client(program: &str) {
    let folder = TempDir::new().expect("a temporary folder");
    let client = folder.path().join("client.py");
    fs::write(&client, program).expect("the temporary folder");
    let mut subject = subject(3, step_dir(3).join("python/server.py"), client.clone());
    subject.client = Box::new(move |addr| {
        let mut command = python().expect("Python 3 is installed");
        command.arg(&client).arg(addr.to_string()).env_remove("PYTHONUNBUFFERED");
        command
    });
    subject.judged = check::Side::Client;
    let promises = Promises::read(&step_dir(3)).expect("the step's manifest");
    let mut exam = Exam::new(subject, promises, vec![Way::WHOLE], Vec::new());
    for check in exam.checks() {
        let outcome = exam.put(check);
        assert!(matches!(outcome, Outcome::Kept), "{}: {outcome:?}", check.name);
    }
}

#[cfg(unix)]
const BUFFERED_CLIENT: &str = r#"
import socket
import sys

host, _, port = sys.argv[1].rpartition(":")
try:
    with socket.create_connection((host, int(port))) as stream:
        for line in sys.stdin:
            message = line.strip().encode()
            answer = b""
            stream.sendall(message)
            while len(answer) < len(message):
                part = stream.recv(1024)
                if not part:
                    sys.exit("error: the server has closed the connection")
                answer += part
            if message:
                print(answer.decode())
except OSError as error:
    sys.exit(f"error: {error}")
"#;
