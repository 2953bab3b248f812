//! What becomes of a fleet: how large it is, between which placements its hosts move, and the file of each step.

use coco_core::config::{Config as CocoConfig, Program};
use coco_core::placement::canary::Percentage;
use coco_core::placement::migration::Stage;
use coco_core::tier::Tiers;
use coco_harness::coco::Config;

use crate::node::{Kind, Node};

/// How large a fleet is, and what becomes of it.
#[derive(Clone, Copy)]
pub(crate) struct Size {
    pub(crate) change: Change,
    pub(crate) cocos: usize,
    pub(crate) noodles: usize,
    /// Nodes that hosts come from, of which the last one stays.
    pub(crate) former: usize,
    /// Nodes that hosts come to, of which the first one was there.
    pub(crate) new: usize,
    pub(crate) hosts: usize,
    /// Those of the nodes, in turn.
    pub(crate) kinds: &'static [Kind],
    /// How long nodes keep values at most.
    pub(crate) cache_time: &'static str,
}

/// Between which placements hosts are on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// From a ring of some nodes to a rendezvous of others.
    Nodes,
    /// From one copy to two, on all nodes.
    Copies,
}

/// What processes go by.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Step {
    Before,
    Moving(&'static str, &'static str),
    Done,
}

/// The file of a step.
pub(crate) fn text(size: Size, nodes: &[Node], step: Step) -> String {
    let list = |nodes: &[Node]| nodes.iter().map(Node::target).collect::<Vec<_>>().join(", ");
    let (former, new) = (list(&nodes[..size.former]), list(&nodes[size.former - 1..]));
    let (before, after, from) = match size.change {
        Change::Nodes => (
            format!("targets = [{former}]\n"),
            format!("hash = \"rendezvous\"\ntargets = [{new}]\n"),
            format!("{{ hash = \"ring\", targets = [{former}] }}"),
        ),
        Change::Copies => {
            let all = list(nodes);
            let of = |copies| format!("hash = \"rendezvous\"\nreplicas = {copies}\ntargets = [{all}]\n");
            (of(1), of(2), "{ replicas = 1 }".to_owned())
        }
    };
    let tier = match step {
        Step::Before => before,
        Step::Moving(both, share) => {
            format!("{after}[tiers.t.migration]\nboth = \"{both}\"\nnew = \"{share}\"\nfrom = {from}\n")
        }
        Step::Done => after,
    };
    format!("{}[tiers.t]\n{tier}", Config::new::<String>(&[]).text())
}

pub(crate) fn tiers(size: Size, nodes: &[Node], step: Step) -> Tiers {
    CocoConfig::parse(&text(size, nodes, step), Program::Coco).expect("a configuration").tiers
}

/// The names of the nodes that a host is written to.
pub(crate) fn writers(tiers: &Tiers, host: &str) -> Vec<String> {
    let tier = tiers.get(0).expect("a tier");
    let places = match tier.placement().migration() {
        Some(migration) => migration.of(host.as_bytes()).writers(),
        None => {
            let mut owners = Vec::new();
            tier.placement().owners(host.as_bytes(), &mut owners);
            owners
        }
    };
    places.into_iter().map(|place| tier.targets()[place].label().to_owned()).collect()
}

/// Some of the first hundredth to move, of the next hundredths, of all others, and some that stay.
pub(crate) fn chosen_hosts(size: Size, nodes: &[Node]) -> Vec<String> {
    let tiers = tiers(size, nodes, Step::Moving("0%", "0%"));
    let migration = tiers.get(0).expect("a tier").placement().migration().expect("a migration");
    let [first, next]: [Percentage; 2] = ["1%", "5%"].map(|text| text.parse().expect("a share"));
    let mut kinds = vec![Vec::new(); 4];
    for number in 0..20_000 {
        let host = format!("web{number}.example.org");
        let name = host.as_bytes();
        let kind = match migration.of(name).stage {
            Stage::Settled => 3,
            _ if first.contains(name) => 0,
            _ if next.contains(name) => 1,
            _ => 2,
        };
        kinds[kind].push(host);
    }
    let each = size.hosts.div_ceil(kinds.iter().filter(|hosts| !hosts.is_empty()).count());
    kinds.into_iter().flat_map(|hosts| hosts.into_iter().take(each)).collect()
}
