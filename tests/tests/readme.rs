//! What the documents say, held against the tables of the code: keys, counters, reasons, routes. A table must hold the
//! rows of its test, in their order, and no other; what a failure prints can be pasted.

use std::collections::BTreeSet;
use std::fmt::Display;

use coco::counters::{self, ByReason};
use coco_core::config::{Config, KEYS, Key, Program};
use coco_daemon::counters::Definition;
use coco_tests::coco::Coco;
use coco_tests::repository;
use serde_json::Value;

fn read(document: &str) -> String {
    std::fs::read_to_string(repository().join(document)).expect("the document is there")
}

/// The rows of the table between this heading and the next.
fn table(heading: &str) -> Vec<String> {
    let readme = read("README.md");
    let mut lines = readme.lines().skip_while(|line| *line != heading).skip(1).peekable();
    assert!(lines.peek().is_some(), "the README has no {heading:?}");
    let rows = lines.take_while(|line| !line.starts_with('#')).filter(|line| line.starts_with('|'));
    rows.skip(2).map(str::to_owned).collect()
}

fn assert_table(heading: &str, expected: impl IntoIterator<Item = String>) {
    let (found, expected) = (table(heading), expected.into_iter().collect::<Vec<_>>());
    assert!(found == expected, "below {heading:?} is to stand:\n\n{}\n", expected.join("\n"));
}

fn key_row(key: &Key) -> String {
    let readers: &[Program] = key.read_by;
    let readers = match (readers.contains(&Program::Coco), readers.contains(&Program::Noodle)) {
        (true, true) => "both",
        (true, false) => "Coco",
        _ => "Noodle",
    };
    let default = match key.default {
        Some(default) => format!("`{default}`"),
        None if key.required_by.is_empty() => "none".to_owned(),
        None => "required".to_owned(),
    };
    let Key { section, name, kind, meaning, .. } = key;
    format!("| `{section}.{name}` | {readers} | {default} | {meaning} | {kind} |")
}

#[test]
fn every_key_is_in_the_table_with_its_default() {
    assert_table("### All keys", KEYS.iter().map(key_row));
}

#[test]
fn every_configuration_shown_is_valid() {
    let readme = read("README.md");
    let blocks: Vec<_> =
        readme.split("```toml\n").skip(1).filter_map(|block| block.split("```").next()).collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        for program in [Program::Coco, Program::Noodle] {
            if let Err(problems) = Config::parse(block, program) {
                panic!("{program:?}: {problems}\n{block}");
            }
        }
    }
}

#[test]
fn every_counter_of_coco_is_in_the_table() {
    assert_table("### Counters of Coco", counters::definitions().map(Definition::documentation_row));
}

#[test]
fn every_reason_is_in_the_table() {
    let rows = ByReason::all().map(|reason| {
        let meaning: &dyn Display = match &reason {
            ByReason::Malformed(reason) => reason,
            ByReason::Incomplete(reason) | ByReason::RefusedNotification(reason) => reason,
        };
        let (definition, key) = reason.definition();
        format!("| `{}` | {meaning} |", definition.documented_name().replace("{{ reason }}", key))
    });
    assert_table("### Reasons for refusing", rows);
}

#[test]
fn names_of_metrics_are_those_of_the_table() {
    let known: BTreeSet<_> = counters::definitions().map(Definition::prometheus_name).collect();
    let readme = read("README.md");
    let words = readme.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let named: BTreeSet<_> = words.filter(|word| word.starts_with("coco_")).map(str::to_owned).collect();
    assert!(!named.is_empty());
    let unknown: Vec<_> = named.difference(&known).collect();
    assert!(unknown.is_empty(), "no such metrics: {unknown:?}");
}

/// The paths in the first column of a table, less what stands behind the question mark.
fn documented_paths(heading: &str) -> BTreeSet<String> {
    let path = |row: String| {
        let path = row.split('`').nth(1).unwrap_or_else(|| panic!("no path in {row}"));
        path.split('?').next().unwrap_or(path).to_owned()
    };
    table(heading).into_iter().map(path).collect()
}

#[test]
fn every_route_of_coco_is_in_the_table() {
    let coco = Coco::start(
        "[listen]\nbind = \"127.0.0.1:0\"\n[api]\nbind = \"127.0.0.1:0\"\n[tiers.a]\ntargets = [\"127.0.0.1:9\"]\n",
    );
    let Value::Object(routes) = coco.json("/")["routes"].take() else { panic!("no routes") };
    let routes = routes.into_iter().map(|(path, _)| path).chain(["/".to_owned()]).collect();
    assert_eq!(documented_paths("### Paths of Coco"), routes);
}

#[test]
fn files_that_documents_name_are_there() {
    for document in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"] {
        let text = read(document);
        let quoted = text
            .lines()
            .filter(|line| !line.starts_with("```"))
            .flat_map(|line| line.split('`').skip(1).step_by(2));
        let is_file = |word: &&str| {
            ["crates/", "etc/", "tests/"].iter().any(|start| word.starts_with(start))
                && !word.contains(['*', '{', ' '])
        };
        for path in quoted.filter(is_file) {
            assert!(repository().join(path).exists(), "{document} names {path}, which is not there");
        }
    }
}
