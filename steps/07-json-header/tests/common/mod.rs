//! What the tests of step 07 share: messages as they travel, programs to start, servers that lie.

// Each file of tests is a program of its own, and none uses all of this.
#![allow(dead_code)]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Output};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use assert_cmd::Command as Assert;
use conformance::{DEADLINE, Failure, Peer};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The program under test.
pub const STEP: &str = env!("CARGO_BIN_EXE_step-07-json-header");

/// Long enough to see that nothing arrives.
pub const SILENCE: Duration = Duration::from_millis(300);

/// How the system's shell ends a line.
pub const NEWLINE: &str = if cfg!(windows) { "\r\n" } else { "\n" };

/// A server on any free port that serves this folder.
pub fn server(root: &Path) -> Command {
    let mut command = Command::new(STEP);
    command.args(["server", "127.0.0.1:0", "--root"]).arg(root);
    command
}

/// A client that saves its downloads in this folder.
pub fn client(addr: SocketAddr, folder: &Path) -> Command {
    let mut command = Command::new(STEP);
    command.args(["client", &addr.to_string(), "--dir"]).arg(folder);
    command
}

/// A header as it travels.
pub fn framed(header: impl AsRef<[u8]>) -> Vec<u8> {
    let header = header.as_ref();
    let len = u32::try_from(header.len()).expect("it is not too long");
    [&len.to_be_bytes(), header].concat()
}

/// The request to run a command, as it travels.
pub fn run(command: &str) -> Vec<u8> {
    framed(json!({ "request": "run", "command": command }).to_string())
}

/// The request for a file, as it travels.
pub fn get(filename: &str) -> Vec<u8> {
    framed(json!({ "request": "get", "filename": filename }).to_string())
}

/// The SHA-256 of these bytes, in hex digits.
pub fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// An answer to a command, as it travels.
pub fn ran(status: Option<i32>, error: Option<&str>, body: impl AsRef<[u8]>) -> Vec<u8> {
    answer(None, None, status, error, body.as_ref())
}

/// An answer with a file, as it travels.
pub fn file(filename: &str, body: &[u8]) -> Vec<u8> {
    answer(Some(filename), Some(&hash(body)), None, None, body)
}

/// An answer that refuses something, as it travels.
pub fn refused(error: &str) -> Vec<u8> {
    answer(None, None, None, Some(error), b"")
}

/// Any answer, as our server sends it: with all fields, in this order.
pub fn answer(
    filename: Option<&str>,
    hash: Option<&str>,
    status: Option<i32>,
    error: Option<&str>,
    body: &[u8],
) -> Vec<u8> {
    let size = body.len();
    let [filename, hash, error] = [filename, hash, error].map(|text| json!(text));
    let status = json!(status);
    let header = format!(
        r#"{{"filename":{filename},"hash":{hash},"size":{size},"status":{status},"error":{error}}}"#
    );
    [framed(header), body.to_vec()].concat()
}

/// Sends a request and expects exactly this answer.
pub fn expect(peer: &mut Peer, request: &[u8], answer: &[u8]) -> Result<(), Failure> {
    peer.send(request)?;
    peer.expect(answer).map_err(|failure| {
        let request = String::from_utf8_lossy(&request[4..request.len().min(204)]).into_owned();
        Failure::new(format!("after {request}: {failure}"))
    })
}

/// Sends a request on a connection of its own, and returns the header and the body that arrive.
pub fn ask(addr: SocketAddr, request: &[u8]) -> Result<(Value, Vec<u8>), Failure> {
    let mut peer = Peer::connect(addr)?;
    peer.send(request)?;
    peer.end_sending()?;
    let came = peer.receive_to_end()?;
    let (len, rest) = came.split_at_checked(4).expect("a length arrives");
    let len = u32::from_be_bytes(len.try_into().expect("it has 4 bytes"));
    let (header, body) = rest.split_at_checked(len as usize).expect("a whole header arrives");
    let header: Value = serde_json::from_slice(header).expect("it is JSON");
    assert_eq!(header["size"], body.len(), "the header states the size of the body");
    Ok((header, body.to_vec()))
}

/// Bytes of which no two neighbouring chunks are alike.
pub fn bytes(len: usize) -> Vec<u8> {
    (0..len).map(|i| u8::try_from((i + i / 251) % 253).expect("it is below 253")).collect()
}

/// Runs a program to its end, with this input, under a deadline.
pub fn output(command: Command, input: impl Into<Vec<u8>>) -> Output {
    let ran = Assert::from_std(command).write_stdin(input.into()).timeout(DEADLINE).output();
    ran.expect("it can be started")
}

/// What a program wrote, as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A new FIFO in a folder: opening it waits until its other end is opened.
#[cfg(unix)]
pub fn fifo(folder: &Path, name: &str) -> std::path::PathBuf {
    let path = folder.join(name);
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.is_ok_and(|status| status.success()), "mkfifo {}", path.display());
    path
}

/// The names of all that is in a folder, in order.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Runs something that may wait forever, under a deadline.
pub fn within_deadline<T: Send + 'static>(
    what: &str,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failure> {
    let (sender, done) = mpsc::channel();
    thread::spawn(move || sender.send(job()));
    done.recv_timeout(DEADLINE).map_err(|_| Failure::new(format!("{what}: not in {DEADLINE:?}")))
}

/// A server for one client, which follows the test.
pub struct Fake {
    /// Where it listens.
    pub addr: SocketAddr,
    thread: JoinHandle<()>,
}

impl Fake {
    /// Starts it.
    pub fn start(script: impl FnOnce(TcpStream) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let addr = listener.local_addr().expect("it is bound");
        let thread = thread::spawn(move || {
            let (stream, _) = listener.accept().expect("the client connects");
            stream.set_read_timeout(Some(DEADLINE)).expect("a deadline");
            stream.set_write_timeout(Some(DEADLINE)).expect("a deadline");
            script(stream);
        });
        Self { addr, thread }
    }

    /// Starts one that answers each request with the next of these, and then closes.
    pub fn that_sends(answers: Vec<Vec<u8>>) -> Self {
        Self::start(move |mut stream| {
            for answer in answers {
                read_request(&mut stream).expect("a request arrives");
                // A client that has seen enough may have closed already.
                let _ = stream.write_all(&answer);
            }
        })
    }

    /// Waits for its end.
    pub fn join(self) {
        self.thread.join().expect("the test's conversation took place");
    }
}

/// The next request of a client, or `None` where the stream ends.
pub fn read_request(stream: &mut TcpStream) -> Option<Value> {
    let mut len = [0; 4];
    stream.read_exact(&mut len).ok()?;
    let len = usize::try_from(u32::from_be_bytes(len)).expect("64 KiB at most");
    let mut header = vec![0; len];
    stream.read_exact(&mut header).expect("a whole header");
    Some(serde_json::from_slice(&header).expect("it is JSON"))
}
