//! What a program must do to be judged by a step's checks: how it is started, what it reads and prints,
//! and what travels.

use crate::check::Side;
use crate::texts::TEXTS;

/// The steps that have contracts. In step 05, bytes go one way, and only an exercise has a check.
pub const STEPS: &[u8] = &[1, 2, 3, 4, 6, 7, 8, 9, 10];

/// The contract of a step's server or client; none if the step has none.
#[must_use]
pub fn contract(step: u8, side: Side) -> Option<String> {
    if !STEPS.contains(&step) {
        return None;
    }
    let part = |part| TEXTS.fill(&key(step, side, part), &[]);
    let (options, input, wire) = (part("options"), part("input"), part("wire"));
    if side == Side::Client {
        let (prints, ends) = (part("prints"), part("ends"));
        return Some(text!("contract.client", options, input, prints, ends, wire));
    }
    Some(text!("contract.server", options, input, wire))
}

/// The key of a part of it. Some steps have the contract of the step before.
fn key(step: u8, side: Side, part: &str) -> String {
    let (step, side) = match (step, side) {
        (3, Side::Client) => (2, "client"),
        (9 | 10, Side::Client) => (8, "client"),
        (10, _) => (9, "server"),
        (step, Side::Client) => (step, "client"),
        (step, _) => (step, "server"),
    };
    format!("contract.step-{step:02}-{side}.{part}")
}

/// The keys of all parts.
#[cfg(test)]
pub(crate) fn keys() -> Vec<String> {
    let of_servers = ["options", "input", "wire"].map(|part| (Side::Server, part));
    let of_clients =
        ["options", "input", "prints", "ends", "wire"].map(|part| (Side::Client, part));
    let parts = || of_servers.into_iter().chain(of_clients);
    STEPS.iter().flat_map(|step| parts().map(|(side, part)| key(*step, side, part))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The columns of a contract, so that it fits into a page, and into a comment.
    const WIDTH: usize = 88;

    #[test]
    fn a_contract_is_narrow_and_names_the_options_of_the_judge() {
        for (step, side) in
            STEPS.iter().flat_map(|step| [(*step, Side::Server), (*step, Side::Client)])
        {
            let text = contract(step, side).unwrap();
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(WIDTH), "{step}: {widest:?}");
            assert!(text.starts_with("started "), "{step}: {text}");
        }
        for (side, option) in [
            (Side::Server, "--root FOLDER"),
            (Side::Server, "--timeout SECONDS"),
            (Side::Client, "--dir FOLDER"),
            (Side::Client, "--force"),
        ] {
            assert!(contract(7, side).unwrap().contains(option), "{option}");
        }
        assert_eq!(contract(5, Side::Server), None);
    }
}
