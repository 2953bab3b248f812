//! Hosts with two copies in a tier, each in a zone of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use coco_core::config::CocoConfig;
use serde_json::json;

use crate::joined::store;
use crate::node::Node;
use crate::noodle::Noodle;

/// Four targets, two in each zone, which are read at these addresses.
fn tier(nodes: [SocketAddr; 4]) -> String {
    let zones = ["north", "north", "south", "south"];
    let targets = (0..).zip(nodes).map(|(at, node): (usize, _)| {
        let zone = zones[at];
        format!("{{ name = \"s{at}\", zone = \"{zone}\", address = \"t{at}:1\", fetch = \"http://{node}\" }}")
    });
    let targets: Vec<_> = targets.collect();
    format!("[tiers.t]\nhash = \"rendezvous\"\nreplicas = 2\ntargets = [{}]\n", targets.join(", "))
}

/// Hosts with the places of their owners, the first owner first.
fn hosts() -> BTreeMap<String, Vec<usize>> {
    let nowhere = [1, 2, 3, 4].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
    let config = CocoConfig::parse(&tier(nowhere)).unwrap();
    let owners = |number: usize| {
        let mut owners = Vec::new();
        let name = format!("web{number}");
        config.tiers.get(0).unwrap().placement().owners(name.as_bytes(), &mut owners);
        (name, owners)
    };
    (0..40).map(owners).collect()
}

/// A node for each place, with the hosts that are to lie there.
fn stores() -> [Node; 4] {
    let hosts = hosts();
    [0, 1, 2, 3].map(|place| {
        let here: Vec<&str> = hosts
            .iter()
            .filter(|(_, owners)| owners.contains(&place))
            .map(|(host, _)| host.as_str())
            .collect();
        store(&here, place)
    })
}

fn start(nodes: [SocketAddr; 4], fetch: &str) -> Noodle {
    Noodle::start(&tier(nodes), fetch)
}

#[test]
fn the_first_owner_is_asked_and_every_host_stands_in_an_answer_once() {
    let (hosts, nodes) = (hosts(), stores());
    let noodle = start(nodes.each_ref().map(|node| node.address), "");
    let listed = noodle.get("/data").json();
    assert_eq!(listed["hosts"], json!(hosts.keys().collect::<Vec<_>>()));
    assert!(listed["_meta"].get("partial").is_none());
    let all = noodle.get("/data/web*/load").json();
    for (host, owners) in &hosts {
        assert_eq!(all[host]["load"], owners[0], "{host}: that of the first owner counts");
        assert_eq!(noodle.get(&format!("/data/{host}/load")).json()[host]["load"], owners[0]);
    }
    let looked_up = noodle.get("/lookup?name=web7&all=1").json();
    let names: Vec<_> = hosts["web7"].iter().map(|place| format!("s{place}")).collect();
    assert_eq!(looked_up["t"]["owners"], json!(names));
}

#[test]
fn a_lost_zone_leaves_nothing_out_and_nothing_is_partial() {
    let (hosts, nodes) = (hosts(), stores());
    let noodle =
        start([Node::refusing(), Node::refusing(), nodes[2].address, nodes[3].address], "recovery = \"60s\"");
    for _ in 0..2 {
        for path in ["/data", "/data/web*/load", "/data/web1,web2,web3/load"] {
            let answer = noodle.get(path);
            let meta = answer.split_meta().1;
            assert!(meta.get("partial").is_none() && meta.get("errors").is_none(), "{path}: {meta}");
        }
        let all = noodle.get("/data/web*/load").json();
        assert_eq!(noodle.get("/data").json()["hosts"], json!(hosts.keys().collect::<Vec<_>>()));
        for (host, owners) in &hosts {
            let left = owners.iter().find(|&&place| place >= 2).unwrap();
            assert_eq!(all[host]["load"], *left, "{host}");
            assert_eq!(noodle.get(&format!("/data/{host}/load")).json()[host]["load"], *left, "{host}");
        }
    }
}

#[test]
fn where_all_copies_of_a_host_may_be_lost_the_answer_is_partial() {
    let nodes = stores();
    let noodle = start([Node::refusing(), nodes[1].address, Node::refusing(), nodes[3].address], "");
    for path in ["/data", "/data/web*/load"] {
        let meta = noodle.get(path).split_meta().1;
        assert_eq!(meta["partial"], true, "{path}: {meta}");
    }
    let gone = hosts().into_iter().find(|(_, owners)| owners.iter().all(|place| place % 2 == 0));
    let (host, _) = gone.expect("some host has both copies there");
    assert_eq!(noodle.get(&format!("/data/{host}/load")).status, 502);
}

#[test]
fn copies_take_turns_where_any_is_preferred_and_else_the_first_has_them_all() {
    let (hosts, nodes) = (hosts(), stores());
    let (host, owners) = hosts.first_key_value().unwrap();
    let sources = |fetch: &str| {
        let noodle = start(nodes.each_ref().map(|node| node.address), fetch);
        let ask = |_| noodle.get(&format!("/data/{host}/load")).json()[host]["load"].as_u64().unwrap();
        (0..8).map(ask).collect::<BTreeSet<_>>()
    };
    assert_eq!(sources(""), BTreeSet::from([owners[0] as u64]));
    assert_eq!(sources("prefer = \"any\""), owners.iter().map(|&place| place as u64).collect());
}
