//! `{{#schedule sessions=6 minutes=90}}`: the book as a course, computed from the pages' heads.
//!
//! It gives Markdown, so that mdBook follows its links.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use conformance::text;

use crate::heads::{self, Section};
use crate::plan::{Course, Item, Plan, Session, Task, What, plan};

const USAGE: &str = "{{#schedule sessions=6 minutes=90}}";

/// The Markdown for a book.
pub fn markdown(root: &Path, arguments: &str) -> Result<Vec<String>> {
    let course = parse(arguments)?;
    let sections = heads::sections(root)?;
    if sections.is_empty() {
        bail!("no page has a {{{{#time}}}}");
    }
    let plan = plan(&course, &sections)?;
    Ok([vec![summary(&course, &plan, Names::Links), String::new()], table(&plan)].concat())
}

fn parse(arguments: &str) -> Result<Course> {
    let (mut sessions, mut minutes) = (None, None);
    for word in arguments.split_whitespace() {
        let (key, value) = word.split_once('=').with_context(|| format!("expected {USAGE}"))?;
        let number: u16 = value.parse().ok().with_context(|| format!("{word} is no number"))?;
        match key {
            "sessions" => sessions = Some(usize::from(number)),
            "minutes" => minutes = Some(u32::from(number)),
            _ => bail!("there is no `{key}`: expected {USAGE}"),
        }
    }
    let minutes = minutes.with_context(|| format!("no `minutes`: expected {USAGE}"))?;
    Ok(Course::new(sessions, minutes))
}

/// How sections are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// As links, on a page.
    Links,
    /// By their titles, in a terminal.
    Titles,
}

impl Names {
    fn name(self, title: &str, page: &str) -> String {
        match self {
            Self::Links => format!("[{title}]({page})"),
            Self::Titles => title.to_owned(),
        }
    }

    fn of(self, section: &Section) -> String {
        self.name(&section.title, &section.page)
    }

    /// What an item is.
    fn item(self, item: &Item) -> String {
        let section = self.of(item.section);
        match &item.what {
            What::Teaching { all: true, .. } => section,
            What::Teaching { parts, .. } if parts[0].heading.is_empty() => {
                text!("schedule.begun", section)
            }
            What::Teaching { parts, .. } => {
                let page = format!("{}#{}", item.section.page, parts[0].id);
                let heading = self.name(&parts[0].heading, &page);
                text!("schedule.from", section, heading)
            }
            What::Exercises(exercises) => {
                let numbers = exercises.iter().map(|it| it.number.as_str()).collect();
                self.exercises(item.section, numbers)
            }
        }
    }

    fn exercises(self, section: &Section, numbers: Vec<&str>) -> String {
        let page = format!("{}#exercises", section.page);
        let (section, exercises) =
            (self.name(&section.title, &page), numbers.join(&text!("join.comma")));
        match numbers.len() {
            1 => text!("schedule.exercise", section, exercises),
            _ => text!("schedule.exercises", section, exercises),
        }
    }

    /// A session's homework.
    fn homework(self, session: &Session) -> Vec<String> {
        let of_one = |a: &Task, b: &Task| a.section.page == b.section.page;
        let tasks = session.homework.chunk_by(of_one).map(|tasks| {
            let numbers = tasks.iter().map(|task| task.exercise.number.as_str()).collect();
            let minutes: u32 = tasks.iter().map(|task| task.exercise.minutes).sum();
            minutes_of(&self.exercises(tasks[0].section, numbers), minutes)
        });
        tasks.collect()
    }
}

fn minutes_of(what: &str, minutes: u32) -> String {
    text!("schedule.item", what, minutes)
}

/// What fits, in a few sentences.
pub fn summary(course: &Course, plan: &Plan, names: Names) -> String {
    let (count, minutes, lost) = (plan.sessions.len(), course.minutes, course.lost_minutes());
    let set_up = course.set_up;
    let mut sentences = vec![match count {
        1 => text!("schedule.one-session", minutes, lost, set_up),
        _ => text!("schedule.sessions", count, minutes, lost, set_up),
    }];
    let homework: u32 =
        plan.sessions.iter().flat_map(|it| &it.homework).map(|it| it.exercise.minutes).sum();
    sentences.push(match homework {
        0 => text!("schedule.in-class"),
        _ => text!("schedule.at-home", homework),
    });
    if plan.left_out.is_empty() {
        sentences.push(text!("schedule.complete"));
    } else {
        let left_out = plan.left_out.iter().map(|it| minutes_of(&names.of(it), it.time.teaching));
        let left_out = left_out.collect::<Vec<_>>().join(&text!("join.comma"));
        sentences.push(text!("schedule.left-out", left_out));
    }
    sentences.join(&text!("join.sentence"))
}

/// A row for each session; homework has a column if there is any.
fn table(plan: &Plan) -> Vec<String> {
    let (session, in_class) = (text!("schedule.session"), text!("schedule.class"));
    let (at_home, minutes) = (text!("schedule.home"), text!("schedule.minutes"));
    let has_homework = plan.sessions.iter().any(|session| !session.homework.is_empty());
    let homework = |text: &str| if has_homework { format!(" {text} |") } else { String::new() };
    let mut lines = vec![
        format!("| {session} | {in_class} |{} {minutes} |", homework(&at_home)),
        format!("| ---: | --- |{} ---: |", homework("---")),
    ];
    for (number, session) in (1..).zip(&plan.sessions) {
        let names = Names::Links;
        let items = session.items.iter().map(|item| minutes_of(&names.item(item), item.minutes));
        let mut items: Vec<String> = items.collect();
        let mut minutes = session.minutes();
        if number == 1 {
            items.insert(0, minutes_of(&text!("schedule.set-up"), plan.set_up));
            minutes += plan.set_up;
        }
        let semicolon = text!("join.semicolon");
        let (items, at_home) = (items.join(&semicolon), names.homework(session).join(&semicolon));
        lines.push(format!("| {number} | {items} |{} {minutes} |", homework(&at_home)));
    }
    lines
}

/// A list for each session, for a terminal.
pub fn lists(plan: &Plan) -> Vec<String> {
    let names = Names::Titles;
    let mut lines = Vec::new();
    for (number, session) in (1..).zip(&plan.sessions) {
        let set_up = if number == 1 { plan.set_up } else { 0 };
        let minutes = session.minutes() + set_up;
        lines.extend([text!("schedule.heading", number, minutes), String::new()]);
        if set_up > 0 {
            lines.push(line(set_up, &text!("schedule.set-up")));
        }
        let items = session.items.iter().map(|item| line(item.minutes, &names.item(item)));
        lines.extend(items);
        let homework = names.homework(session).join(&text!("join.semicolon"));
        if !homework.is_empty() {
            lines.extend([String::new(), text!("schedule.homework", homework)]);
        }
        lines.push(String::new());
    }
    lines
}

fn line(minutes: u32, what: &str) -> String {
    format!("- {minutes:>3}  {what}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heads::Level::{Must, Skip};
    use crate::plan::tests::section;

    #[test]
    fn a_table_has_a_row_for_each_session_with_links() {
        let sections = [section("a", Must, &[20, 20], &[5, 40]), section("b", Skip, &[20], &[])];
        let course = Course { set_up: 10, ..Course::new(Some(2), 40) };
        let plan = plan(&course, &sections).unwrap();
        assert_eq!(
            table(&plan),
            [
                "| session | in class | at home | minutes |",
                "| ---: | --- | --- | ---: |",
                "| 1 | set-up (10); [A](a.md), begun (20) |  | 30 |",
                "| 2 | [A](a.md), from [a1](a.md#a1) (20); [A](a.md#exercises), exercise 1 (5) | \
                 [A](a.md#exercises), exercise 2 (40) | 25 |",
            ]
        );
        let summary = summary(&course, &plan, Names::Links);
        assert!(summary.ends_with("for reading at home: [B](b.md) (20)."), "{summary}");
    }

    #[test]
    fn without_homework_there_is_no_column_for_it() {
        let sections = [section("a", Must, &[20], &[5])];
        let course = Course { set_up: 10, ..Course::new(None, 60) };
        let expected =
            "| 1 | set-up (10); [A](a.md) (20); [A](a.md#exercises), exercise 1 (5) | 35 |";
        assert_eq!(table(&plan(&course, &sections).unwrap())[2], expected);
    }

    #[test]
    fn a_terminal_shows_titles_and_a_line_for_each_item() {
        let sections = [section("a", Must, &[20, 20], &[5, 40])];
        let course = Course { set_up: 10, ..Course::new(Some(2), 40) };
        assert_eq!(
            lists(&plan(&course, &sections).unwrap()).join("\n"),
            "## Session 1: 30 minutes\n\n-  10  set-up\n-  20  A, begun\n\n\
             ## Session 2: 25 minutes\n\n-  20  A, from a1\n-   5  A, exercise 1\n\n\
             Homework: A, exercise 2 (40)\n"
        );
    }

    #[test]
    fn arguments_are_numbers_with_names() {
        let course = parse("sessions=6 minutes=90").unwrap();
        assert_eq!((course.sessions, course.minutes), (Some(6), 90));
        let error = |arguments| parse(arguments).unwrap_err().to_string();
        assert_eq!(error("sessions=6"), format!("no `minutes`: expected {USAGE}"));
        assert_eq!(error("minutes=x"), "minutes=x is no number");
        assert_eq!(error("days=2"), format!("there is no `days`: expected {USAGE}"));
    }

    #[test]
    fn the_books_own_schedule_holds_every_section_once() {
        let root = workspace::root::repository();
        let sections = heads::sections(&root).unwrap();
        assert!(sections.len() > 10);
        let text = markdown(&root, "minutes=90").unwrap().concat();
        for section in &sections {
            assert!(text.contains(&Names::Links.of(section)), "{} in {text}", section.page);
        }
    }
}
