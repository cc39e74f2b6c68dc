//! The frames of step 06: what is read is what would be written.

#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../../steps/06-struct-header/src/frame.rs"]
mod frame;

fuzz_target!(|bytes: &[u8]| {
    let mut stream = bytes;
    while let Ok(Some(payload)) = frame::read_frame(&mut stream) {
        let mut written = Vec::new();
        frame::write_frame(&mut written, &payload).expect("what came in a frame fits into one");
        let read = &bytes[..bytes.len() - stream.len()];
        assert!(read.ends_with(&written));
    }
});
