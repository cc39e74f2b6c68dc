//! What a program writes, line by line, in bounded memory: its first and its last lines are kept.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::io::Read;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::show::printable;

/// How much of a program's output a failure shows, in lines from its end.
const SHOWN_LINES: usize = 40;

/// How many columns of a line a failure shows.
const SHOWN_CHARS: usize = 400;

/// How many bytes of lines are kept from the beginning, and as many from the end.
const KEPT_LEN: usize = 16 * 1024 * 1024;

/// How much is read at once, in bytes.
const CHUNK_LEN: usize = 64 * 1024;

/// A line that is longer is taken for several, in bytes.
const MAX_LINE_LEN: usize = 32 * 1024 * 1024;

/// What a line costs in addition to its bytes.
const LINE_COST: usize = 64;

/// What a program has written so far.
#[derive(Default)]
pub(crate) struct Output {
    state: Mutex<OutputState>,
    changed: Condvar,
}

/// Lines without their endings, each with how often it was repeated in a row.
pub(crate) type Run = (String, usize);

/// The lines, as runs of equal ones. A program that floods its output must not fill our memory: with
/// one line it makes one run, and of different lines those in the middle are dropped.
#[derive(Default)]
pub(crate) struct OutputState {
    first: Vec<Run>,
    first_len: usize,
    dropped: usize,
    last: VecDeque<Run>,
    last_len: usize,
    /// The beginning of a line whose end has not arrived, such as a prompt.
    begun: Vec<u8>,
    /// How many lines there were.
    pub(crate) lines: usize,
    /// Whether nothing more can arrive.
    pub(crate) ended: bool,
}

impl Output {
    pub(crate) fn lock(&self) -> MutexGuard<'_, OutputState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the program's output to its end. On Linux, the end of a terminal is an error.
    pub(crate) fn collect(&self, mut reader: impl Read) {
        let mut chunk = vec![0; CHUNK_LEN];
        while let Ok(len) = reader.read(&mut chunk)
            && len > 0
        {
            let mut state = self.lock();
            let pieces = chunk[..len].split_inclusive(|byte| *byte == b'\n');
            pieces.for_each(|piece| state.add(piece));
            drop(state);
            self.changed.notify_all();
        }
        let mut state = self.lock();
        state.end_line();
        state.ended = true;
        drop(state);
        self.changed.notify_all();
    }

    /// Waits until `done`, or until the deadline has passed.
    pub(crate) fn wait_until(
        &self,
        deadline: Duration,
        done: impl Fn(&OutputState) -> bool,
    ) -> MutexGuard<'_, OutputState> {
        let end = Instant::now() + deadline;
        let mut state = self.lock();
        while !done(&state) {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state
    }
}

impl OutputState {
    /// Adds a piece of a line, which may be its end.
    fn add(&mut self, piece: &[u8]) {
        self.begun.extend_from_slice(piece);
        if self.begun.ends_with(b"\n") || self.begun.len() >= MAX_LINE_LEN {
            self.end_line();
        }
    }

    /// Takes the line that was begun, if there is one, for a whole one.
    fn end_line(&mut self) {
        let line = std::mem::take(&mut self.begun);
        if line.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        self.push(text.strip_suffix('\r').unwrap_or(text));
    }

    fn push(&mut self, line: &str) {
        self.lines += 1;
        let latest = if self.runs() == self.first.len() {
            self.first.last_mut()
        } else {
            self.last.back_mut()
        };
        if let Some((text, times)) = latest
            && text == line
        {
            *times += 1;
            return;
        }
        let cost = line.len() + LINE_COST;
        if self.last.is_empty() && self.first_len < KEPT_LEN {
            self.first_len += cost;
            self.first.push((line.to_owned(), 1));
            return;
        }
        self.last_len += cost;
        self.last.push_back((line.to_owned(), 1));
        while self.last_len > KEPT_LEN && self.last.len() > 1 {
            let Some((line, _)) = self.last.pop_front() else { break };
            self.last_len -= line.len() + LINE_COST;
            self.dropped += 1;
        }
    }

    /// How many runs there were.
    pub(crate) fn runs(&self) -> usize {
        self.first.len() + self.dropped + self.last.len()
    }

    /// The run with this number; none if it has not arrived, or was dropped.
    pub(crate) fn run(&self, index: usize) -> Option<&Run> {
        let behind = self.first.len() + self.dropped;
        self.first.get(index).or_else(|| self.last.get(index.checked_sub(behind)?))
    }

    /// The runs from this number on, but for those that were dropped.
    pub(crate) fn runs_from(&self, index: usize) -> impl Iterator<Item = (usize, &Run)> {
        (index..self.runs()).filter_map(|index| Some((index, self.run(index)?)))
    }

    /// The latest run.
    pub(crate) fn latest(&self) -> Option<&Run> {
        self.run(self.runs().checked_sub(1)?)
    }

    /// The line whose end has not arrived, for a person.
    pub(crate) fn begun(&self) -> Option<String> {
        (!self.begun.is_empty()).then(|| shown(&String::from_utf8_lossy(&self.begun)))
    }

    /// Whether not even a part of a line has arrived.
    pub(crate) fn wrote_nothing(&self) -> bool {
        self.runs() == 0 && self.begun.is_empty()
    }

    /// The last lines, for a person, and for that person's terminal.
    pub(crate) fn transcript(&self) -> String {
        let mut text = String::new();
        let count = self.runs().saturating_sub(SHOWN_LINES);
        if count > 0 {
            let _ = writeln!(text, "    {}", text!("output.skipped", count)); // cannot fail
        }
        for (_, (line, times)) in self.runs_from(count) {
            let again = match times {
                1 => String::new(),
                _ => format!("  {}", text!("output.again", times)),
            };
            let _ = writeln!(text, "    {}{again}", shown(line));
        }
        if let Some(begun) = self.begun() {
            let _ = writeln!(text, "    {begun}  {}", text!("output.begun"));
        }
        if self.wrote_nothing() {
            let _ = writeln!(text, "    {}", text!("output.nothing"));
        }
        text
    }
}

/// A line, cut where it gets long.
fn shown(line: &str) -> String {
    match line.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => {
            let (start, len) = (printable(&line[..end]), line.len());
            text!("show.long-line", start, len)
        }
        None => printable(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_flood_of_different_lines_the_first_and_the_last_are_kept() {
        const LINES: usize = 1_000_000;
        let mut state = OutputState::default();
        for number in 0..LINES {
            state.push(&format!("line {number}"));
        }
        assert_eq!((state.lines, state.runs()), (LINES, LINES));
        assert_eq!(state.run(0).unwrap().0, "line 0");
        assert_eq!(state.latest().unwrap().0, format!("line {}", LINES - 1));
        assert_eq!(state.run(LINES / 2), None, "what is in the middle was dropped");
        let kept = state.runs_from(0).map(|(_, (line, _))| line.len() + LINE_COST).sum::<usize>();
        assert!(kept <= 2 * KEPT_LEN + 2 * LINE_COST, "{kept}");
        let (first_after, (line, _)) = state.runs_from(LINES / 2).next().unwrap();
        assert_eq!(*line, format!("line {first_after}"));
    }

    #[test]
    fn of_a_flood_of_long_lines_no_more_is_kept_than_of_short_ones() {
        let mut state = OutputState::default();
        for number in 0..100 {
            state.push(&format!("{number}{}", " ".repeat(KEPT_LEN / 8)));
        }
        let kept = state.runs_from(0).map(|(_, (line, _))| line.len() + LINE_COST).sum::<usize>();
        assert!(kept <= 2 * KEPT_LEN + KEPT_LEN / 8 + 2 * LINE_COST, "{kept}");
        assert_eq!(state.latest().unwrap().0.trim_end(), "99");
    }

    #[test]
    fn a_line_that_was_begun_is_shown_and_is_a_line_at_the_end() {
        let output = Output::default();
        output.lock().add(b"one\r\n");
        output.lock().add(b"port");
        output.lock().add(b"? ");
        assert_eq!(output.lock().lines, 1);
        assert!(!output.lock().wrote_nothing());
        let shown = format!("    one\n    port?   {}\n", text!("output.begun"));
        assert_eq!(output.lock().transcript(), shown);
        output.collect(&b"8080\ntwo"[..]);
        assert_eq!(output.lock().transcript(), "    one\n    port? 8080\n    two\n");
        let long = vec![b'x'; MAX_LINE_LEN + 1];
        output.collect(&long[..]);
        assert_eq!(output.lock().lines, 5);
    }

    #[test]
    fn equal_lines_are_one_run_at_the_end_too() {
        let mut state = OutputState::default();
        for line in ["a", "a", "b", "a"] {
            state.push(line);
        }
        let runs: Vec<&Run> = state.runs_from(0).map(|(_, run)| run).collect();
        let run = |line: &str, times| (line.to_owned(), times);
        assert_eq!(runs, [&run("a", 2), &run("b", 1), &run("a", 1)]);
    }
}
