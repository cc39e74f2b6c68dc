//! Whatever the size of a body, step 07 needs the same little memory for it.
//!
//! Memory is watched from outside, as Linux counts it: the most that a process has had resident.

#![cfg(target_os = "linux")]

use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

use conformance::{Failure, Program};
use tempfile::TempDir;

mod common;

use common::{client, server};

/// The size of what is sent: 1 GiB.
const SIZE: u64 = 1024 * 1024 * 1024;

/// The limit of the resident memory of each side, in KiB.
const MAX_KIB: u64 = 16 * 1024;

/// A gigabyte takes long on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

/// The peak of a process's resident memory, in KiB.
fn peak(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("the process runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

fn assert_little(who: &str, pid: u32) {
    let kib = peak(pid);
    println!("the {who} has had {kib} KiB resident at most");
    assert!(kib < MAX_KIB, "the {who} has had {kib} KiB resident");
}

/// The measurement must be able to fail: this program has 32 MiB at a time.
#[test]
fn memory_that_is_used_is_seen() {
    let mut hog = Command::new("dd")
        .args(["if=/dev/zero", "bs=32M", "count=1"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("it can be started");
    let mut stdout = hog.stdout.take().expect("it is piped");
    stdout.read_exact(&mut [0]).expect("it has filled its buffer");
    assert!(peak(hog.id()) > MAX_KIB, "{} KiB", peak(hog.id()));
    drop(stdout);
    hog.wait().expect("it ends");
}

/// Slow tests; `cargo xtask verify --only slow` runs them.
mod slow {
    use super::*;

    #[test]
    #[ignore = "slow: a gibibyte"]
    fn a_file_of_1_gib_needs_little_memory_on_both_sides() -> Result<(), Failure> {
        let folder = TempDir::new().expect("a temporary folder");
        let root = folder.path().join("root");
        fs::create_dir(&root).expect("a folder");
        fs::File::create(root.join("big"))
            .and_then(|file| file.set_len(SIZE))
            .expect("a sparse file");
        let (server, addr) = Program::start_server(server(&root))?;
        let mut command = client(addr, folder.path());
        command.args(["--idle-timeout", &PATIENCE.as_secs().to_string()]);
        let client = Program::start(command)?;
        let mut client = client.with_deadline(PATIENCE);
        client.type_line("get big")?;
        let saved = "saved big: 1073741824 bytes, SHA-256 checked";
        assert_eq!(client.expect_line(saved)?, saved);
        // Both still run: the client waits for its next line, the server for the next request.
        assert_little("server", server.id());
        assert_little("client", client.id());
        Ok(())
    }

    #[test]
    #[ignore = "slow: a gibibyte"]
    fn an_output_of_1_gib_needs_little_memory_on_both_sides() -> Result<(), Failure> {
        let folder = TempDir::new().expect("a temporary folder");
        let mut command = server(folder.path());
        // On a busy machine the command would be killed, and the rest would never arrive.
        command.args(["--timeout", &PATIENCE.as_secs().to_string()]);
        let (server, addr) = Program::start_server(command)?;
        // Without the harness, which would keep all of it as one line.
        let mut client = client(addr, folder.path())
            .args(["--idle-timeout", &PATIENCE.as_secs().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it can be started");
        let mut stdin: ChildStdin = client.stdin.take().expect("it is piped");
        let mut stdout = BufReader::new(client.stdout.take().expect("it is piped"));
        writeln!(stdin, "head -c {SIZE} /dev/zero\necho next").expect("it is typed");
        let came = std::io::copy(&mut (&mut stdout).take(SIZE), &mut std::io::sink());
        assert_eq!(came.expect("it can be read"), SIZE);
        let mut next = String::new();
        stdout.read_line(&mut next).expect("it can be read");
        assert_eq!(next, "next\n");
        assert_little("server", server.id());
        assert_little("client", client.id());
        drop(stdin);
        assert!(client.wait().expect("it ends").success());
        Ok(())
    }
}
