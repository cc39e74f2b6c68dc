//! `{{#listing STEP FILE[:ANCHOR]}}`: a step's file, or the part of it between two anchor comments.
//!
//! Where the step's Python twin has a counterpart, it follows, folded; the page's script makes tabs
//! of the two. The word `rust` at the end leaves it out.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use conformance::text;

use crate::directive::words;
use crate::highlight::{dedent, highlight, language_of, to_html};
use crate::html::{escape, pre};
use crate::source::read_source;

const USAGE: &str = "{{#listing STEP FILE[:ANCHOR] [rust]}}";

pub fn render(root: &Path, arguments: &str) -> Result<String> {
    let (arguments, with_twin) = match arguments.strip_suffix(" rust") {
        Some(arguments) => (arguments, false),
        None => (arguments, true),
    };
    let [step, file] = words(arguments, USAGE)?;
    let (file, anchor) = match file.split_once(':') {
        Some((file, anchor)) => (file, Some(anchor)),
        None => (file, None),
    };
    let listing = figure(root, &format!("steps/{step}/{file}"), anchor)?;
    let twin = if with_twin { counterpart(root, step, file, anchor)? } else { None };
    let Some(twin) = twin else { return Ok(listing) };
    let (twin, summary) = (figure(root, &twin, anchor)?, text!("listing.in-python"));
    Ok(format!(
        r#"<div class="twins">{listing}<details><summary>{summary}</summary>{twin}</details></div>"#
    ))
}

/// A file, or the part of it with this anchor.
fn figure(root: &Path, path: &str, anchor: Option<&str>) -> Result<String> {
    let source = read_source(root, path)?;
    let language = language_of(path);
    // The whole file is highlighted, not the excerpt: what a line is part of depends on the lines before.
    let lines = highlight(language, &source.text);
    let code = match anchor {
        Some(anchor) => to_html(&dedent(&lines[source.lines_of(path, anchor)?])),
        None => to_html(&lines),
    };
    let code = pre(language, &code);
    let path = escape(path);
    Ok(format!(
        r#"<figure class="listing"><figcaption><span class="path">{path}</span></figcaption>{code}</figure>"#
    ))
}

/// The Python file in which a step's file in Rust, or the part of it with this anchor, has its counterpart.
///
/// It is the twin of the same name. A part that is not there may be in one other twin, unless the other
/// file in Rust has a part of that name, too.
pub fn counterpart(
    root: &Path,
    step: &str,
    file: &str,
    anchor: Option<&str>,
) -> Result<Option<String>> {
    let Some((folder, name)) = file.strip_suffix(".rs").and_then(|file| file.split_once('/'))
    else {
        return Ok(None);
    };
    let twins = match folder {
        "src" => "python",
        "exercises" => folder,
        _ => return Ok(None),
    };
    let twins = format!("steps/{step}/{twins}");
    let names = names(root, &twins, ".py")?;
    let namesake = format!("{twins}/{name}.py");
    let Some(anchor) = anchor else {
        return Ok(names.iter().any(|it| it == name).then_some(namesake));
    };
    let has = |path: String| -> Result<bool> {
        Ok(root.join(&path).is_file() && read_source(root, &path)?.has(anchor))
    };
    if has(namesake.clone())? {
        return Ok(Some(namesake));
    }
    let mut found = Vec::new();
    for other in names {
        let twin = format!("{twins}/{other}.py");
        if has(twin.clone())? && !has(format!("steps/{step}/{folder}/{other}.rs"))? {
            found.push(twin);
        }
    }
    if found.len() > 1 {
        bail!("{} have this anchor: rename it in all but one", found.join(" and "));
    }
    Ok(found.pop())
}

/// The names of the files in a folder of the repository that end like this, without the end, in order.
fn names(root: &Path, folder: &str, end: &str) -> Result<Vec<String>> {
    if !root.join(folder).is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(folder)).with_context(|| folder.to_owned())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        names.extend(name.strip_suffix(end).map(str::to_owned));
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use workspace::fixture;

    use super::*;

    const RUST: &str = "// ANCHOR: loop\nfn a() {}\n// ANCHOR_END: loop\n// ANCHOR: b\nfn b() {}\n// ANCHOR_END: b\n";
    const PYTHON: &str = "# ANCHOR: loop\ndef a(): ...\n# ANCHOR_END: loop\n";

    fn twin_of(root: &Path, file: &str, anchor: Option<&str>) -> Option<String> {
        counterpart(root, "01-first", file, anchor).unwrap()
    }

    #[test]
    fn a_counterpart_is_in_the_twin_of_the_same_name_or_in_the_only_one_with_the_anchor() {
        let tree = fixture::tree();
        let root = tree.path();
        for file in ["src/server.rs", "src/extra.rs", "examples/server.rs", "exercises/right.rs"] {
            fixture::write(root, &format!("steps/01-first/{file}"), RUST);
        }
        for (file, anchor) in [("src/server.rs", None), ("src/server.rs", Some("loop"))] {
            assert_eq!(twin_of(root, file, anchor), None, "there are no twins yet");
        }
        fixture::write(root, "steps/01-first/python/server.py", PYTHON);
        fixture::write(root, "steps/01-first/python/client.py", "pass\n");
        fixture::write(root, "steps/01-first/exercises/right.py", "pass\n");
        let server = Some("steps/01-first/python/server.py".to_owned());
        let right = Some("steps/01-first/exercises/right.py".to_owned());
        for (file, anchor, expected) in [
            ("src/server.rs", None, &server),
            ("src/server.rs", Some("loop"), &server),
            ("src/server.rs", Some("b"), &None),
            ("src/main.rs", Some("loop"), &None),
            ("src/extra.rs", Some("b"), &None),
            ("src/extra.rs", None, &None),
            ("src/client.rs", Some("loop"), &None),
            ("examples/server.rs", Some("loop"), &None),
            ("exercises/right.rs", None, &right),
            ("exercises/right.rs", Some("loop"), &None),
            ("python/server.py", None, &None),
        ] {
            assert_eq!(&twin_of(root, file, anchor), expected, "{file} {anchor:?}");
        }
        // What another file in Rust has, too, belongs to that file.
        fixture::write(root, "steps/01-first/python/extra.py", "pass\n");
        assert_eq!(twin_of(root, "src/client.rs", Some("loop")), None);
        fixture::write(root, "steps/01-first/src/client.rs", RUST);
        assert_eq!(twin_of(root, "src/client.rs", Some("loop")), None);

        fixture::write(root, "steps/01-first/src/server.rs", "// nothing\n");
        fixture::write(root, "steps/01-first/python/other.py", PYTHON);
        let error = counterpart(root, "01-first", "src/extra.rs", Some("loop")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "steps/01-first/python/other.py and steps/01-first/python/server.py have this anchor: \
             rename it in all but one"
        );
    }

    #[test]
    fn a_listing_with_a_counterpart_has_it_folded_below() {
        let tree = fixture::tree();
        let root = tree.path();
        fixture::write(root, "steps/01-first/src/server.rs", RUST);
        fixture::write(root, "steps/01-first/python/server.py", PYTHON);
        let html = render(root, "01-first src/server.rs:loop").unwrap();
        let (rust, python) = html.split_once("<details>").unwrap();
        assert!(rust.starts_with(r#"<div class="twins"><figure class="listing"><figcaption>"#));
        assert!(rust.contains("language-rust") && !rust.contains("python"), "{rust}");
        assert!(
            python.starts_with("<summary>The same in Python</summary><figure class=\"listing\">"),
            "{python}"
        );
        assert!(python.contains("steps/01-first/python/server.py") && !python.contains("ANCHOR"));
        assert!(python.ends_with("</figure></details></div>"), "{python}");

        let alone = render(root, "01-first src/server.rs:loop rust").unwrap();
        assert!(rust.ends_with(&alone), "{alone}");
        assert!(!render(root, "01-first src/server.rs:b").unwrap().contains("twins"));
    }

    /// An anchor that was renamed in one language only would lose its counterpart unseen.
    #[test]
    fn each_anchor_in_a_twin_has_a_counterpart_in_rust() {
        let root = workspace::root::repository();
        let mut count = 0;
        for step in fs::read_dir(root.join("steps")).unwrap() {
            let step = step.unwrap().file_name().into_string().unwrap();
            for (twins, folder) in [("python", "src"), ("exercises", "exercises")] {
                let anchors_of = |path: &str| -> Vec<String> {
                    read_source(&root, path).unwrap().anchors().map(str::to_owned).collect()
                };
                let mut paired = BTreeSet::new();
                for name in names(&root, &format!("steps/{step}/{folder}"), ".rs").unwrap() {
                    let file = format!("{folder}/{name}.rs");
                    for anchor in anchors_of(&format!("steps/{step}/{file}")) {
                        let twin = counterpart(&root, &step, &file, Some(&anchor)).unwrap();
                        paired.extend(twin.map(|twin| (twin, anchor)));
                    }
                }
                for name in names(&root, &format!("steps/{step}/{twins}"), ".py").unwrap() {
                    let path = format!("steps/{step}/{twins}/{name}.py");
                    for anchor in anchors_of(&path) {
                        count += 1;
                        let pair = (path.clone(), anchor);
                        assert!(paired.contains(&pair), "no file in Rust has the part {pair:?}");
                    }
                }
            }
        }
        assert!(count > 50, "the twins have only {count} anchors");
    }
}
