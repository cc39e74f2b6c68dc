//! One message and its answer, in the words of each step's protocol.

use crate::check::Protocol;
use crate::{Failure, Peer};

/// Sends a message with this word in it, and receives its answer, whole.
///
/// In step 05 nothing is answered, so there it is only sent. In a chat, what comes besides is read
/// and left alone.
pub(crate) fn exchange(protocol: Protocol, peer: &mut Peer, word: &str) -> Result<(), Failure> {
    let (message, answer) = protocol.exchange(word);
    peer.send(&protocol.on_the_wire(&message))?;
    match protocol {
        Protocol::OneWay => Ok(()),
        Protocol::Chat => hear(peer, word),
        _ => protocol.expect_answer(peer, &answer),
    }
}

/// Receives until a line has come that ends with this word, and a blank before it.
fn hear(peer: &mut Peer, word: &str) -> Result<(), Failure> {
    let line_end = format!(" {word}\n").into_bytes();
    let mut heard = Vec::new();
    loop {
        let Some(more) = peer.receive_some()? else {
            return Err(Failure::new(format!("the room ended before it passed on \"{word}\"")));
        };
        // Only what is new, and what may be the beginning of the word in what came before it.
        heard.drain(..heard.len().saturating_sub(line_end.len()));
        heard.extend(more);
        if heard.windows(line_end.len()).any(|bytes| bytes == line_end) {
            return Ok(());
        }
    }
}
