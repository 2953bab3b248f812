//! Packets held back for fuller ones, by `send.linger`: what is held arrives without anything that comes behind it.

use coco_core::value_list::ValueList;
use coco_harness::coco::{Coco, Config};
use coco_harness::sink::Sink;
use coco_harness::traffic;
use coco_harness::wait::{PATIENCE, wait_until};

const TARGETS: usize = 8;

struct Fleet {
    sinks: Vec<Sink>,
    config: Config,
    /// Two of each target.
    hosts: Vec<String>,
}

/// Each of several datagrams brings a value list for each target, one for half of them at a time.
const ROUNDS: u32 = 6;

impl Fleet {
    fn new(threads: u32) -> Self {
        let sinks: Vec<_> = (0..TARGETS).map(|_| Sink::start()).collect();
        let targets: Vec<_> = sinks.iter().map(|sink| sink.address).collect();
        let mut config = Config::new(&[("shortterm", &targets)]);
        config.threads = threads;
        Self { sinks, config, hosts: Vec::new() }
    }

    fn text(&self, linger: &str) -> String {
        format!("{}[send]\nlinger = \"{linger}\"\n", self.config.text())
    }

    fn start(&mut self, linger: &str) -> Coco {
        let coco = Coco::start(&self.text(linger));
        let targets = &self.config.tiers[0].1;
        self.hosts = coco.two_hosts_of_each_place(&[("shortterm", targets)]).into_iter().flatten().collect();
        coco
    }

    /// Sends the value lists of some rounds, a datagram at a time.
    fn send(&self, coco: &Coco, rounds: std::ops::Range<u32>) -> u64 {
        let sender = traffic::sender(coco.listen);
        for round in rounds.clone() {
            let lists: Vec<_> = self.hosts.iter().map(|host| traffic::value_list(host, round)).collect();
            traffic::send(&sender, &lists);
        }
        u64::from(rounds.end - rounds.start) * self.hosts.len() as u64
    }

    /// Waits until each target has all rounds of its hosts, in order.
    fn expect(&self, rounds: u32) {
        for (sink, hosts) in self.sinks.iter().zip(self.hosts.chunks(2)) {
            let all = u64::from(rounds) * hosts.len() as u64;
            wait_until(PATIENCE, "all value lists of a target", || sink.count() >= all);
            let lists = sink.value_lists();
            assert_eq!(lists.len() as u64, all);
            for host in hosts {
                let own = lists.iter().filter(|list| list.identifier.host == host.as_bytes());
                let sent: Vec<ValueList> =
                    (0..rounds).map(|round| traffic::value_list(host, round)).collect();
                assert!(own.eq(&sent), "{host}");
            }
        }
    }
}

#[test]
fn few_values_for_many_targets_arrive_together_and_without_others_behind_them() {
    for threads in 1..=3 {
        let mut fleet = Fleet::new(threads);
        let mut coco = fleet.start("500ms");
        let sent = fleet.send(&coco, 0..ROUNDS);
        let counters = coco.settled(sent);
        fleet.expect(ROUNDS);
        assert_eq!(counters.count(&["queues", "held"]), 0);
        assert!(coco.stop().success());
    }
}

#[test]
fn a_stop_sends_what_is_held_back() {
    for threads in 1..=3 {
        let mut fleet = Fleet::new(threads);
        let coco = fleet.start("1s");
        fleet.send(&coco, 0..ROUNDS);
        assert!(coco.stop().success());
        fleet.expect(ROUNDS);
    }
}

#[test]
fn a_reload_sends_what_is_held_back_and_the_books_balance() {
    for threads in 1..=3 {
        let mut fleet = Fleet::new(threads);
        let mut coco = fleet.start("1s");
        let mut sent = fleet.send(&coco, 0..ROUNDS);
        for (round, linger) in (ROUNDS..).zip(["0s", "100ms", "1s"]) {
            let said = coco.reload(&fleet.text(linger));
            assert!(said.contains("reloaded"), "{said}");
            sent += fleet.send(&coco, round..round + 1);
        }
        let counters = coco.settled(sent);
        assert_eq!(counters.count(&["filter", "accepted"]), sent);
        fleet.expect(ROUNDS + 3);
        assert!(coco.stop().success());
    }
}
