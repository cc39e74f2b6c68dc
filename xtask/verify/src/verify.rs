//! `cargo xtask verify`: reports whether anything in the book, or in a step, is no longer true.
//!
//! There are two tiers. Without options, the checks run that are worth waiting for after a change; the
//! table names the others. `--strict` and `--all` run everything.
//!
//! First everything is built. Nothing is built while it runs: cargo must not replace a program that is
//! about to be started. Then all checks run side by side, since most of them wait more than they compute.

use std::io::{self, Write as _};
use std::num::NonZero;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use conformance::side_by_side_at_most;
use tempfile::TempDir;
use workspace::cargo;
use workspace::command_line::is_on_path;
use workspace::root::{self, Step, Target};

use crate::outcome::{Outcome, Report, Row, counted, summary};
use crate::programs::{self, TestPrograms, outcome_of};
use crate::repeat::{self, Tally};
use crate::turns::Turns;
use crate::{cable, carried_over, licences, messages, sessions, soak, staircase};

/// How long all servers are soaked, at the same time.
const SOAKED: Duration = Duration::from_secs(30);

/// The package that builds the book and looks at its pages.
const BOOK: &str = "xtask-book";

/// How the names of the tests begin that hold a step to its manifest, as the check `staircase` does.
const JUDGED_BY_STAIRCASE: &str = "keeps_what_its_manifest_promises";

/// What can be chosen on the command line.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Options {
    /// Check one step, by its number or its name, and not the book
    #[arg(long, value_name = "NN")]
    step: Option<String>,
    /// Run this check only; can be given more than once
    #[arg(long, value_name = "CHECK", value_enum)]
    only: Vec<Check>,
    /// Run everything; count a check that cannot be run as failed
    #[arg(long, conflicts_with = "all")]
    strict: bool,
    /// Run everything; list what cannot be run here
    #[arg(long)]
    all: bool,
    /// Record the sessions again before they are checked
    #[arg(long)]
    bless: bool,
    /// Run only the tests and the sessions, this many times, and count how often each failed
    #[arg(long, value_name = "N", conflicts_with_all = ["bless", "strict"])]
    repeat: Option<NonZero<usize>>,
}

/// The checks, in the order in which they begin. The longest ones are first, and last those that consist of many
/// short parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Check {
    /// The code is formatted
    Format,
    /// The tests and the programs build; runs before the checks that need them
    Build,
    /// Clippy reports nothing
    Clippy,
    /// Files that a step takes over from an earlier step are the same
    CarriedOver,
    /// The licences of all crates are allowed, and all come from crates.io
    Licences,
    /// No word is misspelt
    Spelling,
    /// The book builds without a warning, its links work, and its sentences are short
    Book,
    /// The pages work in a real browser
    Browser,
    /// The steps' Python twins keep the same promises
    Python,
    /// A client whose cable is pulled is removed in time, and the others in the room do not wait
    Cable,
    /// Servers under random clients neither panic nor leak, and serve well-behaved clients
    Soak,
    /// The slowest tests pass
    Slow,
    /// The page on troubleshooting explains every message, and each still occurs
    Messages,
    /// The book's terminal sessions print what the book shows
    Sessions,
    /// Each step keeps and breaks the promises that its manifest lists
    Staircase,
    /// All tests except the slowest pass
    Tests,
}

impl Check {
    /// Its name on the command line.
    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map(|value| value.get_name().to_owned()).unwrap_or_default()
    }

    /// Whether it runs after every change.
    fn is_quick(self) -> bool {
        !matches!(
            self,
            Self::Slow | Self::Python | Self::Messages | Self::Soak | Self::Cable | Self::Browser
        )
    }

    /// Whether no other check runs at the same time: cargo would wait for itself.
    fn is_alone(self) -> bool {
        matches!(self, Self::Format | Self::Build | Self::Clippy)
    }

    /// Whether each of its test programs has a turn of its own.
    fn runs_tests(self) -> bool {
        matches!(self, Self::Browser | Self::Python | Self::Slow | Self::Tests)
    }

    /// Whether it runs what `Build` has built.
    fn needs_programs(self) -> bool {
        !matches!(
            self,
            Self::Format
                | Self::Clippy
                | Self::Build
                | Self::CarriedOver
                | Self::Licences
                | Self::Spelling
        )
    }

    /// Whether it is about the whole repository, and means nothing for one step.
    fn is_for_all(self) -> bool {
        matches!(
            self,
            Self::Soak | Self::Cable | Self::Licences | Self::Book | Self::Spelling | Self::Browser
        )
    }
}

/// Runs the checks; returns whether none failed.
pub fn run(root: &Path, options: &Options) -> Result<bool> {
    let verifier = Verifier::new(root, options)?;
    let checks = verifier.checks(options)?;
    if let Some(times) = options.repeat {
        return verifier.repeat(times.get(), &checks);
    }
    if options.bless {
        verifier.bless(&checks)?;
    }
    let mut rows = verifier.rows(&checks, options.strict);
    if options.only.is_empty() {
        rows.extend(verifier.not_run(&checks));
    }
    println!("\n{}{}", verifier.staircase_table(), summary(&rows));
    Ok(!rows.iter().any(Row::has_failed))
}

/// What all checks need to know.
struct Verifier<'a> {
    root: &'a Path,
    target: Target,
    step: Option<Step>,
    /// All that was built, once it was.
    programs: OnceLock<TestPrograms>,
    turns: Turns,
    /// The table of steps and checks, once it is there: it is shown last.
    staircase: Mutex<String>,
    /// Where the book is built for the checks that look at it.
    book: TempDir,
    /// Whether a translation must be as new as the English pages.
    strict: bool,
}

impl<'a> Verifier<'a> {
    fn new(root: &'a Path, options: &Options) -> Result<Self> {
        Ok(Self {
            root,
            target: root::target()?,
            step: options.step.as_deref().map(|step| root::find_step(root, step)).transpose()?,
            programs: OnceLock::new(),
            turns: Turns::new(),
            staircase: Mutex::default(),
            book: TempDir::new().context("cannot make a folder for the book")?,
            strict: options.strict,
        })
    }

    /// The checks that are wanted and mean something, in their order.
    fn checks(&self, options: &Options) -> Result<Vec<Check>> {
        let Options { only, strict, all, .. } = options;
        let is_wanted = |check: &Check| {
            if only.is_empty() { *strict || *all || check.is_quick() } else { only.contains(check) }
        };
        let wanted: Vec<Check> = self.meaningful().filter(is_wanted).collect();
        if wanted.is_empty() {
            bail!("there is nothing to check: what --only names is about the whole book");
        }
        let builds = wanted.iter().any(|check| check.needs_programs());
        let is_run = |check: &Check| wanted.contains(check) || *check == Check::Build && builds;
        Ok(self.meaningful().filter(is_run).collect())
    }

    /// The checks that mean something: for one step, some do not.
    fn meaningful(&self) -> impl Iterator<Item = Check> {
        let is_for_one = self.step.is_some();
        let all = Check::value_variants().iter().copied();
        all.filter(move |check| !(is_for_one && check.is_for_all()))
    }

    /// A row for each check that belongs to the other tier.
    fn not_run(&self, checks: &[Check]) -> Vec<Row> {
        let step = self.step.as_ref().map(|step| format!(" --step {}", step.number()));
        let step = step.unwrap_or_default();
        let row = |check: Check| {
            let name = check.name();
            let command = format!("cargo xtask verify{step} --only {name}");
            Row { name, outcome: Outcome::NotRun(command), time: Duration::ZERO }
        };
        self.meaningful().filter(|check| !checks.contains(check)).map(row).collect()
    }

    /// Runs these checks: those that must be alone one after the other, then the others side by side. What
    /// cannot be built is not run. Each check has a line on the terminal when it is done, and a check
    /// that runs alone has begun that line when it begins.
    fn rows(&self, checks: &[Check], strict: bool) -> Vec<Row> {
        let mut rows: Vec<Row> = Vec::new();
        let (alone, others): (Vec<Check>, Vec<Check>) =
            checks.iter().partition(|check| check.is_alone());
        for check in alone {
            print!("{:<12}  ", check.name());
            // If the terminal is gone, the next line fails as well.
            let _ = io::stdout().flush();
            let row = self.row(check, checks, strict);
            println!("{}", row.columns());
            rows.push(row);
        }
        let is_built = !rows.iter().any(|row| row.name == "build" && row.has_failed());
        let others: Vec<Check> =
            others.into_iter().filter(|it| is_built || !it.needs_programs()).collect();
        // The browser looks at what `book` has built.
        let lanes: Vec<&[Check]> =
            others.chunk_by(|a, b| (*a, *b) == (Check::Book, Check::Browser)).collect();
        let done = side_by_side_at_most(lanes.len(), &lanes, |lane| {
            let row = |check: &Check| {
                let row = self.row(*check, checks, strict);
                println!("{}", row.line());
                row
            };
            lane.iter().map(row).collect::<Vec<Row>>()
        });
        rows.extend(done.into_iter().flatten());
        rows
    }

    /// Runs a check.
    fn row(&self, check: Check, checks: &[Check], strict: bool) -> Row {
        let turn = (!check.runs_tests()).then(|| self.turns.take(rank(check)));
        let outcome = self
            .outcome(check, checks)
            .unwrap_or_else(|error| Outcome::Failed(String::new(), format!("{error:#}")));
        drop(turn);
        let outcome = if strict { outcome.strict() } else { outcome };
        let begun = self.turns.begun(rank(check));
        let time = begun.map_or(Duration::ZERO, |begun| begun.elapsed());
        Row { name: check.name(), outcome, time }
    }

    fn outcome(&self, check: Check, checks: &[Check]) -> Result<Outcome> {
        let (root, target, step) = (self.root, &self.target, self.step.as_ref());
        match check {
            Check::Format => {
                let mut format = cargo::command(root);
                format.args(["fmt", "--all", "--check"]);
                silent(format)
            }
            Check::Build => self.build(checks),
            Check::Clippy => self.clippy(checks),
            Check::Tests => self.tests(checks),
            Check::Slow => self.run(&self.steps_programs()?, &["--ignored", "slow::"], check),
            Check::Python => self.python(),
            Check::Sessions => Ok(sessions::check(root, target, step)?.outcome("session")),
            Check::Messages => Ok(messages::check(root, target, step)?.outcome("message")),
            Check::Staircase => self.staircase(),
            Check::Soak => self.soak(),
            Check::Cable => self.cable(),
            Check::CarriedOver => {
                Ok(Outcome::Passed(counted(carried_over::check(root, step)?, "file")))
            }
            Check::Licences => Ok(Outcome::Passed(counted(licences::check(root)?, "crate"))),
            Check::Book => self.book(),
            Check::Spelling => self.spelling(),
            Check::Browser => self.browser(checks),
        }
    }

    /// Runs before the tests do: it locks the target folder, and a test that starts cargo would wait for it.
    fn clippy(&self, checks: &[Check]) -> Result<Outcome> {
        let mut clippy = cargo::command(self.root);
        clippy.arg("clippy").args(programs::packages(checks.contains(&Check::Browser)));
        clippy.arg("--target-dir").arg(&self.target.dir);
        clippy.args(["--all-targets", "--", "-D", "warnings"]);
        silent(clippy)
    }

    /// Builds all that a check runs. The browser tests, which have the most dependencies, are built only
    /// if they are run.
    fn build(&self, checks: &[Check]) -> Result<Outcome> {
        let programs =
            TestPrograms::build(self.root, &self.target, checks.contains(&Check::Browser))?;
        let detail = counted(programs.count(), "test program");
        let _ = self.programs.set(programs); // they are built once
        Ok(Outcome::Passed(detail))
    }

    fn programs(&self) -> Result<&TestPrograms> {
        self.programs.get().context("nothing was built")
    }

    /// The test programs of the wanted step, or of all packages.
    fn steps_programs(&self) -> Result<TestPrograms> {
        Ok(self.programs()?.of(self.step.as_ref()))
    }

    /// Runs test programs for a check.
    fn run(&self, programs: &TestPrograms, arguments: &[&str], check: Check) -> Result<Outcome> {
        Ok(outcome_of(&programs.run(arguments, &self.turns, rank(check))?))
    }

    fn tests(&self, checks: &[Check]) -> Result<Outcome> {
        let skip = ["--skip", JUDGED_BY_STAIRCASE];
        let skip = if checks.contains(&Check::Staircase) { &skip[..] } else { &[] };
        self.run(&self.steps_programs()?, skip, Check::Tests)
    }

    fn python(&self) -> Result<Outcome> {
        if conformance::python().is_none() {
            return Ok(Outcome::Skipped("no Python 3 was found".to_owned()));
        }
        self.run(&self.steps_programs()?, &["--ignored", "python"], Check::Python)
    }

    fn staircase_table(&self) -> String {
        self.staircase.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn staircase(&self) -> Result<Outcome> {
        let report = staircase::check(self.root, &self.target, self.step.as_ref())?;
        *self.staircase.lock().unwrap_or_else(PoisonError::into_inner) = report.table;
        let passed = report.judged.saturating_sub(report.complaints.len());
        let failed = report.complaints;
        Ok(Report { passed, failed, skipped: Vec::new() }.outcome("promise"))
    }

    fn soak(&self) -> Result<Outcome> {
        let seed = soak::seed_of_now();
        let report = soak::soak(self.root, &self.target, SOAKED, seed)?;
        let (passed, mut failed) = (report.lines.len(), report.failures);
        if let Some(last) = failed.last_mut() {
            let again = format!("cargo xtask soak --seconds {} --seed {seed}", SOAKED.as_secs());
            last.push_str("\n\n");
            last.push_str(&again);
        }
        Ok(Report { passed, failed, skipped: Vec::new() }.outcome("server"))
    }

    fn cable(&self) -> Result<Outcome> {
        if let Some(missing) = conformance::network::missing() {
            return Ok(Outcome::Skipped(missing));
        }
        let report = cable::pull(self.root, &self.target)?;
        let (passed, failed) = (report.lines.len(), report.failures);
        Ok(Report { passed, failed, skipped: Vec::new() }.outcome("client"))
    }

    /// Builds the book, and looks at its pages, in the room that makes it.
    fn inspect_book(&self) -> Result<cargo::Output> {
        let mut room = Command::new(self.target.program(BOOK));
        room.arg("inspect").arg(self.book.path()).current_dir(self.root);
        room.args(self.strict.then_some("--strict"));
        cargo::run(room)
    }

    fn book(&self) -> Result<Outcome> {
        let cargo::Output { success, text } = self.inspect_book()?;
        let text = text.trim_end().to_owned();
        Ok(if success { Outcome::Passed(text) } else { Outcome::Failed(String::new(), text) })
    }

    fn spelling(&self) -> Result<Outcome> {
        if !is_on_path("typos") {
            let missing = "the program `typos` was not found (pip install typos==1.52.0)";
            return Ok(Outcome::Skipped(missing.to_owned()));
        }
        let mut typos = Command::new("typos");
        typos.args(["--format", "brief"]).current_dir(self.root);
        silent(typos)
    }

    fn browser(&self, checks: &[Check]) -> Result<Outcome> {
        let browsers = ["chromium", "chromium-browser", "google-chrome"];
        if !browsers.iter().any(|name| is_on_path(name)) {
            return Ok(Outcome::Skipped("no chromium or google-chrome was found".to_owned()));
        }
        if !is_on_path("chromedriver") {
            return Ok(Outcome::Skipped("no chromedriver was found".to_owned()));
        }
        if !checks.contains(&Check::Book) {
            let cargo::Output { success, text } = self.inspect_book()?;
            if !success {
                return Ok(Outcome::Failed(String::new(), text));
            }
        }
        let tests = self.programs()?.of_browser().with("BOOK_TESTS_DIR", self.book.path());
        let has_axe = self.root.join("book/tests/node_modules/axe-core/axe.min.js").is_file();
        let missing = missing_for_browser(has_axe, is_on_path("pdftotext"));
        Ok(self.run(&tests, &[], Check::Browser)?.without(&missing))
    }

    fn bless(&self, checks: &[Check]) -> Result<()> {
        self.build(checks)?;
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
        let runs: [(Check, &[&str]); 3] = [
            (Check::Tests, &[]),
            (Check::Slow, &["--ignored", "slow::"]),
            (Check::Python, &["--ignored", "python"]),
        ];
        let runs: Vec<_> = runs.iter().filter(|(check, _)| checks.contains(check)).collect();
        let has_sessions = checks.contains(&Check::Sessions);
        if runs.is_empty() && !has_sessions {
            bail!("only the checks `tests`, `slow`, `python` and `sessions` can be repeated");
        }
        let programs = TestPrograms::build(self.root, &self.target, false)?.of(self.step.as_ref());
        let round = || {
            let mut round = repeat::Round::default();
            for (_, arguments) in &runs {
                round.add(repeat::tests(&programs, arguments, &self.turns)?);
            }
            if has_sessions {
                let report = sessions::check(self.root, &self.target, self.step.as_ref())?;
                round.add(repeat::of_sessions(report));
            }
            Ok(round)
        };
        let tally = Tally::of(times, round, |text| println!("{text}"))?;
        println!("\n{tally}");
        Ok(tally.is_clean())
    }
}

/// The rank with which a check waits for its turn.
fn rank(check: Check) -> usize {
    check as usize
}

/// Runs a command whose output matters only if it fails.
fn silent(command: Command) -> Result<Outcome> {
    let cargo::Output { success, text } = cargo::run(command)?;
    Ok(if success { Outcome::Passed(String::new()) } else { Outcome::Failed(String::new(), text) })
}

/// What some of the browser tests need, and is not there.
fn missing_for_browser(has_axe: bool, has_pdftotext: bool) -> Vec<&'static str> {
    let axe = "no axe-core was found (npm ci in book/tests)";
    let pdftotext = "no pdftotext was found";
    [(has_axe, axe), (has_pdftotext, pdftotext)]
        .into_iter()
        .filter_map(|(is_there, missing)| (!is_there).then_some(missing))
        .collect()
}

#[cfg(test)]
mod tests {
    use workspace::fixture;

    use super::*;

    fn only(checks: &[Check]) -> Options {
        Options { only: checks.to_vec(), ..Options::default() }
    }

    #[test]
    fn browser_tests_that_lack_something_count_as_skipped_with_what_they_lack() {
        let passed = || Outcome::Passed("9 tests".to_owned());
        assert_eq!(passed().without(&missing_for_browser(true, true)), passed());
        let skipped = passed().without(&missing_for_browser(false, false));
        let detail = "no axe-core was found (npm ci in book/tests), \
                      no pdftotext was found; 9 tests passed";
        assert_eq!(skipped, Outcome::Skipped(detail.to_owned()));
        let failed = || Outcome::Failed("1 of 9 tests".to_owned(), String::new());
        assert_eq!(failed().without(&missing_for_browser(false, true)), failed());
    }

    #[test]
    fn what_runs_programs_comes_after_building_them_and_not_if_that_fails() {
        let tree = fixture::tree();
        let all = Verifier::new(tree.path(), &Options::default()).unwrap();
        let checks = all.checks(&only(&[Check::Sessions, Check::CarriedOver])).unwrap();
        assert_eq!(checks, [Check::Build, Check::CarriedOver, Check::Sessions]);
        assert_eq!(all.checks(&only(&[Check::CarriedOver])).unwrap(), [Check::CarriedOver]);
        let lane = [Check::Book, Check::Browser];
        assert!(Check::value_variants().windows(2).any(|two| two == lane), "they are neighbours");
        // The fixture is no workspace: cargo cannot build it.
        let names = |rows: &[Row]| rows.iter().map(|row| row.name.clone()).collect::<Vec<_>>();
        let rows = all.rows(&checks, false);
        assert_eq!(names(&rows), ["build", "carried-over"]);
        assert!(rows[0].has_failed() && !rows[1].has_failed());
    }

    #[test]
    fn for_one_step_the_book_is_left_out() {
        let tree = fixture::tree();
        let options = Options { step: Some("2".to_owned()), ..Options::default() };
        let one = Verifier::new(tree.path(), &options).unwrap();
        assert!(!one.checks(&options).unwrap().contains(&Check::Book));
        assert!(one.checks(&only(&[Check::Book])).is_err());
        let not_run = one.not_run(&one.checks(&options).unwrap());
        let python = "cargo xtask verify --step 02 --only python".to_owned();
        assert!(not_run.iter().any(|row| row.outcome == Outcome::NotRun(python.clone())));
        assert!(not_run.iter().all(|row| row.name != "browser"));
    }

    #[test]
    fn a_check_is_run_or_the_table_says_how_to_run_it() {
        let tree = fixture::tree();
        let quick = Verifier::new(tree.path(), &Options::default()).unwrap();
        let checks = quick.checks(&Options::default()).unwrap();
        let not_run = quick.not_run(&checks);
        assert_eq!(checks.len() + not_run.len(), Check::value_variants().len());
        for options in [
            Options { strict: true, ..Options::default() },
            Options { all: true, ..Options::default() },
        ] {
            assert_eq!(quick.checks(&options).unwrap(), Check::value_variants());
        }
    }
}
