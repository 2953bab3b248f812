//! Addresses that are this machine's own, or of one of its links.

use std::net::{SocketAddrV6, UdpSocket};

use coco_harness::coco::{Coco, Config, run};
use coco_harness::directory::Directory;
use coco_harness::namespace::{Host, PORT};
use coco_harness::text::replaced;
use coco_harness::traffic;
use coco_harness::wait::{PATIENCE, wait_until};
use nix::net::if_::if_nametoindex;

use crate::scene::TIER;

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

#[test]
fn it_can_wait_at_an_address_that_comes_later() {
    let here = Host::new();
    let [agents, storage] = [here.node(), here.node()];
    let sink = storage.sink();
    for (ip, with_prefix) in [("10.99.0.7", "10.99.0.7/32"), ("fd99::7", "fd99::7/128 nodad")] {
        let at = if ip.contains(':') { format!("[{ip}]") } else { ip.to_owned() };
        let config = listening(&at, &storage.address().to_string()).text();
        let directory = Directory::new("freebind");
        let refused = here.run(|| run(&[&directory.write("coco.conf", &config)]));
        assert!(refused.status == Some(1) && refused.stderr.contains("listen.bind"), "{refused:?}");

        let coco =
            here.run(|| Coco::start(&replaced(&config, &[("\ntypesdb", "\nfreebind = true\ntypesdb")])));
        let before = sink.count();
        here.ip(&format!("address add {with_prefix} dev {}", agents.device()));
        agents.host.ip("address replace fd99::2/64 dev eth0 nodad");
        agents.host.ip(&format!("route add {ip} dev eth0"));
        agents.host.run(|| {
            let any = if ip.contains(':') { "[::]:0" } else { "0.0.0.0:0" };
            let sender = UdpSocket::bind(any).expect("a free port");
            let datagram = traffic::datagram(&traffic::value_list("host", 1));
            wait_until(PATIENCE, format_args!("what is sent to {ip}"), || {
                let _ = sender.send_to(&datagram, format!("{at}:{PORT}"));
                sink.count() > before
            });
        });
        assert!(here.run(|| coco.stop()).success());
    }
}

#[test]
fn it_sends_from_the_address_that_is_named() {
    let here = Host::new();
    let storage = here.node();
    here.ip(&format!("address add {}/24 dev {}", storage.ip(9), storage.device()));
    let target = storage.bind(storage.address());
    let config = listening("127.0.0.1", &storage.address().to_string()).text();
    here.run(|| {
        let mut coco = Coco::start(&config);
        let sender = traffic::sender(coco.listen);
        let source_of = |place| {
            traffic::send(&sender, [&traffic::value_list("host", place)]);
            target.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            target.recv_from(&mut [0; 2048]).expect("a value list").1.ip()
        };
        assert_eq!(source_of(0), storage.ip(1));
        let log = coco.reload(&format!("{config}[send]\nbind = \"{}\"\n", storage.ip(9)));
        assert_eq!(source_of(1), storage.ip(9), "{log}");
        // Not an address of this machine: nothing changes.
        let log = coco.reload(&format!("{config}[send]\nbind = \"{}\"\n", storage.ip(10)));
        assert!(log.contains("send.bind: cannot send from"), "{log}");
        assert_eq!(source_of(2), storage.ip(9));
        assert!(coco.stop().success());
    });
}
