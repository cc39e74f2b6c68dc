//! A file for each program of a class, for its author: the result of each check, and why.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::iter;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use conformance::{printable_lines, text};

use super::class::Row;

/// The most characters of a name in the name of a file: systems have a limit.
const MAX_NAME_CHARS: usize = 60;

/// Makes the folder, if there is none.
///
/// # Errors
///
/// If that is not possible.
pub fn make_folder(folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| cannot_write(folder))
}

/// Writes the files. If one cannot be written, the others are written all the same.
///
/// # Errors
///
/// If one cannot be written. A file that was there before is replaced, and nothing else.
pub fn write(folder: &Path, rows: &[Row]) -> Result<()> {
    let mut taken = BTreeSet::new();
    let results = rows.iter().map(|row| {
        let path = folder.join(free_name(&row.name, &mut taken));
        if fs::metadata(&path).is_ok_and(|it| !it.is_file()) {
            let path = path.display();
            bail!(text!("class.no-regular-file", path));
        }
        fs::write(&path, feedback(row)).with_context(|| cannot_write(&path))
    });
    results.collect::<Vec<_>>().into_iter().collect()
}

fn cannot_write(path: &Path) -> String {
    let path = path.display();
    text!("class.no-feedback", path)
}

/// The name of a file that no other row has. Two names can differ in characters alone that no file's name
/// has, or in capitals, which not every system distinguishes.
fn free_name(name: &str, taken: &mut BTreeSet<String>) -> String {
    let word = |c: char| if c.is_alphanumeric() || c == '-' { c } else { '_' };
    let start: String = name.chars().map(word).take(MAX_NAME_CHARS).collect();
    let numbered = |count| format!("{start}-{count}.txt");
    let most = taken.len() + 2;
    iter::once(format!("{start}.txt"))
        .chain((2..=most).map(numbered))
        .find(|name| taken.insert(name.to_lowercase()))
        .expect("there are more numbers than names taken")
}

fn feedback(row: &Row) -> String {
    let (name, (score, most)) = (&row.name, row.score());
    let mut file = text!("class.score", name, score, most) + "\n\n";
    for verdict in &row.verdicts {
        let [check, text] = ["check", "text"].map(|key| verdict[key].as_str().unwrap_or_default());
        let _ = writeln!(file, "{check}  {text}"); // cannot fail
    }
    if let Some(trouble) = &row.trouble {
        let _ = writeln!(file, "{trouble}"); // cannot fail
    }
    printable_lines(&file)
}
