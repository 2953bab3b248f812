//! Rows as samples, and the samples of one series that several hosts or files have.

use remote_write::message::{Sample, TimeSeries};

use crate::ask::rows::SourceRows;

/// By what series are ordered.
pub(super) fn key(series: &TimeSeries) -> impl Iterator<Item = (&str, &str)> {
    series.labels.iter().map(|label| (&*label.name, &*label.value))
}

/// The known rows of a source that end between these milliseconds, both included.
pub(super) fn samples(source: &SourceRows, start: i64, end: i64) -> Vec<Sample> {
    let known = source.rows.grid().ends().zip(source.rows.nan_values()).filter(|(_, value)| !value.is_nan());
    let samples =
        known.map(|(second, value)| Sample { value: *value, timestamp: second.saturating_mul(1000) });
    samples.filter(|sample| (start..=end).contains(&sample.timestamp)).collect()
}

/// Adds samples of times that are not there yet.
pub(super) fn join(samples: &mut Vec<Sample>, others: &[Sample]) {
    samples.extend_from_slice(others);
    samples.sort_by_key(|sample| sample.timestamp);
    samples.dedup_by_key(|sample| sample.timestamp);
}
