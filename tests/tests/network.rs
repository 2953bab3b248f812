//! Coco among real links and storage nodes that fail: what the others get is compared value list by value list.

use std::net::{SocketAddrV6, UdpSocket};

use coco_core::value_list::ValueList;
use coco_core::wire::{PADDING_MAX, padding};
use coco_tests::coco::{Coco, Config, Counters, run};
use coco_tests::directory::Directory;
use coco_tests::names::{ETC, Names};
use coco_tests::namespace::{Host, Node, PORT};
use coco_tests::sink::Sink;
use coco_tests::text::replaced;
use coco_tests::traffic;
use coco_tests::wait::{PATIENCE, wait_until};
use nix::net::if_::if_nametoindex;
use serde_json::Value;
use socket2::SockRef;

const TIER: &str = "shortterm";

/// Enough hosts that every target owns some.
const HOSTS: u32 = 40;

/// So few rounds are on their way at a time that no socket buffer of this machine overflows.
const ROUNDS: usize = 50;

/// What Coco says of a target.
fn connection(coco: &Coco, target: &str) -> Value {
    coco.json("/tiers")[0]["connections"][target].take()
}

fn state(coco: &Coco, target: &str) -> String {
    connection(coco, target)["state"].as_str().expect("every target has a state").to_owned()
}

/// Lines of the log that hold this.
fn logged(coco: &Coco, text: &str) -> usize {
    coco.process.stdout().lines().filter(|line| line.contains(text)).count()
}

/// A Coco with these targets, for which time passes quickly.
fn coco(targets: &[&str]) -> Coco {
    let config = Config::new(&[(TIER, targets)]).text();
    Coco::start(&(config + "[send]\nrecovery = \"250ms\"\nresolve_interval = \"1s\"\n"))
}

/// A target that is well, and what it gets.
struct Good {
    name: String,
    sink: Sink,
}

impl Good {
    fn on(node: &Node) -> Self {
        Self { name: node.address().to_string(), sink: node.sink() }
    }
}

/// Agents that send a value list of each of their hosts at a time, and what each target is to get of it.
struct Agents {
    /// Each with the target that owns it.
    hosts: Vec<(String, String)>,
    sender: UdpSocket,
    rounds: u32,
}

impl Agents {
    fn of(coco: &Coco) -> Self {
        let hosts = (0..HOSTS).map(|number| format!("host-{number}"));
        let hosts = hosts.map(|host| (host.clone(), coco.owner(&host, TIER))).collect();
        Self { hosts, sender: traffic::sender(coco.listen), rounds: 0 }
    }

    /// The next value list of every host, in a datagram of its own, and waits until this target has its share: so
    /// nothing overflows on the way.
    fn send(&mut self, good: &Good) {
        for (host, _) in &self.hosts {
            traffic::send(&self.sender, [&traffic::value_list(host, self.rounds)]);
        }
        self.rounds += 1;
        let expected = self.sent_for(&good.name).len() as u64;
        assert!(expected > 0, "{} owns none of {HOSTS} hosts", good.name);
        wait_until(PATIENCE, format_args!("round {}", self.rounds), || good.sink.count() >= expected);
    }

    /// Goes on sending until a target is in this state, which it must be seen in.
    fn send_until(&mut self, good: &Good, coco: &Coco, target: &str, wanted: &str) {
        wait_until(PATIENCE, format_args!("{target} to be {wanted}"), || {
            self.send(good);
            state(coco, target) == wanted
        });
    }

    /// What was sent so far for this target, host by host.
    fn sent_for(&self, target: &str) -> Vec<ValueList> {
        let hosts = self.hosts.iter().filter(|(_, owner)| owner == target);
        hosts.flat_map(|(host, _)| (0..self.rounds).map(|place| traffic::value_list(host, place))).collect()
    }

    /// Value lists host by host, those of one host as they came.
    fn sorted(&self, mut lists: Vec<ValueList>) -> Vec<ValueList> {
        let host = |list: &ValueList| {
            self.hosts.iter().position(|(host, _)| list.identifier.host == host.as_bytes())
        };
        lists.sort_by_key(host);
        lists
    }

    /// The good target got all that it should have, each host's in order, and nothing else; all books balance.
    fn assert_complete(&self, good: &Good, coco: &mut Coco) -> Counters {
        let counters = coco.settled(u64::from(HOSTS * self.rounds));
        assert_eq!(self.sorted(good.sink.value_lists()), self.sent_for(&good.name));
        assert_eq!(counters.count(&["send", &good.name]), self.sent_for(&good.name).len() as u64);
        counters
    }
}

/// A Coco between a good target and a bad one, each at the other end of a link.
struct Scene {
    here: Host,
    good: Good,
    bad: Node,
    bad_name: String,
    _good_node: Node,
}

impl Scene {
    fn new() -> Self {
        let here = Host::new();
        let (good, bad) = (here.node(), here.node());
        let bad_name = bad.address().to_string();
        Self { here, good: Good::on(&good), bad, bad_name, _good_node: good }
    }

    /// Starts Coco, and stops it at the end.
    fn play(&self, act: impl FnOnce(&mut Coco, &mut Agents) + Send) {
        self.here.run(|| {
            let mut coco = coco(&[&self.good.name, &self.bad_name]);
            let mut agents = Agents::of(&coco);
            act(&mut coco, &mut agents);
            assert!(coco.stop().success());
        });
    }

    /// What of it the bad target is to get.
    fn bad_share(&self, agents: &Agents) -> u64 {
        agents.sent_for(&self.bad_name).len() as u64
    }
}

/// A ruleset of one rule, and a counter.
fn rule(hook: &str, rule: &str) -> String {
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
fn drop_datagrams(node: &Node, which: &str) {
    node.host.nft(&rule("input", &format!("udp dport {PORT} {which} counter name dropped drop")));
}

#[test]
fn a_black_hole_costs_its_own_share_and_no_more() {
    let scene = Scene::new();
    let Scene { good, bad, bad_name, .. } = &scene;
    let bad_sink = bad.sink();
    drop_datagrams(bad, "");
    scene.play(|coco, agents| {
        (0..ROUNDS).for_each(|_| agents.send(good));
        let counters = agents.assert_complete(good, coco);
        // Nobody tells Coco; only the target could say what it got.
        let sent = counters.count(&["send.datagrams", bad_name]);
        wait_until(PATIENCE, "all to be swallowed", || bad.host.counted("dropped") == sent);
        assert_eq!(counters.count(&["send", bad_name]), scene.bad_share(agents));
        assert_eq!((bad_sink.count(), state(coco, bad_name).as_str()), (0, "up"));
    });
}

#[test]
fn what_a_link_loses_was_counted_as_sent() {
    let scene = Scene::new();
    let Scene { good, bad, bad_name, .. } = &scene;
    let bad_sink = bad.sink();
    drop_datagrams(bad, "numgen random mod 100 < 30");
    scene.play(|coco, agents| {
        (0..ROUNDS).for_each(|_| agents.send(good));
        let counters = agents.assert_complete(good, coco);
        let sent = counters.count(&["send.datagrams", bad_name]);
        wait_until(PATIENCE, "every datagram to be received or lost", || {
            bad_sink.datagram_count() as u64 + bad.host.counted("dropped") == sent
        });
        assert!(bad.host.counted("dropped") > 0 && bad_sink.count() > 0);
    });
}

#[test]
fn a_receiver_that_is_too_slow_loses_what_it_has_no_room_for() {
    let scene = Scene::new();
    let Scene { good, bad, bad_name, .. } = &scene;
    // So slow that it never reads.
    let slow = bad.bind(bad.address());
    SockRef::from(&slow).set_recv_buffer_size(4096).expect("SO_RCVBUF");
    slow.set_nonblocking(true).expect("O_NONBLOCK");
    scene.play(|coco, agents| {
        (0..ROUNDS).for_each(|_| agents.send(good));
        let counters = agents.assert_complete(good, coco);
        let sent = counters.count(&["send.datagrams", bad_name]);
        let read = std::iter::from_fn(|| slow.recv(&mut [0; 2048]).ok()).count() as u64;
        assert!(read > 0 && read < sent);
        // The last column of proc_net_udp(5).
        let dropped = bad.host.run(|| {
            let table = std::fs::read_to_string("/proc/thread-self/net/udp").expect("a network");
            let count =
                table.lines().nth(1).and_then(|line| line.split_whitespace().last()?.parse::<u64>().ok());
            count.expect("one socket")
        });
        assert_eq!(read + dropped, sent);
        assert_eq!((counters.count(&["errors", "send.write"]), state(coco, bad_name).as_str()), (0, "up"));
    });
}

#[test]
fn a_link_that_takes_less_than_is_sent_does_not_keep_the_others_waiting() {
    let scene = Scene::new();
    let Scene { here, good, bad, bad_name, .. } = &scene;
    let bad_sink = bad.sink();
    // A queue that is longer than what a socket may have in it: what is sent stays in the socket's buffer.
    let link = |rate| {
        here.tc(&format!("qdisc replace dev {} root tbf rate {rate} burst 100k limit 100m", bad.device()));
    };
    link("16kbit");
    scene.play(|coco, agents| {
        agents.send_until(good, coco, bad_name, "down");
        assert_eq!(connection(coco, bad_name)["problem"], "its socket's buffer is full");
        (0..ROUNDS).for_each(|_| agents.send(good));
        let counters = agents.assert_complete(good, coco);
        let lost = counters.count(&["errors", "send.write"]);
        assert_eq!(counters.count(&["send", bad_name]) + lost, scene.bad_share(agents));
        assert_eq!(counters.count(&["listen", "kernel_drops"]), 0);
        assert!(lost > 0);

        link("1gbit");
        agents.send_until(good, coco, bad_name, "up");
        let counters = agents.assert_complete(good, coco);
        let sent = counters.count(&["send", bad_name]);
        wait_until(PATIENCE, "all that the socket took", || bad_sink.count() == sent);
    });
}

#[test]
fn a_link_that_goes_down_and_up_again() {
    let scene = Scene::new();
    let Scene { here, good, bad, bad_name, .. } = &scene;
    let bad_sink = bad.sink();
    scene.play(|coco, agents| {
        agents.send(good);
        assert_eq!(state(coco, bad_name), "up");

        here.ip(&format!("link set {} down", bad.device()));
        agents.send_until(good, coco, bad_name, "down");
        assert_eq!(connection(coco, bad_name)["problem"], "Network is unreachable");
        let counters = agents.assert_complete(good, coco);
        let lost = counters.count(&["errors", "send.write"]);
        assert!(lost > 0 && counters.count(&["errors", "send.unreachable"]) > 0);
        assert_eq!(counters.count(&["send", bad_name]) + lost, scene.bad_share(agents));

        here.ip(&format!("link set {} up", bad.device()));
        agents.send_until(good, coco, bad_name, "up");
        agents.send(good);
        let counters = agents.assert_complete(good, coco);
        let sent = counters.count(&["send", bad_name]);
        wait_until(PATIENCE, "all that was sent", || bad_sink.count() == sent);
        assert_eq!(logged(coco, "target is down"), 1);
        assert_eq!(logged(coco, "target is up again"), 1);
    });
}

#[test]
fn a_machine_that_is_gone_is_down_though_udp_does_not_tell() {
    let scene = Scene::new();
    let Scene { good, bad, bad_name, .. } = &scene;
    let bad_sink = bad.sink();
    bad.host.ip("link set eth0 down");
    scene.play(|coco, agents| {
        // Nobody answers who has its address (arp(7)).
        wait_until(PATIENCE, "the system to notice", || {
            agents.send(good);
            connection(coco, bad_name)["problem"] == "No route to host"
        });
        assert_eq!(state(coco, bad_name), "down");
        let counters = agents.assert_complete(good, coco);
        assert!(counters.count(&["errors", "send.unreachable"]) > 0);
        assert_eq!(bad_sink.count(), 0);

        bad.host.ip("link set eth0 up");
        agents.send_until(good, coco, bad_name, "up");
        wait_until(PATIENCE, "something to arrive", || {
            agents.send(good);
            bad_sink.count() > 0
        });
        agents.assert_complete(good, coco);
    });
}

#[test]
fn what_routers_and_firewalls_say_is_told() {
    let here = Host::new();
    let (good, far, near) = (here.node(), here.node(), here.node());
    let (good, names) = (Good::on(&good), [&far, &near].map(|node| node.address().to_string()));
    let sinks = [&far, &near].map(Node::sink);
    // As a router on the way would, and a rule of this very machine.
    far.host.nft(&rule("input", &format!("udp dport {PORT} reject with icmp type net-unreachable")));
    here.nft(&rule("output", &format!("ip daddr {} drop", near.ip(2))));
    here.run(|| {
        let mut coco = coco(&[&good.name, &names[0], &names[1]]);
        let mut agents = Agents::of(&coco);
        for (name, problem) in names.iter().zip(["Network is unreachable", "Operation not permitted"]) {
            agents.send_until(&good, &coco, name, "down");
            assert_eq!(connection(&coco, name)["problem"], problem);
        }
        // What was refused far away was sent, what was forbidden here was not.
        let counters = agents.assert_complete(&good, &mut coco);
        let [far_share, near_share] = names.each_ref().map(|name| agents.sent_for(name).len() as u64);
        assert_eq!(counters.count(&["send", &names[0]]), far_share);
        assert_eq!(counters.count(&["errors", "send.write"]), near_share);
        assert!(sinks.iter().all(|sink| sink.count() == 0));
        assert!(coco.stop().success());
    });
}

#[test]
fn a_target_that_comes_and_goes_flaps_until_it_is_calm() {
    let scene = Scene::new();
    let Scene { good, bad, bad_name, .. } = &scene;
    // Otherwise a host says once a second at most that nothing listens there (icmp(7)), which is a recovery of ours.
    bad.host.run(|| std::fs::write("/proc/sys/net/ipv4/icmp_ratelimit", "0")).expect("we are root there");
    scene.play(|coco, agents| {
        // The third time, unless this machine is so busy that the first is long ago by then.
        loop {
            wait_until(PATIENCE, "it to go down", || {
                agents.send(good);
                state(coco, bad_name) != "up"
            });
            assert_eq!(connection(coco, bad_name)["problem"], "nothing listens there");
            if state(coco, bad_name) == "flapping" {
                break;
            }
            let _back = bad.sink();
            agents.send_until(good, coco, bad_name, "up");
        }
        let metric = |state: &str, value: u32| {
            let line = format!(
                "coco_send_state{{tier=\"{TIER}\",target=\"{bad_name}\",state=\"{state}\"}} {value}\n"
            );
            coco.get("/metrics").body.contains(&line)
        };
        assert!(metric("flapping", 1) && metric("down", 0) && metric("up", 0) && metric("unresolved", 0));
        let _back = bad.sink();
        agents.send_until(good, coco, bad_name, "up");
        assert!(metric("flapping", 0) && metric("up", 1));

        let counters = agents.assert_complete(good, coco);
        assert!(counters.count(&["errors", "send.refused"]) > 0);
        wait_until(PATIENCE, "the log to say so", || logged(coco, "target is calm") == 1);
        let [downs, ups] = ["target is down", "target is up again"].map(|line| logged(coco, line));
        assert!(downs >= 2 && downs == ups);
        assert_eq!(logged(coco, "target is flapping"), 1);
    });
}

#[test]
fn a_name_is_followed_to_another_address_and_kept_when_it_vanishes() {
    const NAME: &str = "storage.example.org";
    let here = Host::new().with_etc(ETC);
    let names = Names::serve(&here);
    let nodes = [(); 3].map(|()| here.node());
    let (good, sinks) = (Good::on(&nodes[0]), [nodes[1].sink(), nodes[2].sink()]);
    let [first, second] = [nodes[1].ip(2), nodes[2].ip(2)];
    let target = format!("{NAME}:{PORT}");
    names.set(NAME, &[first]);
    here.run(|| {
        // At the port of the targets, so that the name can lead back.
        let mut config = Config::new(&[(TIER, &[good.name.as_str(), &target])]);
        config.listen = format!("127.0.0.1:{PORT}");
        let mut coco = Coco::start(&(config.text() + "[send]\nresolve_interval = \"1s\"\n"));
        let address = |coco: &Coco| connection(coco, &target)["address"].clone();
        let is_at = |coco: &Coco, ip: std::net::Ipv4Addr| address(coco) == format!("{ip}:{PORT}");
        let mut agents = Agents::of(&coco);
        let mut send = |coco: &mut Coco| {
            (0..10).for_each(|_| agents.send(&good));
            agents.assert_complete(&good, coco);
            (
                agents.sent_for(&target).len() as u64,
                agents.sorted(sinks.iter().flat_map(Sink::value_lists).collect()),
            )
        };
        send(&mut coco);
        assert!(is_at(&coco, first));

        // One of several, and not the first: it stays.
        names.set(NAME, &[second, first]);
        names.await_question();
        send(&mut coco);
        assert!(is_at(&coco, first));
        assert_eq!(sinks[1].count(), 0);

        // Gone: it stays.
        names.set(NAME, &[]);
        let failures = |coco: &Coco| coco.counters().count(&["errors", "send.dial"]);
        wait_until(PATIENCE, "two look-ups to fail", || failures(&coco) >= 2);
        // Where Coco itself listens: it stays.
        names.set(NAME, &["127.0.0.1".parse().expect("an address")]);
        names.await_question();
        assert_eq!((failures(&coco) > 2, logged(&coco, "keeps its last address")), (true, 1));
        let (sent, _) = send(&mut coco);
        wait_until(PATIENCE, "everything at the first address", || sinks[0].count() == sent);
        assert_eq!(state(&coco, &target), "up");

        // Elsewhere: there it goes, and nothing is lost on the way.
        names.set(NAME, &[second]);
        wait_until(PATIENCE, "the other address", || {
            send(&mut coco);
            is_at(&coco, second)
        });
        let (sent, _) = send(&mut coco);
        wait_until(PATIENCE, "everything", || sinks[0].count() + sinks[1].count() == sent);
        let (sent, _) = send(&mut coco);
        wait_until(PATIENCE, "everything", || sinks[0].count() + sinks[1].count() == sent);
        let arrived = agents.sorted(sinks.iter().flat_map(Sink::value_lists).collect());
        assert_eq!(arrived, agents.sent_for(&target));
        assert_eq!(logged(&coco, "target has another address"), 1);
        assert!(coco.stop().success());
    });
}

#[test]
fn of_several_addresses_it_takes_one_that_there_is_a_way_to() {
    const NAME: &str = "double.example.org";
    let here = Host::new().with_etc(ETC);
    let names = Names::serve(&here);
    let [good, first, second] = [(); 3].map(|()| here.node());
    let (good, _sinks, target) = (Good::on(&good), [first.sink(), second.sink()], format!("{NAME}:{PORT}"));
    names.set(NAME, &[first.ip(2)]);
    here.run(|| {
        let mut coco = coco(&[&good.name, &target]);
        let mut agents = Agents::of(&coco);
        let mut send_until_at = |coco: &Coco, node: &Node| {
            wait_until(PATIENCE, format_args!("it to be at {}", node.address()), || {
                agents.send(&good);
                let connection = connection(coco, &target);
                connection["address"] == node.address().to_string() && connection["state"] == "up"
            });
        };
        send_until_at(&coco, &first);
        names.set(NAME, &[first.ip(2), second.ip(2)]);
        here.ip(&format!("link set {} down", first.device()));
        send_until_at(&coco, &second);
        here.ip(&format!("link set {} up", first.device()));
        here.ip(&format!("link set {} down", second.device()));
        send_until_at(&coco, &first);
        agents.assert_complete(&good, &mut coco);
        assert!(coco.stop().success());
    });
}

#[test]
fn a_name_that_appears_late_is_found() {
    const NAME: &str = "late.example.org";
    let here = Host::new().with_etc(ETC);
    let names = Names::serve(&here);
    let (good, late) = (here.node(), here.node());
    let (good, sink, target) = (Good::on(&good), late.sink(), format!("{NAME}:{PORT}"));
    here.run(|| {
        let mut coco = coco(&[&good.name, &target]);
        let mut agents = Agents::of(&coco);
        (0..10).for_each(|_| agents.send(&good));
        let lost = agents.assert_complete(&good, &mut coco).count(&["errors", "send.disconnected"]);
        assert_eq!(
            (lost, state(&coco, &target).as_str()),
            (agents.sent_for(&target).len() as u64, "unresolved")
        );

        names.set(NAME, &[late.ip(2)]);
        wait_until(PATIENCE, "the name to be found", || state(&coco, &target) == "up");
        (0..10).for_each(|_| agents.send(&good));
        let counters = agents.assert_complete(&good, &mut coco);
        assert_eq!(counters.count(&["errors", "send.disconnected"]), lost);
        wait_until(PATIENCE, "what was sent since", || sink.count() == counters.count(&["send", &target]));
        assert!(coco.stop().success());
    });
}

#[test]
fn packets_leave_together_unless_the_way_takes_no_segments() {
    let here = Host::new();
    let (wide, narrow) = (here.node(), here.node());
    // Less than a full packet has: each is to leave in fragments.
    here.ip(&format!("link set {} mtu 1300", narrow.device()));
    let targets = [&wide, &narrow].map(|node| (node.address().to_string(), node.sink()));
    here.run(|| {
        let mut coco = coco(&[&targets[0].0, &targets[1].0]);
        let sender = traffic::sender(coco.listen);
        let mut sent: [Vec<ValueList>; 2] = Default::default();
        let hosts = targets.each_ref().map(|(target, _)| {
            let hosts = (0..HOSTS).map(|number| format!("host-{number}"));
            hosts.into_iter().find(|host| coco.owner(host, TIER) == *target).expect("each owns some")
        });
        wait_until(PATIENCE, "packets that were sent together", || {
            for (host, sent) in hosts.iter().zip(&mut sent) {
                let places = sent.len() as u32..sent.len() as u32 + 1000;
                let lists: Vec<_> = places.map(|place| traffic::value_list(host, place)).collect();
                for (lists, limit) in lists.chunks(100).zip([1452, 1400].into_iter().cycle()) {
                    let datagrams = traffic::datagrams(limit, lists);
                    datagrams.iter().for_each(|datagram| assert!(sender.send(datagram).is_ok()));
                }
                sent.extend(lists);
            }
            coco.settled(sent.iter().map(|sent| sent.len() as u64).sum());
            let padded = targets[0].1.datagrams().iter().any(|datagram| is_padded(datagram));
            padded && logged(&coco, "takes no segments") > 0
        });
        let counters = coco.counters();
        for ((target, sink), sent) in targets.iter().zip(&sent) {
            wait_until(PATIENCE, format_args!("all for {target}"), || sink.count() >= sent.len() as u64);
            assert_eq!(sink.value_lists(), *sent);
            assert_eq!(counters.count(&["send", target]), sent.len() as u64);
            assert_eq!(state(&coco, target), "up");
        }
        assert_eq!(logged(&coco, "takes no segments"), 1);
        assert!(targets[1].1.datagrams().iter().filter(|datagram| is_padded(datagram)).count() == 0);
        assert!(coco.stop().success());
    });
}

/// Whether something stands behind the last value list.
fn is_padded(datagram: &[u8]) -> bool {
    (5..=PADDING_MAX).any(|length| datagram.ends_with(padding(length).expect("there is one")))
}

/// A configuration that listens at the port of collectd's network plugin.
fn listening(at: &str, target: &str) -> Config {
    let mut config = Config::new(&[(TIER, &[target])]);
    config.listen = format!("{at}:{PORT}");
    config
}

#[test]
fn a_target_is_a_loop_if_its_address_is_one_of_this_machine() {
    let here = Host::new();
    let node = here.node();
    here.ip("address add 10.88.0.1/24 dev lo");
    here.run(|| {
        // As where addresses move from machine to machine: a socket can be bound to any.
        std::fs::write("/proc/sys/net/ipv4/ip_nonlocal_bind", "1").expect("a network of its own");
        for other in [node.ip(2).to_string(), "239.192.74.66".to_owned()] {
            let coco = Coco::start(&listening("", &format!("{other}:{PORT}")).text());
            assert!(coco.stop().success());
        }
        // On a link, on loopback, and in a network of which all is on loopback.
        for own in [node.ip(1).to_string(), "10.88.0.1".to_owned(), "10.88.0.7".to_owned()] {
            let directory = Directory::new("loop");
            let config = listening("", &format!("{own}:{PORT}")).text();
            let ended = run(&[&directory.write("coco.conf", &config)]);
            assert!(ended.status == Some(1) && ended.stderr.contains("a loop"), "{own}: {ended:?}");
        }
    });
}

#[test]
fn link_local_addresses_and_groups_are_those_of_their_interface() {
    let here = Host::new();
    let nodes = [here.node(), here.node()];
    let sink = nodes[0].sink();
    for node in &nodes {
        here.ip(&format!("address add fe80::7/64 dev {} nodad", node.device()));
        node.host.ip("address add fe80::8/64 dev eth0 nodad");
    }
    let interface = format!("\ninterface = \"{}\"\ntypesdb", nodes[0].device());
    for (round, ip) in (1..).zip(["fe80::7", "ff02::4a42"]) {
        let config = listening(&format!("[{ip}]"), &nodes[0].address().to_string()).text();
        let coco = here.run(|| Coco::start(&replaced(&config, &[("\ntypesdb", &interface)])));
        // The first comes by another link, where the same address is another one.
        for (node, host) in [(&nodes[1], "other"), (&nodes[0], "host")] {
            node.host.run(|| {
                let link = if_nametoindex("eth0").expect("a node has one");
                let sender = UdpSocket::bind("[::]:0").expect("a free port");
                let to = SocketAddrV6::new(ip.parse().expect("an address"), PORT, 0, link);
                let datagrams = traffic::datagrams(1452, [&traffic::value_list(host, round)]);
                sender.send_to(&datagrams[0], to).expect("a link");
            });
        }
        wait_until(PATIENCE, "what was sent by the link", || sink.count() == u64::from(round));
        assert!(sink.value_lists().iter().all(|list| list.identifier.host == b"host"));
        assert!(here.run(|| coco.stop()).success());
    }
}
