//! What a made-up machine measures: metrics that collectd's common plugins report, with values of their kind.

use std::f64::consts::TAU;

use coco_core::value_list::Value;

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
#[derive(Clone, Debug)]
pub(super) struct Metric {
    pub(super) plugin: &'static str,
    pub(super) plugin_instance: String,
    pub(super) type_name: &'static str,
    pub(super) type_instance: &'static str,
    /// Of its data sources.
    pub(super) sources: &'static [Source],
}

/// What a data source measures.
#[derive(Clone, Copy, Debug)]
pub(super) enum Source {
    /// Something that swings about this mean: a gauge.
    About(f64),
    /// Something that is counted, about so often a second: a derive.
    Counted(u32),
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
        plugin,
        plugin_instance: plugin_instance.to_owned(),
        type_name,
        type_instance,
        sources,
    });
    let processors = (0_u64..).flat_map(|cpu| {
        CPU_STATES.into_iter().map(move |state| Metric {
            plugin: "cpu",
            plugin_instance: cpu.to_string(),
            type_name: "cpu",
            type_instance: state,
            sources: &[Counted(13)],
        })
    });
    rows.chain(processors).take(count).collect()
}

impl Source {
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
        }
    }
}

/// From 0 to 1, by the high bits.
fn part(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1_u64 << 53) as f64
}
