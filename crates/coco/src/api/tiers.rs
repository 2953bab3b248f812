//! `/tiers`: an array of tiers in the order of the configuration, each with its targets and with the time at which
//! each metric was last sent; with `routes=false` without the times.

use std::io::{self, Write};
use std::sync::Arc;

use coco_core::tier::{Tier, TierId};
use coco_daemon::health::Condition;
use coco_daemon::tiers::head_of_tier;
use serde_json::{Map, Value, json};

use super::{Api, ObjectWriter, write_hosts};
use crate::outlets::UNRESOLVED;
use crate::plan::{Routing, Rules};
use crate::watch::{Hosts, HostsMoving, OfTarget, engine};

pub(super) fn write(api: &Api, out: &mut dyn Write) -> io::Result<()> {
    write_tiers(api, true, out)
}

pub(super) fn write_without_routes(api: &Api, out: &mut dyn Write) -> io::Result<()> {
    write_tiers(api, false, out)
}

fn write_tiers(api: &Api, has_routes: bool, out: &mut dyn Write) -> io::Result<()> {
    let routing = api.routing.load_full();
    out.write_all(b"[")?;
    for (id, tier) in routing.tiers.numbered() {
        if id.number() > 0 {
            out.write_all(b",")?;
        }
        let mut object = ObjectWriter::new(out)?;
        write_head(api, &routing, id, tier, &mut object)?;
        if has_routes {
            write_routes(api, &routing, id, tier, object.key("routes")?)?;
        }
        object.end()?;
    }
    out.write_all(b"]")
}

fn write_head(
    api: &Api,
    routing: &Routing,
    id: TierId,
    tier: &Tier,
    object: &mut ObjectWriter<'_>,
) -> io::Result<()> {
    let mut members = head_of_tier(tier, Some(api.common.reloads.placed_since(tier)));
    add_hosts(&mut members, api, routing, id);
    if let Some(migration) = members.get_mut("migration") {
        add_moving(migration, api.measure.last().moving_in(tier.name()));
    }
    members.insert("connections".to_owned(), connections(routing, id));
    for (key, value) in members {
        serde_json::to_writer(object.key(&key)?, &value)?;
    }
    Ok(())
}

fn write_routes(
    api: &Api,
    routing: &Arc<Routing>,
    id: TierId,
    tier: &Tier,
    out: &mut dyn Write,
) -> io::Result<()> {
    let partition = routing.partitions.of_tier(id);
    let mut hosts = Hosts::new(&api.lanes, Rules::new(Arc::clone(routing)), Some(partition));
    let mut routes = ObjectWriter::new(out)?;
    for (target, owner) in tier.targets().iter().zip(0..) {
        write_hosts(routes.key(&target.name)?, &mut hosts, owner, |metric| !metric.rejected)?;
    }
    routes.end()
}

/// Adds how many hosts are on their way, as last measured.
fn add_moving(migration: &mut Value, hosts: HostsMoving) {
    let HostsMoving { moving, both, new } = hosts;
    for (key, count) in [("hosts_moving", moving), ("hosts_both", both), ("hosts_new", new)] {
        migration[key] = json!(count);
    }
}

/// Adds to each target how many hosts it is the first owner of, and of how many it has a further copy, as last measured.
fn add_hosts(members: &mut Map<String, Value>, api: &Api, routing: &Routing, tier: TierId) {
    let measurement = api.measure.last();
    let placed = members.get_mut("placed").and_then(Value::as_array_mut).into_iter().flatten();
    for (target, outlet) in placed.zip(routing.outlets.of_tier(tier)) {
        let OfTarget { hosts, first } = measurement.of_outlet(outlet);
        target["hosts"] = json!({ "first": first, "further": hosts.length - first });
    }
}

/// `{target: {"state": ..., "address": ..., "problem": ..., "flap_penalty": ...}}`: the address once there is one, the
/// problem when it is down or flapping, the penalty when it is not 0.
fn connections(routing: &Routing, tier: TierId) -> Value {
    let states = routing.outlets.of_tier(tier).iter().map(|outlet| {
        let (state, problem) = outlet.condition();
        let mut connection =
            Map::from_iter([("state".to_owned(), json!(state.map_or(UNRESOLVED, Condition::as_str)))]);
        if let Some(remote) = outlet.remote() {
            connection.extend(engine(remote));
        }
        if let Some(address) = outlet.peer() {
            connection.insert("address".to_owned(), json!(address.to_string()));
        }
        if let Some(problem) = problem {
            connection.insert("problem".to_owned(), json!(problem));
        }
        let penalty = (outlet.flap_penalty() * 100.0).round() / 100.0;
        if penalty > 0.0 {
            connection.insert("flap_penalty".to_owned(), json!(penalty));
        }
        (outlet.target.to_string(), Value::Object(connection))
    });
    Value::Object(states.collect())
}
