//! Running sessions between live processes: to compare them, or to record them anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use super::look::{self, Looks, Subject};
use super::parse::{Action, Line, NETWORK, REPEATS, Session};
use super::stable::Stable;
use super::trace::{self, Call, State, Trace};
use crate::check::wait_until_free;
use crate::{DEADLINE, Failure, Program};

/// Turns the command line of a session into a program that can be started, or reports why it cannot.
pub type Launcher<'a> = dyn Fn(&str) -> Result<Command, String> + 'a;

/// While recording, how long all terminals must be quiet before the output counts as complete.
/// Comparing needs no such guess: it knows which lines must arrive.
const QUIET: Duration = Duration::from_millis(500);

/// Between two looks at the system's connections. There is no event for a change in them.
const LOOK: Duration = Duration::from_millis(20);

/// How often looks in a row must agree before what the kernel holds is recorded: an acknowledgement may
/// be delayed by 40 ms.
const AGREEING: usize = 10;

/// As [`AGREEING`], where a thread runs: it may be about to wait.
const AGREEING_RUNNING: usize = 50;

/// How long what the kernel holds may be the same, and another than expected, before it counts as the
/// result. A program that waits for a time that is shorter than this is waited for.
const RESTS: Duration = Duration::from_secs(5);

/// Runs the session, and compares all that its programs print with what it contains; with a trace, also
/// what the kernel holds after each action. The trace has a name for failures, that of its file.
///
/// When it is over, the next session can listen at the ports that this one names: a server that is
/// killed while it starts a command leaves a copy of its socket, until that command has begun.
pub fn run(
    session: &Session,
    trace: Option<(&str, &Trace)>,
    launch: &Launcher,
) -> Result<(), Failure> {
    let mut states = trace.iter().flat_map(|(_, trace)| &trace.states);
    play(session, launch, |stage, action| match (trace, states.next()) {
        (Some((file, _)), Some(state)) => stage.compare_held(session, action, file, state),
        _ => Ok(()),
    })
}

/// Runs the session as [`run`] does, and returns what the kernel held after each action.
pub fn trace_of(session: &Session, launch: &Launcher) -> Result<Trace, Failure> {
    let mut trace = Trace::default();
    play(session, launch, |stage, action| {
        let programs = stage.held(session, action)?;
        trace.states.push(State { after: action.clone(), programs });
        Ok(())
    })?;
    Ok(trace)
}

/// Why no traces can be recorded or compared here, if that is so: only Linux lets a program see what the
/// kernel holds, and some systems forbid it.
#[must_use]
pub fn no_traces() -> Option<String> {
    look::obstacle()
}

/// Runs the session and compares its output. After each action and the output that follows it, `look` is
/// called with the action.
fn play(
    session: &Session,
    launch: &Launcher,
    mut look: impl FnMut(&mut Stage, &Line) -> Result<(), Failure>,
) -> Result<(), Failure> {
    on_a_stage(session, |stage| {
        for lines in session.lines.chunk_by(|_, line| !line.action.is_by_person()) {
            for (index, line) in lines.iter().enumerate() {
                let acted = match &line.action {
                    Action::Command(text) if is_look(text) => {
                        let expected = outputs_after(line, &lines[index + 1..]);
                        stage.look(line, &expected, launch)
                    }
                    _ => stage.act(line, launch),
                };
                let done = acted.and_then(|()| match &line.action {
                    Action::Output(expected) => stage.compare(line, expected),
                    Action::Repeats => stage.program(line)?.expect_repeats(REPEATS),
                    _ => Ok(()),
                });
                done.map_err(|failure| stage.explain(line, &failure))?;
            }
            look(stage, &lines[0]).map_err(|failure| stage.explain(&lines[0], &failure))?;
        }
        for line in last_lines(session) {
            stage.close(line).map_err(|failure| stage.explain(line, &failure))?;
        }
        Ok(())
    })
}

/// Runs the session, and returns it with the output of this run.
///
/// What it leaves out (`[...]`) is written out, since only a person knows which lines matter.
pub fn record(session: &Session, launch: &Launcher) -> Result<Session, Failure> {
    on_a_stage(session, |stage| {
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
/// names are free. Those of a network of its own are gone with that network.
fn on_a_stage<T>(
    session: &Session,
    play: impl FnOnce(&mut Stage) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut stage = Stage::default();
    let played = play(&mut stage);
    drop(stage.programs);
    if session.needs.as_deref() == Some(NETWORK) {
        return played;
    }
    let free = stage.stable.listened.into_iter().try_for_each(wait_until_free);
    played.and_then(|played| free.map(|()| played))
}

/// Whether a command only watches the others: a trace does not have it.
fn is_watcher(command: &str) -> bool {
    let commands = ["ss ", "sudo tcpdump ", "cargo xtask check "];
    commands.iter().any(|watcher| command.starts_with(watcher))
}

/// Whether a command shows the system's connections as they are at this moment.
fn is_look(command: &str) -> bool {
    command.split(' ').next() == Some("ss")
}

/// What a command must print before anything else happens; `lines` follow it.
fn outputs_after<'a>(command: &Line, lines: &'a [Line]) -> Vec<&'a str> {
    let output = |line: &'a Line| match &line.action {
        Action::Output(text) if line.terminal == command.terminal => Some(text.as_str()),
        _ => None,
    };
    lines.iter().map_while(output).collect()
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
    /// Terminals whose program floods its output; what arrives after is not looked at.
    flooded: Vec<String>,
    /// Terminals whose next lines of output are left out of the session.
    left_out: Vec<String>,
    /// Terminals whose program only watches the others.
    watchers: Vec<String>,
    stable: Stable,
    looks: Looks,
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
                    self.watchers.retain(|terminal| *terminal != line.terminal);
                }
                if is_watcher(text) {
                    self.watchers.push(line.terminal.clone());
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

    /// Starts a program that looks at the system's connections, again and again until it shows the
    /// expected lines, or until the deadline. What it showed last is left to be compared.
    fn look(&mut self, line: &Line, expected: &[&str], launch: &Launcher) -> Result<(), Failure> {
        let until = Instant::now() + DEADLINE;
        loop {
            self.act(line, launch)?;
            let program = self.program(line)?;
            program.wait()?;
            let came = program.lines_left();
            let mut stable = self.stable.clone();
            if came.iter().map(|line| stable.replace(line)).eq(expected.iter().copied())
                || Instant::now() >= until
            {
                return Ok(());
            }
            self.programs.remove(&line.terminal);
            thread::sleep(LOOK); // no event reports that a connection has changed its state
        }
    }

    /// Waits for the next line of output, which must be the expected one; after lines that are
    /// left out, for the expected one among all that arrive.
    fn compare(&mut self, line: &Line, expected: &str) -> Result<(), Failure> {
        if let Some(index) = self.left_out.iter().position(|left| *left == line.terminal) {
            self.left_out.remove(index);
            let stable = self.stable.clone();
            let is_it = |came: &str| stable.clone().replace(came) == expected;
            let came = self.program(line)?.expect_later(expected, is_it)?;
            self.stable.replace(&came);
            return Ok(());
        }
        let came = self.program(line)?.expect_line(expected)?;
        let came = self.stable.replace(&came);
        if came == expected {
            return Ok(());
        }
        Err(Failure::new(format!("expected `{expected}`\n  but got  `{came}`")))
    }

    /// At the session's end: a program that was asked to end must have ended, and none may have
    /// written more than the session contains.
    fn close(&mut self, last: &Line) -> Result<(), Failure> {
        if matches!(last.action, Action::EndOfInput | Action::Interrupt) {
            return self.must_end(last);
        }
        self.nothing_left(&last.terminal)
    }

    /// Waits for the end of the program in this terminal, before which nothing more may arrive.
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

    /// Waits until the kernel holds what this state of a trace has.
    fn compare_held(
        &mut self,
        session: &Session,
        action: &Line,
        file: &str,
        expected: &State,
    ) -> Result<(), Failure> {
        let (start, mut since) = (Instant::now(), Instant::now());
        let mut last = Err(String::new());
        loop {
            let held = self.look_inside(session, &action.terminal);
            if held.as_ref() == Ok(&expected.programs) {
                self.looks.keep(&action.terminal);
                return Ok(());
            }
            if held != last {
                since = Instant::now();
                last = held;
            }
            if since.elapsed() >= RESTS || start.elapsed() >= DEADLINE {
                let programs = last.map_err(Failure::new)?;
                let held = State { after: action.clone(), programs };
                return Err(difference(file, expected, &held));
            }
            thread::sleep(LOOK); // no event reports that the kernel holds something else
        }
    }

    /// While recording: what the kernel holds once nothing changes any more.
    fn held(&mut self, session: &Session, action: &Line) -> Result<Vec<trace::Program>, Failure> {
        let start = Instant::now();
        let (mut last, mut times) = (Err(String::new()), 0);
        loop {
            let held = self.look_inside(session, &action.terminal);
            times = if held == last { times + 1 } else { 0 };
            last = held;
            if let Ok(programs) = &last {
                let mut waits = programs.iter().flat_map(|program| &program.waits);
                let runs = waits.any(|wait| wait.call == Call::Runs);
                if times >= if runs { AGREEING_RUNNING } else { AGREEING } {
                    self.looks.keep(&action.terminal);
                    return Ok(programs.clone());
                }
            }
            if start.elapsed() >= DEADLINE {
                let cause = last.err().unwrap_or_else(|| "it changes all the time".to_owned());
                return Err(Failure::new(format!(
                    "what the kernel holds is not recorded: {cause}"
                )));
            }
            thread::sleep(LOOK); // no event reports that the kernel holds something else
        }
    }

    fn look_inside(
        &mut self,
        session: &Session,
        acting: &str,
    ) -> Result<Vec<trace::Program>, String> {
        let terminals = session.terminals().into_iter();
        let terminals = terminals.filter(|it| !self.watchers.iter().any(|watcher| watcher == it));
        let subject = |terminal| {
            let program = self.programs.get(terminal)?;
            let pid = program.status().is_none().then(|| program.id());
            let floods = self.flooded.iter().any(|flooded| flooded == terminal);
            Some(Subject { terminal, pid, floods })
        };
        let subjects: Vec<Subject> = terminals.filter_map(subject).collect();
        self.looks.look(&subjects, acting, &self.stable)
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

/// The first line in which what the kernel holds is another than in a trace, and all that it holds.
fn difference(file: &str, expected: &State, held: &State) -> Failure {
    let number = expected.after.number;
    let (expected, held) = (expected.to_string(), held.to_string());
    let (mut expected, mut lines) = (expected.lines(), held.lines());
    for number in number.. {
        let (expected, line) = (expected.next(), lines.next());
        if expected != line || expected.is_none() {
            let shown = |line: Option<&str>| line.map_or("nothing more", str::trim).to_owned();
            let (expected, line) = (shown(expected), shown(line));
            return Failure::new(format!(
                "{file}, line {number}: expected `{expected}`, but the kernel held `{line}`, in all:\n{held}"
            ));
        }
    }
    unreachable!("the numbers have no end")
}

#[cfg(test)]
mod tests {
    #[cfg(unix)]
    use super::*;

    #[cfg(unix)]
    mod with_a_shell {
        use std::cell::Cell;
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
            run(&Session::parse(text).unwrap(), None, &launch).unwrap_err().to_string()
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
        fn what_happens_as_written_passes() {
            run(&Session::parse(RIGHT).unwrap(), None, &launch).unwrap();
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

        #[cfg(target_os = "linux")]
        #[test]
        fn a_changed_number_in_a_trace_is_found_with_its_file_and_its_line() {
            if let Some(obstacle) = no_traces() {
                println!("not tested: {obstacle}");
                return;
            }
            let text = "[a] $ echo up; exec cat\n[a] up\n[b] $ exec cat\n[a] ^D\n";
            let session = Session::parse(text).unwrap();
            let recorded = trace_of(&session, &launch).unwrap().to_string();
            let reads = "    waits in read on the keyboard\n";
            let first = format!("[a] $ echo up; exec cat\n  a\n{reads}");
            let second = format!("[b] $ exec cat\n  a\n{reads}  b\n{reads}");
            let third = format!("[a] ^D\n  a\n    ended\n  b\n{reads}");
            assert_eq!(recorded, first + &second + &third);
            let trace = Trace::parse(&recorded).unwrap();
            run(&session, Some(("a.trace", &trace)), &launch).unwrap();
            let changed = recorded.replacen("keyboard\n[b]", "keyboard, 2 threads\n[b]", 1);
            let trace = Trace::parse(&changed).unwrap();
            let failure = run(&session, Some(("a.trace", &trace)), &launch).unwrap_err();
            let expected = "line 1, [a]: a.trace, line 3: expected `waits in read on the keyboard, 2 \
                            threads`, but the kernel held `waits in read on the keyboard`";
            assert!(failure.to_string().starts_with(expected), "{failure}");
        }

        #[test]
        fn a_look_at_the_connections_is_repeated_until_it_shows_what_it_must() {
            let looks = Cell::new(0);
            let launch = |_: &str| {
                looks.set(looks.get() + 1);
                self::launch(&format!("echo look {}", looks.get()))
            };
            let session = Session::parse("[a] $ ss -tn\n[a] look 3\n").unwrap();
            run(&session, None, &launch).unwrap();
            assert_eq!(looks.get(), 3);
        }

        #[test]
        fn a_line_too_many_or_too_few_fails() {
            let failure = failure_of("[a] $ echo one; echo two\n[a] one\n[a] $\n");
            assert!(
                failure.contains("one more line came that is not expected: `two`"),
                "{failure}"
            );
            let failure = failure_of("[a] $ echo one\n[a] one\n[a] two\n");
            assert!(
                failure.contains("expected it to print `two`, but its output ended"),
                "{failure}"
            );
        }

        #[test]
        fn a_session_is_over_when_the_next_one_can_listen_at_its_port() {
            // Below 10,000, a port is recorded as it is, and no system gives it to a client.
            let mut listeners =
                (8000..9000).map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port)));
            let listener = listeners.find_map(Result::ok).expect("one of these ports is free");
            let addr = listener.local_addr().unwrap();
            // This listener waits for the connection that tests whether a program still listens there.
            let left_behind = thread::spawn(move || drop(listener.accept().unwrap()));
            let script = format!("echo listening on {addr}; cat");
            let text = format!("[a] $ {script}\n[a] listening on {addr}\n[a] ^D\n");
            run(&Session::parse(&text).unwrap(), None, &launch).unwrap();
            TcpListener::bind(addr).expect("nobody listens there any more");
            left_behind.join().unwrap();
        }

        #[test]
        fn a_session_does_not_wait_for_an_ephemeral_port_which_may_be_somebody_elses_by_now() {
            let somebody_else = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let script = format!("echo listening on {}", somebody_else.local_addr().unwrap());
            let text = format!("[a] $ {script}\n[a] listening on 127.0.0.1:50001\n");
            run(&Session::parse(&text).unwrap(), None, &launch).unwrap();
        }

        #[test]
        fn a_command_that_cannot_be_started_is_named_with_its_line() {
            let session = Session::parse("[a] $ what is this\n").unwrap();
            let failure =
                run(&session, None, &|line| Err(format!("cannot start `{line}`"))).unwrap_err();
            assert_eq!(failure.to_string(), "line 1, [a]: cannot start `what is this`");
        }
    }
}
