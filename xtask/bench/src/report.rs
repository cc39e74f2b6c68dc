//! What a bench has found: printed as tables, as JSON, or recorded for the book's charts.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use super::stats;

/// Where recorded reports are, relative to the repository's root.
pub const FOLDER: &str = "book/measured";

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// One run of a bench.
#[derive(Debug, Serialize, Deserialize)]
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

/// The computer, as far as it tells.
#[derive(Debug, Serialize, Deserialize)]
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
#[derive(Debug, Serialize, Deserialize)]
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
    /// What else is to be said, such as its memory.
    pub remark: String,
    /// Why rounds could not be measured.
    pub failures: Vec<String>,
}

impl Row {
    /// A row without figures.
    pub fn new(name: &str, is_limit: bool) -> Self {
        Self { name: name.to_owned(), is_limit, ..Self::default() }
    }

    /// The figure that stands for all rounds.
    pub fn median(&self) -> f64 {
        stats::median(&self.figures)
    }
}

impl Group {
    /// The group as text, without the last line's ending.
    pub fn text(&self) -> String {
        let measured = |row: &&Row| !row.figures.is_empty();
        let reference = self.rows.iter().filter(measured).find(|row| row.name == self.reference);
        let limit = self.rows.iter().filter(measured).find(|row| row.is_limit);
        let width = self.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
        let mut text = format!("\n{}, {}\n", self.title, self.unit);
        // Writing into a string cannot fail.
        let _ = write!(
            text,
            "{:<width$}  {:>10}  {:>23}  {:>12}",
            "", "median", "spread", "to the first"
        );
        if limit.is_some() {
            text += "  of limit";
        }
        for row in &self.rows {
            let _ = write!(text, "\n{:<width$}", row.name);
            if row.figures.is_empty() {
                text += "  could not be measured";
                continue;
            }
            let (least, most) = stats::spread(&row.figures);
            let spread = format!("{} – {}", shown(least), shown(most));
            let _ = write!(text, "  {:>10}  {spread:>23}", shown(row.median()));
            let ratio = reference.map_or(f64::NAN, |first| row.median() / first.median());
            let _ = write!(text, "  {ratio:>11.2}x");
            if let Some(limit) = limit {
                // However it is counted, the limit is 100 per cent and nobody is above it.
                let share = row.median() / limit.median();
                let share = 100.0 * if self.more_is_better { share } else { 1.0 / share };
                let _ = write!(text, "  {share:>6.0} %");
            }
            let _ = write!(text, "  {}", row.remark);
            text.truncate(text.trim_end().len());
        }
        for row in &self.rows {
            for failure in &row.failures {
                let _ = write!(text, "\nFAILED {}, {failure}", row.name);
            }
        }
        text
    }
}

impl Report {
    /// A report of today, on this machine.
    pub fn new(missing: Vec<String>) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            date: date(since.as_secs() / DAY),
            machine: machine(),
            groups: Vec::new(),
            missing,
            notes: Vec::new(),
        }
    }

    /// Prints it, and records it under this name if that is wanted; returns whether every round of
    /// every contender could be measured.
    pub fn finish(&self, root: &Path, name: &str, json: bool, record: bool) -> Result<bool> {
        if json {
            writeln!(io::stdout(), "{}", serde_json::to_string_pretty(self)?)?;
        } else {
            for group in &self.groups {
                writeln!(io::stdout(), "{}", group.text())?;
            }
            let Machine { processor, cores, system, load } = &self.machine;
            writeln!(io::stdout(), "\n{processor}, {cores} cores, {system}, load {load}")?;
            for line in &self.notes {
                writeln!(io::stdout(), "{line}")?;
            }
            for line in &self.missing {
                writeln!(io::stdout(), "not measured: {line}")?;
            }
        }
        if record {
            self.record(root, name)?;
        }
        let mut rows = self.groups.iter().flat_map(|group| &group.rows);
        Ok(rows.all(|row| row.failures.is_empty()))
    }

    /// Writes it where the book's charts come from.
    pub fn record(&self, root: &Path, name: &str) -> Result<()> {
        let path = root.join(FOLDER).join(format!("{name}.json"));
        fs::create_dir_all(root.join(FOLDER))?;
        fs::write(&path, serde_json::to_string_pretty(self)? + "\n")
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

/// A figure with as many digits as one reads.
pub fn shown(figure: f64) -> String {
    match figure.abs() {
        size if size >= 100.0 => grouped(figure),
        size if size >= 10.0 => format!("{figure:.1}"),
        size if size >= 1.0 => format!("{figure:.2}"),
        _ => format!("{figure:.4}"),
    }
}

/// A number without its fraction, in groups of three digits.
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

/// The date of a day since 1970-01-01, in UTC.
fn date(mut day: u64) -> String {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", day + 1)
}

/// Linux has all that in files. Elsewhere less is known.
fn machine() -> Machine {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let processor = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or_else(|| std::env::consts::ARCH.to_owned(), |(_, model)| model.trim().to_owned());
    let release = read("/proc/sys/kernel/osrelease");
    let kernel = release.split('-').next().unwrap_or_default().trim();
    let load = read("/proc/loadavg").split_whitespace().next().unwrap_or("unknown").to_owned();
    Machine {
        processor,
        cores: std::thread::available_parallelism().map_or(1, usize::from),
        system: format!("{} {kernel}", std::env::consts::OS).trim().to_owned(),
        load,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_its_date() {
        for (day, text) in
            [(0, "1970-01-01"), (59, "1970-03-01"), (11_016, "2000-02-29"), (20_781, "2026-11-24")]
        {
            assert_eq!(date(day), text);
        }
    }

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

    #[test]
    fn a_table_has_ratios_shares_of_the_limit_and_the_failures_below() {
        let row = |name: &str, is_limit, figures: &[f64]| Row {
            figures: figures.to_vec(),
            ..Row::new(name, is_limit)
        };
        let mut failed = row("ncat", false, &[]);
        failed.failures.push("round 1: nobody there".to_owned());
        let mut group = Group {
            title: "Download".to_owned(),
            unit: "seconds".to_owned(),
            more_is_better: false,
            reference: "step 07".to_owned(),
            rows: vec![row("step 07", false, &[2.0, 1.0, 4.0]), row("limit", true, &[1.0]), failed],
        };
        let words = |group: &Group| -> Vec<String> {
            let text = group.text();
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
        };
        let lines = words(&group);
        assert_eq!(lines[3], "step 07 2.00 1.00 – 4.00 1.00x 50 %");
        assert_eq!(lines[4], "limit 1.00 1.00 – 1.00 0.50x 100 %");
        assert_eq!(lines[5], "ncat could not be measured");
        assert_eq!(lines[6], "FAILED ncat, round 1: nobody there");
        group.more_is_better = true;
        assert_eq!(words(&group)[3], "step 07 2.00 1.00 – 4.00 1.00x 200 %");
        group.rows.remove(1);
        let lines = words(&group);
        assert_eq!(lines[2], "median spread to the first");
        assert_eq!(lines[3], "step 07 2.00 1.00 – 4.00 1.00x");
    }
}
