//! What a step's manifest promises, and whether it is true.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::list::{Check, check};
use super::subject::Subject;
use crate::proxy::Cut;
use crate::{Failure, side_by_side};

/// How long a step may take to keep a broken promise after all. Short: each declared break waits for it.
const BROKEN_DEADLINE: Duration = Duration::from_millis(500);

/// What a step's manifest states in `[package.metadata.step]`.
#[derive(Debug, PartialEq, Eq)]
pub struct Promises {
    /// The step's number, from its folder's name.
    pub number: u8,
    /// The book's page about the step.
    pub chapter: String,
    /// The checks that it keeps.
    pub keeps: Vec<String>,
    /// The checks that it visibly breaks, each with the sentence of the book that states so.
    pub breaks: Vec<(String, String)>,
}

/// What a step promises about a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// The step keeps it.
    Kept,
    /// The step breaks it, and the check can show that.
    Broken,
}

/// A check, what the manifest promises about it, and its result.
pub struct Judgement {
    /// The check.
    pub check: &'static Check,
    /// What the manifest declares; none if it declares nothing, or both.
    pub promise: Option<Promise>,
    /// How the check failed, if it did.
    pub failure: Option<Failure>,
}

impl Judgement {
    /// The difference from the manifest, if there is one.
    #[must_use]
    pub fn complaint(&self) -> Option<String> {
        let name = self.check.name;
        match (self.promise, &self.failure) {
            (Some(Promise::Kept), None) | (Some(Promise::Broken), Some(_)) => None,
            (Some(_), Some(failure)) if failure.is_not_asked() => None,
            (Some(Promise::Kept), Some(failure)) => Some(failure.to_string()),
            (Some(Promise::Broken), None) => {
                Some(format!("{name}: the manifest says that this step breaks it, but it keeps it"))
            }
            (None, _) => {
                Some(format!("{name}: the manifest must name it once, in `keeps` or in `breaks`"))
            }
        }
    }
}

impl Promises {
    /// Reads the manifest in a step's folder.
    ///
    /// An error if it has no such table, or if the table names a check that does not exist.
    pub fn read(step_dir: &Path) -> Result<Self, Failure> {
        let step = step_table(step_dir)?;
        let failed = |what: &str| in_manifest(step_dir, what);
        let known = |name: &str| match check(name) {
            Some(_) => Ok(name.to_owned()),
            None => Err(failed(&format!("there is no check `{name}`"))),
        };

        let chapter = step.get("chapter").and_then(toml::Value::as_str);
        let chapter = chapter.ok_or_else(|| failed("`chapter` must be a page of the book"))?;
        let not_a_list = || failed("`keeps` must be a list of checks");
        let keeps = step.get("keeps").and_then(toml::Value::as_array).ok_or_else(not_a_list)?;
        let keeps = keeps.iter().map(|name| known(name.as_str().ok_or_else(not_a_list)?));
        let not_a_table = || failed("`breaks` must be a table: check = \"page.md#section\"");
        let breaks = step.get("breaks").and_then(toml::Value::as_table).ok_or_else(not_a_table)?;
        let breaks = breaks.iter().map(|(name, section)| {
            let section = section.as_str().ok_or_else(not_a_table)?;
            Ok((known(name)?, section.to_owned()))
        });

        let name = step_dir.file_name().unwrap_or_default().to_string_lossy();
        let number = name.split('-').next().and_then(|number| number.parse().ok());
        Ok(Self {
            number: number.ok_or_else(|| failed("its folder's name must begin with a number"))?,
            chapter: chapter.to_owned(),
            keeps: keeps.collect::<Result<_, _>>()?,
            breaks: breaks.collect::<Result<_, _>>()?,
        })
    }

    /// What the manifest promises about a check; none if it promises nothing, or both.
    #[must_use]
    pub fn promise(&self, check: &str) -> Option<Promise> {
        let keeps = self.keeps.iter().any(|name| name == check);
        let breaks = self.breaks.iter().any(|(name, _)| name == check);
        match (keeps, breaks) {
            (true, false) => Some(Promise::Kept),
            (false, true) => Some(Promise::Broken),
            _ => None,
        }
    }

    /// Holds a step's executable to every check that applies to it, several at a time.
    #[must_use]
    pub fn judge(&self, executable: &str) -> Vec<Judgement> {
        let judge = |check: &&'static Check| {
            let check = *check;
            let promise = self.promise(check.name);
            let mut subject = Subject::of_step(self.number, executable);
            if promise == Some(Promise::Broken) {
                subject.deadline = BROKEN_DEADLINE;
            }
            Judgement { check, promise, failure: subject.hold_to(check).err() }
        };
        let checks: Vec<_> = Subject::of_step(self.number, executable).checks().collect();
        side_by_side(&checks, judge)
    }

    /// The differences from the manifest: kept checks must pass, broken checks must fail, every check that
    /// applies must be in exactly one list, and no other check in either.
    #[must_use]
    pub fn complaints(&self, judgements: &[Judgement]) -> Vec<String> {
        let mut complaints: Vec<_> = judgements.iter().filter_map(Judgement::complaint).collect();
        let judged = |name: &&String| {
            let elsewhere = check(name).is_some_and(|check| !check.can_be_judged());
            elsewhere || judgements.iter().any(|it| it.check.name == **name)
        };
        let named = self.keeps.iter().chain(self.breaks.iter().map(|(name, _)| name));
        let meaningless = named.filter(|name| !judged(name));
        complaints
            .extend(meaningless.map(|name| format!("{name}: it means nothing for this step")));
        complaints
    }
}

/// The table `[package.metadata.step]` of the manifest in a step's folder.
pub(super) fn step_table(step_dir: &Path) -> Result<toml::Value, Failure> {
    let failed = |what: &str| in_manifest(step_dir, what);
    let text = fs::read_to_string(step_dir.join("Cargo.toml"));
    let text = text.map_err(|error| failed(&error.to_string()))?;
    let table: toml::Table = text.parse().map_err(|error| failed(&format!("{error}")))?;
    let step = (|| table.get("package")?.get("metadata")?.get("step"))();
    step.cloned().ok_or_else(|| failed("it has no [package.metadata.step]"))
}

/// The faults in a step's manifest.
pub(super) fn in_manifest(step_dir: &Path, what: &str) -> Failure {
    Failure::new(format!("{}: {what}", step_dir.join("Cargo.toml").display()))
}

/// Holds a step to its manifest. A check that cannot run on this system is left to other systems.
///
/// # Panics
///
/// With every difference from the manifest.
pub fn assert_promises(step_dir: &str, executable: &str) {
    let promises = Promises::read(Path::new(step_dir)).unwrap_or_else(|error| panic!("{error}"));
    let complaints = promises.complaints(&promises.judge(executable));
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}

/// Holds a subject to every check that the manifest lists as kept, behind a proxy that cuts the
/// stream after that many bytes, and then at random: `SEED=…` repeats a failure. Several cuts run
/// at a time.
///
/// # Panics
///
/// With the first failure at each cut.
pub fn assert_promises_at_cuts(
    step_dir: &str,
    every: &[usize],
    subject: impl Fn() -> Subject + Sync,
) {
    let promises = Promises::read(Path::new(step_dir)).unwrap_or_else(|error| panic!("{error}"));
    let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = seed.unwrap_or_else(|| now.as_secs() ^ u64::from(now.subsec_nanos()) << 32);
    println!("SEED={seed}");
    let cuts = every.iter().copied().map(Cut::Every).chain([Cut::Random { seed }]);
    let cuts: Vec<Cut> = cuts.collect();
    let complaints: Vec<String> = side_by_side(&cuts, |cut| {
        let subject = subject().behind(*cut);
        let mut kept =
            subject.checks().filter(|check| promises.keeps.iter().any(|k| k == check.name));
        let failed = |failure: &Failure| !failure.is_not_asked();
        let failure = kept.find_map(|check| subject.hold_to(check).err().filter(failed))?;
        Some(format!("cut at {cut:?}: {failure}"))
    })
    .into_iter()
    .flatten()
    .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(name: &str, promise: Option<Promise>, failed: bool) -> Judgement {
        let failure = failed.then(|| Failure::new("it failed"));
        Judgement { check: check(name).expect("there is such a check"), promise, failure }
    }

    #[test]
    fn a_promise_that_is_not_as_the_manifest_says_is_named() {
        let promises = Promises {
            number: 3,
            chapter: "connection-loop.md".to_owned(),
            keeps: vec!["reply".to_owned(), "many-messages".to_owned(), "boundaries".to_owned()],
            breaks: vec![("next-client".to_owned(), "x.md#y".to_owned())],
        };
        let judge = |name, failed| judged(name, promises.promise(name), failed);
        let right =
            [judge("reply", false), judge("many-messages", false), judge("next-client", true)];
        let meaningless = "boundaries: it means nothing for this step".to_owned();
        assert_eq!(promises.complaints(&right), std::slice::from_ref(&meaningless));

        let wrong = [
            judge("reply", true),
            judge("many-messages", false),
            judge("next-client", false),
            judge("survives-reset", false),
        ];
        assert_eq!(
            promises.complaints(&wrong),
            [
                "it failed".to_owned(),
                "next-client: the manifest says that this step breaks it, but it keeps it"
                    .to_owned(),
                "survives-reset: the manifest must name it once, in `keeps` or in `breaks`"
                    .to_owned(),
                meaningless,
            ]
        );
    }
}
