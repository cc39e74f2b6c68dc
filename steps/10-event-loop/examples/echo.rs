//! Step 03 as an event loop: one thread sends back in upper case what many clients send.
//!
//! ```text
//!      +--------------- one turn ---------------+
//!      |                                        |
//!  --> wait until a socket is ready --> serve each socket that is ready, once
//! ```

use std::collections::{BTreeSet, HashMap};
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::accept::client_is_gone;

// A file of the step, used here as well.
#[path = "../src/accept.rs"]
mod accept;

/// The most bytes that one `read` takes, and the most that wait for one client.
const MAX_READ_LEN: usize = 1024;
/// The most events that one turn takes from the system. The others arrive in the next turn.
const EVENTS_PER_TURN: usize = 1024;
/// The token of the listening socket. The clients have the tokens after it.
const LISTENER: Token = Token(0);

/// Send back in upper case what clients send, with one thread
#[derive(Parser)]
struct Cli {
    /// Address to listen on; port 0 takes any free port
    #[arg(default_value = "127.0.0.1:9010")]
    addr: String,
}

fn main() -> ExitCode {
    let addr = Cli::parse().addr;
    match Server::bind(&addr).and_then(Server::run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: {addr}: {error}"); // fails if stderr is closed
            ExitCode::FAILURE
        }
    }
}

// ANCHOR: server
struct Server {
    poll: Poll,
    listener: TcpListener,
    clients: HashMap<Token, Client>,
    next_token: usize,
    /// The sockets that may be ready: each is served once in every turn until it would block.
    ready: BTreeSet<Token>,
}

impl Server {
    fn bind(addr: &str) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(addr)?;
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let (clients, ready) = (HashMap::new(), BTreeSet::new());
        Ok(Self { poll, listener, clients, next_token: LISTENER.0 + 1, ready })
    }
    // ANCHOR_END: server

    // ANCHOR: run
    /// Serves all clients until the process is killed.
    fn run(mut self) -> io::Result<()> {
        writeln!(io::stdout(), "listening on {}", self.listener.local_addr()?)?;
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        loop {
            // While a socket may be ready, `poll` only looks. Otherwise it waits until one is.
            let timeout = if self.ready.is_empty() { None } else { Some(Duration::ZERO) };
            match self.poll.poll(&mut events, timeout) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => result?,
            }
            self.ready.extend(events.iter().map(Event::token));
            for token in mem::take(&mut self.ready) {
                if token == LISTENER { self.accept()? } else { self.serve(token)? }
            }
        }
    }
    // ANCHOR_END: run

    // ANCHOR: accept
    /// Accepts one client.
    fn accept(&mut self) -> io::Result<()> {
        match self.listener.accept() {
            Ok((mut stream, peer_addr)) => {
                let token = Token(self.next_token);
                self.next_token += 1;
                let interest = Interest::READABLE | Interest::WRITABLE;
                self.poll.registry().register(&mut stream, token, interest)?;
                self.clients.insert(token, Client { stream, peer_addr, unsent: Vec::new() });
                self.ready.insert(LISTENER); // another client may be waiting
                writeln!(io::stdout(), "{peer_addr} connected")
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()), // an event will follow
            Err(error) if client_is_gone(&error) => {
                self.ready.insert(LISTENER);
                Ok(())
            }
            // There are too many connections. The next try is made when a client leaves.
            Err(error) => writeln!(io::stdout(), "cannot accept clients for now: {error}"),
        }
    }
    // ANCHOR_END: accept

    // ANCHOR: serve
    /// Reads from one client, or writes to it, once. Removes the client if it has left.
    fn serve(&mut self, token: Token) -> io::Result<()> {
        let Some(client) = self.clients.get_mut(&token) else {
            return Ok(()); // an event for a client that was removed
        };
        match client.transfer() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()), // an event will follow
            Ok(1..) => {
                self.ready.insert(token); // there may be more to do
                return Ok(());
            }
            Ok(0) => writeln!(io::stdout(), "{} disconnected", client.peer_addr)?,
            Err(error) => writeln!(io::stdout(), "{} lost: {}", client.peer_addr, error.kind())?,
        }
        self.clients.remove(&token); // this closes the stream
        self.ready.insert(LISTENER); // there may be room again for a client that is waiting
        Ok(())
    }
    // ANCHOR_END: serve
}

// ANCHOR: client
struct Client {
    stream: TcpStream,
    peer_addr: SocketAddr,
    /// The part of the answer that the stream has not taken yet.
    unsent: Vec<u8>,
}

impl Client {
    /// Writes the answer, or reads a message if no answer waits, and returns the number of bytes: 0
    /// at end of file. A client that does not take its answer is not read from.
    fn transfer(&mut self) -> io::Result<usize> {
        if !self.unsent.is_empty() {
            let len = self.stream.write(&self.unsent)?;
            self.unsent.drain(..len);
            return Ok(len);
        }
        let mut buffer = [0; MAX_READ_LEN];
        let len = self.stream.read(&mut buffer)?;
        self.unsent.extend(buffer[..len].iter().map(u8::to_ascii_uppercase));
        Ok(len)
    }
}
// ANCHOR_END: client
