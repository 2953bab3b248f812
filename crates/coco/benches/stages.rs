//! What the stages take of the processor, per value list, without any socket: `cargo bench -p coco`.
//!
//! Each line adds a stage to the one before, so that every stage finds in the cache what it would find there; the
//! difference of two lines is what a stage takes.
//!
//! Two corpora of 1,500 hosts with 133 metrics each: `agents`, one host a datagram, and `mixed`, a random host each
//! value list. All hosts are known already, as they are but for the first minute of a daemon's life.

use std::sync::Arc;

use coco::batch::Batch;
use coco::decide::Filter;
use coco::intake::{Gate, decode};
use coco::lane::Lane;
use coco::plan::{Newest, Routing};
use coco::secrets::Seals;
use coco::send::Packing;
use coco_core::config::{Config, Program};
use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
use coco_core::wire::PacketBuilder;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const HOSTS: usize = 1500;
const METRICS: usize = 133;
const BATCH: usize = 64;

fn value_list(host: usize, metric: usize) -> ValueList {
    let (plugin, type_instance) =
        (["cpu", "memory", "interface", "df"][metric / 40], format!("instance{}", metric % 8));
    let identifier = Identifier {
        host: format!("host{host:05}.dc{}.example.org", host % 4).into(),
        plugin: plugin.into(),
        plugin_instance: (metric / 8).to_string().into(),
        type_name: plugin.into(),
        type_instance: type_instance.into(),
    };
    let time = Time::HighResolution((1_795_290_000 << 30) + (host as u64) * 1_000_003);
    ValueList::new(identifier, time, Interval::HighResolution(10 << 30), &[Value::Derive(metric as i64)])
}

/// Datagrams of a corpus. `order` gives host and metric of the n-th value list.
fn corpus(order: impl Fn(usize) -> (usize, usize), close_between_hosts: bool) -> Vec<Vec<u8>> {
    let mut builder = PacketBuilder::new(1452);
    for n in 0..HOSTS * METRICS {
        let (host, metric) = order(n);
        if close_between_hosts && metric == 0 {
            builder.close();
        }
        builder.push(&value_list(host, metric).as_ref());
    }
    builder.close();
    builder.packets().map(|(_, bytes)| bytes.to_vec()).collect()
}

/// Puts datagrams into the slots of a batch, as the kernel does.
fn fill(batch: &mut Batch, datagrams: &[Vec<u8>]) {
    batch.clear();
    for datagram in datagrams {
        if let Some(slot) = batch.free_slots().next() {
            slot[..datagram.len()].copy_from_slice(datagram);
        }
        batch.add(datagram.len(), None);
    }
    batch.received = 1_795_290_000;
}

fn stages(criterion: &mut Criterion) {
    let config = r#"
        [filter]
        blacklist = "/(vmem|irq|entropy|users)/"
        [tiers.shortterm]
        targets = ["127.0.0.1:1", "127.0.0.1:2"]
        [tiers.midterm]
        targets = ["127.0.0.1:3", "127.0.0.1:4"]
    "#;
    let config = Config::parse(config, Program::Coco).expect("a good configuration");
    let newest = Arc::new(Newest::from_pointee(Routing::new(&config, Seals::default(), 1)));
    // A multiplier that is prime to the number of value lists visits each once, far from the last.
    let shuffled = |n: usize| (n * 77_773) % (HOSTS * METRICS);
    let corpora = [
        ("agents", corpus(|n| (n / METRICS, n % METRICS), true)),
        ("mixed", corpus(|n| (shuffled(n) / METRICS, shuffled(n) % METRICS), false)),
    ];
    for (name, datagrams) in corpora {
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements((HOSTS * METRICS) as u64)).sample_size(20);
        let lane = Lane::new(0, 1 << 28);
        let gate = Gate::default();
        let mut filter = Filter::new(Arc::clone(&newest));
        let mut packing = Packing::new(newest.load_full());
        let mut batch = Batch::new(BATCH);

        group.bench_function("fill", |bencher| {
            bencher.iter(|| datagrams.chunks(BATCH).for_each(|datagrams| fill(&mut batch, datagrams)));
        });
        group.bench_function("fill, decode", |bencher| {
            bencher.iter(|| {
                for datagrams in datagrams.chunks(BATCH) {
                    fill(&mut batch, datagrams);
                    decode(&mut batch, &lane, &gate);
                }
            });
        });
        group.bench_function("fill, decode, filter", |bencher| {
            bencher.iter(|| {
                for datagrams in datagrams.chunks(BATCH) {
                    fill(&mut batch, datagrams);
                    decode(&mut batch, &lane, &gate);
                    filter.decide(&mut batch, &lane);
                }
            });
        });
        group.bench_function("fill, decode, filter, pack", |bencher| {
            bencher.iter(|| {
                for datagrams in datagrams.chunks(BATCH) {
                    fill(&mut batch, datagrams);
                    decode(&mut batch, &lane, &gate);
                    filter.decide(&mut batch, &lane);
                    packing.pack(&batch);
                    packing.clear();
                }
            });
        });
        group.finish();
    }
}

criterion_group!(benches, stages);
criterion_main!(benches);
