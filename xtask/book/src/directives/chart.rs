//! `{{#chart NAME}}`: what a bench has recorded in `book/measured/NAME.json`, as bars in the page's colours.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use conformance::text;
use workspace::measured::{FOLDER, Group, Machine, Report, Row, shown};
use workspace::stats;

use crate::html::escape;
use crate::source::read;

/// The width of a chart, in its own units: a phone shows it without making its text smaller.
const WIDTH: f64 = 380.0;

/// The room for a bar with its label above it.
const ROW_HEIGHT: f64 = 44.0;

/// The height of a bar.
const BAR_HEIGHT: f64 = 14.0;

pub fn render(root: &Path, arguments: &str) -> Result<String> {
    let [name] = crate::directive::words(arguments, "{{#chart NAME}}")?;
    let path = format!("{FOLDER}/{name}.json");
    let report: Report = serde_json::from_str(&read(root, &path)?)
        .with_context(|| format!("{path} is not a report of `cargo xtask bench`"))?;
    if report.groups.is_empty() {
        bail!("{path} holds no figures");
    }
    let last = report.groups.len() - 1;
    let charts = report.groups.iter().enumerate().map(|(index, group)| {
        let remark = if index == last { how_to_read(&report) } else { String::new() };
        chart(group, &format!("chart-{name}-{index}"), &remark)
    });
    Ok(charts.collect())
}

/// The caption below the last chart of a report, for all of them.
fn how_to_read(report: &Report) -> String {
    let Machine { processor, cores, system, load } = &report.machine;
    let machine = escape(&text!("chart.machine", processor, cores, system, load));
    let date = escape(&report.date);
    text!("chart.how-to-read", date, machine)
}

/// One group as a figure; `id` is unique in the page, and the remark ends the caption.
fn chart(group: &Group, id: &str, remark: &str) -> String {
    let rows: Vec<&Row> = group.rows.iter().filter(|row| !row.figures.is_empty()).collect();
    let most = rows.iter().map(|row| stats::spread(&row.figures).1).fold(0.0, f64::max);
    let scale = if most > 0.0 { (WIDTH - 2.0) / most } else { 0.0 };
    #[allow(clippy::cast_precision_loss)] // a chart has a handful of rows
    let height = rows.len() as f64 * ROW_HEIGHT;
    let (title, unit) = (escape(&group.title), escape(&group.unit));
    let better = if group.more_is_better { text!("chart.longer") } else { text!("chart.shorter") };
    let in_words: Vec<String> = rows.iter().map(|row| in_words(row)).collect();
    let (in_words, bars) = (in_words.join("; "), bars(&rows, &group.reference, scale));
    [
        format!(r#"<figure class="figure"><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="{id}-title {id}-desc">"#),
        format!(r#"<title id="{id}-title">{title}, {unit}: {better}</title>"#),
        format!(r#"<desc id="{id}-desc">{in_words}.</desc>"#),
        format!("<style>.{id} text{{font-family:inherit;font-size:14px;fill:var(--fig-fg,#1f2933)}}.{id} .e{{text-anchor:end}}.{id} .other{{fill:var(--fig-muted,#5b6673)}}.{id} .own{{fill:var(--fig-accent,#0b5fa5)}}.{id} .limit{{fill:none;stroke:var(--fig-muted,#5b6673);stroke-width:1.5;stroke-dasharray:4 3}}.{id} .spread{{stroke:var(--fig-fg,#1f2933);stroke-width:2}}</style>"),
        format!(r#"<g class="{id}">{bars}</g></svg>"#),
        format!("<figcaption>{title}, {unit}: {better}.{remark}</figcaption></figure>"),
    ]
    .join(" ")
}

/// A row of text for readers who cannot see the bars.
fn in_words(row: &Row) -> String {
    let (least, most) = stats::spread(&row.figures);
    let (name, median) = (escape(&row.name), shown(row.median()));
    let (least, most) = (shown(least), shown(most));
    text!("chart.row", name, median, least, most)
}

fn bars(rows: &[&Row], reference: &str, scale: f64) -> String {
    let mut svg = String::new();
    let mut y = 0.0;
    for row in rows {
        let (least, most) = stats::spread(&row.figures);
        let class = match row {
            row if row.is_limit => "limit",
            row if row.name == reference => "own",
            _ => "other", // not `bar`: the theme has one
        };
        let (name, median) = (escape(&row.name), shown(row.median()));
        let (label, bar, middle) = (y + 16.0, y + 22.0, y + 22.0 + BAR_HEIGHT / 2.0);
        let (width, from, to) =
            ((row.median() * scale).max(1.0), least * scale + 1.0, most * scale + 1.0);
        // Writing into a string cannot fail.
        let _ = write!(
            svg,
            r#"<text x="1" y="{label}">{name}</text><text class="e" x="{WIDTH}" y="{label}">{median}</text><rect class="{class}" x="1" y="{bar}" width="{width:.1}" height="{BAR_HEIGHT}"/><path class="spread" d="M{from:.1} {middle}H{to:.1}"/>"#
        );
        y += ROW_HEIGHT;
    }
    svg
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        let row = |name: &str, is_limit, figures: &[f64]| Row {
            figures: figures.to_vec(),
            ..Row::new(name, is_limit)
        };
        let mut report = Report::default();
        report.groups.push(Group {
            title: "A download".to_owned(),
            unit: "seconds".to_owned(),
            more_is_better: false,
            reference: "step 07".to_owned(),
            rows: vec![
                row("step 07", false, &[1.0, 2.0, 4.0]),
                row("curl | <sum>", false, &[3.0]),
                row("limit", true, &[1.0]),
                row("ncat", false, &[]),
            ],
        });
        report
    }

    #[test]
    fn a_chart_has_a_bar_for_each_that_was_measured_and_says_the_same_in_words() {
        let root = tempfile::tempdir().unwrap();
        report().record(root.path(), "download").unwrap();
        let html = render(root.path(), "download").unwrap();
        assert_eq!(html.matches("<rect ").count(), 3, "{html}");
        // The longest spread fills the width; the median of 2 is half of it.
        assert!(
            html.contains(r#"<rect class="own" x="1" y="22" width="189.0" height="14"/>"#),
            "{html}"
        );
        assert!(html.contains(r#"d="M95.5 29H379.0""#), "{html}");
        assert!(html.contains(r#"<rect class="limit" "#), "{html}");
        assert!(
            html.contains("step 07: 2.00, from 1.00 to 4.00; curl | &lt;sum&gt;: 3.00"),
            "{html}"
        );
        assert!(html.contains(
            r#"<title id="chart-download-0-title">A download, seconds: shorter is better</title>"#
        ));
        assert!(!html.contains("ncat"), "{html}");
        assert!(!html.contains(r#"class="bar""#), "the theme gives it a height: {html}");
        assert_eq!(html.matches("The thin line is the spread").count(), 1, "{html}");
    }

    #[test]
    fn a_chart_needs_a_report_with_figures() {
        let root = tempfile::tempdir().unwrap();
        let error = |arguments| format!("{:#}", render(root.path(), arguments).unwrap_err());
        assert_eq!(error(""), "expected {{#chart NAME}}");
        assert_eq!(error("echo"), "no such file: book/measured/echo.json");
        Report::default().record(root.path(), "echo").unwrap();
        assert_eq!(error("echo"), "book/measured/echo.json holds no figures");
        std::fs::write(root.path().join("book/measured/echo.json"), "{}").unwrap();
        let text = error("echo");
        assert!(text.starts_with("book/measured/echo.json is not a report"), "{text}");
    }
}
