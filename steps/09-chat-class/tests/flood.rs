//! Still wrong in this step: one client that talks without end gets others dropped.

use std::io::{self, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::thread;

use conformance::{Failure, Program, python};
use room::{Guest, server};

mod room;

#[test]
fn a_flood_gets_a_client_dropped_that_cannot_keep_up_and_the_log_names_the_loudest()
-> Result<(), Failure> {
    a_flood(server())
}

#[test]
#[ignore = "needs python3"]
fn a_flood_gets_a_client_of_the_python_server_dropped() -> Result<(), Failure> {
    let mut command = python().expect("Python 3 is installed");
    command.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/python/server.py")).arg("127.0.0.1:0");
    a_flood(command)
}

/// One client floods the room and reads, another sends one line and does not read.
fn a_flood(server: Command) -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server)?;
    let mut slow = Guest::join_slow(addr)?;
    slow.says_and_hears("I am here")?;
    let mut writer = TcpStream::connect(addr).expect("the server accepts");
    let flooder = writer.local_addr().expect("it is connected");
    let mut reader = writer.try_clone().expect("a second handle");
    thread::spawn(move || io::copy(&mut reader, &mut io::sink()));
    let line = [&[b'x'; 1000][..], b"\n"].concat();
    thread::spawn(move || while writer.write_all(&line).is_ok() {});
    let (start, end) = (format!("{} dropped: ", slow.addr), format!("; loudest: {flooder}"));
    server.expect_later("… dropped", |line| line.contains(&start) && line.ends_with(&end)).map(drop)
}
