//! The search.

use anyhow::{Result, ensure};
use fantoccini::Locator;
use serde_json::json;

use crate::PAGE;
use crate::browser::{Browser, Scheme, View};

/// The page that a search starts from: not the one that it finds.
const START: &str = "overview.html";

/// A word leads to the page that explains it; a word that is nowhere gets a clear answer.
pub async fn finds(browser: &Browser, view: View) -> Result<()> {
    browser.visit_in(view, START).await?;
    search(browser, "backlog").await?;
    let link = format!("#mdbook-searchresults a[href*='{PAGE}']");
    let what = format!("{START}, {view}: searching for backlog finds {PAGE}");
    browser.expect(Locator::Css(&link), &what).await?;
    let dark = view.scheme == Scheme::Dark;
    let fits = include_str!("scripts/fits.js");
    let found: Vec<String> = browser.run(fits, json!([view.width, dark])).await?;
    ensure!(found.is_empty(), "{START}, {view}, with search results: {}", found.join("; "));
    let foreign: Vec<String> = browser.run(include_str!("scripts/foreign.js"), json!([])).await?;
    ensure!(foreign.is_empty(), "{START}, {view}: the search {}", foreign.join("; "));

    search(browser, "xyzzyplugh").await?;
    let none = "//*[@id='mdbook-searchresults-header'][contains(., 'No search results') \
                and contains(., 'xyzzyplugh')]";
    let what = format!("{START}, {view}: searching for xyzzyplugh says that nothing is found");
    let said = browser.expect(Locator::XPath(none), &what).await?;
    ensure!(said.is_displayed().await?, "{what}; it does so where it cannot be seen");
    let results = browser.all("#mdbook-searchresults a").await?.len();
    ensure!(results == 0, "{what}; but {results} results are listed");

    search(browser, "backlog").await?;
    let what = format!("{START}, {view}: searching for backlog finds {PAGE} a second time");
    let link = browser.expect(Locator::Css(&link), &what).await?;
    browser.click(&link).await?;
    let arrived = Locator::Css("main h1#the-connection-loop");
    let what = format!("{START}, {view}: a result leads to {PAGE}");
    browser.expect(arrived, &what).await?;
    let path = browser.path().await?;
    ensure!(path == format!("/{PAGE}"), "{what}; but it leads to {path}");
    Ok(())
}

/// Opens the search, if it is not open, and fills in the field.
async fn search(browser: &Browser, word: &str) -> Result<()> {
    let toggle = browser.one("button#mdbook-search-toggle").await?;
    if toggle.attr("aria-expanded").await?.as_deref() != Some("true") {
        browser.click(&toggle).await?;
    }
    let open = Locator::Css("button#mdbook-search-toggle[aria-expanded='true']");
    browser.expect(open, "the search button says that the search is open").await?;
    let field = browser.one("input#mdbook-searchbar").await?;
    field.clear().await?;
    field.send_keys(word).await?;
    Ok(())
}
