//! A solution: answers that state how long the command ran.
//!
//! ```text
//! client                                                       server
//!   | -- 00 00 00 25  {"request":"run","command":"echo hi"} -----> |     a frame: the header
//!   | <- 00 00 00 2d  {"size":3,…,"millis":2} -------------------- |     a frame: the header
//!   | <- h i \n -------------------------------------------------- |     the body: 3 bytes
//! ```

use std::io::{self, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Instant;

use serde::Serialize;

use crate::frame::read_frame;
use crate::header::{one_line, parse_header, write_header};
use crate::message::{Answer, Request};
use crate::shell::shell;

// These are whole files of the step; only a part of each is needed here.
#[allow(dead_code)]
#[path = "../src/frame.rs"]
mod frame;
#[allow(dead_code)]
#[path = "../src/header.rs"]
mod header;
#[path = "../src/loopback.rs"]
mod loopback;
#[path = "../examples/commands/message.rs"]
mod message;
#[path = "../src/shell.rs"]
mod shell;

/// The header of an answer: all fields that it had before, and one more. In the step, the new field
/// would be part of `Answer` itself.
#[derive(Serialize)]
struct TimedAnswer {
    #[serde(flatten)]
    answer: Answer,
    /// How long the command ran, in milliseconds. A client that looks for it takes an
    /// `Option<u64>`: there are still servers that do not send it.
    millis: Option<u64>,
}

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9007".to_owned());
    let listener = loopback::bind(&addr, false)?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;

    loop {
        let (stream, peer_addr) = listener.accept()?; // waits for a client
        if let Err(error) = handle_connection(stream) {
            writeln!(io::stdout(), "{peer_addr} lost: {error}")?;
        }
    }
}

/// Runs one command after another, until the client has left.
fn handle_connection(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?; // a header and its body are two writes
    while let Some(frame) = read_frame(&mut stream)? {
        let start = Instant::now();
        let output = parse_header(&frame).and_then(|Request::Run { command }| {
            shell(&command).stdin(Stdio::null()).output() // waits for the command
        });
        let millis = start.elapsed().as_millis().try_into().ok();
        let (answer, body) = match output {
            Ok(output) => {
                let body = [output.stdout, output.stderr].concat();
                let (size, status) = (body.len() as u64, output.status.code());
                (Answer { size, status, error: None }, body)
            }
            Err(error) => {
                let error = Some(one_line(&error.to_string()));
                (Answer { error, ..Answer::default() }, Vec::new())
            }
        };
        write_header(&mut stream, &TimedAnswer { answer, millis })?;
        stream.write_all(&body)?;
    }
    Ok(())
}
