//! The second stage: says of every value list whether it is sent, and to whom.

use crate::batch::{Batch, Verdict};
use crate::counters::Count;
use crate::lane::Lane;
use crate::routes::{HostId, Routes, combine, owners};
use coco_core::tier::Tiers;
use coco_core::value_list::IdentifierRef;
use coco_core::wire::{IdentifierSpans, Span};
use regex::bytes::Regex;
use std::sync::Arc;

/// The blacklist and the rings.
pub struct Filter {
    blacklist: Option<Regex>,
    tiers: Arc<Tiers>,
    /// What the blacklist is matched against; kept for its memory.
    path: Vec<u8>,
}

/// The host at hand.
struct Host<'a> {
    name: &'a [u8],
    /// `None` if there was no room to remember it.
    id: Option<HostId>,
    /// Where its owners start in the batch.
    owners: u32,
}

impl Filter {
    /// A filter that refuses what `blacklist` matches.
    pub fn new(blacklist: Option<Regex>, tiers: Arc<Tiers>) -> Self {
        Self { blacklist, tiers, path: Vec::new() }
    }

    /// Gives every pending value list of a batch its verdict, and every notification its owners.
    pub fn decide(&mut self, batch: &mut Batch, lane: &Lane) {
        let now = batch.received;
        let mut routes = lane.routes();
        let (mut accepted, mut rejected, mut unremembered) = (0, 0, 0);
        let mut host: Option<Host<'_>> = None;
        let (datagrams, batch_owners) = batch.deciding();
        for (bytes, items) in datagrams {
            let mut hashes = PartHashes::default();
            let mut host_span = Span::default();
            for item in items.iter_mut().filter(|item| item.verdict == Verdict::Pending) {
                let spans = item.spans.identifier;
                let identifier = spans.of(bytes);
                let host = match &mut host {
                    Some(host) if host_span == spans.host || host.name == identifier.host => host,
                    other => other.insert(self.enter_host(identifier.host, &mut routes, batch_owners, now)),
                };
                host_span = spans.host;
                let hash = hashes.of(&spans, &identifier, &routes);
                let parts = identifier.metric_parts();
                let known = host.id.and_then(|id| routes.find_metric(id, hash, parts, now));
                let is_rejected = known.unwrap_or_else(|| {
                    let is_rejected = self.matches(&identifier);
                    let added = host.id.and_then(|id| routes.add_metric(id, hash, parts, now, is_rejected));
                    unremembered += u64::from(added.is_none());
                    is_rejected
                });
                item.verdict = if is_rejected {
                    rejected += 1;
                    Verdict::Rejected
                } else {
                    accepted += 1;
                    Verdict::Accepted(host.owners)
                };
            }
        }
        self.route_notifications(batch);
        lane.counts.add(Count::Unremembered, unremembered);
        Self::count(lane, accepted, rejected);
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
            None => batch_owners.extend(owners(&self.tiers, name)),
        }
        let id = id.or_else(|| routes.add_host(name, &batch_owners[start..], now));
        Host { name, id, owners: start as u32 }
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
            let found: Vec<u16> = owners(&self.tiers, notification.spans.of(bytes).identifier.host).collect();
            notification.owners = batch.owners.len() as u32;
            batch.owners.extend(found);
        }
        batch.notifications = notifications;
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
