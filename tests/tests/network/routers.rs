//! Routers on the way, and addresses that turn out to be of no use.

use std::net::{SocketAddr, UdpSocket};

use coco_harness::coco::{Coco, Config};
use coco_harness::namespace::{Host, Node, PORT};
use coco_harness::sink::Sink;
use coco_harness::traffic;
use coco_harness::wait::{PATIENCE, wait_until};

use crate::scene::{Agents, Good, TIER, coco, connection, state};

/// The value lists of a target that did not arrive, once all that was sent has had its time.
fn missing(agents: &Agents, coco: &mut Coco, good: &Good, target: &str, sinks: &[&Sink]) -> u64 {
    let sent = agents.assert_complete(good, coco).count(&["send", target]);
    assert_eq!(sent, agents.sent_for(target).len() as u64);
    sent - sinks.iter().map(|sink| sink.count()).sum::<u64>()
}

/// Whatever was lost before: from now on all arrives.
fn assert_nothing_is_lost(agents: &mut Agents, coco: &mut Coco, good: &Good, target: &str, sinks: &[&Sink]) {
    let before = missing(agents, coco, good, target, sinks);
    (0..20).for_each(|_| agents.send(good));
    wait_until(PATIENCE, "all that was sent since", || missing(agents, coco, good, target, sinks) == before);
}

#[test]
fn of_the_addresses_of_a_name_it_comes_to_the_one_at_which_the_node_listens() {
    let both = "::1 localhost\n127.0.0.1 localhost\n";
    let here = Host::new().with_etc(&[("hosts", both), ("nsswitch.conf", "hosts: files\n")]);
    let node = here.node();
    let (good, target) = (Good::on(&node), format!("localhost:{PORT}"));
    here.run(|| {
        let sink = Sink::on(UdpSocket::bind(("127.0.0.1", PORT)).expect("a host of its own"));
        let mut coco = coco(&[&good.name, &target]);
        assert_eq!(connection(&coco, &target)["address"], format!("[::1]:{PORT}"));
        let mut agents = Agents::of(&coco);
        agents.send(&good);
        agents.send_until(&good, &coco, &target, "down");
        // By that it is known that nothing comes back any more, as often as it has been dialed meanwhile.
        agents.send_until(&good, &coco, &target, "up");
        assert_eq!(connection(&coco, &target)["address"], format!("127.0.0.1:{PORT}"));
        assert_nothing_is_lost(&mut agents, &mut coco, &good, &target, &[&sink]);
        assert!(coco.stop().success());
    });
}

/// A router whose address stands for one of two nodes behind it, the first at the beginning.
struct Service {
    here: Host,
    good: Good,
    router: Node,
    nodes: [Node; 2],
    target: String,
    _good_node: Node,
}

impl Service {
    fn new() -> Self {
        let here = Host::new();
        let (good, router) = (here.node(), here.node());
        let nodes = [(); 2].map(|()| router.node_behind(&here));
        let target = router.address().to_string();
        let service = Self { here, good: Good::on(&good), router, nodes, target, _good_node: good };
        service.leads_to(0);
        service
    }

    fn leads_to(&self, node: usize) {
        self.router.host.nft(&format!(
            "add table ip service
             delete table ip service
             table ip service {{
               chain prerouting {{
                 type nat hook prerouting priority dstnat
                 udp dport {PORT} dnat to {}
               }}
             }}",
            self.nodes[node].address()
        ));
    }
}

#[test]
fn a_service_that_leads_to_another_node_is_followed_when_the_first_refuses() {
    let service = Service::new();
    let Service { here, good, nodes, target, .. } = &service;
    here.run(|| {
        let mut coco = coco(&[&good.name, target]);
        let mut agents = Agents::of(&coco);
        let first = nodes[0].sink();
        assert_nothing_is_lost(&mut agents, &mut coco, good, target, &[&first]);
        let of_first = first.count();
        service.leads_to(1);
        let second = nodes[1].sink();
        // What is on its way goes on: the router knows it by its port.
        assert_nothing_is_lost(&mut agents, &mut coco, good, target, &[&first]);
        assert!(first.count() > of_first && second.count() == 0);
        drop(first);
        agents.send_until(good, &coco, target, "down");
        wait_until(PATIENCE, "something at the second node", || {
            agents.send(good);
            second.count() > 0
        });
        agents.send_until(good, &coco, target, "up");
        let (before, of_second) = (agents.sent_for(target).len() as u64, second.count());
        (0..20).for_each(|_| agents.send(good));
        agents.assert_complete(good, &mut coco);
        let since = agents.sent_for(target).len() as u64 - before;
        wait_until(PATIENCE, "all since then", || second.count() == of_second + since);
        assert!(coco.stop().success());
    });
}

#[test]
fn a_service_that_leads_to_another_node_is_followed_after_a_while_though_nobody_refuses() {
    let service = Service::new();
    let Service { here, good, nodes, target, .. } = &service;
    here.run(|| {
        let config = Config::new(&[(TIER, &[good.name.as_str(), target])]).text();
        let mut coco = Coco::start(&(config + "[send]\nreconnect_interval = \"500ms\"\n"));
        let mut agents = Agents::of(&coco);
        let sinks = [nodes[0].sink(), nodes[1].sink()];
        let all = [&sinks[0], &sinks[1]];
        assert_nothing_is_lost(&mut agents, &mut coco, good, target, &all);
        assert_eq!(sinks[1].count(), 0);
        service.leads_to(1);
        wait_until(PATIENCE, "something at the second node", || {
            agents.send(good);
            sinks[1].count() > 0
        });
        let of_first = sinks[0].count();
        assert_nothing_is_lost(&mut agents, &mut coco, good, target, &all);
        assert_eq!((sinks[0].count(), state(&coco, target).as_str()), (of_first, "up"));
        assert!(coco.stop().success());
    });
}

/// A router with a link that takes less than a full packet behind it.
struct Narrow {
    here: Host,
    router: Node,
    node: Node,
}

impl Narrow {
    fn new() -> Self {
        let here = Host::new();
        let router = here.node();
        let node = router.node_behind(&here);
        router.host.ip(&format!("link set {} mtu 1280", node.device()));
        for (host, device, address) in [
            (&here, router.device().as_str(), "fd77:1::1"),
            (&router.host, "eth0", "fd77:1::2"),
            (&router.host, &node.device(), "fd77:2::1"),
            (&node.host, "eth0", "fd77:2::2"),
        ] {
            host.ip(&format!("address add {address}/64 dev {device} nodad"));
        }
        let forward = || std::fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1");
        router.host.run(forward).expect("we are root there");
        here.ip("route add fd77:2::/64 via fd77:1::2");
        node.host.ip("route add fd77:1::/64 via fd77:2::1");
        Self { here, router, node }
    }

    /// No router says any more what is too large for it.
    fn hide(&self) {
        self.router.host.nft(
            "table inet t {
               chain output {
                 type filter hook output priority 0
                 icmp type destination-unreachable drop
                 icmpv6 type packet-too-big drop
               }
             }",
        );
    }

    /// Sends rounds of full packets of up to this size, until some round has arrived whole. Returns the rounds before.
    fn lost_rounds(&self, target: SocketAddr, settings: &str, size: usize) -> usize {
        let sink = Sink::on(self.node.bind(target));
        self.here.run(|| {
            let config = Config::new(&[(TIER, &[target])]).text();
            let mut coco = Coco::start(&format!("{config}[send]\n{settings}\n"));
            let sender = traffic::sender(coco.listen);
            let (mut lost, mut sent, mut arrived) = (0, 0, 0);
            wait_until(PATIENCE, "a round that is not lost", || {
                let lists: Vec<_> = (0..1000).map(|place| traffic::value_list("host", place)).collect();
                let datagrams = traffic::datagrams(size, &lists);
                datagrams.iter().for_each(|datagram| assert!(sender.send(datagram).is_ok()));
                sent += lists.len() as u64;
                let counters = coco.settled(sent);
                assert_eq!(counters.count(&["send", &target.to_string()]), sent);
                assert_eq!(state(&coco, &target.to_string()), "up");
                // Small, so that it gets there and tells that the others are over.
                traffic::send(&sender, [&traffic::value_list("host", 1000)]);
                sent += 1;
                wait_until(PATIENCE, "the end of the round", || {
                    sink.value_lists().iter().filter(|list| traffic::place(list) == 1000).count() == lost + 1
                });
                let is_whole = sink.count() == arrived + lists.len() as u64 + 1;
                arrived = sink.count();
                lost += usize::from(!is_whole);
                is_whole
            });
            assert!(coco.stop().success());
            lost
        })
    }
}

#[test]
fn a_router_that_drops_what_is_too_large_for_it_and_says_nothing_fragments_it() {
    let narrow = Narrow::new();
    narrow.hide();
    for settings in ["segmentation = true", "segmentation = false"] {
        assert_eq!(narrow.lost_rounds(narrow.node.address(), settings, 1452), 0, "{settings}");
    }
    // Routers of IPv6 fragment nothing.
    let target = SocketAddr::new("fd77:2::2".parse().expect("an address"), PORT);
    assert_eq!(narrow.lost_rounds(target, "max_packet_size = 1232", 1232), 0);
}

#[test]
fn what_is_too_large_for_a_router_of_ipv6_is_fragmented_here_once_that_is_known() {
    let narrow = Narrow::new();
    let target = SocketAddr::new("fd77:2::2".parse().expect("an address"), PORT);
    for settings in ["segmentation = true", "segmentation = false"] {
        let lost = narrow.lost_rounds(target, settings, 1452);
        assert!(lost <= 2, "{settings}: {lost}");
    }
}
