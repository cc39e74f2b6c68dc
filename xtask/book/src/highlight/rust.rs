//! Rust, read with the lexer of rustc.

use ra_ap_rustc_lexer::{FrontmatterAllowed, LiteralKind, TokenKind, tokenize};

use super::{Class, Kind, Token, class_of_name};

pub const KEYWORDS: &[&str] = &[
    "as", "async", "await", "break", "const", "continue", "crate", "dyn", "else", "enum", "extern",
    "fn", "for", "if", "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub", "ref",
    "return", "self", "Self", "static", "struct", "super", "trait", "type", "unsafe", "use",
    "where", "while",
];

const PRIMITIVES: &[&str] = &[
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "str", "u8", "u16",
    "u32", "u64", "u128", "usize",
];

pub fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut rest = text;
    let token = |token: ra_ap_rustc_lexer::Token| {
        let (text, after) = rest.split_at(token.len as usize);
        rest = after;
        Token { kind: kind(token.kind), text }
    };
    tokenize(text, FrontmatterAllowed::No).map(token).collect()
}

fn kind(kind: TokenKind) -> Kind {
    match kind {
        TokenKind::Whitespace => Kind::Space,
        TokenKind::LineComment { .. } | TokenKind::BlockComment { .. } => Kind::Comment,
        TokenKind::Ident | TokenKind::RawIdent => Kind::Word,
        TokenKind::Lifetime { .. } | TokenKind::RawLifetime => Kind::Lifetime,
        TokenKind::Literal {
            kind: LiteralKind::Int { .. } | LiteralKind::Float { .. }, ..
        } => Kind::Number,
        TokenKind::Literal { .. } => Kind::String,
        _ => Kind::Mark,
    }
}

/// The class of each token.
pub fn classes(tokens: &[Token]) -> Vec<Class> {
    let mut classes = Vec::with_capacity(tokens.len());
    let mut attribute_end = 0;
    let mut before = "";
    for (index, token) in tokens.iter().enumerate() {
        let rest = &tokens[index..];
        attribute_end = attribute_end.max(index + attribute_len(rest));
        classes.push(match token.kind {
            Kind::Comment => Some("c"),
            _ if index < attribute_end => Some("a"),
            Kind::String => Some("s"),
            Kind::Number => Some("n"),
            Kind::Lifetime => Some("t"),
            Kind::Word => word(rest, before),
            Kind::Mark if index > 0 && is_macro(&tokens[index - 1..]) => Some("m"),
            Kind::Mark | Kind::Space => None,
        });
        if !matches!(token.kind, Kind::Space | Kind::Comment) {
            before = token.text;
        }
    }
    classes
}

/// The class of the first of these tokens, a word; `before` is what it follows.
fn word(tokens: &[Token], before: &str) -> Class {
    match tokens[0].text {
        "true" | "false" => Some("n"),
        word if KEYWORDS.contains(&word) => Some("k"),
        _ if is_macro(tokens) => Some("m"),
        _ if before == "fn" => Some("f"),
        // `str::from_utf8` begins with a type; a variable may have the name of one.
        word if PRIMITIVES.contains(&word) && before != "." => Some("t"),
        word => class_of_name(word).or_else(|| is_called(tokens).then_some("f")),
    }
}

/// Whether a name and its exclamation mark begin here.
fn is_macro(tokens: &[Token]) -> bool {
    tokens[0].kind == Kind::Word && begins(&tokens[1..], "!") && !begins(&tokens[2..], "=")
}

/// Whether a bracket with arguments follows, or a turbofish.
fn is_called(tokens: &[Token]) -> bool {
    let after = &tokens[1..];
    begins(after, "(")
        || [":", ":", "<"].iter().enumerate().all(|(at, mark)| text(after, at) == *mark)
}

fn begins(tokens: &[Token], mark: &str) -> bool {
    text(tokens, 0) == mark
}

fn text<'a>(tokens: &[Token<'a>], at: usize) -> &'a str {
    tokens.get(at).map_or("", |token| token.text)
}

/// The number of tokens in the attribute that begins here: `#[…]` or `#![…]`.
fn attribute_len(tokens: &[Token]) -> usize {
    let start = match [0, 1, 2].map(|at| text(tokens, at)) {
        ["#", "[", _] => 1,
        ["#", "!", "["] => 2,
        _ => return 0,
    };
    let mut open = 0;
    for (index, token) in tokens.iter().enumerate().skip(start) {
        match token.text {
            "[" => open += 1,
            "]" => open -= 1,
            _ => {}
        }
        if open == 0 {
            return index + 1;
        }
    }
    tokens.len()
}
