//! Who owns what, as the deployed Go implementation computed it (`testdata/ring/README.md`).

use coco_core::placement::ring::{Ring, default_virtual_replicas};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    names: Vec<String>,
    rings: Vec<RingVector>,
}

#[derive(Deserialize)]
struct RingVector {
    targets: usize,
    virtual_replicas: u32,
    /// Of every name, in order.
    owner: Vec<usize>,
}

#[test]
fn agrees_with_the_deployed_implementation() {
    let Vectors { names, rings } = serde_json::from_str(include_str!("../testdata/ring/ring.json")).unwrap();
    assert_eq!(names.len(), 157);
    let sizes: Vec<usize> = rings.iter().map(|ring| ring.targets).collect();
    assert!(sizes.into_iter().eq(1..=100));

    for RingVector { targets, virtual_replicas, owner } in rings {
        assert_eq!(default_virtual_replicas(targets), virtual_replicas, "{targets} targets");
        let ring = Ring::new(targets, virtual_replicas);
        let ours: Vec<usize> = names.iter().map(|name| ring.owner(name.as_bytes())).collect();
        assert_eq!(ours, owner, "{targets} targets");
    }
}

#[test]
fn more_targets_than_the_original_can_have() {
    for targets in [101, 128, 1000] {
        let ring = Ring::new(targets, default_virtual_replicas(targets));
        let mut hosts = vec![0_u32; targets];
        for host in 0..targets * 1000 {
            hosts[ring.owner(format!("host{host}.example.org").as_bytes())] += 1;
        }
        let (least, most) = (hosts.iter().min().unwrap(), hosts.iter().max().unwrap());
        assert!(
            *least > 100 && *most < 4000,
            "{targets} targets own {least} to {most} hosts, 1000 on average"
        );
    }
}
