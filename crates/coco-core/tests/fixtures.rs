//! Traffic of a real collectd: decoded as collectd decodes it, packed as collectd packed it.

#![allow(clippy::unwrap_used, reason = "a panic is how a test says what is wrong")]

mod support;

use coco_core::value_list::{Value, ValueListRef};
use coco_core::wire::{
    Decoder, Event, Guard, InitializationVectors, Malformed, NotificationRefusal, Opened, PacketBuilder,
    PartOrder, Seal,
};
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

use support::{Reading, Stream, corpus, crafted, listener, round_trip, without_gauge_numbers};

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
fn signed_streams_decode_to_what_was_sent_unverified_without_keys() {
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
fn encrypted_streams_are_refused_whole_without_keys() {
    let nothing_decoded = Reading { error: Some(Malformed::Encrypted), ..Reading::default() };
    for stream in streams("encrypt") {
        for datagram in stream.datagrams() {
            assert_eq!(Reading::of(&datagram), nothing_decoded, "{}", stream.name);
        }
    }
}

#[test]
fn signed_and_encrypted_streams_decode_to_what_was_sent_with_keys() {
    for (security, listeners) in
        [("sign", &["none+auth", "sign"][..]), ("encrypt", &["none+auth", "sign", "encrypt"])]
    {
        for (stream, listener_name) in
            streams(security).iter().flat_map(|stream| listeners.iter().map(move |name| (stream, name)))
        {
            let listener = listener(listener_name);
            for (datagram, expected) in stream.datagrams().iter().zip(stream.expected()) {
                let what = format!("{} {} to {listener_name}", stream.name, expected["i"]);
                let (reading, opened) = Reading::guarded(datagram, &listener);
                if security == "encrypt" && datagram.len() == 47 {
                    // An encrypted part around nothing: collectd refuses what it has sent itself.
                    assert_eq!(reading.error, Some(Malformed::EncryptionLength), "{what}");
                    continue;
                }
                agree(&what, &reading, &expected);
                assert_eq!((reading.unverified, reading.verified), (0, reading.lists.len()), "{what}");
                assert!(!opened.ignored, "{what}");
            }
        }
    }
}

/// Whoever asks for more gets nothing at all.
#[test]
fn streams_of_a_lower_level_are_ignored() {
    for (security, listener_name) in [("none", "sign"), ("none", "encrypt"), ("sign", "encrypt")] {
        for stream in streams(security) {
            for datagram in stream.datagrams().iter().filter(|datagram| !datagram.is_empty()) {
                let (reading, opened) = Reading::guarded(datagram, &listener(listener_name));
                assert_eq!((reading, opened.ignored, opened.whole), (Reading::default(), true, None));
            }
        }
    }
}

/// What stands in a signature or in an encrypted part may leave as it came if a plain datagram with it might.
#[test]
fn secured_datagrams_may_leave_whole_where_plain_ones_may() {
    for datagram in Stream::all().iter().find(|stream| stream.name == "plain").unwrap().datagrams() {
        let plain = Reading::guarded(&datagram, &listener("none+auth")).1;
        let mut whole = datagram.clone();
        let mut vectors = InitializationVectors::new(&[1; 32]);
        for seal in [Seal::signing(b"alice", b"s3cret"), Seal::encrypting(b"bob", b"hunter2")] {
            let mut sealed = Vec::new();
            seal.seal(&whole, &mut vectors, &mut sealed).unwrap();
            whole = sealed;
            let opened = listener("sign").decode(&mut whole.clone(), |_, _, _| ());
            let start = whole.len() - datagram.len();
            let meant = plain.whole.map(|whole| (start, whole.carried()));
            assert_eq!(opened.whole.map(|whole| (whole.start(), whole.carried())), meant);
            assert!(opened.whole.is_some());
        }
    }
}

#[test]
fn a_guard_without_users_is_a_plain_decoder() {
    for (name, datagram) in corpus() {
        assert_eq!(Reading::guarded(&datagram, &Guard::default()).0, Reading::of(&datagram), "{name}");
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
    ("bulk-encr-nested-1380", "collectd goes as deep as it is told to", 0, 0, Some(Malformed::Nesting)),
    ("notif-message-before-host", "without a host there is no owner to send it to", 0, 0, None),
];

#[test]
fn crafted_datagrams_decode_as_collectd_decodes_them_but_for_the_differences() {
    let mut differing = 0;
    for (case, datagram) in crafted() {
        let name = case["name"].as_str().unwrap();
        let received = case["max_packet_size"].as_u64().unwrap() as usize;
        let listener = listener(case["listener"].as_str().unwrap());
        let (reading, opened) = Reading::guarded(&datagram[..datagram.len().min(received)], &listener);
        let decode = without_gauge_numbers(case["decode"].clone());
        let same = disagreement(&reading, &opened, &decode);
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
fn disagreement(reading: &Reading, opened: &Opened, decode: &Json) -> Option<&'static str> {
    let list = |key: &str| decode[key].as_array().map_or(&[][..], Vec::as_slice);
    let logged =
        |prefix: &str| list("log").iter().filter(|line| line.as_str().unwrap().starts_with(prefix)).count();
    let error_agrees = match reading.error {
        None => {
            let errors =
                ["truncated", "string-", "unknown-ds-type", "decrypt-", "sign-mismatch", "sign-failed"];
            errors.into_iter().all(|error| logged(error) == 0) && decode["status"] == 0
        }
        Some(Malformed::StrayBytes | Malformed::PartTooShort | Malformed::PartTooLong) => {
            logged("truncated") == 1
        }
        Some(Malformed::StringWithoutNul) => logged("string-no-nul") + logged("string-empty") == 1,
        Some(Malformed::StringTooLong) => logged("string-too-long") == 1,
        Some(Malformed::NumberLength) => false,
        Some(Malformed::ValuesLength) => logged("values-length-") + logged("values-count-") == 1,
        Some(Malformed::ValueKind) => logged("unknown-ds-type") == 1,
        Some(Malformed::Encrypted) => logged("encr-no-key") == 1 && logged("decrypt-failed") == 1,
        Some(Malformed::SignatureLength) => logged("sign-failed") == 1 && logged("sign-unknown-user") == 0,
        Some(Malformed::SignatureMismatch) => logged("sign-mismatch") == 1,
        Some(Malformed::EncryptionLength) => {
            logged("encr-bad-") + logged("encr-short") == 1 && logged("decrypt-failed") == 1
        }
        Some(Malformed::ChecksumMismatch) => logged("encr-checksum") == 1,
        Some(Malformed::UnknownUser) => logged("sign-unknown-user") + logged("encr-no-key") == 1,
        Some(Malformed::Nesting) => false,
    };
    let checks = [
        ("number of value lists", decode["n_values"] == reading.lists.len()),
        ("value lists", reading.lists_json().iter().take(3).eq(list("values"))),
        ("notifications", reading.notifications == list("notifs")),
        ("incomplete value lists", reading.refused_lists.len() == logged("values-incomplete-identity")),
        ("ignored notifications", reading.refused_notifications.len() == logged("notif-")),
        ("error", error_agrees),
        (
            "what is ignored",
            opened.ignored == (logged("unsigned-ignored") + logged("unencrypted-ignored") > 0),
        ),
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
    assert_eq!(reading.refused_notifications, vec![NotificationRefusal::NoHost; without_host], "{what}");
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
