//! A file for each program of a class, for its author: what came of each check, and why.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use conformance::{printable_lines, text};

use super::class::Row;

/// Writes the files.
///
/// # Errors
///
/// If one cannot be written. A file that was there before is replaced.
pub fn write(folder: &Path, rows: &[Row]) -> Result<()> {
    let cannot = |path: &Path| {
        let path = path.display();
        text!("class.no-feedback", path)
    };
    fs::create_dir_all(folder).with_context(|| cannot(folder))?;
    let mut taken = BTreeMap::new();
    for row in rows {
        let count: &mut usize = taken.entry(file_name(&row.name)).or_default();
        *count += 1;
        // Two names can differ in characters alone that no file's name has.
        let number = if *count > 1 { format!("-{count}") } else { String::new() };
        let path = folder.join(format!("{}{number}.txt", file_name(&row.name)));
        fs::write(&path, feedback(row)).with_context(|| cannot(&path))?;
    }
    Ok(())
}

/// A name with which a file can be made everywhere.
fn file_name(name: &str) -> String {
    let word = |c: char| if c.is_alphanumeric() || c == '-' { c } else { '_' };
    name.chars().map(word).collect()
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
