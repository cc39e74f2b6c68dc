//! The book as a public site: what a page says about itself to programs that list it or show a link to it, where it is,
//! and the files that are there for such programs alone.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use conformance::text;
use conformance::texts::{in_language, language};
use mdbook_driver::config::Config;
use workspace::edition::{self, ENGLISH};

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

/// Where the theme has a place for links to the page in other languages.
const TWINS: &str = "<!-- twins -->";

/// Pages that mdBook makes: they have no source.
const GENERATED: [&str; 2] = ["404.html", "print.html"];

/// Lists of results show no more characters.
const LONGEST_DESCRIPTION: usize = 160;

/// Where the book is on the web, and its pages in each language.
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
    /// Its name in itself.
    name: String,
    /// The folder of its pages' sources.
    src: PathBuf,
}

/// Where the pages in a language are in the built book: English is at the top.
#[must_use]
pub fn folder_of(language: &str) -> String {
    if edition::folder_of(language) == ENGLISH { String::new() } else { format!("{language}/") }
}

impl Address {
    /// Reads the address from the settings of the English book.
    pub fn read(root: &Path) -> Result<Self> {
        let mut config = Config::from_disk(root.join(ENGLISH).join("book.toml"))?;
        config.update_from_env()?;
        let url = url(&config.get::<String>(SETTING)?.unwrap_or_default())?;
        Ok(Self { url, languages: languages(root)? })
    }

    /// Leaves only the path in the settings of the book in this language: with a path, the page for unknown addresses
    /// also works on another host.
    pub fn leave_path(&self, config: &mut Config) -> Result<()> {
        let path = match &self.url {
            Some(url) => format!("/{}", url.splitn(4, '/').nth(3).unwrap_or_default()),
            None => config.get(SETTING)?.unwrap_or_else(|| "/".to_owned()),
        };
        config.set(SETTING, path + &folder_of(&language()))
    }

    /// The page, with a description of its own; with its address, if there is one; and with links to it in the other
    /// languages.
    pub fn describe(&self, name: &str, page: String) -> String {
        let mut page = with_english_code(self.with_twins(name, page));
        for (english, own) in words_of_mdbook() {
            page = page.replace(english, &own);
        }
        if !is_listed(&page) {
            return page;
        }
        if let Some(description) = description(&page) {
            for start in [DESCRIPTION, OG_DESCRIPTION] {
                replace(&mut page, start, &escape(&description));
            }
        }
        if let Some(url) = self.of(&language(), name) {
            let (url, alternates) = (escape(&url), self.alternates(name));
            let lines = format!(
                "<link rel=\"canonical\" href=\"{url}\">\n<meta property=\"og:url\" content=\"{url}\">\n{alternates}</head>"
            );
            page = page.replacen("</head>", &lines, 1);
        }
        page
    }

    /// The address of a page in a language.
    fn of(&self, language: &str, name: &str) -> Option<String> {
        let page = if name == "index.html" { "" } else { name };
        self.url.as_ref().map(|url| format!("{url}{}{page}", folder_of(language)))
    }

    /// The languages that have a page.
    fn languages(&self, name: &str) -> impl Iterator<Item = &Language> {
        let source = name.replace("-files.html", ".html").replace(".html", ".md");
        let is_everywhere = GENERATED.contains(&name);
        self.languages.iter().filter(move |it| is_everywhere || it.src.join(&source).is_file())
    }

    /// Links to a page in each of its languages; none if it has only one.
    fn alternates(&self, name: &str) -> String {
        let languages: Vec<&Language> = self.languages(name).collect();
        if languages.len() < 2 {
            return String::new();
        }
        let link = |Language { code, .. }: &Language| {
            let url = escape(&self.of(code, name)?);
            Some(format!("<link rel=\"alternate\" hreflang=\"{code}\" href=\"{url}\">\n"))
        };
        languages.into_iter().filter_map(link).collect()
    }

    /// The page with a link to itself in each other language, where the theme has a place for it.
    fn with_twins(&self, name: &str, page: String) -> String {
        let own = language();
        let up = if folder_of(&own).is_empty() { "" } else { "../" };
        let others = self.languages(name).filter(|it| it.code != own);
        let link = |Language { code, name: language, .. }: &Language| {
            let folder = folder_of(code);
            let words = || (text!("edition.offer"), text!("edition.close"));
            let (offer, close) = in_language(code, words);
            format!(
                r#"<a class="tool twin" lang="{code}" hreflang="{code}" rel="alternate" href="{up}{folder}{name}" data-offer="{offer}" data-close="{close}">{language}</a>"#
            )
        };
        page.replacen(TWINS, &others.map(link).collect::<String>(), 1)
    }

    /// Writes the list of pages for search engines, and the file that leads to it, if the site has an address.
    pub fn write_lists(&self, dest: &Path) -> Result<()> {
        let Some(url) = &self.url else { return Ok(()) };
        let mut pages = texts(dest)?;
        pages.retain(|_, text| is_listed(text));
        let line = |name: &String| {
            let folder =
                name.strip_suffix("index.html").filter(|it| it.is_empty() || it.ends_with('/'));
            format!(
                "<url><loc>{}</loc></url>\n",
                escape(&format!("{url}{}", folder.unwrap_or(name)))
            )
        };
        let urls: String = pages.keys().map(line).collect();
        let sitemap = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <urlset xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n{urls}</urlset>\n"
        );
        let robots = format!("User-agent: *\nAllow: /\nSitemap: {url}sitemap.xml\n");
        for (name, text) in [("sitemap.xml", sitemap), ("robots.txt", robots)] {
            fs::write(dest.join(name), text).with_context(|| format!("cannot write {name}"))?;
        }
        Ok(())
    }
}

/// The address of a site, with a slash at the end; none for a path alone.
fn url(setting: &str) -> Result<Option<String>> {
    let Some((scheme, rest)) = setting.split_once("://") else { return Ok(None) };
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    if !matches!(scheme, "http" | "https") || host.is_empty() || path.contains(['?', '#']) {
        bail!("{SETTING} is {setting}; expected an address such as https://example.org/book/");
    }
    let slash = if path.is_empty() || path.ends_with('/') { "" } else { "/" };
    Ok(Some(format!("{scheme}://{host}/{path}{slash}")))
}

fn languages(root: &Path) -> Result<Vec<Language>> {
    let language = |code: String| {
        let name = in_language(&code, || text!("edition.language"));
        Language { name, src: root.join(edition::folder_of(&code)).join("src"), code }
    };
    Ok(edition::languages(root)?.into_iter().map(language).collect())
}

/// The page with the language of code and of terminals, if it is not that of the page.
fn with_english_code(page: String) -> String {
    if edition::folder() == ENGLISH {
        return page;
    }
    let mark = |page: String, name| {
        [" ", ">"].iter().fold(page, |page, end| {
            page.replace(&format!("<{name}{end}"), &format!("<{name} lang=\"en\"{end}"))
        })
    };
    ["code", "kbd", "samp"].into_iter().fold(page, mark)
}

/// What mdBook writes in English, with what is around it, and the same in the language of the page.
fn words_of_mdbook() -> [(&'static str, String); 6] {
    let callout = |title: String| format!("</svg>{title}</p>");
    [
        ("<title>Page not found", format!("<title>{}", text!("edition.not-found"))),
        ("</svg>Note</p>", callout(text!("callout.note"))),
        ("</svg>Tip</p>", callout(text!("callout.tip"))),
        ("</svg>Important</p>", callout(text!("callout.important"))),
        ("</svg>Warning</p>", callout(text!("callout.warning"))),
        ("</svg>Caution</p>", callout(text!("callout.caution"))),
    ]
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
    // A page is long, and its first paragraph is near its beginning: the rest is not parsed.
    let mut starts = page.match_indices("</p>").map(|(at, end)| &page[..at + end.len()]);
    let first = |start: &str| {
        let sections = search::sections(start);
        sections.iter().find_map(|section| section.text.lines().next().map(str::to_owned))
    };
    let paragraph = starts.find_map(first).or_else(|| first(page))?;
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

    /// A book with the real theme, with this address, and in two languages, except a page.
    fn built(site_url: &str) -> tempfile::TempDir {
        let tree = fixture::tree();
        fixture::copy_real(tree.path(), "book/theme");
        let html = "[output.html]\n";
        let settings = format!("{html}theme = \"../theme\"\n{site_url}");
        fixture::replace(tree.path(), "book/en/book.toml", html, &settings);
        let redirect = "\n[output.html.redirect]\n\"/old.html\" = \"second.html\"\n";
        fixture::append(tree.path(), "book/en/book.toml", redirect);
        fixture::copy_edition(tree.path(), "xx");
        fixture::write(tree.path(), "book/en/src/alone.md", "# Alone\n\nA page.\n");
        fixture::append(tree.path(), "book/en/src/SUMMARY.md", "- [Alone](alone.md)\n");
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
        assert!(!read("alone.html").contains("hreflang"), "it is there in English alone");
        let other = read("xx/second.html");
        for part in [
            r#"<link rel="canonical" href="https://example.org/book/xx/second.html">"#,
            r#"<link rel="alternate" hreflang="en" href="https://example.org/book/second.html">"#,
        ] {
            assert!(other.contains(part), "no {part} in {other}");
        }
        assert!(
            read("index.html")
                .contains(r#"<link rel="canonical" href="https://example.org/book/">"#)
        );
        assert!(read("404.html").contains(r#"<base href="/book/">"#));
        assert!(read("xx/404.html").contains(r#"<base href="/book/xx/">"#));
        assert!(!read("404.html").contains("canonical"));
        let sitemap = read("sitemap.xml");
        for page in ["", "second.html", "xx/", "xx/second.html"] {
            let line = format!("<loc>https://example.org/book/{page}</loc>");
            assert!(sitemap.contains(&line), "{line} in {sitemap}");
        }
        for unlisted in ["404", "print", "toc", "old"] {
            assert!(tree.path().join(format!("out/{unlisted}.html")).is_file(), "{unlisted}");
            assert!(!sitemap.contains(unlisted), "{unlisted} in {sitemap}");
        }
        assert!(read("robots.txt").ends_with("\nSitemap: https://example.org/book/sitemap.xml\n"));
    }

    #[test]
    fn each_page_leads_to_itself_in_the_other_language() {
        let tree = built("");
        let read = |name: &str| fs::read_to_string(tree.path().join("out").join(name)).unwrap();
        assert!(read("xx/second.html").contains(r#"<kbd lang="en" class="command">"#));
        assert!(read("second.html").contains(r#"<kbd class="command">"#));
        for (page, href) in [
            ("second.html", "xx/second.html"),
            ("xx/second.html", "../second.html"),
            ("print.html", "xx/print.html"),
            ("xx/404.html", "../404.html"),
        ] {
            let links = read(page);
            let link = links.split("<a ").find(|it| it.contains("twin")).expect(page);
            assert!(link.contains(&format!(r#" href="{href}" "#)), "{page}: {link}");
        }
        assert!(!read("alone.html").contains("twin"));
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
        let others = files.iter().filter(|file| !is_page(file) && !file.starts_with("xx/"));
        let names = others.map(|file| file.split(['-', '.']).next().unwrap_or_default());
        let expected = ["", "book", "css/general", "css/print", "favicon", "search"];
        assert_eq!(names.collect::<Vec<_>>(), expected, "{files:?}");
    }

    #[test]
    fn an_address_that_is_none_is_refused() {
        assert_eq!(url("http://a.org").unwrap().as_deref(), Some("http://a.org/"));
        assert_eq!(url("/book/").unwrap(), None);
        for wrong in ["ftp://a.org/", "https:///book/", "https://a.org/?x"] {
            let expected = format!(
                "{SETTING} is {wrong}; expected an address such as https://example.org/book/"
            );
            assert_eq!(url(wrong).unwrap_err().to_string(), expected);
        }
    }
}
