//! `cargo xtask serve`: the book in a browser, built anew whenever a page or a program changes.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver};
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

use crate::{build_book, root};

/// An editor saves in several steps: a change is over when nothing has come for so long. If it was
/// not, the book is built once more.
const QUIET: Duration = Duration::from_millis(50);

/// What can be chosen on the command line.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Port to serve on, on this computer only; 0 takes any free one
    #[arg(long, default_value_t = 3000)]
    port: u16,
    /// Open the book in the browser
    #[arg(long)]
    open: bool,
}

/// Serves the book until Ctrl-C.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let listener = bind(options.port)?;
    let address = listener.local_addr()?;
    let site = Arc::new(Site::new(root, &address)?);
    site.rebuild()?;
    let livereload = LiveReloadLayer::new();
    let _watcher = watch(&site, livereload.reloader())?;
    let runtime = runtime()?;
    let served = runtime.block_on(async {
        tokio::select! {
            // In this order: Ctrl-C is waited for before anybody is told that it works.
            biased;
            stopped = tokio::signal::ctrl_c() => stopped.context("cannot wait for Ctrl-C"),
            served = async {
                announce(&address, options.open);
                answer(listener, &site, livereload).await
            } => served,
        }
    });
    // Pages that are open hold a connection, on which they wait to be told to reload: they are not waited for.
    runtime.shutdown_background();
    site.remove();
    served
}

fn announce(address: &SocketAddr, open: bool) {
    let url = format!("http://{address}/");
    println!("the book is at {url} (Ctrl-C stops)");
    if open && opener::open_browser(&url).is_err() {
        eprintln!("no browser could be opened: open {url} yourself");
    }
}

/// Takes the port before anything is built: that it is taken should be said at once.
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

/// Answers a request from the book of now, or else from the one before, whose pages may still be loading.
async fn file(State(site): State<Arc<Site>>, mut request: Request) -> Response {
    // Two builds in one second carry the same date.
    request.headers_mut().remove(IF_MODIFIED_SINCE);
    let Builds { current, previous } = site.builds();
    let not_found = ServeFile::new(current.join("404.html"));
    let previous = ServeDir::new(previous).not_found_service(not_found);
    match ServeDir::new(current).fallback(previous).try_call(request).await {
        Ok(response) => {
            let mut response = response.map(axum::body::Body::new);
            let no_store = HeaderValue::from_static("no-store");
            response.headers_mut().insert(CACHE_CONTROL, no_store);
            response
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// The folders with the built book.
#[derive(Clone, Debug)]
struct Builds {
    current: PathBuf,
    /// The one before, or the same.
    previous: PathBuf,
}

/// A book that is built beside the one that is served, and then takes its place.
#[derive(Debug)]
struct Site {
    root: PathBuf,
    folder: PathBuf,
    builds: RwLock<Builds>,
    /// How many builds were begun; while it is locked, one is under way.
    count: Mutex<usize>,
}

impl Site {
    /// Nothing is built yet. Whoever has the address has the folder, too.
    fn new(root: &Path, address: &SocketAddr) -> Result<Self> {
        let folder = format!("book/serve/{}", address.port());
        let folder = root::target()?.dir.join(folder);
        Ok(Self::in_folder(root, folder))
    }

    fn in_folder(root: &Path, folder: PathBuf) -> Self {
        let site = Self {
            root: root.to_path_buf(),
            builds: RwLock::new(Builds { current: folder.clone(), previous: folder.clone() }),
            folder,
            count: Mutex::new(0),
        };
        site.remove();
        site
    }

    fn builds(&self) -> Builds {
        self.builds.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Builds the book; only if that succeeds is it served.
    fn rebuild(&self) -> Result<()> {
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        *count += 1;
        let fresh = self.folder.join(count.to_string());
        match build_book::build(&self.root, &fresh) {
            Ok(()) => self.swap(fresh, *count == 1),
            Err(error) => {
                remove(&fresh);
                return Err(error);
            }
        }
        Ok(())
    }

    fn swap(&self, fresh: PathBuf, is_first: bool) {
        let old = self.builds();
        let previous = if is_first { fresh.clone() } else { old.current.clone() };
        *self.builds.write().unwrap_or_else(PoisonError::into_inner) =
            Builds { current: fresh, previous };
        if old.previous != old.current {
            remove(&old.previous);
        }
    }

    fn remove(&self) {
        remove(&self.folder);
    }
}

fn remove(folder: &Path) {
    // It may not be there; and if it cannot be removed, it is in nobody's way.
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
    while let Ok(event) = events.recv() {
        if !is_change(&site.root, &event) {
            continue;
        }
        while events.recv_timeout(QUIET).is_ok() {}
        let start = Instant::now();
        match site.rebuild() {
            Ok(()) => {
                println!("rebuilt in {:.1} s", start.elapsed().as_secs_f64());
                reloader.reload();
            }
            Err(error) => eprintln!("error: {error:#}\nthe last good book stays up"),
        }
    }
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
