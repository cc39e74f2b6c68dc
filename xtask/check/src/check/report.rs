//! The result of the checks, for a person or for a program.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use anyhow::Result;
use conformance::check::{Check, Outcome, Promises, Side};
use conformance::{Failure, Symptom, is_printable, text};
use serde_json::{Value, json};

/// The indentation of the lines about a check.
const INDENT: &str = "    ";

/// The columns that a row of a program's output may take; with its indentation, it fits into 80.
const WIDTH: usize = 72;

/// The report on one program.
pub struct Report {
    json: bool,
    /// The longest name of a check, in columns.
    width: usize,
    kept: usize,
    failed: usize,
    not_asked: usize,
    explained: Explained,
}

/// The symptoms that were explained: each with the first check that has it, and the number of others.
#[derive(Default)]
struct Explained(Vec<(Symptom, &'static str, usize)>);

impl Explained {
    /// The check whose explanation is good for this one as well; if there is none, this check's is good
    /// for those that follow.
    fn explain(&mut self, check: &Check, symptom: Symptom) -> Option<&'static str> {
        let known = self.0.iter_mut().find(|(known, ..)| *known == symptom);
        let Some((_, first, others)) = known else {
            self.0.push((symptom, check.name, 0));
            return None;
        };
        *others += 1;
        Some(first)
    }

    /// A line for each explanation that is good for several checks.
    fn summary(&self) -> String {
        let several = self.0.iter().filter(|(.., others)| *others > 0);
        let line = |(symptom, check, count): &(Symptom, &str, usize)| {
            let cause = symptom.cause();
            if *count == 1 {
                text!("report.one-more", check, cause) + "\n"
            } else {
                text!("report.more", count, check, cause) + "\n"
            }
        };
        several.map(line).collect()
    }
}

impl Report {
    /// Begins the report.
    pub fn new(promises: &Promises, program: &str, checks: &[&Check], json: bool) -> Result<Self> {
        if !json {
            let number = format!("{:02}", promises.number);
            writeln!(io::stdout(), "{}\n", text!("report.begin", number, program))?;
        }
        let width = checks.iter().map(|check| check.name.len()).max().unwrap_or_default();
        Ok(Self { json, width, kept: 0, failed: 0, not_asked: 0, explained: Explained::default() })
    }

    /// Prints which check is running now: it may take a while.
    pub fn begin(&self, check: &Check) -> Result<()> {
        if !self.json {
            write!(io::stdout(), "{:width$}  ", check.name, width = self.width)?;
            io::stdout().flush()?;
        }
        Ok(())
    }

    /// Reports its result.
    pub fn tell(&mut self, check: &'static Check, outcome: &Outcome) -> Result<()> {
        let mut alike = None;
        match outcome {
            Outcome::Kept => self.kept += 1,
            Outcome::Failed(failure) => {
                self.failed += 1;
                alike =
                    failure.symptom().and_then(|symptom| self.explained.explain(check, symptom));
            }
            Outcome::NotAsked(_) => self.not_asked += 1,
            Outcome::Unable(_) => {}
        }
        let text = match alike {
            _ if self.json => json_line(&object(check, outcome)),
            Some(first) => {
                let why = text!("report.same-way", first);
                text!("report.failed-because", why)
            }
            None => lines(check, outcome),
        };
        Ok(writeln!(io::stdout(), "{text}")?)
    }

    /// Ends the line of the check that could not be put.
    pub fn break_off(&self) -> Result<()> {
        if !self.json {
            writeln!(io::stdout(), "{}", text!("report.could-not-be-asked"))?;
        }
        Ok(())
    }

    /// Prints the totals, and returns whether no check has failed.
    pub fn end(self) -> Result<bool> {
        let Self { kept, failed, not_asked, explained, .. } = self;
        if self.json {
            let counts = json!({ "ok": kept, "failed": failed, "not asked": not_asked });
            writeln!(io::stdout(), "{}", json!({ "summary": counts }))?;
        } else {
            let counts = text!("report.counts", kept, failed, not_asked);
            writeln!(io::stdout(), "\n{counts}")?;
            write!(io::stdout(), "{}", explained.summary())?;
        }
        Ok(failed == 0)
    }
}

/// The word for an outcome, for programs: the same in every language.
fn word(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Kept => "ok",
        Outcome::Failed(_) => "failed",
        Outcome::NotAsked(_) => "not asked",
        Outcome::Unable(_) => "could not be asked",
    }
}

/// The rest of a check's line, and the lines below it.
fn lines(check: &Check, outcome: &Outcome) -> String {
    match outcome {
        Outcome::Kept => text!("report.kept"),
        Outcome::NotAsked(reason) => text!("report.not-asked-because", reason),
        Outcome::Failed(failure) => {
            format!("{}\n{}", text!("report.failed"), indented(&explained(check, failure)))
        }
        Outcome::Unable(failure) => {
            let reason = in_full(failure);
            text!("report.could-not-be-asked-because", reason)
        }
    }
}

/// What has kept the program from being checked, and what the program wrote.
pub fn in_full(failure: &Failure) -> String {
    let wrote = wrote(failure).map_or(String::new(), |wrote| format!("\n{wrote}"));
    failure.text().to_owned() + &wrote
}

/// What the program wrote, in short rows: a terminal would continue a long line at its left edge,
/// where the report's own lines begin.
fn wrote(failure: &Failure) -> Option<String> {
    let (name, wrote) = failure.program()?;
    let rows = wrote.lines().map(folded).collect::<Vec<_>>();
    Some(format!("{}\n{}", text!("report.wrote", name), rows.join("\n")))
}

/// A line in rows of at most `WIDTH` columns, of which all but the first are indented.
fn folded(line: &str) -> String {
    let (mut rows, mut width) = (String::new(), 0);
    for c in line.chars() {
        let columns = if c.is_ascii() { 1 } else { 2 }; // at most
        if width + columns > WIDTH {
            rows.push_str("\n        ");
            width = 2 * INDENT.len();
        }
        rows.push(c);
        width += columns;
    }
    rows
}

/// An object as a line of JSON in which every character can be printed: the others are escaped as JSON
/// escapes them, so the object is the same.
pub fn json_line(object: &Value) -> String {
    let mut line = String::new();
    for c in object.to_string().chars() {
        if is_printable(c) {
            line.push(c);
        } else {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(line, "\\u{unit:04x}"); // cannot fail
            }
        }
    }
    line
}

/// What failed, why it matters, and what to do about it.
fn explained(check: &Check, failure: &Failure) -> String {
    let mut parts = Vec::new();
    let done = failure.done();
    if !done.is_empty() {
        parts.push(text!("report.done", done));
    }
    let found = failure.difference().map_or_else(|| failure.text().to_owned(), ToString::to_string);
    parts.push(format!("{}\n", indented(&found)));
    let (why, url, hint) = (check.why(), url(check), hint(check, failure));
    parts.push(text!("report.why", why));
    parts.push(text!("report.book", url));
    if let Some(cause) = failure.symptom().map(Symptom::cause) {
        parts.push(text!("report.cause", cause));
    }
    parts.push(text!("report.hint", hint));
    parts.extend(wrote(failure));
    parts.join("\n")
}

/// What to try first: against the mistake, if it was recognised.
fn hint(check: &Check, failure: &Failure) -> &'static str {
    failure.symptom().map_or_else(|| check.hint(), Symptom::hint)
}

fn indented(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| if line.is_empty() { String::new() } else { format!("{INDENT}{line}") });
    lines.collect::<Vec<_>>().join("\n")
}

/// The result of a check, for a program.
fn object(check: &Check, outcome: &Outcome) -> Value {
    let text = lines(check, outcome);
    let mut object = json!({ "check": check.name, "result": word(outcome), "text": text });
    match outcome {
        Outcome::Kept => {}
        Outcome::NotAsked(reason) => object["reason"] = json!(reason),
        Outcome::Unable(failure) => object["reason"] = json!(failure.text()),
        Outcome::Failed(failure) => {
            object["done"] = json!(failure.done());
            object["found"] = json!(failure.text());
            if let Some(difference) = failure.difference() {
                object["expected"] = json!(difference.expected.escape_ascii().to_string());
                object["received"] = json!(difference.received.escape_ascii().to_string());
                object["end"] = json!(difference.end);
            }
            object["why"] = json!(check.why());
            object["section"] = json!(check.section);
            object["url"] = json!(url(check));
            object["hint"] = json!(hint(check, failure));
            if let Some(symptom) = failure.symptom() {
                object["symptom"] = json!(symptom.name());
                object["cause"] = json!(symptom.cause());
            }
            if let Some((name, wrote)) = failure.program() {
                let lines: Vec<&str> = wrote.lines().map(str::trim_start).collect();
                object["program"] = json!({ "command": name, "wrote": lines });
            }
        }
    }
    object
}

/// A check, for a program.
pub fn listed(check: &Check, promises: &Promises) -> Value {
    json!({
        "check": check.name, "side": whose(check), "why": check.why(), "section": check.section,
        "url": url(check), "hint": check.hint(),
        "kept by the step": promises.promise(check.name) == Some(conformance::check::Promise::Kept),
    })
}

/// Whose promise a check is.
pub fn whose(check: &Check) -> &'static str {
    match check.side {
        Side::Server => "server",
        Side::Client => "client",
        Side::Both => "both",
    }
}

/// Where the section is in the built book.
fn url(check: &Check) -> String {
    format!("/{}", check.section.replacen(".md", ".html", 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_line_of_a_program_does_not_come_to_the_left_edge() {
        assert_eq!(folded("    short"), "    short");
        let line = format!("    {}11 ok, 0 failed", " ".repeat(100));
        let rows = folded(&line);
        assert!(rows.lines().all(|row| row.len() <= WIDTH), "{rows}");
        assert!(rows.lines().skip(1).all(|row| row.starts_with("        ")), "{rows}");
        let wide = folded(&"世".repeat(70));
        assert_eq!(
            wide.lines().map(|row| row.trim().chars().count()).collect::<Vec<_>>(),
            [36, 32, 2]
        );
    }

    #[test]
    fn a_line_of_json_gives_a_terminal_no_orders_and_means_the_same() {
        let object = json!({ "name": "\u{1b}c\u{9b}2J\u{7f}\u{202e}\u{e0041} Grüße \"世界\"" });
        let line = json_line(&object);
        assert!(line.chars().all(is_printable) && line.contains("Grüße"), "{line}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), object);
    }
}
