//! Texts for people, kept as data: one table for each language.
//!
//! A table is a TOML file whose entries are grouped in tables, so an entry has a dotted key such as
//! `peer.cannot-connect`. An entry is a template: `{name}` means a value, `{{` and `}}` mean
//! braces. A crate has its tables in a static named `TEXTS` at its root, and fills them in with
//! [`text!`](crate::text). Its tests call [`complaints`].

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Display, Write as _};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// This crate's texts.
pub(crate) static TEXTS: Texts = Texts::new(&[
    ("en", include_str!("../texts/en.toml")),
    ("zh-CN", include_str!("../texts/zh-CN.toml")),
]);

/// Fills in an entry of the texts of the crate that calls it, as a `String`.
///
/// The arguments are variables with the names of the entry's placeholders, and are written with
/// `Display`: `text!("peer.cannot-connect", addr, error)`. They are nothing but names so that
/// [`complaints`] can find every use without a Rust parser.
#[macro_export]
#[expect(clippy::crate_in_macro_def, reason = "each crate has texts of its own")]
macro_rules! text {
    ($key:literal $(, $name:ident)* $(,)?) => {
        crate::TEXTS.fill($key, &[$((stringify!($name), &$name)),*])
    };
}

/// The language in which a text is written if nothing else was chosen.
const ENGLISH: &str = "en";

/// The language that was chosen for this process.
static LANGUAGE: OnceLock<String> = OnceLock::new();

thread_local! {
    /// The language that was chosen for what this thread does now.
    static CURRENT: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Chooses the language of all texts of this process. The first choice holds; without one, and for
/// texts that have no such language, it is the first language of a table, which is English.
pub fn choose_language(language: &str) {
    LANGUAGE.get_or_init(|| language.to_owned());
}

/// Does some work in a language: the texts of this thread are in it until the work is done.
pub fn in_language<T>(language: &str, work: impl FnOnce() -> T) -> T {
    /// Restores the language from before, also if the work panics.
    struct Before(Option<String>);
    impl Drop for Before {
        fn drop(&mut self) {
            CURRENT.set(self.0.take());
        }
    }
    let _before = Before(CURRENT.replace(Some(language.to_owned())));
    work()
}

/// The language of the texts, such as `en`.
#[must_use]
pub fn language() -> String {
    let current = CURRENT.with_borrow(Clone::clone).or_else(|| LANGUAGE.get().cloned());
    current.unwrap_or_else(|| ENGLISH.to_owned())
}

/// The same texts in one or more languages. They are parsed when the first of them is needed.
pub struct Texts {
    /// The name and the TOML of each language.
    sources: &'static [(&'static str, &'static str)],
    languages: OnceLock<Vec<Language>>,
}

/// The texts of one language, by their keys.
struct Language {
    name: &'static str,
    entries: BTreeMap<String, String>,
}

impl Texts {
    /// Texts in these languages, each with its name, such as `en`, and its TOML.
    #[must_use]
    pub const fn new(sources: &'static [(&'static str, &'static str)]) -> Self {
        Self { sources, languages: OnceLock::new() }
    }

    /// The names of the languages, such as `en`.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.sources.iter().map(|(name, _)| *name)
    }

    /// The template with this key, as it is in the table.
    ///
    /// # Panics
    ///
    /// If there is none, or if the tables are not valid: a test finds both, see [`complaints`].
    pub fn get(&self, key: &str) -> &str {
        self.get_in(&language(), key)
    }

    /// The text with this key, with these values in place of its placeholders.
    ///
    /// # Panics
    ///
    /// As [`get`](Self::get), and if a value is missing.
    #[must_use]
    pub fn fill(&self, key: &str, values: &[(&str, &dyn Display)]) -> String {
        let template = self.get(key);
        let pieces = pieces(template).unwrap_or_else(|| panic!("a single brace in `{key}`"));
        let mut text = String::with_capacity(template.len());
        for piece in pieces {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Place(place) => {
                    let value = values.iter().find(|(name, _)| *name == place);
                    let (_, value) = value.unwrap_or_else(|| panic!("`{key}` needs `{place}`"));
                    let _ = write!(text, "{value}"); // writing to a String cannot fail
                }
            }
        }
        text
    }

    fn get_in(&self, language: &str, key: &str) -> &str {
        let languages = self.languages();
        let chosen = languages.iter().find(|it| it.name == language);
        let chosen = chosen.or(languages.first()).expect("texts have a language");
        chosen.entries.get(key).unwrap_or_else(|| panic!("there is no text `{key}`"))
    }

    fn languages(&self) -> &[Language] {
        self.languages.get_or_init(|| {
            let parse = |(name, source): &(&'static str, &str)| {
                let table = source.parse().unwrap_or_else(|error| panic!("{name}: {error}"));
                let mut entries = BTreeMap::new();
                collect(&table, "", &mut entries);
                Language { name, entries }
            };
            self.sources.iter().map(parse).collect()
        })
    }
}

/// Collects the entries of a table, and of those in it, under dotted keys.
fn collect(table: &toml::Table, before: &str, entries: &mut BTreeMap<String, String>) {
    for (name, value) in table {
        let key = format!("{before}{name}");
        match value {
            toml::Value::String(text) => {
                entries.insert(key, text.clone());
            }
            toml::Value::Table(table) => collect(table, &format!("{key}."), entries),
            other => panic!("`{key}` is not a text: {other:?}"),
        }
    }
}

/// A part of a template.
enum Piece<'a> {
    Text(&'a str),
    /// A placeholder, without its braces.
    Place(&'a str),
}

/// The parts of a template; `None` if a brace is alone.
fn pieces(template: &str) -> Option<Vec<Piece<'_>>> {
    let mut pieces = Vec::new();
    let mut rest = template;
    while let Some(at) = rest.find(['{', '}']) {
        let (text, brace) = rest.split_at(at);
        pieces.push(Piece::Text(text));
        let (piece, after) = if brace.starts_with("{{") || brace.starts_with("}}") {
            (Piece::Text(&brace[..1]), &brace[2..])
        } else {
            let (name, after) = brace.strip_prefix('{')?.split_once('}')?;
            (Piece::Place(name), after)
        };
        pieces.push(piece);
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    Some(pieces)
}

/// The names of a template's placeholders; `None` if a brace is alone.
fn places(template: &str) -> Option<BTreeSet<&str>> {
    let place = |piece| match piece {
        Piece::Place(name) => Some(name),
        Piece::Text(_) => None,
    };
    Some(pieces(template)?.into_iter().filter_map(place).collect())
}

/// What is wrong between these texts and the sources that use them, one line for each fault.
///
/// A fault is a key that is used and is in no table; an entry that is not used, neither in a `text!`
/// of the `.rs` files below the folders `sources` nor as one of the `dynamic` keys, which are built at
/// run time and take no values; a use with other names than the entry's placeholders; a brace that is
/// alone; and a language whose keys or placeholders are not those of the first one.
///
/// # Panics
///
/// If a folder cannot be read, or if the tables are not valid.
#[must_use]
pub fn complaints(texts: &Texts, sources: &[&Path], dynamic: &[String]) -> Vec<String> {
    let [first, others @ ..] = texts.languages() else { panic!("texts have a language") };
    let mut uses: Vec<Use> = sources.iter().flat_map(|folder| uses_below(folder)).collect();
    uses.extend(dynamic.iter().map(|key| Use {
        key: key.clone(),
        names: BTreeSet::new(),
        place: "a key built at run time".to_owned(),
    }));
    let mut complaints = Vec::new();
    for Use { key, names, place } in &uses {
        let Some(template) = first.entries.get(key) else {
            complaints.push(format!("{place}: there is no text `{key}`"));
            continue;
        };
        let names: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        if let Some(places) = places(template).filter(|places| *places != names) {
            complaints.push(format!("{place}: `{key}` needs {places:?} and gets {names:?}"));
        }
    }
    let used_keys: BTreeSet<&String> = uses.iter().map(|it| &it.key).collect();
    for (key, template) in &first.entries {
        if !used_keys.contains(key) {
            complaints.push(format!("{}: `{key}` is not used", first.name));
        }
        if places(template).is_none() {
            complaints.push(format!("{}: `{key}` has a single brace", first.name));
        }
        for other in others {
            match other.entries.get(key) {
                None => complaints.push(format!("{}: `{key}` is missing", other.name)),
                Some(translated) if places(translated) != places(template) => {
                    complaints.push(format!("{}: `{key}` has other placeholders", other.name));
                }
                Some(_) => {}
            }
        }
    }
    for other in others {
        let more = other.entries.keys().filter(|key| !first.entries.contains_key(*key));
        complaints.extend(more.map(|key| format!("{}: `{key}` is not used", other.name)));
    }
    complaints
}

/// A use of a text.
struct Use {
    key: String,
    names: BTreeSet<String>,
    /// Where it is, for a complaint.
    place: String,
}

/// The uses in all `.rs` files below a folder.
fn uses_below(folder: &Path) -> Vec<Use> {
    let mut folders = vec![folder.to_owned()];
    let mut files: Vec<PathBuf> = Vec::new();
    while let Some(folder) = folders.pop() {
        let read = fs::read_dir(&folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let entries = read.unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for path in entries.into_iter().map(|entry| entry.path()) {
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    let uses = files.into_iter().flat_map(|file| {
        let source = fs::read_to_string(&file);
        let source = source.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        uses_in(&source, &file.display().to_string())
    });
    uses.collect()
}

/// The uses in a source. Comments that have a line of their own are none.
fn uses_in(source: &str, file: &str) -> Vec<Use> {
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    let code: String = source.lines().filter(is_code).flat_map(|line| [line, "\n"]).collect();
    let calls = code.match_indices("text!(").filter(|(at, _)| {
        !code[..*at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
    });
    let parse = |(at, call): (usize, &str)| {
        let (key, rest) =
            code[at + call.len()..].trim_start().strip_prefix('"')?.split_once('"')?;
        let (names, _) = rest.split_once(')')?;
        let names = names.split(',').map(str::trim).filter(|name| !name.is_empty());
        let names = names.map(str::to_owned).collect();
        let is_key = key.chars().all(|c| c.is_ascii_alphanumeric() || ".-_".contains(c));
        is_key.then(|| Use { key: key.to_owned(), names, place: file.to_owned() })
    };
    calls.filter_map(parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    static TWO: Texts = Texts::new(&[
        ("en", "[a]\nhello = 'hello {name}, {{so}}'\n[a.b]\nplain = 'plain'"),
        ("zh", "[a]\nhello = '{name}，你好 {{so}}'\n[a.b]\nplain = '平常'"),
    ]);

    #[test]
    fn a_template_is_filled_in_and_braces_stay_where_they_are_doubled() {
        assert_eq!(TWO.fill("a.hello", &[("name", &7)]), "hello 7, {so}");
        assert_eq!(TWO.get("a.b.plain"), "plain");
        assert_eq!(TWO.names().collect::<Vec<_>>(), ["en", "zh"]);
        assert_eq!(TWO.get_in("zh", "a.b.plain"), "平常");
        assert_eq!(TWO.get_in("nonsense", "a.b.plain"), "plain");
    }

    #[test]
    fn work_is_done_in_its_language_and_what_follows_is_not() {
        let plain = || TWO.get("a.b.plain").to_owned();
        let inner = in_language("zh", || (plain(), in_language("en", plain), plain()));
        assert_eq!(inner, ("平常".to_owned(), "plain".to_owned(), "平常".to_owned()));
        let panicked = std::panic::catch_unwind(|| in_language("zh", || panic!("on purpose")));
        assert!(panicked.is_err());
        assert_eq!((plain(), language()), ("plain".to_owned(), "en".to_owned()));
    }

    #[test]
    #[should_panic(expected = "there is no text `a.nothing`")]
    fn a_key_that_is_missing_is_named() {
        TWO.get("a.nothing");
    }

    #[test]
    #[should_panic(expected = "`a.hello` needs `name`")]
    fn a_value_that_is_missing_is_named() {
        let _ = TWO.fill("a.hello", &[("nome", &7)]);
    }

    /// What is wrong with these texts, used by this source.
    fn complaints_of(texts: &'static [(&str, &str)], source: &str) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let inner = folder.path().join("inner");
        fs::create_dir(&inner).expect("a folder");
        fs::write(inner.join("x.rs"), source).expect("a source");
        fs::write(inner.join("x.txt"), "text!(\"a.other\")").expect("no source");
        let complaints =
            complaints(&Texts::new(texts), &[folder.path()], &["a.dynamic".to_owned()]);
        let folder = format!("{}{}", inner.display(), std::path::MAIN_SEPARATOR);
        complaints.into_iter().map(|it| it.replace(&folder, "")).collect()
    }

    const RIGHT: &str = "let name = 1;\nlet it = text!(\n    \"a.hello\",\n    name,\n);\n";
    const TABLE: &str = "[a]\nhello = 'hello {name}, {{so}}'\ndynamic = 'x'";

    #[test]
    fn texts_that_are_used_as_they_are_give_no_complaint() {
        assert_eq!(complaints_of(&[("en", TABLE)], RIGHT), [""; 0]);
        let more =
            "// text!(\"a.none\")\n    /// text!(\"a.none\")\ncontext!(\"a.none\"); text!(KEY)";
        assert_eq!(complaints_of(&[("en", TABLE)], &format!("{RIGHT}{more}")), [""; 0]);
    }

    #[test]
    fn each_fault_is_found() {
        let one = |texts, source: &str| {
            let complaints = complaints_of(texts, source);
            assert_eq!(complaints.len(), 1, "{complaints:?}");
            complaints.into_iter().next().expect("one complaint")
        };
        assert_eq!(
            one(&[("en", TABLE)], &format!("{RIGHT}crate::text!(\"a.none\")")),
            "x.rs: there is no text `a.none`"
        );
        assert_eq!(one(&[("en", TABLE)], ""), "en: `a.hello` is not used");
        assert_eq!(
            one(&[("en", TABLE)], "text!(\"a.hello\", nome)"),
            "x.rs: `a.hello` needs {\"name\"} and gets {\"nome\"}"
        );
        assert_eq!(
            one(&[("en", "a.dynamic = '{x}'\na.hello = '{name}'")], RIGHT),
            "a key built at run time: `a.dynamic` needs {\"x\"} and gets {}"
        );
        assert_eq!(
            one(&[("en", "a.dynamic = 'x'\na.hello = '{name} }'")], RIGHT),
            "en: `a.hello` has a single brace"
        );
    }

    #[test]
    fn languages_must_have_the_same_keys_and_placeholders() {
        let translated = |table| {
            let texts: &'static [_] = Box::leak(Box::new([("en", TABLE), ("zh", table)]));
            complaints_of(texts, RIGHT)
        };
        assert_eq!(translated("[a]\ndynamic = ''\nhello = '你好 {name}'"), [""; 0]);
        assert_eq!(
            translated("[a]\nhello = '你好 {nome}'\nmore = ''"),
            [
                "zh: `a.dynamic` is missing",
                "zh: `a.hello` has other placeholders",
                "zh: `a.more` is not used",
            ]
        );
    }
}
