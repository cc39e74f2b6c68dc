//! `cargo xtask doctor`: checks that this computer has what the book needs, and explains how to fix what is missing.

use std::env::consts::OS;
use std::fmt;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::RangeInclusive;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result};
use conformance::text;
use serde::Deserialize;
use workspace::command_line::is_on_path;
use workspace::texts::column;
use workspace::{cargo, print, root};

/// The ports on which the steps' servers listen by default.
const PORTS: RangeInclusive<u16> = 9001..=9010;

/// How far from a port another is proposed.
const OTHER_PORT: u16 = 100;

/// How long a message may take from this computer to itself.
const LOOPBACK_TIMEOUT: Duration = Duration::from_secs(2);

/// Twice what building and testing everything was seen to take, on Linux.
const ENOUGH_BYTES: u64 = 4 * GIB;
const GIB: u64 = 1 << 30;

/// What one look has found.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    what: String,
    state: State,
    detail: String,
    /// What to do, in one line.
    remedy: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Ok,
    /// The book cannot be worked through without it.
    Missing,
    /// It is not there, and only some readers want it.
    Optional,
}

impl Finding {
    fn ok(what: &str, detail: impl Into<String>) -> Self {
        Self { what: what.to_owned(), state: State::Ok, detail: detail.into(), remedy: None }
    }

    fn missing(what: &str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        let remedy = Some(remedy.into());
        Self { what: what.to_owned(), state: State::Missing, detail: detail.into(), remedy }
    }

    fn optional(what: &str, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { state: State::Optional, ..Self::missing(what, detail, remedy) }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            State::Ok => text!("doctor.state-ok"),
            State::Missing => text!("doctor.state-missing"),
            State::Optional => text!("doctor.state-optional"),
        };
        let detail = &self.detail;
        let sentence = match &self.remedy {
            Some(remedy) => text!("doctor.detail-and-remedy", detail, remedy),
            None => detail.clone(),
        };
        write!(f, "{}  {}  {sentence}", column(&self.what, 14), column(&state, 8))
    }
}

/// Looks at everything; returns whether nothing is missing that is needed.
pub fn run(root: &Path) -> Result<bool> {
    let rust = rust(root)?;
    let machine = Machine::this();
    // Without a compiler, nothing is known of the linker.
    let linker = (rust.state == State::Ok).then(|| linker(machine));
    let mut findings = vec![rust, cargo_itself(root)];
    findings.extend(linker);
    findings.extend(PORTS.map(|port| self::port(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))));
    findings.extend([loopback(), ipv6(), shell()]);
    findings.extend([python(machine), tcpdump(machine), browser(machine)]);
    findings.extend([disk(&root::target()?.dir), crates(root)]);
    report(&findings, io::stdout())
}

/// One line for each finding, and one for all.
fn report(findings: &[Finding], output: impl io::Write) -> Result<bool> {
    let lines: Vec<String> = findings.iter().map(Finding::to_string).collect();
    let missing = findings.iter().filter(|finding| finding.state == State::Missing).count();
    let sentence = match missing {
        0 => text!("doctor.ready"),
        1 => text!("doctor.one-missing"),
        _ => text!("doctor.missing", missing),
    };
    print(output, &format!("{}\n\n{sentence}", lines.join("\n")))?;
    Ok(missing == 0)
}

/// What this program reads of the workspace's `Cargo.toml`.
#[derive(Deserialize)]
struct Manifest {
    workspace: Workspace,
}

#[derive(Deserialize)]
struct Workspace {
    package: Package,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Package {
    rust_version: String,
}

/// The compiler, against the version that `Cargo.toml` asks for.
fn rust(root: &Path) -> Result<Finding> {
    let manifest = fs::read_to_string(root.join("Cargo.toml")).context("cannot read Cargo.toml")?;
    let Manifest { workspace } =
        toml::from_str(&manifest).context("Cargo.toml is not this project's")?;
    let answer = answer(rustc().arg("--version"));
    Ok(rust_version(answer.as_deref(), &workspace.package.rust_version, is_on_path("rustup")))
}

/// The compiler that cargo uses.
fn rustc() -> Command {
    Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

fn rust_version(answer: Option<&str>, needed: &str, has_rustup: bool) -> Finding {
    let Some(version) = answer.and_then(|answer| answer.split_whitespace().nth(1)) else {
        let remedy = rust_remedy(has_rustup, text!("doctor.rust.choose"));
        return Finding::missing("Rust", text!("doctor.rust.none"), remedy);
    };
    if numbers(version) < numbers(needed) {
        let detail = text!("doctor.rust.old", version, needed);
        let remedy = rust_remedy(has_rustup, text!("doctor.rust.update"));
        return Finding::missing("Rust", detail, remedy);
    }
    Finding::ok("Rust", text!("doctor.rust.ok", version, needed))
}

/// What rustup can do, where there is one.
fn rust_remedy(has_rustup: bool, with_rustup: String) -> String {
    if has_rustup { with_rustup } else { text!("doctor.rust.install") }
}

/// The numbers of a version, up to a word such as `-nightly`.
fn numbers(version: &str) -> Vec<u32> {
    let numbers = version.split('-').next().unwrap_or_default();
    numbers.split('.').map_while(|number| number.parse().ok()).collect()
}

fn cargo_itself(root: &Path) -> Finding {
    let version = answer(cargo::command(root).arg("--version"));
    version.map_or_else(
        || {
            let remedy = rust_remedy(is_on_path("rustup"), text!("doctor.rust.cargo-add"));
            Finding::missing("cargo", text!("doctor.rust.cargo-none"), remedy)
        },
        |version| Finding::ok("cargo", version),
    )
}

/// Whether a server could listen there.
fn port(addr: SocketAddr) -> Finding {
    let port = addr.port();
    let what = text!("doctor.port.name", port);
    let Err(error) = TcpListener::bind(addr) else {
        return Finding::ok(&what, text!("doctor.port.free"));
    };
    let other = SocketAddr::new(addr.ip(), port.saturating_add(OTHER_PORT));
    let other = text!("doctor.port.other", other);
    if error.kind() != io::ErrorKind::AddrInUse {
        let detail = text!("doctor.port.cannot-listen", addr, error);
        return Finding::missing(&what, detail, text!("doctor.port.stays", other));
    }
    let who = who_listens(OS, port);
    let remedy = text!("doctor.port.stop", who, other);
    Finding::missing(&what, text!("doctor.port.taken", addr), remedy)
}

/// The command that shows which program uses a port.
fn who_listens(os: &str, port: u16) -> String {
    match os {
        "windows" => format!(
            "Get-Process -Id (Get-NetTCPConnection -State Listen -LocalPort {port}).OwningProcess"
        ),
        "linux" => format!("ss -ltnp sport = :{port}"),
        _ => format!("lsof -nP -iTCP:{port} -sTCP:LISTEN"),
    }
}

fn loopback() -> Finding {
    let what = text!("doctor.loopback.name");
    match there_and_back(Ipv4Addr::LOCALHOST.into()) {
        Ok(()) => Finding::ok(&what, text!("doctor.loopback.ok")),
        Err(error) => {
            let remedy = text!("doctor.loopback.remedy");
            Finding::missing(&what, text!("doctor.loopback.failed", error), remedy)
        }
    }
}

fn ipv6() -> Finding {
    let what = text!("doctor.loopback.name-6");
    match there_and_back(Ipv6Addr::LOCALHOST.into()) {
        Ok(()) => Finding::ok(&what, text!("doctor.loopback.ok-6")),
        Err(error) => {
            let remedy = text!("doctor.loopback.remedy-6");
            Finding::optional(&what, text!("doctor.loopback.failed-6", error), remedy)
        }
    }
}

/// Sends a message over a connection of this computer with itself, and back.
fn there_and_back(ip: IpAddr) -> io::Result<()> {
    let listener = TcpListener::bind((ip, 0))?;
    // The system establishes the connection before it is accepted, so one thread can be both sides.
    let mut client = TcpStream::connect_timeout(&listener.local_addr()?, LOOPBACK_TIMEOUT)?;
    let (mut server, _) = listener.accept()?;
    pass(&mut client, &mut server)?;
    pass(&mut server, &mut client)
}

fn pass(from: &mut TcpStream, to: &mut TcpStream) -> io::Result<()> {
    let message = *b"hello";
    let mut came = [0; 5];
    from.write_all(&message)?;
    to.set_read_timeout(Some(LOOPBACK_TIMEOUT))?;
    to.read_exact(&mut came)?;
    if came != message {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "other bytes came than were sent"));
    }
    Ok(())
}

/// What remote execution hands its command lines to.
fn shell() -> Finding {
    let (name, option) = if cfg!(windows) { ("cmd", "/C") } else { ("sh", "-c") };
    let what = text!("doctor.shell.name");
    match answer(Command::new(name).args([option, "echo hello"])) {
        Some(answer) if answer == "hello" => Finding::ok(&what, text!("doctor.shell.ok", name)),
        _ => {
            let remedy = text!("doctor.shell.remedy", name);
            Finding::missing(&what, text!("doctor.shell.failed", name, option), remedy)
        }
    }
}

/// Whether the compiler finds the linker, which is not part of Rust.
fn linker(machine: Machine) -> Finding {
    let what = text!("doctor.linker.name");
    let works = tempfile::tempdir().is_ok_and(|folder| {
        let source = folder.path().join("empty.rs");
        fs::write(&source, "fn main() {}").is_ok()
            && answer(rustc().arg(&source).arg("--out-dir").arg(folder.path())).is_some()
    });
    if works {
        return Finding::ok(&what, text!("doctor.linker.ok"));
    }
    Finding::missing(&what, text!("doctor.linker.failed"), machine.linker_remedy())
}

fn python(machine: Machine) -> Finding {
    let python = conformance::python().and_then(|mut python| answer(python.arg("--version")));
    python.map_or_else(
        || Finding::optional("Python", text!("doctor.python.none"), machine.python_remedy()),
        |version| Finding::ok("Python", version),
    )
}

fn tcpdump(machine: Machine) -> Finding {
    if is_on_path("tcpdump") {
        return Finding::ok("tcpdump", text!("doctor.tcpdump.ok"));
    }
    Finding::optional("tcpdump", text!("doctor.tcpdump.none"), machine.tcpdump_remedy())
}

fn browser(machine: Machine) -> Finding {
    let what = text!("doctor.browser.name");
    let chromium = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
    if chromium.into_iter().any(is_on_path) && is_on_path("chromedriver") {
        return Finding::ok(&what, text!("doctor.browser.ok"));
    }
    Finding::optional(&what, text!("doctor.browser.none"), machine.browser_remedy())
}

/// A program that installs others, on Linux, and what they are called there.
#[derive(Debug)]
struct Installer {
    program: &'static str,
    command: &'static str,
    linker: &'static str,
    python: &'static str,
    browser: &'static str,
}

const INSTALLERS: &[Installer] = &[
    Installer {
        program: "apt",
        command: "sudo apt install",
        linker: "build-essential",
        python: "python3",
        browser: "chromium chromium-driver",
    },
    Installer {
        program: "dnf",
        command: "sudo dnf install",
        linker: "gcc",
        python: "python3",
        browser: "chromium chromedriver",
    },
    Installer {
        program: "pacman",
        command: "sudo pacman -S",
        linker: "gcc",
        python: "python",
        browser: "chromium",
    },
    Installer {
        program: "zypper",
        command: "sudo zypper install",
        linker: "gcc",
        python: "python3",
        browser: "chromium chromedriver",
    },
    Installer {
        program: "apk",
        command: "sudo apk add",
        linker: "build-base",
        python: "python3",
        browser: "chromium chromium-chromedriver",
    },
];

/// What decides how something is installed.
#[derive(Clone, Copy, Debug)]
struct Machine {
    os: &'static str,
    installer: Option<&'static Installer>,
}

impl Machine {
    fn this() -> Self {
        let installer = INSTALLERS.iter().find(|it| OS == "linux" && is_on_path(it.program));
        Self { os: OS, installer }
    }

    /// The command that installs a package, where there is such a command.
    fn install(self, package: impl Fn(&Installer) -> &str) -> Option<String> {
        let installer = self.installer?;
        let (command, package) = (installer.command, package(installer));
        Some(text!("doctor.install", command, package))
    }

    fn linker_remedy(self) -> String {
        match self.os {
            "windows" => text!("doctor.linker.windows"),
            "macos" => text!("doctor.linker.macos"),
            _ => self.install(|it| it.linker).unwrap_or_else(|| text!("doctor.linker.other")),
        }
    }

    fn python_remedy(self) -> String {
        let how = self.install(|it| it.python);
        let how = how.unwrap_or_else(|| text!("doctor.python.download"));
        text!("doctor.python.remedy", how)
    }

    fn tcpdump_remedy(self) -> String {
        if self.os == "windows" {
            return text!("doctor.tcpdump.windows");
        }
        let how = self.install(|_| "tcpdump").unwrap_or_else(|| text!("doctor.tcpdump.other"));
        text!("doctor.tcpdump.remedy", how)
    }

    fn browser_remedy(self) -> String {
        let how = self.install(|it| it.browser);
        let how = how.unwrap_or_else(|| text!("doctor.browser.other"));
        text!("doctor.browser.remedy", how)
    }
}

/// How much room there is where cargo builds.
fn disk(folder: &Path) -> Finding {
    let what = text!("doctor.disk.name");
    match fs4::available_space(folder) {
        Ok(bytes) if bytes >= ENOUGH_BYTES => {
            let (gib, folder) = (bytes / GIB, folder.display());
            Finding::ok(&what, text!("doctor.disk.ok", gib, folder))
        }
        Ok(bytes) => {
            let (mib, gib, folder) = (bytes / (1 << 20), ENOUGH_BYTES / GIB, folder.display());
            let detail = text!("doctor.disk.little", mib, folder);
            Finding::optional(&what, detail, text!("doctor.disk.make-room", gib))
        }
        Err(error) => {
            let folder = folder.display();
            let detail = text!("doctor.disk.unknown", folder, error);
            Finding::optional(&what, detail, text!("doctor.disk.look"))
        }
    }
}

/// Whether cargo could build everything without a network.
fn crates(root: &Path) -> Finding {
    let about = answer(rustc().arg("-vV")).unwrap_or_default();
    let host = about.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    let mut command = cargo::command(root);
    command.args(["metadata", "--offline", "--locked", "--format-version", "1"]);
    // Crates for other systems are never downloaded to build on this one.
    command.args(["--filter-platform", host]);
    let what = text!("doctor.crates.name");
    // If cargo cannot even be started, another line reports that.
    if cargo::run(command).is_ok_and(|output| output.success) {
        Finding::ok(&what, text!("doctor.crates.ok"))
    } else {
        Finding::optional(&what, text!("doctor.crates.none"), text!("doctor.crates.remedy"))
    }
}

/// What a command prints, if it starts and succeeds, without the space around it.
fn answer(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    output.status.success().then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use workspace::fixture;

    fn lines(findings: &[Finding]) -> (String, bool) {
        let mut output = Vec::new();
        let is_ready = report(findings, &mut output).unwrap();
        (String::from_utf8(output).unwrap(), is_ready)
    }

    #[test]
    fn a_free_port_is_free_and_a_taken_one_is_named_with_a_remedy() {
        // Of these ports, no other program takes one when it is free again.
        let ports = conformance::check::FreePorts::claim().unwrap();
        let addr = ports.next().unwrap();
        let listener = TcpListener::bind(addr).unwrap();
        let taken = port(addr);
        assert_eq!(taken.what, format!("port {}", addr.port()));
        assert_eq!(taken.state, State::Missing);
        assert_eq!(taken.detail, format!("a program listens on {addr} already"));
        let remedy = taken.remedy.unwrap();
        assert!(remedy.contains(&who_listens(OS, addr.port())), "{remedy}");
        drop(listener);
        assert_eq!(port(addr).state, State::Ok);
    }

    #[test]
    fn an_address_of_another_computer_is_not_called_taken() {
        // An address for documentation: no computer has it.
        let finding = port("192.0.2.1:9003".parse().unwrap());
        assert_eq!(finding.state, State::Missing);
        assert!(finding.detail.starts_with("cannot listen on 192.0.2.1:9003: "), "{finding}");
    }

    #[test]
    fn versions_are_compared_as_numbers() {
        let state = |answer| rust_version(answer, "1.88", true).state;
        assert_eq!(state(Some("rustc 1.88.0 (6b00bc388 2025-06-23)")), State::Ok);
        assert_eq!(state(Some("rustc 1.100.0-nightly (0123abcd 2027-01-01)")), State::Ok);
        assert_eq!(state(Some("rustc 2.0.0")), State::Ok);
        assert_eq!(state(Some("rustc 1.9.0")), State::Missing);
        assert_eq!(state(Some("")), State::Missing);
        assert_eq!(state(None), State::Missing);
    }

    #[test]
    fn rustup_is_no_remedy_where_there_is_none() {
        for answer in [None, Some("rustc 1.9.0")] {
            let remedy = |has_rustup| rust_version(answer, "1.88", has_rustup).remedy.unwrap();
            assert!(remedy(true).contains("`rustup "), "{}", remedy(true));
            assert_eq!(remedy(false), text!("doctor.rust.install"));
        }
    }

    #[test]
    fn each_system_has_remedies_of_its_own() {
        let machine = |os, installer: Option<&str>| Machine {
            os,
            installer: installer.and_then(|name| INSTALLERS.iter().find(|it| it.program == name)),
        };
        let windows = machine("windows", None);
        assert!(windows.linker_remedy().contains("Visual Studio"), "{}", windows.linker_remedy());
        assert!(windows.tcpdump_remedy().contains("Wireshark"), "{}", windows.tcpdump_remedy());
        assert!(windows.python_remedy().contains("https://www.python.org/"));
        let macos = machine("macos", None);
        assert!(macos.linker_remedy().contains("`xcode-select --install`"));
        for (name, linker, python, browser) in [
            ("apt", "apt install build-essential", "install python3", "chromium chromium-driver"),
            ("dnf", "dnf install gcc", "install python3", "chromium chromedriver"),
            ("pacman", "pacman -S gcc", "-S python`", "-S chromium`"),
            ("zypper", "zypper install gcc", "install python3", "chromium chromedriver"),
            ("apk", "apk add build-base", "add python3", "chromium chromium-chromedriver"),
        ] {
            let linux = machine("linux", Some(name));
            assert!(linux.linker_remedy().contains(linker), "{}", linux.linker_remedy());
            assert!(linux.python_remedy().contains(python), "{}", linux.python_remedy());
            assert!(linux.browser_remedy().contains(browser), "{}", linux.browser_remedy());
            assert!(linux.tcpdump_remedy().contains(" tcpdump`"), "{}", linux.tcpdump_remedy());
        }
        for other in [windows, macos, machine("linux", None), machine("freebsd", None)] {
            for remedy in [
                other.linker_remedy(),
                other.python_remedy(),
                other.tcpdump_remedy(),
                other.browser_remedy(),
            ] {
                assert!(!remedy.contains("sudo"), "{other:?}: {remedy}");
            }
        }
    }

    #[test]
    fn the_program_behind_a_port_is_named_by_a_command_of_the_system() {
        for (os, program) in [("windows", "Get-Process "), ("linux", "ss "), ("macos", "lsof ")] {
            let command = who_listens(os, 9003);
            assert!(command.starts_with(program) && command.contains("9003"), "{command}");
        }
    }

    #[test]
    fn what_built_this_test_can_link() {
        assert_eq!(linker(Machine::this()).state, State::Ok);
    }

    #[test]
    fn the_rust_that_built_this_test_is_new_enough() {
        assert_eq!(rust(&root::repository()).unwrap().state, State::Ok);
    }

    #[test]
    fn a_message_comes_back_and_without_an_address_it_does_not() {
        assert_eq!(loopback().state, State::Ok);
        assert!(there_and_back("192.0.2.1".parse().unwrap()).is_err());
    }

    #[test]
    fn a_folder_that_is_not_there_has_no_room() {
        let tree = fixture::tree();
        assert!(disk(tree.path()).detail.contains("free in"));
        let finding = disk(&tree.path().join("none"));
        assert_eq!(finding.state, State::Optional, "{finding}");
    }

    #[test]
    fn crates_that_were_never_fetched_are_not_here() {
        let tree = fixture::tree();
        let package = "[package]\nname = \"x\"\nedition = \"2024\"\n";
        fixture::write(tree.path(), "Cargo.toml", package);
        fixture::write(tree.path(), "src/lib.rs", "");
        fixture::write(
            tree.path(),
            "Cargo.lock",
            "version = 4\n\n[[package]]\nname = \"x\"\nversion = \"0.0.0\"\n",
        );
        assert_eq!(crates(tree.path()).state, State::Ok);
        fixture::append(
            tree.path(),
            "Cargo.toml",
            "\n[dependencies]\nno-such-crate-anywhere = \"1\"\n",
        );
        assert_eq!(crates(tree.path()).state, State::Optional);
    }

    #[test]
    fn only_what_is_needed_makes_it_fail() {
        let ok = Finding::ok("shell", "`sh` runs commands");
        let optional = Finding::optional("Python", "no Python 3", "Install it");
        let missing = Finding::missing("port 9003", "taken", "Stop it");
        let (text, is_ready) = lines(&[ok, optional]);
        assert_eq!(
            text,
            "shell           ok        `sh` runs commands\n\
             Python          optional  no Python 3. Install it\n\
             \nThis computer is ready. Open a second terminal, and begin.\n"
        );
        assert!(is_ready);
        let (text, is_ready) = lines(&[missing]);
        assert!(text.starts_with("port 9003       missing   taken. Stop it\n"), "{text}");
        assert!(!is_ready && text.ends_with("1 thing is missing. Its line says what to do.\n"));
    }
}
