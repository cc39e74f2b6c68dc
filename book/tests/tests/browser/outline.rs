//! The headings of a page.

use anyhow::{Result, ensure};
use fantoccini::Locator;
use serde_json::{Value, json};

use crate::PAGE;
use crate::browser::{Browser, View};

/// The heading of the list that the reader has come to.
const CURRENT: &str = "main > .outline a[aria-current]";

/// On a wide screen they are beside the text, and show where the reader is.
pub async fn follows_the_reader(browser: &Browser) -> Result<()> {
    browser.visit_in(View::WIDE, PAGE).await?;
    ensure!(browser.all(CURRENT).await?.is_empty(), "{PAGE}: a heading is current at the top");
    for id in ["still-wrong", "idea", "exercises"] {
        scroll_to(browser, id).await?;
        let current = format!("{CURRENT}[href='#{id}']");
        let what = format!("{PAGE}: after scrolling to {id}, its name is marked");
        browser.expect(Locator::Css(&current), &what).await?;
        ensure!(is_beside_the_text(browser, &current).await?, "{what}, beside the text");
        let marked = browser.all(CURRENT).await?.len();
        ensure!(marked == 1, "{PAGE}: {marked} headings are current");
    }
    Ok(())
}

/// Without scripts they are beside the text, too, or below the title: a list in which nothing is folded.
pub async fn is_a_plain_list_without_scripts(browser: &Browser) -> Result<()> {
    browser.allow_scripts(false).await?;
    for view in [View::WIDE, View::NARROW] {
        browser.visit_in(view, PAGE).await?;
        let link = "main > .outline a[href='#still-wrong']";
        let is_displayed = browser.one(link).await?.is_displayed().await?;
        ensure!(is_displayed, "{PAGE}, {view}: the list cannot be seen without scripts");
        let is_beside = is_beside_the_text(browser, link).await?;
        ensure!(is_beside != view.is_phone(), "{PAGE}, {view}: the list is in the wrong place");
        browser.click(&browser.one(link).await?).await?;
        let reached = Locator::Css("#still-wrong:target");
        browser.expect(reached, "a link of the list leads to its heading").await?;
    }
    Ok(())
}

/// On a narrow screen they are folded below the title, and a heading can be reached from there.
pub async fn is_folded_below_the_title(browser: &Browser) -> Result<()> {
    browser.visit_in(View::NARROW, PAGE).await?;
    let link = browser.one("main > .outline a[href='#still-wrong']").await?;
    ensure!(!link.is_displayed().await?, "{PAGE}: the list is not folded");
    browser.click(&browser.one("main > .outline summary").await?).await?;
    ensure!(link.is_displayed().await?, "{PAGE}: the list cannot be unfolded");
    browser.click(&link).await?;
    let reached = Locator::Css("#still-wrong:target");
    browser.expect(reached, "a link of the list leads to its heading").await?;
    Ok(())
}

/// A page with few headings has no list of them.
pub async fn is_left_out(browser: &Browser) -> Result<()> {
    browser.visit_in(View::WIDE, "two-computers.html").await?;
    ensure!(browser.all("main h2").await?.len() < 3, "this page has become too long for this test");
    ensure!(browser.all(".outline").await?.is_empty(), "a page with two headings has a list");
    Ok(())
}

async fn scroll_to(browser: &Browser, id: &str) -> Result<()> {
    let scroll = "document.getElementById(arguments[0]).scrollIntoView()";
    let _: Value = browser.run(scroll, json!([id])).await?;
    Ok(())
}

/// Whether an element is in the window, on the right of the page's paragraphs.
async fn is_beside_the_text(browser: &Browser, selector: &str) -> Result<bool> {
    let script = "
        const { left, right, top, bottom } = document.querySelector(arguments[0]).getBoundingClientRect();
        const text = document.querySelector('main > p').getBoundingClientRect();
        return left >= text.right && right <= innerWidth && top >= 0 && bottom <= innerHeight;
    ";
    browser.run(script, json!([selector])).await
}
