//! Packets of one share, signed or encrypted for one outlet: as many at a time as leave together.

use std::ops::Range;

use coco_core::recycle::recycle;
use coco_core::wire::{InitializationVectors, PacketBuilder, Seal};

/// Packets that are sealed at a time, at most: more don't leave by one system call.
const PACKETS: usize = 64;

/// Bytes beyond which no more are sealed at a time.
const BYTES: usize = 1 << 17;

/// Some packets, one behind another. Recycled, so that the steady state allocates nothing.
#[derive(Debug, Default)]
pub(super) struct Sealed {
    bytes: Vec<u8>,
    packets: Vec<Range<usize>>,
    /// The number of the first of them.
    first: usize,
}

/// Sealing for one outlet.
pub(super) struct Sealing<'a> {
    pub(super) seal: &'a Seal,
    pub(super) vectors: &'a mut InitializationVectors,
    pub(super) sealed: &'a mut Sealed,
}

impl Sealing<'_> {
    /// The packets from number `next` on, some of them; none if the first would be too long, for no datagram holds it.
    pub(super) fn from(&mut self, packets: &PacketBuilder, next: usize) -> impl Iterator<Item = &[u8]> {
        let Self { seal, vectors, sealed } = self;
        if !(sealed.first..sealed.first + sealed.packets.len()).contains(&next) {
            sealed.fill(packets, next, seal, vectors);
        }
        let packets = sealed.packets.iter().skip(next - sealed.first);
        packets.map(|packet| &sealed.bytes[packet.clone()]).take_while(|packet| !packet.is_empty())
    }
}

impl Sealed {
    /// Forgets all.
    pub(super) fn clear(&mut self) {
        recycle(&mut self.bytes, BYTES);
        self.packets.clear();
    }

    fn fill(
        &mut self,
        packets: &PacketBuilder,
        first: usize,
        seal: &Seal,
        vectors: &mut InitializationVectors,
    ) {
        self.clear();
        self.first = first;
        for (_, packet) in packets.packets().skip(first).take(PACKETS) {
            let start = self.bytes.len();
            if start >= BYTES {
                break;
            }
            // One that is too long stays empty.
            let _ = seal.seal(packet, vectors, &mut self.bytes);
            self.packets.push(start..self.bytes.len());
        }
    }
}

#[cfg(test)]
mod tests {
    use coco_harness::traffic;

    use super::*;

    #[test]
    fn all_packets_are_sealed_in_their_order_and_few_at_a_time() {
        let mut packets = PacketBuilder::new(9000);
        for number in 0..2000 {
            packets.push(&traffic::value_list("h", number).as_ref());
            if number > 1000 {
                packets.close();
            }
        }
        let seal = Seal::signing(b"alice", b"s3cret");
        let (mut vectors, mut sealed) = (InitializationVectors::new(&[1; 32]), Sealed::default());
        let mut next = 0;
        while next < packets.packets().len() {
            let mut sealing = Sealing { seal: &seal, vectors: &mut vectors, sealed: &mut sealed };
            let some: Vec<_> = sealing.from(&packets, next).map(<[u8]>::to_vec).collect();
            let plain = packets.packets().skip(next).map(|(_, bytes)| bytes);
            assert!((1..=PACKETS).contains(&some.len()));
            assert!(some.iter().zip(plain).all(|(sealed, plain)| sealed.ends_with(plain)));
            // Packets that no system call has taken are still there.
            let last = sealing.from(&packets, next + some.len() - 1).next().map(<[u8]>::to_vec);
            assert_eq!(last.as_ref(), some.last());
            assert!(sealed.bytes.capacity() <= 2 * (BYTES + 9000));
            next += some.len();
        }
    }

    #[test]
    fn what_no_datagram_holds_is_missing_and_what_is_behind_it_is_not() {
        let mut packets = PacketBuilder::new(1 << 16);
        let list = traffic::value_list("h", 1);
        let large = coco_core::value_list::ValueList::new(
            list.identifier.clone(),
            list.time,
            list.interval,
            &[coco_core::value_list::Value::Gauge(0.0); 7275],
        );
        for list in [&large, &list] {
            packets.push(&list.as_ref());
            packets.close();
        }
        let seal = Seal::signing(b"alice", b"s3cret");
        let (mut vectors, mut sealed) = (InitializationVectors::new(&[1; 32]), Sealed::default());
        let mut sealing = Sealing { seal: &seal, vectors: &mut vectors, sealed: &mut sealed };
        assert_eq!([0, 1].map(|next| sealing.from(&packets, next).count()), [0, 1]);
    }
}
