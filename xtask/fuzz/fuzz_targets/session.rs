//! Session files: what was understood is written as a session that means the same.

#![no_main]

use conformance::session::Session;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    if let Ok(session) = Session::parse(text) {
        let written = session.to_string();
        let again = Session::parse(&written).expect("it was written by us");
        assert_eq!(again.to_string(), written);
    }
});
