//! Agents with two servers, which send everything to both.

use coco_harness::lan::Lan;

use crate::scene::{AGENTS, Fleet, MACHINES, agent, rows};

#[test]
fn agents_with_two_servers_lose_nothing_by_a_death_a_return_and_a_stop() {
    let both = MACHINES.map(Lan::ip);
    let mut fleet = Fleet::start(both);
    let agents = fleet.lan.host(AGENTS);
    let agent = agent(&agents, &both.map(|ip| format!("Server \"{ip}\"\n")).concat());
    fleet.wait_for_more(0);
    fleet.wait_for_more(1);
    rows(&agent, 1);
    fleet.lan.pull(MACHINES[0]);
    rows(&agent, 2);
    fleet.lan.put_back(MACHINES[0]);
    fleet.wait_for_more(0);
    rows(&agent, 1);
    fleet.drain(1);
    fleet.end(1);
    rows(&agent, 2);
    fleet.start_coco(1);
    fleet.wait_for_more(1);
    rows(&agent, 1);
    assert_eq!(fleet.lost_rows(agent), [0; 0]);
}
