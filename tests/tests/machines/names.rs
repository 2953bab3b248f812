//! One name with the addresses of both machines, of which an agent takes one.

use coco_harness::lan::Lan;
use coco_harness::names::{ETC, Names};
use coco_harness::namespace::Host;

use crate::scene::{AGENTS, Fleet, MACHINES, agent, are_one_block, rows, tell};

const NAME: &str = "coco.example.org";

#[test]
fn a_name_keeps_an_agent_at_a_dead_machine_until_it_leads_elsewhere() {
    let both = MACHINES.map(Lan::ip);
    let mut fleet = Fleet::start(both);
    let agents = Host::new().with_etc(ETC);
    fleet.lan.plug(AGENTS, &agents);
    let names = Names::serve(&agents);
    names.set(NAME, &both);
    let agent = agent(&agents, &format!("<Server \"{NAME}\">\nResolveInterval 1\n</Server>"));
    rows(&agent, 2);
    // The first of the answer; the other one hears nothing.
    fleet.wait_for_more(0);
    assert_eq!(fleet.received(1), 0);

    // That it asks again helps nothing as long as the answer is the same.
    fleet.lan.pull(MACHINES[0]);
    names.await_question();
    rows(&agent, 1);
    assert_eq!(fleet.received(1), 0);
    names.set(NAME, &both[1..]);
    fleet.wait_for_more(1);
    rows(&agent, 1);

    // A return, and another name server that has the addresses in another order.
    fleet.lan.put_back(MACHINES[0]);
    names.set(NAME, &[both[1], both[0]]);
    names.await_question();
    rows(&agent, 1);
    names.set(NAME, &both);
    fleet.wait_for_more(0);

    // A planned change: the name first, then the stop.
    names.set(NAME, &both[1..]);
    fleet.wait_for_more(1);
    fleet.drain(0);
    fleet.end(0);
    rows(&agent, 2);
    let lost = fleet.lost_rows(agent);
    tell(format_args!("a name that was changed late: {} rows of an agent", lost.len()));
    assert!(!lost.is_empty() && are_one_block(&lost), "{lost:?}");
}
