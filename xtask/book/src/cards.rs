//! Wide tables, which a narrow screen shows as cards: one for each row, each cell with its column's name.
//!
//! A cell gets the name as `data-label`. A browser may forget what a table is once the style sheet shows it as
//! something else, so each part gets its role, too.

use std::fmt::Write as _;

/// A table with fewer columns fits any screen; one with more is a grid of short cells.
const COLUMNS: std::ops::RangeInclusive<usize> = 3..=5;

/// The most characters in a row that fits a narrow screen.
const NARROW: usize = 60;

/// The page, with names and roles in its wide tables.
pub fn label(page: &str) -> String {
    let mut labelled = String::with_capacity(page.len());
    let mut rest = page;
    while let Some(start) = rest.find("<table>") {
        let end = rest[start..].find("</table>").map_or(rest.len(), |len| start + len);
        labelled.push_str(&rest[..start]);
        labelled.push_str(&table(&rest[start..end]).unwrap_or_else(|| rest[start..end].to_owned()));
        rest = &rest[end..];
    }
    labelled + rest
}

/// A table with names and roles, if it is wide.
fn table(html: &str) -> Option<String> {
    let (head, _) = html.split_once("</thead>")?;
    let names: Vec<String> = cells(head).map(text).collect();
    let is_long =
        |row: &str| cells(row).map(|cell| text(cell).chars().count()).sum::<usize>() > NARROW;
    if !COLUMNS.contains(&names.len()) || !html.split("<tr>").any(is_long) {
        return None;
    }
    let mut labelled = String::with_capacity(2 * html.len());
    let mut column = 0;
    let mut in_head = false;
    for (index, part) in html.split('<').enumerate() {
        if index > 0 {
            labelled.push('<');
        }
        let name = part.split([' ', '>', '\n']).next().unwrap_or_default();
        labelled.push_str(name);
        let role = match name {
            "table" => r#" class="cards" role="table""#,
            "thead" | "tbody" => r#" role="rowgroup""#,
            "tr" => r#" role="row""#,
            "th" if in_head => r#" role="columnheader""#,
            "th" => r#" role="rowheader""#,
            "td" => r#" role="cell""#,
            _ => "",
        };
        labelled.push_str(role);
        match name {
            "thead" => in_head = true,
            "/thead" => in_head = false,
            "tr" => column = 0,
            "th" | "td" => {
                if let Some(label) = names.get(column).filter(|label| !in_head && !label.is_empty())
                {
                    // Writing to a String cannot fail.
                    let _ = write!(labelled, r#" data-label="{label}""#);
                }
                column += 1;
            }
            _ => {}
        }
        labelled.push_str(&part[name.len()..]);
    }
    Some(labelled)
}

/// What is in the cells of a row.
fn cells(row: &str) -> impl Iterator<Item = &str> {
    row.split("<t").filter_map(|part| {
        let is_cell = part.starts_with(['h', 'd']) && !part.starts_with("head");
        let (_, inner) = part.split_once('>').filter(|_| is_cell)?;
        inner.split("</t").next()
    })
}

/// The text of HTML, as an attribute holds it.
fn text(html: &str) -> String {
    let mut text = String::new();
    for (index, part) in html.split('<').enumerate() {
        text.push_str(if index == 0 { part } else { part.split_once('>').map_or("", |it| it.1) });
    }
    text.trim().replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(cell: &str) -> String {
        format!(
            "<p>a</p><table><thead><tr><th>it</th><th style=\"text-align: right\"><code>\"a\"</code> &amp; b</th><th></th></tr></thead>\
             <tbody>\n<tr><th scope=\"row\">x</th><td>{cell}</td><td>z</td></tr></tbody></table><p>b</p>"
        )
    }

    #[test]
    fn a_wide_table_has_names_and_roles() {
        let cell = "<a href=\"#x\">word</a> ".repeat(20);
        let expected = format!(
            "<p>a</p><table class=\"cards\" role=\"table\"><thead role=\"rowgroup\"><tr role=\"row\">\
             <th role=\"columnheader\">it</th><th role=\"columnheader\" style=\"text-align: right\"><code>\"a\"</code> &amp; b</th><th role=\"columnheader\"></th></tr></thead>\
             <tbody role=\"rowgroup\">\n<tr role=\"row\"><th role=\"rowheader\" data-label=\"it\" scope=\"row\">x</th>\
             <td role=\"cell\" data-label=\"&quot;a&quot; &amp; b\">{cell}</td><td role=\"cell\">z</td></tr></tbody></table><p>b</p>"
        );
        assert_eq!(label(&page(&cell)), expected);
    }

    #[test]
    fn other_tables_stay_as_they_are() {
        let narrow = page("y");
        assert_eq!(label(&narrow), narrow);
        let two = page(&"word ".repeat(20)).replace("<td>z</td>", "").replace("<th></th>", "");
        assert_eq!(label(&two), two);
    }
}
