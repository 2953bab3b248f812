//! `cococtl placement`.

use coco_core::placement::ring::Ring;
use coco_harness::directory::Directory;

use crate::{cococtl, tiers};

#[test]
fn shares_are_those_that_a_count_finds() {
    let directory = Directory::new("placement");
    let config = tiers(&directory, "coco.conf", &[("shortterm", 3), ("midterm", 20)]);
    let hosts: Vec<_> = (0..5000).map(|number| format!("web{number}")).collect();
    let list = directory.write("hosts", &hosts.join("\n"));
    let (config, list) = (config.to_str().unwrap(), list.to_str().unwrap());
    let ended = cococtl(["placement", "--config", config, "--hosts", list, "--json"], b"");
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    let answer = ended.json();
    assert_eq!((&answer["hosts"], &answer["made_up"]), (&5000.into(), &false.into()));
    for (tier, (targets, replicas)) in answer["tiers"].as_array().unwrap().iter().zip([(3, 96), (20, 4)]) {
        let ring = Ring::new(targets, replicas);
        let mut counted = vec![0_u64; targets];
        hosts.iter().for_each(|host| counted[ring.owner(host.as_bytes())] += 1);
        let told: Vec<_> = tier["targets"]
            .as_array()
            .unwrap()
            .iter()
            .map(|target| target["hosts"].as_u64().unwrap())
            .collect();
        assert_eq!(told, counted);
        assert_eq!((&tier["virtual_replicas"], &tier["by_table"]), (&replicas.into(), &true.into()));
        let largest = *counted.iter().max().unwrap() as f64 * targets as f64 / 5000.0;
        assert!((tier["largest"].as_f64().unwrap() - largest).abs() < 1e-9, "{tier}");
    }
}

#[test]
fn people_see_the_fingerprint_and_every_target() {
    let directory = Directory::new("placement");
    let sample = coco_harness::repository().join("coco.sample.conf");
    let ended = cococtl(["placement", "--config", sample.to_str().unwrap()], b"");
    assert_eq!(ended.status, Some(0));
    assert!(ended.stdout.starts_with("fingerprint 7abf48ec216fdbd9, 20000 made-up hosts\n"), "{ended:?}");
    for target in 25827..=25830 {
        assert!(ended.stdout.contains(&format!("127.0.0.1:{target} ")), "{ended:?}");
    }
    let missing = directory.path().join("hosts");
    let ended = cococtl(
        ["placement", "--config", sample.to_str().unwrap(), "--hosts", missing.to_str().unwrap()],
        b"",
    );
    assert!(ended.status == Some(2) && ended.stderr.contains("hosts: No such file"), "{ended:?}");
}

#[test]
fn weights_zones_and_losses_stand_beside_the_shares() {
    let directory = Directory::new("placement");
    let target = |(number, zone): (usize, &str)| {
        let weight = if number == 3 { 200 } else { 100 };
        format!(
            "{{ name = 's{number}', address = '10.0.0.{number}:25826', zone = '{zone}', weight = {weight} }}"
        )
    };
    let targets: Vec<_> = (0..).zip(["n", "n", "s", "s"]).map(target).collect();
    let text = format!("[tiers.a]\nhash = 'rendezvous'\nreplicas = 2\ntargets = [{}]", targets.join(","));
    let config = directory.write("coco.conf", &text);
    let ended = cococtl(["placement", "--config", config.to_str().unwrap(), "--json"], b"");
    assert_eq!((ended.status, ended.stderr.as_str()), (Some(0), ""));
    let tier = &ended.json()["tiers"][0];
    assert_eq!((&tier["hash"], &tier["replicas"]), (&"rendezvous".into(), &2.into()));
    let number = |of: &serde_json::Value, key: &str| of[key].as_u64().unwrap();
    let targets = tier["targets"].as_array().unwrap();
    assert_eq!(targets.iter().map(|target| number(target, "hosts")).sum::<u64>(), 40_000);
    assert_eq!(targets.iter().map(|target| number(target, "first")).sum::<u64>(), 20_000);
    assert_eq!(
        (&targets[3]["name"], &targets[3]["weight"], &targets[3]["due"]),
        (&"s3".into(), &200.into(), &0.4.into())
    );
    for target in targets {
        assert_eq!(target["loss"]["without_copy"], 0);
        assert_eq!(target["loss"]["passed_on"], target["first"]);
    }
    // Each zone has a copy of every host, so that either may go.
    for zone in tier["zones"].as_array().unwrap() {
        assert_eq!(
            (number(zone, "hosts"), &zone["share"], &zone["loss"]["without_copy"]),
            (20_000, &0.5.into(), &0.into())
        );
    }
    let told = cococtl(["ring", "--config", config.to_str().unwrap()], b"").stdout;
    assert!(told.contains("tier a: 4 targets in 2 zones by rendezvous, 2 of them for each host"), "{told}");
    assert!(
        told.contains("zone n: 20000 copies, 50.00 % of 40.00 %; lost: no host is without a copy"),
        "{told}"
    );
}
