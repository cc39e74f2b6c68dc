//! `{{#schedule}}`: three ways to divide the book into a course, computed from the pages' heads.
//!
//! It gives Markdown, so that mdBook follows its links.

use std::path::Path;

use anyhow::{Result, bail};

use crate::heads::{self, STEP_MINUTES, Section};

/// A kind of course.
struct Course {
    heading: &'static str,
    /// The word for one of its sessions.
    session: &'static str,
    /// How long a session may be, in minutes.
    limit: u32,
    /// How many sessions there are; none if there may be as many as are needed.
    count: Option<usize>,
}

const COURSES: &[Course] = &[
    Course {
        heading: "### Half-day sessions {#half-day-sessions}",
        session: "session",
        limit: 180,
        count: None,
    },
    Course {
        heading: "### A two-day course {#two-days}",
        session: "day",
        limit: 390,
        count: Some(2),
    },
    Course {
        heading: "### Six weekly hours {#six-hours}",
        session: "hour",
        limit: 60,
        count: Some(6),
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
    Ok(COURSES.iter().flat_map(|course| course.lines(&sections)).collect())
}

impl Course {
    /// Its heading, which rule it follows, and its table.
    fn lines(&self, sections: &[Section]) -> Vec<String> {
        let plan = self.plan(sections);
        let mut lines = vec![self.heading.to_owned(), String::new(), self.sentence(&plan)];
        lines.extend([String::new(), self.table(&plan), String::new()]);
        lines
    }

    /// The first rule by which all sections fit; or the last one, and what fits.
    fn plan<'a>(&self, sections: &'a [Section]) -> Plan<'a> {
        let rules = [Rule::AllInClass, Rule::ExercisesAtHome, Rule::MoreAtHome];
        for rule in rules {
            let sessions = self.sessions(&rule.in_class(sections));
            if self.count.is_none_or(|count| sessions.len() <= count) {
                return Plan { rule, sessions, at_home: rule.at_home(sections), left_out: vec![] };
            }
        }
        let rule = Rule::MoreAtHome;
        let mut sessions = self.sessions(&rule.in_class(sections));
        let rest = sessions.split_off(self.count.unwrap_or(sessions.len()));
        let left_out = rest.into_iter().flatten().collect();
        Plan { rule, sessions, at_home: rule.at_home(sections), left_out }
    }

    /// As few sessions as possible, and these as equal as possible.
    fn sessions<'a>(&self, parts: &[Part<'a>]) -> Vec<Vec<Part<'a>>> {
        let at_most = pack(parts, self.limit);
        let count = self.count.unwrap_or(at_most.len());
        let longest = parts.iter().map(Part::in_class).max().unwrap_or(self.limit);
        let mut limits = (longest..self.limit).step_by(STEP_MINUTES as usize);
        limits
            .find_map(|limit| Some(pack(parts, limit)).filter(|it| it.len() <= count))
            .unwrap_or(at_most)
    }

    /// How long the sessions are, and which rule was used.
    fn sentence(&self, plan: &Plan) -> String {
        let rule = match plan.rule {
            Rule::AllInClass => "Everything fits, with the exercises done in class.",
            Rule::ExercisesAtHome | Rule::MoreAtHome => {
                "With the exercises it does not fit, so they are homework."
            }
        };
        let mut sentences = vec![
            format!("At most {} minutes for each {}.", self.limit, self.session),
            rule.to_owned(),
        ];
        if !plan.at_home.is_empty() {
            let list = list(&plan.at_home);
            sentences
                .push(format!("Sections on which no other one builds are read at home: {list}."));
        }
        if !plan.left_out.is_empty() {
            let list = list(&plan.left_out);
            sentences.push(format!("Not everything fits. Left out, for a second course: {list}."));
        }
        sentences.join(" ")
    }

    fn table(&self, plan: &Plan) -> String {
        let exercises = match plan.rule {
            Rule::AllInClass => "exercises",
            Rule::ExercisesAtHome | Rule::MoreAtHome => "exercises, at home",
        };
        let mut lines = vec![
            format!("| {} | sections | teaching | {exercises} | in class |", self.session),
            "| --- | --- | ---: | ---: | ---: |".to_owned(),
        ];
        for (number, session) in (1..).zip(&plan.sessions) {
            let names: Vec<String> = session.iter().map(Part::link).collect();
            lines.push(row(&number.to_string(), &names.join(", "), session));
        }
        let all: Vec<Part> = plan.sessions.concat();
        lines.push(row("all", "", &all));
        lines.join("\n")
    }
}

fn row(name: &str, links: &str, parts: &[Part]) -> String {
    let teaching: u32 = parts.iter().map(|part| part.teaching).sum();
    let exercises: u32 = parts.iter().map(|part| part.exercises).sum();
    let in_class: u32 = parts.iter().map(Part::in_class).sum();
    format!("| {name} | {links} | {teaching} | {exercises} | {in_class} |")
}

/// Sections with their minutes.
fn list(parts: &[Part]) -> String {
    let parts: Vec<String> =
        parts.iter().map(|part| format!("{} ({} minutes)", part.link(), part.teaching)).collect();
    parts.join(", ")
}

/// What is done when time is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rule {
    AllInClass,
    ExercisesAtHome,
    /// And so are the sections that no other one needs, but for the last, to which all lead.
    MoreAtHome,
}

impl Rule {
    fn in_class(self, sections: &[Section]) -> Vec<Part<'_>> {
        self.parts(sections, |is_at_home| !is_at_home)
    }

    fn at_home(self, sections: &[Section]) -> Vec<Part<'_>> {
        self.parts(sections, |is_at_home| is_at_home)
    }

    fn parts(self, sections: &[Section], wanted: impl Fn(bool) -> bool) -> Vec<Part<'_>> {
        let is_needed = |page| sections.iter().any(|it| it.time.needs.contains(page));
        let is_last = |section| sections.last() == Some(section);
        sections
            .iter()
            .filter(|it| wanted(self == Self::MoreAtHome && !is_needed(&it.page) && !is_last(it)))
            .map(|section| Part {
                section,
                teaching: section.time.teaching,
                exercises: section.time.exercises,
                with_exercises: self == Self::AllInClass,
                is_continued: false,
            })
            .collect()
    }
}

/// How a course comes out.
struct Plan<'a> {
    rule: Rule,
    sessions: Vec<Vec<Part<'a>>>,
    at_home: Vec<Part<'a>>,
    left_out: Vec<Part<'a>>,
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

impl Part<'_> {
    /// The minutes that it takes in class.
    fn in_class(&self) -> u32 {
        self.teaching + if self.with_exercises { self.exercises } else { 0 }
    }

    fn link(&self) -> String {
        let link = self.section.link();
        if self.is_continued { format!("{link}, continued") } else { link }
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

/// Puts parts into sessions, in their order. One that is longer than a session is continued in the next.
fn pack<'a>(parts: &[Part<'a>], limit: u32) -> Vec<Vec<Part<'a>>> {
    let mut sessions = Vec::new();
    let mut session: Vec<Part> = Vec::new();
    let mut free = limit;
    for part in parts {
        let mut rest = part.clone();
        if rest.in_class() > free {
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
        Course { heading: "### X {#x}", session: "day", limit, count }
    }

    /// The titles in each session, and the rule.
    fn plan(course: &Course, sections: &[Section]) -> (Vec<String>, Rule) {
        let plan = course.plan(sections);
        let titles = |parts: &Vec<Part>| parts.iter().map(|it| it.section.title.clone()).collect();
        (plan.sessions.iter().map(titles).collect(), plan.rule)
    }

    #[test]
    fn there_are_as_few_sessions_as_possible_and_these_are_equal() {
        let sections = sections(&[(40, 20), (40, 20), (30, 30), (30, 30)]);
        let (sessions, rule) = plan(&course(180, None), &sections);
        assert_eq!((sessions, rule), (vec!["ab".to_owned(), "cd".to_owned()], Rule::AllInClass));
        // Three would fit into the first.
        assert_eq!(pack(&Rule::AllInClass.in_class(&sections), 180)[0].len(), 3);
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
    fn what_no_other_section_needs_is_read_at_home_but_for_the_last() {
        let mut sections = sections(&[(40, 0), (40, 0), (40, 0)]);
        sections[2].time.needs = vec!["a.md".to_owned()];
        let course = course(80, Some(1));
        assert_eq!(plan(&course, &sections), (vec!["ac".to_owned()], Rule::MoreAtHome));
        let sentence = course.sentence(&course.plan(&sections));
        let expected =
            "Sections on which no other one builds are read at home: [b](b.md) (40 minutes).";
        assert!(sentence.ends_with(expected), "{sentence}");
    }

    #[test]
    fn what_does_not_fit_at_all_is_named_with_its_minutes() {
        let sections = sections(&[(50, 10), (50, 10), (50, 10)]);
        let course = course(60, Some(2));
        let plan = course.plan(&sections);
        assert_eq!(plan.sessions.len(), 2);
        let sentence = course.sentence(&plan);
        assert!(sentence.ends_with("Left out, for a second course: [c](c.md) (50 minutes)."));
    }

    #[test]
    fn a_section_longer_than_a_session_is_continued() {
        let sections = sections(&[(10, 0), (70, 60), (20, 0)]);
        let sessions = pack(&Rule::AllInClass.in_class(&sections), 60);
        let table = course(60, None).table(&course(60, None).plan(&sections));
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
        let src = crate::root::repository().join("book/en/src");
        let sections = heads::sections(&src).unwrap();
        assert!(sections.len() > 10);
        let lines = markdown(&src, "").unwrap();
        for (course, lines) in COURSES.iter().zip(lines.chunks(6)) {
            assert_eq!(lines[0], course.heading);
            let text = lines.concat();
            for section in &sections {
                assert!(text.contains(&section.link()), "{} in {text}", section.page);
            }
            let plan = course.plan(&sections);
            let is_short = |session: &Vec<Part>| {
                session.iter().map(Part::in_class).sum::<u32>() <= course.limit
            };
            assert!(plan.sessions.iter().all(is_short), "{text}");
        }
        assert!(markdown(&src, "x").is_err());
    }
}
