//! Looks at what the kernel holds for the programs of a session: Linux reports it.
//!
//! Nothing here changes a program: the bytes that are unread stay so.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::net::SocketAddr;

use super::stable::Stable;
use super::trace::{
    Buffer, Call, Ends, MAX_BYTES, MAX_LEN, On, Program, Queued, STRANGER, Socket, Wait,
};
use crate::process_info::{self, Connection, SystemCall};

/// The numbers of the system calls in which programs wait. Those that are in no list are recorded in no
/// trace.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
const CALLS: &[(Call, &[i64])] = &[
    (Call::Accept, &[43, 288]),              // accept, accept4
    (Call::Connect, &[42]),                  // connect
    (Call::Read, &[0, 17, 19, 45, 47]),      // read, pread64, readv, recvfrom, recvmsg
    (Call::Write, &[1, 18, 20, 44, 46, 40]), // write, pwrite64, writev, sendto, sendmsg, sendfile
    (Call::Poll, &[7, 23, 270, 271]),        // poll, select, pselect6, ppoll
    (Call::EpollWait, &[232, 281, 441]),     // epoll_wait, epoll_pwait, epoll_pwait2
    (Call::Thread, &[202]),                  // futex
    (Call::Child, &[61, 247]),               // wait4, waitid
    (Call::Sleep, &[35, 230]),               // nanosleep, clock_nanosleep
];
#[cfg(all(target_os = "linux", target_arch = "aarch64"))]
const CALLS: &[(Call, &[i64])] = &[
    (Call::Accept, &[202, 242]),
    (Call::Connect, &[203]),
    (Call::Read, &[63, 67, 65, 207, 212]),
    (Call::Write, &[64, 68, 66, 206, 211, 71]),
    (Call::Poll, &[72, 73]),
    (Call::EpollWait, &[22, 441]),
    (Call::Thread, &[98]),
    (Call::Child, &[260, 95]),
    (Call::Sleep, &[101, 115]),
];
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
const CALLS: &[(Call, &[i64])] = &[];

/// Why nothing can be seen here, if that is so.
pub(super) fn obstacle() -> Option<String> {
    if cfg!(not(target_os = "linux")) {
        return Some("only Linux reports what the kernel holds".to_owned());
    }
    if CALLS.is_empty() {
        return Some("the system calls of this processor are not known here".to_owned());
    }
    // Its output is a socket, in which nothing has arrived.
    let child = crate::Program::start_judge(std::process::Command::new("cat")).ok()?;
    let looked = SystemCall::of_threads(child.id()).and_then(|_| peek(child.id(), 1));
    let error = looked.err().filter(|error| error.kind() != io::ErrorKind::WouldBlock)?;
    Some(format!("this system forbids a look into another process: {error}"))
}

/// A program that is looked at.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) terminal: &'a str,
    /// None once it has ended.
    pub(super) pid: Option<u32>,
    /// Whether it writes without end. It runs, also in moments in which it waits for us to read.
    pub(super) floods: bool,
}

/// The addresses of a connection: this end's, and the other's.
type Pair = (SocketAddr, SocketAddr);

/// What is known about the connections of a session, of which a part may have ended.
#[derive(Default)]
pub(super) struct Looks {
    /// How many there were.
    count: usize,
    /// The ends of connections, by their addresses.
    ends: HashMap<Pair, End>,
    /// The terminals whose programs listen, or have listened, at these ports.
    listeners: HashMap<u16, String>,
    /// The sockets that are, or were, connections, by their inodes.
    connections: HashMap<u64, Pair>,
}

/// One end of a connection.
struct End {
    /// The terminal whose program has it, or had it.
    terminal: String,
    /// The look in which it was first seen.
    since: usize,
}

/// The sockets of the network, at one moment.
struct Tables<'a> {
    tcp: Vec<Connection>,
    udp: Vec<Connection>,
    /// The terminal of the latest action.
    acting: &'a str,
    /// Replaces what changes from run to run in bytes.
    stable: &'a Stable,
}

/// The descriptors of a program.
type Files = Vec<(i32, String)>;

impl Looks {
    /// What the kernel holds for these programs. `acting` is the terminal of the latest action.
    ///
    /// An error is what makes this look of no use; the next one may be better.
    pub(super) fn look(
        &mut self,
        subjects: &[Subject],
        acting: &str,
        stable: &Stable,
    ) -> Result<Vec<Program>, String> {
        let Some(pid) = subjects.iter().find_map(|subject| subject.pid) else {
            return Ok(subjects.iter().map(ended).collect());
        };
        let tables = Tables {
            tcp: Connection::all(pid).map_err(text)?,
            udp: Connection::datagrams(pid).map_err(text)?,
            acting,
            stable,
        };
        let files = |subject: &Subject| subject.pid.map(process_info::files).unwrap_or_default();
        let files: Vec<Files> = subjects.iter().map(files).collect();
        self.learn(&tables, subjects, &files);
        let programs = subjects.iter().zip(&files);
        programs.map(|(subject, files)| self.program(*subject, files, &tables)).collect()
    }

    /// Keeps what was concluded in a look that counts: a connection whose other end was never seen is
    /// one with the program that has acted.
    pub(super) fn keep(&mut self, acting: &str) {
        for pair in self.connections.values() {
            let peer = self.peer(&self.ends[pair].terminal, *pair, acting);
            if peer != STRANGER {
                let end = End { terminal: peer.to_owned(), since: self.count };
                self.ends.entry((pair.1, pair.0)).or_insert(end);
            }
        }
    }

    /// Learns whose the sockets in the tables are. An end that was not accepted yet is the listener's.
    fn learn(&mut self, tables: &Tables<'_>, subjects: &[Subject], files: &[Files]) {
        self.count += 1;
        let owners: HashMap<u64, &str> = subjects
            .iter()
            .zip(files)
            .flat_map(|(subject, files)| sockets(files).map(|(_, inode)| (inode, subject.terminal)))
            .collect();
        for row in tables.tcp.iter().filter(|row| row.listens()) {
            if let Some(terminal) = owners.get(&row.inode) {
                self.listeners.insert(row.local.port(), (*terminal).to_owned());
            }
        }
        for row in tables.tcp.iter().filter(|row| !row.listens()) {
            let terminal = if is_queued(row) {
                self.listeners.get(&row.local.port()).cloned()
            } else {
                owners.get(&row.inode).map(|terminal| (*terminal).to_owned())
            };
            let Some(terminal) = terminal else { continue };
            let pair = (row.local, row.remote);
            if row.inode != 0 {
                self.connections.insert(row.inode, pair);
            }
            let since = self.ends.get(&pair).map_or(self.count, |end| end.since);
            self.ends.insert(pair, End { terminal, since });
        }
    }

    /// The terminal at the other end of a connection that `terminal` has.
    fn peer<'a>(&'a self, terminal: &str, pair: Pair, acting: &'a str) -> &'a str {
        let seen = self.ends.get(&(pair.1, pair.0)).map(|end| end.terminal.as_str());
        let seen = seen.or_else(|| self.listeners.get(&pair.1.port()).map(String::as_str));
        seen.unwrap_or(if acting == terminal { STRANGER } else { acting })
    }

    fn program(
        &self,
        subject: Subject,
        files: &Files,
        tables: &Tables<'_>,
    ) -> Result<Program, String> {
        let Some(pid) = subject.pid else { return Ok(ended(&subject)) };
        let mut program = ended(&subject);
        let mut peers: HashMap<u64, On> = HashMap::new();
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for (fd, inode) in sockets(files) {
            if peers.contains_key(&inode) {
                continue; // another descriptor of the same socket
            }
            let of = |rows: &[Connection]| rows.iter().find(|row| row.inode == inode).copied();
            let row = of(&tables.tcp);
            if let Some(row) = row.filter(Connection::listens) {
                let queue = self.queue(subject.terminal, row, tables);
                program.sockets.push(Socket::Listener { addr: addr(row.local), queue });
            } else if let Some(pair) = self.connections.get(&inode) {
                let name = self.peer(subject.terminal, *pair, tables.acting);
                let count = counts.entry(name).or_default();
                *count += 1;
                let peer = if *count == 1 { name.to_owned() } else { format!("{name} {count}") };
                peers.insert(inode, On::Peer(peer.clone()));
                program.sockets.push(match row {
                    Some(row) => connection(peer, pid, fd, &row, tables.stable)?,
                    None => closed(peer, *pair, tables),
                });
            } else if let Some(row) = of(&tables.udp) {
                peers.insert(inode, On::Datagrams);
                let addr = (row.local.port() < FIRST_EPHEMERAL).then(|| addr(row.local));
                let bytes =
                    if row.unread == 0 { Vec::new() } else { peek(pid, fd).map_err(text)? };
                let receive = buffer(bytes.len(), &bytes, false);
                program.sockets.push(Socket::Datagrams { addr, receive });
            }
        }
        program.waits = waits(pid, subject.floods, files, &peers)?;
        Ok(program)
    }

    /// The connections that a listener has not accepted, in the order in which they were seen.
    fn queue(&self, terminal: &str, listener: Connection, tables: &Tables<'_>) -> Vec<Queued> {
        let is_in_it = |row: &&Connection| {
            let ip = listener.local.ip();
            is_queued(row)
                && row.local.port() == listener.local.port()
                && (ip.is_unspecified() || ip == row.local.ip())
        };
        let rows = tables.tcp.iter().filter(is_in_it);
        let mut queue: Vec<_> = rows
            .map(|row| {
                let pair = (row.local, row.remote);
                let peer = self.peer(terminal, pair, tables.acting).to_owned();
                let fin = row.state == Connection::CLOSE_WAIT;
                let receive = buffer(row.unread - usize::from(fin && row.unread > 0), &[], fin);
                (self.ends.get(&pair).map(|end| end.since), Queued { peer, receive })
            })
            .collect();
        queue.sort_by(|(since, a), (other, b)| {
            (since, &a.peer, a.receive.len).cmp(&(other, &b.peer, b.receive.len))
        });
        queue.into_iter().map(|(_, queued)| queued).collect()
    }
}

/// The ports below are the programs' own; the system chooses those from here on.
const FIRST_EPHEMERAL: u16 = 10_000;

/// The address of a socket, with `*` for a port that changes from run to run.
fn addr(addr: SocketAddr) -> String {
    if addr.port() < FIRST_EPHEMERAL {
        return addr.to_string();
    }
    let text = addr.to_string();
    format!("{}*", text.trim_end_matches(|c: char| c.is_ascii_digit()))
}

/// Whether a connection waits to be accepted: no program has it. One that a program has closed is in
/// another state.
fn is_queued(row: &Connection) -> bool {
    row.inode == 0 && matches!(row.state, Connection::ESTABLISHED | Connection::CLOSE_WAIT)
}

/// A program without threads and sockets.
fn ended(subject: &Subject) -> Program {
    Program { terminal: subject.terminal.to_owned(), waits: Vec::new(), sockets: Vec::new() }
}

/// The descriptors that lead to sockets, with the sockets' inodes.
fn sockets(files: &Files) -> impl Iterator<Item = (i32, u64)> {
    files.iter().filter_map(|(fd, file)| Some((*fd, process_info::inode(file)?)))
}

/// A connection that is in the tables.
fn connection(
    peer: String,
    pid: u32,
    fd: i32,
    row: &Connection,
    stable: &Stable,
) -> Result<Socket, String> {
    let (state, sent_fin) = match row.state {
        Connection::ESTABLISHED => (Ends::Open, false),
        Connection::CLOSE_WAIT => (Ends::Peer, false),
        Connection::FIN_WAIT1 => (Ends::Own, true),
        Connection::FIN_WAIT2 => (Ends::Own, false),
        Connection::CLOSING | Connection::LAST_ACK => (Ends::Both, true),
        _ => return Err(format!("the connection with {peer} is being made")),
    };
    let has_ended = matches!(state, Ends::Peer | Ends::Both);
    let bytes =
        if row.unread == 0 { Vec::new() } else { stable.in_bytes(&peek(pid, fd).map_err(text)?) };
    let receive = match row.unread.checked_sub(bytes.len()) {
        _ if bytes.len() > MAX_LEN => buffer(bytes.len(), &bytes, has_ended),
        Some(0) => buffer(bytes.len(), &bytes, false),
        // Whether a FIN was read with the last byte depends on whether both came in one segment.
        Some(1) if has_ended => buffer(bytes.len(), &bytes, !bytes.is_empty()),
        _ => return Err(format!("bytes from {peer} arrive, or are read")),
    };
    let fin = sent_fin && row.unacknowledged > 0;
    let send = buffer(row.unacknowledged - usize::from(fin), &[], fin);
    Ok(Socket::Connection { peer, state, receive, send })
}

/// A connection that is in the tables no more: what is left after both ends have closed it, at one of
/// them, is not left after a reset.
fn closed(peer: String, pair: Pair, tables: &Tables<'_>) -> Socket {
    let is_left = |row: &Connection| {
        let ends = (row.local, row.remote);
        row.state == Connection::TIME_WAIT && (ends == pair || ends == (pair.1, pair.0))
    };
    let state = if tables.tcp.iter().any(is_left) { Ends::Both } else { Ends::Reset };
    Socket::Connection { peer, state, receive: Buffer::EMPTY, send: Buffer::EMPTY }
}

fn text(error: io::Error) -> String {
    error.to_string()
}

fn buffer(len: usize, bytes: &[u8], fin: bool) -> Buffer {
    if len > MAX_LEN {
        return Buffer { len: None, bytes: Vec::new(), fin };
    }
    Buffer { len: Some(len), bytes: bytes[..bytes.len().min(MAX_BYTES)].to_vec(), fin }
}

/// What the threads of a program do. Equal waits are counted.
fn waits(
    pid: u32,
    floods: bool,
    files: &Files,
    peers: &HashMap<u64, On>,
) -> Result<Vec<Wait>, String> {
    let mut counts: BTreeMap<(Call, Option<On>), usize> = BTreeMap::new();
    for call in SystemCall::of_threads(pid).map_err(text)? {
        let mut wait = match call {
            None => (Call::Runs, None),
            Some(call) => wait(call, files, peers)?,
        };
        if floods && wait == (Call::Write, Some(On::Output)) {
            wait = (Call::Runs, None);
        }
        *counts.entry(wait).or_default() += 1;
    }
    Ok(counts.into_iter().map(|((call, on), threads)| Wait { call, on, threads }).collect())
}

fn wait(
    call: SystemCall,
    files: &Files,
    peers: &HashMap<u64, On>,
) -> Result<(Call, Option<On>), String> {
    let known = CALLS.iter().find(|(_, numbers)| numbers.contains(&call.number));
    let (kind, _) = known.ok_or_else(|| {
        format!("a thread waits in the system call {}, which no trace can name", call.number)
    })?;
    if !matches!(kind, Call::Read | Call::Write | Call::Connect) {
        return Ok((*kind, None));
    }
    let file = files.iter().find(|(fd, _)| u64::try_from(*fd) == Ok(call.first));
    let on = file.and_then(|(fd, file)| match fd {
        0 => Some(On::Keyboard),
        1 | 2 => Some(On::Output),
        _ if file.starts_with("pipe:") => Some(On::Pipe),
        _ => peers.get(&process_info::inode(file)?).cloned(),
    });
    Ok((*kind, on))
}

/// The bytes that are unread in a socket of another process, up to one more than are counted.
#[cfg(target_os = "linux")]
fn peek(pid: u32, fd: i32) -> io::Result<Vec<u8>> {
    use rustix::net::{RecvFlags, recv};
    use rustix::process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};

    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
    let process = pidfd_open(pid, PidfdFlags::empty())?;
    let socket = pidfd_getfd(process, fd, PidfdGetfdFlags::empty())?;
    let mut bytes = vec![0; MAX_LEN + 1];
    let (_, len) = recv(socket, &mut bytes[..], RecvFlags::PEEK | RecvFlags::DONTWAIT)?;
    bytes.truncate(len);
    Ok(bytes)
}

/// Other systems give no descriptors of another process.
#[cfg(not(target_os = "linux"))]
fn peek(_: u32, _: i32) -> io::Result<Vec<u8>> {
    Err(io::ErrorKind::Unsupported.into())
}
