//! Multicast groups at interfaces that come and go.

use std::net::{IpAddr, SocketAddr, UdpSocket};

use coco_harness::coco::{Coco, Config};
use coco_harness::namespace::{Host, Node, PORT};
use coco_harness::text::replaced;
use coco_harness::traffic;
use coco_harness::wait::{PATIENCE, wait_until};
use nix::net::if_::if_nametoindex;
use socket2::SockRef;

use crate::scene::{TIER, logged};

/// A socket of a node that sends to a group by its cable.
fn sender(node: &Node, group: IpAddr) -> UdpSocket {
    node.host.run(|| {
        let any = if group.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
        let socket = UdpSocket::bind(any).expect("a free port");
        match group {
            IpAddr::V4(_) => SockRef::from(&socket).set_multicast_if_v4(&node.ip(2)),
            IpAddr::V6(_) => {
                let index = if_nametoindex("eth0").expect("a node has one");
                SockRef::from(&socket).set_multicast_if_v6(index)
            }
        }
        .expect("an interface of its own");
        socket.connect(SocketAddr::new(group, PORT)).expect("an address");
        socket
    })
}

#[test]
fn a_group_is_joined_again_when_its_interface_was_made_again() {
    for (group, is_named) in
        [("239.192.74.66", true), ("239.192.74.66", false), ("ff05::4a42", true), ("ff05::4a42", false)]
    {
        let here = Host::new();
        let [agents, storage] = [here.node(), here.node()];
        let group: IpAddr = group.parse().expect("an address");
        let prepare = || {
            here.ip(&format!("route add 239.0.0.0/8 dev {}", agents.device()));
            here.ip(&format!("-6 route add ff05::/16 dev {} table local metric 1", agents.device()));
            agents.host.ip("address add fd77::2/64 dev eth0 nodad");
        };
        prepare();
        // Nothing of an interface that is gone may be left in the socket.
        let most = "/proc/sys/net/ipv4/igmp_max_memberships";
        here.run(|| std::fs::write(most, "1").expect("root"));
        let sink = storage.sink();
        let mut config = Config::new(&[(TIER, &[storage.address()])]);
        config.listen = SocketAddr::new(group, PORT).to_string();
        let interface = format!("\ninterface = \"{}\"\ntypesdb", agents.device());
        let mut config = config.text();
        if is_named {
            config = replaced(&config, &[("\ntypesdb", &interface)]);
        }
        let coco = here.run(|| Coco::start(&config));
        let mut place = 0;
        let mut await_arrival = || {
            let (before, sender) = (sink.count(), sender(&agents, group));
            wait_until(PATIENCE, format_args!("what is sent to {group}"), || {
                // A device that was just made loses some.
                let _ = sender.send(&traffic::datagram(&traffic::value_list("host", place)));
                place += 1;
                sink.count() > before
            });
        };
        await_arrival();
        for round in 1..=2 {
            here.lay_anew(&agents);
            prepare();
            wait_until(PATIENCE, "it to be joined again", || {
                logged(&coco, "joined the multicast group again") == round
            });
            await_arrival();
        }
        assert!(here.run(|| coco.stop()).success());
    }
}

#[test]
fn a_group_whose_interface_is_gone_is_told_once() {
    let here = Host::new();
    let [agents, storage] = [here.node(), here.node()];
    let mut config = Config::new(&[(TIER, &[storage.address()])]);
    config.listen = format!("239.192.74.66:{PORT}");
    let interface = format!("\ninterface = \"{}\"\ntypesdb", agents.device());
    let config = replaced(&config.text(), &[("\ntypesdb", &interface)]);
    let coco = here.run(|| Coco::start(&config));
    here.ip(&format!("link delete {}", agents.device()));
    wait_until(PATIENCE, "the log to say so", || {
        logged(&coco, "the interface of the multicast group is gone") == 1
    });
    assert!(here.run(|| coco.stop()).success());
}
