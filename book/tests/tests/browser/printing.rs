//! The book on paper.

use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::json;

use crate::browser::{Browser, Scheme};
use crate::{PAGE, setup};

/// What is between the margins that `print.css` leaves on A4, in CSS pixels: 178 by 261 mm.
const PAPER: (u32, u32) = (672, 986);

/// The margins of `print.css` at the top and bottom, and at the sides, in inches: 1.8 and 1.6 cm.
const MARGINS: (f64, f64) = (1.8 / 2.54, 1.6 / 2.54);

/// On paper nothing is wider than it, nothing is folded, and a figure is no higher than a sheet.
/// The paper is white, also for a reader who has the dark theme.
pub async fn fits_the_paper(browser: &Browser) -> Result<Vec<String>> {
    let (width, height) = PAPER;
    browser.set_paper(width, height, Scheme::Dark).await?;
    let paper = json!([width, height]);
    let wrong: Vec<String> = browser.run(include_str!("scripts/paper.js"), paper).await?;
    Ok(wrong.into_iter().map(|what| format!("on paper: {what}")).collect())
}

/// The questions of a page and their folded blocks, in order: `?` is a question, `1` its answer, and `-` a block that
/// is not printed.
const QUESTIONS: &str = "
    const parts = [...document.querySelectorAll('#check-yourself ~ :is(p, details, h2)')];
    const section = parts.slice(0, parts.findIndex((part) => part.localName === 'h2'));
    return section.map((part) => {
        if (part.localName === 'p') return part.className ? '' : '?';
        const number = part.querySelector('summary').dataset.number ?? 'a';
        return part.dataset.paper === 'no' ? '-' : number;
    }).join('');
";

/// On paper, the answers follow the last question, with their numbers; afterwards they are next to their questions
/// again. Solutions and notes for teachers stay folded.
pub async fn answers_come_last(browser: &Browser) -> Result<()> {
    browser.visit(PAGE).await?;
    let before: String = browser.run(QUESTIONS, json!([])).await?;
    let count = before.matches("?a").count();
    ensure!(count > 1 && before == "?a".repeat(count), "{PAGE}: its questions are {before}");
    let event = |name| format!("dispatchEvent(new Event('{name}'));");
    let script = event("beforeprint") + QUESTIONS;
    let on_paper: String = browser.run(&script, json!([])).await?;
    let numbers: String = (1..=count).map(|number| number.to_string()).collect();
    let expected = "?".repeat(count) + &numbers;
    ensure!(on_paper == expected, "{PAGE}: on paper, its questions are {on_paper}");
    let unfolded = "return document.querySelectorAll('[data-paper=no][open]').length";
    let unfolded: usize = browser.run(unfolded, json!([])).await?;
    ensure!(unfolded == 0, "{PAGE}: {unfolded} blocks are unfolded that are not for paper");
    let script = event("afterprint") + QUESTIONS;
    let after: String = browser.run(&script, json!([])).await?;
    ensure!(after == before, "{PAGE}: after printing, its questions are {after}");
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
pub async fn is_whole(browser: &Browser) -> Result<Vec<String>> {
    let shown: Shown = browser.run(include_str!("scripts/shown.js"), json!([])).await?;
    let has_listings = !shown.lines.is_empty();
    ensure!(has_listings || browser.path().await? != format!("/{PAGE}"), "there is no listing");
    let (high, wide) = MARGINS;
    let paper = json!({
        "marginTop": high, "marginBottom": high, "marginLeft": wide, "marginRight": wide,
        // The text is the same without, and is written in half the time.
        "generateTaggedPDF": false,
    });
    let unfolded = "return document.querySelectorAll('details[open]').length";
    let before: usize = browser.run(unfolded, json!([])).await?;
    let sheets = text_of(browser, &browser.print(paper).await?)?;
    let mut found = missing(&shown, &sheets);
    let open: usize = browser.run(unfolded, json!([])).await?;
    if open != before {
        found.push(format!("{open} blocks are unfolded after printing, {before} were before"));
    }
    Ok(found)
}

/// The text of each sheet of a PDF.
fn text_of(browser: &Browser, pdf: &[u8]) -> Result<Vec<String>> {
    let program = setup::pdftotext().context("pdftotext is not installed")?;
    let file = tempfile::Builder::new().suffix(".pdf").tempfile_in(browser.scratch())?;
    std::fs::write(file.path(), pdf)?;
    // `-raw`: in the order in which the browser has written it, not in columns.
    let arguments = ["-raw", "-enc", "UTF-8"];
    let output = Command::new(program).args(arguments).arg(file.path()).arg("-").output()?;
    ensure!(output.status.success(), "pdftotext: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).context("pdftotext does not write UTF-8")?;
    Ok(text.split('\u{c}').map(str::to_owned).collect())
}

fn missing(shown: &Shown, sheets: &[String]) -> Vec<String> {
    let last_line = |sheet: &String| without_space(sheet.trim_end().lines().last().unwrap_or(""));
    let last_lines: Vec<String> = sheets.iter().map(last_line).collect();
    let sheets: Vec<String> = sheets.iter().map(|sheet| without_space(sheet)).collect();
    let mut found = Vec::new();
    // The lines are in order: each is looked for from the sheet on where the last one was found.
    let mut at = 0;
    for line in &shown.lines {
        let text = without_space(line);
        match (at..sheets.len()).chain(0..at).find(|at| is_on_sheet(&text, &sheets[*at..])) {
            Some(sheet) => at = sheet,
            None => found.push(format!("not on paper to its end: {line}")),
        }
    }
    for figure in &shown.figures {
        let words: Vec<String> = figure.iter().map(|words| without_space(words)).collect();
        if !sheets.iter().any(|sheet| words.iter().all(|word| sheet.contains(word))) {
            found.push(format!("no sheet has all of a figure: {}", figure.join(" / ")));
        }
    }
    let headings: Vec<String> = shown.headings.iter().map(|text| without_space(text)).collect();
    for (index, (sheet, last)) in sheets.iter().zip(&last_lines).enumerate() {
        // A sentence may end with a word that is a heading.
        let is_last = |heading: &&String| sheet.ends_with(*heading) && heading.ends_with(last);
        for heading in headings.iter().filter(is_last) {
            found.push(format!("sheet {} ends with a heading: {heading}", index + 1));
        }
    }
    found
}

/// Whether a line is on the first of these sheets, or ends it and continues on the next. What continues
/// need not be the first text there: a PDF has its text in the order in which it was painted.
fn is_on_sheet(line: &str, sheets: &[String]) -> bool {
    let goes_on = |next: &String| {
        let mut cuts = (1..line.len()).filter(|at| line.is_char_boundary(*at));
        cuts.any(|at| sheets[0].ends_with(&line[..at]) && next.contains(&line[at..]))
    };
    sheets[0].contains(line) || sheets.get(1).is_some_and(goes_on)
}

fn without_space(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).collect()
}
