//! What a build of the book holds: all of it, or what a learner, a teacher or a sheet of paper needs.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum;
use conformance::text;
use mdbook_preprocessor::book::{Book, BookItem, Chapter};
use workspace::edition::{TEACHING, folder};

use crate::fold::{self, Kind};
use crate::sheet::sheet;
use crate::summary;

/// The folder of the pages that only the teacher's edition has, beside `src`: mdBook by itself does not see them.
pub const TEACHERS_FOLDER: &str = "teacher";

/// For whom the book is built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Edition {
    /// For all: solutions and notes for teachers are folded
    #[default]
    #[value(skip)]
    Everyone,
    /// Without solutions, without notes for teachers, and without the page Teaching this book
    Learner,
    /// Everything unfolded, with the teacher's pages (exams, keys, a rubric); do not publish it
    Teacher,
    /// Sheets to print: each section's questions and exercises, with room to write
    Handout,
}

impl Edition {
    /// All of them, beginning with the one for all readers.
    pub const ALL: [Self; 4] = [Self::Everyone, Self::Learner, Self::Teacher, Self::Handout];

    /// What is added to the book's title.
    pub fn title(self) -> Option<String> {
        match self {
            Self::Everyone | Self::Learner => None,
            Self::Teacher => Some(text!("edition.teacher")),
            Self::Handout => Some(text!("edition.handout")),
        }
    }

    /// What is added to the names of folders and archives.
    pub fn suffix(self) -> String {
        self.to_possible_value().map_or(String::new(), |value| format!("-{}", value.get_name()))
    }

    /// Whether a page of the book, by its path in `src`, is in this edition.
    pub fn has_page(self, page: &str) -> bool {
        self.has_solutions() || page != TEACHING
    }

    /// Whether solutions and notes for teachers are in it.
    pub fn has_solutions(self) -> bool {
        matches!(self, Self::Everyone | Self::Teacher)
    }

    /// Puts pages in and takes pages out, and changes the others.
    pub fn shape(self, root: &Path, book: &mut Book) -> Result<()> {
        self.retain(&mut book.items);
        if self == Self::Handout {
            book.items = sheets(book)?;
            return Ok(());
        }
        if self == Self::Teacher {
            let names: Vec<&Path> = book.chapters().filter_map(|it| it.path.as_deref()).collect();
            let pages = teachers_pages(root)?;
            if let Some(page) = pages.iter().find(|page| names.contains(&page.path())) {
                bail!("{}: the book has a page of this name", page.shown());
            }
            book.push_item(BookItem::PartTitle(text!("edition.part")));
            for page in pages {
                book.push_item(page.chapter());
            }
        }
        let mut problems = Vec::new();
        book.for_each_chapter_mut(|chapter| match self.page(&chapter.content) {
            Ok(text) => chapter.content = text,
            Err(error) => {
                let page = chapter.source_path.as_deref().unwrap_or(Path::new(&chapter.name));
                problems.push(format!("{}: {error:#}", page.display()));
            }
        });
        if problems.is_empty() {
            return Ok(());
        }
        bail!("{}", problems.join("\n"))
    }

    fn retain(self, items: &mut Vec<BookItem>) {
        items.retain_mut(|item| {
            let BookItem::Chapter(chapter) = item else { return true };
            self.retain(&mut chapter.sub_items);
            let page = chapter.source_path.as_deref().and_then(Path::to_str);
            page.is_none_or(|page| self.has_page(page))
        });
    }

    /// A page's text, as this edition has it.
    ///
    /// It marks where each block is on paper: `after` the last question, or not at all.
    fn page(self, text: &str) -> Result<String> {
        fold::with_attributes(&self.source(text)?, |kind| match (self, kind) {
            (_, Kind::More) => "",
            (Self::Teacher, Kind::Notes) => " open",
            (Self::Teacher, _) => r#" open data-paper="after""#,
            (_, Kind::Answer | Kind::Hint) => r#" data-paper="after""#,
            (_, Kind::Solution | Kind::Notes) => r#" data-paper="no""#,
        })
    }

    /// A page's source without what this edition must not show.
    pub fn source(self, text: &str) -> Result<String> {
        if self.has_solutions() {
            return Ok(text.to_owned());
        }
        let text = fold::without(text, |kind| matches!(kind, Kind::Solution | Kind::Notes))?;
        Ok(fold::without_links(&text, |target| {
            let page = target.split('#').next().unwrap_or(target);
            page.rsplit('/').next() == Some(TEACHING)
        }))
    }
}

/// The sheets of all pages that have tasks, one after the other.
fn sheets(book: &Book) -> Result<Vec<BookItem>> {
    let mut sheets = Vec::new();
    for chapter in book.chapters() {
        let shown = || chapter.name.clone();
        if let Some(content) = sheet(&chapter.content).with_context(shown)? {
            let mut chapter = chapter.clone();
            (chapter.content, chapter.sub_items) = (content, Vec::new());
            sheets.push(BookItem::Chapter(chapter));
        }
    }
    Ok(sheets)
}

/// A page that only teachers have.
struct TeachersPage {
    name: String,
    title: String,
    text: String,
}

impl TeachersPage {
    fn path(&self) -> &Path {
        Path::new(&self.name)
    }

    fn shown(&self) -> String {
        format!("{}/{TEACHERS_FOLDER}/{}", folder(), self.name)
    }

    /// It is among the other pages, so links to them are those that it would have in `src`.
    fn chapter(self) -> Chapter {
        let mut chapter = Chapter::new(&self.title, self.text, &self.name, Vec::new());
        chapter.source_path = Some(PathBuf::from(format!("../{TEACHERS_FOLDER}/{}", self.name)));
        chapter
    }
}

/// The teacher's pages, in the order of the list in `SUMMARY.md` beside them.
fn teachers_pages(root: &Path) -> Result<Vec<TeachersPage>> {
    let shown = format!("{}/{TEACHERS_FOLDER}", folder());
    let folder = root.join(&shown);
    if !folder.is_dir() {
        bail!("{}", text!("edition.no-folder"));
    }
    let names = summary::pages(&folder)?;
    for entry in folder.read_dir().with_context(|| format!("cannot list {}", folder.display()))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "SUMMARY.md" && !names.contains(&name) {
            bail!("{shown}/SUMMARY.md does not list {name}");
        }
    }
    let page = |name: String| {
        let text = summary::read(&folder, &name)?;
        Ok(TeachersPage { title: summary::title(&text, &name), text, name })
    };
    names.into_iter().map(page).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use workspace::fixture;

    use super::*;
    use crate::build;

    /// A fixture with a question, a solution, notes, an exam, and the page on teaching.
    fn tree() -> tempfile::TempDir {
        let tree = fixture::tree();
        fixture::append(tree.path(), "book/en/src/SUMMARY.md", "- [Teaching](teaching.md)\n");
        let teaching = "# Teaching\n\n## Doctor {#doctor}\n\nA plan for a class.\n";
        fixture::write(tree.path(), "book/en/src/teaching.md", teaching);
        let page = "\nAsk the [doctor](teaching.md#doctor).\n\n\
            <details><summary>Answer</summary>\n\nAn open answer.\n\n</details>\n\n\
            <details><summary>Solution</summary>\n\nA secret way.\n\n\
            {{#listing 01-first src/server.rs}}\n\n</details>\n\n\
            <details class=\"teacher\"><summary>Notes for teachers</summary>\n\nSay it.\n\n</details>\n";
        fixture::append(tree.path(), "book/en/src/second.md", page);
        fixture::write(tree.path(), "book/en/teacher/SUMMARY.md", "- [Exam](exam.md)\n");
        let exam = "# First exam\n\nSee [the loop](second.md#the-loop). The key is 42 bytes.\n\n\
                    {{#listing 01-first src/server.rs:accept}}\n";
        fixture::write(tree.path(), "book/en/teacher/exam.md", exam);
        tree
    }

    fn built(root: &Path, edition: Edition) -> Result<PathBuf> {
        let dest = root.join(format!("{edition:?}"));
        build::build(root, &dest, edition)?;
        Ok(dest)
    }

    /// All text files of a build, one after the other.
    fn all_text(folder: &Path) -> String {
        let mut text = String::new();
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                text += &all_text(&path);
            } else {
                text += &String::from_utf8_lossy(&fs::read(&path).unwrap());
            }
        }
        text
    }

    #[test]
    fn a_learners_book_has_no_solution_no_notes_and_no_page_for_teachers() {
        let tree = tree();
        let text = all_text(&built(tree.path(), Edition::Learner).unwrap());
        for gone in ["A secret way.", "Say it.", "A plan for a class", "teaching.html", "42 bytes"]
        {
            assert!(!text.contains(gone), "{gone}");
        }
        assert!(text.contains("An open answer.") && text.contains("Ask the doctor."));
    }

    #[test]
    fn a_teachers_book_has_all_unfolded_and_the_exams_as_its_last_part() {
        let tree = tree();
        let dest = built(tree.path(), Edition::Teacher).unwrap();
        let page = fs::read_to_string(dest.join("second.html")).unwrap();
        assert_eq!(page.matches("<details open").count(), 3, "{page}");
        assert!(page.contains("A secret way.") && page.contains("Say it."));
        let exam = fs::read_to_string(dest.join("exam.html")).unwrap();
        assert!(exam.contains("42 bytes") && exam.contains("second.html#the-loop"), "{exam}");
        let contents = fs::read_to_string(dest.join("toc.html")).unwrap();
        let part = contents.split("For teachers").nth(1).unwrap();
        assert!(part.contains("exam.html") && !part.contains("second.html"), "{contents}");
        assert!(exam.contains("figcaption"), "its listings come as on other pages");
    }

    /// The exams and their keys are not published: a teacher has to ask for them.
    #[test]
    fn without_being_asked_for_the_teachers_pages_are_nowhere() {
        let tree = tree();
        let text = all_text(&built(tree.path(), Edition::Everyone).unwrap());
        assert!(text.contains("A secret way.") && text.contains("Say it."));
        for gone in ["First exam", "42 bytes", "exam.html"] {
            assert!(!text.contains(gone), "{gone}");
        }
        let workflows = workspace::root::repository().join(".github/workflows/pages.yml");
        let published = fs::read_to_string(workflows).unwrap();
        assert!(published.contains("cargo xtask build --dest") && !published.contains("--edition"));
    }

    #[test]
    fn each_edition_has_a_folder_of_its_own() {
        let suffixes = Edition::ALL.map(Edition::suffix);
        assert_eq!(suffixes, ["", "-learner", "-teacher", "-handout"]);
    }

    #[test]
    fn pages_that_the_list_or_the_book_gets_wrong_are_errors() {
        let tree = tree();
        let error = || built(tree.path(), Edition::Teacher).unwrap_err().to_string();
        fixture::write(tree.path(), "book/en/teacher/forgotten.md", "# Forgotten\n");
        assert!(error().contains("SUMMARY.md does not list forgotten.md"), "{}", error());
        fs::remove_file(tree.path().join("book/en/teacher/forgotten.md")).unwrap();
        fixture::write(tree.path(), "book/en/teacher/second.md", "# Second\n");
        fixture::append(tree.path(), "book/en/teacher/SUMMARY.md", "- [Second](second.md)\n");
        assert!(error().contains("teacher/second.md: the book has a page"), "{}", error());
        fs::remove_dir_all(tree.path().join("book/en/teacher")).unwrap();
        assert!(error().contains("book/en/teacher does not exist"), "{}", error());
    }

    #[test]
    fn a_block_that_is_never_closed_is_an_error_with_its_page() {
        let tree = tree();
        let open = "\n<details><summary>Solution</summary>\n\nNo end.\n";
        fixture::append(tree.path(), "book/en/src/first.md", open);
        let error = built(tree.path(), Edition::Learner).unwrap_err().to_string();
        assert!(error.contains("first.md: line 9: <details> is never closed"), "{error}");
    }
}
