//! Datagrams that an agent seldom sends, and addresses that Coco seldom listens on.

use std::io;
use std::net::UdpSocket;

use coco_core::value_list::ValueList;
use coco_harness::coco::{Coco, Config};
use coco_harness::sink::{self, Sink};
use coco_harness::traffic::{self, LARGEST_DATAGRAM, MAX_PACKET_SIZE};
use coco_harness::wait::{PATIENCE, wait_until};

fn coco_with_a_sink() -> (Coco, Sink) {
    let sink = Sink::start();
    let coco = Coco::start(&Config::new(&[("shortterm", &[sink.address])]).text());
    (coco, sink)
}

fn wait_for_all(sink: &Sink, expected: &[ValueList]) {
    wait_until(PATIENCE, "all value lists", || sink.count() >= expected.len() as u64);
    assert_eq!(sink.value_lists(), expected);
}

#[test]
fn the_largest_datagram_of_all_comes_in_whole() {
    let (mut coco, sink) = coco_with_a_sink();
    // The length of the host name is what brings the datagram to the last byte.
    let datagram = (1..=100)
        .find_map(|length| {
            let host = "h".repeat(length);
            let lists: Vec<_> = (0..2500).map(|place| traffic::value_list(&host, place)).collect();
            let datagram = traffic::datagrams(LARGEST_DATAGRAM, &lists).swap_remove(0);
            (datagram.len() == LARGEST_DATAGRAM).then_some(datagram)
        })
        .expect("one length fits");
    let lists = sink::value_lists(&datagram);
    traffic::sender(coco.listen).send(&datagram).expect("coco listens");

    let counters = coco.settled(lists.len() as u64);
    assert_eq!(counters.count(&["listen", "raw"]), 1);
    assert_eq!(counters.count(&["errors", "fetch.receive"]), 0);
    wait_for_all(&sink, &lists);
    assert!(sink.datagrams().iter().all(|datagram| datagram.len() <= MAX_PACKET_SIZE));
    assert!(coco.stop().success());
}

#[test]
fn agents_may_come_by_either_family() {
    agents_may_come_by("127.0.0.1");
    if UdpSocket::bind("[::1]:0").is_ok() {
        agents_may_come_by("[::1]");
    } else {
        eprintln!("not tested: this machine has no IPv6");
    }
}

fn agents_may_come_by(address: &str) {
    let sink = Sink::start();
    let mut config = Config::new(&[("shortterm", &[sink.address])]);
    config.listen = format!("{address}:0");
    let coco = Coco::start(&config.text());
    let lists: Vec<_> = (0..10).map(|place| traffic::value_list("host", place)).collect();
    traffic::send(&traffic::sender(coco.listen), &lists);
    wait_for_all(&sink, &lists);
    assert!(coco.stop().success());
}

#[test]
fn malformed_datagrams_are_counted_and_good_ones_still_pass() -> io::Result<()> {
    let (mut coco, sink) = coco_with_a_sink();
    let lists: Vec<_> = (0..6).map(|place| traffic::value_list("host", place)).collect();
    let good: Vec<_> = lists.iter().map(traffic::datagram).collect();

    // A good start is kept, whatever follows: a part longer than the rest, a part shorter than its header, a number of
    // 11 bytes, a string without NUL, values whose count does not fit.
    let endings: [&[u8]; 5] = [
        &[0, 2, 0, 200, b'x', 0],
        &[0, 2, 0, 3, 0, 0],
        &[0, 8, 0, 11, 0, 0, 0, 0, 0, 0, 0],
        &[0, 2, 0, 6, b'x', b'y'],
        &[0, 6, 0, 15, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0],
    ];
    let sender = traffic::sender(coco.listen);
    for (good, ending) in good.iter().zip(endings) {
        sender.send(&[good, ending].concat())?;
    }
    sender.send(b"GET / HTTP/1.1\r\n\r\n")?;
    sender.send(&[0xff; 1452])?;
    sender.send(&[])?;
    sender.send(&good[5])?;

    let counters = coco.settled(6);
    assert_eq!(counters.count(&["listen", "raw"]), 9);
    assert_eq!(counters.count(&["listen", "decoded"]), 6);
    assert_eq!(counters.count(&["errors", "fetch.receive"]), 7);
    wait_for_all(&sink, &lists);
    assert!(coco.stop().success());
    Ok(())
}
