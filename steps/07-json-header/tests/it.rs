//! What step 07 does with headers and commands, and what it does not do yet.
//!
//! Downloads, the folder that is served, and memory have files of their own, beside this one.

#[cfg(unix)]
use std::fs;
use std::process::Command;

use assert_cmd::Command as Assert;
use conformance::proxy::{Cut, Proxy};
use conformance::{Failure, Peer, Program};
use tempfile::TempDir;

mod common;

use common::{
    Fake, NEWLINE, STEP, client, expect, framed, output, ran, refused, run, server, text,
};
#[cfg(unix)]
use common::{SILENCE, bytes, fifo, file, get, within_deadline};

/// An empty folder, which is gone when the test has ended.
fn folder() -> TempDir {
    TempDir::new().expect("a temporary folder")
}

/// A server whose commands are stopped after this many seconds.
#[cfg(unix)]
fn server_with_timeout(root: &TempDir, seconds: &str) -> Command {
    let mut command = server(root.path());
    command.args(["--timeout", seconds]);
    command
}

#[test]
fn the_client_shows_what_the_command_wrote_and_an_empty_answer_is_an_answer() -> Result<(), Failure>
{
    let root = folder();
    let (mut server, addr) = Program::start_server(server(root.path()))?;
    let mut client = Program::start(client(addr, root.path()))?;
    for word in ["one", "two"] {
        client.type_line("exit 0")?;
        client.type_line("")?; // the shell has nothing to do
        client.type_line(&format!("echo {word}"))?;
        assert_eq!(client.expect_line(word)?, word);
    }
    client.end_input();
    assert!(client.wait()?.success());
    server.expect_later("… runs \"\"", |line| line.ends_with("runs \"\""))?;
    server.expect_later("… disconnected", |line| line.ends_with("disconnected"))?;
    Ok(())
}

#[test]
fn fixed_the_exit_status_is_reported() -> Result<(), Failure> {
    let root = folder();
    let (_server, addr) = Program::start_server(server(root.path()))?;
    let mut peer = Peer::connect(addr)?;
    for status in [0, 3] {
        expect(&mut peer, &run(&format!("exit {status}")), &ran(Some(status), None, ""))?;
    }
    peer.close();
    let came = output(client(addr, root.path()), "exit 3\nexit 0\necho hello\n");
    assert!(came.status.success(), "a command that fails is no failure of the client");
    assert_eq!(text(&came.stdout), format!("hello{NEWLINE}"));
    assert_eq!(text(&came.stderr), "exit status 3\n");
    Ok(())
}

#[cfg(unix)]
#[test]
fn fixed_an_answer_that_fits_in_no_frame_is_whole() -> Result<(), Failure> {
    const LEN: usize = 16 * 1024 * 1024 + 1; // one byte more than step 06 could send
    let root = folder();
    let (_server, addr) = Program::start_server(server(root.path()))?;
    let came = output(client(addr, root.path()), format!("head -c {LEN} /dev/zero\necho hello\n"));
    let expected = [&vec![0; LEN], &b"hello\n"[..]].concat();
    assert!(came.stdout == expected, "{} bytes arrived", came.stdout.len());
    assert_eq!(text(&came.stderr), "");
    Ok(())
}

#[cfg(unix)]
#[test]
fn fixed_a_command_that_does_not_end_holds_up_no_client_forever() -> Result<(), Failure> {
    let root = folder();
    let (_server, addr) = Program::start_server(server_with_timeout(&root, "0.3"))?;
    let mut first = Peer::connect(addr)?;
    first.send(&run("sleep 600"))?;
    let mut second = Peer::connect(addr)?;
    second.send(&run("echo hello"))?;
    first.expect(&ran(None, Some("the command ran longer than 0.3 s and was stopped"), ""))?;
    first.close();
    second.expect(&ran(Some(0), None, "hello\n"))
}

#[cfg(unix)]
#[test]
fn an_answer_of_any_size_is_whole_and_the_next_one_is_the_next_one() -> Result<(), Failure> {
    let root = folder();
    let (_server, addr) = Program::start_server(server(root.path()))?;
    let mut peer = Peer::connect(addr)?;
    for len in [0, 1, 65_535, 65_536, 65_537, 5 * 1024 * 1024 + 1] {
        let body = bytes(len);
        fs::write(root.path().join("body"), &body).expect("it is written");
        let command = format!("cat '{}'", root.path().join("body").display());
        expect(&mut peer, &run(&command), &ran(Some(0), None, &body))?;
        expect(&mut peer, &get("body"), &file("body", &body))?;
        expect(&mut peer, &run("echo hello"), &ran(Some(0), None, "hello\n"))?;
    }
    Ok(())
}

#[cfg(unix)]
#[test]
fn any_bytes_can_be_an_answer() -> Result<(), Failure> {
    let root = folder();
    let (_server, addr) = Program::start_server(server(root.path()))?;
    let mut peer = Peer::connect(addr)?;
    for (command, body) in [
        (r"printf '\377\000\200\n'", &b"\xff\0\x80\n"[..]),
        (r#"printf '%s|' "a  b" 'c"d' e\ f; echo Grüße"#, "a  b|c\"d|e f|Grüße\n".as_bytes()),
        (r"printf '\000\000\000\002{}'", b"\0\0\0\x02{}"), // a header in a body
    ] {
        expect(&mut peer, &run(command), &ran(Some(0), None, body))?;
    }
    Ok(())
}

#[cfg(unix)]
#[test]
fn much_output_on_both_streams_is_neither_lost_nor_mixed() -> Result<(), Failure> {
    let root = folder();
    let (_server, addr) = Program::start_server(server(root.path()))?;
    let command = "i=0; while [ $i -lt 20000 ]; do echo output; echo error >&2; i=$((i+1)); done";
    let body = ["output\n".repeat(20_000), "error\n".repeat(20_000)].concat();
    expect(&mut Peer::connect(addr)?, &run(command), &ran(Some(0), None, body))
}

#[cfg(unix)]
#[test]
fn a_process_in_the_background_does_not_disturb_the_answer() -> Result<(), Failure> {
    const SIZE: usize = 32 * 1024 * 1024; // more than the buffers between two programs hold
    let root = folder();
    let [go, done] = ["go", "done"].map(|name| fifo(root.path(), name));
    let (_server, addr) = Program::start_server(server(root.path()))?;
    let mut peer = Peer::connect(addr)?;
    let later = format!("head -c {SIZE} /dev/zero | tr '\\0' x; echo done >'{}'", done.display());
    let command = format!("head -c {SIZE} /dev/zero; (cat '{}'; {later}) &", go.display());
    let answer = ran(Some(0), None, vec![0; SIZE]);
    peer.send(&run(&command))?;
    peer.expect(&answer[..1000])?; // the command has ended, and the rest is on its way

    within_deadline("the process in the background begins", || fs::write(go, ""))?
        .expect("the pipe can be written");
    let done = within_deadline("it ends", || fs::read(done))?.expect("the pipe can be read");
    assert_eq!(done, b"done\n");
    peer.expect(&answer[1000..])?;
    expect(&mut peer, &run("echo hello"), &ran(Some(0), None, "hello\n"))
}

#[cfg(unix)]
#[test]
fn a_command_that_takes_too_long_is_stopped_with_its_children() -> Result<(), Failure> {
    let root = folder();
    let pipe = fifo(root.path(), "pipe");
    let (_server, addr) = Program::start_server(server_with_timeout(&root, "0.5"))?;
    let mut client = Program::start(client(addr, root.path()))?;
    // The shell, its child and its grandchild have the pipe open: it ends when all three are gone.
    let command =
        format!("exec 3>'{}'; echo early; (sleep 600 & wait) & echo bad >&2; wait", pipe.display());
    client.type_line(&command)?;
    let all_gone = move || fs::read(pipe).expect("the pipe can be read");
    assert_eq!(within_deadline("all processes are gone", all_gone)?, b"");
    for line in ["early", "bad", "error: the command ran longer than 0.5 s and was stopped"] {
        assert_eq!(client.expect_line(line)?, line);
    }
    client.type_line("echo next")?;
    assert_eq!(client.expect_line("next")?, "next");
    client.end_input();
    assert!(client.wait()?.success());
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_command_that_stops_its_whole_group_does_not_stop_its_guard() -> Result<(), Failure> {
    let root = folder();
    let (_server, addr) = Program::start_server(server_with_timeout(&root, "0.5"))?;
    let mut client = Program::start(client(addr, root.path()))?;
    // A program that reads from the server's terminal gets TTIN, and so does its group.
    for signal in ["STOP", "TSTP", "TTIN", "TTOU"] {
        client.type_line(&format!("kill -s {signal} 0"))?;
        let line = "error: the command ran longer than 0.5 s and was stopped";
        assert_eq!(client.expect_line(line)?, line, "{signal}");
    }
    Ok(())
}

#[cfg(unix)]
#[test]
fn fixed_a_command_ends_with_its_server() {
    use conformance::check::Subject;
    use conformance::rough::{Signal, assert_command_ends_with_server};

    let subject = Subject::of_step(7, STEP);
    assert_command_ends_with_server(&subject, &[Signal::INT, Signal::TERM, Signal::KILL]);
}

#[cfg(unix)]
#[test]
fn a_command_that_is_ended_by_a_signal_has_no_status() -> Result<(), Failure> {
    let root = folder();
    let (_server, addr) = Program::start_server(server(root.path()))?;
    let mut peer = Peer::connect(addr)?;
    let answer = ran(None, Some("the command was ended by signal 9"), "early\n");
    expect(&mut peer, &run("echo early; kill -s KILL $$"), &answer)?;
    expect(&mut peer, &run("echo hello"), &ran(Some(0), None, "hello\n"))
}

#[test]
fn a_command_that_cannot_be_run_is_reported_and_the_connection_continues() -> Result<(), Failure> {
    let root = folder();
    let (_server, addr) = Program::start_server(server(root.path()))?;
    let mut peer = Peer::connect(addr)?;
    let told = "the command cannot be run: nul byte found in provided data";
    expect(&mut peer, &run("echo \0"), &refused(told))?;
    expect(&mut peer, &run("echo hello"), &ran(Some(0), None, format!("hello{NEWLINE}")))
}

#[cfg(unix)]
#[test]
fn without_a_folder_for_temporary_files_no_command_can_be_run() -> Result<(), Failure> {
    let root = folder();
    fs::write(root.path().join("notes.txt"), "notes\n").expect("it is written");
    let mut command = server(root.path());
    command.env("TMPDIR", root.path().join("nowhere"));
    let (_server, addr) = Program::start_server(command)?;
    let mut peer = Peer::connect(addr)?;
    let told = "the command cannot be run: no temporary file for its output: entity not found";
    expect(&mut peer, &run("echo hello"), &refused(told))?;
    expect(&mut peer, &get("notes.txt"), &file("notes.txt", b"notes\n")) // needs none
}

#[test]
fn two_requests_in_one_segment_are_two_answers() -> Result<(), Failure> {
    let root = folder();
    let (mut server, addr) = Program::start_server(server(root.path()))?;
    let mut peer = Peer::connect(addr)?;
    peer.send(&[run("echo one"), run("echo two")].concat())?;
    for word in ["one", "two"] {
        peer.expect(&ran(Some(0), None, format!("{word}{NEWLINE}")))?;
        let line = format!(r#"runs "echo {word}""#);
        server.expect_later(&line, |came| came.ends_with(&line))?;
    }
    Ok(())
}

#[test]
fn a_request_in_single_bytes_is_one_request() -> Result<(), Failure> {
    let root = folder();
    let (mut server, addr) = Program::start_server(server(root.path()))?;
    let proxy = Proxy::start(addr, Cut::Every(1)).expect("a proxy");
    let answer = ran(Some(0), None, format!("hello{NEWLINE}"));
    expect(&mut Peer::connect(proxy.addr())?, &run("echo hello"), &answer)?;
    let line = r#"runs "echo hello""#;
    server.expect_later(line, |came| came.ends_with(line))?;
    Ok(())
}

#[test]
fn a_header_that_is_not_understood_is_reported_and_the_connection_continues() -> Result<(), Failure>
{
    let deep = format!(r#"{{"request":"run","x":{}"#, "[".repeat(60_000));
    let long = format!(r#"{{"request":"{}\n"}}"#, "x".repeat(60_000));
    let long_told =
        format!("unknown variant `{}…", "x".repeat(300 - "invalid header: ".len() - 17));
    let cases: [(&[u8], &str); 12] = [
        (b"", "EOF while parsing a value at line 1 column 0"),
        (b"echo hello", "expected value at line 1 column 1"),
        (b"{\"request\":\"run\",", "EOF while parsing a value at line 1 column 17"),
        (b"7", "invalid type: integer `7`, expected internally tagged enum Request"),
        (b"{}", "missing field `request` at line 1 column 2"),
        (b"{\"request\":\"run\"}", "missing field `command`"),
        (b"{\"request\":\"get\"}", "missing field `filename`"),
        (b"{\"request\":\"dance\"}", "unknown variant `dance`, expected `run` or `get`"),
        (b"{\"request\":\"get\",\"filename\":7}", "invalid type: integer `7`, expected a string"),
        (b"{\"request\":\"run\",\"command\":\"\xff\"}", "invalid utf-8 sequence of 1 bytes"),
        (deep.as_bytes(), "recursion limit exceeded"),
        (long.as_bytes(), &long_told),
    ];
    let root = folder();
    let (_server, addr) = Program::start_server(server(root.path()))?;
    for (header, told) in cases {
        let (came, _) = common::ask(addr, &framed(header))?;
        let error = came["error"].as_str().expect("an error arrives");
        let expected = format!("invalid header: {told}");
        assert!(error.starts_with(&expected), "expected {expected:?}, got {error:?}");
    }
    let mut peer = Peer::connect(addr)?;
    for (header, _) in cases {
        peer.send(&framed(header))?;
    }
    peer.send(&run("echo hello"))?;
    peer.end_sending()?;
    let hello = ran(Some(0), None, format!("hello{NEWLINE}"));
    assert!(peer.receive_to_end()?.ends_with(&hello), "the connection continues");
    Ok(())
}

#[test]
fn fields_that_are_not_known_are_ignored() -> Result<(), Failure> {
    let root = folder();
    let (_server, addr) = Program::start_server(server(root.path()))?;
    let header = r#" {"since":[{}],"command":"echo hi","hash":null,"request":"run"} "#;
    let answer = ran(Some(0), None, format!("hi{NEWLINE}"));
    expect(&mut Peer::connect(addr)?, &framed(header), &answer)
}

#[test]
fn a_broken_frame_ends_one_connection_with_one_line_and_not_the_server() -> Result<(), Failure> {
    let inside = "the stream ended inside a frame:";
    let too_long = |len: u64| format!("frame too long: {len} bytes (limit 65536)");
    let cases: [(&[u8], String); 5] = [
        (b"\xff\xff\xff\xff", too_long(4_294_967_295)),
        (b"\0\x01\0\x01", too_long(65_537)),
        (b"\0\0", format!("{inside} 2 of 4 bytes of its header arrived")),
        (b"\0\0\0\x07", format!("{inside} 0 of 7 bytes of its payload arrived")),
        (b"\0\0\0\x07{\"requ", format!("{inside} 6 of 7 bytes of its payload arrived")),
    ];
    let root = folder();
    let (mut server, addr) = Program::start_server(server(root.path()))?;
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
        let answer = ran(Some(0), None, format!("next{NEWLINE}"));
        expect(&mut next, &run("echo next"), &answer)?;
        next.close();
        server.expect_later("… disconnected", |line| line.ends_with("disconnected"))?;
    }
    Ok(())
}

/// What a client prints that sends these lines to a server that gives these answers and closes.
fn said_about(answers: Vec<Vec<u8>>, input: &str) -> (String, String, Option<i32>) {
    let fake = Fake::that_sends(answers);
    let addr = fake.addr;
    let came = output(client(addr, folder().path()), input);
    fake.join();
    let error = text(&came.stderr).replace(&addr.to_string(), "ADDR");
    (text(&came.stdout), error, came.status.code())
}

#[test]
fn a_server_that_breaks_the_rules_is_an_error_for_the_client() {
    let deep = format!(r#"{{"size":{}"#, "[".repeat(60_000));
    let hello = || ran(Some(0), None, "hello\n");
    let cases: [(Vec<Vec<u8>>, &str, &str); 11] = [
        (vec![vec![]], "", "the server closed the connection"),
        (
            vec![b"\0".to_vec()],
            "",
            "the stream ended inside a frame: 1 of 4 bytes of its header arrived",
        ),
        (
            vec![b"\0\0\0\x0a{\"s".to_vec()],
            "",
            "the stream ended inside a frame: 3 of 10 bytes of its payload arrived",
        ),
        (vec![b"\0\x01\0\x01".to_vec()], "", "frame too long: 65537 bytes (limit 65536)"),
        (vec![framed("hello")], "", "invalid header: expected value at line 1 column 1"),
        (vec![framed("{}")], "", "invalid header: missing field `size` at line 1 column 2"),
        (
            vec![framed(b"{\"size\":0,\"error\":\"\xff\"}")],
            "",
            "invalid header: invalid utf-8 sequence of 1 bytes from index 19",
        ),
        (
            vec![framed(deep)],
            "",
            "invalid header: \
             invalid type: sequence, expected u64 at line 1 column 8",
        ),
        (
            vec![[framed(r#"{"size":10}"#), b"hel".to_vec()].concat()],
            "hel",
            "the connection ended after 3 of 10 bytes",
        ),
        (vec![hello(), vec![]], "hello\n", "the server closed the connection"),
        // Bytes after the body are taken for the next header.
        (
            vec![[hello(), b"more bytes".to_vec()].concat(), vec![]],
            "hello\n",
            "frame too long: 1836020325 bytes (limit 65536)",
        ),
    ];
    for (answers, shown, problem) in cases {
        let input = "echo hello\n".repeat(answers.len());
        let said = said_about(answers, &input);
        let expected = (shown.to_owned(), format!("error: ADDR: {problem}\n"), Some(1));
        assert_eq!(said, expected);
    }
}

#[test]
fn an_error_of_the_server_cannot_touch_the_terminal() {
    let error = "\x1b]0;title\x07 \u{202e}it's \"bad\"\nerror: another line";
    let said = said_about(vec![ran(None, Some(error), "early\n")], "x\n");
    let shown = r#"error: \u{1b}]0;title\u{7} \u{202e}it's "bad"\nerror: another line"#;
    assert_eq!(said, ("early\n".to_owned(), format!("{shown}\n"), Some(0)));
}

#[test]
fn a_header_of_an_answer_may_have_fields_that_are_not_known() {
    let answer = [framed(r#"{"since":{"x":[1]},"size":3}"#), b"hi\n".to_vec()].concat();
    assert_eq!(said_about(vec![answer], "x\n"), ("hi\n".to_owned(), String::new(), Some(0)));
}

#[test]
fn a_line_that_is_no_request_is_not_sent_and_the_next_one_is() -> Result<(), Failure> {
    let root = folder();
    let (mut server, addr) = Program::start_server(server(root.path()))?;
    let mut input = Vec::new();
    let longest = 65_536 - r#"{"request":"run","command":""}"#.len();
    for line in [
        b"get".to_vec(),
        b"get  ".to_vec(),
        b"echo \xff".to_vec(),
        vec![b'x'; longest + 1],
        vec![b'"'; longest / 2 + 1], // each of these has to be escaped
        format!("get {}", "x/".repeat(40_000)).into_bytes(),
        b"echo hello".to_vec(),
    ] {
        input.extend(line);
        input.push(b'\n');
    }
    let came = output(client(addr, root.path()), input);
    assert!(came.status.success());
    assert_eq!(text(&came.stdout), format!("hello{NEWLINE}"));
    let nameless = "error: get needs a file name: get FILE\n".repeat(2);
    let too_long = "error: a request has at most 65536 bytes; this one was not sent\n".repeat(3);
    let no_text = "error: a request must be UTF-8; this one was not sent\n";
    assert_eq!(text(&came.stderr), [&nameless, no_text, &too_long].concat());
    server.expect_later("… connected", |line| line.ends_with(" connected"))?;
    let first = server.expect_line("… runs")?;
    assert!(first.ends_with(r#"runs "echo hello""#), "{first}");
    Ok(())
}

#[test]
fn the_longest_request_is_sent() -> Result<(), Failure> {
    let root = folder();
    let (_server, addr) = Program::start_server(server(root.path()))?;
    let longest = 65_536 - r#"{"request":"get","filename":""}"#.len();
    let name = "x/".repeat(longest / 2 + 1);
    let input = format!("get {}x\n", &name[..longest - 1]);
    let came = output(client(addr, root.path()), input);
    assert!(text(&came.stderr).ends_with(": no such file\n"), "it returned from there");
    Ok(())
}

/// The server reads nothing while it sends, and serves no other client.
#[cfg(unix)]
#[test]
fn still_wrong_one_client_at_a_time() -> Result<(), Failure> {
    const SIZE: u64 = 256 * 1024 * 1024; // more than the buffers between two programs hold
    let root = folder();
    let big = fs::File::create(root.path().join("big")).expect("it is made");
    big.set_len(SIZE).expect("a sparse file");
    let (_server, addr) = Program::start_server(server(root.path()))?;
    let mut slow = Peer::connect(addr)?;
    slow.send(&get("big"))?; // and does not read

    let hello = ran(Some(0), None, "hello\n");
    let mut second = Peer::connect_within(addr, SILENCE)?;
    expect(&mut second, &run("echo hello"), &hello).expect_err("the second client gets no answer");
    slow.close();
    let mut third = Peer::connect(addr)?;
    drop(second);
    expect(&mut third, &run("echo hello"), &hello)
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
    let root = folder();
    let (mut server, _) = Program::start_server(server(root.path()))?;
    let line = server.expect_line("WARNING: …")?;
    assert_eq!(line, "WARNING: every user of this computer can run commands here as you");
    Ok(())
}

#[test]
fn with_allow_remote_the_server_warns_of_other_computers() -> Result<(), Failure> {
    let root = folder();
    let mut command = Command::new(STEP);
    command.args(["server", "0.0.0.0:0", "--allow-remote", "--root"]).arg(root.path());
    let (mut server, addr) = Program::start_server(command)?;
    let line = server.expect_line("WARNING: …")?;
    assert_eq!(line, "WARNING: anyone who can connect can run commands here as you");
    let addr = std::net::SocketAddr::from(([127, 0, 0, 1], addr.port()));
    let answer = ran(Some(0), None, format!("hello{NEWLINE}"));
    expect(&mut Peer::connect(addr)?, &run("echo hello"), &answer)
}

#[test]
fn a_timeout_is_a_number_of_seconds_above_0() {
    for seconds in ["0", "-1", "soon", "nan", "inf", "1e-12", ""] {
        let timeout = format!("--timeout={seconds}");
        let ran = Assert::new(STEP).args(["server", "127.0.0.1:0", &timeout]).assert().code(2);
        let told = text(&ran.get_output().stderr);
        assert!(told.contains("expected a number of seconds above 0"), "{seconds}: {told}");
    }
}
