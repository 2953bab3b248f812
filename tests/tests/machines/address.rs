//! One address, which keepalived has on the machine that is well.

use std::net::Ipv4Addr;
use std::path::Path;

use coco_harness::flows::Flows;
use coco_harness::keepalived::Keepalived;
use coco_harness::lan::Lan;
use coco_harness::namespace::{Host, PORT};
use coco_harness::program::Program;

use crate::scene::{AGENTS, Fleet, agent, are_one_block, rows, tell};

pub(crate) fn address() -> Ipv4Addr {
    Lan::ip(10)
}

/// Both machines, with the address on the first.
fn scene() -> (Fleet, [Keepalived; 2], Host) {
    scene_of(Program::Coco.path())
}

/// The same with another build of Coco.
pub(crate) fn scene_of(build: &Path) -> (Fleet, [Keepalived; 2], Host) {
    let fleet = Fleet::start_builds([address(); 2], build);
    for machine in &fleet.machines {
        // As etc/keepalived/coco.conf says, so that what is on its way when the address moves is taken.
        machine.set("conf/all/arp_ignore", "1");
        machine.set("conf/all/arp_announce", "2");
        machine.ip(&format!("address add {}/32 dev lo", address()));
    }
    let [first, second] = &fleet.machines;
    let mut keepalived = [(first, "priority 150"), (second, "priority 100")]
        .map(|(host, priority)| Keepalived::start(host, address(), priority));
    keepalived[0].wait_for_address(1);
    let agents = fleet.lan.host(AGENTS);
    (fleet, keepalived, agents)
}

#[test]
fn an_address_that_moves_for_a_stop_and_back_loses_nothing() {
    let (mut fleet, mut keepalived, agents) = scene();
    let agent = agent(&agents, &format!("Server \"{}\"", address()));
    let flows = Flows::begin(&agents, (address(), PORT).into(), 1);
    flows.arrive(&fleet.sink);
    rows(&agent, 1);
    let begin = flows.rounds();
    fleet.drain(0);
    fleet.wait_for_more(1);
    tell(format_args!("planned: moved after {} rounds", flows.rounds() - begin));
    keepalived[0].wait_to_give_it_away(1);
    fleet.end(0);
    rows(&agent, 2);
    fleet.start_coco(0);
    fleet.wait_for_more(0);
    keepalived[1].wait_to_give_it_away(1);
    rows(&agent, 1);
    assert_eq!(flows.end(&fleet.sink), []);
    assert_eq!(fleet.lost_rows(agent), [0; 0]);
}

#[test]
fn an_address_whose_machine_dies_is_on_the_other_one_and_its_return_loses_nothing() {
    let (fleet, mut keepalived, agents) = scene();
    let agent = agent(&agents, &format!("Server \"{}\"", address()));
    let flows = Flows::begin(&agents, (address(), PORT).into(), 1);
    flows.arrive(&fleet.sink);
    rows(&agent, 1);
    let death = flows.rounds();
    fleet.lan.pull(crate::scene::MACHINES[0]);
    fleet.wait_for_more(1);
    rows(&agent, 1);
    fleet.lan.put_back(crate::scene::MACHINES[0]);
    keepalived[0].wait_for_address(2);
    fleet.wait_for_more(0);
    rows(&agent, 1);
    let gaps = flows.end(&fleet.sink);
    let lost = fleet.lost_rows(agent);
    gaps.iter().for_each(|gap| tell(format_args!("death: {gap}; rows of an agent: {}", lost.len())));
    assert_eq!(gaps.len(), 1, "{gaps:?}");
    assert!(gaps[0].first + 1 >= death, "{gaps:?}");
    assert!(are_one_block(&lost), "{lost:?}");
}
