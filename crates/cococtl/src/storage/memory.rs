//! Values by host, plugin, instance and data source, as RRD files would keep them.

use std::collections::{BTreeMap, VecDeque};

use coco_core::types_db::TypesDb;
use coco_core::value_list::{IdentifierRef, Value, ValueListRef};

use super::files::Update;
use crate::traffic::TYPES_DB;

/// Values of one data source: ten minutes at one a second.
const SLOTS: usize = 600;

/// Data sources of which values are kept; what comes beyond them is counted only.
const SERIES: usize = 10_000;

/// A value is valid for so many steps, if none follows (collectd's HeartBeat).
const HEARTBEAT: i64 = 2;

/// Data sources of one file, by name.
pub type Sources = BTreeMap<String, Series>;

/// Files of one plugin directory, by name.
pub type Instances = BTreeMap<Vec<u8>, Sources>;

/// What has been received.
#[derive(Debug)]
pub struct Memory {
    types: TypesDb,
    hosts: BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Instances>>,
    series: usize,
    value_lists: u64,
}

/// Rates or readings of one data source, one a step.
#[derive(Debug)]
pub struct Series {
    /// Seconds.
    step: i64,
    /// Number of the oldest slot; slot `n` is what was measured from `n * step` to `(n + 1) * step`.
    first: i64,
    slots: VecDeque<f64>,
    /// When the last value was read, and what it was.
    last: Option<(f64, Value)>,
}

impl Default for Memory {
    fn default() -> Self {
        let (types, _) = TypesDb::parse(TYPES_DB.as_bytes());
        Self { types, hosts: BTreeMap::new(), series: 0, value_lists: 0 }
    }
}

impl Memory {
    /// Keeps the values of a value list.
    pub fn add(&mut self, list: &ValueListRef<'_>) {
        self.value_lists += 1;
        let identifier = &list.identifier;
        let (names, step) = (self.names(list), step_of(list));
        let time = list.time.cdtime() as f64 / (1_u64 << 30) as f64;
        let [plugin, instance] = file_of(identifier);
        let known = self.hosts.get(identifier.host).and_then(|plugins| plugins.get(&plugin)?.get(&instance));
        if known.is_none() {
            if self.series + names.len() > SERIES {
                return;
            }
            self.series += names.len();
        }
        let plugins = self.hosts.entry(identifier.host.to_vec()).or_default();
        let sources = plugins
            .entry(plugin)
            .or_default()
            .entry(instance)
            .or_insert_with(|| names.iter().map(|name| (name.clone(), Series::new(step))).collect());
        for (name, value) in names.iter().zip(list.values.iter()) {
            // A type that has changed its data sources keeps those that it had first.
            if let Some(series) = sources.get_mut(name) {
                series.update(time, value);
            }
        }
    }

    /// What is to be written of a value list.
    pub(super) fn update(&self, list: &ValueListRef<'_>) -> Update {
        let [plugin, instance] = file_of(&list.identifier);
        Update {
            path: [list.identifier.host.to_vec(), plugin, instance],
            time: i64::try_from(list.time.cdtime() >> 30).unwrap_or(i64::MAX),
            step: step_of(list),
            values: self.names(list).into_iter().zip(list.values.iter()).collect(),
        }
    }

    /// The data sources of a value list.
    fn names(&self, list: &ValueListRef<'_>) -> Vec<String> {
        match self.types.get(list.identifier.type_name) {
            Some(sources) if sources.len() == list.values.len() => {
                sources.iter().map(|source| String::from_utf8_lossy(&source.name).into_owned()).collect()
            }
            _ if list.values.len() == 1 => vec!["value".to_owned()],
            _ => (0..list.values.len()).map(|number| format!("value{number}")).collect(),
        }
    }

    /// Everything that is kept, by host and plugin directory.
    pub fn hosts(&self) -> &BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Instances>> {
        &self.hosts
    }

    /// How many value lists were received.
    pub fn value_lists(&self) -> u64 {
        self.value_lists
    }
}

impl Series {
    fn new(step: i64) -> Self {
        Self { step, first: 0, slots: VecDeque::new(), last: None }
    }

    /// As rrdtool does: a value stands for the time since the one before; what is counted becomes a rate a second.
    fn update(&mut self, time: f64, value: Value) {
        let before = self.last.replace((time, value));
        let elapsed = before.map_or(0.0, |(before, _)| time - before);
        if before.is_some() && elapsed <= 0.0 {
            self.last = before;
            return;
        }
        let stored = match (value, before) {
            (Value::Gauge(reading), _) => reading,
            (Value::Absolute(count), Some(_)) => count as f64 / elapsed,
            (Value::Derive(now), Some((_, Value::Derive(before)))) => {
                now.wrapping_sub(before) as f64 / elapsed
            }
            (Value::Counter(now), Some((_, Value::Counter(before)))) => {
                // Of 32 bits it wraps at 2^32, of 64 at 2^64.
                let wraps_early = now < before && before <= u64::from(u32::MAX);
                let risen = if wraps_early { now + (1 << 32) - before } else { now.wrapping_sub(before) };
                risen as f64 / elapsed
            }
            _ => f64::NAN,
        };
        let slot = (time / self.step as f64).ceil() as i64 - 1;
        let from = before.map_or(slot, |(before, _)| (before / self.step as f64).ceil() as i64);
        let valid_from = if slot - from < HEARTBEAT { from.min(slot) } else { slot };
        self.fill(valid_from, slot, stored);
    }

    /// Stores a value in these slots; those between them and the newest have none.
    fn fill(&mut self, from: i64, to: i64, value: f64) {
        let next = self.first + self.slots.len() as i64;
        if self.slots.is_empty() || from - next >= SLOTS as i64 || to < self.first {
            self.slots.clear();
            self.first = from;
        }
        while self.first + (self.slots.len() as i64) <= to {
            self.slots.push_back(f64::NAN);
            if self.slots.len() > SLOTS {
                self.slots.pop_front();
                self.first += 1;
            }
        }
        for slot in from.max(self.first)..=to {
            self.slots[(slot - self.first) as usize] = value;
        }
    }

    /// The averages from `start` to `finish` (Unix seconds), as many as `most`; NaN where nothing is known. A value is
    /// of one step, or of as many as it takes to come out with `most`.
    pub fn averages(&self, start: i64, finish: i64, most: usize) -> Vec<f64> {
        let (begin, end) = (start.div_euclid(self.step), finish.div_euclid(self.step));
        let slots = usize::try_from(end.saturating_sub(begin)).unwrap_or(0);
        let group = slots.div_ceil(most).max(1);
        let mut sums = vec![(0.0, 0_u32); slots.div_ceil(group)];
        for (slot, &value) in (self.first..).zip(&self.slots) {
            let place = usize::try_from(slot.saturating_sub(begin))
                .ok()
                .filter(|&place| place < slots && !value.is_nan());
            if let Some((sum, count)) = place.and_then(|place| sums.get_mut(place / group)) {
                *sum += value;
                *count += 1;
            }
        }
        sums.into_iter().map(|(sum, count)| sum / f64::from(count)).collect()
    }
}

/// Seconds from one value to the next.
fn step_of(list: &ValueListRef<'_>) -> i64 {
    let interval = list.interval.cdtime() as f64 / (1_u64 << 30) as f64;
    (interval.round() as i64).clamp(1, 86_400)
}

/// The directory and the file (less `.rrd`) that collectd's rrdtool plugin writes to: `PLUGIN-INSTANCE`,
/// `TYPE-INSTANCE`.
fn file_of(identifier: &IdentifierRef<'_>) -> [Vec<u8>; 2] {
    let joined = |name: &[u8], instance: &[u8]| match instance {
        b"" => name.to_vec(),
        instance => [name, instance].join(&b'-'),
    };
    [
        joined(identifier.plugin, identifier.plugin_instance),
        joined(identifier.type_name, identifier.type_instance),
    ]
}

#[cfg(test)]
mod tests {
    use coco_core::value_list::{Identifier, Interval, Time, ValueList};

    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn series(step: i64, updates: impl IntoIterator<Item = (f64, Value)>) -> Series {
        let mut series = Series::new(step);
        updates.into_iter().for_each(|(time, value)| series.update(time, value));
        series
    }

    /// Values as text, so that NaN equals NaN.
    fn shown(series: &Series, start: i64, finish: i64, most: usize) -> String {
        format!("{:?}", series.averages(start, finish, most))
    }

    #[test]
    fn what_is_counted_becomes_a_rate() {
        let derive = [(10.0, Value::Derive(100)), (20.0, Value::Derive(150)), (30.0, Value::Derive(130))];
        assert_eq!(shown(&series(10, derive), 0, 30, 9), "[NaN, 5.0, -2.0]");
        let counter = [(10.0, Value::Counter(u64::from(u32::MAX))), (20.0, Value::Counter(9))];
        assert_eq!(shown(&series(10, counter), 0, 30, 9), "[NaN, 1.0, NaN]");
        let absolute = [(10.0, Value::Absolute(7)), (20.0, Value::Absolute(70))];
        assert_eq!(shown(&series(10, absolute), 0, 20, 9), "[NaN, 7.0]");
        let gauge = [(10.0, Value::Gauge(0.5)), (20.0, Value::Gauge(1.5))];
        assert_eq!(shown(&series(10, gauge), 0, 20, 9), "[0.5, 1.5]");
    }

    #[test]
    fn jitter_leaves_no_gap_and_silence_does() {
        let readings = [10.0, 19.9, 30.1, 40.0, 90.0].map(|time| (time, Value::Gauge(time)));
        assert_eq!(
            shown(&series(10, readings), 0, 90, 20),
            "[10.0, 19.9, 30.1, 40.0, NaN, NaN, NaN, NaN, 90.0]"
        );
    }

    #[test]
    fn long_windows_are_averaged_and_cheap() {
        let readings = (1..=1000).map(|number| ((NOW + number) as f64, Value::Gauge(number as f64)));
        let series = series(1, readings);
        assert_eq!(series.slots.len(), SLOTS);
        assert_eq!(shown(&series, NOW + 990, NOW + 1000, 2), "[993.0, 998.0]");
        assert_eq!(shown(&series, NOW + 998, NOW + 1002, 9), "[999.0, 1000.0, NaN, NaN]");
        let all = series.averages(0, NOW * 1000, 2000);
        assert!(all.len() <= 2000 && all.iter().any(|value| !value.is_nan()));
        assert_eq!(series.averages(NOW, NOW, 9).len(), 0);
        assert_eq!(series.averages(i64::MIN, i64::MAX, 9).len(), 9);
    }

    #[test]
    fn strangers_fill_only_so_much() {
        let mut memory = Memory::default();
        for number in 0..SERIES as u64 + 100 {
            let identifier = Identifier {
                host: format!("host{number}").into(),
                plugin: "p".into(),
                type_name: "t".into(),
                ..Identifier::default()
            };
            // Times from any time there is.
            let time = Time::HighResolution(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
            let interval = Interval::HighResolution(number.wrapping_mul(0x94d0_49bb_1331_11eb));
            for _ in 0..2 {
                memory
                    .add(&ValueList::new(identifier.clone(), time, interval, &[Value::Gauge(1.0)]).as_ref());
            }
        }
        assert_eq!(memory.hosts().len(), SERIES);
        assert_eq!(memory.value_lists(), 2 * (SERIES as u64 + 100));
    }
}
