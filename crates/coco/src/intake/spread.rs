//! Between listen and filter, where `pipeline.spread_hosts` asks for it: gives every lane the hosts that are its own.
//!
//! The kernel spreads senders over sockets by their address and port, so one sender that brings the packets of many
//! hosts loads one lane only. Here the lane is chosen by the host. The order of one host's value lists holds: a sender
//! stays on one socket, and what one thread hands to a queue comes out in that order.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;

use crate::batch::{Batch, Notification, Verdict};
use crate::share::LaneId;

/// Which lane a host is on. All that spread for the same lanes must share one.
#[derive(Clone)]
pub struct LaneOfHost {
    /// Seeded by chance, so that strangers can't choose names that all fall to one lane.
    hasher: RandomState,
    lanes: u64,
}

impl LaneOfHost {
    /// Among so many lanes.
    pub fn new(lanes: usize) -> Self {
        Self { hasher: RandomState::default(), lanes: lanes as u64 }
    }

    fn host(&self, host: &[u8]) -> LaneId {
        // The upper half of a product is as even as a remainder, and no division.
        let product = u128::from(self.hasher.hash_one(host)) * u128::from(self.lanes);
        LaneId::new((product >> 64) as usize)
    }
}

/// Divides batches among lanes.
pub struct Spread {
    lane_of: LaneOfHost,
    /// The part of the batch at hand for each lane, `None` if nothing yet.
    parts: Box<[Option<Part>]>,
}

/// The part of a batch for one lane.
struct Part {
    batch: Batch,
    /// The datagram that was copied last, by its index in the whole.
    last: Option<usize>,
}

impl Spread {
    /// Among the lanes that `lane_of` knows of.
    pub fn new(lane_of: LaneOfHost) -> Self {
        Self { parts: (0..lane_of.lanes).map(|_| None).collect(), lane_of }
    }

    /// Copies each datagram of a decoded round to the lanes of its hosts, with their value lists and notifications.
    ///
    /// `empty` gives an empty batch for a lane, as large as the whole; `None` if it gave none. What the lanes get is
    /// in [`parts`](Self::parts).
    pub fn divide(&mut self, whole: &Batch, mut empty: impl FnMut(LaneId) -> Option<Batch>) -> Option<()> {
        let mut notifications = whole.notifications.iter().peekable();
        for index in whole.round.clone() {
            let datagram = &whole.datagrams[index];
            let bytes = whole.bytes(datagram);
            let items = whole.items(datagram);
            let mut pending = items.iter().filter(|item| item.verdict == Verdict::Pending).peekable();
            if datagram.whole.is_some()
                && let Some(first) = pending.peek()
            {
                let lane = self.lane_of.host(first.spans.identifier.host.of(bytes));
                // Also what is refused: it has to be cut out.
                self.part(lane, whole, index, &mut empty)?.add_items(items);
                continue;
            }
            let mut last = None;
            for item in pending {
                let host = item.spans.identifier.host;
                let lane = match last {
                    Some((known, lane)) if known == host => lane,
                    _ => self.lane_of.host(host.of(bytes)),
                };
                last = Some((host, lane));
                self.part(lane, whole, index, &mut empty)?.add_items(&[*item]);
            }
            while let Some(notification) = notifications.next_if(|next| next.datagram as usize == index) {
                let lane = self.lane_of.host(notification.spans.of(bytes).identifier.host);
                let part = self.part(lane, whole, index, &mut empty)?;
                let datagram = part.datagrams.len() as u32 - 1;
                part.notifications.push(Notification { datagram, ..*notification });
            }
        }
        Some(())
    }

    /// The parts of the batch divided last, each with its lane.
    pub fn parts(&mut self) -> impl Iterator<Item = (LaneId, Batch)> {
        self.parts
            .iter_mut()
            .enumerate()
            .filter_map(|(lane, part)| Some((LaneId::new(lane), part.take()?.batch)))
    }

    /// The part of a lane, with a copy of a datagram of the whole as its last one.
    fn part(
        &mut self,
        lane: LaneId,
        whole: &Batch,
        index: usize,
        empty: &mut impl FnMut(LaneId) -> Option<Batch>,
    ) -> Option<&mut Batch> {
        let part = match &mut self.parts[lane.number()] {
            Some(part) => part,
            none => none.insert(Part { batch: empty(lane)?, last: None }),
        };
        if part.last.replace(index) != Some(index) {
            part.batch.received = whole.received;
            part.batch.arrived = whole.arrived;
            part.batch.add_copy(whole, &whole.datagrams[index]);
        }
        Some(&mut part.batch)
    }
}
