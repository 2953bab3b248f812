//! What we are made of: where it comes from, under which licences, and nothing of it twice without a reason.
//!
//! Read from `Cargo.lock` and by `cargo tree --offline`: a build must not depend on what a server says today.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use coco_harness::repository;

/// The packages of what is installed.
const SHIPPED: [&str; 4] = ["coco", "noodle", "cococtl", "coco-checks"];

/// Licences that let an MIT program be passed on with no more than a notice.
const LICENCES: [&str; 10] = [
    "MIT",
    "ISC",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "0BSD",
    "BSL-1.0",
    "Zlib",
    "Unlicense",
    "Unicode-3.0",
];

/// Other licences, the crate that has it, and why that is acceptable.
const EXCEPTIONS: [(&str, &str, &str); 1] =
    [("MPL-2.0", "colored", "copyleft by file; used unchanged, by textplots, in the checks alone")];

/// Crates of which there are two versions in what is installed, and why.
const TWICE: [(&str, &str); 3] = [
    ("getrandom", "ring's, which signs and encrypts for TLS, and that of metrics-util"),
    ("hashbrown", "ours, and that of metrics-util, which the Prometheus exporter needs"),
    ("syn", "derive macros change over from version 2 to 3"),
];

/// The same in what only builds or tests.
const TWICE_IN_TESTS: [(&str, &str); 2] =
    [("rand", "proptest's, and that of metrics-util"), ("rand_core", "with rand")];

/// A crate that is not ours.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Crate {
    name: String,
    version: String,
    licence: String,
}

/// The crates that these options of `cargo tree` list for this machine.
fn crates(options: &[&str]) -> BTreeSet<Crate> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| env!("CARGO").into());
    let output = Command::new(cargo)
        .current_dir(repository())
        .args(["tree", "--offline", "--locked", "--quiet", "--prefix", "none", "--format", "{p}|{l}|"])
        .args(options)
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo writes UTF-8");
    let found = text.lines().filter_map(|line| {
        let (package, licence) = line.split_once('|')?;
        let (name, version) = package.split_once(" v")?;
        let is_ours = version.contains("(/");
        let version = version.split(' ').next()?.to_owned();
        let licence = licence.split('|').next()?.to_owned();
        (!is_ours).then_some(Crate { name: name.to_owned(), version, licence })
    });
    let found: BTreeSet<_> = found.collect();
    assert!(found.len() > 30, "cargo tree lists {} crates", found.len());
    found
}

fn shipped() -> BTreeSet<Crate> {
    let packages = SHIPPED.iter().flat_map(|package| ["--package", package]);
    crates(&packages.chain(["--edges", "normal"]).collect::<Vec<_>>())
}

fn all() -> BTreeSet<Crate> {
    crates(&["--workspace", "--edges", "normal,build,dev"])
}

/// Whether one of each alternative may be chosen. AND is taken to bind less than OR, which is never too generous.
fn is_allowed(expression: &str, allowed: &[&str]) -> bool {
    let expression = expression.replace('/', " OR ").replace(['(', ')'], "");
    expression.split(" AND ").all(|all| all.split(" OR ").any(|one| allowed.contains(&one.trim())))
}

#[test]
fn licences_are_told_apart() {
    let allowed = ["MIT", "Zlib"];
    for (expression, expected) in [
        ("MIT", true),
        ("GPL-3.0", false),
        ("GPL-3.0 OR MIT", true),
        ("GPL-3.0/MIT", true),
        ("MIT AND GPL-3.0", false),
        ("(MIT OR GPL-3.0) AND Zlib", true),
        ("", false),
    ] {
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }
}

#[test]
fn every_licence_is_one_that_we_may_pass_on() {
    let mut unused: BTreeSet<_> = EXCEPTIONS.iter().map(|(_, name, _)| *name).collect();
    for Crate { name, version, licence } in all() {
        let exception = EXCEPTIONS.iter().find(|(_, excepted, _)| *excepted == name);
        let allowed: Vec<_> = LICENCES.into_iter().chain(exception.map(|(licence, ..)| *licence)).collect();
        assert!(is_allowed(&licence, &allowed), "{name} {version} has the licence {licence:?}");
        unused.remove(&*name);
    }
    assert!(unused.is_empty(), "no longer used: {unused:?}");
}

#[test]
fn nothing_is_there_twice_without_a_reason() {
    let twice = |crates: BTreeSet<Crate>| {
        let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
        crates.into_iter().for_each(|it| versions.entry(it.name).or_default().push(it.version));
        versions.retain(|_, versions| versions.len() > 1);
        versions
    };
    let in_shipped = twice(shipped());
    let known: Vec<_> = TWICE.iter().map(|(name, _)| *name).collect();
    assert!(in_shipped.keys().eq(known.iter().copied()), "known are {known:?}, there are {in_shipped:?}");
    let mut elsewhere = twice(all());
    elsewhere.retain(|name, _| !in_shipped.contains_key(name));
    let known: Vec<_> = TWICE_IN_TESTS.iter().map(|(name, _)| *name).collect();
    assert!(elsewhere.keys().eq(known.iter().copied()), "known are {known:?}, there are {elsewhere:?}");
}

/// No branch of a repository, no second registry that could answer for a name of the first.
#[test]
fn everything_comes_from_one_registry_and_has_a_checksum() {
    let lock = std::fs::read_to_string(repository().join("Cargo.lock")).expect("Cargo.lock");
    let packages: Vec<_> = lock.split("[[package]]").skip(1).collect();
    let field = |package: &str, key: &str| {
        let line = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
        line.map(str::to_owned)
    };
    let mut sources = BTreeSet::new();
    for package in &packages {
        let Some(source) = field(package, "source") else { continue };
        assert!(source.starts_with("\"registry+"), "{package}");
        assert!(field(package, "checksum").is_some_and(|checksum| checksum.len() > 60), "{package}");
        sources.insert(source);
    }
    assert_eq!(sources.len(), 1, "{sources:?}");
    let ours = packages.iter().filter(|package| field(package, "source").is_none());
    let crates = std::fs::read_dir(repository().join("crates")).expect("crates/").count();
    assert_eq!(ours.count(), crates + 1, "what has no source is ours");
}
