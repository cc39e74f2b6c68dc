//! What Linux reports about a process in `/proc`, see `man 5 proc`.
//!
//! No other file of this crate reads `/proc`. Elsewhere there is no such folder, and every function
//! returns an error, or nothing; [`state`] alone asks `ps` there.

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::process::Command;
use std::time::Duration;

/// The fields of `/proc/PID/status`.
#[derive(Debug)]
pub struct Status(String);

impl Status {
    /// Reads the fields of this process.
    pub fn of(pid: u32) -> io::Result<Self> {
        read(pid, "status").map(Self)
    }

    /// The memory that the process has in use, its resident set, in KiB; `None` once it has ended.
    #[must_use]
    pub fn resident_kib(&self) -> Option<u64> {
        self.kib("VmRSS:")
    }

    /// The most memory that the process ever had in use, in KiB; `None` once it has ended.
    #[must_use]
    pub fn peak_kib(&self) -> Option<u64> {
        self.kib("VmHWM:")
    }

    /// The number of the process's threads.
    #[must_use]
    pub fn threads(&self) -> Option<usize> {
        self.field("Threads:")?.parse().ok()
    }

    /// Whether the process ignores this signal.
    #[must_use]
    pub fn ignores(&self, signal: i32) -> bool {
        let mask = self.field("SigIgn:").and_then(|mask| u64::from_str_radix(mask, 16).ok());
        mask.is_some_and(|mask| mask & (1 << (signal - 1)) != 0)
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.0.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
    }

    fn kib(&self, name: &str) -> Option<u64> {
        self.field(name)?.strip_suffix(" kB")?.parse().ok()
    }
}

/// The fields of `/proc/PID/stat`, or of one thread's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// The state: `R` runs or waits for a processor, `T` is stopped, `Z` has ended and is not waited
    /// for yet.
    pub state: char,
    /// The parent's process id.
    pub parent: u32,
    /// The process group's id.
    pub group: u32,
    /// The processor time used so far, in user mode and in the kernel.
    pub cpu_time: Duration,
    /// The processor time of the children that have ended and were waited for, and of theirs.
    pub children_time: Duration,
    /// When it started, in ticks since the system did.
    pub start: u64,
}

impl Stat {
    /// Reads the fields of this process; an error of the kind `InvalidData` if they are not as
    /// documented.
    pub fn of(pid: u32) -> io::Result<Self> {
        let text = read(pid, "stat")?;
        Self::parse(&text).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/stat is odd: {text}"))
        })
    }

    /// Reads the fields of each of this process's threads.
    #[must_use]
    pub fn of_threads(pid: u32) -> Vec<Self> {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
        let texts = threads.filter_map(|it| fs::read_to_string(it.path().join("stat")).ok());
        texts.filter_map(|text| Self::parse(&text)).collect()
    }

    /// The name in field 2 may hold blanks and parentheses, so counting starts after it. Fields 14
    /// to 17, and 22, are ticks of 1/100 s: `USER_HZ` is 100 on every common architecture.
    fn parse(text: &str) -> Option<Self> {
        let mut fields = text.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?.chars().next()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let mut fields = fields.skip(8);
        let mut ticks = || fields.next()?.parse::<u64>().ok();
        let mut time = || Some(Duration::from_millis((ticks()? + ticks()?) * 10));
        let (cpu_time, children_time) = (time()?, time()?);
        let start = fields.nth(4)?.parse().ok()?;
        Some(Self { state, parent, group, cpu_time, children_time, start })
    }
}

/// The first letter of a process's state, as in [`Stat`]; an error if there is no such process.
pub fn state(pid: u32) -> io::Result<char> {
    if cfg!(target_os = "linux") {
        return Stat::of(pid).map(|stat| stat.state);
    }
    let output = Command::new("ps").args(["-o", "stat=", "-p", &pid.to_string()]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().chars().next().ok_or_else(|| io::ErrorKind::NotFound.into())
}

/// How many descriptors a process has open.
pub fn descriptors(pid: u32) -> io::Result<usize> {
    let path = format!("/proc/{pid}/fd");
    Ok(fs::read_dir(&path).map_err(|error| in_file(&path, &error))?.count())
}

/// The descriptors that a process has open, from the lowest, each with what it leads to: a path, or a
/// text such as `socket:[4711]`. None can be seen of a process of another user.
#[must_use]
pub fn files(pid: u32) -> Vec<(i32, String)> {
    let entries = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let mut files: Vec<(i32, String)> = entries
        .filter_map(|entry| {
            let link = fs::read_link(entry.path()).ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, link.to_string_lossy().into_owned()))
        })
        .collect();
    files.sort();
    files
}

/// The number (inode) of the socket to which a descriptor leads, as [`files`] describes it.
#[must_use]
pub fn inode(file: &str) -> Option<u64> {
    file.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The numbers (inodes) of the sockets that a process has open. None can be seen of a process of another
/// user.
pub fn sockets(pid: u32) -> impl Iterator<Item = u64> {
    files(pid).into_iter().filter_map(|(_, file)| inode(&file))
}

/// A system call in which a thread waits: `/proc/PID/task/TID/syscall`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemCall {
    /// Its number, which is not the same on every architecture.
    pub number: i64,
    /// Its first argument, which is a descriptor in many calls.
    pub first: u64,
}

impl SystemCall {
    /// The calls in which the threads of this process wait; `None` for a thread that runs.
    ///
    /// # Errors
    ///
    /// Of the kind `PermissionDenied` if this process may not look into that one; of another if there are
    /// no threads: it has ended.
    pub fn of_threads(pid: u32) -> io::Result<Vec<Option<Self>>> {
        let path = format!("/proc/{pid}/task");
        let entries = fs::read_dir(&path).map_err(|error| in_file(&path, &error))?;
        let mut calls = Vec::new();
        for entry in entries.flatten() {
            match fs::read_to_string(entry.path().join("syscall")) {
                Ok(text) => calls.push(Self::parse(&text)),
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                    return Err(in_file(&path, &error));
                }
                Err(_) => {} // this thread has ended
            }
        }
        if calls.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(calls) }
    }

    /// `running`, or the number and six arguments; -1 for a thread that waits in no call, for memory.
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let number = words.next()?.parse().ok().filter(|number| *number >= 0)?;
        let first = words.next()?.strip_prefix("0x")?;
        Some(Self { number, first: u64::from_str_radix(first, 16).ok()? })
    }
}

/// The ids of all processes.
pub fn all() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Whether a process was started with this variable, `NAME=VALUE`, in its environment.
///
/// The answer is no for a process that has ended, and for one of another user.
#[must_use]
pub fn has_variable(pid: u32, variable: &str) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|it| it == variable.as_bytes())
}

/// A TCP socket with an address at each end: one row of `/proc/PID/net/tcp` or `tcp6`. Or one for
/// datagrams, which may have no other end: a row of `udp` or `udp6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The address at this end.
    pub local: SocketAddr,
    /// The address at the other end; its port is 0 for a socket that listens.
    pub remote: SocketAddr,
    /// The state, column `st`.
    pub state: u8,
    /// How many bytes were written and are not acknowledged yet, with the FIN if one was sent.
    pub unacknowledged: usize,
    /// How many bytes have arrived and were not read yet, with the FIN if one has arrived. For a socket
    /// that listens, how many connections it has not accepted yet.
    pub unread: usize,
    /// Which timer runs, column `tr`: see `man 5 proc`.
    pub timer: u8,
    /// The socket's number (inode), as in [`sockets`]; 0 if no process has it.
    pub inode: u64,
}

impl Connection {
    /// The state of a connection that is open.
    pub const ESTABLISHED: u8 = 1;
    /// This end has sent a FIN, which is not acknowledged yet.
    pub const FIN_WAIT1: u8 = 4;
    /// This end has sent a FIN.
    pub const FIN_WAIT2: u8 = 5;
    /// Both ends have sent one, and no process has the socket any more.
    pub const TIME_WAIT: u8 = 6;
    /// The other end has sent a FIN.
    pub const CLOSE_WAIT: u8 = 8;
    /// Both ends have, and this end's is not acknowledged yet.
    pub const LAST_ACK: u8 = 9;
    /// A socket that listens.
    pub const LISTEN: u8 = 10;
    /// Both ends have sent a FIN at the same time.
    pub const CLOSING: u8 = 11;

    /// Reads the TCP sockets of the network in which this process is, those of other processes too.
    pub fn all(pid: u32) -> io::Result<Vec<Self>> {
        Self::table(pid, "tcp")
    }

    /// Reads the sockets for datagrams in the same way.
    pub fn datagrams(pid: u32) -> io::Result<Vec<Self>> {
        Self::table(pid, "udp")
    }

    fn table(pid: u32, protocol: &str) -> io::Result<Vec<Self>> {
        let mut table = read(pid, &format!("net/{protocol}"))?;
        // There may be no IPv6.
        table.push_str(&read(pid, &format!("net/{protocol}6")).unwrap_or_default());
        Ok(table.lines().filter_map(Self::parse).collect())
    }

    /// Whether the socket listens.
    #[must_use]
    pub fn listens(&self) -> bool {
        self.state == Self::LISTEN
    }

    /// Parses a row; `None` for the headings.
    fn parse(row: &str) -> Option<Self> {
        let columns: Vec<&str> = row.split_whitespace().collect();
        let [_, local, remote, state, queues, timer, _, _, _, inode, ..] = columns[..] else {
            return None;
        };
        let (unacknowledged, unread) = queues.split_once(':')?;
        Some(Self {
            local: Self::addr(local)?,
            remote: Self::addr(remote)?,
            state: u8::from_str_radix(state, 16).ok()?,
            unacknowledged: usize::from_str_radix(unacknowledged, 16).ok()?,
            unread: usize::from_str_radix(unread, 16).ok()?,
            timer: u8::from_str_radix(timer.split_once(':')?.0, 16).ok()?,
            inode: inode.parse().ok()?,
        })
    }

    /// The address is written as words of 32 bits, each in the order in which it lies in memory. An IPv4-mapped
    /// one, which a program in Java has for instance, is returned as the IPv4 address.
    fn addr(text: &str) -> Option<SocketAddr> {
        let (words, port) = text.split_once(':')?;
        let words = (0..words.len()).step_by(8).map(|start| words.get(start..start + 8));
        let words = words.map(|word| Some(u32::from_str_radix(word?, 16).ok()?.to_ne_bytes()));
        let bytes = words.collect::<Option<Vec<_>>>()?.concat();
        let ip = match <[u8; 4]>::try_from(&bytes[..]) {
            Ok(bytes) => IpAddr::from(bytes),
            Err(_) => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        };
        Some(SocketAddr::new(ip.to_canonical(), u16::from_str_radix(port, 16).ok()?))
    }
}

fn read(pid: u32, file: &str) -> io::Result<String> {
    let path = format!("/proc/{pid}/{file}");
    fs::read_to_string(&path).map_err(|error| in_file(&path, &error))
}

fn in_file(path: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_has_memory_threads_and_ignored_signals() {
        let status = Status(
            "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\nThreads:\t3\n\
             SigIgn:\t0000000000000003\n"
                .to_owned(),
        );
        assert_eq!(status.resident_kib(), Some(1024));
        assert_eq!(status.peak_kib(), Some(2048));
        assert_eq!(status.threads(), Some(3));
        assert!(status.ignores(1) && status.ignores(2) && !status.ignores(15));
        let ended = Status("Name:\tx\nThreads:\t1\n".to_owned());
        assert_eq!((ended.resident_kib(), ended.ignores(1)), (None, false));
    }

    #[test]
    fn stat_is_read_after_the_name_whatever_is_in_it() {
        let stat = "42 (a (strange) name) R 1 2 3 4 5 6 7 8 9 10 150 49 3 4 20 0 1 0 4711 8";
        let expected = Stat {
            state: 'R',
            parent: 1,
            group: 2,
            cpu_time: Duration::from_millis(1990),
            children_time: Duration::from_millis(70),
            start: 4711,
        };
        assert_eq!(Stat::parse(stat), Some(expected));
        assert_eq!(Stat::parse("42 (x) R 1"), None);
        assert_eq!(Stat::parse(""), None);
    }

    #[test]
    fn a_row_of_sockets_has_two_ports_a_queue_and_a_timer() {
        let row = "   1: 0100007F:2328 0100007F:C350 01 00000003:0000000A 02:000A7D8C 00000000  0 \
                   0 4711 2 0000000000000000 20 4 0 10 -1";
        let expected = Connection {
            local: SocketAddr::from(([127, 0, 0, 1], 9000)),
            remote: SocketAddr::from(([127, 0, 0, 1], 50000)),
            state: Connection::ESTABLISHED,
            unacknowledged: 3,
            unread: 10,
            timer: 2,
            inode: 4711,
        };
        if cfg!(target_endian = "little") {
            assert_eq!(Connection::parse(row), Some(expected));
            let row = row.replace("0100007F:2328", "00000000000000000000000001000000:2328");
            let local = SocketAddr::from((std::net::Ipv6Addr::LOCALHOST, 9000));
            let six = Connection { local, state: Connection::LISTEN, ..expected };
            assert_eq!(Connection::parse(&row.replace(" 01 ", " 0A ")), Some(six));
            assert!(six.listens());
            let row =
                row.replace("00000000000000000000000001000000", "0000000000000000FFFF00000100007F");
            assert_eq!(Connection::parse(&row), Some(expected));
        }
        let headings =
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt";
        assert_eq!(Connection::parse(headings), None);
    }

    #[test]
    fn a_call_has_a_number_and_its_first_argument() {
        let call = SystemCall::parse("45 0x3 0x7ffd 0x400 0x0 0x0 0x0 0x7ffd 0x7f1c\n");
        assert_eq!(call, Some(SystemCall { number: 45, first: 3 }));
        assert_eq!(SystemCall::parse("running\n"), None);
        assert_eq!(SystemCall::parse("-1 0x7ffd 0x7f1c\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_found_and_one_that_is_not_there_is_not() {
        let id = std::process::id();
        assert!(all().any(|pid| pid == id));
        assert!(descriptors(id).unwrap() >= 3);
        assert!(Status::of(id).unwrap().threads().unwrap() >= 1);
        assert!(!Stat::of_threads(id).is_empty());
        assert!(Stat::of(id).unwrap().parent > 0);
        let (name, value) = std::env::vars().next().expect("a test has an environment");
        assert!(has_variable(id, &format!("{name}={value}")));
        assert!(!has_variable(id, &format!("{name}={value}+")));
        let error = Status::of(u32::MAX).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
        assert!(error.to_string().starts_with("/proc/4294967295/status: "), "{error}");
        assert!(state(u32::MAX).is_err());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let (own, addr) = (Connection::all(id).unwrap(), listener.local_addr().unwrap());
        let own = own.iter().find(|it| it.listens() && it.local == addr).unwrap();
        assert!(sockets(id).any(|inode| inode == own.inode));
        assert!(!SystemCall::of_threads(id).unwrap().is_empty());
    }
}
