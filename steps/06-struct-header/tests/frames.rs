//! Frames, without a network: what is written is what is read, however the stream is cut.

use std::io::{self, Read, Write};

use proptest::prelude::*;

#[path = "../src/frame.rs"]
mod frame;

use frame::{MAX_FRAME_LEN, read_frame, write_frame};

/// A stream that returns at most this many bytes with each read, in turns; a 0 is a read that a signal
/// interrupts.
struct Cut<'a> {
    bytes: &'a [u8],
    lengths: std::iter::Cycle<std::slice::Iter<'a, usize>>,
}

impl<'a> Cut<'a> {
    fn new(bytes: &'a [u8], lengths: &'a [usize]) -> Self {
        Self { bytes, lengths: lengths.iter().cycle() }
    }
}

impl Read for Cut<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match *self.lengths.next().unwrap_or(&usize::MAX) {
            0 => Err(io::ErrorKind::Interrupted.into()),
            len => {
                let room = len.min(buffer.len());
                self.bytes.read(&mut buffer[..room])
            }
        }
    }
}

/// A stream that has exactly these bytes and that must not be asked for more: on a connection, the next
/// byte may never arrive, or belongs to the next frame.
struct NoMore<'a>(&'a [u8]);

impl Read for NoMore<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (asked, left) = (buffer.len(), self.0.len());
        assert!(0 < asked && asked <= left, "{asked} bytes were asked for, {left} were left");
        self.0.read(buffer)
    }
}

/// Collects what is written, and counts the writes.
#[derive(Default)]
struct Writes {
    bytes: Vec<u8>,
    count: usize,
}

impl Write for Writes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.count += 1;
        self.bytes.write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn stream_of(payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for payload in payloads {
        write_frame(&mut bytes, payload).expect("it is not too long");
    }
    bytes
}

/// All payloads of a stream, and how it ended.
fn read_all(mut reader: impl Read) -> (Vec<Vec<u8>>, io::Result<()>) {
    let mut payloads = Vec::new();
    loop {
        match read_frame(&mut reader) {
            Ok(Some(payload)) => payloads.push(payload),
            Ok(None) => return (payloads, Ok(())),
            Err(error) => return (payloads, Err(error)),
        }
    }
}

fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let len = prop_oneof![4 => 0..20_usize, 1 => 0..20_000_usize];
    let payload = len.prop_flat_map(|len| prop::collection::vec(any::<u8>(), len));
    prop::collection::vec(payload, 0..8)
}

/// Lengths of reads, of which at least one is not interrupted.
fn cuts() -> impl Strategy<Value = Vec<usize>> {
    let lengths = prop::collection::vec(prop_oneof![Just(0), 1..8_usize, 1..5000_usize], 0..20);
    (lengths, 1..100_usize).prop_map(|(mut lengths, last)| {
        lengths.push(last);
        lengths
    })
}

/// Keeps no file of earlier failures: a failure prints what is needed to repeat it.
fn config() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_payloads_cut_anywhere_come_out_as_they_went_in(payloads in payloads(), cuts in cuts()) {
        let bytes = stream_of(&payloads);
        let (came, end) = read_all(Cut::new(&bytes, &cuts));
        prop_assert_eq!(came, payloads);
        prop_assert!(end.is_ok(), "{:?}", end);
    }

    #[test]
    fn a_stream_that_ends_inside_a_frame_is_distinguished_from_a_clean_close(
        payloads in payloads(),
        cuts in cuts(),
        at in any::<prop::sample::Index>(),
    ) {
        let bytes = stream_of(&payloads);
        let at = at.index(bytes.len() + 1);
        let (came, end) = read_all(Cut::new(&bytes[..at], &cuts));
        prop_assert_eq!(&came[..], &payloads[..came.len()], "what is whole is returned");
        let left = at - stream_of(&came).len();
        match (left, end) {
            (0, end) => prop_assert!(end.is_ok(), "{:?}", end),
            (_, Ok(())) => prop_assert!(false, "{} bytes of a frame are no clean close", left),
            (_, Err(error)) => {
                let expected = match left.checked_sub(4) {
                    None => format!("{left} of 4 bytes of its header arrived"),
                    Some(left) => {
                        let len = payloads[came.len()].len();
                        format!("{left} of {len} bytes of its payload arrived")
                    }
                };
                prop_assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
                prop_assert!(error.to_string().ends_with(&expected), "{}: {}", error, expected);
            }
        }
    }

    #[test]
    fn a_length_above_the_limit_is_refused_and_nothing_more_is_read(
        len in MAX_FRAME_LEN + 1..=u32::MAX,
    ) {
        assert_refused(len);
    }

    #[test]
    fn no_byte_behind_a_frame_is_asked_for(payload in prop::collection::vec(any::<u8>(), 0..5000)) {
        let bytes = stream_of(std::slice::from_ref(&payload));
        let came = read_frame(&mut NoMore(&bytes)).expect("a whole frame");
        prop_assert_eq!(came, Some(payload));
    }
}

fn assert_refused(len: u32) {
    let error = read_frame(&mut NoMore(&len.to_be_bytes())).expect_err("it is too long");
    assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    let expected = format!("frame too long: {len} bytes (limit 16777216)");
    assert_eq!(error.to_string(), expected);
}

#[test]
fn the_shortest_and_the_longest_length_above_the_limit_are_refused() {
    assert_refused(MAX_FRAME_LEN + 1);
    assert_refused(u32::MAX);
}

#[test]
fn every_truncation_of_a_short_stream_is_seen() {
    let bytes = stream_of(&[b"hi".to_vec(), Vec::new(), b"you".to_vec()]);
    for at in 0..=bytes.len() {
        let (_, end) = read_all(&bytes[..at]);
        assert_eq!(end.is_ok(), [0, 6, 10, 17].contains(&at), "the first {at} bytes: {end:?}");
    }
}

#[test]
fn a_frame_is_the_length_in_network_byte_order_and_the_payload() {
    assert_eq!(stream_of(&[b"hi".to_vec()]), b"\0\0\0\x02hi");
    assert_eq!(stream_of(&[Vec::new()]), b"\0\0\0\0");
    assert_eq!(stream_of(&[vec![7; 0x0102]])[..5], [0, 0, 1, 2, 7]);
}

#[test]
fn a_frame_goes_out_in_one_write() {
    let mut writes = Writes::default();
    write_frame(&mut writes, b"hi").expect("it is written");
    assert_eq!((writes.count, &writes.bytes[..]), (1, &b"\0\0\0\x02hi"[..]));
}

#[test]
fn the_longest_payload_passes_and_one_byte_more_is_refused_before_anything_is_written() {
    let longest = vec![7; MAX_FRAME_LEN as usize];
    let mut bytes = Vec::new();
    write_frame(&mut bytes, &longest).expect("it is written");
    assert!(read_frame(&mut &bytes[..]).expect("a whole frame") == Some(longest));

    let mut writes = Writes::default();
    let too_long = vec![7; MAX_FRAME_LEN as usize + 1];
    let error = write_frame(&mut writes, &too_long).expect_err("it is too long");
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(error.to_string(), "a frame has at most 16777216 bytes, not 16777217");
    assert_eq!(writes.count, 0);
}

#[test]
fn an_error_of_the_stream_is_passed_on() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    for bytes in [&b""[..], b"\0\0", b"\0\0\0\x05hel"] {
        let error = read_frame(&mut bytes.chain(Broken)).expect_err("the stream breaks");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
    }
}
