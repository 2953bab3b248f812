//! Agents to Coco to two tiers of storage nodes with RRD files, and back through Noodle: number by number.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use coco_harness::coco::{Coco, Config};
use coco_harness::collectd::{Collectd, StorageNode};
use coco_harness::csv::Hosts;
use coco_harness::curl;
use coco_harness::noodle::Noodle;
use coco_harness::rrd;
use coco_harness::visage::Visage;
use coco_harness::wait::{PATIENCE, wait_until};
use serde_json::Value;

const TIERS: [&str; 2] = ["shortterm", "midterm"];

/// A storage node: what writes RRD files and what serves them.
struct Node {
    storage: StorageNode,
    target: String,
    visage: RefCell<Option<Visage>>,
    url: String,
}

impl Node {
    fn start(name: &str) -> Self {
        let storage = StorageNode::with_rrd_files(name);
        let visage = Visage::start(&storage.rrd_files());
        let (target, url) = (storage.address.to_string(), visage.url());
        Self { storage, target, visage: RefCell::new(Some(visage)), url }
    }

    /// From now on nobody reads its files; they are still written.
    fn stop_serving(&self) {
        drop(self.visage.take());
    }
}

/// All of a fleet at rest: the agents have stopped, and what they sent is in RRD files.
struct Fleet {
    nodes: [[Node; 2]; 2],
    coco: Coco,
    noodle: Noodle,
    /// Two of each place in the tiers.
    hosts: Vec<[String; 2]>,
    /// What the agents sent.
    sent: Hosts,
    /// The seconds in which they did.
    window: (i64, i64),
}

/// The plugins whose values are compared.
const COMPARED: [&str; 2] = ["load", "memory"];

impl Fleet {
    fn at_rest() -> Self {
        let nodes = TIERS.map(|tier| ["a", "b"].map(|node| Node::start(&format!("{tier}-{node}"))));
        let targets = nodes.each_ref().map(|tier| tier.each_ref().map(|node| node.target.as_str()));
        let tiers = [(TIERS[0], &targets[0][..]), (TIERS[1], &targets[1][..])];
        let config = nodes
            .as_flattened()
            .iter()
            .fold(Config::new(&tiers), |config, node| config.fetch(&node.target, &node.url));
        let mut coco = Coco::start(&config.text());
        let noodle = Noodle::start(&config.text());
        let hosts = coco.two_hosts_of_each_place(&tiers);
        let agents = hosts.as_flattened().iter().map(|host| (host, Collectd::agent(host, coco.listen)));
        let agents: Vec<_> = agents.collect();
        wait_until(PATIENCE, "six rows of every agent", || {
            agents.iter().all(|(host, agent)| {
                let load = agent.rows().get(*host).and_then(|series| series.get("load/load").map(Vec::len));
                load.is_some_and(|rows| rows >= 6)
            })
        });
        let sent: Hosts = agents.into_iter().flat_map(|(_, agent)| agent.stop()).collect();
        coco.settled(coco_harness::csv::count(sent.values()));
        let fleet = Self { window: window(&sent), nodes, coco, noodle, hosts, sent };
        fleet.wait_for_files();
        fleet
    }

    /// Until every owner has a file for every series, and in those that are compared the last value list of them.
    fn wait_for_files(&self) {
        for (host, series) in &self.sent {
            for node in self.owners(host) {
                for (name, rows) in series {
                    let file = node.storage.rrd_files().join(host).join(format!("{name}.rrd"));
                    let last = second(rows.last().expect("a series has rows"));
                    let is_compared = COMPARED.iter().any(|plugin| name.starts_with(&format!("{plugin}/")));
                    wait_until(PATIENCE, format!("second {last} in {}", file.display()), || {
                        node.storage.nudge();
                        file.exists() && (!is_compared || rrd::last(&file) >= last)
                    });
                }
            }
        }
    }

    /// The names of the series of these hosts, as a Visage lists them: by folder, then by the whole name of the file.
    fn metrics<'a>(&self, hosts: impl IntoIterator<Item = &'a String>) -> Vec<&str> {
        let sent: BTreeSet<_> = hosts.into_iter().flat_map(|host| self.sent[host].keys()).collect();
        let mut metrics: Vec<_> = sent.into_iter().map(String::as_str).collect();
        metrics.sort_by_key(|metric| {
            metric.split_once('/').map(|(folder, file)| (folder, format!("{file}.rrd")))
        });
        metrics
    }

    /// The owners of a host by tier.
    fn owners(&self, host: &str) -> [&Node; 2] {
        let place = usize::from(self.hosts[1].iter().any(|other| other == host));
        self.nodes.each_ref().map(|tier| &tier[place])
    }

    fn hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.as_flattened().iter().map(String::as_str)
    }

    /// The query of the window.
    fn query(&self) -> String {
        let (start, finish) = self.window;
        format!("?start={start}&finish={finish}")
    }

    /// That a host's series come from this node, as they are in its files.
    fn assert_comes_from(&self, host: &str, node: &Node, tier: &str) {
        let whole = |root: &str| curl::get(&format!("{root}/data/{host}/load{}", self.query()));
        let answer = whole(&format!("http://{}", self.noodle.address));
        assert_eq!((answer.status, answer.content_type.as_str()), (200, "application/json; charset=utf-8"));
        let url = format!("{}/data/{host}/load{}", node.url, self.query());
        let meta = serde_json::json!({ "host": host, "target": node.target, "url": url, "tier": tier });
        assert_eq!(answer.json()["_meta"], meta);
        if node.visage.borrow().is_some() {
            let from_node = whole(&node.url).body;
            let expected = format!("{},\"_meta\":{meta}}}", from_node.strip_suffix('}').expect("an object"));
            assert_eq!(answer.body, expected, "byte for byte but for _meta");
        }
        let files = node.storage.rrd_files().join(host).join("load");
        assert_are_the_values_of(&answer.json()[host]["load"], &files, self.window);
    }
}

/// The second of a row of csv.
fn second(row: &str) -> i64 {
    row.split('.').next().and_then(|second| second.parse().ok()).unwrap_or_else(|| panic!("no time in {row}"))
}

/// From the second before the first row to the last.
fn window(sent: &Hosts) -> (i64, i64) {
    let seconds = || sent.values().flat_map(BTreeMap::values).flatten().map(|row| second(row));
    (seconds().min().expect("rows") - 1, seconds().max().expect("rows"))
}

/// That series `{INSTANCE: {DATA SOURCE: {"start", "finish", "data"}}}` are what rrdtool reads in these files.
fn assert_are_the_values_of(series: &Value, directory: &Path, (start, finish): (i64, i64)) {
    let object = |value: &Value| value.as_object().expect("an object").clone();
    let files: BTreeSet<_> = std::fs::read_dir(directory)
        .expect("a directory of RRD files")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    assert_eq!(object(series).len(), files.len(), "one series for each file of {}", directory.display());
    for file in files {
        let name = file.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        let expected = rrd::fetch(&file, start, finish);
        let sources = object(&series[name]);
        assert_eq!(sources.keys().collect::<BTreeSet<_>>(), expected.keys().collect::<BTreeSet<_>>());
        let step: i64 = rrd::info(&file)["step"].parse().expect("seconds");
        for (source, values) in expected {
            assert_eq!(values.len() as i64, finish / step - start / step, "{name} {source}");
            assert_eq!(
                (&sources[&source]["start"], &sources[&source]["finish"]),
                (&start.into(), &finish.into())
            );
            let values: Vec<Option<f64>> = values
                .iter()
                .map(|value| value.as_ref().map(|printed| printed.parse().expect("a number")))
                .collect();
            assert!(values.iter().flatten().count() >= 3, "{name} {source} holds numbers: {values:?}");
            let data = sources[&source]["data"].as_array().expect("an array");
            assert_eq!(data.iter().map(Value::as_f64).collect::<Vec<_>>(), values, "{name} {source}");
        }
    }
}

/// The strings of an array.
fn strings(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap_or_else(|| panic!("no array: {list}"));
    list.iter().map(|item| item.as_str().expect("a string")).collect()
}

#[test]
fn what_agents_sent_comes_back_from_its_owner_and_from_the_next_tier_when_that_is_gone() {
    let fleet = Fleet::at_rest();
    both_daemons_agree(&fleet);
    each_host_comes_from_its_owner(&fleet);
    many_hosts_are_joined(&fleet);

    fleet.nodes[0][0].stop_serving();
    for host in &fleet.hosts[0] {
        fleet.assert_comes_from(host, &fleet.nodes[1][0], TIERS[1]);
    }
    for host in &fleet.hosts[1] {
        fleet.assert_comes_from(host, &fleet.nodes[0][1], TIERS[0]);
    }
    // The share of the dead node comes from the next tier, so nothing is missing anywhere.
    many_hosts_are_joined(&fleet);
    assert!(fleet.noodle.count(&["errors", "fetch.http.get"]) >= 2);

    fleet.nodes[1][0].stop_serving();
    hosts_without_any_owner_are_errors_and_spoil_no_others(&fleet);
    assert!(fleet.noodle.stop().success());
    assert!(fleet.coco.stop().success());
}

fn both_daemons_agree(fleet: &Fleet) {
    let fingerprint = |health: &Value| health["fingerprint"].as_str().expect("a fingerprint").to_owned();
    assert_eq!(fingerprint(&fleet.coco.json("/healthz")), fingerprint(&fleet.noodle.json("/healthz")));
    for host in fleet.hosts() {
        let path = format!("/lookup?name={host}");
        let owners = fleet.owners(host).map(|node| Value::from(node.target.as_str()));
        let expected: serde_json::Map<_, _> = TIERS.map(str::to_owned).into_iter().zip(owners).collect();
        assert_eq!(fleet.coco.json(&path), Value::from(expected.clone()));
        assert_eq!(fleet.noodle.json(&path), Value::from(expected));
    }
}

fn each_host_comes_from_its_owner(fleet: &Fleet) {
    for host in fleet.hosts() {
        fleet.assert_comes_from(host, fleet.owners(host)[0], TIERS[0]);
        // A single instance, and a plugin of several.
        let answer = fleet.noodle.json(&format!("/data/{host}/load/load{}", fleet.query()));
        let files = fleet.owners(host)[0].storage.rrd_files().join(host);
        assert_are_the_values_of(&answer[host]["load"], &files.join("load"), fleet.window);
        let answer = fleet.noodle.json(&format!("/data/{host}/memory{}", fleet.query()));
        assert_are_the_values_of(&answer[host]["memory"], &files.join("memory"), fleet.window);
    }
    let nobody = fleet.noodle.get(&format!("/data/nobody.example.org/load{}", fleet.query()));
    assert_eq!((nobody.status, nobody.body.as_str()), (200, "{}"));
}

fn many_hosts_are_joined(fleet: &Fleet) {
    let Fleet { noodle, .. } = fleet;
    let all: BTreeSet<_> = fleet.hosts().collect();
    let sorted: Vec<_> = all.iter().copied().collect();
    let answer = noodle.json("/data");
    assert_eq!(strings(&answer["hosts"]), sorted);
    assert_eq!(answer["_meta"]["partial"], Value::Null, "{answer}");
    for hosts in [&fleet.hosts[0][..1], &[fleet.hosts[0][0].clone(), fleet.hosts[1][0].clone()]] {
        let answer = noodle.json(&format!("/data/{}", hosts.join(",")));
        let expected = fleet.metrics(hosts);
        assert_eq!(strings(&answer["metrics"]), expected, "sorted, each once");
    }

    let list = format!("{},{}", fleet.hosts[0][1], fleet.hosts[1][1]);
    let braces = format!("%7B{list}%7D");
    for (asked, expected) in [
        (list, BTreeSet::from([fleet.hosts[0][1].as_str(), &fleet.hosts[1][1]])),
        (braces, BTreeSet::from([fleet.hosts[0][1].as_str(), &fleet.hosts[1][1]])),
        ("agent-*.example.org".to_owned(), all.clone()),
        ("*".to_owned(), all),
    ] {
        let answer = noodle.json(&format!("/data/{asked}/load/load{}", fleet.query()));
        let hosts: BTreeSet<_> = answer.as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(hosts, expected.iter().copied().chain(["_meta"]).collect(), "{asked}");
        assert_eq!(answer["_meta"]["partial"], Value::Null, "{asked}: {}", answer["_meta"]);
        for host in expected {
            let files = fleet.owners(host)[0].storage.rrd_files().join(host).join("load");
            assert_are_the_values_of(&answer[host]["load"], &files, fleet.window);
        }
    }
}

fn hosts_without_any_owner_are_errors_and_spoil_no_others(fleet: &Fleet) {
    let Fleet { noodle, .. } = fleet;
    let dead = [0, 1].map(|tier| fleet.nodes[tier][0].target.as_str());
    for host in &fleet.hosts[0] {
        let answer = noodle.get(&format!("/data/{host}/load{}", fleet.query()));
        assert_eq!(answer.status, 502, "{}", answer.body);
        let answer = answer.json();
        let error = answer["error"].as_str().expect("a string, as the checks expect");
        let urls = [0, 1].map(|tier| format!("{}/data/{host}/load", fleet.nodes[tier][0].url));
        assert!(urls.iter().all(|url| error.contains(url)), "{error}");
    }
    for host in &fleet.hosts[1] {
        fleet.assert_comes_from(host, &fleet.nodes[0][1], TIERS[0]);
    }

    let mut living: Vec<_> = fleet.hosts[1].iter().map(String::as_str).collect();
    living.sort_unstable();
    let everybody = fleet.hosts().collect::<Vec<_>>().join(",");
    let query = fleet.query();
    let hosts = noodle.json("/data");
    assert_eq!(strings(&hosts["hosts"]), living);
    let by_name = noodle.json(&format!("/data/{everybody}/load{query}"));
    let by_glob = noodle.json(&format!("/data/agent-*/load{query}"));
    let metrics = noodle.json(&format!("/data/{everybody}"));
    assert_eq!(strings(&metrics["metrics"]), fleet.metrics(&fleet.hosts[1]));
    for answer in [&hosts, &by_name, &by_glob, &metrics] {
        let meta = &answer["_meta"];
        assert_eq!(meta["partial"], true, "{meta}");
        let failed: BTreeSet<_> =
            meta["errors"].as_object().expect("an object").keys().map(String::as_str).collect();
        assert_eq!(failed, dead.into(), "{meta}");
    }
    for answer in [by_name, by_glob] {
        let mut hosts: Vec<_> = answer.as_object().expect("an object").keys().map(String::as_str).collect();
        hosts.retain(|host| *host != "_meta");
        hosts.sort_unstable();
        assert_eq!(hosts, living);
        for host in &living {
            let files = fleet.nodes[0][1].storage.rrd_files().join(host).join("load");
            assert_are_the_values_of(&answer[host]["load"], &files, fleet.window);
        }
    }
    assert_eq!(noodle.count(&["fetch.partial"]), 4);
}
