//! `{{#chart NAME Question?}}`: what a bench has recorded in `book/measured/NAME.json`, as one figure in the page's colours.
//!
//! Each program is a row and each group of the report a column. All figures are in a folded table below the drawing.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use conformance::text;
use workspace::measured::{FOLDER, Group, Machine, Report, Row};
use workspace::stats;

use crate::captions::Captions;
use crate::html::{escape, sentence};
use crate::source::read;

/// The width of a drawing, in its own units: a phone shows it without making its text smaller.
const WIDTH: f64 = 380.0;

/// The space between two columns.
const GAP: f64 = 14.0;

/// The most columns next to each other: in more, a figure with its unit would not fit.
const MAX_COLUMNS: usize = 5;

/// The height of a line of a heading.
const LINE_HEIGHT: f64 = 17.0;

/// The height of a row: its name, its figures, and their dots.
const ROW_HEIGHT: f64 = 52.0;

/// Where the dots of a row are, below its top.
const DOTS: f64 = 42.0;

/// The radius of a dot, and so the distance of the ends of a scale from the edges of its column.
const RADIUS: f64 = 4.5;

/// About the width of a letter of a heading.
const LETTER: f64 = 6.5;

const STYLE: &str = "<style>.chart text{font-family:inherit;font-size:13px;fill:var(--fig-fg,#1f2933)}.chart .name{font-size:14px}.chart .own,.chart .column{font-weight:600}.chart .end{text-anchor:end}.chart .scale{fill:none;stroke:var(--border,#d3d9e0)}.chart .limit{fill:none;stroke:var(--fig-accent-2,#9a4a00);stroke-width:2}.chart .limit~.limit{stroke-dasharray:3 2}.chart .spread{fill:none;stroke:var(--fig-fg,#1f2933);stroke-width:2}.chart circle{fill:var(--fig-muted,#5b6673);stroke:var(--fig-bg,#fff)}.chart circle.own{fill:var(--fig-accent,#0b5fa5)}.chart rect{fill:var(--fig-accent-2,#9a4a00)}</style>";

/// Units of time and how many seconds each is; a bench spells out the name.
const TIMES: [(&str, &str, f64); 4] = [
    ("seconds", "s", 1.0),
    ("milliseconds", "ms", 1e-3),
    ("microseconds", "µs", 1e-6),
    ("nanoseconds", "ns", 1e-9),
];

/// Units of rates and how many each is.
const RATES: [(&str, f64); 4] = [("G/s", 1e9), ("M/s", 1e6), ("k/s", 1e3), ("/s", 1.0)];

pub fn render(root: &Path, arguments: &str) -> Result<String> {
    let (name, question) =
        arguments.split_once(char::is_whitespace).context("expected {{#chart NAME Question?}}")?;
    let mut report = report(root, name)?;
    let captions = Captions::of(root, &place(name))?;
    for text in texts(&mut report) {
        *text = captions.text(text).into_owned();
    }
    let chart = Chart::new(&report);
    if chart.rows.is_empty() {
        bail!("{} holds no figures", path(name));
    }
    let question = sentence(question.trim());
    let drawings: String = (0..report.groups.len())
        .step_by(MAX_COLUMNS)
        .map(|first| chart.drawing(first, &format!("chart-{name}-{first}"), &question))
        .collect();
    let (notes, tables) = (notes(&report), tables(&report));
    Ok(format!(
        r#"<figure class="figure chart"><figcaption>{question}</figcaption>{drawings}{notes}{tables}</figure>"#
    ))
}

/// Where the texts of a chart are in the table of another language.
fn place(name: &str) -> String {
    format!("chart {name}")
}

/// The place of a chart's texts, and these texts.
pub fn captions(root: &Path, arguments: &str) -> Result<(String, Vec<String>)> {
    let name = arguments.split_whitespace().next().unwrap_or_default();
    let mut report = report(root, name)?;
    Ok((place(name), texts(&mut report).map(|text| text.clone()).collect()))
}

fn path(name: &str) -> String {
    format!("{FOLDER}/{name}.json")
}

fn report(root: &Path, name: &str) -> Result<Report> {
    let path = path(name);
    serde_json::from_str(&read(root, &path)?)
        .with_context(|| format!("{path} is not a report of `cargo xtask bench`"))
}

/// What a report states in words; a failure is what a program printed.
fn texts(report: &mut Report) -> impl Iterator<Item = &mut String> {
    let groups = report.groups.iter_mut().flat_map(|group| {
        let rows = group.rows.iter_mut().flat_map(|row| [&mut row.name, &mut row.remark]);
        [&mut group.title, &mut group.reference].into_iter().chain(rows)
    });
    groups.chain(&mut report.missing)
}

/// What all columns of a report share.
struct Chart<'a> {
    groups: &'a [Group],
    /// The words with which the title of each group begins.
    shared: String,
    /// The rest of each title.
    columns: Vec<String>,
    /// The names of the rows with a figure in any column.
    rows: Vec<&'a str>,
}

impl<'a> Chart<'a> {
    fn new(report: &'a Report) -> Self {
        let groups = &report.groups;
        let titles: Vec<Vec<&str>> =
            groups.iter().map(|group| group.title.split_whitespace().collect()).collect();
        let shared = shared_words(&titles);
        let columns = titles.iter().map(|words| words[shared..].join(" ")).collect();
        let shared = titles.first().map_or(String::new(), |words| words[..shared].join(" "));
        let mut rows: Vec<&str> = Vec::new();
        for row in groups.iter().flat_map(|group| &group.rows) {
            if !row.figures.is_empty() && !rows.contains(&row.name.as_str()) {
                rows.push(&row.name);
            }
        }
        Self { groups, shared, columns, rows }
    }

    /// The columns from this one on, as many as fit next to each other; `id` is unique in the page.
    fn drawing(&self, first: usize, id: &str, question: &str) -> String {
        let groups = &self.groups[first..self.groups.len().min(first + MAX_COLUMNS)];
        let width = (WIDTH + GAP) / count(groups.len()) - GAP;
        let is_the_same =
            groups.iter().all(|group| group.more_is_better == groups[0].more_is_better);
        let has_one_heading = !self.shared.is_empty() && is_the_same;
        let headings: Vec<Vec<String>> = self.columns[first..]
            .iter()
            .zip(groups)
            .map(|(title, group)| {
                let direction = (!has_one_heading).then(|| better(group));
                wrapped(title, width).into_iter().chain(direction).collect()
            })
            .collect();
        let mut svg = String::new();
        let mut top = 0.0;
        if !self.shared.is_empty() {
            top = LINE_HEIGHT;
            text_at(&mut svg, "name", (0.0, 13.0), &self.shared);
            if has_one_heading {
                text_at(&mut svg, "end", (WIDTH, 13.0), &better(&groups[0]));
            }
        }
        let lines = headings.iter().map(Vec::len).max().unwrap_or(0);
        let bottom = top + count(lines) * LINE_HEIGHT + 4.0;
        for (index, (group, heading)) in groups.iter().zip(&headings).enumerate() {
            let left = count(index) * (width + GAP);
            for (line, text) in heading.iter().enumerate() {
                let class =
                    if line + 1 == heading.len() && !has_one_heading { "" } else { "column" };
                text_at(&mut svg, class, (left, top + 13.0 + count(line) * LINE_HEIGHT), text);
            }
            svg += &self.column(group, left, width, bottom);
        }
        for (index, name) in self.rows.iter().enumerate() {
            let is_own = groups.iter().any(|group| group.reference == *name);
            let class = if is_own { "name own" } else { "name" };
            text_at(&mut svg, class, (0.0, bottom + count(index) * ROW_HEIGHT + 17.0), name);
        }
        let height = bottom + count(self.rows.len()) * ROW_HEIGHT;
        let description = text!("chart.description");
        // White space is all the same in an SVG.
        [
            format!(r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="{id}-title {id}-desc">"#),
            format!(r#"<title id="{id}-title">{question}</title><desc id="{id}-desc">{description}</desc>"#),
            format!("{STYLE}{svg}</svg>"),
        ]
        .join(" ")
    }

    /// The figures of one group, on a scale of their own that begins at 0.
    fn column(&self, group: &Group, left: f64, width: f64, bottom: f64) -> String {
        let find = |name: &&str| {
            group.rows.iter().find(|row| row.name == *name && !row.figures.is_empty())
        };
        let rows: Vec<Option<&Row>> = self.rows.iter().map(find).collect();
        let most =
            rows.iter().flatten().map(|row| stats::spread(&row.figures).1).fold(0.0, f64::max);
        let scale = if most > 0.0 { (width - 2.0 * RADIUS) / most } else { 0.0 };
        let at = |figure: f64| left + RADIUS + figure * scale;
        let (mut lines, mut marks) = (String::new(), String::new());
        for (index, row) in rows.iter().enumerate() {
            let top = bottom + count(index) * ROW_HEIGHT;
            let y = top + DOTS;
            let Some(row) = row else {
                text_at(&mut marks, "", (left, top + 32.0), "–");
                continue;
            };
            let (least, most) = stats::spread(&row.figures);
            let (from, to, x) = (at(least), at(most), at(row.median()));
            let (start, end) = (y - 3.5, y + 3.5);
            // Writing into a string cannot fail.
            let _ = write!(
                marks,
                r#"<path class="scale" d="M{left:.1} {y}h{width:.1}"/><path class="spread" d="M{from:.1} {start}V{end}M{from:.1} {y}H{to:.1}M{to:.1} {start}V{end}"/>"#
            );
            let _ = if row.is_limit {
                lines += &limit(x, bottom, index);
                write!(marks, r#"<rect x="{:.1}" y="{}" width="4" height="12"/>"#, x - 2.0, y - 6.0)
            } else {
                let class = if row.name == group.reference { "own" } else { "other" };
                write!(marks, r#"<circle class="{class}" cx="{x:.1}" cy="{y}" r="{RADIUS}"/>"#)
            };
            text_at(&mut marks, "", (left, top + 32.0), &readable(row.median(), &group.unit, 2));
        }
        // In an element of their own: the second limit of a column has dashes.
        format!("<g>{lines}{marks}</g>")
    }
}

/// The line of a limit, down to its own row: in each row from the figure to the next name.
fn limit(x: f64, bottom: f64, last: usize) -> String {
    let mut path = String::new();
    for index in 0..=last {
        let y = bottom + count(index) * ROW_HEIGHT + DOTS;
        let _ = write!(path, "M{x:.1} {}V{}", y - 6.0, if index < last { y + 14.0 } else { y });
    }
    format!(r#"<path class="limit" d="{path}"/>"#)
}

/// How many words all titles begin with; each keeps one word at least.
fn shared_words(titles: &[Vec<&str>]) -> usize {
    let [first, others @ ..] = titles else { return 0 };
    let shared = |other: &Vec<&str>| {
        let same = first.iter().zip(other).take_while(|(a, b)| a == b).count();
        same.min(first.len().min(other.len()).saturating_sub(1))
    };
    others.iter().map(shared).min().unwrap_or(0)
}

/// A heading in lines that fit a column, if its words do. Chinese is broken between any two characters.
fn wrapped(title: &str, width: f64) -> Vec<String> {
    let fits = |letters: usize| count(letters) * LETTER <= width;
    let mut lines: Vec<String> = Vec::new();
    for word in title.split_whitespace() {
        if let Some(line) = lines.last_mut().filter(|it| fits(letters(it) + 1 + letters(word))) {
            *line += " ";
            *line += word;
            continue;
        }
        let mut line = String::new();
        for letter in word.chars() {
            if is_wide(letter) && !line.is_empty() && !fits(letters(&line) + 2) {
                lines.push(std::mem::take(&mut line));
            }
            line.push(letter);
        }
        lines.push(line);
    }
    lines
}

/// The width of a text in Latin letters.
fn letters(text: &str) -> usize {
    text.chars().map(|letter| if is_wide(letter) { 2 } else { 1 }).sum()
}

/// Whether a character is Chinese: as wide as two letters.
fn is_wide(letter: char) -> bool {
    letter >= '\u{2e80}'
}

fn better(group: &Group) -> String {
    if group.more_is_better { text!("chart.more") } else { text!("chart.less") }
}

#[allow(clippy::cast_precision_loss)] // a chart has a handful of rows, columns and lines
fn count(number: usize) -> f64 {
    number as f64
}

fn text_at(svg: &mut String, class: &str, (x, y): (f64, f64), text: &str) {
    let class = if class.is_empty() { String::new() } else { format!(r#" class="{class}""#) };
    // Writing into a string cannot fail.
    let _ = write!(svg, r#"<text{class} x="{x:.1}" y="{y:.1}">{}</text>"#, escape(text));
}

/// A figure with this many digits, at least, and the unit in which it is shortest.
fn readable(figure: f64, unit: &str, digits: usize) -> String {
    let (factor, units): (f64, Vec<(&str, f64)>) =
        match TIMES.iter().find(|(name, ..)| *name == unit) {
            Some((_, _, seconds)) => {
                (*seconds, TIMES.iter().map(|(_, unit, size)| (*unit, *size)).collect())
            }
            None if unit == "per second" => (1.0, RATES.to_vec()),
            None => (1.0, vec![(unit, 1.0)]),
        };
    let figure = figure * factor;
    // What rounds to 1000 of a unit is 1 of the next.
    let fitting = units.iter().find(|(_, size)| figure >= 0.9995 * size);
    let (unit, size) = *fitting.or(units.last()).unwrap_or(&(unit, 1.0));
    let number = figure / size;
    let before_the_point = match number {
        number if number >= 99.5 => 3,
        number if number >= 9.95 => 2,
        _ => 1,
    };
    format!("{number:.*} {unit}", digits.saturating_sub(before_the_point))
}

/// What is not measured, and where and when all else was.
fn notes(report: &Report) -> String {
    let Machine { processor, cores, system, load } = &report.machine;
    let machine = text!("chart.machine", processor, cores, system, load);
    let date = &report.date;
    let mut notes = vec![text!("chart.measured", date, machine)];
    for group in &report.groups {
        let unmeasured = group.rows.iter().filter(|row| row.figures.is_empty());
        let names: Vec<&str> = unmeasured.map(|row| row.name.as_str()).collect();
        if !names.is_empty() {
            let (title, names) = (&group.title, names.join(&text!("join.semicolon")));
            notes.push(text!("chart.unmeasured", title, names));
        }
    }
    for missing in &report.missing {
        notes.push(text!("chart.missing", missing));
    }
    format!("<p>{}</p>", escape(&notes.join(&text!("join.sentence"))))
}

/// All figures, for a reader who wants more digits than a drawing has, or cannot see it.
fn tables(report: &Report) -> String {
    let tables: String = report.groups.iter().map(table).collect();
    let summary = text!("chart.tables");
    format!(r#"<details data-paper="no"><summary>{summary}</summary>{tables}</details>"#)
}

fn table(group: &Group) -> String {
    let mut head = vec![text!("chart.name"), text!("chart.median"), text!("chart.spread")];
    let has_remarks =
        group.rows.iter().any(|row| !(row.remark.is_empty() && row.failures.is_empty()));
    if has_remarks {
        head.push(text!("chart.remark"));
    }
    let head = head.join("</th><th>");
    let body: String = group.rows.iter().map(|row| table_row(group, row, has_remarks)).collect();
    let title = escape(&group.title);
    format!(
        r#"<div class="table-wrapper"><table><caption>{title}</caption><thead><tr><th>{head}</th></tr></thead><tbody>{body}</tbody></table></div>"#
    )
}

fn table_row(group: &Group, row: &Row, has_remarks: bool) -> String {
    let mut cells = vec![String::from("–"), String::from("–")];
    if !row.figures.is_empty() {
        let shown = |figure| readable(figure, &group.unit, 3);
        let (least, most) = stats::spread(&row.figures);
        let (least, most) = (shown(least), shown(most));
        cells = vec![shown(row.median()), text!("chart.from-to", least, most)];
    }
    if has_remarks {
        let remarks = [&row.remark].into_iter().chain(&row.failures);
        let remarks: Vec<&str> =
            remarks.map(String::as_str).filter(|remark| !remark.is_empty()).collect();
        cells.push(remarks.join(&text!("join.semicolon")));
    }
    let (name, cells) = (escape(&row.name), cells.iter().map(|cell| escape(cell)));
    format!("<tr><th>{name}</th><td>{}</td></tr>", cells.collect::<Vec<_>>().join("</td><td>"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(name: &str, is_limit: bool, figures: &[f64]) -> Row {
        Row { figures: figures.to_vec(), ..Row::new(name, is_limit) }
    }

    fn group(title: &str, unit: &str, rows: Vec<Row>) -> Group {
        let more_is_better = unit == "per second";
        let (title, unit, reference) = (title.to_owned(), unit.to_owned(), "step 07".to_owned());
        Group { title, unit, more_is_better, reference, rows }
    }

    fn rendered(groups: Vec<Group>) -> String {
        let root = tempfile::tempdir().unwrap();
        Report { groups, ..Report::default() }.record(root.path(), "download").unwrap();
        render(root.path(), "download Which is `fast`?").unwrap()
    }

    /// A column of 380 units has 371 for its scale, after a margin of 4.5.
    #[test]
    fn a_row_has_a_dot_its_spread_and_its_figure_and_the_limit_is_a_line() {
        let mut slow = row("curl | <sum>", false, &[3.0]);
        slow.remark = "memory 3.1 MiB".to_owned();
        let mut failed = row("ncat", false, &[]);
        failed.failures.push("round 1: no answer".to_owned());
        let own = row("step 07", false, &[1.0, 2.0, 4.0]);
        let rows = vec![own, slow, row("limit", true, &[1.0]), failed];
        let html = rendered(vec![group("A download", "seconds", rows)]);
        // Below the title and the direction, 38 units high.
        for part in [
            "<figcaption>Which is <code>fast</code>?</figcaption>",
            r#"<circle class="own" cx="190.0" cy="80" r="4.5"/>"#,
            r#"d="M97.2 76.5V83.5M97.2 80H375.5M375.5 76.5V83.5""#,
            r#"<circle class="other" cx="282.8" cy="132" r="4.5"/>"#,
            r#"<path class="limit" d="M97.2 74V94M97.2 126V146M97.2 178V184"/>"#,
            r#"y="70.0">2.0 s</text>"#,
            ">curl | &lt;sum&gt;</text>",
            ">← better</text>",
            "<caption>A download</caption>",
            "<tr><th>step 07</th><td>2.00 s</td><td>1.00 s to 4.00 s</td><td></td></tr>",
            "<tr><th>curl | &lt;sum&gt;</th><td>3.00 s</td><td>3.00 s to 3.00 s</td><td>memory 3.1 MiB</td></tr>",
            "<tr><th>ncat</th><td>–</td><td>–</td><td>round 1: no answer</td></tr>",
            "Not measured in “A download”: ncat.",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
        assert_eq!(html.matches("<circle").count(), 2, "{html}");
        assert!(!html.contains(">ncat</text>"), "a row without any figure: {html}");
    }

    #[test]
    fn columns_share_their_rows_and_the_words_of_their_titles() {
        let rooms = (1..=7).map(|size| {
            let own = row("step 07", false, &[1e6]);
            let only_in_the_first = row("ncat", false, if size == 1 { &[2e6] } else { &[] });
            group(&format!("A room of {size}"), "per second", vec![own, only_in_the_first])
        });
        let html = rendered(rooms.collect());
        assert_eq!(html.matches("<svg ").count(), 2, "five columns fit side by side: {html}");
        assert_eq!(html.matches(">A room of</text>").count(), 2, "{html}");
        assert_eq!(html.matches("→ better").count(), 2, "{html}");
        for size in 1..=7 {
            assert!(html.contains(&format!(">{size}</text>")), "{html}");
        }
        assert_eq!(html.matches("<circle").count(), 8, "{html}");
        assert_eq!(html.matches(">–</text>").count(), 6, "{html}");
        let mut ids: Vec<&str> =
            html.split(" id=\"").skip(1).filter_map(|id| id.split('"').next()).collect();
        ids.dedup();
        assert_eq!(ids.len(), 4, "{ids:?}");
    }

    #[test]
    fn different_measures_each_have_their_direction() {
        let rows = || vec![row("step 07", false, &[2.0])];
        let html = rendered(vec![
            group("Round trips", "per second", rows()),
            group("Latency, 99th percentile", "microseconds", rows()),
        ]);
        for text in
            ["Round trips", "Latency, 99th percentile", "→ better", "← better", "2.0 /s", "2.0 µs"]
        {
            assert!(html.contains(&format!(">{text}</text>")), "{text} in {html}");
        }
        assert_eq!(wrapped("Latency, 99th percentile", 117.0), ["Latency, 99th", "percentile"]);
        assert_eq!(wrapped("Latency", 1.0), ["Latency"]);
        assert_eq!(wrapped("10 个客户端的聊天室", 60.0), ["10", "个客户端", "的聊天室"]);
    }

    #[test]
    fn figures_have_the_unit_in_which_they_are_short() {
        for (figure, unit, short, long) in [
            (64_835_699.0, "per second", "65 M/s", "64.8 M/s"),
            (205_245.0, "per second", "205 k/s", "205 k/s"),
            (999_600.0, "per second", "1.0 M/s", "1.00 M/s"),
            (999.4, "per second", "999 /s", "999 /s"),
            (0.006_370_132, "seconds", "6.4 ms", "6.37 ms"),
            (9.96, "milliseconds", "10 ms", "10.0 ms"),
            (18_500.0, "microseconds", "18 ms", "18.5 ms"),
            (0.0, "seconds", "0.0 ns", "0.00 ns"),
            (4.0, "KiB", "4.0 KiB", "4.00 KiB"),
        ] {
            assert_eq!([readable(figure, unit, 2), readable(figure, unit, 3)], [short, long]);
        }
    }

    #[test]
    fn what_is_drawn_stands_out_from_the_page_in_both_schemes() {
        let root = workspace::root::repository();
        let css = read(&root, "book/theme/css/general.css").unwrap();
        let value = |name: &str| css.split(&format!("{name}: ")).nth(1)?.split(';').next();
        // The value itself, or that of the variable that it names.
        let colours = |name: &str| -> Vec<f64> {
            let text = value(name).unwrap();
            let text = text
                .strip_prefix("var(")
                .map_or(text, |name| value(name.trim_end_matches(')')).unwrap());
            text.split('#')
                .skip(1)
                .map(|text| luminance(text.trim_end_matches([')', ',', ' '])))
                .collect()
        };
        let page = colours("--fig-bg");
        let mut drawn = 0;
        for name in STYLE.split("var(").skip(1).filter_map(|text| text.split(',').next()) {
            // The lines of the scales carry no figure.
            if ["--fig-bg", "--border"].contains(&name) {
                continue;
            }
            drawn += 1;
            for (a, b) in colours(name).iter().zip(&page) {
                let contrast = (a.max(*b) + 0.05) / (a.min(*b) + 0.05);
                assert!(contrast >= 4.5, "{name}: {contrast}");
            }
            assert_eq!((colours(name).len(), page.len()), (2, 2), "{name}");
        }
        assert!(drawn >= 5, "{STYLE}");
    }

    /// The relative luminance of a colour such as `1f2933` or `fff`, by WCAG.
    fn luminance(hex: &str) -> f64 {
        let long: String = match hex.len() {
            3 => hex.chars().flat_map(|digit| [digit, digit]).collect(),
            _ => hex.to_owned(),
        };
        let part = |at: usize| {
            let part = f64::from(u8::from_str_radix(&long[at..at + 2], 16).unwrap()) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * part(0) + 0.7152 * part(2) + 0.0722 * part(4)
    }

    #[test]
    fn a_chart_needs_a_question_and_a_report_with_figures() {
        let root = tempfile::tempdir().unwrap();
        let error = |arguments| format!("{:#}", render(root.path(), arguments).unwrap_err());
        assert_eq!(error("echo"), "expected {{#chart NAME Question?}}");
        assert_eq!(error("echo Why?"), "no such file: book/measured/echo.json");
        Report::default().record(root.path(), "echo").unwrap();
        assert_eq!(error("echo Why?"), "book/measured/echo.json holds no figures");
        std::fs::write(root.path().join("book/measured/echo.json"), "{}").unwrap();
        let text = error("echo Why?");
        assert!(text.starts_with("book/measured/echo.json is not a report"), "{text}");
    }
}
