//! Made-up agents: what they measure, packed as collectd packs it.
//!
//! The last value list of each round of a host is a sequence: `cococtl/derive-sequence`, whose value is how many value
//! lists the host has sent with it. That is what [`ledger`](crate::ledger) checks.

mod metrics;
mod sender;

use coco_core::value_list::{IdentifierRef, Interval, Time, Value, ValueListRef, ValuesRef};
use coco_core::wire::PacketBuilder;

pub use metrics::{Bounds, Metric, TYPES_DB};
pub use sender::{Counters, Sender, Stamps, Stop, send_datagram};

/// The plugin of the sequence.
pub const SEQUENCE_PLUGIN: &[u8] = b"cococtl";
/// Its type.
pub const SEQUENCE_TYPE: &[u8] = b"derive";
/// Its type instance.
pub const SEQUENCE_INSTANCE: &[u8] = b"sequence";

/// Makes the value lists of a fleet, always the same ones of the same seed.
#[derive(Debug, Clone)]
pub struct Generator {
    hosts: Vec<Vec<u8>>,
    metrics: Vec<Metric>,
    interval: std::time::Duration,
    /// What value lists say of it.
    stated: std::time::Duration,
    seed: u64,
}

impl Generator {
    /// Of hosts that each have so many metrics, the sequence being one of them, every `interval`.
    ///
    /// # Panics
    ///
    /// Without a host or a metric.
    pub fn new(hosts: Vec<Vec<u8>>, metrics: usize, interval: std::time::Duration, seed: u64) -> Self {
        assert!(!hosts.is_empty() && metrics > 0, "nothing to send");
        Self { hosts, metrics: metrics::of_one_host(metrics - 1), interval, stated: interval, seed }
    }

    /// The same with these metrics, beside the sequence.
    pub fn with_metrics(self, metrics: Vec<Metric>) -> Self {
        Self { metrics, ..self }
    }

    /// The same with values within these bounds.
    pub fn bounded(self, bounds: Bounds) -> Self {
        let metrics = self.metrics.into_iter().map(|metric| metric.bounded(bounds)).collect();
        Self { metrics, ..self }
    }

    /// The same with value lists that state another interval than the one at which they are sent.
    pub fn stating(self, interval: std::time::Duration) -> Self {
        Self { stated: interval, ..self }
    }

    /// How many hosts there are.
    pub fn hosts(&self) -> usize {
        self.hosts.len()
    }

    /// The name of a host.
    pub fn host(&self, index: usize) -> &[u8] {
        &self.hosts[index]
    }

    /// Metrics of each host, the sequence included.
    pub fn metrics(&self) -> usize {
        self.metrics.len() + 1
    }

    /// How often each host sends them.
    pub fn interval(&self) -> std::time::Duration {
        self.interval
    }

    /// Appends all that a host reports in a round (counted from 0) at this time, in packets of its own.
    pub fn push(&self, host: usize, round: u64, time: Time, builder: &mut PacketBuilder) {
        let interval = Interval::HighResolution((self.stated.as_secs_f64() * (1_u64 << 30) as f64) as u64);
        let seconds = self.stated.as_secs_f64();
        let mut values = Vec::with_capacity(3 * 9);
        for (number, metric) in (0..).zip(&self.metrics) {
            values.clear();
            let value = |source: usize| {
                let character = mixed(self.seed ^ mixed((host as u64) << 32 ^ number << 8 ^ source as u64));
                metric.sources[source].value(round, seconds, character, mixed(character ^ round))
            };
            let sources = 0..metric.sources.len();
            values.extend(sources.clone().map(|source| value(source).kind() as u8));
            values.extend(sources.flat_map(|source| value(source).to_wire()));
            let identifier = IdentifierRef {
                host: &self.hosts[host],
                plugin: metric.plugin.as_bytes(),
                plugin_instance: metric.plugin_instance.as_bytes(),
                type_name: metric.type_name.as_bytes(),
                type_instance: metric.type_instance.as_bytes(),
            };
            push(identifier, time, interval, &values, builder);
        }
        let sent = Value::Derive(((round + 1) * self.metrics() as u64) as i64);
        values.clear();
        values.push(sent.kind() as u8);
        values.extend(sent.to_wire());
        let identifier = IdentifierRef {
            host: &self.hosts[host],
            plugin: SEQUENCE_PLUGIN,
            plugin_instance: b"",
            type_name: SEQUENCE_TYPE,
            type_instance: SEQUENCE_INSTANCE,
        };
        push(identifier, time, interval, &values, builder);
        builder.close();
    }
}

fn push(
    identifier: IdentifierRef<'_>,
    time: Time,
    interval: Interval,
    values: &[u8],
    builder: &mut PacketBuilder,
) {
    let values = ValuesRef::new(values).expect("one kind and eight bytes a value");
    builder.push(&ValueListRef { identifier, time, interval, values });
}

/// The finalizer of SplitMix64: bits that look random and are the same on every machine.
fn mixed(bits: u64) -> u64 {
    let mut mixed = bits.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};
    use std::time::Duration;

    use coco_core::types_db::TypesDb;
    use coco_core::value_list::ValueList;
    use coco_core::wire::{Decoder, Event};

    use super::*;

    fn value_lists(generator: &Generator, rounds: u64) -> Vec<ValueList> {
        let mut builder = PacketBuilder::new(1452);
        for round in 0..rounds {
            for host in 0..generator.hosts() {
                generator.push(host, round, Time::Seconds(1_700_000_000 + round), &mut builder);
            }
        }
        let mut lists = Vec::new();
        for (_, packet) in builder.packets() {
            assert!(packet.len() <= 1452);
            for event in Decoder::new(packet) {
                let Ok(Event::ValueList(spans)) = event else { panic!("{event:?}") };
                lists.push(spans.of(packet).to_owned());
            }
        }
        lists
    }

    fn generator(hosts: usize, metrics: usize, seed: u64) -> Generator {
        Generator::new(crate::hosts::made_up(hosts), metrics, Duration::from_secs(10), seed)
    }

    #[test]
    fn every_host_has_as_many_metrics_as_asked_for() {
        for metrics in [1, 2, 18, 19, 20, 400] {
            let lists = value_lists(&generator(3, metrics, 1), 1);
            let identifiers: HashSet<_> = lists.iter().map(|list| &list.identifier).collect();
            assert_eq!((lists.len(), identifiers.len()), (3 * metrics, 3 * metrics));
        }
    }

    #[test]
    fn values_are_what_their_types_say_and_counters_rise() {
        let (types, problems) = TypesDb::parse(TYPES_DB.as_bytes());
        assert_eq!(problems, []);
        let mut last: HashMap<_, Vec<Value>> = HashMap::new();
        for list in value_lists(&generator(2, 60, 3), 50) {
            let sources = types.get(&list.identifier.type_name).unwrap();
            let values: Vec<_> = list.as_ref().values.iter().collect();
            assert_eq!(sources.len(), values.len(), "{:?}", list.identifier);
            for (index, (source, value)) in sources.iter().zip(&values).enumerate() {
                assert_eq!(source.kind, value.kind());
                let before = last.get(&list.identifier).map(|values| values[index]);
                match (before, *value) {
                    (Some(Value::Derive(before)), Value::Derive(now)) => assert!(now > before),
                    (_, Value::Gauge(now)) => assert!(now >= 0.0 && source.max.is_none_or(|max| now < max)),
                    _ => {}
                }
            }
            last.insert(list.identifier, values);
        }
    }

    #[test]
    fn a_seed_is_a_fleet() {
        let made = |seed| value_lists(&generator(2, 30, seed), 3);
        assert_eq!(made(1), made(1));
        assert_ne!(made(1), made(2));
    }
}
