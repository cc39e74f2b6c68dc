//! The headings of a page.

use anyhow::{Result, ensure};
use fantoccini::Locator;
use serde_json::{Value, json};

use crate::PAGE;
use crate::browser::{Browser, View};

/// On a wide screen they are in the contents, below the page's name, and show where the reader is.
pub async fn follows_the_reader(browser: &Browser) -> Result<()> {
    browser.visit_in(View::WIDE, PAGE).await?;
    let folded = browser.one("main > .outline").await?;
    ensure!(!folded.is_displayed().await?, "{PAGE}: the list is below the title as well");
    let at = "#contents .headings a[aria-current=location]";
    ensure!(browser.all(at).await?.is_empty(), "{PAGE}: a heading is current at the top");
    for id in ["still-wrong", "idea"] {
        let _: Value = browser
            .run("document.getElementById(arguments[0]).scrollIntoView()", json!([id]))
            .await?;
        let current = format!("{at}[href='#{id}']");
        let what = format!("{PAGE}: after scrolling to {id}, its name is marked");
        let link = browser.expect(Locator::Css(&current), &what).await?;
        ensure!(link.is_displayed().await?, "{what}, and can be seen");
        let marked = browser.all(at).await?.len();
        ensure!(marked == 1, "{PAGE}: {marked} headings are current");
    }
    Ok(())
}

/// On a narrow screen they are folded below the title, and a heading can be reached from there.
pub async fn is_folded_below_the_title(browser: &Browser) -> Result<()> {
    browser.visit_in(View::NARROW, PAGE).await?;
    let link = browser.one("main > .outline a[href='#still-wrong']").await?;
    ensure!(!link.is_displayed().await?, "{PAGE}: the list is not folded");
    browser.click(&browser.one("main > .outline summary").await?).await?;
    ensure!(link.is_displayed().await?, "{PAGE}: the list cannot be unfolded");
    browser.click(&link).await?;
    let reached = Locator::Css("#still-wrong:target");
    browser.expect(reached, "a link of the list leads to its heading").await?;
    Ok(())
}
