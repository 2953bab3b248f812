//! Rows of a host, file by file.

use std::sync::Arc;
use std::time::Instant;

use ::series::series::Series;

use super::File;
use crate::budget::Reservation;
use crate::failure::Failure;

/// Rows of some metrics of a host, as one target has them, or as several have them together.
#[derive(Debug)]
pub struct HostRows {
    /// In the order of an answer.
    pub metrics: Vec<MetricRows>,
    /// When hosts and files were listed to find them, if they were.
    pub listed: Option<Instant>,
    /// What is not among them, though it is there, if anything is.
    pub unread: Option<Unread>,
    /// What they take.
    pub reservation: Reservation,
}

/// Files of a host that its target has and can't read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Which.
    pub files: Vec<File>,
    /// Why.
    pub failure: Failure,
}

/// Rows of a metric: what stands in one RRD file.
#[derive(Debug, Clone, PartialEq)]
pub struct MetricRows {
    /// collectd's plugin and its instance.
    pub plugin: Box<[u8]>,
    /// collectd's type and its instance.
    pub instance: Box<[u8]>,
    /// In the order of the file, each on a grid of its own.
    pub sources: Vec<SourceRows>,
}

/// Rows of a data source: a copy, as is kept for the next who asks, has the same memory.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceRows {
    /// Its name: `value` for most types.
    pub name: Arc<[u8]>,
    /// Whether rows are rates of what counts, a COUNTER, DERIVE or ABSOLUTE, rather than what was measured, a GAUGE; none
    /// where [nobody wanted to know](crate::ask::Addressees).
    pub is_rate: Option<bool>,
    /// From the row in which the start of the window lies to the one in which its finish lies, as librrd has them.
    pub rows: Series,
}

impl HostRows {
    /// How many rows there are, of each data source.
    pub fn rows(&self) -> usize {
        self.bytes() / size_of::<f64>()
    }

    /// How many bytes of values there are.
    pub fn bytes(&self) -> usize {
        self.metrics.iter().map(MetricRows::bytes).sum()
    }
}

impl MetricRows {
    /// How many bytes of values there are.
    pub fn bytes(&self) -> usize {
        self.sources.iter().map(|source| source.rows.grid().rows() * size_of::<f64>()).sum()
    }

    /// Plugin and instance, by which metrics of a host are told apart.
    pub fn name(&self) -> (&[u8], &[u8]) {
        (&self.plugin, &self.instance)
    }
}
