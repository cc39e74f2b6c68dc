//! The check `carried-over`: a file that a step has from an earlier step is that file, byte for byte.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};
use workspace::root::{self, Step};

/// Compares what the wanted steps declare to be carried over; returns how many files that were.
pub fn check(root: &Path, only: Option<&Step>) -> Result<usize> {
    let steps = root::steps(root)?;
    let mut complaints = Vec::new();
    let mut count = 0;
    for (index, step) in steps.iter().enumerate() {
        if only.is_some_and(|only| only != step) {
            continue;
        }
        for file in &step.carried_over {
            count += 1;
            let before =
                steps[..index].iter().rev().find(|step| step.dir(root).join(file).exists());
            complaints.extend(compare(root, before, step, file));
        }
    }
    if complaints.is_empty() {
        return Ok(count);
    }
    bail!("{}", complaints.join("\n"))
}

/// What is wrong with a file, if there is something. `before` is the nearest earlier step that has it.
fn compare(root: &Path, before: Option<&Step>, step: &Step, file: &str) -> Option<String> {
    let here = format!("steps/{}/{file}", step.name);
    let Some(before) = before else {
        return Some(format!("{here} is listed as carried over, but no earlier step has it"));
    };
    let there = format!("steps/{}/{file}", before.name);
    let (old, new) = match (fs::read(root.join(&there)), fs::read(root.join(&here))) {
        (Ok(old), Ok(new)) => (old, new),
        (Err(error), _) => {
            return Some(format!("{there}: {error}, but {here} is listed as carried over from it"));
        }
        (_, Err(error)) => {
            return Some(format!("{here}: {error}, but it is listed as carried over from {there}"));
        }
    };
    (old != new).then(|| {
        let (line, was, is) = first_difference(&old, &new);
        format!(
            "{here}:{line} is not what {there} has there, and the file is listed as carried over\n\
             - {was}\n\
             + {is}"
        )
    })
}

/// The number of the first line that is not the same, from 1, and the two lines.
fn first_difference(old: &[u8], new: &[u8]) -> (usize, String, String) {
    let mut old = old.split_inclusive(|byte| *byte == b'\n');
    let mut new = new.split_inclusive(|byte| *byte == b'\n');
    let mut number = 1;
    loop {
        let (was, is) = (old.next(), new.next());
        if was != is {
            return (number, visible(was), visible(is));
        }
        number += 1;
    }
}

/// A line in which an end of line of the other kind can be seen.
fn visible(line: Option<&[u8]>) -> String {
    let Some(line) = line else {
        return "(the file has ended)".to_owned();
    };
    let text = String::from_utf8_lossy(line).replace('\r', "\\r");
    match text.strip_suffix('\n') {
        Some(text) => text.to_owned(),
        None => text + " (without a newline)",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use workspace::fixture;

    #[test]
    fn identical_files_pass() {
        let tree = fixture::tree();
        assert_eq!(check(tree.path(), None).unwrap(), 1);
        let first = root::find_step(tree.path(), "1").unwrap();
        assert_eq!(check(tree.path(), Some(&first)).unwrap(), 0);
    }

    #[test]
    fn one_changed_character_is_found_in_the_real_steps() {
        let tree = fixture::copy();
        let count = check(tree.path(), None).unwrap();
        assert!(count > 0, "no step carries anything over");
        let mut files = root::steps(tree.path()).unwrap().into_iter().flat_map(|step| {
            step.carried_over.into_iter().map(move |file| format!("steps/{}/{file}", step.name))
        });
        let path = files.find(|path| path.contains("/src/")).unwrap();
        let text = fs::read_to_string(tree.path().join(&path)).unwrap();
        let line = text.lines().position(|line| line.contains("fn ")).unwrap();
        fixture::replace(tree.path(), &path, "fn ", "fm ");
        let error = check(tree.path(), None).unwrap_err().to_string();
        let start = format!("{path}:{} is not what steps/", line + 1);
        assert!(error.starts_with(&start), "{error}");
        assert!(error.contains("\n+ ") && error.contains("fm "), "{error}");
    }

    #[test]
    fn a_missing_file_is_named() {
        let tree = fixture::tree();
        fs::remove_file(tree.path().join("steps/02-second/src/client.rs")).unwrap();
        let error = check(tree.path(), None).unwrap_err().to_string();
        assert!(error.starts_with("steps/02-second/src/client.rs: "), "{error}");
    }

    #[test]
    fn a_file_that_no_earlier_step_has_is_named() {
        let tree = fixture::tree();
        fixture::write(tree.path(), "steps/01-first/src/frame.rs", "");
        fixture::write(tree.path(), "steps/02-second/src/frame.rs", "");
        let list = "carried-over = [\"src/frame.rs\"]\n";
        fixture::append(tree.path(), "steps/01-first/Cargo.toml", list);
        let error = check(tree.path(), None).unwrap_err().to_string();
        let path = "steps/01-first/src/frame.rs";
        assert_eq!(error, format!("{path} is listed as carried over, but no earlier step has it"));
    }

    /// The step between them may do without the file.
    #[test]
    fn a_file_is_compared_with_the_nearest_earlier_step_that_has_it() {
        let tree = fixture::tree();
        for (step, text) in [("01-first", "old"), ("02-second", "new"), ("04-fourth", "new")] {
            fixture::write(tree.path(), &format!("steps/{step}/src/frame.rs"), text);
        }
        let manifest = "[package]\nname = \"third\"\n";
        fixture::write(tree.path(), "steps/03-third/Cargo.toml", manifest);
        let manifest = "[package]\nname = \"fourth\"\n\n\
                        [package.metadata.step]\ncarried-over = [\"src/frame.rs\"]\n";
        fixture::write(tree.path(), "steps/04-fourth/Cargo.toml", manifest);
        assert_eq!(check(tree.path(), None).unwrap(), 2);
        fixture::write(tree.path(), "steps/04-fourth/src/frame.rs", "old");
        let error = check(tree.path(), None).unwrap_err().to_string();
        let start = "steps/04-fourth/src/frame.rs:1 is not what steps/02-second/src/frame.rs has";
        assert!(error.starts_with(start), "{error}");
    }

    #[test]
    fn other_line_ends_and_a_missing_one_can_be_seen() {
        assert_eq!(
            first_difference(b"a\nb\n", b"a\r\nb\n"),
            (1, "a".to_owned(), "a\\r".to_owned())
        );
        assert_eq!(
            first_difference(b"a\n", b"a"),
            (1, "a".to_owned(), "a (without a newline)".to_owned())
        );
        assert_eq!(
            first_difference(b"a\n", b"a\nb\n"),
            (2, "(the file has ended)".to_owned(), "b".to_owned())
        );
    }
}
