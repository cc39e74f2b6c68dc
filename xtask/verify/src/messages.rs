//! `{{#message NAME}}` and the check `messages`: what a reader is told when something does not work.
//!
//! Each message of the page *Troubleshooting* stands in a table here, with a way to provoke it. The page
//! has its text from the table. The check provokes all of them, looks that the page has them all, and
//! that nothing in the steps' sources says what neither the page nor a list of exceptions knows.

mod provoke;
mod sources;
mod table;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result, bail};

use self::provoke::{Need, Scene};
use self::table::{MESSAGES, Message};
use crate::cargo;
use crate::directives::Directive;
use crate::html::escape;
use crate::root::{self, Step, Target};

/// The page that has them all.
const PAGE: &str = "book/en/src/troubleshooting.md";

/// How many are provoked at the same time: most of the time, each waits for something.
const AT_ONCE: usize = 4;

/// How it went.
#[derive(Debug, Default)]
pub struct Report {
    /// How many messages came, each counted once for each step.
    pub passed: usize,
    /// One text for each that did not come, is not on the page, or is not in the table.
    pub failed: Vec<String>,
    /// Those that cannot be provoked here, each with the reason.
    pub skipped: Vec<String>,
}

/// Provokes the messages of all steps, or of one, and compares page, table and sources. The steps must
/// have been built.
pub fn check(root: &Path, target: &Target, only: Option<&Step>) -> Result<Report> {
    let mut steps = root::steps(root)?;
    steps.retain(|step| only.is_none_or(|only| only == step));
    let mut report = Report::default();
    if only.is_none() {
        report.failed = complaints(root)?;
    }

    let number = |step: &Step| step.number().parse::<u8>().ok();
    let mut jobs = Vec::new();
    for message in MESSAGES {
        if message.steps.is_empty() && only.is_none() {
            jobs.push((message, None));
        }
        let has = |step: &&Step| number(step).is_some_and(|number| message.steps.contains(&number));
        jobs.extend(steps.iter().filter(has).map(|step| (message, Some(step))));
    }
    let (next, report) = (AtomicUsize::new(0), Mutex::new(report));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((message, step)) = jobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let came = provoke(root, target, message, *step);
                    let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
                    let place = step.map_or(String::new(), |step| format!(" of {}", step.name));
                    match came {
                        Ok(None) => report.passed += 1,
                        Ok(Some(obstacle)) => {
                            report.skipped.push(format!("{}{place} ({obstacle})", message.name));
                        }
                        Err(error) => report.failed.push(format!(
                            "the message `{}`{place} did not come: {error:#}",
                            message.name
                        )),
                    }
                }
            });
        }
    });
    Ok(report.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// Builds the programs of these steps. Some talk to those of other steps: a check needs all of them.
pub fn build(root: &Path, target: &Target, steps: &[Step]) -> Result<()> {
    let mut command = cargo::command(root);
    command.args(["build", "--bins", "--examples"]).arg("--target-dir").arg(&target.dir);
    if target.profile.ends_with("release") {
        command.arg("--release");
    }
    for step in steps {
        command.args(["--package", &step.package]);
    }
    let output = cargo::run(command)?;
    if !output.success {
        bail!("the steps do not build\n{}", output.text);
    }
    Ok(())
}

/// Has a message come; says why that cannot be done here, if it cannot.
fn provoke(
    root: &Path,
    target: &Target,
    message: &Message,
    step: Option<&Step>,
) -> Result<Option<&'static str>> {
    if let Some(obstacle) = message.needs.and_then(Need::obstacle) {
        return Ok(Some(obstacle));
    }
    let scene = Scene::new(root, target, step)?;
    let mut program = (message.provoke)(&scene)?;
    program.expect_later(message.text, |line| fits(message.text, line.trim()))?;
    Ok(None)
}

/// What is wrong with the page, and with what the sources say, without running anything.
fn complaints(root: &Path) -> Result<Vec<String>> {
    let page =
        fs::read_to_string(root.join(PAGE)).with_context(|| format!("cannot read {PAGE}"))?;
    let directives = page.lines().filter_map(Directive::alone_in);
    let named: Vec<&str> = directives
        .filter(|directive| directive.name == "message")
        .flat_map(|directive| directive.arguments.split_whitespace())
        .collect();
    let mut complaints = Vec::new();
    for message in MESSAGES {
        match named.iter().filter(|name| **name == message.name).count() {
            1 => {}
            count => complaints.push(format!(
                "{PAGE}: the message `{}` is there {count} times; it should be there once",
                message.name
            )),
        }
    }
    let different: BTreeSet<&str> = MESSAGES.iter().map(|message| message.name).collect();
    if different.len() < MESSAGES.len() {
        complaints.push("two messages have the same name".to_owned());
    }
    complaints.extend(sources::complaints(root)?);
    Ok(complaints)
}

/// The Markdown for a `{{#message NAME …}}`: the messages, as a term to be explained.
pub fn markdown(names: &str) -> Result<String> {
    let mut shown = Vec::new();
    for name in names.split_whitespace() {
        let Some(message) = MESSAGES.iter().find(|message| message.name == name) else {
            bail!("there is no message `{name}` in xtask/src/messages/table.rs");
        };
        let steps = match steps_in_words(message.steps) {
            steps if steps.is_empty() => steps,
            steps => format!(" <small>{steps}</small>"),
        };
        shown.push(format!("<samp>{}</samp>{steps}", to_html(message.text)));
    }
    if shown.is_empty() {
        bail!("expected {{{{#message NAME}}}}, or several names");
    }
    Ok(shown.join("<br>"))
}

/// A message as HTML that Markdown leaves as it is.
fn to_html(text: &str) -> String {
    let part = |part: Part| match part {
        Part::Fixed(text) => escape(text),
        Part::Blank(name) => format!("<var>{}</var>", escape(name)),
    };
    let html: String = parts(text).into_iter().map(part).collect();
    let safe = |c: char| match c {
        '\\' | '`' | '*' | '_' | '[' | ']' | '{' | '}' | '#' | '~' | '|' | '$' => {
            format!("&#{};", u32::from(c))
        }
        c => c.to_string(),
    };
    html.chars().map(safe).collect()
}

/// Such as `steps 01 to 04, 07`.
fn steps_in_words(steps: &[u8]) -> String {
    let mut runs: Vec<(u8, u8)> = Vec::new();
    for &step in steps {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == step => *last = step,
            _ => runs.push((step, step)),
        }
    }
    let words: Vec<String> = runs
        .iter()
        .map(|(first, last)| match last - first {
            0 => format!("{first:02}"),
            1 => format!("{first:02}, {last:02}"),
            _ => format!("{first:02} to {last:02}"),
        })
        .collect();
    let plural = if steps.len() == 1 { "step" } else { "steps" };
    if words.is_empty() { String::new() } else { format!("{plural} {}", words.join(", ")) }
}

/// A piece of a message's text.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    /// It is always the same.
    Fixed(&'a str),
    /// `{NAME}`: it is another one each time.
    Blank(&'a str),
}

/// The pieces of a text.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        if !before.is_empty() {
            parts.push(Part::Fixed(before));
        }
        parts.push(Part::Blank(name));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Fixed(rest));
    }
    parts
}

/// Whether a line is this message: its fixed parts to the letter, and something in each blank.
fn fits(text: &str, line: &str) -> bool {
    fn rest_fits(parts: &[Part], line: &str) -> bool {
        match parts {
            [] => line.is_empty(),
            [Part::Fixed(text), rest @ ..] => {
                line.strip_prefix(text).is_some_and(|line| rest_fits(rest, line))
            }
            [Part::Blank(name), rest @ ..] => {
                let ends = line.char_indices().map(|(start, c)| start + c.len_utf8());
                let is_right = |text: &str| match *name {
                    "N" => text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'),
                    "ADDR" => !text.contains(' '),
                    _ => true,
                };
                ends.into_iter().any(|end| is_right(&line[..end]) && rest_fits(rest, &line[end..]))
            }
        }
    }
    rest_fits(&parts(text), line)
}

#[cfg(test)]
mod tests;
