//! The solutions of exercises: what each step's manifest states about them, and whether it is true.
//!
//! Each exercise has two solutions in the step's folder `exercises`, one in Rust and one in Python. They
//! must keep the checks that their exercise names, and the step itself must break each of these checks:
//! otherwise the exercise would ask for nothing.

use std::collections::BTreeSet;
use std::env::consts::EXE_EXTENSION;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::list::{Check, EXERCISES, check};
use super::promises::{Promise, Promises, in_manifest, step_table};
use super::subject::{Server, Subject};
use crate::{Failure, python};

/// How long the step itself has to keep the check of an exercise after all. Longer than an exercise's
/// own limit (`time-limit`, `half-frame`): the step must fail because it is wrong, not for lack of time.
const BROKEN_DEADLINE: Duration = Duration::from_secs(5);

/// A language in which each exercise has a solution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// The language of the steps.
    Rust,
    /// The language of their twins.
    Python,
}

impl Language {
    const ALL: [Self; 2] = [Self::Rust, Self::Python];
}

/// An exercise that asks for a program.
pub struct Exercise {
    /// Its name in the manifest; with underscores, the name of its solutions.
    pub name: String,
    /// Whether the program is a client. If not, it is a server.
    pub is_client: bool,
    /// The checks that judge its program.
    pub checks: Vec<&'static Check>,
}

impl Exercise {
    /// Reads the table `exercises` of the manifest in a step's folder.
    ///
    /// An error if a solution in one of the languages or a check does not exist, or if a solution belongs
    /// to no exercise.
    pub fn read(step_dir: &Path) -> Result<Vec<Self>, Failure> {
        let step = step_table(step_dir)?;
        let failed = |what: &str| in_manifest(step_dir, what);
        let table = step.get("exercises").and_then(toml::Value::as_table);
        let table = table.ok_or_else(|| failed("`exercises` must be a table"))?;
        let exercises = table.iter().map(|(name, exercise)| {
            let failed = |what: &str| failed(&format!("the exercise `{name}`: {what}"));
            let text = |key| exercise.get(key).and_then(toml::Value::as_str);
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
            let exercise = Self { name: name.clone(), is_client, checks };
            let solutions = Language::ALL.map(|language| exercise.solution(language));
            match solutions.iter().find(|path| !step_dir.join(path).is_file()) {
                Some(path) => Err(failed(&format!("there is no solution {}", path.display()))),
                None => Ok(exercise),
            }
        });
        let exercises = exercises.collect::<Result<Vec<_>, _>>()?;
        let solutions = exercises.iter().flat_map(|it| Language::ALL.map(|of| it.solution(of)));
        let named: BTreeSet<_> = solutions.map(|path| step_dir.join(path)).collect();
        let files = fs::read_dir(step_dir.join("exercises"));
        let files = files.map_err(|error| failed(&format!("its exercises: {error}")))?;
        for file in files {
            let path = file.map_err(|error| failed(&error.to_string()))?.path();
            if path.is_file() && !named.contains(&path) {
                return Err(failed(&format!("no exercise has the solution {}", path.display())));
            }
        }
        Ok(exercises)
    }

    /// Its solution in this language, a path in the step's folder.
    #[must_use]
    pub fn solution(&self, language: Language) -> PathBuf {
        let extension = match language {
            Language::Rust => "rs",
            Language::Python => "py",
        };
        Path::new("exercises").join(self.name.replace('-', "_")).with_extension(extension)
    }

    /// A solution with the other side of the step: a solution in Rust is built as an example.
    fn subject(
        &self,
        language: Language,
        number: u8,
        step_dir: &Path,
        executable: &str,
    ) -> Subject {
        let solution = self.solution(language);
        let start: Box<dyn Fn() -> Command> = match language {
            Language::Python => {
                let script = step_dir.join(solution);
                Box::new(move || {
                    let mut command = python().expect("Python 3 is installed");
                    command.arg(&script);
                    command
                })
            }
            Language::Rust => {
                let name = solution.file_stem().expect("it is a file");
                let examples = Path::new(executable).with_file_name("examples");
                let program = examples.join(name).with_extension(EXE_EXTENSION);
                Box::new(move || Command::new(&program))
            }
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

/// Holds the Rust solutions of a step's exercises to the checks that the exercises name, and tests that
/// the step breaks each of them.
///
/// # Panics
///
/// With the first difference, or if there is no exercise.
pub fn assert_exercises(step_dir: &str, executable: &str) {
    assert_solutions(Path::new(step_dir), executable, Language::Rust);
}

/// As `assert_exercises`, for the solutions in Python.
///
/// # Panics
///
/// As `assert_exercises`, and if there is no Python 3.
pub fn assert_python_exercises(step_dir: &str, executable: &str) {
    assert_solutions(Path::new(step_dir), executable, Language::Python);
}

/// Whether a step's folder has the solutions of its exercises; if not, prints that their test does not run.
///
/// A learner's bundle has none. In the repository, a test of `verify` requires them.
#[must_use]
pub fn has_solutions(step_dir: impl AsRef<Path>) -> bool {
    let (step_dir, has_them) = (step_dir.as_ref(), step_dir.as_ref().join("exercises").exists());
    if !has_them {
        eprintln!("not asked: {} has no solutions", step_dir.display());
    }
    has_them
}

fn assert_solutions(step_dir: &Path, executable: &str, language: Language) {
    if !has_solutions(step_dir) {
        return;
    }
    let promises = Promises::read(step_dir).unwrap_or_else(|error| panic!("{error}"));
    let exercises = Exercise::read(step_dir).unwrap_or_else(|error| panic!("{error}"));
    let mut count = 0;
    for exercise in &exercises {
        let name = &exercise.name;
        let subject = exercise.subject(language, promises.number, step_dir, executable);
        for check in exercise.checks.iter().copied().filter(|check| check.can_be_judged()) {
            count += 1;
            let is_about_it = check.speaks(subject.protocol);
            assert!(is_about_it, "{name}: {} means nothing for this step", check.name);
            match subject.hold_to(check) {
                Err(failure) if failure.is_not_asked() => continue,
                Err(failure) => panic!("the solution of the exercise `{name}` fails: {failure}"),
                Ok(()) => {}
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

/// Whether the step breaks this check: the manifest declares it, so another test proves it, or it fails now.
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
    use tempfile::TempDir;

    use super::*;

    /// A step's folder with these exercises, and solutions of `right-now` in these languages.
    fn read(exercises: &str, languages: &[&str]) -> Result<Vec<Exercise>, Failure> {
        let folder = TempDir::new().expect("a temporary folder");
        let manifest = format!("[package.metadata.step.exercises]\n{exercises}");
        fs::write(folder.path().join("Cargo.toml"), manifest).expect("a manifest");
        fs::create_dir(folder.path().join("exercises")).expect("a folder");
        for language in languages {
            let name = format!("exercises/right_now.{language}");
            fs::write(folder.path().join(name), "").expect("a solution");
        }
        Exercise::read(folder.path())
    }

    #[test]
    fn the_manifest_must_name_every_solution_and_only_checks_that_there_are() {
        let right = r#"right-now = { side = "client", checks = ["list"] }"#;
        let both = &["rs", "py"][..];
        let exercises = read(right, both).expect("it is right");
        assert_eq!((exercises[0].name.as_str(), exercises[0].is_client), ("right-now", true));
        assert_eq!(exercises[0].checks[0].name, "list");
        for (wrong, languages, words) in [
            ("", both, "no exercise has the solution "),
            (right, &["rs"], "`right-now`: there is no solution exercises"),
            (right, &["py"], "`right-now`: there is no solution exercises"),
            (&right.replace("client", "left"), both, "`side` must be `server` or `client`"),
            (&right.replace("\"list\"", ""), both, "`checks` must be a list of checks"),
            (&right.replace("list", "lost"), both, "`right-now`: there is no check `lost`"),
            (&right.replace("\"list\"", "1"), both, "there is no check Integer(1)"),
        ] {
            let error = read(wrong, languages).err().expect("it is wrong").to_string();
            assert!(error.contains(words), "{wrong}: {error}");
        }
    }
}
