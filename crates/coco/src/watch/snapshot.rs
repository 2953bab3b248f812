//! Everything that is counted and measured, at one moment: what `/debug/vars` and `/metrics` show.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use coco_daemon::counters::{Snapshot, Value};
use coco_daemon::health::Condition;
use coco_daemon::latency::Histogram;

use super::engines;
use super::measure::Measurement;
use super::summary::Summary;
use crate::counters::{self, ByReason, COUNTS, Count, METRICS_PER_HOST, OUTLET_COUNTS, OutletCount};
use crate::lane::{Lane, Remembered};
use crate::outlets::{OutletCounts, Outlets, UNRESOLVED, Written};
use crate::plan::Routing;

/// Adds what the lanes count and what was last measured. Every name is there, with 0 if nothing has happened.
pub fn add_to(snapshot: &mut Snapshot, lanes: &[Arc<Lane>], routing: &Routing, measurement: &Measurement) {
    let outlets = &routing.outlets;
    // Read against the stream, so that what has been counted behind was counted ahead: no more is sent than accepted,
    // no more accepted than decoded.
    let sent = |counts: &Arc<OutletCounts>| -> Vec<u64> {
        let sum = |count: &OutletCount| counts.lanes().iter().map(|lane| lane.get(*count)).sum();
        OutletCount::ALL.iter().map(sum).collect()
    };
    let sends: Vec<_> = outlets.counts().iter().map(sent).collect();
    let copies: Vec<_> = outlets.copies().iter().map(|copies| (copies.count(), copies.written())).collect();
    let mut counts: Vec<u64> =
        Count::ALL.iter().rev().map(|count| sum(lanes, |lane| lane.counts.get(*count))).collect();
    counts.reverse();

    add_counts(snapshot, lanes, measurement, &counts);
    // Packets, which nobody answers: engines have counts of their own.
    let is_sent_to = |counts: &OutletCounts| {
        !outlets.remotes().iter().any(|remote| remote.is_of(&counts.tier, &counts.target))
    };
    for (counts, sends) in outlets.counts().iter().zip(&sends).filter(|(counts, _)| is_sent_to(counts)) {
        let labels = [("tier", &counts.tier), ("target", &counts.target)];
        for (definition, value) in OUTLET_COUNTS.iter().zip(sends) {
            snapshot.add(definition, &labels, *value);
        }
    }
    engines::add_to(snapshot, outlets.remotes());
    for (of_tier, (copies, Written { owners, former })) in outlets.copies().iter().zip(copies) {
        let counted =
            [(&counters::COPIES, copies), (&counters::TO_OWNERS, owners), (&counters::TO_FORMER, former)];
        for (definition, count) in counted {
            snapshot.add(definition, &[("tier", &of_tier.tier)], count);
        }
    }
    add_hosts_of_outlets(snapshot, outlets, measurement);
    add_conditions(snapshot, outlets);
    let total: u64 = sends.iter().map(|sends| sends[OutletCount::Sent as usize]).sum();
    snapshot.add(&counters::SEND_TOTAL, &[], total);
    for tier in routing.tiers.iter() {
        let summary = measurement.of_tier(tier.name());
        for ((_, definition), value) in METRICS_PER_HOST.iter().zip(values(&summary)) {
            snapshot.add(definition, &[("tier", &tier.name().into())], value);
        }
    }
    for counts in outlets.counts().iter().filter(|counts| is_sent_to(counts)) {
        let labels = [("tier", &counts.tier), ("target", &counts.target)];
        snapshot.add(&counters::DIAL, &labels, counts.dial_errors());
    }
    add_state(snapshot, lanes, measurement);
}

/// Adds what lanes count, read before as `counts`, and how much waits in them.
fn add_counts(snapshot: &mut Snapshot, lanes: &[Arc<Lane>], measurement: &Measurement, counts: &[u64]) {
    for (definition, count) in COUNTS.iter().zip(counts) {
        snapshot.add(definition, &[], *count);
    }
    for reason in ByReason::all() {
        let (definition, label) = reason.definition();
        let value = sum(lanes, |lane| lane.counts.get_reason(reason));
        snapshot.add(definition, &[("reason", &label.into())], value);
    }
    let merged = |of: fn(&Lane) -> &Histogram| {
        let mut lanes = lanes.iter().map(|lane| of(lane).distribution());
        lanes.next().map(|first| first.with(lanes))
    };
    for (definition, distribution) in [
        (&counters::BATCH, merged(|lane| &lane.datagrams)),
        (&counters::LATENCY, merged(|lane| &lane.latency)),
    ] {
        // There is a lane at least.
        if let Some(distribution) = distribution {
            snapshot.add_distribution(definition, &[], distribution);
        }
    }
    snapshot.add(&counters::KERNEL_DROPS, &[], measurement.kernel_drops);
    snapshot.add(&counters::LAST_DATAGRAM_AGE, &[], age_of_last_datagram(lanes));
    snapshot.add(&counters::QUEUES_RAW, &[], sum(lanes, |lane| lane.raw.waiting()));
    snapshot.add(&counters::QUEUES_FILTERED, &[], sum(lanes, |lane| lane.filtered.waiting()));
    snapshot.add(&counters::QUEUES_HELD, &[], sum(lanes, |lane| lane.held.load(Ordering::Relaxed)));
}

/// Adds how many hosts and metrics each outlet gets.
fn add_hosts_of_outlets(snapshot: &mut Snapshot, outlets: &Outlets, measurement: &Measurement) {
    for outlet in outlets.iter() {
        let labels = [("tier", &outlet.tier), ("target", &outlet.target)];
        let summary = measurement.of_outlet(outlet).hosts;
        snapshot.add(&counters::HASH_HOSTS, &labels, summary.length);
        snapshot.add(&counters::HASH_METRICS, &labels, summary.sum);
        for ((definition, _), value) in METRICS_PER_HOST.iter().zip(values(&summary)) {
            snapshot.add(definition, &labels, value);
        }
    }
}

/// Adds how outlets are.
fn add_conditions(snapshot: &mut Snapshot, outlets: &Outlets) {
    let known = Condition::ALL.map(|condition| (Some(condition), condition.as_str()));
    let states = known.into_iter().chain([(None, UNRESOLVED)]);
    let states: Vec<_> = states.map(|(condition, name)| (condition, Arc::from(name))).collect();
    for outlet in outlets.iter() {
        let (now, _) = outlet.condition();
        for (condition, name) in &states {
            let labels = [("tier", &outlet.tier), ("target", &outlet.target), ("state", name)];
            snapshot.add(&counters::SEND_STATE, &labels, u64::from(now == *condition));
        }
    }
    for outlet in outlets.iter().filter(|outlet| outlet.remote().is_none()) {
        let labels = [("tier", &outlet.tier), ("target", &outlet.target)];
        snapshot.add(&counters::FLAP_PENALTY, &labels, outlet.flap_penalty());
    }
}

/// Adds what lanes remember.
fn add_state(snapshot: &mut Snapshot, lanes: &[Arc<Lane>], measurement: &Measurement) {
    let remembered =
        |of: fn(&Remembered) -> &AtomicU64| sum(lanes, |lane| of(&lane.remembered).load(Ordering::Relaxed));
    snapshot.add(&counters::STATE_SINCE, &[], measurement.since);
    snapshot.add(&counters::STATE_BYTES, &[], remembered(|it| &it.bytes));
    snapshot.add(&counters::STATE_HOSTS, &[], remembered(|it| &it.hosts));
    snapshot.add(&counters::STATE_SILENT, &[], measurement.silent_hosts);
    snapshot.add(&counters::STATE_METRICS, &[], remembered(|it| &it.metrics));
}

/// Seconds since a datagram came last to any of them, or since the start.
pub fn age_of_last_datagram(lanes: &[Arc<Lane>]) -> u64 {
    lanes.iter().map(|lane| lane.age_of_last_datagram()).min().unwrap_or_default()
}

/// In the order of [`METRICS_PER_HOST`].
fn values(summary: &Summary) -> [Value; 6] {
    let Summary { average, minimum, maximum, percentile_95, length, sum } = *summary;
    [average.into(), minimum.into(), maximum.into(), percentile_95.into(), length.into(), sum.into()]
}

fn sum(lanes: &[Arc<Lane>], of: impl Fn(&Lane) -> u64) -> u64 {
    lanes.iter().map(|lane| of(lane)).sum()
}
