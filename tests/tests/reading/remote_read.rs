//! Prometheus' remote read: what a real one has of the rows of real rrdcached nodes is what rrdtool reads from copies of
//! their files; and what becomes of bodies that no Prometheus sends.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use coco_core::config::NoodleConfig;
use coco_harness::curl;
use coco_harness::directory::Directory;
use coco_harness::engine::{Labels, Prometheus, Stored};
use coco_harness::noodle::Noodle;
use coco_harness::rrd;
use coco_harness::rrdcached::Rrdcached;
use coco_harness::visage::Visage;
use prost::Message;
use remote_write::message::{LabelMatcher, MatcherKind, Query, ReadRequest, ReadResponse};
use serde_json::Value;

/// Seconds of a row.
const STEP: i64 = 10;

/// Seconds that the files have rows of.
const HOUR: i64 = 3600;

/// A data source and its kind.
type Source = (&'static str, &'static str);

/// Files of every host: plugin, type, and the data sources.
const FILES: [(&str, &str, &[Source]); 6] = [
    ("load", "load", &[("shortterm", "GAUGE"), ("midterm", "GAUGE"), ("longterm", "GAUGE")]),
    ("cpu-0", "cpu-user", &[("value", "DERIVE")]),
    ("cpu-0", "cpu-idle", &[("value", "DERIVE")]),
    ("interface-eth0.1", "if_octets", &[("rx", "DERIVE"), ("tx", "DERIVE")]),
    ("web-site", "requests", &[("value", "COUNTER")]),
    ("mail", "absolute-spam", &[("value", "ABSOLUTE")]),
];

/// What a series of these files is called.
fn name(plugin: &str, of_type: &str, source: &str, kind: &str) -> String {
    let (plugin, of_type) =
        (plugin.split('-').next().unwrap_or_default(), of_type.split('-').next().unwrap_or_default());
    let plugin = if plugin == of_type { String::new() } else { format!("{plugin}_") };
    let source = if source == "value" { String::new() } else { format!("_{source}") };
    let rate = if kind == "GAUGE" { "" } else { "_rate" };
    format!("collectd_{plugin}{of_type}{source}{rate}")
}

fn labels(host: &str, plugin: &str, of_type: &str, name: &str) -> Labels {
    let mut labels = Labels::from([("__name__".into(), name.into()), ("instance".into(), host.into())]);
    let (plugin, of_plugin) = plugin.split_once('-').unwrap_or((plugin, ""));
    let of_type = of_type.split_once('-').map_or("", |(_, instance)| instance);
    match (of_plugin, of_type) {
        ("", "") => {}
        ("", instance) | (instance, "") => drop(labels.insert(plugin.into(), instance.into())),
        (of_plugin, of_type) => {
            labels.insert(plugin.into(), of_plugin.into());
            labels.insert("type".into(), of_type.into());
        }
    }
    labels
}

/// Writes a file whose rows end at `finish`, but for those that `is_missing`.
fn create(file: &Path, sources: &[Source], finish: i64, seed: i64, is_missing: impl Fn(i64) -> bool) {
    std::fs::create_dir_all(file.parent().expect("it is in a directory")).expect("a directory");
    let begin = finish - HOUR - STEP;
    let mut arguments = vec!["create".to_owned(), file.display().to_string(), format!("--start={begin}")];
    arguments.push(format!("--step={STEP}"));
    arguments.extend(sources.iter().map(|(name, kind)| format!("DS:{name}:{kind}:25:U:U")));
    arguments.push("RRA:AVERAGE:0.5:1:400".to_owned());
    arguments.push("RRA:AVERAGE:0.5:6:400".to_owned());
    rrdtool(&arguments);
    let mut arguments = vec!["update".to_owned(), file.display().to_string()];
    for row in 1..=HOUR / STEP {
        let second = begin + row * STEP;
        let values = sources.iter().zip(1..).map(|((_, kind), place)| match *kind {
            _ if is_missing(second) => "U".to_owned(),
            "GAUGE" => (((row * place + seed) % 97) as f64 / 7.0).to_string(),
            "ABSOLUTE" => ((row + seed) % 50).to_string(),
            _ => (row * row * place + seed * row).to_string(),
        });
        arguments.push(format!("{second}:{}", values.collect::<Vec<_>>().join(":")));
    }
    rrdtool(&arguments);
}

fn rrdtool(arguments: &[String]) {
    assert!(Command::new("rrdtool").args(arguments).status().expect("rrdtool is installed").success());
}

/// The rows of a file that end between these seconds, of each data source, as rrdtool prints them.
fn rows(file: &Path, start: i64, end: i64) -> BTreeMap<String, Vec<(i64, f64)>> {
    let times = (start / STEP..=end / STEP).map(|row| row * STEP);
    let values = rrd::fetch(file, start - STEP, end);
    let known = |values: Vec<Option<String>>| {
        let pairs = times.clone().zip(values);
        pairs.filter_map(|(time, value)| Some((time * 1000, value?.parse().ok()?))).collect()
    };
    values.into_iter().map(|(name, values)| (name, known(values))).collect()
}

fn assert_are_alike(found: &Stored, expected: &Stored) {
    assert!(found.keys().eq(expected.keys()), "{:#?}\nis not\n{:#?}", found.keys(), expected.keys());
    for (series, expected) in expected {
        let found = &found[series];
        assert_eq!(
            found.iter().map(|pair| pair.0).collect::<Vec<_>>(),
            expected.iter().map(|pair| pair.0).collect::<Vec<_>>(),
            "{series:?}"
        );
        for ((time, found), (_, expected)) in found.iter().zip(expected) {
            // rrdtool prints eleven digits.
            assert!(
                (found - expected).abs() <= expected.abs() * 1e-10,
                "{series:?} {time}: {found} {expected}"
            );
        }
    }
}

/// Two tiers of two nodes each, hosts of every place, and copies of the files.
struct Fleet {
    nodes: [[(Directory, Rrdcached); 2]; 2],
    config: String,
    hosts: Vec<String>,
    finish: i64,
    copies: Directory,
}

impl Fleet {
    fn start(more: &str) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64;
        let finish = now / 60 * 60 - 60;
        let bases =
            ["a", "b"].map(|tier| ["a", "b"].map(|node| Directory::new(&format!("read-{tier}{node}"))));
        let nodes = bases.map(|tier| {
            tier.map(|base| {
                let daemon = Rrdcached::start(base.path());
                (base, daemon)
            })
        });
        let tier = |name: &str, nodes: &[(Directory, Rrdcached); 2]| {
            let target = |(_, daemon): &(Directory, Rrdcached)| {
                let port = daemon.address.port();
                format!("{{ address = \"127.0.0.1:{port}\", fetch = \"rrdcached://127.0.0.1:{port}\" }}")
            };
            format!("[tiers.{name}]\ntargets = [{}, {}]\n", target(&nodes[0]), target(&nodes[1]))
        };
        let config = format!(
            "{}{}[fetch]\nbind = \"127.0.0.1:0\"\nproxy_timeout = \"60s\"\n{more}\n",
            tier("shortterm", &nodes[0]),
            tier("midterm", &nodes[1])
        );
        let hosts = ["web1", "web2", "web3.example.org", "db1"].map(str::to_owned).to_vec();
        let fleet = Self { nodes, config, hosts, finish, copies: Directory::new("read-copies") };
        fleet.fill();
        fleet
    }

    /// Every other row of a minute in the middle is missing in the first tier, the others in the second.
    fn fill(&self) {
        let tiers = NoodleConfig::parse(&self.config).expect("a configuration").tiers;
        for (seed, host) in (0..).zip(&self.hosts) {
            for (tier, nodes) in self.nodes.iter().enumerate() {
                let (base, _) = &nodes[tiers.get(tier).expect("a tier").owner(host.as_bytes())];
                for (plugin, of_type, sources) in FILES {
                    let file = base.path().join(host).join(plugin).join(format!("{of_type}.rrd"));
                    let middle = self.finish - HOUR / 2;
                    let is_missing = |second: i64| {
                        plugin == "load"
                            && (middle..middle + 60).contains(&second)
                            && (second / STEP % 2 == 0) == (tier == 0)
                    };
                    create(&file, sources, self.finish, seed, is_missing);
                }
            }
            for (plugin, of_type, sources) in FILES {
                create(&self.copy(host, plugin, of_type), sources, self.finish, seed, |_| false);
            }
        }
    }

    fn copy(&self, host: &str, plugin: &str, of_type: &str) -> PathBuf {
        self.copies.path().join(host).join(plugin).join(format!("{of_type}.rrd"))
    }

    /// What there is of these hosts between two seconds, of names that are `wanted`.
    fn expected(&self, hosts: &[&str], start: i64, end: i64, wanted: impl Fn(&str) -> bool) -> Stored {
        let mut expected = Stored::new();
        for host in hosts {
            for (plugin, of_type, sources) in FILES {
                let mut rows = rows(&self.copy(host, plugin, of_type), start, end);
                for (source, kind) in sources {
                    let name = name(plugin, of_type, source, kind);
                    if wanted(&name) {
                        let rows = rows.remove(*source).expect("rows of it");
                        expected.insert(labels(host, plugin, of_type, &name), rows);
                    }
                }
            }
        }
        expected
    }
}

fn prometheus(noodle: &Noodle) -> Prometheus {
    Prometheus::start_with(&format!(
        "remote_read:\n  - url: http://{}/api/v1/read\n    read_recent: true\n    remote_timeout: 1m\n",
        noodle.address
    ))
}

/// Each series without its name, and one value of its samples, at a second.
fn each(stored: &Stored, second: i64, of: impl Fn(&[(i64, f64)]) -> f64) -> Stored {
    let one = |(labels, samples): (&Labels, &Vec<(i64, f64)>)| {
        let mut labels = labels.clone();
        labels.remove("__name__");
        (labels, vec![(second * 1000, of(samples))])
    };
    stored.iter().map(one).collect()
}

#[test]
fn a_prometheus_has_of_the_fleet_what_rrdtool_reads_from_copies() {
    let fleet = Fleet::start("");
    let noodle = Noodle::start(&fleet.config);
    let prometheus = prometheus(&noodle);
    let all: Vec<&str> = fleet.hosts.iter().map(String::as_str).collect();
    let (start, end) = (fleet.finish - HOUR / 2 - 600, fleet.finish - 300);
    let seconds = end - start;

    // All of it: names, labels, times and values, gaps of one tier filled by the other.
    let found = prometheus.query(&format!("{{__name__=~\"collectd_.+\"}}[{seconds}s]"), Some(end));
    let expected = fleet.expected(&all, start, end, |_| true);
    assert_eq!(expected.len(), 4 * 9);
    assert_are_alike(&found, &expected);

    // By name, by host, by labels, by expressions.
    for (selector, hosts, wanted) in [
        ("collectd_load_shortterm", &all[..], "collectd_load_shortterm"),
        ("collectd_cpu_rate{instance=\"web1\"}", &["web1"], "collectd_cpu_rate"),
        ("collectd_cpu_rate{instance=~\"web1|db1\"}", &["web1", "db1"], "collectd_cpu_rate"),
        (
            "collectd_web_requests_rate{instance=~\"web[12]\"}",
            &["web1", "web2"],
            "collectd_web_requests_rate",
        ),
        (
            "collectd_mail_absolute_rate{mail=\"spam\",instance!=\"db1\"}",
            &all[..3],
            "collectd_mail_absolute_rate",
        ),
        (
            "collectd_interface_if_octets_tx_rate{interface=~\"eth0.+\",instance=\"web3.example.org\"}",
            &["web3.example.org"],
            "collectd_interface_if_octets_tx_rate",
        ),
    ] {
        let found = prometheus.query(&format!("{selector}[{seconds}s]"), Some(end));
        assert_are_alike(&found, &fleet.expected(hosts, start, end, |name| name == wanted));
    }
    let idle = prometheus.query("collectd_cpu_rate{type=~\"i.*\",type!~\"x\",instance=\"web2\"}", Some(end));
    assert_eq!(idle.len(), 1);

    // What PromQL makes of it.
    let mean = |samples: &[(i64, f64)]| samples.iter().map(|pair| pair.1).sum::<f64>() / samples.len() as f64;
    let expected = fleet.expected(&all, end - 600, end, |name| name == "collectd_load_midterm");
    let found = prometheus.query("avg_over_time(collectd_load_midterm[10m])", Some(end));
    assert_are_alike(&found, &each(&expected, end, mean));
    let found = prometheus.query("last_over_time(collectd_load_midterm[1m] offset 10m)", Some(end));
    let before = fleet.expected(&all, end - 660, end - 600, |name| name == "collectd_load_midterm");
    let last: Stored = before
        .into_iter()
        .map(|(labels, samples)| (labels, vec![(end * 1000, samples.last().expect("samples").1)]))
        .collect();
    assert_are_alike(&found, &last);

    // `_total` is never answered for what are rates, nor a rate under another name.
    for absent in ["collectd_cpu_total", "collectd_cpu", "collectd_load_shortterm_rate", "collectd_nothing"] {
        let found = prometheus.query(&format!("absent({absent})"), Some(end));
        assert_eq!(found.values().flatten().map(|pair| pair.1).collect::<Vec<_>>(), [1.0], "{absent}");
    }
    assert!(prometheus.query("absent(collectd_cpu_rate{instance=\"web1\"})", Some(end)).is_empty());
    assert!(prometheus.query("collectd_cpu_rate{instance=\"nobody\"}", Some(end)).is_empty());
    assert!(noodle.count(&["remote_read.response.codes", "200"]) > 10);
    assert!(noodle.count(&["remote_read.samples"]) > 1000);
    assert!(noodle.stop().success());
}

#[test]
fn a_node_that_is_gone_has_its_hosts_answered_by_the_next_tier() {
    let mut fleet = Fleet::start("recovery = \"1s\"");
    let noodle = Noodle::start(&fleet.config);
    for (_, daemon) in &mut fleet.nodes[0] {
        assert!(daemon.process.stop().success());
    }
    let end = fleet.finish;
    let all: Vec<&str> = fleet.hosts.iter().map(String::as_str).collect();
    let found = prometheus(&noodle).query("collectd_cpu_rate[10m]", Some(end));
    assert_are_alike(&found, &fleet.expected(&all, end - 600, end, |name| name == "collectd_cpu_rate"));
    assert!(noodle.stop().success());
}

/// The status and the body of the answer to a body, however it ends.
fn post(noodle: &Noodle, body: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(noodle.address).expect("it listens");
    let length = body.len();
    let head = format!(
        "POST /api/v1/read HTTP/1.1\r\nHost: noodle\r\nConnection: close\r\nContent-Type: application/x-protobuf\r\n\
         Content-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a head") + 4;
    let status = String::from_utf8_lossy(&answer[9..12]).parse().expect("a status");
    (status, answer.split_off(end))
}

fn packed(plain: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(plain).expect("it fits")
}

fn request(matchers: &[(MatcherKind, &str, &str)], start: i64, end: i64) -> ReadRequest {
    let matcher = |(kind, name, value): &(MatcherKind, &str, &str)| LabelMatcher {
        r#type: *kind as i32,
        name: (*name).to_owned(),
        value: (*value).to_owned(),
    };
    let matchers = matchers.iter().map(matcher).collect();
    let query = Query { start_timestamp_ms: start, end_timestamp_ms: end, matchers };
    // As a Prometheus asks: chunks rather than samples.
    ReadRequest { queries: vec![query], accepted_response_types: vec![1, 0] }
}

#[test]
fn bodies_that_no_prometheus_sends_are_refused_and_take_no_memory() {
    use MatcherKind::{Equal, Matches};
    let fleet = Fleet::start("max_form = \"64KiB\"\nmax_memory = \"64MiB\"");
    let noodle = Noodle::start(&fleet.config);
    let ask = |request: &ReadRequest| post(&noodle, &packed(&request.encode_to_vec()));
    let (start, end) = ((fleet.finish - 600) * 1000, fleet.finish * 1000);
    let good = request(&[(Equal, "__name__", "collectd_load_shortterm")], start, end);
    let answer = |body: &[u8]| {
        let plain = snap::raw::Decoder::new().decompress_vec(body).expect("snappy");
        ReadResponse::decode(&plain[..]).expect("an answer")
    };
    let (status, body) = ask(&good);
    assert_eq!((status, answer(&body).results[0].timeseries.len()), (200, 4));

    let mut wrong_lengths = good.encode_to_vec();
    wrong_lengths[1] = 0x7f;
    let endless = "a|".repeat(20_000);
    let many_expressions: Vec<_> = (0..1000).map(|_| (Matches, "instance", "web.*")).collect();
    let many_matchers: Vec<_> = (0..2000).map(|_| (Equal, "a", "b")).collect();
    let mut many_queries = good.clone();
    many_queries.queries = vec![good.queries[0].clone(); 65];
    let mut no_samples = good.clone();
    no_samples.accepted_response_types = vec![1];
    let regex = |text: &str| packed(&request(&[(Matches, "instance", text)], start, end).encode_to_vec());
    for (body, says) in [
        (b"".to_vec(), "snappy"),
        (b"GET / HTTP/1.1".to_vec(), "snappy"),
        // A gibibyte in six bytes.
        (vec![0x80, 0x80, 0x80, 0x80, 0x04, 0x00], "(fetch.max_form)"),
        (packed(&[0; 70_000]), "(fetch.max_form)"),
        // More than it says, less than it says, and a copy of what is before its beginning.
        (vec![0x04, 0x1c, 0, 0, 0, 0, 0, 0, 0, 0], "snappy"),
        (vec![0x40, 0x00, 0x0a], "snappy"),
        (vec![0x08, 0x15, 0xff], "snappy"),
        // Groups in groups, of a field that nobody knows.
        (packed(&[0x7b; 20_000]), "no ReadRequest"),
        (packed(&wrong_lengths), "no ReadRequest"),
        (packed(&[0x0a, 0xff, 0xff, 0xff, 0x7f]), "no ReadRequest"),
        (packed(&b"\x0a\x00".repeat(10_000)), "10000 queries"),
        (packed(&many_queries.encode_to_vec()), "65 queries"),
        (packed(&request(&many_matchers, start, end).encode_to_vec()), "2000 matchers"),
        (packed(&request(&many_expressions, start, end).encode_to_vec()), "regular expressions take more"),
        (packed(&no_samples.encode_to_vec()), "samples are not accepted"),
        (regex("((a{1000}){1000}){1000}"), "regular expressions take more"),
        (regex("(((((((((((a*)*)*)*)*)*)*)*)*)*)*)*(b"), "is no regular expression"),
    ] {
        let (status, text) = post(&noodle, &body);
        let text = String::from_utf8_lossy(&text);
        assert_eq!(status, 400, "{text}");
        assert!(text.contains(says), "{text:?} does not say {says:?}");
    }
    // Long, and as it should be.
    let (status, _) = post(&noodle, &regex(&format!("{endless}web1")));
    assert_eq!(status, 200);
    let too_large = vec![0; 100_000];
    assert_eq!(post_large(&noodle, &too_large), 413);
    let (status, body) = ask(&good);
    assert_eq!((status, answer(&body).results[0].timeseries.len()), (200, 4));
    assert_eq!(noodle.count(&["remote_read.response.codes", "400"]), 17);
    let peak = noodle.process.peak_memory();
    assert!(peak < 128 << 20, "{peak}");
    assert!(noodle.stop().success());
}

/// Which nodes are asked follows from who is named, by a text or by alternatives, before anything is fetched.
#[test]
fn of_hosts_that_are_named_the_owners_alone_are_asked() {
    use MatcherKind::{Equal, Matches, NotEqual};
    let fleet = Fleet::start("");
    let tiers = NoodleConfig::parse(&fleet.config).expect("a configuration").tiers;
    let owner = |tier: usize, host: &str| tiers.get(tier).expect("a tier").owner(host.as_bytes());
    let (start, end) = ((fleet.finish - 600) * 1000, fleet.finish * 1000);
    // Another name of the same owners, so that in each tier there is a node that is not to be asked.
    let host = fleet.hosts[0].as_str();
    let is_like = |name: &String| (0..2).all(|tier| owner(tier, name) == owner(tier, host));
    let like = (0..).map(|number| format!("like{number}")).find(is_like).expect("one in four is");
    let alternatives = format!("{host}|{like}");
    for (matchers, is_named) in [
        ([(Equal, "instance", host), (Matches, "__name__", "collectd_.+")], true),
        ([(Matches, "instance", &alternatives), (Matches, "__name__", "collectd_.+")], true),
        ([(Matches, "instance", &alternatives), (NotEqual, "instance", &like)], true),
        ([(Matches, "instance", ".+"), (Matches, "__name__", "collectd_.+")], false),
    ] {
        let noodle = Noodle::start(&fleet.config);
        let (status, body) = post(&noodle, &packed(&request(&matchers, start, end).encode_to_vec()));
        assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
        let asked = |tier: usize, node: usize| {
            let address = fleet.nodes[tier][node].1.address.to_string();
            noodle.count(&["fetch.target.requests", &address])
        };
        let others = (0..2).map(|tier| asked(tier, 1 - owner(tier, host))).sum::<u64>();
        assert_eq!(others == 0, is_named, "{matchers:?}: {others} requests");
        assert!((0..2).any(|tier| asked(tier, owner(tier, host)) > 0), "{matchers:?}");
        assert!(noodle.stop().success());
    }
}

/// The status of the answer to a body that is refused before it has come.
fn post_large(noodle: &Noodle, body: &[u8]) -> u16 {
    let mut stream = TcpStream::connect(noodle.address).expect("it listens");
    let head =
        format!("POST /api/v1/read HTTP/1.1\r\nHost: noodle\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).expect("it reads");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("it answers");
    String::from_utf8_lossy(&answer[9..]).parse().expect("a status")
}

/// What a question for series that have this name, an expression, between two seconds is answered.
fn asked(noodle: &Noodle, name: &str, start: i64, end: i64) -> (u16, Vec<u8>) {
    let request = request(&[(MatcherKind::Matches, "__name__", name)], start * 1000, end * 1000);
    post(noodle, &packed(&request.encode_to_vec()))
}

#[test]
fn what_is_too_much_is_refused_with_the_key_that_says_so() {
    let fleet = Fleet::start("");
    // A row a second, of which few fit into the memory of the last case.
    let values: Vec<f64> = (0..10_000).map(f64::from).collect();
    for ((base, _), tier) in fleet.nodes.iter().flatten().zip(0..) {
        let file = base.path().join("long").join("plugin").join(format!("gauge-{tier}.rrd"));
        rrd::create(&file, fleet.finish, &values);
    }
    let (all, load, long) = ("collectd_.+", "collectd_load_.+", "collectd_plugin_gauge");
    for (lines, name, seconds, key) in [
        ("[graphite]\nmax_series = 10", load, HOUR, "(graphite.max_series)"),
        ("[graphite]\nmax_points = 1000", load, HOUR, "(graphite.max_points)"),
        ("max_rows = 1000", long, 1100, "(fetch.max_rows)"),
        ("max_window = \"20m\"", all, 1201, "(fetch.max_window)"),
        ("max_memory = \"1MiB\"", long, 9_000, "8192 values (half of fetch.max_memory)"),
    ] {
        let noodle = Noodle::start(&format!("{}{lines}\n", fleet.config));
        let (status, text) = asked(&noodle, name, fleet.finish - seconds, fleet.finish);
        let text = String::from_utf8_lossy(&text);
        assert_eq!(status, 400, "{lines}: {text}");
        assert!(text.contains(key), "{lines}: {text}");
        // Less is answered by the same.
        let (status, _) = asked(&noodle, "collectd_cpu_rate", fleet.finish - 60, fleet.finish);
        assert_eq!(status, 200, "{lines}");
        assert!(noodle.stop().success());
    }
}

#[test]
fn a_window_that_is_longer_than_it_may_be_is_a_warning_and_not_another_value() {
    let fleet = Fleet::start("max_window = \"30m\"");
    let noodle = Noodle::start(&fleet.config);
    let prometheus = prometheus(&noodle);
    let mean = |window: &str| {
        let query = format!("avg_over_time(collectd_load_shortterm%5B{window}%5D)");
        curl::json(&format!("http://{}/api/v1/query?query={query}&time={}", prometheus.address, fleet.finish))
    };
    let short = mean("30m");
    assert_eq!(
        (short["data"]["result"].as_array().map(Vec::len), &short["warnings"]),
        (Some(4), &Value::Null)
    );
    let long = mean("31m");
    assert_eq!(long["data"]["result"].as_array().map(Vec::len), Some(0), "{long}");
    assert!(long["warnings"].to_string().contains("400"), "{long}");
    assert!(noodle.stop().success());
}

#[test]
fn visages_of_a_mixed_fleet_are_left_out_and_counted() {
    let fleet = Fleet::start("");
    // In each tier the first node is read by its rrdcached, the second as a Visage.
    let visages = [0, 1].map(|tier| Visage::start(fleet.nodes[tier][1].0.path()));
    let mut config = fleet.config.clone();
    for (nodes, visage) in fleet.nodes.iter().zip(&visages) {
        let rrdcached = format!("rrdcached://{}", nodes[1].1.address);
        config = config.replace(&rrdcached, &visage.url());
    }
    let noodle = Noodle::start(&config);
    let tiers = NoodleConfig::parse(&config).expect("a configuration").tiers;
    let is_read = |host: &str| tiers.iter().any(|tier| tier.owner(host.as_bytes()) == 0);
    let known: Vec<&str> = fleet.hosts.iter().map(String::as_str).filter(|host| is_read(host)).collect();
    assert!(!known.is_empty() && known.len() < fleet.hosts.len(), "{known:?}");

    let (start, end) = (fleet.finish - 600, fleet.finish);
    let prometheus = prometheus(&noodle);
    let found = prometheus.query("collectd_web_requests_rate[10m]", Some(end));
    let expected = fleet.expected(&known, start, end, |name| name == "collectd_web_requests_rate");
    assert_are_alike(&found, &expected);
    // Nor are the others answered for when they are asked for by name.
    let others = fleet.hosts.iter().map(String::as_str).filter(|host| !known.contains(host));
    let others: Vec<&str> = others.collect();
    let query = format!("collectd_web_requests_rate{{instance=~\"{}\"}}[10m]", others.join("|"));
    assert!(prometheus.query(&query, Some(end)).is_empty());
    for tier in ["shortterm", "midterm"] {
        assert!(noodle.count(&["fetch.tier.left_out", tier]) > 0, "{tier}");
    }
    for [_, (_, daemon)] in &fleet.nodes {
        assert_eq!(noodle.count(&["fetch.target.requests", &daemon.address.to_string()]), 0);
    }
    assert!(noodle.stop().success());
}
