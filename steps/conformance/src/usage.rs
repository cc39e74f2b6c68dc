//! What a program uses: the processor time and the memory of all processes that belong to it.
//!
//! Linux reports it in `/proc`. Other systems have a tool that prints a table of all processes: asking
//! it costs a process each time, and no `unsafe`.

use std::time::Duration;

use crate::Failure;
use crate::program::Program;

/// What the processes of a program use together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// User and system time so far, that of children which were waited for included.
    pub(crate) cpu_time: Duration,
    /// The memory that is resident, in KiB: on Linux the most that each process ever had, elsewhere
    /// what it has now.
    pub(crate) resident_kib: u64,
}

impl Usage {
    /// Asks the system: nothing if the program has ended. The check that needs it is not asked where the
    /// system does not answer.
    pub(crate) fn of(program: &Program) -> Result<Self, Failure> {
        Ok(family(program)?.iter().fold(Self::default(), |sum, usage| Self {
            cpu_time: sum.cpu_time + usage.cpu_time,
            resident_kib: sum.resident_kib + usage.resident_kib,
        }))
    }
}

/// What each process of a program uses. One that has just ended uses nothing more.
#[cfg(target_os = "linux")]
fn family(program: &Program) -> Result<Vec<Usage>, Failure> {
    use crate::process_info::{Stat, Status};

    let usage = |id: u32| {
        let stat = Stat::of(id).ok()?;
        let cpu_time = stat.cpu_time + stat.children_time;
        Some(Usage { cpu_time, resident_kib: Status::of(id).ok()?.peak_kib()? })
    };
    Ok(program.family()?.into_iter().filter_map(usage).collect())
}

#[cfg(not(target_os = "linux"))]
fn family(program: &Program) -> Result<Vec<Usage>, Failure> {
    let table = table::print().and_then(|text| table::parse(&text));
    let table =
        table.map_err(|error| Failure::not_asked(text!("usage.system-does-not-tell", error)))?;
    Ok(table::family(table, program.id()))
}

/// The table of all processes: its columns are the process, its parent, its group, the memory that is
/// resident in KiB, and the processor time.
#[cfg(any(test, not(target_os = "linux")))]
mod table {
    use std::collections::HashSet;
    use std::io;
    use std::process::Command;
    use std::time::Duration;

    use super::Usage;

    /// On Windows there are no groups: each process is one.
    const SCRIPT: &str = "Get-CimInstance Win32_Process | ForEach-Object { '{0} {1} {0} {2} {3}' -f \
                          $_.ProcessId, $_.ParentProcessId, [long]($_.WorkingSetSize / 1024), \
                          [long](($_.KernelModeTime + $_.UserModeTime) / 10000000) }";

    #[derive(Debug)]
    pub(super) struct Row {
        id: u32,
        parent: u32,
        group: u32,
        usage: Usage,
    }

    pub(super) fn print() -> io::Result<String> {
        let output = if cfg!(windows) {
            Command::new("powershell").args(["-NoProfile", "-Command", SCRIPT]).output()?
        } else {
            Command::new("ps").args(["-A", "-o", "pid=,ppid=,pgid=,rss=,time="]).output()?
        };
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub(super) fn parse(text: &str) -> io::Result<Vec<Row>> {
        let odd = |line: &str| io::Error::other(text!("usage.odd-line", line));
        let rows = text.lines().filter(|line| !line.trim().is_empty());
        rows.map(|line| row(line).ok_or_else(|| odd(line))).collect()
    }

    fn row(line: &str) -> Option<Row> {
        let columns: Vec<&str> = line.split_whitespace().collect();
        let [id, parent, group, resident_kib, cpu_time] = columns[..] else { return None };
        let usage = Usage { cpu_time: clock(cpu_time)?, resident_kib: resident_kib.parse().ok()? };
        let number = |text: &str| text.parse().ok();
        Some(Row { id: number(id)?, parent: number(parent)?, group: number(group)?, usage })
    }

    /// `[[DAYS-]HH:]MM:]SS[.fraction]`, as `ps` prints it.
    fn clock(text: &str) -> Option<Duration> {
        let (days, text) = text.split_once('-').unwrap_or(("0", text));
        let mut seconds = 0.0;
        for part in text.split(':') {
            seconds = seconds * 60.0 + part.parse::<f64>().ok()?;
        }
        Duration::try_from_secs_f64(days.parse::<f64>().ok()? * 86_400.0 + seconds).ok()
    }

    /// What the processes use that are this one, in its group, or descendants of those.
    pub(super) fn family(mut table: Vec<Row>, leader: u32) -> Vec<Usage> {
        let mut found = HashSet::from([leader]);
        let mut family = Vec::new();
        loop {
            let is_found = |row: &mut Row| {
                row.group == leader || found.contains(&row.id) || found.contains(&row.parent)
            };
            let more: Vec<Row> = table.extract_if(.., is_found).collect();
            if more.is_empty() {
                return family;
            }
            found.extend(more.iter().map(|row| row.id));
            family.extend(more.into_iter().map(|row| row.usage));
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn a_family_is_found_in_the_table() {
            let text = "   1     0     1  900    0:00.00\n\
                        \x20 10     1    10  100    0:01.50\n\
                        \x20 11    10    10   20   00:01:02\n\
                        \x20 12    11    12    3 1-00:00:01\n\
                        \x20 13     1    10    4       3.25\n\
                        \x20 14     1    14    5    0:09.00\n";
            let sum = |leader| {
                let family = family(parse(text).unwrap(), leader);
                family.iter().map(|usage| usage.resident_kib).sum::<u64>()
            };
            assert_eq!((sum(10), sum(12), sum(14), sum(15)), (127, 3, 5, 0));
            let times = family(parse(text).unwrap(), 10);
            let times: Duration = times.iter().map(|usage| usage.cpu_time).sum();
            assert_eq!(times, Duration::from_millis(1500 + 62_000 + 86_401_000 + 3250));
            assert!(parse("10 1 10 100\n").is_err() && parse("10 1 10 100 never\n").is_err());
        }

        #[cfg(unix)]
        #[test]
        fn this_process_is_in_the_table() {
            let family = family(parse(&print().unwrap()).unwrap(), std::process::id());
            assert!(family[0].resident_kib > 0);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::process::Command;

    use super::*;

    /// What a program uses that prints `ready` when it has started everything.
    fn used_by(script: &str) -> Usage {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let mut program = Program::start_with_children(command).unwrap();
        program.expect_line("ready").unwrap();
        Usage::of(&program).unwrap()
    }

    #[test]
    fn memory_and_time_of_a_child_are_the_programs() {
        let work = "x=xxxxxxxxxxxxxxxx; for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18; do \
                    x=$x$x; done; echo ready; read y";
        let alone = used_by("echo ready; read y");
        let child = used_by(&format!("sh -c '{work}'; true"));
        assert!(child.resident_kib > alone.resident_kib + 4096, "{child:?}, and {alone:?} alone");
    }

    #[test]
    fn a_program_that_has_ended_uses_nothing() {
        let mut program = Program::start_with_children(Command::new("true")).unwrap();
        program.wait().unwrap();
        assert_eq!(Usage::of(&program).unwrap(), Usage::default());
        let failure = crate::memory::resident_kib(&program).unwrap_err();
        assert!(!failure.is_not_asked(), "{failure}");
    }
}
