//! A sheet to print: a page's questions and exercises, each with room to write.

use std::ops::Range;

use anyhow::Result;
use conformance::text;

use crate::fold::{self, Kind};
use crate::summary;

/// What only an exercise has whose answer is a program: the command that judges it.
const JUDGED: &str = " -- YOUR PROGRAM\n";

/// How many words of the book's answer, which is longer than a learner's, get one line of handwriting.
const WORDS_PER_LINE: usize = 12;

/// The ids of the sections that have tasks, and how many lines of handwriting one of their tasks gets, at least and at most.
const SECTIONS: [(&str, usize, usize); 2] = [("check-yourself", 3, 6), ("exercises", 5, 9)];

/// The sheet of a page; none for a page without tasks.
pub fn sheet(page: &str) -> Result<Option<String>> {
    let mut sheet = String::new();
    for (id, least, most) in SECTIONS {
        let Some(section) = section(page, id) else { continue };
        let (heading, body) = page[section.clone()].split_once('\n').unwrap_or_default();
        sheet.push_str(heading);
        sheet.push_str("\n\n");
        let section = section.end - body.len()..section.end;
        for (task, number) in tasks(page, section)?.iter().zip(1..) {
            sheet.push_str(&task.block(number, least, most));
        }
    }
    if sheet.is_empty() {
        return Ok(None);
    }
    let (title, name, date) = (summary::title(page, ""), text!("sheet.name"), text!("sheet.date"));
    let fields = format!("<p class=\"fields\"><span>{name}</span><span>{date}</span></p>");
    let sheet = fold::without_links(&sheet, |target| !target.contains(':'));
    Ok(Some(format!("# {title}\n\n{fields}\n\n{sheet}")))
}

/// From the heading with this id to the next of its rank, or to the end.
fn section(page: &str, id: &str) -> Option<Range<usize>> {
    let line = page.lines().find(|line| summary::begins_section(line, id))?;
    let start = page.find(line)?;
    let end = page[start..].find("\n## ").map_or(page.len(), |end| start + end + 1);
    Some(start..end)
}

/// A question or an exercise.
#[derive(Debug, PartialEq, Eq)]
struct Task<'a> {
    text: &'a str,
    /// How many words the book's answer has.
    answer: usize,
}

/// The tasks in a part of a page: all that precedes an answer, a hint or a solution.
fn tasks(page: &str, part: Range<usize>) -> Result<Vec<Task<'_>>> {
    let mut tasks: Vec<Task<'_>> = Vec::new();
    let mut end = part.start;
    for block in fold::blocks(page)? {
        let is_outside = block.range.start < end || block.range.end > part.end;
        match block.kind {
            _ if is_outside => continue,
            Kind::Notes | Kind::More => break,
            Kind::Answer | Kind::Hint | Kind::Solution => {}
        }
        let text = page[end..block.range.start].trim();
        if !text.is_empty() {
            tasks.push(Task { text, answer: 0 });
        }
        if let (Some(task), Kind::Answer | Kind::Solution) = (tasks.last_mut(), block.kind) {
            task.answer = page[block.range.clone()].split_whitespace().count();
        }
        end = block.range.end;
    }
    Ok(tasks)
}

impl Task<'_> {
    /// The task as Markdown, with its number and room to write, in a block that is not torn apart.
    fn block(&self, number: usize, least: usize, most: usize) -> String {
        let bare = self.text.strip_prefix(&format!("**{number}.** "));
        let bare = bare.or_else(|| self.text.strip_prefix(&format!("{number}. ")));
        let text = match bare.unwrap_or(self.text) {
            titled if titled.starts_with(&format!("**{number}.")) => titled.to_owned(),
            text => format!("**{number}.** {text}"),
        };
        let room = if self.text.contains(JUDGED) {
            let (sketch, kept) = (text!("sheet.sketch"), text!("sheet.kept"));
            let kept = format!("<p class=\"fields\"><span>{kept}</span></p>");
            format!("<div class=\"room squared\"><span>{sketch}</span></div>{kept}")
        } else {
            let lines = (self.answer / WORDS_PER_LINE).clamp(least, most);
            format!("<div class=\"room\">{}</div>", "<span></span>".repeat(lines))
        };
        format!("<div class=\"task\">\n\n{text}\n\n{room}\n\n</div>\n\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
# A page

## Idea {#idea}

<details><summary>Answer</summary>

Not of a task.

</details>

## Check yourself {#check-yourself}

What is [it](other.md#it)?

<details><summary>Answer</summary>

An answer of a few words.

</details>

**2.** And [that](https://example.org/)?

{{#session a/b}}

<details><summary>Answer</summary>

WORDS

</details>

3. In a list?

   <details><summary>Answer</summary>

   Yes.

   </details>

## Exercises {#exercises}

**1. Do it.** Do it twice.

<details><summary>Hint</summary>

A hint.

</details>

<details><summary>Solution</summary>

A secret.

</details>

**2. Write it.** Write a server.

Judged by:

```sh
cargo xtask check 01 -- YOUR PROGRAM
```

<details><summary>Solution</summary>

{{#listing a b}}

</details>

<details class=\"teacher\"><summary>Notes for teachers</summary>

Say it.

</details>

More text.

<details><summary>Answer</summary>

None.

</details>
";

    fn page() -> String {
        PAGE.replace("WORDS", &"word ".repeat(60))
    }

    #[test]
    fn a_sheet_has_the_tasks_and_neither_answers_nor_hints_nor_links_into_the_book() {
        let sheet = sheet(&page()).unwrap().unwrap();
        for task in [
            "# A page\n",
            "## Check yourself {#check-yourself}\n",
            "**1.** What is it?",
            "**2.** And [that](https://example.org/)?\n\n{{#session a/b}}",
            "**3.** In a list?",
            "## Exercises {#exercises}\n",
            "**1. Do it.** Do it twice.",
            "**2. Write it.** Write a server.\n\nJudged by:\n\n```sh\n",
        ] {
            assert!(sheet.contains(task), "{task} in {sheet}");
        }
        for gone in
            ["details", "answer", "A hint", "secret", "listing", "Say it", "More text", "None"]
        {
            assert!(!sheet.contains(gone), "{gone} in {sheet}");
        }
    }

    #[test]
    fn there_is_more_room_for_a_longer_answer_and_squares_for_a_program() {
        let sheet = sheet(&page()).unwrap().unwrap();
        let lines: Vec<usize> = sheet
            .split("class=\"task\"")
            .skip(1)
            .map(|it| it.matches("<span></span>").count())
            .collect();
        assert_eq!(lines, [3, 5, 3, 5, 0]);
        assert_eq!(sheet.matches("squared").count(), 1);
    }

    #[test]
    fn a_page_without_tasks_has_no_sheet() {
        assert_eq!(sheet("# A page\n\n## Idea\n\nText.\n").unwrap(), None);
    }
}
