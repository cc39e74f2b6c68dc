//! A server that does not listen where it should, or that another program starts: a launcher, such as a script.

#![cfg(unix)]

use std::process::Command;
use std::time::Duration;
#[cfg(target_os = "linux")]
use std::time::Instant;

use conformance::Failure;
use conformance::check::{CommandLine, FreePorts, Server, Side, Subject, check};

/// The folder of the steps, with the twins.
const STEPS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// A server that a script of the shell starts: the script gets the address as `$1`, and the step's twin as `$0`.
fn scripted(number: u8, step: &str, script: &str) -> Subject {
    let ports = FreePorts::claim().expect("free ports");
    let twin = format!("{STEPS}/{step}/python/server.py");
    let words = ["sh", "-c", script, &twin, "{addr}"].map(str::to_owned).to_vec();
    let line = CommandLine::new(words).expect("there are words");
    let mut subject = Subject::new(number, || Command::new("false"), |_| Command::new("false"));
    subject.judged = Side::Server;
    subject.server = Server::Told(Box::new(move || {
        let addr = ports.next()?;
        Ok((line.command(addr), addr))
    }));
    subject
}

/// Why the server of step 03 cannot be judged if this script starts it.
fn trouble(script: &str, patience: Duration) -> String {
    let mut subject = scripted(3, "03-conn-loop", script);
    subject.patience = patience;
    let failure = subject.judge(check("reply").expect("a check")).expect_err("it is wrong");
    assert!(failure.is_unable(), "{failure}");
    failure.to_string()
}

/// The command that runs the twin after this prelude.
fn python(prelude: &str) -> String {
    let run = "import runpy, sys\n\
               del sys.argv[0]\n\
               sys.path[0] = sys.argv[0].rpartition('/')[0]\n\
               runpy.run_path(sys.argv[0], run_name='__main__')";
    format!("python3 -B -c \"{prelude}\n{run}\" $0 $1")
}

/// How the server of step 09 behaves when it is sent signals, with this prelude to its twin. A launcher starts the
/// server, and ends at once.
fn stopped_by_signals(prelude: &str) -> Result<(), Failure> {
    // Its output is not the launcher's, so its end is not seen there.
    let script = format!("{} >/dev/null 2>&1; true", python(prelude));
    let mut subject = scripted(9, "09-chat-class", &script);
    subject.deadline = Duration::from_secs(3);
    subject.judge(check("stop-signals").expect("a check"))
}

#[test]
fn a_server_that_asks_for_its_port_is_shown_with_its_prompt() {
    let trouble = trouble("printf 'port? '; read port", Duration::from_secs(1));
    assert!(trouble.contains("it has printed `port? `, but nothing is typed"), "{trouble}");
}

#[cfg(target_os = "linux")] // and on others, if they have a tool for it, and 127.0.0.2
#[test]
#[ignore = "needs python3"]
fn a_python_server_that_listens_elsewhere_is_told_where() {
    for script in [
        "exec python3 -B $0 127.0.0.1:0",
        "exec python3 -B $0 127.0.0.2:${1#*:}",
        "python3 -B $0 127.0.0.1:0; true",
    ] {
        let start = Instant::now();
        let trouble = trouble(script, conformance::DEADLINE);
        let listens = |line: &str| Some(line.trim().strip_prefix("listening on ")?.to_owned());
        let addr = trouble.lines().find_map(listens).expect("it has printed its address");
        assert!(trouble.contains(&format!("listens at {addr} instead")), "{trouble}");
        assert!(trouble.contains(&format!("`--addr {addr}`")), "{trouble}");
        assert!(start.elapsed() < conformance::DEADLINE, "{script}: {:?}", start.elapsed());
    }
}

#[test]
#[ignore = "needs python3"]
fn a_python_server_in_the_background_must_stay_in_the_foreground() {
    for script in [
        "python3 -B $0 $1 & exit 0",
        "(sleep 0.5; exec python3 -B $0 $1) & exit 0",
        "(trap '' HUP; exec python3 -B $0 $1 </dev/null >/dev/null 2>&1) & exit 0",
        "(sleep 1.5; exec python3 -B $0 $1) & sleep 0.5; exit 0",
        "python3 -B $0 $1 & sleep 2; exit 0",
    ] {
        let trouble = trouble(script, conformance::DEADLINE);
        assert!(trouble.contains("must stay in the foreground"), "{script}: {trouble}");
    }
}

/// Listens as a program in Java does: with a socket of IPv6, at an IPv4-mapped address.
#[cfg(target_os = "linux")]
const LISTENS_BY_IPV6: &str = "
import socket
def create_server(addr, **options):
    listener = socket.socket(socket.AF_INET6)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    listener.bind(('::ffff:' + addr[0], addr[1]))
    listener.listen()
    return listener
socket.create_server = create_server";

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs python3"]
fn a_python_server_that_listens_by_ipv6_must_stay_in_the_foreground_as_well() {
    let script = format!("{} & sleep 2; exit 0", python(LISTENS_BY_IPV6));
    let trouble = trouble(&script, conformance::DEADLINE);
    assert!(trouble.contains("must stay in the foreground"), "{trouble}");
}

/// Leaves the port open for a moment after the connections have ended.
const CLOSES_LATE: &str = "
import atexit, socket, time
create = socket.create_server
def create_server(*args, **options):
    listener = create(*args, **options)
    copy = listener.dup()
    atexit.register(lambda: (time.sleep(0.3), copy.close()))
    return listener
socket.create_server = create_server";

/// Only Ctrl-C ends it.
const IGNORES_SIGTERM: &str = "
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
handle = signal.signal
signal.signal = lambda number, handler: number == signal.SIGINT and handle(number, handler)";

#[test]
#[ignore = "needs python3"]
fn a_python_server_may_end_after_its_launcher_that_a_signal_ends_at_once() {
    stopped_by_signals(CLOSES_LATE).unwrap();
}

#[test]
#[ignore = "needs python3"]
fn a_python_server_that_ignores_a_signal_is_not_in_the_background_if_its_launcher_does_not() {
    let failure = stopped_by_signals(IGNORES_SIGTERM).unwrap_err();
    assert!(!failure.is_unable(), "{failure}");
    assert!(failure.to_string().contains("received nothing more within 3s"), "{failure}");
}
