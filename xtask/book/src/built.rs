//! The check `book`: the built pages, with every link followed.

mod glossary;
mod page;
mod prose;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::ops::AddAssign;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use conformance::text;
use conformance::texts::in_language;
use tempfile::TempDir;
use workspace::edition::{ENGLISH, folder_of};

use self::page::{Link, Page};
pub use self::prose::paragraphs;
use crate::directives::message;
use crate::edition::{Edition, TEACHERS_FOLDER};
use crate::{build, captions, heads, translation};

/// What was looked at.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Editions of the book: one less without the teacher's pages, which most bundles lack.
    pub editions: usize,
    /// Pages of HTML.
    pub pages: usize,
    /// Links and other references in them.
    pub links: usize,
    /// What is older in a translation than in English.
    pub stale: Vec<String>,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.editions += other.editions;
        self.pages += other.pages;
        self.links += other.links;
        self.stale.extend(other.stale);
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} pages, {} links, in {} editions", self.pages, self.links, self.editions)?;
        if self.stale.is_empty() {
            return Ok(());
        }
        write!(f, "; {}", self.stale.join("; "))
    }
}

/// Builds the book into a folder, and its other editions into folders of their own, and looks at every page; the
/// error has a line for each thing that is wrong.
///
/// What is older in a translation than in English is only named, unless it is `strict`.
pub fn check(root: &Path, dest: &Path, strict: bool) -> Result<Counts> {
    build::build(root, dest, Edition::Everyone)?;
    let site = Site::read(dest)?;
    let src = root.join(ENGLISH).join("src");
    let mut problems = heads::problems(root)?;
    problems.extend(message::problems(root)?);
    problems.extend(glossary::unlinked_terms(&src)?);
    problems.extend(glossary::late_links(&src, Edition::Everyone)?);
    problems.extend(prose::problems(root)?);
    let mut stale = Vec::new();
    for language in translation::others(root)? {
        problems.extend(translation::problems(root, &language)?);
        let sections = translation::stale(root, &language)?.into_iter();
        stale.extend(sections.map(|section| {
            let shown = translation::shown(&section);
            format!("{language}/{shown}: the English section has changed (cargo xtask translation)")
        }));
        stale.extend(in_language(&language, || captions::problems(root))?);
    }
    problems.extend(site.problems(root));
    problems.extend(site.unused());
    let mut counts = site.counts();
    if strict {
        problems.extend(stale.iter().cloned());
    }
    counts.stale = stale;
    for edition in Edition::ALL.into_iter().filter(|it| *it != Edition::Everyone) {
        if edition == Edition::Teacher && !root.join(ENGLISH).join(TEACHERS_FOLDER).is_dir() {
            continue;
        }
        let folder = TempDir::new().context("cannot make a folder for the book")?;
        build::build(root, folder.path(), edition)?;
        let site = Site::read(folder.path())?;
        let mut found = site.problems(root);
        found.extend(site.unused());
        if !edition.has_solutions() {
            found.extend(site.leftovers(folder.path())?);
        }
        if edition == Edition::Learner {
            found.extend(glossary::late_links(&src, edition)?);
        }
        // What is wrong in all editions is named once.
        found.retain(|problem| !problems.contains(problem));
        problems.extend(found.into_iter().map(|problem| {
            format!("--edition{}: {problem}", edition.suffix().replacen('-', " ", 1))
        }));
        counts += site.counts();
    }
    if problems.is_empty() {
        return Ok(counts);
    }
    bail!("{}", problems.join("\n"))
}

/// What no page has that is for learners, and no summary that begins with the word for a solution.
const LEFTOVERS: [&str; 2] = ["class=\"teacher\"", "exercises/"];

/// What is found without a link: by servers, by search engines, and by `cargo xtask build`.
const ENTRANCES: [&str; 6] =
    [".nojekyll", "404.html", "index.html", "robots.txt", "sitemap.xml", "toc.html"];

/// A folder of built pages.
struct Site {
    /// By path, relative to the site's root, with slashes.
    pages: BTreeMap<String, Page>,
    /// Style sheets, as pages that have nothing but references.
    styles: BTreeMap<String, Vec<Link>>,
    files: Vec<String>,
}

impl Site {
    fn read(dest: &Path) -> Result<Self> {
        let mut site = Self { pages: BTreeMap::new(), styles: BTreeMap::new(), files: Vec::new() };
        site.files = files(dest)?;
        for path in &site.files {
            let read = || {
                fs::read_to_string(dest.join(path)).with_context(|| format!("cannot read {path}"))
            };
            match path.rsplit_once('.') {
                Some((_, "html")) => {
                    site.pages.insert(path.clone(), Page::parse(&read()?));
                }
                Some((_, "css")) => {
                    site.styles.insert(path.clone(), page::links_in_css(&read()?));
                }
                _ => {}
            }
        }
        Ok(site)
    }

    fn counts(&self) -> Counts {
        Counts {
            editions: 1,
            pages: self.pages.len(),
            links: self.pages.values().map(|page| page.links.len()).sum(),
            stale: Vec::new(),
        }
    }

    /// One line for each page that shows what learners must not see.
    fn leftovers(&self, dest: &Path) -> Result<Vec<String>> {
        let mut problems = Vec::new();
        for path in self.pages.keys() {
            let text = fs::read_to_string(dest.join(path))?;
            let language = path.split_once('/').map_or("en", |(language, _)| language);
            let solution = in_language(language, || format!("<summary>{}", text!("fold.solution")));
            let leftovers = LEFTOVERS.into_iter().chain([&*solution]);
            let found = leftovers.filter(|leftover| text.contains(*leftover));
            problems.extend(found.map(|leftover| format!("{path}: `{leftover}` is left in it")));
        }
        Ok(problems)
    }

    /// One line for each thing that is wrong; `root` is where the pages' sources are.
    fn problems(&self, root: &Path) -> Vec<String> {
        let mut problems = Vec::new();
        for (path, page) in &self.pages {
            let whole_page = page.problems.iter().map(|problem| (problem.clone(), ""));
            let links = page.links.iter().filter_map(|link| {
                let problem = self.follow(path, page.base.as_deref(), link)?;
                Some((format!("{}: {problem}", link.shown), link.target.as_str()))
            });
            for (problem, needle) in whole_page.chain(links) {
                let source = source(root, path, needle);
                problems.push(format!("{path}: {problem}{source}"));
            }
        }
        for (path, links) in &self.styles {
            for link in links {
                if let Some(problem) = self.follow(path, None, link) {
                    problems.push(format!("{path}: {}: {problem}", link.shown));
                }
            }
        }
        problems
    }

    /// One line for each file that no page and no style sheet leads to.
    fn unused(&self) -> Vec<String> {
        let of_pages = self.pages.iter().flat_map(|(path, page)| {
            page.links.iter().filter_map(|link| link.path(path, page.base.as_deref()))
        });
        let of_styles = self
            .styles
            .iter()
            .flat_map(|(path, links)| links.iter().filter_map(|link| link.path(path, None)));
        let used: BTreeSet<String> = of_pages.chain(of_styles).collect();
        let is_redirect = |path: &str| self.pages.get(path).is_some_and(|page| page.is_redirect);
        let is_known = |path: &str| {
            used.contains(path)
                || is_redirect(path)
                || ENTRANCES.contains(&path.rsplit('/').next().unwrap_or(path))
                || path.ends_with("LICENSE.txt")
        };
        let unused = self.files.iter().filter(|path| !is_known(path));
        unused.map(|path| format!("{path}: no page leads to this file")).collect()
    }

    /// What is wrong with a link, if there is something.
    fn follow(&self, from: &str, base: Option<&str>, link: &Link) -> Option<String> {
        let target = link.target.trim();
        if is_remote(target) {
            let problem = "a page must not ask another host for anything";
            return link.is_request.then(|| problem.to_owned());
        }
        if has_scheme(target) {
            return None;
        }
        let Some(path) = link.path(from, base) else {
            return Some("leads out of the book".to_owned());
        };
        let (_, fragment) = target.split_once('#').unwrap_or((target, ""));
        if !self.files.contains(&path) {
            return Some(format!("no such file: {path}"));
        }
        let page = self.pages.get(&path)?;
        let fragment = decode(fragment);
        let found = fragment.is_empty() || page.ids.contains(&fragment);
        (!found).then(|| format!("{path} has no id `{fragment}`"))
    }
}

impl Link {
    /// The file in the book to which it leads; none if it leads out of the book.
    fn path(&self, from: &str, base: Option<&str>) -> Option<String> {
        let target = self.target.trim();
        if is_remote(target) || has_scheme(target) {
            return None;
        }
        match target.split(['#', '?']).next().unwrap_or_default() {
            "" => Some(from.to_owned()),
            path => resolve(base.unwrap_or(from), &decode(path)),
        }
    }
}

/// The files of a built book: their paths, with slashes.
pub fn files(dest: &Path) -> Result<Vec<String>> {
    let mut files = Vec::new();
    list(dest, "", &mut files)?;
    Ok(files)
}

/// Lists the files below a folder, with slashes.
fn list(folder: &Path, prefix: &str, files: &mut Vec<String>) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        let path = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &format!("{path}/"), files)?;
        } else {
            files.push(path);
        }
    }
    files.sort();
    Ok(())
}

fn is_remote(target: &str) -> bool {
    let target = target.to_ascii_lowercase();
    ["http:", "https:", "//"].iter().any(|start| target.starts_with(start))
}

/// Whether it begins like `mailto:` or `data:`.
fn has_scheme(target: &str) -> bool {
    let in_scheme = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    target
        .split_once(':')
        .is_some_and(|(scheme, _)| !scheme.is_empty() && scheme.chars().all(in_scheme))
}

/// The path that a relative reference means, or none if it leads above the site's root.
fn resolve(from: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    parts.retain(|part| !part.is_empty());
    if path.starts_with('/') {
        parts.clear();
    }
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            _ => parts.push(part),
        }
    }
    if path.ends_with('/') || parts.is_empty() {
        parts.push("index.html");
    }
    Some(parts.join("/"))
}

/// Replaces `%20` and the like.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten();
        let byte = hex.and_then(|hex| u8::from_str_radix(str::from_utf8(hex).ok()?, 16).ok());
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The page's source, and the line in it that holds a link, as far as these can be found.
fn source(root: &Path, page: &str, link: &str) -> String {
    let page = page.replace(".html", ".md");
    let (language, page) = page.split_once('/').unwrap_or(("en", &page));
    let read = |folder| {
        let shown = format!("{}/{folder}/{page}", folder_of(language));
        fs::read_to_string(root.join(&shown)).map(|text| (shown, text))
    };
    let Ok((shown, text)) = read("src").or_else(|_| read(TEACHERS_FOLDER)) else {
        return String::new();
    };
    let as_written = link.replace(".html", ".md");
    let holds =
        |line: &str| !link.is_empty() && (line.contains(&as_written) || line.contains(link));
    match text.lines().position(holds) {
        Some(index) => format!(" ({shown}:{})", index + 1),
        None => format!(" ({shown})"),
    }
}

#[cfg(test)]
mod tests;
