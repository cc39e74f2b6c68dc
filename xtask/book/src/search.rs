//! The search: the text of the pages, as data in front of the script that searches them. `book.js` loads it when the
//! search is first opened.
//!
//! The data are read from the built pages, so they hold what an edition shows: a section for each heading, and an entry
//! for each term of a list of terms, such as the words of the glossary and the messages of *Troubleshooting*. Code and
//! drawings are left out.

mod pack;
mod prose;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use conformance::text;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use workspace::edition;

use self::pack::Words;
use self::prose::Section;
pub use self::prose::sections;

/// The engine, below the repository's root.
const ENGINE: &str = "book/theme/search.js";

/// The words that lead to a term of the book, and the pages that repeat others.
const HINTS: &str = "search.toml";

/// The script in the book. A page names it in this way, so that it can be given a name that changes with its content.
const SCRIPT: &str = "search.js";

/// What a person adds to the text of the pages.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Hints {
    /// Pages, and `#sections`, that repeat others.
    #[serde(default)]
    repeated: BTreeSet<String>,
    /// Words that carry no meaning in a query.
    #[serde(default)]
    ignored: Vec<String>,
    /// What a reader may type, by the words that the book has for it.
    #[serde(default)]
    synonyms: BTreeMap<String, Vec<String>>,
}

/// What the script gets.
#[derive(Debug, Serialize)]
struct Index {
    texts: BTreeMap<&'static str, String>,
    ignored: Vec<String>,
    synonyms: Vec<(String, String)>,
    /// What the characters of titles and texts stand for.
    words: Vec<String>,
    pages: Vec<Page>,
}

/// A page: its address without `.html`, and its sections.
#[derive(Debug, Serialize)]
struct Page {
    path: String,
    sections: Vec<Packed>,
}

/// A section: its level, its id or nothing if it follows from the title, its title, its text, and whether it repeats
/// another.
#[derive(Debug, Serialize)]
struct Packed(u8, String, String, String, u8);

/// How the script is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// Always the same.
    Fixed,
    /// With a hash of its content, so that a browser never takes an old one for the new.
    Hashed,
}

/// Writes the script for a built book.
pub fn write(root: &Path, dest: &Path, name: Name) -> Result<()> {
    let engine = root.join(ENGINE);
    if !engine.is_file() {
        return Ok(()); // a book without this theme
    }
    let engine = fs::read_to_string(&engine).with_context(|| format!("cannot read {ENGINE}"))?;
    let index = serde_json::to_string(&index(root, dest)?)?;
    let is_comment = |line: &&str| line.trim_start().starts_with("//");
    let engine: Vec<&str> = engine.lines().filter(|line| !is_comment(line)).collect();
    let script = format!("const searchIndex = {index};\n{}\n", engine.join("\n"));
    let file = match name {
        Name::Fixed => SCRIPT.to_owned(),
        Name::Hashed => {
            let [a, b, c, d, ..]: [u8; 32] = Sha256::digest(&script).into();
            let file = format!("search-{:08x}.js", u32::from_be_bytes([a, b, c, d]));
            rename_in_pages(dest, &file)?;
            file
        }
    };
    fs::write(dest.join(&file), script).with_context(|| format!("cannot write {file}"))
}

fn index(root: &Path, dest: &Path) -> Result<Index> {
    let hints = hints(root)?;
    let mut pages = Vec::new();
    for path in paths(dest)? {
        let sections = prose::sections(&read(dest, &format!("{path}.html"))?);
        pages.push((path, sections));
    }
    let is_repeated = |path: &String, section: &Section| {
        hints.repeated.contains(path) || hints.repeated.contains(&format!("#{}", section.id))
    };
    let mut seen = BTreeSet::new();
    for (path, sections) in &mut pages {
        for section in sections {
            if is_repeated(path, section) {
                let lines = section.text.lines().filter(|line| !seen.contains(*line));
                section.text = lines.collect::<Vec<_>>().join("\n");
            }
            seen.extend(section.text.lines().map(str::to_owned));
        }
    }
    let sections = pages.iter().flat_map(|(_, sections)| sections);
    let words = Words::of(sections.flat_map(|it| [&*it.title, &*it.text]));
    let page = |(path, sections): (String, Vec<Section>)| {
        let packed = |section: &Section| {
            let is_repeated = u8::from(is_repeated(&path, section));
            let id = if section.has_own_id() { &*section.id } else { "" };
            let [title, text] = [&section.title, &section.text].map(|text| words.pack(text));
            Packed(section.level, id.to_owned(), title, text, is_repeated)
        };
        let sections = sections.iter().map(packed).collect();
        Page { path, sections }
    };
    let pages = pages.into_iter().map(page).collect();
    let synonyms = hints.synonyms.into_iter().flat_map(|(term, others)| {
        others.into_iter().map(move |other| (other, term.clone())).collect::<Vec<_>>()
    });
    Ok(Index {
        texts: texts(),
        ignored: hints.ignored,
        synonyms: synonyms.collect(),
        words: words.table(),
        pages,
    })
}

fn hints(root: &Path) -> Result<Hints> {
    let shown = format!("{}/{HINTS}", edition::folder());
    let path = root.join(&shown);
    if !path.is_file() {
        return Ok(Hints::default());
    }
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {shown}"))?;
    toml::from_str(&text).with_context(|| shown)
}

/// What the script shows a reader.
fn texts() -> BTreeMap<&'static str, String> {
    // The script knows the values.
    let (query, count, all) = ("%query%", "%count%", "%all%");
    BTreeMap::from([
        ("none", text!("search.none", query)),
        ("one", text!("search.one")),
        ("many", text!("search.many", count)),
        ("some", text!("search.some", count, all)),
    ])
}

/// The pages of the book in its order, without `.html`.
fn paths(dest: &Path) -> Result<Vec<String>> {
    let contents = prose::links(&read(dest, "toc.html")?);
    let mut paths = Vec::new();
    for link in contents {
        let Some(path) = link.strip_suffix(".html") else { continue };
        if !paths.iter().any(|it| it == path) {
            paths.push(path.to_owned());
        }
    }
    Ok(paths)
}

fn read(dest: &Path, file: &str) -> Result<String> {
    fs::read_to_string(dest.join(file)).with_context(|| format!("cannot read {file}"))
}

/// Puts the script's name into all pages.
fn rename_in_pages(dest: &Path, file: &str) -> Result<()> {
    for entry in dest.read_dir().with_context(|| format!("cannot list {}", dest.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|it| it == "html") {
            let html = fs::read_to_string(&path)?;
            let named = html.replace(&format!("{SCRIPT}\""), &format!("{file}\""));
            if named != html {
                fs::write(&path, named)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;
    use workspace::fixture;

    use super::*;
    use crate::build;
    use crate::edition::Edition;

    /// The fixture with the real theme.
    fn tree() -> TempDir {
        let tree = fixture::tree();
        fixture::copy_real(tree.path(), "book/theme");
        fixture::copy_real(tree.path(), "book/en/book.toml");
        tree
    }

    /// The name of the script in a built book.
    fn script(dest: &Path) -> String {
        let names =
            dest.read_dir().unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
        let scripts: Vec<String> = names.filter(|name| name.starts_with("search")).collect();
        assert_eq!(scripts.len(), 1, "{scripts:?}");
        scripts[0].clone()
    }

    #[test]
    fn pages_name_the_script_and_its_name_changes_with_its_content() {
        let tree = tree();
        let mut names = BTreeSet::new();
        for text in ["\nOne.\n", "\nTwo.\n"] {
            fixture::append(tree.path(), "book/en/src/first.md", text);
            let dest = tree.path().join("out");
            build::build(tree.path(), &dest, Edition::Everyone).unwrap();
            let name = script(&dest);
            for page in ["index.html", "second.html", "print.html"] {
                let html = fs::read_to_string(dest.join(page)).unwrap();
                assert!(html.contains(&format!("data-script=\"{name}\"")), "{page}: {html}");
            }
            names.insert(name);
        }
        assert_eq!(names.len(), 2, "{names:?}");
    }

    #[test]
    fn the_index_has_prose_of_this_edition_and_no_code() {
        let tree = tree();
        let fold = "\nOpen words.\n\n<details><summary>Solution</summary>\n\nA secret way.\n\n</details>\n";
        fixture::append(tree.path(), "book/en/src/second.md", fold);
        for (edition, has_solution) in [(Edition::Everyone, true), (Edition::Learner, false)] {
            let dest = tree.path().join(format!("{edition:?}"));
            build::build(tree.path(), &dest, edition).unwrap();
            let index = index(tree.path(), &dest).unwrap();
            let texts = index.pages.iter().flat_map(|page| &page.sections);
            let text: String = texts.map(|it| pack::unpack(&index.words, &it.3)).collect();
            assert!(text.contains("Open words.") && text.contains("Back, or up."), "{text}");
            assert_eq!(text.contains("A secret way."), has_solution, "{edition:?}: {text}");
            for code in ["fn client", "let message", "listening on"] {
                assert!(!text.contains(code), "{code}: {text}");
            }
        }
    }

    #[test]
    fn what_a_page_repeats_is_there_once() {
        let tree = tree();
        let hints = "repeated = [\"second\"]\n\n[synonyms]\n\"loop\" = [\"cycle\", \"圈\"]\n";
        fixture::write(tree.path(), "book/en/search.toml", hints);
        for page in ["first.md", "second.md"] {
            fixture::append(tree.path(), &format!("book/en/src/{page}"), "\nTwice told.\n");
        }
        let dest = tree.path().join("out");
        build::build(tree.path(), &dest, Edition::Everyone).unwrap();
        let index = index(tree.path(), &dest).unwrap();
        let sections = index.pages.iter().flat_map(|page| &page.sections);
        let texts: Vec<_> = sections.map(|it| (pack::unpack(&index.words, &it.3), it.4)).collect();
        let told = |repeated: u8| {
            texts.iter().filter(|it| it.0.contains("Twice told.") && it.1 == repeated).count()
        };
        assert_eq!((told(0), told(1)), (1, 0), "{texts:?}");
        assert!(texts.iter().any(|(text, repeated)| text.contains("Back") && *repeated == 1));
        let pairs: Vec<_> =
            index.synonyms.iter().map(|(other, term)| (&**other, &**term)).collect();
        assert_eq!(pairs, [("cycle", "loop"), ("圈", "loop")]);

        fixture::write(tree.path(), "book/en/search.toml", "synonym = 1\n");
        let error = build::build(tree.path(), &dest, Edition::Everyone).unwrap_err().to_string();
        assert!(error.contains("book/en/search.toml") && error.contains("synonym"), "{error}");
    }
}
