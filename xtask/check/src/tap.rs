//! `cargo xtask tap`: a program between a client and a server that shows what crosses.
//!
//! ```text
//! client <----> tap <----> server
//! ```
//!
//! Each piece is shown before it is passed on, so what a program does with it is later:
//!
//! ```text
//! 0.012  #1  client → server  5 bytes
//!   00000000  68 65 6c 6c 6f                                    |hello|
//! ```

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, anyhow, bail};
use conformance::proxy::{self, Cut, Direction, Event, Proxy};
use conformance::{printable, text};

/// The bytes on one line of a dump.
const BYTES_PER_LINE: usize = 16;

/// The columns of those bytes: two digits and a blank each, and a gap in the middle.
const HEX_WIDTH: usize = 3 * BYTES_PER_LINE + 1;

/// What can be chosen on the command line.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Address to listen on; port 0 takes any free port
    #[arg(long, value_name = "ADDR")]
    listen: String,
    /// Address of the server
    #[arg(long, value_name = "ADDR")]
    to: String,
    /// Cut the stream after every N bytes, or at random; without it, pieces stay as they are read
    #[arg(long, value_name = "N|random")]
    cut: Option<String>,
    /// Wait this many milliseconds before passing each piece on
    #[arg(long, value_name = "MS", default_value_t = 0)]
    delay: u64,
    /// Close each connection after N bytes from the server, as if the connection had broken
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    end_after: Option<u32>,
    /// Repeat the random cuts of another run
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Show lines of text instead of a hexdump
    #[arg(long)]
    text: bool,
    /// Leave out what differs from run to run: times, and the clients' ports
    #[arg(long)]
    no_time: bool,
    /// Listen where others can connect, or pass on to another computer
    #[arg(long)]
    allow_remote: bool,
}

/// Shows what crosses, until Ctrl-C.
pub fn run(options: &Options) -> Result<()> {
    let cut = cut(options.cut.as_deref(), options.seed)?;
    let listen = addresses("--listen", &options.listen, options.allow_remote)?;
    let upstream = addresses("--to", &options.to, options.allow_remote)?;
    not_to_itself(&listen, &upstream)?;
    let listener =
        TcpListener::bind(&listen[..]).map_err(|error| cannot_listen(options, &error))?;
    let mut stdout = io::stdout();
    writeln!(stdout, "listening on {}, passing on to {}", listener.local_addr()?, options.to)?;
    if let Cut::Random { seed } = cut {
        writeln!(stdout, "cutting at random; --seed {seed} repeats it")?;
    }

    let start = (!options.no_time).then(Instant::now);
    let screen = Mutex::new(Screen { start, text: options.text, offsets: HashMap::new() });
    let (failed, failure) = mpsc::channel();
    let observer: proxy::Observer = Arc::new(move |connection, event| {
        let mut screen = screen.lock().unwrap_or_else(PoisonError::into_inner);
        let text = screen.show(connection, event);
        if let Err(error) = io::stdout().write_all(text.as_bytes()) {
            let _ = failed.send(error); // only the first counts; then there is no receiver
        }
    });
    let delay = Duration::from_millis(options.delay);
    let connect = Box::new(move || TcpStream::connect(&upstream[..]));
    let end_after = options.end_after.map(|len| len as usize);
    let proxied = proxy::Options { cut, delay, observer, end_after };
    let _proxy = Proxy::start_on(listener, connect, proxied)?;
    // Ctrl-C ends this program. Short of that, only an output without a reader does.
    match failure.recv() {
        Ok(error) => Err(error).context("cannot show what crosses"),
        Err(mpsc::RecvError) => bail!("the proxy has ended"),
    }
}

/// Where to cut, in the words of the command line.
pub fn cut(cut: Option<&str>, seed: Option<u64>) -> Result<Cut> {
    match (cut, seed) {
        (Some("random"), Some(seed)) => Ok(Cut::Random { seed }),
        (Some("random"), None) => Ok(Cut::Random { seed: fresh_seed() }),
        (_, Some(_)) => bail!("--seed goes with --cut random"),
        (None, None) => Ok(Cut::AsRead),
        (Some(len), None) => match len.parse() {
            Ok(len) if len > 0 => Ok(Cut::Every(len)),
            _ => bail!("--cut takes a number of bytes from 1 up, or `random`, not `{len}`"),
        },
    }
}

/// A seed that differs in the next run; short, since a person may type it.
fn fresh_seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::from(now.subsec_nanos())
}

/// Returns the addresses of a name: those of this computer only, unless `--allow-remote` is given.
pub fn addresses(option: &str, addr: &str, allow_remote: bool) -> Result<Vec<SocketAddr>> {
    let addrs = addr.to_socket_addrs().map_err(|error| {
        anyhow!("{option} {addr}: {error}: an address looks like 127.0.0.1:9006")
    })?;
    let addrs: Vec<SocketAddr> = addrs.collect();
    if !allow_remote && !addrs.iter().all(|addr| addr.ip().is_loopback()) {
        bail!(
            "{option} {addr}: not a loopback address; \
             pass --allow-remote to permit this"
        );
    }
    Ok(addrs)
}

/// Refuses to pass on to where the tap itself listens: each connection would lead to another.
fn not_to_itself(listen: &[SocketAddr], upstream: &[SocketAddr]) -> Result<()> {
    let is_itself = |here: &SocketAddr, to: &SocketAddr| {
        let local =
            here.ip().is_unspecified() && (to.ip().is_loopback() || to.ip().is_unspecified());
        here.port() != 0 && here.port() == to.port() && (here.ip() == to.ip() || local)
    };
    let same = upstream.iter().find(|to| listen.iter().any(|here| is_itself(here, to)));
    same.map_or(Ok(()), |addr| {
        let other = SocketAddr::new(addr.ip(), addr.port().saturating_add(100));
        bail!(text!("tap.itself", addr, other))
    })
}

fn cannot_listen(options: &Options, error: &io::Error) -> anyhow::Error {
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => "stop the program that has it, or choose another port",
        io::ErrorKind::AddrNotAvailable => "this computer has no such address",
        io::ErrorKind::PermissionDenied => "choose a port above 1023",
        _ => return anyhow!("--listen {}: {error}", options.listen),
    };
    anyhow!("--listen {}: {}: {advice}", options.listen, error.kind())
}

/// Turns events into text.
struct Screen {
    /// What the times count from; `None` leaves them out, and the clients' ports.
    start: Option<Instant>,
    /// Whether bytes are shown as lines of text.
    text: bool,
    /// How many bytes went each way on each connection.
    offsets: HashMap<(usize, Direction), usize>,
}

impl Screen {
    /// The lines for one event, each with its ending.
    fn show(&mut self, connection: usize, event: &Event) -> String {
        let elapsed = self.start.map(|start| start.elapsed().as_secs_f64());
        let time = elapsed.map_or(String::new(), |seconds| format!("{seconds:.3}  "));
        let what = match event {
            Event::Connected { peer_addr } => match self.start {
                Some(_) => format!("connected from {peer_addr}\n"),
                None => format!("connected from {}\n", peer_addr.ip()),
            },
            Event::Unreachable { error } => {
                // A kind has the same name on all systems; what is no matter of networks has none.
                let why = match error.kind() {
                    kind @ (io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::HostUnreachable
                    | io::ErrorKind::NetworkUnreachable
                    | io::ErrorKind::TimedOut) => kind.to_string(),
                    _ => error.to_string(),
                };
                format!("closed: the server cannot be reached: {why}\n")
            }
            Event::NotAccepted { error } => text!("tap.not-accepted", error) + "\n",
            Event::Piece { direction, bytes } => {
                let offset = self.offsets.entry((connection, *direction)).or_default();
                let shown = if self.text { text(bytes) } else { dump(*offset, bytes) };
                *offset += bytes.len();
                let (len, plural) = (bytes.len(), if bytes.len() == 1 { "" } else { "s" });
                format!("{}  {len} byte{plural}\n{shown}", arrow(*direction))
            }
            Event::End { direction } => {
                self.offsets.remove(&(connection, *direction));
                format!("{}  end of file\n", arrow(*direction))
            }
            Event::Reset { direction } => {
                self.offsets.retain(|(number, _), _| *number != connection);
                format!("{}  reset\n", arrow(*direction))
            }
        };
        format!("{time}#{connection}  {what}")
    }
}

fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::ToServer => "client → server",
        Direction::ToClient => "server → client",
    }
}

/// The bytes, 16 on a line, as `hexdump -C` shows them: offset, hex, text.
pub fn dump(offset: usize, bytes: &[u8]) -> String {
    let mut text = String::new();
    for (index, line) in bytes.chunks(BYTES_PER_LINE).enumerate() {
        let mut hex = String::new();
        for (column, byte) in line.iter().enumerate() {
            let gap = if column == BYTES_PER_LINE / 2 { " " } else { "" };
            let _ = write!(hex, "{gap}{byte:02x} "); // cannot fail
        }
        let shown = |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { '.' };
        let readable: String = line.iter().map(shown).collect();
        let at = offset + index * BYTES_PER_LINE;
        let _ = writeln!(text, "  {at:08x}  {hex:<HEX_WIDTH$} |{readable}|"); // cannot fail
    }
    text
}

/// The bytes as text, a line for each of theirs. What cannot be printed is escaped, and so is a
/// backslash; bytes that are not UTF-8 are escaped one by one.
fn text(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        text.push_str("  \"");
        for chunk in line.utf8_chunks() {
            text.push_str(&printable(&chunk.valid().replace('\\', r"\\")));
            let _ = write!(text, "{}", chunk.invalid().escape_ascii()); // cannot fail
        }
        text.push_str("\"\n");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dump_looks_as_hexdump_shows_it() {
        let bytes: Vec<u8> = (0x5e..0x80).collect();
        assert_eq!(
            dump(0x103, &bytes),
            "  \
  00000103  5e 5f 60 61 62 63 64 65  66 67 68 69 6a 6b 6c 6d  |^_`abcdefghijklm|
  00000113  6e 6f 70 71 72 73 74 75  76 77 78 79 7a 7b 7c 7d  |nopqrstuvwxyz{|}|
  00000123  7e 7f                                             |~.|
"
        );
    }

    #[test]
    fn text_has_a_line_for_each_of_its_lines_and_shows_where_one_ends() {
        assert_eq!(text(b"hello\n"), "  \"hello\\n\"\n");
        assert_eq!(
            text("a \"b\"\r\n\n你好, ü \\ 'c' \u{1b}[2J\0 not the end".as_bytes()),
            r#"  "a "b"\r\n"
  "\n"
  "你好, ü \\ 'c' \u{1b}[2J\0 not the end"
"#
        );
        assert_eq!(text(b"\xe4\xbd"), "  \"\\xe4\\xbd\"\n", "a part of a character");
    }

    #[test]
    fn a_tap_does_not_pass_on_to_itself() {
        let addr = |text: &str| text.parse::<SocketAddr>().unwrap();
        for (listen, to, refused) in [
            ("127.0.0.1:9003", "127.0.0.1:9003", true),
            ("0.0.0.0:9003", "127.0.0.1:9003", true),
            ("[::1]:9003", "[::1]:9003", true),
            ("127.0.0.1:9103", "127.0.0.1:9003", false),
            ("127.0.0.1:0", "127.0.0.1:9003", false),
            ("127.0.0.2:9003", "127.0.0.1:9003", false),
            ("0.0.0.0:9003", "192.0.2.1:9003", false),
        ] {
            let result = not_to_itself(&[addr(listen)], &[addr(to)]);
            assert_eq!(result.is_err(), refused, "{listen} {to}");
        }
    }

    #[test]
    fn each_direction_of_each_connection_has_its_own_offsets() {
        let mut screen = Screen { start: None, text: false, offsets: HashMap::new() };
        let piece = |direction| Event::Piece { direction, bytes: b"abc" };
        let mut offset = |connection, direction| {
            let text = screen.show(connection, &piece(direction));
            text.lines().nth(1).unwrap()[2..10].to_owned()
        };
        assert_eq!(offset(1, Direction::ToServer), "00000000");
        assert_eq!(offset(1, Direction::ToServer), "00000003");
        assert_eq!(offset(1, Direction::ToClient), "00000000");
        assert_eq!(offset(2, Direction::ToServer), "00000000");
        assert_eq!(offset(1, Direction::ToServer), "00000006");
    }

    #[test]
    fn cuts_are_a_number_of_bytes_or_random() {
        assert_eq!(cut(None, None).unwrap(), Cut::AsRead);
        assert_eq!(cut(Some("3"), None).unwrap(), Cut::Every(3));
        assert_eq!(cut(Some("random"), Some(7)).unwrap(), Cut::Random { seed: 7 });
        assert!(matches!(cut(Some("random"), None).unwrap(), Cut::Random { .. }));
        for wrong in ["0", "-1", "three"] {
            assert!(cut(Some(wrong), None).is_err(), "{wrong}");
        }
        assert!(cut(Some("3"), Some(7)).is_err());
    }
}
