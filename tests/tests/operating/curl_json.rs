//! collectd reads the counters of Coco and Noodle with the configurations that we ship.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use coco_harness::coco::{Coco, Config};
use coco_harness::collectd::{Collectd, sample};
use coco_harness::csv::Series;
use coco_harness::curl;
use coco_harness::directory::Directory;
use coco_harness::engine::{Answer, Scripted};
use coco_harness::noodle::Noodle;
use coco_harness::rrd;
use coco_harness::sink::Sink;
use coco_harness::text::replaced;
use coco_harness::traffic;
use coco_harness::visage::Visage;
use coco_harness::wait::{PATIENCE, wait_until};
use serde_json::Value;

const HOST: &str = "coco.example.org";

#[test]
fn every_key_of_the_sample_becomes_a_series() {
    let sinks = [(); 2].map(|()| Sink::start());
    let targets = sinks.each_ref().map(|sink| sink.address);
    let engine = Scripted::start(|_, _| Answer::Say(204, "", ""));
    let tiers = Config::new(&[("shortterm", &targets)]).blacklist("^refused").text();
    let engines = format!(
        "[tiers.engines]\nkind = \"remote_write\"\nurls = [{:?}]\nbatch_delay = \"100ms\"\n",
        engine.url()
    );
    let mut coco = Coco::start(&(tiers + &engines));
    let traffic = traffic_of_every_kind(&mut coco);

    let text = replaced(&sample("coco.conf"), &[("http://localhost:9090", &format!("http://{}", coco.api))]);
    let watcher = Collectd::start(HOST, &text);
    let expected = expected_series("coco", &text, &coco.json("/debug/vars"));
    let rows = rows_of_every_key("coco", watcher, &expected);

    // The names that checks and dashboards ask for, and that they carry what Coco counted.
    let counters = coco.counters();
    for target in targets {
        let sent = counters.count(&["send", &target.to_string()]);
        assert_eq!(last(&rows, "coco", &format!("operations-send-{target}")), Some(sent as f64));
    }
    for name in ["operations-errors-send-write", "operations-errors-send-dial"] {
        assert_eq!(last(&rows, "coco", name), Some(0.0));
    }
    assert_eq!(last(&rows, "coco", "operations-errors-listen-receive"), Some(1.0));
    assert_eq!(last(&rows, "coco", "operations-listen-decoded"), Some(traffic as f64));
    assert_eq!(last(&rows, "coco", "objects-lookup-shortterm"), Some(1.0));
    assert!(coco.stop().success());
}

/// Beside Coco's sample, since both daemons may run on one host.
#[test]
fn every_key_of_noodles_sample_becomes_a_series() {
    let directory = Directory::new("rrd");
    rrd::create(&directory.path().join("web1/load/load.rrd"), 1_700_000_000, &[1.5, 2.5]);
    let visage = Visage::start(directory.path());
    let [target, gone] = ["127.0.0.1:25827", "127.0.0.1:25828"];
    let nobody = Visage::start(directory.path()).url();
    let config = Config::new(&[("shortterm", &[gone]), ("midterm", &[target])]);
    let noodle = Noodle::start(&config.fetch(target, &visage.url()).fetch(gone, &nobody).text());

    let path = "/data/web1/load?start=1699999998&finish=1700000000";
    let body = noodle.get(path).body;
    let from_node = curl::get(&format!("{}{path}", visage.url())).body;
    assert!(body.starts_with(from_node.trim_end_matches('}')), "{body}");
    assert_eq!(noodle.get("/data/web1,web2").status, 200);
    assert_eq!(noodle.get("/data/web1%2Fweb2/load").status, 400);

    let text =
        replaced(&sample("noodle.conf"), &[("http://localhost:9080", &format!("http://{}", noodle.address))]);
    let coco = Coco::start(&Config::new(&[("shortterm", &[target])]).text());
    let of_coco =
        replaced(&sample("coco.conf"), &[("http://localhost:9090", &format!("http://{}", coco.api))]);
    let watcher = Collectd::start(HOST, &(of_coco + &text));
    let expected = expected_series("noodle", &text, &noodle.json("/debug/vars"));
    let rows = rows_of_every_key("noodle", watcher, &expected);

    // The names of files in the field, and that they carry what Noodle counted.
    let last =
        |name: &str| last(&rows, "noodle", name).unwrap_or_else(|| panic!("no {name} in {:?}", rows.keys()));
    assert_eq!(last("operations-fetch.target.response.codes-200"), 2.0);
    assert_eq!(last("operations-fetch.target.response.codes-400"), 1.0);
    assert_eq!(last("operations-fetch.tier.requests-shortterm"), 0.0);
    assert_eq!(last("operations-fetch.tier.requests-midterm"), 2.0);
    // The dead node is asked once for a list of hosts.
    let requests =
        [gone, target, "total"].map(|target| last(&format!("operations-fetch.target.requests-{target}")));
    assert_eq!(requests[0] + requests[1], requests[2]);
    assert_eq!(last("operations-http-get"), requests[0]);
    assert_eq!(last("operations-con-get"), 1.0);
    assert!(last("total_bytes-bytes-proxied") > from_node.len() as f64);
    // Whether the dead node has something of web2, nobody knows.
    assert_eq!(last("operations-fetch-partial"), 1.0);
    for name in ["ioutil-readall", "json-unmarshal", "json-marshal", "configuration-reloads", "errors-reload"]
    {
        assert_eq!(last(&format!("operations-{name}")), 0.0, "{name}");
    }
    assert!(noodle.stop().success());
    assert!(coco.stop().success());
}

/// The rows that a watcher has written, once there are two of each of these series, and a number in each.
///
/// # Panics
/// When there are series of the instance that are not among these.
fn rows_of_every_key(instance: &str, watcher: Collectd, expected: &BTreeMap<String, String>) -> Series {
    let rows = |name: &str, of_host: &Series| of_host.get(&series(instance, name)).map(Vec::len);
    wait_until(PATIENCE, "two rows of every key", || {
        let written = watcher.rows();
        written.get(HOST).is_some_and(|written| {
            expected.keys().all(|name| rows(name, written).is_some_and(|rows| rows >= 2))
        })
    });
    let rows = watcher.stop().remove(HOST).expect("its own host");
    let watched = rows.keys().filter(|name| name.starts_with(&series(instance, ""))).cloned();
    let names = expected.keys().map(|name| series(instance, name));
    assert_eq!(watched.collect::<Vec<_>>(), names.collect::<Vec<_>>());
    for (name, key) in expected {
        let value = last(&rows, instance, name);
        assert!(value.is_some_and(f64::is_finite), "{name}, from key {key}, has no number");
    }
    rows
}

/// Value lists that are accepted and refused, a datagram of garbage, a look-up; returns the number of value lists.
fn traffic_of_every_kind(coco: &mut Coco) -> u64 {
    let lists: Vec<_> = ["one", "two", "three", "four", "refused"]
        .iter()
        .flat_map(|host| (0..20).map(move |place| traffic::value_list(host, place)))
        .collect();
    let sender = traffic::sender(coco.listen);
    sender.send(b"garbage").expect("coco listens");
    traffic::send(&sender, &lists);
    let counters = coco.settled(lists.len() as u64);
    assert_eq!(counters.count(&["filter", "rejected"]), 20);
    let _ = coco.owner("one", "shortterm");
    lists.len() as u64
}

/// The series that the keys of the configuration make of the counters of `program`, each with its key.
///
/// # Panics
/// When a key leads to nothing, or to a counter leads no key.
fn expected_series(program: &str, config: &str, vars: &Value) -> BTreeMap<String, String> {
    let mut by_way = BTreeMap::new();
    let mut blocks: Vec<_> = config.split("<Key \"").skip(1).collect();
    // A step that is spelled out wins over a wildcard, so keys with fewer wildcards come last.
    let wildcards = |block: &&str| block.split('"').next().unwrap_or_default().matches('*').count();
    blocks.sort_by_key(|block| Reverse(wildcards(block)));
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
        assert_eq!(steps[0], program, "key {key}");
        for way in ways {
            let instance = option("Instance ").unwrap_or_else(|| way[1..].join("-").replace('/', "_"));
            by_way.insert(way, (format!("{type_name}-{instance}"), key.to_owned()));
        }
    }
    let mut unwatched = ways(&vars[program]);
    unwatched.retain(|way| !by_way.contains_key(&[&[program.to_owned()], &way[..]].concat()));
    assert!(unwatched.is_empty(), "no key leads to {unwatched:?}");
    let series: BTreeMap<_, _> = by_way.into_values().collect();
    for name in series.keys() {
        // Visage parts names at hyphens, and its graphs fail for two parts.
        assert!(name.split('-').count() >= 3, "{name} is not TYPE-X-Y");
    }
    series
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

fn series(instance: &str, name: &str) -> String {
    format!("curl_json-{instance}/{name}")
}

/// The value in the last row of a series.
fn last(rows: &Series, instance: &str, name: &str) -> Option<f64> {
    rows.get(&series(instance, name))?.last()?.split(',').nth(1)?.parse().ok()
}
