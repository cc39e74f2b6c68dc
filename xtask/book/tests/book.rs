//! The room's program, as mdBook and a teacher start it.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Output};

use flate2::read::GzDecoder;
use tar::Archive;
use tempfile::TempDir;
use workspace::{cargo, root};

/// Runs the program to its end.
fn book(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xtask-book"));
    command.args(arguments).output().expect("the program can be started")
}

#[test]
fn mdbook_learns_which_renderers_are_supported() {
    assert!(book(&["preprocess", "supports", "html"]).status.success());
    assert!(!book(&["preprocess", "supports", "markdown"]).status.success());
}

#[test]
fn a_folder_that_would_be_emptied_is_an_error_in_one_line() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("thesis.txt"), "").unwrap();
    let output = book(&["build", "--dest", folder.path().to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.starts_with("error: ") && error.lines().count() == 1, "{error}");
    assert!(folder.path().join("thesis.txt").is_file());
}

mod slow {
    use super::*;

    /// The archive of this very project, as learners get it: it has no solutions, and cargo finds every crate in it, and has no other place to look.
    /// The first step is built and run from it.
    #[test]
    #[ignore = "slow: packs all crates, and builds a step from nothing"]
    fn in_an_unpacked_bundle_cargo_finds_every_crate_and_runs_a_step_without_a_network() {
        let folder = TempDir::new().unwrap();
        let archive = folder.path().join("bundle.tar.gz");
        let output = book(&["bundle", "--edition", "learner", "--out", archive.to_str().unwrap()]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let unpacked = GzDecoder::new(File::open(&archive).unwrap());
        Archive::new(unpacked).unpack(folder.path()).unwrap();
        let bundle = folder.path().join("tcp-step-by-step");
        for page in ["book-html/introduction.html", "book-html/zh-CN/introduction.html"] {
            assert!(bundle.join(page).is_file(), "{page}");
        }
        assert!(!bundle.join("steps/06-struct-header/exercises").exists());
        for gone in ["teacher", "src/teaching.md", "translated.toml"] {
            for language in ["en", "zh-CN"] {
                let gone = format!("book/{language}/{gone}");
                assert!(!bundle.join(&gone).exists(), "{gone}");
            }
        }
        let machine = root::repository().to_str().unwrap().to_owned();
        for name in [".cargo/config.toml", "Cargo.toml", "Cargo.lock", "book-html/print.html"] {
            let text = fs::read_to_string(bundle.join(name)).unwrap();
            assert!(!text.contains(&machine), "{name} names a folder of this computer");
        }

        let home = folder.path().join("empty");
        fs::create_dir(&home).unwrap();
        // The bundle's own configuration has --offline.
        let run = |arguments: &[&str]| {
            let mut command = cargo::command(&bundle);
            command.env("CARGO_HOME", &home).env("CARGO_TARGET_DIR", folder.path().join("target"));
            command.args(arguments);
            cargo::run(command).unwrap()
        };
        let metadata = || run(&["metadata", "--locked", "--format-version", "1", "--quiet"]);
        let output = metadata();
        assert!(output.success, "{}", output.text);
        let known: serde_json::Value = serde_json::from_str(&output.text).unwrap();
        let packages = known["packages"].as_array().unwrap();
        let is_inside = |package: &serde_json::Value| {
            let manifest = package["manifest_path"].as_str().unwrap();
            Path::new(manifest).starts_with(bundle.canonicalize().unwrap())
                || Path::new(manifest).starts_with(&bundle)
        };
        assert!(packages.len() > 100 && packages.iter().all(is_inside));

        let step =
            ["run", "--locked", "--quiet", "--package", "step-01-single-shot", "--", "--help"];
        let output = run(&step);
        assert!(output.success && output.text.contains("server"), "{}", output.text);

        fs::remove_dir_all(bundle.join("vendor/clap")).unwrap();
        assert!(!metadata().success, "a crate that is not there is missed");
    }
}
