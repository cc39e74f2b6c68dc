//! Command lines as a person types them, and the programs that they name.

/// Splits a command line into words; single and double quotes hold blanks together.
///
/// An error if a quote is never closed.
pub fn split(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in line.chars() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, ' ') => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    if let Some(open) = quote {
        return Err(format!("a quote {open} is never closed in `{line}`"));
    }
    words.extend(word);
    Ok(words)
}

/// The word as [`split`] reads it again, in quotes if it needs them; none if it has both kinds of quotes.
#[must_use]
pub fn quoted(word: &str) -> Option<String> {
    if !word.is_empty() && !word.contains([' ', '\'', '"']) {
        return Some(word.to_owned());
    }
    let quote = ['"', '\''].into_iter().find(|quote| !word.contains(*quote))?;
    Some(format!("{quote}{word}{quote}"))
}

/// Whether a program of this name is in a folder of `PATH`.
#[must_use]
pub fn is_on_path(program: &str) -> bool {
    let file = format!("{program}{}", std::env::consts::EXE_SUFFIX);
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(&file).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_hold_words_together() {
        let words = split(r#"python3  a.py "two words" 'a "b"' "" x"y z""#).unwrap();
        assert_eq!(words, ["python3", "a.py", "two words", "a \"b\"", "", "xy z"]);
        let error = split("a 'b").unwrap_err();
        assert_eq!(error, "a quote ' is never closed in `a 'b`");
    }

    #[test]
    fn a_quoted_word_is_split_into_itself() {
        for word in ["a.py", "", "two words", "it's", "a \"b\""] {
            assert_eq!(split(&quoted(word).unwrap()).unwrap(), [word]);
        }
        assert_eq!(quoted("a.py").unwrap(), "a.py");
        assert_eq!(quoted("it's \"b\""), None);
    }

    #[test]
    fn cargo_is_on_the_path_and_what_does_not_exist_is_not() {
        assert!(is_on_path("cargo"));
        assert!(!is_on_path("no such program"));
    }
}
