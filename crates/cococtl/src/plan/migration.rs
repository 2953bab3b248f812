//! The tables of a configuration by which hosts come to their new owners without a lost row: `[tiers.NAME.migration]`.

use std::io::Write;
use std::path::Path;

use coco_core::placement::{Facts, Way};
use coco_core::tier::{Step, Target, Tier};

use super::moves::{Change, Copies};
use super::toml::quoted;
use super::{Plan, shown};
use crate::failure::Failure;
use crate::{configuration, hosts};

/// What stands above all.
const HEAD: &str = "\
# How hosts come to their new owners, to stand at the end of the new file. No host is on its way by it yet: bring it to all
# Noodles and Cocos, and raise both then.
";

/// Writes the table of each tier that needs one, and of the others why they need none, as comments. Nothing is written
/// unless the new file, whose text this is, says with the tables what it has to.
pub(super) fn write(plan: &Plan<'_>, path: &Path, text: &str, out: &mut impl Write) -> Result<(), Failure> {
    let (mut lines, mut moving) = (Vec::new(), Vec::new());
    for tier in &plan.removed {
        lines.push(format!("# tier {}: removed, so it needs no migration", shown(tier)));
    }
    for tier in &plan.added {
        lines.push(format!(
            "# tier {}: new, so it needs no migration: all hosts begin anew there",
            shown(tier)
        ));
    }
    for change in &plan.changes {
        let tier = shown(change.new);
        if let Some(reason) = reason_for_none(change)? {
            lines.push(format!("# tier {tier}: {reason}"));
            continue;
        }
        lines.push(String::new());
        let (load, share) = (plan.load(change.moved), change.share() * 100.0);
        lines.push(format!("# tier {tier}: {load} move ({share:.1} %)"));
        if change.cheaper.is_some() {
            lines.push(
                "# warning: it can be had for less: cococtl plan says how, without --migration".to_owned(),
            );
        }
        lines.extend(table(change));
        moving.push(change);
    }
    let lines: String = lines.into_iter().map(|line| line + "\n").collect();
    check(path, &format!("{text}\n{lines}"), &moving)?;
    out.write_all(HEAD.as_bytes())?;
    plan.write_circumstances(out)?;
    out.write_all(lines.as_bytes())?;
    Ok(())
}

/// Why the hosts of a tier need no table; `None` where they need one.
fn reason_for_none(change: &Change<'_>) -> Result<Option<&'static str>, Failure> {
    let (old, new) = (change.old, change.new);
    match Step::between(old, new) {
        Step::None => Ok(Some("no host moves")),
        Step::Safe => Ok(Some("hosts are on this way already, by the migration that is written there")),
        Step::Unsafe { .. } => {
            Ok(Some("hosts are on this way already, but it is too long a step: cococtl check says why"))
        }
        Step::Other if old.moving().or(new.moving()).is_some() => {
            let tier = shown(new);
            Err(Failure::Refused(format!(
                "tier {tier}: hosts are on another way already: take its migration to its end first, or back"
            )))
        }
        Step::Other if new.remote_write().is_some() => {
            Ok(Some("its targets are engines, which have no files of hosts"))
        }
        Step::Other if !has_new_owners(change) => Ok(Some("no host gets a new owner")),
        Step::Other => Ok(None),
    }
}

/// Whether any host gets one, be it none of those that were named: they may be few.
fn has_new_owners(change: &Change<'_>) -> bool {
    let mut copies = Copies::new(change.old, change.new);
    change.moved.hosts > 0 || hosts::made_up(hosts::MADE_UP).iter().any(|host| !copies.of(host).is_empty())
}

/// The table, with all of the former placement.
fn table(change: &Change<'_>) -> Vec<String> {
    let Change { old, new, .. } = change;
    let Facts { hash, replicas, virtual_replicas, .. } = old.placement().facts();
    let tier = quoted(new.name());
    let mut lines = vec![
        format!("[tiers.{tier}.migration]"),
        "both = \"0%\"".to_owned(),
        "new = \"0%\"".to_owned(),
        String::new(),
        format!("[tiers.{tier}.migration.from]"),
        format!("hash = {}", quoted(hash)),
    ];
    lines.push(match virtual_replicas {
        Some(virtual_replicas) => format!("virtual_replicas = {virtual_replicas}"),
        None => format!("replicas = {replicas}"),
    });
    let way = Way::named(hash).unwrap_or_default();
    lines.push("targets = [".to_owned());
    lines.extend(old.targets().iter().map(|target| format!("  {},", item(target, way, new.targets()))));
    lines.push("]".to_owned());
    lines
}

/// What owners follow from in a target, beside its address, where hosts are placed this way.
fn placed(target: &Target, way: Way) -> (Option<&str>, Option<u32>, Option<&str>, Option<i64>) {
    (
        (way != Way::Ring).then(|| target.label()),
        way.takes_weights().then(|| target.placed.weight.get()),
        target.placed.zone.as_deref().filter(|_| way.takes_zones()),
        target.placed.index.filter(|_| way.takes_indices()),
    )
}

/// A target that hosts come from: its name where the tier lists it as it was, and else what is different.
fn item(target: &Target, way: Way, listed: &[Target]) -> String {
    let is_same = |other: &&Target| other.name == target.name && placed(other, way) == placed(target, way);
    if let Some(same) = listed.iter().find(is_same) {
        return quoted(same.label());
    }
    let name = target.placed.name.as_deref();
    let base = name.and_then(|name| listed.iter().find(|other| other.label() == name));
    let (_, weight, zone, index) = placed(target, way);
    let unsaid = Target::new(target.name.clone(), target.address.clone());
    let (_, said_weight, said_zone, said_index) = placed(base.unwrap_or(&unsaid), way);
    let mut members = Vec::new();
    members.extend(name.map(|name| format!("name = {}", quoted(name))));
    if base.is_none_or(|base| base.name != target.name) {
        members.push(format!("address = {}", quoted(&target.name)));
    }
    members.extend(weight.filter(|_| weight != said_weight).map(|weight| format!("weight = {weight}")));
    members.extend(zone.filter(|_| zone != said_zone).map(|zone| format!("zone = {}", quoted(zone))));
    members.extend(index.filter(|_| index != said_index).map(|index| format!("index = {index}")));
    // One that the tier lists is read as it says there.
    let fetch = target.fetch.as_ref().filter(|_| listed.iter().all(|other| other.address != target.address));
    members.extend(fetch.map(|fetch| format!("fetch = {}", quoted(&fetch.to_string()))));
    format!("{{ {} }}", members.join(", "))
}

/// Whether this text is a configuration by which the hosts of these tiers come from the one placement to the other.
fn check(path: &Path, text: &str, moving: &[&Change<'_>]) -> Result<(), Failure> {
    let (config, _) = configuration::parse(path, text)
        .map_err(|error| Failure::Refused(format!("with the migration it would be wrong: {error}")))?;
    let is_on_its_way = |change: &&&Change<'_>| {
        let is = |one: &Tier, other: &Tier| one.fingerprint() == other.fingerprint();
        let mut tiers = config.tiers.iter();
        let tier = tiers.find(|tier| tier.name() == change.new.name()).and_then(Tier::moving);
        tier.is_some_and(|moving| is(moving.former(), change.old) && is(moving.new_tier(), change.new))
    };
    match moving.iter().find(|change| !is_on_its_way(change)) {
        None => Ok(()),
        Some(change) => Err(Failure::Refused(format!(
            "tier {}: it can't be said how its hosts were placed where a target of the same name gets a zone or an index \
             that it had not, or its address is spelt otherwise: change that by itself, before or afterwards",
            shown(change.new)
        ))),
    }
}
