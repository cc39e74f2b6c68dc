//! What is wider than a phone: long lines of code, and tables.

use anyhow::{Result, ensure};
use fantoccini::Locator;
use serde::Deserialize;
use serde_json::json;

use crate::PAGE;
use crate::browser::{Browser, View};

/// A cell of a wide table.
#[derive(Deserialize)]
struct Cell {
    label: String,
    /// The name of its column.
    column: String,
    /// In CSS pixels.
    top: i32,
}

/// On a phone, each row of a wide table is a card, with a name in each cell; for a screen reader it
/// is still a table.
pub async fn tables_are_cards(browser: &Browser) -> Result<()> {
    let first_row = "const table = document.querySelector('main > .table-wrapper > .cards'); \
         return [...table.tBodies[0].rows[0].cells].map((cell, index) => ({ \
             label: getComputedStyle(cell, '::before').content, \
             column: table.tHead.rows[0].cells[index].textContent.trim(), \
             top: Math.round(cell.getBoundingClientRect().top) }))";
    for scripts in [true, false] {
        browser.allow_scripts(scripts).await?;
        browser.visit_in(View::NARROW, PAGE).await?;
        let cells: Vec<Cell> = browser.run(first_row, json!([])).await?;
        ensure!(cells.len() > 2, "{PAGE}: the table has {} columns", cells.len());
        for Cell { label, column, .. } in &cells {
            ensure!(label.contains(column.as_str()), "{PAGE}: {column} is labelled {label}");
        }
        let is_card = cells.is_sorted_by(|a, b| a.top < b.top);
        ensure!(is_card, "{PAGE}: on a phone, the cells are side by side");
        for role in ["table", "row", "columnheader", "cell"] {
            let count = count(browser, role).await?;
            ensure!(count > 0, "{PAGE}: on a phone, nothing is a {role}");
        }

        browser.visit_in(View::WIDE, PAGE).await?;
        let cells: Vec<Cell> = browser.run(first_row, json!([])).await?;
        let is_row = cells.iter().all(|cell| cell.top == cells[0].top && cell.label == "none");
        ensure!(is_row, "{PAGE}: on a laptop, the cells are not side by side");
    }
    Ok(())
}

/// How many parts of the page have a role, as a screen reader sees it.
async fn count(browser: &Browser, role: &str) -> Result<usize> {
    let document = browser.devtools("DOM.getDocument", json!({ "depth": 0 })).await?;
    let question = json!({ "nodeId": document["root"]["nodeId"], "role": role });
    let answer = browser.devtools("Accessibility.queryAXTree", question).await?;
    let nodes = answer["nodes"].as_array().map_or(&[][..], Vec::as_slice);
    Ok(nodes.iter().filter(|node| node["ignored"] != true).count())
}

/// Beside the list of headings, a listing with long lines is as wide as it may be; others are not.
pub async fn listings_are_spread(browser: &Browser) -> Result<()> {
    browser.visit_in(View::WIDE, PAGE).await?;
    browser.expect(Locator::Css("main > .spread"), "a listing is spread").await?;
    let wrapped = "return [...document.querySelectorAll('main > :is(.twins, .listing):not(.spread) .l')] \
                   .filter((line) => line.checkVisibility() && line.offsetHeight > 25).length";
    let wrapped: usize = browser.run(wrapped, json!([])).await?;
    ensure!(wrapped == 0, "{PAGE}: {wrapped} lines are wrapped in listings that could be wider");
    let narrow =
        "return document.querySelectorAll('main > :is(.twins, .listing):not(.spread)').length";
    let narrow: usize = browser.run(narrow, json!([])).await?;
    ensure!(narrow > 0, "{PAGE}: every listing is spread");
    Ok(())
}

/// On a phone, a line of code that is too long continues below its own beginning, further to the right.
pub async fn lines_are_wrapped(browser: &Browser) -> Result<()> {
    browser.visit_in(View::NARROW, PAGE).await?;
    let lines: Vec<(f64, f64)> = browser
        .run(
            "const edges = (line) => { \
                 const range = document.createRange(); \
                 const texts = document.createTreeWalker(line, NodeFilter.SHOW_TEXT); \
                 const first = texts.nextNode(); \
                 range.setStart(first, first.data.search(/\\S|$/)); \
                 range.setEndAfter(line.lastChild); \
                 const boxes = [...range.getClientRects()]; \
                 const top = Math.min(...boxes.map((box) => box.top)); \
                 const left = (boxes) => Math.min(...boxes.map((box) => box.left)); \
                 return [left(boxes.filter((box) => box.top < top + 5)), left(boxes.filter((box) => box.top > top + 5))]; \
             }; \
             const lines = [...document.querySelectorAll('.listing .l')]; \
             return lines.filter((line) => line.checkVisibility() && line.offsetHeight > 25).map(edges)",
            json!([]),
        )
        .await?;
    ensure!(lines.len() > 5, "{PAGE}: only {} lines are wrapped", lines.len());
    let wrong = lines.iter().filter(|(first, next)| next < first);
    ensure!(wrong.count() == 0, "{PAGE}: a line continues to the left of its beginning: {lines:?}");
    let scroll = "return [...document.querySelectorAll('.listing pre')] \
                  .filter((pre) => pre.scrollWidth > pre.clientWidth).length";
    let scroll: usize = browser.run(scroll, json!([])).await?;
    ensure!(scroll == 0, "{PAGE}: {scroll} listings are too wide");
    Ok(())
}
