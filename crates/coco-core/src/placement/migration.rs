//! Hosts on their way from one placement to another, without a moment at which nobody has them whole.
//!
//! A host that moves has former owners *P* and new ones *Q*, and goes from the former through both to the new by its
//! [point](super::canary):
//!
//! | stage | the host's point is | is written to | is read from, in this order |
//! |---|---|---|---|
//! | [old](Stage::Old) | not in `both` | P | P, Q |
//! | [both](Stage::Both) | in `both`, not in `new` | P, Q | P, Q |
//! | [new](Stage::New) | in `new` | Q | Q, P |
//!
//! Where P and Q are the same targets, the host is [settled](Stage::Settled) and there is nothing to do.
//!
//! Processes take up a configuration one after the other. Of any two that run at the same time, `new` of the one must
//! not exceed `both` of the other: then at every moment either all write all of P or all write all of Q, and whoever
//! reads asks both. No migration yet is (0 %, 0 %) of it, and none any more (100 %, 100 %): [`Headway`].

use super::canary::Percentage;
use super::{Facts, Placement};

/// The headway of a migration, in parts of the hosts that move.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Headway {
    both: Percentage,
    new: Percentage,
}

impl Headway {
    /// Nothing has begun: all is written to the former owners.
    pub const BEFORE: Self = Self { both: Percentage::NONE, new: Percentage::NONE };

    /// All is done: all is written to the new owners alone.
    pub const AFTER: Self = Self { both: Percentage::ALL, new: Percentage::ALL };

    /// `both` is written to former and new owners, and of it `new` to the new owners alone. None where it is more.
    pub fn new(both: Percentage, new: Percentage) -> Option<Self> {
        (new <= both).then_some(Self { both, new })
    }

    /// The part that new owners get.
    pub fn both(self) -> Percentage {
        self.both
    }

    /// The part that former owners don't get any more.
    pub fn new_only(self) -> Percentage {
        self.new
    }

    /// Whether two processes, one by each, write one whole set of owners in common, whatever the host.
    pub fn is_safe_beside(self, other: Self) -> bool {
        self.new.max(other.new) <= self.both.min(other.both)
    }
}

/// Where a host stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// It does not move.
    Settled,
    /// Its former owners have it.
    Old,
    /// Former and new owners have it.
    Both,
    /// Its new owners have it.
    New,
}

impl Stage {
    /// As it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settled => "settled",
            Self::Old => "old",
            Self::Both => "both",
            Self::New => "new",
        }
    }
}

/// One placement and its part of the targets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Side {
    placement: Placement,
    /// Where each of its targets stands among all.
    places: Box<[usize]>,
}

impl Side {
    /// A placement whose targets stand at these places among all, in its order.
    ///
    /// # Panics
    ///
    /// If there are not as many places as it has targets.
    pub fn new(placement: Placement, places: Vec<usize>) -> Self {
        assert_eq!(placement.facts().targets, places.len(), "each target has its place");
        Self { placement, places: places.into() }
    }

    /// The placement alone.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// The places of the owners among all targets, instead of what is there.
    pub fn owners(&self, host: &[u8], owners: &mut Vec<usize>) {
        self.placement.owners(host, owners);
        owners.iter_mut().for_each(|owner| *owner = self.places[*owner]);
    }

    fn is_whole_without(&self, lost: &dyn Fn(usize) -> bool) -> bool {
        self.placement.is_whole_without(|target| lost(self.places[target]))
    }
}

/// Two placements, and how far hosts have come from the one to the other. Its targets are those of both.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Migration {
    new: Side,
    former: Side,
    targets: usize,
    headway: Headway,
}

/// One host in a migration: where it stands, and between whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Where it stands.
    pub stage: Stage,
    /// Those that own it once all is done, the first owner first.
    pub owners: Vec<usize>,
    /// Those that owned it before, in order; none where it is settled.
    pub former: Vec<usize>,
}

impl Move {
    /// The targets that it is written to; the one to read it from is the first.
    pub fn writers(self) -> Vec<usize> {
        match self.stage {
            Stage::Settled | Stage::New => self.owners,
            Stage::Old => self.former,
            Stage::Both => joined(self.former, &self.owners),
        }
    }

    /// The targets to read it from: all that may have some of it, the one that has most first.
    pub fn readers(self) -> Vec<usize> {
        match self.stage {
            Stage::Settled | Stage::New => joined(self.owners, &self.former),
            Stage::Old | Stage::Both => joined(self.former, &self.owners),
        }
    }
}

impl Migration {
    /// From one to the other. Every target, which are so many, is of one of them or of both.
    pub fn new(new: Side, former: Side, targets: usize, headway: Headway) -> Self {
        Self { new, former, targets, headway }
    }

    /// The placement that owns hosts once all is done.
    pub fn new_side(&self) -> &Side {
        &self.new
    }

    /// The placement that owned hosts before.
    pub fn former_side(&self) -> &Side {
        &self.former
    }

    /// Its headway.
    pub fn headway(&self) -> Headway {
        self.headway
    }

    /// Looks up where a host stands, and between whom.
    pub fn of(&self, host: &[u8]) -> Move {
        let (mut owners, mut former) = (Vec::new(), Vec::new());
        self.new.owners(host, &mut owners);
        self.former.owners(host, &mut former);
        if owners.len() == former.len() && former.iter().all(|former| owners.contains(former)) {
            return Move { stage: Stage::Settled, owners, former: Vec::new() };
        }
        let stage = if self.headway.new.contains(host) {
            Stage::New
        } else if self.headway.both.contains(host) {
            Stage::Both
        } else {
            Stage::Old
        };
        Move { stage, owners, former }
    }

    /// Whether every host has an owner of each kind that is not lost: what a former owner alone has would be missed.
    pub(super) fn is_whole_without(&self, lost: &dyn Fn(usize) -> bool) -> bool {
        self.new.is_whole_without(lost) && self.former.is_whole_without(lost)
    }

    /// That of both, and of the host's point.
    pub(super) fn cost(&self, host: &[u8]) -> usize {
        self.new.placement.cost(host) + self.former.placement.cost(host) + 2 + host.len() / 32
    }

    /// Those of both, but no target twice.
    pub(super) fn most_copies(&self) -> usize {
        let of = |side: &Side| side.placement.most_copies();
        self.targets.min(of(&self.new) + of(&self.former))
    }

    /// Those of what hosts come to, but of all targets.
    pub(super) fn facts(&self) -> Facts {
        Facts { targets: self.targets, ..self.new.placement.facts() }
    }
}

/// The first, and those of the second that are not among them.
fn joined(mut first: Vec<usize>, second: &[usize]) -> Vec<usize> {
    for place in second {
        if !first.contains(place) {
            first.push(*place);
        }
    }
    first
}

#[cfg(test)]
mod tests {
    use super::super::ring::Ring;
    use super::*;

    fn percent(text: &str) -> Percentage {
        text.parse().unwrap()
    }

    /// From two targets to three on a ring, the former being the first two.
    fn migration(both: &str, new: &str) -> Migration {
        let side =
            |targets: usize| Side::new(Placement::Ring(Ring::new(targets, 20)), (0..targets).collect());
        Migration::new(side(3), side(2), 3, Headway::new(percent(both), percent(new)).unwrap())
    }

    #[test]
    fn a_host_goes_from_the_former_owners_through_both_to_the_new() {
        let hosts: Vec<_> = (0..300).map(|host| format!("host{host}")).collect();
        let moving: Vec<_> = hosts
            .iter()
            .filter(|host| migration("0%", "0%").of(host.as_bytes()).stage == Stage::Old)
            .collect();
        assert!(moving.len() > 50, "{}", moving.len());
        for (both, new, stage) in
            [("0%", "0%", Stage::Old), ("100%", "0%", Stage::Both), ("100%", "100%", Stage::New)]
        {
            for host in &moving {
                let of = migration(both, new).of(host.as_bytes());
                let (owners, former) = (of.owners.clone(), of.former.clone());
                let all = |first: &[usize], second: &[usize]| [first, second].concat();
                assert_eq!(of.stage, stage, "{host}");
                let (writers, readers) = match stage {
                    Stage::Old => (former.clone(), all(&former, &owners)),
                    Stage::Both => (all(&former, &owners), all(&former, &owners)),
                    _ => (owners.clone(), all(&owners, &former)),
                };
                assert_eq!((of.clone().writers(), of.readers()), (writers, readers), "{host} {stage:?}");
            }
        }
    }

    #[test]
    fn a_host_that_stays_has_one_target_whatever_the_progress() {
        let stays = |host: &String| migration("0%", "0%").of(host.as_bytes()).stage == Stage::Settled;
        let hosts: Vec<_> = (0..300).map(|host| format!("host{host}")).filter(stays).collect();
        assert!(hosts.len() > 30, "{}", hosts.len());
        for (both, new) in [("0%", "0%"), ("50%", "0%"), ("100%", "50%"), ("100%", "100%")] {
            for host in &hosts {
                let of = migration(both, new).of(host.as_bytes());
                assert_eq!((of.clone().writers().len(), of.readers().len()), (1, 1), "{host} {both} {new}");
            }
        }
    }

    #[test]
    fn no_more_goes_to_the_new_owners_alone_than_to_both() {
        assert_eq!(Headway::new(percent("1%"), percent("1.01%")), None);
        assert_eq!(Headway::new(percent("100%"), percent("100%")), Some(Headway::AFTER));
        assert!(!Headway::BEFORE.is_safe_beside(Headway::AFTER));
        let step = |both, new| Headway::new(percent(both), percent(new)).unwrap();
        assert!(step("50%", "0%").is_safe_beside(Headway::BEFORE));
        assert!(step("100%", "5%").is_safe_beside(Headway::AFTER));
        assert!(!step("50%", "5%").is_safe_beside(Headway::BEFORE));
        assert!(!step("50%", "5%").is_safe_beside(Headway::AFTER));
    }

    /// A former owner that is lost may be the only one to have some rows.
    #[test]
    fn a_migration_is_whole_only_with_former_and_new_owners() {
        let migration = Placement::Migration(Box::new(migration("50%", "0%")));
        assert!(migration.is_whole_without(|_| false));
        for lost in 0..3 {
            assert!(!migration.is_whole_without(|place| place == lost), "{lost}");
        }
    }
}
