//! The unit that travels from stage to stage: received bytes and a table of spans over them.

use std::net::SocketAddr;
use std::ops::Range;
use std::time::Instant;

use coco_core::recycle::recycle;
use coco_core::wire::{MOST_NOTIFICATIONS, NotificationSpans, ValueListSpans, Whole};
use coco_udp::Slots;
use memmap2::{Advice, MmapMut};

use crate::share::{Share, ShareLists, Start};

/// Bytes of a slot that a datagram may fill: more than any UDP datagram has.
pub const LARGEST_DATAGRAM: usize = u16::MAX as usize;

/// Bytes from slot to slot. Not a power of two: the heads of all datagrams would share a few sets of the cache.
const STRIDE: usize = LARGEST_DATAGRAM + 1 + 1536;

/// Value lists that a batch is decoded to, for each datagram that it has room for: more than those of agents. It is
/// exceeded by those of one datagram at most.
const MOST_VALUE_LISTS: usize = 59;

/// Value lists of a [`Stretch`]. It is exceeded by those of one datagram at most.
const STRETCH: u32 = 256;

/// Bytes of the smallest value list: one that repeats all names.
const SMALLEST_VALUE_LIST: usize = 15;

/// Bytes of pages that datagrams of a batch may reach, for each that it has room for. Larger ones travel apart.
const MOST_REACHED: usize = 16 * 1024;

/// Entries of a table that a batch keeps room for, for each of its datagrams.
const KEPT: usize = 64;

/// The system's pages, as nearly all have them.
const PAGE: usize = 4096;

/// Bytes that a batch of so many datagrams takes at most while it travels, if so many copies are sent of each host at most.
pub const fn most_bytes(datagrams: usize, copies: usize) -> usize {
    // Their table doubles as it grows; before each list stands how long it is.
    let shares = 2 * (copies + 1) * size_of::<Share>();
    let value_lists = most_value_lists(datagrams) * (size_of::<Item>() + shares);
    let notifications = datagrams * MOST_NOTIFICATIONS * (size_of::<Notification>() + shares);
    MOST_REACHED * datagrams + value_lists + notifications
}

/// Bytes that its slots take beyond that while it is received into, at most.
pub const fn most_received(datagrams: usize) -> usize {
    datagrams * (pages(LARGEST_DATAGRAM) - MOST_REACHED)
}

/// Value lists that it holds at most: of its last datagram, all are taken.
const fn most_value_lists(datagrams: usize) -> usize {
    MOST_VALUE_LISTS * datagrams + LARGEST_DATAGRAM / SMALLEST_VALUE_LIST
}

/// Datagrams received together, and what is known of them. Recycled, so that the steady state allocates nothing.
///
/// What is received together need not be decoded together: strangers can have much in it. A batch is decoded in rounds,
/// most of them in one, and each is bounded in bytes.
#[derive(Debug)]
pub struct Batch {
    /// One slot a datagram. Pages that no datagram reaches are never touched, so they take no memory.
    slots: MmapMut,
    /// The longest datagram that each slot has held.
    reach: Box<[u16]>,
    /// Bytes of the pages that those have touched, at most.
    reached: usize,
    /// The datagrams received, in order.
    pub datagrams: Vec<Datagram>,
    /// The datagrams that were decoded last, which the tables below speak of.
    pub round: Range<usize>,
    /// The value lists of the round, in order.
    pub value_lists: Vec<Item>,
    /// The notifications of the round, in order.
    pub notifications: Vec<Notification>,
    /// The shares that hosts are in; an [`Item`] says where those of its host start.
    pub shares: ShareLists,
    /// When the batch was received, in Unix seconds.
    pub received: u32,
    /// The same by the clock that durations are measured with.
    pub arrived: Instant,
}

/// One datagram of a batch.
#[derive(Debug, Clone)]
pub struct Datagram {
    slot: u16,
    length: u16,
    /// The sender's address, if the kernel said it.
    pub source: Option<SocketAddr>,
    /// Its value lists, as a range of [`Batch::value_lists`].
    pub value_lists: Range<u32>,
    /// The part of it that may leave as it came: value lists of one host, at least one of them complete, no error, no
    /// notification, nothing that is ignored or not verified.
    pub whole: Option<Whole>,
    /// Whether it has names with bytes behind their NUL: its value lists can't leave as their parts stand.
    pub has_odd_names: bool,
}

/// A value list and what becomes of it.
#[derive(Debug, Clone, Copy)]
pub struct Item {
    /// Where it stands in its datagram. Of an incomplete one only the values part is known.
    pub spans: ValueListSpans,
    /// The decision on it.
    pub verdict: Verdict,
}

/// The decision on a value list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Complete; the filter has yet to decide.
    Pending,
    /// Incomplete: counted by the listen stage, sent to no one.
    Incomplete,
    /// Matched by the blacklist.
    Rejected,
    /// To be sent to the shares that start here among [`Batch::shares`].
    Accepted(Start),
}

/// A notification and the shares that its host is in.
#[derive(Debug, Clone, Copy)]
pub struct Notification {
    /// Index of its datagram.
    pub datagram: u32,
    /// Where it stands there.
    pub spans: NotificationSpans,
    /// Where its shares start among [`Batch::shares`].
    pub shares: Start,
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
            slots: slots(datagrams),
            reach: vec![0; datagrams].into(),
            reached: 0,
            round: 0..0,
            datagrams: Vec::with_capacity(datagrams),
            value_lists: Vec::new(),
            notifications: Vec::new(),
            shares: ShareLists::default(),
            received: 0,
            arrived: Instant::now(),
        }
    }

    /// The most datagrams that it can hold.
    pub fn capacity(&self) -> usize {
        self.reach.len()
    }

    /// Forgets everything and keeps the memory, but for what was needed once and now is not.
    pub fn clear(&mut self) {
        self.datagrams.clear();
        self.clear_tables();
        self.round = 0..0;
        if self.is_stretched() {
            self.slots = slots(self.capacity());
            self.reach.fill(0);
            self.reached = 0;
        }
    }

    fn clear_tables(&mut self) {
        let kept = KEPT * self.capacity();
        recycle(&mut self.value_lists, kept);
        recycle(&mut self.notifications, kept);
        self.shares.recycle(kept);
    }

    /// Whether its slots take more memory than a batch that travels may.
    fn is_stretched(&self) -> bool {
        self.reached > MOST_REACHED * self.capacity()
    }

    /// Whether it may travel itself: all that it holds was decoded in one round, and its slots take little memory.
    pub fn is_one_round(&self) -> bool {
        self.round == (0..self.datagrams.len()) && !self.is_stretched()
    }

    /// Whether there is something left to decode.
    pub fn has_rest(&self) -> bool {
        self.round.end < self.datagrams.len()
    }

    /// Forgets the last round's tables, to decode the next one.
    pub fn next_round(&mut self) {
        self.clear_tables();
        self.round.start = self.round.end;
    }

    /// Adds a copy of what was decoded last of another batch.
    pub fn add_round(&mut self, other: &Self) {
        let mut notifications = other.notifications.iter().peekable();
        for index in other.round.clone() {
            let datagram = &other.datagrams[index];
            self.add_copy(other, datagram);
            self.add_items(other.items(datagram));
            while let Some(notification) = notifications.next_if(|next| next.datagram as usize == index) {
                let datagram = self.datagrams.len() as u32 - 1;
                self.notifications.push(Notification { datagram, ..*notification });
            }
        }
        self.round = 0..self.datagrams.len();
        self.received = other.received;
        self.arrived = other.arrived;
    }

    /// The slots behind the datagrams already there, to be filled in order.
    pub fn free_slots(&mut self) -> impl Iterator<Item = &mut [u8]> {
        let used = self.datagrams.len();
        self.slots.chunks_exact_mut(STRIDE).skip(used).map(|slot| &mut slot[..LARGEST_DATAGRAM])
    }

    /// Takes note of a datagram that lies in the next free slot.
    pub fn add(&mut self, length: usize, source: Option<SocketAddr>) {
        debug_assert!(self.datagrams.len() < self.capacity());
        let (slot, length) = (self.datagrams.len(), length.min(LARGEST_DATAGRAM) as u16);
        self.reach(slot, length);
        self.datagrams.push(Datagram {
            slot: slot as u16,
            length,
            source,
            value_lists: 0..0,
            whole: None,
            has_odd_names: false,
        });
    }

    /// Takes note that a datagram of this length lies in a slot.
    #[inline]
    fn reach(&mut self, slot: usize, length: u16) {
        let reach = &mut self.reach[slot];
        if length > *reach {
            self.reached += pages(length.into()) - pages((*reach).into());
            *reach = length;
        }
    }

    /// Adds a copy of a datagram of another batch, without its value lists.
    pub fn add_copy(&mut self, other: &Self, datagram: &Datagram) {
        let bytes = other.bytes(datagram);
        let slot = self.datagrams.len();
        let copy = Datagram { slot: slot as u16, value_lists: self.end()..self.end(), ..datagram.clone() };
        self.datagrams.push(copy);
        self.reach(slot, datagram.length);
        let start = slot * STRIDE;
        self.slots[start..start + bytes.len()].copy_from_slice(bytes);
    }

    /// Adds value lists to the datagram that was added last.
    pub fn add_items(&mut self, items: &[Item]) {
        make_room(&mut self.value_lists, items.len(), self.reach.len());
        self.value_lists.extend_from_slice(items);
        let end = self.end();
        if let Some(datagram) = self.datagrams.last_mut() {
            datagram.value_lists.end = end;
        }
    }

    /// The number of value lists without a verdict.
    pub fn pending(&self) -> u64 {
        self.value_lists.iter().filter(|item| item.verdict == Verdict::Pending).count() as u64
    }

    fn end(&self) -> u32 {
        self.value_lists.len() as u32
    }

    /// The bytes of one of its datagrams.
    #[inline]
    pub fn bytes(&self, datagram: &Datagram) -> &[u8] {
        bytes(&self.slots, datagram)
    }

    /// The room that one round of decoding has.
    pub fn room(&self) -> Room {
        Room {
            value_lists: MOST_VALUE_LISTS * self.capacity(),
            datagrams: self.capacity(),
            bytes: MOST_REACHED * self.capacity(),
            is_fresh: true,
        }
    }

    /// Its datagrams behind the last round with their bytes, and the tables that they are decoded into.
    pub fn decoding(
        &mut self,
    ) -> (impl Iterator<Item = (&mut Datagram, &mut [u8])>, &mut Vec<Item>, &mut Vec<Notification>) {
        let Self { slots, datagrams, value_lists, notifications, round, .. } = self;
        // A datagram lies in the slot of its place.
        let slots = slots.chunks_exact_mut(STRIDE);
        let with_bytes = datagrams.iter_mut().zip(slots).skip(round.end).map(|(datagram, slot)| {
            let bytes = &mut slot[..usize::from(datagram.length)];
            (datagram, bytes)
        });
        (with_bytes, value_lists, notifications)
    }

    /// Its datagrams in stretches, to be given verdicts, and the shares that these point to.
    pub fn deciding(&mut self) -> (impl Iterator<Item = Stretch<'_>>, &mut ShareLists) {
        let Self { slots, datagrams, value_lists, shares, .. } = self;
        let slots: &[u8] = slots;
        let (mut datagrams, mut items) = (datagrams.as_slice(), value_lists.as_mut_slice());
        let stretches = std::iter::from_fn(move || {
            let first = datagrams.first()?.value_lists.start;
            let is_behind = |datagram: &Datagram| datagram.value_lists.start - first >= STRETCH;
            let count = datagrams.iter().position(is_behind).unwrap_or(datagrams.len());
            let (own, rest) = datagrams.split_at(count);
            let end = rest.first().map_or(items.len(), |next| (next.value_lists.start - first) as usize);
            datagrams = rest;
            let items = split_off(&mut items, end);
            Some(Stretch { slots, datagrams: own, first, items })
        });
        (stretches, shares)
    }

    /// The value lists of one of the datagrams of the round.
    pub fn items(&self, datagram: &Datagram) -> &[Item] {
        &self.value_lists[datagram.value_lists.start as usize..datagram.value_lists.end as usize]
    }
}

/// Datagrams that follow one another, whose value lists are given their verdicts together.
///
/// Many enough for the processor to wait for several look-ups at a time, and few enough for the cache.
pub struct Stretch<'a> {
    slots: &'a [u8],
    datagrams: &'a [Datagram],
    /// The number of its first value list in the batch.
    first: u32,
    /// Its value lists.
    pub items: &'a mut [Item],
}

impl<'a> Stretch<'a> {
    /// The bytes of its datagrams, and which of its value lists are theirs.
    pub fn datagrams(&self) -> impl Iterator<Item = (&'a [u8], Range<u32>)> + use<'a> {
        let Self { slots, datagrams, first, .. } = *self;
        datagrams.iter().map(move |datagram| {
            let Range { start, end } = datagram.value_lists;
            (bytes(slots, datagram), start - first..end - first)
        })
    }

    /// The bytes of the datagram that one of its value lists is in.
    pub fn bytes_of(&self, item: u32) -> &'a [u8] {
        let item = self.first + item;
        let behind = self.datagrams.partition_point(|datagram| datagram.value_lists.start <= item);
        bytes(self.slots, &self.datagrams[behind - 1])
    }
}

impl Slots for Batch {
    #[inline]
    fn free(&mut self) -> impl Iterator<Item = &mut [u8]> {
        self.free_slots()
    }

    #[inline]
    fn is_full(&self) -> bool {
        self.datagrams.len() == self.capacity()
    }

    #[inline]
    fn fill(&mut self, length: usize, source: Option<SocketAddr>) {
        self.add(length, source);
    }
}

/// The room of a round that is left.
#[derive(Debug, Clone, Copy)]
pub struct Room {
    value_lists: usize,
    /// The most datagrams of the batch.
    datagrams: usize,
    bytes: usize,
    is_fresh: bool,
}

impl Room {
    /// Whether a datagram of so many bytes is still to be decoded in this round, into this table; then there is room in
    /// it. The first one always is.
    #[inline]
    pub fn takes(&mut self, datagram: usize, table: &mut Vec<Item>) -> bool {
        let takes = self.is_fresh || (table.len() < self.value_lists && pages(datagram) <= self.bytes);
        self.bytes = self.bytes.saturating_sub(pages(datagram));
        self.is_fresh = false;
        if takes {
            make_room(table, datagram / SMALLEST_VALUE_LIST, self.datagrams);
        }
        takes
    }
}

/// Has the table of a batch of so many datagrams have room for so many more.
#[inline]
fn make_room(table: &mut Vec<Item>, more: usize, datagrams: usize) {
    if table.capacity() - table.len() < more {
        grow(table, more, datagrams);
    }
}

/// It doubles, but does not grow beyond what a batch may hold.
#[cold]
fn grow(table: &mut Vec<Item>, more: usize, datagrams: usize) {
    let needed = table.len() + more;
    let capacity = needed.max(most_value_lists(datagrams).min(2 * table.capacity()));
    table.reserve_exact(capacity - table.len());
}

/// Bytes of the pages that a datagram of this length touches at most, wherever it starts: an empty one none.
#[inline]
const fn pages(length: usize) -> usize {
    if length == 0 { 0 } else { (length + 2 * (PAGE - 1)) / PAGE * PAGE }
}

/// A mapping of its own, that is memory which goes back to the system with it. In large pages, each datagram would
/// take much more of it than it reaches.
fn slots(datagrams: usize) -> MmapMut {
    let slots = MmapMut::map_anon(datagrams * STRIDE).expect("the system gives memory");
    // A kernel without large pages does not know of them.
    let _ = slots.advise(Advice::NoHugePage);
    slots
}

/// Takes so many from the front.
fn split_off<'a>(items: &mut &'a mut [Item], count: usize) -> &'a mut [Item] {
    let (front, rest) = std::mem::take(items).split_at_mut(count);
    *items = rest;
    front
}

fn bytes<'a>(buffer: &'a [u8], datagram: &Datagram) -> &'a [u8] {
    let start = usize::from(datagram.slot) * STRIDE;
    &buffer[start..start + usize::from(datagram.length)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_that_a_datagram_reaches_is_counted_and_once() {
        let mut batch = Batch::new(8);
        for (length, pages) in [(0, 0), (1, 1), (PAGE, 3), (1452, 5), (LARGEST_DATAGRAM, 22)] {
            batch.add(length, None);
            assert_eq!(batch.reached, pages * PAGE, "of {length} bytes more");
        }
        batch.clear();
        assert_eq!(batch.reached, 22 * PAGE, "they are kept");
        for (length, pages) in [(1, 23), (1, 23), (1, 23)] {
            batch.add(length, None);
            assert_eq!(batch.reached, pages * PAGE, "where one of {length} bytes comes");
        }
    }

    /// Whatever their sizes: one without value lists, many small ones, and one that is a stretch by itself.
    #[test]
    fn stretches_are_of_whole_datagrams_and_miss_none() {
        let counts = [0, 100, 155, 0, 1, 300, 0, 33, 222, 1, 0];
        let mut batch = Batch::new(counts.len());
        let item = Item { spans: ValueListSpans::default(), verdict: Verdict::Pending };
        for (length, count) in (1..).zip(counts) {
            batch.add(length, None);
            let end = batch.end();
            batch.datagrams.last_mut().unwrap().value_lists = end..end;
            batch.add_items(&vec![item; count]);
        }
        let (mut sizes, mut lengths) = (Vec::new(), Vec::new());
        for stretch in batch.deciding().0 {
            sizes.push(stretch.items.len());
            let mut next = 0;
            for (bytes, own) in stretch.datagrams() {
                assert_eq!(own.start, next);
                own.clone().for_each(|item| assert_eq!(stretch.bytes_of(item), bytes));
                next = own.end;
                lengths.push((bytes.len(), own.len()));
            }
            assert_eq!(next as usize, stretch.items.len());
        }
        assert_eq!(sizes, [256, 300, 256, 0]);
        assert_eq!(lengths, (1..).zip(counts).collect::<Vec<_>>());
    }
}
