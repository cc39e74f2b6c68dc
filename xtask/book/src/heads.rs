//! The pages' heads: what a reader can do afterwards, how long it takes, and which pages come before.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use workspace::edition::ENGLISH;

use crate::directive::Directive;
use crate::summary::{pages, read, title};

/// How the directive is written, for messages.
const USAGE: &str = "{{#time teaching=50 exercises=25 needs=PAGE.md}}";

/// All minutes are multiples of this: no plan is more exact.
pub const STEP_MINUTES: u32 = 5;

const OBJECTIVES: &str = "<div class=\"objectives\">";
const TEACHERS_NOTES: &str = "<details class=\"teacher\">";

/// What a teacher finds in the notes, each by one of its words.
const IN_NOTES: &[&[&str]] = &[
    &["**Say"],
    &["**Draw", "**Play"],
    &["**People get wrong", "**What people get wrong"],
    &["**Ask"],
    &["**When it fails on their machine"],
];

/// What `{{#time …}}` says about a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time {
    /// Minutes of teaching, the questions under "Check yourself" included.
    pub teaching: u32,
    /// Minutes for the exercises.
    pub exercises: u32,
    /// The pages on which this one builds, such as `server.md`.
    pub needs: Vec<String>,
}

impl Time {
    /// Reads a directive's arguments.
    pub fn parse(arguments: &str) -> Result<Self> {
        let (mut teaching, mut exercises, mut needs) = (None, None, Vec::new());
        for word in arguments.split_whitespace() {
            let (key, value) = word.split_once('=').with_context(|| format!("expected {USAGE}"))?;
            match key {
                "teaching" if teaching.is_none() => teaching = Some(minutes(word, value)?),
                "exercises" if exercises.is_none() => exercises = Some(minutes(word, value)?),
                "needs" => needs.extend(value.split(',').map(str::to_owned)),
                "teaching" | "exercises" => bail!("`{key}` is there twice"),
                _ => bail!("there is no `{key}`: expected {USAGE}"),
            }
        }
        let teaching = teaching.with_context(|| format!("no `teaching`: expected {USAGE}"))?;
        let exercises = exercises.with_context(|| format!("no `exercises`: expected {USAGE}"))?;
        if teaching == 0 {
            bail!("teaching=0: every page takes some minutes");
        }
        Ok(Self { teaching, exercises, needs })
    }
}

fn minutes(word: &str, value: &str) -> Result<u32> {
    let minutes: u32 = value.parse().ok().with_context(|| format!("{word} is no number"))?;
    if !minutes.is_multiple_of(STEP_MINUTES) {
        bail!("{word} is not a multiple of {STEP_MINUTES}");
    }
    Ok(minutes)
}

/// A page that takes time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// Its file, such as `server.md`.
    pub page: String,
    /// What its first heading says.
    pub title: String,
    /// What its head says.
    pub time: Time,
}

impl Section {
    /// A link to it, in Markdown.
    #[must_use]
    pub fn link(&self) -> String {
        format!("[{}]({})", self.title, self.page)
    }
}

/// The pages in `src` that take time, in the order of the summary.
pub fn sections(src: &Path) -> Result<Vec<Section>> {
    let mut sections = Vec::new();
    for page in pages(src)? {
        let text = read(src, &page)?;
        if let Some(line) = times(&text).first() {
            let time = Time::parse(line.arguments)
                .with_context(|| format!("{page}:{}: {}", line.number, line.text))?;
            sections.push(Section { title: title(&text, &page), page, time });
        }
    }
    Ok(sections)
}

/// A line with a `{{#time …}}`, and its number from 1.
struct Line<'a> {
    number: usize,
    text: &'a str,
    arguments: &'a str,
}

fn times(text: &str) -> Vec<Line<'_>> {
    let numbered = text.lines().zip(1..);
    let directives =
        numbered.filter_map(|(line, number)| Some((Directive::alone_in(line)?, number)));
    directives
        .filter(|(directive, _)| directive.name == "time")
        .map(|(Directive { text, arguments, .. }, number)| Line { number, text, arguments })
        .collect()
}

/// One line for each head that is missing or wrong.
pub fn problems(src: &Path) -> Result<Vec<String>> {
    let pages = pages(src)?;
    let mut problems = Vec::new();
    for (index, page) in pages.iter().enumerate() {
        let text = read(src, page)?;
        let found = problems_of(&text, page, &pages[..index]);
        problems.extend(found.into_iter().map(|problem| format!("{ENGLISH}/src/{page}{problem}")));
    }
    Ok(problems)
}

/// What is wrong with one page's head; `before` are the pages that come before it.
fn problems_of(text: &str, page: &str, before: &[String]) -> Vec<String> {
    let has = |heading: &str| text.lines().any(|line| line.starts_with(heading));
    let (has_exercises, has_key_points) = (has("## Exercises"), has("## Key points"));
    let Some(objectives) = objectives(text) else {
        let needs_them = has_exercises || has_key_points || !times(text).is_empty();
        let problem = format!(": it has exercises, key points or a time, but no {OBJECTIVES}");
        return if needs_them { vec![problem] } else { Vec::new() };
    };
    let mut problems = Vec::new();
    if !objectives.lines().any(|line| line.starts_with("- ")) {
        problems.push(": its objectives are empty".to_owned());
    }
    if has_key_points {
        match text.split_once(TEACHERS_NOTES) {
            None => problems
                .push(format!(": it has key points, but no notes for teachers: {TEACHERS_NOTES}")),
            Some((_, notes)) => {
                let has = |words: &&&[&str]| words.iter().any(|word| notes.contains(word));
                let missing = IN_NOTES.iter().filter(|words| !has(words));
                problems.extend(
                    missing.map(|words| format!(": its notes for teachers have no {}", words[0])),
                );
            }
        }
    }
    let times = times(text);
    let [line] = &times[..] else {
        let count = times.len();
        problems.push(format!(": it has {count} times, and needs one in its objectives: {USAGE}"));
        return problems;
    };
    let mut complain = |problem: &str| {
        problems.push(format!(":{}: {}: {problem}", line.number, line.text));
    };
    if !objectives.contains(line.text) {
        complain("stands outside of the objectives");
    }
    match Time::parse(line.arguments) {
        Err(error) => complain(&format!("{error:#}")),
        Ok(time) => {
            match (time.exercises > 0, has_exercises) {
                (true, false) => complain("the page has no exercises"),
                (false, true) => complain("the page has exercises, and they take time"),
                _ => {}
            }
            for needed in time.needs.iter().filter(|needed| !before.contains(needed)) {
                complain(&if needed == page {
                    "a page cannot need itself".to_owned()
                } else {
                    format!("{needed} does not come before this page in SUMMARY.md")
                });
            }
        }
    }
    problems
}

/// What stands in a page's box of objectives.
fn objectives(text: &str) -> Option<&str> {
    let inside = text.split_once(OBJECTIVES)?.1;
    Some(inside.split_once("</div>").map_or(inside, |(inside, _)| inside))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn error(arguments: &str) -> String {
        format!("{:#}", Time::parse(arguments).unwrap_err())
    }

    /// A page with this line in its objectives.
    fn page(time: &str) -> String {
        let notes: Vec<String> =
            IN_NOTES.iter().map(|words| format!("- {}** it.\n", words[0])).collect();
        let notes = notes.concat();
        format!(
            "# A page\n\n{OBJECTIVES}\n\nYou can…\n\n- read;\n\n{time}\n\n</div>\n\n\
             ## Key points {{#key-points}}\n\n- A point.\n\n{TEACHERS_NOTES}\n\n{notes}\n</details>\n"
        )
    }

    fn problems_in(text: &str) -> Vec<String> {
        problems_of(text, "b.md", &["a.md".to_owned()])
    }

    #[test]
    fn a_time_has_minutes_and_needs() {
        let time = Time::parse("teaching=50 exercises=25 needs=a.md,b.md needs=c.md").unwrap();
        assert_eq!((time.teaching, time.exercises), (50, 25));
        assert_eq!(time.needs, ["a.md", "b.md", "c.md"]);
        assert_eq!(Time::parse("exercises=0 teaching=5").unwrap().needs, [""; 0]);
    }

    #[test]
    fn minutes_that_are_missing_or_silly_are_refused() {
        assert_eq!(error("exercises=5"), format!("no `teaching`: expected {USAGE}"));
        assert_eq!(error("teaching=5"), format!("no `exercises`: expected {USAGE}"));
        assert_eq!(error("teaching=0 exercises=5"), "teaching=0: every page takes some minutes");
        assert_eq!(error("teaching=52 exercises=5"), "teaching=52 is not a multiple of 5");
        assert_eq!(error("teaching=5 exercises=1"), "exercises=1 is not a multiple of 5");
        assert_eq!(error("teaching=-5 exercises=5"), "teaching=-5 is no number");
        assert_eq!(error("teaching=5 teaching=5"), "`teaching` is there twice");
        assert_eq!(error("time=5"), format!("there is no `time`: expected {USAGE}"));
        assert_eq!(error("50 25"), format!("expected {USAGE}"));
    }

    #[test]
    fn a_sound_head_passes_and_a_page_without_anything_needs_none() {
        let sound = page("{{#time teaching=5 exercises=0 needs=a.md}}");
        assert_eq!(problems_in(&sound), [""; 0]);
        assert_eq!(problems_in("# A page\n\n## A section {#a}\n\nText.\n"), [""; 0]);
    }

    #[test]
    fn exercises_or_key_points_without_objectives_are_found() {
        for heading in ["## Exercises {#exercises}", "## Key points {#key-points}"] {
            let problems = problems_in(&format!("# A page\n\n{heading}\n\n- x\n"));
            let expected = format!(": it has exercises, key points or a time, but no {OBJECTIVES}");
            assert_eq!(problems, [expected]);
        }
    }

    #[test]
    fn objectives_without_points_without_a_time_or_with_two_are_found() {
        let none = page("Time: about 40 minutes.");
        let expected = format!(": it has 0 times, and needs one in its objectives: {USAGE}");
        assert_eq!(problems_in(&none), [expected]);
        let time = "{{#time teaching=5 exercises=0}}";
        let twice = page(&format!("{time}\n\n{time}"));
        assert!(problems_in(&twice)[0].starts_with(": it has 2 times"));
        let empty = page(time).replacen("- read;", "read.", 1);
        assert_eq!(problems_in(&empty), [": its objectives are empty"]);
    }

    #[test]
    fn a_time_outside_of_the_objectives_is_found() {
        let time = "{{#time teaching=5 exercises=0}}";
        let outside = page("") + "\n" + time + "\n";
        let problems = problems_in(&outside);
        assert!(problems[0].ends_with(&format!("{time}: stands outside of the objectives")));
    }

    #[test]
    fn key_points_without_notes_for_teachers_are_found() {
        let page = page("{{#time teaching=5 exercises=0}}").replace(TEACHERS_NOTES, "<details>");
        let expected = format!(": it has key points, but no notes for teachers: {TEACHERS_NOTES}");
        assert_eq!(problems_in(&page), [expected]);
    }

    #[test]
    fn notes_for_teachers_that_leave_something_out_are_found() {
        let sound = page("{{#time teaching=5 exercises=0}}");
        assert_eq!(problems_in(&sound.replace("**Draw", "**Play")), [""; 0]);
        let problems = problems_in(&sound.replace("**Draw", "**Sing").replace("**Ask", "**Tell"));
        let expected =
            ["**Draw", "**Ask"].map(|word| format!(": its notes for teachers have no {word}"));
        assert_eq!(problems, expected);
    }

    #[test]
    fn minutes_for_exercises_and_exercises_come_together() {
        let time = "{{#time teaching=5 exercises=5}}";
        let expected = format!(":9: {time}: the page has no exercises");
        assert_eq!(problems_in(&page(time)), [expected]);
        let time = "{{#time teaching=5 exercises=0}}";
        let with_exercises = page(time) + "\n## Exercises {#exercises}\n";
        let expected = format!(":9: {time}: the page has exercises, and they take time");
        assert_eq!(problems_in(&with_exercises), [expected]);
    }

    #[test]
    fn a_need_that_comes_later_is_found() {
        let time = "{{#time teaching=5 exercises=0 needs=a.md,c.md,b.md}}";
        let expected = [
            format!(":9: {time}: c.md does not come before this page in SUMMARY.md"),
            format!(":9: {time}: a page cannot need itself"),
        ];
        assert_eq!(problems_in(&page(time)), expected);
    }

    #[test]
    fn sections_come_in_the_order_of_the_summary() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("SUMMARY.md", "# Summary\n\n[C](c.md)\n- [B](b.md)\n  - [A](a.md)\n");
        write("a.md", &page("{{#time teaching=10 exercises=0 needs=b.md}}"));
        write("b.md", &page("{{#time teaching=5 exercises=0}}").replace("A page", "The `b`"));
        write("c.md", "# C\n");
        let sections = sections(folder.path()).unwrap();
        let links: Vec<String> = sections.iter().map(Section::link).collect();
        assert_eq!(links, ["[The `b`](b.md)", "[A page](a.md)"]);
        assert_eq!(problems(folder.path()).unwrap(), [""; 0]);
        write("b.md", &page("{{#time teaching=5 exercises=0 needs=a.md}}"));
        let expected = "book/en/src/b.md:9: {{#time teaching=5 exercises=0 needs=a.md}}: \
                        a.md does not come before this page in SUMMARY.md";
        assert_eq!(problems(folder.path()).unwrap(), [expected]);
    }
}
