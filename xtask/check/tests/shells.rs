//! The book's commands in `sh`, PowerShell and `cmd`: each makes the same words of them.
//!
//! The rules of the shells are replayed here, as far as a command of the book could touch them.

use std::fs;
use std::path::Path;
use std::process::Command;

use Rules::{Cmd, PowerShell, Sh, WindowsPowerShell};

/// Whose rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rules {
    Sh,
    /// PowerShell 7, which passes each word on as it is.
    PowerShell,
    /// PowerShell 5, which is part of Windows and makes one line of the words.
    WindowsPowerShell,
    Cmd,
}

const SHELLS: [Rules; 4] = [Sh, PowerShell, WindowsPowerShell, Cmd];

/// What replaces a word in braces in PowerShell, apart from the word itself.
const FORMATS: [&str; 4] = ["-inputFormat", "xml", "-outputFormat", "text"];

impl Rules {
    /// The words that a program gets, or the character with which the shell does something else.
    fn words(self, line: &str) -> Result<Vec<String>, char> {
        if self != Sh && line.split(' ').next().is_some_and(|first| first.contains('=')) {
            return Err('='); // a variable for one command
        }
        match self {
            Sh => sh(line),
            PowerShell => powershell(line),
            // Words with blanks get quotes, and quotes in words are not escaped.
            WindowsPowerShell => powershell(line).map(|words| {
                let quoted = |word: &String| {
                    if word.contains(' ') { format!("\"{word}\"") } else { word.clone() }
                };
                windows_words(&words.iter().map(quoted).collect::<Vec<_>>().join(" "))
            }),
            Cmd => cmd(line),
        }
    }
}

fn sh(line: &str) -> Result<Vec<String>, char> {
    let (mut quote, mut is_start) = (None, true);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (Some('"') | None, '$' | '`')
            | (None, '|' | '&' | ';' | '<' | '>' | '(' | ')' | '*' | '?' | '\\') => return Err(c),
            (None, '#' | '~') if is_start => return Err(c),
            _ => {}
        }
        is_start = c == ' ';
    }
    workspace::command_line::split(line).map_err(|_| '"')
}

fn powershell(line: &str) -> Result<Vec<String>, char> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match c {
            ' ' => words.extend(word.take()),
            '\'' | '"' => {
                let text: String = rest.by_ref().take_while(|it| *it != c).collect();
                if c == '"' && text.contains(['$', '`']) {
                    return Err('$');
                }
                word.get_or_insert_default().push_str(&text);
            }
            '{' => {
                words.extend(word.take());
                let script: String = rest.by_ref().take_while(|it| *it != '}').collect();
                words.extend(["-encodedCommand".to_owned(), base64(&script)]);
                words.extend(FORMATS.map(str::to_owned));
            }
            '|' | '&' | ';' | '<' | '>' | '(' | ')' | '$' | '`' | '}' => return Err(c),
            '@' | '#' if word.is_none() => return Err(c),
            // An option with one dash and a dot in it becomes two words.
            '.' if word.as_ref().is_some_and(|it| it.starts_with('-') && !it.starts_with("--")) => {
                return Err(c);
            }
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

fn cmd(line: &str) -> Result<Vec<String>, char> {
    let mut is_quoted = false;
    for c in line.chars() {
        match c {
            '"' => is_quoted = !is_quoted,
            '%' => return Err(c),
            '|' | '&' | '<' | '>' | '(' | ')' | '^' if !is_quoted => return Err(c),
            _ => {}
        }
    }
    Ok(windows_words(line))
}

/// The words of a command line, as programs on Windows split it: there is no shell that does.
fn windows_words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let (mut is_quoted, mut backslashes) = (false, 0);
    for c in line.chars() {
        let before = std::mem::take(&mut backslashes);
        match c {
            '\\' => {
                word.get_or_insert_default();
                backslashes = before + 1;
                continue;
            }
            // Before a quote, two of them are one, and a single one makes the quote a letter.
            '"' => {
                let word = word.get_or_insert_default();
                word.push_str(&"\\".repeat(before / 2));
                if before % 2 == 1 {
                    word.push('"');
                } else {
                    is_quoted = !is_quoted;
                }
                continue;
            }
            _ => {}
        }
        if let Some(word) = &mut word {
            word.push_str(&"\\".repeat(before));
        }
        if c == ' ' && !is_quoted {
            words.extend(word.take());
        } else {
            word.get_or_insert_default().push(c);
        }
    }
    if let Some(word) = &mut word {
        word.push_str(&"\\".repeat(backslashes));
    }
    words.extend(word);
    words
}

/// A script as PowerShell passes it on: its UTF-16 in Base64.
fn base64(script: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bytes: Vec<u8> = script.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let number = chunk.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        let number = number << (8 * (3 - chunk.len()));
        for digit in 0..4 {
            let shown = digit <= chunk.len();
            text.push(if shown { DIGITS[number >> (18 - 6 * digit) & 63].into() } else { '=' });
        }
    }
    text
}

/// The commands that a page asks its readers to type, each with its line.
fn commands(page: &str) -> Vec<(usize, &str)> {
    let mut commands = Vec::new();
    let mut fence = None;
    for (number, line) in (1..).zip(page.lines()) {
        if let Some(kind) = line.strip_prefix("```") {
            fence = fence.is_none().then_some(kind);
        } else if let Some(kind) = fence {
            let is_command = matches!(kind, "sh" | "console") || line.starts_with("cargo ");
            commands.extend(is_command.then_some((number, line)));
        } else {
            let code = line.split('`').skip(1).step_by(2);
            let is_command = |code: &&str| code.contains("cargo ") && !code.contains('…');
            commands.extend(code.filter(is_command).map(|code| (number, code)));
        }
    }
    commands
}

#[test]
fn each_command_of_the_book_is_the_same_in_every_shell() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let pages = fs::read_dir(root.join("book/en/src")).expect("the pages");
    let pages = pages.map(|page| page.expect("a page").path());
    let others = ["README.md", "CONTRIBUTING.md", "SECURITY.md"].map(|name| root.join(name));
    let (mut count, mut wrong) = (0, Vec::new());
    for path in pages.chain(others).filter(|path| path.extension().is_some_and(|it| it == "md")) {
        let page = fs::read_to_string(&path).expect("a page");
        for (number, command) in commands(&page) {
            let words = SHELLS.map(|shell| shell.words(command));
            if words.iter().any(|it| it.is_err() || *it != words[0]) {
                wrong.push(format!("{}:{number}: {command}\n{words:?}", path.display()));
            }
            count += 1;
        }
    }
    assert!(count > 100, "only {count} commands were found");
    assert!(wrong.is_empty(), "not the same in every shell:\n{}", wrong.join("\n"));
}

/// The commands that the sessions of the steps start.
fn session_commands() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let sessions = root.join("steps/*/sessions/*.session");
    let mut commands = Vec::new();
    for path in glob::glob(sessions.to_str().expect("it is text")).expect("a pattern") {
        let session = fs::read_to_string(path.expect("a session")).expect("a session");
        let starts = session
            .lines()
            .filter_map(|line| line.split_once("] ")?.1.trim_start().strip_prefix("$ "));
        commands.extend(starts.map(str::to_owned));
    }
    commands
}

#[test]
fn a_session_can_be_repeated_in_every_shell_as_the_page_on_shells_says() {
    let (mut commands, mut scripts) = (0, 0);
    for command in session_commands() {
        let is_script = command.starts_with("python3 -c ");
        if !is_script && !command.starts_with("cargo ") {
            continue;
        }
        *(if is_script { &mut scripts } else { &mut commands }) += 1;
        let expected = Sh.words(&command).expect("it starts a program");
        for shell in [PowerShell, WindowsPowerShell, Cmd] {
            let typed = match shell {
                _ if is_script => exchange_quotes(&command),
                WindowsPowerShell => command.replace("\"\"", "'\"\"'"), // an empty word
                _ => command.clone(),
            };
            let mut received = shell.words(&typed).expect("it starts a program");
            if is_script {
                received = received.iter().map(|word| exchange_quotes(word)).collect();
            }
            assert_eq!(received, expected, "{shell:?}: {typed}");
        }
    }
    assert!(commands > 50 && scripts > 3, "only {commands} commands, {scripts} scripts");
}

fn exchange_quotes(text: &str) -> String {
    let exchange = |c| match c {
        '"' => '\'',
        '\'' => '"',
        c => c,
    };
    text.chars().map(exchange).collect()
}

#[test]
fn the_shells_differ_where_they_are_known_to_differ() {
    for (line, shells) in [
        ("check 03 -- python3 y.py ADDR", &SHELLS[..]),
        ("guest ADDR --bytes \"\\x00\\x07echo hi\"", &SHELLS),
        ("guest ADDR --bytes '\\x00\\x07echo hi'", &[Sh, PowerShell, WindowsPowerShell]),
        ("check 03 -- python3 y.py {addr}", &[Sh, Cmd]),
        ("python3 -c 'print(\"a\")'", &[Sh, PowerShell]),
        ("a && b", &[]),
        ("X=1 cargo test", &[Sh]),
        ("bench --clients 10,100", &SHELLS),
        ("client ADDR \"\"", &[Sh, PowerShell, Cmd]),
    ] {
        let expected = Sh.words(line);
        let same = |shell: &Rules| expected.is_ok() && shell.words(line) == expected;
        let same: Vec<Rules> = SHELLS.into_iter().filter(same).collect();
        assert_eq!(same, shells, "{line}");
    }
}

#[test]
fn what_a_shell_has_made_of_a_command_is_recognised() {
    for (shell, command, sentence, right) in [
        (PowerShell, "python3 y.py {addr}", "PowerShell", "python3 y.py ADDR"),
        (WindowsPowerShell, "y.exe {port} -v", "PowerShell", "y.exe PORT -v"),
        (PowerShell, "y.exe --listen={addr}", "PowerShell", "y.exe --listen=ADDR"),
        (PowerShell, "y.exe 127.0.0.1:{port} x", "PowerShell", "y.exe 127.0.0.1:PORT x"),
        (Cmd, "'python3 y.py ADDR'", "single quotes", "python3 y.py ADDR"),
        (Cmd, "python3 'my server.py' ADDR", "single quotes", "python3 \"my server.py\" ADDR"),
        (Cmd, "\"python3 y.py ADDR\"", "one word", "python3 y.py ADDR"),
    ] {
        let words = shell.words(command).expect("it starts a program");
        let mut check = Command::new(env!("CARGO_BIN_EXE_xtask-check"));
        let output = check.args(["check", "03", "--"]).args(words).output().expect("it starts");
        let error = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command}: {error}");
        assert!(error.contains(sentence), "{command}: {error}");
        let line = format!("write: cargo xtask check 03 -- {right}");
        assert!(error.trim_end().ends_with(&line), "{command}: {error}");
    }
}
