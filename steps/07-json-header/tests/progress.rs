//! The progress bar of step 07, which is there only at a terminal, and only while something arrives.
//!
//! `std` has no terminals to give away; Python has.

#![cfg(unix)]

use std::io::Write as _;
use std::sync::mpsc;

use conformance::{DEADLINE, Failure, Program, python};
use tempfile::TempDir;

mod common;

use common::{Fake, bytes, client, file, read_request};

/// Starts a program at a terminal of 100 columns, types the line `get big`, and prints what is to be
/// seen there: a line when the bar has appeared, and all when the program has ended.
const TERMINAL: &str = r#"
import fcntl, os, pty, struct, sys, termios
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[1], sys.argv[1:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
os.write(terminal, b"get big\n")
seen, told, ended = b"", False, False
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break  # so ends a terminal on Linux
    if not piece:
        break
    seen += piece
    if not told and b" left" in seen:
        told = True
        print("the bar has appeared", flush=True)
    if not ended and b"saved" in seen:
        ended = True
        os.write(terminal, b"\x04")
os.waitpid(pid, 0)
print(ascii(seen.decode()))
"#;

#[test]
#[ignore = "needs python3"]
fn python_gives_the_client_a_terminal_and_the_bar_appears_and_disappears() -> Result<(), Failure> {
    let folder = TempDir::new().expect("a temporary folder");
    let (go_on, told) = mpsc::channel();
    let fake = Fake::start(move |mut stream| {
        read_request(&mut stream).expect("a request");
        let whole = file("big", &bytes(1_024_000));
        let (first, rest) = whole.split_at(512_000);
        stream.write_all(first).expect("the client reads");
        told.recv_timeout(DEADLINE).expect("the bar appears while half of it is missing");
        stream.write_all(rest).expect("the client reads");
        assert_eq!(read_request(&mut stream), None);
    });
    let client = client(fake.addr, folder.path());
    let mut command = python().expect("Python 3 is installed");
    command.env("TERM", "xterm").args(["-c", TERMINAL]);
    command.arg(client.get_program()).args(client.get_args());
    let mut terminal = Program::start(command)?;
    assert_eq!(terminal.expect_line("the bar has appeared")?, "the bar has appeared");
    go_on.send(()).expect("the server waits for it");
    let seen = terminal.expect_line("what was seen")?;
    fake.join();

    let (before, after) = seen.split_once("saved big: ").expect("it was saved");
    let (_, bar) = before.split_once("get big").expect("it was typed");
    for part in [" of 1000.00 KiB, ", "/s, ", "s left"] {
        assert!(bar.contains(part), "{part}: {seen}");
    }
    let cleared = bar.rsplit("s left").next().expect("something follows");
    assert!(cleared.contains(r"\x1b[2K"), "the bar is wiped before the next line: {seen}");
    assert!(!after.contains(" left"), "and does not appear again: {seen}");
    Ok(())
}
