//! Tiers of engines: what real ones have of what agents sent, and what becomes of samples when an engine refuses, fails,
//! is away or has no time. Other tiers go on throughout.

mod breaks;
mod copies;
mod fleet;
mod hostile;
mod page;

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
use coco_harness::coco::{Coco, TYPES_DB};
use coco_harness::directory::Directory;
use coco_harness::engine::{Answer, Labels, Prometheus, Request, Scripted, Stored, VictoriaMetrics};
use coco_harness::sink::Sink;
use coco_harness::traffic;

const TAKEN: Answer = Answer::Say(204, "", "");

/// A configuration with a tier of engines, and further lines of it.
fn config(url: &str, lines: &str) -> String {
    format!(
        "listen = {{ bind = \"127.0.0.1:0\", typesdb = \"{TYPES_DB}\" }}\napi.bind = \"127.0.0.1:0\"\n\
         [tiers.engines]\nkind = \"remote_write\"\nurls = [{url:?}]\nbatch_delay = \"100ms\"\n{lines}\n"
    )
}

/// A tier of one node beside that of the engine.
fn nodes(sink: &Sink) -> String {
    format!("[tiers.nodes]\ntargets = [\"{}\"]\n", sink.address)
}

/// The node has them all, whatever the engine does.
fn node_has(coco: &mut Coco, sink: &Sink, sent: usize) {
    coco.process.wait_for("the other tier to have all", |_| (sink.count() == sent as u64).then_some(()));
}

fn now() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970")
}

/// A time of so many milliseconds since the epoch.
fn time(milliseconds: u64) -> Time {
    Time::HighResolution(((u128::from(milliseconds) << 30) / 1000 + 1) as u64)
}

fn list(host: &str, names: [&str; 4], milliseconds: u64, values: &[Value]) -> ValueList {
    let [plugin, plugin_instance, type_name, type_instance] = names;
    let identifier = Identifier {
        host: host.into(),
        plugin: plugin.into(),
        plugin_instance: plugin_instance.into(),
        type_name: type_name.into(),
        type_instance: type_instance.into(),
    };
    ValueList::new(identifier, time(milliseconds), Interval::HighResolution(10 << 30), values)
}

/// So many value lists of one value each, all of one moment and of series of their own.
fn lists(count: u32, milliseconds: u64) -> Vec<ValueList> {
    let one = |number: u32| {
        let instance = format!("{number:05}");
        list("web1", ["plugin", &instance, "gauge", ""], milliseconds, &[Value::Gauge(f64::from(number))])
    };
    (0..count).map(one).collect()
}

/// Sends in portions that no receive buffer is too small for.
fn send(coco: &mut Coco, lists: &[ValueList]) {
    let sender = traffic::sender(coco.listen);
    let before = coco.counters().count(&["listen", "decoded"]);
    for (portion, number) in lists.chunks(500).zip(1..) {
        traffic::send(&sender, portion);
        let sent = before + (number * 500).min(lists.len()) as u64;
        let api = coco.api;
        coco.process.wait_for("value lists to be decoded", |_| {
            let vars = coco_harness::curl::json(&format!("http://{api}/debug/vars"));
            (vars["coco"]["listen"]["decoded"].as_u64()? >= sent).then_some(())
        });
    }
}

/// Waits until nothing waits for an engine and as many samples as that were queued, and holds the books against each
/// other. The samples delivered, and those dropped by reason.
fn settled(coco: &mut Coco, url: &str, samples: u64) -> (u64, BTreeMap<String, u64>) {
    let api = coco.api;
    let vars = coco.process.wait_for("samples to be done with", |_| {
        let vars = coco_harness::curl::json(&format!("http://{api}/debug/vars"))["coco"].take();
        let count = |name: &str| vars[name][url].as_u64();
        let is_done = count("remote_write.samples")? == samples && count("remote_write.waiting")? == 0;
        is_done.then_some(vars)
    });
    let count = |name: &str| vars[name][url].as_u64().expect("a counter");
    let by_reason = |name: &str| -> BTreeMap<String, u64> {
        let reasons = vars[name][url].as_object().expect("reasons").iter();
        let counted = reasons.map(|(reason, count)| (reason.clone(), count.as_u64().expect("a count")));
        counted.filter(|(_, count)| *count > 0).collect()
    };
    let (dropped, lists) = (by_reason("remote_write.dropped"), by_reason("remote_write.value_lists_dropped"));
    assert_eq!(count("remote_write.delivered") + dropped.values().sum::<u64>(), samples);
    let accepted = vars["filter"]["accepted"].as_u64().expect("a counter");
    assert_eq!(count("remote_write.value_lists") + lists.values().sum::<u64>(), accepted);
    (count("remote_write.delivered"), dropped)
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// What two hosts send at two moments, and what is to be known of it.
fn of_two_hosts(start: u64) -> (Vec<ValueList>, Stored) {
    let (mut lists, mut expected) = (Vec::new(), Stored::new());
    for (place, host) in ["web1.example.org", "web2"].into_iter().enumerate() {
        for moment in 0..2 {
            let milliseconds = start + moment * 10_000 + 123 + place as u64;
            let mut add = |names, values: &[Value], series: &[(&[(&str, &str)], f64)]| {
                lists.push(list(host, names, milliseconds, values));
                for (pairs, value) in series {
                    let all = [pairs, &[("instance", host)][..]].concat();
                    expected.entry(labels(&all)).or_default().push((milliseconds as i64, *value));
                }
            };
            let large = 12_345_678_901_234_567 + moment as i64 * 2;
            add(
                ["cpu", "0", "cpu", "user"],
                &[Value::Derive(large)],
                &[(&[("__name__", "collectd_cpu_total"), ("cpu", "0"), ("type", "user")], large as f64)],
            );
            let level = 0.1 + moment as f64;
            add(
                ["load", "", "load", ""],
                &[Value::Gauge(level), Value::Gauge(-level / 3.0), Value::Gauge(level * 1e9)],
                &[
                    (&[("__name__", "collectd_load_shortterm")], level),
                    (&[("__name__", "collectd_load_midterm")], -level / 3.0),
                    (&[("__name__", "collectd_load_longterm")], level * 1e9),
                ],
            );
            add(
                ["9odd-name", "a\u{e9}b", "counter", ""],
                &[Value::Counter(u64::MAX)],
                &[(
                    &[("__name__", "collectd_9odd_name_counter_total"), ("_9odd_name", "a\u{e9}b")],
                    u64::MAX as f64,
                )],
            );
            add(
                ["plugin", "", "gauge", "of/a/path"],
                &[Value::Gauge(1.5)],
                &[(&[("__name__", "collectd_plugin_gauge"), ("plugin", "of_a_path")], 1.5)],
            );
        }
    }
    (lists, expected)
}

#[test]
fn real_engines_have_what_agents_sent_by_name_labels_time_and_value() {
    let (prometheus, victoria) = (Prometheus::start(), VictoriaMetrics::start());
    let sink = Sink::start();
    let (url, other) = (prometheus.url(), victoria.url());
    let more = format!(
        "[tiers.other]\nkind = \"remote_write\"\nurls = [{other:?}]\nbatch_delay = \"100ms\"\n\
         {}",
        nodes(&sink)
    );
    let mut coco = Coco::start(&config(&url, &more));
    let (mut lists, expected) = of_two_hosts(now().as_millis() as u64 - 60_000);
    // An agent whose clock is two days ahead, and a type that nobody knows.
    let ahead = now().as_millis() as u64 + 2 * 86_400_000;
    lists.insert(0, list("future", ["load", "", "gauge", ""], ahead, &[Value::Gauge(1.0)]));
    lists.push(list("web2", ["load", "", "nobody_knows", ""], ahead, &[Value::Gauge(1.0)]));
    send(&mut coco, &lists);

    let samples = 1 + expected.values().map(Vec::len).sum::<usize>() as u64;
    for url in [&url, &other] {
        let (delivered, dropped) = settled(&mut coco, url, samples);
        assert_eq!((delivered, dropped), (samples - 1, BTreeMap::from([("future".to_owned(), 1)])));
    }
    assert_eq!(prometheus.stored("collectd_.+"), expected);
    let stored = coco.process.wait_for("what was taken to be stored", |_| {
        let stored = victoria.stored("collectd_.+");
        (stored.values().map(Vec::len).sum::<usize>() as u64 == samples - 1).then_some(stored)
    });
    assert!(stored.keys().eq(expected.keys()));
    for (series, values) in &expected {
        for ((time, value), (stored_time, stored)) in values.iter().zip(&stored[series]) {
            assert!(time == stored_time && (value - stored).abs() <= value.abs() * 1e-11, "{series:?}");
        }
    }
    node_has(&mut coco, &sink, lists.len());
    assert!(coco.stop().success());
}

#[test]
fn what_waits_for_an_engine_that_was_away_arrives_in_order_when_it_is_back() {
    let mut prometheus = Prometheus::start();
    let url = prometheus.url();
    let sink = Sink::start();
    let mut coco = Coco::start(&config(&url, &format!("batch_samples = 50\n{}", nodes(&sink))));
    let start = now().as_millis() as u64 - 600_000;
    send(&mut coco, &lists(100, start));
    assert_eq!(settled(&mut coco, &url, 100), (100, BTreeMap::new()));
    assert!(prometheus.process.stop().success());
    for moment in 1..=10 {
        send(&mut coco, &lists(100, start + moment * 10_000));
    }
    let state = |coco: &Coco| coco.json("/tiers")[0]["connections"][&url].clone();
    let api = coco.api;
    coco.process.wait_for("it to be down, and all to wait", |_| {
        let tiers = coco_harness::curl::json(&format!("http://{api}/tiers"));
        let engine = &tiers[0]["connections"][&url];
        (engine["state"] == "down" && engine["waiting"] == 1000).then_some(())
    });
    assert_eq!(state(&coco)["problem"], "does not answer");
    node_has(&mut coco, &sink, 1100);
    prometheus.start_again();
    assert_eq!(settled(&mut coco, &url, 1100), (1100, BTreeMap::new()));
    let stored = prometheus.stored("collectd_plugin_gauge");
    assert_eq!(stored.len(), 100);
    let times: Vec<i64> = (0..=10).map(|moment| (start + moment * 10_000) as i64).collect();
    for values in stored.values() {
        assert_eq!(values.iter().map(|(time, _)| *time).collect::<Vec<_>>(), times);
    }
    assert_eq!(state(&coco)["state"], "up");
    assert!(coco.stop().success());
}

fn has(request: &Request, instance: &str) -> bool {
    let is_it = |label: &remote_write::message::Label| label.name == "plugin" && label.value == instance;
    request.write.timeseries.iter().any(|series| series.labels.iter().any(is_it))
}

#[test]
fn one_refused_sample_of_two_thousand_costs_itself_alone() {
    let bad = |request: &Request, _: usize| {
        if has(request, "01234") { Answer::Say(400, "", "duplicate sample for timestamp\n") } else { TAKEN }
    };
    let (engine, sink) = (Scripted::start(bad), Sink::start());
    let lines = format!("batch_delay = \"10s\"\n{}", nodes(&sink));
    let mut coco = Coco::start(&config(&engine.url(), &lines).replacen("batch_delay = \"100ms\"\n", "", 1));
    send(&mut coco, &lists(2000, now().as_millis() as u64));
    node_has(&mut coco, &sink, 2000);
    let dropped = BTreeMap::from([("refused_duplicate".to_owned(), 1)]);
    assert_eq!(settled(&mut coco, &engine.url(), 2000), (1999, dropped));
    assert_eq!(engine.samples(), 1999);
    let head = &engine.taken()[0].head;
    for line in [
        "content-type: application/x-protobuf\r\n",
        "content-encoding: snappy\r\n",
        "x-prometheus-remote-write-version: 0.1.0\r\n",
    ] {
        assert!(head.contains(line), "{head}");
    }
    assert!(coco.stop().success());
}

#[test]
fn failures_cost_nothing_but_what_fails_for_ever() {
    let script = |request: &Request, number: usize| match number {
        0 => Answer::Say(429, "Retry-After: 1\r\n", "slow down"),
        1 => Answer::Close,
        2 => Answer::Say(503, "", "starting"),
        _ if has(request, "00000") => Answer::Say(500, "", "label name is not unique"),
        _ => TAKEN,
    };
    let (engine, sink) = (Scripted::start(script), Sink::start());
    let mut coco = Coco::start(&config(&engine.url(), &nodes(&sink)));
    send(&mut coco, &lists(8, now().as_millis() as u64));
    node_has(&mut coco, &sink, 8);
    let dropped = BTreeMap::from([("other".to_owned(), 1)]);
    assert_eq!(settled(&mut coco, &engine.url(), 8), (7, dropped));
    assert_eq!(engine.samples(), 7);
    assert!(coco.stop().success());
}

#[test]
fn samples_are_kept_while_an_engine_does_not_know_us_and_go_on_with_another_token() {
    let script = |request: &Request, _: usize| match request.head.contains("authorization: bearer right\r\n")
    {
        true => TAKEN,
        false => Answer::Say(401, "", "who are you?"),
    };
    let (engine, sink) = (Scripted::start(script), Sink::start());
    let directory = Directory::new("token");
    let token = directory.write("token", "wrong\n");
    let config = config(&engine.url(), &format!("bearer_token_file = {token:?}\n{}", nodes(&sink)));
    let mut coco = Coco::start(&config);
    send(&mut coco, &lists(100, now().as_millis() as u64));
    let (api, url) = (coco.api, engine.url());
    coco.process.wait_for("it to be refused", |_| {
        let tiers = coco_harness::curl::json(&format!("http://{api}/tiers"));
        (tiers[0]["connections"][&url]["blocked"] == true).then_some(())
    });
    node_has(&mut coco, &sink, 100);
    assert_eq!(engine.samples(), 0);
    directory.write("token", "right\n");
    let _ = coco.reload(&config);
    assert_eq!(settled(&mut coco, &url, 100), (100, BTreeMap::new()));
    assert_eq!(engine.samples(), 100);
    assert!(coco.stop().success());
}

#[test]
fn a_stop_sends_what_waits_or_says_what_is_lost() {
    let engine = Scripted::start(|_, _| TAKEN);
    let slow = |url: &str| config(url, "batch_delay = \"1h\"").replacen("batch_delay = \"100ms\"\n", "", 1);
    let mut coco = Coco::start(&slow(&engine.url()));
    send(&mut coco, &lists(10, now().as_millis() as u64));
    assert!(coco.stop().success());
    assert_eq!(engine.samples(), 10);

    let nobody = Scripted::start(|_, _| Answer::Close);
    let mut coco = Coco::start(&format!("stop.grace = \"1s\"\n{}", slow(&nobody.url())));
    send(&mut coco, &lists(10, now().as_millis() as u64));
    let status = coco.process.stop();
    assert_eq!(status.code(), Some(1));
    let log = [coco.process.stdout(), coco.process.stderr()].concat();
    assert!(log.contains("stopped with 10 samples still waiting"), "{log}");
}
