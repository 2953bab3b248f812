//! The daemons as they were before, which an upgrade begins with.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use crate::program::Program;
use crate::repository;

/// What they are built from while nothing is released: a state of old that has an address that moves.
const COMMIT: &str = "5873158d";

/// The one named by the environment variable `COCO_BEFORE` or `NOODLE_BEFORE`, such as that of an installed package, or else
/// the one of the last release, built from the history of this repository.
///
/// # Panics
/// When there is no history, as in a shallow clone, or it doesn't build.
#[must_use]
pub fn path(program: Program) -> PathBuf {
    let name = program.name();
    let variable = format!("{}_BEFORE", name.to_uppercase());
    std::env::var_os(variable).map_or_else(|| built().join(name), PathBuf::from)
}

/// Where both are.
fn built() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let release = git(&["tag", "--list", "v*", "--no-contains", "HEAD", "--sort", "-version:refname"]);
        let revision = release.lines().next().unwrap_or(COMMIT);
        let sources = repository().join("target/before").join(revision);
        std::fs::create_dir_all(&sources).expect("a directory");
        let archive = sources.join("archive.tar");
        let output = format!("--output={}", archive.display());
        git(&["archive", &output, revision]);
        run(Command::new("tar").arg("--directory").arg(&sources).arg("-xf").arg(&archive));
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
        let mut build = Command::new(cargo);
        build.current_dir(&sources).args(["build", "--locked", "--quiet", "-p", "coco", "-p", "noodle"]);
        run(build.args(["--config", "profile.dev.debug=0", "--target-dir", "../target"]));
        repository().join("target/before/target/debug")
    })
}

fn git(arguments: &[&str]) -> String {
    run(Command::new("git").arg("-C").arg(repository()).args(arguments))
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let problem = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {problem}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
