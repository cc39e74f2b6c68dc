//! The same messages over UDP: datagrams.
//!
//! New here: no stream, no connection. One send makes one datagram, and one receive takes one.
//!
//! ```text
//! sender                              receiver
//!   | -- [a b c d e] --------------> |   one receive
//!   | -- [f g h i j] --------------> |   one receive
//!   | -- [k l m n o] --------------> |   one receive
//! ```
//!
//! Still wrong: bytes that do not fit into the read buffer are lost, and a datagram that is too long
//! is not sent. Between two computers, a datagram may get lost, arrive twice, or overtake another.
//! Here none does: both ends are in one program, and the receive buffer has room for all of them.

use std::io;
use std::net::{Ipv4Addr, UdpSocket};

use crate::stream::{DEADLINE, Plan, say_late};
use crate::table;

/// The most bytes that a datagram can carry over IPv4. The largest packet has 65,535; its IP header
/// takes at least 20 of them, and the UDP header 8 (RFC 791, RFC 768).
const MAX_DATAGRAM_LEN: usize = 65_535 - 20 - 8;
/// Room for every datagram, in bytes.
const ANY_DATAGRAM_LEN: usize = 65_535;
/// The length of a datagram that is received with too little room, in bytes.
const CUT_LEN: usize = 20;
/// The room for it, in bytes.
const CUT_ROOM: usize = 8;

/// The system's code for "message too long": `EMSGSIZE`, on Windows `WSAEMSGSIZE`.
const TOO_LONG: i32 = if cfg!(windows) {
    10040
} else if cfg!(target_os = "linux") {
    90
} else {
    40
};

/// Sends datagrams, receives them, and prints what became of each.
pub fn run(plan: Plan) -> io::Result<()> {
    let receiver = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    let sender = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    // No handshake: this only sets the peer's address, and filters out datagrams from others.
    sender.connect(receiver.local_addr()?)?;
    receiver.connect(sender.local_addr()?)?;
    receiver.set_read_timeout(Some(DEADLINE))?;

    let one = |message_len, read_len| Plan { messages: 1, message_len, read_len };
    let mut rows = Vec::new();
    for plan in [
        plan,
        one(CUT_LEN, CUT_ROOM),
        one(MAX_DATAGRAM_LEN, ANY_DATAGRAM_LEN),
        one(MAX_DATAGRAM_LEN + 1, ANY_DATAGRAM_LEN),
    ] {
        for [sent, room, got, result] in exchange(&sender, &receiver, plan)? {
            rows.push([(rows.len() + 1).to_string(), sent, room, got, result]);
        }
    }
    table::print(["#", "sent", "room", "got", "result"], &rows)
}

// ANCHOR: exchange
/// Sends all messages, then receives as many as were sent; reports what became of each.
fn exchange(sender: &UdpSocket, receiver: &UdpSocket, plan: Plan) -> io::Result<Vec<[String; 4]>> {
    let messages = plan.to_messages();
    let sends: Vec<_> = messages.iter().map(|message| sender.send(message)).collect();
    let mut rows = Vec::new();
    for (message, send) in messages.iter().zip(sends) {
        let sent = message.len().to_string();
        if let Err(error) = send {
            rows.push([sent, String::new(), String::new(), refused(&error)]);
            continue;
        }
        let got = receive(receiver, plan.read_len)?;
        let room = plan.read_len.to_string();
        rows.push([sent, room, got.len().to_string(), compare(message, &got)?]);
    }
    Ok(rows)
}
// ANCHOR_END: exchange

// ANCHOR: receive
/// Receives one datagram: all of it, or as much as fits into `room` bytes.
fn receive(receiver: &UdpSocket, room: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0; room];
    match receiver.recv(&mut buffer) {
        Ok(len) => buffer.truncate(len),
        // Windows fills the buffer, and then reports that the rest is lost. Linux and macOS do not.
        Err(error) if error.raw_os_error() == Some(TOO_LONG) => {}
        Err(error) => return Err(say_late(error)),
    }
    Ok(buffer)
}
// ANCHOR_END: receive

/// Describes what became of a datagram that was sent.
fn compare(sent: &[u8], got: &[u8]) -> io::Result<String> {
    match sent.strip_prefix(got) {
        Some([]) => Ok("whole".to_owned()),
        Some(rest) => Ok(format!("cut: {} lost", rest.len())),
        None => Err(io::Error::new(io::ErrorKind::InvalidData, "other bytes came than were sent")),
    }
}

/// Describes why a datagram was not sent, in the same words on every system if possible.
fn refused(error: &io::Error) -> String {
    match error.raw_os_error() {
        Some(TOO_LONG) => "too long".to_owned(),
        _ => error.to_string(),
    }
}
