//! What holds on every page.

use anyhow::{Result, ensure};
use serde_json::json;

use crate::browser::{Browser, Scheme, View};

/// Nothing makes the page scroll sideways, and its theme is the system's.
pub async fn fits(browser: &Browser, view: View) -> Result<Vec<String>> {
    let arguments = json!([view.width, view.scheme == Scheme::Dark]);
    browser.run(include_str!("scripts/fits.js"), arguments).await
}

/// A page has one `h1`, one `main`, a language and a title, and its pictures are described. With
/// `names`, whatever can be pressed has a name.
pub async fn has_its_parts(browser: &Browser, names: bool) -> Result<Vec<String>> {
    let mut found: Vec<String> = browser.run(include_str!("scripts/parts.js"), json!([])).await?;
    if names {
        found.extend(nameless(browser).await?);
    }
    Ok(found)
}

/// The buttons and links for which a screen reader has no name. The browser is asked: it knows
/// what is hidden, and the sources of a name.
async fn nameless(browser: &Browser) -> Result<Vec<String>> {
    let document = browser.devtools("DOM.getDocument", json!({ "depth": 0 })).await?;
    // Otherwise the browser collects the names for each question anew.
    browser.devtools("Accessibility.enable", json!({})).await?;
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
    browser.devtools("Accessibility.disable", json!({})).await?;
    ensure!(named > 0, "the browser knows of no button and no link at all");
    Ok(found)
}

/// A page asks the book's own server for what it needs, and no other.
pub async fn asks_no_other_host(browser: &Browser) -> Result<Vec<String>> {
    browser.run(include_str!("scripts/foreign.js"), json!([])).await
}
