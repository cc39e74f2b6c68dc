//! A server of our own, which tells a client whatever a check wants it to hear.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use super::{Subject, wire};
use crate::proxy::Proxy;
use crate::{Failure, Peer};

/// A server for one client and one request. Dropping it stops it.
pub(super) struct FakeServer {
    addr: SocketAddr,
    proxy: Option<Proxy>,
    serving: Option<JoinHandle<Result<Value, Failure>>>,
}

impl FakeServer {
    /// Starts a server that answers a request with these bytes, and then ends the connection. It
    /// stands behind the subject's proxy.
    pub(super) fn start(subject: &Subject, answer: Vec<u8>) -> Result<Self, Failure> {
        let listen = || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            Ok((listener.local_addr()?, listener))
        };
        let (addr, listener) = listen().map_err(|error: std::io::Error| {
            Failure::new(format!("cannot start a server for the client: {error}"))
        })?;
        let deadline = subject.deadline;
        let serving = thread::spawn(move || serve(&listener, deadline, &answer));
        let mut server = Self { addr, proxy: None, serving: Some(serving) };
        server.proxy = subject.proxy_to(addr)?;
        Ok(server)
    }

    /// Where the client finds it.
    pub(super) fn addr(&self) -> SocketAddr {
        self.proxy.as_ref().map_or(self.addr, Proxy::addr)
    }

    /// The request that was answered, when the client has ended; an error if none came.
    pub(super) fn request(mut self) -> Result<Value, Failure> {
        self.stop().expect("it is stopped only here, or when it is dropped")
    }

    fn stop(&mut self) -> Option<Result<Value, Failure>> {
        let serving = self.serving.take()?;
        if !serving.is_finished() {
            // `accept` cannot be interrupted; where no client has come, a connection that says
            // nothing wakes it. If none can be made, it is awake.
            let _ = TcpStream::connect(self.addr);
        }
        let served = serving.join();
        Some(served.unwrap_or_else(|_| Err(Failure::new("the server for the client panicked"))))
    }
}

impl Drop for FakeServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn serve(listener: &TcpListener, deadline: Duration, answer: &[u8]) -> Result<Value, Failure> {
    let accepted = listener.accept().and_then(|(stream, _)| Peer::accepted(stream, deadline));
    let mut client = accepted.map_err(|error| Failure::new(format!("no client came: {error}")))?;
    let request = wire::receive_header(&mut client)
        .map_err(|failure| Failure::new(format!("no request came: {failure}")))?;
    // A client that does not believe the header may be gone before it has the body.
    let _ = client.send(answer).and_then(|()| client.end_sending());
    // Closing while bytes of the client's are unread would be a reset, and could take from the
    // client what it has not read yet.
    let _ = client.expect_end();
    Ok(request)
}
