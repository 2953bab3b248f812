//! Reading what is remembered, a piece at a time, so that a lane is never held up and nothing is copied but names.

use super::metrics::Cell;
use super::{Host, HostId, Judge, MOST_METRICS, Memory, Name, NameId, VISITED_AT_ONCE};
use crate::share::{Share, Shares};

/// A host at one moment, as a judge sees it.
#[derive(Debug)]
pub struct HostView<'a> {
    /// Its name.
    pub name: &'a [u8],
    /// The shares that it is in.
    pub shares: Shares,
}

/// A metric at one moment, as a judge sees it.
#[derive(Debug)]
pub struct MetricView<'a> {
    /// Its name.
    pub name: &'a Name,
    /// When it was last seen, in Unix seconds.
    pub seen: u32,
    /// Whether the filter rejects it.
    pub rejected: bool,
}

/// The metrics of one host that a reader has yet to see, by their names' numbers.
#[derive(Debug, Default)]
pub struct Unread(Vec<NameId>);

const _: () = assert!(MOST_METRICS * size_of::<NameId>() <= 1 << 16, "a reader's list of a host's metrics");

/// Metrics that a reader sees before it lets the lane go on: for the name of each it may have to wait for memory.
const READ_AT_ONCE: usize = VISITED_AT_ONCE / 4;

impl Memory {
    /// Shows some of the hosts, from number `from` on. Returns where to go on, `None` at the end.
    pub fn visit_hosts(
        &self,
        from: HostId,
        judge: &impl Judge,
        mut visit: impl FnMut(HostView<'_>),
    ) -> Option<HostId> {
        self.visit_some(from, |host| {
            visit(HostView { name: &host.name, shares: host.shares_by(judge) });
            host.cost_of_shares(judge)
        })
    }

    /// Counts the metrics of some of the hosts that are sent, from number `from` on, with their names and the shares that they are
    /// in. Returns where to go on, `None` at the end.
    pub fn count_accepted(
        &self,
        from: HostId,
        judge: &mut impl Judge,
        mut count: impl FnMut(&[u8], &[Share], u32),
    ) -> Option<HostId> {
        self.visit_some(from, |host| {
            let cost = host.cost_by(judge);
            count(&host.name, &host.shares_by(judge), self.accepted(host, judge));
            cost
        })
    }

    /// Visits some of the hosts, from number `from` on, and adds up what each `visit` has cost. Returns where to go on,
    /// `None` at the end.
    fn visit_some<'a>(&'a self, from: HostId, mut visit: impl FnMut(&'a Host) -> usize) -> Option<HostId> {
        let mut visited = 0;
        for (id, host) in (from..).zip(self.hosts.from(from)) {
            if visited >= VISITED_AT_ONCE {
                return Some(id);
            }
            visited += 1 + host.as_ref().map_or(0, &mut visit);
        }
        None
    }

    /// Number of metrics of a host that are sent, and the cost of counting them, out of a [budget](Unread::budget).
    pub fn accepted_of(&self, name: &[u8], judge: &mut impl Judge) -> (Option<u32>, usize) {
        let Some(host) = self.host_of(name) else { return (None, 1) };
        let cost = 1 + host.cost_of_verdicts(judge.version());
        (Some(self.accepted(host, judge)), cost)
    }

    fn accepted(&self, host: &Host, judge: &mut impl Judge) -> u32 {
        if host.version.verdicts == judge.version().verdicts {
            return host.metrics.len() as u32 - u32::from(host.rejected);
        }
        host.metrics_by(&self.names, judge).filter(|(_, cell)| !cell.rejected()).count() as u32
    }

    pub(super) fn host_of(&self, name: &[u8]) -> Option<&Host> {
        self.host(self.id_of(self.hash(name), name)?)
    }

    /// Shows all metrics of a host, if they are few. Returns what that cost of `budget`, and fills `unread` if they are
    /// many: these are to be [visited](Self::visit_unread) by themselves.
    pub fn visit_metrics(
        &self,
        host: &[u8],
        judge: &mut impl Judge,
        unread: &mut Unread,
        mut visit: impl FnMut(MetricView<'_>),
    ) -> usize {
        unread.0.clear();
        let Some(host) = self.host_of(host) else { return 1 };
        let cost = 1 + host.metrics.len() + host.cost_of_verdicts(judge.version());
        if cost > READ_AT_ONCE {
            unread.0.extend(host.metrics.iter().map(|(name, _)| name));
            return READ_AT_ONCE;
        }
        host.metrics_by(&self.names, judge).for_each(|(name, cell)| visit(self.view(name, cell)));
        cost
    }

    /// Shows some metrics of a host that are unread, those of them that are still there.
    pub fn visit_unread(
        &self,
        host: &[u8],
        judge: &mut impl Judge,
        unread: &mut Unread,
        mut visit: impl FnMut(MetricView<'_>),
    ) {
        let Some(host) = self.host_of(host) else { return unread.0.clear() };
        let is_known = host.version.verdicts == judge.version().verdicts;
        let most = if is_known { READ_AT_ONCE } else { READ_AT_ONCE / super::renew::VERDICT_COST };
        for id in unread.0.drain(unread.0.len().saturating_sub(most)..) {
            let Some(mut cell) = host.metrics.get(id) else { continue };
            let name = self.names.get(id);
            if !is_known {
                cell.decide(judge.rejects(&host.name, name));
            }
            visit(self.view(name, cell));
        }
    }

    fn view<'a>(&self, name: &'a Name, cell: Cell) -> MetricView<'a> {
        MetricView { name, seen: cell.seen(self.now), rejected: cell.rejected() }
    }
}

impl Unread {
    /// Whether there are any.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The visits that a reader may make before it lets the lane go on.
    pub fn budget() -> usize {
        READ_AT_ONCE
    }
}
