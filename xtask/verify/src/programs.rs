//! The programs that cargo has built from tests, several of which run at a time.
//!
//! Cargo would run one after the other, and a test that waits for something would leave the
//! processors idle.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Result, bail};
use serde_json::Value;

use crate::cargo;

/// How many test programs run at a time for each processor. Each of them runs several tests at a
/// time, most of which wait most of the time.
const PER_PROCESSOR: usize = 2;

/// The programs.
pub struct TestPrograms {
    programs: Vec<TestProgram>,
    /// What they find in their environment besides.
    variables: Vec<(String, PathBuf)>,
    slots: Slots,
}

struct TestProgram {
    /// Such as `step-03-conn-loop it`.
    name: String,
    path: PathBuf,
    /// The folder of its package, in which cargo would run it.
    folder: PathBuf,
}

/// How a program ran.
pub struct Run {
    /// The program's name, such as `03-conn-loop it`.
    pub program: String,
    /// Whether all its tests passed.
    pub success: bool,
    /// What it wrote.
    pub text: String,
}

impl TestPrograms {
    /// Builds the tests of these packages, which are arguments for cargo.
    pub fn build(root: &Path, packages: &[&str]) -> Result<Self> {
        let mut command = cargo::command(root);
        command.arg("test").args(packages).args(["--no-run", "--message-format=json"]);
        let output = cargo::run(command)?;
        if !output.success {
            bail!("the tests do not build\n{}", output.text);
        }
        let programs: Vec<TestProgram> = output.text.lines().filter_map(test_program).collect();
        if programs.is_empty() {
            bail!("cargo has built no tests");
        }
        let processors = thread::available_parallelism().map_or(1, usize::from);
        let slots = Slots::new(processors * PER_PROCESSOR);
        Ok(Self { programs, variables: Vec::new(), slots })
    }

    /// The same programs with another variable in their environment.
    #[must_use]
    pub fn with(mut self, name: &str, value: &Path) -> Self {
        self.variables.push((name.to_owned(), value.to_path_buf()));
        self
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.programs.len()
    }

    /// Runs them all with these arguments; the results are in the order of the programs.
    ///
    /// Whoever runs them at the same time shares the number of programs that may run at a time.
    pub fn run(&self, arguments: &[&str]) -> Result<Vec<Run>> {
        thread::scope(|scope| {
            let run = |program| {
                scope.spawn(move || {
                    let _slot = self.slots.take();
                    self.run_one(program, arguments)
                })
            };
            let runs: Vec<_> = self.programs.iter().map(run).collect();
            runs.into_iter().map(|run| run.join().expect("no run panics")).collect()
        })
    }

    fn run_one(&self, program: &TestProgram, arguments: &[&str]) -> Result<Run> {
        let TestProgram { name, path, folder } = program;
        let mut command = Command::new(path);
        command.args(arguments).current_dir(folder).env("CARGO_MANIFEST_DIR", folder);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        let cargo::Output { success, text } = cargo::run(command)?;
        Ok(Run { program: name.clone(), success, text })
    }
}

/// The test program that this line of cargo's is about, if it is about one.
fn test_program(line: &str) -> Option<TestProgram> {
    let message: Value = serde_json::from_str(line).ok()?;
    if message["profile"]["test"] != Value::Bool(true) {
        return None;
    }
    let path = PathBuf::from(message["executable"].as_str()?);
    let folder = Path::new(message["manifest_path"].as_str()?).parent()?.to_path_buf();
    let package = folder.file_name()?.to_string_lossy();
    let target = message["target"]["name"].as_str()?;
    Some(TestProgram { name: format!("{package} {target}"), path, folder })
}

/// So many may do something at the same time.
struct Slots {
    free: Mutex<usize>,
    freed: Condvar,
}

/// The right to do it, until it is dropped.
struct Slot<'a>(&'a Slots);

impl Slots {
    fn new(count: usize) -> Self {
        Self { free: Mutex::new(count), freed: Condvar::new() }
    }

    /// Waits for a slot, and takes it.
    fn take(&self) -> Slot<'_> {
        let none_free = |free: &mut usize| *free == 0;
        let free = self.freed.wait_while(self.lock(), none_free);
        *free.unwrap_or_else(PoisonError::into_inner) -= 1;
        Slot(self)
    }

    fn lock(&self) -> MutexGuard<'_, usize> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.lock() += 1;
        self.0.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn test_programs_are_found_in_what_cargo_says() {
        let line = r#"{"reason":"compiler-artifact","manifest_path":"/b/steps/03-x/Cargo.toml",
            "target":{"name":"it"},"profile":{"test":true},"executable":"/t/it-1"}"#;
        let program = test_program(line).unwrap();
        assert_eq!(program.name, "03-x it");
        assert_eq!((program.path, program.folder), ("/t/it-1".into(), "/b/steps/03-x".into()));
        assert!(test_program(&line.replace("true", "false")).is_none(), "no test");
        assert!(test_program(&line.replace("\"/t/it-1\"", "null")).is_none(), "no program");
        assert!(test_program("   Compiling a v1").is_none());
    }

    #[test]
    fn no_more_have_a_slot_than_there_are() {
        let (slots, inside, most) = (Slots::new(3), AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            for _ in 0..20 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let _slot = slots.take();
                        most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        let most = most.into_inner();
        assert!((1..=3).contains(&most), "{most} at a time");
        assert_eq!(*slots.lock(), 3, "all are free again");
    }

    /// This very program, asked for tests of the tests: what fails is told apart from what passes.
    #[test]
    fn programs_run_with_their_arguments_and_say_whether_they_failed() {
        let this = std::env::current_exe().unwrap();
        let folder = crate::root::repository().join("xtask");
        let program = |name: &str, path: &Path| TestProgram {
            name: name.to_owned(),
            path: path.to_path_buf(),
            folder: folder.clone(),
        };
        let programs = vec![program("a", &this), program("b", &this)];
        let programs = TestPrograms { programs, variables: Vec::new(), slots: Slots::new(1) };
        let runs = programs.run(&["--list", "no_more_have_a_slot"]).unwrap();
        let names: Vec<&str> = runs.iter().map(|run| run.program.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        for run in &runs {
            assert!(run.success && run.text.contains("no_more_have_a_slot_than_there_are: test"));
        }
        let runs = programs.run(&["--no-such-option"]).unwrap();
        assert!(runs.iter().all(|run| !run.success));
        let gone = program("gone", &folder.join("no such program"));
        let programs =
            TestPrograms { programs: vec![gone], variables: Vec::new(), slots: Slots::new(1) };
        assert!(programs.run(&[]).is_err());
    }
}
