//! The built book, in a real browser: what a reader sees, and what works when it is used.
//!
//! The tests need Chromium (or Chrome) and its `chromedriver`. The book is built once, into a
//! temporary folder; `BOOK_TESTS_DIR=/FOLDER` takes the pages of a folder instead. Each test has a
//! browser of its own, with an empty profile.

mod arrow_keys;
mod browser;
mod contents;
mod copying;
mod every_page;
mod scriptless;
mod searching;
mod setup;
mod theme;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};

use crate::browser::{Browser, Scheme, View};
use crate::setup::Setup;

/// The page on which behaviour is tested: it has sessions, listings and differences.
const PAGE: &str = "connection-loop.html";

/// Its text, which says what is included from where; relative to the repository.
const PAGE_SOURCE: &str = "book/en/src/connection-loop.md";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let setup = Arc::new(OnceLock::new());
    if !arguments.list {
        match Setup::new() {
            Ok(made) => _ = setup.set(made),
            Err(error) => {
                eprintln!("error: {error:#}");
                return ExitCode::FAILURE;
            }
        }
    }
    // The driver and the folders go when `setup` does: `Conclusion::exit` would leave them behind.
    libtest_mimic::run(&arguments, tests(&setup)).exit_code()
}

fn tests(setup: &Arc<OnceLock<Setup>>) -> Vec<Trial> {
    let mut tests = Vec::new();
    for view in View::ALL {
        let name = format!("every page fits and loads without errors, {view}");
        let body = async move |browser: &Browser| every_page::fits(browser, view).await;
        tests.push(test(setup, name, body));
    }
    for width in View::WIDTHS {
        let view = View::new(width, Scheme::Light);
        tests.extend([
            test(
                setup,
                format!("every page has its parts and its names, at {width} px"),
                async move |browser: &Browser| every_page::has_its_parts(browser, view).await,
            ),
            test(
                setup,
                format!("every page is whole without JavaScript, at {width} px"),
                async move |browser: &Browser| scriptless::whole(browser, view).await,
            ),
            test(
                setup,
                format!("search finds, and says when it finds nothing, at {width} px"),
                async move |browser: &Browser| searching::finds(browser, view).await,
            ),
        ]);
    }
    tests.extend([
        test(setup, "every page asks no other host for anything", every_page::asks_no_other_host),
        test(
            setup,
            "the contents button works by keyboard beside the page",
            contents::beside_the_page,
        ),
        test(
            setup,
            "the contents button works by keyboard over a narrow page",
            contents::over_a_narrow_page,
        ),
        test(setup, "a session's copy buttons copy exactly the commands", copying::commands),
        test(setup, "a listing's copy button copies exactly the code", copying::listings),
        test(setup, "a chosen theme is kept over a reload", theme::choice_is_kept),
        test(setup, "the theme Auto follows the system", theme::auto_follows_the_system),
        test(setup, "arrow keys do not leave the page", arrow_keys::stay_on_the_page),
    ]);
    tests
}

fn test<F>(setup: &Arc<OnceLock<Setup>>, name: impl Into<String>, body: F) -> Trial
where
    F: AsyncFnOnce(&Browser) -> Result<()> + Send + 'static,
{
    let setup = Arc::clone(setup);
    Trial::test(name, move || {
        let setup = setup.get().expect("is made before tests run");
        browser::with_browser(setup, body).map_err(|error| Failed::from(format!("{error:#}")))
    })
}
