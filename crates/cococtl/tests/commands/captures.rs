//! What captures there are: kinds of links, of files, of packing; and that nothing of them is passed over in silence.

use std::io::Write;

use coco_harness::directory::Directory;
use coco_harness::traffic;
use flate2::Compression;
use flate2::write::GzEncoder;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use serde_json::{Value, json};

use crate::frames::{ETHERNET, RAW, block, ethernet, ipv4, ipv6, other_links, pcap, pcapng, section};
use crate::{Ended, cococtl};

fn decode(capture: &[u8], arguments: &[&str]) -> Ended {
    cococtl([&["decode", "-", "--json"], arguments].concat(), capture)
}

fn summary(ended: &Ended) -> Value {
    ended.json_lines().pop().unwrap()
}

fn datagram() -> Vec<u8> {
    traffic::datagram(&traffic::value_list("web1", 1))
}

/// The counts of a summary that are not 0, of packets that were skipped.
fn skipped(ended: &Ended) -> Value {
    let mut counts = summary(ended)["skipped"].as_object().unwrap().clone();
    counts.retain(|_, count| *count != json!(0));
    Value::Object(counts)
}

fn assert_shows_one(ended: &Ended, what: &str) {
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{what}: {}", ended.stdout);
    let lines = ended.json_lines();
    assert_eq!(lines.len(), 2, "{what}: {lines:?}");
    assert_eq!((&lines[0]["event"], &lines[0]["host"]), (&json!("value_list"), &json!("web1")), "{what}");
}

#[test]
fn links_of_many_kinds_are_opened() {
    for packet in [ipv4(&datagram(), 25826), ipv6(&datagram())] {
        for (link, mut frame) in other_links(&packet) {
            if link == 239 {
                frame[0] = if packet[0] >> 4 == 4 { 2 } else { 10 };
            }
            assert_shows_one(&decode(&pcap(link, &[frame]), &[]), &format!("link type {link:#x}"));
        }
    }
}

#[test]
fn what_is_not_read_is_counted_by_its_reason() {
    let packet = ipv4(&datagram(), 25826);
    let whole = ethernet(&packet, 0);
    let arp = [&[2; 12][..], &[0x08, 0x06], &[0; 28]].concat();
    let lldp = [&[2; 12][..], &[0x88, 0xcc], &[0; 28]].concat();
    let tcp = [&packet[..9], &[6], &packet[10..]].concat();
    let wrong = [&[0x41], &packet[1..]].concat();
    for (link, frame, reason, status, hint) in [
        (105, whole.clone(), "link_type", 1, "link type 105 is not read here"),
        (ETHERNET, whole[..10].to_vec(), "cut_headers", 1, "tcpdump -s 0"),
        (ETHERNET, whole[..30].to_vec(), "cut_headers", 1, "tcpdump -s 0"),
        (ETHERNET, whole[..38].to_vec(), "cut_headers", 1, "tcpdump -s 0"),
        (ETHERNET, ethernet(&wrong, 0), "malformed_headers", 1, ""),
        (ETHERNET, ethernet(&ipv4(&datagram(), 25827), 0), "other_port", 0, ""),
        (ETHERNET, ethernet(&tcp, 0), "not_udp", 0, ""),
        (ETHERNET, arp, "not_ip", 0, ""),
        (ETHERNET, lldp, "not_ip", 0, ""),
        (9, b"\xff\x03\xc0\x21\x01\x02".to_vec(), "not_ip", 0, ""),
    ] {
        // Beside one that is read, and by itself.
        let other = match link {
            ETHERNET => vec![whole.clone(), frame.clone()],
            9 => vec![[b"\xff\x03\0\x21", &packet[..]].concat(), frame.clone()],
            _ => vec![frame.clone()],
        };
        let ended = decode(&pcap(link, &other), &[]);
        assert_eq!((ended.status, skipped(&ended)), (Some(status), json!({ reason: 1 })), "{ended:?}");
        let ended = decode(&pcap(link, &[frame]), &[]);
        assert_eq!((ended.status, skipped(&ended)), (Some(1), json!({ reason: 1 })), "{ended:?}");
        let hints = summary(&ended)["hints"].to_string();
        assert!(hints.contains(hint), "{reason}: {hints}");
    }
}

#[test]
fn who_looks_at_the_wrong_port_is_told_the_right_one() {
    let frame = |port| ipv4(&datagram(), port);
    let capture = pcap(RAW, &[frame(8125), frame(25827), frame(25827)]);
    let ended = cococtl(["decode", "-"], &capture);
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(1), ""));
    let told = "0 value lists and 0 notifications in 0 datagrams, of 3 packets; 3 skipped, to another port\n\
                hint: nothing went to port 25826; most, 2, to 25827: --port 25827, or --port 0 for any\n";
    assert_eq!(ended.stderr, told);
    let ended = decode(&capture, &["--port", "25827"]);
    assert_eq!((ended.status, &summary(&ended)["ports"]), (Some(0), &json!({ "8125": 1 })));
    // Of nothing nothing is missing.
    assert_eq!(decode(&pcap(RAW, &[]), &[]).status, Some(0));
}

#[test]
fn blocks_of_pcapng_are_packets_or_counted() {
    let frame = ipv4(&datagram(), 25826);
    let length = u32::try_from(frame.len()).unwrap().to_le_bytes();
    let interface = block(1, &[&[101, 0, 0, 0, 0, 0, 0, 0][..], &[9, 0, 1, 0, 9, 0, 0, 0], &[0; 4]].concat());
    let time = 1_700_000_000_123_456_789_u64;
    let time = [((time >> 32) as u32).to_le_bytes(), (time as u32).to_le_bytes()].concat();
    let old = |number: u16| {
        let body = [&number.to_le_bytes()[..], &[0, 0], &time, &length, &length, &frame].concat();
        block(2, &body)
    };
    let ended = decode(&[section(), interface.clone(), old(0)].concat(), &[]);
    assert_shows_one(&ended, "an old packet block");
    assert_eq!(ended.json_lines()[0]["captured"], json!(1_700_000_000_123_456_789_u64 as f64 / 1e9));

    let ended = decode(&[section(), interface.clone(), old(1), block(2, &[0; 8])].concat(), &[]);
    assert_eq!(skipped(&ended), json!({ "unknown_interface": 1, "cut_headers": 1 }));
    assert_eq!(ended.status, Some(1));
    // A second section has interfaces of its own.
    let ended = decode(&[section(), interface, section(), old(0)].concat(), &[]);
    assert_eq!((ended.status, skipped(&ended)), (Some(1), json!({ "unknown_interface": 1 })));
    assert!(summary(&ended)["hints"][0].as_str().unwrap().contains("not all of a capture"), "{ended:?}");

    // Who says nothing of the time has none.
    let simple = block(3, &[&length[..], &frame].concat());
    let ended = decode(&[pcapng(&[(RAW, frame.clone())]), simple].concat(), &[]);
    let captured: Vec<_> = ended.json_lines()[..2].iter().map(|line| line["captured"].clone()).collect();
    assert_eq!((ended.status, captured), (Some(0), vec![json!(0.0), Value::Null]));
}

#[test]
fn packed_files_are_unpacked() {
    let packet = ipv4(&datagram(), 25826);
    for capture in [pcap(RAW, std::slice::from_ref(&packet)), pcapng(&[(RAW, packet.clone())])] {
        let half = capture.len() / 2;
        let gzip = |bytes: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        };
        let zstd = |bytes: &[u8]| compress_to_vec(bytes, CompressionLevel::Fastest);
        let pack = |packer: &str, bytes: &[u8]| if packer == "gzip" { gzip(bytes) } else { zstd(bytes) };
        for packer in ["gzip", "zstd"] {
            assert_shows_one(&decode(&pack(packer, &capture), &[]), packer);
            // As when one file is appended to another.
            let parts = [pack(packer, &capture[..half]), pack(packer, &capture[half..])].concat();
            assert_shows_one(&decode(&parts, &[]), packer);
        }
        let cut = gzip(&capture);
        let ended = decode(&cut[..cut.len() - 12], &[]);
        assert_eq!((ended.status, &summary(&ended)["cut"]), (Some(1), &json!(true)), "{ended:?}");
        // What is read until then is shown.
        let many: Vec<_> = (0..20_000_u32).map(|number| ipv4(&number.to_be_bytes(), number as u16)).collect();
        let mut packed = zstd(&pcap(RAW, &many));
        packed.truncate(packed.len() * 3 / 4);
        let ended = decode(&packed, &["--port", "0", "--top", "1"]);
        assert!(
            ended.status == Some(2) && ended.stderr.starts_with("cococtl: -: cannot be read further: "),
            "{ended:?}"
        );
        assert!(summary(&ended)["packets"].as_u64().unwrap() > 1000, "{ended:?}");
    }
    for (magic, packer) in
        [(&b"\xfd7zXZ\0\0"[..], "xz"), (b"BZh91AY&SY", "bzip2"), (b"\x04\x22\x4d\x18", "lz4")]
    {
        let ended = decode(magic, &[]);
        let told = format!(
            "cococtl: -: packed by {packer}: unpack it ({packer} -dc), and read that from standard input\n"
        );
        assert_eq!((ended.status, ended.stderr), (Some(2), told));
    }
    let directory = Directory::new("captures");
    let file = directory.path().join("datagram.gz");
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&datagram()).unwrap();
    std::fs::write(&file, encoder.finish().unwrap()).unwrap();
    assert_shows_one(
        &cococtl(["decode", "--raw", "--json", file.to_str().unwrap()], b""),
        "a packet by itself",
    );
}

#[test]
fn the_time_of_capture_is_shown_beside_that_of_the_values() {
    let capture = pcap(RAW, &[ipv4(&datagram(), 25826)]);
    let ended = cococtl(["decode", "-"], &capture);
    let line = "2023-11-14T22:13:20.000Z 192.0.2.7:54297 2023-11-14T22:13:21.000Z web1/plugin/derive/sequence \
                every 10 s derive=1\n";
    assert_eq!((ended.status, ended.stdout.as_str()), (Some(0), line));
    // Nanoseconds, by the other number at the start of the file.
    let mut nanoseconds = capture;
    nanoseconds[0] = 0x4d;
    nanoseconds[1] = 0x3c;
    nanoseconds[28..32].copy_from_slice(&500_000_000_u32.to_le_bytes());
    assert_eq!(decode(&nanoseconds, &[]).json_lines()[0]["captured"], json!(1_700_000_000.5));
}
