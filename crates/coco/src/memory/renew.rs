//! Deciding anew on hosts that are remembered, when what decides has changed.
//!
//! Nothing is decided anew at once: the filter does it when it meets a host again, the measurement for those who are
//! silent, a few at a time, and a reader for itself when it comes in between. Whoever reads sees what its own judge
//! says.

use coco_core::host::is_renamed;

use super::{Cell, Host, HostId, Marks, Memory, Name, Names, VISITED_AT_ONCE, size_of_shares};
use crate::share::{Share, Shares};

/// The version of the rules that a decision was made by. Later ones are not greater, but different.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Version {
    /// Changes when the shares of hosts may.
    pub shares: u32,
    /// Changes when the verdicts on metrics may.
    pub verdicts: u32,
}

/// Rules that decide which shares a host is in and which of its metrics are refused.
pub trait Judge {
    /// The version that its decisions bear.
    fn version(&self) -> Version;
    /// The shares that a host is in.
    fn shares(&self, host: &[u8]) -> Shares;
    /// Whether a host that is in these shares is not simply written to all of its owners.
    fn is_unsettled(&self, shares: &[Share]) -> bool;
    /// The cost of deciding on the shares, in visits of hosts or metrics.
    fn cost_of_shares(&self, host: &[u8]) -> usize;
    /// Whether a metric of a host is refused.
    fn rejects(&mut self, host: &[u8], metric: &Name) -> bool;
}

/// The cost of a verdict, in visits of hosts or metrics.
pub(super) const VERDICT_COST: usize = 8;

impl Memory {
    /// Says by which version is decided from now on: hosts decided by another are no longer [guessed](Self::guess_host),
    /// but can be [renewed](Self::renew_host).
    #[inline]
    pub fn adopt(&mut self, version: Version) {
        self.version = version;
    }

    /// A host that is remembered by whatever version; decided anew if need be. `None` also if there is no room any more
    /// for the shares that it is in now; then it is forgotten.
    pub fn renew_host(&mut self, name: &[u8], now: u32, judge: &mut impl Judge) -> Option<HostId> {
        self.now = now;
        let id = self.id_of(self.hash(name), name)?;
        self.renew(id, judge)
    }

    /// Decides anew on some of the hosts, from number `from` on. Returns where to go on, `None` at the end.
    pub fn renew_some(&mut self, from: HostId, judge: &mut impl Judge) -> Option<HostId> {
        self.adopt(judge.version());
        let mut visited = 0;
        for id in from..self.hosts.len() as HostId {
            if visited >= VISITED_AT_ONCE {
                return Some(id);
            }
            visited += 1;
            if let Some(host) = self.host(id).filter(|host| host.version != self.version) {
                visited += host.cost_by(judge);
                self.renew(id, judge);
            }
        }
        None
    }

    fn renew(&mut self, id: HostId, judge: &mut impl Judge) -> Option<HostId> {
        let version = judge.version();
        let host = self.host(id).filter(|host| host.version != version);
        let Some(host) = host else { return self.host(id).map(|_| id) };
        // In as little memory as they fit.
        let shares = Shares::from_slice(&host.shares_by(judge));
        let growth = size_of_shares(&shares).saturating_sub(host.size_of_shares());
        if growth > 0 && self.reserve(growth).is_none() {
            self.forget(id);
            return None;
        }
        let host = self.hosts.get_mut(id)?.as_mut()?;
        self.held -= host.size_of_shares();
        host.marks = Marks::new(is_renamed(&host.name), judge.is_unsettled(&shares));
        host.shares = shares;
        self.held += host.size_of_shares();
        if host.version.verdicts != version.verdicts {
            host.rejected = 0;
            for (name, cell) in host.metrics.iter_mut() {
                let rejected = judge.rejects(&host.name, self.names.get(name));
                cell.decide(rejected);
                host.rejected += u16::from(rejected);
            }
        }
        host.version = version;
        Some(id)
    }
}

impl Host {
    /// The cost of deciding anew on it and its metrics, in visits.
    pub(super) fn cost_by(&self, judge: &impl Judge) -> usize {
        self.cost_of_shares(judge) + self.cost_of_verdicts(judge.version())
    }

    /// The cost of deciding anew on its metrics, in visits.
    pub(super) fn cost_of_verdicts(&self, version: Version) -> usize {
        if self.version.verdicts == version.verdicts { 0 } else { VERDICT_COST * self.metrics.len() }
    }

    /// The cost of deciding anew on its shares, in visits.
    pub(super) fn cost_of_shares(&self, judge: &impl Judge) -> usize {
        if self.version.shares == judge.version().shares { 0 } else { judge.cost_of_shares(&self.name) }
    }

    /// Its shares as a judge sees them.
    pub(super) fn shares_by(&self, judge: &impl Judge) -> Shares {
        let is_known = self.version.shares == judge.version().shares;
        if is_known { self.shares.clone() } else { judge.shares(&self.name) }
    }

    /// Its metrics, with the verdicts as a judge sees them.
    pub(super) fn metrics_by<'a>(
        &'a self,
        names: &'a Names,
        judge: &'a mut impl Judge,
    ) -> impl Iterator<Item = (&'a Name, Cell)> {
        let known = self.version.verdicts == judge.version().verdicts;
        self.metrics.iter().map(move |(name, mut cell)| {
            let name = names.get(name);
            if !known {
                cell.decide(judge.rejects(&self.name, name));
            }
            (name, cell)
        })
    }
}
