use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};

use notify::event::{AccessKind, ModifyKind};
use tempfile::TempDir;
use workspace::fixture;

use super::*;

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
        fixture::copy_real(tree.path(), "book/theme/search.js");
        fixture::copy_edition(tree.path(), "xx");
        let listener = bind(0).unwrap();
        let address = listener.local_addr().unwrap();
        let site = Arc::new(
            Site::in_folder(tree.path(), Edition::Everyone, tree.path().join("out")).unwrap(),
        );
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
    let served = Served::start();
    let (status, text) = served.get("/deep/none.html");
    assert_eq!(status, 404);
    for (path, language) in [("/nothing", "en"), ("/xx/nothing", "xx"), ("/../nothing", "en")] {
        let (status, text) = served.get(path);
        assert!(status == 404 && text.contains(&format!("<html lang=\"{language}\"")), "{text}");
    }
    assert!(text.contains("Document not found"), "{text}");
}

#[test]
fn a_change_is_built_and_a_broken_page_keeps_the_last_good_book() {
    let served = Served::start();
    served.append("\nA new sentence.\n");
    served.site.rebuild(Wanted::Pages).unwrap();
    assert!(served.get("/first.html").1.contains("A new sentence."));
    served.append("\n{{#listing 01-first none.rs}}\n");
    let error = served.site.rebuild(Wanted::Pages).unwrap_err().to_string();
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
                for path in ["/", "/first.html", "/print.html", "/search.js"] {
                    assert_eq!(served.get(path).0, 200, "{path}");
                    count += 1;
                }
            }
            count
        });
        for number in 0..9 {
            served.append(&format!("\nSentence {number}.\n"));
            let wanted = [Wanted::Pages, Wanted::Pages, Wanted::Everything][number % 3];
            served.site.rebuild(wanted).unwrap();
        }
        done.store(true, Ordering::Relaxed);
        reader.join().unwrap()
    });
    assert!(requests > 8, "only {requests} requests");
    assert!(served.get("/first.html").1.contains("Sentence 8."));
}

#[test]
fn pages_come_first_and_leave_the_rest_as_it_was() {
    let served = Served::start();
    let first = served.site.builds().whole.0.clone();
    served.append("\nA new zebra.\n");
    served.site.rebuild(Wanted::Pages).unwrap();
    assert!(served.get("/first.html").1.contains("A new zebra."));
    for path in ["/print.html", "/search.js"] {
        let (status, text) = served.get(path);
        assert_eq!(status, 200, "{path}");
        assert!(text.contains("second") && !text.contains("zebra"), "{path}: {text}");
    }
    let pages = served.site.builds().latest.0.clone();
    assert!(first.exists() && pages.exists());
    served.site.rebuild(Wanted::Everything).unwrap();
    assert!(served.get("/print.html").1.contains("A new zebra."));
    assert!(served.get("/search.js").1.contains("zebra"));
    assert!(!first.exists() && !pages.exists(), "old builds are removed");
}

#[test]
fn pages_alone_look_like_those_of_the_whole_book() {
    let tree = fixture::tree();
    fixture::copy_real(tree.path(), "book/theme");
    fixture::copy_real(tree.path(), "book/en/book.toml");
    let [pages, whole] = [Wanted::Pages, Wanted::Everything].map(|wanted| {
        let dest = tree.path().join(format!("{wanted:?}"));
        build::draft(tree.path(), &dest, Edition::Everyone, wanted).unwrap();
        fs::read_to_string(dest.join("second.html")).unwrap()
    });
    assert_eq!(pages, whole);
    assert!(pages.contains("search-button") && pages.contains("print.html"), "{pages}");
}

#[test]
fn a_saved_file_is_noticed() {
    let served = Served::start();
    let _watcher = watch(&served.site, served.livereload.reloader()).unwrap();
    served.append("\nSaved.\n");
    // The page is built first, and then the page for printing, though nothing is changed again.
    for path in ["/first.html", "/print.html"] {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !served.get(path).1.contains("Saved.") {
            assert!(Instant::now() < deadline, "{path}: the change was not noticed");
        }
    }
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
