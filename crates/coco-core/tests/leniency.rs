//! What is done with odd bytes: one test for each row of the table in `wire`, and for what a relay adds to it.

#![allow(clippy::unwrap_used, reason = "a panic is how a test says what is wrong")]

mod support;

use coco_core::value_list::{Interval, Time};
use coco_core::wire::part::{LONGEST_NAME_MAX, PartType};
use coco_core::wire::{
    Decoder, Event, Guard, ListRefusal, Malformed, NotificationRefusal, PacketBuilder, SecurityLevel, Users,
};

use support::Reading;
use support::parts::*;

/// Between two good value lists: the first stays, the second is refused with the rest.
#[track_caller]
fn ends_the_datagram(bad: &[u8], error: Malformed) {
    let datagram = [&identity(), &gauges(&[1.0]), bad, &gauges(&[2.0])].concat();
    let reading = Reading::of(&datagram);
    assert_eq!(reading.error, Some(error));
    assert_eq!(reading.lists.len(), 1);
}

/// Behind the identity, which it may overwrite: refused for this reason, and what follows is read on.
#[track_caller]
fn refuses_the_value_list(parts: &[u8], values: &[u8], refusal: ListRefusal) {
    let datagram = [&identity(), parts, values, &identity(), &gauges(&[2.0])].concat();
    let start = identity().len() + parts.len();
    let reading = Reading::of(&datagram);
    let [(reason, span)] = reading.refused_lists[..] else { panic!("{reading:?}") };
    assert_eq!(reason, refusal);
    assert_eq!((span.start(), span.end()), (start, start + values.len()));
    assert_eq!(span.of(&datagram), values);
    assert_eq!((reading.lists.len(), reading.error), (1, None));
}

#[track_caller]
fn refuses_the_notification(parts: &[u8], refusal: NotificationRefusal) {
    let datagram = [parts, &identity(), &gauges(&[2.0])].concat();
    let reading = Reading::of(&datagram);
    assert_eq!(reading.refused_notifications, [refusal]);
    assert_eq!(reading.notifications.len(), 0);
    assert_eq!((reading.lists.len(), reading.error), (1, None));
}

/// What one datagram leaves as when its value lists are packed anew.
fn packed_anew(datagram: &[u8], limit: usize) -> Vec<Vec<u8>> {
    let mut builder = PacketBuilder::new(limit);
    for list in &Reading::of(datagram).lists {
        builder.push(&list.as_ref());
    }
    builder.close();
    builder.packets().map(|(_, bytes)| bytes.to_vec()).collect()
}

#[test]
fn number_part_not_12_long() {
    for kind in [TIME, TIME_HR, INTERVAL, INTERVAL_HR, SEVERITY] {
        for length in [0, 4, 7, 9, 12] {
            ends_the_datagram(&part(kind, &vec![0; length]), Malformed::NumberLength);
        }
    }
}

#[test]
fn string_without_final_nul() {
    for kind in [HOST, PLUGIN, PLUGIN_INSTANCE, TYPE, TYPE_INSTANCE, MESSAGE] {
        ends_the_datagram(&part(kind, b"no end"), Malformed::StringWithoutNul);
        ends_the_datagram(&part(kind, b""), Malformed::StringWithoutNul);
    }
}

#[test]
fn string_too_long() {
    for kind in [HOST, PLUGIN, PLUGIN_INSTANCE, TYPE, TYPE_INSTANCE] {
        ends_the_datagram(&string(kind, [b'x'; 128]), Malformed::StringTooLong);
        // The payload counts, not the string in it.
        ends_the_datagram(&string(kind, [0; 128]), Malformed::StringTooLong);
        let longest = [identity(), string(kind, [b'x'; 127]), gauges(&[1.0])].concat();
        assert_eq!(Reading::of(&longest).lists.len(), 1);
    }
    let notification = |length| {
        let message = string(MESSAGE, vec![b'x'; length]);
        [identity(), number(SEVERITY, 1), message].concat()
    };
    assert_eq!(Reading::of(&notification(255)).notifications.len(), 1);
    assert_eq!(Reading::of(&notification(256)).error, Some(Malformed::StringTooLong));
}

#[test]
fn longer_names_are_taken_where_that_is_wished() {
    for kind in [HOST, PLUGIN, PLUGIN_INSTANCE, TYPE, TYPE_INSTANCE] {
        for (length, is_taken) in [(1023, true), (1024, false)] {
            let mut datagram = [identity(), string(kind, vec![b'x'; length]), gauges(&[1.0])].concat();
            let plain = Decoder::new(&datagram).with_name_max(LONGEST_NAME_MAX).last();
            assert_eq!(matches!(plain, Some(Ok(Event::ValueList(_)))), is_taken, "{plain:?}");
            let guard =
                Guard::new(SecurityLevel::None, Some(Users::default())).with_name_max(LONGEST_NAME_MAX);
            let mut lists = 0;
            guard.decode(&mut datagram, |_, _, event| {
                lists += usize::from(matches!(event, Ok(Event::ValueList(_))));
            });
            assert_eq!(lists == 1, is_taken);
        }
    }
}

#[test]
fn values_part_not_6_plus_9n_long() {
    let two = gauges(&[1.0, 2.0]);
    for count in [0, 1, 3, 7282, u16::MAX] {
        let payload = [&count.to_be_bytes(), &two[6..]].concat();
        ends_the_datagram(&part(VALUES, &payload), Malformed::ValuesLength);
    }
    let one = gauges(&[1.0]);
    for length in [0, 1, 2, 10] {
        ends_the_datagram(&part(VALUES, &one[4..4 + length]), Malformed::ValuesLength);
    }
    ends_the_datagram(&part(VALUES, &[&one[4..], &[0]].concat()), Malformed::ValuesLength);
}

#[test]
fn unknown_kind_of_value() {
    for kind in [4, 127, 255] {
        let mut values = gauges(&[1.0, 2.0]);
        values[7] = kind;
        ends_the_datagram(&values, Malformed::ValueKind);
    }
}

#[test]
fn part_longer_than_what_is_left() {
    ends_the_datagram(&[0, 5, 0xff, 0xff], Malformed::PartTooLong);
    let datagram = [identity(), gauges(&[1.0])].concat();
    let reading = Reading::of(&datagram[..datagram.len() - 1]);
    assert_eq!((reading.lists.len(), reading.error), (0, Some(Malformed::PartTooLong)));
}

#[test]
fn part_shorter_than_its_header() {
    for length in 0..4 {
        ends_the_datagram(&[0, 5, 0, length], Malformed::PartTooShort);
    }
}

#[test]
fn stray_bytes_at_the_end() {
    for stray in 1..=3 {
        let datagram = [identity(), gauges(&[1.0]), vec![0; stray]].concat();
        let reading = Reading::of(&datagram);
        assert_eq!((reading.lists.len(), reading.error), (1, Some(Malformed::StrayBytes)));
    }
}

#[test]
fn encrypted_part() {
    ends_the_datagram(&part(ENCR_AES256, &[0; 60]), Malformed::Encrypted);
}

#[test]
fn signature() {
    let signature = part(SIGN_SHA256, &[[7; 32].as_slice(), b"alice"].concat());
    let list = [identity(), gauges(&[1.0])].concat();
    let reading = Reading::of(&[&list, &signature, &list, &list].map(Vec::as_slice).concat());
    assert_eq!((reading.lists.len(), reading.unverified), (3, 2));
    assert_eq!((reading.signatures, reading.error), (1, None));
}

#[test]
fn unknown_part() {
    for (unknown, datagram) in [
        (0x000a, [part(0x000a, &[]), identity(), gauges(&[1.0])].concat()),
        (0x0211, [identity(), part(0x0211, b"anything"), gauges(&[1.0])].concat()),
        (0xffff, [identity(), gauges(&[1.0]), part(0xffff, &[])].concat()),
    ] {
        let skipped = |event| event == Ok(Event::Unknown(PartType(unknown)));
        assert_eq!(Decoder::new(&datagram).filter(|&event| skipped(event)).count(), 1);
        assert_eq!((Reading::of(&datagram).lists.len(), Reading::of(&datagram).error), (1, None));
        assert_eq!(packed_anew(&datagram, 1452), [[identity(), gauges(&[1.0])].concat()]);
    }
}

#[test]
fn value_list_without_host_plugin_type_or_time() {
    let values = gauges(&[1.0]);
    refuses_the_value_list(&string(HOST, ""), &values, ListRefusal::NoHost);
    refuses_the_value_list(&string(PLUGIN, ""), &values, ListRefusal::NoPlugin);
    refuses_the_value_list(&string(TYPE, "\0t"), &values, ListRefusal::NoType);
    refuses_the_value_list(&number(TIME_HR, 0), &values, ListRefusal::NoTime);
    refuses_the_value_list(&number(TIME, 0), &values, ListRefusal::NoTime);
    // Units of 2^-30 s are counted modulo 2^64.
    refuses_the_value_list(&number(TIME, 1 << 34), &values, ListRefusal::NoTime);
    assert_eq!(Reading::of(&values).refused_lists.len(), 1);
}

#[test]
fn value_list_of_no_values() {
    refuses_the_value_list(&[], &gauges(&[]), ListRefusal::NoValues);
    let last = [identity(), gauges(&[])].concat();
    assert_eq!(Reading::of(&last).refused_lists.len(), 1);
    assert_eq!(Reading::of(&last).error, None);
}

#[test]
fn notification() {
    let time = number(TIME_HR, 1_700_000_000 << 30);
    let (host, message) = (string(HOST, "h"), string(MESSAGE, "m"));
    let okay = number(SEVERITY, 4);
    let (host, message, okay, time) = (&host[..], &message[..], &okay[..], &time[..]);
    refuses_the_notification(&[time, okay, message].concat(), NotificationRefusal::NoHost);
    refuses_the_notification(&[host, okay, message].concat(), NotificationRefusal::NoTime);
    refuses_the_notification(
        &[host, time, okay, &string(MESSAGE, "\0m")].concat(),
        NotificationRefusal::NoMessage,
    );
    refuses_the_notification(&[host, time, message].concat(), NotificationRefusal::Severity);
    for severity in [0, 3, 5, u64::MAX, 1 << 32] {
        let severity = number(SEVERITY, severity);
        refuses_the_notification(&[host, time, &severity, message].concat(), NotificationRefusal::Severity);
    }
    for severity in [1, 2, 4, (1 << 32) + 4] {
        let severity = number(SEVERITY, severity);
        let reading = Reading::of(&[host, time, &severity, message, message].concat());
        assert_eq!(reading.notifications.len(), 2, "the severity stays in force");
    }
}

#[test]
fn type_or_values_that_types_db_does_not_know() {
    let datagram = [identity(), string(TYPE, "no such type"), gauges(&[1.0; 64])].concat();
    assert_eq!(Reading::of(&datagram).lists.len(), 1);
}

#[test]
fn missing_or_zero_interval() {
    let without = [string(HOST, "h"), number(TIME_HR, 1), string(PLUGIN, "p"), string(TYPE, "t")].concat();
    for none in [vec![], number(INTERVAL, 0), number(INTERVAL_HR, 0), number(INTERVAL, 1 << 34)] {
        let alone = [&without, &none, &gauges(&[1.0])].map(Vec::as_slice).concat();
        assert!(Reading::of(&alone).lists[0].interval.is_none());
        assert_eq!(packed_anew(&alone, 1452), [[&without[..], &gauges(&[1.0])].concat()]);
    }
    let mut builder = PacketBuilder::new(1452);
    for datagram in [[identity(), gauges(&[1.0])].concat(), [without, gauges(&[1.0])].concat()] {
        builder.push(&Reading::of(&datagram).lists[0].as_ref());
    }
    builder.close();
    let (_, packet) = builder.packets().next().unwrap();
    let said = [number(TIME_HR, 1), number(INTERVAL_HR, 0), gauges(&[1.0])].concat();
    assert_eq!(packet, [identity(), gauges(&[1.0]), said].concat());
}

#[test]
fn nul_within_a_string() {
    let datagram = [identity(), string(HOST, "ab\0cd"), gauges(&[1.0])].concat();
    assert_eq!(Reading::of(&datagram).lists[0].identifier.host, b"ab");
}

#[test]
fn time_or_interval_in_both_resolutions() {
    let datagram = [
        identity(),
        number(TIME, 1_600_000_000),
        number(INTERVAL, 20),
        gauges(&[1.0]),
        number(TIME_HR, 7),
        number(INTERVAL_HR, 8),
        gauges(&[2.0]),
    ]
    .concat();
    for bytes in [&datagram, &packed_anew(&datagram, 1452)[0]] {
        let stated: Vec<_> = Reading::of(bytes).lists.iter().map(|list| (list.time, list.interval)).collect();
        let expected = [
            (Time::Seconds(1_600_000_000), Interval::Seconds(20)),
            (Time::HighResolution(7), Interval::HighResolution(8)),
        ];
        assert_eq!(stated, expected);
    }
}

#[test]
fn datagram_of_no_bytes() {
    assert_eq!(Reading::of(&[]), Reading::default());
}

#[test]
fn datagram_larger_than_the_limit() {
    let mut datagram = identity();
    for i in 0..100 {
        datagram.extend([string(TYPE_INSTANCE, i.to_string()), gauges(&[f64::from(i)])].concat());
    }
    datagram.extend([string(TYPE_INSTANCE, "large"), gauges(&[0.0; 200])].concat());
    datagram.extend([string(TYPE_INSTANCE, "after"), gauges(&[0.0])].concat());
    let packets = packed_anew(&datagram, 1024);
    let lists: Vec<_> = packets.iter().map(|packet| Reading::of(packet).lists).collect();
    assert_eq!(lists.concat(), Reading::of(&datagram).lists);
    for (packet, lists) in packets.iter().zip(&lists) {
        assert_eq!(packet.len() > 1024, lists.len() == 1 && lists[0].identifier.type_instance == b"large");
    }
}
