//! `{{#session STEP/NAME}}`: a session, one row for each turn of a terminal, in the order of time.
//!
//! A step is an action and the output that follows it, in all terminals. Each line has an id, `NN-NAME-STEP` for the
//! action and `NN-NAME-STEP-LINE` for what follows it. The class of a line's element is its kind, and a turn has the
//! terminal's name unless the turn before it is in the same terminal. What a tap prints about bytes is drawn, see `wire`.

mod framing;
mod kernel;
mod story;
mod wire;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use conformance::check::Protocol;
use conformance::session::{Action, Line, Session, Trace};
use conformance::text;

use self::wire::{End, Wire};
use crate::captions::Captions;
use crate::directive::words;
use crate::html::{escape, sentence};
use crate::source::read;

/// How the directive is written, for messages.
const USAGE: &str = "{{#session STEP/NAME}}";

pub fn render(root: &Path, arguments: &str) -> Result<String> {
    let (step, name) = parse(arguments)?;
    let number = step.split('-').next().unwrap_or_default();
    let mut session = session(root, step, name)?;
    let captions = Captions::of(root, &place(step, name))?;
    session.caption = captions.text(&session.caption).into_owned();
    let protocol = Protocol::of_step(number.parse().with_context(|| format!("expected {USAGE}"))?);
    let figure = Figure::new(&session, format!("{number}-{name}"));
    let path = path(step, name);
    let held = figure.held(root, &path.replace(".session", ".trace"))?;
    let asks = figure.asks(&captions).with_context(|| path.clone())?;
    figure.html(protocol, &asks, &held).with_context(|| path)
}

/// Where the texts of a session are in the table of another language.
fn place(step: &str, name: &str) -> String {
    format!("session {step}/{name}")
}

/// The place of a session's texts, and these texts.
pub fn captions(root: &Path, arguments: &str) -> Result<(String, Vec<String>)> {
    let (step, name) = parse(arguments)?;
    let session = session(root, step, name)?;
    let asks = session.asks.into_iter().flat_map(|ask| [vec![ask.question], ask.options].concat());
    Ok((place(step, name), [session.caption].into_iter().chain(asks).collect()))
}

fn parse(arguments: &str) -> Result<(&str, &str)> {
    let [argument] = words(arguments, USAGE)?;
    argument.split_once('/').with_context(|| format!("expected {USAGE}"))
}

fn path(step: &str, name: &str) -> String {
    format!("steps/{step}/sessions/{name}.session")
}

fn session(root: &Path, step: &str, name: &str) -> Result<Session> {
    let path = path(step, name);
    Session::parse(&read(root, &path)?).with_context(|| path)
}

/// The programs that watch the others.
const WATCHERS: [&str; 3] = [TAP, "sudo tcpdump ", "ss "];

/// The program whose output is drawn.
const TAP: &str = "cargo xtask tap ";

/// A session that is being drawn.
struct Figure<'a> {
    session: &'a Session,
    terminals: Vec<Terminal<'a>>,
    id: String,
}

/// A terminal, as the figure shows it.
struct Terminal<'a> {
    name: &'a str,
    /// Its colour: a class of the style sheet.
    class: String,
}

impl<'a> Figure<'a> {
    fn new(session: &'a Session, id: String) -> Self {
        let mut colours = 0..;
        let terminals = session.terminals().into_iter().map(|name| {
            let is_watcher = commands(session, name)
                .any(|command| WATCHERS.iter().any(|watcher| command.starts_with(watcher)));
            let class = if is_watcher {
                "watcher".to_owned()
            } else {
                format!("terminal-{}", colours.next().unwrap_or_default())
            };
            Terminal { name, class }
        });
        Self { session, terminals: terminals.collect(), id }
    }

    /// What the kernel held, if that was recorded.
    fn held(&self, root: &Path, path: &str) -> Result<String> {
        if !root.join(path).is_file() {
            return Ok(String::new());
        }
        let trace = Trace::parse(&read(root, path)?).with_context(|| path.to_owned())?;
        let class_of = |name: &str| self.terminals.iter().find(|it| it.name == name);
        let class_of = |name: &str| class_of(name).map_or("", |it| &it.class);
        kernel::html(&trace, self.session, class_of).with_context(|| path.to_owned())
    }

    /// The questions, each with its answer in a folded block.
    fn asks(&self, captions: &Captions) -> Result<String> {
        let mut html = String::new();
        for ask in &self.session.asks {
            let right = ask.answer(self.session)?;
            let step = ask.actions + 1;
            let texts: Vec<String> =
                ask.options.iter().map(|option| sentence(&captions.text(option))).collect();
            let options = texts.iter().enumerate().map(|(index, text)| {
                let mark = if index == right { " data-right" } else { "" };
                format!("<li{mark}>{text}</li>")
            });
            let options: String = options.collect();
            let question = sentence(&captions.text(&ask.question));
            let (answer, right) = (text!("ask.answer"), &texts[right]);
            let link =
                format!(r##"<a href="#{}-{step}">{}</a>"##, self.id, text!("ask.step", step));
            let before = text!("ask.before", step);
            // Writing to a String cannot fail.
            let _ = write!(
                html,
                r#"<div class="ask" data-step="{step}"><p><b>{before}</b> {question}</p><ul>{options}</ul><details data-paper="no"><summary>{answer}</summary><p>{right} → {link}</p></details></div>"#
            );
        }
        Ok(html)
    }

    fn html(&self, protocol: Protocol, asks: &str, held: &str) -> Result<String> {
        let mut wire = Wire::new(protocol, self.ends());
        let mut turns = String::new();
        let mut before = "";
        for (lines, step) in steps_of(&self.session.lines).zip(1..) {
            let mut at = 0;
            for turn in lines.chunk_by(|a, b| a.terminal == b.terminal) {
                let name = turn[0].terminal.as_str();
                let place = Place { step, line: at, is_same: name == before };
                turns += &self.turn(&mut wire, turn, place)?;
                at += turn.len();
                before = name;
            }
        }
        let width = self.terminals.iter().map(|it| it.name.len()).max().unwrap_or_default();
        let class = if self.terminals.len() == 1 { "session alone" } else { "session" };
        let printed = self.printed_by_tap();
        let caption = sentence(&self.session.caption);
        Ok(format!(
            r#"<figure class="{class}">{asks}<div class="terminals" style="--name:{width}ch">{turns}</div>{held}{printed}<figcaption>{caption}</figcaption></figure>"#
        ))
    }

    /// The lines of one terminal before something happens in another.
    fn turn(&self, wire: &mut Wire<'_>, lines: &[Line], place: Place) -> Result<String> {
        let name = lines[0].terminal.as_str();
        let terminal = self.terminals.iter().find(|it| it.name == name).context("it is listed")?;
        let is_tap = is_tap(self.session, name);
        let mut rows = Vec::new();
        let mut at = 0;
        while let Some(line) = lines.get(at) {
            let id = format!("{}-{}", self.id, place.number(at));
            let event = if is_tap { wire::event(&lines[at..])? } else { None };
            at += event.as_ref().map_or(1, |event| event.lines);
            let row = match event {
                Some(event) => wire.html(&event, &id),
                None => line_to_html(&line.action, Some(&id)),
            };
            rows.push((is_in_columns(&line.action), row));
        }
        let step = if place.line == 0 { "step " } else { "" };
        let name = if place.is_same { String::new() } else { format!("<b>{name}</b>") };
        let class = &terminal.class;
        let rows: Vec<String> = rows.chunk_by(|a, b| a.0 == b.0).map(rows_to_html).collect();
        let rows = rows.join("\n");
        Ok(format!(r#"<div class="{step}turn {class}">{name}{rows}</div>"#))
    }

    /// The two ends of the tap's connections: what connects to it, and the server.
    fn ends(&self) -> [End<'_>; 2] {
        let taps = self.terminals.iter().flat_map(|it| commands(self.session, it.name));
        let listens: Vec<&str> = taps.filter_map(listen_addr).collect();
        let is_client = |terminal: &&Terminal<'_>| {
            commands(self.session, terminal.name)
                .any(|it| !it.starts_with(TAP) && listens.iter().any(|addr| it.contains(addr)))
        };
        let client = self.terminals.iter().find(is_client);
        let server = self.terminals.iter().find(|it| it.name == "server");
        [(client, "client"), (server, "server")].map(|(terminal, name)| match terminal {
            Some(Terminal { name, class }) => End { name, class },
            None => End { name, class: "" },
        })
    }

    /// What the tap printed, as text.
    fn printed_by_tap(&self) -> String {
        let lines = self.session.lines.iter().filter(|it| is_tap(self.session, &it.terminal));
        let lines: Vec<String> = lines
            .filter_map(|line| match &line.action {
                Action::Output(text) => Some(escape(text)),
                Action::LeftOut => Some(text!("session.left-out")),
                _ => None,
            })
            .collect();
        if !lines.iter().any(|line| line.contains(" → ")) {
            return String::new();
        }
        let name = text!("wire.as-text");
        format!(
            r#"<details class="printed" data-paper="no"><summary>{name}</summary><pre>{}</pre></details>"#,
            lines.join("\n")
        )
    }
}

/// The address at which a tap listens.
fn listen_addr(command: &str) -> Option<&str> {
    command.strip_prefix(TAP)?.split("--listen ").nth(1)?.split(' ').next()
}

/// Whether a tap runs in this terminal.
fn is_tap(session: &Session, name: &str) -> bool {
    commands(session, name).any(|command| command.starts_with(TAP))
}

/// Where a turn is in a session.
#[derive(Clone, Copy)]
struct Place {
    step: usize,
    /// How many lines of the step come before it.
    line: usize,
    /// Whether the turn before it was in the same terminal.
    is_same: bool,
}

impl Place {
    /// The number of one of its lines.
    fn number(self, at: usize) -> String {
        match self.line + at {
            0 => self.step.to_string(),
            line => format!("{}-{line}", self.step),
        }
    }
}

/// What each action leads to, with the action as its first line.
fn steps_of(lines: &[Line]) -> impl Iterator<Item = &[Line]> {
    lines.chunk_by(|_, line| !line.action.is_by_person())
}

/// The commands that are typed in this terminal.
fn commands<'a>(session: &'a Session, name: &str) -> impl Iterator<Item = &'a str> {
    session.lines.iter().filter(move |line| line.terminal == name).filter_map(|line| {
        match &line.action {
            Action::Command(command) => Some(command.as_str()),
            _ => None,
        }
    })
}

/// Whether this is text in columns, which must not be wrapped.
fn is_in_columns(action: &Action) -> bool {
    matches!(action, Action::Output(line) if line.trim().contains("   "))
}

/// Rows that are all in columns, or all not. Columns scroll together.
fn rows_to_html(rows: &[(bool, String)]) -> String {
    let texts: Vec<&str> = rows.iter().map(|(_, row)| row.as_str()).collect();
    let text = texts.join("\n");
    match rows {
        [(true, _), ..] => format!(r#"<span class="columns">{text}</span>"#),
        _ => text,
    }
}

/// A line, with an address if it is to have one.
fn line_to_html(action: &Action, id: Option<&str>) -> String {
    let id = id.map_or_else(String::new, |id| format!(r#" id="{id}""#));
    let typed = |class: &str, text: &str| {
        format!(r#"<span{id}><kbd class="{class}">{}</kbd></span>"#, escape(text))
    };
    let printed = |class: &str, text: &str| format!("<samp{id}{class}>{}</samp>", escape(text));
    match action {
        Action::Command(command) => typed("command", command),
        Action::Input(line) => typed("input", line),
        Action::EndOfInput => typed("key", "Ctrl-D"),
        Action::Interrupt => typed("key", "Ctrl-C"),
        Action::Ended => printed(r#" class="ended""#, "$"),
        Action::Output(line) => printed("", line),
        Action::LeftOut => printed(r#" class="again""#, &text!("session.left-out")),
        Action::Repeats => printed(r#" class="again""#, &text!("session.repeats")),
    }
}
