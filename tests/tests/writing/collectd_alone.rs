//! Agents straight to a storage node, without Coco: what the comparison of the other tests rests on.

use coco_harness::collectd::{Collectd, StorageNode};
use coco_harness::csv;
use coco_harness::wait::{PATIENCE, wait_until};

#[test]
fn a_storage_node_writes_the_rows_of_its_agents_and_nothing_else() {
    let node = StorageNode::start("node");
    let agents = ["one.example.org", "two.example.org"].map(|host| Collectd::agent(host, node.address));
    wait_until(PATIENCE, "a few rows of every host, which FlushInterval brings", || {
        let rows = node.rows();
        rows.len() == 2
            && rows.values().all(|series| series.get("load/load").is_some_and(|rows| rows.len() >= 3))
    });

    let mut sent = csv::Hosts::new();
    for agent in agents {
        sent.append(&mut agent.stop());
    }
    assert_eq!(sent.len(), 2);
    for (host, series) in &sent {
        for name in ["load/load", "uptime/uptime", "users/users"] {
            assert!(series.get(name).is_some_and(|rows| !rows.is_empty()), "{host} has no {name}");
        }
    }

    wait_until(PATIENCE, "the rows that the agents sent at last", || {
        csv::count(node.rows().values()) >= csv::count(sent.values())
    });
    assert_eq!(node.stop(), sent);
}
