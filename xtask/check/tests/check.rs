//! `cargo xtask check`, as a learner uses it.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::LazyLock;
use std::thread;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Runs it to its end: its exit code, what it wrote to stdout, and to stderr.
fn check(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask-check"));
    let command = command.arg("check").args(arguments).current_dir(ROOT).stdin(Stdio::null());
    let output = command.output().expect("xtask can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// The line of a check, or of one that is not there, an empty one.
fn line<'a>(text: &'a str, check: &str) -> &'a str {
    text.lines().find(|line| line.split(' ').next() == Some(check)).unwrap_or_default()
}

fn python_server(step: &str) -> String {
    let server = Path::new("steps").join(step).join("python/server.py");
    server.to_str().expect("it is text").to_owned()
}

/// What follows `check` for a program in Python, which has these arguments.
fn with_python<'a>(options: &[&'a str], arguments: &[&'a str]) -> Vec<&'a str> {
    // Not `python3`: in its place, a version manager may have a script that takes longer than the program.
    static PYTHON: LazyLock<Vec<String>> =
        LazyLock::new(|| conformance::python::words().expect("Python 3 is installed"));
    let python = PYTHON.iter().map(String::as_str);
    options.iter().copied().chain(["--"]).chain(python).chain(arguments.iter().copied()).collect()
}

/// A server of the test's own, right or wrong, that serves one client after another.
fn upper_case_server(wrong: bool) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let addr = listener.local_addr().expect("it has an address");
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut buffer = [0; 1024];
            while let Ok(len @ 1..) = stream.read(&mut buffer) {
                buffer[..len].make_ascii_uppercase();
                if wrong && len > 1 && !buffer.starts_with(b"QUIZ") {
                    buffer[1] = b'?';
                }
                if stream.write_all(&buffer[..len]).is_err() {
                    break;
                }
            }
        }
    });
    addr
}

#[test]
fn a_server_that_runs_already_and_is_right_passes() {
    let addr = upper_case_server(false).to_string();
    let (code, text, _) = check(&["03", "--addr", &addr]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(" ok, 0 failed, ") && !text.contains("FAILED"), "{text}");
    assert!(line(&text, "reply").ends_with("ok"), "{text}");
}

#[test]
fn a_wrong_byte_has_a_caret_under_it_and_a_section_and_a_hint() {
    let addr = upper_case_server(true).to_string();
    let (code, text, _) = check(&["03", "--addr", &addr, "--only", "many-messages"]);
    assert_eq!(code, Some(1), "{text}");
    let expected = "\
many-messages  FAILED
    after \"one\" was sent:
        expected  b\"ONE\"
        received  b\"O?E\"
                     ^

    why it matters: Connecting costs a handshake; a conversation should pay for it once.
    the book: http://127.0.0.1:3000/message-loop.html#go-round (cargo xtask serve)
    try first: Put a loop around read and answer; connect and accept stay outside it.

0 ok, 1 failed, 0 not asked
";
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn what_has_to_start_the_server_is_not_asked_of_one_that_runs() {
    let addr = upper_case_server(false).to_string();
    let arguments = ["09", "--addr", &addr, "--only", "clean-stop", "--only", "churn"];
    let (code, text, _) = check(&arguments);
    assert_eq!(code, Some(0), "{text}");
    for name in ["clean-stop", "churn"] {
        assert!(line(&text, name).ends_with("not asked: it needs to start the program itself"));
    }
}

#[test]
fn the_check_of_an_exercise_is_listed_and_asked_by_its_name_only() {
    let addr = upper_case_server(false).to_string();
    let (code, text, _) = check(&["06", "--addr", &addr, "--only", "short-header"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(line(&text, "short-header").ends_with("FAILED"), "{text}");
    assert!(text.contains("/length-prefix.html#exercises"), "{text}");
    let (code, text, _) = check(&["05", "--addr", &addr, "--only", "delimiter"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(line(&text, "delimiter").ends_with("it needs to start the program itself"), "{text}");
    let (_, text, _) = check(&["06", "--list"]);
    assert!(text.contains("short-header (server, not kept by this step)\n"), "{text}");
}

#[test]
fn an_address_that_is_taken_is_named_before_anything_is_started() {
    let addr = upper_case_server(false).to_string();
    let (code, text, error) = check(&["03", "--", "cargo", &addr]);
    assert_eq!((code, text.as_str()), (Some(2), ""));
    let begin = format!("error: {addr}: something listens there already; ");
    assert!(error.starts_with(&begin) && error.contains("--addr"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn what_cannot_be_checked_has_exit_code_2() {
    for (arguments, words) in [
        (&["03"][..], "no program to check"),
        (&["77", "--list"], "there is no step `77`"),
        (&["03", "--only", "speed", "--list"], "there is no check `speed`"),
        (&["03", "--addr", "192.0.2.1:9003"], "--allow-remote"),
        (&["03", "--cut", "0", "--addr", "127.0.0.1:9003"], "--cut takes"),
        (&["03", "--client", "--addr", "127.0.0.1:9003", "--", "true"], "write ADDR"),
        (&["05", "--addr", "127.0.0.1:9005"], "none of these checks applies here"),
        (&["03", "--addr", "127.0.0.1:9003", "--deadline", "0"], "--deadline takes a number of"),
        (&["03", "--addr", "127.0.0.1:9003", "--deadline", "1e19"], "--deadline takes a number of"),
    ] {
        let (code, _, error) = check(arguments);
        assert_eq!(code, Some(2), "{arguments:?}: {error}");
        assert!(error.contains(words), "{arguments:?}: {error}");
    }
}

#[test]
fn what_is_explained_is_in_another_language_if_that_is_asked_for() {
    let (code, chinese, _) = check(&["--lang", "zh-CN", "03", "--list"]);
    assert_eq!(code, Some(0));
    let (_, english, _) = check(&["03", "--list"]);
    let is_han = |c: char| ('\u{4e00}'..'\u{a000}').contains(&c);
    assert!(chinese.contains(is_han) && !english.contains(is_han), "{chinese}\n{english}");
    let names = |text: &str| text.lines().step_by(2).count();
    assert_eq!(names(&chinese), names(&english));
    let (code, _, error) = check(&["--lang", "xx", "03", "--list"]);
    assert!(code == Some(2) && error.contains("[possible values: en, zh-CN]"), "{error}");
}

#[test]
fn the_list_says_why_each_check_matters() {
    let (code, text, _) = check(&["02", "--list"]);
    assert_eq!(code, Some(0));
    assert!(text.contains("reply (server)\n    For a client, a server that does not"), "{text}");
    assert!(text.contains("next-client (server, not kept by this step)\n"), "{text}");
    assert!(!text.contains("broadcast"), "{text}");
}

#[test]
fn for_programs_each_check_is_an_object_on_a_line_of_its_own() {
    let addr = upper_case_server(true).to_string();
    let (code, text, _) = check(&["03", "--addr", &addr, "--json"]);
    assert_eq!(code, Some(1));
    let objects: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    let (summary, checks) = objects.split_last().expect("there are some");
    let (_, list, _) = check(&["03", "--list", "--json"]);
    let of_servers = list.lines().filter(|line| !line.contains(r#""side":"client""#)).count();
    assert_eq!(checks.len(), of_servers, "{text}");
    let object = |name: &str| checks.iter().find(|it| it["check"] == name).expect("it was asked");
    assert_eq!(object("reply")["result"], "ok");
    assert_eq!(object("many-messages")["expected"], "ONE");
    assert_eq!(object("many-messages")["received"], "O?E");
    let failed = checks.iter().filter(|it| it["result"] == "failed").count();
    assert_eq!(summary["summary"]["failed"], failed);
}

#[test]
fn the_first_failure_is_the_last_check_if_that_is_asked_for() {
    let addr = upper_case_server(true).to_string();
    let (code, text, _) = check(&["03", "--addr", &addr, "--fail-fast"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.ends_with("\n1 ok, 1 failed, 0 not asked\n"), "{text}");
    assert_eq!(line(&text, "many-messages"), "", "it comes after the one that fails: {text}");
    let (code, text, _) = check(&["03", "--addr", &addr, "--fail-fast", "--json"]);
    assert_eq!((code, text.lines().count()), (Some(1), 3), "two checks and the summary: {text}");
}

#[test]
fn after_the_first_deadline_the_later_ones_are_shorter() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let addr = listener.local_addr().expect("it has an address").to_string(); // accepts no client
    let (code, text, _) = check(&["03", "--addr", &addr, "--deadline", "4"]);
    assert_eq!(code, Some(1), "{text}");
    let waits = |time: &str| text.matches(&format!("nothing more within {time}\n")).count();
    assert_eq!(waits("4s"), 1, "{text}");
    assert_eq!(waits("2s"), 2, "{text}");
    assert!(waits("1s") > 1, "{text}");
}

#[cfg(unix)]
#[test]
fn a_server_that_ends_at_once_cannot_be_checked_and_is_shown_with_what_it_wrote() {
    let (code, text, error) = check(&["03", "--", "sh", "-c", "echo no luck; exit 3", "{addr}"]);
    assert_eq!(code, Some(2));
    assert!(text.ends_with("\nreply                could not be asked\n"), "{text}");
    assert!(error.contains("the server has ended (exit status: 3)"), "{error}");
    assert!(error.ends_with("` wrote:\n    no luck\n"), "{error}");
}

#[cfg(unix)]
#[test]
fn what_a_server_writes_gives_the_terminal_no_orders() {
    let says = r"printf '\033]0;title\007\033[2J\302\2332J5 ok\r\342\200\256ko 5\n'; exit 3";
    for arguments in [&["03"][..], &["03", "--json"]] {
        let (code, text, error) = check(&[arguments, &["--", "sh", "-c", says, "{addr}"]].concat());
        assert_eq!(code, Some(2));
        let orders = |c: &char| *c != '\n' && !conformance::is_printable(*c);
        assert_eq!(text.chars().chain(error.chars()).find(orders), None, "{text}{error}");
        let shown = "\n    \\u{1b}]0;title\\u{7}\\u{1b}[2J\\u{9b}2J5 ok\\r\\u{202e}ko 5\n";
        assert!(error.ends_with(shown), "{error}");
    }
}

#[cfg(unix)]
#[test]
#[ignore = "needs python3"]
fn a_python_server_that_ends_later_has_failed() {
    // It serves one client: the first check can be put, so it is no reason to stop that others cannot.
    let script = "test -e \"$0\" && exit 3; touch \"$0\"; exec python3 steps/03-conn-loop/python/server.py $1";
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let file = folder.path().join("was here");
    let file = file.to_str().expect("it is text");
    let arguments = ["03", "--only", "reply", "--only", "next-client"];
    let arguments = [&arguments[..], &["--", "sh", "-c", script, file, "{addr}"]].concat();
    let (code, text, _) = check(&arguments);
    assert_eq!(code, Some(1), "{text}");
    assert!(line(&text, "next-client").ends_with("FAILED"), "{text}");
    assert!(text.contains("the server has ended (exit status: 3)"), "{text}");
}

#[test]
fn a_command_that_cannot_be_started_is_named_once() {
    // It looks like a program, and is none.
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let file = folder.path().join("no-program.exe");
    std::fs::write(&file, "\0\0").expect("a file");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o755)).expect("its mode");
    }
    let file = file.to_str().expect("it is text");
    for options in [&["03"][..], &["03", "--client"]] {
        let (code, text, error) = check(&[options, &["--", file, "{addr}"]].concat());
        assert_eq!(code, Some(2), "{text}");
        assert!(error.starts_with("error: cannot start `no-program.exe 127.0.0.1:"), "{error}");
        assert_eq!((error.lines().count(), text.matches("could not be asked").count()), (1, 1));
    }
}

#[test]
fn an_address_where_nobody_listens_is_named_once() {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    let (code, text, error) = check(&["03", "--addr", &free.to_string()]);
    assert_eq!(code, Some(2), "{text}");
    assert!(error.starts_with(&format!("error: cannot connect to {free}: ")), "{error}");
    assert_eq!((error.lines().count(), text.matches("could not be asked").count()), (1, 1));
}

#[test]
fn where_nobody_reads_on_nothing_more_is_said() {
    let addr = upper_case_server(false).to_string();
    for more in [&[][..], &["--json"], &["--list"]] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask-check"));
        let command = command.args(["check", "03", "--addr", &addr]).args(more);
        let output = command.current_dir(ROOT).stdout(writer).output().expect("xtask");
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), error.as_str()), (Some(2), ""), "{more:?}");
    }
}

/// The steps with a contract, each with its number.
const STEPS: [(&str, &str); 9] = [
    ("01", "01-single-shot"),
    ("02", "02-comm-loop"),
    ("03", "03-conn-loop"),
    ("04", "04-rexec"),
    ("06", "06-struct-header"),
    ("07", "07-json-header"),
    ("08", "08-chat-fn"),
    ("09", "09-chat-class"),
    ("10", "10-event-loop"),
];

/// Does something with each of them, with several at a time: it returns what is wrong, if something is.
fn assert_right<Job: Sync>(jobs: &[Job], complaint: impl Fn(&Job) -> Option<String> + Sync) {
    let complaints: Vec<String> =
        conformance::side_by_side(jobs, complaint).into_iter().flatten().collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}

/// What is wrong with a report, if not all of it is as it should be.
fn unless_passed((code, text, error): (Option<i32>, String, String)) -> Option<String> {
    let has_passed = code == Some(0) && text.contains(" ok, 0 failed, ");
    (!has_passed).then(|| format!("exit code {code:?}: {text}{error}"))
}

#[test]
#[ignore = "needs python3"]
fn every_python_twin_of_a_server_passes_its_step() {
    assert_right(&STEPS, |(number, step)| {
        let server = python_server(step);
        let options = [number, "--deadline", "20"];
        unless_passed(check(&with_python(&options, &[&server, "{addr}"])))
    });
}

#[test]
#[ignore = "needs python3"]
fn the_python_server_of_step_02_does_not_pass_as_step_03() {
    let server = python_server("02-comm-loop");
    let (code, text, _) = check(&with_python(&["03", "--deadline", "1"], &[&server, "{addr}"]));
    assert_eq!(code, Some(1));
    for (name, result) in [
        ("many-messages", "ok"),
        ("next-client", "FAILED"),
        ("survives-disconnect", "FAILED"),
        ("survives-reset", "FAILED"),
    ] {
        assert!(line(&text, name).ends_with(result), "{name}: {text}");
    }
}

#[test]
#[ignore = "needs python3"]
fn the_python_server_of_step_04_does_not_pass_as_step_06() {
    let server = python_server("04-rexec");
    let options = ["06", "--deadline", "1", "--only", "reply"];
    let (code, text, _) = check(&with_python(&options, &[&server, "{addr}"]));
    assert_eq!(code, Some(1));
    assert!(text.contains(r#"expected  b"\x00\x00\x00\x05quiz\n""#), "{text}");
}

#[test]
#[ignore = "needs python3"]
fn a_python_server_that_cannot_listen_again_is_told_why() {
    // It leaves TIME_WAIT at its port: it closes first, and does not set SO_REUSEADDR.
    let script = "import socket, sys
listener = socket.socket()
listener.bind(('127.0.0.1', int(sys.argv[1].split(':')[1])))
listener.listen()
while True:
    stream, _ = listener.accept()
    stream.sendall(stream.recv(1024).upper())
    stream.shutdown(socket.SHUT_WR)
    stream.recv(1024)
    stream.close()";
    let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port");
    let addr = port.to_string();
    let (_, text, _) = check(&with_python(&["03", "--deadline", "2"], &["-c", script, &addr]));
    if cfg!(target_os = "linux") {
        assert!(text.contains("SO_REUSEADDR"), "{text}");
    }
}

#[test]
#[ignore = "needs python3"]
fn every_python_twin_of_a_client_passes_its_step() {
    assert_right(&STEPS, |(number, step)| {
        let client = python_server(step).replace("server", "client");
        let options = [number, "--deadline", "20", "--client"];
        unless_passed(check(&with_python(&options, &[&client])))
    });
}

/// A client for step 06 in which one thing is wrong.
fn wrong_client(right: &str, wrong: &str) -> String {
    let script = "import socket, struct, sys
host, _, port = sys.argv[1].rpartition(':')
def read(stream, length):
    data = b''
    while len(data) < length:
        piece = stream.recv(length - len(data))
        if not piece: sys.exit('error: the server has gone')
        data += piece
    return data
with socket.create_connection((host, int(port))) as stream:
    for line in sys.stdin.buffer:
        try:
            command = line.rstrip(b'\\n')
            stream.sendall(struct.pack('>I', len(command)) + command)
            length = struct.unpack('>I', read(stream, 4))[0]
            if length > 1 << 24: sys.exit('error: too long')
            print(read(stream, length).decode(), end='', flush=True)
        except OSError as error:
            sys.exit(f'error: {error}')";
    assert_eq!(script.matches(right).count(), 1, "`{right}` must stand there once");
    script.replace(right, wrong)
}

#[test]
#[ignore = "needs python3"]
fn python_clients_with_one_mistake_each_are_told_apart() {
    let mistakes = [
        (
            "read(stream, length).decode()",
            "stream.recv(length).decode()",
            "cut-reply",
            "expected it to print `hello`",
        ),
        (
            "if not piece: sys.exit('error: the server has gone')",
            "if not piece: break",
            "cut-off-reply",
            "answered with 2 of the 4 bytes of a length",
        ),
        (
            "if not piece: sys.exit('error: the server has gone')",
            "if not piece: sys.exit(0)",
            "server-gone",
            "expected an exit code that is not 0",
        ),
        (
            "if not piece: sys.exit('error: the server has gone')",
            "pass",
            "server-gone",
            "it has not ended after 2s",
        ),
        ("except OSError", "except KeyError", "server-gone", "expected one line with the reason"),
        ("if length > 1 << 24", "if False", "hostile-length", "it has not ended after 2s"),
        ("struct.pack('>I'", "struct.pack('<I'", "cut-reply", r#"received  b"\n\x00\x00\x00"#),
    ];
    assert_right(&mistakes, |(right, wrong, name, words)| {
        let script = wrong_client(right, wrong);
        let options = ["06", "--only", name, "--deadline", "2", "--client"];
        let (code, text, error) = check(&with_python(&options, &["-c", &script]));
        let is_found = code == Some(1) && text.contains(words);
        let expected = format!("{name}, {wrong}: exit code 1 and `{words}` were expected, not");
        (!is_found).then(|| format!("{expected} {code:?} and {text}{error}"))
    });
}
