//! A tier whose hosts are on their way from former targets to others.

use thiserror::Error;

use super::{Placing, Target, Tier, TierError, Tiers};
use crate::placement::Placement;
use crate::placement::canary::Percentage;
use crate::placement::migration::{Headway, Migration, Side};

/// The tiers that a tier comes from and goes to, as they are without a migration.
#[derive(Debug, Clone)]
pub struct Moving {
    former: Tier,
    new: Tier,
    /// Number of targets that the tier lists itself. Behind them stand those that only the former tier has.
    listed: usize,
    headway: Headway,
}

impl Moving {
    /// The tier that hosts come from.
    pub fn former(&self) -> &Tier {
        &self.former
    }

    /// The tier that hosts come to.
    pub fn new_tier(&self) -> &Tier {
        &self.new
    }

    /// The parts of the hosts that are on their way.
    pub fn headway(&self) -> Headway {
        self.headway
    }

    /// How far another tier of this name is on the same way, if it is on it, before it or behind it.
    pub fn headway_of(&self, tier: &Tier) -> Option<Headway> {
        let is = |one: &Tier, other: &Tier| one.fingerprint() == other.fingerprint();
        match tier.moving() {
            Some(moving) => {
                (is(&moving.former, &self.former) && is(&moving.new, &self.new)).then_some(moving.headway)
            }
            None if is(tier, &self.former) => Some(Headway::BEFORE),
            None if is(tier, &self.new) => Some(Headway::AFTER),
            None => None,
        }
    }
}

/// The role of a target in its tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// It owns hosts.
    Active,
    /// It is listed and owns none any more: they leave it.
    Draining,
    /// It is not listed any more, and hosts leave it.
    Former,
}

impl Role {
    /// As the configuration and `/tiers` call it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Former => "former",
        }
    }
}

impl Tier {
    /// A tier that hosts are on their way in: from `former`, placed like this, to those of the `listed` targets that are
    /// not draining. What is one target goes by the address.
    pub fn migrating(
        name: String,
        listed: Vec<(Target, Role)>,
        placing: Placing,
        former: (Vec<Target>, Placing),
        headway: Headway,
    ) -> Result<Self, TierError> {
        let is_active = |(target, role): &(Target, Role)| (*role == Role::Active).then(|| target.clone());
        let new = Self::placed(name.clone(), listed.iter().filter_map(is_active).collect(), placing)?;
        let former = Self::placed(name.clone(), former.0, former.1)?;
        let mut targets: Vec<Target> = listed.into_iter().map(|(target, _)| target).collect();
        let listed = targets.len();
        for target in &former.targets {
            if targets.iter().all(|known| known.address != target.address) {
                targets.push(target.clone());
            }
        }
        let side = |tier: &Self| {
            let place = |target: &Target| targets.iter().position(|known| known.address == target.address);
            Side::new(tier.placement.clone(), tier.targets.iter().filter_map(place).collect())
        };
        let migration = Migration::new(side(&new), side(&former), targets.len(), headway);
        Ok(Self {
            name,
            targets: targets.into(),
            placement: Placement::Migration(Box::new(migration)),
            credentials: None,
            moving: Some(Box::new(Moving { former, new, listed, headway })),
            remote_write: None,
        })
    }

    /// The tiers that hosts come from and go to, if they are on their way.
    pub fn moving(&self) -> Option<&Moving> {
        self.moving.as_deref()
    }

    /// The role of the target at an index.
    pub fn role(&self, target: usize) -> Role {
        let Some(moving) = &self.moving else { return Role::Active };
        let Some(known) = self.targets.get(target) else { return Role::Former };
        if moving.new.targets.iter().any(|new| new.address == known.address) {
            Role::Active
        } else if target < moving.listed {
            Role::Draining
        } else {
            Role::Former
        }
    }

    /// The tier that hosts come to: this one, or another while they are on their way.
    pub fn settled(&self) -> &Self {
        self.moving.as_ref().map_or(self, |moving| &moving.new)
    }
}

/// Whether processes by one tier and by another of its name may run at the same time, as far as hosts are on their way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// No hosts move: they are placed alike, without a migration.
    None,
    /// The same hosts move to the same targets, and all processes write a whole set of owners in common.
    Safe,
    /// The same hosts move to the same targets, and those of these parts are written to disjoint owners.
    Unsafe {
        /// The headway of the first.
        one: Headway,
        /// The headway of the other.
        other: Headway,
    },
    /// Hosts are placed otherwise.
    Other,
}

impl Step {
    /// From one tier to another.
    pub fn between(one: &Tier, other: &Tier) -> Self {
        let known = one.moving().or_else(|| other.moving());
        let Some(moving) = known else {
            return if one.fingerprint() == other.fingerprint() { Self::None } else { Self::Other };
        };
        match (moving.headway_of(one), moving.headway_of(other)) {
            (Some(one), Some(other)) if one.is_safe_beside(other) => Self::Safe,
            (Some(one), Some(other)) => Self::Unsafe { one, other },
            _ => Self::Other,
        }
    }
}

/// A step that would have hosts written to disjoint owners while processes take it one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "tiers.{tier}.migration: both = \"{}\" and new = \"{}\" next to both = \"{}\" and new = \"{}\", which is running: \
     {}",
    new.both, new.new, running.both, running.new, self.reason()
)]
pub struct StepError {
    /// The tier.
    pub tier: String,
    /// The parts in force in the process that runs.
    pub running: Parts,
    /// The parts that it was asked to go to.
    pub new: Parts,
}

/// [`Headway`], as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts {
    /// The part that former and new owners get.
    pub both: Percentage,
    /// The part that new owners alone get.
    pub new: Percentage,
}

impl From<Headway> for Parts {
    fn from(headway: Headway) -> Self {
        Self { both: headway.both(), new: headway.new_only() }
    }
}

impl StepError {
    fn reason(&self) -> String {
        let Self { running, new, .. } = self;
        if new.new > running.both {
            format!(
                "hosts would go to new owners alone that another Coco may still write to former ones alone; raise both to \
                 {:?} or more first, and wait until all have it",
                new.new.to_string()
            )
        } else {
            format!(
                "hosts would go to former owners alone that another Coco may still write to new ones alone; lower new to \
                 {:?} or less first, and wait until all have it",
                new.both.to_string()
            )
        }
    }
}

impl Tiers {
    /// Refuses tiers that a process by these can't go over to while others are still by these.
    pub fn check_step(&self, new: &Self) -> Result<(), StepError> {
        for tier in new {
            let Some(old) = self.iter().find(|old| old.name() == tier.name()) else { continue };
            if let Step::Unsafe { one, other } = Step::between(old, tier) {
                let tier = tier.name().to_owned();
                return Err(StepError { tier, running: one.into(), new: other.into() });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::target;
    use super::*;

    const ONE: Placing = Placing::Rendezvous { replicas: 1 };

    fn headway(both: &str, new: &str) -> Headway {
        Headway::new(both.parse().unwrap(), new.parse().unwrap()).unwrap()
    }

    fn targets(names: &[&str]) -> Vec<Target> {
        names.iter().copied().map(target).collect()
    }

    /// From `a` and `b` to `b` and `c`.
    fn tier(both: &str, new: &str) -> Tier {
        let listed = [Role::Draining, Role::Active, Role::Active];
        let listed = targets(&["a:1", "b:1", "c:1"]).into_iter().zip(listed).collect();
        let former = (targets(&["a:1", "b:1"]), ONE);
        Tier::migrating("t".to_owned(), listed, ONE, former, headway(both, new)).unwrap()
    }

    fn plain(names: &[&str]) -> Tier {
        Tier::placed("t".to_owned(), targets(names), ONE).unwrap()
    }

    #[test]
    fn a_tier_has_the_targets_that_it_lists_and_those_that_hosts_come_from() {
        let former = (targets(&["x:1", "b:1", "a:1"]), Placing::Ring { virtual_replicas: None });
        let listed = targets(&["a:1", "b:1"]).into_iter().zip([Role::Draining, Role::Active]).collect();
        let tier = Tier::migrating("t".to_owned(), listed, ONE, former, Headway::BEFORE).unwrap();
        let names: Vec<_> = tier.targets().iter().map(|target| target.name.as_str()).collect();
        assert_eq!(names, ["a:1", "b:1", "x:1"]);
        assert_eq!([0, 1, 2].map(|place| tier.role(place)), [Role::Draining, Role::Active, Role::Former]);
        let migration = tier.placement().migration().unwrap();
        let former = tier.moving().unwrap().former();
        for host in 0..100 {
            let host = format!("host{host}");
            let of = migration.of(host.as_bytes());
            assert_eq!(of.owners, [1]);
            let owner = &former.targets()[former.owner(host.as_bytes())].name;
            if *owner != "b:1" {
                assert_eq!(tier.targets()[of.former[0]].name, *owner);
            }
        }
    }

    #[test]
    fn steps_are_safe_as_long_as_no_more_is_new_than_both() {
        let steps = [
            plain(&["a:1", "b:1"]),
            tier("0%", "0%"),
            tier("5%", "0%"),
            tier("100%", "5%"),
            tier("100%", "100%"),
            plain(&["b:1", "c:1"]),
        ];
        let is_safe = |one: usize, other: usize| match Step::between(&steps[one], &steps[other]) {
            Step::Safe => true,
            Step::Unsafe { .. } => false,
            step => panic!("{one} {other} {step:?}"),
        };
        for at in 1..5 {
            assert!(is_safe(at, at));
        }
        assert!(is_safe(0, 1) && is_safe(1, 0) && is_safe(0, 2) && is_safe(1, 2) && is_safe(4, 5));
        assert!(is_safe(3, 4) && is_safe(5, 3));
        assert!(is_safe(2, 3) && !is_safe(3, 1) && !is_safe(4, 2) && !is_safe(5, 2) && !is_safe(0, 4));
        assert_eq!(Step::between(&steps[0], &steps[0]), Step::None);
        assert_eq!(Step::between(&steps[0], &steps[5]), Step::Other);
        assert_eq!(Step::between(&plain(&["a:1", "d:1"]), &steps[1]), Step::Other);
    }

    #[test]
    fn a_step_too_far_is_refused_with_what_to_do_first() {
        let tiers = |tier: Tier| Tiers::new(vec![tier]).unwrap();
        let told = |one: Tier, other: Tier| tiers(one).check_step(&tiers(other)).unwrap_err().to_string();
        assert_eq!(tiers(tier("5%", "0%")).check_step(&tiers(tier("100%", "5%"))), Ok(()));
        assert_eq!(
            told(tier("5%", "0%"), tier("100%", "10%")),
            "tiers.t.migration: both = \"100%\" and new = \"10%\" next to both = \"5%\" and new = \"0%\", which is running: \
             hosts would go to new owners alone that another Coco may still write to former ones alone; raise both to \
             \"10%\" or more first, and wait until all have it"
        );
        assert_eq!(
            told(tier("100%", "10%"), tier("5%", "0%")),
            "tiers.t.migration: both = \"5%\" and new = \"0%\" next to both = \"100%\" and new = \"10%\", which is running: \
             hosts would go to former owners alone that another Coco may still write to new ones alone; lower new to \
             \"5%\" or less first, and wait until all have it"
        );
        // The table can't go before all is done, nor be left behind when nothing is.
        assert!(told(tier("50%", "0%"), plain(&["b:1", "c:1"])).contains("raise both to \"100%\""));
        assert!(told(tier("100%", "1%"), plain(&["a:1", "b:1"])).contains("lower new to \"0%\""));
        assert_eq!(tiers(tier("50%", "0%")).check_step(&tiers(plain(&["a:1", "b:1"]))), Ok(()));
        assert_eq!(tiers(tier("100%", "100%")).check_step(&tiers(plain(&["b:1", "c:1"]))), Ok(()));
    }
}
