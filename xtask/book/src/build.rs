//! `cargo xtask build`: the book as a folder of web pages, with a folder in it for each other language. A warning is an
//! error.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use conformance::texts::in_language;
use mdbook_driver::MDBook;
use mdbook_driver::config::Config;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use workspace::edition::{self, ENGLISH};
use workspace::root;

use crate::edition::Edition;
use crate::place::Places;
use crate::preprocess::Steps;
use crate::search::{self, Name};
use crate::site::{self, Address};
use crate::{cards, files};

/// The setting that holds the address at which a page can be edited; it is given for the English pages.
const EDIT: &str = "output.html.edit-url-template";

/// Builds the book and prints its folder.
pub fn run(root: &Path, dest: Option<PathBuf>, edition: Edition) -> Result<()> {
    let dest = match dest {
        Some(dest) => spare(dest)?,
        None => root::target()?.dir.join(format!("{ENGLISH}{}", edition.suffix())),
    };
    build(root, &dest, edition)?;
    writeln!(io::stdout(), "the book is in {}", dest.display())?;
    Ok(())
}

/// A folder is emptied before a book is written into it: it must hold a book, or nothing.
fn spare(dest: PathBuf) -> Result<PathBuf> {
    let shown = dest.display();
    // What mdBook writes, and few other sites have.
    let is_book = |dest: &Path| ["index.html", "toc.html"].iter().all(|it| dest.join(it).is_file());
    match dest.read_dir() {
        Ok(mut entries) => {
            if entries.next().is_some() && !is_book(&dest) {
                bail!(
                    "{shown} holds something that is not a book, and would be emptied: choose another folder"
                );
            }
        }
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("{shown} cannot be used as a folder"));
        }
        Err(_) if dest.is_symlink() => {
            bail!(
                "{shown} is a link to something that does not exist; choose another folder with --dest"
            )
        }
        Err(_) => {}
    }
    // Before the book is built, which takes a while.
    fs::create_dir_all(&dest)
        .and_then(|()| tempfile::tempfile_in(&dest))
        .with_context(|| format!("cannot write to {shown}; choose another folder with --dest"))?;
    Ok(dest)
}

/// Builds the book into a folder, which is emptied first.
pub fn build(root: &Path, dest: &Path, edition: Edition) -> Result<()> {
    build_as(root, dest, edition, Some(Name::Hashed), |_| Ok(()))
}

/// Builds the book while its author waits: the requested pages can be served first.
///
/// Files that pages need have the same names in each build, so that one build can replace another.
pub fn draft(root: &Path, dest: &Path, edition: Edition, wanted: Wanted) -> Result<()> {
    let search = (wanted == Wanted::Everything).then_some(Name::Fixed);
    build_as(root, dest, edition, search, |config| {
        config.set("output.html.hash-files", false)?;
        if wanted == Wanted::Pages {
            config.set("output.html.print.enable", false)?;
        }
        Ok(())
    })
}

/// How much of the book is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Its pages. The page for printing and the search index take as long as all of these.
    Pages,
    Everything,
}

fn build_as(
    root: &Path,
    dest: &Path,
    edition: Edition,
    search: Option<Name>,
    configure: impl Fn(&mut Config) -> Result<()>,
) -> Result<()> {
    let dest = std::path::absolute(dest).context("the destination is no folder")?;
    let warnings = Warnings::default();
    let collected = Arc::clone(&warnings.0);
    let built = tracing::subscriber::with_default(warnings, || {
        let address = Address::read(root)?;
        // English is first: the others are in its folder, which mdBook empties.
        for language in edition::languages(root)? {
            let dest = dest.join(site::folder_of(&language));
            let build = || render(root, &dest, edition, &address, search, &configure);
            in_language(&language, build)?;
        }
        address.write_lists(&dest)
    });
    let warnings = collected.lock().unwrap_or_else(PoisonError::into_inner);
    match (built, warnings.is_empty()) {
        (Ok(()), true) => Ok(()),
        (Ok(()), false) => bail!("{}", warnings.join("\n")),
        (Err(error), _) => bail!("{}", message(&error, &warnings)),
    }
}

fn render(
    root: &Path,
    dest: &Path,
    edition: Edition,
    address: &Address,
    search: Option<Name>,
    configure: impl Fn(&mut Config) -> Result<()>,
) -> Result<()> {
    let mut book = MDBook::load(root.join(edition::folder()))?;
    if let (Some(edition), Some(title)) = (edition.title(), &book.config.book.title) {
        book.config.book.title = Some(format!("{title} · {edition}"));
    }
    if edition == Edition::Handout {
        // Old names of pages, which here have no sheets.
        book.config.set("output.html.redirect", BTreeMap::<String, String>::new())?;
    }
    configure(&mut book.config)?;
    book.config.set("build.build-dir", dest)?;
    address.leave_path(&mut book.config)?;
    if let Some(template) = book.config.get::<String>(EDIT)? {
        book.config.set(EDIT, template.replace(ENGLISH, &edition::folder()))?;
    }
    without_mdbooks_search(&mut book.config)?;
    book.with_preprocessor(Steps(edition));
    book.build()?;
    finish(dest, &Places::read(root, &edition::src(root))?, address)?;
    site::remove_unused(dest)?;
    search.map_or(Ok(()), |name| search::write(root, dest, name))
}

/// Does to the pages what mdBook cannot do.
fn finish(dest: &Path, places: &Places, address: &Address) -> Result<()> {
    let entries = fs::read_dir(dest).with_context(|| format!("cannot list {}", dest.display()))?;
    let paths: Vec<PathBuf> =
        entries.map(|entry| entry.map(|it| it.path())).collect::<io::Result<_>>()?;
    for path in paths.iter().filter(|path| path.extension() == Some(OsStr::new("html"))) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let page = fs::read_to_string(path).with_context(|| format!("cannot read {name}"))?;
        let pages = files::split(&name, cards::label(&places.number(&page)))
            .with_context(|| name.into_owned())?;
        for (name, page) in pages {
            let page = address.describe(&name, page);
            fs::write(dest.join(&name), page).with_context(|| format!("cannot write {name}"))?;
        }
    }
    Ok(())
}

/// Removes what switches mdBook's own search off for `mdbook build`: it is not compiled in here, and a table about it
/// would be a warning.
fn without_mdbooks_search(config: &mut Config) -> Result<()> {
    let mut html: toml::Table = config.get("output.html")?.unwrap_or_default();
    html.remove("search");
    config.set("output.html", html)
}

/// The error, after what mdBook logged before it.
fn message(error: &anyhow::Error, warnings: &[String]) -> String {
    let mut lines = warnings.to_vec();
    lines.push(format!("{error:#}"));
    lines.join("\n")
}

/// Remembers what mdBook warns of: it logs a missing file and continues.
#[derive(Default)]
struct Warnings(Arc<Mutex<Vec<String>>>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message::default();
        event.record(&mut message);
        let mut warnings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        warnings.push(message.0);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// An event's text, on one line.
#[derive(Default)]
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            let text = format!("{value:?}");
            let lines: Vec<&str> = text.lines().map(str::trim).collect();
            // Writing to a string cannot fail.
            let _ = write!(self.0, "{}", lines.join(" "));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use workspace::fixture;

    #[test]
    fn the_book_is_built_where_it_should_be() {
        let tree = fixture::tree();
        let dest = tree.path().join("out");
        build(tree.path(), &dest, Edition::Everyone).unwrap();
        assert!(dest.join("index.html").is_file());
        assert!(dest.join("second.html").is_file());
    }

    #[test]
    fn a_folder_with_other_things_in_it_is_not_emptied() {
        let tree = fixture::tree();
        let error =
            run(tree.path(), Some(tree.path().join("steps")), Edition::Everyone).unwrap_err();
        assert!(error.to_string().contains("would be emptied"), "{error}");
        assert!(tree.path().join("steps/01-first").is_dir());
        fixture::write(tree.path(), "site/index.html", "a site of another kind");
        run(tree.path(), Some(tree.path().join("site")), Edition::Everyone).unwrap_err();
        assert!(tree.path().join("site/index.html").is_file());
        for _ in ["new", "there already"] {
            run(tree.path(), Some(tree.path().join("out")), Edition::Everyone).unwrap();
        }
    }

    #[test]
    fn a_destination_that_cannot_be_a_folder_is_named() {
        let tree = fixture::tree();
        let dest = tree.path().join("dest");
        let error = || {
            let error = run(tree.path(), Some(dest.clone()), Edition::Everyone).unwrap_err();
            let error = format!("{error:#}");
            error.strip_prefix(&dest.display().to_string()).expect(&error).to_owned()
        };
        fixture::write(tree.path(), "dest", "a file");
        assert!(error().starts_with(" cannot be used as a folder: "), "{}", error());
        fs::remove_file(&dest).unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("gone", &dest).unwrap();
            let expected =
                " is a link to something that does not exist; choose another folder with --dest";
            assert_eq!(error(), expected);
        }
    }

    #[test]
    fn a_missing_include_is_an_error() {
        let tree = fixture::tree();
        fixture::append(tree.path(), "book/en/src/first.md", "\n{{#rustdoc_include none.rs}}\n");
        let error = build(tree.path(), &tree.path().join("out"), Edition::Everyone).unwrap_err();
        assert!(error.to_string().contains("none.rs"), "{error}");
    }

    #[test]
    fn html_that_is_never_closed_is_an_error() {
        let tree = fixture::tree();
        fixture::append(tree.path(), "book/en/src/first.md", "\n<b>bold\n");
        let error = build(tree.path(), &tree.path().join("out"), Edition::Everyone).unwrap_err();
        assert!(error.to_string().contains("unclosed HTML tag `<b>`"), "{error}");
    }

    #[test]
    fn errors_of_all_pages_come_together() {
        let tree = fixture::tree();
        fixture::append(tree.path(), "book/en/src/first.md", "\n{{#listing 01-first src/x.rs}}\n");
        fixture::append(tree.path(), "book/en/src/second.md", "\n{{#session 01-first/x}}\n");
        let error = build(tree.path(), &tree.path().join("out"), Edition::Everyone).unwrap_err();
        let text = error.to_string();
        let mut lines = text.lines();
        let first = "{{#listing 01-first src/x.rs}}: no such file: steps/01-first/src/x.rs";
        assert!(lines.next().unwrap().ends_with(first), "{text}");
        let second = "{{#session 01-first/x}}: no such file: steps/01-first/sessions/x.session";
        assert!(lines.next().unwrap().ends_with(second), "{text}");
    }
}
