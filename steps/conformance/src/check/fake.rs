//! A server of our own, which does to a client whatever a check wants to be done to it.

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
    /// Set before the connection that only wakes `accept`, and is no client.
    stopping: Arc<AtomicBool>,
    serving: Option<JoinHandle<Result<T, Failure>>>,
    input: Input,
}

impl<T: Send + 'static> FakeServer<T> {
    /// Starts a server that does this with its client. The subject's proxy is between the two.
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

    /// Where the client finds it.
    pub(super) fn addr(&self) -> SocketAddr {
        self.proxy.as_ref().map_or(self.addr, Proxy::addr)
    }

    /// The result of the serving, when the client has ended.
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
            // `accept` cannot be interrupted; where no client has arrived, a connection that says
            // nothing wakes it; one that has arrived is being served. If none can be made, it is awake.
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

/// Answers a request with these bytes, and then ends the connection. The request is the result.
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
    // A client that does not believe the header may be gone before it has the body.
    let _ = client.send(answer).and_then(|()| client.end_sending());
    // Closing while bytes of the client's are unread would be a reset, and could take from the
    // client what it has not read yet.
    let _ = client.expect_end();
}
