//! The contents, and the button that shows and hides them.

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
