//! Measured values, at one moment.

use std::sync::Arc;

use super::definition::{Definition, Kind, View, placeholder};
use crate::latency::Distribution;

/// A measured value. Counts stay exact over the whole range of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Value {
    /// A count of things.
    Integer(u64),
    /// An average, a share, a number of seconds. NaN and infinities are `null` in JSON.
    Real(f64),
}

impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Integer(value)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl Value {
    pub(super) fn real(self) -> f64 {
        match self {
            Self::Integer(value) => value as f64,
            Self::Real(value) => value,
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        match (self, other) {
            (Self::Integer(a), Self::Integer(b)) => Self::Integer(a.saturating_add(b)),
            (a, b) => Self::Real(a.real() + b.real()),
        }
    }
}

/// Labels of a sample, in the order in which they are shown.
pub type Labels<'a> = &'a [(&'static str, &'a Arc<str>)];

/// A value of some definition, and where it belongs.
#[derive(Debug)]
pub(super) struct Sample<V = Value> {
    pub(super) definition: &'static Definition,
    pub(super) labels: Vec<(&'static str, Arc<str>)>,
    pub(super) value: V,
}

impl<V> Sample<V> {
    fn new(definition: &'static Definition, labels: Labels<'_>, value: V) -> Self {
        debug_assert!(
            definition.path.iter().filter_map(|e| placeholder(e)).all(|p| labels.iter().any(|l| l.0 == p)),
            "{definition:?} lacks a label in {labels:?}"
        );
        let labels = labels.iter().map(|&(name, value)| (name, Arc::clone(value))).collect();
        Self { definition, labels, value }
    }

    /// The text of a path element in this sample.
    pub(super) fn label<'a>(&'a self, element: &'a str) -> &'a str {
        let Some(name) = placeholder(element) else {
            return element;
        };
        self.labels.iter().find(|label| label.0 == name).map_or(element, |label| &label.1)
    }
}

/// Everything a daemon counts, at one moment.
#[derive(Debug, Default)]
pub struct Snapshot {
    samples: Vec<Sample>,
    pub(super) distributions: Vec<Sample<Distribution>>,
}

impl Snapshot {
    /// Nothing measured yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a sample. `labels` holds a value for every placeholder of the path and may hold more: samples
    /// that land on one JSON path, or on one series of `/metrics`, are added up there.
    ///
    /// A placeholder without its label is a mistake of the program: it panics in a debug build and shows
    /// as itself otherwise.
    pub fn add(&mut self, definition: &'static Definition, labels: Labels<'_>, value: impl Into<Value>) {
        debug_assert!(definition.kind != Kind::Histogram, "{definition:?} is no single value");
        self.samples.push(Sample::new(definition, labels, value.into()));
    }

    /// Adds a distribution, the only one of its path and of its labels.
    pub fn add_distribution(
        &mut self,
        definition: &'static Definition,
        labels: Labels<'_>,
        value: Distribution,
    ) {
        debug_assert!(definition.kind == Kind::Histogram, "{definition:?} is a single value");
        self.distributions.push(Sample::new(definition, labels, value));
    }

    /// The samples of a view.
    pub(super) fn shown_in(&self, view: View) -> impl Iterator<Item = &Sample> {
        let shown = move |sample: &&Sample| [View::Both, view].contains(&sample.definition.view);
        self.samples.iter().filter(shown)
    }
}
