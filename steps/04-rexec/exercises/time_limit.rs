//! A solution: the server of step 04, which stops a command that runs too long.
//!
//! ```text
//! client                     server
//!   | -- s l e e p   6 0 ---> |     the shell, and `sleep`: one process group
//!   | <------- s t o p p e d -|     two seconds later, the group is killed
//! ```

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::shell::shell;

// Files of the step, used here as well.
#[path = "../src/loopback.rs"]
mod loopback;
#[path = "../src/shell.rs"]
mod shell;

/// The most bytes of a command line.
const MAX_COMMAND_LEN: usize = 1024;

/// How long a command may run.
const TIME_LIMIT: Duration = Duration::from_secs(2);

fn main() -> io::Result<()> {
    let addr = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9004".to_owned());
    let listener = loopback::bind(&addr, false)?;
    writeln!(io::stdout(), "listening on {}", listener.local_addr()?)?;

    loop {
        let (stream, peer_addr) = listener.accept()?; // waits for a client
        if let Err(error) = handle_connection(stream) {
            writeln!(io::stdout(), "{peer_addr} lost: {error}")?;
        }
    }
}

/// Runs each command that arrives, until the client has left.
fn handle_connection(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; MAX_COMMAND_LEN + 1]; // one more byte, to notice a command that is too long
    loop {
        let len = stream.read(&mut buffer)?; // waits for bytes
        if len == 0 {
            return Ok(()); // end of file: the client sends no more
        }
        let answer = run_command(check(&buffer[..len])?)?;
        stream.write_all(&answer)?;
    }
}

/// Returns what the command wrote to stdout, and then to stderr; or that it was stopped.
fn run_command(command_line: &str) -> io::Result<Vec<u8>> {
    let mut command = shell(command_line);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0); // to be killed as a whole
    let child = command.spawn()?;
    let id = child.id();

    // `std` cannot wait for a process with a time limit, but it can wait for a message with one.
    let (sender, outputs) = mpsc::channel();
    thread::spawn(move || sender.send(child.wait_with_output()));
    if let Ok(output) = outputs.recv_timeout(TIME_LIMIT) {
        let output = output?;
        return Ok([output.stdout, output.stderr].concat());
    }
    // Until the thread has seen the end of the output, it does not wait for the process, so no other
    // process can have its number.
    kill_with_children(id)?;
    Ok(b"stopped\n".to_vec())
}

/// Kills the shell and what it has started, which would continue without it.
fn kill_with_children(id: u32) -> io::Result<()> {
    let mut kill = if cfg!(windows) {
        shell(&format!("taskkill /T /F /PID {id}"))
    } else {
        shell(&format!("kill -s KILL -- -{id}")) // with the minus sign, it is the number of a group
    };
    // The status does not matter, only that the command ends.
    kill.stdout(Stdio::null()).stderr(Stdio::null()).status().map(drop)
}

/// Returns the command line, or an error if our client would not have sent it, as when a browser did.
fn check(bytes: &[u8]) -> io::Result<&str> {
    let refused = |reason: &str| Err(io::Error::new(ErrorKind::InvalidData, reason));
    let Ok(text) = str::from_utf8(bytes) else {
        return refused("a command must be UTF-8");
    };
    // `GET /`, `OPTIONS *`, `POST http`
    let is_http = text.split_once(' ').is_some_and(|(method, target)| {
        !method.is_empty()
            && method.bytes().all(|byte| byte.is_ascii_uppercase())
            && ["/", "*", "http"].iter().any(|start| target.starts_with(start))
    });
    if is_http {
        return refused("an HTTP request is not a command");
    }
    if text.contains(|c: char| c.is_ascii_control()) {
        return refused("a command must not have control characters");
    }
    if text.len() > MAX_COMMAND_LEN {
        return refused(&format!("a command has at most {MAX_COMMAND_LEN} bytes"));
    }
    Ok(text)
}
