//! The checks of the exercises, held to small wrong programs of the kind that a learner writes: each
//! must fail its check, and say why in the words that are recorded.
//!
//! They stand in `wrong/CHECK.toml`, beside those for the checks of the staircase and in their form:
//! see `wrong.rs`. What changes from run to run is `[..]` in what is recorded: any text.
//!
//! That the checks can be kept is seen where the solutions are, in the steps.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use conformance::check::{Check, EXERCISES, Subject};
use conformance::{DEADLINE, Failure, python};
use serde::Deserialize;
use tempfile::TempDir;

/// For what is known not to happen. Longer than what the exercises allow, which is two seconds.
const SHORT_DEADLINE: Duration = Duration::from_secs(5);

/// How many programs are judged side by side. Most of them wait most of the time.
const AT_ONCE: usize = 16;

/// A file of wrong programs.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrongPrograms {
    program: Vec<WrongProgram>,
}

/// A server that is not as its exercise asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrongProgram {
    /// The mistake.
    title: String,
    /// The step whose twin it is made of.
    step: u8,
    side: String,
    /// Each a file, what stands there once, and what stands there instead.
    #[serde(default)]
    replace: Vec<[String; 3]>,
    /// In place of these: the whole of `server.py`.
    program: Option<String>,
    /// Whether it never does what is waited for.
    #[serde(default)]
    hangs: bool,
    /// "unix", where the mistake can be seen there alone.
    os: Option<String>,
    /// The checks of the staircase that it fails: none that its twin keeps.
    also: Vec<String>,
    /// The failure, as its reader has it.
    says: String,
}

/// The wrong programs of a check.
fn programs_of(check: &Check) -> Vec<WrongProgram> {
    let wrong = Path::new(env!("CARGO_MANIFEST_DIR")).join("wrong");
    let file = wrong.join(check.name).with_extension("toml");
    let programs = fs::read_to_string(&file)
        .map_err(|error| error.to_string())
        .and_then(|text| toml::from_str(&text).map_err(|error| error.to_string()));
    let programs: WrongPrograms =
        programs.unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    programs.program
}

/// The folder of a step's twin.
fn twin(number: u8) -> PathBuf {
    let steps = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let start = format!("{number:02}-");
    let mut steps = fs::read_dir(steps).expect("the steps").map(|entry| entry.expect("a step"));
    let step = steps.find(|step| step.file_name().to_string_lossy().starts_with(&start));
    step.unwrap_or_else(|| panic!("there is no step {number}")).path().join("python")
}

impl WrongProgram {
    fn shows_here(&self) -> bool {
        cfg!(unix) || self.os.is_none()
    }

    /// Makes the program, in a folder of its own.
    fn make(&self) -> TempDir {
        let folder = TempDir::new().expect("a temporary folder");
        for entry in fs::read_dir(twin(self.step)).expect("the twin") {
            let path = entry.expect("the twin").path();
            if path.is_file() {
                let name = path.file_name().expect("it has a name");
                fs::copy(&path, folder.path().join(name)).expect("the temporary folder");
            }
        }
        if let Some(program) = &self.program {
            fs::write(folder.path().join("server.py"), program).expect("the temporary folder");
        }
        for [file, right, wrong] in &self.replace {
            let path = folder.path().join(file);
            let text = fs::read_to_string(&path).expect("a file of the twin");
            let count = text.matches(right.as_str()).count();
            assert_eq!(count, 1, "{}: {file}: this must stand there once:\n{right}", self.title);
            fs::write(path, text.replace(right, wrong)).expect("the temporary folder");
        }
        folder
    }

    /// Holds the program to a check.
    fn hold_to(&self, check: &Check) -> Result<(), Failure> {
        let folder = self.make();
        let script = folder.path().join("server.py");
        let server = move || {
            let mut command = python().expect("Python 3 is installed");
            command.arg("-B").arg(&script).arg("127.0.0.1:0"); // -B: no folder for compiled files
            command
        };
        let mut subject = Subject::new(self.step, server, |_| Command::new("no client is needed"));
        subject.deadline = if self.hangs { SHORT_DEADLINE } else { DEADLINE };
        subject.judge(check)
    }
}

/// Judges programs side by side.
fn judge_all(programs: &[(&Check, WrongProgram)]) -> Vec<Result<(), Failure>> {
    thread::scope(|scope| {
        let judging: Vec<_> = programs
            .iter()
            .map(|(check, program)| scope.spawn(|| program.hold_to(check)))
            .collect();
        judging.into_iter().map(|judged| judged.join().expect("it does not panic")).collect()
    })
}

/// What a failure says. What the program wrote is left out, but not whose it is.
fn essentials(failure: &Failure) -> String {
    let mut text = String::new(); // writing to it cannot fail
    if !failure.done().is_empty() {
        let _ = writeln!(text, "{}:", failure.done());
    }
    let _ = match failure.difference() {
        Some(difference) => writeln!(text, "{difference}"),
        None => writeln!(text, "{}", failure.text()),
    };
    if let Some((name, _)) = failure.program() {
        let _ = writeln!(text, "what `{name}` wrote");
    }
    text
}

/// Whether a text is the recorded one, in which `[..]` stands for any text within a line.
fn is_as_recorded(came: &str, recorded: &str) -> bool {
    let (came, recorded): (Vec<_>, Vec<_>) = (came.lines().collect(), recorded.lines().collect());
    came.len() == recorded.len()
        && came.iter().zip(recorded).all(|(line, recorded)| matches(line, recorded))
}

fn matches(line: &str, recorded: &str) -> bool {
    let Some((start, rest)) = recorded.split_once("[..]") else {
        return line == recorded;
    };
    let Some(line) = line.strip_prefix(start) else {
        return false;
    };
    let ends = line.char_indices().map(|(index, _)| index).chain([line.len()]);
    ends.into_iter().any(|index| matches(&line[index..], rest))
}

#[test]
fn every_check_of_an_exercise_has_at_least_two_wrong_programs() {
    let mut titles = HashSet::new();
    for check in EXERCISES {
        let programs = programs_of(check);
        assert!(programs.len() >= 2, "{} has {}", check.name, programs.len());
        for program in programs {
            let title = &program.title;
            assert!(titles.insert(title.clone()), "{title}: there are two of them");
            assert_eq!((&*program.side, program.also.len()), ("server", 0), "{title}");
            assert!(program.os.as_deref().is_none_or(|os| os == "unix"), "{title}");
            let is_both = program.program.is_some() && !program.replace.is_empty();
            assert!(!is_both, "{title}: it is made of `replace` or of `program`, not of both");
            program.make();
        }
    }
}

#[test]
fn what_is_recorded_is_compared_line_by_line() {
    let recorded = "expected [..], received \"[..]\"\n  the end\n";
    assert!(is_as_recorded("expected \"h\", received \"\"\n  the end\n", recorded));
    for other in ["expected \"h\", received \"\n  the end\n", "expected a\n", "", "x\ny\nz\n"] {
        assert!(!is_as_recorded(other, recorded), "{other}");
    }
}

#[test]
#[ignore = "needs python3"]
fn each_wrong_program_in_python_fails_the_check_of_its_exercise_and_says_why() {
    let programs = EXERCISES
        .iter()
        .flat_map(|check| programs_of(check).into_iter().map(move |program| (check, program)));
    let programs: Vec<_> = programs.filter(|(_, program)| program.shows_here()).collect();
    let results: Vec<_> = programs.chunks(AT_ONCE).flat_map(judge_all).collect();
    let mut problems = String::new();
    for ((check, program), result) in programs.iter().zip(results) {
        let problem = match result.map_err(|failure| essentials(&failure)) {
            Ok(()) => "it passes".to_owned(),
            Err(came) if is_as_recorded(&came, &program.says) => continue,
            Err(came) => format!("it says\n{came}and not\n{}", program.says),
        };
        let _ = writeln!(problems, "{}: \"{}\": {problem}", check.name, program.title); // cannot fail
    }
    assert!(problems.is_empty(), "\n{problems}");
}
