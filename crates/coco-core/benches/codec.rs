//! Nanoseconds a value list: decode, push (pack anew) and append (pass through).

use std::hint::black_box;
use std::time::Duration;

use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
use coco_core::wire::{Decoder, Event, PacketBuilder, ValueListSpans, Whole};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

const NOW: u64 = 1_700_000_000 << 30;

/// What 60 agents send: one host a datagram, the names of its plugins, one instant, 33 value lists.
fn agents() -> Vec<Vec<u8>> {
    const METRICS: [(&str, &str, &[&str]); 5] = [
        ("cpu", "cpu", &["user", "system", "idle", "wait", "nice", "interrupt", "softirq", "steal"]),
        ("memory", "memory", &["used", "free", "cached", "buffered", "slab_recl"]),
        ("df", "df_complex", &["free", "reserved", "used"]),
        ("interface", "if_octets", &[""]),
        ("processes", "ps_state", &["running", "sleeping", "zombies", "stopped", "paging", "blocked"]),
    ];
    let lists = |host: usize| {
        (0..4).flat_map(move |instance| {
            METRICS.into_iter().flat_map(move |(plugin, type_name, type_instances)| {
                type_instances.iter().map(move |type_instance| {
                    let values = [Value::Derive(123_456), Value::Derive(654_321)];
                    let count = if plugin == "interface" { 2 } else { 1 };
                    list(
                        &format!("web{host:03}.example.org"),
                        plugin,
                        &instance.to_string(),
                        type_name,
                        type_instance,
                        NOW,
                        &values[..count],
                    )
                })
            })
        })
    };
    (0..60).map(|host| packet(lists(host).take(33))).collect()
}

/// What a relay sends: every value list of another host, plugin and instant, one to six values each.
fn mixed() -> Vec<Vec<u8>> {
    let lists = (0..2000_usize).map(|i| {
        let values: Vec<_> = (0..1 + i % 6).map(|value| Value::Gauge(value as f64 / 7.0)).collect();
        let instance = if i % 3 == 0 { String::new() } else { format!("instance{}", i % 5) };
        list(
            &format!("host{:04}.rack{}.example.org", i % 997, i % 7),
            ["cpu", "df", "postgresql", "jmx"][i % 4],
            &instance,
            "some_type",
            &i.to_string(),
            NOW + i as u64,
            &values,
        )
    });
    let lists: Vec<_> = lists.collect();
    let mut builder = PacketBuilder::new(1346);
    for list in &lists {
        builder.push(&list.as_ref());
    }
    builder.close();
    builder.packets().map(|(_, bytes)| bytes.to_vec()).collect()
}

fn list(
    host: &str,
    plugin: &str,
    plugin_instance: &str,
    type_name: &str,
    type_instance: &str,
    time: u64,
    values: &[Value],
) -> ValueList {
    let [host, plugin, plugin_instance, type_name, type_instance] =
        [host, plugin, plugin_instance, type_name, type_instance].map(|name| name.as_bytes().to_vec());
    let identifier = Identifier { host, plugin, plugin_instance, type_name, type_instance };
    ValueList::new(identifier, Time::HighResolution(time), Interval::HighResolution(10 << 30), values)
}

fn packet(lists: impl Iterator<Item = ValueList>) -> Vec<u8> {
    let mut builder = PacketBuilder::new(usize::MAX);
    lists.for_each(|list| builder.push(&list.as_ref()));
    builder.close();
    builder.packets().map(|(_, bytes)| bytes.to_vec()).collect::<Vec<_>>().concat()
}

fn value_lists(datagram: &[u8]) -> impl Iterator<Item = ValueListSpans> {
    Decoder::new(datagram).filter_map(|event| match event {
        Ok(Event::ValueList(list)) => Some(list),
        _ => None,
    })
}

fn codec(criterion: &mut Criterion) {
    for (corpus, datagrams) in [("agents", agents()), ("mixed", mixed())] {
        let mut spans: Vec<Vec<ValueListSpans>> = Vec::new();
        spans.extend(datagrams.iter().map(|datagram| value_lists(datagram).collect()));
        let mut group = criterion.benchmark_group(corpus);
        group.throughput(Throughput::Elements(spans.iter().map(Vec::len).sum::<usize>() as u64));

        let mut table = Vec::with_capacity(4096);
        group.bench_function("decode", |bencher| {
            bencher.iter(|| {
                for datagram in black_box(&datagrams) {
                    table.clear();
                    for event in Decoder::new(datagram) {
                        if let Ok(Event::ValueList(list)) = event {
                            table.push(list);
                        }
                    }
                    black_box(&table);
                }
            });
        });
        group.bench_function("read", |bencher| {
            bencher.iter(|| {
                for (datagram, spans) in black_box(&datagrams).iter().zip(&spans) {
                    for list in spans {
                        black_box(list.of(datagram));
                    }
                }
            });
        });
        let mut builder = PacketBuilder::new(1452);
        group.bench_function("push", |bencher| {
            bencher.iter(|| {
                builder.clear();
                for (datagram, spans) in black_box(&datagrams).iter().zip(&spans) {
                    for list in spans {
                        builder.push(&list.of(datagram));
                    }
                }
                builder.close();
                black_box(builder.packets().len())
            });
        });
        let wholes: Vec<Whole> = datagrams
            .iter()
            .map(|datagram| {
                let mut decoder = Decoder::new(datagram);
                decoder.by_ref().for_each(drop);
                decoder.whole(datagram).expect("a datagram of value lists")
            })
            .collect();
        group.bench_function("append", |bencher| {
            bencher.iter(|| {
                builder.clear();
                for ((datagram, spans), whole) in black_box(&datagrams).iter().zip(&spans).zip(&wholes) {
                    builder.append(datagram, *whole, &[], spans[0].carried(datagram), spans.len() as u32);
                }
                builder.close();
                black_box(builder.packets().len())
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
    targets = codec
}
criterion_main!(benches);
