//! What every test needs: the built book, a server for it, and a driver for browsers.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use axum::Router;
use tempfile::TempDir;
use tower_http::services::{ServeDir, ServeFile};

use crate::browser::Session;

/// The names that the browser goes by.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];

/// How the name of a page ends that has the whole files of another.
pub const FILES: &str = "-files.html";

/// The accessibility checks, in the folder `book/tests`.
const AXE: &str = "node_modules/axe-core/axe.min.js";

/// A driver that prints nothing for that long does not start at all.
const DRIVER_DEADLINE: Duration = Duration::from_secs(30);

/// All of it; it is there for as long as the tests run.
#[derive(Debug)]
pub struct Setup {
    pub site: Arc<Site>,
    /// Browsers that no test uses now. They are closed before their driver, below, ends.
    pub idle: Mutex<Vec<Session>>,
    pub driver: Driver,
    /// The browser's program.
    pub browser: PathBuf,
    /// Holds the built book and the browsers' profiles. The driver, above, ends first.
    pub scratch: TempDir,
}

impl Setup {
    /// Looks for the programs, builds the book, serves it, and starts the driver.
    pub fn new() -> Result<Self> {
        let browser = BROWSERS.iter().find_map(|name| find_program(name));
        let driver = find_program("chromedriver");
        let (Some(browser), Some(driver)) = (browser, driver) else {
            bail!(
                "these tests drive a browser: install chromium and chromedriver \
                 (on Debian: apt-get install chromium chromium-driver)"
            );
        };
        let scratch = tempfile::Builder::new().prefix("book-tests-").tempdir()?;
        let folder = match env::var_os("BOOK_TESTS_DIR") {
            Some(folder) => PathBuf::from(folder),
            None => build_book(&scratch.path().join("book"))?,
        };
        Ok(Self {
            site: Arc::new(Site::new(&folder)?),
            idle: Mutex::default(),
            driver: Driver::start(&driver, scratch.path())?,
            browser,
            scratch,
        })
    }
}

/// The repository's root: this package is in `book/tests`.
pub fn repository() -> &'static Path {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.ancestors().nth(2).expect("stands in a repository")
}

/// The accessibility checks, if npm has installed them.
pub fn axe() -> Option<PathBuf> {
    Some(Path::new(env!("CARGO_MANIFEST_DIR")).join(AXE)).filter(|path| path.is_file())
}

/// The program that reads the text of a PDF, if it is installed.
pub fn pdftotext() -> Option<PathBuf> {
    find_program("pdftotext")
}

fn find_program(name: &str) -> Option<PathBuf> {
    let file = format!("{name}{}", env::consts::EXE_SUFFIX);
    env::split_paths(&env::var_os("PATH")?)
        .map(|folder| folder.join(&file))
        .find(|path| path.is_file())
}

fn build_book(folder: &Path) -> Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["run", "--quiet", "--package", "xtask", "--"])
        .args(["build", "--dest"])
        .arg(folder)
        .current_dir(repository())
        .stdin(Stdio::null())
        .output()
        .context("cannot run cargo to build the book")?;
    ensure!(
        output.status.success(),
        "the book cannot be built: {}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    Ok(folder.to_path_buf())
}

/// The built book, served on this computer.
#[derive(Debug)]
pub struct Site {
    /// What is served.
    pub folder: PathBuf,
    /// Where it is, such as `http://127.0.0.1:40001`.
    pub origin: String,
    /// Its pages, relative to the root, such as `overview.html`.
    pub pages: Vec<String>,
}

impl Site {
    /// The text that a page was written as: its path in the repository, if it has one.
    pub fn source(page: &str) -> Option<String> {
        let (language, page) = page.split_once('/').unwrap_or(("en", page));
        let name = page.replace(FILES, ".html");
        let text = format!("book/{language}/src/{}md", name.trim_end_matches("html"));
        repository().join(&text).is_file().then_some(text)
    }

    fn new(folder: &Path) -> Result<Self> {
        let mut pages = Vec::new();
        find_pages(folder, "", &mut pages)
            .with_context(|| format!("cannot list {}", folder.display()))?;
        pages.sort();
        ensure!(!pages.is_empty(), "{} holds no pages", folder.display());
        Ok(Self { folder: folder.to_path_buf(), origin: serve(folder)?, pages })
    }
}

/// Adds the pages in a folder and in those below it. `toc.html` is no page: it is what other
/// themes show as the contents when there is no JavaScript. Neither is a page's old name.
fn find_pages(folder: &Path, prefix: &str, pages: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            find_pages(&path, &format!("{name}/"), pages)?;
        } else if path.extension() == Some(OsStr::new("html")) && !path.ends_with("toc.html") {
            let leads_on = fs::read_to_string(&path)?.contains("http-equiv=\"refresh\"");
            pages.extend((!leads_on).then_some(name));
        }
    }
    Ok(())
}

/// Serves the folder on a free port until the process ends; returns the origin.
fn serve(folder: &Path) -> Result<String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    let origin = format!("http://{}", listener.local_addr()?);
    let not_found = ServeFile::new(folder.join("404.html"));
    let files = ServeDir::new(folder).not_found_service(not_found);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    thread::spawn(move || {
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            axum::serve(listener, Router::new().fallback_service(files)).await
        })
    });
    Ok(origin)
}

/// A running `chromedriver`; it is ended when this is dropped.
#[derive(Debug)]
pub struct Driver {
    /// The address at which it takes commands.
    pub url: String,
    process: Child,
}

impl Driver {
    /// Starts it on a free port. It and its browsers leave files only in `scratch`.
    fn start(program: &Path, scratch: &Path) -> Result<Self> {
        let mut process = Command::new(program)
            .arg("--port=0")
            .envs(["TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"].map(|name| (name, scratch)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let output = process.stdout.take().expect("is piped");
        let mut driver = Self { url: String::new(), process };
        let (port, found) = mpsc::channel();
        // The thread reads on after that: a driver must not meet a pipe that is full or closed.
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let said = line.split_once("started successfully on port ");
                if let Some((_, number)) = said {
                    _ = port.send(number.trim_end_matches('.').to_owned());
                }
            }
        });
        let port = found
            .recv_timeout(DRIVER_DEADLINE)
            .context("chromedriver does not say on which port it has started")?;
        driver.url = format!("http://127.0.0.1:{port}/");
        Ok(driver)
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        // Either fails only when it has ended already.
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
