use super::*;
use crate::fixture;

#[test]
fn a_text_fits_only_to_the_letter() {
    let text = "error: {ADDR}: a frame of {N} bytes";
    assert!(fits(text, "error: 127.0.0.1:9006: a frame of 1701013615 bytes"));
    for line in [
        "error: 127.0.0.1:9006: a frame of many bytes",
        "error: 127.0.0.1:9006: a frame of  bytes",
        "error: my own: a frame of 7 bytes",
        "Error: 127.0.0.1:9006: a frame of 7 bytes",
        "error: 127.0.0.1:9006: a frame of 7 bytes.",
    ] {
        assert!(!fits(text, line), "{line}");
    }
    assert!(fits("`{NAME}`", "`a`b`"));
}

#[test]
fn messages_become_terms_that_markdown_leaves_alone() {
    assert_eq!(
        markdown("refused").unwrap(),
        "<samp>error: <var>ADDR</var>: connection refused: start the server first</samp> \
         <small>steps 01 to 09</small>"
    );
    let two = markdown("no-xtask warning").unwrap();
    assert!(
        two.starts_with(
            "<samp>error: no such command: &#96;<var>NAME</var>&#96;</samp><br><samp>W"
        )
    );
    assert!(two.ends_with(" <small>steps 04, 06, 07</small>"), "{two}");
    assert!(
        markdown("refuse").unwrap_err().to_string().starts_with("there is no message `refuse`")
    );
    assert!(markdown("").is_err());
}

#[test]
fn steps_are_told_in_runs() {
    assert_eq!(steps_in_words(&[1, 2, 3, 4, 6, 7, 9]), "steps 01 to 04, 06, 07, 09");
    assert_eq!(steps_in_words(&[7]), "step 07");
    assert_eq!(steps_in_words(&[]), "");
}

#[test]
fn a_message_that_is_not_on_the_page_or_is_there_twice_is_found() {
    let tree = fixture::copy();
    assert_eq!(complaints(tree.path()).unwrap(), [""; 0]);
    fixture::replace(tree.path(), PAGE, "{{#message refused}}", "{{#message reset}}");
    let found = complaints(tree.path()).unwrap();
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("the message `refused` is there 0 times"), "{found:?}");
    assert!(found[1].contains("the message `reset` is there 2 times"), "{found:?}");
}

/// With the real programs: a message comes, and does not when a character of its text is another.
#[test]
fn a_message_that_no_program_says_is_found() {
    let (root, target) = (root::repository(), root::target().unwrap());
    let step = root::find_step(&root, "01").unwrap();
    build(&root, &target, std::slice::from_ref(&step)).unwrap();
    let message = MESSAGES.iter().find(|message| message.name == "refused").unwrap();
    assert_eq!(provoke(&root, &target, message, Some(&step)).unwrap(), None);
    let changed =
        Message { text: "error: {ADDR}: connection refused: start the server firs", ..*message };
    let error = provoke(&root, &target, &changed, Some(&step)).unwrap_err().to_string();
    assert!(error.contains("start the server first"), "{error}");
}
