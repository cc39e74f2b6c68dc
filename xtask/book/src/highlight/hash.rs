//! Python and TOML: languages whose comments begin with `#`, and whose strings are alike.

use super::{Class, Kind, Token, class_of_name};

pub const KEYWORDS: &[&str] = &[
    "and", "as", "assert", "async", "await", "break", "class", "cls", "continue", "def", "del",
    "elif", "else", "except", "finally", "for", "from", "global", "if", "import", "in", "is",
    "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "self", "try", "while", "with",
    "yield",
];

const CONSTANTS: &[&str] = &["True", "False", "None", "true", "false"];

const TYPES: &[&str] = &[
    "bool",
    "bytearray",
    "bytes",
    "dict",
    "float",
    "frozenset",
    "int",
    "list",
    "memoryview",
    "object",
    "set",
    "str",
    "tuple",
];

/// The letters that may be before a string's quotation mark.
const PREFIXES: &str = "rRbBfFuU";

pub fn tokens(mut text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    while let Some(first) = text.chars().next() {
        let (kind, len) = token(text, first);
        let (token, rest) = text.split_at(len);
        tokens.push(Token { kind, text: token });
        text = rest;
    }
    tokens
}

/// The kind and the length of the token at the start of a text.
fn token(text: &str, first: char) -> (Kind, usize) {
    let until = |is_over: fn(char) -> bool| text.find(is_over).unwrap_or(text.len());
    match first {
        '#' => (Kind::Comment, text.find('\n').unwrap_or(text.len())),
        _ if first.is_whitespace() => (Kind::Space, until(|c| !c.is_whitespace())),
        _ if first.is_ascii_digit() => (Kind::Number, until(|c| !is_in_word(c) && c != '.')),
        _ => match string_len(text) {
            Some(len) => (Kind::String, len),
            None if is_in_word(first) => (Kind::Word, until(|c| !is_in_word(c))),
            None => (Kind::Mark, first.len_utf8()),
        },
    }
}

fn is_in_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of the string at the start of a text, if there is one. It ends with its quotation mark, or with the line.
fn string_len(text: &str) -> Option<usize> {
    let prefix = text.find(|c| !PREFIXES.contains(c)).filter(|len| *len <= 2)?;
    let quote = &text[prefix..=prefix];
    if !matches!(quote, "\"" | "'") {
        return None;
    }
    let is_format = text[..prefix].contains(['f', 'F']);
    let triple = quote.repeat(3);
    let is_triple = text[prefix..].starts_with(&triple);
    let quote = if is_triple { triple.as_str() } else { quote };
    let mut at = prefix + quote.len();
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        at += match c {
            _ if rest.starts_with(quote) => return Some(at + quote.len()),
            '\n' if !is_triple => return Some(at),
            '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            '{' if is_format && rest.starts_with("{{") => 2,
            '{' if is_format => field_len(rest),
            _ => c.len_utf8(),
        };
    }
    Some(text.len())
}

/// The length of the `{…}` at the start of a text, which may hold strings and brackets of its own.
fn field_len(text: &str) -> usize {
    let (mut at, mut open) = (0, 0);
    while let Some(c) = text[at..].chars().next() {
        match c {
            '{' => open += 1,
            '}' => open -= 1,
            _ => {}
        }
        at += string_len(&text[at..]).unwrap_or(c.len_utf8());
        if open == 0 {
            break;
        }
    }
    at
}

/// A token and what is around it.
struct Place<'a> {
    tokens: &'a [Token<'a>],
    index: usize,
    /// The last token before it that has a meaning.
    before: &'a str,
    is_first_in_line: bool,
}

/// Calls `class` for each token, in order.
fn classes(tokens: &[Token], mut class: impl FnMut(&Place) -> Class) -> Vec<Class> {
    let (mut before, mut is_first_in_line) = ("", true);
    let mut classes = Vec::with_capacity(tokens.len());
    for (index, token) in tokens.iter().enumerate() {
        classes.push(match token.kind {
            Kind::Space => None,
            Kind::Comment => Some("c"),
            Kind::Number => Some("n"),
            _ => class(&Place { tokens, index, before, is_first_in_line }),
        });
        match token.kind {
            Kind::Space => is_first_in_line |= token.text.contains('\n'),
            Kind::Comment => {}
            _ => (before, is_first_in_line) = (token.text, false),
        }
    }
    classes
}

/// The class of each token of a Python program.
pub fn python(tokens: &[Token]) -> Vec<Class> {
    let mut is_decorator = false;
    classes(tokens, |place| {
        let token = place.tokens[place.index];
        let next = place.tokens.get(place.index + 1).map_or("", |token| token.text);
        is_decorator = match token.text {
            "@" => place.is_first_in_line,
            text => is_decorator && (text == "." || ["@", "."].contains(&place.before)),
        };
        match token.kind {
            _ if is_decorator => Some("a"),
            Kind::String if is_docstring(place) => Some("c"),
            Kind::String => Some("s"),
            Kind::Word => word(token.text, place.before, next),
            _ => None,
        }
    })
}

fn word(word: &str, before: &str, next: &str) -> Class {
    match word {
        _ if CONSTANTS.contains(&word) => Some("n"),
        _ if KEYWORDS.contains(&word) => Some("k"),
        _ if before == "def" => Some("f"),
        _ if TYPES.contains(&word) && before != "." => Some("t"),
        _ => class_of_name(word).or_else(|| (next == "(").then_some("f")),
    }
}

/// Whether a string is the description of a program, a class or a function.
fn is_docstring(place: &Place) -> bool {
    let string = place.tokens[place.index].text.trim_start_matches(|c| PREFIXES.contains(c));
    string.starts_with("\"\"\"") && place.is_first_in_line && ["", ":"].contains(&place.before)
}

/// The class of each token of a TOML file.
pub fn toml(tokens: &[Token]) -> Vec<Class> {
    let mut is_header = false;
    classes(tokens, |place| {
        let token = place.tokens[place.index];
        if place.is_first_in_line {
            is_header = token.text == "[";
        }
        match token.kind {
            _ if is_header => Some("t"),
            Kind::String => Some("s"),
            Kind::Word if CONSTANTS.contains(&token.text) => Some("n"),
            _ => None,
        }
    })
}
