//! Differences: what did not change is folded.

use anyhow::{Result, ensure};
use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::json;

use crate::browser::{Browser, View};

/// A page with a difference that has several folds.
const PAGE: &str = "json-header.html";

/// The number of lines that can be seen in the first difference with several folds.
const SEEN: &str = "
    const figures = [...document.querySelectorAll('figure.diff')];
    const figure = figures.find((figure) => figure.querySelectorAll('.same').length > 1);
    const codes = [...figure.querySelectorAll('pre')].filter((pre) => pre.checkVisibility());
    return codes.map((pre) => pre.textContent.split('\\n').length - 1).reduce((a, b) => a + b);
";

/// A fold opens and shuts with the keyboard, with JavaScript and without.
pub async fn unfold_by_keyboard(browser: &Browser) -> Result<()> {
    for scripts in [true, false] {
        browser.allow_scripts(scripts).await?;
        for view in [View::WIDE, View::NARROW] {
            browser.visit_in(view, PAGE).await?;
            let when = format!("{PAGE}, {view}, JavaScript: {scripts}");
            let changes: usize = browser.run(SEEN, json!([])).await?;
            browser.focus(&browser.one(".diff .same > summary").await?).await?;
            browser.press(Key::Enter).await?;
            let open = Locator::Css(".diff .same[open] > summary:focus");
            browser.expect(open, &format!("{when}: Enter unfolds")).await?;
            let more: usize = browser.run(SEEN, json!([])).await?;
            ensure!(more > changes, "{when}: {changes} lines, and unfolded {more}");
            browser.press(Key::Space).await?;
            let shut = Locator::Css(".diff .same:not([open]) > summary:focus");
            browser.expect(shut, &format!("{when}: Space folds")).await?;
        }
    }
    Ok(())
}

/// Where there are several folds, a switch opens and shuts all of them. It states what is seen.
pub async fn show_all_lines(browser: &Browser) -> Result<()> {
    browser.visit_in(View::WIDE, PAGE).await?;
    let changes: usize = browser.run(SEEN, json!([])).await?;
    browser.focus(&browser.one(".whole-file").await?).await?;
    browser.press(Key::Space).await?;
    let on = Locator::Css(".whole-file[aria-pressed=true]:focus");
    browser.expect(on, "the switch is on").await?;
    let whole: usize = browser.run(SEEN, json!([])).await?;
    ensure!(whole > changes, "{PAGE}: {changes} lines, and all of them {whole}");

    browser.click(&browser.one(".same > summary").await?).await?;
    let off = Locator::Css(".whole-file[aria-pressed=false]");
    browser.expect(off, "the switch is off when one block is folded").await?;
    for pressed in [true, false] {
        browser.click(&browser.one(".whole-file").await?).await?;
        let css = format!(".whole-file[aria-pressed={pressed}]");
        browser.expect(Locator::Css(&css), "the switch is pressed").await?;
    }
    let after: usize = browser.run(SEEN, json!([])).await?;
    ensure!(after == changes, "{PAGE}: {changes} lines, and switched on and off {after}");
    Ok(())
}
