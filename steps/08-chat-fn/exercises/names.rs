//! A solution: a room in which people can have names. What the step does besides is left out:
//! keepalive, the console, and what to do when there are too many clients.
//!
//! ```text
//! alice                       server                         bob
//!   | -- /name alice\n -------> |                             |     nobody else has this name
//!   | -- hello\n -------------> |                             |
//!   | <- alice hello\n -------- | -- alice hello\n ---------> |
//! ```

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use crate::line::{LineBuffer, MAX_LINE_LEN};

#[path = "../src/line.rs"]
mod line;

/// How much one read takes, in bytes.
const READ_LEN: usize = 4096;

/// Who is online.
type Clients = Arc<Mutex<HashMap<SocketAddr, Client>>>;

/// How somebody can be written to, and what they are called.
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
            // In whatever way it ends, the client is gone, and its name is free.
            let _ = handle_connection(stream, peer_addr, &clients);
            lock(&clients).remove(&peer_addr);
        });
    }
}

/// Passes on what a client says, until it leaves.
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

/// Does what a line asks for, or says why not: takes a name, or says something to everybody.
fn handle_line(clients: &Clients, peer_addr: SocketAddr, line: &str) -> Result<(), String> {
    if let Some(name) = line.strip_prefix("/name ") {
        return take_name(clients, peer_addr, name);
    }
    broadcast(clients, peer_addr, line);
    Ok(())
}

/// Gives a client another name, unless somebody has it.
///
/// Between looking and taking, the lock is not given back. Else two could look, one after the other,
/// and then both take it.
fn take_name(clients: &Clients, peer_addr: SocketAddr, name: &str) -> Result<(), String> {
    if name.is_empty() || !name.chars().all(char::is_alphanumeric) {
        return Err("a name is one word of letters and digits".to_owned());
    }
    let mut clients = lock(clients);
    if clients.values().any(|client| client.name == name) {
        return Err(format!("somebody else is called {name}"));
    }
    if let Some(client) = clients.get_mut(&peer_addr) {
        client.name = String::from(name);
    }
    Ok(())
}

/// Writes a line to everybody, with the name of the one who says it.
fn broadcast(clients: &Clients, peer_addr: SocketAddr, text: &str) {
    let clients = lock(clients);
    let Some(speaker) = clients.get(&peer_addr) else { return };
    let line = format!("{} {text}\n", speaker.name);
    for client in clients.values() {
        // An error is about this client alone, whose own thread sees that it is gone.
        let _ = (&client.stream).write_all(line.as_bytes());
    }
}

/// The map, for as long as the guard lives. No change to it takes more than one step, so it is
/// whole even after a panic.
fn lock(clients: &Clients) -> MutexGuard<'_, HashMap<SocketAddr, Client>> {
    clients.lock().unwrap_or_else(PoisonError::into_inner)
}
