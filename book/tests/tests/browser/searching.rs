//! The search.

use std::env;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};
use fantoccini::Locator;
use fantoccini::key::Key;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::PAGE;
use crate::browser::{Browser, Scheme, View};

/// What people ask in a language, relative to the package.
#[derive(Clone, Copy)]
pub struct Asked {
    questions: &'static str,
    /// The page that a search starts from: not the one that it finds.
    start: &'static str,
}

pub const IN_ENGLISH: Asked = Asked { questions: "questions.toml", start: START };

pub const OF_CHINESE_READERS: Asked =
    Asked { questions: "questions.zh-CN.toml", start: "zh-CN/overview.html" };

/// The results that are seen at a glance.
const FIRST: usize = 3;

/// How many of a hundred questions are answered among the first results.
const PER_CENT: usize = 95;

/// The page that a search starts from: not the one that it finds.
const START: &str = "overview.html";

/// A word leads to the page that explains it; a word that is nowhere gets a clear answer.
pub async fn finds(browser: &Browser, view: View) -> Result<()> {
    browser.visit_in(view, START).await?;
    search(browser, "backlog").await?;
    let link = format!("#search-results a[href*='{PAGE}']");
    let what = format!("{START}, {view}: searching for backlog finds {PAGE}");
    browser.expect(Locator::Css(&link), &what).await?;
    let dark = view.scheme == Scheme::Dark;
    let fits = include_str!("scripts/fits.js");
    let found: Vec<String> = browser.run(fits, json!([view.width, dark])).await?;
    ensure!(found.is_empty(), "{START}, {view}, with search results: {}", found.join("; "));
    let foreign: Vec<String> = browser.run(include_str!("scripts/foreign.js"), json!([])).await?;
    ensure!(foreign.is_empty(), "{START}, {view}: the search {}", foreign.join("; "));

    search(browser, "xyzzyplugh").await?;
    let none = "//*[@id='search-status'][contains(., 'No section') and contains(., 'xyzzyplugh')]";
    let what = format!("{START}, {view}: searching for xyzzyplugh says that nothing is found");
    let said = browser.expect(Locator::XPath(none), &what).await?;
    ensure!(said.is_displayed().await?, "{what}; it does so where it cannot be seen");
    let results = browser.all("#search-results a").await?.len();
    ensure!(results == 0, "{what}; but {results} results are listed");

    search(browser, "backlog").await?;
    let what = format!("{START}, {view}: searching for backlog finds {PAGE} a second time");
    let link = browser.expect(Locator::Css(&link), &what).await?;
    browser.click(&link).await?;
    let arrived = Locator::Css("main h1#the-connection-loop");
    let what = format!("{START}, {view}: a result leads to {PAGE}");
    browser.expect(arrived, &what).await?;
    let path = browser.path().await?;
    ensure!(path == format!("/{PAGE}"), "{what}; but it leads to {path}");
    Ok(())
}

/// Opens the search, if it is not open, and fills in the field.
async fn search(browser: &Browser, word: &str) -> Result<()> {
    let toggle = browser.one("button#search-button").await?;
    if toggle.attr("aria-expanded").await?.as_deref() != Some("true") {
        browser.click(&toggle).await?;
    }
    let open = Locator::Css("button#search-button[aria-expanded='true']");
    browser.expect(open, "the search button says that the search is open").await?;
    let field = browser.one("input#search-field").await?;
    field.clear().await?;
    field.send_keys(word).await?;
    Ok(())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Questions {
    question: Vec<Question>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Question {
    text: String,
    expected: Vec<String>,
    #[expect(dead_code, reason = "for people")]
    before: Option<usize>,
    after: usize,
}

/// The right section is among the first results for nearly all questions, and those that the file records as answered
/// stay so.
pub async fn answers(browser: &Browser, asked: Asked) -> Result<()> {
    let name = asked.questions;
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    let text = fs::read_to_string(&file).with_context(|| format!("cannot read {name}"))?;
    let Questions { question: questions } = toml::from_str(&text)?;
    let texts: Vec<&str> = questions.iter().map(|question| &*question.text).collect();
    open(browser, asked.start).await?;
    let results: Vec<Vec<[String; 2]>> =
        browser.run(include_str!("scripts/answers.js"), json!([texts])).await?;
    let rank = |(question, results): (&Question, &Vec<[String; 2]>)| {
        let is_expected =
            |places: &[String; 2]| places.iter().any(|it| question.expected.contains(it));
        results.iter().position(is_expected).map_or(0, |index| index + 1)
    };
    let ranks: Vec<usize> = questions.iter().zip(&results).map(rank).collect();
    if env::var_os("BOOK_TESTS_BLESS").is_some() {
        fs::write(&file, recorded(&text, &ranks))?;
        return Ok(());
    }
    let is_first = |rank: usize| (1..=FIRST).contains(&rank);
    let good = ranks.iter().filter(|rank| is_first(**rank)).count();
    let mut problems = Vec::new();
    for (question, rank) in questions.iter().zip(ranks) {
        if is_first(rank) != is_first(question.after) {
            let Question { text, after, .. } = question;
            problems.push(format!("`{text}`: the rank is {rank}, and {name} has {after}"));
        }
    }
    if good * 100 < questions.len() * PER_CENT {
        problems.push(format!("only {good} of {} questions are answered", questions.len()));
    }
    ensure!(
        problems.is_empty(),
        "{}\nif this is right, BOOK_TESTS_BLESS=1 records it",
        problems.join("\n")
    );
    Ok(())
}

/// The file with other ranks.
fn recorded(text: &str, ranks: &[usize]) -> String {
    let mut ranks = ranks.iter();
    let line = |line: &str| match line.strip_prefix("after = ").and_then(|_| ranks.next()) {
        Some(rank) => format!("after = {rank}\n"),
        None => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

/// Han text is found by its characters: what is asked, and where the answer is in `scripts/han.js`.
const IN_CHINESE: [(&str, &str); 9] = [
    ("粘包", "stream"),
    ("TCP 粘包怎么解决", "stream"),
    ("半包", "stream"),
    ("长度前缀", "stream"),
    ("UDP 会粘包吗", "stream#1"),
    ("端口被占用", "loop#1"),
    ("断开后死循环", "loop"),
    ("recv 返回空", "loop"),
    ("第二个客户端连不上", "handshake"),
];

/// A book in Chinese can be searched.
pub async fn finds_han_text(browser: &Browser) -> Result<()> {
    browser.visit_in(View::WIDE, START).await?;
    let engine = include_str!("../../../theme/search.js");
    let (queries, expected): (Vec<&str>, Vec<&str>) = IN_CHINESE.into_iter().unzip();
    let found: Vec<String> =
        browser.run(include_str!("scripts/han.js"), json!([engine, queries])).await?;
    ensure!(found == expected, "{queries:?} lead to {found:?}, expected {expected:?}");
    Ok(())
}

/// What is still being composed, first in letters, is not searched for; once it is there, it is.
pub async fn waits_for_composition(browser: &Browser) -> Result<()> {
    open(browser, OF_CHINESE_READERS.start).await?;
    let state = "const field = document.getElementById('search-field'); \
                 return [field.value, document.querySelectorAll('#search-results a').length]";
    for text in ["socket", "nianbao", "粘包"] {
        let end = text.encode_utf16().count();
        let composed = json!({ "text": text, "selectionStart": end, "selectionEnd": end });
        browser.devtools("Input.imeSetComposition", composed).await?;
        let (value, results): (String, usize) = browser.run(state, json!([])).await?;
        ensure!(value == text, "the field holds `{value}` while {text} is composed");
        ensure!(results == 0, "{results} results are listed while {text} is composed");
    }
    browser.devtools("Input.insertText", json!({ "text": "粘包" })).await?;
    let found = Locator::Css("#search-results a[href*='message-boundaries.html']");
    browser.expect(found, "粘包 leads to message-boundaries.html").await?;
    Ok(())
}

/// Enter in the field opens the first result. What is folded there is unfolded.
pub async fn unfolds_what_it_finds(browser: &Browser) -> Result<()> {
    const FOLDED: &str = "
        const fold = [...document.querySelectorAll('main > details:not([open])')]
            .find((fold) => fold.querySelector(':scope > p'));
        const words = fold.querySelector(':scope > p').textContent.trim().split(/\\s+/);
        return [fold.querySelector('summary').textContent, words.slice(0, 12).join(' ')];
    ";
    const SHOWN: &str = "
        const [text] = arguments;
        const fold = [...document.querySelectorAll('main > details[open]')]
            .find((fold) => fold.textContent.replace(/\\s+/g, ' ').includes(text));
        return fold !== undefined;
    ";
    browser.visit_in(View::WIDE, PAGE).await?;
    let (summary, text): (String, String) = browser.run(FOLDED, json!([])).await?;
    browser.visit_in(View::WIDE, START).await?;
    search(browser, &text).await?;
    let found = Locator::Css("#search-results li:first-child a[href*='connection-loop.html#']");
    browser.expect(found, &format!("a search for `{text}` finds its section")).await?;
    browser.press(Key::Enter).await?;
    browser.expect(Locator::Css("main h1#the-connection-loop"), "Enter opens the page").await?;
    let what = format!("`{summary}` is unfolded when a search for its text leads there");
    let open = Locator::Css("main > details[open]");
    browser.expect(open, &what).await?;
    let is_shown: bool = browser.run(SHOWN, json!([text])).await?;
    ensure!(is_shown, "{what}; but others are");
    Ok(())
}

/// The search works in a book that is opened as a file, and leads to a page in the same language.
pub async fn works_without_a_server(browser: &Browser) -> Result<()> {
    let root = &browser.site.folder;
    let Ok(url) = url::Url::from_file_path(root) else { bail!("no URL for {}", root.display()) };
    for (folder, query) in [("", "backlog"), ("zh-CN/", "全连接队列")] {
        browser.visit_at(url.as_str(), &format!("{folder}{START}")).await?;
        search(browser, query).await?;
        let found = format!("#search-results a[href*='{PAGE}']");
        let what = format!("a file's search for {query} finds {PAGE}");
        let found = browser.expect(Locator::Css(&found), &what).await?;
        browser.click(&found).await?;
        let heading = Locator::Css("main h1#the-connection-loop");
        browser.expect(heading, &format!("{what}, and opens it")).await?;
        let path = browser.path().await?;
        ensure!(path.ends_with(&format!("/{folder}{PAGE}")), "{what}; but it leads to {path}");
    }
    Ok(())
}

/// Opens the search, and waits for what it needs.
async fn open(browser: &Browser, start: &str) -> Result<()> {
    browser.visit_in(View::WIDE, start).await?;
    search(browser, "socket").await?;
    let results = Locator::Css("#search-results a");
    browser.expect(results, "a search for socket has results").await?;
    let _: Value = browser
        .run(
            "document.getElementById('search-field').value = ''; \
        document.getElementById('search-results').replaceChildren()",
            json!([]),
        )
        .await?;
    Ok(())
}
