//! The answers of step 07: a header that was understood means the same when it is sent again, and one
//! that was not gives an error of one line.

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

use header::{one_line, parse_header};
use message::Answer;

fuzz_target!(|bytes: &[u8]| {
    match parse_header::<Answer>(bytes) {
        Ok(answer) => {
            let again = serde_json::to_vec(&answer).expect("an answer can be written");
            assert_eq!(parse_header::<Answer>(&again).expect("it was written by us"), answer);
            let error = one_line(&answer.error.unwrap_or_default());
            assert!(!error.contains(char::is_control));
        }
        Err(error) => assert!(!error.to_string().contains(char::is_control)),
    }
});
