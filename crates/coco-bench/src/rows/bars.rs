//! All figures and what is asked of each.

use serde::Serialize;

/// A figure and what is asked of it.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) key: &'static str,
    pub(crate) title: &'static str,
    pub(crate) unit: &'static str,
    /// What it must reach.
    pub(crate) bar: Option<f64>,
    /// What it should reach.
    pub(crate) hoped: Option<f64>,
    pub(crate) better: Better,
}

/// What was hoped for is reached, only what is asked for, not even that.
pub(crate) const HOPED: &str = "hoped";
pub(crate) const BAR: &str = "bar";
pub(crate) const MISSED: &str = "MISSED";

/// Which way is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Better {
    Less,
    More,
}

/// All figures, in the order of the table, and all bars: these stand nowhere else.
#[rustfmt::skip]
pub(crate) static ROWS: &[Row] = &[
    row("agents", "CPU per delivered value list, agents", "× the relay's", Better::Less, Some(1.3), Some(1.15)),
    row("mixed", "the same, mixed", "× the relay's", Better::Less, Some(1.75), Some(1.5)),
    row("jumbo", "the same, agents, `send.max_packet_size = 8952`", "× the relay's", Better::Less, Some(1.1), None),
    row("fanout-agents", "the same, agents, 200 targets per tier", "× the relay's", Better::Less, Some(1.8), None),
    // Close to the ratio of datagrams, of which each is a system call: what makes that smaller is to wait for more.
    row("fanout-mixed", "the same, mixed, 200 targets per tier", "× the relay's", Better::Less, Some(3.5), None),
    row("linger-agents", "the same, agents, 200 targets per tier, `send.linger = \"10ms\"`", "× the relay's", Better::Less, None, None),
    row("linger-mixed", "the same, mixed, 200 targets per tier, `send.linger = \"10ms\"`", "× the relay's", Better::Less, Some(3.5), None),
    row("fanout-1000-agents", "the same, agents, 1,000 targets per tier", "× the relay's", Better::Less, None, None),
    row("fanout-1000-mixed", "the same, mixed, 1,000 targets per tier", "× the relay's", Better::Less, None, None),
    row("linger-1000-agents", "the same, agents, 1,000 targets per tier, `send.linger = \"10ms\"`", "× the relay's", Better::Less, None, None),
    row("linger-1000-mixed", "the same, mixed, 1,000 targets per tier, `send.linger = \"10ms\"`", "× the relay's", Better::Less, None, None),
    row("two-lanes", "the same, agents, `pipeline.lanes = 2`", "× the relay's", Better::Less, None, None),
    row("two-threads", "the same, agents, `pipeline.threads = 2`", "× the relay's", Better::Less, None, None),
    row("three-threads", "the same, agents, `pipeline.threads = 3`", "× the relay's", Better::Less, None, None),
    row("lossless", "highest rate without any loss, agents", "× the relay's", Better::More, Some(1.2), None),
    row("memory", "peak memory, 200,000 metrics", "MB", Better::Less, Some(64.0), Some(40.0)),
    row("large-memory", "peak memory, 2,000,000 metrics", "MB", Better::Less, Some(400.0), Some(250.0)),
    row("large-cpu", "CPU per value list there, against 200,000 metrics, mixed", "×", Better::Less, Some(1.2), None),
    row("cold-start", "lost of 2,000,000 metrics of 20,000 hosts, all new, within three seconds", "value lists", Better::Less, Some(0.0), None),
    row("delay", "delay added, p99 at 5,000 datagrams/s", "ms", Better::Less, Some(1.0), Some(0.2)),
    row("api", "lost while the API is fetched every second at half the highest rate", "value lists", Better::Less, Some(0.0), None),
    row("noodle", "Noodle: CPU per proxied request, 10.9 KB of compact JSON", "× nginx's `proxy_pass`", Better::Less, Some(1.3), None),
    row("noodle-blanks", "the same with a blank behind each comma and colon", "× nginx's `proxy_pass`", Better::Less, Some(1.4), None),
    row("noodle-indents", "the same with each value on a line of its own", "× nginx's `proxy_pass`", Better::Less, None, None),
    row("noodle-memory", "Noodle: peak memory there, 16 connections", "MB", Better::Less, Some(32.0), None),
    row("instructions-agents", "instructions of Coco's own code per value list, agents", "", Better::Less, Some(450.0), None),
    row("instructions-mixed", "the same, mixed", "", Better::Less, Some(1500.0), None),
    row("instructions-request", "instructions of Noodle's own code per proxied request, compact JSON", "", Better::Less, None, None),
    row("instructions-blanks", "the same with a blank behind each comma and colon", "", Better::Less, None, None),
    row("instructions-indents", "the same with each value on a line of its own", "", Better::Less, None, None),
    row("instructions-lanes", "instructions per value list, 1, 2, 4 lanes: largest over least", "×", Better::Less, Some(1.03), None),
    // What is not to cost more may differ by what the same configuration does from one run to the next.
    row("rendezvous", "instructions per value list by rendezvous, over a ring", "×", Better::Less, Some(1.03), None),
    row("copies", "instructions per value list, 2 copies in one tier over two tiers", "×", Better::Less, Some(1.01), None),
    row("rendezvous-mixed", "by rendezvous over a ring, hosts share datagrams", "×", Better::Less, Some(1.03), None),
    row("copies-mixed", "2 copies over two tiers, hosts share datagrams", "×", Better::Less, Some(1.01), None),
    row("rrdcached", "Noodle: CPU per request of an hour of 10 s of three series, from an rrdcached", "× the same from a Visage", Better::Less, Some(1.5), None),
    row("rrdcached-rate", "one series of an hour from one rrdcached, none kept, by Noodle", "requests a second", Better::More, Some(2000.0), None),
    row("rrdcached-many", "1,000 hosts by a glob over 20 rrdcacheds, an hour each, not asked for before", "ms", Better::Less, Some(1000.0), None),
    row("rrdcached-many-memory", "peak memory of Noodle there", "MiB", Better::Less, Some(64.0), None),
    row("layouts-blanks", "Noodle: CPU per request, 10.9 KB of JSON with a blank behind each comma and colon", "× compact JSON", Better::Less, None, None),
    row("layouts-indents", "the same with each value on a line of its own", "× compact JSON", Better::Less, None, None),
    row("panel", "graphite: 10 targets over 200 hosts, 360 rows each, not asked for before", "s", Better::Less, Some(1.0), None),
    row("panel-cpu", "CPU of Noodle for that, whisper files", "× graphite-web's", Better::Less, Some(0.1), None),
    row("names", "graphite: names of 20,000 hosts from a known tree", "ms", Better::Less, Some(20.0), None),
    row("remote-write", "CPU per sample by remote write", "× a node's value list and 4 snappy", Better::Less, Some(1.0), None),
    row("remote-write-collectd", "the same over network and write_prometheus", "× collectd's", Better::Less, Some(0.2), None),
    row("remote-write-lost", "samples lost at 200,000/s into a VictoriaMetrics", "samples", Better::Less, Some(0.0), None),
    row("remote-write-memory", "peak memory there", "MB", Better::Less, Some(128.0), None),
    row("unique", "CPU per delivered value list, agents, no metric name shared by hosts", "× the relay's", Better::Less, None, None),
    row("unique-memory", "peak memory there", "MB", Better::Less, None, None),
    row("flood", "peak memory, 10 million random names, state of 64 MiB", "MB", Better::Less, None, None),
];

const fn row(
    key: &'static str,
    title: &'static str,
    unit: &'static str,
    better: Better,
    bar: Option<f64>,
    hoped: Option<f64>,
) -> Row {
    Row { key, title, unit, bar, hoped, better }
}

impl Row {
    /// What a figure has reached.
    pub(super) fn verdict(&self, measured: f64) -> &'static str {
        let reaches = |wanted: f64| match self.better {
            Better::Less => measured <= wanted,
            Better::More => measured >= wanted,
        };
        match (self.bar, self.hoped) {
            (_, Some(hoped)) if reaches(hoped) => HOPED,
            (Some(bar), _) if reaches(bar) => BAR,
            (None, _) => "-",
            _ => MISSED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_verdict_knows_which_way_is_up() {
        let verdict = |key: &str, measured| {
            ROWS.iter().find(|row| row.key == key).expect("a row of this name").verdict(measured)
        };
        assert_eq!([HOPED, BAR, MISSED], [40.0, 64.0, 64.1].map(|measured| verdict("memory", measured)));
        assert_eq!([BAR, MISSED], [1.2, 1.19].map(|measured| verdict("lossless", measured)));
        assert_eq!([BAR, MISSED], [0.0, 1.0].map(|measured| verdict("api", measured)));
        assert_eq!("-", verdict("flood", 1e9));
        assert_eq!(MISSED, verdict("agents", f64::NAN));
    }

    #[test]
    fn rows_have_names_of_their_own_and_bars_below_hopes() {
        assert_eq!(ROWS.iter().map(|row| row.key).collect::<HashSet<_>>().len(), ROWS.len());
        for row in ROWS {
            if let (Some(bar), Some(hoped)) = (row.bar, row.hoped) {
                assert_eq!(bar > hoped, row.better == Better::Less, "{}", row.key);
            }
        }
    }
}
