//! Source code as HTML: a few short classes, line by line.
//!
//! | class | what |
//! | --- | --- |
//! | `c` | comment |
//! | `k` | keyword |
//! | `s` | string, character |
//! | `n` | number, constant |
//! | `t` | type |
//! | `f` | function |
//! | `m` | macro |
//! | `a` | attribute, decorator |

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, OnceLock, PoisonError};

use syntect::parsing::{ParseState, Scope, ScopeStack, SyntaxReference, SyntaxSet};

use crate::html;

/// Pieces of text that look the same, in their order; no piece goes over a line's end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(Vec<(Class, String)>);

/// How a piece of text looks; plain text has none.
type Class = Option<&'static str>;

/// From scopes to classes; the first entry that fits counts.
const CLASSES: &[(&str, Class)] = &[
    ("comment", Some("c")),
    ("string", Some("s")),
    ("constant.character", Some("s")),
    ("constant.other.placeholder", Some("s")),
    ("constant", Some("n")),
    ("meta.annotation", Some("a")),
    ("support.macro", Some("m")),
    ("entity.name.macro", Some("m")),
    ("entity.name.function", Some("f")),
    ("support.function", Some("f")),
    ("variable.function", Some("f")),
    ("entity.name", Some("t")),
    ("support.type", Some("t")),
    ("support.class", Some("t")),
    ("storage.type.numeric", Some("t")),
    ("storage.type.source", Some("t")),
    ("storage.modifier.lifetime", Some("t")),
    ("storage", Some("k")),
    ("variable.language", Some("k")),
    ("keyword.operator.assignment", None),
    ("keyword", Some("k")),
];

/// To the syntax definition, Rust's primitive types are keywords.
const PRIMITIVES: &[&str] = &[
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "str", "u8", "u16",
    "u32", "u64", "u128", "usize",
];

static SYNTAXES: LazyLock<SyntaxSet> = LazyLock::new(SyntaxSet::load_defaults_newlines);

static SCOPES: LazyLock<Vec<(Scope, Class)>> = LazyLock::new(|| {
    let scope = |name| Scope::new(name).expect("the table holds valid scopes");
    CLASSES.iter().map(|(name, class)| (scope(name), *class)).collect()
});

/// What has been highlighted before: `serve` builds the same book again and again.
static CACHE: LazyLock<Mutex<Cache>> = LazyLock::new(Mutex::default);

/// From a language and a text to its lines. The locks are those of the entries: pages that are written
/// side by side wait for each other only where they show the same text.
type Cache = HashMap<(String, String), Arc<OnceLock<Arc<Vec<Line>>>>>;

/// The lines of a text in a language, such as `rust`; a language that is not known stays plain.
#[must_use]
pub fn highlight(language: &str, text: &str) -> Arc<Vec<Line>> {
    let key = (language.to_owned(), text.to_owned());
    let entry = {
        let mut cache = CACHE.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(cache.entry(key).or_default())
    };
    let lines = entry.get_or_init(|| {
        let lines = if is_plain(language) {
            plain(text)
        } else {
            parse(language, text).unwrap_or_else(|| plain(text))
        };
        Arc::new(lines)
    });
    Arc::clone(lines)
}

/// The name of the language in which a file is written, by the end of its name.
#[must_use]
pub fn language_of(path: &str) -> &str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "rs" => "rust",
        "py" => "python",
        "md" => "markdown",
        "sh" => "bash",
        extension => extension,
    }
}

/// Lines as HTML, each ending in a newline.
#[must_use]
pub fn to_html(lines: &[Line]) -> String {
    lines.iter().map(|line| line.to_html() + "\n").collect()
}

/// Takes away the indentation that all lines have in common.
#[must_use]
pub fn dedent(lines: &[Line]) -> Vec<Line> {
    let indentation = lines.iter().filter_map(Line::indentation).min().unwrap_or(0);
    lines.iter().map(|line| line.without_first(indentation)).collect()
}

impl Line {
    fn of(class: Class, text: &str) -> Self {
        let mut line = Self::default();
        line.push(class, text);
        line
    }

    /// The line as HTML, without a newline.
    #[must_use]
    pub fn to_html(&self) -> String {
        let piece = |(class, text): &(Class, String)| match class {
            Some(class) => format!(r#"<span class="{class}">{}</span>"#, html::escape(text)),
            None => html::escape(text),
        };
        self.0.iter().map(piece).collect()
    }

    fn push(&mut self, class: Class, text: &str) {
        match self.0.last_mut() {
            _ if text.is_empty() => {}
            Some((last, merged)) if *last == class => merged.push_str(text),
            _ => self.0.push((class, text.to_owned())),
        }
    }

    fn text(&self) -> String {
        self.0.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// The number of blanks at the start, unless there is nothing else.
    fn indentation(&self) -> Option<usize> {
        self.text().find(|c| c != ' ')
    }

    fn without_first(&self, mut count: usize) -> Self {
        let mut line = Self::default();
        for (class, text) in &self.0 {
            let cut = count.min(text.len());
            line.push(*class, &text[cut..]);
            count -= cut;
        }
        line
    }
}

/// Languages that have no colours, or whose colours would have no meaning.
fn is_plain(language: &str) -> bool {
    matches!(language, "" | "text" | "txt" | "console")
}

fn plain(text: &str) -> Vec<Line> {
    let line = |text: &str| Line::of(None, text);
    text.lines().map(line).collect()
}

/// None if the language is not known.
fn parse(language: &str, text: &str) -> Option<Vec<Line>> {
    let syntax = SYNTAXES.find_syntax_by_token(language)?;
    let mut parser = Parser::new(syntax);
    text.lines().map(|line| Some(attribute(language, line).unwrap_or(parser.line(line)?))).collect()
}

/// A line that is one Rust attribute; the syntax definition misses those inside a `struct` or an `enum`.
fn attribute(language: &str, text: &str) -> Option<Line> {
    let start = text.find("#[").or_else(|| text.find("#!["))?;
    let is_attribute = language == "rust" && text[..start].trim().is_empty() && text.ends_with(']');
    is_attribute.then(|| {
        let mut line = Line::of(None, &text[..start]);
        line.push(Some("a"), &text[start..]);
        line
    })
}

struct Parser {
    state: ParseState,
    stack: ScopeStack,
}

impl Parser {
    fn new(syntax: &SyntaxReference) -> Self {
        Self { state: ParseState::new(syntax), stack: ScopeStack::new() }
    }

    /// None if the syntax definition is broken, which those that syntect brings are not.
    fn line(&mut self, text: &str) -> Option<Line> {
        let with_newline = format!("{text}\n");
        let operations = self.state.parse_line(&with_newline, &SYNTAXES).ok()?;
        let mut line = Line::default();
        let mut start = 0;
        for (end, operation) in operations {
            let end = end.min(text.len());
            self.push(&mut line, &text[start..end]);
            self.stack.apply(&operation).ok()?;
            start = end;
        }
        self.push(&mut line, &text[start..]);
        Some(line)
    }

    /// The innermost scope that has a class decides; where none has, the look of each word.
    fn push(&self, line: &mut Line, text: &str) {
        let mut scopes = self.stack.as_slice().iter().rev().copied();
        match scopes.find_map(class_of).flatten() {
            Some("k") if !text.starts_with(char::is_alphabetic) => line.push(None, text),
            Some("k") if PRIMITIVES.contains(&text) => line.push(Some("t"), text),
            Some(class) => line.push(Some(class), text),
            None => push_words(line, text),
        }
    }
}

/// The syntax definitions know few types by name: a word in camel case is one.
fn push_words(line: &mut Line, text: &str) {
    for word in text.split_inclusive(|c: char| !is_in_word(c)) {
        let end = word.trim_end_matches(|c| !is_in_word(c)).len();
        let class = word.starts_with(char::is_uppercase).then_some("t");
        line.push(class, &word[..end]);
        line.push(None, &word[end..]);
    }
}

fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn class_of(scope: Scope) -> Option<Class> {
    let fits = |(prefix, _): &&(Scope, Class)| prefix.is_prefix_of(scope);
    SCOPES.iter().find(fits).map(|(_, class)| *class)
}

/// A block of code that was typed into a page.
#[must_use]
pub fn fence(language: &str, text: &str) -> String {
    let lines = highlight(language, text);
    let code = html::pre(language, &to_html(&lines));
    format!(r#"<figure class="listing">{code}</figure>"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUST: &str = r##"//! Doc & <more>

/* over
   two lines */
#[derive(Debug)]
struct Pair<'a> {
    #[arg(default_value = "x")]
    name: &'a str,
}

fn main() -> io::Result<()> {
    let text = "over
two lines {name}";
    let raw = r#"a "quoted" b"#;
    println!("{text}", 1_024, 'x', MAX_LEN, true);
    stream.read(&mut buffer)?;
}
"##;

    const PYTHON: &str = "\
@decorator
def f(a: int):
    \"\"\"Over

    lines.\"\"\"
    return None  # no
";

    fn texts(lines: &[Line]) -> String {
        lines.iter().map(|line| line.text() + "\n").collect()
    }

    #[test]
    fn the_text_stays_what_it_was() {
        for (language, text) in [("rust", RUST), ("python", PYTHON), ("text", RUST), ("toml", RUST)]
        {
            assert_eq!(texts(&highlight(language, text)), text, "{language}");
        }
    }

    #[test]
    fn each_line_closes_what_it_opens() {
        for (language, text) in [("rust", RUST), ("python", PYTHON)] {
            for line in highlight(language, text).iter() {
                let html = line.to_html();
                let (open, close) =
                    (html.matches("<span").count(), html.matches("</span>").count());
                assert_eq!(open, close, "{html}");
            }
        }
    }

    #[test]
    fn a_token_over_lines_keeps_its_class_in_each() {
        let lines = highlight("rust", RUST);
        assert_eq!(lines[2].to_html(), r#"<span class="c">/* over</span>"#);
        assert_eq!(lines[3].to_html(), r#"<span class="c">   two lines */</span>"#);
        assert!(lines[11].to_html().ends_with(r#"<span class="s">&quot;over</span>"#));
        assert!(lines[12].to_html().starts_with(r#"<span class="s">two lines"#));
        let lines = highlight("python", PYTHON);
        assert_eq!(lines[4].to_html(), r#"<span class="c">    lines.&quot;&quot;&quot;</span>"#);
    }

    #[test]
    fn each_kind_of_token_has_its_class() {
        let html = to_html(&highlight("rust", RUST));
        for token in [
            r#"<span class="k">fn</span> <span class="f">main</span>"#,
            r#"<span class="k">struct</span> <span class="t">Pair</span>"#,
            r#"<span class="a">#[derive(Debug)]</span>"#,
            r#"    <span class="a">#[arg(default_value = &quot;x&quot;)]</span>"#,
            r#"<span class="t">str</span>"#,
            r#"<span class="t">Result</span>"#,
            r#"<span class="k">let</span> text = "#,
            r#"<span class="m">println!</span>"#,
            r#"<span class="n">1_024</span>"#,
            r#"<span class="n">MAX_LEN</span>"#,
            r#"<span class="n">true</span>"#,
            r#"<span class="s">'x'</span>"#,
            r#"<span class="f">read</span>(&amp;<span class="k">mut</span> buffer)?;"#,
        ] {
            assert!(html.contains(token), "no {token} in\n{html}");
        }
    }

    #[test]
    fn what_is_common_is_cut_off() {
        let lines = highlight("rust", "    fn a() {\n\n        b();\n    }\n");
        assert_eq!(texts(&dedent(&lines)), "fn a() {\n\n    b();\n}\n");
    }
}
