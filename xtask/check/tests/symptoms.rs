//! One cause has one explanation: servers with one mistake each, and the diagnosis of `check`.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

use serde_json::Value;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

/// Serves one connection. Its end, orderly or not, is the end of the serving.
type Serve = fn(&mut TcpStream) -> io::Result<()>;

/// Judges a server that does this with each of its clients.
fn judge(step: &str, serve: Serve, options: &[&str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
    let addr = listener.local_addr().expect("it has an address").to_string();
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let _ = serve(&mut stream); // the client has left
        }
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask-check"));
    command.args(["check", step, "--addr", &addr, "--deadline", "1"]).args(options);
    let output = command.current_dir(ROOT).stdin(Stdio::null()).output().expect("xtask");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8(output.stdout).expect("it is text")
}

/// The symptom of the first check that fails.
fn symptom(step: &str, serve: Serve) -> String {
    let text = judge(step, serve, &["--json", "--fail-fast"]);
    let mut objects = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON"));
    let failed = objects.find(|object| object["result"] == "failed");
    let failed = failed.unwrap_or_else(|| panic!("nothing failed: {text}"));
    failed["symptom"].as_str().unwrap_or("none").to_owned()
}

/// Answers each piece that a read returns.
fn upper(stream: &mut TcpStream, answer: impl Fn(&[u8]) -> Vec<u8>) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let len = stream.read(&mut buffer)?;
        if len == 0 {
            return Ok(());
        }
        stream.write_all(&answer(&buffer[..len].to_ascii_uppercase()))?;
    }
}

/// Answers each frame, of which `length` reads the length, as `echo` would.
fn frames(
    stream: &mut TcpStream,
    length: fn([u8; 4]) -> u32,
    answer: impl Fn(&[u8]) -> Vec<u8>,
) -> io::Result<()> {
    loop {
        let mut header = [0; 4];
        stream.read_exact(&mut header)?;
        let mut command = Vec::new();
        stream.take(length(header).into()).read_to_end(&mut command)?;
        let word = command.strip_prefix(b"echo ").unwrap_or(&command);
        stream.write_all(&answer(&[word, b"\n"].concat()))?;
    }
}

fn framed(length: [u8; 4], payload: &[u8]) -> Vec<u8> {
    [&length, payload].concat()
}

fn len(payload: &[u8]) -> u32 {
    u32::try_from(payload.len()).expect("it is short")
}

fn native(stream: &mut TcpStream) -> io::Result<()> {
    frames(stream, u32::from_le_bytes, |payload| framed(len(payload).to_le_bytes(), payload))
}

#[test]
fn a_mistake_with_bytes_is_recognised_by_what_arrives() {
    let cases: &[(&str, Serve)] = &[
        ("unchanged", |stream| upper(stream, <[u8]>::to_ascii_lowercase)),
        ("displayed-bytes", |stream| upper(stream, |it| format!("{it:?}").into())),
        ("utf-16", |stream| upper(stream, |it| it.iter().flat_map(|it| [0, *it]).collect())),
        ("decorated", |stream| upper(stream, |it| [b"you said: ", it].concat())),
        ("unicode-case", |stream| {
            upper(stream, |it| String::from_utf8_lossy(it).to_uppercase().into())
        }),
        ("encoding", |stream| {
            upper(stream, |it| String::from_utf8_lossy(it).replace('ü', "?").into())
        }),
        ("trailing-byte", |stream| upper(stream, |it| [it, b"\n"].concat())),
        ("whole-buffer", |stream| upper(stream, |it| [it, &[0; 9]].concat())),
    ];
    for (expected, serve) in cases {
        assert_eq!(symptom("03", *serve), *expected);
    }
    assert_eq!(symptom("01", |stream| upper(stream, <[u8]>::to_vec)), "changed-letters");
}

#[test]
fn a_mistake_with_a_length_is_recognised_by_what_arrives() {
    let cases: &[(&str, Serve)] = &[
        ("http", |stream| {
            frames(stream, u32::from_be_bytes, |_| b"HTTP/1.0 400 Bad Request\r\n\r\n".to_vec())
        }),
        ("no-length", |stream| frames(stream, u32::from_be_bytes, <[u8]>::to_vec)),
        ("length-as-text", |stream| {
            frames(stream, u32::from_be_bytes, |it| [len(it).to_string().as_bytes(), it].concat())
        }),
        ("length-width", |stream| {
            frames(stream, u32::from_be_bytes, |it| {
                [&u64::from(len(it)).to_be_bytes(), it].concat()
            })
        }),
        ("wrong-length", |stream| {
            frames(stream, u32::from_be_bytes, |it| framed((len(it) + 4).to_be_bytes(), it))
        }),
        ("byte-order", |stream| {
            frames(stream, u32::from_be_bytes, |it| framed(len(it).to_le_bytes(), it))
        }),
        ("missing-newline", |stream| {
            frames(stream, u32::from_be_bytes, |it| {
                framed((len(it) - 1).to_be_bytes(), it.trim_ascii_end())
            })
        }),
        ("line-ending", |stream| {
            frames(stream, u32::from_be_bytes, |it| {
                framed((len(it) + 1).to_be_bytes(), &[it.trim_ascii_end(), b"\r\n"].concat())
            })
        }),
    ];
    for (expected, serve) in cases {
        assert_eq!(symptom("06", *serve), *expected);
    }
}

#[test]
fn a_server_that_answers_nothing_is_asked_what_it_waits_for() {
    fn line(stream: &mut TcpStream) -> io::Result<()> {
        let line = read_line(stream)?;
        stream.write_all(line.trim_ascii_end().to_ascii_uppercase().as_slice())
    }
    fn same_line(stream: &mut TcpStream) -> io::Result<()> {
        let line = read_line(stream)?;
        stream.write_all(&line)
    }
    fn read_line(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte)?;
            line.extend(byte);
        }
        Ok(line)
    }
    fn end(stream: &mut TcpStream) -> io::Result<()> {
        let mut all = Vec::new();
        stream.read_to_end(&mut all)?;
        stream.write_all(&all.to_ascii_uppercase())
    }
    fn greeting(stream: &mut TcpStream) -> io::Result<()> {
        stream.write_all(b"Welcome!\n")?;
        upper(stream, <[u8]>::to_vec)
    }
    fn silence(stream: &mut TcpStream) -> io::Result<()> {
        stream.read_to_end(&mut Vec::new()).map(drop)
    }
    let cases: &[(&str, &str, Serve)] = &[
        ("03", "waits-for-newline", line),
        ("03", "waits-for-newline", same_line),
        ("03", "waits-for-end", end),
        ("03", "greeting", greeting),
        ("06", "byte-order", native),
        ("03", "none", silence),
    ];
    for (step, expected, serve) in cases {
        assert_eq!(symptom(step, *serve), *expected);
    }
}

#[test]
fn what_fails_only_when_the_stream_is_cut_is_a_partial_read() {
    fn one_read(stream: &mut TcpStream) -> io::Result<()> {
        let mut buffer = vec![0; 1 << 20];
        loop {
            let count = stream.read(&mut buffer)?;
            let Some((header, command)) = buffer[..count].split_first_chunk() else {
                return Ok(());
            };
            if command.len() < u32::from_be_bytes(*header) as usize {
                return Ok(());
            }
            let word = command.strip_prefix(b"echo ").unwrap_or_default();
            let answer = [word, b"\n"].concat();
            stream.write_all(&framed(len(&answer).to_be_bytes(), &answer))?;
        }
    }
    assert_eq!(symptom("06", one_read), "partial-read");
}

#[test]
fn one_cause_has_one_explanation() {
    let text = judge("06", native, &[]);
    assert_eq!(text.matches("most likely: ").count(), 1, "{text}");
    assert_eq!(text.matches("try first: ").count(), 1, "{text}");
    let alike = text.matches("FAILED: the same way as `reply`").count();
    assert!(alike > 5, "{text}");
    let summary = format!("\n{alike} more checks fail the same way as `reply`: the four bytes");
    assert!(text.contains(&summary), "{text}");
}
