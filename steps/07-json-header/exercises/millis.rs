//! A solution: answers that say how long the command ran. Files and the choice of a timeout are left
//! out.
//!
//! ```text
//! client                                                       server
//!   | -- 00 00 00 25  {"request":"run","command":"echo hi"} -----> |     a frame: the header
//!   | <- 00 00 00 49  {…,"size":3,…,"millis":2} ------------------ |     a frame: the header
//!   | <- h i \n -------------------------------------------------- |     the body: 3 bytes
//! ```

use std::io::{self, Take, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::body::write_body;
use crate::command::{Output, run_command};
use crate::frame::read_frame;
use crate::header::{Answer, one_line, parse_header, write_header};

// They are whole files of the step, of which only a part is needed here.
#[allow(dead_code)]
#[path = "../src/body.rs"]
mod body;
#[path = "../src/command.rs"]
mod command;
#[allow(dead_code)]
#[path = "../src/frame.rs"]
mod frame;
#[allow(dead_code)]
#[path = "../src/header.rs"]
mod header;
#[path = "../src/shell.rs"]
mod shell;

/// How long a command may run.
const TIMEOUT: Duration = Duration::from_secs(30);

/// What a client can ask for.
#[derive(Deserialize)]
#[serde(tag = "request", rename_all = "lowercase")]
enum Request {
    Run { command: String },
}

/// The header of an answer: all that it said before, and one field more. In the step, this field
/// would stand in `Answer` itself.
#[derive(Serialize)]
struct TimedAnswer {
    #[serde(flatten)]
    answer: Answer,
    /// How long the command ran, in milliseconds. A client that looks for it takes an
    /// `Option<u64>`: servers that do not say it are still there.
    millis: Option<u64>,
}

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9007".to_owned());
    let listener = TcpListener::bind(addr)?;
    let local_addr = listener.local_addr()?;
    if !local_addr.ip().is_loopback() {
        let message = "others could connect there and run any command here, as you";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    writeln!(io::stdout(), "listening on {local_addr}")?;

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
        let output = parse_header(&frame)
            .and_then(|Request::Run { command }| run_command(&command, TIMEOUT));
        let millis = start.elapsed().as_millis();
        let (answer, body) = match output {
            Ok(output) => (describe(&output), output.parts),
            Err(error) => {
                let error = Some(one_line(&error.to_string()));
                (Answer { error, ..Answer::default() }, Vec::new())
            }
        };
        write_header(&mut stream, &TimedAnswer { answer, millis: millis.try_into().ok() })?;
        write_body(&mut stream, body)?;
    }
    Ok(())
}

/// What the header says of a command's output, as in the step.
fn describe(output: &Output) -> Answer {
    let stopped = || format!("the command ran longer than {TIMEOUT:?} and was stopped");
    Answer {
        size: output.parts.iter().map(Take::limit).sum(),
        status: output.status.and_then(|status| status.code()),
        error: output.status.is_none().then(stopped),
        ..Answer::default()
    }
}
