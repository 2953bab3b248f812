//! Traffic of a real collectd: decoded as collectd decodes it, packed as collectd packed it.

#![allow(clippy::unwrap_used, reason = "a panic is how a test says what is wrong")]

mod support;

use coco_core::value_list::{Value, ValueListRef};
use coco_core::wire::{Decoder, Event, Malformed, PacketBuilder, PartOrder, Refusal, round_trip};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};
use support::{Reading, Stream, corpus, crafted, without_gauge_numbers};

#[test]
fn plain_streams_decode_to_what_was_sent() {
    for stream in streams("none") {
        for (datagram, expected) in stream.datagrams().iter().zip(stream.expected()) {
            let reading = Reading::of(datagram);
            agree(&format!("{} {}", stream.name, expected["i"]), &reading, &expected);
            assert_eq!((reading.unverified, reading.signatures), (0, 0), "{}", stream.name);
        }
    }
}

#[test]
fn signed_streams_decode_to_what_was_sent_unverified() {
    for stream in streams("sign") {
        for (datagram, expected) in stream.datagrams().iter().zip(stream.expected()) {
            let reading = Reading::of(datagram);
            agree(&format!("{} {}", stream.name, expected["i"]), &reading, &expected);
            assert_eq!(reading.signatures, 1, "{}", stream.name);
            assert_eq!(reading.unverified, reading.lists.len(), "{}", stream.name);
        }
    }
}

#[test]
fn encrypted_streams_are_refused_whole() {
    let nothing_decoded = Reading { error: Some(Malformed::Encrypted), ..Reading::default() };
    for stream in streams("encrypt") {
        for datagram in stream.datagrams() {
            assert_eq!(Reading::of(&datagram), nothing_decoded, "{}", stream.name);
        }
    }
}

#[test]
fn streams_are_the_ones_that_were_captured() {
    for stream in Stream::all() {
        assert_eq!(hex(Sha256::digest(stream.bytes())), stream.entry["sha256_stream"], "{}", stream.name);
        assert_eq!(stream.datagrams().len() as u64, stream.entry["datagrams"], "{}", stream.name);
        assert_eq!(stream.expected().len() as u64, stream.entry["datagrams"], "{}", stream.name);
    }
}

#[test]
fn values_have_the_checksum_of_the_index() {
    for stream in streams("none").into_iter().chain(streams("sign")) {
        let mut hash = Sha256::new();
        for datagram in stream.datagrams() {
            for list in Reading::of(&datagram).lists {
                hash.update(checksum_line(&list.as_ref()));
            }
        }
        assert_eq!(hex(hash.finalize()), stream.entry["sha256_values"], "{}", stream.name);
    }
}

#[test]
fn value_lists_pack_to_the_datagrams_that_were_sent() {
    let mut streams_compared = 0;
    for stream in Stream::all() {
        if stream.entry["repack_byte_identical"] != true {
            continue;
        }
        let reserve = stream.entry["packer"]["reserve"].as_u64().unwrap();
        let limit = stream.entry["max_packet_size"].as_u64().unwrap() - reserve;
        let order = match stream.entry["packer"]["order"].as_str().unwrap() {
            "collectd" => PartOrder::Collectd,
            "lcc" => PartOrder::Libcollectdclient,
            order => panic!("{order}"),
        };
        let sent = stream.datagrams();
        let mut builder = PacketBuilder::with_order(limit as usize, order);
        for datagram in &sent {
            for list in Reading::of(datagram).lists {
                builder.push(&list.as_ref());
            }
        }
        builder.close();
        let packed: Vec<_> = builder.packets().map(|(_, bytes)| bytes).collect();
        assert!(packed.iter().eq(sent.iter()), "{}", stream.name);
        streams_compared += 1;
    }
    assert_eq!(streams_compared, 4);
}

#[test]
fn notifications_leave_as_the_datagrams_that_were_sent() {
    let stream = Stream::all().into_iter().find(|stream| stream.name == "notif-plain").unwrap();
    let mut compared = 0;
    for datagram in stream.datagrams() {
        for event in Decoder::new(&datagram) {
            let Ok(Event::Notification(notification)) = event else {
                continue;
            };
            let mut builder = PacketBuilder::new(1452);
            builder.push_notification(&notification.of(&datagram));
            let packed: Vec<_> = builder.packets().map(|(_, bytes)| bytes).collect();
            assert_eq!(packed, [datagram.as_slice()]);
            compared += 1;
        }
    }
    assert_eq!(compared, 55, "all 56 but the one without host");
}

#[test]
fn every_datagram_survives_a_round_trip() {
    for (_, datagram) in corpus() {
        round_trip::survives(&datagram);
    }
}

/// What a listener without AuthFile does with signatures and encryption; the case had one with keys.
const NO_KEYS: &str = "collectd had keys or a SecurityLevel";
const NUMBER: &str = "collectd trusts the length of a number part and loses its way";
const NO_VALUES: &str =
    "collectd counts a value list of no values as long as 15 bytes are left, and drops it later";

/// Crafted datagrams that we answer otherwise than collectd did: why, then the value lists, the
/// notifications and the error that we yield.
#[rustfmt::skip]
const DIFFERENCES: &[(&str, &str, usize, usize, Option<Malformed>)] = &[
    ("trailing-4-unknown", "collectd stops reading at 4 bytes", 1, 0, None),
    ("values-count0-last", NO_VALUES, 0, 0, None),
    ("values-count0-middle", NO_VALUES, 1, 0, None),
    ("bulk-values0", NO_VALUES, 0, 0, Some(Malformed::StrayBytes)),
    ("number-len-13", NUMBER, 0, 0, Some(Malformed::NumberLength)),
    ("number-len-16", NUMBER, 0, 0, Some(Malformed::NumberLength)),
    ("number-len-11", NUMBER, 0, 0, Some(Malformed::NumberLength)),
    ("number-len-8-true-4byte", NUMBER, 0, 0, Some(Malformed::NumberLength)),
    ("number-len-4-x3", NUMBER, 0, 0, Some(Malformed::NumberLength)),
    ("notif-severity-len-16", NUMBER, 0, 0, Some(Malformed::NumberLength)),
    ("oob-len4-fill-1452", NUMBER, 0, 0, Some(Malformed::NumberLength)),
    ("values-big-count7000", "the case leaves out its 7000 values", 1, 0, None),
    ("notif-message-before-host", "without a host there is no owner to send it to", 0, 0, None),
    ("sign-bad-hmac-to-none-auth", NO_KEYS, 1, 0, None),
    ("sign-part-appended", NO_KEYS, 2, 0, None),
    ("sign-wrong-password", NO_KEYS, 1, 0, None),
    ("sign-unknown-user-to-none-auth", NO_KEYS, 1, 0, None),
    ("sign-len35", NO_KEYS, 1, 0, None),
    ("sign-len4", NO_KEYS, 1, 0, None),
    ("sign-short-packet-20", NO_KEYS, 0, 0, None),
    ("sign-not-first", NO_KEYS, 2, 0, None),
    ("sign-state-not-inherited", NO_KEYS, 1, 0, None),
    ("unsigned-to-sign", NO_KEYS, 1, 0, None),
    ("unsigned-to-encrypt", NO_KEYS, 1, 0, None),
    ("sign-ok-to-encrypt", NO_KEYS, 1, 0, None),
    ("encr-ok", NO_KEYS, 0, 0, Some(Malformed::Encrypted)),
    ("encr-ok-to-sign", NO_KEYS, 0, 0, Some(Malformed::Encrypted)),
    ("encr-other-user", NO_KEYS, 0, 0, Some(Malformed::Encrypted)),
    ("encr-user-embedded-nul", NO_KEYS, 0, 0, Some(Malformed::Encrypted)),
    ("encr-iv-zero", NO_KEYS, 0, 0, Some(Malformed::Encrypted)),
    ("encr-two-parts", NO_KEYS, 0, 0, Some(Malformed::Encrypted)),
    ("encr-then-plain-to-encrypt", NO_KEYS, 0, 0, Some(Malformed::Encrypted)),
    ("plain-then-encr-to-none-auth", NO_KEYS, 1, 0, Some(Malformed::Encrypted)),
    ("encr-state-not-inherited", NO_KEYS, 0, 0, Some(Malformed::Encrypted)),
    ("encr-nested-encr", NO_KEYS, 0, 0, Some(Malformed::Encrypted)),
    ("sign-inside-encr", NO_KEYS, 0, 0, Some(Malformed::Encrypted)),
    ("encr-inside-sign", NO_KEYS, 0, 0, Some(Malformed::Encrypted)),
    ("encr-inside-sign-to-encrypt", NO_KEYS, 0, 0, Some(Malformed::Encrypted)),
    ("encr-trailing-3", NO_KEYS, 0, 0, Some(Malformed::Encrypted)),
    ("encr-nested-50", NO_KEYS, 0, 0, Some(Malformed::Encrypted)),
    ("bulk-encr-nested-1380", NO_KEYS, 0, 0, Some(Malformed::Encrypted)),
];

#[test]
fn crafted_datagrams_decode_as_collectd_decodes_them_but_for_the_differences() {
    let mut differing = 0;
    for (case, datagram) in crafted() {
        let name = case["name"].as_str().unwrap();
        let received = case["max_packet_size"].as_u64().unwrap() as usize;
        let reading = Reading::of(&datagram[..datagram.len().min(received)]);
        let decode = without_gauge_numbers(case["decode"].clone());
        let same = disagreement(&reading, &decode);
        match DIFFERENCES.iter().find(|(differs, ..)| *differs == name) {
            None => assert_eq!(same, None, "{name}: {}", case["note"]),
            Some(&(_, why, lists, notifications, error)) => {
                assert!(same.is_some(), "{name} is no difference: {why}");
                let ours = (reading.lists.len(), reading.notifications.len(), reading.error);
                assert_eq!(ours, (lists, notifications, error), "{name}: {why}");
                differing += 1;
            }
        }
    }
    assert_eq!(differing, DIFFERENCES.len(), "a difference names no case");
}

/// In what the reading is not the independent decoder's.
fn disagreement(reading: &Reading, decode: &Json) -> Option<&'static str> {
    let list = |key: &str| decode[key].as_array().map_or(&[][..], Vec::as_slice);
    let logged =
        |prefix: &str| list("log").iter().filter(|line| line.as_str().unwrap().starts_with(prefix)).count();
    let error_agrees = match reading.error {
        None => {
            logged("truncated") + logged("string-") + logged("unknown-ds-type") + logged("decrypt-") == 0
                && decode["status"] == 0
        }
        Some(Malformed::StrayBytes | Malformed::PartTooShort | Malformed::PartTooLong) => {
            logged("truncated") == 1
        }
        Some(Malformed::StringWithoutNul) => logged("string-no-nul") + logged("string-empty") == 1,
        Some(Malformed::StringTooLong) => logged("string-too-long") == 1,
        Some(Malformed::NumberLength) => false,
        Some(Malformed::ValuesLength) => logged("values-length-") + logged("values-count-") == 1,
        Some(Malformed::ValueKind) => logged("unknown-ds-type") == 1,
        Some(Malformed::Encrypted) => logged("decrypt-failed") == 1,
    };
    let checks = [
        ("number of value lists", decode["n_values"] == reading.lists.len()),
        ("value lists", reading.lists_json().iter().take(3).eq(list("values"))),
        ("notifications", reading.notifications == list("notifs")),
        ("incomplete value lists", reading.refused_lists.len() == logged("values-incomplete-identity")),
        ("ignored notifications", reading.refused_notifications.len() == logged("notif-")),
        ("error", error_agrees),
    ];
    checks.into_iter().find_map(|(what, agrees)| (!agrees).then_some(what))
}

/// The reading is what `expected` says, in order, and what it leaves out is what collectd leaves out;
/// only a notification without host, which has no owner to go to, is left out by us alone.
fn agree(what: &str, reading: &Reading, expected: &Json) {
    let list = |key: &str| expected[key].as_array().map_or(&[][..], Vec::as_slice);
    assert_eq!(reading.lists_json(), list("values"), "{what}");
    let with_host = list("notifs").iter().filter(|notification| notification["h"] != "");
    assert!(reading.notifications.iter().eq(with_host), "{what}: {:?}", reading.notifications);
    let without_host = list("notifs").len() - reading.notifications.len();
    assert_eq!(reading.refused_notifications, vec![Refusal::NoHost; without_host], "{what}");
    assert!(list("log").iter().all(|reason| reason == "values-incomplete-identity"), "{what}");
    assert_eq!(reading.refused_lists.len(), list("log").len(), "{what}");
    assert_eq!((reading.error, reading.unknown), (None, 0), "{what}");
}

fn streams(security: &str) -> Vec<Stream> {
    let mut streams = Stream::all();
    streams.retain(|stream| stream.security() == security);
    assert!(streams.len() >= 3);
    streams
}

/// The line of a value list in `sha256_values`.
fn checksum_line(list: &ValueListRef<'_>) -> Vec<u8> {
    let values: Vec<String> = list
        .values
        .iter()
        .map(|value| match value {
            Value::Counter(word) => format!("c{word:016x}"),
            Value::Gauge(number) => format!("g{:016x}", number.to_bits()),
            Value::Derive(number) => format!("d{number:016x}"),
            Value::Absolute(word) => format!("a{word:016x}"),
        })
        .collect();
    let names = &list.identifier;
    let mut line =
        [names.host, names.plugin, names.plugin_instance, names.type_name, names.type_instance].join(&0x1f);
    let tail = format!(
        "\x1f{:016x}\x1f{:016x}\x1f{}\n",
        list.time.cdtime(),
        list.interval.cdtime(),
        values.join(",")
    );
    line.extend_from_slice(tail.as_bytes());
    line
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
