use std::path::Path;

use tempfile::TempDir;
use workspace::fixture;

use super::*;

/// What is wrong with pages that hold this.
fn problems(pages: &[(&str, &str)]) -> Vec<String> {
    let site = TempDir::new().unwrap();
    for (path, text) in pages {
        fixture::write(site.path(), path, text);
    }
    Site::read(site.path()).unwrap().problems(Path::new("none"))
}

/// Builds the book into a folder that is gone afterwards, and checks it.
fn check(root: &Path) -> Result<Counts> {
    super::check(root, TempDir::new().unwrap().path(), true)
}

fn failure(root: &Path) -> String {
    check(root).unwrap_err().to_string()
}

#[test]
fn a_sound_book_passes() {
    let tree = fixture::tree();
    let counts = check(tree.path()).unwrap();
    assert!(counts.pages >= 5 && counts.links > 20, "{counts:?}");
}

#[test]
fn a_file_that_no_page_leads_to_is_found() {
    let tree = fixture::tree();
    fixture::write(tree.path(), "book/en/src/lost.svg", "<svg/>");
    assert_eq!(failure(tree.path()), "lost.svg: no page leads to this file");
    fixture::append(tree.path(), "book/en/src/second.md", "\n[Found](lost.svg)\n");
    let text = check(tree.path()).map_or_else(|error| error.to_string(), |_| String::new());
    assert!(!text.lines().any(|line| line == "lost.svg: no page leads to this file"), "{text}");
}

#[test]
fn what_is_wrong_in_one_edition_only_is_found_with_its_name() {
    let tree = fixture::tree();
    let solution = "\n<details><summary>Solution</summary>\n\n<span id=\"way\"></span>\n\n</details>\n\n\
                    The [way](#way). No `exercises/`.\n";
    fixture::append(tree.path(), "book/en/src/first.md", solution);
    let exam = "# Exam\n\n[The loop](second.md#lop)\n";
    fixture::write(tree.path(), "book/en/teacher/exam.md", exam);
    fixture::write(tree.path(), "book/en/teacher/SUMMARY.md", "- [Exam](exam.md)\n");
    let text = failure(tree.path());
    for problem in [
        "--edition learner: first.html: <a href=\"#way\">: first.html has no id `way` (book/en/src/first.md:",
        "--edition learner: first.html: `exercises/` is left in it",
        "--edition teacher: exam.html: <a href=\"second.html#lop\">: second.html has no id `lop` \
         (book/en/teacher/exam.md:3)",
    ] {
        assert!(text.lines().any(|line| line.starts_with(problem)), "{problem} in {text}");
    }
}

#[test]
fn one_changed_character_in_a_fragment_is_found() {
    let tree = fixture::tree();
    fixture::replace(tree.path(), "book/en/src/first.md", "#the-loop", "#the-loop2");
    let text = failure(tree.path());
    let expected = "first.html: <a href=\"second.html#the-loop2\">: second.html has no id `the-loop2` (book/en/src/first.md:3)";
    assert!(text.lines().any(|line| line == expected), "{text}");
}

#[test]
fn a_page_with_exercises_and_no_head_is_found() {
    let tree = fixture::tree();
    fixture::append(tree.path(), "book/en/src/second.md", "\n## Exercises {#exercises}\n\nNone.\n");
    assert_eq!(
        failure(tree.path()),
        "book/en/src/second.md: it has exercises, key points or a time, but no <div class=\"objectives\">"
    );
}

#[test]
fn one_changed_character_in_an_anchor_is_found() {
    let tree = fixture::tree();
    fixture::replace(
        tree.path(),
        "steps/01-first/src/server.rs",
        "ANCHOR: accept",
        "ANCHOR: acept",
    );
    assert_eq!(
        failure(tree.path()),
        "book/en/src/first.md:5: {{#listing 01-first src/server.rs:accept}}: \
         no anchor `accept` in steps/01-first/src/server.rs; it has: acept"
    );
}

#[test]
fn a_broken_path_and_a_way_out_are_found() {
    let found = problems(&[(
        "a/b.html",
        r#"<a href="c.html">c</a> <a href="../../x">x</a> <a href="/a/b.html">b</a>"#,
    )]);
    assert_eq!(
        found,
        [
            "a/b.html: <a href=\"c.html\">: no such file: a/c.html",
            "a/b.html: <a href=\"../../x\">: leads out of the book"
        ]
    );
}

#[test]
fn ids_are_compared_after_decoding_and_must_be_unique() {
    let found = problems(&[(
        "a.html",
        r##"<p id="é"><a href="#%C3%A9">1</a><a href="a.html?x#é">2</a><b id="x"></b><b id="x"></b>"##,
    )]);
    assert_eq!(found, ["a.html: the id `x` is there twice"]);
}

#[test]
fn a_base_counts_for_relative_paths() {
    let page = r#"<base href="/"><a href="a.html">a</a>"#;
    assert!(problems(&[("a.html", ""), ("deep/404.html", page)]).is_empty());
}

#[test]
fn images_need_words() {
    let found = problems(&[
        ("a.html", r#"<img src="a.png"><img src="a.png" alt="A"><svg role="img"><path/></svg>"#),
        ("b.html", r#"<svg role="img"><title>B</title></svg><svg></svg>"#),
        ("a.png", ""),
    ]);
    assert_eq!(
        found,
        [
            "a.html: the image `a.png` has no text alternative",
            "a.html: a drawing (<svg role=\"img\">) has no <title>"
        ]
    );
}

#[test]
fn no_other_host_is_asked_for_anything() {
    let found = problems(&[
        (
            "a.html",
            r#"<a href="https://example.org">fine</a> <a href="mailto:a@b">fine</a>
            <link rel="canonical" href="https://example.org/a.html">
            <link rel="stylesheet" href="//cdn.example/x.css">
            <script src="https://cdn.example/x.js"></script>
            <p style="background: url(http://cdn.example/x.png)"><img alt="x" src="data:,">"#,
        ),
        ("a.css", "@import 'https://cdn.example/y.css'; a { background: url( \"b.png\" ) }"),
    ]);
    let hosts = "a page must not ask another host for anything";
    assert_eq!(
        found,
        [
            format!("a.html: <link href=\"//cdn.example/x.css\">: {hosts}"),
            format!("a.html: <script src=\"https://cdn.example/x.js\">: {hosts}"),
            format!("a.html: url(http://cdn.example/x.png): {hosts}"),
            "a.css: url(b.png): no such file: b.png".to_owned(),
            format!("a.css: url(https://cdn.example/y.css): {hosts}"),
        ]
    );
}

#[test]
fn a_directive_that_is_left_over_is_found() {
    let found =
        problems(&[("a.html", "<p>{{#listing a b}}</p><p><code>{{#listing a b}}</code></p>")]);
    assert_eq!(found, ["a.html: `{{#listing a b}}` was not replaced"]);
}

/// What builds the real book; `cargo xtask verify --only slow` runs it.
mod slow {
    use super::*;

    /// The first line in the real book's pages that has this in it: the page, the line's number from 1, what follows.
    /// Links to the glossary do not count: without one, there are more complaints than the one about the link.
    fn first_in_pages(root: &Path, start: &str, has: char) -> (String, usize, String) {
        let pages = root.join("book/en/src");
        let mut files = Vec::new();
        list(&pages, "", &mut files).unwrap();
        for file in files {
            let text = fs::read_to_string(pages.join(&file)).unwrap();
            for (index, line) in text.lines().enumerate() {
                let rest = line.split_once(start).map_or("", |(_, rest)| rest);
                let rest = rest.split([')', '}']).next().unwrap();
                if rest.contains(has) && !rest.starts_with("glossary.md") {
                    return (format!("book/en/src/{file}"), index + 1, rest.to_owned());
                }
            }
        }
        panic!("no {start} with a {has} in the real book");
    }

    #[test]
    #[ignore = "slow: builds the whole book"]
    fn one_changed_character_in_a_fragment_and_one_changed_need_of_the_real_book_are_found() {
        let tree = fixture::copy();
        let (page, number, link) = first_in_pages(tree.path(), "](", '#');
        fixture::replace(tree.path(), &page, &format!("]({link})"), &format!("]({link}x)"));
        fixture::replace(
            tree.path(),
            "book/en/src/server.md",
            "needs=conversation",
            "needs=client",
        );
        let text = failure(tree.path());
        let later = ": client.md does not come before this page in SUMMARY.md";
        let is_later =
            |line: &str| line.starts_with("book/en/src/server.md:") && line.ends_with(later);
        assert!(text.lines().any(is_later), "{text}");
        let (html, (_, fragment)) = (link.replace(".md", ".html"), link.split_once('#').unwrap());
        let no_id = format!("has no id `{fragment}x` ({page}:{number})");
        let is_no_id = |line: &str| {
            line.contains(&format!("<a href=\"{html}x\">: ")) && line.ends_with(&no_id)
        };
        assert!(text.lines().any(is_no_id), "{text}");
        let is_stale = |line: &str| line.contains(": the English section has changed");
        let is_expected = |line: &str| {
            is_later(line) || is_stale(line) || line.contains(&format!("`{fragment}x`"))
        };
        assert!(text.lines().all(is_expected), "{text}");
    }

    #[test]
    #[ignore = "slow: builds the whole book"]
    fn one_changed_character_in_an_anchor_of_the_real_book_is_found() {
        let tree = fixture::copy();
        let (page, number, listing) = first_in_pages(tree.path(), "{{#listing ", ':');
        let (step, file) = listing.split_once(' ').unwrap();
        let (file, anchor) = file.split_once(':').unwrap();
        let path = format!("steps/{step}/{file}");
        let comment = format!("ANCHOR: {anchor}\n");
        fixture::replace(tree.path(), &path, &comment, &format!("ANCHOR: x{anchor}\n"));
        let text = failure(tree.path());
        let expected = format!(
            "{page}:{number}: {{{{#listing {listing}}}}}: no anchor `{anchor}` in {path}; "
        );
        assert!(text.lines().any(|line| line.starts_with(&expected)), "{text}");
    }
}
