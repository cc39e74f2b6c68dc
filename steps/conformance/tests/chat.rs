//! The checks of the chat, held to a room that keeps all of them, and to the same room with one
//! mistake after another: each check must be able to fail.

use std::process::Command;
use std::time::Duration;

use conformance::check::{self, Subject};
use conformance::proxy::Cut;
use conformance::python;

/// A room without mistakes.
const RIGHT: &str = include_str!("chat_room.py");

/// A client without mistakes: what is typed is sent, what comes is printed.
const CLIENT: &str = r#"
import os, socket, sys, threading
stream = socket.create_connection(("127.0.0.1", int(sys.argv[1])))
finished = threading.Event()
def say():
    for line in sys.stdin:
        stream.sendall(line.encode())
    finished.set()
    stream.shutdown(socket.SHUT_WR)
threading.Thread(target=say, daemon=True).start()
try:
    for line in stream.makefile("rb"):
        os.write(1, line)
except ConnectionError:
    pass
if not finished.is_set():
    os.write(2, b"error: the server has gone\n")
    os._exit(1)
"#;

fn script(text: &str) -> Command {
    let mut command = python().expect("Python 3 is installed");
    command.args(["-c", text]);
    command
}

/// A server that runs this script, and the client above.
fn subject(server: String) -> Subject {
    let client = |addr: std::net::SocketAddr| {
        let mut command = script(CLIENT);
        command.arg(addr.port().to_string());
        command
    };
    Subject::new(9, move || script(&server), client)
}

#[test]
#[ignore = "needs python3"]
fn a_right_room_in_python_keeps_every_promise_wherever_the_stream_is_cut() {
    for cut in [Cut::Every(1), Cut::Every(1024)] {
        let subject = subject(RIGHT.to_owned()).behind(cut);
        for check in subject.checks() {
            subject.hold_to(check).unwrap_or_else(|failure| panic!("{cut:?}: {failure}"));
        }
    }
}

/// Puts mistakes into the room, each a pair of what stands there and what is wrong instead, and
/// expects that the check sees that, and says so in these words.
fn must_be_seen(name: &str, mistakes: &[(&str, &str)], words: &str) {
    let mut server = RIGHT.to_owned();
    for (right, wrong) in mistakes {
        assert_eq!(server.matches(right).count(), 1, "`{right}` must stand there once");
        server = server.replace(right, wrong);
    }
    let shown = server.clone();
    let mut subject = subject(server);
    if [SILENCE, NO_END, NO_KEEPALIVE, LEFT_BEHIND].contains(&words) {
        subject.deadline = Duration::from_secs(3);
    }
    let check = check::check(name).expect("there is such a check");
    match subject.hold_to(check) {
        Ok(()) => panic!("{name} does not see {mistakes:?}"),
        Err(failure) => {
            let failure = failure.to_string().replace(&shown, "(the script)");
            assert!(failure.contains(words), "{name}, {mistakes:?}: {failure}");
        }
    }
}

/// What failures say that come only after the deadline.
const SILENCE: &str = "nothing more within";
const NO_END: &str = "has not ended";
const NO_KEEPALIVE: &str = "keepalive is off";
const LEFT_BEHIND: &str = "have left something behind";

const HANDLE: &str = "await handle(reader, writer, addr)\n";
const SEND: &str = "send(writer, f\"{sender} {text}\")";
const REFUSE: &str = "send(writer, f\"error: {problem}\")";
const GOODBYE: &str = "send(writer, \"the server is stopping\")";

#[test]
#[ignore = "needs python3"]
fn in_python_a_room_for_one_at_a_time_is_caught() {
    let turn = ("clients = {}", "turn = asyncio.Semaphore()\nclients = {}");
    let one = "async with turn: await handle(reader, writer, addr)\n";
    must_be_seen("concurrent-clients", &[turn, (HANDLE, one)], SILENCE);
}

#[test]
#[ignore = "needs python3"]
fn in_python_a_room_for_nineteen_is_caught() {
    let few = "if len(clients) > 19: return\n        await handle(reader, writer, addr)\n";
    must_be_seen("concurrent-clients", &[(HANDLE, few)], SILENCE);
}

#[test]
#[ignore = "needs python3"]
fn in_python_a_broadcast_that_leaves_someone_out_is_caught() {
    for (wrong, words) in [
        ("if addr != sender: send(writer, f\"{sender} {text}\")", SILENCE),
        ("if addr == sender: send(writer, f\"{sender} {text}\")", SILENCE),
        ("send(writer, f\"{addr} {text}\")", "expected `"),
        ("send(writer, f\"{sender} {text.strip()}\")", "expected `"),
        ("[send(writer, f\"{sender} {text}\") for _ in \"12\"]", "expected `"),
        ("send(writer, text)", SILENCE),
    ] {
        must_be_seen("broadcast", &[(SEND, wrong)], words);
    }
}

#[test]
#[ignore = "needs python3"]
fn in_python_lines_in_another_order_for_everybody_are_caught() {
    // Each line is on its way for a moment of its own.
    let wrong = "asyncio.get_running_loop().call_later(\
                 random.random() / 20, send, writer, f\"{sender} {text}\")";
    must_be_seen("same-order", &[(SEND, wrong)], " heard `");
}

#[test]
#[ignore = "needs python3"]
fn in_python_a_bad_line_that_is_not_handled_well_is_caught() {
    let words = "must get one line back that begins with `error`";
    must_be_seen("bad-line", &[(REFUSE, "pass")], words);
    must_be_seen("bad-line", &[(REFUSE, "send(writer, \"no\")")], words);
    let says = ("line.decode())", "line.decode(errors=\"replace\"))");
    must_be_seen("bad-line", &[("if problem := complaint(line)", "if False"), says], words);
    must_be_seen("bad-line", &[("return \"a line must be UTF-8\"", "raise OSError")], "ended");
    let limit = ("return \"a line has at most", "pass; \"");
    must_be_seen("bad-line", &[limit], words);
    must_be_seen("bad-line", &[("ord(c) < 32", "ord(c) < 0")], words);
    let twice = "[send(writer, f\"error: {problem}\") for _ in \"12\"]";
    must_be_seen("bad-line", &[(REFUSE, twice)], "the next line for the sender");
    let everybody = "[send(w, f\"error: {problem}\") for w in clients.values()]";
    must_be_seen("bad-line", &[(REFUSE, everybody)], "the next line for the other");
    must_be_seen("bad-line", &[(REFUSE, "raise OSError")], "ended the connection");
    let short = ("len(line) > MAX_LINE_LEN", "len(line) >= MAX_LINE_LEN");
    must_be_seen("bad-line", &[short], SILENCE);
}

#[test]
#[ignore = "needs python3"]
fn in_python_a_character_that_is_decoded_in_pieces_is_caught() {
    let pieces = ("(partial + data)", "(partial + data.decode(errors=\"replace\").encode())");
    must_be_seen("split-character", &[pieces], "expected `");
    // A line that is read in one recv, or not at all.
    let whole = ("*lines, partial = (partial + data)", "*lines, _ = data");
    must_be_seen("split-character", &[whole], SILENCE);
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs python3"]
fn in_python_a_room_without_keepalive_is_caught() {
    let off = ("socket.SO_KEEPALIVE, 1", "socket.SO_KEEPALIVE, 0");
    must_be_seen("vanished-peer", &[off], NO_KEEPALIVE);
}

#[test]
#[ignore = "needs python3"]
fn in_python_a_room_that_waits_for_a_slow_reader_is_caught() {
    let waits = "send(writer, f\"{sender} {text}\"); await writer.drain()";
    must_be_seen("slow-reader", &[(SEND, waits)], SILENCE);
}

#[test]
#[ignore = "needs python3"]
fn in_python_a_room_that_does_not_stop_well_is_caught() {
    must_be_seen("clean-stop", &[(GOODBYE, "pass")], "was told nothing");
    must_be_seen("clean-stop", &[("os._exit(0)", "await asyncio.sleep(60)")], NO_END);
    must_be_seen("clean-stop", &[("os._exit(0)", "os._exit(1)")], "it ended with");
    must_be_seen("clean-stop", &[("writer.close()\n        await", "await")], SILENCE);
    let reset = "struct.pack(\"ii\", 1, 0)); writer.transport.abort()\n    os._exit(0)";
    let linger = "import struct; writer.get_extra_info(\"socket\").setsockopt(\
                  socket.SOL_SOCKET, socket.SO_LINGER, ";
    let abort = format!("{linger}{reset}");
    let close = "writer.close()\n        await writer.wait_closed()\n    os._exit(0)";
    must_be_seen("clean-stop", &[(close, &abort)], "an error");
    let slow = ("os._exit(0)", "time.sleep(1.2); os._exit(0)");
    must_be_seen("clean-stop", &[slow], "stopping took 1.");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs python3"]
fn in_python_what_is_left_behind_is_caught() {
    let words = LEFT_BEHIND;
    // A descriptor for each, and a thread for each that is broken off.
    let descriptor = "os.dup(1)\n        await handle(reader, writer, addr)\n";
    must_be_seen("churn", &[(HANDLE, descriptor)], words);
    let thread = "import threading; threading.Thread(target=time.sleep, args=(60,)).start()";
    must_be_seen("churn", &[("pass  # a reset", thread)], words);
}

#[test]
#[ignore = "needs python3"]
fn in_python_a_room_that_ends_with_one_of_its_clients_is_caught() {
    // Whether the next one is refused, or gets in and is reset, depends on the moment.
    for (name, right) in [
        ("survives-reset", "pass  # a reset"),
        ("survives-disconnect", "del clients[addr]"),
        ("churn", "pass  # a reset"),
    ] {
        must_be_seen(name, &[(right, "os._exit(1)")], name);
    }
}

#[test]
#[ignore = "needs python3"]
fn in_python_a_room_that_says_nothing_aloud_is_caught() {
    must_be_seen("empty-input", &[("elif line.strip():", "else:")], "is nothing to say");
}
