//! The server: a room in which everybody hears what each one says, and nobody waits for anybody.
//!
//! New in this step: one thread owns the whole room. It asks the system which of all its sockets
//! are ready, does what can be done at once, and asks again. So there is no lock, and no thread
//! that would have to be woken, or joined, to stop.
//!
//! ```text
//!                 +----------- one turn of the loop ------------+
//! keyboard \      |                                             |
//! Ctrl-C   --> requests       accept       read        deliver  |
//! Handle   /      |  wait --> who is  --> lines of --> them to  |
//!                 |           new?        many         everybody|
//!                 +---------------------------------------------+
//!
//! client                                     server
//!   | -- hello\n ------------------------------> |
//!   | <- 2026-11-23 08:23:04 ADDR hello\n ------ |   to everybody
//!   | <- 2026-11-23 08:23:05 *** ADDR left\n --- |   an announcement
//! ```
//!
//! Still wrong: whoever can connect can speak, as often as they like. Who cannot take it as fast as
//! others say it is dropped.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, ErrorKind};
use std::mem;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};
use socket2::SockRef;
use tracing::{info, warn};

use crate::log::local_time;
use crate::member::{Gone, Member, Progress};

/// How many clients may wait to be accepted: a class that connects at once. Systems have a limit of
/// their own (on Linux `net.core.somaxconn`).
const BACKLOG: u16 = 1024;

/// How many clients one turn of the loop accepts: the others have lines to be delivered.
const ACCEPTS_PER_TURN: u16 = 64;

/// How many events one turn of the loop takes from the system. The rest come in the next one.
const EVENTS_PER_TURN: usize = 1024;

/// When a batch has so many bytes, it is delivered. It must be far below `MAX_QUEUE_LEN`: no client
/// is slow only because one turn said much.
const BATCH_LEN: usize = 64 * 1024;

/// After an error of `accept` that is not about one client: how long to wait before the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long the clients have, when the server stops, to take the goodbye and close.
const STOP_DEADLINE: Duration = Duration::from_millis(300);

/// By these numbers the system tells us which socket an event is about. The clients have the
/// numbers from `FIRST_MEMBER` on, and no number is used twice.
const LISTENER: Token = Token(0);
const WAKER: Token = Token(1);
const FIRST_MEMBER: usize = 2;

// ANCHOR: server
/// A chat room, and all who are in it.
pub struct ChatServer {
    /// Asks the system which sockets are ready.
    poll: Poll,
    listener: TcpListener,
    /// When to accept next: there may be clients waiting. `None` if there are not.
    accept_at: Option<Instant>,
    /// The last accept failed, and not because of one client.
    is_accept_failing: bool,
    /// Who is online, in the order in which they came.
    members: BTreeMap<Token, Member>,
    next_member: usize,
    /// The clients that may have more to read. The first is the next to be read from, and goes to
    /// the end of the queue after its turn.
    ready: VecDeque<Token>,
    /// What this turn has to tell everybody: lines, complete with time and newline.
    batch: Vec<u8>,
    requests: mpsc::Receiver<Request>,
    handle: Handle,
}
// ANCHOR_END: server

// ANCHOR: handle
/// What other threads can ask the server for. They have no part in the room: they send a request,
/// and wake the server, which may be waiting for its sockets.
#[derive(Clone)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
    waker: Arc<Waker>,
}

/// A request from another thread.
enum Request {
    /// Say goodbye and end.
    Stop,
    /// Say on this channel who is online.
    Online(mpsc::Sender<Vec<Online>>),
}

/// A client that is online, as others may know it.
#[derive(Debug)]
pub struct Online {
    /// Its address.
    pub peer_addr: SocketAddr,
    /// When it came, in local time.
    pub since: String,
    /// How many bytes wait for it in its queue.
    pub queue_len: usize,
}

impl Handle {
    /// Has the server stop. Returns at once; it is `run` that returns when it is done.
    pub fn stop(&self) {
        self.request(Request::Stop);
    }

    /// Who is online, in the order in which they came; nobody, if the server has stopped.
    pub fn online(&self) -> Vec<Online> {
        let (answer, answers) = mpsc::channel();
        self.request(Request::Online(answer));
        answers.recv().unwrap_or_default()
    }

    fn request(&self, request: Request) {
        // Both fail only where the server has stopped: then there is nobody to ask, or to wake.
        let _ = self.requests.send(request);
        let _ = self.waker.wake();
    }
}
// ANCHOR_END: handle

impl ChatServer {
    // ANCHOR: bind
    /// Listens on `addr`.
    pub fn bind(addr: impl ToSocketAddrs) -> io::Result<Self> {
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
            next_member: FIRST_MEMBER,
            ready: VecDeque::new(),
            batch: Vec::new(),
            requests,
            handle: Handle { requests: sender, waker },
        })
    }
    // ANCHOR_END: bind

    /// The address that it listens on, with the port that it really got.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// With this, other threads can stop the server, while this one runs it.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    // ANCHOR: run
    /// Runs the room, until it is stopped.
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

    /// How long the next turn may wait for events; `None` is for ever.
    fn timeout(&self) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(Duration::ZERO);
        }
        self.accept_at.map(|at| at.saturating_duration_since(Instant::now()))
    }

    // ANCHOR: on-event
    /// Remembers what an event says, or sends what waited for it.
    ///
    /// The system says once that a socket has become ready. It will not say so again before we have
    /// read, or written, until that would block. So what is not done now must be remembered.
    fn on_event(&mut self, event: &Event) {
        let token = event.token();
        if token == LISTENER {
            self.accept_at.get_or_insert_with(Instant::now);
        }
        // A client that has left may still have an event. Its number means nobody any more.
        let Some(member) = self.members.get_mut(&token) else {
            return;
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

    /// Does what other threads have asked for, and returns whether one of them wants us to stop.
    fn answer_requests(&self) -> bool {
        self.requests.try_iter().any(|request| match request {
            Request::Stop => true,
            Request::Online(answer) => {
                let online = self.members.values().map(|member| Online {
                    peer_addr: member.peer_addr,
                    since: member.since.clone(),
                    queue_len: member.queue_len(),
                });
                let _ = answer.send(online.collect()); // who asked may not wait any more
                false
            }
        })
    }

    // ANCHOR: accept
    /// Lets in the clients that wait, but not more than so many.
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
                    self.accept_at = None; // an event will tell when there is one more
                    return;
                }
                // A client that left before it was accepted is no reason to stop.
                Err(error) if client_is_gone(&error) => {}
                // Most likely we have as many connections as the system allows. Who is online stays
                // served. The client that waits is still there, so the next try may fail at once:
                // it is told once, and a pause leaves the processor to the others.
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

    /// Adds a client to the room, and tells everybody.
    fn join(&mut self, stream: TcpStream, peer_addr: SocketAddr) -> io::Result<()> {
        let token = Token(self.next_member);
        let mut member = Member::new(stream, peer_addr, self.batch.len())?;
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut member.stream, token, interest)?;
        self.next_member += 1;
        self.members.insert(token, member);
        info!("{peer_addr} joined");
        self.announce(&format!("{peer_addr} joined"));
        Ok(())
    }
    // ANCHOR_END: accept

    /// Removes a client from the room, and tells everybody else.
    fn remove(&mut self, token: Token, gone: &Gone) {
        let Some(member) = self.members.remove(&token) else {
            return;
        };
        let peer_addr = member.peer_addr;
        match gone {
            Gone::Dropped { .. } => warn!("{peer_addr} {gone}"),
            Gone::Left | Gone::Lost(_) => info!("{peer_addr} {gone}"),
        }
        self.announce(&format!("{peer_addr} left"));
    }

    /// Adds a line to the batch that is not said by a client. Nobody can fake it: what a client
    /// says has its address in front, where this has the stars.
    fn announce(&mut self, text: &str) {
        self.batch.extend_from_slice(announcement(text).as_bytes());
    }

    // ANCHOR: read
    /// Gives a turn to those who may have more to read: one read for each.
    ///
    /// Who sends without end has the same turns as everybody else.
    fn read_members(&mut self) {
        for _ in 0..self.ready.len() {
            if self.batch.len() >= BATCH_LEN {
                return; // the others are the first in the next turn
            }
            let token = self.ready.pop_front().expect("it has as many as were counted");
            let Some(member) = self.members.get_mut(&token) else {
                continue; // it was removed meanwhile
            };
            match member.read(&mut self.batch) {
                Ok(Progress::MayHaveMore) => self.ready.push_back(token),
                Ok(Progress::MustWait) => member.is_ready = false,
                Err(gone) => self.remove(token, &gone),
            }
        }
    }
    // ANCHOR_END: read

    // ANCHOR: deliver
    /// Sends the batch to everybody, in one write for each: a write costs about as much for a
    /// hundred lines as for one. All get the same bytes, so all see the same order.
    fn deliver(&mut self) {
        // Who cannot be sent to has left, and that is news for the others: one more batch.
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
    /// Ends everything, in this order, and within `STOP_DEADLINE`, whatever the clients do.
    fn stop(mut self) -> io::Result<()> {
        info!("the server is stopping");
        // 1. Those who have connected are let in, so that they hear the goodbye; then nobody. The
        //    port is free from here on.
        self.accept_at = Some(Instant::now());
        self.accept_members(BACKLOG);
        drop(self.listener);

        // 2. The goodbye, behind all that was said before it.
        self.batch.extend_from_slice(announcement("the server is stopping").as_bytes());
        let (batch, mut members) = (self.batch, self.members);
        members.retain(|_, member| member.send(&batch[member.batch_start..]).is_ok());

        // 3. Each stream is shut down for writing: behind the goodbye, the client reads end of file.
        //    Then it closes its side, and we read end of file, too.
        let deadline = Instant::now() + STOP_DEADLINE;
        let mut events = Events::with_capacity(EVENTS_PER_TURN);
        let mut ready: BTreeSet<Token> = members.keys().copied().collect();
        while !members.is_empty() && Instant::now() < deadline {
            for token in mem::take(&mut ready) {
                match members.get_mut(&token).map(Member::end) {
                    Some(Ok(Progress::MayHaveMore)) => drop(ready.insert(token)),
                    Some(Ok(Progress::MustWait)) | None => {}
                    Some(Err(_)) => drop(members.remove(&token)), // closed, or broken: it is over
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let timeout = if ready.is_empty() { left } else { Duration::ZERO };
            wait(&mut self.poll, &mut events, Some(timeout))?;
            ready.extend(events.iter().map(Event::token));
        }

        // 4. What is left is closed as it stands: those clients do not read, or do not close.
        if !members.is_empty() {
            info!("clients that did not close in time: {}", members.len());
        }
        Ok(())
    }
    // ANCHOR_END: stop
}

/// Waits until a socket is ready, or another thread wakes us, or the time is over.
fn wait(poll: &mut Poll, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
    match poll.poll(events, timeout) {
        Err(error) if error.kind() == ErrorKind::Interrupted => Ok(()), // a turn without events
        result => result,
    }
}

/// A line for everybody that is not said by a client.
fn announcement(text: &str) -> String {
    format!("{} *** {text}\n", local_time())
}

/// Whether an error of `accept` is about one client that has left already, and not about us.
///
/// Linux never says so, macOS and Windows have names of their own for it, and where the client's
/// address is gone as well, `std` has nothing to return (`InvalidInput`).
fn client_is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, InvalidInput, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | InvalidInput | NotConnected)
}
