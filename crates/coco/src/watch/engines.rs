//! Counts and gauges of engines, for the snapshot and for `/tiers`.

use std::sync::Arc;

use coco_daemon::counters::{Definition, Snapshot};
use remote_write::queue::SampleDrop;
use remote_write::sample::ListDrop;
use serde_json::{Map, Value, json};

use crate::counters::engines;
use crate::outlets::{Remote, RemoteCounts};

/// A count or a gauge of an engine, and where it is.
type Row = (&'static Definition, fn(&RemoteCounts) -> u64);

/// Those without a reason. What has come to pass is read before what has to come before it.
const ROWS: [Row; 10] = [
    (&engines::DELIVERED, RemoteCounts::delivered),
    (&engines::SAMPLES, RemoteCounts::queued),
    (&engines::LISTS, RemoteCounts::queued_lists),
    (&engines::NOTIFICATIONS, RemoteCounts::notifications),
    (&engines::RETRIES, RemoteCounts::retries),
    (&engines::REQUESTS, RemoteCounts::requests),
    (&engines::PANICS, RemoteCounts::panics),
    (&engines::WAITING, RemoteCounts::waiting),
    (&engines::OLDEST_AGE, RemoteCounts::oldest_age),
    (&engines::BYTES, RemoteCounts::bytes),
];

/// Adds the counts and gauges of engines, removed ones too.
pub(super) fn add_to(snapshot: &mut Snapshot, remotes: &[Arc<Remote>]) {
    for remote in remotes {
        let Remote { tier, target, counts, .. } = &**remote;
        let labels = [("tier", tier), ("target", target)];
        for why in SampleDrop::ALL {
            let labels = [("tier", tier), ("target", target), ("reason", &why.as_str().into())];
            snapshot.add(&engines::DROPPED, &labels, counts.dropped(why));
        }
        for why in ListDrop::ALL {
            let labels = [("tier", tier), ("target", target), ("reason", &why.as_str().into())];
            snapshot.add(&engines::LISTS_DROPPED, &labels, counts.dropped_lists(why));
        }
        for (definition, of) in ROWS {
            snapshot.add(definition, &labels, of(counts));
        }
        snapshot.add(&engines::SERIES, &labels, counts.series());
        snapshot.add(&engines::BLOCKED, &labels, u64::from(counts.is_blocked()));
        snapshot.add_distribution(&engines::LATENCY, &labels, counts.latency.distribution());
    }
}

/// The figures that `/tiers` shows of an engine beside its state.
pub fn shown(remote: &Remote) -> Map<String, Value> {
    let counts = &remote.counts;
    let dropped: u64 = SampleDrop::ALL.iter().map(|why| counts.dropped(*why)).sum();
    Map::from_iter([
        ("waiting".to_owned(), json!(counts.waiting())),
        ("oldest_age".to_owned(), json!(counts.oldest_age())),
        ("delivered".to_owned(), json!(counts.delivered())),
        ("dropped".to_owned(), json!(dropped)),
        ("blocked".to_owned(), json!(counts.is_blocked())),
    ])
}
