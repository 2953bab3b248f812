//! What the documents say, held against the tables of the code: keys, counters, reasons, routes. A table must hold the
//! rows of its test, in their order, and no other; what a failure prints can be pasted.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;

use arc_swap::ArcSwap;
use coco::counters::{self, ByReason};
use coco_core::config::{Config, KEYS, Key, NoodleConfig, Program};
use coco_daemon::counters::{Definition, Snapshot, View};
use coco_daemon::http::Refusals;
use coco_daemon::logging;
use coco_daemon::lookup::Lookup;
use coco_daemon::reload::Reloads;
use coco_daemon::routes::Common;
use coco_harness::coco::Coco;
use coco_harness::repository;
use noodle::api::Api;
use noodle::dialect::counts::{Counts, GRAPHITE, PROMETHEUS};
use noodle::fleet::Fleet;
use noodle::graphite::Graphite;
use noodle::prometheus::Prometheus;
use noodle::visage::proxy::Proxy;
use serde_json::Value;

fn read(document: &str) -> String {
    std::fs::read_to_string(repository().join(document)).expect("the document is there")
}

/// The pages of `docs/`, by their names; beside them are pictures.
fn pages() -> Vec<String> {
    let entries = std::fs::read_dir(repository().join("docs")).expect("there are pages");
    let names = entries.map(|entry| entry.expect("a page").file_name().into_string().expect("UTF-8"));
    let pages = names.filter(|name| name.ends_with(".md"));
    let mut names: Vec<_> = pages.map(|name| format!("docs/{name}")).collect();
    names.sort_unstable();
    assert!(names.len() > 10, "{names:?}");
    names
}

/// The README and all pages of `docs/`, one behind the other.
fn all_pages() -> String {
    let texts = ["README.md".to_owned()].into_iter().chain(pages()).map(|name| read(&name));
    texts.collect::<Vec<_>>().join("\n")
}

/// The rows of the table between this heading and the next.
fn table(heading: &str) -> Vec<String> {
    let text = all_pages();
    let mut lines = text.lines().skip_while(|line| *line != heading).skip(1).peekable();
    assert!(lines.peek().is_some(), "no page has {heading:?}");
    let rows = lines.take_while(|line| !line.starts_with('#')).filter(|line| line.starts_with('|'));
    rows.skip(2).map(str::to_owned).collect()
}

fn assert_table(heading: &str, expected: impl IntoIterator<Item = String>) {
    let (found, expected) = (table(heading), expected.into_iter().collect::<Vec<_>>());
    assert!(found == expected, "below {heading:?} is to stand:\n\n{}\n", expected.join("\n"));
}

fn config(text: &str) -> NoodleConfig {
    NoodleConfig::parse(text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
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
    let change = if key.needs_restart { "restart" } else { "SIGHUP" };
    let Key { kind, meaning, .. } = key;
    format!("| `{}` | {readers} | {change} | {default} | {meaning} | {kind} |", key.path())
}

#[test]
fn every_key_is_in_the_table_with_its_default() {
    assert_table("# All keys", KEYS.iter().map(key_row));
}

#[test]
fn limits_stand_in_the_security_notes_with_their_defaults() {
    let limits = ["pipeline.batch", "pipeline.queue", "listen.receive_buffer"];
    let is_limit = |path: &str| path.contains(".max_") && !path.contains("packet") || limits.contains(&path);
    let notes = read("SECURITY.md");
    for key in KEYS.iter().filter(|key| is_limit(&key.path())) {
        let row = format!("| `{}` | `{}` |", key.path(), key.default.expect("a limit has a default"));
        assert!(notes.contains(&row), "{row}");
    }
    // Nor is there a row of a key that has gone, or with another default.
    for row in notes.lines().filter(|line| line.starts_with('|') && line.ends_with("` |")) {
        let known =
            |key: &Key| row.ends_with(&format!("| `{}` | `{}` |", key.path(), key.default.unwrap_or("none")));
        assert!(KEYS.iter().any(known), "{row}");
    }
}

#[test]
fn every_configuration_shown_is_valid() {
    let readme = all_pages();
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
    assert_table("## Counters of Coco", counters::definitions().map(Definition::documentation_row));
}

#[test]
fn every_counter_of_noodle_is_in_the_table() {
    let definitions = noodle::counters::table::definitions();
    assert_table("## Counters of Noodle", definitions.map(Definition::documentation_row));
}

#[test]
fn noodle_counts_nothing_that_is_not_in_its_table() {
    let config = config("[tiers.a]\ntargets = [\"127.0.0.1:9\"]\n[fetch]\nbind = \"127.0.0.1:0\"\n");
    let mut snapshot = Snapshot::new();
    Fleet::new(Arc::new(config.tiers.clone()), &config.fetch).add_to(&mut snapshot);
    Counts::new(&GRAPHITE).add_to(&mut snapshot);
    Counts::new(&PROMETHEUS).add_to(&mut snapshot);
    Lookup::new().add_to(&mut snapshot, &config.tiers);
    Reloads::new(&config).add_to(&mut snapshot);
    logging::add_to(&mut snapshot, Program::Noodle);
    Refusals::default().add_to(&mut snapshot, Program::Noodle);
    let text = snapshot.prometheus();
    let shown = text.lines().filter_map(|line| line.strip_prefix("# HELP ")?.split(' ').next());
    let shown: BTreeSet<_> = shown.map(str::to_owned).collect();
    let defined = noodle::counters::table::definitions().filter(|definition| definition.view != View::Json);
    assert_eq!(shown, defined.map(Definition::prometheus_name).collect());
}

#[test]
fn every_reason_of_noodle_is_in_the_table() {
    let reasons: BTreeSet<_> =
        noodle::failure::Reason::ALL.into_iter().map(|(_, name)| name.to_owned()).collect();
    assert_eq!(first_column("## Reasons for a target's failure"), reasons);
}

#[test]
fn every_reason_is_in_the_table() {
    let rows = ByReason::all().map(|reason| {
        let meaning: &dyn Display = match &reason {
            ByReason::Malformed(reason) => reason,
            ByReason::Incomplete(reason) => reason,
            ByReason::RefusedNotification(reason) => reason,
            ByReason::Refused(reason) => reason,
        };
        let (definition, key) = reason.definition();
        format!("| `{}` | {meaning} |", definition.documented_name().replace("{{ reason }}", key))
    });
    assert_table("## Reasons for refusing", rows);
}

#[test]
fn names_of_metrics_are_those_of_the_table() {
    let definitions = counters::definitions().chain(noodle::counters::table::definitions());
    let known: BTreeSet<_> = definitions.map(Definition::prometheus_name).collect();
    let readme = all_pages();
    let words = readme.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let named: BTreeSet<_> = words
        .filter(|word| ["coco_", "noodle_"].iter().any(|program| word.starts_with(program)))
        .map(str::to_owned)
        .collect();
    assert!(!named.is_empty());
    let unknown: Vec<_> = named.difference(&known).collect();
    assert!(unknown.is_empty(), "no such metrics: {unknown:?}");
}

/// What stands in backticks in the first column of a table, less what follows a question mark.
fn first_column(heading: &str) -> BTreeSet<String> {
    let first = |row: String| {
        let quoted = row.split('`').nth(1).unwrap_or_else(|| panic!("nothing in backticks in {row}"));
        quoted.split('?').next().unwrap_or(quoted).to_owned()
    };
    table(heading).into_iter().map(first).collect()
}

/// What `cococtl size` calculates by, and what of it was measured.
#[test]
fn the_model_of_sizes_is_that_of_the_code() {
    let page = read("docs/sizing.md");
    for (what, how, from) in cococtl::size::MODEL {
        let line = format!("| {what} | {how} | {from} |");
        assert!(page.lines().any(|of_page| of_page == line), "{line}");
    }
}

#[test]
fn every_command_of_cococtl_is_in_the_table() {
    let command = cococtl::command();
    let rows = command.get_subcommands().map(|command| {
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        format!("| `cococtl {}` | {about} |", command.get_name())
    });
    assert_table("## Commands", rows);
}

#[test]
fn every_route_of_coco_is_in_the_table() {
    let coco = Coco::start(
        "[listen]\nbind = \"127.0.0.1:0\"\n[api]\nbind = \"127.0.0.1:0\"\n[tiers.a]\ntargets = [\"127.0.0.1:9\"]\n",
    );
    let Value::Object(routes) = coco.json("/")["routes"].take() else { panic!("no routes") };
    let routes = routes.into_iter().map(|(path, _)| path).chain(["/".to_owned()]).collect();
    assert_eq!(first_column("## Paths of Coco"), routes);
}

#[test]
fn every_route_of_noodle_is_in_the_table() {
    let config = config("[tiers.a]\ntargets = [\"127.0.0.1:9\"]\n[fetch]\nbind = \"127.0.0.1:0\"\n");
    let fleet = Arc::new(Fleet::new(Arc::new(config.tiers.clone()), &config.fetch));
    let proxy = Proxy::new(Arc::clone(&fleet), &config.fetch);
    let common = Common::new(Arc::new(Reloads::new(&config)), Arc::default());
    let graphite = Graphite::new(Arc::clone(&fleet), &config);
    let prometheus = Prometheus::new(fleet, &config);
    let (proxy, graphite) = (ArcSwap::from_pointee(proxy), ArcSwap::from_pointee(graphite));
    let prometheus = Arc::new(ArcSwap::from_pointee(prometheus));
    let router = Api::new(common, Arc::new(proxy), Arc::new(graphite), prometheus).router();
    assert_eq!(first_column("## Paths of Noodle"), router.paths().map(str::to_owned).collect());
}

#[test]
fn every_function_of_graphite_is_in_its_tables() {
    let page = read("docs/graphs-with-grafana.md");
    let (_, found) = page.split_once("\n## Functions\n").expect("a chapter of functions");
    let expected = graphite::functions_as_markdown();
    assert!(
        found.ends_with(&format!("\n{expected}")),
        "at the end of \"## Functions\" is to stand:\n\n{expected}"
    );
}

#[test]
fn files_that_documents_name_are_there() {
    let others = ["README.md", "ARCHITECTURE.md", "SECURITY.md", "CHANGELOG.md"].map(str::to_owned);
    for document in others.into_iter().chain(pages()) {
        let text = read(&document);
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

/// The headings of a page, as links name them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut in_code = false;
    let mut anchors = BTreeSet::new();
    for line in text.lines() {
        in_code ^= line.trim_start().starts_with("```");
        if let (false, Some((marks, heading))) = (in_code, line.split_once(' '))
            && !marks.is_empty()
            && marks.bytes().all(|byte| byte == b'#')
        {
            let kept = heading.to_lowercase().replace(' ', "-");
            anchors.insert(kept.chars().filter(|c| c.is_alphanumeric() || "-_".contains(*c)).collect());
        }
    }
    anchors
}

#[test]
fn every_link_between_pages_leads_somewhere() {
    let mut links = 0;
    for page in pages().into_iter().chain(["README.md".to_owned(), "SECURITY.md".to_owned()]) {
        let text = read(&page);
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.contains("://") || target.contains(' ') {
                continue;
            }
            links += 1;
            let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
            let folder = repository().join(&page).parent().expect("a folder").to_owned();
            let path = if file.is_empty() { repository().join(&page) } else { folder.join(file) };
            assert!(path.exists(), "{page} links to {target}, which is not there");
            let found = anchor.is_empty()
                || anchors(&std::fs::read_to_string(path).expect("a page")).contains(anchor);
            assert!(found, "{page} links to {target}: no such heading");
        }
    }
    assert!(links > 40, "{links}");
}

#[test]
fn the_index_names_every_page_and_the_readme_is_short() {
    let index = read("docs/README.md");
    for page in pages().iter().filter(|page| *page != "docs/README.md") {
        let name = page.strip_prefix("docs/").expect("it is in docs");
        assert!(index.contains(&format!("]({name})")), "docs/README.md does not name {name}");
    }
    let lines = read("README.md").lines().count();
    assert!(lines <= 250, "{lines} lines");
}
