//! Programs: started, watched line by line under a deadline, and never left over.

use std::io::{self, Read, Write as _};
use std::net::SocketAddr;
use std::process::{ChildStdin, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::output::{Output, OutputState};
use crate::process::Process;
use crate::show::printable;

/// How long anything may take before it counts as not happening. Long, because machines can be
/// busy; nothing waits for it when all is well.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// How many equal lines that are left are listed, at the most.
const LISTED_LINES: usize = 40;

/// How long the output of a program that has ended may still be open: its children may have it.
const CHILDREN_END: Duration = Duration::from_secs(1);

/// A running program. What it writes to stdout and to stderr is one stream of lines, as in a
/// terminal. Dropping it kills the program and waits for its end.
pub struct Program {
    name: String,
    process: Process,
    with_children: bool,
    stdin: Option<ChildStdin>,
    output: Arc<Output>,
    /// The run of equal lines in which `next_line` is, and how many of its lines it has taken.
    taken: (usize, usize),
    deadline: Duration,
    /// Where it should listen, if it is a server.
    serves_at: Option<SocketAddr>,
}

impl Program {
    /// Starts `command` with its input and its output in our hands.
    pub fn start(command: Command) -> Result<Self, Failure> {
        Self::start_with(command, Stdio::piped(), pipe(), false)
    }

    /// As `start`, with an stderr of the caller's: what the program writes there is not among its lines.
    ///
    /// # Errors
    ///
    /// If it cannot be started.
    pub fn start_with_stderr(command: Command, stderr: impl Into<Stdio>) -> Result<Self, Failure> {
        let output = pipe().map(|channel| Channel { stderr: stderr.into(), ..channel });
        Self::start_with(command, Stdio::piped(), output, false)
    }

    /// As `start`, for a program that is not ours: it is ended with all that it has started. Its output
    /// goes where the program need not flush it, if the system has such a thing: see [`OutputTo`].
    pub fn start_with_children(command: Command) -> Result<Self, Failure> {
        Self::start_with_children_to(OutputTo::Terminal, command)
    }

    /// As `start_with_children`, with the output where it is wanted.
    pub(crate) fn start_with_children_to(
        to: OutputTo,
        mut command: Command,
    ) -> Result<Self, Failure> {
        let output = match to {
            OutputTo::Terminal if cfg!(unix) => terminal_for_output(),
            _ => {
                command.env("PYTHONUNBUFFERED", "1");
                pipe()
            }
        };
        // No colours, and no cursor that moves: what it writes is read as lines.
        command.env("TERM", "dumb").env("NO_COLOR", "1");
        Self::start_with(command, Stdio::piped(), output, true)
    }

    /// As `start_with_children`, for a judge of programs that are not ours: none of them can write among
    /// its lines.
    ///
    /// The lines arrive through a socket. On Linux, a program can open a pipe of any process of the same
    /// user, as `/proc/PID/fd/1`, and write into it; a socket cannot be opened.
    pub fn start_judge(command: Command) -> Result<Self, Failure> {
        #[cfg(unix)]
        let output = std::os::unix::net::UnixStream::pair().and_then(|(reader, writer)| {
            let writer = std::os::fd::OwnedFd::from(writer);
            Ok(Channel::new(reader, writer.try_clone()?, writer))
        });
        #[cfg(not(unix))]
        let output = pipe();
        Self::start_with(command, Stdio::piped(), output, true)
    }

    /// Starts `command` with a terminal as its input, so that it believes to talk to a person.
    /// What is written into the file that is returned is what that person types.
    #[cfg(unix)]
    pub fn start_at_terminal(command: Command) -> Result<(Self, std::fs::File), Failure> {
        let (keyboard, input) = open_terminal()?;
        Ok((Self::start_with(command, input.into(), pipe(), false)?, keyboard))
    }

    /// Starts `command` with a terminal as its input and its output: what it draws is there as well,
    /// among its lines. When asked, the terminal reports that its cursor is in the last row.
    #[cfg(unix)]
    pub fn start_in_terminal(command: Command) -> Result<(Self, std::fs::File), Failure> {
        let (keyboard, input) = open_terminal()?;
        let failed = |error| cannot_start(&describe(&command), &error);
        let stdin = input.try_clone().map_err(failed)?;
        let output = Screen::of(&keyboard)
            .and_then(|screen| Ok(Channel::new(screen, input.try_clone()?, input)));
        Ok((Self::start_with(command, stdin.into(), output, false)?, keyboard))
    }

    /// Starts `command` with this input and this output; `with_children` has it ended with all that it
    /// has started.
    fn start_with(
        mut command: Command,
        stdin: Stdio,
        output: io::Result<Channel>,
        with_children: bool,
    ) -> Result<Self, Failure> {
        let name = describe(&command);
        let failed = |error| cannot_start(&name, &error);
        let Channel { reader, stdout, stderr } = output.map_err(failed)?;
        command.stdin(stdin).stdout(stdout).stderr(stderr);
        let (process, stdin) = Process::start(&mut command, with_children).map_err(failed)?;
        drop(command); // it holds our copies of the output's writing end: no end of file before
        let output = Arc::new(Output::default());
        let collector = Arc::clone(&output);
        thread::spawn(move || collector.collect(reader));
        Ok(Self {
            name,
            process,
            with_children,
            stdin,
            output,
            taken: (0, 0),
            deadline: DEADLINE,
            serves_at: None,
        })
    }

    /// Starts a server and waits for its first line, `listening on ADDR`.
    pub fn start_server(command: Command) -> Result<(Self, SocketAddr), Failure> {
        let mut server = Self::start(command)?;
        let addr = server.addr()?;
        Ok((server, addr))
    }

    /// Waits for the first line of a server, `listening on ADDR`.
    ///
    /// # Errors
    ///
    /// If its first line is a different one, or if there is none.
    pub fn addr(&mut self) -> Result<SocketAddr, Failure> {
        let line = self.expect_line("listening on ADDR")?;
        let addr = line.strip_prefix("listening on ").and_then(|addr| addr.parse().ok());
        addr.ok_or_else(|| self.failure(&text!("program.first-line", line)))
    }

    /// The same program with another deadline for all that follows.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// The same program, known as the server at this address: the process that listens there belongs to
    /// it, whatever has started that.
    #[must_use]
    pub(crate) fn serving_at(mut self, addr: SocketAddr) -> Self {
        self.serves_at = Some(addr);
        self
    }

    /// The processes that belong to the program and run: what was started, what that has started, and
    /// what listens in its place.
    ///
    /// # Errors
    ///
    /// If the process that listens cannot be seen: then a check that needs it is not asked.
    #[cfg(target_os = "linux")]
    pub(crate) fn family(&self) -> Result<Vec<u32>, Failure> {
        use crate::process;
        use crate::process_info;

        let mut family = self.process.family();
        let Some(addr) = self.serves_at else { return Ok(family) };
        let sockets = self.listening_sockets(addr);
        let owns = |id: &u32| process_info::sockets(*id).any(|inode| sockets.contains(&inode));
        if sockets.is_empty() || family.iter().any(owns) {
            return Ok(family);
        }
        let owner = process_info::all().find(owns);
        let owner = owner.ok_or_else(|| Failure::not_asked(text!("program.unseen", addr)))?;
        family.extend(process::family_of(owner));
        Ok(family)
    }

    /// Whether the process that was started listens, and not only another process in its place. Where the
    /// system does not tell, the answer is yes.
    pub(crate) fn listens_itself(&self) -> bool {
        #[cfg(target_os = "linux")]
        if let Some(addr) = self.serves_at {
            let sockets = self.listening_sockets(addr);
            let owns = |inode| sockets.contains(&inode);
            return sockets.is_empty() || crate::process_info::sockets(self.id()).any(owns);
        }
        true
    }

    /// The sockets that listen at this address, by their inodes.
    #[cfg(target_os = "linux")]
    fn listening_sockets(&self, addr: SocketAddr) -> Vec<u64> {
        use crate::process_info::Connection;

        let sockets = Connection::all(self.id()).unwrap_or_default(); // empty once it has ended
        let listens = |socket: &&Connection| {
            let is_there = socket.local.ip() == addr.ip() || socket.local.ip().is_unspecified();
            socket.listens() && socket.local.port() == addr.port() && is_there
        };
        sockets.iter().filter(listens).map(|socket| socket.inode).collect()
    }

    /// How the program has ended; none if it still runs, or if the system does not report it.
    #[must_use]
    pub fn status(&self) -> Option<ExitStatus> {
        self.process.status().ok().flatten()
    }

    /// The program's process.
    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    /// The program's process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Types `line`, and a newline, into the program.
    pub fn type_line(&mut self, line: &str) -> Result<(), Failure> {
        self.type_bytes(format!("{line}\n").as_bytes())
    }

    /// Writes bytes into the program's input: any, not only text.
    pub fn type_bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        let typed = match &mut self.stdin {
            Some(stdin) => stdin.write_all(bytes).and_then(|()| stdin.flush()),
            None => Err(io::Error::other(text!("program.input-ended"))),
        };
        typed.map_err(|error| {
            let text = String::from_utf8_lossy(bytes);
            let typed = text.trim_end();
            self.failure(&text!("program.cannot-type", typed, error))
        })
    }

    /// Writes bytes into the program's input, and ends it. Does not wait until the program reads them: they
    /// may be more than the pipe takes.
    pub(crate) fn type_all(&mut self, bytes: Vec<u8>) {
        if let Some(mut stdin) = self.stdin.take() {
            // It ends with the program, if not before; what the program does not read shows elsewhere.
            thread::spawn(move || stdin.write_all(&bytes));
        }
    }

    /// Ends the program's input, as Ctrl-D does.
    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Interrupts the program, as Ctrl-C does. Where there are no signals (Windows) it is killed.
    pub fn interrupt(&mut self) -> Result<(), Failure> {
        #[cfg(unix)]
        return self.signal(rustix::process::Signal::INT);
        #[cfg(not(unix))]
        {
            self.process.end();
            Ok(())
        }
    }

    /// Sends a signal to the program; with its process group, if it has one of its own, as Ctrl-C in a
    /// terminal does.
    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: rustix::process::Signal) -> Result<(), Failure> {
        use rustix::process::{Pid, kill_process, kill_process_group};

        let process = i32::try_from(self.process.id()).ok().and_then(Pid::from_raw);
        let kill = if self.with_children { kill_process_group } else { kill_process };
        let sent = process
            .ok_or_else(|| io::Error::other(text!("program.no-process")))
            .and_then(|process| Ok(kill(process, signal)?));
        sent.map_err(|error| self.failure(&text!("program.cannot-interrupt", error)))
    }

    /// The next line of output, without its ending; `None` where the output ends.
    pub fn next_line(&mut self) -> Result<Option<String>, Failure> {
        self.next_line_within(self.deadline)
    }

    /// The next line; an error if the output ends, or nothing arrives before the deadline.
    pub fn expect_line(&mut self, expected: &str) -> Result<String, Failure> {
        let line = self.next_line().map_err(|failure| failure.expecting(expected))?;
        line.ok_or_else(|| self.failure(&text!("program.output-ended", expected)))
    }

    /// Waits for a line that `matches`, and takes it and all before it; `expected` names it in the
    /// failure. One deadline for all, however many other lines arrive meanwhile.
    pub fn expect_later(
        &mut self,
        expected: &str,
        matches: impl Fn(&str) -> bool,
    ) -> Result<String, Failure> {
        let (run, taken) = self.taken;
        let find = |state: &OutputState| {
            let fresh = |index, times| index > run || times > taken;
            let found = state
                .runs_from(run)
                .find(|(index, (line, times))| fresh(*index, *times) && matches(line));
            found.map(|(index, (line, _))| (index, line.clone()))
        };
        let done = |state: &OutputState| find(state).is_some() || state.ended;
        let state = self.output.wait_until(self.deadline, done);
        let (found, ended) = (find(&state), state.ended);
        drop(state);
        let Some((index, line)) = found else {
            let deadline = format!("{:?}", self.deadline);
            return Err(if ended {
                self.failure(&text!("program.not-before-end", expected))
            } else {
                self.silence(&text!("program.not-within", expected, deadline))
            });
        };
        self.taken = (index, if index == run { taken + 1 } else { 1 });
        Ok(line)
    }

    /// Waits until the line taken last has arrived `count` times more in a row, and takes them.
    pub fn expect_repeats(&mut self, count: usize) -> Result<(), Failure> {
        let (run, taken) = self.taken;
        if taken == 0 {
            return Err(self.failure(&text!("program.no-line-yet")));
        }
        let times = |state: &OutputState| state.run(run).map_or(taken, |(_, times)| *times);
        let enough = |state: &OutputState| times(state) >= taken + count;
        let state = self.output.wait_until(self.deadline, |state| enough(state) || state.ended);
        let line = state.run(run).map_or(String::new(), |(line, _)| line.clone());
        let times = times(&state);
        let satisfied = enough(&state);
        drop(state);
        if !satisfied {
            let times = times - taken;
            return Err(self.failure(&text!("program.too-few-repeats", line, count, times)));
        }
        self.taken = (run, times);
        Ok(())
    }

    /// Waits for the program's end.
    pub fn wait(&mut self) -> Result<ExitStatus, Failure> {
        match self.ends_within(self.deadline) {
            Ok(Some(status)) => Ok(status),
            Err(error) => Err(self.failure(&error.to_string())),
            Ok(None) => {
                let deadline = format!("{:?}", self.deadline);
                Err(self.failure(&text!("program.not-ended", deadline)).timed_out())
            }
        }
    }

    /// Waits so long for the program's end; none if it still runs then.
    pub(crate) fn ends_within(&self, time: Duration) -> io::Result<Option<ExitStatus>> {
        let end = Instant::now() + time;
        // The output ends when the program does: an event to wait for.
        drop(self.output.wait_until(time, |state| state.ended));
        loop {
            let status = self.process.status()?;
            if status.is_some() || Instant::now() >= end {
                return Ok(status);
            }
            // `std` cannot wait for a process under a deadline. The output has ended, so what is left
            // is the moment between that and the exit.
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// The lines that are there and were not taken.
    #[must_use]
    pub fn lines_left(&self) -> Vec<String> {
        let state = self.output.lock();
        let (run, taken) = self.taken;
        let mut lines = Vec::new();
        for (index, (line, times)) in state.runs_from(run) {
            let left = if index == run { times - taken } else { *times };
            lines.extend(std::iter::repeat_n(line.clone(), left.min(LISTED_LINES)));
        }
        lines
    }

    /// All that was written so far, for a person.
    #[must_use]
    pub fn transcript(&self) -> String {
        self.output.lock().transcript()
    }

    /// The beginning of a line that was written last, such as a prompt, if its end has not arrived.
    pub(crate) fn prompt(&self) -> Option<String> {
        self.output.lock().begun()
    }

    /// A failure of this program that shows everything it has written.
    #[must_use]
    pub fn failure(&self, what: &str) -> Failure {
        self.explain(Failure::new(what))
    }

    /// A failure of this program, which has not written within its deadline what was expected.
    fn silence(&self, what: &str) -> Failure {
        let failure = self.failure(what).timed_out();
        let may_keep_it = self.with_children && self.output.lock().wrote_nothing();
        if may_keep_it { failure.adding(&text!("program.buffered")) } else { failure }
    }

    /// This failure as one of this program.
    #[must_use]
    pub fn explain(&self, failure: Failure) -> Failure {
        if self.status().is_some() {
            // What it has written may still be on its way.
            drop(self.output.wait_until(CHILDREN_END, |state| state.ended));
        }
        failure.of(&self.name, self.transcript())
    }

    /// As `next_line`, under another deadline.
    fn next_line_within(&mut self, deadline: Duration) -> Result<Option<String>, Failure> {
        let (run, taken) = self.taken;
        let more = |state: &OutputState| {
            state.run(run).is_some_and(|(_, times)| *times > taken) || state.runs() > run + 1
        };
        let state = self.output.wait_until(deadline, |state| more(state) || state.ended);
        if !more(&state) {
            let ended = state.ended;
            drop(state);
            return if ended {
                Ok(None)
            } else {
                let deadline = format!("{deadline:?}");
                Err(self.silence(&text!("program.no-further-line", deadline)))
            };
        }
        let same = state.run(run).is_some_and(|(_, times)| *times > taken);
        let (next, taken) = if same { (run, taken) } else { (run + 1, 0) };
        let next = state.runs_from(next).next();
        let (run, line) =
            next.map(|(index, (line, _))| (index, line.clone())).expect("there is more");
        drop(state);
        self.taken = (run, taken + 1);
        Ok(Some(line))
    }

    /// Waits until nothing new has been written for `quiet`, or the output has ended, or its last
    /// line has arrived `flood` times; returns whether it has.
    pub(crate) fn settle(&self, quiet: Duration, flood: usize) -> bool {
        let length = |state: &OutputState| state.lines;
        let floods = |state: &OutputState| state.latest().is_some_and(|(_, times)| *times > flood);
        loop {
            let before = length(&self.output.lock());
            let changed = |state: &OutputState| length(state) > before || state.ended;
            let state = self.output.wait_until(quiet, changed);
            if state.ended || floods(&state) || length(&state) == before {
                return floods(&state);
            }
        }
    }
}

/// What a program writes: our end of it, and what the program has as stdout and as stderr.
struct Channel {
    reader: Box<dyn Read + Send>,
    stdout: Stdio,
    stderr: Stdio,
}

impl Channel {
    fn new(
        reader: impl Read + Send + 'static,
        stdout: impl Into<Stdio>,
        stderr: impl Into<Stdio>,
    ) -> Self {
        Self { reader: Box::new(reader), stdout: stdout.into(), stderr: stderr.into() }
    }
}

/// Where a program's output goes, while its input is a pipe.
///
/// Most languages keep what is printed into a pipe until a buffer is full, and what is printed on a
/// terminal until the line ends. A person who types a line sees the answer at once; so should we.
/// Some programs edit the line on a terminal, and write what was typed once more; with a pipe they
/// do not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OutputTo {
    /// A terminal, on Unix; elsewhere a pipe.
    Terminal,
    Pipe,
}

/// A terminal for stdout and stderr that passes on every byte as it is.
#[cfg(unix)]
fn terminal_for_output() -> io::Result<Channel> {
    use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};

    let (reader, writer) = open_terminal().map_err(io::Error::other)?;
    let mut attributes = tcgetattr(&writer)?;
    attributes.make_raw();
    tcsetattr(&writer, OptionalActions::Now, &attributes)?;
    Ok(Channel::new(reader, writer.try_clone()?, writer))
}

#[cfg(not(unix))]
fn terminal_for_output() -> io::Result<Channel> {
    pipe()
}

/// One pipe for stdout and stderr.
fn pipe() -> io::Result<Channel> {
    let (reader, writer) = io::pipe()?;
    Ok(Channel::new(reader, writer.try_clone()?, writer))
}

/// A terminal: the side of the person, and the side of the program.
///
/// # Errors
///
/// If the system gives none.
#[cfg(unix)]
pub fn open_terminal() -> Result<(std::fs::File, std::fs::File), Failure> {
    use rustix::io::{FdFlags, fcntl_setfd};
    use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
    use rustix::termios::{Winsize, tcsetwinsize};

    let open = || -> io::Result<_> {
        let keyboard = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        // Otherwise the program would have it as well, and its terminal could never be closed.
        fcntl_setfd(&keyboard, FdFlags::CLOEXEC)?;
        grantpt(&keyboard)?;
        unlockpt(&keyboard)?;
        let path = ptsname(&keyboard, Vec::new())?;
        let path = path.to_str().map_err(io::Error::other)?;
        let input = std::fs::File::options().read(true).write(true).open(path)?;
        let size = Winsize { ws_row: Screen::ROWS, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&input, size)?;
        Ok((keyboard.into(), input))
    };
    open().map_err(|error| Failure::new(text!("program.no-terminal", error)))
}

/// What a program writes on a terminal. An editor asks where the cursor is, and waits for the answer.
#[cfg(unix)]
struct Screen {
    output: std::fs::File,
    answers: std::fs::File,
}

#[cfg(unix)]
impl Screen {
    const ROWS: u16 = 24;
    const QUESTION: &[u8] = b"\x1b[6n";

    /// The screen of the terminal that has this keyboard.
    fn of(keyboard: &std::fs::File) -> io::Result<Self> {
        Ok(Self { output: keyboard.try_clone()?, answers: keyboard.try_clone()? })
    }
}

#[cfg(unix)]
impl Read for Screen {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // On Linux, the end of a terminal is an error. To a reader of lines, that is the same.
        let len = self.output.read(buffer)?;
        let questions = buffer[..len].windows(Self::QUESTION.len());
        for _ in questions.filter(|bytes| *bytes == Self::QUESTION) {
            write!(self.answers, "\x1b[{};1R", Self::ROWS)?;
        }
        Ok(len)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.process.end();
        if self.with_children {
            // Its children are not ours to wait for. When the last of them is gone, the output ends.
            drop(self.output.wait_until(CHILDREN_END, |state| state.ended));
        }
    }
}

fn cannot_start(command: &str, error: &io::Error) -> Failure {
    Failure::unable(text!("program.cannot-start", command, error))
}

/// A command as a person would type it, its folders left out.
fn describe(command: &Command) -> String {
    let program = std::path::Path::new(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    let mut text = name.to_string_lossy().into_owned();
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    printable(&text)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Program::start(command).unwrap()
    }

    #[test]
    fn both_outputs_come_in_the_order_in_which_they_were_written() {
        let mut program = shell("echo one; echo two >&2; echo three; exit 3");
        for line in ["one", "two", "three"] {
            assert_eq!(program.next_line().unwrap().as_deref(), Some(line));
        }
        assert_eq!(program.next_line().unwrap(), None);
        assert_eq!(program.wait().unwrap().code(), Some(3));
    }

    #[test]
    fn what_is_typed_arrives_and_the_end_of_the_input_too() {
        let mut program = shell("cat; echo end");
        program.type_line("hello").unwrap();
        assert_eq!(program.expect_line("hello").unwrap(), "hello");
        program.end_input();
        assert_eq!(program.expect_line("end").unwrap(), "end");
    }

    #[test]
    fn a_line_that_does_not_come_fails_with_all_that_came() {
        let mut program = shell("echo one; cat");
        assert_eq!(program.expect_line("one").unwrap(), "one");
        let mut program = program.with_deadline(Duration::from_millis(50));
        let failure = program.expect_line("two").unwrap_err().to_string();
        assert!(failure.contains("expected `two`, but it has printed no further line within 50ms"));
        assert!(failure.ends_with("its output:\n    one\n"), "{failure}");
        let mut program = program.with_deadline(DEADLINE);
        program.end_input();
        let failure = program.expect_line("two").unwrap_err().to_string();
        assert!(failure.contains("expected it to print `two`, but its output ended"), "{failure}");
    }

    #[test]
    fn equal_lines_are_counted_and_one_among_others_is_found() {
        let mut program = shell("for i in 1 2 3 4; do echo same; done; echo last; echo more");
        program.expect_line("same").unwrap();
        program.expect_repeats(3).unwrap();
        let failure = program.expect_repeats(1).unwrap_err().to_string();
        assert!(failure.contains("at least 1 times more, received it 0 times"), "{failure}");
        assert_eq!(program.expect_later("last", |line| line == "last").unwrap(), "last");
        assert_eq!(program.lines_left(), ["more"]);
        let failure = program.expect_later("same", |line| line == "same").unwrap_err();
        assert!(
            failure
                .to_string()
                .contains("expected it to print `same`, but its output ended without"),
            "{failure}"
        );
    }

    #[test]
    fn a_dropped_program_is_gone() {
        let program = shell("exec cat");
        let pid = rustix::process::Pid::from_raw(i32::try_from(program.id()).unwrap()).unwrap();
        rustix::process::test_kill_process(pid).unwrap();
        drop(program);
        rustix::process::test_kill_process(pid).unwrap_err();
    }

    #[test]
    fn a_program_of_a_stranger_has_a_terminal_for_its_output_and_it_passes_on_every_byte() {
        let script =
            "test -t 1 && test -t 2 && ! test -t 0 && printf 'a\\r\\tb\\377\\nport? '; read x";
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let mut program = Program::start_with_children(command).unwrap();
        assert_eq!(program.expect_line("a").unwrap(), "a\r\tb\u{fffd}");
        drop(program.output.wait_until(DEADLINE, |state| state.transcript().contains("port? ")));
        assert!(program.transcript().contains("port? "), "{}", program.transcript());
        program.end_input();
        program.wait().unwrap();
        assert_eq!(program.next_line().unwrap().as_deref(), Some("port? "));
    }

    #[test]
    fn a_silent_program_of_a_stranger_is_told_to_flush() {
        let start = |script: &str| {
            let mut command = Command::new("sh");
            command.args(["-c", script]);
            let program = Program::start_with_children(command).unwrap();
            program.with_deadline(Duration::from_millis(200))
        };
        let mentions = |script: &str| {
            let failure = start(script).expect_later("x", |line| line == "x").unwrap_err();
            failure.to_string().contains("flush")
        };
        assert!(mentions("exec cat"));
        assert!(!mentions("echo one; exec cat"));
    }

    /// Whether a process sleeps for that long. Nothing else on this computer has this among its arguments.
    #[cfg(target_os = "linux")]
    fn sleeps(lasts: &str) -> bool {
        let list = Command::new("ps").args(["-A", "-o", "stat=,args="]).output().unwrap();
        let list = String::from_utf8_lossy(&list.stdout).into_owned();
        let command = format!("sleep {lasts}");
        list.lines().any(|line| line.ends_with(&command) && !line.starts_with('Z'))
    }

    #[cfg(target_os = "linux")]
    const LASTS: &str = "CONFORMANCE_TEST_LASTS";

    /// The process that is killed in the test after this one.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_process_that_is_to_be_killed_starts_programs() {
        let Ok(lasts) = std::env::var(LASTS) else { return };
        let mut command = Command::new("sh");
        command
            .args(["-c", &format!("setsid sleep {lasts} & sleep {lasts} & echo ready; exec cat")]);
        let mut program = Program::start_with_children(command).unwrap();
        program.expect_line("ready").unwrap();
        println!("started");
        program.wait().unwrap(); // until its deadline at the latest
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_program_ends_with_the_process_that_started_it_also_when_that_is_killed() {
        let lasts = format!("65432{}", std::process::id());
        let mut command = Command::new(std::env::current_exe().unwrap());
        let name = "program::tests::a_process_that_is_to_be_killed_starts_programs";
        command.args(["--exact", "--nocapture", name]).env(LASTS, &lasts);
        let mut judge = Program::start(command).unwrap();
        judge.expect_later("started", |line| line.contains("started")).unwrap();
        assert!(sleeps(&lasts));
        drop(judge); // which kills it
        let until = Instant::now() + DEADLINE;
        while sleeps(&lasts) {
            assert!(Instant::now() < until, "it has left something behind");
            thread::sleep(Duration::from_millis(10)); // not our children: no event reports their end
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_has_left_the_group_and_its_parent_ends_with_the_program() {
        let lasts = format!("76543{}", std::process::id());
        let sleeps = || sleeps(&lasts);
        let mut command = Command::new("sh");
        // The shell in between ends at once: `sleep` has a session of its own, and another parent.
        command.args(["-c", &format!("sh -c 'setsid sleep {lasts} &'; echo ready; exec cat")]);
        let mut program = Program::start_with_children(command).unwrap();
        program.expect_line("ready").unwrap();
        while !sleeps() {
            thread::sleep(Duration::from_millis(1)); // no event reports what another process has started
        }
        drop(program);
        assert!(!sleeps());
    }

    #[test]
    fn an_interrupt_ends_a_program() {
        let mut program = shell("echo ready; exec cat");
        program.expect_line("ready").unwrap();
        program.interrupt().unwrap();
        assert_eq!(program.wait().unwrap().code(), None, "a signal ended it");
    }

    #[test]
    fn a_hang_up_ends_a_program() {
        use rustix::process::{Pid, Signal, getpid, kill_process};
        // Who ignores hang-ups, as under `nohup`, still does; our programs do not.
        let ignores = crate::process::is_ignored(signal_hook::consts::SIGHUP);
        let mut program = shell("echo ready; exec cat");
        program.expect_line("ready").unwrap();
        if ignores {
            kill_process(getpid(), Signal::HUP).unwrap();
        }
        let pid = Pid::from_raw(i32::try_from(program.id()).unwrap()).unwrap();
        kill_process(pid, Signal::HUP).unwrap();
        assert_eq!(program.wait().unwrap().code(), None, "a signal ended it");
    }

    /// Runs a test of this module once more, by a process that ignores a signal.
    fn again(test: &str, signal: &str) {
        let script = format!("trap '' {signal}; exec \"$0\" --exact program::tests::{test}");
        let this = std::env::current_exe().unwrap();
        let output = Command::new("sh").args(["-c", &script]).arg(this).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{said}");
    }

    #[test]
    fn an_interrupt_ends_a_program_also_when_we_were_started_in_the_background() {
        again("an_interrupt_ends_a_program", "INT");
    }

    #[test]
    fn a_hang_up_ends_a_program_also_when_we_were_started_by_nohup() {
        again("a_hang_up_ends_a_program", "HUP");
    }
}
