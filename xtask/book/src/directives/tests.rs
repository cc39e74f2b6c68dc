use std::fs;

use workspace::fixture;

use super::*;

/// What a directive becomes in the fixture.
fn render(text: &str) -> Result<String> {
    let tree = fixture::tree();
    super::render(&Directive::alone_in(text).unwrap(), tree.path())
}

fn html(text: &str) -> String {
    render(text).unwrap()
}

fn error(text: &str) -> String {
    format!("{:#}", render(text).unwrap_err())
}

#[test]
fn a_directive_is_found_only_where_it_is() {
    let directive = Directive::alone_in("  {{#listing a b:c}} ").unwrap();
    assert_eq!((directive.name, directive.arguments), ("listing", "a b:c"));
    assert_eq!(Directive::alone_in("{{#session}}").unwrap().arguments, "");
    for text in ["{{#listing a", "x {{#listing a b}}", "{{#a}} x", "\\{{#a}}", "{{title}}"] {
        assert_eq!(Directive::alone_in(text), None, "{text}");
    }
}

#[test]
fn a_listing_is_the_file_without_its_anchors() {
    let html = html("{{#listing 01-first src/server.rs}}");
    assert!(html.starts_with(
        r#"<figure class="listing"><figcaption><span class="path">steps/01-first/src/server.rs</span></figcaption><pre tabindex="0"><code class="language-rust"><span class="c">//! A server.</span>"#
    ));
    assert!(html.ends_with("}\n</code></pre></figure>"), "{html}");
    assert!(!html.contains("ANCHOR"), "{html}");
    assert!(html.contains("\n\n"), "blank lines stay");
}

#[test]
fn an_excerpt_begins_at_the_left() {
    let html = html("{{#listing 01-first src/server.rs:accept}}");
    let code = html.split("<code class=\"language-rust\">").nth(1).unwrap();
    assert_eq!(
        code,
        "<span class=\"k\">let</span> message = <span class=\"s\">&quot;a &lt; b &amp;&amp; \\&quot;c\\&quot;&quot;</span>;\n\
         \n\
         <span class=\"k\">if</span> message.<span class=\"f\">len</span>() &lt; <span class=\"n\">1024</span> {\n    \
         <span class=\"m\">println!</span>(<span class=\"s\">&quot;{message}&quot;</span>);\n\
         }\n</code></pre></figure>"
    );
}

#[test]
fn a_listing_that_cannot_be_shown_says_why() {
    assert_eq!(
        error("{{#listing 01-first src/servr.rs}}"),
        "no such file: steps/01-first/src/servr.rs"
    );
    assert_eq!(
        error("{{#listing 01-first src/server.rs:acept}}"),
        "no anchor `acept` in steps/01-first/src/server.rs; it has: accept"
    );
    assert_eq!(error("{{#listing 01-first}}"), "expected {{#listing STEP FILE[:ANCHOR] [rust]}}");
}

#[test]
fn a_difference_shows_what_came_and_what_went() {
    let html = html("{{#diff 01-first 02-second src/server.rs}}");
    assert!(html.starts_with(
        r#"<figure class="listing diff"><figcaption><span class="path">steps/02-second/src/server.rs</span> <span class="against">against <span class="path">steps/01-first/src/server.rs</span>: 1 line added, 1 removed</span></figcaption><pre tabindex="0"><code class="language-rust"><span class="line"><span class="sign"> </span>"#
    ), "{html}");
    assert!(html.contains(
        "<del class=\"line\"><span class=\"sign\">-</span>    <span class=\"k\">if</span> "
    ));
    assert!(html.contains("<ins class=\"line\"><span class=\"sign\">+</span>    <span class=\"k\">loop</span> {\n</ins>"));
    assert!(html.contains("<span class=\"line\"><span class=\"sign\"> </span>\n</span>"));
    assert!(!html.contains("ANCHOR"), "{html}");
}

#[test]
fn two_files_that_are_the_same_are_no_difference() {
    assert_eq!(
        error("{{#diff 01-first 02-second src/client.rs}}"),
        "the files are identical; say so in prose"
    );
    assert_eq!(
        error("{{#diff 01-first 02-second src/x.rs}}"),
        "no such file: steps/01-first/src/x.rs"
    );
}

#[test]
fn two_files_with_different_names_can_be_compared_and_so_can_parts_of_them() {
    let tree = fixture::tree();
    let old = "//! Old.\n// ANCHOR: run\nfn run() {\n    one();\n}\n// ANCHOR_END: run\n";
    let new = "//! New.\n// ANCHOR: run\nfn run() {\n    two();\n}\n// ANCHOR_END: run\n";
    fixture::write(tree.path(), "steps/01-first/src/old.rs", old);
    fixture::write(tree.path(), "steps/02-second/examples/part/new.rs", new);
    let html = |text| super::render(&Directive::alone_in(text).unwrap(), tree.path()).unwrap();
    let whole = html("{{#diff 01-first src/old.rs 02-second examples/part/new.rs}}");
    assert!(whole.contains(
        r#"<span class="path">steps/02-second/examples/part/new.rs</span> <span class="against">against <span class="path">steps/01-first/src/old.rs</span>: 2 lines added, 2 removed</span>"#
    ), "{whole}");
    let part = html("{{#diff 01-first src/old.rs:run 02-second examples/part/new.rs:run}}");
    assert!(part.contains(": 1 line added, 1 removed"), "{part}");
    assert!(!part.contains("New") && part.contains("</del><ins"), "{part}");
}

#[test]
fn a_session_has_a_column_for_each_terminal_and_a_row_for_each_turn() {
    assert_eq!(
        html("{{#session 01-first/hello}}"),
        concat!(
            r#"<figure class="session" style="--terminals:2"><div class="terminals">"#,
            r#"<div class="terminal-name" style="grid-column:1">server</div>"#,
            r#"<div class="terminal-name" style="grid-column:2">alice</div>"#,
            r#"<div class="turn" data-terminal="server" style="grid-column:1;grid-row:2"><span class="who">server</span><pre tabindex="0"><code>"#,
            r#"<span class="prompt">$ </span><kbd class="command">cargo run -p step-01-first -- server</kbd>"#,
            "\n<samp>listening on 127.0.0.1:9001</samp>\n</code></pre></div>",
            r#"<div class="turn" data-terminal="alice" style="grid-column:2;grid-row:3"><span class="who">alice</span><pre tabindex="0"><code>"#,
            r#"<span class="prompt">$ </span><kbd class="command">cargo run -p step-01-first -- client</kbd>"#,
            "\n",
            r#"<span class="prompt">&gt; </span><kbd>&lt;hello&gt;</kbd>"#,
            "\n<samp>&lt;hello&gt;</samp>\n",
            r#"<kbd class="key">Ctrl-D</kbd>"#,
            "\n</code></pre></div>",
            r#"<div class="turn" data-terminal="server" style="grid-column:1;grid-row:4"><span class="who">server</span><pre tabindex="0"><code>"#,
            "<samp>bye</samp>\n",
            r#"<samp class="again">… and so on, forever</samp>"#,
            "\n",
            r#"<kbd class="key">Ctrl-C</kbd>"#,
            "\n</code></pre></div>",
            "</div><figcaption>A <code>hello</code> &amp; its echo.</figcaption></figure>",
        )
    );
}

#[test]
fn a_session_with_wide_lines_has_one_column_and_what_is_wide_is_known() {
    for program in ["cargo xtask tap --no-time", "sudo tcpdump -n", "ss -tan"] {
        let tree = fixture::tree();
        let session = format!(
            "[wide]  $ {program}\n\
             [wide]  #1  connected\n\
             [alice] $ cargo run -p step-01-first -- client\n\
             [wide]  #1  client → server  5 bytes\n"
        );
        fixture::write(tree.path(), "steps/01-first/sessions/wire.session", &session);
        let directive = Directive::alone_in("{{#session 01-first/wire}}").unwrap();
        let html = super::render(&directive, tree.path()).unwrap();
        assert!(html.starts_with(r#"<figure class="session stacked" "#), "{html}");
        let count = |turn| html.matches(turn).count();
        assert_eq!(count(r#"<div class="turn wide" data-terminal="wide" "#), 2, "{html}");
        assert_eq!(count(r#"<div class="turn" data-terminal="alice" "#), 1, "{html}");
    }
}

#[test]
fn output_in_columns_is_told_from_sentences() {
    let tree = fixture::tree();
    let text = "# Numbers.\n[one] $ show\n[one] call    length\n[one]     write 1  5\n";
    fixture::write(tree.path(), "steps/01-first/sessions/columns.session", text);
    let directive = Directive::alone_in("{{#session 01-first/columns}}").unwrap();
    let html = super::render(&directive, tree.path()).unwrap();
    assert!(html.contains(r#"<samp class="columns">call    length</samp>"#), "{html}");
    assert!(html.contains("<samp>    write 1  5</samp>"), "{html}");
}

#[test]
fn a_session_that_cannot_be_shown_says_why() {
    assert_eq!(
        error("{{#session 01-first/helo}}"),
        "no such file: steps/01-first/sessions/helo.session"
    );
    assert_eq!(error("{{#session hello}}"), "expected {{#session STEP/NAME}}");
    let tree = fixture::tree();
    fixture::write(tree.path(), "steps/01-first/sessions/bad.session", "hello\n");
    let directive = Directive::alone_in("{{#session 01-first/bad}}").unwrap();
    let error = format!("{:#}", super::render(&directive, tree.path()).unwrap_err());
    assert!(error.starts_with("steps/01-first/sessions/bad.session: line 1: "), "{error}");
}

#[test]
fn a_figure_is_inside_the_page() {
    assert_eq!(
        html("{{#figure wire The `wire`.}}"),
        "<figure class=\"figure\"><svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" viewBox=\"0 0 1 1\"> \
         <title>A wire</title> <desc>It is straight.</desc> <path d=\"M0 0 1 1\"/> </svg>\
         <figcaption>The <code>wire</code>.</figcaption></figure>"
    );
}

#[test]
fn a_figure_needs_a_file_a_caption_and_words() {
    assert_eq!(error("{{#figure wires The wire.}}"), "no such file: book/theme/figures/wires.svg");
    assert_eq!(error("{{#figure wire}}"), "expected {{#figure NAME Caption text.}}");
    let tree = fixture::tree();
    let path = "book/theme/figures/wire.svg";
    fixture::replace(tree.path(), path, "<desc>It is straight.</desc>", "");
    let directive = Directive::alone_in("{{#figure wire W.}}").unwrap();
    let error = super::render(&directive, tree.path()).unwrap_err().to_string();
    assert_eq!(error, format!("{path} has no <desc>: say in words what the drawing shows"));
    fs::write(tree.path().join(path), "nothing").unwrap();
    let error = super::render(&directive, tree.path()).unwrap_err().to_string();
    assert_eq!(error, format!("{path} holds no <svg>"));
}

#[test]
fn an_unknown_directive_lists_those_that_there_are() {
    assert_eq!(
        error("{{#lisitng 01-first src/server.rs}}"),
        "there is no directive `lisitng`; there are: listing, diff, session, message, figure, chart, step, staircase, collect, contract, time, minutes, schedule, and mdBook's include and title"
    );
}

#[test]
fn the_staircase_shows_what_the_manifests_say() {
    let root = workspace::root::repository();
    let render = |text: &str| super::render(&Directive::alone_in(text).unwrap(), &root);
    let whole = render("{{#staircase}}").unwrap();
    let broken = r#"<td class="broken"><a href="message-loop.html#spin" aria-label="survives-disconnect broken by step 02">✗</a></td>"#;
    assert!(whole.contains(broken), "{whole}");
    assert!(whole.contains(r#"<dt id="survives-disconnect">"#), "{whole}");

    let one = render("{{#staircase 03}}").unwrap();
    let new = r#"<strong><a href="message-loop.html#spin">survives-disconnect</a></strong>"#;
    assert!(one.contains(new), "{one}");
    assert!(one.contains(r#"<th scope="row"><a href="message-loop.html">02</a></th>"#), "{one}");
    assert_eq!(one.matches("<tr>").count(), 3);

    let place = render("{{#step 09}}").unwrap();
    assert!(place.contains("Step 9 of 9"), "{place}");
    let neighbour = r#"<a rel="prev" href="chat-threads.html">08-chat-fn</a>"#;
    assert!(place.contains(neighbour), "{place}");
    let last = render("{{#step 10}}").unwrap();
    assert!(last.contains("beyond the tutorial") && !last.contains("next"), "{last}");

    let error = render("{{#staircase 77}}").unwrap_err().to_string();
    assert!(error.contains("with the number of a step"), "{error}");
}
