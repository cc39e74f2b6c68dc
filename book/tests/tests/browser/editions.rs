//! The page in another language.

use anyhow::{Result, ensure};
use fantoccini::Locator;
use serde_json::json;

use crate::PAGE;
use crate::browser::{Browser, View};

const OTHER_PAGE: &str = "message-loop.html";

const OFFER: &str = ".offer a";

/// A reader whose browser prefers Chinese is offered the Chinese page once, and is not led there without asking.
/// What the reader chooses holds on all pages.
pub async fn offered_once(browser: &Browser) -> Result<()> {
    browser.visit_in(View::WIDE, PAGE).await?;
    ensure!(browser.all(OFFER).await?.is_empty(), "a reader of English is offered another page");
    let agent: String = browser.run("return navigator.userAgent", json!([])).await?;
    let prefers = json!({ "userAgent": agent, "acceptLanguage": "zh-TW,zh,en" });
    browser.devtools("Emulation.setUserAgentOverride", prefers).await?;

    browser.reload().await?;
    let offer = format!("{OFFER}[href*='zh-CN/{PAGE}']");
    let what = format!("{PAGE} offers its Chinese page");
    browser.expect(Locator::Css(&offer), &what).await?;
    ensure!(browser.path().await? == format!("/{PAGE}"), "{what}; but the page is left");
    browser.visit(OTHER_PAGE).await?;
    ensure!(browser.all(OFFER).await?.is_empty(), "{OTHER_PAGE} makes the offer a second time");

    browser.click(&browser.one("a.twin").await?).await?;
    let what = format!("the link leads to {OTHER_PAGE} in Chinese");
    browser.expect(Locator::Css("html[lang=zh-CN]"), &what).await?;
    ensure!(browser.path().await? == format!("/zh-CN/{OTHER_PAGE}"), "{what}");
    ensure!(browser.all(OFFER).await?.is_empty(), "the page that was chosen offers the other");

    browser.visit(PAGE).await?;
    browser.expect(Locator::Css(&offer), "Chinese was chosen, and an English page opened").await?;
    browser.click(&browser.one(".offer button").await?).await?;
    browser.reload().await?;
    ensure!(browser.all(OFFER).await?.is_empty(), "the offer was declined, and is made again");
    Ok(())
}

/// The link opens the section that is being read, and works without scripts.
pub async fn lead_to_each_other(browser: &Browser) -> Result<()> {
    browser.visit_in(View::WIDE, &format!("{PAGE}#time-wait")).await?;
    for language in ["zh-CN", "en"] {
        browser.click(&browser.one("a.twin").await?).await?;
        let html = format!("html[lang={language}]");
        browser.expect(Locator::Css(&html), &format!("the link leads to {language}")).await?;
        let place: String = browser.run("return location.hash", json!([])).await?;
        ensure!(place == "#time-wait", "the link to {language} opens `{place}`");
    }
    browser.allow_scripts(false).await?;
    browser.visit(PAGE).await?;
    browser.click(&browser.one("a.twin").await?).await?;
    let chinese = Locator::Css("html[lang=zh-CN]");
    browser.expect(chinese, "the link works without JavaScript").await?;
    Ok(())
}
