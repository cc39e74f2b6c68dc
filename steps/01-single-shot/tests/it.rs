//! What step 01 does, and what it does not do yet.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use assert_cmd::Command as Assert;
use conformance::{DEADLINE, Failure, NobodyListens, Peer, Program, check, python};
use predicates::prelude::*;

const STEP: &str = env!("CARGO_BIN_EXE_step-01-single-shot");
const ANY_PORT: &str = "127.0.0.1:0";

fn server() -> Command {
    let mut command = Command::new(STEP);
    command.args(["server", "127.0.0.1:0"]);
    command
}

/// A client that has run to its end.
fn client(args: &[&str]) -> assert_cmd::assert::Assert {
    Assert::new(STEP).arg("client").args(args).assert()
}

#[test]
fn keeps_what_its_manifest_promises_and_breaks_what_it_declares() {
    check::assert_promises(env!("CARGO_MANIFEST_DIR"), STEP);
}

#[cfg(unix)]
#[test]
fn the_server_neither_panics_nor_spins_when_it_is_treated_roughly() {
    conformance::rough::assert_server_survives(1, STEP);
}

#[cfg(unix)]
#[test]
fn the_client_neither_panics_nor_spins_when_it_is_treated_roughly() {
    conformance::rough::assert_client_survives(1, STEP);
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
fn a_message_returns_and_both_programs_end() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    client(&[&addr.to_string(), "Grüße"]).success().stdout("Grüße\n").stderr("");
    assert!(server.wait()?.success());
    Ok(())
}

#[test]
fn without_a_message_hello_is_sent() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    client(&[&addr.to_string()]).success().stdout("hello\n");
    Ok(())
}

#[test]
fn the_server_sends_back_bytes_whatever_they_mean() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut peer = Peer::connect(addr)?;
    let all_bytes: Vec<u8> = (0..=255).collect();
    peer.send(&all_bytes)?;
    peer.expect(&all_bytes)?;
    assert_eq!(peer.receive_to_end()?, b"", "then the server closes");
    assert!(server.wait()?.success());
    Ok(())
}

#[test]
fn a_client_that_sends_nothing_gets_nothing_and_the_server_ends() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut peer = Peer::connect(addr)?;
    peer.end_sending()?;
    assert_eq!(peer.receive_to_end()?, b"");
    assert!(server.wait()?.success());
    Ok(())
}

#[test]
fn still_wrong_a_message_above_1024_bytes_is_not_sent_back_whole() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let mut peer = Peer::connect(addr)?;
    peer.send(&[b'x'; 2000])?;
    let back = peer.receive_to_end().map_or(0, |back| back.len()); // or a reset: data was left unread
    assert!(back <= 1024, "{back} bytes returned");
    Ok(())
}

/// The rest of the message is unread when the server closes, so its system sends a reset. On Linux, that
/// does not take away what arrived before it.
#[cfg(target_os = "linux")]
#[test]
fn on_linux_the_answer_can_be_read_although_a_reset_follows_it() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut peer = Peer::connect(addr)?;
    peer.send(&[b'x'; 2000])?;
    assert!(server.wait()?.success()); // so the reset has arrived as well
    peer.expect(&[b'x'; 1024])?;
    peer.receive_to_end().expect_err("a reset");
    Ok(())
}

#[test]
fn still_wrong_only_the_first_piece_of_a_message_in_two_pieces_is_sent_back() -> Result<(), Failure>
{
    let (_server, addr) = Program::start_server(server())?;
    let mut peer = Peer::connect(addr)?;
    peer.send(b"hel")?;
    peer.expect(b"hel")?;
    let rest = peer.send(b"lo").and_then(|()| peer.receive_to_end()).unwrap_or_default();
    assert_eq!(rest, b"", "the second piece is not read");
    Ok(())
}

#[test]
fn no_program_listens() {
    let nobody = NobodyListens::new();
    let addr = nobody.addr().to_string();
    let advice = format!("error: {addr}: connection refused; start the server first\n");
    client(&[&addr]).failure().stdout("").stderr(advice);
}

#[test]
fn the_address_is_taken() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let args = ["server", &addr.to_string()];
    let advice = "address in use; stop the program that has it, or choose another port\n";
    Assert::new(STEP)
        .args(args)
        .assert()
        .failure()
        .stdout("")
        .stderr(predicate::eq(format!("error: {addr}: {advice}")));
    Ok(())
}

#[test]
fn the_address_is_no_address() {
    for role in ["server", "client"] {
        let one_line = predicate::str::is_match(r"^error: nonsense: [^\n]+ 127\.0\.0\.1:9001\n$");
        let one_line = one_line.expect("the pattern is well formed");
        Assert::new(STEP).args([role, "nonsense"]).assert().failure().stdout("").stderr(one_line);
    }
}

#[test]
fn a_server_that_leaves_without_an_answer() -> Result<(), std::io::Error> {
    let mut step = Command::new(STEP);
    step.arg("client");
    for mut client in [step, example("timeouts", &[])] {
        let listener = TcpListener::bind(ANY_PORT)?;
        let addr = listener.local_addr()?;
        let leaves = std::thread::spawn(move || listener.accept().map(drop));
        let error = predicate::str::starts_with(format!("error: {addr}: "));
        let one_line = predicate::str::ends_with("\n").and(predicate::str::contains("\n").count(1));
        client.arg(addr.to_string());
        Assert::from_std(client).assert().failure().stdout("").stderr(error.and(one_line));
        leaves.join().expect("the listener does not panic")?;
    }
    Ok(())
}

#[test]
fn half_close_the_answer_arrives_after_the_end_of_the_input() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(example("half_close", &["server", ANY_PORT]))?;
    Assert::from_std(example("half_close", &["client", &addr.to_string()]))
        .write_stdin("one\ntwo\n")
        .timeout(DEADLINE)
        .assert()
        .success()
        .stdout("8 bytes\n");
    server.expect_line("end of file after 8 bytes")?;
    assert!(server.wait()?.success());
    Ok(())
}

#[test]
fn timeouts_an_answer_is_printed_and_a_name_will_do() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let name = format!("localhost:{}", addr.port());
    Assert::from_std(example("timeouts", &[&name])).assert().success().stdout("hello\n");
    Ok(())
}

#[test]
fn timeouts_a_server_that_sends_nothing_is_waited_for_two_seconds() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    assert_gives_up(&addr.to_string());
    Ok(())
}

/// On Linux a connection beyond the backlog gets no answer at all.
#[cfg(target_os = "linux")]
#[test]
fn timeouts_a_connection_that_is_not_made_is_waited_for_two_seconds() -> Result<(), std::io::Error>
{
    use std::net::TcpStream;
    use std::time::Duration;

    let listener = TcpListener::bind(ANY_PORT)?;
    let addr = listener.local_addr()?;
    let connect = || TcpStream::connect_timeout(&addr, Duration::from_millis(200)).ok();
    let backlog: Vec<TcpStream> = std::iter::from_fn(connect).take(1000).collect();
    assert!(backlog.len() < 1000, "the backlog is not full");
    assert_gives_up(&addr.to_string());
    Ok(())
}

/// The example `timeouts` with an empty message: no answer arrives, and it reports that.
fn assert_gives_up(addr: &str) {
    Assert::from_std(example("timeouts", &[addr, ""]))
        .timeout(DEADLINE)
        .assert()
        .failure()
        .stdout("")
        .stderr(format!("error: {addr}: no answer within 2 seconds\n"));
}

#[test]
fn gone_after_the_end_of_file_one_write_still_succeeds() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let sequence = predicate::str::is_match(
        r"^read: 5 bytes\nread: 0 bytes\nwrite: 5 bytes\nwrite again: (broken pipe|connection \w+)\n$",
    );
    Assert::from_std(example("gone", &["5", &addr.to_string()]))
        .timeout(DEADLINE)
        .assert()
        .success()
        .stdout(sequence.expect("the pattern is well formed"));
    Ok(())
}

#[test]
#[ignore = "needs python3"]
fn python_client_talks_to_our_server() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut client = Program::start(twin("client.py", &[&addr.to_string(), "to Rust"]))?;
    assert_eq!(client.next_line()?.as_deref(), Some("to Rust"));
    assert!(client.wait()?.success());
    assert!(server.wait()?.success());
    Ok(())
}

#[test]
#[ignore = "needs python3"]
fn our_client_talks_to_python_server() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(twin("server.py", &["127.0.0.1:0"]))?;
    client(&[&addr.to_string(), "to Python"]).success().stdout("to Python\n");
    assert!(server.wait()?.success());
    Ok(())
}

/// An example, which cargo builds beside the step when it tests the step.
fn example(name: &str, args: &[&str]) -> Command {
    let program = Path::new(STEP).with_file_name("examples").join(name);
    let mut command = Command::new(program.with_extension(std::env::consts::EXE_EXTENSION));
    command.args(args);
    command
}

#[cfg(unix)]
#[test]
#[ignore = "needs python3"]
fn the_python_twin_gives_no_traceback_when_it_is_treated_roughly() {
    conformance::rough::assert_twin_survives(|| {
        conformance::check::Subject::new(
            1,
            || twin("server.py", &["127.0.0.1:0"]),
            |addr| twin("client.py", &[&addr.to_string()]),
        )
    });
}

/// The same step in Python.
fn twin(file: &str, args: &[&str]) -> Command {
    let mut command = python().expect("Python 3 is installed");
    command.arg(format!("{}/python/{file}", env!("CARGO_MANIFEST_DIR"))).args(args);
    command
}
