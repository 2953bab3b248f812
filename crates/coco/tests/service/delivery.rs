use std::collections::BTreeMap;
use std::net::{Ipv6Addr, UdpSocket};
use std::num::NonZero;
use std::time::Duration;

use coco_core::config::LaneThreads;
use coco_core::tier::Tiers;
use coco_core::value_list::{Value, ValueList};
use coco_harness::sink::Sink;
use coco_harness::traffic::{send, sender};
use coco_harness::wait::{PATIENCE, wait_for, wait_until};
use coco_udp::OwnSocket;
use regex::bytes::Regex;

use crate::agents::value_list;
use crate::running::{Running, config, number};

fn addresses(nodes: &[Sink]) -> Vec<String> {
    nodes.iter().map(|node| node.address.to_string()).collect()
}

fn owner(tiers: &Tiers, tier: usize, list: &ValueList) -> usize {
    tiers.get(tier).unwrap().owner(&list.identifier.host)
}

/// By host, in the order of arrival.
fn by_host(lists: impl IntoIterator<Item = ValueList>) -> BTreeMap<Vec<u8>, Vec<ValueList>> {
    let mut hosts: BTreeMap<Vec<u8>, Vec<ValueList>> = BTreeMap::new();
    for list in lists {
        hosts.entry(list.identifier.host.clone()).or_default().push(list);
    }
    hosts
}

/// A node that is reached by IPv6, where there is any.
fn on_ipv6() -> Sink {
    UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).map_or_else(|_| Sink::start(), Sink::on)
}

/// What `/metrics` shows of a family, summed up over a tier.
pub(crate) fn of_tier(metrics: &str, family: &str, tier: &str) -> u64 {
    let prefix = format!("{family}{{tier=\"{tier}\",");
    let rows = metrics.lines().filter(|line| line.starts_with(&prefix));
    rows.map(|row| row.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[test]
fn values_reach_their_owners_whichever_threads_carry_them() {
    let blacklist = Regex::new("/irq/").unwrap();
    let shapes = [
        (1, 1, 64, false),
        (2, 1, 1, true),
        (3, 1, 3, false),
        (1, 2, 100, false),
        (2, 2, 7, false),
        (2, 4, 7, true),
        (3, 2, 64, true),
    ];
    for (threads, lanes, batch, spread_hosts) in shapes {
        let short = vec![Sink::start(), on_ipv6()];
        let mid: Vec<_> = (0..3).map(|_| Sink::start()).collect();
        let mut config = config(&[("shortterm", addresses(&short)), ("midterm", addresses(&mid))]);
        config.pipeline.threads = LaneThreads::new(threads).unwrap();
        config.pipeline.lanes = NonZero::new(lanes).unwrap();
        config.pipeline.spread_hosts = spread_hosts;
        config.pipeline.batch = NonZero::new(batch).unwrap();
        config.pipeline.queue = NonZero::new(2).unwrap();
        config.filter.blacklist = Some(blacklist.clone());
        let tiers = config.tiers.clone();
        let coco = Running::start(config);

        let mut sent = Vec::new();
        for agent_number in 0..12 {
            let agent = sender(coco.listen);
            for round in 0..20 {
                let host = format!("host{agent_number}").into_bytes();
                let lists = ["load", "irq", "df"].map(|plugin| value_list(&host, plugin, "t", round));
                send(&agent, &lists);
                sent.extend(lists);
            }
        }
        let accepted: Vec<_> = sent.iter().filter(|list| list.identifier.plugin != b"irq").cloned().collect();
        let all = 2 * accepted.len() as u64;
        let vars = coco.vars_when("everything to be sent", |vars| number(vars, "send", "total") == all);

        for (tier, nodes) in [&short, &mid].into_iter().enumerate() {
            for (index, node) in nodes.iter().enumerate() {
                let own: Vec<_> =
                    accepted.iter().filter(|list| owner(&tiers, tier, list) == index).cloned().collect();
                let arrived = wait_for(PATIENCE, "what the target owns", || {
                    Some(node.value_lists()).filter(|arrived| arrived.len() >= own.len())
                });
                assert_eq!(number(&vars, "send", &node.address.to_string()), own.len() as u64);
                assert_eq!(
                    by_host(arrived),
                    by_host(own),
                    "{threads} threads, {lanes} lanes, spread: {spread_hosts}"
                );
            }
        }
        assert_eq!(number(&vars, "listen", "decoded"), sent.len() as u64);
        assert_eq!(number(&vars, "filter", "accepted"), accepted.len() as u64);
        assert_eq!(number(&vars, "filter", "rejected"), (sent.len() - accepted.len()) as u64);
        let vars = coco.vars_when("the queues to be empty", |vars| {
            number(vars, "queues", "raw") + number(vars, "queues", "filtered") == 0
        });
        assert_eq!(number(&vars, "state", "metrics"), 12 * 3);
        let metrics = coco.get("/metrics").text;
        for tier in ["shortterm", "midterm"] {
            let booked =
                ["coco_send_total", "coco_errors_send_write_total", "coco_errors_send_disconnected_total"]
                    .map(|family| of_tier(&metrics, family, tier));
            assert_eq!(booked, [accepted.len() as u64, 0, 0]);
        }
        coco.stop().unwrap();
    }
}

/// Where nothing listens. No other test binds at this address, so nobody can come by the same port meanwhile.
fn deserted() -> String {
    UdpSocket::bind("127.0.0.2:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn a_target_nobody_listens_at_is_down_and_goes_on_being_sent_to() {
    let (node, deserted) = (Sink::start(), deserted());
    let mut config = config(&[("live", vec![node.address.to_string()]), ("dead", vec![deserted.clone()])]);
    config.send.recovery = Duration::from_millis(200);
    let coco = Running::start(config);
    let agent = sender(coco.listen);
    let state =
        |tier: usize, target: &str| coco.get("/tiers").json()[tier]["connections"][target]["state"].clone();
    assert_eq!([state(0, &node.address.to_string()), state(1, &deserted)], ["up", "up"]);
    for round in 1..=20 {
        send(&agent, &[value_list(b"web1", "load", "load", round)]);
        coco.vars_when("both tiers to get it", |vars| number(vars, "send", "total") == 2 * round);
    }
    let vars = coco.vars();
    assert!(number(&vars, "errors", "send.refused") > 0, "{vars}");
    assert_eq!([number(&vars, "send", &deserted), number(&vars, "errors", "send.write")], [20, 0]);
    assert_eq!([state(0, &node.address.to_string()), state(1, &deserted)], ["up", "down"]);
    wait_until(PATIENCE, "the live target", || node.value_lists().len() == 20);

    // Somebody listens there again.
    let back = UdpSocket::bind(&deserted).unwrap();
    wait_for(PATIENCE, "the target to be up", || {
        send(&agent, &[value_list(b"web1", "load", "load", 21)]);
        (state(1, &deserted) == "up").then_some(())
    });
    drop(back);
    coco.stop().unwrap();
}

/// RFC 6761: no name below .invalid ever resolves.
#[test]
fn a_name_that_does_not_resolve_loses_its_share_and_no_more() {
    let node = Sink::start();
    let nowhere = "no-such-host.invalid:25826".to_owned();
    let config = config(&[
        ("mixed", vec![node.address.to_string(), nowhere.clone()]),
        ("whole", vec![node.address.to_string()]),
    ]);
    let tiers = config.tiers.clone();
    let coco = Running::start(config);
    let lists: Vec<_> =
        (0..50).map(|host| value_list(format!("host{host}").as_bytes(), "p", "t", 1)).collect();
    send(&sender(coco.listen), &lists);
    let lost = lists.iter().filter(|list| owner(&tiers, 0, list) == 1).count() as u64;
    assert!(0 < lost && lost < 50);
    let vars = coco.vars_when("the books to balance", |vars| {
        number(vars, "send", "total") + number(vars, "errors", "send.disconnected") == 100
    });
    assert_eq!(number(&vars, "errors", "send.disconnected"), lost);
    assert_eq!(
        [number(&vars, "send", &nowhere), number(&vars, "send", &node.address.to_string())],
        [0, 100 - lost]
    );
    coco.vars_when("a failed attempt", |vars| number(vars, "errors", "send.dial") > 0);
    let tiers = coco.get("/tiers").json();
    assert_eq!(tiers[0]["connections"][&nowhere], serde_json::json!({ "state": "unresolved" }));
    assert_eq!(tiers[1]["connections"][&node.address.to_string()]["state"], "up");
    let metrics = coco.get("/metrics").text;
    for (tier, sent, disconnected) in [("mixed", 50 - lost, lost), ("whole", 50, 0)] {
        assert_eq!(of_tier(&metrics, "coco_send_total", tier), sent);
        assert_eq!(of_tier(&metrics, "coco_errors_send_disconnected_total", tier), disconnected);
    }
    coco.stop().unwrap();
}

#[test]
fn a_notification_reaches_its_owner_in_every_tier_whatever_the_blacklist_says() {
    // As collectd sends it (`network_notification`, `src/network.c`): time, severity, names, message.
    let notification = [
        &b"\0\x08\0\x0c\x19\x54\xfd\x3a\0\0\0\0"[..],
        b"\x01\x01\0\x0c\0\0\0\0\0\0\0\x02",
        b"\0\0\0\x09web1\0",
        b"\0\x02\0\x08irq\0",
        b"\x01\0\0\x0dtoo many\0",
    ]
    .concat();
    let nodes: Vec<_> = (0..3).map(|_| Sink::start()).collect();
    let mut config = config(&[("first", addresses(&nodes[..1])), ("second", addresses(&nodes[1..]))]);
    config.filter.blacklist = Some(Regex::new("irq").unwrap());
    let owner = 1 + config.tiers.get(1).unwrap().owner(b"web1");
    let coco = Running::start(config);
    sender(coco.listen).send(&notification).unwrap();
    let vars = coco.vars_when("both tiers to get it", |vars| {
        number(vars, "send.notifications", &nodes[0].address.to_string())
            + number(vars, "send.notifications", &nodes[owner].address.to_string())
            == 2
    });
    assert_eq!([number(&vars, "listen", "notifications"), number(&vars, "listen", "decoded")], [1, 0]);
    assert_eq!(number(&vars, "send", "total"), 0);
    for node in [0, owner] {
        wait_until(PATIENCE, "the notification", || nodes[node].datagrams() == [notification.clone()]);
    }
    assert_eq!(nodes[3 - owner].datagrams().len(), 0);
    coco.stop().unwrap();
}

#[test]
fn all_addresses_are_those_of_both_families_and_take_the_largest_datagrams() {
    let node = Sink::start();
    let mut config = config(&[("only", vec![node.address.to_string()])]);
    config.listen.bind = ":0".parse().unwrap();
    let coco = Running::start(config);
    let port = coco.listen.port();
    let mut sent = vec![value_list(b"by IPv4", "p", "t", 1)];
    send(&sender(([127, 0, 0, 1], port).into()), &sent);
    if coco.listen.is_ipv6() {
        sent.push(value_list(b"by IPv6", "p", "t", 1));
        send(&sender((Ipv6Addr::LOCALHOST, port).into()), &sent[1..]);
    }
    // 63,000 bytes of values: more than `max_packet_size`, and nothing that could be taken apart.
    let mut large = value_list(b"large", "p", "t", 1);
    let values = vec![Value::Gauge(0.5); 7000];
    large = ValueList::new(large.identifier, large.time, large.interval, &values);
    send(&sender(([127, 0, 0, 1], port).into()), std::slice::from_ref(&large));
    sent.push(large);
    let arrived = wait_for(PATIENCE, "everything", || {
        Some(node.value_lists()).filter(|lists| lists.len() == sent.len())
    });
    assert_eq!(by_host(arrived), by_host(sent));
    coco.stop().unwrap();
}

#[test]
fn a_multicast_group_is_joined_on_the_interface_that_is_named() {
    let node = Sink::start();
    let mut config = config(&[("shortterm", vec![node.address.to_string()])]);
    config.listen.bind = "239.192.74.66:0".parse().unwrap();
    config.listen.interface = Some("lo".to_owned());
    let coco = Running::start(config);

    let agent = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket2::SockRef::from(&agent).set_multicast_if_v4(&std::net::Ipv4Addr::LOCALHOST).unwrap();
    agent.connect(coco.listen).unwrap();
    let lists = [value_list(b"web1", "load", "load", 1)];
    send(&agent, &lists);
    let arrived = wait_for(PATIENCE, "the group's value list", || {
        Some(node.value_lists()).filter(|lists| !lists.is_empty())
    });
    assert_eq!(arrived, lists);
    coco.stop().unwrap();
}

#[test]
fn names_are_as_long_as_is_wished() {
    for (longest, taken) in [(127, 1), (1023, 3)] {
        let node = Sink::start();
        let mut config = config(&[("a", addresses(std::slice::from_ref(&node)))]);
        config.listen.max_name_length = longest;
        let coco = Running::start(config);
        let agent = sender(coco.listen);
        let hosts = [127, 128, 1023].map(|length| vec![b'h'; length]);
        for host in &hosts {
            send(&agent, &[value_list(host, "p", "t", 1)]);
        }
        let vars = coco.vars_when("all datagrams", |vars| {
            number(vars, "listen", "raw") == 3 && number(vars, "send", "total") == taken
        });
        assert_eq!(vars["listen"]["malformed"]["string_too_long"], 3 - taken);
        let arrived = wait_for(PATIENCE, "what was taken", || {
            Some(node.datagrams().concat()).filter(|bytes| {
                let names = hosts.iter().map(|host| [&host[..], b"\0"].concat());
                names.take(taken as usize).all(|name| bytes.windows(name.len()).any(|at| at == name))
            })
        });
        assert!(arrived.len() > 127);
        let shown = coco.get("/tiers").json()[0]["routes"][node.address.to_string()].clone();
        assert_eq!(shown.as_object().unwrap().len() as u64, taken);
        coco.stop().unwrap();
    }
}

/// A socket of this process is an own socket of the coco in it, whoever sends by it.
#[test]
fn what_coco_has_sent_and_gets_back_is_refused() {
    let node = Sink::start();
    let coco = Running::start(config(&[("a", addresses(std::slice::from_ref(&node)))]));
    let (own, other) = (OwnSocket::connect(coco.listen, None).unwrap(), sender(coco.listen));
    let list = value_list(b"web1", "p", "t", 1);
    for _ in 0..5 {
        send(&own, std::slice::from_ref(&list));
        send(&other, std::slice::from_ref(&list));
    }
    let vars = coco.vars_when("all datagrams", |vars| number(vars, "listen", "raw") >= 10);
    assert_eq!(number(&vars, "listen", "decoded"), 5);
    assert_eq!(vars["listen"]["refused"]["own_socket"], 5);
    coco.stop().unwrap();
}
