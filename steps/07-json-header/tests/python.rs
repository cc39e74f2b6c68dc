//! Step 07 in Python: it speaks with ours in both directions, and keeps the same promises.

use std::fs;
#[cfg(unix)]
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use assert_cmd::Command as Assert;
use conformance::check::{self, Subject};
use conformance::{Failure, Peer, Program, python};
use tempfile::TempDir;

const STEP: &str = env!("CARGO_BIN_EXE_step-07-json-header");

/// A slow command.
const SLEEP: &str = if cfg!(windows) { "ping -n 5 127.0.0.1\n" } else { "sleep 5\n" };

/// Above 64 KiB, so that it takes several chunks.
const LARGE_LEN: usize = 1_000_003;

/// Our server or our client.
fn ours(role: &str, addr: &str) -> Command {
    let mut command = Command::new(STEP);
    command.args([role, addr]);
    command
}

/// The same step's server and client in Python.
fn twins() -> Subject {
    Subject::new(7, || twin("server", "127.0.0.1:0"), |addr| twin("client", &addr.to_string()))
}

/// The same step in Python.
fn twin(role: &str, addr: &str) -> Command {
    let mut command = python().expect("Python 3 is installed");
    command.arg(format!("{}/python/{role}.py", env!("CARGO_MANIFEST_DIR"))).arg(addr);
    command
}

/// A folder to serve, with a large file in it.
fn served() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    fs::create_dir(folder.path().join("sub")).expect("a folder in it");
    let large: Vec<u8> = (0..LARGE_LEN).map(|i| u8::try_from(i % 251).expect("a byte")).collect();
    fs::write(folder.path().join("sub/large.bin"), large).expect("a file in that");
    folder
}

/// Starts a server, lets a client run commands and download the large file, and looks at the result.
fn talk(mut server: Command, client: impl Fn(&str) -> Command) -> Result<(), Failure> {
    let (root, downloads) = (served(), TempDir::new().expect("a temporary folder"));
    server.arg("--root").arg(root.path());
    let (_server, addr) = Program::start_server(server)?;
    let mut command = client(&addr.to_string());
    command.arg("--dir").arg(downloads.path());
    let mut client = Program::start(command)?;
    client.type_line("exit 0")?;
    client.type_line("echo hello")?;
    assert_eq!(client.expect_line("hello")?, "hello");
    client.type_line("exit 3")?;
    assert_eq!(client.expect_line("exit status 3")?, "exit status 3");
    client.type_line("get sub/large.bin")?;
    let saved = format!("saved large.bin: {LARGE_LEN} bytes, SHA-256 checked");
    assert_eq!(client.expect_line(&saved)?, saved);
    client.type_line("echo again")?;
    assert_eq!(client.expect_line("again")?, "again");
    client.end_input();
    assert!(client.wait()?.success());
    let read = |path: &Path| fs::read(path).expect("a file");
    assert!(
        read(&downloads.path().join("large.bin")) == read(&root.path().join("sub/large.bin")),
        "the bytes differ"
    );
    Ok(())
}

#[test]
#[ignore = "needs python3"]
fn python_client_talks_to_our_server() -> Result<(), Failure> {
    talk(ours("server", "127.0.0.1:0"), |addr| twin("client", addr))
}

#[test]
#[ignore = "needs python3"]
fn our_client_talks_to_python_server() -> Result<(), Failure> {
    talk(twin("server", "127.0.0.1:0"), |addr| ours("client", addr))
}

/// A server in Python and a folder that it serves.
fn python_server(arguments: &[&str]) -> Result<(Program, std::net::SocketAddr, TempDir), Failure> {
    let root = served();
    let mut command = twin("server", "127.0.0.1:0");
    command.arg("--root").arg(root.path()).args(arguments);
    let (server, addr) = Program::start_server(command)?;
    Ok((server, addr, root))
}

/// The header of the answer to these bytes, which has no body.
fn told(peer: &mut Peer, header: &[u8]) -> Result<serde_json::Value, Failure> {
    let len = u32::try_from(header.len()).expect("it is short");
    peer.send(&[&len.to_be_bytes(), header].concat())?;
    let len = peer.receive_exactly(4, "a length")?;
    let len = u32::from_be_bytes(len.try_into().expect("4 bytes"));
    let answer = peer.receive_exactly(len as usize, "a header")?;
    let answer: serde_json::Value = serde_json::from_slice(&answer).expect("JSON");
    assert_eq!(answer["size"], 0, "{answer}");
    Ok(answer)
}

#[test]
#[ignore = "needs python3"]
fn the_python_server_reports_the_same_about_a_broken_frame() -> Result<(), Failure> {
    let (mut server, addr, _root) = python_server(&[])?;
    for (bytes, text) in [
        (&b"\0\x01\0\x01"[..], "lost: frame too long: 65537 bytes (limit 65536)"),
        (b"\0\0", "lost: the stream ended inside a frame: 2 of 4 bytes of its header arrived"),
        (
            b"\0\0\0\x09{\"re",
            "lost: the stream ended inside a frame: 4 of 9 bytes of its payload arrived",
        ),
    ] {
        let mut peer = Peer::connect(addr)?;
        peer.send(bytes)?;
        peer.end_sending()?;
        assert_eq!(peer.receive_to_end()?, b"");
        server.expect_later(text, |line| line.ends_with(text))?;
    }
    Ok(())
}

#[test]
#[ignore = "needs python3"]
fn the_python_server_continues_after_a_header_that_it_does_not_understand() -> Result<(), Failure> {
    let (_server, addr, _root) = python_server(&[])?;
    let mut peer = Peer::connect(addr)?;
    let deep = "[".repeat(60_000);
    let unknown = format!(r#"{{"request":"{}"}}"#, "x".repeat(65_000));
    for (header, expected) in [
        (&b""[..], "invalid header: Expecting value"),
        (b"hello", "invalid header: Expecting value"),
        (b"{\"request\":\"\xff\"}", "invalid header: 'utf-8' codec can't decode"),
        (deep.as_bytes(), "invalid header: it is nested too deeply"),
        (b"[]", "invalid header: it is no JSON object"),
        (b"{}", "invalid header: missing field `request`"),
        (br#"{"request":"run"}"#, "invalid header: missing field `command`"),
        (br#"{"request":"get"}"#, "invalid header: missing field `filename`"),
        (br#"{"request":"run","command":7}"#, "invalid header: `command` must be"),
        (br#"{"request":"run","command":"\ud800"}"#, "'utf-8' codec can't encode"),
        (br#"{"request":"run","command":"\u0000"}"#, "the command cannot be run: embedded null"),
        (br#"{"request":"get","filename":"\u0000"}"#, "no such file"),
        (br#"{"request":"get","filename":"\u002e\u002e/x"}"#, "it is outside the folder"),
        (br#"{"request":"dance"}"#, "unknown request 'dance', expected 'run' or 'get'"),
        (unknown.as_bytes(), "unknown request 'xxx"),
    ] {
        let answer = told(&mut peer, header)?;
        let error = answer["error"].as_str().unwrap_or_default();
        assert!(error.starts_with(expected), "`{expected}` was expected: {answer}");
    }
    Ok(())
}

#[test]
#[ignore = "needs python3"]
fn the_python_server_listens_on_this_computer_only_and_needs_a_folder_and_a_time() {
    let refused = "others could connect there and run any command here, as you";
    let ran = Assert::from_std(twin("server", "0.0.0.0:0")).assert().failure();
    ran.stderr(format!("error: 0.0.0.0: {refused}\n"));
    let mut command = twin("server", "127.0.0.1:0");
    command.args(["--root", "no such folder"]);
    let ran = Assert::from_std(command).assert().failure();
    ran.stderr("error: no such folder: this folder cannot be served: not a folder\n");
    for (program, option) in [("server", "--timeout"), ("client", "--idle-timeout")] {
        for time in ["0", "-1", "nan", "inf", "1e99", "soon"] {
            let mut command = twin(program, "127.0.0.1:0");
            command.arg(format!("{option}={time}"));
            let ran = Assert::from_std(command).assert().code(2);
            let told = String::from_utf8_lossy(&ran.get_output().stderr).into_owned();
            let expected = format!("argument {option}: invalid seconds value: '{time}'");
            assert!(told.contains(&expected), "{told}");
        }
    }
}

#[cfg(unix)]
#[test]
#[ignore = "needs python3"]
fn the_python_server_sends_what_a_command_wrote_until_its_timeout() -> Result<(), Failure> {
    let (_server, addr, _root) = python_server(&["--timeout", "0.5"])?;
    let client = Assert::from_std(twin("client", &addr.to_string()))
        .write_stdin("echo before; sleep 60\nkill -STOP 0\nkill -9 $$\necho after\n")
        .assert()
        .success();
    client.stdout("before\nafter\n").stderr(
        "error: the command ran longer than 0.5 s and was stopped\n\
         error: the command ran longer than 0.5 s and was stopped\n\
         error: the command was ended by signal 9\n",
    );
    Ok(())
}

#[cfg(unix)]
#[test]
#[ignore = "needs python3"]
fn a_command_of_the_python_server_ends_with_it() {
    use conformance::rough::{Signal, assert_command_ends_with_server};

    assert_command_ends_with_server(&twins(), &[Signal::INT, Signal::TERM, Signal::KILL]);
}

#[test]
#[ignore = "needs python3"]
fn the_python_client_overwrites_with_force_only() -> Result<(), Failure> {
    let (_server, addr, _root) = python_server(&[])?;
    let downloads = TempDir::new().expect("a temporary folder");
    let file = downloads.path().join("large.bin");
    fs::write(&file, "precious").expect("a file");
    let get = |arguments: &[&str]| {
        let mut command = twin("client", &addr.to_string());
        command.arg("--dir").arg(downloads.path()).args(arguments);
        Assert::from_std(command).write_stdin("get\nget sub/large.bin\n").assert()
    };
    get(&[]).code(1).stdout("").stderr(
        "error: get needs a file name: get FILE\n\
         error: large.bin exists; --force overwrites it\n",
    );
    assert_eq!(fs::read(&file).expect("a file"), b"precious");
    get(&["--force"]).success();
    assert_eq!(fs::read(&file).expect("a file").len(), LARGE_LEN);
    fs::remove_file(&file).expect("a file");
    fs::create_dir(&file).expect("a folder");
    get(&["--force"]).code(1).stdout("").stderr(
        "error: get needs a file name: get FILE\n\
         error: large.bin is not a regular file here\n",
    );
    Ok(())
}

#[cfg(unix)]
#[test]
#[ignore = "needs python3"]
fn the_python_client_asks_whoever_sits_at_a_terminal() -> Result<(), Failure> {
    let (_server, addr, _root) = python_server(&[])?;
    let downloads = TempDir::new().expect("a temporary folder");
    let file = downloads.path().join("large.bin");
    fs::write(&file, "precious").expect("a file");
    let mut command = twin("client", &addr.to_string());
    command.arg("--dir").arg(downloads.path());
    let (mut client, mut keyboard) = Program::start_at_terminal(command)?;
    for (answer, told, len) in [
        ("n", "kept large.bin", 8),
        ("", "kept large.bin", 8),
        ("y", "saved large.bin: 1000003 bytes, SHA-256 checked", LARGE_LEN),
    ] {
        write!(keyboard, "get sub/large.bin\n{answer}\n").expect("it is typed");
        let line = client.expect_line(told)?;
        assert_eq!(line, format!("> overwrite large.bin? [y/N] {told}"));
        assert_eq!(fs::read(&file).expect("a file").len(), len);
    }
    Ok(())
}

#[cfg(unix)]
#[test]
#[ignore = "needs python3"]
fn the_python_client_leaves_nothing_behind_when_the_disk_is_full() -> Result<(), Failure> {
    let (_server, addr, _root) = python_server(&[])?;
    let downloads = TempDir::new().expect("a temporary folder");
    let client = twin("client", &addr.to_string());
    let mut command = Command::new("sh"); // in which no file may have more than 8 blocks
    command.args(["-c", r#"ulimit -f 8 && exec "$0" "$@""#]).arg(client.get_program());
    command.args(client.get_args()).arg("--dir").arg(downloads.path());
    let ran = Assert::from_std(command).write_stdin("get sub/large.bin\necho next\n").assert();
    let told = "large.bin: it cannot be written here: File too large";
    ran.code(1).stdout("").stderr(format!("error: {addr}: {told}\n"));
    assert_eq!(fs::read_dir(downloads.path()).expect("a folder").count(), 0, "nothing is left");
    Ok(())
}

#[test]
#[ignore = "needs python3"]
fn the_python_client_believes_no_size_and_does_not_wait_forever() -> Result<(), Failure> {
    let (_server, addr, _root) = python_server(&["--timeout", "60"])?;
    let downloads = TempDir::new().expect("a temporary folder");
    for (options, input, told) in [
        (
            ["--max-size", "0"],
            "get sub/large.bin\n",
            "large.bin: the server announced 1000003 bytes; --max-size permits 0 MiB",
        ),
        (["--idle-timeout", "0.3"], SLEEP, "no answer within 0.3 seconds"),
    ] {
        let mut command = twin("client", &addr.to_string());
        command.arg("--dir").arg(downloads.path()).args(options);
        let ran = Assert::from_std(command).write_stdin(input).assert().code(1);
        ran.stdout("").stderr(format!("error: {addr}: {told}\n"));
        assert_eq!(fs::read_dir(downloads.path()).expect("a folder").count(), 0);
    }
    Ok(())
}

#[cfg(unix)]
#[test]
#[ignore = "needs python3"]
fn the_python_twin_gives_no_traceback_when_it_is_treated_roughly() {
    conformance::rough::assert_twin_survives(twins);
}

#[test]
#[ignore = "needs python3"]
fn the_python_twin_keeps_the_same_promises_wherever_the_stream_is_cut() {
    let every = [1, 1024]; // Python starts slowly
    check::assert_promises_at_cuts(env!("CARGO_MANIFEST_DIR"), &every, twins);
}
