//! How much memory a process has: how one sees that a program holds what it should pass on.

use std::io;
use std::process::Command;

use crate::Failure;
use crate::process_info::Status;
use crate::program::Program;

/// The memory of `program` that is resident, in KiB: on Linux the most that it ever was, on other
/// Unix systems what it is now. `None` where it cannot be told (Windows).
pub fn resident_kib(program: &Program) -> Result<Option<u64>, Failure> {
    if cfg!(windows) {
        return Ok(None);
    }
    let resident = resident_kib_of(program.id());
    resident.map(Some).map_err(|error| program.failure(&text!("memory.unknown", error)))
}

fn resident_kib_of(pid: u32) -> io::Result<u64> {
    if cfg!(target_os = "linux") {
        let peak = Status::of(pid)?.peak_kib();
        return peak.ok_or_else(|| io::Error::other(text!("memory.ended")));
    }
    let output = Command::new("ps").args(["-o", "rss=", "-p", &pid.to_string()]).output()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    text.parse().map_err(|_| io::Error::other(text!("memory.no-size", text)))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn memory_that_is_used_is_seen() {
        const USED: usize = 32 * 1024 * 1024;
        let before = resident_kib_of(std::process::id()).unwrap();
        let used = vec![1_u8; USED];
        let after = resident_kib_of(std::process::id()).unwrap();
        assert!(after - before > 16 * 1024, "{before} KiB, then {after} KiB");
        assert_eq!(used.iter().map(|byte| usize::from(*byte)).sum::<usize>(), USED);
    }
}
