//! Tables of aligned text.

use std::io::{self, Write};

/// The gap between two columns.
const GAP: &str = "  ";

/// Prints a table. Columns of numbers are aligned to the right, all others to the left.
///
/// Every row has as many cells as `head`; a cell may be empty.
pub fn print<const COLUMNS: usize>(
    head: [&str; COLUMNS],
    rows: &[[String; COLUMNS]],
) -> io::Result<()> {
    let mut lines = vec![String::new(); rows.len() + 1];
    for (column, name) in head.into_iter().enumerate() {
        let cells = || rows.iter().map(|row| row[column].as_str());
        let width = cells().chain([name]).map(str::len).max().unwrap_or_default();
        let is_number = cells().all(|cell| cell.bytes().all(|byte| byte.is_ascii_digit()));
        for (line, cell) in lines.iter_mut().zip([name].into_iter().chain(cells())) {
            let padding = " ".repeat(width - cell.len());
            let (before, after) = if is_number { (&padding[..], "") } else { ("", &padding[..]) };
            line.extend([before, cell, after, GAP]);
        }
    }
    for line in lines {
        writeln!(io::stdout(), "{}", line.trim_end())?;
    }
    Ok(())
}
