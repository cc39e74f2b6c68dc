//! The editions of the book, one for each language, and what their sources hold.

use std::path::Path;

/// The folder of the English edition, relative to the repository's root.
pub const ENGLISH: &str = "book/en";

/// The page for teachers, which learners' editions lack.
pub const TEACHING: &str = "teaching.md";

/// Whether the sources have solutions and notes for teachers: those in the bundle of a learner do not.
///
/// The page for teachers decides: it is listed and linked, so it cannot be lost unnoticed.
#[must_use]
pub fn has_solutions(root: &Path) -> bool {
    root.join(ENGLISH).join("src").join(TEACHING).is_file()
}
