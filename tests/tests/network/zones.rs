//! Two zones of storage nodes, every host in both, and a cable to one of them that is cut.

use std::collections::{BTreeMap, BTreeSet};
use std::net::UdpSocket;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
use coco_harness::coco::{Coco, Config};
use coco_harness::collectd::StorageNode;
use coco_harness::namespace::{Host, Node};
use coco_harness::noodle::Noodle;
use coco_harness::rrd;
use coco_harness::rrdcached::Rrdcached;
use coco_harness::traffic;
use coco_harness::wait::{PATIENCE, wait_until};
use serde_json::Value as Json;

const HOSTS: u32 = 12;

/// Seconds of each of the three phases: more than a heartbeat of the files, which is 10.
const PHASE: u64 = 20;

/// A collectd that writes RRD files, and what serves them.
struct Storage {
    name: String,
    zone: &'static str,
    collectd: StorageNode,
    rrdcached: Rrdcached,
}

impl Storage {
    fn start(zone: &'static str, number: usize, node: &Node) -> Self {
        let (name, ip) = (format!("{zone}{number}"), node.ip(2));
        let (collectd, rrdcached) = node.host.run(|| {
            let collectd = StorageNode::with_rrd_files_at(&name, ip);
            std::fs::create_dir_all(collectd.rrd_files()).expect("a directory of the test");
            let rrdcached = Rrdcached::start_at(&collectd.rrd_files(), ip);
            (collectd, rrdcached)
        });
        Self { name, zone, collectd, rrdcached }
    }

    fn target(&self) -> String {
        let Self { name, zone, collectd, rrdcached } = self;
        format!(
            "{{ name = \"{name}\", zone = \"{zone}\", address = \"{}\", fetch = \"rrdcached://{}\" }}",
            collectd.address, rrdcached.address
        )
    }

    fn file(&self, host: &str) -> PathBuf {
        self.collectd.rrd_files().join(host).join("plugin/gauge-sequence.rrd")
    }
}

/// Everything in its network.
struct Scene {
    storages: Vec<Storage>,
    noodle: Noodle,
    sender: UdpSocket,
    /// The owners of each host by name, the first owner first.
    owners: BTreeMap<String, Vec<String>>,
    first_second: u64,
    rounds: u64,
}

impl Scene {
    /// Sends a value list of every host for each second of a phase, and waits until those of this zone, or of all, have
    /// the last in their files.
    fn send_phase(&mut self, zones: &[&str]) {
        for _ in 0..PHASE {
            let second = self.first_second + self.rounds;
            let lists: Vec<_> = self.owners.keys().map(|host| value_list(host, second)).collect();
            traffic::send(&self.sender, &lists);
            self.rounds += 1;
        }
        self.wait_for_second(self.first_second + self.rounds - 1, zones);
    }

    /// Until the nodes of these zones have rows of all their hosts up to there.
    fn wait_for_second(&self, second: u64, zones: &[&str]) {
        for storage in self.storages.iter().filter(|storage| zones.contains(&storage.zone)) {
            let own = self.owners.iter().filter(|(_, owners)| owners.contains(&storage.name));
            for (host, _) in own {
                let file = storage.file(host);
                wait_until(PATIENCE, format_args!("second {second} in {}", file.display()), || {
                    storage.collectd.nudge();
                    file.exists() && rrd::last(&file) >= second as i64
                });
            }
        }
    }

    /// The answer of Noodle for all hosts by a glob, from the first second until `rounds` of them.
    fn all(&self, rounds: u64) -> Json {
        let finish = self.first_second + rounds - 1;
        self.noodle
            .json(&format!("/data/zoned*/plugin/gauge-sequence?start={}&finish={finish}", self.first_second))
    }

    /// Nothing is missing: every host, every row of it, and nobody says that there might be more.
    fn assert_whole(&self, rounds: u64) {
        let all = self.all(rounds);
        let meta = &all["_meta"];
        assert!(meta.get("partial").is_none() && meta.get("errors").is_none(), "{meta}");
        for host in self.owners.keys() {
            let rows = all[host]["plugin"]["gauge-sequence"]["value"]["data"].as_array();
            let rows = rows.unwrap_or_else(|| panic!("no {host} in {all}"));
            // The first row began before the first value list.
            let known = rows.iter().skip(1).filter(|row| row.is_number()).count();
            assert_eq!(known + 1, rows.len(), "{host}: {rows:?}");
            assert!(rows.len() as u64 + 2 >= rounds, "{host}: {rows:?}");
            let alone = self.noodle.get(&format!("/data/{host}/plugin/gauge-sequence"));
            assert_eq!(alone.status, 200, "{host}");
        }
        let listed = self.noodle.json("/data");
        assert!(listed["_meta"].get("partial").is_none(), "{listed}");
        let hosts: BTreeSet<_> =
            listed["hosts"].as_array().expect("hosts").iter().filter_map(Json::as_str).collect();
        assert_eq!(hosts, self.owners.keys().map(String::as_str).collect());
    }
}

fn value_list(host: &str, second: u64) -> ValueList {
    let identifier = Identifier {
        host: host.into(),
        plugin: "plugin".into(),
        plugin_instance: Vec::new(),
        type_name: "gauge".into(),
        type_instance: "sequence".into(),
    };
    let time = Time::HighResolution(second << 30);
    ValueList::new(identifier, time, Interval::HighResolution(1 << 30), &[Value::Gauge(second as f64)])
}

#[test]
fn a_zone_is_cut_off_and_reads_go_on_whole_and_its_gaps_are_joined_away() {
    let here = Host::new();
    let zones = ["north", "south"].map(|zone| (zone, here.node()));
    let storages: Vec<_> = zones
        .iter()
        .flat_map(|(zone, node)| (0..3).map(move |number| Storage::start(zone, number, node)))
        .collect();
    here.run(|| {
        let targets: Vec<_> = storages.iter().map(Storage::target).collect();
        let text = Config::new::<String>(&[]).text().replace(
            "[fetch]\n",
            "[fetch]\nproxy_timeout = \"1s\"\nrecovery = \"100ms\"\nfill_gaps = false\ntree_age = \"0s\"\nsettle = \"0s\"\n",
        ) + &format!(
            "[send]\nrecovery = \"250ms\"\n[tiers.zoned]\nhash = \"rendezvous\"\nreplicas = 2\ntargets = [{}]\n",
            targets.join(", ")
        );
        let coco = Coco::start(&text);
        let noodle = Noodle::start(&text);
        let owners = (0..HOSTS).map(|number| {
            let host = format!("zoned{number}");
            let told = coco.json(&format!("/lookup?name={host}&all=1"));
            let owners = told["zoned"]["owners"].as_array().expect("owners").iter();
            (host, owners.map(|owner| owner.as_str().expect("a name").to_owned()).collect())
        });
        let owners = owners.collect();
        let sender = traffic::sender(coco.listen);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("it is later than 1970").as_secs();
        let mut scene = Scene { storages, noodle, sender, owners, first_second: now - 600, rounds: 0 };

        scene.send_phase(&["north", "south"]);
        for (host, owners) in &scene.owners {
            let having: BTreeSet<_> =
                scene.storages.iter().filter(|storage| storage.file(host).exists()).map(|storage| &storage.name).collect();
            assert_eq!(having, owners.iter().collect(), "{host} lies on its owners and nowhere else");
            let zones: BTreeSet<_> = owners.iter().map(|owner| &owner[..5]).collect();
            assert_eq!(zones.len(), 2, "{host} lies in both zones");
        }
        scene.assert_whole(PHASE);

        here.ip(&format!("link set {} down", zones[0].1.device()));
        scene.send_phase(&["south"]);
        scene.assert_whole(2 * PHASE);
        scene.assert_whole(2 * PHASE);

        here.ip(&format!("link set {} up", zones[0].1.device()));
        scene.send_phase(&["north", "south"]);
        let gap = scene.first_second + PHASE;
        let finish = gap + PHASE - 2;
        for storage in scene.storages.iter().filter(|storage| storage.zone == "north") {
            let host = scene.owners.iter().find(|(_, owners)| owners.contains(&storage.name));
            let (host, _) = host.expect("every node has a host");
            let rows = &rrd::fetch(&storage.file(host), gap as i64 + 1, finish as i64)["value"];
            assert!(rows.iter().all(Option::is_none), "{} missed what {host} sent: {rows:?}", storage.name);
        }
        scene.assert_whole(3 * PHASE);
        assert!(coco.stop().success());
    });
}
