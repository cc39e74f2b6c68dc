//! Slips in the command line of a program: each gets a sentence with the right command line.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// What `check` prints for a command line, in this folder.
fn check(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask-check"));
    command.arg("check").args(arguments).current_dir(folder).stdin(Stdio::null());
    let output = command.output().expect("xtask can be started");
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {error}");
    assert_eq!((error.lines().count(), output.stdout.len()), (1, 0), "{arguments:?}: {error}");
    error
}

/// A folder with programs and scripts.
fn folder() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    for (name, mode) in
        [("server.py", 0o644), ("run.sh", 0o755), ("prog", 0o755), ("data", 0o644), ("a.rs", 0o644)]
    {
        let path = folder.path().join(name);
        fs::write(&path, "echo hello\n").expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
    }
    fs::create_dir(folder.path().join("target")).expect("a folder");
    folder
}

#[test]
fn a_slip_gets_the_right_command_line() {
    let folder = folder();
    for (words, right) in [
        (&["python3 server.py {addr}"][..], "python3 server.py {addr}"),
        (&["cd x && python3 y.py {addr}"], "sh -c 'cd x && exec python3 y.py {addr}'"),
        (&["cd", "x", "&&", "python3", "y.py"], "sh -c 'cd x && exec python3 y.py'"),
        (&["cd", "x"], "sh -c 'cd x && exec PROGRAM ADDR'"),
        (&["python3", "y.py", ">", "log"], "sh -c 'python3 y.py > log'"),
        (&["python3", "y.py", "|", "tee"], "sh -c 'python3 y.py | tee'"),
        (&["python3", "y.py", "$NAME"], "sh -c 'exec python3 y.py $NAME'"),
        (&["X=1", "python3", "y.py"], "env X=1 python3 y.py"),
        (&["python3", "y.py", "{adr}"], "python3 y.py ADDR"),
        (&["python3", "y.py", "{ADDR}"], "python3 y.py ADDR"),
        (&["python3", "y.py", "$addr"], "python3 y.py ADDR"),
        (&["python3", "y.py", "<addr>"], "python3 y.py ADDR"),
        (&["python3", "y.py", "addr"], "python3 y.py ADDR"),
        (&["python3", "y.py", "{host}", "{PORT}"], "python3 y.py 127.0.0.1 PORT"),
        (&["python3", "y.py", "{host}:{port}"], "python3 y.py ADDR"),
        (&["python3", "y.py", "--listen={address}"], "python3 y.py --listen=ADDR"),
        (&["server.py", "{addr}"], "python3 server.py {addr}"),
        (&["./server.py", "{addr}"], "python3 ./server.py {addr}"),
        (&["./run.sh", "{addr}"], "sh ./run.sh {addr}"),
        (&["prog", "{addr}"], "./prog {addr}"),
        (&["target", "{addr}"], "target/PROGRAM {addr}"),
        (&["a.rs", "{addr}"], "./PROGRAM {addr}"),
        (&["bin\\prog.exe", "{addr}"], "bin/prog.exe {addr}"),
    ] {
        for options in [&["03"][..], &["03", "--client"]] {
            let arguments = [options, &["--"], words].concat();
            let error = check(folder.path(), &arguments);
            let line = format!("cargo xtask check {} -- {right}\n", options.join(" "));
            assert!(error.ends_with(&line), "{words:?}: {error}");
        }
    }
    let home = check(folder.path(), &["03", "--", "python3", "~/server.py", "{addr}"]);
    assert!(home.contains("only a shell replaces `~`"), "{home}");
}

#[test]
fn what_cannot_be_started_is_named_with_the_reason() {
    let folder = folder();
    for (words, reason) in [
        (&["no-such-program", "{addr}"][..], "no folder of PATH has a program `no-such-program`"),
        (&["./none", "{addr}"], "there is no file `./none`"),
        (&["./data", "{addr}"], "`chmod +x ./data`"),
    ] {
        let error = check(folder.path(), &[&["03", "--"], words].concat());
        assert!(error.contains(reason), "{words:?}: {error}");
    }
}

/// A folder with these programs, each a script.
fn programs(scripts: &[(&str, &str)]) -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    for (name, script) in scripts {
        let path = folder.path().join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("its mode");
    }
    folder
}

/// What `check` and `start` print if these are the only programs.
fn with_programs(scripts: &[(&str, &str)], arguments: &[&str]) -> String {
    let folder = programs(scripts);
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask-check"));
    command.args(arguments).env("PATH", folder.path()).current_dir(folder.path());
    let output = command.stdin(Stdio::null()).output().expect("xtask can be started");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// A Python 3, as far as `check` asks. It ends at once, and so it is no server.
const PYTHON: &str = "exit 0";

/// What Windows has for a `python3` that is not installed: it only prints where to get it.
const STUB: &str = "exit 9";

#[test]
fn python_is_found_under_the_name_that_it_has_here() {
    for (scripts, words, name) in [
        (&[("python3", PYTHON), ("python", PYTHON)][..], &["python3"][..], "python3"),
        (&[("python3", PYTHON)], &["python"], "python3"),
        (&[("python3", PYTHON)], &["py", "-3"], "python3"),
        (&[("python3", STUB), ("python", PYTHON)], &["python3"], "python"),
        (&[("python3", STUB), ("python", STUB), ("py", PYTHON)], &["python"], "py -3"),
    ] {
        let words = [words, &["y.py", "ADDR"]].concat();
        let report = with_programs(scripts, &[&["check", "03", "--"], &words[..]].concat());
        let right = format!("the server `{name} y.py ADDR`");
        assert!(report.contains(&right), "{scripts:?}: {report}");
        let skeleton = with_programs(scripts, &["start", "03", "mine"]);
        let line = format!("check 03 -- {name} mine/server.py ADDR\n");
        assert!(skeleton.ends_with(&line), "{scripts:?}: {skeleton}");
    }
}

#[test]
fn the_programs_of_a_class_find_python_too() {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("class.toml");
    fs::write(&file, "step = 3\n[programs]\nAna = \"python3 y.py ADDR\"\n").expect("a file");
    let list = file.to_str().expect("it is text");
    let report = with_programs(&[("py", PYTHON)], &["check", "--class", list]);
    assert!(report.contains("has ended (exit status: 0)"), "{report}");
}

#[test]
fn a_computer_without_python_is_told_where_to_get_it() {
    for name in ["python3", "python", "py"] {
        let error = with_programs(&[], &["check", "03", "--", name, "y.py", "ADDR"]);
        assert!(error.contains(&format!("has a program `{name}`, nor Python 3")), "{error}");
        assert!(error.contains("https://www.python.org/"), "{error}");
    }
}

#[test]
fn dashes_that_are_missing_are_put_where_they_belong() {
    let folder = folder();
    for (arguments, right) in [
        (&["03", "python3", "y.py", "{addr}"][..], "03 -- python3 y.py {addr}"),
        (&["03", "python3 y.py {addr}"], "03 -- python3 y.py {addr}"),
        (&["03", "--client", "python3", "y.py"], "03 --client -- python3 y.py"),
        (&["03", "--only", "reply", "./prog", "{addr}"], "03 --only reply -- ./prog {addr}"),
    ] {
        let error = check(folder.path(), arguments);
        assert!(error.starts_with("error: `--` is missing "), "{error}");
        assert!(error.ends_with(&format!("write: cargo xtask check {right}\n")), "{error}");
    }
}
