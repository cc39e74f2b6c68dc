//! A server that does not listen where it should, or not in the process that was started.

#![cfg(unix)]

use std::process::Command;
use std::time::Duration;
#[cfg(target_os = "linux")]
use std::time::Instant;

use conformance::check::{CommandLine, FreePorts, Server, Side, Subject, check};

/// The twin of step 03.
const TWIN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../03-conn-loop/python/server.py");

/// Why a server cannot be judged: a script of the shell that gets its address as `$1`, and the twin as `$0`.
fn trouble(script: &str, patience: Duration) -> String {
    let ports = FreePorts::claim().expect("free ports");
    let words = ["sh", "-c", script, TWIN, "{addr}"].map(str::to_owned).to_vec();
    let line = CommandLine::new(words).expect("there are words");
    let mut subject = Subject::new(3, || Command::new("false"), |_| Command::new("false"));
    subject.judged = Side::Server;
    subject.patience = patience;
    subject.server = Server::Told(Box::new(move || {
        let addr = ports.next()?;
        Ok((line.command(addr), addr))
    }));
    let failure = subject.judge(check("reply").expect("a check")).expect_err("it is wrong");
    assert!(failure.is_unable(), "{failure}");
    failure.to_string()
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
