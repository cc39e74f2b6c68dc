//! The command line of a program that is not ours, and the address on which its server listens.

use std::cell::RefCell;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::Range;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::{Failure, printable};

/// The placeholders for the address, `HOST:PORT`. Every shell leaves the first one alone; PowerShell interprets
/// the braces of the second one.
const ADDR: &[&str] = &["ADDR", "{addr}"];

/// The placeholders for the port alone.
const PORT: &[&str] = &["PORT", "{port}"];

/// The range of ports to try: below those that systems give to clients, so that no client
/// takes one between two starts.
const PORTS: Range<u16> = 20_000..32_000;

/// The size of a block of ports, whose first port marks the block as claimed.
const BLOCK_LEN: u16 = 100;

/// How long the port of a program may stay taken after the program has ended.
const PORT_FREE: Duration = Duration::from_secs(2);

/// The wait between two looks at a port. There is no event for "this port is free".
const LOOK: Duration = Duration::from_millis(10);

/// A program and its arguments, with placeholders for the address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandLine(Vec<String>);

impl CommandLine {
    /// The command line with these words, the program's name first; none if there are no words.
    #[must_use]
    pub fn new(words: Vec<String>) -> Option<Self> {
        (!words.is_empty()).then_some(Self(words))
    }

    /// Whether there is a placeholder for any address: `ADDR` or `PORT`.
    #[must_use]
    pub fn takes_any_addr(&self) -> bool {
        let is_place = |word: &String| put(word, ADDR, "") != *word || put(word, PORT, "") != *word;
        self.0.iter().any(is_place)
    }

    /// The address in the command line, if an argument looks like one.
    #[must_use]
    pub fn addr(&self) -> Option<SocketAddr> {
        self.0[1..].iter().find_map(|word| addr(word))
    }

    /// The command with this address in its placeholders.
    #[must_use]
    pub fn command(&self, addr: SocketAddr) -> Command {
        let (whole, port) = (addr.to_string(), addr.port().to_string());
        let filled = |word: &String| put(&put(word, ADDR, &whole), PORT, &port);
        let mut command = Command::new(filled(&self.0[0]));
        command.args(self.0[1..].iter().map(filled));
        command
    }

    /// The command of a client: without a placeholder, the address is the last argument.
    #[must_use]
    pub fn client(&self, addr: SocketAddr) -> Command {
        let mut command = self.command(addr);
        if !self.takes_any_addr() {
            command.arg(addr.to_string());
        }
        command
    }
}

impl std::fmt::Display for CommandLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&printable(&self.0.join(" ")))
    }
}

/// A word with a value in place of these names, unless they are part of a longer one: `ADDRESS` stays.
fn put(word: &str, names: &[&str], value: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut filled = word.to_owned();
    for name in names {
        let mut from = 0;
        while let Some(at) = filled[from..].find(name).map(|at| from + at) {
            let end = at + name.len();
            let is_longer = name.starts_with(is_part)
                && (filled[..at].ends_with(is_part) || filled[end..].starts_with(is_part));
            if is_longer {
                from = end;
            } else {
                filled.replace_range(at..end, value);
                from = at + value.len();
            }
        }
    }
    filled
}

/// The address in a word, if it looks like one, as clients on this computer reach it.
#[must_use]
pub fn addr(word: &str) -> Option<SocketAddr> {
    let word = word.replacen("localhost:", "127.0.0.1:", 1);
    let mut addr: SocketAddr = word.parse().ok()?;
    if addr.ip() == Ipv4Addr::UNSPECIFIED {
        addr.set_ip(Ipv4Addr::LOCALHOST.into());
    } else if addr.ip() == Ipv6Addr::UNSPECIFIED {
        addr.set_ip(Ipv6Addr::LOCALHOST.into());
    }
    Some(addr)
}

/// Why a server that closed its connections first may not be able to listen again.
pub(super) fn remembered() -> String {
    text!("command-line.remembered")
}

/// Whether a program listens on this address.
pub fn is_taken(addr: SocketAddr) -> io::Result<bool> {
    // On Unix, the standard library sets SO_REUSEADDR, so the ends of old connections do not
    // matter if the previous program has also set it.
    match TcpListener::bind(addr) {
        Ok(_) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            // No program of ours runs now: this connection is not one too many for it.
            let refused = |error: io::Error| error.kind() == io::ErrorKind::ConnectionRefused;
            Ok(!TcpStream::connect_timeout(&addr, PORT_FREE).is_err_and(refused))
        }
        Err(error) => Err(error),
    }
}

/// Waits until no program listens on this address: a program that was ended may need a moment.
///
/// An error if a program still listens, or if the next program could not.
pub fn wait_until_free(addr: SocketAddr) -> Result<(), Failure> {
    let until = Instant::now() + PORT_FREE;
    loop {
        match is_taken(addr) {
            Ok(false) if is_remembered(addr) && TcpListener::bind(addr).is_err() => {
                let remembered = remembered();
                let reason = text!("command-line.cannot-listen", addr, remembered);
                return Err(Failure::not_asked(reason));
            }
            Ok(false) => return Ok(()),
            // No event reports that a port is free.
            Ok(true) if Instant::now() < until => thread::sleep(LOOK),
            Ok(true) => {
                let time = format!("{PORT_FREE:?}");
                return Err(Failure::new(text!("command-line.still-taken", addr, time)));
            }
            Err(error) => return Err(Failure::new(format!("{addr}: {error}"))),
        }
    }
}

/// Whether only the ends of old connections (`TIME_WAIT`) keep a program that does not set `SO_REUSEADDR`
/// from listening on this address.
#[must_use]
pub(super) fn is_remembered(addr: SocketAddr) -> bool {
    let in_use = |error: io::Error| error.kind() == io::ErrorKind::AddrInUse;
    cfg!(unix) && bind_as_it_is(addr).is_err_and(in_use) && matches!(is_taken(addr), Ok(false))
}

/// Whether a program that does not set `SO_REUSEADDR` can listen on this address.
fn bind_as_it_is(addr: SocketAddr) -> io::Result<()> {
    use socket2::{Domain, Socket, Type};

    Socket::new(Domain::for_address(addr), Type::STREAM, None)?.bind(&addr.into())
}

/// Ports for one program after another, each given out once.
///
/// A port cannot be handed over: it must be free before a program listens on it, and in between
/// another program could take it. So this type claims a whole block of ports: it listens on the first one
/// and never accepts. Two processes cannot do that at the same time, whichever users run them,
/// and the system ends the claim when the process ends, for whatever reason.
#[derive(Debug)]
pub struct FreePorts {
    /// The remaining ports, the next one first.
    ports: RefCell<std::iter::Cycle<Range<u16>>>,
    /// The listener that claims the block.
    _claim: TcpListener,
}

impl FreePorts {
    /// Claims a block of ports.
    ///
    /// An error if other processes have claimed all of them.
    pub fn claim() -> Result<Self, Failure> {
        let blocks = PORTS.step_by(BLOCK_LEN.into());
        let count = blocks.len();
        // Each process begins elsewhere: the system may still remember the previous process's ports.
        let first = std::process::id() as usize % count;
        for start in blocks.cycle().skip(first).take(count) {
            if let Ok(claim) = TcpListener::bind((Ipv4Addr::LOCALHOST, start)) {
                return Ok(Self {
                    ports: RefCell::new((start + 1..start + BLOCK_LEN).cycle()),
                    _claim: claim,
                });
            }
        }
        let Range { start, end } = PORTS;
        Err(Failure::new(text!("command-line.all-taken", start, end)))
    }

    /// The next address on which a program can listen, whatever options it sets.
    pub fn next(&self) -> Result<SocketAddr, Failure> {
        let mut ports = self.ports.borrow_mut();
        let addrs = ports.by_ref().take(BLOCK_LEN.into());
        let mut addrs = addrs.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let free = addrs.find(|addr| bind_as_it_is(*addr).is_ok());
        free.ok_or_else(|| Failure::new(text!("command-line.no-free-port")))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn line(text: &str) -> CommandLine {
        CommandLine::new(text.split(' ').map(str::to_owned).collect()).unwrap()
    }

    fn arguments(command: &Command) -> Vec<&str> {
        command.get_args().map(|word| word.to_str().unwrap()).collect()
    }

    #[test]
    fn an_address_is_found_among_the_arguments() {
        let found = |text: &str| line(text).addr().map(|addr| addr.to_string());
        let local = |port: u16| Some(format!("127.0.0.1:{port}"));
        assert_eq!(found("python3 my_server.py 127.0.0.1:9003"), local(9003));
        assert_eq!(found("server localhost:9003 -v"), local(9003));
        assert_eq!(found("server --listen 0.0.0.0:9003"), local(9003));
        assert_eq!(found("server [::]:9003"), Some("[::1]:9003".to_owned()));
        for without in ["server", "server 9003", "server C:9003 12:30", "server {addr}"] {
            assert_eq!(found(without), None, "{without}");
        }
    }

    #[test]
    fn an_address_is_put_in_its_place() {
        let addr = "127.0.0.1:5000".parse().unwrap();
        let socat = line("socat TCP-LISTEN:{port},reuseaddr EXEC:cat");
        assert_eq!(arguments(&socat.command(addr)), ["TCP-LISTEN:5000,reuseaddr", "EXEC:cat"]);
        assert!(socat.takes_any_addr());
        assert_eq!(arguments(&line("c {addr} -v").client(addr)), ["127.0.0.1:5000", "-v"]);
        let words = line("c --listen=ADDR x:PORT,y ADDRESS MY_PORT PORTADDR");
        assert!(words.takes_any_addr());
        let expected = ["--listen=127.0.0.1:5000", "x:5000,y", "ADDRESS", "MY_PORT", "PORTADDR"];
        assert_eq!(arguments(&words.command(addr)), expected);
        assert_eq!(arguments(&line("c -v").client(addr)), ["-v", "127.0.0.1:5000"]);
    }

    #[test]
    fn a_port_that_is_taken_is_not_offered() {
        let ports = FreePorts::claim().unwrap();
        let first = ports.next().unwrap();
        let taken = SocketAddr::from((Ipv4Addr::LOCALHOST, first.port() + 1));
        let listener = TcpListener::bind(taken).unwrap();
        assert!(is_taken(taken).unwrap());
        assert!(ports.next().unwrap().port() > taken.port());
        drop(listener);
        wait_until_free(taken).unwrap();
    }

    #[test]
    fn no_port_is_offered_to_two_who_ask_at_the_same_time() {
        const JUDGES: usize = 20;
        let judges: Vec<FreePorts> = (0..JUDGES).map(|_| FreePorts::claim().unwrap()).collect();
        let mut offered = HashMap::new();
        for _ in 0..2 * BLOCK_LEN {
            for (number, judge) in judges.iter().enumerate() {
                let first = *offered.entry(judge.next().unwrap()).or_insert(number);
                assert_eq!(first, number, "a port was offered to two");
            }
        }
    }

    #[test]
    fn a_port_whose_last_connection_is_remembered_is_not_offered() {
        let ports = FreePorts::claim().unwrap();
        let first = ports.next().unwrap();
        let next = SocketAddr::from((Ipv4Addr::LOCALHOST, first.port() + 1));
        let listener = TcpListener::bind(next).unwrap();
        let mut client = TcpStream::connect(next).unwrap();
        drop(listener.accept().unwrap()); // the end that closes first keeps `TIME_WAIT`
        assert_eq!(io::Read::read(&mut client, &mut [0]).unwrap(), 0);
        drop((client, listener));
        if cfg!(target_os = "linux") {
            assert!(is_remembered(next));
            assert_ne!(ports.next().unwrap(), next);
        }
    }
}
