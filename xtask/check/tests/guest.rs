//! What `cargo xtask guest` does in a room.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use conformance::{Failure, Program};

fn guest(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask-check"));
    command.arg("guest").args(arguments);
    command
}

/// A guest of a room that is this test, and the connection to it.
fn start(arguments: &[&str]) -> Result<(Program, TcpStream), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let addr = listener.local_addr().expect("it is bound").to_string();
    let mut guest = Program::start(guest(&[&[&*addr], arguments].concat()))?;
    let (stream, peer_addr) = listener.accept().expect("the guest connects");
    let connected = guest.expect_line("connected as ADDR")?;
    assert!(connected.starts_with(&format!("connected as {peer_addr}")), "{connected}");
    Ok((guest, stream))
}

#[test]
fn a_guest_who_talks_says_that_many_lines_of_that_length_at_that_rate() -> Result<(), Failure> {
    let start_time = Instant::now();
    let (mut guest, mut stream) = start(&["--say", "30", "--length", "100", "--rate", "100"])?;
    let lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
    let lines: Vec<String> = lines.map(|line| line.expect("text")).collect();
    assert!(start_time.elapsed() > Duration::from_millis(290), "{:?}", start_time.elapsed());
    assert_eq!(lines.len(), 30);
    assert!(lines.iter().all(|line| line.len() == 100), "{lines:?}");
    assert!(lines[29].starts_with("line 30 ."), "{}", lines[29]);
    pass_on(&mut stream, &lines)?;
    drop(stream);
    let end = guest.expect_line("said … lines")?;
    assert!(end.starts_with("said 30 lines and heard 30 in "), "{end}");
    assert!(guest.wait()?.success());
    Ok(())
}

/// Sends the guest its own lines, as a room does.
fn pass_on(stream: &mut TcpStream, lines: &[String]) -> Result<(), Failure> {
    let addr = stream.peer_addr().expect("it is connected");
    let sent = lines.iter().try_for_each(|line| writeln!(stream, "{addr} {line}"));
    sent.map_err(|error| Failure::new(error.to_string()))
}

/// Answers a guest of three lines with that many of them, and then this; returns the line that it prints.
fn three_lines(passed_on: usize, then: &str) -> Result<(String, Option<i32>), Failure> {
    answered(&["--say", "3"], passed_on, then)
}

/// As `three_lines`, for a guest with these options.
fn answered(
    options: &[&str],
    passed_on: usize,
    then: &str,
) -> Result<(String, Option<i32>), Failure> {
    let (mut guest, mut stream) = start(options)?;
    let lines = BufReader::new(stream.try_clone().expect("a second handle")).lines();
    let lines: Vec<String> = lines.map(|line| line.expect("text")).collect();
    pass_on(&mut stream, &lines[..passed_on])?;
    stream.write_all(then.as_bytes()).expect("the guest reads");
    drop(stream); // all has been read, so this is an orderly end
    Ok((guest.expect_line("a line")?, guest.wait()?.code()))
}

#[test]
fn a_guest_that_is_turned_away_removed_or_stopped_has_not_said_its_lines() -> Result<(), Failure> {
    let ended = |count| format!("error: the server ended the connection after {count} of 3 lines");
    for (passed_on, then) in [
        (0, "error: the room is full; try again later"),
        (1, "error: you were removed from the room"),
        (2, "2026-11-23 08:23:04 *** the server is stopping"),
        (1, "\u{1b}[2J"),
    ] {
        let (line, code) = three_lines(passed_on, &format!("{then}\n"))?;
        let then = conformance::printable(then);
        assert_eq!(line, format!("{}; its last line: {then}", ended(passed_on)));
        assert_eq!(code, Some(1));
    }
    let (line, code) = three_lines(3, "2026-11-23 08:23:04 *** the server is stopping\n")?;
    assert!(line.starts_with("said 3 lines and heard 4 in "), "{line}");
    assert_eq!(code, Some(0));
    // Some rooms do not show the sender.
    let (line, code) = three_lines(0, "line 1\n")?;
    assert!(line.starts_with("said 3 lines and heard 1 in "), "{line}");
    assert_eq!(code, Some(0));
    Ok(())
}

#[test]
fn a_guest_counts_its_lines_however_short_they_are() -> Result<(), Failure> {
    for length in ["1", "4", "5", "6"] {
        let options = ["--say", "3", "--length", length];
        let (line, code) = answered(&options, 1, "*** the server is stopping\n")?;
        let ended = "error: the server ended the connection after 1 of 3 lines; its last line: ";
        assert_eq!(line, format!("{ended}*** the server is stopping"), "{length}");
        assert_eq!(code, Some(1));
        let (line, code) = answered(&options, 3, "")?;
        assert!(line.starts_with("said 3 lines and heard 3 in "), "{line}");
        assert_eq!(code, Some(0));
    }
    Ok(())
}

#[test]
fn a_guest_whose_connection_is_reset_has_not_said_its_lines() -> Result<(), Failure> {
    let (mut guest, stream) = start(&["--say", "3"])?;
    stream.peek(&mut [0]).expect("a line has arrived");
    drop(stream); // with unread bytes in its buffer, so it is reset
    let end = guest.expect_line("error: …")?;
    assert!(
        end.starts_with("error: the server ended the connection after 0 of 3 lines: "),
        "{end}"
    );
    assert_eq!(guest.wait()?.code(), Some(1));
    Ok(())
}

#[test]
fn a_room_that_leaves_before_everything_is_said_is_an_error() -> Result<(), Failure> {
    let (mut guest, mut stream) = start(&["--say", "2", "--rate", "1"])?;
    let mut line = [0; "line 1 .............\n".len()];
    stream.read_exact(&mut line).expect("a line arrives");
    drop(stream); // nothing is unread, so this is an orderly end
    let line = guest.expect_line("error: …")?;
    assert_eq!(line, "error: the server ended the connection after 0 of 2 lines");
    assert_eq!(guest.wait()?.code(), Some(1));
    Ok(())
}

#[test]
fn a_guest_who_pauses_reads_nothing_until_enter_and_then_everything() -> Result<(), Failure> {
    let (mut guest, mut stream) = start(&["--pause"])?;
    stream.set_nonblocking(true).expect("it can be set");
    let line = [&[b'x'; 999][..], b"\n"].concat();
    let mut count = 0;
    let rest = loop {
        match stream.write(&line) {
            Ok(len) if len == line.len() => count += 1,
            Ok(len) => break line[len..].to_vec(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => break Vec::new(),
            Err(error) => panic!("{error}"),
        }
    };
    assert!(count < 20_000, "the system took {count} lines, as if somebody read them");
    assert_eq!(guest.lines_left(), [""; 0]);
    guest.type_line("")?;
    stream.set_nonblocking(false).expect("it can be set");
    stream.write_all(&rest).expect("the guest reads");
    drop(stream);
    for _ in 0..count {
        assert_eq!(guest.expect_line("a line")?.len(), 999);
    }
    let end = "the server closed the connection";
    guest.expect_later(end, |line| line == end)?;
    assert!(guest.wait()?.success());
    Ok(())
}

#[test]
fn a_guest_sends_any_bytes_and_shows_those_of_the_answer() -> Result<(), Failure> {
    let (mut guest, mut stream) = start(&["--bytes", r"\x00\x00\x00\x07echo hi"])?;
    let mut arrived = Vec::new();
    stream.read_to_end(&mut arrived).expect("the guest ends its side");
    assert_eq!(arrived, b"\0\0\0\x07echo hi");
    stream.write_all(b"\0\0\0\x03hi\n").expect("the guest reads");
    drop(stream);
    let line = guest.expect_line("the bytes")?;
    assert!(line.contains("00 00 00 03 68 69 0a") && line.ends_with("|....hi.|"), "{line}");
    assert_eq!(guest.expect_line("the end")?, "the server closed the connection");
    assert!(guest.wait()?.success());
    Ok(())
}

#[test]
fn a_room_that_is_not_there_is_one_clear_line() -> Result<(), Failure> {
    let nobody = conformance::NobodyListens::new();
    let addr = nobody.addr().to_string();
    let mut guest = Program::start(guest(&[&addr]))?;
    let line = guest.expect_line("error: …")?;
    assert_eq!(line, format!("error: {addr}: connection refused; start the server first"));
    assert_eq!(guest.wait()?.code(), Some(1));
    Ok(())
}
