//! Coco between targets at the other ends of links.

use std::net::UdpSocket;

use coco_core::value_list::ValueList;
use coco_harness::coco::{Coco, Config, Counters};
use coco_harness::namespace::{Host, Node, PORT};
use coco_harness::sink::Sink;
use coco_harness::traffic;
use coco_harness::wait::{PATIENCE, wait_until};
use serde_json::Value;

pub(crate) const TIER: &str = "shortterm";

/// Enough hosts that every target owns some.
pub(crate) const HOSTS: u32 = 40;

/// So few rounds are on their way at a time that no socket buffer of this machine overflows.
pub(crate) const ROUNDS: usize = 50;

/// What Coco says of a target.
pub(crate) fn connection(coco: &Coco, target: &str) -> Value {
    coco.json("/tiers")[0]["connections"][target].take()
}

pub(crate) fn state(coco: &Coco, target: &str) -> String {
    connection(coco, target)["state"].as_str().expect("every target has a state").to_owned()
}

/// Lines of the log that hold this.
pub(crate) fn logged(coco: &Coco, text: &str) -> usize {
    coco.process.stdout().lines().filter(|line| line.contains(text)).count()
}

/// A Coco with these targets, for which time passes quickly.
pub(crate) fn coco(targets: &[&str]) -> Coco {
    let config = Config::new(&[(TIER, targets)]).text();
    Coco::start(&(config + "[send]\nrecovery = \"250ms\"\nresolve_interval = \"1s\"\n"))
}

/// A target that is well, and what it gets.
pub(crate) struct Good {
    pub(crate) name: String,
    pub(crate) sink: Sink,
}

impl Good {
    pub(crate) fn on(node: &Node) -> Self {
        Self { name: node.address().to_string(), sink: node.sink() }
    }
}

/// Agents that send a value list of each of their hosts at a time, and what each target is to get of it.
pub(crate) struct Agents {
    /// Each with the target that owns it.
    pub(crate) hosts: Vec<(String, String)>,
    pub(crate) sender: UdpSocket,
    pub(crate) rounds: u32,
}

impl Agents {
    pub(crate) fn of(coco: &Coco) -> Self {
        let hosts = (0..HOSTS).map(|number| format!("host-{number}"));
        let hosts = hosts.map(|host| (host.clone(), coco.owner(&host, TIER))).collect();
        Self { hosts, sender: traffic::sender(coco.listen), rounds: 0 }
    }

    /// The next value list of every host, in a datagram of its own, and waits until this target has its share: so
    /// nothing overflows on the way.
    pub(crate) fn send(&mut self, good: &Good) {
        for (host, _) in &self.hosts {
            traffic::send(&self.sender, [&traffic::value_list(host, self.rounds)]);
        }
        self.rounds += 1;
        let expected = self.sent_for(&good.name).len() as u64;
        assert!(expected > 0, "{} owns none of {HOSTS} hosts", good.name);
        wait_until(PATIENCE, format_args!("round {}", self.rounds), || good.sink.count() >= expected);
    }

    /// Goes on sending until a target is in this state, which it must be seen in.
    pub(crate) fn send_until(&mut self, good: &Good, coco: &Coco, target: &str, wanted: &str) {
        wait_until(PATIENCE, format_args!("{target} to be {wanted}"), || {
            self.send(good);
            state(coco, target) == wanted
        });
    }

    /// What was sent so far for this target, host by host.
    pub(crate) fn sent_for(&self, target: &str) -> Vec<ValueList> {
        let hosts = self.hosts.iter().filter(|(_, owner)| owner == target);
        hosts.flat_map(|(host, _)| (0..self.rounds).map(|place| traffic::value_list(host, place))).collect()
    }

    /// Value lists host by host, those of one host as they came.
    pub(crate) fn sorted(&self, mut lists: Vec<ValueList>) -> Vec<ValueList> {
        let host = |list: &ValueList| {
            self.hosts.iter().position(|(host, _)| list.identifier.host == host.as_bytes())
        };
        lists.sort_by_key(host);
        lists
    }

    /// The good target got all that it should have, each host's in order, and nothing else; all books balance.
    pub(crate) fn assert_complete(&self, good: &Good, coco: &mut Coco) -> Counters {
        let counters = coco.settled(u64::from(HOSTS * self.rounds));
        assert_eq!(self.sorted(good.sink.value_lists()), self.sent_for(&good.name));
        assert_eq!(counters.count(&["send", &good.name]), self.sent_for(&good.name).len() as u64);
        counters
    }
}

/// A Coco between a good target and a bad one, each at the other end of a link.
pub(crate) struct Scene {
    pub(crate) here: Host,
    pub(crate) good: Good,
    pub(crate) bad: Node,
    pub(crate) bad_name: String,
    pub(crate) _good_node: Node,
}

impl Scene {
    pub(crate) fn new() -> Self {
        let here = Host::new();
        let (good, bad) = (here.node(), here.node());
        let bad_name = bad.address().to_string();
        Self { here, good: Good::on(&good), bad, bad_name, _good_node: good }
    }

    /// Starts Coco, and stops it at the end.
    pub(crate) fn play(&self, act: impl FnOnce(&mut Coco, &mut Agents) + Send) {
        self.here.run(|| {
            let mut coco = coco(&[&self.good.name, &self.bad_name]);
            let mut agents = Agents::of(&coco);
            act(&mut coco, &mut agents);
            assert!(coco.stop().success());
        });
    }

    /// What of it the bad target is to get.
    pub(crate) fn bad_share(&self, agents: &Agents) -> u64 {
        agents.sent_for(&self.bad_name).len() as u64
    }
}

/// A ruleset of one rule, and a counter.
pub(crate) fn rule(hook: &str, rule: &str) -> String {
    format!(
        "table ip t {{
           counter dropped {{}}
           chain {hook} {{
             type filter hook {hook} priority 0
             {rule}
           }}
         }}"
    )
}

/// A node drops some of what comes for its target, and counts that.
pub(crate) fn drop_datagrams(node: &Node, which: &str) {
    node.host.nft(&rule("input", &format!("udp dport {PORT} {which} counter name dropped drop")));
}
