//! Where things are: the repository, its steps, the folder cargo builds into.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

/// The repository's root: the nearest folder above the running package that has `steps` in it.
#[must_use]
pub fn repository() -> PathBuf {
    // Cargo sets the variable when it runs a program; what is compiled in is where it was built.
    let here = std::env::var_os("CARGO_MANIFEST_DIR");
    let here = here.map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    above(&here).map_or(here.clone(), Path::to_path_buf)
}

/// The repository in which a folder is: the nearest folder above it that has `steps` in it.
#[must_use]
pub fn above(folder: &Path) -> Option<&Path> {
    folder.ancestors().find(|folder| folder.join("steps").is_dir())
}

/// The path as messages and pages show it: relative to the root, with slashes.
#[must_use]
pub fn shown(root: &Path, path: &Path) -> String {
    let path = path.strip_prefix(root).unwrap_or(path);
    path.to_string_lossy().replace('\\', "/")
}

/// Where cargo put this program, and puts those that it builds for us.
#[derive(Clone, Debug)]
pub struct Target {
    /// The target folder, as `--target-dir` names it.
    pub dir: PathBuf,
    /// The folder with the executables in it, such as `target/debug`.
    pub profile: PathBuf,
}

impl Target {
    /// Where the executable of a package is, once it was built.
    #[must_use]
    pub fn program(&self, package: &str) -> PathBuf {
        self.profile.join(format!("{package}{}", std::env::consts::EXE_SUFFIX))
    }
}

/// Finds the target folder by looking where this program is in it.
pub fn target() -> Result<Target> {
    let exe = std::env::current_exe().context("cannot tell where this program itself is")?;
    let mut profile = exe.parent().context("this program is in no folder")?;
    if profile.ends_with("deps") {
        profile = profile.parent().context("this program is in no folder")?;
    }
    let dir = profile.parent().context("this program is in no folder")?;
    Ok(Target { dir: dir.to_path_buf(), profile: profile.to_path_buf() })
}

/// One of the programs of the book.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The name of its folder, such as `03-conn-loop`.
    pub name: String,
    /// The name of its package, such as `step-03-conn-loop`.
    pub package: String,
    /// Its files that are those of an earlier step, byte for byte.
    pub carried_over: Vec<String>,
}

impl Step {
    /// The step's folder.
    #[must_use]
    pub fn dir(&self, root: &Path) -> PathBuf {
        root.join("steps").join(&self.name)
    }

    /// The two digits at the start of its name.
    #[must_use]
    pub fn number(&self) -> &str {
        &self.name[..2]
    }
}

/// All steps, in their order.
pub fn steps(root: &Path) -> Result<Vec<Step>> {
    let folder = root.join("steps");
    let entries =
        fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.len() > 2 && name.as_bytes()[..2].iter().all(u8::is_ascii_digit))
        .collect();
    names.sort();
    names.into_iter().map(|name| read_step(root, name)).collect()
}

/// Finds a step by its number (`3`, `03`) or its name.
pub fn find_step(root: &Path, wanted: &str) -> Result<Step> {
    let steps = steps(root)?;
    let number = format!("{wanted:0>2}");
    match steps
        .iter()
        .find(|step| step.number() == number || step.name == wanted || step.package == wanted)
    {
        Some(step) => Ok(step.clone()),
        None => bail!("there is no step `{wanted}`; the steps are: {}", list(&steps)),
    }
}

fn list(steps: &[Step]) -> String {
    let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
    names.join(", ")
}

/// What this program reads of a step's `Cargo.toml`.
#[derive(Deserialize)]
struct Manifest {
    package: Package,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    #[serde(default)]
    metadata: Metadata,
}

#[derive(Default, Deserialize)]
struct Metadata {
    #[serde(default)]
    step: StepMetadata,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct StepMetadata {
    #[serde(default)]
    carried_over: Vec<String>,
}

fn read_step(root: &Path, name: String) -> Result<Step> {
    let shown = format!("steps/{name}/Cargo.toml");
    let text =
        fs::read_to_string(root.join(&shown)).with_context(|| format!("cannot read {shown}"))?;
    let Manifest { package } =
        toml::from_str(&text).with_context(|| format!("{shown} is not a step's manifest"))?;
    Ok(Step { name, package: package.name, carried_over: package.metadata.step.carried_over })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn steps_come_in_order_with_what_they_carry_over() {
        let tree = fixture::tree();
        let steps = steps(tree.path()).unwrap();
        let names: Vec<_> = steps.iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["01-first", "02-second"]);
        assert_eq!(steps[1].package, "step-02-second");
        assert_eq!(steps[1].carried_over, ["src/client.rs"]);
    }

    #[test]
    fn a_step_goes_by_number_folder_or_package() {
        let tree = fixture::tree();
        for wanted in ["2", "02", "02-second", "step-02-second"] {
            assert_eq!(find_step(tree.path(), wanted).unwrap().name, "02-second");
        }
    }

    #[test]
    fn an_unknown_step_lists_the_steps() {
        let tree = fixture::tree();
        let error = find_step(tree.path(), "77").unwrap_err().to_string();
        assert_eq!(error, "there is no step `77`; the steps are: 01-first, 02-second");
    }
}
