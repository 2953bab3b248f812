//! collectd reads the counters of Coco and Noodle with the configurations that we ship.

use std::collections::{BTreeMap, BTreeSet};

use coco_tests::coco::{Coco, Config};
use coco_tests::collectd::{Collectd, replaced, sample};
use coco_tests::csv::Series;
use coco_tests::directory::Directory;
use coco_tests::noodle::Noodle;
use coco_tests::rrd;
use coco_tests::sink::Sink;
use coco_tests::traffic;
use coco_tests::visage::Visage;
use coco_tests::wait::{PATIENCE, wait_until};
use serde_json::Value;

const HOST: &str = "coco.example.org";

#[test]
fn every_key_of_the_sample_becomes_a_series() {
    let sinks = [(); 2].map(|()| Sink::start());
    let targets = sinks.each_ref().map(|sink| sink.address);
    let mut coco = Coco::start(&Config::new(&[("shortterm", &targets)]).blacklist("^refused").text());
    let traffic = traffic_of_every_kind(&mut coco);

    let text = replaced(&sample("coco.conf"), &[("http://localhost:9090", &format!("http://{}", coco.api))]);
    let watcher = Collectd::start(HOST, &text);
    let expected = expected_series(&text, &coco.json("/debug/vars"));
    wait_until(PATIENCE, "two rows of every key", || {
        let rows = watcher.rows();
        rows.get(HOST).is_some_and(|rows| {
            expected.keys().all(|name| rows.get(&series(name)).is_some_and(|rows| rows.len() >= 2))
        })
    });

    let rows = watcher.stop().remove(HOST).expect("its own host");
    let watched = rows.iter().filter(|(name, _)| name.starts_with("curl_json-coco/"));
    assert_eq!(
        watched.map(|(name, _)| name.clone()).collect::<Vec<_>>(),
        expected.keys().map(|name| series(name)).collect::<Vec<_>>()
    );
    for (name, key) in &expected {
        let value = last(&rows, name);
        assert!(
            value.is_some_and(f64::is_finite),
            "{name}, from key {key}, has no number: {:?}",
            rows[&series(name)]
        );
    }

    // The names that checks and dashboards ask for, and that they carry what Coco counted.
    let counters = coco.counters();
    for target in targets {
        let sent = counters.count(&["send", &target.to_string()]);
        assert_eq!(last(&rows, &format!("operations-send-{target}")), Some(sent as f64));
    }
    for name in ["operations-errors-send-write", "operations-errors-send-dial"] {
        assert_eq!(last(&rows, name), Some(0.0));
    }
    assert_eq!(last(&rows, "operations-errors-listen-receive"), Some(1.0));
    assert_eq!(last(&rows, "operations-listen-decoded"), Some(traffic as f64));
    assert_eq!(last(&rows, "objects-lookup-shortterm"), Some(1.0));
    assert!(coco.stop().success());
}

/// Value lists that are accepted and refused, a datagram of garbage, a look-up; returns the number of value lists.
fn traffic_of_every_kind(coco: &mut Coco) -> u64 {
    let lists: Vec<_> = ["one", "two", "three", "four", "refused"]
        .iter()
        .flat_map(|host| (0..20).map(move |place| traffic::value_list(host, place)))
        .collect();
    let sender = traffic::sender(coco.listen);
    sender.send(b"garbage").expect("coco listens");
    for datagram in traffic::datagrams(1452, &lists) {
        sender.send(&datagram).expect("coco listens");
    }
    let counters = coco.settled(lists.len() as u64);
    assert_eq!(counters.count(&["filter", "rejected"]), 20);
    let _ = coco.owner("one", "shortterm");
    lists.len() as u64
}

/// The series that the keys of the configuration make of these counters, each with its key.
///
/// # Panics
/// When a key leads to nothing, or when no key leads to a counter.
fn expected_series(config: &str, vars: &Value) -> BTreeMap<String, String> {
    let mut by_way = BTreeMap::new();
    let mut blocks: Vec<_> = config.split("<Key \"").skip(1).collect();
    // A key that is spelled out wins over a wildcard, so it comes last.
    blocks.sort_by_key(|block| !block.split('"').next().unwrap_or_default().contains('*'));
    for block in blocks {
        let (key, block) = block.split_once('"').expect("a quoted key");
        let (options, _) = block.split_once("</Key>").expect("the end of the key");
        let option = |name: &str| {
            let mut lines = options.lines();
            let value = lines.find_map(|line| line.trim().strip_prefix(name))?;
            Some(value.trim().trim_matches('"').to_owned())
        };
        let type_name = option("Type ").expect("a type");
        let steps: Vec<_> = key.split('/').collect();
        let matches = |way: &Vec<String>| {
            way.len() == steps.len()
                && way.iter().zip(&steps).all(|(name, step)| *step == "*" || step == name)
        };
        let ways: Vec<_> = ways(vars).into_iter().filter(matches).collect();
        assert!(!ways.is_empty(), "key {key} leads to nothing in {vars}");
        for way in ways {
            let instance = option("Instance ").unwrap_or_else(|| way[1..].join("-"));
            by_way.insert(way, (format!("{type_name}-{instance}"), key.to_owned()));
        }
    }
    let counters = ways(vars).into_iter().filter(|way| way[0] == "coco");
    assert_eq!(
        by_way.keys().cloned().collect::<BTreeSet<_>>(),
        counters.collect(),
        "ways of keys and of counters"
    );
    by_way.into_values().collect()
}

/// The ways to all numbers in a document.
fn ways(value: &Value) -> Vec<Vec<String>> {
    match value {
        Value::Number(_) => vec![Vec::new()],
        Value::Object(fields) => {
            let below = |(name, value): (&String, &Value)| {
                let longer = |way| [vec![name.clone()], way].concat();
                ways(value).into_iter().map(longer).collect::<Vec<_>>()
            };
            fields.iter().flat_map(below).collect()
        }
        _ => Vec::new(),
    }
}

fn series(name: &str) -> String {
    format!("curl_json-coco/{name}")
}

/// The value in the last row of a series.
fn last(rows: &Series, name: &str) -> Option<f64> {
    rows.get(&series(name))?.last()?.split(',').nth(1)?.parse().ok()
}
