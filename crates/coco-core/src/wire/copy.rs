//! Packing value lists from the datagrams that they came in: parts that stand next to each other there are copied
//! together, with their headers, instead of being written one by one.

use super::Span;
use super::encode::{NAME_PARTS, PacketBuilder, PartOrder, Range32};
use super::part::{HEADER, PartType};
use super::spans::{ValueListSpans, interval_of, time_of};
use crate::bytes::equal;

impl PacketBuilder {
    /// Appends a value list as [`push`](Self::push) does, byte for byte, from the datagram that it was decoded from.
    pub fn push_from(&mut self, datagram: &[u8], spans: &ValueListSpans) {
        if !self.copy(datagram, spans) {
            self.push(&spans.of(datagram));
        }
    }

    /// Whether all that is to be stated stands in the datagram as it is written here; if not, nothing is copied.
    fn copy(&mut self, datagram: &[u8], spans: &ValueListSpans) -> bool {
        let (time, interval) = (time_of(spans.time.of(datagram)), interval_of(spans.interval.of(datagram)));
        let before = self.bytes.len();
        let is_interval_new = self.state.interval_changes(interval);
        let is_as_here = self.order == PartOrder::Collectd && !self.state.opaque;
        if !is_as_here || (is_interval_new && interval.is_none()) {
            return false;
        }
        let own = &spans.identifier;
        let names = [own.host, own.plugin, own.plugin_instance, own.type_name, own.type_instance];
        let mut placed = self.state.names;
        let mut copying = Copying { datagram, bytes: &mut self.bytes, from: 0, to: 0 };
        for (i, name) in names.into_iter().enumerate() {
            if !placed[i].is(copying.bytes, name, datagram) {
                let Some(start) = start_of_part(datagram, NAME_PARTS[i], name) else {
                    self.bytes.truncate(before);
                    return false;
                };
                let place = copying.add(start, name.end() + 1) + HEADER;
                placed[i] = Range32 { start: place as u32, length: name.length() as u32 };
            }
            if i == 0 {
                // Behind the host, as collectd has them.
                if self.state.time != time {
                    copying.add(spans.time.start(), spans.time.end());
                }
                if is_interval_new {
                    copying.add(spans.interval.start(), spans.interval.end());
                }
            }
        }
        copying.add(spans.values.start(), spans.values.end());
        copying.flush();
        if self.is_too_long(before) {
            self.bytes.truncate(before);
            self.close();
            return self.copy(datagram, spans);
        }
        self.state.names = placed;
        self.put_in_force(time, interval, own.carried(interval));
        self.value_lists += 1;
        true
    }
}

impl Range32 {
    /// Whether the packets have here what the datagram has there.
    #[inline]
    fn is(self, bytes: &[u8], name: Span, datagram: &[u8]) -> bool {
        self.length as usize == name.length() && equal(self.of(bytes), name.of(datagram))
    }
}

/// Where the part starts that states a name, if it is written as it would be here: not if it has bytes behind a NUL, or
/// if there is none.
#[inline]
fn start_of_part(datagram: &[u8], kind: PartType, name: Span) -> Option<usize> {
    let start = name.start().checked_sub(HEADER)?;
    let own = u32::from_be_bytes(*datagram.get(start..)?.first_chunk::<HEADER>()?);
    let expected = u32::from(kind.0) << 16 | (HEADER + name.length() + 1) as u32;
    (own == expected).then_some(start)
}

/// Bytes of a datagram on their way to a packet.
struct Copying<'a> {
    datagram: &'a [u8],
    bytes: &'a mut Vec<u8>,
    /// The stretch of the datagram that is copied next.
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

    use super::super::encode::header;
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
