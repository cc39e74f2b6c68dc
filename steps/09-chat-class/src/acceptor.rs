//! The thread that accepts clients, and how it is stopped.
//!
//! `accept` waits until a client connects, and nothing else ends that wait on every system. So the
//! server connects to itself: that wakes the thread, which recognizes the address of that connection.

use std::io::{self, ErrorKind};
use std::mem;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use tracing::warn;

use crate::accept::client_is_gone;
use crate::server::{Event, STOP_DEADLINE};

/// After an error of `accept` that is not about one client: how long to wait before the next try.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

// ANCHOR: acceptor
/// A thread that accepts clients.
pub struct Acceptor {
    thread: JoinHandle<()>,
    is_stopping: Arc<AtomicBool>,
    /// The socket that will wake the thread by connecting. It is created beforehand: later there may
    /// be no descriptor left for it.
    alarm: Socket,
    server_addr: SocketAddr,
}

impl Acceptor {
    /// Starts the thread, which reports each client as an event.
    pub fn start(listener: TcpListener, events: mpsc::SyncSender<Event>) -> io::Result<Self> {
        let server_addr = reachable(listener.local_addr()?);
        let mut alarm_addr = server_addr;
        alarm_addr.set_port(0);
        let alarm = Socket::new(Domain::for_address(alarm_addr), Type::STREAM, None)?;
        alarm.bind(&alarm_addr.into())?;
        let alarm_addr = alarm.local_addr()?.as_socket();

        // ANCHOR: flag
        let is_stopping = Arc::new(AtomicBool::new(false));
        let stopping = Arc::clone(&is_stopping);
        let thread = thread::Builder::new().spawn(move || {
            accept_clients(&listener, alarm_addr, &stopping, &events);
            drop(listener); // the port is free from here on
            let _ = events.send(Event::PortClosed); // fails if the server has ended
        })?;
        // ANCHOR_END: flag
        Ok(Self { thread, is_stopping, alarm, server_addr })
    }

    /// Makes the thread accept the clients that have connected so far, close the port, and end.
    pub fn stop(&self) {
        self.is_stopping.store(true, Ordering::Relaxed);
        // Fails if it is connected already, or the backlog is full. Then the thread is awake anyway.
        let _ = self.alarm.connect_timeout(&self.server_addr.into(), ACCEPT_PAUSE);
    }

    /// Waits until the thread has ended.
    pub fn join(self) {
        let _ = self.thread.join(); // a thread that has panicked has ended, too
    }
}
// ANCHOR_END: acceptor

// ANCHOR: accept-clients
/// Accepts clients until the alarm connects.
fn accept_clients(
    listener: &TcpListener,
    alarm_addr: Option<SocketAddr>,
    is_stopping: &AtomicBool,
    events: &mpsc::SyncSender<Event>,
) {
    let mut is_failing = false;
    let mut end = None; // when the server stops: the latest time
    loop {
        match listener.accept() {
            Ok((_, peer_addr)) if Some(peer_addr) == alarm_addr => return,
            Ok((stream, peer_addr)) => {
                is_failing = false;
                if events.send(Event::Joined(stream, peer_addr)).is_err() {
                    return; // the server has ended
                }
            }
            // The server is stopping, and all clients that have connected are accepted.
            Err(error) if error.kind() == ErrorKind::WouldBlock => return,
            // A client that left before it was accepted is no reason to stop.
            Err(error) if client_is_gone(&error) => {}
            // Most likely we have as many connections as the system allows. The clients that are
            // online continue to be served. The one that waits is still there, so the next try may fail at
            // once: it is logged once, and a pause leaves the processor to the others.
            Err(error) => {
                if !mem::replace(&mut is_failing, true) {
                    warn!("cannot accept clients for now: {error}");
                }
                if is_stopping.load(Ordering::Relaxed) {
                    return;
                }
                thread::sleep(ACCEPT_PAUSE); // no event reports that a descriptor is free
            }
        }
        if is_stopping.load(Ordering::Relaxed) {
            // Clients that keep connecting must not keep the port open.
            let end = *end.get_or_insert_with(|| Instant::now() + STOP_DEADLINE);
            if Instant::now() >= end || listener.set_nonblocking(true).is_err() {
                return;
            }
        }
    }
}
// ANCHOR_END: accept-clients

/// Returns the address at which this computer reaches a server that listens on `addr`: a server that
/// listens on all addresses is reached at the loopback address.
fn reachable(mut addr: SocketAddr) -> SocketAddr {
    if addr.ip().is_unspecified() {
        addr.set_ip(match addr {
            SocketAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            SocketAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    addr // with its scope, if it is a link-local one
}
