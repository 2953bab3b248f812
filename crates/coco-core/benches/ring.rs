//! Nanoseconds a look-up: who owns a host, on rings of few and of many targets.

use std::hint::black_box;
use std::time::Duration;

use coco_core::placement::ring::{Ring, default_virtual_replicas};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn look_up(criterion: &mut Criterion) {
    let hosts: Vec<String> = (0..1000).map(|i| format!("web{i:03}.example.org")).collect();
    let mut group = criterion.benchmark_group("owner");
    group.throughput(Throughput::Elements(hosts.len() as u64));
    for targets in [2, 12, 100] {
        let ring = Ring::new(targets, default_virtual_replicas(targets));
        group.bench_with_input(BenchmarkId::from_parameter(targets), &ring, |bencher, ring| {
            bencher.iter(|| {
                for host in black_box(&hosts) {
                    black_box(ring.owner(host.as_bytes()));
                }
            });
        });
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1));
    targets = look_up
}
criterion_main!(benches);
