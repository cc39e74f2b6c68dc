use std::collections::BTreeSet;
use std::io::Read as _;
use std::process::Command;

use flate2::read::GzDecoder;
use tar::Archive;
use workspace::fixture;

use super::*;

/// Adds what the fixture lacks: a workspace that cargo can read, with one package and no crates.
fn tree() -> TempDir {
    let tree = fixture::tree();
    let files = [
        ("Cargo.toml", "[package]\nname = \"x\"\nedition = \"2024\"\n\n[workspace]\n"),
        ("Cargo.lock", "version = 4\n\n[[package]]\nname = \"x\"\nversion = \"0.0.0\"\n"),
        ("src/lib.rs", ""),
        (".cargo/config.toml", "[alias]\nx = \"run\"\n"),
        (".gitignore", "/target\n"),
        ("target/debug/x", "built"),
        ("book/en/book/index.html", "built"),
        ("book/tests/node_modules/a.js", "fetched"),
        ("steps/01-first/python/__pycache__/a.pyc", "built"),
        (".idea/workspace.xml", "somebody's"),
        ("notes/vendor/deep.txt", "a folder of another meaning"),
    ];
    for (path, text) in files {
        fixture::write(tree.path(), path, text);
    }
    tree
}

/// The archive replaces what has its name. As root, that could be a device.
#[test]
fn what_is_no_regular_file_is_not_replaced() {
    let folder = TempDir::new().unwrap();
    let mut outs = vec![folder.path().to_owned()];
    if cfg!(unix) {
        outs.push("/dev/null".into());
    }
    for out in outs {
        let error =
            run(folder.path(), Some(out.clone()), Edition::Everyone).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "{} exists, and is not a regular file; choose another name with --out",
                out.display()
            )
        );
    }
}

/// The archive's folder is tried first: the crates and the book take minutes.
#[test]
fn a_folder_that_cannot_be_written_is_an_error_before_anything_is_made() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    let out = folder.path().join("file/a.tar.gz");
    // There are no sources either.
    let error = run(folder.path(), Some(out.clone()), Edition::Everyone).unwrap_err();
    let expected = format!("cannot write {}; choose another name with --out", out.display());
    assert_eq!(error.to_string(), expected);
}

fn git(root: &Path, arguments: &[&str]) {
    let output = Command::new("git").current_dir(root).args(arguments).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

fn names_of(entries: &[Entry]) -> BTreeSet<&str> {
    entries.iter().map(|(name, _)| name.as_str()).collect()
}

fn unpacked(archive: &Path) -> Archive<GzDecoder<fs::File>> {
    Archive::new(GzDecoder::new(fs::File::open(archive).unwrap()))
}

/// The paths in an archive, each with its owner and its time.
fn list(archive: &Path) -> Vec<(String, u64, u64)> {
    let describe = |entry: io::Result<tar::Entry<_>>| {
        let entry = entry.unwrap();
        let header = entry.header();
        let path = entry.path().unwrap().to_str().unwrap().to_owned();
        (path, header.uid().unwrap(), header.mtime().unwrap())
    };
    unpacked(archive).entries().unwrap().map(describe).collect()
}

/// A file's text in an archive.
fn text_of(archive: &Path, name: &str) -> String {
    for entry in unpacked(archive).entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap() == Path::new(name) {
            let mut text = String::new();
            entry.read_to_string(&mut text).unwrap();
            return text;
        }
    }
    panic!("no {name} in the archive");
}

#[test]
fn without_git_everything_goes_in_that_was_not_built() {
    let tree = tree();
    let entries = sources(tree.path()).unwrap();
    let names = names_of(&entries);
    for name in ["Cargo.toml", "src/lib.rs", ".gitignore", "notes/vendor/deep.txt"] {
        assert!(names.contains(name), "{name} in {names:?}");
    }
    let built = ["target/", "/book/index", "node_modules", "__pycache__", ".idea"];
    assert!(!names.iter().any(|name| built.iter().any(|part| name.contains(part))), "{names:?}");
}

#[test]
fn with_git_only_the_files_go_in_that_git_knows() {
    let tree = tree();
    git(tree.path(), &["init", "--quiet"]);
    git(tree.path(), &["add", "Cargo.toml", "Cargo.lock", "src/lib.rs", "steps"]);
    fs::remove_file(tree.path().join("steps/01-first/src/client.rs")).unwrap();
    let entries = sources(tree.path()).unwrap();
    let names = names_of(&entries);
    assert!(names.contains("steps/02-second/src/client.rs"), "{names:?}");
    for name in ["steps/01-first/src/client.rs", ".gitignore", "notes/vendor/deep.txt"] {
        assert!(!names.contains(name), "{name} in {names:?}");
    }
}

#[test]
fn the_archive_has_one_folder_and_tells_neither_owner_nor_time() {
    let tree = tree();
    let out = TempDir::new().unwrap();
    let (first, second) = (out.path().join("new/a.tar.gz"), out.path().join("b.tar.gz"));
    let before = names_below(tree.path());
    let bytes = write(tree.path(), &first, Edition::Everyone).unwrap();
    assert_eq!(bytes, fs::metadata(&first).unwrap().len());
    assert_eq!(names_below(tree.path()), before, "the working tree stays as it was");

    let list = list(&first);
    assert!(list.iter().all(|(path, ..)| path.starts_with("tcp-step-by-step/")), "{list:?}");
    let (_, _, time) = list[0];
    assert!(list.iter().all(|(_, user, at)| (*user, *at) == (0, time)), "{list:?}");
    let has =
        |name: &str| list.iter().any(|(path, ..)| path == &format!("tcp-step-by-step/{name}"));
    assert!(has("Cargo.lock") && has("book-html/index.html") && !has("target/debug/x"));
    let config = text_of(&first, "tcp-step-by-step/.cargo/config.toml");
    assert_eq!(config, format!("[alias]\nx = \"run\"\n{OFFLINE}"));

    write(tree.path(), &second, Edition::Everyone).unwrap();
    assert_eq!(fs::read(&first).unwrap(), fs::read(&second).unwrap());
}

#[test]
fn the_hash_of_an_archive_is_the_one_that_other_programs_print() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("abc");
    fs::write(&file, "abc").unwrap();
    // The example of FIPS 180-4.
    let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(hash(&file).unwrap(), expected);
}

fn names_below(folder: &Path) -> BTreeSet<String> {
    let mut entries = Vec::new();
    walk(folder, "", &|_| true, &mut entries).unwrap();
    entries.into_iter().map(|(name, _)| name).collect()
}

#[test]
fn a_bundle_that_cannot_be_made_leaves_no_file_behind() {
    let tree = tree();
    let out = TempDir::new().unwrap();
    fixture::append(tree.path(), "book/en/src/first.md", "\n{{#listing 01-first src/x.rs}}\n");
    let error = write(tree.path(), &out.path().join("a.tar.gz"), Edition::Everyone)
        .unwrap_err()
        .to_string();
    assert!(error.contains("no such file: steps/01-first/src/x.rs"), "{error}");
    assert_eq!(names_below(out.path()), BTreeSet::new());
    fs::remove_file(tree.path().join("Cargo.lock")).unwrap();
    let error = write(tree.path(), &out.path().join("a.tar.gz"), Edition::Everyone)
        .unwrap_err()
        .to_string();
    assert!(error.contains("there is no Cargo.lock"), "{error}");
}

#[test]
fn a_bundle_made_in_a_bundle_is_told_once_where_the_crates_are() {
    let tree = tree();
    let config = tree.path().join(CARGO_CONFIG);
    let once = tree.path().join("once.toml");
    write_config(tree.path(), &once).unwrap();
    fs::copy(&once, &config).unwrap();
    write_config(tree.path(), &config).unwrap();
    assert_eq!(fs::read(config).unwrap(), fs::read(once).unwrap());
}
