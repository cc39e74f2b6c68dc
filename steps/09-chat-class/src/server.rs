//! The server: a room in which every client receives each line, and one client cannot hold up the others.
//!
//! New in this step: the room has one owner. In step 08 all threads share the map under a lock.
//! Here one thread owns it, and the others send it events that report what has happened. Each client
//! has a queue for the lines that it is to receive, so a slow client delays no other.
//!
//! ```text
//! acceptor ------------------ Joined --\
//! alice --> reading thread -- Said ----+             +--> queue --> writing thread --> alice
//! bob ----> reading thread -- Left ----+--> owner ---+
//! console ------------------- Online --+             +--> queue --> writing thread --> bob
//! Ctrl-C -------------------- Stop ----/
//!
//! client                                     server
//!   | -- hello\n ------------------------------> |
//!   | <- 2026-11-23 08:23:04 ADDR hello\n ------ |   to every client
//!   | <- 2026-11-23 08:23:05 *** ADDR left\n --- |   an announcement
//! ```
//!
//! Still wrong: each client costs two threads, whether it speaks or not. Any client that can
//! connect can speak, as often as it likes; a client that cannot keep up is dropped.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::iter;
use std::mem;
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use socket2::SockRef;
use tracing::{info, warn};

use crate::acceptor::Acceptor;
use crate::connection::{self, Connection, Queue, turn_away};
use crate::line::BadLine;
use crate::log::local_time;

/// How many clients may wait to be accepted: a class that connects at once. Systems have a limit of
/// their own (on Linux `net.core.somaxconn`).
const BACKLOG: i32 = 1024;

/// How many events may wait for the owner. Beyond that, the threads that send them wait, and so do
/// their clients: a client cannot say more than the owner takes.
const EVENTS: usize = 256;

/// A batch of this many bytes is delivered, even if more events wait. It must be far below
/// `MAX_QUEUE_LEN`: one batch must not make a client slow.
const BATCH_LEN: usize = 64 * 1024;

/// When the server stops: how long clients that have connected are accepted, and then how long all of
/// them have to receive the goodbye and close.
pub const STOP_DEADLINE: Duration = Duration::from_millis(300);

// ANCHOR: event
/// What the other threads report to the owner of the room.
pub enum Event {
    /// A client has connected.
    Joined(TcpStream, SocketAddr),
    /// A client has said these lines. Each has its time, its address, and its newline.
    Said(ClientId, String),
    /// A client has sent a line that is refused.
    Refused(ClientId, BadLine),
    /// A client has left (`Ok`), or its connection broke.
    Left(ClientId, io::Result<()>),
    /// Both threads of a client are about to end: everything that was queued for it has been sent,
    /// or can no longer be sent.
    Ended(ClientId),
    /// Answer on this channel who is online.
    Online(mpsc::Sender<Vec<Online>>),
    /// Say goodbye and end.
    Stop,
    /// The port is closed: no more clients will join.
    PortClosed,
}

/// Identifies a client, even if it has an address that another client had before. Later clients have
/// higher numbers.
pub type ClientId = u64;
// ANCHOR_END: event

/// A client that is online, as the console shows it.
#[derive(Debug)]
pub struct Online {
    /// Its address.
    pub peer_addr: SocketAddr,
    /// When it joined, in local time.
    pub since: String,
    /// How many bytes wait for it in its queue.
    pub queue_len: usize,
}

// ANCHOR: server
/// A chat room that is ready to be run.
pub struct ChatServer {
    listener: TcpListener,
    max_clients: usize,
    events: mpsc::Receiver<Event>,
    handle: Handle,
}

/// Lets other threads ask a running server who is online, and stop it.
#[derive(Clone)]
pub struct Handle {
    events: mpsc::SyncSender<Event>,
}

impl Handle {
    /// Asks the server to stop. `run` returns when it has stopped.
    pub fn stop(&self) {
        let _ = self.events.send(Event::Stop); // fails if it has stopped already
    }

    /// Returns who is online, in the order in which they joined; empty if the server has stopped.
    pub fn online(&self) -> Vec<Online> {
        let (answer, answers) = mpsc::channel();
        let _ = self.events.send(Event::Online(answer)); // fails if it has stopped already
        answers.recv().unwrap_or_default()
    }
}

impl ChatServer {
    /// Listens on `addr`. At most `max_clients` are in the room at a time.
    pub fn bind(addr: impl ToSocketAddrs, max_clients: usize) -> io::Result<Self> {
        let listener = TcpListener::bind(addr)?;
        SockRef::from(&listener).listen(BACKLOG)?; // std asks for a shorter one
        let (sender, events) = mpsc::sync_channel(EVENTS);
        Ok(Self { listener, max_clients, events, handle: Handle { events: sender } })
    }

    /// Returns the address on which it listens, with the actual port.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Returns a handle for other threads.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }
}
// ANCHOR_END: server

// ANCHOR: run
impl ChatServer {
    /// Runs the room until it is stopped. The thread that calls this owns the room.
    pub fn run(self) -> io::Result<()> {
        let acceptor = Acceptor::start(self.listener, self.handle.events.clone())?;
        let mut room = Room::new(self.max_clients, self.handle.events);
        loop {
            // Wait for one event. Further events that have arrived go into the same batch: a write
            // costs about as much for a hundred lines as for one.
            let first =
                self.events.recv().expect("the room holds a sender, so there is always one");
            for event in iter::once(first).chain(self.events.try_iter().take(EVENTS)) {
                match event {
                    Event::Joined(stream, peer_addr) => room.join(stream, peer_addr),
                    Event::Said(id, lines) => room.say(id, &lines),
                    Event::Refused(id, bad) => room.refuse(id, &bad),
                    Event::Left(id, how) => room.remove(id, &how.into()),
                    Event::Ended(id) => room.forget(id),
                    // Fails if the thread that asked has ended.
                    Event::Online(answer) => drop(answer.send(room.online())),
                    Event::Stop => acceptor.stop(),
                    Event::PortClosed => {
                        room.stop(&self.events, acceptor);
                        return Ok(());
                    }
                }
                if room.batch.len() >= BATCH_LEN {
                    break;
                }
            }
            room.deliver();
        }
    }
}
// ANCHOR_END: run

// ANCHOR: room
/// The room itself. It needs no lock: only its owner can reach it.
struct Room {
    /// The clients that are online, in the order in which they joined.
    members: BTreeMap<ClientId, Member>,
    /// The connections of these clients, and of those that have left but have not taken everything
    /// that was queued for them.
    connections: HashMap<ClientId, Connection>,
    /// How many connections there may be.
    max_clients: usize,
    next_id: ClientId,
    /// What has been said since the last delivery.
    batch: String,
    /// For the threads that this room starts.
    events: mpsc::SyncSender<Event>,
}

/// A client that is online.
struct Member {
    peer_addr: SocketAddr,
    since: String,
    /// Where in the batch the part for this client begins: the bytes before that were said before it
    /// joined.
    batch_start: usize,
    /// The batch has something that this client said.
    has_spoken: bool,
    /// The length of all lines that it has sent so far, in bytes.
    said_len: usize,
    queue: Queue,
}

/// Why a client is no longer online.
enum Gone {
    /// It said `quit`, or ended its stream.
    Left,
    /// The connection broke.
    Lost(io::ErrorKind),
    /// It does not read: this many bytes wait for it, and there is no room for more.
    Dropped(usize),
}

impl From<io::Result<()>> for Gone {
    fn from(how: io::Result<()>) -> Self {
        how.map_or_else(|error| Self::Lost(error.kind()), |()| Self::Left)
    }
}
// ANCHOR_END: room

impl Room {
    fn new(max_clients: usize, events: mpsc::SyncSender<Event>) -> Self {
        let (members, connections) = (BTreeMap::new(), HashMap::new());
        Self { members, connections, max_clients, next_id: 0, batch: String::new(), events }
    }

    // ANCHOR: join
    /// Adds a client, starts its threads, and announces it. If the room is full, the client is
    /// turned away.
    fn join(&mut self, stream: TcpStream, peer_addr: SocketAddr) {
        // A client that has left counts until its threads have ended.
        if self.connections.len() >= self.max_clients {
            return turn_away(&stream, peer_addr, &"the room is full");
        }
        let id = self.next_id;
        self.next_id += 1;
        let Ok((connection, queue)) = connection::start(id, stream, peer_addr, &self.events) else {
            return; // it was turned away
        };
        let (since, batch_start) = (local_time(), self.batch.len());
        let (has_spoken, said_len) = (false, 0);
        let member = Member { peer_addr, since, batch_start, has_spoken, said_len, queue };
        self.members.insert(id, member);
        self.connections.insert(id, connection);
        info!("{peer_addr} joined");
        self.announce(&format!("{peer_addr} joined"));
    }

    /// Removes a client, and announces that to the others. Its writing thread sends what is in its queue.
    fn remove(&mut self, id: ClientId, gone: &Gone) {
        let Some(Member { peer_addr, .. }) = self.members.remove(&id) else {
            return; // it was removed before
        };
        match gone {
            Gone::Left => info!("{peer_addr} left"),
            Gone::Lost(kind) => info!("{peer_addr} lost: {kind}"),
            Gone::Dropped(len) => {
                let loudest = self.loudest();
                warn!(
                    "{peer_addr} dropped: it does not read, {len} bytes wait; loudest: {loudest}"
                );
            }
        }
        self.announce(&format!("{peer_addr} left"));
    }

    /// Returns the address of the client that has said the most, and so has filled the queues of the others.
    fn loudest(&self) -> String {
        let loudest = self.members.values().max_by_key(|member| member.said_len);
        loudest.map_or("none".to_owned(), |member| member.peer_addr.to_string())
    }

    /// Forgets a connection whose threads have nothing more to do.
    fn forget(&mut self, id: ClientId) {
        if let Some(connection) = self.connections.remove(&id) {
            connection.join();
        }
    }
    // ANCHOR_END: join

    // ANCHOR: say
    /// Adds what a client has said to the batch.
    fn say(&mut self, id: ClientId, lines: &str) {
        // A client that was dropped has left: what it said afterwards is not passed on.
        if let Some(member) = self.members.get_mut(&id) {
            self.batch.push_str(lines);
            member.said_len += lines.len();
            member.has_spoken = true;
        }
    }

    /// Adds an announcement to the batch. No client can forge it: a line from a client has an address
    /// where an announcement has the stars.
    fn announce(&mut self, text: &str) {
        self.batch.extend([&local_time(), " *** ", text, "\n"]);
    }

    /// Answers a line that is refused, after delivering what the client said before it.
    fn refuse(&mut self, id: ClientId, bad: &BadLine) {
        let Some(member) = self.members.get_mut(&id) else {
            return; // it was dropped before
        };
        let queued = member.queue.push(format!("error: {bad}\n").into());
        member.queue.give_turn();
        if let Err(len) = queued {
            self.drop_member(id, len);
        }
    }
    // ANCHOR_END: say

    // ANCHOR: deliver
    /// Puts the batch into every client's queue. All clients get the same bytes, so all see the same
    /// order.
    fn deliver(&mut self) {
        // Dropping a client adds an announcement for the others, so there is one more batch.
        while !self.batch.is_empty() {
            for (id, len) in self.queue_batch() {
                self.drop_member(id, len);
            }
        }
    }

    /// Removes a client that does not read, and for which `len` bytes wait.
    fn drop_member(&mut self, id: ClientId, len: usize) {
        self.remove(id, &Gone::Dropped(len));
        if let Some(connection) = self.connections.get(&id) {
            connection.shut_down(); // its writing thread waits for it, and is woken
        }
    }

    /// Empties the batch into the queues, and returns the clients whose queue has no room for it,
    /// with the number of bytes that wait for them.
    fn queue_batch(&mut self) -> Vec<(ClientId, usize)> {
        let batch = mem::take(&mut self.batch);
        let whole: Arc<str> = batch.as_str().into(); // one copy, which all queues share
        let mut full = Vec::new();
        for (id, member) in &mut self.members {
            let part = match mem::take(&mut member.batch_start) {
                0 => Arc::clone(&whole),
                start => batch[start..].into(),
            };
            if let Err(len) = member.queue.push(part) {
                full.push((*id, len));
            }
            if mem::take(&mut member.has_spoken) {
                member.queue.give_turn();
            }
        }
        full
    }
    // ANCHOR_END: deliver

    fn online(&self) -> Vec<Online> {
        let online = self.members.values().map(|member| Online {
            peer_addr: member.peer_addr,
            since: member.since.clone(),
            queue_len: member.queue.len(),
        });
        online.collect()
    }

    // ANCHOR: stop
    /// Stops the server in this order, and in time, whatever the clients do. The port is already closed.
    fn stop(mut self, events: &mpsc::Receiver<Event>, acceptor: Acceptor) {
        acceptor.join();
        info!("the server is stopping");
        // The goodbye follows everything that was said before it.
        // A client whose queue is full gets none: it does not read.
        self.announce("the server is stopping");
        self.queue_batch();

        // Without members there are no queues. A writing thread whose queue is gone sends the rest, and
        // then the end of file. The client closes as well, and its reading thread ends.
        self.members.clear();
        self.wait_for_connections(events);

        // The other clients do not read, or do not close. Shutting their connections down wakes the
        // threads that wait for them. A thread that does not wake, as on Windows, ends with the process.
        if !self.connections.is_empty() {
            info!("clients that did not close in time: {}", self.connections.len());
            self.connections.values().for_each(Connection::shut_down);
            self.wait_for_connections(events);
        }
    }

    /// Waits until the threads of all connections have ended, or the deadline has passed.
    fn wait_for_connections(&mut self, events: &mpsc::Receiver<Event>) {
        let deadline = Instant::now() + STOP_DEADLINE;
        while !self.connections.is_empty() && Instant::now() < deadline {
            let left = deadline.saturating_duration_since(Instant::now());
            match events.recv_timeout(left) {
                Ok(Event::Ended(id)) => self.forget(id),
                Ok(_) => {} // what clients still say is read, but not passed on
                Err(_) => return,
            }
        }
    }
    // ANCHOR_END: stop
}
