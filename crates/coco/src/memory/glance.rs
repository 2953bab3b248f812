//! Hosts at a glance: when each was last seen and how many metrics it has, without a look at their names.

use std::cell::Cell as Counted;

use super::renew::VERDICT_COST;
use super::{Host, HostId, Judge, Memory, VISITED_AT_ONCE};
use crate::share::Shares;

/// A host at a glance, as one lane knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance {
    /// When one of its metrics was last seen, in Unix seconds.
    pub seen: u32,
    /// Number of its metrics, rejected ones included.
    pub metrics: u32,
    /// Number of them that the filter rejects; none if that was decided by other rules than the judge's.
    pub rejected: Option<u32>,
}

/// A host that may be one of those that are looked for.
pub struct Candidate<'a> {
    host: &'a Host,
    /// What was asked of it, in hosts.
    cost: Counted<usize>,
}

/// Hosts that are glanced at before the lane goes on: the cells of each lie elsewhere, and are waited for.
const GLANCED_AT_ONCE: usize = VISITED_AT_ONCE / 4;

/// Cells that cost as much as a host: they lie side by side.
const CELLS_OF_HOST: usize = 64;

impl Candidate<'_> {
    /// Its name.
    pub fn name(&self) -> &[u8] {
        &self.host.name
    }

    /// The shares that it is in, as a judge says.
    pub fn shares(&self, judge: &impl Judge) -> Shares {
        if self.host.version != judge.version() {
            self.cost.update(|cost| cost + VERDICT_COST);
        }
        self.host.shares_by(judge)
    }

    /// Whether no metric of it was seen within so many seconds before `now`.
    pub fn is_silent(&self, now: u32, silence: u32) -> bool {
        let mut looked_at = 0;
        let speaks = self.host.metrics.iter().any(|(_, cell)| {
            looked_at += 1;
            cell.silence(now) < silence
        });
        self.cost.update(|cost| cost + looked_at / CELLS_OF_HOST);
        !speaks
    }
}

impl Memory {
    /// Shows some of the hosts, from number `from` on. Returns where to go on, `None` at the end.
    pub fn visit_candidates(&self, from: HostId, mut visit: impl FnMut(&Candidate<'_>)) -> Option<HostId> {
        let mut left = GLANCED_AT_ONCE;
        for (id, host) in (from..).zip(self.hosts.from(from)) {
            if left == 0 {
                return Some(id);
            }
            left -= 1;
            let Some(host) = host else { continue };
            let candidate = Candidate { host, cost: Counted::new(0) };
            visit(&candidate);
            left = left.saturating_sub(candidate.cost.get());
        }
        None
    }

    /// Whether it knows a host, and if so, whether that is [silent](Candidate::is_silent).
    pub fn knows(&self, name: &[u8], now: u32, silence: u32) -> Option<bool> {
        let host = self.host_of(name)?;
        Some(silence == 0 || Candidate { host, cost: Counted::new(0) }.is_silent(now, silence))
    }

    /// What it knows of a host, and what that cost of [a reader's budget](super::Unread::budget).
    pub fn glance(&self, name: &[u8], judge: &impl Judge) -> (Option<Glance>, usize) {
        let Some(host) = self.host_of(name) else { return (None, 1) };
        let metrics = host.metrics.len();
        let seen = host.metrics.iter().map(|(_, cell)| cell.seen(self.now)).max().unwrap_or_default();
        let is_known = host.version.verdicts == judge.version().verdicts;
        let rejected = is_known.then(|| u32::from(host.rejected));
        (Some(Glance { seen, metrics: metrics as u32, rejected }), 1 + metrics / 8)
    }
}
