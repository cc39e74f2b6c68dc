//! The results of a bench: printed as tables, as JSON, or recorded for the book's charts.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Result;
use workspace::measured::{Group, Machine, Report, Row, shown};
use workspace::stats;

/// The options of every subject.
#[derive(Clone, Debug, clap::Args)]
pub struct Reporting {
    /// Print the figures as JSON
    #[arg(long)]
    pub json: bool,
    /// Write the figures into the files from which the book's charts are drawn
    #[arg(long)]
    pub record: bool,
    /// Measure each contender this many times
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: u16,
}

/// Seconds of a day.
const DAY: u64 = 24 * 60 * 60;

/// Returns a group as text, without the last line's ending.
pub fn table(group: &Group) -> String {
    let measured = |row: &&Row| !row.figures.is_empty();
    let reference = group.rows.iter().filter(measured).find(|row| row.name == group.reference);
    let limit = group.rows.iter().filter(measured).find(|row| row.is_limit);
    let width = group.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
    let mut text = format!("\n{}, {}\n", group.title, group.unit);
    // Writing into a string cannot fail.
    let _ =
        write!(text, "{:<width$}  {:>10}  {:>23}  {:>12}", "", "median", "spread", "to the first");
    if limit.is_some() {
        text += "  of limit";
    }
    for row in &group.rows {
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
            // In either unit, the limit is 100 per cent, and no contender is above it.
            let share = row.median() / limit.median();
            let share = 100.0 * if group.more_is_better { share } else { 1.0 / share };
            let _ = write!(text, "  {share:>6.0} %");
        }
        let _ = write!(text, "  {}", row.remark);
        text.truncate(text.trim_end().len());
    }
    for row in &group.rows {
        for failure in &row.failures {
            let _ = write!(text, "\nFAILED {}, {failure}", row.name);
        }
    }
    text
}

/// A report of today, on this machine.
pub fn begin(missing: Vec<String>) -> Report {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Report {
        date: date(since.as_secs() / DAY),
        machine: machine(),
        groups: Vec::new(),
        missing,
        notes: Vec::new(),
    }
}

/// Prints the report, and records it under this name with `--record`; returns whether every round of
/// every contender could be measured.
pub fn finish(report: &Report, root: &Path, name: &str, json: bool, record: bool) -> Result<bool> {
    if json {
        writeln!(io::stdout(), "{}", serde_json::to_string_pretty(report)?)?;
    } else {
        for group in &report.groups {
            writeln!(io::stdout(), "{}", table(group))?;
        }
        let Machine { processor, cores, system, load } = &report.machine;
        writeln!(io::stdout(), "\n{processor}, {cores} cores, {system}, load {load}")?;
        for line in &report.notes {
            writeln!(io::stdout(), "{line}")?;
        }
        for line in &report.missing {
            writeln!(io::stdout(), "not measured: {line}")?;
        }
    }
    if record {
        report.record(root, name)?;
    }
    let mut rows = report.groups.iter().flat_map(|group| &group.rows);
    Ok(rows.all(|row| row.failures.is_empty()))
}

/// Reports progress on stderr: a measurement takes minutes.
pub fn progress(what: &str) -> Result<()> {
    Ok(writeln!(io::stderr(), "{what} …")?)
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

/// Linux has these facts in files. Other systems report less.
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
    fn a_table_has_ratios_shares_of_the_limit_and_the_failures_below() {
        let row = |name: &str, is_limit, figures: &[f64]| Row {
            figures: figures.to_vec(),
            ..Row::new(name, is_limit)
        };
        let mut failed = row("ncat", false, &[]);
        failed.failures.push("round 1: no answer".to_owned());
        let mut group = Group {
            title: "Download".to_owned(),
            unit: "seconds".to_owned(),
            more_is_better: false,
            reference: "step 07".to_owned(),
            rows: vec![row("step 07", false, &[2.0, 1.0, 4.0]), row("limit", true, &[1.0]), failed],
        };
        let words = |group: &Group| -> Vec<String> {
            let text = table(group);
            text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
        };
        let lines = words(&group);
        assert_eq!(lines[3], "step 07 2.00 1.00 – 4.00 1.00x 50 %");
        assert_eq!(lines[4], "limit 1.00 1.00 – 1.00 0.50x 100 %");
        assert_eq!(lines[5], "ncat could not be measured");
        assert_eq!(lines[6], "FAILED ncat, round 1: no answer");
        group.more_is_better = true;
        assert_eq!(words(&group)[3], "step 07 2.00 1.00 – 4.00 1.00x 200 %");
        group.rows.remove(1);
        let lines = words(&group);
        assert_eq!(lines[2], "median spread to the first");
        assert_eq!(lines[3], "step 07 2.00 1.00 – 4.00 1.00x");
    }
}
