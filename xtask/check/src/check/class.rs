//! `cargo xtask check --class FILE`: the programs of a class, side by side.
//!
//! Each is judged by a process of its own, which claims ports of its own, and under a limit. So a program
//! that goes wrong does not change the result of another. The verdicts come through a channel that no
//! program under test can open: see `Program::start_judge` and `become_judge`. What programs of one user
//! can still do to each other is on the page *Teaching this book*. The file:
//!
//! ```toml
//! step = 3
//!
//! [programs]
//! Ana = "python3 ana/server.py {addr}"
//! "Ben K." = "ben/target/debug/server {addr}"
//! Cleo = "127.0.0.1:9003"
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use conformance::check::{self, CommandLine};
use conformance::text;
use conformance::{Program, printable, side_by_side_at_most};
use serde::Deserialize;
use serde_json::{Value, json};
use workspace::command_line;

use super::options::Options;
use super::report::json_line;

/// How long a judge may take to end when its time is over, and to end what it has started.
const JUDGE_END: Duration = Duration::from_secs(2);

/// A list of programs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// The step whose promises count.
    pub step: u8,
    /// Whether they are clients.
    #[serde(default)]
    pub client: bool,
    /// For each name a command, or the address of a server that runs.
    programs: BTreeMap<String, String>,
}

/// What came of one program.
struct Row {
    name: String,
    /// What the judge said of each check, in its words.
    verdicts: Vec<Value>,
    /// Why there are no more of them, if something is wrong.
    trouble: Option<String>,
}

impl Class {
    /// Reads the list. Every command must be able to listen where nobody else does.
    pub fn read(file: &Path) -> Result<Self> {
        let shown = file.display();
        let text = fs::read_to_string(file).with_context(|| text!("class.unreadable", shown))?;
        let class: Self = toml::from_str(&text).with_context(|| shown.to_string())?;
        if class.programs.is_empty() {
            bail!(text!("class.empty", shown));
        }
        for (name, program) in &class.programs {
            let words =
                command_line::split(program).map_err(|error| anyhow!("{shown}: {error}"))?;
            let place = CommandLine::new(words).is_some_and(|line| line.takes_any_addr());
            if !(class.client || place || check::addr(program).is_some()) {
                bail!(text!("class.no-place", shown, name));
            }
        }
        Ok(class)
    }

    /// Judges all programs, some of them side by side, and shows the table. Whether nothing failed.
    pub fn judge(&self, file: &Path, options: &Options) -> Result<bool> {
        let folder = file.parent().filter(|path| !path.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let limit = options.limit()?;
        let programs: Vec<(&String, &String)> = self.programs.iter().collect();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let jobs = options.jobs.unwrap_or(cores).clamp(1, programs.len());
        let rows = side_by_side_at_most(jobs, &programs, |(name, program)| {
            let mut row = Row { name: (*name).clone(), verdicts: Vec::new(), trouble: None };
            let command = self.command(folder, program, options);
            if let Err(error) = command.and_then(|command| row.hear(command, limit)) {
                row.trouble = Some(format!("{error:#}"));
            }
            // How far it is; the table comes at the end.
            let line = printable(&format!("{name}: {}", row.in_short()));
            let _ = writeln!(io::stderr(), "{line}"); // stderr may be closed
            row
        });
        show(&rows, options)?;
        Ok(rows.iter().all(Row::has_passed))
    }

    /// This program once more, as the judge of one program.
    fn command(&self, folder: &Path, program: &str, options: &Options) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.current_dir(folder).args(["check", &self.step.to_string(), "--json", "--member"]);
        command.arg(format!("--deadline={}", options.deadline()?.as_secs_f64()));
        for only in &options.only {
            command.args(["--only", only]);
        }
        command.args(options.cut.iter().flat_map(|cut| ["--cut", cut.as_str()]));
        if let Some(seed) = options.seed {
            command.args(["--seed", &seed.to_string()]);
        }
        if options.fail_fast {
            command.arg("--fail-fast");
        }
        if options.allow_remote {
            command.arg("--allow-remote");
        }
        if self.client {
            command.arg("--client");
        }
        if check::addr(program).is_some() {
            command.args(["--addr", program]);
        } else {
            let words = command_line::split(program).map_err(|error| anyhow!(error))?;
            command.arg("--").args(words);
        }
        Ok(command)
    }
}

impl Row {
    /// Runs the judge, and takes down what it says until its end, or until its time is over.
    fn hear(&mut self, command: Command, limit: Duration) -> Result<()> {
        let until = Instant::now() + limit;
        let mut judge = Program::start_judge(command)?;
        loop {
            judge = judge.with_deadline(until.saturating_duration_since(Instant::now()));
            let Ok(line) = judge.next_line() else {
                // It ends what it has started; what it was busy with is not judged.
                judge.interrupt()?;
                let _ = judge.with_deadline(JUDGE_END).wait(); // if it does not end, it is killed
                let limit = format!("{limit:?}");
                bail!(text!("class.too-long", limit));
            };
            let Some(line) = line else {
                let ended = judge.wait().map(|status| format!(" ({status})")).unwrap_or_default();
                bail!(text!("class.judge-ended", ended));
            };
            match serde_json::from_str::<Value>(&line) {
                Ok(verdict) if verdict["check"].is_string() => self.verdicts.push(verdict),
                Ok(end) => return self.must_add_up_to(&end["summary"]),
                Err(_) => bail!("{}", line.strip_prefix("error: ").unwrap_or(&line)),
            }
        }
    }

    /// Compares the verdicts that have come with the judge's own count of them, which comes last.
    fn must_add_up_to(&self, summary: &Value) -> Result<()> {
        for result in ["ok", "failed", "not asked"] {
            let (came, counted) = (self.count(result), &summary[result]);
            if *counted != came {
                bail!(text!("class.wrong-count", counted, result, came));
            }
        }
        Ok(())
    }

    fn count(&self, result: &str) -> usize {
        self.verdicts.iter().filter(|verdict| verdict["result"] == result).count()
    }

    fn has_passed(&self) -> bool {
        self.trouble.is_none() && self.count("failed") == 0
    }

    fn in_short(&self) -> String {
        let counts = format!("{} ok, {} failed", self.count("ok"), self.count("failed"));
        self.trouble.as_ref().map_or(counts.clone(), |trouble| format!("{counts}, {trouble}"))
    }

    /// What came of a check, in a word.
    fn result(&self, check: &str) -> &str {
        let verdict = self.verdicts.iter().find(|verdict| verdict["check"] == check);
        verdict.and_then(|verdict| verdict["result"].as_str()).unwrap_or("not reached")
    }
}

/// Shows who passes what.
fn show(rows: &[Row], options: &Options) -> Result<()> {
    let mut stdout = io::stdout();
    // In the order of the checks; a judge that was stopped has not come to all of them.
    let judged = |name: &str| rows.iter().any(|row| row.result(name) != "not reached");
    let checks = check::CHECKS.iter().chain(check::EXERCISES);
    let checks = checks.map(|check| check.name).filter(|name| judged(name));
    let checks: Vec<&str> = checks.collect();
    if options.json {
        for row in rows {
            let (name, checks, trouble) = (&row.name, &row.verdicts, &row.trouble);
            let object = json!({ "name": name, "checks": checks, "trouble": trouble });
            writeln!(stdout, "{}", json_line(&object))?;
        }
    } else if options.csv {
        let head = ["name"].into_iter().chain(checks.iter().copied()).chain(["trouble"]);
        writeln!(stdout, "{}", head.collect::<Vec<_>>().join(","))?;
        for row in rows {
            let results = checks.iter().map(|check| row.result(check).to_owned());
            let trouble = cell(row.trouble.as_deref().unwrap_or_default());
            let cells = [cell(&row.name)].into_iter().chain(results).chain([trouble]);
            writeln!(stdout, "{}", cells.collect::<Vec<_>>().join(","))?;
        }
    } else {
        write!(stdout, "{}", table(rows, &checks))?;
    }
    Ok(())
}

/// A line for each name and a column for each check, which has a number.
fn table(rows: &[Row], checks: &[&str]) -> String {
    let names: Vec<String> = rows.iter().map(|row| printable(&row.name)).collect();
    let width = names.iter().map(|name| name.chars().count()).max().unwrap_or_default();
    let numbers = (1..=checks.len()).map(|number| format!("  {number:>2}"));
    let mut text = format!("{:width$}{}\n", "", numbers.collect::<String>());
    for (name, row) in names.iter().zip(rows) {
        let signs = checks.iter().map(|check| match row.result(check) {
            "ok" => "   +",
            "failed" => "   -",
            "not asked" => "   .",
            _ => "   ?",
        });
        let trouble = row.trouble.as_deref().unwrap_or_default();
        let trouble = if trouble.is_empty() { "" } else { &format!("   {}", printable(trouble)) };
        let signs = signs.collect::<String>();
        let _ = writeln!(text, "{name:width$}{signs}{trouble}"); // cannot fail
    }
    text += "\n";
    for (index, check) in checks.iter().enumerate() {
        let _ = writeln!(text, "{:>2} {check}", index + 1); // cannot fail
    }
    format!("{text}\n{}\n", text!("report.legend"))
}

/// A cell as CSV has it (RFC 4180), which a spreadsheet takes for text.
///
/// To a spreadsheet, a cell is a formula if it begins with one of these characters, and a formula can
/// start programs; an apostrophe in front makes it text.
fn cell(text: &str) -> String {
    let text = printable(text);
    let is_formula = text.starts_with(['=', '+', '-', '@']);
    let text = if is_formula { format!("'{text}") } else { text };
    if text.contains([',', '"']) {
        return format!("\"{}\"", text.replace('"', "\"\""));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, results: &[(&str, &str)], trouble: Option<&str>) -> Row {
        let verdict = |(check, result): &(&str, &str)| json!({ "check": check, "result": result });
        let verdicts = results.iter().map(verdict).collect();
        Row { name: name.to_owned(), verdicts, trouble: trouble.map(str::to_owned) }
    }

    #[test]
    fn the_table_has_a_line_for_each_name() {
        let rows = [
            row("Ana", &[("reply", "ok"), ("churn", "not asked")], None),
            row("Ben K.", &[("reply", "failed")], Some("it took longer")),
        ];
        let expected = "\x20        1   2
Ana      +   .
Ben K.   -   ?   it took longer

 1 reply
 2 churn

+ ok, - failed, . not asked, ? not reached
";
        assert_eq!(table(&rows, &["reply", "churn"]), expected);
        assert!(rows[0].has_passed() && !rows[1].has_passed());
    }

    #[test]
    fn verdicts_that_the_judge_has_not_counted_are_noticed() {
        let row = row("Ana", &[("reply", "ok"), ("churn", "not asked"), ("reply", "ok")], None);
        row.must_add_up_to(&json!({ "ok": 2, "failed": 0, "not asked": 1 })).unwrap();
        let told = row.must_add_up_to(&json!({ "ok": 1, "failed": 0, "not asked": 1 }));
        let told = told.unwrap_err().to_string();
        assert_eq!(told, "its judge counts 1 verdicts `ok`, but 2 came");
        row.must_add_up_to(&Value::Null).unwrap_err();
    }

    #[test]
    fn a_cell_with_a_comma_is_quoted() {
        assert_eq!(cell("Ana"), "Ana");
        assert_eq!(cell("K., \"Ben\""), "\"K., \"\"Ben\"\"\"");
    }

    #[test]
    fn a_cell_is_neither_a_formula_nor_several_lines() {
        assert_eq!(cell("=HYPERLINK(\"http://x\",1)"), "\"'=HYPERLINK(\"\"http://x\"\",1)\"");
        for (text, shown) in [("=1", "'=1"), ("+1", "'+1"), ("-1", "'-1"), ("@a", "'@a")] {
            assert_eq!(cell(text), shown);
        }
        // The control characters before a formula are not left in front of it.
        assert_eq!(cell("\t=1\r\n=2\u{1b}c"), r"\t=1\r\n=2\u{1b}c");
        assert_eq!(cell("a-b=c"), "a-b=c");
    }

    #[test]
    fn a_name_is_one_line_and_gives_no_orders() {
        let rows =
            [row("Eve   +\nBob\u{1b}[2J", &[("reply", "failed")], Some("\u{9b}2J\nBob   +"))];
        let text = table(&rows, &["reply"]);
        let expected = r"Eve   +\nBob\u{1b}[2J   -   \u{9b}2J\nBob   +";
        assert_eq!(text.lines().nth(1), Some(expected));
    }
}
