//! The rules for text in Chinese that a program can check: blanks, punctuation, emphasis, and one term for one thing.

use mdbook_markdown::pulldown_cmark::{Event, Tag};
use mdbook_markdown::{MarkdownOptions, new_cmark_parser};

use crate::built::paragraphs;

/// The page that names the terms of other books.
const GLOSSARY: &str = "glossary.md";

/// Terms of other books, each with the one that this book has.
const TERMS: &[(&str, &str)] = &[
    ("I/O 复用", "多路复用"),
    ("三路握手", "三次握手"),
    ("互斥器", "互斥锁"),
    ("优雅关闭", "优雅停机"),
    ("信道", "通道"),
    ("包体", "正文"),
    ("反压", "背压"),
    ("回射", "回显"),
    ("回环", "环回"),
    ("套接口", "套接字"),
    ("定界符", "分隔符"),
    ("定长包头", "长度前缀"),
    ("封帧", "成帧"),
    ("已完成连接队列", "全连接队列"),
    ("文件结束", "流结束"),
    ("有效载荷", "载荷"),
    ("短写", "部分写"),
    ("短读", "部分读"),
    ("积压队列", "全连接队列"),
    ("群发", "广播"),
    ("黏包", "粘包"),
];

/// Where a page breaks the rules, each with its line.
pub fn problems(name: &str, page: &str) -> Vec<(usize, String)> {
    let line_at = |at: usize| 1 + page[..at].matches('\n').count();
    let mut problems = Vec::new();
    for (start, text) in paragraphs(page) {
        let characters: Vec<char> = text.chars().collect();
        for (at, pair) in characters.windows(2).enumerate() {
            if let Some(problem) = wrong_pair(pair[0], pair[1]) {
                let around = &characters[at.saturating_sub(6)..(at + 8).min(characters.len())];
                let around: String = around.iter().collect();
                problems.push((line_at(start), format!("{problem}: …{around}…")));
            }
        }
        let excluded = TERMS.iter().filter(|(other, _)| name != GLOSSARY && text.contains(other));
        problems.extend(excluded.map(|(other, term)| {
            (line_at(start), format!("the book's term is {term}, and not {other}"))
        }));
        if text.contains('*') {
            problems.push((line_at(start), "a `*` is shown as it is".to_owned()));
        }
    }
    for (event, range) in new_cmark_parser(page, &MarkdownOptions::default()).into_offset_iter() {
        if let Event::Start(Tag::Emphasis) = event {
            problems
                .push((line_at(range.start), "emphasis is bold, and not in italics".to_owned()));
        }
    }
    problems
}

/// What is wrong with two characters beside each other.
fn wrong_pair(a: char, b: char) -> Option<&'static str> {
    let is_latin = |c: char| c.is_ascii_alphanumeric();
    if is_han(a) && is_latin(b) || is_latin(a) && is_han(b) {
        return Some("a blank is missing between Chinese and Latin");
    }
    if is_han(a) && ",;:!?()".contains(b) || is_han(b) && ",;:!?()".contains(a) {
        return Some("punctuation beside Chinese is full-width");
    }
    if is_full(a) && b == ' ' || a == ' ' && is_full(b) {
        return Some("there is no blank beside full-width punctuation");
    }
    None
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}' | '\u{20000}'..='\u{3ffff}')
}

fn is_full(c: char) -> bool {
    "，。；：？！、（）《》".contains(c)
}

#[cfg(test)]
mod tests {
    #[test]
    fn text_that_breaks_the_rules_is_found() {
        let problems = |text: &str| {
            super::problems("a.md", text).into_iter().map(|it| it.1).collect::<Vec<_>>()
        };
        for right in [
            "用 `read` 读 3 个字节。",
            "**强调**。见[这里](a.md)：“`x`”（又名 TCP）。",
            "```sh\n读a\n```",
        ] {
            assert_eq!(problems(right), [""; 0], "{right}");
        }
        for (wrong, problem) in [
            ("读3个", "a blank is missing"),
            ("用`read`读", "a blank is missing"),
            ("读,写", "punctuation beside Chinese"),
            ("读(写)", "punctuation beside Chinese"),
            ("读， 写", "no blank beside"),
            ("*强调*一下", "emphasis is bold"),
            ("这是**“强调”**的", "a `*` is shown"),
            ("信道和互斥器", "the book's term is 通道"),
        ] {
            assert!(
                problems(wrong).iter().any(|it| it.contains(problem)),
                "{wrong}: {:?}",
                problems(wrong)
            );
        }
    }
}
