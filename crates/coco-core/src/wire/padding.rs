//! Parts that say nothing, to make a packet longer.

use super::part::{HEADER, PartType};

/// Longest padding, in bytes.
pub const PADDING_MAX: usize = 128;

/// Shortest padding: a string part with nothing but its final NUL.
const SHORTEST: usize = HEADER + 1;

/// Longest part of a padding: 64 bytes with the final NUL are what a name may have in collectd before 5.6.
const PART_MAX: usize = HEADER + 64;

/// The padding of each length. Of those that are shorter than a part nothing is used.
static PADDINGS: [[u8; PADDING_MAX]; PADDING_MAX + 1] = {
    let mut paddings = [[b'-'; PADDING_MAX]; PADDING_MAX + 1];
    let mut length = SHORTEST;
    while length <= PADDING_MAX {
        let first = if length > PART_MAX { length / 2 } else { length };
        string_part(&mut paddings[length], 0, first);
        if first < length {
            string_part(&mut paddings[length], first, length);
        }
        length += 1;
    }
    paddings
};

const fn string_part(bytes: &mut [u8; PADDING_MAX], start: usize, end: usize) {
    let ([a, b], [c, d]) = (PartType::TYPE_INSTANCE.0.to_be_bytes(), ((end - start) as u16).to_be_bytes());
    bytes[start] = a;
    bytes[start + 1] = b;
    bytes[start + 2] = c;
    bytes[start + 3] = d;
    bytes[end - 1] = 0;
}

/// Padding of this length, to be put at the end of a packet, which changes nothing for receivers: a type instance, or
/// two, for value lists that do not come.
///
/// `None` if there is none of this length: of 1 to 4 bytes, or more than [`PADDING_MAX`].
#[inline]
pub fn padding(length: usize) -> Option<&'static [u8]> {
    match length {
        0 => Some(&[]),
        SHORTEST.. => PADDINGS.get(length)?.get(..length),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value_list::{IdentifierRef, Interval, Time, ValueListRef, ValuesRef};
    use crate::wire::{Decoder, Event, PacketBuilder};

    #[test]
    fn a_padded_packet_holds_what_it_held() {
        let mut builder = PacketBuilder::new(1452);
        let list = ValueListRef {
            identifier: IdentifierRef {
                host: b"h",
                plugin: b"p",
                type_name: b"t",
                ..IdentifierRef::default()
            },
            time: Time::Seconds(1),
            interval: Interval::NONE,
            values: ValuesRef::new(&[1, 0, 0, 0, 0, 0, 0, 0, 7]).unwrap(),
        };
        builder.push(&list);
        builder.close();
        let (_, packet) = builder.packets().next().unwrap();
        let mut lengths = Vec::new();
        for length in 0..1000 {
            let Some(padding) = padding(length) else { continue };
            assert_eq!(padding.len(), length);
            let padded = [packet, padding].concat();
            let events: Vec<_> = Decoder::new(&padded).collect();
            assert!(matches!(events[..], [Ok(Event::ValueList(spans))] if spans.of(&padded) == list));
            lengths.push(length);
        }
        assert!(lengths.into_iter().eq([0].into_iter().chain(5..=PADDING_MAX)));
    }
}
