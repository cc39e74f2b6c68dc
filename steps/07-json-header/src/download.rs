//! Downloads: a file is saved whole, or not at all.
//!
//! ```text
//! the body --> .notes.txt.x7Kq2a.part --> size and hash are right? --> rename to notes.txt
//!                                         not so, or anything else --> remove
//! ```
//!
//! The client trusts nothing that the server sends: not the name, not the size, not the hash. If the
//! client is killed, the `.part` file is left, and its name shows that it is incomplete.

use std::fs::{self, File};
use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};

use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use crate::body::read_body;
use crate::filename::is_plain;
use crate::hash::hex;
use crate::header::{one_line, read_header, write_header};
use crate::message::{Answer, Request};
use crate::problem::explain;

/// The hex digits of a SHA-256.
const HASH_LEN: usize = 64;

/// The number of bytes in a MiB.
const MIB: u64 = 1024 * 1024;

/// How many characters of a file's name its temporary file keeps: at most 200 of the 255 bytes.
const MAX_PREFIX_CHARS: usize = 50;

/// What the progress bar shows.
const PROGRESS: &str = "{wide_bar} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";

/// Where downloads go.
pub struct Downloads {
    /// The folder. It is created when it is needed.
    pub folder: PathBuf,
    /// Whether existing files are overwritten without asking.
    pub force: bool,
    /// The largest size of a file, in MiB.
    pub max_mib: u32,
}

impl Downloads {
    // ANCHOR: get
    /// Downloads a file, and describes in one line how that ended.
    ///
    /// The outer error is about the connection, which can no longer be used. The inner one is about
    /// this file alone, and the conversation can continue.
    pub fn get(
        &self,
        stream: &mut (impl Read + Write),
        path: &str,
    ) -> io::Result<Result<String, String>> {
        let name = path.rsplit('/').next().unwrap_or(path);
        if !is_plain(name) {
            return Ok(Err(format!("{name:?} cannot be a file name on every system")));
        }
        let target = self.folder.join(name);
        // Not `exists`: that is false for a symlink that leads nowhere.
        let exists = fs::symlink_metadata(&target).is_ok();
        // Renaming would replace a pipe or a device as well.
        if target.exists() && !target.is_file() {
            return Ok(Err(format!("{name} is not a regular file here")));
        }
        if exists && !self.force {
            if !io::stdin().is_terminal() {
                return Ok(Err(format!("{name} exists; --force overwrites it")));
            }
            if !may_overwrite(name)? {
                return Ok(Ok(format!("kept {name}")));
            }
        }
        let overwrite = exists || self.force;
        // Before the request, so that a folder that cannot be written to is reported at once.
        let mut part = match self.temporary_file(name) {
            Ok(part) => part,
            Err(error) => {
                let folder = self.folder.display();
                return Ok(Err(format!("no file can be made in {folder}: {}", explain(&error))));
            }
        };

        let size = match transfer(stream, path, name, self.max_mib, part.as_file_mut())? {
            Ok(size) => size,
            Err(problem) => return Ok(Err(problem)),
        };
        Ok(match save(part, &target, overwrite) {
            Ok(()) => Ok(format!("saved {name}: {size} bytes, SHA-256 checked")),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Err(format!("{name}: created during the download; --force overwrites it"))
            }
            Err(error) => Err(format!("{name}: {}", explain(&error))),
        })
    }
    // ANCHOR_END: get

    // ANCHOR: temporary-file
    /// Creates a file in the target's folder, since renaming is one step only within a folder: at any
    /// moment, either the old file or the new one exists. The file is deleted when it is dropped.
    fn temporary_file(&self, name: &str) -> io::Result<NamedTempFile> {
        fs::create_dir_all(&self.folder)?;
        // The name may be so long that nothing can be added to it.
        let prefix = format!(".{}.", name.chars().take(MAX_PREFIX_CHARS).collect::<String>());
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix).suffix(".part");
        // By default, `tempfile` creates files that only we can read. This one gets the usual permissions.
        builder.make_in(&self.folder, |path| File::create_new(path))
    }
    // ANCHOR_END: temporary-file
}

// ANCHOR: may-overwrite
/// Asks the user at the terminal. Anything but a yes is a no.
fn may_overwrite(name: &str) -> io::Result<bool> {
    write!(io::stdout(), "overwrite {name}? [y/N] ")?;
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_lowercase().as_str()))
}
// ANCHOR_END: may-overwrite

// ANCHOR: transfer
/// Requests a file, receives it into `file`, and checks it. Returns its size; the two kinds of error
/// are those of `get`.
fn transfer(
    stream: &mut (impl Read + Write),
    path: &str,
    name: &str,
    max_mib: u32,
    file: &mut File,
) -> io::Result<Result<u64, String>> {
    write_header(stream, &Request::Get { filename: path.to_owned() })?;
    let Some(answer) = read_header::<Answer>(stream)? else {
        let message = format!("{name}: the server closed the connection");
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, message));
    };
    if let (Some(error), 0) = (&answer.error, answer.size) {
        return Ok(Err(format!("{path}: {}", one_line(error))));
    }
    let hash = checked(&answer, name, max_mib).map_err(|error| about(name, &error))?;
    let came = receive(stream, answer.size, file).map_err(|error| about(name, &error))?;
    if came != hash {
        return Ok(Err(format!("{name}: its hash is {came}, but should be {hash}")));
    }
    Ok(Ok(answer.size))
}
// ANCHOR_END: transfer

// ANCHOR: checked
/// Returns the hash that the body must have. Any answer but the requested file is an error that ends
/// the conversation: the server does not keep to the protocol, or the file is larger than we want.
fn checked(answer: &Answer, name: &str, max_mib: u32) -> io::Result<String> {
    let problem = match answer {
        Answer { error: Some(error), size, .. } => {
            format!("the server sent {size} bytes with the error: {}", one_line(error))
        }
        Answer { filename: None, .. } => "the server sent no file name".to_owned(),
        Answer { filename: Some(other), .. } if other != name => {
            format!("the server calls it \"{}\"", one_line(other))
        }
        Answer { size, .. } if *size > u64::from(max_mib) * MIB => {
            format!("the server announced {size} bytes; --max-size permits {max_mib} MiB")
        }
        Answer { hash: Some(hash), .. } if is_hash(hash) => return Ok(hash.clone()),
        _ => "the server sent no hash, so the file cannot be checked".to_owned(),
    };
    Err(io::Error::new(io::ErrorKind::InvalidData, problem))
}

fn is_hash(text: &str) -> bool {
    text.len() == HASH_LEN && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
// ANCHOR_END: checked

// ANCHOR: receive
/// Receives a body into a file, and returns its hash.
///
/// If the file cannot be written (the disk is full), the rest stays unread: it may be of any length.
fn receive(stream: &mut impl Read, size: u64, file: &mut impl Write) -> io::Result<String> {
    let progress = progress_bar(size);
    let mut hasher = Sha256::new();
    read_body(stream, size, |chunk| {
        hasher.update(chunk);
        file.write_all(chunk).map_err(|error| {
            io::Error::other(format!("it cannot be written here: {}", explain(&error)))
        })?;
        progress.inc(chunk.len() as u64);
        Ok(())
    })?;
    Ok(hex(hasher))
}

/// Returns a progress bar on stderr, if that is a terminal. It disappears when it is dropped.
fn progress_bar(size: u64) -> ProgressBar {
    let style = ProgressStyle::with_template(PROGRESS).expect("the template is right");
    ProgressBar::new(size).with_style(style).with_finish(ProgressFinish::AndClear)
}
// ANCHOR_END: receive

// ANCHOR: save
/// Gives the file its name, now that it is whole.
fn save(part: NamedTempFile, target: &Path, overwrite: bool) -> io::Result<()> {
    // Some errors are reported only when the bytes must be on the disk.
    part.as_file().sync_all()?;
    let saved = if overwrite {
        part.persist(target)
    } else {
        part.persist_noclobber(target) // a file that was created meanwhile is not overwritten
    };
    saved.map(drop).map_err(|error| error.error)
}
// ANCHOR_END: save

/// Returns the same error, with the name of the file that it concerns.
fn about(name: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{name}: {}", explain(error)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::CHUNK_LEN;

    /// A disk that is full for a moment: what is written afterwards would leave a hole.
    struct FullOnce(bool);

    impl Write for FullOnce {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 {
                return Ok(bytes.len());
            }
            self.0 = true;
            Err(io::ErrorKind::StorageFull.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_disk_that_is_full_is_named_at_the_first_write_and_nothing_is_read_after_it() {
        let mut stream = io::repeat(7).take(u64::MAX);
        let error = receive(&mut stream, u64::MAX, &mut FullOnce(false)).unwrap_err();
        assert_eq!(error.to_string(), "it cannot be written here: no storage space");
        assert_eq!(u64::MAX - stream.limit(), CHUNK_LEN as u64);
    }
}
