//! A buffer that lanes hand over: packets, each behind its length, and the value lists in them.

use coco_core::wire::part::LONGEST_NAME_MAX;
use coco_core::wire::{Decoder, Event, Malformed, Visitor};
use remote_write::queue::Queue;

/// Appends packets, which take so many bytes.
pub(super) fn fill<'p>(buffer: &mut Vec<u8>, packets: impl Iterator<Item = &'p [u8]>, size: usize) {
    buffer.reserve(size);
    for packet in packets {
        buffer.extend_from_slice(&(packet.len() as u32).to_be_bytes());
        buffer.extend_from_slice(packet);
    }
}

/// Bytes that packets take.
pub(super) fn size<'p>(packets: impl Iterator<Item = &'p [u8]>) -> usize {
    packets.map(|packet| packet.len() + size_of::<u32>()).sum()
}

/// The packets in a buffer.
pub(super) fn packets(mut buffer: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = buffer.split_first_chunk()?;
        let (packet, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        buffer = rest;
        Some(packet)
    })
}

/// Queues the value lists of a packet.
pub(super) fn queue(queue: &mut Queue, packet: &[u8], now: i64) {
    lists(packet).show(&mut Queued { queue, packet, now });
}

/// How many value lists a packet has.
pub(super) fn count(packet: &[u8]) -> u64 {
    lists(packet).filter(|event| matches!(event, Ok(Event::ValueList(_)))).count() as u64
}

fn lists(packet: &[u8]) -> Decoder<'_> {
    Decoder::new(packet).with_name_max(LONGEST_NAME_MAX)
}

/// Sees the value lists of a packet.
struct Queued<'q, 'p> {
    queue: &'q mut Queue,
    packet: &'p [u8],
    now: i64,
}

impl Visitor for Queued<'_, '_> {
    #[inline]
    fn visit(&mut self, event: Result<Event, Malformed>) {
        if let Ok(Event::ValueList(spans)) = event {
            self.queue.push(&spans.of(self.packet), self.now);
        }
    }
}
