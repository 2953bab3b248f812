//! `cococtl ring`.

use coco_core::placement::ring::Ring;
use coco_tests::directory::Directory;

use crate::{cococtl, tiers};

#[test]
fn shares_are_those_that_a_count_finds() {
    let directory = Directory::new("ring");
    let config = tiers(&directory, "coco.conf", &[("shortterm", 3), ("midterm", 20)]);
    let hosts: Vec<_> = (0..5000).map(|number| format!("web{number}")).collect();
    let list = directory.write("hosts", &hosts.join("\n"));
    let (config, list) = (config.to_str().unwrap(), list.to_str().unwrap());
    let ended = cococtl(["ring", "--config", config, "--hosts", list, "--json"], b"");
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
    let directory = Directory::new("ring");
    let sample = coco_tests::repository().join("coco.sample.conf");
    let ended = cococtl(["ring", "--config", sample.to_str().unwrap()], b"");
    assert_eq!(ended.status, Some(0));
    assert!(ended.stdout.starts_with("fingerprint 7abf48ec216fdbd9, 20000 made-up hosts\n"), "{ended:?}");
    for target in 25827..=25830 {
        assert!(ended.stdout.contains(&format!("127.0.0.1:{target} ")), "{ended:?}");
    }
    let missing = directory.path().join("hosts");
    let ended =
        cococtl(["ring", "--config", sample.to_str().unwrap(), "--hosts", missing.to_str().unwrap()], b"");
    assert!(ended.status == Some(2) && ended.stderr.contains("hosts: No such file"), "{ended:?}");
}
