//! What axe, a program that looks for barriers, says of the pages. It comes from npm; its version
//! is pinned in `package.json`, so that a page does not fail because the rules have changed.

use std::fs;

use anyhow::{Context as _, Result, bail, ensure};
use fantoccini::Locator;
use fantoccini::key::Key;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::browser::{Browser, Scheme, View};
use crate::every_page::Findings;
use crate::{PAGE, WHOLE_BOOK, setup};

/// What `axe.js` returns.
#[derive(Deserialize)]
struct Report {
    version: String,
    /// How many rules the page keeps.
    kept: usize,
    violations: Vec<String>,
}

/// It finds nothing on any page, with everything unfolded.
///
/// The elements of the whole book in one page are all on other pages, and to look at the colours of all
/// its text takes as long as these together: there, the other rules are asked for, once, on a laptop
/// by day.
pub async fn every_page(browser: &Browser, view: View) -> Result<()> {
    let axe = Axe::load(browser).await?;
    let mut findings = Findings::new(view);
    browser.set_view(view).await?;
    let is_wanted = |page: &str| page != WHOLE_BOOK || view == View::WIDE;
    for page in browser.site.pages.iter().filter(|page| is_wanted(page)) {
        browser.visit(page).await?;
        browser.unfold().await?;
        let rules = if page == WHOLE_BOOK { Rules::NotAboutColours } else { Rules::in_view(view) };
        findings.add(page, axe.violations(browser, rules).await?);
    }
    findings.none()
}

/// Which of its rules axe is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
enum Rules {
    All,
    AboutColours,
    NotAboutColours,
}

impl Rules {
    /// A dark page has other colours than a light one, and nothing else is different: `light-dark()`
    /// is all that tells them apart.
    fn in_view(view: View) -> Self {
        match view.scheme {
            Scheme::Light => Self::All,
            Scheme::Dark => Self::AboutColours,
        }
    }
}

/// Nor when the search is open, with results and without, or the contents over a narrow page.
pub async fn what_opens(browser: &Browser) -> Result<()> {
    let axe = Axe::load(browser).await?;
    for view in View::ALL {
        let rules = Rules::in_view(view);
        let mut findings = Findings::new(view);
        browser.visit_in(view, PAGE).await?;
        if view.is_phone() {
            browser.click(&browser.one("#contents-button").await?).await?;
            let open = Locator::Css("html.contents-open");
            browser.expect(open, "the contents are open").await?;
            findings.add(PAGE, axe.violations(browser, rules).await?);
            browser.press(Key::Escape).await?;
        }
        for (word, seen) in [
            ("socket", "#mdbook-searchresults a"),
            ("xyzzyplugh", "#mdbook-searchresults-outer:not(.hidden) #mdbook-searchresults:empty"),
        ] {
            browser.visit(PAGE).await?;
            browser.type_keys("/".chars()).await?;
            browser.type_keys(word.chars()).await?;
            let what = format!("{PAGE}, {view}: the search has answered {word}");
            browser.expect(Locator::Css(seen), &what).await?;
            findings.add(PAGE, axe.violations(browser, rules).await?);
        }
        findings.none()?;
    }
    Ok(())
}

/// The program, which every page is given that is opened from now on.
struct Axe {
    /// The one that is pinned.
    version: String,
}

impl Axe {
    async fn load(browser: &Browser) -> Result<Self> {
        let path = setup::axe().context("axe-core is not installed: npm install in book/tests")?;
        browser.run_in_every_page(&fs::read_to_string(path)?).await?;
        let pinned: Value = serde_json::from_str(include_str!("../../package.json"))?;
        match pinned["dependencies"]["axe-core"].as_str() {
            Some(version) => Ok(Self { version: version.to_owned() }),
            None => bail!("book/tests/package.json names no version of axe-core"),
        }
    }

    /// What it finds on the page as it is now.
    async fn violations(&self, browser: &Browser, rules: Rules) -> Result<Vec<String>> {
        let script = include_str!("scripts/axe.js");
        let report: Report = browser.run(script, json!([rules])).await?;
        ensure!(
            report.version == self.version,
            "axe-core is {}, but {} is pinned: npm install in book/tests",
            report.version,
            self.version
        );
        ensure!(report.kept > 0, "axe has looked at nothing");
        Ok(report.violations)
    }
}
