//! A fleet that is upgraded machine by machine, and back: for a while there are Cocos of both versions.

use std::path::Path;

use coco_harness::before;
use coco_harness::flows::{self, Flows};
use coco_harness::namespace::PORT;
use coco_harness::program::Program;

use crate::address::{address, scene_of};
use crate::scene::{Fleet, agent, rows};

/// Hosts that both are asked about.
const HOSTS: u32 = 100;

/// Both say of the same hosts that the same targets own them, and of all tiers that they are equal.
fn agree(fleet: &mut Fleet) {
    let answers = [0, 1].map(|place| {
        let hosts = (0..HOSTS).map(flows::name);
        let owners: Vec<_> = hosts.map(|host| fleet.ask(place, &format!("/lookup?name={host}"))).collect();
        let tiers = fleet.ask(place, "/tiers");
        let fingerprints: Vec<_> =
            tiers.as_array().expect("tiers").iter().map(|tier| tier["fingerprint"].clone()).collect();
        assert!(fingerprints.iter().all(serde_json::Value::is_string), "{tiers}");
        (owners, fingerprints)
    });
    assert_eq!(answers[0], answers[1]);
}

/// Replaces the programs of a fleet one by one.
fn roll(from: &Path, to: &Path) {
    let (mut fleet, mut keepalived, agents) = scene_of(from);
    let agent = agent(&agents, &format!("Server \"{}\"", address()));
    let flows = Flows::begin(&agents, (address(), PORT).into(), 1);
    flows.arrive(&fleet.sink);
    rows(&agent, 1);
    fleet.drain(0);
    fleet.wait_for_more(1);
    keepalived[0].wait_to_give_it_away(1);
    fleet.end(0);
    fleet.install(0, to);
    fleet.start_coco(0);
    agree(&mut fleet);
    // Back to the first, which is another version now.
    fleet.wait_for_more(0);
    keepalived[1].wait_to_give_it_away(1);
    rows(&agent, 1);
    fleet.drain(1);
    fleet.end(1);
    fleet.install(1, to);
    fleet.start_coco(1);
    agree(&mut fleet);
    flows.arrive(&fleet.sink);
    rows(&agent, 1);
    assert_eq!(flows.end(&fleet.sink), []);
    assert_eq!(fleet.lost_rows(agent), [0; 0]);
}

#[test]
#[ignore = "long: builds the programs of before"]
fn an_upgrade_machine_by_machine_and_the_way_back_lose_nothing() {
    let (before, now) = (before::path(Program::Coco), Program::Coco.path());
    roll(&before, now);
    roll(now, &before);
}
