//! Value lists and datagrams of all kinds, and what the datagrams mean, told without the code under test.

use coco_core::notification::Severity;
use coco_core::value_list::{Identifier, Interval, Time, Value, ValueList};
use coco_core::wire::PartOrder;
use proptest::collection::vec;
use proptest::prelude::*;

use super::parts;

/// Names that meet often, so that parts stay in force, and any others.
pub(crate) fn name() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        4 => prop::sample::select(vec!["a", "b", "a/b", "ab"]).prop_map(|name| name.as_bytes().to_vec()),
        1 => vec(1..=255_u8, 1..=127),
    ]
}

pub(crate) fn instance() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![1 => Just(Vec::new()), 1 => name()]
}

/// In either resolution, and at times the same instant in both.
pub(crate) fn time() -> impl Strategy<Value = Time> {
    let number = prop_oneof![1..3_u64, Just(1 << 30), 1..=u64::MAX];
    (number, any::<bool>())
        .prop_map(
            |(number, seconds)| {
                if seconds { Time::Seconds(number) } else { Time::HighResolution(number) }
            },
        )
        .prop_filter("a value list has a time", |time| !time.is_none())
}

pub(crate) fn interval() -> impl Strategy<Value = Interval> {
    let number = prop_oneof![Just(0), 1..3_u64, Just(1 << 30), Just(1 << 34), any::<u64>()];
    (number, any::<bool>()).prop_map(|(number, seconds)| {
        if seconds { Interval::Seconds(number) } else { Interval::HighResolution(number) }
    })
}

pub(crate) fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<u64>().prop_map(Value::Counter),
        any::<u64>().prop_map(|bits| Value::Gauge(f64::from_bits(bits))),
        any::<i64>().prop_map(Value::Derive),
        any::<u64>().prop_map(Value::Absolute),
    ]
}

pub(crate) fn value_list() -> impl Strategy<Value = ValueList> {
    let identifier = (name(), name(), instance(), name(), instance()).prop_map(
        |(host, plugin, plugin_instance, type_name, type_instance)| Identifier {
            host,
            plugin,
            plugin_instance,
            type_name,
            type_instance,
        },
    );
    let values = prop_oneof![8 => vec(value(), 1..4), 1 => vec(value(), 1..=300)];
    (identifier, time(), interval(), values)
        .prop_map(|(identifier, time, interval, values)| ValueList::new(identifier, time, interval, &values))
}

pub(crate) fn order() -> impl Strategy<Value = PartOrder> {
    prop::sample::select(&[PartOrder::Collectd, PartOrder::Libcollectdclient])
}

pub(crate) fn severity() -> impl Strategy<Value = Severity> {
    prop::sample::select(&[Severity::Failure, Severity::Warning, Severity::Okay])
}

/// One part of a generated datagram, in the words of network(5).
#[derive(Debug, Clone)]
pub(crate) enum Part {
    Host(Vec<u8>),
    Plugin(Vec<u8>),
    PluginInstance(Vec<u8>),
    Type(Vec<u8>),
    TypeInstance(Vec<u8>),
    Time(Time),
    Interval(Interval),
    Unknown,
    /// How many gauges, and whether the blacklist lets them pass.
    Values(usize, bool),
}

pub(crate) fn part() -> impl Strategy<Value = Part> {
    prop_oneof![
        1 => instance().prop_map(Part::Host),
        1 => instance().prop_map(Part::Plugin),
        2 => instance().prop_map(Part::PluginInstance),
        1 => instance().prop_map(Part::Type),
        2 => instance().prop_map(Part::TypeInstance),
        1 => time().prop_map(Part::Time),
        2 => interval().prop_map(Part::Interval),
        1 => Just(Part::Unknown),
        4 => (0..4_usize, any::<bool>()).prop_map(|(count, passes)| Part::Values(count, passes)),
    ]
}

/// Some state the names first, as agents do; others leave it to chance.
pub(crate) fn datagram() -> impl Strategy<Value = Vec<Part>> {
    let start = (name(), name(), name(), time()).prop_map(|(host, plugin, type_name, time)| {
        vec![Part::Host(host), Part::Time(time), Part::Plugin(plugin), Part::Type(type_name)]
    });
    (prop_oneof![3 => start, 1 => Just(Vec::new())], vec(part(), 0..20))
        .prop_map(|(start, rest)| [start, rest].concat())
}

pub(crate) fn bytes_of(part: &Part) -> Vec<u8> {
    match part {
        Part::Host(name) => parts::string(parts::HOST, name),
        Part::Plugin(name) => parts::string(parts::PLUGIN, name),
        Part::PluginInstance(name) => parts::string(parts::PLUGIN_INSTANCE, name),
        Part::Type(name) => parts::string(parts::TYPE, name),
        Part::TypeInstance(name) => parts::string(parts::TYPE_INSTANCE, name),
        Part::Time(Time::Seconds(seconds)) => parts::number(parts::TIME, *seconds),
        Part::Time(Time::HighResolution(units)) => parts::number(parts::TIME_HR, *units),
        Part::Interval(Interval::Seconds(seconds)) => parts::number(parts::INTERVAL, *seconds),
        Part::Interval(Interval::HighResolution(units)) => parts::number(parts::INTERVAL_HR, *units),
        Part::Unknown => parts::part(0x7777, b"?"),
        Part::Values(count, _) => parts::gauges(&vec![0.5; *count]),
    }
}

/// What a receiver makes of the parts on their own, told from what network(5) says: each stays in force
/// until it is overwritten. `None` is a value list that every receiver drops.
pub(crate) fn meaning(parts: &[Part]) -> Vec<(Option<ValueList>, bool)> {
    let (mut names, mut time, mut interval) = (Identifier::default(), Time::NONE, Interval::NONE);
    let mut meaning = Vec::new();
    for part in parts {
        match part {
            Part::Host(name) => names.host.clone_from(name),
            Part::Plugin(name) => names.plugin.clone_from(name),
            Part::PluginInstance(name) => names.plugin_instance.clone_from(name),
            Part::Type(name) => names.type_name.clone_from(name),
            Part::TypeInstance(name) => names.type_instance.clone_from(name),
            Part::Time(stated) => time = *stated,
            Part::Interval(stated) => interval = *stated,
            Part::Unknown => {}
            Part::Values(count, passes) => {
                let named =
                    [&names.host, &names.plugin, &names.type_name].iter().all(|name| !name.is_empty());
                let complete = named && !time.is_none() && *count > 0;
                let list = complete
                    .then(|| ValueList::new(names.clone(), time, interval, &vec![Value::Gauge(0.5); *count]));
                meaning.push((list, *passes));
            }
        }
    }
    meaning
}
