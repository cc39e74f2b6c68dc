//! Source code as HTML: a few short classes, line by line.
//!
//! | class | what |
//! | --- | --- |
//! | `c` | comment |
//! | `k` | keyword |
//! | `s` | string, character |
//! | `n` | number, constant |
//! | `t` | type, lifetime |
//! | `f` | function, where it is defined or called |
//! | `m` | macro |
//! | `a` | attribute, decorator |

mod hash;
mod rust;

use crate::html;

/// Pieces of text that look the same, in their order; no piece goes over a line's end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(Vec<(Class, String)>);

/// How a piece of text looks; plain text has none.
type Class = Option<&'static str>;

/// In characters: a line of this length fits any screen.
const SHORT: usize = 32;

/// The smallest part of a text that has a meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Token<'a> {
    kind: Kind,
    text: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Space,
    Comment,
    String,
    Number,
    /// A name or a keyword.
    Word,
    Lifetime,
    /// Anything else, such as a bracket.
    Mark,
}

/// The lines of a text in a language, such as `rust`; a language that is not known stays plain.
#[must_use]
pub fn highlight(language: &str, text: &str) -> Vec<Line> {
    lines(pieces(language, text))
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
    lines.iter().map(|line| line.row("span")).collect()
}

/// Takes away the indentation that all lines have in common.
#[must_use]
pub fn dedent(lines: &[Line]) -> Vec<Line> {
    let indentation = lines.iter().filter_map(Line::indentation).min().unwrap_or(0);
    lines.iter().map(|line| line.without_first(indentation)).collect()
}

impl Line {
    /// The line as HTML, without a newline.
    #[must_use]
    pub fn to_html(&self) -> String {
        let piece = |(class, text): &(Class, String)| match class {
            Some(class) => format!(r#"<span class="{class}">{}</span>"#, html::escape(text)),
            None => html::escape(text),
        };
        self.0.iter().map(piece).collect()
    }

    /// The line as HTML, with its newline.
    ///
    /// Where it may be too long for a screen, its element holds what the style sheet needs to wrap it below its own
    /// beginning: `--i` is its indentation.
    #[must_use]
    pub fn row(&self, element: &str) -> String {
        let (html, len) = (self.to_html(), self.text().chars().count());
        if element == "span" && len <= SHORT {
            return html + "\n";
        }
        let style = match self.indentation() {
            None | Some(0) => String::new(),
            Some(indentation) => format!(r#" style="--i:{indentation}""#),
        };
        format!("<{element} class=\"l\"{style}>{html}</{element}>\n")
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

/// The parts of a text with their classes. What is typed at a shell's prompt needs no colours.
fn pieces<'a>(language: &str, text: &'a str) -> Vec<(Class, &'a str)> {
    let tokens = match language {
        "rust" => rust::tokens(text),
        "python" | "toml" => hash::tokens(text),
        _ => return vec![(None, text)],
    };
    let classes = match language {
        "rust" => rust::classes(&tokens),
        "python" => hash::python(&tokens),
        _ => hash::toml(&tokens),
    };
    classes.into_iter().zip(tokens.iter().map(|token| token.text)).collect()
}

fn lines(pieces: Vec<(Class, &str)>) -> Vec<Line> {
    let (mut lines, mut line) = (Vec::new(), Line::default());
    for (class, text) in pieces {
        for part in text.split_inclusive('\n') {
            let code = part.strip_suffix('\n');
            line.push(class, code.unwrap_or(part));
            if code.is_some() {
                lines.push(std::mem::take(&mut line));
            }
        }
    }
    if line != Line::default() {
        lines.push(line);
    }
    lines
}

/// The class of a name by its letters, as both languages write them.
fn class_of_name(name: &str) -> Class {
    let is_constant = name.len() > 1 && !name.contains(char::is_lowercase);
    match name.trim_start_matches('_').chars().next() {
        Some(c) if c.is_uppercase() => Some(if is_constant { "n" } else { "t" }),
        _ => None,
    }
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
    use std::fs;

    use proc_macro2::{TokenStream, TokenTree};

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
@deco.rator(1)
def f(a: int):
    \"\"\"Over

    lines.\"\"\"
    return None  # no \"end
    say(f\"{a['b']} {{\", b'\\'#', r\"\"\"no
doc\"\"\")
    socket.socket(socket.AF_INET).bind((host, 9_000))
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
            for line in highlight(language, text) {
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

    fn expect(language: &str, text: &str, tokens: &[&str]) {
        let html = to_html(&highlight(language, text));
        for token in tokens {
            assert!(html.contains(token), "no {token} in\n{html}");
        }
    }

    #[test]
    fn each_kind_of_token_has_its_class() {
        expect(
            "rust",
            RUST,
            &[
                r#"<span class="k">fn</span> <span class="f">main</span>"#,
                r#"<span class="k">struct</span> <span class="t">Pair</span>&lt;<span class="t">'a</span>&gt;"#,
                r#"<span class="a">#[derive(Debug)]</span>"#,
                r#"    <span class="a">#[arg(default_value = &quot;x&quot;)]</span>"#,
                r#"<span class="t">str</span>"#,
                r#"io::<span class="t">Result</span>&lt;()&gt;"#,
                r#"<span class="k">let</span> text = "#,
                r#"<span class="s">r#&quot;a &quot;quoted&quot; b&quot;#</span>"#,
                r#"<span class="m">println!</span>"#,
                r#"<span class="n">1_024</span>"#,
                r#"<span class="n">MAX_LEN</span>"#,
                r#"<span class="n">true</span>"#,
                r#"<span class="s">'x'</span>"#,
                r#"<span class="f">read</span>(&amp;<span class="k">mut</span> buffer)?;"#,
            ],
        );
        let more = "use std::net::TcpStream;\n\
                    fn write(to: &mut impl Write) { writeln!(io::stdout())?; if a != b { return } }\n\
                    let stream = TcpStream::connect(addr)?;\n\
                    let all = lines.map(str::len).collect::<Vec<_>>();\n";
        expect(
            "rust",
            more,
            &[
                r#"<span class="k">use</span> std::net::<span class="t">TcpStream</span>;"#,
                r#"&amp;<span class="k">mut</span> <span class="k">impl</span> <span class="t">Write</span>"#,
                r#"<span class="m">writeln!</span>(io::<span class="f">stdout</span>())?;"#,
                r#"<span class="k">if</span> a != b { <span class="k">return</span> }"#,
                r#"<span class="t">TcpStream</span>::<span class="f">connect</span>(addr)?;"#,
                r#"<span class="f">collect</span>::&lt;<span class="t">Vec</span>&lt;_&gt;&gt;()"#,
            ],
        );
        expect(
            "python",
            PYTHON,
            &[
                r#"<span class="a">@deco.rator</span>("#,
                r#"<span class="k">def</span> <span class="f">f</span>(a: <span class="t">int</span>):"#,
                r#"<span class="n">None</span>  <span class="c"># no &quot;end</span>"#,
                r#"<span class="s">f&quot;{a['b']} {{&quot;</span>"#,
                r#"<span class="s">b'\'#'</span>"#,
                r#"<span class="f">bind</span>((host, <span class="n">9_000</span>))"#,
                r#"socket.<span class="n">AF_INET</span>"#,
                r#"<span class="s">r&quot;&quot;&quot;no</span>"#,
                r#"<span class="s">doc&quot;&quot;&quot;</span>"#,
            ],
        );
        expect(
            "toml",
            "[programs] # these\nAna = \"x # y\"\nlimit = 3\n",
            &[
                r#"<span class="t">[programs]</span> <span class="c"># these</span>"#,
                r#"Ana = <span class="s">&quot;x # y&quot;</span>"#,
                r#"limit = <span class="n">3</span>"#,
            ],
        );
    }

    /// The text of the steps' files that end like this, with their paths.
    fn sources(end: &str) -> Vec<(String, String)> {
        let root = workspace::root::repository();
        let mut sources = Vec::new();
        let mut folders = vec![root.join("steps")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.to_str().unwrap().ends_with(end) {
                    let text = fs::read_to_string(&path).unwrap().replace("\r\n", "\n");
                    sources.push((path.display().to_string(), text));
                }
            }
        }
        sources
    }

    /// The words of a class, in order.
    fn words_of(class: &str, lines: &[Line]) -> Vec<String> {
        let pieces = lines.iter().flat_map(|line| &line.0);
        let texts = pieces.filter(|(it, _)| *it == Some(class)).map(|(_, text)| text);
        texts.flat_map(|text| text.split_whitespace()).map(str::to_owned).collect()
    }

    /// The keywords of a Rust program outside of its attributes, as another lexer reads it.
    fn keywords(tokens: TokenStream, found: &mut Vec<String>) {
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Punct(mark) if mark.as_char() == '\'' => drop(tokens.next()),
                TokenTree::Punct(mark) if mark.as_char() == '#' => {
                    let is_bang = |it: &TokenTree| it.to_string() == "!";
                    tokens.next_if(is_bang);
                    let is_attribute = |it: &TokenTree| it.to_string().starts_with('[');
                    tokens.next_if(is_attribute);
                }
                TokenTree::Group(group) => keywords(group.stream(), found),
                TokenTree::Ident(name) if rust::KEYWORDS.contains(&name.to_string().as_str()) => {
                    found.push(name.to_string());
                }
                _ => {}
            }
        }
    }

    #[test]
    fn each_keyword_of_each_rust_program_has_its_class_and_nothing_else_has() {
        let sources = sources(".rs");
        assert!(sources.len() > 100, "only {} files", sources.len());
        for (path, text) in sources {
            let lines = highlight("rust", &text);
            assert_eq!(texts(&lines), text, "{path}");
            let mut expected = Vec::new();
            keywords(text.parse().unwrap(), &mut expected);
            assert_eq!(words_of("k", &lines), expected, "{path}");
        }
    }

    #[test]
    fn each_keyword_of_each_python_program_has_its_class() {
        let sources = sources(".py");
        assert!(sources.len() > 50, "only {} files", sources.len());
        for (path, text) in sources {
            let lines = highlight("python", &text);
            assert_eq!(texts(&lines), text, "{path}");
            for (class, text) in lines.iter().flat_map(|line| &line.0) {
                let is_keyword = |word: &str| hash::KEYWORDS.contains(&word);
                let mut words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
                match class {
                    None => assert!(!words.any(is_keyword), "{path}: plain: {text}"),
                    Some("k") => assert!(is_keyword(text), "{path}: a keyword: {text}"),
                    Some("s" | "c") => {}
                    Some(_) => assert!(!words.any(is_keyword), "{path}: {text}"),
                }
            }
        }
    }

    #[test]
    fn what_is_common_is_cut_off() {
        let lines = highlight("rust", "    fn a() {\n\n        b();\n    }\n");
        assert_eq!(texts(&dedent(&lines)), "fn a() {\n\n    b();\n}\n");
    }
}
