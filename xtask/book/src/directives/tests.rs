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
        r#"<figure class="listing"><figcaption><span class="path">steps/01-first/src/server.rs</span></figcaption><pre><code class="language-rust"><span class="c">//! A server.</span>"#
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
        r#"<figure class="listing diff"><figcaption><span class="path">steps/02-second/src/server.rs</span> <span class="against">against <span class="path">steps/01-first/src/server.rs</span>: 1 line added, 1 removed</span></figcaption><details class="same""#
    ), "{html}");
    assert!(
        html.contains("<del class=\"l\" style=\"--i:4\">    <span class=\"k\">if</span> "),
        "{html}"
    );
    let added = "<ins class=\"l\" style=\"--i:4\">    <span class=\"k\">loop</span> {</ins>\n";
    assert!(html.contains(added), "{html}");
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
    assert!(!part.contains("New") && part.contains("</del>\n<ins"), "{part}");
}

#[test]
fn what_did_not_change_is_folded_but_for_the_lines_next_to_a_change() {
    let tree = fixture::tree();
    let lines: Vec<String> = (0..40).map(|number| format!("fn f{number:02}() {{}}\n")).collect();
    let old = lines.concat();
    let new = old.replace("f00()", "f00(x: u8)").replace("f14()", "f()").replace("f24()", "f()");
    fixture::write(tree.path(), "steps/01-first/src/long.rs", &old);
    fixture::write(tree.path(), "steps/02-second/src/long.rs", &new);
    let directive = Directive::alone_in("{{#diff 01-first 02-second src/long.rs}}").unwrap();
    let html = super::render(&directive, tree.path()).unwrap();
    let parts: Vec<&str> = html.split("<pre>").skip(1).collect();
    // Each part's first and last function. Between f14 and f24, three lines are too few to be folded.
    let names = |part: &str| {
        let mut names = part.split(r#"<span class="f">f"#).skip(1).map(|rest| rest[..2].to_owned());
        (names.next().unwrap(), names.last().unwrap())
    };
    let found: Vec<_> = parts.iter().map(|part| names(part)).collect();
    let expected = [("00", "03"), ("04", "10"), ("11", "27"), ("28", "39")];
    assert_eq!(found, expected.map(|(first, last)| (first.to_owned(), last.to_owned())), "{html}");
    let fold =
        r#"<details class="same" data-paper="no"><summary>12 unchanged lines</summary><pre>"#;
    assert!(html.contains(fold), "{html}");
    assert_eq!(html.matches("<details").count(), 2, "{html}");
}

#[test]
fn a_session_has_a_row_for_each_turn_and_an_id_for_each_line() {
    assert_eq!(
        html("{{#session 01-first/hello}}"),
        concat!(
            r#"<figure class="session"><div class="terminals" style="--name:6ch">"#,
            r#"<div class="step turn terminal-0"><b>server</b>"#,
            r#"<span id="01-hello-1"><kbd class="command">cargo run -p step-01-first -- server</kbd></span>"#,
            "\n",
            r#"<samp id="01-hello-1-1">listening on 127.0.0.1:9001</samp></div>"#,
            r#"<div class="step turn terminal-1"><b>alice</b>"#,
            r#"<span id="01-hello-2"><kbd class="command">cargo run -p step-01-first -- client</kbd></span></div>"#,
            r#"<div class="step turn terminal-1">"#,
            r#"<span id="01-hello-3"><kbd class="input">&lt;hello&gt;</kbd></span>"#,
            "\n",
            r#"<samp id="01-hello-3-1">&lt;hello&gt;</samp></div>"#,
            r#"<div class="step turn terminal-1">"#,
            r#"<span id="01-hello-4"><kbd class="key">Ctrl-D</kbd></span></div>"#,
            r#"<div class="turn terminal-0"><b>server</b>"#,
            r#"<samp id="01-hello-4-1">bye</samp>"#,
            "\n",
            r#"<samp id="01-hello-4-2" class="again">… and so on, forever</samp></div>"#,
            r#"<div class="step turn terminal-0">"#,
            r#"<span id="01-hello-5"><kbd class="key">Ctrl-C</kbd></span></div>"#,
            "</div><figcaption>A <code>hello</code> &amp; its echo.</figcaption></figure>",
        )
    );
}

/// What a session of a step becomes.
fn session(step: &str, text: &str) -> Result<String> {
    let tree = fixture::tree();
    fixture::write(tree.path(), &format!("steps/{step}/sessions/it.session"), text);
    let directive = format!("{{{{#session {step}/it}}}}");
    super::render(&Directive::alone_in(&directive).unwrap(), tree.path())
}

const TRACE: &str = "[server] $ serve
  server
    waits in accept
    listens at 127.0.0.1:9001
[bob] $ start
  server
    waits in accept
    listens at 127.0.0.1:9001
  bob
    waits in read on the keyboard
    waits for another thread, 2 threads
    connection with another program: ended by the peer
[bob] ^D
  server
    waits in accept
    listens at 127.0.0.1:9001; in its queue: bob with 2 bytes
  bob
    ended
";

/// Writes the session `it` of the first step, or its trace.
fn write_it(root: &Path, extension: &str, text: &str) {
    fixture::write(root, &format!("steps/01-first/sessions/it.{extension}"), text);
}

#[test]
fn what_the_kernel_held_is_a_table_of_what_has_changed() {
    let tree = fixture::tree();
    let write = |name, text: &str| write_it(tree.path(), name, text);
    write("session", "[server] $ serve\n[bob]    $ start\n[bob]    ^D\n");
    write("trace", TRACE);
    let directive = Directive::alone_in("{{#session 01-first/it}}").unwrap();
    let html = super::render(&directive, tree.path()).unwrap();
    let (_, table) = html.split_once("</thead>").unwrap();
    let (table, _) = table.split_once("</table>").unwrap();
    assert_eq!(
        table,
        concat!(
            r#"<tbody><tr><th scope="rowgroup" colspan="3"><b>server</b> <code>$ serve</code><p><b>server</b> listens. No client is there yet.</p></th></tr>"#,
            r#"<tr class="terminal-0"><th scope="row"><b>server</b></th><td><span class="wait">waits in <code>accept</code></span></td><td><span class="socket">queue for <code>accept</code>: <i>empty</i></span></td></tr></tbody>"#,
            r#"<tbody><tr><th scope="rowgroup" colspan="3"><b>bob</b> <code>$ start</code><p><b>bob</b>: waits for the keyboard.</p></th></tr>"#,
            r#"<tr class="terminal-1"><th scope="row"><b>bob</b></th><td><span class="wait">waits for the keyboard</span> <span class="wait">waits for another thread (2 threads)</span></td>"#,
            r#"<td><span class="socket">from another program: <i>empty</i> <i>(another program sends nothing more)</i></span></td></tr></tbody>"#,
            r#"<tbody><tr><th scope="rowgroup" colspan="3"><b>bob</b> <span><kbd class="key">Ctrl-D</kbd></span><p>The kernel of <b>server</b> holds 2 bytes from <b>bob</b>: the connection is not accepted yet.</p></th></tr>"#,
            r#"<tr class="terminal-0"><th scope="row"><b>server</b></th><td><span class="wait">waits in <code>accept</code></span></td>"#,
            r#"<td><span class="socket">queue for <code>accept</code>: <span class="queued"><b>bob</b> <span class="bytes"><samp class="message-0" aria-hidden="true">··</samp> <span>2 bytes</span></span></span></span></td></tr>"#,
            r#"<tr class="terminal-1"><th scope="row"><b>bob</b></th><td><span class="wait">has ended</span></td><td></td></tr></tbody>"#,
        )
    );
    write("trace", &TRACE.replace("[bob] $ start", "[bob] $ go"));
    let error = format!("{:#}", super::render(&directive, tree.path()).unwrap_err());
    assert_eq!(
        error,
        "steps/01-first/sessions/it.trace: line 5: the session has `[bob] $ start` here"
    );
}

#[test]
fn programs_that_end_at_once_have_no_table() {
    let tree = fixture::tree();
    let write = |name, text: &str| write_it(tree.path(), name, text);
    write("session", "[one] $ show\n");
    write("trace", "[one] $ show\n  one\n    ended\n");
    let directive = Directive::alone_in("{{#session 01-first/it}}").unwrap();
    let html = super::render(&directive, tree.path()).unwrap();
    assert!(!html.contains("<table"), "{html}");
}

#[test]
fn a_question_has_a_folded_answer_which_the_output_gives() {
    let text =
        |output: &str| format!("[a] $ go\n#ask How many? | `3` | `11`\n[a] > x\n[a] {output}\n");
    let html = session("01-first", &text("read 11")).unwrap();
    let ask = concat!(
        r#"<div class="ask" data-step="2"><p><b>Before step 2:</b> How many?</p>"#,
        r#"<ul><li><code>3</code></li><li data-right><code>11</code></li></ul>"#,
        r##"<details data-paper="no"><summary>Answer</summary><p><code>11</code> → <a href="#01-it-2">step 2</a></p></details></div>"##,
    );
    assert!(html.contains(ask), "{html}");
    let error = format!("{:#}", session("01-first", &text("read 7")).unwrap_err());
    let expected = "steps/01-first/sessions/it.session: line 2: exactly one option must be in the output of the following action; 0 are";
    assert_eq!(error, expected);
}

#[test]
fn programs_that_watch_the_others_have_a_colour_of_their_own() {
    for program in ["cargo xtask tap --no-time", "sudo tcpdump -n", "ss -tan"] {
        let text = format!("[w]     $ {program}\n[alice] $ start\n[bob]   $ start\n");
        let html = session("01-first", &text).unwrap();
        for turn in [
            r#"turn watcher"><b>w</b>"#,
            r#"turn terminal-0"><b>alice</b>"#,
            r#"turn terminal-1"><b>bob</b>"#,
        ] {
            assert!(html.contains(turn), "{turn} in {html}");
        }
    }
}

#[test]
fn output_in_columns_is_told_from_sentences_and_scrolls_as_a_whole() {
    let text = "[one] $ show\n[one] call    length\n[one] a    1\n[one]     write 1  5\n";
    let html = session("01-first", text).unwrap();
    assert!(html.starts_with(r#"<figure class="session alone">"#), "{html}");
    let columns = concat!(
        r#"<span class="columns"><samp id="01-it-1-1">call    length</samp>"#,
        "\n",
        r#"<samp id="01-it-1-2">a    1</samp></span>"#,
        "\n",
        r#"<samp id="01-it-1-3">    write 1  5</samp>"#
    );
    assert!(html.contains(columns), "{html}");
}

/// A session with a tap between Bob and the server, and what the tap prints.
fn tapped(step: &str, printed: &[&str]) -> Result<String> {
    let start = "[server] $ serve\n\
                    [tap]    $ cargo xtask tap --listen 127.0.0.1:91 --to 127.0.0.1:90 --no-time\n\
                    [bob]    $ client 127.0.0.1:91\n";
    let printed: Vec<String> = printed.iter().map(|line| format!("[tap]    {line}\n")).collect();
    session(step, &(start.to_owned() + &printed.concat()))
}

#[test]
fn bytes_on_the_wire_are_in_cells_and_the_framing_of_the_step_says_what_they_mean() {
    let html = tapped(
        "06-frames",
        &[
            "#1  client → server  6 bytes",
            "  00000000  00 00 00 02 68 0a                                 |....h.|",
            "#1  server → client  4 bytes",
            "  00000000  00 00 00 00                                       |....|",
            "#1  server → client  end of file",
            "#1  client → server  reset",
        ],
    )
    .unwrap();
    let events = concat!(
        r#"<div class="turn watcher"><b>tap</b>"#,
        r#"<span class="event" id="06-it-3-1"><span class="arrow"><b class="terminal-1">bob</b><i> → </i><b class="terminal-0">server</b> <span>6 bytes</span></span> "#,
        r#"<span class="bytes"><span class="length"><b>length 2</b><span class="cells" aria-hidden="true"><span>00 00 00 02</span></span></span> "#,
        r#"<span class="payload"><b>payload</b> <q>h\n</q><span class="cells" aria-hidden="true"><span>68 0a<i>h<s style="width:3ch">\n</s></i></span></span></span></span></span>"#,
        "\n",
        r#"<span class="event back" id="06-it-3-3"><span class="arrow"><b class="terminal-0">server</b><i> → </i><b class="terminal-1">bob</b> <span>4 bytes</span></span> "#,
        r#"<span class="bytes"><span class="length"><b>length 0</b><span class="cells" aria-hidden="true"><span>00 00 00 00</span></span></span></span></span>"#,
        "\n",
        r#"<span class="event back" id="06-it-3-5"><span class="arrow"><b class="terminal-0">server</b><i> → </i><b class="terminal-1">bob</b> <span><mark>FIN</mark> end of file</span></span></span>"#,
        "\n",
        r#"<span class="event" id="06-it-3-6"><span class="arrow"><b class="terminal-1">bob</b><i> → </i><b class="terminal-0">server</b> <span><mark>RST</mark> reset</span></span></span></div>"#,
    );
    assert!(html.contains(events), "{html}");
    let printed = concat!(
        r#"<details class="printed" data-paper="no"><summary>What the tap printed</summary><pre>"#,
        "#1  client → server  6 bytes\n",
        "  00000000  00 00 00 02 68 0a                                 |....h.|\n",
    );
    assert!(html.contains(printed), "{html}");
}

#[test]
fn long_text_has_a_cell_for_each_character_and_a_connection_its_number_if_it_is_not_the_first() {
    let header = r#"{"request":"get","filename":"Grüße"}"#;
    let bytes: Vec<u8> = [&[0, 0, 0, 38][..], header.as_bytes()].concat();
    let mut lines = vec!["#2  client → server  42 bytes".to_owned()];
    for (index, row) in bytes.chunks(16).enumerate() {
        let numbers: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
        lines.push(format!("  {:08x}  {}  |...|", index * 16, numbers.join(" ")));
    }
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    let html = tapped("07-messages", &lines).unwrap();
    let header = r#"<span class="header"><b>header</b> <samp>{&quot;request&quot;:&quot;get&quot;,&quot;filename&quot;:&quot;Grüße&quot;}</samp></span>"#;
    assert!(html.contains(header), "{html}");
    assert!(html.contains("<span>#2 42 bytes</span>"), "{html}");
}

#[test]
fn text_that_the_tap_shows_as_text_is_divided_into_lines() {
    let lines = ["#1  server → client  10 bytes", r#"  "a \\ "b"\n""#, r#"  "\xe4\u{1b}""#];
    let html = tapped("08-chat", &lines).unwrap();
    for part in [
        r#"<span class="payload"><b>line and newline</b> <samp>a \ &quot;b&quot;</samp><samp class="newline">\n</samp></span>"#,
        r#"<span class="payload"><b>line</b> <samp>\xe4\u{1b}</samp></span>"#,
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
}

#[test]
fn cells_are_not_parted_in_the_middle_of_a_character() {
    let html = tapped(
        "02-second",
        &[
            "#1  client → server  7 bytes",
            "  00000000  67 72 61 c3 bc 61 c3                              |gra..a.|",
        ],
    );
    let html = html.unwrap();
    let cells = r#"<span>67 72 61 c3 bc<i>gra<s style="width:6ch">ü</s></i></span><span>61 c3<i>a.</i></span>"#;
    assert!(html.contains(cells), "{html}");
}

#[test]
fn bytes_that_are_missing_are_an_error() {
    let lines = ["#1  client → server  3 bytes", "  00000000  68 69       |hi|"];
    let error = format!("{:#}", tapped("02-second", &lines).unwrap_err());
    assert_eq!(
        error,
        "steps/02-second/sessions/it.session: line 4: the tap announces 3 bytes, but 2 follow"
    );
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
        "there is no directive `lisitng`; there are: listing, diff, session, message, figure, chart, steps, staircase, collect, contract, time, minutes, schedule, and mdBook's include and title"
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

    let first = render("{{#staircase 01}}").unwrap();
    assert!(!first.contains("<strong>"), "nothing is in bold, so nothing explains it: {first}");

    let error = render("{{#staircase 77}}").unwrap_err().to_string();
    assert!(error.contains("with the number of a step"), "{error}");
}
