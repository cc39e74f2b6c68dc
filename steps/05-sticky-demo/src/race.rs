//! The same messages, and a reader that reads whenever it can.
//!
//! New here: the reader does not wait until all bytes are there. A thread reads as fast as it can while this
//! one writes, so the number of reads in a round depends on chance.
//!
//! ```text
//! writer                         reader, at the same time
//!   | -- a b c d e ------------> |  read? read? read?
//!   | -- f g h i j ------------> |  read? read? read?
//!   | -- k l m n o ------------> |  read? read? read?
//! ```
//!
//! Still wrong: if a message arrives in a read of its own, that is luck, too.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Instant;

use crate::stream::{Plan, connected_pair};
use crate::table;

/// The length of the longest bar, in characters.
const MAX_BAR_LEN: usize = 40;

/// The result of one round.
struct Round {
    /// How many reads it took.
    reads: usize,
    /// Whether each message arrived in a read of its own.
    is_lucky: bool,
}

/// Runs the rounds and prints how many reads they took, as a bar chart.
pub fn run(plan: Plan, rounds: usize, nodelay: bool) -> io::Result<()> {
    let (writer, reader) = connected_pair()?;
    writer.set_nodelay(nodelay)?;
    let start = Instant::now();
    let played = play(plan, rounds, writer, reader)?;
    let seconds = start.elapsed().as_secs_f64();

    let Plan { messages, message_len, .. } = plan;
    let nagle = if nodelay { "off (TCP_NODELAY)" } else { "on" };
    writeln!(io::stdout(), "{rounds} rounds; in each: {messages} x {message_len} bytes written")?;
    writeln!(io::stdout(), "Nagle's algorithm: {nagle}\n")?;
    print_chart(&played)?;
    let lucky = played.iter().filter(|round| round.is_lucky).count();
    writeln!(io::stdout(), "\neach message in a read of its own: {lucky} of {rounds} rounds")?;
    writeln!(io::stdout(), "every byte there, in its place: {rounds} of {rounds} rounds")?;
    writeln!(io::stdout(), "time: {seconds:.3} s")?;
    if nodelay {
        writeln!(
            io::stdout(),
            "TCP_NODELAY changes when bytes leave, and promises no boundaries."
        )?;
    }
    Ok(())
}

/// Writes all messages of a round, waits until they have been read, and begins the next.
fn play(
    plan: Plan,
    rounds: usize,
    mut writer: TcpStream,
    reader: TcpStream,
) -> io::Result<Vec<Round>> {
    // ANCHOR: thread
    let (report, reports) = mpsc::channel();
    let reading =
        thread::Builder::new().spawn(move || read_rounds(plan, rounds, reader, &report))?;
    // ANCHOR_END: thread

    let messages = plan.to_messages();
    let mut played = Vec::new();
    // ANCHOR: writer
    for _ in 0..rounds {
        for message in &messages {
            writer.write_all(message)?;
        }
        match reports.recv() {
            Ok(round) => played.push(round),
            Err(mpsc::RecvError) => break, // the reader has failed, and its thread returns the error
        }
    }
    // ANCHOR_END: writer
    reading.join().expect("the reader does not panic")?;
    Ok(played)
}

/// Reads whatever has arrived, and reports each round when all its bytes have arrived.
fn read_rounds(
    plan: Plan,
    rounds: usize,
    mut reader: TcpStream,
    report: &Sender<Round>,
) -> io::Result<()> {
    let sent = plan.to_messages().concat();
    let mut buffer = vec![0; plan.read_len];
    for _ in 0..rounds {
        let mut received = Vec::new();
        let mut round = Round { reads: 0, is_lucky: true };
        // ANCHOR: reader
        while received.len() < sent.len() {
            let len = reader.read(&mut buffer)?;
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            received.extend_from_slice(&buffer[..len]);
            round.reads += 1;
            round.is_lucky &= len == plan.message_len;
        }
        // ANCHOR_END: reader
        if received != sent {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                "other bytes came than were sent",
            ));
        }
        if report.send(round).is_err() {
            break; // the writer has failed, and returns the error
        }
    }
    Ok(())
}

/// Prints how many rounds took one read, two reads, and so on.
fn print_chart(played: &[Round]) -> io::Result<()> {
    let most_reads = played.iter().map(|round| round.reads).max().unwrap_or_default();
    let counts: Vec<usize> = (1..=most_reads)
        .map(|reads| played.iter().filter(|round| round.reads == reads).count())
        .collect();
    let most_rounds = counts.iter().copied().max().unwrap_or_default();
    let rows: Vec<_> = (1..=most_reads)
        .zip(counts)
        .map(|(reads, rounds)| {
            // Rounded up, so that even a single round has a bar.
            let bar = "#".repeat((rounds * MAX_BAR_LEN).div_ceil(most_rounds));
            [reads.to_string(), rounds.to_string(), bar]
        })
        .collect();
    table::print(["reads", "rounds", ""], &rows)
}
