//! The built book, in a real browser: what a reader sees, and what works when it is used.
//!
//! The tests need Chromium (or Chrome) and its `chromedriver`. The book is built once, into a
//! temporary folder; `BOOK_TESTS_DIR=/FOLDER` takes the pages of a folder instead. Each test has a
//! browser of its own, with an empty profile.
//!
//! Some tests need more, and count as ignored without it: axe-core, which `npm install` puts into
//! `book/tests/node_modules`, and `pdftotext`.

mod accessible;
mod arrow_keys;
mod browser;
mod contents;
mod copying;
mod cost;
mod every_page;
mod keyboard;
mod printing;
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

/// Everything in one page, for printing.
const WHOLE_BOOK: &str = "print.html";

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
    let no_axe = setup::axe().is_none();
    let no_pdftotext = setup::pdftotext().is_none();
    let mut tests = Vec::new();
    for view in View::ALL {
        let name = format!("every page fits and loads without errors, {view}");
        let body = async move |browser: &Browser| every_page::fits(browser, view).await;
        tests.push(test(setup, name, body));
        let name = format!("axe finds nothing wrong with any page, {view}");
        let body = async move |browser: &Browser| accessible::every_page(browser, view).await;
        tests.push(test(setup, name, body).with_ignored_flag(no_axe));
    }
    for view in [View::WIDE, View::new(390, Scheme::Dark)] {
        let name = format!("Tab reaches all that can be used, and is seen, {view}");
        let body = async move |browser: &Browser| keyboard::reaches_everything(browser, view).await;
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
        test(setup, "what is copied is on the clipboard", copying::to_the_clipboard),
        test(setup, "a chosen theme is kept over a reload", theme::choice_is_kept),
        test(setup, "the theme Auto follows the system", theme::auto_follows_the_system),
        test(setup, "arrow keys do not leave the page", arrow_keys::stay_on_the_page),
        test(setup, "axe finds nothing wrong with what opens", accessible::what_opens)
            .with_ignored_flag(no_axe),
        test(setup, "the first Tab leads to a way into the text", keyboard::skips_to_the_text),
        test(setup, "the theme can be changed by keyboard", keyboard::changes_the_theme),
        test(setup, "what is folded can be unfolded by keyboard", keyboard::unfolds),
        test(setup, "the whole book can be printed by keyboard", keyboard::prints),
        test(setup, "search works by keyboard", keyboard::searches),
        test(setup, "the book can be used without JavaScript", scriptless::can_be_used),
        test(setup, "every page fits the paper", printing::fits_the_paper),
        test(setup, "every page is whole on paper", printing::is_whole)
            .with_ignored_flag(no_pdftotext),
        test(setup, "a first visit costs at most 100 KB", cost::first_visits),
        test(setup, "what search needs is loaded when it opens", cost::search_comes_later),
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
