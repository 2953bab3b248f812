//! Agents to Coco to two tiers of storage nodes, collectd at both ends: row by row.
//!
//! The rows that an agent writes to its own csv files are what it sent; nothing is tolerated to be missing, more,
//! or different in a digit.

use std::collections::{BTreeMap, BTreeSet};

use coco_harness::coco::{Coco, Config};
use coco_harness::collectd::{Collectd, StorageNode};
use coco_harness::csv::{self, Hosts, Series};
use coco_harness::traffic;
use coco_harness::wait::{PATIENCE, wait_until};

const TIERS: [&str; 2] = ["shortterm", "midterm"];

/// The blacklist of `coco.sample.conf`, and the plugins that it is about.
const BLACKLIST: &str = "/(vmem|irq|entropy|users)/";
const REFUSED: [&str; 4] = ["vmem", "irq", "entropy", "users"];

#[test]
fn every_row_of_every_agent_reaches_one_node_of_each_tier() {
    let nodes = TIERS.map(|tier| ["a", "b"].map(|node| StorageNode::start(&format!("{tier}-{node}"))));
    let targets = nodes.each_ref().map(|tier| tier.each_ref().map(|node| node.address.to_string()));
    let tiers = [(TIERS[0], &targets[0][..]), (TIERS[1], &targets[1][..])];
    let mut coco = Coco::start(&Config::new(&tiers).blacklist(BLACKLIST).text());

    let hosts = coco.two_hosts_of_each_place(&tiers);
    let agents = hosts.into_iter().flatten().map(|host| (host.clone(), Collectd::agent(&host, coco.listen)));
    let agents: Vec<_> = agents.collect();
    wait_until(PATIENCE, "three rows of every agent", || {
        agents.iter().all(|(host, agent)| {
            let load = agent.rows().get(host).and_then(|series| series.get("load/load").map(Vec::len));
            load.is_some_and(|rows| rows >= 3)
        })
    });
    let agents: Hosts = agents.into_iter().flat_map(|(_, agent)| agent.stop()).collect();
    assert_eq!(agents.len(), 4, "an agent writes its own host only");

    let (refused, accepted) = apart(&agents);
    assert!(
        refused.values().all(|series| series.len() >= 2),
        "irq and users are read everywhere: {refused:?}"
    );
    let counters = coco.settled(csv::count(agents.values()));
    assert_eq!(counters.count(&["listen", "decoded"]), csv::count(agents.values()));
    assert_eq!(counters.count(&["filter", "rejected"]), csv::count(refused.values()));
    assert_eq!(counters.count(&["filter", "accepted"]), csv::count(accepted.values()));
    assert_eq!(counters.count(&["send", "total"]), 2 * csv::count(accepted.values()));
    assert_eq!(counters.count(&["errors", "fetch.receive"]), 0);
    blacklisted_names_what_was_refused(&coco, &refused);
    routes_name_what_was_accepted(&coco, &accepted);
    summaries_count_what_was_accepted(&coco, &targets, &accepted);

    for ((tier, nodes), targets) in TIERS.into_iter().zip(nodes).zip(&targets) {
        let owned = |target: &String| -> Hosts {
            let owned = accepted.iter().filter(|(host, _)| coco.owner(host, tier) == *target);
            owned.map(|(host, series)| (host.clone(), series.clone())).collect()
        };
        for (node, target) in nodes.into_iter().zip(targets) {
            let expected = owned(target);
            assert!(!expected.is_empty(), "hosts were chosen so that {target} gets some");
            assert_eq!(counters.count(&["send", target]), csv::count(expected.values()));
            wait_until(PATIENCE, format!("all rows of node {target}"), || {
                csv::count(node.rows().values()) >= csv::count(expected.values())
            });
            assert_same(target, &node.stop(), &expected);
        }
    }
    assert!(coco.stop().success());
}

#[test]
fn hosts_are_stored_and_counted_as_coco_says() {
    // Each in a datagram and twice: once when Coco meets it, once when it knows it.
    let hosts = ["plain", "a/b", "/lead", "a//b", "/"];
    let nodes = ["a", "b"].map(|node| StorageNode::start(&format!("renamed-{node}")));
    let targets = nodes.each_ref().map(|node| node.address.to_string());
    let mut coco = Coco::start(&Config::new(&[("tier", &targets)]).text());
    let sender = traffic::sender(coco.listen);
    for place in 0..2 {
        hosts.iter().for_each(|host| traffic::send(&sender, [&traffic::value_list(host, place)]));
    }
    let counters = coco.settled(2 * hosts.len() as u64);
    assert_eq!(counters.count(&["filter", "renamed_hosts"]), 2 * (hosts.len() as u64 - 1));
    let mut stored = BTreeSet::new();
    for host in hosts {
        let answer = coco.json(&format!("/lookup?name={}", host.replace('/', "%2F")));
        let name = answer["_meta"]["stored_as"].as_str().unwrap_or(host).to_owned();
        let owner = targets.iter().position(|target| *target == answer["tier"]).expect("it has an owner");
        stored.insert((owner, name));
    }
    assert_eq!(stored.len(), hosts.len());
    let found = || -> BTreeSet<_> {
        let of_node = |(owner, node): (usize, &StorageNode)| {
            node.rows().into_keys().map(move |host| (owner, host)).collect::<Vec<_>>()
        };
        nodes.iter().enumerate().flat_map(of_node).collect()
    };
    wait_until(PATIENCE, format_args!("{stored:?}"), || found() == stored);
    assert!(coco.stop().success());
}

/// What the blacklist refuses, and the rest.
fn apart(agents: &Hosts) -> (Hosts, Hosts) {
    let (mut refused, mut accepted) = (Hosts::new(), Hosts::new());
    for (host, series) in agents {
        let (no, yes): (Series, Series) = series.clone().into_iter().partition(|(name, _)| {
            // Only the plugin can be one of these words: no type and no instance of the agents' plugins is.
            name.split_once('/').is_some_and(|(plugin, _)| REFUSED.contains(&plugin))
        });
        refused.insert(host.clone(), no);
        accepted.insert(host.clone(), yes);
    }
    (refused, accepted)
}

fn blacklisted_names_what_was_refused(coco: &Coco, refused: &Hosts) {
    let shown = coco.json("/blacklisted");
    let shown: BTreeMap<&str, BTreeSet<&str>> = shown
        .as_object()
        .expect("an object of hosts")
        .iter()
        .map(|(host, metrics)| {
            (host.as_str(), metrics.as_object().expect("metrics").keys().map(String::as_str).collect())
        })
        .collect();
    // `irq/irq-7` in csv is the metric `irq/irq/7`; `users/users` has no instance.
    let names =
        |series: &Series| series.keys().map(|name| name.replacen('-', "/", 1)).collect::<BTreeSet<_>>();
    let expected: BTreeMap<_, _> =
        refused.iter().map(|(host, series)| (host.as_str(), names(series))).collect();
    assert_eq!(shown.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
    for (host, metrics) in &expected {
        assert_eq!(shown[host], metrics.iter().map(String::as_str).collect(), "blacklisted of {host}");
    }
}

fn routes_name_what_was_accepted(coco: &Coco, accepted: &Hosts) {
    for tier in coco.json("/tiers").as_array().expect("an array of tiers") {
        let name = tier["name"].as_str().expect("a name");
        for (host, series) in accepted {
            let metrics = tier["routes"][coco.owner(host, name)][host].as_object();
            assert_eq!(metrics.map(serde_json::Map::len), Some(series.len()), "routes of {host} in {name}");
        }
    }
}

/// The summaries of `measure.interval` count hosts and series, refused ones not among them.
fn summaries_count_what_was_accepted(coco: &Coco, targets: &[[String; 2]; 2], accepted: &Hosts) {
    for (tier, targets) in TIERS.into_iter().zip(targets) {
        for target in targets {
            let metrics: Vec<_> = accepted
                .iter()
                .filter(|(host, _)| coco.owner(host, tier) == *target)
                .map(|(_, series)| series.len() as u64)
                .collect();
            let (hosts, sum) = (metrics.len() as u64, metrics.iter().sum::<u64>());
            wait_until(PATIENCE, format!("the summary of {target}"), || {
                let counters = coco.counters();
                let summary = |figure| counters.count(&["hash.metrics_per_host", tier, target, figure]);
                counters.count(&["hash.hosts", target]) == hosts
                    && counters.count(&["hash.metrics", target]) == sum
                    && summary("length") == hosts
                    && summary("sum") == sum
                    && Some(summary("max")) == metrics.iter().max().copied()
            });
        }
    }
}

/// Equality that names the first difference instead of printing thousands of rows.
fn assert_same(node: &str, written: &Hosts, expected: &Hosts) {
    assert_eq!(written.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "hosts of {node}");
    for (host, series) in expected {
        let names = |series: &Series| series.keys().cloned().collect::<BTreeSet<_>>();
        assert_eq!(names(&written[host]), names(series), "series of {host} on {node}");
        for (name, rows) in series {
            assert_eq!(&written[host][name], rows, "rows of {host}/{name} on {node}");
        }
    }
}
