//! Examining a program that is not ours: which checks the exam runs, and how.

use std::fmt;
use std::time::Duration;

use super::list::{CHECKS, Check, EXERCISES};
use super::promises::{Promise, Promises};
use super::protocol::Protocol;
use super::subject::{Server, Side, Subject};
use crate::program::OutputTo;
use crate::proxy::Cut;
use crate::{Failure, Symptom};

/// The wait before each piece of a delayed stream.
const DELAY: Duration = Duration::from_millis(20);

/// How many deadlines may pass until the deadlines become the shortest: the program has failed
/// already, and one that answers nothing must not cost as much for each check.
const FEW: usize = 2;

/// After the first missed deadline: the divisor of the deadline, and the least.
const LATER: (u32, Duration) = (5, Duration::from_secs(2));

/// After a few missed deadlines, the same.
const LAST: (u32, Duration) = (10, Duration::from_secs(1));

/// How the stream is treated between client and server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Way {
    /// Where the proxy cuts it.
    pub cut: Option<Cut>,
    /// How long each piece waits.
    pub delay: Duration,
}

impl Way {
    /// There is no proxy in between.
    pub const WHOLE: Self = Self { cut: None, delay: Duration::ZERO };
    /// Each byte arrives alone.
    pub const BYTES: Self = Self { cut: Some(Cut::Every(1)), delay: Duration::ZERO };
    /// Each piece arrives late.
    pub const LATE: Self = Self { cut: Some(Cut::AsRead), delay: DELAY };

    /// How a program is examined by default.
    ///
    /// If a message is what one read returns, the stream to the server must stay as it is. A server that
    /// has boundaries to keep, or a client that knows where an answer ends, has to cope with single
    /// bytes.
    #[must_use]
    pub fn usual(protocol: Protocol, side: Side) -> &'static [Self] {
        match (protocol, side) {
            (Protocol::Echo | Protocol::Shell, Side::Client) => &[Self::WHOLE, Self::LATE],
            (_, Side::Client) => &[Self::WHOLE, Self::BYTES, Self::LATE],
            (Protocol::Echo | Protocol::UpperCase | Protocol::Shell, _) => &[Self::WHOLE],
            _ => &[Self::WHOLE, Self::BYTES],
        }
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cut {
            None => f.write_str(&text!("exam.whole")),
            Some(Cut::AsRead) => {
                let delay = format!("{DELAY:?}");
                f.write_str(&text!("exam.late", delay))
            }
            Some(Cut::Every(1)) => f.write_str(&text!("exam.single-bytes")),
            Some(Cut::Every(len)) => f.write_str(&text!("exam.every", len)),
            Some(Cut::Random { seed }) => f.write_str(&text!("exam.random", seed)),
        }
    }
}

/// The result of a check.
#[derive(Debug)]
pub enum Outcome {
    /// The program keeps the promise.
    Kept,
    /// The program breaks it.
    Failed(Failure),
    /// The check did not run, for this reason.
    NotAsked(String),
    /// No check can run with this program.
    Unable(Failure),
}

/// A program, and the checks to run.
pub struct Exam {
    /// The program, with the step's own program as its other side. Its stream is cut in the ways below.
    pub subject: Subject,
    /// What the step promises.
    pub promises: Promises,
    /// How each check runs, one way after another, until one fails.
    pub ways: Vec<Way>,
    /// Only these checks, whatever the step promises; all if empty.
    pub only: Vec<&'static Check>,
    /// Whether a check has run with the program: from then on, a check that cannot run fails.
    is_able: bool,
    /// The initial deadline of each wait.
    deadline: Duration,
    /// How many deadlines have passed.
    timeouts: usize,
    /// The symptom that explains every later failure, if there is one.
    spoilt: Option<Symptom>,
}

impl Exam {
    /// An exam of this program, which keeps these promises, in these ways; `only` these checks, or all.
    #[must_use]
    pub fn new(
        mut subject: Subject,
        promises: Promises,
        ways: Vec<Way>,
        only: Vec<&'static Check>,
    ) -> Self {
        subject.inquires = true;
        let deadline = subject.deadline;
        Self { subject, promises, ways, only, is_able: false, deadline, timeouts: 0, spoilt: None }
    }

    /// The checks that are about this side of the program, in their order.
    #[must_use]
    pub fn checks(&self) -> Vec<&'static Check> {
        let wanted = |check: &&Check| {
            self.only.is_empty() || self.only.iter().any(|only| only.name == check.name)
        };
        let means_something = |check: &&Check| {
            check.concerns(self.subject.judged) && check.speaks(self.subject.protocol)
        };
        // Exercises' checks are no promise of the step: a learner requests them by name.
        let exercises: &[Check] = if self.only.is_empty() { &[] } else { EXERCISES };
        CHECKS.iter().chain(exercises).filter(means_something).filter(wanted).collect()
    }

    /// Runs a check with the program.
    pub fn put(&mut self, check: &'static Check) -> Outcome {
        if let Some(reason) = self.obstacle_to(check) {
            return Outcome::NotAsked(reason);
        }
        self.subject.deadline = self.deadline_for(check);
        for way in self.ways.clone() {
            (self.subject.cut, self.subject.delay) = (way.cut, way.delay);
            let judged = self.subject.judge(check);
            if let Err(failure) = judged.or_else(|failure| self.with_a_pipe(check, failure)) {
                if failure.is_not_asked() {
                    return Outcome::NotAsked(failure.text().to_owned());
                }
                if failure.is_in_background() || failure.is_unable() && !self.is_able {
                    return Outcome::Unable(failure);
                }
                self.is_able = true;
                self.wait_less_after(&failure);
                let failure = self.diagnosed(way, failure);
                let whole = way == Way::WHOLE;
                let failure = if whole { failure } else { failure.after(way.to_string()) };
                return Outcome::Failed(failure);
            }
            self.is_able = true;
        }
        Outcome::Kept
    }

    /// Tests a client that failed at a terminal once more, now with a pipe for its output. Some correct clients
    /// edit lines at a terminal, and show the typed text; such a client keeps the pipe.
    fn with_a_pipe(&mut self, check: &Check, failure: Failure) -> Result<(), Failure> {
        let is_client = self.subject.judged == Side::Client;
        let is_final = failure.is_unable() || failure.is_not_asked() || failure.has_timed_out();
        if !is_client || is_final || self.subject.output == OutputTo::Pipe {
            return Err(failure);
        }
        self.subject.output = OutputTo::Pipe;
        self.subject.judge(check).map_err(|with_a_pipe| {
            self.subject.output = OutputTo::Terminal;
            // The check may not have seen bytes that were still in a buffer.
            if with_a_pipe.has_timed_out() { failure } else { with_a_pipe }
        })
    }

    /// The failure with the symptom that its way shows; without one, it gets the symptom of an earlier failure
    /// that spoils everything.
    fn diagnosed(&mut self, way: Way, failure: Failure) -> Failure {
        // The ways run in their order: the check passed before the proxy cut the stream.
        let only_cut = way != Way::WHOLE && self.ways.first() == Some(&Way::WHOLE);
        let failure = failure.looking_rather_like(only_cut.then_some(Symptom::PartialRead));
        // A server that has ended, or spins, does so for a reason of its own.
        let may_be_the_same = failure.difference().is_some() || failure.has_timed_out();
        let failure = failure.looking_like(self.spoilt.filter(|_| may_be_the_same));
        self.spoilt = self.spoilt.or(failure.symptom().filter(|it| it.spoils_all()));
        failure
    }

    /// Shortens the further waits, if a deadline has passed.
    fn wait_less_after(&mut self, failure: &Failure) {
        if !failure.has_timed_out() {
            return;
        }
        self.timeouts += 1;
        self.subject.inquires = false; // further questions would now cost as much again
        if failure.is_unable() {
            self.subject.patience = shorter(self.subject.patience, LATER);
        }
    }

    /// How long anything may take in a check.
    fn deadline_for(&self, check: &Check) -> Duration {
        // A client's time begins at its start, and some checks wait for something that takes a second.
        let takes_time = self.subject.judged == Side::Client || check.takes_a_second();
        match self.timeouts {
            0 => self.deadline,
            1..=FEW => shorter(self.deadline, LATER),
            _ if takes_time => shorter(self.deadline, LATER),
            _ => shorter(self.deadline, LAST),
        }
    }

    /// Why the check does not run with the program, if it does not.
    fn obstacle_to(&self, check: &Check) -> Option<String> {
        if let Some(reason) = check.needs_another_system() {
            return Some(reason);
        }
        let runs = matches!(self.subject.server, Server::Running(_));
        if runs && self.subject.judged == Side::Server && check.needs_to_start_the_server() {
            return Some(text!("exam.not-started-here"));
        }
        let broken = self.promises.promise(check.name) != Some(Promise::Kept);
        if broken && self.only.is_empty() {
            let (step, name) = (format!("{:02}", self.promises.number), check.name);
            return Some(text!("exam.not-kept-either", step, name));
        }
        None
    }
}

/// A part of this time, but not less than the least.
fn shorter(time: Duration, (part, least): (u32, Duration)) -> Duration {
    time.min(least.max(time / part))
}
