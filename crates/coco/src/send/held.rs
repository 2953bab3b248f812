//! Packets that are not full, held back for more to their targets over some batches, if an operator wishes (`send.linger`).
//!
//! Of each share that is one, set aside when a portion is packed, so that all that is packed can be sent. Whoever packs
//! for the share goes on with a copy: until that is set aside in its place, a panic loses nothing of it.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use coco_core::wire::{OpenPacket, PacketBuilder};

use crate::plan::Routing;
use crate::share::{OutletId, Share};

/// See the module. Whoever asks says what time it is.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// Of all shares, by their numbers; of none if nothing is held back.
    places: Box<[Place]>,
    linger: Duration,
    /// When the packets of shares are due, each once at most; one that has left meanwhile, too, then its share's next
    /// one is looked at no later.
    due: BinaryHeap<Reverse<(Instant, Share)>>,
    /// Value lists, once for each outlet.
    value_lists: u64,
}

/// Where the packet of a share is held.
#[derive(Debug)]
struct Place {
    packet: OpenPacket,
    /// When its first value list came.
    since: Option<Instant>,
    /// Whether it is among those that are due some time.
    is_queued: bool,
    /// Outlets that it is sent to; none if it is not to be held.
    outlets: u64,
}

impl Held {
    /// Nothing yet.
    pub(super) fn new(routing: &Routing) -> Self {
        let Routing { partitions, outlets, linger, .. } = routing;
        if linger.is_zero() {
            return Self::default();
        }
        // Engines have a delay of their own.
        let is_datagram = |outlet: &OutletId| outlets.get(*outlet).remote().is_none();
        let place = |share| Place {
            packet: OpenPacket::default(),
            since: None,
            is_queued: false,
            outlets: partitions.outlets(share).iter().filter(|outlet| is_datagram(outlet)).count() as u64,
        };
        Self { places: partitions.shares().map(place).collect(), linger: *linger, ..Self::default() }
    }

    /// Whether packets are held back at all.
    #[inline]
    pub(super) fn holds_back(&self) -> bool {
        !self.places.is_empty()
    }

    /// Value lists that are held, once for each outlet.
    pub(super) fn value_lists(&self) -> u64 {
        self.value_lists
    }

    /// What is held of a share.
    #[cfg(test)]
    pub(super) fn bytes(&self, share: Share) -> &[u8] {
        self.places[share.number()].packet.bytes()
    }

    /// Has the packets of a share go on with what is held of it.
    pub(super) fn go_on(&self, share: Share, packets: &mut PacketBuilder) {
        packets.go_on_with(&self.places[share.number()].packet);
    }

    /// Takes the last packet of a share if it is neither full nor due by `now`, with what was held of it before; nothing is
    /// held of it otherwise. What is new came at `arrived`, which may be long ago where a lane is behind.
    pub(super) fn take(&mut self, share: Share, packets: &mut PacketBuilder, arrived: Instant, now: Instant) {
        let Place { packet, since, is_queued, outlets } = &mut self.places[share.number()];
        let first = since.filter(|_| packets.packets().len() == 0).unwrap_or(arrived);
        if *outlets == 0 || packets.is_full() || first + self.linger <= now {
            packets.close();
        }
        self.value_lists -= *outlets * u64::from(packet.value_lists());
        packets.set_aside(packet);
        self.value_lists += *outlets * u64::from(packet.value_lists());
        *since = (!packet.is_empty()).then_some(first);
        if !packet.is_empty() && !std::mem::replace(is_queued, true) {
            self.due.push(Reverse((first + self.linger, share)));
        }
    }

    /// When to look whether a packet is due.
    #[inline]
    pub(super) fn due(&self) -> Option<Instant> {
        self.due.peek().map(|Reverse((due, _))| *due)
    }

    /// The share of a packet that is due by then. It is held until the [next one is taken](Self::take).
    pub(super) fn next_due(&mut self, by: Option<Instant>) -> Option<Share> {
        while let Some(&Reverse((due, share))) = self.due.peek()
            && by.is_none_or(|by| due <= by)
        {
            self.due.pop();
            let Place { since, is_queued, .. } = &mut self.places[share.number()];
            let due = since.map(|since| since + self.linger);
            match due {
                None => *is_queued = false,
                Some(due) if by.is_some_and(|by| due > by) => self.due.push(Reverse((due, share))),
                Some(_) => {
                    *is_queued = false;
                    return Some(share);
                }
            }
        }
        None
    }

    /// Forgets all. Returns of each share of which there is something how many value lists that is.
    pub(super) fn clear(&mut self) -> Vec<(Share, u32)> {
        self.due.clear();
        self.value_lists = 0;
        let mut held = Vec::new();
        for (number, place) in self.places.iter_mut().enumerate() {
            if place.since.take().is_some() {
                held.push((Share::new(number), place.packet.value_lists()));
            }
            place.packet.clear();
            place.is_queued = false;
        }
        held
    }
}
