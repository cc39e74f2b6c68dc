//! The keys that turn pages and open the search, where nothing else has the focus. Elsewhere they belong to what has it.

use anyhow::{Result, ensure};
use fantoccini::Locator;
use fantoccini::key::Key;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::PAGE;
use crate::browser::{Browser, View};

/// Notes the keys that arrive, and every attempt to go to another page, at the moment it is made.
const WATCH: &str = "
    window.seen = { keys: [], left: [] };
    addEventListener('keyup', (event) => { seen.keys.push(event.key); });
    navigation.addEventListener('navigate', ({ destination }) => {
        if (!destination.sameDocument) seen.left.push(destination.url);
    });
";

#[derive(Deserialize)]
struct Seen {
    keys: Vec<String>,
    left: Vec<String>,
}

/// None of them leads to another page while something that can be used has the focus.
pub async fn stay_on_the_page(browser: &Browser) -> Result<()> {
    for start in ["main pre[tabindex]", "main a", "#contents a"] {
        browser.visit_in(View::WIDE, PAGE).await?;
        let squeeze = "document.querySelector('main').insertAdjacentHTML('beforeend', \
                       '<style>main pre { width: 8rem } main pre * { white-space: pre !important }</style>')";
        let _: Value = browser.run(squeeze, json!([])).await?;
        let scrolls = Locator::Css("main pre[tabindex='0']");
        browser.expect(scrolls, "Tab leads to what scrolls").await?;
        browser.focus(&browser.one(start).await?).await?;
        let arrows = [Key::Left, Key::Right, Key::Up, Key::Down].map(char::from);
        let keys = press_and_stay(browser, &arrows, &format!("an arrow key in {start}")).await?;
        ensure!(
            keys == ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"],
            "{PAGE}: of the arrow keys in {start} only these arrived: {keys:?}"
        );
    }
    Ok(())
}

/// Where nothing else has the focus, left and right lead to the neighbouring pages.
pub async fn turn_pages(browser: &Browser) -> Result<()> {
    for start in ["body", "main"] {
        for (key, rel) in [(Key::Left, "prev"), (Key::Right, "next")] {
            browser.visit_in(View::WIDE, PAGE).await?;
            let link = browser.one(&format!(".pager a[rel={rel}]")).await?;
            let path = link.prop("pathname").await?.unwrap_or_default();
            browser.focus(&browser.one(start).await?).await?;
            browser.press(key).await?;
            let page = path.trim_start_matches('/').replace(".html", ".md");
            let arrived = format!("#contents[data-path='{page}']");
            let what = format!("{PAGE}: {key:?} in {start} leads to {path}");
            browser.expect(Locator::Css(&arrived), &what).await?;
        }
    }

    Ok(())
}

/// They do nothing while the list of keys, the search or the contents lie over the page, nor with a modifier.
pub async fn belong_to_what_is_open(browser: &Browser) -> Result<()> {
    for (view, button, open) in [
        (View::WIDE, "#keys-button", "dialog#keys[open]"),
        (
            View::WIDE,
            "[aria-keyshortcuts][aria-expanded=false]",
            "[aria-keyshortcuts][aria-expanded=true]",
        ),
        (View::NARROW, "#contents-button", ".contents-open"),
    ] {
        browser.visit_in(view, PAGE).await?;
        browser.click(&browser.one(button).await?).await?;
        browser.expect(Locator::Css(open), "it is open").await?;
        blur(browser).await?;
        press_and_stay(browser, &[Key::Right.into()], &format!("an arrow over {open}")).await?;
    }
    browser.visit_in(View::WIDE, PAGE).await?;
    let _: Value = browser.run(WATCH, json!([])).await?;
    browser.press_with(Key::Shift, Key::Right).await?;
    expect_to_stay(browser, "an arrow with a modifier").await?;
    Ok(())
}

/// All keys can be switched off in the list of them, and on again: `?` opens it, and so does a button.
pub async fn can_be_switched_off(browser: &Browser) -> Result<()> {
    browser.visit_in(View::WIDE, PAGE).await?;
    switch(browser).await?;
    for reloaded in [false, true] {
        if reloaded {
            browser.reload().await?;
        }
        expect_to_be_off(browser).await?;
    }
    browser.click(&browser.one("#keys-button").await?).await?;
    browser.click(&browser.one("#keys-on").await?).await?;
    close(browser).await?;
    browser.type_keys(['?']).await?;
    browser.expect(LIST, "the keys are on again").await?;
    Ok(())
}

/// Where the browser keeps nothing, they work, and can be switched off until the page is left.
pub async fn need_no_storage(browser: &Browser) -> Result<()> {
    browser.visit_in(View::WIDE, PAGE).await?;
    let refuse = "Object.defineProperty(Storage.prototype, 'getItem', { value() { throw new Error('refused'); } }); \
                  Object.defineProperty(Storage.prototype, 'setItem', { value() { throw new Error('refused'); } });";
    let _: Value = browser.run(refuse, json!([])).await?;
    switch(browser).await?;
    expect_to_be_off(browser).await
}

/// The list of keys, when it is open.
const LIST: Locator<'_> = Locator::Css("dialog#keys[open]");

/// Opens the list of keys with one, and switches them off there.
async fn switch(browser: &Browser) -> Result<()> {
    browser.type_keys(['?']).await?;
    browser.expect(LIST, "the key ? opens the list of keys").await?;
    browser.click(&browser.one("#keys-on").await?).await?;
    close(browser).await
}

async fn close(browser: &Browser) -> Result<()> {
    browser.press(Key::Escape).await?;
    let closed = Locator::Css("dialog#keys:not([open])");
    browser.expect(closed, "Escape closes the list of keys").await?;
    blur(browser).await
}

async fn expect_to_be_off(browser: &Browser) -> Result<()> {
    let keys = ['?', 's', '/', Key::Right.into()];
    press_and_stay(browser, &keys, "a key that was switched off").await?;
    for what in ["dialog#keys", "[role=search]"] {
        let is_open = browser.one(what).await?.is_displayed().await?;
        ensure!(!is_open, "{PAGE}: a key that was switched off opens {what}");
    }
    Ok(())
}

async fn blur(browser: &Browser) -> Result<()> {
    let _: Value = browser.run("document.activeElement.blur()", json!([])).await?;
    Ok(())
}

/// Presses keys, which lead nowhere; returns the names of those that arrived.
async fn press_and_stay(browser: &Browser, keys: &[char], what: &str) -> Result<Vec<String>> {
    let _: Value = browser.run(WATCH, json!([])).await?;
    browser.type_keys(keys.iter().copied()).await?;
    expect_to_stay(browser, what).await
}

/// The keys that have been watched led nowhere; returns the names of those that arrived.
async fn expect_to_stay(browser: &Browser, what: &str) -> Result<Vec<String>> {
    let seen: Option<Seen> = browser.run("return window.seen ?? null", json!([])).await?;
    let Some(Seen { keys, left }) = seen else {
        anyhow::bail!("{PAGE}: {what} loads the page anew");
    };
    ensure!(!keys.is_empty(), "{PAGE}: {what} did not arrive");
    ensure!(left.is_empty(), "{PAGE}: {what} leads to {}", left.join(", "));
    Ok(keys)
}
