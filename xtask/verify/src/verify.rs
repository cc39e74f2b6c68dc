//! `cargo xtask verify`: says whether anything in the book, or in a step, is no longer true.
//!
//! First everything is built. Nothing is built while it runs: cargo must not replace a program that is
//! about to be started.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::num::NonZero;
use std::path::Path;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;

use self::programs::{Run, TestPrograms};
use self::repeat::{Round, Tally};
use crate::root::{self, Step, Target};
use crate::{
    book_check, build_book, cable, cargo, carried_over, licences, messages, sessions, soak,
    staircase,
};

mod programs;
mod repeat;

/// How long all servers are soaked, at the same time.
const SOAKED: Duration = Duration::from_secs(30);

/// What can be chosen on the command line.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Options {
    /// Check one step, by its number or its name; leaves the book out
    #[arg(long, value_name = "NN")]
    step: Option<String>,
    /// Run this check, and no other; can be given more than once
    #[arg(long, value_name = "CHECK", value_enum)]
    only: Vec<Check>,
    /// Record the sessions anew before they are checked
    #[arg(long)]
    bless: bool,
    /// Let a check that cannot be run count as failed
    #[arg(long)]
    strict: bool,
    /// Run only the tests and the sessions, so many times, and say how often each failed
    #[arg(long, value_name = "N", conflicts_with_all = ["bless", "strict"])]
    repeat: Option<NonZero<usize>>,
}

/// The checks, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Check {
    /// The code is formatted
    Format,
    /// Clippy has nothing to say
    Clippy,
    /// The tests and the programs can be built; comes before what runs them
    Build,
    /// All tests pass
    Tests,
    /// The steps' Python twins keep the same promises
    Python,
    /// The book's terminal sessions come out as they are shown
    Sessions,
    /// The messages that the page on troubleshooting explains still come, and it has them all
    Messages,
    /// Each step keeps, and breaks, what its manifest says
    Staircase,
    /// Servers with clients of all sorts neither panic nor leak, and serve those that behave
    Soak,
    /// A client whose cable is pulled is gone in time, and the others in the room do not wait for it
    Cable,
    /// Files that a step has from the step before are the same
    CarriedOver,
    /// The licences of all crates are allowed
    Licences,
    /// The book builds without a warning, and every link in it leads somewhere
    Book,
    /// The pages work in a real browser
    Browser,
}

/// How a check went, with what there is to say about it.
#[derive(Debug, PartialEq, Eq)]
enum Outcome {
    Passed(String),
    /// The detail for the table, and the full output.
    Failed(String, String),
    Skipped(String),
}

/// Runs the checks; returns whether none failed.
pub fn run(root: &Path, options: &Options) -> Result<bool> {
    let verifier = Verifier {
        root,
        target: root::target()?,
        step: options.step.as_deref().map(|step| root::find_step(root, step)).transpose()?,
        tests: OnceLock::new(),
        staircase: Mutex::default(),
    };
    let checks = verifier.checks(&options.only)?;
    if let Some(times) = options.repeat {
        return verifier.repeat(times.get(), &checks);
    }
    if options.bless {
        verifier.bless()?;
    }
    let rows = verifier.rows(&checks, options.strict);
    println!("\n{}{}", verifier.staircase_table(), summary(&rows));
    Ok(!rows.iter().any(Row::has_failed))
}

impl Check {
    /// Whether it waits more than it computes, and so may run beside others of this kind.
    ///
    /// All others have the machine to themselves: what they start must answer in time.
    fn is_light(self) -> bool {
        matches!(self, Self::Soak | Self::Cable | Self::CarriedOver | Self::Licences | Self::Book)
    }

    /// Whether it runs what `Build` has built.
    fn needs_programs(self) -> bool {
        matches!(
            self,
            Self::Tests
                | Self::Python
                | Self::Sessions
                | Self::Messages
                | Self::Staircase
                | Self::Soak
                | Self::Cable
        )
    }
}

/// A line of the table.
#[derive(Debug)]
struct Row {
    name: String,
    outcome: Outcome,
    time: Duration,
}

impl Row {
    fn has_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(..))
    }

    fn result(&self) -> &'static str {
        match self.outcome {
            Outcome::Passed(_) => "ok",
            Outcome::Failed(..) => "FAILED",
            Outcome::Skipped(_) => "skipped",
        }
    }

    /// What comes after the name: the result, the time, the detail.
    fn columns(&self) -> String {
        let (Outcome::Passed(detail) | Outcome::Failed(detail, _) | Outcome::Skipped(detail)) =
            &self.outcome;
        let seconds = format!("{:.1} s", self.time.as_secs_f64());
        format!("{:<7}  {seconds:>7}  {detail}", self.result()).trim_end().to_owned()
    }
}

/// The failing checks' output, the table, and the counts.
fn summary(rows: &[Row]) -> String {
    let mut lines = Vec::new();
    for row in rows {
        if let Outcome::Failed(_, output) = &row.outcome {
            lines.push(format!("---- {} ----\n{}\n", row.name, output.trim_end()));
        }
    }
    for row in rows {
        lines.push(format!("{:<12}  {}", row.name, row.columns()));
    }
    let count = |result| rows.iter().filter(|row| row.result() == result).count();
    let (passed, failed, skipped) = (count("ok"), count("FAILED"), count("skipped"));
    lines.push(format!("{passed} passed, {failed} failed, {skipped} skipped"));
    lines.join("\n")
}

/// What all checks need to know.
struct Verifier<'a> {
    root: &'a Path,
    target: Target,
    step: Option<Step>,
    /// The test programs, once they are built.
    tests: OnceLock<TestPrograms>,
    /// The table of steps and checks, once it is there: it is shown last.
    staircase: Mutex<String>,
}

impl Verifier<'_> {
    /// Runs these checks one after the other, and light ones that stand together side by side. What
    /// cannot be built is not run.
    fn rows(&self, checks: &[Check], strict: bool) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        let mut is_built = true;
        for group in checks.chunk_by(|a, b| a.is_light() && b.is_light()) {
            let is_alone = group.len() == 1;
            let group = group.iter().filter(|check| is_built || !check.needs_programs());
            thread::scope(|scope| {
                let row = |check: &Check| {
                    let check = *check;
                    scope.spawn(move || self.row(check, checks, is_alone, strict))
                };
                let group: Vec<_> = group.map(row).collect();
                rows.extend(group.into_iter().map(|row| row.join().expect("no check panics")));
            });
            let build = rows.iter().find(|row| row.name == "build");
            is_built = !build.is_some_and(Row::has_failed);
        }
        rows
    }

    /// The checks that are wanted, and make sense, in their order.
    fn checks(&self, only: &[Check]) -> Result<Vec<Check>> {
        let needs_programs = only.iter().any(|check| check.needs_programs());
        let wanted = |check: &Check| {
            only.is_empty() || only.contains(check) || *check == Check::Build && needs_programs
        };
        let makes_sense = |check: &Check| match check {
            Check::Soak | Check::Cable | Check::Licences | Check::Book => self.step.is_none(),
            Check::Browser => self.step.is_none() && self.has_book_tests(),
            _ => true,
        };
        let checks: Vec<Check> = Check::value_variants()
            .iter()
            .copied()
            .filter(|c| wanted(c) && makes_sense(c))
            .collect();
        if checks.is_empty() {
            bail!(
                "there is nothing to check: what --only names is about the whole book, or not there yet"
            );
        }
        Ok(checks)
    }

    fn has_book_tests(&self) -> bool {
        self.root.join("book/tests/Cargo.toml").is_file()
    }

    fn bless(&self) -> Result<()> {
        sessions::build(self.root, &self.target, self.step.as_ref())?;
        let changed = sessions::bless(self.root, &self.target, self.step.as_ref())?;
        for path in &changed {
            println!("recorded anew: {path}");
        }
        if changed.is_empty() {
            println!("the sessions come out as they were");
        }
        Ok(())
    }

    /// Runs the tests and the sessions again and again; returns whether none ever failed.
    fn repeat(&self, times: usize, checks: &[Check]) -> Result<bool> {
        let (root, step) = (self.root, self.step.as_ref());
        let has_sessions = checks.contains(&Check::Sessions);
        let has_tests = checks.contains(&Check::Tests);
        if !has_sessions && !has_tests {
            bail!("only the checks `tests` and `sessions` can be repeated");
        }
        let tests = has_tests.then(|| TestPrograms::build(root, &self.packages())).transpose()?;
        if has_sessions {
            sessions::build(root, &self.target, step)?;
        }
        let round = || {
            let mut round = tests.as_ref().map(repeat::tests).transpose()?.unwrap_or_default();
            if has_sessions {
                let Round { passed, failed } = repeat::sessions(root, &self.target, step)?;
                round.passed += passed;
                round.failed.extend(failed);
            }
            Ok(round)
        };
        let tally = Tally::of(times, round, |text| println!("{text}"))?;
        println!("\n{tally}");
        Ok(tally.is_clean())
    }

    /// Runs a check, with a line on the terminal when it is done, and one that is begun while it runs
    /// if nothing else runs beside it.
    fn row(&self, check: Check, checks: &[Check], is_alone: bool, strict: bool) -> Row {
        let name = check.to_possible_value().map(|value| value.get_name().to_owned());
        let name = name.unwrap_or_default();
        let begin = format!("{name:<12} … ");
        if is_alone {
            print!("{begin}");
            // If the terminal is gone, the next line says so.
            let _ = io::stdout().flush();
        }
        let start = Instant::now();
        let outcome = self
            .outcome(check, checks)
            .unwrap_or_else(|error| Outcome::Failed(String::new(), format!("{error:#}")));
        let row = Row {
            name,
            outcome: if strict { outcome.strict() } else { outcome },
            time: start.elapsed(),
        };
        let begin = if is_alone { "" } else { &begin };
        println!("{begin}{}", row.columns());
        row
    }

    fn outcome(&self, check: Check, checks: &[Check]) -> Result<Outcome> {
        match check {
            Check::Format => self.cargo(&["fmt", "--all", "--check"], &[]),
            Check::Clippy => self.clippy(),
            Check::Build => self.build(checks),
            Check::Tests => Ok(outcome_of(&self.test_programs()?.run(&[])?)),
            Check::Python => self.python(),
            Check::Sessions => self.sessions(),
            Check::Messages => self.messages(),
            Check::Staircase => self.staircase(),
            Check::Soak => self.soak(),
            Check::Cable => self.cable(),
            Check::CarriedOver => self.carried_over(),
            Check::Licences => self.licences(),
            Check::Book => self.book(),
            Check::Browser => self.browser(),
        }
    }

    /// The packages that are built and tested, as arguments.
    fn packages(&self) -> Vec<&str> {
        match &self.step {
            Some(step) => vec!["--package", &step.package],
            None if self.has_book_tests() => vec!["--workspace", "--exclude", "book-tests"],
            None => vec!["--workspace"],
        }
    }

    fn cargo(&self, arguments: &[&str], more: &[&str]) -> Result<Outcome> {
        let mut command = cargo::command(self.root);
        command.args(arguments).args(more);
        let output = cargo::run(command)?;
        Ok(if output.success {
            Outcome::Passed(String::new())
        } else {
            Outcome::Failed(String::new(), output.text)
        })
    }

    fn clippy(&self) -> Result<Outcome> {
        let arguments = [&["clippy"], &self.packages()[..]].concat();
        self.cargo(&arguments, &["--all-targets", "--", "-D", "warnings"])
    }

    /// Builds all that these checks run.
    fn build(&self, checks: &[Check]) -> Result<Outcome> {
        let any = |of: &[Check]| checks.iter().any(|check| of.contains(check));
        let mut detail = String::new();
        if any(&[Check::Tests, Check::Python]) {
            let tests = TestPrograms::build(self.root, &self.packages())?;
            detail = counted(tests.count(), "test program");
            let _ = self.tests.set(tests); // they are built once
        }
        if any(&[Check::Sessions, Check::Staircase]) {
            sessions::build(self.root, &self.target, self.step.as_ref())?;
        }
        if any(&[Check::Messages, Check::Cable]) {
            messages::build(self.root, &self.target, &root::steps(self.root)?)?;
        }
        if any(&[Check::Soak]) {
            soak::build(self.root, &self.target)?;
        }
        Ok(Outcome::Passed(detail))
    }

    fn test_programs(&self) -> Result<&TestPrograms> {
        self.tests.get().context("the tests were not built")
    }

    fn python(&self) -> Result<Outcome> {
        if conformance::python().is_none() {
            return Ok(Outcome::Skipped("no Python 3 was found".to_owned()));
        }
        Ok(outcome_of(&self.test_programs()?.run(&["--ignored", "python"])?))
    }

    fn sessions(&self) -> Result<Outcome> {
        let report = sessions::check(self.root, &self.target, self.step.as_ref())?;
        let (passed, failed, skipped) = (report.passed, report.failed.len(), &report.skipped);
        Ok(if failed > 0 {
            let detail = format!("{failed} of {}", counted(passed + failed, "session"));
            Outcome::Failed(detail, report.failed.join("\n\n"))
        } else if skipped.is_empty() {
            Outcome::Passed(counted(passed, "session"))
        } else {
            let names = skipped.join(", ");
            Outcome::Skipped(format!("{names}; {} passed", counted(passed, "session")))
        })
    }

    fn messages(&self) -> Result<Outcome> {
        let report = messages::check(self.root, &self.target, self.step.as_ref())?;
        let (passed, failed, skipped) = (report.passed, report.failed.len(), &report.skipped);
        Ok(if failed > 0 {
            Outcome::Failed(format!("{failed} complaints"), report.failed.join("\n\n"))
        } else if skipped.is_empty() {
            Outcome::Passed(counted(passed, "message"))
        } else {
            let names = skipped.join(", ");
            Outcome::Skipped(format!("{names}; {} passed", counted(passed, "message")))
        })
    }

    fn staircase_table(&self) -> String {
        self.staircase.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn staircase(&self) -> Result<Outcome> {
        let report = staircase::check(self.root, &self.target, self.step.as_ref())?;
        *self.staircase.lock().unwrap_or_else(PoisonError::into_inner) = report.table;
        Ok(if report.complaints.is_empty() {
            Outcome::Passed(counted(report.judged, "promise"))
        } else {
            let detail =
                format!("{} of {}", report.complaints.len(), counted(report.judged, "promise"));
            Outcome::Failed(detail, report.complaints.join("\n\n"))
        })
    }

    fn soak(&self) -> Result<Outcome> {
        let seed = soak::seed_of_now();
        let report = soak::soak(self.root, &self.target, SOAKED, seed)?;
        let servers = report.lines.len() + report.failures.len();
        Ok(if report.failures.is_empty() {
            Outcome::Passed(counted(servers, "server"))
        } else {
            let detail = format!("{} of {}", report.failures.len(), counted(servers, "server"));
            let again = format!("cargo xtask soak --seconds {} --seed {seed}", SOAKED.as_secs());
            Outcome::Failed(detail, format!("{}\n\n{again}", report.failures.join("\n\n")))
        })
    }

    fn cable(&self) -> Result<Outcome> {
        if let Some(missing) = cable::missing() {
            return Ok(Outcome::Skipped(missing));
        }
        let report = cable::pull(self.root, &self.target)?;
        let clients = report.lines.len() + report.failures.len();
        Ok(if report.failures.is_empty() {
            Outcome::Passed(counted(clients, "client"))
        } else {
            let detail = format!("{} of {}", report.failures.len(), counted(clients, "client"));
            Outcome::Failed(detail, report.failures.join("\n\n"))
        })
    }

    fn carried_over(&self) -> Result<Outcome> {
        let count = carried_over::check(self.root, self.step.as_ref())?;
        Ok(Outcome::Passed(counted(count, "file")))
    }

    fn licences(&self) -> Result<Outcome> {
        Ok(Outcome::Passed(counted(licences::check(self.root)?, "crate")))
    }

    fn book(&self) -> Result<Outcome> {
        let book_check::Counts { pages, links } = book_check::check(self.root)?;
        Ok(Outcome::Passed(format!("{}, {}", counted(pages, "page"), counted(links, "link"))))
    }

    fn browser(&self) -> Result<Outcome> {
        let browsers = ["chromium", "chromium-browser", "google-chrome"];
        if !browsers.iter().any(|name| is_on_path(name)) {
            return Ok(Outcome::Skipped("no chromium or google-chrome was found".to_owned()));
        }
        if !is_on_path("chromedriver") {
            return Ok(Outcome::Skipped("no chromedriver was found".to_owned()));
        }
        // Nobody else compiles this package, so its lints are looked at here.
        let package = ["--package", "book-tests"];
        let arguments = [&["clippy"], &package[..]].concat();
        let clippy = self.cargo(&arguments, &["--all-targets", "--", "-D", "warnings"])?;
        if !matches!(clippy, Outcome::Passed(_)) {
            return Ok(clippy);
        }
        let tests = TestPrograms::build(self.root, &package)?;
        let book = tempfile::tempdir().context("cannot make a folder for the book")?;
        build_book::build(self.root, book.path())?;
        let outcome = outcome_of(&tests.with("BOOK_TESTS_DIR", book.path()).run(&[])?);
        let has_axe = self.root.join("book/tests/node_modules/axe-core/axe.min.js").is_file();
        Ok(outcome.without(&missing_for_browser(has_axe, is_on_path("pdftotext"))))
    }
}

/// What came of running test programs. Of those that failed, it has the output.
fn outcome_of(runs: &[Run]) -> Outcome {
    let mut counts = Counts::default();
    let (mut ended_early, mut output) = (Vec::new(), String::new());
    for run in runs {
        let Counts { passed, failed } = Counts::of(&run.text);
        counts.passed += passed;
        counts.failed += failed;
        if !run.success {
            // Writing to a string cannot fail.
            let _ = write!(output, "{}:\n{}\n", run.program, run.text.trim_end());
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

/// What some of the browser tests need, and is not there.
fn missing_for_browser(has_axe: bool, has_pdftotext: bool) -> Vec<&'static str> {
    let axe = "no axe-core was found (npm install in book/tests)";
    let pdftotext = "no pdftotext was found";
    [(has_axe, axe), (has_pdftotext, pdftotext)]
        .into_iter()
        .filter_map(|(is_there, missing)| (!is_there).then_some(missing))
        .collect()
}

impl Outcome {
    /// What passed without something that it needs has passed in part.
    fn without(self, missing: &[&str]) -> Self {
        match self {
            Self::Passed(detail) if !missing.is_empty() => {
                Self::Skipped(format!("{}; {detail} passed", missing.join(", ")))
            }
            other => other,
        }
    }

    /// What cannot be run has not been proved.
    fn strict(self) -> Self {
        match self {
            Self::Skipped(reason) => {
                let output = format!("skipped, which --strict does not allow: {reason}");
                Self::Failed(reason, output)
            }
            other => other,
        }
    }
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

/// Such as `1 test`, `2 tests`.
fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

fn number_before(line: &str, word: &str) -> usize {
    line.split(word).next().and_then(|before| before.rsplit(' ').next()?.parse().ok()).unwrap_or(0)
}

/// Whether a program of this name is in a folder of `PATH`.
#[must_use]
pub fn is_on_path(program: &str) -> bool {
    let file = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(&file).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, outcome: Outcome) -> Row {
        Row { name: name.to_owned(), outcome, time: Duration::from_millis(1234) }
    }

    #[test]
    fn the_table_comes_after_the_output_and_the_counts_last() {
        let rows = [
            row("sessions", Outcome::Passed("7 sessions".to_owned())),
            row("carried-over", Outcome::Failed(String::new(), "a is not b\n".to_owned())),
            row("browser", Outcome::Skipped("no chromedriver was found".to_owned())),
        ];
        assert_eq!(
            summary(&rows),
            "\
---- carried-over ----
a is not b

sessions      ok         1.2 s  7 sessions
carried-over  FAILED     1.2 s
browser       skipped    1.2 s  no chromedriver was found
1 passed, 1 failed, 1 skipped"
        );
    }

    #[test]
    fn a_skipped_check_fails_when_one_is_strict() {
        let strict = Outcome::Skipped("no Python".to_owned()).strict();
        assert!(matches!(strict, Outcome::Failed(detail, _) if detail == "no Python"));
        let passed = Outcome::Passed("7".to_owned());
        assert_eq!(passed.strict(), Outcome::Passed("7".to_owned()));
    }

    #[test]
    fn browser_tests_that_lack_something_count_as_skipped_with_what_they_lack() {
        let passed = || Outcome::Passed("9 tests".to_owned());
        assert_eq!(passed().without(&missing_for_browser(true, true)), passed());
        let skipped = passed().without(&missing_for_browser(false, false));
        let detail = "no axe-core was found (npm install in book/tests), \
                      no pdftotext was found; 9 tests passed";
        assert_eq!(skipped, Outcome::Skipped(detail.to_owned()));
        let failed = || Outcome::Failed("1 of 9 tests".to_owned(), String::new());
        assert_eq!(failed().without(&missing_for_browser(false, true)), failed());
    }

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
        let bad = run("b", false, "why\ntest result: FAILED. 1 passed; 2 failed; 0 ignored\n");
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

    fn verifier(root: &Path, step: Option<Step>) -> Verifier<'_> {
        let (tests, staircase) = (OnceLock::new(), Mutex::default());
        Verifier { root, target: root::target().unwrap(), step, tests, staircase }
    }

    #[test]
    fn what_runs_programs_comes_after_building_them_and_not_if_that_fails() {
        let tree = crate::fixture::tree();
        let all = verifier(tree.path(), None);
        let checks = all.checks(&[Check::Sessions, Check::CarriedOver]).unwrap();
        assert_eq!(checks, [Check::Build, Check::Sessions, Check::CarriedOver]);
        assert_eq!(all.checks(&[Check::CarriedOver]).unwrap(), [Check::CarriedOver]);
        // The fixture is no workspace: cargo cannot build it.
        let names = |rows: &[Row]| rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>();
        let rows = all.rows(&checks, false);
        assert_eq!(names(&rows), ["build", "carried-over"]);
        assert!(rows[0].has_failed() && !rows[1].has_failed());
    }

    #[test]
    fn for_one_step_the_book_is_left_out() {
        let tree = crate::fixture::tree();
        let step = root::find_step(tree.path(), "2").unwrap();
        let one = verifier(tree.path(), Some(step));
        assert_eq!(one.packages(), ["--package", "step-02-second"]);
        assert!(!one.checks(&[]).unwrap().contains(&Check::Book));
        assert!(one.checks(&[Check::Book]).is_err());
    }

    #[test]
    fn the_browser_tests_count_only_if_they_are_there() {
        let tree = crate::fixture::tree();
        let all = verifier(tree.path(), None);
        assert_eq!(all.packages(), ["--workspace"]);
        assert!(!all.checks(&[]).unwrap().contains(&Check::Browser));
        crate::fixture::write(tree.path(), "book/tests/Cargo.toml", "");
        assert_eq!(all.packages(), ["--workspace", "--exclude", "book-tests"]);
        assert!(all.checks(&[]).unwrap().contains(&Check::Browser));
    }
}
