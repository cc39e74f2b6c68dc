//! Traces: what the kernel held after each action of a session, and the output that followed it.
//!
//! A trace is a text file beside its session. The line of an action is repeated; below it is each
//! program that was started so far, and below that what its threads wait for and its sockets hold:
//!
//! ```text
//! [bob] > three
//!   server
//!     waits in read on alice
//!     listens at 127.0.0.1:9005; in its queue: bob with 11 bytes
//!     connection with alice: open
//!   alice
//!     waits in read on the keyboard
//!     connection with server: open
//!   bob
//!     waits in read on the keyboard
//!     connection with server: open
//! ```
//!
//! The other end of a connection is named by its terminal, since its port changes from run to run.

use std::fmt;
use std::iter;

use super::parse::{Line, ParseError, Session, parse_line};

/// A buffer's length is recorded up to this number of bytes. What is above it depends on the sizes
/// that the kernel gives to buffers.
pub const MAX_LEN: usize = 4096;

/// How many bytes of a buffer are recorded, from its beginning.
pub const MAX_BYTES: usize = 64;

/// The other end of a connection if no program of the session has it.
pub const STRANGER: &str = "another program";

/// What the kernel held, state by state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// One for each action of the session ([`Session::actions`]), in the order of time.
    pub states: Vec<State>,
}

/// What the kernel held after one action and the output that followed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The action. Its number is that of the line in the trace.
    pub after: Line,
    /// The programs that were started so far, in the order of the session's terminals.
    pub programs: Vec<Program>,
}

/// What the kernel held for one program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The terminal in which it runs.
    pub terminal: String,
    /// What its threads do, in the order of the text; none if it has ended.
    pub waits: Vec<Wait>,
    /// Its sockets, in the order in which they were opened.
    pub sockets: Vec<Socket>,
}

/// What one or several threads of a program do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wait {
    /// The call in which they wait.
    pub call: Call,
    /// What they wait for there, if the call names it.
    pub on: Option<On>,
    /// How many threads do the same.
    pub threads: usize,
}

/// A call in which a thread waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// `accept`: for a client.
    Accept,
    /// `connect`: for a server.
    Connect,
    /// `read`, `recv` and others: for bytes.
    Read,
    /// `write`, `send` and others: for room in a buffer.
    Write,
    /// `poll` or `select`: for one of several descriptors.
    Poll,
    /// `epoll_wait`: as `poll`, in an event loop.
    EpollWait,
    /// A futex: for a lock, for a message in a channel, or for the end of a thread.
    Thread,
    /// For the end of a process that it has started.
    Child,
    /// For some time to pass.
    Sleep,
    /// In none: it runs.
    Runs,
}

impl Call {
    const ALL: [(Self, &str); 10] = [
        (Self::Accept, "waits in accept"),
        (Self::Connect, "waits in connect"),
        (Self::Read, "waits in read"),
        (Self::Write, "waits in write"),
        (Self::Poll, "waits in poll"),
        (Self::EpollWait, "waits in epoll_wait"),
        (Self::Thread, "waits for another thread"),
        (Self::Child, "waits for a child process"),
        (Self::Sleep, "sleeps"),
        (Self::Runs, "runs"),
    ];
}

/// What a thread waits for in a call.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum On {
    /// The standard input.
    Keyboard,
    /// The standard output or the standard error.
    Output,
    /// A pipe.
    Pipe,
    /// A socket for datagrams.
    Datagrams,
    /// The connection with this peer, named as in [`Socket::Connection`].
    Peer(String),
}

/// A socket of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Socket {
    /// It listens.
    Listener {
        /// At this address.
        addr: String,
        /// The connections that it has not accepted yet, in the order of time.
        queue: Vec<Queued>,
    },
    /// One end of a connection.
    Connection {
        /// The terminal at the other end, or [`STRANGER`]. If a program has several connections with one
        /// peer, the second is `alice 2`.
        peer: String,
        /// Which directions have ended.
        state: Ends,
        /// What has arrived and is unread. A FIN alone is not recorded: if it shared a segment with the last
        /// byte, the `read` that returned this byte has taken it, too. The state tells that it has arrived.
        receive: Buffer,
        /// What was written and has not arrived; no program can look at these bytes.
        send: Buffer,
    },
    /// A socket for datagrams.
    Datagrams {
        /// Its address; none if the port changes from run to run.
        addr: Option<String>,
        /// What has arrived and is unread; the length includes what the kernel adds to each datagram.
        receive: Buffer,
    },
}

/// A connection that was not accepted yet. No descriptor leads to it, so its bytes cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queued {
    /// The terminal at the other end, or [`STRANGER`].
    pub peer: String,
    /// What has arrived.
    pub receive: Buffer,
}

/// Which directions of a connection have ended, as seen from one end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// None.
    Open,
    /// The peer will send nothing more.
    Peer,
    /// This end will send nothing more.
    Own,
    /// Both.
    Both,
    /// The connection was reset.
    Reset,
}

impl Ends {
    const ALL: [(Self, &str); 5] = [
        (Self::Open, "open"),
        (Self::Peer, "ended by the peer"),
        (Self::Own, "ended by this program"),
        (Self::Both, "ended by both"),
        (Self::Reset, "reset"),
    ];
}

/// Bytes that wait in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// How many there are; none if they are more than [`MAX_LEN`].
    pub len: Option<usize>,
    /// The first of them, [`MAX_BYTES`] at the most; empty if they cannot be read, or if they are more than
    /// [`MAX_LEN`]: where a writer stops depends on the sizes of buffers, too.
    pub bytes: Vec<u8>,
    /// Whether a FIN comes after them.
    pub fin: bool,
}

impl Buffer {
    /// Nothing.
    pub const EMPTY: Self = Self { len: Some(0), bytes: Vec::new(), fin: false };

    /// Whether nothing waits, not even a FIN.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::EMPTY
    }

    fn parse(text: &str) -> Option<Self> {
        let (text, fin) = match text.strip_suffix("FIN") {
            Some("") => return Some(Self { fin: true, ..Self::EMPTY }),
            Some(before) => (before.strip_suffix(" and ")?, true),
            None => (text, false),
        };
        let (len, bytes) = match text.split_once(" \"") {
            Some((len, bytes)) => (len, unescape(bytes.strip_suffix('"')?)?),
            None => (text, Vec::new()),
        };
        let len = match len.split_once(' ')? {
            (len, "byte" | "bytes") => Some(len.parse().ok()?),
            ("more", _) => None,
            _ => return None,
        };
        Some(Self { len, bytes, fin })
    }
}

impl Trace {
    /// Parses the text of a `.trace` file; reports which line is wrong, and how.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut trace = Self::default();
        for (index, line) in text.lines().enumerate() {
            let error = |message: String| ParseError { line: index + 1, message };
            if let Some(fact) = line.strip_prefix("    ") {
                let program = trace.states.last_mut().and_then(|state| state.programs.last_mut());
                let program =
                    program.ok_or_else(|| error("expected the name of a program first".into()))?;
                add(program, fact).ok_or_else(|| error(format!("unknown: `{fact}`")))?;
            } else if let Some(terminal) = line.strip_prefix("  ") {
                let state = trace.states.last_mut();
                let state = state.ok_or_else(|| error("expected an action first".into()))?;
                let (terminal, waits, sockets) = (terminal.to_owned(), Vec::new(), Vec::new());
                state.programs.push(Program { terminal, waits, sockets });
            } else {
                let after = parse_line(line, index + 1);
                let after = after.filter(|line| line.action.is_by_person());
                let after = after.ok_or_else(|| error(format!("not an action: `{line}`")))?;
                trace.states.push(State { after, programs: Vec::new() });
            }
        }
        trace.is_written_as(text)?;
        Ok(trace)
    }

    /// There is one way to write a trace, so that the same state is the same text.
    fn is_written_as(&self, text: &str) -> Result<(), ParseError> {
        let expected = self.to_string();
        let (mut expected, mut lines) =
            (expected.split_inclusive('\n'), text.split_inclusive('\n'));
        for number in 1.. {
            let message = match (expected.next(), lines.next()) {
                (None, None) => break,
                (expected, line) if expected == line => continue,
                (Some(expected), _) => {
                    format!("expected `{}` and a line break", expected.trim_end())
                }
                (None, Some(_)) => "this line does not fit the lines before it".to_owned(),
            };
            return Err(ParseError { line: number, message });
        }
        Ok(())
    }

    /// Checks that it has a state for each action of this session, with programs and peers that run in its
    /// terminals; reports the first action that differs.
    pub fn check_fits(&self, session: &Session) -> Result<(), ParseError> {
        let terminals = session.terminals();
        let mut actions = session.actions();
        for state in &self.states {
            let line = state.after.number;
            let action = actions.next().ok_or_else(|| ParseError {
                line,
                message: format!("the session does not have `{}`", state.title()),
            })?;
            if (&action.terminal, &action.action) != (&state.after.terminal, &state.after.action) {
                let expected = format!("[{}] {}", action.terminal, action.action);
                let message = format!("the session has `{expected}` here");
                return Err(ParseError { line, message });
            }
            let programs = state.programs.iter();
            let mut names = programs.flat_map(|it| iter::once(&*it.terminal).chain(it.peers()));
            if let Some(name) = names.find(|name| *name != STRANGER && !terminals.contains(name)) {
                let message = format!("the session has no terminal `{name}`");
                return Err(ParseError { line, message });
            }
        }
        match actions.next() {
            Some(line) => Err(ParseError {
                line: self.to_string().lines().count() + 1,
                message: format!("the session also has `[{}] {}`", line.terminal, line.action),
            }),
            None => Ok(()),
        }
    }
}

impl Program {
    /// The names of the other ends of its connections, without the number that a second one has.
    fn peers(&self) -> impl Iterator<Item = &str> {
        let waits = self.waits.iter().filter_map(|wait| match &wait.on {
            Some(On::Peer(peer)) => Some(peer),
            _ => None,
        });
        let sockets = self.sockets.iter().flat_map(|socket| match socket {
            Socket::Listener { queue, .. } => queue.iter().map(|it| &it.peer).collect(),
            Socket::Connection { peer, .. } => vec![peer],
            Socket::Datagrams { .. } => Vec::new(),
        });
        waits.chain(sockets).map(|peer| match peer.rsplit_once(' ') {
            Some((name, number)) if number.parse::<usize>().is_ok() => name,
            _ => peer,
        })
    }
}

impl State {
    /// The line of its action.
    #[must_use]
    pub fn title(&self) -> String {
        let title = format!("[{}] {}", self.after.terminal, self.after.action);
        title.trim_end().to_owned()
    }
}

/// Adds to a program what a line reports about it.
fn add(program: &mut Program, fact: &str) -> Option<()> {
    if fact == "ended" {
        return Some(()); // without anything else: the text is compared
    }
    let queue = " in its queue: ";
    if let Some(rest) = fact.strip_prefix("listens at ") {
        let (addr, queued) = rest.split_once(';').unwrap_or((rest, queue));
        let queued = queued.strip_prefix(queue)?;
        let queued = queued.split(", ").filter(|text| !text.is_empty()).map(|text| {
            let (peer, buffer) = text.split_once(" with ").unwrap_or((text, ""));
            let receive =
                if buffer.is_empty() { Some(Buffer::EMPTY) } else { Buffer::parse(buffer) };
            Some(Queued { peer: peer.to_owned(), receive: receive? })
        });
        let queue = queued.collect::<Option<Vec<_>>>()?;
        program.sockets.push(Socket::Listener { addr: addr.to_owned(), queue });
    } else if let Some(rest) = fact.strip_prefix("connection with ") {
        let (peer, rest) = rest.split_once(": ")?;
        let (rest, send) = buffer_after("; sending: ", rest)?;
        let (rest, receive) = buffer_after("; unread: ", rest)?;
        let (state, _) = Ends::ALL.into_iter().find(|(_, text)| *text == rest)?;
        if receive.fin && receive.len == Some(0) {
            return None; // not recorded: see `Socket::Connection`
        }
        let peer = peer.to_owned();
        program.sockets.push(Socket::Connection { peer, state, receive, send });
    } else if let Some(rest) = fact.strip_prefix("datagrams") {
        let (rest, receive) = buffer_after("; unread: ", rest)?;
        let addr = rest.strip_prefix(" at ").map(str::to_owned);
        program.sockets.push(Socket::Datagrams { addr, receive });
    } else {
        program.waits.push(wait(fact)?);
    }
    Some(())
}

fn wait(text: &str) -> Option<Wait> {
    let (text, threads) = match text.strip_suffix(" threads").and_then(|it| it.rsplit_once(", ")) {
        Some((text, threads)) => (text, threads.parse().ok()?),
        None => (text, 1),
    };
    let (text, on) = match text.split_once(" on ") {
        Some((text, on)) => (text, Some(on)),
        None => (text, None),
    };
    let (call, _) = Call::ALL.into_iter().find(|(_, call)| *call == text)?;
    let on = on.map(|on| match on {
        "the keyboard" => On::Keyboard,
        "the output" => On::Output,
        "a pipe" => On::Pipe,
        "datagrams" => On::Datagrams,
        peer => On::Peer(peer.to_owned()),
    });
    Some(Wait { call, on, threads })
}

/// What is before `name`, and the buffer after it. Bytes that are text are in quotation marks, and may
/// look like anything.
fn buffer_after<'a>(name: &str, text: &'a str) -> Option<(&'a str, Buffer)> {
    let unquoted = &text[..text.find('"').unwrap_or(text.len())];
    let at = if text.ends_with('"') || text.ends_with("\" and FIN") {
        unquoted.rfind(name)
    } else {
        text.rfind(name)
    };
    match at {
        Some(at) => Some((&text[..at], Buffer::parse(&text[at + name.len()..])?)),
        None => Some((text, Buffer::EMPTY)),
    }
}

/// The bytes that [`slice::escape_ascii`] has written so.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'\\' => match rest.next()? {
                b'n' => b'\n',
                b'r' => b'\r',
                b't' => b'\t',
                b'x' => {
                    let digits = [rest.next()?, rest.next()?];
                    u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
                }
                other => other,
            },
            other => other,
        });
    }
    Some(bytes)
}

/// The text of the trace, as a file holds it.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.states.iter().try_for_each(|state| write!(f, "{state}"))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.title())?;
        for program in &self.programs {
            writeln!(f, "  {}", program.terminal)?;
            if program.waits.is_empty() {
                writeln!(f, "    ended")?;
            }
            program.waits.iter().try_for_each(|wait| writeln!(f, "    {wait}"))?;
            program.sockets.iter().try_for_each(|socket| writeln!(f, "    {socket}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Wait {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = Call::ALL.iter().find(|(call, _)| *call == self.call).map(|(_, text)| *text);
        f.write_str(text.unwrap_or_default())?;
        match &self.on {
            None => Ok(()),
            Some(On::Keyboard) => f.write_str(" on the keyboard"),
            Some(On::Output) => f.write_str(" on the output"),
            Some(On::Pipe) => f.write_str(" on a pipe"),
            Some(On::Datagrams) => f.write_str(" on datagrams"),
            Some(On::Peer(peer)) => write!(f, " on {peer}"),
        }?;
        if self.threads == 1 { Ok(()) } else { write!(f, ", {} threads", self.threads) }
    }
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = |f: &mut fmt::Formatter<'_>, name: &str, buffer: &Buffer| {
            if buffer.is_empty() { Ok(()) } else { write!(f, "{name}{buffer}") }
        };
        match self {
            Self::Listener { addr, queue } => {
                write!(f, "listens at {addr}")?;
                let mut before = "; in its queue: ";
                for Queued { peer, receive } in queue {
                    write!(f, "{before}{peer}")?;
                    with(f, " with ", receive)?;
                    before = ", ";
                }
                Ok(())
            }
            Self::Connection { peer, state, receive, send } => {
                let text = Ends::ALL.iter().find(|(ends, _)| ends == state).map(|(_, text)| *text);
                write!(f, "connection with {peer}: {}", text.unwrap_or_default())?;
                with(f, "; unread: ", receive)?;
                with(f, "; sending: ", send)
            }
            Self::Datagrams { addr, receive } => {
                f.write_str("datagrams")?;
                if let Some(addr) = addr {
                    write!(f, " at {addr}")?;
                }
                with(f, "; unread: ", receive)
            }
        }
    }
}

impl fmt::Display for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.len {
            Some(0) if self.fin => return f.write_str("FIN"),
            Some(1) => f.write_str("1 byte")?,
            Some(len) => write!(f, "{len} bytes")?,
            None => write!(f, "more than {MAX_LEN} bytes")?,
        }
        if !self.bytes.is_empty() {
            write!(f, " \"{}\"", self.bytes.escape_ascii())?;
        }
        if self.fin { f.write_str(" and FIN") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"[server] $ start the server
  server
    waits in accept
    listens at 127.0.0.1:9005
[bob] $ start a client
  server
    waits in read on alice 2
    waits in write on another program
    waits for another thread, 3 threads
    waits for a child process
    listens at 127.0.0.1:9005; in its queue: bob with 11 bytes and FIN, carol, dave with FIN
    connection with alice: open; unread: 11 bytes "onetwothree"
    connection with alice 2: ended by the peer; unread: 4 bytes "\"\n\xc3\xbc" and FIN; sending: more than 4096 bytes
    connection with another program: ended by this program; unread: 17 bytes "; sending: 1 byte"; sending: FIN
    connection with carol: ended by both
    connection with dave: reset; unread: more than 4096 bytes "x"
    datagrams at 127.0.0.1:9005; unread: 1 byte "; unread: 1 byte"
    datagrams
  bob
    waits in read on the keyboard
    waits in write on the output
    sleeps
    runs
[bob] ^C
  server
    waits in read on a pipe
    waits in poll
    waits in epoll_wait
    waits in connect
    waits in read on datagrams
  bob
    ended
"#;

    #[test]
    fn a_trace_is_read_and_written_back_unchanged() {
        let trace = Trace::parse(TEXT).unwrap();
        assert_eq!(trace.to_string(), TEXT);
        assert_eq!(trace.states[1].after.number, 5);
        let server = &trace.states[1].programs[0];
        let on = Some(On::Peer("alice 2".to_owned()));
        assert_eq!(server.waits[0], Wait { call: Call::Read, on, threads: 1 });
        let bytes = "\"\nü".as_bytes().to_vec();
        let Socket::Connection { receive, send, .. } = &server.sockets[2] else { panic!() };
        assert_eq!(*receive, Buffer { len: Some(4), bytes, fin: true });
        assert_eq!(send.len, None);
        assert!(trace.states[2].programs[1].waits.is_empty());
    }

    #[test]
    fn a_wrong_line_is_named() {
        let error = |from: &str, to: &str| {
            let text = TEXT.replacen(from, to, 1);
            assert_ne!(text, TEXT);
            Trace::parse(&text).unwrap_err().to_string()
        };
        assert_eq!(
            error("    waits in accept", "    waits in axept"),
            "line 3: unknown: `waits in axept`"
        );
        assert_eq!(
            error("bob with 11 bytes", "bob with 11 letters").split(':').next(),
            Some("line 11")
        );
        assert_eq!(
            error("bob with 11 bytes", "bob with 011 bytes").split(':').next(),
            Some("line 11")
        );
        assert_eq!(error(": reset", ": broken").split(':').next(), Some("line 16"));
        let fin = error("carol: ended by both", "carol: ended by both; unread: FIN");
        assert!(fin.starts_with("line 15: unknown: "), "{fin}");
        assert_eq!(error("[bob] ^C", "[bob] hello"), "line 24: not an action: `[bob] hello`");
        assert_eq!(error("[bob] ^C", "[bob]  ^C").split(':').next(), Some("line 24"));
        assert_eq!(
            error("    ended\n", "    runs\n    ended\n").split(':').next(),
            Some("line 33")
        );
        assert!(error("    ended\n", "    ended\n\n").starts_with("line 33: "));
        assert!(error("    ended\n", "    ended").starts_with("line 32: "));
        assert!(Trace::parse("  server\n").unwrap_err().message.starts_with("expected an action"));
    }

    #[test]
    fn a_trace_fits_a_session_with_the_same_actions() {
        let peers = ["alice", "carol", "dave"];
        let trace_text = peers.iter().fold(TEXT.to_owned(), |text, peer| text.replace(peer, "bob"));
        let trace = Trace::parse(&trace_text).unwrap();
        let session = |text: &str| Session::parse(text).unwrap();
        let text =
            "[server] $ start the server\n[server] up\n[bob]    $ start a client\n[bob]    ^C\n";
        trace.check_fits(&session(text)).unwrap();
        let error = |text: &str| trace.check_fits(&session(text)).unwrap_err().to_string();
        let other = error(&text.replace("a client", "bob"));
        assert_eq!(other, "line 5: the session has `[bob] $ start bob` here");
        let fewer = error(&text.replace("[bob]    ^C\n", ""));
        assert_eq!(fewer, "line 24: the session does not have `[bob] ^C`");
        for known in ["  bob\n", "read on bob 2", "queue: bob", "with bob: reset"] {
            let unknown = Trace::parse(&trace_text.replace(known, &known.replace("bob", "ben")));
            let unknown = unknown.unwrap().check_fits(&session(text)).unwrap_err();
            assert_eq!(unknown.to_string(), "line 5: the session has no terminal `ben`");
        }
        let more = error(&format!("{text}[server] ^C\n"));
        assert_eq!(more, "line 33: the session also has `[server] ^C`");
    }
}
