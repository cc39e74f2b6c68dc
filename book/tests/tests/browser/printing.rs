//! The book on paper.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::browser::{Browser, Scheme, View};
use crate::every_page::Findings;
use crate::setup;

/// What is between the margins that `print.css` leaves on A4, in CSS pixels: 178 by 261 mm.
const PAPER: (u32, u32) = (672, 986);

/// The margins of `print.css` at the top and bottom, and at the sides, in inches: 1.8 and 1.6 cm.
const MARGINS: (f64, f64) = (1.8 / 2.54, 1.6 / 2.54);

/// On paper nothing is wider than it, nothing is folded, and a figure is no higher than a sheet.
/// The paper is white, whatever theme the reader has.
pub async fn fits_the_paper(browser: &Browser) -> Result<()> {
    let (width, height) = PAPER;
    for scheme in [Scheme::Light, Scheme::Dark] {
        let mut findings = Findings::new(View::new(width, scheme));
        browser.set_paper(width, height, scheme).await?;
        for page in &browser.site.pages {
            browser.visit(page).await?;
            let found =
                browser.run(include_str!("scripts/paper.js"), json!([width, height])).await?;
            findings.add(page, found);
        }
        findings.none()?;
    }
    Ok(())
}

/// What a page shows that must be found on paper.
#[derive(Deserialize)]
struct Shown {
    /// The lines of the listings and terminals.
    lines: Vec<String>,
    /// The words of each figure.
    figures: Vec<Vec<String>>,
    /// The headings, and the names of the listings.
    headings: Vec<String>,
}

/// A printed page has every line of every listing to its end, and every figure, on one sheet. No
/// sheet ends with a heading.
pub async fn is_whole(browser: &Browser) -> Result<()> {
    let mut findings = Findings::new(View::WIDE);
    browser.set_view(View::WIDE).await?;
    let mut lines = 0;
    for page in &browser.site.pages {
        browser.visit(page).await?;
        let shown: Shown = browser.run(include_str!("scripts/shown.js"), json!([])).await?;
        lines += shown.lines.len();
        let (high, wide) = MARGINS;
        let paper = json!({
            "marginTop": high, "marginBottom": high, "marginLeft": wide, "marginRight": wide,
        });
        let sheets = text_of(browser, &browser.print(paper).await?)?;
        findings.add(page, missing(&shown, &sheets));
        let unfolded = "return document.querySelectorAll('details[open]').length";
        let open: Value = browser.run(unfolded, json!([])).await?;
        if open != 0 {
            findings.add(page, vec![format!("{open} blocks stay unfolded after printing")]);
        }
    }
    ensure!(lines > 0, "no page has a listing");
    findings.none()
}

/// The text of each sheet of a PDF, without white space.
fn text_of(browser: &Browser, pdf: &[u8]) -> Result<Vec<String>> {
    let program = setup::pdftotext().context("pdftotext is not installed")?;
    let file = tempfile::Builder::new().suffix(".pdf").tempfile_in(browser.scratch())?;
    std::fs::write(file.path(), pdf)?;
    // `-raw`: in the order in which the browser has written it, not in columns.
    let arguments = ["-raw", "-enc", "UTF-8"];
    let output = Command::new(program).args(arguments).arg(file.path()).arg("-").output()?;
    ensure!(output.status.success(), "pdftotext: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).context("pdftotext does not write UTF-8")?;
    Ok(text.split('\u{c}').map(without_space).collect())
}

fn missing(shown: &Shown, sheets: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    for line in &shown.lines {
        if !is_on_paper(&without_space(line), sheets) {
            found.push(format!("not on paper to its end: {line}"));
        }
    }
    for figure in &shown.figures {
        let words: Vec<String> = figure.iter().map(|words| without_space(words)).collect();
        if !sheets.iter().any(|sheet| words.iter().all(|word| sheet.contains(word))) {
            found.push(format!("no sheet has all of a figure: {}", figure.join(" / ")));
        }
    }
    let headings: Vec<String> = shown.headings.iter().map(|text| without_space(text)).collect();
    for (index, sheet) in sheets.iter().enumerate() {
        for heading in headings.iter().filter(|heading| sheet.ends_with(heading.as_str())) {
            found.push(format!("sheet {} ends with a heading: {heading}", index + 1));
        }
    }
    found
}

/// Whether a line is on a sheet, or ends one and goes on on the next. What goes on need not be the
/// first text there: a PDF has its text in the order in which it was painted.
fn is_on_paper(line: &str, sheets: &[String]) -> bool {
    let goes_on = |pair: &[String]| {
        let mut cuts = (1..line.len()).filter(|at| line.is_char_boundary(*at));
        cuts.any(|at| pair[0].ends_with(&line[..at]) && pair[1].contains(&line[at..]))
    };
    sheets.iter().any(|sheet| sheet.contains(line)) || sheets.windows(2).any(goes_on)
}

fn without_space(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}
