//! Packages as `etc/package` makes them, and a Debian to have them in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use coco_harness::repository;
use serde_json::Value;

pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    said.into_owned()
}

/// The folder in which all packages are, made once by the profile of the tests.
pub(crate) fn made() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let folder = repository().join("target/package/tested");
        let mut package = Command::new(repository().join("etc/package"));
        run(package.arg("--plain").arg(&folder).envs([("PACKAGE_PROFILE", "dev"), ("PACKAGE_STATIC", "no")]));
        folder
    })
}

/// The files of a folder whose names end so.
pub(crate) fn ending(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(folder).expect("a folder").map(|file| file.expect("one").path());
    files.filter(|file| file.extension().is_some_and(|its| its == extension)).collect()
}

/// A Debian of Debian's own packages, in which the scenario lies, and ours in `/packages/new`.
pub(crate) fn debian(root: &Path, included: &str, scenario: &str) {
    let mut debian = Command::new("mmdebstrap");
    // Nobody needs it when the power is gone.
    debian.args(["--quiet", "--variant=minbase", "--dpkgopt=force-unsafe-io"]);
    run(debian.arg(format!("--include={included}")).arg("bookworm").arg(root));
    let new = root.join("packages/new");
    fs::create_dir_all(&new).expect("a folder");
    run(Command::new("cp").args(ending(made(), "deb")).arg(new));
    for file in [scenario, "common.sh"] {
        fs::copy(repository().join("tests/packages").join(file), root.join(file)).expect("a file");
    }
}

/// The object of JSON that a scenario has written behind a word.
pub(crate) fn object(said: &str, word: &str) -> Value {
    let line = said.lines().find_map(|line| line.strip_prefix(word)).expect("it is said");
    serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
}

/// Value lists that a scenario has sent, that have arrived at each of so many targets, and datagrams that nobody took.
pub(crate) fn sent_arrived_refused(said: &str, targets: u64) -> (u64, u64, u64) {
    let (load, sink) = (object(said, "load "), object(said, "sink "));
    let [sent, refused] = ["value_lists", "refused"].map(|key| load[key].as_u64().expect("a number"));
    (sent, sink["value_lists"].as_u64().expect("a number") / targets, refused)
}

pub(crate) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
