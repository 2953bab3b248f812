use std::collections::BTreeMap;

use coco_core::config::CocoConfig;
use coco_harness::sink::Sink;
use coco_harness::traffic::{send, sender};
use coco_harness::wait::{PATIENCE, wait_until};
use serde_json::json;

use crate::agents::value_list;
use crate::delivery::of_tier;
use crate::running::{Running, number};

/// Three nodes and one whose name does not resolve, in two zones.
fn config(nodes: &[Sink]) -> CocoConfig {
    let target = |(name, zone, address): (&str, &str, &str)| {
        format!("{{ name = '{name}', zone = '{zone}', address = '{address}' }}")
    };
    let addresses: Vec<_> = nodes.iter().map(|node| node.address.to_string()).collect();
    let targets = [
        ("n1", "north", addresses[0].as_str()),
        ("n2", "north", &addresses[1]),
        ("s1", "south", &addresses[2]),
        ("s2", "south", "no-such-node.invalid:25826"),
    ];
    let text = format!(
        "listen.bind = '127.0.0.1:0'\napi.bind = '127.0.0.1:0'\nmeasure.interval = '100ms'\n\
         filter.blacklist = '/irq/'\n\
         [tiers.archive]\nhash = 'rendezvous'\nreplicas = 2\ntargets = [{}]\n\
         [tiers.plain]\ntargets = ['{}']\n",
        targets.map(target).join(","),
        addresses[0],
    );
    CocoConfig::parse(&text).unwrap()
}

#[test]
fn every_copy_is_written_and_the_books_balance_tier_by_tier() {
    let nodes = [(); 3].map(|()| Sink::start());
    let config = config(&nodes);
    let tiers = config.tiers.clone();
    let archive = tiers.get(0).unwrap();
    let coco = Running::start(config);
    let agent = sender(coco.listen);

    // Whole datagrams of one host, and such as hold many hosts and are packed anew.
    let mut lists = Vec::new();
    for host in 0..30 {
        let name = format!("web{host}").into_bytes();
        let of_host = ["load", "irq", "df"].map(|plugin| value_list(&name, plugin, "t", 1));
        send(&agent, &of_host);
        lists.extend(of_host);
    }
    let mixed: Vec<_> =
        (0..30).map(|host| value_list(format!("web{host}").as_bytes(), "cpu", "t", 1)).collect();
    send(&agent, &mixed);
    lists.extend(mixed);
    let accepted: Vec<_> = lists.iter().filter(|list| list.identifier.plugin != b"irq").collect();

    // What each target of the tier is to get, and of how many hosts it is the first owner.
    let (mut expected, mut first, mut further) = ([0; 4], [0_u64; 4], [0_u64; 4]);
    let mut by_host = BTreeMap::new();
    for list in &accepted {
        let mut owners = Vec::new();
        archive.placement().owners(&list.identifier.host, &mut owners);
        assert_eq!(owners.len(), 2);
        let zones = owners.iter().map(|&owner| archive.targets()[owner].placed.zone.as_deref());
        assert!(zones.collect::<std::collections::BTreeSet<_>>().len() == 2, "copies lie in both zones");
        owners.iter().for_each(|&owner| expected[owner] += 1);
        by_host.insert(&list.identifier.host, owners);
    }
    for owners in by_host.values() {
        first[owners[0]] += 1;
        further[owners[1]] += 1;
    }
    assert!(expected.iter().all(|&lists| lists > 0));
    let all = accepted.len() as u64;
    let metrics = wait_until_settled(&coco, 3 * all);
    for (node, expected) in nodes.iter().zip(expected).skip(1) {
        wait_until(PATIENCE, "each copy to arrive", || node.value_lists().len() >= expected);
        assert_eq!(node.value_lists().len(), expected);
    }

    let of = |family, tier| of_tier(&metrics, family, tier);
    for (tier, copies) in [("archive", all), ("plain", 0)] {
        assert_eq!(
            metrics
                .lines()
                .filter(|line| **line == format!("coco_send_copies_total{{tier=\"{tier}\"}} {copies}"))
                .count(),
            1
        );
        let booked =
            ["coco_send_total", "coco_errors_send_write_total", "coco_errors_send_disconnected_total"];
        assert_eq!(booked.map(|family| of(family, tier)).iter().sum::<u64>(), all + copies, "{tier}");
    }
    assert_eq!(of("coco_errors_send_disconnected_total", "archive"), expected[3] as u64);

    let shown = coco.get("/tiers").json();
    for (place, target) in shown[0]["placed"].as_array().unwrap().iter().enumerate() {
        assert_eq!(target["hosts"], json!({ "first": first[place], "further": further[place] }));
        let routes = &shown[0]["routes"][target["address"].as_str().unwrap()];
        assert_eq!(routes.as_object().unwrap().len() as u64, first[place] + further[place]);
    }
    let vars = coco.vars();
    // A tier has each host once.
    assert_eq!(vars["hash.metrics_per_host"]["archive"]["total"]["length"], 30);
    assert_eq!(number(&vars, "hash.hosts", "no-such-node.invalid:25826"), first[3] + further[3]);
    coco.stop().unwrap();
}

/// `/metrics` once so many value lists were sent or lost, and were measured.
fn wait_until_settled(coco: &Running, all: u64) -> String {
    coco.vars_when("everything to be sent or lost", |vars| {
        let lost = number(vars, "errors", "send.write") + number(vars, "errors", "send.disconnected");
        number(vars, "send", "total") + lost == all
            && vars["hash.metrics_per_host"]["archive"]["total"]["sum"] == 90
    });
    coco.get("/metrics").text
}

/// Whatever agents send, both who have a host get the same packets of it, byte for byte and in the same order.
#[test]
fn copies_are_equal_to_the_byte() {
    let nodes = [(); 2].map(|()| Sink::start());
    let targets = nodes.each_ref().map(|node| format!("'{}'", node.address)).join(", ");
    let text = format!(
        "listen.bind = '127.0.0.1:0'\napi.bind = '127.0.0.1:0'\nfilter.blacklist = '/irq/'\n\
         [tiers.a]\nhash = 'rendezvous'\nreplicas = 2\ntargets = [{targets}]\n"
    );
    let coco = Running::start(CocoConfig::parse(&text).unwrap());
    let agent = sender(coco.listen);
    let mut sent = 0;
    for round in 0..20 {
        // Whole, less a value list that is refused, and of many hosts.
        for host in 0..10 {
            let name = format!("web{host}").into_bytes();
            let whole: Vec<_> = (0..round).map(|_| value_list(&name, "load", "t", round)).collect();
            let partly = ["df", "irq", "cpu"].map(|plugin| value_list(&name, plugin, "t", round));
            send(&agent, &whole);
            send(&agent, &partly);
            sent += whole.len() + 2;
        }
        let mixed: Vec<_> =
            (0..30).map(|host| value_list(format!("db{host}").as_bytes(), "cpu", "t", round)).collect();
        send(&agent, &mixed);
        sent += mixed.len();
    }
    for node in &nodes {
        wait_until(PATIENCE, "each copy to arrive", || node.value_lists().len() >= sent);
        assert_eq!(node.value_lists().len(), sent);
    }
    assert_eq!(nodes[0].datagrams(), nodes[1].datagrams());
    coco.stop().unwrap();
}
