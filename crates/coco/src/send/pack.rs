//! Packing: one packing of packets for each share of the hosts.

use std::sync::Arc;

use coco_core::wire::{PacketBuilder, Span};

use crate::batch::{Batch, Datagram, Verdict};
use crate::counters::OutletCount;
use crate::lane::Lane;
use crate::plan::Routing;
use crate::share::{Share, Start};

/// Bytes of packets that memory is always kept for, divided among the shares.
const KEPT: usize = 2 << 20;

/// Packets for every target: one packing for each [share](Share) of the hosts.
pub struct Packing {
    /// What batches must have been decided by.
    pub(super) routing: Arc<Routing>,
    /// How many shares a host is in.
    copies: usize,
    /// Bytes of the largest datagram that may leave whole to all.
    limit: usize,
    /// Of each share.
    pub(super) packets: Vec<PacketBuilder>,
    /// Shares that have something to send.
    pub(super) touched: Vec<Share>,
    cuts: Vec<Span>,
}

impl Packing {
    /// For batches that are decided by this routing.
    pub fn new(routing: Arc<Routing>) -> Self {
        let Routing { partitions, seals, max_packet_size, .. } = &*routing;
        let room = |share| max_packet_size - seals.overhead(partitions.outlets(share));
        let kept = KEPT / partitions.shares().len().max(1);
        let packets =
            partitions.shares().map(|share| PacketBuilder::new(room(share)).keeping(kept)).collect();
        let limit = partitions.shares().map(room).min().unwrap_or(*max_packet_size);
        Self { copies: partitions.copies(), routing, limit, packets, touched: Vec::new(), cuts: Vec::new() }
    }

    /// What batches must have been decided by.
    pub fn routing(&self) -> &Arc<Routing> {
        &self.routing
    }

    /// Packs the accepted value lists and the notifications of a batch. Returns how many value lists that were.
    pub fn pack(&mut self, batch: &Batch) -> u64 {
        let mut packed = 0;
        for datagram in &batch.datagrams {
            let length = usize::from(datagram.length() - datagram.start);
            packed += if datagram.whole && length <= self.limit {
                self.pack_whole(batch, datagram)
            } else {
                self.pack_anew(batch, datagram)
            };
        }
        for notification in &batch.notifications {
            let bytes = batch.bytes(&batch.datagrams[notification.datagram as usize]);
            for &share in batch.shares_from(notification.shares, self.copies) {
                self.builder(share).push_notification(&notification.spans.of(bytes));
            }
        }
        for &share in &self.touched {
            self.packets[share.number()].close();
        }
        packed
    }

    /// The bytes that came, less the values that are not sent.
    fn pack_whole(&mut self, batch: &Batch, datagram: &Datagram) -> u64 {
        let bytes = batch.bytes(datagram);
        let mut cuts = std::mem::take(&mut self.cuts);
        let mut first = None;
        let mut count = 0;
        cuts.extend(Span::up_to(datagram.start));
        for item in batch.items(datagram) {
            match item.verdict {
                Verdict::Accepted(shares) => {
                    count += 1;
                    first.get_or_insert((item.spans, shares));
                }
                _ => cuts.push(item.spans.values),
            }
        }
        if let Some((first, shares)) = first {
            let relied_on = first.carried(bytes);
            for &share in batch.shares_from(shares, self.copies) {
                self.builder(share).append(bytes, &cuts, relied_on, datagram.carried, count);
            }
        }
        cuts.clear();
        self.cuts = cuts;
        u64::from(count)
    }

    fn pack_anew(&mut self, batch: &Batch, datagram: &Datagram) -> u64 {
        let bytes = batch.bytes(datagram);
        let mut count = 0;
        for item in batch.items(datagram) {
            if let Verdict::Accepted(shares) = item.verdict {
                let list = item.spans.of(bytes);
                for &share in batch.shares_from(shares, self.copies) {
                    self.builder(share).push(&list);
                }
                count += 1;
            }
        }
        count
    }

    /// The packets of a share.
    #[inline]
    fn builder(&mut self, share: Share) -> &mut PacketBuilder {
        let builder = &mut self.packets[share.number()];
        if builder.is_empty() {
            self.touched.push(share);
        }
        builder
    }

    /// Counts all that a batch has for the outlets as lost. Returns how many value lists that is.
    pub fn lose(&self, batch: &Batch, lane: &Lane) -> u64 {
        let Routing { partitions, outlets, .. } = &*self.routing;
        let count = |shares: Start, why| {
            let shares = batch.shares_from(shares, self.copies);
            for &outlet in shares.iter().flat_map(|&share| partitions.outlets(share)) {
                outlets.get(outlet).counts(lane.number).add(why, 1);
            }
        };
        let mut lost = 0;
        for item in &batch.value_lists {
            if let Verdict::Accepted(shares) = item.verdict {
                count(shares, OutletCount::Write);
                lost += 1;
            }
        }
        for notification in &batch.notifications {
            count(notification.shares, OutletCount::NotificationsLost);
        }
        lost
    }

    /// What is packed, as outlet and packets in order. Outlets of one share have the same packets.
    pub fn packed(&self) -> impl Iterator<Item = (usize, &PacketBuilder)> {
        self.touched.iter().flat_map(|&share| {
            let packets = &self.packets[share.number()];
            self.routing.partitions.outlets(share).iter().map(move |&outlet| (outlet, packets))
        })
    }

    /// Forgets what is packed and keeps the memory.
    pub fn clear(&mut self) {
        for share in self.touched.drain(..) {
            self.packets[share.number()].clear();
        }
    }
}
