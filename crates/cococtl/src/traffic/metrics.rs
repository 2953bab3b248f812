//! What a made-up machine measures: metrics that collectd's common plugins report, with values of their kind.

use std::f64::consts::TAU;

use coco_core::types_db::TypesDb;
use coco_core::value_kind::ValueKind;
use coco_core::value_list::Value;
use coco_core::wire::part::NAME_MAX;

/// What collectd's types.db (5.12) says of the types that are made up here, and of no other.
pub const TYPES_DB: &str = "\
cpu             value:DERIVE:0:U
derive          value:DERIVE:0:U
df_complex      value:GAUGE:0:U
disk_octets     read:DERIVE:0:U, write:DERIVE:0:U
disk_ops        read:DERIVE:0:U, write:DERIVE:0:U
fork_rate       value:DERIVE:0:U
if_errors       rx:DERIVE:0:U, tx:DERIVE:0:U
if_octets       rx:DERIVE:0:U, tx:DERIVE:0:U
if_packets      rx:DERIVE:0:U, tx:DERIVE:0:U
load            shortterm:GAUGE:0:5000, midterm:GAUGE:0:5000, longterm:GAUGE:0:5000
memory          value:GAUGE:0:281474976710656
ps_state        value:GAUGE:0:65535
swap_io         value:DERIVE:0:U
";

/// A metric of every made-up host.
#[derive(Debug, Clone)]
pub struct Metric {
    pub(super) plugin: String,
    pub(super) plugin_instance: String,
    pub(super) type_name: String,
    pub(super) type_instance: String,
    /// Of its data sources.
    pub(super) sources: Vec<Source>,
}

/// What values are made to be.
#[derive(Debug, Clone, Copy, Default)]
pub struct Bounds {
    /// All are this.
    pub fixed: Option<f64>,
    /// Gauges are not above it, and what is counted rises by no more a second, on average.
    pub limit: Option<f64>,
}

impl Metric {
    /// Of a name as collectd writes it, `PLUGIN[-INSTANCE]/TYPE[-INSTANCE]`, with the data sources that `types` has for its
    /// type; with one gauge if it has none.
    pub fn parse(name: &str, types: &TypesDb) -> Result<Self, &'static str> {
        let (plugin, kind) = name.split_once('/').ok_or("expected PLUGIN[-INSTANCE]/TYPE[-INSTANCE]")?;
        let parts = |text: &str| {
            let (name, instance) = text.split_once('-').unwrap_or((text, ""));
            (name.to_owned(), instance.to_owned())
        };
        let ((plugin, plugin_instance), (type_name, type_instance)) = (parts(plugin), parts(kind));
        if plugin.is_empty() || type_name.is_empty() || kind.contains('/') {
            return Err("expected PLUGIN[-INSTANCE]/TYPE[-INSTANCE], without the host");
        }
        if [&plugin, &plugin_instance, &type_name, &type_instance].iter().any(|name| name.len() >= NAME_MAX) {
            return Err("a name is longer than 127 bytes");
        }
        if name.contains('\0') {
            return Err("there is a NUL in it");
        }
        let source = |kind| match kind {
            ValueKind::Gauge => About(50.0),
            ValueKind::Derive => Counted(100),
            kind => Source::Total(kind, 100),
        };
        let sources = match types.get(type_name.as_bytes()) {
            Some(sources) if !sources.is_empty() => sources.iter().map(|each| source(each.kind)).collect(),
            _ => vec![source(ValueKind::Gauge)],
        };
        Ok(Self { plugin, plugin_instance, type_name, type_instance, sources })
    }

    pub(super) fn bounded(mut self, bounds: Bounds) -> Self {
        for source in &mut self.sources {
            *source = source.bounded(bounds);
        }
        self
    }
}

/// What a data source measures.
#[derive(Debug, Clone, Copy)]
pub(super) enum Source {
    /// Something that swings about this mean: a gauge.
    About(f64),
    /// Something that is counted, about so often a second: a derive.
    Counted(u32),
    /// The same as a value of another kind.
    Total(ValueKind, u32),
    /// A gauge from 0 to this.
    UpTo(f64),
    /// Always this.
    Fixed(ValueKind, f64),
}

use Source::{About, Counted};

type Row = (&'static str, &'static str, &'static str, &'static str, &'static [Source]);

const GIB: f64 = (1_u64 << 30) as f64;

/// In the order in which they are taken when few are asked for.
const ROWS: &[Row] = &[
    ("load", "", "load", "", &[About(0.8), About(0.7), About(0.6)]),
    ("memory", "", "memory", "used", &[About(3.0 * GIB)]),
    ("memory", "", "memory", "free", &[About(2.0 * GIB)]),
    ("memory", "", "memory", "cached", &[About(2.5 * GIB)]),
    ("memory", "", "memory", "buffered", &[About(0.5 * GIB)]),
    ("interface", "eth0", "if_octets", "", &[Counted(900_000), Counted(400_000)]),
    ("interface", "eth0", "if_packets", "", &[Counted(1200), Counted(900)]),
    ("interface", "eth0", "if_errors", "", &[Counted(1), Counted(1)]),
    ("df", "root", "df_complex", "used", &[About(12.0 * GIB)]),
    ("df", "root", "df_complex", "free", &[About(28.0 * GIB)]),
    ("disk", "sda", "disk_octets", "", &[Counted(300_000), Counted(700_000)]),
    ("disk", "sda", "disk_ops", "", &[Counted(20), Counted(60)]),
    ("processes", "", "ps_state", "running", &[About(3.0)]),
    ("processes", "", "ps_state", "sleeping", &[About(180.0)]),
    ("processes", "", "ps_state", "blocked", &[About(1.0)]),
    ("processes", "", "fork_rate", "", &[Counted(9)]),
    ("swap", "", "swap_io", "in", &[Counted(2)]),
    ("swap", "", "swap_io", "out", &[Counted(2)]),
];

const CPU_STATES: [&str; 8] = ["user", "system", "idle", "wait", "nice", "interrupt", "softirq", "steal"];

/// So many metrics of one machine; it has as many processors as that takes.
pub(super) fn of_one_host(count: usize) -> Vec<Metric> {
    let rows = ROWS.iter().map(|&(plugin, plugin_instance, type_name, type_instance, sources)| Metric {
        plugin: plugin.to_owned(),
        plugin_instance: plugin_instance.to_owned(),
        type_name: type_name.to_owned(),
        type_instance: type_instance.to_owned(),
        sources: sources.to_vec(),
    });
    let processors = (0_u64..).flat_map(|cpu| {
        CPU_STATES.into_iter().map(move |state| Metric {
            plugin: "cpu".to_owned(),
            plugin_instance: cpu.to_string(),
            type_name: "cpu".to_owned(),
            type_instance: state.to_owned(),
            sources: vec![Counted(13)],
        })
    });
    rows.chain(processors).take(count).collect()
}

impl Source {
    fn kind(self) -> ValueKind {
        match self {
            Self::About(_) | Self::UpTo(_) => ValueKind::Gauge,
            Self::Counted(_) => ValueKind::Derive,
            Self::Total(kind, _) | Self::Fixed(kind, _) => kind,
        }
    }

    fn bounded(self, bounds: Bounds) -> Self {
        // A source counts up to half as much again as it is told.
        let rate = |rate: u32, limit: f64| f64::from(rate).min(limit / 1.5) as u32;
        match (self, bounds.fixed, bounds.limit) {
            (_, Some(value), _) => Self::Fixed(self.kind(), value),
            (Self::About(_), _, Some(limit)) => Self::UpTo(limit),
            (Self::Counted(usual), _, Some(limit)) => Self::Counted(rate(usual, limit)),
            (Self::Total(kind, usual), _, Some(limit)) => Self::Total(kind, rate(usual, limit)),
            _ => self,
        }
    }

    /// The value that is read in this round. `noise` are the bits that differ from source to source and from round to
    /// round, `character` those that a source keeps. What is counted never falls.
    pub(super) fn value(self, round: u64, seconds: f64, character: u64, noise: u64) -> Value {
        match self {
            Self::About(mean) => {
                let phase = part(character);
                let swing = 0.3 * (TAU * (round as f64 / 60.0 + phase)).sin() + 0.1 * (part(noise) - 0.5);
                Value::Gauge(mean * (0.6 + 0.8 * phase) * (1.0 + swing))
            }
            Self::Counted(rate) => {
                // A step, plus less than a step: so it rises however the noise falls.
                let step = ((f64::from(rate) * seconds * (0.5 + part(character))) as i64).max(1);
                let start = (character >> 24) as i64;
                Value::Derive(
                    start.wrapping_add(round as i64 * step).wrapping_add((part(noise) * step as f64) as i64),
                )
            }
            Self::Total(kind, rate) => {
                match (Self::Counted(rate).value(round, seconds, character, noise), kind) {
                    (Value::Derive(count), ValueKind::Counter) => Value::Counter(count.cast_unsigned()),
                    // Since the last time.
                    (_, ValueKind::Absolute) => {
                        Value::Absolute((f64::from(rate) * seconds * part(noise)) as u64)
                    }
                    (value, _) => value,
                }
            }
            Self::UpTo(limit) => Value::Gauge(part(noise) * limit),
            Self::Fixed(kind, value) => match kind {
                ValueKind::Gauge => Value::Gauge(value),
                ValueKind::Derive => Value::Derive(value as i64),
                ValueKind::Counter => Value::Counter(value as u64),
                ValueKind::Absolute => Value::Absolute(value as u64),
            },
        }
    }
}

/// From 0 to 1, by the high bits.
fn part(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}
