//! Running sessions between live processes: to compare them, or to record them anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use super::parse::{Action, Line, REPEATS, Session};
use crate::check::{self, wait_until_free};
use crate::{Failure, Program};

/// Turns the command line of a session into a program that can be started, or says why it cannot.
pub type Launcher<'a> = dyn Fn(&str) -> Result<Command, String> + 'a;

/// While recording, how long all terminals must be quiet before the output counts as complete.
/// Comparing needs no such guess: it knows which lines must come.
const QUIET: Duration = Duration::from_millis(500);

/// Runs the session, and compares all that its programs print with what it says.
///
/// When it is over, the next session can listen at the ports that this one names: a server that is
/// killed while it starts a command leaves a copy of its socket behind, until that command has begun.
pub fn run(session: &Session, launch: &Launcher) -> Result<(), Failure> {
    on_a_stage(|stage| {
        for line in &session.lines {
            let done = stage.act(line, launch).and_then(|()| match &line.action {
                Action::Output(expected) => stage.compare(line, expected),
                Action::Repeats => stage.program(line)?.expect_repeats(REPEATS),
                _ => Ok(()),
            });
            done.map_err(|failure| stage.explain(line, &failure))?;
        }
        for line in last_lines(session) {
            stage.close(line).map_err(|failure| stage.explain(line, &failure))?;
        }
        Ok(())
    })
}

/// Runs what the session does, and returns it with the output that came this time.
///
/// A session that comes out as it says is returned as it is; what another one leaves out (`[...]`)
/// is written out, since only a person can say which lines matter.
pub fn record(session: &Session, launch: &Launcher) -> Result<Session, Failure> {
    if run(session, launch).is_ok() {
        return Ok(session.clone());
    }
    on_a_stage(|stage| {
        let mut lines = Vec::new();
        let is_output = |action: &Action| {
            matches!(action, Action::Output(_) | Action::Repeats | Action::LeftOut)
        };
        for line in session.lines.iter().filter(|line| !is_output(&line.action)) {
            stage.act(line, launch).map_err(|failure| stage.explain(line, &failure))?;
            lines.push(line.clone());
            for terminal in session.terminals() {
                let outputs = stage.outputs_of(terminal)?;
                lines.extend(outputs.into_iter().map(|action| Line {
                    number: line.number,
                    terminal: terminal.to_owned(),
                    action,
                }));
            }
        }
        Ok(Session { lines, ..session.clone() })
    })
}

/// Plays on a new stage, ends all programs that are left on it, and waits until the ports that it
/// names are free.
fn on_a_stage<T>(play: impl FnOnce(&mut Stage) -> Result<T, Failure>) -> Result<T, Failure> {
    let mut stage = Stage::default();
    let played = play(&mut stage);
    drop(stage.programs);
    let free = stage.stable.listened.into_iter().try_for_each(wait_until_free);
    played.and_then(|played| free.map(|()| played))
}

/// The last line of each terminal.
fn last_lines(session: &Session) -> impl Iterator<Item = &Line> {
    session
        .terminals()
        .into_iter()
        .filter_map(|terminal| session.lines.iter().rev().find(|line| line.terminal == terminal))
}

/// The terminals while a session runs.
#[derive(Default)]
struct Stage {
    programs: BTreeMap<String, Program>,
    /// Terminals whose program floods its output; what comes after is not looked at.
    flooded: Vec<String>,
    /// Terminals whose next lines of output are left out of the session.
    left_out: Vec<String>,
    stable: Stable,
}

impl Stage {
    /// Does what a person would do; for a line of output, nothing.
    fn act(&mut self, line: &Line, launch: &Launcher) -> Result<(), Failure> {
        match &line.action {
            Action::Command(text) => {
                if self.programs.contains_key(&line.terminal) {
                    self.must_end(line)?;
                    self.flooded.retain(|terminal| *terminal != line.terminal);
                    self.left_out.retain(|terminal| *terminal != line.terminal);
                }
                let command = launch(text).map_err(Failure::new)?;
                self.programs.insert(line.terminal.clone(), Program::start(command)?);
                Ok(())
            }
            Action::Input(text) => self.program(line)?.type_line(text),
            Action::EndOfInput => {
                self.program(line)?.end_input();
                Ok(())
            }
            Action::Interrupt => self.program(line)?.interrupt(),
            Action::Ended => self.must_end(line),
            Action::Output(_) => Ok(()),
            Action::LeftOut => {
                self.left_out.push(line.terminal.clone());
                Ok(())
            }
            Action::Repeats => {
                self.flooded.push(line.terminal.clone());
                Ok(())
            }
        }
    }

    /// Waits for the next line of output, which must be the expected one; after lines that are
    /// left out, for the expected one among all that come.
    fn compare(&mut self, line: &Line, expected: &str) -> Result<(), Failure> {
        if let Some(index) = self.left_out.iter().position(|left| *left == line.terminal) {
            self.left_out.remove(index);
            return self.program(line)?.expect_later(expected, |came| came == expected).map(drop);
        }
        let came = self.program(line)?.expect_line(expected)?;
        let came = self.stable.replace(&came);
        if came == expected {
            return Ok(());
        }
        Err(Failure::new(format!("expected `{expected}`\n  but got  `{came}`")))
    }

    /// At the session's end: a program that was told to end must have ended, and none may have
    /// written more than the session says.
    fn close(&mut self, last: &Line) -> Result<(), Failure> {
        if matches!(last.action, Action::EndOfInput | Action::Interrupt) {
            return self.must_end(last);
        }
        self.nothing_left(&last.terminal)
    }

    /// Waits for the end of the program in this terminal, before which nothing more may come.
    fn must_end(&mut self, line: &Line) -> Result<(), Failure> {
        self.program(line)?.wait()?;
        self.nothing_left(&line.terminal)
    }

    fn nothing_left(&mut self, terminal: &str) -> Result<(), Failure> {
        let program = self.programs.get(terminal);
        let left = program.map_or_else(Vec::new, Program::lines_left);
        match left.first() {
            Some(line) if !self.flooded.iter().chain(&self.left_out).any(|t| t == terminal) => {
                let line = self.stable.replace(line);
                Err(Failure::new(format!("one more line came that is not expected: `{line}`")))
            }
            _ => Ok(()),
        }
    }

    /// While recording: what was written in this terminal since the last time.
    fn outputs_of(&mut self, terminal: &str) -> Result<Vec<Action>, Failure> {
        let mut actions = Vec::new();
        let Some(program) = self.programs.get_mut(terminal) else {
            return Ok(actions);
        };
        let floods = program.settle(QUIET, REPEATS);
        if self.flooded.iter().any(|flooded| flooded == terminal) {
            return Ok(actions);
        }
        while let [first, ..] = &program.lines_left()[..] {
            let same = matches!(actions.last(), Some(Action::Output(last)) if last == first);
            if floods && same {
                actions.push(Action::Repeats);
                self.flooded.push(terminal.to_owned());
                break;
            }
            program.next_line()?;
            actions.push(Action::Output(self.stable.replace(first)));
        }
        Ok(actions)
    }

    fn program(&mut self, line: &Line) -> Result<&mut Program, Failure> {
        self.programs
            .get_mut(&line.terminal)
            .ok_or_else(|| Failure::new(format!("no program runs in `{}`", line.terminal)))
    }

    /// A failure with the line at which it happened, and everything in all terminals.
    fn explain(&self, line: &Line, failure: &Failure) -> Failure {
        let mut text = format!("line {}, [{}]: {failure}", line.number, line.terminal);
        for (terminal, program) in &self.programs {
            // Writing to a String cannot fail.
            let _ = write!(text, "\n  all of [{terminal}]:\n{}", program.transcript().trim_end());
        }
        Failure::new(text)
    }
}

/// Replaces each time of the form `2026-11-23 08:23:04` by that very time.
fn stable_times(line: &str) -> String {
    const TIME: &str = "2026-11-23 08:23:04";
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

/// Replaces what changes from run to run: times, as `stable_times` does, and ports by 50001, 50002, … in the order of appearance.
///
/// These are the ephemeral ones, which the systems choose above 10,000; the steps' own are below.
#[derive(Default)]
struct Stable {
    seen: Vec<String>,
    /// Where the programs said that they listen, at ports that the session names; nobody comes back
    /// to an ephemeral one, and the system may have given it to somebody else by now.
    listened: Vec<SocketAddr>,
}

impl Stable {
    const FIRST: usize = 50001;

    fn replace(&mut self, line: &str) -> String {
        let mut parts = line.split(':');
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let after_host = text.ends_with(|c: char| c.is_ascii_digit() || c == ']');
            text.push(':');
            let digits = part.len() - part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
            let (port, rest) = part.split_at(digits);
            if after_host && port.len() == 5 {
                let known = self.seen.iter().position(|seen| seen == port);
                let index = known.unwrap_or_else(|| {
                    self.seen.push(port.to_owned());
                    self.seen.len() - 1
                });
                let _ = write!(text, "{}{rest}", Self::FIRST + index); // cannot fail
            } else {
                text.push_str(part);
            }
        }
        if text == line {
            self.listened.extend(line.strip_prefix("listening on ").and_then(check::addr));
        }
        stable_times(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ephemeral_ports_get_stable_numbers_and_others_stay() {
        let mut ports = Stable::default();
        assert_eq!(ports.replace("listening on 127.0.0.1:9003"), "listening on 127.0.0.1:9003");
        assert_eq!(ports.replace("127.0.0.1:41234 connected"), "127.0.0.1:50001 connected");
        assert_eq!(ports.replace("a [::1]:60001: \"x:12345\""), "a [::1]:50002: \"x:12345\"");
        assert_eq!(ports.replace("127.0.0.1:41234 left: bye"), "127.0.0.1:50001 left: bye");
        assert_eq!(ports.replace("at 08:23:04 plain"), "at 08:23:04 plain");
    }

    #[test]
    fn times_get_a_stable_value_and_what_only_looks_like_one_stays() {
        let time = "2026-11-23 08:23:04";
        assert_eq!(stable_times("1999-12-31 23:59:59 hello"), format!("{time} hello"));
        assert_eq!(
            stable_times("Grüße: 2030-01-02 03:04:05 since 2031-01-02 03:04:05"),
            format!("Grüße: {time} since {time}")
        );
        for other in ["", "2030-01-02", "2030-01-02 03:04", "2030-01-02T03:04:05", "ü2030-01-02"] {
            assert_eq!(stable_times(other), other);
        }
        let came = "2030-01-02 03:04:05 *** 127.0.0.1:41234 joined";
        let stable = Stable::default().replace(came);
        assert_eq!(stable, format!("{time} *** 127.0.0.1:50001 joined"));
    }

    #[cfg(unix)]
    mod with_a_shell {
        use std::net::{Ipv4Addr, TcpListener};
        use std::thread;

        use super::*;

        /// In these sessions, a command is a script for the shell.
        #[expect(clippy::unnecessary_wraps, reason = "a `Launcher` may fail")]
        fn launch(script: &str) -> Result<Command, String> {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            Ok(command)
        }

        fn failure_of(text: &str) -> String {
            run(&Session::parse(text).unwrap(), &launch).unwrap_err().to_string()
        }

        const RIGHT: &str = "\
[a]  $ echo listening on 127.0.0.1:41234; cat; echo end
[a]  listening on 127.0.0.1:50001
[bc] $ cat
[bc] > hello
[bc] hello
[a]  ^D
[a]  end
[a]  $
[a]  $ while echo again; do :; done
[a]  again
[a]  ...
[a]  ^C
[a]  $
[a]  $ echo 1; echo 2; echo 3; echo 4
[a]  1
[a]  [...]
[a]  4
[bc] ^D
";

        #[test]
        fn what_happens_as_written_passes_and_is_recorded_as_it_stands() {
            let session = Session::parse(RIGHT).unwrap();
            run(&session, &launch).unwrap();
            let recorded = record(&session, &launch).unwrap();
            assert_eq!(recorded.to_string(), RIGHT);
        }

        #[test]
        fn recording_replaces_what_is_no_longer_so() {
            let outdated = RIGHT.replace("[a]  end\n", "[a]  and\n[a]  so on\n");
            let recorded = record(&Session::parse(&outdated).unwrap(), &launch).unwrap();
            assert_eq!(recorded.to_string(), RIGHT.replace("[...]", "2\n[a]  3"));
        }

        #[test]
        fn another_line_than_the_expected_one_is_shown_beside_it() {
            let failure = failure_of("[a] $ echo one; echo two\n[a] one\n[a] three\n");
            assert!(failure.starts_with("line 3, [a]: expected `three`"), "{failure}");
            assert!(failure.contains("but got  `two`"), "{failure}");
            assert!(failure.ends_with("all of [a]:\n    one\n    two"), "{failure}");
        }

        #[test]
        fn a_line_too_many_or_too_few_fails() {
            let failure = failure_of("[a] $ echo one; echo two\n[a] one\n[a] $\n");
            assert!(
                failure.contains("one more line came that is not expected: `two`"),
                "{failure}"
            );
            let failure = failure_of("[a] $ echo one\n[a] one\n[a] two\n");
            assert!(failure.contains("expected `two`, but its output ended"), "{failure}");
        }

        #[test]
        fn a_session_is_over_when_the_next_one_can_listen_at_its_port() {
            // Below 10,000, a port stands in a session as it is, and no system gives it to a client.
            let mut listeners =
                (8000..9000).map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
            let listener = listeners.find_map(Result::ok).expect("one of these ports is free");
            let addr = listener.local_addr().unwrap();
            // Whoever looks whether somebody still listens there is what this listener waits for.
            let left_behind = thread::spawn(move || drop(listener.accept().unwrap()));
            let script = format!("echo listening on {addr}; cat");
            let text = format!("[a] $ {script}\n[a] listening on {addr}\n[a] ^D\n");
            run(&Session::parse(&text).unwrap(), &launch).unwrap();
            TcpListener::bind(addr).expect("nobody listens there any more");
            left_behind.join().unwrap();
        }

        #[test]
        fn a_session_does_not_wait_for_an_ephemeral_port_which_may_be_somebody_elses_by_now() {
            let somebody_else = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let script = format!("echo listening on {}", somebody_else.local_addr().unwrap());
            let text = format!("[a] $ {script}\n[a] listening on 127.0.0.1:50001\n");
            run(&Session::parse(&text).unwrap(), &launch).unwrap();
        }

        #[test]
        fn a_command_that_cannot_be_started_is_named_with_its_line() {
            let session = Session::parse("[a] $ what is this\n").unwrap();
            let failure = run(&session, &|line| Err(format!("cannot start `{line}`"))).unwrap_err();
            assert_eq!(failure.to_string(), "line 1, [a]: cannot start `what is this`");
        }
    }
}
