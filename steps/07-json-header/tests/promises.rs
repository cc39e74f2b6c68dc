//! What step 07 promises in its manifest, wherever the stream is cut.

use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use conformance::check::{self, Promises, Subject};
use conformance::proxy::Cut;

const STEP: &str = env!("CARGO_BIN_EXE_step-07-json-header");

#[test]
fn keeps_what_its_manifest_promises() {
    check::assert_promises(env!("CARGO_MANIFEST_DIR"), STEP);
}

#[test]
fn the_solutions_of_the_exercises_keep_what_this_step_breaks() {
    check::assert_exercises(env!("CARGO_MANIFEST_DIR"), STEP);
}

#[cfg(unix)]
#[test]
fn the_server_neither_panics_nor_spins_when_it_is_treated_roughly() {
    conformance::rough::assert_server_survives(7, STEP);
}

#[cfg(unix)]
#[test]
fn the_client_neither_panics_nor_spins_when_it_is_treated_roughly() {
    conformance::rough::assert_client_survives(7, STEP);
}

/// `SEED=…` repeats a failure at random cuts.
#[test]
fn keeps_every_promise_wherever_the_stream_is_cut() {
    let promises = Promises::read(Path::new(env!("CARGO_MANIFEST_DIR"))).expect("a manifest");
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = seed.unwrap_or_else(|| now.as_secs() ^ u64::from(now.subsec_nanos()) << 32);
    println!("SEED={seed}");
    let every = [1, 2, 3, 7, 64, 1024, 4096].map(Cut::Every);
    for cut in every.into_iter().chain([Cut::Random { seed }]) {
        let subject = Subject::of_step(7, STEP).behind(cut);
        for check in subject.checks().filter(|check| promises.keeps.iter().any(|k| k == check.name))
        {
            subject.hold_to(check).unwrap_or_else(|failure| panic!("cut at {cut:?}: {failure}"));
        }
    }
}
