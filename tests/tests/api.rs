//! What Coco answers by HTTP.

use std::collections::BTreeMap;

use coco_tests::coco::{Coco, Config};
use coco_tests::sink::Sink;
use coco_tests::traffic;
use serde_json::{Map, Value};

const TIERS: [&str; 2] = ["shortterm", "midterm"];

/// A Coco with two tiers of two targets that has refused and sent something, and the targets.
fn busy_coco() -> (Coco, [Sink; 4]) {
    let sinks = [(); 4].map(|()| Sink::start());
    let targets = sinks.each_ref().map(|sink| sink.address);
    // A target of both tiers, so that its counters add up.
    let config = Config::new(&[(TIERS[0], &targets[..2]), (TIERS[1], &targets[1..])]).blacklist("^refused/");
    let mut coco = Coco::start(&config.text());
    let hosts = (0..20).map(|number| format!("host-{number}")).chain(["refused".to_owned()]);
    let lists: Vec<_> = hosts.map(|host| traffic::value_list(&host, 0)).collect();
    let sender = traffic::sender(coco.listen);
    for datagram in traffic::datagrams(1452, &lists) {
        sender.send(&datagram).expect("coco listens");
    }
    sender.send(b"garbage").expect("coco listens");
    let counters = coco.settled(lists.len() as u64);
    assert_eq!(counters.count(&["filter", "rejected"]), 1);
    (coco, sinks)
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().unwrap_or_else(|| panic!("no object: {value}"))
}

#[test]
fn errors_are_json_with_an_honest_status() {
    let (coco, _sinks) = busy_coco();
    for (path, status) in
        [("/lookup", 400), ("/lookup?name=", 400), ("/nothing", 404), ("/tiers/nothing", 404)]
    {
        let response = coco.get(path);
        assert_eq!(response.status, status, "GET {path}: {}", response.body);
        assert!(
            response.content_type.starts_with("application/json"),
            "GET {path}: {}",
            response.content_type
        );
        assert!(response.json()["error"].as_str().is_some_and(|error| !error.is_empty()), "GET {path}");
    }
    assert!(coco.stop().success());
}

#[test]
fn the_root_lists_the_routes_and_every_one_answers() {
    let (coco, _sinks) = busy_coco();
    let list = coco.get("/");
    assert_eq!(list.status, 200);
    for path in ["/tiers", "/blacklisted", "/debug/vars", "/metrics", "/healthz", "/lookup?name=host"] {
        let route = path.split('?').next().expect("a path");
        assert!(list.body.contains(route), "no {route} in {}", list.body);
        assert_eq!(coco.get(path).status, 200, "GET {path}");
    }
    assert!(coco.stop().success());
}

#[test]
fn tiers_lookup_and_blacklisted_have_the_shapes_that_operators_know() {
    let (coco, sinks) = busy_coco();
    let all = coco.json("/tiers");
    let tiers = all.as_array().expect("an array");
    assert_eq!(tiers.iter().map(|tier| tier["name"].as_str()).collect::<Vec<_>>(), TIERS.map(Some));
    for (tier, sinks) in tiers.iter().zip([&sinks[..2], &sinks[1..]]) {
        let targets: Vec<_> = sinks.iter().map(|sink| sink.address.to_string()).collect();
        assert_eq!(tier["targets"], Value::from(targets.clone()));
        for (index, target) in targets.iter().enumerate() {
            let label = char::from(u8::try_from(index).expect("few targets")).to_string();
            assert_eq!(tier["shadows"][&label], Value::from(target.as_str()));
            assert!(tier["connections"][target]["state"].is_string(), "{tier}");
        }
        assert!(tier["virtual_replicas"].as_u64().is_some_and(|replicas| replicas > 0));
        assert!(tier["fingerprint"].is_string() && tier["hash"].is_string(), "{tier}");
        for host in (0..20).map(|number| format!("host-{number}")) {
            let owner = coco.owner(&host, tier["name"].as_str().expect("a name"));
            let seen = tier["routes"][&owner][&host]["plugin/derive/sequence"].as_u64();
            assert!(seen.is_some_and(|seconds| seconds > 1_700_000_000), "{host} in {tier}");
        }
    }
    let blacklisted = coco.json("/blacklisted");
    assert_eq!(object(&blacklisted).keys().collect::<Vec<_>>(), ["refused"]);
    assert!(blacklisted["refused"]["plugin/derive/sequence"].is_u64(), "{blacklisted}");
    assert_eq!(object(&coco.json("/lookup?name=foo")).keys().collect::<Vec<_>>().len(), 2);
    assert_eq!(coco.counters().count(&["lookup", TIERS[0]]), 41);
    assert!(coco.stop().success());
}

#[test]
fn every_counter_is_there_from_the_start_with_0() {
    let sink = Sink::start();
    let target = sink.address.to_string();
    let coco = Coco::start(&Config::new(&[(TIERS[0], &[&target])]).text());
    let response = coco.get("/debug/vars");
    assert_eq!(response.content_type, "application/json; charset=utf-8");
    let vars = response.json();
    assert!(vars["cmdline"].is_array() && vars["noodle"].is_object(), "{vars}");
    let counters = coco.counters();
    let ways: [&[&str]; 19] = [
        &["listen", "raw"],
        &["listen", "decoded"],
        &["filter", "accepted"],
        &["filter", "rejected"],
        &["send", &target],
        &["send", "total"],
        &["queues", "raw"],
        &["queues", "filtered"],
        &["lookup", TIERS[0]],
        &["hash.hosts", &target],
        &["hash.metrics", &target],
        &["hash.metrics_per_host", TIERS[0], &target, "length"],
        &["hash.metrics_per_host", TIERS[0], "total", "length"],
        &["errors", "fetch.receive"],
        &["errors", "filter.unhandled"],
        &["errors", "lookup.hash.get"],
        &["errors", "send.dial"],
        &["errors", "send.write"],
        &["errors", "send.disconnected"],
    ];
    for way in ways {
        assert_eq!(counters.count(way), 0, "{way:?}");
    }
    for figure in ["avg", "min", "max", "95e", "sum"] {
        let value = &counters.0["hash.metrics_per_host"][TIERS[0]][&target][figure];
        assert_eq!(value.as_f64(), Some(0.0), "{figure}");
    }
    assert!(coco.stop().success());
}

#[test]
fn metrics_and_debug_vars_say_the_same() {
    let (coco, sinks) = busy_coco();
    let text = coco.get("/metrics");
    assert!(text.content_type.starts_with("text/plain"), "{}", text.content_type);
    let metrics = metrics(&text.body);
    let counters = coco.counters();
    for group in ["listen", "filter", "errors"] {
        for (name, value) in object(&counters.0[group]) {
            let metric = format!("coco_{group}_{name}_total").replace('.', "_");
            let sum: f64 =
                metrics.iter().filter(|(key, _)| name_of(key) == metric).map(|(_, value)| value).sum();
            assert!(metrics.keys().any(|key| name_of(key) == metric), "no {metric} in {}", text.body);
            assert_eq!(sum, total(value), "{metric}");
        }
    }
    for sink in &sinks {
        let label = format!("target=\"{}\"", sink.address);
        let of_target = |key: &str| name_of(key) == "coco_send_total" && key.contains(&label);
        let sent: f64 = metrics.iter().filter(|(key, _)| of_target(key)).map(|(_, value)| value).sum();
        assert_eq!(sent, counters.count(&["send", &sink.address.to_string()]) as f64, "{label}");
    }
    for tier in TIERS {
        let of_tier =
            |key: &str| name_of(key) == "coco_send_total" && key.contains(&format!("tier=\"{tier}\""));
        let sent: f64 = metrics.iter().filter(|(key, _)| of_tier(key)).map(|(_, value)| value).sum();
        assert_eq!(sent, counters.count(&["filter", "accepted"]) as f64, "{tier}");
    }
    assert!(coco.stop().success());
}

/// A counter, or all counters by reason of an object.
fn total(value: &Value) -> f64 {
    match value {
        Value::Object(by_reason) => by_reason.values().map(total).sum(),
        _ => value.as_f64().unwrap_or_else(|| panic!("no number: {value}")),
    }
}

/// The samples of a Prometheus text, by name with labels.
fn metrics(text: &str) -> BTreeMap<&str, f64> {
    let mut metrics = BTreeMap::new();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (key, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no sample: {line}"));
        let name = name_of(key);
        assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'), "{line}");
        let value = value.parse().unwrap_or_else(|error| panic!("{error}: {line}"));
        assert_eq!(metrics.insert(key, value), None, "twice: {line}");
        let described = [format!("# TYPE {name} "), format!("# TYPE {} ", base_of(name))];
        assert!(described.iter().any(|line| text.contains(line)), "no TYPE for {name}");
    }
    metrics
}

fn name_of(key: &str) -> &str {
    key.split('{').next().unwrap_or(key)
}

/// The metric that a sample of a histogram or summary belongs to.
fn base_of(name: &str) -> &str {
    ["_bucket", "_count", "_sum"].iter().find_map(|suffix| name.strip_suffix(suffix)).unwrap_or(name)
}

#[test]
fn healthz_says_ok_and_who_routes_alike() {
    let (coco, sinks) = busy_coco();
    let same: Vec<_> = sinks.iter().map(|sink| sink.address).collect();
    let health = coco.json("/healthz");
    assert!(health["fingerprint"].is_string(), "{health}");

    let twin = Coco::start(&Config::new(&[(TIERS[0], &same[..2]), (TIERS[1], &same[1..])]).text());
    assert_eq!(twin.json("/healthz")["fingerprint"], health["fingerprint"]);
    let other = Coco::start(&Config::new(&[(TIERS[0], &same[..2])]).text());
    assert_ne!(other.json("/healthz")["fingerprint"], health["fingerprint"]);
}
