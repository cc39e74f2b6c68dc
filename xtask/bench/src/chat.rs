//! `cargo xtask bench chat`: what the chat rooms do under load, side by side.
//!
//! One run measures everything, in rounds in which all contenders take their turn, since a machine is
//! not equally quick at all times. The ratio of two lines of one table counts.

// Counts are far below 2^52, where a float would begin to lose any.
#![allow(clippy::cast_precision_loss)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use workspace::measured::{Group, Row, grouped};
use workspace::{root, stats};

use crate::contender::{self, BARE_WRITES, BareWriter, Contender, Kind, NCAT, PREFIX, REFERENCE};
use crate::crowd::{Crowd, MARKER, Manners, PAYLOAD_LEN, payload};
use crate::limits;
use crate::report::{self, progress};

/// The most clients that send lines; all receive them.
const MAX_SENDERS: usize = 10;

/// How often the latency is measured in each round.
const LATENCIES: usize = 50;

/// The deliveries of the first, short burst, from which the length of the others is computed.
const TRIAL_DELIVERIES: usize = 20_000;

/// How long a burst should take, and how long all bursts of a round take together at least, in seconds.
const ROUND_SECONDS: f64 = 1.0;

/// A burst of this length is long enough to be measured, in seconds.
const GOOD_BURST_SECONDS: f64 = 0.6;

/// How much longer the next burst may be at most: a short burst predicts little about a long one.
const MAX_GROWTH: f64 = 8.0;

/// Descriptors that are not clients.
const OTHER_DESCRIPTORS: u64 = 100;

/// The options of the command line.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    report: report::Reporting,
    /// Numbers of clients, each at least 2
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "10,100,400,900",
          value_parser = clap::value_parser!(u16).range(2..))]
    clients: Vec<u16>,
}

/// The results of one round of one contender.
struct Round {
    /// How many lines each sender sends in a burst, so that it takes about a second.
    lines_per_sender: usize,
    /// Deliveries per second.
    rate: f64,
    /// From the send of a line to its last delivery, in seconds.
    latencies: Vec<f64>,
    /// Resident memory per idle client, if the system reports it.
    bytes_per_client: Option<f64>,
}

/// Measures and prints, and returns whether every round could be measured.
pub fn run(root: &Path, options: &Options) -> Result<bool> {
    let most = options.clients.iter().copied().max().map_or(0, usize::from);
    // The bare writer is in this process, with an end of each connection of its own.
    limits::allow_descriptors(2 * most as u64 + OTHER_DESCRIPTORS, most)?;
    progress("building")?;
    let (contenders, missing) = contender::find(root, &root::target()?)?;
    let mut report = report::begin(missing);
    let mut charted = report::begin(Vec::new());
    report.notes = notes();
    for clients in &options.clients {
        let groups = measure_all(&contenders, usize::from(*clients), options.report.rounds)?;
        report.notes.extend(doubtful(&groups[0]));
        charted.groups.push(groups[0].clone());
        report.groups.extend(groups);
    }
    if options.report.record {
        // The page has a chart of the deliveries.
        charted.record(root, "chat")?;
    }
    report::finish(&report, root, "chat", options.report.json, false)
}

/// The deliveries at one number of clients, and their latency: the median, and the slowest but one in a
/// hundred.
fn measure_all(contenders: &[Contender], clients: usize, rounds: u16) -> Result<[Group; 3]> {
    let senders = clients.min(MAX_SENDERS);
    let group = |title: String, unit: &str, more_is_better| Group {
        title,
        unit: unit.to_owned(),
        more_is_better,
        reference: REFERENCE.to_owned(),
        rows: contenders
            .iter()
            .map(|contender| Row::new(&contender.name, contender.name.starts_with(BARE_WRITES)))
            .collect(),
    };
    let mut groups = [
        group(format!("Deliveries in a room of {clients}"), "per second", true),
        group(format!("Latency in a room of {clients}, median"), "milliseconds", false),
        group(format!("Latency in a room of {clients}, 99th percentile"), "milliseconds", false),
    ];
    for round in 0..usize::from(rounds) {
        progress(&format!("{clients} clients: round {} of {rounds}", round + 1))?;
        for turn in 0..contenders.len() {
            let index = (turn + round) % contenders.len(); // no contender is always the first
            let measured = measure(&contenders[index], clients, senders, LATENCIES);
            add(&mut groups, index, round + 1, measured);
        }
    }
    Ok(groups)
}

/// How many lines each sender sends in a burst that takes about a second with this contender.
///
/// Each contender has its own number: a burst that is long for one is too short to measure for another.
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
/// lines each sender sends in one.
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
            // The first is not counted: it waits until the writer has accepted all clients.
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

/// Adds a round to the rows of one contender, or the reason why there is none.
fn add(groups: &mut [Group; 3], index: usize, number: usize, measured: Result<Round>) {
    let Round { lines_per_sender, rate, latencies, bytes_per_client } = match measured {
        Ok(round) => round,
        Err(error) => {
            let failure = format!("round {number}: {error:#}");
            return groups[0].rows[index].failures.push(failure);
        }
    };
    let millis = |share| stats::quantile(&latencies, share) * 1000.0;
    for (group, figure) in groups.iter_mut().zip([rate, millis(0.5), millis(0.99)]) {
        group.rows[index].figures.push(figure);
    }
    let memory = bytes_per_client
        .map_or(String::new(), |bytes| format!(", {:.1} KiB of memory a client", bytes / 1024.0));
    let lines = grouped(lines_per_sender as f64);
    groups[0].rows[index].remark = format!("{lines} lines of a sender in a burst{memory}");
}

/// A line for each room that was quicker than the limit ever was, which none can be.
fn doubtful(deliveries: &Group) -> Vec<String> {
    let limits = deliveries.rows.iter().filter(|row| row.is_limit).flat_map(|row| &row.figures);
    let limit = limits.copied().reduce(f64::max).unwrap_or(f64::INFINITY);
    // ncat's lines are half as long: they have no address.
    let is_above = |row: &&Row| !row.is_limit && row.name != NCAT && row.median() > limit;
    let names = deliveries.rows.iter().filter(is_above).map(|row| &row.name);
    let line = |name| {
        format!(
            "DOUBTFUL {name}, {}: above the bare writes, so this run does not rank it: the machine \
             is busy",
            deliveries.title
        )
    };
    names.map(line).collect()
}

/// The notes that explain the tables.
fn notes() -> Vec<String> {
    vec![
        format!(
            "Up to {MAX_SENDERS} clients send lines of {PAYLOAD_LEN} bytes, in bursts of about a second. \
             A delivery is one line that has reached one client. Latency: from the send of a single line \
             until the last client has it, which includes the time that the measuring program takes to \
             read it."
        ),
        format!(
            "{NCAT} does not send a line back to its sender, so it has n - 1 deliveries. It does not \
             look for lines, and adds no time and no address: less than half the bytes. In the row `as \
             long`, its clients send such a prefix themselves, so that the same number of bytes arrives \
             as in the other rooms."
        ),
        "Bare writes: the bytes of step 10's lines, written to every client without a room: the limit \
         of this machine with these readers, for writes of 64 KiB and for a write for each line."
            .to_owned(),
    ]
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
    fn numbers_of_clients_are_a_list() {
        assert_eq!(parse("").unwrap().clients, [10, 100, 400, 900]);
        assert_eq!(parse("--clients 2,30 --rounds 1").unwrap().clients, [2, 30]);
        for wrong in ["--clients 1", "--clients 10,", "--clients ten", "--rounds 0"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    /// A contender that delivers this many lines per second, however many there are.
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
        // The first two determine how long a burst must be; the others count.
        let mut times = [0.25, 0.8, 0.25, 0.5, 0.25, 9.0].map(Duration::from_secs_f64).into_iter();
        let (lines, rate) = rate_of_bursts(10, |lines| Ok((lines, times.next().unwrap()))).unwrap();
        assert_eq!(lines, 40);
        assert!((rate - 120.0).abs() < 1e-6, "{rate}");
    }

    #[test]
    fn rounds_become_figures_and_a_failed_one_a_reason() {
        let row = |name: &str| Row::new(name, false);
        let group = || Group {
            title: String::new(),
            unit: String::new(),
            more_is_better: true,
            reference: REFERENCE.to_owned(),
            rows: vec![row("step 08"), row(REFERENCE)],
        };
        let mut groups = [group(), group(), group()];
        let round = Round {
            lines_per_sender: 1000,
            rate: 500_000.0,
            latencies: (1..=100).map(|ms| f64::from(ms) / 1000.0).collect(),
            bytes_per_client: Some(2048.0),
        };
        add(&mut groups, 1, 1, Ok(round));
        add(&mut groups, 0, 1, Err(anyhow::anyhow!("client 3 of 10 was dropped")));
        let figures = groups.each_ref().map(|group| group.rows[1].figures.clone());
        assert_eq!(figures, [vec![500_000.0], vec![50.0], vec![99.0]]);
        let remark = "1,000 lines of a sender in a burst, 2.0 KiB of memory a client";
        assert_eq!(groups[0].rows[1].remark, remark);
        assert_eq!(groups[0].rows[0].failures, ["round 1: client 3 of 10 was dropped"]);
    }

    #[test]
    fn a_room_above_the_bare_writes_is_called_doubtful() {
        let row = |name: &str, rate| Row {
            figures: vec![rate],
            ..Row::new(name, name.starts_with(BARE_WRITES))
        };
        let mut deliveries = Group {
            title: "Deliveries in a room of 10".to_owned(),
            unit: "per second".to_owned(),
            more_is_better: true,
            reference: REFERENCE.to_owned(),
            rows: vec![
                row("python 09", 3.0),
                row(REFERENCE, 1.5),
                row("bare writes, 64 KiB", 2.0),
                row("bare writes, a line", 1.0),
            ],
        };
        let [line] = &doubtful(&deliveries)[..] else { panic!("one is above") };
        assert!(line.starts_with("DOUBTFUL python 09, Deliveries in a room of 10: "), "{line}");
        deliveries.rows.truncate(2);
        assert_eq!(doubtful(&deliveries), [""; 0]);
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
