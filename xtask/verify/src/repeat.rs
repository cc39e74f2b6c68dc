//! `cargo xtask verify --repeat N`: what fails now and then.
//!
//! The tests and the sessions are built once and run N times. What fails in one round of many is no
//! less wrong than what fails always: it is a race, and it will be lost on another computer.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::{Context as _, Result};

use crate::outcome::Report;
use crate::programs::TestPrograms;
use crate::turns::Turns;

/// How one round went.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// How many tests and sessions passed.
    pub passed: usize,
    /// Those that failed: the name of each, and what it wrote.
    pub failed: Vec<(String, String)>,
}

impl Round {
    /// Adds the result of another part of the round.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed.extend(other.failed);
    }
}

/// Shows how many passed, and which did not, so that you see the names before the last of a hundred rounds.
impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed.len())?;
        for (index, (name, _)) in self.failed.iter().enumerate() {
            write!(f, "{} {name}", if index == 0 { ":" } else { "," })?;
        }
        Ok(())
    }
}

/// How all rounds went.
#[derive(Debug, Default)]
pub struct Tally {
    rounds: usize,
    /// The most tests and sessions in one round.
    count: usize,
    /// How often each test, or session, failed that ever did.
    failures: BTreeMap<String, usize>,
}

impl Tally {
    /// Runs `round` that many times, and reports after each how it went, and what each one wrote that
    /// failed for the first time.
    pub fn of(
        times: usize,
        mut round: impl FnMut() -> Result<Round>,
        mut tell: impl FnMut(String),
    ) -> Result<Self> {
        let mut tally = Self::default();
        for number in 1..=times {
            let went = round().with_context(|| format!("round {number}"))?;
            tell(format!("round {number} of {times}: {went}"));
            tally.add(went, &mut tell);
        }
        Ok(tally)
    }

    fn add(&mut self, round: Round, mut tell: impl FnMut(String)) {
        self.rounds += 1;
        self.count = self.count.max(round.passed + round.failed.len());
        for (name, output) in round.failed {
            if !self.failures.contains_key(&name) {
                let output = output.trim_end();
                tell(format!("---- {name}, when it failed first ----\n{output}\n"));
            }
            *self.failures.entry(name).or_default() += 1;
        }
    }

    /// Whether something ran, and nothing ever failed.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.count > 0 && self.failures.is_empty()
    }
}

/// Shows how often each failed, the worst last, where it is seen first.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut failures: Vec<_> = self.failures.iter().collect();
        failures.sort_by_key(|&(_, times)| times);
        for (name, times) in &failures {
            writeln!(f, "failed {times} of {} times  {name}", self.rounds)?;
        }
        let (count, rounds, failed) = (self.count, self.rounds, failures.len());
        write!(f, "{count} tests and sessions, {rounds} times: {failed} of them failed")
    }
}

/// The results in the output of a test program.
fn round_of(program: &str, success: bool, output: &str) -> Round {
    let passed = output.lines().filter(|line| is_result(line, "ok")).count();
    let mut failed: Vec<(String, String)> = output
        .lines()
        .filter(|line| is_result(line, "FAILED"))
        .map(|line| {
            let test = line.trim_start_matches("test ").trim_end_matches(" ... FAILED");
            (format!("{program}: {test}"), output_of(test, output).to_owned())
        })
        .collect();
    if !success && failed.is_empty() {
        failed.push((format!("{program} does not run to its end"), output.to_owned()));
    }
    Round { passed, failed }
}

fn is_result(line: &str, result: &str) -> bool {
    line.starts_with("test ")
        && line.strip_suffix(result).is_some_and(|line| line.ends_with(" ... "))
}

/// What this test wrote, or all that there is.
fn output_of<'a>(test: &str, output: &'a str) -> &'a str {
    let head = format!("---- {test} stdout ----\n");
    let Some((_, written)) = output.split_once(&head) else {
        return output;
    };
    let end = [written.find("\n---- "), written.find("\nfailures:\n")].into_iter().flatten().min();
    &written[..end.unwrap_or(written.len())]
}

/// Runs the tests once, with these arguments.
pub fn tests(programs: &TestPrograms, arguments: &[&str], turns: &Turns) -> Result<Round> {
    let mut round = Round::default();
    for run in programs.run(arguments, turns, 0)? {
        round.add(round_of(&run.program, run.success, &run.text));
    }
    Ok(round)
}

/// The results of a run of the sessions.
pub fn of_sessions(report: Report) -> Round {
    let failed = report.failed.into_iter().map(|text| {
        let name = text.split(": ").next().unwrap_or_default().to_owned();
        (name, text)
    });
    Round { passed: report.passed, failed: failed.collect() }
}

#[cfg(test)]
mod tests {
    use anyhow::bail;

    use super::*;

    fn failed(names: &[&str], passed: usize) -> Round {
        let failed = names.iter().map(|name| ((*name).to_owned(), format!("why {name}\n")));
        Round { passed, failed: failed.collect() }
    }

    #[test]
    fn it_is_counted_how_often_each_one_failed() {
        let mut rounds = [
            failed(&[], 5),
            failed(&["seldom", "often"], 3),
            failed(&["often"], 4),
            failed(&[], 5),
        ]
        .into_iter();
        let mut told = Vec::new();
        let tell = |text| told.push(text);
        let tally = Tally::of(4, || Ok(rounds.next().expect("four are asked for")), tell).unwrap();
        assert_eq!(
            told,
            [
                "round 1 of 4: 5 passed, 0 failed",
                "round 2 of 4: 3 passed, 2 failed: seldom, often",
                "---- seldom, when it failed first ----\nwhy seldom\n",
                "---- often, when it failed first ----\nwhy often\n",
                "round 3 of 4: 4 passed, 1 failed: often",
                "round 4 of 4: 5 passed, 0 failed",
            ]
        );
        assert!(!tally.is_clean());
        assert_eq!(
            tally.to_string(),
            "\
failed 1 of 4 times  seldom
failed 2 of 4 times  often
5 tests and sessions, 4 times: 2 of them failed"
        );
    }

    #[test]
    fn only_where_something_ran_and_nothing_failed_all_is_well() {
        let tally = |round: fn() -> Round| Tally::of(3, || Ok(round()), |_| {}).unwrap();
        assert!(tally(|| failed(&[], 1)).is_clean());
        assert!(!tally(|| failed(&["one"], 1)).is_clean());
        assert!(!tally(Round::default).is_clean(), "nothing ran");
    }

    #[test]
    fn a_round_that_cannot_be_run_is_named() {
        let mut left = 2;
        let round = || {
            left -= 1;
            if left == 0 {
                bail!("no program")
            }
            Ok(failed(&[], 1))
        };
        let error = Tally::of(9, round, |_| {}).unwrap_err();
        assert_eq!(format!("{error:#}"), "round 2: no program");
    }

    #[test]
    fn the_output_of_a_test_program_says_what_failed_and_why() {
        let output = "\nrunning 3 tests\n\
            test good ... ok\n\
            test bad ... FAILED\n\
            test worse ... FAILED\n\
            test left_out ... ignored, needs python3\n\
            \nfailures:\n\n\
            ---- bad stdout ----\nbad luck\n\
            ---- worse stdout ----\nworse luck\n\
            \nfailures:\n    bad\n    worse\n\
            \ntest result: FAILED. 1 passed; 2 failed; 1 ignored\n";
        let because = |test: &str, text: &str| (format!("a it: {test}"), text.to_owned());
        let expected = vec![because("bad", "bad luck"), because("worse", "worse luck\n")];
        assert_eq!(round_of("a it", false, output), Round { passed: 1, failed: expected });
    }

    #[test]
    fn a_test_program_that_crashes_has_failed() {
        let output = "running 2 tests\ntest good ... ok\nerror: stack overflow";
        let crashed = ("a it does not run to its end".to_owned(), output.to_owned());
        assert_eq!(round_of("a it", false, output), Round { passed: 1, failed: vec![crashed] });
    }
}
