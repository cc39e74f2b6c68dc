//! The checks for messages, held against programs that are known to be right, and to be wrong.
//!
//! The right one is step 07 in Python. Each wrong one is the same with a line or two replaced.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use conformance::check::{self, Subject};
use conformance::{Failure, python};
use tempfile::TempDir;

/// Step 07 in Python.
const TWIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../07-json-header/python");

/// For programs that do not answer: each of them costs this much.
const SHORT_DEADLINE: Duration = Duration::from_secs(5);

/// The twin, or what was made of it, in this folder.
fn subject(folder: &Path) -> Subject {
    let start = |script: &str| {
        let script = folder.join(script);
        move |addr: String| {
            let mut command = python().expect("Python 3 is installed");
            command.arg("-B").arg(&script).arg(addr); // -B: no folder for compiled files
            command
        }
    };
    let (server, client) = (start("server.py"), start("client.py"));
    let server = move || -> Command { server("127.0.0.1:0".to_owned()) };
    Subject::new(7, server, move |addr| client(addr.to_string()))
}

/// A replacement in one of the twin's files.
type Edit = (&'static str, &'static str, &'static str);

const NO_HASH_CHECK: Edit = ("client.py", "if digest != expected:", "if False:");
const NO_JAIL: Edit = ("server.py", "if not path.is_relative_to(root):", "if False:");

/// Makes these replacements, and expects the check to fail with this text.
fn caught(check: &str, edits: &[Edit], expected: &str) {
    caught_within(conformance::DEADLINE, check, edits, expected);
}

fn caught_within(deadline: Duration, check: &str, edits: &[Edit], expected: &str) {
    let folder = TempDir::new().expect("a temporary folder");
    for file in ["message.py", "server.py", "client.py"] {
        let mut text = fs::read_to_string(Path::new(TWIN).join(file)).expect("the twin");
        for (_, from, to) in edits.iter().filter(|(of, _, _)| *of == file) {
            assert_eq!(text.matches(from).count(), 1, "{file} has one `{from}`");
            text = text.replace(from, to);
        }
        fs::write(folder.path().join(file), text).expect("the temporary folder");
    }
    let mut subject = subject(folder.path());
    subject.deadline = deadline;
    let check = check::check(check).expect("there is such a check");
    let failure = subject.hold_to(check).expect_err("it is wrong").to_string();
    assert!(failure.contains(expected), "`{expected}` was expected in:\n{failure}");
    assert!(failure.contains(check.why), "{failure}");
}

#[test]
#[ignore = "needs python3"]
fn the_python_twin_of_step_07_keeps_every_promise() -> Result<(), Failure> {
    let subject = subject(Path::new(TWIN));
    assert!(subject.checks().any(|check| check.name == "integrity"), "those of files, too");
    subject.checks().try_for_each(|check| subject.hold_to(check))
}

#[test]
#[ignore = "needs python3"]
fn a_python_server_that_hashes_something_else_is_caught() {
    let edits = [("server.py", "digest.update(chunk)", "digest.update(chunk[1:])")];
    caught("integrity", &edits, "expected its 2600 bytes, with their `hash` efa932d2");
}

#[test]
#[ignore = "needs python3"]
fn a_python_client_that_does_not_compare_the_hash_is_caught() {
    caught("integrity", &[NO_HASH_CHECK], "after a body that its hash does not fit");
}

#[test]
#[ignore = "needs python3"]
fn a_python_client_that_does_not_need_a_hash_is_caught() {
    let edits = [
        ("client.py", "if digest != expected:", "if expected and digest != expected:"),
        ("client.py", "if not isinstance(expected, str) or", "if isinstance(expected, str) and"),
    ];
    caught("integrity", &edits, "after a body without a hash");
}

#[test]
#[ignore = "needs python3"]
fn a_python_client_that_takes_the_end_of_file_for_the_end_of_the_file_is_caught() {
    let raise = r#"raise EOFError(f"the connection ended after {came} of {size} bytes")"#;
    let whole_ones = "if digest != expected and part.stat().st_size == size:";
    let edits =
        [("message.py", raise, "return"), ("client.py", "if digest != expected:", whole_ones)];
    caught("integrity", &edits, "after half a body and end of file: expected no file");
}

#[test]
#[ignore = "needs python3"]
fn a_python_client_that_writes_into_the_target_is_caught() {
    let edits = [
        ("client.py", r#"folder / f".{secrets.token_hex(8)}.part""#, "target"),
        ("client.py", r#"open("xb")"#, r#"open("wb")"#),
        ("client.py", "part.unlink()", "pass"),
    ];
    caught(
        "integrity",
        &edits,
        r#"expected no file in the download folder nor around it, found ["notes.txt"]"#,
    );
}

#[test]
#[ignore = "needs python3"]
fn a_python_client_that_leaves_half_a_file_behind_is_caught() {
    let edits = [
        ("client.py", "os.link(part, target)", "os.replace(part, target)"),
        ("client.py", "part.unlink()", "pass"),
    ];
    caught("integrity", &edits, ".part\"]");
}

#[test]
#[ignore = "needs python3"]
fn a_python_client_that_saves_nothing_is_caught() {
    let edits = [("client.py", "if digest != expected:", "if digest == expected:")];
    caught("integrity", &edits, r#"after an honest answer: expected ["notes.txt"]"#);
}

#[test]
#[ignore = "needs python3"]
fn a_python_client_that_believes_a_path_is_caught() {
    let believes = r#"target = folder / header["filename"]
    if False:"#;
    let edits = [("client.py", r#"if header["filename"] != name:"#, believes)];
    caught("untrusted-name", &edits, r#"found ["../escaped.txt"]"#);
}

#[test]
#[ignore = "needs python3"]
fn a_python_client_that_believes_the_last_part_of_a_path_is_caught() {
    let believes = r#"target = folder / os.path.basename(header["filename"])
    if False:"#;
    let edits = [("client.py", r#"if header["filename"] != name:"#, believes)];
    caught("untrusted-name", &edits, r#"the server called it "../escaped.txt": expected no file"#);
}

#[test]
#[ignore = "needs python3"]
fn a_python_client_that_believes_an_absolute_path_is_caught() {
    let believes = r#"if header["filename"].startswith("/"):
        target = pathlib.Path(header["filename"])
    elif header["filename"] != name:"#;
    let edits = [("client.py", r#"if header["filename"] != name:"#, believes)];
    caught("untrusted-name", &edits, r#"expected no file elsewhere, found ["absolute.txt"]"#);
}

#[test]
#[ignore = "needs python3"]
fn a_python_server_without_a_jail_is_caught() {
    let anywhere = ("server.py", r#"if relative.anchor or ".." in relative.parts:"#, "if False:");
    caught("root-jail", &[anywhere, NO_JAIL], r#"after "../secret.txt" was asked for"#);
}

#[cfg(unix)]
#[test]
#[ignore = "needs python3"]
fn a_python_server_that_follows_links_is_caught() {
    caught("root-jail", &[NO_JAIL], r#"after "link" was asked for"#);
}

#[cfg(unix)]
#[test]
#[ignore = "needs python3"]
fn a_python_server_that_opens_a_fifo_is_caught() {
    let edits = [("server.py", "if not stat.S_ISREG(path.stat().st_mode):", "if path.is_dir():")];
    let expected = r#"after "fifo" was asked for: expected the length of a header"#;
    caught_within(SHORT_DEADLINE, "root-jail", &edits, expected);
}

#[test]
#[ignore = "needs python3"]
fn a_python_server_that_answers_a_refusal_by_closing_is_caught() {
    let edits = [(
        "server.py",
        "except (OSError, ValueError) as error:\n            # strerror",
        "except ValueError as error:\n            # strerror",
    )];
    caught("root-jail", &edits, "then end of file");
}

#[test]
#[ignore = "needs python3"]
fn a_python_server_that_unescapes_names_is_caught() {
    // It looks for `..` too early, and then compares paths as texts.
    let edits = [
        ("server.py", "import argparse\n", "import argparse\nfrom urllib.parse import unquote\n"),
        ("server.py", "os.path.realpath(root / relative, strict=True)", "root / unquote(filename)"),
        NO_JAIL,
    ];
    caught("root-jail", &edits, r#"after "%2e%2e/secret.txt" was asked for"#);
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs python3"]
fn a_python_server_that_hashes_a_whole_file_in_memory_is_caught() {
    let edits =
        [("server.py", "while chunk := file.read(CHUNK_LEN):", "while chunk := file.read():")];
    caught("constant-memory", &edits, "expected less than 16384 KiB of further memory, found 6");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs python3"]
fn a_python_server_that_sends_a_whole_file_from_memory_is_caught() {
    let whole = "(file.seek(0), stream.sendall(file.read(size)), size)[2] < size";
    let edits = [("server.py", "stream.sendfile(file, 0, size) < size", whole)];
    caught("constant-memory", &edits, "expected less than 16384 KiB of further memory, found 6");
}

#[test]
#[ignore = "needs python3"]
fn a_python_server_without_a_timeout_is_caught() {
    let edits = [("server.py", "process.wait(timeout)", "process.wait()")];
    let expected = "was sent: expected the length of a header, received 0 of its 4 bytes";
    caught_within(SHORT_DEADLINE, "timeout", &edits, expected);
}

#[cfg(unix)]
#[test]
#[ignore = "needs python3"]
fn a_python_server_that_kills_the_shell_only_is_caught() {
    let edits = [("server.py", "os.killpg(process.pid, signal.SIGKILL)", "process.kill()")];
    caught_within(SHORT_DEADLINE, "timeout", &edits, "still runs after 5s");
}

#[test]
#[ignore = "needs python3"]
fn a_python_server_that_does_not_tell_of_the_timeout_is_caught() {
    let told = r#"error = f"the command ran longer than {timeout:g} s and was stopped""#;
    let edits = [("server.py", told, "pass")];
    caught("timeout", &edits, "expected a header with an `error`, received the header");
}

#[test]
#[ignore = "needs python3"]
fn a_python_server_that_drops_a_stream_is_caught_by_what_an_answer_says() {
    let edits = [("server.py", "for file in (stdout, stderr)]", "for file in (stdout,)]")];
    let expected = "expected no error and the body \"out";
    caught("both-streams", &edits, expected);
}

#[test]
#[ignore = "needs python3"]
fn a_python_server_that_believes_every_length_is_caught() {
    let edits = [("message.py", "if length > MAX_HEADER_LEN:", "if False:")];
    let expected = "expected the end of the connection";
    caught_within(SHORT_DEADLINE, "hostile-length", &edits, expected);
}
