//! `cargo xtask check --class`: whatever one program does, the others get their own results.

#![cfg(unix)]

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A right server for step 03; what stands in its first line comes before it listens.
const SERVER: &str = "
import socket, sys
host, _, port = sys.argv[1].rpartition(':')
with socket.create_server((host, int(port))) as listener:
    while True:
        stream, _ = listener.accept()
        with stream:
            try:
                while message := stream.recv(1024):
                    stream.sendall(message.upper())
            except ConnectionError:
                pass
";

/// The first ports that the eighth program gets, in its turn.
const PORTS_OF_THE_EIGHTH: std::ops::Range<u16> = 21_400..21_403;

/// How long a process may take to be gone, when it was ended.
const GONE: Duration = Duration::from_secs(10);

/// A class of these programs, each a name and a script that is started with `{addr}` behind it.
fn class(step: &str, scripts: &[(&str, String)], more: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    let mut list = format!("{step}\n\n[programs]\n");
    for (name, script) in scripts {
        fs::write(folder.path().join(format!("{name}.py")), script).expect("it can be written");
        list.push_str(&[name, " = \"python3 ", name, ".py {addr}\"\n"].concat());
    }
    for (name, program) in more {
        list.push_str(&[name, " = \"", program, "\"\n"].concat());
    }
    fs::write(folder.path().join("class.toml"), list).expect("it can be written");
    folder
}

/// A class gives its members ports of their own. Two classes at once, which nobody has but these tests,
/// would give the same ones to both.
static ONE_CLASS_AT_A_TIME: Mutex<()> = Mutex::new(());

fn check(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let _alone = ONE_CLASS_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
    command.args(["check", "--class"]).arg(folder.join("class.toml")).args(arguments);
    let output = command.stdin(Stdio::null()).output().expect("xtask can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// How many checks of this program came out so.
fn count(row: &Value, result: &str) -> usize {
    let checks = row["checks"].as_array().expect("a list of checks");
    checks.iter().filter(|check| check["result"] == result).count()
}

#[test]
#[ignore = "needs python3"]
fn in_a_class_python_programs_that_misbehave_spoil_nobodys_result() {
    let lasts = format!("98765{}", std::process::id());
    let forks = format!("import subprocess\nsubprocess.Popen(['sleep', '{lasts}'])\n{SERVER}");
    let stubborn = format!(
        "import signal, subprocess\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
         subprocess.Popen(['sleep', '{lasts}'])\nsignal.pause()\n"
    );
    let floods = format!(
        "import threading\ndef flood():\n    n = 0\n    while True:\n        n += 1\n        \
         print('line', n)\nthreading.Thread(target=flood, daemon=True).start()\n{SERVER}"
    );
    let mute = format!("import os\nos.close(1)\nos.close(2)\n{SERVER}");
    let dies = "raise SystemExit('no luck')\n".to_owned();
    let scripts = [
        ("anna", SERVER.to_owned()),
        ("dies", dies),
        ("floods", floods),
        ("forks", forks),
        ("hangs", stubborn),
        ("mute", mute),
        ("zoe", SERVER.to_owned()),
    ];
    // Somebody listens where the last of them would; it gets other ports. One that is taken already
    // serves the purpose as well.
    let listen = |port| TcpListener::bind(("127.0.0.1", port)).ok();
    let _taken: Vec<Option<TcpListener>> = PORTS_OF_THE_EIGHTH.map(listen).collect();
    let folder = class("step = 3", &scripts, &[("nobody", "no-such-program {addr}")]);
    let (code, text, error) =
        check(folder.path(), &["--json", "--limit", "15", "--deadline", "10", "--jobs", "4"]);
    assert_eq!(code, Some(1), "{text}{error}");
    let rows: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect();
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).expect("it has a row");
    for right in ["anna", "floods", "forks", "mute", "zoe"] {
        assert_eq!(count(row(right), "ok"), 5, "{right}: {}", row(right));
    }
    for wrong in ["dies", "nobody"] {
        assert_eq!(count(row(wrong), "failed"), 5, "{wrong}: {}", row(wrong));
    }
    let trouble = row("hangs")["trouble"].as_str().unwrap_or_default();
    assert_eq!(trouble, "it took longer than 15s (--limit)");
    // What was started by those that were started is gone, too.
    let until = Instant::now() + GONE;
    while runs(&lasts) {
        assert!(Instant::now() < until, "`sleep {lasts}` still runs");
        thread::sleep(Duration::from_millis(10)); // not our child: no event tells that it has ended
    }
}

/// Whether a process runs that has this among its arguments.
fn runs(argument: &str) -> bool {
    let list = Command::new("ps").args(["-A", "-o", "stat=,args="]).output().expect("ps");
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    list.lines().any(|line| line.contains(argument) && !line.starts_with('Z'))
}

#[test]
#[ignore = "needs python3"]
fn the_table_of_a_class_of_python_programs_says_who_passes_what() {
    let scripts = [("ana", SERVER.to_owned()), ("ben", SERVER.replace("upper", "lower"))];
    let folder = class("step = 3", &scripts, &[]);
    let (code, text, _) = check(folder.path(), &["--only", "reply"]);
    assert_eq!(code, Some(1));
    let expected = "\x20     1
ana   +
ben   -

 1 reply

+ ok, - failed, . not asked, ? not reached
";
    assert_eq!(text, expected);
    let (_, text, _) = check(folder.path(), &["--only", "reply", "--csv"]);
    assert_eq!(text, "name,reply,trouble\nana,ok,\nben,failed,\n");
}

#[test]
fn a_command_that_has_one_address_only_is_refused() {
    let folder = class("step = 3", &[], &[("ana", "server 127.0.0.1:9003")]);
    let (code, _, error) = check(folder.path(), &[]);
    assert_eq!(code, Some(2));
    assert!(error.contains("ana: in a class, a server's command needs {addr}"), "{error}");
}
