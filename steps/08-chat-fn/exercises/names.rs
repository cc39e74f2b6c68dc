//! A solution: a room in which clients can have names. It leaves out the rest of the step: keepalive,
//! the console, and the limit on clients.
//!
//! ```text
//! alice                       server                         bob
//!   | -- /name alice\n -------> |                             |     the name is free
//!   | -- hello\n -------------> |                             |
//!   | <- alice hello\n -------- | -- alice hello\n ---------> |
//! ```

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;

use crate::line::{LineBuffer, MAX_LINE_LEN};

#[path = "../src/line.rs"]
mod line;

/// The most bytes that one read takes.
const READ_LEN: usize = 4096;

/// The clients that are online.
type Clients = Arc<Mutex<HashMap<SocketAddr, Client>>>;

/// A client that is online.
struct Client {
    stream: TcpStream,
    /// At first, the address.
    name: String,
}

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9008".to_owned());
    let listener = TcpListener::bind(addr)?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;

    let clients = Clients::default();
    loop {
        let (stream, peer_addr) = listener.accept()?; // waits for a client
        let clients = Arc::clone(&clients);
        thread::spawn(move || {
            // However the connection ends, the client is removed, and its name is free.
            let _ = handle_connection(stream, peer_addr, &clients);
            lock(&clients).remove(&peer_addr);
        });
    }
}

/// Handles each line that a client sends, until it leaves.
fn handle_connection(
    mut stream: TcpStream,
    peer_addr: SocketAddr,
    clients: &Clients,
) -> io::Result<()> {
    let client = Client { stream: stream.try_clone()?, name: peer_addr.to_string() };
    lock(clients).insert(peer_addr, client);
    let mut lines = LineBuffer::new(MAX_LINE_LEN);
    let mut buffer = [0; READ_LEN];
    loop {
        let len = stream.read(&mut buffer)?; // waits for bytes
        if len == 0 {
            return Ok(()); // end of file: the client sends no more
        }
        lines.push(&buffer[..len]);
        while let Some(line) = lines.next_line() {
            let done = match line {
                Ok(line) => handle_line(clients, peer_addr, line),
                Err(bad) => Err(bad.to_string()),
            };
            if let Err(problem) = done {
                stream.write_all(format!("error: {problem}\n").as_bytes())?;
            }
        }
    }
}

/// Gives the client a name, or passes the line on. Returns the problem if the name cannot be taken.
fn handle_line(clients: &Clients, peer_addr: SocketAddr, line: &str) -> Result<(), String> {
    if let Some(name) = line.strip_prefix("/name ") {
        return take_name(clients, peer_addr, name);
    }
    broadcast(clients, peer_addr, line);
    Ok(())
}

/// Gives a client another name, unless another client has it.
///
/// The lock is held while the name is checked and taken. Otherwise two clients could both find the name
/// free, and then both take it.
fn take_name(clients: &Clients, peer_addr: SocketAddr, name: &str) -> Result<(), String> {
    if name.is_empty() || !name.chars().all(char::is_alphanumeric) {
        return Err("a name is one word of letters and digits".to_owned());
    }
    let mut clients = lock(clients);
    if clients.values().any(|client| client.name == name) {
        return Err(format!("another client is called {name}"));
    }
    if let Some(client) = clients.get_mut(&peer_addr) {
        client.name = String::from(name);
    }
    Ok(())
}

// ANCHOR: broadcast
/// Writes a line to every client, after the name of the client that sent it.
fn broadcast(clients: &Clients, peer_addr: SocketAddr, text: &str) {
    let clients = lock(clients);
    let Some(speaker) = clients.get(&peer_addr) else { return };
    let line = format!("{} {text}\n", speaker.name);
    for client in clients.values() {
        // An error concerns this client only. Its own thread sees that the connection is broken.
        let _ = (&client.stream).write_all(line.as_bytes());
    }
}
// ANCHOR_END: broadcast

/// Waits for the lock and takes it, until the returned guard is dropped.
fn lock(clients: &Clients) -> MutexGuard<'_, HashMap<SocketAddr, Client>> {
    clients.lock().expect("no thread panics while it holds the lock")
}
