//! Hosts whose samples several engines get, and engines that a reload takes away.

use std::collections::BTreeMap;
use std::time::Duration;

use coco_core::notification::{NotificationRef, Severity};
use coco_core::value_list::{IdentifierRef, Value};
use coco_core::wire::PacketBuilder;
use coco_harness::coco::Coco;
use coco_harness::curl;
use coco_harness::engine::{Answer, Scripted};
use coco_harness::sink::Sink;
use coco_harness::traffic;

use super::{TAKEN, config, list, node_has, nodes, now, send, settled, time};

/// A datagram with a notification.
fn notification(host: &str) -> Vec<u8> {
    let mut builder = PacketBuilder::new(1452);
    builder.push_notification(&NotificationRef {
        identifier: IdentifierRef { host: host.as_bytes(), plugin: b"load", ..IdentifierRef::default() },
        time: time(now().as_millis() as u64),
        severity: Severity::Warning,
        message: b"it is high",
    });
    builder.close();
    builder.packets().flat_map(|(_, bytes)| bytes.to_vec()).collect()
}

#[test]
fn as_many_engines_as_replicas_have_a_host_and_all_books_balance() {
    const HOSTS: u64 = 30;
    const SERIES: u64 = 4;
    let engines = [(); 3].map(|()| Scripted::start(|_, _| TAKEN));
    let urls = engines.each_ref().map(Scripted::url);
    let sink = Sink::start();
    let text = config(&urls[0], &format!("hash = \"rendezvous\"\nreplicas = 2\n{}", nodes(&sink)))
        .replace(&format!("[{:?}]", urls[0]), &format!("{urls:?}"));
    let mut coco = Coco::start(&text);
    let start = now().as_millis() as u64;
    let mut lists = Vec::new();
    for (host, series) in (0..HOSTS).flat_map(|host| (0..SERIES).map(move |series| (host, series))) {
        let instance = series.to_string();
        lists.push(list(&format!("web{host}"), ["p", &instance, "gauge", ""], start, &[Value::Gauge(1.0)]));
    }
    lists.push(list("web0", ["p", "", "nobody_knows", ""], start, &[Value::Gauge(1.0)]));
    send(&mut coco, &lists);
    traffic::sender(coco.listen).send(&notification("web0")).expect("loopback works");
    node_has(&mut coco, &sink, lists.len());

    let api = coco.api;
    let sum = |value: &serde_json::Value| -> u64 {
        let counts = value.as_object().into_iter().flat_map(|counts| counts.values());
        counts.filter_map(serde_json::Value::as_u64).sum()
    };
    let vars = coco.process.wait_for("all to be delivered", |_| {
        let vars = curl::json(&format!("http://{api}/debug/vars"))["coco"].take();
        let is_all = sum(&vars["remote_write.delivered"]) == 2 * HOSTS * SERIES
            && sum(&vars["remote_write.notifications"]) == 2;
        is_all.then_some(vars)
    });
    // In value lists: what was accepted, and further copies, became samples or was dropped by reason.
    let accepted = vars["filter"]["accepted"].as_u64().expect("a counter");
    let copies = vars["send.copies"]["engines"].as_u64().expect("a counter");
    let dropped = urls.iter().map(|url| sum(&vars["remote_write.value_lists_dropped"][url])).sum::<u64>();
    assert_eq!((accepted, copies, dropped), (lists.len() as u64, lists.len() as u64, 2));
    assert_eq!(sum(&vars["remote_write.value_lists"]) + dropped, accepted + copies);
    // In samples: what was queued was delivered.
    assert_eq!(sum(&vars["remote_write.samples"]), sum(&vars["remote_write.delivered"]));

    // All of it is shown to a Prometheus as well, for each engine.
    let metrics = coco.get("/metrics").body;
    for name in [
        "value_lists_total{",
        "value_lists_dropped_total{",
        "samples_total{",
        "delivered_total{",
        "dropped_total{",
        "notifications_total{",
        "requests_total{",
        "retries_total{",
        "waiting{",
        "oldest_age{",
        "bytes{",
        "series{",
        "blocked{",
        "latency_seconds_count{",
    ] {
        for url in &urls {
            let beginning = format!("coco_remote_write_{name}tier=\"engines\",target={url:?}");
            assert!(metrics.contains(&beginning), "no {beginning} in {metrics}");
        }
    }

    // A host is at two engines, with all of its series.
    let mut at = BTreeMap::<String, Vec<usize>>::new();
    for (engine, number) in engines.iter().zip(0..) {
        let mut series = BTreeMap::<String, u64>::new();
        for one in engine.taken().iter().flat_map(|request| &request.write.timeseries) {
            let host = one.labels.iter().find(|label| label.name == "instance").expect("a host");
            *series.entry(host.value.clone()).or_default() += 1;
        }
        for (host, count) in series {
            assert_eq!(count, SERIES, "{host}");
            at.entry(host).or_default().push(number);
        }
    }
    assert_eq!(at.len() as u64, HOSTS);
    assert!(at.values().all(|engines| engines.len() == 2), "{at:?}");
    assert!((0..3).all(|engine| at.values().any(|engines| engines.contains(&engine))), "{at:?}");
    assert!(coco.stop().success());
}

#[test]
fn what_waits_for_an_engine_that_a_reload_takes_away_is_sent_all_the_same() {
    let released = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let is_released = std::sync::Arc::clone(&released);
    let script = move |_: &_, _| {
        let is_released = is_released.load(std::sync::atomic::Ordering::Acquire);
        if is_released { TAKEN } else { Answer::Say(503, "Retry-After: 1\r\n", "starting") }
    };
    let (engine, sink) = (Scripted::start(script), Sink::start());
    let url = engine.url();
    let mut coco = Coco::start(&config(&url, &nodes(&sink)));
    send(&mut coco, &super::lists(50, now().as_millis() as u64));
    let api = coco.api;
    coco.process.wait_for("all to wait", |_| {
        let tiers = curl::json(&format!("http://{api}/tiers"));
        let engine = &tiers[0]["connections"][&url];
        (engine["problem"] == "has no time now" && engine["waiting"] == 50).then_some(())
    });
    let _ =
        coco.reload(&format!("listen.bind = \"127.0.0.1:0\"\napi.bind = \"127.0.0.1:0\"\n{}", nodes(&sink)));
    released.store(true, std::sync::atomic::Ordering::Release);
    coco.process.wait_for("all to be delivered", |_| {
        std::thread::sleep(Duration::from_millis(20));
        (engine.samples() == 50).then_some(())
    });
    assert_eq!(settled(&mut coco, &url, 50), (50, BTreeMap::new()));
    node_has(&mut coco, &sink, 50);
    assert!(coco.stop().success());
}
