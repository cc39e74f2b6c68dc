//! Slips in the command line of a program: what is wrong, and the command line that is right.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use clap::Args as _;
use conformance::{printable, python, text};
use workspace::command_line::{is_on_path, split};

use super::options::Options;

/// What PowerShell makes of words in braces: a script in Base64, in place of the word.
const POWERSHELL: &[(&str, &str)] = &[("YQBkAGQAcgA=", "ADDR"), ("cABvAHIAdAA=", "PORT")];

/// What people write for `ADDR` in braces, in lower case.
const FOR_ADDR: &[&str] =
    &["adr", "add", "addrs", "address", "adress", "adresse", "server", "host:port", "hostport"];

/// What people write for `PORT` in braces, in lower case.
const FOR_PORT: &[&str] = &["ports", "prot", "portnumber", "port_number"];

/// What people write for the host alone. It is always the same.
const FOR_HOST: &[&str] = &["host", "hostname", "ip"];

/// Operators of shells.
const OPERATORS: &[&str] = &["&&", "||", "|", ";", "&", ">", ">>", "<", "2>", "2>&1", "&>"];

/// Commands that only a shell knows.
const BUILTINS: &[&str] =
    &["cd", "source", ".", "export", "set", "alias", "exec", "ulimit", "pushd", "conda", "nvm"];

/// Endings of scripts, each with what runs them.
const SCRIPTS: &[(&str, &str)] = &[
    ("py", PYTHON),
    ("js", "node"),
    ("mjs", "node"),
    ("rb", "ruby"),
    ("pl", "perl"),
    ("php", "php"),
    ("lua", "lua"),
    ("sh", "sh"),
    ("jar", "java -jar"),
    ("java", "java"),
    ("class", "java -cp . CLASS"),
    ("go", "go run"),
    ("ts", "npx tsx"),
    ("ps1", "powershell -File"),
    ("bat", "cmd /C"),
];

/// The name of Python in the book, and on most computers.
const PYTHON: &str = "python3";

/// Endings of sources that have to be compiled.
const SOURCES: &[&str] = &["rs", "c", "cc", "cpp", "cs", "kt", "swift", "zig", "hs"];

/// What is wrong with a command line, if that can be seen before anything is started.
pub fn slip(options: &Options) -> Option<String> {
    let words = &options.command;
    let first = words.first()?;
    let line = |words: &[String]| whole(options, &words.join(" "));
    if let ([only], true) = (&words[..], first.trim().contains(' ') && !Path::new(first).exists()) {
        return Some(quoted(options, only));
    }
    if let Some(words) = without_powershell(words) {
        let line = line(&words);
        return Some(text!("slip.powershell", line));
    }
    if let Some(command) = without_single_quotes(words) {
        let line = whole(options, &command);
        return Some(text!("slip.single-quotes", line));
    }
    if let Some((word, right)) = words.iter().find_map(|word| Some((word, placeholder(word)?))) {
        let words: Vec<String> =
            words.iter().map(|it| placeholder(it).unwrap_or_else(|| it.clone())).collect();
        let (word, right, line) = (printable(word), right, line(&words));
        return Some(text!("slip.placeholder", word, right, line));
    }
    shell_syntax(options, words).or_else(|| program(options, first, &words[1..]))
}

/// The command was given to cargo without `--`, or in front of it.
pub fn missing_dashes(arguments: &[String]) -> Option<String> {
    let [command, step, rest @ ..] = arguments else { return None };
    let is_step = step.starts_with(|c: char| c.is_ascii_digit());
    if command != "check" || !is_step || arguments.iter().any(|word| word == "--") {
        return None;
    }
    let options = Options::augment_args(clap::Command::new("check"));
    let takes_value = |word: &str| {
        let option = options.get_arguments().find(|it| it.get_long() == word.strip_prefix("--"));
        option.is_some_and(|it| it.get_action().takes_values())
    };
    let mut own = 0;
    while let Some(word) = rest.get(own).filter(|word| word.starts_with("--")) {
        own += if takes_value(word) { 2 } else { 1 };
    }
    let (own, words) = rest.split_at_checked(own).filter(|(_, words)| !words.is_empty())?;
    let words = match words {
        [only] => split(only).unwrap_or_else(|_| vec![only.clone()]),
        words => words.to_vec(),
    };
    let front: Vec<&str> = std::iter::once(step).chain(own).map(String::as_str).collect();
    let line = format!("cargo xtask check {} -- {}", front.join(" "), words.join(" "));
    let line = printable(&line);
    Some(text!("slip.no-dashes", line))
}

/// The command with the name that Python 3 has on this computer, if the one in it starts nothing.
pub fn with_python(command: Vec<String>) -> Vec<String> {
    let Some(name) = command.first().and_then(|first| python::instead_of(first)) else {
        return command;
    };
    // `-3` is an option of `py`, and of no other name.
    let rest = command.iter().skip(1).skip_while(|word| *word == "-3");
    name.iter().map(|word| (*word).to_owned()).chain(rest.cloned()).collect()
}

/// The name of Python 3 on this computer.
pub fn python_here() -> String {
    python::python_words().map_or_else(|| PYTHON.to_owned(), |words| words.join(" "))
}

/// The words as they were before PowerShell replaced those in braces; none if it has replaced none.
fn without_powershell(words: &[String]) -> Option<Vec<String>> {
    let is_option = |word: &String| word.eq_ignore_ascii_case("-encodedCommand");
    words.iter().find(|word| is_option(word))?;
    let (mut before, mut rest) = (Vec::new(), words.iter());
    while let Some(word) = rest.next() {
        if !is_option(word) {
            before.push(word.clone());
            continue;
        }
        let script = rest.next().map(String::as_str).unwrap_or_default();
        let name = POWERSHELL.iter().find(|(base64, _)| *base64 == script);
        let name = name.map_or("ADDR", |(_, name)| name);
        match before.last_mut() {
            // `--listen={addr}` and `127.0.0.1:{port}` have become two words.
            Some(word) if word.ends_with(['=', ':']) => word.push_str(name),
            _ => before.push(name.to_owned()),
        }
        // `-inputFormat xml -outputFormat text`
        let ours = rest.as_slice().iter().take(4);
        let formats = ["-inputformat", "xml", "-outputformat", "text"];
        if ours.map(|word| word.to_lowercase()).eq(formats) {
            rest = rest.as_slice()[4..].iter();
        }
    }
    Some(before)
}

/// Returns the intended command, if the shell does not group words by single quotes: `cmd` does not.
fn without_single_quotes(words: &[String]) -> Option<String> {
    let begin = words.iter().position(|word| word.starts_with('\''))?;
    words[begin + 1..].iter().find(|word| word.ends_with('\''))?;
    let command = words.join(" ");
    let inner = command.strip_prefix('\'').and_then(|it| it.strip_suffix('\''));
    Some(inner.map_or_else(|| command.replace('\'', "\""), str::to_owned))
}

/// The whole of a command line in one word.
fn quoted(options: &Options, only: &str) -> String {
    let words = split(only).unwrap_or_default();
    let has_syntax = words.iter().any(|word| OPERATORS.contains(&word.as_str()))
        || words.first().is_some_and(|word| BUILTINS.contains(&word.as_str()));
    if has_syntax {
        let line = whole(options, &in_shell(only));
        return text!("slip.quoted-syntax", line);
    }
    let line = whole(options, only.trim());
    text!("slip.quoted", line)
}

/// The word with the right placeholder in the place of a wrong one.
fn placeholder(word: &str) -> Option<String> {
    // Unquoted, PowerShell leaves `addr` of `{addr}`.
    match word.to_lowercase().as_str() {
        _ if word == "ADDR" || word == "PORT" => return None,
        "addr" | "$addr" | "${addr}" | "%addr%" | "<addr>" | "[addr]" => {
            return Some("ADDR".to_owned());
        }
        "$port" | "${port}" | "%port%" | "<port>" | "[port]" => return Some("PORT".to_owned()),
        _ => {}
    }
    let (before, rest) = word.split_once('{')?;
    let (name, after) = rest.split_once('}')?;
    if word.contains(char::is_whitespace) {
        return None; // a program in some language
    }
    let low = name.to_lowercase();
    let right = if low == "addr" || FOR_ADDR.contains(&low.as_str()) {
        "ADDR"
    } else if low == "port" || FOR_PORT.contains(&low.as_str()) {
        "PORT"
    } else if FOR_HOST.contains(&low.as_str()) {
        if let Some(("", after)) = after.split_once(":{port}") {
            return Some(format!("{before}ADDR{after}"));
        }
        "127.0.0.1"
    } else {
        return None;
    };
    (name != "addr" && name != "port").then(|| format!("{before}{right}{after}"))
}

/// What only a shell understands.
fn shell_syntax(options: &Options, words: &[String]) -> Option<String> {
    let whole_line = words.join(" ");
    // A script in one word is for a program that understands it.
    if words.iter().any(|word| word.contains(char::is_whitespace)) {
        return None;
    }
    let first = &words[0];
    let line = |command: &str| whole(options, command);
    if let Some(word) = words.iter().find(|word| OPERATORS.contains(&word.as_str())) {
        let line = line(&in_shell(&whole_line));
        return Some(text!("slip.operator", word, line));
    }
    if BUILTINS.contains(&first.as_str()) && !is_on_path(first) || first == "cd" {
        let rest = if words.len() <= 2 { " && exec PROGRAM ADDR" } else { "" };
        let line = line(&in_shell(&format!("{whole_line}{rest}")));
        return Some(text!("slip.builtin", first, line));
    }
    let is_name = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if first.split_once('=').is_some_and(|(name, _)| is_name(name)) {
        let line = line(&format!("env {whole_line}"));
        return Some(text!("slip.assignment", first, line));
    }
    let home = words.iter().find(|word| word.starts_with("~/"));
    if let (Some(word), Some(folder)) = (home, std::env::home_dir()) {
        let path = format!("{}{}", folder.display(), &word[1..]);
        let line = line(&whole_line.replace(word.as_str(), &path));
        return Some(text!("slip.home", word, line));
    }
    let variable = words.iter().find(|word| {
        let name = word.strip_prefix('$').unwrap_or_default();
        is_name(name.strip_prefix('{').and_then(|it| it.strip_suffix('}')).unwrap_or(name))
    });
    variable.map(|word| {
        let line = line(&in_shell(&format!("exec {whole_line}")));
        text!("slip.variable", word, line)
    })
}

/// What keeps a program from being started.
fn program(options: &Options, first: &str, rest: &[String]) -> Option<String> {
    let path = Path::new(first);
    let rest = rest.join(" ");
    let line = |command: &str| whole(options, format!("{command} {rest}").trim_end());
    let is_path = path.components().count() > 1 || first.starts_with('.');
    if cfg!(unix) && first.contains('\\') && !path.exists() {
        let line = line(&first.replace('\\', "/"));
        return Some(text!("slip.backslash", first, line));
    }
    if path.is_dir() && (is_path || !is_on_path(first)) {
        let line = line(&format!("{}/PROGRAM", first.trim_end_matches('/')));
        return Some(text!("slip.folder", first, line));
    }
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    let runner = SCRIPTS.iter().find(|(script, _)| *script == ending).map(|(_, runner)| runner);
    let can_start = if is_path {
        is_executable(path) && (runner.is_none() || names_its_runner(path))
    } else {
        is_on_path(first)
    };
    if can_start {
        return None;
    }
    if !path.is_file() {
        if is_path {
            return Some(text!("slip.no-file", first));
        }
        if python::is_name(first) {
            return Some(text!("slip.no-python", first));
        }
        // Elsewhere, programs have other endings, too.
        return cfg!(unix).then(|| text!("slip.no-program", first));
    }
    if let Some(runner) = runner {
        let line = match ending {
            "class" => {
                let class = path.file_stem().unwrap_or_default().to_string_lossy();
                line(&format!("java -cp . {class}"))
            }
            "py" => line(&format!("{} {first}", python_here())),
            _ => line(&format!("{runner} {first}")),
        };
        return Some(text!("slip.script", first, line));
    }
    if SOURCES.contains(&ending) {
        let line = line("./PROGRAM");
        return Some(text!("slip.source", first, line));
    }
    if !is_path && is_executable(path) {
        let line = line(&format!("./{first}"));
        return Some(text!("slip.here", first, line));
    }
    cfg!(unix).then(|| text!("slip.not-executable", first))
}

/// Whether the system lets this file be started.
fn is_executable(path: &Path) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
    }
    #[cfg(not(unix))]
    {
        path.is_file() || path.with_extension("exe").is_file()
    }
}

/// Whether a script begins with the path of what runs it, `#!…`, as Unix wants it.
fn names_its_runner(script: &Path) -> bool {
    let mut start = [0; 2];
    let read = File::open(script).and_then(|mut file| file.read_exact(&mut start));
    cfg!(unix) && read.is_ok() && start == *b"#!"
}

/// The command, given to a shell. The last program of a sequence takes the place of the shell.
fn in_shell(command: &str) -> String {
    if cfg!(windows) {
        return format!("cmd /C \"{command}\"");
    }
    let command = match command.rsplit_once("&& ") {
        Some((before, last)) if !last.starts_with("exec ") => format!("{before}&& exec {last}"),
        _ => command.to_owned(),
    };
    format!("sh -c '{}'", command.replace('\'', "'\\''"))
}

/// The whole of the right command line.
fn whole(options: &Options, command: &str) -> String {
    if options.member {
        return printable(command); // in a class, it is in a file
    }
    let step = options.step.as_deref().unwrap_or_default();
    let client = if options.client { " --client" } else { "" };
    printable(&format!("cargo xtask check {step}{client} -- {command}"))
}
