//! What the stages take of the processor, per value list, without any socket: `cargo bench -p coco`.
//!
//! Each line adds a stage to the one before, so that every stage finds in the cache what it would find there; the
//! difference of two lines is what a stage takes.
//!
//! All hosts are known already, as they are but for the first minute of a daemon's life.

mod corpora;

use std::sync::Arc;

use coco::batch::Batch;
use coco::decide::Filter;
use coco::intake::{Gate, decode};
use coco::lane::Lane;
use coco::plan::{Newest, Routing};
use coco::secrets::Seals;
use coco::send::{Packing, Progress};
use coco_core::config::CocoConfig;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use corpora::{BATCH, CONFIGURATION, METRICS, corpora, fill};

const HOSTS: usize = 1500;

fn stages(criterion: &mut Criterion) {
    let config = CocoConfig::parse(CONFIGURATION).expect("a good configuration");
    let newest = Arc::new(Newest::from_pointee(Routing::new(&config, Seals::default(), 1)));
    for (name, datagrams) in corpora(HOSTS) {
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
                    packing.pack(&batch, &mut Progress::default(), batch.arrived);
                    packing.clear();
                }
            });
        });
        group.finish();
    }
}

criterion_group!(benches, stages);
criterion_main!(benches);
