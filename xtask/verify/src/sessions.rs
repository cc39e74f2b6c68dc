//! The check `sessions`: what the book shows in its terminals is what comes when it is done again.

use std::collections::BTreeSet;
use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use conformance::session::{self, Action, Session};

use crate::cargo;
use crate::root::{self, Step, Target};

/// A session file of a step.
struct File {
    package: String,
    /// Its path, relative to the root.
    path: String,
    session: Session,
}

impl File {
    /// The step's package, and those of other steps that the session starts.
    fn packages(&self) -> Vec<String> {
        let started = self.session.lines.iter().filter_map(|line| match &line.action {
            Action::Command(text) => text.strip_prefix("cargo run -p ")?.split(' ').next(),
            _ => None,
        });
        started.chain([self.package.as_str()]).map(str::to_owned).collect()
    }
}

/// How the sessions went.
#[derive(Debug, Default)]
pub struct Report {
    /// How many passed.
    pub passed: usize,
    /// One text for each that failed.
    pub failed: Vec<String>,
    /// Those that cannot be run here, each with the reason.
    pub skipped: Vec<String>,
}

/// Runs the sessions of all steps, or of one.
pub fn check(root: &Path, target: &Target, only: Option<&Step>) -> Result<Report> {
    let mut report = Report::default();
    let programs = Programs::new(root, target);
    for file in files(root, only)? {
        if let Some(obstacle) = programs.obstacle_to(&file.session) {
            report.skipped.push(format!("{} ({obstacle})", file.path));
            continue;
        }
        match session::run(&file.session, &|line| programs.launch(line)) {
            Ok(()) => report.passed += 1,
            Err(failure) => report.failed.push(format!("{}: {failure}", file.path)),
        }
    }
    Ok(report)
}

/// Records the sessions anew; returns the files that are different now.
pub fn bless(root: &Path, target: &Target, only: Option<&Step>) -> Result<Vec<String>> {
    let mut changed = Vec::new();
    let programs = Programs::new(root, target);
    for file in files(root, only)? {
        if programs.obstacle_to(&file.session).is_some() {
            continue;
        }
        let recorded = session::record(&file.session, &|line| programs.launch(line));
        let text = recorded.with_context(|| file.path.clone())?.to_string();
        let path = root.join(&file.path);
        if fs::read_to_string(&path)? != text {
            fs::write(&path, text).with_context(|| format!("cannot write {}", file.path))?;
            changed.push(file.path);
        }
    }
    Ok(changed)
}

/// Builds the programs that the sessions start.
pub fn build(root: &Path, target: &Target, only: Option<&Step>) -> Result<()> {
    let files = files(root, only)?;
    let packages: BTreeSet<String> = files.iter().flat_map(File::packages).collect();
    if packages.is_empty() {
        return Ok(());
    }
    let mut arguments = vec!["build".to_owned(), "--bins".to_owned(), "--examples".to_owned()];
    if target.profile.ends_with("release") {
        arguments.push("--release".to_owned());
    }
    for package in packages {
        arguments.extend(["--package".to_owned(), package]);
    }
    let mut command = cargo::command(root);
    command.args(arguments).arg("--target-dir").arg(&target.dir);
    let output = cargo::run(command)?;
    if !output.success {
        bail!("the programs of the sessions do not build\n{}", output.text);
    }
    Ok(())
}

/// The sessions of all steps, or of one, in the order of their names.
fn files(root: &Path, only: Option<&Step>) -> Result<Vec<File>> {
    let mut files = Vec::new();
    for step in root::steps(root)? {
        if only.is_none_or(|only| *only == step) {
            for path in session_paths(&step.dir(root).join("sessions"))? {
                files.push(read(root, &step, &path)?);
            }
        }
    }
    Ok(files)
}

fn session_paths(folder: &Path) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut paths = entries.collect::<Result<Vec<_>>>()?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "session"));
    paths.sort();
    Ok(paths)
}

fn read(root: &Path, step: &Step, path: &Path) -> Result<File> {
    let shown = root::shown(root, path);
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {shown}"))?;
    Ok(File {
        package: step.package.clone(),
        session: Session::parse(&text).with_context(|| shown.clone())?,
        path: shown,
    })
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
    fn obstacle_to(&self, session: &Session) -> Option<&'static str> {
        let any = |what: &dyn Fn(&Action) -> bool| session.lines.iter().any(|l| what(&l.action));
        let is_python = |action: &Action| matches!(action, Action::Command(line) if line.split(' ').any(|word| word == "python3"));
        if !self.has_python && any(&is_python) {
            return Some("no Python 3 was found");
        }
        match session.needs.as_deref() {
            Some("sh") if cfg!(windows) => return Some("it needs a Unix shell"),
            Some("linux") if !cfg!(target_os = "linux") => return Some("it is Linux's"),
            _ => {}
        }
        if cfg!(windows) && any(&|action| *action == Action::Interrupt) {
            return Some("Ctrl-C cannot be sent on Windows");
        }
        None
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
                self.program("xtask", "xtask", &[&["--", command], arguments].concat())?
            }
            ["python3", arguments @ ..] => {
                let mut python = conformance::python().ok_or("no Python 3 was found")?;
                python.args(arguments);
                python
            }
            _ => {
                return Err(format!(
                    "a session starts `cargo run -p PACKAGE [--example NAME] [-- ARGUMENTS]`, `cargo xtask tap`, `cargo xtask check` or `python3 FILE`, not `{line}`"
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

/// The words of a command line; single and double quotes hold blanks together.
pub fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(format!("a quote {open} is never closed in `{line}`"));
    }
    words.extend(word);
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn launch(line: &str) -> Result<Command, String> {
        let target = root::target().unwrap();
        Programs::new(Path::new("."), &target).launch(line)
    }

    #[test]
    fn quotes_hold_words_together() {
        let words = split(r#"python3  a.py "two words" 'a "b"' "" x"y z""#).unwrap();
        assert_eq!(words, ["python3", "a.py", "two words", "a \"b\"", "", "xy z"]);
        let error = split("a 'b").unwrap_err();
        assert_eq!(error, "a quote ' is never closed in `a 'b`");
    }

    #[test]
    fn the_programs_of_other_steps_are_built_too() {
        let text =
            "[a] $ cargo run -p step-06-x -- server\n[b] $ cargo run -p step-04-y -- client\n";
        let session = Session::parse(text).unwrap();
        let file = File { package: "step-06-x".to_owned(), path: String::new(), session };
        let packages: BTreeSet<String> = file.packages().into_iter().collect();
        assert_eq!(packages.into_iter().collect::<Vec<_>>(), ["step-04-y", "step-06-x"]);
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
        fs::write(folder.path().join(format!("xtask{EXE_SUFFIX}")), "").unwrap();
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

    /// With the real programs: the session of step 01 passes, and does not when a character of its output is another.
    #[test]
    fn one_changed_character_in_a_sessions_output_is_found() {
        let tree = fixture::copy();
        let target = root::target().unwrap();
        let step = root::find_step(tree.path(), "01").unwrap();
        build(&root::repository(), &target, Some(&step)).unwrap();
        let sessions = step.dir(tree.path()).join("sessions");
        for path in session_paths(&sessions).unwrap() {
            if !path.ends_with("hello.session") {
                fs::remove_file(path).unwrap();
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
    }
}
