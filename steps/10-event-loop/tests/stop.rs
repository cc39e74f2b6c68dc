//! Stopping: whatever asks for it, and whoever is there, everybody is told, and it is over within a
//! second.

use std::net::{SocketAddr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

use conformance::check::FreePorts;
use conformance::{Failure, Program};
use room::{Guest, STEP, expect_log, server};

mod room;

/// The server itself, as a part of this test: a program cannot be asked for its handle.
#[path = "../src/line.rs"]
mod line;
#[path = "../src/log.rs"]
#[expect(dead_code, reason = "what is logged is of no interest here")]
mod log;
#[path = "../src/member.rs"]
mod member;
#[path = "../src/server.rs"]
mod server_of_the_step;

/// How long stopping may take.
const STOP_TIME: Duration = Duration::from_secs(1);

const GOODBYE: &str = "*** the server is stopping";

/// Lets so many guests join, who are idle from then on.
fn idle_guests(addr: SocketAddr, count: usize) -> Result<Vec<Guest>, Failure> {
    (0..count).map(|_| Guest::join(addr)).collect()
}

/// Everybody must have heard who came after them, the goodbye, and end of file.
fn all_are_told(guests: Vec<Guest>) -> Result<(), Failure> {
    let addrs: Vec<SocketAddr> = guests.iter().map(|guest| guest.addr).collect();
    for (index, mut guest) in guests.into_iter().enumerate() {
        let mut expected: Vec<String> =
            addrs[index + 1..].iter().map(|addr| format!("*** {addr} joined")).collect();
        expected.push(GOODBYE.to_owned());
        assert_eq!(guest.rest()?, expected);
    }
    Ok(())
}

/// Starts a server and so many idle guests, has it stop, and sees that all goes as it should.
fn stops(
    count: usize,
    stop: impl FnOnce(&mut Program) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let ports = FreePorts::claim()?; // when it is free again, nobody else takes it
    let mut command = Command::new(STEP);
    command.args(["server", &ports.next()?.to_string()]);
    let (mut server, addr) = Program::start_server(command)?;
    let guests = idle_guests(addr, count)?;
    let start = Instant::now();
    stop(&mut server)?;
    let code = server.wait()?.code();
    let took = start.elapsed();
    assert_eq!(code, Some(0), "{count} guests");
    assert!(took < STOP_TIME, "{count} guests: {took:?}");
    TcpListener::bind(addr).expect("the port is free at once");
    expect_log(&mut server, "the server is stopping")?;
    all_are_told(guests)
}

#[test]
fn quit_at_the_console_stops_it_whoever_is_there() -> Result<(), Failure> {
    for count in [0, 1, 500] {
        stops(count, |server| server.type_line(" quit "))?;
    }
    Ok(())
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_it_whoever_is_there() -> Result<(), Failure> {
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
fn the_handle_stops_it_and_every_thread_has_ended() -> Result<(), Failure> {
    let ports = FreePorts::claim()?;
    for count in [0, 1, 500] {
        let server = server_of_the_step::ChatServer::bind(ports.next()?).expect("a free port");
        let addr = server.local_addr().expect("it is bound");
        let handle = server.handle();
        let thread = std::thread::spawn(|| server.run());
        let guests = idle_guests(addr, count)?;

        let online = handle.online();
        let addrs: Vec<SocketAddr> = guests.iter().map(|guest| guest.addr).collect();
        assert!(online.iter().map(|member| member.peer_addr).eq(addrs), "in the order they came");
        assert!(online.iter().all(|member| member.queue_len == 0), "{online:?}");
        let is_time = |time: &str| room::without_time(&format!("{time} .")) == ".";
        assert!(online.iter().all(|member| is_time(&member.since)), "{online:?}");

        let start = Instant::now();
        handle.clone().stop();
        // It has started no other thread, so when this one has ended, all have.
        thread.join().expect("it does not panic").expect("it ends well");
        assert!(start.elapsed() < STOP_TIME, "{count} guests: {:?}", start.elapsed());
        TcpListener::bind(addr).expect("the port is free at once");
        handle.stop(); // once more does no harm
        assert_eq!(handle.online().len(), 0);
        all_are_told(guests)?;
    }
    Ok(())
}

#[cfg(target_os = "linux")]
#[test]
fn the_room_is_one_thread_however_many_are_in_it() -> Result<(), Failure> {
    let (server, addr) = Program::start_server(server())?;
    let threads = || {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", server.id()));
        tasks.expect("the server runs").count()
    };
    let _first = Guest::join(addr)?; // now they have all been started
    let before = threads();
    assert_eq!(before, 3, "the room, the console, and the one that waits for Ctrl-C");
    let _guests = idle_guests(addr, 100)?;
    assert_eq!(threads(), before);
    Ok(())
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
    let _slow = Guest::join_slow(addr)?;
    let mut guest = Guest::join(addr)?;
    let text = "x".repeat(4000);
    // Until some bytes wait for the slow one, and it is still online.
    let waits = |list: &[String]| !list[0].ends_with("  0 bytes wait");
    while !waits(&room::list(&mut server, 2)?) {
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

/// What a client is saying while the server stops is discarded, but it is read: unread input would
/// turn the end of the stream into a reset, and a reset destroys the goodbye.
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
