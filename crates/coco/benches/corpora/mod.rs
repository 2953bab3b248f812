//! What the benches run the stages with: two corpora of hosts with 133 metrics each. `agents`, one host a datagram, and
//! `mixed`, a random host each value list.

use coco::batch::Batch;
use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
use coco_core::wire::PacketBuilder;

pub(crate) const METRICS: usize = 133;
pub(crate) const BATCH: usize = 64;

pub(crate) const CONFIGURATION: &str = r#"
    [filter]
    blacklist = "/(vmem|irq|entropy|users)/"
    [tiers.shortterm]
    targets = ["127.0.0.1:1", "127.0.0.1:2"]
    [tiers.midterm]
    targets = ["127.0.0.1:3", "127.0.0.1:4"]
"#;

/// Both, by name.
pub(crate) fn corpora(hosts: usize) -> [(&'static str, Vec<Vec<u8>>); 2] {
    let count = hosts * METRICS;
    // A multiplier that is prime to the number of value lists visits each once, far from the last.
    let shuffled = |n: usize| (n * 77_773) % count;
    [
        ("agents", corpus(count, |n| (n / METRICS, n % METRICS), true)),
        ("mixed", corpus(count, |n| (shuffled(n) / METRICS, shuffled(n) % METRICS), false)),
    ]
}

/// Datagrams of a corpus. `order` gives host and metric of the n-th value list.
fn corpus(count: usize, order: impl Fn(usize) -> (usize, usize), close_between_hosts: bool) -> Vec<Vec<u8>> {
    let mut builder = PacketBuilder::new(1452);
    for n in 0..count {
        let (host, metric) = order(n);
        if close_between_hosts && metric == 0 {
            builder.close();
        }
        builder.push(&value_list(host, metric).as_ref());
    }
    builder.close();
    builder.packets().map(|(_, bytes)| bytes.to_vec()).collect()
}

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

/// Puts datagrams into the slots of a batch, as the kernel does.
pub(crate) fn fill(batch: &mut Batch, datagrams: &[Vec<u8>]) {
    batch.clear();
    for datagram in datagrams {
        if let Some(slot) = batch.free_slots().next() {
            slot[..datagram.len()].copy_from_slice(datagram);
        }
        batch.add(datagram.len(), None);
    }
    batch.received = 1_795_290_000;
}
