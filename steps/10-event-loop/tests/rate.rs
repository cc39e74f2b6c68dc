//! How fast a client may talk, and what the console does about one that talks too much.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use conformance::{Failure, Program, python};
use room::step::STEP;
use room::{GOODBYE, Guest, expect_log, join_all};

use rate::{BURST, Meter, RateLimit};

mod room;

#[path = "../src/rate.rs"]
mod rate;

/// How many lines per second a client may send if the server is started without options.
const RATE: f64 = 10.0;

/// The last line of a client that is removed.
const REMOVED: &str = "error: you were removed from the room";

/// A class: this many clients at once.
const CLASS: usize = 30;

/// The server as a class starts it, without any option; in Rust, and in Python.
fn server(in_python: bool) -> Command {
    let mut command = if in_python {
        let mut command = python().expect("Python 3 is installed");
        command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/python/server.py"));
        command
    } else {
        let mut command = Command::new(STEP);
        command.arg("server");
        command
    };
    command.arg("127.0.0.1:0");
    command
}

#[test]
fn a_full_bucket_allows_a_burst_and_then_a_line_in_every_interval() {
    let start = Instant::now() + Duration::from_secs(1);
    let mut limit = RateLimit::new(4);
    let interval = Duration::from_millis(250);
    for _ in 0..BURST {
        assert_eq!(limit.wait(start), Duration::ZERO);
        limit.take(start);
    }
    assert_eq!(limit.wait(start), interval);
    assert_eq!(limit.wait(start + interval / 5), interval / 5 * 4);
    assert_eq!(limit.wait(start + interval), Duration::ZERO);
    limit.take(start + interval);
    assert_eq!(limit.wait(start + interval), interval);
    // However long the pause, the bucket holds no more than a burst.
    let later = start + Duration::from_secs(3600);
    for _ in 0..BURST {
        assert_eq!(limit.wait(later), Duration::ZERO);
        limit.take(later);
    }
    assert_eq!(limit.wait(later), interval);
}

#[test]
fn a_rate_of_zero_is_no_limit() {
    let mut limit = RateLimit::new(0);
    let now = Instant::now();
    for _ in 0..100 * BURST {
        limit.take(now);
    }
    assert_eq!(limit.wait(now), Duration::ZERO);
}

#[test]
fn a_meter_shows_the_rate_of_a_steady_talker_and_forgets_it() {
    let mut meter = Meter::new();
    let start = Instant::now();
    let second = Duration::from_secs(1);
    for number in 0..200 {
        meter.count(1, start + second / 10 * number);
    }
    let end = start + second * 20;
    assert!((meter.read(end) - 10.0).abs() < 1.0, "{}", meter.read(end));
    assert!(meter.read(end + second * 20) < 0.1);
}

/// A client that sends lines until the connection ends, and reads everything that arrives.
struct Flooder {
    addr: SocketAddr,
    /// Returns the last line that arrived.
    reader: JoinHandle<String>,
}

fn flood(addr: SocketAddr) -> io::Result<Flooder> {
    let mut writer = TcpStream::connect(addr)?;
    let (reader, addr) = (BufReader::new(writer.try_clone()?), writer.local_addr()?);
    thread::spawn(move || while writer.write_all(b"flood\n").is_ok() {});
    let reader = thread::spawn(|| reader.lines().map_while(Result::ok).last().unwrap_or_default());
    Ok(Flooder { addr, reader })
}

#[test]
fn in_a_class_two_flood_one_stalls_and_one_is_removed_and_no_other_notices() -> Result<(), Failure>
{
    a_class(server(false))
}

#[test]
#[ignore = "needs python3"]
fn in_a_class_of_the_python_server_two_flood_one_stalls_and_one_is_removed() -> Result<(), Failure>
{
    a_class(server(true))
}

/// A lesson of thirty clients: two flood the room, one does not read, one is removed, and the server stops.
fn a_class(server: Command) -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server)?;
    let start = Instant::now();
    let mut stalled = Guest::join_slow(addr)?;
    let mut class = join_all(addr, CLASS - 3)?;
    let flooders: Vec<Flooder> = (0..2).map(|_| flood(addr).expect("the server accepts")).collect();
    let mut heard = all_speak(&mut class, "before")?;
    for Flooder { addr, .. } in &flooders {
        let said = format!("{addr} flood");
        while heard.iter().filter(|line| **line == said).count() < BURST as usize {
            heard.extend(class[0].expect_later(&said)?);
            heard.push(said.clone());
        }
    }

    // All are still online. The flooders have used up their bursts, and are the first in the list.
    server.type_line("")?;
    let count = format!("{CLASS} clients are online");
    server.expect_later(&count, |line| line == count)?;
    for _ in 0..2 {
        let line = server.expect_line("ADDR  since …")?;
        assert!(flooders.iter().any(|it| line.starts_with(&it.addr.to_string())), "{line}");
    }

    let mut removed = class.pop().expect("there is a class");
    server.type_line(&format!("kick {}", removed.addr))?;
    assert_eq!(removed.rest()?.last().map(String::as_str), Some(REMOVED));
    let left = format!("*** {} left", removed.addr);
    for (index, guest) in class.iter_mut().enumerate() {
        let lines = guest.expect_later(&left)?;
        heard.extend(lines.into_iter().filter(|_| index == 0));
    }
    heard.extend(all_speak(&mut class, "after")?);
    let dropped = heard.iter().find(|line| line.ends_with(" left"));
    assert_eq!(dropped, None, "no other client has left");
    let most = f64::from(BURST) + 1.0 + RATE * start.elapsed().as_secs_f64();
    for Flooder { addr, .. } in &flooders {
        let said = format!("{addr} flood");
        let count: u32 = heard.iter().map(|line| u32::from(*line == said)).sum();
        assert!(count > 0 && f64::from(count) < most, "{count} lines, not {most} at most");
    }

    // Each client that is online gets the goodbye, and then end of file.
    server.type_line("quit")?;
    for guest in class.iter_mut().chain([&mut stalled]) {
        assert_eq!(guest.rest()?.last().map(String::as_str), Some(GOODBYE));
    }
    for flooder in flooders {
        let last = flooder.reader.join().expect("it does not panic");
        assert_eq!(room::without_time(&last), GOODBYE);
    }
    assert_eq!(server.wait()?.code(), Some(0));
    Ok(())
}

/// Lets each guest say some lines, which all must hear; returns what the first of them heard.
fn all_speak(guests: &mut [Guest], when: &str) -> Result<Vec<String>, Failure> {
    let mut heard = Vec::new();
    for round in 0..2 {
        for index in 0..guests.len() {
            let text = format!("{when} {round}");
            guests[index].say(&text)?;
            let said = guests[index].said(&text);
            heard.extend(guests[0].expect_later(&said)?);
            guests[1..].iter_mut().try_for_each(|it| it.expect_later(&said).map(drop))?;
        }
    }
    Ok(heard)
}

#[test]
fn the_console_removes_a_client_and_reports_why_it_cannot_remove_one() -> Result<(), Failure> {
    kick(server(false))
}

#[test]
#[ignore = "needs python3"]
fn the_console_of_the_python_server_removes_a_client() -> Result<(), Failure> {
    kick(server(true))
}

/// The console removes a client that floods the room, and one that is silent.
fn kick(server: Command) -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server)?;
    let mut bob = Guest::join(addr)?;
    let mut alice = Guest::join(addr)?;
    let flooder = flood(addr).expect("the server accepts").addr;
    bob.expect_later(&format!("{flooder} flood"))?;
    for who in [flooder, alice.addr] {
        server.type_line(&format!("kick {who}"))?;
        bob.expect_later(&format!("*** {who} left"))?;
        expect_log(&mut server, &format!("{who} kicked"))?;
    }
    let rest = alice.rest()?;
    assert_eq!(rest.last().map(String::as_str), Some(REMOVED));
    server.type_line(&format!("kick {}", alice.addr))?;
    let unknown = format!("no client has the address {}", alice.addr);
    server.expect_later(&unknown, |line| line == unknown)?;
    server.type_line(&format!(" kick\t {} ", alice.addr))?;
    server.expect_later(&unknown, |line| line == unknown)?;
    let unclear = "type kick and an address from the list of clients";
    for line in ["kick bob", "kick", "kick bob:1", "kick \u{1b}[2J:1"] {
        server.type_line(line)?;
        server.expect_later(unclear, |line| line == unclear)?;
    }
    bob.says_and_hears("still here")
}

#[test]
fn a_long_text_is_said_slowly_and_whole_even_if_its_client_has_ended_its_stream()
-> Result<(), Failure> {
    a_long_text(server(false))
}

#[test]
#[ignore = "needs python3"]
fn the_python_server_has_a_long_text_said_slowly_and_whole() -> Result<(), Failure> {
    a_long_text(server(true))
}

/// A client sends more than a burst, with bad lines in between, and ends its stream.
fn a_long_text(server: Command) -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server)?;
    let mut bob = Guest::join(addr)?;
    let mut alice = Guest::join(addr)?;
    let start = Instant::now();
    let more = 10; // lines than a burst
    let lines: Vec<String> = (0..BURST + more).map(|number| number.to_string()).collect();
    alice.say(&format!("{}\n\n\x01\nlast", lines.join("\n")))?;
    alice.peer.end_sending()?;
    let error = "error: a line must not have control characters".to_owned();
    let said: Vec<String> = lines.iter().map(|line| alice.said(line)).collect();
    let last = alice.said("last");
    assert_eq!(alice.rest()?, [&said[..], &[error, last.clone()]].concat());
    bob.expect(&format!("*** {} joined", alice.addr))?;
    said.iter().chain([&last]).try_for_each(|line| bob.expect(line))?;
    bob.expect(&format!("*** {} left", alice.addr))?;
    assert!(start.elapsed().as_secs_f64() > f64::from(more) / RATE, "{:?}", start.elapsed());
    Ok(())
}

/// A client may have sent a thousand lines before it vanished. The room does not have to listen to them.
#[test]
fn a_flooder_that_breaks_off_has_left_at_once() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server(false))?;
    let mut bob = Guest::join(addr)?;
    let mut alice = Guest::join(addr)?;
    alice.peer.send("flood\n".repeat(1000).as_bytes())?;
    bob.expect_later(&alice.said("flood"))?;
    let who = alice.addr;
    alice.peer.reset()?;
    let start = Instant::now();
    bob.expect_later(&format!("*** {who} left"))?;
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    Ok(())
}
