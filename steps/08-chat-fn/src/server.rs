//! The server: a room in which every client receives each line.
//!
//! New in this step: many clients share one state, the map of who is online, behind a lock. One
//! thread accepts clients, one thread for each client reads its lines, and the main thread reads the
//! console.
//!
//! ```text
//! alice                              server                              bob
//!   | -- hello\n ----------------------> |                                 |
//!   | <- 127.0.0.1:50001 hello\n ------- | -- 127.0.0.1:50001 hello\n ---> |
//! ```
//!
//! Still wrong, on purpose: a client that does not read stops the room for every client. Lines are
//! written while the map is locked, and a write to that client waits: on Linux until its system has
//! accepted nothing for `USER_TIMEOUT`, elsewhere until it reads again. If the console's output is not
//! read, new clients have to wait. Stopping is abrupt: no client gets a goodbye.

use std::collections::HashMap;
use std::io::{self, BufRead, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use crate::accept::client_is_gone;
use crate::line::{LineBuffer, MAX_LINE_LEN};

/// The most bytes that one read takes.
const READ_LEN: usize = 4096;

/// How long to wait before the next attempt when no client can be accepted for now.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

// ANCHOR: keepalive-constants
/// After a silence of this length, the system sends the client's system a keepalive probe.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
/// The time between two probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// After this many probes without an answer, the connection is broken.
const KEEPALIVE_PROBES: u32 = 3;
/// How long sent bytes may wait for their acknowledgement, or for room at the other side. Each
/// acknowledgement, even of a few bytes, restarts this time. Meanwhile, no keepalive probes are
/// sent.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(16);
// ANCHOR_END: keepalive-constants

// ANCHOR: clients
/// The clients that are online: the address of each, and the stream on which it is written to.
///
/// `Arc` gives every thread a share in the map. `Mutex` lets one thread at a time use it.
type Clients = Arc<Mutex<HashMap<SocketAddr, TcpStream>>>;
// ANCHOR_END: clients

// ANCHOR: run
/// Runs the room until `quit` is typed at the console.
///
/// At most `max_clients` are online at a time, so there are at most that many client threads.
pub fn run(listener: TcpListener, max_clients: usize) -> io::Result<()> {
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;
    let clients = Clients::default();

    // `accept` waits, and so does the console: each needs a thread of its own.
    let acceptor = {
        let clients = Arc::clone(&clients);
        thread::Builder::new().spawn(move || accept_clients(&listener, &clients, max_clients))?
    };
    while let Some(line) = read_console() {
        if line == "quit" {
            return Ok(()); // the process ends, and all its threads and connections with it
        }
        log(&who_is_online(&clients));
    }
    // The console has ended, as it does when a program runs in the background. The room continues.
    acceptor
        .join()
        .map_err(|_| io::Error::other("the thread that accepts clients ended unexpectedly"))
}
// ANCHOR_END: run

/// Returns the next line that is typed at the console, without blanks around it; `None` if no more
/// will arrive, for whatever reason.
fn read_console() -> Option<String> {
    let mut line = Vec::new();
    // An input without a newline is no console, and must not fill the memory.
    let len = io::stdin().lock().take(MAX_LINE_LEN as u64).read_until(b'\n', &mut line).ok()?;
    let is_whole = len > 0 && (len < MAX_LINE_LEN || line.ends_with(b"\n"));
    is_whole.then(|| String::from_utf8_lossy(&line).trim().to_owned())
}

/// Returns a line such as `2 online: 127.0.0.1:50001, 127.0.0.1:50002`.
fn who_is_online(clients: &Clients) -> String {
    let mut addrs: Vec<SocketAddr> = lock(clients).keys().copied().collect();
    if addrs.is_empty() {
        return "no client is online".to_owned();
    }
    addrs.sort();
    let list: Vec<String> = addrs.iter().map(SocketAddr::to_string).collect();
    format!("{} online: {}", list.len(), list.join(", "))
}

// ANCHOR: accept
/// Accepts clients until the process ends.
fn accept_clients(listener: &TcpListener, clients: &Clients, max_clients: usize) {
    loop {
        let (reader, peer_addr) = keep_trying(|| listener.accept());
        // A second handle to the same socket: the client's thread reads from the first one, and
        // every thread that has a line for the client writes to the second.
        let writer = keep_trying(|| reader.try_clone());
        match join(clients, max_clients, peer_addr, writer) {
            Ok(()) => start_thread(reader, peer_addr, clients),
            Err(error) => turn_away(&reader, peer_addr, &error),
        }
    }
}
// ANCHOR_END: accept

// ANCHOR: keep-trying
/// Repeats an attempt until it succeeds. An error must not stop the room.
///
/// Most likely the process has as many descriptors as the system allows. Clients that are online
/// continue to be served; those that wait to be accepted are accepted when another leaves. The error
/// is logged once, and the pause leaves the processor to the other threads.
fn keep_trying<T>(attempt: impl Fn() -> io::Result<T>) -> T {
    let mut is_logged = false;
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(error) if client_is_gone(&error) => continue, // accept the next one
            Err(error) if !is_logged => log(&format!("cannot accept clients for now: {error}")),
            Err(_) => {}
        }
        is_logged = true;
        thread::sleep(ACCEPT_PAUSE); // no event reports that a descriptor is free
    }
}
// ANCHOR_END: keep-trying

// ANCHOR: join
/// Puts a client into the map. Fails if the room is full.
fn join(
    clients: &Clients,
    max_clients: usize,
    peer_addr: SocketAddr,
    writer: TcpStream,
) -> io::Result<()> {
    let mut clients = lock(clients);
    if clients.len() >= max_clients {
        return Err(io::Error::other("the room is full"));
    }
    if clients.contains_key(&peer_addr) {
        // An earlier connection from that address has broken, and its thread has not noticed yet.
        return Err(io::ErrorKind::AddrInUse.into());
    }
    clients.insert(peer_addr, writer);
    Ok(())
}
// ANCHOR_END: join

// ANCHOR: turn-away
/// Sends a client one line with the reason why it cannot join. Dropping the handles then closes the
/// connection.
fn turn_away(mut stream: &TcpStream, peer_addr: SocketAddr, reason: &io::Error) {
    log(&format!("{peer_addr} turned away: {reason}"));
    // This does not wait: the send buffer of a new connection is empty. It fails if the client has
    // left already.
    let _ = stream.write_all(format!("error: {reason}; try again later\n").as_bytes());
}
// ANCHOR_END: turn-away

// ANCHOR: start-thread
/// Starts the thread that serves one client.
fn start_thread(reader: TcpStream, peer_addr: SocketAddr, clients: &Clients) {
    let share = Arc::clone(clients);
    let started = thread::Builder::new().spawn(move || serve(reader, peer_addr, &share));
    if let Err(error) = started {
        // The system allows no more threads. The closure is dropped, and `reader` with it.
        let writer = lock(clients).remove(&peer_addr);
        if let Some(writer) = writer {
            turn_away(&writer, peer_addr, &error);
        }
    }
}
// ANCHOR_END: start-thread

// ANCHOR: serve
/// Serves one client until it leaves. This is what its thread does.
fn serve(reader: TcpStream, peer_addr: SocketAddr, clients: &Clients) {
    let result = handle_connection(reader, peer_addr, clients);
    // However the connection has ended, the client is removed from the map here.
    lock(clients).remove(&peer_addr);
    match result {
        Ok(()) => log(&format!("{peer_addr} left")),
        Err(error) => log(&format!("{peer_addr} lost: {}", error.kind())),
    }
}
// ANCHOR_END: serve

// ANCHOR: handle-connection
/// Passes on each line that a client sends, until it leaves.
fn handle_connection(
    mut reader: TcpStream,
    peer_addr: SocketAddr,
    clients: &Clients,
) -> io::Result<()> {
    set_up(&reader)?;
    log(&format!("{peer_addr} joined"));
    let mut lines = LineBuffer::new(MAX_LINE_LEN);
    let mut buffer = [0; READ_LEN];
    loop {
        let len = match reader.read(&mut buffer) {
            Ok(0) => return Ok(()), // end of file; a piece without a newline was not a line
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        lines.push(&buffer[..len]);
        while let Some(line) = lines.next_line() {
            match line {
                Ok(line) if line.trim() == "quit" => return Ok(()),
                Ok(line) if line.trim().is_empty() => {}
                Ok(line) => broadcast(clients, &format!("{peer_addr} {line}\n")),
                Err(bad) => reply(clients, peer_addr, &format!("error: {bad}\n")),
            }
        }
    }
}
// ANCHOR_END: handle-connection

// ANCHOR: set-up
/// Makes reads and writes fail when the client has vanished without a FIN, as after a pulled cable.
fn set_up(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?; // a line is a whole message: there is nothing to wait for
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    let socket = SockRef::from(stream);
    // An old system may not support all of these options. Then a client that vanishes stays online
    // for longer; all clients are served as usual.
    let _ = socket.set_tcp_keepalive(&keepalive);
    // Other systems give up on unacknowledged bytes after their own time limit, which is minutes.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(())
}
// ANCHOR_END: set-up

// ANCHOR: broadcast
/// Writes a line to every client that is online.
///
/// The lock is held until every client has the line. So the bytes of two lines never mix, and all
/// clients see the lines in the same order. It also means that all wait for the slowest.
fn broadcast(clients: &Clients, line: &str) {
    for stream in lock(clients).values() {
        write_line(stream, line);
    }
}

/// Writes a line to one client; under the lock, as `broadcast` does.
fn reply(clients: &Clients, peer_addr: SocketAddr, line: &str) {
    if let Some(stream) = lock(clients).get(&peer_addr) {
        write_line(stream, line);
    }
}

fn write_line(mut stream: &TcpStream, line: &str) {
    if stream.write_all(line.as_bytes()).is_err() {
        // The thread of the client whose connection is broken removes it. The system reports an
        // error only once, so without `shutdown` that thread might read on. If `shutdown` fails, the
        // connection has ended already.
        let _ = stream.shutdown(Shutdown::Both);
    }
}
// ANCHOR_END: broadcast

// ANCHOR: lock
/// Waits for the lock and takes it. It is released when the returned guard is dropped.
///
/// `Mutex::lock` fails if a thread has panicked while it held the lock, because the map may then be
/// half changed. Nothing that happens under this lock can panic.
fn lock(clients: &Clients) -> MutexGuard<'_, HashMap<SocketAddr, TcpStream>> {
    clients.lock().expect("no thread panics while it holds the lock")
}
// ANCHOR_END: lock

/// Prints a line on the console.
fn log(line: &str) {
    let _ = writeln!(io::stdout(), "{line}"); // the room continues even if stdout is closed
}
