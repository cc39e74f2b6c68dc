//! `cargo xtask schedule`: a plan for a course, with a teacher's own minutes if there are any.
//!
//! ```toml
//! set-up = 30                # minutes of the first session
//! lost = 10                  # per cent of each session
//!
//! [server]                   # a page
//! level = "must"
//! teaching = 25
//! exercises = [5, 5, 20]     # one number for each
//! ```

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use conformance::{printable, text};
use toml::{Table, Value};
use workspace::print;

use crate::directives::schedule::{Names, lists, summary};
use crate::heads::{self, Level, Section};
use crate::plan::{Course, plan};

/// The longest that a teacher may plan for one thing, in minutes.
const LONGEST: i64 = 600;

/// The most that may be lost, in per cent.
const MOST_LOST: i64 = 50;

#[derive(Args)]
pub struct Options {
    /// Number of sessions [default: as many as the whole book takes]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=100))]
    sessions: Option<u16>,
    /// Length of a session
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u32).range(30..=600))]
    minutes: u32,
    /// File with minutes of your own, which replace those of the book
    #[arg(long, value_name = "FILE")]
    times: Option<PathBuf>,
    /// Write such a file, with the book's minutes for you to change, and plan nothing
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sessions", "times"])]
    template: Option<PathBuf>,
}

/// Prints a plan; false if an entry of the teacher's file was of no use.
pub fn run(root: &Path, options: &Options) -> Result<bool> {
    let mut sections = heads::sections(root)?;
    let mut course = Course::new(options.sessions.map(usize::from), options.minutes);
    if let Some(file) = &options.template {
        let shown = file.display();
        let template = template(&course, &sections);
        match File::create_new(file) {
            Ok(mut new) => new.write_all(template.as_bytes()),
            // It holds a teacher's minutes.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                bail!(text!("schedule.template-exists", shown))
            }
            Err(error) => Err(error),
        }
        .with_context(|| text!("schedule.template-failed", shown))?;
        print(io::stdout(), &text!("schedule.template-written", shown))?;
        return Ok(true);
    }
    let mut complaints = Vec::new();
    if let Some(file) = &options.times {
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let table = parse(&text).with_context(|| file.display().to_string())?;
        complaints = apply(&table, &mut course, &mut sections);
        for complaint in &complaints {
            writeln!(io::stderr(), "{}: {complaint}", file.display())?;
        }
    }
    let plan = plan(&course, &sections)?;
    print(
        io::stdout(),
        &format!(
            "{}\n\n{}",
            summary(&course, &plan, Names::Titles),
            lists(&plan).join("\n").trim_end()
        ),
    )?;
    Ok(complaints.is_empty())
}

/// Reads TOML; an error is one line.
fn parse(text: &str) -> Result<Table> {
    text.parse::<Table>().map_err(|error| {
        let before = error.span().map_or(0, |span| span.start);
        let line = text[..before].lines().count().max(1);
        anyhow::anyhow!("line {line}: {}", printable(&error.message().replace('\n', ", ")))
    })
}

/// Puts a teacher's minutes in; one line for each entry that is of no use, without its control characters.
fn apply(table: &Table, course: &mut Course, sections: &mut [Section]) -> Vec<String> {
    let mut complaints = Vec::new();
    for (key, value) in table {
        let section = sections.iter_mut().find(|section| section.name() == key);
        match (key.as_str(), section, value) {
            ("set-up", ..) if value.as_integer() > Some(course.minutes.into()) => {
                let Course { set_up, minutes, .. } = course;
                complaints.push(text!("schedule.long-set-up", value, minutes, set_up));
            }
            ("set-up", ..) => set(&mut course.set_up, key, value, 0..=LONGEST, &mut complaints),
            ("lost", ..) => set(&mut course.lost, key, value, 0..=MOST_LOST, &mut complaints),
            (_, Some(section), Value::Table(entries)) => {
                for (name, value) in entries {
                    let shown = format!("[{key}] {name}");
                    enter(section, name, &shown, value, &mut complaints);
                }
            }
            (_, Some(_), _) => complaints.push(text!("schedule.no-table", key)),
            (_, None, _) => complaints.push(text!("schedule.no-section", key)),
        }
    }
    complaints.iter().map(|complaint| printable(complaint)).collect()
}

/// Changes one entry of a section.
fn enter(
    section: &mut Section,
    name: &str,
    shown: &str,
    value: &Value,
    complaints: &mut Vec<String>,
) {
    match name {
        "teaching" => set(&mut section.time.teaching, shown, value, 1..=LONGEST, complaints),
        "level" => match value.as_str().and_then(Level::parse) {
            Some(level) => section.time.level = level,
            None => complaints.push(text!("schedule.bad-level", shown, value)),
        },
        "exercises" => {
            let (values, count) =
                (value.as_array().map_or(&[][..], |it| it), section.exercises.len());
            if !value.is_array() || values.len() != count {
                complaints.push(text!("schedule.bad-list", shown, count));
                return;
            }
            for (exercise, value) in section.exercises.iter_mut().zip(values) {
                set(&mut exercise.minutes, shown, value, 1..=LONGEST, complaints);
            }
        }
        _ => complaints.push(text!("schedule.no-entry", shown)),
    }
}

/// Changes a number, if the value is one within limits.
fn set(
    number: &mut u32,
    shown: &str,
    value: &Value,
    limits: std::ops::RangeInclusive<i64>,
    complaints: &mut Vec<String>,
) {
    let new =
        value.as_integer().filter(|it| limits.contains(it)).and_then(|it| u32::try_from(it).ok());
    if let Some(new) = new {
        *number = new;
    } else {
        let (least, most) = (limits.start(), limits.end());
        complaints.push(text!("schedule.bad-number", shown, value, least, most, number));
    }
}

/// A file of all minutes, as they are in the book.
fn template(course: &Course, sections: &[Section]) -> String {
    let Course { set_up, lost, .. } = course;
    let mut text = text!("schedule.template", set_up, lost);
    for section in sections {
        let (level, teaching) = (section.time.level.word(), section.time.teaching);
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "\n# {}\n[{}]\nlevel = \"{level}\"\nteaching = {teaching}\n",
            section.title,
            section.name()
        );
        if !section.exercises.is_empty() {
            let minutes: Vec<String> =
                section.exercises.iter().map(|it| it.minutes.to_string()).collect();
            let _ = writeln!(text, "exercises = [{}]", minutes.join(", "));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heads::Level::{Must, Skip};
    use crate::plan::tests::section;

    fn sections() -> Vec<Section> {
        vec![section("a", Must, &[20], &[5, 30]), section("b-c", Skip, &[10], &[])]
    }

    /// The sections after a teacher's file, and the complaints.
    fn with(text: &str) -> (Course, Vec<Section>, Vec<String>) {
        let (mut course, mut sections) = (Course::new(None, 90), sections());
        let complaints = apply(&parse(text).unwrap(), &mut course, &mut sections);
        (course, sections, complaints)
    }

    #[test]
    fn a_template_that_is_not_changed_changes_nothing() {
        let text = template(&Course::new(None, 90), &sections());
        let (course, read, complaints) = with(&text);
        assert_eq!((course, read, complaints), (Course::new(None, 90), sections(), vec![]));
        assert!(text.contains("[b-c]") && text.contains("exercises = [5, 30]"), "{text}");
    }

    #[test]
    fn a_teachers_minutes_replace_those_of_the_book() {
        let text =
            "set-up = 0\nlost = 20\n[a]\nteaching = 33\nexercises = [7, 8]\nlevel = \"should\"\n";
        let (course, sections, complaints) = with(text);
        assert_eq!((course.set_up, course.lost, complaints), (0, 20, vec![]));
        assert_eq!((sections[0].time.teaching, sections[0].time.level), (33, Level::Should));
        let minutes: Vec<u32> = sections[0].exercises.iter().map(|it| it.minutes).collect();
        assert_eq!(minutes, [7, 8]);
    }

    #[test]
    fn each_entry_that_is_of_no_use_costs_one_line_and_nothing_else() {
        let text = "lost = 90\nb-c = 5\n[a]\nteaching = \"x\"\nexercises = [7]\nlevel = \"can\"\nsize = 1\n\
                    [x]\nteaching = 1\n";
        let (course, after, complaints) = with(text);
        assert_eq!((course, after), (Course::new(None, 90), sections()));
        assert_eq!(complaints.len(), 7, "{complaints:#?}");
        assert!(complaints.iter().all(|it| it.lines().count() == 1), "{complaints:#?}");
        let has = |line: &str| assert!(complaints.iter().any(|it| it == line), "{complaints:#?}");
        has("[a] teaching = \"x\": expected a number from 1 to 600; the book's 20 is used");
        has("[x]: there is no such section; --template writes a file with all of them");
        has("[a] exercises: expected a list of 2 numbers, one for each exercise");
    }

    #[test]
    fn control_characters_of_the_file_are_not_printed() {
        let text = "\"\\u001b[2J\" = 1\nlost = \"\\u0007\\n\\u0007\"\n[a]\nlevel = \"\\u009b\"\n\"x\\ry\" = 1\n";
        let (.., complaints) = with(text);
        assert_eq!(complaints.len(), 4, "{complaints:#?}");
        assert!(!complaints.concat().contains(char::is_control), "{complaints:#?}");
        let error = parse("\"\\u001b[2J\" = 1\n\"\\u001b[2J\" = 2\n").unwrap_err().to_string();
        assert!(!error.contains(char::is_control), "{error:?}");
    }

    #[test]
    fn setting_up_fits_into_a_session() {
        assert_eq!(with("set-up = 90\n").0.set_up, 90);
        let (course, _, complaints) = with("set-up = 91\n");
        assert_eq!(course.set_up, 30);
        let expected = "set-up = 91: a session has only 90 minutes; the book's 30 is used";
        assert_eq!(complaints, [expected]);
    }

    #[test]
    fn a_file_that_is_no_toml_is_an_error_in_one_line() {
        let error = parse("lost = 10\n[a\n").unwrap_err().to_string();
        assert!(error.starts_with("line 2: ") && error.lines().count() == 1, "{error}");
    }
}
