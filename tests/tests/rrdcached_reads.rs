//! Agents to Coco to two tiers of two storage nodes, each a collectd and an rrdcached and nothing else, and back through
//! Noodle: as rrdtool reads copies of the files.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use coco_tests::coco::{Coco, Config};
use coco_tests::collectd::{Collectd, StorageNode};
use coco_tests::csv;
use coco_tests::directory::Directory;
use coco_tests::noodle::Noodle;
use coco_tests::rrd;
use coco_tests::rrdcached::Rrdcached;
use coco_tests::visage::Visage;
use coco_tests::wait::{PATIENCE, wait_until};
use serde_json::Value;

const TIERS: [&str; 2] = ["shortterm", "midterm"];

/// A storage node.
struct Node {
    storage: StorageNode,
    daemon: Rrdcached,
}

impl Node {
    fn start(name: &str) -> Self {
        let storage = StorageNode::with_rrd_files(name);
        std::fs::create_dir_all(storage.rrd_files()).expect("a directory");
        let daemon = Rrdcached::start(&storage.rrd_files());
        Self { storage, daemon }
    }

    fn target(&self) -> String {
        self.storage.address.to_string()
    }

    fn url(&self) -> String {
        format!("rrdcached://{}", self.daemon.address)
    }
}

#[test]
fn what_agents_sent_comes_back_from_nodes_that_have_no_visage() {
    let nodes = TIERS.map(|tier| ["a", "b"].map(|node| Node::start(&format!("{tier}-{node}"))));
    let targets = nodes.each_ref().map(|tier| tier.each_ref().map(Node::target));
    let tiers = [(TIERS[0], &targets[0][..]), (TIERS[1], &targets[1][..])];
    let config = nodes
        .as_flattened()
        .iter()
        .fold(Config::new(&tiers), |config, node| config.fetch(&node.target(), &node.url()));
    let mut coco = Coco::start(&config.text());
    let noodle = Noodle::start(&config.text());
    let hosts = coco.two_hosts_of_each_place(&tiers);
    let hosts: Vec<&String> = hosts.iter().flatten().collect();
    let agents: Vec<_> = hosts.iter().map(|host| (host, Collectd::agent(host, coco.listen))).collect();
    wait_until(PATIENCE, "six rows of every agent", || {
        agents.iter().all(|(host, agent)| {
            let load = agent.rows().get(**host).and_then(|series| series.get("load/load").map(Vec::len));
            load.is_some_and(|rows| rows >= 6)
        })
    });
    let sent: csv::Hosts = agents.into_iter().flat_map(|(_, agent)| agent.stop()).collect();
    coco.settled(csv::count(sent.values()));

    let second = |row: &str| row.split('.').next().and_then(|second| second.parse::<i64>().ok());
    let seconds = || sent.values().flat_map(BTreeMap::values).flatten().filter_map(|row| second(row));
    let (start, finish) = (seconds().min().expect("rows") - 1, seconds().max().expect("rows"));
    let owner = |host: &str, tier: usize| {
        let owner = coco.owner(host, TIERS[tier]);
        nodes[tier].iter().find(|node| node.target() == owner).expect("it is one of these")
    };
    for host in &hosts {
        for tier in [0, 1] {
            let node = owner(host, tier);
            let file = node.storage.rrd_files().join(host).join("load/load.rrd");
            let last = sent[*host]["load/load"].last().and_then(|row| second(row)).expect("a row");
            wait_until(PATIENCE, format!("second {last} in {}", file.display()), || {
                node.storage.nudge();
                file.exists() && rrd::last(&file) >= last
            });
        }
    }

    let copies = Directory::new("copies");
    for (index, host) in hosts.iter().enumerate() {
        let node = owner(host, 0);
        let copy = copies.path().join(index.to_string());
        let copied =
            Command::new("cp").arg("-r").arg(node.storage.rrd_files().join(host)).arg(&copy).status();
        assert!(copied.expect("cp runs").success());
        for plugin in ["load", "memory"] {
            let answer = noodle.json(&format!("/data/{host}/{plugin}?start={start}&finish={finish}"));
            assert_eq!(answer["_meta"]["target"], node.target(), "{answer}");
            assert_are_the_values_of(&answer[*host][plugin], &copy.join(plugin), start, finish);
        }
    }
    let all = noodle.json(&format!("/data/*/load/load?start={start}&finish={finish}"));
    for host in &hosts {
        assert!(all[*host]["load"]["load"]["shortterm"]["data"].is_array(), "{host}: {all}");
    }
    assert_eq!(all["_meta"]["partial"], Value::Null, "{all}");

    // A node is gone: its hosts come from the next tier.
    let [[first, _], _] = nodes;
    let dead = first.target();
    let mut daemon = first.daemon;
    assert!(daemon.process.stop().success());
    for host in &hosts {
        let start = start + 1;
        let answer = noodle.json(&format!("/data/{host}/load?start={start}&finish={finish}"));
        assert_ne!(answer["_meta"]["target"], dead, "{answer}");
        assert!(answer[*host]["load"]["load"].is_object(), "{answer}");
    }
    assert!(noodle.stop().success());
    assert!(coco.stop().success());
}

/// That series `{INSTANCE: {DATA SOURCE: {"data"}}}` are what rrdtool reads in these files.
fn assert_are_the_values_of(series: &Value, directory: &Path, start: i64, finish: i64) {
    let mut files = 0;
    for entry in std::fs::read_dir(directory).expect("a directory of RRD files") {
        let file = entry.expect("an entry").path();
        let name = file.file_stem().and_then(|stem| stem.to_str()).expect("a name");
        for (source, expected) in rrd::fetch(&file, start, finish) {
            let data = series[name][&source]["data"].as_array().unwrap_or_else(|| panic!("{name}: {series}"));
            // rrdtool prints eleven digits.
            let printed = |value: &Value| value.as_f64().map(|value| format!("{value:.10e}").parse::<f64>());
            let found: Vec<_> = data.iter().map(printed).collect();
            let expected: Vec<_> =
                expected.iter().map(|value| value.as_ref().map(|text| text.parse())).collect();
            assert!(expected.iter().flatten().count() >= 3, "{name} {source} holds numbers");
            assert_eq!(found, expected, "{name} {source}");
        }
        files += 1;
    }
    assert!(files > 0);
}

#[test]
fn a_fleet_goes_from_visage_to_rrdcached_node_by_node_and_no_request_fails() {
    let finish = 1_795_200_000;
    let directories = ["a", "b"].map(Directory::new);
    let hosts: Vec<String> = (0..6).map(|number| format!("web{number}")).collect();
    for directory in &directories {
        for (number, host) in hosts.iter().enumerate() {
            let values: Vec<f64> = (0..60).map(|row| row as f64 + number as f64 / 4.0).collect();
            rrd::create(&directory.path().join(host).join("gauge/gauge.rrd"), finish, &values);
        }
    }
    let visages = directories.each_ref().map(|directory| Visage::start(directory.path()));
    let daemons = directories.each_ref().map(|directory| Rrdcached::start(directory.path()));
    let targets = ["127.0.0.1:1", "127.0.0.1:2"];
    let config = |migrated: usize| {
        let urls = (0..targets.len()).map(|node| match node < migrated {
            true => format!("rrdcached://{}", daemons[node].address),
            false => visages[node].url(),
        });
        let targets_of = [("all", &targets[..])];
        let config = targets
            .iter()
            .zip(urls)
            .fold(Config::new(&targets_of), |config, (target, url)| config.fetch(target, &url));
        // The port stays, as a reload can't change it.
        config.text()
    };
    let mut noodle = Noodle::start(&config(0));
    let address = noodle.address;
    let query = format!("start={}&finish={finish}", finish - 40);
    let ask = |host: &str| {
        let url = format!("http://{address}/data/{host}/gauge/gauge?{query}");
        let answer = coco_tests::curl::get(&url);
        assert_eq!(answer.status, 200, "{}", answer.body);
        let answer = answer.json();
        let data = answer[host]["gauge"]["gauge"]["value"]["data"].as_array().cloned();
        data.unwrap_or_else(|| panic!("{answer}")).iter().map(Value::as_f64).collect::<Vec<_>>()
    };
    let expected: Vec<_> = hosts.iter().map(|host| ask(host)).collect();
    let is_done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut rounds = 0;
            while !is_done.load(Ordering::Relaxed) || rounds == 0 {
                for (host, expected) in hosts.iter().zip(&expected) {
                    assert_eq!(&ask(host), expected, "{host}");
                }
                rounds += 1;
            }
        });
        for migrated in [1, 2] {
            let _ = noodle.reload(&config(migrated));
            for (host, expected) in hosts.iter().zip(&expected) {
                assert_eq!(&ask(host), expected, "{host}");
            }
        }
        is_done.store(true, Ordering::Relaxed);
        asking.join().expect("every answer was right");
    });
    let tiers = noodle.json("/tiers");
    for target in targets {
        let url = tiers[0]["connections"][target]["url"].as_str().expect("a URL").to_owned();
        assert!(url.starts_with("rrdcached://"), "{tiers}");
    }
    drop(visages);
    assert!(noodle.stop().success());
}
