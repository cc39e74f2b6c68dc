//! Errors of `accept`: which of them are no reason to stop.

use std::io;

/// Returns whether an error of `accept` concerns one client that has left already, and not the server.
///
/// Linux never reports this; macOS and Windows have different errors for it. If the client's address
/// is lost as well, `std` has no address to return, and reports `InvalidInput`.
pub fn client_is_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, InvalidInput, NotConnected};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | InvalidInput | NotConnected)
}
