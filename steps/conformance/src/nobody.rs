//! An address at which no program listens.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

/// An address of this computer at which no program listens, as long as this exists.
///
/// A port that was only free a moment ago is not enough: the next program that asks for any port may
/// get it. Here a socket has it, but does not listen. So no other program gets the port, and the system
/// refuses each connection.
#[derive(Debug)]
pub struct NobodyListens {
    socket: Socket,
}

impl NobodyListens {
    /// Takes any free port.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        socket.bind(&any.into()).expect("a free port");
        Self { socket }
    }

    /// The address.
    ///
    /// # Panics
    ///
    /// Never: the socket has one.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        let addr = self.socket.local_addr().expect("it is bound");
        addr.as_socket().expect("it is an address of the internet")
    }
}

impl Default for NobodyListens {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn who_connects_is_refused_and_who_wants_the_port_does_not_get_it() {
        let nobody = NobodyListens::new();
        let addr = nobody.addr();
        assert_eq!(TcpStream::connect(addr).unwrap_err().kind(), ErrorKind::ConnectionRefused);
        assert_eq!(TcpListener::bind(addr).unwrap_err().kind(), ErrorKind::AddrInUse);
    }
}
