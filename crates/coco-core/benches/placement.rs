//! What a look-up of a new host's owners costs, by the number of targets.

use std::hint::black_box;

use coco_core::placement::jump::Jump;
use coco_core::placement::rendezvous::{Member, Rendezvous, Weight};
use criterion::{BatchSize, BenchmarkId, Criterion, criterion_group, criterion_main};

const REPLICAS: usize = 3;

/// How targets differ, but by their names.
#[derive(Clone, Copy)]
enum Difference {
    None,
    Weight,
    WeightAndZone,
}

fn rendezvous(targets: usize, difference: Difference) -> Rendezvous {
    let names: Vec<_> = (0..targets).map(|target| format!("storage{target}")).collect();
    let zones = ["a", "b", "c", "d", "e"];
    let member = |(target, name)| {
        let weight = match difference {
            Difference::None => Weight::default(),
            Difference::Weight | Difference::WeightAndZone => {
                Weight::new([100, 200, 50, 400][target % 4]).expect("a weight")
            }
        };
        let zone = matches!(difference, Difference::WeightAndZone).then_some(zones[target % zones.len()]);
        Member { name, weight, zone }
    };
    let members: Vec<_> = names.iter().map(String::as_str).enumerate().map(member).collect();
    Rendezvous::new(&members, REPLICAS).expect("a placement")
}

fn look_ups(criterion: &mut Criterion) {
    let hosts: Vec<_> = (0..1000).map(|host| format!("host{host:05}.example.org")).collect();
    let mut group = criterion.benchmark_group("placement");
    for targets in [20, 200, 2000] {
        let mut look_up = |name, owners: &dyn Fn(&[u8], &mut Vec<usize>)| {
            let mut hosts = hosts.iter().cycle();
            let mut places = Vec::new();
            group.bench_function(BenchmarkId::new(name, targets), |bencher| {
                let next = || hosts.next().expect("a cycle has no end");
                bencher.iter_batched(
                    next,
                    |host| owners(black_box(host.as_bytes()), &mut places),
                    BatchSize::SmallInput,
                );
            });
        };
        for (name, difference) in [
            ("rendezvous", Difference::None),
            ("rendezvous, weights", Difference::Weight),
            ("rendezvous, weights and zones", Difference::WeightAndZone),
        ] {
            let placement = rendezvous(targets, difference);
            look_up(name, &|host, places| placement.owners(host, places));
        }
        let placement = Jump::new(&vec![None; targets], REPLICAS).expect("a placement");
        look_up("jump", &|host, places| placement.owners(host, places));
    }
    group.finish();
}

criterion_group!(benches, look_ups);
criterion_main!(benches);
