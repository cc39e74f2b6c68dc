//! The check `sessions`: what the book shows in its terminals is what the programs print when they run again.

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use anyhow::{Context as _, Result};
use conformance::network::{self, Network};
use conformance::session::{self, Action, Failure, Launcher, Session, Trace};
use conformance::side_by_side;
use workspace::command_line::{is_on_path, split};
use workspace::root::{self, Step, Target};

use crate::outcome::Report;

/// The package that `cargo xtask check` and `cargo xtask tap` start.
const CHECK: &str = "xtask-check";

/// Programs of the system that a session may start, each with the Debian package that has it.
const TOOLS: [(&str, &str); 2] = [("ss", "iproute2"), ("tcpdump", "tcpdump")];

/// Where Linux lists the addresses of IPv6; it is not there if the system has none.
const IPV6: &str = "/proc/net/if_inet6";

/// Why a session cannot have a network of its own here, if it cannot.
static NO_NETWORK: LazyLock<Option<String>> = LazyLock::new(network::missing);

/// Why traces cannot be recorded or compared here, if they cannot.
static NO_TRACES: LazyLock<Option<String>> = LazyLock::new(session::no_traces);

/// A session file of a step.
struct File {
    /// The name of its step.
    step: String,
    /// Its path, relative to the root.
    path: String,
    session: Session,
    /// The path of its trace.
    trace_path: String,
    /// Its trace, or why there is no valid one; nothing if it must have none.
    trace: Result<Option<Trace>, String>,
}

impl File {
    /// The trace to compare with, if it can be compared here.
    fn comparable(&self) -> Option<(&str, &Trace)> {
        let trace = self.trace.as_ref().ok()?.as_ref()?;
        NO_TRACES.is_none().then_some((self.trace_path.as_str(), trace))
    }
}

/// Runs the sessions of all steps, or of one; their programs must have been built.
///
/// Steps are side by side, since their ports differ; the sessions of one are one after the other.
pub fn check(root: &Path, target: &Target, only: Option<&Step>) -> Result<Report> {
    let programs = Programs::new(root, target);
    let files = files(root, only)?;
    let steps: Vec<&[File]> = files.chunk_by(|a, b| a.step == b.step).collect();
    let mut report = Report::default();
    for part in side_by_side(&steps, |files| run_all(files, &programs)) {
        report.passed += part.passed;
        report.failed.extend(part.failed);
        report.skipped.extend(part.skipped);
    }
    for step in root::steps(root)?.iter().filter(|step| only.is_none_or(|only| only == *step)) {
        let orphans = orphans(root, step)?.into_iter();
        report.failed.extend(orphans.map(|path| format!("{path}: its session is gone; delete it")));
    }
    let has_trace = files.iter().any(|file| matches!(file.trace, Ok(Some(_))));
    if let Some(obstacle) = NO_TRACES.as_ref().filter(|_| has_trace) {
        report.skipped.push(format!("the traces ({obstacle})"));
    }
    Ok(report)
}

/// Runs these sessions one after the other.
fn run_all(files: &[File], programs: &Programs<'_>) -> Report {
    let mut report = Report::default();
    for file in files {
        report.failed.extend(file.trace.as_ref().err().cloned());
        if let Some(obstacle) = programs.obstacle_to(&file.session) {
            report.skipped.push(format!("{} ({obstacle})", file.path));
            continue;
        }
        match programs.run(&file.session, file.comparable()) {
            Ok(()) => report.passed += 1,
            Err(failure) => report.failed.push(format!("{}: {failure}", file.path)),
        }
    }
    report
}

/// Records the sessions again whose output has changed, and the traces that do not fit any more; returns
/// their files.
pub fn bless(root: &Path, target: &Target, only: Option<&Step>) -> Result<Vec<String>> {
    let mut changed = Vec::new();
    let programs = Programs::new(root, target);
    for mut file in files(root, only)? {
        if programs.obstacle_to(&file.session).is_some() {
            continue;
        }
        if programs.run(&file.session, None).is_err() {
            let record = |launch: &Launcher<'_>| session::record(&file.session, launch);
            let recorded = programs.on_their_stage(&file.session, record);
            let text = recorded.with_context(|| file.path.clone())?.to_string();
            changed.extend(write(root, &file.path, &text)?);
            file.session = Session::parse(&text).with_context(|| file.path.clone())?;
        }
        if file.session.no_trace || NO_TRACES.is_some() {
            continue;
        }
        let fits =
            file.comparable().is_some_and(|(_, trace)| trace.check_fits(&file.session).is_ok());
        if !fits || programs.run(&file.session, file.comparable()).is_err() {
            let record = |launch: &Launcher<'_>| session::trace_of(&file.session, launch);
            let trace = programs.on_their_stage(&file.session, record);
            let text = trace.with_context(|| file.trace_path.clone())?.to_string();
            changed.extend(write(root, &file.trace_path, &text)?);
        }
    }
    Ok(changed)
}

/// Writes a file, and returns its path, unless it has this text already.
fn write(root: &Path, path: &str, text: &str) -> Result<Option<String>> {
    let file = root.join(path);
    if fs::read_to_string(&file).is_ok_and(|before| before == text) {
        return Ok(None);
    }
    fs::write(file, text).with_context(|| format!("cannot write {path}"))?;
    Ok(Some(path.to_owned()))
}

/// The sessions of all steps, or of one, in the order of their names.
fn files(root: &Path, only: Option<&Step>) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for step in root::steps(root)? {
        if only.is_none_or(|only| *only == step) {
            for path in paths(&step.dir(root).join("sessions"), "session")? {
                files.push(read(root, &step, &path)?);
            }
        }
    }
    Ok(files)
}

/// The files in a folder that have this extension.
fn paths(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|it| it == extension));
    paths.sort();
    Ok(paths)
}

fn read(root: &Path, step: &Step, path: &Path) -> Result<File> {
    let shown = root::shown(root, path);
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    let session = Session::parse(&text).with_context(|| shown.clone())?;
    let trace_path = root::shown(root, &path.with_extension("trace"));
    let trace = read_trace(root, &trace_path, &session);
    Ok(File { step: step.name.clone(), path: shown, session, trace_path, trace })
}

/// The trace of a session, which must be there, and fit it; or must not be there.
fn read_trace(root: &Path, path: &str, session: &Session) -> Result<Option<Trace>, String> {
    match fs::read_to_string(root.join(path)) {
        Ok(_) if session.no_trace => {
            Err(format!("{path}: the session has `#no-trace`; remove one of them"))
        }
        Ok(text) => {
            let trace = Trace::parse(&text).map_err(|error| format!("{path}, {error}"))?;
            trace.check_fits(session).map_err(|error| format!("{path}, {error}"))?;
            Ok(Some(trace))
        }
        Err(error) if error.kind() == ErrorKind::NotFound && session.no_trace => Ok(None),
        Err(error) => Err(format!("{path}: {error}; record it with cargo xtask verify --bless")),
    }
}

/// The traces of a step whose sessions are gone.
fn orphans(root: &Path, step: &Step) -> Result<Vec<String>> {
    let mut orphans = paths(&step.dir(root).join("sessions"), "trace")?;
    orphans.retain(|path| !path.with_extension("session").exists());
    Ok(orphans.iter().map(|path| root::shown(root, path)).collect())
}

/// Where the programs are that a session names.
struct Programs<'a> {
    root: &'a Path,
    target: &'a Target,
    has_python: bool,
}

impl<'a> Programs<'a> {
    fn new(root: &'a Path, target: &'a Target) -> Self {
        Self { root, target, has_python: conformance::python().is_some() }
    }

    /// Why a session cannot be run here, if it cannot.
    fn obstacle_to(&self, session: &Session) -> Option<String> {
        let any = |what: &dyn Fn(&Action) -> bool| session.lines.iter().any(|l| what(&l.action));
        let starts = |program: &str| {
            let is_named = |line: &str| line.split(' ').any(|word| word == program);
            any(&|action| matches!(action, Action::Command(line) if is_named(line)))
        };
        if !self.has_python && starts("python3") {
            return Some("no Python 3 was found".to_owned());
        }
        let names_ipv6 =
            |action: &Action| matches!(action, Action::Command(line) if line.contains("[::1]"));
        let obstacle = match session.needs.as_deref() {
            Some("sh") if cfg!(windows) => Some("it needs a Unix shell"),
            Some("linux") if !cfg!(target_os = "linux") => Some("it is Linux's"),
            Some(session::NETWORK) => NO_NETWORK.as_deref().or_else(|| {
                let is_missing = any(&names_ipv6) && !Path::new(IPV6).exists();
                is_missing.then_some("this system has no IPv6")
            }),
            _ => None,
        };
        if let Some(obstacle) = obstacle {
            return Some(obstacle.to_owned());
        }
        let missing = TOOLS.iter().find(|(program, _)| starts(program) && !is_on_path(program));
        if let Some((program, package)) = missing {
            return Some(format!("no {program} was found ({package})"));
        }
        if starts("tcpdump") && !network::may_change_users() {
            return Some("tcpdump needs users to change to (uidmap)".to_owned());
        }
        (cfg!(windows) && any(&|action| *action == Action::Interrupt))
            .then(|| "Ctrl-C cannot be sent on Windows".to_owned())
    }

    /// Runs a session, and compares it with a trace.
    fn run(&self, session: &Session, trace: Option<(&str, &Trace)>) -> Result<(), Failure> {
        self.on_their_stage(session, |launch| session::run(session, trace, launch))
    }

    /// Plays a session with a launcher for its programs: in a network of its own, if it needs one.
    fn on_their_stage<T>(
        &self,
        session: &Session,
        play: impl FnOnce(&Launcher<'_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if session.needs.as_deref() != Some(session::NETWORK) {
            return play(&|line| self.launch(line));
        }
        let network = Network::start()?;
        play(&|line| {
            let command = self.launch(line)?;
            let mut inside = network.command();
            inside.arg(command.get_program()).args(command.get_args()).current_dir(self.root);
            Ok(inside)
        })
    }

    /// Turns a command line into a program that can be started.
    ///
    /// It starts what `cargo run` would start, not cargo itself: a signal must reach the program, and cargo's own lines
    /// are not part of a session.
    fn launch(&self, line: &str) -> Result<Command, String> {
        let words = split(line)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = match &words[..] {
            ["cargo", "run", "-p", package, "--example", example, arguments @ ..] => {
                self.program(&format!("examples/{example}"), package, arguments)?
            }
            ["cargo", "run", "-p", package, arguments @ ..] => {
                self.program(package, package, arguments)?
            }
            ["cargo", "xtask", command @ ("tap" | "check"), arguments @ ..] => {
                self.program(CHECK, CHECK, &[&["--", command], arguments].concat())?
            }
            ["python3", arguments @ ..] => {
                let mut python = conformance::python().ok_or("no Python 3 was found")?;
                python.args(arguments);
                python
            }
            ["ss", arguments @ ..] => {
                let mut ss = Command::new("ss");
                ss.args(arguments);
                ss
            }
            // In a network of its own, a session has the rights that `sudo` gives. tcpdump keeps them: we could not end
            // another user's program. At a terminal it shows each line at once by itself.
            ["sudo", "tcpdump", arguments @ ..] => {
                let mut tcpdump = Command::new("tcpdump");
                tcpdump.args(["--relinquish-privileges=root", "--immediate-mode", "-l"]);
                tcpdump.args(arguments);
                tcpdump
            }
            _ => {
                return Err(format!(
                    "a session starts `cargo run -p PACKAGE [--example NAME] [-- ARGUMENTS]`, `cargo xtask tap`, `cargo xtask check`, `python3 FILE`, `ss` or `sudo tcpdump`, not `{line}`"
                ));
            }
        };
        command.current_dir(self.root);
        Ok(command)
    }

    fn program(&self, name: &str, package: &str, arguments: &[&str]) -> Result<Command, String> {
        let arguments = match arguments {
            [] => arguments,
            ["--", arguments @ ..] => arguments,
            [first, ..] => return Err(format!("expected `--` before `{first}`")),
        };
        let path = self.target.profile.join(format!("{name}{EXE_SUFFIX}"));
        if !path.is_file() {
            return Err(format!(
                "{package} has no program `{name}`: there is no {}",
                path.display()
            ));
        }
        let mut command = Command::new(path);
        command.args(arguments);
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use workspace::fixture;

    use super::*;
    use crate::programs;

    fn launch(line: &str) -> Result<Command, String> {
        let target = root::target().unwrap();
        Programs::new(Path::new("."), &target).launch(line)
    }

    #[test]
    fn what_cannot_be_started_is_named() {
        let error = |line| launch(line).unwrap_err();
        assert!(error("nc localhost 9001").ends_with("not `nc localhost 9001`"));
        assert_eq!(
            error("cargo run -p step-01-single-shot server"),
            "expected `--` before `server`"
        );
        let error = error("cargo run -p step-77 -- server");
        assert!(error.starts_with("step-77 has no program `step-77`: there is no "), "{error}");
    }

    #[test]
    fn a_session_can_start_the_tap() {
        let folder = tempfile::tempdir().unwrap();
        let target = Target { dir: folder.path().into(), profile: folder.path().into() };
        fs::write(folder.path().join(format!("{CHECK}{EXE_SUFFIX}")), "").unwrap();
        let programs = Programs::new(Path::new("."), &target);
        let command = programs.launch("cargo xtask tap --no-time").unwrap();
        assert!(command.get_args().eq(["tap", "--no-time"]));
        assert!(launch("cargo xtask verify").is_err());
    }

    #[test]
    fn a_session_needs_python_only_if_it_starts_it() {
        let target = root::target().unwrap();
        let programs = Programs { root: Path::new("."), target: &target, has_python: false };
        let session = |command: &str| Session::parse(&format!("[a] $ {command}\n")).unwrap();
        assert!(programs.obstacle_to(&session("python3 a.py")).is_some());
        assert_eq!(programs.obstacle_to(&session("cargo run -p a")), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_session_that_needs_a_network_has_one_of_its_own() {
        if let Some(missing) = network::missing() {
            println!("not tested: {missing}");
            return;
        }
        let target = root::target().unwrap();
        let programs = Programs::new(Path::new("."), &target);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let listens = |needs: &str| {
            let look = format!("[a] $ ss -Hltn sport = :{port}\n");
            let session = Session::parse(&format!("{needs}{look}")).unwrap();
            let record = |launch: &Launcher<'_>| session::record(&session, launch);
            programs.on_their_stage(&session, record).unwrap().lines.len() > 1
        };
        assert!(listens("") && !listens("#needs network\n"));
    }

    /// With the real programs: the session of step 01 passes, and does not when a character of its output is another.
    #[test]
    fn one_changed_character_in_a_sessions_output_is_found() {
        let tree = fixture::copy();
        let target = root::target().unwrap();
        let step = root::find_step(tree.path(), "01").unwrap();
        programs::build_missing(&root::repository(), &target, &step);
        let sessions = step.dir(tree.path()).join("sessions");
        for extension in ["session", "trace"] {
            for path in paths(&sessions, extension).unwrap() {
                if path.file_stem().unwrap() != "hello" {
                    fs::remove_file(path).unwrap();
                }
            }
        }
        let report = check(tree.path(), &target, Some(&step)).unwrap();
        assert_eq!(report.failed, [""; 0]);
        assert_eq!(report.passed, 1);
        let path = "steps/01-single-shot/sessions/hello.session";
        fixture::replace(tree.path(), path, "[client] hello\n", "[client] hullo\n");
        let report = check(tree.path(), &target, Some(&step)).unwrap();
        let [failure] = &report.failed[..] else {
            panic!("{report:?}");
        };
        assert!(failure.starts_with(&format!("{path}: line ")), "{failure}");
        assert!(failure.contains("hullo") && failure.contains("hello"), "{failure}");
        let changed = bless(tree.path(), &target, Some(&step)).unwrap();
        assert_eq!(changed, [path]);
        let report = check(tree.path(), &target, Some(&step)).unwrap();
        assert_eq!(report.failed, [""; 0]);

        let trace = "steps/01-single-shot/sessions/hello.trace";
        fixture::replace(tree.path(), trace, ":9001", ":9009");
        if NO_TRACES.is_none() {
            let report = check(tree.path(), &target, Some(&step)).unwrap();
            let [failure] = &report.failed[..] else {
                panic!("{report:?}");
            };
            assert!(failure.contains(&format!("{trace}, line 4: expected")), "{failure}");
            assert_eq!(bless(tree.path(), &target, Some(&step)).unwrap(), [trace]);
        }
        assert_eq!(check(tree.path(), &target, Some(&step)).unwrap().failed, [""; 0]);
    }

    #[test]
    fn a_trace_that_is_missing_or_too_many_or_does_not_fit_is_named() {
        let tree = fixture::copy();
        let step = root::find_step(tree.path(), "01").unwrap();
        let path = "steps/01-single-shot/sessions/hello.trace";
        let read = |text: &str| read_trace(tree.path(), path, &Session::parse(text).unwrap());
        let other = read("[server] $ another command\n").unwrap_err();
        assert!(other.starts_with(&format!("{path}, line 1: the session has")), "{other}");
        let none = read("#no-trace\n[server] $ x\n").unwrap_err();
        assert!(none.starts_with(&format!("{path}: the session has `#no-trace`")), "{none}");
        fixture::replace(tree.path(), path, "accept", "axept");
        let wrong = read("[server] $ x\n").unwrap_err();
        assert!(wrong.starts_with(&format!("{path}, line 3: unknown")), "{wrong}");
        let session = tree.path().join(path).with_extension("session");
        fs::remove_file(session).unwrap();
        assert_eq!(orphans(tree.path(), &step).unwrap(), [path]);
        fs::remove_file(tree.path().join(path)).unwrap();
        let missing = read("[server] $ x\n").unwrap_err();
        assert!(missing.contains("record it with cargo xtask verify --bless"), "{missing}");
        assert_eq!(read("#no-trace\n[server] $ x\n"), Ok(None));
    }
}
