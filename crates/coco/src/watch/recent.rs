//! The counters of which the last minutes are kept, and what they are called there.

use std::sync::Arc;

use crate::counters::{Count, OutletCount};
use crate::lane::Lane;
use crate::outlets::Outlet;
use crate::plan::Routing;

/// Datagrams received.
pub const RECEIVED: &str = "received";

/// Value lists decoded.
pub const DECODED: &str = "decoded";

/// Value lists accepted.
pub const ACCEPTED: &str = "accepted";

/// Value lists that the blacklist refuses.
pub const REJECTED: &str = "rejected";

/// Datagrams that the kernel dropped.
pub const DROPPED: &str = "dropped";

/// Value lists sent to a target of a tier.
pub fn sent_to(tier: &str, target: &str) -> String {
    format!("sent {tier} {target}")
}

/// The counters at this moment, and the datagrams that the kernel had dropped when that was last measured.
pub fn counters(lanes: &[Arc<Lane>], routing: &Routing, dropped: u64) -> Vec<(String, u64)> {
    let of_lanes = |count: Count| lanes.iter().map(|lane| lane.counts.get(count)).sum();
    let mut counters = vec![(DROPPED.to_owned(), dropped)];
    for (name, count) in [
        (RECEIVED, Count::Raw),
        (DECODED, Count::Decoded),
        (ACCEPTED, Count::Accepted),
        (REJECTED, Count::Rejected),
    ] {
        counters.push((name.to_owned(), of_lanes(count)));
    }
    let sent = |outlet: &Arc<Outlet>| {
        let sent = outlet.all_counts().lanes().iter().map(|lane| lane.get(OutletCount::Sent)).sum();
        (sent_to(&outlet.tier, &outlet.target), sent)
    };
    counters.extend(routing.outlets.iter().map(sent));
    counters
}
