//! What holds on every page.

use anyhow::{Result, bail};
use serde_json::json;

use crate::WHOLE_BOOK;
use crate::browser::{Browser, Scheme, View};

/// Nothing makes the page scroll sideways, its theme is the system's, and the browser logs no error.
pub async fn fits(browser: &Browser, view: View) -> Result<()> {
    let script = include_str!("scripts/fits.js");
    let mut findings = Findings::new(view);
    browser.set_view(view).await?;
    for page in &browser.site.pages {
        browser.visit(page).await?;
        browser.unfold().await?;
        let arguments = json!([view.width, view.scheme == Scheme::Dark]);
        findings.add(page, browser.run(script, arguments).await?);
        findings.add(page, browser.errors().await?);
    }
    findings.none()
}

/// A page has one `h1`, one `main`, a language and a title; its pictures are described, and
/// whatever can be pressed says what it does.
pub async fn has_its_parts(browser: &Browser, view: View) -> Result<()> {
    let script = include_str!("scripts/parts.js");
    let mut findings = Findings::new(view);
    browser.set_view(view).await?;
    for page in &browser.site.pages {
        browser.visit(page).await?;
        browser.unfold().await?;
        findings.add(page, browser.run(script, json!([])).await?);
        // What the whole book in one page holds is on the others, too, and it is long.
        if page != WHOLE_BOOK || view == View::WIDE {
            findings.add(page, nameless(browser).await?);
        }
    }
    findings.none()
}

/// The buttons and links for which a screen reader has no name. The browser is asked: it knows
/// what is hidden, and where a name can come from.
async fn nameless(browser: &Browser) -> Result<Vec<String>> {
    let document = browser.devtools("DOM.getDocument", json!({ "depth": 0 })).await?;
    let mut found = Vec::new();
    let mut named = 0;
    for role in ["button", "link"] {
        let question = json!({ "nodeId": document["root"]["nodeId"], "role": role });
        let answer = browser.devtools("Accessibility.queryAXTree", question).await?;
        let nodes = answer["nodes"].as_array().map_or(&[][..], Vec::as_slice);
        for node in nodes.iter().filter(|node| node["ignored"] != true) {
            let name = node["name"]["value"].as_str().unwrap_or_default();
            if !name.trim().is_empty() {
                named += 1;
                continue;
            }
            let element = json!({ "backendNodeId": node["backendDOMNodeId"] });
            let html = browser.devtools("DOM.getOuterHTML", element).await?;
            let html = html["outerHTML"].as_str().unwrap_or_default();
            let html: String = html.chars().take(120).collect();
            found.push(format!("a {role} without a name: {html}"));
        }
    }
    if named == 0 {
        bail!("the browser knows of no button and no link at all");
    }
    Ok(found)
}

/// A page asks the book's own server for what it needs, and nobody else.
pub async fn asks_no_other_host(browser: &Browser) -> Result<()> {
    let script = include_str!("scripts/foreign.js");
    let mut findings = Findings::new(View::WIDE);
    browser.set_view(View::WIDE).await?;
    for page in &browser.site.pages {
        browser.visit(page).await?;
        browser.unfold().await?;
        findings.add(page, browser.run(script, json!([])).await?);
    }
    findings.none()
}

/// What is wrong with the pages: all of it is told at once.
pub struct Findings {
    view: View,
    found: Vec<String>,
}

impl Findings {
    pub fn new(view: View) -> Self {
        let found = Vec::new();
        Self { view, found }
    }

    pub fn add(&mut self, page: &str, found: Vec<String>) {
        let view = self.view;
        let found = found.into_iter().map(|what| format!("{page}, {view}: {what}"));
        self.found.extend(found);
    }

    /// It is an error if there are any.
    pub fn none(self) -> Result<()> {
        if self.found.is_empty() {
            return Ok(());
        }
        bail!("{}", self.found.join("\n"))
    }
}
