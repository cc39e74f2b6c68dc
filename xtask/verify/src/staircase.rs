//! The staircase: steps against checks. What each step keeps, what it is seen to break, and whether that is still so.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use conformance::check::{CHECKS, Judgement, Promise};
use workspace::promises::promises;
use workspace::root::{Step, Target};

/// The result of a run.
#[derive(Debug)]
pub struct Report {
    /// The table, for a terminal.
    pub table: String,
    /// How many cells of it were looked at.
    pub judged: usize,
    /// What differs from the manifests.
    pub complaints: Vec<String>,
}

/// Holds the steps, or one of them, to every check; their programs must have been built.
pub fn check(root: &Path, target: &Target, only: Option<&Step>) -> Result<Report> {
    let mut rows = Vec::new();
    let mut complaints = Vec::new();
    for (step, promises) in promises(root)? {
        if only.is_some_and(|only| *only != step) {
            continue;
        }
        let program = target.program(&step.package);
        let judgements = promises.judge(&program.to_string_lossy());
        let found = promises.complaints(&judgements);
        complaints.extend(found.into_iter().map(|complaint| format!("{}: {complaint}", step.name)));
        rows.push((promises.number, judgements));
    }
    let judged = rows.iter().map(|(_, judgements)| judgements.len()).sum();
    Ok(Report { table: table(&rows), judged, complaints })
}

/// A line for each check and a column for each step: the result of the run.
fn table(rows: &[(u8, Vec<Judgement>)]) -> String {
    let width = CHECKS.iter().map(|check| check.name.len()).max().unwrap_or_default();
    let mut text = format!("{:width$}", "");
    for (number, _) in rows {
        let _ = write!(text, "  {number:02}"); // writing to a String cannot fail
    }
    for check in CHECKS {
        let cells = rows.iter().map(|(_, judgements)| {
            judgements.iter().find(|judgement| judgement.check.name == check.name)
        });
        let _ = write!(text, "\n{:width$}", check.name);
        for cell in cells {
            let _ = write!(text, "  {:>2}", cell.map_or("", sign));
        }
    }
    text + "\n+ kept, - broken as declared, ! not as the manifest says\n\n"
}

fn sign(judgement: &Judgement) -> &'static str {
    match (judgement.complaint(), judgement.promise) {
        (Some(_), _) => "!",
        (None, Some(Promise::Kept)) => "+",
        (None, _) => "-",
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use conformance::Failure;
    use conformance::check::{self, Exercise, Language, Promises};
    use workspace::{edition, fixture, root};

    use crate::programs;

    fn judged(name: &str, promise: Promise, failed: bool) -> Judgement {
        let check = check::check(name).unwrap();
        let failure = failed.then(|| Failure::new("it failed"));
        Judgement { check, promise: Some(promise), failure }
    }

    #[test]
    fn the_table_tells_kept_broken_wrong_and_meaningless_apart() {
        let rows = [
            (
                1,
                vec![
                    judged("reply", Promise::Kept, false),
                    judged("next-client", Promise::Broken, true),
                ],
            ),
            (
                3,
                vec![
                    judged("reply", Promise::Kept, true),
                    judged("next-client", Promise::Broken, false),
                ],
            ),
        ];
        let table = table(&rows);
        let line = |name: &str| table.lines().find(|line| line.starts_with(name)).unwrap();
        let cells = |name: &str| line(name)[name.len()..].trim_start().to_owned();
        assert!(table.starts_with("                ") && table.contains("  01  03\n"), "{table}");
        assert_eq!(cells("reply"), "+   !");
        assert_eq!(cells("next-client"), "-   !");
        assert_eq!(cells("boundaries"), "");
    }

    #[test]
    fn a_manifest_that_says_something_else_than_the_run_is_a_failure() {
        let (tree, target) = (fixture::copy(), root::target().unwrap());
        let step = root::find_step(tree.path(), "01").unwrap();
        programs::build_missing(&root::repository(), &target, &step);
        let manifest = "steps/01-single-shot/Cargo.toml";
        let kept_as_broken = "\nreply = \"message-loop.md#";
        fixture::replace(
            tree.path(),
            manifest,
            "\nmany-messages = \"message-loop.md#",
            kept_as_broken,
        );
        fixture::replace(tree.path(), manifest, "keeps = [\"reply\"", "keeps = [\"many-messages\"");
        let report = check(tree.path(), &target, Some(&step)).unwrap();
        let [reply, many_messages] = &report.complaints[..] else { panic!("{report:?}") };
        assert!(
            reply.ends_with("reply: the manifest says that this step breaks it, but it keeps it")
        );
        assert!(many_messages.starts_with("01-single-shot: many-messages: "), "{many_messages}");
        let is_wrong = |line: &str, name: &str| line.starts_with(name) && line.ends_with('!');
        let shown = |name: &str| report.table.lines().any(|line| is_wrong(line, name));
        assert!(shown("reply") && shown("many-messages"), "{}", report.table);
    }

    /// The repository, if it has solutions: a learner's bundle does not.
    fn repository_with_solutions() -> Option<PathBuf> {
        let root = root::repository();
        if edition::has_solutions(&root) {
            return Some(root);
        }
        eprintln!("not asked: {} has no solutions", root.display());
        None
    }

    #[test]
    fn every_exercise_is_on_a_page_with_its_checks_and_its_solution() {
        let Some(root) = repository_with_solutions() else { return };
        let pages = std::fs::read_dir(root.join("book/en/src")).unwrap();
        let pages: Vec<String> = pages
            .map(|page| std::fs::read_to_string(page.unwrap().path()).unwrap_or_default())
            .collect();
        for (step, promises) in promises(&root).unwrap() {
            let exercises = Exercise::read(&step.dir(&root)).unwrap();
            assert!(!exercises.is_empty(), "{} has no exercise that is judged", step.name);
            for exercise in exercises {
                let only = exercise.checks.iter().flat_map(|check| [" --only ", check.name]);
                let only: String = only.collect();
                let side = if exercise.is_client { " --client" } else { "" };
                let number = promises.number;
                let command = format!("cargo xtask check {number:02}{only}{side} -- YOUR PROGRAM");
                // It is followed by the solution in Python.
                let solution = root::shown(Path::new(""), &exercise.solution(Language::Rust));
                let listing = format!("{{{{#listing {} {solution}}}}}", step.name);
                let is_whole = |page: &&String| page.contains(&command) && page.contains(&listing);
                let found = pages.iter().find(is_whole);
                assert!(found.is_some(), "no page has `{command}` and `{listing}`");
            }
        }
    }

    /// The exercises of a page, each from its number to the next one's.
    fn exercises_on(page: &str) -> Vec<&str> {
        let section = page.split("## Exercises {#exercises}").nth(1).unwrap();
        let section = section.split("<details class=\"teacher\">").next().unwrap();
        let starts: Vec<usize> = (1..)
            .map_while(|number| section.find(&format!("\n**{number}. ")))
            .chain([section.len()])
            .collect();
        starts.windows(2).map(|ends| &section[ends[0]..ends[1]]).collect()
    }

    #[test]
    fn every_chapter_has_exercises_and_whoever_is_asked_for_a_program_is_told_who_judges_it() {
        let Some(root) = repository_with_solutions() else { return };
        let steps = promises(&root).unwrap();
        let mut judged = 0;
        let chapters = steps.iter().map(|(_, promises)| promises.chapter.as_str());
        for name in chapters.chain(["client.md", "large-bodies.md", "safe-downloads.md"]) {
            let page = std::fs::read_to_string(root.join("book/en/src").join(name)).unwrap();
            let exercises = exercises_on(&page);
            assert!((2..=4).contains(&exercises.len()), "{name} has {}", exercises.len());
            for (index, exercise) in exercises.iter().enumerate() {
                let number = index + 1;
                for summary in ["Hint", "Solution"] {
                    let folded = format!("<details><summary>{summary}</summary>");
                    assert_eq!(exercise.matches(&folded).count(), 1, "{name}, {number}: {summary}");
                }
                let asks =
                    ["Write a server", "Write a client"].iter().any(|it| exercise.contains(it));
                let is_judged = exercise
                    .split_once("\nJudged by")
                    .and_then(|(_, rest)| rest.split_once(":\n\n"))
                    .is_some_and(|(_, rest)| rest.starts_with("```sh\ncargo xtask check "));
                assert_eq!(asks, is_judged, "{name}, {number}: a program, and who judges it");
                judged += usize::from(is_judged);
            }
        }
        let solutions =
            steps.iter().map(|(step, _)| Exercise::read(&step.dir(&root)).unwrap().len());
        assert_eq!(judged, solutions.sum::<usize>(), "each judged exercise has one solution");
    }

    #[test]
    fn every_cell_leads_to_a_sentence() {
        let root = root::repository();
        let promises = promises(&root).unwrap();
        let breaks = promises.iter().flat_map(|(_, step)| &step.breaks);
        let breaks = breaks.map(|(check, place)| (check.as_str(), place.as_str()));
        for (check, place) in CHECKS.iter().map(|check| (check.name, check.section)).chain(breaks) {
            let (page, id) = place.split_once('#').unwrap();
            let text = std::fs::read_to_string(root.join("book/en/src").join(page)).unwrap();
            let (start, end) = (format!("<span id=\"{id}\">"), "</span>");
            let sentence = text.split_once(&start).and_then(|(_, rest)| rest.split_once(end));
            let sentence = sentence.map(|(sentence, _)| sentence).unwrap_or_default();
            assert!(sentence.contains(' '), "{check}: {place} is no sentence");
        }
    }

    #[test]
    fn every_step_says_what_it_promises() {
        let promises = promises(&root::repository()).unwrap();
        assert_eq!(promises[0].1.promise("reply"), Some(Promise::Kept));
        assert_eq!(promises[0].1.promise("many-messages"), Some(Promise::Broken));
    }

    #[test]
    fn every_chapter_has_its_row_below_one_of_its_headings() {
        let root = root::repository();
        // Step 05 only shows something: it has no promises.
        let is_asked = |(_, promises): &(Step, Promises)| !promises.keeps.is_empty();
        for (step, promises) in promises(&root).unwrap().into_iter().filter(is_asked) {
            let page = root.join("book/en/src").join(&promises.chapter);
            let text = std::fs::read_to_string(page).unwrap();
            let (_, below) = text.split_once("\n## ").unwrap();
            let row = format!("\n{{{{#staircase {:02}}}}}\n", promises.number);
            assert!(below.contains(&row), "{}: {}", step.name, promises.chapter);
        }
    }
}
