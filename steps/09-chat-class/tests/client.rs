//! The client where there is no terminal: what it sends, what it prints, and how it ends. At a terminal, it is
//! tested in `terminal.rs`.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;
use std::time::Duration;

use assert_cmd::Command as Assert;
use conformance::{Failure, Program};
use room::client;
use room::server;
use room::step::{NUMBER, STEP};

mod room;

#[cfg(unix)]
#[test]
fn the_client_neither_panics_nor_spins_when_it_is_treated_roughly() {
    conformance::rough::assert_client_survives(NUMBER, STEP);
}

#[test]
fn the_client_does_not_send_a_line_that_is_too_long() -> Result<(), Failure> {
    let (_server, addr) = Program::start_server(server())?;
    let longest = "x".repeat(4096);
    let input = format!("{longest}x\n{longest}\n");
    let ran = Assert::from_std(client(&addr.to_string())).write_stdin(input).assert().success();
    let ran = ran.stderr("error: a line has at most 4096 bytes; this one was not sent\n");
    let shown = String::from_utf8_lossy(&ran.get_output().stdout).into_owned();
    assert!(shown.ends_with(&format!(" {longest}\n")), "the next one is: {} bytes", shown.len());
    assert_eq!(shown.lines().count(), 2, "its own announcement, and that line");
    Ok(())
}

/// A listener in place of the server, and its address.
fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = listener.local_addr().expect("it is bound").to_string();
    (listener, addr)
}

#[test]
fn after_a_goodbye_only_a_reset_or_more_lines_make_the_end_an_error() -> Result<(), Failure> {
    const GOODBYE: &str = "2026-11-23 08:23:04 *** the server is stopping\n";
    let forged = "2026-11-23 08:23:04 127.0.0.1:50002 *** the server is stopping\n";
    for (last_words, is_reset, code) in [
        (GOODBYE.to_owned(), false, 0),
        (GOODBYE.to_owned(), true, 1),
        (format!("{GOODBYE}no, it goes on\n"), false, 1),
        (forged.to_owned(), false, 1),
    ] {
        let (listener, addr) = listener();
        let mut client = Program::start(client(&addr))?;
        let (mut stream, _) = listener.accept().expect("the client connects");
        stream.write_all(last_words.as_bytes()).expect("the client is there");
        let last = last_words.lines().last().expect("there is one");
        assert_eq!(client.expect_later(last, |line| line == last)?, last);
        if is_reset {
            // With a linger time of zero, closing sends a reset instead of an orderly end.
            let set = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            set.expect("the stream is open");
        }
        drop(stream);
        assert_eq!(client.wait()?.code(), Some(code), "{last_words}, reset: {is_reset}");
    }
    Ok(())
}

#[test]
fn a_client_whose_server_goes_away_reports_it_while_it_waits_for_the_keyboard()
-> Result<(), Failure> {
    for reset in [false, true] {
        let (listener, addr) = listener();
        let mut client = Program::start(client(&addr))?;
        let (mut stream, _) = listener.accept().expect("the client connects");
        stream.write_all(b"last words\nhalf a li").expect("the client is there");
        assert_eq!(client.expect_line("last words")?, "last words");
        if reset {
            // With a linger time of zero, closing sends a reset instead of an orderly end.
            let set = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
            set.expect("the stream is open");
        }
        drop(stream);
        let error = format!("error: {addr}: the server closed the connection");
        assert_eq!(client.expect_line(&error)?, error);
        assert_eq!(client.wait()?.code(), Some(1));
    }
    Ok(())
}

#[test]
fn a_client_that_leaves_shows_what_arrives_until_the_server_closes() {
    for input in ["hello\nquit\nnot sent\n", "hello\n", "hello\n quit \n"] {
        let (listener, addr) = listener();
        thread::scope(|scope| {
            scope.spawn(|| {
                let (mut stream, _) = listener.accept().expect("the client connects");
                let mut sent = String::new();
                stream.read_to_string(&mut sent).expect("the client sends it, and ends the stream");
                assert_eq!(sent, "hello\n", "quit is not sent, but end of file");
                stream.write_all(b"good").expect("the client is there");
                stream.write_all(b"bye\n").expect("the client is there");
            });
            let ran = Assert::from_std(client(&addr)).write_stdin(input).assert().success();
            ran.stdout("goodbye\n").stderr("");
        });
    }
}

#[test]
fn what_a_server_sends_does_nothing_to_the_terminal() {
    let (listener, addr) = listener();
    thread::scope(|scope| {
        scope.spawn(|| {
            let (mut stream, _) = listener.accept().expect("the client connects");
            stream.write_all(b"\x1b[2J\ta\rb\x07 \xc2\x9b1m Gr\xc3\xbc\xc3\x9fe\n").expect("sent");
            stream.write_all(b"\xff\xfe\n").expect("sent");
            stream.write_all(&vec![b'x'; 1024 * 1024]).expect("sent");
            stream.write_all(b"\nthe end\n").expect("sent");
            stream.read_to_end(&mut Vec::new()).expect("the client leaves");
        });
        let ran = Assert::from_std(client(&addr)).write_stdin("").assert().success();
        let cannot = "error: a line from the server cannot be shown: a line";
        ran.stdout("\\u{1b}[2J\ta\\rb\\u{7} \\u{9b}1m Grüße\nthe end\n")
            .stderr(format!("{cannot} must be UTF-8\n{cannot} has at most 4224 bytes\n"));
    });
}
