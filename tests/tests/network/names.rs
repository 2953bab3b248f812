//! Targets whose names lead elsewhere, or nowhere.

use coco_harness::coco::{Coco, Config};
use coco_harness::names::{ETC, Names};
use coco_harness::namespace::{Host, Node, PORT};
use coco_harness::sink::Sink;
use coco_harness::traffic;
use coco_harness::wait::{PATIENCE, wait_until};

use crate::scene::{Agents, Good, TIER, coco, connection, logged, state};

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
fn a_resolver_that_never_answers_holds_up_no_view() {
    let here = Host::new().with_etc(&[
        ("resolv.conf", "nameserver 127.0.0.1\noptions timeout:30 attempts:1\n"),
        ("nsswitch.conf", "hosts: dns\n"),
    ]);
    here.run(|| {
        let _silent = std::net::UdpSocket::bind("127.0.0.1:53").expect("a host of its own");
        let sink = Sink::start();
        // More than threads that tokio has for all that blocks.
        let mut names: Vec<_> =
            (0..600).map(|target| format!("storage{target}.example.org:{PORT}")).collect();
        names.push(sink.address.to_string());
        let mut coco =
            Coco::start(&Config::new(&[(TIER, &names), ("numbers", &[sink.address.to_string()])]).text());
        traffic::send(&traffic::sender(coco.listen), &[traffic::value_list("one", 0)]);
        coco.settled(1);
        assert_eq!(coco.json("/tiers").as_array().map(Vec::len), Some(2));
        assert_eq!(coco.get("/blacklisted").status, 200);
        assert_eq!(coco.get("/healthz").status, 200);
        assert!(coco.stop().success());
    });
}
