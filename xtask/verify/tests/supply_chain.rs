//! Code of others that the builds use is pinned: the actions of the workflows, what npm installs, and
//! the crates.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("a repository").to_path_buf()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The lines of all workflows, each with its file and number.
fn workflow_lines() -> Vec<(String, String)> {
    let folder = root().join(".github/workflows");
    let mut lines = Vec::new();
    for entry in fs::read_dir(folder).expect("there are workflows") {
        let path = entry.expect("it can be listed").path();
        let name = path.file_name().expect("it has a name").to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).expect("it can be read");
        let numbered = (1..).zip(text.lines());
        lines.extend(numbered.map(|(number, line)| (format!("{name}:{number}"), line.to_owned())));
    }
    lines
}

/// A tag can be moved to other code, a commit cannot. The version is for people, and for programs that
/// propose a newer one.
#[test]
fn every_action_is_pinned_by_its_commit() {
    let lines = workflow_lines();
    let mut actions = 0;
    for (place, line) in &lines {
        let Some((_, used)) = line.split_once("uses: ") else { continue };
        actions += 1;
        let (action, version) = used.split_once(" # v").unwrap_or((used, ""));
        let commit = action.split_once('@').map_or("", |(_, commit)| commit);
        let is_commit = commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit());
        assert!(is_commit && !version.is_empty(), "{place}: ACTION@COMMIT # vVERSION, not {used}");
    }
    assert!(actions > 0, "the workflows use actions");
}

/// What runs later in a job must not find a token in `.git/config`.
#[test]
fn no_checkout_leaves_its_credentials_behind() {
    let lines = workflow_lines();
    let texts: Vec<&str> = lines.iter().map(|(_, line)| line.trim()).collect();
    let mut checkouts = 0;
    for (index, line) in texts.iter().enumerate() {
        if line.contains("uses: actions/checkout@") {
            checkouts += 1;
            let next = texts.get(index + 1..index + 3);
            let wanted = ["with:", "persist-credentials: false"];
            assert_eq!(next, Some(&wanted[..]), "{}", lines[index].0);
        }
    }
    assert!(checkouts > 0, "the workflows check the repository out");
}

/// The fuzz targets are a workspace of their own, whose crates `verify --only licences` does not see.
#[test]
fn every_crate_comes_from_crates_io_and_has_a_hash() {
    for file in ["Cargo.lock", "xtask/fuzz/Cargo.lock"] {
        let text = read(file);
        let sources = text.lines().filter_map(|line| line.strip_prefix("source = "));
        let sources: Vec<&str> = sources.collect();
        let crates_io = "\"registry+https://github.com/rust-lang/crates.io-index\"";
        let hashes = text.lines().filter(|line| line.starts_with("checksum = ")).count();
        assert!(!sources.is_empty() && hashes == sources.len(), "{file}: {hashes} hashes");
        assert_eq!(sources.iter().find(|source| **source != crates_io), None, "{file}");
    }
}

#[test]
fn what_npm_installs_has_a_hash_and_ci_asks_for_it() {
    let parse = |path| serde_json::from_str::<Value>(&read(path)).expect("it is JSON");
    let (wanted, locked) =
        (parse("book/tests/package.json"), parse("book/tests/package-lock.json"));
    let packages = locked["packages"].as_object().expect("a table of packages");
    for (name, version) in wanted["dependencies"].as_object().expect("there are dependencies") {
        assert_eq!(packages[&format!("node_modules/{name}")]["version"], *version, "{name}");
    }
    for (path, package) in packages.iter().filter(|(path, _)| !path.is_empty()) {
        let hash = package["integrity"].as_str().unwrap_or_default();
        assert!(hash.starts_with("sha512-"), "{path} has no hash");
    }
    // `npm install` would put a new hash where the old one is wrong.
    let ci = read(".ci/run");
    assert!(ci.contains("npm ci ") && !ci.contains("npm install"), ".ci/run");
}
