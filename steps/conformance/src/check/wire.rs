//! Messages on the wire: a length prefix, a header in JSON, and a body.

use serde_json::{Value, json};

use crate::show::{cut, show};
use crate::{Failure, Peer, Symptom, symptom};

/// The most bytes that a header may have.
pub(super) const MAX_HEADER_LEN: u32 = 64 * 1024;

/// Bytes with a length prefix.
pub(super) fn frame(payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).expect("a check sends no 4 GiB");
    [&len.to_be_bytes(), payload].concat()
}

/// The request to run a command.
pub(super) fn run(command: &str) -> Vec<u8> {
    frame(json!({ "request": "run", "command": command }).to_string().as_bytes())
}

/// The answer to a command with this output.
pub(super) fn output(output: &str) -> Vec<u8> {
    let header = json!({
        "filename": null, "hash": null, "size": output.len(), "status": 0, "error": null,
    });
    [frame(header.to_string().as_bytes()), output.as_bytes().to_vec()].concat()
}

/// Receives a request, which must be to run this command.
pub(super) fn expect_run(peer: &mut Peer, command: &str) -> Result<(), Failure> {
    let request = receive_header(peer)?;
    if request["request"] == "run" && request["command"] == command {
        return Ok(());
    }
    let expected = json!({ "request": "run", "command": command });
    let received = json_text(&request);
    let is_typed = request["command"].as_str().is_some_and(|it| it.ends_with('\n'));
    let failure = Failure::new(text!("wire.other-request", expected, received));
    Err(failure.looking_like(is_typed.then_some(Symptom::TypedNewline)))
}

/// The request to send a file.
pub(super) fn get(filename: &str) -> Vec<u8> {
    frame(json!({ "request": "get", "filename": filename }).to_string().as_bytes())
}

/// Receives a header. Its text may differ from program to program; its content may not.
pub(super) fn receive_header(peer: &mut Peer) -> Result<Value, Failure> {
    let len = peer.receive_exactly(size_of::<u32>(), &text!("wire.a-length"))?;
    let bytes = len.try_into().expect("it has 4 bytes");
    let len = u32::from_be_bytes(bytes);
    if len > MAX_HEADER_LEN {
        let most = MAX_HEADER_LEN;
        let symptom = symptom::of_length(bytes, most);
        return Err(Failure::new(text!("wire.too-long", most, len)).looking_like(symptom));
    }
    let text = peer.receive_exactly(len as usize, &text!("wire.a-header"))?;
    serde_json::from_slice(&text).map_err(|error| {
        let text = show(&text);
        Failure::new(text!("wire.no-json", text, error))
    })
}

/// The symptom if the server refuses a file that it should serve, according to the header.
pub(super) fn refusal(header: &Value) -> Option<Symptom> {
    let error = header["error"].as_str().filter(|error| !error.is_empty());
    error.map(|_| Symptom::OtherFolder)
}

/// The size of the body that this header announces.
pub(super) fn size(header: &Value) -> Result<u64, Failure> {
    header["size"].as_u64().ok_or_else(|| {
        let header = json_text(header);
        Failure::new(text!("wire.no-size", header))
    })
}

/// An answer, whole.
pub(super) struct Answer {
    pub(super) header: Value,
    pub(super) body: Vec<u8>,
}

impl Answer {
    pub(super) fn receive(peer: &mut Peer) -> Result<Self, Failure> {
        let header = receive_header(peer)?;
        let size = usize::try_from(size(&header)?).map_err(|_| {
            let header = json_text(&header);
            Failure::new(text!("wire.long-body", header))
        })?;
        let body = peer.receive_exactly(size, &text!("wire.a-body")).map_err(|failure| {
            let header = json_text(&header);
            failure.after(text!("wire.after-header", header))
        })?;
        Ok(Self { header, body })
    }

    /// The reason why the server could not carry out the request, if the answer has one.
    pub(super) fn error(&self) -> Option<&str> {
        self.header["error"].as_str()
    }

    /// The answer to a command with this output.
    pub(super) fn expect_output(&self, output: impl AsRef<[u8]>) -> Result<(), Failure> {
        let output = output.as_ref();
        if self.error().is_none() && self.body == output {
            return Ok(());
        }
        let expected = show(output);
        let answer = self;
        Err(Failure::new(text!("wire.other-output", expected, answer)))
    }
}

impl std::fmt::Display for Answer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (header, body) = (json_text(&self.header), show(&self.body));
        f.write_str(&text!("wire.answer", header, body))
    }
}

/// JSON for a person to read, cut if it is long.
pub(super) fn json_text(value: &Value) -> String {
    const SHOWN_CHARS: usize = 300;
    let text = value.to_string(); // it escapes what is not printable
    match text.char_indices().nth(SHOWN_CHARS) {
        Some((end, _)) => cut(&text[..end], text.len() - end),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_header_is_cut_where_it_is_shown() {
        let answer = Answer { header: json!({ "error": "x".repeat(60_000) }), body: vec![0; 1000] };
        let text = answer.to_string();
        assert!(text.contains("… and 59712 bytes more and the body"), "{text}");
        assert!(text.chars().count() < 1200, "{text}");
    }
}
