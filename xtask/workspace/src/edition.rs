//! The editions of the book, one for each language, and what their sources hold.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use conformance::texts::language;

/// The folder of the English edition, relative to the repository's root.
pub const ENGLISH: &str = "book/en";

/// The page for teachers, which learners' editions lack.
pub const TEACHING: &str = "teaching.md";

/// The folder of the edition in the language of the texts, relative to the repository's root.
#[must_use]
pub fn folder() -> String {
    folder_of(&language())
}

/// The folder of the edition in a language.
#[must_use]
pub fn folder_of(language: &str) -> String {
    format!("book/{language}")
}

/// The folder of the pages in the language of the texts.
#[must_use]
pub fn src(root: &Path) -> PathBuf {
    root.join(folder()).join("src")
}

/// The languages that the book is written in, by the names of their folders: English, and then the others.
pub fn languages(root: &Path) -> Result<Vec<String>> {
    let english = root.join(ENGLISH);
    let mut languages = Vec::new();
    for entry in english.with_file_name("").read_dir().context("cannot list the languages")? {
        let path = entry?.path();
        if path.join("book.toml").is_file() {
            languages.push(path.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    languages.sort_by_key(|it| (folder_of(it) != ENGLISH, it.clone()));
    Ok(languages)
}

/// Whether the sources have solutions and notes for teachers: those in the bundle of a learner do not.
///
/// The page for teachers decides: it is listed and linked, so it cannot be lost unnoticed.
#[must_use]
pub fn has_solutions(root: &Path) -> bool {
    root.join(ENGLISH).join("src").join(TEACHING).is_file()
}
