//! What step 07 promises in its manifest, wherever the stream is cut.

use conformance::check::{self, Subject};

const STEP: &str = env!("CARGO_BIN_EXE_step-07-json-header");

#[test]
fn keeps_what_its_manifest_promises() {
    check::assert_promises(env!("CARGO_MANIFEST_DIR"), STEP);
}

#[test]
fn the_solutions_of_the_exercises_keep_what_this_step_breaks() {
    check::assert_exercises(env!("CARGO_MANIFEST_DIR"), STEP);
}

#[test]
#[ignore = "needs python3"]
fn the_solutions_of_the_exercises_in_python_keep_what_this_step_breaks() {
    check::assert_python_exercises(env!("CARGO_MANIFEST_DIR"), STEP);
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

/// Slow tests; `cargo xtask verify --only slow` runs them.
mod slow {
    use super::*;

    #[test]
    #[ignore = "slow: every check at eight cuts"]
    fn keeps_every_promise_wherever_the_stream_is_cut() {
        let every = [1, 2, 3, 7, 64, 1024, 4096];
        let subject = || Subject::of_step(7, STEP);
        check::assert_promises_at_cuts(env!("CARGO_MANIFEST_DIR"), &every, subject);
    }
}
