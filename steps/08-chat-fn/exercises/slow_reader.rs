//! A solution: a room that drops a client that does not take a line within a second. It leaves out
//! the rest of the step: keepalive, the console, and the limit on clients.
//!
//! ```text
//! alice                       server                        carol
//!   | -- hello\n -------------> |                             |     does not read
//!   |                           | -- ADDR hello\n ----------> |     her buffers are full
//!   | <- ADDR hello\n --------- | -- end -------------------> |     a second later
//! ```
//!
//! Still wrong: for each client that does not read, all others wait for a second.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use crate::line::{LineBuffer, MAX_LINE_LEN};

#[path = "../src/line.rs"]
mod line;

/// The most bytes that one read takes.
const READ_LEN: usize = 4096;

/// How long one write to a client may wait.
const WRITE_TIMEOUT: Duration = Duration::from_secs(1);

/// The clients that are online.
type Clients = Arc<Mutex<HashMap<SocketAddr, TcpStream>>>;

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9008".to_owned());
    let listener = TcpListener::bind(addr)?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;

    let clients = Clients::default();
    loop {
        let (stream, peer_addr) = listener.accept()?; // waits for a client
        let clients = Arc::clone(&clients);
        thread::spawn(move || {
            // However the connection ends, the client is removed.
            let _ = handle_connection(stream, peer_addr, &clients);
            remove(&mut lock(&clients), peer_addr);
        });
    }
}

/// Passes on each line that a client sends, until it leaves.
fn handle_connection(
    mut stream: TcpStream,
    peer_addr: SocketAddr,
    clients: &Clients,
) -> io::Result<()> {
    stream.set_write_timeout(Some(WRITE_TIMEOUT))?; // of both handles
    lock(clients).insert(peer_addr, stream.try_clone()?);
    let mut lines = LineBuffer::new(MAX_LINE_LEN);
    let mut buffer = [0; READ_LEN];
    loop {
        let len = stream.read(&mut buffer)?; // waits for bytes
        if len == 0 {
            return Ok(()); // end of file: the client sends no more
        }
        lines.push(&buffer[..len]);
        while let Some(line) = lines.next_line() {
            match line {
                Ok(line) => broadcast(clients, &format!("{peer_addr} {line}\n")),
                Err(bad) => stream.write_all(format!("error: {bad}\n").as_bytes())?,
            }
        }
    }
}

/// Writes a line to every client, and drops the clients that did not take all of it in time.
fn broadcast(clients: &Clients, line: &str) {
    let mut clients = lock(clients);
    let mut failed = Vec::new();
    for (addr, mut stream) in clients.iter() {
        // A part of the line may have been sent, and the error does not state how much. The next line
        // would begin in the middle of this one, so the client gets no next line.
        if stream.write_all(line.as_bytes()).is_err() {
            failed.push(*addr);
        }
    }
    for addr in failed {
        remove(&mut clients, addr);
    }
}

/// Removes a client from the map and ends the connection, so that its thread stops reading.
fn remove(clients: &mut HashMap<SocketAddr, TcpStream>, addr: SocketAddr) {
    if let Some(stream) = clients.remove(&addr) {
        let _ = stream.shutdown(Shutdown::Both); // fails if the connection has ended already
    }
}

/// Waits for the lock and takes it, until the returned guard is dropped.
fn lock(clients: &Clients) -> MutexGuard<'_, HashMap<SocketAddr, TcpStream>> {
    clients.lock().expect("no thread panics while it holds the lock")
}
