//! What programs that send and receive files owe their users: whole files, from one folder into one
//! folder, at a fixed price; and commands that end.

use std::fs::{self, File};
use std::io;
use std::path::{MAIN_SEPARATOR, Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::fake::{self, FakeServer};
use super::subject::{Running, Subject};
use super::wire::{self, Answer, json_text};
use crate::memory::resident_kib;
use crate::proxy::Cut;
use crate::show::show;
use crate::{Failure, Peer, Program, process_info};

/// The file that every client has to download.
const NOTES: &str = "notes.txt";

/// The same file in a folder of the server's. The client saves it under the file name alone.
const NOTES_BELOW: &str = "texts/notes.txt";

/// Names that no client asks for: on some system, a file cannot have them, or they mean something else.
const NO_PLAIN_NAMES: &[&str] =
    &["CON", "com1.txt", "notes:txt", "notes.txt.", "what?", "..", "a\u{1b}b"];

/// The line that the file repeats, and the SHA-256 of the whole file.
const NOTES_LINE: &str = "Nobody knows how long a message is, but for those who were told.\n";
const NOTES_LINES: usize = 40;
const NOTES_HASH: &str = "efa932d2671463f24fb3a7a290a689a3627691a8a8c0c5a662524885f9f5c81c";

/// A file with every byte value, longer than one chunk, and its SHA-256. A program that takes it for
/// text changes it.
const ALL_BYTES: &str = "all bytes.bin";
const ALL_BYTES_TIMES: usize = 300;
const ALL_BYTES_HASH: &str = "f8b0585eb91f58c007a5634362c9f90d8543822c113f702523bc7b73408a9392";

/// A file of 5 MiB, more than a program may keep by mistake as its limit, and its SHA-256: every byte
/// value, repeated.
const LARGE: &str = "large.bin";
const LARGE_TIMES: usize = 20 * 1024;
const LARGE_HASH: &str = "2e7cab6314e9614b6f2da12630661c3038e5592025f6534ba5823c3b340a1cb6";

/// A file without a byte, and the SHA-256 of nothing.
const EMPTY: &str = "empty.txt";
const EMPTY_HASH: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// A file's contents that a download must not destroy.
const PRECIOUS: &[u8] = b"what was here before\n";

/// A file's contents that a server must not give away.
const SECRET: &str = "nobody's business\n";

/// How much memory a server may take for a file of any size.
const MAX_GROWTH_KIB: u64 = 16 * 1024;

/// The size of a file that such a server cannot hold.
const LARGE_LEN: u64 = 64 * 1024 * 1024;

/// The client's `--idle-timeout`, in seconds.
const IDLE_TIMEOUT: &str = "1";

/// The size in bytes of a file that becomes shorter while the server sends it, and its size afterwards. The
/// first is more than the system's buffers take.
const SHRINKING_LEN: u64 = 20 * 1024 * 1024;
const SHRUNK_LEN: u64 = 1024;

/// A size that no file has: 8 PiB. Every JSON reader can hold this number.
const HOSTILE_SIZE: u64 = 1 << 53;

/// The most pieces in which a proxy passes on a large file: each costs a system call.
const MAX_PIECES: u64 = 64 * 1024;

/// How much of a large file a check examines at once.
const CHUNK_LEN: u64 = 64 * 1024;

/// The server's `--timeout`, in seconds. Any other command must end sooner.
const TIMEOUT: &str = "1";

/// The part of the deadline within which the answer to a stopped command must arrive.
const TIMEOUT_AT_MOST: f64 = 0.8;

/// How long the server must let a command run with that timeout. Clocks differ by some milliseconds.
const TIMEOUT_AT_LEAST: Duration = Duration::from_millis(950);

/// How often a check looks whether a process that is not its child has ended: there is no event for it.
pub(super) const LOOK: Duration = Duration::from_millis(10);

pub(super) fn integrity(subject: &Subject) -> Result<(), Failure> {
    if subject.judges_server() {
        the_server_says_what_it_sends(subject)?;
    }
    if subject.judges_client() {
        the_client_saves_what_is_whole(subject)?;
    }
    Ok(())
}

fn the_client_saves_what_is_whole(subject: &Subject) -> Result<(), Failure> {
    let notes = notes();
    for (filename, hash, body) in whole_files(subject) {
        let header = json!({ "filename": filename, "hash": hash, "size": body.len() });
        let honest = Download::of(subject, filename, None, &[answer(&header, &body)])?;
        honest.expect_saved(&text!("messages.honest"), filename, &body)?;
        honest.expect_success(&text!("messages.honest"), true)?;
    }
    // The cut of the stream makes no difference to names, to a hash, or to missing bytes.
    let is_whole = subject.cut.is_none();
    if is_whole {
        let below = Download::of(subject, NOTES_BELOW, None, &[answer(&json!({}), &notes)])?;
        below.expect_saved(&text!("messages.honest"), NOTES, &notes)?;
        let honest = [answer(&json!({}), &notes)];
        let download = Download::of(subject, NOTES, Some(PRECIOUS), &honest)?;
        download.expect_saved(&text!("messages.honest-and-force"), NOTES, &notes)?;
        download.expect_success(&text!("messages.honest-and-force"), true)?;
    }
    let wrong_hash = answer(&json!({ "hash": NOTES_HASH.replace('a', "b") }), &notes);
    let half = &notes[..notes.len() / 2];
    let lies: [(String, Vec<u8>, bool); 5] = [
        (text!("messages.wrong-hash"), wrong_hash.clone(), is_whole),
        (text!("messages.half-a-body"), answer(&json!({}), half), true),
        (text!("messages.no-body"), answer(&json!({}), b""), is_whole),
        (text!("messages.small-size"), answer(&json!({ "size": half.len() }), &notes), true),
        (text!("messages.no-hash"), answer(&json!({ "hash": null }), &notes), is_whole),
    ];
    for (after, answer, _) in lies.into_iter().filter(|(_, _, is_asked)| *is_asked) {
        let lies = [answer];
        Download::of(subject, NOTES, None, &lies)?.expect_none(&after)?;
        let download = Download::of(subject, NOTES, Some(PRECIOUS), &lies)?;
        download.expect_kept(&text!("messages.with-force", after))?;
    }
    // All of a body has arrived: the stream is in order, and the client must read the next answer.
    let again = Download::of(subject, NOTES, None, &[wrong_hash, answer(&json!({}), &notes)])?;
    again.expect_saved(&text!("messages.honest-again"), NOTES, &notes)?;
    again.expect_success(&text!("messages.honest-again"), false)?;
    no_body_is_taken_for_an_answer(subject)
}

/// An error has no body. If the server sends one, it must not become the answer to the next request.
fn no_body_is_taken_for_an_answer(subject: &Subject) -> Result<(), Failure> {
    let body = answer(&json!({}), &notes());
    let size = body.len();
    let error =
        json!({ "filename": null, "hash": null, "size": size, "error": "there is no such file" });
    let scratch = Scratch::with(None)?;
    let server = FakeServer::start(subject, fake::answers(answer(&error, &body)))?;
    let lines = format!("{0}\n{0}", get_notes());
    let (client, _) = scratch.download(subject, server, &lines, &[])?; // it may ask once or twice
    let download = Download { client, scratch };
    download.expect_none(&text!("messages.error-with-body"))
}

/// Without a right hash from the server, no client can distinguish a whole file from a broken one.
fn the_server_says_what_it_sends(subject: &Subject) -> Result<(), Failure> {
    let root = TempDir::new().map_err(|error| cannot_make_folder(&error))?;
    for (filename, _, body) in whole_files(subject) {
        let made = fs::write(root.path().join(filename), body);
        made.map_err(|error| Failure::new(text!("messages.cannot-make-file", error)))?;
    }
    let running = subject.start_with(&["--root".as_ref(), root.path().as_ref()])?;
    let mut peer = running.connect()?;
    for (filename, hash, body) in whole_files(subject) {
        let answer = ask_for(&running, &mut peer, filename)?;
        if answer.error().is_some() || answer.header["hash"] != hash || answer.body != body {
            let len = body.len();
            let failure = Failure::new(text!("messages.other-notes", len, hash, answer));
            let failure = failure.looking_like(wire::refusal(&answer.header));
            return Err(running.explain(failure.after(after_asking_for_served(filename))));
        }
    }
    running.exchange(&mut peer, "next")?;
    drop(peer);
    if subject.cut.is_some() {
        return Ok(()); // the proxy would read the file before it becomes shorter
    }
    a_file_that_shrinks_ends_the_connection(&running, &root.path().join("shrinks.bin"))
}

/// The header has announced more than the file has now, so the connection must end: the client would take
/// any further bytes for the rest of the body.
fn a_file_that_shrinks_ends_the_connection(running: &Running, path: &Path) -> Result<(), Failure> {
    let cannot = |error| Failure::new(text!("messages.cannot-make-file", error));
    let file = File::create(path).map_err(cannot)?;
    file.set_len(SHRINKING_LEN).map_err(cannot)?;
    let mut peer = running.connect()?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let failed = |failure: Failure| running.explain(failure.after(after_asking(&name)));
    peer.send(&wire::get(&name)).map_err(failed)?;
    let header = wire::receive_header(&mut peer).map_err(failed)?;
    if !header["error"].is_null() || header["size"] != SHRINKING_LEN {
        let (len, header) = (SHRINKING_LEN, json_text(&header));
        return Err(failed(Failure::new(text!("messages.other-size", len, header))));
    }
    file.set_len(SHRUNK_LEN).map_err(cannot)?;
    let mut came = 0;
    while came < SHRINKING_LEN {
        match peer.receive_some() {
            Ok(Some(bytes)) => came += bytes.len() as u64,
            Err(failure) if failure.has_timed_out() => {
                let len = SHRINKING_LEN;
                let failure = Failure::new(text!("messages.shrunk", came, len)).timed_out();
                return Err(failed(failure));
            }
            Ok(None) | Err(_) => break, // a reset also ends the connection
        }
    }
    running.exchange(&mut running.connect()?, "next")
}

/// Files that must arrive byte for byte: their names, their SHA-256, and what is in them.
fn whole_files(subject: &Subject) -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let all_bytes: Vec<u8> = (0..=u8::MAX).collect();
    let mut files = vec![
        (NOTES, NOTES_HASH, notes()),
        (ALL_BYTES, ALL_BYTES_HASH, all_bytes.repeat(ALL_BYTES_TIMES)),
        (EMPTY, EMPTY_HASH, Vec::new()),
    ];
    // Cutting megabytes takes time.
    if subject.cut.is_none() {
        files.push((LARGE, LARGE_HASH, all_bytes.repeat(LARGE_TIMES)));
    }
    files
}

/// The line that makes a client download the notes.
fn get_notes() -> String {
    format!("get {NOTES}")
}

/// A folder that contains the notes, and their name.
pub(super) fn folder_with_notes() -> Result<(TempDir, &'static str), Failure> {
    let folder = TempDir::new().map_err(|error| cannot_make_folder(&error))?;
    let made = fs::write(folder.path().join(NOTES), notes());
    made.map_err(|error| Failure::new(text!("messages.cannot-make-file", error)))?;
    Ok((folder, NOTES))
}

/// An existing file stays, whether it existed before the request or appeared while the answer arrived.
pub(super) fn existing_file(subject: &Subject) -> Result<(), Failure> {
    let answer = answer(&json!({}), &notes());
    let there = Scratch::with(Some(PRECIOUS))?;
    let server = FakeServer::start(subject, fake::answers(answer.clone()))?;
    let (client, _) = there.download(subject, server, &get_notes(), &[])?; // it need not even ask
    let there = Download { client, scratch: there };
    there.expect_kept(&text!("messages.was-there"))?;

    let late = Scratch::with(None)?;
    let target = late.downloads().join(NOTES);
    let server = FakeServer::start(subject, move |mut client| {
        let request = wire::receive_header(&mut client)?;
        let made = fs::write(target, PRECIOUS);
        made.map_err(|error| Failure::new(text!("messages.cannot-make-file", error)))?;
        fake::answer_and_end(&mut client, &answer);
        Ok(vec![request])
    })?;
    let (client, _) = late.download(subject, server, &get_notes(), &[])?;
    let late = Download { client, scratch: late };
    late.expect_kept(&text!("messages.came-meanwhile"))
}

/// The client refuses a size that no disk has room for, and does not wait; it refuses an invalid size too.
pub(super) fn hostile_size(subject: &Subject) -> Result<(), Failure> {
    let mut sizes = vec![json!(HOSTILE_SIZE)];
    // The cut of the stream makes no difference to an invalid size, or to missing bytes.
    if subject.cut.is_none() {
        sizes.extend([json!(-1), json!("many"), json!(null)]);
    }
    for size in sizes {
        let header = answer(&json!({ "size": size }), b"");
        let scratch = Scratch::with(None)?;
        let server = FakeServer::start(subject, move |mut client| {
            let request = wire::receive_header(&mut client)?;
            let _ = client.send(&header); // and nothing more; a client that has left is right
            let _ = client.expect_end();
            Ok(vec![request])
        })?;
        let (client, _) =
            scratch.download(subject, server, &get_notes(), &[]).map_err(|failure| {
                let size = &size;
                failure.after(text!("messages.with-size", size))
            })?;
        let download = Download { client, scratch };
        download.expect_none(&text!("messages.with-size", size))?;
    }
    if subject.cut.is_none() { a_server_may_stop_sending(subject) } else { Ok(()) }
}

/// Half of a body arrives, and then nothing more: the client must not wait for the rest forever.
fn a_server_may_stop_sending(subject: &Subject) -> Result<(), Failure> {
    let notes = notes();
    let half = answer(&json!({}), &notes[..notes.len() / 2]);
    let scratch = Scratch::with(None)?;
    let server = FakeServer::start(subject, move |mut client| {
        let request = wire::receive_header(&mut client)?;
        client.send(&half)?;
        client.expect_refusal()?; // the connection stays open until the client gives up
        Ok(vec![request])
    })?;
    let time = IDLE_TIMEOUT;
    let done = text!("messages.stops-sending", time);
    let options = ["--idle-timeout", IDLE_TIMEOUT];
    let (client, _) = scratch
        .download(subject, server, &get_notes(), &options)
        .map_err(|failure| failure.after(&done))?;
    Download { client, scratch }.expect_none(&done)
}

pub(super) fn untrusted_name(subject: &Subject) -> Result<(), Failure> {
    // The cut of the stream makes no difference to a request that the client does not send.
    let refused = if subject.cut.is_none() { NO_PLAIN_NAMES } else { &[] };
    for name in refused {
        let scratch = Scratch::with(None)?;
        let honest = answer(&json!({ "filename": name }), &notes());
        let server = FakeServer::start(subject, fake::answers(honest))?;
        let line = format!("get {name}");
        let (client, _) = scratch.download(subject, server, &line, &[])?; // it need not even ask
        let download = Download { client, scratch };
        download.expect_none(&text!("messages.no-plain-name", line))?;
    }
    let elsewhere = TempDir::new().map_err(|error| cannot_make_folder(&error))?;
    let absolute = elsewhere.path().join("absolute.txt");
    let (absolute, long) = (absolute.to_string_lossy(), "x".repeat(300));
    let names: [&str; 10] = [
        "../escaped.txt",
        "..\\escaped.txt",
        &*absolute,
        "",
        "CON",
        "a\0b",
        "a\nb",
        "sub/x",
        &*long,
        "another.txt",
    ];
    // Nor does it to a different name in the answer: then one is enough.
    let count = if subject.cut.is_none() { names.len() } else { 1 };
    for name in &names[..count] {
        let answers = [answer(&json!({ "filename": name }), &notes())];
        let download = Download::of(subject, NOTES, None, &answers)?;
        let (notes, name) = (NOTES, format!("{name:?}"));
        let after = text!("messages.other-name", notes, name);
        // Saving the file under the requested name is as safe as not saving it.
        let is_saved = download.entries()? == [NOTES];
        if !is_saved {
            download.expect_entries(&after, &[])?;
        }
        let entries = entries_below(elsewhere.path())?;
        if !entries.is_empty() {
            let entries = format!("{entries:?}");
            return Err(download.failure(&after, &text!("messages.none-elsewhere"), &entries));
        }
        if !is_saved {
            download.expect_success(&after, false)?;
        }
    }
    Ok(())
}

/// The answer of the fake server: the notes' header with some fields changed, and a body.
fn answer(changes: &Value, body: &[u8]) -> Vec<u8> {
    let mut header = json!({
        "filename": NOTES, "hash": NOTES_HASH, "size": notes().len(), "status": null, "error": null,
    });
    for (name, value) in changes.as_object().expect("changes are fields") {
        header[name] = value.clone();
    }
    [wire::frame(header.to_string().as_bytes()), body.to_vec()].concat()
}

fn notes() -> Vec<u8> {
    NOTES_LINE.repeat(NOTES_LINES).into_bytes()
}

/// A client that has tried to download a file and has ended.
struct Download {
    client: Program,
    scratch: Scratch,
}

/// A folder that contains only `downloads`, and in that an empty folder `sub`.
struct Scratch(TempDir);

impl Scratch {
    /// Makes the folder as it is before a download: with these bytes as the notes, or without notes.
    fn with(before: Option<&[u8]>) -> Result<Self, Failure> {
        let make = || {
            let scratch = Self(TempDir::new()?);
            fs::create_dir_all(scratch.downloads().join("sub"))?;
            if let Some(before) = before {
                fs::write(scratch.downloads().join(NOTES), before)?;
            }
            Ok(scratch)
        };
        make().map_err(|error| cannot_make_folder(&error))
    }

    fn downloads(&self) -> PathBuf {
        self.0.path().join("downloads")
    }

    /// Gives these lines to a client, and waits for its end. Returns the client and the result of its server.
    fn download<T: Send + 'static>(
        &self,
        subject: &Subject,
        server: FakeServer<T>,
        lines: &str,
        options: &[&str],
    ) -> Result<(Program, Result<T, Failure>), Failure> {
        let mut command = (subject.client)(server.addr());
        command.arg("--dir").arg(self.downloads()).args(options);
        let mut client = subject.start_program(command)?;
        client.type_line(lines)?;
        client.end_input();
        client.wait()?; // a download that failed may change its exit code
        Ok((client, server.result()))
    }
}

impl Download {
    /// Lets the client ask for a file, once for each of these answers. With `before`, it may overwrite the
    /// existing file.
    fn of(
        subject: &Subject,
        filename: &str,
        before: Option<&[u8]>,
        answers: &[Vec<u8>],
    ) -> Result<Self, Failure> {
        let scratch = Scratch::with(before)?;
        let server = FakeServer::start(subject, fake::answers_each(answers.to_vec()))?;
        let options: &[&str] = if before.is_some() { &["--force"] } else { &[] };
        let line = format!("get {filename}");
        let lines = vec![line.as_str(); answers.len()].join("\n");
        let (client, requests) = scratch.download(subject, server, &lines, options)?;
        let done = match answers.len() {
            1 => text!("messages.given-the-line", line),
            times => text!("messages.given-the-line-again", line, times),
        };
        let requests = requests.map_err(|failure| client.explain(failure.after(&done)))?;
        for request in requests {
            if request["request"] != "get" || request["filename"] != filename {
                let expected = json!({ "request": "get", "filename": filename });
                let received = json_text(&request);
                let failure = Failure::new(text!("wire.other-request", expected, received));
                return Err(client.explain(failure.after(done)));
            }
        }
        Ok(Self { client, scratch })
    }

    /// All files and folders that the download has added; `/` separates names.
    fn entries(&self) -> Result<Vec<String>, Failure> {
        let mut entries = Vec::new();
        for entry in entries_below(self.scratch.0.path())? {
            match entry.strip_prefix("downloads/") {
                Some("sub") => {}
                Some(inside) => entries.push(inside.to_owned()),
                None if entry == "downloads" => {}
                None => entries.push(format!("../{entry}")),
            }
        }
        Ok(entries)
    }

    fn expect_entries(&self, after: &str, expected: &[&str]) -> Result<(), Failure> {
        let entries = self.entries()?;
        if entries == expected {
            return Ok(());
        }
        let expected = match expected {
            [] => text!("messages.none-downloaded"),
            names => {
                let names = format!("{names:?}");
                text!("messages.only-downloaded", names)
            }
        };
        Err(self.failure(after, &expected, &format!("{entries:?}")))
    }

    /// The client has downloaded nothing, and its exit code shows it.
    fn expect_none(&self, after: &str) -> Result<(), Failure> {
        self.expect_entries(after, &[])?;
        self.expect_success(after, false)
    }

    /// The notes are as they were before, there is no other file, and the exit code shows the failure.
    fn expect_kept(&self, after: &str) -> Result<(), Failure> {
        self.expect_saved(after, NOTES, PRECIOUS)?;
        self.expect_success(after, false)
    }

    /// The client has ended with the exit code 0, or with another code.
    fn expect_success(&self, after: &str, expected: bool) -> Result<(), Failure> {
        let Some(status) = self.client.status().filter(|it| it.success() != expected) else {
            return Ok(());
        };
        let expected = if expected {
            text!("messages.exit-code-0")
        } else {
            text!("messages.other-exit-code")
        };
        Err(self.failure(after, &expected, &status.to_string()))
    }

    /// This file is in the folder, with these bytes, and no other file is.
    fn expect_saved(&self, after: &str, filename: &str, expected: &[u8]) -> Result<(), Failure> {
        self.expect_entries(after, &[filename])?;
        let saved = fs::read(self.scratch.downloads().join(filename));
        let saved =
            saved.map_err(|error| Failure::new(text!("messages.cannot-read-saved", error)))?;
        if saved == expected {
            return Ok(());
        }
        let [expected, saved] = [expected, &saved].map(|bytes| {
            let (len, file, bytes) = (bytes.len(), filename, show(bytes));
            text!("messages.bytes-in-file", len, file, bytes)
        });
        Err(self.failure(after, &expected, &saved))
    }

    fn failure(&self, after: &str, expected: &str, found: &str) -> Failure {
        let failure = Failure::new(text!("messages.found-other", expected, found));
        self.client.explain(failure.after(after))
    }
}

pub(super) fn root_jail(subject: &Subject) -> Result<(), Failure> {
    let scratch = TempDir::new().map_err(|error| cannot_make_folder(&error))?;
    let root = scratch.path().join("served");
    let secret = scratch.path().join("secret.txt");
    // Its path begins with the root's path.
    let sibling = scratch.path().join("served-not").join("secret.txt");
    let make = || -> io::Result<()> {
        fs::create_dir_all(root.join("sub"))?;
        fs::create_dir_all(scratch.path().join("served-not"))?;
        fs::write(&secret, SECRET)?;
        fs::write(&sibling, SECRET)?;
        for file in ["inside.txt", "sub/inside.txt"] {
            fs::write(root.join(file), file)?;
        }
        make_traps(&root)
    };
    make().map_err(|error| cannot_serve_folder(&error))?;
    let running = subject.start_with(&["--root".as_ref(), root.as_ref()])?;
    let mut peer = running.connect()?;
    let (outside, beside) = (secret.to_string_lossy(), sibling.to_string_lossy());
    let mut refused = vec![
        "../secret.txt",
        &*outside,
        "sub/../../secret.txt",
        "../served-not/secret.txt",
        &*beside,
        "..\\secret.txt",
        "%2e%2e/secret.txt",
        "inside.txt\0",
        "..",
        "",
        "sub",
    ];
    if cfg!(unix) {
        // The device is last: a server that follows links has failed by then, and does not read it.
        refused.extend(["link", "link-beside", "up/secret.txt", "up/served-not/secret.txt"]);
        refused.extend(["fifo", "socket", "device"]);
    }
    for filename in refused {
        expect_file(&running, &mut peer, "inside.txt")?;
        let answer = ask_for(&running, &mut peer, filename)?;
        if answer.error().is_none() || String::from_utf8_lossy(&answer.body).contains(SECRET) {
            let failure = Failure::new(text!("messages.given-away", answer));
            return Err(running.explain(failure.after(after_asking(filename))));
        }
    }
    expect_file(&running, &mut peer, "sub/inside.txt")
}

/// Makes entries in a folder that lead out of it, or would block a program that opens them.
#[cfg(unix)]
fn make_traps(root: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink("../secret.txt", root.join("link"))?;
    std::os::unix::fs::symlink("../served-not/secret.txt", root.join("link-beside"))?;
    std::os::unix::fs::symlink("..", root.join("up"))?;
    std::os::unix::fs::symlink("/dev/zero", root.join("device"))?;
    std::os::unix::net::UnixListener::bind(root.join("socket"))?; // its name stays
    make_fifo(&root.join("fifo"))
}

/// Makes a named pipe.
#[cfg(unix)]
pub(super) fn make_fifo(path: &Path) -> io::Result<()> {
    let made = std::process::Command::new("mkfifo").arg(path).status()?;
    if made.success() { Ok(()) } else { Err(io::Error::other(format!("mkfifo: {made}"))) }
}

/// Windows lets only administrators make symbolic links, and has no FIFOs in folders.
#[cfg(not(unix))]
fn make_traps(_root: &Path) -> io::Result<()> {
    Ok(())
}

fn ask_for(running: &Running, peer: &mut Peer, filename: &str) -> Result<Answer, Failure> {
    let answer = peer.send(&wire::get(filename)).and_then(|()| Answer::receive(peer));
    answer.map_err(|failure| running.explain(failure.after(after_asking(filename))))
}

/// Asks for a file that the server serves, and whose contents are its path.
fn expect_file(running: &Running, peer: &mut Peer, filename: &str) -> Result<(), Failure> {
    let answer = ask_for(running, peer, filename)?;
    let name = filename.rsplit('/').next().unwrap_or_default();
    if answer.error().is_none()
        && answer.header["filename"] == name
        && answer.body == filename.as_bytes()
    {
        return Ok(());
    }
    let (name, body) = (format!("{name:?}"), format!("{filename:?}"));
    let failure = Failure::new(text!("messages.other-file", name, body, answer))
        .looking_like(wire::refusal(&answer.header));
    Err(running.explain(failure.after(after_asking_for_served(filename))))
}

pub(super) fn constant_memory(subject: &Subject) -> Result<(), Failure> {
    let root = TempDir::new().map_err(|error| cannot_make_folder(&error))?;
    let len = LARGE_LEN.min(subject.cut.map_or(LARGE_LEN, most_through));
    let make = || -> io::Result<()> {
        fs::write(root.path().join("small"), [0])?;
        File::create(root.path().join("large"))?.set_len(len) // a hole, if the system has holes
    };
    make().map_err(|error| cannot_serve_folder(&error))?;
    let running = subject.start_with(&["--root".as_ref(), root.path().as_ref()])?;
    let mut peer = running.connect()?;
    receive_zeros(&running, &mut peer, "small", 1)?;
    let before = resident_kib(running.program()?)?;
    let most = receive_zeros(&running, &mut peer, "large", len)?;
    let growth = most.saturating_sub(before);
    if growth >= MAX_GROWTH_KIB {
        let (most, len) = (MAX_GROWTH_KIB, len / 1024);
        let failure = Failure::new(text!("messages.too-much-memory", most, growth));
        return Err(running.explain(failure.after(text!("messages.while-it-sent", len))));
    }
    Ok(())
}

/// The longest file for a proxy that cuts this way: small pieces take time. A file that is not larger
/// than the limit shows nothing about memory, only that it arrives whole.
fn most_through(cut: Cut) -> u64 {
    let piece_len = match cut {
        Cut::AsRead => return u64::MAX,
        Cut::Every(len) => len as u64,
        Cut::Random { .. } => 256, // on average, or a little more
    };
    piece_len.saturating_mul(MAX_PIECES)
}

/// Asks for a file of zeros, checks each byte, and returns the most memory that the server was seen to
/// have, in KiB.
fn receive_zeros(
    running: &Running,
    peer: &mut Peer,
    filename: &str,
    len: u64,
) -> Result<u64, Failure> {
    let failed = |failure: Failure| running.explain(failure.after(after_asking(filename)));
    let sent = peer.send(&wire::get(filename)).and_then(|()| wire::receive_header(peer));
    let header = sent.map_err(failed)?;
    if !header["error"].is_null() || header["size"] != len {
        let symptom = wire::refusal(&header);
        let header = json_text(&header);
        let failure = Failure::new(text!("messages.other-size", len, header));
        return Err(failed(failure.looking_like(symptom)));
    }
    let mut most = resident_kib(running.program()?)?;
    let mut came = 0;
    while came < len {
        let chunk_len = usize::try_from(CHUNK_LEN.min(len - came)).expect("a chunk is short");
        let chunk = peer.receive_exactly(chunk_len, &text!("messages.a-chunk"));
        let chunk =
            chunk.map_err(|failure| failed(failure.after(text!("messages.after-bytes", came))))?;
        if let Some(position) = chunk.iter().position(|byte| *byte != 0) {
            let (offset, byte) = (came + position as u64, chunk[position]);
            return Err(failed(Failure::new(text!("messages.other-byte", offset, byte))));
        }
        came += chunk_len as u64;
        if came.is_multiple_of(LARGE_LEN / 8) || came == len {
            most = most.max(resident_kib(running.program()?)?);
        }
    }
    Ok(most)
}

pub(super) fn timeout(subject: &Subject) -> Result<(), Failure> {
    let running = subject.start_with(&["--timeout".as_ref(), TIMEOUT.as_ref()])?;
    let mut peer = running.connect()?;
    let command = if cfg!(windows) { "ping -n 60 127.0.0.1" } else { "sleep 60 & echo $!; wait" };
    let asked = Instant::now();
    let answer = peer.send(&wire::run(command)).and_then(|()| Answer::receive(&mut peer));
    let took = asked.elapsed();
    let explain = |failure: Failure| {
        let timeout = TIMEOUT;
        running.explain(failure.after(text!("messages.with-timeout", timeout, command)))
    };
    let failed = |what: String| explain(Failure::new(what));
    let answer = answer.map_err(explain)?;
    if answer.error().is_none() {
        return Err(failed(text!("messages.no-error", answer)));
    }
    if took < TIMEOUT_AT_LEAST {
        let ms = took.as_millis();
        return Err(failed(text!("messages.stopped-early", ms, answer)));
    }
    // A server with a time limit of its own, instead of the given one, can be this late.
    if took > subject.deadline.mul_f64(TIMEOUT_AT_MOST) {
        let ms = took.as_millis();
        return Err(failed(text!("messages.stopped-late", ms)));
    }
    if cfg!(unix) {
        let text = String::from_utf8_lossy(&answer.body);
        let Ok(child) = text.trim().parse() else {
            return Err(failed(text!("messages.no-body-of-it", answer)));
        };
        let until = Instant::now() + subject.deadline;
        while runs(child) {
            if Instant::now() > until {
                let time = format!("{:?}", subject.deadline);
                return Err(failed(text!("messages.child-still-runs", child, time)));
            }
            thread::sleep(LOOK); // not our child: no event reports that it has ended
        }
    }
    running.exchange(&mut peer, "next")
}

/// Whether this process runs. A process that has ended but has not been waited for is a zombie: its state
/// is `Z`.
pub(super) fn runs(pid: u32) -> bool {
    process_info::state(pid).is_ok_and(|state| !matches!(state, 'Z' | 'X'))
}

/// All files and folders below this one, as sorted paths with `/` between their names.
fn entries_below(folder: &Path) -> Result<Vec<String>, Failure> {
    let mut folders = vec![PathBuf::new()];
    let mut entries = Vec::new();
    while let Some(relative) = folders.pop() {
        let list = fs::read_dir(folder.join(&relative));
        for entry in list.map_err(|error| cannot_list(&error))? {
            let entry = entry.map_err(|error| cannot_list(&error))?;
            let path = relative.join(entry.file_name());
            entries.push(path.to_string_lossy().replace(MAIN_SEPARATOR, "/"));
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push(path);
            }
        }
    }
    entries.sort();
    Ok(entries)
}

pub(super) fn cannot_make_folder(error: &io::Error) -> Failure {
    Failure::new(text!("messages.cannot-make-folder", error))
}

fn cannot_serve_folder(error: &io::Error) -> Failure {
    Failure::new(text!("messages.cannot-make-served-folder", error))
}

fn cannot_list(error: &io::Error) -> Failure {
    Failure::new(text!("messages.cannot-list", error))
}

/// The request, for a failure message.
fn after_asking(filename: &str) -> String {
    let filename = format!("{filename:?}");
    text!("messages.after-asking", filename)
}

/// The request for an existing file, for a failure message.
fn after_asking_for_served(filename: &str) -> String {
    let filename = format!("{filename:?}");
    text!("messages.after-asking-for-served", filename)
}
