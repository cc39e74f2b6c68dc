//! A way to provoke each message.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use anyhow::Result;
use conformance::check::server_options;
use conformance::{DEADLINE, Peer, Program};

use crate::messages::scene::{
    NOBODY, Need, Scene, break_off, cargo_in, hear, serve_once, start, until_it_leaves,
};

/// A way to provoke a message.
pub struct Provocation {
    /// The message's name.
    pub name: &'static str,
    /// What it cannot be done without.
    pub needs: Option<Need>,
    /// How it is provoked.
    pub provoke: Provoke,
}

/// How a message is provoked.
pub enum Provoke {
    /// By what this starts.
    Start(fn(&Scene) -> Result<Program>),
    /// By this Python program, in which `a` and `b` are two connected sockets.
    Python(&'static str),
}

impl Provoke {
    /// Starts what prints the message.
    pub fn start(&self, scene: &Scene) -> Result<Program> {
        match self {
            Self::Start(provoke) => provoke(scene),
            Self::Python(program) => {
                let program =
                    format!("import json, socket, struct\na, b = socket.socketpair()\n{program}\n");
                scene.put("program.py", &program)?;
                let mut python = scene.python();
                python.arg("program.py");
                let mut program = start(python, b"")?;
                program.end_input();
                Ok(program)
            }
        }
    }
}

/// This address is reserved for documentation: no computer has it (RFC 5737).
const ELSEWHERE: &str = "192.0.2.1:9003";

/// The SHA-256 of no bytes at all.
const HASH_OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Where the clients of step 07 put what they download.
const TO: &[&str] = &["--dir", "got"];

/// A client of step 07 that does not wait long.
const IMPATIENT: &[&str] = &["--dir", "got", "--idle-timeout", "0.2"];

/// A message that can be provoked everywhere.
const fn message(name: &'static str, provoke: fn(&Scene) -> Result<Program>) -> Provocation {
    Provocation { name, needs: None, provoke: Provoke::Start(provoke) }
}

/// A message that cannot be provoked everywhere.
const fn needing(
    need: Need,
    name: &'static str,
    provoke: fn(&Scene) -> Result<Program>,
) -> Provocation {
    Provocation { name, needs: Some(need), provoke: Provoke::Start(provoke) }
}

/// One for each message, in the order of the page.
pub const PROVOCATIONS: &[Provocation] = &[
    // No server is there.
    message("refused", refused),
    message("refused-lines", |scene| start(scene.example("lines", &["client", NOBODY]), b"")),
    needing(Need::Unshare, "timed-out", |scene| {
        // What is sent there is sent back, and dropped: no interface here has that address.
        let no_answer = "ip link set lo up && ip route add 192.0.2.1 dev lo && \
                             echo 1 >/proc/sys/net/ipv4/tcp_syn_retries && exec \"$0\" \"$@\"";
        start(scene.unshared("-n", no_answer, &["client", ELSEWHERE]), b"")
    }),
    message("no-answer-in-time", |scene| {
        if scene.number() == Some(7) {
            return scene
                .client_of_one_that(IMPATIENT, b"hello\n", |stream| until_it_leaves(&stream));
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let addr = listener.local_addr()?.to_string();
        scene.keep(listener); // it never accepts
        start(scene.example("timeouts", &[&addr]), b"")
    }),
    needing(Need::Unshare, "no-route", |scene| {
        let no_route = "ip link set lo up && ip route add unreachable 192.0.2.1 && \
                            exec \"$0\" \"$@\"";
        start(scene.unshared("-n", no_route, &["client", ELSEWHERE]), b"")
    }),
    needing(Need::Unshare, "no-network", |scene| {
        start(scene.unshared("-n", "exec \"$0\" \"$@\"", &["client", ELSEWHERE]), b"")
    }),
    // The address.
    message("in-use", in_use),
    message("no-address", |scene| scene.run(&["client", "localhost"], b"")),
    needing(
        Need::Shell,
        "no-name",
        |scene| scene.run(&["client", ":9003"], b""), // the empty name: no resolver has to be asked
    ),
    message("not-here", |scene| match scene.number() {
        Some(4 | 6 | 7) => scene.run(&["server", ELSEWHERE, "--allow-remote"], b""),
        _ => scene.run(&["server", ELSEWHERE], b""),
    }),
    needing(Need::Unshare, "permission", |scene| {
        // Without this right, the administrator may not, either.
        let without = "ip link set lo up && \
                           exec setpriv --bounding-set=-net_bind_service \"$0\" \"$@\"";
        start(scene.unshared("-n", without, &["server", "127.0.0.1:80"]), b"")
    }),
    message("allow-remote", |scene| scene.run(&["server", "0.0.0.0:0"], b"")),
    message("warning", |scene| scene.run(&["server", "0.0.0.0:0", "--allow-remote"], b"")),
    message("warning-loopback", |scene| scene.run(&["server", "127.0.0.1:0"], b"")),
    // The command line.
    message("usage", |scene| scene.run(&[], b"")),
    message("subcommand", |scene| scene.run(&["sever"], b"")),
    message("argument", |scene| scene.run(&["client", NOBODY, "hello", "again"], b"")),
    message("range", |scene| scene.run(&["merge", "--read", "0"], b"")),
    message("seconds", |scene| scene.run(&["server", "--timeout", "soon"], b"")),
    message("no-value", |scene| match scene.number() {
        Some(5) => scene.run(&["merge", "--read"], b""),
        Some(8..=10) => scene.run(&["server", "--max-clients"], b""),
        _ => scene.run(&["server", "--root"], b""),
    }),
    message("root", |scene| scene.run(&["server", "--root", "none"], b"")),
    // The other side is gone.
    message("server-closed", |scene| {
        scene.client_of_one_that(&[], b"hello\n", |stream| hear(&stream))
    }),
    message("no-answer", |scene| scene.client_of_one_that(&[], b"", |stream| hear(&stream))),
    message("reset", |scene| scene.client_of_one_that(&[], b"hello\n", break_off)),
    needing(Need::Shell, "broken-pipe", |scene| {
        // Its output is a pipe whose reader has left.
        let unread = "mkfifo pipe && { : <pipe & } && exec 4>pipe && wait && \
                          exec \"$0\" \"$@\" >&4 4>&-";
        start(scene.script(unread, &["server", "127.0.0.1:0"]), b"")
    }),
    message("lost-reset", |scene| scene.server_of_one_who(Peer::reset)),
    message("lost-os", |scene| scene.server_of_one_who(Peer::reset)),
    needing(Need::Linux, "lost-pipe", |scene| {
        // It leaves while a long answer is on its way.
        let request = match scene.number() {
            Some(6) => framed(b"head -c 9000000 /dev/zero"),
            _ => framed(br#"{"request":"run","command":"head -c 9000000 /dev/zero"}"#),
        };
        scene.server_of_one_who(|mut peer| peer.send(&request))
    }),
    needing(Need::Unshare, "not-come", |scene| {
        // A network that has no room for a single packet.
        let lossy = "ip link set lo up && tc qdisc add dev lo root bfifo limit 1 && \
                         exec \"$0\" \"$@\"";
        start(scene.unshared("-n", lossy, &["udp"]), b"")
    }),
    // What arrives is not understood.
    message("announced", |scene| {
        scene.client_of_one_that(&[], b"hello\n", |stream| answer(&stream, b"HELLO"))
    }),
    message("body-announced", |scene| {
        let header = framed(br#"{"size":16777217}"#);
        let addr = serve_once(move |stream| answer(&stream, &header))?;
        start(scene.example("commands", &["client", &addr.to_string()]), b"hello\n")
    }),
    message("lost-announced", |scene| scene.server_of_one_who(|mut peer| peer.send(b"hello"))),
    message("cut-off", |scene| {
        scene.client_of_one_that(&[], b"hello\n", |mut stream| {
            hear(&stream)?;
            stream.write_all(b"\0\0")
        })
    }),
    message("lost-cut-off", |scene| scene.server_of_one_who(|mut peer| peer.send(b"\0\0"))),
    message("header", |scene| {
        let not_json = framed(b"hello\n");
        scene.client_of_one_that(&[], b"hello\n", move |stream| answer(&stream, &not_json))
    }),
    message("lost-utf-8", |scene| {
        let command = b"echo caf\xe9 ";
        let request = match scene.number() {
            Some(6) => framed(command),
            _ => command.to_vec(),
        };
        scene.server_of_one_who(|mut peer| peer.send(&request))
    }),
    message("lost-http", |scene| {
        scene.server_of_one_who(|mut peer| peer.send(b"GET /;id; HTTP/1.1\r\n\r\n"))
    }),
    message("lost-control", |scene| scene.server_of_one_who(|mut peer| peer.send(b"echo\thello"))),
    message("lost-too-long", |scene| scene.server_of_one_who(|mut peer| peer.send(&[b'x'; 1025]))),
    message("lost-line", |scene| scene.lines_server_of_one_who_sends(&[b'x'; 5000])),
    message("lost-line-utf-8", |scene| scene.lines_server_of_one_who_sends(b"caf\xe9\n")),
    // Commands.
    message("command-too-long", |scene| {
        let len = if scene.number() == Some(4) { 1024 } else { 16 * 1024 * 1024 };
        let line = [&vec![b'x'; len + 1][..], b"\n"].concat();
        scene.client(&[], &[], &line)
    }),
    needing(Need::Shell, "answer-too-long", |scene| {
        scene.client(&[], &[], b"head -c 16777217 /dev/zero\n")
    }),
    message("cannot-run", |scene| scene.client(&[], &[], b"echo \0\n")),
    message("error-cannot-run", |scene| scene.client(&[], &[], b"echo \0\n")),
    needing(Need::Shell, "no-temporary-file", |scene| {
        let server = scene.script("TMPDIR=none exec \"$0\" \"$@\"", &["server", "127.0.0.1:0"]);
        scene.client_of_server(server, &[], b"echo hello\n")
    }),
    needing(Need::Shell, "too-slow", |scene| {
        scene.client(&["--timeout", "0.1"], &[], b"sleep 20\n")
    }),
    needing(Need::Shell, "too-much-output", |scene| scene.client(&[], &[], b"yes\n")),
    needing(Need::Shell, "cannot-be-stopped", |scene| {
        // A shell that is no guard: it waits, and does not kill.
        scene
            .put("bin/sh", "#!/bin/sh\ncase $2 in trap*) exec cat; esac\nexec /bin/sh \"$@\"\n")?;
        let cannot_kill = "chmod +x bin/sh && PATH=\"$PWD/bin:$PATH\" exec \"$0\" \"$@\"";
        let server = ["server", "127.0.0.1:0", "--timeout", "0.1"];
        scene.client_of_server(scene.script(cannot_kill, &server), &[], b"sleep 8\n")
    }),
    needing(Need::Shell, "signal", |scene| scene.client(&[], &[], b"kill -9 $$\n")),
    message("status", |scene| scene.client(&[], &[], b"exit 3\n")),
    message("request-utf-8", |scene| scene.client(&[], &[], b"caf\xe9\n")),
    message("request-too-long", |scene| {
        let line = [&[b'x'; 65536][..], b"\n"].concat();
        scene.client(&[], &[], &line)
    }),
    // Downloads: nothing was asked for, or nothing was sent.
    message("which-file", |scene| scene.client(&[], &[], b"get\n")),
    message("file-name", |scene| scene.client(&[], TO, b"get CON\n")),
    message("folder", |scene| {
        scene.put("got/poem.txt/", "")?;
        scene.client(&[], TO, b"get poem.txt\n")
    }),
    message("exists", |scene| {
        scene.put("got/poem.txt", "")?;
        scene.client(&[], TO, b"get poem.txt\n")
    }),
    message("no-file-made", |scene| {
        scene.put("got", "a file")?;
        scene.client(&[], TO, b"get poem.txt\n")
    }),
    message("no-file", |scene| scene.client(&[], TO, b"get poem.txt\n")),
    message("outside", |scene| scene.client(&[], TO, b"get ../poem.txt\n")),
    message("not-a-file", |scene| {
        scene.put("poems/", "")?;
        scene.client(&[], TO, b"get poems\n")
    }),
    needing(Need::Linux, "unreadable", |scene| {
        // Without these rights, the administrator may not read it, either.
        let without = "echo private >private && chmod 000 private && if [ \"$(id -u)\" = 0 ]; then \
                       set -- \"$0\" \"$@\" && \
                       exec setpriv --bounding-set=-dac_override,-dac_read_search \"$@\"; fi; \
                       exec \"$0\" \"$@\"";
        let server = scene.script(without, &["server", "127.0.0.1:0"]);
        scene.client_of_server(server, TO, b"get private\n")
    }),
    // Downloads: what arrived is not the file.
    message("download-closed", |scene| {
        scene.client_of_one_that(TO, b"get poem.txt\n", |stream| hear(&stream))
    }),
    message("download-ended", |scene| {
        download(scene, Some("poem.txt"), Some(HASH_OF_NOTHING), 9, None)
    }),
    message("stopped-sending", |scene| {
        let header = framed(&header(Some("poem.txt"), Some(HASH_OF_NOTHING), 9, None));
        scene.client_of_one_that(IMPATIENT, b"get poem.txt\n", move |stream| {
            answer(&stream, &header)
        })
    }),
    message("ended", |scene| {
        let cut = [framed(br#"{"size":9}"#), b"he".to_vec()].concat();
        scene.client_of_one_that(&[], b"hello\n", move |mut stream| {
            hear(&stream)?;
            stream.write_all(&cut)
        })
    }),
    message("hash", |scene| download(scene, Some("poem.txt"), Some(HASH_OF_NOTHING), 2, None)),
    message("no-hash", |scene| download(scene, Some("poem.txt"), None, 2, None)),
    message("nameless", |scene| download(scene, None, None, 2, None)),
    message("other-name", |scene| download(scene, Some("novel.txt"), None, 2, None)),
    message("body-and-error", |scene| {
        download(scene, Some("poem.txt"), None, 2, Some("it is raining"))
    }),
    message("by-now", |scene| {
        let path = scene.folder().join("got/poem.txt");
        let whole = framed(&header(Some("poem.txt"), Some(HASH_OF_NOTHING), 0, None));
        scene.client_of_one_that(TO, b"get poem.txt\n", move |stream| {
            hear(&stream)?;
            fs::write(&path, "somebody else's")?;
            send(&stream, &whole)
        })
    }),
    message("too-large", |scene| {
        let most = 4 * 1024 * 1024 * 1024;
        download(scene, Some("poem.txt"), Some(HASH_OF_NOTHING), most + 1, None)
    }),
    needing(Need::Unshare, "disk-full", |scene| {
        let body = vec![b'x'; 100_000];
        let header = framed(&header(Some("poem.txt"), Some(HASH_OF_NOTHING), body.len(), None));
        let addr = serve_once(move |stream| answer(&stream, &[header, body].concat()))?;
        let small_disk = "mkdir got && mount -t tmpfs -o size=16k none got && exec \"$0\" \"$@\"";
        let arguments = ["client", &addr.to_string(), "--dir", "got"];
        start(scene.unshared("-m", small_disk, &arguments), b"get poem.txt\n")
    }),
    message("shorter", shorter),
    // The chat.
    message("line-not-sent", |scene| {
        let line = [&[b'x'; 5000][..], b"\n"].concat();
        scene.client(&[], &[], &line)
    }),
    message("line-too-long", |scene| {
        let (server, addr) = scene.server(&[])?;
        scene.keep(server);
        let line = [&[b'x'; 5000][..], b"\n"].concat();
        // As `nc` does, this client sends what it gets. It prints one line for each, and from step 09 on
        // the first one announces the client itself.
        start(scene.example("lines", &["client", &addr.to_string()]), &line.repeat(2))
    }),
    message("line-utf-8", |scene| scene.client(&[], &[], b"caf\xe9\n")),
    message("line-control", |scene| scene.client(&[], &[], b"\x1b[2J\n")),
    message("cannot-be-shown", |scene| {
        scene.client_of_one_that(&[], b"", |stream| send(&stream, b"caf\xe9\n"))
    }),
    message("room-full", |scene| scene.client(&["--max-clients", "0"], &[], b"")),
    message("turned-away", full_room),
    message("warn-turned-away", full_room),
    needing(Need::Shell, "cannot-accept", crowd),
    needing(Need::Shell, "warn-cannot-accept", crowd),
    message("dropped", one_does_not_read),
    message("dropped-loudest", one_does_not_read),
    message("kicked", |scene| {
        let (server, client) = kick(scene)?;
        scene.keep(client);
        Ok(server)
    }),
    message("removed", |scene| {
        let (server, client) = kick(scene)?;
        scene.keep(server);
        Ok(client)
    }),
    message("no-such-client", |scene| {
        let (mut server, _) = scene.server(&[])?;
        server.type_line("kick 127.0.0.1:1")?;
        Ok(server)
    }),
    message("what-to-kick", |scene| {
        let (mut server, _) = scene.server(&[])?;
        server.type_line("kick bob")?;
        Ok(server)
    }),
    message("not-closed", |scene| {
        let (mut server, addr) = scene.server(&[])?;
        scene.keep(Peer::connect(addr)?);
        server.expect_later("… joined", |line| line.ends_with(" joined"))?;
        server.type_line("quit")?;
        Ok(server)
    }),
    // The tap.
    message("tap-unreachable", |scene| {
        let (tap, addr) = scene.tap(&["--to", NOBODY])?;
        scene.keep(Peer::connect(addr)?);
        Ok(tap)
    }),
    message("tap-remote", |scene| {
        scene.run(&["tap", "--listen", "127.0.0.1:0", "--to", ELSEWHERE], b"")
    }),
    // Python, in the twins.
    needing(Need::UnixPython, "twin-refused", refused),
    needing(Need::UnixPython, "twin-in-use", in_use),
    needing(Need::Linux, "twin-not-here", |scene| scene.run(&["server", ELSEWHERE], b"")),
    message("twin-allow-remote", |scene| scene.run(&["server", "0.0.0.0:0"], b"")),
    message("twin-port", |scene| scene.run(&["client", "127.0.0.1:http"], b"")),
    message("twin-server-closed", |scene| {
        scene.client_of_one_that(&[], b"hello\n", |stream| hear(&stream))
    }),
    message("twin-no-answer", |scene| scene.client_of_one_that(&[], b"", |stream| hear(&stream))),
    needing(Need::UnixPython, "twin-reset", |scene| {
        scene.client_of_one_that(&[], b"hello\n", break_off)
    }),
    needing(Need::Linux, "twin-lost-reset", |scene| scene.server_of_one_who(Peer::reset)),
    needing(Need::Linux, "twin-lost-chat", |scene| scene.server_of_one_who(Peer::reset)),
    message("twin-announced", |scene| {
        scene.client_of_one_that(&[], b"hello\n", |stream| answer(&stream, b"HELLO"))
    }),
    message("twin-cut-off", |scene| {
        scene.client_of_one_that(&[], b"hello\n", |mut stream| {
            hear(&stream)?;
            stream.write_all(b"\0\0")
        })
    }),
    message("twin-lost-utf-8", |scene| {
        let command = b"echo caf\xe9 ";
        let request = if scene.number() == Some(6) { framed(command) } else { command.to_vec() };
        scene.server_of_one_who(|mut peer| peer.send(&request))
    }),
    needing(Need::Linux, "twin-shorter", shorter),
    message("twin-demo", |scene| scene.run(&["demo", "cut"], b"")),
    message("twin-seconds", |scene| {
        scene.run(&["server", "127.0.0.1:0", "--timeout", "soon"], b"")
    }),
    // Python, in programs of your own.
    python("python-str-port", "socket.socket().bind(('127.0.0.1', '9003'))"),
    python("python-bytes", "a.sendall('hello')"),
    python("python-concat", "b'hello' + '\\n'"),
    python("python-concat-str", "a.sendall(b'hello'); print('got ' + b.recv(1024))"),
    python("python-struct", "a.sendall(b'\\0\\0'); struct.unpack('!I', b.recv(4))"),
    python("python-half-character", "a.sendall('中文'.encode()); b.recv(5).decode()"),
    python("python-second-half", "a.sendall('中文'.encode()); b.recv(5); b.recv(5).decode()"),
    python("python-gbk", "'中'.encode().decode('gbk')"),
    python("python-json-two", "a.sendall(b'{}'); a.sendall(b'{}'); json.loads(b.recv(4))"),
    python("python-json-nothing", "a.close(); json.loads(b.recv(1024))"),
    python("python-json-half", "a.sendall(b'{\"name\": \"Bob\"}'); json.loads(b.recv(12))"),
    unix_python(
        "python-reset",
        // It closes while something lies in it unread.
        "server = socket.create_server(('127.0.0.1', 0)); \
         client = socket.create_connection(server.getsockname()); \
         peer, _ = server.accept(); client.sendall(b'hello'); peer.recv(1); peer.close(); \
         client.recv(1024)",
    ),
    unix_python("python-refused", "socket.create_connection(('127.0.0.1', 1))"),
    unix_python(
        "python-in-use",
        "server = socket.create_server(('127.0.0.1', 0)); \
         socket.create_server(server.getsockname())",
    ),
    python("python-port", "int('http')"),
    unix_python("python-pipe", "b.close(); a.sendall(b'hello')"),
    python("python-timeout", "a.settimeout(0.01); a.recv(1024)"),
    unix_python("python-would-block", "a.setblocking(False); a.recv(1024)"),
    unix_python("python-closed", "a.close(); a.recv(1024)"),
    unix_python("python-name", "socket.create_connection(('', 'no-such-service'))"),
    python("python-end-of-input", "input('> ')"),
    // Rust, in programs of your own.
    message("rust-unwrap", |scene| {
        rust(scene, &format!("std::net::TcpStream::connect({NOBODY:?})"))
    }),
    message("rust-half", |scene| {
        rust(scene, "std::io::Read::read_exact(&mut &b\"\\0\\0\"[..], &mut [0; 4])")
    }),
    message("rust-half-character", |scene| {
        rust(scene, "std::str::from_utf8(&\"中文\".as_bytes()[..5])")
    }),
    // Cargo.
    message("no-manifest", |scene| cargo_in(scene.folder(), &["run", "-p", "step-03-conn-loop"])),
    message("no-xtask", |scene| cargo_in(scene.folder(), &["xtask"])),
    message("no-package", |scene| cargo_in(scene.root, &["run", "-p", "step-03"])),
    message("old-rust", |scene| {
        scene.put_package("rust-version = \"1.999\"\n")?;
        cargo_in(scene.folder(), &["build", "--offline"])
    }),
    message("blocking", |scene| {
        scene.put_package("")?;
        scene.put("target/debug/", "")?;
        let lock = fs::File::create(scene.folder().join("target/debug/.cargo-lock"))?;
        fs4::FileExt::lock(&lock)?;
        scene.keep(lock);
        cargo_in(scene.folder(), &["build", "--offline"])
    }),
];

/// What Python prints at the end of this program, in which `a` and `b` are two connected sockets.
const fn python(name: &'static str, program: &'static str) -> Provocation {
    Provocation { name, needs: Some(Need::Python), provoke: Provoke::Python(program) }
}

/// As `python`, but not on Windows, which has texts of its own.
const fn unix_python(name: &'static str, program: &'static str) -> Provocation {
    Provocation { name, needs: Some(Need::UnixPython), provoke: Provoke::Python(program) }
}

/// A client without a server.
fn refused(scene: &Scene) -> Result<Program> {
    scene.run(&["client", NOBODY], b"")
}

/// A server whose address another program has.
fn in_use(scene: &Scene) -> Result<Program> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let addr = listener.local_addr()?.to_string();
    scene.keep(listener);
    scene.run(&["server", &addr], b"")
}

/// A Rust program that panics because this expression is an `Err`, as the first programs of many do.
fn rust(scene: &Scene, expression: &str) -> Result<Program> {
    const PANICS: &str = "unwrap";
    scene.put_package("")?;
    scene.put("src/main.rs", &format!("fn main() {{ {expression}.{PANICS}(); }}\n"))?;
    cargo_in(scene.folder(), &["run", "--quiet", "--offline"])
}

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

/// A server with one client that does not read, while another speaks and reads.
fn one_does_not_read(scene: &Scene) -> Result<Program> {
    let (server, addr) = scene.server(server_options(scene.number().unwrap_or_default()))?;
    let idle = Peer::connect(addr)?;
    let idle_addr = idle.local_addr()?;
    scene.keep(idle);
    let mut speaker = Peer::connect(addr)?;
    let line = [&[b'x'; 4000][..], b"\n"].concat();
    let left = format!("*** {idle_addr} left\n");
    let mut heard = Vec::new();
    while !heard.windows(left.len()).any(|part| part == left.as_bytes()) {
        speaker.send(&line)?;
        heard = speaker.receive_some()?.unwrap_or_default();
    }
    scene.keep(speaker);
    Ok(server)
}

/// A server whose console removes a client, and that client.
fn kick(scene: &Scene) -> Result<(Program, Program)> {
    let (mut server, addr) = scene.server(&[])?;
    let client = Program::start(scene.command(&["client", &addr.to_string()]))?;
    let joined = server.expect_later("… joined", |line| line.ends_with(" joined"))?;
    let peer_addr = joined.rsplit(' ').nth(1).unwrap_or_default();
    server.type_line(&format!("kick {peer_addr}"))?;
    Ok((server, client))
}

/// A file that becomes shorter while the server sends it.
fn shorter(scene: &Scene) -> Result<Program> {
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
}

/// A chat server without a free place, and a client that wants one.
fn full_room(scene: &Scene) -> Result<Program> {
    let (server, addr) = scene.server(&["--max-clients", "0"])?;
    scene.keep(Peer::connect(addr)?);
    Ok(server)
}

/// A chat server that may have few connections, and many clients that connect.
fn crowd(scene: &Scene) -> Result<Program> {
    let limited = "ulimit -n 20 && exec \"$0\" \"$@\"";
    let (server, addr) = Program::start_server(scene.script(limited, &["server", "127.0.0.1:0"]))?;
    for _ in 0..30 {
        scene.keep(Peer::connect(addr)?);
    }
    Ok(server)
}
