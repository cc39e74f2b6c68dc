//! The first two parts of step 07, which are examples: what each does, and what is still wrong with it.

use std::env::consts::EXE_EXTENSION;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use conformance::check::{Subject, check};
use conformance::{Failure, Peer, Program, side_by_side};
use tempfile::TempDir;

mod common;

use common::{
    Fake, NEWLINE, STEP, answer, bytes, client, expect, file, framed, get, names, output, run,
    server, text,
};

/// The promises of step 06.
const PROMISES: &[&str] = &[
    "reply",
    "many-messages",
    "empty-input",
    "cut-reply",
    "server-gone",
    "next-client",
    "survives-disconnect",
    "survives-reset",
    "both-streams",
    "empty-reply",
    "whole-reply",
    "boundaries",
    "hostile-length",
    "cut-off-reply",
];

/// The program of a part, which cargo builds beside the step when it tests the step.
fn part(name: &str) -> PathBuf {
    Path::new(STEP).with_file_name("examples").join(name).with_extension(EXE_EXTENSION)
}

/// A part's server or client, with these arguments after the address.
fn start(name: &str, role: &str, addr: &str, options: &[&str]) -> Command {
    let mut command = Command::new(part(name));
    command.args([role, addr]).args(options);
    command
}

/// A server of a part that serves this folder.
fn part_server(name: &str, root: &Path) -> Command {
    let mut command = start(name, "server", "127.0.0.1:0", &[]);
    command.current_dir(root);
    command
}

/// Runs these checks on a part.
fn assert_keeps(name: &str, checks: &[&str]) {
    let program = part(name).display().to_string();
    let failures = side_by_side(checks, |name| {
        let check = check(name).expect("there is such a check");
        Subject::of_step(7, &program).hold_to(check).err()
    });
    let failures: Vec<String> = failures.iter().flatten().map(ToString::to_string).collect();
    assert_eq!(failures, [""; 0], "{name}");
}

/// An empty folder, which is gone when the test has ended.
fn folder() -> TempDir {
    TempDir::new().expect("a temporary folder")
}

/// An answer of the part `commands`, as it is sent.
fn short_answer(size: usize, status: Option<i32>, error: Option<&str>) -> Vec<u8> {
    let (status, error) = (serde_json::json!(status), serde_json::json!(error));
    framed(format!(r#"{{"size":{size},"status":{status},"error":{error}}}"#))
}

#[test]
fn commands_keeps_what_step_06_promises() {
    assert_keeps("commands", PROMISES);
}

#[test]
fn commands_tells_how_a_command_ended() -> Result<(), Failure> {
    let folder = folder();
    let (_server, addr) = Program::start_server(part_server("commands", folder.path()))?;
    let mut peer = Peer::connect(addr)?;
    for status in [0, 3] {
        let answer = short_answer(0, Some(status), None);
        expect(&mut peer, &run(&format!("exit {status}")), &answer)?;
    }
    peer.close();
    let client = start("commands", "client", &addr.to_string(), &[]);
    let came = output(client, "exit 3\necho hello\n");
    assert_eq!(text(&came.stdout), format!("hello{NEWLINE}"));
    assert_eq!(text(&came.stderr), "exit status 3\n");
    Ok(())
}

#[test]
fn commands_knows_no_get_and_reports_that() -> Result<(), Failure> {
    let folder = folder();
    let (_server, addr) = Program::start_server(part_server("commands", folder.path()))?;
    let (header, _) = common::ask(addr, &get("notes.txt"))?;
    let told = header["error"].as_str().expect("an error arrives");
    let expected = "invalid header: unknown variant `get`, expected `run`";
    assert!(told.starts_with(expected), "{told}");
    Ok(())
}

#[test]
fn each_side_ignores_fields_that_it_does_not_know_and_does_without_those_it_does_not_need()
-> Result<(), Failure> {
    let folder = folder();
    let both = "exit status 3\n";
    let hello = format!("hello{NEWLINE}");
    // The step's server sends `filename` and `hash`, which are new to this client.
    let (_new, addr) = Program::start_server(server(folder.path()))?;
    let old = output(start("commands", "client", &addr.to_string(), &[]), "echo hello\nexit 3\n");
    assert_eq!((text(&old.stdout), text(&old.stderr)), (hello.clone(), both.to_owned()));
    // And this server does not send them to the step's client.
    let (_old, addr) = Program::start_server(part_server("commands", folder.path()))?;
    let new = output(client(addr, folder.path()), "echo hello\nexit 3\n");
    assert_eq!((text(&new.stdout), text(&new.stderr)), (hello, both.to_owned()));
    Ok(())
}

#[cfg(unix)]
#[test]
fn still_wrong_in_commands_a_body_must_fit_in_memory() -> Result<(), Failure> {
    const MOST: usize = 16 * 1024 * 1024;
    let folder = folder();
    let (_server, addr) = Program::start_server(part_server("commands", folder.path()))?;
    let client = start("commands", "client", &addr.to_string(), &[]);
    let input = format!("head -c {MOST} /dev/zero\nhead -c {} /dev/zero\necho hello\n", MOST + 1);
    let came = output(client, input);
    let told = "error: the answer is longer than 16 MiB, the limit of a frame\n";
    assert_eq!(text(&came.stderr), told);
    assert!(came.stdout == [&vec![0; MOST], &b"hello\n"[..]].concat(), "{}", came.stdout.len());
    Ok(())
}

#[test]
fn a_size_above_the_limit_is_refused_before_the_body_is_read() {
    let fake = Fake::that_sends(vec![short_answer(16_777_217, None, None)]);
    let addr = fake.addr.to_string();
    let came = output(start("commands", "client", &addr, &[]), "x\n");
    fake.join();
    let told = "body too long: 16777217 bytes (limit 16777216)";
    assert_eq!(text(&came.stderr), format!("error: {addr}: {told}\n"));
    assert_eq!(came.status.code(), Some(1));
}

#[test]
fn files_keeps_what_is_about_size() {
    assert_keeps("files", &[PROMISES, &["root-jail", "constant-memory", "timeout"]].concat());
}

#[test]
fn files_of_any_size_arrive() -> Result<(), Failure> {
    let (root, folder) = (folder(), folder());
    let (_server, addr) = Program::start_server(part_server("files", root.path()))?;
    for len in [0, 65_537, 5 * 1024 * 1024 + 1] {
        fs::write(root.path().join("notes.txt"), bytes(len)).expect("it is written");
        let dir = folder.path().display().to_string();
        let client = start("files", "client", &addr.to_string(), &["--dir", &dir]);
        let came = output(client, "get notes.txt\nget novel.txt\necho next\n");
        let shown = format!("saved notes.txt: {len} bytes\nnext{NEWLINE}");
        assert_eq!(text(&came.stdout), shown);
        assert_eq!(text(&came.stderr), "error: no such file\n");
        assert!(fs::read(folder.path().join("notes.txt")).expect("it is there") == bytes(len));
    }
    Ok(())
}

/// Lets the client of `files` download `notes.txt` from a server that sends this answer and closes.
fn download(folder: &Path, answer: Vec<u8>) -> std::process::Output {
    let fake = Fake::that_sends(vec![answer]);
    let dir = folder.display().to_string();
    let came = output(
        start("files", "client", &fake.addr.to_string(), &["--dir", &dir]),
        "get notes.txt\n",
    );
    fake.join();
    came
}

#[test]
fn still_wrong_in_files_half_a_file_looks_whole() {
    let folder = folder();
    let body = bytes(100_000);
    let mut half = file("notes.txt", &body);
    half.truncate(half.len() - 50_000);
    let came = download(folder.path(), half);
    let told = "the connection ended after 50000 of 100000 bytes\n";
    assert!(text(&came.stderr).ends_with(told), "{}", text(&came.stderr));
    assert_eq!(names(folder.path()), ["notes.txt"]);
    let saved = fs::read(folder.path().join("notes.txt")).expect("it is there");
    assert!(saved == body[..50_000], "{} bytes are there", saved.len());
}

#[test]
fn still_wrong_in_files_every_size_is_believed() {
    let folder = folder();
    let most = u64::MAX;
    let header = format!(r#"{{"filename":"notes.txt","size":{most}}}"#);
    let came = download(folder.path(), [framed(header), bytes(100_000)].concat());
    let told = format!("the connection ended after 100000 of {most} bytes\n");
    assert!(text(&came.stderr).ends_with(&told), "{}", text(&came.stderr));
    let saved = fs::metadata(folder.path().join("notes.txt")).expect("it is there");
    assert_eq!(saved.len(), 100_000);
}

#[test]
fn still_wrong_in_files_other_bytes_are_not_noticed() {
    let folder = folder();
    let changed =
        answer(Some("notes.txt"), Some(&common::hash(b"notes\n")), None, None, b"nodes\n");
    let came = download(folder.path(), changed);
    assert_eq!(text(&came.stdout), "saved notes.txt: 6 bytes\n");
}

#[test]
fn still_wrong_in_files_the_server_chooses_where_a_file_is_saved() {
    let scratch = folder();
    let folder = scratch.path().join("downloads");
    fs::create_dir(&folder).expect("a folder");
    fs::write(scratch.path().join("precious.txt"), "precious").expect("it is written");
    let came = download(&folder, file("../precious.txt", b"evil\n"));
    assert_eq!(text(&came.stdout), "saved ../precious.txt: 5 bytes\n");
    assert_eq!(fs::read(scratch.path().join("precious.txt")).expect("it is there"), b"evil\n");
}
