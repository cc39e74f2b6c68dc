//! What the system allows, and what it reports about a process.

use anyhow::Result;
use conformance::process_info::Status;

/// Raises the limit of open descriptors of this process, and of those that it starts, to that number.
#[cfg(unix)]
pub fn allow_descriptors(needed: u64, clients: usize) -> Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};

    let mut limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if let Some(maximum) = limit.maximum.filter(|maximum| *maximum < needed) {
        anyhow::bail!(
            "{clients} clients need {needed} open descriptors, and this system allows at most {maximum} \
             (`ulimit -Hn`): choose fewer with --clients"
        );
    }
    limit.current = Some(needed);
    setrlimit(Resource::Nofile, limit).map_err(|error| {
        anyhow::anyhow!(
            "{clients} clients need {needed} open descriptors, which cannot be had ({error}): \
             choose fewer with --clients"
        )
    })
}

/// Windows has no such limit.
#[cfg(not(unix))]
pub fn allow_descriptors(_needed: u64, _clients: usize) -> Result<()> {
    Ok(())
}

/// The memory that a process has in use (its resident set), in bytes; `None` if the system does not report it.
pub fn resident_memory(process: u32) -> Option<u64> {
    Some(Status::of(process).ok()?.resident_kib()? * 1024)
}

/// The most memory that a process ever had in use, in bytes; `None` if the system does not report it.
pub fn peak_memory(process: u32) -> Option<u64> {
    Some(Status::of(process).ok()?.peak_kib()? * 1024)
}

#[cfg(test)]
mod tests {
    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_uses_memory_and_one_that_is_not_there_has_none() {
        let used = super::resident_memory(std::process::id()).unwrap();
        assert!(used > 100 * 1024, "{used}");
        assert!(super::peak_memory(std::process::id()).unwrap() >= used / 2);
        assert_eq!(super::resident_memory(u32::MAX), None);
    }

    #[cfg(unix)]
    #[test]
    fn more_descriptors_than_the_system_allows_are_refused_with_the_limit() {
        use rustix::process::{Resource, getrlimit};

        let Some(maximum) = getrlimit(Resource::Nofile).maximum else {
            return; // there is no limit
        };
        let error = super::allow_descriptors(maximum + 1, 7).unwrap_err().to_string();
        let expected = format!(
            "7 clients need {} open descriptors, and this system allows at most {maximum} ",
            maximum + 1
        );
        assert!(error.starts_with(&expected), "{error}");
    }
}
