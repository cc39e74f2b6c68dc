//! The contents, the button that shows and hides them, and the other ways to a step.

use anyhow::{Result, ensure};
use fantoccini::Locator;
use fantoccini::key::Key;

use crate::PAGE;
use crate::browser::{Browser, View};

/// On a wide screen the contents are beside the page, and the button takes them away.
pub async fn beside_the_page(browser: &Browser) -> Result<()> {
    browser.visit_in(View::WIDE, PAGE).await?;
    tab_to_the_button(browser).await?;
    expect_contents(browser, true, "at first").await?;
    browser.press(Key::Enter).await?;
    expect_contents(browser, false, "after Enter").await?;
    browser.press(Key::Space).await?;
    expect_contents(browser, true, "after Space").await?;
    let focused = browser.focused().await?;
    ensure!(focused == BUTTON, "{PAGE}, 1280 px: the focus has gone to {focused}");
    Ok(())
}

/// On a narrow screen they are a drawer over the page; Escape closes it.
pub async fn over_a_narrow_page(browser: &Browser) -> Result<()> {
    browser.visit_in(View::NARROW, PAGE).await?;
    tab_to_the_button(browser).await?;
    expect_contents(browser, false, "at first").await?;
    browser.press(Key::Enter).await?;
    expect_contents(browser, true, "after Enter").await?;
    let inside = Locator::Css("#contents a:focus");
    browser.expect(inside, "the focus is in the open drawer").await?;
    browser.press(Key::Escape).await?;
    expect_contents(browser, false, "after Escape").await?;
    let focused = browser.focused().await?;
    ensure!(
        focused == BUTTON,
        "{PAGE}, 390 px: after Escape the focus is not on the button but on {focused}"
    );
    Ok(())
}

/// Without scripts, too, a page shows its step, the steps beside it, and the other pages of its own.
pub async fn show_the_step(browser: &Browser) -> Result<()> {
    browser.allow_scripts(false).await?;
    for view in [View::WIDE, View::NARROW] {
        browser.visit_in(view, "safe-downloads.html").await?;
        let place = browser.one(".step-place").await?;
        let text = place.text().await?;
        for part in ["Step 7 of 9", "Step 6: ", "Step 8: ", "Page 3 of 4"] {
            ensure!(text.contains(part), "{view}: “{part}” is not in “{text}”");
        }
        let inside = "#contents a[href='safe-downloads.html'] .step-number";
        let number = browser.one(inside).await?.text().await?;
        ensure!(number.ends_with('7'), "{view}: in the contents, the step is “{number}”");
        let second = browser.one(".step-place li:nth-child(2) a").await?;
        browser.click(&second).await?;
        let arrived = Locator::Css("#contents[data-path='large-bodies.md']");
        browser.expect(arrived, "a link leads to another page of the step").await?;
    }
    Ok(())
}

/// The front page shows a session and all steps, and leads to where a reader can begin.
pub async fn begin_on_the_front_page(browser: &Browser) -> Result<()> {
    for view in [View::WIDE, View::NARROW] {
        browser.visit_in(view, "").await?;
        for shown in ["main .session", "main .begin a", "main .routes a"] {
            ensure!(browser.one(shown).await?.is_displayed().await?, "{view}: no {shown}");
        }
        let steps = browser.all("main .steps > li > a").await?;
        ensure!(steps.len() >= 9, "{view}: the front page leads to {} steps", steps.len());
        browser.click(&steps[2]).await?;
        let third = format!("#contents[data-path='{}']", PAGE.replace(".html", ".md"));
        browser.expect(Locator::Css(&third), "the third step has its chapter").await?;
        browser.visit_in(view, "").await?;
        browser.click(&browser.one(".pager a[rel=next]").await?).await?;
        let introduction = Locator::Css("#contents[data-path='introduction.md']");
        browser.expect(introduction, "the introduction follows").await?;
    }
    Ok(())
}

const BUTTON: &str = "button#contents-button";

/// It is one of the first things that Tab leads to.
async fn tab_to_the_button(browser: &Browser) -> Result<()> {
    let mut passed = Vec::new();
    while passed.len() < 4 {
        browser.press(Key::Tab).await?;
        let focused = browser.focused().await?;
        if focused == BUTTON {
            return Ok(());
        }
        passed.push(focused);
    }
    anyhow::bail!("{PAGE}: Tab does not lead to {BUTTON}, but to {}", passed.join(", "))
}

/// The button states whether the contents are there, and they are.
async fn expect_contents(browser: &Browser, shown: bool, when: &str) -> Result<()> {
    let selector = format!("{BUTTON}[aria-expanded='{shown}']");
    let what = format!("{PAGE}, {when}: the contents button says aria-expanded={shown}");
    browser.expect(Locator::Css(&selector), &what).await?;
    let displayed = browser.one("#contents").await?.is_displayed().await?;
    ensure!(
        displayed == shown,
        "{PAGE}, {when}: the button says aria-expanded={shown}, but displayed is {displayed}"
    );
    Ok(())
}
