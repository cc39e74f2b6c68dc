//! What a step's manifest promises, and whether that is so.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::{Check, Subject, check};
use crate::Failure;

/// How long a broken promise may take to be kept after all. Short: each declared break waits for it.
const BROKEN_DEADLINE: Duration = Duration::from_millis(500);

/// What a step's manifest says of it, in `[package.metadata.step]`.
#[derive(Debug, PartialEq, Eq)]
pub struct Promises {
    /// The step's number, from its folder's name.
    pub number: u8,
    /// The checks that it keeps.
    pub keeps: Vec<String>,
    /// The checks that it is seen to break.
    pub breaks: Vec<String>,
}

impl Promises {
    /// Reads the manifest in a step's folder.
    ///
    /// An error if it has no such table, or if the table names a check that does not exist.
    pub fn read(step_dir: &Path) -> Result<Self, Failure> {
        let manifest = step_dir.join("Cargo.toml");
        let failed = |what: &str| Failure::new(format!("{}: {what}", manifest.display()));
        let text = fs::read_to_string(&manifest).map_err(|error| failed(&error.to_string()))?;
        let table: toml::Table = text.parse().map_err(|error| failed(&format!("{error}")))?;
        let step = (|| table.get("package")?.get("metadata")?.get("step"))();
        let step = step.ok_or_else(|| failed("it has no [package.metadata.step]"))?;
        let list = |key: &str| -> Result<Vec<String>, Failure> {
            let list = step.get(key).and_then(toml::Value::as_array);
            let list = list.ok_or_else(|| failed(&format!("`{key}` must be a list of checks")))?;
            list.iter()
                .map(|name| match name.as_str() {
                    Some(name) if check(name).is_some() => Ok(name.to_owned()),
                    Some(name) => Err(failed(&format!("there is no check `{name}`"))),
                    None => Err(failed(&format!("`{key}` must be a list of checks' names"))),
                })
                .collect()
        };
        let name = step_dir.file_name().unwrap_or_default().to_string_lossy();
        let number = name.split('-').next().and_then(|number| number.parse().ok());
        Ok(Self {
            number: number.ok_or_else(|| failed("its folder's name must begin with a number"))?,
            keeps: list("keeps")?,
            breaks: list("breaks")?,
        })
    }
}

/// Holds a step to its manifest: what it keeps must hold, what it breaks must be seen to break, and
/// no check may be in neither list. What cannot be judged on this system is left to others.
///
/// # Panics
///
/// With everything that is not as the manifest says.
pub fn assert_promises(step_dir: &str, executable: &str) {
    let promises = Promises::read(Path::new(step_dir)).unwrap_or_else(|error| panic!("{error}"));
    let mut wrong = Vec::new();
    let mut unknown: Vec<&String> = promises.keeps.iter().chain(&promises.breaks).collect();
    for check in Subject::of_step(promises.number, executable).checks() {
        unknown.retain(|name| *name != check.name);
        let keeps = promises.keeps.iter().any(|name| name == check.name);
        let breaks = promises.breaks.iter().any(|name| name == check.name);
        let mut subject = Subject::of_step(promises.number, executable);
        if breaks {
            subject.deadline = BROKEN_DEADLINE;
        }
        match (keeps, breaks, subject.hold_to(check)) {
            (true, false, Ok(())) | (false, true, Err(_)) => {}
            (true, false, Err(failure)) => wrong.push(failure.to_string()),
            (false, true, Ok(())) => wrong.push(format!(
                "{}: the manifest says that this step breaks it, but it keeps it",
                check.name
            )),
            (_, _, _) => wrong.push(format!(
                "{}: the manifest must name it once, in `keeps` or in `breaks`",
                check.name
            )),
        }
    }
    unknown.retain(|name| check(name).is_none_or(Check::can_be_judged));
    wrong.extend(unknown.iter().map(|name| format!("{name}: it means nothing for this step")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
