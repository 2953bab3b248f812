//! Coco among real links and storage nodes that fail: what the others get is compared value list by value list.

use std::net::SocketAddr;

use coco_core::value_list::ValueList;
use coco_tests::coco::{Coco, Config};
use coco_tests::namespace::Host;
use coco_tests::sink::Sink;
use coco_tests::traffic;
use coco_tests::wait::{PATIENCE, wait_until};

const TIER: &str = "shortterm";

/// Enough hosts that every target owns some.
const HOSTS: u32 = 40;

/// Agents that send a value list of each of their hosts at a time, and what each target is to get of it.
struct Agents {
    /// Each with the target that owns it.
    hosts: Vec<(String, SocketAddr)>,
    sender: std::net::UdpSocket,
    rounds: u32,
}

impl Agents {
    fn of(coco: &Coco) -> Self {
        let hosts = (0..HOSTS).map(|number| {
            let host = format!("host-{number}");
            let owner = coco.owner(&host, TIER).parse().expect("an address");
            (host, owner)
        });
        Self { hosts: hosts.collect(), sender: traffic::sender(coco.listen), rounds: 0 }
    }

    /// The next value list of every host, in a datagram of its own.
    fn send(&mut self) {
        for (host, _) in &self.hosts {
            let list = traffic::value_list(host, self.rounds);
            self.sender.send(&traffic::datagrams(1452, [&list])[0]).expect("coco listens");
        }
        self.rounds += 1;
    }

    /// What was sent so far for this target, host by host.
    fn sent_for(&self, target: SocketAddr) -> Vec<ValueList> {
        let hosts = self.hosts.iter().filter(|(_, owner)| *owner == target);
        hosts.flat_map(|(host, _)| (0..self.rounds).map(|place| traffic::value_list(host, place))).collect()
    }

    /// Sends to all, and waits until this one has all of its own; so nothing overflows on the way.
    fn send_and_await(&mut self, target: SocketAddr, sink: &Sink) {
        self.send();
        let expected = self.sent_for(target).len() as u64;
        assert!(expected > 0, "{target} owns none of {HOSTS} hosts");
        wait_until(PATIENCE, format_args!("round {} at {target}", self.rounds), || sink.count() >= expected);
    }

    /// This target got all that it should have, each host's in order, and nothing else.
    fn assert_complete(&self, target: SocketAddr, sink: &Sink) {
        let mut lists = sink.value_lists();
        // Stable: what is in order stays in order.
        let place = |list: &ValueList| {
            self.hosts.iter().position(|(host, _)| list.identifier.host == host.as_bytes())
        };
        lists.sort_by_key(place);
        assert_eq!(lists, self.sent_for(target));
    }

    /// Value lists sent so far.
    fn count(&self) -> u64 {
        u64::from(HOSTS * self.rounds)
    }
}

fn config(targets: &[SocketAddr]) -> Config {
    Config::new(&[(TIER, targets)])
}

#[test]
fn a_black_hole_costs_its_own_share_and_no_more() {
    let here = Host::new();
    let (good, bad) = (here.node(), here.node());
    let sinks = [good.sink(), bad.sink()];
    bad.host.nft(&format!(
        "table ip t {{
           counter swallowed {{}}
           chain input {{ type filter hook input priority 0; udp dport {} counter name swallowed drop; }}
         }}",
        bad.address().port()
    ));
    here.run(|| {
        let mut coco = Coco::start(&config(&[good.address(), bad.address()]).text());
        let mut agents = Agents::of(&coco);
        for _ in 0..50 {
            agents.send_and_await(good.address(), &sinks[0]);
        }
        let counters = coco.settled(agents.count());
        agents.assert_complete(good.address(), &sinks[0]);
        // Nobody tells Coco; only the target could say what it got.
        let lost = counters.count(&["send.datagrams", &bad.address().to_string()]);
        wait_until(PATIENCE, "all to be swallowed", || bad.host.counted("swallowed") == lost);
        assert_eq!(counters.count(&["send", "total"]), agents.count());
        assert_eq!(sinks[1].count(), 0);
        assert!(coco.stop().success());
    });
}

#[test]
fn what_a_link_loses_was_counted_as_sent() {
    let here = Host::new();
    let (good, bad) = (here.node(), here.node());
    let sinks = [good.sink(), bad.sink()];
    bad.host.nft(&format!(
        "table ip t {{
           counter lost {{}}
           chain input {{
             type filter hook input priority 0;
             udp dport {} numgen random mod 100 < 30 counter name lost drop;
           }}
         }}",
        bad.address().port()
    ));
    here.run(|| {
        let mut coco = Coco::start(&config(&[good.address(), bad.address()]).text());
        let mut agents = Agents::of(&coco);
        for _ in 0..50 {
            agents.send_and_await(good.address(), &sinks[0]);
        }
        let counters = coco.settled(agents.count());
        agents.assert_complete(good.address(), &sinks[0]);
        let sent = counters.count(&["send.datagrams", &bad.address().to_string()]);
        wait_until(PATIENCE, "every datagram to be received or lost", || {
            sinks[1].datagrams().len() as u64 + bad.host.counted("lost") == sent
        });
        assert!(bad.host.counted("lost") > 0 && sinks[1].count() > 0);
        assert!(coco.stop().success());
    });
}
