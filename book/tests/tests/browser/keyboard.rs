//! The book without a mouse.

use anyhow::{Result, ensure};
use fantoccini::Locator;
use fantoccini::key::Key;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::PAGE;
use crate::browser::{Browser, View};

/// Where a walk over a page leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    Everywhere,
    /// Of links and buttons of the same kind in the same place, such as those of the contents, to three:
    /// the first, the last, and one between them.
    ToSomeOfEachKind,
}

/// How a walk over a page went.
#[derive(Deserialize)]
struct Walked {
    /// What is wrong with the controls that were reached, in words.
    found: Vec<String>,
    /// The controls that can be seen, but were not reached.
    missed: Vec<String>,
    reached: usize,
}

/// Tab leads to everything that can be pressed or scrolled; where it is, is seen; and an arrow
/// key scrolls what is too wide, and leads nowhere.
pub async fn reaches_everything(browser: &Browser, walk: Walk) -> Result<Vec<String>> {
    let before = browser.path().await?;
    let mut found = go(browser, walk).await?;
    let after = browser.path().await?;
    if after != before {
        found.push(format!("Tab and the right arrow lead to {after}"));
    }
    Ok(found)
}

/// The same in the contents that are open over a narrow page.
pub async fn reaches_the_open_contents(browser: &Browser) -> Result<()> {
    let view = View::NARROW.in_the_dark();
    browser.visit_in(view, PAGE).await?;
    browser.click(&browser.one("#contents-button").await?).await?;
    browser.expect(Locator::Css("html.contents-open"), "the contents are open").await?;
    let found = go(browser, Walk::Everywhere).await?;
    ensure!(found.is_empty(), "{PAGE}, {view}, with open contents: {}", found.join("\n"));
    Ok(())
}

/// Goes over the page as it is, from control to control, until nothing new is reached, not even in
/// another round: the list of headings opens the section that is being read, after Tab has passed it.
/// Then it goes from one to the next that is too wide, which the right arrow scrolls.
async fn go(browser: &Browser, walk: Walk) -> Result<Vec<String>> {
    let some = json!([walk == Walk::ToSomeOfEachKind]);
    let _: Value = browser.run(include_str!("scripts/walk.js"), some).await?;
    let (mut steps, mut before, mut is_last_round) = (1, 0, false);
    let Walked { mut found, missed, .. } = loop {
        browser.hold(Key::Tab, steps).await?;
        let Some(walk): Option<Walked> =
            browser.run("return window.walk?.() ?? null", json!([])).await?
        else {
            return Ok(vec!["Tab loads the page anew".to_owned()]);
        };
        let is_new = walk.reached != before;
        if walk.missed.is_empty() || !is_new && is_last_round {
            break walk;
        }
        is_last_round = !is_new;
        steps = walk.missed.len() + if is_new { 0 } else { walk.reached };
        before = walk.reached;
    };
    found.extend(missed.into_iter().map(|what| format!("Tab does not lead to {what}")));
    let wide: usize = browser.run("return window.beginToScroll()", json!([])).await?;
    // Also where nothing is too wide: it must not lead to another page.
    browser.type_keys(vec![Key::Right.into(); wide.max(1)]).await?;
    let stuck: Option<Vec<String>> =
        browser.run("return window.stuck?.() ?? null", json!([])).await?;
    found.extend(stuck.unwrap_or_else(|| vec!["the right arrow loads the page anew".to_owned()]));
    Ok(found)
}

/// The first thing that Tab leads to is a way past the bar and the contents.
pub async fn skips_to_the_text(browser: &Browser) -> Result<()> {
    browser.visit_in(View::WIDE, PAGE).await?;
    browser.press(Key::Tab).await?;
    browser.expect(Locator::Css(".skip-link:focus"), "Tab leads to the skip link").await?;
    browser.press(Key::Enter).await?;
    browser.expect(Locator::Css("main:focus"), "the skip link leads to the text").await?;
    browser.press(Key::Tab).await?;
    browser.expect(Locator::Css("main :focus"), "the next Tab leads into the text").await?;
    Ok(())
}

/// The theme is changed with Space and with Enter.
pub async fn changes_the_theme(browser: &Browser) -> Result<()> {
    browser.visit_in(View::WIDE, PAGE).await?;
    browser.focus(&browser.one("button#theme-button").await?).await?;
    let keys = [(Key::Space, "light"), (Key::Enter, "dark"), (Key::Space, "auto")];
    for (key, choice) in keys {
        browser.press(key).await?;
        let chosen = format!("html[data-theme-choice='{choice}'] #theme-button:focus");
        let what = format!("{PAGE}: {key:?} on the theme button chooses {choice}");
        browser.expect(Locator::Css(&chosen), &what).await?;
    }
    Ok(())
}

/// What is folded is unfolded with Enter, and folded with Space.
pub async fn unfolds(browser: &Browser) -> Result<()> {
    browser.visit_in(View::WIDE, PAGE).await?;
    browser.focus(&browser.one("main > details:not([open]) > summary").await?).await?;
    browser.press(Key::Enter).await?;
    let open = Locator::Css("details[open] > summary:focus");
    browser.expect(open, "Enter unfolds").await?;
    browser.press(Key::Space).await?;
    let shut = Locator::Css("details:not([open]) > summary:focus");
    browser.expect(shut, "Space folds").await?;
    Ok(())
}

/// A page has a menu that prints this page, and leads to the whole book. That has a button that prints it.
pub async fn chooses_what_to_print(browser: &Browser) -> Result<()> {
    browser.visit_in(View::WIDE, PAGE).await?;
    count_prints(browser).await?;
    let open = Locator::Css("#print-menu:popover-open");
    let button = "button#print-menu-button";
    browser.focus(&browser.one(button).await?).await?;
    browser.press(Key::Enter).await?;
    browser.expect(open, "Enter on the button opens the menu").await?;
    browser.press(Key::Tab).await?;
    let first = Locator::Css("#print-button:focus");
    browser.expect(first, "Tab leads into the menu").await?;
    browser.press(Key::Enter).await?;
    let closed = Locator::Css("body:not(:has(#print-menu:popover-open))");
    browser.expect(closed, "a choice closes the menu").await?;
    expect_prints(browser, 1, "Enter on the first choice").await?;
    browser.focus(&browser.one(button).await?).await?;
    browser.press(Key::Space).await?;
    browser.expect(open, "Space on the button opens the menu").await?;
    browser.focus(&browser.one("#print-menu a").await?).await?;
    browser.press(Key::Enter).await?;
    let whole = Locator::Css("main.whole-book");
    browser.expect(whole, "the second choice leads to the whole book").await?;

    count_prints(browser).await?;
    browser.focus(&browser.one("button#print-button").await?).await?;
    for (key, times) in [(Key::Enter, 1), (Key::Space, 2)] {
        browser.press(key).await?;
        expect_prints(browser, times, &format!("{key:?} on the print button")).await?;
    }
    Ok(())
}

/// Counts what the page prints from now on, and prints nothing.
async fn count_prints(browser: &Browser) -> Result<()> {
    let watch = "window.prints = 0; window.print = () => { prints += 1; };";
    let _: Value = browser.run(watch, json!([])).await?;
    Ok(())
}

async fn expect_prints(browser: &Browser, times: usize, when: &str) -> Result<()> {
    let prints: usize = browser.run("return prints", json!([])).await?;
    ensure!(prints == times, "{when}: printed {prints} times");
    Ok(())
}

/// `/` opens the search, the arrows lead through the results, Enter opens one, Escape closes.
pub async fn searches(browser: &Browser) -> Result<()> {
    browser.visit_in(View::WIDE, "overview.html").await?;
    browser.press(Key::Tab).await?;
    browser.type_keys("/backlog".chars()).await?;
    let found = format!("#search-results a[href*='{PAGE}']");
    browser.expect(Locator::Css(&found), "the search has results").await?;

    browser.press(Key::Escape).await?;
    let closed = "#search-button[aria-expanded='false']:focus";
    browser.expect(Locator::Css(closed), "Escape closes the search, and leads back").await?;

    browser.press(Key::Enter).await?;
    let field = Locator::Css("#search-field:focus");
    browser.expect(field, "Enter on the button opens the search").await?;
    browser.press(Key::Down).await?;
    let first = Locator::Css("#search-results li:first-child a:focus");
    browser.expect(first, "the down arrow leads to the first result").await?;
    browser.press(Key::Up).await?;
    browser.expect(field, "the up arrow leads back to the field").await?;
    browser.press(Key::Down).await?;
    let first = browser.expect(first, "the down arrow leads to the first result").await?;
    let href = first.prop("href").await?.unwrap_or_default();
    browser.press(Key::Enter).await?;
    let page = href.split(['?', '#']).next().unwrap_or_default().to_owned();
    let anew = Locator::Css("body:has(#search-results:empty) main");
    browser.expect(anew, "Enter on a result opens a page").await?;
    let path = browser.path().await?;
    ensure!(page.ends_with(&path), "Enter on the result {href} leads to {path}");
    Ok(())
}
