//! Which files step 07 sends: those below `--root`, and no others.

use std::fs;
use std::path::Path;

use assert_cmd::Command as Assert;
use conformance::{Failure, Peer, Program};
use tempfile::TempDir;

mod common;

use common::{STEP, ask, expect, file, get, refused, run, server, text};

const OUTSIDE: &str = "it is outside the folder that is served";
const NO_FILE: &str = "it is not a file";
const NO_SUCH_FILE: &str = "no such file";

/// A folder `root` with files that may be read, and beside it a file that may not.
fn folder() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    let write = |path: &str, text| {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("it has one")).expect("a folder");
        fs::write(path, text).expect("a file");
    };
    write("secret.txt", "secret\n");
    write("root/notes.txt", "notes\n");
    write("root/sub/more.txt", "more\n");
    write("root/Grüße.txt", "Grüße\n");
    write("root/empty", "");
    write("rootless/secret.txt", "secret\n"); // a folder whose name begins as the other's
    folder
}

/// Asks a server for each of these files, which must be refused for the reason given, and then for one
/// that it sends, on the same connection.
fn all_refused(folder: &Path, names: &[(&str, &str)]) -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server(&folder.join("root")))?;
    let mut peer = Peer::connect(addr)?;
    for (name, reason) in names {
        expect(&mut peer, &get(name), &refused(reason))?;
    }
    expect(&mut peer, &get("notes.txt"), &file("notes.txt", b"notes\n"))
}

#[test]
fn files_below_the_root_are_sent() -> Result<(), Failure> {
    let folder = folder();
    let (mut server, addr) = Program::start_server(server(&folder.path().join("root")))?;
    let mut peer = Peer::connect(addr)?;
    for (name, own_name, body) in [
        ("notes.txt", "notes.txt", "notes\n"),
        ("./notes.txt", "notes.txt", "notes\n"),
        ("sub/more.txt", "more.txt", "more\n"),
        ("sub//./more.txt", "more.txt", "more\n"),
        ("Grüße.txt", "Grüße.txt", "Grüße\n"),
        ("empty", "empty", ""),
    ] {
        expect(&mut peer, &get(name), &file(own_name, body.as_bytes()))?;
        let line = format!("gets {name:?}");
        server.expect_later(&line, |came| came.ends_with(&line))?;
    }
    Ok(())
}

#[test]
fn names_that_lead_out_are_refused() -> Result<(), Failure> {
    let folder = folder();
    let secret = folder.path().join("secret.txt");
    let inside = folder.path().join("root/notes.txt");
    all_refused(
        folder.path(),
        &[
            ("../secret.txt", OUTSIDE),
            ("..", OUTSIDE),
            ("sub/../../secret.txt", OUTSIDE),
            ("sub/../notes.txt", OUTSIDE), // it would stay inside, but is no ordinary path
            ("../root/notes.txt", OUTSIDE),
            ("../rootless/secret.txt", OUTSIDE),
            (secret.to_str().expect("UTF-8"), OUTSIDE),
            (inside.to_str().expect("UTF-8"), OUTSIDE),
            ("/", OUTSIDE),
            ("//", OUTSIDE),
        ],
    )
}

#[test]
fn names_are_not_decoded() -> Result<(), Failure> {
    let folder = folder();
    all_refused(
        folder.path(),
        &[("%2e%2e/secret.txt", NO_SUCH_FILE), ("..%2fsecret.txt", NO_SUCH_FILE)],
    )?;
    // The escapes of JSON are part of JSON: this is `../secret.txt`.
    let (_server, addr) = Program::start_server(server(&folder.path().join("root")))?;
    let header = r#"{"request":"get","filename":"\u002e\u002e/secret.txt"}"#;
    expect(&mut Peer::connect(addr)?, &common::framed(header), &refused(OUTSIDE))
}

#[test]
fn the_separators_of_windows_lead_out_on_windows_only() -> Result<(), Failure> {
    let reason = if cfg!(windows) { OUTSIDE } else { NO_SUCH_FILE };
    let names = [r"..\secret.txt", r"sub\..\..\secret.txt", r"C:\secret.txt", r"\\host\x\y"];
    all_refused(folder().path(), &names.map(|name| (name, reason)))
}

#[test]
fn names_that_no_file_can_have_are_refused() -> Result<(), Failure> {
    let too_long = "x".repeat(300);
    let too_deep = "x/".repeat(5000) + "x";
    all_refused(
        folder().path(),
        &[
            ("", NO_SUCH_FILE),
            ("nothing.txt", NO_SUCH_FILE),
            ("sub/nothing.txt", NO_SUCH_FILE),
            ("notes.txt/more", NO_SUCH_FILE),
            ("notes.txt\0", NO_SUCH_FILE),
            ("\0", NO_SUCH_FILE),
            ("a\nb", NO_SUCH_FILE),
            (&too_long, NO_SUCH_FILE),
            (&too_deep, NO_SUCH_FILE),
        ],
    )
}

#[test]
fn a_folder_is_no_file() -> Result<(), Failure> {
    all_refused(folder().path(), &[(".", NO_FILE), ("sub", NO_FILE), ("sub/", NO_FILE)])
}

#[cfg(unix)]
#[test]
fn a_symlink_may_not_lead_out_but_it_may_lead_elsewhere_inside() -> Result<(), Failure> {
    use std::os::unix::fs::symlink;

    let folder = folder();
    let root = folder.path().join("root");
    for (target, link) in [
        ("../secret.txt", "to-secret"),
        ("/etc/passwd", "to-passwd"),
        ("..", "to-parent"),
        ("/", "to-everything"),
        ("../rootless", "to-neighbour"),
        ("to-secret", "to-link"),
        ("loop", "loop"),
        ("/nowhere/at/all", "dangling"),
        ("sub/more.txt", "to-more"),
        ("sub", "to-sub"),
        ("../root/notes.txt", "out-and-in"),
    ] {
        symlink(target, root.join(link)).expect("a symlink");
    }
    all_refused(
        folder.path(),
        &[
            ("to-secret", OUTSIDE),
            ("to-passwd", OUTSIDE),
            ("to-parent", OUTSIDE),
            ("to-parent/secret.txt", OUTSIDE),
            ("to-everything/etc/passwd", OUTSIDE),
            ("to-neighbour/secret.txt", OUTSIDE),
            ("to-link", OUTSIDE),
            ("dangling", NO_SUCH_FILE),
        ],
    )?;
    let (_server, addr) = Program::start_server(server(&root))?;
    let mut peer = Peer::connect(addr)?;
    expect(&mut peer, &get("to-more"), &file("to-more", b"more\n"))?;
    expect(&mut peer, &get("to-sub/more.txt"), &file("more.txt", b"more\n"))?;
    expect(&mut peer, &get("out-and-in"), &file("out-and-in", b"notes\n"))?;
    peer.close();
    let (header, body) = ask(addr, &get("loop"))?;
    assert!(header["error"].is_string() && body.is_empty(), "{header}");
    Ok(())
}

#[cfg(unix)]
#[test]
fn the_root_itself_may_be_a_symlink() -> Result<(), Failure> {
    let folder = folder();
    let link = folder.path().join("link");
    std::os::unix::fs::symlink("root", &link).expect("a symlink");
    let (_server, addr) = Program::start_server(server(&link))?;
    let mut peer = Peer::connect(addr)?;
    expect(&mut peer, &get("notes.txt"), &file("notes.txt", b"notes\n"))?;
    expect(&mut peer, &get("../secret.txt"), &refused(OUTSIDE))
}

#[cfg(unix)]
#[test]
fn what_is_neither_file_nor_folder_is_refused_and_does_not_hang_the_server() -> Result<(), Failure>
{
    let folder = folder();
    let root = folder.path().join("root");
    common::fifo(&root, "pipe");
    let _socket = std::os::unix::net::UnixListener::bind(root.join("socket")).expect("a socket");
    for device in ["null", "zero", "tty"] {
        let link = root.join(device);
        std::os::unix::fs::symlink(Path::new("/dev").join(device), link).expect("a symlink");
    }
    all_refused(
        folder.path(),
        &[
            ("pipe", NO_FILE),
            ("socket", NO_FILE),
            ("null", OUTSIDE),
            ("zero", OUTSIDE),
            ("tty", OUTSIDE),
        ],
    )
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_below_the_root_is_no_file() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server(Path::new("/dev")))?;
    let mut peer = Peer::connect(addr)?;
    for name in ["null", "zero", "random"] {
        expect(&mut peer, &get(name), &refused(NO_FILE))?;
    }
    Ok(())
}

#[cfg(unix)]
#[test]
fn a_file_that_the_server_may_not_read_is_refused_in_the_words_of_the_system() -> Result<(), Failure>
{
    use std::os::unix::fs::PermissionsExt;

    let folder = folder();
    let root = folder.path().join("root");
    fs::write(root.join("private"), "private\n").expect("a file");
    fs::set_permissions(root.join("private"), fs::Permissions::from_mode(0o0)).expect("it is ours");
    if fs::File::open(root.join("private")).is_ok() {
        // Root may read everything, and so may its server.
        let (_server, addr) = Program::start_server(server(&root))?;
        return expect(&mut Peer::connect(addr)?, &get("private"), &file("private", b"private\n"));
    }
    all_refused(folder.path(), &[("private", "permission denied")])
}

#[test]
fn no_refusal_tells_where_the_root_is() -> Result<(), Failure> {
    let folder = folder();
    let (_server, addr) = Program::start_server(server(&folder.path().join("root")))?;
    let name = folder.path().file_name().expect("it has a name").to_string_lossy();
    for asked in ["../secret.txt", "nothing", "sub", "a\0b", &"x".repeat(300)] {
        let (header, _) = ask(addr, &get(asked))?;
        let told = header.to_string();
        assert!(header["error"].is_string() && !told.contains(&*name), "{told}");
    }
    Ok(())
}

/// The root limits downloads, and not commands.
#[cfg(unix)]
#[test]
fn still_wrong_a_command_reads_every_file() -> Result<(), Failure> {
    let folder = folder();
    let (_server, addr) = Program::start_server(server(&folder.path().join("root")))?;
    let secret = folder.path().join("secret.txt");
    let (_, body) = ask(addr, &run(&format!("cat '{}'", secret.display())))?;
    assert_eq!(text(&body), "secret\n");
    Ok(())
}

#[test]
fn a_root_that_is_no_folder_is_reported() {
    let folder = folder();
    let secret = folder.path().join("secret.txt").display().to_string();
    let nowhere = folder.path().join("nowhere").display().to_string();
    for (root, problem) in [(secret, "not a directory"), (nowhere, "entity not found")] {
        let args = ["server", "127.0.0.1:0", "--root", &root];
        let ran = Assert::new(STEP).args(args).assert().code(1).stdout("");
        ran.stderr(format!("error: {root}: this folder cannot be served: {problem}\n"));
    }
}

/// The server asks for the size once: one that reads to a moving end never finishes.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_grows_while_it_is_read_is_sent_as_it_was() -> Result<(), Failure> {
    use std::io::Read as _;
    use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

    const SIZE: u64 = 64 * 1024 * 1024; // hashing it takes longer than starting to write
    let folder = folder();
    let big = folder.path().join("root/big");
    let file = fs::File::create(&big).expect("a file");
    file.set_len(SIZE).expect("a sparse file");
    let (mut server, addr) = Program::start_server(server(&folder.path().join("root")))?;
    let mut stream = std::net::TcpStream::connect(addr).expect("it listens");
    stream.set_read_timeout(Some(conformance::DEADLINE)).expect("a deadline");
    std::io::Write::write_all(&mut stream, &get("big")).expect("it is sent");
    stream.shutdown(std::net::Shutdown::Write).expect("it is connected");
    server.expect_later("… gets", |line| line.contains(" gets "))?;
    let answered = AtomicBool::new(false);
    let mut len = [0; 4];
    let came = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut end = SIZE;
            while !answered.load(Relaxed) && file.set_len(end).is_ok() {
                end += 65_536;
            }
        });
        let came = stream.read_exact(&mut len);
        answered.store(true, Relaxed);
        came
    });
    came.expect("an answer arrives, although the file grows");
    let mut header = vec![0; usize::try_from(u32::from_be_bytes(len)).expect("64 KiB at most")];
    stream.read_exact(&mut header).expect("a header arrives");
    let header: serde_json::Value = serde_json::from_slice(&header).expect("it is JSON");
    let sent = std::io::copy(&mut stream, &mut std::io::sink()).expect("the body arrives");
    assert_eq!(header["size"], sent, "{header}");
    Ok(())
}

/// A file that becomes shorter while it is sent cannot arrive whole: the client must notice that.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_shrinks_while_it_is_sent_ends_the_connection() -> Result<(), Failure> {
    use std::io::Read;

    const SIZE: u64 = 64 * 1024 * 1024; // more than the buffers between two programs hold
    let folder = folder();
    let big = folder.path().join("root/big");
    fs::File::create(&big).and_then(|file| file.set_len(SIZE)).expect("a sparse file");
    let (mut server, addr) = Program::start_server(server(&folder.path().join("root")))?;
    let mut stream = std::net::TcpStream::connect(addr).expect("it listens");
    stream.set_read_timeout(Some(conformance::DEADLINE)).expect("a deadline");
    std::io::Write::write_all(&mut stream, &get("big")).expect("it is sent");
    stream.read_exact(&mut [0; 1000]).expect("the answer has begun"); // so it was hashed before
    fs::File::options().write(true).open(&big).and_then(|file| file.set_len(1000)).expect("short");
    let mut came = Vec::new();
    stream.read_to_end(&mut came).expect("an orderly end");
    assert!((came.len() as u64) < SIZE);
    let line = server.expect_later("… lost", |line| line.contains(" lost: "))?;
    assert!(line.contains(" lost: the file became shorter: "), "{line}");
    Ok(())
}
