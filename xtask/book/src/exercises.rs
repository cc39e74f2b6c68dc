//! The exercises of a page, and how many minutes each takes.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use conformance::text;

use crate::directive::Directive;
use crate::heads::STEP_MINUTES;
use crate::pace;
use crate::summary::begins_section;

/// How the directive is written, for messages.
const USAGE: &str = "{{#minutes 15}}";

/// An exercise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exercise {
    /// Its number on its page.
    pub number: String,
    /// The minutes that it takes; 0 if the page does not state them.
    pub minutes: u32,
    /// Step and file of each solution that the page shows.
    solutions: Vec<(String, String)>,
}

/// What replaces a `{{#minutes …}}`.
pub fn markdown(arguments: &str) -> Result<String> {
    let minutes = parse(arguments)?;
    Ok(text!("time.exercise", minutes))
}

fn parse(arguments: &str) -> Result<u32> {
    let minutes: u32 = arguments.parse().ok().with_context(|| format!("expected {USAGE}"))?;
    if minutes == 0 || !minutes.is_multiple_of(STEP_MINUTES) {
        bail!("{minutes} is not a multiple of {STEP_MINUTES}");
    }
    Ok(minutes)
}

/// The exercises of a page, in its order; an error names one whose minutes are missing or wrong.
pub fn exercises(text: &str) -> Result<Vec<Exercise>> {
    let mut exercises: Vec<Exercise> = Vec::new();
    let inside = text.lines().skip_while(|line| !begins_section(line, "exercises")).skip(1);
    for line in inside.take_while(|line| !line.starts_with("## ")) {
        if let Some(number) = number(line) {
            let number = number.to_owned();
            exercises.push(Exercise { number, minutes: 0, solutions: Vec::new() });
        }
        let (Some(directive), Some(exercise)) = (Directive::alone_in(line), exercises.last_mut())
        else {
            continue;
        };
        match (directive.name, directive.arguments.split_once(' ')) {
            ("minutes", _) if exercise.minutes > 0 => {
                bail!("exercise {} has minutes twice", exercise.number)
            }
            ("minutes", _) => exercise.minutes = parse(directive.arguments)?,
            ("listing", Some((step, file))) if file.starts_with("exercises/") => {
                let file = file.strip_suffix(" rust").unwrap_or(file);
                exercise.solutions.push((step.to_owned(), file.to_owned()));
            }
            _ => {}
        }
    }
    if let Some(Exercise { number, .. }) = exercises.iter().find(|it| it.minutes == 0) {
        bail!("exercise {number} has no minutes: {USAGE}");
    }
    Ok(exercises)
}

/// The number of an exercise that begins in this line: `**2. A title.** …`.
fn number(line: &str) -> Option<&str> {
    let (number, _) = line.strip_prefix("**")?.split_once(". ")?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(number)
}

/// One line for each exercise whose minutes are far from those that its longest solution takes.
pub fn problems(root: &Path, exercises: &[Exercise]) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for Exercise { number, minutes, solutions } in exercises {
        let rules = solutions.iter().map(|(step, file)| pace::program_minutes(root, step, file));
        let rules: Vec<usize> = rules.collect::<Result<_>>()?;
        if let Some(&rule) = rules.iter().max()
            && !pace::is_near(*minutes, rule)
        {
            problems.push(format!(
                ": exercise {number} has {minutes} minutes, and its solution takes {rule} by the rule"
            ));
        }
    }
    Ok(problems)
}

#[cfg(test)]
mod tests {
    use workspace::fixture;

    use super::*;

    const PAGE: &str = "# A\n\n**1. No exercise.** It comes too early.\n\n## Exercises {#exercises}\n\n\
        **1. One.** Do it.\n\n{{#minutes 5}}\n\n**2. Two.** Write it.\n\n{{#minutes 30}}\n\n\
        {{#listing 01-first exercises/x.rs}}\n\n{{#listing 01-first src/server.rs}}\n\n## After\n";

    fn error(from: &str, to: &str) -> String {
        exercises(&PAGE.replacen(from, to, 1)).unwrap_err().to_string()
    }

    #[test]
    fn exercises_have_numbers_and_minutes() {
        let exercises = exercises(PAGE).unwrap();
        let found: Vec<(&str, u32)> =
            exercises.iter().map(|it| (it.number.as_str(), it.minutes)).collect();
        assert_eq!(found, [("1", 5), ("2", 30)]);
        assert_eq!(markdown("5").unwrap(), "*About 5 minutes.*");
    }

    #[test]
    fn minutes_that_are_missing_double_or_odd_are_errors() {
        assert_eq!(error("{{#minutes 5}}", ""), format!("exercise 1 has no minutes: {USAGE}"));
        let twice = "{{#minutes 5}}\n{{#minutes 5}}";
        assert_eq!(error("{{#minutes 5}}", twice), "exercise 1 has minutes twice");
        assert_eq!(error("{{#minutes 5}}", "{{#minutes 7}}"), "7 is not a multiple of 5");
        assert_eq!(error("{{#minutes 5}}", "{{#minutes 0}}"), "0 is not a multiple of 5");
        assert_eq!(error("{{#minutes 5}}", "{{#minutes x}}"), format!("expected {USAGE}"));
    }

    #[test]
    fn minutes_far_from_what_the_solution_takes_are_found() {
        let tree = fixture::tree();
        let path = "steps/01-first/exercises/x.rs";
        fixture::write(tree.path(), path, &"x();\n".repeat(60));
        let exercises = exercises(PAGE).unwrap();
        assert_eq!(problems(tree.path(), &exercises).unwrap(), [""; 0]);
        fixture::write(tree.path(), path, &"x();\n".repeat(300));
        let expected = ": exercise 2 has 30 minutes, and its solution takes 110 by the rule";
        assert_eq!(problems(tree.path(), &exercises).unwrap(), [expected]);
    }
}
