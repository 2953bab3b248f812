//! What Coco sent to each target against what real storage nodes count as received, and where their own counters are.

use std::time::{SystemTime, UNIX_EPOCH};

use coco_harness::coco::{Coco, Config};
use coco_harness::collectd::{Collectd, StorageNode, sample};
use coco_harness::noodle::Noodle;
use coco_harness::text::replaced;
use coco_harness::visage::Visage;
use coco_harness::wait::{PATIENCE, wait_until};

/// The series in which a storage node counts what it received.
const RECEIVED: [&str; 2] =
    ["network/total_values-dispatch-accepted", "network/total_values-dispatch-rejected"];

struct Node {
    storage: StorageNode,
    name: String,
    target: String,
    visage: Visage,
}

impl Node {
    fn start(name: &str, coco: &Coco) -> Self {
        let storage = StorageNode::with_statistics(name, coco.listen);
        let visage = Visage::start(&storage.rrd_files());
        Self { name: name.to_owned(), target: storage.address.to_string(), storage, visage }
    }

    /// The first count of what it received that it made at this second or later, by its own files.
    fn received_at(&self, second: u64) -> Option<u64> {
        let rows = self.storage.rows();
        let series = rows.get(&self.name)?;
        let count = |name: &str| {
            let rows = series.get(name)?.iter().filter_map(|row| row.split_once(','));
            let row = rows.map(|(time, count)| {
                (time.parse::<f64>().expect("a time"), count.parse::<u64>().expect("a count"))
            });
            row.into_iter().find(|(time, _)| *time >= second as f64).map(|(_, count)| count)
        };
        Some(count(RECEIVED[0])? + count(RECEIVED[1])?)
    }

    /// That no value list came twice, as it would if any went in circles.
    fn assert_nothing_twice(&self) {
        for (host, series) in self.storage.rows() {
            for (name, rows) in series {
                let mut times: Vec<_> =
                    rows.iter().map(|row| row.split(',').next().expect("a time")).collect();
                times.dedup();
                assert_eq!(times.len(), rows.len(), "{host}/{name} at {}: {rows:?}", self.name);
            }
        }
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("it is not 1970").as_secs()
}

/// The mean of the rates of a series in some seconds that are over, through Noodle; none while many are missing.
fn rate(noodle: &Noodle, host: &str, series: &str, seconds: [u64; 2]) -> Option<f64> {
    let [start, finish] = seconds;
    let answer = noodle.json(&format!("/data/{host}/{series}?start={start}&finish={finish}"));
    let (plugin, instance) = series.split_once('/').expect("a plugin and an instance");
    let rates = answer[host][plugin][instance]["value"]["data"].as_array()?;
    let known: Vec<_> = rates.iter().filter_map(serde_json::Value::as_f64).collect();
    (known.len() >= 8).then(|| known.iter().sum::<f64>() / known.len() as f64)
}

#[test]
fn what_leaves_for_a_target_is_what_it_counts_as_received() {
    // Who owns what depends on the places of targets only, and nodes must know where Coco is.
    let places = ["127.0.0.1:1", "127.0.0.1:2"];
    let mut coco = Coco::start(&Config::new(&[("shortterm", &places)]).text());
    let hosts = coco.two_hosts_of_each_place(&[("shortterm", &places)]);
    let [[agent, watcher], [other, own]] = [hosts[0].clone(), hosts[1].clone()];
    // The first node's name belongs to the second, and so does the second's.
    let nodes = [Node::start(&other, &coco), Node::start(&own, &coco)];
    let targets = nodes.each_ref().map(|node| node.target.as_str());
    let config = nodes.iter().fold(Config::new(&[("shortterm", &targets)]), |config, node| {
        config.fetch(&node.target, &node.visage.url())
    });
    coco.reload(&config.text());
    let noodle = Noodle::start(&config.text());
    let _agent = Collectd::agent(&agent, coco.listen);
    let _watcher = watch(&watcher, &coco);

    // By the counters themselves, between two looks at Coco's.
    for node in &nodes {
        let sent = || coco.counters().count(&["send", &node.target]);
        wait_until(PATIENCE, "values for every target", || sent() >= 50);
        let (before, second) = (sent(), now() + 2);
        let mut received = None;
        wait_until(PATIENCE, format!("what {} received until second {second}", node.name), || {
            received = node.received_at(second);
            received.is_some()
        });
        let (received, after) = (received.unwrap(), sent());
        assert!((before..=after).contains(&received), "{}: {before}, {received}, {after}", node.name);
    }

    // By what is stored of both, as an operator would ask for it.
    for node in &nodes {
        let sent = format!("curl_json-coco/operations-send-{}", node.target);
        wait_until(2 * PATIENCE, format!("as much received as sent by {}", node.name), || {
            nodes.iter().for_each(|node| node.storage.nudge());
            let seconds = [now() - 13, now() - 3];
            let sent = rate(&noodle, &watcher, &sent, seconds);
            let received = RECEIVED.map(|series| rate(&noodle, &node.name, series, seconds));
            match (sent, received) {
                (Some(sent), [Some(accepted), Some(rejected)]) => {
                    sent > 1.0 && (accepted + rejected - sent).abs() < sent / 10.0
                }
                _ => false,
            }
        });
    }
    for node in &nodes {
        let answer = noodle.json(&format!("/data/{}/network", node.name));
        assert_eq!(answer["_meta"]["target"], targets[1], "the owner of {}", node.name);
        node.assert_nothing_twice();
    }
    assert!(noodle.stop().success());
    assert!(coco.stop().success());
}

/// A collectd beside Coco, which stores Coco's counters as those of any host.
fn watch(host: &str, coco: &Coco) -> Collectd {
    let counters =
        replaced(&sample("coco.conf"), &[("http://localhost:9090", &format!("http://{}", coco.api))]);
    let network = replaced(
        &sample("agent.conf"),
        &[
            (
                "\"coco.example.org\" \"25826\"",
                &format!("\"{}\" \"{}\"", coco.listen.ip(), coco.listen.port()),
            ),
            ("FlushInterval 10", "FlushInterval 1"),
        ],
    );
    Collectd::start(host, &(network + &counters))
}
