//! The pages' heads: what a reader can do afterwards, how long it takes, and which pages it needs.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use workspace::edition::{self, ENGLISH};

use crate::directive::Directive;
use crate::exercises::{self, Exercise, exercises};
use crate::pace::{self, Part};
use crate::summary::{Heading, pages, read, title};

/// How the directive is written, for messages.
const USAGE: &str = "{{#time teaching=50 level=must needs=PAGE.md}}";

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

/// What a course does with a section when time is short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The first to be left out.
    Skip,
    /// Left out next.
    Should,
    /// Never left out.
    Must,
}

impl Level {
    /// Reads `must`, `should` or `skip`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Skip, Self::Should, Self::Must].into_iter().find(|level| level.word() == word)
    }

    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Should => "should",
            Self::Must => "must",
        }
    }
}

/// The arguments of a page's `{{#time …}}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time {
    /// Minutes of teaching, the questions under "Check yourself" included.
    pub teaching: u32,
    /// Whether a short course leaves it out.
    pub level: Level,
    /// The pages on which this one builds, such as `server.md`.
    pub needs: Vec<String>,
}

impl Time {
    /// Reads a directive's arguments.
    pub fn parse(arguments: &str) -> Result<Self> {
        let (mut teaching, mut level, mut needs) = (None, None, Vec::new());
        for word in arguments.split_whitespace() {
            let (key, value) = word.split_once('=').with_context(|| format!("expected {USAGE}"))?;
            match key {
                "teaching" if teaching.is_none() => teaching = Some(minutes(word, value)?),
                "level" if level.is_none() => {
                    let parsed = Level::parse(value);
                    level = Some(parsed.with_context(|| format!("{word}: must, should or skip"))?);
                }
                "needs" => needs.extend(value.split(',').map(str::to_owned)),
                "teaching" | "level" => bail!("`{key}` is there twice"),
                _ => bail!("there is no `{key}`: expected {USAGE}"),
            }
        }
        let teaching = teaching.with_context(|| format!("no `teaching`: expected {USAGE}"))?;
        let level = level.with_context(|| format!("no `level`: expected {USAGE}"))?;
        if teaching == 0 {
            bail!("teaching=0: every page takes some minutes");
        }
        Ok(Self { teaching, level, needs })
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
    /// Its first heading.
    pub title: String,
    /// Its head.
    pub time: Time,
    /// Its exercises.
    pub exercises: Vec<Exercise>,
    /// Its parts, up to the exercises.
    pub parts: Vec<Part>,
}

impl Section {
    /// The page's name, without the ending.
    #[must_use]
    pub fn name(&self) -> &str {
        self.page.trim_end_matches(".md")
    }
}

/// The book's pages that take time, in the order of the summary.
pub fn sections(root: &Path) -> Result<Vec<Section>> {
    let src = &edition::src(root);
    let mut sections = Vec::new();
    for page in pages(src)? {
        let text = read(src, &page)?;
        if let Some(line) = times(&text).first() {
            let time = Time::parse(line.arguments)
                .with_context(|| format!("{page}:{}: {}", line.number, line.text))?;
            let exercises = exercises(&text).with_context(|| page.clone())?;
            let parts = parts(root, &page, &text).with_context(|| page.clone())?;
            sections.push(Section { title: title(&text, &page), page, time, exercises, parts });
        }
    }
    Ok(sections)
}

/// The parts of a page. A course takes as long in each language as in English, so the weights are those of the English
/// page.
fn parts(root: &Path, page: &str, text: &str) -> Result<Vec<Part>> {
    if edition::folder() == ENGLISH {
        return pace::parts(root, text);
    }
    let mut parts = pace::parts(root, &read(&root.join(ENGLISH).join("src"), page)?)?;
    let headings: Vec<Heading> = text.lines().filter_map(Heading::in_line).collect();
    for part in &mut parts {
        let same = headings.iter().find(|it| it.id == Some(&*part.id) && !part.id.is_empty());
        if let Some(heading) = same {
            heading.title.clone_into(&mut part.heading);
        }
    }
    Ok(parts)
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
pub fn problems(root: &Path) -> Result<Vec<String>> {
    let src = &root.join(ENGLISH).join("src");
    let pages = pages(src)?;
    let has_notes = edition::has_solutions(root);
    let mut problems = Vec::new();
    for (index, page) in pages.iter().enumerate() {
        let text = read(src, page)?;
        let mut found = problems_of(&text, page, &pages[..index]);
        if has_notes {
            found.extend(problems_of_notes(&text));
        }
        problems.extend(found.into_iter().map(|problem| format!("{ENGLISH}/src/{page}{problem}")));
    }
    if problems.is_empty() {
        let sections = sections(root)?;
        for section in &sections {
            let found = against_the_rules(root, section, &sections)?;
            let page = &section.page;
            problems.extend(found.into_iter().map(|it| format!("{ENGLISH}/src/{page}{it}")));
        }
    }
    Ok(problems)
}

/// Where a section's minutes are far from the rules, or it needs one that is left out before it.
fn against_the_rules(root: &Path, section: &Section, all: &[Section]) -> Result<Vec<String>> {
    let Time { teaching, level, needs } = &section.time;
    let mut problems = exercises::problems(root, &section.exercises)?;
    let rule = pace::minutes(&section.parts);
    if !pace::is_near(*teaching, rule) {
        problems.push(format!(": teaching={teaching}, and the page takes {rule} by the rule"));
    }
    let is_left_out = |it: &&Section| needs.contains(&it.page) && it.time.level < *level;
    for needed in all.iter().filter(is_left_out) {
        let (level, page, lower) = (level.word(), &needed.page, needed.time.level.word());
        problems.push(format!(": level={level}, and it needs {page}, which has level={lower}"));
    }
    Ok(problems)
}

/// Returns what is wrong with one page's head; `before` are the pages before it.
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
    if let Err(error) = exercises(text) {
        problems.push(format!(": {error}"));
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
        complain("is outside of the objectives");
    }
    match Time::parse(line.arguments) {
        Err(error) => complain(&format!("{error:#}")),
        Ok(time) => {
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

/// Returns what the notes for teachers lack on a page with key points.
fn problems_of_notes(text: &str) -> Vec<String> {
    if !text.lines().any(|line| line.starts_with("## Key points")) {
        return Vec::new();
    }
    let Some((_, notes)) = text.split_once(TEACHERS_NOTES) else {
        return vec![format!(": it has key points, but no notes for teachers: {TEACHERS_NOTES}")];
    };
    let has = |words: &&&[&str]| words.iter().any(|word| notes.contains(word));
    let missing = IN_NOTES.iter().filter(|words| !has(words));
    missing.map(|words| format!(": its notes for teachers have no {}", words[0])).collect()
}

/// Returns the content of a page's box of objectives.
fn objectives(text: &str) -> Option<&str> {
    let inside = text.split_once(OBJECTIVES)?.1;
    Some(inside.split_once("</div>").map_or(inside, |(inside, _)| inside))
}

#[cfg(test)]
mod tests {
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
        let time = Time::parse("teaching=50 level=should needs=a.md,b.md needs=c.md").unwrap();
        assert_eq!((time.teaching, time.level), (50, Level::Should));
        assert_eq!(time.needs, ["a.md", "b.md", "c.md"]);
        assert_eq!(Time::parse("level=skip teaching=5").unwrap().needs, [""; 0]);
    }

    #[test]
    fn minutes_that_are_missing_or_silly_are_refused() {
        assert_eq!(error("level=must"), format!("no `teaching`: expected {USAGE}"));
        assert_eq!(error("teaching=5"), format!("no `level`: expected {USAGE}"));
        assert_eq!(error("teaching=0 level=must"), "teaching=0: every page takes some minutes");
        assert_eq!(error("teaching=52 level=must"), "teaching=52 is not a multiple of 5");
        assert_eq!(error("teaching=5 level=can"), "level=can: must, should or skip");
        assert_eq!(error("teaching=-5 level=must"), "teaching=-5 is no number");
        assert_eq!(error("teaching=5 teaching=5"), "`teaching` is there twice");
        assert_eq!(error("time=5"), format!("there is no `time`: expected {USAGE}"));
        assert_eq!(error("50 25"), format!("expected {USAGE}"));
    }

    #[test]
    fn a_sound_head_passes_and_a_page_without_anything_needs_none() {
        let sound = page("{{#time teaching=5 level=must needs=a.md}}");
        assert_eq!(problems_in(&sound), [""; 0]);
        assert_eq!(problems_of_notes(&sound), [""; 0]);
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
        let time = "{{#time teaching=5 level=must}}";
        let twice = page(&format!("{time}\n\n{time}"));
        assert!(problems_in(&twice)[0].starts_with(": it has 2 times"));
        let empty = page(time).replacen("- read;", "read.", 1);
        assert_eq!(problems_in(&empty), [": its objectives are empty"]);
    }

    #[test]
    fn a_time_outside_of_the_objectives_is_found() {
        let time = "{{#time teaching=5 level=must}}";
        let outside = page("") + "\n" + time + "\n";
        let problems = problems_in(&outside);
        assert!(problems[0].ends_with(&format!("{time}: is outside of the objectives")));
    }

    #[test]
    fn key_points_without_notes_for_teachers_are_found() {
        let page = page("{{#time teaching=5 level=must}}").replace(TEACHERS_NOTES, "<details>");
        let expected = format!(": it has key points, but no notes for teachers: {TEACHERS_NOTES}");
        assert_eq!(problems_of_notes(&page), [expected]);
        assert_eq!(problems_of_notes("# A page\n"), [""; 0]);
    }

    /// The sources of a learner's bundle have neither notes nor the page for teachers.
    #[test]
    fn notes_are_expected_where_the_page_for_teachers_is() {
        let text = of_five_minutes("{{#time teaching=5 level=must}}");
        let bare = text.replace(TEACHERS_NOTES, "<details>");
        let pages = [SUMMARY, ("a.md", &text), ("b.md", &bare), ("c.md", "# C\n")];
        let tree = book(&pages);
        assert_eq!(problems(tree.path()).unwrap(), [""; 0]);
        let with_teaching = format!("{}- [Teaching](teaching.md)\n", SUMMARY.1);
        for (page, text) in [("SUMMARY.md", &*with_teaching), ("teaching.md", "# Teaching\n")] {
            workspace::fixture::write(tree.path(), &format!("{ENGLISH}/src/{page}"), text);
        }
        let found = problems(tree.path()).unwrap();
        assert!(found.len() == 1 && found[0].starts_with("book/en/src/b.md: it has key points"));
    }

    #[test]
    fn notes_for_teachers_that_leave_something_out_are_found() {
        let sound = page("{{#time teaching=5 level=must}}");
        assert_eq!(problems_of_notes(&sound.replace("**Draw", "**Play")), [""; 0]);
        let wrong = sound.replace("**Draw", "**Sing").replace("**Ask", "**Tell");
        let problems = problems_of_notes(&wrong);
        let expected =
            ["**Draw", "**Ask"].map(|word| format!(": its notes for teachers have no {word}"));
        assert_eq!(problems, expected);
    }

    #[test]
    fn an_exercise_without_minutes_is_found() {
        let time = "{{#time teaching=5 level=must}}";
        let with_exercises = page(time) + "\n## Exercises {#exercises}\n\n**1. A task.** Do it.\n";
        let expected = ": exercise 1 has no minutes: {{#minutes 15}}";
        assert_eq!(problems_in(&with_exercises), [expected]);
    }

    #[test]
    fn a_need_that_comes_later_is_found() {
        let time = "{{#time teaching=5 level=must needs=a.md,c.md,b.md}}";
        let expected = [
            format!(":9: {time}: c.md does not come before this page in SUMMARY.md"),
            format!(":9: {time}: a page cannot need itself"),
        ];
        assert_eq!(problems_in(&page(time)), expected);
    }

    /// A book of these pages.
    fn book(pages: &[(&str, &str)]) -> tempfile::TempDir {
        let tree = workspace::fixture::tree();
        for (name, text) in pages {
            workspace::fixture::write(tree.path(), &format!("{ENGLISH}/src/{name}"), text);
        }
        tree
    }

    const SUMMARY: (&str, &str) =
        ("SUMMARY.md", "# Summary\n\n[C](c.md)\n- [B](b.md)\n  - [A](a.md)\n");

    /// A page that takes about five minutes.
    fn of_five_minutes(time: &str) -> String {
        page(time) + &"word ".repeat(450).replace("word word word ", "word word word\n")
    }

    #[test]
    fn sections_come_in_the_order_of_the_summary() {
        let text = of_five_minutes("{{#time teaching=5 level=must}}");
        let later = text.replace("level=must", "level=must needs=b.md");
        let tree = book(&[SUMMARY, ("a.md", &later), ("b.md", &text), ("c.md", "# C\n")]);
        let sections = sections(tree.path()).unwrap();
        let names: Vec<&str> = sections.iter().map(Section::name).collect();
        assert_eq!(names, ["b", "a"]);
        assert_eq!(problems(tree.path()).unwrap(), [""; 0]);
    }

    #[test]
    fn minutes_far_from_the_rule_and_a_need_that_is_left_out_first_are_found() {
        let b = of_five_minutes("{{#time teaching=20 level=skip}}");
        let a = of_five_minutes("{{#time teaching=5 level=must needs=b.md}}");
        let tree = book(&[SUMMARY, ("a.md", &a), ("b.md", &b), ("c.md", "# C\n")]);
        let expected = [
            "book/en/src/b.md: teaching=20, and the page takes 5 by the rule",
            "book/en/src/a.md: level=must, and it needs b.md, which has level=skip",
        ];
        assert_eq!(problems(tree.path()).unwrap(), expected);
    }
}
