//! Listings in two languages.

use anyhow::{Result, ensure};
use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::json;

use crate::PAGE;
use crate::browser::{Browser, Scheme, View};

/// Another page with such listings.
const OTHER_PAGE: &str = "message-loop.html";

const RUST: &str = "language-rust";
const PYTHON: &str = "language-python";

/// The reader's choice is for all listings of all pages, until the other language is chosen.
pub async fn choice_is_kept(browser: &Browser) -> Result<()> {
    for view in [View::WIDE, View::NARROW] {
        browser.visit_in(view, PAGE).await?;
        for language in [PYTHON, RUST] {
            let value = language.trim_start_matches("language-");
            let tabs = browser.all(&format!("main > .twins [value={value}]")).await?;
            let last = tabs.last().expect("each page has such listings");
            let top = "return arguments[0].closest('fieldset').getBoundingClientRect().top";
            let argument = json!([serde_json::to_value(last)?]);
            browser.click(last).await?;
            let before: f64 = browser.run(top, argument.clone()).await?;
            expect(browser, language, &format!("{PAGE}, {view}: {value} was chosen")).await?;
            let after: f64 = browser.run(top, argument).await?;
            ensure!((before - after).abs() < 2.0, "the tabs move from {before} px to {after} px");

            browser.visit(OTHER_PAGE).await?;
            expect(browser, language, &format!("{OTHER_PAGE}: {value} was chosen elsewhere"))
                .await?;
            browser.reload().await?;
            expect(browser, language, &format!("{OTHER_PAGE}, reloaded: {value} was chosen"))
                .await?;
            browser.visit(PAGE).await?;
        }
    }
    Ok(())
}

/// The arrow keys lead from tab to tab, as in any group of radio buttons.
pub async fn chosen_by_keyboard(browser: &Browser) -> Result<()> {
    browser.visit_in(View::WIDE, PAGE).await?;
    browser.focus(&browser.one(".languages :checked").await?).await?;
    for (key, value, language) in [(Key::Right, "python", PYTHON), (Key::Left, "rust", RUST)] {
        browser.press(key).await?;
        let chosen = format!(".languages [value={value}]:checked:focus");
        browser.expect(Locator::Css(&chosen), &format!("{key:?} chooses {value}")).await?;
        expect(browser, language, &format!("{PAGE}: {key:?} was pressed")).await?;
    }
    Ok(())
}

/// Without JavaScript, Rust is shown, and Python can be unfolded below it.
pub async fn folded_without_scripts(browser: &Browser) -> Result<()> {
    browser.allow_scripts(false).await?;
    browser.visit_in(View::WIDE, PAGE).await?;
    expect(browser, RUST, "Python is folded").await?;
    for fold in browser.all("main > .twins > details > summary").await? {
        browser.click(&fold).await?;
    }
    expect(browser, &format!("{RUST},{PYTHON}"), "Python was unfolded").await?;
    // `set_paper` waits for a frame, with a script.
    browser.devtools("Emulation.setEmulatedMedia", json!({ "media": "print" })).await?;
    expect(browser, RUST, "without JavaScript, on paper").await
}

/// Paper shows Rust, unless Python was chosen.
pub async fn on_paper(browser: &Browser) -> Result<()> {
    for (value, language) in [("rust", RUST), ("python", PYTHON)] {
        // Anew: a page that was on paper is laid out again, and moves under the mouse.
        browser.visit_in(View::WIDE, PAGE).await?;
        browser.click(&browser.one(&format!(".languages [value={value}]")).await?).await?;
        browser.set_paper(672, 986, Scheme::Light).await?;
        expect(browser, language, &format!("{value} was chosen, on paper")).await?;
    }
    Ok(())
}

/// Expects each listing in two languages that is not folded itself to show these, and its tab to be
/// the chosen one.
async fn expect(browser: &Browser, languages: &str, when: &str) -> Result<()> {
    let seen = "const isSeen = (element) => element.checkVisibility(); \
                const twins = [...document.querySelectorAll('.twins')].filter(isSeen); \
                return twins.map((twins) => [...twins.querySelectorAll('pre')].filter(isSeen) \
                    .map((pre) => pre.firstElementChild.className).join());";
    let seen: Vec<String> = browser.run(seen, json!([])).await?;
    ensure!(!seen.is_empty(), "{when}: the page has no listing in two languages");
    ensure!(seen.iter().all(|it| it == languages), "{when}: the listings show {seen:?}");
    let chosen = "return [...document.querySelectorAll('.languages :checked')] \
                  .map((input) => 'language-' + input.value)";
    let chosen: Vec<String> = browser.run(chosen, json!([])).await?;
    ensure!(chosen.iter().all(|it| it == languages), "{when}: the chosen tabs are {chosen:?}");
    Ok(())
}
