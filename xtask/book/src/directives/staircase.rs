//! `{{#staircase}}`: every check against every step, and why each check matters;
//! `{{#staircase NN}}`: what one step adds to the one before.

use std::path::Path;

use anyhow::{Context as _, Result};
use conformance::check::{CHECKS, Check, Promise, Promises};
use conformance::text;
use workspace::promises::promises;
use workspace::root::Step;

use crate::html::escape;

pub fn render(root: &Path, arguments: &str) -> Result<String> {
    let steps = promises(root)?;
    if arguments.is_empty() {
        return Ok(whole(&steps));
    }
    position(&steps, arguments)
        .map(|index| one(&steps, index))
        .context("expected {{#staircase}} or {{#staircase NN}}, with the number of a step")
}

fn position(steps: &[(Step, Promises)], number: &str) -> Option<usize> {
    let wanted: u8 = number.parse().ok()?;
    steps.iter().position(|(_, step)| step.number == wanted)
}

/// A row for each check, a column for each step.
fn whole(steps: &[(Step, Promises)]) -> String {
    let head: Vec<String> = steps
        .iter()
        .map(|(step, promises)| {
            let link = page(&promises.chapter);
            let (number, name) = (promises.number, escape(&step.name));
            format!(r#"<th scope="col"><a href="{link}" title="{name}">{number:02}</a></th>"#)
        })
        .collect();
    let rows: Vec<String> = CHECKS
        .iter()
        .map(|check| {
            let cells: Vec<String> = steps.iter().map(|(_, it)| cell(check, it)).collect();
            format!(
                r##"<tr><th scope="row"><a href="#{name}">{name}</a></th>{}</tr>"##,
                cells.concat(),
                name = check.name
            )
        })
        .collect();
    let reasons: Vec<String> = CHECKS
        .iter()
        .map(|check| {
            let (name, why) = (check.name, escape(check.why()));
            format!(r#"<dt id="{name}"><code>{name}</code></dt><dd>{why}</dd>"#)
        })
        .collect();
    format!(
        r#"<figure class="staircase"><div class="table-wrapper" role="region" aria-label="{}"><table><thead><tr><th scope="col">{}</th>{}</tr></thead><tbody>{}</tbody></table></div><figcaption>{}</figcaption></figure><dl>{}</dl>"#,
        text!("staircase.name"),
        text!("staircase.check"),
        head.concat(),
        rows.concat(),
        text!("staircase.caption"),
        reasons.concat()
    )
}

fn cell(check: &Check, step: &Promises) -> String {
    let promise = step.promise(check.name);
    let section = match promise {
        Some(Promise::Broken) => page(section_of_break(check, step)),
        _ => page(check.section),
    };
    let (check, step) = (check.name, format!("{:02}", step.number));
    match promise {
        None => format!(
            r#"<td class="none"><span aria-label="{}" role="img">·</span></td>"#,
            text!("staircase.without-meaning")
        ),
        Some(Promise::Kept) => format!(
            r#"<td class="kept"><a href="{section}" aria-label="{}">✓</a></td>"#,
            text!("staircase.kept-by", check, step)
        ),
        Some(Promise::Broken) => format!(
            r#"<td class="broken"><a href="{section}" aria-label="{}">✗</a></td>"#,
            text!("staircase.broken-by", check, step)
        ),
    }
}

/// What a step keeps that the one before it broke, or was not asked; and what it still breaks.
fn one(steps: &[(Step, Promises)], index: usize) -> String {
    let step = &steps[index].1;
    // Step 05 has no server to hold to anything; the step after it fixes what the step before it breaks.
    let asked = |promises: &&Promises| !promises.keeps.is_empty();
    let before = steps[..index].iter().rev().map(|(_, promises)| promises).find(asked);
    let rows: Vec<String> =
        before.into_iter().chain([step]).map(|promises| row(promises, before)).collect();
    // In the first step everything is new, and nothing is in bold.
    let new = before.map_or(String::new(), |_| {
        format!(" <strong>{}</strong> {}", text!("staircase.new"), text!("staircase.new-meaning"))
    });
    format!(
        r#"<figure class="staircase step"><table><thead><tr><th scope="col">{}</th><th scope="col">{}</th><th scope="col">{}</th></tr></thead><tbody>{}</tbody></table><figcaption>{}{new}</figcaption></figure>"#,
        text!("staircase.step"),
        text!("staircase.keeps"),
        text!("staircase.breaks"),
        rows.concat(),
        text!("staircase.caption-one"),
    )
}

/// A step with the names of the checks, those in bold that the step before did not keep.
fn row(step: &Promises, before: Option<&Promises>) -> String {
    let kept_before =
        |check: &Check| before.is_none_or(|it| it.promise(check.name) == Some(Promise::Kept));
    let is_before = before.is_some_and(|it| it.number == step.number);
    let names = |promise: Promise| {
        let names: Vec<String> = CHECKS
            .iter()
            .filter(|check| step.promise(check.name) == Some(promise))
            .map(|check| {
                let section = match promise {
                    Promise::Kept => check.section,
                    Promise::Broken => section_of_break(check, step),
                };
                let link = format!(r#"<a href="{}">{}</a>"#, page(section), check.name);
                match promise {
                    Promise::Kept if !is_before && !kept_before(check) => {
                        format!("<strong>{link}</strong>")
                    }
                    _ => link,
                }
            })
            .collect();
        if names.is_empty() { text!("staircase.nothing") } else { names.join(&text!("join.comma")) }
    };
    format!(
        r#"<tr><th scope="row"><a href="{}">{:02}</a></th><td>{}</td><td>{}</td></tr>"#,
        page(&step.chapter),
        step.number,
        names(Promise::Kept),
        names(Promise::Broken)
    )
}

/// Where the book shows how a step breaks a check.
fn section_of_break<'a>(check: &'a Check, step: &'a Promises) -> &'a str {
    let section = step.breaks.iter().find(|(name, _)| name == check.name);
    section.map_or(check.section, |(_, section)| section)
}

/// A link to a page's source, as a link to the page: mdBook does not look into HTML.
fn page(section: &str) -> String {
    escape(&section.replacen(".md", ".html", 1))
}
