//! How much processor time a program has used, in all its threads and processes: how one sees that it
//! spins.

use std::thread;
use std::time::{Duration, Instant};

use crate::Failure;
#[cfg(target_os = "linux")]
use crate::process_info::Stat;
use crate::program::{DEADLINE, Program};
use crate::usage::Usage;

/// Processor time after which a program that should be waiting counts as spinning. A server that
/// waits uses none; one that serves a few messages, a few milliseconds.
const SPINNING: Duration = Duration::from_millis(500);

/// How long a program is watched that should not spin.
const WATCHED: Duration = Duration::from_secs(1);

/// Between two looks at a program's clock. There is no event for "has used processor time".
const LOOK: Duration = Duration::from_millis(20);

/// Waits until `program` has used half a second of processor time from now on.
///
/// An error if it has not within the deadline: it waits instead.
pub fn expect_spinning(program: &Program) -> Result<(), Failure> {
    let start = cpu_time(program)?;
    let end = Instant::now() + DEADLINE;
    while Instant::now() < end {
        if cpu_time(program)?.saturating_sub(start) >= SPINNING {
            return Ok(());
        }
        thread::sleep(LOOK); // no event reports that a process has used processor time
    }
    let used = cpu_time(program)?.saturating_sub(start);
    let (used, time) = (format!("{used:?}"), format!("{DEADLINE:?}"));
    Err(program.failure(&text!("cpu.too-little", used, time)))
}

/// Watches `program` for one second, in which it must use next to no processor time.
pub fn expect_waiting(program: &Program) -> Result<(), Failure> {
    expect_waiting_for(program, WATCHED)
}

/// Waits until `program` rests: while it is watched for that long, it uses next to no processor time.
///
/// Returns an error if it does not rest within the deadline: it should have finished by then.
pub(crate) fn expect_rest(
    program: &Program,
    watched: Duration,
    deadline: Duration,
) -> Result<(), Failure> {
    let end = Instant::now() + deadline;
    loop {
        let used = used_while(program, watched)?;
        if used <= watched / 10 && !has_work(program)? {
            return Ok(());
        }
        if Instant::now() >= end {
            return Err(too_much(program, used, watched));
        }
    }
}

fn expect_waiting_for(program: &Program, watched: Duration) -> Result<(), Failure> {
    let used = used_while(program, watched)?;
    if used > watched / 10 { Err(too_much(program, used, watched)) } else { Ok(()) }
}

/// The processor time that a program uses while it is watched.
fn used_while(program: &Program, watched: Duration) -> Result<Duration, Failure> {
    let start = cpu_time(program)?;
    thread::sleep(watched); // the thing to see is that nothing happens: no event to wait for
    Ok(cpu_time(program)?.saturating_sub(start))
}

fn too_much(program: &Program, used: Duration, watched: Duration) -> Failure {
    let (used, time) = (format!("{used:?}"), format!("{watched:?}"));
    program.failure(&text!("cpu.too-much", used, time))
}

/// Whether a thread of a program runs or waits for a processor: one that spins does, even while other
/// programs have all of them. Only Linux reports that.
#[cfg(target_os = "linux")]
fn has_work(program: &Program) -> Result<bool, Failure> {
    let runs = |id| Stat::of_threads(id).iter().any(|thread| thread.state == 'R');
    Ok(program.family()?.into_iter().any(runs))
}

#[cfg(not(target_os = "linux"))]
#[expect(clippy::unnecessary_wraps, reason = "on Linux it can fail")]
fn has_work(_: &Program) -> Result<bool, Failure> {
    Ok(false)
}

fn cpu_time(program: &Program) -> Result<Duration, Failure> {
    Usage::of(program).map(|usage| usage.cpu_time)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn what_has_work_to_do_comes_to_rest_and_what_spins_does_not() {
        let start = |script: &str| {
            let mut command = std::process::Command::new("sh");
            command.args(["-c", script]);
            Program::start(command).unwrap()
        };
        let watched = Duration::from_millis(100);
        // It computes until it reads its input.
        let works = start("trap 'exec cat' TERM; while :; do :; done");
        expect_spinning(&works).unwrap();
        // Where many others work, too, it may get no processor while it is watched.
        let sees = |look: &dyn Fn() -> Result<(), Failure>| {
            let end = Instant::now() + DEADLINE;
            std::iter::repeat_with(look).take_while(|_| Instant::now() < end).any(|it| it.is_err())
        };
        assert!(sees(&|| expect_waiting_for(&works, watched)));
        assert!(sees(&|| expect_rest(&works, watched, watched)));
        let pid = rustix::process::Pid::from_raw(i32::try_from(works.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        expect_rest(&works, watched, DEADLINE).unwrap();
    }

    #[test]
    fn a_child_that_spins_is_seen_and_so_are_many_that_end() {
        for script in ["sh -c 'while :; do :; done'; true", "while :; do (:); done"] {
            let mut command = std::process::Command::new("sh");
            command.args(["-c", script]);
            expect_spinning(&Program::start_with_children(command).unwrap()).unwrap();
        }
    }
}
