//! `cargo xtask bench download`: how long a checked download takes, side by side.
//!
//! The limit is the least work: each side hashes the file once, since the hash precedes the body, and
//! the bytes are copied once from socket to socket.

// Counts are far below 2^52, where a float would begin to lose any.
#![allow(clippy::cast_precision_loss)]

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use conformance::Program;
use sha2::{Digest as _, Sha256};
use workspace::measured::{Group, Row};
use workspace::{root, stats};

use crate::contender::{build_step, is_installed};
use crate::limits;
use crate::report::{self, progress};

/// The step that the others are compared with.
const REFERENCE: &str = "step 07";

/// The chunk of step 07: 64 KiB.
const CHUNK_LEN: usize = 64 * 1024;

/// How long a download may take.
const DEADLINE: Duration = Duration::from_secs(300);

/// The options of the command line.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    report: report::Reporting,
    /// Sizes of the files: bytes, kB, MB, GB, KiB, MiB, or GiB
    #[arg(long, value_name = "SIZE,…", value_delimiter = ',', default_value = "1MB,100MB,1GiB")]
    sizes: Vec<Size>,
}

/// The size of a file, with the text that was typed for it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Size {
    text: String,
    bytes: u64,
}

impl std::str::FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let unit = match &text[end..] {
            "" => 1,
            "kB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            unit => return Err(format!("`{unit}` is none of kB, MB, GB, KiB, MiB, GiB")),
        };
        let number = text[..end].parse::<u64>().ok().and_then(|number| number.checked_mul(unit));
        match number {
            Some(bytes) if bytes > 0 => Ok(Self { text: text.to_owned(), bytes }),
            _ => Err("a size is a number above zero and a unit, such as 100MB".to_owned()),
        }
    }
}

/// A way to download a file and to check its hash.
enum Contender {
    /// A server and a client of step 07's protocol.
    Step { server: Vec<PathBuf>, client: Vec<PathBuf> },
    /// `python3 -m http.server`, and `curl | sha256sum`.
    Http,
}

/// A contender with its name.
type Named = (String, Contender);

/// The cost of a download.
struct Took {
    seconds: f64,
    /// The most memory that the server and the client used, in bytes, if the system reports it.
    server: Option<u64>,
    client: Option<u64>,
}

/// The folders from which and into which files are downloaded.
struct Folders {
    served: tempfile::TempDir,
    target: tempfile::TempDir,
}

/// Measures and prints, and returns whether every round could be measured.
pub fn run(root: &Path, options: &Options) -> Result<bool> {
    let target = root::target()?;
    progress("building")?;
    let (contenders, missing) = find(root, &target)?;
    let mut report = report::begin(missing);
    let folders = Folders {
        served: tempfile::tempdir_in(&target.dir)?,
        target: tempfile::tempdir_in(&target.dir)?,
    };
    for size in &options.sizes {
        let hash = make_file(&folders.served.path().join(&size.text), size.bytes)?;
        report.groups.push(measure(&contenders, &folders, size, &hash, options.report.rounds)?);
        fs::remove_file(folders.served.path().join(&size.text))?;
    }
    report.notes = [
        "The time is the client's, from its start until the file is saved and its hash checked.",
        "The limit: SHA-256 once on each side with step 07's crate, and one copy through a bare pair of",
        "sockets in chunks of 64 KiB, one after the other, on an idle core. The line below it adds saving",
        "the file, and waiting until it is on the disk, as step 07 and its twin do.",
        "curl | sha256sum hashes once, while the bytes arrive, compares the hash with nothing, and writes",
        "no file. Memory: the most that the server and the client used.",
    ]
    .map(str::to_owned)
    .to_vec();
    report::finish(&report, root, "download", options.report.json, options.report.record)
}

fn find(root: &Path, target: &root::Target) -> Result<(Vec<Named>, Vec<String>)> {
    let step = root::find_step(root, "07")?;
    let program = build_step(root, target, &step)?;
    let own = Contender::Step {
        server: vec![program.clone(), "server".into()],
        client: vec![program, "client".into()],
    };
    let mut found = vec![(REFERENCE.to_owned(), own)];
    let mut missing = Vec::new();
    let Some(python) = conformance::python() else {
        missing.push("python 07 and http.server: no Python 3 was found".to_owned());
        return Ok((found, missing));
    };
    let words = |file: &str| -> Vec<PathBuf> {
        let words = std::iter::once(python.get_program()).chain(python.get_args());
        let script = step.dir(root).join("python").join(file);
        words.map(PathBuf::from).chain([script]).collect()
    };
    let twin = Contender::Step { server: words("server.py"), client: words("client.py") };
    found.push(("python 07".to_owned(), twin));
    let absent: Vec<&str> =
        ["curl", "sha256sum"].into_iter().filter(|name| !is_installed(name, "--version")).collect();
    if absent.is_empty() {
        found.push(("http.server, curl | sha256sum".to_owned(), Contender::Http));
    } else {
        let (names, packages) = (absent.join(" and "), "curl and coreutils");
        missing.push(format!("http.server: {names} not found; install the packages {packages}"));
    }
    Ok((found, missing))
}

fn measure(
    contenders: &[(String, Contender)],
    folders: &Folders,
    size: &Size,
    hash: &str,
    rounds: u16,
) -> Result<Group> {
    let mut rows: Vec<Row> = contenders.iter().map(|(name, _)| Row::new(name, false)).collect();
    let mut limit = Row::new("limit: hash, copy, hash", true);
    let mut on_disk = Row::new("the same, and on the disk", true);
    let mut memory = vec![[Vec::new(), Vec::new()]; contenders.len()];
    for round in 0..usize::from(rounds) {
        progress(&format!("{}: round {} of {rounds}", size.text, round + 1))?;
        for turn in 0..contenders.len() {
            let index = (turn + round) % contenders.len(); // no contender is always the first
            match contenders[index].1.download(folders, size, hash) {
                Ok(took) => {
                    rows[index].figures.push(took.seconds);
                    memory[index][0].extend(took.server.map(|bytes| bytes as f64));
                    memory[index][1].extend(took.client.map(|bytes| bytes as f64));
                }
                Err(error) => rows[index].failures.push(format!("round {}: {error:#}", round + 1)),
            }
        }
        let hashing = time_to_hash(size.bytes);
        let seconds = 2.0 * hashing + time_to_copy(size.bytes)?;
        limit.figures.push(seconds);
        on_disk.figures.push(seconds + time_to_save(folders.target.path(), size.bytes)?);
    }
    for (row, sides) in rows.iter_mut().zip(&memory) {
        let [server, client] = sides.each_ref().map(|bytes| match &bytes[..] {
            [] => "-".to_owned(),
            bytes => format!("{:.1} MiB", stats::median(bytes) / f64::from(1 << 20)),
        });
        row.remark = format!("memory {server} and {client}");
    }
    rows.extend([limit, on_disk]);
    Ok(Group {
        title: format!("A download of {}", size.text),
        unit: "seconds".to_owned(),
        more_is_better: false,
        reference: REFERENCE.to_owned(),
        rows,
    })
}

impl Contender {
    /// Downloads once, with a server of its own.
    fn download(&self, folders: &Folders, size: &Size, hash: &str) -> Result<Took> {
        let name = &size.text;
        let folder = folders.served.path();
        let begin;
        let took = match self {
            Self::Step { server, client } => {
                let mut command = command(server);
                command.arg("127.0.0.1:0").arg("--root").arg(folder);
                let (server, addr) = Program::start_server(command)?;
                let mut command = self::command(client);
                command.arg(addr.to_string()).arg("--dir").arg(folders.target.path());
                begin = Instant::now();
                let mut client = Program::start(command)?.with_deadline(DEADLINE);
                client.type_line(&format!("get {name}"))?;
                let saved = format!("saved {name}: {} bytes, SHA-256 checked", size.bytes);
                let line = client.expect_line(&saved)?;
                let seconds = begin.elapsed().as_secs_f64();
                ensure!(line == saved, "it printed `{line}`, not `{saved}`");
                let memory = [server.id(), client.id()].map(limits::peak_memory);
                client.end_input();
                ensure!(client.wait()?.success(), "the client failed");
                fs::remove_file(folders.target.path().join(name))?;
                Took { seconds, server: memory[0], client: memory[1] }
            }
            Self::Http => {
                let (server, addr) = http_server(folder)?;
                begin = Instant::now();
                let mut curl = Command::new("curl")
                    .args([
                        "--silent",
                        "--fail",
                        "--noproxy",
                        "*",
                        &format!("http://{addr}/{name}"),
                    ])
                    .stdin(Stdio::null())
                    .stdout(Stdio::piped())
                    .spawn()?;
                let body = curl.stdout.take().context("curl has no stdout")?;
                let sum = Command::new("sha256sum").stdin(body).output()?;
                ensure!(curl.wait()?.success(), "curl failed");
                let seconds = begin.elapsed().as_secs_f64();
                let came = String::from_utf8_lossy(&sum.stdout);
                ensure!(came.starts_with(hash), "the hash is {came}, not {hash}");
                Took { seconds, server: limits::peak_memory(server.id()), client: None }
            }
        };
        Ok(took)
    }
}

fn command(words: &[PathBuf]) -> Command {
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]);
    command
}

/// Python's web server; it prints its address in its own format.
fn http_server(folder: &Path) -> Result<(Program, SocketAddr)> {
    let mut command = conformance::python().context("no Python 3 was found")?;
    command.args(["-u", "-m", "http.server", "0", "--bind", "127.0.0.1", "--directory"]);
    command.arg(folder);
    let mut server = Program::start(command)?;
    let line = server.next_line()?.unwrap_or_default();
    let words = line.split_whitespace().skip_while(|word| *word != "port");
    match words.skip(1).find_map(|word| word.parse().ok()) {
        Some(port) => Ok((server, SocketAddr::from((Ipv4Addr::LOCALHOST, port)))),
        None => bail!("http.server prints no port, but `{line}`"),
    }
}

/// Makes a file that does not compress, and returns its SHA-256.
fn make_file(path: &Path, bytes: u64) -> Result<String> {
    let mut block = Vec::with_capacity(1 << 20);
    for number in 0_u32..1 << 15 {
        block.extend_from_slice(&Sha256::digest(number.to_be_bytes()));
    }
    let (mut file, mut hasher, mut left) = (File::create(path)?, Sha256::new(), bytes);
    while left > 0 {
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        file.write_all(&block[..len])?;
        hasher.update(&block[..len]);
        left -= len as u64;
    }
    file.sync_all()?; // so that the disk is idle when the first download begins
    Ok(hex(&hasher.finalize()))
}

/// Returns bytes as lower-case hex digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |digits, byte| digits + &format!("{byte:02x}"))
}

/// Returns the seconds that one core takes to hash that many bytes.
fn time_to_hash(bytes: u64) -> f64 {
    let (chunk, mut hasher, mut left) = (vec![7; CHUNK_LEN], Sha256::new(), bytes);
    let begin = Instant::now();
    while left > 0 {
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_LEN);
        hasher.update(&chunk[..len]);
        left -= len as u64;
    }
    std::hint::black_box(hasher.finalize());
    begin.elapsed().as_secs_f64()
}

/// Returns the seconds that many bytes take through a bare pair of sockets.
fn time_to_copy(bytes: u64) -> Result<f64> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let addr = listener.local_addr()?;
    let sender = thread::spawn(move || -> io::Result<()> {
        let (mut stream, _) = listener.accept()?;
        let (chunk, mut left) = (vec![7; CHUNK_LEN], bytes);
        while left > 0 {
            let len = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_LEN);
            stream.write_all(&chunk[..len])?;
            left -= len as u64;
        }
        Ok(())
    });
    let mut stream = TcpStream::connect(addr)?;
    let (mut chunk, mut came) = (vec![0; CHUNK_LEN], 0);
    let begin = Instant::now();
    while came < bytes {
        match stream.read(&mut chunk)? {
            0 => bail!("the bare pair of sockets ended after {came} bytes"),
            len => came += len as u64,
        }
    }
    let seconds = begin.elapsed().as_secs_f64();
    sender.join().expect("the sender does not panic")?;
    Ok(seconds)
}

/// Returns the seconds that it takes to write that many bytes into a file, and onto the disk.
fn time_to_save(folder: &Path, bytes: u64) -> Result<f64> {
    let mut file = tempfile::tempfile_in(folder)?;
    let (chunk, mut left) = (vec![7; CHUNK_LEN], bytes);
    let begin = Instant::now();
    while left > 0 {
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(CHUNK_LEN);
        file.write_all(&chunk[..len])?;
        left -= len as u64;
    }
    file.sync_all()?;
    Ok(begin.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units_and_wrong_ones_are_refused() {
        for (text, bytes) in [("7", 7), ("1MB", 1_000_000), ("2KiB", 2048), ("1GiB", 1 << 30)] {
            let size: Size = text.parse().unwrap();
            assert_eq!((size.bytes, &size.text[..]), (bytes, text));
        }
        for wrong in ["", "MB", "0", "1mb", "-1", "1 MB", "99999999999GiB"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_file_has_its_size_and_its_hash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let hash = make_file(&path, 1_500_000).unwrap();
        let bytes = fs::read(&path).unwrap();
        assert_eq!(bytes.len(), 1_500_000);
        let digest = Sha256::digest(&bytes);
        assert_eq!(hash, hex(&digest));
    }

    #[test]
    fn the_limit_takes_time() {
        assert!(time_to_hash(1_000_000) > 0.0);
        assert!(time_to_copy(1_000_000).unwrap() > 0.0);
        assert!(time_to_save(tempfile::tempdir().unwrap().path(), 1_000_000).unwrap() > 0.0);
    }
}
