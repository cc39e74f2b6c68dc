//! `{{#contract}}`: what programs must do to be judged, for each step, as `cargo xtask check NN --contract`
//! prints it.
//!
//! It gives Markdown, which is then treated like the rest of the page.

use anyhow::{Result, bail};
use conformance::check::Side;
use conformance::contract::{STEPS, contract};
use conformance::text;

/// A block to unfold for each step's server, and one for its client.
pub fn markdown(arguments: &str) -> Result<Vec<String>> {
    if !arguments.is_empty() {
        bail!("expected {{{{#contract}}}}");
    }
    let mut lines = Vec::new();
    for step in STEPS {
        let number = format!("{step:02}");
        for (side, title) in [
            (Side::Server, text!("contract.server", number)),
            (Side::Client, text!("contract.client", number)),
        ] {
            let text = contract(*step, side).unwrap_or_default();
            lines.push(format!("<details><summary>{title}</summary>\n\n```text"));
            lines.push(text);
            lines.push("```\n\n</details>\n".to_owned());
        }
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_has_a_block_for_its_server_and_one_for_its_client() {
        let text = markdown("").unwrap().join("\n");
        assert_eq!(text.matches("<details>").count(), 2 * STEPS.len());
        assert!(text.contains("<summary>Step 07, the server</summary>"), "{text}");
        assert!(text.contains("\noptions   --root FOLDER"), "{text}");
        assert!(markdown("07").is_err());
    }
}
