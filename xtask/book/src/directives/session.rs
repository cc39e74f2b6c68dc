//! `{{#session STEP/NAME}}`: a session's terminals, side by side; time goes downwards.
//!
//! A session with a program whose lines are wide has its terminals in one column instead.

use std::path::Path;

use anyhow::{Context as _, Result};
use conformance::session::{Action, Line, Session};
use conformance::text;

use crate::directive::words;
use crate::html::{escape, sentence};
use crate::source::read;

pub fn render(root: &Path, arguments: &str) -> Result<String> {
    let usage = "{{#session STEP/NAME}}";
    let [argument] = words(arguments, usage)?;
    let (step, name) = argument.split_once('/').with_context(|| format!("expected {usage}"))?;
    let path = format!("steps/{step}/sessions/{name}.session");
    let text = read(root, &path)?;
    let session = Session::parse(&text).with_context(|| path)?;
    Ok(to_html(&session))
}

fn to_html(session: &Session) -> String {
    let terminals = session.terminals();
    let column = |name: &str| 1 + terminals.iter().position(|t| *t == name).unwrap_or(0);
    let is_stacked = terminals.iter().any(|name| is_wide(session, name));
    let class = if is_stacked { "session stacked" } else { "session" };
    let names: Vec<String> = terminals
        .iter()
        .map(|name| {
            let column = column(name);
            format!(r#"<div class="terminal-name" style="grid-column:{column}">{name}</div>"#)
        })
        .collect();
    let turns: Vec<String> = turns(&session.lines)
        .enumerate()
        .map(|(index, turn)| {
            let name = &turn[0].terminal;
            let class = if is_wide(session, name) { "turn wide" } else { "turn" };
            turn_to_html(class, turn, column(name), index + 2)
        })
        .collect();
    let caption = sentence(&session.caption);
    format!(
        r#"<figure class="{class}" style="--terminals:{}"><div class="terminals">{}{}</div><figcaption>{caption}</figcaption></figure>"#,
        terminals.len(),
        names.concat(),
        turns.concat()
    )
}

/// The programs whose lines are wide.
const WIDE: [&str; 3] = ["cargo xtask tap ", "sudo tcpdump ", "ss "];

/// Whether a program whose lines are wide runs in this terminal.
fn is_wide(session: &Session, name: &str) -> bool {
    let is_wide = |command: &String| WIDE.iter().any(|wide| command.starts_with(wide));
    session.lines.iter().any(|line| {
        line.terminal == name && matches!(&line.action, Action::Command(c) if is_wide(c))
    })
}

/// What happens in one terminal before something happens in another.
fn turns(lines: &[Line]) -> impl Iterator<Item = &[Line]> {
    lines.chunk_by(|a, b| a.terminal == b.terminal)
}

fn turn_to_html(class: &str, turn: &[Line], column: usize, row: usize) -> String {
    let name = &turn[0].terminal;
    let lines: String = turn.iter().map(|line| action_to_html(&line.action) + "\n").collect();
    format!(
        r#"<div class="{class}" data-terminal="{name}" style="grid-column:{column};grid-row:{row}"><span class="who">{name}</span><pre tabindex="0"><code>{lines}</code></pre></div>"#
    )
}

fn action_to_html(action: &Action) -> String {
    match action {
        Action::Command(command) => format!(
            r#"<span class="prompt">$ </span><kbd class="command">{}</kbd>"#,
            escape(command)
        ),
        Action::Input(line) => {
            format!(r#"<span class="prompt">&gt; </span><kbd>{}</kbd>"#, escape(line))
        }
        Action::EndOfInput => r#"<kbd class="key">Ctrl-D</kbd>"#.to_owned(),
        Action::Interrupt => r#"<kbd class="key">Ctrl-C</kbd>"#.to_owned(),
        Action::Ended => r#"<span class="prompt">$ </span>"#.to_owned(),
        // Text in columns must not be wrapped to another width.
        Action::Output(line) if line.trim().contains("   ") => {
            format!(r#"<samp class="columns">{}</samp>"#, escape(line))
        }
        Action::Output(line) => format!("<samp>{}</samp>", escape(line)),
        Action::LeftOut => again(&text!("session.left-out")),
        Action::Repeats => again(&text!("session.repeats")),
    }
}

/// Returns the HTML that replaces lines that are not shown.
fn again(text: &str) -> String {
    format!(r#"<samp class="again">{text}</samp>"#)
}
