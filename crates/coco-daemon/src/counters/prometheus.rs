//! The view of `/metrics`.

use std::collections::BTreeMap;
use std::sync::Arc;

use metrics::{Label, counter, describe_counter, describe_gauge, gauge, with_local_recorder};
use metrics_exporter_prometheus::PrometheusBuilder;

use super::definition::{Definition, Kind, View};
use super::snapshot::{Sample, Snapshot, Value};
use crate::latency::Distribution;

impl Snapshot {
    /// The text format of Prometheus, families and series sorted by name.
    pub fn prometheus(&self) -> String {
        // A recorder keeps every label set it ever saw, so each scrape gets a fresh one.
        let recorder = PrometheusBuilder::new().build_recorder();
        with_local_recorder(&recorder, || {
            let mut names = BTreeMap::new();
            for sample in self.shown_in(View::Prometheus) {
                let definition = sample.definition;
                let name =
                    names.entry(std::ptr::from_ref(definition)).or_insert_with(|| describe(definition));
                record(Arc::clone(name), sample);
            }
        });
        let mut families = sorted(&recorder.handle().render());
        families.extend(histograms(&self.distributions));
        families.sort();
        families.concat()
    }
}

/// Tells the recorder what a name means.
fn describe(definition: &Definition) -> Arc<str> {
    let name: Arc<str> = definition.prometheus_name().into();
    match definition.kind {
        Kind::Counter => describe_counter!(Arc::clone(&name), definition.help),
        Kind::Gauge | Kind::Histogram => describe_gauge!(Arc::clone(&name), definition.help),
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
        (Kind::Gauge | Kind::Histogram, value) => gauge!(name, labels).increment(value.real()),
    }
}

/// Sorts what the exporter renders in the order of its hash tables: families are apart by an empty line,
/// their comments come first.
pub(super) fn sorted(rendered: &str) -> Vec<String> {
    let families = rendered.split("\n\n").filter(|family| !family.trim().is_empty());
    families
        .map(|family| {
            let mut lines: Vec<_> = family.lines().filter(|line| !line.is_empty()).collect();
            lines.sort_by_key(|line| (!line.starts_with('#'), *line));
            lines.into_iter().flat_map(|line| [line, "\n"]).collect()
        })
        .collect()
}

/// The families of distributions, with their buckets in order as the format asks for. The recorder can't make them:
/// it takes durations one by one, not what they came to.
fn histograms(distributions: &[Sample<Distribution>]) -> Vec<String> {
    let mut families = BTreeMap::new();
    for sample in distributions {
        let name = sample.definition.prometheus_name();
        let family = families.entry(name.clone()).or_insert_with(|| {
            format!("# HELP {name} {}\n# TYPE {name} histogram\n", sample.definition.help)
        });
        let labels: String =
            sample.labels.iter().map(|(name, value)| format!("{name}=\"{}\",", escaped(value))).collect();
        for (bound, below) in sample.value.buckets() {
            let bound = if bound.is_finite() { bound.to_string() } else { "+Inf".to_owned() };
            family.push_str(&format!("{name}_bucket{{{labels}le=\"{bound}\"}} {below}\n"));
        }
        let labels = match labels.strip_suffix(',') {
            Some(labels) => format!("{{{labels}}}"),
            None => String::new(),
        };
        let (sum, count) = (sample.value.sum(), sample.value.count());
        family.push_str(&format!("{name}_sum{labels} {sum}\n{name}_count{labels} {count}\n"));
    }
    families.into_values().collect()
}

/// A label's value as the format writes it.
fn escaped(value: &str) -> String {
    value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
