//! Downloads of step 07: a file is there whole, or not at all, whatever the server does.

use std::fs;
use std::io::{Read as _, Write as _};
use std::process::Output;

use conformance::proxy::{Cut, Proxy};
use conformance::{Failure, Program};
use serde_json::json;
use tempfile::TempDir;

mod common;

use common::{
    Fake, NEWLINE, answer, bytes, client, file, framed, hash, names, output, ran, read_request,
    server, text,
};

/// An empty folder, which is gone when the test has ended.
fn folder() -> TempDir {
    TempDir::new().expect("a temporary folder")
}

/// How a download ended that met a lying server: what the client printed, and its exit code.
struct End {
    stdout: String,
    stderr: String,
    code: Option<i32>,
}

impl End {
    fn new(output: &Output, addr: &str) -> Self {
        let stderr = text(&output.stderr).replace(addr, "ADDR");
        Self { stdout: text(&output.stdout), stderr, code: output.status.code() }
    }
}

/// Runs a client with these lines as its input, and a server that sends these answers and then closes.
///
/// It does so twice: with an empty folder, which must be empty after it, and with `--force` and a file
/// `notes.txt`, which must be as it was, and alone. Both must end in the same way.
fn nothing_is_lost_or_left(answers: &[Vec<u8>], input: &str) -> End {
    let folder = folder();
    let try_once = |force: bool| {
        let fake = Fake::that_sends(answers.to_vec());
        let addr = fake.addr;
        let mut command = client(addr, folder.path());
        if force {
            command.arg("--force");
        }
        let came = output(command, input);
        fake.join();
        End::new(&came, &addr.to_string())
    };
    let end = try_once(false);
    assert_eq!(names(folder.path()), [""; 0], "nothing is left: {}", end.stderr);
    let target = folder.path().join("notes.txt");
    fs::write(&target, "what was there before").expect("it is written");
    let end_with_force = try_once(true);
    assert_eq!(end.stderr, end_with_force.stderr);
    assert_eq!(names(folder.path()), ["notes.txt"], "{}", end.stderr);
    assert_eq!(fs::read(&target).expect("it is there"), b"what was there before");
    end
}

/// A download of `notes.txt` that must fail with this line; the conversation ends with it.
fn ends_the_conversation(answer: Vec<u8>, problem: &str) {
    let end = nothing_is_lost_or_left(&[answer], "get notes.txt\n");
    assert_eq!(end.stderr, format!("error: ADDR: notes.txt: {problem}\n"));
    assert_eq!((&*end.stdout, end.code), ("", Some(1)));
}

/// A download of `notes.txt` that must fail with this line; after it, a command is answered.
fn leaves_the_conversation(answer: Vec<u8>, problem: &str) {
    let answers = [answer, ran(Some(0), None, "next\n")];
    let end = nothing_is_lost_or_left(&answers, "get notes.txt\necho next\n");
    assert_eq!(end.stderr, format!("error: notes.txt: {problem}\n"));
    assert_eq!((&*end.stdout, end.code), ("next\n", Some(1)), "a download has failed");
}

#[test]
fn a_file_of_any_size_arrives_byte_for_byte() -> Result<(), Failure> {
    let (root, folder) = (folder(), folder());
    let (_server, addr) = Program::start_server(server(root.path()))?;
    for len in [0, 1, 65_535, 65_536, 65_537, 5 * 1024 * 1024 + 1] {
        let name = format!("{len}.bin");
        fs::write(root.path().join(&name), bytes(len)).expect("it is written");
        let came = output(client(addr, folder.path()), format!("get {name}\necho next\n"));
        let saved = format!("saved {name}: {len} bytes, SHA-256 checked\nnext{NEWLINE}");
        assert_eq!((text(&came.stdout), text(&came.stderr)), (saved, String::new()));
        assert!(came.status.success());
        let there = fs::read(folder.path().join(&name)).expect("it is there");
        assert!(there == bytes(len), "{} bytes are there", there.len());
    }
    assert_eq!(names(folder.path()).len(), 6, "and nothing else");
    Ok(())
}

#[test]
fn a_file_arrives_wherever_the_stream_is_cut() -> Result<(), Failure> {
    let (root, folder) = (folder(), folder());
    let (_server, addr) = Program::start_server(server(root.path()))?;
    let notes = bytes(3000);
    fs::write(root.path().join("notes.txt"), &notes).expect("it is written");
    for cut in [1, 2, 3, 7, 64, 1024, 4096] {
        let proxy = Proxy::start(addr, Cut::Every(cut)).expect("a proxy");
        let mut command = client(proxy.addr(), folder.path());
        command.arg("--force");
        let came = output(command, "get notes.txt\necho next\n");
        let saved = format!("saved notes.txt: 3000 bytes, SHA-256 checked\nnext{NEWLINE}");
        assert_eq!((text(&came.stdout), text(&came.stderr)), (saved, String::new()), "at {cut}");
        assert!(fs::read(folder.path().join("notes.txt")).expect("it is there") == notes);
        fs::write(folder.path().join("notes.txt"), "to be overwritten").expect("it is written");
    }
    Ok(())
}

#[test]
fn the_request_has_the_whole_path_and_the_file_its_last_part() {
    let downloads = folder();
    let folder = downloads.path().join("new/folder"); // is made
    let fake = Fake::start(|mut stream| {
        let request = read_request(&mut stream).expect("a request");
        assert_eq!(request, json!({ "request": "get", "filename": "sub/more  notes.txt" }));
        stream.write_all(&file("more  notes.txt", b"more\n")).expect("the client reads");
        assert_eq!(read_request(&mut stream), None);
    });
    let came = output(client(fake.addr, &folder), "get   sub/more  notes.txt\n");
    fake.join();
    assert_eq!(text(&came.stdout), "saved more  notes.txt: 5 bytes, SHA-256 checked\n");
    assert_eq!(fs::read(folder.join("more  notes.txt")).expect("it is there"), b"more\n");
}

#[test]
fn the_longest_names_are_saved() {
    let downloads = folder();
    for name in ["x".repeat(255), "ü".repeat(127), "🦀".repeat(63)] {
        let fake = Fake::that_sends(vec![file(&name, b"notes")]);
        let came = output(client(fake.addr, downloads.path()), format!("get {name}\n"));
        fake.join();
        assert_eq!(text(&came.stdout), format!("saved {name}: 5 bytes, SHA-256 checked\n"));
        assert_eq!(fs::read(downloads.path().join(&name)).expect("it is there"), b"notes");
    }
    assert_eq!(names(downloads.path()).len(), 3);
}

#[test]
fn only_the_word_get_alone_is_a_download() {
    let fake = Fake::start(|mut stream| {
        for command in ["getconf PATH", "Get x", " get x", "get\tx"] {
            let request = read_request(&mut stream).expect("a request");
            assert_eq!(request, json!({ "request": "run", "command": command }));
            stream.write_all(&ran(Some(0), None, "")).expect("the client reads");
        }
    });
    let input = "getconf PATH\nGet x\n get x\nget\tx\n";
    let came = output(client(fake.addr, folder().path()), input);
    fake.join();
    assert!(came.status.success(), "{}", text(&came.stderr));
}

#[test]
fn a_refusal_is_reported_and_the_conversation_continues() {
    let refusal = common::refused("no file\nhas this \x1b name");
    leaves_the_conversation(refusal, r"no file\nhas this \u{1b} name");
}

#[test]
fn a_server_that_goes_away_at_any_point_leaves_nothing() {
    let body = bytes(1_000_003);
    let whole = file("notes.txt", &body);
    let header_len = whole.len() - body.len();
    let mut points: Vec<usize> = (0..10).map(|tenth| body.len() * tenth / 10).collect();
    points.push(body.len() - 1); // 100 %, but for one byte
    for came in points {
        let problem = format!("the connection ended after {came} of {} bytes", body.len());
        ends_the_conversation(whole[..header_len + came].to_vec(), &problem);
    }
}

#[test]
fn a_server_that_goes_away_before_the_body_leaves_nothing() {
    let whole = file("notes.txt", b"notes");
    let header_len = whole.len() - 5 - 4;
    for (came, problem) in [
        (0, "notes.txt: the server closed the connection".to_owned()),
        (3, "the stream ended inside a frame: 3 of 4 bytes of its header arrived".to_owned()),
        (
            4 + 20,
            format!(
                "the stream ended inside a frame: 20 of {header_len} bytes of its payload arrived"
            ),
        ),
    ] {
        let end = nothing_is_lost_or_left(&[whole[..came].to_vec()], "get notes.txt\n");
        assert_eq!(end.stderr, format!("error: ADDR: {problem}\n"));
        assert_eq!(end.code, Some(1));
    }
}

#[test]
fn a_connection_that_is_reset_in_the_middle_leaves_nothing() {
    let folder = folder();
    let fake = Fake::start(|mut stream| {
        // Closing with unread bytes sends a reset.
        stream.read_exact(&mut [0; 4]).expect("a request arrives");
        stream.peek(&mut [0]).expect("more of it arrives");
        let whole = file("notes.txt", &bytes(1_000_000));
        stream.write_all(&whole[..500_000]).expect("the client reads");
    });
    let came = output(client(fake.addr, folder.path()), "get notes.txt\n");
    fake.join();
    let told = text(&came.stderr);
    assert!(told.contains(": notes.txt: the connection ended after "), "{told}");
    assert!(told.ends_with(" of 1000000 bytes: connection reset\n"), "{told}");
    assert_eq!((came.status.code(), names(folder.path()).len()), (Some(1), 0));
}

#[test]
fn a_wrong_hash_is_reported_and_the_conversation_continues() {
    let (right, wrong) = (hash(b"notes\n"), hash(b"other\n"));
    let lie = answer(Some("notes.txt"), Some(&wrong), None, None, b"notes\n");
    leaves_the_conversation(lie, &format!("its hash is {right}, but should be {wrong}"));
}

#[test]
fn one_byte_that_is_changed_on_the_way_is_seen() {
    let mut changed = file("notes.txt", &bytes(100_000));
    let middle = changed.len() - 50_000;
    changed[middle] ^= 1;
    let answers = [changed, ran(Some(0), None, "next\n")];
    let end = nothing_is_lost_or_left(&answers, "get notes.txt\necho next\n");
    assert!(end.stderr.starts_with("error: notes.txt: its hash is "), "{}", end.stderr);
    assert_eq!((&*end.stdout, end.code), ("next\n", Some(1)));
}

#[test]
fn a_body_that_cannot_be_checked_is_refused() {
    let problem = "the server sent no hash, so the file cannot be checked";
    let right = hash(b"notes\n");
    for hash in [
        None,
        Some(""),
        Some("unknown"),
        Some(&right[1..]),
        Some(&*format!("{right}0")),
        Some(&*right.to_uppercase()),
        Some(&*right.replace(&right[..1], "g")),
        Some(&*"ü".repeat(32)), // 64 bytes
    ] {
        let lie = answer(Some("notes.txt"), hash, None, None, b"notes\n");
        ends_the_conversation(lie, problem);
    }
}

#[test]
fn a_body_with_an_error_is_refused() {
    let lie = answer(Some("notes.txt"), Some(&hash(b"n")), None, Some("bad\n"), b"n");
    ends_the_conversation(lie, r"the server sent 1 bytes with the error: bad\n");
}

#[test]
fn a_size_that_is_too_large_is_a_transfer_that_is_cut_off() {
    for size in [7, 4_u64 * 1024 * 1024 * 1024] {
        let header = json!({ "filename": "notes.txt", "hash": hash(b"notes\n"), "size": size });
        let lie = [framed(header.to_string()), b"notes\n".to_vec()].concat();
        ends_the_conversation(lie, &format!("the connection ended after 6 of {size} bytes"));
    }
}

/// The announcement of a file of 6 bytes, as it is sent.
fn announced(size: u64) -> Vec<u8> {
    let header = json!({ "filename": "notes.txt", "hash": hash(b"notes\n"), "size": size });
    framed(header.to_string())
}

#[test]
fn a_size_above_the_limit_is_refused_before_the_body_is_read() {
    for size in [4_u64 * 1024 * 1024 * 1024 + 1, u64::MAX] {
        let problem = format!("the server announced {size} bytes; --max-size permits 4096 MiB");
        ends_the_conversation(announced(size), &problem);
    }
}

#[test]
fn the_limit_can_be_set() {
    let downloads = folder();
    for (len, told) in [
        (1024 * 1024, ""),
        (
            1024 * 1024 + 1,
            "notes.txt: the server announced 1048577 bytes; --max-size permits 1 MiB",
        ),
    ] {
        let fake = Fake::that_sends(vec![file("notes.txt", &bytes(len))]);
        let addr = fake.addr.to_string();
        let mut command = client(fake.addr, downloads.path());
        command.args(["--force", "--max-size", "1"]);
        let came = output(command, "get notes.txt\n");
        fake.join();
        let expected =
            if told.is_empty() { String::new() } else { format!("error: {addr}: {told}\n") };
        assert_eq!(text(&came.stderr), expected);
        assert_eq!(names(downloads.path()), ["notes.txt"]);
    }
}

/// A client whose idle time-out is short, with this input, and a server that sends no more than this.
fn client_of_one_that_stops(answer: Vec<u8>, input: &str) -> End {
    let downloads = folder();
    let fake = Fake::start(move |mut stream| {
        read_request(&mut stream).expect("a request arrives");
        stream.write_all(&answer).expect("the client reads");
        assert_eq!(read_request(&mut stream), None, "the client gives up, and leaves");
    });
    let addr = fake.addr.to_string();
    let mut command = client(fake.addr, downloads.path());
    command.args(["--idle-timeout", "0.3"]);
    let came = output(command, input);
    fake.join();
    assert_eq!(names(downloads.path()), [""; 0]);
    End::new(&came, &addr)
}

#[test]
fn a_server_that_stops_sending_does_not_hold_the_client_forever() {
    let six = [announced(7), b"notes\n".to_vec()].concat();
    for (answer, input, told) in [
        (vec![], "get notes.txt\n", "no answer within 0.3 seconds"),
        (vec![0, 0], "get notes.txt\n", "no answer within 0.3 seconds"),
        (
            six.clone(),
            "get notes.txt\n",
            "notes.txt: the server stopped sending after 6 of 7 bytes",
        ),
        (six, "echo hi\n", "the server stopped sending after 6 of 7 bytes"),
        (vec![], "echo hi\n", "no answer within 0.3 seconds"),
    ] {
        let end = client_of_one_that_stops(answer, input);
        assert_eq!((end.stderr, end.code), (format!("error: ADDR: {told}\n"), Some(1)));
    }
}

#[test]
fn a_size_that_is_too_small_is_seen_by_the_hash_and_the_rest_is_no_header() {
    let header = json!({ "filename": "notes.txt", "hash": hash(b"notes\n"), "size": 1 });
    let lie = [framed(header.to_string()), b"notes\n".to_vec()].concat();
    let end = nothing_is_lost_or_left(&[lie, vec![]], "get notes.txt\necho next\n");
    let told = format!(
        "error: notes.txt: its hash is {}, but should be {}\n\
         error: ADDR: frame too long: {} bytes (limit 65536)\n",
        hash(b"n"),
        hash(b"notes\n"),
        u32::from_be_bytes(*b"otes")
    );
    assert_eq!((end.stderr, end.code), (told, Some(1)));
}

#[test]
fn bytes_behind_a_whole_file_are_an_error_of_the_next_request() {
    let folder = folder();
    let answers = vec![[file("notes.txt", b"notes\n"), b"more".to_vec()].concat(), vec![]];
    let fake = Fake::that_sends(answers);
    let addr = fake.addr.to_string();
    let came = output(client(fake.addr, folder.path()), "get notes.txt\necho next\n");
    fake.join();
    let end = End::new(&came, &addr);
    assert_eq!(end.stdout, "saved notes.txt: 6 bytes, SHA-256 checked\n");
    assert!(
        end.stderr.starts_with("error: ADDR: frame too long: 1836020325 bytes"),
        "{}",
        end.stderr
    );
    assert_eq!(end.code, Some(1));
    assert_eq!(fs::read(folder.path().join("notes.txt")).expect("it is whole"), b"notes\n");
}

#[test]
fn a_name_that_the_server_makes_up_is_never_used() {
    let scratch = folder();
    let absolute = scratch.path().join("escaped.txt").display().to_string();
    let long = "x".repeat(300);
    for (name, shown) in [
        ("../escaped.txt", "../escaped.txt"),
        (&absolute, &absolute),
        ("", ""),
        (".", "."),
        ("..", ".."),
        ("CON", "CON"),
        ("nul.txt", "nul.txt"),
        ("a\0b", r"a\0b"),
        ("a\nb", r"a\nb"),
        ("sub/x", "sub/x"),
        (r"..\escaped.txt", r"..\escaped.txt"),
        (r"C:\escaped.txt", r"C:\escaped.txt"),
        ("notes.txt/", "notes.txt/"),
        ("notes.txt ", "notes.txt "),
        ("Notes.txt", "Notes.txt"),
        ("other.txt", "other.txt"), // a valid name, but not the requested one
        (&long, &long),
    ] {
        let lie = answer(Some(name), Some(&hash(b"evil\n")), None, None, b"evil\n");
        ends_the_conversation(lie, &format!("the server calls it \"{shown}\""));
    }
    let nameless = answer(None, Some(&hash(b"evil\n")), None, None, b"evil\n");
    ends_the_conversation(nameless, "the server sent no file name");
    assert_eq!(names(scratch.path()), [""; 0]);
}

/// The server accepts every name, so only the client can refuse.
#[test]
fn a_name_that_is_special_is_not_even_asked_for() {
    let long = "x".repeat(300);
    let downloads = folder();
    for name in [
        "CON",
        "con.txt",
        "LPT1",
        ".",
        "..",
        "sub/..",
        "sub/",
        "/",
        "a:b",
        "C:x",
        r"..\x",
        r"C:\x",
        "a\0b",
        "\x1b[2J",
        "a\rb",
        "what?",
        "a*",
        "notes.txt.",
        "notes.txt ",
        &long,
    ] {
        let fake = Fake::start(|mut stream| assert_eq!(read_request(&mut stream), None));
        let came = output(client(fake.addr, downloads.path()), format!("get {name}\n"));
        fake.join();
        let last = name.rsplit('/').next().unwrap_or_default();
        let told = format!("error: {last:?} cannot be a file name on every system\n");
        assert_eq!((text(&came.stderr), came.status.code()), (told, Some(1)));
    }
    assert_eq!(names(downloads.path()), [""; 0]);
}

#[test]
fn a_file_that_exists_is_not_overwritten_and_the_server_is_not_asked() {
    let folder = folder();
    fs::write(folder.path().join("notes.txt"), "old").expect("it is written");
    let fake = Fake::start(|mut stream| {
        let request = read_request(&mut stream).expect("a request");
        assert_eq!(request["request"], "run", "the download was not asked for");
        stream.write_all(&ran(Some(0), None, "next\n")).expect("the client reads");
    });
    let came = output(client(fake.addr, folder.path()), "get notes.txt\necho next\n");
    fake.join();
    assert_eq!(text(&came.stderr), "error: notes.txt exists; --force overwrites it\n");
    assert_eq!((text(&came.stdout).as_str(), came.status.code()), ("next\n", Some(1)));
    assert_eq!(fs::read(folder.path().join("notes.txt")).expect("it is there"), b"old");
}

#[test]
fn force_overwrites_a_file_that_exists() {
    let folder = folder();
    fs::write(folder.path().join("notes.txt"), "old and longer").expect("it is written");
    let fake = Fake::that_sends(vec![file("notes.txt", b"new")]);
    let mut command = client(fake.addr, folder.path());
    command.arg("--force");
    let came = output(command, "get notes.txt\n");
    fake.join();
    assert_eq!(text(&came.stdout), "saved notes.txt: 3 bytes, SHA-256 checked\n");
    assert_eq!(fs::read(folder.path().join("notes.txt")).expect("it is there"), b"new");
    assert_eq!(names(folder.path()), ["notes.txt"]);
}

#[test]
fn a_file_that_is_created_meanwhile_is_not_lost() {
    let folder = folder();
    let target = folder.path().join("notes.txt");
    let made = target.clone();
    let fake = Fake::start(move |mut stream| {
        read_request(&mut stream).expect("a request");
        fs::write(&made, "another's").expect("it is written");
        stream.write_all(&file("notes.txt", b"new")).expect("the client reads");
    });
    let came = output(client(fake.addr, folder.path()), "get notes.txt\n");
    fake.join();
    let told = "error: notes.txt: created during the download; --force overwrites it\n";
    assert_eq!((text(&came.stderr).as_str(), came.status.code()), (told, Some(1)));
    assert_eq!(fs::read(&target).expect("it is there"), b"another's");
    assert_eq!(names(folder.path()), ["notes.txt"]);
}

#[test]
fn a_folder_with_the_name_of_the_file_stays() {
    let downloads = folder();
    fs::create_dir(downloads.path().join("notes.txt")).expect("a folder");
    stays(downloads.path());
}

/// As root, it could be a device.
#[cfg(unix)]
#[test]
fn a_socket_with_the_name_of_the_file_stays() {
    let downloads = folder();
    let _socket = std::os::unix::net::UnixListener::bind(downloads.path().join("notes.txt"))
        .expect("a socket");
    stays(downloads.path());
}

/// Only a regular file is replaced; otherwise the client does not ask the server.
fn stays(downloads: &std::path::Path) {
    let fake = Fake::start(|mut stream| assert_eq!(read_request(&mut stream), None));
    let mut command = client(fake.addr, downloads);
    command.arg("--force");
    let came = output(command, "get notes.txt\n");
    fake.join();
    assert_eq!(text(&came.stderr), "error: notes.txt is not a regular file here\n");
    assert_eq!(names(downloads), ["notes.txt"]);
    assert!(!downloads.join("notes.txt").is_file());
}

#[test]
fn a_folder_that_cannot_be_made_is_reported_and_the_server_is_not_asked() {
    let downloads = folder();
    let path = downloads.path().join("file");
    fs::write(&path, "").expect("it is written");
    let fake = Fake::start(|mut stream| assert_eq!(read_request(&mut stream), None));
    let came = output(client(fake.addr, &path), "get notes.txt\n");
    fake.join();
    let told = format!("error: no file can be made in {}: entity already exists\n", path.display());
    assert_eq!((text(&came.stderr), came.status.code()), (told, Some(1)));
}

#[test]
fn without_a_terminal_there_is_no_progress_bar() -> Result<(), Failure> {
    let (root, folder) = (folder(), folder());
    fs::write(root.path().join("big"), bytes(20 * 1024 * 1024)).expect("it is written");
    let (_server, addr) = Program::start_server(server(root.path()))?;
    let came = output(client(addr, folder.path()), "get big\n");
    assert_eq!(text(&came.stdout), "saved big: 20971520 bytes, SHA-256 checked\n");
    assert_eq!(text(&came.stderr), "");
    Ok(())
}

#[cfg(unix)]
mod unix {
    use std::process::Command;

    use super::*;

    #[test]
    fn at_a_terminal_the_client_asks_before_it_overwrites() -> Result<(), Failure> {
        let (root, folder) = (folder(), folder());
        let target = folder.path().join("notes.txt");
        fs::write(root.path().join("notes.txt"), "new").expect("it is written");
        let (_server, addr) = Program::start_server(server(root.path()))?;
        for (answer, shown, there) in [
            ("n", "kept notes.txt", "old"),
            ("", "kept notes.txt", "old"),
            ("why", "kept notes.txt", "old"),
            ("y", "saved notes.txt: 3 bytes, SHA-256 checked", "new"),
            ("YES", "saved notes.txt: 3 bytes, SHA-256 checked", "new"),
        ] {
            fs::write(&target, "old").expect("it is written");
            let (mut client, mut keyboard) =
                Program::start_at_terminal(client(addr, folder.path()))?;
            writeln!(keyboard, "get notes.txt\n{answer}\necho next").expect("it is typed");
            let expected = format!("> overwrite notes.txt? [y/N] {shown}");
            assert_eq!(client.expect_line(&expected)?, expected);
            assert_eq!(client.expect_line("> next")?, "> next");
            keyboard.write_all(b"\x04").expect("Ctrl-D is typed");
            assert!(client.wait()?.success(), "to keep a file is no failure");
            assert_eq!(fs::read(&target).expect("it is there"), there.as_bytes());
            assert_eq!(names(folder.path()), ["notes.txt"]);
        }
        Ok(())
    }

    /// A client whose files may have 64 KiB at most: for it, the disk is full after that.
    fn on_a_small_disk(client: &Command) -> Command {
        let mut command = Command::new("sh");
        // `ulimit` counts in blocks of 512 bytes (POSIX) or of 1 KiB (bash).
        let script = r#"trap "" XFSZ; ulimit -f 64 && exec "$0" "$@""#;
        command.args(["-c", script]).arg(client.get_program()).args(client.get_args());
        command
    }

    #[test]
    fn a_full_disk_is_named_nothing_is_left_and_nothing_more_is_read() {
        let folder = folder();
        let target = folder.path().join("notes.txt");
        for there in [None, Some("old")] {
            if let Some(there) = there {
                fs::write(&target, there).expect("it is written");
            }
            // It sends as long as the client reads.
            let fake = Fake::start(|mut stream| {
                read_request(&mut stream).expect("a request arrives");
                stream.write_all(&announced(4_000_000_000)).expect("the client reads");
                let mut sent = 0;
                while let Ok(len) = stream.write(&[7; 4096]) {
                    sent += len;
                    assert!(sent < 100_000_000, "the client reads on");
                }
            });
            let addr = fake.addr.to_string();
            let mut command = client(fake.addr, folder.path());
            command.arg("--force");
            let came = output(on_a_small_disk(&command), "get notes.txt\necho next\n");
            fake.join();
            let end = End::new(&came, &addr);
            let told = "error: ADDR: notes.txt: it cannot be written here: file too large\n";
            assert_eq!((end.stderr.as_str(), end.code), (told, Some(1)));
            assert_eq!(end.stdout, "");
            assert_eq!(names(folder.path()).len(), usize::from(there.is_some()));
            let left = fs::read_to_string(&target).ok();
            assert_eq!(left.as_deref(), there);
        }
    }

    #[test]
    fn a_symlink_is_replaced_and_what_it_leads_to_is_not_written() {
        let (folder, elsewhere) = (folder(), folder());
        let precious = elsewhere.path().join("precious");
        fs::write(&precious, "precious").expect("it is written");
        let link = folder.path().join("notes.txt");
        std::os::unix::fs::symlink(&precious, &link).expect("a symlink");
        let fake = Fake::that_sends(vec![file("notes.txt", b"new")]);
        let mut command = client(fake.addr, folder.path());
        command.arg("--force");
        output(command, "get notes.txt\n");
        fake.join();
        assert_eq!(fs::read(&precious).expect("it is there"), b"precious");
        assert!(fs::symlink_metadata(&link).expect("it is there").is_file());
    }

    #[test]
    fn a_symlink_that_leads_nowhere_exists() {
        let downloads = folder();
        let link = downloads.path().join("notes.txt");
        std::os::unix::fs::symlink(downloads.path().join("nowhere"), &link).expect("a symlink");
        let fake = Fake::start(|mut stream| assert_eq!(read_request(&mut stream), None));
        let came = output(client(fake.addr, downloads.path()), "get notes.txt\n");
        fake.join();
        assert_eq!(text(&came.stderr), "error: notes.txt exists; --force overwrites it\n");
        assert_eq!(names(downloads.path()), ["notes.txt"]);
    }

    #[test]
    fn the_umask_decides_who_may_read_a_download() {
        use std::os::unix::fs::PermissionsExt;

        for (umask, expected) in [("022", 0o644), ("077", 0o600), ("002", 0o664)] {
            let folder = folder();
            let fake = Fake::that_sends(vec![file("notes.txt", b"new")]);
            let client = client(fake.addr, folder.path());
            let mut command = Command::new("sh");
            let script = format!(r#"umask {umask} && exec "$0" "$@""#);
            command.args(["-c", &script]).arg(client.get_program()).args(client.get_args());
            output(command, "get notes.txt\n");
            fake.join();
            let saved = fs::metadata(folder.path().join("notes.txt")).expect("it is there");
            assert_eq!(saved.permissions().mode() & 0o777, expected, "umask {umask}");
        }
    }
}
