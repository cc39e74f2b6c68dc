//! What the book shows in the place of a directive.

mod chart;
pub mod collect;
pub mod contract;
mod diff;
mod figure;
mod listing;
pub mod message;
pub mod schedule;
mod session;
mod staircase;
pub mod time;

use std::path::Path;

use anyhow::Result;

use crate::directive::Directive;
use crate::place;

/// Returns the HTML that replaces a directive.
pub fn render(directive: &Directive, root: &Path) -> Result<String> {
    match directive.name {
        "listing" => listing::render(root, directive.arguments),
        "diff" => diff::render(root, directive.arguments),
        "session" => session::render(root, directive.arguments),
        "figure" => figure::render(root, directive.arguments),
        "chart" => chart::render(root, directive.arguments),
        "steps" => place::render(root, directive.arguments),
        "staircase" => staircase::render(root, directive.arguments),
        _ => directive.misplaced(),
    }
}

/// What a directive shows that is not written in its page: places in the table of another language, and the English
/// texts of each.
pub fn captions(root: &Path, directive: &Directive) -> Result<Vec<(String, Vec<String>)>> {
    Ok(match directive.name {
        "session" => vec![session::captions(root, directive.arguments)?],
        "figure" => vec![figure::captions(root, directive.arguments)?],
        "chart" => vec![chart::captions(root, directive.arguments)?],
        "steps" => place::captions(root)?,
        _ => Vec::new(),
    })
}

#[cfg(test)]
mod tests;
