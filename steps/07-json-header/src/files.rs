//! The files that may be downloaded: those below one folder, and no others.
//!
//! ```text
//! --root shared      notes.txt            shared/notes.txt
//!                    sub/notes.txt        shared/sub/notes.txt
//!                    ../secret.txt        refused: it leads out
//!                    /etc/passwd          refused: it does not begin in the folder
//!                    link -> /etc/passwd  refused: the file that it leads to is not in the folder
//! ```

use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};

use crate::problem::explain;

/// The flag to open without waiting. Its number differs from system to system; `rustix` has them all.
#[cfg(unix)]
const O_NONBLOCK: i32 = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();

/// The folder that is served.
pub struct Root {
    /// Without symlinks and `..`, so that paths can be compared with it.
    folder: PathBuf,
}

impl Root {
    // ANCHOR: root
    /// Opens the folder at `path`; an error if it does not exist.
    pub fn new(path: &Path) -> io::Result<Self> {
        let folder = fs::canonicalize(path).and_then(|folder| {
            let is_folder = folder.is_dir();
            is_folder.then_some(folder).ok_or_else(|| io::ErrorKind::NotADirectory.into())
        });
        let folder = folder.map_err(|error| {
            let message = format!("this folder cannot be served: {}", explain(&error));
            io::Error::new(error.kind(), message)
        })?;
        Ok(Self { folder })
    }
    // ANCHOR_END: root

    // ANCHOR: open
    /// Opens a file in the folder. An error states why not, and never where the folder is.
    ///
    /// The name is taken as it is: nothing in it is decoded, so `%2e%2e` is no `..` here.
    pub fn open(&self, name: &str) -> io::Result<File> {
        if name.is_empty() {
            return Err(no_such_file());
        }
        // 1. The name must not lead out. `Path` knows each system's ways to write that.
        let inside = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if !Path::new(name).components().all(inside) {
            return Err(outside());
        }
        // 2. Nor must a symlink. Its target is known only after it has been followed.
        let path = fs::canonicalize(self.folder.join(name)).map_err(in_own_words)?;
        if !path.starts_with(&self.folder) {
            return Err(outside());
        }
        // 3. It must be a regular file: opening a device may have any effect.
        if !fs::metadata(&path).map_err(in_own_words)?.is_file() {
            return Err(not_a_file());
        }
        open_file(&path)
    }
    // ANCHOR_END: open
}

// ANCHOR: open-file
/// Opens what was a file a moment ago, and checks that it still is one.
///
/// A FIFO may have taken its place. Opening a FIFO waits for its writer, except with this flag.
fn open_file(path: &Path) -> io::Result<File> {
    let mut options = File::options();
    options.read(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(&mut options, O_NONBLOCK);
    let file = options.open(path).map_err(in_own_words)?;
    if !file.metadata()?.is_file() {
        return Err(not_a_file());
    }
    Ok(file)
}
// ANCHOR_END: open-file

fn not_a_file() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, "it is not a file")
}

fn outside() -> io::Error {
    let message = "it is outside the folder that is served";
    io::Error::new(io::ErrorKind::PermissionDenied, message)
}

fn no_such_file() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "no such file")
}

/// Returns the system's error, or our own words if it means that there is no such file.
fn in_own_words(error: io::Error) -> io::Error {
    use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    match error.kind() {
        NotFound | NotADirectory | InvalidFilename | InvalidInput => no_such_file(),
        _ => error,
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::process::Command;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_fifo_that_has_taken_the_place_of_a_file_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notes.txt");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let (sender, opened) = mpsc::channel();
        thread::spawn(move || sender.send(open_file(&path).map(drop)));
        let result = opened.recv_timeout(Duration::from_secs(10)).expect("it does not wait");
        assert_eq!(result.unwrap_err().to_string(), "it is not a file");
    }
}
