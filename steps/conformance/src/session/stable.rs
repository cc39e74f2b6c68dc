//! What changes from run to run in the output of programs, replaced by stable values.

use std::fmt::Write as _;
use std::net::SocketAddr;

use crate::check;

/// The time that replaces all times.
const TIME: &str = "2026-11-23 08:23:04";

/// The first stable port.
const FIRST_PORT: usize = 50001;

/// The first stable number from which one side of a connection counts its bytes; the next one is
/// twice as large.
const FIRST_SEQUENCE: u32 = 1_000_000_000;

/// A smaller sequence number is one that tcpdump counts from the connection's beginning.
const SMALLEST_SEQUENCE: u32 = 100_000;

/// Replaces what changes from run to run:
///
/// - ports by 50001, 50002, … in the order of appearance. These are the ephemeral ones, which the
///   systems choose above 10,000; the steps' own are below;
/// - times by one time;
/// - in the lines of tcpdump, the random numbers from which each side counts its bytes. The options,
///   which contain clocks, are left out;
/// - in the lines of ss, the widths of the columns, which depend on the terminal.
///
/// Blanks at the end of a line, which no reader sees, are removed.
#[derive(Clone, Default)]
pub(super) struct Stable {
    ports: Vec<String>,
    /// The random numbers from which the sides of the connections count their bytes.
    sequences: Vec<u32>,
    /// The addresses that the programs have announced, if their ports are not ephemeral. An ephemeral
    /// port is not needed again, and the system may have given it to another program by now.
    pub(super) listened: Vec<SocketAddr>,
}

impl Stable {
    pub(super) fn replace(&mut self, line: &str) -> String {
        let line = line.trim_end();
        if let Some(segment) = self.segment(line) {
            return segment;
        }
        let row = socket(line);
        let line = row.as_deref().unwrap_or(line);
        let mut parts = line.split(':');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let after_host = text.ends_with(|c: char| c.is_ascii_digit() || c == ']');
            text.push(':');
            let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (port, rest) = part.split_at(digits);
            if after_host {
                let port = self.port(port);
                let _ = write!(text, "{port}{rest}"); // cannot fail
            } else {
                text.push_str(part);
            }
        }
        if text == line {
            self.listened.extend(line.strip_prefix("listening on ").and_then(check::addr));
        }
        stable_times(&text)
    }

    /// Replaces the same in bytes that may be lines, without an effect on what is replaced later.
    pub(super) fn in_bytes(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stable = self.clone();
        let mut replaced = Vec::new();
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            match std::str::from_utf8(line) {
                Ok(text) => {
                    replaced.extend(stable.replace(text).bytes());
                    replaced.extend(text[text.trim_end().len()..].bytes());
                }
                Err(_) => replaced.extend(line),
            }
        }
        replaced
    }

    /// The stable port for an ephemeral one; any other stays.
    fn port(&mut self, port: &str) -> String {
        if port.len() != 5 {
            return port.to_owned();
        }
        let known = self.ports.iter().position(|seen| seen == port);
        let index = known.unwrap_or_else(|| {
            self.ports.push(port.to_owned());
            self.ports.len() - 1
        });
        (FIRST_PORT + index).to_string()
    }

    /// A line of tcpdump about a TCP segment, such as
    /// `IP 127.0.0.1.41234 > 127.0.0.1.9001: Flags [S], seq 2271560481, win 65495, options […], length 0`.
    fn segment(&mut self, line: &str) -> Option<String> {
        let (ends, about) = line.split_once(": Flags [")?;
        let (from, to) = ends.strip_prefix("IP ")?.split_once(" > ")?;
        let [from, to] = [from, to].map(|end| self.end(end));
        let (about, after_options) = match about.split_once(", options [") {
            Some((about, options)) => (about, options.split_once(']')?.1),
            None => (about, ""),
        };
        let mut text = format!("IP {from} > {to}: Flags [");
        let mut is_sequence = false;
        for word in about.split(' ') {
            let digits = word.trim_end_matches(',');
            match digits.parse() {
                Ok(number) if is_sequence && number >= SMALLEST_SEQUENCE => {
                    let _ = write!(text, "{}{}", self.sequence(number), &word[digits.len()..]);
                }
                _ => text.push_str(word),
            }
            text.push(' ');
            is_sequence = matches!(word, "seq" | "ack");
        }
        Some(text.trim_end().to_owned() + after_options)
    }

    /// An address as tcpdump writes it, with the port after a dot.
    fn end(&mut self, end: &str) -> String {
        let (host, port) = end.rsplit_once('.').unwrap_or((end, ""));
        format!("{host}.{}", self.port(port))
    }

    /// The stable number for one from which a side counts its bytes, or for the one after it.
    fn sequence(&mut self, number: u32) -> u32 {
        let after = |first: &u32| Some(number.wrapping_sub(*first)).filter(|after| *after <= 1);
        let known =
            self.sequences.iter().enumerate().find_map(|(i, first)| Some((i, after(first)?)));
        let (index, after) = known.unwrap_or_else(|| {
            self.sequences.push(number);
            (self.sequences.len() - 1, 0)
        });
        (0..index).fold(FIRST_SEQUENCE, |first, _| first.wrapping_add(FIRST_SEQUENCE)) + after
    }
}

/// A line of ss about a socket, or the line above its columns, with columns of our own widths.
fn socket(line: &str) -> Option<String> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let columns = match &words[..] {
        ["State", "Recv-Q", ..] => {
            ["State", "Recv-Q", "Send-Q", "Local Address:Port", "Peer Address:Port"]
        }
        [state, recv, send, local, peer]
            if [recv, send].iter().all(|queue| queue.parse::<u32>().is_ok())
                && [local, peer].iter().all(|addr| addr.contains(':')) =>
        {
            [*state, *recv, *send, *local, *peer]
        }
        _ => return None,
    };
    let [state, recv, send, local, peer] = columns;
    Some(format!("{state:<11} {recv:<7} {send:<7} {local:<19} {peer}"))
}

/// Replaces each time of the form `2026-11-23 08:23:04` by that very time.
fn stable_times(line: &str) -> String {
    let is_time = |text: &str| {
        let same =
            |(c, form): (char, char)| c == form || c.is_ascii_digit() && form.is_ascii_digit();
        text.chars().zip(TIME.chars()).all(same)
    };
    let mut text = String::new();
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        match rest.split_at_checked(TIME.len()) {
            Some((time, after)) if is_time(time) => {
                text.push_str(TIME);
                rest = after;
            }
            _ => {
                text.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ephemeral_ports_get_stable_numbers_and_others_stay() {
        let mut stable = Stable::default();
        assert_eq!(stable.replace("listening on 127.0.0.1:9003"), "listening on 127.0.0.1:9003");
        assert_eq!(stable.replace("127.0.0.1:41234 connected"), "127.0.0.1:50001 connected");
        assert_eq!(stable.replace("a [::1]:60001: \"x:12345\""), "a [::1]:50002: \"x:12345\"");
        assert_eq!(stable.replace("127.0.0.1:41234 left: bye"), "127.0.0.1:50001 left: bye");
        assert_eq!(stable.replace("at 08:23:04 plain"), "at 08:23:04 plain");
        assert_eq!(stable.replace("blanks at the end  "), "blanks at the end");
        let bytes = stable.in_bytes(b"127.0.0.1:41234 x \n\xff\n127.0.0.1:12345");
        assert_eq!(bytes, b"127.0.0.1:50001 x \n\xff\n127.0.0.1:50003");
        assert_eq!(stable.replace("127.0.0.1:41235"), "127.0.0.1:50003");
    }

    #[test]
    fn times_get_a_stable_value_and_what_only_looks_like_one_stays() {
        assert_eq!(stable_times("1999-12-31 23:59:59 hello"), format!("{TIME} hello"));
        assert_eq!(
            stable_times("Grüße: 2030-01-02 03:04:05 since 2031-01-02 03:04:05"),
            format!("Grüße: {TIME} since {TIME}")
        );
        for other in ["", "2030-01-02", "2030-01-02 03:04", "2030-01-02T03:04:05", "ü2030-01-02"] {
            assert_eq!(stable_times(other), other);
        }
        let came = "2030-01-02 03:04:05 *** 127.0.0.1:41234 joined";
        let stable = Stable::default().replace(came);
        assert_eq!(stable, format!("{TIME} *** 127.0.0.1:50001 joined"));
    }

    #[test]
    fn the_columns_of_ss_have_the_same_width_everywhere() {
        let mut stable = Stable::default();
        let header = "State Recv-Q Send-Q Local Address:Port Peer Address:PortProcess";
        let row = "TIME-WAIT 0    0   127.0.0.1:9003  127.0.0.1:41234";
        for (came, expected) in [
            (header, "State       Recv-Q  Send-Q  Local Address:Port  Peer Address:Port"),
            (row, "TIME-WAIT   0       0       127.0.0.1:9003      127.0.0.1:50001"),
            ("one 2 3 four  five", "one 2 3 four  five"),
        ] {
            assert_eq!(stable.replace(came), expected);
        }
    }

    #[test]
    fn a_segment_keeps_what_the_reader_can_see_again() {
        let mut stable = Stable::default();
        let (here, there) = ("127.0.0.1.41234", "127.0.0.1.9001");
        let options = "options [mss 65495,sackOK,TS val 7 ecr 0,nop,wscale 7]";
        for (came, expected) in [
            (
                format!(
                    "IP {here} > {there}: Flags [S], seq 4271560481, win 65495, {options}, length 0"
                ),
                "IP 127.0.0.1.50001 > 127.0.0.1.9001: Flags [S], seq 1000000000, win 65495, length 0",
            ),
            (
                format!(
                    "IP {there} > {here}: Flags [S.], seq 271560, ack 4271560482, win 65483, {options}, length 0"
                ),
                "IP 127.0.0.1.9001 > 127.0.0.1.50001: Flags [S.], seq 2000000000, ack 1000000001, win 65483, length 0",
            ),
            (
                format!("IP {here} > {there}: Flags [P.], seq 1:6, ack 1, win 512, length 5"),
                "IP 127.0.0.1.50001 > 127.0.0.1.9001: Flags [P.], seq 1:6, ack 1, win 512, length 5",
            ),
        ] {
            assert_eq!(stable.replace(&came), expected);
        }
    }
}
