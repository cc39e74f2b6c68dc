//! What bytes on the wire mean: the framing of a step's protocol, found in the bytes themselves.

use conformance::check::Protocol;
use serde_json::Value;

/// The bytes of a length prefix.
const LENGTH_LEN: usize = size_of::<u32>();

/// A part of a piece whose bytes belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    pub meaning: Meaning,
    pub bytes: Vec<u8>,
}

/// What bytes mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A length prefix; its value, once its last byte is there.
    Length(Option<u32>),
    /// A header in JSON.
    Header,
    /// What follows a length prefix.
    Payload,
    /// What follows a header in JSON.
    Body,
    /// Bytes without any framing.
    Text,
    /// A line, or a part of one; the newline that ends it belongs to it.
    Line,
}

/// One direction of a connection, and the place in it that has been reached.
#[derive(Debug)]
pub struct Stream {
    protocol: Protocol,
    part: Part,
    /// The bytes of the part that are there already.
    seen: Vec<u8>,
}

/// A part of a message with a length that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Length,
    Header(usize),
    Payload(usize),
    Body(usize),
}

impl Part {
    fn len(self) -> usize {
        match self {
            Self::Length => LENGTH_LEN,
            Self::Header(len) | Self::Payload(len) | Self::Body(len) => len,
        }
    }
}

impl Stream {
    pub fn new(protocol: Protocol) -> Self {
        Self { protocol, part: Part::Length, seen: Vec::new() }
    }

    /// Divides the next bytes, which may begin and end anywhere in a message.
    pub fn divide(&mut self, bytes: &[u8]) -> Vec<Segment> {
        match self.protocol {
            Protocol::Echo | Protocol::UpperCase | Protocol::Shell | Protocol::OneWay => {
                vec![Segment { meaning: Meaning::Text, bytes: bytes.to_vec() }]
            }
            Protocol::Chat => lines(bytes),
            Protocol::Frames | Protocol::Messages => self.frames(bytes),
        }
    }

    fn frames(&mut self, mut bytes: &[u8]) -> Vec<Segment> {
        let mut segments = Vec::new();
        while !bytes.is_empty() {
            let part = self.part;
            let (here, rest) = bytes.split_at(bytes.len().min(part.len() - self.seen.len()));
            self.seen.extend(here);
            bytes = rest;
            let is_whole = self.seen.len() == part.len();
            let meaning = match part {
                Part::Length => Meaning::Length(is_whole.then(|| self.length())),
                Part::Header(_) => Meaning::Header,
                Part::Payload(_) => Meaning::Payload,
                Part::Body(_) => Meaning::Body,
            };
            segments.push(Segment { meaning, bytes: here.to_vec() });
            if is_whole {
                self.part = self.next();
                self.seen.clear();
            }
        }
        segments
    }

    /// The number in a length prefix that is whole.
    fn length(&self) -> u32 {
        self.seen.iter().fold(0, |number, byte| number << 8 | u32::from(*byte))
    }

    /// What follows the part that is whole now. A part without bytes is left out.
    fn next(&self) -> Part {
        let part = match self.part {
            Part::Length if self.protocol == Protocol::Messages => {
                Part::Header(self.length() as usize)
            }
            Part::Length => Part::Payload(self.length() as usize),
            Part::Header(_) => Part::Body(body_len(&self.seen)),
            Part::Payload(_) | Part::Body(_) => Part::Length,
        };
        if part.len() == 0 { Part::Length } else { part }
    }
}

/// The size of the body that a header announces; a request has none.
fn body_len(header: &[u8]) -> usize {
    let header: Value = serde_json::from_slice(header).unwrap_or_default();
    header["size"].as_u64().and_then(|size| size.try_into().ok()).unwrap_or_default()
}

/// Lines, each with the newline that ends it.
fn lines(bytes: &[u8]) -> Vec<Segment> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    lines.map(|line| Segment { meaning: Meaning::Line, bytes: line.to_vec() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the bytes mean, in pieces of a length.
    fn divided(protocol: Protocol, bytes: &[u8], cut: usize) -> Vec<(Meaning, Vec<u8>)> {
        let mut stream = Stream::new(protocol);
        let pieces = bytes.chunks(cut).flat_map(|piece| stream.divide(piece));
        pieces.map(|segment| (segment.meaning, segment.bytes)).collect()
    }

    #[test]
    fn a_frame_is_a_length_and_a_payload_and_an_empty_frame_a_length() {
        let bytes = b"\0\0\0\x02hi\0\0\0\0\0\0\0\x01!";
        assert_eq!(
            divided(Protocol::Frames, bytes, 99),
            [
                (Meaning::Length(Some(2)), b"\0\0\0\x02".to_vec()),
                (Meaning::Payload, b"hi".to_vec()),
                (Meaning::Length(Some(0)), b"\0\0\0\0".to_vec()),
                (Meaning::Length(Some(1)), b"\0\0\0\x01".to_vec()),
                (Meaning::Payload, b"!".to_vec()),
            ]
        );
    }

    #[test]
    fn a_message_may_be_cut_anywhere() {
        assert_eq!(
            divided(Protocol::Frames, b"\0\0\0\x03hi!", 3),
            [
                (Meaning::Length(None), b"\0\0\0".to_vec()),
                (Meaning::Length(Some(3)), b"\x03".to_vec()),
                (Meaning::Payload, b"hi".to_vec()),
                (Meaning::Payload, b"!".to_vec()),
            ]
        );
    }

    #[test]
    fn a_header_announces_its_body_and_a_request_has_none() {
        let request = br#"{"request":"run"}"#;
        let answer = br#"{"size":2,"status":0}"#;
        let length = |part: &[u8]| u8::try_from(part.len()).unwrap();
        let frame = |header: &[u8]| [&[0, 0, 0, length(header)], header].concat();
        let bytes = [frame(request), frame(answer), b"ok".to_vec(), frame(request)].concat();
        let meanings: Vec<_> = divided(Protocol::Messages, &bytes, 99)
            .into_iter()
            .map(|(meaning, bytes)| (meaning, bytes.len()))
            .collect();
        let (asked, answered) = ((Meaning::Header, 17), (Meaning::Header, 21));
        let prefix = |len| (Meaning::Length(Some(len)), 4);
        let body = (Meaning::Body, 2);
        assert_eq!(meanings, [prefix(17), asked, prefix(21), answered, body, prefix(17), asked]);
    }

    #[test]
    fn in_a_chat_a_newline_ends_a_line_and_elsewhere_nothing_ends_anything() {
        let text = |meaning, text: &str| (meaning, text.as_bytes().to_vec());
        assert_eq!(
            divided(Protocol::Chat, b"one\n\ntwo", 99),
            [text(Meaning::Line, "one\n"), text(Meaning::Line, "\n"), text(Meaning::Line, "two"),]
        );
        assert_eq!(divided(Protocol::OneWay, b"a\nb", 99), [text(Meaning::Text, "a\nb")]);
    }
}
