//! Another crate's texts, filled in by this crate's macro.

use conformance::text;
use conformance::texts::{Texts, choose_language};

/// `text!` uses the texts of the crate that calls it.
static TEXTS: Texts = Texts::new(&[
    ("en", "hello = 'hello {name} of {age}'\nplain = 'plain'"),
    ("zh", "hello = '{age} 岁的 {name}，你好'\nplain = '平常'"),
]);

#[test]
fn the_texts_of_the_calling_crate_are_used_in_the_language_that_was_chosen() {
    let (name, age) = ("alice", 30);
    assert_eq!(text!("hello", name, age), "hello alice of 30");
    assert_eq!(text!("plain"), "plain");
    choose_language("zh");
    choose_language("en"); // too late
    assert_eq!(text!("hello", name, age,), "30 岁的 alice，你好");
    assert_eq!(TEXTS.get("plain"), "平常");
}
