//! The second stage: says of every value list whether it is sent, and to whom.

use crate::batch::{Batch, Item, Verdict};
use crate::counters::Count;
use crate::lane::Lane;
use crate::partitions::Partitions;
use crate::routes::{HostId, MetricId, NameId, Routes, combine};
use coco_core::value_list::IdentifierRef;
use coco_core::wire::{IdentifierSpans, Span};
use regex::bytes::Regex;
use std::sync::Arc;

/// The blacklist and the rings.
pub struct Filter {
    blacklist: Option<Regex>,
    partitions: Arc<Partitions>,
    /// What the blacklist is matched against; kept for its memory.
    path: Vec<u8>,
    /// The value lists of the datagram at hand that are still to be looked up; kept for its memory.
    probes: Vec<Probe>,
}

/// The host at hand.
#[derive(Clone, Copy)]
struct Host<'a> {
    name: &'a [u8],
    /// `None` if there was no room to remember it.
    id: Option<HostId>,
    /// Where its owners start in the batch.
    owners: u32,
    /// The metric that is expected next.
    next: MetricId,
}

/// A value list whose metric is still to be looked up.
#[derive(Clone, Copy)]
struct Probe {
    item: u32,
    host: Option<HostId>,
    owners: u32,
    name: Option<NameId>,
    hash: u64,
}

impl Filter {
    /// A filter that refuses what `blacklist` matches.
    pub fn new(blacklist: Option<Regex>, partitions: Arc<Partitions>) -> Self {
        Self { blacklist, partitions, path: Vec::new(), probes: Vec::new() }
    }

    /// Gives every pending value list of a batch its verdict, and every notification its owners.
    pub fn decide(&mut self, batch: &mut Batch, lane: &Lane) {
        let now = batch.received;
        let mut routes = lane.routes();
        let mut tally = Tally::default();
        let mut host = None;
        let (datagrams, owners) = batch.deciding();
        for (bytes, items) in datagrams {
            self.identify(bytes, items, &mut host, &mut routes, owners, now, &mut tally);
            self.look_up(items, &mut routes, now, &mut tally);
            self.learn(bytes, items, &mut routes, now, &mut tally);
        }
        drop(routes);
        self.route_notifications(batch);
        lane.counts.add(Count::Unremembered, tally.unremembered);
        Self::count(lane, tally.accepted, tally.rejected);
    }

    /// Finds the hosts of the pending value lists of a datagram, and their metrics where they are the expected ones;
    /// of the others only the names, in a table that is mostly in the cache.
    #[expect(clippy::too_many_arguments, reason = "what a batch shares is borrowed apart")]
    fn identify<'a>(
        &mut self,
        bytes: &'a [u8],
        items: &mut [Item],
        current: &mut Option<Host<'a>>,
        routes: &mut Routes,
        owners: &mut Vec<u16>,
        now: u32,
        tally: &mut Tally,
    ) {
        let mut hashes = PartHashes::default();
        let mut host_span = Span::default();
        for index in 0..items.len() {
            let spans = items[index].spans.identifier;
            if items[index].verdict != Verdict::Pending {
                continue;
            }
            let identifier = spans.of(bytes);
            let host = match &mut *current {
                Some(host) if host_span == spans.host || host.name == identifier.host => host,
                other => other.insert(self.enter_host(identifier.host, routes, owners, now)),
            };
            host_span = spans.host;
            let parts = identifier.metric_parts();
            if let Some(id) = host.id.filter(|&id| routes.is_metric(id, host.next, parts)) {
                items[index].verdict = tally.verdict(routes.see(id, host.next, now), host.owners);
                host.next += 1;
                continue;
            }
            let hash = hashes.of(&spans, &identifier, routes);
            let name = routes.find_name(hash, parts);
            // One of several of its host is looked up at once: it tells which ones to expect.
            let followed = items.get(index + 1).is_some_and(|next| next.spans.identifier.host == spans.host);
            if let (true, Some(id), Some(name)) = (followed, host.id, name)
                && let Some(metric) = routes.find_metric(id, name, hash)
            {
                items[index].verdict = tally.verdict(routes.see(id, metric, now), host.owners);
                host.next = metric + 1;
                continue;
            }
            let probe = Probe { item: index as u32, host: host.id, owners: host.owners, name, hash };
            self.probes.push(probe);
        }
    }

    /// Looks up what was not expected and stands alone. A loop of its own, and short: with many hosts nearly every
    /// look-up waits for memory, and the processor overlaps the waits of those that it can see at the same time.
    fn look_up(&mut self, items: &mut [Item], routes: &mut Routes, now: u32, tally: &mut Tally) {
        self.probes.retain(|probe| {
            let Some((host, name)) = probe.host.zip(probe.name) else { return true };
            let Some(metric) = routes.find_metric(host, name, probe.hash) else { return true };
            items[probe.item as usize].verdict = tally.verdict(routes.see(host, metric, now), probe.owners);
            false
        });
    }

    /// Decides on the metrics that are not remembered, and remembers them if there is room.
    fn learn(&mut self, bytes: &[u8], items: &mut [Item], routes: &mut Routes, now: u32, tally: &mut Tally) {
        let mut probes = std::mem::take(&mut self.probes);
        for probe in probes.drain(..) {
            let item = &mut items[probe.item as usize];
            let identifier = item.spans.identifier.of(bytes);
            let parts = identifier.metric_parts();
            // The same metric may stand in the datagram before.
            let name = routes.find_name(probe.hash, parts);
            let known = probe.host.zip(name).and_then(|(host, name)| {
                let metric = routes.find_metric(host, name, probe.hash)?;
                Some(routes.see(host, metric, now))
            });
            let rejected = known.unwrap_or_else(|| {
                let rejected = self.matches(&identifier);
                let added =
                    probe.host.and_then(|host| routes.add_metric(host, probe.hash, parts, now, rejected));
                tally.unremembered += u64::from(added.is_none());
                rejected
            });
            item.verdict = tally.verdict(rejected, probe.owners);
        }
        self.probes = probes;
    }

    /// After a panic in [`decide`](Self::decide): what has no verdict is rejected, so that the books balance.
    pub fn recover(&mut self, batch: &mut Batch, lane: &Lane) {
        let (mut accepted, mut rejected) = (0, 0);
        for item in &mut batch.value_lists {
            match item.verdict {
                Verdict::Accepted(_) => accepted += 1,
                Verdict::Incomplete => {}
                Verdict::Pending | Verdict::Rejected => {
                    item.verdict = Verdict::Rejected;
                    rejected += 1;
                }
            }
        }
        batch.notifications.clear();
        lane.counts.add(Count::Unhandled, 1);
        Self::count(lane, accepted, rejected);
    }

    fn count(lane: &Lane, accepted: u64, rejected: u64) {
        lane.counts.add(Count::Accepted, accepted);
        lane.counts.add(Count::Rejected, rejected);
        lane.raw.leave(accepted + rejected);
        lane.filtered.enter(accepted);
    }

    fn enter_host<'a>(
        &self,
        name: &'a [u8],
        routes: &mut Routes,
        batch_owners: &mut Vec<u16>,
        now: u32,
    ) -> Host<'a> {
        let start = batch_owners.len();
        let id = routes.find_host(name, now);
        match id {
            Some(id) => batch_owners.extend_from_slice(routes.owners(id)),
            None => batch_owners.extend(self.partitions.owners(name)),
        }
        let id = id.or_else(|| routes.add_host(name, &batch_owners[start..], now));
        Host { name, id, owners: start as u32, next: 0 }
    }

    fn matches(&mut self, identifier: &IdentifierRef<'_>) -> bool {
        let Some(blacklist) = &self.blacklist else { return false };
        self.path.clear();
        identifier.write_path(&mut self.path);
        blacklist.is_match(&self.path)
    }

    /// Notifications are rare and not filtered; their hosts are looked up on the ring.
    fn route_notifications(&self, batch: &mut Batch) {
        let Batch { notifications, .. } = batch;
        let mut notifications = std::mem::take(notifications);
        for notification in &mut notifications {
            let bytes = batch.bytes(&batch.datagrams[notification.datagram as usize]);
            let found: Vec<u16> =
                self.partitions.owners(notification.spans.of(bytes).identifier.host).collect();
            notification.owners = batch.owners.len() as u32;
            batch.owners.extend(found);
        }
        batch.notifications = notifications;
    }
}

#[derive(Default)]
struct Tally {
    accepted: u64,
    rejected: u64,
    unremembered: u64,
}

impl Tally {
    #[inline]
    fn verdict(&mut self, rejected: bool, owners: u32) -> Verdict {
        self.rejected += u64::from(rejected);
        self.accepted += u64::from(!rejected);
        if rejected { Verdict::Rejected } else { Verdict::Accepted(owners) }
    }
}

/// The hashes of the parts of a metric's name, kept from value list to value list of a datagram: most change one part.
#[derive(Default)]
struct PartHashes {
    spans: [Span; 4],
    hashes: [u64; 4],
    known: bool,
}

impl PartHashes {
    #[inline]
    fn of(&mut self, spans: &IdentifierSpans, identifier: &IdentifierRef<'_>, routes: &Routes) -> u64 {
        let spans = [spans.plugin, spans.plugin_instance, spans.type_name, spans.type_instance];
        for (i, part) in identifier.metric_parts().into_iter().enumerate() {
            if !self.known || self.spans[i] != spans[i] {
                self.hashes[i] = routes.hash(part);
            }
        }
        self.spans = spans;
        self.known = true;
        combine(self.hashes)
    }
}
