//! Packing: packets for each share of the hosts, a portion of a batch at a time.

use std::sync::Arc;
use std::time::Instant;

use coco_core::wire::{PacketBuilder, Span, Whole};

use super::held::Held;
use crate::batch::{Batch, Datagram, Item, Verdict};
use crate::counters::OutletCount;
use crate::lane::Lane;
use crate::plan::Routing;
use crate::share::{OutletId, Share, Start};

/// Bytes of a portion, beyond which it ends: what one value list, datagram or notification has for all its shares may
/// exceed it. Strangers can have value lists leave a hundred times larger than they came, with long names restated in
/// each packet.
const PORTION: usize = 1 << 20;

/// Bytes of packets that memory is kept for from portion to portion: a table that doubles takes twice what is in it.
const KEPT: usize = 2 * PORTION;

/// Bytes of packets of one share that memory is kept for once it was needed.
const KEPT_OF_ONE: usize = KEPT / 16;

/// Packets for every target: those of one [share](Share) of the hosts are packed once, and sent to all its outlets.
///
/// A batch is packed portion by portion: each is sent, and [cleared](Self::clear), before the next one.
pub struct Packing {
    /// The routing that batches must have been decided by.
    pub(super) routing: Arc<Routing>,
    /// Bytes of the largest datagram that may leave whole to all.
    limit: usize,
    /// Of all shares, by their numbers.
    places: Box<[Place]>,
    /// Shares that have something to send.
    pub(super) touched: Vec<Share>,
    /// The packets of each of them, in their order, then builders without use. A share that gets nothing has none.
    pub(super) packets: Vec<PacketBuilder>,
    /// Bytes of all packets.
    size: usize,
    cuts: Vec<Span>,
    /// What waits for more, so that it is not among the packets.
    held: Held,
}

/// Where the packets of a share are.
#[derive(Clone, Copy)]
struct Place {
    /// Bytes of its largest packet.
    room: usize,
    /// Which of the touched it is, if it is one.
    touched: Option<u32>,
}

/// The part of a batch that is packed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    datagrams: usize,
    /// Of the datagram that is next.
    items: usize,
    notifications: usize,
}

impl Progress {
    /// When all of it is packed.
    pub fn end(batch: &Batch) -> Self {
        Self { datagrams: batch.datagrams.len(), items: 0, notifications: batch.notifications.len() }
    }

    /// Whether there is nothing left of it.
    pub fn is_done(self, batch: &Batch) -> bool {
        self == Self::end(batch)
    }

    /// The value lists that are left of it.
    fn left(self, batch: &Batch) -> &[Item] {
        let from = batch
            .datagrams
            .get(self.datagrams)
            .map_or(batch.value_lists.len(), |datagram| datagram.value_lists.start as usize + self.items);
        &batch.value_lists[from..]
    }
}

impl Packing {
    /// For batches that are decided by this routing.
    pub fn new(routing: Arc<Routing>) -> Self {
        let Routing { partitions, seals, max_packet_size, .. } = &*routing;
        let room = |share| max_packet_size - seals.overhead(partitions.outlets(share));
        let places: Box<[_]> =
            partitions.shares().map(|share| Place { room: room(share), touched: None }).collect();
        let limit = places.iter().map(|place| place.room).min().unwrap_or(*max_packet_size);
        let held = Held::new(&routing);
        Self {
            routing,
            limit,
            places,
            touched: Vec::new(),
            packets: Vec::new(),
            size: 0,
            cuts: Vec::new(),
            held,
        }
    }

    /// As [new](Self::new), after a panic in it; what is held waits on.
    pub fn start_anew(&mut self) {
        let held = std::mem::take(&mut self.held);
        *self = Self { held, ..Self::new(Arc::clone(&self.routing)) };
    }

    /// The routing that batches must have been decided by.
    pub fn routing(&self) -> &Arc<Routing> {
        &self.routing
    }

    /// Packs the accepted value lists and then the notifications of a batch, as far as a portion goes. Returns how many
    /// value lists that were.
    pub fn pack(&mut self, batch: &Batch, progress: &mut Progress, now: Instant) -> u64 {
        let mut packed = 0;
        while self.has_room()
            && let Some(datagram) = batch.datagrams.get(progress.datagrams)
        {
            if let Some(whole) = datagram.whole
                && usize::from(datagram.length()) - whole.start() <= self.limit
            {
                packed += self.pack_whole(batch, datagram, whole);
                progress.datagrams += 1;
            } else {
                packed += self.pack_anew(batch, datagram, &mut progress.items);
                if progress.items == datagram.value_lists.len() {
                    progress.datagrams += 1;
                    progress.items = 0;
                }
            }
        }
        while self.has_room()
            && let Some(notification) = batch.notifications.get(progress.notifications)
        {
            let bytes = batch.bytes(&batch.datagrams[notification.datagram as usize]);
            for &share in batch.shares.get(notification.shares) {
                self.add(share, |packets| packets.push_notification(&notification.spans.of(bytes)));
            }
            progress.notifications += 1;
        }
        self.finish(batch.arrived, now);
        packed
    }

    /// Packs what is held and due by then, or all that is held, as far as a portion goes. Whether there was any.
    pub fn pack_held(&mut self, by: Option<Instant>) -> bool {
        while self.has_room()
            && let Some(share) = self.held.next_due(by)
        {
            #[cfg(test)]
            crate::lane::faults::provoke_by("flush", self.held.bytes(share));
            let place = self.touch(share);
            self.packets[place].close();
        }
        let is_any = !self.touched.is_empty();
        if is_any {
            let now = Instant::now();
            self.finish(now, now);
        }
        is_any
    }

    /// When there may be something [held](Self::pack_held) to pack. Never, if nothing is.
    #[inline]
    pub fn due(&self) -> Option<Instant> {
        self.held.due()
    }

    /// Value lists that are held, once for each outlet.
    pub fn held(&self) -> u64 {
        self.held.value_lists()
    }

    /// Has all packets end that may leave by `now`. Of what came at `arrived`, the rest is held.
    fn finish(&mut self, arrived: Instant, now: Instant) {
        let packed = self.touched.iter().zip(&mut self.packets);
        if self.held.holds_back() {
            packed.for_each(|(&share, packets)| self.held.take(share, packets, arrived, now));
        } else {
            packed.for_each(|(_, packets)| packets.close());
        }
    }

    /// Whether the portion may go on.
    #[inline]
    fn has_room(&self) -> bool {
        self.size < PORTION
    }

    /// The bytes that came, less the values that are not sent.
    fn pack_whole(&mut self, batch: &Batch, datagram: &Datagram, whole: Whole) -> u64 {
        let bytes = batch.bytes(datagram);
        let mut cuts = std::mem::take(&mut self.cuts);
        let mut first = None;
        let mut count = 0;
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
            for &share in batch.shares.get(shares) {
                self.add(share, |packets| packets.append(bytes, whole, &cuts, relied_on, count));
            }
        }
        cuts.clear();
        self.cuts = cuts;
        u64::from(count)
    }

    /// Value list by value list, from number `next` on.
    fn pack_anew(&mut self, batch: &Batch, datagram: &Datagram, next: &mut usize) -> u64 {
        let bytes = batch.bytes(datagram);
        let mut count = 0;
        for item in &batch.items(datagram)[*next..] {
            if !self.has_room() {
                break;
            }
            if let Verdict::Accepted(shares) = item.verdict {
                for &share in batch.shares.get(shares) {
                    self.add(share, |packets| match datagram.has_odd_names {
                        false => packets.push_from(bytes, &item.spans),
                        true => packets.push(&item.spans.of(bytes)),
                    });
                }
                count += 1;
            }
            *next += 1;
        }
        count
    }

    /// Adds to the packets of a share.
    #[inline]
    fn add(&mut self, share: Share, add: impl FnOnce(&mut PacketBuilder)) {
        let place = match self.places[share.number()].touched {
            Some(place) => place as usize,
            None => self.touch(share),
        };
        let packets = &mut self.packets[place];
        let before = packets.size();
        add(packets);
        self.size += packets.size() - before;
    }

    /// Has a share have packets. Returns its place among those that do.
    fn touch(&mut self, share: Share) -> usize {
        let Place { room, touched } = &mut self.places[share.number()];
        let place = self.touched.len();
        *touched = Some(place as u32);
        self.touched.push(share);
        if place == self.packets.len() {
            self.packets.push(PacketBuilder::new(*room).keeping(KEPT_OF_ONE));
        }
        self.packets[place].restart(*room);
        if self.held.holds_back() {
            self.held.go_on(share, &mut self.packets[place]);
            self.size += self.packets[place].size();
        }
        place
    }

    /// Counts all that is left of a batch for the outlets as lost. Returns how many value lists that is.
    pub fn lose(&self, batch: &Batch, progress: Progress, lane: &Lane) -> u64 {
        let Routing { partitions, outlets, .. } = &*self.routing;
        let count = |shares: Start, why| {
            let shares = batch.shares.get(shares);
            for &outlet in shares.iter().flat_map(|&share| partitions.outlets(share)) {
                outlets.get(outlet).counts(lane.id).add(why, 1);
            }
        };
        let mut lost = 0;
        for item in progress.left(batch) {
            if let Verdict::Accepted(shares) = item.verdict {
                count(shares, OutletCount::Write);
                lost += 1;
            }
        }
        for notification in &batch.notifications[progress.notifications..] {
            count(notification.shares, OutletCount::NotificationsLost);
        }
        lost
    }

    /// Counts all that is held for the outlets as lost.
    pub fn lose_held(&mut self, lane: &Lane) {
        let Routing { partitions, outlets, .. } = &*self.routing;
        for (share, value_lists) in self.held.clear() {
            for &outlet in partitions.outlets(share) {
                outlets.get(outlet).counts(lane.id).add(OutletCount::Write, value_lists.into());
            }
        }
    }

    /// The outlets, each with its packets in order. Outlets of one share have the same packets.
    pub fn packed(&self) -> impl Iterator<Item = (OutletId, &PacketBuilder)> {
        self.touched.iter().zip(&self.packets).flat_map(|(&share, packets)| {
            self.routing.partitions.outlets(share).iter().map(move |&outlet| (outlet, packets))
        })
    }

    /// Forgets what is packed and keeps the memory, within its bound.
    pub fn clear(&mut self) {
        for (share, packets) in self.touched.drain(..).zip(&mut self.packets) {
            self.places[share.number()].touched = None;
            packets.clear();
        }
        self.size = 0;
        // Those at the end are needed most seldom.
        let mut kept = 0;
        let keeps = |packets: &&PacketBuilder| {
            kept += packets.capacity();
            kept <= KEPT
        };
        let kept = self.packets.iter().take_while(keeps).count();
        self.packets.truncate(kept);
    }

    /// Bytes that packets have room for.
    pub fn capacity(&self) -> usize {
        self.packets.iter().map(PacketBuilder::capacity).sum()
    }
}
