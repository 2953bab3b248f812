//! Packets of one share, signed or encrypted for one outlet.

use std::ops::Range;

use coco_core::recycle::recycle;
use coco_core::wire::{InitializationVectors, PacketBuilder, Seal};

/// For so many bytes memory is always kept.
const KEPT_BYTES: usize = 1 << 16;

/// Packets, one behind another. Recycled, so that the steady state allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Sealed {
    bytes: Vec<u8>,
    packets: Vec<Range<usize>>,
}

impl Sealed {
    /// Puts these packets here in place of what was here.
    pub(super) fn fill(&mut self, packets: &PacketBuilder, seal: &Seal, vectors: &mut InitializationVectors) {
        recycle(&mut self.bytes, KEPT_BYTES);
        self.packets.clear();
        for (_, packet) in packets.packets() {
            let start = self.bytes.len();
            // One that is too long stays empty.
            let _ = seal.seal(packet, vectors, &mut self.bytes);
            self.packets.push(start..self.bytes.len());
        }
    }

    /// The packets from number `first` on, up to one that [is missing](Self::lacks).
    pub(super) fn from(&self, first: usize) -> impl Iterator<Item = &[u8]> {
        let packets = self.packets.iter().skip(first).map(|packet| &self.bytes[packet.clone()]);
        packets.take_while(|packet| !packet.is_empty())
    }

    /// Whether a packet was too long to be sealed: no datagram would hold it.
    pub(super) fn lacks(&self, packet: usize) -> bool {
        self.packets.get(packet).is_some_and(Range::is_empty)
    }
}
