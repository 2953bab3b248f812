//! What moves from one tier to another, and how little could.

use std::collections::BTreeMap;

use coco_core::tier::{Target, Tier};

use super::fleet::Fleet;
use crate::spread::{Spread, ratio};

/// A change is called dear if another one that ends with the same targets moves this much less.
const WORTH_SAYING: f64 = 0.9;

/// A tier that two configurations have, with different owners perhaps.
#[derive(Debug)]
pub(super) struct Change<'a> {
    pub(super) old: &'a Tier,
    pub(super) new: &'a Tier,
    /// By the indices of the old target and the new one.
    pub(super) moves: BTreeMap<(usize, usize), Load>,
    pub(super) moved: Load,
    /// The part of all hosts that must move, however it is done.
    pub(super) ideal: f64,
    pub(super) before: Spread,
    pub(super) after: Spread,
    pub(super) cheaper: Option<Cheaper>,
}

/// Hosts, and their metrics where that is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) hosts: u64,
    pub(super) metrics: u64,
}

/// A tier with the same targets as the new one that moves fewer hosts.
#[derive(Debug)]
pub(super) struct Cheaper {
    pub(super) tier: Tier,
    pub(super) moved: u64,
    pub(super) after: Spread,
}

impl<'a> Change<'a> {
    pub(super) fn new(old: &'a Tier, new: &'a Tier, fleet: &Fleet) -> Self {
        let mut moves: BTreeMap<_, Load> = BTreeMap::new();
        let mut moved = Load::default();
        for (host, metrics) in fleet.hosts() {
            let (from, to) = (old.owner(host), new.owner(host));
            if old.targets()[from].address != new.targets()[to].address {
                for load in [moves.entry((from, to)).or_default(), &mut moved] {
                    load.hosts += 1;
                    load.metrics += metrics;
                }
            }
        }
        let cheaper = cheaper(old, new).and_then(|tier| {
            let fewer = fleet.hosts().filter(|(host, _)| has_moved(old, &tier, host)).count() as u64;
            let worth_saying = (fewer as f64) < moved.hosts as f64 * WORTH_SAYING;
            worth_saying.then(|| Cheaper { moved: fewer, after: Spread::of(&tier, fleet.names()), tier })
        });
        let [before, after] = [old, new].map(|tier| Spread::of(tier, fleet.names()));
        Self { old, new, moves, moved, ideal: ideal(old, new), before, after, cheaper }
    }

    /// The part of all hosts that moves.
    pub(super) fn share(&self) -> f64 {
        ratio(self.moved.hosts, self.before.hosts())
    }

    /// Why so much moves, where there is a cheaper way.
    pub(super) fn reasons(&self) -> Vec<String> {
        let mut reasons = Vec::new();
        if let Some((old, new)) = virtual_replicas(self.old).zip(virtual_replicas(self.new))
            && old != new
        {
            reasons.push(format!(
                "virtual_replicas goes from {old} to {new}, so most points of the ring move (without the key it \
                 depends on the number of targets)"
            ));
        }
        for (place, target) in self.old.targets().iter().enumerate() {
            let now = self.new.targets().iter().position(|other| other.address == target.address);
            if let Some(now) = now.filter(|&now| now != place) {
                reasons.push(format!(
                    "{} goes from targets[{place}] to targets[{now}]: on the ring a target is its place in the list",
                    target.name
                ));
                break;
            }
        }
        reasons
    }
}

fn has_moved(old: &Tier, new: &Tier, host: &[u8]) -> bool {
    old.targets()[old.owner(host)].address != new.targets()[new.owner(host)].address
}

/// If every target owned the same share before and after, a target that stays would keep the smaller of its two
/// shares, and everything else would have to move.
fn ideal(old: &Tier, new: &Tier) -> f64 {
    let stay = old.targets().iter().filter(|target| place(new, target).is_some()).count();
    let [before, after] = [old, new].map(|tier| tier.targets().len() as f64);
    (1.0 - stay as f64 / before.max(after)).max(0.0)
}

fn place(tier: &Tier, target: &Target) -> Option<usize> {
    tier.targets().iter().position(|other| other.address == target.address)
}

fn virtual_replicas(tier: &Tier) -> Option<u32> {
    tier.placement().facts().virtual_replicas
}

/// The targets of `new` on the ring of `old`: who stays keeps its place, who comes takes the place of one who goes, or
/// one behind all. A place that would be left empty gets the last target.
fn cheaper(old: &Tier, new: &Tier) -> Option<Tier> {
    let (virtual_replicas, _) = virtual_replicas(old).zip(virtual_replicas(new))?;
    let mut newcomers = new.targets().iter().filter(|target| place(old, target).is_none()).cloned();
    let mut places: Vec<Option<Target>> = old
        .targets()
        .iter()
        .map(|target| {
            place(new, target).map(|place| new.targets()[place].clone()).or_else(|| newcomers.next())
        })
        .collect();
    places.extend(newcomers.map(Some));
    while let Some(empty) = places.iter().position(Option::is_none) {
        let last = places.pop()?;
        if let Some(place) = places.get_mut(empty) {
            *place = last;
        }
    }
    let targets = places.into_iter().flatten().collect();
    Tier::new(new.name().to_owned(), targets, Some(virtual_replicas)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tier(targets: &[&str], virtual_replicas: Option<u32>) -> Tier {
        let target = |name: &&str| Target::new(*name, name.parse().unwrap());
        Tier::new("t".to_owned(), targets.iter().map(target).collect(), virtual_replicas).unwrap()
    }

    fn suggestion(old: &[&str], new: &[&str]) -> Vec<String> {
        let tier = cheaper(&tier(old, Some(7)), &tier(new, None)).unwrap();
        assert_eq!(virtual_replicas(&tier), Some(7));
        tier.targets().iter().map(|target| target.name.clone()).collect()
    }

    #[test]
    fn the_cheaper_way_keeps_everybody_in_place() {
        assert_eq!(suggestion(&["a:1", "b:1"], &["c:1", "a:1", "b:1"]), ["a:1", "b:1", "c:1"]);
        assert_eq!(suggestion(&["a:1", "b:1", "c:1"], &["b:1", "c:1", "d:1"]), ["d:1", "b:1", "c:1"]);
        assert_eq!(suggestion(&["a:1", "b:1", "c:1"], &["b:1", "c:1"]), ["c:1", "b:1"]);
        assert_eq!(suggestion(&["a:1", "b:1", "c:1"], &["a:1", "b:1"]), ["a:1", "b:1"]);
        assert_eq!(suggestion(&["a:1", "b:1", "c:1"], &["b:1"]), ["b:1"]);
        assert_eq!(suggestion(&["a:1", "b:1", "c:1", "d:1"], &["d:1", "b:1"]), ["d:1", "b:1"]);
        assert_eq!(suggestion(&["a:1"], &["b:1", "c:1"]), ["b:1", "c:1"]);
    }

    #[test]
    fn the_ideal_is_what_no_way_can_avoid() {
        let ideal = |old: &[&str], new: &[&str]| ideal(&tier(old, None), &tier(new, None));
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        close(ideal(&["a:1", "b:1"], &["b:1", "a:1"]), 0.0);
        close(ideal(&["a:1", "b:1"], &["a:1", "b:1", "c:1"]), 1.0 / 3.0);
        close(ideal(&["a:1", "b:1", "c:1", "d:1"], &["a:1", "b:1", "c:1"]), 0.25);
        close(ideal(&["a:1", "b:1"], &["a:1", "c:1"]), 0.5);
        close(ideal(&["a:1"], &["b:1"]), 1.0);
    }
}
