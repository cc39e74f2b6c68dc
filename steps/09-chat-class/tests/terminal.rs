//! The client at a terminal: what arrives does not tear the line that is being typed, and the terminal
//! is restored in every case.

#![cfg(unix)]

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::sync::mpsc;
use std::thread;

use conformance::program::open_terminal;
use conformance::{DEADLINE, Failure, Program};
use room::{Guest, client, expect_log, server};
use rustix::process::{Pid, Signal, kill_process};
use rustix::termios::{LocalModes, tcgetattr};

mod room;

/// A room with a guest, and a client at a terminal.
struct Scene {
    server: Program,
    addr: SocketAddr,
    guest: Guest,
    client: Program,
    keyboard: File,
}

impl Scene {
    fn set() -> Result<Self, Failure> {
        let (server, addr) = Program::start_server(server())?;
        let guest = Guest::join(addr)?;
        let (mut client, keyboard) = Program::start_in_terminal(client(&addr.to_string()))?;
        client.expect_later("… joined", |line| line.ends_with(" joined"))?;
        Ok(Self { server, addr, guest, client, keyboard })
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).expect("the terminal is there");
    }

    /// Lets the guest send this, waits until it appears, and returns everything that was drawn before it.
    fn hear(&mut self, text: &str) -> Result<String, Failure> {
        self.guest.says_and_hears(text)?;
        let said = self.guest.said(text);
        self.client.expect_later(&said, |line| line.ends_with(&said))
    }

    /// Waits for the client's end, and checks that the terminal echoes keys and edits lines again.
    fn ends_with(mut self, code: i32) -> Result<Vec<String>, Failure> {
        assert_eq!(self.client.wait()?.code(), Some(code), "{}", self.client.transcript());
        let modes = tcgetattr(&self.keyboard).expect("the terminal is there").local_modes;
        assert!(modes.contains(LocalModes::ICANON | LocalModes::ECHO), "{modes:?}");
        Ok(self.client.lines_left())
    }
}

#[test]
fn a_line_that_arrives_does_not_tear_the_line_being_typed() -> Result<(), Failure> {
    let mut scene = Scene::set()?;
    scene.press("hel");
    scene.hear("one")?;
    for text in ["two", "three"] {
        let drawn = scene.hear(text)?;
        assert!(drawn.contains("> hel"), "it is drawn again after each line: {drawn:?}");
    }
    scene.press("lo\r");
    let line = loop {
        match scene.guest.next_line()? {
            Some(line) if line.starts_with("***") => {} // a guest joined
            line => break line.unwrap_or_default(),
        }
    };
    assert!(line.ends_with(" hello"), "{line}");
    scene.client.expect_later(&line, |line| line.ends_with(&line))?;
    Ok(())
}

#[test]
fn many_lines_at_once_and_long_ones_are_all_printed() -> Result<(), Failure> {
    let mut scene = Scene::set()?;
    scene.press("hel");
    let lines: Vec<String> = (0..500).map(|number| format!("number {number}")).collect();
    scene.guest.say(&lines.join("\n"))?;
    for line in &lines {
        let said = scene.guest.said(line);
        scene.client.expect_later(&said, |line| line.ends_with(&said))?;
    }
    scene.hear("short")?;
    scene.guest.say(&"x".repeat(200))?;
    // No row but the first one begins at the margin.
    let row = format!("    {}", "x".repeat(76));
    scene.client.expect_later("4 blanks and 76 x", |line| line.ends_with(&row))?;
    let drawn = scene.hear("the end")?;
    assert!(drawn.contains("> hel"), "{drawn:?}");
    Ok(())
}

#[test]
fn quit_and_ctrl_c_and_ctrl_d_leave_politely() -> Result<(), Failure> {
    for keys in ["quit\r", "not sent\x03", "\x04"] {
        let mut scene = Scene::set()?;
        scene.press(keys);
        let left = |line: &str| line.starts_with("*** ") && line.ends_with(" left");
        while !scene.guest.next_line()?.is_some_and(|line| left(&line)) {}
        scene.ends_with(0)?;
    }
    Ok(())
}

#[test]
fn when_the_server_stops_the_client_ends_well_and_restores_the_terminal() -> Result<(), Failure> {
    let mut scene = Scene::set()?;
    scene.press("half a li");
    scene.server.type_line("quit")?;
    expect_log(&mut scene.server, "the server is stopping")?;
    let shown = scene.ends_with(0)?;
    assert!(shown.iter().any(|line| line.ends_with("*** the server is stopping")), "{shown:?}");
    Ok(())
}

#[test]
fn when_the_server_is_killed_the_client_reports_it_and_restores_the_terminal() -> Result<(), Failure>
{
    let mut scene = Scene::set()?;
    scene.press("half a li");
    let (dead, _) = Program::start_server(server())?;
    drop(std::mem::replace(&mut scene.server, dead)); // dropping a program kills it
    let error = format!("error: {}: the server closed the connection", scene.addr);
    assert_eq!(scene.ends_with(1)?.last(), Some(&error));
    Ok(())
}

#[test]
fn when_the_system_asks_it_to_end_the_client_restores_the_terminal() -> Result<(), Failure> {
    let mut scene = Scene::set()?;
    scene.press("half a li");
    scene.client.interrupt()?;
    scene.ends_with(0).map(drop)
}

/// Kills a client that continues although it should have ended.
struct Killed(Pid);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = kill_process(self.0, Signal::KILL); // fails if it has ended
    }
}

/// Reading from a terminal that is gone returns at once, and the editor would repeat it forever.
#[test]
fn when_its_terminal_is_closed_the_client_ends() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let mut guest = Guest::join(addr)?;
    let (mut screen, input) = open_terminal()?;
    let copy = || input.try_clone().expect("a descriptor is free");
    let mut command = client(&addr.to_string());
    let mut client =
        command.stdin(copy()).stdout(copy()).stderr(copy()).spawn().expect("the client starts");
    let _killed = Killed(Pid::from_child(&client));
    let (exited, exit) = mpsc::channel();
    thread::spawn(move || exited.send(client.wait()));
    drop((command, input));
    while !guest.next_line()?.is_some_and(|line| line.ends_with(" joined")) {}
    let mut drawn = Vec::new();
    while !drawn.ends_with(b"\x1b[6n") {
        // The editor has begun when it asks where the cursor is.
        let mut buffer = [0; 100];
        let len = screen.read(&mut buffer).expect("the client draws");
        drawn.extend(&buffer[..len]);
    }
    write!(screen, "\x1b[1;1R").expect("the terminal is there");

    drop(screen);
    let status = exit.recv_timeout(DEADLINE).expect("it ends");
    assert_eq!(status.expect("it was started").code(), Some(0));
    while !guest.next_line()?.is_some_and(|line| line.ends_with(" left")) {}
    Ok(())
}
