//! The server: a room in which every client receives each line, and one client cannot hold up the others.
//!
//! New in this step: one thread serves all clients. It asks the system which of its sockets are
//! ready, does what can be done at once, and asks again. Step 09 has two threads for each client;
//! here a client costs a socket, a few fields, and what waits in its queue.
//!
//! ```text
//!                 +----------- one turn of the loop ------------+
//! console \       |                                             |
//! Ctrl-C   --> requests       accept       read        deliver  |
//! Handle  /       |  wait --> new     --> lines of --> them to  |
//!                 |           clients     many         clients  |
//!                 +---------------------------------------------+
//!
//! client                                     server
//!   | -- hello\n ------------------------------> |
//!   | <- 2026-11-23 08:23:04 ADDR hello\n ------ |   to every client
//!   | <- 2026-11-23 08:23:05 *** ADDR left\n --- |   an announcement
//! ```
//!
//! New as well: a client is read from only as fast as it may talk, so one that sends without end no
//! longer pushes out those that cannot keep up.
//!
//! Still wrong: one slow turn delays every client, and only one processor works. Any client that
//! can connect can speak; a client that cannot keep up is dropped.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, ErrorKind, Write};
use std::mem;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::SockRef;
use tracing::{info, warn};

use crate::accept::client_is_gone;
use crate::log::local_time;
use crate::member::{Gone, Member, Progress};

/// How many clients may wait to be accepted: a class that connects at once. Systems have a limit of
/// their own (on Linux `net.core.somaxconn`).
const BACKLOG: u16 = 1024;

/// How many clients one turn of the loop accepts. More would delay the clients that are online.
const ACCEPTS_PER_TURN: u16 = 64;

/// How many events one turn of the loop takes from the system. The rest arrive in the next one.
const EVENTS_PER_TURN: usize = 1024;

/// A batch of this many bytes is delivered, even if more clients are ready. It must be far below
/// `MAX_QUEUE_LEN`: one batch must not make a client slow.
const BATCH_LEN: usize = 64 * 1024;

/// After an error of `accept` that is not about one client: how long to wait before the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long the clients have to receive the goodbye and close when the server stops.
const STOP_DEADLINE: Duration = Duration::from_millis(300);

// ANCHOR: tokens
/// The system returns a token with each event: it identifies the socket. The clients
/// have the tokens from `FIRST_MEMBER` on, and no token is used twice.
const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
const FIRST_MEMBER: usize = 2;
// ANCHOR_END: tokens

// ANCHOR: server
/// The limits for the clients of a room.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many there may be at a time; those that are leaving count as well.
    pub max_clients: usize,
    /// How many lines per second each may say, after a burst of [`BURST`](crate::rate::BURST) lines; 0
    /// means any number.
    pub rate: u32,
}

/// A chat room and its members.
pub struct ChatServer {
    /// Asks the system which sockets are ready.
    poll: Poll,
    listener: TcpListener,
    /// When to accept next; `None` if no client is waiting to be accepted.
    accept_at: Option<Instant>,
    /// Whether the last accept failed for a reason that does not concern one client only.
    is_accept_failing: bool,
    /// The clients that are online, in the order in which they joined.
    members: BTreeMap<Token, Member>,
    /// The clients that have left, but have not received everything that was sent before.
    leaving: BTreeMap<Token, Member>,
    limits: Limits,
    next_member: usize,
    /// The clients that may have more to read. The first one is read from next, and goes to the end
    /// of the queue after its turn.
    ready: VecDeque<Token>,
    /// The clients that talk faster than they may, and when each is read from again.
    paused: BTreeSet<(Instant, Token)>,
    /// What this turn has to deliver: lines, complete with time and newline.
    batch: Vec<u8>,
    requests: mpsc::Receiver<Request>,
    handle: Handle,
}
// ANCHOR_END: server

// ANCHOR: handle
/// Lets other threads send requests to a running server. They cannot reach the room itself: they
/// send a request and wake the server, which may be waiting for its sockets.
#[derive(Clone)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
    waker: Arc<Waker>,
}

/// A request from another thread.
enum Request {
    /// Say goodbye and end.
    Stop,
    /// Answer on this channel who is online.
    Online(mpsc::Sender<Vec<Online>>),
    /// Remove the client with this address, and answer whether there was one.
    Kick(SocketAddr, mpsc::Sender<bool>),
}

/// A client that is online, as the console shows it.
#[derive(Debug)]
pub struct Online {
    /// Its address.
    pub peer_addr: SocketAddr,
    /// When it joined, in local time.
    pub since: String,
    /// How many lines per second it has said lately.
    pub lines_per_second: f64,
    /// How many bytes wait for it in its queue.
    pub queue_len: usize,
}

impl Handle {
    /// Asks the server to stop, and returns at once; `run` returns when the server has stopped.
    pub fn stop(&self) {
        self.request(Request::Stop);
    }

    /// Returns who is online, in the order in which they joined; empty if the server has stopped.
    pub fn online(&self) -> Vec<Online> {
        let (answer, answers) = mpsc::channel();
        self.request(Request::Online(answer));
        answers.recv().unwrap_or_default()
    }

    /// Removes the client with this address, and returns whether there was one.
    pub fn kick(&self, peer_addr: SocketAddr) -> bool {
        let (answer, answers) = mpsc::channel();
        self.request(Request::Kick(peer_addr, answer));
        answers.recv().unwrap_or_default()
    }

    fn request(&self, request: Request) {
        // Both fail only if the server has stopped already.
        let _ = self.requests.send(request);
        let _ = self.waker.wake();
    }
}
// ANCHOR_END: handle

impl ChatServer {
    // ANCHOR: bind
    /// Listens on `addr`.
    pub fn bind(addr: impl ToSocketAddrs, limits: Limits) -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(addr)?;
        SockRef::from(&listener).listen(BACKLOG.into())?; // std asks for a shorter one
        listener.set_nonblocking(true)?;
        let mut listener = TcpListener::from_std(listener);

        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let (sender, requests) = mpsc::channel();
        Ok(Self {
            poll,
            listener,
            accept_at: None,
            is_accept_failing: false,
            members: BTreeMap::new(),
            leaving: BTreeMap::new(),
            limits,
            next_member: FIRST_MEMBER,
            ready: VecDeque::new(),
            paused: BTreeSet::new(),
            batch: Vec::new(),
            requests,
            handle: Handle { requests: sender, waker },
        })
    }
    // ANCHOR_END: bind

    /// Returns the address on which it listens, with the actual port.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Returns a handle for other threads.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    // ANCHOR: run
    /// Runs the room until it is stopped.
    pub fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        loop {
            let timeout = self.timeout();
            wait(&mut self.poll, &mut events, timeout)?;
            for event in &events {
                self.on_event(event);
            }
            if self.answer_requests() {
                return self.stop();
            }
            self.accept_members(ACCEPTS_PER_TURN);
            self.read_members();
            self.deliver();
        }
    }
    // ANCHOR_END: run

    // ANCHOR: timeout
    /// Returns how long the next turn may wait for events; `None` means until there is one.
    fn timeout(&self) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        let read_at = self.paused.first().map(|(at, _)| *at);
        let next = self.accept_at.into_iter().chain(read_at).min();
        next.map(|at| at.saturating_duration_since(Instant::now()))
    }
    // ANCHOR_END: timeout

    // ANCHOR: on-event
    /// Remembers a socket that has become readable; on one that has become writable, sends what waited.
    ///
    /// The system reports a change. It need not report it again before a read, or a write, has
    /// returned `WouldBlock`. So a client that is not read from at once must be remembered.
    fn on_event(&mut self, event: &Event) {
        let token = event.token();
        if token == LISTENER {
            self.accept_at.get_or_insert_with(Instant::now);
        }
        // A client that was removed may still have an event: then its token belongs to no client.
        let Some(member) = self.members.get_mut(&token) else {
            return self.send_rest(token);
        };
        let is_readable = event.is_readable() || event.is_read_closed() || event.is_error();
        if is_readable && !mem::replace(&mut member.is_ready, true) {
            self.ready.push_back(token);
        }
        if event.is_writable()
            && let Err(gone) = member.send_queue()
        {
            self.remove(token, &gone);
        }
    }
    // ANCHOR_END: on-event

    // ANCHOR: requests
    /// Answers the requests of other threads, and returns whether one of them is to stop.
    fn answer_requests(&mut self) -> bool {
        while let Ok(request) = self.requests.try_recv() {
            // An answer cannot be sent if the thread that asked has ended.
            match request {
                Request::Stop => return true,
                Request::Online(answer) => {
                    let online = self.members.values().map(|member| Online {
                        peer_addr: member.peer_addr,
                        since: member.since.clone(),
                        lines_per_second: member.lines_per_second(),
                        queue_len: member.queue_len(),
                    });
                    let _ = answer.send(online.collect());
                }
                Request::Kick(peer_addr, answer) => {
                    let _ = answer.send(self.kick(peer_addr));
                }
            }
        }
        false
    }
    // ANCHOR_END: requests

    // ANCHOR: accept
    /// Accepts the clients that wait, at most `max` of them.
    fn accept_members(&mut self, max: u16) {
        if self.accept_at.is_none_or(|at| at > Instant::now()) {
            return;
        }
        for _ in 0..max {
            match self.listener.accept() {
                Ok((stream, peer_addr)) => {
                    self.is_accept_failing = false;
                    if let Err(error) = self.join(stream, peer_addr) {
                        info!("{peer_addr} lost: {}", error.kind());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.accept_at = None; // an event will follow when another client connects
                    return;
                }
                // A client that left before it was accepted is no reason to stop.
                Err(error) if client_is_gone(&error) => {}
                // Most likely we have as many connections as the system allows. The clients that are
                // online continue to be served. The one that waits is still there, so the next try may fail at
                // once: the error is logged once, and a pause leaves the processor to the others.
                Err(error) => {
                    if !mem::replace(&mut self.is_accept_failing, true) {
                        warn!("cannot accept clients for now: {error}");
                    }
                    self.accept_at = Some(Instant::now() + ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    /// Adds a client to the room, and announces it. If the room is full, the client is turned away.
    fn join(&mut self, mut stream: TcpStream, peer_addr: SocketAddr) -> io::Result<()> {
        if self.members.len() + self.leaving.len() >= self.limits.max_clients {
            let reason = "the room is full";
            warn!("{peer_addr} turned away: {reason}");
            // The send buffer of a new connection has room for it.
            return stream.write_all(format!("error: {reason}; try again later\n").as_bytes());
        }
        let token = Token(self.next_member);
        let mut member = Member::new(stream, peer_addr, self.batch.len(), self.limits.rate)?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut member.stream, token, interest)?;
        self.next_member += 1;
        self.members.insert(token, member);
        info!("{peer_addr} joined");
        self.announce(&format!("{peer_addr} joined"));
        Ok(())
    }
    // ANCHOR_END: accept

    // ANCHOR: remove
    /// Removes a client from the room, and announces that to the others.
    fn remove(&mut self, token: Token, gone: &Gone) {
        let Some(member) = self.members.remove(&token) else {
            return;
        };
        let peer_addr = member.peer_addr;
        match gone {
            Gone::Dropped { .. } | Gone::Kicked => warn!("{peer_addr} {gone}"),
            Gone::Left | Gone::Lost(_) => info!("{peer_addr} {gone}"),
        }
        self.announce(&format!("{peer_addr} left"));
        if matches!(gone, Gone::Left) && member.queue_len() > 0 {
            self.leaving.insert(token, member);
        }
    }

    /// Removes the client with this address, and returns whether there was one.
    fn kick(&mut self, peer_addr: SocketAddr) -> bool {
        let mut members = self.members.iter_mut();
        let Some((token, member)) = members.find(|(_, member)| member.peer_addr == peer_addr)
        else {
            return false;
        };
        let token = *token;
        let _ = member.send(b"error: you were removed from the room\n"); // it is removed in any case
        self.remove(token, &Gone::Kicked);
        true
    }

    /// Sends what waits for a client that has left. When there is nothing more, its stream is closed.
    fn send_rest(&mut self, token: Token) {
        if let Some(member) = self.leaving.get_mut(&token)
            && (member.send_queue().is_err() || member.queue_len() == 0)
        {
            self.leaving.remove(&token);
        }
    }

    /// Adds an announcement to the batch. No client can forge it: a line from a client has an address
    /// where an announcement has the stars.
    fn announce(&mut self, text: &str) {
        self.batch.extend_from_slice(announcement(text).as_bytes());
    }
    // ANCHOR_END: remove

    // ANCHOR: read
    /// Reads once from each client that may have more to read.
    ///
    /// So a client that sends without end gets no more reads than the others. A client that talks faster
    /// than it may is not read from for a while.
    fn read_members(&mut self) {
        let now = Instant::now();
        // No token is greater, so all whose pause ends now, or ended before, are left in `paused`.
        let later = self.paused.split_off(&(now, Token(usize::MAX)));
        let due = mem::replace(&mut self.paused, later);
        self.ready.extend(due.into_iter().map(|(_, token)| token));
        for _ in 0..self.ready.len() {
            if self.batch.len() >= BATCH_LEN {
                return; // the others are first in the next turn
            }
            let token = self.ready.pop_front().expect("it has as many as were counted");
            let Some(member) = self.members.get_mut(&token) else {
                continue; // it was removed in the meantime
            };
            match member.read(&mut self.batch) {
                Ok(Progress::MayHaveMore) => self.ready.push_back(token),
                Ok(Progress::MustWait) => member.is_ready = false,
                Ok(Progress::MustPause(pause)) => drop(self.paused.insert((now + pause, token))),
                Err(gone) => self.remove(token, &gone),
            }
        }
    }
    // ANCHOR_END: read

    // ANCHOR: deliver
    /// Sends the batch to every client, in one write for each: a write costs about as much for a
    /// hundred lines as for one. All get the same bytes, so all see the same order.
    fn deliver(&mut self) {
        // Removing a client adds an announcement for the others, so there is one more batch.
        while !self.batch.is_empty() {
            let batch = mem::replace(&mut self.batch, Vec::with_capacity(2 * BATCH_LEN));
            let mut gone = Vec::new();
            for (token, member) in &mut self.members {
                let start = mem::take(&mut member.batch_start);
                if let Err(reason) = member.send(&batch[start..]) {
                    gone.push((*token, reason));
                }
            }
            for (token, reason) in gone {
                self.remove(token, &reason);
            }
        }
    }
    // ANCHOR_END: deliver

    // ANCHOR: stop
    /// Stops the server in this order, within `STOP_DEADLINE`, whatever the clients do.
    fn stop(mut self) -> io::Result<()> {
        info!("the server is stopping");
        // 1. The clients that have connected are accepted, so that they get the goodbye. Then the
        //    listening socket is closed: the port is free from here on.
        self.accept_at = Some(Instant::now());
        self.accept_members(BACKLOG);
        drop(self.listener);

        // 2. The goodbye is sent, after everything that was said before it.
        self.batch.extend_from_slice(announcement("the server is stopping").as_bytes());
        let (batch, mut members) = (self.batch, self.members);
        members.retain(|_, member| member.send(&batch[member.batch_start..]).is_ok());
        members.append(&mut self.leaving);

        // 3. Each stream is shut down for writing: after the goodbye, the client reads end of file.
        //    Then it closes its side, and we read end of file, too.
        let deadline = Instant::now() + STOP_DEADLINE;
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        let mut ready: BTreeSet<Token> = members.keys().copied().collect();
        while !members.is_empty() && Instant::now() < deadline {
            for token in mem::take(&mut ready) {
                match members.get_mut(&token).map(Member::end) {
                    Some(Ok(Progress::MayHaveMore)) => drop(ready.insert(token)),
                    Some(Ok(Progress::MustWait | Progress::MustPause(_))) | None => {}
                    Some(Err(_)) => drop(members.remove(&token)), // the connection has ended
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = if ready.is_empty() { left } else { Duration::ZERO };
            wait(&mut self.poll, &mut events, Some(timeout))?;
            ready.extend(events.iter().map(Event::token));
        }

        // 4. The other clients do not read, or do not close. Their streams are closed now.
        if !members.is_empty() {
            info!("clients that did not close in time: {}", members.len());
        }
        Ok(())
    }
    // ANCHOR_END: stop
}

// ANCHOR: wait
/// Waits until a socket is ready, another thread wakes us, or the deadline has passed.
fn wait(poll: &mut Poll, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
    match poll.poll(events, timeout) {
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()), // a turn without events
        result => result,
    }
}
// ANCHOR_END: wait

/// Returns a line from the room itself.
fn announcement(text: &str) -> String {
    format!("{} *** {text}\n", local_time())
}
