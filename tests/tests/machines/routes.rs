//! One address that all machines have, and a router that knows several ways to it.

use std::net::Ipv4Addr;
use std::process::Command;

use coco_harness::directory::Directory;
use coco_harness::flows::{Flows, Gap};
use coco_harness::lan::Lan;
use coco_harness::namespace::{Host, Node, PORT};
use coco_harness::process::Process;
use coco_harness::repository;

use crate::scene::{Fleet, MACHINES, agent, are_one_block, rows, tell};

const ADDRESS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 10);
const ROUTER: u8 = 40;

/// Agents that share their packets among all machines, most likely.
const FLOWS: u32 = 24;

struct Scene {
    /// `etc/equal-cost/coco-routes` on the router.
    check: Process,
    agents: Node,
    fleet: Fleet,
    _router: Host,
    _directory: Directory,
}

impl Scene {
    fn start() -> Self {
        let fleet = Fleet::start([ADDRESS; 2]);
        fleet.machines.iter().for_each(|machine| machine.ip(&format!("address add {ADDRESS}/32 dev lo")));
        let router = fleet.lan.host(ROUTER);
        let agents = router.node();
        agents.host.ip(&format!("route add default via {}", agents.ip(1)));
        router.set("ip_forward", "1");
        router.set("fib_multipath_hash_policy", "1");
        let directory = Directory::new("coco-routes");
        let mut command = Command::new(repository().join("etc/equal-cost/coco-routes"));
        command.args([ADDRESS.to_string(), "9090".to_owned()]).args(MACHINES.map(|n| Lan::ip(n).to_string()));
        let check = router.run(|| Process::start("coco-routes", directory.path(), &mut command));
        let mut scene = Self { check, agents, fleet, _router: router, _directory: directory };
        scene.wait_for_routes(&MACHINES, 1);
        scene
    }

    /// Waits until the address is routed to just these, for so many times by now.
    fn wait_for_routes(&mut self, machines: &[u8], times: usize) {
        let ways: String = machines.iter().map(|number| format!(" {}", Lan::ip(*number))).collect();
        let line = format!("{ADDRESS} is routed to:{ways}");
        self.check.wait_for(&line, |process| {
            (process.stdout().lines().filter(|said| *said == line).count() >= times).then_some(())
        });
    }

    fn flows(&self) -> Flows {
        let flows = Flows::begin(&self.agents.host, (ADDRESS, PORT).into(), FLOWS);
        flows.arrive(&self.fleet.sink);
        assert!((0..2).all(|place| self.fleet.received(place) > 0), "none of {FLOWS} goes to one of both");
        flows
    }
}

#[test]
fn a_route_that_is_withdrawn_for_a_stop_and_comes_back_loses_nothing() {
    let mut scene = Scene::start();
    let agent = agent(&scene.agents.host, &format!("Server \"{ADDRESS}\""));
    let flows = scene.flows();
    for (place, times) in [(0, 2), (1, 3)] {
        rows(&agent, 1);
        scene.fleet.drain(place);
        scene.wait_for_routes(&[MACHINES[1 - place]], 1);
        flows.arrive(&scene.fleet.sink);
        scene.fleet.end(place);
        rows(&agent, 1);
        scene.fleet.start_coco(place);
        scene.wait_for_routes(&MACHINES, times);
        scene.fleet.wait_for_more(place);
    }
    assert_eq!(flows.end(&scene.fleet.sink), []);
    assert_eq!(scene.fleet.lost_rows(agent), [0; 0]);
}

#[test]
fn a_machine_that_dies_costs_its_agents_alone_and_them_until_its_route_is_withdrawn() {
    let mut scene = Scene::start();
    let agent = agent(&scene.agents.host, &format!("Server \"{ADDRESS}\""));
    let flows = scene.flows();
    let death = flows.rounds();
    scene.fleet.lan.pull(MACHINES[0]);
    scene.wait_for_routes(&[MACHINES[1]], 1);
    flows.arrive(&scene.fleet.sink);
    scene.fleet.lan.put_back(MACHINES[0]);
    scene.wait_for_routes(&MACHINES, 2);
    scene.fleet.wait_for_more(0);
    rows(&agent, 1);
    let gaps = flows.end(&scene.fleet.sink);
    let lost = scene.fleet.lost_rows(agent);
    let longest = gaps.iter().max_by_key(|gap| gap.time).expect("a death costs something");
    let all: u32 = gaps.iter().map(Gap::length).sum();
    tell(format_args!(
        "death: {all} of {} agents of {FLOWS}, {longest}; rows of an agent: {}",
        gaps.len(),
        lost.len()
    ));
    assert!(gaps.windows(2).all(|pair| pair[0].flow != pair[1].flow), "one each: {gaps:?}");
    assert!((1..FLOWS as usize).contains(&gaps.len()), "{gaps:?}");
    assert!(gaps.iter().all(|gap| gap.first + 1 >= death), "{gaps:?}");
    assert!(are_one_block(&lost), "{lost:?}");
}
