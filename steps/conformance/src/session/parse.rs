//! Sessions as text: read from a file, and written back.

use std::fmt::{self, Write as _};

/// How often a line must arrive again to satisfy `...`.
pub const REPEATS: usize = 1000;

/// What a session may need: a Unix shell, Linux, or a network of its own.
pub const NEEDS: [&str; 3] = ["sh", "linux", NETWORK];

/// The need for a network in which nothing else runs, with the rights of its administrator.
pub const NETWORK: &str = "network";

/// A parsed session.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Session {
    /// The `#` lines joined to one text, without their `#`.
    pub caption: String,
    /// What it can only be run with, one of [`NEEDS`].
    pub needs: Option<String>,
    /// Whether it has no trace beside it: what the kernel held would teach nothing.
    pub no_trace: bool,
    /// The lines, in the order of time.
    pub lines: Vec<Line>,
    /// The questions to the reader.
    pub asks: Vec<Ask>,
}

/// A question that the lines after it answer: `#ask QUESTION | OPTION | OPTION`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Its line's number in the file, from 1.
    pub number: usize,
    /// How many actions come before it. The one that follows, and its output, are the answer.
    pub actions: usize,
    /// The question.
    pub question: String,
    /// What the reader can choose from.
    pub options: Vec<String>,
}

impl Ask {
    fn parse(text: &str, number: usize, actions: usize) -> Result<Self, ParseError> {
        let mut parts = text.split('|').map(|part| part.trim().to_owned());
        let question = parts.next().unwrap_or_default();
        let options: Vec<String> = parts.collect();
        if question.is_empty() || options.len() < 2 || options.iter().any(String::is_empty) {
            let message = "expected `#ask QUESTION | OPTION | OPTION`".to_owned();
            return Err(ParseError { line: number, message });
        }
        Ok(Self { number, actions, question, options })
    }

    /// The index of the right option: the only one that the lines of the following action contain.
    pub fn answer(&self, session: &Session) -> Result<usize, ParseError> {
        let mut actions = 0;
        let lines = session.lines.iter().filter(|line| {
            actions += usize::from(line.action.is_by_person());
            actions == self.actions + 1
        });
        let lines: Vec<&str> = lines
            .filter_map(|line| match &line.action {
                Action::Output(text) => Some(text.as_str()),
                _ => None,
            })
            .collect();
        let is_right = |option: &&String| lines.iter().any(|line| has_words(line, option));
        let found: Vec<&String> = self.options.iter().filter(is_right).collect();
        let right = self.options.iter().position(|option| found == [option]);
        right.ok_or_else(|| ParseError {
            line: self.number,
            message: format!(
                "exactly one option must be in the output of the following action; {} are",
                found.len()
            ),
        })
    }
}

/// Whether a line contains a text without its backticks, and not as a part of a longer word or number.
fn has_words(line: &str, text: &str) -> bool {
    let text = text.replace('`', "");
    let is_free = |c: Option<char>| !c.is_some_and(char::is_alphanumeric);
    line.match_indices(&text).any(|(at, text)| {
        is_free(line[..at].chars().next_back()) && is_free(line[at + text.len()..].chars().next())
    })
}

impl fmt::Display for Ask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#ask {} | {}", self.question, self.options.join(" | "))
    }
}

/// One line of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number in the file, from 1.
    pub number: usize,
    /// The terminal in which it is.
    pub terminal: String,
    /// What it does or shows.
    pub action: Action,
}

/// What a line of a session does or shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// `$ …`: start this command.
    Command(String),
    /// `> …`: type this line.
    Input(String),
    /// `^D`: end the input.
    EndOfInput,
    /// `^C`: interrupt the program.
    Interrupt,
    /// `$` alone: the program must have ended.
    Ended,
    /// This line must be printed.
    Output(String),
    /// `...`: the line before is printed again and again.
    Repeats,
    /// `[...]`: lines that the page leaves out.
    LeftOut,
}

/// What is wrong with the text of a session.
#[derive(Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The line's number in the file, from 1.
    pub line: usize,
    /// What is wrong, and what was expected.
    pub message: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.message)
    }
}

impl std::error::Error for ParseError {}

impl Session {
    /// Parses the text of a `.session` file; reports which line is wrong, and how.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let (mut session, mut is_asked) = (Self::default(), false);
        let width = text.lines().filter_map(tag_of).map(str::len).max().unwrap_or(0);
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let error = |message: &str| ParseError { line: number, message: message.to_owned() };
            if let Some(need) = line.strip_prefix("#needs ") {
                if !NEEDS.contains(&need) {
                    return Err(error(&format!("a session can need: {}", NEEDS.join(", "))));
                }
                session.needs = Some(need.to_owned());
                continue;
            }
            if line == "#no-trace" {
                session.no_trace = true;
                continue;
            }
            if let Some(ask) = line.strip_prefix("#ask ") {
                let actions = session.actions().count();
                session.asks.push(Ask::parse(ask, number, actions)?);
                is_asked = true;
                continue;
            }
            if let Some(caption) = line.strip_prefix('#') {
                if caption.starts_with(|c: char| !c.is_whitespace()) {
                    return Err(error(
                        "expected `#needs NEED`, `#no-trace`, `#ask QUESTION | OPTION | OPTION` or `# caption`",
                    ));
                }
                let caption = caption.trim();
                if !session.caption.is_empty() && !caption.is_empty() {
                    session.caption.push(' ');
                }
                session.caption.push_str(caption);
                continue;
            }
            if line.trim().is_empty() {
                continue;
            }
            let tag =
                tag_of(line).ok_or_else(|| error("expected `[terminal] …` or `# caption`"))?;
            let rest = &line[tag.len()..];
            let parts = rest.split_at_checked((width + 1 - tag.len()).min(rest.len()));
            let Some((_, rest)) = parts.filter(|(padding, _)| padding.trim().is_empty()) else {
                return Err(error(&format!(
                    "the text must begin in column {}, like that of the longest name",
                    width + 2
                )));
            };
            let terminal = tag[1..tag.len() - 1].to_owned();
            let action = parse_action(rest);
            if matches!(&action, Action::Command(command) if command.trim().is_empty()) {
                return Err(error("`$ ` starts a program: say which"));
            }
            let started = session
                .lines
                .iter()
                .any(|l: &Line| l.terminal == terminal && matches!(l.action, Action::Command(_)));
            if !started && !matches!(action, Action::Command(_)) {
                return Err(error(&format!(
                    "no program was started in `{terminal}` yet: its first line begins with `$ `"
                )));
            }
            let after_output = session.lines.iter().rev().find(|l| l.terminal == terminal);
            if action == Action::Repeats
                && !after_output.is_some_and(|l| matches!(l.action, Action::Output(_)))
            {
                return Err(error("`...` must follow a line of output in the same terminal"));
            }
            if is_asked && !action.is_by_person() {
                return Err(error("after `#ask` comes the action that answers it"));
            }
            is_asked = false;
            session.lines.push(Line { number, terminal, action });
        }
        if let (true, Some(ask)) = (is_asked, session.asks.last()) {
            let message = "no action follows that answers this".to_owned();
            return Err(ParseError { line: ask.number, message });
        }
        if session.lines.is_empty() {
            return Err(ParseError { line: 1, message: "the session is empty".to_owned() });
        }
        Ok(session)
    }

    /// What a person does in it: the lines after which a trace has a state.
    pub fn actions(&self) -> impl Iterator<Item = &Line> {
        self.lines.iter().filter(|line| line.action.is_by_person())
    }

    /// The terminals' names, in the order of their first lines.
    #[must_use]
    pub fn terminals(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for line in &self.lines {
            if !names.contains(&line.terminal.as_str()) {
                names.push(&line.terminal);
            }
        }
        names
    }
}

impl Action {
    /// Whether a person does this; anything else is output.
    #[must_use]
    pub fn is_by_person(&self) -> bool {
        matches!(self, Self::Command(_) | Self::Input(_) | Self::EndOfInput | Self::Interrupt)
    }
}

/// The text of the session, as a file holds it.
impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.caption.is_empty() {
            writeln!(f, "# {}", self.caption)?;
        }
        if let Some(need) = &self.needs {
            writeln!(f, "#needs {need}")?;
        }
        if self.no_trace {
            writeln!(f, "#no-trace")?;
        }
        let width = self.lines.iter().map(|l| l.terminal.len() + 2).max().unwrap_or(0);
        let mut actions = 0;
        for line in &self.lines {
            if line.action.is_by_person() {
                let mut asks = self.asks.iter().filter(|ask| ask.actions == actions);
                asks.try_for_each(|ask| writeln!(f, "{ask}"))?;
                actions += 1;
            }
            let mut text = format!("{:width$} ", format!("[{}]", line.terminal));
            write!(text, "{}", line.action)?;
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => write!(f, "$ {command}"),
            Self::Input(line) => write!(f, "> {line}"),
            Self::EndOfInput => f.write_str("^D"),
            Self::Interrupt => f.write_str("^C"),
            Self::Ended => f.write_str("$"),
            Self::Output(line) => f.write_str(line),
            Self::Repeats => f.write_str("..."),
            Self::LeftOut => f.write_str("[...]"),
        }
    }
}

/// The `[name]` at the start of a line.
fn tag_of(line: &str) -> Option<&str> {
    let end = line.strip_prefix('[')?.find(']')? + 2;
    let name = &line[1..end - 1];
    let valid = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    valid.then_some(&line[..end])
}

/// A line of a trace about an action: as in a session, without the blanks that make columns.
pub(super) fn parse_line(line: &str, number: usize) -> Option<Line> {
    let tag = tag_of(line)?;
    let terminal = tag[1..tag.len() - 1].to_owned();
    let action = parse_action(line[tag.len()..].strip_prefix(' ')?);
    Some(Line { number, terminal, action })
}

fn parse_action(text: &str) -> Action {
    match text {
        "^D" => Action::EndOfInput,
        "^C" => Action::Interrupt,
        "$" => Action::Ended,
        "..." => Action::Repeats,
        "[...]" => Action::LeftOut,
        ">" => Action::Input(String::new()),
        _ => {
            if let Some(command) = text.strip_prefix("$ ") {
                Action::Command(command.to_owned())
            } else if let Some(line) = text.strip_prefix("> ") {
                Action::Input(line.to_owned())
            } else {
                Action::Output(text.to_owned())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ASK: &str = "\
[server] $ serve
[server] up
#ask How many? | `3 bytes` | `11 bytes`
[bob]    $ send 3 bytes
[server] read 11 bytes, not 13 bytes
[bob]    ^D
[server] 3 bytes
";

    #[test]
    fn the_output_of_the_next_action_answers_a_question() {
        let session = Session::parse(ASK).unwrap();
        assert_eq!(session.to_string(), ASK);
        assert_eq!(session.asks[0].actions, 1);
        assert_eq!(session.asks[0].answer(&session), Ok(1));
        let error = |from: &str, to: &str| {
            let session = Session::parse(&ASK.replace(from, to)).unwrap();
            session.asks[0].answer(&session).unwrap_err().to_string()
        };
        let start = "line 3: exactly one option must be in the output of the following action;";
        assert_eq!(error("read 11", "read 12"), format!("{start} 0 are"));
        assert_eq!(error("not 13", "not 3"), format!("{start} 2 are"));
    }

    #[test]
    fn a_question_needs_options_and_an_action() {
        let error = |text: &str| Session::parse(text).unwrap_err().to_string();
        let usage = "line 1: expected `#ask QUESTION | OPTION | OPTION`";
        assert_eq!(error("#ask What?\n[a] $ x\n"), usage);
        assert_eq!(error("#ask What? | a | \n[a] $ x\n"), usage);
        assert_eq!(
            error("[a] $ x\n#ask What? | a | b\n[a] y\n"),
            "line 3: after `#ask` comes the action that answers it"
        );
        assert_eq!(
            error("[a] $ x\n#ask What? | a | b\n"),
            "line 2: no action follows that answers this"
        );
    }

    const TEXT: &str = "\
# Two lines
# of caption.
#needs sh
#no-trace
[server] $ start the server
[server]   two blanks before, kept
[bob]    $ start a client
[bob]    > hello
[bob]    >
[bob]    HELLO
[bob]    ...
[bob]    [...]
[bob]    ^D
[bob]    $
[server] ^C
";

    #[test]
    fn a_session_is_read_and_written_back_unchanged() {
        let session = Session::parse(TEXT).unwrap();
        assert_eq!(session.caption, "Two lines of caption.");
        assert_eq!(session.terminals(), ["server", "bob"]);
        assert_eq!(session.lines[1].action, Action::Output("  two blanks before, kept".to_owned()));
        assert_eq!(session.lines[4].action, Action::Input(String::new()));
        assert_eq!(session.lines[4].number, 9);
        assert!(session.no_trace);
        assert_eq!(session.actions().count(), 6);
        let expected = TEXT.replace("lines\n# of", "lines of");
        assert_eq!(session.to_string(), expected);
    }

    #[test]
    fn a_character_may_stand_where_only_blanks_may_and_is_an_error_like_any_other() {
        // The column of the text is in the middle of the `ü`, where a string cannot be cut.
        let error = Session::parse("[server] $ x\n[a]     ü").unwrap_err().to_string();
        assert!(error.starts_with("line 2: the text must begin in column 10"), "{error}");
    }

    #[test]
    fn a_blank_line_of_a_caption_adds_nothing() {
        let session = Session::parse("# one\n#\n# two\n#\n[a] $ x").unwrap(); // found by fuzzing
        assert_eq!(session.caption, "one two");
    }

    #[test]
    fn a_command_has_a_word() {
        // Found by fuzzing: it was written as `$` alone, which means something else.
        for blank in ["", "  "] {
            let error = Session::parse(&format!("[a] $ {blank}")).unwrap_err().to_string();
            assert_eq!(error, "line 1: `$ ` starts a program: say which");
        }
    }

    #[test]
    fn a_wrong_line_is_named() {
        let error = |text: &str| Session::parse(text).unwrap_err().to_string();
        assert!(error("").contains("empty"));
        assert!(error("[a] $ x\noutput").starts_with("line 2: expected `[terminal] "));
        for typo in ["#notrace", "#no-trace ", "#ask", "#caption"] {
            let error = error(&format!("[a] $ x\n{typo}\n"));
            assert!(error.starts_with("line 2: expected `#needs NEED`, "), "{typo}: {error}");
        }
        assert_eq!(error("#needs luck\n[a] $ x"), "line 1: a session can need: sh, linux, network");
        assert!(error("[a] hello").starts_with("line 1: no program was started in `a`"));
        assert!(error("[a] $ x\n[a] ...").starts_with("line 2: `...` must follow"));
        assert!(
            error("[server] $ x\n[a] $ y").starts_with("line 2: the text must begin in column 10")
        );
    }
}
