//! Lines of input, from the keyboard or from a file.

use std::io::{self, BufRead, IsTerminal, Read, Write};

/// The most bytes of a line: 32 MiB, which is more than any step sends. Without a limit, an input that
/// has no newline would fill the memory.
const MAX_LEN: usize = 32 * 1024 * 1024;

/// Returns the next line of the input without its line ending, or `None` at the end of the input.
///
/// A line is bytes: the input need not be UTF-8. The prompt appears only on a terminal.
pub fn read_line() -> io::Result<Option<Vec<u8>>> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        write!(io::stdout(), "> ")?;
        io::stdout().flush()?;
    }
    let mut line = Vec::new();
    if stdin.lock().take(MAX_LEN as u64).read_until(b'\n', &mut line)? == 0 {
        if stdin.is_terminal() {
            writeln!(io::stdout())?; // the shell's prompt begins on a line of its own
        }
        return Ok(None);
    }
    if line.len() == MAX_LEN {
        return Err(io::Error::other("a line of the input is longer than 32 MiB"));
    }
    if line.ends_with(b"\n") {
        line.pop();
    }
    if line.ends_with(b"\r") {
        line.pop(); // Windows ends its lines with \r\n.
    }
    Ok(Some(line))
}
