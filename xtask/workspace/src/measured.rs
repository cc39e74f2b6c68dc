//! What benches have recorded, for the book's charts.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::stats;

/// Where recorded reports are, relative to the repository's root.
pub const FOLDER: &str = "book/measured";

/// One run of a bench.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// Such as `2026-11-24`, in UTC.
    pub date: String,
    /// Where it ran.
    pub machine: Machine,
    /// What was measured; each group is a chart.
    pub groups: Vec<Group>,
    /// Contenders that are not here, each with the reason.
    pub missing: Vec<String>,
    /// What one has to know to read the figures.
    pub notes: Vec<String>,
}

/// The computer, as far as the system reports it.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Machine {
    /// The model of its processor.
    pub processor: String,
    /// How many threads run at a time.
    pub cores: usize,
    /// The operating system.
    pub system: String,
    /// How many processes wanted to run at the start, on average over a minute, this one not counted.
    pub load: String,
}

/// Figures that can be compared with each other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Group {
    /// What was measured.
    pub title: String,
    /// The unit of its figures.
    pub unit: String,
    /// Whether a greater figure is a better one.
    pub more_is_better: bool,
    /// The name of the row that the others are compared with.
    pub reference: String,
    /// One for each contender, and one for the limit.
    pub rows: Vec<Row>,
}

/// The figures of one contender.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Row {
    /// The contender.
    pub name: String,
    /// Not a contender, but what this machine can do at the most.
    pub is_limit: bool,
    /// One figure for each round that could be measured.
    pub figures: Vec<f64>,
    /// A remark, such as its memory.
    pub remark: String,
    /// Why rounds could not be measured.
    pub failures: Vec<String>,
}

impl Row {
    /// A row without figures.
    #[must_use]
    pub fn new(name: &str, is_limit: bool) -> Self {
        Self { name: name.to_owned(), is_limit, ..Self::default() }
    }

    /// The figure that represents all rounds.
    #[must_use]
    pub fn median(&self) -> f64 {
        stats::median(&self.figures)
    }
}

impl Report {
    /// Writes it to the file from which the book's charts are drawn, under this name.
    pub fn record(&self, root: &Path, name: &str) -> Result<()> {
        let path = root.join(FOLDER).join(format!("{name}.json"));
        fs::create_dir_all(root.join(FOLDER))?;
        fs::write(&path, serde_json::to_string_pretty(self)? + "\n")
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

/// A figure with as many digits as one reads.
#[must_use]
pub fn shown(figure: f64) -> String {
    match figure.abs() {
        size if size >= 100.0 => grouped(figure),
        size if size >= 10.0 => format!("{figure:.1}"),
        size if size >= 1.0 => format!("{figure:.2}"),
        _ => format!("{figure:.4}"),
    }
}

/// A number without its fraction, in groups of three digits.
#[must_use]
pub fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_in_groups_of_three() {
        for (number, text) in
            [(0.0, "0"), (999.0, "999"), (1000.0, "1,000"), (1_234_567.4, "1,234,567")]
        {
            assert_eq!(grouped(number), text);
        }
        let few = [0.0123, 1.234, 12.34, 1234.5].map(shown);
        assert_eq!(few, ["0.0123", "1.23", "12.3", "1,234"]);
    }
}
