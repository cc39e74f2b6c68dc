//! Addresses that no page of the book links to, and that a link from elsewhere can have.

use anyhow::{Result, ensure};
use fantoccini::Locator;
use serde_json::json;

use crate::PAGE;
use crate::browser::{Browser, View};

/// What cannot be decoded.
const ODD: [&str; 4] = ["#%", "#%E0%A4%A", "?highlight=%", "?search=%"];

/// What the script of a page does last: on paper, all is unfolded that is printed.
const PRINT: &str = "
    dispatchEvent(new Event('beforeprint'));
    return document.querySelectorAll('details:not([open], [data-paper=no])').length;
";

/// They name nothing, and all that the page's script does is done.
pub async fn do_no_harm(browser: &Browser) -> Result<()> {
    for odd in ODD {
        browser.visit_in(View::WIDE, "overview.html").await?; // another page: what follows is loaded
        browser.visit(&format!("{PAGE}{odd}")).await?;
        let folded: usize = browser.run(PRINT, json!([])).await?;
        ensure!(folded == 0, "{PAGE}{odd}: {folded} blocks are still folded for paper");
        browser.type_keys(['/']).await?;
        let field = Locator::Css("#search-field:focus");
        browser.expect(field, &format!("{PAGE}{odd}: the search opens")).await?;
        browser.type_keys("socket".chars()).await?;
        let found = Locator::Css("#search-results a");
        browser.expect(found, &format!("{PAGE}{odd}: the search finds something")).await?;
        let errors = browser.errors().await?;
        ensure!(errors.is_empty(), "{PAGE}{odd}: {}", errors.join("; "));
    }
    Ok(())
}

/// A link to a section of a page by its old name still shows that section.
pub async fn old_names_lead_on(browser: &Browser) -> Result<()> {
    browser.visit("whole.html#untrusted-name").await?;
    let here = Locator::Css("#untrusted-name:target");
    browser.expect(here, "the section of the page by its new name").await?;
    let path = browser.path().await?;
    ensure!(path == "/safe-downloads.html", "an old name leads to {path}");
    Ok(())
}
