//! What the rooms print for people, as data: a table for each language.
//!
//! A room uses an entry with `text!("doctor.port.taken", addr)`, and has `use workspace::texts::TEXTS` at
//! its root for that.

use conformance::texts::Texts;

/// The texts of all rooms.
pub static TEXTS: Texts = Texts::new(&[
    ("en", include_str!("../texts/en.toml")),
    ("zh-CN", include_str!("../texts/zh-CN.toml")),
]);

/// A text with blanks after it, so that it fills a column of a terminal: Chinese letters are two columns wide.
#[must_use]
pub fn column(text: &str, width: usize) -> String {
    let is_wide = |c: &char| ('\u{2e80}'..='\u{ffef}').contains(c);
    let wide = text.chars().filter(is_wide).count();
    format!("{text:<0$}", width.saturating_sub(wide))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use conformance::texts::complaints;

    use super::*;
    use crate::root;

    #[test]
    fn a_column_is_as_wide_in_chinese() {
        assert_eq!((column("disk", 6), column("磁盘", 6)), ("disk  ".into(), "磁盘  ".into()));
        assert_eq!(column("已经太宽", 6), "已经太宽");
    }

    #[test]
    fn every_text_is_used_and_every_text_that_is_used_is_there() {
        let xtask = root::repository().join("xtask");
        let rooms: Vec<PathBuf> =
            ["book", "check"].iter().map(|room| xtask.join(room).join("src")).collect();
        let rooms: Vec<&std::path::Path> = rooms.iter().map(PathBuf::as_path).collect();
        assert_eq!(complaints(&TEXTS, &rooms, &[]), [""; 0]);
    }
}
