//! The book as a public site: what a page says about itself to programs that list it or show a link to it, where it is,
//! and the files that are there for such programs alone.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use mdbook_driver::config::Config;
use workspace::edition::ENGLISH;

use crate::built;
use crate::html::escape;
use crate::search;

/// The setting that holds the site's address.
const SETTING: &str = "output.html.site-url";

/// What only a page of the book has.
const DESCRIPTION: &str = r#"<meta name="description" content=""#;
const OG_DESCRIPTION: &str = r#"<meta property="og:description" content=""#;

/// What a page has that is in no list of pages.
const UNLISTED: &str = r#"<meta name="robots" content="noindex">"#;

/// Lists of results show no more characters.
const LONGEST_DESCRIPTION: usize = 160;

/// Where the book is on the web.
#[derive(Debug)]
pub struct Address {
    /// With a slash at the end; nothing for a book that is read on this computer.
    url: Option<String>,
    languages: Vec<Language>,
}

/// A language that the book is written in.
#[derive(Debug)]
struct Language {
    /// Its code, such as `en`.
    code: String,
    /// Its folder on the site: English is at the top.
    folder: String,
    /// The folder of its pages' sources.
    src: PathBuf,
}

impl Address {
    /// Takes the address from the book's settings, and leaves its path there: with a path, the page for unknown
    /// addresses also works on another host.
    pub fn take(root: &Path, config: &mut Config) -> Result<Self> {
        let url: String = config.get(SETTING)?.unwrap_or_default();
        let Some((scheme, rest)) = url.split_once("://") else {
            return Ok(Self { url: None, languages: Vec::new() });
        };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !matches!(scheme, "http" | "https") || host.is_empty() || path.contains(['?', '#']) {
            bail!("{SETTING} is {url}; expected an address such as https://example.org/book/");
        }
        let slash = if path.is_empty() || path.ends_with('/') { "" } else { "/" };
        config.set(SETTING, format!("/{path}{slash}"))?;
        let url = Some(format!("{scheme}://{host}/{path}{slash}"));
        Ok(Self { url, languages: languages(root)? })
    }

    /// The page, with a description of its own; and with its address, if there is one.
    pub fn describe(&self, name: &str, mut page: String) -> String {
        if !is_listed(&page) {
            return page;
        }
        if let Some(description) = description(&page) {
            for start in [DESCRIPTION, OG_DESCRIPTION] {
                replace(&mut page, start, &escape(&description));
            }
        }
        if let Some(url) = self.of("", name) {
            let (url, alternates) = (escape(&url), self.alternates(name));
            let lines = format!(
                "<link rel=\"canonical\" href=\"{url}\">\n<meta property=\"og:url\" content=\"{url}\">\n{alternates}</head>"
            );
            page = page.replacen("</head>", &lines, 1);
        }
        page
    }

    /// The address of a page in a folder.
    fn of(&self, folder: &str, name: &str) -> Option<String> {
        let page = if name == "index.html" { "" } else { name };
        self.url.as_ref().map(|url| format!("{url}{folder}{page}"))
    }

    /// Links to a page in each of its languages; none if it has only one.
    fn alternates(&self, name: &str) -> String {
        let source = name.replace(".html", ".md");
        let has_page = |it: &&Language| it.src.join(&source).is_file();
        let languages: Vec<&Language> = self.languages.iter().filter(has_page).collect();
        if languages.len() < 2 {
            return String::new();
        }
        let link = |Language { code, folder, .. }: &Language| {
            let url = escape(&self.of(folder, name)?);
            Some(format!("<link rel=\"alternate\" hreflang=\"{code}\" href=\"{url}\">\n"))
        };
        languages.into_iter().filter_map(link).collect()
    }

    /// Writes the list of pages for search engines, and the file that leads to it.
    pub fn write_lists(&self, dest: &Path) -> Result<()> {
        let Some(address) = &self.url else { return Ok(()) };
        let mut pages = texts(dest)?;
        pages.retain(|_, text| is_listed(text));
        let urls = pages.keys().filter_map(|name| self.of("", name));
        let urls: Vec<String> =
            urls.map(|url| format!("<url><loc>{}</loc></url>\n", escape(&url))).collect();
        let urls = urls.concat();
        let sitemap = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n{urls}</urlset>\n"
        );
        let robots = format!("User-agent: *\nAllow: /\nSitemap: {address}sitemap.xml\n");
        for (name, text) in [("sitemap.xml", sitemap), ("robots.txt", robots)] {
            fs::write(dest.join(name), text).with_context(|| format!("cannot write {name}"))?;
        }
        Ok(())
    }
}

/// The languages of the book: each has a folder, which is named by its code.
fn languages(root: &Path) -> Result<Vec<Language>> {
    let english = root.join(ENGLISH);
    let mut languages = Vec::new();
    for entry in english.with_file_name("").read_dir().context("cannot list the languages")? {
        let path = entry?.path();
        if path.join("book.toml").is_file() {
            let code = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let folder = if path == english { String::new() } else { format!("{code}/") };
            languages.push(Language { code, folder, src: path.join("src") });
        }
    }
    languages.sort_by(|a, b| a.code.cmp(&b.code));
    Ok(languages)
}

fn is_listed(page: &str) -> bool {
    page.contains(DESCRIPTION) && !page.contains(UNLISTED)
}

/// Replaces the rest of an attribute that begins in this way.
fn replace(page: &mut String, start: &str, value: &str) {
    let Some(from) = page.find(start).map(|at| at + start.len()) else { return };
    let Some(len) = page[from..].find('"') else { return };
    page.replace_range(from..from + len, value);
}

/// The sentences of a page's first paragraph, as far as there is room; of a long sentence, the first words.
fn description(page: &str) -> Option<String> {
    let sections = search::sections(page);
    let paragraph = sections.iter().find_map(|section| section.text.lines().next())?.to_owned();
    let paragraph = match paragraph.strip_suffix(':') {
        Some(sentence) => format!("{sentence}."),
        None => paragraph,
    };
    if paragraph.chars().count() <= LONGEST_DESCRIPTION {
        return Some(paragraph);
    }
    let last = paragraph.char_indices().nth(LONGEST_DESCRIPTION - 1)?.0;
    let start = &paragraph[..last];
    let sentences = start.rfind(". ").map(|at| start[..=at].to_owned());
    let words = || start.rfind(' ').map(|at| start[..at].trim_end_matches(',').to_owned() + "…");
    sentences.or_else(words)
}

/// Removes the scripts and style sheets that no page names: mdBook writes those of its own theme, too.
pub fn remove_unused(dest: &Path) -> Result<()> {
    let texts = texts(dest)?;
    for path in texts.keys().filter(|path| !is_page(path)) {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if texts.iter().any(|(other, text)| other != path && text.contains(name)) {
            continue;
        }
        fs::remove_file(dest.join(path)).with_context(|| format!("cannot remove {path}"))?;
        let folder = dest.join(folder);
        if folder.read_dir().is_ok_and(|mut files| files.next().is_none()) {
            fs::remove_dir(&folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
    }
    Ok(())
}

fn is_page(path: &str) -> bool {
    Path::new(path).extension() == Some(OsStr::new("html"))
}

/// The pages, scripts and style sheets, by their paths.
fn texts(dest: &Path) -> Result<BTreeMap<String, String>> {
    let is_text = |path: &String| [".html", ".css", ".js"].iter().any(|it| path.ends_with(it));
    let read = |path: String| {
        let text = fs::read_to_string(dest.join(&path));
        text.with_context(|| format!("cannot read {path}")).map(|text| (path, text))
    };
    built::files(dest)?.into_iter().filter(is_text).map(read).collect()
}

#[cfg(test)]
mod tests {
    use workspace::fixture;

    use super::*;
    use crate::build;
    use crate::edition::Edition;

    fn described(paragraph: &str) -> String {
        let page = format!("<main><h1 id=\"a\">A</h1><p>{paragraph}</p><p>More.</p></main>");
        description(&page).unwrap()
    }

    #[test]
    fn a_description_is_as_much_of_the_first_paragraph_as_there_is_room_for() {
        assert_eq!(described("One &amp; <em>two</em>."), "One & two.");
        assert_eq!(described("A second one gets no answer:"), "A second one gets no answer.");
        let long = "word ".repeat(40);
        assert_eq!(described(&format!("A sentence. {long}.")), "A sentence.");
        let words = described(&long);
        assert!(
            words.chars().count() <= LONGEST_DESCRIPTION && words.ends_with(" word…"),
            "{words}"
        );
    }

    /// A book with the real theme, with this address, and with a page in another language.
    fn built(site_url: &str) -> tempfile::TempDir {
        let tree = fixture::tree();
        fixture::write(tree.path(), "book/xx/book.toml", "");
        fixture::write(tree.path(), "book/xx/src/second.md", "# Second\n");
        fixture::copy_real(tree.path(), "book/theme");
        let html = "[output.html]\n";
        let settings = format!("{html}theme = \"../theme\"\n{site_url}");
        fixture::replace(tree.path(), "book/en/book.toml", html, &settings);
        let redirect = "\n[output.html.redirect]\n\"/old.html\" = \"second.html\"\n";
        fixture::append(tree.path(), "book/en/book.toml", redirect);
        build::build(tree.path(), &tree.path().join("out"), Edition::Everyone).unwrap();
        tree
    }

    #[test]
    fn pages_have_an_address_where_the_site_has_one() {
        let tree = built("site-url = \"https://example.org/book\"\n");
        let read = |name: &str| fs::read_to_string(tree.path().join("out").join(name)).unwrap();
        let page = read("second.html");
        for part in [
            r#"<link rel="canonical" href="https://example.org/book/second.html">"#,
            r#"<meta property="og:url" content="https://example.org/book/second.html">"#,
            r#"<link rel="alternate" hreflang="en" href="https://example.org/book/second.html">"#,
            r#"<link rel="alternate" hreflang="xx" href="https://example.org/book/xx/second.html">"#,
        ] {
            assert!(page.contains(part), "no {part} in {page}");
        }
        assert!(!read("first.html").contains("hreflang"), "it is there in English alone");
        assert!(
            read("index.html")
                .contains(r#"<link rel="canonical" href="https://example.org/book/">"#)
        );
        assert!(read("404.html").contains(r#"<base href="/book/">"#));
        assert!(!read("404.html").contains("canonical"));
        let sitemap = read("sitemap.xml");
        assert!(sitemap.contains("<loc>https://example.org/book/second.html</loc>"), "{sitemap}");
        for unlisted in ["404", "print", "toc", "old"] {
            assert!(tree.path().join(format!("out/{unlisted}.html")).is_file(), "{unlisted}");
            assert!(!sitemap.contains(unlisted), "{unlisted} in {sitemap}");
        }
        assert!(read("robots.txt").ends_with("\nSitemap: https://example.org/book/sitemap.xml\n"));
    }

    #[test]
    fn a_book_without_an_address_names_none_and_has_no_file_that_it_does_not_use() {
        let tree = built("site-url = \"/book/\"\n");
        let files = built::files(&tree.path().join("out")).unwrap();
        let page = fs::read_to_string(tree.path().join("out/second.html")).unwrap();
        assert!(page.contains(r#"<meta name="description" content="Back, or up.">"#), "{page}");
        assert!(
            page.contains(r#"<meta property="og:description" content="Back, or up.">"#),
            "{page}"
        );
        assert!(!page.contains("canonical") && !page.contains("og:url"), "{page}");
        let others = files.iter().filter(|file| !is_page(file));
        let names = others.map(|file| file.split(['-', '.']).next().unwrap_or_default());
        let expected = ["", "book", "css/general", "css/print", "favicon", "search"];
        assert_eq!(names.collect::<Vec<_>>(), expected, "{files:?}");
    }

    #[test]
    fn an_address_that_is_none_is_refused() {
        let address = |url: &str| {
            let mut config = Config::default();
            config.set(SETTING, url).unwrap();
            Address::take(fixture::tree().path(), &mut config).map(|it| it.url)
        };
        assert_eq!(address("http://a.org").unwrap().as_deref(), Some("http://a.org/"));
        assert_eq!(address("/book/").unwrap(), None);
        for wrong in ["ftp://a.org/", "https:///book/", "https://a.org/?x"] {
            let expected = format!(
                "{SETTING} is {wrong}; expected an address such as https://example.org/book/"
            );
            assert_eq!(address(wrong).unwrap_err().to_string(), expected);
        }
    }
}
