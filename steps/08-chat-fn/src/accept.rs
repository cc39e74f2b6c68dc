//! Errors of `accept`: which of them are no reason to stop.

use std::io;

/// Returns whether an error of `accept` is about one client that has left already, and not about us.
///
/// Linux never reports this; macOS and Windows have different errors for it. If the client's address
/// is gone as well, `std` has nothing to return (`InvalidInput`).
pub fn client_is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, InvalidInput, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | InvalidInput | NotConnected)
}
