//! Numbers as bytes: how a `u32` is sent, and what happens to it if the reader uses another byte order
//! than the writer.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

/// Show numbers as bytes in both byte orders, and as read in the wrong one
#[derive(Parser)]
struct Cli {
    /// Numbers from 0 to 4294967295
    #[arg(default_values_t = [2, 1000, 4_294_967_295])]
    numbers: Vec<u32>,
}

fn main() -> ExitCode {
    match print(&Cli::parse().numbers) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn print(numbers: &[u32]) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "    number  big-endian   little-endian  wrong order  as signed")?;
    // ANCHOR: bytes
    for &number in numbers {
        let big = number.to_be_bytes(); // as in our frames
        let little = number.to_le_bytes();
        let wrong_order = u32::from_le_bytes(big);
        let signed = i32::from_be_bytes(big);
        writeln!(
            stdout,
            "{number:>10}  {}  {}    {wrong_order:>11}  {signed:>9}",
            hex(big),
            hex(little)
        )?;
    }
    // ANCHOR_END: bytes
    Ok(())
}

fn hex(bytes: [u8; 4]) -> String {
    bytes.map(|byte| format!("{byte:02x}")).join(" ")
}
