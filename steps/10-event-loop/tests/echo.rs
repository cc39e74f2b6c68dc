//! The example `echo`: what step 03 does, for many clients at once.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Instant;

use assert_cmd::Command as Assert;
use conformance::{DEADLINE, Failure, Peer, Program, cpu};

/// The example, which cargo builds beside the step when it tests the step.
fn echo(addr: &str) -> Command {
    let folder = Path::new(env!("CARGO_BIN_EXE_step-10-event-loop")).with_file_name("examples");
    let program = folder.join("echo").with_extension(std::env::consts::EXE_EXTENSION);
    let mut command = Command::new(program);
    command.arg(addr);
    command
}

fn start() -> Result<(Program, SocketAddr), Failure> {
    Program::start_server(echo("127.0.0.1:0"))
}

fn exchange(peer: &mut Peer) -> Result<(), Failure> {
    peer.send(b"hello")?;
    peer.expect(b"HELLO")
}

/// Waits until the server reports this.
fn expect_report(server: &mut Program, expected: &str) -> Result<(), Failure> {
    server.expect_later(expected, |line| line == expected).map(drop)
}

/// A connection whose two directions are used by two threads.
fn connect(addr: SocketAddr) -> (TcpStream, TcpStream) {
    let stream = TcpStream::connect(addr).expect("the server listens");
    stream.set_read_timeout(Some(DEADLINE)).expect("not zero");
    stream.set_write_timeout(Some(DEADLINE)).expect("not zero");
    (stream.try_clone().expect("a second handle"), stream)
}

#[test]
fn a_hundred_clients_are_served_at_once() -> Result<(), Failure> {
    let (server, addr) = start()?;
    let peers: Result<Vec<Peer>, Failure> = (0..100).map(|_| Peer::connect(addr)).collect();
    let mut peers = peers?;
    for _ in 0..3 {
        for peer in &mut peers {
            peer.send(b"hello")?;
        }
        for peer in peers.iter_mut().rev() {
            peer.expect(b"HELLO")?;
        }
    }
    cpu::expect_waiting(&server)
}

#[test]
fn a_client_that_does_not_read_holds_up_no_other_and_gets_everything_later() -> Result<(), Failure>
{
    const LEN: usize = 64 * 1024 * 1024; // far more than the buffers of the system hold
    let (server, addr) = start()?;
    let (mut reading, mut writing) = connect(addr);
    thread::scope(|scope| {
        let writer = scope.spawn(move || writing.write_all(&vec![b'x'; LEN]));
        // Once the buffers are full, the server has nothing to do for this client.
        let until = Instant::now() + DEADLINE;
        while let Err(failure) = cpu::expect_waiting(&server) {
            if Instant::now() > until {
                return Err(failure);
            }
        }
        assert!(!writer.is_finished(), "the server has kept {LEN} bytes");
        let mut peer = Peer::connect(addr)?;
        (0..100).try_for_each(|_| exchange(&mut peer))?;
        assert!(!writer.is_finished());

        let mut answer = vec![0; LEN];
        reading.read_exact(&mut answer).expect("the whole answer");
        assert!(answer.iter().all(|byte| *byte == b'X'));
        writer.join().expect("it does not panic").expect("everything is sent");
        Ok(())
    })
}

#[test]
fn a_client_that_sends_without_end_holds_up_no_other() -> Result<(), Failure> {
    let (_server, addr) = start()?;
    let (mut reading, mut writing) = connect(addr);
    let is_over = AtomicBool::new(false);
    let mut peer = Peer::connect(addr)?;
    thread::scope(|scope| {
        scope.spawn(|| {
            let piece = vec![b'x'; 64 * 1024];
            while !is_over.load(Ordering::Relaxed) {
                writing.write_all(&piece).expect("the server reads it");
            }
            writing.shutdown(std::net::Shutdown::Write).expect("it is connected");
        });
        scope.spawn(move || std::io::copy(&mut reading, &mut std::io::sink()));
        let result = (0..100).try_for_each(|_| exchange(&mut peer));
        is_over.store(true, Ordering::Relaxed);
        result
    })
}

#[test]
fn a_client_that_leaves_gets_its_last_answer_and_the_others_stay() -> Result<(), Failure> {
    let (mut server, addr) = start()?;
    let mut stays = Peer::connect(addr)?;
    let mut leaves = Peer::connect(addr)?;
    let leaving_addr = leaves.local_addr()?;
    expect_report(&mut server, &format!("{leaving_addr} connected"))?;
    leaves.send(b"goodbye")?;
    leaves.end_sending()?;
    assert_eq!(leaves.receive_to_end()?, b"GOODBYE");
    expect_report(&mut server, &format!("{leaving_addr} disconnected"))?;

    let mut breaks_off = Peer::connect(addr)?;
    exchange(&mut breaks_off)?;
    let lost = format!("{} lost: ", breaks_off.local_addr()?);
    breaks_off.reset()?;
    server.expect_later(&lost, |line| line.starts_with(&lost))?;
    exchange(&mut stays)?;
    cpu::expect_waiting(&server)
}

#[cfg(target_os = "linux")]
#[test]
fn when_all_descriptors_are_in_use_the_next_client_waits_until_another_leaves()
-> Result<(), Failure> {
    let program = echo("127.0.0.1:0");
    let mut limited = Command::new("sh");
    limited.args(["-c", "ulimit -n 20 && exec \"$0\" \"$@\""]).arg(program.get_program());
    limited.args(program.get_args());
    let (mut server, addr) = Program::start_server(limited)?;
    let peers: Result<Vec<Peer>, Failure> = (0..30).map(|_| Peer::connect(addr)).collect();
    let mut peers = peers?;
    let warning = "cannot accept clients for now: ";
    server.expect_later(warning, |line| line.starts_with(warning))?;
    exchange(&mut peers[0])?;
    cpu::expect_waiting(&server)?;
    let mut last = peers.pop().expect("thirty clients");
    last.send(b"hello")?;
    drop(peers);
    last.expect(b"HELLO")
}

#[test]
fn an_address_that_is_taken_is_one_clear_line() -> Result<(), Failure> {
    let (_server, addr) = start()?;
    let output = Assert::from_std(echo(&addr.to_string())).assert().code(1).get_output().clone();
    let error = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(error.starts_with(&format!("error: {addr}: ")), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    Ok(())
}
