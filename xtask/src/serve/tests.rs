use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

use notify::event::{AccessKind, ModifyKind};
use tempfile::TempDir;

use super::*;
use crate::fixture;

/// A book that is served for as long as the test runs.
struct Served {
    tree: TempDir,
    site: Arc<Site>,
    address: SocketAddr,
    livereload: LiveReloadLayer,
}

impl Served {
    fn start() -> Self {
        let tree = fixture::tree();
        let listener = bind(0).unwrap();
        let address = listener.local_addr().unwrap();
        let site = Arc::new(Site::in_folder(tree.path(), tree.path().join("out")));
        site.rebuild().unwrap();
        let livereload = LiveReloadLayer::new();
        let served =
            Self { tree, site: Arc::clone(&site), address, livereload: livereload.clone() };
        thread::spawn(move || runtime().unwrap().block_on(answer(listener, &site, livereload)));
        served
    }

    fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: book\r\nConnection: close\r\n\r\n").unwrap();
        let mut bytes = Vec::new();
        stream.read_to_end(&mut bytes).unwrap();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        (status, text)
    }

    fn append(&self, text: &str) {
        fixture::append(self.tree.path(), "book/en/src/first.md", text);
    }
}

#[test]
fn pages_come_with_the_script_that_reloads_them() {
    let served = Served::start();
    let (status, text) = served.get("/");
    assert_eq!(status, 200);
    assert!(text.contains("See <a href=\"second.html#the-loop\">"), "{text}");
    assert!(text.contains("cache-control: no-store"), "{text}");
    assert!(text.contains("data-event-stream"), "{text}");
}

#[test]
fn what_is_not_there_is_answered_with_the_books_own_page() {
    let (status, text) = Served::start().get("/deep/none.html");
    assert_eq!(status, 404);
    assert!(text.contains("Document not found"), "{text}");
}

#[test]
fn a_change_is_built_and_a_broken_page_keeps_the_last_good_book() {
    let served = Served::start();
    served.append("\nA new sentence.\n");
    served.site.rebuild().unwrap();
    assert!(served.get("/first.html").1.contains("A new sentence."));
    served.append("\n{{#listing 01-first none.rs}}\n");
    let error = served.site.rebuild().unwrap_err().to_string();
    assert!(error.contains("no such file: steps/01-first/none.rs"), "{error}");
    for path in ["/", "/first.html", "/second.html"] {
        assert_eq!(served.get(path).0, 200, "{path}");
    }
    assert!(served.get("/first.html").1.contains("A new sentence."));
}

#[test]
fn no_request_is_answered_with_404_while_the_book_is_rebuilt() {
    let served = Served::start();
    let done = AtomicBool::new(false);
    let requests = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut count = 0;
            while !done.load(Ordering::Relaxed) {
                for path in ["/", "/first.html", "/second.html", "/print.html"] {
                    assert_eq!(served.get(path).0, 200, "{path}");
                    count += 1;
                }
            }
            count
        });
        for number in 0..8 {
            served.append(&format!("\nSentence {number}.\n"));
            served.site.rebuild().unwrap();
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(requests > 8, "only {requests} requests");
    assert!(served.get("/first.html").1.contains("Sentence 7."));
}

#[test]
fn a_page_in_flight_still_gets_the_files_of_the_book_before() {
    let served = Served::start();
    let old = served.site.builds().current;
    fs::write(old.join("style-1234.css"), "").unwrap();
    served.site.rebuild().unwrap();
    assert_eq!(served.get("/style-1234.css").0, 200);
    served.site.rebuild().unwrap();
    assert_eq!(served.get("/style-1234.css").0, 404);
    assert!(!old.exists(), "old builds are removed");
}

#[test]
fn a_saved_file_is_noticed() {
    let served = Served::start();
    let _watcher = watch(&served.site, served.livereload.reloader()).unwrap();
    let before = served.site.builds().current;
    served.append("\nSaved.\n");
    let deadline = Instant::now() + Duration::from_secs(20);
    while served.site.builds().current == before {
        assert!(Instant::now() < deadline, "the change was not noticed");
        thread::yield_now();
    }
    assert!(served.get("/first.html").1.contains("Saved."));
}

#[test]
fn a_port_that_is_taken_is_one_line_with_advice() {
    let taken = bind(0).unwrap().local_addr().unwrap().port();
    let _listener = bind(taken).unwrap();
    let error = bind(taken).unwrap_err().to_string();
    assert_eq!(error, format!("port {taken} is taken: choose another with --port"));
}

#[test]
fn reading_and_editors_own_files_are_no_changes() {
    let root = Path::new("/repository");
    let is_change = |kind, path: &str| {
        let event = notify::Event::new(kind).add_path(root.join(path));
        is_change(root, &Ok(event))
    };
    let modified = EventKind::Modify(ModifyKind::Any);
    assert!(is_change(modified, "book/en/src/first.md"));
    assert!(!is_change(modified, "book/en/src/.first.md.swp"));
    assert!(!is_change(modified, "book/en/src/first.md~"));
    assert!(!is_change(modified, "steps/01-first/python/__pycache__/x.pyc"));
    assert!(!is_change(EventKind::Access(AccessKind::Any), "book/en/src/first.md"));
}
