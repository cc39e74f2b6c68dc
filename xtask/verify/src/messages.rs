//! The check `messages`: what the programs print when something does not work.
//!
//! Each message of the page *Troubleshooting* is provoked, and every text in the steps' sources must be on
//! that page or in a list of exceptions.

mod provocations;
mod scene;
mod sources;

use std::path::Path;

use anyhow::Result;
use conformance::side_by_side;
use workspace::messages::{self, FILE, Message, Part, parts};
use workspace::root::{self, Step, Target};

use self::provocations::{PROVOCATIONS, Provocation};
use self::scene::{Need, Printer, Scene};
use crate::outcome::Report;

/// The file that provokes them.
const SCENES: &str = "xtask/verify/src/messages/provocations.rs";

/// Provokes the messages of all steps, or of one, and compares page, table and sources. The steps must
/// have been built.
pub fn check(root: &Path, target: &Target, only: Option<&Step>) -> Result<Report> {
    let mut steps = root::steps(root)?;
    steps.retain(|step| only.is_none_or(|only| only == step));
    let mut report = Report::default();
    if only.is_none() {
        let is_known = |name: &str| messages::all().iter().any(|message| message.name == name);
        let unknown = PROVOCATIONS.iter().filter(|it| !is_known(it.name));
        let complain =
            |it: &Provocation| format!("{SCENES}: `{}` is no message of {FILE}", it.name);
        report.failed = unknown.map(complain).collect();
        report.failed.extend(sources::complaints(root)?);
    }
    let mut jobs = Vec::new();
    for message in messages::all() {
        let Some(provocation) = PROVOCATIONS.iter().find(|it| it.name == message.name) else {
            report.failed.push(format!("{SCENES}: nothing provokes `{}` of {FILE}", message.name));
            continue;
        };
        if message.steps.is_empty() && message.twins.is_empty() && only.is_none() {
            jobs.push((message, provocation, Printer::Other));
        }
        let is_in = |numbers: &[u8], step: &Step| {
            step.number().parse().is_ok_and(|number| numbers.contains(&number))
        };
        for step in &steps {
            if is_in(&message.steps, step) {
                jobs.push((message, provocation, Printer::Step(step)));
            }
            if is_in(&message.twins, step) {
                jobs.push((message, provocation, Printer::Twin(step)));
            }
        }
    }
    let came = side_by_side(&jobs, |(message, provocation, printer)| {
        provoke(root, target, message, provocation, *printer)
    });
    for ((message, _, printer), came) in jobs.iter().zip(came) {
        let place = match printer {
            Printer::Other => String::new(),
            Printer::Step(step) => format!(" of {}", step.name),
            Printer::Twin(step) => format!(" of the twin of {}", step.name),
        };
        let name = &message.name;
        match came {
            Ok(None) => report.passed += 1,
            Ok(Some(obstacle)) => report.skipped.push(format!("{name}{place} ({obstacle})")),
            Err(error) => {
                report.failed.push(format!("the message `{name}`{place} did not come: {error:#}"));
            }
        }
    }
    Ok(report)
}

/// Provokes a message; returns what prevents that on this computer, if something does.
fn provoke(
    root: &Path,
    target: &Target,
    message: &Message,
    provocation: &Provocation,
    printer: Printer,
) -> Result<Option<&'static str>> {
    let twin = matches!(printer, Printer::Twin(_)).then_some(Need::Python);
    if let Some(obstacle) = provocation.needs.into_iter().chain(twin).find_map(Need::obstacle) {
        return Ok(Some(obstacle));
    }
    let scene = Scene::new(root, target, printer)?;
    let mut program = provocation.provoke.start(&scene)?;
    program.expect_later(&message.text, |line| fits(&message.text, line.trim()))?;
    Ok(None)
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
