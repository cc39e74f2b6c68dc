//! The editions of the book, one for each language.

/// The folder of the English edition, relative to the repository's root.
pub const ENGLISH: &str = "book/en";
