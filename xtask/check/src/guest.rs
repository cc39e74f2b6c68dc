//! `cargo xtask guest`: a client that no step has. It talks a lot, does not read, or sends any bytes.
//!
//! What a shell does with `yes`, with a client that is stopped by Ctrl-Z, and with `printf` and `nc`, it does
//! in every terminal and on every system, and as often as its options state.

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::mem;
use std::net::{Shutdown, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow, bail};
use conformance::printable;
use socket2::{Domain, Socket, Type};

use crate::tap::dump;

/// The receive buffer of a guest that does not read, in bytes. The system would make it some megabytes
/// long, and it would take as long until the server notices.
const SMALL_BUFFER_LEN: usize = 4096;

/// The beginning of each line of a guest that talks. Its number follows.
const LINE: &str = "line ";

/// What can be chosen on the command line.
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cargo xtask guest 127.0.0.1:9009 --pause
  cargo xtask guest 127.0.0.1:9009 --say 1000 --rate 100
  cargo xtask guest 127.0.0.1:9009 --say 100000 --length 1000
  cargo xtask guest 127.0.0.1:9006 --bytes \"\\x00\\x00\\x00\\x07echo hi\"")]
pub struct Options {
    /// Address of the server
    addr: String,
    /// Read nothing until Enter is pressed
    #[arg(long, conflicts_with = "say")]
    pause: bool,
    /// Send this many lines, and leave
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(u32).range(1..))]
    say: Option<u32>,
    /// Send at most this many lines per second [default: as many as the room takes]
    #[arg(long, value_name = "LINES", requires = "say", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Length of each of these lines, in bytes
    #[arg(long, value_name = "BYTES", requires = "say", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=4096))]
    length: u16,
    /// Send these bytes and end of file, and show the answer as bytes; \xNN, \n, \r, \t, \0 and \\ are escapes
    #[arg(long, value_name = "BYTES", conflicts_with_all = ["say", "pause"], value_parser = bytes)]
    bytes: Option<Bytes>,
}

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Bytes(Vec<u8>);

/// Joins a room, and leaves it when everything has been sent, or when the server ends the connection.
pub fn run(options: &Options) -> Result<()> {
    let stream = connect(&options.addr, options.pause)?;
    let local_addr = stream.local_addr()?;
    if options.pause {
        writeln!(io::stdout(), "connected as {local_addr}; Enter begins to read")?;
        io::stdin().lock().skip_until(b'\n')?;
    } else {
        writeln!(io::stdout(), "connected as {local_addr}")?;
    }
    match (options.say, &options.bytes) {
        (Some(count), _) => say(&stream, count, options),
        (None, Some(Bytes(bytes))) => send(&stream, bytes),
        (None, None) => show(&stream),
    }
}

/// Connects to the first address that accepts, with a small receive buffer if that is wanted.
fn connect(addr: &str, is_slow: bool) -> Result<TcpStream> {
    let failed = |error: io::Error| anyhow!("{addr}: {error}");
    let mut last = anyhow!("{addr}: this name has no address");
    for addr in addr.to_socket_addrs().map_err(failed)? {
        match connect_to(addr, is_slow) {
            Ok(stream) => return Ok(stream),
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                last = anyhow!("{addr}: {}; start the server first", error.kind());
            }
            Err(error) => last = failed(error),
        }
    }
    Err(last)
}

fn connect_to(addr: SocketAddr, is_slow: bool) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM, None)?;
    if is_slow {
        socket.set_recv_buffer_size(SMALL_BUFFER_LEN)?; // counts only before connecting
    }
    socket.connect(&addr.into())?;
    socket.set_tcp_nodelay(true)?; // a line is a whole message
    Ok(socket.into())
}

/// The bytes that an argument describes, in the notation of Rust and Python.
fn bytes(argument: &str) -> Result<Bytes, String> {
    let mut bytes = Vec::new();
    let mut rest = argument;
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend(before.as_bytes());
        let (len, byte) = match after.chars().next() {
            Some('n') => (1, Some(b'\n')),
            Some('r') => (1, Some(b'\r')),
            Some('t') => (1, Some(b'\t')),
            Some('0') => (1, Some(0)),
            Some('\\') => (1, Some(b'\\')),
            Some('x') => (3, after.get(1..3).and_then(hex)),
            _ => (0, None),
        };
        let byte = byte.ok_or("a backslash begins \\xNN, \\n, \\r, \\t, \\0 or \\\\ only")?;
        bytes.push(byte);
        rest = &after[len..];
    }
    bytes.extend(rest.as_bytes());
    Ok(Bytes(bytes))
}

/// The byte that two hexadecimal digits mean.
fn hex(digits: &str) -> Option<u8> {
    let is_hex = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    u8::from_str_radix(digits, 16).ok().filter(|_| is_hex)
}

/// Sends the bytes and end of file, and shows the answer until the connection ends.
fn send(mut stream: &TcpStream, bytes: &[u8]) -> Result<()> {
    stream.write_all(bytes).context("the connection broke")?;
    stream.shutdown(Shutdown::Write).or_else(unless_ended)?;
    let mut buffer = [0; 1024];
    let mut offset = 0;
    loop {
        let len = stream.read(&mut buffer).context("the connection broke")?;
        if len == 0 {
            break;
        }
        write!(io::stdout(), "{}", dump(offset, &buffer[..len]))?;
        offset += len;
    }
    writeln!(io::stdout(), "the server closed the connection")?;
    Ok(())
}

/// It does not matter if the server has ended the connection already.
fn unless_ended(error: io::Error) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::NotConnected => Ok(()),
        _ => Err(error),
    }
}

/// Sends the lines, and meanwhile reads what the room sends.
fn say(stream: &TcpStream, count: u32, options: &Options) -> Result<()> {
    let reader = stream.try_clone()?;
    let length = usize::from(options.length);
    let own = format!("{} {LINE:.length$}", stream.local_addr()?);
    let heard = thread::Builder::new().spawn(move || Heard::read(reader, &own))?;
    let start = Instant::now();
    let said = talk(stream, count, options);
    let is_early = heard.is_finished();
    // The room sends all earlier lines, and then closes its side as well.
    stream.shutdown(Shutdown::Write).or_else(unless_ended)?;
    let (heard, ended) = heard.join().map_err(|_| anyhow!("the thread that reads has panicked"))?;
    let seconds = start.elapsed().as_secs_f64();
    let Heard { lines, own, last } = &heard;
    let is_refused = last.starts_with("error: ");
    // A room that shows no addresses, or other ones, is believed.
    let is_answered = *own == count || *own == 0 && !is_early && !is_refused;
    let ended = said.and(ended);
    if ended.is_err() || !is_answered {
        let last = if last.is_empty() { "" } else { &format!("; its last line: {last}") };
        // The room's own reason is better than that of the system.
        let cause = ended.err().filter(|_| !is_refused).map(|error| format!(": {error}"));
        let cause = cause.unwrap_or_default();
        bail!("the server ended the connection after {own} of {count} lines{cause}{last}");
    }
    writeln!(io::stdout(), "said {count} lines and heard {lines} in {seconds:.1} s")?;
    Ok(())
}

fn talk(mut stream: &TcpStream, count: u32, options: &Options) -> io::Result<()> {
    let start = Instant::now();
    for number in 1..=count {
        if let Some(rate) = options.rate {
            let due = start + Duration::from_secs(1) * (number - 1) / rate;
            thread::sleep(due.saturating_duration_since(Instant::now())); // the pace is what was asked for
        }
        let length = usize::from(options.length);
        let line = format!("{:.<length$.length$}\n", format!("{LINE}{number} "));
        stream.write_all(line.as_bytes())?;
    }
    Ok(())
}

/// What a guest that talks has heard.
#[derive(Debug, Default)]
struct Heard {
    lines: usize,
    /// How many of them are the guest's own, as rooms pass them on: `ADDR line 1 ...`.
    own: u32,
    /// The last one, as it can be printed.
    last: String,
}

impl Heard {
    /// Reads until the connection ends, and returns how it ended as well. The guest's own lines contain `own`.
    fn read(reader: impl Read, own: &str) -> (Self, io::Result<()>) {
        let (mut reader, mut heard) = (BufReader::new(reader), Self::default());
        let (mut line, mut next) = (Vec::new(), Vec::new());
        let ended = loop {
            next.clear();
            match reader.read_until(b'\n', &mut next) {
                Ok(0) => break Ok(()),
                Ok(_) => mem::swap(&mut line, &mut next),
                Err(error) => break Err(error),
            }
            heard.lines += 1;
            heard.own += u32::from(String::from_utf8_lossy(&line).contains(own));
        };
        heard.last = printable(String::from_utf8_lossy(&line).trim_end());
        (heard, ended)
    }
}

/// Shows what the room sends, until the connection ends.
fn show(stream: &TcpStream) -> Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).context("the connection broke")? > 0 {
        let text = String::from_utf8_lossy(&line);
        writeln!(io::stdout(), "{}", printable(text.trim_end_matches('\n')))?;
        line.clear();
    }
    writeln!(io::stdout(), "the server closed the connection")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_in_rust_and_python() {
        let sent = |argument| bytes(argument).map(|Bytes(bytes)| bytes);
        assert_eq!(sent(r"\x00\0\x0a\n\r\t\\é"), Ok(b"\0\0\n\n\r\t\\\xc3\xa9".to_vec()));
        assert_eq!(sent(r"\\x41 hi"), Ok(br"\x41 hi".to_vec()));
        for wrong in [r"\", r"\x", r"\x4", r"\xzz", r"\x+1", r"\q", r"\xé1"] {
            assert!(sent(wrong).is_err(), "{wrong}");
        }
    }
}
