//! The arrow keys belong to the reader, and to the screen reader.

use anyhow::{Result, ensure};
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

/// None of them leads to another page, wherever the focus is.
pub async fn stay_on_the_page(browser: &Browser) -> Result<()> {
    for start in ["body", "main", "main pre[tabindex]", "#contents a"] {
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
