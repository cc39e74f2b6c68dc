//! The sources without what a learner must not find there: solutions, and all that is for teachers.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use conformance::texts::in_language;

use super::Entry;
use crate::directive::Directive;
use crate::edition::Edition;
use crate::translation;

/// The sources of an edition: what it changes is written into the folder `made`, and the rest stays where it is.
pub fn without(sources: Vec<Entry>, edition: Edition, made: &Path) -> Result<Vec<Entry>> {
    let mut kept = Vec::new();
    let (mut shown_before, mut shown) = (BTreeSet::new(), BTreeSet::new());
    for (name, path) in sources {
        let Some(kind) = Kind::of(&name, edition) else { continue };
        if kind == Kind::Other {
            kept.push((name, path));
            continue;
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {name}"))?;
        let changed = match kind {
            Kind::Manifest => manifest(&text),
            Kind::Contents => contents(&text, edition),
            _ => {
                let language = language_of(&name).to_owned();
                in_language(&language, || edition.source(&text)).with_context(|| name.clone())?
            }
        };
        shown_before.extend(sessions(&text));
        shown.extend(sessions(&changed));
        if changed == text {
            kept.push((name, path));
        } else {
            let file = made.join(&name);
            let folder = file.parent().context("a source has no folder")?;
            fs::create_dir_all(folder)?;
            fs::write(&file, changed).with_context(|| format!("cannot write {name}"))?;
        }
    }
    let is_solution =
        |name: &str| shown_before.difference(&shown).any(|session| name.starts_with(session));
    kept.retain(|(name, _)| !is_solution(name));
    Ok(kept)
}

/// The language of a page, which is the name of its edition's folder.
fn language_of(name: &str) -> &str {
    let language = name.strip_prefix("book/").and_then(|name| name.split('/').next());
    language.unwrap_or("en")
}

/// What a source is, as far as it matters here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Manifest,
    Contents,
    Page,
    Other,
}

impl Kind {
    /// None if the source is left out.
    fn of(name: &str, edition: Edition) -> Option<Self> {
        let parts: Vec<&str> = name.split('/').collect();
        match parts[..] {
            ["book", _, "src", page] if !edition.has_page(page) => None,
            ["book", _, "src", "SUMMARY.md"] => Some(Self::Contents),
            // The record of a translation is about pages with solutions.
            ["steps", _, "exercises", ..] | ["book", _, translation::FILE] => None,
            ["steps", _, "Cargo.toml"] => Some(Self::Manifest),
            _ if Path::new(name).extension().is_some_and(|it| it == "md") => Some(Self::Page),
            _ => Some(Self::Other),
        }
    }
}

/// A step's manifest without its examples that are solutions: cargo reads no package that lacks one.
fn manifest(text: &str) -> String {
    let is_solution =
        |table: &&str| table.contains("[[example]]") && table.contains("path = \"exercises/");
    let tables: Vec<&str> = text.split("\n\n").filter(|table| !is_solution(table)).collect();
    tables.join("\n\n")
}

/// The contents without the pages that the edition lacks.
fn contents(text: &str, edition: Edition) -> String {
    let has = |line: &&str| {
        let page = line.split_once("](").and_then(|(_, rest)| rest.split_once(')'));
        page.is_none_or(|(page, _)| edition.has_page(page))
    };
    text.split_inclusive('\n').filter(has).collect()
}

/// The sessions that a page shows, each as the beginning of its files' names.
fn sessions(text: &str) -> impl Iterator<Item = String> {
    let directives = text.lines().filter_map(Directive::alone_in);
    directives.filter(|it| it.name == "session").filter_map(|it| {
        let (step, session) = it.arguments.split_whitespace().next()?.split_once('/')?;
        Some(format!("steps/{step}/sessions/{session}."))
    })
}

#[cfg(test)]
mod tests {
    use workspace::fixture;

    use super::*;
    use crate::bundle::sources;

    const MANIFEST: &str = "\
[package]
name = \"step\"

# Solutions of exercises.
[[example]]
name = \"a\"
path = \"exercises/a.rs\"

[[example]]
name = \"b\"
path = \"examples/b.rs\"

[lints]
workspace = true
";

    #[test]
    fn a_manifest_keeps_the_examples_that_are_no_solutions() {
        let expected = "\
[package]
name = \"step\"

[[example]]
name = \"b\"
path = \"examples/b.rs\"

[lints]
workspace = true
";
        assert_eq!(manifest(MANIFEST), expected);
    }

    #[test]
    fn an_edition_in_chinese_is_left_without_its_solutions_and_its_record() {
        let tree = fixture::tree();
        let root = tree.path();
        let page = "# 一\n\n<details><summary>参考答案</summary>\n\n秘密\n\n</details>\n\n见[教学](teaching.md)。\n";
        for (name, text) in [
            ("first.md", page),
            ("SUMMARY.md", "- [一](first.md)\n- [教学](teaching.md)\n"),
            ("teaching.md", "# 教学\n"),
        ] {
            fixture::write(root, &format!("book/zh-CN/src/{name}"), text);
        }
        fixture::write(root, "book/zh-CN/translated.toml", "");
        let made = root.join("target/made");
        let kept = without(sources(root).unwrap(), Edition::Learner, &made).unwrap();
        let is_chinese = |(name, _): &&Entry| name.starts_with("book/zh-CN");
        assert_eq!(kept.iter().filter(is_chinese).count(), 0, "{kept:?}");
        let read = |name: &str| fs::read_to_string(made.join("book/zh-CN/src").join(name)).unwrap();
        let text = read("first.md");
        assert!(!text.contains("秘密") && text.contains("见教学。"), "{text}");
        assert_eq!(read("SUMMARY.md"), "- [一](first.md)\n");
    }

    #[test]
    fn solutions_their_sessions_and_pages_for_teachers_are_left_out() {
        let tree = fixture::tree();
        let root = tree.path();
        fixture::append(root, "book/en/src/SUMMARY.md", "- [Teaching](teaching.md)\n");
        fixture::write(root, "book/en/src/teaching.md", "# Teaching\n");
        fixture::write(root, "SECURITY.md", "See [a page](book/en/src/teaching.md#marks).\n");
        fixture::write(root, "steps/01-first/exercises/a.rs", "fn main() {}\n");
        fixture::write(root, "steps/01-first/Cargo.toml", MANIFEST);
        for session in ["secret.session", "secret.trace", "secretary.session"] {
            fixture::write(root, &format!("steps/01-first/sessions/{session}"), "");
        }
        let solution = "\n{{#session 01-first/hello}}\n\n<details><summary>Solution</summary>\n\n\
                        {{#session 01-first/hello}}\n\n{{#session 01-first/secret}}\n\n</details>\n";
        fixture::append(root, "book/en/src/first.md", solution);

        let made = root.join("target/made");
        let kept = without(sources(root).unwrap(), Edition::Learner, &made).unwrap();
        let names: BTreeSet<&str> = kept.iter().map(|(name, _)| name.as_str()).collect();
        for gone in [
            "book/en/src/teaching.md",
            "steps/01-first/exercises/a.rs",
            "steps/01-first/sessions/secret.session",
            "steps/01-first/sessions/secret.trace",
            // These are changed.
            "book/en/src/first.md",
            "book/en/src/SUMMARY.md",
            "steps/01-first/Cargo.toml",
            "SECURITY.md",
        ] {
            assert!(!names.contains(gone), "{gone} in {names:?}");
        }
        for there in ["hello.session", "secretary.session"] {
            assert!(names.contains(&*format!("steps/01-first/sessions/{there}")), "{names:?}");
        }
        assert!(names.contains("book/en/src/second.md"), "{names:?}");
        let read = |name: &str| fs::read_to_string(made.join(name)).unwrap();
        assert!(!read("book/en/src/first.md").contains("secret"));
        assert!(!read("book/en/src/SUMMARY.md").contains("eaching"));
        assert!(!read("steps/01-first/Cargo.toml").contains("exercises/"));
        assert_eq!(read("SECURITY.md"), "See a page.\n");
    }
}
