//! What step 03 does, and what it does not do yet.

use std::path::Path;
use std::process::Command;

use assert_cmd::Command as Assert;
use conformance::check::{self, Promises, Subject};
use conformance::proxy::Cut;
use conformance::{Failure, Peer, Program, cpu, python};

const STEP: &str = env!("CARGO_BIN_EXE_step-03-conn-loop");

fn server() -> Command {
    let mut command = Command::new(STEP);
    command.args(["server", "127.0.0.1:0"]);
    command
}

fn exchange(peer: &mut Peer) -> Result<(), Failure> {
    peer.send(b"hello")?;
    peer.expect(b"HELLO")
}

#[test]
fn keeps_what_its_manifest_promises_and_breaks_what_it_declares() {
    check::assert_promises(env!("CARGO_MANIFEST_DIR"), STEP);
}

#[cfg(unix)]
#[test]
fn the_server_neither_panics_nor_spins_when_it_is_treated_roughly() {
    conformance::rough::assert_server_survives(3, STEP);
}

#[cfg(unix)]
#[test]
fn the_client_neither_panics_nor_spins_when_it_is_treated_roughly() {
    conformance::rough::assert_client_survives(3, STEP);
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
fn every_promise_is_kept_however_the_stream_is_cut() -> Result<(), Failure> {
    for cut in [Cut::Every(1), Cut::Every(3), Cut::Random { seed: 3 }] {
        hold_to_what_is_kept(&Subject::of_step(3, STEP).behind(cut))?;
    }
    Ok(())
}

/// Holds a subject to every check that its manifest promises to keep.
fn hold_to_what_is_kept(subject: &Subject) -> Result<(), Failure> {
    let promises = Promises::read(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("a manifest");
    let kept = |check: &&check::Check| promises.keeps.iter().any(|k| k == check.name);
    subject.checks().filter(kept).try_for_each(|check| subject.hold_to(check))
}

#[test]
fn fixed_the_server_does_not_spin_when_a_client_has_left() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut peer = Peer::connect(addr)?;
    let peer_addr = peer.local_addr()?;
    exchange(&mut peer)?;
    peer.close();
    let left = format!("{peer_addr} disconnected");
    server.expect_later(&left, |line| line == left)?;
    cpu::expect_waiting(&server)
}

#[test]
fn fixed_a_reset_ends_one_connection_and_not_the_server() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut peer = Peer::connect(addr)?;
    let peer_addr = peer.local_addr()?;
    exchange(&mut peer)?;
    peer.reset()?;
    while !server.expect_line("… lost")?.starts_with(&format!("{peer_addr} lost: ")) {}
    exchange(&mut Peer::connect(addr)?)
}

#[test]
fn a_hundred_clients_are_served_one_after_another() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    for _ in 0..100 {
        exchange(&mut Peer::connect(addr)?)?;
    }
    Ok(())
}

#[test]
fn still_wrong_a_second_client_waits_until_the_first_has_left() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut first = Peer::connect(addr)?;
    exchange(&mut first)?;

    // The second one is connected, and can even send: but the server does not read that yet.
    let mut second = Peer::connect(addr)?;
    second.send(b"is anybody there?")?;
    for _ in 0..100 {
        exchange(&mut first)?; // the server is awake all the time
    }
    let second_addr = second.local_addr()?.to_string();
    assert!(!server.transcript().contains(&second_addr), "it has not been accepted");

    first.close();
    second.expect(b"IS ANYBODY THERE?")?;
    let connected = format!("{second_addr} connected");
    server.expect_later(&connected, |line| line == connected).map(drop)
}

#[test]
fn lines_are_messages_however_the_stream_is_cut() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(lines("server", "127.0.0.1:0"))?;
    let mut peer = Peer::connect(addr)?;
    peer.send(b"one\ntw")?;
    peer.expect(b"ONE\n")?;
    peer.send(b"o\n\nlast")?;
    peer.expect(b"TWO\n\n")?;
    peer.end_sending()?;
    assert_eq!(peer.receive_to_end()?, b"LAST");
    Ok(())
}

#[test]
fn lines_that_are_too_long_or_not_utf8_end_one_connection_and_not_the_server() -> Result<(), Failure>
{
    let (mut server, addr) = Program::start_server(lines("server", "127.0.0.1:0"))?;
    let longest = [&[b'x'; 4095][..], b"\n"].concat();
    let mut peer = Peer::connect(addr)?;
    peer.send(&longest)?;
    peer.expect(&longest.to_ascii_uppercase())?;
    peer.send(&[b'x'; 4096])?;
    assert_eq!(peer.receive_to_end()?, b"");
    let line = server.expect_line("… lost")?;
    assert!(line.ends_with("lost: a line of more than 4096 bytes"), "{line}");

    let mut peer = Peer::connect(addr)?;
    peer.send(b"\xff\n")?;
    assert_eq!(peer.receive_to_end()?, b"");
    let line = server.expect_line("… lost")?;
    assert!(line.contains(" lost: ") && line.contains("UTF-8"), "{line}");

    let mut peer = Peer::connect(addr)?;
    peer.send(b"next\n")?;
    peer.expect(b"NEXT\n")
}

#[test]
fn the_client_for_lines_gets_its_answers() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(lines("server", "127.0.0.1:0"))?;
    Assert::from_std(lines("client", &addr.to_string()))
        .write_stdin("hello\n\nGrüße")
        .assert()
        .success()
        .stdout("HELLO\n\nGRüßE\n");
    Ok(())
}

#[test]
#[ignore = "needs python3"]
fn python_client_talks_to_our_server() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    for _ in 0..2 {
        let mut client = Program::start(twin("client.py", &addr.to_string()))?;
        client.type_line("hello")?;
        assert_eq!(client.next_line()?.as_deref(), Some("HELLO"));
        client.end_input();
        assert!(client.wait()?.success());
    }
    Ok(())
}

#[test]
#[ignore = "needs python3"]
fn our_client_talks_to_python_server() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(twin("server.py", "127.0.0.1:0"))?;
    for _ in 0..2 {
        let mut client = Assert::new(STEP);
        client.arg("client").arg(addr.to_string()).write_stdin("hello\n\nGrüße\n");
        client.assert().success().stdout("HELLO\nGRüßE\n");
    }
    Ok(())
}

#[test]
#[ignore = "needs python3"]
fn the_python_server_keeps_the_same_promises() -> Result<(), Failure> {
    hold_to_what_is_kept(&twins())
}

/// The example `lines`, which cargo builds beside the step when it tests it.
fn lines(role: &str, addr: &str) -> Command {
    let folder = Path::new(STEP).with_file_name("examples");
    let mut command =
        Command::new(folder.join("lines").with_extension(std::env::consts::EXE_EXTENSION));
    command.args([role, addr]);
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
    Subject::new(
        3,
        || twin("server.py", "127.0.0.1:0"),
        |addr| twin("client.py", &addr.to_string()),
    )
}

/// The same step in Python.
fn twin(file: &str, addr: &str) -> Command {
    let mut command = python().expect("Python 3 is installed");
    command.arg(format!("{}/python/{file}", env!("CARGO_MANIFEST_DIR"))).arg(addr);
    command
}
