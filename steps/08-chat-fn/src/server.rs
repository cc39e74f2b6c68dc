//! The server: a room in which every client receives what each one says.
//!
//! New in this step: many clients at once. One thread accepts them, one thread for each client
//! reads what it says, and the main thread reads the console. They share one map: who is online,
//! and on which stream.
//!
//! ```text
//! alice                              server                              bob
//!   | -- hello\n ----------------------> |                                 |
//!   | <- 127.0.0.1:50001 hello\n ------- | -- 127.0.0.1:50001 hello\n ---> |
//! ```
//!
//! Still wrong, on purpose: a client that does not read stops the room for every client. Lines are
//! written while the map is locked, and a write to that client waits: on Linux until its system has
//! taken nothing for `USER_TIMEOUT`, elsewhere as long as it does not read. Stopping is abrupt: no client
//! gets a goodbye.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{self, BufRead, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};

use crate::accept::client_is_gone;
use crate::line::{LineBuffer, MAX_LINE_LEN};

/// How much one read takes, in bytes.
const READ_LEN: usize = 4096;

/// When a client cannot be accepted for now: how long to wait before the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

// ANCHOR: keepalive-constants
/// After this long a silence, the system asks whether the client is still there: a keepalive probe.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
/// The time between two probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// After this many probes without an answer, the client is gone.
const KEEPALIVE_PROBES: u32 = 3;
/// How long what we send may wait for its acknowledgement, or for room at the other side. Each
/// acknowledgement, even of a few bytes, starts it again. Meanwhile there are no keepalive probes.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(16);
// ANCHOR_END: keepalive-constants

// ANCHOR: clients
/// The clients that are online: the address of each, and the stream on which it is written to.
///
/// All threads have this map: `Arc` gives each of them a share in it. Only one may use it at a
/// time: `Mutex` gives no access without the lock.
type Clients = Arc<Mutex<HashMap<SocketAddr, TcpStream>>>;
// ANCHOR_END: clients

// ANCHOR: run
/// Runs the room until `quit` is typed at the console.
pub fn run(listener: TcpListener) -> io::Result<()> {
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;
    let clients = Clients::default();

    // `accept` waits, and so does the console: each needs a thread of its own.
    let acceptor = {
        let clients = Arc::clone(&clients);
        thread::Builder::new().spawn(move || accept_clients(&listener, &clients))?
    };
    while let Some(line) = read_console() {
        if line == "quit" {
            return Ok(()); // the process ends, and all its threads and connections with it
        }
        log(&who_is_online(&clients));
    }
    // The console has ended, as it does where a program runs in the background. The room goes on.
    acceptor.join().map_err(|_| io::Error::other("the thread that accepts clients is gone"))
}
// ANCHOR_END: run

/// The next line that is typed at the console, without blanks around it; `None` where no more will
/// arrive, for whatever reason.
fn read_console() -> Option<String> {
    let mut line = Vec::new();
    match io::stdin().lock().read_until(b'\n', &mut line) {
        Ok(0) | Err(_) => None,
        Ok(_) => Some(String::from_utf8_lossy(&line).trim().to_owned()),
    }
}

/// Such as `2 online: 127.0.0.1:50001, 127.0.0.1:50002`.
fn who_is_online(clients: &Clients) -> String {
    let mut addrs: Vec<SocketAddr> = lock(clients).keys().copied().collect();
    if addrs.is_empty() {
        return "nobody is online".to_owned();
    }
    addrs.sort();
    let list: Vec<String> = addrs.iter().map(SocketAddr::to_string).collect();
    format!("{} online: {}", list.len(), list.join(", "))
}

// ANCHOR: accept
/// Accepts clients until the process ends, and starts a thread for each.
fn accept_clients(listener: &TcpListener, clients: &Clients) {
    loop {
        let accepted = keep_trying(|| match listener.accept() {
            Err(error) if client_is_gone(&error) => Ok(None),
            accepted => accepted.map(Some),
        });
        // A client that left before it was accepted is no reason to stop.
        let Some((reader, peer_addr)) = accepted else { continue };
        // One socket, held twice: one thread reads from it, and all of them write to it.
        let writer = keep_trying(|| reader.try_clone());
        start_thread(reader, writer, peer_addr, clients);
    }
}

/// Tries until it works.
///
/// If it does not, most likely the process has as many descriptors as the system allows. Clients
/// that are online continue to be served; those that wait are accepted when another leaves. The error
/// is logged once, and the pause leaves the processor to the others.
fn keep_trying<T>(attempt: impl Fn() -> io::Result<T>) -> T {
    let mut is_logged = false;
    loop {
        match attempt() {
            Ok(value) => return value,
            Err(error) if !is_logged => log(&format!("cannot accept clients for now: {error}")),
            Err(_) => {}
        }
        is_logged = true;
        thread::sleep(ACCEPT_PAUSE); // no event reports that a descriptor is free
    }
}
// ANCHOR_END: accept

// ANCHOR: start-thread
/// Starts the thread that serves one client.
fn start_thread(reader: TcpStream, writer: TcpStream, peer_addr: SocketAddr, clients: &Clients) {
    let clients = Arc::clone(clients);
    // A read waits until its own client says something. So each client has a thread, and no
    // client waits for the silence of another.
    let started = thread::Builder::new().spawn(move || {
        match handle_connection(reader, writer, peer_addr, &clients) {
            Ok(()) => log(&format!("{peer_addr} left")),
            Err(error) => log(&format!("{peer_addr} lost: {}", error.kind())),
        }
    });
    if let Err(error) = started {
        // There are too many threads. The stream is dropped: the client sees its end.
        log(&format!("{peer_addr} lost: {}", error.kind()));
    }
}
// ANCHOR_END: start-thread

// ANCHOR: handle-connection
/// Passes on what a client says, until it leaves.
fn handle_connection(
    mut reader: TcpStream,
    writer: TcpStream,
    peer_addr: SocketAddr,
    clients: &Clients,
) -> io::Result<()> {
    set_up(&reader)?;
    let _online = Online::enter(writer, peer_addr, clients)?;
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
                Err(bad) => tell(clients, peer_addr, &format!("error: {bad}\n")),
            }
        }
    }
}
// ANCHOR_END: handle-connection

// ANCHOR: set-up
/// Has the system find out when the client vanishes without a word, as after a pulled cable. Reads
/// and writes fail then.
fn set_up(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?; // a line is a whole message: there is nothing to wait for
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    let socket = SockRef::from(stream);
    // An old system may not support all of these options. Clients are served all the same; only one
    // that vanishes stays online for longer.
    let _ = socket.set_tcp_keepalive(&keepalive);
    // Other systems give up on unacknowledged data after a time of their own: minutes.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(())
}
// ANCHOR_END: set-up

// ANCHOR: online
/// A client that is in the map. In whatever way its thread ends, by a panic too, this is dropped,
/// and the client is no longer there.
struct Online<'a> {
    clients: &'a Clients,
    peer_addr: SocketAddr,
}

impl<'a> Online<'a> {
    /// Puts a client into the map, with the stream on which it is written to.
    fn enter(writer: TcpStream, peer_addr: SocketAddr, clients: &'a Clients) -> io::Result<Self> {
        match lock(clients).entry(peer_addr) {
            Entry::Vacant(entry) => entry.insert(writer),
            // An earlier connection from there has broken, and its thread is about to find out.
            Entry::Occupied(_) => return Err(io::ErrorKind::AddrInUse.into()),
        };
        Ok(Self { clients, peer_addr })
    }
}

impl Drop for Online<'_> {
    fn drop(&mut self) {
        if let Some(writer) = lock(self.clients).remove(&self.peer_addr) {
            let _ = writer.shutdown(Shutdown::Both); // fails where the connection has ended already
        }
    }
}
// ANCHOR_END: online

// ANCHOR: broadcast
/// Writes a line to every client that is online.
///
/// The lock is held until every client has the line. So no line gets between the bytes of another, and
/// all clients see the lines in the same order. It also means that all wait for the slowest.
fn broadcast(clients: &Clients, line: &str) {
    for stream in lock(clients).values() {
        write_line(stream, line);
    }
}

/// Writes a line to one client; under the lock, as `broadcast` does.
fn tell(clients: &Clients, peer_addr: SocketAddr, line: &str) {
    if let Some(stream) = lock(clients).get(&peer_addr) {
        write_line(stream, line);
    }
}

fn write_line(mut stream: &TcpStream, line: &str) {
    if stream.write_all(line.as_bytes()).is_err() {
        // One broken connection is not the fault of who speaks. The thread that reads from it
        // removes the client: the system reports an error only once, but after this, it sees the end.
        // Shutting down may fail, too, where the connection is gone.
        let _ = stream.shutdown(Shutdown::Both);
    }
}
// ANCHOR_END: broadcast

// ANCHOR: lock
/// The map, for as long as the guard lives.
///
/// A thread that panics while it has the lock poisons it. The map is whole all the same: no change
/// to it takes more than one step. So the room goes on.
fn lock(clients: &Clients) -> MutexGuard<'_, HashMap<SocketAddr, TcpStream>> {
    clients.lock().unwrap_or_else(PoisonError::into_inner)
}
// ANCHOR_END: lock

/// Prints a line on the console.
fn log(line: &str) {
    let _ = writeln!(io::stdout(), "{line}"); // the room goes on even if stdout is closed
}
