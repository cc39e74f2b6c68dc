//! The messages, each with a way to have it come.
//!
//! A text is exact. What stands in braces is another one each time: `{N}` is a number, `{ADDR}` an address.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use anyhow::Result;
use conformance::{DEADLINE, Peer, Program};

use super::provoke::{
    NOBODY, Need, Scene, break_off, cargo_in, hear, serve_once, start, until_it_leaves,
};

/// Something that a reader can be told when it does not work.
pub struct Message {
    /// How the page calls it.
    pub name: &'static str,
    pub text: &'static str,
    /// The steps that say it; none if it is cargo that does, or a tool.
    pub steps: &'static [u8],
    pub needs: Option<Need>,
    /// Starts what says it.
    pub provoke: fn(&Scene) -> Result<Program>,
}

const ALL: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8, 9];
/// They run commands, so they listen on other addresses only when that is allowed.
const RUN_COMMANDS: &[u8] = &[4, 6, 7];
const CHAT: &[u8] = &[8, 9];

/// This address is reserved for documentation: no computer has it (RFC 5737).
const ELSEWHERE: &str = "192.0.2.1:9003";

/// The SHA-256 of no bytes at all.
const HASH_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Where the clients of step 07 put what they download.
const TO: &[&str] = &["--dir", "got"];

/// A message that can be provoked everywhere.
const fn message(
    name: &'static str,
    text: &'static str,
    steps: &'static [u8],
    provoke: fn(&Scene) -> Result<Program>,
) -> Message {
    Message { name, text, steps, needs: None, provoke }
}

/// A message that cannot be provoked everywhere.
const fn needing(
    need: Need,
    name: &'static str,
    text: &'static str,
    steps: &'static [u8],
    provoke: fn(&Scene) -> Result<Program>,
) -> Message {
    Message { name, text, steps, needs: Some(need), provoke }
}

/// All messages, in the order of the page.
pub const MESSAGES: &[Message] = &[
    // Nobody is there.
    message("refused", "error: {ADDR}: connection refused: start the server first", ALL, |scene| {
        scene.run(&["client", NOBODY], b"")
    }),
    message("refused-lines", "error: {ADDR}: Connection refused (os error {N})", &[3], |scene| {
        start(scene.example("lines", &["client", NOBODY]), b"")
    }),
    needing(
        Need::Unshare,
        "timed-out",
        "error: {ADDR}: Connection timed out (os error {N})",
        ALL,
        |scene| {
            // What is sent there comes back, and is dropped: nobody here has that address.
            let no_answer = "ip link set lo up && ip route add 192.0.2.1 dev lo && \
                             echo 1 >/proc/sys/net/ipv4/tcp_syn_retries && exec \"$0\" \"$@\"";
            start(scene.unshared("-n", no_answer, &["client", ELSEWHERE]), b"")
        },
    ),
    needing(
        Need::Unshare,
        "no-route",
        "error: {ADDR}: No route to host (os error {N})",
        ALL,
        |scene| {
            let no_route = "ip link set lo up && ip route add unreachable 192.0.2.1 && \
                            exec \"$0\" \"$@\"";
            start(scene.unshared("-n", no_route, &["client", ELSEWHERE]), b"")
        },
    ),
    needing(
        Need::Unshare,
        "no-network",
        "error: {ADDR}: Network is unreachable (os error {N})",
        ALL,
        |scene| start(scene.unshared("-n", "exec \"$0\" \"$@\"", &["client", ELSEWHERE]), b""),
    ),
    // The address.
    message(
        "in-use",
        "error: {ADDR}: address in use: stop the program that has it, or choose another port",
        ALL,
        |scene| {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            let addr = listener.local_addr()?.to_string();
            scene.keep(listener);
            scene.run(&["server", &addr], b"")
        },
    ),
    message(
        "no-address",
        "error: {ADDR}: invalid input parameter: an address looks like 127.0.0.1:{N}",
        ALL,
        |scene| scene.run(&["client", "localhost"], b""),
    ),
    needing(
        Need::Shell,
        "no-name",
        "error: {ADDR}: failed to lookup address information: {WHY}",
        ALL,
        |scene| scene.run(&["client", ":9003"], b""), // the empty name: nobody has to be asked
    ),
    message(
        "not-here",
        "error: {ADDR}: address not available: this computer has no such address",
        ALL,
        |scene| match scene.number() {
            Some(4 | 6 | 7) => scene.run(&["server", ELSEWHERE, "--allow-remote"], b""),
            _ => scene.run(&["server", ELSEWHERE], b""),
        },
    ),
    needing(
        Need::Unshare,
        "permission",
        "error: {ADDR}: permission denied: choose a port above 1023",
        ALL,
        |scene| {
            // Without this right, the administrator may not, either.
            let without = "ip link set lo up && \
                           exec setpriv --bounding-set=-net_bind_service \"$0\" \"$@\"";
            start(scene.unshared("-n", without, &["server", "127.0.0.1:80"]), b"")
        },
    ),
    message(
        "allow-remote",
        "error: {ADDR}: others could connect there and run any command here, as you; \
         say --allow-remote if that is what you want",
        RUN_COMMANDS,
        |scene| scene.run(&["server", "0.0.0.0:0"], b""),
    ),
    message(
        "warning",
        "WARNING: whoever can connect runs any command here, as you",
        RUN_COMMANDS,
        |scene| scene.run(&["server", "0.0.0.0:0", "--allow-remote"], b""),
    ),
    // The command line.
    message("usage", "Usage: {PROGRAM} <COMMAND>", ALL, |scene| scene.run(&[], b"")),
    message("subcommand", "error: unrecognized subcommand '{WORD}'", ALL, |scene| {
        scene.run(&["sever"], b"")
    }),
    message("argument", "error: unexpected argument '{WORD}' found", ALL, |scene| {
        scene.run(&["client", NOBODY, "hello", "again"], b"")
    }),
    message(
        "range",
        "error: invalid value '{VALUE}' for '{OPTION}': {N} is not in {RANGE}",
        &[5],
        |scene| scene.run(&["merge", "--read", "0"], b""),
    ),
    message(
        "seconds",
        "error: invalid value '{VALUE}' for '{OPTION}': a number of seconds above 0 is needed",
        &[7],
        |scene| scene.run(&["server", "--timeout", "soon"], b""),
    ),
    message(
        "no-value",
        "error: a value is required for '{OPTION}' but none was supplied",
        &[5, 7],
        |scene| match scene.number() {
            Some(5) => scene.run(&["merge", "--read"], b""),
            _ => scene.run(&["server", "--root"], b""),
        },
    ),
    message("root", "error: {FOLDER}: this folder cannot be served: {WHY}", &[7], |scene| {
        scene.run(&["server", "--root", "none"], b"")
    }),
    // The other side is gone.
    message(
        "server-closed",
        "error: {ADDR}: the server closed the connection",
        &[2, 3, 4, 6, 7, 8, 9],
        |scene| scene.client_of_one_that(&[], b"hello\n", |stream| hear(&stream)),
    ),
    message(
        "no-answer",
        "error: {ADDR}: the server closed the connection without an answer",
        &[1],
        |scene| scene.client_of_one_that(&[], b"", |stream| hear(&stream)),
    ),
    message(
        "reset",
        "error: {ADDR}: connection reset: the other side broke the connection off",
        &[1, 2, 3, 4, 6, 7],
        |scene| scene.client_of_one_that(&[], b"hello\n", break_off),
    ),
    needing(
        Need::Shell,
        "broken-pipe",
        "error: {ADDR}: broken pipe: nobody reads what it writes, or the other side is gone",
        ALL,
        |scene| {
            // Its output is a pipe whose reader has come and gone.
            let unread = "mkfifo pipe && { : <pipe & } && exec 4>pipe && wait && \
                          exec \"$0\" \"$@\" >&4 4>&-";
            start(scene.script(unread, &["server", "127.0.0.1:0"]), b"")
        },
    ),
    message("lost-reset", "{PEER} lost: connection reset", &[3, 5, 6, 7, 8, 9], |scene| {
        scene.server_of_one_who(Peer::reset)
    }),
    message("lost-os", "{PEER} lost: {WHY} (os error {N})", &[4], |scene| {
        scene.server_of_one_who(Peer::reset)
    }),
    needing(Need::Linux, "lost-pipe", "{PEER} lost: broken pipe", &[6, 7], |scene| {
        // It leaves while a long answer is on its way.
        let request = match scene.number() {
            Some(6) => framed(b"head -c 9000000 /dev/zero"),
            _ => framed(br#"{"request":"run","command":"head -c 9000000 /dev/zero"}"#),
        };
        scene.server_of_one_who(|mut peer| peer.send(&request))
    }),
    needing(
        Need::Unshare,
        "not-come",
        "error: {DEMO}: what was sent has not come after {TIME}",
        &[5],
        |scene| {
            // A network that has no room for a single packet.
            let lossy = "ip link set lo up && tc qdisc add dev lo root bfifo limit 1 && \
                         exec \"$0\" \"$@\"";
            start(scene.unshared("-n", lossy, &["udp"]), b"")
        },
    ),
    // What comes is not understood.
    message(
        "announced",
        "error: {ADDR}: a frame of {N} bytes was announced, at most {N} can be",
        &[6, 7],
        |scene| scene.client_of_one_that(&[], b"hello\n", |stream| answer(&stream, b"HELLO")),
    ),
    message(
        "lost-announced",
        "{PEER} lost: a frame of {N} bytes was announced, at most {N} can be",
        &[6, 7],
        |scene| scene.server_of_one_who(|mut peer| peer.send(b"hello")),
    ),
    message(
        "cut-off",
        "error: {ADDR}: the stream ended inside a frame: {N} of {N} bytes of its {PART} came",
        &[6, 7],
        |scene| {
            scene.client_of_one_that(&[], b"hello\n", |mut stream| {
                hear(&stream)?;
                stream.write_all(b"\0\0")
            })
        },
    ),
    message(
        "lost-cut-off",
        "{PEER} lost: the stream ended inside a frame: {N} of {N} bytes of its {PART} came",
        &[6, 7],
        |scene| scene.server_of_one_who(|mut peer| peer.send(b"\0\0")),
    ),
    message("header", "error: {ADDR}: the header is not understood: {WHY}", &[7], |scene| {
        let not_json = framed(b"hello\n");
        scene.client_of_one_that(&[], b"hello\n", move |stream| answer(&stream, &not_json))
    }),
    message(
        "lost-utf-8",
        "{PEER} lost: invalid utf-8 sequence of {N} bytes from index {N}",
        &[4, 6],
        |scene| {
            let command = b"echo caf\xe9 ";
            let request = match scene.number() {
                Some(6) => framed(command),
                _ => command.to_vec(),
            };
            scene.server_of_one_who(|mut peer| peer.send(&request))
        },
    ),
    message("lost-line", "{PEER} lost: a line of more than {N} bytes", &[3], |scene| {
        scene.lines_server_of_one_who_sends(&[b'x'; 5000])
    }),
    message("lost-line-utf-8", "{PEER} lost: stream did not contain valid UTF-8", &[3], |scene| {
        scene.lines_server_of_one_who_sends(b"caf\xe9\n")
    }),
    // Commands.
    message(
        "command-too-long",
        "error: a command has at most {N} bytes; this one was not sent",
        &[4, 6],
        |scene| {
            let len = if scene.number() == Some(4) { 1024 } else { 16 * 1024 * 1024 };
            let line = [&vec![b'x'; len + 1][..], b"\n"].concat();
            scene.client(&[], &[], &line)
        },
    ),
    needing(
        Need::Shell,
        "answer-too-long",
        "the answer has {N} bytes; at most 16 MiB can be sent",
        &[6],
        |scene| scene.client(&[], &[], b"head -c 16777217 /dev/zero\n"),
    ),
    message("cannot-run", "the command cannot be run: {WHY}", &[6], |scene| {
        scene.client(&[], &[], b"echo \0\n")
    }),
    message("error-cannot-run", "error: the command cannot be run: {WHY}", &[7], |scene| {
        scene.client(&[], &[], b"echo \0\n")
    }),
    message("lost-cannot-run", "{PEER} lost: nul byte found in provided data", &[4], |scene| {
        scene.server_of_one_who(|mut peer| peer.send(b"echo \0"))
    }),
    needing(
        Need::Shell,
        "no-temporary-file",
        "error: the command cannot be run: no temporary file for its output: {WHY}",
        &[7],
        |scene| {
            let server = scene.script("TMPDIR=none exec \"$0\" \"$@\"", &["server", "127.0.0.1:0"]);
            scene.client_of_server(server, &[], b"echo hello\n")
        },
    ),
    needing(
        Need::Shell,
        "too-slow",
        "error: the command ran longer than {N} s and was stopped",
        &[7],
        |scene| scene.client(&["--timeout", "0.1"], &[], b"sleep 20\n"),
    ),
    needing(
        Need::Shell,
        "cannot-be-stopped",
        "error: the command cannot be run: its time is up, and it cannot be stopped",
        &[7],
        |scene| {
            // A shell that is no guard: it waits, and does not kill.
            scene.put(
                "bin/sh",
                "#!/bin/sh\ncase $2 in trap*) exec cat; esac\nexec /bin/sh \"$@\"\n",
            )?;
            let cannot_kill = "chmod +x bin/sh && PATH=\"$PWD/bin:$PATH\" exec \"$0\" \"$@\"";
            let server = ["server", "127.0.0.1:0", "--timeout", "0.1"];
            scene.client_of_server(scene.script(cannot_kill, &server), &[], b"sleep 8\n")
        },
    ),
    needing(Need::Shell, "signal", "error: the command was ended by signal {N}", &[7], |scene| {
        scene.client(&[], &[], b"kill -9 $$\n")
    }),
    message("status", "exit status {N}", &[7], |scene| scene.client(&[], &[], b"exit 3\n")),
    message("request-utf-8", "error: a request is UTF-8; this one was not sent", &[7], |scene| {
        scene.client(&[], &[], b"caf\xe9\n")
    }),
    message(
        "request-too-long",
        "error: a request has at most {N} bytes; this one was not sent",
        &[7],
        |scene| {
            let line = [&[b'x'; 65536][..], b"\n"].concat();
            scene.client(&[], &[], &line)
        },
    ),
    // Downloads: nothing was asked for, or nothing was sent.
    message("which-file", "error: say which file: get FILE", &[7], |scene| {
        scene.client(&[], &[], b"get\n")
    }),
    message("file-name", "error: {NAME} cannot be a file name on every system", &[7], |scene| {
        scene.client(&[], TO, b"get CON\n")
    }),
    message("folder", "error: {NAME} is a folder here", &[7], |scene| {
        scene.put("got/poem.txt/", "")?;
        scene.client(&[], TO, b"get poem.txt\n")
    }),
    message("exists", "error: {NAME} exists; --force overwrites it", &[7], |scene| {
        scene.put("got/poem.txt", "")?;
        scene.client(&[], TO, b"get poem.txt\n")
    }),
    message("no-file-made", "error: no file can be made in {FOLDER}: {WHY}", &[7], |scene| {
        scene.put("got", "a file")?;
        scene.client(&[], TO, b"get poem.txt\n")
    }),
    message("no-file", "error: {FILE}: no file has this name", &[7], |scene| {
        scene.client(&[], TO, b"get poem.txt\n")
    }),
    message("outside", "error: {FILE}: it is outside the folder that is served", &[7], |scene| {
        scene.client(&[], TO, b"get ../poem.txt\n")
    }),
    message("not-a-file", "error: {FILE}: it is not a file", &[7], |scene| {
        scene.put("poems/", "")?;
        scene.client(&[], TO, b"get poems\n")
    }),
    needing(Need::Linux, "unreadable", "error: {FILE}: permission denied", &[7], |scene| {
        // Without these rights, the administrator may not read it, either.
        let without = "echo private >private && chmod 000 private && if [ \"$(id -u)\" = 0 ]; then \
                       set -- \"$0\" \"$@\" && \
                       exec setpriv --bounding-set=-dac_override,-dac_read_search \"$@\"; fi; \
                       exec \"$0\" \"$@\"";
        let server = scene.script(without, &["server", "127.0.0.1:0"]);
        scene.client_of_server(server, TO, b"get private\n")
    }),
    // Downloads: what came is not the file.
    message(
        "download-closed",
        "error: {ADDR}: {NAME}: the server closed the connection",
        &[7],
        |scene| scene.client_of_one_that(TO, b"get poem.txt\n", |stream| hear(&stream)),
    ),
    message(
        "download-ended",
        "error: {ADDR}: {NAME}: the connection ended after {N} of {N} bytes",
        &[7],
        |scene| download(scene, Some("poem.txt"), Some(HASH_OF_NOTHING), 9, None),
    ),
    message("ended", "error: {ADDR}: the connection ended after {N} of {N} bytes", &[7], |scene| {
        let cut = [framed(br#"{"size":9}"#), b"he".to_vec()].concat();
        scene.client_of_one_that(&[], b"hello\n", move |mut stream| {
            hear(&stream)?;
            stream.write_all(&cut)
        })
    }),
    message("hash", "error: {NAME}: its hash is {HASH}, but should be {HASH}", &[7], |scene| {
        download(scene, Some("poem.txt"), Some(HASH_OF_NOTHING), 2, None)
    }),
    message(
        "no-hash",
        "error: {ADDR}: {NAME}: the server did not say its hash, so it cannot be checked",
        &[7],
        |scene| download(scene, Some("poem.txt"), None, 2, None),
    ),
    message("nameless", "error: {ADDR}: {NAME}: the server did not say its name", &[7], |scene| {
        download(scene, None, None, 2, None)
    }),
    message(
        "other-name",
        "error: {ADDR}: {NAME}: the server calls it \"{OTHER}\"",
        &[7],
        |scene| download(scene, Some("novel.txt"), None, 2, None),
    ),
    message(
        "body-and-error",
        "error: {ADDR}: {NAME}: the server sent {N} bytes with the error: {WHY}",
        &[7],
        |scene| download(scene, Some("poem.txt"), None, 2, Some("it is raining")),
    ),
    message("by-now", "error: {NAME}: it exists by now; --force overwrites it", &[7], |scene| {
        let path = scene.folder().join("got/poem.txt");
        let whole = framed(&header(Some("poem.txt"), Some(HASH_OF_NOTHING), 0, None));
        scene.client_of_one_that(TO, b"get poem.txt\n", move |stream| {
            hear(&stream)?;
            fs::write(&path, "somebody else's")?;
            send(&stream, &whole)
        })
    }),
    needing(Need::Unshare, "disk-full", "error: {NAME}: no storage space", &[7], |scene| {
        let body = vec![b'x'; 100_000];
        let header = framed(&header(Some("poem.txt"), Some(HASH_OF_NOTHING), body.len(), None));
        let addr = serve_once(move |stream| answer(&stream, &[header, body].concat()))?;
        let small_disk = "mkdir got && mount -t tmpfs -o size=16k none got && exec \"$0\" \"$@\"";
        let arguments = ["client", &addr.to_string(), "--dir", "got"];
        start(scene.unshared("-m", small_disk, &arguments), b"get poem.txt\n")
    }),
    message(
        "shorter",
        "{PEER} lost: the file became shorter: {N} of {N} bytes were still there",
        &[7],
        |scene| {
            const SIZE: u64 = 64 * 1024 * 1024; // more than the buffers between two programs hold
            let path = scene.folder().join("big");
            fs::File::create(&path)?.set_len(SIZE)?;
            let (server, addr) = scene.server(&[])?;
            let mut stream = TcpStream::connect(addr)?;
            stream.set_read_timeout(Some(DEADLINE))?;
            stream.write_all(&framed(br#"{"request":"get","filename":"big"}"#))?;
            stream.read_exact(&mut [0; 1000])?; // the answer has begun, so the file was hashed before
            fs::File::options().write(true).open(&path)?.set_len(1000)?;
            until_it_leaves(&stream)?;
            Ok(server)
        },
    ),
    // The chat.
    message(
        "line-not-sent",
        "error: a line has at most {N} bytes; this one was not sent",
        CHAT,
        |scene| {
            let line = [&[b'x'; 5000][..], b"\n"].concat();
            scene.client(&[], &[], &line)
        },
    ),
    message("line-too-long", "error: a line has at most {N} bytes", CHAT, |scene| {
        let (server, addr) = scene.server(&[])?;
        scene.keep(server);
        let line = [&[b'x'; 5000][..], b"\n"].concat();
        // As `nc` does, this client sends what it gets. It shows one line for each, and in step 09 the
        // first is that it has joined.
        start(scene.example("lines", &["client", &addr.to_string()]), &line.repeat(2))
    }),
    message("line-utf-8", "error: a line must be UTF-8", CHAT, |scene| {
        scene.client(&[], &[], b"caf\xe9\n")
    }),
    message("line-control", "error: a line must not have control characters", CHAT, |scene| {
        scene.client(&[], &[], b"\x1b[2J\n")
    }),
    message(
        "cannot-be-shown",
        "error: a line from the server cannot be shown: {WHY}",
        CHAT,
        |scene| scene.client_of_one_that(&[], b"", |stream| send(&stream, b"caf\xe9\n")),
    ),
    needing(Need::Shell, "cannot-accept", "cannot accept clients for now: {WHY}", &[8], crowd),
    needing(
        Need::Shell,
        "warn-cannot-accept",
        "{TIME}  WARN cannot accept clients for now: {WHY}",
        &[9],
        crowd,
    ),
    message(
        "dropped",
        "{TIME}  WARN {PEER} dropped: it does not read, {N} bytes wait",
        &[9],
        |scene| {
            // It says much, and does not even read its own words.
            scene.server_of_one_who(|mut peer| {
                let line = [&[b'x'; 4000][..], b"\n"].concat();
                while peer.send(&line).is_ok() {}
                Ok(())
            })
        },
    ),
    message("not-closed", "{TIME}  INFO clients that did not close in time: {N}", &[9], |scene| {
        let (mut server, addr) = scene.server(&[])?;
        scene.keep(Peer::connect(addr)?);
        server.expect_later("… joined", |line| line.ends_with(" joined"))?;
        server.type_line("quit")?;
        Ok(server)
    }),
    // The tap.
    message(
        "tap-unreachable",
        "{TIME}  #{N}  closed: the server cannot be reached: {WHY}",
        &[],
        |scene| {
            let (tap, addr) = scene.tap(&["--to", NOBODY])?;
            scene.keep(Peer::connect(addr)?);
            Ok(tap)
        },
    ),
    message(
        "tap-remote",
        "error: {OPTION} {ADDR}: that is not this computer alone; \
         say --allow-remote if that is what you want",
        &[],
        |scene| scene.run(&["tap", "--listen", "127.0.0.1:0", "--to", ELSEWHERE], b""),
    ),
    // Cargo.
    message(
        "no-manifest",
        "error: could not find `Cargo.toml` in `{FOLDER}` or any parent directory",
        &[],
        |scene| cargo_in(scene.folder(), &["run", "-p", "step-03-conn-loop"]),
    ),
    message("no-xtask", "error: no such command: `{NAME}`", &[], |scene| {
        cargo_in(scene.folder(), &["xtask"])
    }),
    message(
        "no-package",
        "error: package{…} `{NAME}` {…}", // each version of cargo has other words
        &[],
        |scene| cargo_in(scene.root, &["run", "-p", "step-03"]),
    ),
    message(
        "old-rust",
        "error: rustc {VERSION} is not supported by the following package{MORE}",
        &[],
        |scene| {
            scene.put_package("rust-version = \"1.999\"\n")?;
            cargo_in(scene.folder(), &["build", "--offline"])
        },
    ),
    message("blocking", "Blocking waiting for file lock on {WHAT}", &[], |scene| {
        scene.put_package("")?;
        scene.put("target/debug/", "")?;
        let lock = fs::File::create(scene.folder().join("target/debug/.cargo-lock"))?;
        fs4::FileExt::lock(&lock)?;
        scene.keep(lock);
        cargo_in(scene.folder(), &["build", "--offline"])
    }),
];

/// A frame with this payload.
fn framed(payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    [&len.to_be_bytes(), payload].concat()
}

/// The header of an answer of step 07.
fn header(name: Option<&str>, hash: Option<&str>, size: usize, error: Option<&str>) -> Vec<u8> {
    let header = serde_json::json!({
        "filename": name, "hash": hash, "size": size, "status": null, "error": error,
    });
    header.to_string().into_bytes()
}

/// Sends this, and waits until the client has left.
fn send(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes)?;
    until_it_leaves(stream)
}

/// Waits for a request, and answers with this.
fn answer(stream: &TcpStream, bytes: &[u8]) -> io::Result<()> {
    hear(stream)?;
    send(stream, bytes)
}

/// A client of step 07 downloads `poem.txt` from a server that sends this header, two bytes, and its end.
fn download(
    scene: &Scene,
    name: Option<&str>,
    hash: Option<&str>,
    size: usize,
    error: Option<&str>,
) -> Result<Program> {
    let bytes = [framed(&header(name, hash, size, error)), b"he".to_vec()].concat();
    scene.client_of_one_that(TO, b"get poem.txt\n", move |mut stream| {
        hear(&stream)?;
        stream.write_all(&bytes)
    })
}

/// A server of the chat that may have few connections, and many who want one.
fn crowd(scene: &Scene) -> Result<Program> {
    let limited = "ulimit -n 20 && exec \"$0\" \"$@\"";
    let (server, addr) = Program::start_server(scene.script(limited, &["server", "127.0.0.1:0"]))?;
    for _ in 0..30 {
        scene.keep(Peer::connect(addr)?);
    }
    Ok(server)
}
