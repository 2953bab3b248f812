use std::collections::BTreeMap;
use std::num::NonZero;

use coco::counters::definitions;
use coco_daemon::counters::{Definition, Kind, View};
use coco_harness::sink::Sink;
use coco_harness::traffic::{send, sender};
use coco_harness::wait::{PATIENCE, wait_for};
use regex::bytes::Regex;
use serde_json::{Value, json};

use crate::agents::value_list;
use crate::running::{Running, config, number};

fn keys(object: &Value) -> Vec<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn every_name_is_there_from_the_start() {
    let nodes: Vec<_> = (0..3).map(|_| Sink::start()).collect();
    let [a, b, c] = [0, 1, 2].map(|node| nodes[node].address.to_string());
    // The target that both tiers share is one key; the order of tiers is that of the file.
    let coco = Running::start(config(&[
        ("shortterm", vec![a.clone(), b.clone()]),
        ("midterm", vec![c.clone(), a.clone()]),
    ]));
    let document = coco.get("/debug/vars");
    assert_eq!(document.status, 200);
    let document = document.json();
    assert_eq!(keys(&document), ["cmdline", "coco", "noodle"]);
    assert!(document["cmdline"].is_array());
    assert_eq!(document["noodle"], json!({}));
    let vars = &document["coco"];
    assert_eq!(
        vars["filter"],
        json!({ "accepted": 0, "rejected": 0, "renamed_hosts": 0, "unremembered": 0 })
    );
    assert_eq!(vars["queues"], json!({ "raw": 0, "filtered": 0, "held": 0 }));
    assert_eq!(vars["lookup"].to_string(), r#"{"shortterm":0,"midterm":0}"#);
    assert_eq!(vars["send"], json!({ &*a: 0, &*b: 0, &*c: 0, "total": 0 }));
    for section in ["hash.hosts", "hash.metrics", "send.datagrams", "send.notifications"] {
        assert_eq!(vars[section], json!({ &*a: 0, &*b: 0, &*c: 0 }), "{section}");
    }
    let none = json!({ "avg": 0.0, "min": 0, "max": 0, "95e": 0, "length": 0, "sum": 0 });
    let expected = json!({
        "shortterm": { &*a: none, &*b: none, "total": none }, "midterm": { &*c: none, &*a: none, "total": none },
    });
    assert_eq!(vars["hash.metrics_per_host"], expected);
    for key in ["raw", "decoded", "kernel_drops", "unverified", "unknown_parts", "notifications"] {
        assert_eq!(number(vars, "listen", key), 0, "{key}");
    }
    for key in [
        "fetch.receive",
        "filter.unhandled",
        "lookup.hash.get",
        "send.dial",
        "send.write",
        "send.disconnected",
        "send.refused",
    ] {
        assert_eq!(number(vars, "errors", key), 0, "{key}");
    }
    assert_eq!(vars["listen"]["malformed"]["stray_bytes"], 0);
    assert_eq!(vars["listen"]["incomplete"]["no_host"], 0);
    assert_eq!(vars["listen"]["refused_notifications"]["severity"], 0);
    agree(&document, &coco.get("/metrics").text);
    coco.stop().unwrap();
}

/// Paths of all numbers below a value.
fn numbers(value: &Value, path: &str, out: &mut BTreeMap<String, f64>) {
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                numbers(member, &format!("{path}>{key}"), out);
            }
        }
        // A quantile of nothing.
        Value::Null => {}
        number => assert!(out.insert(path.to_owned(), number.as_f64().unwrap()).is_none()),
    }
}

/// Whether a path of `/debug/vars` shows this definition; of a histogram, one of its quantiles and the like.
fn shows(definition: &Definition, path: &str) -> bool {
    let mut elements = path.split('>').skip(1);
    let is_alike = definition
        .path
        .iter()
        .all(|wanted| elements.next().is_some_and(|element| wanted.starts_with('{') || element == *wanted));
    is_alike && (definition.kind == Kind::Histogram || elements.next().is_none())
}

/// `/debug/vars` and `/metrics` show the same, but for totals, which Prometheus adds up by itself.
fn agree(document: &Value, metrics: &str) {
    let by_name: BTreeMap<String, &Definition> = definitions()
        .filter(|definition| definition.view != View::Json)
        .map(|definition| (definition.prometheus_name(), definition))
        .collect();
    let mut from_metrics = BTreeMap::new();
    // What any program tells of itself is in one view alone.
    let is_counted = |line: &&str| !line.starts_with('#') && !line.starts_with("process_");
    for row in metrics.lines().filter(is_counted) {
        let (series, value) = row.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let labels: BTreeMap<&str, &str> = labels
            .trim_end_matches('}')
            .split_terminator(',')
            .map(|label| label.split_once('=').map(|(key, value)| (key, value.trim_matches('"'))).unwrap())
            .collect();
        // `/debug/vars` has quantiles of it; both are held against the samples in coco-daemon.
        let histogram =
            ["_bucket", "_sum", "_count"].iter().find_map(|part| by_name.get(name.strip_suffix(part)?));
        if histogram.is_some_and(|definition| definition.kind == Kind::Histogram) {
            continue;
        }
        let definition = by_name.get(name).unwrap_or_else(|| panic!("{name} is not in the table"));
        if definition.view == View::Prometheus {
            continue;
        }
        let path: String = definition
            .path
            .iter()
            .map(|element| match element.strip_prefix('{').and_then(|element| element.strip_suffix('}')) {
                Some(label) => format!(">{}", labels[label]),
                None => format!(">{element}"),
            })
            .collect();
        *from_metrics.entry(path).or_insert(0.0) += value.parse::<f64>().unwrap();
    }
    // What is counted of engines is there where there are engines.
    let is_missing = |name: &&String| {
        !name.starts_with("coco_remote_write_") && !metrics.contains(&format!("# TYPE {name} "))
    };
    let missing = by_name.keys().filter(is_missing).collect::<Vec<_>>();
    assert!(missing.is_empty(), "not in /metrics: {missing:?}");
    let mut from_vars = BTreeMap::new();
    numbers(&document["coco"], ">coco", &mut from_vars);
    from_vars.retain(|path, _| path != ">coco>send>total" && !path.contains(">total>"));
    let is_in_both =
        |definition: &Definition| definition.view == View::Both && definition.kind != Kind::Histogram;
    from_vars
        .retain(|path, _| definitions().any(|definition| is_in_both(definition) && shows(definition, path)));
    assert_eq!(from_vars, from_metrics);
}

#[test]
fn both_views_agree_and_summaries_are_what_they_say() {
    let nodes: Vec<_> = (0..3).map(|_| Sink::start()).collect();
    let targets: Vec<_> = nodes.iter().map(|node| node.address.to_string()).collect();
    let mut config = config(&[("wide", targets.clone()), ("narrow", targets[..1].to_vec())]);
    config.pipeline.lanes = NonZero::new(2).unwrap();
    config.filter.blacklist = Some(Regex::new("/rejected/").unwrap());
    let tiers = config.tiers.clone();
    let coco = Running::start(config);

    // The metrics of most hosts come by two agents, so that both lanes may know of them.
    let mut sizes = vec![Vec::new(); 3];
    let agents = [(); 6].map(|()| sender(coco.listen));
    for host in 0..40_usize {
        let name = format!("host{host}").into_bytes();
        let mut lists: Vec<_> =
            (0..=host).map(|metric| value_list(&name, &format!("p{metric}"), "t", 1)).collect();
        lists.push(value_list(&name, "rejected", "t", 1));
        for (half, lists) in lists.chunks(host / 2 + 1).enumerate() {
            send(&agents[(host + half) % 6], lists);
        }
        send(&agents[(host + 3) % 6], &lists[..1]);
        sizes[tiers.get(0).unwrap().owner(&name)].push(host as u64 + 1);
    }
    send(&agents[0], &[value_list(b"only rejected", "rejected", "t", 1)]);
    let metrics: u64 = sizes.concat().iter().sum();
    coco.vars_when("the tables to be measured", |vars| {
        vars["hash.metrics_per_host"]["wide"]["total"]["sum"] == metrics
            && number(vars, "send", "total") == 2 * (metrics + 40)
    });
    let (document, text) = wait_for(PATIENCE, "a moment of rest", || {
        let document = coco.get("/debug/vars").json();
        let text = coco.get("/metrics").text;
        (document["coco"] == coco.vars()).then_some((document, text))
    });
    agree(&document, &text);

    let vars = &document["coco"];
    let summary = |mut sizes: Vec<u64>| {
        sizes.sort_unstable();
        let (sum, length) = (sizes.iter().sum::<u64>(), sizes.len());
        json!({
            "avg": sum as f64 / length as f64, "min": sizes[0], "max": sizes[length - 1],
            "95e": sizes[length * 95 / 100], "length": length, "sum": sum,
        })
    };
    for (target, sizes) in targets.iter().zip(&sizes) {
        assert_eq!(vars["hash.metrics_per_host"]["wide"][target], summary(sizes.clone()));
    }
    for path in [["wide", "total"], ["narrow", "total"], ["narrow", &targets[0]]] {
        assert_eq!(vars["hash.metrics_per_host"][path[0]][path[1]], summary(sizes.concat()));
    }
    assert_eq!(number(vars, "hash.hosts", &targets[0]), sizes[0].len() as u64 + 40);
    assert_eq!(number(vars, "hash.hosts", &targets[1]), sizes[1].len() as u64);
    coco.stop().unwrap();
}

#[test]
fn the_api_shows_where_what_went() {
    let nodes = [Sink::start(), Sink::start()];
    let [a, b] = [0, 1].map(|node: usize| nodes[node].address.to_string());
    let mut config = config(&[("shortterm", vec![a.clone(), b.clone()]), ("midterm", vec![a.clone()])]);
    config.filter.blacklist = Some(Regex::new("/irq/").unwrap());
    let tiers = config.tiers.clone();
    let coco = Running::start(config);
    let lists = [
        value_list(b"web1", "load", "load", 1),
        value_list(b"web1", "irq", "irq", 1),
        value_list(b"web2", "irq", "irq", 1),
        // Not UTF-8, and a name that is, which stands for such ones elsewhere.
        value_list(b"h\xfe", "p", "t", 1),
        value_list(b"h\xfe2", "p", "t", 1),
        value_list(b"h\xff", "q", "t", 1),
        value_list("h\u{fffd}".as_bytes(), "r", "t", 1),
        value_list(b"h\\xff", "s", "t", 1),
    ];
    send(&sender(coco.listen), &lists);
    coco.vars_when("everything to be sent", |vars| number(vars, "send", "total") == 12);

    let shown = coco.get("/tiers").json();
    let first = &shown[0];
    let known = [
        "name",
        "targets",
        "shadows",
        "virtual_replicas",
        "hash",
        "replicas",
        "placed",
        "fingerprint",
        "age",
        "connections",
        "routes",
    ];
    assert_eq!(keys(first), known);
    assert_eq!([&shown[0]["name"], &shown[1]["name"]], ["shortterm", "midterm"]);
    assert_eq!(first["targets"], json!([a, b]));
    assert_eq!(first["shadows"], json!({ "\u{0}": a, "\u{1}": b }));
    assert_eq!(first["virtual_replicas"], 90);
    assert_eq!(first["hash"], "ring");
    assert_eq!(first["fingerprint"], tiers.get(0).unwrap().fingerprint().to_string());
    assert_eq!(keys(&first["connections"]), [&a, &b]);
    assert_eq!(first["connections"][&b], json!({ "state": "up", "address": b }));
    assert_eq!(keys(&first["routes"]), [&a, &b]);

    let routes = &shown[1]["routes"][&a];
    for (host, metric) in [
        ("h\0fe", "p/t"),
        ("h\0fe2", "p/t"),
        ("h\0ff", "q/t"),
        ("h\u{fffd}", "r/t"),
        ("h\\xff", "s/t"),
        ("web1", "load/load"),
    ] {
        assert_eq!(keys(&routes[host]), [metric], "{host:?}");
    }
    assert_eq!(keys(routes).len(), 6);
    let seen = routes["web1"]["load/load"].as_u64().unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    assert!((now - 3600..=now).contains(&seen), "{seen}");

    let rejected = coco.get("/blacklisted").json();
    assert_eq!(keys(&rejected), ["web1", "web2"]);
    assert_eq!([keys(&rejected["web1"]), keys(&rejected["web2"])], [["irq/irq"], ["irq/irq"]]);

    let owner = [&a, &b][tiers.get(0).unwrap().owner(b"foo")];
    assert_eq!(
        coco.get("/lookup?name=foo").text,
        format!("{{\"shortterm\":\"{owner}\",\"midterm\":\"{a}\"}}\n")
    );
    assert_eq!((coco.get("/lookup").status, coco.get("/nowhere").status), (400, 404));
    let vars = coco.vars();
    assert_eq!((number(&vars, "lookup", "midterm"), number(&vars, "errors", "lookup.hash.get")), (1, 1));

    let health = coco.get("/healthz");
    assert_eq!(health.status, 200);
    let mut health = health.json();
    let age = health["last_datagram_age"].take().as_u64().expect("seconds");
    let fingerprint = tiers.fingerprint().to_string();
    assert_eq!(
        health,
        json!({ "status": "ok", "fingerprint": fingerprint, "pid": std::process::id(), "last_datagram_age": null })
    );
    // It was just sent to, however slow this machine is.
    assert!(age < 600, "{age}");
    assert!(coco.get("/metrics").text.contains("\ncoco_listen_last_datagram_age "));
    assert!(coco.get("/metrics").head.contains("content-type: text/plain; version=0.0.4"));
    let all = coco.get("/").json();
    let routes = [
        "/blacklisted",
        "/config",
        "/debug/vars",
        "/healthz",
        "/hosts",
        "/lookup",
        "/metrics",
        "/targets",
        "/tiers",
    ];
    assert_eq!(keys(&all["routes"]), routes);
    coco.stop().unwrap();
}
