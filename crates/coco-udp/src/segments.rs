//! Packets for one target as messages, each of which the kernel cuts up again.
//!
//! UDP_SEGMENT (udp(7), since Linux 4.18): of a message of a system call the kernel makes datagrams of a size that the
//! call names, the last one of what is left. What it does once for a message is much of what sending costs.

use std::io::IoSlice;

use coco_core::wire::padding;
use smallvec::SmallVec;

/// Most packets that are divided at a time; as many segments as any kernel cuts a message into (`UDP_MAX_SEGMENTS`).
pub(crate) const MOST: usize = 64;

/// Longest message: what a datagram holds behind the heads of IP and UDP, of which IPv4's counts in its length.
const LONGEST: usize = 65_507;

/// Packets in order, as messages.
pub(crate) struct Segments<'a> {
    /// Bytes of each segment.
    size: usize,
    /// Packets, and padding behind those that are shorter than a segment.
    slices: SmallVec<[IoSlice<'a>; 2 * MOST]>,
    messages: SmallVec<[Message; MOST]>,
}

/// Packets of one message.
#[derive(Default)]
struct Message {
    /// The slice behind its last.
    end: usize,
    packets: usize,
    /// Bytes of it.
    length: usize,
}

impl<'a> Segments<'a> {
    /// Divides at most [`MOST`] packets. They stay in order, and each leaves whole; packets of a message get up to 128
    /// bytes of [`padding`]. Each is a message of its own if one is larger than `largest_segment`.
    pub(crate) fn new(packets: impl Iterator<Item = &'a [u8]>, largest_segment: usize) -> Self {
        let packets: SmallVec<[&[u8]; MOST]> = packets.take(MOST).collect();
        let size = packets.iter().map(|packet| packet.len()).max().unwrap_or_default();
        let mut divided = Self { size, slices: SmallVec::new(), messages: SmallVec::new() };
        // Padding fills the last segment of the open message, so that another can follow.
        let mut filling: Option<&[u8]> = None;
        for packet in packets {
            match (filling, divided.messages.last()) {
                (Some(filling), Some(message))
                    if message.length + filling.len() + packet.len() <= LONGEST =>
                {
                    divided.add(filling);
                }
                _ => divided.messages.push(Message { end: divided.slices.len(), ..Message::default() }),
            }
            divided.add(packet);
            if let Some(message) = divided.messages.last_mut() {
                message.packets += 1;
            }
            filling = if size <= largest_segment { padding(size - packet.len()) } else { None };
        }
        divided
    }

    fn add(&mut self, bytes: &'a [u8]) {
        let Some(message) = self.messages.last_mut() else { return };
        if !bytes.is_empty() {
            self.slices.push(IoSlice::new(bytes));
            message.end += 1;
            message.length += bytes.len();
        }
    }

    /// The size of segments, `None` if each message is one packet.
    pub(crate) fn size(&self) -> Option<u16> {
        let joined = self.messages.iter().any(|message| message.packets > 1);
        joined.then_some(self.size as u16)
    }

    /// The messages, in order.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &[IoSlice<'_>]> {
        let mut start = 0;
        self.messages.iter().map(move |message| {
            let slices = &self.slices[start..message.end];
            start = message.end;
            slices
        })
    }

    /// Number of packets in the first messages.
    pub(crate) fn packets(&self, messages: usize) -> usize {
        self.messages.iter().take(messages).map(|message| message.packets).sum()
    }
}

#[cfg(test)]
mod tests {
    use coco_core::wire::PADDING_MAX;
    use proptest::prelude::*;

    use super::*;

    /// A model of the kernel, which cuts messages up (`__udp_gso_segment`, `net/ipv4/udp_offload.c`).
    fn datagrams(segments: &Segments<'_>) -> Vec<Vec<u8>> {
        let segment = segments.size().map_or(usize::MAX, usize::from);
        let messages =
            segments.messages().map(|slices| slices.iter().flat_map(|slice| slice.to_vec()).collect());
        let messages: Vec<Vec<u8>> = messages.collect();
        assert!(messages.iter().all(|message| message.len() <= LONGEST));
        messages.iter().flat_map(|message| message.chunks(segment).map(<[u8]>::to_vec)).collect()
    }

    proptest! {
        #[test]
        fn packets_leave_in_order_with_nothing_but_padding_behind_them(
            lengths in proptest::collection::vec(prop_oneof![1300..1453_usize, 1..1453_usize, Just(1452)], 1..80),
            largest_segment in prop_oneof![Just(0), Just(1400), Just(1452)],
        ) {
            let packets: Vec<Vec<u8>> =
                lengths.iter().enumerate().map(|(i, &length)| vec![i as u8; length]).collect();
            let segments = Segments::new(packets.iter().map(Vec::as_slice), largest_segment);
            let datagrams = datagrams(&segments);
            prop_assert_eq!(datagrams.len(), packets.len().min(MOST));
            prop_assert_eq!(segments.packets(usize::MAX), datagrams.len());
            let largest = packets.iter().take(MOST).map(Vec::len).max().unwrap();
            for (datagram, packet) in datagrams.iter().zip(&packets) {
                let (own, behind) = datagram.split_at(packet.len());
                prop_assert_eq!(own, packet.as_slice());
                prop_assert!(behind.is_empty() || Some(behind) == padding(largest - packet.len()));
                prop_assert!(behind.len() <= PADDING_MAX);
            }
            if largest > largest_segment {
                prop_assert_eq!(segments.size(), None);
            }
        }
    }

    #[test]
    fn what_is_nearly_of_one_size_is_one_message() {
        let lengths = [1452, 1440, 1324, 1447, 1452, 1448, 1452, 1323, 1452, 7];
        let bytes = [0; 1452];
        let segments = Segments::new(lengths.iter().map(|&length| &bytes[..length]), 1452);
        assert_eq!(segments.size(), Some(1452));
        // No padding has 1 to 4 bytes, none more than 128: such a packet is the last of its message.
        let ends: Vec<usize> = (1..=4).map(|messages| segments.packets(messages)).collect();
        assert_eq!(ends, [6, 8, 10, 10]);
        assert_eq!(Segments::new([&bytes[..]; 50].into_iter(), 1452).messages().count(), 2);
    }
}
