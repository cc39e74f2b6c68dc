//! How a check went, and the table of all of them.

use std::time::Duration;

/// The result of many small things that were tried.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// How many passed.
    pub passed: usize,
    /// One text for each that failed.
    pub failed: Vec<String>,
    /// Those that cannot be tried here, each with the reason.
    pub skipped: Vec<String>,
}

impl Report {
    /// The report as the outcome of a check; `noun` is what was tried.
    pub fn outcome(self, noun: &str) -> Outcome {
        let Self { passed, failed, skipped } = self;
        if !failed.is_empty() {
            let detail = format!("{} of {}", failed.len(), counted(passed + failed.len(), noun));
            Outcome::Failed(detail, failed.join("\n\n"))
        } else if skipped.is_empty() {
            Outcome::Passed(counted(passed, noun))
        } else {
            let names = skipped.join(", ");
            Outcome::Skipped(format!("{names}; {} passed", counted(passed, noun)))
        }
    }
}

/// The result of a check, with its details.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// What was checked.
    Passed(String),
    /// The detail for the table, and the full output.
    Failed(String, String),
    /// It cannot be run here: the reason.
    Skipped(String),
    /// It belongs to the other tier: the command that runs it.
    NotRun(String),
}

impl Outcome {
    /// The outcome if what was needed for a part of it is missing: what passed has passed in part.
    pub fn without(self, missing: &[&str]) -> Self {
        match self {
            Self::Passed(detail) if !missing.is_empty() => {
                Self::Skipped(format!("{}; {detail} passed", missing.join(", ")))
            }
            other => other,
        }
    }

    /// The outcome where what cannot be run has not been proved.
    pub fn strict(self) -> Self {
        match self {
            Self::Skipped(reason) => {
                let output = format!("skipped, which --strict does not allow: {reason}");
                Self::Failed(reason, output)
            }
            other => other,
        }
    }
}

/// A line of the table.
#[derive(Debug)]
pub struct Row {
    /// The check.
    pub name: String,
    /// How it went.
    pub outcome: Outcome,
    /// How long it took.
    pub time: Duration,
}

impl Row {
    /// Whether the check failed.
    pub fn has_failed(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(..))
    }

    fn result(&self) -> &'static str {
        match self.outcome {
            Outcome::Passed(_) => "ok",
            Outcome::Failed(..) => "FAILED",
            Outcome::Skipped(_) => "skipped",
            Outcome::NotRun(_) => "not run",
        }
    }

    /// The name, and the columns after it.
    pub fn line(&self) -> String {
        format!("{:<12}  {}", self.name, self.columns())
    }

    /// What follows the name: the result, the time, the detail.
    pub fn columns(&self) -> String {
        let (Outcome::Passed(detail)
        | Outcome::Failed(detail, _)
        | Outcome::Skipped(detail)
        | Outcome::NotRun(detail)) = &self.outcome;
        let seconds = match self.outcome {
            Outcome::NotRun(_) => String::new(),
            _ => format!("{:.1} s", self.time.as_secs_f64()),
        };
        format!("{:<7}  {seconds:>7}  {detail}", self.result()).trim_end().to_owned()
    }
}

/// The failing checks' output, the table, and the counts.
pub fn summary(rows: &[Row]) -> String {
    let mut lines = Vec::new();
    for row in rows {
        if let Outcome::Failed(_, output) = &row.outcome {
            lines.push(format!("---- {} ----\n{}\n", row.name, output.trim_end()));
        }
    }
    for row in rows {
        lines.push(row.line());
    }
    let count = |result| rows.iter().filter(|row| row.result() == result).count();
    let (passed, failed, skipped) = (count("ok"), count("FAILED"), count("skipped"));
    lines.push(match count("not run") {
        0 => format!("{passed} passed, {failed} failed, {skipped} skipped"),
        others => format!(
            "{passed} passed, {failed} failed, {skipped} skipped, {others} not run: \
             cargo xtask verify --all runs everything"
        ),
    });
    lines.join("\n")
}

/// Such as `1 test`, `2 tests`.
pub fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {noun}{plural}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, outcome: Outcome) -> Row {
        Row { name: name.to_owned(), outcome, time: Duration::from_millis(1234) }
    }

    #[test]
    fn the_table_comes_after_the_output_and_the_counts_last() {
        let mut rows = vec![
            row("sessions", Outcome::Passed("7 sessions".to_owned())),
            row("carried-over", Outcome::Failed(String::new(), "a is not b\n".to_owned())),
            row("browser", Outcome::Skipped("no chromedriver was found".to_owned())),
        ];
        let table = "\
---- carried-over ----
a is not b

sessions      ok         1.2 s  7 sessions
carried-over  FAILED     1.2 s
browser       skipped    1.2 s  no chromedriver was found
";
        assert_eq!(summary(&rows), format!("{table}1 passed, 1 failed, 1 skipped"));
        rows.push(row("soak", Outcome::NotRun("cargo xtask verify --only soak".to_owned())));
        let not_run = "soak          not run           cargo xtask verify --only soak\n";
        let counts = "1 passed, 1 failed, 1 skipped, 1 not run: \
                      cargo xtask verify --all runs everything";
        assert_eq!(summary(&rows), format!("{table}{not_run}{counts}"));
    }

    #[test]
    fn a_skipped_check_fails_when_one_is_strict() {
        let strict = Outcome::Skipped("no Python".to_owned()).strict();
        assert!(matches!(strict, Outcome::Failed(detail, _) if detail == "no Python"));
        let passed = Outcome::Passed("7".to_owned());
        assert_eq!(passed.strict(), Outcome::Passed("7".to_owned()));
    }

    #[test]
    fn one_failure_makes_a_report_a_failure_and_one_skip_makes_it_a_skip() {
        let report = |failed: &[&str], skipped: &[&str]| {
            let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
            Report { passed: 2, failed: owned(failed), skipped: owned(skipped) }.outcome("session")
        };
        assert_eq!(report(&[], &[]), Outcome::Passed("2 sessions".to_owned()));
        let skipped = "c (no Python); 2 sessions passed".to_owned();
        assert_eq!(report(&[], &["c (no Python)"]), Outcome::Skipped(skipped));
        let failed = Outcome::Failed("2 of 4 sessions".to_owned(), "a\n\nb".to_owned());
        assert_eq!(report(&["a", "b"], &["c"]), failed);
    }
}
