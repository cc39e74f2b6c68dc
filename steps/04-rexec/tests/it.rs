//! What step 04 does, and what it does not do yet.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use assert_cmd::Command as Assert;
use conformance::check::{self, Subject};
use conformance::{Failure, Peer, Program, python};

const STEP: &str = env!("CARGO_BIN_EXE_step-04-rexec");

/// How the shell ends a line.
const END: &str = if cfg!(windows) { "\r\n" } else { "\n" };

/// Long enough to see that nothing arrives.
const SILENCE: Duration = Duration::from_millis(300);

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

/// Sends a command and expects exactly this answer.
fn expect(peer: &mut Peer, command: &str, answer: &[u8]) -> Result<(), Failure> {
    peer.send(command.as_bytes())?;
    peer.expect(answer)
}

#[test]
fn keeps_what_its_manifest_promises_and_breaks_what_it_declares() {
    check::assert_promises(env!("CARGO_MANIFEST_DIR"), STEP);
}

#[cfg(unix)]
#[test]
fn the_server_neither_panics_nor_spins_when_it_is_treated_roughly() {
    conformance::rough::assert_server_survives(4, STEP);
}

#[cfg(unix)]
#[test]
fn the_client_neither_panics_nor_spins_when_it_is_treated_roughly() {
    conformance::rough::assert_client_survives(4, STEP);
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
fn the_client_shows_what_the_command_wrote() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let mut client = Program::start(client(&addr.to_string()))?;
    for word in ["one", "two"] {
        client.type_line("")?; // is not sent
        client.type_line(&format!("echo {word}"))?;
        assert_eq!(client.expect_line(word)?, word);
    }
    client.end_input();
    assert!(client.wait()?.success());
    Ok(())
}

#[cfg(unix)]
#[test]
fn quotes_pipes_and_letters_outside_ascii_reach_the_shell_as_they_were_typed() -> Result<(), Failure>
{
    let (_server, addr) = Program::start_server(server())?;
    let mut peer = Peer::connect(addr)?;
    expect(&mut peer, r#"printf '%s|' "a  b" 'c"d' e\ f"#, b"a  b|c\"d|e f|")?;
    expect(&mut peer, "echo one two | tr a-z A-Z", b"ONE TWO\n")?;
    expect(&mut peer, "echo Grüße", "Grüße\n".as_bytes())
}

#[cfg(windows)]
#[test]
fn quotes_and_pipes_reach_the_shell_as_they_were_typed() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let mut peer = Peer::connect(addr)?;
    expect(&mut peer, r#"echo "a  b""#, b"\"a  b\"\r\n")?;
    expect(&mut peer, "echo two| find \"two\"", b"two\r\n")
}

#[cfg(unix)]
#[test]
fn output_that_is_not_text_returns_byte_for_byte() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let mut peer = Peer::connect(addr)?;
    expect(&mut peer, r"printf '\377\000\200\n'", b"\xff\0\x80\n")
}

#[cfg(unix)]
#[test]
fn much_output_on_both_streams_is_neither_lost_nor_mixed() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let mut peer = Peer::connect(addr)?;
    let command = "i=0; while [ $i -lt 20000 ]; do echo output; echo error >&2; i=$((i+1)); done";
    let answer = ["output\n".repeat(20_000), "error\n".repeat(20_000)].concat();
    expect(&mut peer, command, answer.as_bytes())
}

#[cfg(unix)]
#[test]
fn a_command_that_reads_its_input_finds_it_at_its_end() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    expect(&mut Peer::connect(addr)?, "cat; echo end", b"end\n")
}

#[test]
fn a_command_that_is_not_utf8_ends_one_connection_and_not_the_server() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut peer = Peer::connect(addr)?;
    peer.send(b"echo \xff")?;
    assert_eq!(peer.receive_to_end()?, b"");
    server.expect_later("… lost: invalid utf-8", |line| line.contains("lost: invalid utf-8"))?;
    let subject = Subject::of_step(4, STEP);
    subject.hold_to(check::check("reply").expect("there is such a check"))
}

#[test]
fn what_a_browser_sends_is_not_run() -> Result<(), Failure> {
    is_not_run(server(), "rust")
}

#[test]
fn what_a_browser_sends_to_the_solution_is_not_run() -> Result<(), Failure> {
    if !check::has_solutions(env!("CARGO_MANIFEST_DIR")) {
        return Ok(());
    }
    let mut solution = Command::new(Path::new(STEP).with_file_name("examples").join("time_limit"));
    solution.arg("127.0.0.1:0");
    is_not_run(solution, "solution")
}

/// Sends a server what a browser can send, and then a command.
fn is_not_run(server: Command, name: &str) -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server)?;
    for (request, why) in runs_nothing(addr, name)? {
        let lost = format!(" lost: {why}");
        server.expect_later(&lost, |line| line.contains(&lost)).map_err(|f| f.after(request))?;
    }
    assert!(!server.transcript().contains(" runs "), "{}", server.transcript());
    let answer = format!("GET / HTTP/1.1{END}");
    expect(&mut Peer::connect(addr)?, "echo GET / HTTP/1.1", answer.as_bytes())
}

#[test]
fn the_longest_command_is_run() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let word = "x".repeat(1024 - "echo ".len());
    expect(&mut Peer::connect(addr)?, &format!("echo {word}"), format!("{word}{END}").as_bytes())
}

/// Sends what web pages can make browsers send, and other bytes that our client never sends. Each
/// of them would make a folder, and must end its connection without doing so.
///
/// Returns each with the reason that the server must give.
fn runs_nothing(addr: SocketAddr, name: &str) -> Result<Vec<(String, &'static str)>, Failure> {
    let folder = std::env::temp_dir().join(format!("step-04-{name}-{}", std::process::id()));
    let mkdir = format!("mkdir {}", folder.display());
    let (http, control, long) = (
        "an HTTP request is not a command",
        "a command must not have control characters",
        "a command has at most 1024 bytes",
    );
    let pad = "x".repeat(2000);
    let requests = vec![
        (format!("GET /;{mkdir}; HTTP/1.1\r\nHost: {addr}\r\n\r\n"), http),
        (format!("POST http://{addr}/;{mkdir}; HTTP/1.1\r\n\r\n"), http),
        (format!("OPTIONS *;{mkdir}; HTTP/1.1\r\n\r\n"), http),
        (format!("GET /;{mkdir};{pad} HTTP/1.1\r\n\r\n"), http), // no `\r` in the first read
        (format!("GET /;{mkdir};"), http),
        // A page can choose the method if it has made the browser take this server for its own.
        (format!("`{mkdir}` / HTTP/1.1\r\n\r\n"), control),
        (format!("`{mkdir}` /{pad} HTTP/1.1\r\n\r\n"), long),
        (format!("{mkdir}\n"), control),
        (mkdir.replace(' ', "\t"), control),
        (format!("{mkdir}\0"), control),
        (format!("{mkdir}\x1b"), control),
        (format!("{mkdir}\x7f"), control),
    ];
    for (request, _) in &requests {
        let mut peer = Peer::connect(addr)?;
        peer.send(request.as_bytes())?;
        peer.expect_end().map_err(|failure| failure.after(request.clone()))?;
        assert!(!folder.exists(), "{request:?} was run");
    }
    Ok(requests)
}

#[test]
fn still_wrong_the_tail_of_a_long_answer_is_taken_for_the_next_answer() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let line = "x".repeat(400);
    let long = if cfg!(windows) {
        format!("for %i in (1 2 3 4 5 6 7 8 9 10) do @echo {line}")
    } else {
        format!("for i in 1 2 3 4 5 6 7 8 9 10; do echo {line}; done")
    };
    let input = format!("{long}\necho hello\n");
    let ran = Assert::from_std(client(&addr.to_string())).write_stdin(input).assert().success();
    let shown = String::from_utf8_lossy(&ran.get_output().stdout).into_owned();
    assert!(shown.len() <= 2048, "two answers, of one read each: {} bytes", shown.len());
    assert!(!shown.contains("hello"), "the second answer is still the first one's");
    Ok(())
}

#[test]
fn still_wrong_a_command_without_output_leaves_the_client_waiting() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut client = Program::start(client(&addr.to_string()))?.with_deadline(SILENCE);
    client.type_line("exit 0")?;
    client.type_line("echo hello")?;
    server.expect_later("… runs", |line| line.ends_with("runs \"exit 0\""))?;
    let failure = client.next_line().expect_err("there is no answer").to_string();
    assert!(failure.contains("no further line"), "{failure}");
    assert!(!server.transcript().contains("hello"), "the second command was not even sent");
    Ok(())
}

#[test]
fn still_wrong_two_commands_in_one_segment_are_run_as_one() -> Result<(), Failure> {
    let (mut server, addr) = Program::start_server(server())?;
    let mut peer = Peer::connect(addr)?;
    peer.send(b"echo oneecho two")?; // `echo one` and `echo two`, sent quickly
    server.expect_later("… runs", |line| line.ends_with(r#"runs "echo oneecho two""#))?;
    peer.expect(format!("oneecho two{END}").as_bytes())
}

#[cfg(unix)]
#[test]
fn still_wrong_a_command_that_does_not_end_holds_up_every_client() -> Result<(), Failure> {
    let folder = std::env::temp_dir().join(format!("step-04-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    let pipe = folder.join("pipe").display().to_string();
    let made = Command::new("mkfifo").arg(&pipe).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo {pipe}");

    let (mut server, addr) = Program::start_server(server())?;
    let mut first = Peer::connect(addr)?;
    first.send(format!("cat {pipe}").as_bytes())?; // waits until a process writes into the pipe
    server.expect_later("… runs", |line| line.contains("runs \"cat"))?;

    let mut second = Peer::connect_within(addr, SILENCE)?;
    second.send(b"echo hello")?;
    second.expect(b"hello\n").expect_err("the second client gets no answer");

    std::fs::write(&pipe, "at last\n").expect("the command reads the pipe");
    first.expect(b"at last\n")?;
    first.close();
    second.expect(b"hello\n")?;
    std::fs::remove_dir_all(&folder).expect("the temporary folder can go");
    Ok(())
}

#[cfg(target_os = "linux")]
#[test]
fn still_wrong_a_command_decides_how_much_memory_the_server_takes() -> Result<(), Failure> {
    const MIB: u64 = 32; // `yes` would never stop
    let (server, addr) = Program::start_server(server())?;
    let mut peer = Peer::connect(addr)?;
    peer.send(format!("yes | head -c {}", MIB * 1024 * 1024).as_bytes())?;
    peer.receive_exactly(1, "the first byte of the answer")?;
    let status = conformance::process_info::Status::of(server.id());
    let peak = status.expect("the server runs").peak_kib().expect("it has not ended");
    assert!(peak > MIB * 1024, "at most {peak} KiB in use, for an answer of {MIB} MiB");
    Ok(())
}

#[cfg(unix)]
#[test]
fn still_wrong_a_command_continues_when_its_server_is_killed() {
    conformance::rough::assert_command_outlives_server(4, STEP);
}

#[test]
fn a_command_that_is_too_long_is_not_sent_and_the_next_one_is() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let longest = format!("echo {}", "x".repeat(1024 - "echo ".len()));
    let input = format!("{longest}y\necho hello\n");
    Assert::from_std(client(&addr.to_string()))
        .write_stdin(input)
        .assert()
        .success()
        .stdout(if cfg!(windows) { "hello\r\n" } else { "hello\n" })
        .stderr("error: a command has at most 1024 bytes; this one was not sent\n");
    Ok(())
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
    let addr = SocketAddr::from(([127, 0, 0, 1], addr.port()));
    expect(&mut Peer::connect(addr)?, "echo hello", format!("hello{END}").as_bytes())
}

#[test]
#[ignore = "needs python3"]
fn python_client_talks_to_our_server() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let mut client = Program::start(twin("client.py", &addr.to_string()))?;
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
        client.type_line(&format!("echo {word}"))?;
        assert_eq!(client.expect_line(word)?, word);
    }
    Ok(())
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
fn the_python_server_does_not_run_what_a_browser_sends() -> Result<(), Failure> {
    is_not_run(twin("server.py", "127.0.0.1:0"), "twin")
}

#[test]
#[ignore = "needs python3"]
fn the_solution_in_python_does_not_run_what_a_browser_sends() -> Result<(), Failure> {
    if !check::has_solutions(env!("CARGO_MANIFEST_DIR")) {
        return Ok(());
    }
    is_not_run(python_program("exercises/time_limit.py", "127.0.0.1:0"), "solution-in-python")
}

#[test]
#[ignore = "needs python3"]
fn the_python_server_keeps_the_same_promises() -> Result<(), Failure> {
    let subject = twins();
    let broken = ["cut-reply", "empty-reply", "whole-reply", "boundaries", "concurrent-clients"];
    let kept = |check: &&check::Check| !broken.contains(&check.name);
    subject.checks().filter(kept).try_for_each(|check| subject.hold_to(check))
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
        4,
        || twin("server.py", "127.0.0.1:0"),
        |addr| twin("client.py", &addr.to_string()),
    )
}

/// The same step in Python.
fn twin(file: &str, addr: &str) -> Command {
    python_program(&format!("python/{file}"), addr)
}

fn python_program(path: &str, addr: &str) -> Command {
    let mut command = python().expect("Python 3 is installed");
    command.arg(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).arg(addr);
    command
}
