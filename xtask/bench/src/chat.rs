//! `cargo xtask bench chat`: what the chat rooms do under load, side by side.
//!
//! Everything is measured in one run, in rounds in which all contenders take their turn, since a
//! machine is not equally quick at all times. What counts is the ratio of two lines of one table.

// Counts become figures to be read: they are far below 2^52, where a float would begin to lose any.
#![allow(clippy::cast_precision_loss)]

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use serde::Serialize;

use super::contender::{self, BARE_WRITES, BareWriter, Contender, Kind, NCAT, PREFIX, REFERENCE};
use super::crowd::{Crowd, MARKER, Manners, PAYLOAD_LEN, payload};
use super::report::{Group, Report, Row as Figures, grouped};
use super::{limits, progress, stats};
use crate::root;

/// The most clients that speak; all listen.
const MAX_SENDERS: usize = 10;

/// How often the latency is measured in each round.
const LATENCIES: usize = 50;

/// The deliveries of the first, short burst, which tells how many make a good one.
const TRIAL_DELIVERIES: usize = 20_000;

/// How long a burst should take, and how long all bursts of a round take together at least, in seconds.
const ROUND_SECONDS: f64 = 1.0;

/// A burst of this length is long enough to be measured, in seconds.
const GOOD_BURST_SECONDS: f64 = 0.6;

/// How much longer the next burst may be at most: a short one tells little about a long one.
const MAX_GROWTH: f64 = 8.0;

/// Descriptors that are not clients.
const OTHER_DESCRIPTORS: u64 = 100;

/// What can be chosen on the command line.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    /// Write the figures where the book's charts come from
    #[arg(long)]
    record: bool,
    /// How often each contender is measured at each number of clients
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Numbers of clients, each at least 2
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "10,100,400,900",
          value_parser = clap::value_parser!(u16).range(2..))]
    clients: Vec<u16>,
}

/// All that was measured.
#[derive(Debug, Serialize)]
struct Results {
    rounds: u16,
    payload_bytes: usize,
    /// Contenders that are not here, each with the reason.
    missing: Vec<String>,
    tables: Vec<Table>,
}

/// What was measured at one number of clients.
#[derive(Debug, Serialize)]
struct Table {
    clients: usize,
    senders: usize,
    rows: Vec<Row>,
}

/// What one contender did.
#[derive(Debug, Default, Serialize)]
struct Row {
    contender: String,
    /// How many lines each sender says in a burst, so that it takes about a second; the last round's.
    lines_per_sender: usize,
    /// One figure for each round that could be measured.
    deliveries_per_second: Vec<f64>,
    /// From the send of a line to its last delivery; of all rounds.
    latency_seconds: Vec<f64>,
    /// Resident memory per idle client, one figure for each round, where the system tells it.
    bytes_per_client: Vec<f64>,
    /// Why rounds could not be measured.
    failures: Vec<String>,
}

/// What one round of one contender gave.
struct Round {
    lines_per_sender: usize,
    rate: f64,
    latencies: Vec<f64>,
    bytes_per_client: Option<f64>,
}

/// Measures, and prints; returns whether every round could be measured.
pub fn run(root: &Path, options: &Options) -> Result<bool> {
    let most = options.clients.iter().copied().max().map_or(0, usize::from);
    // The bare writer is in this process, with an end of each connection of its own.
    limits::allow_descriptors(2 * most as u64 + OTHER_DESCRIPTORS, most)?;
    progress("building")?;
    let (contenders, missing) = contender::find(root, &root::target()?)?;
    let mut report = Report::new(missing.clone());
    let mut tables = Vec::new();
    for clients in &options.clients {
        let table = measure_all(&contenders, usize::from(*clients), options.rounds)?;
        if !options.json {
            writeln!(io::stdout(), "{}", table.text())?;
        }
        tables.push(table);
    }
    let results = Results { rounds: options.rounds, payload_bytes: PAYLOAD_LEN, missing, tables };
    if options.json {
        writeln!(io::stdout(), "{}", serde_json::to_string_pretty(&results)?)?;
    } else {
        writeln!(io::stdout(), "{}", notes(&results.missing))?;
    }
    if options.record {
        report.groups = results.tables.iter().map(Table::group).collect();
        report.record(root, "chat")?;
    }
    let mut rows = results.tables.iter().flat_map(|table| &table.rows);
    Ok(rows.all(|row| row.failures.is_empty()))
}

fn measure_all(contenders: &[Contender], clients: usize, rounds: u16) -> Result<Table> {
    let senders = clients.min(MAX_SENDERS);
    let mut rows: Vec<Row> = contenders
        .iter()
        .map(|contender| Row { contender: contender.name.clone(), ..Row::default() })
        .collect();
    for round in 0..usize::from(rounds) {
        progress(&format!("{clients} clients: round {} of {rounds}", round + 1))?;
        for turn in 0..contenders.len() {
            let index = (turn + round) % contenders.len(); // nobody is always the first
            rows[index].add(round + 1, measure(&contenders[index], clients, senders, LATENCIES));
        }
    }
    Ok(Table { clients, senders, rows })
}

/// How many lines each sender says in a burst that takes about a second with this contender.
///
/// Each has its own number: a burst that is long for one is over for another before it is measured.
fn lines_for(
    mut lines: usize,
    mut burst: impl FnMut(usize) -> Result<(usize, Duration)>,
) -> Result<usize> {
    loop {
        let seconds = burst(lines)?.1.as_secs_f64();
        if seconds >= GOOD_BURST_SECONDS {
            // The first burst of a slow contender may be far too long.
            return Ok(stats::scaled(lines, (ROUND_SECONDS / seconds).min(1.0)).max(1));
        }
        lines = stats::scaled(lines, (ROUND_SECONDS / seconds).min(MAX_GROWTH));
    }
}

/// Deliveries per second, over as many equal bursts as fit into a second, at least one; and how many
/// lines each sender says in one.
fn rate_of_bursts(
    first: usize,
    mut burst: impl FnMut(usize) -> Result<(usize, Duration)>,
) -> Result<(usize, f64)> {
    let lines = lines_for(first, &mut burst)?;
    let (mut deliveries, mut seconds) = (0, 0.0);
    while seconds < ROUND_SECONDS {
        let (more, time) = burst(lines)?;
        deliveries += more;
        seconds += time.as_secs_f64();
    }
    Ok((lines, deliveries as f64 / seconds))
}

/// One round of one contender, with a server of its own.
fn measure(
    contender: &Contender,
    clients: usize,
    senders: usize,
    latencies: usize,
) -> Result<Round> {
    let trial = TRIAL_DELIVERIES.div_ceil(clients * senders).max(2);
    match &contender.kind {
        Kind::Server { manners, start } => {
            let server = start(clients)?;
            let process = server.program.id();
            let before = limits::resident_memory(process);
            let mut crowd = Crowd::connect(server.addr, clients, senders, *manners)?;
            crowd.settle()?;
            let after = limits::resident_memory(process);
            let mut times = Vec::new();
            for _ in 0..latencies {
                times.push(crowd.latency()?.as_secs_f64());
            }
            let (lines_per_sender, rate) = rate_of_bursts(trial, |lines| crowd.load(lines))?;
            let per_client =
                |(before, after): (u64, u64)| (after as f64 - before as f64) / clients as f64;
            Ok(Round {
                lines_per_sender,
                rate,
                latencies: times,
                bytes_per_client: before.zip(after).map(per_client),
            })
        }
        Kind::BareWrites { piece_len } => {
            let line = format!("{PREFIX}{}\n", payload(0, 0, MARKER)).into_bytes();
            let writer = BareWriter::start(clients, piece_len.unwrap_or(line.len()))?;
            let manners = Manners { echoes: true, whole_lines: true, prefix: "" };
            let mut crowd = Crowd::connect(writer.addr, clients, 0, manners)?;
            let line = Arc::new(line);
            let mut times = Vec::new();
            // The first is not counted: it waits until the writer has accepted everybody.
            for _ in 0..=latencies {
                let time = crowd.receive(line.len(), || writer.write(Arc::clone(&line)))?;
                times.push(time.as_secs_f64());
            }
            let (lines_per_sender, rate) = rate_of_bursts(trial, |lines| {
                let all = Arc::new(line.repeat(lines * senders));
                let time = crowd.receive(all.len(), || writer.write(Arc::clone(&all)))?;
                Ok((lines * senders * clients, time))
            })?;
            Ok(Round {
                lines_per_sender,
                rate,
                latencies: times.split_off(1),
                bytes_per_client: None,
            })
        }
    }
}

impl Row {
    fn add(&mut self, number: usize, measured: Result<Round>) {
        match measured {
            Ok(round) => {
                self.lines_per_sender = round.lines_per_sender;
                self.deliveries_per_second.push(round.rate);
                self.latency_seconds.extend(round.latencies);
                self.bytes_per_client.extend(round.bytes_per_client);
            }
            Err(error) => self.failures.push(format!("round {number}: {error:#}")),
        }
    }

    /// The row as text; `reference` is what it is compared with.
    fn text(&self, reference: Option<&Self>) -> String {
        let mut text = format!("{:<20}", self.contender);
        if self.deliveries_per_second.is_empty() {
            return text + "  could not be measured";
        }
        let rates = &self.deliveries_per_second;
        let (least, most) = stats::spread(rates);
        let spread = format!("{} – {}", grouped(least), grouped(most));
        let (rate, latency) = (stats::median(rates), stats::median(&self.latency_seconds));
        let late = stats::quantile(&self.latency_seconds, 0.99);
        let ms = |seconds: f64| format!("{:.3}", seconds * 1000.0);
        let memory = match &self.bytes_per_client[..] {
            [] => "-".to_owned(),
            bytes => format!("{:.1}", stats::median(bytes) / 1024.0),
        };
        // Writing into a string cannot fail.
        let lines = grouped(self.lines_per_sender as f64);
        let _ = write!(text, "  {lines:>9}  {:>11}  {spread:>25}", grouped(rate));
        let _ = write!(text, "  {:>9}  {:>9}  {memory:>8}", ms(latency), ms(late));
        if let Some(reference) = reference.filter(|row| !row.deliveries_per_second.is_empty()) {
            let rate = rate / stats::median(&reference.deliveries_per_second);
            let latency = latency / stats::median(&reference.latency_seconds);
            let _ = write!(text, "  {rate:>10.2}  {latency:>7.2}");
        }
        text
    }
}

impl Table {
    /// What a chart shows of it.
    fn group(&self) -> Group {
        let row = |row: &Row| Figures {
            name: row.contender.clone(),
            is_limit: row.contender.starts_with(BARE_WRITES),
            figures: row.deliveries_per_second.clone(),
            remark: String::new(),
            failures: row.failures.clone(),
        };
        Group {
            title: format!("Deliveries in a room of {}", self.clients),
            unit: "per second".to_owned(),
            more_is_better: true,
            reference: REFERENCE.to_owned(),
            rows: self.rows.iter().map(row).collect(),
        }
    }

    /// The rooms that came out quicker than the limit ever did, which none can be.
    fn doubtful(&self) -> impl Iterator<Item = &str> {
        let is_bare = |row: &&Row| row.contender.starts_with(BARE_WRITES);
        let limits = self.rows.iter().filter(is_bare).flat_map(|row| &row.deliveries_per_second);
        let limit = limits.copied().reduce(f64::max).unwrap_or(f64::INFINITY);
        let rate = |row: &Row| stats::median(&row.deliveries_per_second);
        // ncat's lines are half as long: no address is in front.
        let above = move |row: &&Row| !is_bare(row) && row.contender != NCAT && rate(row) > limit;
        self.rows.iter().filter(above).map(|row| row.contender.as_str())
    }

    /// The table as text, without the last line's ending.
    fn text(&self) -> String {
        let Self { clients, senders, rows } = self;
        let reference = rows.iter().find(|row| row.contender == REFERENCE);
        let mut lines = vec![
            format!(
                "\n{clients} clients, {senders} of them say lines of {PAYLOAD_LEN} bytes, in bursts of about a second"
            ),
            format!(
                "{:<20}  {:>9}  {:>11}  {:>25}  {:>20}  {:>8}  {:>19}",
                "",
                "lines of",
                "deliveries",
                "per second",
                "latency, ms",
                "KiB per",
                "of step 09's"
            ),
            format!(
                "{:<20}  {:>9}  {:>11}  {:>25}  {:>9}  {:>9}  {:>8}  {:>10}  {:>7}",
                "",
                "a sender",
                "median",
                "spread",
                "median",
                "99 %",
                "client",
                "deliveries",
                "latency"
            ),
        ];
        lines.extend(rows.iter().map(|row| row.text(reference).trim_end().to_owned()));
        for row in rows {
            let failures = row.failures.iter();
            lines.extend(failures.map(|failure| format!("FAILED {}, {failure}", row.contender)));
        }
        lines.extend(self.doubtful().map(|name| {
            format!("DOUBTFUL {name}: above the bare writes, so this run does not rank it: the machine is busy")
        }));
        lines.join("\n")
    }
}

/// What one has to know to read the tables.
fn notes(missing: &[String]) -> String {
    let mut lines = vec![
        String::new(),
        "A delivery is one line that has reached one client. Latency: from the send of a single line until".to_owned(),
        "the last client has it, which includes the time that the measuring program takes to read it.".to_owned(),
        "ncat --broker does not send a line back to who said it, so it has n - 1 deliveries. It looks for no".to_owned(),
        "lines, and puts no time and no address in front: less than half the bytes. In the row `as long`, its".to_owned(),
        "clients send such a prefix themselves, so that as many bytes arrive as in the other rooms.".to_owned(),
        "Bare writes: the bytes of step 09's lines, written to every client by nobody's server: the limit".to_owned(),
        "of this machine with these readers, for writes of 64 KiB and for a write for each line.".to_owned(),
    ];
    lines.extend(missing.iter().map(|line| format!("not measured: {line}")));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser as _;

    #[derive(clap::Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    fn parse(arguments: &str) -> Result<Options, clap::Error> {
        Ok(Cli::try_parse_from(format!("bench {arguments}").split_whitespace())?.options)
    }

    #[test]
    fn numbers_of_clients_come_as_a_list() {
        assert_eq!(parse("").unwrap().clients, [10, 100, 400, 900]);
        assert_eq!(parse("--clients 2,30 --rounds 1").unwrap().clients, [2, 30]);
        for wrong in ["--clients 1", "--clients 10,", "--clients ten", "--rounds 0"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    /// A contender that says so many lines in a second, whatever the number of lines.
    fn contender(lines_per_second: f64) -> impl FnMut(usize) -> Result<(usize, Duration)> {
        move |lines| Ok((lines, Duration::from_secs_f64(lines as f64 / lines_per_second)))
    }

    #[test]
    fn a_burst_takes_about_a_second_with_a_quick_contender_and_with_a_slow_one() {
        for (rate, lines) in [(1_000_000.0, 1_000_000), (100.0, 100), (1.0, 1), (0.1, 1)] {
            let came = lines_for(2, contender(rate)).unwrap();
            assert!(came.abs_diff(lines) <= 1, "{came} of {lines}");
        }
        assert!(lines_for(2, |_| anyhow::bail!("dropped")).is_err());
    }

    #[test]
    fn bursts_are_repeated_until_a_second_is_full() {
        // The first two tell how long a burst must be; then come those that count.
        let mut times = [0.25, 0.8, 0.25, 0.5, 0.25, 9.0].map(Duration::from_secs_f64).into_iter();
        let (lines, rate) = rate_of_bursts(10, |lines| Ok((lines, times.next().unwrap()))).unwrap();
        assert_eq!(lines, 40);
        assert!((rate - 120.0).abs() < 1e-6, "{rate}");
    }

    #[test]
    fn a_table_has_medians_spreads_ratios_and_the_failures_below() {
        let row = |name: &str, rates: &[f64], latency: f64| Row {
            contender: name.to_owned(),
            lines_per_sender: 1000,
            deliveries_per_second: rates.to_vec(),
            latency_seconds: vec![latency; 100],
            bytes_per_client: vec![2048.0],
            failures: Vec::new(),
        };
        let mut failed = row("ncat --broker", &[], 0.0);
        failed.add(1, Err(anyhow::anyhow!("client 3 of 10 was dropped")));
        let rows = vec![
            row("step 08", &[500_000.0, 400_000.0, 600_000.0], 0.002),
            row(REFERENCE, &[1_000_000.0], 0.001),
            failed,
        ];
        let table = Table { clients: 10, senders: 10, rows };
        let text = table.text();
        let lines: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(
            lines[4].join(" "),
            "step 08 1,000 500,000 400,000 – 600,000 2.000 2.000 2.0 0.50 2.00"
        );
        assert_eq!(
            lines[5].join(" "),
            "step 09 1,000 1,000,000 1,000,000 – 1,000,000 1.000 1.000 2.0 1.00 1.00"
        );
        assert_eq!(lines[6].join(" "), "ncat --broker could not be measured");
        assert_eq!(lines[7].join(" "), "FAILED ncat --broker, round 1: client 3 of 10 was dropped");
    }

    #[test]
    fn a_room_above_the_bare_writes_is_called_doubtful() {
        let row = |name: &str, rate| Row {
            contender: name.to_owned(),
            deliveries_per_second: vec![rate],
            ..Row::default()
        };
        let rows = vec![
            row("python 09", 3.0),
            row(REFERENCE, 1.5),
            row("bare writes, 64 KiB", 2.0),
            row("bare writes, a line", 1.0),
        ];
        let mut table = Table { clients: 10, senders: 10, rows };
        assert!(table.doubtful().eq(["python 09"]));
        assert!(table.text().contains("\nDOUBTFUL python 09: "));
        table.rows.truncate(2);
        assert_eq!(table.doubtful().next(), None);
    }

    #[test]
    fn bare_writes_are_measured_from_end_to_end() {
        for piece_len in [None, Some(64 * 1024)] {
            let kind = Kind::BareWrites { piece_len };
            let contender = Contender { name: "bare writes".to_owned(), kind };
            let round = measure(&contender, 3, 3, 5).unwrap();
            assert!(round.rate > 0.0);
            assert_eq!(round.latencies.len(), 5);
        }
    }
}
