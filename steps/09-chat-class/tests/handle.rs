//! The server's handle. The server is a part of this test, since another process cannot get a handle.

use std::net::{SocketAddr, TcpListener};
use std::thread;
use std::time::Instant;

use conformance::Failure;
use conformance::check::FreePorts;
use room::{STOP_TIME, all_get_the_goodbye, join_all};

mod room;

#[path = "../src/accept.rs"]
mod accept;
#[path = "../src/acceptor.rs"]
mod acceptor;
#[path = "../src/connection.rs"]
mod connection;
#[path = "../src/line.rs"]
mod line;
#[path = "../src/log.rs"]
#[expect(dead_code, reason = "the log is not tested here")]
mod log;
#[path = "../src/server.rs"]
mod server;

#[test]
fn the_handle_stops_it_and_every_thread_has_ended() -> Result<(), Failure> {
    let ports = FreePorts::claim()?;
    for count in [0, 1, 500] {
        let server = server::ChatServer::bind(ports.next()?, 500).expect("a free port");
        let addr = server.local_addr().expect("it is bound");
        let handle = server.handle();
        let running = thread::spawn(|| server.run());
        let guests = join_all(addr, count)?;

        let online = handle.online();
        let addrs: Vec<SocketAddr> = guests.iter().map(|guest| guest.addr).collect();
        assert!(online.iter().map(|member| member.peer_addr).eq(addrs), "in the order they joined");
        let announced = 64 * count; // bytes, at most: a writing thread may not have had its turn yet
        assert!(online.iter().all(|member| member.queue_len <= announced), "{online:?}");
        let is_time = |time: &str| room::without_time(&format!("{time} .")) == ".";
        assert!(online.iter().all(|member| is_time(&member.since)), "{online:?}");

        let start = Instant::now();
        handle.clone().stop();
        // `run` waits for every thread that it started.
        running.join().expect("it does not panic").expect("it ends well");
        assert!(start.elapsed() < STOP_TIME, "{count} guests: {:?}", start.elapsed());
        TcpListener::bind(addr).expect("the port is free at once");
        handle.stop(); // a second call does nothing
        assert_eq!(handle.online().len(), 0);
        all_get_the_goodbye(guests)?;
    }
    Ok(())
}

/// Step 09 stops by connecting to itself, so its address matters.
#[test]
fn it_stops_wherever_it_listens() {
    let every = ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0", "[::]:0"];
    let has_ipv6 = TcpListener::bind(every[2]).is_ok();
    println!("IPv6 is {}", if has_ipv6 { "tested" } else { "not available here" });
    for addr in every.into_iter().take(if has_ipv6 { 4 } else { 2 }) {
        let server = server::ChatServer::bind(addr, 1).expect("a free port");
        let local_addr = server.local_addr().expect("it is bound");
        let handle = server.handle();
        let running = thread::spawn(|| server.run());
        let start = Instant::now();
        handle.stop();
        running.join().expect("it does not panic").expect("it ends well");
        assert!(start.elapsed() < STOP_TIME, "{addr}: {:?}", start.elapsed());
        TcpListener::bind(local_addr).expect("the port is free at once");
    }
}
