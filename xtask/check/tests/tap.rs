//! What `cargo xtask tap` shows of real connections.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::Command;

use conformance::check::FreePorts;
use conformance::{Failure, Peer, Program};

/// The payload `echo hi`, in a frame as step 06 sends it.
const FRAME: &[u8] = b"\x00\x00\x00\x07echo hi";

fn tap(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask-check"));
    command.arg("tap").args(arguments);
    command
}

/// A tap in front of `upstream`, without times, and where it listens.
fn start(upstream: &TcpListener, arguments: &[&str]) -> Result<(Program, SocketAddr), Failure> {
    start_to(upstream.local_addr().expect("a listener has an address"), arguments)
}

fn start_to(upstream: SocketAddr, arguments: &[&str]) -> Result<(Program, SocketAddr), Failure> {
    let to = upstream.to_string();
    let all = [&["--listen", "127.0.0.1:0", "--to", &to], arguments].concat();
    let mut tap = Program::start(tap(&all))?;
    let line = tap.expect_line("listening on ADDR, passing on to ADDR")?;
    let addrs = line.strip_prefix("listening on ").and_then(|rest| rest.split_once(", "));
    let (addr, rest) = addrs.ok_or_else(|| tap.failure(&format!("it began with `{line}`")))?;
    assert_eq!(rest, format!("passing on to {to}"));
    Ok((tap, addr.parse().expect("it shows an address")))
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("there is a free port")
}

/// The other end of the connection that the tap makes.
fn accept(listener: &TcpListener) -> std::net::TcpStream {
    listener.accept().expect("the tap connects").0
}

fn expect_lines(tap: &mut Program, lines: &[&str]) -> Result<(), Failure> {
    for line in lines {
        assert_eq!(tap.expect_line(line)?, *line);
    }
    Ok(())
}

#[test]
fn a_frame_cut_at_3_is_shown_in_its_pieces_and_the_end_of_file_after_them() -> Result<(), Failure> {
    let listener = listener();
    let (mut tap, addr) = start(&listener, &["--no-time", "--cut", "3"])?;
    let mut client = Peer::connect(addr)?;
    client.send(FRAME)?;
    client.end_sending()?;
    expect_lines(
        &mut tap,
        &[
            "#1  connected from 127.0.0.1",
            "#1  client → server  3 bytes",
            "  00000000  00 00 00                                          |...|",
            "#1  client → server  3 bytes",
            "  00000003  07 65 63                                          |.ec|",
            "#1  client → server  3 bytes",
            "  00000006  68 6f 20                                          |ho |",
            "#1  client → server  2 bytes",
            "  00000009  68 69                                             |hi|",
            "#1  client → server  end of file",
        ],
    )
}

#[test]
fn both_directions_are_shown_and_what_is_shown_arrives() -> Result<(), Failure> {
    use std::io::{Read as _, Write as _};

    let listener = listener();
    let (mut tap, addr) = start(&listener, &["--no-time", "--delay", "1"])?;
    let mut client = Peer::connect(addr)?;
    let mut server = accept(&listener);
    tap.expect_line("#1  connected from …")?;
    client.send(FRAME)?;
    let mut came = [0; FRAME.len()];
    server.read_exact(&mut came).expect("the frame arrives");
    assert_eq!(came, FRAME);
    server.write_all(b"\x00\x00\x00\x03hi\n").expect("the answer can be sent");
    client.expect(b"\x00\x00\x00\x03hi\n")?;
    drop(server);
    client.expect_end()?;
    expect_lines(
        &mut tap,
        &[
            "#1  client → server  11 bytes",
            "  00000000  00 00 00 07 65 63 68 6f  20 68 69                 |....echo hi|",
            "#1  server → client  7 bytes",
            "  00000000  00 00 00 03 68 69 0a                              |....hi.|",
            "#1  server → client  end of file",
        ],
    )
}

#[test]
fn text_is_shown_in_lines_instead_of_a_hexdump() -> Result<(), Failure> {
    let listener = listener();
    let (mut tap, addr) = start(&listener, &["--no-time", "--text"])?;
    let mut client = Peer::connect(addr)?;
    client.send(b"one\ntwo \"2\"\nthr")?;
    client.end_sending()?;
    expect_lines(
        &mut tap,
        &[
            "#1  connected from 127.0.0.1",
            "#1  client → server  15 bytes",
            r#"  "one\n""#,
            r#"  "two "2"\n""#,
            r#"  "thr""#,
            "#1  client → server  end of file",
        ],
    )
}

#[test]
fn a_connection_ends_after_as_many_bytes_as_were_asked_for() -> Result<(), Failure> {
    let listener = listener();
    let (mut tap, addr) = start(&listener, &["--no-time", "--end-after", "5"])?;
    let mut client = Peer::connect(addr)?;
    let mut server = accept(&listener);
    client.send(b"more than five")?;
    server.read_exact(&mut [0; 14]).expect("a request of any length comes through");
    server.write_all(b"hello, world").expect("the tap reads");
    assert_eq!(client.receive_to_end()?, b"hello");
    expect_lines(
        &mut tap,
        &[
            "#1  connected from 127.0.0.1",
            "#1  client → server  14 bytes",
            "  00000000  6d 6f 72 65 20 74 68 61  6e 20 66 69 76 65        |more than five|",
            "#1  server → client  5 bytes",
            "  00000000  68 65 6c 6c 6f                                    |hello|",
            "#1  server → client  end of file",
        ],
    )
}

#[test]
fn a_reset_is_shown_once_with_the_side_that_did_it() -> Result<(), Failure> {
    let listener = listener();
    let (mut tap, addr) = start(&listener, &["--no-time"])?;
    let client = Peer::connect(addr)?;
    let _server = accept(&listener);
    tap.expect_line("#1  connected from …")?;
    client.reset()?;
    expect_lines(&mut tap, &["#1  client → server  reset"])?;
    drop(Peer::connect(addr)?);
    let next = tap.expect_line("#2  connected from …")?;
    assert!(next.starts_with("#2  connected from "), "{next}");
    Ok(())
}

#[test]
fn a_server_that_cannot_be_reached_is_told_and_the_next_client_is_awaited() -> Result<(), Failure> {
    // Not one that the system hands out: a test that runs at the same time could listen there.
    let ports = FreePorts::claim()?;
    let (mut tap, addr) = start_to(ports.next()?, &["--no-time"])?;
    for number in [1, 2] {
        Peer::connect(addr)?.expect_end()?;
        let line = format!("#{number}  closed: the server cannot be reached: connection refused");
        assert_eq!(tap.expect_line(&line)?, line);
    }
    Ok(())
}

/// A server that sends back what arrives, to each client.
#[cfg(unix)]
fn echo(listener: TcpListener) {
    use std::io;
    use std::thread;

    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            thread::spawn(move || io::copy(&mut &stream, &mut &stream));
        }
    });
}

#[cfg(unix)]
#[test]
fn a_tap_that_is_out_of_descriptors_says_so_and_goes_on() -> Result<(), Failure> {
    use std::time::{Duration, Instant};

    let mut reports = Vec::new();
    // Each connection takes two. One that is left over lets a client in, and does not reach the server.
    for limit in [24, 25] {
        let listener = listener();
        let to = listener.local_addr().expect("a listener has an address").to_string();
        echo(listener);
        let mut command = Command::new("sh");
        command.args(["-c", "ulimit -n $0; exec \"$@\"", &limit.to_string()]);
        command.arg(env!("CARGO_BIN_EXE_xtask-check"));
        command.args(["tap", "--listen", "127.0.0.1:0", "--to", &to, "--no-time", "--text"]);
        let mut tap = Program::start(command)?;
        let line = tap.expect_line("listening on ADDR, passing on to ADDR")?;
        let addr = line.strip_prefix("listening on ").and_then(|rest| rest.split_once(", "));
        let addr = addr.expect("it begins so").0.parse().expect("it shows an address");

        let clients: Vec<Peer> =
            (0..limit).map(|_| Peer::connect(addr)).collect::<Result<_, _>>()?;
        let report = tap.expect_later("a report", |line| line.contains("Too many open files"))?;
        reports.push(report.split_once("  ").expect("it has a number").1.to_owned());
        drop(clients);
        // No event reports that enough descriptors are free again; an attempt waits up to a second for its answer.
        let until = Instant::now() + conformance::DEADLINE;
        let answered = || -> Result<(), Failure> {
            let mut client = Peer::connect_within(addr, Duration::from_secs(1))?;
            client.send(b"hello")?;
            client.expect(b"hello")
        };
        while let Err(failure) = answered() {
            assert!(Instant::now() < until, "with {limit}: {failure}\n{}", tap.transcript());
        }
    }
    reports.sort_unstable();
    let [closed, waits] = &reports[..] else { unreachable!("there are two limits") };
    assert!(closed.starts_with("closed: the server cannot be reached: Too many"), "{closed}");
    assert!(waits.starts_with("waits, and so do all after it: Too many open files"), "{waits}");
    Ok(())
}

#[test]
fn each_piece_has_its_time_and_each_client_its_port_unless_they_are_left_out() -> Result<(), Failure>
{
    let listener = listener();
    let (mut tap, addr) = start(&listener, &[])?;
    let client = Peer::connect(addr)?;
    let line = tap.expect_line("0.123  #1  connected from …")?;
    let (time, rest) = line.split_once("  ").expect("there is a column for the time");
    assert!(time.split_once('.').is_some_and(|(_, digits)| digits.len() == 3), "{line}");
    assert!(time.parse::<f64>().is_ok_and(|seconds| seconds < 60.0), "{line}");
    assert_eq!(rest, format!("#1  connected from {}", client.local_addr()?));
    Ok(())
}

#[test]
fn the_seed_of_random_cuts_is_told_and_repeats_them() -> Result<(), Failure> {
    let bytes = vec![b'x'; 10_000];
    let pieces = |arguments: &[&str]| -> Result<(String, Vec<String>), Failure> {
        let listener = listener();
        let (mut tap, addr) = start(&listener, &[&["--no-time"], arguments].concat())?;
        let seed = tap.expect_line("cutting at random; --seed S repeats it")?;
        let mut client = Peer::connect(addr)?;
        let _server = accept(&listener);
        client.send(&bytes)?;
        client.end_sending()?;
        // How long the first two pieces are depends on the seed alone: both are in the first read.
        let first = tap.expect_later("a piece", |line| line.contains("client → server"))?;
        let second = tap.expect_later("a piece", |line| line.contains("client → server"))?;
        Ok((seed, vec![first, second]))
    };
    let (line, first) = pieces(&["--cut", "random"])?;
    let seed = line.split(' ').nth(4).expect("the line has a seed").to_owned();
    let (again, second) = pieces(&["--cut", "random", "--seed", &seed])?;
    assert_eq!(line, again);
    assert_eq!(first, second);
    Ok(())
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_it() -> Result<(), Failure> {
    let listener = listener();
    let (mut tap, _) = start(&listener, &[])?;
    tap.interrupt()?;
    assert_eq!(tap.wait()?.code(), None, "a signal ended it");
    Ok(())
}

#[test]
fn wrong_arguments_are_told_in_one_line() -> Result<(), Failure> {
    let taken = listener();
    let taken = taken.local_addr().expect("a listener has an address").to_string();
    let in_use = format!(
        "error: --listen {taken}: address in use: \
         stop the program that has it, or choose another port"
    );
    let remote = "not a loopback address; pass --allow-remote to permit this";
    let cases: [(&[&str], &str); 6] = [
        (
            &["--listen", "127.0.0.1:0", "--to", "127.0.0.1:1", "--cut", "0"],
            "error: --cut takes a number of bytes from 1 up, or `random`, not `0`",
        ),
        (
            &["--listen", "127.0.0.1:0", "--to", "127.0.0.1:1", "--seed", "1"],
            "error: --seed goes with --cut random",
        ),
        (
            &["--listen", "127.0.0.1", "--to", "127.0.0.1:1"],
            "error: --listen 127.0.0.1: invalid socket address: \
             an address looks like 127.0.0.1:9006",
        ),
        (
            &["--listen", "0.0.0.0:0", "--to", "127.0.0.1:1"],
            &format!("error: --listen 0.0.0.0:0: {remote}"),
        ),
        (
            &["--listen", "127.0.0.1:0", "--to", "192.0.2.1:9006"],
            &format!("error: --to 192.0.2.1:9006: {remote}"),
        ),
        (&["--listen", &taken, "--to", "127.0.0.1:1"], &in_use),
    ];
    for (arguments, expected) in cases {
        let mut tap = Program::start(tap(arguments))?;
        assert_eq!(tap.expect_line(expected)?, expected);
        assert_eq!(tap.next_line()?, None);
        assert_eq!(tap.wait()?.code(), Some(1));
    }
    Ok(())
}

#[test]
fn a_tap_that_would_pass_on_to_itself_is_refused() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask-check"));
    command.args(["tap", "--listen", "127.0.0.1:9103", "--to", "localhost:9103"]);
    let output = command.output().expect("xtask can be started");
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(error.contains("the same address, 127.0.0.1:9103"), "{error}");
    assert!(error.contains("such as 127.0.0.1:9203"), "{error}");
}
