//! Whether hosts may be moved: everybody has to be as far as the move takes for granted, and that long enough.

use std::time::Duration;

use coco_core::placement::canary::Percentage;
use coco_core::placement::migration::Headway;
use coco_core::tier::{Moving, Tier};
use thiserror::Error;

use crate::api::{Client, Root};
use crate::failure::Failure;
use crate::tier_state::TierState;

/// How far every process has to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Milestone {
    /// At least this part of the hosts that move is written to new owners: before what former owners have is copied.
    Both(Percentage),
    /// At least this part is not written to former owners any more: before their files may go.
    New(Percentage),
}

/// Why a process keeps the gate closed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Closed {
    /// It has no such tier.
    #[error("there is no tier {0:?}")]
    NoTier(String),
    /// Hosts are not on this way there, nor at its beginning or end.
    #[error("tier {0}: hosts come from, or go to, other targets there")]
    Other(String),
    /// It is not as far.
    #[error(
        "tier {tier}: both = \"{}\" and new = \"{}\", but {} has to be \"{}\" or more",
        there.both(), there.new_only(), wanted.key(), wanted.part()
    )]
    Behind {
        /// The tier.
        tier: String,
        /// How far it is.
        there: Headway,
        /// How far it has to be.
        wanted: Milestone,
    },
    /// It is as far, but targets may have in memory what came before.
    #[error("tier {tier}: so for {age} s only, and it has to be more than {} s", longer_than.as_secs())]
    Young {
        /// The tier.
        tier: String,
        /// For how many seconds it is as it is.
        age: u64,
        /// How long it has to be.
        longer_than: Duration,
    },
    /// It does not say for how long.
    #[error("tier {0}: it does not say for how long it has been so: it is of an earlier release")]
    Ageless(String),
}

impl Milestone {
    fn key(self) -> &'static str {
        match self {
            Self::Both(_) => "both",
            Self::New(_) => "new",
        }
    }

    fn part(self) -> Percentage {
        let (Self::Both(part) | Self::New(part)) = self;
        part
    }

    fn is_reached_by(self, headway: Headway) -> bool {
        match self {
            Self::Both(part) => headway.both() >= part,
            Self::New(part) => headway.new_only() >= part,
        }
    }
}

/// Whether a process lets the hosts of a tier that is `moving` be moved, by what its `/tiers` says.
pub fn pass(
    moving: &Moving,
    there: &[TierState],
    wanted: Milestone,
    longer_than: Duration,
) -> Result<(), Closed> {
    let tier = moving.new_tier().name();
    let name = || tier.to_owned();
    let there = there.iter().find(|there| there.name == tier).ok_or_else(|| Closed::NoTier(name()))?;
    let headway = there.rebuilt().and_then(|tier: Tier| moving.headway_of(&tier));
    let headway = headway.ok_or_else(|| Closed::Other(name()))?;
    if !wanted.is_reached_by(headway) {
        return Err(Closed::Behind { tier: name(), there: headway, wanted });
    }
    match there.age {
        None => Err(Closed::Ageless(name())),
        Some(age) if age <= longer_than.as_secs() => Err(Closed::Young { tier: name(), age, longer_than }),
        Some(_) => Ok(()),
    }
}

/// Asks each process, and tells of each that is in the way why. No process at all is none that is in the way: it is for
/// the caller to want one.
///
/// An error is a process that gave no answer; what it writes to is unknown then, and nothing may be moved.
pub async fn ask(
    client: &Client,
    roots: &[Root],
    moving: &Moving,
    wanted: Milestone,
    longer_than: Duration,
) -> Result<Vec<(Root, Closed)>, Failure> {
    let mut closed = Vec::new();
    for root in roots {
        let there: Vec<TierState> = client.stream(root, "/tiers?routes=false").await?;
        if let Err(reason) = pass(moving, &there, wanted, longer_than) {
            closed.push((root.clone(), reason));
        }
    }
    Ok(closed)
}

#[cfg(test)]
mod tests {
    use coco_core::config::{Config, Program};
    use coco_core::tier::Tiers;

    use super::*;

    fn tiers(migration: &str, state: &str) -> Tiers {
        let text = format!(
            "[tiers.t]\nhash = 'rendezvous'\n{migration}\n\
             targets = [{{ name = 'a', address = 'a:1'{state} }}, {{ name = 'b', address = 'b:1' }}]"
        );
        Config::parse(&text, Program::Coco).unwrap().tiers
    }

    fn moving(both: &str, new: &str) -> Tiers {
        tiers(&format!("migration = {{ both = '{both}', new = '{new}' }}"), ", state = 'draining'")
    }

    fn passes(there: &Tiers, age: Option<u64>, wanted: Milestone) -> Result<(), Closed> {
        let way = moving("100%", "0%");
        let there: Vec<_> =
            TierState::of(there).into_iter().map(|state| TierState { age, ..state }).collect();
        pass(way.get(0).unwrap().moving().unwrap(), &there, wanted, Duration::from_secs(60))
    }

    #[test]
    fn the_gate_opens_once_all_is_written_to_both_for_longer_than_targets_keep_it_in_memory() {
        let both = Milestone::Both(Percentage::ALL);
        assert_eq!(passes(&moving("100%", "0%"), Some(61), both), Ok(()));
        assert_eq!(passes(&moving("100%", "5%"), Some(61), both), Ok(()));
        let told = |there: &Tiers, age, wanted| passes(there, age, wanted).unwrap_err().to_string();
        assert_eq!(
            told(&moving("100%", "0%"), Some(60), both),
            "tier t: so for 60 s only, and it has to be more than 60 s"
        );
        assert_eq!(
            told(&moving("99%", "0%"), Some(999), both),
            "tier t: both = \"99%\" and new = \"0%\", but both has to be \"100%\" or more"
        );
        assert!(told(&moving("100%", "0%"), None, both).contains("earlier release"));
        // Not begun, or a share of them alone.
        assert!(told(&tiers("", ""), Some(999), both).contains("both = \"0%\""));
        assert_eq!(passes(&moving("5%", "0%"), Some(999), Milestone::Both("5%".parse().unwrap())), Ok(()));
        let elsewhere = tiers("migration = { both = '100%', from = { targets = ['b'] } }", "");
        assert_eq!(passes(&elsewhere, Some(999), both), Err(Closed::Other("t".to_owned())));
    }

    #[test]
    fn former_owners_are_let_go_once_nobody_writes_to_them() {
        let new = Milestone::New(Percentage::ALL);
        let done = "[tiers.t]\nhash = 'rendezvous'\ntargets = [{ name = 'b', address = 'b:1' }]";
        let done = Config::parse(done, Program::Coco).unwrap().tiers;
        assert_eq!(passes(&done, Some(61), new), Ok(()));
        assert_eq!(passes(&moving("100%", "100%"), Some(61), new), Ok(()));
        assert!(matches!(passes(&moving("100%", "99%"), Some(61), new), Err(Closed::Behind { .. })));
        let other = Config::parse("[tiers.u]\ntargets = ['b:1']", Program::Coco).unwrap().tiers;
        assert_eq!(passes(&other, Some(61), new), Err(Closed::NoTier("t".to_owned())));
    }
}
