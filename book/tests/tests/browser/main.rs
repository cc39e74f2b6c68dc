//! The built book, in a real browser: what a reader sees, and what works when it is used.
//!
//! The tests need Chromium (or Chrome) and its `chromedriver`. The book is built once, into a
//! temporary folder; `BOOK_TESTS_DIR=/FOLDER` takes the pages of a folder instead. What every page
//! promises is checked on one walk over all pages, in `survey`; each promise is a test. There are
//! as many browsers as tests that run at a time, and each test finds its own with nothing stored.
//!
//! Some tests need more, and count as ignored without it: axe-core, which `npm ci` puts into
//! `book/tests/node_modules`, and `pdftotext`.

mod accessible;

mod browser;
mod contents;
mod copying;
mod cost;
mod differences;
mod editions;
mod every_page;
mod keyboard;
mod keys;
mod languages;
mod odd_addresses;
mod outline;
mod player;
mod printing;
mod scriptless;
mod searching;
mod setup;
mod survey;
mod theme;
mod wide;

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};

use crate::browser::{Browser, View};
use crate::setup::Setup;
use crate::survey::{Promise, Survey};

/// The page on which behaviour is tested: it has sessions, listings, differences and wide tables.
const PAGE: &str = "connection-loop.html";

/// Everything in one page, for printing.
const WHOLE_BOOK: &str = "print.html";

/// Whether a page is the whole book in one, in any language.
fn is_whole_book(page: &str) -> bool {
    page.rsplit('/').next() == Some(WHOLE_BOOK)
}

/// What the tests share. It is made before they run, and not to list them.
type Shared = Arc<OnceLock<(Setup, Survey)>>;

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let shared = Shared::default();
    let promises: Vec<_> =
        Promise::all().into_iter().map(|promise| (promise, kept(&shared, promise))).collect();
    if !arguments.list {
        let is_wanted =
            |trial: &Trial| !arguments.is_filtered_out(trial) && !arguments.is_ignored(trial);
        let wanted = promises.iter().filter(|(_, trial)| is_wanted(trial));
        let wanted = wanted.map(|(promise, _)| *promise).collect();
        match Setup::new() {
            Ok(setup) => {
                let survey = Survey::new(&setup.site, wanted);
                _ = shared.set((setup, survey));
            }
            Err(error) => {
                eprintln!("error: {error:#}");
                return ExitCode::FAILURE;
            }
        }
    }
    let mut tests: Vec<_> = promises.into_iter().map(|(_, trial)| trial).collect();
    tests.extend(behaviour(&shared));
    tests.extend(in_both_languages(&shared));
    // The browsers, their driver and the folders go when `shared` does: `Conclusion::exit` would
    // leave them running.
    libtest_mimic::run(&arguments, tests).exit_code()
}

/// Tests of what single pages do when they are used.
fn behaviour(shared: &Shared) -> Vec<Trial> {
    let no_axe = setup::axe().is_none();
    let mut tests = Vec::new();
    for view in [View::WIDE, View::NARROW] {
        let name = format!("search finds, and says when it finds nothing, at {} px", view.width);
        let body = async move |browser: &Browser| searching::finds(browser, view).await;
        tests.push(test(shared, name, body));
    }
    tests.extend([
        test(
            shared,
            "Tab reaches all of the contents over a narrow page",
            keyboard::reaches_the_open_contents,
        ),
        test(
            shared,
            "the contents button works by keyboard beside the page",
            contents::beside_the_page,
        ),
        test(
            shared,
            "the contents button works by keyboard over a narrow page",
            contents::over_a_narrow_page,
        ),
        test(shared, "a page shows its step, without JavaScript too", contents::show_the_step),
        test(shared, "the front page leads on", contents::begin_on_the_front_page),
        test(shared, "what is copied is on the clipboard", copying::to_the_clipboard),
        test(shared, "a selected session is copied, and read, once", copying::selected_sessions),
        test(shared, "a chosen theme is kept over a reload", theme::choice_is_kept),
        test(shared, "the theme Auto follows the system", theme::auto_follows_the_system),
        test(shared, "arrow keys belong to what has the focus", keys::stay_on_the_page),
        test(shared, "arrow keys turn pages", keys::turn_pages),
        test(shared, "arrow keys belong to what is open", keys::belong_to_what_is_open),
        test(shared, "all keys can be switched off", keys::can_be_switched_off),
        test(shared, "the keys need no storage", keys::need_no_storage),
        test(shared, "the page's headings follow the reader", outline::follows_the_reader),
        test(
            shared,
            "without JavaScript, the page's headings are a plain list",
            outline::is_a_plain_list_without_scripts,
        ),
        test(shared, "a page with few headings has no list of them", outline::is_left_out),
        test(
            shared,
            "the page's headings are folded below the title",
            outline::is_folded_below_the_title,
        ),
        test(shared, "a chosen language is kept on all pages", languages::choice_is_kept),
        test(shared, "the language is chosen by keyboard", languages::chosen_by_keyboard),
        test(
            shared,
            "without JavaScript, the other language is folded",
            languages::folded_without_scripts,
        ),
        test(
            shared,
            "in a difference, what did not change is unfolded by keyboard",
            differences::unfold_by_keyboard,
        ),
        test(shared, "a switch shows all lines of a difference", differences::show_all_lines),
        test(shared, "listings with long lines are spread", wide::listings_are_spread),
        test(shared, "on a phone, rows of wide tables are cards", wide::tables_are_cards),
        test(shared, "on a phone, long lines of code are wrapped", wide::lines_are_wrapped),
        test(shared, "paper shows the chosen language", languages::on_paper),
        test(shared, "on paper, answers come after the last question", printing::answers_come_last),
        test(shared, "odd addresses do no harm", odd_addresses::do_no_harm),
        test(shared, "a page's old name leads to its new one", odd_addresses::old_names_lead_on),
        test(shared, "axe finds nothing wrong with what opens", accessible::what_opens)
            .with_ignored_flag(no_axe),
        test(shared, "axe finds nothing wrong with a page that turns", accessible::what_turns)
            .with_ignored_flag(no_axe),
        test(shared, "the first Tab leads to a way into the text", keyboard::skips_to_the_text),
        test(shared, "the theme can be changed by keyboard", keyboard::changes_the_theme),
        test(shared, "what is folded can be unfolded by keyboard", keyboard::unfolds),
        test(
            shared,
            "a menu prints this page, and leads to the whole book, which a button prints",
            keyboard::chooses_what_to_print,
        ),
        test(shared, "search works by keyboard", keyboard::searches),
        test(shared, "search finds Han text", searching::finds_han_text),
        test(
            shared,
            "search waits until an input method is done",
            searching::waits_for_composition,
        ),
        test(shared, "a result unfolds the text that was found", searching::unfolds_what_it_finds),
        test(shared, "search works without a server", searching::works_without_a_server),
        test(shared, "the book can be used without JavaScript", scriptless::can_be_used),
        test(shared, "the player works by keyboard, and moves nothing", player::works_by_keyboard),
        test(shared, "each step has an address", player::has_an_address_for_each_step),
        test(
            shared,
            "without JavaScript, the player is a table",
            player::is_a_table_without_scripts,
        ),
        test(shared, "the player costs little", async |_| cost::player()),
        test(shared, "what search needs is loaded when it opens", cost::search_comes_later),
    ]);
    tests
}

/// Tests of what depends on the language of the pages.
fn in_both_languages(shared: &Shared) -> Vec<Trial> {
    vec![
        test(shared, "the right section is among the first results", async |browser: &Browser| {
            searching::answers(browser, searching::IN_ENGLISH).await
        }),
        test(
            shared,
            "the right section is among the first results, in Chinese",
            async |browser: &Browser| {
                searching::answers(browser, searching::OF_CHINESE_READERS).await
            },
        ),
        test(shared, "the page in another language is offered once", editions::offered_once),
        test(shared, "a page leads to itself in the other language", editions::lead_to_each_other),
    ]
}

/// A test in a browser.
fn test<F>(shared: &Shared, name: impl Into<String>, body: F) -> Trial
where
    F: AsyncFnOnce(&Browser) -> Result<()> + Send + 'static,
{
    trial(shared, name, |(setup, _)| browser::with_browser(setup, body))
}

/// The test of a promise that every page makes.
fn kept(shared: &Shared, promise: Promise) -> Trial {
    trial(shared, promise.to_string(), move |(setup, survey)| survey.verify(setup, promise))
        .with_ignored_flag(!promise.can_be_checked())
}

fn trial<F>(shared: &Shared, name: impl Into<String>, body: F) -> Trial
where
    F: FnOnce(&(Setup, Survey)) -> Result<()> + Send + 'static,
{
    let shared = Arc::clone(shared);
    Trial::test(name, move || {
        let shared = shared.get().expect("is made before tests run");
        body(shared).map_err(|error| Failed::from(format!("{error:#}")))
    })
}
