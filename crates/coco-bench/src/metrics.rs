//! The 133 metrics of one machine as collectd's common plugins report them, and a small random generator.

use coco_core::value_kind::ValueKind;

/// What one machine reports under one identifier, less the host.
#[derive(Debug, Clone)]
pub(crate) struct Metric {
    pub(crate) plugin: &'static str,
    pub(crate) plugin_instance: String,
    pub(crate) type_name: &'static str,
    pub(crate) type_instance: String,
    /// Of all its values.
    pub(crate) kind: ValueKind,
    /// How many values it has.
    pub(crate) values: usize,
}

/// All metrics of a machine of 8 processors, 4 file systems, 3 interfaces and 4 disks, in the order in which they are
/// read.
pub(crate) fn of_one_host() -> Vec<Metric> {
    use ValueKind::{Derive, Gauge};
    let mut all = Vec::new();
    let mut add = |plugin, plugin_instance: &str, type_name, type_instance: &str, kind, values| {
        let (plugin_instance, type_instance) = (plugin_instance.to_owned(), type_instance.to_owned());
        all.push(Metric { plugin, plugin_instance, type_name, type_instance, kind, values });
    };
    for cpu in 0..8 {
        for state in ["user", "nice", "system", "idle", "wait", "interrupt", "softirq", "steal"] {
            add("cpu", &cpu.to_string(), "cpu", state, Derive, 1);
        }
    }
    for state in ["used", "free", "buffered", "cached", "slab_recl", "slab_unrecl"] {
        add("memory", "", "memory", state, Gauge, 1);
    }
    add("load", "", "load", "", Gauge, 3);
    for mount in ["root", "var", "srv", "boot"] {
        for state in ["used", "free", "reserved"] {
            add("df", mount, "df_complex", state, Gauge, 1);
        }
    }
    for interface in ["eth0", "eth1", "lo"] {
        for type_name in ["if_octets", "if_packets", "if_errors", "if_dropped"] {
            add("interface", interface, type_name, "", Derive, 2);
        }
    }
    for disk in ["sda", "sdb", "sdc", "sdd"] {
        for type_name in ["disk_octets", "disk_ops", "disk_time", "disk_merged"] {
            add("disk", disk, type_name, "", Derive, 2);
        }
        add("disk", disk, "pending_operations", "", Gauge, 1);
    }
    for state in ["running", "sleeping", "stopped", "paging", "blocked", "zombies"] {
        add("processes", "", "ps_state", state, Gauge, 1);
    }
    add("processes", "", "fork_rate", "", Derive, 1);
    for direction in ["in", "out"] {
        add("swap", "", "swap_io", direction, Derive, 1);
    }
    for name in ["users", "uptime", "entropy"] {
        add(name, "", name, "", Gauge, 1);
    }
    for line in 0..6 {
        add("irq", "", "irq", &line.to_string(), Derive, 1);
    }
    all
}

/// Vigna's SplitMix64: the same numbers on every machine, which is all that a corpus needs.
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is far below 2^64: the bias does not matter here.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Fisher and Yates.
    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last as u64 + 1) as usize);
        }
    }
}
