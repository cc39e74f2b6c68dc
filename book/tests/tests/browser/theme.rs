//! The choice between light and dark.

use anyhow::{Context as _, Result, bail, ensure};
use fantoccini::Locator;
use serde_json::json;

use crate::PAGE;
use crate::browser::{Browser, Scheme, View};

/// What a reader has chosen is there again when the page is loaded again, whatever the system asks.
pub async fn choice_is_kept(browser: &Browser) -> Result<()> {
    let systems = [(Scheme::Light, Scheme::Dark), (Scheme::Dark, Scheme::Light)];
    for (system, chosen) in systems {
        browser.visit_in(View::new(1280, system), PAGE).await?;
        choose(browser, &chosen.to_string()).await?;
        let when = format!("{chosen} is chosen in a {system} system");
        expect_scheme(browser, chosen, &when).await?;
        browser.reload().await?;
        expect_scheme(browser, chosen, &format!("{when} and the page reloaded")).await?;
    }
    Ok(())
}

/// Auto is what the system asks for, and changes when that changes.
pub async fn auto_follows_the_system(browser: &Browser) -> Result<()> {
    browser.visit_in(View::WIDE, PAGE).await?;
    choose(browser, "dark").await?;
    choose(browser, "auto").await?;
    for system in [Scheme::Light, Scheme::Dark, Scheme::Light, Scheme::Dark] {
        browser.set_view(View::new(1280, system)).await?;
        let when = format!("Auto is chosen and the system is {system}");
        expect_scheme(browser, system, &when).await?;
    }
    browser.reload().await?;
    expect_scheme(browser, Scheme::Dark, "Auto is kept over a reload in a dark system").await
}

/// Presses the theme button until it shows this.
async fn choose(browser: &Browser, choice: &str) -> Result<()> {
    let button = browser.one("button#theme-button").await?;
    let mut said = Vec::new();
    for _ in 0..3 {
        browser.click(&button).await?;
        let text = button.text().await?;
        if text.to_lowercase().ends_with(choice) {
            return Ok(());
        }
        said.push(text);
    }
    bail!("{PAGE}: the theme button offers {said:?}, but not {choice}")
}

/// The page is in this scheme, and it can be seen.
async fn expect_scheme(browser: &Browser, scheme: Scheme, when: &str) -> Result<()> {
    let selector = format!("html.{scheme}");
    let what = format!("{PAGE}: the page is {scheme} when {when}");
    browser.expect(Locator::Css(&selector), &what).await?;
    expect_colours(browser, scheme, &what).await?;
    let same: bool = browser.run(BAR_COLOUR, json!([])).await?;
    ensure!(same, "{what}; but the browser's own bar has another colour");
    Ok(())
}

/// Whether the colour that is in force for the browser's own bar is the page's background.
const BAR_COLOUR: &str = "
    const colours = [...document.querySelectorAll('meta[name=theme-color]')];
    const [first, ...others] = colours.filter(({ media }) => matchMedia(media).matches);
    const probe = document.createElement('i');
    probe.style.color = first.content;
    document.body.append(probe);
    const { color } = getComputedStyle(probe);
    probe.remove();
    return others.length === 0 && color === getComputedStyle(document.documentElement).backgroundColor;
";

/// A dark page's background is darker than its text.
pub async fn expect_colours(browser: &Browser, scheme: Scheme, what: &str) -> Result<()> {
    let style = "const { backgroundColor, color } = getComputedStyle(document.documentElement); \
                 return [backgroundColor, color];";
    let [background, text]: [String; 2] = browser.run(style, json!([])).await?;
    let is_dark = brightness(&background)? < brightness(&text)?;
    ensure!(is_dark == (scheme == Scheme::Dark), "{what}; but it has {text} on {background}");
    Ok(())
}

/// The sum of the three parts of a colour such as `rgb(20, 24, 30)`.
fn brightness(colour: &str) -> Result<u32> {
    let parts = colour.strip_prefix("rgb(").and_then(|rest| rest.strip_suffix(')'));
    let parts = parts.with_context(|| format!("{colour} is no opaque colour"))?;
    let parts = parts.split(", ").map(str::parse::<u32>);
    parts.sum::<Result<u32, _>>().with_context(|| format!("{colour} is no colour"))
}
