//! `cargo xtask check --class FILE`: the programs of a class, side by side.
//!
//! Each is judged by a process of its own, which claims ports of its own, and under a limit. So a program
//! that goes wrong does not change the result of another. The verdicts arrive through a channel that no
//! program under test can open: see `Program::start_judge` and `become_judge`. What programs of one user
//! can still do to each other is on the page *Teaching this book*. The file:
//!
//! ```toml
//! step = 3
//! only = ["reply", "next-client"]           # all checks, if it is left out
//!
//! [points]                                  # 1 for each check that is not named
//! next-client = 3
//!
//! [files]                                   # a program for each file; `*` is its name
//! "*/server.py" = "python3 {file} ADDR"
//!
//! [programs]
//! "Ben K." = "ben/target/debug/server ADDR"
//! Cleo = "127.0.0.1:9003"
//! Dan = { command = "dan/server ADDR", only = ["reply"], points = { reply = 5 } }
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::iter;
use std::mem;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use conformance::check::{self, CommandLine};
use conformance::text;
use conformance::texts::language;
use conformance::{Program, printable, side_by_side_at_most};
use glob::Pattern;
use serde::Deserialize;
use serde_json::{Value, json};
use workspace::command_line;

use super::feedback;
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
    /// The checks that count for programs that do not name their own; all if it is empty.
    #[serde(default)]
    only: Vec<String>,
    /// What a check is worth.
    #[serde(default)]
    points: Points,
    /// For each pattern of files the command of such a file, with `{file}` in it.
    #[serde(default)]
    files: BTreeMap<String, String>,
    /// Each an [`Entry`]. One that cannot be read costs its own row only.
    #[serde(default)]
    programs: BTreeMap<String, toml::Value>,
}

/// How many points a check is worth, by its name; 1 if it is not there.
type Points = BTreeMap<String, u32>;

/// A program of the list: a command, or the address of a server that runs, alone or with what counts for
/// this program.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Program(String),
    WithDetails(Details),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Details {
    command: String,
    only: Option<Vec<String>>,
    points: Option<Points>,
}

/// A program that can be judged, and what counts for it.
struct Member {
    words: Vec<String>,
    /// Where it listens, if it runs already.
    addr: Option<SocketAddr>,
    only: Vec<String>,
    points: Points,
}

/// The result of a check to which the judge did not get.
const NOT_REACHED: &str = "not reached";

/// The result of one program.
pub struct Row {
    pub name: String,
    /// The judge's report on each check, in its words.
    pub verdicts: Vec<Value>,
    /// Why there are no more of them, if something is wrong: it may have several lines.
    pub trouble: Option<String>,
    /// The checks that it must pass.
    wanted: Vec<String>,
    points: Points,
}

impl Class {
    /// Reads the list, and finds the files that it speaks of.
    pub fn read(file: &Path) -> Result<Self> {
        let shown = file.display();
        let text = fs::read_to_string(file).with_context(|| text!("class.unreadable", shown))?;
        let mut class: Self = toml::from_str(&text).with_context(|| shown.to_string())?;
        known(class.only.iter().chain(class.points.keys())).with_context(|| shown.to_string())?;
        class.find_files(folder_of(file)).with_context(|| shown.to_string())?;
        if class.programs.is_empty() {
            bail!(text!("class.empty", shown));
        }
        Ok(class)
    }

    /// Adds a program for each file that a pattern matches. Its name is what the pattern leaves open.
    fn find_files(&mut self, folder: &Path) -> Result<()> {
        for (pattern, command) in mem::take(&mut self.files) {
            if !command.contains("{file}") {
                bail!(text!("class.no-place-for-file", pattern));
            }
            let whole = if Path::new(&pattern).is_absolute() {
                pattern.clone()
            } else {
                Pattern::escape(&folder.to_string_lossy()) + "/" + &pattern
            };
            let found = glob::glob(&whole).with_context(|| pattern.clone())?;
            let mut count = 0;
            for path in found {
                let path = path?;
                let path = path.strip_prefix(folder).unwrap_or(&path).to_string_lossy();
                let is_placeholder = CommandLine::new(vec![path.to_string()]);
                if is_placeholder.is_some_and(|line| line.takes_any_addr()) {
                    bail!(text!("class.placeholder-in-path", path));
                }
                let name = open_part(&path, below(folder, &pattern));
                let word =
                    command_line::quoted(&path).with_context(|| text!("class.quotes", path))?;
                let program = command.replace("{file}", &word).into();
                if self.programs.insert(name.clone(), program).is_some() {
                    bail!(text!("class.twice", name));
                }
                count += 1;
            }
            if count == 0 {
                bail!(text!("class.no-files", pattern));
            }
        }
        Ok(())
    }

    /// Judges all programs, some of them side by side, and shows the table. Whether nothing failed.
    pub fn judge(&self, file: &Path, options: &Options) -> Result<bool> {
        let limit = options.limit()?;
        // Before the class is judged, which takes minutes.
        if let Some(folder) = &options.feedback {
            feedback::make_folder(folder)?;
        }
        let programs: Vec<(&String, &toml::Value)> = self.programs.iter().collect();
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let jobs = options.jobs.unwrap_or(cores).clamp(1, programs.len());
        let mut rows = side_by_side_at_most(jobs, &programs, |(name, entry)| {
            let mut row = Row {
                name: (*name).clone(),
                verdicts: Vec::new(),
                trouble: None,
                wanted: self.only.clone(),
                points: self.points.clone(),
            };
            let judged = self.member(entry).and_then(|member| {
                row.points.extend(member.points.clone());
                row.wanted.clone_from(&member.only);
                row.hear(self.command(folder_of(file), &member, options)?, limit)
            });
            row.trouble = judged.err().map(|error| format!("{error:#}"));
            // Its progress; the table follows at the end.
            let line = printable(&format!("{name}: {}", row.in_short()));
            let _ = writeln!(io::stderr(), "{line}"); // stderr may be closed
            row
        });
        if !options.only.is_empty() {
            for row in &mut rows {
                row.wanted.clone_from(&options.only);
            }
        }
        // Without a choice, those that any other program was asked.
        let asked = rows.iter().filter(|row| row.wanted.is_empty()).flat_map(Row::asked);
        let asked: BTreeSet<String> = asked.map(str::to_owned).collect();
        for row in rows.iter_mut().filter(|row| row.wanted.is_empty()) {
            row.wanted = asked.iter().cloned().collect();
        }
        let shown = show(&rows, options); // if it cannot be, the files are still written
        if let Some(folder) = &options.feedback {
            feedback::write(folder, &rows)?;
        }
        shown?;
        Ok(rows.iter().all(Row::has_passed))
    }

    /// Reads an entry of the list.
    fn member(&self, entry: &toml::Value) -> Result<Member> {
        let entry = entry.clone().try_into().map_err(|_| anyhow!(text!("class.entry")))?;
        let Details { command: program, only, points } = match entry {
            Entry::Program(command) => Details { command, only: None, points: None },
            Entry::WithDetails(details) => details,
        };
        let only = only.unwrap_or_else(|| self.only.clone());
        let points = points.unwrap_or_default();
        known(only.iter().chain(points.keys()))?;
        let words = command_line::split(&program).map_err(|error| anyhow!(error))?;
        let addr = check::addr(&program);
        let place = CommandLine::new(words.clone()).is_some_and(|line| line.takes_any_addr());
        if !(self.client || place || addr.is_some()) {
            bail!(text!("class.no-place"));
        }
        Ok(Member { words, addr, only, points })
    }

    /// This program once more, as the judge of one program.
    fn command(&self, folder: &Path, member: &Member, options: &Options) -> Result<Command> {
        let mut command = Command::new(std::env::current_exe()?);
        command.current_dir(folder).args(["check", &self.step.to_string(), "--json", "--member"]);
        command.args(["--lang", &language()]);
        command.arg(format!("--deadline={}", options.deadline()?.as_secs_f64()));
        let only = if options.only.is_empty() { &member.only } else { &options.only };
        for only in only {
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
        match member.addr {
            Some(addr) => command.args(["--addr", &addr.to_string()]),
            None => command.arg("--").args(&member.words),
        };
        Ok(command)
    }
}

/// The folder of a list, in which its commands are started.
fn folder_of(file: &Path) -> &Path {
    let folder = file.parent().filter(|path| !path.as_os_str().is_empty());
    folder.unwrap_or(Path::new("."))
}

/// An error if one of these is the name of no check.
fn known<'a>(mut names: impl Iterator<Item = &'a String>) -> Result<()> {
    names.try_for_each(|name| super::find_check(name).map(drop))
}

/// A pattern as its paths are shown: without the folder of the list.
fn below<'a>(folder: &Path, pattern: &'a str) -> &'a str {
    let pattern = pattern.strip_prefix("./").unwrap_or(pattern);
    let inside = pattern.strip_prefix(&*folder.to_string_lossy());
    inside.and_then(|it| it.strip_prefix('/')).unwrap_or(pattern)
}

/// What a pattern leaves open in a path: `ana` for `ana/server.py` and `*/server.py`. The whole path, if
/// that is nothing.
fn open_part(path: &str, pattern: &str) -> String {
    let is_open = |c: char| matches!(c, '*' | '?' | '[');
    let start = pattern.find(is_open).unwrap_or_default();
    let end = pattern.rfind(|c| is_open(c) || c == ']').map_or(0, |at| pattern.len() - at - 1);
    let open = path.get(start..path.len().saturating_sub(end)).unwrap_or_default();
    if open.is_empty() { path.to_owned() } else { open.to_owned() }
}

impl Row {
    /// Runs the judge, and records its output until it ends, or until its time is over.
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
                Err(_) => {
                    // Nothing could be judged: the lines below are what the program wrote.
                    let first = line.strip_prefix("error: ").unwrap_or(&line).to_owned();
                    let rest = iter::from_fn(|| judge.next_line().ok().flatten());
                    bail!(iter::once(first).chain(rest).collect::<Vec<_>>().join("\n"));
                }
            }
        }
    }

    /// Compares the verdicts that have arrived with the judge's own count, which is its last line.
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
        let trouble = self.trouble_in_a_line();
        if trouble.is_empty() { counts } else { format!("{counts}, {trouble}") }
    }

    /// Its trouble, without the lines that explain it.
    fn trouble_in_a_line(&self) -> &str {
        self.trouble.as_deref().and_then(|trouble| trouble.lines().next()).unwrap_or_default()
    }

    /// The checks that it was asked.
    fn asked(&self) -> impl Iterator<Item = &str> {
        let asked = self.verdicts.iter().filter(|verdict| verdict["result"] != "not asked");
        asked.filter_map(|verdict| verdict["check"].as_str())
    }

    /// The points of the checks that it has passed, and those of all that it must pass. A check that was
    /// not asked counts for neither; one that was not reached, because the program does not start, has
    /// failed.
    pub fn score(&self) -> (u64, u64) {
        let worth = |check: &str| u64::from(self.points.get(check).copied().unwrap_or(1));
        let passed = self.asked().filter(|check| self.result(check) == "ok");
        let not_reached = |check: &&str| self.result(check) == NOT_REACHED;
        let missed = self.wanted.iter().map(String::as_str).filter(not_reached);
        (passed.map(worth).sum(), self.asked().chain(missed).map(worth).sum())
    }

    /// The result of a check, in a word.
    fn result(&self, check: &str) -> &str {
        let verdict = self.verdicts.iter().find(|verdict| verdict["check"] == check);
        verdict.and_then(|verdict| verdict["result"].as_str()).unwrap_or(NOT_REACHED)
    }
}

/// Shows which program passes which checks.
fn show(rows: &[Row], options: &Options) -> Result<()> {
    let mut stdout = io::stdout();
    // In the order of the checks; a judge that was stopped has not reached all of them.
    let judged = |name: &str| rows.iter().any(|row| row.result(name) != NOT_REACHED);
    let checks = check::CHECKS.iter().chain(check::EXERCISES);
    let checks = checks.map(|check| check.name).filter(|name| judged(name));
    let checks: Vec<&str> = checks.collect();
    if options.json {
        for row in rows {
            let (name, checks, trouble) = (&row.name, &row.verdicts, &row.trouble);
            let (score, most) = row.score();
            let object = json!({
                "name": name, "score": score, "of": most, "checks": checks, "trouble": trouble,
            });
            writeln!(stdout, "{}", json_line(&object))?;
        }
    } else if options.csv {
        if options.bom {
            write!(stdout, "\u{feff}")?;
        }
        let head = ["name", "score", "of"].into_iter().chain(checks.iter().copied());
        writeln!(stdout, "{}", head.chain(["trouble"]).collect::<Vec<_>>().join(","))?;
        for row in rows {
            let (score, most) = row.score();
            let results = checks.iter().map(|check| row.result(check).to_owned());
            let start = [cell(&row.name), score.to_string(), most.to_string()];
            let trouble = cell(row.trouble_in_a_line());
            let cells = start.into_iter().chain(results).chain([trouble]);
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
        let trouble = row.trouble_in_a_line();
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
        let (name, trouble) = (name.to_owned(), trouble.map(str::to_owned));
        Row { name, verdicts, trouble, wanted: Vec::new(), points: Points::new() }
    }

    #[test]
    fn the_name_is_what_the_pattern_leaves_open_wherever_it_begins() {
        let folder = Path::new("/class");
        for pattern in ["*/server.py", "./*/server.py", "/class/*/server.py"] {
            assert_eq!(open_part("ana/server.py", below(folder, pattern)), "ana", "{pattern}");
        }
        assert_eq!(below(folder, "/classes/*.py"), "/classes/*.py");
    }

    #[test]
    fn the_largest_points_can_be_added() {
        let mut row = Row {
            name: String::new(),
            verdicts: Vec::new(),
            trouble: None,
            wanted: vec!["reply".to_owned(), "idle".to_owned()],
            points: Points::new(),
        };
        row.points.extend(row.wanted.iter().map(|check| (check.clone(), u32::MAX)));
        assert_eq!(row.score(), (0, 2 * u64::from(u32::MAX)));
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
    fn the_rubrics_have_a_list_of_six_points_for_each_exercise() {
        let root = workspace::root::repository();
        let folder = root.join("book/en/teacher");
        if !folder.is_dir() {
            // A bundle for learners leaves the teacher's pages out; a repository has them.
            assert!(!root.join(".git").exists(), "{} is missing", folder.display());
            return;
        }
        let rubrics = fs::read_to_string(folder.join("rubric.md")).unwrap();
        let lists = rubrics.split("```toml").skip(1).map(|text| text.split("```").next().unwrap());
        let mut lists: Vec<Class> = lists.map(|list| toml::from_str(list).unwrap()).collect();
        for list in &lists {
            known(list.only.iter().chain(list.points.keys())).unwrap();
            let points = list.only.iter().map(|it| list.points.get(it).copied().unwrap_or(1));
            assert_eq!(points.sum::<u32>(), 6, "{:?}", list.only);
        }
        for step in workspace::root::steps(&root).unwrap() {
            for exercise in check::Exercise::read(&step.dir(&root)).unwrap() {
                let number = step.number().parse().unwrap();
                let judges = |list: &Class| {
                    let asks = |check: &&check::Check| list.only.iter().any(|it| it == check.name);
                    (list.step, list.client) == (number, exercise.is_client)
                        && exercise.checks.iter().all(asks)
                };
                let found = lists.iter().position(judges).expect(&exercise.name);
                lists.remove(found);
            }
        }
        assert!(lists.is_empty(), "a list of no exercise");
    }

    #[test]
    fn a_name_is_one_line_and_gives_no_orders() {
        let rows =
            [row("Eve   +\nBob\u{1b}[2J", &[("reply", "failed")], Some("\u{9b}2J\nBob   +"))];
        let text = table(&rows, &["reply"]);
        let expected = r"Eve   +\nBob\u{1b}[2J   -   \u{9b}2J";
        assert_eq!(text.lines().nth(1), Some(expected));
    }
}
