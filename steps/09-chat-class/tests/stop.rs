//! Stopping: whatever causes it and however many clients are online, each gets the goodbye, and the server
//! ends within a second. The handle is tested in `handle.rs`, beside this file.

use std::io;
use std::net::TcpListener;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use conformance::check::FreePorts;
use conformance::{Failure, Program};
use room::step::STEP;
use room::{GOODBYE, Guest, STOP_TIME, all_get_the_goodbye, expect_log, join_all, server};

mod room;

/// A test holds this lock while it has a crowd: the time for stopping is that of one room, not of several
/// that share the processors.
static CROWD: Mutex<()> = Mutex::new(());

/// Starts a server and `count` idle guests, stops it, and checks the end of each connection.
fn stops(
    count: usize,
    stop: impl FnOnce(&mut Program) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let _alone = CROWD.lock().unwrap_or_else(PoisonError::into_inner);
    let ports = FreePorts::claim()?; // when it is free again, no other test takes it
    let mut command = Command::new(STEP);
    command.args(["server", &ports.next()?.to_string()]);
    let (mut server, addr) = Program::start_server(command)?;
    let guests = join_all(addr, count)?;
    let start = Instant::now();
    stop(&mut server)?;
    let code = server.wait()?.code();
    let took = start.elapsed();
    assert_eq!(code, Some(0), "{count} guests");
    assert!(took < STOP_TIME, "{count} guests: {took:?}");
    TcpListener::bind(addr).expect("the port is free at once");
    expect_log(&mut server, "the server is stopping")?;
    all_get_the_goodbye(guests)
}

#[test]
fn quit_at_the_console_stops_it_however_many_are_online() -> Result<(), Failure> {
    for count in [0, 1, 500] {
        stops(count, |server| server.type_line(" quit "))?;
    }
    Ok(())
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_it_however_many_are_online() -> Result<(), Failure> {
    for count in [0, 1, 500] {
        stops(count, Program::interrupt)?;
    }
    Ok(())
}

#[cfg(unix)]
#[test]
fn the_system_can_ask_it_to_end_as_well() -> Result<(), Failure> {
    use rustix::process::{Pid, Signal, kill_process};

    stops(3, |server| {
        let pid = Pid::from_raw(i32::try_from(server.id()).expect("a process id"));
        kill_process(pid.expect("not 0"), Signal::TERM).expect("it runs");
        Ok(())
    })
}

#[test]
fn clients_that_close_in_time_need_not_be_waited_for() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut guest = Guest::join(addr)?;
    server.type_line("quit")?;
    assert_eq!(guest.rest()?, [GOODBYE]);
    guest.peer.close();
    assert_eq!(server.wait()?.code(), Some(0));
    let late = server.lines_left().into_iter().find(|line| line.contains("in time"));
    assert_eq!(late, None);
    Ok(())
}

#[test]
fn a_client_that_does_not_read_does_not_keep_it_from_stopping() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let slow = Guest::join_slow(addr)?;
    let mut guest = Guest::join(addr)?;
    let text = "x".repeat(4000);
    // Until some bytes wait for the slow one, and it is still online.
    while room::queue_len(&mut server, slow.addr)? == 0 {
        for _ in 0..10 {
            guest.says_and_hears(&text)?;
        }
    }
    let start = Instant::now();
    server.type_line("quit")?;
    assert_eq!(guest.rest()?, [GOODBYE]);
    guest.peer.close();
    assert_eq!(server.wait()?.code(), Some(0));
    assert!(start.elapsed() < STOP_TIME, "{:?}", start.elapsed());
    expect_log(&mut server, "clients that did not close in time: 1")
}

#[test]
fn clients_that_connect_all_the_time_do_not_keep_it_from_stopping() -> Result<(), Failure> {
    let (server, addr) = Program::start_server(server())?;
    room::stop_in_a_flood(server, addr)
}

/// The server reads and discards what a client sends while it stops: closing with unread input would send
/// a reset, and the goodbye could be lost.
#[test]
fn a_client_that_speaks_while_it_stops_hears_the_goodbye() -> Result<(), Failure> {
    for _ in 0..20 {
        let (mut server, addr) = Program::start_server(server())?;
        let mut guest = Guest::join(addr)?;
        guest.peer.send("x".repeat(1_000_000).as_bytes())?;
        server.type_line("quit")?;
        guest.peer.send("x".repeat(1_000_000).as_bytes())?;
        assert_eq!(guest.rest()?, [GOODBYE]);
        guest.peer.close();
        assert_eq!(server.wait()?.code(), Some(0));
    }
    Ok(())
}

/// Starts a server whose log is not read, with a guest, and logs more than a pipe holds. A
/// terminal in which Ctrl-S was pressed is like such a pipe: a program that writes to it waits.
fn start_unread(visits: usize) -> Result<(Program, Guest, io::PipeReader), Failure> {
    let (log, stderr) = io::pipe().expect("a descriptor is free");
    let mut server = Program::start_with_stderr(server(), stderr)?;
    let addr = server.addr()?;
    let bob = Guest::join(addr)?;
    for _ in 0..visits {
        Guest::join(addr)?.peer.close(); // two entries
    }
    Guest::join(addr)?.says_and_hears("hello")?;
    Ok((server, bob, log))
}

#[test]
fn a_log_that_is_not_read_holds_up_neither_the_room_nor_its_end() -> Result<(), Failure> {
    let (mut server, mut bob, _unread) = start_unread(1000)?;
    let start = Instant::now();
    server.type_line("quit")?;
    assert_eq!(bob.rest()?.last().map(String::as_str), Some(GOODBYE));
    bob.peer.close();
    assert_eq!(server.wait()?.code(), Some(0));
    assert!(start.elapsed() < STOP_TIME, "{:?}", start.elapsed());
    Ok(())
}

#[test]
fn a_log_that_is_read_too_late_reports_how_much_is_lost() -> Result<(), Failure> {
    let (mut server, _bob, log) = start_unread(2000)?;
    let log = thread::spawn(|| io::read_to_string(log));
    server.type_line("quit")?;
    assert_eq!(server.wait()?.code(), Some(0));
    let log = log.join().expect("it does not panic").expect("it is text");
    let entries = log.lines().filter(|line| !line.contains(" WARN the log ")).count();
    let lost: usize = log
        .lines()
        .filter_map(|line| line.split_once("WARN the log was not read: ")?.1.split_once(" entries"))
        .map(|(count, _)| count.parse::<usize>().expect("a number"))
        .sum();
    assert!(lost > 0, "{log}");
    assert!(entries + lost > 2 * 2000, "{entries} + {lost}");
    Ok(())
}
