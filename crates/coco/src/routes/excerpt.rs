//! Copies of what is remembered, made a few hosts at a time so that a lane is never held up.

use super::{Host, HostId, Name, Names, Routes, VISITED_AT_ONCE};
use std::sync::Arc;

/// A host and its metrics at one moment.
#[derive(Clone, Debug)]
pub struct HostExcerpt {
    /// The host's name.
    pub name: Arc<[u8]>,
    /// The targets that own it, an index a [partition](crate::partitions).
    pub owners: Arc<[u16]>,
    /// How many metrics of it are sent.
    pub accepted: u32,
    /// Those metrics that were asked for.
    pub metrics: Vec<MetricExcerpt>,
}

/// A metric at one moment.
#[derive(Clone, Debug)]
pub struct MetricExcerpt {
    /// The metric's name.
    pub name: Name,
    /// When it was last seen, in Unix seconds.
    pub seen: u32,
    /// Whether the filter rejects it.
    pub rejected: bool,
}

/// How much of a host is copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Its owners and the number of its metrics.
    Counts,
    /// Its metrics too.
    Metrics,
}

impl Routes {
    /// Copies some of the hosts, from number `from` on. Returns where to go on, `None` at the end.
    pub fn excerpt(&self, from: HostId, detail: Detail, out: &mut Vec<HostExcerpt>) -> Option<HostId> {
        let mut visited = 0;
        for (id, host) in (from..).zip(self.hosts.get(from as usize..).unwrap_or_default()) {
            if visited >= VISITED_AT_ONCE {
                return Some(id);
            }
            visited += 1;
            let Some(host) = host else { continue };
            visited += if detail == Detail::Metrics { host.metrics.len() } else { 0 };
            out.push(host.excerpt(&self.names, detail));
        }
        None
    }

    /// Copies one host with its metrics.
    pub fn excerpt_of(&self, name: &[u8]) -> Option<HostExcerpt> {
        let hash = self.hash(name);
        let mut found = self.index.iter_hash(hash).filter_map(|&id| self.hosts[id as usize].as_ref());
        found.find(|host| *host.name == *name).map(|host| host.excerpt(&self.names, Detail::Metrics))
    }
}

impl Host {
    fn excerpt(&self, names: &Names, detail: Detail) -> HostExcerpt {
        let metrics = match detail {
            Detail::Counts => Vec::new(),
            Detail::Metrics => self
                .metrics
                .iter()
                .map(|metric| MetricExcerpt {
                    name: names.get(metric.name()).clone(),
                    seen: metric.seen,
                    rejected: metric.rejected(),
                })
                .collect(),
        };
        HostExcerpt {
            name: Arc::clone(&self.name),
            owners: Arc::clone(&self.owners),
            accepted: self.metrics.len() as u32 - self.rejected,
            metrics,
        }
    }
}

impl HostExcerpt {
    /// The metrics of both, each last seen at the later time.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut metrics: Vec<MetricExcerpt> = self.metrics.iter().chain(&other.metrics).cloned().collect();
        // The later one first, so that it is the one that stays.
        metrics.sort_by(|a, b| a.name.cmp(&b.name).then(b.seen.cmp(&a.seen)));
        metrics.dedup_by(|later, first| later.name == first.name);
        let accepted = metrics.iter().filter(|metric| !metric.rejected).count() as u32;
        Self { name: Arc::clone(&self.name), owners: Arc::clone(&self.owners), accepted, metrics }
    }
}
