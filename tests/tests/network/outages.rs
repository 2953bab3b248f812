//! Targets that cannot be reached, and how that is told.

use coco_harness::namespace::{Host, Node, PORT};
use coco_harness::wait::{PATIENCE, wait_until};

use crate::scene::{Agents, Good, Scene, TIER, coco, connection, logged, rule, state};

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
        // Five times down or up, of which the first counts less by now.
        let penalty = connection(coco, bad_name)["flap_penalty"].as_f64().expect("a number");
        assert!(penalty > 2.0 && penalty <= 16.0, "{penalty}");
        let shown = format!("coco_send_flap_penalty{{tier=\"{TIER}\",target=\"{}\"}} 0\n", good.name);
        assert!(coco.get("/metrics").body.contains(&shown));
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
