//! `cococtl replay`.

use std::net::UdpSocket;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use coco_core::value_list::ValueList;
use coco_core::wire::{Decoder, Event};
use coco_harness::nobody::Nobody;
use coco_harness::traffic;
use coco_harness::wait::PATIENCE;
use serde_json::{Value, json};

use crate::frames::{RAW, ipv4, ipv4_to_complete, pcap};
use crate::{Ended, cococtl};

fn receiver() -> (UdpSocket, String) {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let address = socket.local_addr().unwrap().to_string();
    (socket, address)
}

fn receive(socket: &UdpSocket) -> Vec<u8> {
    let mut buffer = vec![0; 2000];
    let length = socket.recv(&mut buffer).unwrap();
    buffer.truncate(length);
    buffer
}

fn replay(capture: &[u8], to: &str, arguments: &[&str]) -> Ended {
    cococtl([&["replay", "-", "--json", "--to", to], arguments].concat(), capture)
}

fn value_lists(datagram: &[u8]) -> Vec<ValueList> {
    let lists = Decoder::new(datagram).map(|event| match event {
        Ok(Event::ValueList(spans)) => spans.of(datagram).to_owned(),
        other => panic!("{other:?}"),
    });
    lists.collect()
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64()
}

#[test]
fn what_was_captured_is_sent_again_datagram_by_datagram() {
    let datagrams = ["web1", "web2"].map(|host| traffic::datagram(&traffic::value_list(host, 1)));
    let other = ipv4(b"x", 53);
    let capture =
        pcap(RAW, &[ipv4(&datagrams[0], 25826), other, ipv4_to_complete(&datagrams.concat(), 25826)]);
    let (socket, address) = receiver();
    let ended = replay(&capture, &address, &[]);
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""), "{ended:?}");
    // The second frame holds both.
    for expected in [&datagrams[0], &datagrams[0], &datagrams[1]] {
        assert_eq!(receive(&socket), *expected);
    }
    let counts = ended.json();
    for (key, count) in [("packets", 3), ("datagrams", 3), ("value_lists", 3), ("refused", 0), ("failed", 0)]
    {
        assert_eq!(counts[key], count, "{key} of {counts}");
    }
    assert_eq!(counts["skipped"]["other_port"], 1);
    // Nothing for the port, nobody there, half a file.
    let ended = replay(&capture, &address, &["--port", "9"]);
    assert!(
        ended.status == Some(1) && ended.json()["hints"][0].as_str().unwrap().contains("--port 25826"),
        "{ended:?}"
    );
    let ended = replay(&capture, &Nobody::udp().address.to_string(), &["--speed", "max"]);
    assert!(ended.status == Some(1) && ended.json()["refused"].as_u64().unwrap() > 0, "{ended:?}");
    let ended = replay(&capture[..capture.len() - 1], &address, &[]);
    assert_eq!((ended.status, &ended.json()["cut"]), (Some(1), &json!(true)));
}

#[test]
fn hosts_of_long_names_are_renamed() {
    let host = "h".repeat(300);
    let packet = |host: &str| traffic::datagram(&traffic::value_list(host, 1));
    let (socket, address) = receiver();
    let capture = pcap(RAW, &[ipv4(&packet(&host), 25826)]);
    let ended = replay(&capture, &address, &["--rename", "^=test-", "--max-name-length", "305"]);
    assert_eq!((ended.status, ended.json()["value_lists"].clone()), (Some(0), json!(1)), "{ended:?}");
    assert_eq!(receive(&socket), packet(&format!("test-{host}")));
}

#[test]
fn datagrams_keep_their_distance() {
    let datagram = traffic::datagram(&traffic::value_list("web1", 1));
    let mut capture = pcap(RAW, &[ipv4(&datagram, 25826), ipv4(&datagram, 25826)]);
    // The second one is captured 600 ms later.
    let second = capture.len() - (capture.len() - 24) / 2;
    capture[second + 4..second + 8].copy_from_slice(&600_000_u32.to_le_bytes());
    let took = |speed: &str| {
        let (socket, address) = receiver();
        let start = Instant::now();
        assert_eq!(replay(&capture, &address, &["--speed", speed]).status, Some(0));
        assert_eq!((receive(&socket), receive(&socket)), (datagram.clone(), datagram.clone()));
        start.elapsed().as_millis()
    };
    assert!(took("1x") >= 600);
    assert!(took("2x") >= 300);
    took("max");
    for wrong in ["0x", "-1x", "10", "fast", "NaNx"] {
        assert_eq!(
            replay(&capture, "127.0.0.1:9", &[&format!("--speed={wrong}")]).status,
            Some(2),
            "{wrong}"
        );
    }
}

#[test]
fn times_and_hosts_are_made_others_and_nothing_else() {
    let lists = [traffic::value_list("web1.example.org", 1), traffic::value_list("db", 5)];
    let frames: Vec<_> = lists.iter().map(|list| ipv4(&traffic::datagram(list), 25826)).collect();
    let capture = pcap(RAW, &frames);
    let (socket, address) = receiver();
    let (before, rename) = (now(), "--rename=^web([0-9]+)=copy-$1");
    assert_eq!(replay(&capture, &address, &["--retime", rename]).status, Some(0));
    let after = now();
    let seconds = |list: &ValueList| list.time.cdtime() as f64 / f64::from(1 << 30);
    let received: Vec<_> = (0..2).flat_map(|_| value_lists(&receive(&socket))).collect();
    // Captured at 1,700,000,000; the values are of one second later, and of five.
    assert!((before..=after).contains(&(seconds(&received[0]) - 1.0)), "{received:?}");
    assert!((seconds(&received[1]) - seconds(&received[0]) - 4.0).abs() < 1e-6);
    for ((received, sent), host) in received.into_iter().zip(&lists).zip(["copy-1.example.org", "db"]) {
        let mut expected = sent.clone();
        expected.identifier.host = host.into();
        expected.time = received.time;
        assert_eq!(received, expected);
    }
    // What is signed can only be sent as it is.
    let signed = [&b"\x02\0\0\x25"[..], &[7; 33], &traffic::datagram(&lists[0])].concat();
    let capture = pcap(RAW, &[ipv4(&signed, 25826)]);
    let ended = replay(&capture, &address, &["--retime"]);
    assert_eq!((ended.status, &ended.json()["secured"]), (Some(1), &json!(1)));
    assert_eq!(replay(&capture, &address, &[]).status, Some(0));
    assert_eq!(receive(&socket), signed);
    let ended = replay(&pcap(RAW, &frames), &address, &["--rename", "^db$="]);
    assert_eq!((ended.status, &ended.json()["not_renamed"]), (Some(1), &Value::from(1)));
}
