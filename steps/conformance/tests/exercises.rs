//! The checks of the exercises, held to servers in Python with one mistake each: each check must be
//! able to fail, and for the right reason.
//!
//! That they can be kept is seen where the solutions are, in the steps.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use conformance::check::{self, Subject};
use conformance::python;
use tempfile::TempDir;

/// Longer than what the exercises allow, which is two seconds.
const SHORT_DEADLINE: Duration = Duration::from_secs(5);

/// What failures say that come only after the deadline.
const SILENCE: &str = "nothing more within";

/// A replacement: what stands in a program, and what stands there instead.
type Edit<'a> = (&'a str, &'a str);

/// A server that is right, as it is needed for `delimiter`.
const DELIMITER: &str = r#"
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as listener:
    print("listening on 127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    rest = b""
    while True:
        stream, peer_addr = listener.accept()
        rest = b""
        while data := stream.recv(1024):
            *messages, rest = (rest + data).split(b"\n")
            for message in messages:
                print('message: "%s"' % message.decode(), flush=True)
        print("left", flush=True)
"#;

/// Makes these edits in a server of step `number`, and holds it to a check. `file` is one of the
/// step's, beside which its modules lie, or none: then the server is the one above.
fn hold(number: u8, file: Option<&str>, check: &str, edits: &[Edit]) -> Result<(), String> {
    let steps = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut text = match file {
        Some(file) => fs::read_to_string(steps.join(file)).expect("the step's file"),
        None => DELIMITER.to_owned(),
    };
    for (right, wrong) in edits {
        assert_eq!(text.matches(right).count(), 1, "`{right}` must stand there once");
        text = text.replace(right, wrong);
    }
    let folder = TempDir::new().expect("a temporary folder");
    let script = folder.path().join("server.py");
    fs::write(&script, text).expect("the temporary folder");
    let modules = file.and_then(|file| Some(steps.join(file).parent()?.to_owned()));
    let server = move || {
        let mut command = python().expect("Python 3 is installed");
        command.arg("-B").arg(&script).arg("127.0.0.1:0"); // -B: no folder for compiled files
        command.envs(modules.iter().map(|modules| ("PYTHONPATH", modules)));
        command
    };
    let mut subject = Subject::new(number, server, |_| Command::new("no client is needed"));
    subject.deadline = SHORT_DEADLINE;
    let check = check::check(check).expect("there is such a check");
    subject.hold_to(check).map_err(|failure| failure.to_string())
}

/// Expects that the check sees each of these mistakes, and says so in these words.
fn must_be_seen(number: u8, file: Option<&str>, check: &str, mistakes: &[(&[Edit], &str)]) {
    for (edits, words) in mistakes {
        match hold(number, file, check, edits) {
            Ok(()) => panic!("{check} does not see {edits:?}"),
            Err(failure) => assert!(failure.contains(words), "{edits:?}: {failure}"),
        }
    }
}

#[test]
#[ignore = "needs python3"]
fn in_python_commands_that_are_not_stopped_as_a_whole_are_caught() {
    let kill: Edit = ("os.killpg(process.pid, signal.SIGKILL)", "process.kill()");
    let silent: Edit = ("return b\"stopped\\n\"", "return b\"\"");
    let endless: Edit = ("timeout=TIME_LIMIT", "timeout=None");
    let file = Some("04-rexec/exercises/time_limit.py");
    must_be_seen(4, file, "time-limit", &[(&[silent], SILENCE), (&[endless], SILENCE)]);
    if cfg!(unix) {
        must_be_seen(4, file, "time-limit", &[(&[kill], "still runs after")]);
    }
}

#[test]
#[ignore = "needs python3"]
fn in_python_messages_whose_ends_are_not_found_are_caught() {
    hold(5, None, "delimiter", &[]).expect("it is right as it stands");
    let split: Edit = ("*messages, rest = (rest + data)", "messages = data.rstrip(b\"\\n\")");
    let lost: Edit = ("(rest + data)", "data");
    let shared: Edit = ("        rest = b\"\"\n        while", "        while");
    let tail: Edit =
        ("print(\"left\", flush=True)", "print('message: \"%s\"' % rest.decode(), flush=True)");
    let no_empty: Edit = ("for message in messages:", "for message in filter(None, messages):");
    must_be_seen(
        5,
        None,
        "delimiter",
        &[
            (&[split], "expected the message \"three\", and it wrote `message: \"th\"`"),
            (&[lost], "expected the message \"three\", and it wrote `message: \"ree\"`"),
            (&[shared], "and it wrote `message: \"not the end of a linenext\"`"),
            (&[tail], "and it wrote `message: \"not the end of a line\"`"),
            (&[no_empty], "no further line"),
        ],
    );
}

#[test]
#[ignore = "needs python3"]
fn in_python_frames_that_may_take_for_ever_are_caught() {
    let accept = "stream, peer_addr = listener.accept()  # waits for a client";
    let each_read = format!("{accept}\n        stream.settimeout(2)");
    must_be_seen(
        6,
        Some("06-struct-header/python/server.py"),
        "half-frame",
        &[(&[], "it is still open after"), (&[(accept, &each_read)], "it is still open after")],
    );
}

#[test]
#[ignore = "needs python3"]
fn in_python_lists_with_something_missing_or_too_much_are_caught() {
    let request = "            else:\n                raise ValueError(f\"unknown request";
    let list = |line: &str, which: &str| {
        format!(
            "            elif kind == \"list\":\n                import io, json\n                \
             paths = [path for path in root.iterdir() if {which}]\n                \
             lines = [json.dumps({line}) + \"\\n\" for path in paths]\n                \
             text = \"\".join(lines).encode()\n                \
             file = files.enter_context(tempfile.TemporaryFile())\n                \
             file.write(text); file.seek(0)\n                \
             fields, body = {{}}, [(file, len(text))]\n{request}"
        )
    };
    let file = Some("07-json-header/python/server.py");
    let entry = "{\"filename\": path.name, \"size\": path.stat().st_size}";
    let right = list(entry, "path.is_file()");
    hold(7, file, "list", &[(request, &right)]).expect("it is right");

    let expected = "expected no error, and for each of them a line of JSON";
    let folders = list(entry, "True");
    let no_sizes = list("{\"filename\": path.name}", "path.is_file()");
    let whole_paths = list(&entry.replace("path.name", "str(path)"), "path.is_file()");
    must_be_seen(
        7,
        file,
        "list",
        &[
            (&[], "unknown request 'list'"),
            (&[(request, &folders)], expected),
            (&[(request, &no_sizes)], expected),
            (&[(request, &whole_paths)], expected),
        ],
    );
}

#[test]
#[ignore = "needs python3"]
fn in_python_memories_that_are_too_short_or_too_long_are_caught() {
    let nine: Edit = ("REMEMBERED_LINES = 10", "REMEMBERED_LINES = 9");
    let all: Edit = ("REMEMBERED_LINES = 10", "REMEMBERED_LINES = None");
    let twice: Edit =
        ("writer.writelines(self.last_lines)", "writer.writelines([*self.last_lines] * 2)");
    must_be_seen(
        9,
        Some("09-chat-class/exercises/latecomers.py"),
        "latecomers",
        &[
            (&[nine], "line 3`, heard `"),
            (&[all], "line 3`, heard `"),
            (&[twice], "welcome`, heard `"),
            (&[("writer.writelines(self.last_lines)", "pass")], SILENCE),
        ],
    );
}
