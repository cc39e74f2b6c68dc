//! The book in another language, in step with the English one: `cargo xtask translation`.
//!
//! A file beside the pages records for each section the hash of the English text from which it was made, and its own. A
//! section is *stale* if the English text has another hash by now.

mod chinese;
mod compare;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use conformance::text;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use similar::TextDiff;
use workspace::edition::{ENGLISH, folder_of, languages};

pub use self::compare::problems;
use crate::edition::TEACHERS_FOLDER;
use crate::summary::{self, Heading};

/// The record, below the folder of an edition.
pub const FILE: &str = "translated.toml";

/// How the text before a page's first heading is named.
pub const TOP: &str = "top";

const HEAD: &str = "\
# For each section: the hash of the English text from which it was made, and its own. `cargo xtask translation --done`
# writes them.
";

/// What can be chosen on the command line.
#[derive(Clone, Debug, clap::Args)]
pub struct Options {
    /// Record these sections as translated: PAGE.md#ID, or PAGE.md for all sections of a page that have changed in any
    /// language
    #[arg(long, value_name = "SECTION", num_args = 1..)]
    done: Vec<String>,
    /// Why a section needs no other words although the English ones have changed; it is recorded
    #[arg(long, value_name = "TEXT", requires = "done")]
    reason: Option<String>,
    /// The edition, by the name of its folder [default: all but the English one]
    #[arg(long, value_name = "LANG")]
    lang: Option<String>,
}

/// Lists stale sections with what has changed in English, or records sections as translated.
pub fn run(root: &Path, options: &Options) -> Result<()> {
    let mut others = others(root)?;
    if let Some(lang) = &options.lang {
        others.retain(|it| it == lang);
    }
    if others.is_empty() {
        bail!("{}", text!("translation.no-edition"));
    }
    if options.done.is_empty() {
        let mut out = io::stdout().lock();
        for language in &others {
            list(root, language, &mut out)?;
        }
        return Ok(());
    }
    let [language] = &others[..] else { bail!("{}", text!("translation.which")) };
    done(root, language, &options.done, options.reason.as_deref())
}

/// The languages into which the book is translated.
pub fn others(root: &Path) -> Result<Vec<String>> {
    let mut languages = languages(root)?;
    languages.retain(|it| folder_of(it) != ENGLISH);
    Ok(languages)
}

/// The name of a section: its page, and the id of its heading.
type Name = (String, String);

/// A section of the record.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    english: String,
    own: String,
    reason: Option<String>,
}

/// What was recorded for an edition, by pages and ids.
type Record = BTreeMap<String, BTreeMap<String, Entry>>;

/// The record; none if there is no such file, as in the sources of a learner, whose pages lack the solutions.
fn record(root: &Path, language: &str) -> Result<Option<Record>> {
    let file = format!("{}/{FILE}", folder_of(language));
    match fs::read_to_string(root.join(&file)) {
        Ok(text) => Ok(Some(toml::from_str(&text).with_context(|| file)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| file),
    }
}

/// The stale sections of an edition, in the order of the book, and those that are gone in English.
pub fn stale(root: &Path, language: &str) -> Result<Vec<Name>> {
    let Some(record) = record(root, language)? else { return Ok(Vec::new()) };
    let english = sections_of(root, ENGLISH)?;
    let changed = english.iter().filter(|(name, text)| is_stale(&record, name, text));
    let mut stale: Vec<Name> = changed.map(|(name, _)| name.clone()).collect();
    let english: BTreeSet<&Name> = english.iter().map(|(name, _)| name).collect();
    let names = record
        .iter()
        .flat_map(|(page, sections)| sections.keys().map(move |id| (page.clone(), id.clone())));
    stale.extend(names.filter(|name| !english.contains(name)));
    Ok(stale)
}

fn is_recorded(record: &Record, (page, id): &Name) -> bool {
    record.get(page).is_some_and(|sections| sections.contains_key(id))
}

/// Whether an English section has changed since it was recorded, or was not recorded.
fn is_stale(record: &Record, (page, id): &Name, english: &str) -> bool {
    let entry = record.get(page).and_then(|sections| sections.get(id));
    entry.is_none_or(|entry| entry.english != hash(english))
}

/// What a page shows below the heading of a stale section, with a link to the English one; in one line of HTML.
#[must_use]
pub fn note(page: &str, id: &str) -> String {
    let file = page.rsplit('/').next().unwrap_or(page).replace(".md", ".html");
    let fragment = if id == TOP { String::new() } else { format!("#{id}") };
    let (stale, link) = (text!("translation.stale"), text!("translation.stale-link"));
    format!(
        r#"<p class="stale">{stale} <a href="../{file}{fragment}" hreflang="en">{link}</a></p>"#
    )
}

/// A section's name, as it is written on the command line and in a link.
#[must_use]
pub fn shown((page, id): &Name) -> String {
    format!("{page}#{id}")
}

/// Lists the stale sections of an edition, each with the lines that have changed in English.
fn list(root: &Path, language: &str, out: &mut impl io::Write) -> Result<()> {
    let stale = stale(root, language)?;
    let count = stale.len();
    writeln!(out, "{}", text!("translation.count", language, count))?;
    let record = record(root, language)?.unwrap_or_default();
    let now: BTreeMap<Name, String> = sections_of(root, ENGLISH)?.into_iter().collect();
    for name in &stale {
        writeln!(out, "\n{}", shown(name))?;
        let new = now.get(name).map_or("", String::as_str);
        let made_from = record.get(&name.0).and_then(|it| it.get(&name.1)).map(|it| &*it.english);
        match made_from.map(|hash| earlier(root, name, hash)) {
            _ if new.is_empty() => writeln!(out, "  {}", text!("translation.gone"))?,
            None => writeln!(out, "  {}", text!("translation.new"))?,
            Some(None) => writeln!(out, "  {}", text!("translation.lost"))?,
            Some(Some(old)) => {
                for change in TextDiff::from_lines(&*old, new).unified_diff().iter_hunks() {
                    write!(out, "{change}")?;
                }
            }
        }
    }
    Ok(())
}

/// The text of an English section that has a hash, from the history of the repository.
fn earlier(root: &Path, (page, id): &Name, hash: &str) -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").current_dir(root).args(arguments).output().ok()?;
        String::from_utf8(output.stdout).ok().filter(|_| output.status.success())
    };
    let path = format!("{ENGLISH}/{}", path_of(page));
    let commits = git(&["log", "--format=%H", "--", &path])?;
    commits.lines().find_map(|commit| {
        let text = git(&["show", &format!("{commit}:./{path}")])?;
        let found =
            sections(&text).into_iter().find(|it| it.id == *id && self::hash(it.text) == hash);
        found.map(|it| it.text.to_owned())
    })
}

/// Records sections as translated. All of them, or none.
fn done(root: &Path, language: &str, wanted: &[String], reason: Option<&str>) -> Result<()> {
    let english = unique(sections_of(root, ENGLISH)?)?;
    let own = unique(sections_of(root, &folder_of(language))?)?;
    let mut record = record(root, language)?.unwrap_or_default();
    for wanted in wanted {
        for name in names(wanted, &english, &own, &record)? {
            let shown = shown(&name);
            let (english, own) = match (english.get(&name), own.get(&name)) {
                (Some(english), Some(own)) => (english, own),
                // It is gone, and its entry goes below.
                (None, None) if is_recorded(&record, &name) => continue,
                _ => bail!("{}", text!("translation.no-section", shown)),
            };
            let (english, own, reason) = (hash(english), hash(own), reason.map(str::to_owned));
            let sections = record.entry(name.0).or_default();
            let before = sections.get(&name.1);
            let is_as_it_was = before.is_some_and(|it| it.english != english && it.own == own);
            if is_as_it_was && reason.is_none() {
                bail!("{}", text!("translation.unchanged", shown));
            }
            let reason = reason.or_else(|| {
                before.filter(|it| it.english == english).and_then(|it| it.reason.clone())
            });
            sections.insert(name.1, Entry { english, own, reason });
        }
    }
    // A section that is gone needs no entry.
    for (page, sections) in &mut record {
        sections.retain(|id, _| english.contains_key(&(page.clone(), id.clone())));
    }
    record.retain(|_, sections| !sections.is_empty());
    let file = root.join(folder_of(language)).join(FILE);
    // A write that is interrupted leaves the old record as it was.
    let new = file.with_extension("toml.new");
    fs::write(&new, to_toml(&record))
        .and_then(|()| fs::rename(&new, &file))
        .with_context(|| format!("cannot write {}", file.display()))
}

/// Sections by their names: one that is there twice could not be recorded.
fn unique(sections: Vec<(Name, String)>) -> Result<BTreeMap<Name, String>> {
    let mut unique = BTreeMap::new();
    for (name, text) in sections {
        let shown = shown(&name);
        if unique.insert(name, text).is_some() {
            bail!("{}", text!("translation.twice", shown));
        }
    }
    Ok(unique)
}

/// The sections that are meant: one, or those of a page that are stale or have other words than were recorded.
fn names(
    wanted: &str,
    english: &BTreeMap<Name, String>,
    own: &BTreeMap<Name, String>,
    record: &Record,
) -> Result<Vec<Name>> {
    if let Some((page, id)) = wanted.split_once('#') {
        return Ok(vec![(page.to_owned(), id.to_owned())]);
    }
    let of_page = || english.iter().filter(|((page, _), _)| page == wanted);
    if of_page().next().is_none() {
        let Some(gone) = record.get(wanted) else {
            bail!("{}", text!("translation.no-page", wanted));
        };
        return Ok(gone.keys().map(|id| (wanted.to_owned(), id.clone())).collect());
    }
    let has_changed = |(page, id): &Name| {
        let entry = record.get(page).and_then(|sections| sections.get(id));
        let own = own.get(&(page.clone(), id.clone())).map(|text| hash(text));
        entry.is_some_and(|entry| Some(&entry.own) != own.as_ref())
    };
    let wanted = of_page().filter(|(name, text)| is_stale(record, name, text) || has_changed(name));
    Ok(wanted.map(|(name, _)| name.clone()).collect())
}

/// The record as a file: a line for each section.
fn to_toml(record: &Record) -> String {
    let quoted = |text: &str| toml::Value::from(text).to_string();
    let mut text = HEAD.to_owned();
    for (page, sections) in record {
        text.extend(["\n[", &quoted(page), "]\n"]);
        for (id, Entry { english, own, reason }) in sections {
            let reason =
                reason.as_ref().map_or(String::new(), |it| format!(", reason = {}", quoted(it)));
            let entry = ["english = \"", english, "\", own = \"", own, "\""].concat();
            text.extend([id, " = { ", &entry, &reason, " }\n"]);
        }
    }
    text
}

/// Enough of a hash to tell one text from another.
fn hash(text: &str) -> String {
    let digest = Sha256::digest(text.trim());
    let start = digest.iter().take(8).fold(0, |number, byte| number << 8 | u64::from(*byte));
    format!("{start:016x}")
}

/// A part of a page, from its heading to the next one.
#[derive(Debug, PartialEq, Eq)]
struct Section<'a> {
    /// The id of its heading, without that of a title.
    id: String,
    /// The number of its first line.
    line: usize,
    text: &'a str,
}

/// The sections of a page, in their order.
fn sections(page: &str) -> Vec<Section<'_>> {
    let mut sections = Vec::new();
    let (mut id, mut start, mut first, mut at, mut in_code) = (TOP.to_owned(), 0, 1, 0, false);
    for (line, number) in page.split_inclusive('\n').zip(1..) {
        in_code ^= line.trim_start().starts_with("```");
        if let Some(heading) = Heading::in_line(line.trim_end()).filter(|_| !in_code) {
            sections.push(Section { id, line: first, text: &page[start..at] });
            (id, start, first) = (id_of(heading), at, number);
        }
        at += line.len();
    }
    sections.push(Section { id, line: first, text: &page[start..] });
    sections
}

/// The id of a heading, as it is written, or as mdBook makes it.
fn id_of(heading: Heading) -> String {
    heading.id.map_or_else(|| summary::made_id(heading.title), str::to_owned)
}

/// The pages of an edition: the names of the teacher's begin with their folder.
fn pages(root: &Path, edition: &str) -> Result<Vec<(String, String)>> {
    let mut pages = Vec::new();
    for (below, prefix) in [("src", ""), (TEACHERS_FOLDER, "teacher/")] {
        let folder = root.join(edition).join(below);
        // A bundle may have no pages for teachers.
        if folder.is_dir() {
            for name in summary::pages(&folder)? {
                let text = summary::read(&folder, &name)
                    .with_context(|| text!("translation.listed", edition, below))?
                    .replace("\r\n", "\n");
                pages.push((format!("{prefix}{name}"), text));
            }
        }
    }
    Ok(pages)
}

/// The path of a page below the folder of an edition.
fn path_of(page: &str) -> String {
    if page.starts_with(TEACHERS_FOLDER) { page.to_owned() } else { format!("src/{page}") }
}

/// All sections of an edition with their texts, in the order of the book.
fn sections_of(root: &Path, folder: &str) -> Result<Vec<(Name, String)>> {
    let mut all = Vec::new();
    for (page, text) in pages(root, folder)? {
        all.extend(
            sections(&text).into_iter().map(|it| ((page.clone(), it.id), it.text.to_owned())),
        );
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use workspace::fixture;

    use super::*;
    use crate::TEXTS;
    use crate::build;
    use crate::edition::Edition;

    /// A book of two editions, all of whose sections are recorded.
    fn tree() -> TempDir {
        let tree = fixture::tree();
        let many =
            (1..=8).map(|number| format!("\n## S {number} {{#s{number}}}\n\nText {number}.\n"));
        fixture::append(tree.path(), "book/en/src/first.md", &many.collect::<String>());
        fixture::replace(tree.path(), "book/en/src/second.md", "The loop", "The loop {#the-loop}");
        fixture::copy_edition(tree.path(), "xx");
        for page in ["first", "second"] {
            let title = format!("# {}{}", page[..1].to_uppercase(), &page[1..]);
            let with_id = format!("{title} {{#{page}}}");
            fixture::replace(tree.path(), &format!("book/xx/src/{page}.md"), &title, &with_id);
            record(tree.path(), &[&format!("{page}.md")], None).unwrap();
        }
        tree
    }

    fn record(root: &Path, sections: &[&str], reason: Option<&str>) -> Result<()> {
        let done = sections.iter().map(|&it| it.to_owned()).collect();
        let reason = reason.map(str::to_owned);
        run(root, &Options { done, reason, lang: None })
    }

    fn stale_sections(root: &Path) -> Vec<String> {
        stale(root, "xx").unwrap().iter().map(shown).collect()
    }

    #[test]
    fn exactly_the_sections_that_change_in_english_are_stale() {
        let tree = tree();
        assert_eq!(stale_sections(tree.path()), [""; 0]);
        for number in [1, 3, 4, 8] {
            let (from, to) = (format!("Text {number}."), format!("Other text {number}."));
            fixture::replace(tree.path(), "book/en/src/first.md", &from, &to);
        }
        fixture::replace(tree.path(), "book/en/src/first.md", "See [the", "Look at [the");
        fixture::replace(tree.path(), "book/en/src/second.md", "or [up]", "and [up]");
        let expected = [
            "first.md#top",
            "first.md#s1",
            "first.md#s3",
            "first.md#s4",
            "first.md#s8",
            "second.md#the-loop",
        ];
        assert_eq!(stale_sections(tree.path()), expected);
    }

    #[test]
    fn the_page_names_what_is_older_and_leads_to_the_english_section() {
        let tree = tree();
        fixture::replace(tree.path(), "book/en/src/first.md", "Text 2.", "Other text 2.");
        fixture::replace(tree.path(), "book/en/src/first.md", "See [the", "Look at [the");
        build::build(tree.path(), &tree.path().join("out"), Edition::Everyone).unwrap();
        let read = |page| fs::read_to_string(tree.path().join("out").join(page)).unwrap();
        let page = read("xx/first.html");
        assert_eq!(page.matches("class=\"stale\"").count(), 2, "{page}");
        let (before, after) = page.split_once("href=\"../first.html#s2\"").unwrap();
        assert!(before.contains("id=\"s2\"") && after.contains("id=\"s3\""), "{page}");
        assert!(!read("first.html").contains("stale") && !read("xx/second.html").contains("stale"));
    }

    #[test]
    fn a_section_that_has_not_changed_needs_a_reason_which_is_recorded() {
        let tree = tree();
        fixture::replace(tree.path(), "book/en/src/first.md", "Text 2.", "A text 2.");
        fixture::replace(tree.path(), "book/en/src/first.md", "Text 3.", "A text 3.");
        let error = record(tree.path(), &["first.md#s2"], None).unwrap_err().to_string();
        assert!(error.starts_with("first.md#s2 has not changed"), "{error}");
        record(tree.path(), &["first.md#s2"], Some("only \"an\" article")).unwrap();
        assert_eq!(stale_sections(tree.path()), ["first.md#s3"]);
        let file = fs::read_to_string(tree.path().join("book/xx/translated.toml")).unwrap();
        assert!(file.contains("only \"an\" article"), "{file}");
        fixture::replace(tree.path(), "book/xx/src/first.md", "Text 3.", "文 3。");
        record(tree.path(), &["first.md"], None).unwrap();
        assert_eq!(stale_sections(tree.path()), [""; 0]);
        // Better words are recorded, too, so that they do not count as a translation later.
        fixture::replace(tree.path(), "book/xx/src/first.md", "Text 4.", "文 4。");
        record(tree.path(), &["first.md"], None).unwrap();
        fixture::replace(tree.path(), "book/en/src/first.md", "Text 4.", "A text 4.");
        assert!(record(tree.path(), &["first.md#s4"], None).is_err());
        for wrong in ["third.md", "first.md#s9"] {
            let error = record(tree.path(), &[wrong], None).unwrap_err().to_string();
            assert!(error.starts_with(wrong), "{error}");
        }
    }

    #[test]
    fn a_section_that_is_gone_in_english_is_stale_until_it_is_gone_here_too() {
        let tree = tree();
        let section = "\n## S 8 {#s8}\n\nText 8.\n";
        fixture::replace(tree.path(), "book/en/src/first.md", section, "");
        assert_eq!(stale_sections(tree.path()), ["first.md#s8"]);
        assert!(record(tree.path(), &["first.md#s8"], None).is_err());
        fixture::replace(tree.path(), "book/xx/src/first.md", section, "");
        record(tree.path(), &["first.md#s8"], None).unwrap();
        assert_eq!(stale_sections(tree.path()), [""; 0]);
    }

    #[test]
    fn a_page_that_is_gone_in_both_editions_needs_no_record() {
        let tree = tree();
        for edition in ["en", "xx"] {
            let src = format!("book/{edition}/src");
            let summary = format!("{src}/SUMMARY.md");
            fixture::replace(tree.path(), &summary, "- [Second](second.md)\n", "");
        }
        assert!(stale_sections(tree.path()).contains(&"second.md#the-loop".to_owned()));
        record(tree.path(), &["second.md"], None).unwrap();
        assert_eq!(stale_sections(tree.path()), [""; 0]);
    }

    #[test]
    fn an_id_that_is_there_twice_and_a_page_that_is_not_there_are_named() {
        let tree = tree();
        let before = fs::read_to_string(tree.path().join("book/xx/translated.toml")).unwrap();
        fixture::append(tree.path(), "book/en/src/first.md", "\n## Again {#s8}\n");
        let error = record(tree.path(), &["first.md"], None).unwrap_err().to_string();
        assert!(error.starts_with("first.md#s8 is there twice"), "{error}");
        fixture::replace(tree.path(), "book/en/src/first.md", "\n## Again {#s8}\n", "");
        fs::remove_file(tree.path().join("book/xx/src/second.md")).unwrap();
        let error = format!("{:#}", record(tree.path(), &["first.md"], None).unwrap_err());
        let start = "book/xx/src/SUMMARY.md lists a page that cannot be read; \
                     write it or remove its line: cannot read second.md: ";
        assert!(error.starts_with(start), "{error}");
        let after = fs::read_to_string(tree.path().join("book/xx/translated.toml")).unwrap();
        assert_eq!(after, before);
    }

    #[test]
    fn what_a_stale_section_lacks_is_no_further_problem() {
        let tree = tree();
        assert_eq!(problems(tree.path(), "xx").unwrap(), [""; 0]);
        for (from, to) in [("Text 2.", "Text `2`."), ("## S 4 {#s4}", "## S 4a {#s4a}")] {
            fixture::replace(tree.path(), "book/en/src/first.md", from, to);
            assert_eq!(problems(tree.path(), "xx").unwrap(), [""; 0]);
        }
        fixture::replace(tree.path(), "book/xx/src/second.md", "[Back](first.md), or", "Or");
        assert_eq!(
            problems(tree.path(), "xx").unwrap(),
            ["book/xx/src/second.md:3: lacks the link first.md"]
        );
    }

    /// Each language of the book has its words of the theme.
    #[test]
    fn the_theme_has_the_same_words_in_each_language() {
        let root = workspace::root::repository();
        let theme = fs::read_to_string(root.join("book/theme/header.hbs")).unwrap();
        let table =
            theme.split_once("(lookup ").unwrap().1.split_once(" @root.language").unwrap().0;
        let table: BTreeMap<String, BTreeMap<String, String>> =
            serde_json::from_str(table).unwrap();
        let words =
            |language: &str| table.get(language).expect(language).keys().collect::<BTreeSet<_>>();
        for language in languages(&root).unwrap() {
            assert_eq!(words(&language), words("en"), "{language}");
            assert!(TEXTS.names().any(|it| it == language), "{language} has no table of texts");
        }
    }

    #[test]
    fn what_has_changed_in_english_is_shown_from_the_history() {
        let tree = tree();
        let git = |arguments: &[&str]| {
            let mut git = Command::new("git");
            git.current_dir(tree.path()).args(["-c", "user.name=a", "-c", "user.email=a@b"]);
            assert!(git.args(arguments).output().unwrap().status.success());
        };
        git(&["init", "-q"]);
        git(&["add", "book"]);
        git(&["commit", "-q", "-m", "x"]);
        fixture::replace(tree.path(), "book/en/src/first.md", "Text 2.", "Other text 2.");
        let mut out = Vec::new();
        list(tree.path(), "xx", &mut out).unwrap();
        let out = String::from_utf8(out).unwrap();
        for part in ["first.md#s2\n", "\n-Text 2.\n", "\n+Other text 2.\n"] {
            assert!(out.contains(part), "{part} in {out}");
        }
        assert_eq!(out.matches(".md#").count(), 1, "{out}");
    }
}
