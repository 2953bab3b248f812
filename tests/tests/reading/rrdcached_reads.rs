//! Agents to Coco to two tiers of two storage nodes, each a collectd and an rrdcached and nothing else, and back through
//! Noodle: as rrdtool reads copies of the files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use coco_harness::coco::{Coco, Config};
use coco_harness::collectd::{Collectd, StorageNode};
use coco_harness::csv;
use coco_harness::directory::Directory;
use coco_harness::noodle::Noodle;
use coco_harness::rrd;
use coco_harness::rrdcached::Rrdcached;
use coco_harness::visage::Visage;
use coco_harness::wait::{PATIENCE, wait_until};
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

/// A storage node whose files an rrdcached writes, as `storage-rrdcached.conf` has it.
struct Writing {
    storage: StorageNode,
    daemon: Rrdcached,
    base: Directory,
}

impl Writing {
    fn start(name: &str) -> Self {
        let base = Directory::new("written");
        let daemon = Rrdcached::start(base.path());
        Self { storage: StorageNode::with_rrdcached(name, &daemon.socket, base.path()), daemon, base }
    }

    fn target(&self) -> String {
        self.storage.address.to_string()
    }

    fn file(&self, host: &str, metric: &str) -> PathBuf {
        self.base.path().join(host).join(format!("{metric}.rrd"))
    }
}

/// Hours of rows are written into the files rather than waited for.
#[test]
fn a_node_that_was_away_for_an_hour_has_its_gap_filled_by_the_next_tier() {
    const HOUR: i64 = 3600;
    let mut nodes = TIERS.map(|tier| ["a", "b"].map(|node| Writing::start(&format!("{tier}-{node}"))));
    let targets = nodes.each_ref().map(|tier| tier.each_ref().map(Writing::target));
    let tiers = [(TIERS[0], &targets[0][..]), (TIERS[1], &targets[1][..])];
    let with_fetch = |tiers: &[(&str, &[String])]| {
        let nodes = nodes[..tiers.len()].iter().flatten();
        let config = nodes.fold(Config::new(tiers), |config, node| {
            config.fetch(&node.target(), &format!("rrdcached://{}", node.daemon.address))
        });
        config.text()
    };
    let coco = Coco::start(&with_fetch(&tiers));
    let [both, alone] = [&tiers[..], &tiers[..1]].map(|tiers| Noodle::start(&with_fetch(tiers)));
    let places = coco.two_hosts_of_each_place(&tiers);

    // Of the first node an hour is missing, of no other anything.
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).expect("it is late").as_secs());
    let now = now.expect("it is not that late") / 10 * 10;
    let (start, gap) = (now - 3 * HOUR, now - 2 * HOUR..now - HOUR);
    for (place, hosts) in places.iter().enumerate() {
        for (tier, host) in [0, 1].into_iter().flat_map(|tier| hosts.iter().map(move |host| (tier, host))) {
            let past = (start..now - 5).step_by(10);
            let past = past.filter(|second| (tier, place) != (0, 0) || !gap.contains(second));
            let value = |second: i64| (second, (second % 1000) as f64 / 8.0);
            rrd::create_load(&nodes[tier][place].file(host, "load/load"), past.map(value));
        }
    }

    let hosts: Vec<(usize, &String)> = places
        .iter()
        .enumerate()
        .flat_map(|(place, hosts)| hosts.iter().map(move |host| (place, host)))
        .collect();
    let agents: Vec<_> = hosts.iter().map(|(_, host)| Collectd::agent(host, coco.listen)).collect();
    let ask =
        |noodle: &Noodle, host: &str, [plugin, instance, source]: [&str; 3], [start, finish]: [i64; 2]| {
            let answer =
                noodle.json(&format!("/data/{host}/{plugin}/{instance}?start={start}&finish={finish}"));
            let data = answer[host][plugin][instance][source]["data"].as_array().cloned().unwrap_or_default();
            (data.iter().map(Value::as_f64).collect::<Vec<_>>(), answer["_meta"].clone())
        };
    const LOAD: [&str; 3] = ["load", "load", "shortterm"];
    const MEMORY: [&str; 3] = ["memory", "memory-used", "value"];
    let known = |rows: &[Option<f64>]| rows.iter().flatten().count();
    // What was not there before is as collectd made it, a row each second.
    for (place, host) in &hosts {
        wait_until(PATIENCE, format!("rows of {host} by way of its rrdcached"), || {
            nodes[0][*place].storage.nudge();
            known(&ask(&alone, host, MEMORY, [now, now + 600]).0) >= 3
        });
    }

    // The first node is away, and comes back.
    let [[first, _], _] = &mut nodes;
    let (dead, away) = (first.target(), places[0][0].as_str());
    assert!(first.daemon.process.stop().success());
    let (rows, meta) = ask(&both, away, LOAD, [gap.start, gap.end - 10]);
    assert_eq!((&meta["target"], known(&rows)), (&Value::from(targets[1][0].clone()), 359), "{meta}");
    first.daemon.start_again();
    for agent in agents {
        assert!(!agent.stop().is_empty());
    }

    let copies = Directory::new("copies");
    let expected = |tier: usize, (place, host): (usize, &str), metric: [&str; 3], window: [i64; 2]| {
        let [plugin, instance, source] = metric;
        let copy = copies.path().join(format!("{tier}-{host}-{instance}.rrd"));
        let file = nodes[tier][place].file(host, &format!("{plugin}/{instance}"));
        std::fs::copy(file, &copy).expect("a copy");
        let printed = rrd::fetch(&copy, window[0], window[1]).remove(source).expect("a data source");
        let number = |text: String| text.parse::<f64>().expect("a number");
        printed.into_iter().map(|value| value.map(number)).collect::<Vec<_>>()
    };
    // rrdtool prints eleven digits.
    let printed = |rows: &[Option<f64>]| {
        let printed = |value: &f64| format!("{value:.10e}").parse::<f64>().expect("a number");
        rows.iter().map(|value| value.as_ref().map(printed)).collect::<Vec<_>>()
    };
    for (place, host) in hosts.iter().map(|(place, host)| (*place, host.as_str())) {
        let window = [start + 10, now - HOUR / 2];
        let [own, next] = [0, 1].map(|tier| expected(tier, (place, host), LOAD, window));
        assert_eq!(
            own.iter().filter(|row| row.is_none()).count(),
            if place == 0 { 361 } else { 0 },
            "{host}"
        );
        assert_eq!(printed(&ask(&alone, host, LOAD, window).0), own, "{host}");
        let (rows, meta) = ask(&both, host, LOAD, window);
        let joined: Vec<_> = own.iter().zip(&next).map(|(own, next)| own.or(*next)).collect();
        assert_eq!(printed(&rows), joined, "{host}");
        assert_eq!((known(&rows), &meta["partial"]), (rows.len(), &Value::Null), "{host}: {meta}");
        let sources = match place {
            0 => format!("{dead}, {}", targets[1][0]),
            _ => targets[0][1].clone(),
        };
        assert_eq!(meta["sources"], sources, "{host}");
        // Whoever asks for rows has them written first.
        let window = [now, now + 50];
        wait_until(PATIENCE, format!("the rows of {host} that rrdtool reads"), || {
            let rows = printed(&ask(&alone, host, MEMORY, window).0);
            known(&rows) >= 3 && rows == expected(0, (place, host), MEMORY, window)
        });
    }
    assert!(both.stop().success() && alone.stop().success());
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
        let answer = coco_harness::curl::get(&url);
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
