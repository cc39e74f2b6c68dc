//! `cargo xtask check --class`: whatever one program does, the others get their own results.

#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// A right server for step 03; its first line runs before it listens.
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

/// How long a process may take to be gone, when it was ended.
const GONE: Duration = Duration::from_secs(10);

/// A class of these programs, each a name and a script that is started with `{addr}` after it.
fn class(step: &str, scripts: &[(&str, String)], more: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    let mut list = format!("{step}\n\n[programs]\n");
    for (name, script) in scripts {
        fs::write(folder.path().join(format!("{name}.py")), script).expect("it can be written");
        list.push_str(&[name, " = \"", &python(), " ", name, ".py {addr}\"\n"].concat());
    }
    for (name, program) in more {
        list.push_str(&[name, " = \"", program, "\"\n"].concat());
    }
    fs::write(folder.path().join("class.toml"), list).expect("it can be written");
    folder
}

/// The words that start Python, for a list. Not `python3`: in its place, a version manager may have a script that takes
/// longer than the program.
fn python() -> String {
    let words = conformance::python::words().expect("Python 3 is installed");
    words.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ")
}

fn check(folder: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask-check"));
    command.args(["check", "--class"]).arg(folder.join("class.toml")).args(arguments);
    let output = command.stdin(Stdio::null()).output().expect("xtask can be started");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// How many checks of this program had this result.
fn count(row: &Value, result: &str) -> usize {
    let checks = row["checks"].as_array().expect("a list of checks");
    checks.iter().filter(|check| check["result"] == result).count()
}

/// Whether this program was asked something, and kept all of it.
fn has_passed(row: &Value) -> bool {
    count(row, "ok") > 0 && count(row, "failed") == 0 && row["trouble"].is_null()
}

#[test]
#[ignore = "needs python3"]
fn in_a_class_python_programs_that_misbehave_spoil_nobodys_result() {
    let lasts = format!("98765{}", std::process::id());
    let forks = format!("import subprocess\nsubprocess.Popen(['sleep', '{lasts}'])\n{SERVER}");
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
        ("hangs", hanging(&lasts)),
        ("mute", mute),
        ("zoe", SERVER.to_owned()),
    ];
    let folder = class("step = 3", &scripts, &[("nobody", "no-such-program {addr}")]);
    let rows = judge(folder.path(), &["--limit", "300"]);
    for right in ["anna", "forks", "mute", "zoe"] {
        assert!(has_passed(row(&rows, right)), "{right}: {}", row(&rows, right));
    }
    // It answers, but never rests.
    let floods = row(&rows, "floods");
    let failed = |check: &&Value| check["result"] == "failed";
    let failed: Vec<_> = floods["checks"].as_array().into_iter().flatten().filter(failed).collect();
    assert!(failed.iter().all(|check| check["check"] == "idle"), "{floods}");
    assert!(count(floods, "ok") > 0, "{floods}");
    for (wrong, words) in [
        ("dies", "the server has ended (exit status: 1)"),
        ("nobody", "no folder of PATH has a program `no-such-program`"),
        ("hangs", "and does not listen there"),
    ] {
        let trouble = row(&rows, wrong)["trouble"].as_str().unwrap_or_default();
        assert!(trouble.contains(words), "{wrong}: {}", row(&rows, wrong));
    }
    must_be_gone(&lasts);
}

#[test]
#[ignore = "needs python3"]
fn in_a_class_python_programs_that_attack_their_judge_spoil_nobodys_result() {
    let lasts = format!("87654{}", std::process::id());
    let sleeps = format!("os.execvp('sleep', ['sleep', '{lasts}'])");
    let bomb = format!(
        "import os\nif os.fork() == 0:\n    os.setsid()\n    for _ in range(5):\n        \
         os.fork()\n    {sleeps}\n{SERVER}"
    );
    let daemon = format!(
        "import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        \
         {sleeps}\n    os._exit(0)\nos.wait()\n{SERVER}"
    );
    let eats = format!("food = b'x' * (200 << 20)\n{SERVER}");
    let kills = format!(
        "import os, subprocess\nsubprocess.Popen(['sleep', '{lasts}'])\nos.kill(os.getppid(), 9)\n\
         {SERVER}"
    );
    let endless = SERVER.replace("message.upper()", "b'x' * (1 << 30)");
    let scripts = [
        ("anna", SERVER.to_owned()),
        ("bomb", bomb),
        ("daemon", daemon),
        ("eats", eats),
        ("endless", endless),
        ("kills", kills),
        ("zoe", SERVER.to_owned()),
    ];
    let folder = class("step = 3", &scripts, &[]);
    let rows = judge(folder.path(), &["--limit", "300"]);
    for right in ["anna", "bomb", "daemon", "eats", "zoe"] {
        assert!(has_passed(row(&rows, right)), "{right}: {}", row(&rows, right));
    }
    let endless = row(&rows, "endless");
    assert!(count(endless, "ok") == 0 && count(endless, "failed") > 0, "{endless}");
    let trouble = row(&rows, "kills")["trouble"].as_str().unwrap_or_default();
    assert!(trouble.contains("judge was ended by something else (signal: 9"), "{trouble}");
    must_be_gone(&lasts);
}

/// A server that answers with one letter of its own, and writes verdicts to all descriptors of its
/// judge, of the judge's parent, and so on.
fn forging() -> String {
    let forges = r"
import glob, os, json
def parent(pid):
    with open(f'/proc/{pid}/stat') as stat:
        return int(stat.read().rpartition(')')[2].split()[1])
verdicts = [{'check': f'forged-{n}', 'result': 'ok'} for n in range(10)]
summary = {'summary': {'ok': 10, 'failed': 0, 'not asked': 0}}
lines = ''.join(json.dumps(it) + '\n' for it in [*verdicts, summary])
pid = os.getpid()
for _ in range(2):
    pid = parent(pid)
    for file in glob.glob(f'/proc/{pid}/fd/*'):
        try:
            os.write(os.open(file, os.O_WRONLY | os.O_NONBLOCK), lines.encode())
        except OSError:
            pass
";
    format!("{forges}{}", SERVER.replace("message.upper()", "b'?' * len(message)"))
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs python3"]
fn in_a_class_a_python_program_cannot_write_its_own_verdicts() {
    let folder = class("step = 3", &[("forges", forging())], &[]);
    // What is written to the descriptors of the class itself is no verdict, wherever it appears.
    let (code, text, error) = check(folder.path(), &["--csv", "--deadline", "5"]);
    assert_eq!(code, Some(1), "{text}{error}");
    let rows: Vec<&str> = text.lines().filter(|line| !line.starts_with('{')).collect();
    let [head, row] = rows[..] else { panic!("{text}") };
    assert!(!head.contains("forged"), "{text}");
    assert!(row.starts_with("forges,0,") && row.contains(",failed,"), "{text}");
    assert!(row.ends_with(",not asked,") && !row.contains(",ok,"), "{text}");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs python3"]
fn in_a_class_what_a_python_program_has_cut_off_from_itself_is_ended_too() {
    let lasts = format!("43210{}", std::process::id());
    // It has another session, another parent, and an empty environment.
    let sheds = |then: &str| {
        format!(
            "import os, shutil\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        \
             os.execve(shutil.which('sleep'), ['sleep', '{lasts}'], {{}})\n    \
             os._exit(0)\nos.wait()\n{then}{SERVER}"
        )
    };
    let kills = sheds("os.kill(os.getppid(), 9)\n");
    let folder = class("step = 3", &[("kills", kills), ("sheds", sheds(""))], &[]);
    let rows = judge(folder.path(), &["--limit", "300"]);
    assert!(has_passed(row(&rows, "sheds")), "{}", row(&rows, "sheds"));
    must_be_gone(&lasts);
}

#[test]
#[ignore = "needs python3"]
fn in_a_class_a_python_program_that_takes_too_long_is_ended_with_what_it_has_started() {
    let lasts = format!("65432{}", std::process::id());
    let folder = class("step = 3", &[("hangs", hanging(&lasts))], &[]);
    let rows = judge(folder.path(), &["--limit", "3"]);
    assert_eq!(row(&rows, "hangs")["trouble"], "it took longer than 3s (--limit)");
    must_be_gone(&lasts);
}

#[test]
#[ignore = "needs python3"]
fn two_classes_of_python_programs_at_the_same_time_do_not_meet() {
    // Each takes its time before it listens. If two got the same port, one of them could not listen,
    // and its judge would talk to the other one.
    let slow = format!("import time\ntime.sleep(0.3)\n{SERVER}");
    let names = ["a", "b", "c"];
    let right = names.map(|name| (name, slow.clone()));
    let wrong = names.map(|name| (name, slow.replace("upper", "lower")));
    let (right, wrong) = (class("step = 3", &right, &[]), class("step = 3", &wrong, &[]));
    let arguments = ["--only", "reply", "--jobs", "3", "--csv", "--deadline", "30"];
    let ask = |folder: &Path| check(folder, &arguments);
    let (right, wrong) = thread::scope(|scope| {
        let right = scope.spawn(|| ask(right.path()));
        let wrong = ask(wrong.path());
        (right.join().expect("it does not panic"), wrong)
    });
    assert_eq!(right.1, "name,score,of,reply,trouble\na,1,1,ok,\nb,1,1,ok,\nc,1,1,ok,\n");
    assert_eq!(
        wrong.1,
        "name,score,of,reply,trouble\na,0,1,failed,\nb,0,1,failed,\nc,0,1,failed,\n"
    );
}

/// A program that starts another, never listens, and does not end when it is asked to.
fn hanging(lasts: &str) -> String {
    format!(
        "import signal, subprocess\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
         subprocess.Popen(['sleep', '{lasts}'])\nsignal.pause()\n"
    )
}

/// Judges a class in which something is wrong, and returns its rows.
fn judge(folder: &Path, arguments: &[&str]) -> Vec<Value> {
    let arguments = [&["--json", "--deadline", "30", "--jobs", "4"], arguments].concat();
    let (code, text, error) = check(folder, &arguments);
    assert_eq!(code, Some(1), "{text}{error}");
    text.lines().map(|line| serde_json::from_str(line).expect("it is JSON")).collect()
}

fn row<'a>(rows: &'a [Value], name: &str) -> &'a Value {
    rows.iter().find(|row| row["name"] == name).expect("it has a row")
}

/// What was started by those that were started is gone, too.
fn must_be_gone(argument: &str) {
    let until = Instant::now() + GONE;
    while runs(argument) {
        assert!(Instant::now() < until, "`sleep {argument}` still runs");
        thread::sleep(Duration::from_millis(10)); // not our child: no event reports that it has ended
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
    assert_eq!(text, "name,score,of,reply,trouble\nana,1,1,ok,\nben,0,1,failed,\n");
}

#[test]
#[ignore = "needs python3"]
fn a_class_of_python_files_has_points_and_each_author_gets_a_file() {
    let folder = TempDir::new().expect("a temporary folder");
    let put = |name: &str, script: &str| {
        let folder = folder.path().join(name);
        fs::create_dir_all(&folder).expect("a folder");
        fs::write(folder.join("server.py"), script).expect("it can be written");
    };
    put("ana", SERVER);
    put("ben k", &SERVER.replace("upper", "lower"));
    put("cleo", "print('no luck')\nraise ValueError('a\\x1bb')\n");
    let list = r#"
step = 3
only = ["reply", "many-messages"]
[points]
many-messages = 3
[files]
"*/server.py" = "python3 {file} {addr}"
[programs]
"=dan" = { command = "python3 ana/server.py {addr}", only = ["reply"], points = { reply = 5 } }
eve = { command = "python3 ana/server.py {addr}", onyl = ["reply"] }
fay = "python3 'ana/server.py {addr}"
gus = { command = "python3 ana/server.py {addr}", only = ["replies"] }
"#;
    let list = list.replace("python3", &python());
    fs::write(folder.path().join("class.toml"), list).expect("it can be written");
    let files = folder.path().join("feedback");
    let feedback = files.to_str().expect("text");
    let (code, text, error) = check(folder.path(), &["--csv", "--bom", "--feedback", feedback]);
    assert_eq!(code, Some(1), "{error}");
    let expected = "\u{feff}name,score,of,reply,many-messages,trouble
'=dan,5,5,ok,not reached,
ana,4,4,ok,ok,
ben k,0,4,failed,failed,
cleo,0,4,not reached,not reached,";
    assert!(text.starts_with(expected), "{text}");
    for wrong in ["eve,0,4,", "fay,0,4,", "gus,0,4,"] {
        assert!(text.lines().any(|line| line.starts_with(wrong)), "{text}");
    }
    let read = |name: &str| fs::read_to_string(files.join(name)).expect("each has a file");
    assert_eq!(read("ana.txt"), "ana: 4 of 4 points\n\nreply  ok\nmany-messages  ok\n");
    let ben = read("ben_k.txt");
    assert!(ben.contains("expected  b\"QUIZ\"") && ben.contains("why it matters:"), "{ben}");
    let cleo = read("cleo.txt");
    assert!(cleo.contains("no luck") && cleo.contains("ValueError: a\\u{1b}b"), "{cleo}");
    assert_eq!(fs::read_dir(&files).expect("a folder").count(), 7);
}

#[test]
fn a_list_that_cannot_be_read_is_one_clear_line() {
    let cases = [
        ("step = 3\n", "it names no program"),
        ("step = 3\nonly = [\"replies\"]\n[programs]\na = \"x {addr}\"\n", "replies"),
        ("step = 3\n[points]\nreplies = 3\n[programs]\na = \"x {addr}\"\n", "replies"),
        ("step = 3\n[files]\n\"*/x.py\" = \"python3 {file} {addr}\"\n", "no file matches */x.py"),
        ("step = 3\n[files]\n\"*.toml\" = \"python3 x.py {addr}\"\n", "*.toml needs {file}"),
    ];
    for (list, words) in cases {
        let folder = TempDir::new().expect("a temporary folder");
        fs::write(folder.path().join("class.toml"), list).expect("it can be written");
        let (code, _, error) = check(folder.path(), &[]);
        assert_eq!(code, Some(2), "{list}: {error}");
        assert!(error.contains("class.toml") && error.contains(words), "{list}: {error}");
    }
}

#[test]
fn a_command_that_has_one_address_only_is_refused_and_costs_its_own_row() {
    let folder = class("step = 3", &[], &[("ana", "server 127.0.0.1:9003")]);
    let (code, text, error) = check(folder.path(), &[]);
    assert_eq!(code, Some(1), "{error}");
    assert!(text.contains("in a class, a server's command needs ADDR"), "{text}");
}

#[test]
fn names_that_are_alike_have_a_file_each_and_a_long_one_has_a_file_too() {
    let long = "x".repeat(300);
    let names = ["a b", "a_b", "a_b-2", "A_B", &long];
    let keys = names.map(|name| format!("\"{name}\""));
    let list: Vec<_> = keys.iter().map(|key| (key.as_str(), "false ADDR")).collect();
    let folder = class("step = 3", &[], &list);
    let files = folder.path().join("feedback");
    let feedback = files.to_str().expect("text");
    let (code, text, error) = check(folder.path(), &["--only", "reply", "--feedback", feedback]);
    assert_eq!(code, Some(1), "{text}{error}");
    let paths = fs::read_dir(&files).expect("a folder").map(|entry| entry.expect("a file").path());
    let heads: Vec<String> = paths.map(|path| fs::read_to_string(path).expect("text")).collect();
    assert_eq!(heads.len(), names.len(), "{heads:?}");
    for name in names {
        assert!(heads.iter().any(|head| head.starts_with(&format!("{name}: "))), "{name}");
    }
}

/// As root, it could be a device.
#[cfg(unix)]
#[test]
fn feedback_replaces_regular_files_only_and_the_table_is_shown_all_the_same() {
    let folder = class("step = 3", &[], &[("ana", "false ADDR"), ("ben", "false ADDR")]);
    let files = folder.path().join("feedback");
    fs::create_dir(&files).expect("a folder");
    let socket = files.join("ana.txt");
    let _socket = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
    let feedback = files.to_str().expect("text");
    let (code, text, error) = check(folder.path(), &["--only", "reply", "--feedback", feedback]);
    assert_eq!(code, Some(2), "{text}{error}");
    assert!(text.contains("\nana") && text.contains("\nben"), "{text}");
    assert!(error.contains("ana.txt exists, and is not a regular file"), "{error}");
    assert!(files.join("ben.txt").is_file() && !socket.is_file());
}

#[test]
fn a_folder_for_feedback_that_cannot_be_made_is_noticed_before_the_class_is_judged() {
    let folder = class("step = 3", &[], &[("ana", "false ADDR")]);
    let list = folder.path().join("class.toml");
    let (code, text, error) = check(folder.path(), &["--feedback", list.to_str().expect("text")]);
    assert_eq!((code, text.as_str()), (Some(2), ""));
    assert!(error.starts_with("error: cannot write ") && !error.contains("ana"), "{error}");
}
