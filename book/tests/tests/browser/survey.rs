//! The walk over all pages, on which everything is checked that every page promises.
//!
//! Each page is loaded three times: on a laptop by day, on a phone by night, and without scripts, where
//! the laptop becomes a phone. All checks of a view are made on the page that is loaded; it is put onto
//! paper without another visit. Each promise is a test of its own. The first one that runs starts the
//! walk, and every test that runs beside it takes a share of the pages.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Display, Formatter};
use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock};

use anyhow::{Result, ensure};

use crate::accessible::Rules;
use crate::browser::{Browser, View, with_browser};
use crate::keyboard::Walk;
use crate::setup::{self, FILES, Setup, Site};
use crate::{
    PAGE, accessible, copying, cost, every_page, is_whole_book, keyboard, printing, scriptless,
};

/// What every page is shown on: both widths, and both schemes. A page that turns has a test.
const LAPTOP: View = View::WIDE;
const PHONE: View = View::NARROW.in_the_dark();

/// A promise that every page makes. It is displayed as the name of its test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Promise {
    Fits(View),
    HasNoBarriers(View),
    CanBeReached(View),
    HasItsParts,
    NeedsNoScripts(View),
    AsksNoOtherHost,
    CostsLittle,
    LeavesSearchForLater,
    CopiesCommands,
    CopiesListings,
    FitsThePaper,
    IsWholeOnPaper,
}

impl Promise {
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        all.extend([LAPTOP, PHONE].map(Self::Fits));
        all.extend([LAPTOP, PHONE].map(Self::HasNoBarriers));
        all.extend([LAPTOP, PHONE].map(Self::CanBeReached));
        all.extend([View::WIDE, View::NARROW].map(Self::NeedsNoScripts));
        all.extend([
            Self::HasItsParts,
            Self::AsksNoOtherHost,
            Self::CostsLittle,
            Self::LeavesSearchForLater,
            Self::CopiesCommands,
            Self::CopiesListings,
            Self::FitsThePaper,
            Self::IsWholeOnPaper,
        ]);
        all
    }

    /// Whether the programs that check it are installed.
    pub fn can_be_checked(self) -> bool {
        match self {
            Self::HasNoBarriers(_) => setup::axe().is_some(),
            Self::IsWholeOnPaper => setup::pdftotext().is_some(),
            _ => true,
        }
    }

    /// Whether it is checked on a page.
    ///
    /// The whole book in one page has the text and the controls of all others. To look at all its
    /// colours, or to walk to all its controls, takes as long as these together. Its own control,
    /// the button that prints, has a test. On paper, it has the sheets of all others.
    fn covers(self, page: &str) -> bool {
        match self {
            // In another language, a page has the same controls and other text.
            Self::HasNoBarriers(view) if is_translated(page) => {
                view == LAPTOP && !is_whole_book(page)
            }
            Self::CanBeReached(_)
            | Self::NeedsNoScripts(_)
            | Self::AsksNoOtherHost
            | Self::LeavesSearchForLater
            | Self::CopiesCommands
            | Self::CopiesListings
                if is_translated(page) =>
            {
                false
            }
            Self::HasNoBarriers(view) => !is_whole_book(page) || view == LAPTOP,
            Self::CanBeReached(_) => !is_whole_book(page),
            Self::IsWholeOnPaper => {
                page == PAGE || is_whole_book(page) || page.ends_with(FILES) && !is_translated(page)
            }
            Self::CopiesCommands | Self::CopiesListings => Site::source(page).is_some(),
            _ => true,
        }
    }
}

/// Whether a page is one in another language than English: these are in folders.
fn is_translated(page: &str) -> bool {
    page.contains('/')
}

impl Display for Promise {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fits(view) => write!(f, "every page fits and loads without errors, {view}"),
            Self::HasNoBarriers(view) => write!(f, "axe finds nothing wrong with any page, {view}"),
            Self::CanBeReached(view) => {
                write!(f, "Tab reaches all that can be used, and is seen, {view}")
            }
            Self::HasItsParts => f.write_str("every page has its parts and its names"),
            Self::NeedsNoScripts(View { width, .. }) => {
                write!(f, "every page is whole without JavaScript, at {width} px")
            }
            Self::AsksNoOtherHost => f.write_str("every page asks no other host for anything"),
            Self::CostsLittle => f.write_str("a first visit costs at most 75 KB"),
            Self::LeavesSearchForLater => {
                f.write_str("no page loads what search needs before it opens")
            }
            Self::CopiesCommands => {
                f.write_str("a session's copy buttons copy exactly the commands")
            }
            Self::CopiesListings => f.write_str("a listing's copy button copies exactly the code"),
            Self::FitsThePaper => f.write_str("every page fits the paper"),
            Self::IsWholeOnPaper => f.write_str("every page is whole on paper"),
        }
    }
}

/// The walk, and what was found so far.
#[derive(Debug)]
pub struct Survey {
    /// The promises that are checked.
    wanted: BTreeSet<Promise>,
    /// The pages that are to be visited, the longest last.
    queue: Mutex<Vec<String>>,
    /// Read-locked by a test while it walks; locked for writing once all have walked.
    walking: RwLock<()>,
    notes: Mutex<Notes>,
}

#[derive(Debug, Default)]
struct Notes {
    /// The complaints about a page. There are none if a promise was checked and kept.
    complaints: BTreeMap<(Promise, String), Vec<String>>,
    /// Why not everything was checked on a page.
    given_up: BTreeMap<String, String>,
    /// The files that each page loads.
    files: BTreeMap<String, BTreeSet<String>>,
}

impl Survey {
    pub fn new(site: &Site, wanted: BTreeSet<Promise>) -> Self {
        let mut queue = site.pages.clone();
        // The longest page must not be the last that is begun.
        let len = |page: &String| fs::metadata(site.folder.join(page)).map_or(0, |file| file.len());
        queue.sort_by_cached_key(len);
        let (walking, notes) = (RwLock::default(), Mutex::default());
        Self { wanted, queue: Mutex::new(queue), walking, notes }
    }

    /// Walks with the others until no page is left, and returns all complaints as an error.
    pub fn verify(&self, setup: &Setup, promise: Promise) -> Result<()> {
        {
            let _walking = self.walking.read().unwrap_or_else(PoisonError::into_inner);
            while let Some(page) = self.next() {
                let walk = async |browser: &Browser| {
                    Visit { survey: self, browser, page: &page }.check_all().await
                };
                if let Err(error) = with_browser(setup, walk) {
                    self.notes().given_up.insert(page, format!("{error:#}"));
                }
            }
        }
        drop(self.walking.write().unwrap_or_else(PoisonError::into_inner));
        let notes = self.notes();
        let mut complaints = Vec::new();
        for page in setup.site.pages.iter().filter(|page| promise.covers(page)) {
            let found = notes.complaints.get(&(promise, page.clone()));
            complaints.extend(found.into_iter().flatten().cloned());
            let given_up = notes.given_up.get(page).map_or("", String::as_str);
            if found.is_none() || (promise == Promise::Fits(LAPTOP) && !given_up.is_empty()) {
                complaints.push(format!("{page} could not be checked: {given_up}"));
            }
        }
        if promise == Promise::CostsLittle {
            complaints.extend(cost::first_visits(&setup.site.folder, &notes.files)?);
        }
        ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
        Ok(())
    }

    fn next(&self) -> Option<String> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).pop()
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A page that is being checked.
struct Visit<'a> {
    survey: &'a Survey,
    browser: &'a Browser,
    page: &'a str,
}

impl Visit<'_> {
    async fn check_all(&self) -> Result<()> {
        // One view must not hide what is wrong in the other.
        let (wide, narrow) = (self.check_on_a_laptop().await, self.check_on_a_phone().await);
        if is_translated(self.page) {
            return wide.and(narrow).map(drop);
        }
        self.browser.allow_scripts(false).await?;
        self.browser.visit_in(View::WIDE, self.page).await?;
        for (view, with) in [(View::WIDE, wide?), (View::NARROW, narrow?)] {
            self.browser.set_view(view).await?;
            let check = scriptless::reads_the_same(self.browser, &with);
            self.check(Promise::NeedsNoScripts(view), view, check).await;
        }
        Ok(())
    }

    async fn check_on_a_laptop(&self) -> Result<scriptless::Reading> {
        let Self { browser, page, .. } = *self;
        let view = LAPTOP;
        self.check_screen(view).await?;
        let check = every_page::asks_no_other_host(browser);
        self.check(Promise::AsksNoOtherHost, view, check).await;
        self.check(Promise::CostsLittle, view, self.note_files()).await;
        self.check(Promise::LeavesSearchForLater, view, cost::no_search(browser)).await;
        // What the whole book in one page holds is on the others, too, and it is long.
        let names = !is_whole_book(page);
        self.check(Promise::HasItsParts, view, every_page::has_its_parts(browser, names)).await;
        self.check_keyboard(view).await;

        browser.fold().await?;
        let reading = scriptless::read(browser).await?;
        self.check(Promise::IsWholeOnPaper, view, printing::is_whole(browser)).await;
        self.check(Promise::CopiesCommands, view, copying::commands(browser, page)).await;
        self.check(Promise::CopiesListings, view, copying::listings(browser, page)).await;
        self.check(Promise::FitsThePaper, view, printing::fits_the_paper(browser)).await;
        Ok(reading)
    }

    async fn check_on_a_phone(&self) -> Result<scriptless::Reading> {
        let view = PHONE;
        self.check_screen(view).await?;
        self.check_keyboard(view).await;
        self.browser.fold().await?;
        scriptless::read(self.browser).await
    }

    /// Opens the page, and checks what is checked in every view.
    async fn check_screen(&self, view: View) -> Result<()> {
        let Self { browser, page, .. } = *self;
        browser.visit_in(view, page).await?;
        browser.unfold().await?;
        self.check(Promise::Fits(view), view, every_page::fits(browser, view)).await;
        let rules = match view {
            // The whole book has the style and the controls of the other pages, and so has a translation.
            _ if is_whole_book(page) || is_translated(page) => Rules::NotAboutStyle,
            LAPTOP => Rules::All,
            // Only the style of a page depends on the screen.
            _ => Rules::AboutStyle,
        };
        let check = accessible::violations(browser, rules);
        self.check(Promise::HasNoBarriers(view), view, check).await;
        Ok(())
    }

    async fn check_keyboard(&self, view: View) {
        let walk = if self.page == PAGE { Walk::Everywhere } else { Walk::ToSomeOfEachKind };
        let check = keyboard::reaches_everything(self.browser, walk);
        self.check(Promise::CanBeReached(view), view, check).await;
    }

    async fn note_files(&self) -> Result<Vec<String>> {
        let files = cost::files(self.browser).await?;
        self.survey.notes().files.insert(self.page.to_owned(), files);
        Ok(Vec::new())
    }

    /// Makes a check, if it is wanted, and notes its complaints. What the browser logs until a page fits is
    /// one, too; what it logs later is, for the page as a whole.
    async fn check(
        &self,
        promise: Promise,
        view: View,
        check: impl Future<Output = Result<Vec<String>>>,
    ) {
        if !self.survey.wanted.contains(&promise) || !promise.covers(self.page) {
            return;
        }
        let mut found = check.await.unwrap_or_else(|error| vec![format!("{error:#}")]);
        if matches!(promise, Promise::Fits(_)) {
            let errors = self.browser.errors().await;
            found.extend(errors.unwrap_or_else(|error| vec![error.to_string()]));
        }
        let found = found.into_iter().map(|what| format!("{}, {view}: {what}", self.page));
        let key = (promise, self.page.to_owned());
        self.survey.notes().complaints.insert(key, found.collect());
    }
}
