//! The mdBook preprocessor `steps`: pages in, pages out, with listings, differences, sessions and figures in them.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{self, IsTerminal as _, Read, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, anyhow, bail};
use conformance::text;
use conformance::texts::{in_language, language};
use mdbook_preprocessor::book::{Book, Chapter};
use mdbook_preprocessor::{Preprocessor, PreprocessorContext, parse_input};
use workspace::root;

use crate::directive::Directive;
use crate::directives::{self, collect, contract, message, schedule, time};
use crate::edition::Edition;
use crate::exercises;
use crate::highlight::fence;
use crate::html;
use crate::outline::Outline;
use crate::place::Places;
use crate::source::Source;
use crate::summary::Heading;
use crate::translation::{self, TOP};

/// Replaces the directives in a book's pages.
#[derive(Clone, Copy, Debug)]
pub struct Steps(pub Edition);

impl Preprocessor for Steps {
    fn name(&self) -> &'static str {
        "steps"
    }

    fn supports_renderer(&self, renderer: &str) -> Result<bool> {
        Ok(supports(renderer))
    }

    fn run(&self, ctx: &PreprocessorContext, book: Book) -> Result<Book> {
        let language = ctx.config.book.language.as_deref().unwrap_or("en");
        in_language(language, || self.expand(ctx, book))
    }
}

impl Steps {
    /// Replaces the directives, in the language of the texts.
    fn expand(self, ctx: &PreprocessorContext, mut book: Book) -> Result<Book> {
        let root = root::above(&ctx.root)
            .with_context(|| format!("no folder above {} has `steps` in it", ctx.root.display()))?;
        let book_root = &ctx.root;
        let src = book_root.join(&ctx.config.book.src);
        let places = Places::read(root, &src)?;
        self.0.shape(root, &mut book)?;
        let stale = match self.0 {
            // A sheet has no sections of its own.
            Edition::Handout => Vec::new(),
            _ => translation::stale(root, &language())?,
        };
        let mut errors = Vec::new();
        let mut contents = HashMap::new();
        for (path, text) in book.chapters().filter_map(source_of) {
            // The teacher's pages are beside `src`.
            let file = path.strip_prefix("..").map_or(src.join(path), |path| book_root.join(path));
            let mut page = Page::new(root, file);
            if self.0 != Edition::Handout {
                page.place = path.to_str().and_then(|path| places.html(path));
            }
            page.name = path.to_string_lossy().replace('\\', "/").replace("../", "");
            let of_page = stale.iter().filter(|(name, _)| *name == page.name);
            page.stale = of_page.map(|(_, id)| id.clone()).collect();
            page.expand(text);
            errors.append(&mut page.errors);
            contents.insert(path.clone(), page.output);
        }
        if !errors.is_empty() {
            bail!("{}", errors.join("\n"));
        }
        book.for_each_chapter_mut(|chapter| {
            // mdBook refuses contents that name a page twice.
            let output = chapter.source_path.as_ref().and_then(|path| contents.remove(path));
            if let Some(output) = output {
                chapter.content = output;
            }
        });
        Ok(book)
    }
}

/// Whether there is a point in running this preprocessor for a renderer.
#[must_use]
pub fn supports(renderer: &str) -> bool {
    renderer == "html"
}

/// Answers mdBook, which calls this program.
pub fn run_for_mdbook() -> Result<()> {
    if io::stdin().is_terminal() {
        bail!("{FOR_MDBOOK}");
    }
    run(io::stdin().lock(), io::stdout().lock())
}

const FOR_MDBOOK: &str = "this command is for mdBook, which calls it; try `cargo xtask build`";

/// The preprocessor protocol: a book arrives as JSON, and is returned as JSON.
fn run(input: impl Read, output: impl Write) -> Result<()> {
    let (context, book) = parse_input(input).context(FOR_MDBOOK)?;
    let book = Steps(Edition::Everyone).run(&context, book)?;
    serde_json::to_writer(output, &book).context("cannot hand the book back to mdBook")
}

/// Returns the file of a page's text, and the text; a page that has only an entry in the contents has neither.
fn source_of(chapter: &Chapter) -> Option<(&PathBuf, &str)> {
    chapter.source_path.as_ref().map(|path| (path, chapter.content.as_str()))
}

/// A page that is being written.
struct Page<'a> {
    root: &'a Path,
    path: PathBuf,
    /// Its name, such as `server.md`.
    name: String,
    /// The ids of the sections that are older than the English ones.
    stale: BTreeSet<String>,
    /// The line of the file from which each line is, once Markdown has been inserted.
    origins: Vec<usize>,
    outline: Outline,
    /// The block that shows where the page is among the steps.
    place: Option<String>,
    output: String,
    errors: Vec<String>,
}

impl<'a> Page<'a> {
    fn new(root: &'a Path, path: PathBuf) -> Self {
        let (origins, outline) = (Vec::new(), Outline::default());
        let (output, errors) = (String::new(), Vec::new());
        let (name, stale) = (String::new(), BTreeSet::new());
        Self { root, path, name, stale, origins, outline, place: None, output, errors }
    }

    fn expand(&mut self, text: &str) {
        let text = self.markdown(text);
        let lines: Vec<&str> = text.lines().collect();
        let mut index = 0;
        while index < lines.len() {
            let (prefix, rest) = split_prefix(lines[index]);
            let (block, end) = if let Some(fence) = Fence::open(rest) {
                let (body, end) = fence.body(&lines, index, prefix);
                (self.fence(&fence, index, &body, end), end)
            } else {
                self.outline.add(lines[index]);
                let block = label(rest).or_else(|| self.directive(rest, index));
                (block, index + 1)
            };
            match block {
                Some(html) => self.push_block(prefix, &html, lines.get(end).copied()),
                None => self.push_lines(&lines[index..end]),
            }
            if let Some(note) = self.note(lines[index]) {
                self.push_lines(&["", &note]);
            }
            index = end;
        }
        self.insert_below_title();
    }

    /// The note below the heading of a section that is older than the English one.
    fn note(&self, line: &str) -> Option<String> {
        let id = Heading::in_line(line)?.id.filter(|id| self.stale.contains(*id))?;
        Some(translation::note(&self.name, id))
    }

    /// Puts the page's place among the steps below its title, and the list of its headings.
    fn insert_below_title(&mut self) {
        let note = self.stale.contains(TOP).then(|| translation::note(&self.name, TOP));
        let blocks: Vec<String> =
            self.place.take().into_iter().chain(self.outline.html()).chain(note).collect();
        let title_end = self.output.find('\n').filter(|_| self.output.starts_with("# "));
        if let (Some(at), false) = (title_end, blocks.is_empty()) {
            self.output.insert_str(at + 1, &format!("\n{}\n", blocks.join("\n\n")));
        }
    }

    /// Replaces the directives that give Markdown, which is then treated like the rest of the page.
    fn markdown(&mut self, text: &str) -> String {
        let (mut lines, mut origins) = (Vec::new(), Vec::new());
        for (index, line) in text.lines().enumerate() {
            let src = self.path.parent().unwrap_or(self.root);
            let found = Directive::alone_in(line).and_then(|directive| {
                let found = match directive.name {
                    "collect" => collect::markdown(src, directive.arguments),
                    "contract" => contract::markdown(directive.arguments),
                    "message" => message::markdown(directive.arguments).map(|line| vec![line]),
                    "time" => time::markdown(src, text, directive.arguments).map(|line| vec![line]),
                    "minutes" => exercises::markdown(directive.arguments).map(|line| vec![line]),
                    "schedule" => schedule::markdown(self.root, directive.arguments),
                    _ => return None,
                };
                Some((directive, found))
            });
            let block = match found {
                None => line.to_owned(),
                Some((directive, found)) => {
                    self.report(found, index, directive.text).unwrap_or_default().join("\n")
                }
            };
            origins.extend(block.split('\n').map(|_| index));
            lines.push(block);
        }
        self.origins = origins;
        lines.join("\n")
    }

    /// The HTML for a line that is one directive; none for all other lines.
    fn directive(&mut self, line: &str, index: usize) -> Option<String> {
        let Some(directive) = Directive::alone_in(line) else {
            self.check_inside(line, index);
            return None;
        };
        if directive.is_mdbooks() {
            self.check_inside(line, index);
            return None;
        }
        let html = directives::render(&directive, self.root);
        self.report(html, index, directive.text)
    }

    /// Directives inside a line are mdBook's, or they are in code, or they are wrong.
    fn check_inside(&mut self, line: &str, index: usize) {
        for (start, _) in line.match_indices("{{#") {
            let before = &line[..start];
            let Some(directive) = Directive::at_start_of(&line[start..]) else {
                continue;
            };
            if before.ends_with('\\') || !before.matches('`').count().is_multiple_of(2) {
                continue;
            }
            let checked = match directive.name {
                "include" => self.include(directive.arguments).map(drop),
                _ if directive.is_mdbooks() => Ok(()),
                _ => directive.misplaced(),
            };
            self.report(checked, index, directive.text);
        }
    }

    /// A fenced block of code; none if there is something wrong with it.
    fn fence(&mut self, open: &Fence, index: usize, body: &[&str], end: usize) -> Option<String> {
        let is_closed = index + 1 + body.len() < end;
        let complaint = match open.language {
            _ if !is_closed => "the block is never closed",
            "rust" | "rs" => "Rust is never typed into a page: use {{#listing}}",
            "console" => "a terminal is never typed into a page: use {{#session}}",
            _ => "",
        };
        if !complaint.is_empty() {
            return self.report(Err(anyhow!(complaint)), index, open.text);
        }
        let mut text = String::new();
        for (offset, line) in body.iter().enumerate() {
            match Directive::alone_in(line).filter(|directive| directive.name == "include") {
                Some(directive) => {
                    let included = self.include(directive.arguments);
                    text += &self.report(included, index + 1 + offset, directive.text)?;
                }
                None => text += &(line.replace("\\{{#", "{{#") + "\n"),
            }
        }
        Some(fence(open.language, &text))
    }

    /// Returns the text that replaces `{{#include FILE[:ANCHOR]}}`.
    fn include(&self, argument: &str) -> Result<String> {
        let (file, anchor) = match argument.split_once(':') {
            Some((file, anchor)) => (file, Some(anchor)),
            None => (argument, None),
        };
        let folder = self.path.parent().unwrap_or(self.root);
        let text = fs::read_to_string(folder.join(file))
            .map_err(|_| anyhow!("no such file: {}", root::shown(self.root, &folder.join(file))))?;
        let source = Source::new(&text);
        match anchor {
            None => Ok(source.text),
            Some(anchor) if anchor.starts_with(|c: char| c.is_ascii_digit() || c == ':') => {
                bail!("lines move: give a name, as in {file}:NAME, and put `ANCHOR: NAME` there")
            }
            Some(anchor) => {
                let range = source.lines_of(file, anchor)?;
                let lines = source.text.lines().skip(range.start).take(range.len());
                Ok(lines.map(|line| line.to_owned() + "\n").collect())
            }
        }
    }

    /// Keeps what is right; remembers what is wrong, and where.
    fn report<T>(&mut self, result: Result<T>, index: usize, what: &str) -> Option<T> {
        let page = root::shown(self.root, &self.path);
        let number = self.origins.get(index).unwrap_or(&index) + 1;
        result
            .map_err(|error| {
                self.errors.push(format!("{page}:{number}: {what}: {error:#}"));
            })
            .ok()
    }

    fn push_lines(&mut self, lines: &[&str]) {
        for line in lines {
            self.output.push_str(line);
            self.output.push('\n');
        }
    }

    /// A blank line ends an HTML block, so that what follows is Markdown again.
    fn push_block(&mut self, prefix: &str, html: &str, next: Option<&str>) {
        let block = format!("{prefix}{}", html::one_line(html));
        self.push_lines(&[&block]);
        if next.is_some_and(|line| !split_prefix(line).1.is_empty()) {
            self.push_lines(&[prefix.trim_end()]);
        }
    }
}

/// The label of a callout that corrects the tutorial, for its first line; Markdown knows other callouts only.
fn label(line: &str) -> Option<String> {
    let label = text!("callout.tutorial");
    (line.trim_end() == collect::CORRECTION).then(|| format!(r#"<p class="tutorial">{label}</p>"#))
}

/// A line without the indentation and the quote marks before it.
fn split_prefix(line: &str) -> (&str, &str) {
    let rest = line.trim_start_matches([' ', '\t', '>']);
    line.split_at(line.len() - rest.len())
}

/// The first line of a fenced block of code.
struct Fence<'a> {
    text: &'a str,
    marks: &'a str,
    language: &'a str,
}

impl<'a> Fence<'a> {
    fn open(line: &'a str) -> Option<Self> {
        let mark = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let info = line.trim_start_matches(mark);
        let marks = &line[..line.len() - info.len()];
        let info = info.trim();
        let is_fence = marks.len() >= 3 && !(mark == '`' && info.contains('`'));
        is_fence.then(|| Self {
            text: line.trim_end(),
            marks,
            language: info.split([' ', '\t', ',']).next().unwrap_or(""),
        })
    }

    fn is_closed_by(&self, line: &str) -> bool {
        let line = line.trim();
        line.len() >= self.marks.len() && line.trim_start_matches(&self.marks[..1]).is_empty()
    }

    /// The lines inside, without the prefix of the first, and the index of the line after the block.
    fn body<'t>(&self, lines: &[&'t str], first: usize, prefix: &str) -> (Vec<&'t str>, usize) {
        let mut body = Vec::new();
        for (index, line) in lines.iter().enumerate().skip(first + 1) {
            let line = line.strip_prefix(prefix).unwrap_or_else(|| split_prefix(line).1);
            if self.is_closed_by(line) {
                return (body, index + 1);
            }
            body.push(line);
        }
        (body, lines.len())
    }
}

#[cfg(test)]
mod tests;
