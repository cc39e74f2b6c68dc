//! What step 02 does, and what it does not do yet.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use assert_cmd::Command as Assert;
use conformance::check::{self, Subject};
use conformance::proxy::{Cut, Proxy};
use conformance::{Failure, NobodyListens, Peer, Program, cpu, python};
use predicates::prelude::*;

const STEP: &str = env!("CARGO_BIN_EXE_step-02-comm-loop");

fn server() -> Command {
    let mut command = Command::new(STEP);
    command.args(["server", "127.0.0.1:0"]);
    command
}

/// A client that is given this input and has run to its end.
fn client(addr: SocketAddr, input: impl Into<Vec<u8>>) -> assert_cmd::assert::Assert {
    Assert::new(STEP).arg("client").arg(addr.to_string()).write_stdin(input).assert()
}

#[test]
fn keeps_what_its_manifest_promises_and_breaks_what_it_declares() {
    check::assert_promises(env!("CARGO_MANIFEST_DIR"), STEP);
}

#[cfg(unix)]
#[test]
fn the_server_neither_panics_nor_spins_when_it_is_treated_roughly() {
    conformance::rough::assert_server_survives(2, STEP);
}

#[cfg(unix)]
#[test]
fn the_client_neither_panics_nor_spins_when_it_is_treated_roughly() {
    conformance::rough::assert_client_survives(2, STEP);
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
fn many_messages_are_answered_on_one_connection_however_the_stream_is_cut() -> Result<(), Failure> {
    let many_messages = check::check("many-messages").expect("there is such a check");
    for cut in [Cut::Every(1), Cut::Every(3), Cut::Random { seed: 2 }] {
        Subject::of_step(2, STEP).behind(cut).hold_to(many_messages)?;
    }
    Ok(())
}

#[test]
fn the_end_of_the_input_ends_the_client() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    client(addr, "hello\nworld\n").success().stdout("HELLO\nWORLD\n").stderr("");
    Ok(())
}

#[test]
fn an_empty_line_is_not_sent_and_neither_side_waits() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    client(addr, "\n\r\nhello\n\n").success().stdout("HELLO\n");
    Ok(())
}

#[test]
fn a_last_line_without_a_newline_and_one_from_windows_are_lines() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    client(addr, "windows\r\nlast").success().stdout("WINDOWS\nLAST\n");
    Ok(())
}

#[test]
fn only_ascii_letters_change_and_no_byte_is_lost() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let not_utf8 = b"gr\xfc\xdfe \x00\x7f\xff\n";
    client(addr, not_utf8).success().stdout(&b"GR\xfc\xdfE \x00\x7f\xff\n"[..]);
    Ok(())
}

#[test]
fn a_long_line_returns_whole_even_in_single_bytes() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let proxy = Proxy::start(addr, Cut::Every(1)).expect("the proxy starts");
    let line = "x".repeat(5000);
    let answer = format!("{}\n", line.to_uppercase());
    client(proxy.addr(), line + "\n").success().stdout(answer);
    Ok(())
}

#[test]
fn two_messages_in_one_segment_return_as_one_answer() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let mut peer = Peer::connect(addr)?;
    peer.send(b"onetwo")?;
    peer.expect(b"ONETWO")?; // nothing marks where one message ends: see "Message boundaries"
    Ok(())
}

#[test]
fn still_wrong_the_server_spins_when_its_client_has_left() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let peer = Peer::connect(addr)?;
    let peer_addr = peer.local_addr()?;
    server.expect_line("… connected")?;
    peer.close();
    let nothing = format!("read 0 bytes from {peer_addr}: \"\"");
    assert_eq!(server.expect_line(&nothing)?, nothing);
    server.expect_repeats(1000)?;
    cpu::expect_spinning(&server)
}

#[test]
fn a_server_that_waits_for_a_message_does_not_spin() -> Result<(), Failure> {
    let (server, addr) = Program::start_server(server())?;
    let mut peer = Peer::connect(addr)?;
    peer.send(b"hello")?;
    peer.expect(b"HELLO")?;
    cpu::expect_waiting(&server)
}

#[test]
fn still_wrong_a_reset_by_the_client_ends_the_server() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    Peer::connect(addr)?.reset()?;
    assert!(!server.wait()?.success());
    let error = server.lines_left().pop().unwrap_or_default();
    assert!(error.starts_with("error: 127.0.0.1:0: "), "{error}");
    Ok(())
}

#[test]
fn a_server_that_goes_away_ends_the_client_with_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("its address");
    let leaves = std::thread::spawn(move || listener.accept().map(drop));
    let error = predicate::str::starts_with(format!("error: {addr}: "));
    let one_line = predicate::str::ends_with("\n").and(predicate::str::contains("\n").count(1));
    client(addr, "hello\n").failure().stderr(error.and(one_line));
    leaves.join().expect("the listener does not panic").expect("a client has connected");
}

#[test]
fn no_program_listens() {
    let nobody = NobodyListens::new();
    let addr = nobody.addr();
    let advice = format!("error: {addr}: connection refused; start the server first\n");
    client(addr, "hello\n").failure().stdout("").stderr(advice);
}

#[cfg(unix)]
#[test]
fn a_person_at_a_terminal_gets_a_prompt() -> Result<(), Failure> {
    use std::io::Write;

    let (_server, addr) = Program::start_server(server())?;
    let mut command = Command::new(STEP);
    command.arg("client").arg(addr.to_string());
    let (mut client, mut keyboard) = Program::start_at_terminal(command)?;
    keyboard.write_all(b"hello\n\x04").expect("the terminal takes it"); // \x04 is Ctrl-D
    assert_eq!(client.next_line()?.as_deref(), Some("> HELLO"));
    assert_eq!(client.next_line()?.as_deref(), Some("> "));
    assert_eq!(client.next_line()?, None);
    assert!(client.wait()?.success());
    Ok(())
}

#[test]
#[ignore = "needs python3"]
fn python_client_talks_to_our_server() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let mut client = Program::start(twin("client.py", &addr.to_string()))?;
    for (line, answer) in [("hello", "HELLO"), ("Grüße", "GRüßE")] {
        client.type_line("")?; // is not sent
        client.type_line(line)?;
        assert_eq!(client.next_line()?.as_deref(), Some(answer));
    }
    client.end_input();
    assert!(client.wait()?.success());
    Ok(())
}

#[test]
#[ignore = "needs python3"]
fn our_client_talks_to_python_server() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(twin("server.py", "127.0.0.1:0"))?;
    client(addr, "hello\n\nGrüße\n").success().stdout("HELLO\nGRüßE\n");
    Ok(())
}

#[test]
#[ignore = "needs python3"]
fn still_wrong_the_python_server_spins_too() -> Result<(), Failure> {
    let (server, addr) = Program::start_server(twin("server.py", "127.0.0.1:0"))?;
    Peer::connect(addr)?.close();
    cpu::expect_spinning(&server)
}

#[cfg(unix)]
#[test]
#[ignore = "needs python3"]
fn the_python_twin_gives_no_traceback_when_it_is_treated_roughly() {
    conformance::rough::assert_twin_survives(|| {
        Subject::new(
            2,
            || twin("server.py", "127.0.0.1:0"),
            |addr| twin("client.py", &addr.to_string()),
        )
    });
}

/// The same step in Python.
fn twin(file: &str, addr: &str) -> Command {
    let mut command = python().expect("Python 3 is installed");
    command.arg(format!("{}/python/{file}", env!("CARGO_MANIFEST_DIR"))).arg(addr);
    command
}
