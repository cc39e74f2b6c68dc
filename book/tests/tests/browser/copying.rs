//! The copy buttons. What they ought to copy is read from the files that the page shows, not from
//! the page.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use fantoccini::Locator;
use fantoccini::elements::Element;
use serde_json::{Value, json};

use crate::browser::{Browser, View};
use crate::{PAGE, PAGE_SOURCE, setup};

/// Every command of every session is copied as it is typed, without the prompt.
pub async fn commands(browser: &Browser) -> Result<()> {
    prepare(browser).await?;
    let sessions = included("session")?;
    let figures = browser.all("figure.session").await?;
    ensure!(
        figures.len() == sessions.len(),
        "{PAGE} has {} sessions, but {PAGE_SOURCE} {}",
        figures.len(),
        sessions.len()
    );
    for (figure, session) in figures.iter().zip(&sessions) {
        let (step, name) = session.split_once('/').context("a session is STEP/NAME")?;
        let path = format!("steps/{step}/sessions/{name}.session");
        let expected = commands_of(&read(&path)?);
        ensure!(!expected.is_empty(), "{path} has no commands");
        let copied = copy_all(browser, figure).await?;
        ensure!(
            copied == expected,
            "{PAGE}: the buttons of {path} copy {copied:?}, not {expected:?}"
        );
    }
    Ok(())
}

/// Every listing is copied as it stands in the file; of a difference, the new file is.
pub async fn listings(browser: &Browser) -> Result<()> {
    prepare(browser).await?;
    let listings = included("listing|diff")?;
    let figures = browser.all("figure.listing").await?;
    ensure!(
        figures.len() == listings.len(),
        "{PAGE} has {} listings, but {PAGE_SOURCE} {}",
        figures.len(),
        listings.len()
    );
    for (figure, listing) in figures.iter().zip(&listings) {
        let expected = listed(listing)?;
        let copied = copy_all(browser, figure).await?;
        ensure!(
            copied == [expected.as_str()],
            "{PAGE}: the button of “{listing}” copies\n{}\nnot\n{expected}",
            copied.join("\nand\n")
        );
    }
    Ok(())
}

/// Opens the page, unfolds it, and has the page note what is copied.
async fn prepare(browser: &Browser) -> Result<()> {
    browser.visit_in(View::WIDE, PAGE).await?;
    browser.unfold().await?;
    let note = "window.copied = []; \
                navigator.clipboard.writeText = async (text) => { copied.push(text); };";
    let _: Value = browser.run(note, json!([])).await?;
    Ok(())
}

/// Presses the copy buttons in the figure, one after the other; returns what was copied.
async fn copy_all(browser: &Browser, figure: &Element) -> Result<Vec<String>> {
    for button in figure.find_all(Locator::Css("button.copy")).await? {
        browser.click(&button).await?;
    }
    let said = Locator::XPath("//*[@id='announcer'][. = 'Copied']");
    let what = format!("{PAGE}: it is announced that something was copied");
    browser.expect(said, &what).await?;
    browser.run("return copied.splice(0)", json!([])).await
}

/// What the page's text includes with such a directive: `{{#listing STEP FILE}}` gives `STEP FILE`.
fn included(directives: &str) -> Result<Vec<String>> {
    let text = read(PAGE_SOURCE)?;
    let included = text.lines().filter_map(|line| {
        let (directive, rest) = line.strip_prefix("{{#")?.split_once(' ')?;
        let wanted = directives.split('|').any(|wanted| wanted == directive);
        wanted.then(|| rest.trim_end_matches("}}").to_owned())
    });
    Ok(included.collect())
}

/// The lines that are typed at a prompt of the system's: `[alice]  $ cargo run`.
fn commands_of(session: &str) -> Vec<String> {
    let typed = session.lines().filter_map(|line| {
        let (_, said) = line.strip_prefix('[')?.split_once(']')?;
        said.trim_start().strip_prefix("$ ").map(str::to_owned)
    });
    typed.collect()
}

/// The text of a listing, `STEP FILE` or `STEP FILE:ANCHOR`, or the later one of a difference,
/// `STEP STEP FILE`.
fn listed(listing: &str) -> Result<String> {
    let words: Vec<&str> = listing.split_whitespace().collect();
    let [.., step, file] = words[..] else {
        anyhow::bail!("`{listing}` is no listing");
    };
    let (file, anchor) = match file.split_once(':') {
        Some((file, anchor)) => (file, Some(anchor)),
        None => (file, None),
    };
    let text = read(&format!("steps/{step}/{file}"))?;
    let lines: Vec<&str> = match anchor {
        None => text.lines().collect(),
        Some(anchor) => {
            let ends = |line: &&str, mark: &str| line.ends_with(&format!("{mark}: {anchor}"));
            text.lines()
                .skip_while(|line| !ends(line, "ANCHOR"))
                .take_while(|line| !ends(line, "ANCHOR_END"))
                .collect()
        }
    };
    let is_mark = |line: &str| line.contains("ANCHOR:") || line.contains("ANCHOR_END:");
    let lines: Vec<&str> = lines.into_iter().filter(|line| !is_mark(line)).collect();
    let indents = lines.iter().filter(|line| !line.is_empty());
    let indent = indents.map(|line| line.len() - line.trim_start().len()).min();
    let indent = indent.with_context(|| format!("`{listing}` is empty"))?;
    let mut code = String::new();
    for line in lines {
        code.push_str(line.get(indent..).unwrap_or_default());
        code.push('\n');
    }
    Ok(code)
}

fn read(path: &str) -> Result<String> {
    let text = fs::read_to_string(setup::repository().join(path));
    text.with_context(|| format!("cannot read {path}"))
}
