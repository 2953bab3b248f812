//! What links do with packets.

use coco_core::value_list::ValueList;
use coco_core::wire::{PADDING_MAX, padding};
use coco_harness::namespace::Host;
use coco_harness::traffic;
use coco_harness::wait::{PATIENCE, wait_until};
use socket2::SockRef;

use crate::scene::{HOSTS, ROUNDS, Scene, TIER, coco, connection, drop_datagrams, logged, state};

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
