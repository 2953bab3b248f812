//! collectd-tg, the traffic generator that the README recommends: many hosts in every datagram.

use std::process::Command;

use coco_core::value_list::ValueList;
use coco_harness::coco::{Coco, Config};
use coco_harness::directory::Directory;
use coco_harness::process::Process;
use coco_harness::sink::Sink;
use coco_harness::traffic;
use coco_harness::wait::{PATIENCE, wait_until};

const TIERS: [&str; 2] = ["shortterm", "midterm"];

#[test]
fn every_value_list_reaches_its_owner_in_every_tier() {
    let sinks = TIERS.map(|_| [(); 3].map(|()| Sink::start()));
    let targets = sinks.each_ref().map(|tier| tier.each_ref().map(|sink| sink.address));
    let config =
        Config::new(&[(TIERS[0], &targets[0][..]), (TIERS[1], &targets[1][..])]).blacklist("/plugin00[1-3]/");
    let mut coco = Coco::start(&config.text());

    let sent = run_collectd_tg(&coco);
    let counters = coco.settled(sent.len() as u64);

    let refused = |list: &ValueList| {
        [&b"plugin001"[..], b"plugin002", b"plugin003"].contains(&&*list.identifier.plugin)
    };
    let (refused, mut accepted): (Vec<_>, Vec<_>) = sent.into_iter().partition(refused);
    assert!(!refused.is_empty() && !accepted.is_empty());
    assert_eq!(counters.count(&["listen", "decoded"]), (refused.len() + accepted.len()) as u64);
    assert_eq!(counters.count(&["filter", "rejected"]), refused.len() as u64);
    assert_eq!(counters.count(&["filter", "accepted"]), accepted.len() as u64);
    assert_eq!(counters.count(&["send", "total"]), 2 * accepted.len() as u64);
    assert_eq!(counters.count(&["errors", "fetch.receive"]), 0);

    in_order_of_identifiers(&mut accepted);
    for (tier, sinks) in TIERS.into_iter().zip(&sinks) {
        wait_until(PATIENCE, format!("all value lists of {tier}"), || {
            sinks.iter().map(Sink::count).sum::<u64>() >= accepted.len() as u64
        });
        let mut arrived = Vec::new();
        for sink in sinks {
            let lists = sink.value_lists();
            assert_eq!(counters.count(&["send", &sink.address.to_string()]), lists.len() as u64);
            owned_by(&coco, tier, sink, &lists);
            arrived.extend(lists);
        }
        in_order_of_identifiers(&mut arrived);
        assert_eq!(arrived.len(), accepted.len(), "value lists of {tier}");
        for (arrived, accepted) in arrived.iter().zip(&accepted) {
            assert_eq!(arrived, accepted, "{tier}");
        }
    }
    assert!(coco.stop().success());
}

/// Runs collectd-tg for some thousand value lists and returns those that it got out: it keeps the last, partial
/// datagram for itself, so they are read off the wire.
fn run_collectd_tg(coco: &Coco) -> Vec<ValueList> {
    let tee = Sink::tee(coco.listen);
    let directory = Directory::new("collectd-tg");
    let mut command = Command::new("collectd-tg");
    // It sends all values of an interval at once; 1500 make some 75 datagrams, which any receive buffer holds.
    command.args(["-n", "1500", "-H", "60", "-p", "12", "-i", "1", "-d", "127.0.0.1", "-D"]);
    let mut collectd_tg =
        Process::start("collectd-tg", directory.path(), command.arg(tee.address.port().to_string()));
    collectd_tg.wait_for("a hundred datagrams", |_| (tee.datagram_count() >= 100).then_some(()));
    assert!(collectd_tg.stop().success());

    // What comes last through a socket says that all before it has come through.
    traffic::sender(tee.address).send(&[]).expect("the tee listens");
    wait_until(PATIENCE, "the last datagram", || tee.last().is_some_and(|last| last.is_empty()));
    tee.value_lists()
}

fn owned_by(coco: &Coco, tier: &str, sink: &Sink, lists: &[ValueList]) {
    let mut hosts: Vec<_> = lists.iter().map(|list| &*list.identifier.host).collect();
    hosts.sort_unstable();
    hosts.dedup();
    assert!(!hosts.is_empty(), "60 hosts fall on every target");
    for host in hosts {
        let host = str::from_utf8(host).expect("collectd-tg writes ASCII");
        assert_eq!(coco.owner(host, tier), sink.address.to_string(), "owner of {host} in {tier}");
    }
}

/// Sorts by name and time, which leaves nothing equal: collectd-tg gives every metric a name of its own.
fn in_order_of_identifiers(lists: &mut [ValueList]) {
    lists.sort_by(|a, b| (&a.identifier, a.time.cdtime()).cmp(&(&b.identifier, b.time.cdtime())));
}
