//! The client at a terminal: an editor for the line that you type. Lines that arrive are printed above
//! it. This file is not part of the lesson.
//!
//! ```text
//! 2026-11-23 08:23:04 127.0.0.1:50002 hello       what arrives is printed above
//! > how are y                                     what you type stays in one piece
//! ```
//!
//! To do this, an editor switches the terminal to raw mode: it gets every key at once, and the terminal
//! shows only what it draws. Whatever ends the conversation, the terminal must be restored. So the end
//! of the connection is a signal to the editor, and the editor returns.

use std::borrow::Cow;
use std::convert::Infallible;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::net::{Shutdown, TcpStream};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crossterm::{cursor, terminal};
use reedline::{ExternalPrinter, Prompt, PromptEditMode, PromptHistorySearch, Reedline, Signal};
use unicode_width::UnicodeWidthChar;

use crate::client::{End, cannot_be_shown, say, say_no_more, show_lines, too_long};
use crate::line::MAX_LINE_LEN;

/// How often the editor looks for rows that have arrived.
const LOOK: Duration = Duration::from_millis(20);

/// How long the editor may take to return. If the terminal is gone, it never returns.
const MAX_END_TIME: Duration = Duration::from_secs(1);

/// How many rows may wait for the editor's next look. While there are more, nothing is read.
const MAX_ROWS: usize = 1000;

/// The columns of a screen that does not report its size.
const DEFAULT_WIDTH: u16 = 80;

/// The columns from one tab stop to the next.
const TAB: usize = 8;

/// The beginning of each further row of a line. Without it, a line with enough blanks could have a row
/// that looks like another line.
const INDENT: &str = "    ";

/// Returns whether there is a terminal to edit lines in: the editor draws on stderr.
pub fn is_possible() -> bool {
    io::stdin().is_terminal() && io::stdout().is_terminal() && io::stderr().is_terminal()
}

// ANCHOR: talk
/// Talks to the server, and returns which side has ended first.
pub fn talk(stream: TcpStream) -> io::Result<End> {
    let (arrived, waiting) = mpsc::sync_channel(MAX_ROWS);
    let waiting = Arc::new(Mutex::new(waiting));
    let must_return = Arc::new(AtomicBool::new(false));
    let interruption = Interruption::await_one(stream.try_clone()?)?;

    let from_server = stream.try_clone()?;
    let server_ended = Arc::clone(&must_return);
    let receiver = thread::Builder::new().spawn(move || {
        let shown = show_lines(&from_server, |line| {
            let line = line.unwrap_or_else(|bad| format!("error: {}", cannot_be_shown(&bad)));
            let mut rows = rows(&line, screen_width().into()).into_iter();
            rows.try_for_each(|row| arrived.send(row)).map_err(|_| ErrorKind::BrokenPipe.into())
        });
        server_ended.store(true, Ordering::Relaxed);
        shown
    })?;

    let printer = ExternalPrinter::new(MAX_ROWS);
    let (sender, unprinted) = (printer.sender(), printer.receiver().clone());
    let rows_waiting = Arc::clone(&waiting);
    let editor = Reedline::create()
        .with_ansi_colors(false)
        .with_poll_interval(LOOK)
        .with_break_signal(must_return)
        .with_idle_callback(Box::new(move || {
            for row in rows_to_print(&lock(&rows_waiting)) {
                let _ = sender.send(row); // the editor exists: it has called us
            }
        }))
        .with_external_printer(printer);
    let end = edit_lines(editor, &stream);
    say_no_more(&stream);
    // What the editor had no time to print, and what still arrives until the thread ends.
    for row in unprinted.try_iter().chain(lock(&waiting).iter()) {
        writeln!(io::stdout(), "{row}")?;
    }
    let how = receiver
        .join()
        .map_err(|_| io::Error::other("a thread of the client ended unexpectedly"))??;
    match end? {
        _ if interruption.has_come() => Ok(End::Input),
        End::Input => Ok(End::Input),
        _ => Ok(how), // the thread that reads knows whether there was a goodbye
    }
}
// ANCHOR_END: talk

/// Returns the rows that the editor can print now: the first that waits, or all of them if the
/// prompt is at the bottom of the screen, as it soon is.
///
/// Above the bottom, this editor can miscount two rows that arrive at once: it asks for the position of
/// the cursor before it has drawn them. So the next row waits until it looks again.
fn rows_to_print(waiting: &Receiver<String>) -> Vec<String> {
    let mut rows: Vec<String> = waiting.try_iter().take(1).collect();
    let is_at_bottom = || match (cursor::position(), terminal::size()) {
        (Ok((_, row)), Ok((_, height))) => row + 1 >= height,
        _ => false,
    };
    if !rows.is_empty() && is_at_bottom() {
        rows.extend(waiting.try_iter().take(MAX_ROWS - 1));
    }
    rows
}

/// Locks the rows that wait. Only one thread at a time asks for them.
fn lock(waiting: &Mutex<Receiver<String>>) -> MutexGuard<'_, Receiver<String>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

// ANCHOR: edit-lines
/// Sends the lines that are typed until one of them is `quit`, or Ctrl-C or Ctrl-D is pressed, or the
/// server has gone.
///
/// The editor controls the terminal only inside `read_line`, and restores it whenever that returns.
fn edit_lines(mut editor: Reedline, stream: &TcpStream) -> io::Result<End> {
    loop {
        let line = match editor.read_line(&Arrow)? {
            Signal::Success(line) if line.trim() == "quit" => return Ok(End::Input),
            Signal::Success(line) => line,
            Signal::ExternalBreak(_) => {
                writeln!(io::stdout())?; // after the line that was being typed
                return Ok(End::Server);
            }
            _ => return Ok(End::Input), // Ctrl-C or Ctrl-D
        };
        if line.len() > MAX_LINE_LEN {
            writeln!(io::stderr(), "error: {}", too_long())?;
        } else if say(stream, line.as_bytes()).is_err() {
            return Ok(End::Server);
        }
    }
}
// ANCHOR_END: edit-lines

/// Something outside ends the conversation: the system asks the program to end (for instance because
/// of Ctrl-C in another terminal), or the terminal is closed.
struct Interruption {
    has_come: Arc<AtomicBool>,
    /// Dropped at the end of the conversation.
    _in_time: Sender<Infallible>,
}

impl Interruption {
    /// Starts to wait for an interruption. It no longer ends the program at once, since the terminal
    /// must be restored first: it ends the connection, which makes the editor return.
    fn await_one(stream: TcpStream) -> io::Result<Self> {
        let has_come = Arc::new(AtomicBool::new(false));
        let (asked, requests) = mpsc::channel();
        #[cfg(unix)]
        tell_when_closed(asked.clone())?;
        let interrupted = move || {
            let _ = asked.send(()); // fails if the program is ending already
        };
        ctrlc::set_handler(interrupted).map_err(io::Error::other)?;

        let (in_time, ended) = mpsc::channel();
        let interrupted = Arc::clone(&has_come);
        thread::Builder::new().spawn(move || {
            if requests.recv().is_err() {
                return; // there is no terminal to ask
            }
            interrupted.store(true, Ordering::Relaxed);
            let _ = stream.shutdown(Shutdown::Both); // fails if the connection has ended already
            if ended.recv_timeout(MAX_END_TIME) == Err(RecvTimeoutError::Timeout) {
                let _ = terminal::disable_raw_mode(); // fails if the terminal is gone
                process::exit(0);
            }
        })?;
        Ok(Self { has_come, _in_time: in_time })
    }

    fn has_come(&self) -> bool {
        self.has_come.load(Ordering::Relaxed)
    }
}

/// Sends a request when the terminal is closed. The editor does not notice that, and would try to read
/// forever.
#[cfg(unix)]
fn tell_when_closed(asked: Sender<()>) -> io::Result<()> {
    use rustix::event::{PollFd, PollFlags, poll};
    use rustix::io::Errno;

    thread::Builder::new().spawn(move || {
        let stdin = io::stdin();
        // No flags: only a hang-up is reported, which needs none.
        let mut terminal = [PollFd::new(&stdin, PollFlags::empty())];
        while poll(&mut terminal, None) == Err(Errno::INTR) {}
        if terminal[0].revents().contains(PollFlags::HUP) {
            let _ = asked.send(()); // fails if the program is ending already
        }
    })?;
    Ok(())
}

/// Returns the columns of the screen; some terminals report none, or 0.
fn screen_width() -> u16 {
    terminal::size()
        .ok()
        .map(|(width, _)| width)
        .filter(|width| *width > 0)
        .unwrap_or(DEFAULT_WIDTH)
}

// ANCHOR: rows
/// Cuts a line into the rows that it has on a screen of this width: the editor moves down one row
/// for each text that it prints, so a text must not have more.
fn rows(line: &str, width: usize) -> Vec<String> {
    let indent = if width >= INDENT.len() + TAB { INDENT } else { "" };
    let mut rows = vec![String::new()];
    let mut column = 0;
    for c in line.chars() {
        // Some characters take two columns, some none. A tab leads to the next multiple of 8; it is
        // made of spaces here, since a tab erases nothing.
        let (text, columns) = match c {
            '\t' => (" ".repeat(TAB - column % TAB), TAB - column % TAB),
            c => (c.to_string(), c.width().unwrap_or(0)),
        };
        if column + columns > width && column > 0 {
            rows.push(indent.to_owned());
            column = indent.len();
        }
        rows.last_mut().expect("there is always one").push_str(&text);
        column += columns;
    }
    rows
}
// ANCHOR_END: rows

/// The prompt `> `, and nothing else.
struct Arrow;

impl Prompt for Arrow {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed("> ")
    }
    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }
    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed("")
    }
    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed("  ")
    }
    fn render_prompt_history_search_indicator(&self, _: PromptHistorySearch) -> Cow<'_, str> {
        Cow::Borrowed("search: ")
    }
}

#[cfg(test)]
mod tests {
    use super::rows;

    #[test]
    fn a_line_is_cut_into_the_rows_that_it_has_on_the_screen() {
        assert_eq!(rows("", 4), [""]);
        assert_eq!(rows("abcd", 4), ["abcd"]);
        assert_eq!(rows("abcde", 4), ["abcd", "e"]);
        assert_eq!(
            rows("\u{5bbd}\u{5bbd}\u{5bbd}", 5),
            ["\u{5bbd}\u{5bbd}", "\u{5bbd}"],
            "two columns each"
        );
        assert_eq!(rows("cafe\u{301}!", 4), ["cafe\u{301}", "!"], "an accent of no width");
        assert_eq!(rows("a\tb", 80), ["a       b"]);
        let blanks = " ".repeat(12);
        let forged = format!("{blanks}TIME *** bob left");
        assert_eq!(rows(&forged, 12), [&blanks, "    TIME ***", "     bob lef", "    t"]);
        assert_eq!(rows("a\tb\tTIME", 12), ["a       b", "           T", "    IME"]);
        assert_eq!(
            rows("\u{5bbd}", 1),
            ["\u{5bbd}"],
            "a screen that is too narrow is no reason to hang"
        );
    }
}
