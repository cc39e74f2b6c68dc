//! `cargo xtask start`: writes a skeleton of a server, so that there is something to check.
//!
//! It listens and prints, and fails its first check. Its comment is the contract of the step.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Write as _};
use std::path::{MAIN_SEPARATOR, Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use conformance::check::{Promises, Side};
use conformance::contract::contract;
use conformance::text;
use workspace::root;

use crate::check::python_here;

const PYTHON: &str = include_str!("../skeletons/server.py");
const RUST: &str = include_str!("../skeletons/server.rs");

/// What can be chosen on the command line.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Step, by its number or its name
    step: String,
    /// Folder for the skeleton; it is created if it does not exist
    folder: PathBuf,
    /// Write it in Python, which is the default
    #[arg(long)]
    python: bool,
    /// Write it in Rust, for rustc alone
    #[arg(long, conflicts_with = "python")]
    rust: bool,
}

/// Writes the skeleton, and prints how to check it.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let step = root::find_step(root, &options.step)?;
    let step = Promises::read(&step.dir(root))?.number;
    let number = format!("{step:02}");
    let contract =
        contract(step, Side::Server).with_context(|| text!("check.no-contract", number))?;
    let (name, comment, template) =
        if options.rust { ("server.rs", "//!", RUST) } else { ("server.py", "#", PYTHON) };
    let title = text!("start.title", number);
    let contract: Vec<String> =
        contract.lines().map(|line| format!("{comment} {line}").trim_end().to_owned()).collect();
    let skeleton = template.replacen("{title}", &title, 1);
    let skeleton = skeleton.replacen("{contract}", &contract.join("\n"), 1);

    let file = options.folder.join(name);
    let shown = file.display().to_string();
    let cannot_write = || text!("start.cannot-write", shown);
    let folder = options.folder.display();
    fs::create_dir_all(&options.folder).with_context(|| text!("start.cannot-create", folder))?;
    match File::create_new(&file) {
        Ok(mut file) => file.write_all(skeleton.as_bytes()).with_context(cannot_write)?,
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            bail!(text!("start.exists", shown))
        }
        Err(error) => return Err(error).with_context(cannot_write),
    }

    let mut stdout = io::stdout();
    writeln!(stdout, "{}", text!("start.written", shown))?;
    let program = if options.rust {
        let program = options.folder.join(format!("server{}", std::env::consts::EXE_SUFFIX));
        let program = program.display().to_string();
        writeln!(stdout, "\n    rustc -o {} {}", quoted(&program), quoted(&shown))?;
        // Without a folder in front, it would be looked for in those of PATH.
        let here = Path::new(&program).components().count() == 1;
        quoted(&if here { format!("./{program}") } else { program })
    } else {
        writeln!(stdout)?;
        format!("{} {}", python_here(), quoted(&shown))
    };
    writeln!(stdout, "    cargo xtask check {number} -- {program} ADDR")?;
    Ok(())
}

/// A path as a word of a command line, for a shell.
fn quoted(path: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./:".contains(c) || c == MAIN_SEPARATOR;
    if path.chars().all(is_plain) {
        path.to_owned()
    } else if cfg!(unix) && path.contains(['"', '$', '`', '\\', '!']) {
        format!("'{}'", path.replace('\'', r"'\''")) // in double quotes, these have a meaning of their own
    } else {
        format!("\"{path}\"")
    }
}
