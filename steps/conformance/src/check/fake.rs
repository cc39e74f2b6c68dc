//! The checks' own server, which treats a client as a check requires.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

use serde_json::Value;

use super::subject::{Input, Subject};
use super::wire;
use crate::proxy::Proxy;
use crate::{Failure, Peer};

/// A server for one client. Dropping it stops it.
pub(super) struct FakeServer<T> {
    addr: SocketAddr,
    proxy: Option<Proxy>,
    /// Set before the connection that only wakes `accept` and is no client.
    stopping: Arc<AtomicBool>,
    serving: Option<JoinHandle<Result<T, Failure>>>,
    input: Input,
}

impl<T: Send + 'static> FakeServer<T> {
    /// Starts a server that calls `serve` with its client. The subject's proxy is between the two.
    pub(super) fn start(
        subject: &Subject,
        serve: impl FnOnce(Peer) -> Result<T, Failure> + Send + 'static,
    ) -> Result<Self, Failure> {
        let listen = || {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            Ok((listener.local_addr()?, listener))
        };
        let (addr, listener) = listen()
            .map_err(|error: std::io::Error| Failure::new(text!("fake.cannot-start", error)))?;
        let deadline = subject.deadline;
        let stopping = Arc::new(AtomicBool::new(false));
        let stops = Arc::clone(&stopping);
        let serving = thread::spawn(move || {
            let accepted = listener.accept();
            if stops.load(Ordering::SeqCst) {
                return Err(Failure::new(text!("fake.no-client")).timed_out());
            }
            let client = accepted.and_then(|(stream, _)| Peer::accepted(stream, deadline));
            serve(client.map_err(|error| Failure::new(text!("fake.no-client-for", error)))?)
        });
        let mut server =
            Self { addr, proxy: None, stopping, serving: Some(serving), input: subject.input };
        server.proxy = subject.proxy_to(addr)?;
        Ok(server)
    }

    /// The address to which the client connects.
    pub(super) fn addr(&self) -> SocketAddr {
        self.proxy.as_ref().map_or(self.addr, Proxy::addr)
    }

    /// Returns the result of `serve`, after the client has ended.
    pub(super) fn result(mut self) -> Result<T, Failure> {
        let result = self.stop().expect("it is stopped only here, or when it is dropped");
        result.map_err(|failure| match self.input {
            Input::Argument if failure.has_timed_out() => {
                failure.adding(&text!("fake.message-is-an-argument"))
            }
            _ => failure,
        })
    }
}

impl<T> FakeServer<T> {
    fn stop(&mut self) -> Option<Result<T, Failure>> {
        let serving = self.serving.take()?;
        if !serving.is_finished() {
            // Nothing can interrupt `accept`. If no client has connected, a silent connection wakes it;
            // if one has, `serve` is running. If this connection fails, `accept` is already awake.
            self.stopping.store(true, Ordering::SeqCst);
            let _ = TcpStream::connect(self.addr);
        }
        let served = serving.join();
        Some(served.unwrap_or_else(|_| Err(Failure::new(text!("fake.panicked")))))
    }
}

impl<T> Drop for FakeServer<T> {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Answers a request with these bytes, then ends the connection. Returns the request.
pub(super) fn answers(answer: Vec<u8>) -> impl FnOnce(Peer) -> Result<Value, Failure> {
    move |mut client| {
        let request = wire::receive_header(&mut client)?;
        answer_and_end(&mut client, &answer);
        Ok(request)
    }
}

/// As `answers`, for one request after another.
pub(super) fn answers_each(
    answers: Vec<Vec<u8>>,
) -> impl FnOnce(Peer) -> Result<Vec<Value>, Failure> {
    move |mut client| {
        let (last, others) = answers.split_last().expect("there is an answer");
        let mut requests = Vec::new();
        for answer in others {
            requests.push(wire::receive_header(&mut client)?);
            client.send(answer)?;
        }
        requests.push(wire::receive_header(&mut client)?);
        answer_and_end(&mut client, last);
        Ok(requests)
    }
}

/// Sends an answer, and ends the connection in an orderly way.
pub(super) fn answer_and_end(client: &mut Peer, answer: &[u8]) {
    // A client that rejects the header may close before it has received the body.
    let _ = client.send(answer).and_then(|()| client.end_sending());
    // Closing while bytes of the client are unread would cause a reset, and the client could lose bytes
    // that it has not read yet.
    let _ = client.expect_end();
}
