//! Telling datagrams apart that a kernel has joined in one captured frame.
//!
//! Linux hands packets that were sent as one message (`UDP_SEGMENT`), and such as came in one after the other (GRO), as
//! one frame to whoever captures on the machine itself. Of its datagrams all are of one length but the last, which may
//! be shorter; the frame does not say of which. What stands in the payload does.

use super::decode::{Decoder, Event};
use super::part::{ENCRYPTION_OVERHEAD, HEADER, LONGEST_NAME_MAX, NUMBER, PartType, SIGNATURE_HEADER};
use super::reader::Reader;

/// The memory of a receiver from part to part. Both kinds of a time state one thing.
const KEPT: usize = 7;

/// The length of each datagram that was joined to this payload of a captured frame, the last perhaps shorter; the
/// length of the payload if it is one datagram.
///
/// It is taken for several where all of these hold: at every multiple of one length a datagram can begin; what stands
/// there needs nothing that was said before; and it says something again that is in force already, which nobody does
/// within a datagram that saves bytes, or it is signed or encrypted by itself.
///
/// `is_intact`: the checksum of UDP fits the whole payload. That of a joined frame does not, so such a payload is
/// several only where it would otherwise mean something else. (Checksums are made up by whoever edits captures.)
///
/// # Panics
///
/// When the payload is longer than any datagram.
pub fn segment_length(payload: &[u8], is_intact: bool) -> usize {
    let is_joined = |length: &usize| {
        let pieces = || payload.chunks(*length);
        pieces().all(begins)
            && stand_alone(payload, *length)
            && !(is_intact && value_lists(payload).eq(pieces().flat_map(value_lists)))
    };
    starts(payload).find(is_joined).unwrap_or(payload.len())
}

/// Where behind the first part another datagram could begin.
fn starts(payload: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let mut reader = Reader::behind(payload, 0);
    let offsets = std::iter::from_fn(move || Some(usize::from(reader.part().ok()??.start)));
    offsets.filter(|&start| start > 0 && payload.get(start..).is_some_and(begins))
}

/// Whether these bytes can be the beginning of a datagram: of a host's value lists, of a notification, or of something
/// secured.
fn begins(bytes: &[u8]) -> bool {
    let header = |bytes: &[u8]| {
        let &[a, b, c, d] = bytes.first_chunk::<HEADER>()?;
        Some((PartType(u16::from_be_bytes([a, b])), usize::from(u16::from_be_bytes([c, d]))))
    };
    let Some((kind, length)) = header(bytes) else { return false };
    match kind {
        PartType::HOST => {
            let name = bytes.get(HEADER..length).unwrap_or_default();
            (2..=LONGEST_NAME_MAX).contains(&name.len()) && name.ends_with(&[0])
        }
        PartType::TIME | PartType::TIME_HR => {
            let next = bytes.get(NUMBER..).and_then(header);
            length == NUMBER && next == Some((PartType::SEVERITY, NUMBER))
        }
        PartType::SIGN_SHA256 => length > SIGNATURE_HEADER,
        PartType::ENCR_AES256 => length > ENCRYPTION_OVERHEAD,
        _ => false,
    }
}

/// Whether each of these pieces but the first is secured by itself, or repeats what is in force, and nothing is refused
/// that together is not.
fn stand_alone(payload: &[u8], length: usize) -> bool {
    let mut in_force = [None; KEPT];
    for (number, piece) in payload.chunks(length).enumerate() {
        let mut reader = Reader::behind(piece, 0);
        let (mut is_secured, mut repeats, mut is_head) = (false, false, true);
        while let Ok(Some(part)) = reader.part() {
            match part.kind {
                PartType::SIGN_SHA256 | PartType::ENCR_AES256 => is_secured = true,
                PartType::VALUES | PartType::MESSAGE => is_head = false,
                _ => {}
            }
            if let Some(place) = kept(part.kind) {
                repeats |= is_head && in_force[place] == Some(part.payload);
                in_force[place] = Some(part.payload);
            }
        }
        if number > 0 && !repeats && !is_secured {
            return false;
        }
    }
    payload.chunks(length).map(refusals).sum::<usize>() <= refusals(payload)
}

fn kept(kind: PartType) -> Option<usize> {
    match kind {
        PartType::HOST => Some(0),
        PartType::TIME | PartType::TIME_HR => Some(1),
        PartType::PLUGIN => Some(2),
        PartType::PLUGIN_INSTANCE => Some(3),
        PartType::TYPE => Some(4),
        PartType::TYPE_INSTANCE => Some(5),
        PartType::INTERVAL | PartType::INTERVAL_HR => Some(6),
        _ => None,
    }
}

/// Number of value lists and notifications that lack something.
fn refusals(datagram: &[u8]) -> usize {
    let is_refusal = |event: &Result<_, _>| {
        matches!(event, Ok(Event::RefusedValueList(..) | Event::RefusedNotification(_)))
    };
    Decoder::new(datagram).filter(is_refusal).count()
}

fn value_lists(datagram: &[u8]) -> impl Iterator<Item = crate::value_list::ValueListRef<'_>> {
    Decoder::new(datagram).filter_map(|event| match event {
        Ok(Event::ValueList(spans)) => Some(spans.of(datagram)),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::notification::{NotificationRef, Severity};
    use crate::value_list::{Identifier, IdentifierRef, Interval, Time, Value, ValueList};
    use crate::wire::{PacketBuilder, padding};

    /// Two datagrams of a fleet, joined: `a/cpu/0/cpu/idle` and `b/uptime/uptime`.
    const JOINED: &[u8] =
        b"\0\0\0\x06a\0\0\x08\0\x0c\x1a\xc0\x8a\x52\xc0\0\0\0\0\x02\0\x08cpu\0\0\x03\0\x060\0\
        \0\x04\0\x08cpu\0\0\x05\0\x09idle\0\0\x06\0\x0f\0\x01\x02\0\0\0\0\0\0\0\x01\
        \0\0\0\x06b\0\0\x08\0\x0c\x1a\xc0\x8a\x52\xc0\0\0\0\0\x02\0\x0buptime\0\0\x04\0\x0buptime\0\
        \0\x06\0\x0f\0\x01\x01\0\0\0\0\0\0\0\x40";

    #[test]
    fn what_one_datagram_states_does_not_hold_in_the_next() {
        for is_intact in [false, true] {
            assert_eq!(segment_length(JOINED, is_intact), 64);
        }
        let paths = JOINED.chunks(64).flat_map(value_lists).map(|list| {
            let mut path = Vec::new();
            list.identifier.write_path(&mut path);
            String::from_utf8(path).unwrap()
        });
        assert_eq!(paths.collect::<Vec<_>>(), ["a/cpu/0/cpu/idle", "b/uptime/uptime"]);
    }

    #[test]
    fn what_is_secured_or_tells_something_is_a_datagram_by_itself() {
        let encrypted = [&b"\x02\x10\0\x40\0\x01u"[..], &[7; 57]].concat();
        assert_eq!(segment_length(&encrypted.repeat(3), false), 64);
        let signed = |datagram: &[u8]| [&b"\x02\0\0\x25"[..], &[7; 32], b"u", datagram].concat();
        let joined = [signed(&JOINED[..64]), signed(&JOINED[64..])].concat();
        assert_eq!(segment_length(&joined, false), 64 + 37);
        let mut builder = PacketBuilder::new(1452);
        for _ in 0..2 {
            builder.push_notification(&NotificationRef {
                identifier: IdentifierRef { host: b"h", ..IdentifierRef::default() },
                time: Time::Seconds(1),
                severity: Severity::Okay,
                message: b"fine",
            });
        }
        let notifications: Vec<_> = builder.packets().map(|(_, packet)| packet.to_vec()).collect();
        assert_eq!(segment_length(&notifications.concat(), false), notifications[0].len());
    }

    fn lists() -> impl Strategy<Value = Vec<ValueList>> {
        let name = || prop::sample::select(vec!["", "a", "bb", "ccc"]);
        let list = (
            prop::sample::select(vec!["h", "host"]),
            name(),
            name(),
            name(),
            prop::sample::select(vec![10_u64, 11]),
        );
        let list = list.prop_map(|(host, plugin_instance, type_instance, plugin, time)| {
            let identifier = Identifier {
                host: host.into(),
                plugin: format!("p{plugin}").into(),
                plugin_instance: plugin_instance.into(),
                type_name: format!("t{plugin}").into(),
                type_instance: type_instance.into(),
            };
            let time = Time::HighResolution(time << 30);
            ValueList::new(identifier, time, Interval::HighResolution(10 << 30), &[Value::Gauge(1.0)])
        });
        prop::collection::vec(list, 1..40)
    }

    fn packed(limit: usize, lists: &[ValueList]) -> Vec<Vec<u8>> {
        let mut builder = PacketBuilder::new(limit);
        lists.iter().for_each(|list| builder.push(&list.as_ref()));
        builder.close();
        builder.packets().map(|(_, packet)| packet.to_vec()).collect()
    }

    fn meant<'a>(datagrams: impl IntoIterator<Item = &'a [u8]>) -> Vec<ValueList> {
        datagrams.into_iter().flat_map(value_lists).map(|list| list.to_owned()).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        /// As Coco sends them: padded to one length but for the last.
        #[test]
        fn joined_datagrams_mean_what_they_meant(lists in lists(), limit in 150_usize..400) {
            let mut datagrams = packed(limit, &lists);
            let longest = datagrams.iter().map(Vec::len).max().unwrap();
            let last = datagrams.len() - 1;
            for datagram in &mut datagrams[..last] {
                match padding(longest - datagram.len()) {
                    Some(padding) => datagram.extend_from_slice(padding),
                    None => return Err(TestCaseError::reject("not to be made one length")),
                }
            }
            let joined = datagrams.concat();
            let length = segment_length(&joined, false);
            prop_assert_eq!(meant(joined.chunks(length)), lists);
            prop_assert!(length <= longest);
        }

        #[test]
        fn one_datagram_means_what_it_meant(lists in lists()) {
            let datagrams = packed(10_000, &lists);
            for is_intact in [false, true] {
                let length = segment_length(&datagrams[0], is_intact);
                prop_assert_eq!(length, datagrams[0].len());
            }
        }

        #[test]
        fn any_bytes_have_a_length(bytes in prop::collection::vec(prop::sample::select(&b"\0\x01\x02\x05\x06\x08\x0c\x10a"[..]), 0..300)) {
            let length = segment_length(&bytes, false);
            prop_assert!(length <= bytes.len() && (length > 0 || bytes.is_empty()));
        }
    }
}
