//! What Linux reports about a process in `/proc`, see `man 5 proc`.
//!
//! No other file of this crate reads `/proc`. Elsewhere there is no such folder, and every function
//! returns an error, or nothing; [`state`] alone asks `ps` there.

use std::fs;
use std::io;
use std::net::IpAddr;
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

/// The numbers (inodes) of the sockets that a process has open. None can be seen of a process of another
/// user.
pub fn sockets(pid: u32) -> impl Iterator<Item = u64> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let links = descriptors.filter_map(|entry| fs::read_link(entry.path()).ok());
    links
        .filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok())
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

/// The state of a socket that listens, in `/proc/net/tcp`, column `st`.
const LISTENS: &str = "0A";

/// A TCP socket with an address at each end: one row of `/proc/PID/net/tcp` or `tcp6`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connection {
    /// The address at this end.
    pub local_ip: IpAddr,
    /// The port at this end.
    pub local_port: u16,
    /// The port at the other end; 0 for a socket that listens.
    pub remote_port: u16,
    /// How many bytes have arrived and were not read yet.
    pub unread: u32,
    /// Which timer runs, column `tr`: see `man 5 proc`.
    pub timer: u8,
    /// Whether the socket listens.
    pub listens: bool,
    /// The socket's number (inode), as in [`sockets`].
    pub inode: u64,
}

impl Connection {
    /// Reads the sockets of the network in which this process is, those of other processes too.
    pub fn all(pid: u32) -> io::Result<Vec<Self>> {
        let mut table = read(pid, "net/tcp")?;
        table.push_str(&read(pid, "net/tcp6").unwrap_or_default()); // there may be no IPv6
        Ok(table.lines().filter_map(Self::parse).collect())
    }

    /// Parses a row; `None` for the headings.
    fn parse(row: &str) -> Option<Self> {
        let columns: Vec<&str> = row.split_whitespace().collect();
        let [_, local, remote, state, queues, timer, _, _, _, inode, ..] = columns[..] else {
            return None;
        };
        let (local_ip, local_port) = Self::addr(local)?;
        Some(Self {
            local_ip,
            local_port,
            remote_port: Self::addr(remote)?.1,
            unread: u32::from_str_radix(queues.split_once(':')?.1, 16).ok()?,
            timer: u8::from_str_radix(timer.split_once(':')?.0, 16).ok()?,
            listens: state == LISTENS,
            inode: inode.parse().ok()?,
        })
    }

    /// The address is written as words of 32 bits, each in the order in which it lies in memory. An IPv4-mapped
    /// one, which a program in Java has for instance, is returned as the IPv4 address.
    fn addr(text: &str) -> Option<(IpAddr, u16)> {
        let (words, port) = text.split_once(':')?;
        let words = (0..words.len()).step_by(8).map(|start| words.get(start..start + 8));
        let words = words.map(|word| Some(u32::from_str_radix(word?, 16).ok()?.to_ne_bytes()));
        let bytes = words.collect::<Option<Vec<_>>>()?.concat();
        let ip = match <[u8; 4]>::try_from(&bytes[..]) {
            Ok(bytes) => IpAddr::from(bytes),
            Err(_) => IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
        };
        Some((ip.to_canonical(), u16::from_str_radix(port, 16).ok()?))
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
        let row = "   1: 0100007F:2328 0100007F:C350 01 00000000:0000000A 02:000A7D8C 00000000  0 \
                   0 4711 2 0000000000000000 20 4 0 10 -1";
        let expected = Connection {
            local_ip: IpAddr::from([127, 0, 0, 1]),
            local_port: 9000,
            remote_port: 50000,
            unread: 10,
            timer: 2,
            listens: false,
            inode: 4711,
        };
        if cfg!(target_endian = "little") {
            assert_eq!(Connection::parse(row), Some(expected));
            let row = row.replace("0100007F:2328", "00000000000000000000000001000000:2328");
            let six = Connection { local_ip: "::1".parse().unwrap(), listens: true, ..expected };
            assert_eq!(Connection::parse(&row.replace(" 01 ", " 0A ")), Some(six));
            let row =
                row.replace("00000000000000000000000001000000", "0000000000000000FFFF00000100007F");
            assert_eq!(Connection::parse(&row), Some(expected));
        }
        let headings =
            "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt";
        assert_eq!(Connection::parse(headings), None);
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
        let (own, port) = (Connection::all(id).unwrap(), listener.local_addr().unwrap().port());
        let own = own.iter().find(|it| it.listens && it.local_port == port).unwrap();
        assert!(sockets(id).any(|inode| inode == own.inode));
    }
}
