//! The check `messages`: what a reader is told when something does not work.
//!
//! Each message of the page *Troubleshooting* is provoked, and nothing in the steps' sources may say what
//! neither that page nor a list of exceptions knows.

mod provocations;
mod scene;
mod sources;

use std::path::Path;

use anyhow::Result;
use conformance::side_by_side;
use workspace::messages::{self, FILE, Message, Part, parts};
use workspace::root::{self, Step, Target};

use self::provocations::{PROVOCATIONS, Provocation};
use self::scene::{Need, Scene};
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
        if message.steps.is_empty() && only.is_none() {
            jobs.push((message, provocation, None));
        }
        let has = |step: &&Step| step.number().parse().is_ok_and(|it| message.steps.contains(&it));
        jobs.extend(steps.iter().filter(has).map(|step| (message, provocation, Some(step))));
    }
    let came = side_by_side(&jobs, |(message, provocation, step)| {
        provoke(root, target, message, provocation, *step)
    });
    for ((message, _, step), came) in jobs.iter().zip(came) {
        let place = step.map_or(String::new(), |step| format!(" of {}", step.name));
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

/// Has a message come; says why that cannot be done here, if it cannot.
fn provoke(
    root: &Path,
    target: &Target,
    message: &Message,
    provocation: &Provocation,
    step: Option<&Step>,
) -> Result<Option<&'static str>> {
    if let Some(obstacle) = provocation.needs.and_then(Need::obstacle) {
        return Ok(Some(obstacle));
    }
    let scene = Scene::new(root, target, step)?;
    let mut program = (provocation.provoke)(&scene)?;
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
