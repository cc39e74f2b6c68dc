//! How much memory a process has: how one sees that a program holds what it should pass on.

use std::io;
use std::process::Command;

use crate::Failure;
use crate::program::Program;

/// The memory of `program` that is resident, in KiB: on Linux the most that it ever was, on other
/// Unix systems what it is now. `None` where it cannot be told (Windows).
pub fn resident_kib(program: &Program) -> Result<Option<u64>, Failure> {
    if cfg!(windows) {
        return Ok(None);
    }
    let resident = resident_kib_of(program.id());
    resident.map(Some).map_err(|error| program.failure(&format!("its memory: {error}")))
}

fn resident_kib_of(pid: u32) -> io::Result<u64> {
    let text = if cfg!(target_os = "linux") {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        peak.unwrap_or_default().trim().trim_end_matches(" kB").to_owned()
    } else {
        let output = Command::new("ps").args(["-o", "rss=", "-p", &pid.to_string()]).output()?;
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    text.parse().map_err(|_| io::Error::other(format!("no such size: `{text}`")))
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
