//! The requests of step 07, with their frames, as the server reads them.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../../steps/07-json-header/src/frame.rs"]
#[allow(dead_code)] // not all of it is needed here
mod frame;
#[path = "../../../steps/07-json-header/src/header.rs"]
#[allow(dead_code)]
mod header;
#[path = "../../../steps/07-json-header/src/message.rs"]
#[allow(dead_code)]
mod message;

use frame::read_frame;
use header::{parse_header, read_header, write_header};
use message::Request;

fuzz_target!(|bytes: &[u8]| {
    check(bytes);
    let mut stream = bytes;
    while let Ok(Some(header)) = read_frame(&mut stream) {
        check(&header);
    }
});

/// What was understood arrives as it is when it is sent again, if it fits into a frame.
fn check(header: &[u8]) {
    match parse_header::<Request>(header) {
        Ok(request) => {
            let mut sent = Vec::new();
            if write_header(&mut sent, &request).is_ok() {
                let came = read_header(&mut &sent[..]).expect("it was written by us");
                assert_eq!(came, Some(request));
            }
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control)),
    }
}
