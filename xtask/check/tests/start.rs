//! Skeletons: each listens, prints, and fails its first check.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

const STEPS: [&str; 9] = ["01", "02", "03", "04", "06", "07", "08", "09", "10"];

fn xtask(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask-check"));
    command.args(arguments).current_dir(ROOT).output().expect("xtask can be started")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Holds a skeleton to its step. It ends the connection without an answer, and the failure states this.
fn fails_its_first_check(step: &str, program: &[&str]) {
    let arguments = [&["check", step, "--fail-fast", "--"], program, &["{addr}"]].concat();
    let output = xtask(&arguments);
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{step}: {report}{}", text(&output.stderr));
    assert!(report.ends_with("\n0 ok, 1 failed, 0 not asked\n"), "{step}: {report}");
    assert!(report.contains("before it has answered anything"), "{step}: {report}");
}

fn start(step: &str, folder: &Path, options: &[&str]) -> Output {
    let folder = folder.to_str().expect("it is text");
    xtask(&[&["start", step, folder], options].concat())
}

#[test]
fn a_skeleton_in_rust_fails_its_first_check() {
    for step in STEPS {
        let folder = TempDir::new().expect("a temporary folder");
        let output = start(step, folder.path(), &["--rust"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let (source, program) = (folder.path().join("server.rs"), folder.path().join("server.exe"));
        let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        let mut compile = Command::new(rustc);
        compile.arg("-Dwarnings").arg("-o").arg(&program).arg(source);
        assert!(compile.status().expect("rustc").success());
        fails_its_first_check(step, &[program.to_str().expect("it is text")]);
    }
}

#[test]
#[ignore = "needs python3"]
fn a_skeleton_in_python_fails_its_first_check() {
    for step in STEPS {
        let folder = TempDir::new().expect("a temporary folder");
        let output = start(step, folder.path(), &[]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let server = folder.path().join("server.py");
        let python = conformance::python::words().expect("Python 3 is installed");
        let mut program: Vec<&str> = python.iter().map(String::as_str).collect();
        program.push(server.to_str().expect("it is text"));
        fails_its_first_check(step, &program);
    }
}

#[test]
fn a_skeleton_has_its_contract_and_the_command_that_checks_it() {
    let folder = TempDir::new().expect("a temporary folder");
    let inside = folder.path().join("my server");
    let output = start("07", &inside, &[]);
    let file = inside.join("server.py");
    let python = conformance::python::python_words().unwrap_or(&["python3"]).join(" ");
    let line = format!("cargo xtask check 07 -- {python} \"{}\" ADDR\n", file.display());
    assert!(text(&output.stdout).ends_with(&line), "{}", text(&output.stdout));
    let skeleton = fs::read_to_string(&file).expect("the skeleton");
    let contract = text(&xtask(&["check", "07", "--contract"]).stdout);
    for line in contract.lines().skip(1) {
        assert!(skeleton.contains(format!("# {line}").trim_end()), "{line}");
    }
}

#[test]
fn what_is_there_already_is_not_overwritten() {
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("server.py");
    fs::write(&file, "mine").expect("a file");
    let output = start("03", folder.path(), &["--python"]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert!(error.contains("server.py: it exists already"), "{error}");
    assert_eq!(fs::read_to_string(&file).expect("the file"), "mine");
}

#[test]
fn step_05_has_no_contract() {
    let folder = TempDir::new().expect("a temporary folder");
    for output in [start("05", folder.path(), &[]), xtask(&["check", "05", "--contract"])] {
        assert!(!output.status.success());
        assert!(text(&output.stderr).contains("step 05 has no contract"));
    }
}

/// The words that a shell makes of the line are the words of the command.
#[cfg(unix)]
#[test]
fn a_folder_with_a_strange_name_is_one_word_of_the_command() {
    for name in ["it's", "a\"b", "$HOME x", "`a`", "tab\tx", "a;b", "a\\b"] {
        let folder = TempDir::new().expect("a temporary folder");
        let inside = folder.path().join(name);
        let output = text(&start("03", &inside, &[]).stdout);
        let line = output.lines().last().expect("the command");
        let (_, program) = line.split_once("python3 ").expect("a program");
        let script = format!("printf %s {}", program.strip_suffix(" ADDR").expect("an address"));
        let shown = Command::new("sh").args(["-c", &script]).output().expect("a shell");
        let file = inside.join("server.py");
        assert_eq!(text(&shown.stdout), file.to_str().expect("text"), "{line}");
    }
}
