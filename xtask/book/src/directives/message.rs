//! `{{#message NAME …}}`: messages of the page *Troubleshooting*, as terms to be explained.
//!
//! It gives Markdown, which is then treated like the rest of the page.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use conformance::text;
use workspace::edition::ENGLISH;
use workspace::messages::{self, Message, Part, Report, SystemError, parts};

use crate::directive::Directive;
use crate::html::escape;

/// The page that has them all.
const PAGE: &str = "troubleshooting.md";

/// The Markdown for a `{{#message NAME …}}`: the messages, or errors of the system, as a term to be explained.
pub fn markdown(names: &str) -> Result<String> {
    let mut shown = Vec::new();
    for name in names.split_whitespace() {
        if let Some(error) = messages::system_errors().iter().find(|error| error.name == name) {
            shown.extend(system_error(error));
            continue;
        }
        let Some(message) = messages::all().iter().find(|message| message.name == name) else {
            bail!("there is no message `{name}` in {}", messages::FILE);
        };
        shown.push(line(&message.text, &printed_by(message)));
    }
    if shown.is_empty() {
        bail!("expected {{{{#message NAME}}}}, or several names");
    }
    Ok(shown.join("<br>"))
}

/// A text, and what prints it.
fn line(text: &str, note: &str) -> String {
    let note = if note.is_empty() { String::new() } else { format!(" <small>{note}</small>") };
    format!("<samp>{}</samp>{note}", to_html(text))
}

/// Which programs print a message.
fn printed_by(message: &Message) -> String {
    let steps = steps_in_words(&message.steps);
    let twins = steps_in_words(&message.twins);
    match (steps.is_empty(), twins.is_empty()) {
        (_, true) => steps,
        (true, false) => text!("message.python", twins),
        (false, false) => text!("message.both", steps, twins),
    }
}

/// How each system reports an error, and what the languages call it.
fn system_error(error: &SystemError) -> Vec<String> {
    let unix = if error.linux == error.macos {
        vec![("Errno", &error.linux, "Linux, macOS")]
    } else {
        vec![("Errno", &error.linux, "Linux"), ("Errno", &error.macos, "macOS")]
    };
    let windows = error.windows.as_ref().map(|report| ("WinError", report, "Windows"));
    let shown = |(word, report, systems): (_, &Report, _)| {
        line(&format!("[{word} {}] {}", report.number, report.text), systems)
    };
    let mut lines: Vec<String> = unix.into_iter().chain(windows).map(shown).collect();
    let (name, python) = (&error.name, &error.python);
    let names = match &error.kind {
        Some(kind) => text!("message.names-with-kind", name, python, kind),
        None => text!("message.names", name, python),
    };
    lines.push(format!("<small>{}</small>", to_html(&names)));
    lines
}

/// A message as HTML that Markdown leaves as it is.
fn to_html(text: &str) -> String {
    let part = |part: Part| match part {
        Part::Fixed(text) => escape(text),
        Part::Blank(name) => format!("<var>{}</var>", escape(name)),
    };
    let html: String = parts(text).into_iter().map(part).collect();
    let safe = |c: char| match c {
        '\\' | '`' | '*' | '_' | '[' | ']' | '{' | '}' | '#' | '~' | '|' | '$' => {
            format!("&#{};", u32::from(c))
        }
        c => c.to_string(),
    };
    html.chars().map(safe).collect()
}

/// Such as `steps 01 to 04, 07`.
fn steps_in_words(steps: &[u8]) -> String {
    let mut runs: Vec<(u8, u8)> = Vec::new();
    for &step in steps {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == step => *last = step,
            _ => runs.push((step, step)),
        }
    }
    let words: Vec<String> = runs
        .iter()
        .map(|(first, last)| match last - first {
            0 => format!("{first:02}"),
            1 => [format!("{first:02}"), format!("{last:02}")].join(&text!("join.comma")),
            _ => {
                let (first, last) = (format!("{first:02}"), format!("{last:02}"));
                text!("message.run", first, last)
            }
        })
        .collect();
    let count = steps.len();
    let steps = words.join(&text!("join.comma"));
    match count {
        0 => String::new(),
        1 => text!("message.one-step", steps),
        _ => text!("message.steps", steps),
    }
}

/// One line for each message that is not on the page *Troubleshooting* exactly once. A book may have no
/// such page.
pub fn problems(root: &Path) -> Result<Vec<String>> {
    let shown = format!("{ENGLISH}/src/{PAGE}");
    if !root.join(&shown).is_file() {
        return Ok(Vec::new());
    }
    let page =
        fs::read_to_string(root.join(&shown)).with_context(|| format!("cannot read {shown}"))?;
    let directives = page.lines().filter_map(Directive::alone_in);
    let named: Vec<&str> = directives
        .filter(|directive| directive.name == "message")
        .flat_map(|directive| directive.arguments.split_whitespace())
        .collect();
    let problem = |name: &str| match named.iter().filter(|named| **named == name).count() {
        1 => None,
        count => Some(format!(
            "{shown}: the message `{name}` is there {count} times; it should be there once"
        )),
    };
    let messages = messages::all().iter().map(|message| &message.name);
    let all = messages.chain(messages::system_errors().iter().map(|error| &error.name));
    Ok(all.filter_map(|name| problem(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use workspace::fixture;

    #[test]
    fn messages_become_terms_that_markdown_leaves_alone() {
        assert_eq!(
            markdown("refused").unwrap(),
            "<samp>error: <var>ADDR</var>: connection refused; start the server first</samp> \
         <small>steps 01 to 10</small>"
        );
        let two = markdown("no-xtask warning").unwrap();
        assert!(two.starts_with(
            "<samp>error: no such command: &#96;<var>NAME</var>&#96;</samp><br><samp>W"
        ));
        assert!(two.ends_with(" <small>steps 04, 06, 07</small>"), "{two}");
        assert!(
            markdown("refuse").unwrap_err().to_string().starts_with("there is no message `refuse`")
        );
        assert!(markdown("").is_err());
    }

    #[test]
    fn an_error_of_the_system_shows_its_numbers_and_names() {
        assert_eq!(
            markdown("EPIPE").unwrap(),
            "<samp>&#91;Errno 32&#93; Broken pipe</samp> <small>Linux, macOS</small><br>\
             <small>EPIPE; Python: BrokenPipeError; Rust: BrokenPipe, os error</small>"
        );
    }

    #[test]
    fn steps_are_told_in_runs() {
        assert_eq!(steps_in_words(&[1, 2, 3, 4, 6, 7, 9]), "steps 01 to 04, 06, 07, 09");
        assert_eq!(steps_in_words(&[7]), "step 07");
        assert_eq!(steps_in_words(&[]), "");
    }

    #[test]
    fn a_message_that_is_not_on_the_page_or_is_there_twice_is_found() {
        let tree = fixture::copy();
        assert_eq!(problems(tree.path()).unwrap(), [""; 0]);
        let page = format!("{ENGLISH}/src/{PAGE}");
        fixture::replace(tree.path(), &page, "{{#message lost-pipe}}", "{{#message lost-os}}");
        let found = problems(tree.path()).unwrap();
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].contains("the message `lost-os` is there 2 times"), "{found:?}");
        assert!(found[1].contains("the message `lost-pipe` is there 0 times"), "{found:?}");
    }
}
