//! What the room of this step does.
//!
//! The files beside this one test how it stops (`stop.rs`, `handle.rs`), and crowds and hostile guests
//! (`crowd.rs`).

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::thread;
use std::time::Duration;

use assert_cmd::Command as Assert;
use conformance::check::{self, Subject};
use conformance::proxy::{Cut, Proxy};
use conformance::{Failure, NobodyListens, Peer, Program, python};
use room::step::{NUMBER, SERVER_OPTIONS, STEP};
use room::{Guest, client, expect_log, list, server, without_time};

mod room;

#[test]
fn keeps_what_its_manifest_promises() {
    check::assert_promises(env!("CARGO_MANIFEST_DIR"), STEP);
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

#[cfg(unix)]
#[test]
fn the_server_neither_panics_nor_spins_when_it_is_treated_roughly() {
    conformance::rough::assert_server_survives(NUMBER, STEP);
}

#[test]
fn every_client_hears_who_joins_and_who_leaves() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut bob = Guest::join(addr)?;
    for way in ["quit", "end", "half a line", "reset"] {
        let mut alice = Guest::join(addr)?;
        bob.expect(&format!("*** {} joined", alice.addr))?;
        alice.says_and_hears("hello")?;
        bob.expect(&alice.said("hello"))?;
        let who = alice.addr;
        match way {
            "quit" => {
                alice.say("quit")?;
                assert_eq!(alice.next_line()?, None, "the server closes the connection as well");
            }
            "end" => alice.peer.close(),
            "half a line" => {
                alice.peer.send(b"half a li")?;
                alice.peer.close();
            }
            _ => alice.peer.reset()?,
        }
        bob.expect(&format!("*** {who} left"))?;
        expect_log(&mut server, &format!("{who} joined"))?;
        if way == "reset" {
            // Windows reports a reset in one of two ways.
            let lost = format!(" INFO {who} lost: connection ");
            server.expect_later(&lost, |line| line.contains(&lost))?;
        } else {
            expect_log(&mut server, &format!("{who} left"))?;
        }
        assert_eq!(list(&mut server, 1)?, [format!("{}  0 bytes wait", bob.addr)]);
    }
    Ok(())
}

/// Connects, and is turned away.
fn expect_turned_away(server: &mut Program, addr: SocketAddr) -> Result<(), Failure> {
    let mut peer = Peer::connect(addr)?;
    let who = peer.local_addr()?;
    let answer = String::from_utf8_lossy(&peer.receive_to_end()?).into_owned();
    assert_eq!(answer, "error: the room is full; try again later\n");
    expect_log(server, &format!("{who} turned away: the room is full"))
}

/// Makes the limit of a server two clients.
fn limited(mut server: Command) -> Command {
    server.args(["--max-clients", "2"]);
    server
}

#[test]
fn a_full_room_turns_clients_away_until_one_leaves_in_whatever_way() -> Result<(), Failure> {
    full_room(limited(server()))
}

/// The behaviour of a server whose limit is two clients.
fn full_room(server: Command) -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server)?;
    let mut bob = Guest::join(addr)?;
    for way in ["quit", "end", "half a line", "reset"] {
        let mut alice = room::join_when_there_is_a_place(addr)?;
        expect_turned_away(&mut server, addr)?;
        expect_turned_away(&mut server, addr)?;
        alice.say("still here")?;
        alice.expect(&alice.said("still here"))?; // and no line before it
        match way {
            "quit" => alice.say("quit")?,
            "end" => alice.peer.end_sending()?,
            "half a line" => {
                alice.peer.send(b"half a li")?;
                alice.peer.end_sending()?;
            }
            _ => alice.peer.reset()?,
        }
        bob.expect_later(&format!("*** {} left", alice.addr))?;
    }
    Ok(())
}

#[test]
fn a_client_that_is_turned_away_shows_why_and_fails() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(limited(server()))?;
    let _guests = room::join_all(addr, 2)?;
    let mut client = Program::start(client(&addr.to_string()))?;
    let why = "error: the room is full; try again later";
    assert_eq!(client.expect_line(why)?, why);
    let error = format!("error: {addr}: the server closed the connection");
    assert_eq!(client.expect_line(&error)?, error);
    assert_eq!(client.wait()?.code(), Some(1));
    Ok(())
}

#[test]
fn an_announcement_cannot_be_forged() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let mut bob = Guest::join(addr)?;
    let mut mallory = Guest::join(addr)?;
    let fake = "2026-11-23 08:23:04 *** the server is stopping";
    mallory.says_and_hears(fake)?;
    let line = mallory.said(fake);
    bob.expect_later(&line)?;
    // A carriage return, a line separator, and a right-to-left override.
    for other in ["\r", "\u{2028}", "\u{202e}"] {
        mallory.say(&format!("nothing{other}{fake}"))?;
        mallory.expect("error: a line must not have control characters")?;
    }
    Ok(())
}

#[test]
fn good_lines_and_bad_ones_are_answered_in_their_order() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let mut bob = Guest::join(addr)?;
    let mut alice = Guest::join(addr)?;
    let too_long = "x".repeat(4097);
    alice
        .peer
        .send(&[b"one\n\xff\ntwo\n\x1b\n\n \nthree\n", too_long.as_bytes(), b"\nfour"].concat())?;
    alice.peer.send(b"\nquit\nnot said\n")?;
    let (one, two) = (alice.said("one"), alice.said("two"));
    let (three, four) = (alice.said("three"), alice.said("four"));
    let [utf8, control, long] =
        ["must be UTF-8", "must not have control characters", "has at most 4096 bytes"]
            .map(|text| format!("error: a line {text}"));
    let all = [one.clone(), utf8, two.clone(), control, three.clone(), long, four.clone()];
    assert_eq!(alice.rest()?, all);
    bob.expect_later(&one)?;
    for line in [two, three, four, format!("*** {} left", alice.addr)] {
        bob.expect(&line)?;
    }
    Ok(())
}

#[test]
fn half_a_line_before_the_end_is_not_said_and_what_came_before_it_is_heard() -> Result<(), Failure>
{
    let (_server, addr) = Program::start_server(server())?;
    let mut bob = Guest::join(addr)?;
    let mut alice = Guest::join(addr)?;
    alice.peer.send(b"hello\nrm -rf /tmp")?;
    alice.peer.end_sending()?;
    assert_eq!(alice.rest()?, [alice.said("hello")]);
    bob.expect_later(&alice.said("hello"))?;
    bob.expect(&format!("*** {} left", alice.addr))
}

#[test]
fn the_console_lists_who_is_online_and_its_end_is_not_the_end_of_the_room() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    server.type_line("")?;
    assert_eq!(server.expect_line("no client is online")?, "no client is online");
    let mut guests = room::join_all(addr, 12)?;
    // Nothing is queued any more once all of them have received the last announcement.
    let joined = format!("*** {} joined", guests[11].addr);
    guests[..11].iter_mut().try_for_each(|guest| guest.expect_later(&joined).map(drop))?;
    let expected: Vec<String> =
        guests.iter().map(|guest| format!("{}  0 bytes wait", guest.addr)).collect();
    assert_eq!(list(&mut server, 12)?, expected, "in the order in which they joined");
    // The longest line that a terminal passes on: 4096 bytes, with its ending.
    server.type_line(&"x".repeat(4095))?;
    assert_eq!(list(&mut server, 12)?, expected);
    assert_eq!(list(&mut server, 12)?, expected);
    server.end_input();
    guests[0].says_and_hears("still here")?;
    Guest::join(addr)?.says_and_hears("me, too")
}

#[test]
fn the_room_continues_when_the_server_cannot_print() {
    use std::io::{BufRead as _, BufReader};
    use std::process::Stdio;

    let mut command = server();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = command.spawn().expect("it starts");
    let mut stdout = BufReader::new(server.stdout.take().expect("it is piped"));
    let mut line = String::new();
    stdout.read_line(&mut line).expect("its first line");
    drop((stdout, server.stderr.take())); // from now on, printing fails
    let addr = line.trim().rsplit(' ').next().and_then(|addr| addr.parse().ok());
    let mut guest = Guest::join(addr.expect("an address")).expect("it is let in");
    guest.says_and_hears("one").expect("it is heard");
    let mut stdin = server.stdin.take().expect("it is piped");
    stdin.write_all(b"who?\nquit\n").expect("the server reads it");
    guest.expect("*** the server is stopping").expect("the goodbye arrives");
    guest.peer.close();
    assert_eq!(server.wait().expect("it ends").code(), Some(0));
}

/// Expects that the client prints this, after a time.
fn shown(client: &mut Program, expected: &str) -> Result<(), Failure> {
    let line = client.expect_line(expected)?;
    assert_ne!(line, without_time(&line), "the line begins with a time");
    assert_eq!(without_time(&line), expected);
    Ok(())
}

/// Starts a client, and returns it with its address: the first line that it prints announces it.
fn start_client(command: Command) -> Result<(Program, String), Failure> {
    let mut client = Program::start(command)?;
    let line = client.expect_line("*** ADDR joined")?;
    let joined = without_time(&line).strip_prefix("*** ").and_then(|l| l.strip_suffix(" joined"));
    let addr = joined.unwrap_or_else(|| panic!("no announcement: {line}")).to_owned();
    Ok((client, addr))
}

/// Two clients talk, one leaves, and the server stops.
fn a_conversation(server: Command, client: impl Fn(&str) -> Command) -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server)?;
    let (mut alice, alice_addr) = start_client(client(&addr.to_string()))?;
    let (mut bob, bob_addr) = start_client(client(&addr.to_string()))?;
    shown(&mut alice, &format!("*** {bob_addr} joined"))?;
    alice.type_line("Grüße, bob 😀")?;
    for person in [&mut alice, &mut bob] {
        shown(person, &format!("{alice_addr} Grüße, bob 😀"))?;
    }
    bob.type_line(" quit ")?;
    shown(&mut alice, &format!("*** {bob_addr} left"))?;
    assert_eq!(bob.wait()?.code(), Some(0));
    server.type_line("quit")?;
    shown(&mut alice, "*** the server is stopping")?;
    assert_eq!(alice.wait()?.code(), Some(0), "after a goodbye, the end is an orderly one");
    assert_eq!(alice.lines_left(), Vec::<String>::new());
    assert_eq!(server.wait()?.code(), Some(0));
    Ok(())
}

#[test]
fn a_conversation_of_two_clients_until_the_server_stops() -> Result<(), Failure> {
    a_conversation(server(), client)
}

#[test]
fn a_server_that_is_not_there_and_an_address_that_is_taken_are_one_clear_line() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("it is bound").to_string();
    let text = "address in use; stop the program that has it, or choose another port";
    let ran = Assert::new(STEP).args(["server", &addr]).assert().failure();
    ran.stdout("").stderr(format!("error: {addr}: {text}\n"));
    let unused = NobodyListens::new();
    let addr = unused.addr().to_string();
    let text = format!("error: {addr}: connection refused; start the server first\n");
    Assert::from_std(client(&addr)).assert().failure().stdout("").stderr(text);
}

#[test]
fn a_client_behind_a_proxy_that_cuts_every_byte_takes_part() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let proxy = Proxy::start(addr, Cut::Every(1)).expect("a proxy");
    let mut bob = Guest::join(addr)?;
    let (mut alice, alice_addr) = start_client(client(&proxy.addr().to_string()))?;
    alice.type_line("Grüße 😀")?;
    shown(&mut alice, &format!("{alice_addr} Grüße 😀"))?;
    bob.expect_later(&format!("{alice_addr} Grüße 😀"))?;
    bob.say("zurück")?;
    shown(&mut alice, &bob.said("zurück"))
}

#[cfg(target_os = "linux")]
#[test]
fn a_silent_client_is_asked_after_10_seconds_whether_it_is_still_there() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let guest = Guest::join(addr)?;
    // For each socket, the system shows when its timer expires, in hundredths of a second. While the
    // announcement of the guest is not acknowledged, it is another timer.
    let ports = [addr.port(), guest.addr.port()].map(|port| format!(":{port:04X}"));
    let until = std::time::Instant::now() + conformance::DEADLINE;
    loop {
        let table = std::fs::read_to_string("/proc/net/tcp").expect("it exists on Linux");
        let row = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
        let mut row = row.filter(|row| row[1].ends_with(&ports[0]) && row[2].ends_with(&ports[1]));
        let timer = row.next().expect("the server has the connection")[5];
        let (kind, when) = timer.split_once(':').expect("a kind and a time");
        if kind == "02" {
            let when = u64::from_str_radix(when, 16).expect("a number");
            assert!((500..=1000).contains(&when), "{when} hundredths of a second");
            return Ok(());
        }
        assert!(std::time::Instant::now() < until, "the timer of keepalive does not run: {timer}");
        thread::sleep(Duration::from_millis(5)); // no event reports that a timer of the system runs
    }
}

#[test]
#[ignore = "needs python3"]
fn python_client_talks_to_our_server() -> Result<(), Failure> {
    a_conversation(server(), |addr| twin("client.py", addr))
}

#[test]
#[ignore = "needs python3"]
fn our_client_talks_to_python_server() -> Result<(), Failure> {
    a_conversation(twin_server(), client)
}

#[test]
#[ignore = "needs python3"]
fn the_python_server_drops_a_slow_reader_and_lists_who_is_online() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(twin_server())?;
    let slow = Guest::join_slow(addr)?;
    let mut guest = Guest::join(addr)?;
    let text = "x".repeat(4000);
    let left = format!("*** {} left", slow.addr);
    loop {
        guest.say(&text)?;
        let said = guest.said(&text);
        if guest.expect_later(&said)?.contains(&left) {
            break;
        }
    }
    let expected = [format!("{}  0 bytes wait", guest.addr)];
    assert_eq!(list(&mut server, 1)?, expected);
    server.type_line(&"x".repeat(4095))?;
    assert_eq!(list(&mut server, 1)?, expected);
    assert_eq!(list(&mut server, 1)?, expected);
    Ok(())
}

#[test]
#[ignore = "needs python3"]
fn the_python_server_stops_while_clients_connect_all_the_time() -> Result<(), Failure> {
    let (server, addr) = Program::start_server(twin("server.py", "127.0.0.1:0"))?;
    room::stop_in_a_flood(server, addr)
}

#[test]
#[ignore = "needs python3"]
fn the_python_server_turns_clients_away_when_it_is_full() -> Result<(), Failure> {
    full_room(limited(twin_server()))
}

#[test]
#[ignore = "needs python3"]
fn the_python_server_keeps_the_same_promises_wherever_the_stream_is_cut() {
    let every = [1, 1024]; // Python starts slowly
    check::assert_promises_at_cuts(env!("CARGO_MANIFEST_DIR"), &every, twins);
}

/// The same step's server in Python.
fn twin_server() -> Command {
    let mut command = twin("server.py", "127.0.0.1:0");
    command.args(SERVER_OPTIONS);
    command
}

#[cfg(unix)]
#[test]
#[ignore = "needs python3"]
fn the_python_twin_gives_no_traceback_when_it_is_treated_roughly() {
    conformance::rough::assert_twin_survives(twins);
}

/// The same step's server and client in Python.
fn twins() -> Subject {
    Subject::new(NUMBER, twin_server, |addr| twin("client.py", &addr.to_string()))
}

/// The same step in Python.
fn twin(file: &str, addr: &str) -> Command {
    let mut command = python().expect("Python 3 is installed");
    command.arg(format!("{}/python/{file}", env!("CARGO_MANIFEST_DIR"))).arg(addr);
    command
}

/// Slow tests; `cargo xtask verify --only slow` runs them.
mod slow {
    use super::*;

    #[test]
    #[ignore = "slow: every check at eight cuts"]
    fn keeps_every_promise_wherever_the_stream_is_cut() {
        let every = [1, 2, 3, 7, 64, 1024, 4096];
        check::assert_promises_at_cuts(env!("CARGO_MANIFEST_DIR"), &every, || {
            Subject::of_step(NUMBER, STEP)
        });
    }
}
