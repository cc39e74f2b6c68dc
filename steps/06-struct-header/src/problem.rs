//! Descriptions of errors that may be shown to the other side.

use std::io;

/// An error number that no system uses, so `std` has no kind for it.
const UNKNOWN_ERROR: i32 = i32::MAX;

/// Describes an error in one line: one of ours in our own words, one of the system's in those of `std`,
/// which are the same everywhere, or, if `std` has none (as for too many open files), in the system's.
///
/// An error of the system's is a number. It contains no path, so none is revealed.
pub fn explain(error: &io::Error) -> String {
    let unknown = io::Error::from_raw_os_error(UNKNOWN_ERROR).kind();
    match error.raw_os_error() {
        Some(_) if error.kind() != unknown => error.kind().to_string(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_told_in_stds_words_and_otherwise_in_its_own() {
        let not_found = std::fs::File::open("no/such/file").unwrap_err();
        assert_eq!(explain(&not_found), "entity not found");
        let ours = io::Error::new(io::ErrorKind::NotFound, "no such file");
        assert_eq!(explain(&ours), "no such file");
        let unknown = explain(&io::Error::from_raw_os_error(UNKNOWN_ERROR));
        assert!(unknown.ends_with(&format!("(os error {UNKNOWN_ERROR})")), "{unknown}");
    }
}
