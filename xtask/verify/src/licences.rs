//! The check `licences`: every crate that is used here may be used here, and is from crates.io.
//!
//! `deny.toml` lists the licences, as `cargo deny` wants it. What the crates say, and where they come
//! from, is in cargo's own metadata, so nothing has to be installed, and where the crates are, no
//! network is needed. Known vulnerabilities are on the network: CI asks `cargo deny` for them.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;
use spdx::{Expression, ParseMode};
use workspace::cargo;

/// The source of every crate that is not in this repository; in a bundle, its copy.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// What is read of `deny.toml`.
#[derive(Deserialize)]
struct Rules {
    licenses: Licenses,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

/// What is read of cargo's metadata.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
    /// None if it is in this repository.
    source: Option<String>,
}

/// Compares the crates' licences with those that are allowed; returns the number of crates.
pub fn check(root: &Path) -> Result<usize> {
    let rules = fs::read_to_string(root.join("deny.toml")).context("cannot read deny.toml")?;
    let rules: Rules = toml::from_str(&rules).context("deny.toml")?;
    let mut command = cargo::command(root);
    command.args(["metadata", "--format-version", "1", "--locked"]);
    let output = cargo::run(command)?;
    // Cargo's other messages are on lines of their own.
    let json = output.text.lines().find(|line| line.starts_with('{'));
    let Some(json) = json.filter(|_| output.success) else {
        bail!("cargo does not tell which crates are used\n{}", output.text);
    };
    let metadata: Metadata = serde_json::from_str(json).context("cargo's metadata")?;
    let complaints: Vec<String> = metadata
        .packages
        .iter()
        .filter_map(|package| complaint(package, &rules.licenses.allow))
        .collect();
    if complaints.is_empty() {
        return Ok(metadata.packages.len());
    }
    bail!("{}", complaints.join("\n"))
}

/// Why a crate may not be used, if it may not.
fn complaint(package: &Package, allowed: &[String]) -> Option<String> {
    let Package { name, version, license, source } = package;
    if let Some(source) = source
        && source != CRATES_IO
    {
        return Some(format!("{name} {version} comes from {source}, not from crates.io"));
    }
    let Some(license) = license else {
        return Some(format!("{name} {version} says nothing about its licence"));
    };
    // Old crates write `MIT/Apache-2.0` for `MIT OR Apache-2.0`.
    match Expression::parse_mode(license, ParseMode::LAX) {
        Err(error) => Some(format!("{name} {version}: `{license}`: {}", error.reason)),
        Ok(expression) => {
            let is_allowed = expression.evaluate(|licence| allowed.contains(&licence.to_string()));
            let problem = format!("{name} {version}: `{license}` is not allowed by deny.toml");
            (!is_allowed).then_some(problem)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_allowed(license: &str) -> bool {
        let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned);
        complaint(&package(Some(license), Some(CRATES_IO)), &allowed).is_none()
    }

    fn package(license: Option<&str>, source: Option<&str>) -> Package {
        Package {
            name: "a".to_owned(),
            version: "1.0.0".to_owned(),
            license: license.map(str::to_owned),
            source: source.map(str::to_owned),
        }
    }

    #[test]
    fn one_of_the_alternatives_must_be_allowed_and_all_that_belong_together() {
        assert!(is_allowed("MIT"));
        assert!(is_allowed("GPL-3.0-only OR MIT"));
        assert!(is_allowed("MIT AND ISC"));
        assert!(is_allowed("(MIT OR GPL-3.0-only) AND ISC"));
        assert!(!is_allowed("GPL-3.0-only"));
        assert!(!is_allowed("MIT AND GPL-3.0-only"));
        assert!(!is_allowed("(GPL-3.0-only OR Apache-2.0) AND ISC"));
    }

    #[test]
    fn an_exception_belongs_to_its_licence() {
        assert!(is_allowed("Apache-2.0 WITH LLVM-exception"));
        assert!(!is_allowed("Apache-2.0"));
    }

    #[test]
    fn old_ways_to_write_it_are_understood_and_nonsense_is_not_allowed() {
        assert!(is_allowed("GPL-3.0-only/MIT"));
        assert!(!is_allowed("whatever you like"));
    }

    #[test]
    fn a_crate_that_says_nothing_is_named() {
        let told = complaint(&package(None, None), &[]).unwrap();
        assert_eq!(told, "a 1.0.0 says nothing about its licence");
    }

    #[test]
    fn a_crate_from_elsewhere_than_crates_io_is_named() {
        let told = |source| complaint(&package(Some("MIT"), source), &["MIT".to_owned()]);
        assert_eq!(told(None), None, "it is in the repository");
        assert_eq!(told(Some(CRATES_IO)), None);
        for source in ["git+https://example.org/a?rev=1#1", "registry+https://example.org/index"] {
            let expected = format!("a 1.0.0 comes from {source}, not from crates.io");
            assert_eq!(told(Some(source)), Some(expected));
        }
    }
}
