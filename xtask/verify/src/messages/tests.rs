use workspace::root;

use super::*;

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

/// With the real programs: a message is printed, and is not recognised if one character of its text differs.
#[test]
fn a_message_that_no_program_says_is_found() {
    let (root, target) = (root::repository(), root::target().unwrap());
    let step = root::find_step(&root, "01").unwrap();
    crate::programs::build_missing(&root, &target, &step);
    let message = messages::all().iter().find(|message| message.name == "refused").unwrap();
    let provocation = PROVOCATIONS.iter().find(|it| it.name == "refused").unwrap();
    assert_eq!(provoke(&root, &target, message, provocation, Printer::Step(&step)).unwrap(), None);
    let changed = Message {
        name: "refused".to_owned(),
        text: "error: {ADDR}: connection refused: start the server firs".to_owned(),
        steps: vec![1],
        twins: Vec::new(),
    };
    let error = provoke(&root, &target, &changed, provocation, Printer::Step(&step))
        .unwrap_err()
        .to_string();
    assert!(error.contains("start the server first"), "{error}");
}
