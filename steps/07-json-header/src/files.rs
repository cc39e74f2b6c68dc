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

/// The folder that is served.
pub struct Root {
    /// Without symlinks and `..`, so that paths can be compared with it.
    folder: PathBuf,
}

impl Root {
    // ANCHOR: root
    /// The folder at `path`; an error if there is none.
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
    /// Opens a file in the folder. An error says why not, and never where the folder is.
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
        // 2. Nor must a symlink. What it leads to is known only when it has been followed.
        let path = fs::canonicalize(self.folder.join(name)).map_err(in_own_words)?;
        if !path.starts_with(&self.folder) {
            return Err(outside());
        }
        // 3. To open a FIFO means to wait for its writer, and a device may do anything.
        if !fs::metadata(&path).map_err(in_own_words)?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
        }
        // Between the check and this line, a program with access to the folder can put something else
        // there. Where that matters, one system call has to do both (`openat2` on Linux).
        File::open(&path).map_err(in_own_words)
    }
    // ANCHOR_END: open
}

fn outside() -> io::Error {
    let message = "it is outside the folder that is served";
    io::Error::new(io::ErrorKind::PermissionDenied, message)
}

fn no_such_file() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "no file has this name")
}

/// The system's error; those that mean that there is no such file, in our own words.
fn in_own_words(error: io::Error) -> io::Error {
    use io::ErrorKind::{InvalidFilename, InvalidInput, NotADirectory, NotFound};
    match error.kind() {
        NotFound | NotADirectory | InvalidFilename | InvalidInput => no_such_file(),
        _ => error,
    }
}
