//! `cargo xtask bench build`: how long a reader, an author and a maintainer wait for this repository.
//!
//! All but `verify` happens in a copy of the repository with a target folder of its own, so nothing
//! that is measured was built before, and no page of the repository is edited. The crates must be on
//! this computer: what a network does is not measured.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use conformance::Program;
use tempfile::TempDir;

use super::progress;
use super::report::{Group, Report, Row};
use crate::{bundle, cargo, root};

/// The step that a reader runs first.
const STEP: &str = "step-01-single-shot";

/// The page that is asked for, and edited: one of the long ones.
const PAGE: &str = "connection-loop";

/// How long a build may take.
const BUILD_DEADLINE: Duration = Duration::from_secs(1800);

/// How long the book may take to be there anew, and a page to be sent.
const BOOK_DEADLINE: Duration = Duration::from_secs(60);

/// Between two looks at a page: what the figures may be too long, at the most.
const LOOK: Duration = Duration::from_millis(2);

/// How many times the page is edited in each round.
const EDITS: usize = 5;

/// What can be chosen on the command line.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Print the figures as JSON
    #[arg(long)]
    json: bool,
    /// Write the figures where the book's charts come from
    #[arg(long)]
    record: bool,
    /// How often each of them is measured
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Measure `cargo xtask verify`, too, which takes minutes; in this folder, when it has run once
    #[arg(long)]
    verify: bool,
}

/// Measures, and prints; returns whether everything could be measured.
pub fn run(root: &Path, options: &Options) -> Result<bool> {
    let copy = Copy::new(root, &root::target()?.dir)?;
    let mut report = Report::new(Vec::new());
    let mut step = Rows::new(["from nothing", "again", "limit: the program alone"]);
    let mut serve = Rows::new(["from nothing", "again"]);
    let mut edit = Rows::new(["from saving it to having it"]);
    for round in 1..=options.rounds {
        progress(&format!("round {round} of {}: {STEP}", options.rounds))?;
        step.add(round, copy.step());
        progress(&format!("round {round} of {}: the book", options.rounds))?;
        let book = copy.book();
        match book {
            Ok(Book { first, again, edits }) => {
                serve.add(round, Ok([first, again]));
                for time in edits {
                    edit.add(round, Ok([time]));
                }
            }
            Err(error) => serve.add(round, Err(error)),
        }
    }
    report.groups = vec![
        step.group(&format!("cargo run -p {STEP}, until it listens")),
        serve.group("cargo xtask serve, until the first page is there"),
        edit.group("A page is edited while it is served"),
    ];
    if options.verify {
        report.groups.push(verify(root, options.rounds)?);
    }
    report.notes = [
        "From nothing: with an empty target folder; the crates are on this computer. Again: with what the",
        "time before has built. The edited page is asked for again and again until its new sentence is there.",
    ]
    .map(str::to_owned)
    .to_vec();
    report.finish(root, "build", options.json, options.record)
}

/// The rows of a group, while they are measured.
struct Rows<const N: usize>([Row; N]);

impl<const N: usize> Rows<N> {
    fn new(names: [&str; N]) -> Self {
        Self(names.map(|name| Row::new(name, name.starts_with("limit: "))))
    }

    /// Adds a time for each row, or the reason why there are none.
    fn add(&mut self, round: u16, times: Result<[Duration; N]>) {
        match times {
            Ok(times) => {
                for (row, time) in self.0.iter_mut().zip(times) {
                    row.figures.push(time.as_secs_f64());
                }
            }
            Err(error) => self.0[0].failures.push(format!("round {round}: {error:#}")),
        }
    }

    fn group(self, title: &str) -> Group {
        let reference = self.0[0].name.clone();
        Group {
            title: title.to_owned(),
            unit: "seconds".to_owned(),
            more_is_better: false,
            reference,
            rows: self.0.into(),
        }
    }
}

/// `verify`, when it has run once and everything is built.
fn verify(root: &Path, rounds: u16) -> Result<Group> {
    let mut rows = Rows::new(["when everything is built"]);
    let once = || -> Result<[Duration; 1]> {
        let mut command = cargo::command(root);
        command.args(["xtask", "verify"]);
        let begin = Instant::now();
        let output = cargo::run(command)?;
        ensure!(output.success, "it failed\n{}", output.text);
        Ok([begin.elapsed()])
    };
    progress("verify, to have everything built")?;
    once()?;
    for round in 1..=rounds {
        progress(&format!("round {round} of {rounds}: verify"))?;
        rows.add(round, once());
    }
    Ok(rows.group("cargo xtask verify"))
}

/// A copy of the repository, to be built from nothing and edited.
struct Copy {
    folder: TempDir,
}

/// What the book took in one round.
struct Book {
    first: Duration,
    again: Duration,
    edits: Vec<Duration>,
}

impl Copy {
    /// Copies the sources into a folder below this one.
    fn new(root: &Path, below: &Path) -> Result<Self> {
        fs::create_dir_all(below).with_context(|| format!("cannot create {}", below.display()))?;
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(below)?;
        let mut files = bundle::sources(root)?;
        files.push((bundle::CARGO_CONFIG.to_owned(), root.join(bundle::CARGO_CONFIG)));
        for (name, from) in files {
            let to = folder.path().join(&name);
            fs::create_dir_all(to.parent().context("a file stands in a folder")?)?;
            fs::copy(from, to).with_context(|| format!("cannot copy {name}"))?;
        }
        Ok(Self { folder })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Cargo in the copy, with what was built before or without.
    fn cargo(&self, is_new: bool) -> Result<Command> {
        let target = self.path("target");
        if is_new && target.exists() {
            fs::remove_dir_all(&target).context("cannot empty the target folder")?;
        }
        let mut command = cargo::command(self.folder.path());
        command.env("CARGO_TARGET_DIR", target).env("CARGO_NET_OFFLINE", "true");
        // Of the cargo that runs this program, nothing is inherited that would change what is built.
        command.env_remove("RUSTFLAGS").env_remove("CARGO_MANIFEST_DIR");
        Ok(command)
    }

    /// Runs the first step's server until it listens: from nothing, again, and without cargo.
    fn step(&self) -> Result<[Duration; 3]> {
        let arguments = ["server", "127.0.0.1:0"];
        let with_cargo = |is_new| -> Result<Duration> {
            let mut command = self.cargo(is_new)?;
            command.args(["run", "--package", STEP, "--"]).args(arguments);
            let (time, ..) = until(command, "listening on ")?;
            Ok(time)
        };
        let times = [with_cargo(true)?, with_cargo(false)?];
        let program = format!("target/debug/{STEP}{}", std::env::consts::EXE_SUFFIX);
        let mut command = Command::new(self.path(&program));
        command.args(arguments);
        let (alone, ..) = until(command, "listening on ")?;
        Ok([times[0], times[1], alone])
    }

    /// Serves the book: from nothing, again, and then with a page that is edited.
    fn book(&self) -> Result<Book> {
        let serve = |is_new| -> Result<(Duration, SocketAddr, Program)> {
            let mut command = self.cargo(is_new)?;
            command.args(["xtask", "serve", "--port", "0"]);
            let begin = Instant::now();
            let (_, line, server) = until(command, "the book is at http://")?;
            let addr = address(&line).with_context(|| format!("no address in `{line}`"))?;
            ensure!(get(addr)?.contains("</html>"), "the page is not whole");
            Ok((begin.elapsed(), addr, server))
        };
        let (first, ..) = serve(true)?;
        let (again, addr, _server) = serve(false)?;
        let edits = (0..EDITS).map(|number| self.edit(addr, number)).collect::<Result<_>>()?;
        Ok(Book { first, again, edits })
    }

    /// Adds a sentence to the page, and waits until it is served.
    fn edit(&self, addr: SocketAddr, number: usize) -> Result<Duration> {
        let file = self.path(&format!("book/en/src/{PAGE}.md"));
        let text = fs::read_to_string(&file).context("the page's text")?;
        let sentence = format!("This is edit number {number}.");
        let begin = Instant::now();
        fs::write(&file, format!("{text}\n{sentence}\n")).context("cannot edit the page")?;
        wait_until(addr, |page| page.contains(&sentence)).context("after an edit")?;
        let time = begin.elapsed();
        // The next edit finds the page as it was, and nothing else is built meanwhile.
        fs::write(&file, &text).context("cannot edit the page")?;
        wait_until(addr, |page| !page.contains(&sentence)).context("when the edit was undone")?;
        Ok(time)
    }
}

/// Starts a program, and waits for a line that begins so; returns how long that took, and the line.
/// The program ends when it is dropped.
fn until(command: Command, start: &str) -> Result<(Duration, String, Program)> {
    let begin = Instant::now();
    let program = Program::start_with_children(command)?;
    let mut program = program.with_deadline(BUILD_DEADLINE);
    let line = program.expect_later(start, |line| line.starts_with(start))?;
    Ok((begin.elapsed(), line, program))
}

/// The address in `the book is at http://127.0.0.1:3000/ (Ctrl-C stops)`.
fn address(line: &str) -> Option<SocketAddr> {
    line.split_once("http://")?.1.split('/').next()?.parse().ok()
}

/// Asks for the page until it is as it should be.
fn wait_until(addr: SocketAddr, is_right: impl Fn(&str) -> bool) -> Result<()> {
    let until = Instant::now() + BOOK_DEADLINE;
    while !is_right(&get(addr)?) {
        ensure!(Instant::now() < until, "the page is as before after {BOOK_DEADLINE:?}");
        thread::sleep(LOOK); // a browser is told, but only by the script in a page
    }
    Ok(())
}

/// The page as it is served now.
fn get(addr: SocketAddr) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&addr, BOOK_DEADLINE)?;
    stream.set_read_timeout(Some(BOOK_DEADLINE))?;
    write!(stream, "GET /{PAGE}.html HTTP/1.1\r\nHost: book\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).context("the page does not come")?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, page) = answer.split_once("\r\n\r\n").context("no answer")?;
    let status = head.lines().next().unwrap_or_default();
    if status.split(' ').nth(1) != Some("200") {
        bail!("the page is answered with `{status}`");
    }
    Ok(page.to_owned())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;
    use crate::fixture;

    /// Answers requests, one after the other, with these.
    fn serve(answers: Vec<String>) -> (SocketAddr, thread::JoinHandle<usize>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let count = answers.len();
            for answer in answers {
                let (mut stream, _) = listener.accept().unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    let mut byte = [0];
                    stream.read_exact(&mut byte).unwrap();
                    request.push(byte[0]);
                }
                assert!(request.starts_with(b"GET /connection-loop.html HTTP/1.1\r\n"));
                stream.write_all(answer.as_bytes()).unwrap();
            }
            count
        });
        (addr, server)
    }

    fn ok(page: &str) -> String {
        format!("HTTP/1.1 200 OK\r\nA: b\r\n\r\n{page}")
    }

    #[test]
    fn the_page_is_asked_for_until_it_is_as_it_should_be() {
        let (addr, server) = serve(vec![ok("old"), ok("old"), ok("new")]);
        wait_until(addr, |page| page == "new").unwrap();
        assert_eq!(server.join().unwrap(), 3);
        let (addr, _server) = serve(vec!["HTTP/1.1 404 Not Found\r\n\r\nnew".to_owned()]);
        let error = wait_until(addr, |page| page == "new").unwrap_err().to_string();
        assert_eq!(error, "the page is answered with `HTTP/1.1 404 Not Found`");
    }

    #[test]
    fn the_address_is_found_in_what_serve_says() {
        let addr = address("the book is at http://127.0.0.1:40001/ (Ctrl-C stops)");
        assert_eq!(addr, Some(SocketAddr::from(([127, 0, 0, 1], 40001))));
        assert_eq!(address("rebuilt in 0.2 s"), None);
    }

    #[test]
    fn a_copy_has_what_was_written_and_nothing_that_was_built() {
        let tree = fixture::tree();
        let root = tree.path();
        for (path, text) in [(bundle::CARGO_CONFIG, "[alias]\n"), ("target/debug/x", "built")] {
            fixture::write(root, path, text);
        }
        let below = root.join("target");
        let copy = Copy::new(root, &below).unwrap();
        assert!(copy.folder.path().starts_with(&below));
        for path in ["book/en/src/first.md", bundle::CARGO_CONFIG, "steps/01-first/src/server.rs"] {
            assert_eq!(fs::read(copy.path(path)).unwrap(), fs::read(root.join(path)).unwrap());
        }
        assert!(!copy.path("target").exists());
    }

    #[test]
    fn from_nothing_means_an_empty_target_folder() {
        let tree = fixture::tree();
        fixture::write(tree.path(), bundle::CARGO_CONFIG, "");
        let copy = Copy::new(tree.path(), &tree.path().join("target")).unwrap();
        let built = copy.path("target/debug/x");
        fixture::write(copy.folder.path(), "target/debug/x", "built");
        let command = copy.cargo(false).unwrap();
        assert_eq!(command.get_current_dir(), Some(copy.folder.path()));
        assert!(built.exists());
        copy.cargo(true).unwrap();
        assert!(!built.exists());
    }

    #[test]
    fn what_could_not_be_measured_is_told_in_the_first_row() {
        let mut rows = Rows::new(["cold", "warm", "limit: alone"]);
        rows.add(1, Ok([3.0, 2.0, 1.0].map(Duration::from_secs_f64)));
        rows.add(2, Err(anyhow::anyhow!("no luck")));
        let group = rows.group("A step");
        assert_eq!(group.reference, "cold");
        let figures: Vec<_> = group.rows.iter().map(|row| row.figures.clone()).collect();
        assert_eq!(figures, [[3.0], [2.0], [1.0]]);
        let limits: Vec<_> = group.rows.iter().map(|row| row.is_limit).collect();
        assert_eq!(limits, [false, false, true]);
        assert_eq!(group.rows[0].failures, ["round 2: no luck"]);
    }

    #[cfg(unix)]
    #[test]
    fn a_program_is_waited_for_until_it_says_so() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo Compiling; echo listening on 127.0.0.1:1; sleep 60"]);
        let (time, line, _program) = until(command, "listening on ").unwrap();
        assert_eq!(line, "listening on 127.0.0.1:1");
        assert!(time < Duration::from_secs(60));
        let mut command = Command::new("sh");
        command.args(["-c", "echo error: no luck; exit 1"]);
        let error = until(command, "listening on ").err().unwrap().to_string();
        assert!(error.contains("no luck"), "{error}");
    }
}
