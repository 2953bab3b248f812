//! What moves from one tier to another, and how little could.

use std::collections::BTreeMap;

use coco_core::tier::{Target, Tier};

use super::hosts::Hosts;
use crate::distribution::{Distribution, due, ratio};

/// A change is called dear if another one that ends with the same targets moves this much less.
const WORTH_SAYING: f64 = 0.9;

/// A tier that two configurations have, with different owners perhaps.
#[derive(Debug)]
pub(super) struct Change<'a> {
    pub(super) old: &'a Tier,
    pub(super) new: &'a Tier,
    /// Copies of hosts, by the indices of the old target and the new one.
    pub(super) moves: BTreeMap<(usize, usize), Load>,
    pub(super) moved: Load,
    /// What the disk of each new target has to take, by its index.
    pub(super) arriving: BTreeMap<usize, Load>,
    /// What each old target is rid of, by its index.
    pub(super) leaving: BTreeMap<usize, Load>,
    /// The part of all copies that must move, however it is done.
    pub(super) ideal: f64,
    pub(super) before: Distribution,
    pub(super) after: Distribution,
    pub(super) cheaper: Option<Cheaper>,
}

/// Hosts, of which there may be several copies, and their metrics where that is known.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Load {
    pub(super) hosts: u64,
    pub(super) metrics: u64,
}

impl Load {
    fn add(&mut self, metrics: u64) {
        self.hosts += 1;
        self.metrics += metrics;
    }
}

/// Where the copies of a host go from one tier to another. A target is its address: under another one it is another disk.
#[derive(Debug)]
pub(super) struct Copies<'a> {
    old: &'a Tier,
    new: &'a Tier,
    before: Vec<usize>,
    after: Vec<usize>,
    /// From which old target to which new one. A further copy comes from the first owner, which keeps its own.
    pub(super) moves: Vec<(usize, usize)>,
    /// Old targets that keep no copy.
    pub(super) left: Vec<usize>,
}

impl<'a> Copies<'a> {
    pub(super) fn new(old: &'a Tier, new: &'a Tier) -> Self {
        Self { old, new, before: Vec::new(), after: Vec::new(), moves: Vec::new(), left: Vec::new() }
    }

    /// Of this host.
    pub(super) fn of(&mut self, host: &[u8]) -> &[(usize, usize)] {
        let Self { old, new, before, after, moves, left } = self;
        old.placement().owners(host, before);
        new.placement().owners(host, after);
        let address = |tier: &'a Tier, place: usize| &tier.targets()[place].address;
        let is_in = |tier: &'a Tier, places: &[usize], target| {
            places.iter().any(|&place| address(tier, place) == target)
        };
        left.clear();
        left.extend(before.iter().filter(|&&place| !is_in(new, after, address(old, place))));
        let first = before[0];
        let sources = left.iter().copied().chain(std::iter::repeat(first));
        let come = after.iter().copied().filter(|&place| !is_in(old, before, address(new, place)));
        moves.clear();
        moves.extend(sources.zip(come));
        moves
    }
}

/// A tier with the same targets as the new one that moves fewer hosts.
#[derive(Debug)]
pub(super) struct Cheaper {
    pub(super) tier: Tier,
    pub(super) moved: u64,
    pub(super) after: Distribution,
}

impl<'a> Change<'a> {
    pub(super) fn new(old: &'a Tier, new: &'a Tier, hosts: &Hosts) -> Self {
        let mut moves: BTreeMap<_, Load> = BTreeMap::new();
        let mut moved = Load::default();
        let (mut arriving, mut leaving) = (BTreeMap::<_, Load>::new(), BTreeMap::<_, Load>::new());
        let mut copies = Copies::new(old, new);
        for (host, metrics) in hosts.with_metrics() {
            copies.of(host);
            for &(from, to) in &copies.moves {
                moves.entry((from, to)).or_default().add(metrics);
                arriving.entry(to).or_default().add(metrics);
                moved.add(metrics);
            }
            copies.left.iter().for_each(|&from| leaving.entry(from).or_default().add(metrics));
        }
        let cheaper = cheaper(old, new).and_then(|tier| {
            let mut copies = Copies::new(old, &tier);
            let moves = hosts.with_metrics().map(|(host, _)| copies.of(host).len() as u64);
            let fewer = moves.sum();
            let worth_saying = (fewer as f64) < moved.hosts as f64 * WORTH_SAYING;
            worth_saying.then(|| Cheaper {
                moved: fewer,
                after: Distribution::of(&tier, hosts.names()),
                tier,
            })
        });
        let [before, after] = [old, new].map(|tier| Distribution::of(tier, hosts.names()));
        let ideal = due_gains(old, new).min(gains(old, new, &before, &after));
        Self { old, new, moves, moved, arriving, leaving, ideal, before, after, cheaper }
    }

    /// The part of all copies that moves.
    pub(super) fn share(&self) -> f64 {
        ratio(self.moved.hosts, self.after.copies())
    }

    /// How many copies a target of the new tier is rid of.
    pub(super) fn leaving_of(&self, target: &Target) -> u64 {
        let before = place(self.old, target);
        before.and_then(|before| self.leaving.get(&before)).map_or(0, |load| load.hosts)
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

/// What targets have more than before, which has to come there however it is done. Zones may give a target less than it is
/// due by its weight. As a part of all copies after.
fn gains(old: &Tier, new: &Tier, before: &Distribution, after: &Distribution) -> f64 {
    let gains = new.targets().iter().zip(&after.0).map(|(target, after)| {
        let before = place(old, target).map_or(0, |place| before.0[place]);
        after.saturating_sub(before)
    });
    ratio(gains.sum(), after.copies())
}

/// If every target had what it is due by its weight, before and after, it would have to get what it is due more. As a part
/// of all copies after.
fn due_gains(old: &Tier, new: &Tier) -> f64 {
    let [copies_before, copies_after] = [old, new].map(|tier| tier.placement().facts().replicas as f64);
    let (before, after) = (due(old), due(new));
    let gains = new.targets().iter().zip(&after).map(|(target, after)| {
        let before = place(old, target).map_or(0.0, |place| before[place]);
        (after * copies_after - before * copies_before).max(0.0)
    });
    gains.sum::<f64>() / copies_after
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
        let ideal = |old: &[&str], new: &[&str]| due_gains(&tier(old, None), &tier(new, None));
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        close(ideal(&["a:1", "b:1"], &["b:1", "a:1"]), 0.0);
        close(ideal(&["a:1", "b:1"], &["a:1", "b:1", "c:1"]), 1.0 / 3.0);
        close(ideal(&["a:1", "b:1", "c:1", "d:1"], &["a:1", "b:1", "c:1"]), 0.25);
        close(ideal(&["a:1", "b:1"], &["a:1", "c:1"]), 0.5);
        close(ideal(&["a:1"], &["b:1"]), 1.0);
    }
}
