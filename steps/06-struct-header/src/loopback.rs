//! A listener that other computers can reach only if the user permits it.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

/// Listens on `addr`, which must be a loopback address unless `allow_remote` is set.
pub fn bind(addr: &str, allow_remote: bool) -> io::Result<TcpListener> {
    let addrs: Vec<SocketAddr> = addr.to_socket_addrs()?.collect();
    if !allow_remote && !addrs.iter().all(|addr| addr.ip().is_loopback()) {
        let message = "others could connect there and run any command here, as you; \
                       pass --allow-remote to permit this";
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, message));
    }
    TcpListener::bind(&addrs[..])
}
