//! Packing value lists from the datagrams that they came in: parts that stand next to each other there are copied
//! together, with their headers, instead of being written one by one.

use super::Span;
use super::decode::ValueListSpans;
use super::encode::{Changes, NAME_PARTS, PacketBuilder, PartOrder, Range32, header};
use super::part::{HEADER, PartType};
use crate::value_list::ValueListRef;

impl PacketBuilder {
    /// Appends a value list as [`push`](Self::push) does, byte for byte, from the datagram that it was decoded from.
    pub fn push_from(&mut self, datagram: &[u8], spans: &ValueListSpans) {
        let list = spans.of(datagram);
        let changes = self.make_room(&list);
        if self.copy(datagram, spans, &list, &changes) {
            self.put_in_force(&list);
        } else {
            self.write(&list, changes);
        }
        self.value_lists += 1;
    }

    /// Whether all that is to be stated stands in the datagram as it is written here; if not, nothing is copied.
    #[inline]
    fn copy(
        &mut self,
        datagram: &[u8],
        spans: &ValueListSpans,
        list: &ValueListRef<'_>,
        changes: &Changes,
    ) -> bool {
        if self.order != PartOrder::Collectd || (changes.interval && list.interval.is_none()) {
            return false;
        }
        let before = self.bytes.len();
        let own = &spans.identifier;
        let names = [own.host, own.plugin, own.plugin_instance, own.type_name, own.type_instance];
        let mut placed = self.state.names;
        let mut copying = Copying { datagram, bytes: &mut self.bytes, from: 0, to: 0 };
        for (i, name) in names.into_iter().enumerate() {
            if changes.names[i] {
                let Some(start) = start_of_part(datagram, NAME_PARTS[i], name) else {
                    self.bytes.truncate(before);
                    return false;
                };
                let place = copying.add(start, name.end() + 1) + HEADER;
                placed[i] = Range32 { start: place as u32, length: name.length() as u32 };
            }
            if i == 0 {
                // Behind the host, as collectd has them.
                if changes.time {
                    copying.add(spans.time.start(), spans.time.end());
                }
                if changes.interval {
                    copying.add(spans.interval.start(), spans.interval.end());
                }
            }
        }
        copying.add(spans.values.start(), spans.values.end());
        copying.flush();
        self.state.names = placed;
        true
    }
}

/// Where the part starts that states a name, if it is written as it would be here: not if it has bytes behind a NUL, or
/// if there is none.
#[inline]
fn start_of_part(datagram: &[u8], kind: PartType, name: Span) -> Option<usize> {
    let start = name.start().checked_sub(HEADER)?;
    let own = datagram.get(start..)?.first_chunk::<HEADER>()?;
    (*own == header(kind, name.length() + 1)).then_some(start)
}

/// Bytes of a datagram on their way to a packet.
struct Copying<'a> {
    datagram: &'a [u8],
    bytes: &'a mut Vec<u8>,
    /// What is to be copied next.
    from: usize,
    to: usize,
}

impl Copying<'_> {
    /// Adds these bytes. Returns where in the packets they will start.
    #[inline]
    fn add(&mut self, start: usize, end: usize) -> usize {
        if start != self.to {
            self.flush();
            self.from = start;
        }
        self.to = end;
        self.bytes.len() + start - self.from
    }

    #[inline]
    fn flush(&mut self) {
        self.bytes.extend_from_slice(self.datagram.get(self.from..self.to).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;
    use crate::wire::{Decoder, Event};

    /// A part that a value list may have in front of its values, odd ones among them.
    fn part() -> impl Strategy<Value = Vec<u8>> {
        let string = |kind: PartType, payload: &[u8]| [&header(kind, payload.len())[..], payload].concat();
        let payloads: [&[u8]; 6] = [b"a\0", b"web1.example.org\0", b"\0", b"a\0b\0", b"a\0\0", b"longer\0"];
        let kinds = [
            PartType::HOST,
            PartType::PLUGIN,
            PartType::PLUGIN_INSTANCE,
            PartType::TYPE,
            PartType::TYPE_INSTANCE,
        ];
        let numbers = [PartType::TIME, PartType::TIME_HR, PartType::INTERVAL, PartType::INTERVAL_HR];
        prop_oneof![
            4 => (select(kinds.to_vec()), select(payloads.to_vec())).prop_map(move |(kind, payload)| string(kind, payload)),
            1 => (select(numbers.to_vec()), 0_u64..3).prop_map(move |(kind, number)| string(kind, &number.to_be_bytes())),
        ]
    }

    proptest! {
        #[test]
        fn what_is_copied_is_what_would_be_written(
            parts in vec((vec(part(), 0..4), any::<u64>()), 1..40),
            limit in select(&[100_usize, 150, 1452][..]),
            shuffled in any::<bool>(),
        ) {
            let mut datagram: Vec<u8> = [PartType::HOST, PartType::PLUGIN, PartType::TYPE]
                .into_iter()
                .flat_map(|kind| [&header(kind, 2)[..], b"x\0"].concat())
                .chain([&header(PartType::TIME, 8)[..], &9_u64.to_be_bytes()].concat())
                .collect();
            for (parts, value) in parts {
                datagram.extend(parts.concat());
                datagram.extend(header(PartType::VALUES, 11));
                datagram.extend([0, 1, 2]);
                datagram.extend(value.to_be_bytes());
            }
            let mut lists: Vec<_> = Decoder::new(&datagram)
                .filter_map(|event| match event { Ok(Event::ValueList(spans)) => Some(spans), _ => None })
                .collect();
            if shuffled {
                lists.sort_by_key(|spans| spans.values.start() % 7);
            }
            let (mut copied, mut written) = (PacketBuilder::new(limit), PacketBuilder::new(limit));
            for spans in &lists {
                copied.push_from(&datagram, spans);
                written.push(&spans.of(&datagram));
            }
            copied.close();
            written.close();
            prop_assert!(copied.packets().eq(written.packets()));
        }
    }
}
