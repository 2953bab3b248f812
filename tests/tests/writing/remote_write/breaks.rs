//! Engines that break connections off, or don't know us for a while. The other tier has all, at once.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use coco_core::value_list::{Value, ValueList};
use coco_harness::coco::Coco;
use coco_harness::engine::{Answer, Scripted};
use coco_harness::sink::Sink;

use super::{TAKEN, config, list, lists, node_has, nodes, now, send, settled};

/// A Coco with a tier of one engine and one of one node, which sends what it is given as one batch.
fn coco(engine: &Scripted, sink: &Sink) -> Coco {
    Coco::start(&config(&engine.url(), &nodes(sink)))
}

/// Value lists of which hardly anything can be compressed.
fn large_lists(count: u64) -> Vec<ValueList> {
    let start = now().as_millis() as u64;
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut name = || -> String {
        let letter = |_| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            char::from(
                b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"[(random % 63) as usize],
            )
        };
        (0..120).map(letter).collect()
    };
    let one = |_| list(&name(), [&name(), &name(), "gauge", &name()], start, &[Value::Gauge(1.0)]);
    (0..count).map(one).collect()
}

#[test]
fn connections_that_break_half_way_cost_nothing() {
    // Half of the body is read, then all of it without an answer, then there is half an answer.
    let half = |length: usize, number: usize| (number == 0).then_some(length / 2);
    let engine = Scripted::resetting(half, |_, number| match number {
        1 => Answer::Close,
        2 => Answer::Half,
        _ => TAKEN,
    });
    let sink = Sink::start();
    let mut coco = coco(&engine, &sink);
    send(&mut coco, &lists(100, now().as_millis() as u64));
    node_has(&mut coco, &sink, 100);
    assert_eq!(settled(&mut coco, &engine.url(), 100), (100, BTreeMap::new()));
    assert_eq!(engine.samples(), 100);
    assert!(coco.stop().success());
}

#[test]
fn what_breaks_off_for_its_size_is_sent_in_parts() {
    const MOST: usize = 1 << 20;
    let large = |length: usize, _: usize| (length > MOST).then_some(MOST / 2);
    let engine = Scripted::resetting(large, |_, _| TAKEN);
    let sink = Sink::start();
    let mut coco = coco(&engine, &sink);
    let lists = large_lists(2000);
    // In one batch, which waits until the last of them has come.
    let more = format!("batch_delay = \"1h\"\n{}", nodes(&sink));
    let _ = coco.reload(&config(&engine.url(), &more).replacen("batch_delay = \"100ms\"\n", "", 1));
    send(&mut coco, &lists);
    node_has(&mut coco, &sink, lists.len());
    assert_eq!(settled(&mut coco, &engine.url(), 2000), (2000, BTreeMap::new()));
    assert_eq!(engine.samples(), 2000);
    let retries = coco.counters().count(&["remote_write.retries", &engine.url()]);
    assert!(retries >= 2, "{retries} parts");
    assert!(coco.stop().success());
}

/// The engine learns after a minute that we may write; nobody tells Coco.
#[test]
#[ignore = "takes two minutes"]
fn an_engine_that_does_not_know_us_for_a_minute_costs_nothing() {
    let begin = Instant::now();
    let engine = Scripted::start(move |_, _| match begin.elapsed() < Duration::from_secs(60) {
        true => Answer::Say(401, "", "who are you?"),
        false => TAKEN,
    });
    let sink = Sink::start();
    let mut coco = coco(&engine, &sink);
    let mut sent = 0;
    while begin.elapsed() < Duration::from_secs(70) {
        send(&mut coco, &lists(100, now().as_millis() as u64));
        sent += 100;
        node_has(&mut coco, &sink, sent);
        std::thread::sleep(Duration::from_secs(1));
    }
    // It asks every 30 s, which is within the patience of a test.
    assert_eq!(settled(&mut coco, &engine.url(), sent as u64), (sent as u64, BTreeMap::new()));
    assert_eq!(engine.samples(), sent);
    assert!(coco.stop().success());
}
