//! Whether the pages of a translation have all that the English pages have: the same sections, directives, links,
//! callouts, exercises, code and numbers.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use conformance::texts::in_language;
use mdbook_markdown::pulldown_cmark::{Event, Tag, TagEnd};
use mdbook_markdown::{MarkdownOptions, new_cmark_parser};
use workspace::edition::{ENGLISH, folder_of};

use super::{Section, TOP, chinese, id_of, pages, path_of, sections, stale};
use crate::directive::Directive;
use crate::directives::collect::CORRECTION;
use crate::edition::TEACHERS_FOLDER;
use crate::fold;
use crate::html::{self, Reader, attribute};
use crate::summary::{self, Heading};

/// Attributes whose values are words for a reader.
const WORDS: [&str; 3] = ["alt", "aria-label", "title"];

/// What a translation has neither less often nor more often than English. Of all else it may have more: it answers
/// questions that only its readers have.
const EXACT: [&str; 3] = ["directive", "exercise", "block of code"];

/// What makes a number one of another unit.
const LARGE: [&str; 2] = [" million", " billion"];

/// A number may be there once for several times in English, and a translation may have it where English has a word.
const NUMBER: &str = "number";

/// One line for each difference between an edition and the English one; what is stale is named elsewhere.
pub fn problems(root: &Path, language: &str) -> Result<Vec<String>> {
    let folder = folder_of(language);
    let stale = stale(root, language)?;
    let (english, own) = (pages(root, ENGLISH)?, pages(root, &folder)?);
    let own: BTreeMap<&str, &str> = own.iter().map(|(name, text)| (&**name, &**text)).collect();
    let mut problems = contents(root, &folder)?;
    for (name, english) in &english {
        let file = format!("{folder}/{}", path_of(name));
        let stale: Vec<&str> =
            stale.iter().filter(|(page, _)| page == name).map(|(_, id)| &**id).collect();
        let Some(own) = own.get(&**name) else {
            if stale.is_empty() {
                problems.push(format!("{file}: this page is missing"));
            }
            continue;
        };
        let mut found = in_language(language, || page(english, own, &stale))?;
        if language.starts_with("zh") {
            found.extend(chinese::problems(name, own));
        }
        problems
            .extend(found.into_iter().map(|(line, problem)| format!("{file}:{line}: {problem}")));
    }
    Ok(problems)
}

/// Whether both lists of contents name the same pages at the same depth, as far as both have them.
fn contents(root: &Path, folder: &str) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for below in ["src", TEACHERS_FOLDER] {
        let is_there = |page: &str| root.join(folder).join(below).join(page).is_file();
        let read = |folder: &str| -> Result<Vec<String>> {
            let folder = root.join(folder).join(below);
            let text =
                if folder.is_dir() { summary::read(&folder, "SUMMARY.md")? } else { String::new() };
            let entry = |line: &str| {
                let (indent, page) = (line.split_once('[')?.0, line.split_once("](")?.1);
                is_there(page.trim_end_matches(')')).then(|| format!("{indent}{page}"))
            };
            Ok(text.lines().filter_map(entry).collect())
        };
        if read(ENGLISH)? != read(folder)? {
            problems
                .push(format!("{folder}/{below}/SUMMARY.md: its pages are not those of {ENGLISH}"));
        }
    }
    Ok(problems)
}

/// What is wrong with a page, each with its line; `stale` are the ids of sections that are not looked at.
fn page(english: &str, own: &str, stale: &[&str]) -> Result<Vec<(usize, String)>> {
    let mut problems = Vec::new();
    let (theirs, ours) = (sections(english), sections(own));
    let heading = |section: &Section| {
        let level = section.text.bytes().take_while(|byte| *byte == b'#').count();
        (if section.id == TOP { 1 } else { level }, section.id.clone())
    };
    let differs = (0..theirs.len().max(ours.len()))
        .find(|at| theirs.get(*at).map(heading) != ours.get(*at).map(heading));
    if let Some(at) = differs {
        if !stale.is_empty() {
            return Ok(problems);
        }
        let shown = |section: Option<&Section>| {
            section.map_or("the end of the page".to_owned(), |it| {
                let (level, id) = heading(it);
                format!("{} {{#{id}}}", "#".repeat(level))
            })
        };
        let (there, here) = (shown(theirs.get(at)), shown(ours.get(at)));
        let line = ours.get(at).map_or(1, |it| it.line);
        problems.push((line, format!("{here} is where English has {there}")));
        return Ok(problems);
    }
    let first =
        |text: &str| text.lines().find_map(|line| line.strip_prefix("# ")).map(str::to_owned);
    let title_id = |text: &str| {
        let line = format!("## {}", first(text).unwrap_or_default());
        Heading::in_line(&line).map(id_of)
    };
    if title_id(english) != title_id(own) {
        let id = title_id(english).unwrap_or_default();
        problems.push((1, format!("the title needs {{#{id}}}, the id that it has in English")));
    }
    let pairs = theirs.iter().zip(&ours);
    for (theirs, ours) in pairs.filter(|(theirs, _)| !stale.contains(&&*theirs.id)) {
        problems.extend(section(theirs.text, ours.text).into_iter().map(|it| (ours.line, it)));
    }
    let kinds =
        |text| fold::blocks(text).map(|it| it.into_iter().map(|it| it.kind).collect::<Vec<_>>());
    if stale.is_empty() && in_language("en", || kinds(english))? != kinds(own)? {
        problems.push((
            1,
            "its answers, hints, solutions and notes are not those of English".to_owned(),
        ));
    }
    problems.sort();
    Ok(problems)
}

/// What a section lacks or has too often.
fn section(english: &str, own: &str) -> Vec<String> {
    let (theirs, mut ours) = (marks(english), marks(own));
    let mut problems = Vec::new();
    for (mark, count) in theirs {
        let own = ours.remove(&mark).unwrap_or(0);
        let (kind, value) = &mark;
        if own == 0 || own < count && *kind != NUMBER {
            problems.push(format!("lacks the {kind} {value}"));
        } else if own > count && EXACT.contains(kind) {
            problems.push(format!("has the {kind} {value} too often"));
        }
    }
    let more = ours.into_keys().filter(|(kind, _)| EXACT.contains(kind));
    problems
        .extend(more.map(|(kind, value)| format!("has the {kind} {value}, which English has not")));
    problems
}

/// What must be the same in each language, and how often it is there.
fn marks(text: &str) -> BTreeMap<(&'static str, String), usize> {
    let mut marks = Marks::default();
    for line in text.lines() {
        if let Some(Directive { name, arguments, .. }) = Directive::alone_in(line) {
            let shown = match name {
                // The rest is a caption.
                "figure" | "chart" => arguments.split_whitespace().next().unwrap_or_default(),
                _ => arguments,
            };
            marks.add("directive", &format!("{name} {shown}"));
        }
        if line.trim_start_matches(['>', ' ']) == CORRECTION {
            marks.add("callout", CORRECTION);
        }
        if let Some((number, _)) = line.strip_prefix("**").and_then(|it| it.split_once(". "))
            && number.bytes().all(|byte| byte.is_ascii_digit())
        {
            marks.add("exercise", number);
        }
    }
    let mut options = MarkdownOptions::default();
    options.smart_punctuation = false;
    let mut block: Option<String> = None;
    for event in new_cmark_parser(text, &options) {
        match event {
            Event::Start(Tag::Link { dest_url, .. }) => marks.add("link", &dest_url),
            Event::Start(Tag::Image { dest_url, .. }) => marks.add("image", &dest_url),
            Event::Start(Tag::Item) => marks.add("mark", "of an item"),
            Event::Start(Tag::TableRow) => marks.add("mark", "of a table's row"),
            Event::Start(Tag::TableCell) => marks.add("mark", "of a table's cell"),
            Event::Start(Tag::DefinitionListDefinition) => marks.add("mark", "of an explanation"),
            Event::Start(Tag::BlockQuote(kind)) => marks.add("callout", &format!("{kind:?}")),
            Event::Start(Tag::CodeBlock(_)) => block = Some(String::new()),
            Event::End(TagEnd::CodeBlock) => {
                marks.add("block of code", &block.take().unwrap_or_default());
            }
            Event::Code(code) => marks.add("code", &format!("`{code}`")),
            Event::Text(text) => match &mut block {
                Some(block) => *block += &text,
                None => marks.numbers(&text),
            },
            Event::Html(html) | Event::InlineHtml(html) => marks = html::read(&html, marks),
            _ => {}
        }
    }
    marks.counts
}

#[derive(Default)]
struct Marks {
    counts: BTreeMap<(&'static str, String), usize>,
}

impl Marks {
    fn add(&mut self, kind: &'static str, value: &str) {
        *self.counts.entry((kind, value.to_owned())).or_default() += 1;
    }

    fn numbers(&mut self, text: &str) {
        let is_part = |c: char| c.is_ascii_digit() || c == ',' || c == '.';
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let end = rest[start..].find(|c| !is_part(c)).map_or(rest.len(), |len| start + len);
            let number = rest[start..end].trim_end_matches([',', '.']);
            rest = &rest[end..];
            // Other languages count large numbers in other units.
            if !LARGE.iter().any(|large| rest.starts_with(large)) {
                self.add(NUMBER, number);
            }
        }
    }
}

impl Reader for Marks {
    fn start(&mut self, tag: &html5ever::tokenizer::Tag) {
        if let Some(id) = attribute(tag, "id") {
            self.add("id", id);
        }
        let attributes = tag.attrs.iter().filter(|it| {
            let name: &str = &it.name.local;
            name != "id" && !WORDS.contains(&name)
        });
        let attributes: Vec<String> =
            attributes.map(|it| format!(" {}=\"{}\"", &*it.name.local, it.value)).collect();
        if &*tag.name != "span" || !attributes.is_empty() {
            self.add("tag", &format!("<{}{}>", &*tag.name, attributes.concat()));
        }
    }

    fn end(&mut self, _: &html5ever::tokenizer::Tag) {}

    fn text(&mut self, _: &str) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENGLISH_PAGE: &str = "# A page\n\n## One {#one}\n\nThe 2 calls `read` and [write](b.md#w): <span id=\"x\">both</span>.\n\n\
        > [!NOTE]\n> A note.\n\n{{#figure map A map.}}\n\n- one\n- two\n\n```sh\nls -l\n```\n\n\
        ## Exercises {#exercises}\n\n**1. Do it.** Now.\n\n<details><summary>Answer</summary>\n\nYes.\n\n</details>\n";

    const OWN_PAGE: &str = "# 一页 {#a-page}\n\n## 一 {#one}\n\n有 2 个调用：[写](b.md#w)和 `read`，<span id=\"x\">两者都要</span>。\n\n\
        > [!NOTE]\n> 注意。\n\n{{#figure map 地图。}}\n\n- 一\n- 二\n\n```sh\nls -l\n```\n\n\
        ## 练习 {#exercises}\n\n**1. 动手**。现在就做。\n\n<details><summary>Answer</summary>\n\n对。\n\n</details>\n";

    fn problems_of(own: &str) -> Vec<String> {
        page(ENGLISH_PAGE, own, &[]).unwrap().into_iter().map(|it| it.1).collect()
    }

    #[test]
    fn a_page_that_has_everything_is_right() {
        assert_eq!(problems_of(OWN_PAGE), [""; 0]);
    }

    #[test]
    fn each_thing_that_is_lost_or_changed_is_found() {
        for (from, to, problem) in [
            ("(b.md#w)", "(b.md#v)", "lacks the link b.md#w"),
            ("- 二", "{{#session a/b}}", "has the directive session a/b, which English has not"),
            ("2 个", "3 个", "lacks the number 2"),
            ("`read`", "读", "lacks the code `read`"),
            ("id=\"x\"", "id=\"y\"", "lacks the id x"),
            ("[!NOTE]", "[!TIP]", "lacks the callout Some(Note)"),
            ("{{#figure map 地图。}}", "", "lacks the directive figure map"),
            ("- 二\n", "", "lacks the mark of an item"),
            ("ls -l", "ls", "lacks the block of code ls -l\n"),
            ("**1. 动手", "**2. 动手", "lacks the exercise 1"),
            (
                "## 练习 {#exercises}\n",
                "",
                "the end of the page is where English has ## {#exercises}",
            ),
            ("## 练习 {#exercises}", "## 练习", "## {#练习} is where English has ## {#exercises}"),
            (" {#a-page}", "", "the title needs {#a-page}, the id that it has in English"),
            (
                "<summary>Answer",
                "<summary>Solution",
                "its answers, hints, solutions and notes are not those of English",
            ),
        ] {
            let found = problems_of(&OWN_PAGE.replacen(from, to, 1));
            assert!(found.iter().any(|it| it == problem), "{problem:?} in {found:?}");
        }
    }
}
