//! A browser with one page open, and the commands that it takes.

use std::fmt::{self, Display, Formatter};
use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use axum::http::Method;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::key::Key;
use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};
use url::{ParseError, Url};

use crate::copying::PLAIN_HOST;
use crate::setup::{Setup, Site};

/// How long something may take that ought to happen at once.
const DEADLINE: Duration = Duration::from_secs(10);

/// How often it is looked for.
const PERIOD: Duration = Duration::from_millis(10);

/// How long a test, or all that is checked on one page, may take.
const TEST_DEADLINE: Duration = Duration::from_secs(600);

/// Whether the system asks for light pages or for dark ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    Light,
    Dark,
}

impl Display for Scheme {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Light => "light",
            Self::Dark => "dark",
        })
    }
}

/// What the browser shows a page on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct View {
    /// In CSS pixels.
    pub width: u32,
    pub scheme: Scheme,
}

impl View {
    /// A laptop, by day.
    pub const WIDE: Self = Self::new(1280, Scheme::Light);

    /// A phone, by day.
    pub const NARROW: Self = Self::new(390, Scheme::Light);

    /// Both widths, in both schemes.
    pub const ALL: [Self; 4] =
        [Self::WIDE, Self::WIDE.in_the_dark(), Self::NARROW, Self::NARROW.in_the_dark()];

    pub const fn new(width: u32, scheme: Scheme) -> Self {
        Self { width, scheme }
    }

    /// The same screen, by night.
    pub const fn in_the_dark(self) -> Self {
        Self::new(self.width, Scheme::Dark)
    }

    pub fn is_phone(self) -> bool {
        self.width < 600
    }

    fn height(self) -> u32 {
        if self.is_phone() { 844 } else { 800 }
    }
}

impl Display for View {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "at {} px, {}", self.width, self.scheme)
    }
}

/// Runs `body` in a browser that an earlier test has left, or in a new one. An error that the
/// browser has logged is an error, too. After any error the browser is closed.
pub fn with_browser<F>(setup: &Setup, body: F) -> Result<()>
where
    F: AsyncFnOnce(&Browser) -> Result<()>,
{
    let idle = || setup.idle.lock().unwrap_or_else(PoisonError::into_inner);
    let left = idle().pop();
    let session = left.map_or_else(|| Session::start(setup), Ok)?;
    session.runtime.block_on(async {
        let browser = &session.browser;
        browser.forget().await?;
        tokio::time::timeout(TEST_DEADLINE, body(browser))
            .await
            .with_context(|| format!("not done within {TEST_DEADLINE:?}"))??;
        let errors = browser.errors().await?;
        ensure!(errors.is_empty(), "the browser's log: {}", errors.join("; "));
        Ok(())
    })?;
    idle().push(session);
    Ok(())
}

/// A browser with the runtime of its connection. Dropping it closes the browser.
#[derive(Debug)]
pub struct Session {
    runtime: Runtime,
    browser: Browser,
}

impl Session {
    fn start(setup: &Setup) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let browser = runtime.block_on(Browser::open(setup))?;
        Ok(Self { runtime, browser })
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // A browser that cannot be closed has gone already, or hangs and ends with its driver.
        let close = self.browser.client.clone().close();
        _ = self.runtime.block_on(async { tokio::time::timeout(DEADLINE, close).await });
    }
}

/// A browser with one page open.
#[derive(Debug)]
pub struct Browser {
    pub site: Arc<Site>,
    client: Client,
    /// Where files can be put; deleted after the browser has been closed.
    profile: TempDir,
}

impl Browser {
    async fn open(setup: &Setup) -> Result<Self> {
        let profile =
            tempfile::Builder::new().prefix("profile-").tempdir_in(setup.scratch.path())?;
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities(&setup.browser, profile.path()))
            .connect(&setup.driver.url)
            .await
            .context("chromedriver cannot start the browser")?;
        let browser = Self { site: Arc::clone(&setup.site), client, profile };
        // A page in a window without focus would get no events about the focus.
        let focus = json!({ "enabled": true });
        browser.devtools("Emulation.setFocusEmulationEnabled", focus).await?;
        Ok(browser)
    }

    /// Forgets the last test: its page is left, nothing is stored, the pointer is in a corner, and
    /// pages may run scripts. From its page, an address with a fragment would not load the page again.
    async fn forget(&self) -> Result<()> {
        self.client.goto("about:blank").await.context("cannot leave the page")?;
        let storage = json!({ "origin": self.site.origin, "storageTypes": "all" });
        self.devtools("Storage.clearDataForOrigin", storage).await?;
        let pointer = json!({ "type": "mouseMoved", "x": 0, "y": 0 });
        self.devtools("Input.dispatchMouseEvent", pointer).await?;
        self.allow_scripts(true).await
    }

    /// A folder that is deleted when the browser is closed.
    pub fn scratch(&self) -> &Path {
        self.profile.path()
    }

    /// Opens a page of the book, and waits until it is loaded.
    pub async fn visit(&self, page: &str) -> Result<()> {
        self.visit_at(&self.site.origin, page).await
    }

    /// Opens a page of the book under another of its addresses.
    pub async fn visit_at(&self, origin: &str, page: &str) -> Result<()> {
        let url = format!("{origin}/{page}");
        self.client.goto(&url).await.with_context(|| format!("cannot open {page}"))
    }

    /// Opens a page as it is on such a screen.
    pub async fn visit_in(&self, view: View, page: &str) -> Result<()> {
        // The page that is left need not be laid out for that screen.
        let () = self.run("document.body.style.display = 'none'", json!([])).await?;
        self.set_view(view).await?;
        self.visit(page).await
    }

    /// Opens everything on the page that is folded, and waits until all of it is loaded.
    pub async fn unfold(&self) -> Result<()> {
        self.run(include_str!("scripts/unfold.js"), json!([])).await
    }

    /// Folds again what [`Self::unfold`] has opened.
    pub async fn fold(&self) -> Result<()> {
        self.run("unfolded.forEach((fold) => { fold.open = false; })", json!([])).await
    }

    /// Loads the page again.
    pub async fn reload(&self) -> Result<()> {
        self.client.refresh().await.context("cannot reload")
    }

    /// The path of the page that is open, such as `/overview.html`.
    pub async fn path(&self) -> Result<String> {
        Ok(self.client.current_url().await?.path().to_owned())
    }

    /// Turns the page that is open from day to night, or back, and waits until it has noticed.
    pub async fn turn(&self, view: View) -> Result<()> {
        // The page's own listener, which is older, is called first.
        let listen = "const query = matchMedia(`(prefers-color-scheme: ${arguments[0]})`); \
                      window.turned = new Promise((done) => { query.onchange = done; });";
        let () = self.run(listen, json!([view.scheme.to_string()])).await?;
        self.set_view(view).await?;
        self.run("return turned.then(() => null)", json!([])).await
    }

    /// Sets what pages are shown on. Nothing moves by itself, so nothing has to be waited for.
    pub async fn set_view(&self, view: View) -> Result<()> {
        // The window itself cannot be as narrow as a phone.
        let metrics = json!({
            "width": view.width,
            "height": view.height(),
            "screenWidth": view.width,
            "screenHeight": view.height(),
            "deviceScaleFactor": 1,
            "mobile": view.is_phone(),
        });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await?;
        let media = json!({ "features": [
            { "name": "prefers-color-scheme", "value": view.scheme.to_string() },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]});
        self.devtools("Emulation.setEmulatedMedia", media).await?;
        Ok(())
    }

    /// Shows the page that is open as it is on paper, between the margins: `width` and `height` in CSS pixels.
    pub async fn set_paper(&self, width: u32, height: u32, scheme: Scheme) -> Result<()> {
        let metrics = json!({
            "width": width,
            "height": height,
            "deviceScaleFactor": 1,
            "mobile": false,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", metrics).await?;
        let media = json!({ "media": "print", "features": [
            { "name": "prefers-color-scheme", "value": scheme.to_string() },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ]});
        self.devtools("Emulation.setEmulatedMedia", media).await?;
        let settled = "const [width] = arguments; \
                       const look = () => innerWidth === width \
                           ? null : new Promise(requestAnimationFrame).then(look); \
                       return new Promise(requestAnimationFrame).then(look);";
        self.run(settled, json!([width])).await
    }

    /// Prints the page; returns the PDF.
    ///
    /// `WebDriver` has a command for this, too, but its driver gives up after ten seconds. The whole
    /// book takes longer on a machine that is busy.
    pub async fn print(&self, paper: Value) -> Result<Vec<u8>> {
        let answer = self.devtools("Page.printToPDF", paper).await?;
        let pdf = answer["data"].as_str().context("the browser has printed nothing")?;
        BASE64_STANDARD.decode(pdf).context("what the browser has printed is not Base64")
    }

    /// Sets whether pages that are opened from now on may run scripts.
    pub async fn allow_scripts(&self, allowed: bool) -> Result<()> {
        let disabled = json!({ "value": !allowed });
        self.devtools("Emulation.setScriptExecutionDisabled", disabled).await?;
        Ok(())
    }

    /// Runs the body of a function in the page; it returns JSON, or a promise of it.
    pub async fn run<T: DeserializeOwned>(&self, script: &str, arguments: Value) -> Result<T> {
        let Value::Array(arguments) = arguments else {
            bail!("a script's arguments are an array, not {arguments}");
        };
        let value = self.client.execute(script, arguments).await?;
        serde_json::from_value(value.clone())
            .with_context(|| format!("a script returned {value}: {script}"))
    }

    /// Waits until there is such an element; `what` describes what its presence means.
    pub async fn expect(&self, locator: Locator<'_>, what: &str) -> Result<Element> {
        let wait = self.client.wait().at_most(DEADLINE).every(PERIOD);
        match wait.for_element(locator).await {
            Err(CmdError::WaitTimeout) => bail!("not seen within {DEADLINE:?}: {what}"),
            other => other.with_context(|| format!("while waiting for this: {what}")),
        }
    }

    /// All elements that are there now.
    pub async fn all(&self, css: &str) -> Result<Vec<Element>> {
        Ok(self.client.find_all(Locator::Css(css)).await?)
    }

    /// The element that is there now.
    pub async fn one(&self, css: &str) -> Result<Element> {
        let found = self.client.find(Locator::Css(css)).await;
        found.with_context(|| format!("there is no {css}"))
    }

    /// Moves the focus to the element.
    pub async fn focus(&self, element: &Element) -> Result<()> {
        let element = serde_json::to_value(element)?;
        self.run("arguments[0].focus()", json!([element])).await
    }

    /// Brings the element into the middle of the window, clear of what is fixed there, and clicks.
    pub async fn click(&self, element: &Element) -> Result<()> {
        let scroll = "arguments[0].scrollIntoView({ block: 'center', behavior: 'instant' })";
        let argument = serde_json::to_value(element)?;
        self.client.execute(scroll, vec![argument]).await?;
        element.click().await.context("cannot click")
    }

    /// Presses a key and lets it go, wherever the focus is.
    pub async fn press(&self, key: Key) -> Result<()> {
        self.type_keys([char::from(key)]).await
    }

    /// Presses a key while a modifier is held down.
    pub async fn press_with(&self, modifier: Key, key: Key) -> Result<()> {
        let [modifier, key] = [modifier, key].map(char::from);
        let actions = KeyActions::new("keyboard".to_owned())
            .then(KeyAction::Down { value: modifier })
            .then(KeyAction::Down { value: key })
            .then(KeyAction::Up { value: key })
            .then(KeyAction::Up { value: modifier });
        self.client.perform_actions(actions).await.context("cannot press a key")
    }

    /// Presses keys and lets them go, one after the other, wherever the focus is.
    pub async fn type_keys(&self, keys: impl IntoIterator<Item = char>) -> Result<()> {
        let mut actions = KeyActions::new("keyboard".to_owned());
        for value in keys {
            actions = actions.then(KeyAction::Down { value }).then(KeyAction::Up { value });
        }
        self.client.perform_actions(actions).await.context("cannot press a key")
    }

    /// Holds a key down until it has repeated this many times, wherever the focus is.
    pub async fn hold(&self, key: Key, times: usize) -> Result<()> {
        let value = char::from(key);
        let mut actions = KeyActions::new("keyboard".to_owned());
        for _ in 0..times {
            actions = actions.then(KeyAction::Down { value });
        }
        let actions = actions.then(KeyAction::Up { value });
        self.client.perform_actions(actions).await.context("cannot hold a key")
    }

    /// What has the focus, in words, such as `button#theme-button`.
    pub async fn focused(&self) -> Result<String> {
        self.run(
            "const at = document.activeElement; \
             return at.localName + (at.id && '#' + at.id);",
            json!([]),
        )
        .await
    }

    /// Sends the browser a command of the `DevTools` protocol.
    pub async fn devtools(&self, command: &str, parameters: Value) -> Result<Value> {
        let post = Post {
            path: "goog/cdp/execute",
            body: json!({ "cmd": command, "params": parameters }),
        };
        let answer = self.client.issue_cmd(post).await;
        answer.with_context(|| format!("the browser refuses {command}"))
    }

    /// The errors that the browser has logged since this was last asked.
    pub async fn errors(&self) -> Result<Vec<String>> {
        let post = Post { path: "se/log", body: json!({ "type": "browser" }) };
        let log = self.client.issue_cmd(post).await?;
        let entries = log.as_array().context("the browser's log is no list")?;
        Ok(entries
            .iter()
            .filter(|entry| entry["level"] == "SEVERE")
            .map(|entry| entry["message"].as_str().unwrap_or_default().to_owned())
            .collect())
    }
}

fn capabilities(program: &Path, profile: &Path) -> Capabilities {
    let profile = format!("--user-data-dir={}", profile.display());
    // Whatever a page asks for, nothing leaves this computer.
    let hosts = format!(
        "--host-resolver-rules=MAP {PLAIN_HOST} 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"
    );
    let arguments = [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--disable-quic",
        // A page that was left is not kept for going back.
        "--disable-back-forward-cache",
        // What a key scrolls has scrolled when the key has been pressed.
        "--disable-smooth-scrolling",
        &hosts,
        // A browser ends with its driver, even if the driver is killed.
        "--remote-debugging-pipe",
        &profile,
    ];
    let capabilities = json!({
        "goog:chromeOptions": { "binary": program, "args": arguments },
        "goog:loggingPrefs": { "browser": "ALL" },
        "timeouts": { "pageLoad": 30_000, "script": 120_000 },
    });
    match capabilities {
        Value::Object(capabilities) => capabilities,
        _ => unreachable!("it was written as an object"),
    }
}

/// A command of chromedriver's that the `WebDriver` standard does not have.
#[derive(Debug)]
struct Post {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Post {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _url: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}
