//! A node that is added to a tier with copies, with collectd on every node: who is to have a host has it from then on, and
//! nobody else gets anything new.

use std::collections::BTreeMap;

use coco_core::config::CocoConfig;
use coco_harness::coco::{Coco, Config};
use coco_harness::collectd::StorageNode;
use coco_harness::traffic;
use coco_harness::wait::{PATIENCE, wait_until};

const HOSTS: usize = 30;

/// Value lists of each host before the node comes, and as many behind.
const ROUNDS: u32 = 5;

fn text(nodes: &[StorageNode]) -> String {
    let target = |(number, node): (usize, &StorageNode)| {
        format!("{{ name = \"s{number}\", address = \"{}\" }}", node.address)
    };
    let targets: Vec<_> = nodes.iter().enumerate().map(target).collect();
    let tier =
        format!("[tiers.a]\nhash = \"rendezvous\"\nreplicas = 2\ntargets = [{}]\n", targets.join(", "));
    Config::new::<String>(&[]).text() + &tier
}

/// The nodes that a host belongs to.
fn owners(text: &str, host: &str) -> Vec<usize> {
    let config = CocoConfig::parse(text).expect("a configuration");
    let mut owners = Vec::new();
    config.tiers.get(0).expect("a tier").placement().owners(host.as_bytes(), &mut owners);
    owners
}

/// How many rows a node has of each host.
fn rows(node: &StorageNode) -> BTreeMap<String, usize> {
    node.rows().into_iter().map(|(host, series)| (host, series.values().map(Vec::len).sum())).collect()
}

#[test]
fn a_node_that_is_added_has_what_it_owns_from_then_on_and_who_is_rid_of_a_host_gets_no_more_of_it() {
    let nodes: Vec<_> = ["s0", "s1", "s2", "s3"].map(StorageNode::start).into();
    let [old, new] = [text(&nodes[..3]), text(&nodes)];
    let hosts: Vec<_> = (0..HOSTS).map(|number| format!("web{number}.example.org")).collect();
    let mut coco = Coco::start(&old);
    let sender = traffic::sender(coco.listen);
    let send = |rounds: std::ops::Range<u32>| {
        for place in rounds {
            let lists: Vec<_> = hosts.iter().map(|host| traffic::value_list(host, place)).collect();
            traffic::send(&sender, &lists);
        }
    };
    // What each is to have by then.
    let expected = |texts: &[&str]| -> Vec<BTreeMap<String, usize>> {
        let mut all = vec![BTreeMap::new(); nodes.len()];
        for (text, host) in texts.iter().flat_map(|text| hosts.iter().map(move |host| (*text, host))) {
            for owner in owners(text, host) {
                *all[owner].entry(host.clone()).or_insert(0) += ROUNDS as usize;
            }
        }
        all
    };
    let having = || -> Vec<_> { nodes.iter().map(rows).collect() };
    send(0..ROUNDS);
    wait_until(PATIENCE, "all copies in files", || having() == expected(&[&old]));
    assert!(coco.reload(&new).contains("begin anew"));
    send(ROUNDS..2 * ROUNDS);
    let both = expected(&[&old, &new]);
    assert!(!both[3].is_empty() && both[3].len() < HOSTS, "it gets some");
    let moved = hosts.iter().filter(|host| owners(&old, host) != owners(&new, host)).count();
    assert!(moved > 0 && moved < HOSTS, "and others stay: {moved}");
    wait_until(PATIENCE, "all copies in files, and no others", || having() == both);
    assert!(coco.stop().success());
}
