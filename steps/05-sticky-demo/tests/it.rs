//! What step 05 shows: that a stream has no message boundaries, and that datagrams have.

use std::net::TcpListener;
use std::process::Command;

use assert_cmd::Command as Assert;
use conformance::{Failure, NobodyListens, Peer, Program, check, python};
use predicates::prelude::*;

const STEP: &str = env!("CARGO_BIN_EXE_step-05-sticky-demo");

/// What the step prints for these arguments, which it must take.
fn output(arguments: &str) -> String {
    let assert = Assert::new(STEP).args(arguments.split(' ')).assert().success().stderr("");
    String::from_utf8(assert.get_output().stdout.clone()).expect("it prints text")
}

/// The words of each line of a table, without its head.
fn rows(table: &str) -> Vec<Vec<&str>> {
    table.lines().skip(1).map(|line| line.split_whitespace().collect()).collect()
}

/// How many rounds the bars of a chart count.
fn rounds_in(chart: &str) -> usize {
    let bars = chart.lines().skip_while(|line| !line.starts_with("reads")).skip(1);
    let bars = bars.take_while(|line| !line.is_empty());
    bars.map(|line| {
        let mut words = line.split_whitespace();
        let rounds: usize = words.nth(1).expect("a count").parse().expect("a number");
        let bar = words.next().unwrap_or_default().len();
        assert_eq!(rounds > 0, bar > 0, "what happened has a bar, and nothing else: {line}");
        rounds
    })
    .sum()
}

#[cfg(unix)]
#[test]
fn the_server_neither_panics_nor_spins_when_it_is_treated_roughly() {
    conformance::rough::assert_server_survives(5, STEP);
}

#[cfg(unix)]
#[test]
fn the_client_neither_panics_nor_spins_when_it_is_treated_roughly() {
    conformance::rough::assert_client_survives(5, STEP);
}

#[test]
fn the_solutions_of_the_exercises_keep_what_this_step_breaks() {
    check::assert_exercises(env!("CARGO_MANIFEST_DIR"), STEP);
}

#[test]
#[ignore = "needs python3"]
fn the_solutions_of_the_exercises_in_python_keep_what_this_step_breaks() {
    check::assert_python_exercises(env!("CARGO_MANIFEST_DIR"), STEP);
}

#[test]
fn three_writes_are_one_read_every_time() {
    let table = "\
call     length  bytes
write 1       5  abcde
write 2       5       fghij
write 3       5            klmno
read 1       15  abcdefghijklmno
";
    for _ in 0..50 {
        assert_eq!(output("merge"), table);
    }
}

#[test]
fn one_write_is_three_reads_every_time() {
    let table = "\
call     length  bytes
write 1      16  abcdefghijklmnop
read 1        6  abcdef
read 2        6        ghijkl
read 3        4              mnop
";
    for _ in 0..50 {
        assert_eq!(output("split"), table);
    }
}

#[test]
fn the_room_for_a_read_decides_where_the_stream_is_cut_and_the_writes_do_not() {
    let table = "\
call     length  bytes
write 1       6  abcdef
write 2       6        ghijkl
write 3       6              mnopqr
write 4       6                    stuvwx
read 1        9  abcdefghi
read 2        9           jklmnopqr
read 3        6                    stuvwx
";
    assert_eq!(output("merge --messages 4 --size 6 --read 9"), table);
}

#[test]
fn a_read_takes_no_more_than_there_is_room_for() {
    for (arguments, reads) in [
        ("split --read 1", 16),
        ("split --size 1", 1),
        ("split --read 16", 1),
        ("split --size 100 --read 99", 2),
        ("merge --read 14", 2),
    ] {
        let table = output(arguments);
        let came = rows(&table).into_iter().filter(|row| row[0] == "read").count();
        assert_eq!(came, reads, "{table}");
    }
}

#[test]
fn a_hundred_of_the_longest_messages_are_one_read_too() {
    let table = output("merge --messages 100 --size 100 --read 65536");
    let rows = rows(&table);
    assert_eq!(rows.len(), 101);
    assert_eq!(rows[99][..3], ["write", "100", "100"]);
    assert_eq!(rows[100][..3], ["read", "1", "10000"]);
    assert!(rows[100][3].starts_with("abcdefghijklmnopqrstuvwxyzabcd"), "{table}");
    assert!(rows[100][3].ends_with("..."), "{table}");
}

#[test]
fn every_round_of_a_race_is_counted_once_and_no_byte_is_lost() {
    for race in ["race", "race --nodelay"] {
        for (options, rounds) in [
            (String::new(), 1000),
            (" --rounds 1".to_owned(), 1),
            (" --rounds 100 --messages 10 --size 1".to_owned(), 100),
            (" --rounds 100 --messages 7 --size 11 --read 5".to_owned(), 100),
        ] {
            let chart = output(&format!("{race}{options}"));
            assert_eq!(rounds_in(&chart), rounds, "{chart}");
            let whole = format!("every byte there, in its place: {rounds} of {rounds} rounds");
            assert!(chart.lines().any(|line| line == whole), "{chart}");
        }
    }
}

#[test]
fn a_race_with_one_message_and_enough_room_has_nothing_to_merge() {
    let chart = output("race --messages 1 --rounds 100");
    assert!(chart.contains("each message in a read of its own: 100 of 100 rounds"), "{chart}");
    let chart = output("race --messages 1 --rounds 100 --read 4");
    assert!(chart.contains("each message in a read of its own: 0 of 100 rounds"), "{chart}");
}

#[test]
fn nodelay_reports_what_it_sets_and_what_it_does_not_change() {
    let chart = output("race --nodelay --rounds 10");
    assert!(chart.contains("Nagle's algorithm: off (TCP_NODELAY)"), "{chart}");
    assert!(chart.contains("promises no boundaries"), "{chart}");
    assert!(output("race --rounds 10").contains("Nagle's algorithm: on\n"));
}

#[test]
fn each_datagram_stays_by_itself() {
    let table = output("udp --messages 100 --size 7");
    let rows = rows(&table);
    assert_eq!(rows.len(), 103);
    for (index, row) in rows[..100].iter().enumerate() {
        assert_eq!(row[..], [&(index + 1).to_string(), "7", "1024", "7", "whole"]);
    }
}

#[test]
fn a_datagram_loses_what_there_is_no_room_for() {
    let table = output("udp --size 9 --read 4");
    let rows = rows(&table);
    for row in &rows[..3] {
        assert_eq!(row[1..], ["9", "4", "4", "cut:", "5", "lost"]);
    }
    assert_eq!(rows[3][1..], ["20", "8", "8", "cut:", "12", "lost"]);
}

#[test]
fn the_longest_datagram_is_taken_and_a_longer_one_is_not() {
    let table = output("udp");
    let rows = rows(&table);
    if cfg!(target_os = "macos") {
        assert_eq!(rows[4][..2], ["5", "65507"]); // too long, unless net.inet.udp.maxdgram is raised
    } else {
        assert_eq!(rows[4], ["5", "65507", "65535", "65507", "whole"]);
    }
    assert_eq!(rows[5], ["6", "65508", "too", "long"]);
}

#[test]
fn a_number_out_of_range_gets_one_clear_line() {
    for (arguments, error) in [
        ("merge --messages 0", "'0' for '--messages <MESSAGES>': 0 is not in 1..=100"),
        ("merge --messages 101", "'101' for '--messages <MESSAGES>': 101 is not in 1..=100"),
        ("merge --size 0", "'0' for '--size <SIZE>': 0 is not in 1..=100"),
        ("split --size 101", "'101' for '--size <SIZE>': 101 is not in 1..=100"),
        ("split --read 0", "'0' for '--read <READ>': 0 is not in 1..=65536"),
        ("udp --read 65537", "'65537' for '--read <READ>': 65537 is not in 1..=65536"),
        ("race --rounds 0", "'0' for '--rounds <ROUNDS>': 0 is not in 1..=100000"),
        ("race --rounds many", "'many' for '--rounds <ROUNDS>': invalid digit found in string"),
        ("server --read 0", "'0' for '--read <READ>': 0 is not in 1..=65536"),
    ] {
        let line = predicate::str::starts_with(format!("error: invalid value {error}\n"));
        Assert::new(STEP).args(arguments.split(' ')).assert().failure().stdout("").stderr(line);
    }
}

#[test]
fn lines_that_are_typed_slowly_are_read_one_by_one() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut client = Program::start(client(&addr.to_string()))?;
    server.expect_line("… connected")?;
    for line in ["one", "two", "Grüße"] {
        client.type_line("")?; // is not sent
        client.type_line(line)?;
        let len = line.len();
        assert_eq!(client.expect_line("sent …")?, format!("sent {len} bytes"));
        let read = server.expect_line("read …")?;
        assert!(read.starts_with(&format!("read {len} bytes from ")), "{read}");
    }
    client.end_input();
    assert!(client.wait()?.success());
    server.expect_line("… disconnected").map(drop)
}

#[test]
fn lines_that_have_piled_up_are_one_read() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let alice = Peer::connect(addr)?;
    server.expect_line("… connected")?;
    let mut bob = Program::start(client(&addr.to_string()))?;
    for line in ["one", "two", "three"] {
        bob.type_line(line)?;
        bob.expect_line("sent …")?;
    }
    bob.end_input();
    assert!(bob.wait()?.success());
    alice.close();
    let read = server.expect_later("read …", |line| line.starts_with("read "))?;
    assert!(
        read.starts_with("read 11 bytes from ") && read.ends_with(": \"onetwothree\""),
        "{read}"
    );
    Ok(())
}

#[test]
fn the_server_cuts_the_stream_where_its_room_ends() -> Result<(), Failure> {
    let mut command = server();
    command.args(["--read", "4"]);
    let (mut server, addr) = Program::start_server(command)?;
    let mut peer = Peer::connect(addr)?;
    server.expect_line("… connected")?;
    peer.send(b"onetwothree")?;
    for piece in ["onet", "woth", "ree"] {
        let read = server.expect_line("read …")?;
        assert!(read.ends_with(&format!(": \"{piece}\"")), "{read}");
    }
    Ok(())
}

#[test]
fn a_reset_ends_one_connection_and_not_the_server() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let peer = Peer::connect(addr)?;
    server.expect_line("… connected")?;
    peer.reset()?;
    let lost = server.expect_line("… lost")?;
    assert!(lost.contains(" lost: "), "{lost}");
    Peer::connect(addr)?.send(b"next")?;
    server.expect_later("next", |line| line.ends_with(": \"next\"")).map(drop)
}

#[test]
fn a_server_that_goes_away_ends_the_client_with_an_error() -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("its address");
    let mut client = Program::start(client(&addr.to_string()))?;
    drop(listener.accept().expect("a client connects"));
    while client.type_line("hello").is_ok() {} // the answer to a write shows it the end
    assert!(!client.wait()?.success());
    let lines = client.lines_left();
    let error = lines.last().expect("it reports why");
    assert!(error.starts_with(&format!("error: {addr}: ")), "{error}");
    Ok(())
}

#[test]
fn no_program_listens() {
    let nobody = NobodyListens::new();
    let addr = nobody.addr().to_string();
    let advice = format!("error: {addr}: connection refused; start the server first\n");
    Assert::new(STEP).args(["client", &addr]).assert().failure().stdout("").stderr(advice);
}

#[test]
#[ignore = "needs python3"]
fn python_client_talks_to_our_server() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut client = Program::start(twin("client.py", &addr.to_string()))?;
    server.expect_line("… connected")?;
    for line in ["hello", "Grüße"] {
        client.type_line("")?;
        client.type_line(line)?;
        assert_eq!(client.expect_line("sent …")?, format!("sent {} bytes", line.len()));
        let read = server.expect_line("read …")?;
        assert!(read.starts_with(&format!("read {} bytes from ", line.len())), "{read}");
    }
    client.end_input();
    assert!(client.wait()?.success());
    server.expect_line("… disconnected").map(drop)
}

#[test]
#[ignore = "needs python3"]
fn our_client_talks_to_python_server() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(twin("server.py", "127.0.0.1:0"))?;
    for _ in 0..2 {
        let mut client = Program::start(client(&addr.to_string()))?;
        server.expect_line("… connected")?;
        client.type_line("hello")?;
        let read = server.expect_line("read …")?;
        assert!(read.starts_with("read 5 bytes from ") && read.ends_with(": \"hello\""), "{read}");
        client.end_input();
        assert!(client.wait()?.success());
        server.expect_line("… disconnected")?;
    }
    Ok(())
}

#[test]
#[ignore = "needs python3"]
fn the_python_demo_prints_the_same_tables() {
    for demo in ["merge", "split", "udp"] {
        let ours = output(demo);
        for _ in 0..3 {
            let stdout = Assert::from_std(twin("demo.py", demo)).assert().success().stderr("");
            let theirs = String::from_utf8_lossy(&stdout.get_output().stdout).replace("\r\n", "\n");
            assert_eq!(theirs, ours);
        }
    }
}

fn server() -> Command {
    let mut command = Command::new(STEP);
    command.args(["server", "127.0.0.1:0"]);
    command
}

fn client(addr: &str) -> Command {
    let mut command = Command::new(STEP);
    command.args(["client", addr]);
    command
}

#[cfg(unix)]
#[test]
#[ignore = "needs python3"]
fn the_python_twin_gives_no_traceback_when_it_is_treated_roughly() {
    conformance::rough::assert_twin_survives(|| {
        conformance::check::Subject::new(
            5,
            || twin("server.py", "127.0.0.1:0"),
            |addr| twin("client.py", &addr.to_string()),
        )
    });
}

/// The same step in Python.
fn twin(file: &str, argument: &str) -> Command {
    let mut command = python().expect("Python 3 is installed");
    command.arg(format!("{}/python/{file}", env!("CARGO_MANIFEST_DIR"))).arg(argument);
    command
}
