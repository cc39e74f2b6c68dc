//! The player above a session: what the kernel held after each step, and the question before the answer.

use anyhow::{Result, ensure};
use fantoccini::key::Key;
use serde::Deserialize;
use serde_json::json;

use crate::browser::{Browser, View};

/// A short page with a player and a question.
const PAGE: &str = "index.html";

/// What can be seen of the player.
#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Seen {
    /// The step, as a screen reader hears it.
    step: String,
    /// The sentence about it.
    sentence: String,
    /// The last line of the terminals that is not hidden.
    line: String,
    /// From the top of the page to the end of the figure: nothing may move it.
    bottom: i64,
}

async fn seen(browser: &Browser) -> Result<Seen> {
    browser.run(include_str!("scripts/player.js"), json!([])).await
}

/// It stops before the answer. The keyboard alone answers and chooses steps, and nothing moves; also where the
/// page is narrow and dark.
pub async fn works_by_keyboard(browser: &Browser) -> Result<()> {
    for view in [View::WIDE, View::NARROW.in_the_dark()] {
        browser.visit_in(view, PAGE).await?;
        let before = seen(browser).await?;
        ensure!(before.step.starts_with("7 of 8"), "{view}: it opens with {before:?}");
        browser.focus(&browser.one(".ask li:last-child button").await?).await?;
        browser.press(Key::Enter).await?;
        let answered = seen(browser).await?;
        ensure!(answered.step.starts_with("8 of 8"), "{view}: after the answer: {answered:?}");
        ensure!(answered.sentence.contains("11 bytes"), "{view}: {answered:?}");
        ensure!(browser.all(".answered .chosen[data-right]").await?.len() == 1, "{view}: no mark");
        let left = browser.all(".ask button:enabled").await?.len();
        ensure!(left == 0, "{view}: {left} options of an answered question can be chosen");
        browser.focus(&browser.one(".player input").await?).await?;
        browser.press(Key::Home).await?;
        let first = seen(browser).await?;
        ensure!(first.step.starts_with("1 of 8"), "{view}: after Home: {first:?}");
        ensure!(first.line.starts_with("listening on"), "{view}: after Home: {first:?}");
        browser.focus(&browser.one(".controls button:last-of-type").await?).await?;
        browser.press(Key::Enter).await?;
        let second = seen(browser).await?;
        ensure!(second.step.starts_with("2 of 8"), "{view}: after ▶: {second:?}");
        let bottoms = [&before, &answered, &first, &second].map(|seen| seen.bottom);
        ensure!(bottoms == [before.bottom; 4], "{view}: the page moves: {bottoms:?}");
    }
    Ok(())
}

/// An address leads to its step, and a click on a line to the line's.
pub async fn has_an_address_for_each_step(browser: &Browser) -> Result<()> {
    browser.visit_in(View::WIDE, &format!("{PAGE}#05-piled-up-4")).await?;
    let at = seen(browser).await?;
    ensure!(at.step.starts_with("4 of 8"), "{at:?}");
    browser.click(&browser.one("[id='05-piled-up-3']").await?).await?;
    let clicked = seen(browser).await?;
    ensure!(clicked.step.starts_with("3 of 8"), "{clicked:?}");
    let hash: String = browser.run("return location.hash", json!([])).await?;
    ensure!(hash == "#05-piled-up-3", "the address is {hash}");
    Ok(())
}

/// Without scripts the session is whole, its table is there, and the answer is folded below the question.
pub async fn is_a_table_without_scripts(browser: &Browser) -> Result<()> {
    browser.allow_scripts(false).await?;
    browser.visit_in(View::NARROW, PAGE).await?;
    for (selector, count) in [
        (".player", 0),
        (".later", 0),
        (".ask details:not([open])", 1),
        (".kernel:not([open]) .held tbody", 8),
    ] {
        let found = browser.all(selector).await?.len();
        ensure!(found == count, "{found} × {selector} instead of {count}");
    }
    Ok(())
}
