//! Targets and tiers, in the order of the configuration, and the fingerprint by which processes agree on them.
//!
//! Every value list goes to every tier, and within a tier to each target that owns its host: one, or as many as the tier
//! has copies of it.

mod endpoint;
mod engine;
mod fingerprint;
mod ids;
mod moving;
mod target;

use std::collections::HashSet;
use std::ops::{Index, RangeInclusive};
use std::slice;
use std::sync::Arc;

use thiserror::Error;

use crate::placement::jump::Jump;
use crate::placement::rendezvous::{Member, Rendezvous};
use crate::placement::ring::{MAX_VIRTUAL_REPLICAS, Ring, default_virtual_replicas};
use crate::placement::{Placement, PlacementError, Way};

pub use endpoint::{DaemonAddress, Endpoint, Protocol};
pub use engine::{BasicAuth, ClientCertificate, RelabelRule, RemoteWrite, Tls};
pub use fingerprint::Fingerprint;
pub use ids::{TargetId, TierId};
pub use moving::{Moving, Parts, Role, Step, StepError};
pub use target::{Credentials, PasswordSource, Placed, Protection, Target};

/// A reason why targets are no tier, or tiers no configuration.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TierError {
    /// A tier of no targets owns no host.
    #[error("there are no targets: expected at least one \"HOST:PORT\"")]
    NoTargets,
    /// A number of virtual replicas that gives no ring, or one that fills the memory.
    #[error("{given} is no number of virtual replicas: expected {} to {}", VIRTUAL_REPLICAS.start(), VIRTUAL_REPLICAS.end())]
    VirtualReplicas {
        /// The number configured.
        given: u32,
    },
    /// The placement does not fit the targets.
    #[error(transparent)]
    Placement(#[from] PlacementError),
    /// Without tiers there is nowhere to send to.
    #[error("there are no tiers: expected at least one, with its targets")]
    NoTiers,
    /// More targets than can be told apart.
    #[error("{given} targets in all tiers: expected at most {MAX_TARGETS}")]
    TooManyTargets {
        /// Their number.
        given: usize,
    },
    /// Two tiers have one name.
    #[error("tier {name:?} is given twice: expected every name once")]
    DuplicateTier {
        /// The name.
        name: String,
    },
}

/// Most targets of all tiers together: Coco has a socket for each.
pub const MAX_TARGETS: usize = u16::MAX as usize;

/// The values that `virtual_replicas` of a tier may have.
const VIRTUAL_REPLICAS: RangeInclusive<u32> = 1..=MAX_VIRTUAL_REPLICAS;

/// The way in which a tier is to place hosts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Placing {
    /// By a [`Ring`], as the older implementation does.
    Ring {
        /// Points of each target; without it, [the number that all Cocos use](default_virtual_replicas).
        virtual_replicas: Option<u32>,
    },
    /// By [`Jump`].
    Jump {
        /// Copies of each host.
        replicas: usize,
    },
    /// By [`Rendezvous`].
    Rendezvous {
        /// Copies of each host.
        replicas: usize,
    },
}

impl Placing {
    /// By this way, each host with so many owners, where it can have several.
    pub fn new(way: Way, replicas: usize, virtual_replicas: Option<u32>) -> Self {
        match way {
            Way::Ring => Self::Ring { virtual_replicas },
            Way::Jump => Self::Jump { replicas },
            Way::Rendezvous => Self::Rendezvous { replicas },
        }
    }
}

/// Targets that share all hosts among them by their [`Placement`].
#[derive(Debug, Clone)]
pub struct Tier {
    name: String,
    targets: Box<[Target]>,
    placement: Placement,
    credentials: Option<Credentials>,
    /// While hosts are on their way.
    moving: Option<Box<Moving>>,
    remote_write: Option<Arc<RemoteWrite>>,
}

impl Tier {
    /// A tier of these targets on a [`Ring`], in this order: the index of a target decides what it owns. One that is
    /// given twice gets two shares of all hosts; a configuration with such a tier is refused.
    ///
    /// Without `virtual_replicas` it is [the number that all Cocos use](default_virtual_replicas).
    pub fn new(name: String, targets: Vec<Target>, virtual_replicas: Option<u32>) -> Result<Self, TierError> {
        Self::placed(name, targets, Placing::Ring { virtual_replicas })
    }

    /// A tier of these targets, whose hosts are placed like this.
    pub fn placed(name: String, targets: Vec<Target>, placing: Placing) -> Result<Self, TierError> {
        if targets.is_empty() {
            return Err(TierError::NoTargets);
        }
        let placement = match placing {
            Placing::Ring { virtual_replicas } => {
                let replicas = virtual_replicas.unwrap_or_else(|| default_virtual_replicas(targets.len()));
                if !VIRTUAL_REPLICAS.contains(&replicas) {
                    return Err(TierError::VirtualReplicas { given: replicas });
                }
                Placement::Ring(Ring::new(targets.len(), replicas))
            }
            Placing::Jump { replicas } => {
                let indices: Vec<_> = targets.iter().map(|target| target.placed.index).collect();
                Placement::Jump(Jump::new(&indices, replicas)?)
            }
            Placing::Rendezvous { replicas } => {
                let members: Vec<_> = targets.iter().map(member).collect();
                Placement::Rendezvous(Rendezvous::new(&members, replicas)?)
            }
        };
        Ok(Self {
            name,
            targets: targets.into(),
            placement,
            credentials: None,
            moving: None,
            remote_write: None,
        })
    }

    /// The same with packets signed or encrypted.
    pub fn with_credentials(self, credentials: Option<Credentials>) -> Self {
        Self { credentials, ..self }
    }

    /// As whom its packets are signed or encrypted, if they are.
    pub fn credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    /// The same with targets that are engines, which take samples by remote write and not packets.
    pub fn with_remote_write(self, remote_write: Option<RemoteWrite>) -> Self {
        Self { remote_write: remote_write.map(Arc::new), ..self }
    }

    /// The terms on which its targets are written to, if they are engines. Noodle asks none of them.
    pub fn remote_write(&self) -> Option<&Arc<RemoteWrite>> {
        self.remote_write.as_ref()
    }

    /// The name, as in `[tiers.NAME]`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// One of its targets.
    pub fn target(&self, target: TargetId) -> &Target {
        &self.targets[target.number()]
    }

    /// The targets in the order of the configuration; never none.
    pub fn targets(&self) -> &[Target] {
        &self.targets
    }

    /// The index in [`targets`](Self::targets) of the first of those that own this host: the one to read it from.
    pub fn owner(&self, host: &[u8]) -> usize {
        self.placement.first_owner(host)
    }

    /// Which targets hold a host. Tiers whose placements are equal part all hosts alike.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// Whether two targets can be in different zones.
    pub fn is_zoned(&self) -> bool {
        self.targets.iter().any(|target| target.placed.zone.is_some())
    }

    /// The fingerprint of all that this tier routes by.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_tier(self)
    }
}

fn member(target: &Target) -> Member<'_> {
    Member { name: target.label(), weight: target.placed.weight, zone: target.placed.zone.as_deref() }
}

/// All tiers, in the order of the configuration; never none.
#[derive(Debug, Clone)]
pub struct Tiers(Box<[Tier]>);

#[expect(clippy::len_without_is_empty, reason = "there is always a tier")]
impl Tiers {
    /// These tiers, in this order: Noodle asks the first one first.
    pub fn new(tiers: Vec<Tier>) -> Result<Self, TierError> {
        if tiers.is_empty() {
            return Err(TierError::NoTiers);
        }
        let mut names = HashSet::with_capacity(tiers.len());
        if let Some(again) = tiers.iter().find(|tier| !names.insert(tier.name())) {
            return Err(TierError::DuplicateTier { name: again.name.clone() });
        }
        // Of a tier that hosts are on their way in, each is a target to come to and one to come from.
        let times = |tier: &Tier| if tier.moving.is_some() { 2 } else { 1 };
        let given = tiers.iter().map(|tier| tier.targets().len() * times(tier)).sum();
        if given > MAX_TARGETS {
            return Err(TierError::TooManyTargets { given });
        }
        Ok(Self(tiers.into()))
    }

    /// Those that Noodle reads from, in their order: none if all are of engines.
    pub fn readable(&self) -> Option<Self> {
        let readable = self.0.iter().filter(|tier| tier.remote_write.is_none());
        let readable: Box<[Tier]> = readable.cloned().collect();
        (!readable.is_empty()).then_some(Self(readable))
    }

    /// The tiers in order.
    pub fn iter(&self) -> slice::Iter<'_, Tier> {
        self.0.iter()
    }

    /// The tiers in order, with their numbers.
    pub fn numbered(&self) -> impl ExactSizeIterator<Item = (TierId, &Tier)> {
        self.0.iter().enumerate().map(|(number, tier)| (TierId::new(number), tier))
    }

    /// Their number, at least 1.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The tier at this index.
    pub fn get(&self, index: usize) -> Option<&Tier> {
        self.0.get(index)
    }

    /// The fingerprint of all tiers: equal ones mean that every host has the same owners, in the same order.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of_tiers(self)
    }
}

impl Index<TierId> for Tiers {
    type Output = Tier;

    fn index(&self, tier: TierId) -> &Tier {
        &self.0[tier.number()]
    }
}

impl<'a> IntoIterator for &'a Tiers {
    type Item = &'a Tier;
    type IntoIter = slice::Iter<'a, Tier>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) fn target(name: &str) -> Target {
        Target::new(name, name.parse().unwrap())
    }

    pub(super) fn tier(
        name: &str,
        targets: &[&str],
        virtual_replicas: Option<u32>,
    ) -> Result<Tier, TierError> {
        Tier::new(name.to_owned(), targets.iter().copied().map(target).collect(), virtual_replicas)
    }

    /// The sample of the original.
    pub(super) fn sample() -> Vec<Tier> {
        vec![
            tier("shortterm", &["127.0.0.1:25827", "127.0.0.1:25828"], None).unwrap(),
            tier("midterm", &["127.0.0.1:25829", "127.0.0.1:25830"], None).unwrap(),
        ]
    }

    #[test]
    fn a_tier_shows_what_it_is_made_of() {
        let tier = tier("shortterm", &["Storage1:25826", "[0::1]:25826", "10.1.1.111:25826"], None).unwrap();
        assert_eq!(tier.name(), "shortterm");
        let facts = tier.placement().facts();
        assert_eq!((facts.hash, facts.virtual_replicas), ("ring", Some(default_virtual_replicas(3))));
        assert_eq!(tier.targets()[1].address.host(), "::1");
        for host in ["", "foo", "host1.example.org"] {
            assert_eq!(tier.owner(host.as_bytes()), Ring::new(3, 96).owner(host.as_bytes()));
        }
    }

    #[test]
    fn configured_replicas_replace_the_table() {
        let tier = tier("shortterm", &["a:1", "b:1", "c:1"], Some(7)).unwrap();
        assert_eq!(tier.placement().facts().virtual_replicas, Some(7));
        let ring = Ring::new(3, 7);
        let hosts = (0..1000).map(|host| format!("host{host}"));
        assert!(hosts.into_iter().all(|host| tier.owner(host.as_bytes()) == ring.owner(host.as_bytes())));
    }

    #[test]
    fn what_is_no_tier_is_refused() {
        assert_eq!(tier("t", &[], None).unwrap_err(), TierError::NoTargets);
        for given in [0, MAX_VIRTUAL_REPLICAS + 1, u32::MAX] {
            assert_eq!(tier("t", &["a:1"], Some(given)).unwrap_err(), TierError::VirtualReplicas { given });
        }
        assert!(tier("t", &["a:1"], Some(MAX_VIRTUAL_REPLICAS)).is_ok());
    }

    #[test]
    fn errors_name_their_subject_and_what_was_expected() {
        let error = tier("t", &["a:1"], Some(0)).unwrap_err();
        assert_eq!(error.to_string(), "0 is no number of virtual replicas: expected 1 to 10000");
    }

    #[test]
    fn tiers_keep_their_order_and_are_named_once() {
        let tiers = Tiers::new(sample()).unwrap();
        let names: Vec<_> = tiers.iter().map(Tier::name).collect();
        assert_eq!(names, ["shortterm", "midterm"]);
        assert_eq!(tiers.len(), 2);
        assert_eq!(tiers.get(1).map(Tier::name), Some("midterm"));
        assert!(tiers.get(2).is_none());

        assert_eq!(Tiers::new(Vec::new()).unwrap_err(), TierError::NoTiers);
        let many = vec![target("a:1"); MAX_TARGETS];
        let many = || Tier::new("many".to_owned(), many.clone(), Some(1)).unwrap();
        assert!(Tiers::new(vec![many()]).is_ok());
        let given = MAX_TARGETS + 2;
        let more = Tiers::new(vec![many(), sample().remove(0)]).unwrap_err();
        assert_eq!(more, TierError::TooManyTargets { given });
        let mut twice = sample();
        twice.push(tier("midterm", &["a:1"], None).unwrap());
        assert_eq!(Tiers::new(twice).unwrap_err(), TierError::DuplicateTier { name: "midterm".to_owned() });
    }
}
