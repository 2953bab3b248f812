//! The table of counters: what the manual and the sample configurations of collectd are made from.

use std::collections::BTreeSet;

use coco::counters::definitions;
use coco_daemon::counters::{Definition, View};

/// The table in the manual of Coco 1.0 (README.md there): names that checks, graphs and RRD files in the field rely on.
const GIVEN: [&str; 20] = [
    "coco.listen.raw",
    "coco.listen.decoded",
    "coco.filter.accepted",
    "coco.filter.rejected",
    "coco.send.{{ target }}",
    "coco.queues.raw",
    "coco.queues.filtered",
    "coco.lookup.{{ tier }}",
    "coco.hash.hosts.{{ target }}",
    "coco.errors.fetch.receive",
    "coco.errors.filter.unhandled",
    "coco.errors.lookup.hash.get",
    "coco.errors.send.dial",
    "coco.errors.send.write",
    "coco.hash.metrics_per_host.{{ tier }}.{{ target }}.avg",
    "coco.hash.metrics_per_host.{{ tier }}.{{ target }}.min",
    "coco.hash.metrics_per_host.{{ tier }}.{{ target }}.max",
    "coco.hash.metrics_per_host.{{ tier }}.{{ target }}.95e",
    "coco.hash.metrics_per_host.{{ tier }}.{{ target }}.length",
    "coco.hash.metrics_per_host.{{ tier }}.{{ target }}.sum",
];

#[test]
fn every_name_that_operators_know_is_there() {
    let names: BTreeSet<_> = definitions().map(Definition::documented_name).collect();
    let missing: Vec<_> = GIVEN.iter().filter(|name| !names.contains(**name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn no_name_means_two_things() {
    let mut names = BTreeSet::new();
    for definition in definitions() {
        assert!(names.insert(definition.documented_name()), "{}", definition.documented_name());
    }
    let mut names = BTreeSet::new();
    for definition in definitions().filter(|definition| definition.view != View::Json) {
        let name = definition.prometheus_name();
        assert!(name.starts_with("coco_"), "{name}");
        assert!(names.insert(name), "{}", definition.prometheus_name());
    }
}

#[test]
fn everything_is_explained_in_a_sentence() {
    for definition in definitions() {
        let help = definition.help;
        let first = help.chars().next().unwrap();
        assert!((first.is_uppercase() || first.is_ascii_digit()) && help.ends_with('.'), "{help:?}");
        assert!(help.contains(' ') && !help.contains('|') && !help.contains('\n'), "{help:?}");
    }
}
