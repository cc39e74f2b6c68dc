//! What happens when the system allows no more threads.

#![cfg(target_os = "linux")]

use std::process::Command;

use conformance::{Failure, Peer, Program};
use room::step::{OWN_THREADS, STEP, THREADS_EACH};
use room::{Guest, join_when_there_is_a_place, list};

mod room;

/// The stack of each thread, in MiB: it takes a part of the address space.
const STACK: usize = 1024;

/// Address space for everything else, in MiB; the allocator takes 64 for each thread.
const REST: usize = 768;

/// A server that the system allows this many threads.
fn server(threads: usize) -> Command {
    let mut command = Command::new("sh");
    let kib = ((threads - 1) * STACK + REST) * 1024; // the main thread has its stack
    let limited = format!("ulimit -v {kib} && exec \"$0\" server 127.0.0.1:0");
    command.args(["-c", &limited, STEP]).env("RUST_MIN_STACK", (STACK << 20).to_string());
    command
}

#[test]
fn a_client_for_which_there_is_no_thread_is_turned_away_and_the_room_continues()
-> Result<(), Failure> {
    // The next client's writing thread cannot start, or its reading thread cannot.
    for further in 0..THREADS_EACH {
        let threads = OWN_THREADS + THREADS_EACH + further;
        let (mut server, addr) = Program::start_server(server(threads))?;
        let mut bob = Guest::join(addr)?;
        for _ in 0..2 {
            let mut peer = Peer::connect(addr)?;
            let who = peer.local_addr()?;
            let answer = String::from_utf8_lossy(&peer.receive_to_end()?).into_owned();
            let (start, end) = ("error: ", " (os error 11); try again later\n");
            assert!(answer.starts_with(start) && answer.ends_with(end), "{further}: {answer:?}");
            let away = format!(" WARN {who} turned away: ");
            server.expect_later(&away, |line| line.contains(&away))?;
            bob.says_and_hears("still here")?;
        }
        assert_eq!(list(&mut server, 1)?, [format!("{}  0 bytes wait", bob.addr)]);
        bob.peer.close();
        join_when_there_is_a_place(addr)?.says_and_hears("me, too")?;
    }
    Ok(())
}
