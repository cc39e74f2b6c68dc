//! A connection to one client: a thread that reads from it, a thread that writes to it, and the
//! queue between the room and the writing thread.
//!
//! ```text
//! client --> read_lines  --> events --> owner of the room
//! client <-- write_queue <-- queue <---/
//! ```

use std::fmt;
use std::io::{self, Read, Write};
use std::mem;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use socket2::{SockRef, TcpKeepalive};
use tracing::warn;

use crate::line::{BadLine, LineBuffer, MAX_LINE_LEN};
use crate::log::local_time;
use crate::server::{ClientId, Event};

/// How much one read takes, in bytes.
const READ_LEN: usize = 8192;

/// How much of a client's input is passed on at a time, in bytes. Two bytes from a client can become
/// a line of sixty. The smaller the parts are, the more clients can talk at once before a queue overflows.
const MAX_SAID_LEN: usize = 16 * 1024;

/// The most bytes that may wait for one client: 1 MiB, some 16,000 short lines. All queues share the
/// same texts, so a thousand full queues need little more memory than one. The system also has a
/// buffer for each stream, which is filled first.
const MAX_QUEUE_LEN: usize = 1024 * 1024;

/// While more bytes than this wait for a client, nothing that it says is passed on. So a client that
/// talks without end is slowed down, and not dropped because its own lines fill its queue.
const MAX_UNREAD: usize = MAX_SAID_LEN;

// ANCHOR: keepalive-constants
/// After a silence of this length, the system sends a keepalive probe.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);
/// The time between two probes.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(2);
/// After this many probes without an answer, the client is gone.
const KEEPALIVE_PROBES: u32 = 3;
/// How long sent bytes may wait for an acknowledgement. Each acknowledgement restarts this time, and
/// meanwhile no keepalive probes are sent.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(16);
// ANCHOR_END: keepalive-constants

// ANCHOR: queue
/// The owner's end of a client's queue. When this is dropped, the writing thread sends the rest and
/// ends.
pub struct Queue {
    texts: mpsc::Sender<Arc<str>>,
    level: Arc<Level>,
}

impl Queue {
    /// Adds a text. If there is no room for it, the error is the number of bytes that wait already.
    pub fn push(&self, text: Arc<str>) -> Result<(), usize> {
        self.level.rise(text.len())?;
        // Fails if the connection has broken, which the writing thread has reported.
        let _ = self.texts.send(text);
        Ok(())
    }

    /// Records that the room has passed on what the client said, so that it may speak again.
    pub fn give_turn(&self) {
        self.level.change(|state| state.is_unheard = false);
    }

    /// Returns how many bytes wait in the queue, without the text that is being written.
    pub fn len(&self) -> usize {
        self.level.lock().waiting
    }
}

/// How full a queue is. The two threads of a client and the owner of the room share it.
#[derive(Default)]
struct Level {
    state: Mutex<State>,
    has_changed: Condvar,
}

#[derive(Default)]
struct State {
    /// How many bytes wait.
    waiting: usize,
    /// The room has not yet passed on what the client said last.
    is_unheard: bool,
    /// The writing thread has ended.
    is_over: bool,
}

impl Level {
    /// Adds `len` to the bytes that wait, if there is room for them. Otherwise returns how many wait.
    fn rise(&self, len: usize) -> Result<(), usize> {
        let mut state = self.lock();
        if state.is_over {
            return Ok(()); // nothing waits any more
        }
        if state.waiting + len > MAX_QUEUE_LEN {
            return Err(state.waiting);
        }
        state.waiting += len;
        Ok(())
    }

    /// Changes the state, and wakes the reading thread if it waits for that.
    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.has_changed.notify_one();
    }

    /// Waits while `must_wait` is true of the state, but not for a client whose writing thread has ended.
    fn wait_while(&self, must_wait: impl Fn(&State) -> bool) {
        let must_wait = |state: &mut State| !state.is_over && must_wait(state);
        drop(self.has_changed.wait_while(self.lock(), must_wait)); // gives the lock back
    }

    /// Locks the state. A thread that panics while it holds the lock leaves three plain values, each
    /// of which is still valid. So the room continues.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
// ANCHOR_END: queue

// ANCHOR: start
/// A connection whose threads are running.
pub struct Connection {
    stream: Arc<TcpStream>,
    reading: JoinHandle<()>,
}

/// Starts the two threads of a client. If the system allows no more threads, or the client has left
/// already, it is turned away.
pub fn start(
    id: ClientId,
    stream: TcpStream,
    peer_addr: SocketAddr,
    events: &mpsc::SyncSender<Event>,
) -> io::Result<(Connection, Queue)> {
    let stream = Arc::new(stream);
    let give_up = |error: &io::Error| turn_away(&stream, peer_addr, error);
    set_up(&stream).inspect_err(give_up)?;
    let (texts, queued) = mpsc::channel();
    let queue = Queue { texts, level: Arc::default() };

    let (to_client, level) = (Arc::clone(&stream), Arc::clone(&queue.level));
    let reports = events.clone();
    let writing = thread::Builder::new().spawn(move || {
        let how = match write_queue(&to_client, queued, &level) {
            Ok(()) => Shutdown::Write,
            Err(error) => {
                level.change(|state| state.is_over = true);
                // The reading thread will see only the end of the stream, not the reason. Sending an event
                // fails if the server has stopped: then the report is not needed.
                let _ = reports.send(Event::Left(id, Err(error)));
                Shutdown::Both
            }
        };
        let _ = to_client.shutdown(how); // fails if the connection has ended already
        level.change(|state| state.is_over = true);
    });
    let writing = writing.inspect_err(give_up)?;

    let (from_client, level, events) =
        (Arc::clone(&stream), Arc::clone(&queue.level), events.clone());
    let reading = thread::Builder::new().spawn(move || {
        let reporter = Reporter { id, said: String::new(), level, events: events.clone() };
        let how = read_lines(&from_client, peer_addr, reporter);
        let _ = events.send(Event::Left(id, how));
        let _ = writing.join();
        let _ = events.send(Event::Ended(id));
    });
    // Sent before the queue is dropped: then the writing thread ends, and the connection with it.
    let reading = reading.inspect_err(give_up)?;
    Ok((Connection { stream, reading }, queue))
}

/// Sends a client one line with the reason why it cannot join. Dropping the handles then closes the
/// connection.
pub fn turn_away(mut stream: &TcpStream, peer_addr: SocketAddr, reason: &dyn fmt::Display) {
    warn!("{peer_addr} turned away: {reason}");
    // This does not wait: the send buffer of a new connection is empty. It fails if the client has
    // left already.
    let _ = stream.write_all(format!("error: {reason}; try again later\n").as_bytes());
}

impl Connection {
    /// Ends the connection in both directions, which wakes the threads that wait for the client. On
    /// Windows, a thread that waits in `read` continues to wait until the client closes.
    pub fn shut_down(&self) {
        let _ = self.stream.shutdown(Shutdown::Both); // fails if the connection has ended already
    }

    /// Waits for the threads of a connection that has ended.
    pub fn join(self) {
        let _ = self.reading.join(); // a thread that has panicked has ended, too
    }
}
// ANCHOR_END: start

// ANCHOR: read-lines
/// The reading thread: reports what the client says, until it leaves.
fn read_lines(
    mut stream: &TcpStream,
    peer_addr: SocketAddr,
    mut reporter: Reporter,
) -> io::Result<()> {
    let mut lines = LineBuffer::new(MAX_LINE_LEN);
    let mut buffer = [0; READ_LEN];
    loop {
        let len = match stream.read(&mut buffer) {
            Ok(0) => return Ok(()), // end of file; a piece without a newline was not a line
            Ok(len) => len,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        lines.push(&buffer[..len]);
        let prefix = format!("{} {peer_addr} ", local_time());
        while let Some(line) = lines.next_line() {
            match line {
                Ok(line) if line.trim() == "quit" => return reporter.flush(),
                Ok(line) if line.trim().is_empty() => {}
                Ok(line) => reporter.say([&prefix, line, "\n"])?,
                Err(bad) => reporter.refuse(bad)?,
            }
        }
        reporter.flush()?;
    }
}
// ANCHOR_END: read-lines

// ANCHOR: reporter
/// What one client sends, on its way to the owner of the room.
///
/// Its methods wait until it is the client's turn, and until the owner has processed what it sent.
/// Meanwhile, further bytes wait in the system's buffer, and then at the client. The methods return an
/// error if the server has stopped.
struct Reporter {
    id: ClientId,
    said: String,
    level: Arc<Level>,
    events: mpsc::SyncSender<Event>,
}

impl Reporter {
    /// Adds a line, which is reported when there are enough lines, or when `flush` is called.
    fn say(&mut self, line: [&str; 3]) -> io::Result<()> {
        self.said.extend(line);
        if self.said.len() < MAX_SAID_LEN { Ok(()) } else { self.flush() }
    }

    /// Reports the lines that have been added.
    fn flush(&mut self) -> io::Result<()> {
        match mem::take(&mut self.said) {
            said if said.is_empty() => Ok(()),
            said => self.report(Event::Said(self.id, said)),
        }
    }

    /// Reports a line that is refused.
    fn refuse(&mut self, bad: BadLine) -> io::Result<()> {
        self.flush()?;
        self.report(Event::Refused(self.id, bad))
    }

    fn report(&self, event: Event) -> io::Result<()> {
        self.level.wait_while(|state| state.waiting > MAX_UNREAD);
        self.level.change(|state| state.is_unheard = true);
        self.events.send(event).map_err(io::Error::other)?;
        self.level.wait_while(|state| state.is_unheard);
        Ok(())
    }
}
// ANCHOR_END: reporter

// ANCHOR: write-queue
/// The writing thread: sends what is queued, until the room drops the queue. A client that does not
/// read makes this thread wait, and no other.
fn write_queue(
    mut stream: &TcpStream,
    queued: mpsc::Receiver<Arc<str>>,
    level: &Level,
) -> io::Result<()> {
    for text in queued {
        level.change(|state| state.waiting -= text.len());
        stream.write_all(text.as_bytes())?;
    }
    Ok(())
}
// ANCHOR_END: write-queue

/// Makes reads and writes fail when the client has vanished without a FIN, as after a pulled cable.
fn set_up(stream: &TcpStream) -> io::Result<()> {
    stream.set_nonblocking(false)?; // on some systems, the stream inherits this from the listener
    stream.set_nodelay(true)?; // a line is a whole message: there is nothing to wait for
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE_IDLE)
        .with_interval(KEEPALIVE_INTERVAL)
        .with_retries(KEEPALIVE_PROBES);
    let socket = SockRef::from(stream);
    // An old system may not support all of these options. Then a client that vanishes stays online
    // for longer; all clients are served as usual.
    let _ = socket.set_tcp_keepalive(&keepalive);
    // Other systems give up on unacknowledged data after their own time limit, which is minutes.
    #[cfg(target_os = "linux")]
    socket.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    Ok(())
}
