//! What step 06 does, and what it does not do yet.
//!
//! The frames themselves are tested in `frames.rs`, beside this file.

use std::io::Write as _;
use std::net::TcpListener;
use std::process::Command;

use assert_cmd::Command as Assert;
use conformance::check::{self, Subject};
use conformance::proxy::{Cut, Proxy};
use conformance::{Failure, Peer, Program, python};

#[path = "../src/frame.rs"]
mod frame;

const STEP: &str = env!("CARGO_BIN_EXE_step-06-struct-header");

/// Long enough to see that nothing arrives.
#[cfg(unix)]
const SILENCE: std::time::Duration = std::time::Duration::from_millis(300);

/// How the system's shell ends a line.
const NEWLINE: &str = if cfg!(windows) { "\r\n" } else { "\n" };

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

/// A payload as it is sent.
fn framed(payload: impl AsRef<[u8]>) -> Vec<u8> {
    let mut bytes = Vec::new();
    frame::write_frame(&mut bytes, payload.as_ref()).expect("it is not too long");
    bytes
}

/// Sends a command and expects exactly this answer.
fn expect(peer: &mut Peer, command: &str, answer: impl AsRef<[u8]>) -> Result<(), Failure> {
    peer.send(&framed(command))?;
    peer.expect(&framed(answer))
}

#[test]
fn keeps_what_its_manifest_promises() {
    check::assert_promises(env!("CARGO_MANIFEST_DIR"), STEP);
}

#[cfg(unix)]
#[test]
fn the_server_neither_panics_nor_spins_when_it_is_treated_roughly() {
    conformance::rough::assert_server_survives(6, STEP);
}

#[cfg(unix)]
#[test]
fn the_client_neither_panics_nor_spins_when_it_is_treated_roughly() {
    conformance::rough::assert_client_survives(6, STEP);
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
fn keeps_every_promise_wherever_the_stream_is_cut() {
    let every = [1, 2, 3, 7, 64, 1024, 4096];
    check::assert_promises_at_cuts(env!("CARGO_MANIFEST_DIR"), &every, || {
        Subject::of_step(6, STEP)
    });
}

#[test]
fn the_client_shows_what_the_command_wrote_and_an_empty_answer_is_an_answer() -> Result<(), Failure>
{
    let (mut server, addr) = Program::start_server(server())?;
    let mut client = Program::start(client(&addr.to_string()))?;
    for word in ["one", "two"] {
        client.type_line("exit 0")?;
        client.type_line("")?; // a frame can be empty, too: the shell has nothing to do
        client.type_line(&format!("echo {word}"))?;
        assert_eq!(client.expect_line(word)?, word);
    }
    client.end_input();
    assert!(client.wait()?.success());
    server.expect_later("… runs \"\"", |line| line.ends_with("runs \"\""))?;
    server.expect_later("… disconnected", |line| line.ends_with("disconnected"))?;
    Ok(())
}

#[cfg(unix)]
#[test]
fn an_answer_of_10_mib_is_whole_and_the_next_one_is_the_next_one() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let input = "head -c 10485760 /dev/zero\necho hello\n";
    let ran = Assert::from_std(client(&addr.to_string())).write_stdin(input).assert().success();
    let shown = &ran.get_output().stdout;
    assert!(*shown == [&vec![0; 10_485_760], &b"hello\n"[..]].concat(), "{} bytes", shown.len());
    Ok(())
}

#[cfg(unix)]
#[test]
fn the_longest_answer_is_sent_and_a_longer_one_is_reported() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let mut peer = Peer::connect(addr)?;
    expect(&mut peer, "head -c 16777216 /dev/zero", vec![0; 16_777_216])?;
    let told = "the answer is longer than 16 MiB, the limit of a frame\n";
    expect(&mut peer, "head -c 16777217 /dev/zero", told)?;
    expect(&mut peer, "echo hello", "hello\n")
}

#[test]
fn a_command_that_cannot_be_run_is_reported_and_the_connection_continues() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let mut peer = Peer::connect(addr)?;
    let told = "the command cannot be run: nul byte found in provided data\n";
    expect(&mut peer, "echo \0", told)?;
    if cfg!(target_os = "linux") {
        let told = "the command cannot be run: argument list too long\n";
        expect(&mut peer, &"x".repeat(1024 * 1024), told)?;
    }
    expect(&mut peer, "echo hello", format!("hello{NEWLINE}"))
}

#[test]
fn two_commands_in_one_segment_are_two_answers() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut peer = Peer::connect(addr)?;
    peer.send(&[framed("echo one"), framed("echo two")].concat())?;
    for word in ["one", "two"] {
        peer.expect(&framed(format!("{word}{NEWLINE}")))?;
        let line = format!(r#"runs "echo {word}""#);
        server.expect_later(&line, |came| came.ends_with(&line))?;
    }
    Ok(())
}

#[test]
fn a_command_in_single_bytes_is_one_command() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let proxy = Proxy::start(addr, Cut::Every(1)).expect("a proxy");
    expect(&mut Peer::connect(proxy.addr())?, "echo hello", format!("hello{NEWLINE}"))?;
    let line = r#"runs "echo hello""#;
    server.expect_later(line, |came| came.ends_with(line))?;
    Ok(())
}

#[cfg(unix)]
#[test]
fn any_bytes_can_be_an_answer() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let mut peer = Peer::connect(addr)?;
    expect(&mut peer, r"printf '\377\000\200\n'", b"\xff\0\x80\n")?;
    expect(&mut peer, r#"printf '%s|' "a  b" 'c"d' e\ f; echo Grüße"#, "a  b|c\"d|e f|Grüße\n")?;
    expect(&mut peer, r"printf '\000\000\000\002hi'", b"\0\0\0\x02hi") // a frame in a frame
}

#[cfg(unix)]
#[test]
fn much_output_on_both_streams_is_neither_lost_nor_mixed() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let mut peer = Peer::connect(addr)?;
    let command = "i=0; while [ $i -lt 20000 ]; do echo output; echo error >&2; i=$((i+1)); done";
    let answer = ["output\n".repeat(20_000), "error\n".repeat(20_000)].concat();
    expect(&mut peer, command, answer)
}

#[test]
fn a_broken_frame_ends_one_connection_with_one_line_and_not_the_server() -> Result<(), Failure> {
    let inside = "the stream ended inside a frame:";
    let cases: [(&[u8], String); 6] = [
        (b"\xff\xff\xff\xff", "frame too long: 4294967295 bytes (limit 16777216)".to_owned()),
        (b"\x01\0\0\x01", "frame too long: 16777217 bytes (limit 16777216)".to_owned()),
        (b"\0\0", format!("{inside} 2 of 4 bytes of its header arrived")),
        (b"\0\0\0\x07", format!("{inside} 0 of 7 bytes of its payload arrived")),
        (b"\0\0\0\x07echo h", format!("{inside} 6 of 7 bytes of its payload arrived")),
        (b"\0\0\0\x06echo \xff", "invalid utf-8 sequence of 1 bytes from index 5".to_owned()),
    ];
    let (mut server, addr) = Program::start_server(server())?;
    server.expect_line("WARNING: …")?;
    for (bytes, text) in cases {
        let mut peer = Peer::connect(addr)?;
        let peer_addr = peer.local_addr()?;
        peer.send(bytes)?;
        peer.end_sending()?;
        assert_eq!(peer.receive_to_end()?, b"", "{text}");
        assert_eq!(server.expect_line("… connected")?, format!("{peer_addr} connected"));
        assert_eq!(server.expect_line("… lost")?, format!("{peer_addr} lost: {text}"));

        let mut next = Peer::connect(addr)?;
        expect(&mut next, "echo next", format!("next{NEWLINE}"))?;
        next.close();
        server.expect_later("… disconnected", |line| line.ends_with("disconnected"))?;
    }
    Ok(())
}

/// What a client reports about a server that sends these bytes and closes.
fn client_of_a_server_that_sends(bytes: &[u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("it is bound").to_string();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().expect("the client connects");
            frame::read_frame(&mut stream).expect("a frame arrives").expect("it is there");
            stream.write_all(bytes).expect("the client is there");
        });
        let ran = Assert::from_std(client(&addr)).write_stdin("echo hello\n").assert().failure();
        let text = String::from_utf8_lossy(&ran.get_output().stderr).into_owned();
        text.replace(&addr, "ADDR")
    })
}

#[test]
fn a_server_that_breaks_the_rules_is_an_error_for_the_client() {
    for (bytes, text) in [
        (&b""[..], "the server closed the connection"),
        (b"\0", "the stream ended inside a frame: 1 of 4 bytes of its header arrived"),
        (b"\0\0\0\x0ahel", "the stream ended inside a frame: 3 of 10 bytes of its payload arrived"),
        (b"\xff\xff\xff\xff", "frame too long: 4294967295 bytes (limit 16777216)"),
    ] {
        assert_eq!(client_of_a_server_that_sends(bytes), format!("error: ADDR: {text}\n"));
    }
}

#[test]
fn a_command_that_is_too_long_is_not_sent_and_the_next_one_is() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let input = format!("{}\necho hello\n", "x".repeat(16_777_217));
    Assert::from_std(client(&addr.to_string()))
        .write_stdin(input)
        .assert()
        .success()
        .stdout(format!("hello{NEWLINE}"))
        .stderr("error: a command has at most 16777216 bytes; this one was not sent\n");
    Ok(())
}

/// Memory is watched from outside, since a program that counts its own allocations needs `unsafe`.
#[cfg(target_os = "linux")]
mod memory {
    use super::*;

    /// In KiB: the most memory that the process has had resident, and the most it has allocated. Memory
    /// that is never touched shows only in the second.
    fn peaks(server: &Program) -> [u64; 2] {
        let path = format!("/proc/{}/status", server.id());
        let status = std::fs::read_to_string(path).expect("the server runs");
        ["VmHWM:", "VmPeak:"].map(|name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a peak");
            line.trim().trim_end_matches(" kB").parse().expect("a number")
        })
    }

    /// How much the peaks of a server grow, in KiB, when these bytes arrive and no more.
    fn growth(bytes: &[u8]) -> Result<[u64; 2], Failure> {
        let mut command = server();
        // Without this, glibc asks for 64 MiB at once for the thread of a command.
        command.env("MALLOC_ARENA_MAX", "1");
        let (mut server, addr) = Program::start_server(command)?;
        expect(&mut Peer::connect(addr)?, "echo hello", "hello\n")?;
        let before = peaks(&server);
        let mut peer = Peer::connect(addr)?;
        peer.send(bytes)?;
        peer.end_sending()?;
        server.expect_later("… lost", |line| line.contains(" lost: "))?;
        let after = peaks(&server);
        // The system counts resident memory roughly (`man 5 proc`): even a peak can be lower than before.
        Ok([after[0].saturating_sub(before[0]), after[1] - before[1]])
    }

    #[test]
    fn a_length_that_lies_costs_no_memory() -> Result<(), Failure> {
        const LITTLE: u64 = 1024; // KiB
        for header in [b"\xff\xff\xff\xff", b"\x01\0\0\x01", b"\x01\0\0\0"] {
            let growth = growth(header)?;
            assert!(growth.iter().all(|kib| *kib < LITTLE), "{header:x?}: {growth:?} KiB");
        }
        Ok(())
    }

    #[test]
    fn memory_that_is_used_is_seen() -> Result<(), Failure> {
        let half_of_it = [&b"\x01\0\0\0"[..], &vec![b'x'; 8 * 1024 * 1024]].concat();
        let growth = growth(&half_of_it)?;
        assert!(growth.iter().all(|kib| *kib > 7 * 1024), "{growth:?} KiB");
        Ok(())
    }
}

/// The server may have 2 GB, so that a mistake here does not harm the computer.
#[cfg(target_os = "linux")]
#[test]
fn a_command_that_never_stops_writing_fills_no_memory() -> Result<(), Failure> {
    let mut command = Command::new("sh");
    command.args(["-c", r#"ulimit -v 2000000 && exec "$0" "$@""#, STEP, "server", "127.0.0.1:0"]);
    let (_server, addr) = Program::start_server(command)?;
    let mut peer = Peer::connect(addr)?;
    let told = "the answer is longer than 16 MiB, the limit of a frame\n";
    for command in ["yes", "yes >&2", "yes & yes >&2"] {
        expect(&mut peer, command, told)?;
    }
    expect(&mut peer, "echo hello", "hello\n")
}

#[test]
fn still_wrong_the_exit_status_is_lost() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let mut peer = Peer::connect(addr)?;
    for status in [0, 3] {
        expect(&mut peer, &format!("exit {status}"), "")?; // success and failure look the same
    }
    Ok(())
}

#[cfg(unix)]
#[test]
fn still_wrong_one_client_at_a_time() -> Result<(), Failure> {
    let folder = std::env::temp_dir().join(format!("step-06-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let pipe = folder.join("pipe").display().to_string();
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo {pipe}");

    let (mut server, addr) = Program::start_server(server())?;
    let mut first = Peer::connect(addr)?;
    first.send(&framed(format!("cat {pipe}")))?; // waits until a process writes into the pipe
    server.expect_later("… runs", |line| line.contains("runs \"cat"))?;

    let mut second = Peer::connect_within(addr, SILENCE)?;
    expect(&mut second, "echo hello", "hello\n").expect_err("the second client gets no answer");

    std::fs::write(&pipe, "at last\n").expect("the command reads the pipe");
    first.expect(&framed("at last\n"))?;
    first.close();
    second.expect(&framed("hello\n"))?;
    std::fs::remove_dir_all(&folder).expect("the temporary folder can go");
    Ok(())
}

#[cfg(unix)]
#[test]
fn still_wrong_a_command_continues_when_its_server_is_killed() {
    conformance::rough::assert_command_outlives_server(6, STEP);
}

#[test]
fn without_allow_remote_no_other_computer_can_connect() {
    let refused = "others could connect there and run any command here, as you; \
                   pass --allow-remote to permit this";
    for addr in ["0.0.0.0:0", "[::]:0"] {
        let ran = Assert::new(STEP).args(["server", addr]).assert().failure();
        ran.stdout("").stderr(format!("error: {addr}: {refused}\n"));
    }
}

#[test]
fn on_loopback_the_server_warns_of_other_users() -> Result<(), Failure> {
    let (mut server, _) = Program::start_server(server())?;
    let line = server.expect_line("WARNING: …")?;
    assert_eq!(line, "WARNING: every user of this computer can run commands here as you");
    Ok(())
}

#[test]
fn with_allow_remote_the_server_warns_of_other_computers() -> Result<(), Failure> {
    let mut command = Command::new(STEP);
    command.args(["server", "0.0.0.0:0", "--allow-remote"]);
    let (mut server, addr) = Program::start_server(command)?;
    let line = server.expect_line("WARNING: …")?;
    assert_eq!(line, "WARNING: anyone who can connect can run commands here as you");
    let addr = std::net::SocketAddr::from(([127, 0, 0, 1], addr.port()));
    expect(&mut Peer::connect(addr)?, "echo hello", format!("hello{NEWLINE}"))
}

#[test]
#[ignore = "needs python3"]
fn python_client_talks_to_our_server() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let mut client = Program::start(twin("client.py", &addr.to_string()))?;
    client.type_line("exit 0")?;
    client.type_line("echo hello")?;
    assert_eq!(client.next_line()?.as_deref(), Some("hello"));
    client.end_input();
    assert!(client.wait()?.success());
    Ok(())
}

#[test]
#[ignore = "needs python3"]
fn our_client_talks_to_python_server() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(twin("server.py", "127.0.0.1:0"))?;
    let mut client = Program::start(client(&addr.to_string()))?;
    for word in ["one", "two"] {
        client.type_line("exit 0")?;
        client.type_line(&format!("echo {word}"))?;
        assert_eq!(client.expect_line(word)?, word);
    }
    Ok(())
}

#[test]
#[ignore = "needs python3"]
fn the_python_server_reports_the_same_about_a_broken_frame() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(twin("server.py", "127.0.0.1:0"))?;
    for (bytes, text) in [
        (&b"\xff\xff\xff\xff"[..], "lost: frame too long: 4294967295 bytes (limit 16777216)"),
        (b"\0\0", "lost: the stream ended inside a frame: 2 of 4 bytes of its header arrived"),
    ] {
        let mut peer = Peer::connect(addr)?;
        peer.send(bytes)?;
        peer.end_sending()?;
        assert_eq!(peer.receive_to_end()?, b"");
        server.expect_later(text, |line| line.ends_with(text))?;
    }
    let mut peer = Peer::connect(addr)?;
    if cfg!(unix) {
        expect(&mut peer, "yes", "the answer is longer than 16 MiB, the limit of a frame\n")?;
    }
    expect(&mut peer, "echo hello", format!("hello{NEWLINE}"))
}

#[test]
#[ignore = "needs python3"]
fn the_python_server_listens_on_this_computer_only() {
    let refused = "others could connect there and run any command here, as you";
    let ran = Assert::from_std(twin("server.py", "0.0.0.0:0")).assert().failure();
    ran.stderr(format!("error: 0.0.0.0: {refused}\n"));
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
        6,
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
