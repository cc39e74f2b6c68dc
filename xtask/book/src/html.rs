//! Writing HTML that survives Markdown, and reading the HTML of a built page.

use std::cell::RefCell;

use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{
    BufferQueue, Tag, TagKind, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts,
};

/// Escapes text for an element's content or a quoted attribute.
#[must_use]
pub fn escape(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            _ => html.push(c),
        }
    }
    html
}

/// Returns a sentence as HTML: text between backticks becomes `<code>`.
#[must_use]
pub fn sentence(text: &str) -> String {
    let parts: Vec<&str> = text.split('`').collect();
    if parts.len().is_multiple_of(2) {
        return escape(text);
    }
    let part = |(index, part): (usize, &str)| match index % 2 {
        0 => escape(part),
        _ => format!("<code>{}</code>", escape(part)),
    };
    let parts: Vec<String> = parts.into_iter().enumerate().map(part).collect();
    parts.concat()
}

/// Puts HTML on one line that Markdown, and mdBook's own directives, leave as it is.
///
/// A blank line would end the HTML block, so a newline is written as a character reference; mdBook turns it back into a
/// newline when it renders. The same goes for two braces, which could begin a directive.
#[must_use]
pub fn one_line(html: &str) -> String {
    html.replace('\n', "&#10;").replace("{{", "&#123;&#123;")
}

/// Code. A line that is too long is wrapped: there is nothing to scroll.
#[must_use]
pub fn pre(language: &str, code: &str) -> String {
    let class = match language {
        "" => String::new(),
        _ => format!(r#" class="language-{}""#, escape(language)),
    };
    format!("<pre><code{class}>{code}</code></pre>")
}

/// What is done with the tags and the text of a page, in their order.
pub trait Reader {
    fn start(&mut self, tag: &Tag);
    fn end(&mut self, tag: &Tag);
    fn text(&mut self, text: &str);
}

/// Leads a reader through a page, and returns it.
pub fn read<R: Reader>(html: &str, reader: R) -> R {
    let queue = BufferQueue::default();
    queue.push_back(StrTendril::from(html));
    let tokenizer = Tokenizer::new(Sink(RefCell::new(reader)), TokenizerOpts::default());
    // It stops only at scripts that could write into the page; this sink never stops it.
    let _ = tokenizer.feed(&queue);
    tokenizer.end();
    tokenizer.sink.0.into_inner()
}

/// The value of an element's attribute.
#[must_use]
pub fn attribute<'a>(tag: &'a Tag, name: &str) -> Option<&'a str> {
    let attribute = tag.attrs.iter().find(|attribute| &*attribute.name.local == name)?;
    Some(&attribute.value)
}

/// Takes the tokens of a page.
struct Sink<R>(RefCell<R>);

impl<R: Reader> TokenSink for Sink<R> {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut reader = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) if tag.kind == TagKind::StartTag => {
                reader.start(&tag);
                match &*tag.name {
                    "script" => return TokenSinkResult::RawData(RawKind::ScriptData),
                    "style" => return TokenSinkResult::RawData(RawKind::Rawtext),
                    _ => {}
                }
            }
            Token::TagToken(tag) => reader.end(&tag),
            Token::CharacterTokens(text) => reader.text(&text),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_html_reads_is_escaped() {
        assert_eq!(escape("a<b> & \"c\""), "a&lt;b&gt; &amp; &quot;c&quot;");
    }

    #[test]
    fn backticks_become_code() {
        assert_eq!(sentence("`Vec<u8>` & co"), "<code>Vec&lt;u8&gt;</code> &amp; co");
        assert_eq!(sentence("one ` alone"), "one ` alone");
    }

    #[test]
    fn newlines_and_directives_do_not_survive() {
        assert_eq!(one_line("a\n\nb {{#x}}"), "a&#10;&#10;b &#123;&#123;#x}}");
    }
}
