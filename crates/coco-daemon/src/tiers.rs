//! Words on placements, for both daemons: in `/tiers`, when the configuration is checked and when it is changed.

use std::collections::HashSet;

use coco_core::placement::canary::Percentage;
use coco_core::placement::{Facts, Way};
use coco_core::tier::{Step, Target, Tier, Tiers};
use serde_json::{Map, Value, json};

/// Since when a tier places hosts as it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InForceSince {
    /// In Unix seconds, for people: clocks jump.
    pub time: u64,
    /// For how many seconds.
    pub age: u64,
}

/// The members that both daemons begin a tier with: its name, its targets as they are counted and as they are placed,
/// what decides who owns a host, since when that is so where it is in force, and how hosts are on their way.
///
/// `shadows` and `virtual_replicas` are of rings only.
pub fn head_of_tier(tier: &Tier, since: Option<InForceSince>) -> Map<String, Value> {
    let Facts { hash, replicas, virtual_replicas, .. } = tier.placement().facts();
    let names: Vec<_> = tier.targets().iter().map(|target| target.name.as_str()).collect();
    let mut members = Map::new();
    let mut add = |key: &str, value: Value| members.insert(key.to_owned(), value);
    add("name", json!(tier.name()));
    add("targets", json!(names));
    if let Some(ring) = tier.settled().placement().ring() {
        let names = tier.settled().targets().iter().map(|target| target.name.as_str());
        let shadows = ring.shadows().zip(names).map(|(label, name)| (label.to_string(), json!(name)));
        add("shadows", Value::Object(shadows.collect()));
    }
    if let Some(virtual_replicas) = virtual_replicas {
        add("virtual_replicas", json!(virtual_replicas));
    }
    add("hash", json!(hash));
    add("replicas", json!(replicas));
    let roles = (0..tier.targets().len()).map(|target| tier.role(target));
    let placed = tier.targets().iter().zip(roles).map(|(target, role)| placed(hash, target, role.as_str()));
    add("placed", placed.collect());
    add("fingerprint", json!(tier.fingerprint().to_string()));
    if let Some(since) = since {
        add("age", json!(since.age));
    }
    if let Some(migration) = migration(tier, since.map(|since| since.time)) {
        add("migration", Value::Object(migration));
    }
    members
}

/// A target as its placement sees it. What the hash does not go by, or nobody has said, is left out.
fn placed(hash: &str, target: &Target, state: &str) -> Value {
    let mut members = Map::from_iter([
        ("name".to_owned(), json!(target.label())),
        ("address".to_owned(), json!(target.name)),
        ("state".to_owned(), json!(state)),
    ]);
    if Way::named(hash).is_some_and(Way::takes_weights) {
        members.insert("weight".to_owned(), json!(target.placed.weight.get()));
    }
    if let Some(zone) = &target.placed.zone {
        members.insert("zone".to_owned(), json!(zone));
    }
    if let Some(index) = target.placed.index {
        members.insert("index".to_owned(), json!(index));
    }
    Value::Object(members)
}

/// The migration of a tier's hosts, if there is one: the shares, since when, and what they come from.
fn migration(tier: &Tier, since: Option<u64>) -> Option<Map<String, Value>> {
    let moving = tier.moving()?;
    let (from, headway) = (moving.former(), moving.headway());
    let Facts { hash, replicas, virtual_replicas, .. } = from.placement().facts();
    let targets: Vec<_> = from
        .targets()
        .iter()
        .map(|target| {
            let mut members = placed(hash, target, "");
            members.as_object_mut().map(|members| members.remove("state"));
            members
        })
        .collect();
    let mut was =
        Map::from_iter([("hash".to_owned(), json!(hash)), ("replicas".to_owned(), json!(replicas))]);
    if let Some(virtual_replicas) = virtual_replicas {
        was.insert("virtual_replicas".to_owned(), json!(virtual_replicas));
    }
    was.insert("targets".to_owned(), json!(targets));
    Some(Map::from_iter([
        ("both".to_owned(), json!(headway.both().to_string())),
        ("new".to_owned(), json!(headway.new_only().to_string())),
        ("since".to_owned(), json!(since)),
        ("from".to_owned(), Value::Object(was)),
    ]))
}

/// A line a tier, for `--check`.
pub fn summary(tiers: &Tiers) -> String {
    let line = |tier: &Tier| {
        let Facts { hash, targets, replicas, virtual_replicas } = tier.placement().facts();
        let points = virtual_replicas.map_or(String::new(), |points| format!(", {points} virtual replicas"));
        let zones: HashSet<_> =
            tier.targets().iter().filter_map(|target| target.placed.zone.as_ref()).collect();
        let zones = if zones.is_empty() { String::new() } else { format!(", zones: {}", zones.len()) };
        let (name, fingerprint) = (tier.name(), tier.fingerprint());
        let moving = tier.moving().map_or(String::new(), |moving| {
            let Facts { hash, targets, replicas, .. } = moving.former().placement().facts();
            let (both, new) = (moving.headway().both(), moving.headway().new_only());
            format!(
                ", on the way from {hash}, targets: {targets}, copies of a host: {replicas}; both = {both}, new = {new}"
            )
        });
        format!(
            "tiers.{name}: {hash}{points}, targets: {targets}{zones}, copies of a host: {replicas}{moving}, fingerprint {fingerprint}\n"
        )
    };
    tiers.iter().map(line).collect()
}

/// Made-up hosts by which it is told how many begin anew.
const SAMPLED: u32 = 5_000;

/// Tiers of which hosts get copies on targets, known by their addresses, that did not have them, with the part of the
/// hosts of which that is so.
pub fn begin_anew(old: &Tiers, new: &Tiers) -> Vec<(String, Percentage)> {
    let changed = new.iter().filter_map(|tier| {
        let old =
            old.iter().find(|old| old.name() == tier.name() && Step::between(old, tier) == Step::Other)?;
        let (mut before, mut after) = (Vec::new(), Vec::new());
        let begins_anew = |host: &u32| {
            let host = format!("host{host}.example.org");
            old.placement().owners(host.as_bytes(), &mut before);
            tier.placement().owners(host.as_bytes(), &mut after);
            let had = |place: &usize| {
                let address = &tier.targets()[*place].address;
                before.iter().any(|&place| old.targets()[place].address == *address)
            };
            !after.iter().all(had)
        };
        let anew = (0..SAMPLED).filter(begins_anew).count();
        (anew > 0).then(|| (tier.name().to_owned(), Percentage::of(anew as u64, u64::from(SAMPLED))))
    });
    changed.collect()
}

#[cfg(test)]
mod tests {
    use coco_core::config::{Config, Program};

    use super::*;

    fn shown(text: &str) -> Value {
        let config = Config::parse(text, Program::Coco).unwrap();
        let mut members = head_of_tier(config.tiers.get(0).unwrap(), None);
        assert!(members.remove("fingerprint").is_some_and(|fingerprint| fingerprint.is_string()));
        Value::Object(members)
    }

    #[test]
    fn a_ring_shows_its_points_and_labels() {
        assert_eq!(
            shown("[tiers.a]\ntargets = ['a:1', { name = 's2', address = 'b:1' }]"),
            json!({
                "name": "a", "targets": ["a:1", "b:1"], "shadows": {"\u{0}": "a:1", "\u{1}": "b:1"},
                "virtual_replicas": 90, "hash": "ring", "replicas": 1,
                "placed": [
                    {"name": "a:1", "address": "a:1", "state": "active"},
                    {"name": "s2", "address": "b:1", "state": "active"},
                ],
            })
        );
    }

    #[test]
    fn other_placements_show_what_they_go_by() {
        let text = "[tiers.a]\nhash = 'rendezvous'\nreplicas = 2\ntargets = [
            { name = 's1', address = 'a:1', zone = 'n' },
            { name = 's2', address = 'b:1', zone = 's', weight = 200 },
        ]";
        assert_eq!(
            shown(text),
            json!({
                "name": "a", "targets": ["a:1", "b:1"], "hash": "rendezvous", "replicas": 2,
                "placed": [
                    {"name": "s1", "address": "a:1", "state": "active", "weight": 100, "zone": "n"},
                    {"name": "s2", "address": "b:1", "state": "active", "weight": 200, "zone": "s"},
                ],
            })
        );
        let jump = shown("[tiers.a]\nhash = 'jump'\ntargets = [{ address = 'a:1', index = 3 }]");
        assert_eq!(jump["placed"], json!([{"name": "a:1", "address": "a:1", "state": "active", "index": 3}]));
    }

    #[test]
    fn hosts_on_their_way_are_shown_with_how_far_they_are_and_what_they_come_from() {
        let text = "[tiers.a]\ntargets = [ { name = 's1', address = 'a:1' }, { address = 'b:1', state = 'draining' } ]
            migration = { both = '5%', from = { targets = ['s1', { name = 'old', address = 'c:1' }] } }";
        let tiers = tiers(text);
        let head = shown(text);
        let states: Vec<_> =
            head["placed"].as_array().unwrap().iter().map(|placed| &placed["state"]).collect();
        assert_eq!(states, ["active", "draining", "former"]);
        assert_eq!(head["targets"], json!(["a:1", "b:1", "c:1"]));
        assert_eq!((&head["shadows"], &head["virtual_replicas"]), (&json!({"\u{0}": "a:1"}), &json!(20)));
        let expected = json!({
            "both": "5%", "new": "0%", "since": null,
            "from": {"hash": "ring", "replicas": 1, "virtual_replicas": 90, "targets": [
                {"name": "s1", "address": "a:1"}, {"name": "old", "address": "c:1"},
            ]},
        });
        assert_eq!((&head["migration"], head.get("age")), (&expected, None));
        let since = Some(InForceSince { time: 7, age: 60 });
        let in_force = head_of_tier(tiers.get(0).unwrap(), since);
        assert_eq!((&in_force["migration"]["since"], &in_force["age"]), (&json!(7), &json!(60)));
        assert!(summary(&tiers).starts_with(
            "tiers.a: ring, 20 virtual replicas, targets: 3, copies of a host: 1, on the way from ring, targets: 2, copies of \
             a host: 1; both = 5%, new = 0%, fingerprint "
        ), "{}", summary(&tiers));
        assert_eq!(shown("tiers.a.targets = ['a:1']").get("migration"), None);
    }

    /// Steps of a migration are what keeps hosts from beginning anew.
    #[test]
    fn no_host_begins_anew_by_a_step_of_a_migration() {
        let tier = |migration: &str| {
            tiers(&format!(
                "[tiers.t]\nhash = 'rendezvous'\n{migration}\ntargets = ['a:1', {{ address = 'b:1', state = 'draining' }}]"
            ))
        };
        let (before, step, all) = (
            tiers("[tiers.t]\nhash = 'rendezvous'\ntargets = ['a:1', 'b:1']"),
            tier("migration.both = '5%'"),
            tier("migration = { both = '100%', new = '100%' }"),
        );
        let after = tiers("[tiers.t]\nhash = 'rendezvous'\ntargets = ['a:1']");
        assert_eq!(
            [begin_anew(&before, &step), begin_anew(&step, &all), begin_anew(&all, &after)],
            [const { Vec::new() }; 3]
        );
        assert_eq!(begin_anew(&before, &after).len(), 1);
    }

    fn tiers(text: &str) -> Tiers {
        Config::parse(text, Program::Coco).unwrap().tiers
    }

    #[test]
    fn a_check_says_how_each_tier_is_placed() {
        let text = "[tiers.a]\ntargets = ['a:1']\n[tiers.b]\nhash = 'rendezvous'\nreplicas = 2\ntargets = [
            { name = 's1', address = 'a:1', zone = 'n' }, { name = 's2', address = 'b:1', zone = 's' }]";
        let tiers = tiers(text);
        let fingerprint = |tier: usize| tiers.get(tier).unwrap().fingerprint();
        let expected = format!(
            "tiers.a: ring, 20 virtual replicas, targets: 1, copies of a host: 1, fingerprint {}\n\
             tiers.b: rendezvous, targets: 2, zones: 2, copies of a host: 2, fingerprint {}\n",
            fingerprint(0),
            fingerprint(1)
        );
        assert_eq!(summary(&tiers), expected);
    }

    #[test]
    fn hosts_begin_anew_where_a_target_did_not_have_them() {
        let tier = |hash: &str, targets: usize| {
            let targets: Vec<_> =
                (0..targets).map(|at| format!("{{ name = 's{at}', address = 'h{at}:1' }}")).collect();
            tiers(&format!("[tiers.t]\nhash = '{hash}'\ntargets = [{}]", targets.join(",")))
        };
        assert_eq!(begin_anew(&tier("ring", 3), &tier("ring", 3)), []);
        let told = |old: &Tiers, new: &Tiers| match &begin_anew(old, new)[..] {
            [(name, share)] => {
                (name.clone(), share.to_string().trim_end_matches('%').parse::<f64>().unwrap())
            }
            other => panic!("{other:?}"),
        };
        let (name, share) = told(&tier("rendezvous", 3), &tier("rendezvous", 4));
        assert!(name == "t" && (22.0..28.0).contains(&share), "{share}");
        let (_, share) = told(&tier("ring", 12), &tier("ring", 13));
        assert!((85.0..93.0).contains(&share), "{share}");
        // Where nothing but an address changes, hosts stay with the name and begin anew at the address.
        let moved = tiers("[tiers.t]\nhash = 'rendezvous'\ntargets = [{ name = 's0', address = 'new:1' }]");
        assert_eq!(told(&tier("rendezvous", 1), &moved).1, 100.0);
    }
}
