//! The book without JavaScript.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use fantoccini::Locator;
use serde::Deserialize;
use serde_json::json;

use crate::browser::{Browser, View};
use crate::{PAGE, theme};

/// What can be read on a page.
#[derive(Deserialize)]
pub struct Reading {
    /// What is seen of the page itself.
    words: Vec<String>,
    /// Where its contents lead.
    contents: Vec<String>,
    /// What is there but cannot be seen, in words.
    hidden: Vec<String>,
    /// What only works with JavaScript, and is nevertheless seen.
    useless: Vec<String>,
}

/// The page reads the same, and leads to the same pages, as it does `with` JavaScript.
pub async fn reads_the_same(browser: &Browser, with: &Reading) -> Result<Vec<String>> {
    let without = read(browser).await?;
    ensure!(!with.words.is_empty(), "there is nothing to read");
    ensure!(!with.contents.is_empty(), "there are no contents");
    Ok(compare(with, &without))
}

/// Without JavaScript too, the theme is what the system asks for, and links lead from page to page.
pub async fn can_be_used(browser: &Browser) -> Result<()> {
    browser.allow_scripts(false).await?;
    for view in View::ALL {
        browser.visit_in(view, PAGE).await?;
        theme::expect_colours(browser, view.scheme, &format!("{PAGE}, {view}")).await?;
    }
    browser.visit_in(View::NARROW, PAGE).await?;
    browser.click(&browser.one("#contents-link").await?).await?;
    let at_contents = Locator::Css("#contents:target");
    browser.expect(at_contents, "the link in the bar leads to the contents").await?;
    for (link, what) in [
        ("#contents a[href$='overview.html']", "the contents lead to a page"),
        (".pager a[rel=next]", "the pager leads on"),
    ] {
        let link = browser.one(link).await?;
        let path = link.prop("pathname").await?.unwrap_or_default();
        browser.click(&link).await?;
        let current = browser.path().await?;
        ensure!(current == path, "{what}: to {path}, but it leads to {current}");
    }
    Ok(())
}

/// What can be read on the page as it is now.
pub async fn read(browser: &Browser) -> Result<Reading> {
    browser.run(include_str!("scripts/reading.js"), json!([])).await
}

fn compare(with: &Reading, without: &Reading) -> Vec<String> {
    let mut found = Vec::new();
    if with.words != without.words {
        let differ = |(with, without): &(&String, &String)| with != without;
        let pairs = with.words.iter().zip(&without.words);
        let at = pairs.take_while(|pair| !differ(pair)).count();
        let shown = |words: &[String]| words.iter().skip(at).take(8).cloned().collect::<Vec<_>>();
        found.push(format!(
            "reads “{}” with JavaScript, “{}” without",
            shown(&with.words).join(" "),
            shown(&without.words).join(" ")
        ));
    }
    if with.contents != without.contents {
        let with: BTreeSet<_> = with.contents.iter().collect();
        let without: BTreeSet<_> = without.contents.iter().collect();
        let differ: Vec<_> = with.symmetric_difference(&without).collect();
        found.push(format!("the contents without JavaScript differ in {differ:?}"));
    }
    for hidden in &without.hidden {
        found.push(format!("cannot be seen without JavaScript: {hidden}"));
    }
    for useless in &without.useless {
        found.push(format!("does nothing without JavaScript: {useless}"));
    }
    found
}
