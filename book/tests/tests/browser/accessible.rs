//! What axe, a program that looks for barriers, finds on the pages. It comes from npm; its version
//! is pinned in `package.json`, so that a page does not fail because the rules have changed.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use fantoccini::Locator;
use fantoccini::key::Key;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::browser::{Browser, View};
use crate::{every_page, setup};

/// A short page: what opens over it is the same on all.
const PAGE: &str = "overview.html";

/// What `axe.js` returns.
#[derive(Deserialize)]
struct Report {
    version: String,
    /// How many rules the page keeps.
    kept: usize,
    violations: Vec<String>,
}

/// Which of its rules axe is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Rules {
    All,
    AboutStyle,
    NotAboutStyle,
}

/// What axe finds on the page as it is now.
pub async fn violations(browser: &Browser, rules: Rules) -> Result<Vec<String>> {
    let is_loaded: bool = browser.run("return 'axe' in window", json!([])).await?;
    if !is_loaded {
        let path = setup::axe().context("axe-core is not installed: npm ci in book/tests")?;
        let () = browser.run(&fs::read_to_string(path)?, json!([])).await?;
    }
    let pinned: Value = serde_json::from_str(include_str!("../../package.json"))?;
    let pinned = pinned["dependencies"]["axe-core"].as_str().unwrap_or_default();
    let report: Report = browser.run(include_str!("scripts/axe.js"), json!([rules])).await?;
    ensure!(
        report.version == pinned,
        "axe-core is {}, but {pinned} is pinned: npm ci in book/tests",
        report.version
    );
    ensure!(report.kept > 0, "axe has looked at nothing");
    Ok(report.violations)
}

/// It finds nothing when the contents are open over a narrow page, nor when the list of keys is, nor when
/// the search is, with results and without.
pub async fn what_opens(browser: &Browser) -> Result<()> {
    let mut found = Vec::new();
    for view in [View::WIDE, View::NARROW] {
        browser.visit_in(view, PAGE).await?;
        if view.is_phone() {
            browser.click(&browser.one("#contents-button").await?).await?;
            let open = Locator::Css("html.contents-open");
            browser.expect(open, "the contents are open").await?;
            found.extend(by_day_and_night(browser, view, "the contents are open").await?);
            browser.press(Key::Escape).await?;
        }
        if !view.is_phone() {
            browser.click(&browser.one("#keys-button").await?).await?;
            browser.expect(Locator::Css("dialog[open]"), "the list of keys is open").await?;
            found.extend(by_day_and_night(browser, view, "the list of keys is open").await?);
        }
        for (word, seen) in [
            ("socket", "#search-results a"),
            ("xyzzyplugh", "#search:has(#search-results:empty) #search-status:not(:empty)"),
        ] {
            browser.visit_in(view, PAGE).await?;
            browser.type_keys("/".chars().chain(word.chars())).await?;
            let what = format!("the search has answered {word}");
            browser.expect(Locator::Css(seen), &what).await?;
            found.extend(by_day_and_night(browser, view, &what).await?);
        }
    }
    ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

/// It finds nothing on a page that was loaded by day and has turned dark, nor the other way round.
pub async fn what_turns(browser: &Browser) -> Result<()> {
    let mut found = Vec::new();
    for (before, view) in
        [(View::WIDE, View::WIDE.in_the_dark()), (View::NARROW.in_the_dark(), View::NARROW)]
    {
        browser.visit_in(before, crate::PAGE).await?;
        browser.unfold().await?;
        browser.turn(view).await?;
        found.extend(every_page::fits(browser, view).await?);
        found.extend(violations(browser, Rules::AboutStyle).await?);
    }
    ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}

/// What axe finds on the page as it is, and once it has turned dark: then its style is different, and nothing else.
async fn by_day_and_night(browser: &Browser, day: View, when: &str) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for (view, rules) in [(day, Rules::All), (day.in_the_dark(), Rules::AboutStyle)] {
        if view != day {
            browser.turn(view).await?;
        }
        let violations = violations(browser, rules).await?;
        found.extend(violations.into_iter().map(|what| format!("{PAGE}, {view}, {when}: {what}")));
    }
    Ok(found)
}
