//! The unit that travels from stage to stage: received bytes and a table of spans over them.

use crate::routing::Routing;
use coco_core::recycle::recycle;
use coco_core::wire::{Carried, NotificationSpans, ValueListSpans};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;

/// Bytes of a slot that a datagram may fill: more than any UDP datagram has.
pub const LARGEST_DATAGRAM: usize = u16::MAX as usize;

/// Bytes from slot to slot. Not a power of two: the heads of all datagrams would share a few sets of the cache.
const STRIDE: usize = LARGEST_DATAGRAM + 1 + 1536;

/// Entries of a table that a batch keeps room for, for each of its datagrams: more than the value lists of agents.
const KEPT: usize = 256;

/// Datagrams received together, and what is known of them. Recycled, so that the steady state allocates nothing.
#[derive(Debug)]
pub struct Batch {
    /// One slot a datagram. Pages that no datagram reaches are never touched, so they take no memory.
    buffer: Box<[u8]>,
    /// What was received, in order.
    pub datagrams: Vec<Datagram>,
    /// The value lists of all datagrams, in order.
    pub value_lists: Vec<Item>,
    /// The notifications of all datagrams, in order.
    pub notifications: Vec<Notification>,
    /// Owners, one target index a [partition](crate::partitions), one run after another; an [`Item`] says where its run
    /// starts.
    pub owners: Vec<u16>,
    /// When the batch was received, in Unix seconds.
    pub received: u32,
    /// What the owners were decided by.
    pub routing: Option<Arc<Routing>>,
}

/// One datagram of a batch.
#[derive(Clone, Debug)]
pub struct Datagram {
    slot: u16,
    length: u16,
    /// Whom it came from, if the kernel said.
    pub source: Option<SocketAddr>,
    /// Its value lists, as a range of [`Batch::value_lists`].
    pub value_lists: Range<u32>,
    /// What is in force behind its last part.
    pub carried: Carried,
    /// Whether it may leave as it came, from `start` on: value lists of one host, no error, no notification, nothing
    /// that is ignored or not verified.
    pub whole: bool,
    /// Where that starts which may leave as it came: behind a signature, or within an encrypted part.
    pub start: u16,
}

/// A value list and what becomes of it.
#[derive(Clone, Copy, Debug)]
pub struct Item {
    /// Where it stands in its datagram. Of an incomplete one only the values part is known.
    pub spans: ValueListSpans,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// What becomes of a value list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Complete; the filter has yet to decide.
    Pending,
    /// Incomplete: counted by the listen stage, sent to no one.
    Incomplete,
    /// Matched by the blacklist.
    Rejected,
    /// To be sent to the owners that start at this index of [`Batch::owners`].
    Accepted(u32),
}

/// A notification and its owners.
#[derive(Clone, Copy, Debug)]
pub struct Notification {
    /// Index of its datagram.
    pub datagram: u32,
    /// Where it stands there.
    pub spans: NotificationSpans,
    /// Where its owners start in [`Batch::owners`].
    pub owners: u32,
}

impl Datagram {
    /// Its length in bytes.
    pub fn length(&self) -> u16 {
        self.length
    }
}

impl Batch {
    /// A batch of up to `datagrams` datagrams.
    pub fn new(datagrams: usize) -> Self {
        Self {
            buffer: vec![0; datagrams * STRIDE].into_boxed_slice(),
            datagrams: Vec::with_capacity(datagrams),
            value_lists: Vec::new(),
            notifications: Vec::new(),
            owners: Vec::new(),
            received: 0,
            routing: None,
        }
    }

    /// How many datagrams it can hold.
    pub fn capacity(&self) -> usize {
        self.buffer.len() / STRIDE
    }

    /// Forgets everything and keeps the memory, but for what was needed once and now is not.
    pub fn clear(&mut self) {
        let kept = KEPT * self.capacity();
        self.datagrams.clear();
        recycle(&mut self.value_lists, kept);
        recycle(&mut self.notifications, kept);
        recycle(&mut self.owners, kept);
        self.routing = None;
    }

    /// The slots behind the datagrams already there, to be filled in order.
    pub fn free_slots(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let used = self.datagrams.len();
        self.buffer.chunks_exact_mut(STRIDE).skip(used).map(|slot| &mut slot[..LARGEST_DATAGRAM])
    }

    /// Takes note of a datagram that lies in the next free slot.
    pub fn add(&mut self, length: usize, source: Option<SocketAddr>) {
        debug_assert!(self.datagrams.len() < self.capacity());
        self.datagrams.push(Datagram {
            slot: self.datagrams.len() as u16,
            length: length.min(LARGEST_DATAGRAM) as u16,
            source,
            value_lists: 0..0,
            carried: Carried::default(),
            whole: false,
            start: 0,
        });
    }

    /// Adds a copy of a datagram of another batch, without its value lists.
    pub fn add_copy(&mut self, other: &Self, datagram: &Datagram) {
        let bytes = other.bytes(datagram);
        let slot = self.datagrams.len() as u16;
        let copy = Datagram { slot, value_lists: self.end()..self.end(), ..datagram.clone() };
        self.datagrams.push(copy);
        let start = usize::from(slot) * STRIDE;
        self.buffer[start..start + bytes.len()].copy_from_slice(bytes);
    }

    /// Adds value lists to the datagram that was added last.
    pub fn add_items(&mut self, items: &[Item]) {
        self.value_lists.extend_from_slice(items);
        let end = self.end();
        if let Some(datagram) = self.datagrams.last_mut() {
            datagram.value_lists.end = end;
        }
    }

    /// How many value lists have no verdict yet.
    pub fn pending(&self) -> u64 {
        self.value_lists.iter().filter(|item| item.verdict == Verdict::Pending).count() as u64
    }

    fn end(&self) -> u32 {
        self.value_lists.len() as u32
    }

    /// The bytes of one of its datagrams.
    #[inline]
    pub fn bytes(&self, datagram: &Datagram) -> &[u8] {
        bytes(&self.buffer, datagram)
    }

    /// Its datagrams with their bytes, and the tables that they are decoded into.
    pub fn decoding(
        &mut self,
    ) -> (impl Iterator<Item = (&mut Datagram, &mut [u8])>, &mut Vec<Item>, &mut Vec<Notification>) {
        let Self { buffer, datagrams, value_lists, notifications, .. } = self;
        // A datagram lies in the slot of its place.
        let slots = buffer.chunks_exact_mut(STRIDE);
        let with_bytes = datagrams.iter_mut().zip(slots).map(|(datagram, slot)| {
            let bytes = &mut slot[..usize::from(datagram.length)];
            (datagram, bytes)
        });
        (with_bytes, value_lists, notifications)
    }

    /// Its datagrams with their bytes and value lists, to be given verdicts, and the owners that these point to.
    pub fn deciding(&mut self) -> (impl Iterator<Item = (&[u8], &mut [Item])>, &mut Vec<u16>) {
        let Self { buffer, datagrams, value_lists, owners, .. } = self;
        let buffer: &[u8] = buffer;
        let mut items = value_lists.as_mut_slice();
        let with_items = datagrams.iter().map(move |datagram| {
            let (own, rest) = std::mem::take(&mut items).split_at_mut(datagram.value_lists.len());
            items = rest;
            (bytes(buffer, datagram), own)
        });
        (with_items, owners)
    }

    /// The value lists of one of its datagrams.
    pub fn items(&self, datagram: &Datagram) -> &[Item] {
        &self.value_lists[datagram.value_lists.start as usize..datagram.value_lists.end as usize]
    }
}

fn bytes<'a>(buffer: &'a [u8], datagram: &Datagram) -> &'a [u8] {
    let start = usize::from(datagram.slot) * STRIDE;
    &buffer[start..start + usize::from(datagram.length)]
}
