//! The arrow keys turn pages where nothing else has the focus. Elsewhere they belong to what has it.

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
    navigation.addEventListener('navigate', (event) => { seen.left.push(event.destination.url); });
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
        let _: Value = browser.run(WATCH, json!([])).await?;
        let focus = "document.querySelector(arguments[0]).focus()";
        let _: Value = browser.run(focus, json!([start])).await?;
        for key in [Key::Left, Key::Right, Key::Up, Key::Down] {
            browser.press(key).await?;
            let path = browser.path().await?;
            ensure!(
                path == format!("/{PAGE}"),
                "{PAGE}: the key {key:?} in {start} leads to {path}"
            );
        }
        let seen: Option<Seen> = browser.run("return window.seen ?? null", json!([])).await?;
        let Some(Seen { keys, left }) = seen else {
            anyhow::bail!("{PAGE}: arrow keys in {start} load the page anew");
        };
        ensure!(left.is_empty(), "{PAGE}: arrow keys in {start} lead to {}", left.join(", "));
        ensure!(
            keys == ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"],
            "{PAGE}: of the arrow keys in {start} only these arrived: {keys:?}"
        );
    }
    Ok(())
}

/// Where nothing else has the focus, left and right lead to the neighbouring pages, unless the reader has
/// switched that off in the list of keys, which `?` opens.
pub async fn turn_pages(browser: &Browser) -> Result<()> {
    for start in ["body", "main"] {
        for (key, rel) in [(Key::Left, "prev"), (Key::Right, "next")] {
            browser.visit_in(View::WIDE, PAGE).await?;
            let link = browser.one(&format!(".pager a[rel={rel}]")).await?;
            let path = link.prop("pathname").await?.unwrap_or_default();
            let focus = "document.querySelector(arguments[0]).focus()";
            let _: Value = browser.run(focus, json!([start])).await?;
            browser.press(key).await?;
            let page = path.trim_start_matches('/').replace(".html", ".md");
            let arrived = format!("#contents[data-path='{page}']");
            let what = format!("{PAGE}: {key:?} in {start} leads to {path}");
            browser.expect(Locator::Css(&arrived), &what).await?;
        }
    }

    browser.visit_in(View::WIDE, PAGE).await?;
    browser.type_keys(['?']).await?;
    let list = Locator::Css("dialog#keys[open]");
    browser.expect(list, "the key ? opens the list of keys").await?;
    let switch = browser.one("#keys-on").await?;
    browser.click(&switch).await?;
    browser.press(Key::Escape).await?;
    let closed = Locator::Css("dialog#keys:not([open])");
    browser.expect(closed, "Escape closes the list of keys").await?;
    for reloaded in [false, true] {
        if reloaded {
            browser.reload().await?;
        }
        let blur = "document.activeElement.blur()";
        let _: Value = browser.run(blur, json!([])).await?;
        browser.press(Key::Right).await?;
        let path = browser.path().await?;
        ensure!(
            path == format!("/{PAGE}"),
            "{PAGE}: an arrow that was switched off leads to {path}"
        );
    }
    Ok(())
}
