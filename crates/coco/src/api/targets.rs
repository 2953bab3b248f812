//! `/targets`: `{tier: [{"name", "address", "state", "problem", "hosts", "sent"}]}`, tiers and targets in the order of
//! the configuration.
//!
//! The name is the target as configured, by which `/lookup` and the counters know it; the address where it leads, `null`
//! as long as there is none; the problem the last one of a target that is down or flapping, `null` otherwise; hosts how
//! many it has, as last measured; sent how many value lists were sent to it since the start.

use std::io::{self, Write};

use coco_core::tier::TierId;
use coco_daemon::health::Condition;
use serde_json::{Map, Value, json};

use super::Api;
use crate::counters::OutletCount;
use crate::outlets::{Outlet, UNRESOLVED};

pub(super) fn write(api: &Api, out: &mut dyn Write) -> io::Result<()> {
    Ok(serde_json::to_writer(out, &Value::Object(tiers(api)))?)
}

fn tiers(api: &Api) -> Map<String, Value> {
    let (routing, measurement) = (api.routing.load_full(), api.measure.last());
    let target = |outlet: &Outlet| {
        let (state, problem) = outlet.condition();
        let sent: u64 = outlet.all_counts().lanes().iter().map(|lane| lane.get(OutletCount::Sent)).sum();
        json!({
            "name": *outlet.target, "address": outlet.peer().map(|peer| peer.to_string()), "state": state.map_or(UNRESOLVED, Condition::as_str),
            "problem": problem, "hosts": measurement.of_outlet(outlet).hosts.length, "sent": sent,
        })
    };
    let of_tier = |tier: TierId| routing.outlets.of_tier(tier).iter().map(|outlet| target(outlet)).collect();
    routing.tiers.numbered().map(|(id, tier)| (tier.name().to_owned(), of_tier(id))).collect()
}
