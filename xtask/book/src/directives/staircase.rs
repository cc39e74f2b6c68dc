//! `{{#staircase}}`: every check against every step, and why each check matters;
//! `{{#staircase NN}}`: what one step adds to the one before.

use std::path::Path;

use anyhow::{Result, bail};
use conformance::check::{CHECKS, Check, Promise, Promises};

use crate::html::escape;
use crate::root::Step;
use crate::staircase::promises;

pub fn render(root: &Path, arguments: &str) -> Result<String> {
    let steps = promises(root)?;
    if arguments.is_empty() {
        return Ok(whole(&steps));
    }
    let wanted = arguments.parse().ok();
    let Some(index) = steps.iter().position(|(_, step)| Some(step.number) == wanted) else {
        bail!("expected {{{{#staircase}}}} or {{{{#staircase NN}}}}, with the number of a step");
    };
    Ok(one(&steps, index))
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
            let (name, why) = (check.name, escape(check.why));
            format!(r#"<dt id="{name}"><code>{name}</code></dt><dd>{why}</dd>"#)
        })
        .collect();
    format!(
        r#"<figure class="staircase"><div class="table-wrapper" tabindex="0" role="region" aria-label="The staircase"><table><thead><tr><th scope="col">check</th>{}</tr></thead><tbody>{}</tbody></table></div><figcaption>✓ kept, ✗ seen to break, · without meaning for this step. Each sign leads to the sentence that explains it.</figcaption></figure><dl>{}</dl>"#,
        head.concat(),
        rows.concat(),
        reasons.concat()
    )
}

fn cell(check: &Check, step: &Promises) -> String {
    let number = step.number;
    match step.promise(check.name) {
        None => r#"<td class="none"><span aria-label="without meaning" role="img">·</span></td>"#
            .to_owned(),
        Some(Promise::Kept) => format!(
            r#"<td class="kept"><a href="{}" aria-label="{} kept by step {number:02}">✓</a></td>"#,
            page(check.section),
            check.name
        ),
        Some(Promise::Broken) => format!(
            r#"<td class="broken"><a href="{}" aria-label="{} broken by step {number:02}">✗</a></td>"#,
            page(section_of_break(check, step)),
            check.name
        ),
    }
}

/// What a step keeps that the one before it broke, or was not asked; and what it still breaks.
fn one(steps: &[(Step, Promises)], index: usize) -> String {
    let step = &steps[index].1;
    // Step 05 has no server to hold to anything; what comes after it mends what came before it.
    let asked = |promises: &&Promises| !promises.keeps.is_empty();
    let before = steps[..index].iter().rev().map(|(_, promises)| promises).find(asked);
    let rows: Vec<String> =
        before.into_iter().chain([step]).map(|promises| row(promises, before)).collect();
    format!(
        r#"<figure class="staircase step"><table><thead><tr><th scope="col">step</th><th scope="col">keeps</th><th scope="col">is seen to break</th></tr></thead><tbody>{}</tbody></table><figcaption>What the tests of this step watch. <strong>Bold:</strong> new in this step.</figcaption></figure>"#,
        rows.concat()
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
        if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
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
