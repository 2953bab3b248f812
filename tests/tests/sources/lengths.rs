//! Files and functions are short, or `ARCHITECTURE.md` says why they are not ("What stays long").
//!
//! rustfmt has written them, so a function ends where a brace stands as far from the margin as its first line.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use coco_harness::repository;

/// Lines of a file, without its tests.
const MOST_OF_A_FILE: usize = 350;

/// Lines of a function between its braces.
const MOST_OF_A_FUNCTION: usize = 60;

/// What may stand in front of `fn`.
const QUALIFIERS: [&str; 5] = ["pub ", "pub(crate) ", "pub(super) ", "const ", "async "];

/// All files of source below a folder, those of tests not.
fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(folder).expect("a folder of source") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !path.ends_with("tests.rs") {
            let name = path.strip_prefix(repository()).expect("a file of ours").display().to_string();
            let text = fs::read_to_string(&path).expect("source");
            found.push((name, without_tests(&text).to_owned()));
        }
    }
}

/// All files of source of all crates: their names, and what stands there in front of tests.
fn all_sources() -> Vec<(String, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(repository().join("crates")).expect("there are crates") {
        sources(&entry.expect("a folder").path().join("src"), &mut found);
    }
    assert!(found.len() > 300, "{} files", found.len());
    found
}

/// What stands in front of the module of tests, which is the last one.
fn without_tests(text: &str) -> &str {
    let is_of_tests = |at: usize| {
        let item = text[at..].lines().find(|line| !line.starts_with("#["));
        item.is_some_and(|line| line.contains("mod tests") && line.ends_with('{'))
    };
    let places = text.match_indices("\n#[cfg(test)]\n").map(|(at, _)| at + 1);
    places.into_iter().find(|at| is_of_tests(*at)).map_or(text, |at| &text[..at])
}

/// The name of the function that this line begins.
fn function(line: &str) -> Option<&str> {
    let mut rest = line.trim_start();
    while let Some(behind) = QUALIFIERS.iter().find_map(|qualifier| rest.strip_prefix(qualifier)) {
        rest = behind;
    }
    rest.strip_prefix("fn ")?.split(['(', '<']).next()
}

/// Each function with the number of lines between its braces.
fn functions(text: &str) -> Vec<(&str, usize)> {
    let lines: Vec<_> = text.lines().collect();
    let mut found = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let Some(name) = function(line) else { continue };
        let margin = &line[..line.len() - line.trim_start().len()];
        let ends = |line: &&&str| {
            let rest = line.strip_prefix(margin).unwrap_or_default();
            rest.starts_with('}') || rest.starts_with(')') && rest.ends_with(';')
        };
        let is_done = line.ends_with('}') || line.ends_with(';');
        let count = if is_done { 0 } else { lines[at..].iter().take_while(|line| !ends(line)).count() };
        let head = lines[at..].iter().take_while(|line| !line.ends_with('{')).count() + 1;
        found.push((name, count.saturating_sub(head)));
    }
    found
}

/// The first cells of the table below this heading, without backticks, with the second ones.
fn table(heading: &str) -> BTreeMap<String, String> {
    let text = fs::read_to_string(repository().join("ARCHITECTURE.md")).expect("the map");
    let (_, section) = text.split_once(&format!("\n{heading}\n")).expect("the heading");
    let section = section.split("\n#").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.strip_suffix(" |"));
    let cells = rows.filter_map(|row| row.split_once("` | "));
    cells.map(|(what, why)| (what.to_owned(), why.to_owned())).collect()
}

#[test]
fn files_are_short_or_have_a_reason() {
    let reasons = table("### Files");
    let long: BTreeMap<_, _> = all_sources()
        .into_iter()
        .map(|(name, text)| (name, text.lines().count()))
        .filter(|(_, lines)| *lines > MOST_OF_A_FILE)
        .collect();
    for (name, lines) in &long {
        assert!(reasons.contains_key(name), "{name} has {lines} lines, and no reason in ARCHITECTURE.md");
    }
    for name in reasons.keys() {
        assert!(
            long.contains_key(name),
            "{name} needs no reason in ARCHITECTURE.md: it is not long, or not there"
        );
    }
}

#[test]
fn functions_are_short_or_have_a_reason() {
    let reasons = table("### Functions");
    let mut long = BTreeMap::new();
    for (file, text) in all_sources() {
        for (name, lines) in functions(&text).into_iter().filter(|(_, lines)| *lines > MOST_OF_A_FUNCTION) {
            long.insert(format!("{name}` in `{file}"), lines);
        }
    }
    for (name, lines) in &long {
        assert!(reasons.contains_key(name), "`{name}` has {lines} lines, and no reason in ARCHITECTURE.md");
    }
    for name in reasons.keys() {
        assert!(
            long.contains_key(name),
            "`{name}` needs no reason in ARCHITECTURE.md: it is not long, or not there"
        );
    }
}

#[test]
fn functions_are_measured_between_their_braces() {
    let text = "pub(crate) const fn one() {}\n\nimpl A {\n    async fn two<T>(\n        t: T,\n    ) -> T {\n        t\n    }\n}\n\
                \ntrait B {\n    fn three(&self);\n}\n";
    assert_eq!(functions(text), [("one", 0), ("two", 1), ("three", 0)]);
    let tests = "fn a() {}\n\n#[cfg(test)]\nuse b;\n\n#[cfg(test)]\n#[expect(c)]\npub(super) mod tests {\n    fn d() {}\n}\n";
    assert_eq!(functions(without_tests(tests)), [("a", 0)]);
}
