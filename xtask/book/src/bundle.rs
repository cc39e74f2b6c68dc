//! `cargo xtask bundle`: the sources, all crates and the built book in one archive, for work without a network.

mod solutions;

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use conformance::text;
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use tar::{Builder, HeaderMode};
use tempfile::{NamedTempFile, TempDir};
use workspace::{cargo, root};

use crate::build;
use crate::edition::{Edition, TEACHERS_FOLDER};

/// The one folder in the archive.
const FOLDER: &str = "tcp-step-by-step";

/// Where the crates are in it, and the built book.
const VENDOR: &str = "vendor";
const BOOK: &str = "book-html";

/// Cargo's configuration, which a bundle has with more in it.
const CARGO_CONFIG: &str = ".cargo/config.toml";

/// What the bundle adds to cargo's configuration: the crates are in the bundle.
const OFFLINE: &str = r#"
# All crates are in this folder: cargo needs no network, and asks for none.
[source.crates-io]
replace-with = "vendored"

[source.vendored]
directory = "vendor"

[net]
offline = true
"#;

/// Folders that hold what was built or fetched, wherever they are.
const BUILT: &[&str] = &["target", "node_modules", "__pycache__"];

/// What goes into the archive: a path in it, and where that file is now.
type Entry = (String, PathBuf);

/// Writes the archive and prints its path.
pub fn run(root: &Path, out: Option<PathBuf>, edition: Edition) -> Result<()> {
    let out = match out {
        Some(out) => std::path::absolute(out).context("the archive has no path")?,
        None => root::target()?.dir.join(format!("{FOLDER}{}.tar.gz", edition.suffix())),
    };
    // The archive takes the place of what has its name: that may be an older one, and not a device.
    if fs::symlink_metadata(&out).is_ok_and(|it| !it.is_file()) {
        let out = out.display();
        bail!(text!("bundle.no-file", out));
    }
    let bytes = write(root, &out, edition)?;
    writeln!(io::stdout(), "the bundle is {}: {} MB", out.display(), bytes / 1_000_000)?;
    let hash = hash(&out).with_context(|| format!("cannot read {}", out.display()))?;
    writeln!(io::stdout(), "{}", text!("bundle.hash", hash))?;
    writeln!(io::stdout(), "it holds no Rust: that must be installed where it is unpacked")?;
    Ok(())
}

/// Writes the archive; returns its size in bytes.
fn write(root: &Path, out: &Path, edition: Edition) -> Result<u64> {
    // Before the crates are copied and the book is built, which takes a while.
    let folder = out.parent().context("the archive has no folder")?;
    let shown = out.display();
    let cannot_write = || text!("bundle.cannot-write", shown);
    fs::create_dir_all(folder).with_context(cannot_write)?;
    let mut file = NamedTempFile::new_in(folder).with_context(cannot_write)?;

    // Everything that is made for it is made here, so the working tree stays as it was.
    let made = TempDir::new().context("cannot create a temporary folder")?;
    let mut entries = sources(root)?;
    if !entries.iter().any(|(name, _)| name == "Cargo.lock") {
        bail!("there is no Cargo.lock: without it the crates are not known");
    }
    if edition != Edition::Teacher {
        entries.retain(|(name, _)| !is_teachers_page(name));
    }
    if !edition.has_solutions() {
        entries = solutions::without(entries, edition, made.path())?;
    }
    write_config(root, &made.path().join(CARGO_CONFIG))?;
    vendor(root, &made.path().join(VENDOR))?;
    build::build(root, &made.path().join(BOOK), edition)?;
    walk(made.path(), "", &|_| true, &mut entries)?;
    entries.sort();

    archive(&entries, file.as_file_mut()).with_context(cannot_write)?;
    let bytes = file.as_file().metadata()?.len();
    share(file.path())?;
    // Only a whole archive gets the name.
    file.persist(out).with_context(cannot_write)?;
    Ok(bytes)
}

/// Whether a source is a page that only a teacher's bundle has.
fn is_teachers_page(name: &str) -> bool {
    matches!(name.split('/').collect::<Vec<_>>()[..], ["book", _, TEACHERS_FOLDER, ..])
}

/// The SHA-256 of a file, in hexadecimal digits: a copy can be compared with it.
fn hash(file: &Path) -> io::Result<String> {
    let (mut file, mut hasher, mut chunk) = (fs::File::open(file)?, Sha256::new(), vec![0; 65_536]);
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            len => hasher.update(&chunk[..len]),
        }
    }
    let mut digits = String::new();
    for byte in hasher.finalize() {
        let _ = write!(digits, "{byte:02x}"); // writing to a String cannot fail
    }
    Ok(digits)
}

/// Lets others read a file, which a temporary one does not: the archive is there to be handed out.
#[cfg(unix)]
fn share(path: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    let permissions = fs::Permissions::from_mode(0o644);
    fs::set_permissions(path, permissions).with_context(|| path.display().to_string())
}

#[cfg(not(unix))]
fn share(_: &Path) -> Result<()> {
    Ok(())
}

/// The project's files but `CARGO_CONFIG`: those that git knows, or all that were not built.
fn sources(root: &Path) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    if let Some(known) = known_to_git(root)? {
        entries = known;
    } else {
        walk(root, "", &is_source, &mut entries)?;
    }
    entries.retain(|(name, _)| name != CARGO_CONFIG);
    Ok(entries)
}

/// None if the root is no repository of its own, or there is no git.
fn known_to_git(root: &Path) -> Result<Option<Vec<Entry>>> {
    if !root.join(".git").exists() {
        return Ok(None);
    }
    let mut git = std::process::Command::new("git");
    git.current_dir(root).args(["ls-files", "-z"]);
    let output = match git.output() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        output => output.context("cannot run git")?,
    };
    if !output.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    let names = String::from_utf8(output.stdout).context("a file's name is not UTF-8")?;
    let entry = |name: &str| (name.to_owned(), root.join(name));
    // A file that was deleted, but not yet for git, cannot be put in.
    let is_there = |(_, path): &Entry| path.is_file();
    Ok(Some(names.split_terminator('\0').map(entry).filter(is_there).collect()))
}

/// Whether a file or folder, by its path in the project, was written and not built.
fn is_source(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let is_hidden = name.starts_with('.')
        && !matches!(name, ".cargo" | ".ci" | ".github" | ".gitignore" | ".gitattributes");
    let is_built_book = path.starts_with("book/") && path.ends_with("/book");
    !(is_hidden || is_built_book || BUILT.contains(&name) || path == VENDOR || path == BOOK)
}

/// Lists the files below a folder, with slashes; leaves out what is not wanted.
fn walk(
    folder: &Path,
    prefix: &str,
    is_wanted: &dyn Fn(&str) -> bool,
    entries: &mut Vec<Entry>,
) -> Result<()> {
    let listed = fs::read_dir(folder);
    for entry in listed.with_context(|| format!("cannot list {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().into_string();
        let name = name.map_err(|name| anyhow::anyhow!("{} is not UTF-8", name.display()))?;
        let name = format!("{prefix}{name}");
        if !is_wanted(&name) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), &format!("{name}/"), is_wanted, entries)?;
        } else {
            entries.push((name, entry.path()));
        }
    }
    Ok(())
}

/// Copies all crates that `Cargo.lock` names into a folder.
fn vendor(root: &Path, folder: &Path) -> Result<()> {
    fs::create_dir(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut command = cargo::command(root);
    // Cargo notes things about the compiler in the target folder: the working tree is left alone.
    let notes = TempDir::new().context("cannot create a temporary folder")?;
    command.env("CARGO_TARGET_DIR", notes.path());
    // In a bundle, or behind a mirror, the crates are where cargo's configuration puts them.
    command.args(["vendor", "--locked", "--respect-source-config"]).arg(folder);
    let output = cargo::run(command)?;
    if !output.success {
        bail!("cargo vendor needs the crates of all systems, so a network once:\n{}", output.text);
    }
    Ok(())
}

/// Writes the project's configuration for cargo, with what makes it work without a network.
fn write_config(root: &Path, file: &Path) -> Result<()> {
    let path = root.join(CARGO_CONFIG);
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {CARGO_CONFIG}"))?;
    let text = text.replace("\r\n", "\n");
    // A bundle that was made in a bundle has these lines already.
    let text = if text.contains(OFFLINE) { text } else { text + OFFLINE };
    fs::create_dir_all(file.parent().context("the configuration has no folder")?)?;
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

/// Packs the files. The archive has no times, users or paths of this computer, so two archives of one state are equal.
fn archive(entries: &[Entry], file: &mut fs::File) -> Result<()> {
    let mut builder = Builder::new(GzEncoder::new(file, Compression::default()));
    builder.mode(HeaderMode::Deterministic);
    for (name, path) in entries {
        let name = format!("{FOLDER}/{name}");
        builder.append_path_with_name(path, &name).with_context(|| name)?;
    }
    builder.into_inner()?.finish()?;
    Ok(())
}

#[cfg(test)]
mod tests;
