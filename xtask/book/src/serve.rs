//! `cargo xtask serve`: the book in a browser, built anew whenever a page or a program changes.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, IF_MODIFIED_SINCE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse as _, Response};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tower_http::services::{ServeDir, ServeFile};
use tower_livereload::{LiveReloadLayer, Reloader};
use workspace::root;

use crate::build::{self, Wanted};
use crate::edition::Edition;

/// An editor saves in several steps: a change is over when nothing has arrived for that long. If it was
/// not, the book is built once more.
const QUIET: Duration = Duration::from_millis(20);

/// After a change, the pages are built at once. What else there is to build is not needed while
/// pages are written: it is built when nothing has changed for that long.
const PAUSE: Duration = Duration::from_secs(1);

/// What can be chosen on the command line.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Port to serve on, on this computer only; 0 takes any free port
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Open the book in the browser
    #[arg(long)]
    open: bool,
    /// For whom [default: all; solutions and notes for teachers are folded]
    #[arg(long, value_enum)]
    edition: Option<Edition>,
}

/// Serves the book until Ctrl-C.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let listener = bind(options.port)?;
    let address = listener.local_addr()?;
    let site = Arc::new(Site::new(root, options.edition.unwrap_or_default(), &address)?);
    let livereload = LiveReloadLayer::new();
    let _watcher = watch(&site, livereload.reloader())?;
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        tokio::select! {
            // In this order: Ctrl-C works before its message is printed.
            biased;
            stopped = tokio::signal::ctrl_c() => stopped.context("cannot wait for Ctrl-C"),
            served = async {
                announce(&address, options.open);
                answer(listener, &site, livereload).await
            } => served,
        }
    });
    // Pages that are open hold a connection, on which they wait for the request to reload: the server does not wait for them.
    runtime.shutdown_background();
    site.remove();
    served
}

fn announce(address: &SocketAddr, open: bool) {
    let url = format!("http://{address}/");
    tell(io::stdout(), &format!("the book is at {url} (Ctrl-C stops)"));
    if open && opener::open_browser(&url).is_err() {
        tell(io::stderr(), &format!("no browser could be opened: open {url} yourself"));
    }
}

/// Prints a line. The book is served also if the output is closed (`| head`).
fn tell(mut output: impl Write, line: &str) {
    let _ = writeln!(output, "{line}");
}

/// Takes the port before anything is built: if it is taken, that should be reported at once.
fn bind(port: u16) -> Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => anyhow!("port {port} is taken: choose another with --port"),
        ErrorKind::PermissionDenied => {
            anyhow!("port {port} is not allowed: choose one above 1023 with --port")
        }
        _ => anyhow!("cannot listen on port {port}: {error}"),
    })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start serving")
}

async fn answer(
    listener: TcpListener,
    site: &Arc<Site>,
    livereload: LiveReloadLayer,
) -> Result<()> {
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let router = Router::new().fallback(file).with_state(Arc::clone(site)).layer(livereload);
    axum::serve(listener, router).await.context("cannot serve")
}

/// Answers a request from the latest build, or else from the last that has everything.
async fn file(State(site): State<Arc<Site>>, mut request: Request) -> Response {
    // Two builds in one second carry the same date.
    request.headers_mut().remove(IF_MODIFIED_SINCE);
    let Builds { latest, whole } = site.builds();
    // Each language has its page for unknown addresses.
    let folder = request.uri().path().split('/').nth(1).unwrap_or_default();
    let of_language = latest.0.join(folder).join("404.html");
    let is_name = folder.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let is_language = is_name && of_language.is_file();
    let english = latest.0.join("404.html");
    let not_found = ServeFile::new(if is_language { of_language } else { english });
    let whole = ServeDir::new(&whole.0).not_found_service(not_found);
    match ServeDir::new(&latest.0).fallback(whole).try_call(request).await {
        Ok(response) => {
            let mut response = response.map(axum::body::Body::new);
            let no_store = HeaderValue::from_static("no-store");
            response.headers_mut().insert(CACHE_CONTROL, no_store);
            response
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// A folder with a built book; it is removed when it is not needed any more.
#[derive(Debug)]
struct Build(PathBuf);

impl Build {
    fn new(root: &Path, folder: PathBuf, edition: Edition, wanted: Wanted) -> Result<Arc<Self>> {
        let build = Self(folder);
        build::draft(root, &build.0, edition, wanted)?;
        Ok(Arc::new(build))
    }
}

impl Drop for Build {
    fn drop(&mut self) {
        remove(&self.0);
    }
}

#[derive(Clone, Debug)]
struct Builds {
    /// It may be pages only.
    latest: Arc<Build>,
    /// The last with everything, or the same.
    whole: Arc<Build>,
}

/// A book that is built beside the one that is served, and then takes its place.
#[derive(Debug)]
struct Site {
    root: PathBuf,
    edition: Edition,
    folder: PathBuf,
    builds: RwLock<Builds>,
    /// How many builds were begun; while it is locked, one is under way.
    count: Mutex<usize>,
}

impl Site {
    /// Builds the book. The address and the folder belong together.
    fn new(root: &Path, edition: Edition, address: &SocketAddr) -> Result<Self> {
        let folder = format!("book/serve/{}", address.port());
        let folder = root::target()?.dir.join(folder);
        Self::in_folder(root, edition, folder)
    }

    fn in_folder(root: &Path, edition: Edition, folder: PathBuf) -> Result<Self> {
        remove(&folder);
        let first = Build::new(root, folder.join("1"), edition, Wanted::Everything)?;
        let builds = Builds { latest: Arc::clone(&first), whole: first };
        Ok(Self {
            root: root.to_path_buf(),
            edition,
            folder,
            builds: RwLock::new(builds),
            count: Mutex::new(1),
        })
    }

    fn builds(&self) -> Builds {
        self.builds.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Builds the book; only if that succeeds is it served.
    fn rebuild(&self, wanted: Wanted) -> Result<()> {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        let latest =
            Build::new(&self.root, self.folder.join(count.to_string()), self.edition, wanted)?;
        let whole = match wanted {
            Wanted::Everything => Arc::clone(&latest),
            Wanted::Pages => self.builds().whole,
        };
        *self.builds.write().unwrap_or_else(PoisonError::into_inner) = Builds { latest, whole };
        Ok(())
    }

    fn remove(&self) {
        remove(&self.folder);
    }
}

fn remove(folder: &Path) {
    // It may not exist; and if it cannot be removed, it does no harm.
    let _ = fs::remove_dir_all(folder);
}

/// Builds the book anew in a thread whenever something changes, until the watcher is dropped.
fn watch(site: &Arc<Site>, reloader: Reloader) -> Result<RecommendedWatcher> {
    let (sender, events) = mpsc::channel();
    let mut watcher = notify::recommended_watcher(sender).context("cannot watch for changes")?;
    for folder in ["book", "steps"] {
        watcher
            .watch(&site.root.join(folder), RecursiveMode::Recursive)
            .with_context(|| format!("cannot watch {folder} for changes"))?;
    }
    let site = Arc::clone(site);
    thread::spawn(move || follow(&events, &site, &reloader));
    Ok(watcher)
}

fn follow(events: &Receiver<notify::Result<notify::Event>>, site: &Site, reloader: &Reloader) {
    let mut has_pages_only = false;
    loop {
        let patience = if has_pages_only { PAUSE } else { Duration::MAX };
        match events.recv_timeout(patience) {
            Ok(event) if is_change(&site.root, &event) => {
                while events.recv_timeout(QUIET).is_ok() {}
                let start = Instant::now();
                has_pages_only = has_rebuilt(site, Wanted::Pages);
                if has_pages_only {
                    let seconds = start.elapsed().as_secs_f64();
                    tell(io::stdout(), &format!("rebuilt in {seconds:.1} s"));
                    reloader.reload();
                }
            }
            Ok(_) => {}
            // What is built now, open pages find under the names that they know: they need not reload.
            Err(RecvTimeoutError::Timeout) => {
                has_rebuilt(site, Wanted::Everything);
                has_pages_only = false;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// Rebuilds the book, or reports why it cannot be built.
fn has_rebuilt(site: &Site, wanted: Wanted) -> bool {
    let rebuilt = site.rebuild(wanted);
    if let Err(error) = &rebuilt {
        tell(io::stderr(), &format!("error: {error:#}\nthe last good book stays up"));
    }
    rebuilt.is_ok()
}

/// Whether an event can change the book: reading does not, nor do files that editors and programs keep for themselves.
fn is_change(root: &Path, event: &notify::Result<notify::Event>) -> bool {
    let Ok(event) = event else { return true };
    let is_own = |path: &PathBuf| {
        let path = path.strip_prefix(root).unwrap_or(path);
        path.components().any(|part| {
            let name = part.as_os_str().to_string_lossy();
            name.starts_with('.')
                || name.ends_with('~')
                || name == "target"
                || name == "__pycache__"
        })
    };
    !matches!(event.kind, EventKind::Access(_)) && !event.paths.iter().all(is_own)
}

#[cfg(test)]
mod tests;
