//! What step 08 does, and what it does not do yet.
//!
//! The lines themselves are tested in `lines.rs`, beside this file.

use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use assert_cmd::Command as Assert;
use conformance::check::{self, Subject};
use conformance::proxy::{Cut, Proxy};
use conformance::{DEADLINE, Failure, NobodyListens, Peer, Program, python};

const STEP: &str = env!("CARGO_BIN_EXE_step-08-chat-fn");

/// Long enough to see that nothing arrives, also where the machine is busy.
const SILENCE: Duration = Duration::from_secs(1);

/// The receive buffer of a client that is slow on purpose, in bytes.
const SLOW_BUFFER_LEN: usize = 4096;

fn server() -> Command {
    let mut command = Command::new(STEP);
    command.args(["server", "127.0.0.1:0"]);
    command
}

fn client(addr: &str) -> Command {
    let mut command = Command::new(STEP);
    command.args(["client", addr]);
    command
}

/// Connects, and waits until the server reports it.
fn join(server: &mut Program, addr: SocketAddr) -> Result<Peer, Failure> {
    let peer = Peer::connect(addr)?;
    let joined = format!("{} joined", peer.local_addr()?);
    server.expect_later(&joined, |line| line == joined)?;
    Ok(peer)
}

/// Waits until the server reports that a client left, or was lost.
fn expect_log(server: &mut Program, who: SocketAddr, what: &str) -> Result<(), Failure> {
    let expected = format!("{who} {what}");
    server.expect_later(&expected, |line| line == expected).map(drop)
}

/// Types something at the server's console, which must print this line.
fn expect_online(server: &mut Program, expected: &str) -> Result<(), Failure> {
    server.type_line("who?")?;
    let is_list = |line: &str| line.contains(" online");
    assert_eq!(server.expect_later(expected, is_list)?, expected);
    Ok(())
}

/// The line that all clients receive when this one sends `text`.
fn said(who: &Peer, text: &str) -> Result<Vec<u8>, Failure> {
    Ok(format!("{} {text}\n", who.local_addr()?).into_bytes())
}

/// Sends a line, and receives it.
fn say_and_hear(peer: &mut Peer, text: &str) -> Result<(), Failure> {
    peer.send(format!("{text}\n").as_bytes())?;
    let line = said(peer, text)?;
    peer.expect(&line)
}

#[test]
fn keeps_what_its_manifest_promises() {
    check::assert_promises(env!("CARGO_MANIFEST_DIR"), STEP);
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

#[cfg(unix)]
#[test]
fn the_server_neither_panics_nor_spins_when_it_is_treated_roughly() {
    conformance::rough::assert_server_survives(8, STEP);
}

#[cfg(unix)]
#[test]
fn the_client_neither_panics_nor_spins_when_it_is_treated_roughly() {
    conformance::rough::assert_client_survives(8, STEP);
}

#[test]
fn a_line_goes_to_every_client_its_sender_included() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let (mut alice, mut bob) = (join(&mut server, addr)?, join(&mut server, addr)?);
    alice.send(b"hello, bob\n")?;
    let line = said(&alice, "hello, bob")?;
    alice.expect(&line)?;
    bob.expect(&line)?;
    assert_eq!(server.lines_left(), [""; 0], "the server prints nothing of what is said");
    Ok(())
}

#[test]
fn a_client_that_sends_nothing_keeps_no_other_waiting() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut silent = join(&mut server, addr)?;
    let mut second = join(&mut server, addr)?;
    say_and_hear(&mut second, "hello")?;
    let line = said(&second, "hello")?;
    silent.expect(&line)
}

#[test]
fn nc_and_telnet_can_join() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut peer = join(&mut server, addr)?;
    peer.send(b"with a carriage return\r\n\r\n \t\r\n\n  with\ta newline \nquit\r\n")?;
    let lines =
        [said(&peer, "with a carriage return")?, said(&peer, "  with\ta newline ")?].concat();
    let who = peer.local_addr()?;
    assert_eq!(String::from_utf8_lossy(&peer.receive_to_end()?), String::from_utf8_lossy(&lines));
    expect_log(&mut server, who, "left")
}

#[test]
fn two_lines_in_one_segment_are_two_and_one_in_single_bytes_is_one() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut bob = join(&mut server, addr)?;
    let mut alice = join(&mut server, addr)?;
    alice.send(b"one\ntwo\nthr")?;
    for text in ["one", "two"] {
        let line = said(&alice, text)?;
        alice.expect(&line)?;
        bob.expect(&line)?;
    }
    for byte in "ee, Grüße 😀\n".bytes() {
        alice.send(&[byte])?;
    }
    let line = said(&alice, "three, Grüße 😀")?;
    alice.expect(&line)?;
    bob.expect(&line)
}

#[test]
fn half_a_line_before_the_end_is_not_said() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut bob = join(&mut server, addr)?;
    let mut alice = join(&mut server, addr)?;
    let who = alice.local_addr()?;
    alice.send(b"hello\nrm -rf /tmp")?;
    alice.end_sending()?;
    let line = said(&alice, "hello")?;
    assert_eq!(alice.receive_to_end()?, line);
    expect_log(&mut server, who, "left")?;
    bob.expect(&line)?;
    say_and_hear(&mut bob, "and nothing else")
}

#[test]
fn a_bad_line_is_reported_to_its_sender_only() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut bob = join(&mut server, addr)?;
    let mut alice = join(&mut server, addr)?;
    let too_long = "x".repeat(4097);
    for (bytes, told) in [
        (too_long.as_bytes(), "error: a line has at most 4096 bytes\n"),
        (b"caf\xe9", "error: a line must be UTF-8\n"),
        (b"\x1b[2J\x1b[H", "error: a line must not have control characters\n"),
        (b"a\0b", "error: a line must not have control characters\n"),
    ] {
        alice.send(&[bytes, b"\nnext\n"].concat())?;
        alice.expect(told.as_bytes())?;
        let line = said(&alice, "next")?;
        alice.expect(&line)?;
        bob.expect(&line)?;
    }
    let longest = "x".repeat(4096);
    say_and_hear(&mut alice, &longest)?;
    let line = said(&alice, &longest)?;
    bob.expect(&line)
}

#[test]
fn fifty_clients_hear_all_lines_in_the_same_order() -> Result<(), Failure> {
    const CLIENTS: usize = 50;
    let (mut server, addr) = Program::start_server(server())?;
    let peers: Result<Vec<Peer>, Failure> = (0..CLIENTS).map(|_| join(&mut server, addr)).collect();
    let heard = thread::scope(|scope| {
        let talks: Vec<_> = peers?
            .into_iter()
            .map(|mut peer| {
                scope.spawn(move || -> Result<String, Failure> {
                    peer.send(b"one\ntwo\n")?;
                    let (mut heard, mut lines) = (Vec::new(), 0);
                    while lines < 2 * CLIENTS {
                        let bytes = peer.receive_some()?;
                        let bytes = bytes.ok_or_else(|| Failure::new("the server has ended"))?;
                        lines += bytes.split(|byte| *byte == b'\n').count() - 1;
                        heard.extend(bytes);
                    }
                    Ok(String::from_utf8_lossy(&heard).into_owned())
                })
            })
            .collect();
        let joined = talks.into_iter().map(|talk| talk.join().expect("it does not panic"));
        joined.collect::<Result<Vec<String>, Failure>>()
    })?;
    assert!(heard.iter().all(|other| *other == heard[0]), "all hear the same");
    let mut lines: Vec<&str> = heard[0].lines().collect();
    lines.sort_unstable();
    lines.dedup();
    assert_eq!(lines.len(), 2 * CLIENTS, "and every client twice");
    Ok(())
}

#[test]
fn a_client_that_leaves_is_gone_in_whatever_way_it_leaves() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut bob = join(&mut server, addr)?;
    let only_bob = format!("1 online: {}", bob.local_addr()?);
    for way in ["quit", "end", "half a line", "reset"] {
        let mut alice = join(&mut server, addr)?;
        let who = alice.local_addr()?;
        let mut both = [bob.local_addr()?, who];
        both.sort();
        expect_online(&mut server, &format!("2 online: {}, {}", both[0], both[1]))?;
        match way {
            "quit" => {
                alice.send(b"quit\n")?;
                assert_eq!(alice.receive_to_end()?, b"", "the server ends the connection, too");
            }
            "end" => alice.close(),
            "half a line" => {
                alice.send(b"half a li")?;
                alice.close();
            }
            _ => alice.reset()?,
        }
        if way == "reset" {
            // Windows reports a reset in one of two ways.
            let lost = format!("{who} lost: connection ");
            server.expect_later(&lost, |line| line.starts_with(&lost))?;
        } else {
            expect_log(&mut server, who, "left")?;
        }
        expect_online(&mut server, &only_bob)?;
        say_and_hear(&mut bob, "who is next?")?;
    }
    Ok(())
}

/// Connects, and is turned away.
fn expect_turned_away(server: &mut Program, addr: SocketAddr) -> Result<(), Failure> {
    let mut peer = Peer::connect(addr)?;
    let who = peer.local_addr()?;
    let told = String::from_utf8_lossy(&peer.receive_to_end()?).into_owned();
    assert_eq!(told, "error: the room is full; try again later\n");
    expect_log(server, who, "turned away: the room is full")
}

#[test]
fn a_full_room_turns_clients_away_until_one_leaves_in_whatever_way() -> Result<(), Failure> {
    let mut command = server();
    command.args(["--max-clients", "2"]);
    full_room(Program::start_server(command)?)
}

/// The behaviour of a server whose limit is two clients.
fn full_room((mut server, addr): (Program, SocketAddr)) -> Result<(), Failure> {
    let mut bob = join(&mut server, addr)?;
    for way in ["quit", "end", "half a line", "reset"] {
        let mut alice = join(&mut server, addr)?;
        expect_turned_away(&mut server, addr)?;
        expect_turned_away(&mut server, addr)?;
        say_and_hear(&mut alice, "still here")?; // and nothing else has arrived
        let line = said(&alice, "still here")?;
        bob.expect(&line)?;

        let who = alice.local_addr()?;
        match way {
            "quit" => {
                alice.send(b"quit\n")?;
                assert_eq!(alice.receive_to_end()?, b"");
            }
            "end" => alice.close(),
            "half a line" => {
                alice.send(b"half a li")?;
                alice.close();
            }
            _ => alice.reset()?,
        }
        let ended = [format!("{who} left"), format!("{who} lost: ")];
        let is_gone = |line: &str| ended.iter().any(|ended| line.starts_with(ended));
        server.expect_later(&ended.join(", or "), is_gone)?;
    }
    Ok(())
}

#[test]
fn a_client_that_is_turned_away_shows_why_and_fails() -> Result<(), Failure> {
    let mut command = server();
    command.args(["--max-clients", "1"]);
    let (mut server, addr) = Program::start_server(command)?;
    let _alice = join(&mut server, addr)?;
    let mut client = Program::start(client(&addr.to_string()))?;
    let told = "error: the room is full; try again later";
    assert_eq!(client.expect_line(told)?, told);
    let told = format!("error: {addr}: the server closed the connection");
    assert_eq!(client.expect_line(&told)?, told);
    assert_eq!(client.wait()?.code(), Some(1));
    Ok(())
}

#[test]
fn the_console_tells_who_is_online_and_its_end_is_not_the_end_of_the_room() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    expect_online(&mut server, "no client is online")?;
    server.type_line("")?;
    assert_eq!(server.expect_line("no client is online")?, "no client is online");
    let mut peers = Vec::new();
    for _ in 0..12 {
        peers.push(join(&mut server, addr)?);
    }
    let addrs: Result<Vec<SocketAddr>, Failure> = peers.iter().map(Peer::local_addr).collect();
    let mut addrs = addrs?;
    addrs.sort();
    let list: Vec<String> = addrs.iter().map(SocketAddr::to_string).collect();
    expect_online(&mut server, &format!("12 online: {}", list.join(", ")))?;
    server.end_input();
    say_and_hear(&mut peers[0], "still here")?;
    say_and_hear(&mut join(&mut server, addr)?, "me, too")
}

#[test]
fn quit_at_the_console_ends_the_program_with_exit_code_0() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let _idle = join(&mut server, addr)?;
    server.type_line(" quit ")?;
    assert_eq!(server.wait()?.code(), Some(0));
    Ok(())
}

#[test]
fn the_room_continues_if_the_output_of_the_server_is_not_read() -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::new(error.to_string());
    let mut command = server();
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = command.spawn().map_err(failed)?;
    let mut stdout = BufReader::new(server.stdout.take().expect("it is piped"));
    let mut line = String::new();
    stdout.read_line(&mut line).map_err(failed)?;
    drop(stdout); // from now on, printing fails
    let addr = line.trim().rsplit(' ').next().and_then(|addr| addr.parse().ok());
    let addr = addr.unwrap_or_else(|| panic!("no address in {line}"));

    let mut peer = Peer::connect(addr)?;
    say_and_hear(&mut peer, "one")?;
    let mut stdin = server.stdin.take().expect("it is piped");
    stdin.write_all(b"who?\n").map_err(failed)?;
    Peer::connect(addr)?.reset()?;
    say_and_hear(&mut peer, "two")?;
    stdin.write_all(b"quit\n").map_err(failed)?;
    let output = server.wait_with_output().map_err(failed)?;
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    Ok(())
}

#[test]
fn a_conversation_of_two_clients() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut alice = Program::start(client(&addr.to_string()))?;
    let who = server.expect_later("… joined", |line| line.ends_with(" joined"))?;
    let alice_addr = who.trim_end_matches(" joined").to_owned();
    let mut bob = Program::start(client(&addr.to_string()))?;
    let who = server.expect_later("… joined", |line| line.ends_with(" joined"))?;
    let bob_addr = who.trim_end_matches(" joined").to_owned();

    alice.type_line("hello, bob")?;
    let line = format!("{alice_addr} hello, bob");
    assert_eq!(bob.expect_line(&line)?, line);
    assert_eq!(alice.expect_line(&line)?, line);
    bob.type_line("hello, alice")?;
    bob.type_line("quit")?;
    let line = format!("{bob_addr} hello, alice");
    assert_eq!(bob.expect_line(&line)?, line);
    assert_eq!(bob.wait()?.code(), Some(0));
    assert_eq!(alice.expect_line(&line)?, line);
    let left = format!("{bob_addr} left");
    server.expect_later(&left, |line| line == left)?;
    alice.end_input();
    assert_eq!(alice.wait()?.code(), Some(0));
    Ok(())
}

#[test]
fn the_client_does_not_send_a_line_that_is_too_long() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let longest = "x".repeat(4096);
    let input = format!("{longest}x\n{longest}\n");
    let ran = Assert::from_std(client(&addr.to_string())).write_stdin(input).assert().success();
    let ran = ran.stderr("error: a line has at most 4096 bytes; this one was not sent\n");
    let shown = String::from_utf8_lossy(&ran.get_output().stdout).into_owned();
    assert!(shown.ends_with(&format!(" {longest}\n")), "the next one is: {} bytes", shown.len());
    assert_eq!(shown.lines().count(), 1);
    Ok(())
}

/// A listener in place of the server, and its address.
fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("it is bound").to_string();
    (listener, addr)
}

#[test]
fn a_client_whose_server_goes_away_reports_it_while_it_waits_for_the_keyboard()
-> Result<(), Failure> {
    for reset in [false, true] {
        let (listener, addr) = listener();
        let mut client = Program::start(client(&addr))?;
        let (mut stream, _) = listener.accept().expect("the client connects");
        stream.write_all(b"last words\nhalf a li").expect("the client is there");
        assert_eq!(client.expect_line("last words")?, "last words");
        if reset {
            // With a linger time of zero, closing sends a reset instead of an orderly end.
            let set = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            set.expect("the stream is open");
        }
        drop(stream);
        let told = format!("error: {addr}: the server closed the connection");
        assert_eq!(client.expect_line(&told)?, told);
        assert_eq!(client.wait()?.code(), Some(1));
    }
    Ok(())
}

#[test]
fn a_client_whose_server_breaks_off_while_it_sends_fails() {
    const ROUNDS: usize = 20; // sometimes the thread that writes finds out first
    let input = "hello\n".repeat(1_000_000);
    for _ in 0..ROUNDS {
        let (listener, addr) = listener();
        thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().expect("the client connects");
                stream.read_exact(&mut [0; 6]).expect("the client sends");
                let set = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                set.expect("the stream is open");
            });
            let ran = Assert::from_std(client(&addr)).write_stdin(&*input).assert().code(1);
            ran.stderr(format!("error: {addr}: the server closed the connection\n"));
        });
    }
}

#[cfg(unix)]
#[test]
fn at_a_terminal_the_client_has_a_prompt_and_ends_with_its_server() -> Result<(), Failure> {
    let (listener, addr) = listener();
    let (mut client, mut keyboard) = Program::start_at_terminal(client(&addr))?;
    let (mut stream, _) = listener.accept().expect("the client connects");
    // A client that sends what was typed has shown a prompt before.
    keyboard.write_all(b"hello\n").expect("the terminal is open");
    stream.read_exact(&mut [0; 6]).expect("what was typed arrives");
    stream.write_all(b"last words\n").expect("the client is there");
    // Lines tear what is in the terminal, so the prompt may be before, after or between.
    client.expect_later("last words", |line| line.replace("> ", "") == "last words")?;
    drop(stream);
    let told = format!("error: {addr}: the server closed the connection");
    client.expect_later(&told, |line| line.replace("> ", "") == told)?;
    assert!(client.transcript().contains("> "), "{}", client.transcript());
    assert_eq!(client.wait()?.code(), Some(1));
    Ok(())
}

#[test]
fn a_client_that_leaves_shows_what_arrives_until_the_server_closes() {
    for input in ["hello\nquit\nnot sent\n", "hello\n", "hello\n quit \n"] {
        let (listener, addr) = listener();
        thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().expect("the client connects");
                let mut sent = String::new();
                stream.read_to_string(&mut sent).expect("it arrives, and its end");
                assert_eq!(sent, "hello\n", "quit is not sent, but end of file");
                stream.write_all(b"good").expect("the client is there");
                stream.write_all(b"bye\n").expect("the client is there");
            });
            let ran = Assert::from_std(client(&addr)).write_stdin(input).assert().success();
            ran.stdout("goodbye\n").stderr("");
        });
    }
}

#[test]
fn what_a_server_sends_does_nothing_to_the_terminal() {
    let (listener, addr) = listener();
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().expect("the client connects");
            stream.write_all(b"\x1b[2J\ta\rb\x07 \xc2\x9b1m Gr\xc3\xbc\xc3\x9fe\n").expect("sent");
            stream.write_all(b"\xff\xfe\n").expect("sent");
            stream.write_all(&vec![b'x'; 1024 * 1024]).expect("sent");
            stream.write_all(b"\nthe end\n").expect("sent");
            stream.read_to_end(&mut Vec::new()).expect("the client leaves");
        });
        let ran = Assert::from_std(client(&addr)).write_stdin("").assert().success();
        let cannot = "error: a line from the server cannot be shown: a line";
        ran.stdout("\\u{1b}[2J\ta\\rb\\u{7} \\u{9b}1m Grüße\nthe end\n")
            .stderr(format!("{cannot} must be UTF-8\n{cannot} has at most 4224 bytes\n"));
    });
}

#[test]
fn a_server_that_is_not_there_is_one_clear_line() {
    let nobody = NobodyListens::new();
    let addr = nobody.addr().to_string();
    let text = format!("error: {addr}: connection refused; start the server first\n");
    Assert::from_std(client(&addr)).assert().failure().stdout("").stderr(text);
}

#[test]
fn an_address_that_is_taken_is_one_clear_line() {
    let (_listener, addr) = listener();
    let text = "address in use; stop the program that has it, or choose another port";
    let ran = Assert::new(STEP).args(["server", &addr]).assert().failure();
    ran.stdout("").stderr(format!("error: {addr}: {text}\n"));
}

#[test]
fn a_client_behind_a_proxy_that_cuts_every_byte_takes_part() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let proxy = Proxy::start(addr, Cut::Every(1)).expect("a proxy");
    let mut bob = join(&mut server, addr)?;
    let mut alice = Program::start(client(&proxy.addr().to_string()))?;
    alice.type_line("Grüße 😀")?;
    let line = alice.expect_line("ADDR Grüße 😀")?;
    assert!(line.ends_with(" Grüße 😀"), "{line}");
    bob.expect(format!("{line}\n").as_bytes())?;
    bob.send("zurück\n".as_bytes())?;
    let line = format!("{} zurück", bob.local_addr()?);
    assert_eq!(alice.expect_line(&line)?, line);
    Ok(())
}

#[test]
fn noise_harms_no_client() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut bob = join(&mut server, addr)?;
    let mut hostile = join(&mut server, addr)?;
    let who = hostile.local_addr()?;
    // All bytes but the newline, and each of them before and after many others.
    let bytes = || (0..=u8::MAX).filter(|byte| *byte != b'\n');
    let binary: Vec<u8> = bytes().flat_map(|one| bytes().flat_map(move |two| [one, two])).collect();
    hostile.send(&[&binary[..], b"\n"].concat())?;
    hostile.expect(b"error: a line has at most 4096 bytes\n")?;
    for piece in binary.chunks(1000) {
        hostile.send(&[piece, b"\n"].concat())?;
    }
    hostile.send(b"quit\n")?;
    let told = String::from_utf8_lossy(&hostile.receive_to_end()?).into_owned();
    assert_eq!(told.lines().count(), binary.chunks(1000).count());
    assert!(told.lines().all(|line| line.starts_with("error: a line must ")), "{told}");
    expect_log(&mut server, who, "left")?;
    say_and_hear(&mut bob, "what was that?")
}

/// A client that joins and then reads nothing, and another client whose lines fill the buffers between
/// the server and the first. Returns the slow one and the other, which no longer receives its own lines.
fn stuck_room(server: &mut Program, addr: SocketAddr) -> Result<(Peer, Peer), Failure> {
    const MANY: usize = 20_000;
    let slow = Peer::connect_with_receive_buffer(addr, DEADLINE, SLOW_BUFFER_LEN)?;
    expect_log(server, slow.local_addr()?, "joined")?;
    let mut alice = Peer::connect_within(addr, SILENCE)?;
    expect_log(server, alice.local_addr()?, "joined")?;
    let text = "x".repeat(1000);
    for _ in 0..MANY {
        if say_and_hear(&mut alice, &text).is_err() {
            return Ok((slow, alice));
        }
    }
    Err(server.failure(&format!("{MANY} lines were heard, although one client reads none")))
}

/// Waits for a line, whatever arrives before it.
fn hear_later(peer: &mut Peer, line: &[u8]) -> Result<(), Failure> {
    let mut heard = Vec::new();
    let until = Instant::now() + DEADLINE;
    while !heard.windows(line.len()).any(|bytes| bytes == line) {
        assert!(Instant::now() < until, "the room should continue");
        heard.drain(..heard.len().saturating_sub(line.len())); // what was searched
        heard.extend(peer.receive_some()?.ok_or_else(|| Failure::new("the server has ended"))?);
    }
    Ok(())
}

#[test]
fn still_wrong_one_reader_that_does_not_read_stops_the_room() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut bob = join(&mut server, addr)?;
    let (slow, _alice) = stuck_room(&mut server, addr)?;
    let mut carol = Peer::connect_within(addr, SILENCE)?; // she cannot even join
    carol.send(b"is anybody here?\n")?;
    carol.expect(&said(&carol, "is anybody here?")?).expect_err("all wait for one");

    slow.reset()?; // and now no client has to wait any longer
    hear_later(&mut bob, &said(&carol, "is anybody here?")?)
}

#[cfg(unix)]
#[test]
fn still_wrong_a_console_that_is_stopped_keeps_new_clients_waiting() -> Result<(), Failure> {
    let (mut server, mut terminal) = Program::start_in_terminal(server())?;
    let addr = server.addr()?;
    let mut bob = join(&mut server, addr)?;
    terminal.write_all(b"\x13").expect("Ctrl-S is typed");
    // No event reports that the terminal has stopped: until then, clients that join are served.
    let until = Instant::now() + DEADLINE;
    let (_carol, line) = loop {
        let mut carol = Peer::connect_within(addr, SILENCE)?;
        if say_and_hear(&mut carol, "hello").is_err() {
            let line = said(&carol, "hello")?;
            break (carol, line);
        }
        assert!(Instant::now() < until, "her thread should wait for the console");
    };
    bob.send(b"those who are in notice nothing\n")?;
    let noticed = said(&bob, "those who are in notice nothing")?;
    hear_later(&mut bob, &noticed)?;

    terminal.write_all(b"\x11").expect("Ctrl-Q is typed");
    hear_later(&mut bob, &line)
}

#[test]
fn still_wrong_stopping_is_abrupt() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut peer = join(&mut server, addr)?;
    say_and_hear(&mut peer, "hello")?;
    let mut client = Program::start(client(&addr.to_string()))?;
    server.expect_later("… joined", |line| line.ends_with(" joined"))?;
    server.type_line("quit")?;
    assert_eq!(peer.receive_to_end()?, b"", "not a word of goodbye");
    let told = format!("error: {addr}: the server closed the connection");
    assert_eq!(client.expect_line(&told)?, told);
    assert_eq!(client.wait()?.code(), Some(1));
    Ok(())
}

/// A pair of hexadecimal numbers that Linux shows of the server's end of a connection: column 4 has the
/// bytes in its send queue and in its receive queue, column 5 its timer and when it runs out.
#[cfg(target_os = "linux")]
fn of_socket(server: SocketAddr, peer: SocketAddr, column: usize) -> (u64, u64) {
    let ports = [server, peer].map(|addr| format!(":{:04X}", addr.port()));
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux has it");
    let row = table.lines().map(|row| row.split_whitespace().collect::<Vec<_>>());
    let mut row = row.filter(|row| row[1].ends_with(&ports[0]) && row[2].ends_with(&ports[1]));
    let pair = row.next().expect("the server has the connection")[column];
    let (first, second) = pair.split_once(':').expect("two numbers");
    let number = |text| u64::from_str_radix(text, 16).expect("a number");
    (number(first), number(second))
}

/// The resources of a process, seen from outside.
#[cfg(target_os = "linux")]
mod resources {
    use super::*;

    /// The number after such a word in `/proc/PID/status`.
    fn status(server: &Program, name: &str) -> u64 {
        let path = format!("/proc/{}/status", server.id());
        let status = std::fs::read_to_string(path).expect("the server runs");
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("it is there");
        line.trim().trim_end_matches(" kB").parse().expect("a number")
    }

    /// How many threads and descriptors the server has.
    fn used(server: &Program) -> (u64, usize) {
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", server.id()));
        (status(server, "Threads:"), descriptors.expect("the server runs").count())
    }

    /// Waits until the server uses as much as before.
    fn wait_until_used(server: &Program, before: (u64, usize)) {
        let until = Instant::now() + DEADLINE;
        while used(server) != before {
            assert!(Instant::now() < until, "{:?}, before: {before:?}", used(server));
            thread::sleep(Duration::from_millis(5)); // no event reports what another process uses
        }
    }

    #[test]
    fn a_thousand_clients_that_break_off_leave_nothing_behind() -> Result<(), Failure> {
        const COUNT: usize = 1000;
        let (mut server, addr) = Program::start_server(server())?;
        let mut bob = join(&mut server, addr)?;
        let before = used(&server);
        for number in 0..COUNT {
            let mut peer = Peer::connect(addr)?;
            if number % 2 == 0 {
                peer.send(b"half a li")?;
            }
            peer.reset()?;
        }
        // The last one of them may have the port of an earlier one, so the test cannot wait for its line.
        for _ in 0..COUNT {
            let is_gone = |line: &str| line.ends_with(" left") || line.contains(" lost: ");
            server.expect_later("… left, or … lost", is_gone)?;
        }
        wait_until_used(&server, before);
        expect_online(&mut server, &format!("1 online: {}", bob.local_addr()?))?;
        say_and_hear(&mut bob, "alone again")
    }

    #[test]
    fn clients_that_are_turned_away_leave_nothing_behind() -> Result<(), Failure> {
        let mut command = server();
        command.args(["--max-clients", "2"]);
        let (mut server, addr) = Program::start_server(command)?;
        let mut bob = join(&mut server, addr)?;
        let _alice = join(&mut server, addr)?;
        let before = used(&server);
        for _ in 0..100 {
            expect_turned_away(&mut server, addr)?;
        }
        wait_until_used(&server, before);
        say_and_hear(&mut bob, "what was that?")
    }

    #[test]
    fn when_the_system_allows_no_more_threads_a_client_is_turned_away_and_the_room_continues()
    -> Result<(), Failure> {
        // The stack of each thread takes a part of the address space: there is room for two of them,
        // the thread that accepts clients and one client's, but not for three.
        let mut command = Command::new("sh");
        let limited = "ulimit -v 2500000 && exec \"$0\" server 127.0.0.1:0"; // KiB
        command.args(["-c", limited, STEP]).env("RUST_MIN_STACK", "1000000000"); // bytes
        let (mut server, addr) = Program::start_server(command)?;
        let mut bob = join(&mut server, addr)?;
        for _ in 0..2 {
            let mut peer = Peer::connect(addr)?;
            let who = peer.local_addr()?;
            let told = String::from_utf8_lossy(&peer.receive_to_end()?).into_owned();
            let (start, end) = ("error: ", " (os error 11); try again later\n");
            assert!(told.starts_with(start) && told.ends_with(end), "{told}");
            let away = format!("{who} turned away: ");
            server.expect_later(&away, |line| line.starts_with(&away))?;
            say_and_hear(&mut bob, "still here")?;
        }
        expect_online(&mut server, &format!("1 online: {}", bob.local_addr()?))?;
        let who = bob.local_addr()?;
        bob.close();
        expect_log(&mut server, who, "left")?;
        // A thread's stack is freed a moment after its last output.
        let until = Instant::now() + DEADLINE;
        loop {
            let mut newcomer = Peer::connect(addr)?;
            if say_and_hear(&mut newcomer, "me, too").is_ok() {
                return Ok(());
            }
            assert!(Instant::now() < until, "no client is let in although a thread has ended");
        }
    }

    #[test]
    fn clients_that_send_nothing_or_half_a_line_cost_a_thread_each_and_nothing_when_they_leave()
    -> Result<(), Failure> {
        const HOSTILE: usize = 100;
        let (mut server, addr) = Program::start_server(server())?;
        let mut bob = join(&mut server, addr)?;
        let before = used(&server);
        let mut peers = Vec::new();
        for number in 0..HOSTILE {
            let mut peer = join(&mut server, addr)?;
            if number % 2 == 0 {
                peer.send(b"half a li")?;
            }
            peers.push(peer);
        }
        assert_eq!(used(&server), (before.0 + HOSTILE as u64, before.1 + 2 * HOSTILE));
        say_and_hear(&mut bob, "are you there?")?;
        drop(peers);
        wait_until_used(&server, before);
        expect_online(&mut server, &format!("1 online: {}", bob.local_addr()?))
    }

    /// The peak of the server's resident memory, in KiB, grows by less than this while a line of `ENDLESS`
    /// bytes arrives.
    const LITTLE: u64 = 1024; // KiB
    const ENDLESS: usize = 64 * 1024 * 1024; // bytes

    #[test]
    fn an_endless_line_costs_no_memory_and_is_reported_once() -> Result<(), Failure> {
        let (mut server, addr) = Program::start_server(server())?;
        let mut peer = join(&mut server, addr)?;
        say_and_hear(&mut peer, &"x".repeat(4096))?;
        let before = status(&server, "VmHWM:");
        let piece = vec![b'x'; 1024 * 1024];
        for _ in 0..ENDLESS / piece.len() {
            peer.send(&piece)?;
        }
        peer.send(b"\nhello\n")?;
        peer.expect(b"error: a line has at most 4096 bytes\n")?;
        let line = said(&peer, "hello")?;
        peer.expect(&line)?;
        // The system counts resident memory roughly (`man 5 proc`): even a peak can be lower than before.
        let growth = status(&server, "VmHWM:").saturating_sub(before);
        assert!(growth < LITTLE, "{growth} KiB");
        Ok(())
    }

    #[test]
    fn a_silent_client_is_asked_after_10_seconds_whether_it_is_still_there() -> Result<(), Failure>
    {
        let (mut server, addr) = Program::start_server(server())?;
        let peer = join(&mut server, addr)?;
        // When the timer runs out, in hundredths of a second.
        let (kind, when) = of_socket(addr, peer.local_addr()?, 5);
        assert_eq!(kind, 2, "the timer of keepalive");
        assert!(when <= 1000, "{when} hundredths of a second"); // two hours, unless it is set
        Ok(())
    }

    #[test]
    fn when_all_descriptors_are_in_use_the_room_continues_and_later_lets_others_in()
    -> Result<(), Failure> {
        let mut command = Command::new("sh");
        let limited = "ulimit -n 20 && exec \"$0\" server 127.0.0.1:0";
        command.args(["-c", limited, STEP]);
        let (mut server, addr) = Program::start_server(command)?;
        let mut bob = join(&mut server, addr)?;
        let crowd: Result<Vec<Peer>, Failure> = (0..30).map(|_| Peer::connect(addr)).collect();
        let told = "cannot accept clients for now: ";
        server.expect_later(told, |line| line.starts_with(told))?;
        say_and_hear(&mut bob, "still here")?;
        conformance::cpu::expect_waiting(&server)?;
        let again = server.lines_left().into_iter().filter(|line| line.starts_with(told)).count();
        assert_eq!(again, 0, "it is reported once");
        drop(crowd);
        let mut newcomer = join(&mut server, addr)?;
        say_and_hear(&mut newcomer, "me, too")
    }
}

#[test]
#[ignore = "needs python3"]
fn python_client_talks_to_our_server() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut bob = join(&mut server, addr)?;
    let mut client = Program::start(twin("client.py", &addr.to_string()))?;
    client.type_line("Grüße")?;
    let line = client.expect_line("ADDR Grüße")?;
    bob.expect(format!("{line}\n").as_bytes())?;
    client.type_line("quit")?;
    assert_eq!(client.wait()?.code(), Some(0));
    server.expect_later("… left", |line| line.ends_with(" left"))?;

    let mut client = Program::start(twin("client.py", &addr.to_string()))?;
    server.expect_later("… joined", |line| line.ends_with(" joined"))?;
    server.type_line("quit")?;
    let told = format!("error: {addr}: the server closed the connection");
    assert_eq!(client.expect_line(&told)?, told);
    assert_eq!(client.wait()?.code(), Some(1));
    Ok(())
}

#[test]
#[ignore = "needs python3"]
fn our_client_talks_to_python_server() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(twin("server.py", "127.0.0.1:0"))?;
    let mut bob = join(&mut server, addr)?;
    expect_online(&mut server, &format!("1 online: {}", bob.local_addr()?))?;
    let mut client = Program::start(client(&addr.to_string()))?;
    client.type_line("Grüße")?;
    let line = client.expect_line("ADDR Grüße")?;
    bob.expect(format!("{line}\n").as_bytes())?;
    bob.send(b"\xff\n")?;
    bob.expect(b"error: a line must be UTF-8\n")?;
    bob.send(&[&[b'x'; 4097][..], b"\n"].concat())?;
    bob.expect(b"error: a line has at most 4096 bytes\n")?;
    bob.send(b"\x1b[2J\n")?;
    bob.expect(b"error: a line must not have control characters\n")?;
    client.end_input();
    assert_eq!(client.wait()?.code(), Some(0));
    server.expect_later("… left", |line| line.ends_with(" left"))?;
    server.type_line("quit")?;
    assert_eq!(server.wait()?.code(), Some(0));
    Ok(())
}

#[test]
#[ignore = "needs python3"]
fn the_python_server_turns_clients_away_when_it_is_full() -> Result<(), Failure> {
    let mut command = twin("server.py", "127.0.0.1:0");
    command.args(["--max-clients", "2"]);
    full_room(Program::start_server(command)?)
}

#[test]
#[ignore = "needs python3"]
fn the_python_server_keeps_the_same_promises_wherever_the_stream_is_cut() {
    let every = [1, 1024]; // Python starts slowly
    check::assert_promises_at_cuts(env!("CARGO_MANIFEST_DIR"), &every, twins);
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
        8,
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

/// Slow tests; `cargo xtask verify --only slow` runs them.
mod slow {
    use super::*;

    #[test]
    #[ignore = "slow: every check at eight cuts"]
    fn keeps_every_promise_wherever_the_stream_is_cut() {
        let every = [1, 2, 3, 7, 64, 1024, 4096];
        check::assert_promises_at_cuts(env!("CARGO_MANIFEST_DIR"), &every, || {
            Subject::of_step(8, STEP)
        });
    }

    /// On other systems, the room waits until the slow client reads. On Linux, `TCP_USER_TIMEOUT` also limits
    /// the wait for room on the other side.
    #[cfg(target_os = "linux")]
    #[test]
    #[ignore = "slow: the system takes 16 seconds"]
    fn on_linux_the_room_continues_when_the_system_gives_the_slow_one_up() -> Result<(), Failure> {
        const LONG: Duration = Duration::from_secs(60); // it takes 16 seconds
        let (mut server, addr) = Program::start_server(server())?;
        let (slow, _alice) = stuck_room(&mut server, addr)?;
        let mut carol = Peer::connect_within(addr, LONG)?;
        carol.send(b"is anybody here?\n")?;
        let line = said(&carol, "is anybody here?")?;
        hear_later(&mut carol, &line)?;
        // The error is reported once, to the thread that reads from the slow client or to one that writes to it. If it is the
        // other one, the reader sees an end of file.
        let slow_addr = slow.local_addr()?;
        let [left, lost] = ["left", "lost: timed out"].map(|what| format!("{slow_addr} {what}"));
        server.expect_later(&left, |line| line == left || line == lost)?;
        drop(slow); // it was connected all the time
        Ok(())
    }

    /// With short lines the send buffer is full while the other system still takes a few bytes now and
    /// then, and each time the 16 seconds start again.
    #[cfg(target_os = "linux")]
    #[test]
    #[ignore = "slow: twice 16 seconds and more"]
    fn on_linux_a_system_that_takes_a_trickle_is_not_given_up() -> Result<(), Failure> {
        const LONG: Duration = Duration::from_secs(36);
        const MUCH: u64 = 100_000; // bytes
        let (mut server, addr) = Program::start_server(server())?;
        let slow = join(&mut server, addr)?;
        let slow_addr = slow.local_addr()?;
        let mut talker = Command::new("sh");
        let script = "yes | \"$0\" client \"$1\" >/dev/null 2>&1";
        talker.args(["-c", script, STEP, &addr.to_string()]);
        let _talker = Program::start(talker)?; // it ends with the server
        server.expect_later("… joined", |line| line.ends_with(" joined"))?;

        thread::sleep(LONG); // nothing must happen in this time, so there is no event
        let start = format!("{slow_addr} ");
        assert!(!server.lines_left().iter().any(|line| line.starts_with(&start)), "it is online");
        let (waiting, _) = of_socket(addr, slow_addr, 4);
        assert!(waiting > MUCH, "{waiting} bytes wait for it: the room waits, too");
        Ok(())
    }
}
