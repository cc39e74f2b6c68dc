//! How much processor time a process has used: how one sees that a program spins.

use std::io;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::process_info::Stat;
use crate::program::{DEADLINE, Program};

/// Processor time after which a program that should be waiting counts as spinning. A server that
/// waits uses none; one that serves a few messages, a few milliseconds.
const SPINNING: Duration = Duration::from_millis(500);

/// How long a program is watched that should not spin.
const WATCHED: Duration = Duration::from_secs(1);

/// Between two looks at a process's clock. There is no event for "has used processor time".
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
        thread::sleep(LOOK); // no event tells that a process has used processor time
    }
    let used = cpu_time(program)?.saturating_sub(start);
    let (used, time) = (format!("{used:?}"), format!("{DEADLINE:?}"));
    Err(program.failure(&text!("cpu.too-little", used, time)))
}

/// Watches `program` for one second, in which it must use next to no processor time.
pub fn expect_waiting(program: &Program) -> Result<(), Failure> {
    expect_waiting_for(program, WATCHED)
}

/// Waits until `program` rests: while it is watched for so long, it uses next to no processor time.
///
/// An error if it does not come to that within the deadline: what it had to do is done by then.
#[cfg(unix)]
pub(crate) fn expect_rest(
    program: &Program,
    watched: Duration,
    deadline: Duration,
) -> Result<(), Failure> {
    let end = Instant::now() + deadline;
    loop {
        match expect_waiting_for(program, watched) {
            Err(_) if Instant::now() < end => {}
            result => return result,
        }
    }
}

fn expect_waiting_for(program: &Program, watched: Duration) -> Result<(), Failure> {
    let start = cpu_time(program)?;
    thread::sleep(watched); // the thing to see is that nothing happens: no event to wait for
    let used = cpu_time(program)?.saturating_sub(start);
    if used > watched / 10 {
        let (used, time) = (format!("{used:?}"), format!("{watched:?}"));
        return Err(program.failure(&text!("cpu.too-much", used, time)));
    }
    Ok(())
}

fn cpu_time(program: &Program) -> Result<Duration, Failure> {
    cpu_time_of(program.id()).map_err(|error| program.failure(&text!("cpu.unknown", error)))
}

/// User and system time of a process: from `/proc` on Linux, from `ps` on other Unix systems, from
/// PowerShell on Windows. Asking the system's own tools costs a process each time, and no `unsafe`.
fn cpu_time_of(pid: u32) -> io::Result<Duration> {
    match Stat::of(pid) {
        Ok(stat) => return Ok(stat.cpu_time),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(error),
        Err(_) => {} // not on Linux
    }
    let output = if cfg!(windows) {
        let script =
            format!("(Get-Process -Id {pid}).CPU.ToString('F3', [cultureinfo]::InvariantCulture)");
        Command::new("powershell").args(["-NoProfile", "-Command", &script]).output()?
    } else {
        Command::new("ps").args(["-o", "time=", "-p", &pid.to_string()]).output()?
    };
    let text = String::from_utf8_lossy(&output.stdout);
    parse_clock(text.trim()).ok_or_else(|| io::Error::other(text!("cpu.no-time", text)))
}

/// `[[HH:]MM:]SS[.fraction]`, as `ps` and PowerShell write it.
fn parse_clock(text: &str) -> Option<Duration> {
    let mut seconds = 0.0;
    for part in text.split(':') {
        seconds = seconds * 60.0 + part.parse::<f64>().ok()?;
    }
    Duration::try_from_secs_f64(seconds).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_clocks_of_ps_and_of_powershell() {
        assert_eq!(parse_clock("0:01.50"), Some(Duration::from_millis(1500)));
        assert_eq!(parse_clock("00:01:02"), Some(Duration::from_secs(62)));
        assert_eq!(parse_clock("3.25"), Some(Duration::from_millis(3250)));
        assert_eq!(parse_clock("never"), None);
    }

    #[cfg(unix)]
    #[test]
    fn what_has_work_to_do_comes_to_rest_and_what_spins_does_not() {
        let start = |script: &str| {
            let mut command = std::process::Command::new("sh");
            command.args(["-c", script]);
            Program::start(command).unwrap()
        };
        let watched = Duration::from_millis(100);
        // It works until it is told to wait for its input.
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
    fn this_process_has_used_some_time() {
        let start = cpu_time_of(std::process::id()).unwrap();
        let mut used = start;
        while used <= start {
            used = cpu_time_of(std::process::id()).unwrap();
        }
    }
}
