//! The view of `/metrics`.

use std::collections::BTreeMap;
use std::sync::Arc;

use metrics::{Label, counter, describe_counter, describe_gauge, gauge, with_local_recorder};
use metrics_exporter_prometheus::PrometheusBuilder;

use super::definition::{Definition, Kind};
use super::snapshot::{Sample, Value};

pub(super) fn text<'a>(samples: impl Iterator<Item = &'a Sample>) -> String {
    // A recorder keeps every label set it ever saw, so each scrape gets a fresh one.
    let recorder = PrometheusBuilder::new().build_recorder();
    with_local_recorder(&recorder, || {
        let mut names = BTreeMap::new();
        for sample in samples {
            let definition = sample.definition;
            let name = names.entry(std::ptr::from_ref(definition)).or_insert_with(|| describe(definition));
            record(Arc::clone(name), sample);
        }
    });
    sorted(&recorder.handle().render())
}

/// Tells the recorder what a name means.
fn describe(definition: &Definition) -> Arc<str> {
    let name: Arc<str> = definition.prometheus_name().into();
    match definition.kind {
        Kind::Counter => describe_counter!(Arc::clone(&name), definition.help),
        Kind::Gauge => describe_gauge!(Arc::clone(&name), definition.help),
    }
    name
}

/// Adds to what samples of the same series came to: in a fresh recorder every series begins at 0.
fn record(name: Arc<str>, sample: &Sample) {
    let labels: Vec<Label> =
        sample.labels.iter().map(|(name, value)| Label::new(*name, Arc::clone(value))).collect();
    match (sample.definition.kind, sample.value) {
        (Kind::Counter, Value::Integer(value)) => counter!(name, labels).increment(value),
        (Kind::Counter, Value::Real(value)) => counter!(name, labels).increment(value as u64),
        (Kind::Gauge, value) => gauge!(name, labels).increment(value.real()),
    }
}

/// Sorts what the exporter renders in the order of its hash tables: families are apart by an empty line,
/// their comments come first.
fn sorted(rendered: &str) -> String {
    let mut families: Vec<Vec<&str>> = rendered
        .split("\n\n")
        .map(|family| family.lines().collect::<Vec<_>>())
        .filter(|family| !family.is_empty())
        .collect();
    for family in &mut families {
        family.sort_by_key(|line| (!line.starts_with('#'), *line));
    }
    families.sort();
    let mut text = String::with_capacity(rendered.len());
    for line in families.into_iter().flatten() {
        text.push_str(line);
        text.push('\n');
    }
    text
}
