use mdbook_driver::MDBook;
use workspace::fixture;

use super::*;

/// The page that this text becomes, and what is wrong with it.
fn expand(text: &str) -> (String, Vec<String>) {
    let tree = fixture::tree();
    fixture::write(
        tree.path(),
        "book/en/src/part.txt",
        "a < b\n# ANCHOR: x\n\nc\n# ANCHOR_END: x\n",
    );
    let mut page = Page::new(tree.path(), tree.path().join("book/en/src/page.md"));
    page.expand(text);
    (page.output, page.errors)
}

fn page(text: &str) -> String {
    let (page, errors) = expand(text);
    assert_eq!(errors, [""; 0]);
    page
}

fn errors(text: &str) -> Vec<String> {
    expand(text).1
}

#[test]
fn other_text_stays_as_it_is() {
    let text = "# A\n\n{{#include part.txt:x}}\n{{#title T}}\n\n\
        Write `{{#listing a b}}` or \\{{#listing a b}}.\n\\{{#listing a b}}\n{{ x }}\n";
    assert_eq!(page(text), text);
}

#[test]
fn a_block_is_one_line_and_ends_before_the_next() {
    let text = page("{{#listing 01-first src/server.rs}}\nafter\n");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(lines[0].starts_with("<figure class=\"listing\">") && lines[0].ends_with("</figure>"));
    assert_eq!(lines[1..], ["", "after"]);
}

#[test]
fn a_callout_that_corrects_the_tutorial_has_its_label() {
    let text = page("> [!TUTORIAL]\n> It *claims* that.\n>\n> It is not so.\n");
    let label = r#"<p class="tutorial">The Python tutorial, corrected</p>"#;
    assert_eq!(text, format!("> {label}\n>\n> It *claims* that.\n>\n> It is not so.\n"));
}

#[test]
fn a_block_keeps_the_place_where_it_stands() {
    let text = page(
        "- a\n\n  {{#listing 01-first src/client.rs}}\n- b\n\n> {{#session 01-first/hello}}\n> c\n",
    );
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[2].starts_with("  <figure"), "{text}");
    assert_eq!(lines[3..6], ["", "- b", ""]);
    assert!(lines[6].starts_with("> <figure"), "{text}");
    assert_eq!(lines[7..], [">", "> c"]);
}

#[test]
fn a_time_stays_markdown_in_its_place() {
    let text = "<div>\n\n{{#time teaching=5 level=must needs=first.md}}\n\n</div>\n";
    let expected = "<div>\n\nTime: 5 minutes. Needs: [First](first.md).\n\n</div>\n";
    assert_eq!(page(text), expected);
    assert_eq!(
        errors("a\n{{#time teaching=7 level=must}}\n{{#schedule minutes=90}}\nb {{#schedule}}\n"),
        [
            "book/en/src/page.md:2: {{#time teaching=7 level=must}}: teaching=7 is not a multiple of 5",
            "book/en/src/page.md:3: {{#schedule minutes=90}}: no page has a {{#time}}",
            "book/en/src/page.md:4: {{#schedule}}: a directive must be alone on its line",
        ]
    );
}

#[test]
fn what_is_wrong_below_a_long_piece_is_said_with_the_line_of_the_file() {
    let tree = fixture::tree();
    let points = "\n## Key points {#key-points}\n\n- a\n- b\n- c\n";
    fixture::append(tree.path(), "book/en/src/first.md", points);
    let mut page = Page::new(tree.path(), tree.path().join("book/en/src/page.md"));
    page.expand("{{#collect key-points}}\n\n{{#foo}}\n");
    assert!(page.output.contains("- a\n- b\n- c\n"), "{}", page.output);
    assert!(page.errors[0].starts_with("book/en/src/page.md:3: {{#foo}}: "), "{:?}", page.errors);
}

#[test]
fn a_fence_becomes_a_listing() {
    assert_eq!(
        page("```text\na < b\n\n{{#listing a b}} \\{{#x}}\n```\n"),
        "<figure class=\"listing\"><pre><code class=\"language-text\">\
         a &lt; b&#10;&#10;&#123;&#123;#listing a b}} &#123;&#123;#x}}&#10;</code></pre></figure>\n"
    );
    let python = page("~~~~ python\n~~~\ndef f(): pass\n~~~~\n");
    assert!(python.contains("<span class=\"k\">def</span> <span class=\"f\">f</span>"), "{python}");
    assert!(page("```\nx\n```\n").contains("<code>x&#10;</code>"));
}

#[test]
fn a_fence_in_a_list_or_a_quote_loses_what_stands_before_it() {
    let text =
        page("- a\n\n  ```text\n  x\n    y\n\n  z\n  ```\n\n> ```text\n> q\n>\n> r\n> ```\n");
    assert!(text.contains("  <figure"), "{text}");
    assert!(text.contains(">x&#10;  y&#10;&#10;z&#10;</code>"), "{text}");
    assert!(text.contains(">q&#10;&#10;r&#10;</code>"), "{text}");
}

#[test]
fn a_fence_can_include_a_file() {
    let text = page("```text\n{{#include part.txt}}\n```\n");
    assert!(text.contains(">a &lt; b&#10;&#10;c&#10;</code>"), "{text}");
    let text = page("```text\n{{#include part.txt:x}}\n```\n");
    assert!(text.contains(">&#10;c&#10;</code>"), "{text}");
}

#[test]
fn rust_and_terminals_are_never_typed_into_a_page() {
    assert_eq!(
        errors("```rust\nfn main() {}\n```\n\n> ```console\n> $ ls\n> ```\n"),
        [
            "book/en/src/page.md:1: ```rust: Rust is never typed into a page: use {{#listing}}",
            "book/en/src/page.md:5: ```console: a terminal is never typed into a page: use {{#session}}",
        ]
    );
}

#[test]
fn a_fence_must_be_closed() {
    assert_eq!(
        errors("x\n```text\ny\n"),
        ["book/en/src/page.md:2: ```text: the block is never closed"]
    );
}

#[test]
fn all_that_is_wrong_is_said_with_its_line() {
    assert_eq!(
        errors(
            "{{#foo a}}\n\nSee {{#listing 01-first src/server.rs}} here.\n{{#diff a b}}\n\n\
             {{#include none.md}}\n{{#include part.txt:y}}\n{{#include part.txt:2:3}}\n"
        ),
        [
            "book/en/src/page.md:1: {{#foo a}}: there is no directive `foo`; there are: listing, diff, session, message, figure, chart, steps, staircase, collect, contract, time, minutes, schedule, and mdBook's include and title",
            "book/en/src/page.md:3: {{#listing 01-first src/server.rs}}: a directive must be alone on its line",
            "book/en/src/page.md:4: {{#diff a b}}: expected {{#diff STEP-A STEP-B FILE}} \
             or {{#diff STEP-A FILE-A[:ANCHOR] STEP-B FILE-B[:ANCHOR]}}",
            "book/en/src/page.md:6: {{#include none.md}}: no such file: book/en/src/none.md",
            "book/en/src/page.md:7: {{#include part.txt:y}}: no anchor `y` in part.txt; it has: x",
            "book/en/src/page.md:8: {{#include part.txt:2:3}}: lines move: give a name, as in part.txt:NAME, and put `ANCHOR: NAME` there",
        ]
    );
}

#[test]
fn over_stdin_comes_the_same_book_as_in_process() {
    let tree = fixture::tree();
    let book = MDBook::load(tree.path().join("book/en")).unwrap();
    let context =
        PreprocessorContext::new(book.root.clone(), book.config.clone(), "html".to_owned());
    let expected = Steps(Edition::Everyone).run(&context, book.book.clone()).unwrap();
    let input = serde_json::to_vec(&(&context, &book.book)).unwrap();
    let mut output = Vec::new();
    run(&input[..], &mut output).unwrap();
    let came: Book = serde_json::from_slice(&output).unwrap();
    assert_eq!(came, expected);
    assert_ne!(came, book.book);
}

#[test]
fn a_person_who_calls_it_is_told_whom_it_is_for() {
    let error = run(&b"hello"[..], Vec::new()).unwrap_err().to_string();
    assert!(error.contains("try `cargo xtask build`"), "{error}");
}

#[test]
fn only_pages_of_html_have_figures() {
    assert!(supports("html"));
    assert!(!supports("markdown"));
}
