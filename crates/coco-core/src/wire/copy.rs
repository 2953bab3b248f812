//! Packing value lists from the datagrams that they came in: parts that stand next to each other there are copied
//! together, with their headers, instead of being written one by one.

use super::Span;
use super::encode::{
    NO_INTERVAL, NumberPart, PLUGIN_INSTANCE, PacketBuilder, PartOrder, Range32, TYPE_INSTANCE,
};
use super::part::HEADER;
use super::spans::{ValueListSpans, interval_of};
use crate::bytes::equal;

impl PacketBuilder {
    /// Appends a value list as [`push`](Self::push) does, byte for byte, from the datagram that it was decoded from: one
    /// without [odd names](super::Decoder::has_odd_names).
    // Where it is called no register is free: here all are.
    #[inline(never)]
    pub fn push_from(&mut self, datagram: &[u8], spans: &ValueListSpans) {
        let before = self.bytes.len();
        if self.copy(datagram, spans).is_none() {
            self.write_from(datagram, spans);
        } else if self.is_too_long(before) {
            self.push_anew(datagram, spans, before);
        } else {
            self.value_lists += 1;
        }
    }

    #[cold]
    fn write_from(&mut self, datagram: &[u8], spans: &ValueListSpans) {
        self.push(&spans.of(datagram));
    }

    /// Takes back what is behind this place, and appends it in a new packet.
    #[cold]
    fn push_anew(&mut self, datagram: &[u8], spans: &ValueListSpans, before: usize) {
        self.bytes.truncate(before);
        self.close();
        self.push_from(datagram, spans);
    }

    /// `None` if not all that is to be stated stands in the datagram as it is written here; then nothing is copied.
    #[inline(always)]
    fn copy(&mut self, datagram: &[u8], spans: &ValueListSpans) -> Option<()> {
        if self.order != PartOrder::Collectd || self.state.whole.is_some() {
            return None;
        }
        let time = number_at(datagram, spans.time)?;
        let interval = match spans.interval {
            none if none.is_empty() => &NO_INTERVAL,
            stated => number_at(datagram, stated)?,
        };
        let mut is_interval_new = *interval != self.state.interval;
        // One of zero is not copied: it can be stated in more than one way.
        if is_interval_new && is_none(interval) {
            if self.state.interval != NO_INTERVAL {
                return None;
            }
            is_interval_new = false;
        }
        let own = &spans.identifier;
        let names = [own.host, own.plugin, own.plugin_instance, own.type_name, own.type_instance];
        let Self { bytes, state, .. } = self;
        // What the datagram never stated can't be revoked with its bytes.
        let is_left_out = |name: usize| names[name] == Span::default() && state.names[name].length > 0;
        if is_left_out(PLUGIN_INSTANCE) || is_left_out(TYPE_INSTANCE) {
            return None;
        }
        let mut copying = Copying { datagram, bytes, from: 0, to: 0 };
        for (i, (name, placed)) in names.into_iter().zip(&mut state.names).enumerate() {
            if !placed.is(copying.bytes, name, datagram) {
                // A name stands between the header of its part and a NUL.
                let place = copying.add(name.start().saturating_sub(HEADER), name.end() + 1) + HEADER;
                *placed = Range32 { start: place as u32, length: name.length() as u32 };
            }
            if i == 0 {
                // Behind the host, as collectd has them.
                if *time != state.time {
                    copying.add(spans.time.start(), spans.time.end());
                    state.time = *time;
                }
                if is_interval_new {
                    copying.add(spans.interval.start(), spans.interval.end());
                    state.interval = *interval;
                }
            }
        }
        copying.add(spans.values.start(), spans.values.end());
        copying.flush();
        Some(())
    }
}

#[cold]
fn is_none(interval: &NumberPart) -> bool {
    interval_of(interval).is_none()
}

/// The part that states a number.
#[inline]
fn number_at(datagram: &[u8], part: Span) -> Option<&NumberPart> {
    datagram.get(part.start()..)?.first_chunk()
}

impl Range32 {
    /// Whether the packets have here what the datagram has there.
    #[inline]
    fn is(self, bytes: &[u8], name: Span, datagram: &[u8]) -> bool {
        let (start, length) = (self.start as usize, name.length());
        if self.length as usize != length {
            return false;
        }
        match (bytes.get(start..start + length), datagram.get(name.start()..name.end())) {
            (Some(own), Some(name)) => equal(own, name),
            _ => false,
        }
    }
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
        if let Some(bytes) = self.datagram.get(self.from..self.to) {
            self.bytes.extend_from_slice(bytes);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::super::encode::header;
    use super::*;
    use crate::wire::part::PartType;
    use crate::wire::{Decoder, Event};

    /// A part that a value list may have in front of its values.
    fn part() -> impl Strategy<Value = Vec<u8>> {
        let string = |kind: PartType, payload: &[u8]| [&header(kind, payload.len())[..], payload].concat();
        let payloads: [&[u8]; 4] = [b"a\0", b"web1.example.org\0", b"\0", b"longer\0"];
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
            let mut decoder = Decoder::new(&datagram);
            let mut lists: Vec<_> = decoder.by_ref()
                .filter_map(|event| match event { Ok(Event::ValueList(spans)) => Some(spans), _ => None })
                .collect();
            prop_assert!(!decoder.has_odd_names());
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

    #[test]
    fn bytes_behind_the_nul_of_a_name_are_told() {
        for (payload, is_odd) in [(&b"a\0"[..], false), (b"\0", false), (b"a\0b\0", true), (b"a\0\0", true)] {
            for kind in [PartType::HOST, PartType::TYPE_INSTANCE] {
                let datagram = [&header(kind, payload.len())[..], payload].concat();
                let mut decoder = Decoder::new(&datagram);
                assert_eq!(decoder.next(), None);
                assert_eq!(decoder.has_odd_names(), is_odd, "{payload:?}");
            }
        }
    }
}
