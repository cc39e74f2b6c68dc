//! `{{#schedule}}`: three ways to divide the book into a course, computed from the pages' heads.
//!
//! It gives Markdown, so that mdBook follows its links.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, bail};
use conformance::text;

use crate::heads::{self, STEP_MINUTES, Section};

/// A kind of course.
struct Course {
    /// Its heading, without the id.
    heading: fn() -> String,
    /// The heading's id.
    id: &'static str,
    /// The word for one of its sessions.
    session: fn() -> String,
    /// How long a session may be, in minutes.
    limit: u32,
    /// How many sessions there are; none if there may be as many as are needed.
    count: Option<usize>,
    /// The pages to which it leads if not all of them fit.
    goals: &'static [&'static str],
}

/// The shortest part of a section that is worth a beginning, or a continuation, in minutes.
const SHORTEST_PART: u32 = 10;

const COURSES: &[Course] = &[
    Course {
        heading: || text!("schedule.half-days"),
        id: "half-day-sessions",
        session: || text!("schedule.session"),
        limit: 180,
        count: None,
        goals: &[],
    },
    Course {
        heading: || text!("schedule.two-days"),
        id: "two-days",
        session: || text!("schedule.day"),
        limit: 390,
        count: Some(2),
        goals: &[],
    },
    Course {
        heading: || text!("schedule.six-hours"),
        id: "six-hours",
        session: || text!("schedule.hour"),
        limit: 60,
        count: Some(6),
        // A stream has no messages; what to do about that; and a program for the whole class.
        goals: &["length-prefix.md", "chat-threads.md"],
    },
];

/// The Markdown for the pages in `src`.
pub fn markdown(src: &Path, arguments: &str) -> Result<Vec<String>> {
    if !arguments.is_empty() {
        bail!("expected {{{{#schedule}}}}");
    }
    let sections = heads::sections(src)?;
    if sections.is_empty() {
        bail!("no page has a {{{{#time}}}}");
    }
    let mut lines = Vec::new();
    for course in COURSES {
        lines.extend(course.lines(&sections)?);
    }
    Ok(lines)
}

impl Course {
    /// Its heading, which rule it follows, and its table.
    fn lines(&self, sections: &[Section]) -> Result<Vec<String>> {
        let plan = self.plan(sections)?;
        let heading = format!("### {} {{#{}}}", (self.heading)(), self.id);
        let mut lines = vec![heading, String::new(), self.sentence(&plan)];
        lines.extend([String::new(), self.table(&plan), String::new()]);
        Ok(lines)
    }

    /// The first rule by which everything fits that it asks for.
    fn plan<'a>(&self, sections: &'a [Section]) -> Result<Plan<'a>> {
        for rule in [Rule::AllInClass, Rule::ExercisesAtHome, Rule::WayToTheGoals] {
            let (taught, left_out): (Vec<_>, Vec<_>) = match rule {
                Rule::AllInClass | Rule::ExercisesAtHome => (sections.iter().collect(), vec![]),
                Rule::WayToTheGoals => on_the_way(sections, self.goals),
            };
            let parts: Vec<Part> = taught.iter().map(|section| Part::new(section, rule)).collect();
            let sessions = self.sessions(&parts);
            if self.count.is_none_or(|count| sessions.len() <= count) {
                return Ok(Plan { rule, sessions, left_out });
            }
        }
        bail!("{}: not even {} and what they need fit", self.id, self.goals.join(", "));
    }

    /// As few sessions as possible, and these as equal as possible. Sections are torn apart only
    /// where there would be too many sessions.
    fn sessions<'a>(&self, parts: &[Part<'a>]) -> Vec<Vec<Part<'a>>> {
        let mut cut = Cut::OnlyTooLong;
        let mut at_most = pack(parts, self.limit, cut);
        if self.count.is_some_and(|count| at_most.len() > count) {
            cut = Cut::WhatDoesNotFit;
            at_most = pack(parts, self.limit, cut);
        }
        let count = self.count.unwrap_or(at_most.len());
        let longest = parts.iter().map(Part::in_class).max().unwrap_or(self.limit);
        let mut limits = (longest..self.limit).step_by(STEP_MINUTES as usize);
        limits
            .find_map(|limit| Some(pack(parts, limit, cut)).filter(|it| it.len() <= count))
            .unwrap_or(at_most)
    }

    /// How long the sessions are, and which rule was used.
    fn sentence(&self, plan: &Plan) -> String {
        let rule = match plan.rule {
            Rule::AllInClass => text!("schedule.all-in-class"),
            Rule::ExercisesAtHome => text!("schedule.at-home"),
            Rule::WayToTheGoals => {
                let taught = plan.sessions.iter().flatten().map(|part| part.section);
                let goals = taught.filter(|it| self.goals.contains(&it.page.as_str()));
                let mut goals: Vec<String> = goals.map(Section::link).collect();
                goals.dedup(); // one that is continued is there twice
                let left_out = plan.left_out.iter().map(|it| {
                    let (section, minutes) = (it.link(), it.time.teaching);
                    text!("schedule.left-out", section, minutes)
                });
                let left_out = left_out.collect::<Vec<_>>().join(", ");
                let goals = goals.join(&text!("schedule.and"));
                text!("schedule.way", goals, left_out)
            }
        };
        let (limit, session) = (self.limit, (self.session)());
        format!("{} {rule}", text!("schedule.at-most", limit, session))
    }

    fn table(&self, plan: &Plan) -> String {
        let exercises = match plan.rule {
            Rule::AllInClass => text!("schedule.exercises"),
            Rule::ExercisesAtHome | Rule::WayToTheGoals => text!("schedule.exercises-at-home"),
        };
        let mut lines = vec![
            format!(
                "| {} | {} | {} | {exercises} | {} |",
                (self.session)(),
                text!("schedule.sections"),
                text!("schedule.teaching"),
                text!("schedule.in-class")
            ),
            "| --- | --- | ---: | ---: | ---: |".to_owned(),
        ];
        for (number, session) in (1..).zip(&plan.sessions) {
            let names: Vec<String> = session.iter().map(Part::link).collect();
            lines.push(row(&number.to_string(), &names.join(", "), session));
        }
        let all: Vec<Part> = plan.sessions.concat();
        lines.push(row(&text!("schedule.all"), "", &all));
        lines.join("\n")
    }
}

fn row(name: &str, links: &str, parts: &[Part]) -> String {
    let teaching: u32 = parts.iter().map(|part| part.teaching).sum();
    let exercises: u32 = parts.iter().map(|part| part.exercises).sum();
    let in_class: u32 = parts.iter().map(Part::in_class).sum();
    format!("| {name} | {links} | {teaching} | {exercises} | {in_class} |")
}

/// What is done when time is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    AllInClass,
    ExercisesAtHome,
    /// And only what the course's goals need is taught.
    WayToTheGoals,
}

/// The goals and all on which they build; and what is left.
fn on_the_way<'a>(
    sections: &'a [Section],
    goals: &[&'a str],
) -> (Vec<&'a Section>, Vec<&'a Section>) {
    let mut needed: BTreeSet<&str> = goals.iter().copied().collect();
    // From the end: what a section needs stands before it.
    for section in sections.iter().rev() {
        if needed.contains(section.page.as_str()) {
            needed.extend(section.time.needs.iter().map(String::as_str));
        }
    }
    sections.iter().partition(|section| needed.contains(section.page.as_str()))
}

/// How a course comes out.
struct Plan<'a> {
    rule: Rule,
    sessions: Vec<Vec<Part<'a>>>,
    left_out: Vec<&'a Section>,
}

/// A section, or what is done of it in one session.
#[derive(Clone, Debug)]
struct Part<'a> {
    section: &'a Section,
    teaching: u32,
    exercises: u32,
    /// Whether the exercises are done in class.
    with_exercises: bool,
    is_continued: bool,
}

impl<'a> Part<'a> {
    /// All of a section.
    fn new(section: &'a Section, rule: Rule) -> Self {
        let (teaching, exercises) = (section.time.teaching, section.time.exercises);
        let with_exercises = rule == Rule::AllInClass;
        Self { section, teaching, exercises, with_exercises, is_continued: false }
    }

    /// The minutes that it takes in class.
    fn in_class(&self) -> u32 {
        self.teaching + if self.with_exercises { self.exercises } else { 0 }
    }

    fn link(&self) -> String {
        let section = self.section.link();
        if self.is_continued { text!("schedule.continued", section) } else { section }
    }

    /// Takes the first minutes off a part that is longer than these.
    fn split_off(&mut self, minutes: u32) -> Self {
        let teaching = self.teaching.min(minutes);
        let exercises = if self.with_exercises { minutes - teaching } else { 0 };
        let first = Self { teaching, exercises, ..self.clone() };
        self.teaching -= teaching;
        self.exercises -= exercises;
        self.is_continued = true;
        first
    }
}

/// Which sections may be continued in the next session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// Those that are longer than a session.
    OnlyTooLong,
    /// Whichever does not fit into what is left of a session.
    WhatDoesNotFit,
}

/// Puts parts into sessions, in their order.
fn pack<'a>(parts: &[Part<'a>], limit: u32, cut: Cut) -> Vec<Vec<Part<'a>>> {
    let mut sessions = Vec::new();
    let mut session: Vec<Part> = Vec::new();
    let mut free = limit;
    for part in parts {
        let mut rest = part.clone();
        if rest.in_class() > free {
            let first = free.min(rest.in_class().saturating_sub(SHORTEST_PART));
            if cut == Cut::WhatDoesNotFit && first >= SHORTEST_PART {
                session.push(rest.split_off(first));
            }
            sessions.push(std::mem::take(&mut session));
            free = limit;
        }
        while rest.in_class() > limit {
            sessions.push(vec![rest.split_off(limit)]);
        }
        free -= rest.in_class();
        session.push(rest);
    }
    sessions.push(session);
    sessions.retain(|session| !session.is_empty());
    sessions
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heads::Time;

    /// Sections called a, b, c … with minutes of teaching and of exercises; each needs the one before it.
    fn sections(minutes: &[(u32, u32)]) -> Vec<Section> {
        let name = |index: usize| char::from(b'a' + u8::try_from(index).unwrap()).to_string();
        let section = |(index, &(teaching, exercises)): (usize, &(u32, u32))| Section {
            page: name(index) + ".md",
            title: name(index),
            time: Time {
                teaching,
                exercises,
                needs: index
                    .checked_sub(1)
                    .map(|before| name(before) + ".md")
                    .into_iter()
                    .collect(),
            },
        };
        minutes.iter().enumerate().map(section).collect()
    }

    fn course(limit: u32, count: Option<usize>) -> Course {
        Course {
            heading: || "X".to_owned(),
            id: "x",
            session: || text!("schedule.day"),
            limit,
            count,
            goals: &["a.md", "c.md"],
        }
    }

    fn parts(sections: &[Section], rule: Rule) -> Vec<Part<'_>> {
        sections.iter().map(|section| Part::new(section, rule)).collect()
    }

    /// The titles in each session, and the rule.
    fn plan(course: &Course, sections: &[Section]) -> (Vec<String>, Rule) {
        let plan = course.plan(sections).unwrap();
        let titles = |parts: &Vec<Part>| parts.iter().map(|it| it.section.title.clone()).collect();
        (plan.sessions.iter().map(titles).collect(), plan.rule)
    }

    #[test]
    fn there_are_as_few_sessions_as_possible_and_these_are_equal() {
        let sections = sections(&[(40, 20), (40, 20), (30, 30), (30, 30)]);
        let (sessions, rule) = plan(&course(180, None), &sections);
        assert_eq!((sessions, rule), (vec!["ab".to_owned(), "cd".to_owned()], Rule::AllInClass));
        // Three would fit into the first.
        let parts = parts(&sections, Rule::AllInClass);
        assert_eq!(pack(&parts, 180, Cut::OnlyTooLong)[0].len(), 3);
    }

    #[test]
    fn exercises_are_homework_only_where_they_do_not_fit() {
        let sections = sections(&[(40, 20), (40, 20)]);
        assert_eq!(plan(&course(60, Some(2)), &sections).1, Rule::AllInClass);
        assert_eq!(plan(&course(60, Some(1)), &sections[..1]).1, Rule::AllInClass);
        let (sessions, rule) = plan(&course(80, Some(1)), &sections);
        assert_eq!((sessions, rule), (vec!["ab".to_owned()], Rule::ExercisesAtHome));
    }

    #[test]
    fn what_does_not_lead_to_the_goals_is_left_out_where_not_everything_fits() {
        let mut sections = sections(&[(30, 0), (40, 0), (50, 0), (20, 0)]);
        sections[2].time.needs = vec!["a.md".to_owned()];
        let course = course(80, Some(1));
        assert_eq!(plan(&course, &sections), (vec!["ac".to_owned()], Rule::WayToTheGoals));
        let sentence = course.sentence(&course.plan(&sections).unwrap());
        assert!(sentence.contains("lead to [a](a.md) and to [c](c.md), with"), "{sentence}");
        let expected = "for a second course: [b](b.md) (40 minutes), [d](d.md) (20 minutes).";
        assert!(sentence.ends_with(expected), "{sentence}");
    }

    #[test]
    fn what_a_goal_needs_is_on_the_way_to_it_however_far_that_goes() {
        let sections = sections(&[(10, 0), (10, 0), (10, 0), (10, 0)]);
        let titles = |goal| -> String {
            let (taught, _) = on_the_way(&sections, &[goal]);
            taught.iter().map(|section| section.title.as_str()).collect()
        };
        assert_eq!(titles("c.md"), "abc");
        assert_eq!(titles("a.md"), "a");
    }

    #[test]
    fn goals_that_do_not_fit_are_an_error() {
        let error = course(60, Some(2)).plan(&sections(&[(50, 10), (50, 10), (50, 10)])).err();
        let error = error.unwrap().to_string();
        assert_eq!(error, "x: not even a.md, c.md and what they need fit");
    }

    #[test]
    fn a_section_is_torn_apart_where_there_would_be_too_many_sessions() {
        let sections = sections(&[(45, 5), (30, 5), (35, 5)]);
        let minutes = |limit| -> Vec<Vec<(String, u32)>> {
            let plan = course(limit, Some(2)).plan(&sections).unwrap();
            let part = |part: &Part| (part.section.title.clone(), part.in_class());
            plan.sessions.iter().map(|session| session.iter().map(part).collect()).collect()
        };
        let part = |title: &str, minutes| (title.to_owned(), minutes);
        assert_eq!(minutes(60)[0], [part("a", 45), part("b", 10)]);
        assert_eq!(minutes(60)[1], [part("b", 20), part("c", 35)]);
        // Where whole sections fit, they stay whole.
        assert_eq!(minutes(75)[0], [part("a", 50)]);
        assert_eq!(minutes(75)[1], [part("b", 35), part("c", 40)]);
    }

    #[test]
    fn no_part_is_too_short_to_be_worth_it() {
        let sections = sections(&[(55, 0), (20, 0), (45, 0)]);
        let packed = pack(&parts(&sections, Rule::AllInClass), 60, Cut::WhatDoesNotFit);
        let minutes: Vec<u32> = packed.iter().flatten().map(Part::in_class).collect();
        assert_eq!(minutes, [55, 20, 35, 10]);
    }

    #[test]
    fn a_section_longer_than_a_session_is_continued() {
        let sections = sections(&[(10, 0), (70, 60), (20, 0)]);
        let sessions = pack(&parts(&sections, Rule::AllInClass), 60, Cut::OnlyTooLong);
        let table = course(60, None).table(&course(60, None).plan(&sections).unwrap());
        assert_eq!(sessions.len(), 4);
        assert_eq!(
            table,
            "| day | sections | teaching | exercises | in class |\n\
             | --- | --- | ---: | ---: | ---: |\n\
             | 1 | [a](a.md) | 10 | 0 | 10 |\n\
             | 2 | [b](b.md) | 60 | 0 | 60 |\n\
             | 3 | [b](b.md), continued | 10 | 50 | 60 |\n\
             | 4 | [b](b.md), continued, [c](c.md) | 20 | 10 | 30 |\n\
             | all |  | 100 | 60 | 160 |"
        );
    }

    #[test]
    fn the_books_own_schedule_holds_every_section_once_in_each_course() {
        let src = workspace::root::repository().join("book/en/src");
        let sections = heads::sections(&src).unwrap();
        assert!(sections.len() > 10);
        let lines = markdown(&src, "").unwrap();
        for (course, lines) in COURSES.iter().zip(lines.chunks(6)) {
            assert_eq!(lines[0], format!("### {} {{#{}}}", (course.heading)(), course.id));
            let text = lines.concat();
            for section in &sections {
                assert!(text.contains(&section.link()), "{} in {text}", section.page);
            }
            let plan = course.plan(&sections).unwrap();
            let is_short = |session: &Vec<Part>| {
                session.iter().map(Part::in_class).sum::<u32>() <= course.limit
            };
            assert!(plan.sessions.iter().all(is_short), "{text}");
        }
        assert!(markdown(&src, "x").is_err());
    }
}
