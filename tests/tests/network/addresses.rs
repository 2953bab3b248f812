//! Addresses that are this machine's own, or of one of its links.

use std::net::{SocketAddrV6, UdpSocket};

use crate::scene::TIER;
use coco_tests::coco::{Coco, Config, run};
use coco_tests::directory::Directory;
use coco_tests::namespace::{Host, PORT};
use coco_tests::text::replaced;
use coco_tests::traffic;
use coco_tests::wait::{PATIENCE, wait_until};
use nix::net::if_::if_nametoindex;

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
