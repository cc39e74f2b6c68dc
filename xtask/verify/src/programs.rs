//! The programs that cargo builds from this workspace, and runs of its tests.
//!
//! Cargo would run one test program after the other, and a test that waits for something would leave the
//! processors idle.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use conformance::side_by_side_at_most;
use serde_json::Value;
use workspace::cargo;
use workspace::root::{Step, Target};

use crate::outcome::{Outcome, counted};
use crate::turns::Turns;

/// The package of the browser tests, whose dependencies nothing else needs.
pub const BROWSER_TESTS: &str = "book-tests";

/// Test programs, and what they find in their environment.
#[derive(Clone)]
pub struct TestPrograms {
    programs: Vec<TestProgram>,
    variables: Vec<(String, PathBuf)>,
}

#[derive(Clone)]
struct TestProgram {
    /// Such as `03-conn-loop it`.
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

/// The workspace's packages, as arguments for cargo.
///
/// Always the same ones: for another list, cargo may build their dependencies with other features, and so
/// once more.
pub fn packages(with_browser_tests: bool) -> &'static [&'static str] {
    if with_browser_tests { &["--workspace"] } else { &["--workspace", "--exclude", BROWSER_TESTS] }
}

impl TestPrograms {
    /// Builds everything that a check runs: the tests of all packages, the steps' programs and examples,
    /// and the rooms of xtask.
    pub fn build(root: &Path, target: &Target, with_browser_tests: bool) -> Result<Self> {
        let mut command = cargo::command(root);
        command.arg("test").args(packages(with_browser_tests));
        command.args(["--no-run", "--message-format=json", "--target-dir"]).arg(&target.dir);
        if target.profile.ends_with("release") {
            command.arg("--release");
        }
        let output = cargo::run(command)?;
        if !output.success {
            bail!("the workspace does not build\n{}", readable(&output.text));
        }
        let programs: Vec<TestProgram> = output.text.lines().filter_map(test_program).collect();
        if programs.is_empty() {
            bail!("cargo has built no tests");
        }
        Ok(Self { programs, variables: Vec::new() })
    }

    /// The same programs with another variable in their environment.
    #[must_use]
    pub fn with(mut self, name: &str, value: &Path) -> Self {
        self.variables.push((name.to_owned(), value.to_path_buf()));
        self
    }

    /// The programs of one step, or of all packages but the browser tests.
    #[must_use]
    pub fn of(&self, step: Option<&Step>) -> Self {
        match step {
            Some(step) => self.in_folder(|name| name == step.name),
            None => self.in_folder(|name| name != "tests"),
        }
    }

    /// The browser tests.
    #[must_use]
    pub fn of_browser(&self) -> Self {
        self.in_folder(|name| name == "tests")
    }

    fn in_folder(&self, is_wanted: impl Fn(&str) -> bool) -> Self {
        let name = |program: &TestProgram| {
            program.folder.file_name().unwrap_or_default().to_string_lossy().into_owned()
        };
        let programs = self.programs.iter().filter(|program| is_wanted(&name(program)));
        Self { programs: programs.cloned().collect(), variables: self.variables.clone() }
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.programs.len()
    }

    /// Runs them all with these arguments, each when it has a turn of this rank; the results are in the order of the
    /// programs.
    pub fn run(&self, arguments: &[&str], turns: &Turns, rank: usize) -> Result<Vec<Run>> {
        let run = |program: &TestProgram| {
            let _turn = turns.take(rank);
            self.run_one(program, arguments)
        };
        side_by_side_at_most(self.count(), &self.programs, run).into_iter().collect()
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

/// Builds a step's programs for a test of this room, unless `cargo xtask verify` has built them already.
///
/// # Panics
///
/// If they do not build.
#[cfg(test)]
pub fn build_missing(root: &Path, target: &Target, step: &Step) {
    if target.program(&step.package).is_file() {
        return;
    }
    let mut command = cargo::command(root);
    command.args(["build", "--package", &step.package, "--target-dir"]).arg(&target.dir);
    let output = cargo::run(command).expect("cargo runs");
    assert!(output.success, "{}", output.text);
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

/// Returns cargo's output, with its messages for programs turned into those of the compiler.
fn readable(output: &str) -> String {
    let line = |line: &str| match serde_json::from_str::<Value>(line) {
        Ok(message) => message["message"]["rendered"].as_str().map(str::to_owned),
        Err(_) => Some(format!("{line}\n")),
    };
    output.lines().filter_map(line).collect()
}

/// The result of running test programs. Of those that failed, it has the output.
pub fn outcome_of(runs: &[Run]) -> Outcome {
    let mut counts = Counts::default();
    let (mut ended_early, mut output) = (Vec::new(), String::new());
    for run in runs {
        let Counts { passed, failed } = Counts::of(&run.text);
        counts.passed += passed;
        counts.failed += failed;
        if !run.success {
            // Writing to a string cannot fail.
            let _ = write!(output, "{}:\n{}\n", run.program, without_passed(&run.text));
            if failed == 0 {
                ended_early.push(run.program.as_str());
            }
        }
    }
    let Counts { passed, failed } = counts;
    let detail = format!("{failed} of {}", counted(passed + failed, "test"));
    match (failed, &ended_early[..]) {
        (0, []) if passed == 0 => Outcome::Failed("no test ran".to_owned(), output),
        (0, []) => Outcome::Passed(counted(passed, "test")),
        (_, []) => Outcome::Failed(detail, output),
        (_, names) => {
            let names = names.join(", ");
            Outcome::Failed(format!("{detail}; not run to the end: {names}"), output)
        }
    }
}

/// What a test program wrote, without the tests that passed or were left out.
fn without_passed(text: &str) -> String {
    let is_dull = |line: &&str| {
        line.starts_with("test ") && (line.ends_with(" ... ok") || line.contains(" ... ignored"))
    };
    text.trim_end().lines().filter(|line| !is_dull(line)).collect::<Vec<_>>().join("\n")
}

/// How many tests passed and failed.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    passed: usize,
    failed: usize,
}

impl Counts {
    /// Adds up the lines `test result: ok. 5 passed; 0 failed; …`.
    fn of(output: &str) -> Self {
        let mut counts = Self::default();
        for line in output.lines().filter(|line| line.starts_with("test result: ")) {
            counts.passed += number_before(line, " passed");
            counts.failed += number_before(line, " failed");
        }
        counts
    }
}

fn number_before(line: &str, word: &str) -> usize {
    line.split(word).next().and_then(|before| before.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_results_of_all_test_programs_are_added_up() {
        let output = "test a ... ok\n\
            test result: ok. 5 passed; 0 failed; 2 ignored; 0 measured\n\
            test result: FAILED. 10 passed; 3 failed; 0 ignored\n";
        let counts = Counts { passed: 15, failed: 3 };
        assert_eq!(Counts::of(output), counts);
    }

    fn run(program: &str, success: bool, text: &str) -> Run {
        Run { program: program.to_owned(), success, text: text.to_owned() }
    }

    #[test]
    fn test_programs_count_together_and_those_that_fail_are_shown() {
        let good =
            run("a", true, "test x ... ok\ntest result: ok. 5 passed; 0 failed; 2 ignored\n");
        let bad = run(
            "b",
            false,
            "test w ... ok\nwhy\ntest result: FAILED. 1 passed; 2 failed; 0 ignored\n",
        );
        let none = run("c", true, "test result: ok. 0 passed; 0 failed; 9 ignored\n");
        let dead = run("d", false, "test y ... ");
        assert_eq!(outcome_of(&[good, none]), Outcome::Passed("5 tests".to_owned()));
        let Outcome::Failed(detail, output) = outcome_of(&[bad, dead]) else {
            panic!("it failed");
        };
        assert_eq!(detail, "2 of 3 tests; not run to the end: d");
        let text = "b:\nwhy\ntest result: FAILED. 1 passed; 2 failed; 0 ignored\nd:\ntest y ...\n";
        assert_eq!(output, text);
        for runs in [vec![], vec![run("c", true, "test result: ok. 0 passed; 0 failed\n")]] {
            let Outcome::Failed(detail, _) = outcome_of(&runs) else { panic!("nothing ran") };
            assert_eq!(detail, "no test ran");
        }
    }

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
    fn what_the_compiler_says_can_be_read() {
        let output = "{\"reason\":\"build-finished\"}\n\
                      {\"message\":{\"rendered\":\"error: no\\n\"}}\nerror: could not compile";
        assert_eq!(readable(output), "error: no\nerror: could not compile\n");
    }

    fn programs(named: &[(&str, &Path)]) -> TestPrograms {
        let folder = workspace::root::repository().join("xtask/verify");
        let program = |(name, path): &(&str, &Path)| TestProgram {
            name: (*name).to_owned(),
            path: path.to_path_buf(),
            folder: folder.clone(),
        };
        TestPrograms { programs: named.iter().map(program).collect(), variables: Vec::new() }
    }

    /// This very program, asked for tests of the tests: failures are distinguished from passes.
    #[test]
    fn programs_run_with_their_arguments_and_say_whether_they_failed() {
        let this = std::env::current_exe().unwrap();
        let (two, turns) = (programs(&[("a", &this), ("b", &this)]), Turns::new());
        let runs = two.run(&["--list", "test_programs_count_together"], &turns, 0).unwrap();
        let names: Vec<&str> = runs.iter().map(|run| run.program.as_str()).collect();
        assert_eq!(names, ["a", "b"]);
        assert!(runs.iter().all(|run| run.success && run.text.contains("1 test, 0 benchmarks")));
        let runs = two.run(&["--no-such-option"], &turns, 0).unwrap();
        assert!(runs.iter().all(|run| !run.success));
        assert!(programs(&[("gone", Path::new("no such program"))]).run(&[], &turns, 0).is_err());
    }

    #[test]
    fn a_step_has_its_own_programs() {
        let this = std::env::current_exe().unwrap();
        let all = programs(&[("a", &this)]);
        let root = workspace::root::repository();
        let step = workspace::root::find_step(&root, "3").unwrap();
        assert_eq!((all.of(None).count(), all.of(Some(&step)).count()), (1, 0));
        assert_eq!(all.of_browser().count(), 0);
    }
}
