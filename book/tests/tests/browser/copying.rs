//! The copy buttons. What they ought to copy is read from the files that the page shows, not from
//! the page.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use conformance::check::Side;
use conformance::contract::{STEPS, contract};
use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::PAGE;
use crate::browser::{Browser, View};
use crate::setup::{self, Site};

/// A name of this computer, for the browser. Pages from there are not secure, as pages from
/// another computer in a classroom are not: the browser gives them no clipboard.
pub const PLAIN_HOST: &str = "classroom.test";

/// Every command of every session is copied as it is typed, without the prompt.
pub async fn commands(browser: &Browser, page: &str) -> Result<Vec<String>> {
    let mut expected = Vec::new();
    for session in included(&source(page)?, &["session"]) {
        let (step, name) = session.split_once('/').context("a session is STEP/NAME")?;
        let commands = commands_of(&read(&format!("steps/{step}/sessions/{name}.session"))?);
        ensure!(!commands.is_empty(), "{session} has no commands");
        expected.push(commands);
    }
    ensure!(page != PAGE || !expected.is_empty(), "its text has no session");
    compare(browser, "figure.session", &expected).await
}

/// Every listing is copied as it is in the file; a difference is copied as the new file.
pub async fn listings(browser: &Browser, page: &str) -> Result<Vec<String>> {
    let text = source(page)?;
    let listings = included(&text, &["listing", "diff"]);
    let expected = listings.iter().map(|listing| Ok(vec![listed(listing)?]));
    let expected: Vec<_> = expected.collect::<Result<_>>()?;
    ensure!(page != PAGE || !expected.is_empty(), "its text has no listing");
    let first = "figure.listing:has(figcaption):not(.twins > .listing + .listing)";
    let mut found = compare(browser, first, &expected).await?;
    let in_python = in_python(browser, first, &listings).await?;
    found.extend(compare(browser, ".twins > .listing + .listing", &in_python).await?);

    let typed: Vec<_> =
        typed_blocks(&with_contracts(&text)).into_iter().map(|block| vec![block]).collect();
    found.extend(compare(browser, "figure.listing:not(:has(figcaption))", &typed).await?);
    Ok(found)
}

/// What is to be copied of the listings that have a counterpart in Python.
async fn in_python(
    browser: &Browser,
    figures: &str,
    listings: &[String],
) -> Result<Vec<Vec<String>>> {
    let paths = "return [...document.querySelectorAll(arguments[0])].map((figure) => \
                 figure.matches('.twins > *') && figure.nextElementSibling.querySelector('.path').textContent)";
    let paths: Vec<Value> = browser.run(paths, json!([figures])).await?;
    let mut expected = Vec::new();
    for (listing, path) in listings.iter().zip(&paths) {
        if let Some(path) = path.as_str() {
            let file = path.strip_prefix("steps/").context("a path begins with steps")?;
            let anchor = listing.split_once(':').map_or("", |(_, anchor)| anchor);
            let end = if anchor.is_empty() { String::new() } else { format!(":{anchor}") };
            expected.push(vec![listed(&(file.replacen('/', " ", 1) + &end))?]);
        }
    }
    Ok(expected)
}

/// Presses the copy buttons of such figures, and compares what they copy.
async fn compare(
    browser: &Browser,
    figures: &str,
    expected: &[Vec<String>],
) -> Result<Vec<String>> {
    let copied: Vec<Vec<String>> =
        browser.run(include_str!("scripts/copy.js"), json!([figures])).await?;
    ensure!(
        copied.len() == expected.len(),
        "the page has {} of {figures}, but its text {}",
        copied.len(),
        expected.len()
    );
    let pairs = copied.iter().zip(expected).filter(|(copied, expected)| copied != expected);
    let wrong = pairs.map(|(copied, expected)| {
        let [copied, expected] = [copied, expected].map(|texts| texts.join("\nand\n"));
        format!("a button copies\n{copied}\nnot\n{expected}")
    });
    Ok(wrong.collect())
}

/// What is copied is on the clipboard: with the mouse and with the keyboard, from this computer
/// and from another, where the browser has to be asked in the old way.
pub async fn to_the_clipboard(browser: &Browser) -> Result<()> {
    let port = browser.site.origin.rsplit(':').next().unwrap_or_default();
    for origin in [browser.site.origin.clone(), format!("http://{PLAIN_HOST}:{port}")] {
        browser.set_view(View::WIDE).await?;
        browser.visit_at(&origin, PAGE).await?;
        browser.unfold().await?;
        let secure: bool = browser.run("return isSecureContext", json!([])).await?;
        ensure!(secure == (origin == browser.site.origin), "{origin}: isSecureContext is {secure}");
        let commands = browser.all("kbd.command").await?;
        let buttons = browser.all("kbd.command + button.copy").await?;
        ensure!(!buttons.is_empty(), "{PAGE} has no commands to copy");
        ensure!(commands.len() == buttons.len(), "{PAGE}: a command has no button");
        // What each button copies is known: `commands` above.
        for (index, (command, button)) in commands.iter().zip(&buttons).enumerate().take(2) {
            let forget = "document.querySelector('#announcer').textContent = ''";
            let () = browser.run(forget, json!([])).await?;
            if index % 2 == 0 {
                browser.click(button).await?;
            } else {
                browser.focus(button).await?;
                browser.press(Key::Enter).await?;
            }
            let said = Locator::XPath("//*[@id='announcer'][. = 'Copied']");
            let what = format!("{PAGE} at {origin}: it is announced that something was copied");
            browser.expect(said, &what).await?;
            let (copied, command) = (paste(browser).await?, command.text().await?);
            ensure!(
                copied == command,
                "{PAGE} at {origin}: on the clipboard is “{copied}”, not “{command}”"
            );
        }
    }
    Ok(())
}

/// A session that is selected as a whole is copied as text: the names, what is typed and what is printed, in order.
/// Bytes on the wire are copied once, with their meaning, and screen readers read the same.
pub async fn selected_sessions(browser: &Browser) -> Result<()> {
    browser.visit_in(View::WIDE, PAGE).await?;
    // What the player hides is not copied: the last step has all lines.
    let last = "document.querySelectorAll('.player input').forEach((range) => { \
                range.value = range.max; range.dispatchEvent(new Event('input')); })";
    let () = browser.run(last, json!([])).await?;
    let session = read("steps/03-conn-loop/sessions/two-clients.session")?;
    let copied = copy_session(browser, "03-two-clients-1").await?;
    let expected = words_of(&session);
    ensure!(copied == expected, "two-clients is copied as {copied}, not as {expected}");

    let copied = copy_session(browser, "03-wire-1").await?;
    let piece = "tap bob → server 2 bytes text hi";
    ensure!(copied.matches(piece).count() == 1, "wire is copied as {copied}, without {piece}");
    let read = read_aloud(browser, "03-wire-1").await?;
    ensure!(read.matches(piece).count() == 1, "of wire is read {read}, without {piece}");
    for text in [copied, read] {
        ensure!(!text.contains("68 69"), "the bytes of wire are there twice: {text}");
    }
    Ok(())
}

/// Selects the session with such a line, copies it and returns the words.
async fn copy_session(browser: &Browser, line: &str) -> Result<String> {
    let select = "const session = document.getElementById(arguments[0]).closest('.terminals'); \
                  getSelection().selectAllChildren(session)";
    let () = browser.run(select, json!([line])).await?;
    let copy = json!({
        "type": "keyDown", "key": "c", "code": "KeyC", "modifiers": 2, "commands": ["copy"],
    });
    browser.devtools("Input.dispatchKeyEvent", copy).await?;
    Ok(normal(&paste(browser).await?))
}

/// What a screen reader finds in the session with such a line.
async fn read_aloud(browser: &Browser, line: &str) -> Result<String> {
    let find = format!("document.getElementById('{line}').closest('.terminals')");
    let session = browser.devtools("Runtime.evaluate", json!({ "expression": find })).await?;
    let object = &session["result"]["objectId"];
    browser.devtools("Accessibility.enable", json!({})).await?;
    let texts = json!({ "objectId": object, "role": "StaticText" });
    let found = browser.devtools("Accessibility.queryAXTree", texts).await?;
    let nodes = found["nodes"].as_array().context("the tree is no list")?;
    let texts = nodes.iter().filter(|node| node["ignored"] == false);
    let texts = texts.filter_map(|node| node["name"]["value"].as_str());
    Ok(normal(&texts.collect::<Vec<_>>().join(" ")))
}

/// The words of a session's file as they are copied: without prompts, and each name before what its terminal shows.
fn words_of(session: &str) -> String {
    let mut text = String::new();
    let mut before = "";
    for line in session.lines() {
        let Some((name, rest)) = line.strip_prefix('[').and_then(|it| it.split_once(']')) else {
            continue;
        };
        if name != before {
            text.push_str(name);
        }
        before = name;
        let rest = rest.trim_start();
        let shown = rest.strip_prefix("$ ").or(rest.strip_prefix("> ")).unwrap_or(rest);
        text = format!("{text} {} ", shown.replace("^D", "Ctrl-D"));
    }
    normal(&text)
}

/// The text with one blank between two words.
fn normal(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is on the clipboard: it is pasted into a field, as a reader would do it.
async fn paste(browser: &Browser) -> Result<String> {
    let make = "window.field = document.createElement('textarea'); \
                document.body.append(field); field.focus({ preventScroll: true });";
    let () = browser.run(make, json!([])).await?;
    let paste = json!({
        "type": "keyDown", "key": "v", "code": "KeyV", "modifiers": 2, "commands": ["paste"],
    });
    browser.devtools("Input.dispatchKeyEvent", paste).await?;
    browser.run("field.remove(); return field.value", json!([])).await
}

/// What a text includes with such directives: `{{#listing STEP FILE}}` gives `STEP FILE`.
fn included(text: &str, directives: &[&str]) -> Vec<String> {
    let included = text.lines().filter_map(|line| {
        let line = line.trim_start_matches([' ', '>']);
        let (directive, rest) = line.strip_prefix("{{#")?.split_once(' ')?;
        let wanted = directives.contains(&directive);
        wanted.then(|| rest.trim_end().trim_end_matches("}}").trim_end_matches(" rust").to_owned())
    });
    included.collect()
}

/// The text with the blocks that replace `{{#contract}}`.
fn with_contracts(text: &str) -> String {
    let sides = [Side::Server, Side::Client];
    let contracts = STEPS.iter().flat_map(|step| sides.map(|side| contract(*step, side)));
    let blocks = contracts.flatten().map(|text| format!("```text\n{text}\n```\n"));
    text.replace("{{#contract}}\n", &blocks.collect::<String>())
}

/// The blocks between fences.
fn typed_blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let rest = line.trim_start_matches([' ', '>']);
        if !rest.starts_with("```") {
            continue;
        }
        let prefix = &line[..line.len() - rest.len()];
        let body = lines.by_ref().take_while(|line| !line.trim_start().starts_with("```"));
        let body = body.map(|line| line.strip_prefix(prefix).unwrap_or(line.trim_start()));
        blocks.push(body.map(|line| line.replace("\\{{#", "{{#") + "\n").collect());
    }
    blocks
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
    let mut lines = Vec::new();
    let mut is_inside = anchor.is_none();
    for line in text.lines() {
        let mark = ["// ANCHOR", "# ANCHOR"].iter().find_map(|mark| line.find(mark));
        let (code, mark) = line.split_at(mark.unwrap_or(line.len()));
        if is_inside && (mark.is_empty() || !code.trim().is_empty()) {
            lines.push(code.trim_end());
        }
        let says =
            |keyword| anchor.is_some_and(|name| mark.ends_with(&format!("{keyword}: {name}")));
        is_inside = (is_inside || says("ANCHOR")) && !says("ANCHOR_END");
    }
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

/// The text that a page was written as: its whole files have a page of their own.
fn source(page: &str) -> Result<String> {
    let text = read(&Site::source(page).context("the page was not written as text")?)?;
    let mut is_inside = false;
    let is_wanted = |line: &&str| {
        is_inside =
            (is_inside || line.starts_with("<details class=\"files\">")) && *line != "</details>";
        is_inside == page.ends_with(setup::FILES)
    };
    Ok(text.lines().filter(is_wanted).map(|line| line.to_owned() + "\n").collect())
}

fn read(path: &str) -> Result<String> {
    let text = fs::read_to_string(setup::repository().join(path));
    text.with_context(|| format!("cannot read {path}"))
}
