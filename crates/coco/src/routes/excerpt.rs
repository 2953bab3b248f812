//! Copies of what is remembered, made a few hosts at a time so that a lane is never held up.

use super::{Host, HostId, HostName, Judge, Name, Names, Owners, Routes, VISITED_AT_ONCE};

/// A host and its metrics at one moment.
#[derive(Clone, Debug)]
pub struct HostExcerpt {
    /// The host's name.
    pub name: HostName,
    /// The targets that own it, an index a [partition](crate::partitions).
    pub owners: Owners,
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
    /// Copies some of the hosts as `judge` sees them, from number `from` on. Returns where to go on, `None` at the end.
    pub fn excerpt(
        &self,
        from: HostId,
        detail: Detail,
        judge: &mut impl Judge,
        out: &mut Vec<HostExcerpt>,
    ) -> Option<HostId> {
        let mut visited = 0;
        for (id, host) in (from..).zip(self.hosts.get(from as usize..).unwrap_or_default()) {
            if visited >= VISITED_AT_ONCE {
                return Some(id);
            }
            visited += 1;
            let Some(host) = host else { continue };
            visited += if detail == Detail::Metrics { host.metrics.len() } else { 0 };
            visited += host.cost_of_verdicts(judge.version());
            out.push(host.excerpt(&self.names, self.now, detail, judge));
        }
        None
    }

    /// Copies one host with its metrics, as `judge` sees them.
    pub fn excerpt_of(&self, name: &[u8], judge: &mut impl Judge) -> Option<HostExcerpt> {
        let host = self.hosts[self.id_of(self.hash(name), name)? as usize].as_ref()?;
        Some(host.excerpt(&self.names, self.now, Detail::Metrics, judge))
    }
}

impl Host {
    fn excerpt(&self, names: &Names, now: u32, detail: Detail, judge: &mut impl Judge) -> HostExcerpt {
        let (name, owners) = (self.name.clone(), self.owners_by(judge));
        if detail == Detail::Counts && self.version.verdicts == judge.version().verdicts {
            let accepted = self.metrics.len() as u32 - u32::from(self.rejected);
            return HostExcerpt { name, owners, accepted, metrics: Vec::new() };
        }
        let mut accepted = 0;
        let mut metrics = Vec::new();
        for (name, cell) in self.metrics_by(names, judge) {
            let rejected = cell.rejected();
            accepted += u32::from(!rejected);
            if detail == Detail::Metrics {
                metrics.push(MetricExcerpt { name: name.clone(), seen: cell.seen(now), rejected });
            }
        }
        HostExcerpt { name, owners, accepted, metrics }
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
        Self { name: self.name.clone(), owners: self.owners.clone(), accepted, metrics }
    }
}
