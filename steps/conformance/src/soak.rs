//! A soak: servers that get all sorts of clients for a long time, and must be as they were before.
//!
//! Random clients follow the protocol, break it, reset, stall and vanish. A seed repeats what they
//! do, one after the other; how they meet is up to the system.
//!
//! A server that serves one client at a time gets one at a time, so no client waits for one that
//! stalls. A chat room gets several at once.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::check::Protocol;
use crate::process_info::{self, Status};
use crate::program::DEADLINE;
use crate::{Failure, Peer};

/// How many clients are in a chat room at once, at the most.
const CROWD: u64 = 4;

/// The longest time for which a client stalls, in milliseconds.
const MAX_STALL_MS: u64 = 100;

/// The most messages of a client that follows the protocol.
const MAX_MESSAGES: u64 = 5;

/// How much more memory a server may have at the end: what its allocator keeps for the next client.
const MAX_GROWTH_KIB: u64 = 16 * 1024;

/// How many lines of a server's output are kept for a failure.
const KEPT_LINES: usize = 20;

/// Between two looks at what a server has. There is no event for "has closed a descriptor".
const LOOK: Duration = Duration::from_millis(20);

/// How long a server may take to see that all clients are gone.
const REST_DEADLINE: Duration = Duration::from_secs(5);

/// `listening on …`, `… connected`, and what follows.
const LINES_WITH_A_WORD: usize = 3;

/// In this many looks, a server at rest has the same threads and descriptors.
const LOOKS_AT_REST: usize = 10;

/// A server that is to be soaked.
pub struct Server {
    /// Its name, for people.
    pub name: String,
    /// The step whose protocol it speaks.
    pub number: u8,
    /// Starts it on any free port; its first line of output is `listening on ADDR`.
    pub command: Box<dyn Fn() -> Command + Send>,
}

/// How it went.
#[derive(Debug, Default)]
pub struct Report {
    /// One line for each server: what it got, and what it has.
    pub lines: Vec<String>,
    /// What went wrong, with the server's last lines.
    pub failures: Vec<String>,
}

/// Soaks all these servers at the same time, for that long.
///
/// # Panics
///
/// If a soak does; servers that panic are failures.
#[must_use]
pub fn run(servers: Vec<Server>, duration: Duration, seed: u64) -> Report {
    let end = Instant::now() + duration;
    let soaks: Vec<_> = (1..)
        .zip(servers)
        .map(|(number, server)| {
            // Each server has random numbers of its own, so it gets the same without the others.
            let seed = seed.wrapping_add(number << 32);
            thread::spawn(move || (server.name.clone(), soak(&server, end, seed)))
        })
        .collect();
    let mut report = Report::default();
    for soak in soaks {
        let (name, result) = soak.join().expect("a soak does not panic");
        match result {
            Ok(line) => report.lines.push(format!("{name}: {line}")),
            Err(failure) => report.failures.push(format!("{name}: {failure}")),
        }
    }
    report
}

/// Soaks one server, and reports what it got.
fn soak(server: &Server, end: Instant, seed: u64) -> Result<String, Failure> {
    let protocol = Protocol::of_step(server.number);
    match server.number {
        // These serve one client, and then they end, or spin, as declared.
        1 | 2 => soak_short_lived(server, protocol, end, seed),
        _ => soak_long_lived(server, protocol, end, seed),
    }
}

/// Starts a server anew for each client.
fn soak_short_lived(
    server: &Server,
    protocol: Protocol,
    end: Instant,
    seed: u64,
) -> Result<String, Failure> {
    let mut random = Random(seed);
    let mut counts = Counts::default();
    while Instant::now() < end {
        let running = Running::start((server.command)())?;
        let behaviour = Behaviour::choose(&mut random);
        counts.add(behaviour);
        running.explain(behaviour.play(protocol, running.addr, &mut random))?;
        running.wait_for_a_word();
        running.expect_no_panic()?;
    }
    Ok(counts.to_string())
}

/// Connects all kinds of clients to one server, and checks that no resources are left over.
fn soak_long_lived(
    server: &Server,
    protocol: Protocol,
    end: Instant,
    seed: u64,
) -> Result<String, Failure> {
    let running = Running::start((server.command)())?;
    // Resources that are created once, for the first client, do not count as left over.
    running.explain(Behaviour::Follows.play(protocol, running.addr, &mut Random(seed)))?;
    let before = running.vitals_at_rest();

    let crowd = if protocol == Protocol::Chat { CROWD } else { 1 };
    let results: Vec<Result<Counts, Failure>> = thread::scope(|scope| {
        let rows: Vec<_> = (1..=crowd)
            .map(|row| {
                let running = &running;
                scope.spawn(move || visit(running, protocol, end, Random(seed ^ (row << 16))))
            })
            .collect();
        rows.into_iter().map(|row| row.join().expect("a row of clients does not panic")).collect()
    });
    let mut counts = Counts::default();
    for result in results {
        counts.merge(&running.explain(result)?);
    }

    running.explain(Behaviour::Follows.play(protocol, running.addr, &mut Random(seed)))?;
    running.expect_no_panic()?;
    let vitals = before.map(|before| {
        let after = running.expect_no_leak(before)?;
        Ok(format!("; {before} before, {after} after"))
    });
    Ok(format!("{counts}{}", vitals.transpose()?.unwrap_or_default()))
}

/// One client after the other. If one did harm, the next one is not served, and reports that.
fn visit(
    running: &Running,
    protocol: Protocol,
    end: Instant,
    mut random: Random,
) -> Result<Counts, Failure> {
    let mut counts = Counts::default();
    while Instant::now() < end {
        for behaviour in [Behaviour::choose(&mut random), Behaviour::Follows] {
            behaviour.play(protocol, running.addr, &mut random).map_err(|failure| {
                Failure::new(format!("after {counts}, one that {behaviour:?}: {failure}"))
            })?;
            counts.add(behaviour);
        }
    }
    Ok(counts)
}

/// What a client is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Behaviour {
    /// Follows the protocol, and must be served.
    Follows,
    /// Breaks the protocol.
    Breaks,
    /// Sends something, and breaks the connection off.
    Resets,
    /// Sends a part of something, then nothing for a while, and leaves.
    Stalls,
    /// Sends something and leaves without the answer.
    Vanishes,
}

impl Behaviour {
    const ALL: [Self; 5] =
        [Self::Follows, Self::Breaks, Self::Resets, Self::Stalls, Self::Vanishes];

    fn choose(random: &mut Random) -> Self {
        *random.one_of(&Self::ALL)
    }

    /// Is such a client once. Only of one that follows the protocol a failure counts: the others may
    /// be thrown out in the middle of a word.
    fn play(
        self,
        protocol: Protocol,
        addr: SocketAddr,
        random: &mut Random,
    ) -> Result<(), Failure> {
        let mut peer = Peer::connect(addr)?;
        let word = format!("w{:016x}", random.next());
        let message = protocol.on_the_wire(&protocol.exchange(&word).0);
        match self {
            Self::Follows => {
                let messages =
                    if protocol == Protocol::Echo { 1 } else { random.upto(MAX_MESSAGES) };
                for number in 0..messages {
                    protocol.converse(&mut peer, &format!("{word}{number}"))?;
                }
                peer.close();
            }
            Self::Breaks => {
                let _ = peer.send(&nonsense(protocol, random));
            }
            Self::Resets => {
                let _ = peer.send(&message[..random.below(message.len() + 1)]);
                let _ = peer.reset();
            }
            Self::Stalls => {
                let _ = peer.send(&message[..random.below(message.len())]);
                // That nothing arrives for a while is what this client is about.
                thread::sleep(Duration::from_millis(random.upto(MAX_STALL_MS)));
            }
            Self::Vanishes => {
                for _ in 0..random.upto(MAX_MESSAGES) {
                    let _ = peer.send(&message);
                }
            }
        }
        Ok(())
    }
}

/// Bytes that mean nothing in this protocol. Where a shell may run them, they are no text:
/// what random text does there is unknown.
fn nonsense(protocol: Protocol, random: &mut Random) -> Vec<u8> {
    let len = random.below(8192);
    let mut bytes: Vec<u8> = (0..len).map(|_| random.next().to_le_bytes()[0]).collect();
    bytes.insert(0, 0xff);
    match protocol {
        Protocol::Frames | Protocol::Messages => {
            let announced = match random.below(3) {
                0 => u32::MAX,                                           // far too long
                1 => u32::try_from(bytes.len()).unwrap_or(u32::MAX),     // no text
                _ => u32::try_from(bytes.len()).unwrap_or(u32::MAX) + 1, // cut off
            };
            bytes.splice(0..0, announced.to_be_bytes());
        }
        // A server may see only a part of them at a time, and that may be text.
        Protocol::Shell => bytes.fill(0xff),
        _ => {}
    }
    bytes
}

/// How many clients of each kind there were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Counts([usize; Behaviour::ALL.len()]);

impl Counts {
    fn add(&mut self, behaviour: Behaviour) {
        self.0[behaviour as usize] += 1;
    }

    fn merge(&mut self, other: &Self) {
        for (count, more) in self.0.iter_mut().zip(other.0) {
            *count += more;
        }
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [follow, rest @ ..] = self.0;
        let [breaks, resets, stalls, vanishes] = rest;
        write!(f, "{follow} clients were served, {breaks} broke the protocol, ")?;
        write!(f, "{resets} reset, {stalls} stalled, {vanishes} vanished")
    }
}

/// `SplitMix64`: random enough for clients, and the same from the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 to below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).expect("no length has more than 64 bits");
        usize::try_from(self.next() % end).expect("it is below a length")
    }

    /// From 1 to `max`.
    fn upto(&mut self, max: u64) -> u64 {
        1 + self.next() % max
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// A server that runs. What it writes is looked at and thrown away, for hours if need be.
struct Running {
    child: Child,
    addr: SocketAddr,
    log: Arc<Mutex<Log>>,
}

#[derive(Default)]
struct Log {
    last_lines: VecDeque<String>,
    panics: Vec<String>,
}

impl Running {
    fn start(mut command: Command) -> Result<Self, Failure> {
        let failed = |error: io::Error| Failure::new(format!("it cannot be started: {error}"));
        let (reader, writer) = io::pipe().map_err(failed)?;
        command.stdin(Stdio::null()).stdout(writer.try_clone().map_err(failed)?).stderr(writer);
        let child = command.spawn().map_err(failed)?;
        drop(command); // it holds the pipe's other end
        let log = Arc::new(Mutex::new(Log::default()));
        let (found, addrs) = mpsc::channel();
        let collector = Arc::clone(&log);
        thread::spawn(move || collect(reader, &collector, &found));
        let mut running = Self { child, addr: ([127, 0, 0, 1], 0).into(), log };
        running.addr = addrs.recv_timeout(DEADLINE).map_err(|error| {
            running.failure(match error {
                RecvTimeoutError::Timeout => "it does not say where it listens",
                RecvTimeoutError::Disconnected => "it has ended before it listened",
            })
        })?;
        Ok(running)
    }

    /// Gives a server the time to print something about its client, or to end.
    fn wait_for_a_word(&self) {
        for _ in 0..LOOKS_AT_REST {
            if self.lock().last_lines.len() >= LINES_WITH_A_WORD {
                return;
            }
            thread::sleep(LOOK); // a server that prints nothing causes no event
        }
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failure(&self, what: &str) -> Failure {
        let log = self.lock();
        let lines: Vec<&str> =
            log.panics.iter().chain(&log.last_lines).map(String::as_str).collect();
        Failure::new(format!("{what}\n  its last lines:\n    {}", lines.join("\n    ")))
    }

    fn explain<T>(&self, result: Result<T, Failure>) -> Result<T, Failure> {
        result.map_err(|failure| self.failure(&failure.to_string()))
    }

    fn expect_no_panic(&self) -> Result<(), Failure> {
        if self.lock().panics.is_empty() {
            return Ok(());
        }
        Err(self.failure("it panicked"))
    }

    /// What the server has when it has seen that its last client is gone: the same in several looks.
    /// `None` if the system does not report it.
    fn vitals_at_rest(&self) -> Option<Vitals> {
        let mut vitals = Vitals::of(self.child.id())?;
        let mut same = 0;
        while same < LOOKS_AT_REST {
            thread::sleep(LOOK); // no event reports a closed descriptor
            let now = Vitals::of(self.child.id())?;
            same = if (now.threads, now.descriptors) == (vitals.threads, vitals.descriptors) {
                same + 1
            } else {
                0
            };
            vitals = now;
        }
        Some(vitals)
    }

    /// Waits until the server has no more than it had before.
    fn expect_no_leak(&self, before: Vitals) -> Result<Vitals, Failure> {
        let end = Instant::now() + REST_DEADLINE;
        loop {
            let Some(now) = Vitals::of(self.child.id()) else {
                return Err(self.failure("it has ended"));
            };
            if now.is_no_more_than(before) {
                return Ok(now);
            }
            if Instant::now() >= end {
                let what =
                    format!("with all clients gone it has {now}; before them it had {before}");
                return Err(self.failure(&what));
            }
            thread::sleep(LOOK); // no event reports a closed descriptor
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill(); // fails only where it has ended already
        let _ = self.child.wait();
    }
}

/// Reads what a server writes, to its end.
fn collect(reader: impl Read, log: &Mutex<Log>, found: &mpsc::Sender<SocketAddr>) {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line), Ok(len) if len > 0) {
        let text = String::from_utf8_lossy(&line).trim_end().to_owned();
        if let Some(addr) = text.strip_prefix("listening on ").and_then(|addr| addr.parse().ok()) {
            let _ = found.send(addr); // the thread that waited for it may have given up
        }
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if text.contains("panicked at") && log.panics.len() < KEPT_LINES {
            log.panics.push(text.clone());
        }
        log.last_lines.push_back(text);
        if log.last_lines.len() > KEPT_LINES {
            log.last_lines.pop_front();
        }
        line.clear();
    }
}

/// What a process has that can leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Vitals {
    threads: usize,
    descriptors: usize,
    memory_kib: u64,
}

impl Vitals {
    /// Of a process that runs; `None` if it does not, or if the system does not report that easily.
    fn of(pid: u32) -> Option<Self> {
        let status = Status::of(pid).ok()?;
        Some(Self {
            threads: status.threads()?,
            descriptors: process_info::descriptors(pid).ok()?,
            memory_kib: status.resident_kib()?, // a process that has ended has none
        })
    }

    fn is_no_more_than(self, before: Self) -> bool {
        self.threads <= before.threads
            && self.descriptors <= before.descriptors
            && self.memory_kib <= before.memory_kib + MAX_GROWTH_KIB
    }
}

impl fmt::Display for Vitals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { threads, descriptors, memory_kib } = self;
        write!(f, "{threads} threads, {descriptors} descriptors, {memory_kib} KiB")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A server that is this script.
    fn python(script: &str) -> Option<Server> {
        let script = script.to_owned();
        crate::python()?;
        let command = move || {
            let mut command = crate::python().expect("it was there");
            command.args(["-u", "-c", &script]);
            command
        };
        Some(Server { name: "it".to_owned(), number: 3, command: Box::new(command) })
    }

    fn soaked(body: &str) -> Option<Report> {
        let script = format!(
            "import socket\n\
             listener = socket.create_server(('127.0.0.1', 0))\n\
             print('listening on %s:%d' % listener.getsockname())\n\
             kept = []\n\
             while True:\n    \
                 stream, _ = listener.accept()\n    \
                 try:\n        \
                     while message := stream.recv(1024):\n            \
                         stream.sendall(message.upper())\n    \
                 except OSError:\n        pass\n    \
                 {body}\n"
        );
        Some(run(vec![python(&script)?], Duration::from_millis(500), 2026))
    }

    #[test]
    #[ignore = "needs python3"]
    fn a_python_server_that_closes_its_streams_passes() {
        let report = soaked("stream.close()").expect("Python 3 is installed");
        assert_eq!(report.failures, [""; 0]);
        assert!(report.lines[0].contains(" clients were served, "), "{:?}", report.lines);
    }

    #[test]
    #[ignore = "needs python3"]
    fn a_python_server_that_panics_is_found_even_if_it_goes_on() {
        let report = soaked("print('thread main panicked at', stream)").expect("Python 3 is there");
        assert!(report.failures[0].contains("it panicked"), "{report:?}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    #[ignore = "needs python3"]
    fn a_python_server_that_leaks_descriptors_is_found() {
        let report = soaked("kept.append(stream)").expect("Python 3 is installed");
        assert!(report.failures[0].contains("with all clients gone it has"), "{report:?}");
    }

    #[test]
    #[ignore = "needs python3"]
    fn a_python_server_that_ends_is_found() {
        let report = soaked("break").expect("Python 3 is installed");
        assert!(report.failures[0].starts_with("it: "), "{report:?}");
    }

    #[test]
    fn the_same_seed_gives_the_same_clients() {
        let clients = |seed| {
            let mut random = Random(seed);
            let chosen = (0..50).map(|_| Behaviour::choose(&mut random));
            chosen.collect::<Vec<_>>()
        };
        assert_eq!(clients(7), clients(7));
        assert_ne!(clients(7), clients(8));
        assert!(Behaviour::ALL.iter().all(|behaviour| clients(7).contains(behaviour)));
    }

    #[test]
    fn what_a_shell_could_run_is_never_sent_as_nonsense() {
        for seed in 0..200 {
            let bytes = nonsense(Protocol::Shell, &mut Random(seed));
            assert!(bytes.iter().all(|byte| *byte == 0xff));
            let bytes = nonsense(Protocol::Frames, &mut Random(seed));
            assert!(str::from_utf8(&bytes[4..]).is_err());
        }
    }
}
