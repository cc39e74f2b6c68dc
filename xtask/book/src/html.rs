//! Writing HTML that survives Markdown.

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
